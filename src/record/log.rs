//! The log's files: lines are added under a lock, read back in order, and held to their chain.
//!
//! In: events. Out: lines in `000001.jsonl`, `000002.jsonl`, …; each has the SHA-256 of the line before it, over file
//! boundaries too. Nothing is ever rewritten. A line that its writer could not finish stays as it is, and the next
//! writer says so in a line of its own (`gap`).

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::line::{Event, Line, SCHEMA, moment};
use super::lock::{self, Patience};
use crate::model::{Digest, Timestamp, json_text};

/// A file that has this many bytes gets no further line.
const FULL: u64 = 16 << 20;
/// The longest line that is read back, in bytes. A plan of ten thousand packages is a tenth of it.
const LONGEST: u64 = 64 << 20;
/// What the first line follows.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why the log could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct RecordError {
    /// Which file.
    pub path: PathBuf,
    /// The system's words.
    pub source: std::io::Error,
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> RecordError + use<'_> {
    |source| RecordError { path: path.to_owned(), source }
}

/// The log of one user.
#[derive(Debug, Clone)]
pub struct Log {
    directory: PathBuf,
    full: u64,
    patience: Patience,
}

/// A line that was read back.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its file.
    pub file: PathBuf,
    /// Its number in that file, from 1.
    pub number: u64,
    /// Its SHA-256, in hexadecimal: the line's id.
    pub hash: String,
    /// The line, or the reason why it is none.
    pub line: Result<Line, String>,
    /// Its bytes, without the line break.
    pub raw: Vec<u8>,
}

/// What a check of the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Lines read.
    pub lines: u64,
    /// Files read.
    pub files: usize,
    /// Lines that were not finished, and said to be so by the next: `file:line`.
    pub gaps: Vec<String>,
    /// What does not fit: changed, missing, out of order, unreadable.
    pub broken: Vec<String>,
    /// The SHA-256 of the last line. Kept elsewhere, it proves later that nothing was cut off.
    pub head: Option<String>,
}

impl Log {
    /// The log below a data directory. Nothing is touched yet.
    pub fn new(data: &Path) -> Self {
        Self { directory: data.join("log"), full: FULL, patience: Patience::default() }
    }

