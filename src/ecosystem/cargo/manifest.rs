//! Cargo.toml: a path and a text in, a [`Manifest`] with places out.
//!
//! Keys that the gate does not need are ignored, as Cargo ignores keys it does not know; a key that decides where a
//! dependency comes from and is not understood is a diagnostic. Inheritance from a workspace is marked here and
//! filled in by [`Manifest::inherit`]. The format is the Cargo book's "The Manifest Format".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::ecosystem::document::{Node, Reader};
use crate::model::{Diagnostic, Location};

/// More dependencies than this in one manifest are not read.
const MAX_DEPENDENCIES: usize = 20_000;

/// A manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub path: PathBuf,
    /// `[package]` (or the older `[project]`); `None` in a virtual manifest.
    pub package: Option<PackageTable>,
    /// `[workspace]`.
    pub workspace: Option<WorkspaceTable>,
    /// Every dependency in the order in which Cargo considers them: normal, dev, build, then by target.
    pub dependencies: Vec<Dependency>,
    /// `[features]` as written.
    pub features: BTreeMap<String, Vec<String>>,
    /// `[patch.*]`.
    pub patches: Vec<Patch>,
    /// `[replace]`.
    pub replacements: Vec<Replacement>,
    /// What the package builds.
    pub targets: Targets,
}

/// `[package]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTable {
    /// `name`.
    pub name: String,
    /// `version`; `0.0.0` when absent.
    pub version: String,
    /// `edition`; `2015` when absent.
    pub edition: String,
    /// `rust-version`.
    pub rust_version: Option<String>,
    /// `links`.
    pub links: Option<String>,
    /// `build`.
    pub build: BuildScript,
    /// `workspace`: the directory of the workspace root.
    pub workspace: Option<String>,
    /// `resolver`.
    pub resolver: Option<String>,
    /// Keys that say `workspace = true` and are not yet filled in.
    pub inherits: Vec<&'static str>,
    /// Where the table's name stands.
    pub location: Location,
}

/// `package.build`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BuildScript {
    /// Not said: `build.rs` beside the manifest, if it is there.
    #[default]
    Auto,
    /// `build = false`.
    Off,
    /// `build = true`: `build.rs`.
    On,
    /// These files.
    Files(Vec<String>),
}

/// Targets of a package that matter to the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// `[lib] proc-macro = true`.
    pub proc_macro: bool,
    /// Names of `[[bin]]`.
    pub bins: Vec<String>,
    /// Names of `[[example]]`.
    pub examples: Vec<String>,
}

/// `[workspace]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceTable {
    /// `members`: paths and globs.
    pub members: Vec<String>,
    /// `exclude`: paths.
    pub exclude: Vec<String>,
    /// `default-members`.
    pub default_members: Option<Vec<String>>,
    /// `resolver`.
    pub resolver: Option<String>,
    /// String values of `[workspace.package]`.
    pub package: BTreeMap<String, String>,
    /// `[workspace.dependencies]`.
    pub dependencies: Vec<Dependency>,
}

/// Which table a dependency is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Section {
    /// `[dependencies]`.
    #[default]
    Normal,
    /// `[dev-dependencies]`.
    Dev,
    /// `[build-dependencies]`.
    Build,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The key: the name it is used under.
    pub name: String,
    /// `package`: the crate's real name.
    pub package: Option<String>,
    /// Which table.
    pub section: Section,
    /// `target.KEY`: a triple or a `cfg(…)`.
    pub target: Option<String>,
    /// Where it comes from.
    pub source: DependencySource,
    /// `version` as written; `None` when absent (any).
    pub version: Option<String>,
    /// `features`.
    pub features: Vec<String>,
    /// `optional`.
    pub optional: bool,
    /// `default-features`; `None` when absent (true).
    pub default_features: Option<bool>,
    /// `artifact`: a binary of it is built as well.
    pub artifact: bool,
    /// `workspace = true`, not yet filled in.
    pub inherits: bool,
    /// Where the key stands.
    pub location: Location,
    /// The entry as a line: `serde = "1"`.
    pub text: String,
}

impl Dependency {
    /// The crate's name in its source.
    pub fn package_name(&self) -> &str {
        self.package.as_deref().unwrap_or(&self.name)
    }

    /// The version requirement; `*` when there is none.
    pub fn requirement(&self) -> &str {
        self.version.as_deref().unwrap_or("*")
    }
}

