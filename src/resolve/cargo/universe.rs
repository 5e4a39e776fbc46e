//! The packages that a Cargo resolution may choose from: index entries read on demand, local packages, patches.
//!
//! In: the registries, the workspace's manifests, the lockfile's preferences and the cooldown. Out: for a dependency,
//! its candidates in the order in which Cargo would try them, and for a package, its dependencies and features.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use semver::Version;

use crate::ecosystem::cargo::manifest::{Dependency as ManifestDependency, Manifest, Section};
use crate::ecosystem::cargo::source::{CRATES_IO, SourceId, SourceKind};
use crate::ecosystem::cargo::version::{PartialVersion, Requirement};
use crate::model::{Ecosystem, Origin, PackageName, Timestamp};
use crate::registry::crates::{Crate, DependencyKind};
use crate::registry::line_list::LineRef;
use crate::registry::{CrateIndex, FetchError};
use crate::resolve::Freshness;

/// The newest index format that is read; Cargo skips lines of a newer one.
const NEWEST_INDEX_FORMAT: u32 = 2;

/// A package: an index into [`Universe::packages`].
pub(super) type PackageIx = usize;
/// A source: an index into [`Universe::sources`].
pub(super) type SourceIx = usize;

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SourceEntry {
    /// A registry, as [`CrateIndex`] is asked for it.
    Registry {
        /// Name or index URL; `None` is crates.io.
        registry: Option<String>,
        /// What a lockfile records.
        id: SourceId,
    },
    /// A local package: the manifest's path.
    Local(std::path::PathBuf),
    /// A git repository; `precise` is known when a lockfile knew it.
    Git(SourceId),
}

/// One release.
pub(super) struct Package {
    pub(super) name: Rc<str>,
    pub(super) version: Version,
    pub(super) source: SourceIx,
    pub(super) links: Option<Rc<str>>,
    pub(super) rust_version: Option<PartialVersion>,
    pub(super) origin: PackageOrigin,
    detail: OnceCell<Rc<Detail>>,
}

/// What a package was read from.
pub(super) enum PackageOrigin {
    /// A line of an index file.
    Index { krate: Arc<Crate>, at: usize },
    /// A manifest on this machine, or out of a downloaded `.crate`.
    Manifest(Rc<Manifest>),
    /// A git repository whose manifest is not known; dependencies as a lockfile recorded them.
    Opaque { dependencies: Vec<PackageIx> },
}

/// A package's dependencies and features.
pub(super) struct Detail {
    pub(super) dependencies: Vec<Rc<Dependency>>,
    /// Features as written, with the implicit ones of optional dependencies.
    pub(super) features: BTreeMap<Rc<str>, Vec<FeatureValue>>,
}

/// One dependency, ready to be resolved.
pub(super) struct Dependency {
    /// The name it is used under, which features refer to.
    pub(super) alias: Rc<str>,
    /// The crate's name.
    pub(super) name: Rc<str>,
    pub(super) source: SourceIx,
    pub(super) requirement: Requirement,
    /// The requirement as written.
    pub(super) text: Rc<str>,
    pub(super) features: Vec<Rc<str>>,
    pub(super) default_features: bool,
    pub(super) optional: bool,
    pub(super) development: bool,
    /// A lockfile decided: only this package.
    pub(super) locked: Option<PackageIx>,
    /// For what a manifest says: its line.
    pub(super) origin: Option<Rc<Origin>>,
}

impl Dependency {
    /// The entry as a line of a manifest.
    pub(super) fn line(&self) -> String {
        match &self.origin {
            Some(origin) => origin.text.clone(),
            None => format!("{} = \"{}\"", self.name, self.text),
        }
    }
}

/// What a feature switches on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FeatureValue {
    /// Another feature.
    Feature(Rc<str>),
    /// An optional dependency: `dep:x`.
    Dependency(Rc<str>),
    /// A feature of a dependency: `x/y`, `x?/y`.
    Of { dependency: Rc<str>, feature: Rc<str>, weak: bool },
}

