//! `cargo install` and `cargo binstall`: programs from registries, paths and git repositories.
//!
//! A program is resolved from its own release: without `--locked` as if it had no lockfile, with it by the lockfile
//! inside the `.crate`. Dev-dependencies stay out. Only the manifest and the lockfile of the archive are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::graph::{From, executes};
use super::locked::{Adopted, adopt, digests};
use super::outcome::held_back;
use super::project::{argv_origin, features_asked, graph, look_ahead, search};
use super::solve::Failure;
use super::universe::{Dependency, PackageIx, Universe, Young};
use super::{given, malformed, unfetched};
use crate::ecosystem::cargo::lock::Lockfile;
use crate::ecosystem::cargo::manifest::{Manifest, Targets};
use crate::ecosystem::cargo::spec::InstallSpec;
use crate::ecosystem::cargo::version::{PartialVersion, Requirement};
use crate::ecosystem::cargo::workspace::{Resolver, Workspace, manifest_of};
use crate::invocation::RequestKind;
use crate::model::{Ecosystem, Execution, Location, Origin, PackageName, Plan, Unresolved, UnresolvedCause};
use crate::registry::CrateIndex;
use crate::resolve::Request;

/// Most bytes of an archive that are decompressed.
const MAX_UNPACKED: u64 = 64 << 20;
/// Largest manifest or lockfile in an archive.
const MAX_MEMBER: u64 = 8 << 20;
/// Most members of an archive that are looked at.
const MAX_MEMBERS: usize = 50_000;

/// The plan of `cargo install`.
pub(super) fn install(request: Request<'_>, index: &dyn CrateIndex) -> Plan {
    let invocation = request.invocation;
    if let Some(flag) = invocation.flag("--git") {
        return from_git(request, flag.value.as_deref().unwrap_or_default(), &flag.location);
    }
    if let Some(flag) = invocation.flag("--path") {
        return from_path(request, index, flag.value.as_deref().unwrap_or("."), &flag.location);
    }
    let requests: Vec<_> = invocation.requests.iter().filter(|r| r.kind == RequestKind::Requirement).collect();
    if requests.is_empty() {
        return from_path(request, index, ".", &Location::argv(0));
    }
    let mut plan = Plan::default();
    for wanted in requests {
        plan.merge(program(request, index, &wanted.text, &wanted.location));
    }
    plan
}

/// `cargo binstall` takes prebuilt programs from wherever the crate's metadata points: the crate itself is planned,
/// the program is not known.
pub(super) fn binstall(request: Request<'_>, index: &dyn CrateIndex) -> Plan {
    let mut plan = Plan::default();
    for wanted in &request.invocation.requests {
        let resolved = program(request, index, &wanted.text, &wanted.location);
        let own = resolved.packages.into_iter().filter(|p| p.direct).collect();
        plan.merge(Plan {
            packages: own,
            held_back: resolved.held_back,
            unresolved: resolved.unresolved,
            ..Plan::default()
        });
        plan.unresolved.push(Unresolved {
            requirement: wanted.text.clone(),
            name: InstallSpec::parse(&wanted.text, None).ok().map(|s| PackageName::new(Ecosystem::CratesIo, &s.name)),
            range: None,
            location: Some(wanted.location.clone()),
            cause: UnresolvedCause::Unsupported,
            reason: "a prebuilt program is downloaded from outside the registry".to_owned(),
        });
    }
    plan
}

fn from_git(request: Request<'_>, url: &str, location: &Location) -> Plan {
    let invocation = request.invocation;
    let names: Vec<&str> = invocation.requests.iter().map(|r| r.text.as_str()).collect();
    let requirement = format!("{} --git {}", names.join(" "), crate::model::redact_url(url));
    Plan {
        unresolved: vec![Unresolved {
            requirement: requirement.trim().to_owned(),
            name: names.first().map(|n| PackageName::new(Ecosystem::CratesIo, n)),
            range: None,
            location: Some(location.clone()),
            cause: UnresolvedCause::NeedsExecution,
            reason: "what a git repository brings in is known only from a checkout of it".to_owned(),
        }],
        ..Plan::default()
    }
}