/// Where a dependency comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencySource {
    /// A registry: `registry` names one of the configuration, `registry-index` gives its URL; neither: crates.io.
    Registry {
        /// `registry`.
        name: Option<String>,
        /// `registry-index`.
        index: Option<String>,
    },
    /// `git`.
    Git {
        /// The URL as written.
        url: String,
        /// What of it.
        reference: GitReference,
    },
    /// `path`, relative to the manifest that says so.
    Path {
        /// The path as written; after inheritance, relative to the workspace root it came from.
        path: String,
        /// The directory that `path` is relative to.
        base: PathBuf,
    },
}

/// What of a git repository is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitReference {
    /// The remote's default branch.
    #[default]
    DefaultBranch,
    /// `branch`.
    Branch(String),
    /// `tag`.
    Tag(String),
    /// `rev`: a commit or any other reference.
    Rev(String),
}

impl GitReference {
    /// `branch=main`, as lockfiles and source ids write it in the query.
    pub fn query(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::DefaultBranch => None,
            Self::Branch(text) => Some(("branch", text)),
            Self::Tag(text) => Some(("tag", text)),
            Self::Rev(text) => Some(("rev", text)),
        }
    }

    /// The name of the branch, tag or revision.
    pub fn name(&self) -> Option<&str> {
        self.query().map(|(_, text)| text)
    }
}

/// An entry of `[patch.SOURCE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// `crates-io`, the name of a registry, or a source's URL.
    pub source: String,
    /// What replaces it.
    pub dependency: Dependency,
}

/// An entry of `[replace]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The package id specification: `foo:0.1.0`.
    pub spec: String,
    /// What replaces it.
    pub dependency: Dependency,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(path: &Path, text: &str) -> (Self, Vec<Diagnostic>) {
        let (root, mut reader) = Reader::parse(path, text);
        let mut manifest = Self { path: path.to_owned(), ..Self::default() };
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        manifest.package = root.get("package").or_else(|| root.get("project")).and_then(|n| package(&mut reader, n));
        manifest.workspace = reader.table_of(&root, "workspace").map(|t| workspace(&mut reader, t, &base));
        manifest.dependencies = sections(&mut reader, &root, None, &base);
        if let Some(targets) = reader.table_of(&root, "target") {
            for (key, node) in sorted(targets) {
                if let Some(table) = reader.table(node, key) {
                    manifest.dependencies.extend(sections(&mut reader, table, Some(key), &base));
                }
            }
        }
        if manifest.dependencies.len() > MAX_DEPENDENCIES {
            manifest.dependencies.truncate(MAX_DEPENDENCIES);
            reader.complain(0, format!("more than {MAX_DEPENDENCIES} dependencies"));
        }
        manifest.features = features(&mut reader, &root);
        manifest.patches = patches(&mut reader, &root, &base);
        manifest.replacements = replacements(&mut reader, &root, &base);
        manifest.targets = targets(&mut reader, &root);
        (manifest, reader.diagnostics)
    }

    /// The directory of the manifest.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The package's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.package.as_ref().map(|p| p.name.as_str())
    }

    /// Whether anything of it takes a value from its workspace.
    pub fn inherits(&self) -> bool {
        self.package.as_ref().is_some_and(|p| !p.inherits.is_empty()) || self.dependencies.iter().any(|d| d.inherits)
    }

    /// Fills in what `workspace = true` stands for, from the workspace's root manifest.
    pub fn inherit(&mut self, root: &Self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let empty = WorkspaceTable::default();
        let table = root.workspace.as_ref().unwrap_or(&empty);
        if let Some(package) = &mut self.package {
            for key in std::mem::take(&mut package.inherits) {
                match (key, table.package.get(key)) {
                    ("version", Some(value)) => value.clone_into(&mut package.version),
                    ("edition", Some(value)) => value.clone_into(&mut package.edition),
                    ("rust-version", Some(value)) => package.rust_version = Some(value.clone()),
                    _ => diagnostics.push(Diagnostic::new(
                        package.location.clone(),
                        format!("`{key}` is not set in the workspace's `package` table"),
                    )),
                }
            }
        }
        for dependency in self.dependencies.iter_mut().filter(|d| d.inherits) {
            match table.dependencies.iter().find(|d| d.name == dependency.name) {
                Some(from) => inherit_dependency(dependency, from),
                None => diagnostics.push(Diagnostic::new(
                    dependency.location.clone(),
                    format!("`{}` is not in the workspace's dependencies", dependency.name),
                )),
            }
        }
        diagnostics
    }
}

