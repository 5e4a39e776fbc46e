//! What surrounds a command and changes what it does: variables, other accounts, directories that are not there,
//! words that are no text.

use serde_json::Value;

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Loopback};

/// A home with a pip, npm and cargo configuration that points at a server with one old release in each ecosystem.
fn configured(server: &Loopback) -> Sandbox {
    server.python(Dist::wheel("tw-good", "1.0.0"));
    server.npm("tw-good", "1.0.0", "2020-01-01T00:00:00Z", serde_json::json!({"bin": "x.js"}));
    server.krate("tw-good", "1.0.0", serde_json::json!({"pubtime": "2020-01-01T00:00:00Z"}), &[("src/lib.rs", "")]);
    let sandbox = Sandbox::new();
    let pip = format!("[global]\nindex-url = {}\nretries = 0\n", server.simple());
    sandbox.write("../home/.config/pip/pip.conf", pip);
    sandbox.write("../home/.npmrc", format!("registry={}\n", server.npm_url()));
    let source = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nregistry = \"sparse+{}\"\n",
        server.index()
    );
    sandbox.write("../home/.cargo/config.toml", source);
    sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
    sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    sandbox
}

fn found(document: &Value, rule: &str, text: &str) -> bool {
    document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|f| f["rule"] == rule && f["level"] == "ask" && f["message"].as_str().unwrap().contains(text))
}

#[test]
fn variables_of_the_command_are_asked_about_in_both_forms() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    let (pip, npm, cargo) = ("pip install tw-good", "npm install tw-good", "cargo add tw-good@1.0.0");
    for (variable, command, rule) in [
        ("RUSTC_WRAPPER=./wrap", cargo, "config-override"),
        ("RUSTC=/tmp/rustc", cargo, "config-override"),
        ("CARGO_BUILD_RUSTC=./r", cargo, "config-override"),
        ("CARGO_BUILD_RUSTC_WRAPPER=./r", cargo, "config-override"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=./r", cargo, "config-override"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=./l", cargo, "config-override"),
        ("PATH=/tmp/evil:$PATH", pip, "config-override"),
        ("PATH=./tools:$PATH", npm, "config-override"),
        ("HTTPS_PROXY=http://user:secret@evil.test:8080", pip, "config-override"),
        ("npm_config_https_proxy=http://evil.test:8080", npm, "config-override"),
        ("LD_PRELOAD=/tmp/x.so", pip, "config-override"),
        ("PYTHONPATH=/tmp/x", pip, "config-override"),
        ("PYTHONSTARTUP=/tmp/x.py", pip, "config-override"),
        ("PYTHONHOME=/tmp/x", pip, "config-override"),
        ("NODE_OPTIONS=--require=/tmp/x.js", npm, "config-override"),
        ("npm_config_script_shell=./sh", npm, "config-override"),
        ("npm_config_git=./git", npm, "config-override"),
        ("GIT_SSH_COMMAND=./ssh", npm, "config-override"),
        ("PIP_CERT=/tmp/ca.pem", pip, "safety-flag"),
        ("SSL_CERT_FILE=/tmp/ca.pem", pip, "safety-flag"),
        ("COREPACK_INTEGRITY_KEYS=0", npm, "safety-flag"),
        ("NODE_TLS_REJECT_UNAUTHORIZED=0", npm, "insecure-transport"),
    ] {
        let name = variable.split('=').next().unwrap();
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let mut argv = vec!["check", "--format", "json", "--", "env"];
        // A shell has put PATH's own value there already.
        let literal = variable.replace("$PATH", &std::env::var("PATH").unwrap());
        argv.push(&literal);
        argv.extend(words.iter().map(String::as_str));
        let (_, value) = variable.split_once('=').unwrap();
        let assigned = format!("{name}=\"{value}\"");
        let prefix = format!("{assigned} {command}");
        let exported = format!("export {assigned}; true && {command}");
        for ran in [
            sandbox.run(&argv),
            sandbox.run(&["check", "--format", "json", "--shell", &prefix]),
            sandbox.run(&["check", "--format", "json", "--shell", &exported]),
        ] {
            assert_eq!(ran.status, 10, "{variable}: {ran:#?}");
            let document = ran.json();
            assert!(found(&document, rule, "") && ran.stdout.contains(name), "{variable}: {ran:#?}");
            let mut own = document["findings"].as_array().unwrap().iter().filter(|f| f["rule"] == "config-override");
            assert!(own.all(|f| !f.to_string().contains("secret")), "{variable}: {ran:#?}");
        }
    }
}

