//! What was judged just now and cleared: an install that nothing has changed for is not judged again.
//!
//! In: a command with all that was read of it. Out: that the same was cleared, when everything that the judgement looked
//! at is as it was; else nothing, and it is judged. Only a judgement that cleared the command without a word is noted, so
//! that what is remembered can never say more than "nothing", and what the host hears is the same to the byte.
//!
//! Noted is not a list of what ought to matter but what was in fact looked at, as it was answered:
//! * the words, every variable, the directories, the account, and this very program, in one digest (the [`Question`]);
//! * each file, directory or link that was asked for through [`Files`], with what was there, or that nothing was;
//! * each answer of a registry that the cache gave, by the file that holds it, or that it had none;
//! * the files of the advisory indexes.
//!
//! Time makes some of it stricter: answers of registries grow old, and exceptions of a policy end with a day. So a note
//! holds until the first answer would no longer be fresh, until the day is over, and never longer than [`LONGEST`]. What
//! else depends on time (the cooldown, new packages) only gets milder for releases that a lockfile holds.
//!
//! Not noted: what no lockfile holds, and what asked the network, a classifier, the transcript or an interpreter. The notes lie with the record and
//! the approvals; one that anybody else could have written is not believed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Command;
use crate::cli::Judging;
use crate::cli::session::{Deliberation, Session};
use crate::hook::session::Limits;
use crate::invocation::Effect;
use crate::model::{Ecosystem, FileError, Files, LockState, Source, Verdict};
use crate::registry::cache::{Cache, Key, Stamp, Witness, stamp};
use crate::registry::codec::{Reader, Writer};
use crate::toolchain::account;

/// The form of the notes; another form has another name.
const FORM: &str = "tidewaiter.settled/1";
/// How long a note holds at most, in seconds: an hour.
const LONGEST: u64 = 3600;
const DAY: u64 = 24 * 3600;
/// More notes than this are not kept.
const MOST: usize = 64;
/// A longer file is none of ours, in bytes.
const LARGEST: u64 = 4 << 20;
/// Longer texts, and those with more commands, are judged each time: for them a note would cost as much.
const LONGEST_TEXT: usize = 4096;
const MOST_COMMANDS: usize = 16;

/// How a file was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ask {
    Read,
    IsFile,
    IsDirectory,
    IsLink,
    Exists,
    List,
    Link,
    Real,
}

const ASKS: [Ask; 8] =
    [Ask::Read, Ask::IsFile, Ask::IsDirectory, Ask::IsLink, Ask::Exists, Ask::List, Ask::Link, Ask::Real];

/// What a disk answers, short: a digest for bytes, and what went wrong where there are none.
fn answer(files: &dyn Files, ask: Ask, path: &Path) -> Vec<u8> {
    let flag = |yes: bool| vec![u8::from(yes)];
    match ask {
        Ask::Read => digest_of(&files.read(path)),
        Ask::IsFile => flag(files.is_file(path)),
        Ask::IsDirectory => flag(files.is_dir(path)),
        Ask::IsLink => flag(files.is_link(path)),
        Ask::Exists => flag(files.exists(path)),
        Ask::List => listed(&files.list(path)),
        Ask::Link => linked(files.read_link(path).as_deref()),
        Ask::Real => listed(files.real(path).as_slice()),
    }
}

fn digest_of(content: &Result<Arc<[u8]>, FileError>) -> Vec<u8> {
    match content {
        Ok(bytes) => Sha256::digest(bytes).to_vec(),
        Err(error) => format!("{error:?}").into_bytes(),
    }
}

fn listed(paths: &[PathBuf]) -> Vec<u8> {
    let mut hash = Sha256::new();
    paths.iter().for_each(|p| part(&mut hash, p.as_os_str().as_encoded_bytes()));
    hash.finalize().to_vec()
}

