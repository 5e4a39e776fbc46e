//! What a Python lockfile says, in one shape for uv.lock, poetry.lock, pdm.lock, Pipfile.lock and pylock.toml.
//!
//! In: the readers' results. Out: [`Lockfile`], and [`Lockfile::select`]: which of its packages an installation
//! with given extras and groups brings in on a given interpreter.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::requirement::{Marker, MarkerEnvironment};
use crate::ecosystem::document::Reader;
use crate::model::{Diagnostic, Digest, Ecosystem, Location, PackageName, Source, Timestamp};

/// Most packages that are read from one lockfile.
pub const MAX_PACKAGES: usize = 100_000;

/// Whose lockfile it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `uv.lock`
    Uv,
    /// `poetry.lock`
    Poetry,
    /// `pdm.lock`
    Pdm,
    /// `Pipfile.lock`
    Pipfile,
    /// `pylock.toml` (PEP 751)
    Pylock,
}

impl Format {
    /// By the file's name.
    pub fn of(path: &Path) -> Option<Self> {
        match path.file_name()?.to_str()? {
            "uv.lock" => Some(Self::Uv),
            "poetry.lock" => Some(Self::Poetry),
            "pdm.lock" => Some(Self::Pdm),
            "Pipfile.lock" => Some(Self::Pipfile),
            name if super::requirements_txt::is_pylock(name) => Some(Self::Pylock),
            // The lockfile of a script with inline metadata.
            name if name.ends_with(".py.lock") => Some(Self::Uv),
            _ => None,
        }
    }
}

/// Reads a lockfile of any of the formats; the path's name says which, and places show the path.
/// `None` when the name is not that of a lockfile.
pub fn read(path: &Path, text: &str) -> Option<(Lockfile, Vec<Diagnostic>)> {
    Some(match Format::of(path)? {
        Format::Uv => super::uv_lock::read(path, text),
        Format::Poetry => super::poetry_lock::read(path, text),
        Format::Pdm => super::pdm_lock::read(path, text),
        Format::Pipfile => super::pipfile::read_lock(path, text),
        Format::Pylock => super::pylock::read(path, text),
    })
}

/// A lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockfile {
    /// The file.
    pub path: PathBuf,
    /// Whose it is.
    pub format: Format,
    /// Its format's version as written; empty when it has none.
    pub version: String,
    /// The interpreters it is for, a specifier set.
    pub requires_python: Option<String>,
    /// The markers of the environments it is for; empty: any.
    pub environments: Vec<String>,
    /// The digest of the manifest it was made from, as written.
    pub content_hash: Option<String>,
    /// Every entry, in the file's order. A project may be there more than once, for different environments.
    pub packages: Vec<LockedPackage>,
    /// What is asked for beside the workspace's members (uv: a script, a workspace without a project of its own):
    /// by group, `""` for what is always installed.
    pub root: BTreeMap<String, Vec<LockedDependency>>,
    /// Dependency groups that are installed when nothing is said (PEP 751 `default-groups`).
    pub default_groups: Vec<String>,
    /// Indexes the file names, by name (Pipfile.lock `sources`); the first is the default one.
    pub indexes: Vec<(String, String)>,
}

