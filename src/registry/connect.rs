//! One HTTP thread, one cache and one pool for the whole program; the three kinds of index made over them.

use std::path::PathBuf;
use std::sync::Arc;

use super::PrivateNames;
use super::cache::{Cache, Witness};
use super::crate_index::{CrateIndexes, CrateRegistries};
use super::fetch::Fetcher;
use super::http::{Client, Http, Profile};
use super::index::{Indexes, SimpleIndexes};
use super::npm_registry::{Packuments, Scopes};
use super::pool::Pool;
use crate::model::{Environment, Files};

/// Threads that fetch ahead. Against the network they wait more than they work.
const POOL_THREADS: usize = 44;

/// What all registries have in common.
#[derive(Clone)]
pub struct Options {
    /// Where answers are kept ([`cache_directory`]); `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// Only the cache may answer, and nothing is fetched.
    pub offline: bool,
    /// For find-links directories, vendored crates and local registries.
    pub files: Arc<dyn Files>,
    /// Names that no public registry may see.
    pub private: PrivateNames,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("cache", &self.cache).field("offline", &self.offline).finish_non_exhaustive()
    }
}

/// Makes the indexes. Starts no thread and opens no file by itself.
#[derive(Debug, Clone)]
pub struct Registries {
    options: Options,
    http: Http,
    cache: Cache,
    pool: Pool,
}

impl Registries {
    /// Nothing is started yet.
    pub fn new(options: Options) -> Self {
        let cache = Cache::new(options.cache.clone());
        Self::over(options, cache)
    }

    /// The same, with a witness of what is taken from the cache.
    pub fn watched(options: Options, witness: Arc<Witness>) -> Self {
        let cache = Cache::watched(options.cache.clone(), witness);
        Self::over(options, cache)
    }

    fn over(options: Options, cache: Cache) -> Self {
        let http = if options.offline { Http::offline() } else { Http::new() };
        Self { options, http, cache, pool: Pool::new(POOL_THREADS) }
    }

    /// Python indexes.
    pub fn python(&self, indexes: Indexes, profile: Profile) -> SimpleIndexes {
        let Options { files, private, .. } = self.options.clone();
        SimpleIndexes::new(indexes, self.fetcher(profile), self.pool.clone(), files, private)
    }

    /// npm registries.
    pub fn npm(&self, scopes: Scopes, profile: Profile) -> Packuments {
        Packuments::new(scopes, self.fetcher(profile), self.pool.clone(), Arc::clone(&self.options.private))
    }

    /// Cargo registries.
    pub fn crates(&self, registries: CrateRegistries, profile: Profile) -> CrateIndexes {
        let Options { files, private, .. } = self.options.clone();
        CrateIndexes::new(registries, self.fetcher(profile), self.pool.clone(), files, private)
    }

    /// A plain client, for feeds.
    pub fn client(&self, profile: Profile) -> Client {
        self.http.client(profile)
    }

    /// Whether the network was used at all.
    pub fn network_used(&self) -> bool {
        self.http.started()
    }

    fn fetcher(&self, profile: Profile) -> Fetcher {
        Fetcher { client: self.http.client(profile), cache: self.cache.clone(), offline: self.options.offline }
    }
}

/// Where the cache is by default: `$XDG_CACHE_HOME/tidewaiter`, `~/.cache/tidewaiter`, or the platform's own place.
pub fn cache_directory(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| environment.variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let home = environment.home.as_ref();
    let base = match environment.os {
        "windows" => absolute("LOCALAPPDATA").or_else(|| home.map(|h| h.join("AppData").join("Local"))),
        "macos" => absolute("XDG_CACHE_HOME").or_else(|| home.map(|h| h.join("Library").join("Caches"))),
        _ => absolute("XDG_CACHE_HOME").or_else(|| home.map(|h| h.join(".cache"))),
    };
    base.map(|b| b.join("tidewaiter"))
}
