//! From a solution to a plan: who requires whom, how deep, by which files, and what the cooldown left out.
//! In: the catalog, the roots, the pins. Out: the packages of a [`Plan`].

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::catalog::{Catalog, Name, Need, Node};
use super::pool::{From, Pool, Release, digest_allowed};
use super::search::{admitted, hidden, list};
use crate::ecosystem::python::requirement::Requirement;
use crate::ecosystem::python::version::Version;
use crate::model::{
    Artifact, ArtifactKind, Execution, HeldBack, Location, LockState, Origin, Package, PackageId, Pinning, Plan,
    PreviousRelease, ReleaseHistory, Source, Unresolved, UnresolvedCause,
};
use crate::registry::python::File;
use crate::resolve::history::{self, Sibling};

/// A requirement of the command itself, or of a file that it reads.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// What is needed: the project, then its extras.
    pub(super) needs: Vec<Rc<Need>>,
    /// As written.
    pub(super) text: Rc<str>,
    /// Where.
    pub(super) location: Location,
    /// Only for development, tests or builds.
    pub(super) development: bool,
}

/// A node as the walk over the solution reached it first.
#[derive(Clone)]
struct Reached {
    depth: u32,
    need: Rc<Need>,
    location: Location,
    development: bool,
    root: bool,
}

/// Adds everything that a solution brings in.
pub(super) fn fill(plan: &mut Plan, catalog: &Catalog<'_>, roots: &[Root], pins: &FxHashMap<Node, u32>) {
    let (order, reached, edges) = walk(catalog, roots, pins);
    let id_of = |name: Name| -> Option<PackageId> {
        let pool = catalog.pool(name);
        let release = pool.release(*pins.get(&catalog.node(name, None))?)?;
        (release.from != From::Installed)
            .then(|| PackageId::new(catalog.package_name(name), &release.version.to_string()))
    };
    for name in order {
        let base = catalog.node(name, None);
        let (Some(&index), Some(first)) = (pins.get(&base), reached.get(&name)) else { continue };
        let pool = catalog.pool(name);
        let Some(release) = pool.release(index) else { continue };
        let parents = edges.get(&name).map(Vec::as_slice).unwrap_or_default();
        let needs: Vec<Rc<Need>> = parents.iter().map(|(_, need)| Rc::clone(need)).collect();
        report_unknown(plan, catalog, name, index, first);
        report_foreign(plan, catalog, name, index, pins, first);
        let Some(id) = id_of(name) else { continue };
        let mut required_by: Vec<PackageId> =
            parents.iter().filter_map(|(parent, _)| *parent).filter(|p| *p != name).filter_map(id_of).collect();
        required_by.sort();
        required_by.dedup();
        let mut package = Package {
            id,
            source: Source::Registry { url: String::new() },
            direct: first.root,
            depth: first.depth,
            required_by,
            origin: origin(&first.need, &first.location),
            pinning: pinning(catalog, name, &first.need, first.root),
            lock: lock_state(catalog, name, release),
            development: first.development,
            published_at: release.published,
            first_published_at: pool.first_published,
            withdrawn: None,
            artifacts: Vec::new(),
            executes: Vec::new(),
            also_in: Vec::new(),
            history: None,
        };
        match release.from {
            From::Index => {
                from_index(&mut package, &pool, index, &needs);
                package.history = history(&pool, &release.version).map(Box::new);
                if let Some(held) = held_back(catalog, name, &pool, index, &needs) {
                    plan.held_back.push(held);
                }
            }
            From::Direct(number) => {
                if let Some(direct) = catalog.direct.get(number) {
                    package.source = direct.source.clone();
                    package.origin.range = None;
                    package.pinning = direct_pinning(&direct.source, !direct.digests.is_empty());
                    if direct.builds {
                        package.executes.push(Execution::PythonBuild);
                    }
                    package.executes.extend(direct.starts_code.clone());
                    if let (Some(filename), Source::Url { url }) = (&direct.filename, &direct.source) {
                        package.artifacts.push(Artifact {
                            kind: kind_of(filename),
                            filename: filename.clone(),
                            url: url.clone(),
                            digests: direct.digests.clone(),
                            size: None,
                            published_at: None,
                        });
                    }
                }
            }
            From::Installed => {}
        }
        plan.packages.push(package);
    }
}