#[test]
fn variables_that_change_nothing_here_are_no_finding() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    for line in [
        "RUSTC_WRAPPER=x pip install tw-good",
        "RUSTC_WRAPPER= cargo add tw-good@1.0.0",
        "NODE_OPTIONS=--max-old-space-size=4096 npm install tw-good",
        "HTTPS_PROXY= pip install tw-good",
        "CC=clang pip install tw-good",
        "RUSTFLAGS='-D warnings' cargo add tw-good@1.0.0",
        "export RUSTFLAGS=\"$RUSTFLAGS -D warnings\"; cargo add tw-good@1.0.0",
        "export PATH=\"$HOME/.local/bin:$PATH\"; pip install tw-good",
        "PATH=$PATH:/tmp/last pip install tw-good",
        "PATH=$PWD/.venv/bin:$PATH true; pip install tw-good",
        "LD_PRELOAD=/tmp/x.so pip list",
    ] {
        let ran = sandbox.run(&["check", "--format", "json", "--shell", line]);
        assert_eq!(ran.status, 0, "{line}: {ran:#?}");
    }
}

/// What the caller's own shell sets is the caller's choice, and is said.
#[test]
fn inherited_variables_are_notes() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    for (name, value, command) in [
        ("RUSTC_WRAPPER", "sccache", "cargo add tw-good@1.0.0"),
        ("PYTHONPATH", "/opt/lib", "pip install tw-good"),
        ("NODE_OPTIONS", "--require /opt/x.js", "npm install tw-good"),
        ("LD_PRELOAD", "", "pip install tw-good"),
        ("GIT_SSH_COMMAND", "ssh -i /k", "npm install tw-good"),
    ] {
        let words: Vec<&str> = ["check", "--format", "json", "--"].into_iter().chain(command.split(' ')).collect();
        let ran = Ran::of(sandbox.command(&words).env(name, value).output().unwrap(), sandbox.dir.path());
        assert_eq!(ran.status, 0, "{name}: {ran:#?}");
        assert_eq!(
            rules(&ran.json(), "note").contains(&"config-override".to_owned()),
            !value.is_empty(),
            "{name}: {ran:#?}"
        );
    }
}

/// A program that the command puts in front of others is not executed to find out what the command would do.
#[cfg(unix)]
#[test]
fn what_the_command_puts_first_is_not_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Loopback::start();
    let sandbox = configured(&server);
    let outside = tempfile::tempdir().unwrap();
    for name in ["python3", "python", "pip", "node", "cargo", "rustc"] {
        let path = outside.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}/ran\n", outside.path().display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let line = format!("PATH={}:$PATH pip install tw-good", outside.path().display());
    let ran = sandbox.run(&["check", "--format", "json", "--shell", &line]);
    assert_eq!(ran.status, 10, "{ran:#?}");
    assert!(!outside.path().join("ran").exists());
}

