//! Does the registry vouch for a lockfile's URL and digest?
//!
//! In: a locked package and its registry's packument, where one can be had. Out: the package of the plan, and what
//! does not agree. Where the registry is out of reach, that is a signal that is missing, not a clean bill.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::out_of_reach;
use super::release::{self, LockedShape};
use crate::ecosystem::npm::lock::{LockedPackage, LockedSource, Lockfile};
use crate::model::{
    Digest, Ecosystem, Execution, LockIssue, LockIssueKind, LockState, Package, PackageId, PackageName, SignalGap,
    Source, redact_url,
};
use crate::registry::npm::Packument;
use crate::registry::{FetchError, NpmRegistry};

/// Hosts that npm and yarn write into lockfiles and replace by the configured registry when they fetch.
const DEFAULT_HOSTS: [&str; 2] = ["registry.npmjs.org", "registry.yarnpkg.com"];

/// Compares locked packages with the registries.
pub(super) struct Verifier<'a> {
    registry: &'a dyn NpmRegistry,
    ask: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    packuments: FxHashMap<PackageName, Option<Arc<Packument>>>,
    /// Names that their registry says it does not have.
    absent: FxHashSet<PackageName>,
    /// Registries that did not answer: not asked again.
    silent: FxHashSet<String>,
    gaps: Vec<SignalGap>,
    /// The versions that the lockfile names.
    wanted: BTreeMap<PackageName, BTreeSet<String>>,
}

/// What a locked URL is, compared with what the registry gives.
enum UrlVerdict {
    /// As expected, or not there at all.
    Fine,
    /// The registry's own, in a form that only its packument could confirm.
    Unconfirmed,
    /// From elsewhere.
    Foreign,
    /// It names another package.
    OtherName,
}

impl<'a> Verifier<'a> {
    pub(super) fn new(registry: &'a dyn NpmRegistry, ask: bool) -> Self {
        Self { registry, ask, known: Mutex::default() }
    }

    /// Every name of the lockfile will be asked for, in one batch.
    pub(super) fn prefetch(&self, lock: &Lockfile) {
        if !self.ask {
            return;
        }
        let mut wanted: BTreeMap<PackageName, BTreeSet<String>> = BTreeMap::new();
        for package in &lock.packages {
            let name = name_of(package);
            if matches!(package.source, LockedSource::Registry { .. }) && name.is_well_formed() {
                wanted.entry(name).or_default().extend(package.version.clone());
            }
        }
        self.registry.prefetch_for_lock(&wanted);
        if let Ok(mut known) = self.known.lock() {
            known.wanted = wanted;
        }
    }

    /// What was not verified.
    pub(super) fn gaps(&self) -> Vec<SignalGap> {
        self.known.lock().map(|known| known.gaps.clone()).unwrap_or_default()
    }

    fn packument(&self, name: &PackageName) -> (Option<Arc<Packument>>, bool) {
        let Ok(mut known) = self.known.lock() else { return (None, false) };
        if let Some(answer) = known.packuments.get(name) {
            return (answer.clone(), known.absent.contains(name));
        }
        let base = self.registry.registry_of(name);
        if !self.ask || known.silent.contains(&base) {
            return (None, false);
        }
        let none = BTreeSet::new();
        let versions = known.wanted.get(name).unwrap_or(&none);
        let answer = match self.registry.packument_for_lock(name, versions) {
            Ok(packument) => Some(packument),
            Err(FetchError::NotFound { .. }) => {
                known.absent.insert(name.clone());
                None
            }
            Err(error) => {
                if out_of_reach(&error) {
                    known.silent.insert(base.clone());
                }
                let reason = format!("the lockfile was not compared with the registry: {error}");
                for signal in ["digest", "published-at"] {
                    known.gaps.push(SignalGap { signal, registry: base.clone(), reason: reason.clone() });
                }
                None
            }
        };
        known.packuments.insert(name.clone(), answer.clone());
        (answer, known.absent.contains(name))
    }

