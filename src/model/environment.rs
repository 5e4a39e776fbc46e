//! What a command was started in: variables, directories, the clock. A plain value, so that
//! everything that depends on it can be tested without touching the process.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
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
    /// A variable's value; `None` when it is not set. Names are compared exactly, on Windows without case (`Path`).
    pub fn variable(&self, name: &str) -> Option<&str> {
        let exact = self.variables.get(name);
        let other = || self.variables.iter().find(|(k, _)| self.os == "windows" && k.eq_ignore_ascii_case(name));
        exact.or_else(|| other().map(|(_, value)| value)).map(String::as_str)
    }

    /// A path as it was written, with the user's own directory for a `~` alone or before a slash.
    pub fn at_home(&self, written: &str) -> PathBuf {
        match (written.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => PathBuf::from(written),
        }
    }

    /// `path` made absolute against the working directory, with `.` and `..` removed lexically.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        lexical(&self.cwd.join(path))
    }
}

/// A path without `.` and `..`, as far as its text allows: `..` at the start of a relative path stays.
pub fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
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
    /// What a symbolic link says; `None` when `path` is none.
    fn read_link(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// The path without symbolic links, as far as it is there; `None` where that cannot be told.
    fn real(&self, _path: &Path) -> Option<PathBuf> {
        None
    }
    /// The paths directly under a directory, sorted; empty when there is none.
    fn list(&self, dir: &Path) -> Vec<PathBuf>;
    /// A file's text, with a UTF-8 byte-order mark removed; an error when it is not UTF-8.
    fn read_text(&self, path: &Path) -> Result<String, FileError> {
        utf8_text(&self.read(path)?).map(str::to_owned)
    }
    /// Whether there is a file or a directory at `path`.
    fn exists(&self, path: &Path) -> bool {
        self.is_dir(path) || self.is_file(path)
    }
}

/// A file's bytes as text, with a UTF-8 byte-order mark removed; an error when they are not UTF-8.
pub fn utf8_text(bytes: &[u8]) -> Result<&str, FileError> {
    let text =
        std::str::from_utf8(bytes).map_err(|e| FileError::Io(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_their_text_undoes() {
        for (path, expected) in
            [("/w/a/../b", "/w/b"), ("/../b", "/b"), ("a/./b/..", "a"), ("../b", "../b"), ("a/../..", "..")]
        {
            assert_eq!(lexical(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn windows_has_variables_without_case() {
        let environment = |os| Environment {
            variables: [("Path".to_owned(), "C:\\bin".to_owned())].into(),
            cwd: PathBuf::from("/w"),
            home: None,
            now: Timestamp::UNIX_EPOCH,
            os,
            arch: "x86_64",
        };
        assert_eq!(environment("windows").variable("PATH"), Some("C:\\bin"));
        assert_eq!(environment("linux").variable("PATH"), None);
    }
}
