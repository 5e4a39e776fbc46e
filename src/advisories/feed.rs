//! Keeping the indexes fresh: OSV's per-ecosystem archives fetched, or files of the user's imported, and swapped in.
//!
//! What is installed stays in use until a whole new index is on disk: an update that fails changes nothing. One
//! update runs at a time (a lock file); readers are not locked out and keep the mapping they opened.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::build::{BuildError, Builder, Limits, Report, persist};
use super::database::INDEX_EXTENSION;
use super::index::Index;
use super::state::{self, State};
use crate::model::{Ecosystem, Timestamp};
use crate::registry::FetchError;
use crate::registry::http::{Client, Downloaded, Validators};

/// Where OSV publishes one archive for each ecosystem.
pub const DEFAULT_URL: &str = "https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip";
/// The largest archive that is fetched: several times the largest of 2026.
pub const MAX_ARCHIVE: u64 = 2 << 30;

/// What an update needs of the network; the real one is [`Client`].
pub trait Download {
    /// Fetches `url` into `path`, at most `limit` bytes, unless it is still what `validators` describe.
    fn download(
        &self,
        url: &str,
        path: &Path,
        limit: u64,
        validators: &Validators,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Downloaded, FetchError>;
}

impl Download for Client {
    fn download(
        &self,
        url: &str,
        path: &Path,
        limit: u64,
        validators: &Validators,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Downloaded, FetchError> {
        self.download_to(url, path, limit, validators, progress)
    }
}

/// Why a source was not updated. What was installed before is still in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Not fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Fetched or given, but no index came of it.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The archive has nothing about the ecosystem it is said to be of.
    #[error("{url} has no record about {ecosystem}")]
    WrongFeed {
        /// The address.
        url: String,
        /// OSV's name of the ecosystem.
        ecosystem: &'static str,
    },
    /// A feed grows. One with less than half of what is installed is a broken mirror, or someone hiding records.
    #[error("{url} has {new} records where {old} are installed; use --force if that is right")]
    Shrunk {
        /// The address.
        url: String,
        /// Records installed.
        old: u64,
        /// Records fetched.
        new: u64,
    },
    /// The directory or the lock file.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// What was done for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new index is installed.
    Updated(Report),
    /// The server says that what is installed is current.
    Unchanged,
}

/// What was done for each ecosystem, in the order asked.
pub type Updates = Vec<(Ecosystem, Result<Outcome, FeedError>)>;

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another process is updating; this one waits for it.
    Waiting,
    /// Bytes so far, and in all where the server says so.
    Downloading {
        /// Of which ecosystem.
        ecosystem: Ecosystem,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        total: Option<u64>,
    },
    /// Reading the records and writing the index.
    Building {
        /// Of which ecosystem.
        ecosystem: Ecosystem,
    },
}

/// Where the indexes are, and where feeds come from.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The directory of the index files.
    pub directory: PathBuf,
    /// An address with `{ecosystem}` in it; without, `/{ecosystem}/all.zip` is added.
    pub url: String,
    /// Install a feed also when it has far fewer records than what is installed.
    pub force: bool,
    /// Bounds of a build.
    pub limits: Limits,
}

