//! pnpm-lock.yaml (lockfile versions 5, 6 and 9) and pnpm-workspace.yaml.
//!
//! In: a path (for locations) and text. Out: a [`Lockfile`], a [`Workspace`], and what could not be taken as it stands.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::json::{Member, Node};
use super::lock::{
    Format, Importer, LockedDependency, LockedPackage, LockedSource, Lockfile, MAX_PACKAGES, Problems, diagnostics,
    set_digests,
};
use super::manifest::{DependencyKind, Override, flat_override};
use super::semver::Version;
use super::{spec, yaml};
use crate::model::Diagnostic;

/// pnpm-workspace.yaml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Patterns of members.
    pub packages: Vec<String>,
    /// Catalogs: name (empty: the default) to package to range.
    pub catalogs: BTreeMap<String, BTreeMap<String, String>>,
    /// `overrides`.
    pub overrides: Vec<Override>,
    /// `configDependencies`.
    pub config_dependencies: Vec<ConfigDependency>,
}

/// A package whose hooks and settings pnpm loads before it does anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDependency {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where its tarball is, when that is said.
    pub tarball: Option<String>,
    /// Its digest is beside it.
    pub hashed: bool,
    /// Byte offset.
    pub offset: usize,
}

impl ConfigDependency {
    /// `1.0.0+sha512-…` (10), `1.0.0` (11 and later, the digest being in the lockfile), or the first of these as
    /// `integrity`, beside a `tarball`.
    fn read(member: &Member<'_>) -> Option<Self> {
        let node = &member.value;
        let text = node.text().or_else(|| node.text_at("integrity"))?;
        let (version, digest) = text.split_once('+').map_or((text, None), |(v, d)| (v, Some(d)));
        Some(Self {
            name: member.key.to_string(),
            version: version.to_owned(),
            tarball: node.text_at("tarball").map(str::to_owned),
            hashed: digest.is_some_and(|d| d.contains('-')),
            offset: member.offset,
        })
    }
}

/// Reads a pnpm-workspace.yaml.
pub fn read_workspace(path: &Path, text: &str) -> (Workspace, Vec<Diagnostic>) {
    let mut out = Workspace::default();
    let documents = match yaml::parse(text) {
        Ok(documents) => documents,
        Err(error) => return (out, diagnostics(path, text, vec![(error.offset, error.message.to_owned())])),
    };
    let mut problems = Problems::new();
    for root in &documents {
        out.packages.extend(root.texts_at("packages"));
        if let Some(catalog) = root.get("catalog") {
            out.catalogs.insert(String::new(), texts(catalog));
        }
        for member in root.get("catalogs").map(Node::last_members).unwrap_or_default() {
            let name = if member.key == "default" { "" } else { &member.key };
            out.catalogs.insert(name.to_owned(), texts(&member.value));
        }
        for member in root.get("configDependencies").map(Node::last_members).unwrap_or_default() {
            match ConfigDependency::read(member) {
                Some(one) => out.config_dependencies.push(one),
                None => problems.push((member.offset, format!("`{}` has no version that can be read", member.key))),
            }
        }
        for member in root.get("overrides").map(Node::last_members).unwrap_or_default() {
            match member.value.text() {
                Some(value) => out.overrides.push(flat_override(&member.key, value, member.offset)),
                None => problems.push((member.offset, format!("the override `{}` has no text", member.key))),
            }
        }
    }
    (out, diagnostics(path, text, problems))
}

fn texts(node: &Node<'_>) -> BTreeMap<String, String> {
    node.members().iter().filter_map(|m| Some((m.key.to_string(), m.value.text()?.to_owned()))).collect()
}

/// Reads a pnpm-lock.yaml.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let mut out = Lockfile::new(path, text, Format::Pnpm);
    let mut problems = Problems::new();
    match yaml::parse(text) {
        // pnpm 11 may put a document about the package manager itself before the project's.
        Ok(documents) => documents.iter().for_each(|root| read_document(root, &mut out, &mut problems)),
        Err(error) => problems.push((error.offset, error.message.to_owned())),
    }
    (out, diagnostics(path, text, problems))
}

