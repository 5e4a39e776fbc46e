//! The program against registries on 127.0.0.1 that are configured the way its users configure theirs: what is
//! allowed, held back, asked about and denied, and what happens when a registry misbehaves.

use serde_json::{Value, json};

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Fault, Loopback};
use crate::support::tools::{TOOLS, Tool, check, fresh, home, judge, purls, serve};

#[test]
fn an_old_and_harmless_release_is_allowed_with_what_it_depends_on() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(ran.status, if tool.words == ["npx"] { document_status(&document) } else { 0 }, "{ran:#?}");
        assert_eq!(document["plan"]["complete"], true, "{:?}: {ran:#?}", tool.words);
        assert_eq!(purls(&document).len(), 2, "{:?}: {ran:#?}", tool.words);
        let (_, again) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(document["plan"]["digest"], again["plan"]["digest"], "{:?}", tool.words);
        let (ran, offline) = judge(&sandbox, tool, &["--offline"], "tw-good", None);
        assert_eq!(document["plan"]["digest"], offline["plan"]["digest"], "a warm cache answers: {ran:#?}");
    }
}

fn document_status(document: &Value) -> i32 {
    match document["verdict"].as_str().unwrap() {
        "allow" => 0,
        "ask" => 10,
        _ => 20,
    }
}

#[test]
fn a_young_release_is_held_back_and_asked_about_where_it_is_pinned() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-young", None);
        let held = document["plan"]["held_back"].as_array().unwrap();
        assert_eq!(held.len(), 1, "{:?}: {ran:#?}", tool.words);
        assert_eq!((&held[0]["version"], &held[0]["instead"]), (&json!("2.0.0"), &json!("1.0.0")), "{:?}", tool.words);
        assert!(purls(&document).iter().any(|p| p.ends_with("tw-young@1.0.0")), "{ran:#?}");
        let (ran, document) = judge(&sandbox, tool, &[], "tw-young", Some("2.0.0"));
        assert_eq!(ran.status, 10, "{:?}: {ran:#?}", tool.words);
        assert!(rules(&document, "ask").contains(&"cooldown".to_owned()), "{:?}: {ran:#?}", tool.words);
        let (ran, document) = judge(&sandbox, tool, &["--as-of", "2021-01-01"], "tw-young", None);
        assert_eq!(purls(&document).len(), 1, "{:?}: {ran:#?}", tool.words);
        assert_eq!(document["plan"]["held_back"].as_array().unwrap().len(), 0, "it did not exist: {ran:#?}");
    }
}

#[test]
fn a_new_package_asks_and_an_unknown_one_is_denied() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-new", None);
        assert_eq!(ran.status, 10, "{:?}: {ran:#?}", tool.words);
        assert!(rules(&document, "ask").contains(&"new-package".to_owned()), "{:?}: {ran:#?}", tool.words);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-nobody", None);
        assert_eq!(ran.status, 20, "{:?}: {ran:#?}", tool.words);
        assert_eq!(rules(&document, "deny"), ["unknown-package"], "{:?}: {ran:#?}", tool.words);
        assert_eq!(document["plan"]["complete"], false);
    }
}

#[test]
fn imported_malware_is_denied() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let record = json!({"id": "MAL-2020-1", "modified": "2020-01-02T00:00:00Z", "published": "2020-01-02T00:00:00Z",
            "affected": [{"package": {"ecosystem": tool.ecosystem, "name": "tw-dep"}, "versions": ["1.0.0"]}]});
        sandbox.write("records/MAL-2020-1.json", record.to_string());
        let ran = sandbox.run(&["advisories", "import", "records"]);
        assert_eq!(ran.status, 0, "{ran:#?}");
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(ran.status, 20, "{:?}: {ran:#?}", tool.words);
        assert_eq!(rules(&document, "deny"), ["malware"], "{:?}: {ran:#?}", tool.words);
    }
}

#[test]
fn a_private_name_never_reaches_a_public_registry() {
    let server = Loopback::start();
    serve(&server);
    server.python(Dist::wheel("acme-core", "9.9.9"));
    server.npm("acme-core", "9.9.9", "2020-01-01T00:00:00Z", json!({}));
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        home(&sandbox, ".config/tidewaiter/policy.toml", "version = 1\n[trust]\nprivate-names = [\"acme-*\"]\n".into());
        // Where the default registry is public, nothing is asked at all: there is no network in this test, so that a
        // question would be seen as a registry that cannot be reached.
        for file in [".config/pip/pip.conf", ".config/uv/uv.toml", ".npmrc", ".cargo/config.toml"] {
            home(&sandbox, file, String::new());
        }
        let (ran, document) = judge(&sandbox, tool, &["--offline"], "acme-core", None);
        assert_eq!(ran.status, 20, "{:?}: {ran:#?}", tool.words);
        assert_eq!(rules(&document, "deny"), ["dependency-confusion"], "{:?}: {ran:#?}", tool.words);
    }
}