    /// The same log for a writer that has not so long, or says what it waits for.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same log with smaller files.
    pub fn with_files_of(mut self, bytes: u64) -> Self {
        self.full = bytes;
        self
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line, and answers with its hash once it is on the disk. Waits for other writers, as long as its patience
    /// lasts.
    pub fn append(&self, event: Event, now: Timestamp) -> Result<String, RecordError> {
        private_directory(&self.directory).map_err(at(&self.directory))?;
        let lock_path = self.directory.join("lock");
        let lock = lock::take(&lock_path, self.patience).map_err(at(&lock_path))?;
        let appended = self.append_locked(event, now);
        drop(lock);
        appended
    }

    fn append_locked(&self, event: Event, now: Timestamp) -> Result<String, RecordError> {
        let files = self.files()?;
        let mut path = files.last().cloned().unwrap_or_else(|| self.file(1));
        let mut tail = Tail::of(&path).map_err(at(&path))?;
        if tail.length == 0
            && let Some(before) = files.len().checked_sub(2).and_then(|i| files.get(i))
        {
            // The file was made and its writer went no further.
            tail.hash = Tail::of(before).map_err(at(before))?.hash;
        }
        let whole_so_far = tail.length;
        let mut text = String::new();
        let mut prev = tail.hash.unwrap_or_else(|| NOTHING.to_owned());
        let mut add = |event: Event, prev: &mut String| {
            let line = Line {
                schema: SCHEMA.to_owned(),
                prev: std::mem::take(prev),
                at: moment(now),
                pid: std::process::id(),
                event,
            };
            // Serialising plain structs with text keys cannot fail.
            let json = json_text(serde_json::to_string(&line).unwrap_or_default());
            *prev = hash_of(json.as_bytes());
            text.push_str(&json);
            text.push('\n');
        };
        if let Some(bytes) = tail.torn {
            add(Event::Gap { bytes }, &mut prev);
        }
        add(event, &mut prev);
        if tail.torn.is_some() {
            text.insert(0, '\n');
        } else if tail.length >= self.full {
            let number = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok()).unwrap_or(0_u64);
            path = self.file(number.saturating_add(1));
        }
        let fresh = !path.exists();
        let mut file = private(OpenOptions::new().append(true).create(true)).open(&path).map_err(at(&path))?;
        if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_data()) {
            // What of it arrived is taken back: nobody else writes while the lock is held.
            let _ =
                file.set_len(if fresh || path != files.last().cloned().unwrap_or_default() { 0 } else { whole_so_far });
            return Err(RecordError { path, source: error });
        }
        if fresh {
            // The name has to survive as well as the bytes. Not every file system can be asked for it.
            let _ = File::open(&self.directory).and_then(|d| d.sync_all());
        }
        Ok(prev)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:06}.jsonl"))
    }

    /// The files in order.
    pub fn files(&self) -> Result<Vec<PathBuf>, RecordError> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(at(&self.directory)(e)),
        };
        let number = |path: &PathBuf| {
            let json = path.extension().is_some_and(|e| e == "jsonl");
            path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u64>().ok()).filter(|_| json)
        };
        let paths = entries.filter_map(Result::ok).map(|e| e.path());
        let mut numbered: Vec<(u64, PathBuf)> = paths.filter_map(|p| Some((number(&p)?, p))).collect();
        numbered.sort();
        Ok(numbered.into_iter().map(|(_, path)| path).collect())
    }

    /// Every line in order.
    pub fn read(&self, mut each: impl FnMut(Entry)) -> Result<(), RecordError> {
        for path in self.files()? {
            let mut reader = BufReader::new(File::open(&path).map_err(at(&path))?);
            for number in 1.. {
                let mut raw = Vec::new();
                let n = (&mut reader).take(LONGEST).read_until(b'\n', &mut raw).map_err(at(&path))?;
                if n == 0 {
                    break;
                }
                let finished = raw.last() == Some(&b'\n');
                if finished {
                    raw.pop();
                }
                let line = match serde_json::from_slice::<Line>(&raw) {
                    _ if !finished => Err("it is not finished".to_owned()),
                    Ok(line) if line.schema == SCHEMA => Ok(line),
                    Ok(line) => Err(format!("its schema is {}", line.schema)),
                    Err(e) => Err(format!("it is no record: {e}")),
                };
                each(Entry { file: path.clone(), number, hash: hash_of(&raw), line, raw });
            }
        }
        Ok(())
    }

    /// Reads everything and holds it to its chain.
    pub fn verify(&self) -> Result<Verified, RecordError> {
        let mut found = Verified { files: self.files()?.len(), ..Verified::default() };
        let mut expected = NOTHING.to_owned();
        // A line that is none, until the next one says that it knows.
        let mut doubtful: Option<String> = None;
        self.read(|entry| {
            found.lines += 1;
            let name = entry.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let place = format!("{name}:{}", entry.number);
            match &entry.line {
                Err(reason) => {
                    found.broken.extend(doubtful.take());
                    doubtful = Some(format!("{place}: {reason}"));
                }
                Ok(line) => {
                    if line.prev != expected {
                        found.broken.push(format!("{place}: it does not follow the line before it"));
                    }
                    match (doubtful.take(), &line.event) {
                        (_, Event::Gap { .. }) => found.gaps.push(place),
                        (Some(reason), _) => found.broken.push(reason),
                        (None, _) => {}
                    }
                }
            }
            expected.clone_from(&entry.hash);
        })?;
        if let Some(last) = doubtful {
            // Its writer was stopped, and nobody has written since: the next one will say so.
            found.gaps.push(last);
        }
        found.head = (found.lines > 0).then_some(expected);
        Ok(found)
    }
}

/// The end of a file.
struct Tail {
    length: u64,
    /// The hash of the last line, finished or not.
    hash: Option<String>,
    /// The bytes of a last line that is not finished.
    torn: Option<u64>,
}

impl Tail {
    /// Reads backwards from the end to the line break before the last line.
    fn of(path: &Path) -> std::io::Result<Self> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { length: 0, hash: None, torn: None });
            }
            Err(e) => return Err(e),
        };
        let length = file.metadata()?.len();
        let mut last: Vec<u8> = Vec::new();
        let mut start = length;
        while start > 0 {
            let step = start.min(1 << 16);
            start -= step;
            let mut block = vec![0; usize::try_from(step).unwrap_or(0)];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut block)?;
            // The line break that ends the file ends the last line and begins none.
            let ends_file = last.is_empty() && block.last() == Some(&b'\n');
            let inner = block.len() - usize::from(ends_file);
            let found = block.get(..inner).and_then(|b| b.iter().rposition(|c| *c == b'\n'));
            block.extend_from_slice(&last);
            if let Some(i) = found {
                last = block.split_off(i + 1);
                break;
            }
            last = block;
        }
        let finished = last.last() == Some(&b'\n');
        if finished {
            last.pop();
        }
        let torn = (!finished && !last.is_empty()).then_some(last.len() as u64);
        Ok(Self { length, hash: (length > 0).then(|| hash_of(&last)), torn })
    }
}

