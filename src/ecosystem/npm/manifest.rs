//! package.json: what a project or a package asks for.
//!
//! In: a path (for locations) and text. Out: a [`Manifest`] and what could not be taken as it stands. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::json::{self, Node, Value};
use crate::model::{Diagnostic, LineIndex, Location};

/// More dependencies than any real manifest has.
const MAX_DEPENDENCIES: usize = 20_000;

/// A package.json, reduced to what decides what is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The file, for locations.
    pub path: PathBuf,
    /// The file's text, for locations.
    pub text: Arc<str>,
    /// `name`.
    pub name: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// Every dependency of every kind, in the order of the text. A name may be of several kinds.
    pub dependencies: Vec<Dependency>,
    /// Names of `peerDependenciesMeta` with `optional: true`.
    pub optional_peers: Vec<String>,
    /// `bundleDependencies`, `bundledDependencies`.
    pub bundled: Bundled,
    /// Patterns of `workspaces`, `!` kept.
    pub workspaces: Vec<String>,
    /// npm's `overrides`, yarn's `resolutions` and pnpm's `pnpm.overrides`, in one form.
    pub overrides: Vec<Override>,
    /// bun's catalogs: catalog name (empty: the default) to package name to range.
    pub catalogs: BTreeMap<String, BTreeMap<String, String>>,
    /// `engines`.
    pub engines: BTreeMap<String, String>,
    /// Names of `scripts`.
    pub scripts: Vec<String>,
    /// Names of the commands in `bin`.
    pub bin: Vec<String>,
    /// `packageManager`: `pnpm@9.1.0+sha512…`.
    pub package_manager: Option<String>,
}

/// One dependency of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Which table it stands in.
    pub kind: DependencyKind,
    /// The name under which it is installed.
    pub name: String,
    /// The text beside it.
    pub spec: String,
    /// Byte offset of the name in the text.
    pub offset: usize,
}

/// A table of dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencyKind {
    /// `dependencies`.
    Production,
    /// `optionalDependencies`.
    Optional,
    /// `peerDependencies`.
    Peer,
    /// `devDependencies`.
    Development,
}

impl DependencyKind {
    /// The table's key, and the kind.
    pub const TABLES: [(&'static str, Self); 4] = [
        ("dependencies", Self::Production),
        ("optionalDependencies", Self::Optional),
        ("peerDependencies", Self::Peer),
        ("devDependencies", Self::Development),
    ];
}

/// Which dependencies ship inside the package's own tarball.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Bundled {
    /// None.
    #[default]
    None,
    /// `true`: all of `dependencies`.
    All,
    /// Those named.
    Names(Vec<String>),
}

impl Bundled {
    /// Whether a dependency of this name is bundled.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Names(names) => names.iter().any(|n| n == name),
        }
    }
}

/// A rule that replaces what packages below the root ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The package it is about.
    pub name: String,
    /// Applies only to requirements that overlap this range; `*`: to all.
    pub range: String,
    /// What is asked for instead; `None`: nothing is replaced here, only below.
    pub value: Option<String>,
    /// Rules that hold below that package.
    pub children: Vec<Override>,
    /// Byte offset of the rule's key.
    pub offset: usize,
}

impl Manifest {
    /// Line and column of a byte offset. Builds an index; for many offsets build a [`LineIndex`] once.
    pub fn location(&self, offset: usize) -> Location {
        LineIndex::new(&self.text).location(&self.path, offset)
    }

    /// The dependencies of one kind.
    pub fn of_kind(&self, kind: DependencyKind) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(move |d| d.kind == kind)
    }
}

