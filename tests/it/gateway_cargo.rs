//! cargo in the closed world of a plan: the real cargo against a sparse registry on the loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tidewaiter::advisories::Coverage;
use tidewaiter::enforce::sandbox::Confined;
use tidewaiter::enforce::{self, EnforceError, Job, Limits, Outcome, Sandbox, Step, Uncontained, Upstream};
use tidewaiter::invocation::{self, Invocation};
use tidewaiter::judge::{Judgement, Subject, Via};
use tidewaiter::model::{Environment, FileError, Files, Timestamp, Verdict};
use tidewaiter::policy::Policy;
use tidewaiter::registry::cargo_config;
use tidewaiter::registry::connect::{Options, Registries};
use tidewaiter::resolve::{self, Freshness};

use crate::support::loopback::Loopback;

type Content = Result<Arc<[u8]>, FileError>;

/// The disk as it was when it was first read.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<PathBuf, Content>>);

impl Files for Seen {
    fn read(&self, path: &Path) -> Content {
        let read = || std::fs::read(path).map(Arc::from).map_err(|_| FileError::NotFound);
        self.0.lock().unwrap().entry(path.to_owned()).or_insert_with(read).clone()
    }
    fn is_file(&self, path: &Path) -> bool {
        self.read(path).is_ok()
    }
    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }
    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path()).collect()
    }
}

/// The sandbox of real runs, through the program itself: this process is another.
#[derive(Default)]
struct Real {
    confined: Confined,
    said: Mutex<Vec<String>>,
}

impl Sandbox for Real {
    fn contain(&self, step: Step, limits: &Limits, job: &Job<'_>) -> Result<Step, EnforceError> {
        let mut step = self.confined.contain(step, limits, job)?;
        if step.program == tidewaiter::enforce::sandbox::engine() {
            step.program = env!("CARGO_BIN_EXE_tidewaiter").into();
        }
        self.said.lock().unwrap().extend(self.confined.hint());
        Ok(step)
    }
    fn sentences(&self, limits: &Limits) -> Vec<String> {
        self.confined.sentences(limits)
    }
}

/// A home, a project and a registry.
struct World {
    dir: tempfile::TempDir,
    server: Loopback,
    variables: BTreeMap<String, String>,
}

/// A command that was judged, and allowed.
struct Judged {
    invocation: Invocation,
    judgement: Judgement,
    upstream: Upstream,
    environment: Environment,
    files: Arc<Seen>,
    cache: PathBuf,
}

const MAIN: &str = "fn main() { print!(\"{}\", toy::answer()); }\n";

