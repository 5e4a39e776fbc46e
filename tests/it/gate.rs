//! `run`, `approve`, `log` and `recheck`: a command from its judgement to its record, without any real tool.

#![cfg(unix)]

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::Ran;
use crate::shims::{Shimmed, program};
use crate::support::loopback::Loopback;
use crate::support::rig;
use crate::support::tools::{pip_conf, serve};

/// Words that lead nowhere: the judgement asks, without any network.
const ASKS: &[&str] = &["install", "--index-url", "http://127.0.0.1:9/simple", "tw-nobody"];

fn lines(shimmed: &Shimmed) -> Vec<Value> {
    let ran = shimmed.run("tidewaiter", &["log", "list", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/record-1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let lines: Vec<Value> = ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for line in &lines {
        let errors: Vec<String> = validator.iter_errors(line).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "not by the schema: {errors:#?}\n{line:#}");
    }
    lines
}

fn events(shimmed: &Shimmed) -> Vec<String> {
    lines(shimmed).iter().map(|l| l["event"].as_str().unwrap().to_owned()).collect()
}

/// What a person would see and type: the command on a terminal of its own, with `answer` typed at the question.
fn on_a_terminal(shimmed: &Shimmed, word: &str, arguments: &[&str], answer: &str) -> Option<Ran> {
    let ran = shimmed.on_a_terminal(word, arguments, "[y/N]", &format!("{answer}\n"))?;
    if ran.stdout.contains("the process ") && ran.stdout.contains("says that an agent runs this") {
        eprintln!("skipped: this test runs below an agent");
        return None;
    }
    Some(ran)
}

fn digest(ran: &Ran) -> String {
    let line = ran.stderr.lines().find_map(|l| l.trim().strip_prefix("tidewaiter approve "));
    line.unwrap_or_else(|| panic!("no digest: {ran:?}")).to_owned()
}

#[test]
fn what_is_denied_or_asked_stops_and_is_recorded() {
    let server = Loopback::start();
    serve(&server);
    let shimmed = Shimmed::new(&["pip"]);
    pip_conf(&shimmed.sandbox, &server);
    let denied = shimmed.run("pip", &["install", "tw-no-such-name"]);
    assert_eq!(denied.status, 20, "{denied:?}");
    assert!(denied.stdout.is_empty() && denied.stderr.starts_with("DENY"), "{denied:?}");
    let asked = shimmed.run("tidewaiter", &["run", "--", "pip", "install", "tw-new"]);
    assert_eq!(asked.status, 10, "{asked:?}");
    assert!(asked.stdout.is_empty() && asked.stderr.starts_with("ASK"), "{asked:?}");
    assert_eq!(events(&shimmed), ["stopped", "stopped"]);
    let lines = lines(&shimmed);
    assert_eq!(lines[0]["command"]["via"], "shim");
    assert_eq!(lines[1]["plan"]["packages"][0]["purl"], "pkg:pypi/tw-new@1.0.0");
    assert!(lines[1]["plan"]["packages"][0]["digests"][0].as_str().unwrap().starts_with("sha256:"));
    assert!(lines[1]["plan"]["digest"].as_str().unwrap().starts_with(&format!("sha256:{}", digest(&asked))));
}

/// `tw-good` is old and harmless, so it is cleared, and the tool starts.
fn cleared(tool: &str) -> (Loopback, Shimmed) {
    let server = Loopback::start();
    serve(&server);
    let shimmed = Shimmed::new(&["pip"]);
    pip_conf(&shimmed.sandbox, &server);
    program(&shimmed.at("tools/pip"), tool);
    (server, shimmed)
}

#[test]
fn what_is_cleared_runs_between_two_lines_of_the_log() {
    for (tool, status) in [
        ("#!/bin/sh\necho out; echo err >&2; exit 7\n", 7),
        ("#!/bin/sh\nkill -INT $$\n", 130),
        ("#!/bin/sh\nkill -KILL $$\n", 137),
        ("#!/bin/sh\nexit 0\n", 0),
    ] {
        let (_server, shimmed) = cleared(tool);
        let ran = shimmed.run("pip", &["install", "tw-good"]);
        assert_eq!(ran.status, status, "{tool}: {ran:?}");
        if status == 7 {
            assert_eq!(ran.stdout, "out\n", "stdout is the tool's: {ran:?}");
            assert!(ran.stderr.contains("err\n"), "{ran:?}");
        }
        let lines = lines(&shimmed);
        let words: Vec<&str> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
        assert_eq!(words, ["start", "end"], "{ran:?}");
        assert_eq!(
            (lines[0]["verdict"].as_str(), lines[1]["status"].as_i64()),
            (Some("allow"), Some(i64::from(status)))
        );
        assert_eq!(lines[0]["plan"]["packages"].as_array().unwrap().len(), 2);
        let shown = shimmed.run("tidewaiter", &["log", "list"]).stdout;
        assert!(shown.contains(&format!("status {status}")), "{shown}");
        let start = shown.get(..12).unwrap();
        assert_eq!(lines[1]["run"].as_str().unwrap().get(..12), Some(start), "{shown}");
    }
}

#[test]
fn an_offline_run_asks_nobody() {
    let Some(python) = rig::python() else { return };
    let (server, shimmed) =
        cleared(&format!("#!{python}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"));
    server.python(rig::wheel("tw-whole", "1.0.0", &[]));
    let run = |online: bool, target| {
        server.clear_log();
        let options: &[&str] = if online { &["run"] } else { &["run", "--offline"] };
        let words = ["--", "pip", "install", "--no-cache-dir", "--target", target, "tw-whole"];
        let ran = shimmed.run("tidewaiter", &[options, &words].concat());
        let asked = server.paths();
        assert!(online || asked.is_empty(), "{asked:?}");
        (ran.status, ran.stderr, shimmed.at("work").join(target).join("tw_whole.py").exists())
    };
    let judged = shimmed.run("tidewaiter", &["check", "--", "pip", "install", "tw-whole"]);
    assert_eq!(judged.status, 0, "{judged:?}");
    let (status, said, there) = run(false, "a");
    assert!(status != 0 && !there && said.contains("tw_whole-1.0.0") && said.contains("offline"), "{status}: {said}");
    assert!(run(true, "b").2);
    assert!(run(false, "c").2, "what is in the store is there offline");
}

#[test]
fn a_signal_reaches_the_tool_and_the_gate_outlives_it() {
    let tool = "#!/bin/sh\ntrap 'echo caught; exit 5' TERM\necho ready\nwhile :; do read -r x < /dev/null; done\n";
    let (_server, shimmed) = cleared(tool);
    let mut child = shimmed.command("pip", &["install", "tw-good"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert!(Command::new("/bin/kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    std::io::Read::read_to_string(&mut out, &mut line).unwrap();
    assert_eq!(line, "ready\ncaught\n");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(events(&shimmed), ["start", "end"]);
}

#[test]
fn an_install_within_an_install_is_judged_again() {
    // By its own name through PATH, with variables that claim what they like, and by `exec` from a child.
    for inner in
        ["pip install tw-new", "TIDEWAITER_STARTED=$PPID pip install tw-new", "sh -c 'exec pip install tw-new'"]
    {
        let tool = format!(
            "#!/bin/sh\ncase \"$*\" in *tw-new*) echo LET THROUGH; exit 0;; esac\n({inner}) </dev/null\necho \"inner $?\"\n"
        );
        let (_server, shimmed) = cleared(&tool);
        let ran = shimmed.run("pip", &["install", "tw-good"]);
        assert!(!ran.stdout.contains("LET THROUGH"), "{inner}: {ran:?}");
        assert!(ran.stdout.contains("inner ") && !ran.stdout.contains("inner 0"), "{inner}: {ran:?}");
    }
}

#[test]
fn a_program_of_the_gate_s_name_is_no_gate() {
    let shimmed = Shimmed::new(&["pip"]);
    let fake = shimmed.at("fake/tidewaiter");
    std::fs::create_dir_all(fake.parent().unwrap()).unwrap();
    std::fs::copy(std::fs::canonicalize("/bin/sh").unwrap(), &fake).unwrap();
    for code in
        ["TIDEWAITER_STARTED=$$ pip \"$@\"; exit $?", "TIDEWAITER_STARTED=$$ TIDEWAITER_TRIAL=$$ pip \"$@\"; exit $?"]
    {
        let words = [&["-c", code, "sh"], ASKS].concat();
        let ran = shimmed.run(fake.to_str().unwrap(), &words);
        assert!(ran.status == 10 && !ran.stdout.contains("real pip"), "{code}: {ran:?}");
    }
    // Put in the engine's place, it is said to be another program.
    let link = shimmed.links().join("pip");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&fake, &link).unwrap();
    let status = shimmed.run("tidewaiter", &["shim", "status"]);
    assert!(status.status == 1 && status.stdout.contains("which is not this program"), "{status:?}");
    assert_eq!(shimmed.run("tidewaiter", &["shim", "install"]).status, 0);
    assert_eq!(shimmed.run("tidewaiter", &["shim", "status"]).status, 0);
}

#[test]
fn an_install_whose_record_cannot_be_written_does_not_start() {
    let shimmed = Shimmed::new(&["pip"]);
    shimmed.sandbox.write("../home/.local/share/tidewaiter/log", "a file where the directory would be");
    let ran = shimmed.run("pip", ASKS);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("cannot write the record") && !ran.stdout.contains("real pip"), "{ran:?}");
    assert_eq!(shimmed.run("pip", &["list"]).status, 7, "what installs nothing passes");
}

#[test]
fn an_approval_is_a_persons_and_counts_once() {
    let shimmed = Shimmed::new(&["pip"]);
    let plan = digest(&shimmed.run("pip", ASKS));
    // Not on a terminal, and not by an agent that opened one.
    let refused = shimmed.run("tidewaiter", &["approve", &plan]);
    assert!(refused.status == 20 && refused.stderr.contains("gate-tampering"), "{refused:?}");
    assert_eq!(events(&shimmed), ["stopped", "tampering"]);
    let Some(no) = on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "n") else { return };
    assert_eq!(no.status, 10, "{no:?}");
    assert_eq!(shimmed.run("pip", ASKS).status, 10);
    let yes = on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "y").unwrap();
    assert!(yes.status == 0 && yes.stdout.contains("approved once, until"), "{yes:?}");
    assert!(yes.stdout.contains("tw-nobody"), "the plan is shown before the question: {yes:?}");
    // The same plan by other means is another question.
    let other = shimmed.run("pip", &[ASKS, &["--trusted-host", "127.0.0.1", "--break-system-packages"]].concat());
    assert_eq!(other.status, 10, "{other:?}");
    let ran = shimmed.run("pip", ASKS);
    assert_ne!(ran.status, 10, "{ran:?}");
    let approved = lines(&shimmed).into_iter().find(|l| l["event"] == "approved").unwrap();
    if cfg!(target_os = "linux") {
        assert!(approved["terminal"].as_str().is_some_and(|t| t.starts_with("/dev/")), "{approved}");
        assert_eq!(approved["above"][0], "login");
    }
    let start = lines(&shimmed).into_iter().find(|l| l["event"] == "start").unwrap();
    assert_eq!(start["cleared_by"], "approval");
    assert_eq!(shimmed.run("pip", ASKS).status, 10, "it is spent");
}

/// A question about what lies in the directory: no network is needed for it.
const LOCAL: &[&str] = &["install", "--index-url", "http://127.0.0.1:9/simple", "./pyd"];

#[test]
fn an_approval_is_spent_on_what_was_approved_where_it_was() {
    let shimmed = Shimmed::new(&["pip"]);
    let sandbox = &shimmed.sandbox;
    let (seen, other) = ("from setuptools import setup\nsetup(name='pyd')\n", "import os\nos.system('true')\n");
    for place in ["pyd", "elsewhere/pyd"] {
        sandbox.write(&format!("{place}/setup.py"), seen);
    }
    sandbox.write("x.tar.gz", "one");
    let elsewhere = |words: &[&str]| {
        let mut command = shimmed.command("pip", words);
        command.current_dir(sandbox.work().join("elsewhere"));
        Ran::of(command.output().unwrap(), sandbox.dir.path())
    };
    let plan = digest(&shimmed.run("pip", LOCAL));
    let Some(yes) = on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "y") else { return };
    assert!(yes.stdout.contains("approved once"), "{yes:?}");
    assert_eq!(elsewhere(LOCAL).status, 10, "in another directory");
    sandbox.write("pyd/setup.py", other);
    assert_eq!(shimmed.run("pip", LOCAL).status, 10, "with other content");
    sandbox.write("pyd/setup.py", seen);
    sandbox.write("pyd/more.py", other);
    assert_eq!(shimmed.run("pip", LOCAL).status, 10, "with another file");
    std::fs::remove_file(sandbox.work().join("pyd/more.py")).unwrap();
    sandbox.write("pyd/__pycache__/setup.pyc", "made");
    let ran = shimmed.run("pip", LOCAL);
    assert_ne!(ran.status, 10, "{ran:?}");
    let archive = &[&LOCAL[..3], &["./x.tar.gz"]].concat();
    let plan = digest(&shimmed.run("pip", archive));
    on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "y").unwrap();
    sandbox.write("x.tar.gz", "two");
    assert_eq!(shimmed.run("pip", archive).status, 10, "another archive of that name");
}

