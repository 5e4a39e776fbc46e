//! pnpm and pnpx through the gateway.
//!
//! Measured with 9.15, 10.34, 11 and 12.21. A word `--config.KEY=VALUE` in front of the verb beats variables, `.npmrc`
//! and `pnpm-workspace.yaml` in each, also for a scope's registry; but `registries:` in `pnpm-workspace.yaml` beats all
//! of it in 10, so that is refused. `node_modules/.modules.yaml` and a lockfile's `tarball:` name the gateway and are
//! mended. Metadata are kept by the registry's host, so this run has a cache of its own; the store goes by the tarball's
//! digest, and what came in is held against the plan before any of it runs.
//!
//! Scripts are off while it installs. Then `pnpm rebuild` runs those that were cleared, of which pnpm 10 and later still
//! leaves out what the project has not allowed to build; then the project's own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::npm::registries::{
    Registries, carry_lockfile, headers, packages, unchanged, unplanned, urls_after, variables_for,
};
use super::npm::remote::Remote;
use super::npm::scripts;
use super::words::Words;
use super::{Adapter, Prepared, Then, scratch};
use crate::ecosystem::npm::lock::LockedPackage;
use crate::ecosystem::npm::{pnpm_lock, yaml};
use crate::enforce::gateway::{Gateway, replace};
use crate::enforce::{EnforceError, Job, Refused, Step};
use crate::invocation::{Effect, pnpm_brings_in};
use crate::model::{Ecosystem, Execution, PackageName};
use crate::resolve::pnpm_home;
use crate::toolchain::pnpm_major;

/// The adapter of pnpm and pnpx.
#[derive(Debug, Clone, Copy)]
pub struct Pnpm;

/// Settings that decide how scripts run or where packages lie, and that a confined pnpm cannot read in `.npmrc`.
const HOW: [&str; 8] = [
    "modules-dir",
    "virtual-store-dir",
    "node-linker",
    "script-shell",
    "shell-emulator",
    "node-options",
    "child-concurrency",
    "unsafe-perm",
];

impl Adapter for Pnpm {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let project = Project::of(job, gateway)?;
        match job.invocation.verb.as_str() {
            "install-test" => {
                return Err(EnforceError::unsupported(
                    "`install-test` installs and runs in one; run `pnpm install`, and then `pnpm test`",
                ));
            }
            "pipeline" => {
                return Err(EnforceError::unsupported(
                    "`pipeline` installs and runs in one; run `pnpm install --frozen-lockfile`, and then the tasks",
                ));
            }
            "with" => {
                return Err(EnforceError::unsupported(
                    "`with` fetches that pnpm and runs it at once; install it (`pnpm add -g pnpm@VERSION`), or name it \
                     in `packageManager`",
                ));
            }
            verb if !pnpm_brings_in(verb) => {
                return Err(EnforceError::unsupported(
                    "pnpm would fetch what the project needs before this (`configDependencies`, or what is not installed); \
                     run `pnpm install` first",
                ));
            }
            _ if job.invocation.effect == Effect::RunsRemote => return remote(job, project),
            _ => {}
        }
        if project.becomes_by_path(job) {
            return Err(EnforceError::unsupported(
                "the project names another pnpm, which this one would fetch by starting `pnpm add` itself, and that is \
                 stopped in here; install that version (`npm install -g pnpm@VERSION`), or say \
                 `npm_config_manage_package_manager_versions=false`",
            ));
        }
        unchanged(job, &project.judged())?;
        match job.invocation.verb.as_str() {
            "rebuild" => return Ok(project.rebuilds(job)),
            "approve-builds" | "permissions approve" => return Ok(project.approves(job)),
            _ => {}
        }
        let lockfile = project.root.join("pnpm-lock.yaml");
        carry_lockfile(&lockfile, gateway, |text| urls_after(text, "tarball: "))?;
        let mut step = Step::of(job);
        project.apply(job, &mut step, true);
        if job.judgement.plan.packages.iter().any(|p| p.executes.contains(&Execution::ToolHook)) {
            // Hooks of packages run in it.
            step.runs_packages = true;
            project.how(job, &mut step);
        }
        step.write.extend(project.store.clone());
        let before = project.installed();
        let (mend, write) = (project.mend(), project.write.clone());
        let uncovered = project.registries.uncovered.clone();
        let open_network = project.registries.refusing.is_none();
        let then = (!job.invocation.dry_run).then(|| {
            Then::new(move |job, _| {
                let mut next = project.held(job, &before);
                project.scripts(job, &mut next);
                if next.wrong.is_empty() {
                    next.then = Some(Then::new(move |job, _| Ok(project.finished(job))));
                }
                Ok(next)
            })
        });
        Ok(Prepared { steps: vec![step], mend, write, uncovered, open_network, then, ..Prepared::default() })
    }
}