/// Where a tool's first question goes.
fn first_path(tool: &Tool) -> &'static str {
    match tool.ecosystem {
        "PyPI" => "/simple/tw-good",
        "npm" => "/npm/tw-good",
        _ => "/index/tw/-g/tw-good",
    }
}

#[test]
fn opaque_or_incomplete_never_becomes_allow_by_itself() {
    let faults = [
        Fault::Status(500),
        Fault::Status(403),
        Fault::RetryAfter(429, "1"),
        Fault::Garbage("<!DOCTYPE html><title>Sign in</title>"),
        Fault::Garbage("{"),
        Fault::Garbage(""),
        Fault::Truncated,
        Fault::Oversized(300 << 20),
        Fault::GzipBomb(300 << 20),
    ];
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        for fault in &faults {
            let server = Loopback::start();
            serve(&server);
            server.always(first_path(tool), fault.clone());
            let sandbox = fresh(tool, &server);
            home(&sandbox, ".npmrc", format!("registry={}\nfetch-retries=0\n", server.npm_url()));
            let started = std::time::Instant::now();
            let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
            assert!(started.elapsed().as_secs() < 60, "{:?} {fault:?}", tool.words);
            assert_eq!(document["plan"]["complete"], false, "{:?} {fault:?}: {ran:#?}", tool.words);
            assert_eq!(ran.status, 10, "{:?} {fault:?}: {ran:#?}", tool.words);
            let reason = document["plan"]["unresolved"][0]["reason"].as_str().unwrap();
            assert!(reason.contains("127.0.0.1"), "it names the registry: {:?} {fault:?}: {reason}", tool.words);
            let fix = document["findings"].as_array().unwrap().iter().find_map(|f| f["fix"]["text"].as_str());
            assert!(fix.is_some(), "it says what to do: {:?} {fault:?}: {ran:#?}", tool.words);
        }
    }
}

#[test]
fn a_registry_that_never_answers_is_given_up_as_the_tool_is_told_to() {
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        for fault in [Fault::NeverAnswers, Fault::Stall] {
            let server = Loopback::start();
            serve(&server);
            server.always(first_path(tool), fault.clone());
            let sandbox = fresh(tool, &server);
            home(&sandbox, ".npmrc", format!("registry={}\nfetch-retries=0\nfetch-timeout=1000\n", server.npm_url()));
            let mut command = sandbox.command(&["check", "--format", "json", "--"]);
            command.args(tool.words).arg("tw-good").env("PIP_DEFAULT_TIMEOUT", "1");
            command.env("CARGO_HTTP_TIMEOUT", "1").env("CARGO_NET_RETRY", "0");
            let started = std::time::Instant::now();
            let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
            assert!(started.elapsed().as_secs() < 45, "{:?} {fault:?}: {:?}", tool.words, started.elapsed());
            assert_eq!(ran.status, 10, "{:?} {fault:?}: {ran:#?}", tool.words);
            assert_eq!(ran.json()["plan"]["complete"], false);
        }
    }
}

#[test]
fn a_registry_out_of_reach_is_denied_where_the_policy_says_so() {
    for tool in TOOLS {
        let server = Loopback::start();
        server.always("/", Fault::Status(403));
        let sandbox = fresh(tool, &server);
        home(&sandbox, ".config/tidewaiter/policy.toml", "version = 1\non-unavailable = \"deny\"\n".into());
        let (ran, _) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(ran.status, 20, "{:?}: {ran:#?}", tool.words);
    }
}

#[test]
fn an_upgrade_of_what_is_installed_is_not_nothing_when_the_index_is_silent() {
    let sandbox = Sandbox::new();
    let ran = check(&sandbox, &["--offline", "--format", "json"], &["pip", "install", "--upgrade", "pip"]);
    assert_eq!(ran.status, 10, "{ran:#?}");
    assert_eq!(ran.json()["plan"]["complete"], false, "{ran:#?}");
}

