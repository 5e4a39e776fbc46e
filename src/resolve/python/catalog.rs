//! What the search asks about: projects, releases and their dependencies, each read once. In: the index, the target
//! interpreter, the options, sources named outright. Out: numbered nodes, [`Pool`]s and [`Deps`].
//!
//! Names, extras and specifier sets are numbered, so that the search compares integers. Metadata is asked for only
//! when a release is tried, or when it is so likely to be tried that fetching it early saves a round trip.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::options::{Options, Upgrade};
use super::pool::{Fit, From, Pool, python_fits};
use super::ranges::Spec;
use crate::ecosystem::python::requirement::{self, MarkerEnvironment, Requirement};
use crate::ecosystem::python::version::{Version, parse_version};
use crate::model::{
    Digest, Ecosystem, Execution, Files, InterpreterFacts, PackageName, Source, UnresolvedCause, normalise_name,
};
use crate::registry::python::{CoreMetadata, File};
use crate::registry::{FetchError, PythonIndex};
use crate::resolve::Freshness;

/// Most projects that one command may reach.
const MAX_PROJECTS: usize = 3_000;
/// Most metadata files that one command may read.
const MAX_METADATA: usize = 6_000;
/// Most requirements of one release.
const MAX_REQUIRES: usize = 20_000;
/// Longest `METADATA` of an installed distribution, in bytes.
const MAX_METADATA_BYTES: usize = 4 << 20;

/// A project, or a project with one of its extras: what the search decides on.
pub(super) type Node = u32;
/// A project's number.
pub(super) type Name = u32;

/// One requirement as the search sees it.
#[derive(Debug)]
pub(super) struct Need {
    /// What is required.
    pub(super) node: Node,
    /// The number of `spec`.
    pub(super) number: usize,
    /// Which versions.
    pub(super) spec: Rc<Spec>,
    /// The one release that satisfies it, for an extra's requirement on its own project.
    pub(super) exactly: Option<u32>,
    /// Digests that its files must have; empty: any.
    pub(super) digests: Vec<Digest>,
    /// As written.
    pub(super) text: Rc<str>,
}

/// A requirement on a URL, repository or path that appeared in a release's metadata.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    /// The requirement.
    pub(super) requirement: Requirement,
    /// As written.
    pub(super) text: String,
}

/// What one release (with one extra) requires on this interpreter.
#[derive(Debug, Default)]
pub(super) struct Deps {
    /// The requirements that apply.
    pub(super) needs: Vec<Rc<Need>>,
    /// Those that name no registry version.
    pub(super) foreign: Vec<Foreign>,
    /// The release may not be chosen: why.
    pub(super) unusable: Option<String>,
    /// The release may be chosen, but what it requires is not known: why.
    pub(super) unknown: Option<(UnresolvedCause, String)>,
}

/// A source that a requirement names outright.
#[derive(Debug)]
pub(super) struct DirectSource {
    /// Where the bytes come from.
    pub(super) source: Source,
    /// Its version, when it is known without running code.
    pub(super) version: Option<Version>,
    /// What it requires, or why that is not known.
    pub(super) requires: Result<Vec<String>, (UnresolvedCause, String)>,
    /// Digests its URL names.
    pub(super) digests: Vec<Digest>,
    /// Whether installing it runs a build backend.
    pub(super) builds: bool,
    /// That it plants code into every start of the interpreter, as far as its files are known.
    pub(super) starts_code: Option<Execution>,
    /// The archive's file name.
    pub(super) filename: Option<String>,
}

/// What a release, or every one, is said to require.
pub(super) type SaidOf = (Option<Version>, Vec<String>);

/// A distribution that is installed already.
#[derive(Debug, Clone)]
pub(super) struct InstalledDist {
    pub(super) version: Version,
    /// Its `METADATA`.
    pub(super) metadata: Option<PathBuf>,
}

struct NodeData {
    name: Name,
    extra: Option<Rc<str>>,
    label: Rc<str>,
}

