//! What `cargo add` and `cargo update` ask to change.
//!
//! In: the command, the manifests, the registries. Out: manifests with the dependencies that would be written, and which
//! packages of the lockfile may move.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use semver::Version;

use super::install::{root_held_back, wanted};
use super::universe::{Universe, Young};
use super::{given, listed, malformed, unfetched};
use crate::ecosystem::cargo::lock::Lockfile;
use crate::ecosystem::cargo::manifest::{Dependency as ManifestDependency, DependencySource, Manifest, Section};
use crate::ecosystem::cargo::spec::{AddSpec, PackageSpec};
use crate::ecosystem::cargo::version::{PartialVersion, Requirement};
use crate::ecosystem::cargo::workspace::Workspace;
use crate::invocation::{Effect, RequestKind};
use crate::model::{Ecosystem, HeldBack, Location, PackageName, Plan, Unresolved, UnresolvedCause, redact_url};
use crate::registry::{CrateIndex, FetchError};
use crate::resolve::Request;

/// What `cargo update` is to change: nothing else may.
pub(super) enum Change {
    /// The lockfile stays where it fits.
    Nothing,
    /// Everything is resolved anew.
    Everything,
    /// The lockfile's packages of these indexes.
    These(BTreeSet<usize>),
}

/// What `cargo update` is asked to change.
pub(super) fn changes(request: Request<'_>, lockfile: Option<&(PathBuf, Lockfile)>, plan: &mut Plan) -> Change {
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
pub(super) fn precise(
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
pub(super) fn add(
    request: Request<'_>,
    index: &dyn CrateIndex,
    workspace: &mut Workspace,
    plan: &mut Plan,
) -> BTreeSet<String> {
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
            Err(_) if invocation.flag("--git").is_some_and(|f| f.value.as_ref() == Some(&wanted.text)) => {
                let reason =
                    "which packages a repository holds is known only from a checkout: name the one that is added";
                Err(unreadable(&format!("--git {}", redact_url(&wanted.text)), &wanted.location, reason.to_owned()))
            }
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
pub(super) fn put(manifest: &mut Manifest, dependency: ManifestDependency) {
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

pub(super) fn unreadable(text: &str, location: &Location, reason: String) -> Unresolved {
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
pub(super) fn requested(
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
pub(super) fn newest(
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
        for range in ["", ">=0.0.0-0"] {
            let requirement = if range.is_empty() { None } else { Requirement::parse(range) };
            let requirement = requirement.unwrap_or_else(Requirement::any);
            let dependency = wanted(&mut universe, &spelling, source, requirement, range);
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
