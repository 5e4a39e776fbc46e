//! The dependency graph of a command: every edge, what it gets, and what that asks for in turn.
//!
//! For each edge the lockfile's package where there is one that satisfies it, else the version npm itself would pick.
//! npm places only what some edge picked, what the lockfile holds, or what is there already, so the union over the
//! edges is enough for npm's own placement, wherever it puts things. Breadth first, so that every level is one batch
//! of requests; bounded in packages and edges.

mod route;
mod take;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use self::text::out_of_reach;
use self::text::{asked, range_of, redact_spec};
use super::overrides::{Context, Overrides};
use super::pick::{Picker, satisfied};
use super::project::{Finder, Project};
use super::release;
use super::settings::Settings;
use super::verify::Verifier;
use crate::ecosystem::npm::lock::{LockedDependency, LockedPackage, LockedSource, Lockfile};
use crate::ecosystem::npm::manifest::{DependencyKind, Manifest};
use crate::ecosystem::npm::semver::{Options, Range};
use crate::ecosystem::npm::spec::{self, GitSpec, Spec};
use crate::model::{
    Ecosystem, Execution, HeldBack, LineIndex, Location, LockIssue, LockIssueKind, LockState, Origin, Package,
    PackageId, PackageName, Pinning, Source, Unresolved, UnresolvedCause, redact_url,
};
use crate::registry::{FetchError, NpmRegistry};

/// More packages than any project has.
const MAX_PACKAGES: usize = 20_000;
/// More edges than any project has.
const MAX_EDGES: usize = 1_000_000;

/// Why an edge is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Production,
    Development,
    Optional,
    Peer,
    /// Wanted only if something else brings it.
    OptionalPeer,
}

impl Kind {
    pub(super) fn of(kind: DependencyKind, optional_peer: bool) -> Self {
        match kind {
            DependencyKind::Production => Self::Production,
            DependencyKind::Development => Self::Development,
            DependencyKind::Optional => Self::Optional,
            DependencyKind::Peer if optional_peer => Self::OptionalPeer,
            DependencyKind::Peer => Self::Peer,
        }
    }

    fn dependency(self) -> DependencyKind {
        match self {
            Self::Production => DependencyKind::Production,
            Self::Development => DependencyKind::Development,
            Self::Optional => DependencyKind::Optional,
            Self::Peer | Self::OptionalPeer => DependencyKind::Peer,
        }
    }
}

/// Where the lockfile is asked for an edge.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// A manifest of the project: its directory relative to the root.
    Importer(String),
    /// A package of the lockfile, and its dependency there.
    Locked(usize, LockedDependency),
    /// A package that was picked now, or a word of the command line.
    Fresh,
}

/// One requirement on its way to be settled.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// The node that asks; `None`: the command or a manifest of the project.
    pub by: Option<usize>,
    /// The node through which that one was reached: what it asked for serves the peers of `by`.
    pub above: Option<usize>,
    /// Where the lockfile is asked.
    pub from: From,
    /// The name under which it is installed; `None` where only fetching it tells.
    pub name: Option<String>,
    /// The text beside it.
    pub text: String,
    /// What the text was read as; `None`: to be read together with the name.
    pub spec: Option<Spec>,
    /// Why it is there.
    pub kind: Kind,
    /// Where it stands.
    pub location: Location,
    /// The directory that paths are relative to.
    pub directory: PathBuf,
    /// Where the package that asks stands among the overrides.
    pub context: Context,
    /// Named on the command line: the lockfile does not count.
    pub explicit: bool,
    /// Its dependencies are not wanted (`npm pack`).
    pub alone: bool,
}

impl Edge {
    /// What a setting of the project asks for, before all else and whatever a lockfile says.
    pub fn set(package: &str, version: &str, kind: Kind, location: Location, directory: &Path) -> Self {
        let text = format!("{package}@{version}");
        Self {
            by: None,
            above: None,
            from: From::Fresh,
            name: Some(package.to_owned()),
            spec: Some(spec::parse(&text).spec),
            text,
            kind,
            location,
            directory: directory.to_owned(),
            context: Arc::from([]),
            explicit: true,
            alone: false,
        }
    }
}

/// What an edge is to get.
enum Step {
    /// A package of the lockfile.
    Locked(usize),
    /// A node that is there already.
    Node(usize),
    /// The registry's package of this name.
    Registry(PackageName, Spec),
    /// Anything else.
    Elsewhere(Spec),
}