impl Feed {
    /// OSV's own feeds, kept in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), url: DEFAULT_URL.to_owned(), force: false, limits: Limits::default() }
    }

    /// The address of an ecosystem's archive.
    pub fn url_of(&self, ecosystem: Ecosystem) -> String {
        if self.url.contains("{ecosystem}") {
            self.url.replace("{ecosystem}", ecosystem.osv())
        } else {
            format!("{}/{}/all.zip", self.url.trim_end_matches('/'), ecosystem.osv())
        }
    }

    /// The index file of an ecosystem's feed.
    pub fn index_of(&self, ecosystem: Ecosystem) -> PathBuf {
        self.index_path(ecosystem.osv())
    }

    // `crates.io` has a dot of its own, so the ending is added, not set.
    fn index_path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.{INDEX_EXTENSION}"))
    }

    /// Fetches and installs the feeds of `ecosystems`, each by itself: one that fails does not stop the others.
    pub fn update(
        &self,
        ecosystems: &[Ecosystem],
        network: &dyn Download,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Updates, FeedError> {
        let _lock = self.lock(progress)?;
        Ok(ecosystems.iter().map(|e| (*e, self.update_one(*e, network, now, progress))).collect())
    }

    fn update_one(
        &self,
        ecosystem: Ecosystem,
        network: &dyn Download,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Outcome, FeedError> {
        let (url, path) = (self.url_of(ecosystem), self.index_of(ecosystem));
        let installed = Index::open(&path).ok().map(|i| i.summary().records);
        // Validators speak only of what is really there, and of the same address.
        let known =
            installed.and_then(|_| state::read(&path)).filter(|s| s.url.as_deref() == Some(&url)).unwrap_or_default();
        let validators = Validators { etag: known.etag.clone(), last_modified: known.last_modified.clone() };
        let archive = self.temporary()?;
        let mut report = |bytes, total| progress(Progress::Downloading { ecosystem, bytes, total });
        let got = network.download(&url, archive.path(), MAX_ARCHIVE, &validators, &mut report)?;
        if got.not_modified {
            self.remember(&path, State { updated_at: Some(now), ..known })?;
            return Ok(Outcome::Unchanged);
        }
        progress(Progress::Building { ecosystem });
        let mut builder = Builder::new(self.limits);
        builder.cover(ecosystem);
        builder.add_path(archive.path())?;
        if builder.names_of(ecosystem) == 0 {
            return Err(FeedError::WrongFeed { url, ecosystem: ecosystem.osv() });
        }
        let (old, new) = (installed.unwrap_or(0), builder.records());
        if !self.force && new < old / 2 {
            return Err(FeedError::Shrunk { url, old, new });
        }
        let built = builder.write(&path, now)?;
        self.remember(
            &path,
            State {
                updated_at: Some(now),
                url: Some(url),
                etag: got.validators.etag,
                last_modified: got.validators.last_modified,
            },
        )?;
        Ok(Outcome::Updated(built))
    }

    /// Builds an index of a directory, a zip or a JSON file and installs it beside the feeds, in the place of an
    /// earlier import of the same file name and ecosystems. The name of the source and what was read.
    pub fn import(
        &self,
        source: &Path,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(String, Report), FeedError> {
        let _lock = self.lock(progress)?;
        let mut builder = Builder::new(self.limits);
        builder.add_path(source)?;
        let covered = Ecosystem::ALL.into_iter().filter(|e| builder.names_of(*e) > 0).map(Ecosystem::osv);
        let stem = source.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let covered: Vec<&str> = covered.collect();
        let name = format!("import-{stem}-{}", covered.join("-"));
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let name: String = name.chars().map(safe).take(120).collect();
        let report = builder.write(&self.index_path(&name), now)?;
        Ok((name, report))
    }

    fn remember(&self, index: &Path, state: State) -> Result<(), FeedError> {
        Ok(persist(&state::path(index), &[state::encode(&state)])?)
    }

    fn io(&self, path: &Path) -> impl Fn(std::io::Error) -> FeedError {
        let path = path.display().to_string();
        move |e| FeedError::Io { path: path.clone(), reason: e.to_string() }
    }

    fn temporary(&self) -> Result<tempfile::NamedTempFile, FeedError> {
        tempfile::Builder::new().prefix(".download-").tempfile_in(&self.directory).map_err(self.io(&self.directory))
    }

    /// Removes what an update that was killed left behind. Called under the lock, so nobody else's work is touched.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if name.to_str().is_some_and(|n| n.starts_with(".download-") || n.starts_with(".new-")) {
                // What cannot be removed is in nobody's way.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Holds the directory's lock until dropped.
    fn lock(&self, progress: &mut dyn FnMut(Progress)) -> Result<File, FeedError> {
        std::fs::create_dir_all(&self.directory).map_err(self.io(&self.directory))?;
        let path = self.directory.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(self.io(&path))?;
        if file.try_lock().is_err() {
            progress(Progress::Waiting);
            file.lock().map_err(self.io(&path))?;
        }
        self.sweep();
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::cell::RefCell;
    use std::io::{Cursor, Write as _};

    use super::*;
    use crate::advisories::{Advisories as _, Database, Kind};
    use crate::model::{PackageId, PackageName};

    /// A server in memory: one answer a URL, and what it was asked.
    #[derive(Default)]
    struct Memory {
        answers: std::collections::BTreeMap<String, Result<(Vec<u8>, &'static str), FetchError>>,
        asked: RefCell<Vec<(String, Option<String>)>>,
    }

    impl Download for Memory {
        fn download(
            &self,
            url: &str,
            path: &Path,
            limit: u64,
            validators: &Validators,
            progress: &mut dyn FnMut(u64, Option<u64>),
        ) -> Result<Downloaded, FetchError> {
            self.asked.borrow_mut().push((url.to_owned(), validators.etag.clone()));
            let missing = Err(FetchError::NotFound { registry: url.to_owned() });
            let (bytes, etag) = self.answers.get(url).cloned().unwrap_or(missing)?;
            if validators.etag.as_deref() == Some(etag) {
                return Ok(Downloaded { not_modified: true, ..Downloaded::default() });
            }
            assert!((bytes.len() as u64) < limit);
            std::fs::write(path, &bytes).unwrap();
            progress(bytes.len() as u64, None);
            let validators = Validators { etag: Some(etag.to_owned()), last_modified: None };
            Ok(Downloaded { not_modified: false, validators, bytes: bytes.len() as u64 })
        }
    }

    fn archive(ecosystem: &str, records: std::ops::Range<usize>) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for i in records {
            zip.start_file(format!("MAL-{i}.json"), zip::write::SimpleFileOptions::default()).unwrap();
            let record = format!(
                r#"{{"id":"MAL-{i}","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z",
                    "affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"p{i}"}},"versions":["1.0.0"]}}]}}"#
            );
            zip.write_all(record.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn feed(dir: &Path) -> Feed {
        Feed { url: "https://feed.example".to_owned(), ..Feed::new(dir) }
    }

    const NPM: &str = "https://feed.example/npm/all.zip";

    fn update(feed: &Feed, server: &Memory, now: &str) -> Result<Outcome, FeedError> {
        let mut all = feed.update(&[Ecosystem::Npm], server, at(now), &mut |_| {}).unwrap();
        all.remove(0).1
    }

    fn knows(dir: &Path, package: &str) -> bool {
        let id = PackageId::new(PackageName::new(Ecosystem::Npm, package), "1.0.0");
        let found = Database::open(dir, at("2026-02-01T00:00:00Z")).find(&id, None);
        found.iter().any(|m| m.kind == Kind::Malware)
    }

    #[test]
    fn a_feed_is_fetched_kept_and_asked_for_changes_only() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(dir.path());
        let mut server = Memory::default();
        server.answers.insert(NPM.to_owned(), Ok((archive("npm", 0..10), "one")));
        let Ok(Outcome::Updated(report)) = update(&feed, &server, "2026-01-10T00:00:00Z") else { unreachable!() };
        assert_eq!((report.records, report.names), (10, 10));
        assert!(knows(dir.path(), "p9") && !knows(dir.path(), "p10"));

        assert_eq!(update(&feed, &server, "2026-01-30T00:00:00Z"), Ok(Outcome::Unchanged));
        let coverage = Database::open(dir.path(), at("2026-02-01T00:00:00Z")).coverage();
        assert_eq!(coverage.updated_at, Some(at("2026-01-30T00:00:00Z")));
        assert_eq!((coverage.stale, coverage.ecosystems), (false, vec!["npm".to_owned()]));
        assert!(Database::open(dir.path(), at("2026-02-07T00:00:01Z")).coverage().stale);

        server.answers.insert(NPM.to_owned(), Ok((archive("npm", 0..20), "two")));
        let reader = Database::open(dir.path(), at("2026-02-01T00:00:00Z"));
        assert!(matches!(update(&feed, &server, "2026-02-01T00:00:00Z"), Ok(Outcome::Updated(_))));
        assert!(knows(dir.path(), "p19"));
        // Who had the old index open goes on reading it.
        let old = PackageId::new(PackageName::new(Ecosystem::Npm, "p3"), "1.0.0");
        assert_eq!(reader.find(&old, None).len(), 1);
        let etags: Vec<Option<String>> = server.asked.borrow().iter().map(|(_, e)| e.clone()).collect();
        assert_eq!(etags, [None, Some("one".to_owned()), Some("one".to_owned())]);
    }

    #[test]
    fn a_failed_update_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(dir.path());
        let mut server = Memory::default();
        server.answers.insert(NPM.to_owned(), Ok((archive("npm", 0..10), "one")));
        update(&feed, &server, "2026-01-10T00:00:00Z").unwrap();
        let unreachable = FetchError::Unreachable { registry: "x".to_owned(), reason: "y".to_owned() };
        let half = archive("npm", 0..40);
        for bad in [
            Err(unreachable),
            Ok((b"<html>captive portal</html>".to_vec(), "two")),
            Ok((half[..half.len() / 2].to_vec(), "two")),
            Ok((archive("npm", 0..0), "two")),
            Ok((archive("PyPI", 0..40), "two")),
            Ok((archive("npm", 0..4), "two")),
        ] {
            server.answers.insert(NPM.to_owned(), bad);
            let error = update(&feed, &server, "2026-01-31T00:00:00Z").unwrap_err();
            assert!(!error.to_string().is_empty());
            assert!(knows(dir.path(), "p9"), "{error}");
            let coverage = Database::open(dir.path(), at("2026-01-31T00:00:00Z")).coverage();
            assert_eq!((coverage.updated_at, coverage.stale), (Some(at("2026-01-10T00:00:00Z")), true), "{error}");
        }
        let forced = Feed { force: true, ..feed };
        assert!(matches!(update(&forced, &server, "2026-02-01T00:00:00Z"), Ok(Outcome::Updated(_))));
        let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, [".lock", "npm.index", "npm.state.json"]);
    }

    #[test]
    fn a_damaged_index_is_a_problem_and_is_fetched_whole_again() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(dir.path());
        let mut server = Memory::default();
        server.answers.insert(NPM.to_owned(), Ok((archive("npm", 0..10), "one")));
        update(&feed, &server, "2026-01-10T00:00:00Z").unwrap();
        std::fs::write(feed.index_of(Ecosystem::Npm), b"torn").unwrap();
        assert_eq!(Database::open(dir.path(), at("2026-01-10T00:00:00Z")).coverage().problems.len(), 1);
        assert!(matches!(update(&feed, &server, "2026-01-11T00:00:00Z"), Ok(Outcome::Updated(_))));
        assert_eq!(Database::open(dir.path(), at("2026-01-10T00:00:00Z")).coverage().problems, Vec::<String>::new());
    }

    #[test]
    fn imports_stand_beside_the_feeds_and_replace_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("my advisories!.zip");
        let feed = feed(&dir.path().join("index"));
        let now = at("2026-01-10T00:00:00Z");
        for n in [3, 5] {
            std::fs::write(&source, archive("npm", 0..n)).unwrap();
            let (name, report) = feed.import(&source, now, &mut |_| {}).unwrap();
            assert_eq!((name.as_str(), report.records), ("import-my_advisories_-npm", n as u64));
        }
        std::fs::write(&source, archive("PyPI", 0..1)).unwrap();
        feed.import(&source, now, &mut |_| {}).unwrap();
        let status = Database::open(&feed.directory, now).status();
        let names: Vec<(&str, u64)> = status.iter().map(|s| (s.name.as_str(), s.records)).collect();
        assert_eq!(names, [("import-my_advisories_-PyPI", 1), ("import-my_advisories_-npm", 5)]);
        assert!(feed.import(&dir.path().join("none.zip"), now, &mut |_| {}).is_err());
    }

    #[test]
    fn one_update_waits_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(dir.path());
        let mut server = Memory::default();
        server.answers.insert(NPM.to_owned(), Ok((archive("npm", 0..10), "one")));
        let held = feed.lock(&mut |_| {}).unwrap();
        let mut held = Some(held);
        let mut seen = Vec::new();
        let mut progress = |p| {
            seen.push(p);
            if p == Progress::Waiting {
                held = None;
            }
        };
        feed.update(&[Ecosystem::Npm], &server, at("2026-01-10T00:00:00Z"), &mut progress).unwrap();
        assert_eq!(seen.first(), Some(&Progress::Waiting));
        assert_eq!(seen.last(), Some(&Progress::Building { ecosystem: Ecosystem::Npm }));
    }

    #[test]
    fn addresses() {
        let mut feed = Feed::new("/x");
        assert_eq!(
            feed.url_of(Ecosystem::CratesIo),
            "https://osv-vulnerabilities.storage.googleapis.com/crates.io/all.zip"
        );
        feed.url = "http://127.0.0.1:1/osv/".to_owned();
        assert_eq!(feed.url_of(Ecosystem::PyPI), "http://127.0.0.1:1/osv/PyPI/all.zip");
        assert!(feed.index_of(Ecosystem::CratesIo).ends_with("crates.io.index"));
        assert!(state::path(&feed.index_of(Ecosystem::CratesIo)).ends_with("crates.io.state.json"));
    }
}
