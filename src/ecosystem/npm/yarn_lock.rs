//! yarn.lock: yarn 1's own format, and the YAML of yarn 2 and later.
//!
//! In: a path (for locations) and text. Out: a [`Lockfile`] and what could not be taken as it stands. A package is
//! keyed by every requirement it serves (`a@^1`), which is how yarn looks it up.

use std::path::Path;

use super::json::Node;
use super::lock::{
    Format, Importer, LockedDependency, LockedPackage, LockedSource, Lockfile, MAX_PACKAGES, Problems, diagnostics,
    fragment_digest, join, set_digests, source_of,
};
use super::manifest::{DependencyKind, optional_peers};
use super::spec::{self, Spec};
use super::yaml;
use crate::model::Diagnostic;

/// Reads a yarn.lock.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let berry = text.lines().any(|line| line.starts_with("__metadata:"));
    let format = if berry { Format::YarnBerry } else { Format::YarnClassic };
    let mut out = Lockfile::new(path, text, format);
    let mut problems = Problems::new();
    if berry {
        match yaml::parse(text) {
            Ok(documents) => documents.iter().for_each(|root| read_berry(root, &mut out, &mut problems)),
            Err(error) => problems.push((error.offset, error.message.to_owned())),
        }
    } else {
        read_classic(text, &mut out, &mut problems);
    }
    (out, diagnostics(path, text, problems))
}

/// Name and range of a pattern: `@s/a@^1` → `@s/a`, `^1`.
fn split_pattern(pattern: &str) -> (&str, &str) {
    match pattern.char_indices().skip(1).find(|(_, c)| *c == '@') {
        Some((at, _)) => (pattern.get(..at).unwrap_or(pattern), pattern.get(at + 1..).unwrap_or("")),
        None => (pattern, ""),
    }
}

/// An entry of yarn 1 while its lines are read.
#[derive(Default)]
struct Entry {
    patterns: Vec<String>,
    offset: usize,
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    dependencies: Vec<LockedDependency>,
}

fn read_classic(text: &str, out: &mut Lockfile, problems: &mut Problems) {
    "1".clone_into(&mut out.version);
    let mut entry: Option<Entry> = None;
    let mut table: Option<DependencyKind> = None;
    let mut offset = 0;
    for whole in text.split_inclusive('\n') {
        let start = offset;
        offset += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|m| line.starts_with(m)) {
            problems.push((start, "a merge conflict that is not resolved".to_owned()));
            continue;
        }
        let words = words(body);
        match indent {
            0 => {
                if let Some(done) = entry.take() {
                    push_classic(done, out, problems);
                }
                if out.packages.len() >= MAX_PACKAGES {
                    problems.push((start, format!("more than {MAX_PACKAGES} packages")));
                    return;
                }
                table = None;
                if !body.ends_with(':') || words.is_empty() {
                    problems.push((start, "not an entry of a yarn lockfile".to_owned()));
                    continue;
                }
                entry = Some(Entry { patterns: words, offset: start, ..Entry::default() });
            }
            1..=3 => {
                let Some(entry) = &mut entry else {
                    problems.push((start, "a line that belongs to no entry".to_owned()));
                    continue;
                };
                table = None;
                match (words.first().map(String::as_str), words.get(1)) {
                    (Some("version"), Some(value)) => entry.version = Some(value.clone()),
                    (Some("resolved"), Some(value)) => entry.resolved = Some(value.clone()),
                    (Some("integrity"), Some(_)) => entry.integrity = words.get(1..).map(|w| w.join(" ")),
                    (Some("dependencies"), None) => table = Some(DependencyKind::Production),
                    (Some("optionalDependencies"), None) => table = Some(DependencyKind::Optional),
                    _ => {}
                }
            }
            _ => {
                if let (Some(entry), Some(kind), Some(name)) = (&mut entry, table, words.first()) {
                    entry.dependencies.push(LockedDependency {
                        kind,
                        optional_peer: false,
                        name: name.clone(),
                        spec: words.get(1).cloned().unwrap_or_default(),
                        chosen: None,
                        offset: start + indent,
                    });
                }
            }
        }
    }
    if let Some(done) = entry {
        push_classic(done, out, problems);
    }
}

