//! Client and cache together: an answer decoded once, kept reduced, revalidated when old; and values that are made
//! ahead by a [`Pool`] while each asker waits only for its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::FetchError;
use super::cache::{Cache, Key, Meta};
use super::codec::{Reader, Stored, Writer};
use super::http::{Client, Request, Response};
use super::pool::{self, Pool};
use crate::model::redact_url;

/// How long metadata is used without asking, when the server says nothing, and at most when it says more: 10 minutes.
const FRESH_MAX: u64 = 600;
/// How long `no such package` is believed.
const ABSENT_FOR: u64 = 60;

/// Client, cache and whether the network may be used at all.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// With the profile of one tool.
    pub client: Client,
    /// Shared by all tools.
    pub cache: Cache,
    /// Only the cache may answer, however old.
    pub offline: bool,
}

impl Fetcher {
    /// The answer to `request` as a `T`: from the cache when fresh, else asked for (with validators), decoded by
    /// `read`, and kept. `kind` names the form in the cache. 404 and 410 are kept shortly.
    pub fn cached<T: Stored + Send + 'static>(
        &self,
        kind: &str,
        request: Request,
        read: impl FnOnce(&Response, Option<&mut dyn Read>) -> Result<T, FetchError> + Send + 'static,
    ) -> Result<T, FetchError> {
        self.cached_as(self.key(kind, &request), request, true, read)
    }

    /// As [`Fetcher::cached`], and asked for even when what is kept is fresh; offline that still answers.
    pub fn revalidated<T: Stored + Send + 'static>(
        &self,
        kind: &str,
        request: Request,
        read: impl FnOnce(&Response, Option<&mut dyn Read>) -> Result<T, FetchError> + Send + 'static,
    ) -> Result<T, FetchError> {
        self.cached_as(self.key(kind, &request), request, false, read)
    }

    /// The value kept for ever under `address`.
    pub fn kept<T: Stored>(&self, kind: &str, address: &str) -> Option<T> {
        let entry = self.cache.load(&Key::new(&[kind, address]))?;
        T::decode(&mut Reader(entry.body()))
    }

    /// Keeps a value for ever under `address`.
    pub fn keep<T: Stored>(&self, kind: &str, address: &str, value: &T) {
        let meta = Meta { stored_at: self.cache.now(), fresh_for: Meta::FOREVER, ..Meta::default() };
        let mut out = Writer::default();
        value.encode(&mut out);
        self.cache.store(&Key::new(&[kind, address]), &meta, &out.0);
    }

    /// What [`Fetcher::cached`] kept no longer ago than `seconds` (any time ago when offline), whatever its lifetime:
    /// for facts that do not change.
    pub fn kept_within<T: Stored>(&self, kind: &str, request: &Request, seconds: u64) -> Option<T> {
        let entry = self.cache.load(&self.key(kind, request))?;
        let young = self.cache.is_fresh(&Meta { fresh_for: seconds, ..entry.meta.clone() });
        if entry.meta.absent || !(young || self.offline) {
            return None;
        }
        T::decode(&mut Reader(entry.body()))
    }

    fn key(&self, kind: &str, request: &Request) -> Key {
        // What one identity may see another may not: the header's value is part of what is hashed.
        let identity = request.authorization.clone().or_else(|| {
            let url = url::Url::parse(&request.url).ok()?;
            super::http::split_user_info(url.clone()).1.or_else(|| self.client.profile().credentials.for_url(&url))
        });
        let identity = identity.map(|a| a.header()).unwrap_or_default();
        Key::new(&[kind, &request.url, request.accept, &identity])
    }

    fn cached_as<T: Stored + Send + 'static>(
        &self,
        key: Key,
        mut request: Request,
        believe: bool,
        read: impl FnOnce(&Response, Option<&mut dyn Read>) -> Result<T, FetchError> + Send + 'static,
    ) -> Result<T, FetchError> {
        let absent = || FetchError::NotFound { registry: redact_url(&request.url) };
        let mut known = None;
        if let Some(entry) = self.cache.load(&key) {
            let usable = self.offline || (believe && self.cache.is_fresh(&entry.meta));
            if entry.meta.absent {
                if usable {
                    return Err(absent());
                }
            } else if let Some(value) = T::decode(&mut Reader(entry.body())) {
                if usable {
                    return Ok(value);
                }
                known = Some((value, entry));
            }
        }
        if self.offline {
            return Err(FetchError::Offline { registry: redact_url(&request.url) });
        }
        if let Some((_, entry)) = &known {
            request.validators = entry.meta.validators.clone();
        }
        let response = self.client.fetch_compressed(request.clone())?;
        let now = self.cache.now();
        let meta = |absent: bool| Meta {
            stored_at: now,
            fresh_for: lifetime(response.header("cache-control")),
            validators: response.validators(),
            absent,
        };
        match (response.status, known) {
            (304, Some((value, entry))) => {
                let mut meta = meta(false);
                if meta.validators.etag.is_none() && meta.validators.last_modified.is_none() {
                    meta.validators = entry.meta.validators.clone();
                }
                self.cache.store(&key, &meta, entry.body());
                Ok(value)
            }
            (304, None) => Err(FetchError::Malformed {
                registry: redact_url(&request.url),
                reason: "not modified, though nothing was known".to_owned(),
            }),
            (404 | 410, _) => {
                self.cache.store(&key, &Meta { fresh_for: ABSENT_FOR, ..meta(true) }, b"");
                Err(absent())
            }
            _ => {
                let meta = meta(false);
                let response = response.success()?;
                let (value, bytes) = pool::apart(move || {
                    let value = response.read(&request, read)?;
                    let mut out = Writer::default();
                    value.encode(&mut out);
                    Ok((value, out.0))
                })?;
                self.cache.store(&key, &meta, &bytes);
                Ok(value)
            }
        }
    }
}

