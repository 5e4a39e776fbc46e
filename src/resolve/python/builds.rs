//! What the plan's source distributions and directories are built with. In: the plan so far, the directories that the
//! command names. Out: the plan with the releases of each build environment (PEP 517).
//!
//! Each is an environment of its own, resolved as pip and uv do: what `[build-system] requires` first, then what the
//! backend is known to ask for. It may have another release than the target environment; the plan has both then. What
//! is built from source itself has an environment in turn, to a depth. What only the running build tells (`setup_requires`
//! of a `setup.py`) stays unknown, and nobody gets it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;

use super::inputs::{Asked, Inputs};
use super::options::{Options, Upgrade};
use super::{Locks, startup};
use crate::ecosystem::python::build_system::BuildSystem;
use crate::ecosystem::python::pyproject::{self, Stated};
use crate::ecosystem::python::requirements_txt::Entry;
use crate::ecosystem::python::setup_cfg;
use crate::invocation::Tool;
use crate::model::{
    ArtifactKind, Execution, InterpreterFacts, Location, Package, PackageId, PackageName, Plan, Source, Unresolved,
    UnresolvedCause,
};
use crate::registry::python::{BuildFiles, File};
use crate::registry::{FetchError, PythonIndex};
use crate::resolve::Request;

/// How deep builds may need builds: with `--no-binary :all:` three levels are usual.
const MAX_LEVELS: u32 = 8;
/// Most build environments of one command.
const MAX_ENVIRONMENTS: usize = 400;

/// What something is built in.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// What with.
    pub(super) system: BuildSystem,
    /// Built to be installed in place.
    pub(super) editable: bool,
    /// Where requirements are said to stand that no file of the user's names.
    pub(super) location: Location,
    /// The release that is built; `None` for a directory that the command names.
    of: Option<Built>,
    level: u32,
}

/// A release that is built.
#[derive(Debug, Clone)]
struct Built {
    id: PackageId,
    depth: u32,
    development: bool,
}

impl Environment {
    /// Of a directory that the command names.
    pub(super) fn of_directory(system: BuildSystem, editable: bool, location: Location) -> Self {
        Self { system, editable, location, of: None, level: 0 }
    }
}

/// What all environments of a command have in common.
pub(super) struct Builder<'a> {
    pub(super) request: Request<'a>,
    pub(super) index: &'a dyn PythonIndex,
    pub(super) interpreter: &'a InterpreterFacts,
    /// The options of the command and of its requirements files.
    pub(super) options: Options,
    /// What holds in build environments: `--build-constraint`, and constraints that a variable names.
    pub(super) constraints: Vec<Asked>,
    /// What uv puts into the build environments of projects, by canonical name.
    pub(super) extra: BTreeMap<String, Vec<Entry>>,
    /// What uv takes releases to require.
    pub(super) stated: Vec<Stated>,
}

