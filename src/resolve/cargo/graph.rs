//! A resolved graph → [`Plan`]: depth, origin, pinning, what is only for development, artifacts and their digests.
//!
//! Both a fresh resolution and a lockfile that is taken as it stands become a [`Graph`] first, so that a plan says the
//! same of a package however it was arrived at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::ecosystem::cargo::manifest::{BuildScript, Manifest};
use crate::ecosystem::cargo::source::{SourceId, plan_source};
use crate::ecosystem::cargo::version::{self, Requirement};
use crate::model::{
    Artifact, ArtifactKind, Digest, DigestAlgorithm, Ecosystem, Execution, Files, Location, LockState, Origin, Package,
    PackageId, PackageName, Pinning, Plan, PreviousRelease, ReleaseHistory, SignalGap, Source,
};
use crate::registry::CrateIndex;
use crate::registry::crates::{Crate, DependencyKind, IndexSource};
use crate::registry::line_list::LineRef;
use crate::resolve::history::{self, Sibling};

/// A graph of packages.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Link>,
}

/// A package of the graph.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) from: From,
    /// Its line of an index.
    pub(super) line: Option<(Arc<Crate>, usize)>,
    /// Its entry of the lockfile.
    pub(super) locked: Option<Locked>,
    pub(super) executes: Vec<Execution>,
}

/// What a lockfile says of a package.
#[derive(Clone)]
pub(super) struct Locked {
    pub(super) checksum: Option<String>,
    pub(super) location: Location,
}

/// Where a package of the graph comes from.
pub(super) enum From {
    /// A member of the workspace: the manifest.
    Member(PathBuf),
    /// A package on this machine outside the workspace: the manifest.
    Path(PathBuf),
    /// A registry, as the index is asked for it.
    Registry { registry: Option<String>, id: SourceId },
    /// A git repository.
    Git(SourceId),
}

/// An edge of the graph.
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) development: bool,
    /// The manifest's line, when a manifest on this machine says so.
    pub(super) origin: Option<Rc<Origin>>,
    /// The requirement as a line, and its range.
    pub(super) text: String,
    pub(super) range: Option<String>,
}

/// What no Cargo index tells, and what it would be.
const UNSAID: [(&str, &str); 3] = [
    ("build-script", "whether a crate has a build script or is a procedural macro"),
    ("publisher", "who published"),
    ("provenance", "how a release was built"),
];

/// What a build of a local package runs.
pub(super) fn executes(manifest: &Manifest, files: Option<&dyn Files>) -> Vec<Execution> {
    let mut out = Vec::new();
    let script = match manifest.package.as_ref().map(|p| &p.build) {
        Some(BuildScript::Auto) => files.is_some_and(|f| f.is_file(&manifest.directory().join("build.rs"))),
        Some(BuildScript::On | BuildScript::Files(_)) => true,
        Some(BuildScript::Off) | None => false,
    };
    if script || manifest.package.as_ref().is_some_and(|p| p.links.is_some()) {
        out.push(Execution::BuildScript);
    }
    if manifest.targets.proc_macro {
        out.push(Execution::ProcMacro);
    }
    out
}

/// How a node is reached.
#[derive(Clone)]
struct Reached {
    depth: u32,
    link: usize,
    location: Option<Location>,
}

