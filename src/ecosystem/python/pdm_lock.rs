//! `pdm.lock`.
//!
//! In: a path (for places) and a text. Out: [`Lockfile`] and what could not be taken as it stands.

use std::path::Path;

use toml::de::DeTable;

use super::direct::{full_commit, normalise, without_credentials};
use super::lock::{self, Format, LockedArtifact, LockedDependency, Lockfile, last_segment};
use super::requirement;
use crate::ecosystem::document::{Node, Reader};
use crate::model::{Diagnostic, Source};

/// Reads a `pdm.lock`.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Lockfile::new(path, Format::Pdm);
    let metadata = r.table_of(&root, "metadata");
    let files = metadata.and_then(|m| r.table_of(m, "files"));
    if let Some(metadata) = metadata {
        out.version = r.string_of(metadata, "lock_version").unwrap_or_default();
        out.content_hash = r.string_of(metadata, "content_hash");
        if !matches!(out.version.split('.').next(), Some("" | "2" | "3" | "4")) {
            r.complain(0, format!("pdm.lock of version {}, not 4", out.version));
        }
    }
    for (table, offset, mut package) in lock::packages(&mut r, &root, "package") {
        package.requires_python = r.string_of(table, "requires_python").filter(|v| !v.is_empty());
        package.extras = r.strings_of(table, "extras");
        package.groups = r.strings_of(table, "groups");
        package.editable = r.flag_of(table, "editable");
        let marker = r.string_of(table, "marker");
        package.marker = marker.and_then(|m| lock::marker(&mut r, &m, offset));
        package.source = read_source(&mut r, table, path);
        // Before version 4.4 the files stood together, under "name version".
        let version = package.version.as_deref().unwrap_or_default();
        let elsewhere = files.and_then(|f| f.get(format!("{} {version}", package.name.written()).as_str()));
        for node in
            table.get("files").or(elsewhere).and_then(|n| n.get_ref().as_array()).into_iter().flat_map(|a| a.iter())
        {
            package.artifacts.extend(artifact(&mut r, node));
        }
        for text in r.strings_of(table, "dependencies") {
            match requirement::parse(&text) {
                Ok(parsed) => package.dependencies.push(LockedDependency {
                    range: Some(parsed.specifiers.to_string()),
                    version: None,
                    source: None,
                    extras: parsed.extras,
                    marker: parsed.marker,
                    name: parsed.name,
                }),
                Err(error) => r.complain(offset, format!("unreadable dependency: {error}")),
            }
        }
        out.packages.push(package);
    }
    (out, r.diagnostics)
}

/// `git`, `url` or `path` beside the name; none of them: an index.
fn read_source(r: &mut Reader<'_>, table: &DeTable<'_>, file: &Path) -> Option<Source> {
    if let Some(url) = r.string_of(table, "git") {
        let commit = r.string_of(table, "revision").filter(|c| full_commit(c)).map(|c| c.to_ascii_lowercase());
        let reference = r.string_of(table, "ref");
        return Some(Source::Git { url: without_credentials(&url), reference, commit });
    }
    if let Some(path) = r.string_of(table, "path") {
        return Some(Source::Path { path: normalise(&file.parent().unwrap_or(Path::new("")).join(path)) });
    }
    for vcs in ["hg", "svn", "bzr"] {
        if let Some(url) = r.string_of(table, vcs) {
            return Some(Source::Url { url: format!("{vcs}+{}", without_credentials(&url)) });
        }
    }
    r.string_of(table, "url").map(|url| Source::Url { url: without_credentials(&url) })
}

fn artifact(r: &mut Reader<'_>, node: &Node<'_>) -> Option<LockedArtifact> {
    let offset = node.span().start;
    let table = r.table(node, "files")?;
    let url = r.string_of(table, "url");
    let name = r.string_of(table, "file").or_else(|| url.clone()).unwrap_or_default();
    let hash = r.string_of(table, "hash");
    Some(LockedArtifact {
        filename: last_segment(&name),
        url: url.map(|u| without_credentials(u.split('#').next().unwrap_or(&u))),
        path: None,
        digests: hash.and_then(|h| lock::digest(r, &h, offset)).into_iter().collect(),
        size: None,
        uploaded_at: None,
    })
}