#[derive(Default)]
struct Names {
    nodes: Vec<NodeData>,
    by_key: FxHashMap<(Name, Option<Rc<str>>), Node>,
    names: Vec<PackageName>,
    by_name: FxHashMap<Rc<str>, Name>,
    specs: Vec<Rc<Spec>>,
    by_spec: FxHashMap<String, usize>,
}

/// Everything the search may ask.
pub(super) struct Catalog<'a> {
    index: &'a dyn PythonIndex,
    files: &'a dyn Files,
    pub(super) freshness: &'a Freshness<'a>,
    pub(super) options: Options,
    pub(super) markers: MarkerEnvironment,
    python: Option<Version>,
    tags: FxHashMap<&'a str, u32>,
    installed: FxHashMap<String, InstalledDist>,
    /// Sources named outright, by project.
    pub(super) direct: Vec<DirectSource>,
    direct_of: FxHashMap<Name, usize>,
    /// What constraints files and constraint options say of a project.
    pub(super) constraints: FxHashMap<Name, Vec<Rc<Need>>>,
    /// uv's overrides: they take the place of what releases require of these projects.
    pub(super) overrides: FxHashMap<Name, Vec<Requirement>>,
    /// What uv takes releases to require (`dependency-metadata`), by canonical name; without a version: of all.
    pub(super) stated: FxHashMap<String, Vec<SaidOf>>,
    /// Versions that a lockfile names, with whether it has digests for them; they are tried first.
    pub(super) preferred: FxHashMap<Name, Vec<(Version, bool)>>,
    names: RefCell<Names>,
    pools: RefCell<FxHashMap<Name, Rc<Pool>>>,
    deps: RefCell<FxHashMap<(Node, u32), Rc<Deps>>>,
    metadata: RefCell<FxHashMap<(Name, u32), Rc<Required>>>,
    hinted: RefCell<FxHashSet<Name>>,
    /// Projects that no index gives; requirements on them are reported, not searched.
    missing: RefCell<FxHashMap<Name, Rc<str>>>,
    /// Whether a limit on the number of projects or metadata files was met.
    pub(super) limited: Cell<bool>,
}

/// A release's requirements, parsed, before markers.
#[derive(Debug, Default)]
struct Required {
    list: Vec<(Requirement, Rc<str>)>,
    unusable: Option<String>,
    unknown: Option<(UnresolvedCause, String)>,
}