impl Lockfile {
    pub(super) fn new(path: &Path, format: Format) -> Self {
        Self {
            path: path.to_owned(),
            format,
            version: String::new(),
            requires_python: None,
            environments: Vec::new(),
            content_hash: None,
            packages: Vec::new(),
            root: BTreeMap::new(),
            default_groups: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// Every entry of a project.
    pub fn entries<'l>(&'l self, name: &'l PackageName) -> impl Iterator<Item = &'l LockedPackage> {
        self.packages.iter().filter(move |p| p.name == *name)
    }

    /// The directory against which its relative paths are.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// One entry of a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// The project.
    pub name: PackageName,
    /// Its version; `None` where the file has none (a directory with a dynamic version).
    pub version: Option<String>,
    /// Where its bytes come from; `None`: the tool's default index.
    pub source: Option<Source>,
    /// Installed in place.
    pub editable: bool,
    /// uv's `virtual`: the dependencies count, the project itself is not installed.
    pub virtual_project: bool,
    /// The files that may be installed.
    pub artifacts: Vec<LockedArtifact>,
    /// When it is installed at all.
    pub marker: Option<Marker>,
    /// Interpreters it is for.
    pub requires_python: Option<String>,
    /// Extras of it that this entry is locked with (pdm, Pipfile.lock).
    pub extras: Vec<String>,
    /// What it needs.
    pub dependencies: Vec<LockedDependency>,
    /// What each extra of it needs besides (uv).
    pub optional_dependencies: BTreeMap<String, Vec<LockedDependency>>,
    /// What each dependency group of it needs (uv).
    pub dev_dependencies: BTreeMap<String, Vec<LockedDependency>>,
    /// What the project's manifest asked for when it was locked (uv): `""` is `project.dependencies` and the extras,
    /// any other key a group.
    pub manifest: BTreeMap<String, Vec<LockedDependency>>,
    /// The groups of the project that bring it in (`main`, `default`, `dev`); empty: not said.
    pub groups: Vec<String>,
    /// Only needed through an extra of the project (poetry).
    pub optional: bool,
    /// Where its entry begins.
    pub location: Location,
}

impl LockedPackage {
    pub(super) fn new(name: &str, location: Location) -> Self {
        Self {
            name: PackageName::new(Ecosystem::PyPI, name),
            version: None,
            source: None,
            editable: false,
            virtual_project: false,
            artifacts: Vec::new(),
            marker: None,
            requires_python: None,
            extras: Vec::new(),
            dependencies: Vec::new(),
            optional_dependencies: BTreeMap::new(),
            dev_dependencies: BTreeMap::new(),
            manifest: BTreeMap::new(),
            groups: Vec::new(),
            optional: false,
            location,
        }
    }

    /// Whether it is the project that the lockfile belongs to, or a member of its workspace.
    pub fn is_workspace(&self) -> bool {
        matches!(self.source, Some(Source::Workspace { .. }))
    }
}

/// One file of a locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedArtifact {
    /// The file's name; empty when the file does not say (Pipfile.lock has hashes only).
    pub filename: String,
    /// Where it is, without credentials and fragment.
    pub url: Option<String>,
    /// A file on this machine, as written.
    pub path: Option<String>,
    /// Strongest first. Those that could not be read are diagnostics.
    pub digests: Vec<Digest>,
    /// Bytes.
    pub size: Option<u64>,
    /// When it was uploaded, as the lockfile has it.
    pub uploaded_at: Option<Timestamp>,
}

/// A dependency between entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedDependency {
    /// The project.
    pub name: PackageName,
    /// Which entry, where there are several: its exact version.
    pub version: Option<String>,
    /// Which entry, where there are several: its source.
    pub source: Option<Source>,
    /// Extras of it that are wanted.
    pub extras: Vec<String>,
    /// When.
    pub marker: Option<Marker>,
    /// The requirement's range as written, where the file has one (poetry).
    pub range: Option<String>,
}

/// What of a lockfile an installation asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Extras of the project.
    pub extras: Vec<String>,
    /// Dependency groups, by name.
    pub groups: Vec<String>,
    /// Every extra and every group: what an audit looks at.
    pub everything: bool,
    /// Only the groups, not the project's own dependencies (`--only-group`, `--only=dev`).
    pub only_groups: bool,
    /// uv: the workspace members whose dependencies are wanted; empty: all of them.
    pub members: Vec<PackageName>,
}

/// An entry that an installation brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Index into [`Lockfile::packages`].
    pub package: usize,
    /// The selected entries that need it; indexes as above. Empty where the file does not say.
    pub required_by: Vec<usize>,
    /// Steps from the project; 0 where the file has no graph.
    pub depth: u32,
    /// Only through a development group.
    pub development: bool,
}

/// Names that mean the project's own dependencies where a tool has no other word for them.
const MAIN_GROUPS: [&str; 3] = ["main", "default", ""];

impl Lockfile {
    /// The entries that an installation brings in. `environment`: `None` takes every marker for true (an audit).
    /// Where the file has no graph, everything whose group and marker fit is taken: a superset, never less.
    pub fn select(&self, selection: &Selection, environment: Option<&MarkerEnvironment>) -> Vec<Selected> {
        if selection.everything && environment.is_none() {
            return self.all();
        }
        let mut selected = match self.format {
            Format::Uv => self.walk(selection, environment),
            _ => self.filter(selection, environment),
        };
        selected.sort_by_key(|s| s.package);
        selected
    }

