//! The words every other module speaks: ecosystems, package names and ids, digests, sources,
//! places in files, diagnostics. Plain values: no I/O, no clock, no serde.

mod digest;
mod environment;
mod history;
mod name;
mod opinion;
mod place;
mod plan;
pub mod redact;
mod setting;
mod source;
mod text;
mod verdict;

pub use digest::{Digest, DigestAlgorithm, DigestError};
pub use environment::{Environment, FileError, Files, MemoryFiles, lexical, utf8_text};
pub use history::{PreviousRelease, ReleaseHistory};
pub use name::{Ecosystem, PackageId, PackageName, normalise_name};
pub use opinion::{Consent, Effect as OpinionEffect, Opinion, Outcome as OpinionOutcome, Usage};
pub use place::{Diagnostic, LineIndex, Location, Place};
pub use plan::{
    Artifact, ArtifactKind, Execution, HeldBack, InterpreterFacts, LockIssue, LockIssueKind, LockState, Origin,
    Package, Pinning, Plan, SignalGap, Unresolved, UnresolvedCause,
};
pub use setting::{Setting, SettingKind, SettingLayer};
pub use source::{Source, redact_url};
pub use text::{ago, json_text, printable, shell_line};
pub use verdict::{Category, Evidence, Finding, Fix, FixKind, Level, Value, Verdict};

/// A moment in UTC. All times in this crate are of this type; text forms are RFC 3339.
pub type Timestamp = jiff::Timestamp;