/// `cargo install --path`: the lockfile counts only with `--locked` or `--frozen`.
fn from_path(request: Request<'_>, index: &dyn CrateIndex, path: &str, location: &Location) -> Plan {
    let manifest = manifest_of(&request.environment.cwd, path);
    let (mut workspace, diagnostics) = Workspace::find(&manifest, request.files);
    let mut plan = Plan::default();
    plan.unresolved.extend(diagnostics.into_iter().map(malformed));
    if !workspace.is_member(&manifest) {
        plan.unresolved.push(Unresolved {
            requirement: path.to_owned(),
            name: None,
            range: None,
            location: Some(location.clone()),
            cause: UnresolvedCause::Unsupported,
            reason: "there is no package at this path".to_owned(),
        });
        return plan;
    }
    let lockfile = if locked(request) { read_lock(request, &workspace) } else { None };
    workspace.members.retain(|m| *m == manifest);
    plan.merge(super::project::resolve(request, index, &workspace, lockfile.as_ref(), &BTreeSet::new(), false));
    plan
}

fn read_lock(request: Request<'_>, workspace: &Workspace) -> Option<(PathBuf, Lockfile)> {
    let path = workspace.lockfile();
    let text = request.files.read_text(&path).ok()?;
    Some((path.clone(), Lockfile::read(&path, &text).0))
}

fn locked(request: Request<'_>) -> bool {
    given(request.invocation, "--locked") || given(request.invocation, "--frozen")
}

/// One program from a registry.
fn program(request: Request<'_>, index: &dyn CrateIndex, text: &str, location: &Location) -> Plan {
    let invocation = request.invocation;
    let value = |name: &str| invocation.flag(name).and_then(|f| f.value.as_deref());
    let mut plan = Plan::default();
    let unresolved = |name: Option<&str>, range: Option<&str>, cause, reason: String| Unresolved {
        requirement: text.to_owned(),
        name: name.map(|n| PackageName::new(Ecosystem::CratesIo, n)),
        range: range.map(str::to_owned),
        location: Some(location.clone()),
        cause,
        reason,
    };
    let version = value("--version").or_else(|| value("--vers"));
    let spec = match InstallSpec::parse(text, version) {
        Ok(spec) => spec,
        Err(reason) => {
            plan.unresolved.push(unresolved(None, None, UnresolvedCause::Unsupported, reason));
            return plan;
        }
    };
    let range = spec.requirement.clone().unwrap_or_default();
    let mut universe = Universe::new(index, request.freshness);
    if request.freshness.cutoff.is_none() {
        universe.young = Young::Ordinary;
    }
    let registry = value("--registry").or_else(|| value("--index"));
    let source = match universe.registry(registry) {
        Ok(source) => source,
        Err(error) => {
            plan.unresolved.push(unfetched(text, &spec.name, Some(&range), Some(location.clone()), &error));
            return plan;
        }
    };
    let requirement = Requirement::parse(&range).unwrap_or_else(Requirement::any);
    let dependency = wanted(&mut universe, &spec.name, source, requirement, &range);
    let candidates = match universe.query(&dependency) {
        Ok(candidates) => candidates,
        Err(error) => {
            plan.unresolved.push(unfetched(text, &spec.name, Some(&range), Some(location.clone()), &error));
            return plan;
        }
    };
    let Some(&root) = candidates.first() else {
        let reason = "no release of it fits".to_owned();
        plan.unresolved.push(unresolved(Some(&spec.name), Some(&range), UnresolvedCause::NoMatchingVersion, reason));
        return plan;
    };
    let archive = archive(&mut plan, &universe, index, root, registry);
    prefer(&mut universe, request, &archive);
    let adopted = adopt_own(&mut universe, request, root, &archive, &mut plan, text, location);
    let roots = [(root, features_asked(request))];
    look_ahead(&mut universe, &roots);
    let solution = match search(&mut universe, &roots, request) {
        Ok(solution) => solution,
        Err(failure) => {
            let (cause, reason) = match failure {
                Failure::Conflict { dependency, .. } => {
                    (UnresolvedCause::Conflict, format!("no release that fits `{}` can be chosen", dependency.line()))
                }
                Failure::MissingFeature { feature, .. } => {
                    (UnresolvedCause::NoMatchingVersion, format!("it has no feature `{feature}`"))
                }
                Failure::Limit => (UnresolvedCause::LimitExceeded, "the resolution takes too many steps".to_owned()),
            };
            plan.unresolved.push(unresolved(Some(&spec.name), Some(&range), cause, reason));
            return plan;
        }
    };
    plan.held_back = held_back(&mut universe, &solution, &adopted);
    plan.held_back.extend(root_held_back(&mut universe, &dependency, root));
    for problem in &solution.problems {
        if let super::solve::ProblemKind::Fetch(error) = &problem.kind {
            let d = &problem.dependency;
            plan.unresolved.push(unfetched(&d.line(), &d.name, Some(&d.text), Some(location.clone()), error));
        }
    }
    let nowhere = Workspace {
        root: PathBuf::new(),
        current: PathBuf::new(),
        members: Vec::new(),
        manifests: BTreeMap::new(),
        resolver: Resolver::V2,
    };
    let mut graph = graph(&universe, &solution, request, &nowhere, &adopted);
    let at = graph.nodes.iter().position(|n| {
        n.name == spec.name
            && matches!(n.from, From::Registry { .. })
            && universe.version(root).is_some_and(|v| n.version == v.to_string())
    });
    let mut origins: BTreeMap<usize, Origin> = BTreeMap::new();
    if let Some(at) = at {
        origins.insert(at, argv_origin(text, Some(range), location));
        if let (Some(node), Some(archive)) = (graph.nodes.get_mut(at), &archive) {
            node.executes.extend(archive.executes.iter().cloned());
        }
    }
    plan.merge(graph.plan(index, &origins));
    plan
}