#[test]
fn credentials_stay_with_the_host_they_are_for() {
    let (server, elsewhere) = (Loopback::start(), Loopback::start());
    serve(&server);
    server.always("/", Fault::RedirectTo(format!("{}/simple/tw-good/", elsewhere.url)));
    let sandbox = Sandbox::new();
    let url = server.simple().replace("http://", "http://me:secret@");
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {url}\n"));
    home(&sandbox, ".npmrc", {
        let host = server.npm_url().replace("http:", "");
        format!("registry={}\n{host}:_authToken=npm-secret\n", server.npm_url())
    });
    for words in [&["pip", "install", "tw-good"][..], &["npm", "install", "tw-good"]] {
        let ran = check(&sandbox, &[], words);
        assert_ne!(ran.status, 0, "{ran:#?}");
        assert!(!ran.stdout.contains("secret") && !ran.stderr.contains("secret"), "{ran:#?}");
    }
    assert!(server.log().iter().any(|l| l.header("authorization").is_some()), "the registry itself gets them");
    assert!(elsewhere.log().iter().all(|l| l.header("authorization").is_none()), "{:#?}", elsewhere.log());
}

#[test]
fn commands_of_one_script_each_ask_their_own_registry() {
    let (one, two) = (Loopback::start(), Loopback::start());
    one.python(Dist::wheel("tw-a", "1.0.0")).python(Dist::wheel("tw-b", "1.0.0"));
    two.python(Dist::wheel("tw-b", "6.6.6"));
    let sandbox = Sandbox::new();
    for script in [
        format!("pip install -i {} tw-a && pip install -i {} tw-b", one.simple(), two.simple()),
        format!("PIP_INDEX_URL={} pip install tw-a; PIP_INDEX_URL={} pip install tw-b", one.simple(), two.simple()),
        format!(
            "export PIP_INDEX_URL={}; pip install tw-a; env -u PIP_INDEX_URL pip install -i {} tw-b",
            one.simple(),
            two.simple()
        ),
    ] {
        let ran = sandbox.run(&["check", "--format", "json", "--shell", &script]);
        let document = ran.json();
        let found: Vec<&str> = purls(&document);
        assert_eq!(found, ["pkg:pypi/tw-a@1.0.0", "pkg:pypi/tw-b@6.6.6"], "{script}: {ran:#?}");
    }
}

#[test]
fn a_script_hides_no_install() {
    let sandbox = Sandbox::new();
    let many = format!("{}pip install evil", "true; ".repeat(300));
    for script in [
        many.as_str(),
        r"$'\x70ip' install evil",
        r"$'\160\151\160' install evil",
        "$\"pip\" install evil",
        "trap 'pip install evil' EXIT",
        "alias p=pip; p install evil",
        "flock /tmp/l -c 'pip install evil'",
        "rustup run stable cargo install evil",
        "python -m runpy pip install evil",
        "python -m cProfile -m pip install evil",
        "python setup.py install",
        "easy_install evil",
        "echo 'pip install evil' | sh",
        "printf '%s' 'npm i evil' | bash -s",
        "deno add npm:evil",
        "doppler run -- pip install evil",
        "env -u PIP_INDEX_URL pip install evil",
        "env -i pip install evil",
        "ssh host pip install evil",
        "docker exec box pip install evil",
    ] {
        let ran = sandbox.run(&["check", "--offline", "--shell", script]);
        assert_eq!(ran.status, 10, "{script:.60}: {ran:?}");
    }
    for script in [
        "echo pip install evil",
        "git commit -m 'pip install evil'",
        "apt-get install -y npm cargo",
        "docker exec box pip list",
        "which pip npm",
        "grep -r 'npm install' docs",
        "python -m http.server",
        "cat list | sort",
        "node build.js npm",
    ] {
        let ran = sandbox.run(&["check", "--offline", "--shell", script]);
        assert_eq!(ran.status, 0, "{script}: {ran:?}");
    }
}

/// The dry words of a line that would be cleared, behind a variable that gives the tool other code or configuration.
#[test]
fn a_variable_that_changes_the_tool_is_asked_about() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = fresh(&TOOLS[0], &server);
    let judged = |variable: &str| {
        let script = format!("{variable} pip install tw-good");
        sandbox.run(&["check", "--format", "json", "--shell", &script]).status
    };
    assert_eq!(judged("NODE_OPTIONS=--max-old-space-size=4096"), 0);
    for variable in ["LD_PRELOAD=/x.so", "PYTHONPATH=/tmp/e", "NODE_OPTIONS=--require=/x.js"] {
        assert_eq!(judged(variable), 10, "{variable}");
    }
}

