//! Cargo.lock as the plan: whether it satisfies the manifests, whether the registry vouches for it, and what of it is
//! kept when it is resolved further.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use rustc_hash::FxHashSet;
use semver::Version;

use super::graph::{From, Graph, Link, Locked, Node, executes};
use super::malformed;
use super::project::drift;
use super::solve::Solution;
use super::universe::{Package, PackageIx, PackageOrigin, SourceEntry, Universe};
use crate::ecosystem::cargo::lock::{LockedPackage, Lockfile};
use crate::ecosystem::cargo::manifest::{Dependency, DependencySource, Manifest, Section};
use crate::ecosystem::cargo::source::{SourceId, SourceKind};
use crate::ecosystem::cargo::version::Requirement;
use crate::ecosystem::cargo::workspace::Workspace;
use crate::model::{
    Ecosystem, Files, Location, LockIssue, LockIssueKind, Origin, PackageId, PackageName, Place, Plan, SignalGap,
};
use crate::registry::{CrateIndex, FetchError};
use crate::resolve::{Freshness, Request};

/// A lockfile's packages among those that can be chosen. Indexes are the lockfile's.
#[derive(Default)]
pub(super) struct Adopted {
    /// Packages known to the registry, and git packages.
    pub(super) nodes: BTreeMap<usize, PackageIx>,
    /// What the lockfile says of each.
    pub(super) entries: BTreeMap<usize, Locked>,
    /// Packages whose registry gave no answer.
    pub(super) unreachable: Vec<(usize, FetchError)>,
    /// Packages that their registry does not have.
    pub(super) missing: Vec<usize>,
    /// Names with `replace`.
    pub(super) replaced: BTreeSet<String>,
}

fn id_of(package: &LockedPackage) -> PackageId {
    PackageId::new(PackageName::new(Ecosystem::CratesIo, &package.name), &package.version)
}

/// Where manifests and lockfile disagree, as far as the files alone tell. Names in `added` are new on purpose.
pub(super) fn structural(
    path: &Path,
    lock: &Lockfile,
    workspace: &Workspace,
    added: &BTreeSet<String>,
) -> Vec<LockIssue> {
    let mut issues = Vec::new();
    let patched: BTreeSet<&str> = workspace
        .root_manifest()
        .map(|m| m.patches.iter().map(|p| p.dependency.package_name()).collect())
        .unwrap_or_default();
    for manifest in workspace.member_manifests() {
        let Some(package) = &manifest.package else { continue };
        let entry = lock.named(&package.name).find(|(_, p)| p.source.is_none() && *p.version == *package.version);
        let Some((_, entry)) = entry else {
            let found: Vec<String> = lock
                .named(&package.name)
                .filter(|(_, p)| p.source.is_none())
                .map(|(_, p)| format!("{} {}", p.name, p.version))
                .collect();
            let found = if found.is_empty() { "no entry".to_owned() } else { found.join(", ") };
            issues.push(drift(package.location.clone(), format!("{} {}", package.name, package.version), found));
            continue;
        };
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for dependency in &manifest.dependencies {
            if matches!(dependency.location.place, Place::Argv) && added.contains(dependency.package_name()) {
                continue;
            }
            let Some(requirement) = Requirement::parse(dependency.requirement()) else { continue };
            let named = |at: &&usize| lock.packages.get(**at).is_some_and(|p| *p.name == *dependency.package_name());
            let here: Vec<usize> = entry.dependencies.iter().filter(named).copied().collect();
            let fits = |p: &LockedPackage| {
                let git = matches!(dependency.source, DependencySource::Git { .. });
                semver::Version::parse(&p.version)
                    .is_ok_and(|v| requirement.matches(&v) || git && dependency.version.is_none())
            };
            let right = |at: &&usize| {
                lock.packages.get(**at).is_some_and(|p| {
                    fits(p) && (patched.contains(dependency.package_name()) || same_source(dependency, p))
                })
            };
            if let Some(at) = here.iter().find(right) {
                used.insert(*at);
                continue;
            }
            let foreign = here.iter().filter_map(|at| lock.packages.get(*at)).find(|p| fits(p));
            used.extend(here.iter().copied());
            if let Some(package) = foreign
                && package.source.is_some()
                && !matches!(dependency.source, DependencySource::Path { .. })
            {
                issues.push(LockIssue {
                    kind: LockIssueKind::ForeignUrl,
                    package: Some(id_of(package)),
                    location: package.location(path),
                    expected: dependency.text.clone(),
                    found: crate::model::redact_url(package.source.as_deref().unwrap_or_default()),
                });
                continue;
            }
            let found: Vec<String> = here
                .iter()
                .filter_map(|at| lock.packages.get(*at))
                .map(|p| format!("{} {}", p.name, p.version))
                .collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            issues.push(drift(dependency.location.clone(), dependency.text.clone(), found));
        }
        for stale in entry.dependencies.iter().filter(|at| !used.contains(at)).filter_map(|at| lock.packages.get(*at)) {
            if !added.contains(&*stale.name) {
                let expected = format!("no dependency of {} on it", package.name);
                issues.push(drift(stale.location(path), expected, format!("{} {}", stale.name, stale.version)));
            }
        }
    }
    issues
}

