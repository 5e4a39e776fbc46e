//! The real registries and interpreters, as the user configured them for each command.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::process::Disk;
use super::session::Session;
use crate::ecosystem::python::requirements_txt::{self, GlobalOption};
use crate::invocation::{FileRole, Flag, FlagEffect, Invocation};
use crate::judge::{Connected, World};
use crate::model::{Environment, InterpreterFacts, PackageName, Setting};
use crate::policy::Policy;
use crate::registry::connect::{Options, Registries, cache_directory};
use crate::registry::crate_index::CrateRegistries;
use crate::registry::http::{Profile, ProxySettings};
use crate::registry::npm_registry::Scopes;
use crate::registry::{CrateIndex, NpmRegistry, PythonIndex, python_config};
use crate::toolchain;

/// Which command an index was made for: its words, and the directory it works in.
type Key = (Vec<String>, PathBuf);

/// Indexes that were made already.
type Made<T> = Mutex<HashMap<Key, Connected<T>>>;

/// [`World`] over the network and the disk.
pub(super) struct RealWorld {
    registries: Registries,
    files: Arc<Disk>,
    python: Made<dyn PythonIndex>,
    npm: Made<dyn NpmRegistry>,
    crates: Made<dyn CrateIndex>,
    interpreters: Mutex<HashMap<Key, InterpreterFacts>>,
    cache: Option<PathBuf>,
    settings: Mutex<Vec<Setting>>,
}

impl RealWorld {
    /// Starts nothing: the network is connected on the first question.
    pub fn new(session: &Session, policy: &Policy, offline: bool) -> Self {
        let policy = policy.clone();
        let private = Arc::new(move |name: &PackageName| policy.private_name(name).is_some());
        let files = Arc::clone(&session.disk);
        let options = Options { cache: cache_directory(&session.environment), offline, files: files.clone(), private };
        Self {
            registries: Registries::new(options),
            files,
            python: Mutex::default(),
            npm: Mutex::default(),
            crates: Mutex::default(),
            interpreters: Mutex::default(),
            cache: cache_directory(&session.environment),
            settings: Mutex::default(),
        }
    }

    fn profile(&self, environment: &Environment) -> Profile {
        Profile { proxies: ProxySettings::from_environment(environment), ..Profile::default() }
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

/// `sys.prefix` of an interpreter by its place: two above `bin/python`, beside `python.exe` on Windows.
fn prefix_of(executable: PathBuf) -> Option<PathBuf> {
    let directory = executable.parent()?;
    let holds = |name: &str| directory.file_name().is_some_and(|n| n.eq_ignore_ascii_case(name));
    if holds("bin") || holds("Scripts") { directory.parent().map(PathBuf::from) } else { Some(directory.to_owned()) }
}

/// What was made for a command, or is made now.
fn made<T: ?Sized>(
    all: &Made<T>,
    invocation: &Invocation,
    environment: &Environment,
    make: impl FnOnce() -> Connected<T>,
) -> Connected<T> {
    let key = (invocation.argv.clone(), environment.cwd.clone());
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(key).or_insert_with(make).clone()
}

impl World for RealWorld {
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn PythonIndex> {
        let prefix = self.interpreter(invocation, environment).executable.and_then(prefix_of);
        made(&self.python, invocation, environment, || {
            let config = python_config::read(python_config::Sources {
                invocation,
                environment,
                files: &*self.files,
                prefix: prefix.as_deref(),
                file_options: &self.file_options(invocation, environment),
            });
            self.note(config.settings);
            let flags = config
                .options
                .into_iter()
                .map(|o| Flag { name: o.name, value: Some(o.value), effect: FlagEffect::Selects, location: o.location })
                .collect();
            Connected {
                index: Arc::new(self.registries.python(config.indexes, config.profile)),
                flags,
                diagnostics: config.diagnostics,
            }
        })
    }

    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry> {
        made(&self.npm, invocation, environment, || Connected {
            index: Arc::new(self.registries.npm(Scopes::public().expect("x"), self.profile(environment))),
            flags: Vec::new(),
            diagnostics: Vec::new(),
        })
    }

    fn crates(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn CrateIndex> {
        made(&self.crates, invocation, environment, || Connected {
            index: Arc::new(self.registries.crates(CrateRegistries::default(), self.profile(environment))),
            flags: Vec::new(),
            diagnostics: Vec::new(),
        })
    }

    fn interpreter(&self, invocation: &Invocation, environment: &Environment) -> InterpreterFacts {
        let key = (invocation.argv.clone(), environment.cwd.clone());
        let mut all = self.interpreters.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = || toolchain::python::facts(invocation, environment, self.cache.as_deref());
        all.entry(key).or_insert_with(ask).clone()
    }

    fn settings(&self) -> Vec<Setting> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What cargo's aliases of the user and the project stand for.
pub(super) fn cargo_aliases(_session: &Session) -> impl Fn(&str) -> Option<Vec<String>> {
    |_| None
}
