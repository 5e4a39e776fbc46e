//! What a lockfile, or a requirements file of exact pins, says by itself: a plan without any registry.
//!
//! In go a path and the file's text; out comes everything the file could bring in on any machine, with nothing
//! selected by marker, platform or group. What the file does not tell (times, withdrawals) stays unknown.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ecosystem::cargo::lock as cargo_lock;
use crate::ecosystem::cargo::source::{SourceId, plan_source};
use crate::ecosystem::npm::lock::{self as npm_lock, LockedSource};
use crate::ecosystem::npm::manifest::DependencyKind;
use crate::ecosystem::python::lock::{self as python_lock, Selection};
use crate::ecosystem::python::requirements_txt::{Entry, RequirementsFile, Target};
use crate::ecosystem::python::wheel;
use crate::model::{
    Artifact, ArtifactKind, Diagnostic, Digest, DigestAlgorithm, Ecosystem, Execution, LineIndex, Location, LockIssue,
    LockIssueKind, LockState, Origin, Package, PackageId, PackageName, Pinning, Plan, SignalGap, Source, Unresolved,
    UnresolvedCause, redact_url,
};

/// The version of a release whose version no file tells: a git or URL source.
const UNKNOWN_VERSION: &str = "0";

/// What could not be read, as part of the plan: a plan made from less than the file holds is incomplete.
pub fn unread(diagnostics: &[Diagnostic]) -> Vec<Unresolved> {
    diagnostics
        .iter()
        .map(|d| Unresolved {
            requirement: d.location.to_string(),
            name: None,
            range: None,
            location: Some(d.location.clone()),
            cause: UnresolvedCause::Malformed,
            reason: d.message.clone(),
        })
        .collect()
}

/// A package of a lockfile with everything that only a registry knows left unknown.
fn package(id: PackageId, source: Source, location: Location, artifacts: Vec<Artifact>) -> Package {
    let hashed = artifacts.iter().any(|a| !a.digests.is_empty());
    let text = joined(&[id.name.written(), " ", &id.version]);
    let exact = source.is_registry() || matches!(&source, Source::Git { commit: Some(_), .. });
    Package {
        origin: Origin { range: source.is_registry().then(|| String::from(&*id.version)), text, location },
        id,
        source,
        direct: false,
        depth: 0,
        required_by: Vec::new(),
        pinning: match (exact, hashed) {
            (_, true) => Pinning::ExactHash,
            (true, false) => Pinning::Exact,
            (false, false) => Pinning::Floating,
        },
        lock: if hashed { LockState::LockedWithDigest } else { LockState::Locked },
        development: false,
        published_at: None,
        first_published_at: None,
        withdrawn: None,
        artifacts,
        executes: Vec::new(),
        also_in: Vec::new(),
        history: None,
    }
}

/// Texts in a row.
fn joined(parts: &[&str]) -> String {
    let mut out = String::with_capacity(parts.iter().map(|p| p.len()).sum());
    parts.iter().for_each(|part| out.push_str(part));
    out
}

/// What files alone do not tell.
fn gaps() -> Vec<SignalGap> {
    ["published-at", "withdrawn"]
        .map(|signal| SignalGap {
            signal,
            registry: "not asked".to_owned(),
            reason: "the file was judged by itself; `check` asks the registry".to_owned(),
        })
        .to_vec()
}

/// Steps from the roots to every node; nodes that no root reaches get 0.
fn depths<E: AsRef<[usize]>>(edges: &[E], roots: &[usize]) -> Vec<u32> {
    let mut depth: Vec<Option<u32>> = vec![None; edges.len()];
    let mut queue: VecDeque<usize> = VecDeque::new();
    for &root in roots {
        if depth[root].is_none() {
            depth[root] = Some(0);
            queue.push_back(root);
        }
    }
    while let Some(at) = queue.pop_front() {
        let next = depth[at].unwrap_or(0).saturating_add(1);
        for &to in edges[at].as_ref() {
            if depth[to].is_none() {
                depth[to] = Some(next);
                queue.push_back(to);
            }
        }
    }
    depth.into_iter().map(|d| d.unwrap_or(0)).collect()
}

