//! npm and npx through the gateway: which settings point them there, whose scripts run afterwards, and how the program
//! that `npx` starts gets the environment that it would have had.
//!
//! npm installs with its scripts off. Then the scripts of the packages of the plan run, each in the order that npm has,
//! by `npm rebuild`, and the project's own by `npm run`: confined as code of packages is, which npm itself is not.

pub(super) mod cacache;
mod exec;
mod offline;
pub(super) mod registries;
pub(super) mod remote;
pub(super) mod scripts;
mod settings;

use std::path::{Path, PathBuf};

use super::{Adapter, Prepared, Then};
use crate::ecosystem::npm::lock::{self, LockedPackage, LockedSource};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Refused, Step};
use crate::invocation::Effect;
use crate::model::{Digest, Ecosystem, PackageName, Plan};
use settings::{Settings, Way};

/// The adapter of npm.
#[derive(Debug, Clone, Copy)]
pub struct Npm;

impl Adapter for Npm {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        with(job, Settings::of(job, Way::Gateway(gateway))?)
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
fn with(job: &Job<'_>, settings: Settings) -> Result<Prepared, EnforceError> {
    judged(job, &settings)?;
    if job.invocation.effect == Effect::RunsRemote {
        return exec::prepare(job, settings);
    }
    let mut step = Step::of(job);
    settings.apply(job, &mut step)?;
    let tree = Tree::of(job, &settings);
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
        prepared.then = Some(Then::new(move |job, _| {
            let mut next = tree.installed(&job.judgement.plan);
            scripts::add(job, &settings, &tree, &mut next);
            Ok(next)
        }));
    }
    Ok(prepared)
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
}

impl Tree {
    fn of(job: &Job<'_>, settings: &Settings) -> Self {
        let root = settings.roots.last().cloned().unwrap_or_default();
        // `npm ci` puts everything there anew.
        let anew = settings.global || job.invocation.effect == Effect::Locked;
        Self { before: if anew { Vec::new() } else { packages(&root) }, root, global: settings.global }
    }

    fn at(root: PathBuf) -> Self {
        Self { before: packages(&root), root, global: false }
    }

    /// What is new in it.
    fn new_packages(&self) -> Vec<LockedPackage> {
        let known = |p: &LockedPackage| {
            let same = |b: &LockedPackage| b.key == p.key && b.version == p.version && b.digests == p.digests;
            self.before.iter().any(same)
        };
        if self.global { Vec::new() } else { packages(&self.root).into_iter().filter(|p| !known(p)).collect() }
    }

    /// Holds what is new against the plan: bytes may have come out of npm's own cache, for a lockfile that was written
    /// after it was judged. None of it has run yet.
    fn installed(&self, plan: &Plan) -> Prepared {
        let mut next = Prepared::default();
        for package in self.new_packages() {
            let of_registry = !matches!(package.source, LockedSource::File { .. } | LockedSource::Directory { .. });
            if of_registry && !package.bundled && !planned(plan, &package) {
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