    /// The plan's package for a locked one, and what the registry does not vouch for.
    pub(super) fn locked(&self, shape: &LockedShape<'_>) -> (Package, Vec<LockIssue>) {
        let locked = shape.package;
        let id = PackageId::new(name_of(locked), locked.version.as_deref().unwrap_or("0"));
        let state = if locked.digests.is_empty() && !locked.other_digest {
            LockState::Locked
        } else {
            LockState::LockedWithDigest
        };
        let source = self.source(shape);
        let mut package = release::bare(id, source, shape.origin.clone(), shape.pinning, state);
        package.withdrawn.clone_from(&locked.deprecated);
        if locked.has_install_script {
            package.executes.push(Execution::InstallScript);
        }
        if matches!(package.source, Source::Git { .. }) {
            package.executes.push(Execution::LifecycleScript(Arc::from("prepare")));
        }
        let mut issues = Vec::new();
        match &locked.source {
            LockedSource::Registry { tarball } if !shape.remote => {
                self.compare(shape, &mut package, tarball.as_deref(), &mut issues);
            }
            LockedSource::Registry { tarball: Some(url) } | LockedSource::Remote { url } => {
                package.artifacts = vec![release::artifact(url, locked.digests.clone(), None)];
            }
            _ => {}
        }
        (package, issues)
    }

    fn source(&self, shape: &LockedShape<'_>) -> Source {
        let locked = shape.package;
        match &locked.source {
            LockedSource::Registry { tarball: Some(url) } if shape.remote => Source::Url { url: redact_url(url) },
            LockedSource::Registry { .. } => Source::Registry { url: self.registry.registry_of(&name_of(locked)) },
            LockedSource::Git { url, commit } => Source::Git {
                url: redact_url(url),
                reference: commit.clone(),
                commit: commit.clone().filter(|c| matches!(c.len(), 40 | 64)),
            },
            LockedSource::Remote { url } => Source::Url { url: redact_url(url) },
            LockedSource::File { path } | LockedSource::Directory { path, .. } => {
                Source::Path { path: crate::model::lexical(&shape.root.join(path)) }
            }
        }
    }

    fn compare(
        &self,
        shape: &LockedShape<'_>,
        package: &mut Package,
        tarball: Option<&str>,
        issues: &mut Vec<LockIssue>,
    ) {
        let locked = shape.package;
        let issue = |kind, expected: String, found: String| LockIssue {
            kind,
            package: Some(package.id.clone()),
            location: shape.location.clone(),
            expected,
            found,
        };
        let base = self.registry.registry_of(&package.id.name);
        let (packument, absent) = self.packument(&package.id.name);
        let about = packument.as_ref().and_then(|p| p.versions.version(&package.id.version));
        let about = about.as_ref();
        // What ships inside its parent's tarball is nothing that the registry could vouch for, nor fetched from it.
        if locked.bundled {
            return;
        }
        if absent || (packument.is_some() && about.is_none()) {
            issues.push(issue(
                LockIssueKind::UnknownRelease,
                format!("a release that {base} has"),
                format!("{}@{}", package.id.name, package.id.version),
            ));
        }
        if let Some(text) = &locked.unreadable_digest {
            let expected = about.and_then(|a| a.digests.first()).map_or_else(|| "a digest".to_owned(), Digest::sri);
            issues.push(issue(LockIssueKind::DigestMismatch, expected, text.clone()));
        }
        let agreement = about.map(|a| agreement(&locked.digests, &a.digests));
        if let Some(Agreement::Differs(expected, found)) = &agreement {
            issues.push(issue(LockIssueKind::DigestMismatch, expected.sri(), found.sri()));
        }
        let vouched = matches!(agreement, Some(Agreement::Strong));
        let gives = about.map(|a| a.tarball.as_str());
        let mut foreign = None;
        if let Some(url) = tarball {
            let expected = || gives.map_or_else(|| expected_url(&base, &package.id), redact_url);
            match judge_url(url, &package.id, &base, gives) {
                UrlVerdict::Fine | UrlVerdict::Unconfirmed => {}
                UrlVerdict::OtherName => {
                    issues.push(issue(LockIssueKind::NameMismatch, expected(), redact_url(url)));
                }
                // The registry's own digest of a collision-free kind fixes the bytes, whoever serves them: no
                // poisoning, but not the registry either.
                UrlVerdict::Foreign if vouched => foreign = Some(url),
                UrlVerdict::Foreign => {
                    foreign = Some(url);
                    issues.push(issue(LockIssueKind::ForeignUrl, expected(), redact_url(url)));
                }
            }
        }
        if let (Some(packument), Some(about)) = (&packument, about) {
            release::describe(package, about, packument);
            if locked.has_install_script && package.executes.is_empty() {
                package.executes.push(Execution::InstallScript);
            }
        }
        let expected = expected_url(&base, &package.id);
        let url = tarball.or(gives).unwrap_or(&expected);
        let mut digests = locked.digests.clone();
        if let (Some(about), Some(Agreement::Strong | Agreement::Weak | Agreement::Unlocked)) = (about, &agreement) {
            release::join_digests(&mut digests, about.digests.clone());
        }
        package.artifacts = vec![release::artifact(url, digests, package.published_at)];
        if let Some(url) = foreign {
            package.source = Source::Url { url: redact_url(url) };
        }
    }
}