/// Reads a package.json.
pub fn read(path: &Path, text: &str) -> (Manifest, Vec<Diagnostic>) {
    let mut out = Manifest { path: path.to_owned(), text: Arc::from(text), ..Manifest::default() };
    let root = match json::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let place = out.location(error.offset);
            return (out, vec![Diagnostic::new(place, format!("not JSON: {}", error.message))]);
        }
    };
    let mut problems: Vec<(usize, String)> = Vec::new();
    if !root.is_object() {
        problems.push((root.offset, "not an object".to_owned()));
    }
    let text_of = |key: &str| root.text_at(key).map(str::to_owned);
    out.name = text_of("name");
    out.version = text_of("version");
    out.package_manager = text_of("packageManager");
    read_dependencies(&root, &mut out, &mut problems);
    out.optional_peers = optional_peers(&root);
    out.bundled = read_bundled(&root);
    read_workspaces(&root, &mut out, &mut problems);
    read_overrides(&root, &mut out, &mut problems);
    if let Some(engines) = root.get("engines") {
        let engines = engines.last_members().into_iter();
        out.engines = engines.filter_map(|m| Some((m.key.to_string(), m.value.text()?.to_owned()))).collect();
    }
    if let Some(scripts) = root.get("scripts") {
        let named = scripts.last_members().into_iter().filter(|m| m.value.text().is_some());
        out.scripts = named.map(|m| m.key.to_string()).collect();
    }
    out.bin = read_bin(&root, out.name.as_deref());
    let index = LineIndex::new(text);
    let diagnostics =
        problems.into_iter().map(|(offset, message)| Diagnostic::new(index.location(path, offset), message)).collect();
    (out, diagnostics)
}

fn read_dependencies(root: &Node<'_>, out: &mut Manifest, problems: &mut Vec<(usize, String)>) {
    for (key, kind) in DependencyKind::TABLES {
        let Some(table) = root.get(key) else { continue };
        if !table.is_object() {
            // npm takes an empty list, `null` and `false` for no dependencies.
            let nothing = matches!(table.value, Value::Null | Value::Flag(false)) || table.items().is_empty();
            if !nothing || matches!(table.value, Value::Text(_) | Value::Number(_) | Value::Flag(true)) {
                problems.push((table.offset, format!("`{key}` is not an object")));
            }
            continue;
        }
        for member in table.last_members() {
            if out.dependencies.len() >= MAX_DEPENDENCIES {
                problems.push((member.offset, format!("more than {MAX_DEPENDENCIES} dependencies")));
                return;
            }
            match member.value.text() {
                Some(spec) => out.dependencies.push(Dependency {
                    kind,
                    name: member.key.to_string(),
                    spec: spec.to_owned(),
                    offset: member.offset,
                }),
                None => problems.push((member.offset, format!("`{}` in `{key}` has no text", member.key))),
            }
        }
    }
}

/// Names in `peerDependenciesMeta` that are optional.
pub(super) fn optional_peers(root: &Node<'_>) -> Vec<String> {
    root.get("peerDependenciesMeta").map_or_else(Vec::new, |meta| {
        meta.last_members().into_iter().filter(|m| m.value.flag_at("optional")).map(|m| m.key.to_string()).collect()
    })
}

fn read_bundled(root: &Node<'_>) -> Bundled {
    let Some(node) = root.get("bundleDependencies").or_else(|| root.get("bundledDependencies")) else {
        return Bundled::None;
    };
    match &node.value {
        Value::Flag(true) => Bundled::All,
        Value::List(items) => Bundled::Names(items.iter().filter_map(Node::text).map(str::to_owned).collect()),
        Value::Object(members) => Bundled::Names(members.iter().map(|m| m.key.to_string()).collect()),
        _ => Bundled::None,
    }
}

fn read_workspaces(root: &Node<'_>, out: &mut Manifest, problems: &mut Vec<(usize, String)>) {
    let Some(node) = root.get("workspaces") else { return };
    let list = if node.is_object() { node.get("packages") } else { Some(node) };
    let catalog_holder = if node.is_object() { node } else { root };
    if let Some(table) = catalog_holder.get("catalog").or_else(|| root.get("catalog")) {
        out.catalogs.insert(String::new(), texts(table));
    }
    if let Some(tables) = catalog_holder.get("catalogs").or_else(|| root.get("catalogs")) {
        for member in tables.last_members() {
            out.catalogs.insert(member.key.to_string(), texts(&member.value));
        }
    }
    let Some(list) = list else { return };
    if !matches!(list.value, Value::List(_)) {
        problems.push((list.offset, "`workspaces` is not a list of patterns".to_owned()));
    }
    for item in list.items() {
        match item.text() {
            Some(pattern) => out.workspaces.push(pattern.to_owned()),
            None => problems.push((item.offset, "a workspace pattern that is no text".to_owned())),
        }
    }
}

fn texts(node: &Node<'_>) -> BTreeMap<String, String> {
    let members = node.members().iter();
    members.filter_map(|m| Some((m.key.to_string(), m.value.text()?.to_owned()))).collect()
}

