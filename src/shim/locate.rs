//! Where the real tool is. In: a word, PATH, what this program's own file is. Out: the first program that PATH gives
//! beside our own links.
//!
//! A version manager's shim (pyenv, asdf, volta, rustup) is a program of the user's like any other. Some of them hand a
//! command back to PATH: pyenv with the version `system` takes its own directory out of PATH and starts `python` again.
//! So what is handed to a program that could do that is marked with the process's id. A process that comes back here
//! under the same id, or as the direct child of such a manager, takes the next program instead. The mark decides only
//! where a tool is looked for, never whether a command is judged.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::toolchain::{is_program, own::Own};

/// What this process, or the manager that started it, was already handed to: `PID:PATH[:PATH…]`.
pub const MARK: &str = "TIDEWAITER_PASSED";

/// Where POSIX looks when there is no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What a search sees.
#[derive(Debug, Clone)]
pub struct Search {
    /// PATH.
    pub path: Option<OsString>,
    /// The working directory: an entry of PATH may be relative to it.
    pub cwd: PathBuf,
    /// This program.
    pub own: Own,
    /// Programs that this command has already been through.
    pub passed: Vec<PathBuf>,
}

impl Search {
    /// The search of this process.
    pub fn of_process() -> Self {
        Self {
            path: std::env::var_os("PATH"),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            own: Own::detect(),
            passed: std::env::var_os(MARK).map(|mark| passed(&mark)).unwrap_or_default(),
        }
    }

    /// Every program that a word names, this one included, in PATH's order. A word with a separator is a path.
    pub fn candidates(&self, word: &OsStr) -> Vec<PathBuf> {
        if word.is_empty() {
            return Vec::new();
        }
        if Path::new(word).components().count() > 1 || Path::new(word).has_root() {
            return vec![self.cwd.join(word)];
        }
        let path = self.path.clone().unwrap_or_else(|| DEFAULT_PATH.into());
        std::env::split_paths(&path).map(|dir| self.cwd.join(dir).join(word)).filter(|p| is_program(p)).collect()
    }

    /// The real tool behind a word.
    pub fn locate(&self, word: &OsStr) -> Option<PathBuf> {
        let real = |path: &PathBuf| is_program(path) && !self.own.is(path) && !self.passed.contains(path);
        let mut candidates = self.candidates(word);
        // One of our links by its path: what its name gives on PATH.
        if let ([only], Some(name)) = (candidates.as_slice(), Path::new(word).file_name())
            && name != word
            && self.own.is(only)
        {
            candidates = self.candidates(name);
        }
        candidates.into_iter().find(real)
    }

    /// The mark to leave for a program, when it is of a kind that could come back here.
    pub fn mark(&self, program: &Path) -> Option<OsString> {
        if !may_come_back(program) {
            return None;
        }
        let all = self.passed.iter().map(PathBuf::as_path).chain([program]);
        let paths = std::env::join_paths(all).ok()?;
        let mut mark = OsString::from(std::process::id().to_string());
        mark.push(":");
        mark.push(paths);
        Some(mark)
    }
}

/// What a mark says, when it was left by this very process or by the one that a manager was started as.
fn passed(mark: &OsStr) -> Vec<PathBuf> {
    let Some((id, paths)) = mark.to_str().and_then(|m| m.split_once(':')) else { return Vec::new() };
    let Ok(id) = id.parse::<u32>() else { return Vec::new() };
    if id == std::process::id() || is_manager_child(id) { std::env::split_paths(paths).collect() } else { Vec::new() }
}

/// Version managers that are programs of their own and start the tool as a child or by `exec`.
const MANAGERS: &[&str] = &["volta-shim", "mise", "asdf", "proto-shim", "proto", "rtx", "nodenv", "fnm", "vfox"];

#[cfg(unix)]
fn is_manager_child(id: u32) -> bool {
    std::os::unix::process::parent_id() == id
        && std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| is_manager(&exe))
}

#[cfg(not(unix))]
fn is_manager_child(_: u32) -> bool {
    false
}

fn is_manager(exe: &Path) -> bool {
    exe.file_name().and_then(OsStr::to_str).is_some_and(|name| MANAGERS.contains(&name))
}