fn linked(target: Option<&Path>) -> Vec<u8> {
    let mut hash = Sha256::new();
    target.iter().for_each(|p| part(&mut hash, p.as_os_str().as_encoded_bytes()));
    hash.finalize().to_vec()
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// A disk that remembers what it was asked, and what it said.
pub(super) struct Watched {
    inner: Arc<dyn Files>,
    seen: Mutex<BTreeMap<(Ask, PathBuf), Vec<u8>>>,
    /// It said one thing and then another.
    torn: AtomicBool,
}

impl Watched {
    pub fn over(inner: Arc<dyn Files>) -> Self {
        Self { inner, seen: Mutex::default(), torn: AtomicBool::new(false) }
    }

    fn note(&self, ask: Ask, path: &Path, said: Vec<u8>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&(ask, path.to_owned())) {
            Some(before) if *before == said => {}
            Some(_) => self.torn.store(true, Ordering::Release),
            None => drop(seen.insert((ask, path.to_owned()), said)),
        }
    }

    fn flag(&self, ask: Ask, path: &Path, said: bool) -> bool {
        self.note(ask, path, vec![u8::from(said)]);
        said
    }

    fn seen(&self) -> Option<BTreeMap<(Ask, PathBuf), Vec<u8>>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.torn.load(Ordering::Acquire)).then(|| seen.clone())
    }
}

impl Files for Watched {
    fn read(&self, path: &Path) -> Result<Arc<[u8]>, FileError> {
        let content = self.inner.read(path);
        self.note(Ask::Read, path, digest_of(&content));
        content
    }

    fn is_file(&self, path: &Path) -> bool {
        self.flag(Ask::IsFile, path, self.inner.is_file(path))
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.flag(Ask::IsDirectory, path, self.inner.is_dir(path))
    }

    fn is_link(&self, path: &Path) -> bool {
        self.flag(Ask::IsLink, path, self.inner.is_link(path))
    }

    fn exists(&self, path: &Path) -> bool {
        self.flag(Ask::Exists, path, self.inner.exists(path))
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        let target = self.inner.read_link(path);
        self.note(Ask::Link, path, linked(target.as_deref()));
        target
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        let real = self.inner.real(path);
        self.note(Ask::Real, path, listed(real.as_slice()));
        real
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        let paths = self.inner.list(dir);
        self.note(Ask::List, dir, listed(&paths));
        paths
    }
}

/// A command in its surroundings, as one digest.
pub(super) struct Question {
    digest: [u8; 32],
    directory: PathBuf,
    cache: Option<PathBuf>,
    /// Seconds since 1970.
    now: u64,
    /// The files of the advisory indexes, before anything is judged by them.
    advisories: Vec<(Vec<u8>, Stamp)>,
}

impl Question {
    /// `None` for a command of which no note is made: anything but a short one that installs from npm's registries, under
    /// the user's own policy.
    pub fn of(session: &Session, judging: &Judging, command: &Command) -> Option<Self> {
        let Command { argv, invocations, texts, operations } = command;
        let plain = judging.policy.is_none()
            && judging.as_of.is_none()
            && argv.iter().map(String::len).sum::<usize>() <= LONGEST_TEXT
            && invocations.len() <= MOST_COMMANDS
            && invocations.iter().any(|i| i.effect != Effect::Nothing)
            && invocations.iter().all(|i| {
                let project = matches!(i.effect, Effect::Locked | Effect::Project);
                i.opaque.is_empty()
                    && (i.effect == Effect::Nothing || (project && i.tool.ecosystem() == Some(Ecosystem::Npm)))
            });
        // Elsewhere no file can be told from another of the same length and time.
        if !cfg!(unix) || !plain {
            return None;
        }
        let own = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
        let environment = &session.environment;
        let mut hash = Sha256::new();
        part(&mut hash, FORM.as_bytes());
        part(&mut hash, env!("CARGO_PKG_VERSION").as_bytes());
        stamp(&own).iter().for_each(|n| part(&mut hash, &n.to_le_bytes()));
        part(&mut hash, format!("{:?}", (account::id(), judging.offline)).as_bytes());
        argv.iter().for_each(|word| part(&mut hash, word.as_bytes()));
        part(&mut hash, format!("{invocations:?}").as_bytes());
        part(&mut hash, format!("{texts:?}").as_bytes());
        part(&mut hash, format!("{operations:?}").as_bytes());
        part(&mut hash, format!("{:?}", (environment.os, environment.arch)).as_bytes());
        for (name, value) in &environment.variables {
            part(&mut hash, name.as_bytes());
            part(&mut hash, value.as_bytes());
        }
        let cache = session.cache();
        let directories = &session.directories;
        let places = [
            Some(&environment.cwd),
            environment.home.as_ref(),
            Some(&directories.config),
            Some(&directories.cache),
            Some(&directories.data),
            cache.as_ref(),
        ];
        for place in places {
            part(&mut hash, &[u8::from(place.is_some())]);
            part(&mut hash, place.map(|p| p.as_os_str().as_encoded_bytes()).unwrap_or_default());
        }
        Some(Self {
            digest: hash.finalize().into(),
            directory: directories.data.join("settled"),
            cache,
            now: u64::try_from(environment.now.as_second()).ok()?,
            advisories: stamps(&session.advisories_directory())?,
        })
    }

