//! The sandbox as Linux has it: Landlock for files and TCP, seccomp for system calls, namespaces where they may be made.

mod contain;
mod files;
mod filter;
mod handoff;
mod namespaces;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::environment::PROFILE;
use super::{Availability, Profile, Reach, VERB};

pub(super) use contain::main;
pub use handoff::{Handoff, bridge};

/// What this kernel has. Namespaces are tried in a process of their own, once: whether they may be made depends on
/// settings and sandboxes that only the attempt shows.
pub(super) fn availability() -> &'static Availability {
    static KNOWN: OnceLock<Availability> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let engine = super::engine();
        look(&engine)
    })
}

/// The same, with the program to try it with.
pub(super) fn look(engine: &std::path::Path) -> Availability {
    Availability { landlock_abi: files::abi(), seccomp: seccomp(), namespaces: probe(engine) }
}

/// Whether the kernel takes filters.
fn seccomp() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("\nSeccomp:"))
}

/// Sets everything up around `true`; the words of what failed.
fn probe(engine: &std::path::Path) -> Result<(), String> {
    let profile = Profile { reach: Reach::Nothing, namespaces: true, ..Profile::empty() };
    let text = serde_json::to_string(&profile).map_err(|e| e.to_string())?;
    let mut trial = Command::new(engine);
    trial
        .args([VERB, contain::TRIAL, "--", "/proc/self/exe", VERB, contain::NOTHING])
        .env(PROFILE, text)
        .current_dir("/");
    trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = trial.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let why = text.lines().last().and_then(|line| line.rsplit_once("nothing was run: ")).map_or("", |(_, why)| why);
    Err(if why.is_empty() { format!("the attempt ended with {}", output.status) } else { why.to_owned() })
}

/// Those that are there, by their own names; never the root. Most of what is listed is on no machine, and is told apart by
/// one question each.
fn real<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> impl Iterator<Item = PathBuf> {
    let there = paths.into_iter().filter(|path| path.symlink_metadata().is_ok());
    there.filter_map(|path| path.canonicalize().ok()).filter(|path| path.parent().is_some())
}
