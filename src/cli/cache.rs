//! `cache show / clear`: the artifacts that runs share.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::process::Directories;
use super::{Failure, print};
use crate::enforce::store::{LIMIT, Store};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Where the artifacts are, and how much they are
    Show,
    /// Remove every artifact; the next install fetches again
    #[command(after_help = "\
A run that is under way keeps what it has open, and fetches again what it has not.")]
    Clear,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let store = Store::new(&Directories::of_user().cache);
    let usage = store.usage();
    let amount = format!(
        "{} {}, {}",
        usage.entries,
        if usage.entries == 1 { "artifact" } else { "artifacts" },
        size(usage.bytes)
    );
    match arguments.action {
        Action::Show => {
            let limit = size(LIMIT);
            print(&format!("{}: {amount}; at {limit} the longest unused go first\n", store.root().display()))?;
        }
        Action::Clear => {
            let failed = |e| Failure::Internal(anyhow::anyhow!("{}: {e}", store.root().display()));
            store.clear().map_err(failed)?;
            print(&format!("removed {amount}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x10_0000 => (1_u64 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit as f64)
}