/// The release among the others of its project page, which says nothing of accounts, attestations or requirements.
pub(super) fn history(pool: &Pool, version: &Version) -> Option<ReleaseHistory> {
    let siblings: Vec<Sibling<&Version>> = pool
        .timeline
        .iter()
        .map(|(version, published)| {
            let number = |at: usize| version.release().get(at).copied().unwrap_or_default();
            Sibling {
                version,
                published: *published,
                prerelease: version.any_prerelease(),
                line: history::line(number(0), number(1)),
            }
        })
        .collect();
    let own = siblings.iter().find(|s| s.version == version)?;
    let among = history::among(own, &siblings, |a, b| a.cmp(b));
    let at = |index: usize| siblings.get(index);
    Some(ReleaseHistory {
        releases: siblings.len(),
        previous: among.previous.and_then(at).map(|s| PreviousRelease {
            version: s.version.to_string(),
            published_at: s.published,
            ..PreviousRelease::default()
        }),
        last_published_at: among.last_published_at,
        within_hour: among.within_hour.iter().filter_map(|i| at(*i)).map(|s| s.version.to_string()).collect(),
        ..ReleaseHistory::default()
    })
}

type Edges = FxHashMap<Name, Vec<(Option<Name>, Rc<Need>)>>;

/// Breadth first over the pins, so that each project is reached on a shortest way. An extra is as near as its project.
fn walk(
    catalog: &Catalog<'_>,
    roots: &[Root],
    pins: &FxHashMap<Node, u32>,
) -> (Vec<Name>, FxHashMap<Name, Reached>, Edges) {
    let mut order: Vec<Name> = Vec::new();
    let mut reached: FxHashMap<Name, Reached> = FxHashMap::default();
    let mut edges: Edges = FxHashMap::default();
    let mut seen: FxHashMap<Node, bool> = FxHashMap::default();
    let mut queue: VecDeque<(Node, Reached)> = VecDeque::new();
    for root in roots {
        for need in &root.needs {
            let (name, _) = catalog.node_name(need.node);
            edges.entry(name).or_default().push((None, Rc::clone(need)));
            let reached = Reached {
                depth: 0,
                need: Rc::clone(need),
                location: root.location.clone(),
                development: root.development,
                root: true,
            };
            queue.push_back((need.node, reached));
        }
    }
    while let Some((node, how)) = queue.pop_front() {
        let (name, _) = catalog.node_name(node);
        match reached.get_mut(&name) {
            None => {
                order.push(name);
                reached.insert(name, how.clone());
            }
            Some(known) => {
                if known.need.exactly.is_some() && how.need.exactly.is_none() {
                    known.need = Rc::clone(&how.need);
                }
                known.development &= how.development;
                known.root |= how.root;
            }
        }
        // A node first met through development is walked again when the project itself needs it.
        match seen.get(&node) {
            Some(false) => continue,
            Some(true) if how.development => continue,
            _ => {}
        }
        seen.insert(node, how.development);
        let Some(&index) = pins.get(&node) else { continue };
        for need in &catalog.deps(node, index).needs {
            let (child, _) = catalog.node_name(need.node);
            let same = child == name;
            if !same {
                edges.entry(child).or_default().push((Some(name), Rc::clone(need)));
            }
            let next = Reached {
                depth: how.depth + u32::from(!same),
                need: if same { Rc::clone(&how.need) } else { Rc::clone(need) },
                location: how.location.clone(),
                development: how.development,
                root: how.root && same,
            };
            // The project of an extra stands on the same step.
            if same { queue.push_front((need.node, next)) } else { queue.push_back((need.node, next)) }
        }
    }
    (order, reached, edges)
}

