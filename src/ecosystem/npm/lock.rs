//! package-lock.json and npm-shrinkwrap.json (lockfile versions 1, 2 and 3), and the shape that every lockfile of the
//! npm family is read into: [`Lockfile`].
//!
//! In: a path (for locations) and text. Out: the lockfile and what could not be taken as it stands. Pure and linear.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::json::{self, Member, Node};
use super::manifest::DependencyKind;
use super::pnpm_lock::ConfigDependency;
use super::spec::{self, Spec};
use crate::model::{Diagnostic, Digest, DigestAlgorithm, LineIndex, Location};

/// More packages than any real lockfile has.
pub const MAX_PACKAGES: usize = 200_000;

/// The tool whose lockfile this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// package-lock.json, npm-shrinkwrap.json.
    #[default]
    Npm,
    /// pnpm-lock.yaml.
    Pnpm,
    /// yarn.lock of yarn 1.
    YarnClassic,
    /// yarn.lock of yarn 2 and later.
    YarnBerry,
    /// bun.lock.
    Bun,
}

/// A lockfile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lockfile {
    /// The file, for locations.
    pub path: PathBuf,
    /// Its text, for locations.
    pub text: Arc<str>,
    /// Whose it is.
    pub format: Format,
    /// Its format's version as written (`3`, `9.0`); empty where the format has none.
    pub version: String,
    /// Every package but the project and its workspace members.
    pub packages: Vec<LockedPackage>,
    /// The project (path: empty) and its workspace members, where the format records what they ask for.
    pub importers: Vec<Importer>,
    /// pnpm: packages whose hooks it loads before anything else.
    pub config_dependencies: Vec<ConfigDependency>,
    /// npm: no entry that must have one has a `resolved` URL (`omit-lockfile-registry-resolved`).
    pub omits_resolved: bool,
    /// Each package by the key under which the file has it.
    index: FxHashMap<String, usize>,
}

/// The project or a workspace member, as the lockfile remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Importer {
    /// Its directory relative to the lockfile's; empty: the same.
    pub path: String,
    /// Its name, when the format records it.
    pub name: Option<String>,
    /// Its version, when the format records it.
    pub version: Option<String>,
    /// What it asked for when the lockfile was written.
    pub dependencies: Vec<LockedDependency>,
    /// Byte offset of its entry.
    pub offset: usize,
}

/// One package of a lockfile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LockedPackage {
    /// The key under which the file has it (`node_modules/a`, `/a@1.0.0`, `a@^1`); for several, the first.
    pub key: String,
    /// The package's real name.
    pub name: String,
    /// The name under which it is installed, when that is another.
    pub alias: Option<String>,
    /// Its version; `None` where the file does not say (links, some git packages).
    pub version: Option<String>,
    /// Where its bytes come from.
    pub source: LockedSource,
    /// Digests of its tarball, strongest first.
    pub digests: Vec<Digest>,
    /// A digest of something else than the tarball is recorded (yarn 2: of its own archive).
    pub other_digest: bool,
    /// The digest's text, when there is one and it cannot be read.
    pub unreadable_digest: Option<String>,
    /// Only for development.
    pub dev: bool,
    /// Only through optional dependencies: a failure to install it is none.
    pub optional: bool,
    /// Only through peer dependencies.
    pub peer: bool,
    /// Ships inside its parent's tarball.
    pub bundled: bool,
    /// It has an install script.
    pub has_install_script: bool,
    /// The registry's deprecation notice when the lockfile was written.
    pub deprecated: Option<String>,
    /// What it asks for.
    pub dependencies: Vec<LockedDependency>,
    /// What was asked for when it was locked (yarn's keys): `^1.0.0`.
    pub requested: Vec<String>,
    /// Names of its commands.
    pub bin: Vec<String>,
    /// Byte offset of its key.
    pub offset: usize,
}

/// A dependency of a locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedDependency {
    /// In which table it stands.
    pub kind: DependencyKind,
    /// A peer that need not be there.
    pub optional_peer: bool,
    /// The name under which it is looked up.
    pub name: String,
    /// The text beside it. For pnpm's packages: the version that was chosen.
    pub spec: String,
    /// The version that was chosen, where the file says so beside the dependency (pnpm's importers).
    pub chosen: Option<String>,
    /// Byte offset.
    pub offset: usize,
}

