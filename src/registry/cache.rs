//! What registries answered, kept between runs: one file an answer, in the reduced form of [`super::codec`].
//!
//! In go answers with their validators and lifetimes; out they come when fresh, or for revalidation. A cache that
//! cannot be read or written (missing, read-only, full, torn) is no error: it is as if nothing had been kept.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::http::Validators;

/// The directory of this format; another format takes another.
const FORMAT: &str = "registry-v2";
/// Directories of formats that are no longer read; a sweep removes them.
const FORMER: [&str; 1] = ["registry-v1"];
const MAGIC: &[u8; 8] = b"twcache1";
/// Files larger than this are not read: 256 MiB.
const ENTRY_MAX: u64 = 256 << 20;
/// What a sweep reduces the cache to: 1 GiB.
const SIZE_MAX: u64 = 1 << 30;
/// Between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long an answer's last use may lie back before a use is noted again.
const TOUCH_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What an answer is kept under. A hash, so neither URLs nor credentials stand in file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// From everything that decides an answer: its kind, URL, `Accept`, and who asks.
    pub fn new(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// The key as bytes, to be written down.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From bytes that were written down.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn path(&self, root: &Path) -> PathBuf {
        use std::fmt::Write as _;
        let hex = self.0.iter().fold(String::with_capacity(64), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        });
        let (head, tail) = hex.split_at(2);
        root.join(head).join(tail)
    }
}

/// What is known of an answer beside its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Seconds since 1970.
    pub stored_at: u64,
    /// Seconds; [`Meta::FOREVER`] for what a digest fixes.
    pub fresh_for: u64,
    /// For revalidation.
    pub validators: Validators,
    /// The registry said that there is no such thing.
    pub absent: bool,
}

impl Meta {
    /// For content that its address fixes.
    pub const FOREVER: u64 = u64::MAX;
}

thread_local! {
    /// A buffer to read the next answer into: what was read is decoded and let go at once.
    static SPARE: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// A larger buffer than this is not kept: 4 MiB.
const SPARE_MAX: usize = 4 << 20;

/// A kept answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is known of it.
    pub meta: Meta,
    bytes: Vec<u8>,
    body: usize,
}

impl Entry {
    /// The encoded body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body..).unwrap_or_default()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.bytes.capacity() <= SPARE_MAX {
            let bytes = std::mem::take(&mut self.bytes);
            // At a thread's end there is no next answer.
            let _ = SPARE.try_with(|spare| spare.set(bytes));
        }
    }
}

/// Which file an answer is: device, number, length, and when its content and its entry changed last, in nanoseconds. An
/// answer that is kept anew is another file. `None`: there is none.
pub type Stamp = Option<[u64; 5]>;

/// The stamp of a file.
#[cfg(unix)]
pub fn stamp(about: &std::fs::Metadata) -> [u64; 5] {
    use std::os::unix::fs::MetadataExt as _;
    let moment = |seconds: i64, nanos: i64| (seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)).cast_unsigned();
    let (modified, changed) = (moment(about.mtime(), about.mtime_nsec()), moment(about.ctime(), about.ctime_nsec()));
    [about.dev(), about.ino(), about.len(), modified, changed]
}

/// Other systems number no files: what depends on it is not done there.
#[cfg(not(unix))]
pub fn stamp(about: &std::fs::Metadata) -> [u64; 5] {
    [0, 0, about.len(), 0, 0]
}

/// What a run took from the cache: with the same answers, and for as long as they are taken for fresh, another run like it
/// would see the same.
#[derive(Debug)]
pub struct Witness {
    seen: Mutex<BTreeMap<[u8; 32], Stamp>>,
    until: AtomicU64,
    spoilt: AtomicBool,
}

impl Default for Witness {
    fn default() -> Self {
        Self { seen: Mutex::default(), until: AtomicU64::new(u64::MAX), spoilt: AtomicBool::new(false) }
    }
}

