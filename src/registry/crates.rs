//! What a Cargo registry index says of a crate (RFC 2141, RFC 2789; the index file's lines).

use std::collections::BTreeMap;

use super::line_list::LineList;
use crate::model::{PackageName, Timestamp};

/// A crate's index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// The crate, with the name as the index writes it.
    pub name: PackageName,
    /// Every version, in the index's order.
    pub versions: LineList,
}

/// One line of an index file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// `vers`.
    pub version: String,
    /// `deps`.
    pub dependencies: Vec<Dependency>,
    /// `cksum`: SHA-256, hexadecimal.
    pub checksum: String,
    /// `features` and `features2`, joined.
    pub features: BTreeMap<String, Vec<String>>,
    /// `yanked`.
    pub yanked: bool,
    /// `links`: has a build script that links a native library.
    pub links: Option<String>,
    /// `rust_version`.
    pub rust_version: Option<String>,
    /// `pubtime`.
    pub published_at: Option<Timestamp>,
    /// `v`: 1 or 2. Cargo ignores lines of a higher format.
    pub format: u32,
}

/// One dependency of an index line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependency {
    /// The name it is used under.
    pub name: String,
    /// The crate's real name when renamed (`package`).
    pub package: Option<String>,
    /// Cargo version requirement.
    pub req: String,
    /// Features switched on.
    pub features: Vec<String>,
    /// Optional.
    pub optional: bool,
    /// `default_features`.
    pub default_features: bool,
    /// A `cfg(…)` expression or a target triple.
    pub target: Option<String>,
    /// `normal`, `build` or `dev`.
    pub kind: DependencyKind,
    /// The index URL of another registry; `None`: this one.
    pub registry: Option<String>,
}

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DependencyKind {
    /// At run time.
    #[default]
    Normal,
    /// By the build script.
    Build,
    /// By tests and examples.
    Dev,
}

/// How a registry is named in a lockfile and where it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSource {
    /// `registry+https://github.com/rust-lang/crates.io-index`, `sparse+https://…`.
    pub source_id: String,
    /// Base URL asked, without credentials.
    pub url: String,
    /// The download template or base (`dl` of config.json).
    pub download: String,
    /// Whether this is crates.io itself, not a replacement.
    pub is_default: bool,
}