/// `pnpm dlx`, `pnpm create`, `pnpx`.
fn remote(job: &Job<'_>, mut project: Project) -> Result<Prepared, EnforceError> {
    let remote = Remote::of(job, &["dlx", "create"])?;
    let directory = Remote::project()?;
    project.root = directory.path().to_owned();
    project.write.push(project.root.clone());
    let mut step = Step::of(job);
    step.program = pnpm_of(job.program);
    step.directory = Some(project.root.clone());
    project.apply(job, &mut step, false);
    step.write.extend(project.store.clone());
    step.arguments = project.words(job, true);
    step.arguments.push("add".into());
    step.arguments.extend(remote.packages.iter().map(OsString::from));
    // Its report is about a project that nobody has.
    step.quiet = true;
    let (write, uncovered) = (project.write.clone(), project.registries.uncovered.clone());
    let open_network = project.registries.refusing.is_none();
    let then = Then::new(move |job: &Job<'_>, _| {
        let mut next = project.held(job, &[]);
        project.scripts(job, &mut next);
        if next.wrong.is_empty() {
            remote.run(job, directory.path(), &mut next)?;
        }
        next.keep.extend([directory, project.cache]);
        Ok(next)
    });
    Ok(Prepared { steps: vec![step], write, uncovered, open_network, then: Some(then), ..Prepared::default() })
}

/// What pnpm works in.
#[derive(Debug)]
struct Project {
    registries: Registries,
    /// Where the lockfile and the packages are.
    root: PathBuf,
    /// It has a `pnpm-workspace.yaml`.
    workspace: bool,
    store: Option<PathBuf>,
    /// pnpm's cache for this run.
    cache: tempfile::TempDir,
    write: Vec<PathBuf>,
}

impl Project {
    fn of(job: &Job<'_>, gateway: &Gateway) -> Result<Self, EnforceError> {
        let registries = Registries::of(job, gateway)?;
        let own = registries.nearest(&["package.json"]);
        let above = registries.nearest(&["pnpm-workspace.yaml"]);
        let workspace = above.join("pnpm-workspace.yaml").is_file() && own.starts_with(&above);
        let cache = scratch()?;
        let home = pnpm_home(job.environment);
        let mut root = if workspace { above } else { own.clone() };
        let mut write = vec![own, root.clone(), cache.path().to_owned()];
        if workspace && names_registries(job, &root) && !takes_words_first(job.program) {
            return Err(EnforceError::unsupported(
                "pnpm-workspace.yaml has `registries`, which this pnpm takes above all else; name them in .npmrc \
                 (`@scope:registry=URL`) instead",
            ));
        }
        if job.invocation.global {
            if let Some(directory) = home.as_deref().and_then(global) {
                root = directory;
            }
            write.extend(home.clone());
            write.extend(registries.path(job, "global-dir"));
            write.extend(registries.path(job, "global-bin-dir"));
        }
        // The versions of itself that it fetches.
        write.extend(home.as_deref().map(|h| h.join(".tools")));
        let store = store(job, &registries, &root, home);
        write.extend(locks(job.program));
        if job.invocation.verb == "deploy"
            && let Some(target) = job.arguments.last()
        {
            write.push(registries.environment.absolute(Path::new(target)));
        }
        Ok(Self { registries, root, workspace: workspace && !job.invocation.global, store, cache, write })
    }