#[test]
fn sudo_gives_the_tool_other_variables_and_another_home() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    let check = |words: &[&str]| {
        let words = [&["check", "--offline", "--format", "json", "--"], words].concat();
        let mut command = sandbox.command(&words);
        command.env("PIP_INDEX_URL", "https://mine.example/simple").env("USER", "u");
        Ran::of(command.output().unwrap(), sandbox.dir.path())
    };
    // Kept: it is the index of a variable, which is asked about; reset: it is not there.
    let named = |ran: &Ran| found(&ran.json(), "untrusted-registry", "mine.example");
    for (words, kept) in [
        (&["pip", "install", "tw-good"][..], true),
        (&["sudo", "pip", "install", "tw-good"], false),
        (&["sudo", "-E", "pip", "install", "tw-good"], true),
        (&["sudo", "--preserve-env", "pip", "install", "tw-good"], true),
        (&["sudo", "--preserve-env=PIP_INDEX_URL", "pip", "install", "tw-good"], true),
        (&["sudo", "--preserve-env=OTHER", "pip", "install", "tw-good"], false),
        (&["sudo", "PIP_INDEX_URL=https://mine.example/simple", "pip", "install", "tw-good"], true),
        (&["env", "PIP_INDEX_URL=https://mine.example/simple", "sudo", "pip", "install", "tw-good"], false),
        (&["doas", "pip", "install", "tw-good"], false),
        (&["sudo", "-u", "u", "pip", "install", "tw-good"], false),
    ] {
        let ran = check(words);
        assert_eq!(named(&ran), kept, "{words:?}: {ran:#?}");
        // The caller's own pip.conf is not what root's pip would read.
        assert!(!ran.stdout.contains(&server.simple()) || words.contains(&"-u") || kept, "{words:?}: {ran:#?}");
    }
    let ran = check(&["sudo", "-u", "other", "pip", "install", "tw-good"]);
    assert!(found(&ran.json(), "opaque", "the account `other`"), "{ran:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_removed_working_directory_stops_an_install_and_nothing_else() {
    let sandbox = Sandbox::new();
    let run = |line: &str| {
        let script = format!("mkdir gone && cd gone && rmdir ../gone && {line}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(sandbox.work()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", sandbox.dir.path().join("home"));
        Ran::of(command.output().unwrap(), sandbox.dir.path())
    };
    let program = env!("CARGO_BIN_EXE_tidewaiter");
    let ran = run(&format!("{program} check -- pip list"));
    assert_eq!(ran.status, 0, "{ran:#?}");
    for line in ["check -- pip install six", "check --shell 'npm ci'", "audit", "check -- frob $(x) npm install y"] {
        let ran = run(&format!("{program} {line}"));
        if line == "audit" {
            assert_ne!(ran.status, 0, "{line}: {ran:#?}");
            continue;
        }
        assert_eq!(ran.status, 1, "{line}: {ran:#?}");
        assert!(ran.stderr.contains("working directory") && ran.stderr.contains("removed"), "{line}: {ran:#?}");
    }
}

#[cfg(unix)]
#[test]
fn a_word_that_is_no_unicode_is_a_doubt_for_an_install_alone() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let check = |words: &[&[u8]]| {
        let mut command = sandbox.command(&["check", "--offline", "--format", "json", "--"]);
        command.args(words.iter().map(|w| std::ffi::OsStr::from_bytes(w)));
        Ran::of(command.output().unwrap(), sandbox.dir.path())
    };
    for words in [&[&b"pip"[..], b"list", b"\xff"][..], &[b"cat", b"\xff\xfe"], &[b"p\xffip", b"install", b"x"]] {
        let ran = check(words);
        assert_eq!(ran.status, 0, "{words:?}: {ran:#?}");
    }
    for words in [&[&b"pip"[..], b"install", b"\xff"][..], &[b"npm", b"--prefix", b"/\xff", b"ci"]] {
        let ran = check(words);
        assert_eq!(ran.status, 10, "{words:?}: {ran:#?}");
        assert!(found(&ran.json(), "opaque", "not Unicode"), "{words:?}: {ran:#?}");
    }
    let mut command = sandbox.command(&["check", "--offline", "--format", "json", "--shell"]);
    command.arg(std::ffi::OsStr::from_bytes(b"pip install \xff"));
    assert_eq!(Ran::of(command.output().unwrap(), sandbox.dir.path()).status, 10);
}

