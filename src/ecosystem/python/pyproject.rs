//! `pyproject.toml`: PEP 621 metadata, PEP 735 groups, PEP 518 build requirements, and the tables of uv, Poetry and PDM.
//!
//! In: a path (for places; relative paths are relative to its directory) and a text. Out: [`Pyproject`] and what could
//! not be taken as it stands. Nothing is built: what is `dynamic` is said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::direct::{Direct, without_credentials};
use super::poetry;
use super::requirement::Marker;
use super::requirements_txt::{self, Entry, GlobalOption, Target};
use crate::ecosystem::document::{Node, Reader, members};
use crate::model::{Diagnostic, Ecosystem, Files, Location, Source, normalise_name};

/// Most members of a workspace.
const MAX_MEMBERS: usize = 2_000;
/// Deepest that `**` looks.
const MAX_GLOB_DEPTH: usize = 8;

/// A project's manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pyproject {
    /// The file.
    pub path: PathBuf,
    /// The project's name: `[project]`, else `[tool.poetry]`.
    pub name: Option<String>,
    /// Its version, when it is static.
    pub version: Option<String>,
    /// The interpreters it supports, a specifier set.
    pub requires_python: Option<String>,
    /// `project.dynamic`: what only a build tells.
    pub dynamic: Vec<String>,
    /// Whether it describes a package at all: `[project]`, or `[tool.poetry]` that is not `package-mode = false`.
    pub is_package: bool,
    /// Whether there is a `[tool.poetry]`, `[tool.pdm]`, `[tool.uv]`: which tool the project is for.
    pub tools: BTreeSet<&'static str>,
    /// There is a `[build-system]`.
    pub has_build_system: bool,
    /// `build-system.requires`, or setuptools where there is none (PEP 518).
    pub build_requires: Vec<Entry>,
    /// `build-system.build-backend`.
    pub build_backend: Option<String>,
    /// `build-system.backend-path` is there: the backend is code of the project.
    pub has_backend_path: bool,
    /// Poetry runs a program of the project before it installs it (`tool.poetry.build`).
    pub poetry_builds: bool,
    /// `tool.pdm.distribution = false`, `tool.pdm.package-type` that is no library: PDM does not install the project.
    pub pdm_leaves_out: bool,
    /// What hatchling asks for besides, when it builds a wheel: `dependencies` of `[tool.hatch.build]`, of its hooks
    /// and of its wheel target.
    pub hatch_build: Vec<Entry>,
    /// What it needs.
    pub dependencies: Vec<Entry>,
    /// What each extra needs besides, by canonical name.
    pub optional_dependencies: BTreeMap<String, Vec<Entry>>,
    /// Dependency groups, includes resolved, by canonical name: PEP 735, Poetry's groups, PDM's and uv's development
    /// dependencies.
    pub groups: BTreeMap<String, Vec<Entry>>,
    /// Groups that are installed unless left out: `tool.uv.default-groups`, Poetry's groups that are not optional.
    pub default_groups: Vec<String>,
    /// Groups that Poetry leaves out unless they are named.
    pub optional_groups: Vec<String>,
    /// Requirements files that setuptools reads for dynamic dependencies (`tool.setuptools.dynamic`); extra or `""`.
    pub dynamic_files: Vec<(String, PathBuf)>,
    /// Where `tool.uv.sources` takes a project from, by canonical name.
    pub sources: BTreeMap<String, Vec<UvSource>>,
    /// Indexes that the file names.
    pub indexes: Vec<Index>,
    /// Options of `[tool.uv]` that mean what pip's do: `--index-url`, `--find-links`, `--no-index`, `--pre`, …
    pub options: Vec<GlobalOption>,
    /// `tool.uv.constraint-dependencies`.
    pub constraints: Vec<Entry>,
    /// `tool.uv.override-dependencies`.
    pub overrides: Vec<Entry>,
    /// `tool.uv.build-constraint-dependencies`.
    pub build_constraints: Vec<Entry>,
    /// `tool.uv.extra-build-dependencies`: what is put into the build environments of projects, by canonical name.
    pub extra_build: BTreeMap<String, Vec<Entry>>,
    /// `tool.uv.dependency-metadata`: what uv takes releases to require, whatever they say.
    pub stated: Vec<Stated>,
    /// `tool.poetry.requires-plugins`, `tool.pdm.plugins`: what the tool itself is given for this project.
    pub plugins: Vec<Entry>,
    /// `tool.uv.exclude-newer`, as written.
    pub exclude_newer: Option<String>,
    /// `tool.uv.workspace.members` and `exclude`, as globs; `None`: no workspace is declared here.
    pub workspace: Option<Workspace>,
}

/// Metadata that a project states for a release (uv).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Of which project, by canonical name.
    pub name: String,
    /// Of which release; `None`: of all.
    pub version: Option<String>,
    /// What it requires, as metadata has it.
    pub requires: Vec<String>,
}