    /// Files that decide what is installed.
    fn judged(&self) -> BTreeSet<PathBuf> {
        let own = self.registries.nearest(&["package.json"]);
        let mut out = BTreeSet::from([own.join("package.json")]);
        for name in ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"] {
            out.insert(self.root.join(name));
        }
        out
    }

    fn virtual_store(&self) -> PathBuf {
        self.root.join("node_modules").join(".pnpm")
    }

    /// What pnpm says is in the tree.
    fn installed(&self) -> Vec<LockedPackage> {
        packages(&self.virtual_store().join("lock.yaml"), pnpm_lock::read)
    }

    fn mend(&self) -> Vec<PathBuf> {
        let modules = self.root.join("node_modules");
        let members = self.registries.nearest(&["package.json"]).join("node_modules").join(".modules.yaml");
        let state = modules.join(".pnpm-workspace-state.json");
        let v1 = modules.join(".pnpm-workspace-state-v1.json");
        let lock = self.virtual_store().join("lock.yaml");
        vec![self.root.join("pnpm-lock.yaml"), modules.join(".modules.yaml"), members, state, v1, lock]
    }

    /// The words that stand in front of the user's.
    fn words(&self, job: &Job<'_>, ignore_scripts: bool) -> Vec<OsString> {
        let mut out: Vec<OsString> = Vec::new();
        let mut set = |key: &str, value: &str| out.push(format!("--config.{key}={value}").into());
        set("registry", &self.registries.default);
        for (scope, url) in &self.registries.scoped {
            set(&format!("{scope}:registry"), url);
        }
        if let Some(store) = &self.store {
            set("store-dir", &store.display().to_string());
        }
        set("cache-dir", &self.cache.path().display().to_string());
        set(
            "ignore-scripts",
            if ignore_scripts || self.registries.is_on(job, "ignore-scripts") { "true" } else { "false" },
        );
        set("verify-store-integrity", "true");
        // What scripts left behind is not taken from the store, and not put there.
        set("side-effects-cache", "false");
        set("update-notifier", "false");
        // A refusal is final.
        set("fetch-retries", "0");
        set("noproxy", "127.0.0.1");
        if let Some(refusing) = &self.registries.refusing {
            for key in ["proxy", "http-proxy", "https-proxy"] {
                set(key, refusing);
            }
        }
        out
    }

    /// Makes a step of the user's command ask the gateway.
    fn apply(&self, job: &Job<'_>, step: &mut Step, ignore_scripts: bool) {
        let mut words = Words::new(job.arguments);
        words.remove_options(job.invocation, |f| is_ours(f.name.trim_start_matches('-')), &[]);
        let ours = |key: &str| is_ours(key);
        for name in variables_for(job.environment, &["npm_config_", "pnpm_config_"], ours) {
            step.remove(name);
        }
        if let Some(refusing) = &self.registries.refusing {
            super::refuse_through(step, refusing);
        }
        // `pm` counts as the very first word alone.
        let forced = job.arguments.first().filter(|w| *w == "pm").cloned();
        if forced.is_some() {
            words.remove(1);
        }
        step.arguments = forced.into_iter().chain(self.words(job, ignore_scripts)).collect();
        let becomes = |name: &PackageName| matches!(name.written(), "pnpm" | "@pnpm/exe");
        if job.judgement.plan.packages.iter().any(|p| becomes(&p.id.name)) {
            // The pnpm that fetches the version which the project names gets no words.
            step.set("npm_config_registry", &self.registries.default);
            step.set("npm_config_noproxy", "127.0.0.1");
        }
        step.arguments.extend(words.finish());
    }

    /// Holds what is new against the plan. None of it has run yet.
    fn held(&self, job: &Job<'_>, before: &[LockedPackage]) -> Prepared {
        let wrong = unplanned(&job.judgement.plan, before, &self.installed(), &self.root.join("node_modules"));
        Prepared { wrong, write: self.write.clone(), ..Prepared::default() }
    }

    /// Adds the scripts that were cleared, and a line for each that was not judged.
    fn scripts(&self, job: &Job<'_>, next: &mut Prepared) {
        if !next.wrong.is_empty() || self.registries.is_on(job, "ignore-scripts") {
            return;
        }
        next.write.extend(headers(job));
        let pending = pending(&self.root.join("node_modules").join(".modules.yaml"));
        let mut words: Vec<OsString> = vec!["rebuild".into()];
        if self.workspace {
            words.insert(0, "--recursive".into());
        }
        let (cleared, others): (Vec<_>, Vec<_>) =
            pending.releases.into_iter().partition(|(name, version)| is_cleared(job, name, version));
        for (name, version) in &others {
            next.said.push(format!("{name} {version} has an install script that was not judged: it was not run"));
        }
        if others.is_empty() {
            // All of it, the project's own scripts too, as an install does.
            if !cleared.is_empty() || pending.own {
                words.push("--pending".into());
                next.steps.push(self.script(job, words));
            }
            return;
        }
        if !cleared.is_empty() {
            words.extend(cleared.iter().map(|(name, _)| OsString::from(name)));
            next.steps.push(self.script(job, words));
        }
        if pending.own {
            self.own_scripts(job, next);
        }
    }

    /// Whether this pnpm becomes another by a `pnpm` that it looks for on PATH: 9 and 10 do.
    fn becomes_by_path(&self, job: &Job<'_>) -> bool {
        let becomes = |name: &PackageName| matches!(name.written(), "pnpm" | "@pnpm/exe");
        let asked = |text: &str| text.starts_with("pnpm@") || text.starts_with("@pnpm/exe@");
        let named = job.judgement.plan.packages.iter().any(|p| {
            let of_manifest = p.origin.location.path().is_some_and(|at| at.ends_with("package.json"));
            becomes(&p.id.name) && asked(&p.origin.text) && of_manifest && p.required_by.is_empty()
        });
        named && !job.invocation.global && matches!(pnpm_major(job.program), Some(9 | 10)) && self.names_another()
    }

    /// `packageManager` or `devEngines` of the project's manifest.
    fn names_another(&self) -> bool {
        let text = std::fs::read_to_string(self.root.join("package.json")).unwrap_or_default();
        text.contains("\"packageManager\"")
    }

    /// `pnpm rebuild`: of what is there and asked for, what was cleared to run; the project's own where nothing is named.
    fn rebuilds(self, job: &Job<'_>) -> Prepared {
        let mut out = Prepared { write: self.write.clone(), ..Prepared::default() };
        let named: Vec<&str> = job.invocation.requests.iter().map(|r| r.text.as_str()).collect();
        let wanted = |p: &LockedPackage| named.is_empty() || named.contains(&p.name.as_str());
        let installed = self.installed();
        let mut cleared: Vec<&str> = installed
            .iter()
            .filter(|p| wanted(p) && p.version.as_deref().is_some_and(|v| is_cleared(job, &p.name, v)))
            .map(|p| p.name.as_str())
            .collect();
        cleared.sort_unstable();
        cleared.dedup();
        if !cleared.is_empty() {
            let recursive = self.workspace.then_some("--recursive");
            let words = recursive.into_iter().chain(["rebuild"]).chain(cleared).map(OsString::from);
            out.steps.push(self.script(job, words.collect()));
        }
        for name in named.iter().filter(|n| !installed.iter().any(|p| p.name == **n)) {
            out.said.push(format!("{name} is not installed: nothing of it was run"));
        }
        if named.is_empty() {
            self.own_scripts(job, &mut out);
        }
        out.keep.push(self.cache);
        out
    }

    /// `pnpm approve-builds`: it asks, notes the answer, and builds.
    fn approves(self, job: &Job<'_>) -> Prepared {
        let mut step = Step::of(job);
        self.apply(job, &mut step, false);
        step.runs_packages = true;
        step.write.extend(self.store.clone());
        Prepared { steps: vec![step], write: self.write, keep: vec![self.cache], ..Prepared::default() }
    }

    /// The project's own scripts around an install.
    fn own_scripts(&self, job: &Job<'_>, next: &mut Prepared) {
        let own = scripts::scripts_of(&self.root);
        for event in scripts::OWN.iter().filter(|event| scripts::has(&own, event)) {
            let words =
                ["--config.enable-pre-post-scripts=false", "--config.verify-deps-before-run=false", "run", event];
            next.steps.push(self.script(job, words.into_iter().map(OsString::from).collect()));
        }
    }

    /// What pnpm has not built, and its note of the store, which it takes from the run that built.
    fn finished(self, job: &Job<'_>) -> Prepared {
        let mut last = Prepared::default();
        let path = self.root.join("node_modules").join(".modules.yaml");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let ours = self.own_store().display().to_string();
        if let Some(store) = self.store.as_ref().filter(|_| text.contains(&ours)) {
            let mended = text.replace(&ours, &store.display().to_string());
            if let Err(error) = replace(&path, mended.as_bytes()) {
                last.uncovered.push(format!("{} names a store that is gone: {error}", path.display()));
            }
        }
        let major = pnpm_major(job.program);
        let ignored: Vec<String> = match yaml::parse(&text) {
            Ok(documents) if matches!(major, Some(10 | 11)) => {
                documents.iter().flat_map(|d| d.texts_at("ignoredBuilds")).collect()
            }
            // Those before build all, those after say it themselves.
            _ => Vec::new(),
        };
        let strict = self.registries.value(job, "strict-dep-builds").map_or(major == Some(11), |v| v != "false");
        for one in ignored {
            let reason = "has an install script that this project does not let pnpm run: see `pnpm approve-builds`";
            if strict {
                last.wrong.push(Refused { subject: one, reason: reason.to_owned() });
            } else {
                last.said.push(format!("{one} {reason}"));
            }
        }
        last.keep.push(self.cache);
        last
    }

    /// A store with nothing in it: pnpm 11 writes into the one that it has even when it only runs scripts.
    fn own_store(&self) -> PathBuf {
        self.cache.path().join("store")
    }

    /// What a confined pnpm cannot read, in front of the words.
    fn how(&self, job: &Job<'_>, step: &mut Step) {
        let set = HOW.iter().filter_map(|key| Some((key, self.registries.value(job, key)?)));
        let words: Vec<OsString> = set.map(|(key, value)| format!("--config.{key}={value}").into()).collect();
        let at = usize::from(step.arguments.first().is_some_and(|w| w == "pm"));
        step.arguments.splice(at..at, words);
    }

    /// pnpm with code of packages in it.
    fn script(&self, job: &Job<'_>, words: Vec<OsString>) -> Step {
        let mut step = Step::of(job);
        self.apply(job, &mut step, false);
        step.program = pnpm_of(job.program);
        step.arguments = self.words(job, false);
        if pnpm_major(job.program) == Some(11) {
            step.arguments.push(format!("--config.store-dir={}", self.own_store().display()).into());
        }
        self.how(job, &mut step);
        if job.invocation.global {
            step.arguments.push("--global".into());
        } else {
            step.directory = Some(self.root.clone());
        }
        step.arguments.extend(words);
        step.runs_packages = true;
        step
    }
}