#[test]
fn a_directory_that_is_not_there_yet_is_a_doubt() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    sandbox.write("../home/inner/package.json", "{\"name\": \"inner\", \"dependencies\": {\"tw-good\": \"^1.0.0\"}}");
    let check = |line: &str| sandbox.run(&["check", "--format", "json", "--shell", line]);
    for line in [
        "git clone https://h.example/a/app2 && cd app2 && npm install",
        "git clone --depth 1 git@h.example:a/app2.git && cd app2 && npm ci",
        "git clone https://h.example/a/app2 there && cd there/sub && npm install tw-good",
        "tar xf a.tgz && cd a && npm install",
        "cd nowhere && npm ci",
        "cd nowhere && cargo build",
        "cd nowhere && uv sync",
        "(cd nowhere; yarn add tw-good)",
    ] {
        let ran = check(line);
        assert_eq!(ran.status, 10, "{line}: {ran:#?}");
        assert!(found(&ran.json(), "opaque", "what it will hold is not known"), "{line}: {ran:#?}");
    }
    for line in [
        "mkdir fresh && cd fresh && npm install tw-good",
        "mkdir -p a/b; cd a/b && npm install tw-good",
        "cd nowhere && pip install tw-good",
        "git clone https://h.example/a/app2 && npm install tw-good",
    ] {
        let ran = check(line);
        assert_eq!(ran.status, 0, "{line}: {ran:#?}");
        assert!(ran.stdout.contains("tw-good@1.0.0"), "{line}: {ran:#?}");
    }
    // `~` is the caller's home.
    let ran = check("cd ~/inner && npm install");
    assert!(ran.status == 0 && ran.stdout.contains("npm/tw-good@1.0.0"), "{ran:#?}");
}

#[test]
fn files_that_an_earlier_command_replaces_are_a_doubt() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    sandbox.write("package.json", "{\"name\": \"app\", \"dependencies\": {\"tw-good\": \"^1.0.0\"}}");
    let check = |line: &str| sandbox.run(&["check", "--format", "json", "--shell", line]);
    for line in [
        "git pull && npm install",
        "cd sub; git pull; cd .. && npm install",
        "gh pr checkout 7 && npm install",
        "tar xf new.tgz; npm install",
        "true && (git merge theirs) && npm install",
    ] {
        let ran = check(line);
        assert_eq!(ran.status, 10, "{line}: {ran:#?}");
        assert!(found(&ran.json(), "opaque", "run this as a command of its own"), "{line}: {ran:#?}");
    }
    for line in [
        "npm pkg set dependencies.tw-evil=1.0.0 && npm install",
        "npm config set registry http://h.example && npm install tw-good",
        "npm set //h.example/:_authToken=x; npx tw-good",
    ] {
        let ran = check(line);
        assert_eq!(ran.status, 10, "{line}: {ran:#?}");
        assert!(found(&ran.json(), "opaque", "what it will hold is not known"), "{line}: {ran:#?}");
    }
    // Its own changes put away, a branch made of what is here, files elsewhere, settings of no weight; and a command
    // that reads none of the files.
    for line in [
        "git stash && npm install; git stash pop",
        "git checkout -b mine && npm install",
        "git checkout -- src/a.js && npm install",
        "tar xf new.tgz -C /tmp/elsewhere && npm install",
        "tar czf old.tgz . && npm install",
        "npm config set fund false && npm install",
        "git pull && npx tw-good",
    ] {
        let ran = check(line);
        assert!(!found(&ran.json(), "opaque", ""), "{line}: {ran:#?}");
        assert!(ran.stdout.contains("tw-good@1.0.0"), "{line}: {ran:#?}");
    }
}

#[test]
fn an_interpreter_of_the_project_is_asked_about() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    sandbox.write("tool/python3", "#!/bin/sh\ntouch executed\n");
    for line in ["pip --python tool/python3 install tw-good", "./tool/python3 -m pip install tw-good"] {
        let ran = sandbox.run(&["check", "--format", "json", "--shell", line]);
        assert_eq!(ran.status, 10, "{line}: {ran:#?}");
        assert!(found(&ran.json(), "config-override", "names a program to run"), "{line}: {ran:#?}");
        assert!(!sandbox.work().join("executed").exists(), "{line}");
    }
}