fn name_of(package: &LockedPackage) -> PackageName {
    PackageName::new(Ecosystem::Npm, &package.name)
}

/// How a lockfile's digests compare with the registry's.
enum Agreement {
    /// A digest of a kind that cannot be forged is the same.
    Strong,
    /// Only SHA-1 or MD5 could be compared, and is the same.
    Weak,
    /// No kind in common.
    Incomparable,
    /// The lockfile has none.
    Unlocked,
    /// Same kind, another value: the registry's, the lockfile's.
    Differs(Digest, Digest),
}

fn agreement(locked: &[Digest], given: &[Digest]) -> Agreement {
    if locked.is_empty() {
        return Agreement::Unlocked;
    }
    let mut out = Agreement::Incomparable;
    for digest in locked {
        let Some(same_kind) = given.iter().find(|d| d.algorithm() == digest.algorithm()) else { continue };
        if same_kind != digest {
            return Agreement::Differs(same_kind.clone(), digest.clone());
        }
        match (digest.algorithm().is_weak(), &out) {
            (false, _) => out = Agreement::Strong,
            (true, Agreement::Incomparable) => out = Agreement::Weak,
            (true, _) => {}
        }
    }
    out
}

fn base_name(name: &PackageName) -> &str {
    name.written().rsplit('/').next().unwrap_or(name.written())
}

/// `/@scope/name/-/name-1.0.0.tgz`.
fn expected_path(id: &PackageId) -> String {
    format!("{}/-/{}-{}.tgz", id.name.written(), base_name(&id.name), id.version)
}

fn expected_url(base: &str, id: &PackageId) -> String {
    format!("{}/{}", base.trim_end_matches('/'), expected_path(id))
}

/// For a lockfile judged by itself: the URL that npm's own registry would give, when the one recorded there is of
/// another package. Other registries' forms are theirs to confirm.
pub(in crate::resolve) fn other_name(url: &str, id: &PackageId) -> Option<String> {
    let registry = crate::registry::NPM_DEFAULT;
    matches!(judge_url(url, id, registry, None), UrlVerdict::OtherName).then(|| expected_url(registry, id))
}

