//! A lockfile as the plan: what it selects for this interpreter, each entry held against the index. In: the catalog, the
//! lockfile, the selection. Out: packages and [`LockIssue`]s of a [`Plan`]. Nothing is re-resolved.

use super::catalog::Catalog;
use super::outcome::{artifact, direct_pinning};
use super::pool::{From, Pool};
use super::project::Project;
use crate::ecosystem::python::lock::{LockedArtifact, LockedPackage, Lockfile, Selection};
use crate::ecosystem::python::requirements_txt::{Entry, Target};
use crate::ecosystem::python::version::{Version, parse_version};
use crate::model::{
    Artifact, ArtifactKind, Execution, LockIssue, LockIssueKind, LockState, Origin, Package, PackageId, PackageName,
    Pinning, Plan, SignalGap, Source, Unresolved, UnresolvedCause, redact_url,
};
use crate::registry::FetchError;
use crate::registry::python::File;

/// Where manifest and lockfile disagree: requirements of the manifest that no entry of the lockfile satisfies.
pub(super) fn drift(catalog: &Catalog<'_>, project: &Project, lock: &Lockfile) -> Vec<LockIssue> {
    let mut out = Vec::new();
    let overridden = |name: Option<&PackageName>| project.overrides.iter().any(|o| o.name() == name);
    let asked = project.entries.iter().map(|(entry, _)| entry).filter(|e| !overridden(e.name()));
    // These ask for nothing: they hold for what is there.
    let held = project.overrides.iter().chain(&project.constraints).filter(|e| e.name().is_some());
    let held = held.filter(|e| e.name().is_some_and(|name| lock.entries(name).next().is_some()));
    for entry in asked.chain(held) {
        if entry.marker().is_some_and(|m| !m.evaluate(&catalog.markers, &[])) {
            continue;
        }
        let Some(name) = entry.name() else { continue };
        // A source for one extra or group stands beside the index's, and which holds is not told here.
        let beside = |e: &Entry| e.name() == Some(name) && matches!(e.target, Target::Named(_));
        let is_direct = matches!(entry.target, Target::Direct(_));
        if is_direct
            && entry.marker().is_none()
            && project.entries.iter().any(|(e, _)| beside(e))
            && !overridden(Some(name))
        {
            continue;
        }
        let locked: Vec<&LockedPackage> = lock.entries(name).collect();
        let satisfied = locked.iter().any(|p| {
            let source = p.source.as_ref().filter(|s| !s.is_registry());
            match &entry.target {
                Target::Direct(direct) => source.is_some_and(|s| same_source(s, &direct.source)),
                Target::Named(_) if source.is_some() => true,
                Target::Named(requirement) => {
                    let version = p.version.as_deref().and_then(parse_version);
                    version.is_some_and(|v| requirement.specifiers.contains(&v, true))
                }
            }
        });
        if satisfied {
            continue;
        }
        let versions: Vec<&str> = locked.iter().filter_map(|p| p.version.as_deref()).collect();
        out.push(LockIssue {
            kind: LockIssueKind::Drift,
            package: versions.first().map(|v| PackageId::new(name.clone(), v)),
            location: entry.location.clone(),
            expected: entry.text.clone(),
            found: if versions.is_empty() { "not in the lockfile".to_owned() } else { versions.join(", ") },
        });
    }
    out
}

/// Adds what a lockfile brings in.
pub(super) fn fill(plan: &mut Plan, catalog: &Catalog<'_>, lock: &Lockfile, selection: &Selection, project: &Project) {
    let selected = lock.select(selection, Some(&catalog.markers));
    let chosen: Vec<&LockedPackage> = selected.iter().filter_map(|s| lock.packages.get(s.package)).collect();
    catalog.hint(chosen.iter().filter(|p| !is_outside_indexes(p)).map(|p| catalog.name(&p.name)));
    for s in &selected {
        let Some(locked) = lock.packages.get(s.package) else { continue };
        let mut package = base(locked, lock);
        package.depth = s.depth;
        package.development = s.development;
        let asked = project.entries.iter().find(|(e, _)| e.name() == Some(&locked.name));
        package.direct = asked.is_some();
        if let Some((entry, _)) = asked {
            package.origin.text.clone_from(&entry.text);
            package.origin.location = entry.location.clone();
            package.depth = 0;
            if let Target::Named(requirement) = &entry.target {
                package.origin.range = Some(requirement.specifiers.to_string());
            }
        }
        package.required_by = s
            .required_by
            .iter()
            .filter_map(|i| lock.packages.get(*i))
            .filter(|p| !p.is_workspace())
            .map(|p| PackageId::new(p.name.clone(), p.version.as_deref().unwrap_or("0")))
            .collect();
        match &locked.source {
            Some(source) if !source.is_registry() => outside(plan, &mut package, locked, source),
            _ => from_index(plan, catalog, &mut package, locked),
        }
        plan.packages.push(package);
    }
}