    fn path(&self) -> PathBuf {
        self.directory.join(self.digest.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }

    /// The limits of the policy under which the same was cleared, when all that was looked at is as it was.
    pub fn recall(&self, files: &dyn Files) -> Option<Limits> {
        let path = self.path();
        if !is_own(&self.directory, true) || !is_own(&path, false) {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        let note = Note::read(&bytes)?;
        let cache = Cache::new(self.cache.clone());
        let holds = note.digest == self.digest
            && (note.noted..note.until).contains(&self.now)
            && note.advisories == self.advisories
            && note.files.iter().all(|((ask, path), said)| answer(files, *ask, path) == *said)
            && note.answers.iter().all(|(key, stamp)| cache.stamp(key) == *stamp);
        holds.then_some(note.limits)
    }

    /// Notes that the command was cleared, if it was, and without a word. Whatever cannot be noted is judged again.
    pub fn note(&self, session: &Session, done: &Deliberation, watched: &Watched, witness: &Witness, limits: Limits) {
        let Deliberation { judgement, loaded, world } = done;
        let cleared = judgement.verdict == Verdict::Allow && judgement.plan.complete() && judgement.opinion.is_none();
        // What no lockfile holds is chosen anew each time, and a release that was too young yesterday is not today.
        let locked = judgement.plan.held_back.is_empty()
            && judgement.plan.packages.iter().all(|package| {
                package.lock != LockState::Unlocked || matches!(package.source, Source::Workspace { .. })
            });
        let by_itself = loaded.errors.is_empty()
            && loaded.policy.faults.is_empty()
            && session.said(&loaded.policy, false).is_none()
            && !world.network_used();
        let (Some(files), Some(answers)) = (watched.seen(), witness.seen()) else { return };
        if !cleared || !locked || !by_itself {
            return;
        }
        let end_of_day = (self.now / DAY + 1) * DAY;
        let until = witness.until().min(end_of_day).min(self.now + LONGEST);
        let advisories = self.advisories.clone();
        let note = Note { digest: self.digest, noted: self.now, until, limits, advisories, files, answers };
        // Where nothing can be kept, it is judged again.
        let _ = self.keep(&note.write());
    }

    fn keep(&self, bytes: &[u8]) -> std::io::Result<()> {
        if !self.directory.exists() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&self.directory)?;
        }
        self.make_room();
        // Made with mode 0600 on Unix.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        file.write_all(bytes)?;
        file.persist(self.path()).map_err(|e| e.error)?;
        Ok(())
    }

