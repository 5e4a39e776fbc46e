//! cargo in the closed world.
//!
//! A command that resolves (`add`, `update`, a build whose lockfile is stale) does so through the gateway, in a
//! `CARGO_HOME` of its own, so that the lockfile can come to name nothing but the plan. A command that builds has the
//! lockfile checked against the plan, fetches into the user's own cargo cache (cargo holds each archive to the lockfile's
//! checksum, and what lies there already is held to the plan here), and then builds contained, locked and offline.
//! Crates are compiled from where they always are: from another path, everything would be compiled anew.
//!
//! ```text
//! words     command lines      held      files, lockfile and archives as judged
//! install   `cargo install`: through the gateway, built apart, then put in its place
//! ```

mod held;
mod install;
mod words;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Adapter, Failed, Prepared, Then};
use crate::ecosystem::cargo::config::{ConfigValue, cargo_home};
use crate::enforce::gateway::{Gateway, View};
use crate::enforce::{EnforceError, Job, Network, Refused, Step, Upstream, exec};
use crate::invocation::Effect;
use crate::model::{LockState, Source};
use crate::policy::Programs;
use crate::registry::FetchError;
use crate::registry::crate_index::{CrateSource, is_crates_io};

/// The adapter of cargo.
#[derive(Debug, Clone, Copy)]
pub struct Cargo;

/// Why the failure of a step is looked into: it is the one that downloads.
const FETCH: &str = "fetch";
/// Crates whose bytes are looked at to explain a failure.
const EXPLAINED_MAX: usize = 64;

/// What a verb does with the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Changes the lockfile, or the manifest and the lockfile.
    Edits,
    /// Reads the resolved graph.
    Reads,
    /// Downloads.
    Fetches,
    /// Builds, and runs nothing but what a build runs.
    Builds,
    /// Builds by the words after the verb, and then runs the user's own program.
    Runs(&'static str, &'static [&'static str]),
    /// A plugin that builds and runs the user's program, and that can be told to build alone.
    Nextest,
    /// A plugin that builds.
    BuildsItself,
    /// A plugin that does more than cargo can be asked to do apart from it.
    Unknown,
}

/// Plugins that build, and run nothing but what a build runs.
const BUILDERS: &[&str] = &[
    "clippy",
    "hack",
    "udeps",
    "bloat",
    "asm",
    "show-asm",
    "expand",
    "zigbuild",
    "ndk",
    "deb",
    "auditable",
    "public-api",
    "geiger",
    "modules",
    "depgraph",
    "license",
    "about",
];

impl Way {
    fn of(job: &Job<'_>) -> Result<Self, EnforceError> {
        let given = |name: &str| job.invocation.flag(name).is_some();
        Ok(match job.invocation.verb.as_str() {
            "add" | "update" | "generate-lockfile" => Self::Edits,
            "metadata" | "tree" | "vendor" => Self::Reads,
            "fetch" => Self::Fetches,
            "run" => Self::Runs("build", &[]),
            "test" if given("--no-run") => Self::Builds,
            "bench" if given("--no-run") => Self::Builds,
            "test" => Self::Runs("test", &["--no-run"]),
            "bench" => Self::Runs("bench", &["--no-run"]),
            "doc" if given("--open") => Self::Runs("doc", &[]),
            "publish" if given("--no-verify") => Self::Unknown,
            "publish" => Self::Runs("package", &[]),
            "build" | "check" | "doc" | "rustc" | "rustdoc" | "fix" | "package" => Self::Builds,
            "nextest" if job.arguments.iter().any(|a| a == "run") => Self::Nextest,
            verb if BUILDERS.contains(&verb) => Self::BuildsItself,
            "upgrade" => {
                let reason = "cargo upgrade asks the registry by itself; use cargo add NAME@VERSION or cargo update";
                return Err(EnforceError::unsupported(reason));
            }
            _ => Self::Unknown,
        })
    }
}

impl Adapter for Cargo {
    /// The lockfile of a program that is installed names what its tests need too, and is no part of the plan: nobody
    /// builds it, but cargo looks it up.
    fn view(&self, job: &Job<'_>) -> View {
        let locked = || job.judgement.plan.packages.iter().any(|p| p.lock != LockState::Unlocked);
        if job.invocation.verb == "install" && locked() { View::Lock } else { View::Plan }
    }

    fn before(&self, job: &Job<'_>, step: &Step) -> Result<(), EnforceError> {
        if job.invocation.verb == "install" {
            return held::unchanged(job, &[]);
        }
        let project = held::project(job);
        let lockfile = project.as_ref().map(|p| p.lockfile.clone());
        // The step that resolves has a home of its own: everything is as it was judged, the stale lockfile too.
        if step.changes.contains_key("CARGO_HOME") {
            return held::unchanged(job, &[]);
        }
        let resolved = project.as_ref().is_some_and(|p| !p.is_locked(job));
        held::unchanged(job, if resolved { lockfile.as_slice() } else { &[] })?;
        held::within_plan(job)?;
        if step.network == Network::Nothing { held::verified(job) } else { Ok(()) }
    }

    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        prepare(job, Some(gateway))
    }

    fn frozen(&self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        prepare(job, None)
    }

    fn explain(&self, job: &Job<'_>, failed: &Failed<'_>, part: &mut Prepared) -> bool {
        if failed.step.arguments.iter().any(|a| a == FETCH) {
            part.wrong.extend(other_bytes(job));
        }
        let scripts = if failed.confined && failed.step.runs_packages { failed_scripts(failed) } else { Vec::new() };
        // What does not compile would not compile anywhere.
        let denied = !scripts.is_empty();
        part.said.extend(scripts);
        denied
    }
}