#[test]
fn what_is_too_much_to_be_held_to_is_not_approved() {
    let shimmed = Shimmed::new(&["pip"]);
    shimmed.sandbox.write("pyd/setup.py", "");
    let large = std::fs::File::create(shimmed.sandbox.work().join("pyd/large")).unwrap();
    large.set_len(300 << 20).unwrap();
    let ran = shimmed.run("pip", LOCAL);
    assert!(ran.status == 10 && ran.stderr.contains("more than 256 MiB"), "{ran:?}");
    assert!(!ran.stderr.contains("tidewaiter approve"), "{ran:?}");
    let plan = lines(&shimmed)[0]["plan"]["digest"].as_str().unwrap().to_owned();
    let Some(refused) = on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "y") else { return };
    assert!(refused.status == 10 && refused.stdout.contains("too much"), "{refused:?}");
}

#[test]
fn an_answer_to_a_hook_is_one_to_the_link_it_leads_to() {
    let shimmed = Shimmed::new(&["pip"]);
    shimmed.sandbox.write("sub/pyd/setup.py", "");
    let ask = |line: &str| {
        let payload = serde_json::json!({"session_id": "s", "cwd": shimmed.sandbox.work(), "permission_mode": "default",
            "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": line}, "tool_use_id": "t"});
        let mut command = shimmed.command("tidewaiter", &["hook", "claude-code"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), payload.to_string().as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let line = format!("cd sub && pip {}", LOCAL.join(" "));
    let asked = ask(&line);
    assert!(asked.contains("\"ask\""), "{asked}");
    let plan = lines(&shimmed)[0]["plan"]["digest"].as_str().unwrap().to_owned();
    let Some(yes) = on_a_terminal(&shimmed, "tidewaiter", &["approve", &plan], "y") else { return };
    assert!(yes.stdout.contains("approved once"), "{yes:?}");
    assert_eq!(ask(&line), "");
    assert!(ask(&format!("{line} --no-deps")).contains("\"ask\""), "other words");
    let mut inner = shimmed.command("pip", LOCAL);
    inner.current_dir(shimmed.sandbox.work().join("sub"));
    let ran = Ran::of(inner.output().unwrap(), shimmed.sandbox.dir.path());
    assert_ne!(ran.status, 10, "{ran:?}");
    assert!(ask(&line).contains("\"ask\""), "it is spent");
}

#[test]
fn an_agent_s_terminal_is_no_person_s() {
    let shimmed = Shimmed::new(&["pip"]);
    let plan = digest(&shimmed.run("pip", ASKS));
    let mut inner = shimmed.command("tidewaiter", &["approve", &plan]);
    inner.env("CLAUDECODE", "1").stdin(Stdio::null());
    let ran = Ran::of(inner.output().unwrap(), shimmed.sandbox.dir.path());
    assert!(ran.status == 20 && ran.stderr.contains("CLAUDECODE"), "{ran:?}");
}

#[test]
fn a_terminal_that_a_script_opened_is_no_person_s() {
    let Some(python) = crate::shims::real_python() else { return };
    let shimmed = Shimmed::new(&["pip"]);
    let plan = digest(&shimmed.run("pip", ASKS));
    std::fs::write(shimmed.at("yes"), "y\n").unwrap();
    let approve = shimmed.command("tidewaiter", &["approve", &plan]);
    let program = approve.get_program().to_string_lossy().into_owned();
    // Taken away from its parents, with the agent's variable gone or emptied, and the answer fed by a file.
    let script = format!("script -qec '{program} approve {plan}' typescript < ../yes; cat typescript");
    let code = format!("import pty; pty.spawn(['{program}', 'approve', '{plan}'])");
    let spawned = format!("{} -c \"{code}\" < ../yes > typescript; cat typescript", python.display());
    for (typed, variable) in [(&script, None), (&script, Some("")), (&spawned, None)] {
        if typed.starts_with("script") && !std::path::Path::new("/usr/bin/script").exists() {
            continue;
        }
        let mut command = Command::new("setsid");
        command.args(["-w", "sh", "-c", typed]).current_dir(shimmed.sandbox.work()).stdin(Stdio::null());
        command.env_clear().env("HOME", shimmed.at("home")).env("PATH", "/usr/bin:/bin");
        command.envs(variable.map(|v| ("CLAUDECODE", v)));
        let Ok(out) = command.output() else { return };
        let ran = Ran::of(out, shimmed.sandbox.dir.path());
        assert!(!ran.stdout.contains("approved once") && ran.stdout.contains("only a person"), "{typed}: {ran:?}");
    }
    assert!(!events(&shimmed).contains(&"approved".to_owned()));
}

#[test]
fn what_is_denied_cannot_be_approved() {
    let shimmed = Shimmed::new(&["pip"]);
    let words = ["install", "--index-url", "http://127.0.0.1:9/simple", "litellm==1.82.8"];
    let ran = shimmed.run("pip", &words);
    assert_eq!(ran.status, 20, "{ran:?}");
    let digest = lines(&shimmed)[0]["plan"]["digest"].as_str().unwrap().to_owned();
    let Some(ran) = on_a_terminal(&shimmed, "tidewaiter", &["approve", &digest], "y") else { return };
    assert!(ran.status == 20 && ran.stdout.contains("cannot be approved"), "{ran:?}");
    let asked = on_a_terminal(&shimmed, "pip", &words, "y").unwrap();
    assert!(asked.status == 20 && !asked.stdout.contains("[y/N]"), "{asked:?}");
}

#[test]
fn on_a_terminal_the_question_is_put_and_no_is_no() {
    let shimmed = Shimmed::new(&["pip"]);
    for answer in ["n", "", "yeah"] {
        let Some(ran) = on_a_terminal(&shimmed, "pip", ASKS, answer) else { return };
        assert!(ran.status == 10 && ran.stdout.contains("[y/N]"), "{answer}: {ran:?}");
        assert!(!ran.stdout.contains("real pip"), "{ran:?}");
    }
    assert_eq!(events(&shimmed), ["stopped", "stopped", "stopped"]);
}

#[test]
fn wrappers_start_their_tools_through_the_links_or_ask() {
    let shimmed = Shimmed::new(&["pip", "sudo"]);
    program(&shimmed.at("tools/sudo"), "#!/bin/sh\nexec \"$@\"\n");
    // The inner tool's own link stops it: two questions would be one too many, so the outer one is not recorded alone.
    for (words, says) in [
        (&["sudo", "pip"][..], "`sudo` may run another `pip`"),
        (&["env", "-i", "pip"], "another PATH"),
        (&["env", "./pip"], "named by its path"),
    ] {
        let ran = shimmed.run("tidewaiter", &[&["run", "--"], words, ASKS].concat());
        assert_eq!(ran.status, 10, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{words:?}: {ran:?}");
        assert!(!ran.stdout.contains("real pip"), "{ran:?}");
    }
    let nothing = shimmed.run("tidewaiter", &["run", "--", "sudo", "pip", "list"]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (7, "real pip: list\n"), "{nothing:?}");
}

#[test]
fn secrets_and_hostile_text_stay_out_of_the_log() {
    let shimmed = Shimmed::new(&["pip"]);
    let hostile = "x\u{1b}[31m::error::y\n\u{202e}";
    shimmed.run("pip", &["install", "--index-url", "http://me:hunter2@127.0.0.1:9/simple", "tw-nobody", hostile]);
    let raw = shimmed.run("tidewaiter", &["log", "export"]).stdout;
    assert!(!raw.contains("hunter2") && raw.contains("****@127.0.0.1"), "{raw}");
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    let id = shimmed.run("tidewaiter", &["log", "list"]).stdout.get(..12).unwrap().to_owned();
    for words in [&["log", "list"][..], &["log", "show", &id], &["log", "show", &id, "--format", "json"]] {
        let said = shimmed.run("tidewaiter", words);
        assert_eq!(said.status, 0, "{said:?}");
        assert!(!said.stdout.contains(['\u{1b}']), "{said:?}");
        assert!(words.contains(&"json") || !said.stdout.contains('\u{202e}'), "{said:?}");
    }
}

#[test]
fn eight_processes_write_one_chain() {
    let shimmed = Shimmed::new(&["pip"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let mut command = shimmed.command("tidewaiter", &["approve", "0123456789ab"]);
                    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                    assert_eq!(command.status().unwrap().code(), Some(20));
                }
            });
        }
    });
    let ran = shimmed.run("tidewaiter", &["log", "verify"]);
    assert!(ran.status == 0 && ran.stdout.starts_with("the chain holds: 400 lines"), "{ran:?}");
    let file = shimmed.at("home/.local/share/tidewaiter/log/000001.jsonl");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"schema\":\"tide");
    std::fs::write(&file, &text).unwrap();
    let torn = shimmed.run("tidewaiter", &["log", "verify"]);
    assert!(torn.status == 0 && torn.stderr.contains("000001.jsonl:401"), "{torn:?}");
    shimmed.run("tidewaiter", &["approve", "0123456789ab"]);
    assert_eq!(shimmed.run("tidewaiter", &["log", "verify"]).status, 0);
    std::fs::write(&file, text.replacen("approve", "APPROVE", 1)).unwrap();
    let changed = shimmed.run("tidewaiter", &["log", "verify"]);
    assert!(changed.status == 1 && changed.stderr.contains("000001.jsonl:2"), "{changed:?}");
}