impl Builder<'_> {
    /// Takes what of a command's inputs holds in build environments.
    pub(super) fn take(&mut self, inputs: &mut Inputs) {
        self.constraints = std::mem::take(&mut inputs.build_constraints);
        self.extra = std::mem::take(&mut inputs.extra_build);
        self.stated.clone_from(&inputs.stated);
    }

    /// Adds to a plan what its source distributions, and these directories, are built with.
    pub(super) fn complete(&self, plan: &mut Plan, directories: Vec<Environment>) {
        if self.request.invocation.flag("--no-build-isolation").is_some_and(|f| f.value.as_deref() != Some("false")) {
            return;
        }
        let mut queue: VecDeque<Environment> = directories.into();
        // Which project a directory holds is not told here: more than it gets, never less.
        for environment in &mut queue {
            environment.system.requires.extend(self.extra.values().flatten().cloned());
        }
        let mut known: BTreeSet<PackageId> = BTreeSet::new();
        let mut solved: HashMap<String, (Plan, Vec<Environment>)> = HashMap::new();
        let mut unresolved = Vec::new();
        self.of_sdists(&plan.packages, 0, &mut known, &mut queue, &mut unresolved);
        let mut taken = 0;
        while let Some(environment) = queue.pop_front() {
            if environment.level >= MAX_LEVELS || taken >= MAX_ENVIRONMENTS {
                unresolved.push(environment.too_many());
                break;
            }
            taken += 1;
            let key = environment.key();
            let (mut part, nested) = match solved.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let new = self.solve(&environment);
                    solved.insert(key, new.clone());
                    new
                }
            };
            let level = environment.level + 1;
            queue.extend(nested.into_iter().map(|n| Environment { level, ..n }));
            if let Some(built) = &environment.of {
                built.adopt(&mut part);
            }
            self.of_sdists(&part.packages, level, &mut known, &mut queue, &mut unresolved);
            plan.merge(part);
        }
        plan.unresolved.extend(unresolved);
    }

    /// Queues the environments of the source distributions among packages.
    fn of_sdists(
        &self,
        packages: &[Package],
        level: u32,
        known: &mut BTreeSet<PackageId>,
        queue: &mut VecDeque<Environment>,
        unresolved: &mut Vec<Unresolved>,
    ) {
        let mut new: Vec<(&Package, File)> = Vec::new();
        for package in packages.iter().filter(|p| p.executes.contains(&Execution::PythonBuild)) {
            let Source::Registry { url } = &package.source else { continue };
            let Some(sdist) = package.artifacts.iter().find(|a| a.kind == ArtifactKind::Sdist) else { continue };
            if known.insert(package.id.clone()) {
                let file = startup::file(&sdist.filename, &sdist.url, &sdist.digests, sdist.size, url);
                new.push((package, file));
            }
        }
        self.index.prefetch_build_files(&new.iter().map(|(_, file)| file.clone()).collect::<Vec<_>>());
        for (package, file) in new {
            let location = package.origin.location.clone();
            let read = self.index.build_files(&file).map_err(|error| (super::cause_of(&error), why(&error)));
            match read.and_then(|files| read_system(&files, &location)) {
                Ok(mut system) => {
                    system.requires.extend(self.extra.get(package.id.name.canonical()).into_iter().flatten().cloned());
                    queue.push_back(Environment {
                        system,
                        editable: false,
                        location,
                        of: Some(Built {
                            id: package.id.clone(),
                            depth: package.depth,
                            development: package.development,
                        }),
                        level,
                    });
                }
                Err((cause, reason)) => unresolved.push(Unresolved {
                    requirement: format!("{} {}", package.id.name, package.id.version),
                    name: None,
                    range: None,
                    location: Some(location),
                    cause,
                    reason: format!("what it is built with is not known: {reason}"),
                }),
            }
        }
    }

    /// One environment: what is required, then what the backend asks for, which installers resolve by itself.
    fn solve(&self, environment: &Environment) -> (Plan, Vec<Environment>) {
        let mut nested = Vec::new();
        let mut plan = self.resolved(&environment.system.requires, &mut nested);
        let setuptools = plan.packages.iter().find(|p| p.id.name.canonical() == "setuptools");
        let setuptools = setuptools.map(|p| p.id.version.to_string());
        let more = environment.system.backend_asks(environment.editable, setuptools.as_deref(), &environment.location);
        if !more.is_empty() {
            plan.merge(self.resolved(&more, &mut nested));
        }
        // What only a convention asks for, an index may do without: then nobody gets it.
        plan.unresolved.retain(|u| !(is_absent(u.cause) && environment.system.implies(u.name.as_ref())));
        if matches!(self.request.invocation.tool, Tool::Uv | Tool::Uvx) && environment.system.is_built_by_uv() {
            // uv brings the backend of its own version, which `uv init` asks for. One that is younger than the policy
            // has it, or that no index has yet, is left to it: another uv gets no release that is not in the plan.
            let is_backend = |name: &PackageName| name.canonical() == "uv-build";
            plan.unresolved.retain(|u| !(is_absent(u.cause) && u.name.as_ref().is_some_and(is_backend)));
            let young = |p: &Package| self.request.freshness.is_young(&p.id.name, p.published_at);
            plan.packages.retain(|p| !(is_backend(&p.id.name) && young(p)));
        }
        (plan, nested)
    }

    fn resolved(&self, entries: &[Entry], nested: &mut Vec<Environment>) -> Plan {
        let options = Options {
            ignore_installed: true,
            require_hashes: false,
            no_deps: false,
            upgrade: Upgrade::Never,
            ..self.options.clone()
        };
        let (constraints, stated) = (self.constraints.clone(), self.stated.clone());
        let mut inputs = Inputs { options, constraints, stated, ..Inputs::default() };
        for entry in entries {
            inputs.take(entry.clone(), false, true);
        }
        let mut plan = Plan::default();
        super::solve(&mut plan, self.request, self.index, self.interpreter, inputs, &Locks::default(), nested);
        plan
    }
}