    fn all(&self) -> Vec<Selected> {
        let is_dependency = |(i, p): (usize, &LockedPackage)| {
            let development = !p.groups.is_empty() && !p.groups.iter().any(|g| MAIN_GROUPS.contains(&g.as_str()));
            (!p.is_workspace()).then_some(Selected { package: i, required_by: Vec::new(), depth: 0, development })
        };
        self.packages.iter().enumerate().filter_map(is_dependency).collect()
    }

    fn filter(&self, selection: &Selection, environment: Option<&MarkerEnvironment>) -> Vec<Selected> {
        let mut groups = selection.groups.clone();
        groups.extend(self.default_groups.iter().cloned());
        let environment = environment.cloned().map(|mut e| {
            e.dependency_groups.clone_from(&groups);
            e
        });
        let wanted = |g: &String| {
            if MAIN_GROUPS.contains(&g.as_str()) { !selection.only_groups } else { groups.contains(g) }
        };
        let mut out = Vec::new();
        for (i, p) in self.packages.iter().enumerate() {
            let main = p.groups.is_empty() || p.groups.iter().any(|g| MAIN_GROUPS.contains(&g.as_str()));
            let in_groups = selection.everything || p.groups.is_empty() || p.groups.iter().any(wanted);
            // Poetry marks what only an extra needs; which extra, the marker says from version 2.1 on.
            let unasked = p.optional && selection.extras.is_empty() && !selection.everything;
            let holds = match (&p.marker, &environment) {
                (Some(marker), Some(_)) if selection.everything && marker.depends_on_extras() => true,
                (Some(marker), Some(environment)) => marker.evaluate(environment, &selection.extras),
                _ => true,
            };
            if in_groups && holds && !unasked && !p.is_workspace() {
                out.push(Selected { package: i, required_by: Vec::new(), depth: 0, development: !main });
            }
        }
        out
    }

    /// Follows uv's graph from the workspace's members.
    fn walk(&self, selection: &Selection, environment: Option<&MarkerEnvironment>) -> Vec<Selected> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, p) in self.packages.iter().enumerate() {
            by_name.entry(p.name.canonical()).or_default().push(i);
        }
        let mut state: BTreeMap<usize, Selected> = BTreeMap::new();
        // An entry is visited once for itself, and once for each extra of it that is wanted.
        let mut visited: BTreeMap<(usize, Option<String>), bool> = BTreeMap::new();
        let mut queue: VecDeque<Visit<'_>> = VecDeque::new();
        let member = |p: &LockedPackage| selection.members.is_empty() || selection.members.contains(&p.name);
        for (i, p) in self.packages.iter().enumerate().filter(|(_, p)| p.is_workspace() && member(p)) {
            let visit = |dependencies, development| Visit { parent: i, dependencies, depth: 0, development };
            if !selection.only_groups {
                queue.push_back(visit(&p.dependencies, false));
                for (extra, dependencies) in &p.optional_dependencies {
                    if selection.everything || selection.extras.iter().any(|e| same(e, extra)) {
                        queue.push_back(visit(dependencies, false));
                    }
                }
            }
            for (group, dependencies) in &p.dev_dependencies {
                if selection.everything || selection.groups.iter().any(|g| same(g, group)) {
                    queue.push_back(visit(dependencies, true));
                }
            }
        }
        for (group, dependencies) in &self.root {
            let main = group.is_empty();
            let wanted = if main { !selection.only_groups } else { selection.groups.iter().any(|g| same(g, group)) };
            if wanted || selection.everything {
                queue.push_back(Visit { parent: usize::MAX, dependencies, depth: 0, development: !main });
            }
        }
        if self.root.is_empty() && !self.packages.iter().any(|p| p.is_workspace() && member(p)) {
            // No root to start from: everything, rather than nothing.
            return self.all();
        }
        while let Some(visit) = queue.pop_front() {
            for dependency in visit.dependencies {
                let holds = match (&dependency.marker, environment) {
                    // uv writes conflicting extras as names of its own (`extra-3-foo-cpu`): all are taken.
                    (Some(marker), Some(environment)) if !marker.depends_on_extras() => {
                        marker.evaluate(environment, &[])
                    }
                    _ => true,
                };
                if !holds {
                    continue;
                }
                for &i in by_name.get(dependency.name.canonical()).into_iter().flatten() {
                    let Some(package) = self.packages.get(i).filter(|p| dependency.means(p)) else { continue };
                    self.reach(&mut state, &visit, i);
                    let mut wants: Vec<(Option<String>, &Vec<LockedDependency>)> = vec![(None, &package.dependencies)];
                    for (extra, dependencies) in &package.optional_dependencies {
                        if dependency.extras.iter().any(|e| same(e, extra)) {
                            wants.push((Some(extra.clone()), dependencies));
                        }
                    }
                    for (extra, dependencies) in wants {
                        // Reached again without the development mark: what it needs is then not only development.
                        let seen = visited.get(&(i, extra.clone())).copied();
                        if seen.is_none_or(|development| development && !visit.development) {
                            visited.insert((i, extra), visit.development);
                            queue.push_back(Visit {
                                parent: i,
                                dependencies,
                                depth: visit.depth.saturating_add(1),
                                development: visit.development,
                            });
                        }
                    }
                }
            }
        }
        state.into_values().filter(|s| self.packages.get(s.package).is_some_and(|p| !p.is_workspace())).collect()
    }

    fn reach(&self, state: &mut BTreeMap<usize, Selected>, visit: &Visit<'_>, package: usize) {
        let fresh = Selected { package, required_by: Vec::new(), depth: visit.depth, development: visit.development };
        let selected = state.entry(package).or_insert(fresh);
        selected.depth = selected.depth.min(visit.depth);
        selected.development &= visit.development;
        let from_dependency = self.packages.get(visit.parent).is_some_and(|p| !p.is_workspace());
        if from_dependency && !selected.required_by.contains(&visit.parent) {
            selected.required_by.push(visit.parent);
        }
    }
}