/// Whether a setting is one of those that stand in front of the user's words.
fn is_ours(key: &str) -> bool {
    let key = key.strip_prefix("config.").unwrap_or(key);
    let key = key.strip_prefix("no-").unwrap_or(key);
    let scope = key.starts_with('@') && key.ends_with(":registry");
    let proxy = matches!(key, "proxy" | "http-proxy" | "https-proxy" | "noproxy");
    let other = ["registry", "cache-dir", "store-dir", "ignore-scripts", "verify-store-integrity", "update-notifier"];
    let other = other.contains(&key) || matches!(key, "side-effects-cache" | "fetch-retries");
    scope || proxy || other
}

/// The pnpm beside the pnpx that was asked for, or the pnpm itself.
fn pnpm_of(program: &Path) -> PathBuf {
    match program.file_name().and_then(|n| n.to_str()) {
        Some(name) if name.starts_with("pnpx") => program.with_file_name(name.replacen("pnpx", "pnpm", 1)),
        Some(name) if name.starts_with("pnx") => program.with_file_name(name.replacen("pnx", "pnpm", 1)),
        _ => program.to_owned(),
    }
}

/// `registries` in the workspace's own settings.
fn names_registries(job: &Job<'_>, root: &Path) -> bool {
    let Ok(text) = job.files.read_text(&root.join("pnpm-workspace.yaml")) else { return false };
    yaml::parse(&text).map_or(true, |documents| documents.iter().any(|d| d.get("registries").is_some()))
}