/// Whether a program could start its own name through PATH again: a shell's script, or a known manager. Scripts of
/// node and Python, and machine code, are tools themselves.
fn may_come_back(program: &Path) -> bool {
    use std::io::Read as _;
    if program.canonicalize().is_ok_and(|real| is_manager(&real)) {
        return true;
    }
    let mut head = [0_u8; 128];
    let Ok(n) = std::fs::File::open(program).and_then(|mut f| f.read(&mut head)) else { return false };
    let head = String::from_utf8_lossy(head.get(..n).unwrap_or_default());
    let Some(line) = head.strip_prefix("#!").and_then(|rest| rest.lines().next()) else { return false };
    let tool = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        ["node", "bun", "deno", "pypy"].contains(&name) || name.starts_with("python")
    };
    !line.split_whitespace().any(tool)
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};

    use super::{Search, passed};
    use crate::toolchain::own::{MARKER, Own};

    fn program(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn search(dir: &Path, path: &[&str]) -> Search {
        let path = std::env::join_paths(path.iter().map(|p| if p.starts_with('.') { p.into() } else { dir.join(p) }));
        Search { path: Some(path.unwrap()), cwd: dir.to_owned(), own: Own::of(&dir.join("engine")), passed: Vec::new() }
    }

    fn world() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        program(at("engine"), "the engine");
        std::fs::create_dir_all(at("shims")).unwrap();
        std::fs::write(at("shims").join(MARKER), "").unwrap();
        symlink(at("engine"), at("shims/pip")).unwrap();
        program(at("manager/pip"), "#!/usr/bin/env bash\nexec pip\n");
        program(at("usr/pip"), "#!/usr/bin/python3\n");
        program(at("bin/npm"), "#!/usr/bin/env node\n");
        std::fs::create_dir_all(at("copies")).unwrap();
        std::fs::copy(at("engine"), at("copies/pip")).unwrap();
        std::fs::create_dir_all(at("hard")).unwrap();
        std::fs::hard_link(at("engine"), at("hard/pip")).unwrap();
        std::fs::create_dir_all(at("notaprogram/pip")).unwrap();
        dir
    }

    #[test]
    fn the_first_that_is_not_this_program() {
        let dir = world();
        let at = |name: &str| Some(dir.path().join(name));
        let s = search(dir.path(), &["shims", "copies", "hard", "notaprogram", "none", "manager", "usr"]);
        assert_eq!(s.locate("pip".as_ref()), at("manager/pip"));
        assert_eq!(s.locate("npm".as_ref()), None);
        assert_eq!(s.locate(dir.path().join("shims/pip").as_ref()), at("manager/pip"), "a link by its path");
        assert_eq!(s.locate(dir.path().join("usr/pip").as_ref()), at("usr/pip"), "a program by its path");
        assert_eq!(s.locate("usr/pip".as_ref()), at("usr/pip"));
        assert_eq!(s.locate("".as_ref()), None);
        let mut none = s.clone();
        none.path = None;
        assert_eq!(none.locate("no-such-tool".as_ref()), None);
    }

    #[test]
    fn a_manager_that_comes_back_gets_the_next() {
        let dir = world();
        let mut s = search(dir.path(), &["shims", "manager", "usr"]);
        let manager = s.locate("pip".as_ref()).unwrap();
        let mark = s.mark(&manager).unwrap();
        s.passed = passed(&mark);
        assert_eq!(s.passed, [manager]);
        assert_eq!(s.locate("pip".as_ref()), Some(dir.path().join("usr/pip")));
        assert_eq!(passed("1:/usr/bin/pip".as_ref()), Vec::<PathBuf>::new(), "another process's mark says nothing");
        for broken in ["", ":", "x:/a", "99999999999999999999:/a", "/a:/b"] {
            assert_eq!(passed(broken.as_ref()), Vec::<PathBuf>::new(), "{broken}");
        }
    }

    #[test]
    fn tools_themselves_are_not_marked() {
        let dir = world();
        let s = search(dir.path(), &["shims"]);
        assert_eq!(s.mark(&dir.path().join("bin/npm")), None);
        assert_eq!(s.mark(&dir.path().join("usr/pip")), None);
        assert!(s.mark(&dir.path().join("manager/pip")).is_some());
    }
}