impl FeatureValue {
    fn parse(text: &str) -> Self {
        if let Some((dependency, feature)) = text.split_once('/') {
            let (dependency, weak) = match dependency.strip_suffix('?') {
                Some(dependency) => (dependency, true),
                None => (dependency, false),
            };
            return Self::Of { dependency: dependency.into(), feature: feature.into(), weak };
        }
        match text.strip_prefix("dep:") {
            Some(dependency) => Self::Dependency(dependency.into()),
            None => Self::Feature(text.into()),
        }
    }
}

/// How the cooldown's young releases are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Young {
    /// They do not exist.
    Hidden,
    /// They come last.
    Last,
    /// Like any other.
    Ordinary,
}

/// What weighs on the order of candidates.
#[derive(Default)]
pub(super) struct Preferences {
    /// Releases of the lockfile, to be kept where they fit: name, version, source.
    pub(super) keep: FxHashSet<(Rc<str>, Version, SourceIx)>,
    /// Rust versions of the workspace's members; empty: not considered.
    pub(super) rust_versions: Vec<PartialVersion>,
    /// `cargo update --precise`: the release that a package is to have.
    pub(super) precise: Option<(Rc<str>, Version)>,
    /// Locked edges of packages that stay as they are: from a release to releases.
    pub(super) edges: FxHashMap<(Rc<str>, Version, SourceIx), Vec<PackageIx>>,
    /// Releases that exact locking may use.
    pub(super) lockable: FxHashMap<(Rc<str>, SourceIx), Vec<PackageIx>>,
}

/// A query's answer.
pub(super) type Candidates = Result<Rc<Vec<PackageIx>>, FetchError>;

/// A crate in a source.
type CrateKey = (Rc<str>, SourceIx);

/// One crate's releases, or why they are not known.
type Loaded = Result<Rc<Vec<PackageIx>>, FetchError>;

/// Whether Cargo would accept a line, by its crate's place in memory and its tables.
type Valid = FxHashMap<(usize, (u32, u32)), bool>;

/// Everything there is to choose from.
pub(super) struct Universe<'a> {
    index: &'a dyn CrateIndex,
    freshness: &'a Freshness<'a>,
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<SourceEntry>,
    pub(super) preferences: Preferences,
    /// `[patch]`: by patched source and name.
    pub(super) patches: FxHashMap<(SourceIx, Rc<str>), Vec<PackageIx>>,
    pub(super) young: Young,
    names: FxHashMap<Box<str>, Rc<str>>,
    loaded: FxHashMap<(Rc<str>, SourceIx), Loaded>,
    queries: FxHashMap<(CrateKey, Rc<str>), Rc<Vec<PackageIx>>>,
    prefetched: FxHashSet<(Rc<str>, SourceIx)>,
    valid: RefCell<Valid>,
}

impl<'a> Universe<'a> {
    pub(super) fn new(index: &'a dyn CrateIndex, freshness: &'a Freshness<'a>) -> Self {
        Self {
            index,
            freshness,
            packages: Vec::new(),
            sources: Vec::new(),
            preferences: Preferences::default(),
            patches: FxHashMap::default(),
            young: Young::Hidden,
            names: FxHashMap::default(),
            loaded: FxHashMap::default(),
            queries: FxHashMap::default(),
            prefetched: FxHashSet::default(),
            valid: RefCell::default(),
        }
    }

    /// A text, kept once.
    pub(super) fn intern(&mut self, text: &str) -> Rc<str> {
        if let Some(known) = self.names.get(text) {
            return Rc::clone(known);
        }
        let shared: Rc<str> = Rc::from(text);
        self.names.insert(text.into(), Rc::clone(&shared));
        shared
    }

    /// A source, kept once.
    pub(super) fn source(&mut self, entry: SourceEntry) -> SourceIx {
        if let Some(known) = self.sources.iter().position(|s| *s == entry) {
            return known;
        }
        self.sources.push(entry);
        self.sources.len() - 1
    }