struct Visit<'l> {
    parent: usize,
    dependencies: &'l [LockedDependency],
    depth: u32,
    development: bool,
}

impl LockedDependency {
    fn means(&self, package: &LockedPackage) -> bool {
        self.version.is_none() || package.version.is_none() || self.version == package.version
    }
}

fn same(a: &str, b: &str) -> bool {
    use crate::model::normalise_name;
    normalise_name(Ecosystem::PyPI, a) == normalise_name(Ecosystem::PyPI, b)
}

/// Reads a marker of a lockfile; one that cannot be read is reported, and the entry counts for every environment.
pub(super) fn marker(r: &mut Reader<'_>, text: &str, offset: usize) -> Option<Marker> {
    match Marker::parse(text) {
        _ if text.trim().is_empty() => None,
        Ok(marker) => Some(marker),
        Err(error) => {
            r.complain(offset, format!("unreadable marker: {error}"));
            None
        }
    }
}

/// Reads `sha256:HEX`; one that cannot be read is reported.
pub(super) fn digest(r: &mut Reader<'_>, text: &str, offset: usize) -> Option<Digest> {
    match Digest::parse_named_hex(text) {
        Ok(digest) => Some(digest),
        Err(error) => {
            r.complain(offset, format!("unreadable hash: {error}"));
            None
        }
    }
}

/// The file name at the end of a URL or path.
pub(super) fn last_segment(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()
}

/// The packages of a lockfile under a key: each one's table, its offset, and the entry begun with its name and version.
/// What cannot be an entry is reported, and so is a number that is not read to its end.
pub(super) fn packages<'n, 't>(
    r: &mut Reader<'_>,
    root: &'n DeTable<'t>,
    key: &str,
) -> Vec<(&'n DeTable<'t>, usize, LockedPackage)> {
    let nodes = r.array_of(root, key);
    if nodes.len() > MAX_PACKAGES {
        r.complain(0, format!("more than {MAX_PACKAGES} packages: the rest was not read"));
    }
    let mut out = Vec::new();
    for node in nodes.into_iter().take(MAX_PACKAGES) {
        let Some(table) = r.table(node, key) else { continue };
        let offset = node.span().start;
        let Some(name) = r.string_of(table, "name") else {
            r.complain(offset, "a package without a name");
            continue;
        };
        let named_at = table.get("name").map_or(offset, |n| n.span().start);
        let mut package = LockedPackage::new(&name, r.at(named_at));
        package.version = r.string_of(table, "version");
        out.push((table, offset, package));
    }
    out
}