/// Cargo says that a checksum is wrong, and not by whose word: the archives that did not come are asked for once more,
/// and held to what was judged.
fn other_bytes(job: &Job<'_>) -> Vec<Refused> {
    let Upstream::Crates { index, .. } = job.upstream else { return Vec::new() };
    let mut out = Vec::new();
    for id in held::cached(job).missing.into_iter().take(EXPLAINED_MAX) {
        let Some(package) = job.judgement.plan.packages.iter().find(|p| p.id == id) else { continue };
        let Source::Registry { url } = &package.source else { continue };
        let digest = package.artifacts.iter().flat_map(|a| &a.digests).next();
        let Some(checksum) = digest.map(crate::model::Digest::hex) else { continue };
        let registry = (!is_crates_io(url)).then_some(url.as_str());
        match index.download(&id.name, &id.version, &checksum, registry) {
            Ok(_) => {}
            Err(FetchError::Malformed { reason, .. }) => out.push(Refused {
                subject: format!("{} {}", id.name.written(), id.version),
                reason: format!("is not what was judged: {reason}"),
            }),
            // The network is the reason, and cargo says so.
            Err(_) => return out,
        }
    }
    out
}

/// Build scripts that failed in the sandbox. Cargo keeps a directory for each, with the time at which it was started and,
/// when it succeeded, what it said.
fn failed_scripts(failed: &Failed<'_>) -> Vec<String> {
    let list = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let time = |path: PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let mut names = BTreeSet::new();
    for target in &failed.step.write {
        // TARGET/PROFILE/build and TARGET/TRIPLE/PROFILE/build.
        let profiles: Vec<PathBuf> = list(target).iter().flat_map(|p| list(p).into_iter().chain([p.clone()])).collect();
        for script in profiles.iter().flat_map(|p| list(&p.join("build"))) {
            let Some(started) = time(script.join("invoked.timestamp")).filter(|t| *t >= failed.began) else { continue };
            let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if time(script.join("output")).is_none_or(|ended| ended < started) {
                names.extend(name.rsplit_once('-').map(|(name, _)| name.to_owned()));
            }
        }
    }
    if names.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = names.into_iter().collect();
    let places: Vec<String> = failed.step.write.iter().map(|p| p.display().to_string()).collect();
    vec![format!(
        "the build script of {} failed in the sandbox, in which it reaches no network and writes only in the project and \
         in {}; if that is why, these lines of your own policy would allow more: [sandbox] write = [\".\", \"PATH\"], \
         network = \"open\"",
        names.join(", "),
        places.join(", ")
    )]
}