    /// The registry of this name or index URL.
    pub(super) fn registry(&mut self, registry: Option<&str>) -> Result<SourceIx, FetchError> {
        let registry = registry.filter(|r| !is_crates_io(r));
        let known = self
            .sources
            .iter()
            .position(|s| matches!(s, SourceEntry::Registry { registry: r, .. } if r.as_deref() == registry));
        if let Some(known) = known {
            return Ok(known);
        }
        let id = match registry {
            // The lockfile's words for crates.io do not depend on what stands in for it.
            None => SourceId::parse(CRATES_IO),
            Some(_) => SourceId::parse(&self.index.source_of(registry)?.source_id),
        };
        let id = id.ok_or_else(|| FetchError::Malformed {
            registry: crate::model::redact_url(registry.unwrap_or_default()),
            reason: "its source id is of no known kind".to_owned(),
        })?;
        // One registry may be named in two ways: by its name and by its URL.
        let same = self
            .sources
            .iter()
            .position(|s| matches!(s, SourceEntry::Registry { id: known, .. } if known.same_place(&id)));
        if let Some(same) = same {
            return Ok(same);
        }
        Ok(self.source(SourceEntry::Registry { registry: registry.map(str::to_owned), id }))
    }

    /// Adds a package.
    pub(super) fn add(&mut self, package: Package) -> PackageIx {
        self.packages.push(package);
        self.packages.len() - 1
    }

    /// Adds a package read from a manifest.
    pub(super) fn add_manifest(&mut self, manifest: Rc<Manifest>, source: SourceIx) -> Option<PackageIx> {
        let table = manifest.package.as_ref()?;
        let version = Version::parse(&table.version).ok()?;
        let (name, links) = (self.intern(&table.name), table.links.as_deref().map(|l| self.intern(l)));
        let rust_version = table.rust_version.as_deref().and_then(PartialVersion::parse);
        let package =
            Package::new(name, version, source, links, rust_version, PackageOrigin::Manifest(Rc::clone(&manifest)));
        Some(self.add(package))
    }

    /// Makes a package the only one of its name in a source.
    pub(super) fn provide(&mut self, package: PackageIx) {
        let Some(p) = self.packages.get(package) else { return };
        let key = (Rc::clone(&p.name), p.source);
        match self.loaded.get(&key) {
            Some(Ok(known)) => {
                let mut known = (**known).clone();
                known.push(package);
                self.loaded.insert(key, Ok(Rc::new(known)));
            }
            _ => {
                self.loaded.insert(key, Ok(Rc::new(vec![package])));
            }
        }
        self.queries.clear();
    }

    /// Forgets answers that depend on [`Universe::young`] and the preferences.
    pub(super) fn forget(&mut self) {
        self.queries.clear();
    }

    /// Asks for crates ahead of time, in one go.
    pub(super) fn prefetch(&mut self, wanted: impl IntoIterator<Item = (Rc<str>, SourceIx)>) {
        let mut names = Vec::new();
        for (name, source) in wanted {
            let Some(SourceEntry::Registry { registry, .. }) = self.sources.get(source) else { continue };
            if self.loaded.contains_key(&(Rc::clone(&name), source)) {
                continue;
            }
            let entry = (PackageName::new(Ecosystem::CratesIo, &name), registry.clone());
            if self.prefetched.insert((name, source)) {
                names.push(entry);
            }
        }
        if !names.is_empty() {
            self.index.prefetch(&names);
        }
    }

    /// Every release of a crate that exists, in no particular order.
    pub(super) fn load(&mut self, name: &Rc<str>, source: SourceIx) -> Loaded {
        let key = (Rc::clone(name), source);
        if let Some(known) = self.loaded.get(&key) {
            return known.clone();
        }
        let registry = match self.sources.get(source) {
            Some(SourceEntry::Registry { registry, .. }) => registry.clone(),
            _ => return Ok(Rc::new(Vec::new())),
        };
        let answer = self.index.krate(&PackageName::new(Ecosystem::CratesIo, name), registry.as_deref());
        let loaded = answer.map(|krate| Rc::new(self.add_crate(name, source, &krate)));
        self.loaded.insert(key, loaded.clone());
        loaded
    }

    fn add_crate(&mut self, name: &Rc<str>, source: SourceIx, krate: &Arc<Crate>) -> Vec<PackageIx> {
        let mut out = Vec::with_capacity(krate.versions.len());
        for (at, line) in krate.versions.iter().enumerate() {
            if line.format() > NEWEST_INDEX_FORMAT || !self.freshness.exists(line.published_at()) {
                continue;
            }
            let Ok(version) = Version::parse(line.version()) else { continue };
            let links = line.links().map(|l| self.intern(l));
            let rust_version = line.rust_version().and_then(PartialVersion::parse);
            let origin = PackageOrigin::Index { krate: Arc::clone(krate), at };
            out.push(self.add(Package::new(Rc::clone(name), version, source, links, rust_version, origin)));
        }
        out
    }