/// Whether a locked package comes from where a manifest's dependency says.
fn same_source(dependency: &Dependency, package: &LockedPackage) -> bool {
    let id = package.source_id();
    match (&dependency.source, id) {
        (DependencySource::Path { .. }, None) => package.source.is_none(),
        (DependencySource::Git { url, reference }, Some(id)) => {
            let wanted = SourceId { kind: SourceKind::Git(reference.clone()), url: url.clone(), precise: None };
            wanted.same_place(&id)
        }
        (DependencySource::Registry { name, index }, Some(id)) => match (name.as_deref(), index) {
            (None | Some("crates-io"), None) => id.is_crates_io(),
            (None, Some(index)) => {
                let text = if index.starts_with("sparse+") { index.clone() } else { format!("registry+{index}") };
                SourceId::parse(&text).is_some_and(|wanted| wanted.same_place(&id))
            }
            // The configuration knows which index the name stands for; the resolution compares.
            (Some(_), _) => id.is_registry(),
        },
        _ => false,
    }
}

/// Finds the lockfile's packages in their registries, and says which of them are to be kept.
pub(super) fn adopt(
    universe: &mut Universe<'_>,
    path: &Path,
    lock: &Lockfile,
    workspace: &Workspace,
    drift: &[LockIssue],
    unlocked: &BTreeSet<usize>,
) -> Adopted {
    let mut adopted = find(universe, path, lock);
    // A manifest that asks for something new loosens the whole registry, as in Cargo: versions are preferred, not fixed.
    let mut avoid = unlocked.clone();
    let mut pending: Vec<usize> = unlocked.iter().copied().collect();
    while let Some(at) = pending.pop() {
        let next = lock.packages.get(at).map(|p| p.dependencies.clone()).unwrap_or_default();
        pending.extend(next.into_iter().filter(|d| avoid.insert(*d)));
    }
    let loose = drift.iter().any(|i| matches!(i.kind, LockIssueKind::Drift | LockIssueKind::ForeignUrl));
    for (at, package) in &adopted.nodes {
        let Some(key) = universe.key(*package) else { continue };
        if !unlocked.contains(at) {
            universe.preferences.keep.insert(key.clone());
        }
        let registry = matches!(universe.sources.get(key.2), Some(SourceEntry::Registry { .. }));
        if !(avoid.contains(at) || loose && registry) {
            universe.preferences.lockable.entry((key.0, key.2)).or_default().push(*package);
        }
    }
    let edges_of = |p: &LockedPackage| -> Vec<PackageIx> {
        p.dependencies.iter().filter_map(|d| adopted.nodes.get(d).copied()).collect()
    };
    for (at, package) in &adopted.nodes {
        if let (Some(key), Some(entry)) = (universe.key(*package), lock.packages.get(*at)) {
            universe.preferences.edges.insert(key, edges_of(entry));
        }
    }
    for (path, manifest) in &workspace.manifests {
        let Some(table) = &manifest.package else { continue };
        let entry = lock.named(&table.name).find(|(_, p)| p.source.is_none() && *p.version == *table.version);
        if let (Some((_, entry)), Ok(version)) = (entry, Version::parse(&table.version)) {
            let source = universe.source(SourceEntry::Local(path.clone()));
            let name = universe.intern(&table.name);
            universe.preferences.edges.insert((name, version, source), edges_of(entry));
        }
    }
    adopted.replaced = lock.packages.iter().filter(|p| p.replace.is_some()).map(|p| p.name.to_string()).collect();
    adopted
}