/// The globs of a uv workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Directories that are members.
    pub members: Vec<String>,
    /// Directories that are not.
    pub exclude: Vec<String>,
}

/// An index named in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name, by which requirements refer to it.
    pub name: Option<String>,
    /// Base URL without credentials, or a path as written.
    pub url: String,
    /// It takes the place of PyPI.
    pub default: bool,
    /// Only requirements that name it use it.
    pub explicit: bool,
    /// TLS is not verified (PDM's and Pipenv's `verify_ssl = false`).
    pub insecure: bool,
    /// Whose setting it is: `uv`, `poetry`, `pdm`, `pipenv`.
    pub tool: &'static str,
    /// Where.
    pub location: Location,
}

/// Where uv takes a project from instead of the default index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UvSource {
    /// What.
    pub kind: UvSourceKind,
    /// Only then.
    pub marker: Option<Marker>,
    /// Only for this extra or group of the project.
    pub scope: Option<String>,
    /// Where.
    pub location: Location,
}

/// What a [`UvSource`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UvSourceKind {
    /// Bytes outside any index.
    Direct {
        /// Which.
        direct: Box<Direct>,
        /// Installed in place.
        editable: bool,
    },
    /// A member of the workspace.
    Workspace,
    /// The index of this name.
    Index(String),
}

/// Reads a `pyproject.toml`.
pub fn read(path: &Path, text: &str) -> (Pyproject, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Pyproject { path: path.to_owned(), ..Pyproject::default() };
    let tool = r.table_of(&root, "tool");
    let tables = |name: &str, r: &mut Reader<'_>| tool.and_then(|t| r.table_of(t, name));
    for name in ["uv", "poetry", "pdm"] {
        if tool.is_some_and(|t| t.contains_key(name)) {
            out.tools.insert(name);
        }
    }
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    read_build_system(&mut r, &root, &base, &mut out);
    if let Some(project) = r.table_of(&root, "project") {
        read_project(&mut r, project, &base, &mut out);
    }
    if let Some(table) = tables("setuptools", &mut r) {
        read_setuptools(&mut r, table, &base, &mut out);
    }
    if let Some(table) = tables("hatch", &mut r) {
        read_hatch(&mut r, table, &base, &mut out);
    }
    if let Some(groups) = r.table_of(&root, "dependency-groups") {
        read_groups(&mut r, groups, &base, &mut out);
    }
    if let Some(table) = tables("poetry", &mut r) {
        read_poetry(&mut r, table, &base, &mut out);
    }
    if let Some(table) = tables("pdm", &mut r) {
        read_pdm(&mut r, table, &base, &mut out);
    }
    if let Some(table) = tables("uv", &mut r) {
        read_uv(&mut r, table, &base, &mut out);
    }
    (out, r.diagnostics)
}

/// Reads what a `pyproject.toml` says of the build, and nothing else of it.
pub fn read_build(path: &Path, text: &str) -> (Pyproject, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Pyproject { path: path.to_owned(), ..Pyproject::default() };
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    read_build_system(&mut r, &root, &base, &mut out);
    let tool = r.table_of(&root, "tool");
    if let Some(hatch) = tool.and_then(|t| r.table_of(t, "hatch")) {
        read_hatch(&mut r, hatch, &base, &mut out);
    }
    (out, r.diagnostics)
}

/// Reads a `uv.toml`, which holds what `[tool.uv]` does.
pub fn read_uv_toml(path: &Path, text: &str) -> (Pyproject, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Pyproject { path: path.to_owned(), ..Pyproject::default() };
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    out.tools.insert("uv");
    read_uv(&mut r, &root, &base, &mut out);
    (out, r.diagnostics)
}

/// Reads the TOML of a script's inline metadata (PEP 723): `dependencies`, `requires-python` and `[tool.uv]`.
pub(super) fn read_script(path: &Path, text: &str) -> (Pyproject, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Pyproject { path: path.to_owned(), ..Pyproject::default() };
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    out.requires_python = r.string_of(&root, "requires-python");
    out.dependencies = entries_of(&mut r, &root, "dependencies", &base);
    let tool = r.table_of(&root, "tool");
    if let Some(uv) = tool.and_then(|t| r.table_of(t, "uv")) {
        out.tools.insert("uv");
        read_uv(&mut r, uv, &base, &mut out);
    }
    (out, r.diagnostics)
}

fn canonical(name: &str) -> String {
    normalise_name(Ecosystem::PyPI, name)
}

/// The requirements of an array of strings.
fn entries_of(r: &mut Reader<'_>, table: &DeTable<'_>, key: &str, base: &Path) -> Vec<Entry> {
    let nodes = r.array_of(table, key);
    nodes.into_iter().filter_map(|node| entry(r, node, key, base)).collect()
}

fn entry(r: &mut Reader<'_>, node: &Node<'_>, key: &str, base: &Path) -> Option<Entry> {
    let text = r.string(node, key)?;
    let offset = node.span().start;
    match Entry::parse(&text, base, r.at(offset)) {
        Ok(entry) => Some(entry),
        Err(error) => {
            r.complain(offset, format!("invalid requirement: {error}"));
            None
        }
    }
}

