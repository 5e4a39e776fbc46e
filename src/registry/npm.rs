//! What an npm registry says of a package: the packument, reduced to what a resolver and the rules weigh.

use std::collections::BTreeMap;

use super::version_list::VersionList;
use crate::model::{Digest, PackageName, Timestamp};

/// A packument (`GET /name`), reduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packument {
    /// The package.
    pub name: PackageName,
    /// `dist-tags`.
    pub dist_tags: BTreeMap<String, String>,
    /// Every published version, with its `time` where the registry gives one.
    pub versions: VersionList,
    /// `time.created`.
    pub created: Option<Timestamp>,
    /// Base URL of the registry that answered.
    pub registry: String,
}

impl Packument {
    /// When the first version was published, as far as the registry tells.
    pub fn first_published(&self) -> Option<Timestamp> {
        self.created.or_else(|| self.versions.iter().filter_map(|v| v.published()).min())
    }
}

/// One version of a packument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// `dependencies`: name to spec.
    pub dependencies: BTreeMap<String, String>,
    /// `optionalDependencies` (npm lists them in `dependencies` too).
    pub optional_dependencies: BTreeMap<String, String>,
    /// `peerDependencies`.
    pub peer_dependencies: BTreeMap<String, String>,
    /// Names of `peerDependenciesMeta` with `optional: true`.
    pub optional_peers: Vec<String>,
    /// `bundleDependencies` (both spellings; `true` means all).
    pub bundled: Vec<String>,
    /// `os`, `cpu`, `libc`; empty: any.
    pub os: Vec<String>,
    /// See `os`.
    pub cpu: Vec<String>,
    /// See `os`.
    pub libc: Vec<String>,
    /// `engines.node`.
    pub engines_node: Option<String>,
    /// `deprecated`, when it is a non-empty text (npm ignores `false` and empty text).
    pub deprecated: Option<String>,
    /// Names of the lifecycle scripts it has: of `preinstall`, `install`, `postinstall`, `prepare`, `preprepare`, `postprepare`.
    pub lifecycle_scripts: Vec<String>,
    /// `hasInstallScript`, or `gypfile: true` without an install script.
    pub has_install_script: bool,
    /// `bin`: names of the commands it provides.
    pub bin: Vec<String>,
    /// `dist.tarball`.
    pub tarball: String,
    /// `dist.integrity` and `dist.shasum`, strongest first.
    pub digests: Vec<Digest>,
    /// `dist.unpackedSize`, bytes.
    pub unpacked_size: Option<u64>,
    /// `_npmUser.name`, when given.
    pub publisher: Option<String>,
    /// `dist.attestations` is there.
    pub attested: bool,
}
