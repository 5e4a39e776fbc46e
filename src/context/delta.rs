//! What a plan changes: the releases of the lockfile (or of the environment) that was there before, against the plan's.
//! Judgement and files in; added, changed and removed names out, or that it is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::ecosystem::npm;
use crate::ecosystem::python;
use crate::invocation::{Effect, FileRole, Invocation, Tool};
use crate::judge::Judgement;
use crate::judge::discover::Kind;
use crate::model::{Ecosystem, Environment, Files, PackageName, Plan, Source};
use crate::resolve::locked;

/// How far up a lockfile is looked for: a workspace's root.
const HIGHEST: usize = 8;
/// The largest lockfile that is read again, in bytes.
const LARGEST: usize = 32 << 20;

/// What the plan is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Against {
    /// A lockfile.
    Lockfile,
    /// What the interpreter has.
    Environment,
    /// There was nothing before.
    Nothing,
    /// It is not known what was there.
    Unknown,
}

impl Against {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Lockfile => "lockfile",
            Self::Environment => "environment",
            Self::Nothing => "nothing",
            Self::Unknown => "unknown",
        }
    }
}

type Versions = BTreeMap<PackageName, BTreeSet<String>>;

/// The difference.
#[derive(Debug, Clone)]
pub(super) struct Delta {
    pub against: Against,
    pub added: Vec<(PackageName, String)>,
    /// Name, before, after.
    pub changed: Vec<(PackageName, String, String)>,
    pub removed: Vec<(PackageName, String)>,
    pub unchanged: usize,
    before: Versions,
}

impl Delta {
    /// The version that was there before, when exactly one was.
    pub(super) fn before(&self, name: &PackageName) -> Option<&str> {
        let versions = self.before.get(name)?;
        if versions.len() == 1 { versions.first().map(String::as_str) } else { None }
    }
}

/// A manifest or lockfile that a command reads or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub path: PathBuf,
    pub kind: &'static str,
    pub lock: bool,
}

/// The directory in which a command's tool works.
fn directory(invocation: &Invocation, environment: &Environment) -> PathBuf {
    let given = invocation.directory.as_deref().map_or_else(PathBuf::new, PathBuf::from);
    environment.absolute(&given)
}

/// The lockfile that a tool keeps.
fn lock_names(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Npm => &["npm-shrinkwrap.json", "package-lock.json"],
        Tool::Pnpm => &["pnpm-lock.yaml"],
        Tool::Yarn => &["yarn.lock"],
        Tool::Bun => &["bun.lock"],
        Tool::Cargo => &["Cargo.lock"],
        Tool::Uv => &["uv.lock"],
        Tool::Poetry => &["poetry.lock"],
        Tool::Pdm => &["pdm.lock"],
        Tool::Pipenv => &["Pipfile.lock"],
        _ => &[],
    }
}

fn manifest_name(tool: Tool) -> Option<&'static str> {
    match tool.ecosystem()? {
        Ecosystem::Npm => Some("package.json"),
        Ecosystem::CratesIo => Some("Cargo.toml"),
        Ecosystem::PyPI if tool == Tool::Pipenv => Some("Pipfile"),
        Ecosystem::PyPI => Some("pyproject.toml"),
    }
}

/// Whether a command reads and writes a project's own files.
fn is_project(invocation: &Invocation) -> bool {
    matches!(invocation.effect, Effect::Project | Effect::ProjectAdd | Effect::Update | Effect::Locked)
        && !invocation.global
}

/// The manifests and lockfiles of the commands, those that are there.
pub(super) fn manifests(invocations: &[Invocation], environment: &Environment, files: &dyn Files) -> Vec<Manifest> {
    let mut out: Vec<Manifest> = Vec::new();
    let mut add = |path: PathBuf, kind: &'static str, lock: bool| {
        let manifest = Manifest { path, kind, lock };
        if files.is_file(&manifest.path) && !out.contains(&manifest) {
            out.push(manifest);
        }
    };
    for invocation in invocations {
        let directory = directory(invocation, environment);
        for file in &invocation.files {
            let kind = match file.role {
                FileRole::Requirements => "requirements",
                FileRole::Constraints | FileRole::BuildConstraints | FileRole::Overrides => "constraints",
                FileRole::Manifest | FileRole::Script | FileRole::DependencyGroup => "manifest",
                FileRole::ToolConfig => "configuration",
            };
            if !file.path.is_empty() {
                add(environment.absolute(&directory.join(&file.path)), kind, false);
            }
        }
        if !is_project(invocation) {
            continue;
        }
        if let Some(name) = manifest_name(invocation.tool) {
            add(directory.join(name), word(name), false);
        }
        if let Some((path, name)) = lockfile(invocation, environment, files) {
            add(path, word(name), true);
        }
    }
    out
}

