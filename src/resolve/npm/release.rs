//! Packages of the plan: a picked version with what its packument says, and one that nothing is known about.

use std::path::Path;
use std::sync::Arc;

use crate::ecosystem::npm::lock::LockedPackage;
use crate::model::{
    Artifact, ArtifactKind, Digest, Execution, Location, LockState, Origin, Package, PackageId, PackageName, Pinning,
    Source, UnresolvedCause, redact_url,
};
use crate::registry::FetchError;
use crate::registry::npm::{Packument, Version};

/// A locked package on its way into the plan.
pub(super) struct LockedShape<'a> {
    /// The lockfile's entry.
    pub package: &'a LockedPackage,
    /// The requirement that brought it in first.
    pub origin: Origin,
    /// How tightly that fixes it.
    pub pinning: Pinning,
    /// It was asked for by URL, so its URL is nobody's to vouch for.
    pub remote: bool,
    /// Where the entry stands.
    pub location: Location,
    /// The lockfile's directory.
    pub root: &'a Path,
}

/// A package of which only the id and the source are known.
pub(super) fn bare(id: PackageId, source: Source, origin: Origin, pinning: Pinning, lock: LockState) -> Package {
    Package {
        id,
        source,
        direct: false,
        depth: 0,
        required_by: Vec::new(),
        origin,
        pinning,
        lock,
        development: false,
        published_at: None,
        first_published_at: None,
        withdrawn: None,
        artifacts: Vec::new(),
        executes: Vec::new(),
        also_in: Vec::new(),
        history: None,
    }
}

/// A version that was picked from a packument.
pub(super) fn picked(
    name: &PackageName,
    version: &str,
    about: &Version,
    packument: &Packument,
    origin: Origin,
    pinning: Pinning,
) -> Package {
    let id = PackageId::new(name.clone(), version);
    let source = Source::Registry { url: packument.registry.clone() };
    let mut package = bare(id, source, origin, pinning, LockState::Unlocked);
    describe(&mut package, about, packument);
    package.artifacts = vec![artifact(&about.tarball, about.digests.clone(), package.published_at)];
    package
}

/// Takes over what a packument says of a release.
pub(super) fn describe(package: &mut Package, about: &Version, packument: &Packument) {
    package.published_at = packument.time.get(&*package.id.version).copied();
    package.first_published_at = packument.created.or_else(|| packument.time.values().min().copied());
    package.withdrawn.clone_from(&about.deprecated);
    package.executes = executes(about);
}

/// What runs when a release of the registry is installed: `prepare` does not, it is for git and directories.
fn executes(about: &Version) -> Vec<Execution> {
    let runs = |script: &&String| matches!(script.as_str(), "preinstall" | "install" | "postinstall");
    let mut out: Vec<Execution> = about
        .lifecycle_scripts
        .iter()
        .filter(runs)
        .map(|s| Execution::LifecycleScript(Arc::from(s.as_str())))
        .collect();
    if out.is_empty() && about.has_install_script {
        // With its scripts known, what is left is npm's own `node-gyp rebuild`.
        out.push(if about.lifecycle_scripts.is_empty() { Execution::InstallScript } else { Execution::NodeGyp });
    }
    out
}

/// A tarball.
pub(super) fn artifact(url: &str, digests: Vec<Digest>, published_at: Option<crate::model::Timestamp>) -> Artifact {
    let filename = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or(url);
    Artifact {
        kind: ArtifactKind::Tgz,
        filename: filename.to_owned(),
        url: redact_url(url),
        digests,
        size: None,
        published_at,
    }
}

/// Both lists, strongest first, none twice.
pub(super) fn join_digests(into: &mut Vec<Digest>, more: Vec<Digest>) {
    into.extend(more);
    into.sort_by(|a, b| b.cmp(a));
    into.dedup();
}

/// A registry's error as the plan names it.
pub(super) fn cause(error: &FetchError) -> (UnresolvedCause, String) {
    let cause = match error {
        FetchError::NotFound { .. } => UnresolvedCause::UnknownPackage,
        FetchError::Malformed { .. } => UnresolvedCause::Malformed,
        FetchError::TooLarge { .. } => UnresolvedCause::LimitExceeded,
        FetchError::NeedsExecution { .. } => UnresolvedCause::NeedsExecution,
        FetchError::PrivateName { .. } | FetchError::Unsupported { .. } | FetchError::Configuration { .. } => {
            UnresolvedCause::Unsupported
        }
        FetchError::Unreachable { .. } | FetchError::Unauthorized { .. } | FetchError::Offline { .. } => {
            UnresolvedCause::Unreachable
        }
    };
    (cause, error.to_string())
}