impl Witness {
    /// Every answer that was looked for; `None` when something was kept anew, or could not be looked at.
    pub fn seen(&self) -> Option<Vec<(Key, Stamp)>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.spoilt.load(Ordering::Acquire)).then(|| seen.iter().map(|(key, stamp)| (Key(*key), *stamp)).collect())
    }

    /// From when on one of them is no longer fresh, in seconds since 1970.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    fn note(&self, key: &Key, stamp: Stamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert(key.0, stamp).is_some_and(|before| before != stamp) {
            self.spoil();
        }
    }

    fn spoil(&self) {
        self.spoilt.store(true, Ordering::Release);
    }
}

/// The cache. Cheap to clone; without a directory it keeps nothing.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    root: Option<PathBuf>,
    clock: fn() -> SystemTime,
    written: AtomicBool,
    witness: Option<Arc<Witness>>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("root", &self.inner.root).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache in `directory` (made when first written to); `None` keeps nothing.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self::with_clock(directory, SystemTime::now)
    }

    /// The same with a clock of its own, for tests.
    pub fn with_clock(directory: Option<PathBuf>, clock: fn() -> SystemTime) -> Self {
        Self::made(directory, clock, None)
    }

    /// The same, with a witness of what is taken from it.
    pub fn watched(directory: Option<PathBuf>, witness: Arc<Witness>) -> Self {
        Self::made(directory, SystemTime::now, Some(witness))
    }

    fn made(directory: Option<PathBuf>, clock: fn() -> SystemTime, witness: Option<Arc<Witness>>) -> Self {
        let root = directory.map(|d| d.join(FORMAT));
        Self { inner: Arc::new(Inner { root, clock, written: AtomicBool::new(false), witness }) }
    }

    /// Which file is kept under `key` now. An error of the disk is a stamp that no file has.
    pub fn stamp(&self, key: &Key) -> Stamp {
        let Some(root) = &self.inner.root else { return None };
        match std::fs::metadata(key.path(root)) {
            Ok(about) => Some(stamp(&about)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(_) => Some([u64::MAX; 5]),
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        (self.inner.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Whether an answer may be used without asking.
    pub fn is_fresh(&self, meta: &Meta) -> bool {
        let now = self.now();
        // A time in the future is a clock that was wrong: then nothing is known of the age.
        let fresh = meta.fresh_for == Meta::FOREVER || (meta.stored_at <= now && now - meta.stored_at < meta.fresh_for);
        if let (true, Some(witness)) = (fresh, &self.inner.witness) {
            witness.until.fetch_min(meta.stored_at.saturating_add(meta.fresh_for), Ordering::AcqRel);
        }
        fresh
    }

    /// What is kept under `key`; `None` also when it is torn.
    pub fn load(&self, key: &Key) -> Option<Entry> {
        let path = key.path(self.inner.root.as_deref()?);
        let (mut file, about) = match std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file))) {
            Ok((about, file)) => (file, about),
            Err(error) => {
                if let Some(witness) = &self.inner.witness {
                    let absent = error.kind() == std::io::ErrorKind::NotFound;
                    if absent { witness.note(key, None) } else { witness.spoil() }
                }
                return None;
            }
        };
        if let Some(witness) = &self.inner.witness {
            witness.note(key, Some(stamp(&about)));
        }
        if !about.is_file() || about.len() > ENTRY_MAX {
            return None;
        }
        let mut bytes = SPARE.take();
        bytes.clear();
        // One more than the file has, so that its end is seen without growing.
        bytes.reserve(usize::try_from(about.len()).ok()?.checked_add(1)?);
        file.read_to_end(&mut bytes).ok()?;
        let entry = parse(bytes)?;
        let unused = about.modified().ok().and_then(|m| (self.inner.clock)().duration_since(m).ok());
        if unused.is_some_and(|age| age > TOUCH_AFTER) {
            // Read-only caches stay as they are.
            let _ = file.set_modified((self.inner.clock)());
        }
        Some(entry)
    }

    /// Keeps an answer, replacing what was there in one step.
    pub fn store(&self, key: &Key, meta: &Meta, body: &[u8]) {
        if let Some(witness) = &self.inner.witness {
            witness.spoil();
        }
        let Some(root) = &self.inner.root else { return };
        // A cache that cannot be written is no error.
        if write(root, &key.path(root), meta, body).is_ok() {
            self.inner.written.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(root) = &self.root
            && self.written.load(Ordering::Relaxed)
        {
            sweep(root, (self.clock)(), SIZE_MAX);
        }
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = rustc_hash::FxHasher::default();
    hash.write(bytes);
    hash.write_u64(bytes.len() as u64);
    hash.finish()
}

/// `magic · checksum of the rest · rest`, rest: times, flags, validators, body.
fn parse(bytes: Vec<u8>) -> Option<Entry> {
    let (magic, after) = bytes.split_at_checked(MAGIC.len())?;
    let (sum, rest) = after.split_at_checked(8)?;
    if magic != MAGIC || u64::from_le_bytes(sum.try_into().ok()?) != checksum(rest) {
        return None;
    }
    let mut reader = super::codec::Reader(rest);
    let meta = Meta {
        stored_at: reader.number()?,
        fresh_for: reader.number()?,
        absent: reader.flag()?,
        validators: Validators { etag: reader.option(|r| r.string())?, last_modified: reader.option(|r| r.string())? },
    };
    let body = bytes.len() - reader.0.len();
    Some(Entry { meta, body, bytes })
}

fn write(root: &Path, path: &Path, meta: &Meta, body: &[u8]) -> std::io::Result<()> {
    let mut out = super::codec::Writer::default();
    out.0.extend_from_slice(MAGIC);
    out.0.extend_from_slice(&[0; 8]);
    out.number(meta.stored_at);
    out.number(meta.fresh_for);
    out.flag(meta.absent);
    out.option(meta.validators.etag.as_deref(), |w, t| w.text(t));
    out.option(meta.validators.last_modified.as_deref(), |w, t| w.text(t));
    out.0.extend_from_slice(body);
    let sum = checksum(out.0.get(16..).unwrap_or_default()).to_le_bytes();
    if let Some(place) = out.0.get_mut(8..16) {
        place.copy_from_slice(&sum);
    }
    let directory = path.parent().unwrap_or(root);
    private_directory(directory)?;
    // Made with mode 0600 on Unix.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(&out.0)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn private_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Once a day: removes the answers longest unused until no more than `limit` bytes are left, and what crashed
/// writers left behind.
fn sweep(root: &Path, now: SystemTime, limit: u64) {
    let marker = root.join("swept");
    let due = std::fs::metadata(&marker)
        .and_then(|m| m.modified())
        .map_or(true, |m| now.duration_since(m).is_ok_and(|age| age > SWEEP_EVERY));
    // A cache that cannot be marked cannot be swept either.
    if !due || std::fs::write(&marker, b"").is_err() {
        return;
    }
    for former in FORMER {
        // Mostly there is none.
        let _ = std::fs::remove_dir_all(root.with_file_name(former));
    }
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().collect::<Vec<_>>();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries(root)
        .iter()
        .flat_map(|d| entries(&d.path()))
        .filter_map(|e| {
            let about = e.metadata().ok()?;
            about.is_file().then_some((about.modified().ok()?, about.len(), e.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|f| f.1).sum();
    for (modified, size, path) in files {
        let left_behind = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".new-"))
            && now.duration_since(modified).is_ok_and(|age| age > SWEEP_EVERY);
        if (total > limit || left_behind) && std::fs::remove_file(path).is_ok() {
            total -= size;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn meta(stored_at: u64, fresh_for: u64) -> Meta {
        let validators = Validators { etag: Some("\"x\"".to_owned()), last_modified: None };
        Meta { stored_at, fresh_for, validators, absent: false }
    }

    #[test]
    fn answers_come_back_and_age() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::with_clock(Some(dir.path().into()), || at(1_000));
        let key = Key::new(&["simple", "https://h.example/x/"]);
        assert_eq!(cache.load(&key), None);
        cache.store(&key, &meta(900, 600), b"body");
        let entry = cache.load(&key).unwrap();
        assert_eq!((entry.body(), &entry.meta), (&b"body"[..], &meta(900, 600)));
        assert!(cache.is_fresh(&meta(900, 600)) && cache.is_fresh(&meta(0, Meta::FOREVER)));
        assert!(!cache.is_fresh(&meta(900, 100)) && !cache.is_fresh(&meta(2_000, 600)));
        assert_eq!(cache.load(&Key::new(&["simple", "https://h.example/y/"])), None);
    }

    #[test]
    fn torn_and_foreign_files_are_misses() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(dir.path().into()));
        let key = Key::new(&["a"]);
        cache.store(&key, &meta(1, 1), b"a body that is long enough to be torn");
        let path = key.path(&dir.path().join(FORMAT));
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(cache.load(&key), None, "torn at {length}");
        }
        for place in 0..whole.len() {
            let mut bent = whole.clone();
            bent[place] ^= 0x10;
            std::fs::write(&path, &bent).unwrap();
            assert_eq!(cache.load(&key), None, "bent at {place}");
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        for cache in [Cache::new(Some(file)), Cache::new(None)] {
            let key = Key::new(&["a"]);
            cache.store(&key, &meta(1, 1), b"body");
            assert_eq!(cache.load(&key), None);
        }
    }

    #[test]
    fn the_longest_unused_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(dir.path().into()));
        let root = dir.path().join(FORMAT);
        let keys: Vec<Key> = ["a", "b", "c"].iter().map(|k| Key::new(&[k])).collect();
        for (age, key) in keys.iter().enumerate() {
            cache.store(key, &meta(1, 1), &[0; 1000]);
            let file = std::fs::File::options().write(true).open(key.path(&root)).unwrap();
            file.set_modified(at(1_000_000 - 100 * age as u64)).unwrap();
        }
        let former = dir.path().join(FORMER[0]).join("ab");
        std::fs::create_dir_all(&former).unwrap();
        sweep(&root, at(1_000_000), 2_200);
        assert!(!former.exists());
        assert!(!keys[2].path(&root).exists() && keys[1].path(&root).exists() && keys[0].path(&root).exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_witness_tells_every_answer_and_how_long_it_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let (there, absent) = (Key::new(&["a"]), Key::new(&["b"]));
        Cache::new(Some(dir.path().into())).store(&there, &meta(900, 600), b"body");
        let witness = Arc::new(Witness::default());
        let cache = Cache::watched(Some(dir.path().into()), Arc::clone(&witness));
        let entry = cache.load(&there).unwrap();
        assert_eq!((cache.load(&absent), witness.until()), (None, u64::MAX));
        let now = cache.now();
        assert!(!cache.is_fresh(&entry.meta) && witness.until() == u64::MAX);
        assert!(cache.is_fresh(&meta(now, 600)) && cache.is_fresh(&meta(now - 10, 300)));
        assert_eq!(witness.until(), now - 10 + 300);
        let seen: BTreeMap<[u8; 32], Stamp> = witness.seen().unwrap().into_iter().map(|(k, s)| (k.0, s)).collect();
        assert_eq!(seen, [(there.0, cache.stamp(&there)), (absent.0, None)].into());
        assert!(cache.stamp(&there).is_some());
        // The same answer kept anew is another file, and keeping spoils the account.
        let before = cache.stamp(&there);
        cache.store(&there, &meta(900, 600), b"body");
        assert_ne!(cache.stamp(&there), before);
        assert!(witness.seen().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(dir.path().join("made")));
        let key = Key::new(&["a"]);
        cache.store(&key, &meta(1, 1), b"");
        let path = key.path(&dir.path().join("made").join(FORMAT));
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