fn judge_url(url: &str, id: &PackageId, base: &str, gives: Option<&str>) -> UrlVerdict {
    if gives == Some(url) {
        return UrlVerdict::Fine;
    }
    let Ok(parsed) = url::Url::parse(url) else { return UrlVerdict::Foreign };
    let Some(host) = parsed.host_str() else { return UrlVerdict::Foreign };
    let base = url::Url::parse(base).ok();
    let secure = parsed.scheme() == "https" || base.as_ref().is_some_and(|b| b.scheme() == parsed.scheme());
    let path = percent_encoding::percent_decode_str(parsed.path()).decode_utf8_lossy().into_owned();
    let same_host = base
        .as_ref()
        .is_some_and(|b| b.host_str() == Some(host) && b.port_or_known_default() == parsed.port_or_known_default());
    let default_host = DEFAULT_HOSTS.contains(&host) && parsed.port().is_none();
    let prefix = base.as_ref().map_or("/", |b| b.path()).trim_end_matches('/');
    let below = match path.strip_prefix(prefix) {
        Some(rest) if same_host => rest,
        _ => path.as_str(),
    };
    let below = below.trim_start_matches('/');
    if let Some((name, file)) = below.split_once("/-/") {
        // Some registries repeat the scope before the file's name.
        let file = file.rsplit('/').next().unwrap_or(file);
        let own = name == id.name.written() && file == format!("{}-{}.tgz", base_name(&id.name), id.version);
        if own && secure && (same_host || default_host) {
            return UrlVerdict::Fine;
        }
        if name != id.name.written() && (same_host || default_host) {
            return UrlVerdict::OtherName;
        }
        return UrlVerdict::Foreign;
    }
    // A form of its own under the registry's own host: only the packument could confirm it, and it gives another.
    if same_host && secure && gives.is_none() && !default_host {
        return UrlVerdict::Unconfirmed;
    }
    UrlVerdict::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str, name: &str, base: &str, gives: Option<&str>) -> &'static str {
        let id = PackageId::new(PackageName::new(Ecosystem::Npm, name), "1.0.0");
        match judge_url(url, &id, base, gives) {
            UrlVerdict::Fine => "fine",
            UrlVerdict::Unconfirmed => "unconfirmed",
            UrlVerdict::Foreign => "foreign",
            UrlVerdict::OtherName => "name",
        }
    }

    #[test]
    fn urls_that_a_registry_gives() {
        let npm = "https://registry.npmjs.org/";
        for (url, name, base, gives, expected) in [
            ("https://registry.npmjs.org/a/-/a-1.0.0.tgz", "a", npm, None, "fine"),
            ("https://registry.npmjs.org/@s/a/-/a-1.0.0.tgz", "@s/a", npm, None, "fine"),
            ("https://registry.npmjs.org/@s%2fa/-/a-1.0.0.tgz", "@s/a", npm, None, "fine"),
            ("https://registry.yarnpkg.com/a/-/a-1.0.0.tgz", "a", npm, None, "fine"),
            ("https://registry.npmjs.org/a/-/a-1.0.0.tgz", "a", "https://npm.corp.example/api/", None, "fine"),
            ("https://npm.corp.example/api/a/-/a-1.0.0.tgz", "a", "https://npm.corp.example/api", None, "fine"),
            ("http://localhost:4873/a/-/a-1.0.0.tgz", "a", "http://localhost:4873", None, "fine"),
            (
                "https://npm.pkg.github.com/download/@s/a/1.0.0/ff",
                "@s/a",
                "https://npm.pkg.github.com",
                None,
                "unconfirmed",
            ),
            ("https://cdn.example/a.tgz", "a", npm, Some("https://cdn.example/a.tgz"), "fine"),
            ("https://registry.npmjs.org/b/-/b-1.0.0.tgz", "a", npm, None, "name"),
            ("https://registry.npmjs.org/a/-/a-2.0.0.tgz", "a", npm, None, "foreign"),
            ("http://registry.npmjs.org/a/-/a-1.0.0.tgz", "a", npm, None, "foreign"),
            ("https://registry.npmjs.org.evil.example/a/-/a-1.0.0.tgz", "a", npm, None, "foreign"),
            ("https://registry.npmjs.org@evil.example/a/-/a-1.0.0.tgz", "a", npm, None, "foreign"),
            ("https://registry.npmjs.org:8443/a/-/a-1.0.0.tgz", "a", npm, None, "foreign"),
            ("https://registry.npmjs.org/evil.tgz", "a", npm, None, "foreign"),
            ("file:///tmp/a.tgz", "a", npm, None, "foreign"),
            ("not a url", "a", npm, None, "foreign"),
        ] {
            assert_eq!(verdict(url, name, base, gives), expected, "{url}");
        }
    }
}