/// Cargo.lock. The same release from two sources stays in the order of the file until [`Plan::merge`].
pub fn cargo(path: &Path, text: &str) -> Plan {
    let (lock, diagnostics) = cargo_lock::Lockfile::read(path, text);
    let mut plan = Plan { unresolved: unread(&diagnostics), signal_gaps: gaps(), ..Plan::default() };
    let ids: Vec<PackageId> = lock
        .packages
        .iter()
        .map(|p| PackageId {
            name: PackageName::shared(Ecosystem::CratesIo, Arc::clone(&p.name)),
            version: Arc::clone(&p.version),
        })
        .collect();
    let edges: Vec<&[usize]> = lock.packages.iter().map(|p| p.dependencies.as_slice()).collect();
    let roots: Vec<usize> = (0..lock.packages.len()).filter(|i| lock.packages[*i].source.is_none()).collect();
    let depth = depths(&edges, &roots);
    let mut dependants = vec![0; ids.len()];
    for &to in edges.iter().copied().flatten() {
        dependants[to] += 1;
    }
    // Places are put into order, not packages: those are large. The file is nearly in order already.
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by(|a, b| ids[*a].cmp(&ids[*b]));
    let mut required_by: Vec<Vec<PackageId>> = dependants.into_iter().map(Vec::with_capacity).collect();
    for &from in &order {
        for &to in edges[from] {
            required_by[to].push(ids[from].clone());
        }
    }
    plan.packages.reserve(ids.len());
    let place = Location::file(path).place;
    let mut last: Option<(Arc<str>, Option<Source>)> = None;
    for at in order {
        let (locked, id) = (&lock.packages[at], &ids[at]);
        let Some(source_text) = &locked.source else { continue };
        let location = Location { place: place.clone(), line: locked.line, column: locked.column };
        // The texts are shared by all packages of one source, and most lockfiles have one.
        if last.as_ref().is_none_or(|(text, _)| !Arc::ptr_eq(text, source_text)) {
            last = Some((Arc::clone(source_text), SourceId::parse(source_text).map(|id| plan_source(&id))));
        }
        let source = match last.as_ref().and_then(|(_, source)| source.clone()) {
            Some(source) => source,
            None => {
                plan.unresolved.push(Unresolved {
                    requirement: format!("{} {}", locked.name, locked.version),
                    name: Some(id.name.clone()),
                    range: None,
                    location: Some(location),
                    cause: UnresolvedCause::Unsupported,
                    reason: format!("`{source_text}` is no source that Cargo knows"),
                });
                continue;
            }
        };
        let digests: Vec<Digest> =
            locked.checksum.iter().filter_map(|hex| Digest::from_hex(DigestAlgorithm::Sha256, hex).ok()).collect();
        let artifacts = if source.is_registry() {
            let filename = joined(&[&locked.name, "-", &locked.version, ".crate"]);
            vec![Artifact {
                kind: ArtifactKind::Crate,
                filename,
                url: source.url(),
                digests,
                size: None,
                published_at: None,
            }]
        } else {
            Vec::new()
        };
        let mut p = package(id.clone(), source, location, artifacts);
        p.depth = depth[at].saturating_sub(1);
        p.direct = depth[at] == 1;
        p.required_by = std::mem::take(&mut required_by[at]);
        plan.packages.push(p);
    }
    plan
}