/// Whether a lockfile's source can be the one that a manifest names. Of a repository the lockfile has a commit, and of a
/// path its own way to write it.
fn same_source(locked: &Source, named: &Source) -> bool {
    match (locked, named) {
        (Source::Url { url: locked }, Source::Url { url: named }) => {
            let plain = |url: &str| url.split('#').next().unwrap_or(url).to_owned();
            plain(locked) == plain(named)
        }
        (Source::Git { .. }, Source::Git { .. }) => true,
        (Source::Path { .. } | Source::Workspace { .. }, Source::Path { .. } | Source::Workspace { .. }) => true,
        _ => false,
    }
}

fn is_outside_indexes(locked: &LockedPackage) -> bool {
    locked.source.as_ref().is_some_and(|s| !s.is_registry())
}

fn base(locked: &LockedPackage, lock: &Lockfile) -> Package {
    let hashed = !locked.artifacts.is_empty() && locked.artifacts.iter().all(|a| !a.digests.is_empty());
    let version = locked.version.as_deref().unwrap_or("0");
    Package {
        id: PackageId::new(locked.name.clone(), &crate::ecosystem::python::version::normalise(version)),
        source: locked.source.clone().unwrap_or_else(|| Source::Registry {
            url: lock.indexes.first().map_or_else(String::new, |(_, url)| redact_url(url)),
        }),
        direct: false,
        depth: 0,
        required_by: Vec::new(),
        origin: Origin {
            text: format!("{}=={version}", locked.name),
            range: Some(format!("=={version}")),
            location: locked.location.clone(),
        },
        pinning: if hashed { Pinning::ExactHash } else { Pinning::Exact },
        lock: if hashed { LockState::LockedWithDigest } else { LockState::Locked },
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

/// An entry from a URL, a repository or a directory: its bytes are what the lockfile says, its needs are locked too.
fn outside(plan: &mut Plan, package: &mut Package, locked: &LockedPackage, source: &Source) {
    package.origin.range = None;
    package.artifacts = locked.artifacts.iter().filter_map(locked_artifact).collect();
    package.pinning = direct_pinning(source, package.lock == LockState::LockedWithDigest);
    let wheel = package.artifacts.iter().any(|a| a.kind == ArtifactKind::Wheel);
    if !wheel && !locked.virtual_project {
        package.executes.push(Execution::PythonBuild);
    }
    if matches!(source, Source::Git { commit: None, .. }) {
        plan.unresolved.push(Unresolved {
            requirement: package.origin.text.clone(),
            name: Some(locked.name.clone()),
            range: None,
            location: Some(locked.location.clone()),
            cause: UnresolvedCause::Unsupported,
            reason: "the lockfile names no commit".to_owned(),
        });
    }
}

fn from_index(plan: &mut Plan, catalog: &Catalog<'_>, package: &mut Package, locked: &LockedPackage) {
    let pool = catalog.pool(catalog.name(&locked.name));
    let version = locked.version.as_deref().and_then(parse_version);
    let unasked = |reason: String| SignalGap { signal: "published-at", registry: package.source.url(), reason };
    if let (None, Some(error)) = (&pool.project, &pool.error) {
        if matches!(error, FetchError::NotFound { .. }) {
            plan.lock_issues.push(unknown_release(package, locked, "no such project"));
        } else {
            plan.signal_gaps.push(unasked(format!("the lockfile was not held against the index: {error}")));
        }
        package.artifacts = locked.artifacts.iter().filter_map(locked_artifact).collect();
        return;
    }
    let Some(project) = pool.project.clone() else {
        package.artifacts = locked.artifacts.iter().filter_map(locked_artifact).collect();
        return;
    };
    // A project in two indexes: what the lockfile does not name is what the index says.
    let index = pool.releases.iter().position(|r| r.from == From::Index && Some(&r.version) == version.as_ref());
    let of_version: Vec<File> = match index.and_then(|i| pool.releases.get(i)) {
        Some(release) => release.choices.iter().filter_map(|c| pool.file(*c)).collect(),
        None => Vec::new(),
    };
    if let Some(first) = of_version.first()
        && (package.source.url().is_empty() || locked.source.is_none())
    {
        package.source = Source::Registry { url: first.index.to_string() };
    }
    package.first_published_at = pool.first_published;
    package.also_in =
        project.indexes.iter().map(ToString::to_string).filter(|url| !same_index(url, &package.source.url())).collect();
    let Some(release) = index.and_then(|i| pool.releases.get(i)) else {
        let unfit = version.as_ref().is_some_and(|v: &Version| pool.unfit.contains(v));
        if unfit {
            plan.unresolved.push(no_file(package, locked, "no file of the locked release fits this interpreter"));
        } else {
            plan.lock_issues.push(unknown_release(package, locked, "no such release"));
        }
        package.artifacts = locked.artifacts.iter().filter_map(locked_artifact).collect();
        return;
    };
    package.published_at = release.published;
    package.history = super::outcome::history(&pool, &release.version).map(Box::new);
    if release.yanked {
        package.withdrawn = of_version.iter().find_map(|f| f.yanked.clone());
    }
    check_files(plan, package, locked, &pool);
    check_digests(plan, package, locked, &of_version);
    let wanted: Vec<File> = of_version.into_iter().filter(|f| is_locked(f, locked)).collect();
    let wheels = wanted.iter().any(|f| f.filename.ends_with(".whl"));
    package.artifacts = wanted.iter().filter(|f| !wheels || f.filename.ends_with(".whl")).map(artifact).collect();
    if package.artifacts.is_empty() {
        plan.unresolved.push(no_file(package, locked, "no file of the index is one that the lockfile names"));
        package.artifacts = locked.artifacts.iter().filter_map(locked_artifact).collect();
    }
    if !wheels && !wanted.is_empty() {
        package.executes.push(Execution::PythonBuild);
    }
}

/// Whether two base URLs mean the same index: a slash at the end says nothing.
fn same_index(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// Whether the lockfile names this file: by name or by digest; one that names no file means all of the release.
fn is_locked(file: &File, locked: &LockedPackage) -> bool {
    locked.artifacts.is_empty()
        || locked.artifacts.iter().any(|a| {
            let same_digest = a.digests.iter().any(|d| file.digests.contains(d));
            if a.filename.is_empty() { same_digest } else { a.filename == file.filename || same_digest }
        })
}

/// Each locked file against the index's file of the same name.
fn check_files(plan: &mut Plan, package: &Package, locked: &LockedPackage, pool: &Pool) {
    let Some(project) = &pool.project else { return };
    let issue = |kind, expected: String, found: String| LockIssue {
        kind,
        package: Some(package.id.clone()),
        location: locked.location.clone(),
        expected,
        found,
    };
    for a in &locked.artifacts {
        let known = project.files.iter().find(|f| f.is_named(&a.filename)).map(|f| f.to_file());
        let Some(known) = known else {
            let url = a.url.as_deref().unwrap_or_default();
            let by_digest = project.files.iter().any(|f| f.has_one_of(&a.digests));
            if !a.filename.is_empty() && !by_digest {
                let found = if url.is_empty() { a.filename.clone() } else { redact_url(url) };
                plan.lock_issues.push(issue(LockIssueKind::ForeignUrl, "no file of this name".to_owned(), found));
            }
            continue;
        };
        let comparable = |d: &&crate::model::Digest| a.digests.iter().any(|l| l.algorithm() == d.algorithm());
        let compared: Vec<_> = known.digests.iter().filter(comparable).collect();
        let vouched = compared.iter().any(|d| a.digests.contains(d));
        if !compared.is_empty() && !vouched {
            let found = a.digests.first().map(ToString::to_string).unwrap_or_default();
            plan.lock_issues.push(issue(LockIssueKind::DigestMismatch, compared[0].to_string(), found));
        }
        // The same bytes may be served from elsewhere, by a mirror; without the digest the place is all there is.
        if let Some(url) = a.url.as_deref().filter(|url| !vouched && *url != known.url) {
            plan.lock_issues.push(issue(LockIssueKind::ForeignUrl, redact_url(&known.url), redact_url(url)));
        }
    }
}

/// Digests without file names (Pipfile.lock): at least one has to be of a file of the release.
fn check_digests(plan: &mut Plan, package: &Package, locked: &LockedPackage, files: &[File]) {
    let nameless = locked.artifacts.iter().filter(|a| a.filename.is_empty() && a.url.is_none());
    let digests: Vec<&crate::model::Digest> = nameless.flat_map(|a| &a.digests).collect();
    let known: Vec<&crate::model::Digest> = files.iter().flat_map(|f| &f.digests).collect();
    let comparable = known.iter().find(|k| digests.iter().any(|d| d.algorithm() == k.algorithm()));
    let (Some(expected), Some(found)) = (comparable, digests.first()) else { return };
    if !digests.iter().any(|d| known.contains(d)) {
        plan.lock_issues.push(LockIssue {
            kind: LockIssueKind::DigestMismatch,
            package: Some(package.id.clone()),
            location: locked.location.clone(),
            expected: expected.to_string(),
            found: found.to_string(),
        });
    }
}

fn unknown_release(package: &Package, locked: &LockedPackage, expected: &str) -> LockIssue {
    LockIssue {
        kind: LockIssueKind::UnknownRelease,
        package: Some(package.id.clone()),
        location: locked.location.clone(),
        expected: expected.to_owned(),
        found: package.id.version.to_string(),
    }
}

fn no_file(package: &Package, locked: &LockedPackage, reason: &str) -> Unresolved {
    Unresolved {
        requirement: package.origin.text.clone(),
        name: Some(locked.name.clone()),
        range: package.origin.range.clone(),
        location: Some(locked.location.clone()),
        cause: UnresolvedCause::NoMatchingVersion,
        reason: reason.to_owned(),
    }
}

fn locked_artifact(a: &LockedArtifact) -> Option<Artifact> {
    let url = a.url.as_deref().map(redact_url).or_else(|| a.path.clone()).unwrap_or_default();
    (!a.filename.is_empty()).then(|| Artifact {
        kind: if a.filename.ends_with(".whl") { ArtifactKind::Wheel } else { ArtifactKind::Sdist },
        filename: a.filename.clone(),
        url,
        digests: a.digests.clone(),
        size: a.size,
        published_at: a.uploaded_at,
    })
}
