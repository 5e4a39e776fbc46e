//! Locks that are waited for, and not for ever: whoever holds one could stop every judgement. In: a lock's file, how long
//! to wait. Out: the lock, or who has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::log::private;

/// How long a lock is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Then it is an error.
    pub most: Duration,
    /// Is told after a second what is waited for: a sentence without its end.
    pub say: Option<fn(&str)>,
}

/// A hook has an answer to give, which does not depend on what is written down.
pub const SHORT: Patience = Patience { most: Duration::from_secs(1), say: None };

impl Default for Patience {
    fn default() -> Self {
        Self { most: Duration::from_secs(30), say: None }
    }
}

/// After so long it is said that there is something to wait for.
const QUIET: Duration = Duration::from_secs(1);

/// Takes a lock, whose file is made where there is none.
pub fn take(path: &Path, patience: Patience) -> std::io::Result<File> {
    // A pipe in its place would be waited for when it is opened.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file"));
    }
    let file = unreadable(private(OpenOptions::new().write(true).create(true).truncate(false))).open(path)?;
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let waited = started.elapsed();
        if waited >= patience.most {
            let text = format!("{} has held this lock for {} seconds", holder(&file), patience.most.as_secs());
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text));
        }
        if let (Some(say), false, true) = (patience.say, said, waited >= QUIET) {
            say(&format!("waiting for {}, which {} has locked", path.display(), holder(&file)));
            said = true;
        }
        std::thread::sleep(pause.min(patience.most - waited));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A file that is opened to be written alone: whoever may only read could hold its lock as well.
fn unreadable(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o200);
    }
    options
}

/// Who has a lock, for people: `the process 4711 (flock)`, as far as `/proc/locks` tells (`proc(5)`).
#[cfg(target_os = "linux")]
fn holder(file: &File) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let find = || {
        let inode = format!(":{}", file.metadata().ok()?.ino());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        // `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`
        let mut fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = fields.find(|f| f.get(5).is_some_and(|f| f.ends_with(&inode)))?;
        let id: u32 = found.get(4)?.parse().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        Some(format!("the process {id} ({})", crate::model::printable(name.trim(), 40)))
    };
    find().unwrap_or_else(|| "another process".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &File) -> String {
    "another process".to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::time::Duration;

    use super::{Patience, take};

    #[test]
    fn a_lock_that_another_holds_is_waited_for_and_then_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let patience = Patience { most: Duration::from_millis(20), say: None };
        let held = take(&path, patience).unwrap();
        let error = take(&path, patience).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        if cfg!(target_os = "linux") {
            assert!(error.to_string().contains(&format!("process {} (", std::process::id())), "{error}");
        }
        drop(held);
        take(&path, patience).unwrap();
        assert_eq!(take(dir.path(), patience).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}
