//! A judged command, run so that nothing but its plan can come in.
//!
//! In: a [`Job`], one installing invocation with the judgement that cleared it. Out: an [`Outcome`], how the tool ended
//! and what was refused on the way. Whether the command may run at all is decided before, by the caller.
//!
//! ```text
//! tool/      one adapter for each family: what to change so that the tool asks the gateway and nobody else
//! gateway/   a registry on the loopback that shows the plan and serves only bytes whose digest is in it
//! store      the bytes, by digest: verified when written and when read
//! cacache    npm's own cache, as npm keeps it
//! exec       processes: environment, signals, exit status
//! sandbox/   what those processes may read, write and reach
//! ```

pub mod cacache;
pub mod exec;
pub mod gateway;
pub mod sandbox;
pub mod store;
pub mod tool;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::invocation::{Flag, Invocation};
use crate::judge::Judgement;
use crate::model::{Digest, Environment, FileError, Files, PackageId, printable};
use crate::policy::Policy;
use crate::registry::crate_index::CrateRegistries;
use crate::registry::http::Client;
use crate::registry::index::Indexes;
use crate::registry::npm_registry::Scopes;
use crate::registry::{CrateIndex, NpmRegistry, PythonIndex};

/// One installing invocation that was cleared. Its argument vector is directly the tool's: wrappers are the caller's.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The plan in it is what may come in.
    pub judgement: &'a Judgement,
    /// The invocation, as it was judged.
    pub invocation: &'a Invocation,
    /// Absolute path of the real tool: never a shim of ours.
    pub program: &'a Path,
    /// The words after the program's name, as given.
    pub arguments: &'a [OsString],
    /// What the command was started in. Its variables are the tool's, but for what an adapter changes.
    pub environment: &'a Environment,
    /// The files as they were when they were judged.
    pub files: &'a dyn Files,
    /// The user's own registries.
    pub upstream: &'a Upstream,
    /// The policy that cleared it.
    pub policy: &'a Policy,
    /// This program's own cache directory.
    pub cache: &'a Path,
    /// What confines the tool's processes.
    pub sandbox: &'a dyn Sandbox,
    /// This program's own file, for what is run by it under another name; a path that is no file: there is none.
    pub own: &'a Path,
}

impl Job<'_> {
    /// Compares a file with what was judged, right before the tool reads it.
    pub fn unchanged(&self, path: &Path) -> Result<(), EnforceError> {
        let same = match (self.files.read(path), std::fs::read(path)) {
            (Ok(judged), Ok(now)) => *judged == *now,
            (Err(FileError::NotFound), Err(_)) => true,
            // What could not be read was no part of the judgement, which said so.
            (Err(FileError::Io(_) | FileError::TooLarge { .. }), _) => true,
            _ => false,
        };
        if same {
            return Ok(());
        }
        let shown = printable(&path.display().to_string(), 300);
        Err(EnforceError::unsupported(format!("{shown} was changed after it was judged; run the command again")))
    }
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

/// The user's own registries for one command, with credentials, proxies and certificates (in the client's profile),
/// and the answers that the judgement rests on (in the index, which remembers what it was told).
#[derive(Clone)]
pub enum Upstream {
    /// pip's, uv's and their like.
    Python {
        /// As judged.
        index: Arc<dyn PythonIndex>,
        /// As configured.
        indexes: Indexes,
        /// What configuration files say besides, as the flags they stand for.
        configured: Vec<Flag>,
        /// To fetch with.
        client: Client,
    },
    /// npm's and its like.
    Npm {
        /// As judged.
        registry: Arc<dyn NpmRegistry>,
        /// As configured.
        scopes: Scopes,
        /// npm's own cache; `None`: the tool is another.
        cacache: Option<PathBuf>,
        /// To fetch with.
        client: Client,
    },
    /// Cargo's.
    Crates {
        /// As judged.
        index: Arc<dyn CrateIndex>,
        /// As configured.
        registries: CrateRegistries,
        /// To fetch with.
        client: Client,
    },
}

impl Upstream {
    /// Where an artifact is fetched from, given the URL that the plan has for it.
    pub fn place<'u>(&self, package: &PackageId, url: &'u str) -> Cow<'u, str> {
        let elsewhere = match self {
            Self::Npm { scopes, .. } => scopes.tarball_url(&package.name, url),
            Self::Python { .. } | Self::Crates { .. } => None,
        };
        elsewhere.map_or(Cow::Borrowed(url), Cow::Owned)
    }

    /// To fetch with.
    pub fn client(&self) -> &Client {
        match self {
            Self::Python { client, .. } | Self::Npm { client, .. } | Self::Crates { client, .. } => client,
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Python { .. } => "Python",
            Self::Npm { .. } => "Npm",
            Self::Crates { .. } => "Crates",
        })
    }
}

/// How the plan was made the only thing that could come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The tool asked the gateway, and nobody else.
    Gateway,
    /// The tool was given the plan's exact list with digests and asked the registries itself: where nothing may listen.
    Frozen,
}

impl Form {
    /// `gateway`, `frozen`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Frozen => "frozen",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Code(i32),
    /// A signal of this number ended it.
    Signal(i32),
}

impl Ended {
    /// The status a shell would report: 128 + the signal's number.
    pub const fn status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Whether it exited with 0.
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// Something that the tool asked for and did not get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// What: `left-pad 1.3.1`, a file's name, a host. A stranger's text; print it with `printable`.
    pub subject: String,
    /// Why: a lower-case fragment.
    pub reason: String,
}