fn read_build_system(r: &mut Reader<'_>, root: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let Some(table) = r.table_of(root, "build-system") else {
        let location = Location::file(&out.path);
        out.build_requires.extend(Entry::parse("setuptools >= 40.8.0", base, location));
        return;
    };
    out.has_build_system = true;
    out.build_requires = entries_of(r, table, "requires", base);
    out.build_backend = r.string_of(table, "build-backend");
    out.has_backend_path = table.contains_key("backend-path");
}

fn read_project(r: &mut Reader<'_>, project: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    out.is_package = true;
    out.name = r.string_of(project, "name");
    out.version = r.string_of(project, "version");
    out.requires_python = r.string_of(project, "requires-python");
    out.dynamic = r.strings_of(project, "dynamic");
    out.dependencies = entries_of(r, project, "dependencies", base);
    if let Some(extras) = r.table_of(project, "optional-dependencies") {
        for (extra, _, node) in members(extras) {
            let entries = r.array(node, extra).into_iter().filter_map(|n| entry(r, n, extra, base)).collect();
            out.optional_dependencies.insert(canonical(extra), entries);
        }
    }
}

/// `[tool.hatch.build]`, its wheel target, and the hooks of both.
fn read_hatch(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let Some(build) = r.table_of(table, "build") else { return };
    let wheel = r.table_of(build, "targets").and_then(|targets| r.table_of(targets, "wheel"));
    for part in std::iter::once(build).chain(wheel) {
        let found = entries_of(r, part, "dependencies", base);
        out.hatch_build.extend(found);
        let Some(hooks) = r.table_of(part, "hooks") else { continue };
        for (name, _, _) in members(hooks) {
            if let Some(hook) = r.table_of(hooks, name) {
                let found = entries_of(r, hook, "dependencies", base);
                out.hatch_build.extend(found);
            }
        }
    }
}

/// `dependencies = { file = [...] }`: requirements files that setuptools reads at build time, which are data.
fn read_setuptools(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let Some(dynamic) = r.table_of(table, "dynamic") else { return };
    let mut files = |r: &mut Reader<'_>, extra: &str, node: &Node<'_>| {
        let Some(file) = node.get_ref().as_table().and_then(|t| t.get("file")) else { return };
        let names = match file.get_ref().as_str() {
            Some(one) => vec![one.to_owned()],
            None => r.strings(file, "file"),
        };
        out.dynamic_files.extend(names.into_iter().map(|n| (extra.to_owned(), base.join(n))));
    };
    if let Some(node) = dynamic.get("dependencies") {
        files(r, "", node);
    }
    for (extra, _, node) in r.table_of(dynamic, "optional-dependencies").map(members).unwrap_or_default() {
        files(r, &canonical(extra), node);
    }
}

/// PEP 735: strings and `{include-group = "…"}`.
fn read_groups(r: &mut Reader<'_>, groups: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let mut raw: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (name, offset, node) in members(groups) {
        let mut items = Vec::new();
        for node in r.array(node, name) {
            let Some(table) = node.get_ref().as_table() else {
                items.extend(entry(r, node, name, base).map(Item::entry));
                continue;
            };
            match r.string_of(table, "include-group") {
                Some(other) => items.push(Item::Include(canonical(&other), node.span().start)),
                None => r.complain(node.span().start, "neither a requirement nor `include-group`"),
            }
        }
        if raw.insert(canonical(name), items).is_some() {
            r.complain(offset, format!("the group {name} is there twice"));
        }
    }
    for (name, entries) in resolve_groups(r, &raw) {
        out.groups.entry(name).or_default().extend(entries);
    }
}

enum Item {
    Entry(Box<Entry>),
    Include(String, usize),
}

impl Item {
    fn entry(entry: Entry) -> Self {
        Self::Entry(Box::new(entry))
    }
}

/// Most steps that are taken to put includes in place: groups that include groups can multiply.
const MAX_GROUP_STEPS: usize = 200_000;