/// The lockfile's packages in their registries.
fn find(universe: &mut Universe<'_>, path: &Path, lock: &Lockfile) -> Adopted {
    let mut adopted = Adopted::default();
    let mut sources: BTreeMap<String, Result<usize, FetchError>> = BTreeMap::new();
    let mut wanted: Vec<(usize, Rc<str>, usize)> = Vec::new();
    let mut git: Vec<usize> = Vec::new();
    for (at, package) in lock.packages.iter().enumerate() {
        let locked = Locked { checksum: package.checksum.clone(), location: package.location(path) };
        adopted.entries.insert(at, locked);
        let Some(id) = package.source_id() else { continue };
        let name = universe.intern(&package.name);
        if let SourceKind::Git(_) = id.kind {
            let Ok(version) = Version::parse(&package.version) else { continue };
            let known = universe.sources.iter().position(|s| matches!(s, SourceEntry::Git(have) if *have == id));
            let source = known.unwrap_or_else(|| universe.source(SourceEntry::Git(id)));
            let origin = PackageOrigin::Opaque { dependencies: Vec::new() };
            let added = universe.add(Package::new(name, version, source, None, None, origin));
            universe.provide(added);
            adopted.nodes.insert(at, added);
            git.push(at);
            continue;
        }
        let text = id.to_string();
        let source = sources.entry(text.clone()).or_insert_with(|| {
            let asked = text.strip_prefix("registry+").unwrap_or(&text);
            universe.registry(Some(asked))
        });
        match source {
            Ok(source) => wanted.push((at, name, *source)),
            Err(error) => adopted.unreachable.push((at, error.clone())),
        }
    }
    universe.prefetch(wanted.iter().map(|(_, name, source)| (Rc::clone(name), *source)).collect::<Vec<_>>());
    for (at, name, source) in wanted {
        let Some(package) = lock.packages.get(at) else { continue };
        match universe.load(&name, source) {
            Ok(known) => {
                let version = Version::parse(&package.version).ok();
                match known.iter().find(|p| universe.version(**p) == version.as_ref()) {
                    Some(found) => {
                        adopted.nodes.insert(at, *found);
                    }
                    None => adopted.missing.push(at),
                }
            }
            Err(FetchError::NotFound { .. }) => adopted.missing.push(at),
            Err(error) => adopted.unreachable.push((at, error)),
        }
    }
    for at in git {
        let Some(entry) = lock.packages.get(at) else { continue };
        let edges: Vec<PackageIx> = entry.dependencies.iter().filter_map(|d| adopted.nodes.get(d).copied()).collect();
        if let Some(package) = adopted.nodes.get(&at).and_then(|p| universe.packages.get_mut(*p)) {
            package.origin = PackageOrigin::Opaque { dependencies: edges };
        }
    }
    adopted
}

/// Where lockfile and registry disagree about releases and their bytes.
pub(super) fn digests(universe: &Universe<'_>, path: &Path, lock: &Lockfile, adopted: &Adopted) -> Vec<LockIssue> {
    let mut issues = Vec::new();
    for (at, package) in lock.packages.iter().enumerate() {
        let issue = |kind, expected: String, found: String| LockIssue {
            kind,
            package: Some(id_of(package)),
            location: package.location(path),
            expected,
            found,
        };
        if adopted.missing.contains(&at) {
            let found = format!("{} {}", package.name, package.version);
            issues.push(issue(LockIssueKind::UnknownRelease, "no such release in its registry".to_owned(), found));
            continue;
        }
        let line = adopted.nodes.get(&at).and_then(|p| universe.line(*p));
        if let (Some(line), Some(checksum)) = (line, &package.checksum)
            && !line.checksum().is_empty()
            && !line.checksum().eq_ignore_ascii_case(checksum)
        {
            let text = |hex: &str| format!("sha256:{hex}");
            issues.push(issue(LockIssueKind::DigestMismatch, text(line.checksum()), text(checksum)));
        }
    }
    issues
}