/// Whether words are above `registries` in `pnpm-workspace.yaml`: so it is in 12, and 9 does not know the key.
fn takes_words_first(program: &Path) -> bool {
    pnpm_major(program).is_some_and(|major| !(10..12).contains(&major))
}

/// The newest of the directories that hold what is installed globally, one for each layout.
fn global(home: &Path) -> Option<PathBuf> {
    let all = std::fs::read_dir(home.join("global")).ok()?;
    let mut layouts: Vec<(u64, PathBuf)> = all
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.trim_start_matches('v').parse().ok()?;
            Some((number, path))
        })
        .collect();
    layouts.sort();
    layouts.pop().map(|(_, path)| path)
}

/// Where pnpm 12 has a lock for each store and user, whatever `TMPDIR` says.
#[cfg(unix)]
fn locks(program: &Path) -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let own = pnpm_major(program).is_none_or(|major| major >= 12);
    own.then(|| PathBuf::from(format!("/tmp/pnpm-store-operation-locks-{user}")))
}

#[cfg(not(unix))]
fn locks(_program: &Path) -> Option<PathBuf> {
    None
}

/// Where pnpm keeps the files of packages: where the tree has them from, or its home, or beside a project that lies on
/// another file system. pnpm tries whether it can link from the one to the other; a confined one cannot try.
fn store(job: &Job<'_>, registries: &Registries, root: &Path, home: Option<PathBuf>) -> Option<PathBuf> {
    let usual = home.map(|home| home.join("store"));
    let beside = usual.as_ref().and_then(|usual| elsewhere(root, usual));
    // What a project says of its own tree is believed for these places alone.
    let known =
        |store: &PathBuf| Some(store) == usual.as_ref() || Some(store) == beside.as_ref() || store.starts_with(root);
    let tree = store_of(&root.join("node_modules")).filter(known);
    registries.path(job, "store-dir").or(tree).or(beside).or(usual)
}