/// Includes in place of what they name; a cycle and an unknown group are reported.
fn resolve_groups(r: &mut Reader<'_>, raw: &BTreeMap<String, Vec<Item>>) -> BTreeMap<String, Vec<Entry>> {
    let mut out = BTreeMap::new();
    // An include is met from every group that leads to it, and reported once.
    let mut reported: BTreeSet<usize> = BTreeSet::new();
    let mut steps = 0;
    for name in raw.keys() {
        let mut entries: Vec<Entry> = Vec::new();
        // Depth first with an explicit path; a group that was taken already says nothing new, one on the path is a cycle.
        let mut taken: BTreeSet<&str> = BTreeSet::from([name.as_str()]);
        let mut on_path: BTreeSet<&str> = taken.clone();
        let mut path: Vec<(&str, std::slice::Iter<'_, Item>)> =
            vec![(name, raw.get(name).map(|i| i.iter()).unwrap_or_default())];
        while let Some((group, items)) = path.last_mut() {
            steps += 1;
            if steps > MAX_GROUP_STEPS {
                r.complain(0, "the groups include each other too often to be read");
                return out;
            }
            match items.next() {
                None => {
                    on_path.remove(group);
                    path.pop();
                }
                Some(Item::Entry(entry)) => entries.push(Entry::clone(entry)),
                Some(Item::Include(other, offset)) => match raw.get_key_value(other) {
                    None if reported.insert(*offset) => r.complain(*offset, format!("there is no group {other}")),
                    None => {}
                    Some((other, items)) if taken.insert(other) => {
                        on_path.insert(other);
                        path.push((other, items.iter()));
                    }
                    Some((other, _)) if on_path.contains(other.as_str()) && reported.insert(*offset) => {
                        r.complain(*offset, format!("the group {other} includes itself"));
                    }
                    Some(_) => {}
                },
            }
        }
        out.insert(name.clone(), entries);
    }
    out
}

fn read_poetry(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let static_project = out.is_package && !out.dynamic.iter().any(|d| d == "dependencies");
    let package_mode = table.get("package-mode").and_then(|n| n.get_ref().as_bool()).unwrap_or(true);
    out.is_package |= package_mode && table.contains_key("name");
    // A path, or a table of which a path is the better part.
    let build = table.get("build").map(|node| node.get_ref());
    out.poetry_builds =
        package_mode && build.is_some_and(|b| b.as_table().is_none_or(|table| table.contains_key("script")));
    out.name = out.name.take().or_else(|| r.string_of(table, "name"));
    out.version = out.version.take().or_else(|| r.string_of(table, "version"));
    if let Some(dependencies) = r.table_of(table, "dependencies") {
        let read = poetry::dependencies(r, dependencies, base);
        out.requires_python = out.requires_python.take().or(read.python);
        if static_project {
            // Beside `project.dependencies` the table only says where those come from.
            let all = read.required.into_iter().chain(read.optional.into_values().flatten());
            all.for_each(|entry| enrich(out, &entry));
        } else {
            out.dependencies.extend(read.required);
            let extras = r.table_of(table, "extras");
            for (extra, _, node) in extras.map(members).unwrap_or_default() {
                let names = r.strings(node, extra);
                let entries = names.iter().filter_map(|n| read.optional.get(&canonical(n))).flatten().cloned();
                out.optional_dependencies.entry(canonical(extra)).or_default().extend(entries);
            }
        }
    }
    if let Some(plugins) = r.table_of(table, "requires-plugins") {
        let read = poetry::dependencies(r, plugins, base);
        out.plugins.extend(read.required.into_iter().chain(read.optional.into_values().flatten()));
    }
    let mut raw: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    if let Some(old) = r.table_of(table, "dev-dependencies") {
        let read = poetry::dependencies(r, old, base);
        raw.entry("dev".to_owned()).or_default().extend(read.required.into_iter().map(Item::entry));
        out.default_groups.push("dev".to_owned());
    }
    for (name, offset, node) in r.table_of(table, "group").map(members).unwrap_or_default() {
        let Some(group) = r.table(node, name) else { continue };
        if r.flag_of(group, "optional") {
            out.optional_groups.push(canonical(name));
        } else if !out.default_groups.contains(&canonical(name)) {
            out.default_groups.push(canonical(name));
        }
        let items = raw.entry(canonical(name)).or_default();
        items.extend(r.strings_of(group, "include-groups").into_iter().map(|g| Item::Include(canonical(&g), offset)));
        if let Some(dependencies) = r.table_of(group, "dependencies") {
            items.extend(poetry::dependencies(r, dependencies, base).required.into_iter().map(Item::entry));
        }
    }
    for (name, entries) in resolve_groups(r, &raw) {
        out.groups.entry(name).or_default().extend(entries);
    }
    for node in r.array_of(table, "source") {
        let Some(source) = r.table(node, "source") else { continue };
        let priority = r.string_of(source, "priority").unwrap_or_default();
        let default = priority == "default" || r.flag_of(source, "default");
        push_index(r, source, node.span().start, "poetry", default, priority == "explicit", out);
    }
}

/// Takes the source that Poetry's table names for a dependency of `[project]`.
fn enrich(out: &mut Pyproject, with: &Entry) {
    let lists = out.optional_dependencies.values_mut().chain(std::iter::once(&mut out.dependencies));
    for entry in lists.flatten().filter(|e| e.name().is_some() && e.name() == with.name()) {
        entry.index.clone_from(&with.index);
        if let Target::Direct(direct) = &with.target {
            let marker = entry.marker().cloned();
            let mut direct = direct.clone();
            direct.marker = direct.marker.or(marker);
            entry.target = Target::Direct(direct);
            entry.editable = with.editable;
        }
    }
}

fn push_index(
    r: &mut Reader<'_>,
    table: &DeTable<'_>,
    offset: usize,
    tool: &'static str,
    default: bool,
    explicit: bool,
    out: &mut Pyproject,
) {
    let name = r.string_of(table, "name");
    // Poetry's built-in source needs no URL.
    let url = match r.string_of(table, "url") {
        Some(url) => without_credentials(&url),
        None if name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case("pypi")) => "https://pypi.org/simple".to_owned(),
        None => return r.complain(offset, "an index without a URL"),
    };
    let insecure = table.get("verify_ssl").and_then(|n| n.get_ref().as_bool()) == Some(false);
    out.indexes.push(Index { name, url, default, explicit, insecure, tool, location: r.at(offset) });
}