/// Where a resolution that kept to the lockfile differs from it.
pub(super) fn compare(
    universe: &Universe<'_>,
    solution: &Solution,
    path: &Path,
    lock: &Lockfile,
    adopted: &Adopted,
) -> Vec<LockIssue> {
    let kept: FxHashSet<PackageIx> = adopted.nodes.values().copied().collect();
    let removed: Vec<usize> =
        adopted.nodes.iter().filter(|(_, p)| !solution.packages.contains(p)).map(|(at, _)| *at).collect();
    let mut explained: BTreeSet<usize> = BTreeSet::new();
    let mut issues = Vec::new();
    for &package in solution.packages.iter().filter(|p| !kept.contains(p)) {
        let Some(p) = universe.packages.get(package) else { continue };
        let Some(source) = universe.sources.get(p.source).filter(|s| !matches!(s, SourceEntry::Local(_))) else {
            continue;
        };
        let expected = format!("{} {} from {}", p.name, p.version, source_text(source));
        let stands: Vec<usize> = removed
            .iter()
            .copied()
            .chain(adopted.missing.iter().copied())
            .filter(|at| lock.packages.get(*at).is_some_and(|l| *l.name == *p.name))
            .collect();
        explained.extend(stands.iter().copied());
        let same_version =
            stands.iter().find(|at| lock.packages.get(**at).is_some_and(|l| *l.version == *p.version.to_string()));
        match same_version.or(stands.first()).and_then(|at| lock.packages.get(*at)) {
            Some(entry) => {
                let chosen = match source {
                    SourceEntry::Registry { id, .. } | SourceEntry::Git(id) => Some(id),
                    SourceEntry::Local(_) => None,
                };
                let foreign = entry.source_id().zip(chosen).is_some_and(|(have, wanted)| !have.same_place(wanted));
                issues.push(LockIssue {
                    kind: if foreign { LockIssueKind::ForeignUrl } else { LockIssueKind::Drift },
                    package: Some(id_of(entry)),
                    location: entry.location(path),
                    expected,
                    found: format!(
                        "{} {} from {}",
                        entry.name,
                        entry.version,
                        crate::model::redact_url(entry.source.as_deref().unwrap_or("this machine"))
                    ),
                });
            }
            None => issues.push(drift(Location::file(path), expected, "nothing".to_owned())),
        }
    }
    for entry in removed.iter().filter(|at| !explained.contains(at)).filter_map(|at| lock.packages.get(*at)) {
        let found = format!("{} {}", entry.name, entry.version);
        issues.push(drift(entry.location(path), "nothing that requires it".to_owned(), found));
    }
    issues
}

fn source_text(source: &SourceEntry) -> String {
    match source {
        SourceEntry::Registry { id, .. } | SourceEntry::Git(id) => crate::model::redact_url(&id.to_string()),
        SourceEntry::Local(path) => path.display().to_string(),
    }
}

/// The plan of a lockfile as it stands, with what the registries said of its packages.
pub(super) fn as_it_stands(
    request: Request<'_>,
    index: &dyn CrateIndex,
    path: &Path,
    lock: &Lockfile,
    workspace: Option<&Workspace>,
    adopted: &Adopted,
) -> Plan {
    let mut universe = Universe::new(index, request.freshness);
    let found = find(&mut universe, path, lock);
    let mut plan = stand(index, Some(request.files), path, lock, workspace, &universe, &found);
    plan.lock_issues.extend(digests(&universe, path, lock, &found));
    gaps(&mut plan, &adopted.unreachable);
    plan
}

/// Missing answers are signals that are missing, not signs of health.
fn gaps(plan: &mut Plan, unreachable: &[(usize, FetchError)]) {
    for (_, error) in unreachable {
        let registry = match error {
            FetchError::NotFound { registry }
            | FetchError::Unreachable { registry, .. }
            | FetchError::Unauthorized { registry, .. }
            | FetchError::Malformed { registry, .. }
            | FetchError::TooLarge { registry, .. }
            | FetchError::Offline { registry }
            | FetchError::PrivateName { registry }
            | FetchError::Unsupported { registry, .. } => registry.clone(),
            FetchError::Configuration { .. } | FetchError::NeedsExecution { .. } => String::new(),
        };
        for signal in ["published-at", "first-published-at", "digest"] {
            let reason = format!("the lockfile was not compared with the registry: {error}");
            plan.signal_gaps.push(SignalGap { signal, registry: registry.clone(), reason });
        }
    }
}

