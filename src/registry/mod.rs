//! Registries as the user configured them: who is asked for which name, and the metadata they answer with.
//!
//! The traits here are what resolvers see: synchronous, object-safe, thread-safe. `prefetch` is a hint that lets
//! an implementation fetch many names at once; the call that follows finds them ready. [`http`] has the real ones.

pub mod archive;
pub mod cache;
pub mod cargo_config;
pub mod codec;
pub mod connect;
pub mod crate_index;
pub mod crates;
pub mod fetch;
pub mod file_list;
pub mod http;
pub mod index;
pub mod line_list;
pub mod metadata;
pub mod npm;
pub mod npm_config;
pub mod npm_registry;
pub mod packument;
pub mod pieces;
pub mod pool;
pub mod python;
pub mod python_config;
pub mod remote;
pub mod simple;
pub mod vendored;
pub mod version_list;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{PackageName, SignalGap};

/// The index that pip and its kin use when nothing is configured.
pub const PYPI_DEFAULT: &str = "https://pypi.org/simple/";
/// The registry that npm and its kin use when nothing is configured.
pub const NPM_DEFAULT: &str = "https://registry.npmjs.org/";
/// The index that cargo uses when nothing is configured.
pub const CRATES_DEFAULT: &str = "https://index.crates.io/";
/// What a lockfile calls crates.io, whichever way it is asked.
pub const CRATES_SOURCE_ID: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Why a registry gave no metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Every registry that may be asked for this name says that it has no such package.
    #[error("{registry} has no such package")]
    NotFound {
        /// The registries asked.
        registry: String,
    },
    /// No connection, a time-out, or a server error after retries.
    #[error("{registry} could not be reached: {reason}")]
    Unreachable {
        /// The registry, without credentials.
        registry: String,
        /// For people.
        reason: String,
    },
    /// The registry wants credentials, or refuses those configured (401, 403).
    #[error("{registry} refused access ({status})")]
    Unauthorized {
        /// The registry, without credentials.
        registry: String,
        /// The HTTP status.
        status: u16,
    },
    /// It answered with something that is not the format.
    #[error("{registry} answered with something unreadable: {reason}")]
    Malformed {
        /// The registry, without credentials.
        registry: String,
        /// For people.
        reason: String,
    },
    /// The answer is larger than the limit.
    #[error("{registry} answered with more than {limit} bytes")]
    TooLarge {
        /// The registry, without credentials.
        registry: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// `--offline`, and nothing in the cache.
    #[error("offline, and {registry} is not in the cache")]
    Offline {
        /// The registry, without credentials.
        registry: String,
    },
    /// The name is private, and only a public registry could be asked for it.
    #[error("a private name, and {registry} is public: it was not asked")]
    PrivateName {
        /// The public registry that would have been asked.
        registry: String,
    },
    /// A kind of registry that this program cannot ask: a git index, a replacement it does not know.
    #[error("{registry} cannot be asked: {reason}")]
    Unsupported {
        /// The registry, without credentials.
        registry: String,
        /// For people.
        reason: String,
    },
    /// The configuration makes asking impossible: an unreadable certificate file, an alternate registry without a definition.
    #[error("the configuration does not hold: {reason}")]
    Configuration {
        /// For people; names the file or the key.
        reason: String,
    },
    /// What is asked for is known only by running the package's code: an sdist without static metadata.
    #[error("its metadata is known only by running its build: {reason}")]
    NeedsExecution {
        /// For people.
        reason: String,
    },
}

/// Whether the policy says that a name is private: a public registry must not see it.
pub type PrivateNames = Arc<dyn Fn(&PackageName) -> bool + Send + Sync>;