/// A requirement, or `-e file:///…#egg=name`.
fn pdm_entry(r: &mut Reader<'_>, node: &Node<'_>, key: &str, base: &Path) -> Option<Entry> {
    let Some(link) = node.get_ref().as_str().and_then(|t| t.strip_prefix("-e ")) else {
        return entry(r, node, key, base);
    };
    let target = Target::Direct(Direct::from_url(link.trim(), base));
    Some(Entry { editable: true, ..Entry::new(link, target, r.at(node.span().start)) })
}

fn read_pdm(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let kind = table.get("package-type").and_then(|n| n.get_ref().as_str());
    let distribution = table.get("distribution").and_then(|n| n.get_ref().as_bool());
    out.pdm_leaves_out = kind.map_or(distribution == Some(false), |kind| kind != "library");
    for node in r.array_of(table, "plugins") {
        let read = pdm_entry(r, node, "plugins", base);
        out.plugins.extend(read);
    }
    for (group, _, node) in r.table_of(table, "dev-dependencies").map(members).unwrap_or_default() {
        for node in r.array(node, group) {
            let read = pdm_entry(r, node, group, base);
            out.groups.entry(canonical(group)).or_default().extend(read);
        }
    }
    for node in r.array_of(table, "source") {
        let Some(source) = r.table(node, "source") else { continue };
        let default = r.string_of(source, "name").as_deref() == Some("pypi");
        let links = r.string_of(source, "type").as_deref() == Some("find_links");
        if links {
            let value = r.string_of(source, "url");
            out.options.push(GlobalOption {
                name: "--find-links",
                value,
                written: None,
                location: r.at(node.span().start),
            });
        } else {
            push_index(r, source, node.span().start, "pdm", default, false, out);
        }
    }
    if let Some(overrides) = r.table_of(table, "resolution").and_then(|t| r.table_of(t, "overrides")) {
        for (name, offset, node) in members(overrides) {
            let Some(text) = node.get_ref().as_str() else { continue };
            let requirement = match text {
                _ if text.contains("://") => format!("{name} @ {text}"),
                _ if text.starts_with(|c: char| c.is_ascii_digit()) => format!("{name}=={text}"),
                _ => format!("{name}{text}"),
            };
            match Entry::parse(&requirement, base, r.at(offset)) {
                Ok(entry) => out.overrides.push(entry),
                Err(error) => r.complain(offset, format!("invalid override: {error}")),
            }
        }
    }
}

/// Settings of `[tool.uv]` that pip has as options: the key, the option, and whether it takes values.
const UV_OPTIONS: [(&str, &str, bool); 10] = [
    ("index-url", "--index-url", true),
    ("extra-index-url", "--extra-index-url", true),
    ("find-links", "--find-links", true),
    ("no-index", "--no-index", false),
    ("allow-insecure-host", "--trusted-host", true),
    ("no-binary-package", "--no-binary", true),
    ("no-build-package", "--only-binary", true),
    ("prerelease", "--prerelease", true),
    ("resolution", "--resolution", true),
    ("index-strategy", "--index-strategy", true),
];

