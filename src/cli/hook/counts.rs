//! The counts of agent sessions on disk: one small file each, changed under a lock, for hosts run hooks in parallel.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::gate::Host;
use crate::hook::session::{self, Counters};
use crate::record::lock;

/// Sessions that nobody heard of for so long are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest file that is one of ours, in bytes.
const LONGEST: u64 = 64 << 10;

/// Where the counts are.
#[derive(Debug, Clone)]
pub struct Counts {
    directory: PathBuf,
}

impl Counts {
    /// Below the user's own data.
    pub fn new(data: &Path) -> Self {
        Self { directory: data.join("agents") }
    }

    /// Whether anything was ever counted for a session.
    pub fn knows(&self, host: Host, name: &str) -> bool {
        self.directory.join(session::file_name(host.name(), name)).exists()
    }

    /// Reads, changes and writes a session's counts, nobody else between.
    pub fn change<T>(&self, host: Host, name: &str, change: impl FnOnce(&mut Counters) -> T) -> std::io::Result<T> {
        let path = self.directory.join(session::file_name(host.name(), name));
        if !self.directory.exists() {
            private(&self.directory)?;
        }
        let _lock = self.lock()?;
        if !path.exists() {
            self.forget();
        }
        let mut counters = Counters::read(bytes(&path)?.as_deref());
        let before = counters.clone();
        let out = change(&mut counters);
        if counters != before || !path.exists() {
            write(&path, &counters)?;
        }
        Ok(out)
    }

    /// A person acted: every session counts anew. How many there were that had to wait.
    pub fn reset(&self) -> std::io::Result<usize> {
        if !self.directory.exists() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        let mut stopped = 0;
        for path in self.files() {
            let mut counters = Counters::read(bytes(&path)?.as_deref());
            stopped += usize::from(counters.stopped);
            counters.reset();
            write(&path, &counters)?;
        }
        Ok(stopped)
    }

    /// Sessions in which a person has to act.
    pub fn stopped(&self) -> usize {
        let read = |path: &PathBuf| bytes(path).ok().flatten();
        self.files().iter().filter(|p| Counters::read(read(p).as_deref()).stopped).count()
    }

    fn lock(&self) -> std::io::Result<File> {
        lock::take(&self.directory.join("lock"), lock::SHORT)
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect()
    }

    fn forget(&self) {
        let old = |path: &PathBuf| {
            let modified = path.metadata().and_then(|m| m.modified());
            modified.is_ok_and(|m| SystemTime::now().duration_since(m).is_ok_and(|age| age > FORGOTTEN))
        };
        for path in self.files().iter().filter(|p| old(p)) {
            // Another time, then.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A file's bytes; `None` when it is not there. One that is too long is read as spoilt.
fn bytes(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut out)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(out))
}

fn write(path: &Path, counters: &Counters) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, counters.write())?;
    std::fs::rename(&new, path)
}

fn private(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
