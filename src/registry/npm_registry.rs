//! npm registries as configured: packuments, by scope. Configuration in, [`NpmRegistry`] out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::fetch::{Fetcher, Memo};
use super::http::{Request, Response};
use super::npm::Packument;
use super::pool::Pool;
use super::{FetchError, NpmRegistry, PrivateNames, packument};
use crate::model::{PackageName, SignalGap, redact_url};

/// Packuments larger than this are refused: 256 MiB. The largest real ones are near 50.
const PACKUMENT_MAX: u64 = 256 << 20;

/// How long an answer serves to hold a lockfile against: 1 day.
const LOCK_FRESH: u64 = 24 * 3600;

/// Which registry serves which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes {
    /// For names without a scope of their own.
    pub default: Url,
    /// By scope, with its `@`.
    pub scoped: BTreeMap<String, Url>,
}

impl Scopes {
    /// The public registry for everything.
    pub fn public() -> Option<Self> {
        Some(Self { default: Url::parse(super::NPM_DEFAULT).ok()?, scoped: BTreeMap::new() })
    }

    /// The registry of a name.
    pub fn url_of(&self, name: &PackageName) -> &Url {
        let scope = name.written().split_once('/').map(|(scope, _)| scope).filter(|s| s.starts_with('@'));
        scope.and_then(|s| self.scoped.get(s)).unwrap_or(&self.default)
    }

    /// Where a name's packument is.
    pub fn packument_url(&self, name: &PackageName) -> String {
        let base = self.url_of(name).as_str().trim_end_matches('/');
        format!("{base}/{}", name.written().replacen('/', "%2f", 1))
    }
}

/// Whether it is npm's own registry or a mirror of it that everybody can publish to.
pub fn is_public(url: &Url) -> bool {
    matches!(url.host_str(), Some("registry.npmjs.org" | "registry.yarnpkg.com" | "registry.npmmirror.com"))
}

/// What was seen of a registry's signals.
#[derive(Default, Clone, Copy)]
struct Seen {
    time: bool,
    attested: bool,
    publisher: bool,
}

/// The real [`NpmRegistry`].
#[derive(Clone)]
pub struct Packuments {
    shared: Arc<Shared>,
}

struct Shared {
    scopes: Scopes,
    fetcher: Fetcher,
    pool: Pool,
    private: PrivateNames,
    packuments: Memo<PackageName, Packument>,
    /// For lockfiles only: these may be older.
    for_lock: Memo<PackageName, Arc<Packument>>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Packuments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packuments").field("scopes", &self.shared.scopes).finish_non_exhaustive()
    }
}

impl Packuments {
    /// The client that it asks with: one tool's time-outs, proxies, certificates and credentials.
    pub fn client(&self) -> &super::http::Client {
        &self.shared.fetcher.client
    }

    /// Asks nothing yet.
    pub fn new(scopes: Scopes, fetcher: Fetcher, pool: Pool, private: PrivateNames) -> Self {
        let (packuments, for_lock, seen) = (Memo::default(), Memo::default(), Mutex::default());
        Self { shared: Arc::new(Shared { scopes, fetcher, pool, private, packuments, for_lock, seen }) }
    }
}

impl NpmRegistry for Packuments {
    fn packument(&self, name: &PackageName) -> Result<Arc<Packument>, FetchError> {
        self.shared.packuments.get(name, || self.shared.packument(name))
    }

    fn prefetch(&self, names: &[PackageName]) {
        for name in names {
            let (shared, own) = (Arc::clone(&self.shared), name.clone());
            self.shared.packuments.start(&self.shared.pool, name, move || shared.packument(&own));
        }
    }

    fn packument_for_lock(
        &self,
        name: &PackageName,
        versions: &BTreeSet<String>,
    ) -> Result<Arc<Packument>, FetchError> {
        let packument = self.shared.for_lock.get(name, || self.shared.for_lock(name, versions))?;
        Ok(Arc::clone(&packument))
    }

