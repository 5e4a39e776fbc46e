//! Packages of the plan: a picked version with what its packument says, and one that nothing is known about.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::ecosystem::npm::lock::LockedPackage;
use crate::ecosystem::npm::semver;
use crate::model::{
    Artifact, ArtifactKind, Digest, Ecosystem, Execution, Location, LockState, Origin, Package, PackageId, PackageName,
    Pinning, PreviousRelease, ReleaseHistory, Source, UnresolvedCause, redact_url,
};
use crate::registry::FetchError;
use crate::registry::npm::{Packument, Version};
use crate::registry::version_list::VersionRef;
use crate::resolve::history::{self, Sibling};

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
    package.published_at = packument.versions.published(&package.id.version);
    package.first_published_at = packument.first_published();
    package.withdrawn.clone_from(&about.deprecated);
    package.executes = executes(about);
    package.history = history(&package.id.version, about, packument).map(Box::new);
}

/// The release among the others of its packument; `None` when the version cannot be read.
fn history(version: &str, about: &Version, packument: &Packument) -> Option<ReleaseHistory> {
    let mut all: Vec<VersionRef<'_>> = Vec::with_capacity(packument.versions.len());
    let mut siblings = Vec::with_capacity(packument.versions.len());
    for v in packument.versions.iter() {
        let Some(read) = semver::Version::parse(v.text(), true) else { continue };
        siblings.push(Sibling {
            version: read,
            published: v.published(),
            prerelease: read.is_prerelease(),
            line: history::line(read.major, read.minor),
        });
        all.push(v);
    }
    let own = siblings.get(all.iter().position(|v| v.text() == version)?)?;
    let among = history::among(own, &siblings, semver::Version::precedence);
    let at = |index: usize| Some((all.get(index)?, siblings.get(index)?));
    // A registry that says it of no release does not say it.
    let any_attested = packument.versions.iter().any(|v| v.attested());
    let attested = |own: bool| any_attested.then_some(own);
    let previous = among.previous.and_then(at).map(|(v, s)| (v.to_version(), v.text(), s));
    let needs = |v: &Version| -> BTreeSet<String> {
        v.dependencies.keys().chain(v.optional_dependencies.keys()).cloned().collect()
    };
    Some(ReleaseHistory {
        releases: packument.versions.len(),
        previous: previous.as_ref().map(|(v, text, s)| PreviousRelease {
            version: (*text).to_owned(),
            published_at: s.published,
            publisher: v.publisher.clone(),
            attested: attested(v.attested),
            executes: Some(executes(v)),
        }),
        last_published_at: among.last_published_at,
        within_hour: among.within_hour.iter().filter_map(|i| all.get(*i)).map(|v| v.text().to_owned()).collect(),
        publisher: about.publisher.clone(),
        publisher_known: own.published.filter(|_| about.publisher.is_some()).map(|own| {
            let earlier = |s: &Sibling<semver::Version<'_>>| {
                s.published.is_some_and(|then| own.duration_since(then).as_hours() >= 24)
            };
            all.iter().zip(&siblings).any(|(v, s)| v.publisher() == about.publisher.as_deref() && earlier(s))
        }),
        attested: attested(about.attested),
        added_dependencies: previous.as_ref().map(|(before, ..)| {
            let added = needs(about).difference(&needs(before)).cloned().collect::<Vec<_>>();
            added.iter().map(|name| PackageName::new(Ecosystem::Npm, name)).collect()
        }),
    })
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
        FetchError::PrivateName { .. } => UnresolvedCause::PrivateName,
        FetchError::Unsupported { .. } | FetchError::Configuration { .. } => UnresolvedCause::Unsupported,
        FetchError::Unreachable { .. } | FetchError::Unauthorized { .. } | FetchError::Offline { .. } => {
            UnresolvedCause::Unreachable
        }
    };
    (cause, error.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_compared_with_the_one_it_follows() {
        let body = r#"{"name":"x","time":{"1.0.0":"2020-01-01T00:00:00Z","1.0.1":"2026-01-01T00:00:00Z","0.3.1":"2026-01-01T00:30:00Z"},
          "versions":{
            "1.0.0":{"dependencies":{"a":"1"},"_npmUser":{"name":"owner"},"dist":{"attestations":{"url":"u"}}},
            "0.3.1":{"_npmUser":{"name":"thief"},"dist":{}},
            "1.0.1":{"dependencies":{"a":"1","b":"1"},"optionalDependencies":{"c":"1"},"scripts":{"postinstall":"x"},"_npmUser":{"name":"thief"},"dist":{}}}}"#;
        let packument =
            crate::registry::packument::read(body.as_bytes(), &PackageName::new(Ecosystem::Npm, "x")).unwrap();
        let found = history("1.0.1", &packument.versions.version("1.0.1").unwrap(), &packument).unwrap();
        let previous = found.previous.unwrap();
        assert_eq!((previous.version.as_str(), previous.publisher.as_deref()), ("1.0.0", Some("owner")));
        assert_eq!((previous.attested, found.attested, previous.executes), (Some(true), Some(false), Some(vec![])));
        assert_eq!((found.releases, found.within_hour.as_slice()), (3, &["0.3.1".to_owned()][..]));
        assert_eq!((found.publisher.as_deref(), found.publisher_known), (Some("thief"), Some(false)));
        assert_eq!(found.last_published_at, packument.versions.published("1.0.0"));
        let added: Vec<String> = found.added_dependencies.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(added, ["b", "c"]);
    }
}
