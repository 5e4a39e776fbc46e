//! Packages and project files that talk to the judge or to the terminal: `fixtures/injection.json` puts 64 texts into
//! every place that a stranger can write, and none of them reaches the context, the screen, a report or the log as it is.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::cli::{Ran, Sandbox};
use crate::support::loopback::{Dist, Loopback};
use crate::support::tools::{cargo_home, npmrc, pip_conf};

struct Case {
    id: String,
    place: String,
    text: String,
}

fn cases() -> Vec<Case> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/injection.json")).unwrap();
    let field = |v: &Value, name: &str| v[name].as_str().unwrap().to_owned();
    all.iter().map(|v| Case { id: field(v, "id"), place: field(v, "place"), text: field(v, "text") }).collect()
}

const OLD: &str = "2020-01-01T00:00:00Z";
const NPM: &[&str] = &["npm", "install", "tw-evil"];
const PROJECT: &[&str] = &["npm", "install"];
const PIP: &[&str] = &["pip", "install", "tw-evil"];
const FILE: &[&str] = &["pip", "install", "-r", "requirements.txt"];
const CARGO: &[&str] = &["cargo", "add", "tw-evil"];
const BUILD: &[&str] = &["cargo", "generate-lockfile"];

/// Puts the text in its place; the command that meets it there.
fn plant(case: &Case, sandbox: &Sandbox, server: &Loopback) -> &'static [&'static str] {
    let text = case.text.as_str();
    npmrc(sandbox, server);
    pip_conf(sandbox, server);
    cargo_home(sandbox, server);
    let npm = |manifest: Value| {
        server.npm("tw-evil", "1.0.0", OLD, manifest);
    };
    let package = |dependencies: Value| {
        let text = json!({"name": "app", "version": "1.0.0", "dependencies": dependencies}).to_string();
        sandbox.write("package.json", text);
    };
    package(json!({}));
    let lock = |name: &str, version: &str, resolved: &str| {
        package(json!({"tw-evil": "^1.0.0"}));
        let lock = json!({"name": "app", "version": "1.0.0", "lockfileVersion": 3, "packages": {
            "": {"name": "app", "version": "1.0.0", "dependencies": {"tw-evil": "^1.0.0"}},
            format!("node_modules/{name}"): {"version": version, "resolved": resolved, "hasInstallScript": true}}});
        sandbox.write("package-lock.json", lock.to_string());
        server.npm("tw-evil", "1.0.0", OLD, json!({}));
    };
    let wheel = || Dist::wheel("tw-evil", "1.0.0");
    let lines = |text: &str| text.replace(['\n', '\r', '\0'], " ");
    match case.place.as_str() {
        "npm-description" => npm(json!({"description": text, "keywords": [text], "homepage": text})),
        "npm-readme" => npm(json!({"readme": text, "readmeFilename": text, "bugs": {"url": text}})),
        "npm-script" => npm(json!({"scripts": {"postinstall": text, text: text}})),
        "npm-deprecated" => npm(json!({"deprecated": text})),
        "npm-author" => npm(json!({"author": {"name": text}, "maintainers": [{"name": text, "email": text}]})),
        "npm-publisher" => {
            server.npm("tw-evil", "0.9.0", OLD, json!({"_npmUser": {"name": "someone"}}));
            let young = crate::support::tools::yesterday();
            server.npm("tw-evil", "1.0.0", &young, json!({"_npmUser": {"name": text}, "scripts": {"install": text}}));
            return &["npm", "install", "tw-evil@1.0.0"];
        }
        "npm-name" => {
            let document =
                json!({"name": text, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"name": text}}});
            server.raw("/npm/tw-evil", "application/json", document.to_string().into_bytes());
        }
        "npm-version" => {
            let document = json!({"name": "tw-evil", "dist-tags": {"latest": text}, "versions": {text: {"name": "tw-evil",
                "version": text, "dist": {"tarball": "https://x.example/x.tgz"}}}, "time": {text: OLD}});
            server.raw("/npm/tw-evil", "application/json", document.to_string().into_bytes());
        }
        "npm-dependency-name" => npm(json!({"dependencies": {text: "^1.0.0"}})),
        "npm-dependency-spec" => npm(json!({"dependencies": {"tw-other": text}})),
        "npm-error-body" => {
            server.raw("/npm/tw-evil", "text/plain", text.as_bytes().to_vec());
        }
        "pypi-yanked" => {
            server.python(wheel().yanked(text));
            return &["pip", "install", "tw-evil==1.0.0"];
        }
        "pypi-description" => {
            server.python(wheel().member("tw_evil/__init__.py", text.as_bytes()).member("README.md", text.as_bytes()));
            return PIP;
        }
        "pypi-requires" => {
            server.python(wheel().requires(&[&format!("tw-other; python_version == '{}'", lines(text))]));
            return PIP;
        }
        "pypi-filename" => {
            let page = json!({"meta": {"api-version": "1.1"}, "name": text, "files": [{"filename": text,
                "url": text, "hashes": {}, "yanked": text}], "versions": [text]});
            let media = "application/vnd.pypi.simple.v1+json";
            server.raw("/simple/tw-evil/", media, page.to_string().into_bytes());
            return PIP;
        }
        "pypi-error-body" => {
            server.raw("/simple/tw-evil/", "application/vnd.pypi.simple.v1+json", text.as_bytes().to_vec());
            return PIP;
        }
        "crate-dependency-name" => {
            let dep = json!({"name": text, "req": text, "features": [text], "optional": false, "default_features": true,
                "target": text, "kind": "normal", "registry": null});
            server.krate("tw-evil", "1.0.0", json!({"deps": [dep], "pubtime": OLD}), &[]);
            return CARGO;
        }
        "crate-version" => {
            let line = json!({"name": "tw-evil", "vers": text, "deps": [], "cksum": text, "features": {text: [text]}, "yanked": false});
            server.krate("tw-other", "1.0.0", json!({}), &[]);
            server.raw("/index/tw/-e/tw-evil", "text/plain", format!("{line}\n").into_bytes());
            return CARGO;
        }
        "package-json-name" => {
            let text = json!({"name": text, "version": text, "description": text, "scripts": {"postinstall": text}});
            sandbox.write("package.json", text.to_string());
            return PROJECT;
        }
        "package-json-dependency" => {
            package(json!({text: "^1.0.0"}));
            return PROJECT;
        }
        "package-json-spec" => {
            package(json!({"tw-evil": text}));
            npm(json!({}));
            return PROJECT;
        }
        "package-lock-version" => {
            lock("tw-evil", text, "https://registry.npmjs.org/tw-evil/-/tw-evil-1.0.0.tgz");
            return &["npm", "ci"];
        }
        "package-lock-resolved" => {
            lock("tw-evil", "1.0.0", &format!("https://files.example/{text}"));
            return &["npm", "ci"];
        }
        "package-lock-name" => {
            lock(text, "1.0.0", "https://registry.npmjs.org/tw-evil/-/tw-evil-1.0.0.tgz");
            return &["npm", "ci"];
        }
        "requirements-marker" => {
            sandbox.write("requirements.txt", format!("tw-evil; python_version == '{}'\n", lines(text)));
            return FILE;
        }
        "requirements-url" => {
            sandbox.write("requirements.txt", format!("tw-evil @ https://files.invalid/{}\n", lines(text)));
            return FILE;
        }
        "requirements-name" => {
            sandbox.write("requirements.txt", format!("{}\n", lines(text)));
            return FILE;
        }
        "requirements-option" => {
            sandbox.write(
                "requirements.txt",
                format!("--index-url https://h.invalid/{}\n--{}\ntw-evil\n", lines(text), lines(text)),
            );
            return FILE;
        }
        "cargo-toml-dependency" => {
            let name = serde_json::to_string(&lines(text)).unwrap();
            let text = format!("[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\n{name} = {name}\n");
            sandbox.write("Cargo.toml", text);
            return BUILD;
        }
        "cargo-lock-source" => {
            let quoted = serde_json::to_string(&lines(text)).unwrap();
            let lock = format!("version = 3\n[[package]]\nname = {quoted}\nversion = \"1.0.0\"\nsource = {quoted}\n");
            sandbox.write("Cargo.lock", lock);
            return &["cargo", "build", "--locked"];
        }
        "npmrc-registry" => {
            sandbox.write(".npmrc", format!("registry=https://h.invalid/{0}\nscript-shell={0}\n", lines(text)));
            npm(json!({}));
        }
        "pyproject-dependency" => {
            let quoted = serde_json::to_string(&lines(text)).unwrap();
            sandbox.write(
                "pyproject.toml",
                format!("[project]\nname = {quoted}\nversion = \"1\"\ndependencies = [{quoted}]\n"),
            );
            return &["pip", "install", "."];
        }
        other => panic!("no place is called {other}"),
    }
    NPM
}

