//! Runs what npm noted and the gate cleared, in npm's order: the hidden subcommand `__scripts LIST`, most often inside
//! the sandbox.
//!
//! In: a [`List`] in a file, read as a whole before the first script starts: nothing that a script does to files changes
//! what runs after it. Out: what the scripts print, where npm would show it; the first failure, with the last of what it
//! printed; its exit status.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::record::Text;
use crate::enforce::{Ended, exec};
use crate::model::printable;

/// The hidden subcommand.
pub(super) const VERB: &str = "__scripts";
/// How much of what a script prints is kept for the case that it fails, in bytes.
const KEPT: usize = 64 << 10;

/// What is to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct List {
    /// The user's own `script-shell`, or `sh`.
    pub shell: Text,
    /// Every script has the terminal, one after the other (`foreground-scripts`).
    pub foreground: bool,
    /// npm shows which script it runs, unless it is silent.
    pub heads: bool,
    /// In npm's order.
    pub scripts: Vec<Script>,
}

/// One script.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Script {
    /// Those of one number stand together, and run side by side.
    pub group: usize,
    /// `postinstall` and its like.
    pub event: String,
    /// Whose: `esbuild 0.25.0`.
    pub whose: String,
    pub directory: Text,
    /// What the shell is given, the command being the last word.
    pub words: Vec<Text>,
    /// Variables beside those of this process.
    pub variables: Vec<(Text, Text)>,
    pub manner: Manner,
}

/// How a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Manner {
    /// Its failure ends the install.
    Needed,
    /// It may fail.
    Optional,
    /// The project's own: it has the terminal.
    Own,
}

/// A script that did not succeed.
#[derive(Debug)]
struct Failure<'l> {
    script: &'l Script,
    how: How,
    /// The last of what it printed, where that was not shown.
    printed: Vec<u8>,
}

#[derive(Debug)]
enum How {
    Ended(Ended),
    NotStarted(std::io::Error),
}

impl How {
    /// The status as npm gives it: of a script without a terminal that a signal ended, it is 1.
    fn status(&self, front: bool) -> i32 {
        match self {
            Self::Ended(Ended::Signal(_)) if !front => 1,
            Self::Ended(ended) => ended.status(),
            Self::NotStarted(_) => 127,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Ended(Ended::Code(code)) => format!("ended with status {code}"),
            Self::Ended(Ended::Signal(signal)) => format!("was ended by signal {signal}"),
            Self::NotStarted(error) => format!("could not be started: {error}"),
        }
    }
}

/// Runs a list, if this process was started for that.
pub(super) fn run(argv: &[OsString]) -> Option<ExitCode> {
    let [_, verb, rest @ ..] = argv else { return None };
    if verb != VERB {
        return None;
    }
    // Scripts are of the same user: none of them reaches into this process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let read = |path: &OsString| std::fs::read(path).ok();
    let list = rest.first().and_then(read).and_then(|text| serde_json::from_slice::<List>(&text).ok());
    let Some(list) = list else {
        say("tidewaiter: there is no list of scripts to run; nothing was run");
        return Some(ExitCode::from(125));
    };
    Some(ExitCode::from(u8::try_from(list.run() & 0xff).unwrap_or(1)))
}

impl List {
    /// Runs all of it, to the first failure that counts.
    fn run(&self) -> i32 {
        // npm leaves out a package whose script failed, where it may.
        let mut gone: BTreeSet<&OsString> = BTreeSet::new();
        let in_front = |s: &Script| self.foreground || s.manner == Manner::Own;
        let heads = self.heads && self.scripts.iter().filter(|s| in_front(s)).count() > 1;
        for group in self.scripts.chunk_by(|a, b| a.group == b.group) {
            let scripts: Vec<&Script> = group.iter().filter(|s| !gone.contains(&s.directory.0)).collect();
            let front = group.first().is_some_and(in_front);
            let failures = if front { self.one_by_one(&scripts, heads) } else { self.side_by_side(&scripts) };
            for failure in failures {
                let Script { whose, manner, directory, .. } = failure.script;
                if *manner == Manner::Optional {
                    say(&format!("tidewaiter: {}", printable(&super::scripts::failed_where_it_may(whose), 600)));
                    gone.insert(&directory.0);
                    continue;
                }
                self.show(&failure);
                return failure.how.status(front);
            }
        }
        0
    }

    fn command(&self, script: &Script) -> Command {
        let mut command = Command::new(&self.shell.0);
        command.args(script.words.iter().map(|word| &word.0)).current_dir(Path::new(&script.directory.0));
        command.envs(script.variables.iter().map(|(name, value)| (&name.0, &value.0)));
        command
    }

