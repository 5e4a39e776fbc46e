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
    /// Which recorded URLs of tarballs stand for these registries.
    pub replaced: Replaced,
}

/// Whose URLs, in a lockfile or a packument, stand for the configured registry when a tarball is fetched: npm's
/// `replace-registry-host`. Other tools replace none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Replaced {
    /// Nobody's.
    #[default]
    None,
    /// A host's.
    Host(String),
    /// Everybody's.
    All,
}

impl Replaced {
    /// npm's default, `npmjs`.
    pub fn of_npm() -> Self {
        Self::Host("registry.npmjs.org".to_owned())
    }

    /// npm's setting: `never`, `always`, `npmjs`, a host, or a URL, of which the host counts.
    pub fn named(value: &str) -> Self {
        match value {
            "never" => Self::None,
            "always" => Self::All,
            "npmjs" | "" => Self::of_npm(),
            other => {
                let url = Url::parse(other).ok();
                Self::Host(url.as_ref().and_then(Url::host_str).unwrap_or(other).to_owned())
            }
        }
    }
}

impl Scopes {
    /// The public registry for everything.
    pub fn public() -> Option<Self> {
        let default = Url::parse(super::NPM_DEFAULT).ok()?;
        Some(Self { default, scoped: BTreeMap::new(), replaced: Replaced::None })
    }

    /// The registry of a name.
    pub fn url_of(&self, name: &PackageName) -> &Url {
        let scope = name.written().split_once('/').map(|(scope, _)| scope).filter(|s| s.starts_with('@'));
        scope.and_then(|s| self.scoped.get(s)).unwrap_or(&self.default)
    }

    /// Where a tarball whose URL is recorded is fetched from, when that is somewhere else: at the same path below the
    /// configured registry of its name.
    pub fn tarball_url(&self, name: &PackageName, recorded: &str) -> Option<String> {
        let url = Url::parse(recorded).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let stands = match &self.replaced {
            Replaced::None => false,
            Replaced::Host(host) => url.host_str() == Some(host),
            Replaced::All => true,
        };
        let base = self.url_of(name);
        if !stands || base.origin() == url.origin() {
            return None;
        }
        let prefix = base.path().trim_end_matches('/');
        let below = url.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        let mut new = base.clone();
        new.set_path(&if below { url.path().to_owned() } else { format!("{prefix}{}", url.path()) });
        new.set_query(url.query());
        Some(new.into())
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::model::Ecosystem;

    #[test]
    fn recorded_urls_that_stand_for_the_configured_registry() {
        let from = |registry: &str, replaced: &str, name: &str, url: &str| {
            let default = Url::parse(registry).unwrap();
            let scoped = [("@own".to_owned(), Url::parse("https://own.example/npm/").unwrap())].into();
            let scopes = Scopes { default, scoped, replaced: Replaced::named(replaced) };
            scopes.tarball_url(&PackageName::new(Ecosystem::Npm, name), url)
        };
        let (public, corp) = ("https://registry.npmjs.org/", "https://corp.example:8443/api/npm");
        let a = "https://registry.npmjs.org/a/-/a-1.0.0.tgz";
        for (registry, replaced, name, url, expected) in [
            (public, "npmjs", "a", a, None),
            (corp, "npmjs", "a", a, Some("https://corp.example:8443/api/npm/a/-/a-1.0.0.tgz")),
            (corp, "registry.npmjs.org", "a", a, Some("https://corp.example:8443/api/npm/a/-/a-1.0.0.tgz")),
            (corp, "https://registry.npmjs.org/", "a", a, Some("https://corp.example:8443/api/npm/a/-/a-1.0.0.tgz")),
            (corp, "never", "a", a, None),
            (corp, "npmjs", "a", "https://old.example/a/-/a-1.0.0.tgz", None),
            (corp, "always", "a", "https://old.example/a.tgz?x=1", Some("https://corp.example:8443/api/npm/a.tgz?x=1")),
            (
                corp,
                "old.example",
                "a",
                "https://old.example/api/npm/a.tgz",
                Some("https://corp.example:8443/api/npm/a.tgz"),
            ),
            (
                corp,
                "npmjs",
                "@own/a",
                "https://registry.npmjs.org/@own%2fa/-/a-1.tgz",
                Some("https://own.example/npm/@own%2fa/-/a-1.tgz"),
            ),
            ("http://127.0.0.1:4873/", "npmjs", "a", a, Some("http://127.0.0.1:4873/a/-/a-1.0.0.tgz")),
            (corp, "always", "a", "file:///a.tgz", None),
        ] {
            assert_eq!(from(registry, replaced, name, url).as_deref(), expected, "{registry} {replaced} {url}");
        }
    }
}
