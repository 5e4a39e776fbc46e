//! The real registries and interpreters, as the user configured them for each command.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::session::Session;
use crate::ecosystem::cargo::config::Config;
use crate::ecosystem::python::requirements_txt::{self, GlobalOption};
use crate::enforce::Upstream;
use crate::invocation::{AliasQuery, FileRole, Flag, Invocation};
use crate::judge::{Connected, World};
use crate::model::{
    Ecosystem, Environment, Files, InterpreterFacts, Location, PackageName, Setting, SettingKind, SettingLayer,
    SignalGap,
};
use crate::policy::Policy;
use crate::registry::connect::{Options, Registries};
use crate::registry::{CrateIndex, FetchError, NpmRegistry, PythonIndex, cargo_config, npm, npm_config, python_config};
use crate::toolchain;

/// What was made already, and for which command: two commands of one script have the same words and yet other flags
/// and variables.
type Known<T> = Mutex<Vec<(Invocation, PathBuf, T)>>;
type Made<T> = Known<Connected<T>>;

/// [`World`] over the network and the disk.
pub(super) struct RealWorld {
    registries: Registries,
    policy: Policy,
    files: Arc<dyn Files>,
    python: Made<dyn PythonIndex>,
    npm: Made<dyn NpmRegistry>,
    crates: Made<dyn CrateIndex>,
    interpreters: Known<InterpreterFacts>,
    upstreams: Known<Upstream>,
    cache: Option<PathBuf>,
    settings: Mutex<Vec<Setting>>,
}

impl RealWorld {
    /// Starts nothing: the network is connected on the first question.
    pub fn new(session: &Session, policy: &Policy, offline: bool) -> Self {
        let names = policy.clone();
        let private = Arc::new(move |name: &PackageName| names.private_name(name).is_some());
        let files = Arc::clone(&session.disk);
        let options = Options { cache: session.cache(), offline, files: files.clone(), private };
        Self {
            registries: match &session.witness {
                Some(witness) => Registries::watched(options, Arc::clone(witness)),
                None => Registries::new(options),
            },
            policy: policy.clone(),
            files,
            python: Mutex::default(),
            npm: Mutex::default(),
            crates: Mutex::default(),
            interpreters: Mutex::default(),
            upstreams: Mutex::default(),
            cache: session.cache(),
            settings: Mutex::default(),
        }
    }

    /// Whether anything was asked of the network.
    pub fn network_used(&self) -> bool {
        self.registries.network_used()
    }

    /// The registries of a command that was judged here, to run it against; `None` when it has none that can be used.
    pub fn upstream(&self, invocation: &Invocation, environment: &Environment) -> Option<Upstream> {
        let known = || {
            let all = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().find(|(i, cwd, _)| i == invocation && *cwd == environment.cwd).map(|(_, _, u)| u.clone())
        };
        known().or_else(|| {
            match invocation.tool.ecosystem()? {
                Ecosystem::PyPI => drop(self.python(invocation, environment)),
                Ecosystem::Npm => drop(self.npm(invocation, environment)),
                Ecosystem::CratesIo => drop(self.crates(invocation, environment)),
            }
            known()
        })
    }

    fn remember(&self, invocation: &Invocation, environment: &Environment, upstream: Upstream) {
        let mut all = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((invocation.clone(), environment.cwd.clone(), upstream));
    }

    fn note(&self, settings: Vec<Setting>) {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        for setting in settings {
            if !known.contains(&setting) {
                known.push(setting);
            }
        }
    }

    /// The options that the requirements files of a command hold.
    fn file_options(&self, invocation: &Invocation, environment: &Environment) -> Vec<GlobalOption> {
        let named =
            invocation.files.iter().filter(|f| matches!(f.role, FileRole::Requirements | FileRole::Constraints));
        named
            .flat_map(|f| {
                let path = PathBuf::from(&f.path);
                let constraint = f.role == FileRole::Constraints;
                requirements_txt::read(&path, constraint, environment, &*self.files).0.options
            })
            .collect()
    }
}

/// A registry whose configuration cannot be used: every question has the same answer.
struct Refusing(FetchError);

impl NpmRegistry for Refusing {
    fn packument(&self, _name: &PackageName) -> Result<Arc<npm::Packument>, FetchError> {
        Err(self.0.clone())
    }

    fn prefetch(&self, _names: &[PackageName]) {}

    fn registry_of(&self, _name: &PackageName) -> String {
        String::new()
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

/// `sys.prefix` of an interpreter by its place: two above `bin/python`, beside `python.exe` on Windows.
fn prefix_of(executable: PathBuf) -> Option<PathBuf> {
    let directory = executable.parent()?;
    let holds = |name: &str| directory.file_name().is_some_and(|n| n.eq_ignore_ascii_case(name));
    if holds("bin") || holds("Scripts") { directory.parent().map(PathBuf::from) } else { Some(directory.to_owned()) }
}

/// What was made for a command, or is made now.
fn made<T: Clone>(all: &Known<T>, invocation: &Invocation, environment: &Environment, make: impl FnOnce() -> T) -> T {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, known)) = all.iter().find(|(i, cwd, _)| i == invocation && *cwd == environment.cwd) {
        return known.clone();
    }
    let new = make();
    all.push((invocation.clone(), environment.cwd.clone(), new.clone()));
    new
}

