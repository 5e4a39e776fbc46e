//! `pylock.toml` (PEP 751): a flat list of packages, each with its marker.
//!
//! In: a path (for places) and a text. Out: [`Lockfile`] and what could not be taken as it stands. What the
//! specification makes mandatory is checked: an installer must refuse a file without it.

use std::path::Path;

use toml::de::DeTable;

use super::direct::{full_commit, normalise, without_credentials};
use super::lock::{self, Format, LockedArtifact, LockedDependency, LockedPackage, Lockfile, last_segment};
use crate::ecosystem::document::{Node, Reader, integer_of, members};
use crate::model::{Diagnostic, Digest, DigestAlgorithm, Ecosystem, PackageName, Source, Timestamp};

/// Reads a `pylock.toml`.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Lockfile::new(path, Format::Pylock);
    if !r.diagnostics.is_empty() {
        return (out, r.diagnostics);
    }
    match r.string_of(&root, "lock-version") {
        Some(version) if version.split('.').next() == Some("1") => out.version = version,
        Some(version) => r.complain(0, format!("pylock.toml of version {version}, not 1")),
        None => r.complain(0, "no lock-version"),
    }
    if !root.contains_key("packages") {
        r.complain(0, "no packages");
    }
    out.requires_python = r.string_of(&root, "requires-python");
    out.environments = r.strings_of(&root, "environments");
    out.default_groups = r.strings_of(&root, "default-groups");
    for (table, offset, mut package) in lock::packages(&mut r, &root, "packages") {
        package.requires_python = r.string_of(table, "requires-python").filter(|v| !v.is_empty());
        let marker = r.string_of(table, "marker");
        package.marker = marker.and_then(|m| lock::marker(&mut r, &m, offset));
        read_source(&mut r, table, path, &mut package);
        for node in table.get("sdist").into_iter().chain(r.array_of(table, "wheels")) {
            package.artifacts.extend(artifact(&mut r, node));
        }
        for node in r.array_of(table, "dependencies") {
            if let Some(name) = node.get_ref().as_table().and_then(|t| t.get("name")).and_then(|n| n.get_ref().as_str())
            {
                package.dependencies.push(LockedDependency {
                    name: PackageName::new(Ecosystem::PyPI, name),
                    version: None,
                    source: None,
                    extras: Vec::new(),
                    marker: None,
                    range: None,
                });
            }
        }
        if package.source.is_none() && package.artifacts.is_empty() {
            r.complain(offset, format!("{} has no file and no source", package.name.canonical()));
        }
        out.packages.push(package);
    }
    (out, r.diagnostics)
}

/// `vcs`, `directory` and `archive` exclude each other and any `sdist` or `wheels`.
fn read_source(r: &mut Reader<'_>, table: &DeTable<'_>, file: &Path, package: &mut LockedPackage) {
    let beside = |p: &str| normalise(&file.parent().unwrap_or(Path::new("")).join(p));
    if let Some(vcs) = r.table_of(table, "vcs") {
        let url = r.string_of(vcs, "url").or_else(|| r.string_of(vcs, "path")).unwrap_or_default();
        let commit = r.string_of(vcs, "commit-id");
        let reference = r.string_of(vcs, "requested-revision").or_else(|| commit.clone());
        let kind = r.string_of(vcs, "type").unwrap_or_default();
        package.source = Some(match kind.as_str() {
            "git" => Source::Git {
                url: without_credentials(&url),
                reference,
                commit: commit.filter(|c| full_commit(c)).map(|c| c.to_ascii_lowercase()),
            },
            other => Source::Url {
                url: format!("{}+{}", other.chars().take(16).collect::<String>(), without_credentials(&url)),
            },
        });
    } else if let Some(directory) = r.table_of(table, "directory") {
        package.editable = r.flag_of(directory, "editable");
        let path = r.string_of(directory, "path").unwrap_or_default();
        package.source = Some(match path.as_str() {
            "." | "./" => Source::Workspace { path: beside(".") },
            path => Source::Path { path: beside(path) },
        });
    } else if let Some(node) = table.get("archive") {
        let archive = artifact(r, node);
        package.source = archive.as_ref().map(|a| match (&a.url, &a.path) {
            (Some(url), _) => Source::Url { url: url.clone() },
            (None, path) => Source::Path { path: beside(path.as_deref().unwrap_or_default()) },
        });
        package.artifacts.extend(archive);
    } else if let Some(index) = r.string_of(table, "index") {
        package.source = Some(Source::Registry { url: without_credentials(&index) });
    }
}

fn artifact(r: &mut Reader<'_>, node: &Node<'_>) -> Option<LockedArtifact> {
    let table = r.table(node, "file")?;
    let url = r.string_of(table, "url");
    let path = r.string_of(table, "path");
    let name = r.string_of(table, "name").or_else(|| url.clone()).or_else(|| path.clone()).unwrap_or_default();
    let mut digests = Vec::new();
    let hashes = r.table_of(table, "hashes");
    for (algorithm, offset, node) in hashes.map(members).unwrap_or_default() {
        let (Some(known), Some(hex)) = (DigestAlgorithm::from_name(algorithm), node.get_ref().as_str()) else {
            continue;
        };
        match Digest::from_hex(known, hex) {
            Ok(digest) => digests.push(digest),
            Err(error) => r.complain(offset, format!("unreadable hash: {error}")),
        }
    }
    digests.sort_by(|a, b| b.cmp(a));
    Some(LockedArtifact {
        filename: last_segment(&name),
        url: url.map(|u| without_credentials(&u)),
        path,
        digests,
        size: integer_of(table, "size"),
        uploaded_at: table.get("upload-time").and_then(upload_time),
    })
}

/// A TOML date-time with an offset; without one it is UTC.
fn upload_time(node: &Node<'_>) -> Option<Timestamp> {
    let text = match (node.get_ref().as_datetime(), node.get_ref().as_str()) {
        (Some(time), _) => time.to_string(),
        (None, text) => text?.to_owned(),
    };
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}
