//! Commands on a workspace: `build`, `fetch`, `update`, `generate-lockfile`, `add`, `vendor`, and whatever resolves it.
//!
//! In: the manifests, the lockfile, the registries. Out: the plan of the whole workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use semver::Version;

use super::change::{Change, add, changes, precise};
use super::features::Asked;
use super::graph::{From, Graph, Link, Locked, Node, executes};
use super::locked::{Adopted, adopt, compare, digests, structural};
use super::outcome::{held_back, opaque, problems, unsolved};
use super::solve::{Failure, Solution, solve};
use super::universe::{Dependency, Package, PackageIx, PackageOrigin, SourceEntry, Universe, Young};
use super::{given, listed, malformed, manifest_path};
use crate::ecosystem::cargo::config::Config;
use crate::ecosystem::cargo::lock::Lockfile;
use crate::ecosystem::cargo::source::SourceId;
use crate::ecosystem::cargo::version::{PartialVersion, Requirement};
use crate::ecosystem::cargo::workspace::{Resolver, Workspace};
use crate::invocation::Effect;
use crate::model::{
    Ecosystem, Location, LockIssue, LockIssueKind, Origin, PackageName, Plan, Unresolved, UnresolvedCause,
};
use crate::registry::{CrateIndex, FetchError};
use crate::resolve::Request;

/// Rounds of looking ahead; the search itself fetches what they miss.
const PREFETCH_ROUNDS: usize = 40;

/// The plan of a command on the workspace around the working directory.
pub(super) fn project(request: Request<'_>, index: &dyn CrateIndex) -> Plan {
    let Some(manifest) = manifest_path(request) else {
        return incomplete(Unresolved {
            requirement: "Cargo.toml".to_owned(),
            name: None,
            range: None,
            location: Some(Location::file(&request.environment.cwd)),
            cause: UnresolvedCause::Unsupported,
            reason: "there is no Cargo.toml in this directory or above it".to_owned(),
        });
    };
    let (mut workspace, diagnostics) = Workspace::find(&manifest, request.files);
    let mut plan = Plan::default();
    plan.unresolved.extend(diagnostics.into_iter().map(malformed));
    let patches = configuration(request).patches;
    let root = workspace.root.clone();
    if let Some(root) = workspace.manifests.get_mut(&root) {
        root.patches.extend(patches);
    }
    let added = match request.invocation.effect {
        Effect::ProjectAdd => add(request, index, &mut workspace, &mut plan),
        _ => BTreeSet::new(),
    };
    let lockfile = read_lock(request, &workspace, &mut plan);
    let resolved = resolve(request, index, &workspace, lockfile.as_ref(), &added, true);
    plan.merge(resolved);
    plan
}

fn incomplete(unresolved: Unresolved) -> Plan {
    Plan { unresolved: vec![unresolved], ..Plan::default() }
}

/// The lockfile and its path, unless the command starts afresh.
fn read_lock(request: Request<'_>, workspace: &Workspace, plan: &mut Plan) -> Option<(PathBuf, Lockfile)> {
    let path = match request.invocation.flag("--lockfile-path").and_then(|f| f.value.as_deref()) {
        Some(path) => request.environment.absolute(Path::new(path)),
        None => workspace.lockfile(),
    };
    if request.invocation.verb == "generate-lockfile" || !request.files.is_file(&path) {
        return None;
    }
    match request.files.read_text(&path) {
        Ok(text) => {
            let (lock, diagnostics) = Lockfile::read(&path, &text);
            plan.unresolved.extend(diagnostics.into_iter().map(malformed));
            Some((path, lock))
        }
        Err(error) => {
            plan.unresolved.push(Unresolved {
                requirement: path.display().to_string(),
                name: None,
                range: None,
                location: Some(Location::file(path)),
                cause: UnresolvedCause::Malformed,
                reason: error.to_string(),
            });
            None
        }
    }
}

