//! npm and npx through the gateway: which settings point them there, whose scripts run afterwards, and how the program
//! that `npx` starts gets the environment that it would have had.
//!
//! npm installs, and notes which scripts it would run ([`record`]). What came in is held against the plan; then those
//! that were cleared run, and the project's own ([`replay`]): confined as code of packages is, which npm itself is not.
//! Where npm's notes are not enough ([`notes_scripts`]), it installs with its scripts off, and `npm rebuild` and
//! `npm run` run them.

mod exec;
mod offline;
mod record;
pub(super) mod registries;
pub(super) mod remote;
mod replay;
pub(super) mod scripts;
mod settings;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustc_hash::FxHashMap;

use super::{Adapter, Prepared, Then};
use crate::ecosystem::npm::lock::{self, LockedPackage, LockedSource};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Refused, Step};
use crate::invocation::Effect;
use crate::model::{Digest, Ecosystem, LockState, Package, PackageName, Plan, Source};
use record::{Record, Recorder};
use settings::{Settings, Way};

/// The adapter of npm.
#[derive(Debug, Clone, Copy)]
pub struct Npm;

impl Adapter for Npm {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let prepared = with(job, Settings::of(job, Way::Gateway(gateway))?)?;
        // With nothing left to look up, npm asks for every tarball as soon as it runs.
        let looked_up = |p: &Package| p.lock == LockState::Unlocked && p.source.is_registry();
        if !job.judgement.plan.packages.iter().any(looked_up) {
            gateway.settle();
        }
        Ok(prepared)
    }

    fn frozen(&self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        if job.invocation.verb == "audit fix" {
            return Err(EnforceError::unsupported(
                "no local port can be opened here, and `npm audit fix` asks for advisories while it runs; `npm update` \
                 brings in the newest releases within the ranges",
            ));
        }
        let cache = offline::Cache::of(job)?;
        let mut prepared = with(job, Settings::of(job, Way::Cache(cache.directory.path()))?)?;
        prepared.keep.push(cache.directory);
        prepared.said.extend(cache.said);
        Ok(prepared)
    }
}

/// `npm audit fix` takes the releases of the plan, which are within the manifests' ranges. With `--force` it takes others.
fn judged(job: &Job<'_>, settings: &Settings) -> Result<(), EnforceError> {
    let forced = job.invocation.verb == "audit fix" && settings.is_on(job, "force") && !job.invocation.dry_run;
    match forced {
        true => Err(EnforceError::unsupported(
            "`npm audit fix --force` takes releases that no manifest asks for, and which those are is known only while it \
             runs; without `--force` it stays within the ranges, and `npm install NAME@VERSION` goes beyond them",
        )),
        false => Ok(()),
    }
}

/// The steps, once it is settled where npm gets its packages.
fn with(job: &Job<'_>, mut settings: Settings) -> Result<Prepared, EnforceError> {
    judged(job, &settings)?;
    if job.invocation.effect == Effect::RunsRemote {
        return exec::prepare(job, settings);
    }
    let mut step = Step::of(job);
    let recorder = notes_scripts(job, &settings).then(|| Recorder::new(job.own)).flatten();
    if let Some(recorder) = &recorder {
        settings.note_scripts(&recorder.shell());
        step.write.push(recorder.file());
    }
    settings.apply(job, &mut step)?;
    let tree = Tree::of(job, &settings);
    let install = step.clone();
    let mut prepared = Prepared {
        steps: vec![step],
        mend: settings.roots.iter().flat_map(|root| lockfiles(root)).collect(),
        write: settings.write.clone(),
        cacache: settings.cacache(),
        uncovered: settings.uncovered.clone(),
        open_network: settings.open_network,
        ..Prepared::default()
    };
    if !job.invocation.dry_run {
        prepared.then = Some(Then::new(move |job, gateway| {
            let mut next = tree.installed(&job.judgement.plan);
            match recorder.map(Recorder::read).transpose()? {
                Some(records) if records.iter().all(Record::is_whole) => {
                    let noted = scripts::Noted { records: &records, install: &install, gateway };
                    scripts::add_noted(job, &settings, &tree, &noted, &mut next)?;
                }
                _ => scripts::add(job, &settings, &tree, &mut next),
            }
            Ok(next)
        }));
    }
    Ok(prepared)
}

/// The first npm whose way of starting scripts is known.
const NOTES: (u64, u64) = (8, 0);
/// Commands that run scripts of packages and nothing that the user asked to run.
const NOTED: [&str; 8] = ["install", "ci", "update", "dedupe", "uninstall", "prune", "audit fix", "rebuild"];