/// Whether a lockfile named this release.
fn lock_state(catalog: &Catalog<'_>, name: Name, release: &Release) -> LockState {
    let versions = catalog.preferred.get(&name).map(Vec::as_slice).unwrap_or_default();
    match versions.iter().find(|(v, _)| *v == release.version) {
        Some((_, true)) => LockState::LockedWithDigest,
        Some((_, false)) => LockState::Locked,
        None => LockState::Unlocked,
    }
}

fn origin(need: &Need, location: &Location) -> Origin {
    Origin { text: need.text.to_string(), range: Some(need.spec.text.clone()), location: location.clone() }
}

fn pinning(catalog: &Catalog<'_>, name: Name, need: &Need, root: bool) -> Pinning {
    let constraints = catalog.constraints.get(&name).map(Vec::as_slice).unwrap_or_default();
    let constrained = root && constraints.iter().any(|c| c.spec.pins);
    let hashed = !need.digests.is_empty() || (root && constraints.iter().any(|c| !c.digests.is_empty()));
    match (need.spec.pins || constrained, hashed) {
        (true, true) => Pinning::ExactHash,
        (true, false) => Pinning::Exact,
        (false, _) if need.spec.is_any() => Pinning::Floating,
        (false, _) => Pinning::Range,
    }
}

/// How tightly a source named outright fixes its bytes.
pub(super) fn direct_pinning(source: &Source, hashed: bool) -> Pinning {
    match source {
        Source::Git { commit: Some(_), .. } => Pinning::Exact,
        Source::Git { .. } => Pinning::Floating,
        _ if hashed => Pinning::ExactHash,
        Source::Path { .. } | Source::Workspace { .. } => Pinning::Exact,
        _ => Pinning::Floating,
    }
}

fn kind_of(filename: &str) -> ArtifactKind {
    if filename.ends_with(".whl") { ArtifactKind::Wheel } else { ArtifactKind::Sdist }
}

/// An index's file as an artifact.
pub(super) fn artifact(file: &File) -> Artifact {
    Artifact {
        kind: kind_of(&file.filename),
        filename: file.filename.clone(),
        url: file.url.clone(),
        digests: file.digests.clone(),
        size: file.size,
        published_at: file.upload_time,
    }
}

fn from_index(package: &mut Package, pool: &Pool, index: u32, needs: &[Rc<Need>]) {
    let Some(release) = pool.release(index) else { return };
    let allowed = |file: &File| needs.iter().all(|n| digest_allowed(file, &n.digests));
    let files: Vec<File> = release.choices.iter().filter_map(|c| pool.file(*c)).filter(|file| allowed(file)).collect();
    // An installer that can use a wheel does not build the sdist of the same release.
    let wheels = files.iter().any(|f| f.filename.ends_with(".whl"));
    package.artifacts = files.iter().filter(|f| !wheels || f.filename.ends_with(".whl")).map(artifact).collect();
    if let Some(first) = files.first() {
        package.source = Source::Registry { url: first.index.to_string() };
    }
    if !wheels {
        package.executes.push(Execution::PythonBuild);
    }
    if release.yanked {
        package.withdrawn = files.iter().find_map(|f| f.yanked.clone());
    }
    let Some(project) = &pool.project else { return };
    if package.withdrawn.is_none() && matches!(project.status.as_str(), "quarantined" | "deprecated" | "archived") {
        package.withdrawn = Some(format!("the project is {}", project.status));
    }
    let own = package.source.url();
    package.also_in = project.indexes.iter().map(ToString::to_string).filter(|url| *url != own).collect();
}