fn read_document(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    if !root.is_object() {
        problems.push((root.offset, "not a mapping".to_owned()));
        return;
    }
    let version = root.text_at("lockfileVersion").unwrap_or("").to_owned();
    let major = version.split('.').next().and_then(|m| m.parse::<u32>().ok());
    if !matches!(major, Some(5 | 6 | 9)) {
        problems.push((root.offset, format!("lockfile version `{version}` is not known")));
    }
    let major = major.unwrap_or(9);
    out.version = version;
    for member in root.get("packages").map(Node::last_members).unwrap_or_default() {
        if out.packages.len() >= MAX_PACKAGES {
            problems.push((member.offset, format!("more than {MAX_PACKAGES} packages")));
            return;
        }
        match read_package(member, major) {
            Some(package) => out.push(package),
            None => problems.push((member.offset, format!("the entry `{}` is not understood", member.key))),
        }
    }
    read_snapshots(root, out, problems);
    read_config(root, out, problems);
    if let Some(importers) = root.get("importers") {
        for member in importers.last_members() {
            let path = if member.key == "." { "" } else { &member.key };
            read_importer(path, member.offset, &member.value, &member.value, out);
        }
    } else {
        read_importer("", root.offset, root, root, out);
    }
}

/// Configuration dependencies, of pnpm 11 and later in a document of their own before the project's.
fn read_config(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    for importer in root.get("importers").map(Node::last_members).unwrap_or_default() {
        for member in importer.value.get("configDependencies").map(Node::last_members).unwrap_or_default() {
            let Some(version) = member.value.text_at("version") else {
                problems.push((member.offset, format!("`{}` has no version that can be read", member.key)));
                continue;
            };
            let entry = out.packages.iter().find(|p| p.name == member.key && p.version.as_deref() == Some(version));
            let tarball = match entry.map(|e| &e.source) {
                Some(LockedSource::Registry { tarball }) => tarball.clone(),
                Some(LockedSource::Remote { url }) => Some(url.clone()),
                _ => None,
            };
            out.config_dependencies.push(ConfigDependency {
                name: member.key.to_string(),
                version: version.to_owned(),
                tarball,
                hashed: entry.is_some_and(|e| !e.digests.is_empty()),
                offset: member.offset,
            });
        }
    }
}

/// Version 9 keeps what a package asks for apart from what it is, once for each set of peers.
fn read_snapshots(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for member in root.get("snapshots").map(Node::last_members).unwrap_or_default() {
        let plain = without_peers(&member.key);
        let Some(at) = out.by_key(plain) else {
            problems.push((member.offset, format!("the snapshot `{}` is of no package", member.key)));
            continue;
        };
        places.insert(member.key.to_string(), at);
        let dependencies = package_dependencies(&member.value);
        if let Some(package) = out.packages.get_mut(at) {
            package.optional |= member.value.flag_at("optional");
            for dependency in dependencies {
                let known = |d: &LockedDependency| d.name == dependency.name && d.chosen == dependency.chosen;
                if !package.dependencies.iter().any(known) {
                    package.dependencies.push(dependency);
                }
            }
        }
    }
    for (key, at) in places {
        out.alias(key, at);
    }
}

fn read_package(member: &Member<'_>, major: u32) -> Option<LockedPackage> {
    let node = &member.value;
    let resolution = node.get("resolution");
    let given = node.text_at("name");
    let (key_name, key_version) = read_key(&member.key, major);
    let name = given.or(key_name)?;
    let version = node.text_at("version").or(key_version);
    let mut package = LockedPackage {
        key: member.key.to_string(),
        name: name.to_owned(),
        version: version.map(str::to_owned),
        dev: node.flag_at("dev"),
        optional: node.flag_at("optional"),
        has_install_script: node.flag_at("requiresBuild"),
        deprecated: node.text_at("deprecated").map(str::to_owned),
        dependencies: package_dependencies(node),
        offset: member.offset,
        ..LockedPackage::default()
    };
    let at = |key: &str| resolution.and_then(|r| r.text_at(key));
    set_digests(&mut package, at("integrity"));
    let registry_key = given.is_none() && key_version.is_some_and(|v| Version::parse(v, true).is_some());
    package.source = match (at("type"), at("directory"), at("repo"), at("tarball")) {
        (Some("directory"), directory, ..) => {
            LockedSource::Directory { path: directory.unwrap_or("").to_owned(), workspace: false }
        }
        (_, _, Some(repo), _) => LockedSource::Git { url: repo.to_owned(), commit: at("commit").map(str::to_owned) },
        (.., Some(tarball)) if tarball.starts_with("file:") => {
            LockedSource::File { path: tarball.get(5..).unwrap_or("").to_owned() }
        }
        (.., Some(tarball)) if registry_key => LockedSource::Registry { tarball: Some(tarball.to_owned()) },
        (.., Some(tarball)) => LockedSource::Remote { url: tarball.to_owned() },
        _ if key_version.is_some_and(|v| v.starts_with("file:")) => {
            let path = key_version.and_then(|v| v.get(5..)).unwrap_or("").to_owned();
            LockedSource::Directory { path, workspace: false }
        }
        _ => LockedSource::Registry { tarball: None },
    };
    if package.version.is_none() && matches!(package.source, LockedSource::Registry { .. }) {
        return None;
    }
    Some(package)
}