#[test]
fn no_home_no_cache_and_no_terminal_are_no_reason_to_fail() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = Sandbox::new();
    let index = server.simple();
    let words = ["check", "--format", "json", "--", "pip", "install", "-i", &index, "tw-good"];
    for (name, value) in
        [("HOME", ""), ("HOME", "/nonexistent"), ("HOME", "/dev/null"), ("XDG_CACHE_HOME", "/proc/nope")]
    {
        let ran = Ran::of(sandbox.command(&words).env(name, value).output().unwrap(), sandbox.dir.path());
        assert!([0, 10].contains(&ran.status), "{name}={value}: {ran:#?}");
        assert_eq!(purls(&ran.json()).len(), 2, "{name}={value}: {ran:#?}");
    }
    let ran = Ran::of(sandbox.command(&words).env_remove("HOME").output().unwrap(), sandbox.dir.path());
    assert_eq!(purls(&ran.json()).len(), 2, "{ran:#?}");
}

#[test]
fn damaged_cache_entries_are_asked_for_again() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        let sandbox = fresh(tool, &server);
        let (_, document) = judge(&sandbox, tool, &[], "tw-good", None);
        for bytes in [&b""[..], b"{", &[0xff; 4096]] {
            let mut damaged = 0;
            let mut folders = vec![sandbox.dir.path().join("home/.cache/tidewaiter")];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        std::fs::write(&path, bytes).unwrap();
                        damaged += 1;
                    }
                }
            }
            assert!(damaged > 0);
            let (ran, again) = judge(&sandbox, tool, &[], "tw-good", None);
            assert_eq!(document["plan"]["digest"], again["plan"]["digest"], "{:?}: {ran:#?}", tool.words);
        }
    }
}

#[test]
fn what_a_registry_writes_reaches_no_terminal_raw() {
    let server = Loopback::start();
    let evil = "tw-good\u{1b}[2J\n::set-output name=x::y\r\u{202e}";
    let files = json!({"meta": {"api-version": "1.1"}, "name": evil, "versions": [],
        "files": [{"filename": "tw_good-1.0.0-py3-none-any.whl", "url": "../../files/x\u{1b}[31m.whl",
            "hashes": {}, "yanked": evil, "upload-time": "2020-01-01T00:00:00Z"}]});
    server.raw("/simple/tw-good/", "application/vnd.pypi.simple.v1+json", files.to_string().into_bytes());
    let packument = json!({"name": evil, "dist-tags": {"latest": evil}, "time": {evil: "2020-01-01T00:00:00Z"},
        "versions": {evil: {"name": evil, "version": evil, "deprecated": evil, "scripts": {"install": evil},
            "dependencies": {evil: evil}, "dist": {"tarball": evil}}}});
    server.raw("/npm/tw-good", "application/json", packument.to_string().into_bytes());
    let line = json!({"name": evil, "vers": evil, "deps": [], "cksum": evil, "features": {}, "yanked": false});
    server.krate("tw-dep", "1.0.0", json!({}), &[]);
    server.raw("/index/tw/-g/tw-good", "text/plain", format!("{line}\n").into_bytes());
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        for options in [&["--format", "json"][..], &["--verbose"]] {
            let words: Vec<&str> = tool.words.iter().copied().chain(["tw-good"]).collect();
            let ran = check(&sandbox, options, &words);
            assert_ne!(ran.status, 0, "{:?}: {ran:#?}", tool.words);
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!ran.stdout.contains(raw) && !ran.stderr.contains(raw), "{:?}: {ran:#?}", tool.words);
            assert!(ran.stdout.lines().all(|l| !l.starts_with("::")), "{:?}: {ran:#?}", tool.words);
        }
    }
}

#[test]
fn prose_keeps_to_the_width() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = fresh(&TOOLS[2], &server);
    for width in [40, 80, 200] {
        let mut command = sandbox.command(&["check", "--", "npm", "install", "tw-young", "tw-good", "tw-new"]);
        command.env("COLUMNS", width.to_string()).env("TERM", "dumb").env("NO_COLOR", "1");
        let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
        for line in ran.stdout.lines().filter(|l| !l.trim_start().starts_with('$')) {
            let longest = line.split_whitespace().map(|w| w.chars().count()).max().unwrap_or(0);
            assert!(line.chars().count() <= width.max(longest + 20), "{width}: {line:?}");
        }
        assert!(!ran.stdout.contains('\u{1b}'));
    }
}
