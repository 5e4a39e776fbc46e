//! Pipenv's `Pipfile` (TOML) and `Pipfile.lock` (JSON).
//!
//! In: a path (for places) and a text. Out: for a Pipfile its requirements by category and its indexes, for a
//! Pipfile.lock a [`Lockfile`]; and what could not be taken as it stands.

use std::collections::BTreeMap;
use std::path::Path;

use super::direct::{full_commit, normalise, without_credentials};
use super::lock::{Format, LockedArtifact, LockedPackage, Lockfile, MAX_PACKAGES, last_segment};
use super::poetry;
use super::pyproject::Index;
use super::requirement::Marker;
use super::requirements_txt::{Entry, Target};
use crate::ecosystem::document::{self as toml_document, Reader, members};
use crate::ecosystem::npm::json::{self, Member, Node};
use crate::model::{Diagnostic, Digest, LineIndex, Location, Source};

/// A `Pipfile`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pipfile {
    /// Requirements by category: `packages`, `dev-packages`, or a name of the user's.
    pub categories: BTreeMap<String, Vec<Entry>>,
    /// `[[source]]`; the first is the default one.
    pub indexes: Vec<Index>,
    /// `[requires]`, as a specifier set.
    pub requires_python: Option<String>,
}

/// Tables of a Pipfile that are no category of packages.
const NOT_CATEGORIES: [&str; 4] = ["source", "requires", "scripts", "pipenv"];
/// Keys of a dependency's table that are not the name of a marker variable.
const MARKER_KEYS: [&str; 5] = ["os_name", "sys_platform", "platform_machine", "platform_system", "python_version"];

/// Reads a `Pipfile`. Paths are relative to its directory.
pub fn read(path: &Path, text: &str) -> (Pipfile, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Pipfile::default();
    let base = path.parent().unwrap_or(Path::new(""));
    if let Some(requires) = r.table_of(&root, "requires") {
        let full = r.string_of(requires, "python_full_version").map(|v| format!("=={v}"));
        out.requires_python = full.or_else(|| r.string_of(requires, "python_version").map(|v| format!("=={v}.*")));
    }
    for node in r.array_of(&root, "source") {
        let Some(source) = r.table(node, "source") else { continue };
        let Some(url) = r.string_of(source, "url") else { continue };
        out.indexes.push(Index {
            name: r.string_of(source, "name"),
            url: without_credentials(&url),
            default: out.indexes.is_empty(),
            explicit: false,
            insecure: source.get("verify_ssl").and_then(|n| n.get_ref().as_bool()) == Some(false),
            tool: "pipenv",
            location: r.at(node.span().start),
        });
    }
    for (category, _, node) in members(&root).into_iter().filter(|(c, ..)| !NOT_CATEGORIES.contains(c)) {
        let Some(table) = r.table(node, category) else { continue };
        let mut entries = Vec::new();
        for (name, offset, node) in members(table) {
            entries.extend(requirement(&mut r, name, offset, node, base));
        }
        out.categories.insert(category.to_owned(), entries);
    }
    (out, r.diagnostics)
}

/// `name = "range"`, or a table with `version`, `git`, `path`, `file`, `extras`, `markers`, `index`, `editable`.
fn requirement(
    r: &mut Reader<'_>,
    name: &str,
    offset: usize,
    node: &toml_document::Node<'_>,
    base: &Path,
) -> Option<Entry> {
    let table = node.get_ref().as_table();
    let version = match table {
        Some(table) => r.string_of(table, "version"),
        None => r.string(node, name),
    };
    let version = version.filter(|v| v != "*").unwrap_or_default();
    let extras = table.map(|t| r.strings_of(t, "extras")).unwrap_or_default();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    // A version without an operator is that version.
    let bare = version.starts_with(|c: char| c.is_ascii_digit());
    let text = format!("{name}{extras}{}{version}", if bare { "==" } else { "" });
    let mut entry = match Entry::parse(&text, base, r.at(offset)) {
        Ok(entry) => entry,
        Err(error) => {
            r.complain(offset, format!("invalid requirement: {error}"));
            return None;
        }
    };
    let Some(table) = table else { return Some(entry) };
    if let (Some(mut direct), Target::Named(requirement)) = (poetry::direct(r, table, base), &entry.target) {
        direct.name = Some(requirement.name.clone());
        direct.extras.clone_from(&requirement.extras);
        entry.target = Target::Direct(direct);
    }
    entry.editable = r.flag_of(table, "editable");
    entry.index = r.string_of(table, "index");
    let keyed =
        MARKER_KEYS.iter().filter_map(|key| Some(format!("{key} {}", r.string_of(table, key)?))).collect::<Vec<_>>();
    for text in r.string_of(table, "markers").into_iter().chain(keyed) {
        match Marker::parse(&text) {
            Ok(marker) => entry.restrict(&marker),
            Err(error) => r.complain(offset, format!("unreadable marker: {error}")),
        }
    }
    Some(entry)
}

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
    let beside = |p: &str| Source::Path { path: normalise(&lock.directory().join(p)) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pipfile() {
        let text = "[[source]]\nurl = \"https://u:p@h/simple\"\nname = \"corp\"\nverify_ssl = false\n[packages]\na = \"*\"\nb = {version = \">=1\", extras = [\"x\"], markers = \"os_name == 'nt'\", index = \"corp\"}\n\
                    c = {git = \"https://h/c\", ref = \"main\", editable = true}\nd = {path = \".\"}\n[dev-packages]\ne = \"~=1.0\"\nf = {version = \"*\", sys_platform = \"== 'win32'\"}\n[requires]\npython_version = \"3.11\"\n";
        let (file, diagnostics) = read(Path::new("/w/Pipfile"), text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let shown = |c: &str| -> Vec<String> {
            file.categories[c]
                .iter()
                .map(|e| match &e.target {
                    Target::Named(r) => r.to_string(),
                    Target::Direct(d) => format!("{} {}", d.source.kind(), d.source.url()),
                })
                .collect()
        };
        assert_eq!(shown("packages"), ["a", "b[x]>=1; os_name == 'nt'", "git https://h/c", "path /w"]);
        assert_eq!(shown("dev-packages"), ["e~=1.0", "f; sys_platform == 'win32'"]);
        assert_eq!(file.requires_python.as_deref(), Some("==3.11.*"));
        assert!(file.indexes[0].insecure && file.indexes[0].url == "https://h/simple");
    }

    proptest! {
        #[test]
        fn never_panics(text in r#"[\[\]{}"',:=a-z.0-9\n ]{0,120}"#) {
            let _ = read(Path::new("Pipfile"), &text);
            let _ = read_lock(Path::new("Pipfile.lock"), &text);
        }
    }
}