fn read_bin(root: &Node<'_>, name: Option<&str>) -> Vec<String> {
    match root.get("bin") {
        Some(Node { value: Value::Text(_), .. }) => {
            name.map(|n| n.rsplit('/').next().unwrap_or(n).to_owned()).into_iter().collect()
        }
        Some(node) => node.last_members().into_iter().map(|m| m.key.to_string()).collect(),
        None => Vec::new(),
    }
}

/// npm's nested `overrides`, yarn's `resolutions`, pnpm's `overrides`.
fn read_overrides(root: &Node<'_>, out: &mut Manifest, problems: &mut Vec<(usize, String)>) {
    if let Some(node) = root.get("overrides") {
        out.overrides.extend(npm_overrides(node, problems));
    }
    let flat = [root.get("resolutions"), root.get("pnpm").and_then(|p| p.get("overrides"))];
    for node in flat.into_iter().flatten() {
        for member in node.last_members() {
            match member.value.text() {
                Some(value) => out.overrides.push(flat_override(&member.key, value, member.offset)),
                None => problems.push((member.offset, format!("the override `{}` has no text", member.key))),
            }
        }
    }
}

fn npm_overrides(node: &Node<'_>, problems: &mut Vec<(usize, String)>) -> Vec<Override> {
    let mut out = Vec::new();
    for member in node.last_members() {
        if member.key == "." {
            continue;
        }
        let (name, range) = split_key(&member.key);
        let (value, children) = match &member.value.value {
            Value::Text(value) => (Some(value.to_string()), Vec::new()),
            Value::Object(_) => (member.value.text_at(".").map(str::to_owned), npm_overrides(&member.value, problems)),
            _ => {
                problems.push((member.offset, format!("the override `{}` is neither text nor object", member.key)));
                continue;
            }
        };
        // An empty text asks for anything, which is what is asked for without the rule.
        let value = value.filter(|v| !v.is_empty() && v != "*");
        out.push(Override { name, range, value, children, offset: member.offset });
    }
    out
}

/// `name@range` → name and range (`*` without one); scopes keep their `@`.
fn split_key(key: &str) -> (String, String) {
    match key.char_indices().skip(1).find(|(_, c)| *c == '@') {
        Some((at, _)) => {
            let range = key.get(at + 1..).unwrap_or("");
            let range = range.strip_prefix("npm:").unwrap_or(range);
            (key.get(..at).unwrap_or(key).to_owned(), if range.is_empty() { "*".into() } else { range.to_owned() })
        }
        None => (key.to_owned(), "*".to_owned()),
    }
}

