//! What the user said in this agent session: a host's transcript, or `--messages FILE`, read from the disk.
//!
//! A transcript that lies in the project is the project's word, not the user's: it is not read. Nor is a subagent's: what
//! stands in a user's place there is what another agent told it to do.

use std::io::{BufRead as _, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Failure;
use crate::context::Transcript;
use crate::context::messages::{self, LONGEST};
use crate::gate::Host;
use crate::hook::Event;
use crate::model::Environment;
use crate::rules::Said;

/// The user's messages, where they are known. A host's transcript is read when somebody wants to know: most judgements
/// do without.
#[derive(Debug, Default)]
pub(super) struct Intent {
    host: Option<(Host, PathBuf)>,
    read: OnceLock<Option<Transcript>>,
}

impl Intent {
    /// Of the host's own file.
    pub fn of_host(host: Host, event: &Event, environment: &Environment) -> Self {
        let path = event
            .transcript
            .as_deref()
            .map(PathBuf::from)
            .filter(|p| p.is_absolute() && !inside(p, environment) && !of_subagent(p));
        let path = path.filter(|_| messages::understood(host));
        Self { host: path.map(|p| (host, p)), read: OnceLock::new() }
    }

    /// What the user said.
    pub fn transcript(&self) -> Option<&Transcript> {
        let read = || {
            let (host, path) = self.host.as_ref()?;
            messages::read(*host, &end_of(path).ok()?)
        };
        self.read.get_or_init(read).as_ref()
    }

    /// Of `--messages FILE`.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        let text = end_of(path).map_err(|e| Failure::Usage(format!("--messages {}: {e}", path.display())))?;
        let transcript = messages::given(&text);
        if transcript.is_none() {
            let why = "neither a JSON list of texts nor a transcript of Claude Code";
            return Err(Failure::Usage(format!("--messages {}: {why}", path.display())));
        }
        Ok(Self { host: None, read: OnceLock::from(transcript) })
    }

    /// What was said in the session, for the rules.
    pub fn said(&self) -> Option<Said<'_>> {
        let transcript = self.transcript()?;
        Some(Said { messages: &transcript.messages, printed: transcript.printed.as_deref()? })
    }

    /// Whether a file was changed since the session began.
    pub fn changed(&self, path: &Path) -> Option<bool> {
        let transcript = self.transcript()?;
        if transcript.edited.iter().any(|p| p == path) {
            return Some(true);
        }
        let started = transcript.started?;
        let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok()?;
        let seconds = modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        Some(i64::try_from(seconds).is_ok_and(|s| s >= started.as_second()))
    }
}

/// Whether a path lies in the directory in which the command would run, and not in the home directory's own `.claude`
/// and its kind when that is where the command runs.
fn inside(path: &Path, environment: &Environment) -> bool {
    let home_is_cwd = environment.home.as_deref().is_some_and(|h| h.starts_with(&environment.cwd));
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let cwd = environment.cwd.canonicalize().unwrap_or_else(|_| environment.cwd.clone());
    !home_is_cwd && (real.starts_with(&cwd) || path.starts_with(&environment.cwd))
}

/// Claude Code and Cursor keep what a subagent was told and did in a directory of this name.
fn of_subagent(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "subagents")
}

/// The most of a file's first line that is read where its end is.
const FIRST_LINE: u64 = 1 << 20;

/// A regular file; of one that is too long its first line, which says what it is, and its end, from a line's beginning
/// on.
fn end_of(path: &Path) -> std::io::Result<String> {
    // Opening a pipe or a device could wait for ever, or never end.
    let length = std::fs::metadata(path)
        .and_then(|m| if m.is_file() { Ok(m.len()) } else { Err(std::io::Error::other("it is not a regular file")) })?;
    let mut file = std::fs::File::open(path)?;
    let cut = length > LONGEST;
    let mut first = Vec::new();
    if cut {
        std::io::BufReader::new((&mut file).take(FIRST_LINE)).read_until(b'\n', &mut first)?;
        file.seek(SeekFrom::Start(length - LONGEST))?;
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let first = String::from_utf8_lossy(&first);
    Ok(match text.split_once('\n') {
        Some((_, rest)) if first.ends_with('\n') => format!("{first}{rest}"),
        Some((_, rest)) if cut => rest.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LONGEST, end_of, of_subagent};

    #[test]
    fn of_a_long_file_the_first_line_and_the_end_are_read() {
        let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let path = directory.path().join("t.jsonl");
        let long = usize::try_from(LONGEST).unwrap_or_default();
        let text = format!("first\n{}\nlast\n", "x".repeat(long));
        assert!(std::fs::write(&path, text).is_ok());
        assert_eq!(end_of(&path).ok().as_deref(), Some("first\nlast\n"));
        assert!(std::fs::write(&path, format!("{}\nlast\n", "x".repeat(long))).is_ok());
        assert_eq!(end_of(&path).ok().as_deref(), Some("last\n"), "a first line without an end says nothing");
        assert!(end_of(directory.path()).is_err());
    }

    #[test]
    fn a_subagent_s_file_is_told_by_its_place() {
        assert!(of_subagent(Path::new("/h/.claude/projects/p/s/subagents/agent-1.jsonl")));
        assert!(!of_subagent(Path::new("/h/.claude/projects/my-subagents/s.jsonl")));
    }
}