/// A requirement that is written nowhere.
pub(super) fn wanted(
    universe: &mut Universe<'_>,
    name: &str,
    source: usize,
    requirement: Requirement,
    range: &str,
) -> Dependency {
    let interned = universe.intern(name);
    Dependency {
        alias: Rc::clone(&interned),
        name: interned,
        source,
        requirement,
        text: Rc::from(if range.is_empty() { "*" } else { range }),
        features: Vec::new(),
        default_features: true,
        optional: false,
        development: false,
        locked: None,
        origin: None,
    }
}

/// The newer release that the cooldown hid from a requirement that is written nowhere: a program to install, a crate to
/// add.
pub(super) fn root_held_back(
    universe: &mut Universe<'_>,
    dependency: &Dependency,
    root: PackageIx,
) -> Option<crate::model::HeldBack> {
    if universe.young != Young::Hidden {
        return None;
    }
    universe.young = Young::Ordinary;
    universe.forget();
    let candidates = universe.query(dependency).ok();
    universe.young = Young::Hidden;
    universe.forget();
    let candidates = candidates?;
    let hidden = universe.hidden(&dependency.name, &candidates);
    let newest = candidates
        .iter()
        .zip(hidden)
        .filter(|(c, hidden)| *hidden && universe.version(**c) > universe.version(root))
        .map(|(c, _)| *c)
        .max_by(|a, b| universe.version(*a).cmp(&universe.version(*b)))?;
    Some(crate::model::HeldBack {
        name: PackageName::new(Ecosystem::CratesIo, &dependency.name),
        version: universe.version(newest).map(ToString::to_string)?,
        instead: universe.version(root).map(ToString::to_string),
        rule: "cooldown",
        reason: universe.age_text(newest),
    })
}

/// What matters of a `.crate`.
pub(super) struct Archive {
    manifest: Manifest,
    lockfile: Option<String>,
    executes: Vec<Execution>,
}

/// Downloads the program's archive. Without it the index's own line still gives the dependencies.
fn archive(
    plan: &mut Plan,
    universe: &Universe<'_>,
    index: &dyn CrateIndex,
    root: PackageIx,
    registry: Option<&str>,
) -> Option<Archive> {
    let package = universe.packages.get(root)?;
    let line = universe.line(root)?;
    let name = PackageName::new(Ecosystem::CratesIo, &package.name);
    let reason = match index.download(&name, line.version(), line.checksum(), registry) {
        Ok(bytes) => match read_archive(&bytes, &package.name, line.version()) {
            Ok(archive) => return Some(archive),
            Err(reason) => reason,
        },
        Err(error) => error.to_string(),
    };
    plan.signal_gaps.push(crate::model::SignalGap {
        signal: "build-script",
        registry: index.source_of(registry).map(|s| s.url).unwrap_or_default(),
        reason: format!("the archive of {} {} could not be read: {reason}", package.name, line.version()),
    });
    None
}