impl<'a> Catalog<'a> {
    /// A catalog over an index for one interpreter.
    pub(super) fn new(
        index: &'a dyn PythonIndex,
        files: &'a dyn Files,
        freshness: &'a Freshness<'a>,
        interpreter: &'a InterpreterFacts,
        options: Options,
    ) -> Self {
        let markers = MarkerEnvironment::new(interpreter.markers.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let python =
            parse_version(markers.get("python_full_version")).or_else(|| parse_version(markers.get("python_version")));
        let mut installed = FxHashMap::default();
        if !options.ignore_installed {
            for (name, version) in &interpreter.installed {
                let Some(parsed) = parse_version(version) else { continue };
                let metadata = metadata_path(files, &interpreter.site_packages, name, version);
                installed
                    .entry(normalise_name(Ecosystem::PyPI, name))
                    .or_insert(InstalledDist { version: parsed, metadata });
            }
        }
        let ranks = interpreter.tags.iter().enumerate();
        Self {
            index,
            files,
            freshness,
            options,
            markers,
            python,
            tags: ranks.map(|(i, t)| (t.as_str(), u32::try_from(i).unwrap_or(u32::MAX))).collect(),
            installed,
            direct: Vec::new(),
            direct_of: FxHashMap::default(),
            constraints: FxHashMap::default(),
            overrides: FxHashMap::default(),
            stated: FxHashMap::default(),
            preferred: FxHashMap::default(),
            names: RefCell::default(),
            pools: RefCell::default(),
            deps: RefCell::default(),
            metadata: RefCell::default(),
            hinted: RefCell::default(),
            missing: RefCell::default(),
            limited: Cell::new(false),
        }
    }

    /// The number of a project.
    pub(super) fn name(&self, name: &PackageName) -> Name {
        let mut table = self.names.borrow_mut();
        if let Some(known) = table.by_name.get(name.canonical()) {
            return *known;
        }
        let number = Name::try_from(table.names.len()).unwrap_or(Name::MAX);
        table.names.push(name.clone());
        table.by_name.insert(Rc::from(name.canonical()), number);
        number
    }

    /// The name behind a number.
    pub(super) fn package_name(&self, name: Name) -> PackageName {
        self.names.borrow().names.get(name as usize).cloned().unwrap_or_else(|| PackageName::new(Ecosystem::PyPI, ""))
    }

    /// The node of a project, or of one extra of it (normalised).
    pub(super) fn node(&self, name: Name, extra: Option<&str>) -> Node {
        let extra = extra.map(Rc::<str>::from);
        let mut table = self.names.borrow_mut();
        if let Some(known) = table.by_key.get(&(name, extra.clone())) {
            return *known;
        }
        let number = Node::try_from(table.nodes.len()).unwrap_or(Node::MAX);
        let canonical = table.names.get(name as usize).map_or("", |n| n.canonical());
        let label = match &extra {
            Some(extra) => format!("{canonical}[{extra}]"),
            None => canonical.to_owned(),
        };
        table.nodes.push(NodeData { name, extra: extra.clone(), label: Rc::from(label) });
        table.by_key.insert((name, extra), number);
        number
    }

    /// A node's project, and whether it is one of its extras.
    pub(super) fn node_name(&self, node: Node) -> (Name, bool) {
        self.names.borrow().nodes.get(node as usize).map_or((0, false), |n| (n.name, n.extra.is_some()))
    }

    /// `name` or `name[extra]`.
    pub(super) fn label(&self, node: Node) -> Rc<str> {
        self.names.borrow().nodes.get(node as usize).map_or_else(|| Rc::from(""), |n| Rc::clone(&n.label))
    }

    /// Registers a source that takes the place of every index for its project. The first one stays.
    pub(super) fn add_direct(&mut self, name: &PackageName, source: DirectSource) -> bool {
        let number = self.name(name);
        if self.direct_of.contains_key(&number) {
            return false;
        }
        self.direct_of.insert(number, self.direct.len());
        self.direct.push(source);
        true
    }

    /// The source that was named outright for a project.
    pub(super) fn direct_for(&self, name: Name) -> Option<&DirectSource> {
        self.direct.get(*self.direct_of.get(&name)?)
    }

    fn spec(&self, requirement: &Requirement) -> (usize, Rc<Spec>) {
        let text = requirement.specifiers.to_string();
        let mut table = self.names.borrow_mut();
        if let Some(number) = table.by_spec.get(&text)
            && let Some(spec) = table.specs.get(*number)
        {
            return (*number, Rc::clone(spec));
        }
        let number = table.specs.len();
        let spec = Rc::new(Spec::new(&requirement.specifiers));
        table.specs.push(Rc::clone(&spec));
        table.by_spec.insert(text, number);
        (number, spec)
    }

    /// The needs of one requirement: its project, and each extra asked for.
    pub(super) fn needs(&self, requirement: &Requirement, text: &Rc<str>, digests: &[Digest]) -> Vec<Rc<Need>> {
        let name = self.name(&requirement.name);
        let (number, spec) = self.spec(requirement);
        let need = |extra: Option<&str>| {
            Rc::new(Need {
                node: self.node(name, extra),
                number,
                spec: Rc::clone(&spec),
                exactly: None,
                digests: digests.to_vec(),
                text: Rc::clone(text),
            })
        };
        let mut out = vec![need(None)];
        let mut seen: Vec<String> = Vec::new();
        for extra in requirement.extras.iter().map(|e| normalise_name(Ecosystem::PyPI, e)) {
            if !seen.contains(&extra) {
                out.push(need(Some(&extra)));
                seen.push(extra);
            }
        }
        out
    }

    /// What may be chosen for a project; asks the index the first time.
    pub(super) fn pool(&self, name: Name) -> Rc<Pool> {
        if let Some(known) = self.pools.borrow().get(&name) {
            return Rc::clone(known);
        }
        let pool = Rc::new(self.build_pool(name));
        self.pools.borrow_mut().insert(name, Rc::clone(&pool));
        pool
    }

    fn build_pool(&self, name: Name) -> Pool {
        if let Some(number) = self.direct_of.get(&name) {
            let version = self.direct.get(*number).and_then(|d| d.version.clone());
            return Pool::direct(*number, version);
        }
        let package = self.package_name(name);
        let installed = self.installed.get(package.canonical());
        let pool = if self.pools.borrow().len() >= MAX_PROJECTS {
            self.limited.set(true);
            Pool::failed(FetchError::TooLarge { registry: "this resolution".to_owned(), limit: MAX_PROJECTS as u64 })
        } else {
            match self.index.project(&package) {
                Ok(project) => Pool::from_index(
                    &package,
                    project,
                    &Fit {
                        tags: &self.tags,
                        python: self.python.as_ref(),
                        options: &self.options,
                        freshness: self.freshness,
                    },
                ),
                Err(error) => Pool::failed(error),
            }
        };
        // An upgrade looks for what is newer: not knowing whether there is anything is not "nothing to install".
        let silent = pool.error.as_ref().is_some_and(|e| !matches!(e, FetchError::NotFound { .. }));
        match installed.filter(|_| !(silent && self.options.upgrade != Upgrade::Never)) {
            Some(dist) => pool.with_installed(dist.version.clone()),
            None => pool,
        }
    }

    /// Tells the index which projects will be asked for.
    pub(super) fn hint(&self, names: impl IntoIterator<Item = Name>) {
        let mut hinted = self.hinted.borrow_mut();
        let fresh: Vec<PackageName> = names
            .into_iter()
            .filter(|n| !self.pools.borrow().contains_key(n) && !self.direct_of.contains_key(n) && hinted.insert(*n))
            .map(|n| self.package_name(n))
            .collect();
        if !fresh.is_empty() {
            self.index.prefetch(&fresh);
        }
    }

    /// Tells the index which releases' metadata will be asked for.
    pub(super) fn hint_metadata(&self, releases: &[(Name, u32)]) {
        if self.options.no_deps {
            return;
        }
        let files: Vec<File> = releases
            .iter()
            .filter(|key| !self.metadata.borrow().contains_key(*key))
            .filter_map(|(name, index)| {
                let pool = self.pool(*name);
                let choice = *pool.release(*index)?.choices.first()?;
                pool.file(choice)
            })
            .collect();
        if !files.is_empty() {
            self.index.prefetch_metadata(&files);
        }
    }

    /// What a release requires, for its project itself or for one of its extras.
    pub(super) fn deps(&self, node: Node, index: u32) -> Rc<Deps> {
        if let Some(known) = self.deps.borrow().get(&(node, index)) {
            return Rc::clone(known);
        }
        let deps = Rc::new(self.build_deps(node, index));
        self.deps.borrow_mut().insert((node, index), Rc::clone(&deps));
        deps
    }

    fn build_deps(&self, node: Node, index: u32) -> Deps {
        let (name, extra) = {
            let table = self.names.borrow();
            match table.nodes.get(node as usize) {
                Some(data) => (data.name, data.extra.clone()),
                None => return Deps::default(),
            }
        };
        let mut out = Deps::default();
        if extra.is_some() {
            out.needs.push(Rc::new(Need {
                node: self.node(name, None),
                number: usize::MAX,
                spec: Rc::new(Spec::any()),
                exactly: Some(index),
                digests: Vec::new(),
                text: self.label(self.node(name, None)),
            }));
        }
        if self.options.no_deps {
            return out;
        }
        let required = self.required(name, index);
        out.unusable.clone_from(&required.unusable);
        if extra.is_none() {
            out.unknown.clone_from(&required.unknown);
        }
        let wanted: Vec<String> = extra.iter().map(|e| e.to_string()).collect();
        for (requirement, text) in &required.list {
            let base = requirement.applies(&self.markers, &[]);
            let applies = if extra.is_some() { !base && requirement.applies(&self.markers, &wanted) } else { base };
            if applies {
                self.take(requirement, text, &mut out);
            }
        }
        out
    }

    /// Adds what one requirement of a release asks for, overrides applied.
    fn take(&self, requirement: &Requirement, text: &Rc<str>, out: &mut Deps) {
        let name = self.name(&requirement.name);
        if let Some(overriding) = self.overrides.get(&name) {
            for replacement in overriding.iter().filter(|r| r.applies(&self.markers, &[])) {
                let mut replacement = replacement.clone();
                if replacement.extras.is_empty() {
                    replacement.extras.clone_from(&requirement.extras);
                }
                let text: Rc<str> = Rc::from(replacement.to_string());
                out.needs.extend(self.needs(&replacement, &text, &[]));
            }
            return;
        }
        if requirement.url.is_some() && !self.direct_of.contains_key(&name) {
            out.foreign.push(Foreign { requirement: requirement.clone(), text: text.to_string() });
            return;
        }
        out.needs.extend(self.needs(requirement, text, &[]));
    }

    fn required(&self, name: Name, index: u32) -> Rc<Required> {
        if let Some(known) = self.metadata.borrow().get(&(name, index)) {
            return Rc::clone(known);
        }
        let required = Rc::new(self.read_required(name, index));
        self.metadata.borrow_mut().insert((name, index), Rc::clone(&required));
        required
    }

    fn read_required(&self, name: Name, index: u32) -> Required {
        let pool = self.pool(name);
        let Some(release) = pool.release(index) else { return Required::default() };
        if let Some(stated) = self.stated.get(self.package_name(name).canonical()) {
            let of_release = |v: &&SaidOf| v.0.as_ref().is_none_or(|v| *v == release.version);
            if let Some((_, requires)) = stated.iter().find(of_release) {
                return self.parse_all(requires);
            }
        }
        let unknown = |cause, reason: String| Required { unknown: Some((cause, reason)), ..Required::default() };
        match release.from {
            From::Direct(number) => match self.direct.get(number).map(|d| &d.requires) {
                Some(Ok(list)) => self.parse_all(list),
                Some(Err((cause, reason))) => unknown(*cause, reason.clone()),
                None => Required::default(),
            },
            From::Installed => {
                let package = self.package_name(name);
                let path = self.installed.get(package.canonical()).and_then(|d| d.metadata.as_ref());
                match path.map(|p| self.files.read(p)) {
                    Some(Ok(bytes)) if bytes.len() <= MAX_METADATA_BYTES => {
                        self.parse_all(&requires_dist(&String::from_utf8_lossy(&bytes)))
                    }
                    _ => Required::default(),
                }
            }
            From::Index => {
                if self.metadata.borrow().len() >= MAX_METADATA {
                    self.limited.set(true);
                    return Required {
                        unusable: Some("too many releases were tried".to_owned()),
                        ..Required::default()
                    };
                }
                let Some(file) = release.choices.first().and_then(|c| pool.file(*c)) else {
                    return Required::default();
                };
                match self.index.metadata(&file) {
                    Ok(metadata) => self.read_metadata(name, &release.version, &metadata),
                    Err(FetchError::NeedsExecution { reason }) => unknown(
                        UnresolvedCause::NeedsExecution,
                        format!("its dependencies are known only by running its build: {reason}"),
                    ),
                    Err(FetchError::Malformed { reason, .. }) => Required {
                        unusable: Some(format!("its metadata cannot be read: {reason}")),
                        ..Required::default()
                    },
                    Err(error @ FetchError::TooLarge { .. }) => {
                        unknown(UnresolvedCause::LimitExceeded, error.to_string())
                    }
                    Err(error) => unknown(UnresolvedCause::Unreachable, error.to_string()),
                }
            }
        }
    }

    fn read_metadata(&self, name: Name, version: &Version, metadata: &Arc<CoreMetadata>) -> Required {
        let unusable = |reason: String| Required { unusable: Some(reason), ..Required::default() };
        let package = self.package_name(name);
        if !metadata.name.is_empty() && normalise_name(Ecosystem::PyPI, &metadata.name) != package.canonical() {
            return unusable("its metadata names another project".to_owned());
        }
        if parse_version(&metadata.version).is_some_and(|v| v.without_local() != version.clone().without_local()) {
            return unusable("its metadata names another version".to_owned());
        }
        if metadata.requires_python.as_deref().is_some_and(|text| !python_fits(text, self.python.as_ref())) {
            return unusable("it requires another Python".to_owned());
        }
        self.parse_all(&metadata.requires_dist)
    }

    fn parse_all(&self, list: &[String]) -> Required {
        if list.len() > MAX_REQUIRES {
            return Required {
                unknown: Some((
                    UnresolvedCause::LimitExceeded,
                    format!("it has more than {MAX_REQUIRES} requirements"),
                )),
                ..Required::default()
            };
        }
        let mut out = Required::default();
        for text in list {
            match requirement::parse(text) {
                Ok(parsed) => out.list.push((parsed, Rc::from(text.as_str()))),
                Err(reason) => {
                    out.unusable = Some(format!("one of its requirements cannot be read: {reason}"));
                    out.list.clear();
                    return out;
                }
            }
        }
        out
    }

    /// Whether the search must pass over a requirement, because its project is not known to anybody who was asked.
    /// A project that could not be asked for is passed over at once: that it exists is more likely than not.
    pub(super) fn passes_over(&self, need: &Need) -> bool {
        let (name, _) = self.node_name(need.node);
        if self.missing.borrow().contains_key(&name) {
            return true;
        }
        let pool = self.pool(name);
        let unasked =
            pool.releases.is_empty() && pool.error.as_ref().is_some_and(|e| !matches!(e, FetchError::NotFound { .. }));
        if unasked {
            self.missing.borrow_mut().insert(name, Rc::clone(&need.text));
        }
        unasked
    }

    /// From now on, requirements on projects that do not exist are passed over. Whether there are any new ones.
    pub(super) fn give_up_on_the_unknown(&self) -> bool {
        let mut missing = self.missing.borrow_mut();
        let before = missing.len();
        for (name, pool) in self.pools.borrow().iter() {
            if pool.error.is_some() && pool.releases.is_empty() && !missing.contains_key(name) {
                missing.insert(*name, Rc::from(self.package_name(*name).written()));
            }
        }
        missing.len() > before
    }

    /// The projects passed over, with a requirement on each.
    pub(super) fn missing(&self) -> Vec<(Name, Rc<str>)> {
        let mut all: Vec<_> = self.missing.borrow().iter().map(|(n, t)| (*n, Rc::clone(t))).collect();
        all.sort();
        all
    }
}

/// The `METADATA` of an installed distribution, by the directory's possible spellings.
fn metadata_path(files: &dyn Files, site_packages: &[PathBuf], name: &str, version: &str) -> Option<PathBuf> {
    let spellings = [name.to_owned(), name.replace('-', "_")];
    site_packages
        .iter()
        .flat_map(|dir| spellings.iter().map(move |n| dir.join(format!("{n}-{version}.dist-info")).join("METADATA")))
        .find(|path| files.is_file(path))
}

/// The `Requires-Dist` lines of a metadata file's header.
fn requires_dist(text: &str) -> Vec<String> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.eq_ignore_ascii_case("requires-dist"))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}