/// The words of a line: quoted or not, separated by blanks and commas; a colon at the end is none of them.
fn words(body: &str) -> Vec<String> {
    let body = body.strip_suffix(':').unwrap_or(body);
    let mut out = Vec::new();
    let mut rest = body;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if rest.is_empty() {
            return out;
        }
        if rest.starts_with('"') {
            let mut word = String::new();
            let mut escaped = false;
            let mut end = rest.len();
            for (at, c) in rest.char_indices().skip(1) {
                match c {
                    _ if escaped => {
                        word.push(c);
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    c => word.push(c),
                }
            }
            out.push(word);
            rest = rest.get(end..).unwrap_or("");
            // `"a@^1":` leaves the colon behind the quote.
            rest = rest.strip_prefix(':').unwrap_or(rest);
        } else {
            let end = rest.find([' ', ',']).unwrap_or(rest.len());
            out.push(rest.get(..end).unwrap_or("").to_owned());
            rest = rest.get(end..).unwrap_or("");
        }
    }
}

fn push_classic(entry: Entry, out: &mut Lockfile, problems: &mut Problems) {
    let Some(first) = entry.patterns.first() else { return };
    let (installed, range) = split_pattern(first);
    let asked = spec::resolve(Some(installed), range);
    let name = match &asked {
        Spec::Alias { name, .. } => name.clone(),
        _ => installed.to_owned(),
    };
    let mut package = LockedPackage {
        key: first.clone(),
        alias: (name != installed).then(|| installed.to_owned()),
        name,
        version: entry.version,
        dependencies: entry.dependencies,
        requested: entry.patterns.iter().map(|p| split_pattern(p).1.to_owned()).collect(),
        offset: entry.offset,
        ..LockedPackage::default()
    };
    set_digests(&mut package, entry.integrity.as_deref());
    let resolved = entry.resolved.as_deref();
    if let Some(digest) = resolved.and_then(fragment_digest) {
        join(&mut package.digests, vec![digest]);
    }
    package.source = match (source_of(resolved), asked) {
        (LockedSource::Registry { tarball: Some(url) }, Spec::Git(_) | Spec::Remote(_)) => LockedSource::Remote { url },
        (LockedSource::Registry { tarball: None }, Spec::File(path)) => LockedSource::File { path: path.path },
        (LockedSource::Registry { tarball: None }, Spec::Directory(path) | Spec::Link(path)) => {
            LockedSource::Directory { path: path.path, workspace: false }
        }
        (source, _) => source,
    };
    if package.version.is_none() {
        problems.push((package.offset, format!("the entry `{first}` has no version")));
    }
    out.push(package);
    for pattern in entry.patterns.into_iter().skip(1) {
        out.also_known_as(pattern);
    }
}

fn read_berry(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    for member in root.last_members() {
        if member.key == "__metadata" {
            out.version = member.value.text_at("version").unwrap_or("").to_owned();
            continue;
        }
        if out.packages.len() >= MAX_PACKAGES {
            problems.push((member.offset, format!("more than {MAX_PACKAGES} packages")));
            return;
        }
        let patterns: Vec<&str> = member.key.split(", ").map(str::trim).collect();
        let Some(first) = patterns.first() else { continue };
        let Some(resolution) = member.value.text_at("resolution") else {
            problems.push((member.offset, format!("the entry `{}` has no resolution", member.key)));
            continue;
        };
        let (installed, _) = split_pattern(first);
        let (name, reference) = split_pattern(resolution);
        let mut package = LockedPackage {
            key: (*first).to_owned(),
            name: name.to_owned(),
            alias: (name != installed).then(|| installed.to_owned()),
            version: member.value.text_at("version").map(str::to_owned),
            dependencies: berry_dependencies(&member.value),
            requested: patterns.iter().map(|p| split_pattern(p).1.to_owned()).collect(),
            bin: member
                .value
                .get("bin")
                .map_or_else(Vec::new, |b| b.members().iter().map(|m| m.key.to_string()).collect()),
            other_digest: member.value.text_at("checksum").is_some(),
            offset: member.offset,
            ..LockedPackage::default()
        };
        match berry_source(reference) {
            Some(source) => package.source = source,
            None => problems.push((member.offset, format!("the resolution `{resolution}` is not understood"))),
        }
        if let LockedSource::Directory { path, workspace: true } = &package.source {
            let path = if path == "." { String::new() } else { path.clone() };
            out.importers.push(Importer {
                path: path.clone(),
                name: Some(package.name.clone()),
                version: package.version.clone(),
                dependencies: std::mem::take(&mut package.dependencies),
                offset: member.offset,
            });
            if path.is_empty() {
                continue;
            }
        }
        out.push(package);
        for pattern in patterns.into_iter().skip(1) {
            out.also_known_as(pattern.to_owned());
        }
    }
}