/// `a@1.0.0(peer@2)` → `a@1.0.0`.
fn without_peers(key: &str) -> &str {
    key.split('(').next().unwrap_or(key)
}

/// Name and version in a key: `/a/1.0.0_peers` (5), `/a@1.0.0(peers)` (6), `a@1.0.0` (9), with a host before it or not.
fn read_key(key: &str, major: u32) -> (Option<&str>, Option<&str>) {
    let plain = without_peers(key);
    if major >= 6 {
        let rest = plain.strip_prefix('/').unwrap_or(plain);
        let cut = rest.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
        return match cut {
            Some(at) => {
                let name = rest.get(..at).unwrap_or("");
                let name = without_host(name);
                (Some(name).filter(|n| spec::is_valid_name(n)), rest.get(at + 1..))
            }
            None => (None, None),
        };
    }
    let Some((name, version)) = plain.rsplit_once('/').filter(|_| !plain.starts_with("file:")) else {
        // A peer's scope holds a slash of its own: `/a/1.0.0_@s+b@1`; pnpm writes `+` there.
        return (None, None);
    };
    let version = version.split('_').next().unwrap_or(version);
    let name = match name.strip_prefix('/') {
        Some(name) => name,
        None => without_host(name),
    };
    if Version::parse(version, true).is_none() || !spec::is_valid_name(name) {
        return (None, None);
    }
    (Some(name), Some(version))
}

/// `registry.npmjs.org/@s/a` → `@s/a`.
fn without_host(name: &str) -> &str {
    match name.split_once('/') {
        Some((host, rest)) if host.contains('.') && !host.starts_with('@') => rest,
        _ => name,
    }
}

fn package_dependencies(node: &Node<'_>) -> Vec<LockedDependency> {
    let tables = [("dependencies", DependencyKind::Production), ("optionalDependencies", DependencyKind::Optional)];
    let mut out = Vec::new();
    for (key, kind) in tables {
        for member in node.get(key).map(Node::last_members).unwrap_or_default() {
            let Some(chosen) = member.value.text() else { continue };
            out.push(LockedDependency {
                kind,
                optional_peer: false,
                name: member.key.to_string(),
                spec: spec_of(chosen),
                chosen: Some(chosen.to_owned()),
                offset: member.offset,
            });
        }
    }
    out
}

/// What a chosen version would be as a requirement: the version, an alias, or anything at all.
fn spec_of(chosen: &str) -> String {
    let plain = without_peers(chosen);
    let plain = plain.split('_').next().unwrap_or(plain);
    if Version::parse(plain, true).is_some() {
        return plain.to_owned();
    }
    let rest = plain.strip_prefix('/').unwrap_or(plain);
    let cut = rest.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at).or_else(|| rest.rfind('/'));
    let parts = cut.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?)));
    match parts {
        Some((name, version)) if Version::parse(version, true).is_some() && spec::is_valid_name(name) => {
            format!("npm:{name}@{version}")
        }
        _ => "*".to_owned(),
    }
}