    /// The oldest notes go, and so does what a crashed writer left behind.
    fn make_room(&self) {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        all.sort();
        let surplus = (all.len() + 1).saturating_sub(MOST);
        for (_, path) in all.iter().take(surplus) {
            // Another time, then.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether something in the directory of notes is this account's, and nobody else's to write: no link, and a file under
/// one name only.
#[cfg(unix)]
fn is_own(path: &Path, directory: bool) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|about| {
        let kind = if directory { about.is_dir() } else { about.is_file() && about.nlink() == 1 };
        kind && Some(about.uid()) == account::id() && about.mode() & 0o077 == 0 && about.len() <= LARGEST
    })
}

/// Other systems make no notes.
#[cfg(not(unix))]
fn is_own(_: &Path, _: bool) -> bool {
    false
}

/// The stamps of all files in a directory; none when it is not there, `None` when it cannot be read.
fn stamps(directory: &Path) -> Option<Vec<(Vec<u8>, Stamp)>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.ok()?;
        let about = std::fs::metadata(entry.path()).ok()?;
        out.push((entry.file_name().as_encoded_bytes().to_vec(), Some(stamp(&about))));
    }
    out.sort();
    Some(out)
}

/// What is written down.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    digest: [u8; 32],
    /// Seconds since 1970; before it nothing is known.
    noted: u64,
    until: u64,
    limits: Limits,
    advisories: Vec<(Vec<u8>, Stamp)>,
    files: BTreeMap<(Ask, PathBuf), Vec<u8>>,
    answers: Vec<(Key, Stamp)>,
}

fn write_stamp(out: &mut Writer, stamp: &Stamp) {
    out.option(stamp.as_ref(), |out, numbers| numbers.iter().for_each(|n| out.number(*n)));
}

fn read_stamp(from: &mut Reader<'_>) -> Option<Stamp> {
    from.option(|from| {
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = from.number()?;
        }
        Some(numbers)
    })
}

impl Note {
    fn write(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(FORM);
        out.bytes(&self.digest);
        out.number(self.noted);
        out.number(self.until);
        out.number(self.limits.in_a_row.into());
        out.number(self.limits.in_all.into());
        out.list(self.advisories.iter(), |out, (name, stamp)| {
            out.bytes(name);
            write_stamp(out, stamp);
        });
        out.list(self.files.iter(), |out, ((ask, path), said)| {
            out.number(*ask as u64);
            out.bytes(path.as_os_str().as_encoded_bytes());
            out.bytes(said);
        });
        out.list(self.answers.iter(), |out, (key, stamp)| {
            out.bytes(key.bytes());
            write_stamp(out, stamp);
        });
        // Not against forgery (see `is_own`), but against what was torn.
        let sum = Sha256::digest(&out.0);
        out.0.extend_from_slice(&sum);
        out.0
    }

