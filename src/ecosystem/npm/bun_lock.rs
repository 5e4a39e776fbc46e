//! bun.lock, bun's text lockfile: JSON with comments and trailing commas. (The older binary bun.lockb is not read.)
//!
//! In: a path (for locations) and text. Out: a [`Lockfile`] and what could not be taken as it stands.

use std::path::Path;

use super::json::{self, Member, Node};
use super::lock::{
    Format, Importer, LockedPackage, LockedSource, Lockfile, MAX_PACKAGES, Problems, dependencies, diagnostics,
    set_digests,
};
use super::spec::{self, Spec};
use crate::model::Diagnostic;

/// Reads a bun.lock.
pub fn read(path: &Path, text: &str) -> (Lockfile, Vec<Diagnostic>) {
    let mut out = Lockfile::new(path, text, Format::Bun);
    let mut problems = Problems::new();
    match json::parse_relaxed(text) {
        Ok(root) if root.is_object() => read_root(&root, &mut out, &mut problems),
        Ok(root) => problems.push((root.offset, "not an object".to_owned())),
        Err(error) => problems.push((error.offset, format!("not JSON: {}", error.message))),
    }
    (out, diagnostics(path, text, problems))
}

fn read_root(root: &Node<'_>, out: &mut Lockfile, problems: &mut Problems) {
    if let Some(Node { value: json::Value::Number(version), .. }) = root.get("lockfileVersion") {
        out.version = (*version).to_owned();
    }
    if !matches!(out.version.as_str(), "" | "0" | "1" | "2") {
        problems.push((root.offset, format!("lockfile version `{}` is not known", out.version)));
    }
    for member in root.get("workspaces").map(Node::last_members).unwrap_or_default() {
        let mut dependencies = dependencies(&member.value, true);
        let optional: Vec<String> = member.value.texts_at("optionalPeers");
        for dependency in &mut dependencies {
            dependency.optional_peer |= optional.contains(&dependency.name);
        }
        out.importers.push(Importer {
            path: member.key.to_string(),
            name: member.value.text_at("name").map(str::to_owned),
            version: member.value.text_at("version").map(str::to_owned),
            dependencies,
            offset: member.offset,
        });
    }
    for member in root.get("packages").map(Node::last_members).unwrap_or_default() {
        if out.packages.len() >= MAX_PACKAGES {
            problems.push((member.offset, format!("more than {MAX_PACKAGES} packages")));
            return;
        }
        match read_package(member) {
            Some(package) => out.push(package),
            None => problems.push((member.offset, format!("the entry `{}` is not understood", member.key))),
        }
    }
}

/// The name at the end of a key: `a/b` → `b`, `a/@s/b` → `@s/b`.
fn installed_name(key: &str) -> &str {
    let Some(last) = key.rfind('/') else { return key };
    let before = key.get(..last).unwrap_or("");
    let start = before.rfind('/').map_or(0, |at| at + 1);
    if before.get(start..).is_some_and(|segment| segment.starts_with('@')) {
        key.get(start..).unwrap_or(key)
    } else {
        key.get(last + 1..).unwrap_or(key)
    }
}

/// A tuple: `[id, registry, about, integrity]` from a registry, `[id, about, …]` from elsewhere.
fn read_package(member: &Member<'_>) -> Option<LockedPackage> {
    let items = member.value.items();
    let id = items.first()?.text()?;
    let at = id.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at)?;
    let (name, reference) = (id.get(..at)?, id.get(at + 1..)?);
    let installed = installed_name(&member.key);
    let about = items.iter().find(|i| i.is_object());
    let mut package = LockedPackage {
        key: member.key.to_string(),
        name: name.to_owned(),
        alias: (name != installed).then(|| installed.to_owned()),
        offset: member.offset,
        ..LockedPackage::default()
    };
    if let Some(about) = about {
        package.dependencies = dependencies(about, false);
        let optional = about.texts_at("optionalPeers");
        for dependency in &mut package.dependencies {
            dependency.optional_peer |= optional.contains(&dependency.name);
        }
        package.bundled = about.flag_at("bundled");
        package.bin =
            about.get("bin").map_or_else(Vec::new, |b| b.members().iter().map(|m| m.key.to_string()).collect());
    }
    let integrity = items.iter().skip(1).filter_map(Node::text).find(|t| t.starts_with("sha"));
    let from_registry = || {
        let registry = items.get(1).and_then(Node::text).filter(|t| !t.is_empty() && !t.starts_with("sha"));
        LockedSource::Registry { tarball: registry.filter(|t| t.ends_with(".tgz")).map(str::to_owned) }
    };
    if let Some(path) = reference.strip_prefix("workspace:") {
        package.source = LockedSource::Directory { path: path.to_owned(), workspace: true };
        return Some(package);
    }
    if let Some(path) = reference.strip_prefix("root:") {
        package.source = LockedSource::Directory { path: path.to_owned(), workspace: true };
        return Some(package);
    }
    package.source = match spec::resolve(None, reference) {
        Spec::Version(version) => {
            package.version = Some(version);
            from_registry()
        }
        Spec::Git(git) => LockedSource::Git { url: git.url, commit: git.committish },
        Spec::Remote(url) => LockedSource::Remote { url },
        Spec::File(path) => LockedSource::File { path: path.path },
        Spec::Directory(path) | Spec::Link(path) => LockedSource::Directory { path: path.path, workspace: false },
        _ => return None,
    };
    set_digests(&mut package, integrity);
    Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nested_keys_and_trailing_commas() {
        let (lock, problems) = read(
            Path::new("bun.lock"),
            r#"{ "lockfileVersion": 1, // c
  "workspaces": { "": { "name": "app", "dependencies": { "a": "^1", }, }, },
  "packages": {
    "a": ["a@1.0.0", "", { "dependencies": { "@s/b": "1" } }, "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="],
    "@s/b": ["@s/b@2.0.0", "", {}, ""],
    "a/@s/b": ["real@1.0.0", "https://npm.example/real-1.0.0.tgz", {}, ""],
  } }"#,
        );
        assert_eq!(problems, []);
        let b = lock.package_dependency(0, &lock.packages[0].dependencies[0]).map(|at| &lock.packages[at]);
        assert_eq!(b.map(|b| (b.name.as_str(), b.alias.as_deref())), Some(("real", Some("@s/b"))));
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z@/.:#0-9]{0,30}", text in "[ -~]{0,30}") {
            let (key, text) = (serde_json::json!(key), serde_json::json!(text));
            let (lock, _) = read(Path::new("l"), &format!("{{\"packages\":{{{key}:[{text},{key},{{\"dependencies\":{{{key}:{text}}}}},{text}]}}}}"));
            for (at, package) in lock.packages.iter().enumerate() {
                for dependency in &package.dependencies {
                    let _ = lock.package_dependency(at, dependency);
                }
            }
        }
    }
}
