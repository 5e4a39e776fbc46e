//! The index file, written: a directory of JSON or a zip of records in, an index file out, with what was skipped.
//!
//! Records are read one at a time and never all held; what is held is what the index keeps of them. Everything is
//! bounded: a record, the number of records, the sum of all that is decompressed, the depth of directories.
//! The file appears whole or not at all: temporary file, fsync, rename.

use std::fs::File;
use std::io::{Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::entry::{Entry, put_number};
use super::index::{HEADER, MAGIC, MAX_BLOCK, SECTIONS, VERSION, checksum, ecosystem_bit, name_key};
use super::osv::{Record, RecordError, time};
use crate::model::{Ecosystem, Timestamp};

/// How much a build takes in at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one record.
    pub record: u64,
    /// Records.
    pub records: u64,
    /// Bytes of all records, decompressed.
    pub total: u64,
    /// Directories below the given one.
    pub depth: usize,
}

impl Default for Limits {
    /// Room for five times the largest public feed of 2026.
    fn default() -> Self {
        Self { record: 8 << 20, records: 3_000_000, total: 8 << 30, depth: 16 }
    }
}

/// Why no index was built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A file or directory could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Not a zip archive.
    #[error("{path} is not a zip archive: {reason}")]
    NotZip {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// More than [`Limits`] allow.
    #[error("{path} has more than {limit} {what}")]
    TooMuch {
        /// The source.
        path: String,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// Not one usable record.
    #[error("{path} has no OSV record that could be read")]
    Empty {
        /// The source.
        path: String,
    },
}

/// A record that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its file's name in the source (a stranger's text: renderers escape it).
    pub name: String,
    /// Why.
    pub reason: RecordError,
}

/// What a build did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Records read, withdrawn ones included.
    pub records: u64,
    /// Of those, withdrawn.
    pub withdrawn: u64,
    /// Of those, records about no ecosystem judged here: kept for `show` only.
    pub foreign: u64,
    /// Names.
    pub names: u64,
    /// Records that could not be read: all are counted, the first [`SKIPPED_NAMED`] are named.
    pub skipped_count: u64,
    /// See `skipped_count`.
    pub skipped: Vec<Skipped>,
    /// Bytes of the index file.
    pub bytes: u64,
}

/// How many skipped records a [`Report`] names.
pub const SKIPPED_NAMED: usize = 100;

/// A block is closed when it holds this many bytes before compression: small, since a look-up unpacks a whole one.
const BLOCK: usize = 2 << 10;
/// The same for raw records, which are read one at a time and compress better in large blocks.
const RAW_BLOCK: usize = 128 << 10;

/// Collects records and writes an index.
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    names: FxHashMap<(Ecosystem, String), (u64, Vec<u8>)>,
    ids: FxHashMap<String, Vec<Place>>,
    raw: Packed,
    raw_open: Vec<u8>,
    ecosystems: u32,
    newest: Option<Timestamp>,
    total: u64,
    report: Report,
}

/// Where a raw record is: number of its block among the raw ones, position in it, length.
type Place = (u64, u64, u64);

/// Compressed blocks and their places.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    /// Offset, packed size, raw size, checksum.
    rows: Vec<(u64, u32, u32, u64)>,
}

impl Packed {
    fn push(&mut self, packed: &[u8], raw: usize) {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.rows.push((self.bytes.len() as u64, size(packed.len()), size(raw), checksum(packed)));
        self.bytes.extend_from_slice(packed);
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Builder {
    /// An empty builder.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: FxHashMap::default(),
            ids: FxHashMap::default(),
            raw: Packed::default(),
            raw_open: Vec::new(),
            ecosystems: 0,
            newest: None,
            total: 0,
            report: Report::default(),
        }
    }

    /// Marks an ecosystem as covered, even if its feed is empty.
    pub fn cover(&mut self, ecosystem: Ecosystem) {
        self.ecosystems |= ecosystem_bit(ecosystem);
    }

    /// How many names of an ecosystem were seen.
    pub fn names_of(&self, ecosystem: Ecosystem) -> usize {
        self.names.keys().filter(|(e, _)| *e == ecosystem).count()
    }

    /// How many records were read.
    pub fn records(&self) -> u64 {
        self.report.records
    }

