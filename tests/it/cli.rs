//! The program as its users run it: words in, exit status and text out. No network: what needs a registry says so.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A fresh home and working directory, and the program in it.
pub struct Sandbox {
    pub dir: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("home")).unwrap();
        std::fs::create_dir_all(dir.path().join("work")).unwrap();
        Self { dir }
    }

    pub fn work(&self) -> std::path::PathBuf {
        self.dir.path().join("work")
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// The program with nothing of this process's environment but PATH, in the working directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewaiter"));
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.dir.path().join("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap(), self.dir.path())
    }
}

/// What a run said, with the sandbox's path replaced by `[SANDBOX]`.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output, root: &Path) -> Self {
        let clean = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(&root.canonicalize().unwrap().display().to_string(), "[SANDBOX]")
        };
        Self { status: output.status.code().unwrap_or(-1), stdout: clean(output.stdout), stderr: clean(output.stderr) }
    }

    /// The verdict document on stdout, held to the schema.
    pub fn json(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        let schema: Value = serde_json::from_str(include_str!("../../docs/schema/verdict-1.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "not by the schema: {errors:#?}\n{document:#}");
        document
    }
}

/// Names of the rules that fired at this level or above, without repetition.
pub fn rules(document: &Value, level: &str) -> Vec<String> {
    let mut out: Vec<String> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["level"] == level)
        .map(|f| f["rule"].as_str().unwrap().to_owned())
        .collect();
    out.sort();
    out.dedup();
    out
}

#[test]
fn a_command_that_installs_nothing_is_allowed_and_costs_nothing() {
    let sandbox = Sandbox::new();
    for words in [
        &["pip", "--version"][..],
        &["pip", "list"],
        &["npm", "run", "build"],
        &["cargo", "fmt"],
        &["ls", "-la"],
        &["git", "status"],
        &["pip", "uninstall", "-y", "requests"],
    ] {
        let ran = sandbox.run(&[&["check", "--format", "json", "--"], words].concat());
        assert_eq!(ran.status, 0, "{words:?}: {ran:?}");
        let document = ran.json();
        assert_eq!(document["verdict"], "allow", "{words:?}");
        assert_eq!(document["plan"]["packages"].as_array().unwrap().len(), 0);
        assert_eq!(document["plan"]["complete"], true);
    }
    assert!(!sandbox.dir.path().join("home/.cache").exists(), "nothing was cached");
}

#[test]
fn what_is_not_understood_asks() {
    let sandbox = Sandbox::new();
    for words in [
        &["pip", "install", "--flag-of-tomorrow", "requests"][..],
        &["npm", "frobnicate", "left-pad"],
        &["sh", "-c", "pip install $(cat list)"],
        &["xargs", "pip", "install"],
    ] {
        let ran = sandbox.run(&[&["check", "--offline", "--format", "json", "--"], words].concat());
        assert_eq!(ran.status, 10, "{words:?}: {ran:?}");
        assert!(rules(&ran.json(), "ask").contains(&"opaque".to_owned()), "{words:?}: {ran:?}");
    }
}

#[test]
fn known_malware_in_a_lockfile_is_denied_without_any_network() {
    let sandbox = Sandbox::new();
    sandbox.write("requirements.txt", "requests==2.32.3\n# the proxy\nlitellm==1.82.8\n");
    let ran = sandbox.run(&["audit", "--offline", "--format", "json"]);
    assert_eq!(ran.status, 20, "{ran:?}");
    let document = ran.json();
    assert_eq!(rules(&document, "deny"), ["malware"]);
    let finding = &document["findings"][0];
    assert_eq!(finding["package"], "pkg:pypi/litellm@1.82.8");
    assert_eq!(finding["location"]["file"], "requirements.txt");
    assert_eq!(finding["location"]["line"], 3);
    let human = sandbox.run(&["audit", "--offline"]);
    assert_eq!(human.status, 20);
    assert!(human.stdout.starts_with("DENY"), "the verdict comes first: {}", human.stdout);
    assert!(human.stdout.contains("requirements.txt:3"), "{}", human.stdout);
    assert!(human.stdout.lines().all(|l| l.chars().count() <= 100), "{}", human.stdout);
}

#[test]
fn an_exact_request_for_a_removed_malicious_release_is_denied_when_nothing_can_be_asked() {
    let sandbox = Sandbox::new();
    for words in [
        &["pip", "install", "litellm==1.82.8"][..],
        &["npm", "install", "https://registry.npmjs.org/axios/-/axios-1.14.1.tgz"],
        &["npm", "install", "other@https://npm.corp.example/api/axios/-/axios-1.14.1.tgz"],
    ] {
        let ran = sandbox.run(&[&["check", "--offline", "--format", "json", "--"], words].concat());
        assert_eq!(ran.status, 20, "{words:?}: {ran:?}");
        assert_eq!(rules(&ran.json(), "deny"), ["malware"], "{words:?}");
    }
}

#[test]
fn wrong_use_is_status_2_and_says_what_is_wrong() {
    let sandbox = Sandbox::new();
    for (words, says) in [
        (&["check"][..], "CMD"),
        (&["check", "--as-of", "yesterday", "--", "pip", "list"], "2026-03-24"),
        (&["check", "--format", "yaml", "--", "pip", "list"], "yaml"),
        (&["audit", "no-such-place"], "no-such-place"),
        (&["audit", "--policy", "no-such-policy.toml"], "no-such-policy.toml"),
        (&["policy", "explain", "malwear"], "malware"),
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.status, 2, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{words:?}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{words:?}: {ran:?}");
    }
}

#[test]
fn a_broken_policy_stops_an_install_and_lets_the_rest_pass() {
    let sandbox = Sandbox::new();
    sandbox.write("tidewaiter.toml", "version = 1\n[rules]\nmalwear = \"deny\"\n");
    let ran = sandbox.run(&["check", "--offline", "--", "pip", "install", "six==1.16.0"]);
    assert!(ran.status == 10 || ran.status == 20, "{ran:?}");
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("tidewaiter.toml:3:1"), "{ran:?}");
    assert_eq!(sandbox.run(&["check", "--", "pip", "list"]).status, 0);
    assert_eq!(sandbox.run(&["policy", "check"]).status, 2);
}