fn read_uv(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path, out: &mut Pyproject) {
    let development = entries_of(r, table, "dev-dependencies", base);
    if !development.is_empty() {
        out.groups.entry("dev".to_owned()).or_default().extend(development);
    }
    out.constraints = entries_of(r, table, "constraint-dependencies", base);
    out.constraints.iter_mut().for_each(|e| e.constraint = true);
    out.overrides.extend(entries_of(r, table, "override-dependencies", base));
    out.build_constraints = entries_of(r, table, "build-constraint-dependencies", base);
    for (name, _, node) in r.table_of(table, "extra-build-dependencies").map(members).unwrap_or_default() {
        for node in r.array(node, name) {
            // `{ requirement = "torch", match-runtime = true }`.
            let node = node.get_ref().as_table().and_then(|t| t.get("requirement")).unwrap_or(node);
            let read = entry(r, node, name, base);
            out.extra_build.entry(canonical(name)).or_default().extend(read);
        }
    }
    for node in r.array_of(table, "dependency-metadata") {
        let Some(stated) = r.table(node, "dependency-metadata") else { continue };
        let Some(name) = r.string_of(stated, "name") else { continue };
        let version = r.string_of(stated, "version");
        out.stated.push(Stated { name: canonical(&name), version, requires: r.strings_of(stated, "requires-dist") });
    }
    out.exclude_newer = r.string_of(table, "exclude-newer");
    match table.get("default-groups") {
        // `default-groups = "all"`.
        Some(node) if node.get_ref().is_str() => out.default_groups = out.groups.keys().cloned().collect(),
        Some(node) => out.default_groups = r.strings(node, "default-groups").iter().map(|g| canonical(g)).collect(),
        None if out.groups.contains_key("dev") && !out.default_groups.contains(&"dev".to_owned()) => {
            out.default_groups.push("dev".to_owned());
        }
        None => {}
    }
    for (key, name, valued) in UV_OPTIONS {
        let Some(node) = table.get(key) else { continue };
        let location = r.at(node.span().start);
        let values = match (valued, node.get_ref().as_str()) {
            (false, _) if node.get_ref().as_bool() == Some(true) => vec![None],
            (false, _) => Vec::new(),
            (true, Some(one)) => vec![Some(one.to_owned())],
            (true, None) => r.strings(node, key).into_iter().map(Some).collect(),
        };
        out.options.extend(values.into_iter().map(|value| GlobalOption {
            name,
            value,
            written: None,
            location: location.clone(),
        }));
    }
    for node in r.array_of(table, "index") {
        let Some(index) = r.table(node, "index") else { continue };
        let (default, explicit) = (r.flag_of(index, "default"), r.flag_of(index, "explicit"));
        push_index(r, index, node.span().start, "uv", default, explicit, out);
    }
    for (name, offset, node) in r.table_of(table, "sources").map(members).unwrap_or_default() {
        let several: Vec<&Node<'_>> = node.get_ref().as_array().map_or_else(|| vec![node], |a| a.iter().collect());
        for node in several {
            let Some(source) = r.table(node, name).and_then(|t| uv_source(r, t, offset, base)) else { continue };
            out.sources.entry(canonical(name)).or_default().push(source);
        }
    }
    if let Some(workspace) = r.table_of(table, "workspace") {
        out.workspace = Some(Workspace {
            members: r.strings_of(workspace, "members"),
            exclude: r.strings_of(workspace, "exclude"),
        });
    }
}

fn uv_source(r: &mut Reader<'_>, table: &DeTable<'_>, offset: usize, base: &Path) -> Option<UvSource> {
    let marker = match r.string_of(table, "marker").map(|m| Marker::parse(&m)) {
        Some(Ok(marker)) => Some(marker),
        Some(Err(error)) => {
            r.complain(offset, format!("unreadable marker: {error}"));
            None
        }
        None => None,
    };
    let kind = if r.flag_of(table, "workspace") {
        UvSourceKind::Workspace
    } else if let Some(index) = r.string_of(table, "index") {
        UvSourceKind::Index(index)
    } else if let Some(direct) = poetry::direct(r, table, base) {
        UvSourceKind::Direct { direct: Box::new(direct), editable: r.flag_of(table, "editable") }
    } else {
        r.complain(offset, "a source of an unknown kind");
        return None;
    };
    let scope = r.string_of(table, "extra").or_else(|| r.string_of(table, "group"));
    Some(UvSource { kind, marker, scope, location: r.at(offset) })
}

impl Pyproject {
    /// The directory that it is in, as its path is written.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The sources that a workspace's root names hold for a member that names none of its own for a project.
    pub fn lend_sources(&self, member: &mut Self) {
        for (name, sources) in &self.sources {
            member.sources.entry(name.clone()).or_insert_with(|| sources.clone());
        }
    }

    /// Requirements as uv takes them: from the sources that `[tool.uv.sources]` names. A source with a marker
    /// stands beside the entry from the index, each under its condition as far as markers can say it.
    pub fn with_uv_sources(&self, entries: &[Entry]) -> Vec<Entry> {
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let sources = entry
                .name()
                .and_then(|n| self.sources.get(n.canonical()))
                .filter(|_| matches!(entry.target, Target::Named(_)));
            let Some(sources) = sources else {
                out.push(entry.clone());
                continue;
            };
            if sources.iter().all(|s| s.marker.is_some() || s.scope.is_some()) {
                // Where none of the conditions holds, it is the index's.
                out.push(entry.clone());
            }
            out.extend(sources.iter().map(|s| self.redirect(entry, s)));
        }
        out
    }

    fn redirect(&self, entry: &Entry, source: &UvSource) -> Entry {
        let mut entry = entry.clone();
        let Target::Named(requirement) = &entry.target else { return entry };
        let mut direct = match &source.kind {
            UvSourceKind::Index(name) => {
                entry.index = Some(name.clone());
                source.marker.iter().for_each(|m| entry.restrict(m));
                return entry;
            }
            UvSourceKind::Workspace => {
                let mut direct = Direct::from_path(".", self.directory());
                direct.source = Source::Workspace { path: super::direct::normalise(self.directory()) };
                direct
            }
            UvSourceKind::Direct { direct, editable } => {
                entry.editable = *editable;
                Direct::clone(direct)
            }
        };
        direct.name = Some(requirement.name.clone());
        direct.extras.clone_from(&requirement.extras);
        direct.marker.clone_from(&requirement.marker);
        entry.target = Target::Direct(direct);
        source.marker.iter().for_each(|m| entry.restrict(m));
        entry
    }

    /// The directories of the workspace's members that hold a `pyproject.toml`, sorted. `root` is the absolute
    /// directory of this file.
    pub fn workspace_members(&self, root: &Path, files: &dyn Files) -> Vec<PathBuf> {
        let Some(workspace) = &self.workspace else { return Vec::new() };
        let expand = |globs: &[String]| -> BTreeSet<PathBuf> {
            globs.iter().flat_map(|g| expand_glob(root, g, files)).collect()
        };
        let excluded = expand(&workspace.exclude);
        let members = expand(&workspace.members).into_iter().filter(|m| !excluded.contains(m));
        members.filter(|m| files.is_file(&m.join("pyproject.toml"))).take(MAX_MEMBERS).collect()
    }
}

