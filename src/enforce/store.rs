//! Artifacts by digest, on disk, shared by every run: nothing is handed out that does not have the digest it is asked
//! for by.
//!
//! In: bytes as they arrive, with the digests that a plan names. Out: files. An entry is written to a temporary file,
//! hashed on the way, and renamed; and hashed again before it is used. Several processes may do all of it at once.

use std::fs::{File, FileTimes};
use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::Digest as _;

use crate::model::{Digest, DigestAlgorithm};

/// How much is kept when nothing else is said: 5 GiB.
pub const LIMIT: u64 = 5 << 30;
/// Temporary files older than this belong to no running process: 1 day.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a directory is emptied again that others write to.
const CLEAR_TRIES: usize = 10;

/// Hashes bytes by every algorithm that some digests need, and by SHA-256.
#[derive(Clone)]
pub struct Hasher {
    sha256: sha2::Sha256,
    sha1: Option<sha1::Sha1>,
    sha224: Option<sha2::Sha224>,
    sha384: Option<sha2::Sha384>,
    sha512: Option<sha2::Sha512>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

/// What was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed(Vec<Digest>);

impl Hasher {
    /// For the algorithms of `digests`.
    pub fn new(digests: &[Digest]) -> Self {
        let wants = |a: DigestAlgorithm| digests.iter().any(|d| d.algorithm() == a);
        Self {
            sha256: sha2::Sha256::new(),
            sha1: wants(DigestAlgorithm::Sha1).then(sha1::Sha1::new),
            sha224: wants(DigestAlgorithm::Sha224).then(sha2::Sha224::new),
            sha384: wants(DigestAlgorithm::Sha384).then(sha2::Sha384::new),
            sha512: wants(DigestAlgorithm::Sha512).then(sha2::Sha512::new),
        }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(h) = &mut self.sha1 {
            h.update(bytes);
        }
        if let Some(h) = &mut self.sha224 {
            h.update(bytes);
        }
        if let Some(h) = &mut self.sha384 {
            h.update(bytes);
        }
        if let Some(h) = &mut self.sha512 {
            h.update(bytes);
        }
    }

    /// The end.
    pub fn finish(self) -> Hashed {
        let of = |algorithm, bytes: &[u8]| Digest::from_bytes(algorithm, bytes).ok();
        let all = [
            of(DigestAlgorithm::Sha256, &self.sha256.finalize()),
            self.sha1.and_then(|h| of(DigestAlgorithm::Sha1, &h.finalize())),
            self.sha224.and_then(|h| of(DigestAlgorithm::Sha224, &h.finalize())),
            self.sha384.and_then(|h| of(DigestAlgorithm::Sha384, &h.finalize())),
            self.sha512.and_then(|h| of(DigestAlgorithm::Sha512, &h.finalize())),
        ];
        Hashed(all.into_iter().flatten().collect())
    }
}

impl Hashed {
    /// Whether the bytes have every one of these digests. MD5 is not computed and counts for nothing; when only it is
    /// there, or nothing, the answer is yes.
    pub fn matches(&self, digests: &[Digest]) -> bool {
        digests.iter().filter(|d| d.algorithm() != DigestAlgorithm::Md5).all(|d| self.0.contains(d))
    }

    /// The SHA-256.
    pub fn sha256(&self) -> Digest {
        self.0.first().cloned().unwrap_or_else(|| Digest::sha256_of(b""))
    }
}

/// The digest by which an artifact is kept: the strongest, if it proves anything.
pub fn address(digests: &[Digest]) -> Option<&Digest> {
    digests.iter().filter(|d| !d.algorithm().is_weak()).max()
}

/// The store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Bytes that had their digests when they were looked at: in the store, or in a file for this run only. None is held open:
/// a process may have fewer files open than a large project has artifacts.
#[derive(Debug)]
pub struct Stored {
    place: Held,
    /// Their number.
    pub length: u64,
    /// Their SHA-256: by it they are known again.
    pub sha256: Digest,
}

#[derive(Debug)]
enum Held {
    /// In the store.
    Entry(PathBuf),
    /// Nowhere else: gone with this.
    Loose(File),
}

impl Stored {
    /// To read from. Who hands the bytes out compares their SHA-256, as they are read or before:
    /// see [`Stored::verified`].
    pub fn open(&self) -> std::io::Result<File> {
        match &self.place {
            Held::Entry(path) => File::open(path),
            Held::Loose(file) => file.try_clone(),
        }
    }

