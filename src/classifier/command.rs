//! A program as a judge, and a program that tells a key: started without a shell, JSON on its input, its output read to a
//! limit, ended with all that it started when its time is over. It gets the user's environment as it is.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::NoAnswer;
use super::answer;
use super::remote::{Ask, Stage};
use crate::model::{Environment, OpinionOutcome as Outcome, Usage, printable};

/// The program and its arguments.
#[derive(Debug)]
pub(super) struct Program {
    pub words: Vec<String>,
    pub environment: Environment,
}

impl Ask for Program {
    fn ask(&self, stage: Stage, facts: &str, within: Duration) -> Result<(String, Usage), NoAnswer> {
        let context: serde_json::Value = serde_json::from_str(facts).unwrap_or_default();
        let question = json!({
            "schema": "tidewaiter.question/1",
            "stage": stage.word(),
            "instructions": stage.prompt(),
            "answer_schema": stage.schema(),
            "context": context,
        });
        let usage = Usage { requests: 1, ..Usage::default() };
        let out = run(&self.words, &self.environment, question.to_string().as_bytes(), within, answer::LONGEST)
            .map_err(|none| NoAnswer { usage, ..none })?;
        match String::from_utf8(out) {
            Ok(text) => Ok((text, usage)),
            Err(_) => Err(NoAnswer { usage, ..NoAnswer::new(Outcome::Malformed, "its output is no text") }),
        }
    }
}

/// The key that a command prints: its first line.
pub(super) fn key(words: &[String], environment: &Environment, within: Duration) -> Result<String, NoAnswer> {
    let out = run(words, environment, b"", within, 16 << 10)?;
    let text = String::from_utf8(out).unwrap_or_default();
    let key = text.lines().next().unwrap_or_default().trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NoAnswer::new(Outcome::Misconfigured, "key-command prints no key"));
    }
    Ok(key.to_owned())
}

/// Where the program is: an absolute path, or a name on PATH. A file of the project is not started by a judgement of it.
fn locate(word: &str, environment: &Environment) -> Result<PathBuf, NoAnswer> {
    let shown = printable(word, 80);
    let wrong = |why: &str| NoAnswer::new(Outcome::Misconfigured, format!("{shown} {why}"));
    let path = match (word.strip_prefix("~/"), &environment.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(word),
    };
    let found = if path.is_absolute() {
        crate::toolchain::is_program(&path).then_some(path)
    } else if path.components().count() == 1 {
        crate::toolchain::find(word, environment)
    } else {
        return Err(wrong("is a relative path; write an absolute one"));
    };
    let found = found.ok_or_else(|| wrong("is not there, or is no program"))?;
    let real = found.canonicalize().unwrap_or_else(|_| found.clone());
    let cwd = environment.cwd.canonicalize().unwrap_or_else(|_| environment.cwd.clone());
    let home = environment.home.as_deref();
    let project = |dir: &Path| dir.parent().is_some() && home.is_none_or(|h| !h.starts_with(dir));
    if project(&cwd) && (real.starts_with(&cwd) || found.starts_with(&environment.cwd)) {
        return Err(wrong("lies in the directory that is judged"));
    }
    Ok(found)
}

/// What a program prints.
fn run(
    words: &[String],
    environment: &Environment,
    input: &[u8],
    within: Duration,
    limit: usize,
) -> Result<Vec<u8>, NoAnswer> {
    let started = Instant::now();
    let Some((first, rest)) = words.split_first() else {
        return Err(NoAnswer::new(Outcome::Misconfigured, "no program is named"));
    };
    let program = locate(first, environment)?;
    let mut command = Command::new(&program);
    // Not in the project: what a program reads of its directory is not the project's to say.
    let directory = environment.home.clone().filter(|h| h.is_dir()).unwrap_or_else(std::env::temp_dir);
    command.args(rest).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
    }
    let failed = |e: std::io::Error| NoAnswer::new(Outcome::Misconfigured, format!("{}: {e}", printable(first, 80)));
    let mut child = command.spawn().map_err(failed)?;
    let (told, answer) = mpsc::sync_channel(1);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let input = input.to_owned();
    // One that does not read to the end may answer all the same.
    std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
    std::thread::spawn(move || {
        let mut out = Vec::new();
        let read = stdout.map_or(Ok(0), |pipe| pipe.take(limit as u64 + 1).read_to_end(&mut out));
        let _ = told.send(read.map(|_| out));
    });
    let received = answer.recv_timeout(within.saturating_sub(started.elapsed()));
    let out = match received {
        Ok(Ok(out)) if out.len() > limit => {
            end(&mut child);
            return Err(NoAnswer::new(Outcome::Malformed, format!("it says more than {limit} bytes")));
        }
        Ok(Ok(out)) => out,
        Ok(Err(error)) => {
            end(&mut child);
            return Err(NoAnswer::new(Outcome::Unreachable, format!("its output cannot be read: {error}")));
        }
        Err(_) => {
            end(&mut child);
            return Err(NoAnswer::new(Outcome::TimedOut, "it did not answer in time"));
        }
    };
    // Its output is closed; it has until the deadline to end.
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(out),
            Ok(Some(status)) => {
                let code = status.code().map_or_else(|| "a signal".to_owned(), |c| format!("status {c}"));
                return Err(NoAnswer::new(Outcome::Unreachable, format!("it ended with {code}")));
            }
            Ok(None) if started.elapsed() < within => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                end(&mut child);
                return Err(NoAnswer::new(Outcome::TimedOut, "it did not end in time"));
            }
        }
    }
}

/// Ends a program and, where the system has process groups, all that it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