/// Where a locked package's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedSource {
    /// A registry; the tarball's URL when the file records it.
    Registry {
        /// The URL as recorded, fragment removed.
        tarball: Option<String>,
    },
    /// A git repository.
    Git {
        /// The URL.
        url: String,
        /// The commit or reference it was locked at.
        commit: Option<String>,
    },
    /// A tarball by URL.
    Remote {
        /// The URL.
        url: String,
    },
    /// A tarball on this machine.
    File {
        /// Relative to the lockfile.
        path: String,
    },
    /// A directory on this machine: a link's target, a workspace member.
    Directory {
        /// Relative to the lockfile.
        path: String,
        /// A member of the workspace, as far as the lockfile tells.
        workspace: bool,
    },
}

impl Default for LockedSource {
    fn default() -> Self {
        Self::Registry { tarball: None }
    }
}

impl Lockfile {
    /// An empty lockfile of a format.
    pub(super) fn new(path: &Path, text: &str, format: Format) -> Self {
        Self { path: path.to_owned(), text: Arc::from(text), format, ..Self::default() }
    }

    /// Line and column of a byte offset. Builds an index; for many offsets build a [`LineIndex`] once.
    pub fn location(&self, offset: usize) -> Location {
        LineIndex::new(&self.text).location(&self.path, offset)
    }

    /// The package under a key of the file.
    pub fn by_key(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// Which package a dependency of an importer (`from`: its path) gets.
    pub fn importer_dependency(&self, from: &str, dependency: &LockedDependency) -> Option<usize> {
        match self.format {
            Format::Npm => self.npm_lookup(from, &dependency.name),
            Format::Pnpm => {
                self.pnpm_lookup(&dependency.name, dependency.chosen.as_deref().unwrap_or(&dependency.spec))
            }
            Format::YarnClassic | Format::YarnBerry => self.yarn_lookup(&dependency.name, &dependency.spec),
            Format::Bun => {
                let member = self.importers.iter().find(|i| i.path == from).and_then(|i| i.name.as_deref());
                member
                    .and_then(|m| self.by_key(&format!("{m}/{}", dependency.name)))
                    .or_else(|| self.by_key(&dependency.name))
            }
        }
    }

    /// Which package a dependency of a locked package gets.
    pub fn package_dependency(&self, from: usize, dependency: &LockedDependency) -> Option<usize> {
        let package = self.packages.get(from)?;
        match self.format {
            Format::Npm => self.npm_lookup(&package.key, &dependency.name),
            Format::Pnpm => {
                self.pnpm_lookup(&dependency.name, dependency.chosen.as_deref().unwrap_or(&dependency.spec))
            }
            Format::YarnClassic | Format::YarnBerry => self.yarn_lookup(&dependency.name, &dependency.spec),
            Format::Bun => self.bun_lookup(&package.key, &dependency.name),
        }
    }

    /// node's own lookup: in the package's `node_modules`, then in that of every directory above it.
    fn npm_lookup(&self, from: &str, name: &str) -> Option<usize> {
        let mut directory = from;
        loop {
            let key = if directory.is_empty() {
                format!("node_modules/{name}")
            } else {
                format!("{directory}/node_modules/{name}")
            };
            if let Some(found) = self.by_key(&key) {
                return Some(found);
            }
            if directory.is_empty() {
                return None;
            }
            directory = match directory.rfind("/node_modules/") {
                Some(at) => directory.get(..at).unwrap_or(""),
                None => directory.rfind('/').and_then(|at| directory.get(..at)).unwrap_or(""),
            };
            if directory == "node_modules" {
                directory = "";
            }
        }
    }

    /// By name and chosen version in the forms of every lockfile version, or by the chosen text where it is a key.
    fn pnpm_lookup(&self, name: &str, chosen: &str) -> Option<usize> {
        let plain = chosen.split('(').next().unwrap_or(chosen);
        [chosen, plain].into_iter().find_map(|chosen| {
            self.by_key(&format!("{name}@{chosen}"))
                .or_else(|| self.by_key(&format!("/{name}@{chosen}")))
                .or_else(|| self.by_key(&format!("/{name}/{chosen}")))
                .or_else(|| self.by_key(chosen))
                .or_else(|| self.by_key(&format!("/{chosen}")))
        })
    }

    fn yarn_lookup(&self, name: &str, spec: &str) -> Option<usize> {
        self.by_key(&format!("{name}@{spec}"))
            .or_else(|| self.by_key(&format!("{name}@npm:{spec}")))
            .or_else(|| self.by_key(&format!("{name}@{}", spec.strip_prefix("npm:")?)))
            .or_else(|| {
                // Berry normalises git and workspace texts; the name alone decides where there is one entry.
                let prefix = format!("{name}@");
                let odd = spec.contains(':') || spec.contains('/');
                let mut hits = self.index.iter().filter(|(key, _)| odd && key.starts_with(&prefix)).map(|(_, at)| *at);
                let first = hits.next()?;
                hits.all(|other| other == first).then_some(first)
            })
    }

    fn bun_lookup(&self, from: &str, name: &str) -> Option<usize> {
        let mut parent = from;
        loop {
            if let Some(found) = self.by_key(&format!("{parent}/{name}")) {
                return Some(found);
            }
            match parent.rfind('/') {
                // A scoped name holds a slash of its own; stripping half of it only misses.
                Some(at) => parent = parent.get(..at).unwrap_or(""),
                None => return self.by_key(name),
            }
        }
    }

    /// Adds a package under a key.
    pub(super) fn push(&mut self, package: LockedPackage) {
        self.index.insert(package.key.clone(), self.packages.len());
        self.packages.push(package);
    }

    /// Another key for a package.
    pub(super) fn alias(&mut self, key: String, at: usize) {
        self.index.entry(key).or_insert(at);
    }

    /// Another key for the package that was added last.
    pub(super) fn also_known_as(&mut self, key: String) {
        if let Some(last) = self.packages.len().checked_sub(1) {
            self.index.entry(key).or_insert(last);
        }
    }
}

/// What went wrong, by byte offset; turned into diagnostics at the end.
pub(super) type Problems = Vec<(usize, String)>;

/// The diagnostics of a reader.
pub(super) fn diagnostics(path: &Path, text: &str, problems: Problems) -> Vec<Diagnostic> {
    if problems.is_empty() {
        return Vec::new();
    }
    let index = LineIndex::new(text);
    problems.into_iter().map(|(offset, message)| Diagnostic::new(index.location(path, offset), message)).collect()
}

/// Reads a package-lock.json or npm-shrinkwrap.json.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let mut out = Lockfile::new(path, text, Format::Npm);
    let mut problems = Problems::new();
    match json::parse(text) {
        Ok(root) if root.is_object() => read_root(&root, &mut out, &mut problems),
        Ok(root) => problems.push((root.offset, "not an object".to_owned())),
        Err(error) => problems.push((error.offset, format!("not JSON: {}", error.message))),
    }
    let registry = |p: &&LockedPackage| matches!(p.source, LockedSource::Registry { .. }) && !p.bundled;
    let resolved = |p: &LockedPackage| matches!(p.source, LockedSource::Registry { tarball: Some(_) });
    out.omits_resolved = out.packages.iter().filter(registry).count() > 0 && !out.packages.iter().any(resolved);
    (out, diagnostics(path, text, problems))
}