fn hash_of(bytes: &[u8]) -> String {
    Digest::sha256_of(bytes).hex()
}

/// A directory that only its user can look into: commands and projects are nobody else's business.
pub(super) fn private_directory(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Options for a file that only its user can read.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::io::Write as _;

    use super::{Event, Log};
    use crate::model::Timestamp;

    fn event(what: &str) -> Event {
        Event::Tampering { what: what.to_owned(), reason: "a test".to_owned() }
    }

    fn log() -> (tempfile::TempDir, Log) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path());
        (dir, log)
    }

    fn add(log: &Log, what: &str) -> String {
        log.append(event(what), Timestamp::UNIX_EPOCH).unwrap()
    }

    fn whats(log: &Log) -> Vec<String> {
        let mut out = Vec::new();
        log.read(|e| {
            out.push(match e.line {
                Ok(line) => match line.event {
                    Event::Tampering { what, .. } => what.chars().take(10).collect(),
                    other => other.word().to_owned(),
                },
                Err(_) => "torn".to_owned(),
            });
        })
        .unwrap();
        out
    }

    #[test]
    fn a_chain_goes_over_files_and_long_lines() {
        let (_dir, log) = log();
        let log = log.with_files_of(2000);
        assert_eq!(log.verify().unwrap().head, None);
        for i in 0..20 {
            add(&log, &"x".repeat(i * 100));
        }
        let last = add(&log, &"long".repeat(100_000));
        let hash = add(&log, "after");
        assert_ne!(last, hash);
        let verified = log.verify().unwrap();
        assert_eq!(verified.lines, 22);
        assert!(verified.files > 3, "{verified:?}");
        assert_eq!((verified.broken.len(), verified.gaps.len()), (0, 0), "{verified:?}");
        assert_eq!(verified.head, Some(hash));
    }

    #[test]
    fn a_torn_line_is_a_gap_and_the_chain_goes_on() {
        let (_dir, log) = log();
        for torn in ["", "{\"schema\":\"tidewa", "{}", "\u{0}\u{0}"] {
            add(&log, "before");
            let path = log.files().unwrap().pop().unwrap();
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(torn.as_bytes()).unwrap();
            let gaps = log.verify().unwrap();
            assert!(gaps.broken.is_empty(), "{torn:?} {gaps:?}");
        }
        add(&log, "after");
        let verified = log.verify().unwrap();
        assert_eq!(verified.broken, Vec::<String>::new());
        assert_eq!(verified.gaps.len(), 3);
        assert_eq!(
            whats(&log),
            ["before", "before", "torn", "gap", "before", "torn", "gap", "before", "torn", "gap", "after"]
        );
    }

    #[test]
    fn a_change_a_removal_and_an_exchange_are_seen() {
        for (change, wrong) in [
            (&(|t: String| t.replace("second", "SECOND")) as &dyn Fn(String) -> String, 1),
            (&|t: String| t.lines().filter(|l| !l.contains("second")).map(|l| format!("{l}\n")).collect(), 1),
            (&|t: String| t.lines().rev().map(|l| format!("{l}\n")).collect(), 3),
            (&|t: String| t.replace("{\"schema\":\"tidewaiter.record/1\",\"prev\":\"000", "x"), 2),
            (&|t: String| t.replacen('\n', "\n\n", 1), 2),
        ] {
            let (_dir, log) = log();
            for what in ["first", "second", "third"] {
                add(&log, what);
            }
            let path = log.files().unwrap().pop().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, change(text)).unwrap();
            let verified = log.verify().unwrap();
            assert_eq!(verified.broken.len(), wrong, "{verified:?}");
        }
    }

    #[test]
    fn an_empty_last_file_and_foreign_files_do_no_harm() {
        let (_dir, log) = log();
        add(&log, "first");
        std::fs::write(log.directory().join("000002.jsonl"), "").unwrap();
        std::fs::write(log.directory().join("notes.txt"), "mine").unwrap();
        std::fs::write(log.directory().join("x.jsonl"), "mine").unwrap();
        add(&log, "second");
        let verified = log.verify().unwrap();
        assert_eq!((verified.lines, verified.broken.len()), (2, 0), "{verified:?}");
    }

    #[test]
    fn eight_writers_at_once() {
        let (_dir, log) = log();
        let log = log.with_files_of(5000);
        std::thread::scope(|scope| {
            for i in 0..8 {
                let log = &log;
                scope.spawn(move || (0..20).for_each(|n| drop(add(log, &format!("{i}/{n}")))));
            }
        });
        let verified = log.verify().unwrap();
        assert_eq!((verified.lines, verified.broken.len()), (160, 0), "{verified:?}");
    }
}