/// `.pnpm-store` at the top of the project's file system, when that is not the store's.
#[cfg(unix)]
fn elsewhere(root: &Path, usual: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| path.ancestors().find_map(|p| std::fs::metadata(p).ok()).map(|m| m.dev());
    let own = device(root)?;
    if device(usual) == Some(own) {
        return None;
    }
    let top = root.ancestors().take_while(|p| device(p) == Some(own)).last()?;
    Some(top.join(".pnpm-store"))
}

#[cfg(not(unix))]
fn elsewhere(_root: &Path, _usual: &Path) -> Option<PathBuf> {
    None
}

/// Whether the plan has a release whose scripts were judged.
fn is_cleared(job: &Job<'_>, name: &str, version: &str) -> bool {
    let name = PackageName::new(Ecosystem::Npm, name);
    let mut planned = job.judgement.plan.packages.iter().filter(|p| p.id.name == name);
    planned.any(|p| *p.id.version == *version && p.source.is_registry() && !p.executes.is_empty())
}

/// What pnpm has left to be run: `pendingBuilds` of `node_modules/.modules.yaml`.
#[derive(Debug, Default)]
struct Pending {
    /// Packages, by name and version.
    releases: Vec<(String, String)>,
    /// Scripts of the project, or of a member of the workspace.
    own: bool,
}

fn pending(path: &Path) -> Pending {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let documents = yaml::parse(&text).unwrap_or_default();
    let mut out = Pending::default();
    for one in documents.iter().flat_map(|d| d.texts_at("pendingBuilds")) {
        match release(&one) {
            Some(release) => out.releases.push(release),
            None => out.own = true,
        }
    }
    out
}

/// The store that a tree was made from: `storeDir` of `node_modules/.modules.yaml`, without the layout's version.
fn store_of(modules: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(modules.join(".modules.yaml")).ok()?;
    let documents = yaml::parse(&text).ok()?;
    let store = documents.iter().find_map(|d| d.text_at("storeDir"))?;
    Path::new(store).parent().filter(|p| p.is_absolute()).map(Path::to_owned)
}

/// `a@1.0.0(b@2.0.0)`, `/@s/a@1.0.0`, `/a/1.0.0_b@2`: the name and the version.
fn release(key: &str) -> Option<(String, String)> {
    let key = key.strip_prefix('/').unwrap_or(key);
    let key = key.split('(').next().unwrap_or(key);
    let from = if key.starts_with('@') { key.find('/')? + 1 } else { 0 };
    let at = key.get(from..)?.find(['@', '/'])? + from;
    let version = key.get(at + 1..)?.split('_').next()?;
    Some((key.get(..at)?.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending() {
        let both = |key: &str| release(key).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(both("a@1.0.0").as_deref(), Some("a 1.0.0"));
        assert_eq!(both("@s/a@1.0.0(b@2.0.0)(c@1)").as_deref(), Some("@s/a 1.0.0"));
        assert_eq!(both("/@s/a@1.0.0").as_deref(), Some("@s/a 1.0.0"));
        assert_eq!(both("/a/1.0.0_b@2.0.0").as_deref(), Some("a 1.0.0"));
        assert_eq!(both("."), None);
        assert_eq!(both("@s"), None);
    }

    #[test]
    fn pnpx_is_pnpm_beside_it() {
        assert_eq!(pnpm_of(Path::new("/a/pnpx")), Path::new("/a/pnpm"));
        assert_eq!(pnpm_of(Path::new("/a/pnpx.cjs")), Path::new("/a/pnpm.cjs"));
        assert_eq!(pnpm_of(Path::new("/a/pnpm")), Path::new("/a/pnpm"));
    }

    proptest::proptest! {
        #[test]
        fn keys_never_panic(key in "[a@/(_é.1]{0,20}") {
            let _ = release(&key);
        }
    }
}