/// PyPI-like indexes as configured: default, extra, find-links, merged by pip's rules (uv's where asked).
pub trait PythonIndex: Send + Sync {
    /// Every file of a project over all indexes that may serve it.
    fn project(&self, name: &PackageName) -> Result<Arc<python::Project>, FetchError>;
    /// The core metadata of one file: PEP 658, then a range request into the wheel, then a bounded download;
    /// for an sdist its static PKG-INFO (metadata 2.2 or later, or no `Dynamic` requirement fields).
    fn metadata(&self, file: &python::File) -> Result<Arc<python::CoreMetadata>, FetchError>;
    /// The same project with the upload times its pages lack, where another document of the same index has them.
    /// Costs a request, so it is asked for only when a time decides something.
    fn with_upload_times(&self, project: &Arc<python::Project>) -> Arc<python::Project> {
        Arc::clone(project)
    }
    /// These projects will be asked for.
    fn prefetch(&self, names: &[PackageName]);
    /// The metadata of these files will be asked for.
    fn prefetch_metadata(&self, files: &[python::File]);
    /// Whether a wheel of a project plants code into every start of the interpreter, by its own list of files; `None`
    /// when that is not known. `ask`: a request may be spent on it, beyond what was seen while its metadata was read.
    fn starts_code(&self, _project: &PackageName, _file: &python::File, _ask: bool) -> Option<archive::StartsCode> {
        None
    }
    /// [`PythonIndex::starts_code`] will be asked for these.
    fn prefetch_starts_code(&self, _files: &[python::File]) {}
    /// The files of a source distribution that say what it is built with. Nothing of it runs. `Ok` of neither file means
    /// that it has none of them, and installers take setuptools.
    fn build_files(&self, _file: &python::File) -> Result<Arc<python::BuildFiles>, FetchError> {
        Err(FetchError::NeedsExecution { reason: "this index does not give its files".to_owned() })
    }
    /// [`PythonIndex::build_files`] will be asked for these.
    fn prefetch_build_files(&self, _files: &[python::File]) {}
    /// What the indexes did not tell, seen so far.
    fn signal_gaps(&self) -> Vec<SignalGap>;
}

/// npm registries as configured: the default and one for each scope.
pub trait NpmRegistry: Send + Sync {
    /// A packument.
    fn packument(&self, name: &PackageName) -> Result<Arc<npm::Packument>, FetchError>;
    /// These packuments will be asked for.
    fn prefetch(&self, names: &[PackageName]);
    /// A packument to hold a lockfile's versions against. A registry never changes the digests and the time of a
    /// release, so where it was asked within the last day and knew all of `versions`, that answer serves: an unchanged
    /// lockfile costs no request. What was deprecated, removed or released since is not in it; nothing is picked
    /// from it, and the advisories do not depend on it.
    fn packument_for_lock(
        &self,
        name: &PackageName,
        _versions: &BTreeSet<String>,
    ) -> Result<Arc<npm::Packument>, FetchError> {
        self.packument(name)
    }
    /// [`NpmRegistry::packument_for_lock`] will be asked for these.
    fn prefetch_for_lock(&self, wanted: &BTreeMap<PackageName, BTreeSet<String>>) {
        self.prefetch(&wanted.keys().cloned().collect::<Vec<_>>());
    }
    /// Base URL of the registry that serves this name.
    fn registry_of(&self, name: &PackageName) -> String;
    /// What the registries did not tell, seen so far.
    fn signal_gaps(&self) -> Vec<SignalGap>;
}

/// Cargo registries as configured: crates.io or its replacement, and alternate ones by name.
pub trait CrateIndex: Send + Sync {
    /// A crate's index file. `registry` is an alternate registry's name or index URL; `None` is crates.io (or its replacement).
    fn krate(&self, name: &PackageName, registry: Option<&str>) -> Result<Arc<crates::Crate>, FetchError>;
    /// These crates will be asked for.
    fn prefetch(&self, names: &[(PackageName, Option<String>)]);
    /// A `.crate` file's bytes, verified against `checksum` (SHA-256 hex). Bounded. Needed for `cargo install`: its manifest and lockfile.
    fn download(
        &self,
        name: &PackageName,
        version: &str,
        checksum: &str,
        registry: Option<&str>,
    ) -> Result<Arc<[u8]>, FetchError>;
    /// The source id a lockfile would record (`registry+https://github.com/rust-lang/crates.io-index`) and the index's base URL.
    fn source_of(&self, registry: Option<&str>) -> Result<crates::IndexSource, FetchError>;
    /// What the registries did not tell, seen so far.
    fn signal_gaps(&self) -> Vec<SignalGap>;
}
