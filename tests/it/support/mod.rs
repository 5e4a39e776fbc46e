//! What several test modules need: where the shared data is, and how a test says that it is not there.

pub mod loopback;
pub mod models;
#[cfg(unix)]
pub mod rig;
pub mod tools;

use std::path::PathBuf;

/// The folder of conformance suites, incidents and command lines, or `None` after saying so.
///
/// `TIDEWAITER_SHARED_DATA` names it; the default is `../shared/data` beside the checkout. The project builds and
/// passes without it, so a test that needs it returns when this is `None`.
pub fn shared_data(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TIDEWAITER_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}