/// Directories under `root` that a glob means; `*`, `?`, `[…]` within a component, `**` for any depth.
fn expand_glob(root: &Path, glob: &str, files: &dyn Files) -> Vec<PathBuf> {
    let mut at = vec![root.to_owned()];
    for part in glob.split(['/', '\\']).filter(|p| !p.is_empty() && *p != ".") {
        let subdirectories =
            |dir: &PathBuf| files.list(dir).into_iter().filter(|p| files.is_dir(p)).collect::<Vec<_>>();
        at = match part {
            ".." => at.iter().filter_map(|d| d.parent().map(Path::to_owned)).collect(),
            "**" => {
                let mut all = at.clone();
                let mut level = at;
                for _ in 0..MAX_GLOB_DEPTH {
                    level = level.iter().flat_map(subdirectories).take(MAX_MEMBERS).collect();
                    all.extend(level.iter().cloned());
                }
                all
            }
            _ if !part.contains(['*', '?', '[', '{']) => at.into_iter().map(|d| d.join(part)).collect(),
            _ => {
                let Ok(matcher) = globset::Glob::new(part).map(|g| g.compile_matcher()) else { return Vec::new() };
                let fits = |p: &PathBuf| p.file_name().is_some_and(|n| matcher.is_match(Path::new(n)));
                at.iter().flat_map(subdirectories).filter(fits).collect()
            }
        };
        at.truncate(MAX_MEMBERS);
    }
    at.retain(|d| files.is_dir(d));
    at
}

impl Pyproject {
    /// What of the requirements only a build tells: `dependencies`, `optional-dependencies`, both or nothing.
    pub fn dynamic_requirements(&self) -> impl Iterator<Item = &str> {
        self.dynamic.iter().map(String::as_str).filter(|d| matches!(*d, "dependencies" | "optional-dependencies"))
    }
}