    /// `None` for anything but what was written, whole.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if Sha256::digest(body).as_slice() != sum {
            return None;
        }
        let mut from = Reader(body);
        if from.text()? != FORM {
            return None;
        }
        let note = Self {
            digest: from.bytes()?.try_into().ok()?,
            noted: from.number()?,
            until: from.number()?,
            limits: Limits {
                in_a_row: u32::try_from(from.number()?).ok()?,
                in_all: u32::try_from(from.number()?).ok()?,
            },
            advisories: from.list(|from| Some((from.bytes()?.to_vec(), read_stamp(from)?)))?,
            files: from.list(|from| {
                let ask = *ASKS.get(usize::try_from(from.number()?).ok()?)?;
                // Names that are no UTF-8 are none of npm's projects: judged each time.
                Some(((ask, PathBuf::from(from.text()?)), from.bytes()?.to_vec()))
            })?,
            answers: from.list(|from| Some((Key::from_bytes(from.bytes()?.try_into().ok()?), read_stamp(from)?)))?,
        };
        from.0.is_empty().then_some(note)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;

    fn note() -> Note {
        let files = [((Ask::Read, PathBuf::from("/p/package.json")), vec![7; 32])].into();
        Note {
            digest: [1; 32],
            noted: 10,
            until: 20,
            limits: Limits { in_a_row: 3, in_all: 20 },
            advisories: vec![(b"npm.index".to_vec(), Some([1, 2, 3, 4, u64::MAX]))],
            files,
            answers: vec![(Key::from_bytes([9; 32]), None)],
        }
    }

    #[test]
    fn notes_come_back_whole_or_not_at_all() {
        let whole = note().write();
        assert_eq!(Note::read(&whole), Some(note()));
        for length in 0..whole.len() {
            assert_eq!(Note::read(&whole[..length]), None, "torn at {length}");
        }
        for place in 0..whole.len() {
            let mut bent = whole.clone();
            bent[place] ^= 1;
            assert_eq!(Note::read(&bent), None, "bent at {place}");
        }
    }

    #[test]
    fn a_watched_disk_says_what_the_disk_says_and_remembers_it() {
        let disk: Arc<dyn Files> = Arc::new([("/p/a", "x")].into_iter().collect::<MemoryFiles>());
        let watched = Watched::over(Arc::clone(&disk));
        for path in ["/p", "/p/a", "/p/b"].map(Path::new) {
            assert_eq!(watched.read(path), disk.read(path));
            assert_eq!(watched.read_text(path), disk.read_text(path));
            assert_eq!((watched.is_file(path), watched.is_dir(path)), (disk.is_file(path), disk.is_dir(path)));
            assert_eq!((watched.exists(path), watched.is_link(path)), (disk.exists(path), disk.is_link(path)));
            assert_eq!(watched.list(path), disk.list(path));
        }
        let seen = watched.seen().unwrap();
        assert_eq!(seen.len(), 18);
        assert!(seen.iter().all(|((ask, path), said)| answer(&*disk, *ask, path) == *said));
        // Another content, another file, one that is gone.
        for other in [vec![("/p/a", "y")], vec![("/p/a", "x"), ("/p/b", "")], vec![("/q", "")]] {
            let other: MemoryFiles = other.into_iter().collect();
            assert!(!seen.iter().all(|((ask, path), said)| answer(&other, *ask, path) == *said));
        }
    }

    #[test]
    fn a_disk_that_changes_meanwhile_is_no_witness() {
        let watched = Watched::over(Arc::new(MemoryFiles::default()));
        watched.flag(Ask::IsDirectory, Path::new("/p"), false);
        assert!(watched.seen().is_some());
        watched.flag(Ask::IsDirectory, Path::new("/p"), true);
        assert!(watched.seen().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_note_holds_for_its_time_and_for_the_same_question() {
        let dir = tempfile::tempdir().unwrap();
        let disk: MemoryFiles = [("/p/package.json", "{}")].into_iter().collect();
        let path = PathBuf::from("/p/package.json");
        let said = answer(&disk, Ask::Read, &path);
        let note = Note { files: [((Ask::Read, path), said)].into(), ..note() };
        let question = |now: u64, digest: [u8; 32], advisories: &[(Vec<u8>, Stamp)]| Question {
            digest,
            directory: dir.path().join("settled"),
            cache: None,
            now,
            advisories: advisories.to_vec(),
        };
        let ask = |now: u64| question(now, note.digest, &note.advisories);
        assert_eq!(ask(10).recall(&disk), None, "there is none yet");
        ask(10).keep(&note.write()).unwrap();
        for (now, holds) in [(0, false), (9, false), (10, true), (19, true), (20, false), (u64::MAX, false)] {
            assert_eq!(ask(now).recall(&disk).is_some(), holds, "{now}");
        }
        assert_eq!(ask(10).recall(&disk), Some(note.limits));
        assert_eq!(ask(10).recall(&MemoryFiles::default()), None);
        assert_eq!(question(10, note.digest, &[]).recall(&disk), None, "other advisories");
        // The note of one question under the name of another.
        let other = question(10, [2; 32], &note.advisories);
        std::fs::copy(ask(10).path(), other.path()).unwrap();
        assert_eq!(other.recall(&disk), None);
        // No more than so many are kept.
        for n in 0..=MOST {
            question(10, [u8::try_from(n).unwrap(); 32], &note.advisories).keep(b"").unwrap();
        }
        assert!(std::fs::read_dir(dir.path().join("settled")).unwrap().count() <= MOST);
    }

    proptest::proptest! {
        #[test]
        fn foreign_notes_never_panic(bytes: Vec<u8>) {
            let _ = Note::read(&bytes);
            let mut summed = bytes.clone();
            summed.extend_from_slice(&Sha256::digest(&bytes));
            let _ = Note::read(&summed);
        }
    }
}