/// Whether npm is to say which scripts it would run. To prepare what it takes out of git, it runs itself, and scripts
/// have to have run when that ends. Packages outside of any project are in no hidden lockfile.
fn notes_scripts(job: &Job<'_>, settings: &Settings) -> bool {
    let git = job.judgement.plan.packages.iter().any(|p| matches!(p.source, Source::Git { .. }));
    cfg!(unix)
        && NOTED.contains(&job.invocation.verb.as_str())
        && !(job.invocation.dry_run || settings.global || git || settings.is_on(job, "ignore-scripts"))
        && settings::version_of(job.program).is_some_and(|version| version >= NOTES)
}

/// Does what this program is for under another name, or by a hidden word, if that is what it was started for.
pub fn run_hidden(argv: &[OsString]) -> Option<ExitCode> {
    record::run(argv).or_else(|| replay::run(argv))
}

fn lockfiles(root: &Path) -> Vec<PathBuf> {
    vec![root.join("package-lock.json"), root.join("npm-shrinkwrap.json"), hidden_lockfile(root)]
}

/// What npm says is in a tree.
fn hidden_lockfile(root: &Path) -> PathBuf {
    root.join("node_modules").join(".package-lock.json")
}

/// The largest hidden lockfile that is read: 64 MiB.
const LOCK_MAX: u64 = 64 << 20;

/// Packages as npm's hidden lockfile has them; none when there is none.
fn packages(root: &Path) -> Vec<LockedPackage> {
    let path = hidden_lockfile(root);
    if std::fs::metadata(&path).map_or(true, |meta| meta.len() > LOCK_MAX) {
        return Vec::new();
    }
    let Ok(text) = std::fs::read_to_string(&path) else { return Vec::new() };
    lock::read(&path, &text).0.packages
}

/// A `node_modules`, as it was before the tool ran.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    /// Packages outside of any project have no hidden lockfile.
    global: bool,
    before: Vec<LockedPackage>,
    /// What is in it when that is first asked, which is after the tool ran.
    after: OnceCell<Vec<LockedPackage>>,
}

impl Tree {
    fn of(job: &Job<'_>, settings: &Settings) -> Self {
        let root = settings.roots.last().cloned().unwrap_or_default();
        // `npm ci` puts everything there anew.
        let anew = settings.global || job.invocation.effect == Effect::Locked;
        let before = if anew { Vec::new() } else { packages(&root) };
        Self { before, after: OnceCell::new(), root, global: settings.global }
    }

    fn at(root: PathBuf) -> Self {
        Self { before: packages(&root), after: OnceCell::new(), root, global: false }
    }

    /// What is in it now.
    fn packages(&self) -> &[LockedPackage] {
        self.after.get_or_init(|| if self.global { Vec::new() } else { packages(&self.root) })
    }

    /// What is new in it.
    fn new_packages(&self) -> Vec<&LockedPackage> {
        let before: FxHashMap<&str, &LockedPackage> = self.before.iter().map(|b| (&*b.key, b)).collect();
        let known =
            |p: &LockedPackage| before.get(&*p.key).is_some_and(|b| b.version == p.version && b.digests == p.digests);
        self.packages().iter().filter(|p| !known(p)).collect()
    }

    /// Holds what is new against the plan: bytes may have come out of npm's own cache, for a lockfile that was written
    /// after it was judged. None of it has run yet.
    fn installed(&self, plan: &Plan) -> Prepared {
        let mut next = Prepared::default();
        for package in self.new_packages() {
            let of_registry = !matches!(package.source, LockedSource::File { .. } | LockedSource::Directory { .. });
            if of_registry && !package.bundled && !planned(plan, package) {
                let version = package.version.as_deref().unwrap_or("?");
                next.wrong.push(Refused {
                    subject: format!("{} {version}", package.name),
                    reason: format!(
                        "was installed in {} and is not in the cleared plan: its files were changed meanwhile; remove it",
                        self.root.join(&package.key).display()
                    ),
                });
            }
        }
        next
    }
}

/// Whether the plan has this package with these bytes.
fn planned(plan: &Plan, package: &LockedPackage) -> bool {
    let name = PackageName::new(Ecosystem::Npm, &package.name);
    let mut named = plan.packages.iter().filter(|p| p.id.name == name);
    if matches!(package.source, LockedSource::Git { .. } | LockedSource::Remote { .. }) {
        // Its version may not have been known.
        return named.any(|p| !p.source.is_registry());
    }
    let mut releases = named.filter(|p| Some(&*p.id.version) == package.version.as_deref());
    releases.any(|release| {
        let known: Vec<&Digest> = release.artifacts.iter().flat_map(|a| &a.digests).collect();
        package.digests.iter().all(|digest| {
            let mut same = known.iter().filter(|k| k.algorithm() == digest.algorithm()).peekable();
            same.peek().is_none() || same.any(|k| *k == digest)
        })
    })
}

/// The npm beside the npx that was asked for, or the npm itself.
fn npm_of(program: &Path) -> PathBuf {
    match program.file_name().and_then(|n| n.to_str()) {
        Some(name) if name.starts_with("npx") => program.with_file_name(name.replacen("npx", "npm", 1)),
        _ => program.to_owned(),
    }
}
