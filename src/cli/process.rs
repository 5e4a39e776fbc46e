//! This process as plain values: its environment, the disk behind [`Files`], its directories and its terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::progress::Line;
use crate::enforce::gateway;
use crate::model::{Environment, FileError, Files, Timestamp};
use crate::toolchain::own::{MARKER, Own};
use crate::toolchain::{account, reentry};

/// The largest file that is read, in bytes. The largest real lockfiles are a tenth of it.
pub const LARGEST_FILE: u64 = 64 << 20;

/// What this process was started in, and why its working directory cannot be told when it was removed. Then what the
/// shell last knew of it stands in its place, so that a command that installs nothing can be told to be one.
pub fn environment() -> (Environment, Option<std::io::Error>) {
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect();
    let (cwd, lost) = match std::env::current_dir() {
        Ok(cwd) => (cwd, None),
        Err(error) => {
            let last = variables.get("PWD").map(PathBuf::from).filter(|p| p.is_absolute());
            (last.unwrap_or_else(|| PathBuf::from("/")), Some(error))
        }
    };
    let environment = Environment {
        cwd,
        home: etcetera::home_dir().ok(),
        now: Timestamp::now(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        variables,
    };
    (environment, lost)
}

/// Where this program keeps things (XDG on Unix, the platform's own elsewhere).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `~/.config/tidewaiter`
    pub config: PathBuf,
    /// `~/.cache/tidewaiter`
    pub cache: PathBuf,
    /// `~/.local/share/tidewaiter`
    pub data: PathBuf,
}

impl Directories {
    /// The directories of this user: see [`Directories::settled`].
    pub fn of_user() -> Self {
        Self::settled().0
    }

    /// The directories of this user, and those that the variables name where they are others.
    ///
    /// A variable in front of a command must not bring a policy, a record and approvals of its own. So the directories
    /// are those that were noted when the links were made through which this process was started; else those of the
    /// account's own home, by the system's list of accounts, where this gate was used from there before; and only else
    /// those of the variables, as in a container whose home is made for one run.
    pub fn settled() -> (Self, Option<Self>) {
        let named = Self::named();
        if !cfg!(target_os = "linux") || is_trial() {
            return (named, None);
        }
        let own = Self::linked().or_else(Self::of_account).filter(|own| !own.is(&named));
        match own {
            Some(own) => (own, Some(named)),
            None => (named, None),
        }
    }

    /// Whether two are the same by another way.
    fn is(&self, other: &Self) -> bool {
        let plain = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let same = |a: &Path, b: &Path| a == b || plain(a) == plain(b);
        same(&self.config, &other.config) && same(&self.cache, &other.cache) && same(&self.data, &other.data)
    }

    /// What the marker of the links says that this process was started through, or that are on PATH.
    fn linked() -> Option<Self> {
        let argv0 = std::env::args_os().next().unwrap_or_default();
        let word = Path::new(&argv0);
        let by_path = word.components().count() > 1;
        let name = word.file_name().filter(|_| crate::shim::tool(&argv0).is_some());
        let directories: Vec<PathBuf> = match (name, word.parent()) {
            (Some(_), Some(parent)) if by_path => vec![parent.to_owned()],
            _ => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect(),
        };
        let directory =
            directories.into_iter().find(|d| name.is_none_or(|n| d.join(n).exists()) && d.join(MARKER).exists())?;
        let marker = directory.join(MARKER);
        let text = std::fs::read_to_string(&marker).ok().filter(|_| account::owns(&marker))?;
        Self::noted(&text)
    }

    /// As the marker of links has them.
    pub fn note(&self) -> String {
        let Self { config, cache, data } = self;
        let lines = [("config", config), ("cache", cache), ("data", data)];
        lines.iter().map(|(what, path)| format!("{what}={}\n", path.display())).collect()
    }