fn read_root(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    out.version = match root.get("lockfileVersion").map(|n| &n.value) {
        Some(json::Value::Number(n)) => (*n).to_owned(),
        Some(json::Value::Text(t)) => t.to_string(),
        _ => String::new(),
    };
    if !matches!(out.version.as_str(), "" | "0" | "1" | "2" | "3") {
        problems.push((0, format!("lockfile version `{}` is not known", out.version)));
    }
    match root.get("packages") {
        Some(packages) if packages.is_object() => read_packages(packages, out, problems),
        Some(packages) if root.get("dependencies").is_none() => {
            problems.push((packages.offset, "`packages` is not an object".to_owned()));
        }
        _ => {
            if let Some(tree) = root.get("dependencies") {
                if !tree.is_object() {
                    problems.push((tree.offset, "`dependencies` is not an object".to_owned()));
                }
                read_tree(tree, "", out, problems);
            }
        }
    }
}

fn read_packages(packages: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    let members = packages.last_members();
    // A link's target is where its own entry says; members reached by a link are the workspace's, or `file:` ones.
    for member in members {
        if out.packages.len() >= MAX_PACKAGES {
            problems.push((member.offset, format!("more than {MAX_PACKAGES} packages")));
            return;
        }
        if !member.value.is_object() {
            problems.push((member.offset, format!("the entry `{}` is not an object", member.key)));
            continue;
        }
        // A target directory may itself be below a node_modules that npm did not make; the last segment decides.
        if member.key.is_empty() || !(member.key.starts_with("node_modules/") || member.key.contains("/node_modules/"))
        {
            out.importers.push(Importer {
                path: member.key.to_string(),
                name: member.value.text_at("name").map(str::to_owned),
                version: member.value.text_at("version").map(str::to_owned),
                dependencies: dependencies(&member.value, true),
                offset: member.offset,
            });
            continue;
        }
        let package = read_package(member, problems);
        out.push(package);
    }
    // A link has its version where its target stands.
    let versions: FxHashMap<&str, &str> =
        out.importers.iter().filter_map(|i| Some((i.path.as_str(), i.version.as_deref()?))).collect();
    for package in &mut out.packages {
        if let (None, LockedSource::Directory { path, .. }) = (&package.version, &package.source) {
            package.version = versions.get(path.as_str()).map(|v| (*v).to_owned());
        }
    }
}