fn stand(
    index: &dyn CrateIndex,
    files: Option<&dyn Files>,
    path: &Path,
    lock: &Lockfile,
    workspace: Option<&Workspace>,
    universe: &Universe<'_>,
    adopted: &Adopted,
) -> Plan {
    let mut graph = Graph::default();
    let manifest_of = |p: &LockedPackage| -> Option<&Manifest> {
        workspace?
            .manifests
            .values()
            .find(|m| m.package.as_ref().is_some_and(|t| *t.name == *p.name && *t.version == *p.version))
    };
    for (at, package) in lock.packages.iter().enumerate() {
        let line = adopted.nodes.get(&at).and_then(|p| match &universe.packages.get(*p)?.origin {
            PackageOrigin::Index { krate, at } => Some((std::sync::Arc::clone(krate), *at)),
            _ => None,
        });
        let mut runs = Vec::new();
        let from = match package.source_id() {
            Some(id) if matches!(id.kind, SourceKind::Git(_)) => From::Git(id),
            Some(id) => {
                let text = id.to_string();
                let asked = text.strip_prefix("registry+").unwrap_or(&text).to_owned();
                From::Registry { registry: (!id.is_crates_io()).then_some(asked), id }
            }
            None => match manifest_of(package) {
                Some(manifest) if workspace.is_some_and(|w| w.is_member(&manifest.path)) => {
                    From::Member(manifest.path.clone())
                }
                Some(manifest) => {
                    runs = executes(manifest, files);
                    From::Path(manifest.path.clone())
                }
                None => From::Member(path.with_file_name("Cargo.toml")),
            },
        };
        graph.nodes.push(Node {
            name: package.name.to_string(),
            version: package.version.to_string(),
            from,
            line,
            locked: package.source.is_some().then(|| adopted.entries.get(&at).cloned()).flatten(),
            executes: runs,
        });
    }
    for (from, package) in lock.packages.iter().enumerate() {
        let manifest = if package.source.is_none() { manifest_of(package) } else { None };
        for &to in &package.dependencies {
            let Some(target) = lock.packages.get(to) else { continue };
            let declared: Vec<&Dependency> = manifest
                .map(|m| m.dependencies.iter().filter(|d| *d.package_name() == *target.name).collect())
                .unwrap_or_default();
            let first = declared.iter().find(|d| d.section != Section::Dev).or(declared.first());
            let origin = first.map(|d| {
                let registry = matches!(d.source, DependencySource::Registry { .. });
                Rc::new(Origin {
                    text: d.text.clone(),
                    range: registry.then(|| d.version.clone().unwrap_or_default()),
                    location: d.location.clone(),
                })
            });
            graph.edges.push(Link {
                from,
                to,
                development: first.is_some_and(|d| d.section == Section::Dev),
                origin,
                text: format!("{} = \"={}\"", target.name, target.version),
                range: target
                    .source
                    .as_deref()
                    .is_some_and(|s| !s.starts_with("git+"))
                    .then(|| format!("={}", target.version)),
            });
        }
    }
    // A lockfile without a package of its own, cut out of its project: everything nobody requires is asked for.
    let mut roots = BTreeMap::new();
    if lock.packages.iter().all(|p| p.source.is_some()) {
        let required: BTreeSet<usize> = lock.packages.iter().flat_map(|p| p.dependencies.iter().copied()).collect();
        for (at, package) in lock.packages.iter().enumerate().filter(|(at, _)| !required.contains(at)) {
            let origin = Origin {
                text: format!("{} = \"={}\"", package.name, package.version),
                range: Some(format!("={}", package.version)),
                location: package.location(path),
            };
            roots.insert(at, origin);
        }
    }
    graph.plan(index, &roots)
}

/// The plan of a lockfile alone, for an audit: its packages as they stand, compared with their registries.
pub fn lockfile(path: &Path, text: &str, index: &dyn CrateIndex, freshness: &Freshness<'_>) -> Plan {
    let (lock, diagnostics) = Lockfile::read(path, text);
    let mut universe = Universe::new(index, freshness);
    let adopted = find(&mut universe, path, &lock);
    let mut plan = stand(index, None, path, &lock, None, &universe, &adopted);
    plan.unresolved.extend(diagnostics.into_iter().map(malformed));
    plan.lock_issues.extend(digests(&universe, path, &lock, &adopted));
    gaps(&mut plan, &adopted.unreachable);
    plan.normalise();
    plan
}