    /// Takes one record's bytes; `name` is for the report.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let record = match Record::parse(bytes) {
            Ok(record) => record,
            Err(reason) => return self.skip(name, reason),
        };
        self.report.records += 1;
        self.report.withdrawn += u64::from(record.withdrawn.is_some());
        self.newest = self.newest.max(time(record.modified.as_deref()));
        let entries = Entry::of_record(&record);
        self.report.foreign += u64::from(entries.is_empty());
        for ((ecosystem, package), entry) in entries {
            self.cover(ecosystem);
            let (count, list) = self.names.entry((ecosystem, package)).or_default();
            let before = list.len();
            entry.encode(list);
            // More than a block can hold: a name with so many entries is no real package.
            if list.len() > MAX_BLOCK / 2 {
                list.truncate(before);
                self.skip(name, RecordError::TooLarge { limit: (MAX_BLOCK / 2) as u64 });
                break;
            }
            *count += 1;
        }
        self.keep_raw(&record, bytes);
    }

    fn keep_raw(&mut self, record: &Record, bytes: &[u8]) {
        let place = (self.raw.rows.len() as u64, self.raw_open.len() as u64, bytes.len() as u64);
        self.raw_open.extend_from_slice(bytes);
        self.ids.entry(record.id.clone()).or_default().push(place);
        for alias in &record.aliases {
            // One alias that very many records share is no way to find one of them.
            let list = self.ids.entry(alias.clone()).or_default();
            if list.len() < 32 {
                list.push(place);
            }
        }
        if self.raw_open.len() >= RAW_BLOCK {
            self.close_raw();
        }
    }

    fn close_raw(&mut self) {
        let raw = std::mem::take(&mut self.raw_open);
        if raw.is_empty() {
            return;
        }
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(3));
        // Writing to memory does not fail; were it to, the block would be found damaged when it is read.
        let packed = encoder.write_all(&raw).and_then(|()| encoder.finish()).unwrap_or_default();
        self.raw.push(&packed, raw.len());
    }

    fn skip(&mut self, name: &str, reason: RecordError) {
        self.report.skipped_count += 1;
        if self.report.skipped.len() < SKIPPED_NAMED {
            self.report.skipped.push(Skipped { name: name.to_owned(), reason });
        }
    }

    fn count(&mut self, path: &Path, bytes: u64) -> Result<(), BuildError> {
        self.total += bytes;
        let too_much = |limit, what| BuildError::TooMuch { path: path.display().to_string(), limit, what };
        if self.total > self.limits.total {
            return Err(too_much(self.limits.total, "bytes of records"));
        }
        if self.report.records + self.report.skipped_count >= self.limits.records {
            return Err(too_much(self.limits.records, "records"));
        }
        Ok(())
    }

    /// Takes every `*.json` of a zip, a directory (recursively), or a single JSON file.
    pub fn add_path(&mut self, path: &Path) -> Result<(), BuildError> {
        let meta = std::fs::metadata(path).map_err(|e| io(path, &e))?;
        if meta.is_dir() {
            return self.add_directory(path, 0);
        }
        let mut file = File::open(path).map_err(|e| io(path, &e))?;
        let mut magic = [0; 2];
        let is_zip = file.read_exact(&mut magic).is_ok() && &magic == b"PK";
        if is_zip {
            file.rewind().map_err(|e| io(path, &e))?;
            self.add_zip(path, file)
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            self.add_file(path)
        } else {
            Err(BuildError::NotZip { path: path.display().to_string(), reason: "no zip signature".to_owned() })
        }
    }

    fn add_directory(&mut self, dir: &Path, depth: usize) -> Result<(), BuildError> {
        if depth > self.limits.depth {
            return Err(BuildError::TooMuch {
                path: dir.display().to_string(),
                limit: self.limits.depth as u64,
                what: "nested directories",
            });
        }
        let mut paths: Vec<(PathBuf, std::fs::FileType)> = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|e| io(dir, &e))? {
            let entry = entry.map_err(|e| io(dir, &e))?;
            paths.push((entry.path(), entry.file_type().map_err(|e| io(dir, &e))?));
        }
        paths.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in paths {
            let hidden = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with('.'));
            // Links are not followed: a checkout's link may lead anywhere, and in circles.
            if kind.is_dir() && !hidden {
                self.add_directory(&path, depth + 1)?;
            } else if kind.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
                self.add_file(&path)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), BuildError> {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        let mut bytes = Vec::new();
        file.take(self.limits.record + 1).read_to_end(&mut bytes).map_err(|e| io(path, &e))?;
        self.take(path, &path.display().to_string(), &bytes)
    }

    /// Takes every `*.json` of a zip.
    pub fn add_zip<R: Read + Seek>(&mut self, path: &Path, reader: R) -> Result<(), BuildError> {
        let not_zip =
            |e: zip::result::ZipError| BuildError::NotZip { path: path.display().to_string(), reason: e.to_string() };
        let mut archive = zip::ZipArchive::new(reader).map_err(not_zip)?;
        let mut bytes = Vec::new();
        for i in 0..archive.len() {
            let Some(name) = archive.name_for_index(i).and_then(Result::ok).map(|n| n.into_owned()) else { continue };
            if !name.to_ascii_lowercase().ends_with(".json") {
                continue;
            }
            bytes.clear();
            let read = archive.by_index(i).map_err(|e| e.to_string()).and_then(|file| {
                // What the directory claims as a size decides nothing: what comes out is counted.
                file.take(self.limits.record + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())
            });
            match read {
                Ok(_) => self.take(path, &name, &bytes)?,
                Err(e) => {
                    self.count(path, bytes.len() as u64)?;
                    self.skip(&name, RecordError::Unreadable(e));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, name: &str, bytes: &[u8]) -> Result<(), BuildError> {
        self.count(path, bytes.len() as u64)?;
        if bytes.len() as u64 > self.limits.record {
            self.skip(name, RecordError::TooLarge { limit: self.limits.record });
        } else {
            self.add(name, bytes);
        }
        Ok(())
    }

    /// Writes the index to `path`, over what was there. `updated_at`: when the source was current.
    pub fn write(mut self, path: &Path, updated_at: Timestamp) -> Result<Report, BuildError> {
        if self.report.records == 0 {
            return Err(BuildError::Empty { path: path.display().to_string() });
        }
        self.close_raw();
        let built =
            self.assemble(updated_at).map_err(|reason| BuildError::Io { path: path.display().to_string(), reason })?;
        self.report.bytes = built.iter().map(|s| s.len() as u64).sum();
        persist(path, &built)?;
        Ok(self.report)
    }

    /// The file's bytes: the header and the sections.
    fn assemble(&mut self, updated_at: Timestamp) -> Result<Vec<Vec<u8>>, String> {
        let mut names: Vec<(Vec<u8>, u64, Vec<u8>)> = std::mem::take(&mut self.names)
            .into_iter()
            .map(|((ecosystem, name), (count, list))| (name_key(ecosystem, &name), count, list))
            .collect();
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.report.names = names.len() as u64;
        let mut blocks = Packed::default();
        let mut open = Vec::new();
        let mut index = fst::MapBuilder::memory();
        let fst_error = |e: fst::Error| e.to_string();
        for (key, count, list) in names {
            index.insert(key, ((blocks.rows.len() as u64) << 32) | open.len() as u64).map_err(fst_error)?;
            put_number(&mut open, count);
            open.extend_from_slice(&list);
            if open.len() >= BLOCK {
                blocks.push(&lz4_flex::block::compress(&open), open.len());
                open.clear();
            }
        }
        if !open.is_empty() {
            blocks.push(&lz4_flex::block::compress(&open), open.len());
        }
        let names = index.into_inner().map_err(fst_error)?;

        let mut ids: Vec<(String, Vec<Place>)> = std::mem::take(&mut self.ids).into_iter().collect();
        ids.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut index = fst::MapBuilder::memory();
        let mut postings = Vec::new();
        for (id, places) in ids {
            index.insert(id, postings.len() as u64).map_err(fst_error)?;
            put_number(&mut postings, places.len() as u64);
            for (block, start, len) in places {
                put_number(&mut postings, block + blocks.rows.len() as u64);
                put_number(&mut postings, start);
                put_number(&mut postings, len);
            }
        }
        let ids = index.into_inner().map_err(fst_error)?;

        let mut table = Vec::new();
        let raw = std::mem::take(&mut self.raw);
        let in_raw = raw.rows.iter().map(|(at, packed, size, sum)| (at | 1 << 63, *packed, *size, *sum));
        for (at, packed, size, sum) in blocks.rows.iter().copied().chain(in_raw) {
            table.extend_from_slice(&at.to_le_bytes());
            table.extend_from_slice(&packed.to_le_bytes());
            table.extend_from_slice(&size.to_le_bytes());
            table.extend_from_slice(&sum.to_le_bytes());
        }
        let sections: [Vec<u8>; SECTIONS] = [names, table, blocks.bytes, ids, postings, raw.bytes];
        let mut out = vec![self.header(updated_at, &sections)];
        out.extend(sections);
        Ok(out)
    }

    fn header(&self, updated_at: Timestamp, sections: &[Vec<u8>]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&self.ecosystems.to_le_bytes());
        let newest = self.newest.map_or(0, |t| t.as_second().cast_unsigned());
        let report = &self.report;
        for n in [report.records, report.withdrawn, report.names, updated_at.as_second().cast_unsigned(), newest] {
            header.extend_from_slice(&n.to_le_bytes());
        }
        let mut at = HEADER as u64;
        for section in sections {
            for n in [at, section.len() as u64, checksum(section)] {
                header.extend_from_slice(&n.to_le_bytes());
            }
            at += section.len() as u64;
        }
        let sum = checksum(&header);
        header.extend_from_slice(&sum.to_le_bytes());
        header
    }
}

fn io(path: &Path, e: &std::io::Error) -> BuildError {
    BuildError::Io { path: path.display().to_string(), reason: e.to_string() }
}

/// Writes `parts` to `path` so that a reader sees the old file or the new one, also after a power cut.
pub(super) fn persist(path: &Path, parts: &[Vec<u8>]) -> Result<(), BuildError> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(|e| io(dir, &e))?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir).map_err(|e| io(dir, &e))?;
    for part in parts {
        file.write_all(part).map_err(|e| io(path, &e))?;
    }
    file.as_file().sync_all().map_err(|e| io(path, &e))?;
    file.persist(path).map_err(|e| io(path, &e.error))?;
    #[cfg(unix)]
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io(dir, &e))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::io::Cursor;

    use super::*;
    use crate::advisories::index::{Index, IndexError};
    use crate::model::PackageName;

    fn record(id: &str, package: &str, version: &str) -> String {
        format!(
            r#"{{"id":"{id}","modified":"2026-01-01T00:00:00Z","aliases":["CVE-{id}"],"summary":"s",
                "affected":[{{"package":{{"ecosystem":"npm","name":"{package}"}},"versions":["{version}"]}}]}}"#
        )
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn built(n: usize) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.index");
        let mut builder = Builder::default();
        for i in 0..n {
            builder.add("r", record(&format!("GHSA-{i}"), &format!("package-{i}"), "1.0.0").as_bytes());
        }
        builder.write(&path, Timestamp::UNIX_EPOCH).unwrap();
        (dir, path)
    }

    #[test]
    fn every_name_and_id_is_found_again() {
        let (_dir, path) = built(2000);
        let index = Index::open(&path).unwrap();
        assert_eq!((index.summary().records, index.summary().names), (2000, 2000));
        for i in 0..2000 {
            let name = PackageName::new(Ecosystem::Npm, &format!("package-{i}"));
            let entries = index.entries(&name).unwrap();
            assert_eq!(entries.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), [format!("GHSA-{i}")]);
        }
        for id in ["GHSA-0", "GHSA-1999", "CVE-GHSA-77"] {
            assert_eq!(index.records(id).unwrap().len(), 1, "{id}");
        }
        assert_eq!(index.entries(&PackageName::new(Ecosystem::PyPI, "package-1")), Ok(vec![]));
        assert_eq!(index.records("GHSA-2000"), Ok(vec![]));
    }

    /// Wherever a file is cut off or a byte is changed, the answer is an error or the true one; never a panic.
    #[test]
    fn damage_is_an_error_or_without_effect() {
        let (dir, path) = built(50);
        let whole = std::fs::read(&path).unwrap();
        let damaged = dir.path().join("damaged.index");
        let name = PackageName::new(Ecosystem::Npm, "package-7");
        let truth = Index::open(&path).unwrap().entries(&name).unwrap();
        let ask = |bytes: &[u8]| {
            std::fs::write(&damaged, bytes).unwrap();
            let Ok(index) = Index::open(&damaged) else { return false };
            if let Ok(entries) = index.entries(&name) {
                assert_eq!(entries, truth);
            }
            let _ = index.records("GHSA-7");
            let _ = index.records("CVE-GHSA-49");
            true
        };
        for cut in (0..whole.len()).step_by(7) {
            assert!(!ask(&whole[..cut]), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            ask(&bytes);
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert!(!ask(&longer));
    }

    #[test]
    fn a_foreign_file_is_told_from_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.index");
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Index::open(&path), Err(IndexError::Foreign { .. })));
        std::fs::write(&path, [b'x'; 4096]).unwrap();
        assert!(matches!(Index::open(&path), Err(IndexError::Foreign { .. })));
        assert!(matches!(Index::open(&dir.path().join("none")), Err(IndexError::Io { .. })));
        let (_dir, good) = built(1);
        let bytes = std::fs::read(good).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(Index::open(&path), Err(IndexError::Corrupt { .. })));
    }

    #[test]
    fn a_zip_is_read_within_its_limits() {
        let good = record("GHSA-1", "a", "1.0.0");
        let big = vec![b' '; 2000];
        let zip = zip_of(&[
            ("npm/GHSA-1.json", good.as_bytes()),
            ("big.json", &big),
            ("../../escape.json", b"{}"),
            ("README.md", b"no record"),
            ("dir/", b""),
        ]);
        let limits = Limits { record: 1000, records: 10, total: 10_000, depth: 1 };
        let mut builder = Builder::new(limits);
        builder.add_zip(Path::new("all.zip"), Cursor::new(&zip)).unwrap();
        assert_eq!(builder.report.records, 1);
        let skipped: Vec<(&str, &RecordError)> =
            builder.report.skipped.iter().map(|s| (s.name.as_str(), &s.reason)).collect();
        assert_eq!(skipped[0], ("big.json", &RecordError::TooLarge { limit: 1000 }));
        assert_eq!(skipped[1].0, "../../escape.json");
        assert_eq!(skipped.len(), 2);

        for limits in [Limits { total: 900, ..limits }, Limits { records: 1, ..limits }] {
            let too_much = Builder::new(limits).add_zip(Path::new("all.zip"), Cursor::new(&zip));
            assert!(matches!(too_much, Err(BuildError::TooMuch { .. })), "{limits:?}");
        }
        // Cut anywhere, it is no zip or has unreadable records: never a panic.
        for cut in 0..zip.len() {
            let _ = Builder::new(limits).add_zip(Path::new("all.zip"), Cursor::new(&zip[..cut]));
        }
    }

    /// A megabyte of spaces in a few bytes, many times over: what comes out is counted, not what is claimed.
    #[test]
    fn a_zip_bomb_ends_at_the_limit() {
        let spaces = vec![b' '; 1 << 20];
        let files: Vec<(String, &[u8])> = (0..20).map(|i| (format!("{i}.json"), spaces.as_slice())).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), *b)).collect();
        let zip = zip_of(&files);
        assert!(zip.len() < 100_000);
        let limits = Limits { total: 5 << 20, ..Limits::default() };
        let result = Builder::new(limits).add_zip(Path::new("all.zip"), Cursor::new(zip));
        assert_eq!(
            result,
            Err(BuildError::TooMuch { path: "all.zip".to_owned(), limit: 5 << 20, what: "bytes of records" })
        );
    }

    #[test]
    fn nothing_readable_is_no_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.index");
        std::fs::write(&path, b"old").unwrap();
        let mut builder = Builder::default();
        builder.add("a.json", b"{");
        assert!(matches!(builder.write(&path, Timestamp::UNIX_EPOCH), Err(BuildError::Empty { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert!(matches!(Builder::default().add_path(&path), Err(BuildError::NotZip { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_a_builder_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let mut builder = Builder::default();
            builder.add("x", &bytes);
            let _ = builder.add_zip(Path::new("x"), Cursor::new(&bytes));
            let _ = crate::advisories::entry::Entry::decode(&mut bytes.as_slice());
        }
    }
}