/// Resolves a workspace.
pub(super) fn resolve(
    request: Request<'_>,
    index: &dyn CrateIndex,
    workspace: &Workspace,
    lockfile: Option<&(PathBuf, Lockfile)>,
    added: &BTreeSet<String>,
    everything: bool,
) -> Plan {
    let mut plan = Plan::default();
    let change = changes(request, lockfile, &mut plan);
    let lockfile = if matches!(change, Change::Everything) { None } else { lockfile };
    let mut universe = Universe::new(index, request.freshness);
    universe.preferences.rust_versions = rust_versions(request, workspace);
    let mut adopted = Adopted::default();
    universe.preferences.precise = precise(request, lockfile, &change, &mut plan);
    if let Some((path, lock)) = lockfile {
        // `cargo add` changes the manifest first: what it adds is no drift.
        let drift = structural(path, lock, workspace, added);
        let unlocked = match &change {
            Change::These(these) => these.clone(),
            _ => BTreeSet::new(),
        };
        adopted = adopt(&mut universe, path, lock, workspace, &drift, &unlocked);
        let untouched = matches!(change, Change::Nothing) && added.is_empty();
        if untouched && !adopted.unreachable.is_empty() && drift.is_empty() {
            // The registry cannot be asked; the lockfile agrees with the manifests, and is the plan.
            plan.merge(super::locked::as_it_stands(request, index, path, lock, Some(workspace), &adopted));
            return plan;
        }
        plan.lock_issues.extend(drift);
        plan.lock_issues.extend(digests(&universe, path, lock, &adopted));
    }
    let roots = roots(&mut universe, workspace, &mut plan, request, everything);
    patches(&mut universe, workspace, &adopted, &mut plan);
    look_ahead(&mut universe, &roots);
    let solution = match search(&mut universe, &roots, request) {
        Ok(solution) => solution,
        Err(failure) => {
            plan.unresolved.push(unsolved(&mut universe, failure));
            return plan;
        }
    };
    if let Some((name, version)) = &universe.preferences.precise
        && !solution.packages.iter().any(|p| universe.key(*p).is_some_and(|k| k.0 == *name && k.1 == *version))
    {
        plan.unresolved.push(Unresolved {
            requirement: format!("{name} {version}"),
            name: Some(PackageName::new(Ecosystem::CratesIo, name)),
            range: Some(format!("={version}")),
            location: request.invocation.flag("--precise").map(|f| f.location.clone()),
            cause: UnresolvedCause::NoMatchingVersion,
            reason: "there is no such release, or a requirement excludes it".to_owned(),
        });
    }
    if let Some((path, lock)) = lockfile
        && matches!(change, Change::Nothing)
        && added.is_empty()
        && solution.problems.is_empty()
    {
        let issues = compare(&universe, &solution, path, lock, &adopted);
        // The manifests' own drift explains what follows from it.
        if plan.lock_issues.iter().all(|i| i.kind != LockIssueKind::Drift) {
            plan.lock_issues.extend(issues);
        } else {
            plan.lock_issues.extend(issues.into_iter().filter(|i| i.kind != LockIssueKind::Drift));
        }
    }
    plan.held_back = held_back(&mut universe, &solution, &adopted);
    plan.unresolved.extend(problems(&universe, &solution));
    plan.unresolved.extend(opaque(&universe, &solution));
    let graph = graph(&universe, &solution, request, workspace, &adopted);
    plan.merge(graph.plan(index, &BTreeMap::new()));
    plan
}

/// First with young releases out of sight, then, where that has no solution, with them as a last resort.
pub(super) fn search(
    universe: &mut Universe<'_>,
    roots: &[(PackageIx, Asked)],
    request: Request<'_>,
) -> Result<Solution, Failure> {
    if request.freshness.cutoff.is_none() {
        universe.young = Young::Ordinary;
        return solve(universe, roots);
    }
    universe.young = Young::Hidden;
    match solve(universe, roots) {
        Err(Failure::Conflict { .. }) => {
            universe.young = Young::Last;
            universe.forget();
            solve(universe, roots)
        }
        other => other,
    }
}