/// A closed list's word for a file name.
fn word(name: &'static str) -> &'static str {
    match name {
        "npm-shrinkwrap.json" | "package-lock.json" => "package-lock",
        "pnpm-lock.yaml" => "pnpm-lock",
        "yarn.lock" => "yarn-lock",
        "bun.lock" => "bun-lock",
        "Cargo.lock" => "cargo-lock",
        "uv.lock" => "uv-lock",
        "poetry.lock" => "poetry-lock",
        "pdm.lock" => "pdm-lock",
        "Pipfile.lock" => "pipfile-lock",
        "package.json" => "package-json",
        "Cargo.toml" => "cargo-toml",
        "Pipfile" => "pipfile",
        _ => "pyproject",
    }
}

fn lockfile(invocation: &Invocation, environment: &Environment, files: &dyn Files) -> Option<(PathBuf, &'static str)> {
    let start = directory(invocation, environment);
    start.ancestors().take(HIGHEST).find_map(|dir| {
        lock_names(invocation.tool).iter().map(|name| (dir.join(name), *name)).find(|(path, _)| files.is_file(path))
    })
}

/// What a lockfile holds.
fn read(path: &Path, files: &dyn Files) -> Option<Plan> {
    let text = files.read_text(path).ok().filter(|t| t.len() <= LARGEST)?;
    let plan = match Kind::of(path)? {
        Kind::CargoLock => locked::cargo(path, &text),
        Kind::PackageLock => {
            let (lock, diagnostics) = npm::lock::read(path, &text);
            locked::npm(&lock, &diagnostics)
        }
        Kind::PnpmLock => {
            let (lock, diagnostics) = npm::pnpm_lock::read(path, &text);
            locked::npm(&lock, &diagnostics)
        }
        Kind::YarnLock => {
            let (lock, diagnostics) = npm::yarn_lock::read(path, &text);
            locked::npm(&lock, &diagnostics)
        }
        Kind::BunLock => {
            let (lock, diagnostics) = npm::bun_lock::read(path, &text);
            locked::npm(&lock, &diagnostics)
        }
        Kind::UvLock => {
            let (lock, diagnostics) = python::uv_lock::read(path, &text);
            locked::python(&lock, &diagnostics)
        }
        Kind::PoetryLock => {
            let (lock, diagnostics) = python::poetry_lock::read(path, &text);
            locked::python(&lock, &diagnostics)
        }
        Kind::PdmLock => {
            let (lock, diagnostics) = python::pdm_lock::read(path, &text);
            locked::python(&lock, &diagnostics)
        }
        Kind::PipfileLock => {
            let (lock, diagnostics) = python::pipfile::read_lock(path, &text);
            locked::python(&lock, &diagnostics)
        }
        _ => return None,
    };
    // Half a lockfile would make the rest look new.
    plan.complete().then_some(plan)
}

fn versions(plan: &Plan) -> Versions {
    let mut out = Versions::new();
    for package in plan.packages.iter().filter(|p| !matches!(p.source, Source::Workspace { .. })) {
        out.entry(package.id.name.clone()).or_default().insert(package.id.version.to_string());
    }
    out
}

/// What was there before, and whether the plan says all that will be there after.
fn before(
    judgement: &Judgement,
    environment: &Environment,
    files: &dyn Files,
    installed: &dyn Fn(&Invocation) -> Vec<(String, String)>,
) -> (Against, Versions, bool) {
    let mut bringing = judgement.invocations.iter().filter(|i| i.effect != Effect::Nothing);
    let (Some(invocation), None) = (bringing.next(), bringing.next()) else {
        // Of several commands each has its own state.
        return (Against::Unknown, Versions::new(), false);
    };
    if is_project(invocation) && !lock_names(invocation.tool).is_empty() {
        return match lockfile(invocation, environment, files) {
            None => (Against::Nothing, Versions::new(), false),
            Some((path, _)) => match read(&path, files) {
                Some(plan) => (Against::Lockfile, versions(&plan), true),
                None => (Against::Unknown, Versions::new(), false),
            },
        };
    }
    if invocation.tool.ecosystem() == Some(Ecosystem::PyPI) && invocation.effect == Effect::Requests {
        let mut out = Versions::new();
        for (name, version) in installed(invocation) {
            out.entry(PackageName::new(Ecosystem::PyPI, &name)).or_default().insert(version);
        }
        return (Against::Environment, out, false);
    }
    (Against::Unknown, Versions::new(), false)
}

/// The difference between what was there and the plan.
pub(super) fn delta(
    judgement: &Judgement,
    environment: &Environment,
    files: &dyn Files,
    installed: &dyn Fn(&Invocation) -> Vec<(String, String)>,
) -> Delta {
    let (against, before, whole) = before(judgement, environment, files, installed);
    let after = versions(&judgement.plan);
    let mut delta =
        Delta { against, added: Vec::new(), changed: Vec::new(), removed: Vec::new(), unchanged: 0, before };
    if against == Against::Unknown {
        return delta;
    }
    for (name, now) in &after {
        let old = delta.before.get(name);
        let gone: Vec<&String> = old.into_iter().flatten().filter(|v| !now.contains(*v)).collect();
        let mut gone = gone.into_iter();
        for version in now {
            if old.is_some_and(|o| o.contains(version)) {
                delta.unchanged += 1;
            } else if let Some(was) = gone.next() {
                delta.changed.push((name.clone(), was.clone(), version.clone()));
            } else {
                delta.added.push((name.clone(), version.clone()));
            }
        }
    }
    if whole && judgement.plan.complete() {
        let missing = delta.before.iter().filter(|(name, _)| !after.contains_key(*name));
        delta.removed = missing.flat_map(|(n, vs)| vs.iter().map(|v| (n.clone(), v.clone()))).collect();
    }
    delta
}