/// pnpm's `parent@1>child@2` and yarn's `parent/**/child`: nested rules in one key.
pub fn flat_override(key: &str, value: &str, offset: usize) -> Override {
    let mut segments: Vec<String> = Vec::new();
    if key.contains('>') {
        // `>` also begins a comparator (`a@>=2`): only one that follows a name, a version or a blank separates.
        let mut rest = key;
        loop {
            let cut = rest.char_indices().find(|(at, c)| {
                *c == '>'
                    && *at > 0
                    && !rest.get(..*at).unwrap_or("").ends_with(['@', ' ', '|', '<'])
                    && !rest.get(at + 1..).unwrap_or("").starts_with(['=', ' '])
                    && !rest.get(at + 1..).unwrap_or("").starts_with(|c: char| c.is_ascii_digit())
            });
            match cut {
                Some((at, _)) => {
                    segments.push(rest.get(..at).unwrap_or("").to_owned());
                    rest = rest.get(at + 1..).unwrap_or("");
                }
                None => {
                    segments.push(rest.to_owned());
                    break;
                }
            }
        }
    } else {
        let mut scope: Option<&str> = None;
        for part in key.split('/') {
            match scope.take() {
                Some(s) => segments.push(format!("{s}/{part}")),
                None if part.starts_with('@') && !part.get(1..).unwrap_or("").contains('@') => scope = Some(part),
                None if part == "**" || part == "*" => {}
                None => segments.push(part.to_owned()),
            }
        }
    }
    let value = Some(value.to_owned()).filter(|v| !v.is_empty() && v != "*");
    let mut rule: Option<Override> = None;
    for segment in segments.iter().rev() {
        let (name, range) = split_key(segment.trim());
        rule = Some(match rule {
            None => Override { name, range, value: value.clone(), children: Vec::new(), offset },
            Some(child) => Override { name, range, value: None, children: vec![child], offset },
        });
    }
    rule.unwrap_or(Override { name: key.to_owned(), range: "*".to_owned(), value, children: Vec::new(), offset })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest(text: &str) -> Manifest {
        let (manifest, problems) = read(Path::new("package.json"), text);
        assert_eq!(problems, []);
        manifest
    }

    #[test]
    fn every_table_with_its_place() {
        let m = manifest(
            r#"{
  "name": "app", "bin": "x.js",
  "dependencies": { "a": "^1", "b": "npm:c@2" },
  "devDependencies": { "d": "*" },
  "peerDependencies": { "p": ">=1", "q": "1" }, "peerDependenciesMeta": { "q": { "optional": true } },
  "bundleDependencies": true,
  "workspaces": { "packages": ["packages/*", "!packages/x"] }
}"#,
        );
        let names: Vec<(&str, DependencyKind)> = m.dependencies.iter().map(|d| (d.name.as_str(), d.kind)).collect();
        assert_eq!(
            names,
            [
                ("a", DependencyKind::Production),
                ("b", DependencyKind::Production),
                ("p", DependencyKind::Peer),
                ("q", DependencyKind::Peer),
                ("d", DependencyKind::Development),
            ]
        );
        assert_eq!(m.location(m.dependencies[1].offset), Location::at("package.json", 3, 32));
        assert_eq!((m.optional_peers, m.bundled), (vec!["q".to_owned()], Bundled::All));
        assert_eq!(m.workspaces, ["packages/*", "!packages/x"]);
        assert_eq!(m.bin, ["app"]);
    }

    #[test]
    fn overrides_of_three_tools() {
        let m = manifest(
            r#"{ "overrides": { "a": "1", "b@^2": { ".": "2.1.0", "c": "$c" }, "d": "" },
                 "resolutions": { "**/e": "1", "@s/f/**/g": "3", "h@npm:^1": "1.5.0" },
                 "pnpm": { "overrides": { "i@1>j@>=2 <3": "2.9.0", "k": "-" } } }"#,
        );
        let shape = |o: &Override| {
            let child = o.children.first().map(|c| (c.name.clone(), c.range.clone(), c.value.clone()));
            (o.name.clone(), o.range.clone(), o.value.clone(), child)
        };
        let s = |t: &str| t.to_owned();
        let some = |t: &str| Some(t.to_owned());
        let all: Vec<_> = m.overrides.iter().map(shape).collect();
        assert_eq!(all[0], (s("a"), s("*"), some("1"), None));
        assert_eq!(all[1], (s("b"), s("^2"), some("2.1.0"), Some((s("c"), s("*"), some("$c")))));
        assert_eq!(all[2], (s("d"), s("*"), None, None));
        assert_eq!(all[3], (s("e"), s("*"), some("1"), None));
        assert_eq!(all[4], (s("@s/f"), s("*"), None, Some((s("g"), s("*"), some("3")))));
        assert_eq!(all[5], (s("h"), s("^1"), some("1.5.0"), None));
        assert_eq!(all[6], (s("i"), s("1"), None, Some((s("j"), s(">=2 <3"), some("2.9.0")))));
        assert_eq!(all[7], (s("k"), s("*"), some("-"), None));
    }

    #[test]
    fn what_is_not_understood_has_a_place() {
        let (_, problems) = read(Path::new("package.json"), "{ \"dependencies\": { \"a\": 1 },\n \"workspaces\": 3 }");
        let lines: Vec<u32> = problems.iter().map(|p| p.location.line).collect();
        assert_eq!(lines, [1, 2]);
        let (_, problems) = read(Path::new("package.json"), "{ // no\n}");
        assert_eq!(problems.len(), 1);
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z@/*>=. 0-9^-]{0,20}", text in "[ -~]{0,40}") {
            let _ = flat_override(&key, &text, 0);
            let _ = read(Path::new("p"), &text);
            let quoted = serde_json::to_string(&key).unwrap_or_default();
            for table in ["dependencies", "overrides", "resolutions", "workspaces", "bin"] {
                let _ = read(Path::new("p"), &format!("{{\"{table}\":{{{quoted}:{quoted}}}}}"));
                let _ = read(Path::new("p"), &format!("{{\"{table}\":[{quoted}]}}"));
            }
        }
    }
}
