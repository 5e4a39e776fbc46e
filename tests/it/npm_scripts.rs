//! Lifecycle scripts of npm under the gate: npm notes what it would run, what came in is checked, and then that runs, as
//! npm would have run it. The real npm, toy packages, and beside each gated run the same without the gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tidewaiter::enforce::{self, Job, sandbox};

use crate::bypass::{Town, npm_tools};
use crate::cli::Ran;
use crate::gateway_npm::{Rig, exists, lines, nothing, rig};
use crate::shims::program;

const OLD: &str = "2020-01-01T00:00:00Z";
/// What npm runs of a project, in its order.
const OWN: [&str; 7] = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];

/// The file that scripts write to.
fn log(rig: &Rig) -> PathBuf {
    rig.home().join("log")
}

/// A command that writes who it is.
fn tells(rig: &Rig) -> String {
    format!("echo \"$npm_package_name $npm_lifecycle_event $PWD\" >> '{}'", log(rig).display())
}

/// What was written since this was last asked.
fn told(rig: &Rig) -> Vec<String> {
    let text = std::fs::read_to_string(log(rig)).unwrap_or_default();
    let _ = std::fs::remove_file(log(rig));
    text.lines().map(str::to_owned).collect()
}

/// The same, but for the order of what runs side by side.
fn in_groups(told: &[String]) -> Vec<String> {
    let event = |line: &String| line.split(' ').nth(1).map(str::to_owned);
    told.chunk_by(|a, b| event(a) == event(b))
        .flat_map(|group| {
            let mut group = group.to_vec();
            group.sort();
            group
        })
        .collect()
}

/// The manifest of a package that comes within another, with a script.
fn bundled(script: &str) -> String {
    json!({"name": "tw-in", "version": "1.0.0", "scripts": {"postinstall": script}}).to_string()
}

/// Packages of each kind, a workspace with a member, and a project with all its scripts.
fn many_kinds() -> Option<Rig> {
    let rig = rig()?;
    let tell = tells(&rig);
    let log = log(&rig).display().to_string();
    let all = json!({"preinstall": tell, "install": tell, "postinstall": tell});
    let gyp = format!(
        "#!/usr/bin/env node\nrequire('fs').appendFileSync('{log}', 'gyp ' + process.argv.slice(2) + ' ' + process.cwd() + '\\n')\n"
    );
    let odd = format!(
        "printf '%s\\n' \"it's \\\"q\\\" \u{fc}n\u{ef} \\\\n $npm_lifecycle_event\" >> '{log}'\necho two >> '{log}'"
    );
    let long = format!(": {}; echo long >> '{log}'", "x".repeat(60_000));
    rig.server
        .npm("tw-p", "1.0.0", OLD, json!({"scripts": all, "dependencies": {"tw-q": "1"}}))
        .npm("@tw/s", "1.0.0", OLD, json!({"scripts": {"postinstall": tell}}))
        .npm("tw-q", "1.0.0", OLD, json!({"scripts": {"postinstall": tell, "prepare": tell, "test": tell}}))
        .npm("tw-odd", "1.0.0", OLD, json!({"scripts": {"preinstall": odd, "postinstall": long}}))
        .npm("tw-in", "1.0.0", OLD, json!({}))
        .npm_with(
            "tw-out",
            "1.0.0",
            OLD,
            json!({"scripts": {"install": tell}, "dependencies": {"tw-in": "1"},
            "bundleDependencies": ["tw-in"]}),
            &[("node_modules/tw-in/package.json", &bundled(&tell))],
        )
        .npm_with("tw-gyp", "1.0.0", OLD, json!({"gypfile": true}), &[("binding.gyp", "{}")])
        .npm_with("node-gyp", "1.0.0", OLD, json!({"bin": "gyp.js"}), &[("gyp.js", &gyp)]);
    let own: BTreeMap<&str, &str> = OWN.into_iter().chain(["test"]).map(|event| (event, &*tell)).collect();
    let member: BTreeMap<&str, &str> = OWN.into_iter().map(|event| (event, &*tell)).collect();
    let manifest = json!({"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], "scripts": own, "dependencies": {
        "tw-p": "1", "@tw/s": "1", "al": "npm:tw-q@1", "tw-gyp": "1", "node-gyp": "1", "tw-odd": "1", "tw-out": "1"}});
    rig.write("package.json", &manifest.to_string());
    rig.write("packages/m/package.json", &json!({"name": "m", "version": "1.0.0", "scripts": member}).to_string());
    Some(rig)
}