    /// Whether it is in the store.
    pub fn is_kept(&self) -> bool {
        matches!(self.place, Held::Entry(_))
    }

    /// To read parts of: all of it was compared this moment. Nobody but this process has what is not in the store.
    pub fn verified(&self) -> std::io::Result<File> {
        let mut file = self.open()?;
        if !self.is_kept() {
            file.seek(SeekFrom::Start(0))?;
            return Ok(file);
        }
        let (hashed, length) = hashed(&mut file, &[])?;
        if length != self.length || hashed.sha256() != self.sha256 {
            return Err(Error::new(ErrorKind::InvalidData, "the stored file was changed"));
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    /// Writes all of it to a new file.
    pub fn copy(&self, to: &Path) -> std::io::Result<()> {
        let mut from = self.verified()?;
        std::fs::create_dir_all(to.parent().unwrap_or(to))?;
        let copied = std::io::copy(&mut from, &mut File::create(to)?)?;
        if copied == self.length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

/// The digests of a file from where it stands to its end, and how many bytes that is.
fn hashed(file: &mut File, digests: &[Digest]) -> std::io::Result<(Hashed, u64)> {
    let mut hasher = Hasher::new(digests);
    let mut buffer = vec![0; 128 << 10];
    let mut length = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(n) => {
                hasher.update(buffer.get(..n).unwrap_or_default());
                length += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

impl Store {
    /// The store below this program's cache directory. Creates nothing yet.
    pub fn new(cache: &Path) -> Self {
        Self { root: cache.join("store") }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let (shelf, rest) = hex.split_at(2);
        self.root.join(digest.algorithm().name()).join(shelf).join(rest)
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The entry with these digests, verified now. One whose bytes are others is removed, and not there.
    pub fn get(&self, digests: &[Digest]) -> Option<Stored> {
        let path = self.path(address(digests)?);
        let mut file = File::open(&path).ok()?;
        let Some((hashed, length)) = hashed(&mut file, digests).ok().filter(|(hashed, _)| hashed.matches(digests))
        else {
            self.evict(digests);
            return None;
        };
        // The time says when it was used last; without it only the order of removal is wrong.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        Some(Stored { place: Held::Entry(path), length, sha256: hashed.sha256() })
    }

    /// Whether there is an entry with these digests, which is not looked into.
    pub fn holds(&self, digests: &[Digest]) -> bool {
        address(digests).is_some_and(|digest| self.path(digest).is_file())
    }

    /// Removes an entry.
    pub fn evict(&self, digests: &[Digest]) {
        if let Some(digest) = address(digests) {
            // Gone already is as good.
            let _ = std::fs::remove_file(self.path(digest));
        }
    }

    /// Begins an entry with these digests.
    pub fn writer(&self, digests: &[Digest]) -> std::io::Result<Writer> {
        let directory = self.temporary();
        std::fs::create_dir_all(&directory)?;
        let file = tempfile::NamedTempFile::new_in(&directory)?;
        Ok(Writer {
            target: address(digests).map(|d| self.path(d)),
            digests: digests.to_vec(),
            hasher: Hasher::new(digests),
            file,
            length: 0,
        })
    }

    /// Every entry with its length and the time of its last use.
    fn entries(&self) -> Vec<(PathBuf, u64, SystemTime)> {
        let below = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
        let mut out = Vec::new();
        for kind in below(self.root.clone()).filter(|p| !p.ends_with("tmp")) {
            for shelf in below(kind) {
                for path in below(shelf) {
                    if let Ok(meta) = path.symlink_metadata()
                        && meta.is_file()
                    {
                        out.push((path, meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                    }
                }
            }
        }
        out
    }

    /// How much it holds.
    pub fn usage(&self) -> Usage {
        let entries = self.entries();
        Usage { entries: entries.len() as u64, bytes: entries.iter().map(|(_, length, _)| length).sum() }
    }

    /// Removes what was used longest ago until at most `limit` bytes remain, and temporary files that nobody writes.
    pub fn prune(&self, limit: u64) {
        let now = SystemTime::now();
        for entry in std::fs::read_dir(self.temporary()).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|m| m.modified());
            if written.is_ok_and(|t| now.duration_since(t).is_ok_and(|age| age > ABANDONED)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let mut entries = self.entries();
        let mut held: u64 = entries.iter().map(|(_, length, _)| length).sum();
        entries.sort_by_key(|(_, _, used)| *used);
        for (path, length, _) in entries {
            if held <= limit {
                break;
            }
            if std::fs::remove_file(&path).is_ok() {
                held -= length;
            }
        }
    }

    /// Removes everything; what another process writes meanwhile, too.
    pub fn clear(&self) -> std::io::Result<()> {
        let mut tries = 0;
        loop {
            match std::fs::remove_dir_all(&self.root) {
                // An entry came in while its directory was being emptied.
                Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty && tries < CLEAR_TRIES => tries += 1,
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => return Ok(()),
            }
        }
    }
}

/// An entry being written.
#[derive(Debug)]
pub struct Writer {
    file: tempfile::NamedTempFile,
    hasher: Hasher,
    digests: Vec<Digest>,
    /// Where it goes; `None`: it has no digest to be kept by, and lives as long as this run.
    target: Option<PathBuf>,
    length: u64,
}

impl Writer {
    /// The next bytes. They can be read at [`Writer::path`] at once.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.as_file_mut().write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Where it is being written, for those who read along.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Back to an empty file.
    pub fn restart(&mut self) -> std::io::Result<()> {
        self.file.as_file_mut().set_len(0)?;
        self.file.as_file_mut().seek(SeekFrom::Start(0))?;
        self.hasher = Hasher::new(&self.digests);
        self.length = 0;
        Ok(())
    }

    /// Verifies, and puts the entry in its place. An error of kind `InvalidData` when the bytes are others than the
    /// digests say: then nothing is left of them.
    pub fn finish(self) -> std::io::Result<Stored> {
        let Self { file, hasher, digests, target, length } = self;
        let hashed = hasher.finish();
        if !hashed.matches(&digests) {
            return Err(Error::new(ErrorKind::InvalidData, format!("its bytes have the digest {}", hashed.sha256())));
        }
        let Some(target) = target else {
            return Ok(Stored { place: Held::Loose(file.reopen()?), length, sha256: hashed.sha256() });
        };
        if let Some(shelf) = target.parent() {
            std::fs::create_dir_all(shelf)?;
        }
        // Not synced: what a crash leaves of it is found out when it is read, and a sync for each of a thousand
        // artifacts, with a tool waiting for its last bytes, costs seconds.
        // Another run may have put the same bytes there: then the newer file takes the older one's place.
        file.persist(&target).map_err(|e| e.error)?;
        Ok(Stored { place: Held::Entry(target), length, sha256: hashed.sha256() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn put(store: &Store, bytes: &[u8]) -> Vec<Digest> {
        let digests = vec![Digest::sha256_of(bytes)];
        let mut writer = store.writer(&digests).unwrap();
        bytes.chunks(7).for_each(|c| writer.write(c).unwrap());
        writer.finish().unwrap();
        digests
    }

    fn content(store: &Store, digests: &[Digest]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        store.get(digests)?.verified().ok()?.read_to_end(&mut out).unwrap();
        Some(out)
    }

    #[test]
    fn what_was_put_comes_back_and_other_bytes_are_never_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let digests = put(&store, b"the bytes");
        assert_eq!(content(&store, &digests).as_deref(), Some(&b"the bytes"[..]));
        let wanted = [Digest::sha256_of(b"others")];
        let mut writer = store.writer(&wanted).unwrap();
        writer.write(b"not those").unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(store.get(&wanted).is_none());
        assert_eq!(store.usage(), Usage { entries: 1, bytes: 9 });
        assert_eq!(std::fs::read_dir(store.temporary()).unwrap().count(), 0, "nothing is left of a failure");
    }

    #[test]
    fn a_damaged_entry_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        type Damage = fn(&Path);
        let damages: [Damage; 4] = [
            |path| std::fs::write(path, b"the bytez").unwrap(),
            |path| std::fs::write(path, b"the byt").unwrap(),
            |path| std::fs::write(path, b"").unwrap(),
            |path| std::fs::write(path, b"the bytes and more").unwrap(),
        ];
        for damage in damages {
            let digests = put(&store, b"the bytes");
            damage(&store.path(&digests[0]));
            assert!(store.get(&digests).is_none());
            assert!(!store.path(&digests[0]).exists(), "it is removed");
        }
    }

    #[test]
    fn every_digest_counts_and_weak_ones_keep_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let good = put(&store, b"the bytes");
        let sha1 = Digest::from_hex(DigestAlgorithm::Sha1, &"0".repeat(40)).unwrap();
        assert!(store.get(&[good[0].clone(), sha1.clone()]).is_none(), "the other digest is wrong");
        let mut writer = store.writer(std::slice::from_ref(&sha1)).unwrap();
        writer.write(b"x").unwrap();
        assert!(writer.finish().is_err());
        let mut writer = store.writer(&[]).unwrap();
        writer.write(b"unhashed").unwrap();
        let stored = writer.finish().unwrap();
        assert_eq!((stored.length, stored.sha256), (8, Digest::sha256_of(b"unhashed")));
        assert_eq!(store.usage().entries, 0);
    }

    #[test]
    fn many_may_write_the_same_at_once_and_what_a_crash_left_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let digests = [Digest::sha256_of(&bytes)];
        std::fs::create_dir_all(store.temporary()).unwrap();
        std::fs::write(store.temporary().join(".tmpleft"), b"half of somethi").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(put(&store, &bytes), digests);
                    // Another thread may replace it this moment; it is never anything else.
                    assert_eq!(content(&store, &digests).as_deref(), Some(&bytes[..]));
                });
            }
        });
        assert_eq!(store.usage(), Usage { entries: 1, bytes: 200_000 });
        let old = FileTimes::new().set_modified(SystemTime::now() - 2 * ABANDONED);
        File::options().write(true).open(store.temporary().join(".tmpleft")).unwrap().set_times(old).unwrap();
        store.prune(LIMIT);
        assert_eq!(std::fs::read_dir(store.temporary()).unwrap().count(), 0);
        assert_eq!(store.usage().entries, 1);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let all: Vec<Vec<Digest>> = (0..4_u8).map(|n| put(&store, &[n; 100])).collect();
        for (age, digests) in all.iter().enumerate() {
            let used = SystemTime::now() - Duration::from_secs(1000 - 100 * age as u64);
            let file = File::options().write(true).open(store.path(&digests[0])).unwrap();
            file.set_times(FileTimes::new().set_modified(used)).unwrap();
        }
        assert!(store.get(&all[0]).is_some(), "used just now");
        store.prune(250);
        let left: Vec<bool> = all.iter().map(|d| store.get(d).is_some()).collect();
        assert_eq!(left, [true, false, false, true]);
        store.clear().unwrap();
        store.clear().unwrap();
        assert_eq!(store.usage(), Usage::default());
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_the_bytes_of_the_digest_is_ever_handed_out(
            bytes in proptest::collection::vec(0_u8.., 1..300), at: proptest::sample::Index, flip in 1_u8.., cut: bool,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::new(directory.path());
            let digests = put(&store, &bytes);
            let mut damaged = bytes.clone();
            let at = at.index(damaged.len());
            if cut { damaged.truncate(at) } else { damaged[at] ^= flip }
            std::fs::write(store.path(&digests[0]), &damaged).unwrap();
            proptest::prop_assert!(store.get(&digests).is_none());
            // And bytes that are others from the start never get in.
            let mut writer = store.writer(&digests).unwrap();
            writer.write(&damaged).unwrap();
            proptest::prop_assert!(writer.finish().is_err());
            proptest::prop_assert_eq!(content(&store, &put(&store, &bytes)), Some(bytes));
        }
    }
}
