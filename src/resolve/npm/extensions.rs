//! `packageExtensions`: dependencies that a project adds to packages of others (pnpm: pnpm-workspace.yaml and `pnpm` of
//! package.json; yarn 2 and later: .yarnrc.yml).
//!
//! In: the files and a graph that has grown. Out: the edges that its packages have besides, where a lockfile, in which
//! they stand like a package's own, has not led to them already.

use std::path::Path;
use std::sync::Arc;

use super::graph::{Edge, From, Graph, Kind};
use super::project::{Finder, Project};
use crate::ecosystem::npm::json::{self, Node};
use crate::ecosystem::npm::semver::{Options, Range, Version};
use crate::ecosystem::npm::yaml;
use crate::invocation::Tool;
use crate::model::{LineIndex, Location};

/// What is added to the releases of a name.
pub(super) struct Extension {
    name: String,
    range: Option<String>,
    adds: Vec<(String, String, Kind, Location)>,
}

/// All that the project says.
pub(super) fn read(finder: &Finder<'_>, project: &Project) -> Vec<Extension> {
    let mut out = Vec::new();
    let mut ignored = Vec::new();
    let name = match finder.tool {
        Tool::Pnpm | Tool::Pnpx => "pnpm-workspace.yaml",
        Tool::Yarn => ".yarnrc.yml",
        _ => return out,
    };
    let path = project.root.join(name);
    if let Some(text) = finder.text(&path, &mut ignored).filter(|t| t.contains("packageExtensions")) {
        for root in yaml::parse(&text).unwrap_or_default() {
            add(root.get("packageExtensions"), &finder.shown(&path), &text, &mut out);
        }
    }
    if let Some(manifest) = project.manifest.as_ref().filter(|m| m.text.contains("packageExtensions"))
        && let Ok(root) = json::parse(&manifest.text)
    {
        add(root.get("pnpm").and_then(|p| p.get("packageExtensions")), &manifest.path, &manifest.text, &mut out);
    }
    out
}

fn add(node: Option<&Node<'_>>, path: &Path, text: &str, out: &mut Vec<Extension>) {
    let lines = LineIndex::new(text);
    for member in node.map(Node::last_members).unwrap_or_default() {
        let cut = member.key.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
        let (name, range) = match cut {
            Some(at) => (member.key.get(..at), member.key.get(at + 1..)),
            None => (Some(&*member.key), None),
        };
        let optional = |name: &str| {
            let meta = member.value.get("peerDependenciesMeta").and_then(|m| m.get(name));
            meta.is_some_and(|m| m.flag_at("optional"))
        };
        let tables = [
            ("dependencies", Kind::Production),
            ("optionalDependencies", Kind::Optional),
            ("peerDependencies", Kind::Peer),
        ];
        let mut adds = Vec::new();
        for (table, kind) in tables {
            for added in member.value.get(table).map(Node::last_members).unwrap_or_default() {
                let kind = if kind == Kind::Peer && optional(&added.key) { Kind::OptionalPeer } else { kind };
                let spec = added.value.text().unwrap_or("*").to_owned();
                adds.push((added.key.to_string(), spec, kind, lines.location(path, added.offset)));
            }
        }
        out.push(Extension { name: name.unwrap_or_default().to_owned(), range: range.map(str::to_owned), adds });
    }
}

/// The edges that the packages of a graph have besides those that they, or a lockfile, name.
pub(super) fn edges(all: &[Extension], graph: &Graph<'_>) -> Vec<Edge> {
    let mut out = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate().filter(|(_, n)| !all.is_empty() && n.package.source.is_registry())
    {
        let id = &node.package.id;
        for extension in all.iter().filter(|e| e.name == id.name.written() && admits(e.range.as_deref(), &id.version)) {
            for (name, text, kind, location) in &extension.adds {
                let has = |to: &usize| graph.nodes.get(*to).is_some_and(|n| n.package.id.name.written() == name);
                if node.out.iter().any(|(to, _)| has(to)) {
                    continue;
                }
                out.push(Edge {
                    by: Some(at),
                    above: None,
                    from: From::Fresh,
                    name: Some(name.clone()),
                    text: text.clone(),
                    spec: None,
                    kind: *kind,
                    location: location.clone(),
                    directory: graph.project.root.clone(),
                    context: Arc::from([]),
                    explicit: false,
                    alone: false,
                });
            }
        }
    }
    out
}

/// Whether an extension for `range` holds for a version; in doubt it does.
fn admits(range: Option<&str>, version: &str) -> bool {
    let Some(range) = range.and_then(|r| Range::parse(r, Options::NPM)) else { return true };
    Version::parse(version, true).is_none_or(|v| range.satisfied_by(&v))
}
