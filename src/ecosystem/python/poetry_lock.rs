//! `poetry.lock`, of Poetry 1 (file hashes under `[metadata.files]`, categories) and 2 (groups and markers).
//!
//! In: a path (for places) and a text. Out: [`Lockfile`] and what could not be taken as it stands.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::direct::{full_commit, normalise, without_credentials};
use super::lock::{self, Format, LockedArtifact, LockedDependency, Lockfile, last_segment};
use super::requirement::Marker;
use crate::ecosystem::document::{Node, Reader, members};
use crate::model::{Diagnostic, Ecosystem, PackageName, Source};

/// Reads a `poetry.lock`.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Lockfile::new(path, Format::Poetry);
    let metadata = r.table_of(&root, "metadata");
    // Poetry 1.0 to 1.4: every file by its project; before that, hashes alone.
    let files = by_name(metadata.and_then(|m| r.table_of(m, "files")));
    let hashes = by_name(metadata.and_then(|m| r.table_of(m, "hashes")));
    if let Some(metadata) = metadata {
        out.version = r.string_of(metadata, "lock-version").unwrap_or_default();
        out.requires_python = r.string_of(metadata, "python-versions");
        out.content_hash = r.string_of(metadata, "content-hash");
        if !matches!(out.version.split('.').next(), Some("" | "1" | "2")) {
            r.complain(0, format!("poetry.lock of version {}, not 1 or 2", out.version));
        }
    }
    for (table, offset, mut package) in lock::packages(&mut r, &root, "package") {
        package.requires_python = r.string_of(table, "python-versions").filter(|v| v != "*");
        package.optional = r.flag_of(table, "optional");
        package.editable = r.flag_of(table, "develop");
        package.groups = r.strings_of(table, "groups");
        if package.groups.is_empty() {
            package.groups.extend(r.string_of(table, "category"));
        }
        package.marker = markers(&mut r, table, &package.groups);
        if let Some(source) = r.table_of(table, "source") {
            package.source = read_source(&mut r, source, path, offset);
        }
        for node in own_files(table, &files, &hashes, &package.name) {
            package.artifacts.extend(artifact(&mut r, node));
        }
        if let Some(dependencies) = r.table_of(table, "dependencies") {
            for (name, _, node) in members(dependencies) {
                read_dependency(&mut r, name, node, &mut package.dependencies);
            }
        }
        out.packages.push(package);
    }
    (out, r.diagnostics)
}

/// The `files` of the package itself, or those of `[metadata]` under its name.
fn own_files<'n, 't>(
    table: &'n DeTable<'t>,
    files: &ByName<'n, 't>,
    hashes: &ByName<'n, 't>,
    name: &PackageName,
) -> Vec<&'n Node<'t>> {
    let node = table.get("files").or_else(|| files.get(name).copied()).or_else(|| hashes.get(name).copied());
    node.and_then(|n| n.get_ref().as_array()).into_iter().flat_map(|a| a.iter()).collect()
}

/// The members of a table of `[metadata]`, by project.
type ByName<'n, 't> = BTreeMap<PackageName, &'n Node<'t>>;

fn by_name<'n, 't>(table: Option<&'n DeTable<'t>>) -> ByName<'n, 't> {
    let mut out = BTreeMap::new();
    for (key, _, node) in table.map(members).unwrap_or_default() {
        out.entry(PackageName::new(Ecosystem::PyPI, key)).or_insert(node);
    }
    out
}

/// One marker, or one for each group. Several are joined by `or`, and a group without one makes it unconditional.
fn markers(r: &mut Reader<'_>, table: &DeTable<'_>, groups: &[String]) -> Option<Marker> {
    let node = table.get("markers")?;
    let offset = node.span().start;
    if let Some(text) = node.get_ref().as_str() {
        return lock::marker(r, text, offset);
    }
    let Some(by_group) = node.get_ref().as_table() else {
        r.complain(offset, "`markers` is neither a text nor a table");
        return None;
    };
    if groups.iter().any(|g| !by_group.contains_key(g.as_str())) {
        return None;
    }
    let texts: Vec<String> =
        members(by_group).iter().filter_map(|(_, _, n)| Some(format!("({})", n.get_ref().as_str()?))).collect();
    lock::marker(r, &texts.join(" or "), offset)
}

fn read_source(r: &mut Reader<'_>, table: &DeTable<'_>, file: &Path, offset: usize) -> Option<Source> {
    let url = r.string_of(table, "url").unwrap_or_default();
    let beside = || normalise(&file.parent().unwrap_or(Path::new("")).join(&url));
    match r.string_of(table, "type").as_deref() {
        Some("git") => {
            let commit = r.string_of(table, "resolved_reference").filter(|c| full_commit(c));
            let reference = r.string_of(table, "reference");
            Some(Source::Git {
                url: without_credentials(&url),
                reference,
                commit: commit.map(|c| c.to_ascii_lowercase()),
            })
        }
        Some("url") => Some(Source::Url { url: without_credentials(&url) }),
        Some("file" | "directory") => Some(Source::Path { path: beside() }),
        Some("legacy") => Some(Source::Registry { url: without_credentials(&url) }),
        Some("pypi") => None,
        other => {
            r.complain(
                offset,
                format!(
                    "a source of an unknown kind: {}",
                    other.unwrap_or("none").chars().take(40).collect::<String>()
                ),
            );
            Some(Source::Url { url: without_credentials(&url) })
        }
    }
}

/// `{file, hash, url?}`, or a bare hash.
fn artifact(r: &mut Reader<'_>, node: &Node<'_>) -> Option<LockedArtifact> {
    let offset = node.span().start;
    let mut out = LockedArtifact {
        filename: String::new(),
        url: None,
        path: None,
        digests: Vec::new(),
        size: None,
        uploaded_at: None,
    };
    if let Some(hash) = node.get_ref().as_str() {
        let named = if hash.contains(':') { hash.to_owned() } else { format!("sha256:{hash}") };
        out.digests.extend(lock::digest(r, &named, offset));
        return Some(out);
    }
    let table = r.table(node, "files")?;
    out.filename = last_segment(&r.string_of(table, "file").unwrap_or_default());
    out.url = r.string_of(table, "url").map(|u| without_credentials(&u));
    let hash = r.string_of(table, "hash");
    out.digests.extend(hash.and_then(|h| lock::digest(r, &h, offset)));
    Some(out)
}

/// `name = "range"`, `name = {version, markers, extras}`, or a list of those.
fn read_dependency(r: &mut Reader<'_>, name: &str, node: &Node<'_>, out: &mut Vec<LockedDependency>) {
    let mut dependency = LockedDependency {
        name: PackageName::new(Ecosystem::PyPI, name),
        version: None,
        source: None,
        extras: Vec::new(),
        marker: None,
        range: None,
    };
    if let Some(range) = node.get_ref().as_str() {
        dependency.range = Some(range.to_owned());
        out.push(dependency);
    } else if let Some(table) = node.get_ref().as_table() {
        let text = |key: &str| table.get(key).and_then(|n| n.get_ref().as_str());
        dependency.range = text("version").map(str::to_owned);
        dependency.marker = text("markers").and_then(|m| lock::marker(r, m, node.span().start));
        dependency.extras = r.strings_of(table, "extras");
        out.push(dependency);
    } else if let Some(several) = node.get_ref().as_array() {
        for node in several.iter().filter(|n| !n.get_ref().is_array()) {
            read_dependency(r, name, node, out);
        }
    } else {
        r.complain(node.span().start, "a dependency that is no text, table or list");
    }
}