/// Cargo's rule: features add up; `default-features = false` of the member counts only where the workspace says
/// `false` as well, and `true` of the member wins over a workspace's `false`.
fn inherit_dependency(dependency: &mut Dependency, from: &Dependency) {
    dependency.inherits = false;
    dependency.package.clone_from(&from.package);
    dependency.source = from.source.clone();
    dependency.version.clone_from(&from.version);
    dependency.artifact |= from.artifact;
    dependency.default_features = match (dependency.default_features, from.default_features) {
        (Some(true), _) => Some(true),
        (_, Some(false)) => Some(false),
        (_, other) => other,
    };
    let mut features = from.features.clone();
    features.extend(dependency.features.drain(..).filter(|f| !from.features.contains(f)));
    dependency.features = features;
    dependency.text = format!("{} (workspace)", from.text);
}

fn sorted<'n, 't>(table: &'n DeTable<'t>) -> Vec<(&'n str, &'n Node<'t>)> {
    let mut entries: Vec<(&str, &Node<'t>)> = table.iter().map(|(k, v)| (k.get_ref().as_ref(), v)).collect();
    entries.sort_by_key(|(k, _)| *k);
    entries
}

/// The value of a key, which Cargo also reads when it is written with `_`.
fn spelled<'n, 't>(table: &'n DeTable<'t>, key: &str) -> Option<&'n Node<'t>> {
    table.get(key).or_else(|| table.get(key.replace('-', "_").as_str()))
}

/// A boolean under a key of either spelling.
fn boolean<'t>(reader: &mut Reader<'t>, table: &DeTable<'t>, key: &str) -> Option<bool> {
    spelled(table, key).and_then(|n| reader.boolean(n, key))
}

/// A string, or `{ workspace = true }`: `Ok(value)` or `Err(())` for inheritance.
fn inheritable<'t>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    key: &'static str,
    inherits: &mut Vec<&'static str>,
) -> Option<String> {
    let node = spelled(table, key)?;
    if let Some(inner) = node.get_ref().as_table() {
        match inner.get("workspace").and_then(|n| n.get_ref().as_bool()) {
            Some(true) => inherits.push(key),
            _ => reader.complain(node.span().start, format!("`{key}` is neither a string nor `workspace = true`")),
        }
        return None;
    }
    reader.string(node, key)
}

fn package<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<PackageTable> {
    let table = reader.table(node, "package")?;
    let mut inherits = Vec::new();
    let version = inheritable(reader, table, "version", &mut inherits);
    let edition = inheritable(reader, table, "edition", &mut inherits);
    let rust_version = inheritable(reader, table, "rust-version", &mut inherits);
    let name = reader.string_of(table, "name");
    if name.is_none() {
        reader.complain(node.span().start, "`package` has no name");
    }
    let location = reader.at(table.get("name").map_or(node.span().start, |n| n.span().start));
    Some(PackageTable {
        name: name?,
        version: version.unwrap_or_else(|| "0.0.0".to_owned()),
        edition: edition.unwrap_or_else(|| "2015".to_owned()),
        rust_version,
        links: reader.string_of(table, "links"),
        build: build_script(reader, table),
        workspace: reader.string_of(table, "workspace"),
        resolver: reader.string_of(table, "resolver"),
        inherits,
        location,
    })
}

fn build_script<'t>(reader: &mut Reader<'t>, table: &DeTable<'t>) -> BuildScript {
    let Some(node) = table.get("build") else {
        return BuildScript::Auto;
    };
    match node.get_ref() {
        DeValue::Boolean(false) => BuildScript::Off,
        DeValue::Boolean(true) => BuildScript::On,
        DeValue::String(path) => BuildScript::Files(vec![path.as_ref().to_owned()]),
        DeValue::Array(_) => BuildScript::Files(reader.strings(node, "build")),
        _ => {
            reader.complain(node.span().start, "`build` is neither a path nor a boolean");
            BuildScript::On
        }
    }
}

fn workspace<'t>(reader: &mut Reader<'t>, table: &DeTable<'t>, base: &Path) -> WorkspaceTable {
    let mut values = BTreeMap::new();
    if let Some(package) = reader.table_of(table, "package") {
        for (key, node) in sorted(package) {
            if let Some(text) = node.get_ref().as_str() {
                values.insert(key.replace('_', "-"), text.to_owned());
            }
        }
    }
    let dependencies = match reader.table_of(table, "dependencies") {
        Some(inner) => dependency_table(reader, inner, Section::Normal, None, base),
        None => Vec::new(),
    };
    WorkspaceTable {
        members: reader.strings_of(table, "members"),
        exclude: reader.strings_of(table, "exclude"),
        default_members: table.get("default-members").map(|n| reader.strings(n, "default-members")),
        resolver: reader.string_of(table, "resolver"),
        package: values,
        dependencies,
    }
}