#[test]
fn what_runs_is_what_npm_runs_and_in_its_order() {
    let Some(rig) = many_kinds() else { return };
    for verb in ["install", "ci"] {
        let outcome = rig.run(&["npm", verb], nothing);
        assert_eq!((outcome.ended.status(), lines(&outcome), &outcome.said), (0, vec![], &vec![]), "{outcome:?}");
        let gated = told(&rig);
        let keep = rig.read("package-lock.json");
        rig.clean();
        rig.write("package-lock.json", &keep);
        let bare = rig.bare(&["npm", verb]);
        assert!(bare.status.success(), "{bare:?}");
        let bare = told(&rig);
        assert_eq!(in_groups(&gated), in_groups(&bare), "{verb}");
        assert!(bare.iter().filter(|l| l.starts_with("app ")).count() == 7, "{bare:#?}");
        for part in [
            "gyp rebuild ",
            "long",
            "two",
            "it's \"q\" \u{fc}n\u{ef} \\n preinstall",
            "m prepare ",
            "tw-q postinstall ",
            "tw-in postinstall ",
        ] {
            assert!(bare.iter().any(|l| l.starts_with(part)), "{part}: {bare:#?}");
        }
        rig.clean();
        rig.write("package-lock.json", &keep);
    }
}

#[test]
fn without_notes_npm_is_asked_to_run_them() {
    let Some(rig) = many_kinds() else { return };
    let outcome =
        rig.with_job(&["npm", "install"], |job| enforce::run(&Job { own: Path::new("/none"), ..*job })).outcome;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.ended.status(), lines(&outcome), &outcome.said), (0, vec![], &vec![]), "{outcome:?}");
    let mut gated = told(&rig);
    rig.clean();
    assert!(rig.bare(&["npm", "install"]).status.success());
    let mut bare = told(&rig);
    // `npm rebuild` leaves that one out.
    bare.retain(|line| !line.starts_with("m prepare "));
    gated.sort();
    bare.sort();
    assert_eq!(gated, bare);
}