/// The name in a key's last `node_modules/` segment.
fn installed_name(key: &str) -> &str {
    key.rsplit_once("node_modules/").map_or(key, |(_, name)| name)
}

fn read_package(member: &Member<'_>, problems: &mut Problems) -> LockedPackage {
    let node = &member.value;
    let installed = installed_name(&member.key);
    let name = node.text_at("name").unwrap_or(installed);
    let mut package = LockedPackage {
        key: member.key.to_string(),
        name: name.to_owned(),
        alias: (name != installed).then(|| installed.to_owned()),
        version: node.text_at("version").map(str::to_owned),
        dev: node.flag_at("dev"),
        optional: node.flag_at("optional"),
        peer: node.flag_at("peer"),
        bundled: node.flag_at("inBundle"),
        has_install_script: node.flag_at("hasInstallScript"),
        deprecated: node.text_at("deprecated").filter(|t| !t.is_empty()).map(str::to_owned),
        dependencies: dependencies(node, false),
        bin: node.get("bin").map_or_else(Vec::new, |b| bin_names(b, name)),
        offset: member.offset,
        ..LockedPackage::default()
    };
    // Both flags: needed by development and by optional dependencies, by neither alone.
    if node.flag_at("devOptional") {
        package.optional = true;
    }
    set_digests(&mut package, node.text_at("integrity"));
    let resolved = node.text_at("resolved");
    package.source = if node.flag_at("link") {
        LockedSource::Directory { path: resolved.unwrap_or("").to_owned(), workspace: true }
    } else {
        source_of(resolved)
    };
    if package.version.is_none() && matches!(package.source, LockedSource::Registry { .. }) {
        problems.push((member.offset, format!("the entry `{}` has no version", member.key)));
    }
    package
}

fn bin_names(bin: &Node<'_>, name: &str) -> Vec<String> {
    if bin.text().is_some() {
        return vec![name.rsplit('/').next().unwrap_or(name).to_owned()];
    }
    bin.members().iter().map(|m| m.key.to_string()).collect()
}

/// Takes an integrity text: what is readable of it, or the text itself.
pub(super) fn set_digests(package: &mut LockedPackage, integrity: Option<&str>) {
    let Some(text) = integrity.map(str::trim).filter(|t| !t.is_empty()) else { return };
    package.digests = Digest::parse_sri_list(text);
    if package.digests.is_empty() {
        package.unreadable_digest = Some(text.to_owned());
    }
}

/// A `resolved` text as a source.
pub(super) fn source_of(resolved: Option<&str>) -> LockedSource {
    let Some(text) = resolved.map(str::trim).filter(|t| !t.is_empty()) else {
        return LockedSource::Registry { tarball: None };
    };
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("http:") || lower.starts_with("https:") {
        let url = text.split('#').next().unwrap_or(text);
        return match spec::resolve(None, text) {
            Spec::Git(git) => LockedSource::Git { url: git.url, commit: git.committish },
            _ => LockedSource::Registry { tarball: Some(url.to_owned()) },
        };
    }
    match spec::resolve(None, text) {
        Spec::Git(git) => LockedSource::Git { url: git.url, commit: git.committish },
        Spec::File(path) => LockedSource::File { path: path.path },
        Spec::Directory(path) | Spec::Link(path) => LockedSource::Directory { path: path.path, workspace: false },
        // Anything else is no URL that a registry gives: kept, so that it is judged as a foreign one.
        _ => LockedSource::Registry { tarball: Some(text.to_owned()) },
    }
}

