//! Commands on a workspace: `build`, `fetch`, `update`, `generate-lockfile`, `add`, `vendor`, and whatever resolves it.
//!
//! In: the manifests, the lockfile, the registries. Out: the plan of the whole workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use semver::Version;

use super::features::Asked;
use super::graph::{From, Graph, Link, Locked, Node, executes};
use super::install::root_held_back;
use super::locked::{Adopted, adopt, compare, digests, structural};
use super::solve::{Failure, ProblemKind, Solution, solve};
use super::universe::{Dependency, Package, PackageIx, PackageOrigin, SourceEntry, Universe, Young};
use super::{given, listed, malformed, manifest_path, unfetched};
use crate::ecosystem::cargo::config::Config;
use crate::ecosystem::cargo::lock::Lockfile;
use crate::ecosystem::cargo::manifest::{Dependency as ManifestDependency, DependencySource, Manifest, Section};
use crate::ecosystem::cargo::source::SourceId;
use crate::ecosystem::cargo::spec::{AddSpec, PackageSpec};
use crate::ecosystem::cargo::version::{PartialVersion, Requirement};
use crate::ecosystem::cargo::workspace::{Resolver, Workspace};
use crate::invocation::{Effect, RequestKind};
use crate::model::{
    Ecosystem, HeldBack, Location, LockIssue, LockIssueKind, Origin, PackageName, Plan, Unresolved, UnresolvedCause,
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

/// What `cargo update` is to change: nothing else may.
enum Change {
    /// The lockfile stays where it fits.
    Nothing,
    /// Everything is resolved anew.
    Everything,
    /// The lockfile's packages of these indexes.
    These(BTreeSet<usize>),
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

/// What stands against a solution.
fn unsolved(universe: &mut Universe<'_>, failure: Failure) -> Unresolved {
    let label = |universe: &Universe<'_>, p: PackageIx| {
        universe.packages.get(p).map(|p| format!("{} {}", p.name, p.version)).unwrap_or_default()
    };
    match failure {
        Failure::Conflict { from, dependency, with, no_candidates } => {
            let by = label(universe, from);
            let (cause, reason) = if no_candidates {
                (
                    UnresolvedCause::NoMatchingVersion,
                    format!("no release fits `{}`, required by {by}", dependency.line()),
                )
            } else {
                let with: Vec<String> = with.into_iter().take(8).map(|p| label(universe, p)).collect();
                let beside = if with.is_empty() { String::new() } else { format!(" beside {}", with.join(", ")) };
                (
                    UnresolvedCause::Conflict,
                    format!("no release that fits `{}` (required by {by}) can be chosen{beside}", dependency.line()),
                )
            };
            Unresolved {
                requirement: dependency.line(),
                name: Some(PackageName::new(Ecosystem::CratesIo, &dependency.name)),
                range: Some(dependency.text.to_string()),
                location: dependency.origin.as_ref().map(|o| o.location.clone()),
                cause,
                reason,
            }
        }
        Failure::MissingFeature { package, feature } => Unresolved {
            requirement: feature.to_string(),
            name: universe.packages.get(package).map(|p| PackageName::new(Ecosystem::CratesIo, &p.name)),
            range: None,
            location: None,
            cause: UnresolvedCause::NoMatchingVersion,
            reason: format!("{} has no feature `{feature}`", label(universe, package)),
        },
        Failure::Limit => Unresolved {
            requirement: "Cargo.toml".to_owned(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::LimitExceeded,
            reason: "the resolution takes too many steps".to_owned(),
        },
    }
}

/// Requirements that were left out.
fn problems(universe: &Universe<'_>, solution: &Solution) -> Vec<Unresolved> {
    let mut out = Vec::new();
    for problem in solution.problems.iter().filter(|p| solution.packages.contains(&p.from)) {
        let dependency = &problem.dependency;
        let location = dependency.origin.as_ref().map(|o| o.location.clone());
        match &problem.kind {
            ProblemKind::Fetch(error) => {
                out.push(unfetched(&dependency.line(), &dependency.name, Some(&dependency.text), location, error));
            }
            ProblemKind::NoVersion => {
                let by = universe.packages.get(problem.from).map(|p| p.name.to_string()).unwrap_or_default();
                out.push(Unresolved {
                    requirement: dependency.line(),
                    name: Some(PackageName::new(Ecosystem::CratesIo, &dependency.name)),
                    range: Some(dependency.text.to_string()),
                    location,
                    cause: UnresolvedCause::NoMatchingVersion,
                    reason: format!("no release fits the requirement of {by}"),
                });
            }
        }
    }
    out
}

/// Git packages whose manifests no lockfile knew: what they bring in is not known.
fn opaque(universe: &Universe<'_>, solution: &Solution) -> Vec<Unresolved> {
    let mut out = Vec::new();
    for &package in &solution.packages {
        let Some(p) = universe.packages.get(package) else { continue };
        let Some(SourceEntry::Git(id)) = universe.sources.get(p.source) else { continue };
        if !p.is_opaque() || id.precise.is_some() {
            continue;
        }
        let edge = solution.edges.iter().find(|e| e.to == package);
        out.push(Unresolved {
            requirement: edge.map_or_else(|| p.name.to_string(), |e| e.dependency.line()),
            name: Some(PackageName::new(Ecosystem::CratesIo, &p.name)),
            range: None,
            location: edge.and_then(|e| e.dependency.origin.as_ref()).map(|o| o.location.clone()),
            cause: UnresolvedCause::NeedsExecution,
            reason: "what a git dependency brings in is known only from a checkout of it".to_owned(),
        });
    }
    out
}

/// For each choice, the newest release that the same requirement permits and the cooldown hid.
pub(super) fn held_back(universe: &mut Universe<'_>, solution: &Solution, adopted: &Adopted) -> Vec<HeldBack> {
    if universe.young != Young::Hidden {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    universe.young = Young::Ordinary;
    universe.forget();
    for edge in &solution.edges {
        let dependency = &edge.dependency;
        if dependency.locked.is_some() || adopted.nodes.values().any(|p| *p == edge.to) {
            continue;
        }
        if !seen.insert((edge.to, Rc::clone(&dependency.text))) {
            continue;
        }
        let Ok(candidates) = universe.query(dependency) else { continue };
        let hidden = universe.hidden(&dependency.name, &candidates);
        let chosen = universe.version(edge.to).cloned();
        let newest = candidates
            .iter()
            .zip(hidden)
            .filter(|(c, hidden)| *hidden && universe.version(**c) > chosen.as_ref())
            .map(|(c, _)| *c)
            .max_by(|a, b| universe.version(*a).cmp(&universe.version(*b)));
        if let Some(newest) = newest {
            out.push(HeldBack {
                name: PackageName::new(Ecosystem::CratesIo, &dependency.name),
                version: universe.version(newest).map(ToString::to_string).unwrap_or_default(),
                instead: chosen.map(|v| v.to_string()),
                rule: "cooldown",
                reason: universe.age_text(newest),
            });
        }
    }
    universe.young = Young::Hidden;
    universe.forget();
    out
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

/// What `cargo update` is asked to change.
fn changes(request: Request<'_>, lockfile: Option<&(PathBuf, Lockfile)>, plan: &mut Plan) -> Change {
    let invocation = request.invocation;
    if invocation.effect != Effect::Update {
        return Change::Nothing;
    }
    let mut specs: Vec<(String, Option<Location>)> =
        invocation.requests.iter().map(|r| (r.text.clone(), Some(r.location.clone()))).collect();
    for flag in invocation.flags.iter().filter(|f| matches!(f.name.as_str(), "--package" | "-p")) {
        if let Some(value) = &flag.value
            && !specs.iter().any(|(s, _)| s == value)
        {
            specs.push((value.clone(), Some(flag.location.clone())));
        }
    }
    if given(invocation, "--workspace") {
        return Change::These(BTreeSet::new());
    }
    let Some((_, lock)) = lockfile else { return Change::Nothing };
    if specs.is_empty() {
        return Change::Everything;
    }
    let mut these = BTreeSet::new();
    for (text, location) in specs {
        let spec = PackageSpec::parse(&text);
        let found: Vec<usize> = match &spec {
            Some(spec) => lock.packages.iter().enumerate().filter(|(_, p)| spec.matches(p)).map(|(i, _)| i).collect(),
            None => Vec::new(),
        };
        if found.is_empty() {
            plan.unresolved.push(Unresolved {
                requirement: text,
                name: spec.map(|s| PackageName::new(Ecosystem::CratesIo, &s.name)),
                range: None,
                location,
                cause: UnresolvedCause::UnknownPackage,
                reason: "the lockfile has no such package".to_owned(),
            });
        }
        these.extend(found);
    }
    if given(invocation, "--recursive") || given(invocation, "--aggressive") {
        let mut pending: Vec<usize> = these.iter().copied().collect();
        while let Some(at) = pending.pop() {
            let next = lock.packages.get(at).map(|p| p.dependencies.clone()).unwrap_or_default();
            pending.extend(next.into_iter().filter(|d| these.insert(*d)));
        }
    }
    Change::These(these)
}

/// The release that `cargo update --precise` names, for the one package that is to change.
fn precise(
    request: Request<'_>,
    lockfile: Option<&(PathBuf, Lockfile)>,
    change: &Change,
    plan: &mut Plan,
) -> Option<(Rc<str>, Version)> {
    let flag = request.invocation.flag("--precise")?;
    let text = flag.value.as_deref().unwrap_or_default();
    let names: BTreeSet<&str> = match (change, lockfile) {
        (Change::These(these), Some((_, lock))) => {
            these.iter().filter_map(|at| lock.packages.get(*at)).map(|p| &*p.name).collect()
        }
        _ => BTreeSet::new(),
    };
    match (Version::parse(text), names.first()) {
        (Ok(version), Some(name)) if names.len() == 1 => Some((Rc::from(*name), version)),
        _ => {
            plan.unresolved.push(unreadable(
                &format!("--precise {text}"),
                &flag.location,
                "not a whole version of one package: what a commit brings in is known only from a checkout".to_owned(),
            ));
            None
        }
    }
}

/// `cargo add`: puts the requested dependencies into the manifest of the package that gets them. Returns their names.
fn add(request: Request<'_>, index: &dyn CrateIndex, workspace: &mut Workspace, plan: &mut Plan) -> BTreeSet<String> {
    let invocation = request.invocation;
    let target = invocation.flag("--package").or_else(|| invocation.flag("-p")).and_then(|f| f.value.clone());
    let path = match &target {
        Some(name) => workspace.member_manifests().find(|m| m.name() == Some(name)).map(|m| m.path.clone()),
        None if workspace.manifests.get(&workspace.current).is_some_and(|m| m.package.is_some()) => {
            Some(workspace.current.clone())
        }
        None => workspace.members.first().filter(|_| workspace.members.len() == 1).cloned(),
    };
    let mut added = BTreeSet::new();
    for wanted in invocation.requests.iter().filter(|r| r.kind != RequestKind::Selector) {
        let result = match AddSpec::parse(&wanted.text) {
            Ok(spec) => requested(request, index, workspace, &spec, &wanted.text, &wanted.location),
            Err(reason) => Err(unreadable(&wanted.text, &wanted.location, reason)),
        };
        match result {
            Ok((dependency, held)) => {
                plan.held_back.extend(held);
                let Some(manifest) = path.as_ref().and_then(|p| workspace.manifests.get_mut(p)) else {
                    let reason = "no package of the workspace is chosen to receive it";
                    plan.unresolved.push(unreadable(&wanted.text, &wanted.location, reason.to_owned()));
                    continue;
                };
                added.insert(dependency.package_name().to_owned());
                put(manifest, dependency);
            }
            Err(unresolved) => plan.unresolved.push(unresolved),
        }
    }
    // A path outside brings its own manifest.
    let root = workspace.current.clone();
    if !added.is_empty() {
        let known: BTreeMap<PathBuf, Manifest> = std::mem::take(&mut workspace.manifests);
        for manifest in known.values() {
            for dependency in &manifest.dependencies {
                if let DependencySource::Path { path, base } = &dependency.source {
                    let path = crate::ecosystem::cargo::workspace::manifest_of(base, path);
                    if path != root && !known.contains_key(&path) && request.files.is_file(&path) {
                        let (other, diagnostics) = Workspace::find(&path, request.files);
                        plan.unresolved.extend(diagnostics.into_iter().map(malformed));
                        for (path, manifest) in other.manifests {
                            workspace.manifests.entry(path).or_insert(manifest);
                        }
                    }
                }
            }
        }
        workspace.manifests.extend(known);
    }
    added
}

/// Replaces an entry of the same name in the same table, or adds one.
fn put(manifest: &mut Manifest, dependency: ManifestDependency) {
    let same = |d: &ManifestDependency| {
        d.name == dependency.name && d.section == dependency.section && d.target == dependency.target
    };
    match manifest.dependencies.iter().position(same) {
        Some(at) => {
            if let Some(old) = manifest.dependencies.get_mut(at) {
                *old = dependency;
            }
        }
        None => {
            // Within a table Cargo goes by name.
            let at = manifest.dependencies.iter().position(|d| {
                d.section == dependency.section && d.target == dependency.target && d.name > dependency.name
            });
            let at = at.unwrap_or_else(|| {
                let last = manifest
                    .dependencies
                    .iter()
                    .rposition(|d| d.section == dependency.section && d.target == dependency.target);
                match (last, dependency.section) {
                    (Some(last), _) => last + 1,
                    (None, Section::Normal) if dependency.target.is_none() => 0,
                    (None, _) => manifest.dependencies.len(),
                }
            });
            manifest.dependencies.insert(at, dependency);
        }
    }
}

fn unreadable(text: &str, location: &Location, reason: String) -> Unresolved {
    Unresolved {
        requirement: text.to_owned(),
        name: None,
        range: None,
        location: Some(location.clone()),
        cause: UnresolvedCause::Unsupported,
        reason,
    }
}

/// The dependency that `cargo add` would write for one request, and the newer release that the cooldown kept from it.
#[expect(clippy::result_large_err, reason = "made once a command line word, and moved into the plan")]
fn requested(
    request: Request<'_>,
    index: &dyn CrateIndex,
    workspace: &Workspace,
    spec: &AddSpec,
    text: &str,
    location: &Location,
) -> Result<(ManifestDependency, Option<HeldBack>), Unresolved> {
    let invocation = request.invocation;
    let value = |name: &str| invocation.flag(name).and_then(|f| f.value.clone());
    let section = if given(invocation, "--dev") {
        Section::Dev
    } else if given(invocation, "--build") {
        Section::Build
    } else {
        Section::Normal
    };
    let base = request.environment.cwd.clone();
    let path = spec.path.clone().or_else(|| value("--path"));
    let mut name = spec.name.clone();
    let mut version = spec.requirement.clone();
    let mut held = None;
    let inherited = workspace
        .root_manifest()
        .and_then(|m| m.workspace.as_ref())
        .and_then(|w| w.dependencies.iter().find(|d| d.name == name && version.is_none() && path.is_none()));
    let source = if let Some(url) = value("--git") {
        let reference = match (value("--branch"), value("--tag"), value("--rev")) {
            (Some(b), ..) => crate::ecosystem::cargo::manifest::GitReference::Branch(b),
            (_, Some(t), _) => crate::ecosystem::cargo::manifest::GitReference::Tag(t),
            (.., Some(r)) => crate::ecosystem::cargo::manifest::GitReference::Rev(r),
            _ => crate::ecosystem::cargo::manifest::GitReference::DefaultBranch,
        };
        DependencySource::Git { url, reference }
    } else if let Some(path) = path {
        let manifest = crate::ecosystem::cargo::workspace::manifest_of(&base, &path);
        let text = request.files.read_text(&manifest).map_err(|e| unreadable(text, location, e.to_string()))?;
        let (read, _) = Manifest::read(&manifest, &text);
        if let Some(found) = read.name() {
            found.clone_into(&mut name);
        }
        DependencySource::Path { path, base }
    } else if let Some(from) = inherited {
        version.clone_from(&from.version);
        from.source.clone()
    } else {
        let registry = value("--registry");
        if version.is_none() {
            let (found, newest, younger) =
                newest(request, index, workspace, &name, registry.as_deref(), text, location)?;
            name = found;
            version = Some(newest);
            held = younger;
        }
        DependencySource::Registry { name: registry, index: None }
    };
    let rename = value("--rename");
    let mut features = spec.features.clone();
    features.extend(listed(invocation, &["--features", "-F"]).into_iter().map(|f| {
        // `crate/feature` is for one of several requests.
        f.split_once('/').filter(|(of, _)| *of == name).map(|(_, f)| f.to_owned()).unwrap_or(f)
    }));
    features.retain(|f| !f.contains('/'));
    let dependency = ManifestDependency {
        package: rename.as_ref().map(|_| name.clone()),
        name: rename.unwrap_or(name),
        section,
        target: value("--target"),
        source,
        version,
        features,
        optional: given(invocation, "--optional"),
        default_features: if given(invocation, "--no-default-features") { Some(false) } else { None },
        artifact: false,
        inherits: false,
        location: location.clone(),
        text: text.to_owned(),
    };
    Ok((dependency, held))
}

/// `cargo add` without a version: the newest release that is neither a pre-release, withdrawn nor hidden, and that the
/// package's Rust version supports. Its registry's spelling of the name comes with it, and what the cooldown hid: the
/// requirement that is written for the older release may not admit it.
#[expect(clippy::result_large_err, reason = "made once a command line word, and moved into the plan")]
fn newest(
    request: Request<'_>,
    index: &dyn CrateIndex,
    workspace: &Workspace,
    name: &str,
    registry: Option<&str>,
    text: &str,
    location: &Location,
) -> Result<(String, String, Option<HeldBack>), Unresolved> {
    let mut universe = Universe::new(index, request.freshness);
    if !given(request.invocation, "--ignore-rust-version") {
        let members = workspace.member_manifests().filter_map(|m| m.package.as_ref()?.rust_version.as_deref());
        universe.preferences.rust_versions = members.filter_map(PartialVersion::parse).collect();
    }
    if request.freshness.cutoff.is_none() {
        universe.young = Young::Ordinary;
    }
    let failed = |error: &FetchError| unfetched(text, name, None, Some(location.clone()), error);
    let source = universe.registry(registry).map_err(|e| failed(&e))?;
    let spellings = [name.to_owned(), name.replace('_', "-"), name.replace('-', "_")];
    let mut first_error = None;
    for spelling in spellings {
        let interned = universe.intern(&spelling);
        let any = |pre: bool| {
            let requirement = if pre { Requirement::parse(">=0.0.0-0") } else { Some(Requirement::any()) };
            requirement.unwrap_or_else(Requirement::any)
        };
        for pre in [false, true] {
            let dependency = Dependency {
                alias: Rc::clone(&interned),
                name: Rc::clone(&interned),
                source,
                requirement: any(pre),
                text: Rc::from(if pre { ">=0.0.0-0" } else { "*" }),
                features: Vec::new(),
                default_features: true,
                optional: false,
                development: false,
                locked: None,
                origin: None,
            };
            match universe.query(&dependency) {
                Ok(candidates) => {
                    let chosen = candidates.first().and_then(|c| Some((*c, universe.version(*c)?.clone())));
                    if let Some((chosen, version)) = chosen {
                        // What `cargo add` writes leaves build metadata out.
                        let version = Version { build: semver::BuildMetadata::EMPTY, ..version };
                        let held = root_held_back(&mut universe, &dependency, chosen);
                        return Ok((spelling, version.to_string(), held));
                    }
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                    break;
                }
            }
        }
    }
    Err(match first_error {
        Some(error) => failed(&error),
        None => Unresolved {
            requirement: text.to_owned(),
            name: Some(PackageName::new(Ecosystem::CratesIo, name)),
            range: Some(String::new()),
            location: Some(location.clone()),
            cause: UnresolvedCause::NoMatchingVersion,
            reason: "every release is withdrawn".to_owned(),
        },
    })
}

/// A lock issue of a manifest's requirement.
pub(super) fn drift(location: Location, expected: String, found: String) -> LockIssue {
    LockIssue { kind: LockIssueKind::Drift, package: None, location, expected, found }
}

/// An origin in argv.
pub(super) fn argv_origin(text: &str, range: Option<String>, location: &Location) -> Origin {
    Origin { text: text.to_owned(), range, location: location.clone() }
}