/// The three tables of dependencies in Cargo's order, which differs for a target: normal, build, dev.
fn sections<'t>(reader: &mut Reader<'t>, table: &DeTable<'t>, target: Option<&str>, base: &Path) -> Vec<Dependency> {
    const NORMAL: (&str, Section) = ("dependencies", Section::Normal);
    const DEV: (&str, Section) = ("dev-dependencies", Section::Dev);
    const BUILD: (&str, Section) = ("build-dependencies", Section::Build);
    let order = if target.is_some() { [NORMAL, BUILD, DEV] } else { [NORMAL, DEV, BUILD] };
    let mut out = Vec::new();
    for (key, section) in order {
        if let Some(inner) = spelled(table, key).and_then(|n| reader.table(n, key)) {
            out.extend(dependency_table(reader, inner, section, target, base));
        }
    }
    out
}

fn dependency_table<'t>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    section: Section,
    target: Option<&str>,
    base: &Path,
) -> Vec<Dependency> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by(|a, b| a.0.get_ref().cmp(b.0.get_ref()));
    keys.into_iter()
        .filter_map(|(key, node)| dependency(reader, key.get_ref(), key.span().start, node, section, target, base))
        .collect()
}

fn dependency<'t>(
    reader: &mut Reader<'t>,
    name: &str,
    offset: usize,
    node: &Node<'t>,
    section: Section,
    target: Option<&str>,
    base: &Path,
) -> Option<Dependency> {
    let mut out = Dependency {
        name: name.to_owned(),
        package: None,
        section,
        target: target.map(str::to_owned),
        source: DependencySource::Registry { name: None, index: None },
        version: None,
        features: Vec::new(),
        optional: false,
        default_features: None,
        artifact: false,
        inherits: false,
        location: reader.at(offset),
        text: String::new(),
    };
    match node.get_ref() {
        DeValue::String(version) => out.version = Some(version.as_ref().to_owned()),
        DeValue::Table(table) => {
            let understood = detail(reader, &mut out, table, offset, base);
            if !understood {
                return None;
            }
        }
        _ => {
            reader.complain(offset, format!("dependency `{name}` is neither a version nor a table"));
            return None;
        }
    }
    out.text = text_of(&out);
    Some(out)
}

/// Reads the table form. `false` when where the dependency comes from is not clear.
fn detail<'t>(reader: &mut Reader<'t>, out: &mut Dependency, table: &DeTable<'t>, offset: usize, base: &Path) -> bool {
    let before = reader.problems;
    out.inherits = reader.flag_of(table, "workspace");
    out.package = reader.string_of(table, "package");
    out.version = reader.string_of(table, "version");
    out.features = reader.strings_of(table, "features");
    out.optional = reader.flag_of(table, "optional");
    out.default_features = boolean(reader, table, "default-features");
    out.artifact = table.get("artifact").is_some();
    let git = reader.string_of(table, "git");
    let path = reader.string_of(table, "path");
    let path_base = reader.string_of(table, "base");
    let registry = reader.string_of(table, "registry");
    let index = reader.string_of(table, "registry-index");
    let mut references: Vec<GitReference> = Vec::new();
    references.extend(reader.string_of(table, "branch").map(GitReference::Branch));
    references.extend(reader.string_of(table, "tag").map(GitReference::Tag));
    references.extend(reader.string_of(table, "rev").map(GitReference::Rev));
    if reader.problems > before {
        return false;
    }
    let name = out.name.clone();
    let ambiguous = match (&git, &path, &registry, &index) {
        (Some(_), Some(_), ..) => Some("`git` and `path`"),
        (Some(_), _, Some(_), _) | (Some(_), _, _, Some(_)) => Some("`git` and a registry"),
        (_, _, Some(_), Some(_)) => Some("`registry` and `registry-index`"),
        _ if references.len() > 1 => Some("more than one of `branch`, `tag` and `rev`"),
        _ => None,
    };
    if let Some(what) = ambiguous {
        reader.complain(offset, format!("dependency `{name}` has {what}: only one can be meant"));
        return false;
    }
    if path_base.is_some() {
        reader.complain(offset, format!("dependency `{name}` uses `base`, which is not supported"));
        return false;
    }
    out.source = match (git, path) {
        (Some(url), _) => DependencySource::Git { url, reference: references.pop().unwrap_or_default() },
        (None, Some(path)) => DependencySource::Path { path, base: base.to_owned() },
        (None, None) => {
            if out.version.is_none() && !out.inherits {
                reader.complain(
                    offset,
                    format!("dependency `{name}` has neither a version nor `path`, `git` or `workspace`"),
                );
            }
            DependencySource::Registry { name: registry, index }
        }
    };
    true
}