/// The dependency tables of an entry. The project's and the members' own entries have development tables too.
pub(super) fn dependencies(node: &Node<'_>, development: bool) -> Vec<LockedDependency> {
    let mut out = Vec::new();
    let optional_peers = super::manifest::optional_peers(node);
    for (key, kind) in DependencyKind::TABLES {
        if kind == DependencyKind::Development && !development {
            continue;
        }
        for member in node.get(key).map(Node::last_members).unwrap_or_default() {
            let Some(spec) = member.value.text() else { continue };
            let optional_peer = kind == DependencyKind::Peer && optional_peers.iter().any(|n| *n == member.key);
            out.push(LockedDependency {
                kind,
                optional_peer,
                name: member.key.to_string(),
                spec: spec.to_owned(),
                chosen: None,
                offset: member.offset,
            });
        }
    }
    // npm lists optional dependencies among `dependencies` in some documents: optional wins.
    let optional: rustc_hash::FxHashSet<String> =
        out.iter().filter(|d| d.kind == DependencyKind::Optional).map(|d| d.name.clone()).collect();
    if !optional.is_empty() {
        out.retain(|d| d.kind != DependencyKind::Production || !optional.contains(&d.name));
    }
    out
}

/// Lockfile version 1: a tree of `dependencies`, walked with a list of its own so that depth costs no stack.
fn read_tree(tree: &Node<'_>, above: &str, out: &mut Lockfile, problems: &mut Problems) {
    let mut pending: Vec<(String, &Node<'_>)> = vec![(above.to_owned(), tree)];
    while let Some((above, tree)) = pending.pop() {
        for member in tree.last_members() {
            if out.packages.len() >= MAX_PACKAGES {
                problems.push((member.offset, format!("more than {MAX_PACKAGES} packages")));
                return;
            }
            if !member.value.is_object() {
                problems.push((member.offset, format!("the entry `{}` is not an object", member.key)));
                continue;
            }
            let key = if above.is_empty() {
                format!("node_modules/{}", member.key)
            } else {
                format!("{above}/node_modules/{}", member.key)
            };
            let package = read_v1(member, key.clone(), problems);
            out.push(package);
            if let Some(below) = member.value.get("dependencies") {
                pending.push((key, below));
            }
        }
    }
}

fn read_v1(member: &Member<'_>, key: String, problems: &mut Problems) -> LockedPackage {
    let node = &member.value;
    let requires = node.get("requires").map(Node::last_members).unwrap_or_default();
    let mut package = LockedPackage {
        key,
        name: member.key.to_string(),
        dev: node.flag_at("dev"),
        optional: node.flag_at("optional"),
        bundled: node.flag_at("bundled"),
        offset: member.offset,
        dependencies: requires
            .into_iter()
            .filter_map(|m| {
                Some(LockedDependency {
                    kind: DependencyKind::Production,
                    optional_peer: false,
                    name: m.key.to_string(),
                    spec: m.value.text()?.to_owned(),
                    chosen: None,
                    offset: m.offset,
                })
            })
            .collect(),
        ..LockedPackage::default()
    };
    set_digests(&mut package, node.text_at("integrity"));
    let resolved = node.text_at("resolved");
    let Some(version) = node.text_at("version") else {
        problems.push((member.offset, format!("the entry `{}` has no version", member.key)));
        return package;
    };
    match spec::resolve(Some(&member.key), version) {
        Spec::Alias { name, spec } => {
            package.alias = Some(member.key.to_string());
            package.name = name;
            if let Spec::Version(v) | Spec::Range(v) | Spec::Tag(v) = *spec {
                package.version = Some(v);
            }
            package.source = source_of(resolved);
        }
        Spec::Git(git) => package.source = LockedSource::Git { url: git.url, commit: git.committish },
        Spec::Remote(url) => package.source = LockedSource::Remote { url },
        Spec::File(path) => package.source = LockedSource::File { path: path.path },
        Spec::Directory(path) | Spec::Link(path) => {
            package.source = LockedSource::Directory { path: path.path, workspace: false };
        }
        _ => {
            package.version = Some(version.to_owned());
            package.source = source_of(resolved);
        }
    }
    package
}

/// Both lists, strongest first, none twice.
pub(super) fn join(into: &mut Vec<Digest>, more: Vec<Digest>) {
    into.extend(more);
    into.sort_by(|a, b| b.cmp(a));
    into.dedup();
}

/// yarn's and pnpm's `#sha1` at the end of a URL, as a digest.
pub(super) fn fragment_digest(url: &str) -> Option<Digest> {
    let (_, fragment) = url.split_once('#')?;
    Digest::from_hex(DigestAlgorithm::Sha1, fragment).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lock(text: &str) -> Lockfile {
        let (lock, problems) = read(Path::new("package-lock.json"), text);
        assert_eq!(problems, []);
        lock
    }

    #[test]
    fn version_three() {
        let lock = lock(
            r#"{ "lockfileVersion": 3, "packages": {
  "": { "name": "app", "dependencies": { "a": "^1" }, "workspaces": ["w"] },
  "w": { "name": "@me/w", "version": "1.0.0", "devDependencies": { "b": "2" } },
  "node_modules/@me/w": { "resolved": "w", "link": true },
  "node_modules/a": { "name": "real-a", "version": "1.2.0", "resolved": "https://registry.npmjs.org/real-a/-/real-a-1.2.0.tgz",
    "integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "hasInstallScript": true, "dependencies": { "b": "1" } },
  "node_modules/a/node_modules/b": { "version": "1.0.0", "inBundle": true, "dev": true },
  "node_modules/b": { "version": "2.0.0", "resolved": "git+ssh://git@github.com/u/b.git#0d7bd85a85fa2571fa532d2fc842ed099b236ad2" }
} }"#,
        );
        assert_eq!(lock.importers.iter().map(|i| i.path.as_str()).collect::<Vec<_>>(), ["", "w"]);
        let a = &lock.packages[lock.by_key("node_modules/a").unwrap_or(99)];
        assert_eq!((a.name.as_str(), a.alias.as_deref(), a.digests.len()), ("real-a", Some("a"), 1));
        assert_eq!(lock.location(a.offset), Location::at("package-lock.json", 5, 3));
        let from_a =
            lock.by_key("node_modules/a").and_then(|a| lock.package_dependency(a, &lock.packages[a].dependencies[0]));
        assert_eq!(from_a, lock.by_key("node_modules/a/node_modules/b"));
        let from_w = lock.importer_dependency("w", &lock.importers[1].dependencies[0]);
        let b = &lock.packages[from_w.unwrap_or(99)];
        assert!(matches!(&b.source, LockedSource::Git { commit: Some(c), .. } if c.len() == 40), "{b:?}");
    }

    #[test]
    fn version_one() {
        let lock = lock(
            r#"{ "lockfileVersion": 1, "dependencies": {
  "a": { "version": "npm:real-a@1.0.0", "resolved": "https://registry.npmjs.org/real-a/-/real-a-1.0.0.tgz", "requires": { "b": "^1" },
         "dependencies": { "b": { "version": "1.5.0", "bundled": true } } },
  "b": { "version": "github:u/b#abc", "from": "github:u/b" }, "c": { "version": "file:../c" } } }"#,
        );
        let a = lock.by_key("node_modules/a").unwrap_or(99);
        assert_eq!((lock.packages[a].name.as_str(), lock.packages[a].version.as_deref()), ("real-a", Some("1.0.0")));
        assert_eq!(
            lock.package_dependency(a, &lock.packages[a].dependencies[0]),
            lock.by_key("node_modules/a/node_modules/b")
        );
        let c = lock.by_key("node_modules/c").unwrap_or(99);
        assert_eq!(lock.packages[c].source, LockedSource::Directory { path: "../c".into(), workspace: false });
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z@/_.:#0-9]{0,30}", text in "[ -~]{0,30}") {
            let (key, text) = (serde_json::json!(key), serde_json::json!(text));
            let entry = format!(r#"{{"version":{text},"resolved":{text},"integrity":{text},"requires":{{{key}:{text}}},"dependencies":{{{key}:{{"version":{key}}}}}}}"#);
            for whole in [format!(r#"{{"dependencies":{{{key}:{entry}}}}}"#), format!(r#"{{"packages":{{{key}:{entry}}}}}"#)] {
                let (lock, _) = read(Path::new("l"), &whole);
                for at in 0..lock.packages.len() {
                    for dependency in &lock.packages[at].dependencies {
                        let _ = lock.package_dependency(at, dependency);
                    }
                }
            }
        }
    }
}