impl Refused {
    /// The line that the tool got and that people read, safe for a terminal.
    pub fn line(&self) -> String {
        let Self { subject, reason } = self;
        let (subject, reason) = (crate::model::printable(subject, 200), crate::model::printable(reason, 300));
        format!("tidewaiter: {subject} {reason}")
    }
}

/// An artifact that the tool got.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// Of which release.
    pub package: PackageId,
    /// The artifact's file name.
    pub filename: String,
    /// The digest of the bytes that were handed over.
    pub digest: Digest,
}

/// What became of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How the tool ended.
    pub ended: Ended,
    /// How the plan was enforced.
    pub form: Form,
    /// What was refused; sorted, without repetition.
    pub refused: Vec<Refused>,
    /// What was handed over; sorted, without repetition. Empty in the frozen form.
    pub served: Vec<Served>,
    /// What the sandbox did, a sentence each.
    pub contained: Vec<String>,
    /// What could not be enforced, a sentence each: never empty silently.
    pub uncovered: Vec<String>,
    /// What people should be told beside it, a sentence each: scripts that did not run, or failed where they may.
    pub said: Vec<String>,
}

/// Why a job could not be run. Nothing was installed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// This command cannot be held to its plan.
    #[error("this command cannot be held to what was cleared: {reason}")]
    Unsupported {
        /// For people: a lower-case fragment.
        reason: String,
    },
    /// No socket may listen here.
    #[error("no local port can be opened: {0}")]
    Listen(std::io::Error),
    /// A directory or file of our own.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The sandbox could not be set up, and the policy does not go without.
    #[error("the sandbox: {reason}")]
    Sandbox {
        /// For people: a lower-case fragment.
        reason: String,
    },
}

impl EnforceError {
    /// [`EnforceError::Unsupported`].
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported { reason: reason.into() }
    }

    /// [`EnforceError::Io`].
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// What the processes of a step may reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// The gateway alone, where there is one.
    #[default]
    Gateway,
    /// Nothing: for the code of packages, which has all that it needs.
    Nothing,
    /// What the tool reaches by itself: what it fetches, it holds to digests that were checked before.
    Open,
}

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The program, absolute.
    pub program: PathBuf,
    /// The words after the program's name.
    pub arguments: Vec<OsString>,
    /// Variables to set, or to take away, against those of the [`Job`].
    pub changes: BTreeMap<String, Option<OsString>>,
    /// The directory to start in; `None`: the job's.
    pub directory: Option<PathBuf>,
    /// Whether code of the packages runs in it, and not only the tool.
    pub runs_packages: bool,
    /// What the user asked to run, and not a part of installing it: it is not confined.
    pub free: bool,
    /// Its standard output is nothing to anybody.
    pub quiet: bool,
    /// What to say when it fails, where that does not end the job.
    pub tolerated: Option<String>,
    /// What it may reach.
    pub network: Network,
    /// What it alone writes, beside what every step of the job may.
    pub write: Vec<PathBuf>,
}

impl Step {
    /// The job's own command with nothing changed.
    pub fn of(job: &Job<'_>) -> Self {
        Self {
            program: job.program.to_owned(),
            arguments: job.arguments.to_vec(),
            changes: BTreeMap::new(),
            directory: None,
            runs_packages: false,
            free: false,
            quiet: false,
            tolerated: None,
            network: Network::default(),
            write: Vec::new(),
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.changes.insert(name.to_owned(), Some(value.as_ref().to_owned()));
    }

    /// Takes a variable away.
    pub fn remove(&mut self, name: &str) {
        self.changes.insert(name.to_owned(), None);
    }
}

/// What the processes of a step may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The only TCP port on 127.0.0.1 that may be connected to; `None`: the network as it is.
    pub port: Option<u16>,
    /// Any host may be connected to, also by code of packages.
    pub open: bool,
    /// Directories and files that may be written, with everything below them; beside them the policy's `[sandbox] write`.
    pub write: Vec<PathBuf>,
    /// Code of packages runs: no credentials in the environment or on disk, no other processes.
    pub runs_packages: bool,
}

/// What confines processes.
pub trait Sandbox: Send + Sync {
    /// The step that runs `step` within `limits`; most often this program itself, which then restricts itself and
    /// becomes the step's program.
    fn contain(&self, step: Step, limits: &Limits, job: &Job<'_>) -> Result<Step, EnforceError>;
    /// What it does to a step with these limits, a sentence each; what it cannot do here is said too.
    fn sentences(&self, limits: &Limits) -> Vec<String>;
    /// What to say when code of packages failed in it, as far as it may be the reason.
    fn hint(&self) -> Option<String> {
        None
    }
    /// What was asked for in it and stopped, so far.
    fn refused(&self) -> Vec<Refused> {
        Vec::new()
    }
}

/// No confinement: the tool's processes may do whatever the user may.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncontained;

impl Sandbox for Uncontained {
    fn contain(&self, step: Step, _limits: &Limits, _job: &Job<'_>) -> Result<Step, EnforceError> {
        Ok(step)
    }

    fn sentences(&self, _limits: &Limits) -> Vec<String> {
        vec!["the tool and what it runs are not confined".to_owned()]
    }
}

/// Runs a cleared command in the closed world of its plan.
pub fn run(job: &Job<'_>) -> Result<Outcome, EnforceError> {
    tool::run(job)
}
