//! `tidewaiter __contain -- PROGRAM ARGUMENTS…`: this process restricts itself and becomes PROGRAM.
//!
//! In: a [`Profile`] in a variable of the environment, which PROGRAM does not get. Out: PROGRAM's exit status, or 125 and
//! a line that says why nothing was run.
//!
//! ```text
//! without namespaces   restrict ──exec──▶ PROGRAM
//! with namespaces      outer: enter, arrange the mounts, hand the listener over
//!                        └─ inner, process 1 there: fresh /proc, restrict
//!                             └─ PROGRAM
//! ```
//!
//! When the outer process ends, or the process that started it, the inner one is killed, and with it the kernel kills
//! everything in its process namespace. The signal is bound to the thread that started the outer process: that thread
//! has to stay until it ends.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::super::environment::{PROFILE, Scrubber};
use super::super::{Profile, Reach, VERB};
use super::{files, filter, namespaces};

/// Nothing was run: what env(1) and its kin answer for their own failures.
const FAILED: u8 = 125;
/// The first argument of the inner process.
const INNER: &str = "--inner";
/// The first argument of a trial (see [`super::probe`]).
pub(super) const TRIAL: &str = "--trial";
/// The first argument of a process that has nothing to do.
pub(super) const NOTHING: &str = "--nothing";

/// What the outer process passes on signals to its child.
const HANDED_ON: [Signal; 5] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM];
/// What a terminal sends to the whole group: the program gets it by itself.
const OF_TERMINAL: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];

/// Runs the hidden subcommand with the words after its name.
pub(in super::super) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_some_and(|a| a == NOTHING) {
        return ExitCode::SUCCESS;
    }
    let mark = arguments.next_if(|a| a == INNER || a == TRIAL);
    let stage = mark.as_deref().and_then(OsStr::to_str).unwrap_or_default();
    if arguments.next().is_none_or(|a| a != "--") {
        return failed("this subcommand is this program's own");
    }
    let Some(program) = arguments.next() else { return failed("no program is named") };
    let arguments: Vec<OsString> = arguments.collect();
    let Some(profile) = std::env::var(PROFILE).ok().and_then(|text| serde_json::from_str::<Profile>(&text).ok()) else {
        return failed("there is no profile to be contained by");
    };
    let done = match stage {
        INNER => inner(&profile, &program, &arguments),
        TRIAL => outer(&profile, &program, &arguments),
        _ if profile.namespaces => outer(&profile, &program, &arguments),
        _ => alone(&profile, &program, &arguments),
    };
    done.unwrap_or_else(|why| failed(&why))
}

fn failed(why: &str) -> ExitCode {
    let why = crate::model::printable(why, 500);
    super::super::say(&format!("tidewaiter: the sandbox could not be set up, and nothing was run: {why}"));
    ExitCode::from(FAILED)
}

/// Dies with the process that started this one.
fn die_with_parent(gate: Option<u32>) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|e| format!("prctl: {e}"))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    match gate {
        // It was gone before the kernel was told.
        Some(gate) if parent != Some(gate) => Err("the process that asked for it has ended".to_owned()),
        _ => Ok(()),
    }
}

/// Restricts this process for good, and everything that it starts.
fn restrict(profile: &Profile, mounted: bool) -> Result<(), String> {
    let mut write = profile.write.clone();
    write.extend(profile.temporary.clone());
    // Semaphores that builds share between their own processes. Its own with mounts, else the user's.
    write.push("/dev/shm".into());
    files::restrict(&files::grants(profile, &write, !mounted), profile.reach)?;
    namespaces::drop_capabilities()?;
    rustix::thread::set_no_new_privs(true).map_err(|e| format!("no_new_privs: {e}"))?;
    seccompiler::apply_filter(&filter::program(profile.reach)).map_err(|e| format!("seccomp: {e}"))
}

/// The program with its own environment.
fn command(profile: &Profile, program: &OsStr, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables(profile));
    command
}

