//! Running a program to ask it something: bounded in time and output, with an empty environment, away from the
//! project. In: program and arguments. Out: what it printed.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a program may take to answer.
const TIME: Duration = Duration::from_secs(10);
/// Most that it may print, in bytes.
const OUTPUT: u64 = 64 * 1024;

/// Runs a program with no input and no environment but what it cannot start without. `None` when it fails, takes too
/// long or prints too much.
pub(super) fn ask(program: &Path, arguments: &[&str], environment: &crate::model::Environment) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for name in ["SYSTEMROOT", "SystemRoot"] {
        if let Some(value) = environment.variable(name) {
            command.env(name, value);
        }
    }
    // A program's own directory is no part of the project, so nothing of the project is loaded from there.
    if let Some(directory) = program.parent() {
        command.current_dir(directory);
    }
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut out = Vec::new();
        let complete = stdout.by_ref().take(OUTPUT + 1).read_to_end(&mut out).is_ok();
        complete.then_some(out)
    });
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if started.elapsed() < TIME => std::thread::sleep(Duration::from_millis(2)),
            _ => break None,
        }
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    let out = reader.join().ok()??;
    (status.is_some_and(|s| s.success()) && out.len() as u64 <= OUTPUT).then_some(out)
}