fn prepare(job: &Job<'_>, gateway: Option<&Gateway>) -> Result<Prepared, EnforceError> {
    match job.invocation.verb.as_str() {
        "install" => return install::prepare(job, gateway),
        "binstall" => {
            let reason = "cargo binstall downloads programs from outside the registry; use cargo install";
            return Err(EnforceError::unsupported(reason));
        }
        _ => {}
    }
    let way = Way::of(job)?;
    let Some(project) = held::project(job) else {
        return Err(EnforceError::unsupported("there is no Cargo.toml in this directory or above it"));
    };
    let mut prepared = Prepared::default();
    if way == Way::Edits {
        let step = resolving(job, gateway, &project, &mut prepared, job.arguments)?;
        prepared.steps.push(step);
        if !job.invocation.dry_run {
            // It names nothing but the plan.
            prepared.then = Some(Then::new(|job, _| held::within_plan(job).map(|()| Prepared::default())));
        }
        return Ok(prepared);
    }
    prepared.frozen = true;
    if !project.is_locked(job) && job.invocation.effect != Effect::Locked {
        let verb: &[&str] = match job.files.is_file(&project.lockfile) {
            // What a build does with a stale lockfile: what fits stays.
            true => &["update", "--workspace"],
            false => &["generate-lockfile"],
        };
        let step = resolving(job, gateway, &project, &mut prepared, &words::about(job, verb))?;
        prepared.steps.push(step);
        prepared.frozen = false;
    }
    let needs_fetch = job.judgement.plan.packages.iter().any(|p| p.source.is_registry() || is_git(&p.source))
        && !(project.is_locked(job) && held::Memory::of(job).is_some_and(|m| m.holds()));
    if way == Way::Fetches {
        prepared.steps.push(fetch(job, Some(words::led(job.arguments, &["--locked"]))));
        return Ok(prepared);
    }
    if needs_fetch {
        prepared.steps.push(fetch(job, None));
    }
    let targets = held::target_directories(job, Some(&project));
    prepared.steps.extend(building(job, way, &project, &targets, &mut prepared.uncovered));
    Ok(prepared)
}

fn is_git(source: &Source) -> bool {
    matches!(source, Source::Git { .. })
}

/// A step that writes the lockfile: it asks the gateway, from a `CARGO_HOME` of its own.
fn resolving(
    job: &Job<'_>,
    gateway: Option<&Gateway>,
    project: &held::Project,
    prepared: &mut Prepared,
    arguments: &[OsString],
) -> Result<Step, EnforceError> {
    let Some(gateway) = gateway else {
        let reason = "no local port can be opened here, and without one Cargo.lock cannot be kept to the plan: run it \
                      with an up-to-date Cargo.lock";
        return Err(EnforceError::unsupported(reason));
    };
    let home = private_home(job)?;
    let mut step = Step::of(job);
    let arguments = words::without(arguments, &["--offline", "--frozen"]);
    step.arguments = words::trailed(&arguments, &redirected(job, gateway)?);
    through_gateway(&mut step, home.path());
    step.directory = directory(job);
    step.write.extend([home.path().to_owned(), project.directory().to_owned()]);
    step.write.extend(project.workspace.members.iter().filter_map(|m| m.parent().map(Path::to_owned)));
    if job.judgement.plan.packages.iter().any(|p| is_git(&p.source)) {
        // Cargo reads repositories itself; the commits that it locks are compared with the plan's afterwards.
        step.network = Network::Open;
        step.write.extend(cargo_home(&held::environment(job)).map(|own| own.join("git")));
    }
    prepared.keep.push(home);
    Ok(step)
}

/// The directory that `-C` names is cargo's own affair.
fn directory(job: &Job<'_>) -> Option<PathBuf> {
    job.invocation.flag("-C").is_none().then(|| job.environment.cwd.clone())
}

/// Variables of a step that asks the gateway and nobody else.
fn through_gateway(step: &mut Step, home: &Path) {
    step.set("CARGO_HOME", home);
    step.remove("CARGO_NET_OFFLINE");
    for name in ["NO_PROXY", "no_proxy"] {
        step.set(name, "127.0.0.1");
    }
}