/// The manifest and the lockfile of a `.crate`: a gzipped tar whose members are all below `NAME-VERSION/`.
pub(super) fn read_archive(bytes: &[u8], name: &str, version: &str) -> Result<Archive, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes).take(MAX_UNPACKED));
    let directory = PathBuf::from(format!("{name}-{version}"));
    let (mut manifest, mut lockfile, mut build) = (None, None, false);
    let entries = archive.entries().map_err(|e| format!("not a tar archive: {e}"))?;
    for (at, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|e| format!("not a whole tar archive: {e}"))?;
        if at >= MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} members"));
        }
        let Ok(path) = entry.path().map(std::borrow::Cow::into_owned) else { continue };
        let Ok(inside) = path.strip_prefix(&directory) else { continue };
        let slot = match inside.to_str() {
            Some("Cargo.toml") => &mut manifest,
            Some("Cargo.lock") => &mut lockfile,
            Some("build.rs") => {
                build = true;
                continue;
            }
            _ => continue,
        };
        let mut text = String::new();
        entry.by_ref().take(MAX_MEMBER).read_to_string(&mut text).map_err(|e| format!("{}: {e}", path.display()))?;
        *slot = Some(text);
    }
    let text = manifest.ok_or_else(|| "it has no Cargo.toml".to_owned())?;
    let path = directory.join("Cargo.toml");
    let (manifest, _) = Manifest::read(&path, &text);
    let mut runs = executes(&Manifest { targets: Targets::default(), ..manifest.clone() }, None);
    if build && !runs.contains(&Execution::BuildScript) && auto_build(&manifest) {
        runs.push(Execution::BuildScript);
    }
    if manifest.targets.proc_macro {
        runs.push(Execution::ProcMacro);
    }
    Ok(Archive { manifest, lockfile, executes: runs })
}

fn auto_build(manifest: &Manifest) -> bool {
    use crate::ecosystem::cargo::manifest::BuildScript;
    manifest.package.as_ref().is_some_and(|p| p.build == BuildScript::Auto)
}

/// A program of edition 2024 prefers releases that its own Rust version supports.
fn prefer(universe: &mut Universe<'_>, request: Request<'_>, archive: &Option<Archive>) {
    let Some(package) = archive.as_ref().and_then(|a| a.manifest.package.as_ref()) else { return };
    let honours = match package.resolver.as_deref() {
        Some(resolver) => resolver == "3",
        None => !matches!(package.edition.as_str(), "2015" | "2018" | "2021"),
    };
    if honours && !given(request.invocation, "--ignore-rust-version") {
        universe.preferences.rust_versions =
            package.rust_version.as_deref().and_then(PartialVersion::parse).into_iter().collect();
        universe.forget();
    }
}

/// With `--locked`, the archive's lockfile decides.
fn adopt_own(
    universe: &mut Universe<'_>,
    request: Request<'_>,
    root: PackageIx,
    archive: &Option<Archive>,
    plan: &mut Plan,
    text: &str,
    location: &Location,
) -> Adopted {
    if !locked(request) {
        return Adopted::default();
    }
    let Some(archive) = archive else {
        plan.unresolved.push(Unresolved {
            requirement: text.to_owned(),
            name: None,
            range: None,
            location: Some(location.clone()),
            cause: UnresolvedCause::Unreachable,
            reason: "the lockfile inside its archive could not be read".to_owned(),
        });
        return Adopted::default();
    };
    // Cargo warns that there is none, and goes on without.
    let Some(lock_text) = &archive.lockfile else { return Adopted::default() };
    let path = archive.manifest.path.with_file_name("Cargo.lock");
    let (lock, diagnostics) = Lockfile::read(&path, lock_text);
    plan.unresolved.extend(diagnostics.into_iter().map(malformed));
    let nowhere = Workspace {
        root: PathBuf::new(),
        current: PathBuf::new(),
        members: Vec::new(),
        manifests: BTreeMap::new(),
        resolver: Resolver::V2,
    };
    let adopted = adopt(universe, Path::new(&path), &lock, &nowhere, &[], &BTreeSet::new());
    plan.lock_issues.extend(digests(universe, &path, &lock, &adopted));
    if let Some(key) = universe.key(root) {
        let own = lock.packages.iter().find(|p| p.source.is_none() && *p.name == *key.0);
        if let Some(own) = own {
            let edges = own.dependencies.iter().filter_map(|d| adopted.nodes.get(d).copied()).collect();
            universe.preferences.edges.insert(key, edges);
        }
    }
    universe.forget();
    adopted
}