/// The entry as one line, as a person would write it.
fn text_of(dependency: &Dependency) -> String {
    let name = &dependency.name;
    let version = dependency.version.as_deref();
    let mut fields: Vec<String> = Vec::new();
    match &dependency.source {
        DependencySource::Git { url, reference } => {
            fields.push(format!("git = \"{}\"", crate::model::redact_url(url)));
            if let Some((key, value)) = reference.query() {
                fields.push(format!("{key} = \"{value}\""));
            }
        }
        DependencySource::Path { path, .. } => fields.push(format!("path = \"{path}\"")),
        DependencySource::Registry { name, index } => {
            fields.extend(name.as_ref().map(|n| format!("registry = \"{n}\"")));
            fields.extend(index.as_ref().map(|n| format!("registry-index = \"{}\"", crate::model::redact_url(n))));
        }
    }
    fields.extend(dependency.package.as_ref().map(|p| format!("package = \"{p}\"")));
    if dependency.inherits {
        return format!("{name}.workspace = true");
    }
    match (version, fields.is_empty()) {
        (Some(version), true) => format!("{name} = \"{version}\""),
        (Some(version), false) => format!("{name} = {{ version = \"{version}\", {} }}", fields.join(", ")),
        (None, _) => format!("{name} = {{ {} }}", fields.join(", ")),
    }
}

fn features<'t>(reader: &mut Reader<'t>, root: &DeTable<'t>) -> BTreeMap<String, Vec<String>> {
    let mut out = BTreeMap::new();
    if let Some(table) = reader.table_of(root, "features") {
        for (key, node) in sorted(table) {
            out.insert(key.to_owned(), reader.strings(node, key));
        }
    }
    out
}

fn patches<'t>(reader: &mut Reader<'t>, root: &DeTable<'t>, base: &Path) -> Vec<Patch> {
    let mut out = Vec::new();
    if let Some(sources) = reader.table_of(root, "patch") {
        for (source, node) in sorted(sources) {
            if let Some(table) = reader.table(node, source) {
                let dependencies = dependency_table(reader, table, Section::Normal, None, base);
                out.extend(dependencies.into_iter().map(|dependency| Patch { source: source.to_owned(), dependency }));
            }
        }
    }
    out
}

fn replacements<'t>(reader: &mut Reader<'t>, root: &DeTable<'t>, base: &Path) -> Vec<Replacement> {
    let Some(table) = reader.table_of(root, "replace") else {
        return Vec::new();
    };
    let dependencies = dependency_table(reader, table, Section::Normal, None, base);
    dependencies.into_iter().map(|dependency| Replacement { spec: dependency.name.clone(), dependency }).collect()
}

fn targets<'t>(reader: &mut Reader<'t>, root: &DeTable<'t>) -> Targets {
    let mut out = Targets::default();
    if let Some(lib) = reader.table_of(root, "lib") {
        let kinds = spelled(lib, "crate-type").map(|n| reader.strings(n, "crate-type")).unwrap_or_default();
        out.proc_macro = boolean(reader, lib, "proc-macro") == Some(true) || kinds.iter().any(|k| k == "proc-macro");
    }
    out.bins = names(reader, root, "bin");
    out.examples = names(reader, root, "example");
    out
}