/// Cargo's configuration, with the command's `--config` words.
fn configuration(request: Request<'_>) -> Config {
    Config::read(request.environment, request.files, &request.invocation.located_values("--config"))
}

/// The Rust versions that weigh on the choice: the members', where resolver 3 or the configuration says so.
fn rust_versions(request: Request<'_>, workspace: &Workspace) -> Vec<PartialVersion> {
    let configuration = configuration(request);
    let setting = configuration.get("resolver.incompatible-rust-versions").map(|v| v.value.as_str());
    let honours = match setting {
        Some("fallback") => true,
        Some("allow") => false,
        _ => workspace.resolver == Resolver::V3,
    };
    if !honours || given(request.invocation, "--ignore-rust-version") {
        return Vec::new();
    }
    let members = workspace.member_manifests().filter_map(|m| m.package.as_ref()?.rust_version.as_deref());
    let versions: Vec<PartialVersion> = members.filter_map(PartialVersion::parse).collect();
    if !versions.is_empty() {
        return versions;
    }
    // Without any, Cargo takes the toolchain's own version; it is known here only where a name says it.
    let channel = configuration.get("toolchain.channel").map(|v| v.value.as_str());
    let toolchain = request.environment.variable("RUSTUP_TOOLCHAIN").or(channel).unwrap_or_default();
    let version: String = toolchain.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    PartialVersion::parse(&version).into_iter().collect()
}

/// The members as roots of the search.
fn roots(
    universe: &mut Universe<'_>,
    workspace: &Workspace,
    plan: &mut Plan,
    request: Request<'_>,
    everything: bool,
) -> Vec<(PackageIx, Asked)> {
    // Local packages first: a member may depend on one that is not.
    let mut local: BTreeMap<PathBuf, PackageIx> = BTreeMap::new();
    for (path, manifest) in &workspace.manifests {
        if manifest.package.is_none() {
            continue;
        }
        for dependency in &manifest.dependencies {
            if Requirement::parse(dependency.requirement()).is_none() {
                plan.unresolved.push(Unresolved {
                    requirement: dependency.text.clone(),
                    name: Some(PackageName::new(Ecosystem::CratesIo, dependency.package_name())),
                    range: dependency.version.clone(),
                    location: Some(dependency.location.clone()),
                    cause: UnresolvedCause::Malformed,
                    reason: "the version requirement cannot be read".to_owned(),
                });
            }
        }
        let source = universe.source(SourceEntry::Local(path.clone()));
        match universe.add_manifest(Rc::new(manifest.clone()), source) {
            Some(package) => {
                universe.provide(package);
                local.insert(path.clone(), package);
            }
            None => plan.unresolved.push(Unresolved {
                requirement: path.display().to_string(),
                name: None,
                range: None,
                location: manifest.package.as_ref().map(|p| p.location.clone()),
                cause: UnresolvedCause::Malformed,
                reason: "the package's version cannot be read".to_owned(),
            }),
        }
    }
    let asked = if everything {
        Asked { all: true, default: true, development: true, ..Asked::default() }
    } else {
        features_asked(request)
    };
    workspace.members.iter().filter_map(|path| local.get(path)).map(|p| (*p, asked.clone())).collect()
}

/// What `--features`, `--all-features` and `--no-default-features` ask of the package that is installed.
pub(super) fn features_asked(request: Request<'_>) -> Asked {
    let invocation = request.invocation;
    let features = listed(invocation, &["--features", "-F"]).into_iter().map(|f| Rc::from(f.as_str())).collect();
    Asked {
        features: Rc::new(features),
        default: !given(invocation, "--no-default-features"),
        all: given(invocation, "--all-features"),
        development: false,
        command_line: true,
    }
}