    fn noted(text: &str) -> Option<Self> {
        let of = |what: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix('='));
            found.map(PathBuf::from).filter(|path| path.is_absolute())
        };
        Some(Self { config: of("config")?, cache: of("cache")?, data: of("data")? })
    }

    /// Those of the account's own home, where there is something of this gate's.
    fn of_account() -> Option<Self> {
        let home = account::home()?;
        let below = |path: &str| home.join(path).join("tidewaiter");
        let own = Self { config: below(".config"), cache: below(".cache"), data: below(".local/share") };
        let used = ["log", "shims", "approvals", "advisories"].iter().any(|name| own.data.join(name).exists())
            || own.config.join("policy.toml").exists();
        used.then_some(own)
    }

    /// Those that the variables name. Without a home directory: below the system's temporary directory, so that
    /// a judgement is still possible.
    fn named() -> Self {
        use etcetera::BaseStrategy as _;
        match etcetera::choose_base_strategy() {
            Ok(base) => Self {
                config: base.config_dir().join("tidewaiter"),
                cache: base.cache_dir().join("tidewaiter"),
                data: base.data_dir().join("tidewaiter"),
            },
            Err(_) => {
                let base = std::env::temp_dir().join("tidewaiter");
                Self { config: base.join("config"), cache: base.join("cache"), data: base.join("data") }
            }
        }
    }
}

/// Whether `doctor` started this process, to try a link in a home made for that. The parent says so, and no variable: it
/// has to be this program, with that word first.
fn is_trial() -> bool {
    let said = std::env::var(reentry::TRIAL).ok().and_then(|id| id.parse::<u32>().ok());
    said.is_some_and(|id| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        reentry::is_parent(id, &Own::detect()) && line.split(|b| *b == 0).nth(1) == Some(b"doctor")
    })
}

/// A file's bytes, or why there are none.
type Content = Result<Arc<[u8]>, FileError>;

/// The disk. Reads a file once: what was judged is one state of it, however often it is asked for.
#[derive(Debug, Default)]
pub struct Disk {
    read: Mutex<BTreeMap<PathBuf, Content>>,
}

impl Disk {
    /// What there is now at a path. That there was nothing is part of what was seen: a file that appears later was not
    /// judged.
    fn look(&self, path: &Path) -> Option<std::fs::Metadata> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(FileError::NotFound)) = read.get(path) {
            return None;
        }
        match std::fs::metadata(path) {
            Ok(meta) => Some(meta),
            Err(e) => {
                if e.kind() == std::io::ErrorKind::NotFound && !read.contains_key(path) {
                    read.insert(path.to_owned(), Err(FileError::NotFound));
                }
                None
            }
        }
    }
}

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Arc<[u8]>, FileError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(path) {
            return known.clone();
        }
        // What a run that was killed has left in a lockfile stands for the upstream's.
        let answer = match read_bounded(path) {
            Ok(text) if gateway::is_lockfile(path) => Ok(gateway::mended_of_any(&text).map_or(text, Into::into)),
            other => other,
        };
        read.insert(path.to_owned(), answer.clone());
        answer
    }

    fn is_file(&self, path: &Path) -> bool {
        self.look(path).is_some_and(|meta| meta.is_file())
    }

    fn exists(&self, path: &Path) -> bool {
        self.look(path).is_some_and(|meta| meta.is_file() || meta.is_dir())
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn is_link(&self, path: &Path) -> bool {
        path.is_symlink()
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        std::fs::read_link(path).ok()
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find_map(|above| {
            let rest = path.strip_prefix(above).ok()?;
            let real = std::fs::canonicalize(above).ok()?;
            Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
        })
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        let mut out: Vec<PathBuf> =
            std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).map(|e| e.path()).collect();
        out.sort();
        out
    }
}

