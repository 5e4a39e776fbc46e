//! A command judged and then run in its plan, in this process, with a pause between the two in which the world may
//! change: the registry is a loopback server, the tool is the real one, and home and project are empty directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use tidewaiter::advisories::database::Lazy;
use tidewaiter::cli::process::Disk;
use tidewaiter::enforce::{self, EnforceError, Job, Outcome, Sandbox, Uncontained, Upstream};
use tidewaiter::invocation::{self, FileRole, Flag, Invocation};
use tidewaiter::judge::{Connected, Judge, Judgement, Via, World};
use tidewaiter::model::{Digest, Environment, InterpreterFacts, Setting};
use tidewaiter::registry::connect::{Options, Registries};
use tidewaiter::registry::{CrateIndex, NpmRegistry, PythonIndex, npm_config, python_config};
use tidewaiter::{ecosystem, policy, rules, toolchain};

use super::loopback::{Dist, Loopback};

/// Directories, a registry, and what the environment is besides.
pub struct Rig {
    root: tempfile::TempDir,
    pub server: Loopback,
    variables: Vec<(String, String)>,
}

/// The interpreter that runs the tests' pip: the real one, not a shim in front of it. `None` after saying so.
pub fn python() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let code = "import pip, sys; print(sys.executable)";
        let out = Command::new("python3").args(["-c", code]).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8(out.stdout).ok()?.trim().to_owned())
    });
    if found.is_none() {
        eprintln!("skipped: there is no python3 with pip here");
    }
    found.as_deref()
}

/// uv, from PATH or from `TIDEWAITER_UV`. `None` after saying so.
pub fn uv() -> Option<PathBuf> {
    let named = std::env::var_os("TIDEWAITER_UV").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| std::env::split_paths(&path).map(|d| d.join("uv")).find(|p| p.is_file()));
    if found.is_none() {
        eprintln!("skipped: there is no uv here");
    }
    found
}

/// A wheel that pip installs: one module with its version, and what it requires.
pub fn wheel(name: &str, version: &str, requires: &[&str]) -> Dist {
    let stem = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let module = name.replace('-', "_");
    Dist::wheel(name, version)
        .requires(requires)
        .member(&format!("{module}.py"), format!("version = {version:?}\n").as_bytes())
        .member(
            &format!("{stem}/WHEEL"),
            b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        .member(&format!("{stem}/RECORD"), b"")
}

/// What a run was, and what became of it.
pub struct Done {
    pub judgement: Judgement,
    pub outcome: Result<Outcome, EnforceError>,
}

impl Done {
    /// The tool's exit status.
    pub fn status(&self) -> i32 {
        self.outcome.as_ref().unwrap().ended.status()
    }

    /// The lines of what was refused.
    pub fn refused(&self) -> Vec<String> {
        self.outcome.as_ref().unwrap().refused.iter().map(enforce::Refused::line).collect()
    }

    /// The files that were handed over.
    pub fn served(&self) -> Vec<String> {
        self.outcome.as_ref().unwrap().served.iter().map(|s| s.filename.clone()).collect()
    }
}

impl Rig {
    /// For pip and uv, whose index is the server.
    pub fn new() -> Self {
        let mut rig = Self::empty();
        let index = rig.server.simple();
        for (name, value) in [
            ("PIP_INDEX_URL", index.as_str()),
            ("UV_DEFAULT_INDEX", index.as_str()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_QUIET", "2"),
            ("PIP_ROOT_USER_ACTION", "ignore"),
            ("UV_PYTHON_DOWNLOADS", "never"),
            ("UV_LINK_MODE", "copy"),
        ] {
            rig.set(name, value);
        }
        rig
    }

    /// With nothing in the environment but PATH and HOME.
    pub fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "work", "cache"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let variables = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), root.path().join("home").display().to_string()),
        ];
        Self { root, server: Loopback::start(), variables }
    }

    /// Sets a variable; empty: takes it away.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    /// Writes a file of the project (or, from `../home/`, of the user).
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn environment(&self) -> Environment {
        Environment {
            variables: self.variables.iter().cloned().collect(),
            cwd: self.work(),
            home: Some(self.home()),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        }
    }

    /// The command as it is without the gate.
    pub fn bare(&self, argv: &[&str]) -> std::process::Output {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().envs(self.variables.iter().cloned()).current_dir(self.work());
        command.output().unwrap()
    }

    /// Judges, lets `between` happen, and runs.
    pub fn run(&self, argv: &[&str], between: impl FnOnce(&Self)) -> Done {
        self.with_job(argv, |job| {
            between(self);
            enforce::run(job)
        })
    }

    /// Judges, and hands over what would be run.
    pub fn with_job(&self, argv: &[&str], act: impl FnOnce(&Job<'_>) -> Result<Outcome, EnforceError>) -> Done {
        self.with_job_in(argv, &Uncontained, act)
    }

    /// [`Rig::with_job`], with a sandbox.
    pub fn with_job_in(
        &self,
        argv: &[&str],
        sandbox: &dyn Sandbox,
        act: impl FnOnce(&Job<'_>) -> Result<Outcome, EnforceError>,
    ) -> Done {
        let environment = self.environment();
        let disk = Arc::new(Disk::default());
        let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
        let invocations = invocation::parse(&argv, &environment);
        let advisories = Lazy::new(self.cache().join("advisories"), environment.now);
        let loaded = policy::load(&environment, &*disk, None, &rules::infos());
        let world = Registered { cache: self.cache(), disk: Arc::clone(&disk), ..Registered::default() };
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
        let upstream = world.upstream.into_inner().unwrap().unwrap();
        let program = toolchain::find(&argv[0], &environment).unwrap();
        let arguments: Vec<OsString> = argv[1..].iter().map(OsString::from).collect();
        let job = Job {
            judgement: &judgement,
            invocation: &invocations[0],
            program: &program,
            arguments: &arguments,
            environment: &environment,
            files: &*disk,
            upstream: &upstream,
            policy: &loaded.policy,
            cache: &self.cache(),
            sandbox,
            own: Path::new(env!("CARGO_BIN_EXE_tidewaiter")),
        };
        let outcome = act(&job);
        Done { judgement, outcome }
    }

    /// What a directory holds after `pip install --target`: `name version` of every distribution.
    pub fn installed(&self, target: &str) -> Vec<String> {
        let mut out: Vec<String> = std::fs::read_dir(self.work().join(target))
            .into_iter()
            .flatten()
            .filter_map(|e| e.unwrap().file_name().into_string().unwrap().strip_suffix(".dist-info").map(str::to_owned))
            .map(|n| n.replace('-', " ").replace('_', "-"))
            .collect();
        out.sort();
        out
    }
}

/// The paths of files (not of pages or metadata) that a server was asked for.
pub fn files_asked(server: &Loopback) -> Vec<String> {
    let mut out: Vec<String> =
        server.paths().into_iter().filter(|p| p.starts_with("/files/") && !p.ends_with(".metadata")).collect();
    out.sort();
    out.dedup();
    out
}

/// Every file below a directory with the digest of its bytes, compiled modules left out.
pub fn tree(directory: &Path) -> Vec<(String, String)> {
    fn walk(directory: &Path, root: &Path, out: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("__pycache__") {
                walk(&path, root, out);
            } else if path.is_file() {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.push((name, Digest::sha256_of(&std::fs::read(&path).unwrap()).hex()));
            }
        }
    }
    let mut out = Vec::new();
    walk(directory, directory, &mut out);
    out.sort();
    out
}

