//! What a command was started in: variables, directories, the clock. A plain value, so that
//! everything that depends on it can be tested without touching the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Timestamp;

/// What a command was started in.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Environment variables. Values that are not Unicode are kept lossily.
    pub variables: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// Now, or the moment of `--as-of`.
    pub now: Timestamp,
    /// `std::env::consts::OS` of the target: `linux`, `macos`, `windows`.
    pub os: &'static str,
    /// `std::env::consts::ARCH` of the target: `x86_64`, `aarch64`, …
    pub arch: &'static str,
}

impl Environment {
    /// A variable's value; `None` when it is not set. Names are compared exactly.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// `path` made absolute against the working directory, with `.` and `..` removed lexically.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let mut out = PathBuf::new();
        for part in self.cwd.join(path).components() {
            match part {
                std::path::Component::CurDir => {}
                std::path::Component::ParentDir => {
                    out.pop();
                }
                other => out.push(other),
            }
        }
        out
    }
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// No such file.
    #[error("no such file")]
    NotFound,
    /// Larger than the reader's limit, in bytes.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The operating system's words.
    #[error("{0}")]
    Io(String),
}

/// The only way in which readers and resolvers see files: bounded, and replaceable by a map in tests.
pub trait Files: Send + Sync {
    /// A file's bytes.
    fn read(&self, path: &Path) -> Result<Arc<[u8]>, FileError>;
    /// Whether there is a file (not a directory) at `path`.
    fn is_file(&self, path: &Path) -> bool;
    /// Whether there is a directory at `path`.
    fn is_dir(&self, path: &Path) -> bool;
    /// Whether `path` itself is a symbolic link.
    fn is_link(&self, _path: &Path) -> bool {
        false
    }
    /// The paths directly under a directory, sorted; empty when there is none.
    fn list(&self, dir: &Path) -> Vec<PathBuf>;
    /// A file's text, with a UTF-8 byte-order mark removed; an error when it is not UTF-8.
    fn read_text(&self, path: &Path) -> Result<String, FileError> {
        let bytes = self.read(path)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|e| FileError::Io(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
    }
}

/// Files in memory, for tests and benchmarks. Directories exist when a file is under them.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(pub BTreeMap<PathBuf, Vec<u8>>);

impl<P: Into<PathBuf>, B: Into<Vec<u8>>> FromIterator<(P, B)> for MemoryFiles {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(p, b)| (p.into(), b.into())).collect())
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> Result<Arc<[u8]>, FileError> {
        self.0.get(path).map(|b| Arc::from(b.as_slice())).ok_or(FileError::NotFound)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.0.keys().any(|p| p.starts_with(path) && p != path)
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        let mut out: Vec<PathBuf> = self
            .0
            .keys()
            .filter_map(|p| p.strip_prefix(dir).ok()?.components().next().map(|first| dir.join(first)))
            .collect();
        out.dedup();
        out
    }
}