fn variables(profile: &Profile) -> Vec<(OsString, OsString)> {
    let (mut kept, _) = Scrubber::new(profile.level).split(std::env::vars_os());
    if let Some(dir) = &profile.temporary {
        kept.retain(|(name, _)| !["TMPDIR", "TMP", "TEMP", "TEMPDIR"].iter().any(|n| name == n));
        kept.extend(["TMPDIR", "TMP", "TEMP"].map(|name| (name.into(), dir.clone().into_os_string())));
    }
    kept
}

/// Directories to write that are not there yet: made now, for their parents may be closed afterwards.
fn make_directories(profile: &Profile) {
    for path in profile.write.iter().filter(|path| !path.exists()) {
        // What cannot be made cannot be written either; the tool will say so.
        let _ = std::fs::create_dir_all(path);
    }
}

fn alone(profile: &Profile, program: &OsStr, arguments: &[OsString]) -> Result<ExitCode, String> {
    die_with_parent(profile.gate)?;
    make_directories(profile);
    restrict(profile, false)?;
    Err(not_started(program, &command(profile, program, arguments).exec()))
}

fn not_started(program: &OsStr, error: &std::io::Error) -> String {
    format!("{}: {error}", Path::new(program).display())
}

fn outer(profile: &Profile, program: &OsStr, arguments: &[OsString]) -> Result<ExitCode, String> {
    die_with_parent(profile.gate)?;
    make_directories(profile);
    let confined = profile.reach != Reach::Open;
    namespaces::enter(confined)?;
    if confined {
        namespaces::loopback_up()?;
    }
    if let (Reach::Gateway { port }, Some(path)) = (profile.reach, &profile.handoff) {
        namespaces::hand_over(port, path)?;
    }
    let mut write = profile.write.clone();
    write.extend(profile.temporary.clone());
    namespaces::arrange(&namespaces::Layout {
        write: &write,
        kept: profile.kept.iter().chain(&profile.project_kept).collect(),
        hidden: profile.hidden.iter().chain(&profile.project_hidden).collect(),
    })?;
    namespaces::keep_mounting()?;
    let mut inner = Command::new("/proc/self/exe");
    inner.arg0("tidewaiter").args([VERB, INNER, "--"]).arg(program).args(arguments);
    // Its environment can be read by the program, so it is the program's.
    let text = serde_json::to_string(profile).map_err(|e| e.to_string())?;
    inner.env_clear().envs(variables(profile)).env(PROFILE, text);
    let child = inner.spawn().map_err(|e| format!("/proc/self/exe: {e}"))?;
    watch(child.id())
}

fn inner(profile: &Profile, program: &OsStr, arguments: &[OsString]) -> Result<ExitCode, String> {
    die_with_parent(None)?;
    namespaces::fresh_proc();
    // What is in this process's memory is in the program's too, but for what was set up: keep it from being looked at.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    restrict(profile, true)?;
    let child = command(profile, program, arguments).spawn().map_err(|e| not_started(program, &e))?;
    watch(child.id())
}

/// Waits for a child and answers with its status, as a shell would give it; hands signals on, and reaps orphans.
fn watch(child: u32) -> Result<ExitCode, String> {
    let failed = |e: nix::Error| format!("signals: {e}");
    let child = i32::try_from(child).ok().and_then(Pid::from_raw).ok_or("the child has no number")?;
    let mut signals = SigSet::empty();
    for signal in HANDED_ON.into_iter().chain(OF_TERMINAL).chain([Signal::SIGCHLD]) {
        signals.add(signal);
    }
    // After the child was started: it has the mask that this process was given.
    signals.thread_block().map_err(failed)?;
    let events = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(failed)?;
    loop {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == child {
                return Ok(ExitCode::from(shell_status(status)));
            }
        }
        let Ok(Some(event)) = events.read_signal() else { continue };
        let number = i32::try_from(event.ssi_signo).unwrap_or(0);
        if HANDED_ON.iter().any(|s| *s as i32 == number)
            && let Some(signal) = rustix::process::Signal::from_named_raw(number)
        {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(child, signal);
        }
    }
}

fn shell_status(status: WaitStatus) -> u8 {
    let status = ExitStatus::from_raw(status.as_raw());
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