impl Environment {
    /// What tells it from others, as far as its releases go.
    fn key(&self) -> String {
        let texts = |entries: &[Entry]| entries.iter().map(|e| e.text.clone()).collect::<Vec<_>>();
        let BuildSystem { requires, declared, backend, besides, in_tree } = &self.system;
        let (requires, besides) = (texts(requires), texts(besides));
        // The place is part of what a plan says.
        format!("{requires:?} {declared} {backend:?} {besides:?} {in_tree} {} {:?}", self.editable, self.location)
    }

    fn too_many(&self) -> Unresolved {
        let of = self.of.as_ref().map_or_else(|| "a build".to_owned(), |b| format!("{} {}", b.id.name, b.id.version));
        Unresolved {
            requirement: of,
            name: None,
            range: None,
            location: Some(self.location.clone()),
            cause: UnresolvedCause::LimitExceeded,
            reason: "its build needs further builds, more of them than are followed".to_owned(),
        }
    }
}

impl Built {
    /// Puts the releases of its build environment below it.
    fn adopt(&self, part: &mut Plan) {
        for package in &mut part.packages {
            if package.direct {
                package.direct = false;
                package.required_by.push(self.id.clone());
            }
            package.depth = package.depth.saturating_add(self.depth).saturating_add(1);
            package.development = self.development;
        }
        for unresolved in &mut part.unresolved {
            unresolved.reason = format!("to build {} {}: {}", self.id.name, self.id.version, unresolved.reason);
        }
    }
}

fn is_absent(cause: UnresolvedCause) -> bool {
    matches!(cause, UnresolvedCause::UnknownPackage | UnresolvedCause::NoMatchingVersion)
}

fn why(error: &FetchError) -> String {
    match error {
        FetchError::NeedsExecution { reason } => reason.clone(),
        other => other.to_string(),
    }
}

/// Reads the files of a source distribution. Every requirement in them is said to stand where the release was asked for.
fn read_system(files: &BuildFiles, location: &Location) -> Result<BuildSystem, (UnresolvedCause, String)> {
    let refused = |file: &str, diagnostics: &[crate::model::Diagnostic]| match diagnostics.first() {
        Some(first) => Err((UnresolvedCause::Malformed, format!("its {file} cannot be read: {}", first.message))),
        None => Ok(()),
    };
    let project = match &files.pyproject {
        None => None,
        Some(text) => {
            let (build_only, diagnostics) = pyproject::read_build(Path::new("/pyproject.toml"), text);
            refused("pyproject.toml", &diagnostics)?;
            Some(build_only)
        }
    };
    // Installers read no more of a `setup.cfg` than setuptools does, which passes over what it does not know.
    let config = files.setup_cfg.as_ref().map(|text| setup_cfg::read(Path::new("/setup.cfg"), text).0);
    let mut system = BuildSystem::of(project.as_ref(), config.as_ref(), location);
    for entry in system.requires.iter_mut().chain(&mut system.besides) {
        entry.location = location.clone();
    }
    Ok(system)
}