    /// The index line of a package.
    pub(super) fn line(&self, package: PackageIx) -> Option<LineRef<'_>> {
        match &self.packages.get(package)?.origin {
            PackageOrigin::Index { krate, at } => krate.versions.get(*at),
            _ => None,
        }
    }

    /// When a package was published.
    pub(super) fn published(&self, package: PackageIx) -> Option<Timestamp> {
        self.line(package).and_then(|l| l.published_at())
    }

    /// How long ago a package was published, for people.
    pub(super) fn age_text(&self, package: PackageIx) -> String {
        self.freshness.age_text(self.published(package))
    }

    /// The key by which the lockfile's preferences know a package.
    pub(super) fn key(&self, package: PackageIx) -> Option<(Rc<str>, Version, SourceIx)> {
        self.packages.get(package).map(|p| (Rc::clone(&p.name), p.version.clone(), p.source))
    }

    fn kept(&self, package: PackageIx) -> bool {
        !self.preferences.keep.is_empty() && self.key(package).is_some_and(|k| self.preferences.keep.contains(&k))
    }

    /// The candidates of a dependency, best first.
    pub(super) fn query(&mut self, dependency: &Dependency) -> Candidates {
        if let Some(locked) = dependency.locked {
            return Ok(Rc::new(vec![locked]));
        }
        let key = ((Rc::clone(&dependency.name), dependency.source), Rc::clone(&dependency.text));
        if let Some(known) = self.queries.get(&key) {
            return Ok(Rc::clone(known));
        }
        let patches = self.patches.get(&(dependency.source, Rc::clone(&dependency.name))).cloned().unwrap_or_default();
        let patches: Vec<PackageIx> = patches
            .into_iter()
            .filter(|p| {
                self.packages.get(*p).is_some_and(|p| p.is_opaque() || dependency.requirement.matches(&p.version))
            })
            .collect();
        let loaded = match self.load(&dependency.name, dependency.source) {
            Ok(loaded) => loaded,
            Err(_) if !patches.is_empty() => Rc::new(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut out: Vec<PackageIx> = Vec::new();
        for &candidate in loaded.iter() {
            let Some(p) = self.packages.get(candidate) else { continue };
            let fits = p.is_opaque() || dependency.requirement.matches(&p.version);
            let precise = self.preferences.precise.as_ref().is_some_and(|(name, v)| *name == p.name && *v == p.version);
            let withdrawn = !precise && self.line(candidate).is_some_and(|l| l.yanked());
            let patched = patches.iter().any(|x| self.packages.get(*x).is_some_and(|x| x.version == p.version));
            if fits && !patched && (!withdrawn || self.kept(candidate)) && self.is_valid(candidate) {
                out.push(candidate);
            }
        }
        let precise = self.preferences.precise.as_ref().and_then(|(name, version)| {
            let named = *name == dependency.name;
            out.iter().copied().find(|c| named && self.version(*c) == Some(version))
        });
        match precise {
            Some(precise) => out = vec![precise],
            None => {
                self.hide(&dependency.name, &mut out);
                self.order(&mut out);
            }
        }
        out.splice(0..0, patches);
        let out = Rc::new(out);
        self.queries.insert(key, Rc::clone(&out));
        Ok(out)
    }

    /// Which of the candidates the cooldown hides. The answer has the candidates' order.
    pub(super) fn hidden(&self, name: &str, candidates: &[PackageIx]) -> Vec<bool> {
        let mut newest_first: Vec<PackageIx> = candidates.to_vec();
        newest_first.sort_by(|a, b| self.version(*b).cmp(&self.version(*a)));
        let texts: Vec<(String, Option<Timestamp>)> = newest_first
            .iter()
            .map(|c| (self.version(*c).map(ToString::to_string).unwrap_or_default(), self.published(*c)))
            .collect();
        let rows: Vec<(&str, Option<Timestamp>)> = texts.iter().map(|(v, t)| (v.as_str(), *t)).collect();
        let hidden = self.freshness.hidden(&PackageName::new(Ecosystem::CratesIo, name), &rows);
        let hidden: BTreeSet<PackageIx> =
            newest_first.iter().zip(hidden).filter(|(c, h)| *h && !self.kept(**c)).map(|(c, _)| *c).collect();
        candidates.iter().map(|c| hidden.contains(c)).collect()
    }

    fn hide(&self, name: &str, candidates: &mut Vec<PackageIx>) {
        if self.young != Young::Hidden || self.freshness.cutoff.is_none() {
            return;
        }
        let hidden = self.hidden(name, candidates);
        let mut at = 0;
        candidates.retain(|_| {
            at += 1;
            !hidden.get(at - 1).copied().unwrap_or(false)
        });
    }

    /// Kept releases first, then those that more of the workspace's Rust versions support, then the newest.
    fn order(&self, candidates: &mut [PackageIx]) {
        let young: FxHashSet<PackageIx> = if self.young == Young::Last {
            let name = |c: &PackageIx| PackageName::new(Ecosystem::CratesIo, &self.packages[*c].name);
            candidates.iter().filter(|c| self.freshness.is_young(&name(c), self.published(**c))).copied().collect()
        } else {
            FxHashSet::default()
        };
        let supports = |c: PackageIx| -> usize {
            let all = self.preferences.rust_versions.len();
            match self.packages.get(c).and_then(|p| p.rust_version.as_ref()) {
                None => all,
                Some(needed) => self.preferences.rust_versions.iter().filter(|have| needed.supported_by(have)).count(),
            }
        };
        candidates.sort_by(|a, b| {
            self.kept(*b)
                .cmp(&self.kept(*a))
                .then_with(|| young.contains(a).cmp(&young.contains(b)))
                .then_with(|| supports(*b).cmp(&supports(*a)))
                .then_with(|| self.version(*b).cmp(&self.version(*a)))
        });
    }

    /// A package's version.
    pub(super) fn version(&self, package: PackageIx) -> Option<&Version> {
        self.packages.get(package).map(|p| &p.version)
    }

    /// Whether Cargo would accept an index line: one whose features name nothing that exists is skipped.
    fn is_valid(&self, package: PackageIx) -> bool {
        match self.packages.get(package).map(|p| &p.origin) {
            Some(PackageOrigin::Index { krate, at }) => krate.versions.get(*at).is_some_and(|line| {
                // Lines of a crate repeat each other's tables.
                let key = (Arc::as_ptr(krate) as usize, line.tables());
                *self.valid.borrow_mut().entry(key).or_insert_with(|| valid_line(line))
            }),
            Some(_) => true,
            None => false,
        }
    }

    /// A package's dependencies and features.
    pub(super) fn detail(&mut self, package: PackageIx) -> Rc<Detail> {
        let Some(p) = self.packages.get(package) else { return Rc::new(Detail::empty()) };
        if let Some(known) = p.detail.get() {
            return Rc::clone(known);
        }
        let key = (Rc::clone(&p.name), p.version.clone(), p.source);
        let (mut dependencies, features) = match &p.origin {
            PackageOrigin::Index { krate, at } => {
                let (krate, at, source) = (Arc::clone(krate), *at, p.source);
                self.index_detail(&krate, at, source)
            }
            PackageOrigin::Manifest(manifest) => {
                let manifest = Rc::clone(manifest);
                self.manifest_detail(&manifest)
            }
            PackageOrigin::Opaque { dependencies } => {
                let dependencies = dependencies.clone();
                (self.opaque_dependencies(&dependencies), BTreeMap::new())
            }
        };
        self.lock(&key, &mut dependencies);
        let detail = Rc::new(Detail { dependencies: dependencies.into_iter().map(Rc::new).collect(), features });
        if let Some(p) = self.packages.get(package) {
            let _ = p.detail.set(Rc::clone(&detail));
        }
        detail
    }

    /// Cargo's locking: edges that the lockfile has stay, and dependencies of packages that are new to it take a
    /// locked release where one fits.
    fn lock(&self, key: &(Rc<str>, Version, SourceIx), dependencies: &mut [Dependency]) {
        if self.preferences.lockable.is_empty() {
            return;
        }
        let edges = self.preferences.edges.get(key);
        for dependency in dependencies {
            let fits = |candidate: &PackageIx| {
                self.packages.get(*candidate).is_some_and(|p| {
                    p.name == dependency.name
                        && p.source == dependency.source
                        && dependency.requirement.matches(&p.version)
                })
            };
            let known: &[PackageIx] = match edges {
                Some(edges) => edges,
                None => match self.preferences.lockable.get(&(Rc::clone(&dependency.name), dependency.source)) {
                    Some(all) => all,
                    None => continue,
                },
            };
            let lockable = self.preferences.lockable.get(&(Rc::clone(&dependency.name), dependency.source));
            dependency.locked = known.iter().find(|c| fits(c) && lockable.is_some_and(|all| all.contains(c))).copied();
        }
    }

    fn index_detail(
        &mut self,
        krate: &Crate,
        at: usize,
        source: SourceIx,
    ) -> (Vec<Dependency>, BTreeMap<Rc<str>, Vec<FeatureValue>>) {
        let Some(line) = krate.versions.get(at) else { return (Vec::new(), BTreeMap::new()) };
        let written = line.dependencies();
        let mut dependencies = Vec::with_capacity(written.len());
        for d in &written {
            let from = match d.registry {
                None => source,
                // A registry that the configuration does not know: the query for it will say so.
                Some(url) => self.registry(Some(url)).unwrap_or_else(|_| self.unknown_registry(url)),
            };
            let Some(requirement) = Requirement::parse(d.req) else { continue };
            dependencies.push(Dependency {
                alias: self.intern(d.name),
                name: self.intern(d.package.unwrap_or(d.name)),
                source: from,
                requirement,
                text: self.intern(d.req),
                features: d.features.iter().map(|f| self.intern(f)).collect(),
                default_features: d.default_features,
                optional: d.optional,
                development: d.kind == DependencyKind::Dev,
                locked: None,
                origin: None,
            });
        }
        let features = line.features();
        let features = self.feature_map(features.iter().map(|(k, v)| (*k, v.as_slice())), &dependencies);
        (dependencies, features)
    }

    /// A registry that cannot be named: asking it gives the error again.
    fn unknown_registry(&mut self, url: &str) -> SourceIx {
        let id = SourceId { kind: SourceKind::Registry, url: url.to_owned(), precise: None };
        self.source(SourceEntry::Registry { registry: Some(url.to_owned()), id })
    }

    fn manifest_detail(&mut self, manifest: &Manifest) -> (Vec<Dependency>, BTreeMap<Rc<str>, Vec<FeatureValue>>) {
        let mut dependencies = Vec::with_capacity(manifest.dependencies.len());
        for d in &manifest.dependencies {
            dependencies.extend(self.manifest_dependency(d));
        }
        let features = manifest.features.iter().map(|(k, v)| (k.as_str(), v.as_slice()));
        let features = self.feature_map(features, &dependencies);
        (dependencies, features)
    }

    /// A dependency of a manifest; `None` when its requirement cannot be read, which the caller has reported.
    pub(super) fn manifest_dependency(&mut self, d: &ManifestDependency) -> Option<Dependency> {
        let source = self.manifest_source(d);
        let requirement = Requirement::parse(d.requirement())?;
        let registry = matches!(self.sources.get(source), Some(SourceEntry::Registry { .. }));
        let origin = Origin {
            text: d.text.clone(),
            range: registry.then(|| d.version.clone().unwrap_or_default()),
            location: d.location.clone(),
        };
        Some(Dependency {
            alias: self.intern(&d.name),
            name: self.intern(d.package_name()),
            source,
            requirement,
            text: self.intern(d.requirement()),
            features: d.features.iter().map(|f| self.intern(f)).collect(),
            default_features: d.default_features.unwrap_or(true),
            optional: d.optional,
            development: d.section == Section::Dev,
            locked: None,
            origin: Some(Rc::new(origin)),
        })
    }

    /// Where a manifest's dependency comes from.
    pub(super) fn manifest_source(&mut self, d: &ManifestDependency) -> SourceIx {
        use crate::ecosystem::cargo::manifest::DependencySource;
        match &d.source {
            DependencySource::Registry { name, index } => {
                let wanted = name.as_deref().or(index.as_deref());
                match self.registry(wanted) {
                    Ok(source) => source,
                    Err(_) => self.unknown_registry(wanted.unwrap_or_default()),
                }
            }
            DependencySource::Path { path, base } => {
                self.source(SourceEntry::Local(crate::ecosystem::cargo::workspace::manifest_of(base, path)))
            }
            DependencySource::Git { url, reference } => {
                let id = SourceId { kind: SourceKind::Git(reference.clone()), url: url.clone(), precise: None };
                let same =
                    self.sources.iter().position(|s| matches!(s, SourceEntry::Git(known) if known.same_place(&id)));
                same.unwrap_or_else(|| self.source(SourceEntry::Git(id)))
            }
        }
    }

    fn opaque_dependencies(&mut self, packages: &[PackageIx]) -> Vec<Dependency> {
        packages
            .iter()
            .filter_map(|&ix| {
                let p = self.packages.get(ix)?;
                Some(Dependency {
                    alias: Rc::clone(&p.name),
                    name: Rc::clone(&p.name),
                    source: p.source,
                    requirement: Requirement::exactly(&p.version),
                    text: Rc::from(format!("={}", p.version)),
                    features: Vec::new(),
                    default_features: true,
                    optional: false,
                    development: false,
                    locked: Some(ix),
                    origin: None,
                })
            })
            .collect()
    }

    /// Features, with an implicit one for every optional dependency that no feature names by `dep:`.
    fn feature_map<'t, T: AsRef<str> + 't>(
        &mut self,
        written: impl Iterator<Item = (&'t str, &'t [T])>,
        dependencies: &[Dependency],
    ) -> BTreeMap<Rc<str>, Vec<FeatureValue>> {
        let mut features = BTreeMap::new();
        let mut explicit: FxHashSet<Rc<str>> = FxHashSet::default();
        for (name, values) in written {
            let values: Vec<FeatureValue> = values.iter().map(|v| FeatureValue::parse(v.as_ref())).collect();
            explicit.extend(values.iter().filter_map(|v| match v {
                FeatureValue::Dependency(name) => Some(Rc::clone(name)),
                _ => None,
            }));
            features.insert(self.intern(name), values);
        }
        for d in dependencies.iter().filter(|d| d.optional && !explicit.contains(&d.alias)) {
            features.entry(Rc::clone(&d.alias)).or_insert_with(|| vec![FeatureValue::Dependency(Rc::clone(&d.alias))]);
        }
        features
    }
}

impl Detail {
    fn empty() -> Self {
        Self { dependencies: Vec::new(), features: BTreeMap::new() }
    }
}

impl Package {
    /// A package whose dependencies are read when they are asked for.
    pub(super) fn new(
        name: Rc<str>,
        version: Version,
        source: SourceIx,
        links: Option<Rc<str>>,
        rust_version: Option<PartialVersion>,
        origin: PackageOrigin,
    ) -> Self {
        Self { name, version, source, links, rust_version, origin, detail: OnceCell::new() }
    }

    /// Whether its manifest is unknown: any requirement and any feature are taken to fit.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(self.origin, PackageOrigin::Opaque { .. })
    }
}

