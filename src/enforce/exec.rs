//! Processes: a [`Step`] is started with the job's environment, signals that reach this program reach it too, and how
//! it ended comes back. Standard input, output and error are the caller's own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::process::{Child, Command, ExitStatus};

use super::{Ended, EnforceError, Job, Step};
use crate::toolchain::reentry;

/// Runs a step to its end.
pub fn run(step: &Step, job: &Job<'_>) -> Result<Ended, EnforceError> {
    let failed = |source| EnforceError::Start { program: step.program.clone(), source };
    let child = command(step, job).spawn().map_err(failed)?;
    wait(child).map_err(failed)
}

/// The step as a command that inherits this process's standard streams.
pub fn command(step: &Step, job: &Job<'_>) -> Command {
    let mut command = Command::new(&step.program);
    command.args(&step.arguments).env_clear().envs(variables(step, job));
    if step.quiet {
        command.stdout(std::process::Stdio::null());
    }
    command.current_dir(step.directory.as_deref().unwrap_or(&job.environment.cwd));
    command
}

/// The variables of a step. A value that is no Unicode is this process's own, as it is.
pub fn variables(step: &Step, job: &Job<'_>) -> BTreeMap<OsString, OsString> {
    let raw: BTreeMap<String, (OsString, OsString)> = std::env::vars_os()
        .filter(|(name, value)| name.to_str().is_none() || value.to_str().is_none())
        .map(|(name, value)| (name.to_string_lossy().into_owned(), (name, value)))
        .collect();
    let mut out = BTreeMap::new();
    for (name, value) in &job.environment.variables {
        match raw.get(name) {
            Some((name, own)) if own.to_string_lossy() == **value => out.insert(name.clone(), own.clone()),
            _ => out.insert(OsString::from(name), OsString::from(value)),
        };
    }
    // What the tool starts in turn is judged with the variables as they were.
    out.extend(reentry::marks(&job.environment.variables, step.changes.keys().map(String::as_str)));
    for (name, change) in &step.changes {
        let name: &OsStr = name.as_ref();
        match change {
            Some(value) => out.insert(name.to_owned(), value.clone()),
            None => out.remove(name),
        };
    }
    out
}

/// How a process ended.
#[cfg(unix)]
pub fn ended(status: ExitStatus) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Code(1),
    }
}

/// How a process ended.
#[cfg(not(unix))]
pub fn ended(status: ExitStatus) -> Ended {
    Ended::Code(status.code().unwrap_or(1))
}

/// Waits for a child. What a terminal sends goes to the child by itself, for it is in the same group; this process
/// only must not end before it. What another process sends to this one is handed on.
#[cfg(unix)]
pub fn wait(mut child: Child) -> std::io::Result<Ended> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    runtime.block_on(async move {
        let handed_on = [
            (SignalKind::interrupt(), None),
            (SignalKind::quit(), None),
            (SignalKind::terminate(), Some(rustix::process::Signal::TERM)),
            (SignalKind::hangup(), Some(rustix::process::Signal::HUP)),
        ];
        for (kind, forward) in handed_on {
            let mut arriving = signal(kind)?;
            tokio::spawn(async move {
                while arriving.recv().await.is_some() {
                    // The child may be gone already; then there is nobody to tell.
                    if let (Some(pid), Some(forward)) = (pid, forward) {
                        let _ = rustix::process::kill_process(pid, forward);
                    }
                }
            });
        }
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        waiting.await.map_err(std::io::Error::other)?.map(ended)
    })
}

/// Waits for a child.
#[cfg(not(unix))]
pub fn wait(mut child: Child) -> std::io::Result<Ended> {
    child.wait().map(ended)
}