/// A package of the graph.
pub(super) struct Node {
    pub package: Package,
    /// The nodes it asked for, and why.
    pub out: Vec<(usize, Kind)>,
}

/// A requirement that came to nothing, kept until it is known whether it matters.
struct Failure {
    by: Option<usize>,
    kind: Kind,
    unresolved: Unresolved,
}

/// The graph while it grows.
pub(super) struct Graph<'a> {
    pub settings: &'a Settings,
    pub project: &'a Project,
    pub registry: &'a dyn NpmRegistry,
    pub picker: Picker<'a>,
    pub finder: &'a Finder<'a>,
    pub home: Option<&'a Path>,
    pub verifier: Verifier<'a>,
    overrides: Overrides,
    lines: Option<LineIndex<'a>>,
    pub nodes: Vec<Node>,
    index: FxHashMap<(PackageId, Source), usize>,
    locked: FxHashMap<usize, usize>,
    expanded: FxHashSet<(usize, Context)>,
    /// Packages whose peers were looked at on behalf of those that asked for them.
    peers_seen: FxHashSet<(usize, Option<usize>)>,
    members: FxHashMap<String, usize>,
    /// What the project's own edges got, by name: peers settle for it.
    top: FxHashMap<String, Vec<usize>>,
    /// Direct edges: the node, and why.
    pub direct: Vec<(usize, Kind)>,
    /// Optional peers to look at when everything else is settled.
    waiting: Vec<Edge>,
    failures: Vec<Failure>,
    pub held_back: Vec<HeldBack>,
    pub lock_issues: Vec<LockIssue>,
    pub unresolved: Vec<Unresolved>,
    edges: usize,
    stopped: bool,
}

fn npm_name(name: &str) -> PackageName {
    PackageName::new(Ecosystem::Npm, name)
}