/// The newest release that everything in the solution permits, when the cooldown hid it.
fn held_back(catalog: &Catalog<'_>, name: Name, pool: &Pool, chosen: u32, needs: &[Rc<Need>]) -> Option<HeldBack> {
    catalog.freshness.cutoff?;
    let mut set = pubgrub::Ranges::full();
    let constraints = catalog.constraints.get(&name).map(Vec::as_slice).unwrap_or_default();
    let all = needs.iter().chain(constraints).map(|n| &**n).filter(|n| n.exactly.is_none());
    for need in all.clone() {
        set = set.intersection(&admitted(pool, need));
    }
    let visible = list(catalog, pool, all, &set).from_index;
    let hidden = hidden(catalog, name, pool, &visible);
    let (index, _) = visible.iter().zip(&hidden).find(|(index, hidden)| **hidden && **index > chosen)?;
    let held = pool.release(*index)?;
    Some(HeldBack {
        name: catalog.package_name(name),
        version: held.version.to_string(),
        instead: pool.release(chosen).map(|r| r.version.to_string()),
        rule: "cooldown",
        reason: catalog.freshness.age_text(held.published),
    })
}

fn report_unknown(plan: &mut Plan, catalog: &Catalog<'_>, name: Name, index: u32, first: &Reached) {
    let deps = catalog.deps(catalog.node(name, None), index);
    let Some((cause, reason)) = &deps.unknown else { return };
    let pool = catalog.pool(name);
    let version = pool.release(index).map(|r| r.version.to_string()).unwrap_or_default();
    let wheel = pool
        .releases
        .iter()
        .rev()
        .find(|r| r.has_wheel() && !r.yanked && !r.version.any_prerelease())
        .filter(|_| *cause == UnresolvedCause::NeedsExecution)
        .map(|r| format!("; {} is the newest release with a wheel", r.version))
        .unwrap_or_default();
    let package = catalog.package_name(name);
    plan.unresolved.push(Unresolved {
        requirement: first.need.text.to_string(),
        range: Some(first.need.spec.text.clone()),
        location: Some(first.location.clone()),
        cause: *cause,
        reason: format!("{package} {version}: {reason}{wheel}"),
        name: Some(package),
    });
}

/// Requirements on URLs, repositories and paths in metadata: listed, and what they require stays unknown.
fn report_foreign(
    plan: &mut Plan,
    catalog: &Catalog<'_>,
    name: Name,
    index: u32,
    pins: &FxHashMap<Node, u32>,
    first: &Reached,
) {
    let mut nodes: Vec<Node> = pins.keys().copied().filter(|n| catalog.node_name(*n).0 == name).collect();
    nodes.sort_unstable();
    for node in nodes {
        for foreign in &catalog.deps(node, index).foreign {
            plan.unresolved.push(Unresolved {
                requirement: foreign.text.clone(),
                name: Some(foreign.requirement.name.clone()),
                range: None,
                location: Some(first.location.clone()),
                cause: UnresolvedCause::Unsupported,
                reason: format!("{} requires it from outside any index", catalog.package_name(name)),
            });
            plan.packages.push(foreign_package(&foreign.requirement, &foreign.text, first));
        }
    }
}

fn foreign_package(requirement: &Requirement, text: &str, first: &Reached) -> Package {
    use crate::ecosystem::python::direct::Direct;
    let direct = Direct::from_requirement(requirement, std::path::Path::new("/"));
    let source = direct.as_ref().map_or(Source::Url { url: String::new() }, |d| d.source.clone());
    let version = direct.as_ref().and_then(|d| d.version.clone()).unwrap_or_else(|| "0".to_owned());
    Package {
        id: PackageId::new(requirement.name.clone(), &version),
        direct: false,
        depth: first.depth + 1,
        required_by: Vec::new(),
        origin: Origin { text: text.to_owned(), range: None, location: first.location.clone() },
        pinning: direct_pinning(&source, direct.as_ref().is_some_and(|d| !d.digests.is_empty())),
        lock: LockState::Unlocked,
        development: first.development,
        published_at: None,
        first_published_at: None,
        withdrawn: None,
        artifacts: Vec::new(),
        executes: if direct.and_then(|d| d.filename()).is_some_and(|f| f.ends_with(".whl")) {
            Vec::new()
        } else {
            vec![Execution::PythonBuild]
        },
        also_in: Vec::new(),
        history: None,
        source,
    }
}