/// Reads a requirements file that setuptools takes dynamic dependencies from: requirements only.
pub fn dynamic_entries(path: &Path, text: &str, base: &Path) -> (Vec<Entry>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut diagnostics = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = requirements_txt::without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        let location = Location::at(path, number, 1);
        match Entry::parse(line, base, location.clone()) {
            Ok(entry) => out.push(entry),
            Err(error) => diagnostics.push(Diagnostic::new(location, format!("invalid requirement: {error}"))),
        }
    }
    (out, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;
    use proptest::prelude::*;

    fn shown(entries: &[Entry]) -> Vec<String> {
        entries
            .iter()
            .map(|e| {
                let what = match &e.target {
                    Target::Named(r) => r.to_string(),
                    Target::Direct(d) => format!("{} {}", d.source.kind(), d.source.url()),
                };
                let index = e.index.as_ref().map(|i| format!(" from {i}")).unwrap_or_default();
                let marker = e.marker().filter(|_| matches!(e.target, Target::Direct(_)));
                let marker = marker.map(|m| format!(" if {m}")).unwrap_or_default();
                format!("{what}{index}{marker} @{}:{}", e.location.line, e.location.column)
            })
            .collect()
    }

    const STANDARD: &str = r#"[build-system]
requires = ["hatchling>=1"]
build-backend = "hatchling.build"
[project]
name = "Demo"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["requests>=2,", "foo- >1", "torch"]
dynamic = ["optional-dependencies"]
[project.optional-dependencies]
Dev_Tools = ["x ; extra == 'y'"]
[dependency-groups]
test = ["pytest", {include-group = "Lint"}]
lint = ["ruff", {include-group = "test"}, {include-group = "none"}, 7]
dev = [{include-group = "lint"}]
[tool.uv]
dev-dependencies = ["black"]
constraint-dependencies = ["urllib3<2"]
index-url = "https://u:p@h/simple"
exclude-newer = "2026-01-01"
[tool.uv.sources]
torch = [{ index = "pt", marker = "sys_platform == 'linux'" }, { git = "https://h/t", rev = "abc", marker = "sys_platform == 'darwin'" }]
requests = { workspace = true }
[[tool.uv.index]]
name = "pt"
url = "https://user:secret@pt.example/whl"
explicit = true
[tool.uv.workspace]
members = ["packages/*"]
exclude = ["packages/old"]
"#;

    #[test]
    fn standards_and_uv() {
        let (p, diagnostics) = read(Path::new("pyproject.toml"), STANDARD);
        let said: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
        assert_eq!(shown(&p.dependencies), ["requests>=2 @8:17", "torch @8:44"]);
        assert_eq!(shown(&p.groups["test"]), ["pytest @13:9", "ruff @14:9"]);
        assert_eq!(shown(&p.groups["dev"]), ["ruff @14:9", "pytest @13:9", "black @17:21"]);
        assert_eq!(p.default_groups, ["dev"]);
        assert_eq!((p.indexes[0].url.as_str(), p.indexes[0].explicit), ("https://pt.example/whl", true));
        assert_eq!(
            shown(&p.with_uv_sources(&p.dependencies)),
            [
                "workspace . @8:17",
                "torch @8:44",
                "torch; sys_platform == 'linux' from pt @8:44",
                "git https://h/t if sys_platform == 'darwin' @8:44"
            ]
        );
        assert_eq!(p.dynamic_requirements().collect::<Vec<_>>(), ["optional-dependencies"]);
        let files: MemoryFiles =
            ["a", "b", "old"].iter().map(|n| (format!("/w/packages/{n}/pyproject.toml"), Vec::new())).collect();
        assert_eq!(p.workspace_members(Path::new("/w"), &files), ["/w/packages/a", "/w/packages/b"].map(PathBuf::from));
    }

    #[test]
    fn poetry_tables() {
        let text = r#"[tool.poetry]
name = "p"
[tool.poetry.dependencies]
python = "^3.9"
requests = { version = "^2.13", extras = ["socks"], source = "corp", python = "<3.12" }
lib = { git = "git@h.example:a/b.git", tag = "v1" }
several = [{ version = "<2", markers = "os_name == 'nt'" }, { version = ">=2", platform = "linux" }]
mysql = { version = "~1.2", optional = true }
local = { path = "../local", develop = true }
[tool.poetry.extras]
db = ["mysql"]
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
sphinx = "7.x"
[[tool.poetry.source]]
name = "corp"
url = "https://corp/simple"
priority = "explicit"
"#;
        let (p, diagnostics) = read(Path::new("/w/pyproject.toml"), text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(p.requires_python.as_deref(), Some(">=3.9,<4"));
        assert_eq!(
            shown(&p.dependencies),
            [
                "requests[socks]>=2.13,<3; python_version < '3.12' from corp @5:1",
                "git ssh://git@h.example/a/b.git @6:1",
                "several<2; os_name == 'nt' @7:1",
                "several>=2; sys_platform == 'linux' @7:1",
                "path /local @9:1"
            ]
        );
        assert_eq!(shown(&p.optional_dependencies["db"]), ["mysql>=1.2,<1.3 @8:1"]);
        assert_eq!(
            (p.default_groups.as_slice(), shown(&p.groups["docs"])),
            (["dev".to_owned()].as_slice(), vec!["sphinx==7.* @17:1".to_owned()])
        );
        assert!(p.indexes[0].explicit && p.is_package);
    }

    #[test]
    fn pdm_and_setuptools() {
        let text = r#"[project]
dynamic = ["dependencies"]
[tool.pdm.dev-dependencies]
test = ["pytest>=7", "-e file:///w/sub#egg=sub"]
[[tool.pdm.source]]
name = "pypi"
url = "http://mirror/simple"
verify_ssl = false
[tool.setuptools.dynamic]
dependencies = { file = ["requirements.txt"] }
"#;
        let (p, diagnostics) = read(Path::new("/w/pyproject.toml"), text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(shown(&p.groups["test"]), ["pytest>=7 @4:9", "path /w/sub @4:22"]);
        assert!(p.groups["test"][1].editable && p.indexes[0].insecure && p.indexes[0].default);
        assert_eq!(p.dynamic_files, [(String::new(), PathBuf::from("/w/requirements.txt"))]);
        assert_eq!(shown(&p.build_requires), ["setuptools>=40.8.0 @0:0"]);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..STANDARD.len(), noise in r#"[\[\]{}"',:=a-z.0-9\n ]{0,20}"#) {
            if let (Some(head), Some(tail)) = (STANDARD.get(..cut), STANDARD.get(cut..)) {
                let _ = read(Path::new("p"), &format!("{head}{noise}{tail}"));
                let _ = read(Path::new("p"), &format!("{noise}{tail}"));
            }
        }
    }
}