impl<'a> Graph<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        project: &'a Project,
        registry: &'a dyn NpmRegistry,
        picker: Picker<'a>,
        finder: &'a Finder<'a>,
        home: Option<&'a Path>,
    ) -> Self {
        let overrides =
            project.manifest.as_ref().map_or_else(Overrides::default, |m| Overrides::new(m, &project.overrides));
        Self {
            settings,
            project,
            registry,
            picker,
            finder,
            home,
            verifier: Verifier::new(registry, settings.verify_lock),
            overrides,
            lines: project.lock.as_ref().map(|lock| LineIndex::new(&lock.text)),
            nodes: Vec::new(),
            index: FxHashMap::default(),
            locked: FxHashMap::default(),
            expanded: FxHashSet::default(),
            peers_seen: FxHashSet::default(),
            members: FxHashMap::default(),
            top: FxHashMap::default(),
            direct: Vec::new(),
            waiting: Vec::new(),
            failures: Vec::new(),
            held_back: Vec::new(),
            lock_issues: Vec::new(),
            unresolved: Vec::new(),
            edges: 0,
            stopped: false,
        }
    }

    fn lock(&self) -> Option<&'a Lockfile> {
        self.project.lock.as_ref().filter(|_| self.settings.use_lock)
    }

    /// Location of a byte offset of the lockfile.
    fn lock_location(&self, offset: usize) -> Location {
        match (&self.project.lock, &self.lines) {
            (Some(lock), Some(lines)) => lines.location(&lock.path, offset),
            _ => Location::built_in(),
        }
    }

    /// The workspace's members, as packages that are never fetched.
    pub(super) fn add_members(&mut self) {
        for member in &self.project.members {
            let version = member.manifest.version.as_deref().unwrap_or("0");
            let id = PackageId::new(npm_name(member.name()), version);
            let source = Source::Workspace { path: self.finder.shown(&member.directory) };
            let origin = Origin {
                text: member.relative.clone(),
                range: None,
                location: Location::file(member.manifest.path.clone()),
            };
            let package = release::bare(id, source, origin, Pinning::Exact, LockState::Unlocked);
            let node = self.node(package);
            self.members.insert(member.name().to_owned(), node);
            self.direct.push((node, Kind::Production));
        }
    }

    /// The edges of a manifest of the project, the names in `but` left out.
    pub(super) fn importer_edges(
        &self,
        manifest: &Manifest,
        relative: &str,
        directory: &Path,
        but: &[String],
    ) -> Vec<Edge> {
        let lines = LineIndex::new(&manifest.text);
        let optional: FxHashSet<&str> = manifest.of_kind(DependencyKind::Optional).map(|d| d.name.as_str()).collect();
        let wanted = |d: &&crate::ecosystem::npm::manifest::Dependency| {
            // npm takes a name in both tables for an optional one.
            !(but.contains(&d.name) || d.kind == DependencyKind::Production && optional.contains(d.name.as_str()))
        };
        manifest
            .dependencies
            .iter()
            .filter(wanted)
            .map(|d| Edge {
                by: None,
                above: None,
                from: From::Importer(relative.to_owned()),
                name: Some(d.name.clone()),
                text: d.spec.clone(),
                spec: None,
                kind: Kind::of(d.kind, manifest.optional_peers.contains(&d.name)),
                location: lines.location(&manifest.path, d.offset),
                directory: directory.to_owned(),
                context: Arc::from([]),
                explicit: false,
                alone: false,
            })
            .collect()
    }

    /// Settles every edge and all that follow from it.
    pub(super) fn grow(&mut self, seeds: Vec<Edge>) {
        let mut frontier: Vec<Edge> = seeds.into_iter().filter(|e| self.settings.wants(e.kind)).collect();
        if let Some(lock) = self.lock() {
            self.verifier.prefetch(lock);
        }
        while !frontier.is_empty() && !self.stopped {
            let mut steps: Vec<(Edge, Step)> = Vec::with_capacity(frontier.len());
            for edge in frontier {
                for step in self.route(&edge) {
                    steps.push((edge.clone(), step));
                }
            }
            self.prefetch(&steps);
            let mut next = Vec::new();
            for (edge, step) in steps {
                self.take(edge, step, &mut next);
            }
            self.edges += next.len();
            if self.edges > MAX_EDGES || self.nodes.len() > MAX_PACKAGES {
                self.stop();
                return;
            }
            if next.is_empty() {
                next = self.disputed_optional_peers();
            }
            frontier = next;
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.unresolved.push(Unresolved {
            requirement: "the whole project".to_owned(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::LimitExceeded,
            reason: format!("more than {MAX_PACKAGES} packages or {MAX_EDGES} requirements"),
        });
    }

    fn prefetch(&self, steps: &[(Edge, Step)]) {
        let mut names: Vec<PackageName> = steps
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Registry(name, _) => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        if !names.is_empty() {
            self.registry.prefetch(&names);
        }
    }

    fn fail(&mut self, edge: &Edge, text: &str, spec: &Spec, cause: UnresolvedCause, reason: String) {
        let name = edge.name.as_deref().filter(|n| !n.is_empty()).map(npm_name);
        self.record_failure(edge, text, name, range_of(spec), cause, reason);
    }

    fn fail_named(
        &mut self,
        edge: &Edge,
        text: &str,
        name: &PackageName,
        spec: &Spec,
        cause: UnresolvedCause,
        reason: String,
    ) {
        self.record_failure(edge, text, Some(name.clone()), range_of(spec), cause, reason);
    }

    fn record_failure(
        &mut self,
        edge: &Edge,
        text: &str,
        name: Option<PackageName>,
        range: Option<String>,
        cause: UnresolvedCause,
        reason: String,
    ) {
        let requirement = match (&edge.spec, &edge.name) {
            (None, Some(name)) => format!("{name}@{text}"),
            _ => text.to_owned(),
        };
        let unresolved = Unresolved {
            requirement: redact_spec(&requirement),
            name,
            range,
            location: Some(edge.location.clone()),
            cause,
            reason,
        };
        self.failures.push(Failure { by: edge.by, kind: edge.kind, unresolved });
    }

    /// `npm ci` and its like: entries that nothing asked for are in the plan too, unless only what is left out asks
    /// for them. Better judged in vain than not at all.
    pub(super) fn add_unasked(&mut self, omitted: &[Edge]) {
        let Some(lock) = self.lock() else { return };
        let mut left_out: FxHashSet<usize> = FxHashSet::default();
        let mut pending: Vec<usize> = omitted
            .iter()
            .filter_map(|edge| match (&edge.from, &edge.name) {
                (From::Importer(path), Some(name)) => {
                    lock.importer_dependency(path, &asked(lock, path, name, &edge.text, edge.kind))
                }
                _ => None,
            })
            .collect();
        // What is left out below a package that is kept: its optional dependencies, its peers.
        for at in self.locked.keys() {
            let Some(package) = lock.packages.get(*at) else { continue };
            for dependency in &package.dependencies {
                if !self.settings.wants(Kind::of(dependency.kind, dependency.optional_peer)) {
                    pending.extend(lock.package_dependency(*at, dependency));
                }
            }
        }
        while let Some(at) = pending.pop() {
            if self.locked.contains_key(&at) || !left_out.insert(at) {
                continue;
            }
            if let Some(package) = lock.packages.get(at) {
                pending.extend(package.dependencies.iter().filter_map(|d| lock.package_dependency(at, d)));
            }
        }
        for (at, package) in lock.packages.iter().enumerate() {
            if !self.locked.contains_key(&at) && !left_out.contains(&at) && self.nodes.len() <= MAX_PACKAGES {
                let node = self.locked_node(at, package, None);
                self.direct.push((node, if package.dev { Kind::Development } else { Kind::Production }));
                if let Some(node) = self.nodes.get_mut(node) {
                    node.package.depth = 1;
                }
            }
        }
    }

    /// Depths, who requires what, what is only for development, and which failures matter.
    pub(super) fn finish(&mut self) -> Vec<Package> {
        let count = self.nodes.len();
        let mut depth: Vec<Option<u32>> = vec![None; count];
        let mut level: Vec<usize> = self.direct.iter().map(|(node, _)| *node).collect();
        let mut steps = 0;
        while !level.is_empty() {
            let mut below = Vec::new();
            for at in level {
                if let Some(slot @ None) = depth.get_mut(at) {
                    *slot = Some(steps);
                    below.extend(self.nodes.get(at).into_iter().flat_map(|n| n.out.iter().map(|(to, _)| *to)));
                }
            }
            level = below;
            steps += 1;
        }
        let production = self.reach(|kind| kind != Kind::Development);
        let required = self.reach(|kind| kind != Kind::Optional);
        let mut parents: Vec<Vec<PackageId>> = vec![Vec::new(); count];
        for node in &self.nodes {
            for (to, _) in &node.out {
                if let Some(list) = parents.get_mut(*to) {
                    list.push(node.package.id.clone());
                }
            }
        }
        for failure in std::mem::take(&mut self.failures) {
            let optional = failure.kind == Kind::Optional
                || failure.by.is_some_and(|by| !required.get(by).copied().unwrap_or(false));
            let harmless = matches!(
                failure.unresolved.cause,
                UnresolvedCause::UnknownPackage | UnresolvedCause::NoMatchingVersion
            );
            // npm goes on without an optional package that is not there; what could not be asked is another matter.
            if !(optional && harmless) {
                self.unresolved.push(failure.unresolved);
            }
        }
        let direct: FxHashSet<usize> = self.direct.iter().map(|(node, _)| *node).collect();
        let nodes = std::mem::take(&mut self.nodes).into_iter().enumerate();
        nodes
            .zip(parents)
            .map(|((at, node), required_by)| {
                let mut package = node.package;
                let unasked = package.depth == 1;
                package.depth = if unasked { 1 } else { depth.get(at).copied().flatten().unwrap_or(1) };
                package.direct = direct.contains(&at) && !unasked;
                package.development = !production.get(at).copied().unwrap_or(false);
                package.required_by = required_by;
                package
            })
            .collect()
    }

    /// The nodes reachable over edges of some kinds.
    fn reach(&self, along: impl Fn(Kind) -> bool) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut pending: Vec<usize> = self.direct.iter().filter(|(_, kind)| along(*kind)).map(|(n, _)| *n).collect();
        while let Some(at) = pending.pop() {
            if let Some(slot @ false) = seen.get_mut(at) {
                *slot = true;
                pending.extend(
                    self.nodes
                        .get(at)
                        .into_iter()
                        .flat_map(|n| n.out.iter().filter(|(_, k)| along(*k)).map(|(to, _)| *to)),
                );
            }
        }
        seen
    }

    /// What the lockfile says a manifest asked for when it was written, and the manifest no longer does.
    pub(super) fn forgotten(&mut self, manifest: &Manifest, relative: &str) {
        let Some(lock) = self.lock() else { return };
        let Some(importer) = lock.importers.iter().find(|i| i.path == relative) else { return };
        for dependency in &importer.dependencies {
            let still = manifest.dependencies.iter().any(|d| d.name == dependency.name);
            if !still {
                let issue = LockIssue {
                    kind: LockIssueKind::Drift,
                    package: None,
                    location: self.lock_location(dependency.offset),
                    expected: "nothing".to_owned(),
                    found: format!("{}@{}", dependency.name, dependency.spec),
                };
                self.lock_issues.push(issue);
            }
        }
    }
}