impl Graph {
    /// The plan, its lists in no particular order yet. `roots` are nodes that the command asks for by themselves.
    pub(super) fn plan(&self, index: &dyn CrateIndex, roots: &BTreeMap<usize, Origin>) -> Plan {
        let reached = self.reach(roots);
        let runtime = self.runtime(roots);
        let mut incoming: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (at, link) in self.edges.iter().enumerate() {
            if let Some(list) = incoming.get_mut(link.to) {
                list.push(at);
            }
        }
        let mut sources: BTreeMap<Option<String>, Option<IndexSource>> = BTreeMap::new();
        let mut plan = Plan::default();
        for (at, node) in self.nodes.iter().enumerate() {
            let root = roots.get(&at);
            let member = matches!(node.from, From::Member(_));
            let Some(how) = reached.get(&at).cloned().or_else(|| {
                (member || root.is_some()).then_some(Reached { depth: 0, link: usize::MAX, location: None })
            }) else {
                continue;
            };
            let into = || incoming.get(at).into_iter().flatten().filter_map(|edge| self.edges.get(*edge));
            let direct_link = into().find(|l| self.is_member(l.from));
            let direct = member || root.is_some() || direct_link.is_some();
            let link = direct_link.or_else(|| self.edges.get(how.link));
            let origin = match (root, link) {
                (Some(origin), _) => origin.clone(),
                (None, Some(link)) => self.origin(link, node, how.location.as_ref()),
                (None, None) => Origin {
                    text: node.name.clone(),
                    range: None,
                    location: Location::file(node.from.path().unwrap_or(Path::new(""))),
                },
            };
            let mut required_by: Vec<PackageId> = into()
                .filter(|l| l.from != at && !self.is_member(l.from))
                .filter_map(|l| self.nodes.get(l.from))
                .map(Node::id)
                .collect();
            required_by.sort();
            required_by.dedup();
            let mut package = Package {
                id: node.id(),
                source: node.from.source(),
                direct,
                depth: if direct { 0 } else { how.depth },
                required_by,
                pinning: pinning(&origin, &node.from, node.locked.as_ref()),
                origin,
                lock: match &node.locked {
                    None => LockState::Unlocked,
                    Some(Locked { checksum: None, .. }) => LockState::Locked,
                    Some(_) => LockState::LockedWithDigest,
                },
                development: !member && !runtime.get(at).copied().unwrap_or(false),
                published_at: None,
                first_published_at: None,
                withdrawn: None,
                artifacts: Vec::new(),
                executes: node.executes.clone(),
                also_in: Vec::new(),
                history: None,
            };
            if let From::Registry { registry, .. } = &node.from {
                let source =
                    sources.entry(registry.clone()).or_insert_with(|| index.source_of(registry.as_deref()).ok());
                node.fill(&mut package, source.as_ref());
                plan.signal_gaps.extend(UNSAID.map(|(signal, reason)| SignalGap {
                    signal,
                    registry: package.source.url(),
                    reason: format!("a Cargo index does not say {reason}"),
                }));
            }
            plan.packages.push(package);
        }
        plan.signal_gaps.extend(index.signal_gaps());
        plan
    }

    fn is_member(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|n| matches!(n.from, From::Member(_)))
    }

    fn origin(&self, link: &Link, node: &Node, inherited: Option<&Location>) -> Origin {
        if let Some(origin) = &link.origin {
            return (**origin).clone();
        }
        let locked = node.locked.as_ref().map(|l| l.location.clone());
        let location = locked.or_else(|| inherited.cloned()).unwrap_or_else(Location::built_in);
        Origin { text: link.text.clone(), range: link.range.clone(), location }
    }

    /// Breadth first from the members and the roots.
    fn reach(&self, roots: &BTreeMap<usize, Origin>) -> BTreeMap<usize, Reached> {
        let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (at, link) in self.edges.iter().enumerate() {
            if let Some(list) = outgoing.get_mut(link.from) {
                list.push(at);
            }
        }
        let mut out: BTreeMap<usize, Reached> = BTreeMap::new();
        let mut queue: VecDeque<(usize, u32, Option<Location>)> = VecDeque::new();
        queue.extend((0..self.nodes.len()).filter(|n| self.is_member(*n)).map(|n| (n, 0, None)));
        queue.extend(roots.iter().map(|(n, origin)| (*n, 1, Some(origin.location.clone()))));
        while let Some((at, depth, location)) = queue.pop_front() {
            for &edge in outgoing.get(at).map(Vec::as_slice).unwrap_or_default() {
                let Some(link) = self.edges.get(edge) else { continue };
                if out.contains_key(&link.to) || self.is_member(link.to) || roots.contains_key(&link.to) {
                    continue;
                }
                let location = link.origin.as_ref().map(|o| o.location.clone()).or_else(|| location.clone());
                out.insert(link.to, Reached { depth, link: edge, location: location.clone() });
                queue.push_back((link.to, depth + 1, location));
            }
        }
        out
    }

    /// Which nodes are reached without a dev-dependency.
    fn runtime(&self, roots: &BTreeMap<usize, Origin>) -> Vec<bool> {
        let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for link in self.edges.iter().filter(|l| !l.development) {
            if let Some(list) = outgoing.get_mut(link.from) {
                list.push(link.to);
            }
        }
        let mut out = vec![false; self.nodes.len()];
        let mut pending: Vec<usize> =
            (0..self.nodes.len()).filter(|n| self.is_member(*n) || roots.contains_key(n)).collect();
        while let Some(at) = pending.pop() {
            match out.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            pending.extend(outgoing.get(at).into_iter().flatten().copied());
        }
        out
    }
}