#[test]
fn what_a_project_makes_npx_run_is_asked_about() {
    let server = Loopback::start();
    for (setting, words) in [
        ("package=tw-evil@1.0.0", &["npx", "tw-good@1.0.0"][..]),
        ("package[]=tw-evil@1.0.0", &["npm", "exec", "tw-good@1.0.0"]),
        ("package=tw-evil@1.0.0", &["npm", "exec"]),
        ("call=npx tw-evil@1.0.0", &["npm", "exec"]),
    ] {
        let sandbox = configured(&server);
        sandbox.write("package.json", "{}");
        sandbox.write(".npmrc", setting);
        let ran = sandbox.run(&[&["check", "--format", "json", "--"], words].concat());
        assert_eq!(ran.status, 10, "{setting} {words:?}: {ran:#?}");
        assert!(found(&ran.json(), "config-override", "names a program to run"), "{ran:#?}");
    }
}

#[test]
fn pip_reads_the_requirements_of_a_script() {
    let server = Loopback::start();
    let sandbox = configured(&server);
    sandbox.write("task", "# /// script\n# dependencies = [\"tw-good\"]\n# ///\nprint(1)\n");
    let ran = sandbox.run(&["check", "--format", "json", "--", "pip", "install", "--requirements-from-script", "task"]);
    assert!(ran.status == 0 && ran.stdout.contains("tw-good@1.0.0"), "{ran:#?}");
}

#[test]
fn names_pinned_to_an_index_are_asked_for_there_alone() {
    let (own, public) = (Loopback::start(), Loopback::start());
    own.python(Dist::wheel("acme-core", "1.0.0"));
    public.python(Dist::wheel("acme-core", "9.9.9")).python(Dist::wheel("tw-good", "1.0.0"));
    let pyproject = format!(
        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"acme-core\", \"tw-good\"]\n\
         [[tool.uv.index]]\nname = \"own\"\nurl = \"{}\"\nexplicit = true\n\
         [[tool.uv.index]]\nname = \"public\"\nurl = \"{}\"\ndefault = true\n\
         [tool.uv.sources]\nAcme_Core = {{ index = \"own\" }}\n",
        own.simple(),
        public.simple()
    );
    let purls = |document: &Value| -> Vec<String> {
        let packages = document["plan"]["packages"].as_array().unwrap();
        let coming = packages.iter().filter(|p| p["source"]["kind"] == "registry");
        coming.map(|p| p["purl"].as_str().unwrap().to_owned()).collect()
    };
    // In the project, in a member below the root that pins, and with several sources under markers.
    let several = pyproject.replace(
        "{ index = \"own\" }",
        "[{ index = \"own\", marker = \"sys_platform != 'win32'\" }, { index = \"public\", marker = \"sys_platform == 'win32'\" }]",
    );
    for text in [&pyproject, &several] {
        let sandbox = Sandbox::new();
        sandbox.write("pyproject.toml", text);
        for words in [&["uv", "lock"][..], &["uv", "sync"], &["uv", "add", "tw-good"]] {
            public.clear_log();
            let ran = sandbox.run(&[&["check", "--format", "json", "--"], words].concat());
            assert_eq!(
                purls(&ran.json()),
                ["pkg:pypi/acme-core@1.0.0", "pkg:pypi/tw-good@1.0.0"],
                "{words:?}: {ran:#?}"
            );
            assert!(!public.paths().iter().any(|p| p.contains("acme-core")), "{words:?}: {:?}", public.paths());
        }
    }
    let sandbox = Sandbox::new();
    let root = pyproject.replace("[tool.uv.sources]", "[tool.uv.workspace]\nmembers = [\"m\"]\n[tool.uv.sources]");
    sandbox.write("pyproject.toml", root);
    let member =
        "[project]\nname = \"m\"\nversion = \"1\"\ndependencies = [\"acme-core\"]\n[tool.uv]\npackage = true\n";
    sandbox.write("m/pyproject.toml", member);
    public.clear_log();
    let ran = sandbox.run(&["check", "--format", "json", "--shell", "cd m && uv lock"]);
    assert!(purls(&ran.json()).contains(&"pkg:pypi/acme-core@1.0.0".to_owned()), "{ran:#?}");
    assert!(!public.paths().iter().any(|p| p.contains("acme-core")), "{:?}", public.paths());
    // An index that nobody defines is no reason to ask another one.
    let sandbox = Sandbox::new();
    sandbox.write("pyproject.toml", pyproject.replace("{ index = \"own\" }", "{ index = \"gone\" }"));
    public.clear_log();
    let ran = sandbox.run(&["check", "--format", "json", "--", "uv", "lock"]);
    assert_ne!(ran.status, 0, "{ran:#?}");
    assert!(!public.paths().iter().any(|p| p.contains("acme-core")), "{:?}", public.paths());
}