impl World for RealWorld {
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn PythonIndex> {
        let prefix = self.interpreter(invocation, environment).executable.and_then(prefix_of);
        made(&self.python, invocation, environment, || {
            let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
            let sources = python_config::Sources {
                invocation,
                environment,
                files: &*self.files,
                prefix: prefix.as_deref(),
                file_options: &self.file_options(invocation, environment),
            };
            let config = python_config::read_trusting(sources, &trusted);
            self.note(config.settings);
            let python = self.registries.python(config.indexes.clone(), config.profile);
            let client = python.client().clone();
            let index: Arc<dyn PythonIndex> = Arc::new(python);
            let configured: Vec<Flag> = config.options.into_iter().map(Flag::from).collect();
            let upstream = Upstream::Python {
                index: Arc::clone(&index),
                indexes: config.indexes,
                configured: configured.clone(),
                client,
            };
            self.remember(invocation, environment, upstream);
            Connected { index, flags: configured, diagnostics: config.diagnostics }
        })
    }

    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry> {
        made(&self.npm, invocation, environment, || {
            let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
            let sources =
                npm_config::Sources { invocation, environment, files: &*self.files, prefix: None, trusted: &trusted };
            let config = match npm_config::read(sources) {
                Ok(config) => config,
                Err(error) => {
                    return Connected { index: Arc::new(Refusing(error)), flags: Vec::new(), diagnostics: Vec::new() };
                }
            };
            self.note(config.settings);
            let npm = self.registries.npm(config.scopes.clone(), config.profile);
            let client = npm.client().clone();
            let registry: Arc<dyn NpmRegistry> = Arc::new(npm);
            let cacache = npm_config::cacache(&config.options, invocation, environment);
            let upstream = Upstream::Npm { registry: Arc::clone(&registry), scopes: config.scopes, cacache, client };
            self.remember(invocation, environment, upstream);
            let flags = config.options.into_iter().map(Flag::from).collect();
            Connected { index: registry, flags, diagnostics: config.diagnostics }
        })
    }

    fn crates(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn CrateIndex> {
        made(&self.crates, invocation, environment, || {
            let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
            let sources = cargo_config::Sources { invocation, environment, files: &*self.files, trusted: &trusted };
            let config = cargo_config::read(sources);
            self.note(config.settings);
            let programs = Config::read(environment, &*self.files, &invocation.located_values("--config"));
            self.note(programs.settings());
            let mut diagnostics = config.diagnostics;
            diagnostics.extend(programs.diagnostics);
            let crates = self.registries.crates(config.registries.clone(), config.profile);
            let client = crates.client().clone();
            let index: Arc<dyn CrateIndex> = Arc::new(crates);
            let upstream = Upstream::Crates { index: Arc::clone(&index), registries: config.registries, client };
            self.remember(invocation, environment, upstream);
            Connected { index, flags: Vec::new(), diagnostics }
        })
    }

    fn interpreter(&self, invocation: &Invocation, environment: &Environment) -> InterpreterFacts {
        made(&self.interpreters, invocation, environment, || {
            let facts = toolchain::python::facts(invocation, environment, self.cache.as_deref());
            if let Some(program) = toolchain::python::of_the_project(&facts, environment) {
                self.note(vec![Setting {
                    kind: SettingKind::Program,
                    key: "the interpreter".to_owned(),
                    value: program.display().to_string(),
                    layer: SettingLayer::Project,
                    location: Location::file(program),
                }]);
            }
            facts
        })
    }

    fn settings(&self) -> Vec<Setting> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What cargo's aliases of the project and the user stand for. The files are read when the first word of a cargo
/// command is no verb of its own.
pub(super) fn cargo_aliases(session: &Session) -> impl Fn(&AliasQuery<'_>) -> Option<Vec<String>> {
    let (environment, files) = (session.environment.clone(), Arc::clone(&session.disk));
    let config = OnceCell::new();
    move |query| {
        if query.directory.is_none() && query.variables.is_empty() && query.config.is_empty() {
            return config.get_or_init(|| Config::read(&environment, &*files, &[])).alias(query.name);
        }
        let mut environment = environment.clone();
        environment.cwd = environment.absolute(Path::new(query.directory.unwrap_or_default()));
        environment.variables.extend(query.variables.iter().cloned());
        Config::read(&environment, &*files, &query.config).alias(query.name)
    }
}