#[test]
fn a_named_package_runs_its_own_scripts_alone() {
    let Some(rig) = many_kinds() else { return };
    assert!(rig.bare(&["npm", "install"]).status.success());
    told(&rig);
    rig.server.npm("tw-more", "1.0.0", OLD, json!({"scripts": {"postinstall": tells(&rig)}}));
    let sorted = |rig: &Rig| {
        let mut told = told(rig);
        told.sort();
        told
    };
    let (install, uninstall) = (["npm", "install", "tw-more"], ["npm", "uninstall", "tw-more"]);
    for (argv, back) in [(install, uninstall), (uninstall, install)] {
        let outcome = rig.run(&argv, nothing);
        assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{argv:?}: {outcome:?}");
        let gated = sorted(&rig);
        for argv in [back, argv] {
            told(&rig);
            assert!(rig.bare(&argv).status.success());
        }
        assert_eq!(gated, sorted(&rig), "{argv:?}");
        assert!(!gated.iter().any(|line| line.starts_with("app ")), "{gated:?}");
    }
    let outcome = rig.run(&["npm", "install", "tw-more", "--dry-run"], nothing);
    assert_eq!((outcome.ended.status(), told(&rig)), (0, vec![]), "{outcome:?}");
    // What the user asks to run besides is run, and not noted.
    let outcome = rig.run(&["npm", "install-test"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert!(told(&rig).iter().any(|line| line.starts_with("app test ")));
}

#[test]
fn no_script_runs_where_scripts_are_off() {
    let Some(rig) = many_kinds() else { return };
    let outcome = rig.run(&["npm", "install", "--package-lock-only", "--ignore-scripts"], nothing);
    assert_eq!((outcome.ended.status(), told(&rig)), (0, vec![]), "{outcome:?}");
    let outcome = rig.run(&["npm", "ci", "--ignore-scripts"], nothing);
    assert_eq!((outcome.ended.status(), told(&rig), &outcome.said), (0, vec![], &vec![]), "{outcome:?}");
    rig.write(".npmrc", "ignore-scripts=true\n");
    let outcome = rig.run(&["npm", "ci"], |rig| _ = rig.write(".npmrc", ""));
    assert_eq!((outcome.ended.status(), told(&rig)), (0, vec![]), "{outcome:?}");
}

#[test]
fn nothing_runs_of_what_was_not_judged() {
    let Some(rig) = rig() else { return };
    let tell = tells(&rig);
    let run = |name: &str| json!({"scripts": {"preinstall": tell, "postinstall": format!("{tell}; : {name}")}});
    rig.server.npm("tw-ok", "1.0.0", OLD, run("ok")).npm("tw-evil", "1.0.0", OLD, run("evil"));
    // The registry says nothing of a build.
    rig.server.npm_with("tw-n", "1.0.0", OLD, json!({}), &[("binding.gyp", "{}")]);
    let silent = json!({"dependencies": {"tw-in": "1"}, "bundleDependencies": ["tw-in"]});
    rig.server.npm("tw-in", "1.0.0", OLD, json!({})).npm_with(
        "tw-out",
        "1.0.0",
        OLD,
        silent,
        &[("node_modules/tw-in/package.json", &bundled(&tell))],
    );
    rig.write(
        "lib/package.json",
        &json!({"name": "lib", "version": "1.0.0", "scripts": {"install": tell}}).to_string(),
    );
    let manifest = |more: &str| {
        let dependencies = json!({"tw-ok": "1", "tw-n": "1", "tw-out": "1", "lib": "file:lib", more: "1"});
        json!({"name": "app", "version": "1.0.0", "dependencies": dependencies}).to_string()
    };
    rig.write("package.json", &manifest("tw-ok"));
    let outcome = rig.run(&["npm", "install"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    let place = rig.work().join("lib");
    let said = [
        format!("the `install` script in {} was not judged: it was not run", place.display()),
        "tw-in 1.0.0 has an install script that was not judged: it was not run".to_owned(),
        "tw-n 1.0.0 has an install script that was not judged: it was not run".to_owned(),
    ];
    assert_eq!(outcome.said, said);
    assert_eq!(told(&rig).iter().filter(|l| l.starts_with("tw-ok ")).count(), 2);
    // Nor does npm run it when it is asked for the scripts again.
    let outcome = rig.run(&["npm", "rebuild"], nothing);
    assert!(outcome.said.contains(said.get(1).unwrap()), "{outcome:?}");
    let ran = told(&rig);
    assert!(!ran.iter().any(|l| l.starts_with("tw-in ")), "{ran:?}");
    let outcome = rig.run(&["npm", "rebuild", "tw-ok"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!(told(&rig).iter().filter(|l| l.starts_with("tw-ok ")).count(), 2);
    // Written into the project between judging and installing, out of a warm cache: nothing at all runs.
    rig.clean();
    rig.write("package.json", &manifest("tw-evil"));
    assert!(rig.bare(&["npm", "install", "--ignore-scripts"]).status.success());
    let (changed, lock) = (manifest("tw-evil"), rig.read("package-lock.json"));
    rig.clean();
    rig.write("package.json", &manifest("tw-ok"));
    assert!(rig.bare(&["npm", "install", "--package-lock-only", "--ignore-scripts"]).status.success());
    for verb in ["ci", "install"] {
        let own = rig.read("package-lock.json");
        let outcome =
            rig.run(&["npm", verb], |rig| _ = rig.write("package.json", &changed).write("package-lock.json", &lock));
        assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
        assert_eq!(told(&rig), [""; 0], "{verb}");
        rig.clean();
        rig.write("package.json", &manifest("tw-ok")).write("package-lock.json", &own);
    }
}

/// What `env -0` wrote.
fn variables(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.split('\0').filter_map(|one| one.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn a_script_has_the_variables_that_npm_gives_it() {
    let Some(mut rig) = rig() else { return };
    let (of_package, of_project) = (rig.home().join("package"), rig.home().join("project"));
    let write = |path: &Path| json!({"postinstall": format!("env -0 > '{}'", path.display())});
    rig.server.npm(
        "tw-env",
        "1.0.0",
        OLD,
        json!({"scripts": write(&of_package), "engines": {"node": ">=8"},
        "config": {"port": 80, "token": "a b"}, "bin": {"x": "y.js"}}),
    );
    rig.server.npm_with("@tw/s", "1.0.0", OLD, json!({}), &[]);
    let manifest = json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-env": "1", "@tw/s": "1"},
        "scripts": write(&of_project)});
    rig.write("package.json", &manifest.to_string());
    let registry = rig.server.npm_url();
    rig.write(
        ".npmrc",
        &format!("@tw:registry={registry}\nfetch-retries=1\nlegacy-peer-deps=true\nown-setting=own value\n"),
    );
    assert!(rig.bare(&["npm", "install", "--package-lock-only", "--ignore-scripts"]).status.success());
    rig.set("NO_PROXY", "127.0.0.1,here");
    rig.set("npm_config_own_switch", "false");
    rig.set("TMPDIR", &rig.home().display().to_string());
    rig.set("EMPTY", "");
    let registry_word = format!("--registry={registry}");
    let trimmed = registry.trim_end_matches('/');
    type Form<'f> = (&'f [(&'f str, &'f str)], &'f [&'f str]);
    let forms: &[Form<'_>] = &[
        (&[], &["npm", "ci"]),
        (&[], &["npm", "ci", &registry_word, "--no-audit", "--fetch-retries", "2", "--noproxy=127.0.0.1"]),
        (
            &[("NPM_CONFIG_REGISTRY", trimmed), ("npm_config_audit", "true"), ("npm_config_noproxy", "127.0.0.1")],
            &["npm", "ci"],
        ),
        (&[("npm_config_script_shell", "/bin/sh"), ("npm_config_fetch_retries", "5")], &["npm", "ci", "--silent"]),
        (&[], &["npm", "ci", "--script-shell=/bin/sh", "--update-notifier", "--allow-git=all"]),
        (&[], &["npm", "install", "--foreground-scripts", "--replace-registry-host=npmjs"]),
    ];
    for (set, argv) in forms {
        let known = [
            "NPM_CONFIG_REGISTRY",
            "npm_config_audit",
            "npm_config_noproxy",
            "npm_config_script_shell",
            "npm_config_fetch_retries",
        ];
        known.iter().for_each(|name| rig.set(name, ""));
        set.iter().for_each(|(name, value)| rig.set(name, value));
        let _ = std::fs::remove_dir_all(rig.work().join("node_modules"));
        let outcome = rig.run(argv, nothing);
        assert_eq!(
            (outcome.ended.status(), lines(&outcome), &outcome.said),
            (0, vec![], &vec![]),
            "{argv:?}: {outcome:?}"
        );
        let gated = [&of_package, &of_project].map(|path| variables(path));
        let _ = std::fs::remove_dir_all(rig.work().join("node_modules"));
        let bare = rig.bare(argv);
        assert!(bare.status.success(), "{bare:?}");
        let bare = [&of_package, &of_project].map(|path| variables(path));
        for (mut gated, bare) in gated.into_iter().zip(bare) {
            // The marks by which a package tool that a script starts knows that it is judged again.
            gated.retain(|name, _| !["TIDEWAITER_STARTED", "TIDEWAITER_BEFORE"].contains(&&**name));
            let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| -> Vec<String> {
                a.iter().filter(|(n, v)| b.get(*n) != Some(v)).map(|(n, v)| format!("{n}={v}")).collect()
            };
            assert_eq!(only(&gated, &bare), only(&bare, &gated), "{argv:?} {set:?}");
            assert!(bare.len() > 20, "{bare:?}");
        }
    }
}

#[test]
fn scripts_are_started_by_the_users_own_shell() {
    let Some(mut rig) = rig() else { return };
    let tell = tells(&rig);
    rig.server.npm("tw-p", "1.0.0", OLD, json!({"scripts": {"postinstall": tell}}));
    let manifest =
        json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-p": "1"}, "scripts": {"prepare": tell}});
    rig.write("package.json", &manifest.to_string());
    assert!(rig.bare(&["npm", "install", "--package-lock-only", "--ignore-scripts"]).status.success());
    let shell = rig.home().join("own shell");
    program(&shell, &format!("#!/bin/sh\necho \"shell $1\" >> '{}'\nexec /bin/sh \"$@\"\n", log(&rig).display()));
    let shell = shell.display().to_string();
    let word = format!("--script-shell={shell}");
    let forms: [(&str, &str, &[&str]); 7] = [
        ("null", "", &["npm", "ci"]),
        ("\"\"", "", &["npm", "ci"]),
        ("", "", &["npm", "ci", &word]),
        ("", "", &["npm", "ci", "--script-shell", &shell]),
        ("", &shell, &["npm", "ci"]),
        (&shell, "", &["npm", "ci"]),
        ("", "", &["npm", "ci", "--shell=/bin/false"]),
    ];
    for (file, variable, argv) in forms {
        rig.set("npm_config_script_shell", variable);
        rig.write(".npmrc", &if file.is_empty() { String::new() } else { format!("script-shell={file}\n") });
        let outcome = rig.run(argv, nothing);
        assert_eq!(outcome.ended.status(), 0, "{argv:?}: {outcome:?}");
        let gated = told(&rig);
        assert!(rig.bare(argv).status.success());
        assert_eq!(gated, told(&rig), "{argv:?}");
        let named = [file, variable].contains(&&*shell) || argv.iter().any(|w| w.ends_with(&shell));
        assert_eq!(gated.len(), if named { 4 } else { 2 }, "{argv:?}: {gated:?}");
    }
}

/// A town in which scripts of toys are cleared. `None`, said, where nothing can be contained.
fn town() -> Option<Town> {
    let tools = npm_tools()?;
    let available = sandbox::availability_with(Path::new(env!("CARGO_BIN_EXE_tidewaiter")));
    if !available.works() || available.landlock_abi < 4 {
        eprintln!("skipped: {}", available.words().join("; "));
        return None;
    }
    let town = Town::new(&tools);
    let allow = "[[allow]]\npackage = \"pkg:npm/tw-*\"\nrule = \"install-script\"\nreason = \"a toy\"\n";
    let policy = format!("version = 1\n{allow}expires = \"2099-01-01\"\n");
    town.shimmed.sandbox.write("../home/.config/tidewaiter/policy.toml", policy);
    Some(town)
}

/// By the link, and by npm itself.
fn gated(town: &Town, arguments: &[&str]) -> Ran {
    town.shimmed.run("npm", arguments)
}

fn bare(town: &Town, arguments: &[&str]) -> Ran {
    let mut command = Command::new(town.shimmed.at("tools/npm"));
    command.args(arguments).current_dir(town.shimmed.sandbox.work()).env_clear().env("HOME", town.shimmed.at("home"));
    let path = std::env::join_paths([town.shimmed.at("tools"), town.shimmed.at("system")]).unwrap();
    Ran::of(command.env("PATH", path).output().unwrap(), town.shimmed.sandbox.dir.path())
}

fn anew(town: &Town) {
    let _ = std::fs::remove_dir_all(town.shimmed.sandbox.work().join("node_modules"));
    let _ = std::fs::remove_file(town.shimmed.sandbox.work().join("package-lock.json"));
    town.shimmed.sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
}

#[test]
fn a_script_that_fails_is_named_with_what_it_printed() {
    let Some(town) = town() else { return };
    let fails = "echo to out; echo to err >&2; printf '\\033[31m::error::x\\n'; exit 7";
    let publish = |name: &str, script: &str| {
        town.server.npm(name, "1.0.0", OLD, json!({"scripts": {"postinstall": script}}));
    };
    publish("tw-fails", fails);
    publish("tw-killed", "kill -9 $$");
    publish("tw-quiet", "echo nobody 'hears' this; touch ran");
    town.shimmed.sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    let ran = gated(&town, &["install", "tw-fails"]);
    assert_eq!(ran.status, 7, "{ran:#?}");
    for line in [
        "tidewaiter: `postinstall` of tw-fails 1.0.0 ended with status 7\n  in [SANDBOX]/work/node_modules/tw-fails\n  sh -c echo to out;",
        "\n  to out\n  to err\n  \\u{1b}[31m::error::x\n",
        "tidewaiter: the sandbox allows writes only in",
    ] {
        assert!(ran.stderr.contains(line) && !ran.stdout.contains("to out"), "{line}: {ran:#?}");
    }
    anew(&town);
    assert_eq!(bare(&town, &["install", "tw-fails"]).status, 7);
    anew(&town);
    let ran = gated(&town, &["install", "tw-killed"]);
    assert!(ran.status == 1 && ran.stderr.contains("tw-killed 1.0.0 was ended by signal 9"), "{ran:#?}");
    // One that may fail, and one that succeeds: nobody needs to hear of that.
    let manifest = json!({"name": "app", "version": "1.0.0", "optionalDependencies": {"tw-fails": "1"},
                          "dependencies": {"tw-quiet": "1"}});
    anew(&town);
    town.shimmed.sandbox.write("package.json", manifest.to_string());
    let ran = gated(&town, &["install"]);
    let said = "tidewaiter: the install script of tw-fails 1.0.0 failed, which is optional: npm would have left it out";
    assert!(ran.status == 0 && ran.stderr.contains(said), "{ran:#?}");
    assert!(!ran.stderr.contains("\n  to out") && !format!("{ran:?}").contains("nobody hears"), "{ran:#?}");
    assert!(exists(&town.shimmed.sandbox.work().join("node_modules/tw-quiet/ran")));
}

#[test]
fn what_people_see_is_what_npm_shows() {
    let Some(town) = town() else { return };
    let speaks = |name: &str| json!({"scripts": {"preinstall": format!("echo {name} one"), "postinstall": format!("echo {name} two")}});
    town.server.npm("tw-x", "1.0.0", OLD, speaks("x")).npm("tw-y", "1.0.0", OLD, speaks("y"));
    let own: BTreeMap<&str, String> =
        OWN.into_iter().map(|event| (event, format!("echo own {event}\necho again"))).collect();
    let manifest = |own: &serde_json::Value| {
        json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-x": "1", "tw-y": "1"}, "scripts": own})
            .to_string()
    };
    town.shimmed.sandbox.write("package.json", manifest(&json!(own)));
    assert_eq!(bare(&town, &["install", "--package-lock-only", "--ignore-scripts"]).status, 0);
    // Lines of stdout, but for how long it took, and sorted: npm has said what it runs before any of it runs.
    let shown = |ran: &Ran| -> Vec<String> {
        let time = |line: &str| line.split(" in ").next().unwrap_or_default().to_owned();
        let mut out: Vec<String> = ran.stdout.lines().map(time).collect();
        out.sort();
        out
    };
    for arguments in [&["ci"][..], &["ci", "--foreground-scripts"], &["ci", "--silent"], &["ci", "--loglevel=silent"]] {
        let ran = gated(&town, arguments);
        assert_eq!(ran.status, 0, "{ran:#?}");
        let without = bare(&town, arguments);
        assert_eq!(shown(&ran), shown(&without), "{arguments:?}: {ran:#?} {without:#?}");
        let order = |ran: &Ran| -> Vec<String> {
            let spoken = |l: &&str| l.starts_with("own ") || l.starts_with("x ") || l.starts_with("y ");
            ran.stdout.lines().filter(spoken).map(str::to_owned).collect()
        };
        assert_eq!(order(&ran), order(&without), "{arguments:?}");
        let heads = ran.stderr.contains("\n> app@1.0.0 prepublish\n> echo own prepublish\n> echo again\n");
        assert_eq!(heads, arguments.len() == 1 || arguments[1] == "--foreground-scripts", "{arguments:?}: {ran:#?}");
    }
    // One of them fails.
    town.shimmed
        .sandbox
        .write("package.json", manifest(&json!({"prepare": "echo mine >&2; exit 3", "postprepare": "echo no"})));
    let ran = gated(&town, &["install"]);
    assert_eq!((ran.status, bare(&town, &["install"]).status), (3, 3), "{ran:#?}");
    assert!(
        ran.stderr.contains("mine\n") && ran.stderr.contains("`prepare` of app 1.0.0 ended with status 3"),
        "{ran:#?}"
    );
    assert!(!ran.stdout.contains("\nno\n"), "{ran:#?}");
}

/// What a script tries against those that run after it, and to learn of the gate.
const ATTACK: &str = r#"
const fs = require('fs'), path = require('path'), os = require('os'), said = [];
const attempt = (name, action) => { try { action(); said.push(name + ': GOT IN') } catch { said.push(name + ': stopped') } };
let list = '';
for (const id of fs.readdirSync('/proc').filter(n => /^\d+$/.test(n))) {
    let words = [];
    try { words = fs.readFileSync('/proc/' + id + '/cmdline', 'utf8').split('\0') } catch {}
    if (words.includes('__scripts') && !words.includes('__contain')) {
        list = words[words.indexOf('__scripts') + 1];
        attempt('memory', () => fs.closeSync(fs.openSync('/proc/' + id + '/mem', 'r+')));
        attempt('environment', () => fs.readFileSync('/proc/' + id + '/environ'));
        attempt('directory', () => fs.readdirSync('/proc/' + id + '/cwd').length || fs.readlinkSync('/proc/' + id + '/fd/0'));
    }
}
said.push('list ' + (list ? 'found' : 'lost'));
const text = fs.existsSync(list) ? fs.readFileSync(list, 'utf8') : '';
const known = (text + JSON.stringify(process.env)).replaceAll('REGISTRY', '');
said.push('secrets ' + /PRIVATE|127\.0\.0\.1|tidewaiter-records/.test(known));
attempt('write', () => fs.writeFileSync(list, text.replaceAll('LATER', 'EVIL')));
attempt('append', () => fs.appendFileSync(list, ' '));
attempt('remove', () => fs.unlinkSync(list));
attempt('rename', () => fs.renameSync(path.dirname(list), path.dirname(list) + 'x'));
const temporary = path.dirname(path.dirname(list));
attempt('recorder', () => { if (!fs.readdirSync(temporary).some(d => { try { return fs.readdirSync(path.join(temporary, d)).some(n => /record/.test(n)) } catch { return false } })) throw 0 });
fs.writeFileSync(process.env.INIT_CWD + '/said', said.join('\n') + '\n');
"#;

#[test]
fn a_script_changes_nothing_for_those_after_it() {
    let Some(town) = town() else { return };
    let attack = ATTACK.replace("REGISTRY", &town.server.npm_url());
    town.server.npm_with(
        "tw-attack",
        "1.0.0",
        OLD,
        json!({"scripts": {"preinstall": "node attack.js"}}),
        &[("attack.js", &attack)],
    );
    let later = "echo LATER >> \"$INIT_CWD/said\"";
    town.server.npm("tw-later", "1.0.0", OLD, json!({"scripts": {"install": later}}));
    let manifest = json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-attack": "1", "tw-later": "1"},
                          "scripts": {"postinstall": later}});
    town.shimmed.sandbox.write("package.json", manifest.to_string());
    let temporary = town.shimmed.at("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = town.shimmed.command("npm", &["install"]);
    command.env("NPM_TOKEN", "PRIVATE").env("GH_TOKEN", "PRIVATE").env("TMPDIR", &temporary);
    let ran = Ran::of(command.output().unwrap(), town.shimmed.sandbox.dir.path());
    assert_eq!(ran.status, 0, "{ran:#?}");
    let said = std::fs::read_to_string(town.shimmed.sandbox.work().join("said")).unwrap();
    assert!(!said.contains("GOT IN") && said.contains("list found\nsecrets false\n"), "{said}");
    assert_eq!(said.matches("stopped").count(), 8, "{said}");
    assert!(said.ends_with("LATER\nLATER\n"), "{said}");
    let left: Vec<_> = std::fs::read_dir(temporary).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [""; 0], "all of it is gone again");
}