/// package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock, bun.lock: whichever was read.
pub fn npm(lock: &npm_lock::Lockfile, diagnostics: &[Diagnostic]) -> Plan {
    let mut plan = Plan { unresolved: unread(diagnostics), signal_gaps: gaps(), ..Plan::default() };
    let lines = LineIndex::new(&lock.text);
    let mut edges: Vec<Vec<usize>> = lock
        .packages
        .iter()
        .enumerate()
        .map(|(at, p)| p.dependencies.iter().filter_map(|d| lock.package_dependency(at, d)).collect())
        .collect();
    // One more node stands for the project and its members.
    let root = edges.len();
    edges.push(
        lock.importers
            .iter()
            .flat_map(|i| i.dependencies.iter().filter_map(|d| lock.importer_dependency(&i.path, d)))
            .collect(),
    );
    let depth = depths(&edges, &[root]);
    let ids: Vec<PackageId> = lock
        .packages
        .iter()
        .map(|p| {
            PackageId::new(PackageName::new(Ecosystem::Npm, &p.name), p.version.as_deref().unwrap_or(UNKNOWN_VERSION))
        })
        .collect();
    let mut required_by: Vec<Vec<PackageId>> = vec![Vec::new(); ids.len()];
    for (from, to) in edges.iter().enumerate().take(root) {
        for &to in to {
            required_by[to].push(ids[from].clone());
        }
    }
    for (at, locked) in lock.packages.iter().enumerate() {
        let location = lines.location(&lock.path, locked.offset);
        let source = match &locked.source {
            LockedSource::Directory { .. } => continue,
            LockedSource::Registry { .. } => Source::Registry { url: String::new() },
            LockedSource::Git { url, commit } => {
                Source::Git { url: redact_url(url), reference: commit.clone(), commit: commit.clone() }
            }
            LockedSource::Remote { url } => Source::Url { url: redact_url(url) },
            LockedSource::File { path } => Source::Path { path: PathBuf::from(path) },
        };
        let base = locked.name.rsplit('/').next().unwrap_or(&locked.name);
        let url = match &locked.source {
            LockedSource::Registry { tarball } => tarball.as_deref().map(redact_url).unwrap_or_default(),
            _ => source.url(),
        };
        if let Some(expected) = super::npm::verify::other_name(&url, &ids[at]) {
            plan.lock_issues.push(LockIssue {
                kind: LockIssueKind::NameMismatch,
                package: Some(ids[at].clone()),
                location: location.clone(),
                expected,
                found: url.clone(),
            });
        }
        let filename = format!("{base}-{}.tgz", ids[at].version);
        let artifact = Artifact {
            kind: ArtifactKind::Tgz,
            filename,
            url,
            digests: locked.digests.clone(),
            size: None,
            published_at: None,
        };
        let mut p = package(ids[at].clone(), source, location, vec![artifact]);
        if locked.bundled {
            // Its bytes are its parent's: there is nothing of its own to fetch or to hash.
            p.artifacts.clear();
            p.lock = LockState::LockedWithDigest;
        }
        p.depth = depth[at].saturating_sub(1);
        p.direct = depth[at] == 1;
        p.required_by = std::mem::take(&mut required_by[at]);
        p.development = locked.dev;
        p.withdrawn.clone_from(&locked.deprecated);
        if locked.has_install_script {
            p.executes.push(Execution::InstallScript);
        }
        plan.packages.push(p);
    }
    plan.unresolved.extend(missing(lock, &lines));
    plan.normalise();
    plan.join_neighbours();
    plan
}

/// What the project asks for and the lockfile has no entry for: a file that was cut off, or edited by hand.
fn missing<'l>(lock: &'l npm_lock::Lockfile, lines: &'l LineIndex<'l>) -> impl Iterator<Item = Unresolved> + 'l {
    let of = |i: &'l npm_lock::Importer| i.dependencies.iter().map(move |d| (i, d));
    let demanded = lock.importers.iter().flat_map(of).filter(|(_, d)| {
        let local = ["workspace:", "link:", "file:", "portal:"].iter().any(|scheme| d.spec.starts_with(scheme));
        matches!(d.kind, DependencyKind::Production | DependencyKind::Development) && !local
    });
    demanded.filter(|(i, d)| lock.importer_dependency(&i.path, d).is_none()).map(|(_, d)| Unresolved {
        requirement: format!("{}@{}", d.name, d.spec),
        name: Some(PackageName::new(Ecosystem::Npm, &d.name)),
        range: Some(d.spec.clone()),
        location: Some(lines.location(&lock.path, d.offset)),
        cause: UnresolvedCause::Malformed,
        reason: "the lockfile asks for it and has no entry for it".to_owned(),
    })
}

/// uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pylock.toml.
pub fn python(lock: &python_lock::Lockfile, diagnostics: &[Diagnostic]) -> Plan {
    let mut plan = Plan { unresolved: unread(diagnostics), signal_gaps: gaps(), ..Plan::default() };
    let selected = lock.select(&Selection { everything: true, ..Selection::default() }, None);
    for s in &selected {
        let locked = &lock.packages[s.package];
        let source = locked.source.clone().unwrap_or_else(|| Source::Registry { url: String::new() });
        let version = locked.version.as_deref().unwrap_or(UNKNOWN_VERSION);
        let artifacts: Vec<Artifact> = locked
            .artifacts
            .iter()
            .map(|a| Artifact {
                kind: artifact_kind(&a.filename),
                filename: a.filename.clone(),
                url: a.url.clone().or_else(|| a.path.clone()).unwrap_or_default(),
                digests: a.digests.clone(),
                size: a.size,
                published_at: a.uploaded_at,
            })
            .collect();
        let published_at = artifacts.iter().filter_map(|a| a.published_at).min();
        let sdist_only = !artifacts.is_empty() && artifacts.iter().all(|a| a.kind == ArtifactKind::Sdist);
        let mut p = package(PackageId::new(locked.name.clone(), version), source, locked.location.clone(), artifacts);
        p.published_at = published_at;
        p.depth = s.depth;
        p.direct = s.depth == 0;
        p.development = s.development;
        p.required_by = s
            .required_by
            .iter()
            .map(|i| &lock.packages[*i])
            .map(|r| PackageId::new(r.name.clone(), r.version.as_deref().unwrap_or(UNKNOWN_VERSION)))
            .collect();
        if sdist_only {
            p.executes.push(Execution::PythonBuild);
        }
        plan.packages.push(p);
    }
    plan.normalise();
    plan.join_neighbours();
    plan
}

fn artifact_kind(filename: &str) -> ArtifactKind {
    if filename.ends_with(".whl") {
        ArtifactKind::Wheel
    } else if wheel::sdist_stem(filename).is_some() {
        ArtifactKind::Sdist
    } else {
        ArtifactKind::Archive
    }
}

/// A requirements file in which every requirement names one exact version, or bytes outside any index: the plan that
/// its text alone gives. `None` when it needs an index to say what it means.
pub fn pins(file: &RequirementsFile, diagnostics: &[Diagnostic]) -> Option<Plan> {
    if !file.includes.is_empty() {
        return None;
    }
    let mut plan = Plan { unresolved: unread(diagnostics), signal_gaps: gaps(), ..Plan::default() };
    for entry in file.entries.iter().filter(|e| !e.constraint) {
        plan.packages.push(pin(entry)?);
    }
    plan.normalise();
    plan.join_neighbours();
    Some(plan)
}

fn pin(entry: &Entry) -> Option<Package> {
    let mut p = match &entry.target {
        Target::Named(requirement) => {
            let version = requirement.specifiers.exact()?.to_string();
            let artifacts = if entry.hashes.is_empty() {
                Vec::new()
            } else {
                // The file that will be chosen has one of these digests; which one, only the index knows.
                vec![Artifact {
                    kind: ArtifactKind::Archive,
                    filename: String::new(),
                    url: String::new(),
                    digests: entry.hashes.clone(),
                    size: None,
                    published_at: None,
                }]
            };
            let id = PackageId::new(requirement.name.clone(), &version);
            let mut p = package(id, Source::Registry { url: String::new() }, entry.location.clone(), artifacts);
            p.origin.range = Some(requirement.specifiers.to_string());
            p
        }
        Target::Direct(direct) => {
            let name = direct.name.clone().unwrap_or_else(|| PackageName::new(Ecosystem::PyPI, &entry.text));
            let id = PackageId::new(name, direct.version.as_deref().unwrap_or(UNKNOWN_VERSION));
            let mut p = package(id, direct.source.clone(), entry.location.clone(), Vec::new());
            p.origin.range = None;
            p
        }
    };
    p.origin.text.clone_from(&entry.text);
    p.direct = true;
    p.lock = LockState::Unlocked;
    Some(p)
}
