//! Becoming the real tool. In: its path, the words. Out: nothing, or why it could not be started.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::locate::{MARK, Search};

/// Replaces this process by `program`. Environment, working directory, open files, terminal and process id stay; only
/// the mark of [`Search::mark`] may be added. Returns only when that fails.
///
/// `argv0` is the word that was typed. An interpreter gets its path instead: from the bare word it would look itself up
/// on PATH, find our link, and take the link's directory for its home.
pub fn exec(
    search: &Search,
    program: &Path,
    argv0: &OsStr,
    arguments: &[OsString],
    path: Option<&OsStr>,
    variable: Option<(&str, &str)>,
) -> std::io::Error {
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    if let Some((name, value)) = variable {
        command.env(name, value);
    }
    match search.mark(program) {
        Some(mark) => command.env(MARK, mark),
        None if std::env::var_os(MARK).is_some() => command.env_remove(MARK),
        None => &mut command,
    };
    become_it(&mut command, program, argv0)
}

#[cfg(unix)]
fn become_it(command: &mut std::process::Command, program: &Path, argv0: &OsStr) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    let name = Path::new(argv0).file_name().unwrap_or(argv0);
    let bare = name == argv0 && !name.to_string_lossy().starts_with("py");
    command.arg0(if bare { argv0 } else { program.as_os_str() });
    command.exec()
}

#[cfg(not(unix))]
fn become_it(_: &mut std::process::Command, _: &Path, _: &OsStr) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, "shims are not available on this system")
}