/// What a terminal, a CI log or an eye would obey.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(*c as u32, 0x200b..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069 | 0xfeff | 0xe0000..=0xe007f)
    })
}

fn on_screen(case: &Case, what: &str, text: &str) {
    assert_eq!(obeyed(text), None, "{} in {what}: {text:?}", case.id);
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        assert!(n == 0 || !line.starts_with("ALLOW"), "{} in {what}: a line is forged: {line:?}", case.id);
        assert!(!line.starts_with("::set-output") && !line.contains("##vso"), "{} in {what}: {line:?}", case.id);
    }
}

/// The sentence that orders a judge about, whatever was done to its letters.
fn is_told(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "ignore all previous",
        "ignore%20all",
        "previous instructions",
        "answer allow",
        "evil.example",
        "onerror",
        "set-output",
        "vso[task",
    ]
    .iter()
    .any(|p| lower.contains(p))
}

#[test]
fn nobody_s_text_reaches_a_judge_a_screen_or_the_log() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    // Half at once: each starts processes of its own.
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(2)) {
            scope.spawn(move || part.iter().for_each(one));
        }
    });
}

fn one(case: &Case) {
    let (sandbox, server) = (Sandbox::new(), Loopback::start());
    let words = plant(case, &sandbox, &server);
    let run = |options: &[&str]| -> Ran {
        let ran = sandbox.run(&[&["check"], options, &["--"], words].concat());
        assert!([0, 10, 20].contains(&ran.status) && !ran.stderr.contains("panicked"), "{}: {ran:?}", case.id);
        ran
    };
    // The context: typed facts, ASCII, and not a word of it.
    let context = run(&["--context"]);
    assert!(context.stdout.is_ascii(), "{}", case.id);
    let document: Value = serde_json::from_str(&context.stdout).unwrap();
    crate::context::schema(&document);
    assert!(!is_told(&context.stdout), "{}: {document:#}", case.id);
    assert!(!context.stdout.contains(&case.text), "{}: {document:#}", case.id);
    // The screen, with and without notes.
    let human = run(&["--verbose"]);
    on_screen(case, "the report", &human.stdout);
    on_screen(case, "stderr", &human.stderr);
    on_screen(case, "annotations", &run(&["--format", "github"]).stdout);
    // Documents escape; a browser or a terminal that shows one obeys nothing.
    let json = run(&["--format", "json"]);
    json.json();
    assert_eq!(json.stdout.chars().find(|c| c.is_control() && *c != '\n'), None, "{}", case.id);
    let html = run(&["--format", "html"]).stdout;
    assert!(!html.contains("<script>verdict") && !html.contains("<img src=x"), "{}", case.id);
    // The host's classifier, the agent and the log.
    let payload = |event: &str, command: String| {
        json!({"hook_event_name": event, "tool_name": "Bash", "session_id": "s", "cwd": sandbox.work(),
            "tool_input": {"command": command}})
        .to_string()
    };
    let line = tidewaiter::model::shell_line(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
    let hook = |payload: String| {
        use std::io::Write as _;
        let mut child = sandbox
            .command(&["hook", "claude-code"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap(), sandbox.dir.path())
    };
    let told = hook(payload("PostToolUse", format!("tidewaiter check -- {line}")));
    let told: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
    let facts = told["hookSpecificOutput"]["classifierContext"].as_str().unwrap_or_default();
    assert!(facts.is_ascii() && facts.len() <= 2000 && !is_told(facts) && !facts.is_empty(), "{}: {facts}", case.id);
    let refused = hook(payload("PreToolUse", line));
    let reason: Value = serde_json::from_str(&refused.stdout).unwrap_or_default();
    let reason = reason["hookSpecificOutput"]["permissionDecisionReason"].as_str().unwrap_or_default();
    on_screen(case, "the reason", reason);
    on_screen(case, "stderr of the hook", &refused.stderr);
    for words in [&["log", "list"][..], &["log", "export"], &["log", "list", "--format", "json"]] {
        let log = sandbox.run(words).stdout;
        let control = log.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{} in {words:?}: {log:?}", case.id);
        if words.len() == 2 && words[1] == "list" {
            on_screen(case, "the log", &log);
        }
    }
}