#[test]
fn a_file_that_cannot_be_read_is_an_answer_and_never_a_crash() {
    let cyclic = "-r a.txt\n";
    let huge = format!("{{\"lockfileVersion\":3,\"packages\":{{\"\":{{}},\"x\":\"{}\"}}}}", "y".repeat(1 << 20));
    let deep = "[".repeat(100_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("requirements.txt", cyclic.replace('a', "requirements").into()),
        ("requirements.txt", vec![0xff, 0xfe, 0x00, 0xd8, 0x41]),
        ("requirements.txt", (0..=255).collect()),
        ("package-lock.json", b"{\"lockfileVersion\": 3, \"packages\": {".to_vec()),
        ("package-lock.json", huge.into()),
        ("package-lock.json", deep.clone().into()),
        ("package-lock.json", vec![0; 4096]),
        ("Cargo.lock", b"[[package]]\nname = \"a\"\nversion = ".to_vec()),
        ("Cargo.lock", vec![0xff; 1000]),
        ("poetry.lock", b"[[package]]\nname = 1\n".to_vec()),
        ("uv.lock", deep.clone().into()),
        ("pylock.toml", b"lock-version = \"9.9\"\n".to_vec()),
        ("Pipfile.lock", b"[]".to_vec()),
        ("yarn.lock", b"\x00\x01\x02".to_vec()),
        ("pnpm-lock.yaml", b"a: &a [*a, *a]\n".to_vec()),
        ("pyproject.toml", b"[project\n".to_vec()),
        ("package.json", b"\"\"".to_vec()),
        ("Cargo.toml", b"[dependencies]\na = { path = \"../../../..\" , git = 3 }\n".to_vec()),
    ];
    for (name, bytes) in cases {
        let sandbox = Sandbox::new();
        sandbox.write(name, &bytes);
        let ran = sandbox.run(&["audit", "--offline", "--format", "json"]);
        assert!([0, 10, 20].contains(&ran.status), "{name}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{name}: {ran:?}");
        let document = ran.json();
        assert_eq!(document["plan"]["complete"], false, "{name}: what cannot be read is not known: {ran:?}");
        assert_ne!(ran.status, 0, "{name}: {ran:?}");
    }
}

#[test]
fn a_manifest_of_a_hundred_megabytes_is_refused_by_size() {
    let sandbox = Sandbox::new();
    let file = std::fs::File::create(sandbox.work().join("package-lock.json")).unwrap();
    file.set_len(100 << 20).unwrap();
    let ran = sandbox.run(&["audit", "--offline"]);
    assert_eq!(ran.status, 10, "{ran:?}");
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the file is larger than 67108864 bytes"), "{ran:?}");
}

#[test]
fn a_locked_url_of_another_package_is_poison_and_a_foreign_host_asks() {
    let lock = |url: &str| {
        format!(
            r#"{{"name":"x","version":"1.0.0","lockfileVersion":3,"packages":{{
                "":{{"name":"x","version":"1.0.0","dependencies":{{"ms":"^2.0.0"}}}},
                "node_modules/ms":{{"version":"2.1.3","resolved":"{url}","integrity":"sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}}}}"#
        )
    };
    for (url, status, rule) in [
        ("https://registry.npmjs.org/ms/-/ms-2.1.3.tgz", 0, None),
        ("https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz", 20, Some("lockfile-poisoned")),
        ("https://files.evil.example/ms-2.1.3.tgz", 10, Some("untrusted-registry")),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("package-lock.json", lock(url));
        let ran = sandbox.run(&["audit", "--offline", "--format", "json"]);
        assert_eq!(ran.status, status, "{url}: {ran:?}");
        if let Some(rule) = rule {
            let document = ran.json();
            let fired = [rules(&document, "deny"), rules(&document, "ask")].concat();
            assert!(fired.contains(&rule.to_owned()), "{url}: {fired:?}");
        }
    }
}