/// A `CARGO_HOME` with the user's configuration as it was judged, and nothing else of theirs but links to what is
/// fetched already from git, and to the programs that rustup's are found by.
fn private_home(job: &Job<'_>) -> Result<tempfile::TempDir, EnforceError> {
    let made = tempfile::Builder::new().prefix("tidewaiter-cargo-").tempdir();
    let home = made.map_err(EnforceError::io(std::env::temp_dir()))?;
    let Some(own) = cargo_home(&held::environment(job)) else { return Ok(home) };
    for name in ["config", "config.toml"] {
        if let Ok(bytes) = job.files.read(&own.join(name)) {
            let path = home.path().join(name);
            std::fs::write(&path, &*bytes).map_err(EnforceError::io(path))?;
        }
    }
    #[cfg(unix)]
    for name in ["git", "bin"] {
        let target = own.join(name);
        if target.is_dir() {
            let path = home.path().join(name);
            std::os::unix::fs::symlink(&target, &path).map_err(EnforceError::io(path))?;
        }
    }
    Ok(home)
}

/// `--config` words that put the gateway in the place of each registry of the plan.
fn redirected(job: &Job<'_>, gateway: &Gateway) -> Result<Vec<String>, EnforceError> {
    let Upstream::Crates { registries, .. } = job.upstream else {
        return Err(EnforceError::unsupported("the registries of this command are not cargo's"));
    };
    let mut values = vec!["net.offline=false".to_owned()];
    let mut replace = |source: &str, with: &str, registry: Option<&str>| {
        values.push(format!("source.{source}.replace-with=\"{with}\""));
        values.push(format!("source.{with}.registry=\"{}\"", gateway.crate_index(registry)));
    };
    match &registries.default.source {
        CrateSource::Sparse(_) => replace("crates-io", "cleared-crates-io", None),
        // What lies on this machine was judged there, and stays.
        CrateSource::Directory(_) | CrateSource::LocalRegistry(_) => {}
        CrateSource::Unsupported(reason) => return Err(EnforceError::unsupported(reason.clone())),
    }
    let config = held::configuration(job);
    let mut others: Vec<&str> = Vec::new();
    for package in &job.judgement.plan.packages {
        if let Source::Registry { url } = &package.source
            && !is_crates_io(url)
            && !others.contains(&url.as_str())
        {
            others.push(url);
        }
    }
    let mut defined = Vec::new();
    for (at, url) in others.into_iter().enumerate() {
        let sparse = registries.others.get(url).is_none_or(|r| matches!(r.source, CrateSource::Sparse(_)));
        if !sparse {
            continue;
        }
        let same = |v: &&ConfigValue| v.key.ends_with(".registry") && same_index(&v.value, url);
        let known = config.values.iter().filter(|v| v.key.starts_with("source.")).find(same);
        let name = known.and_then(|v| v.key.strip_prefix("source.")?.strip_suffix(".registry"));
        let name = match name {
            Some(name) => format!("\"{}\"", name.replace(['"', '\\'], "")),
            None => {
                let name = format!("cleared-of-{at}");
                defined.push(format!("source.{name}.registry=\"{}\"", url.replace(['"', '\\'], "")));
                name
            }
        };
        replace(&name, &format!("cleared-{at}"), Some(url));
    }
    values.extend(defined);
    Ok(values.into_iter().flat_map(|value| ["--config".to_owned(), value]).collect())
}

fn same_index(a: &str, b: &str) -> bool {
    let plain = |t: &str| t.trim_start_matches("registry+").trim_end_matches('/').to_owned();
    plain(a) == plain(b)
}

/// Cargo's own download, by the lockfile's checksums, into its own cache. Nothing of a package runs in it.
fn fetch(job: &Job<'_>, own: Option<Vec<OsString>>) -> Step {
    let mut step = Step::of(job);
    step.arguments = own.unwrap_or_else(|| {
        let mut arguments = words::about(job, &[FETCH, "--locked"]);
        let given = held::targets(job);
        // A custom target is a file, and what it needs only cargo knows; then everything is fetched.
        if !given.iter().any(|t| t.ends_with(".json"))
            && let Some(host) = host(job)
        {
            arguments.extend(given.into_iter().chain([host]).map(|t| OsString::from(format!("--target={t}"))));
        }
        if ["--offline", "--frozen"].iter().any(|f| job.invocation.flag(f).is_some()) {
            arguments.push("--offline".into());
        }
        arguments
    });
    step.directory = directory(job);
    step.network = Network::Open;
    step.write.extend(caches(job));
    step
}