    /// With the terminal, as npm runs what is the project's own. npm has said which one it is about to run, of all of
    /// them before any ran: where there are several, it is said again.
    fn one_by_one<'l>(&self, scripts: &[&'l Script], heads: bool) -> Vec<Failure<'l>> {
        let mut out = Vec::new();
        for script in scripts {
            if heads {
                say(&head(script));
            }
            let how = match self.command(script).spawn().and_then(exec::wait) {
                Ok(ended) if ended.success() => continue,
                Ok(ended) => How::Ended(ended),
                Err(error) => How::NotStarted(error),
            };
            out.push(Failure { script, how, printed: Vec::new() });
            if script.manner != Manner::Optional {
                break;
            }
        }
        out
    }

    /// Without a terminal, as many at once as npm has: one fewer than there are processors.
    fn side_by_side<'l>(&self, scripts: &[&'l Script]) -> Vec<Failure<'l>> {
        let width = std::thread::available_parallelism().map_or(1, |n| n.get() - 1).clamp(1, scripts.len().max(1));
        let (next, stop, failures) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let Some(failure) = self.quietly(script) else { continue };
                if script.manner != Manner::Optional {
                    stop.store(true, Ordering::Relaxed);
                }
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..width {
                scope.spawn(work);
            }
            work();
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn quietly<'l>(&self, script: &'l Script) -> Option<Failure<'l>> {
        let mut printed = Vec::new();
        let mut started = || -> std::io::Result<Ended> {
            let (reader, writer) = std::io::pipe()?;
            let mut command = self.command(script);
            command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
            let mut child = command.spawn()?;
            // The command has the other ends of the pipes: what the script reads and what is read of it comes to an end.
            drop(command);
            drop(child.stdin.take());
            printed = last_of(reader);
            child.wait().map(exec::ended)
        };
        let how = match started() {
            Ok(ended) if ended.success() => return None,
            Ok(ended) => How::Ended(ended),
            Err(error) => How::NotStarted(error),
        };
        Some(Failure { script, how, printed })
    }

    /// What failed, in short. What it printed is a stranger's.
    fn show(&self, failure: &Failure<'_>) {
        let Failure { script, how, printed } = failure;
        let line = |text: &str| printable(text, 300);
        let shell = self.shell.0.to_string_lossy();
        let mut text = format!(
            "tidewaiter: `{}` of {} {}\n  in {}\n  {} {}",
            line(&script.event),
            line(&script.whose),
            how.words(),
            line(&script.directory.0.to_string_lossy()),
            line(&shell),
            line(&script.words.iter().map(|word| word.0.to_string_lossy()).collect::<Vec<_>>().join(" "))
        );
        if printed.len() >= KEPT {
            text.push_str("\n  (the last of what it printed)");
        }
        for printed in String::from_utf8_lossy(printed).lines() {
            text.push_str("\n  ");
            text.push_str(&printable(printed, 2000));
        }
        say(&text);
    }
}

/// As npm writes it.
fn head(script: &Script) -> String {
    let named = match script.whose.rsplit_once(' ') {
        Some((name, version)) => format!("{name}@{version}"),
        None => script.whose.clone(),
    };
    let command = script.words.last().map(|word| word.0.to_string_lossy()).unwrap_or_default();
    let command: Vec<String> = command.trim().lines().map(|line| format!("> {}", printable(line, 2000))).collect();
    format!("\n> {} {}\n{}\n", printable(&named, 300), printable(&script.event, 100), command.join("\n"))
}

/// The last of what comes, to the end.
fn last_of(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => kept.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    kept.drain(..kept.len().saturating_sub(KEPT));
    kept
}

/// Lines on stderr.
fn say(text: &str) {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_much_is_kept() {
        let much: Vec<u8> = (0..5 * KEPT).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        assert_eq!(last_of(&much[..]), &much[4 * KEPT..]);
        assert_eq!(last_of(&b"little"[..]), b"little");
        assert_eq!(last_of(&[][..]), b"");
    }

    #[test]
    fn heads_are_npms() {
        let script = Script {
            group: 0,
            event: "prepare".to_owned(),
            whose: "@s/app 1.0.0".to_owned(),
            directory: Text("/".into()),
            words: vec![Text("-c".into()), Text(" a\nb ".into())],
            variables: Vec::new(),
            manner: Manner::Own,
        };
        assert_eq!(head(&script), "\n> @s/app@1.0.0 prepare\n> a\n> b\n");
    }

    #[test]
    fn only_its_verb_and_a_list_run_anything() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(run(&words(&["tidewaiter"])).is_none() && run(&words(&["tidewaiter", "run", VERB])).is_none());
    }
}