/// `[patch]` and `[replace]` of the root manifest.
fn patches(universe: &mut Universe<'_>, workspace: &Workspace, adopted: &Adopted, plan: &mut Plan) {
    let Some(root) = workspace.root_manifest() else { return };
    for patch in &root.patches {
        let source = match SourceId::parse(&patch.source) {
            Some(_) => universe.registry(Some(&patch.source)),
            None if patch.source == "crates-io" => universe.registry(None),
            None if patch.source.contains("://") => patched_url(universe, &patch.source),
            None => universe.registry(Some(&patch.source)),
        };
        let Ok(source) = source else { continue };
        let name = universe.intern(patch.dependency.package_name());
        let from = universe.manifest_source(&patch.dependency);
        let candidates = match universe.sources.get(from) {
            Some(SourceEntry::Git(_)) => vec![git_package(universe, &name, from)],
            _ => match universe.manifest_dependency(&patch.dependency) {
                Some(dependency) => universe.query(&dependency).map(|c| c.to_vec()).unwrap_or_default(),
                None => Vec::new(),
            },
        };
        match candidates.first() {
            Some(&best) => universe.patches.entry((source, name)).or_default().push(best),
            None => plan.unresolved.push(Unresolved {
                requirement: patch.dependency.text.clone(),
                name: Some(PackageName::new(Ecosystem::CratesIo, patch.dependency.package_name())),
                range: patch.dependency.version.clone(),
                location: Some(patch.dependency.location.clone()),
                cause: UnresolvedCause::NoMatchingVersion,
                reason: "what the patch points to has no such package".to_owned(),
            }),
        }
    }
    for replacement in &root.replacements {
        // A lockfile that satisfies the manifests has the replacement in it, and is the plan.
        let locked = adopted.replaced.contains(replacement.dependency.package_name());
        if !locked {
            plan.unresolved.push(Unresolved {
                requirement: replacement.dependency.text.clone(),
                name: None,
                range: None,
                location: Some(replacement.dependency.location.clone()),
                cause: UnresolvedCause::Unsupported,
                reason: "`[replace]` is not resolved; Cargo recommends `[patch]`".to_owned(),
            });
        }
    }
}

/// `[patch."https://…"]` patches a registry by its index, or a git repository.
fn patched_url(universe: &mut Universe<'_>, url: &str) -> Result<usize, FetchError> {
    let canonical = crate::ecosystem::cargo::source::canonical_git(url);
    let git = universe.sources.iter().position(
        |s| matches!(s, SourceEntry::Git(id) if crate::ecosystem::cargo::source::canonical_git(&id.url) == canonical),
    );
    match git {
        Some(git) => Ok(git),
        None => universe.registry(Some(url)),
    }
}

/// The package of a git source: as the lockfile knew it, else one of unknown version and dependencies.
pub(super) fn git_package(universe: &mut Universe<'_>, name: &Rc<str>, source: usize) -> PackageIx {
    if let Ok(known) = universe.load(name, source)
        && let Some(first) = known.first()
    {
        return *first;
    }
    let origin = PackageOrigin::Opaque { dependencies: Vec::new() };
    let package = Package::new(Rc::clone(name), Version::new(0, 0, 0), source, None, None, origin);
    let package = universe.add(package);
    universe.provide(package);
    package
}

