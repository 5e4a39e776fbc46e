//! The dependency graph of a command: every edge, what it gets, and what that asks for in turn.
//!
//! For each edge the lockfile's package where there is one that satisfies it, else the version npm itself would pick.
//! npm places only what some edge picked, what the lockfile holds, or what is there already, so the union over the
//! edges is enough for npm's own placement, wherever it puts things. Breadth first, so that every level is one batch
//! of requests; bounded in packages and edges.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

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

    /// An optional peer is not installed for its own sake; but where something else brought a version that the range
    /// refuses, npm looks for one that it admits.
    fn disputed_optional_peers(&mut self) -> Vec<Edge> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .filter(|edge| {
                let (Some(name), spec) = (&edge.name, spec::resolve(edge.name.as_deref(), &edge.text)) else {
                    return false;
                };
                let versions: Vec<&str> = self
                    .nodes
                    .iter()
                    .filter(|n| n.package.id.name.canonical() == name)
                    .map(|n| &*n.package.id.version)
                    .collect();
                !versions.is_empty() && !versions.iter().any(|v| satisfied(&spec, v))
            })
            .map(|edge| Edge { kind: Kind::Peer, from: From::Fresh, ..edge })
            .collect()
    }

    /// What an edge is to get: overrides, then the lockfile, then the sources outside it.
    fn route(&mut self, edge: &Edge) -> Vec<Step> {
        let (text, spec) = self.read(edge);
        let Some(spec) = spec else { return Vec::new() };
        if let Spec::Invalid(reason) = &spec {
            self.fail(edge, &text, &spec, UnresolvedCause::Unsupported, reason.clone());
            return Vec::new();
        }
        let mut steps = Vec::new();
        let from_lock = self.lock().filter(|_| !edge.explicit && !self.settings.updates(edge.name.as_deref()));
        if let Some(lock) = from_lock {
            if self.route_locked(lock, edge, &text, &spec, &mut steps) {
                return steps;
            }
            if self.settings.frozen {
                return steps;
            }
        }
        if edge.kind == Kind::OptionalPeer {
            self.waiting.push(edge.clone());
            return steps;
        }
        steps.extend(self.route_fresh(edge, &text, spec));
        steps
    }

    /// The edge's text after overrides, and what it is. `None`: an override takes the edge away.
    fn read(&mut self, edge: &Edge) -> (String, Option<Spec>) {
        if let Some(spec) = &edge.spec {
            return (edge.text.clone(), Some(spec.clone()));
        }
        let name = edge.name.as_deref().unwrap_or("");
        let (value, _) = self.overrides.apply(&edge.context, name, &edge.text);
        match value {
            Some(value) if value == "-" && self.settings.is_pnpm() => (value, None),
            Some(value) => {
                let root = matches!(&edge.from, From::Importer(path) if path.is_empty()) && edge.by.is_none();
                if root && value != edge.text && self.settings.is_npm() {
                    let reason = format!("the manifest overrides its own dependency `{}` with `{value}`", edge.text);
                    let spec = spec::resolve(Some(name), &edge.text);
                    self.fail(edge, &edge.text, &spec, UnresolvedCause::Conflict, reason);
                }
                let spec = spec::resolve(Some(name), &value);
                (value, Some(spec))
            }
            None => (edge.text.clone(), Some(spec::resolve(Some(name), &edge.text))),
        }
    }

    /// The lockfile's answer. `true`: the edge is settled by it.
    fn route_locked(
        &mut self,
        lock: &'a Lockfile,
        edge: &Edge,
        text: &str,
        spec: &Spec,
        steps: &mut Vec<Step>,
    ) -> bool {
        let Some(name) = edge.name.as_deref() else { return false };
        let here = match &edge.from {
            From::Importer(path) => lock.importer_dependency(path, &asked(lock, path, name, text, edge.kind)),
            From::Locked(package, dependency) => lock
                .package_dependency(
                    *package,
                    &LockedDependency { spec: locked_text(dependency, text), ..dependency.clone() },
                )
                .or_else(|| lock.package_dependency(*package, dependency)),
            From::Fresh => lock
                .importer_dependency("", &asked(lock, "", name, text, edge.kind))
                .filter(|at| lock.packages.get(*at).is_some_and(|p| self.locked_satisfies(spec, p, &edge.directory))),
        };
        let fresh = matches!(edge.from, From::Fresh);
        match here.and_then(|at| Some((at, lock.packages.get(at)?))) {
            Some((at, package)) => {
                if fresh || self.locked_satisfies(spec, package, &edge.directory) {
                    steps.push(Step::Locked(at));
                    self.compare_source(edge, spec, package, name);
                    return !self.settings.both;
                }
                let peer = matches!(edge.kind, Kind::Peer | Kind::OptionalPeer);
                if peer && matches!(edge.from, From::Locked(..)) {
                    // A peer that was overruled when the lockfile was written stays so.
                    steps.push(Step::Locked(at));
                    return true;
                }
                let found = package.version.clone().unwrap_or_else(|| "another source".to_owned());
                self.drift(edge, text, Some(package), &format!("{name} {found}"));
                if self.settings.frozen {
                    steps.push(Step::Locked(at));
                }
                false
            }
            None => {
                let silent = matches!(edge.kind, Kind::Peer | Kind::OptionalPeer) || fresh;
                let workspace = self.members.contains_key(name);
                if !silent && !workspace {
                    self.drift(edge, text, None, "nothing");
                }
                edge.kind == Kind::OptionalPeer && !fresh
            }
        }
    }

    fn drift(&mut self, edge: &Edge, text: &str, package: Option<&LockedPackage>, found: &str) {
        let name = edge.name.as_deref().unwrap_or("");
        let location = match &edge.from {
            From::Locked(_, dependency) => self.lock_location(dependency.offset),
            _ => edge.location.clone(),
        };
        let issue = LockIssue {
            kind: LockIssueKind::Drift,
            package: package.and_then(locked_id),
            location,
            expected: format!("{name}@{text}"),
            found: found.to_owned(),
        };
        if !self.lock_issues.contains(&issue) {
            self.lock_issues.push(issue);
        }
    }

    /// A registry requirement that the lockfile meets from elsewhere, or under another package's name.
    fn compare_source(&mut self, edge: &Edge, spec: &Spec, package: &LockedPackage, name: &str) {
        let wanted = match spec {
            Spec::Version(_) | Spec::Range(_) | Spec::Tag(_) => name,
            Spec::Alias { name, .. } | Spec::Jsr { name, .. } => name.as_str(),
            _ => return,
        };
        // An override below this edge may have put something else here.
        if edge.spec.is_none() && !self.overrides.is_empty() && matches!(edge.from, From::Locked(..)) {
            return;
        }
        let elsewhere = match &package.source {
            LockedSource::Git { url, .. } | LockedSource::Remote { url } => Some(url.clone()),
            LockedSource::File { path } => Some(path.clone()),
            _ => None,
        };
        let (kind, expected, found) = match elsewhere {
            Some(found) => (LockIssueKind::ForeignUrl, format!("{wanted} from its registry"), found),
            None if package.name != wanted && matches!(package.source, LockedSource::Registry { .. }) => {
                (LockIssueKind::NameMismatch, wanted.to_owned(), package.name.clone())
            }
            None => return,
        };
        let location = self.lock_location(package.offset);
        let issue = LockIssue { kind, package: locked_id(package), location, expected, found: redact_url(&found) };
        if !self.lock_issues.contains(&issue) {
            self.lock_issues.push(issue);
        }
    }

    /// Whether a locked package is what a spec asks for, as npm decides it.
    fn locked_satisfies(&self, spec: &Spec, package: &LockedPackage, directory: &Path) -> bool {
        let version = match (&package.version, &package.source) {
            (Some(version), _) => Some(version.clone()),
            (None, LockedSource::Directory { path, .. }) => {
                self.member_at(path).and_then(|at| self.nodes.get(at)).map(|n| n.package.id.version.to_string())
            }
            _ => None,
        };
        let directory_source = matches!(package.source, LockedSource::Directory { .. });
        match spec {
            Spec::Version(_) | Spec::Range(_) => match version {
                Some(version) => satisfied(spec, &version),
                None => directory_source || matches!(spec, Spec::Range(text) if text == "*" || text.is_empty()),
            },
            Spec::Tag(_) => !directory_source,
            Spec::Alias { name: real, spec } | Spec::Jsr { name: real, spec } => {
                package.name == *real && self.locked_satisfies(spec, package, directory)
            }
            Spec::Git(wanted) => match &package.source {
                LockedSource::Git { url, commit } => {
                    same_repository(wanted, url) && same_commit(wanted, commit.as_deref())
                }
                // yarn and pnpm fetch known hosts' repositories as archives.
                LockedSource::Registry { tarball: Some(url) } | LockedSource::Remote { url } => {
                    wanted.commit().is_none_or(|commit| url.contains(commit)) && same_project(wanted, url)
                }
                _ => false,
            },
            Spec::Remote(wanted) => match &package.source {
                LockedSource::Registry { tarball: Some(url) } | LockedSource::Remote { url } => {
                    url == wanted.split('#').next().unwrap_or(wanted)
                }
                _ => false,
            },
            Spec::File(_) => matches!(package.source, LockedSource::File { .. }),
            Spec::Directory(path) => match &package.source {
                LockedSource::Directory { path: locked, .. } => {
                    let locked = crate::model::lexical(&self.project.root.join(locked));
                    locked == path.resolve(directory, self.home)
                }
                // `install-links` packs the directory.
                LockedSource::File { .. } => true,
                _ => false,
            },
            Spec::Link(_) | Spec::Workspace(_) => directory_source,
            Spec::Catalog(_) | Spec::Patch(_) => true,
            Spec::Invalid(_) => false,
        }
    }

    fn member_at(&self, relative: &str) -> Option<usize> {
        let relative = relative.trim_start_matches("./").trim_end_matches('/');
        let member = self.project.members.iter().find(|m| m.relative == relative)?;
        self.members.get(member.name()).copied()
    }

    /// Sources outside the lockfile.
    fn route_fresh(&mut self, edge: &Edge, text: &str, spec: Spec) -> Option<Step> {
        let name = edge.name.as_deref();
        let registry_spec = matches!(spec, Spec::Version(_) | Spec::Range(_));
        if let Some(member) = name.and_then(|n| self.members.get(n)).copied()
            && !edge.explicit
        {
            let version = self.nodes.get(member).map(|n| n.package.id.version.to_string()).unwrap_or_default();
            let unversioned = version == "0" && matches!(&spec, Spec::Range(t) if t == "*" || t.is_empty());
            if matches!(spec, Spec::Workspace(_)) || (registry_spec && (satisfied(&spec, &version) || unversioned)) {
                return Some(Step::Node(member));
            }
        }
        match spec {
            Spec::Version(_) | Spec::Range(_) | Spec::Tag(_) => match name {
                Some(name) => {
                    if edge.kind == Kind::Peer
                        && let Some(settled) = self.top_for(name, &spec).or_else(|| self.beside(edge, name, &spec))
                    {
                        return Some(Step::Node(settled));
                    }
                    Some(Step::Registry(npm_name(name), spec))
                }
                None => {
                    self.fail(edge, text, &spec, UnresolvedCause::Unsupported, "no package is named".to_owned());
                    None
                }
            },
            Spec::Alias { name, spec } => Some(Step::Registry(npm_name(&name), *spec)),
            Spec::Jsr { ref name, spec: ref inner } if !self.settings.is_npm() => {
                let real = npm_name(name);
                // jsr's packages are at a registry of their own; the default one must not be asked for them.
                if self.registry.registry_of(&real) == self.registry.registry_of(&npm_name("jsr")) {
                    let reason = "no registry is configured for the scope @jsr".to_owned();
                    self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                    return None;
                }
                Some(Step::Registry(real, (**inner).clone()))
            }
            Spec::Catalog(ref catalog) if !self.settings.is_npm() => {
                let range = name.and_then(|n| self.project.catalogs.get(catalog_name(catalog))?.get(n)).cloned();
                match range {
                    Some(range) => {
                        let spec = spec::resolve(name, &range);
                        if matches!(spec, Spec::Catalog(_)) { None } else { self.route_fresh(edge, &range, spec) }
                    }
                    None => {
                        let reason = "the workspace's catalog has no such entry".to_owned();
                        self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                        None
                    }
                }
            }
            Spec::Patch(ref inner) if self.settings.is_yarn() => {
                let requirement = (**inner).clone();
                let named = Edge { name: requirement.name.or_else(|| edge.name.clone()), ..edge.clone() };
                self.route_fresh(&named, text, requirement.spec)
            }
            Spec::Jsr { .. } | Spec::Catalog(_) | Spec::Patch(_) | Spec::Workspace(_) => {
                let reason = match spec {
                    Spec::Workspace(_) if !self.settings.is_npm() => "the workspace has no such member".to_owned(),
                    _ => format!("{} does not know this protocol", self.settings.tool.name()),
                };
                self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                None
            }
            other => Some(Step::Elsewhere(other)),
        }
    }

    /// What the project itself asked for under a peer's name, when the peer admits it: npm never fetches another then.
    fn top_for(&self, name: &str, spec: &Spec) -> Option<usize> {
        let settled = self.top.get(name)?;
        settled.iter().copied().find(|at| {
            self.nodes
                .get(*at)
                .is_some_and(|n| n.package.id.name.canonical() == name && satisfied(spec, &n.package.id.version))
        })
    }

    /// What the package that asked for this one asked for under a peer's name: npm loads a package's peers among the
    /// choices of the one that brought it, so that is what serves the peer.
    fn beside(&self, edge: &Edge, name: &str, spec: &Spec) -> Option<usize> {
        let above = self.nodes.get(edge.above?)?;
        above.out.iter().map(|(to, _)| *to).find(|to| {
            self.nodes
                .get(*to)
                .is_some_and(|n| n.package.id.name.canonical() == name && satisfied(spec, &n.package.id.version))
        })
    }

    fn take(&mut self, edge: Edge, step: Step, next: &mut Vec<Edge>) {
        if self.stopped {
            return;
        }
        match step {
            Step::Node(node) => self.connect(&edge, node),
            Step::Locked(at) => self.take_locked(&edge, at, next),
            Step::Registry(name, spec) => self.take_registry(&edge, &name, &spec, next),
            Step::Elsewhere(spec) => self.take_elsewhere(&edge, spec, next),
        }
    }

    fn connect(&mut self, edge: &Edge, node: usize) {
        match edge.by {
            Some(by) if by != node => {
                if let Some(parent) = self.nodes.get_mut(by)
                    && !parent.out.contains(&(node, edge.kind))
                {
                    parent.out.push((node, edge.kind));
                }
            }
            Some(_) => {}
            None => {
                if !self.direct.contains(&(node, edge.kind)) {
                    self.direct.push((node, edge.kind));
                }
                if let Some(name) = &edge.name {
                    let settled = self.top.entry(name.clone()).or_default();
                    if !settled.contains(&node) {
                        settled.push(node);
                    }
                }
            }
        }
    }

    /// The node of a package; the first requirement that brought it in stays its origin.
    fn node(&mut self, package: Package) -> usize {
        let key = (package.id.clone(), package.source.clone());
        if let Some(known) = self.index.get(&key) {
            let known = *known;
            if let Some(node) = self.nodes.get_mut(known) {
                for artifact in package.artifacts {
                    match node.package.artifacts.iter_mut().find(|a| a.url == artifact.url) {
                        Some(same) => release::join_digests(&mut same.digests, artifact.digests),
                        None => node.package.artifacts.push(artifact),
                    }
                }
                node.package.executes.extend(package.executes);
            }
            return known;
        }
        self.index.insert(key, self.nodes.len());
        self.nodes.push(Node { package, out: Vec::new() });
        self.nodes.len() - 1
    }

    fn take_registry(&mut self, edge: &Edge, name: &PackageName, spec: &Spec, next: &mut Vec<Edge>) {
        let text = &edge.text;
        let packument = match self.registry.packument(name) {
            Ok(packument) => packument,
            Err(error) => {
                let (cause, reason) = release::cause(&error);
                self.fail_named(edge, text, name, spec, cause, reason);
                return;
            }
        };
        let mut versions: Vec<String> = Vec::new();
        match self.picker.pick(&packument, name, spec) {
            Some(pick) => {
                self.held_back.extend(pick.held_back);
                versions.push(pick.version);
            }
            None => {
                let reason = if packument.versions.is_empty() {
                    "it has no versions".to_owned()
                } else {
                    "no published version matches".to_owned()
                };
                self.fail_named(edge, text, name, spec, UnresolvedCause::NoMatchingVersion, reason);
            }
        }
        let hint = self.hinted(name, text);
        if let Some(hint) = hint.filter(|v| packument.versions.contains(v) && !versions.contains(v)) {
            versions.push(hint);
        }
        for version in versions {
            let Some(about) = packument.versions.version(&version) else { continue };
            let origin = self.origin(edge, name, spec);
            let package = release::picked(name, &version, &about, &packument, origin, pinning(spec));
            let node = self.node(package);
            self.connect(edge, node);
            let context = self.context_below(edge);
            if edge.alone {
                continue;
            }
            // Peers depend on who asks; everything else is the same for all.
            let first = self.expanded.insert((node, Arc::clone(&context)));
            let new_parent = self.peers_seen.insert((node, edge.by));
            if first || new_parent {
                let mut below = self.edges_of_version(node, &about, edge, &context);
                below.retain(|e| first || e.kind == Kind::Peer);
                next.extend(below);
            }
        }
    }

    fn context_below(&self, edge: &Edge) -> Context {
        match &edge.name {
            Some(name) => self.overrides.apply(&edge.context, name, &edge.text).1,
            None => Arc::clone(&edge.context),
        }
    }

    /// The version that yarn.lock names for this requirement: npm takes it where it has no lockfile of its own.
    fn hinted(&self, name: &PackageName, text: &str) -> Option<String> {
        let lock = self.project.hints.as_ref()?;
        let at = lock.by_key(&format!("{}@{text}", name.written()))?;
        lock.packages.get(at)?.version.clone()
    }

    fn edges_of_version(
        &self,
        node: usize,
        about: &crate::registry::npm::Version,
        edge: &Edge,
        context: &Context,
    ) -> Vec<Edge> {
        let bundled = |name: &String| about.bundled.iter().any(|b| b == name);
        let tables = [
            (&about.dependencies, Kind::Production),
            (&about.optional_dependencies, Kind::Optional),
            (&about.peer_dependencies, Kind::Peer),
        ];
        let mut out = Vec::new();
        for (table, kind) in tables {
            for (name, text) in table {
                let optional_too = kind == Kind::Production && about.optional_dependencies.contains_key(name);
                // A dependency wins over a peer of the same name.
                let required_too = kind == Kind::Peer && about.dependencies.contains_key(name);
                if bundled(name) || optional_too || required_too {
                    continue;
                }
                let kind = match kind {
                    Kind::Peer if about.optional_peers.contains(name) => Kind::OptionalPeer,
                    kind => kind,
                };
                if self.settings.wants(kind)
                    && (self.settings.installs_peers || !matches!(kind, Kind::Peer | Kind::OptionalPeer))
                {
                    out.push(self.below(node, name, text, kind, edge, context));
                }
            }
        }
        out
    }

    fn below(&self, node: usize, name: &str, text: &str, kind: Kind, edge: &Edge, context: &Context) -> Edge {
        Edge {
            by: Some(node),
            above: edge.by,
            from: From::Fresh,
            name: Some(name.to_owned()),
            text: text.to_owned(),
            spec: None,
            kind,
            location: edge.location.clone(),
            directory: edge.directory.clone(),
            context: Arc::clone(context),
            explicit: false,
            alone: false,
        }
    }

    fn origin(&self, edge: &Edge, name: &PackageName, spec: &Spec) -> Origin {
        let shown = edge.name.as_deref().unwrap_or(name.written());
        let text = match (&edge.spec, edge.by) {
            // A word of the command line is its own text.
            (Some(_), None) => edge.text.clone(),
            _ => format!("{shown}@{}", edge.text),
        };
        Origin { text, range: range_of(spec), location: edge.location.clone() }
    }

    /// A package of the lockfile, and what it asks for there.
    fn take_locked(&mut self, edge: &Edge, at: usize, next: &mut Vec<Edge>) {
        let Some(package) = self.lock().and_then(|lock| lock.packages.get(at)) else { return };
        if let Some(node) = self.locked.get(&at).copied() {
            self.connect(edge, node);
            return;
        }
        let node = self.locked_node(at, package, Some(edge));
        self.connect(edge, node);
        if !edge.alone {
            next.extend(self.edges_of_locked(node, at, package, edge));
        }
    }

    /// The node of a locked package. Without an edge it is one that nothing asked for.
    fn locked_node(&mut self, at: usize, package: &'a LockedPackage, edge: Option<&Edge>) -> usize {
        if let Some(node) = self.locked.get(&at).copied() {
            return node;
        }
        if let LockedSource::Directory { path, .. } = &package.source
            && let Some(member) = self.member_at(path)
        {
            self.locked.insert(at, member);
            return member;
        }
        let location = match edge {
            Some(Edge { by: None, location, .. }) => location.clone(),
            _ => self.lock_location(package.offset),
        };
        let asked = edge.map(|e| {
            let spec = spec::resolve(e.name.as_deref(), &e.text);
            (e.text.clone(), spec)
        });
        let shown = package.alias.as_deref().unwrap_or(&package.name);
        let origin = Origin {
            text: asked.as_ref().map_or_else(|| shown.to_owned(), |(text, _)| format!("{shown}@{text}")),
            range: asked.as_ref().and_then(|(_, spec)| range_of(spec)),
            location,
        };
        let pinned = asked.as_ref().map_or(Pinning::Exact, |(_, spec)| pinning(spec));
        let lock_location = self.lock_location(package.offset);
        let shape = release::LockedShape {
            package,
            origin,
            pinning: pinned,
            remote: matches!(asked, Some((_, Spec::Remote(_) | Spec::Git(_)))),
            location: lock_location,
            root: &self.project.root,
        };
        let (package, issues) = self.verifier.locked(&shape);
        self.lock_issues.extend(issues.into_iter().filter(|i| !self.lock_issues.contains(i)).collect::<Vec<_>>());
        let node = self.node(package);
        self.locked.insert(at, node);
        node
    }

    fn edges_of_locked(&mut self, node: usize, at: usize, package: &'a LockedPackage, edge: &Edge) -> Vec<Edge> {
        let Some(lock) = self.lock() else { return Vec::new() };
        let context = self.context_below(edge);
        let mut out = Vec::new();
        let mut push = |dependency: &LockedDependency, from: From, directory: PathBuf, location: Location| {
            out.push(Edge {
                by: Some(node),
                above: edge.by,
                from,
                name: Some(dependency.name.clone()),
                text: dependency.spec.clone(),
                spec: None,
                kind: Kind::of(dependency.kind, dependency.optional_peer),
                location,
                directory,
                context: Arc::clone(&context),
                explicit: false,
                alone: false,
            });
        };
        for dependency in &package.dependencies {
            let location = self.lock_location(dependency.offset);
            push(dependency, From::Locked(at, dependency.clone()), edge.directory.clone(), location);
        }
        // A linked directory that is no member: the lockfile has its manifest's tables under its path.
        if let LockedSource::Directory { path, .. } = &package.source
            && self.member_at(path).is_none()
            && let Some(importer) = lock.importers.iter().find(|i| i.path == *path && !path.is_empty())
        {
            let directory = crate::model::lexical(&self.project.root.join(path));
            for dependency in importer.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
                let location = self.lock_location(dependency.offset);
                push(dependency, From::Importer(path.clone()), directory.clone(), location);
            }
        }
        out.retain(|e| self.settings.wants(e.kind));
        if !self.settings.installs_peers {
            out.retain(|e| !matches!(e.kind, Kind::Peer | Kind::OptionalPeer));
        }
        out
    }

    /// Git, URLs, files and directories that no lockfile tells about.
    fn take_elsewhere(&mut self, edge: &Edge, spec: Spec, next: &mut Vec<Edge>) {
        match spec {
            Spec::Git(git) => {
                let source = Source::Git {
                    url: redact_url(&git.url),
                    reference: git.reference(),
                    commit: git.commit().map(str::to_owned),
                };
                let name = edge.name.clone().unwrap_or_else(|| last_segment(&git.url));
                let mut package = self.unread_package(edge, &name, source, pinning(&Spec::Git(git)));
                package.executes.push(Execution::LifecycleScript(Arc::from("prepare")));
                let reason = "what a git repository asks for is known only when it is fetched and prepared";
                self.stranger(edge, package, UnresolvedCause::NeedsExecution, reason);
            }
            Spec::Remote(url) => {
                let name = edge.name.clone().unwrap_or_else(|| last_segment(&url));
                let source = Source::Url { url: redact_url(&url) };
                let package = self.unread_package(edge, &name, source, Pinning::Exact);
                self.stranger(
                    edge,
                    package,
                    UnresolvedCause::Unsupported,
                    "what a tarball by URL asks for is not read",
                );
            }
            Spec::File(path) => {
                let path = path.resolve(&edge.directory, self.home);
                let name = edge.name.clone().unwrap_or_else(|| last_segment(&path.display().to_string()));
                let package = self.unread_package(edge, &name, Source::Path { path }, Pinning::Exact);
                self.stranger(edge, package, UnresolvedCause::Unsupported, "what a local tarball asks for is not read");
            }
            Spec::Directory(path) | Spec::Link(path) => {
                self.take_directory(edge, path.resolve(&edge.directory, self.home), next)
            }
            _ => {}
        }
    }

    fn unread_package(&self, edge: &Edge, name: &str, source: Source, pinned: Pinning) -> Package {
        let text = match (&edge.spec, &edge.name) {
            (None, Some(name)) => format!("{name}@{}", edge.text),
            _ => edge.text.clone(),
        };
        let origin = Origin { text: redact_spec(&text), range: None, location: edge.location.clone() };
        release::bare(PackageId::new(npm_name(name), "0"), source, origin, pinned, LockState::Unlocked)
    }

    fn stranger(&mut self, edge: &Edge, package: Package, cause: UnresolvedCause, reason: &str) {
        let unresolved = Unresolved {
            requirement: package.origin.text.clone(),
            name: Some(package.id.name.clone()),
            range: None,
            location: Some(edge.location.clone()),
            cause,
            reason: reason.to_owned(),
        };
        let alone = edge.alone;
        let node = self.node(package);
        self.connect(edge, node);
        if !alone {
            // Optional or not, it is fetched: what it asks for stays unknown.
            self.unresolved.push(unresolved);
        }
    }

    fn take_directory(&mut self, edge: &Edge, directory: PathBuf, next: &mut Vec<Edge>) {
        if let Some(member) = self.project.members.iter().find(|m| m.directory == directory)
            && let Some(node) = self.members.get(member.name()).copied()
        {
            self.connect(edge, node);
            return;
        }
        let mut problems = Vec::new();
        let manifest = self.finder.manifest(&directory.join("package.json"), &mut problems);
        self.unresolved.append(&mut problems);
        let Some(manifest) = manifest else {
            let reason = "the directory has no package.json that can be read".to_owned();
            self.fail(edge, &edge.text, &Spec::Tag(String::new()), UnresolvedCause::Malformed, reason);
            return;
        };
        let name = manifest.name.clone().or_else(|| edge.name.clone());
        let name = name.unwrap_or_else(|| last_segment(&directory.display().to_string()));
        let shown = self.finder.shown(&directory);
        let mut package = self.unread_package(edge, &name, Source::Path { path: shown }, Pinning::Exact);
        if let Some(version) = &manifest.version {
            package.id.version = Arc::from(version.as_str());
        }
        let lifecycle = ["preinstall", "install", "postinstall", "prepare"];
        let scripts = manifest.scripts.iter().filter(|s| lifecycle.contains(&s.as_str()));
        package.executes = scripts.map(|s| Execution::LifecycleScript(Arc::from(s.as_str()))).collect();
        let node = self.node(package);
        self.connect(edge, node);
        let context = self.context_below(edge);
        if edge.alone || !self.expanded.insert((node, Arc::clone(&context))) {
            return;
        }
        // npm installs the development dependencies of a linked directory only inside the project.
        let inside = directory.starts_with(&self.project.root);
        let edges = self.importer_edges(&manifest, "", &directory, &[]);
        for mut below in edges {
            let development = below.kind == Kind::Development;
            if (development && !inside) || !self.settings.wants(below.kind) {
                continue;
            }
            below.by = Some(node);
            below.from = From::Fresh;
            below.context = Arc::clone(&context);
            next.push(below);
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

/// A manifest's dependency as the lockfile looks it up: pnpm's importers say which version was chosen.
fn asked(lock: &Lockfile, importer: &str, name: &str, text: &str, kind: Kind) -> LockedDependency {
    let known =
        lock.importers.iter().find(|i| i.path == importer).and_then(|i| i.dependencies.iter().find(|d| d.name == name));
    LockedDependency {
        kind: kind.dependency(),
        optional_peer: kind == Kind::OptionalPeer,
        name: name.to_owned(),
        spec: text.to_owned(),
        chosen: known.and_then(|d| d.chosen.clone()),
        offset: 0,
    }
}

/// yarn keys its entries by what was asked for, overrides included; the others look up by place or chosen version.
fn locked_text(dependency: &LockedDependency, text: &str) -> String {
    if dependency.chosen.is_some() { dependency.spec.clone() } else { text.to_owned() }
}

fn locked_id(package: &LockedPackage) -> Option<PackageId> {
    Some(PackageId::new(npm_name(&package.name), package.version.as_deref()?))
}

fn catalog_name(text: &str) -> &str {
    if text == "default" { "" } else { text }
}

/// The part of a URL or path that names it best.
fn last_segment(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or(text).trim_end_matches('/');
    let last = text.rsplit(['/', ':']).next().unwrap_or(text);
    let last = last.strip_suffix(".git").or_else(|| last.strip_suffix(".tgz")).unwrap_or(last);
    last.strip_suffix(".tar.gz").unwrap_or(last).to_owned()
}

/// Credentials in a spec's URL do not leave this module.
fn redact_spec(text: &str) -> String {
    match text.find("://") {
        Some(at) => {
            let start = text.get(..at).and_then(|t| t.rfind('@')).map_or(0, |i| i + 1);
            let (head, url) = text.split_at(start);
            let (url, fragment) = url.split_once('#').map_or((url, None), |(u, f)| (u, Some(f)));
            let fragment = fragment.map_or_else(String::new, |f| format!("#{f}"));
            format!("{head}{}{fragment}", redact_url(url))
        }
        None => text.to_owned(),
    }
}

/// The version range in a spec; empty: any. `None` where it names no version of a registry.
fn range_of(spec: &Spec) -> Option<String> {
    match spec {
        Spec::Version(text) | Spec::Range(text) => Some(if text == "*" { String::new() } else { text.clone() }),
        Spec::Tag(_) | Spec::Catalog(_) => Some(String::new()),
        Spec::Alias { spec, .. } | Spec::Jsr { spec, .. } => range_of(spec),
        Spec::Patch(inner) => range_of(&inner.spec),
        _ => None,
    }
}

/// How tightly a spec fixes what it gets.
fn pinning(spec: &Spec) -> Pinning {
    match spec {
        Spec::Version(_) => Pinning::Exact,
        Spec::Range(text) => match Range::parse(text, Options::NPM) {
            Some(range) if range.is_any() => Pinning::Floating,
            Some(range) if range.is_exact() => Pinning::Exact,
            _ => Pinning::Range,
        },
        Spec::Tag(_) | Spec::Invalid(_) => Pinning::Floating,
        Spec::Alias { spec, .. } | Spec::Jsr { spec, .. } => pinning(spec),
        Spec::Patch(inner) => pinning(&inner.spec),
        Spec::Git(git) if git.commit().is_some() => Pinning::Exact,
        Spec::Git(git) if git.range.is_some() => Pinning::Range,
        Spec::Git(_) => Pinning::Floating,
        Spec::Catalog(_) | Spec::Workspace(_) => Pinning::Range,
        Spec::Remote(_) | Spec::File(_) | Spec::Directory(_) | Spec::Link(_) => Pinning::Exact,
    }
}

fn same_repository(wanted: &GitSpec, locked: &str) -> bool {
    repository(&wanted.url) == repository(locked)
}

/// Host and path of a git address, however it is written.
fn repository(url: &str) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.trim_end_matches('/').trim_end_matches(".git").replacen(':', "/", 1).to_ascii_lowercase()
}

/// An archive of the same project on a known host: `codeload.github.com/u/r/tar.gz/COMMIT`.
fn same_project(wanted: &GitSpec, archive: &str) -> bool {
    let path = repository(&wanted.url);
    let project = path.split_once('/').map_or("", |(_, project)| project);
    wanted.host.is_some() && !project.is_empty() && archive.to_ascii_lowercase().contains(project)
}

fn same_commit(wanted: &GitSpec, locked: Option<&str>) -> bool {
    match (wanted.commit(), locked) {
        (Some(wanted), Some(locked)) => {
            wanted.eq_ignore_ascii_case(locked) || (locked.len() >= 7 && wanted.starts_with(locked))
        }
        _ => true,
    }
}

/// Whether an error means that the registry could not be asked at all.
pub(super) fn out_of_reach(error: &FetchError) -> bool {
    matches!(error, FetchError::Offline { .. } | FetchError::Unreachable { .. } | FetchError::Unauthorized { .. })
}