/// What the project or a member asks for: `name: version` beside `specifiers` (5), `name: { specifier, version }`.
fn read_importer(path: &str, offset: usize, node: &Node<'_>, specifiers: &Node<'_>, out: &mut Lockfile) {
    let mut importer = Importer { path: path.to_owned(), name: None, version: None, dependencies: Vec::new(), offset };
    let tables = [
        ("dependencies", DependencyKind::Production),
        ("optionalDependencies", DependencyKind::Optional),
        ("devDependencies", DependencyKind::Development),
    ];
    for (key, kind) in tables {
        for member in node.get(key).map(Node::last_members).unwrap_or_default() {
            let chosen = member.value.text().or_else(|| member.value.text_at("version"));
            let Some(chosen) = chosen else { continue };
            let name = member.key.to_string();
            let specifier = member.value.text_at("specifier");
            let specifier = specifier.or_else(|| specifiers.get("specifiers").and_then(|s| s.text_at(&name)));
            let chosen = match chosen.strip_prefix("link:") {
                Some(target) => link(path, target, &name, member.offset, out),
                None => chosen.to_owned(),
            };
            importer.dependencies.push(LockedDependency {
                kind,
                optional_peer: false,
                spec: specifier.map_or_else(|| spec_of(&chosen), str::to_owned),
                name,
                chosen: Some(chosen),
                offset: member.offset,
            });
        }
    }
    out.importers.push(importer);
}

/// A link to another member: a package of the lockfile that is a directory.
fn link(importer: &str, target: &str, name: &str, offset: usize, out: &mut Lockfile) -> String {
    let mut parts: Vec<&str> = importer.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let path = parts.join("/");
    let chosen = format!("link:{path}");
    let key = format!("{name}@{chosen}");
    if out.by_key(&key).is_none() {
        out.push(LockedPackage {
            key,
            name: name.to_owned(),
            source: LockedSource::Directory { path, workspace: true },
            offset,
            ..LockedPackage::default()
        });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_every_version() {
        for (key, major, name, version) in [
            ("/a/1.0.0", 5, Some("a"), Some("1.0.0")),
            ("/@s/a/1.0.0_react@18.0.0", 5, Some("@s/a"), Some("1.0.0")),
            ("registry.npmjs.org/@s/a/1.0.0", 5, Some("@s/a"), Some("1.0.0")),
            ("/a@1.0.0(react@18.0.0)", 6, Some("a"), Some("1.0.0")),
            ("/@s/a@1.0.0", 6, Some("@s/a"), Some("1.0.0")),
            ("@s/a@1.0.0", 9, Some("@s/a"), Some("1.0.0")),
            ("a@https://x.example/a.tgz", 9, Some("a"), Some("https://x.example/a.tgz")),
            ("invalid", 5, None, None),
        ] {
            assert_eq!(read_key(key, major), (name, version), "{key}");
        }
    }

    #[test]
    fn a_link_is_a_member() {
        let (lock, problems) = read(
            Path::new("pnpm-lock.yaml"),
            "lockfileVersion: '9.0'\nimporters:\n  .: {}\n  packages/a:\n    dependencies:\n      b:\n        specifier: workspace:*\n        version: link:../b\n",
        );
        assert_eq!(problems, []);
        let dependency = &lock.importers[1].dependencies[0];
        let b = lock.importer_dependency("packages/a", dependency).map(|at| lock.packages[at].source.clone());
        assert_eq!(b, Some(LockedSource::Directory { path: "packages/b".into(), workspace: true }));
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z@/_():.0-9+-]{0,30}", text in "[a-z@/_():.0-9 -]{0,30}") {
            let quoted = serde_json::json!(key);
            let other = serde_json::json!(text);
            for version in ["5.4", "6.0", "9.0"] {
                let whole = format!("lockfileVersion: '{version}'\npackages:\n  {quoted}:\n    resolution: {{tarball: {other}}}\n    dependencies:\n      {quoted}: {other}\nsnapshots:\n  {quoted}: {{}}\ndependencies:\n  {quoted}: {other}\n");
                let (lock, _) = read(Path::new("l"), &whole);
                for (at, package) in lock.packages.iter().enumerate() {
                    for dependency in &package.dependencies {
                        let _ = lock.package_dependency(at, dependency);
                    }
                }
            }
            let _ = read_workspace(Path::new("w"), &text);
        }
    }
}