impl From {
    fn source(&self) -> Source {
        let directory = |manifest: &Path| manifest.parent().unwrap_or(Path::new("")).to_owned();
        match self {
            Self::Member(manifest) => Source::Workspace { path: directory(manifest) },
            Self::Path(manifest) => Source::Path { path: directory(manifest) },
            Self::Registry { id, .. } | Self::Git(id) => plan_source(id),
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Member(path) | Self::Path(path) => Some(path),
            _ => None,
        }
    }
}

impl Node {
    /// Name and version.
    pub(super) fn id(&self) -> PackageId {
        PackageId::new(PackageName::new(Ecosystem::CratesIo, &self.name), &self.version)
    }

    /// What the index says.
    fn fill(&self, package: &mut Package, source: Option<&IndexSource>) {
        let mut digests = Vec::new();
        if let Some((krate, at)) = &self.line
            && let Some(line) = krate.versions.get(*at)
        {
            package.published_at = line.published_at();
            package.first_published_at = krate.versions.iter().filter_map(|v| v.published_at()).min();
            package.withdrawn = line.yanked().then(String::new);
            package.history = history(krate, *at).map(Box::new);
            if line.links().is_some() {
                package.executes.push(Execution::BuildScript);
            }
            digests.extend(Digest::from_hex(DigestAlgorithm::Sha256, line.checksum()).ok());
        }
        if digests.is_empty()
            && let Some(checksum) = self.locked.as_ref().and_then(|l| l.checksum.as_deref())
        {
            digests.extend(Digest::from_hex(DigestAlgorithm::Sha256, checksum).ok());
        }
        let checksum = digests.first().map(Digest::hex).unwrap_or_default();
        let url = source.map(|s| download_url(&s.download, &self.name, &self.version, &checksum)).unwrap_or_default();
        package.artifacts.push(Artifact {
            kind: ArtifactKind::Crate,
            filename: format!("{}-{}.crate", self.name, self.version),
            url: crate::model::redact_url(&url),
            digests,
            size: None,
            published_at: package.published_at,
        });
    }
}

