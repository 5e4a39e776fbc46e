//! `uv.lock`: every distribution of a workspace, with the graph between them.
//!
//! In: a path (for places) and a text. Out: [`Lockfile`] and what could not be taken as it stands.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::direct::{full_commit, normalise, without_credentials};
use super::lock::{self, Format, LockedArtifact, LockedDependency, LockedPackage, Lockfile, last_segment};
use crate::ecosystem::document::{Node, Reader, integer_of, members};
use crate::model::{Diagnostic, Ecosystem, PackageName, Source, Timestamp};

/// The format's version that is understood. Revisions within it only add.
const VERSION: u64 = 1;

/// Reads a `uv.lock`.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let (root, mut r) = Reader::parse(path, text);
    let mut out = Lockfile::new(path, Format::Uv);
    if let Some(version) = integer_of(&root, "version") {
        out.version = version.to_string();
        if version != VERSION {
            r.complain(0, format!("uv.lock of version {version}, not {VERSION}"));
        }
    }
    out.requires_python = r.string_of(&root, "requires-python");
    out.environments = r.strings_of(&root, "supported-markers");
    if let Some(manifest) = r.table_of(&root, "manifest") {
        out.root = groups(&mut r, manifest, "dependency-groups", path);
        let requirements = dependencies(&mut r, manifest.get("requirements"), path);
        if !requirements.is_empty() {
            out.root.insert(String::new(), requirements);
        }
    }
    for (table, _, mut package) in lock::packages(&mut r, &root, "package") {
        if let Some(source) = table.get("source") {
            read_source(&mut r, source, path, &mut package);
        }
        package.dependencies = dependencies(&mut r, table.get("dependencies"), path);
        package.optional_dependencies = groups(&mut r, table, "optional-dependencies", path);
        package.dev_dependencies = groups(&mut r, table, "dev-dependencies", path);
        for old in groups(&mut r, table, "dependency-groups", path) {
            package.dev_dependencies.entry(old.0).or_insert(old.1);
        }
        // What the member's manifest asked for when the lockfile was written.
        if let Some(metadata) = r.table_of(table, "metadata") {
            package.manifest = groups(&mut r, metadata, "requires-dev", path);
            package.manifest.insert(String::new(), dependencies(&mut r, metadata.get("requires-dist"), path));
        }
        let sdist = table.get("sdist");
        let wheels = r.array_of(table, "wheels");
        for node in sdist.into_iter().chain(wheels) {
            package.artifacts.extend(artifact(&mut r, node));
        }
        out.packages.push(package);
    }
    (out, r.diagnostics)
}

/// `{ registry | git | url | path | directory | editable | virtual = "…" }`.
fn read_source(r: &mut Reader<'_>, node: &Node<'_>, file: &Path, package: &mut LockedPackage) {
    let table = node.get_ref().as_table();
    let text = |key: &str| table.and_then(|t| t.get(key)).and_then(|n| n.get_ref().as_str());
    package.source = source_of(&text, file);
    package.editable = text("editable").is_some();
    package.virtual_project = text("virtual").is_some();
    if package.source.is_none() {
        r.complain(node.span().start, "a source of an unknown kind");
    }
}

fn source_of<'n>(text: &impl Fn(&str) -> Option<&'n str>, file: &Path) -> Option<Source> {
    let beside = |p: &str| normalise(&file.parent().unwrap_or(Path::new("")).join(p));
    if let Some(url) = text("registry") {
        // A flat index of files beside the project is a path.
        return Some(match url.contains("://") {
            true => Source::Registry { url: without_credentials(url) },
            false => Source::Path { path: beside(url) },
        });
    }
    if let Some(url) = text("git") {
        let (body, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (clone, query) = body.split_once('?').unwrap_or((body, ""));
        let reference = query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            matches!(key, "rev" | "tag" | "branch").then(|| value.to_owned())
        });
        let commit = full_commit(fragment).then(|| fragment.to_ascii_lowercase());
        return Some(Source::Git { url: without_credentials(clone), reference, commit });
    }
    if let Some(url) = text("url") {
        return Some(Source::Url { url: without_credentials(url) });
    }
    if let Some(path) = text("path").or_else(|| text("directory")) {
        return Some(Source::Path { path: beside(path) });
    }
    // uv writes the project and its members so; an editable outside the workspace leaves its directory.
    let path = text("virtual").or_else(|| text("editable"))?;
    Some(match path.starts_with("..") || Path::new(path).is_absolute() {
        true => Source::Path { path: beside(path) },
        false => Source::Workspace { path: beside(path) },
    })
}

fn groups(r: &mut Reader<'_>, table: &DeTable<'_>, key: &str, file: &Path) -> BTreeMap<String, Vec<LockedDependency>> {
    let Some(groups) = table.get(key).and_then(|n| n.get_ref().as_table()) else { return BTreeMap::new() };
    members(groups).into_iter().map(|(name, _, node)| (name.to_owned(), dependencies(r, Some(node), file))).collect()
}

