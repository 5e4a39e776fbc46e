//! Advisories: OSV records built into one memory-mapped index, matched per ecosystem, kept fresh from a feed.
//!
//! ```text
//! directory · zip · all.zip ──build──▶ index file ──open (mmap)──▶ Index ──find──▶ Vec<Match>
//! embedded records (advisories/*.json) ─────────────────────────────▶ joined by Database
//! ```

pub mod affected;
pub mod build;
pub mod database;
pub mod embedded;
pub mod entry;
pub mod feed;
pub mod index;
pub mod osv;
pub mod severity;
pub mod state;

pub use database::Database;

use std::sync::Arc;

use crate::model::{PackageId, PackageName, Timestamp};

/// How bad an advisory is. From CVSS (v3.0, v3.1, v4.0, v2) or the database's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words are CVSS's own")]
pub enum Severity {
    Unknown,
    Low,
    Medium,
    High,
    Critical,
}

/// What an advisory says a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A notice: unmaintained, unsound.
    Informational,
    /// A vulnerability.
    Vulnerability,
    /// Malicious: `MAL-` id or alias, RustSec category `malicious`, GHSA malware (`database_specific`, CWE-506/507/509 with its type), …
    Malware,
}

/// One advisory that affects one release.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The record's id: `MAL-2026-2144`, `GHSA-…`, `PYSEC-…`, `RUSTSEC-…`.
    pub id: String,
    /// Its aliases.
    pub aliases: Vec<String>,
    /// What it says the release is.
    pub kind: Kind,
    /// The informational sub-kind (`unmaintained`, `unsound`, `notice`), when there is one; [`database::CONTESTED`] when
    /// a malware record says "every version" and, more narrowly, does not say this one.
    pub informational: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// CVSS base score, when one could be computed.
    pub score: Option<f64>,
    /// The record's one-line summary (a stranger's text: renderers escape it).
    pub summary: String,
    /// Versions in which it is fixed, in version order.
    pub fixed: Vec<String>,
    /// The record names every version (a whole-package record).
    pub whole_package: bool,
    /// `published`, `modified` of the record.
    pub published: Option<Timestamp>,
    /// See `published`.
    pub modified: Option<Timestamp>,
    /// URL for a person.
    pub url: String,
}

/// What the database is made of, for `advisories.*` of the verdict document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Records over all sources.
    pub records: u64,
    /// When the newest feed was last fetched or imported; `None`: only the embedded default.
    pub updated_at: Option<Timestamp>,
    /// Older than the limit (7 days).
    pub stale: bool,
    /// Ecosystems for which a feed is installed, in OSV's spelling.
    pub ecosystems: Vec<String>,
    /// Indexes that could not be read, for people: while there is one, no release is known to be clean.
    pub problems: Vec<String>,
}

/// Where advisories are looked up. Implemented by the database; by a list in tests of the rules.
pub trait Advisories: Send + Sync {
    /// Every record that affects this release, withdrawn ones left out, records of one alias group joined, worst first.
    /// With `as_of`, only those that were published by then.
    fn find(&self, id: &PackageId, as_of: Option<Timestamp>) -> Vec<Match>;
    /// Every malicious version of a package that a record names, and whether one names them all.
    /// For `range-admits-bad`: `(version, record id)`, one row a version. `*` stands for every version; of a range
    /// that no version is named in, the ends are given.
    fn malicious_versions(&self, name: &PackageName, as_of: Option<Timestamp>) -> Vec<(String, String)>;
    /// What it is made of.
    fn coverage(&self) -> Coverage;
}

impl<T: Advisories + ?Sized> Advisories for Arc<T> {
    fn find(&self, id: &PackageId, as_of: Option<Timestamp>) -> Vec<Match> {
        (**self).find(id, as_of)
    }
    fn malicious_versions(&self, name: &PackageName, as_of: Option<Timestamp>) -> Vec<(String, String)> {
        (**self).malicious_versions(name, as_of)
    }
    fn coverage(&self) -> Coverage {
        (**self).coverage()
    }
}