/// Seconds of freshness that `Cache-Control` grants, at most [`FRESH_MAX`].
fn lifetime(cache_control: Option<&str>) -> u64 {
    let Some(text) = cache_control else { return FRESH_MAX };
    let text = text.to_ascii_lowercase();
    let mut max_age = FRESH_MAX;
    for part in text.split(',').map(str::trim) {
        if matches!(part, "no-cache" | "no-store") {
            return 0;
        }
        if let Some(seconds) = part.strip_prefix("max-age=") {
            max_age = seconds.trim_matches('"').parse().unwrap_or(0);
        }
    }
    max_age.min(FRESH_MAX)
}

/// One value being fetched, or fetched.
struct Slot<V> {
    /// Whoever sets it does the work.
    claimed: AtomicBool,
    value: Mutex<Option<Result<Arc<V>, FetchError>>>,
    ready: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values by key, each fetched once, however many ask for it.
pub struct Memo<K, V> {
    slots: Mutex<HashMap<K, Arc<Slot<V>>>>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K, V> std::fmt::Debug for Memo<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo").field("slots", &lock(&self.slots).len()).finish()
    }
}

impl<K: Hash + Eq + Clone, V> Memo<K, V> {
    fn slot(&self, key: &K) -> Arc<Slot<V>> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot { claimed: AtomicBool::new(false), value: Mutex::new(None), ready: Condvar::new() });
        slots.insert(key.clone(), Arc::clone(&slot));
        slot
    }

    /// The value of `key`: remembered, waited for when another thread is at it, else made here by `work`.
    pub fn get(&self, key: &K, work: impl FnOnce() -> Result<V, FetchError>) -> Result<Arc<V>, FetchError> {
        let slot = self.slot(key);
        if !slot.claimed.swap(true, Ordering::AcqRel) {
            return slot.fill(work);
        }
        if let Some(value) = &*lock(&slot.value) {
            return value.clone();
        }
        pool::waiting(|| {
            let mut value = lock(&slot.value);
            loop {
                if let Some(value) = &*value {
                    return value.clone();
                }
                value = slot.ready.wait(value).unwrap_or_else(PoisonError::into_inner);
            }
        })
    }

    /// Lets the pool make the value, unless somebody has.
    pub fn start(&self, pool: &Pool, key: &K, work: impl FnOnce() -> Result<V, FetchError> + Send + 'static)
    where
        V: Send + Sync + 'static,
    {
        let slot = self.slot(key);
        if slot.claimed.load(Ordering::Acquire) {
            return;
        }
        pool.run(move || {
            if !slot.claimed.swap(true, Ordering::AcqRel) {
                // The result stays in the slot for whoever asks.
                let _ = slot.fill(work);
            }
        });
    }
}

impl<V> Slot<V> {
    fn fill(&self, work: impl FnOnce() -> Result<V, FetchError>) -> Result<Arc<V>, FetchError> {
        // A panic in `work` must not leave others waiting for ever.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let reason = "reading the answer failed unexpectedly".to_owned();
            Err(FetchError::Malformed { registry: "the registry".to_owned(), reason })
        });
        let made = made.map(Arc::new);
        *lock(&self.value) = Some(made.clone());
        self.ready.notify_all();
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_may_shorten_freshness_and_not_lengthen_it() {
        assert_eq!(lifetime(None), 600);
        assert_eq!(lifetime(Some("max-age=60, public")), 60);
        assert_eq!(lifetime(Some("public, Max-Age=31536000")), 600);
        assert_eq!(lifetime(Some("no-cache")), 0);
        assert_eq!(lifetime(Some("max-age=-1")), 0);
    }

    #[test]
    fn each_value_is_made_once_and_a_panic_reaches_every_asker() {
        let memo: Arc<Memo<u32, u32>> = Arc::default();
        let pool = Pool::new(4);
        let made = Arc::new(std::sync::atomic::AtomicU32::new(0));
        for _ in 0..3 {
            for key in 0..50 {
                let made = Arc::clone(&made);
                memo.start(&pool, &key, move || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(key * 2)
                });
            }
        }
        for key in 0..50 {
            let made = Arc::clone(&made);
            let value = memo.get(&key, move || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(key * 2)
            });
            assert_eq!(value.as_deref(), Ok(&(key * 2)));
        }
        assert_eq!(made.load(Ordering::Relaxed), 50);
        let broken = Memo::<u32, u32>::default();
        assert!(broken.get(&1, || panic!("on purpose")).is_err());
        assert!(broken.get(&1, || Ok(1)).is_err());
    }
}