fn names<'t>(reader: &mut Reader<'t>, root: &DeTable<'t>, key: &str) -> Vec<String> {
    let nodes = reader.array_of(root, key);
    nodes.into_iter().filter_map(|n| n.get_ref().as_table()).filter_map(|t| reader.string_of(t, "name")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn read(text: &str) -> (Manifest, Vec<String>) {
        let (manifest, diagnostics) = Manifest::read(Path::new("/p/Cargo.toml"), text);
        (manifest, diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_kind_of_dependency_is_read_in_cargos_order() {
        let (manifest, diagnostics) = read(
            r#"
[package]
name = "demo"
version = "1.2.3"
edition = "2024"
rust-version = "1.85"
links = "z"
build = "make.rs"

[dependencies]
serde = "1"
alias = { package = "real", version = "2", default-features = false, optional = true, features = ["a"] }
other = { version = "0.1", registry = "acme" }
local = { path = "../local", version = "0.3" }
remote = { git = "https://u:p@host.example/r.git", tag = "v1" }
shared.workspace = true

[build-dependencies]
cc = "1"

[dev_dependencies]
insta = "1"

[target.'cfg(unix)'.dependencies]
libc = "0.2"
[target.x86_64-pc-windows-msvc.build-dependencies]
winres = "0.1"

[features]
default = ["dep:alias", "serde?/std"]

[patch.crates-io]
serde = { path = "serde" }

[replace]
"foo:0.1.0" = { git = "https://h.example/foo" }

[lib]
proc-macro = true
"#,
        );
        assert_eq!(diagnostics, Vec::<String>::new());
        let summary: Vec<String> = manifest
            .dependencies
            .iter()
            .map(|d| format!("{} {:?} {:?} @{}", d.text, d.section, d.target.as_deref().unwrap_or(""), d.location.line))
            .collect();
        assert_eq!(
            summary,
            [
                r#"alias = { version = "2", package = "real" } Normal "" @12"#,
                r#"local = { version = "0.3", path = "../local" } Normal "" @14"#,
                r#"other = { version = "0.1", registry = "acme" } Normal "" @13"#,
                r#"remote = { git = "https://****@host.example/r.git", tag = "v1" } Normal "" @15"#,
                r#"serde = "1" Normal "" @11"#,
                r#"shared.workspace = true Normal "" @16"#,
                r#"insta = "1" Dev "" @22"#,
                r#"cc = "1" Build "" @19"#,
                r#"libc = "0.2" Normal "cfg(unix)" @25"#,
                r#"winres = "0.1" Build "x86_64-pc-windows-msvc" @27"#,
            ]
        );
        assert!(manifest.targets.proc_macro);
        assert_eq!(manifest.patches.len(), 1);
        assert_eq!(manifest.replacements[0].spec, "foo:0.1.0");
        let package = manifest.package.unwrap();
        assert_eq!((package.name.as_str(), package.links.as_deref()), ("demo", Some("z")));
        assert_eq!(package.build, BuildScript::Files(vec!["make.rs".to_owned()]));
    }

    #[test]
    fn a_member_takes_values_from_its_workspace() {
        let (root, _) = read(
            "[workspace.package]\nversion = \"9.0.0\"\nedition = \"2021\"\n[workspace.dependencies]\n\
             a = { version = \"1\", features = [\"x\"], default-features = false }\nb = { path = \"b\" }\n",
        );
        let (mut member, diagnostics) = read(
            "[package]\nname = \"m\"\nversion.workspace = true\nedition = { workspace = true }\n[dependencies]\n\
             a = { workspace = true, features = [\"y\"] }\nb.workspace = true\nc.workspace = true\n",
        );
        assert_eq!(diagnostics, Vec::<String>::new());
        let complaints = member.inherit(&root);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        let package = member.package.as_ref().unwrap();
        assert_eq!((package.version.as_str(), package.edition.as_str()), ("9.0.0", "2021"));
        let a = &member.dependencies[0];
        assert_eq!((a.version.as_deref(), a.default_features), (Some("1"), Some(false)));
        assert_eq!(a.features, ["x", "y"]);
        assert!(matches!(member.dependencies[1].source, DependencySource::Path { .. }));
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_place() {
        for (text, expected) in [
            ("[dependencies]\na = 1\n", "/p/Cargo.toml:2:1: dependency `a` is neither a version nor a table"),
            ("[dependencies]\na = { git = { x = 1 } }\n", "/p/Cargo.toml:2:13: `git` is of type table, not a string"),
            (
                "[dependencies]\na = { git = \"u\", path = \"p\" }\n",
                "/p/Cargo.toml:2:1: dependency `a` has `git` and `path`: only one can be meant",
            ),
            (
                "[dependencies]\na = {}\n",
                "/p/Cargo.toml:2:1: dependency `a` has neither a version nor `path`, `git` or `workspace`",
            ),
            ("[package]\nversion = \"1\"\n", "/p/Cargo.toml:1:1: `package` has no name"),
        ] {
            let (_, diagnostics) = read(text);
            assert_eq!(diagnostics.first().map(String::as_str), Some(expected), "{text}");
        }
    }
}
