//! The registry on the loopback: it shows what was judged, and serves only bytes whose digest is in the plan.
//!
//! In: a [`Job`]. Out: a port that lives as long as the [`Gateway`], and what was refused and served on it.

use std::path::Path;

use super::{EnforceError, Job, Refused, Served};

/// How much of the registries a tool may see. Fetching is for the plan's artifacts alone in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The releases of the plan.
    Plan,
    /// What a lockfile for other platforms needs as well: the releases of every package that are old enough, as metadata.
    Lock,
}

/// A running gateway. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    base: String,
}

impl Gateway {
    /// Listens on a port of its own choice, and begins to fetch what the plan holds.
    pub fn start(_job: &Job<'_>, _view: View) -> Result<Self, EnforceError> {
        Err(EnforceError::unsupported("there is no gateway yet"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT/SECRET/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Puts the upstream's URLs where a file has the gateway's; written anew as a whole, or not at all.
    pub fn mend(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }

    /// Stops, and says what was refused and what was served.
    pub fn stop(self) -> (Vec<Refused>, Vec<Served>) {
        (Vec::new(), Vec::new())
    }
}
