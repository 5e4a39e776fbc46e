//! Pipenv's `Pipfile` (TOML) and `Pipfile.lock` (JSON).
//!
//! In: a path (for places) and a text. Out: for a Pipfile its requirements by category and its indexes, for a
//! Pipfile.lock a [`Lockfile`]; and what could not be taken as it stands.

use std::path::Path;

use super::direct::{full_commit, without_credentials};
use super::lock::{Format, LockedArtifact, LockedPackage, Lockfile, MAX_PACKAGES, last_segment};
use super::requirement::Marker;
use crate::ecosystem::npm::json::{self, Member, Node};
use crate::model::{Diagnostic, Digest, LineIndex, Location, Source};

/// Reads a `Pipfile.lock`. The groups of its packages are its sections: `default`, `develop`, or a category's name.
pub fn read_lock(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let mut out = Lockfile::new(path, Format::Pipfile);
    let index = LineIndex::new(text);
    let mut diagnostics = Vec::new();
    let root = match json::parse(text) {
        Ok(root) if root.is_object() => root,
        Ok(_) => {
            diagnostics.push(Diagnostic::new(Location::file(path), "not a JSON object"));
            return (out, diagnostics);
        }
        Err(error) => {
            diagnostics
                .push(Diagnostic::new(index.location(path, error.offset), format!("not JSON: {}", error.message)));
            return (out, diagnostics);
        }
    };
    if let Some(meta) = root.get("_meta") {
        out.content_hash = meta.get("hash").and_then(|h| h.text_at("sha256")).map(str::to_owned);
        let sources = meta.get("sources").map(Node::items).unwrap_or_default();
        out.indexes = sources
            .iter()
            .filter_map(|s| {
                Some((s.text_at("name").unwrap_or_default().to_owned(), without_credentials(s.text_at("url")?)))
            })
            .collect();
        let requires = meta.get("requires");
        let version = requires.and_then(|r| r.text_at("python_full_version").or_else(|| r.text_at("python_version")));
        out.requires_python = version.map(|v| format!("=={v}.*"));
    }
    for section in root.members().iter().filter(|m| m.key != "_meta") {
        for member in section.value.last_members() {
            if out.packages.len() >= MAX_PACKAGES {
                diagnostics.push(Diagnostic::new(Location::file(path), format!("more than {MAX_PACKAGES} packages")));
                return (out, diagnostics);
            }
            let location = index.location(path, member.offset);
            let package = package(&section.key, member, location, &out, &mut diagnostics);
            out.packages.push(package);
        }
    }
    (out, diagnostics)
}

fn package(
    section: &str,
    member: &Member<'_>,
    location: Location,
    lock: &Lockfile,
    diagnostics: &mut Vec<Diagnostic>,
) -> LockedPackage {
    let node = &member.value;
    let mut package = LockedPackage::new(&member.key, location.clone());
    let mut complain = |message: String| diagnostics.push(Diagnostic::new(location.clone(), message));
    package.groups.push(section.to_owned());
    // An entry may be the version alone.
    let version = node.text_at("version").or(node.text());
    package.version = version.filter(|v| *v != "*").map(|v| v.trim_start_matches('=').trim().to_owned());
    package.extras = node.texts_at("extras");
    package.editable = node.flag_at("editable");
    if let Some(text) = node.text_at("markers").filter(|t| !t.trim().is_empty()) {
        match Marker::parse(text) {
            Ok(marker) => package.marker = Some(marker),
            Err(error) => complain(format!("unreadable marker: {error}")),
        }
    }
    package.source = source(node, lock);
    for hash in node.texts_at("hashes") {
        match Digest::parse_named_hex(&hash) {
            Ok(digest) => package.artifacts.push(LockedArtifact {
                filename: String::new(),
                url: None,
                path: None,
                digests: vec![digest],
                size: None,
                uploaded_at: None,
            }),
            Err(error) => complain(format!("unreadable hash: {error}")),
        }
    }
    if let Some(url) = node.text_at("file").filter(|f| f.contains("://")) {
        let filename = last_segment(url);
        package.artifacts.iter_mut().for_each(|a| a.filename.clone_from(&filename));
    }
    package
}

fn source(node: &Node<'_>, lock: &Lockfile) -> Option<Source> {
    let beside = |p: &str| Source::Path { path: lock.directory().join(p) };
    if let Some(url) = node.text_at("git") {
        let reference = node.text_at("ref").map(str::to_owned);
        let commit = reference.clone().filter(|c| full_commit(c)).map(|c| c.to_ascii_lowercase());
        return Some(Source::Git { url: without_credentials(url), reference, commit });
    }
    for vcs in ["hg", "svn", "bzr"] {
        if let Some(url) = node.text_at(vcs) {
            return Some(Source::Url { url: format!("{vcs}+{}", without_credentials(url)) });
        }
    }
    if let Some(file) = node.text_at("file") {
        return Some(if file.contains("://") { Source::Url { url: without_credentials(file) } } else { beside(file) });
    }
    if let Some(path) = node.text_at("path") {
        return Some(if path == "." { Source::Workspace { path: lock.directory().to_owned() } } else { beside(path) });
    }
    let index = node.text_at("index")?;
    let (_, url) = lock.indexes.iter().find(|(name, _)| name == index)?;
    Some(Source::Registry { url: url.clone() })
}
