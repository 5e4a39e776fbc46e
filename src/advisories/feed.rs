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
    ) -> Result<Vec<(Ecosystem, Result<Outcome, FeedError>)>, FeedError> {
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