/// `npm:1.0.0`, `workspace:path`, `https://…git#commit=…`, `file:…`, `patch:…`, with parameters after `::`.
fn berry_source(reference: &str) -> Option<LockedSource> {
    let (plain, parameters) = reference.split_once("::").unwrap_or((reference, ""));
    if let Some(path) = plain.strip_prefix("workspace:") {
        return Some(LockedSource::Directory { path: path.to_owned(), workspace: true });
    }
    if plain.starts_with("npm:") || plain.starts_with("patch:") || plain.starts_with("virtual:") {
        let archive = parameters.split('&').find_map(|p| p.strip_prefix("__archiveUrl="));
        let tarball = archive.map(|url| percent_encoding::percent_decode_str(url).decode_utf8_lossy().into_owned());
        return Some(LockedSource::Registry { tarball });
    }
    match spec::resolve(None, plain) {
        Spec::Git(git) => Some(LockedSource::Git { url: git.url, commit: git.committish }),
        Spec::Remote(url) => {
            // Any other https repository is told from an archive by its commit.
            let (url, fragment) = url.split_once('#').unwrap_or((&url, ""));
            Some(match fragment.strip_prefix("commit=").or_else(|| fragment.strip_prefix("commit:")) {
                Some(commit) => LockedSource::Git { url: url.to_owned(), commit: Some(commit.to_owned()) },
                None => LockedSource::Remote { url: url.to_owned() },
            })
        }
        Spec::File(path) => Some(LockedSource::File { path: path.path }),
        Spec::Directory(path) | Spec::Link(path) => {
            let path = path.path.split('#').next().unwrap_or("").to_owned();
            Some(if path.ends_with(".tgz") {
                LockedSource::File { path }
            } else {
                LockedSource::Directory { path, workspace: false }
            })
        }
        _ if plain.starts_with("ssh:") || plain.starts_with("git@") => {
            let (url, fragment) = plain.split_once('#').unwrap_or((plain, ""));
            let commit = fragment.strip_prefix("commit=").or_else(|| fragment.strip_prefix("commit:"));
            Some(LockedSource::Git { url: url.to_owned(), commit: commit.map(str::to_owned) })
        }
        _ => None,
    }
}

fn berry_dependencies(node: &Node<'_>) -> Vec<LockedDependency> {
    let mut out = Vec::new();
    let optional = |key: &str| {
        let meta = node.get("dependenciesMeta").and_then(|m| m.get(key));
        meta.is_some_and(|m| m.flag_at("optional"))
    };
    for member in node.get("dependencies").map(Node::last_members).unwrap_or_default() {
        let Some(text) = member.value.text() else { continue };
        let kind = if optional(&member.key) { DependencyKind::Optional } else { DependencyKind::Production };
        out.push(LockedDependency {
            kind,
            optional_peer: false,
            name: member.key.to_string(),
            spec: text.to_owned(),
            chosen: None,
            offset: member.offset,
        });
    }
    let optional_peers = optional_peers(node);
    for member in node.get("peerDependencies").map(Node::last_members).unwrap_or_default() {
        let Some(text) = member.value.text() else { continue };
        out.push(LockedDependency {
            kind: DependencyKind::Peer,
            optional_peer: optional_peers.iter().any(|n| *n == member.key),
            name: member.key.to_string(),
            spec: text.to_owned(),
            chosen: None,
            offset: member.offset,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_share_an_entry() {
        let (lock, problems) = read(
            Path::new("yarn.lock"),
            "# yarn lockfile v1\n\n\"@s/a@^1\", \"@s/a@^1.2\":\n  version \"1.2.0\"\n  resolved \"https://registry.yarnpkg.com/@s/a/-/a-1.2.0.tgz#da39a3ee5e6b4b0d3255bfef95601890afd80709\"\n  dependencies:\n    b \"npm:c@1 || 2\"\n\n\"b@npm:c@1 || 2\":\n  version \"2.0.0\"\n",
        );
        assert_eq!(problems, []);
        assert_eq!(lock.by_key("@s/a@^1.2"), Some(0));
        assert_eq!(lock.packages[0].digests.len(), 1);
        let b = lock.package_dependency(0, &lock.packages[0].dependencies[0]);
        assert_eq!(b.map(|b| lock.packages[b].name.as_str()), Some("c"));
    }

    #[test]
    fn conflicts_are_not_passed_over() {
        let (_, problems) = read(Path::new("yarn.lock"), "a@1:\n  version \"1\"\n<<<<<<< HEAD\n");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].location.line, 3);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z@\"\\\\:, \n#<_^0-9.é-]{0,80}") {
            let _ = read(Path::new("l"), &text);
            let _ = read(Path::new("l"), &format!("__metadata:\n  version: 8\n\n\"{}\":\n  resolution: \"{}\"\n", text.replace(['"', '\\', '\n'], ""), text.replace(['"', '\\', '\n'], "")));
        }
    }
}