impl World {
    /// A project that depends on `toy 1`, which the registry has; `toy` has a build script and depends on `leaf`.
    fn new() -> Self {
        let world = Self::empty();
        world.leaf("1.0.0");
        world.toy("1.0.0", "fn main() { println!(\"cargo:rustc-env=TOY=42\"); }");
        world.write("Cargo.toml", &manifest("toy = \"1\""));
        world.write("src/main.rs", MAIN);
        world
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Loopback::start();
        let home = dir.path().join("home");
        std::fs::create_dir_all(home.join(".cargo")).unwrap();
        std::fs::create_dir_all(dir.path().join("work/src")).unwrap();
        let config = format!(
            "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nregistry = \"sparse+{}\"\n[net]\nretry = 0\n",
            server.index()
        );
        std::fs::write(home.join(".cargo/config.toml"), config).unwrap();
        let mut variables = BTreeMap::new();
        let real_home = std::env::var("HOME").unwrap_or_default();
        let rustup = std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{real_home}/.rustup"));
        for (name, value) in [
            ("HOME", home.display().to_string()),
            ("CARGO_HOME", home.join(".cargo").display().to_string()),
            ("PATH", std::env::var("PATH").unwrap()),
            ("RUSTUP_HOME", rustup),
            ("CARGO_INCREMENTAL", "0".to_owned()),
            ("CARGO_PROFILE_DEV_DEBUG", "0".to_owned()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        if let Ok(toolchain) = std::env::var("RUSTUP_TOOLCHAIN") {
            variables.insert("RUSTUP_TOOLCHAIN".to_owned(), toolchain);
        }
        Self { dir, server, variables }
    }

    fn leaf(&self, version: &str) {
        let text = format!("pub const LEAF: &str = \"{version}\";");
        self.server.krate("leaf", version, json!({"pubtime": "2020-01-01T00:00:00Z"}), &[("src/lib.rs", &text)]);
    }

    fn toy(&self, version: &str, build: &str) {
        let line = json!({"pubtime": "2020-01-01T00:00:00Z", "deps": [{"name": "leaf", "req": "^1", "features": [],
            "optional": false, "default_features": true, "target": null, "kind": "normal"}],
            "features": {"default": [], "more": []}});
        let manifest = format!(
            "[package]\nname = \"toy\"\nversion = \"{version}\"\nedition = \"2021\"\nbuild = \"build.rs\"\n\
             [dependencies]\nleaf = \"1\"\n[features]\ndefault = []\nmore = []\n"
        );
        let text = "pub fn answer() -> String { format!(\"{}{}\", env!(\"TOY\"), leaf::LEAF) }";
        let main = "fn main() { println!(\"{}\", toy::answer()) }";
        let members =
            [("Cargo.toml", manifest.as_str()), ("build.rs", build), ("src/lib.rs", text), ("src/bin/toy.rs", main)];
        self.server.krate("toy", version, line, &members);
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work().join(path)).unwrap()
    }

    /// The bare tool, as a user of this world would run it.
    fn bare(&self, words: &[&str]) -> Output {
        let mut command = Command::new(cargo());
        command.args(words).current_dir(self.work()).env_clear().envs(&self.variables).output().unwrap()
    }

    fn judge(&self, words: &[&str]) -> Judged {
        let judged = self.judge_any(words);
        assert!(judged.judgement.plan.complete(), "{:#?}", judged.judgement.plan.unresolved);
        judged
    }

    fn judge_any(&self, words: &[&str]) -> Judged {
        let environment = Environment {
            variables: self.variables.clone(),
            cwd: self.work(),
            home: Some(self.home()),
            now: Timestamp::now(),
            os: "linux",
            arch: std::env::consts::ARCH,
        };
        let argv: Vec<String> = ["cargo"].iter().chain(words).map(|w| (*w).to_owned()).collect();
        let invocation = invocation::parse(&argv, &environment).remove(0);
        let files = Arc::new(Seen::default());
        let config = cargo_config::read(cargo_config::Sources {
            invocation: &invocation,
            environment: &environment,
            files: &*files,
            trusted: &|_| true,
        });
        // Which programs the configuration names is judged too.
        let _ = tidewaiter::ecosystem::cargo::config::Config::read(&environment, &*files, &[]);
        let options = Options { cache: None, offline: false, files: files.clone(), private: Arc::new(|_| false) };
        let crates = Registries::new(options).crates(config.registries.clone(), config.profile);
        let client = crates.client().clone();
        let (excluded, affected) = (|_: &_| false, |_: &_| false);
        let freshness =
            Freshness { as_of: None, cutoff: None, excluded: &excluded, affected: &affected, now: environment.now };
        let request = resolve::Request {
            invocation: &invocation,
            environment: &environment,
            files: &*files,
            freshness: &freshness,
        };
        let plan = resolve::cargo(request, &crates);
        let subject =
            Subject::Command { argv, cwd: String::new(), tool: "cargo", verb: invocation.verb.clone(), via: Via::Argv };
        let judgement = Judgement {
            subject,
            plan,
            findings: Vec::new(),
            verdict: Verdict::Allow,
            coverage: Coverage::default(),
            elapsed_ms: 0,
            invocations: Vec::new(),
            opinion: None,
        };
        let upstream = Upstream::Crates { index: Arc::new(crates), registries: config.registries, client };
        let cache = self.dir.path().join("cache");
        Judged { invocation, judgement, upstream, environment, files, cache }
    }

    fn run(&self, words: &[&str]) -> Outcome {
        self.judge(words).run(&Uncontained).unwrap()
    }

    /// Which of the dependencies the bare tool would compile now.
    fn stale(&self) -> Vec<String> {
        let output = self.bare(&["build", "--locked", "--message-format=json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let messages = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        let stale = messages.filter(|m| m["reason"] == "compiler-artifact" && m["fresh"] == false);
        stale.map(|m| m["target"]["name"].as_str().unwrap().to_owned()).collect()
    }

    fn app(&self) -> Option<String> {
        let output = Command::new(self.work().join("target/debug/app")).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

impl Judged {
    fn run(&self, sandbox: &dyn Sandbox) -> Result<Outcome, EnforceError> {
        let arguments: Vec<std::ffi::OsString> = self.invocation.argv.iter().skip(1).map(Into::into).collect();
        let policy = Policy::default();
        enforce::run(&Job {
            judgement: &self.judgement,
            invocation: &self.invocation,
            program: &cargo(),
            arguments: &arguments,
            environment: &self.environment,
            files: &*self.files,
            upstream: &self.upstream,
            policy: &policy,
            cache: &self.cache,
            sandbox,
            own: Path::new(env!("CARGO_BIN_EXE_tidewaiter")),
        })
    }
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from(env!("CARGO")), PathBuf::from)
}

fn manifest(dependency: &str) -> String {
    format!("[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n{dependency}\n")
}

#[test]
fn a_locked_build_works_and_a_second_one_compiles_and_asks_nothing() {
    let world = World::new();
    assert!(world.bare(&["generate-lockfile"]).status.success());
    let lock = world.read("Cargo.lock");
    let outcome = world.run(&["build"]);
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert_eq!(world.app().as_deref(), Some("421.0.0"));
    assert_eq!(world.read("Cargo.lock"), lock);
    assert_eq!(world.stale(), Vec::<String>::new(), "the bare tool has nothing left to compile");
    let again = world.judge(&["build"]);
    world.server.clear_log();
    assert!(again.run(&Uncontained).unwrap().ended.success());
    assert_eq!(world.server.paths(), Vec::<String>::new(), "a second run asks nobody");
    assert_eq!(world.stale(), Vec::<String>::new());
}

#[test]
fn an_unlocked_build_writes_the_lockfile_of_a_bare_run_and_sees_no_later_release() {
    let world = World::new();
    assert!(world.bare(&["generate-lockfile"]).status.success());
    let lock = world.read("Cargo.lock");
    std::fs::remove_file(world.work().join("Cargo.lock")).unwrap();
    let judged = world.judge(&["build"]);
    world.toy("1.1.0", "fn main() { panic!(\"nobody judged this\"); }");
    world.leaf("1.0.1");
    let outcome = judged.run(&Uncontained).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert_eq!(world.read("Cargo.lock"), lock);
    assert_eq!(world.app().as_deref(), Some("421.0.0"));
    assert!(!world.server.paths().iter().any(|p| p.contains("1.1.0") || p.contains("1.0.1")));
}

#[test]
fn commands_that_only_resolve_write_what_a_bare_run_writes() {
    for words in [&["add", "toy"][..], &["add", "toy@1", "--features", "more"], &["update"], &["generate-lockfile"]] {
        let (ours, bare) = (World::new(), World::new());
        for world in [&ours, &bare] {
            if words[0] == "add" {
                world.write("Cargo.toml", &manifest(""));
            }
        }
        let outcome = ours.run(words);
        assert!(outcome.ended.success(), "{words:?}: {outcome:#?}");
        assert!(bare.bare(words).status.success());
        for file in ["Cargo.toml", "Cargo.lock"] {
            assert_eq!(ours.read(file), bare.read(file), "{words:?}");
        }
        assert!(!ours.home().join(".cargo/registry").exists(), "{words:?}: the user's cache is left alone");
    }
}

#[test]
fn changed_bytes_are_refused_and_nothing_is_built() {
    let world = World::new();
    assert!(world.bare(&["generate-lockfile"]).status.success());
    let judged = world.judge(&["build"]);
    world.server.raw("/crates/toy/1.0.0/download", "application/octet-stream", b"something else".to_vec());
    let outcome = judged.run(&Uncontained).unwrap();
    assert!(!outcome.ended.success());
    let line = outcome.refused.first().map(tidewaiter::enforce::Refused::line).unwrap_or_default();
    assert!(line.starts_with("tidewaiter: toy 1.0.0 is not what was judged"), "{outcome:#?}");
    assert!(!world.work().join("target/debug").exists());
}

#[test]
fn an_archive_that_lies_in_the_cache_is_held_to_the_plan() {
    let world = World::new();
    assert!(world.bare(&["fetch"]).status.success());
    let cache = world.home().join(".cargo/registry/cache");
    let directory = std::fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    std::fs::write(directory.join("toy-1.0.0.crate"), b"something else").unwrap();
    let error = world.judge(&["build"]).run(&Uncontained).unwrap_err().to_string();
    assert!(error.contains("toy-1.0.0.crate is not what was judged"), "{error}");
    assert!(!world.work().join("target/debug").exists());
}

#[test]
fn files_that_change_after_the_judgement_stop_the_run() {
    for (file, text) in [
        ("Cargo.lock", "version = 4\n"),
        ("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.2.0\"\n[dependencies]\ntoy = \"1\"\n"),
        (".cargo/config.toml", "[source.crates-io]\nreplace-with = \"evil\"\n[source.evil]\ndirectory = \"evil\"\n"),
        ("rust-toolchain.toml", "[toolchain]\npath = \"evil\"\n"),
    ] {
        let world = World::new();
        assert!(world.bare(&["generate-lockfile"]).status.success());
        for words in [&["build"][..], &["update"], &["install", "toy"]] {
            let judged = world.judge(words);
            let path = world.work().join(file);
            let before = std::fs::read(&path).ok();
            world.write(file, text);
            if words[0] != "install" || file.starts_with(['.', 'r']) {
                let error = judged.run(&Uncontained).unwrap_err().to_string();
                assert!(error.contains(&format!("{file} was changed after it was judged")), "{words:?}: {error}");
            }
            match before {
                Some(before) => std::fs::write(&path, before).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
        }
        assert!(!world.work().join("target").exists());
    }
}

#[test]
fn a_lockfile_that_names_more_than_the_plan_stops_the_build() {
    let world = World::new();
    assert!(world.bare(&["generate-lockfile"]).status.success());
    let mut judged = world.judge(&["build"]);
    judged.judgement.plan.packages.retain(|p| p.id.name.canonical() != "leaf");
    let error = judged.run(&Uncontained).unwrap_err().to_string();
    assert!(error.ends_with("leaf 1.0.0 is not in the cleared plan"), "{error}");
    let judged = world.judge(&["update"]);
    let mut narrow = judged;
    narrow.judgement.plan.packages.retain(|p| p.id.name.canonical() != "leaf");
    let outcome = narrow.run(&Uncontained).unwrap();
    assert!(!outcome.ended.success());
    assert_eq!(outcome.refused[0].line(), "tidewaiter: leaf is not in the cleared plan");
}

#[test]
fn a_program_runs_with_its_arguments_and_status() {
    let world = World::new();
    world.write(
        "src/main.rs",
        "fn main() { std::fs::write(std::env::args().nth(1).unwrap(), toy::answer()).unwrap(); std::process::exit(7) }",
    );
    let outcome = world.run(&["run", "--quiet", "--", "out.txt"]);
    assert_eq!(outcome.ended.status(), 7, "{outcome:#?}");
    assert_eq!(world.read("out.txt"), "421.0.0");
    world
        .write("src/main.rs", "fn main() {}\n#[test]\nfn fails() { assert_eq!(toy::answer(), \"421.0.0\"); panic!() }");
    assert_eq!(world.run(&["test", "--quiet"]).ended.status(), 101);
    assert_eq!(world.run(&["test", "--quiet", "other", "--", "--nocapture"]).ended.status(), 0);
}

#[test]
fn a_project_that_redirects_the_source_gets_no_further_than_the_judgement() {
    let world = World::new();
    let other = Loopback::start();
    let redirect = format!(
        "[source.crates-io]\nreplace-with = \"evil\"\n[source.evil]\nregistry = \"sparse+{}\"\n",
        other.index()
    );
    // Judged with it, everything comes from there, and the plan says from where.
    world.write(".cargo/config.toml", &redirect);
    let judged = world.judge_any(&["build"]);
    assert!(!judged.judgement.plan.complete(), "there is nothing");
    std::fs::remove_file(world.work().join(".cargo/config.toml")).unwrap();
    // A word that redirects loses against the gateway's.
    let judged = world.judge(&["build"]);
    let mut redirected = judged;
    let more = [
        "--config".to_owned(),
        "source.crates-io.replace-with=\"evil\"".to_owned(),
        "--config".to_owned(),
        format!("source.evil.registry=\"sparse+{}\"", other.index()),
    ];
    redirected.invocation.argv = redirected.invocation.argv.iter().cloned().chain(more).collect();
    other.clear_log();
    let _ = redirected.run(&Uncontained);
    assert!(!other.paths().iter().any(|p| p.starts_with("/crates")), "{:?}", other.paths());
}

#[test]
fn build_scripts_write_and_reach_nothing_else() {
    if !tidewaiter::enforce::sandbox::availability().works() {
        eprintln!("skipped: no sandbox here");
        return;
    }
    let attempts = [
        "std::fs::write(std::path::Path::new(&std::env::var(\"HOME\").unwrap()).join(\".bashrc\"), \"evil\").unwrap();",
        "std::fs::write(std::path::Path::new(&std::env::var(\"CARGO_HOME\").unwrap()).join(\"bin/cargo\"), \"e\").unwrap();",
        "std::net::TcpStream::connect(\"ADDRESS\").unwrap();",
        "std::fs::read(std::path::Path::new(&std::env::var(\"CARGO_HOME\").unwrap()).join(\"credentials.toml\")).unwrap();",
        "assert!(std::env::var(\"MY_API_KEY\").is_ok());",
    ];
    for attempt in attempts {
        let mut world = World::empty();
        world.variables.insert("MY_API_KEY".to_owned(), "secret".to_owned());
        let address = world.server.url.trim_start_matches("http://").to_owned();
        let attempt = attempt.replace("ADDRESS", &address);
        world.leaf("1.0.0");
        world.toy("1.0.0", &format!("fn main() {{ println!(\"cargo:rustc-env=TOY=42\"); {attempt} }}"));
        world.write("Cargo.toml", &manifest("toy = \"1\""));
        world.write("src/main.rs", MAIN);
        std::fs::create_dir_all(world.home().join(".cargo/bin")).unwrap();
        std::fs::write(world.home().join(".cargo/credentials.toml"), "").unwrap();
        let real = Real::default();
        let outcome = world.judge(&["build"]).run(&real).unwrap();
        assert!(!outcome.ended.success(), "{attempt}: {outcome:#?}");
        assert!(!world.home().join(".bashrc").exists() && !world.home().join(".cargo/bin/cargo").exists());
        assert!(outcome.contained.iter().any(|s| s.starts_with("network: nothing")), "{:#?}", outcome.contained);
        assert!(real.said.lock().unwrap().iter().any(|s| s.contains("[sandbox] write")));
        let said = outcome.said.first().map(String::as_str).unwrap_or_default();
        assert!(said.starts_with("the build script of toy failed in the sandbox"), "{outcome:#?}");
    }
    // And what asks for none of it is built as ever.
    let world = World::new();
    let outcome = world.judge(&["run", "-q"]).run(&Real::default()).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert_eq!(world.app().as_deref(), Some("421.0.0"));
}

#[test]
fn an_installed_program_is_there_and_recorded_as_by_a_bare_run() {
    let (ours, bare) = (World::new(), World::new());
    let judged = ours.judge(&["install", "toy"]);
    ours.toy("1.1.0", "fn main() { panic!(\"nobody judged this\"); }");
    let outcome = judged.run(&Real::default()).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert_eq!(outcome.served.len(), 2, "{outcome:#?}");
    let bin = ours.home().join(".cargo/bin");
    assert_eq!(outcome.said, [format!("toy is in {}, which is not on your PATH", bin.display())]);
    let output = Command::new(ours.home().join(".cargo/bin/toy")).output().unwrap();
    assert_eq!(output.stdout, b"421.0.0\n");
    assert!(bare.bare(&["install", "toy"]).status.success());
    for record in [".cargo/.crates.toml", ".cargo/.crates2.json"] {
        let read = |world: &World| std::fs::read_to_string(world.home().join(record)).unwrap();
        assert_eq!(read(&ours), read(&bare), "{record}");
    }
    // A newer release takes the older one's place; a program of somebody else's stays.
    std::fs::write(ours.home().join(".cargo/bin/other"), "mine").unwrap();
    ours.toy("1.2.0", "fn main() { println!(\"cargo:rustc-env=TOY=43\"); }");
    assert!(ours.run(&["install", "toy"]).ended.success());
    let output = Command::new(ours.home().join(".cargo/bin/toy")).output().unwrap();
    assert_eq!(output.stdout, b"431.0.0\n");
    assert_eq!(std::fs::read(ours.home().join(".cargo/bin/other")).unwrap(), b"mine");
}

#[test]
fn a_token_reaches_its_registry_and_nobody_else() {
    const TOKEN: &str = "Bearer of-mine";
    let world = World::new();
    let own = Loopback::start();
    own.krate("secret-toy", "1.0.0", json!({}), &[("src/lib.rs", "pub fn x() {}")]);
    let config = json!({"dl": format!("{}/crates", own.url), "api": own.url, "auth-required": true});
    own.raw("/index/config.json", "application/json", serde_json::to_vec(&config).unwrap());
    own.password("", TOKEN);
    let path = world.home().join(".cargo/config.toml");
    let config = format!(
        "{}[registry]\nglobal-credential-providers = [\"cargo:token\"]\n[registries.my-own]\nindex = \"sparse+{}\"\n",
        std::fs::read_to_string(&path).unwrap(),
        own.index()
    );
    std::fs::write(path, config).unwrap();
    std::fs::write(world.home().join(".cargo/credentials.toml"), format!("[registries.my-own]\ntoken = \"{TOKEN}\"\n"))
        .unwrap();
    world.write("Cargo.toml", &manifest("toy = \"1\"\nsecret-toy = { version = \"1\", registry = \"my-own\" }"));
    let outcome = world.judge(&["build"]).run(&Real::default()).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert!(world.read("Cargo.lock").contains(&format!("source = \"sparse+{}\"", own.index())));
    assert!(world.server.log().iter().all(|l| l.header("authorization").is_none()));
    assert!(own.log().iter().any(|l| l.header("authorization") == Some(TOKEN)));
    std::fs::remove_file(world.work().join("Cargo.lock")).unwrap();
    assert!(world.run(&["install", "--path", "."]).ended.success());
}

#[test]
fn a_program_is_installed_by_its_own_lockfile_which_names_more_than_is_built() {
    let world = World::empty();
    world.leaf("1.0.0");
    let checksum = |name: &str| {
        let path = format!("/index/{}", tidewaiter::registry::crate_index::index_path(name));
        let line: Value = serde_json::from_slice(&world.server.body(&path)).unwrap();
        line["cksum"].as_str().unwrap().to_owned()
    };
    world.server.krate("only-tests", "1.0.0", json!({}), &[("src/lib.rs", "")]);
    let package = |name: &str| {
        let source = "registry+https://github.com/rust-lang/crates.io-index";
        let checksum = checksum(name);
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{checksum}\"\n\n"
        )
    };
    let lock = format!(
        "version = 4\n\n{}{}[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\ndependencies = [\n \"leaf\",\n \"only-tests\",\n]\n",
        package("leaf"),
        package("only-tests")
    );
    let dependency = |name: &str, kind: &str| {
        json!({"name": name, "req": "^1", "features": [], "optional": false, "default_features": true,
            "target": null, "kind": kind})
    };
    let line = json!({"deps": [dependency("leaf", "normal"), dependency("only-tests", "dev")]});
    let manifest = "[package]\nname = \"tool\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nleaf = \"1\"\n\
                    [dev-dependencies]\nonly-tests = \"1\"\n";
    let main = "fn main() { print!(\"{}\", leaf::LEAF) }";
    world.server.krate(
        "tool",
        "1.0.0",
        line,
        &[("Cargo.toml", manifest), ("Cargo.lock", &lock), ("src/main.rs", main)],
    );
    let judged = world.judge(&["install", "--locked", "tool"]);
    world.leaf("1.1.0");
    let outcome = judged.run(&Uncontained).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    let output = Command::new(world.home().join(".cargo/bin/tool")).output().unwrap();
    assert_eq!(output.stdout, b"1.0.0");
    assert!(!world.server.paths().iter().any(|p| p.starts_with("/crates/only-tests")));
}

#[test]
fn a_commit_that_the_lockfile_names_is_what_is_built() {
    let world = World::empty();
    let repository = world.dir.path().join("repository");
    std::fs::create_dir_all(repository.join("src")).unwrap();
    let write = |answer: &str| {
        std::fs::write(repository.join("src/lib.rs"), format!("pub fn answer() -> &'static str {{ \"{answer}\" }}"))
            .unwrap();
        let git = |words: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
            let mut command = Command::new("git");
            command.args(identity).args(words).current_dir(&repository).env("HOME", world.home());
            assert!(command.output().unwrap().status.success());
        };
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-qm", answer]);
    };
    let manifest_text = "[package]\nname = \"toy\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    std::fs::write(repository.join("Cargo.toml"), manifest_text).unwrap();
    write("first");
    world.write("Cargo.toml", &manifest(&format!("toy = {{ git = \"file://{}\" }}", repository.display())));
    world.write("src/main.rs", MAIN);
    assert!(world.bare(&["generate-lockfile"]).status.success());
    let judged = world.judge(&["build"]);
    write("second");
    let outcome = judged.run(&Real::default()).unwrap();
    assert!(outcome.ended.success(), "{outcome:#?}");
    assert_eq!(world.app().as_deref(), Some("first"));
}
