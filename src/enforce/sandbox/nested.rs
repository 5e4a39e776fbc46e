//! An install that is started inside the sandbox of another: by a lifecycle script, a build backend, a build script.
//!
//! There it cannot be judged (registries and the record are out of reach) nor brought to its end, so our links stop it
//! with a sentence, and leave a note in the step's own temporary directory, which the gate outside reads and reports.
//! What a note says is a package's word; that there is a variable is only ever a reason to stop.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::enforce::Refused;

/// Set for contained processes, to their temporary directory.
pub const CONTAINED: &str = "TIDEWAITER_CONTAINED";

/// The file with the notes.
const FILE: &str = "nested-installs";
/// The most of it that is read, in bytes, and the most notes.
const LONGEST: u64 = 64 << 10;
const MOST: usize = 20;

/// What was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The command as a line.
    pub command: String,
    /// Who started it, as far as the variables say: `postinstall of esbuild 0.25.0`.
    pub by: String,
}

impl Attempt {
    /// By the variables that npm and cargo set for what they run.
    pub fn new(command: String, variable: impl Fn(&str) -> Option<String>) -> Self {
        let of = |name: &str, version: &str| {
            let version = variable(version).map(|v| format!(" {v}")).unwrap_or_default();
            variable(name).map(|name| format!("{name}{version}"))
        };
        let by = match (variable("npm_lifecycle_event"), of("npm_package_name", "npm_package_version")) {
            (Some(event), Some(package)) => format!("`{event}` of {package}"),
            _ => match of("CARGO_PKG_NAME", "CARGO_PKG_VERSION") {
                Some(package) => format!("the build of {package}"),
                None => "a build or a script".to_owned(),
            },
        };
        Self { command, by }
    }

    /// As what was asked for and not had. Its words are printed with [`Refused::line`].
    pub fn refused(self) -> Refused {
        let Self { command, by } = self;
        Refused {
            subject: format!("`{command}`"),
            reason: format!(
                "was started by {by}, inside the sandbox of this install, where nothing else can be judged or \
                 brought in, and was stopped. Run it by itself first, then this again; or leave scripts and builds out"
            ),
        }
    }

    /// What is said where it was started, and where it may not be seen.
    pub fn line(&self) -> String {
        let command = crate::model::printable(&self.command, 200);
        format!(
            "tidewaiter: stopped `{command}`: inside the sandbox of another install nothing can be judged or brought in; \
             the gate outside says more when that install ends"
        )
    }

    /// Leaves it for the gate outside. Where that cannot be done, the sentence on stderr is all there is.
    pub fn note(&self, directory: &Path) {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        let file = std::fs::OpenOptions::new().append(true).create(true).open(directory.join(FILE));
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Whether these words are the sandbox's own program, come back here: its first line is `#!/usr/bin/env python3`, or it
/// is a version manager that looks for its tool on PATH. It was judged before it was started. The first process of the
/// namespace says what it runs, and is the parent; one that arranged to become its child can start the same command again,
/// inside the same sandbox.
#[cfg(target_os = "linux")]
pub fn is_program_of_sandbox(words: &[OsString]) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    if std::os::unix::process::parent_id() != 1 {
        return false;
    }
    let Ok(line) = std::fs::read("/proc/1/cmdline") else { return false };
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    let running: Vec<&OsStr> = line.split(|b| *b == 0).map(OsStr::from_bytes).collect();
    let ours = running.get(1).is_some_and(|w| *w == super::VERB) && running.get(3).is_some_and(|w| *w == "--");
    let program = running.get(4..).unwrap_or_default();
    ours && is_same(program, &words.iter().map(OsString::as_os_str).collect::<Vec<_>>())
}

/// Elsewhere there is no sandbox.
#[cfg(not(target_os = "linux"))]
pub fn is_program_of_sandbox(_: &[OsString]) -> bool {
    false
}

/// Whether words run `program`: by an interpreter, or by its bare name.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only the sandbox on Linux asks"))]
fn is_same(program: &[&OsStr], words: &[&OsStr]) -> bool {
    let (Some((path, arguments)), Some((name, given))) = (program.split_first(), words.split_first()) else {
        return false;
    };
    given.ends_with(program) || (given == arguments && Path::new(path).file_name() == Some(name))
}

/// The notes in a directory. Whatever wrote there may have put something else in their place.
pub fn read(directory: &Path) -> Vec<Attempt> {
    let mut text = String::new();
    let Some(file) = open(&directory.join(FILE)) else { return Vec::new() };
    if file.take(LONGEST).read_to_string(&mut text).is_err() {
        return Vec::new();
    }
    let mut out: Vec<Attempt> = Vec::new();
    for attempt in text.lines().filter_map(|line| serde_json::from_str::<Attempt>(line).ok()) {
        if out.len() < MOST && !out.contains(&attempt) {
            out.push(attempt);
        }
    }
    out
}

/// A plain file of that name: no link to somewhere else, no pipe that would be waited for.
fn open(path: &Path) -> Option<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).ok()?);
    }
    let file = options.open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    #[test]
    fn notes_are_read_back_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()), []);
        let variables = |name: &str| match name {
            "npm_lifecycle_event" => Some("postinstall".to_owned()),
            "npm_package_name" => Some("a".to_owned()),
            "npm_package_version" => Some("1.0.0".to_owned()),
            _ => None,
        };
        let attempt = Attempt::new("pip install \u{1b}[2Jx".to_owned(), variables);
        attempt.note(directory.path());
        attempt.note(directory.path());
        std::fs::OpenOptions::new()
            .append(true)
            .open(directory.path().join(FILE))
            .and_then(|mut f| f.write_all(b"{\"command\": 1}\nnonsense\n"))
            .unwrap();
        assert_eq!(read(directory.path()), std::slice::from_ref(&attempt));
        let line = attempt.refused().line();
        assert!(line.contains("started by `postinstall` of a 1.0.0") && !line.contains('\u{1b}'), "{line}");
        std::fs::write(directory.path().join(FILE), vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read(directory.path()), []);
        std::fs::write(directory.path().join(FILE), [0xff, 0xfe]).unwrap();
        assert_eq!(read(directory.path()), []);
    }

    #[test]
    fn the_sandboxs_own_program_is_known_by_its_words() {
        let words = |text: &'static str| text.split(' ').map(OsStr::new).collect::<Vec<_>>();
        let program = words("/tools/pip install a");
        for (given, same) in [
            ("python3 /tools/pip install a", true),
            ("python3 -I /tools/pip install a", true),
            ("pip install a", true),
            ("pip install b", false),
            ("pip3 install a", false),
            ("python3 /tools/pip install b", false),
            ("python3 /tools/pip install a b", false),
        ] {
            assert_eq!(is_same(&program, &words(given)), same, "{given}");
        }
        assert!(!is_same(&[], &[]) && !is_program_of_sandbox(&["pip".into()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_a_directory_in_the_notes_place_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (place, secret) = (directory.path().join(FILE), directory.path().join("secret"));
        std::fs::write(&secret, "{\"command\": \"a\", \"by\": \"b\"}\n").unwrap();
        std::os::unix::fs::symlink(&secret, &place).unwrap();
        assert_eq!(read(directory.path()), []);
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert_eq!(read(directory.path()), []);
    }
}