/// Whether text names crates.io, by name or by either index.
fn is_crates_io(registry: &str) -> bool {
    let url = registry.trim_end_matches('/');
    let url = url.strip_prefix("registry+").unwrap_or(url);
    matches!(
        url,
        "crates-io"
            | "https://github.com/rust-lang/crates.io-index"
            | "sparse+https://index.crates.io"
            | "https://index.crates.io"
    )
}

/// Cargo's checks of a feature table: every value names a feature or a dependency of the right kind.
fn valid_line(line: LineRef<'_>) -> bool {
    let (dependencies, features) = (line.dependencies(), line.features());
    if dependencies.iter().any(|d| Requirement::parse(d.req).is_none()) {
        return false;
    }
    if features.is_empty() {
        return true;
    }
    let optional = |name: &str| dependencies.iter().any(|d| d.optional && d.name == name);
    let any = |name: &str| dependencies.iter().any(|d| d.name == name);
    features.iter().flat_map(|(_, implied)| implied).all(|value| match value.split_once('/') {
        Some((name, _)) => match name.strip_suffix('?') {
            Some(name) => optional(name),
            None => any(name),
        },
        None => match value.strip_prefix("dep:") {
            Some(name) => optional(name),
            None => features.binary_search_by_key(value, |(name, _)| *name).is_ok() || optional(value),
        },
    })
}