fn dependencies(r: &mut Reader<'_>, node: Option<&Node<'_>>, file: &Path) -> Vec<LockedDependency> {
    let mut out = Vec::new();
    for node in node.and_then(|n| n.get_ref().as_array()).into_iter().flat_map(|a| a.iter()) {
        let Some(table) = node.get_ref().as_table() else {
            r.complain(node.span().start, "a dependency that is no table");
            continue;
        };
        let text = |key: &str| table.get(key).and_then(|n| n.get_ref().as_str());
        let Some(name) = text("name") else {
            r.complain(node.span().start, "a dependency without a name");
            continue;
        };
        let marker = text("marker").and_then(|m| lock::marker(r, m, node.span().start));
        let extras = table.get("extra").or_else(|| table.get("extras")).and_then(|n| n.get_ref().as_array());
        let source = table.get("source").and_then(|n| n.get_ref().as_table());
        let source_text = |key: &str| source.and_then(|t| t.get(key)).and_then(|n| n.get_ref().as_str());
        out.push(LockedDependency {
            name: PackageName::new(Ecosystem::PyPI, name),
            version: text("version").map(str::to_owned),
            source: source_of(&source_text, file),
            extras: extras
                .into_iter()
                .flat_map(|a| a.iter())
                .filter_map(|n| n.get_ref().as_str())
                .map(str::to_owned)
                .collect(),
            marker,
            range: text("specifier").map(str::to_owned),
        });
    }
    out
}

fn artifact(r: &mut Reader<'_>, node: &Node<'_>) -> Option<LockedArtifact> {
    let Some(table) = node.get_ref().as_table() else {
        r.complain(node.span().start, "a file that is no table");
        return None;
    };
    let text = |key: &str| table.get(key).and_then(|n| n.get_ref().as_str());
    let digests = text("hash").and_then(|h| lock::digest(r, h, node.span().start)).into_iter().collect();
    let name = text("filename").or_else(|| text("url")).or_else(|| text("path")).map(last_segment);
    Some(LockedArtifact {
        filename: name.unwrap_or_default(),
        url: text("url").map(without_credentials),
        path: text("path").map(str::to_owned),
        digests,
        size: integer_of(table, "size"),
        uploaded_at: text("upload-time").and_then(|t| t.parse::<Timestamp>().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::python::lock::Selection;
    use crate::ecosystem::python::requirement::MarkerEnvironment;
    use proptest::prelude::*;

    const LOCK: &str = r#"version = 1
requires-python = ">=3.9"
[[package]]
name = "app"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "a", extra = ["x"] },
    { name = "win", marker = "sys_platform == 'win32'" },
]
[package.dev-dependencies]
dev = [{ name = "b" }, { name = "a" }]
[package.metadata]
requires-dist = [{ name = "a", extras = ["x"], specifier = ">=1" }]
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://u:p@pypi.example/simple" }
sdist = { url = "https://files/a-1.0.tar.gz", hash = "sha256:00", size = 7 }
[package.optional-dependencies]
x = [{ name = "c" }]
[[package]]
name = "b"
version = "2"
source = { git = "https://h/b?rev=main#84748be16341b76e073d117329f7f5f4ee2941ad" }
dependencies = [{ name = "c" }]
[[package]]
name = "c"
version = "3"
source = { directory = "../c" }
[[package]]
name = "win"
version = "4"
source = { registry = "https://pypi.org/simple" }
"#;

    #[test]
    fn sources_graph_and_markers() {
        let (lock, diagnostics) = read(Path::new("/w/uv.lock"), LOCK);
        assert_eq!(diagnostics.len(), 1, "the short hash: {diagnostics:?}");
        let sources: Vec<String> = lock
            .packages
            .iter()
            .filter_map(|p| p.source.as_ref())
            .map(|s| format!("{} {}", s.kind(), s.url()))
            .collect();
        assert_eq!(
            sources,
            [
                "workspace /w",
                "registry https://pypi.example/simple",
                "git https://h/b",
                "path /c",
                "registry https://pypi.org/simple"
            ]
        );
        assert_eq!(lock.packages[0].manifest[""][0].range.as_deref(), Some(">=1"));
        let linux = MarkerEnvironment::new([("sys_platform", "linux")]);
        let selected = |groups: &[&str], environment| {
            let selection =
                Selection { groups: groups.iter().map(ToString::to_string).collect(), ..Selection::default() };
            let found = lock.select(&selection, environment);
            found
                .iter()
                .map(|s| format!("{} {} {}", lock.packages[s.package].name, s.depth, s.development))
                .collect::<Vec<_>>()
        };
        assert_eq!(selected(&[], Some(&linux)), ["a 0 false", "c 1 false"]);
        assert_eq!(selected(&["dev"], None), ["a 0 false", "b 0 true", "c 1 false", "win 0 false"]);
    }

    #[test]
    fn a_script_and_a_lock_without_a_root() {
        let package = "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://h\" }\n";
        let packages = format!("{package}{}", package.replace("\"a\"", "\"b\""));
        let names = |text: &str| {
            let (lock, _) = read(Path::new("x.py.lock"), text);
            let found = lock.select(&Selection::default(), Some(&MarkerEnvironment::default()));
            found.iter().map(|s| lock.packages[s.package].name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&format!(
                "version = 1\n[manifest]\nrequirements = [{{ name = \"a\", specifier = \">=1\" }}]\n{packages}"
            )),
            ["a"]
        );
        assert_eq!(names(&packages), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..LOCK.len(), noise in r#"[\[\]{}"',:=a-z.0-9\n ]{0,20}"#) {
            if let (Some(head), Some(tail)) = (LOCK.get(..cut), LOCK.get(cut..)) {
                for text in [format!("{head}{noise}{tail}"), format!("{head}{noise}"), tail.to_owned()] {
                    for name in ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"] {
                        if let Some((lock, _)) = crate::ecosystem::python::lock::read(Path::new(name), &text) {
                            let _ = lock.select(&Selection::default(), None);
                        }
                    }
                }
            }
        }
    }
}