    fn prefetch_for_lock(&self, wanted: &BTreeMap<PackageName, BTreeSet<String>>) {
        for (name, versions) in wanted {
            let (shared, own, versions) = (Arc::clone(&self.shared), name.clone(), versions.clone());
            self.shared.for_lock.start(&self.shared.pool, name, move || shared.for_lock(&own, &versions));
        }
    }

    fn registry_of(&self, name: &PackageName) -> String {
        redact_url(self.shared.scopes.url_of(name).as_str())
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        let mut out = BTreeSet::new();
        for (registry, seen) in lock(&self.shared.seen).iter() {
            let mut gap = |there: bool, signal: &'static str, reason: &str| {
                if !there {
                    out.insert(SignalGap { signal, registry: registry.clone(), reason: reason.to_owned() });
                }
            };
            gap(seen.time, "published-at", "no packument of it has times");
            gap(seen.attested, "provenance", "no packument of it has attestations");
            gap(seen.publisher, "publisher", "no packument of it says who published");
        }
        out.into_iter().collect()
    }
}

impl Shared {
    /// The request for a packument; an error for a name that must not be asked for.
    fn request(&self, name: &PackageName) -> Result<Request, FetchError> {
        let base = self.scopes.url_of(name);
        let registry = redact_url(base.as_str());
        // A name that no registry would accept is not asked for: its text would become part of a URL.
        if !name.is_well_formed() {
            return Err(FetchError::NotFound { registry });
        }
        if is_public(base) && (self.private)(name) {
            return Err(FetchError::PrivateName { registry });
        }
        let request = Request::get(&self.scopes.packument_url(name), "application/json", PACKUMENT_MAX);
        Ok(Request { in_pieces: true, ..request })
    }

    fn for_lock(&self, name: &PackageName, versions: &BTreeSet<String>) -> Result<Arc<Packument>, FetchError> {
        let kept = self.fetcher.kept_within::<Packument>("packument", &self.request(name)?, LOCK_FRESH);
        if let Some(packument) = kept.filter(|p| versions.iter().all(|v| p.versions.contains(v))) {
            return Ok(Arc::new(self.noted(name, packument)));
        }
        let known = self.packuments.get(name, || self.packument(name))?;
        if self.fetcher.offline || versions.iter().all(|v| known.versions.contains(v)) {
            return Ok(known);
        }
        // A release newer than what is kept must not pass for one that the registry never had.
        let request = self.request(name)?;
        let read = Self::reader(&request, name);
        let again = self.fetcher.revalidated("packument", request, read)?;
        Ok(Arc::new(self.noted(name, again)))
    }

    fn packument(&self, name: &PackageName) -> Result<Packument, FetchError> {
        let request = self.request(name)?;
        let read = Self::reader(&request, name);
        let packument = self.fetcher.cached("packument", request, read)?;
        Ok(self.noted(name, packument))
    }

    fn reader(
        request: &Request,
        name: &PackageName,
    ) -> impl FnOnce(&Response, Option<&mut dyn Read>) -> Result<Packument, FetchError> + Send + use<> {
        let (url, name) = (request.url.clone(), name.clone());
        move |response, pieces| {
            let read = match pieces {
                Some(pieces) => packument::read_pieces(pieces, &name),
                None => packument::read(&response.body, &name),
            };
            read.map_err(|reason| FetchError::Malformed { registry: redact_url(&url), reason })
        }
    }

    /// The packument with its registry, which signals are noted of.
    fn noted(&self, name: &PackageName, mut packument: Packument) -> Packument {
        packument.registry = redact_url(self.scopes.url_of(name).as_str());
        let mut all = lock(&self.seen);
        let seen = all.entry(packument.registry.clone()).or_default();
        seen.time |= packument.versions.iter().any(|v| v.published().is_some());
        seen.attested |= packument.versions.iter().any(|v| v.attested());
        seen.publisher |= packument.versions.iter().any(|v| v.publisher().is_some());
        packument
    }
}