/// The release among the others of its crate. An index has neither publishers nor attestations nor build scripts.
fn history(krate: &Crate, own: usize) -> Option<ReleaseHistory> {
    let mut lines = Vec::new();
    let mut siblings = Vec::new();
    for (at, line) in krate.versions.iter().enumerate() {
        let Some(version) = version::parse(line.version()) else { continue };
        lines.push((at, line));
        siblings.push(Sibling {
            published: line.published_at(),
            prerelease: !version.pre.is_empty(),
            line: history::line(version.major, version.minor),
            version,
        });
    }
    let place = lines.iter().position(|(at, _)| *at == own)?;
    let among = history::among(siblings.get(place)?, &siblings, Ord::cmp);
    let line = |index: usize| lines.get(index).map(|(_, line)| *line);
    let needs = |v: LineRef<'_>| -> BTreeSet<String> {
        let needed = v.dependencies().into_iter().filter(|d| d.kind != DependencyKind::Dev && !d.optional);
        needed.map(|d| d.package.unwrap_or(d.name).to_owned()).collect()
    };
    let previous = among.previous.and_then(line);
    Some(ReleaseHistory {
        releases: krate.versions.len(),
        previous: previous.map(|v| PreviousRelease {
            version: v.version().to_owned(),
            published_at: v.published_at(),
            ..PreviousRelease::default()
        }),
        last_published_at: among.last_published_at,
        within_hour: among.within_hour.iter().filter_map(|i| line(*i)).map(|v| v.version().to_owned()).collect(),
        added_dependencies: previous.zip(line(place)).map(|(before, now)| {
            let added: Vec<String> = needs(now).difference(&needs(before)).cloned().collect();
            added.iter().map(|name| PackageName::new(Ecosystem::CratesIo, name)).collect()
        }),
        ..ReleaseHistory::default()
    })
}

fn pinning(origin: &Origin, from: &From, locked: Option<&Locked>) -> Pinning {
    match (from, &origin.range) {
        (From::Git(id), _) => match &id.kind {
            crate::ecosystem::cargo::source::SourceKind::Git(reference) => {
                let commit = |text: &str| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
                let exact = reference.name().is_some_and(commit) || (locked.is_some() && id.precise.is_some());
                if exact { Pinning::Exact } else { Pinning::Floating }
            }
            _ => Pinning::Floating,
        },
        (From::Member(_) | From::Path(_), _) => Pinning::Exact,
        (_, Some(range)) => match Requirement::parse(range) {
            Some(r) if r.is_any() => Pinning::Floating,
            Some(r) if r.is_exact() => Pinning::Exact,
            _ => Pinning::Range,
        },
        (_, None) => Pinning::Floating,
    }
}

/// Where a `.crate` is downloaded from, by the index's `dl`: a template with markers, or a base.
pub(super) fn download_url(template: &str, name: &str, version: &str, checksum: &str) -> String {
    const MARKERS: [&str; 5] = ["{crate}", "{version}", "{prefix}", "{lowerprefix}", "{sha256-checksum}"];
    if template.is_empty() {
        return String::new();
    }
    if !MARKERS.iter().any(|m| template.contains(m)) {
        return format!("{}/{name}/{version}/download", template.trim_end_matches('/'));
    }
    let prefix = prefix(name);
    let values = [name, version, &prefix, &prefix.to_lowercase(), checksum];
    MARKERS.iter().zip(values).fold(template.to_owned(), |url, (marker, value)| url.replace(marker, value))
}

/// The directory of a crate in an index: `1`, `2`, `3/a`, `ab/cd`.
fn prefix(name: &str) -> String {
    let part = |from: usize, to: usize| name.chars().skip(from).take(to - from).collect::<String>();
    match name.chars().count() {
        0..=2 => name.chars().count().to_string(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::download_url;

    #[test]
    fn download_templates() {
        let url = |t: &str, n: &str| download_url(t, n, "1.0.0", "ff");
        assert_eq!(
            url("https://static.crates.io/crates", "serde"),
            "https://static.crates.io/crates/serde/1.0.0/download"
        );
        assert_eq!(url("https://r/{prefix}/{crate}-{version}.crate", "MyCrate"), "https://r/My/Cr/MyCrate-1.0.0.crate");
        assert_eq!(url("https://r/{lowerprefix}/{sha256-checksum}", "MyCrate"), "https://r/my/cr/ff");
        assert_eq!(url("https://r/{prefix}", "abc"), "https://r/3/a");
        assert_eq!(url("https://r/{prefix}", "é"), "https://r/1");
    }
}