/// The user's registries of Python and of npm, read from the rig's environment and nothing else.
#[derive(Default)]
struct Registered {
    cache: PathBuf,
    disk: Arc<Disk>,
    python: OnceLock<Connected<dyn PythonIndex>>,
    npm: OnceLock<Connected<dyn NpmRegistry>>,
    /// Of the one that was asked for.
    upstream: Mutex<Option<Upstream>>,
}

impl Registered {
    fn registries(&self) -> Registries {
        let private = Arc::new(|_: &_| false);
        Registries::new(Options { cache: Some(self.cache.clone()), offline: false, files: self.disk.clone(), private })
    }

    fn keep(&self, upstream: Upstream) {
        *self.upstream.lock().unwrap() = Some(upstream);
    }
}

impl World for Registered {
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn PythonIndex> {
        let connect = || {
            let named =
                invocation.files.iter().filter(|f| matches!(f.role, FileRole::Requirements | FileRole::Constraints));
            let file_options: Vec<_> = named
                .flat_map(|f| {
                    let path = PathBuf::from(&f.path);
                    let constraint = f.role == FileRole::Constraints;
                    ecosystem::python::requirements_txt::read(&path, constraint, environment, &*self.disk).0.options
                })
                .collect();
            let sources = python_config::Sources {
                invocation,
                environment,
                files: &*self.disk,
                prefix: None,
                file_options: &file_options,
            };
            let config = python_config::read(sources);
            let python = self.registries().python(config.indexes.clone(), config.profile);
            let client = python.client().clone();
            let configured: Vec<Flag> = config.options.into_iter().map(Flag::from).collect();
            let index: Arc<dyn PythonIndex> = Arc::new(python);
            let flags = configured.clone();
            self.keep(Upstream::Python { index: Arc::clone(&index), indexes: config.indexes, configured, client });
            Connected { index, flags, diagnostics: config.diagnostics }
        };
        self.python.get_or_init(connect).clone()
    }

    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry> {
        let connect = || {
            let sources =
                npm_config::Sources { invocation, environment, files: &*self.disk, prefix: None, trusted: &|_| true };
            let config = npm_config::read(sources).unwrap();
            let npm = self.registries().npm(config.scopes.clone(), config.profile);
            let client = npm.client().clone();
            let registry: Arc<dyn NpmRegistry> = Arc::new(npm);
            let cacache = npm_config::cacache(&config.options, invocation, environment);
            let flags = config.options.into_iter().map(Flag::from).collect();
            self.keep(Upstream::Npm { registry: Arc::clone(&registry), scopes: config.scopes, cacache, client });
            Connected { index: registry, flags, diagnostics: config.diagnostics }
        };
        self.npm.get_or_init(connect).clone()
    }

    fn crates(&self, _: &Invocation, _: &Environment) -> Connected<dyn CrateIndex> {
        panic!("a rig has no index of crates")
    }

    fn interpreter(&self, invocation: &Invocation, environment: &Environment) -> InterpreterFacts {
        toolchain::python::facts(invocation, environment, Some(&self.cache))
    }

    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }
}