/// Fetches what the search will ask for, frontier by frontier, along the newest candidate of each dependency.
pub(super) fn look_ahead(universe: &mut Universe<'_>, roots: &[(PackageIx, Asked)]) {
    let mut seen: BTreeMap<PackageIx, BTreeSet<Rc<str>>> = BTreeMap::new();
    let mut frontier: Vec<(PackageIx, Asked)> = roots.to_vec();
    for _ in 0..PREFETCH_ROUNDS {
        if frontier.is_empty() {
            return;
        }
        let mut wanted: Vec<(Rc<Dependency>, Asked)> = Vec::new();
        for (package, asked) in frontier.drain(..) {
            let detail = universe.detail(package);
            let Ok((_, dependencies)) = super::features::enable(&detail, &asked) else { continue };
            wanted.extend(dependencies.into_iter().map(|(dependency, features)| {
                let asked = Asked { features, default: dependency.default_features, ..Asked::default() };
                (dependency, asked)
            }));
        }
        let gits: Vec<(Rc<str>, usize)> = wanted
            .iter()
            .filter(|(d, _)| matches!(universe.sources.get(d.source), Some(SourceEntry::Git(_))))
            .map(|(d, _)| (Rc::clone(&d.name), d.source))
            .collect();
        for (name, source) in gits {
            git_package(universe, &name, source);
        }
        universe.prefetch(wanted.iter().map(|(d, _)| (Rc::clone(&d.name), d.source)).collect::<Vec<_>>());
        for (dependency, mut asked) in wanted {
            let Ok(candidates) = universe.query(&dependency) else { continue };
            let Some(&best) = candidates.first() else { continue };
            if asked.default {
                Rc::make_mut(&mut asked.features).insert(Rc::from("default"));
                asked.default = false;
            }
            let known = seen.entry(best).or_default();
            let fresh = known.is_empty() || !asked.features.is_subset(known);
            if fresh {
                known.extend(asked.features.iter().cloned());
                // An empty set would look unseen for ever.
                known.insert(Rc::from(""));
                let has_default = universe.detail(best).features.contains_key("default");
                let mut features = (*asked.features).clone();
                asked.default = features.remove("default") && has_default;
                asked.features = Rc::new(features);
                frontier.push((best, asked));
            }
        }
    }
}

/// The solution as a graph.
pub(super) fn graph(
    universe: &Universe<'_>,
    solution: &Solution,
    request: Request<'_>,
    workspace: &Workspace,
    adopted: &Adopted,
) -> Graph {
    let mut graph = Graph::default();
    let mut index: BTreeMap<PackageIx, usize> = BTreeMap::new();
    let locked: BTreeMap<PackageIx, &Locked> =
        adopted.nodes.iter().filter_map(|(at, p)| Some((*p, adopted.entries.get(at)?))).collect();
    for &package in &solution.packages {
        let (Some(p), Some(source)) = (
            universe.packages.get(package),
            universe.packages.get(package).and_then(|p| universe.sources.get(p.source)),
        ) else {
            continue;
        };
        let (from, runs) = match source {
            SourceEntry::Local(path) if workspace.is_member(path) => (From::Member(path.clone()), Vec::new()),
            SourceEntry::Local(path) => {
                let runs = workspace.manifests.get(path).map(|m| executes(m, Some(request.files))).unwrap_or_default();
                (From::Path(path.clone()), runs)
            }
            SourceEntry::Registry { registry, id } => {
                (From::Registry { registry: registry.clone(), id: id.clone() }, Vec::new())
            }
            SourceEntry::Git(id) => (From::Git(id.clone()), Vec::new()),
        };
        let line = match &p.origin {
            PackageOrigin::Index { krate, at } => Some((std::sync::Arc::clone(krate), *at)),
            _ => None,
        };
        let unknown = p.is_opaque() && p.version == Version::new(0, 0, 0);
        index.insert(package, graph.nodes.len());
        graph.nodes.push(Node {
            name: p.name.to_string(),
            version: if unknown { "0".to_owned() } else { p.version.to_string() },
            from,
            line,
            locked: locked.get(&package).map(|l| (*l).clone()),
            executes: runs,
        });
    }
    for edge in &solution.edges {
        let (Some(&from), Some(&to)) = (index.get(&edge.from), index.get(&edge.to)) else { continue };
        let registry = matches!(universe.sources.get(edge.dependency.source), Some(SourceEntry::Registry { .. }));
        graph.edges.push(Link {
            from,
            to,
            development: edge.dependency.development,
            origin: edge.dependency.origin.clone(),
            text: edge.dependency.line(),
            range: registry.then(|| edge.dependency.text.to_string()),
        });
    }
    graph
}

/// A lock issue of a manifest's requirement.
pub(super) fn drift(location: Location, expected: String, found: String) -> LockIssue {
    LockIssue { kind: LockIssueKind::Drift, package: None, location, expected, found }
}

/// An origin in argv.
pub(super) fn argv_origin(text: &str, range: Option<String>, location: &Location) -> Origin {
    Origin { text: text.to_owned(), range, location: location.clone() }
}