#[test]
fn recheck_names_the_project_the_release_and_the_time() {
    let shimmed = Shimmed::new(&["pip"]);
    let clean = shimmed.run("tidewaiter", &["recheck"]);
    assert_eq!(clean.status, 0, "{clean:?}");
    let log = tidewaiter::record::Log::new(&shimmed.at("home/.local/share/tidewaiter"));
    let line = |name: &str, version: &str, project: &str| {
        let text = serde_json::json!({"event": "start", "verdict": "allow",
            "command": {"argv": ["pip", "install", name], "cwd": project, "tool": "pip", "verb": "install", "via": "shim"},
            "plan": {"digest": format!("sha256:{}", "0".repeat(64)), "complete": true, "unresolved": [], "packages": [
                {"purl": format!("pkg:pypi/{name}@{version}"), "ecosystem": "PyPI", "name": name, "version": version,
                 "source": "registry", "digests": []}]},
            "findings": [], "policy": {"digest": "sha256:0", "errors": 0},
            "advisories": {"records": 1, "updated_at": null, "stale": false}});
        let event: tidewaiter::record::Event = serde_json::from_value(text).unwrap();
        log.append(event, "2026-03-24T11:00:00Z".parse().unwrap()).unwrap();
    };
    line("requests", "2.32.3", "/home/u/a");
    line("litellm", "1.82.8", "/home/u/b");
    line("litellm", "1.82.8", "/home/u/\u{1b}[31mc");
    let hit = shimmed.run("tidewaiter", &["recheck"]);
    assert_eq!(hit.status, 20, "{hit:?}");
    for part in ["/home/u/b", "litellm", "1.82.8", "2026-03-24 11:00", "MAL-2026-2144", "HIT: 2 releases of 3 installs"]
    {
        assert!(hit.stdout.contains(part), "{part}: {}", hit.stdout);
    }
    assert!(!hit.stdout.contains('\u{1b}'));
    let json = shimmed.run("tidewaiter", &["recheck", "--format", "json"]);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.status, document["hits"].as_array().unwrap().len()), (20, 2));
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/recheck-1.json")).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