/// What cargo writes of its home when it fetches; it has its locks beside it, which have to be there to be written.
fn caches(job: &Job<'_>) -> Vec<PathBuf> {
    let Some(home) = cargo_home(&held::environment(job)) else { return Vec::new() };
    let locks = [".package-cache", ".package-cache-mutate"].map(|name| home.join(name));
    if std::fs::create_dir_all(&home).is_ok() {
        for lock in &locks {
            // Without it cargo does what it does in a home that cannot be written: it goes on without a lock.
            let _ = std::fs::OpenOptions::new().append(true).create(true).open(lock);
        }
    }
    let locks = locks.into_iter().filter(|lock| lock.is_file());
    ["registry", "git"].map(|name| home.join(name)).into_iter().chain(locks).collect()
}

/// The toolchain's own target, as it says itself.
fn host(job: &Job<'_>) -> Option<String> {
    let mut step = Step::of(job);
    step.arguments = words::split(job.arguments).0.cloned().into_iter().chain(["-vV".into()]).collect();
    let output = exec::command(&step, job).stdin(std::process::Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
    Some(host.trim().to_owned()).filter(|h| h.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)))
}

/// The steps in which packages' code is built, and the one in which the user's own program runs.
fn building(
    job: &Job<'_>,
    way: Way,
    project: &held::Project,
    targets: &[PathBuf],
    uncovered: &mut Vec<String>,
) -> Vec<Step> {
    const HELD: [&str; 2] = ["--locked", "--offline"];
    let contained = |arguments: Vec<OsString>| {
        let mut step = Step::of(job);
        step.arguments = arguments;
        step.directory = directory(job);
        step.runs_packages = true;
        step.network = Network::Nothing;
        step.write.extend(targets.iter().cloned());
        step
    };
    // What runs is the user's own, with the user's rights; what it needs is built.
    let free = job.policy.sandbox.programs.value == Programs::Open;
    let own = |arguments: Vec<OsString>| Step { free, ..contained(arguments) };
    let offline = |mut step: Step| {
        step.set("CARGO_NET_OFFLINE", "true");
        step
    };
    let as_given = words::led(job.arguments, &HELD);
    match way {
        Way::Runs(verb, more) => {
            const DROPPED: &[&str] = &["--open", "--token", "--dry-run", "--list", "--locked", "--offline", "--frozen"];
            let first = words::rebuilt(job, verb, more, DROPPED);
            let last = if job.invocation.verb == "publish" {
                Step { network: Network::Open, free: true, ..own(words::trailed(job.arguments, &["--no-verify"])) }
            } else {
                own(as_given)
            };
            vec![contained(words::led(&first, &HELD)), last]
        }
        Way::Nextest => {
            let mut first = words::without(job.arguments, &[]);
            let at = first.iter().position(|a| a == "run").map_or(first.len(), |at| at + 1);
            first.insert(at, "--no-run".into());
            vec![offline(contained(first)), offline(own(job.arguments.to_vec()))]
        }
        Way::BuildsItself if job.invocation.verb == "clippy" => vec![contained(words::trailed(job.arguments, &HELD))],
        Way::BuildsItself => vec![offline(contained(job.arguments.to_vec()))],
        Way::Unknown => {
            let verb = crate::model::printable(&job.invocation.verb, 60);
            if free {
                uncovered.push(format!("cargo {verb} builds and runs by itself, and is not confined"));
            }
            vec![own(job.arguments.to_vec())]
        }
        _ => {
            let mut step = contained(as_given);
            let writes_project = matches!(job.invocation.verb.as_str(), "fix" | "vendor");
            step.write.extend(writes_project.then(|| project.directory().to_owned()));
            vec![step]
        }
    }
}