#[test]
fn wheels_that_start_code_are_seen() {
    let server = Loopback::start();
    let hook = b"import os; os.system('x')\n";
    server
        .python(Dist::wheel("tw-hook", "1.0.0").member("tw.pth", hook))
        .python(Dist::wheel("tw-custom", "1.0.0").member("sitecustomize.py", b""))
        .python(Dist::wheel("tw-bare", "1.0.0").member("tw.pth", hook).without_metadata_file().unadvertised())
        .python(Dist::wheel("tw-path", "1.0.0").member("tw.pth", b"./src\n"))
        .python(Dist::wheel("tw-plain", "1.0.0"))
        .python(Dist::wheel("requests", "2.0.0").member("tw.pth", hook));
    let sandbox = configured(&server);
    let executes = |ran: &Ran| ran.json()["plan"]["packages"][0]["executes"].to_string();
    for (name, hooked) in
        [("tw-hook", true), ("tw-custom", true), ("tw-bare", true), ("tw-path", false), ("tw-plain", false)]
    {
        for _ in 0..2 {
            let ran = sandbox.run(&["check", "--format", "json", "--", "pip", "install", name]);
            assert_eq!(ran.status, if hooked { 10 } else { 0 }, "{name}: {ran:#?}");
            assert_eq!(executes(&ran).contains("startup-hook"), hooked, "{name}: {ran:#?}");
            assert!(!ran.json()["signals_unavailable"].to_string().contains("startup-hook"), "{name}: {ran:#?}");
            server.clear_log();
        }
        // The second time, what a digest fixes is remembered.
        let ran = sandbox.run(&["check", "--format", "json", "--", "pip", "install", name]);
        assert!(!server.paths().iter().any(|p| p.ends_with(".whl")), "{name}: {:?} {ran:#?}", server.paths());
    }
    // The very file that a project is known to ship is worth a note, and only in that project.
    let known = b"import hunter; hunter._embed_via_environment()\n";
    let changed = b"import hunter; hunter._embed_via_environment();\n";
    let cases = [
        ("hunter", "3.9.0", &known[..], true),
        ("hunter", "3.9.1", &changed[..], false),
        ("tw-hunter", "3.9.0", &known[..], false),
    ];
    for (name, version, text, _) in cases {
        let wheel = Dist::wheel(name, version).member("hunter.pth", text);
        server.python(wheel.without_metadata_file().unadvertised());
    }
    for (name, version, _, note) in cases {
        let wanted = format!("{name}=={version}");
        for _ in 0..2 {
            let ran = sandbox.run(&["check", "--format", "json", "--", "pip", "install", &wanted]);
            assert!(executes(&ran).contains("startup-hook"), "{wanted}: {ran:#?}");
            let document = ran.json();
            let finding = document["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "startup-hook");
            assert_eq!(finding.unwrap()["level"], if note { "note" } else { "ask" }, "{wanted}: {ran:#?}");
            assert_eq!(ran.status, if note { 0 } else { 10 }, "{wanted}: {ran:#?}");
        }
    }
    // A well-known package of old is not looked into, and that is said.
    server.clear_log();
    let ran = sandbox.run(&["check", "--format", "json", "--", "pip", "install", "-I", "requests"]);
    assert!(ran.json()["signals_unavailable"].to_string().contains("startup-hook"), "{ran:#?}");
    assert!(!server.paths().iter().any(|p| p.ends_with(".whl")), "{:?}", server.paths());
}
