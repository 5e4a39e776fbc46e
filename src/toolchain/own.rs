//! Whether a file is this program under another name: a search for the real tool passes over its own shims.
//!
//! In: a path. Out: yes or no. Links are seen through, and so are hard links and copies; a search passes over the shims of
//! another version too.

use std::path::{Path, PathBuf};

use crate::model::Environment;

/// The file that marks a directory of shims. What lies beside it is never taken for a real tool.
pub const MARKER: &str = ".tidewaiter-shims";

/// The name of the program's file.
pub const NAME: &str = "tidewaiter";

/// What this program's own file is known by.
#[derive(Debug, Clone, Default)]
pub struct Own {
    canonical: Option<PathBuf>,
    identity: Option<(u64, u64)>,
    length: Option<u64>,
}

impl Own {
    /// The file of the running process. When it cannot be told, only marked directories and the name are left.
    pub fn detect() -> Self {
        std::env::current_exe().ok().map(|path| Self::of(&path)).unwrap_or_default()
    }

    /// The file at a path.
    pub fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self {
            canonical: path.canonicalize().ok(),
            identity: metadata.as_ref().and_then(identity),
            length: metadata.map(|m| m.len()),
        }
    }

    /// The program's file with every link resolved.
    pub fn path(&self) -> Option<&Path> {
        self.canonical.as_deref()
    }

    /// Whether `path` is no real tool: this program, a link to one of its name, or a file in a directory of shims. It
    /// decides only what a search passes over.
    pub fn is(&self, path: &Path) -> bool {
        let named = || path.canonicalize().is_ok_and(|real| real.file_stem().is_some_and(|s| s == NAME));
        path.parent().is_some_and(|dir| dir.join(MARKER).exists()) || self.same(path) || named()
    }

    /// Whether a running program's file is this one's, by the system's own link to it (`/proc/PID/exe`). The link is not
    /// resolved by its text, which a bind mount or a file system of the process's own would choose.
    pub fn runs(&self, image: &Path) -> bool {
        self.identity.is_some() && std::fs::metadata(image).is_ok_and(|m| identity(&m) == self.identity)
    }

    /// Whether `path` is this very program, wherever it lies. Its name says nothing: any program can have it.
    pub fn same(&self, path: &Path) -> bool {
        let Ok(canonical) = path.canonicalize() else { return false };
        if self.canonical.as_deref() == Some(&canonical) {
            return true;
        }
        let Ok(metadata) = std::fs::metadata(&canonical) else { return false };
        if self.identity.is_some() && identity(&metadata) == self.identity {
            return true;
        }
        self.length == Some(metadata.len()) && self.canonical.as_deref().is_some_and(|own| same_bytes(own, &canonical))
    }
}

/// Where this program may be started from, by any name: its own file, as PATH names it or would name it first, and what
/// the links of a directory lead to.
pub fn places(environment: &Environment, links: Option<&Path>) -> Vec<PathBuf> {
    /// More links than there are tools are somebody else's.
    const MOST: usize = 64;
    let started = std::env::current_exe().ok();
    let real = started.as_ref().and_then(|path| path.canonicalize().ok());
    let file = if environment.os == "windows" { format!("{NAME}.exe") } else { NAME.to_owned() };
    let path = environment.variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(&file));
    let links = links.and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().filter_map(Result::ok);
    let targets = links.take(MOST).filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let targets = targets.filter(|target| target.is_absolute());
    let mut out: Vec<PathBuf> = started.into_iter().chain(real).chain(on_path).chain(targets).collect();
    out.sort();
    out.dedup();
    out
}

/// Device and inode: equal for hard links.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
fn identity(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

/// Whether two files of the same length hold the same bytes. Different programs differ within the first block.
fn same_bytes(a: &Path, b: &Path) -> bool {
    use std::io::Read as _;
    let (Ok(mut a), Ok(mut b)) = (std::fs::File::open(a), std::fs::File::open(b)) else { return false };
    let (mut of_a, mut of_b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let Ok(n) = a.read(&mut of_a) else { return false };
        let (Some(left), Some(right)) = (of_a.get(..n), of_b.get_mut(..n)) else { return false };
        if b.read_exact(right).is_err() || left != right {
            return false;
        }
        if n == 0 {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::{MARKER, Own};

    #[test]
    fn links_hard_links_and_copies_are_this_program_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("engine"), "the program").unwrap();
        std::fs::write(at("copy"), "the program").unwrap();
        std::fs::write(at("other"), "the progrom").unwrap();
        std::fs::write(at("longer"), "the program, longer").unwrap();
        std::fs::hard_link(at("engine"), at("hard")).unwrap();
        std::fs::create_dir(at("version2")).unwrap();
        std::fs::write(at("version2/tidewaiter"), "another version").unwrap();
        let own = Own::of(&at("engine"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("engine"), at("soft")).unwrap();
            std::os::unix::fs::symlink(at("soft"), at("twice")).unwrap();
            std::os::unix::fs::symlink(at("version2/tidewaiter"), at("newer")).unwrap();
            std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
            for name in ["soft", "twice", "newer"] {
                assert!(own.is(&at(name)), "{name}");
            }
            assert!(own.same(&at("twice")) && !own.same(&at("newer")), "another program of this name is not this one");
            assert!(own.runs(&at("hard")) && !own.runs(&at("copy")) && !own.runs(&at("newer")));
            assert!(!own.is(&at("dangling")));
        }
        for name in ["engine", "hard", "copy"] {
            assert!(own.is(&at(name)), "{name}");
        }
        for name in ["other", "longer", "nothing"] {
            assert!(!own.is(&at(name)), "{name}");
        }
        std::fs::write(at(MARKER), "").unwrap();
        assert!(own.is(&at("other")), "a directory of shims holds no real tool");
    }
}