fn read_bounded(path: &Path) -> Result<Arc<[u8]>, FileError> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => FileError::NotFound,
        _ => FileError::Io(e.to_string()),
    };
    let meta = std::fs::metadata(path).map_err(failed)?;
    // Opening a pipe or a device could wait for ever, or never end.
    if !meta.is_file() {
        return Err(FileError::Io(
            if meta.is_dir() { "it is a directory" } else { "it is not a regular file" }.to_owned(),
        ));
    }
    if meta.len() > LARGEST_FILE {
        return Err(FileError::TooLarge { limit: LARGEST_FILE });
    }
    let mut file = std::fs::File::open(path).map_err(failed)?;
    // Read at once to where it stays, if it is as long as it was said to be.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, usize::try_from(meta.len()).unwrap_or(0)).collect();
    let filled = match Arc::get_mut(&mut bytes) {
        Some(room) => fill(&mut file, room).map_err(failed)?,
        None => 0,
    };
    let mut more = [0; 64];
    let further = if filled == bytes.len() { fill(&mut file, &mut more).map_err(failed)? } else { 0 };
    if filled == bytes.len() && further == 0 {
        return Ok(bytes);
    }
    let mut all: Vec<u8> = bytes.iter().take(filled).chain(more.iter().take(further)).copied().collect();
    file.take((LARGEST_FILE + 1).saturating_sub(all.len() as u64)).read_to_end(&mut all).map_err(failed)?;
    if all.len() as u64 > LARGEST_FILE {
        return Err(FileError::TooLarge { limit: LARGEST_FILE });
    }
    Ok(all.into())
}

/// Reads until there is no more room, or no more to read; how many bytes it was.
fn fill(file: &mut std::fs::File, mut room: &mut [u8]) -> std::io::Result<usize> {
    let size = room.len();
    while !room.is_empty() {
        match file.read(room) {
            Ok(0) => break,
            Ok(n) => room = room.get_mut(n..).unwrap_or_default(),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(size - room.len())
}

/// Says on stderr, on a terminal only, that work goes on: from the second second until it is dropped.
pub struct Patience {
    done: Arc<(Mutex<bool>, Condvar)>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

impl Patience {
    /// Starts waiting. `what` is drawn once a second has passed.
    pub fn new(what: &'static str) -> Self {
        let done = Arc::new((Mutex::new(false), Condvar::new()));
        if !std::io::stderr().is_terminal() {
            return Self { done, watcher: None };
        }
        let shared = Arc::clone(&done);
        let watcher = std::thread::spawn(move || {
            let (done, woken) = &*shared;
            let guard = done.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = woken.wait_timeout_while(guard, Duration::from_secs(1), |done| !*done);
            let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let mut line = Line::new();
            for frame in ["|", "/", "-", "\\"].iter().cycle() {
                if *guard {
                    return;
                }
                line.show(&format!("{frame} {what}"));
                let waited = woken.wait_timeout_while(guard, Duration::from_millis(120), |done| !*done);
                (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
        });
        Self { done, watcher: Some(watcher) }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let (done, woken) = &*self.done;
        *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        woken.notify_all();
        if let Some(watcher) = self.watcher.take() {
            // A watcher that failed has drawn nothing worth waiting for.
            let _ = watcher.join();
        }
    }
}

impl std::fmt::Debug for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").finish_non_exhaustive()
    }
}

/// Whether to draw in colour: asked for, or a terminal and neither `NO_COLOR` nor `TERM=dumb`.
pub fn colour(environment: &Environment, terminal: bool) -> bool {
    match environment.variable("CLICOLOR_FORCE") {
        Some(v) if !v.is_empty() && v != "0" => true,
        _ => {
            terminal
                && environment.variable("NO_COLOR").is_none_or(str::is_empty)
                && environment.variable("TERM") != Some("dumb")
        }
    }
}

/// The terminal's width in columns, from `COLUMNS`, else 80.
pub fn width(environment: &Environment) -> usize {
    environment.variable("COLUMNS").and_then(|c| c.parse().ok()).filter(|c| (40..=200).contains(c)).unwrap_or(80)
}

/// Gives memory that is free, and lies in pieces between what is not, back to the system: a judgement needs more than what
/// follows it, and what follows it, on other threads, would not take those pieces.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(
            unsafe_code,
            reason = "a function of the C library that takes nothing of ours and changes nothing of it"
        )]
        // SAFETY: `malloc_trim` may be called at any time, from any thread.
        let _ = unsafe { libc::malloc_trim(0) };
    }
}
