//! Workspaces: from a manifest's path, the root, the members in Cargo's order, and every local package they reach.
//!
//! In: [`Files`] and a path. Out: a [`Workspace`] with manifests whose inherited values are filled in, and diagnostics
//! for what could not be read. The rules are the Cargo book's chapter on workspaces: the root is found by
//! `package.workspace` or upwards, `exclude` beats globs but not members named outright, and a path dependency below
//! the root is a member by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::manifest::{DependencySource, Manifest};
use crate::model::{Diagnostic, FileError, Files, Location, lexical};

/// More local packages than this are not read.
const MAX_PACKAGES: usize = 5_000;
/// More directory entries than this are not matched against the globs of one workspace.
const MAX_GLOB_ENTRIES: usize = 50_000;

/// Which feature resolver, and whether `rust-version` weighs on the choice of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolver {
    /// `1`: editions 2015 and 2018.
    V1,
    /// `2`: edition 2021.
    V2,
    /// `3`: edition 2024; versions that the project's `rust-version` supports come first.
    V3,
}

/// A workspace, or a package that is alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The manifest that holds `[workspace]`, `[patch]` and `[profile]`; the lockfile stands beside it.
    pub root: PathBuf,
    /// The manifest that the search began with.
    pub current: PathBuf,
    /// Manifest paths of the members, in the order in which Cargo finds them.
    pub members: Vec<PathBuf>,
    /// Every manifest read: root, members, and path dependencies outside.
    pub manifests: BTreeMap<PathBuf, Manifest>,
    /// The resolver.
    pub resolver: Resolver,
}

impl Workspace {
    /// The root manifest.
    pub fn root_manifest(&self) -> Option<&Manifest> {
        self.manifests.get(&self.root)
    }

    /// The lockfile's path.
    pub fn lockfile(&self) -> PathBuf {
        self.root.with_file_name("Cargo.lock")
    }

    /// The members' manifests, in Cargo's order.
    pub fn member_manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.members.iter().filter_map(|path| self.manifests.get(path))
    }

    /// Whether this manifest is a member's.
    pub fn is_member(&self, manifest: &Path) -> bool {
        self.members.iter().any(|m| m == manifest)
    }

    /// Finds the workspace of a manifest and reads all of it. `manifest` is absolute and lexically normal.
    pub fn find(manifest: &Path, files: &dyn Files) -> (Self, Vec<Diagnostic>) {
        let mut loader = Loader { files, manifests: BTreeMap::new(), diagnostics: Vec::new() };
        loader.load(manifest);
        let root = loader.root_of(manifest).unwrap_or_else(|| manifest.to_owned());
        loader.load(&root);
        let mut workspace = Self {
            root: root.clone(),
            current: manifest.to_owned(),
            members: Vec::new(),
            manifests: BTreeMap::new(),
            resolver: loader.resolver(&root),
        };
        loader.members(&mut workspace);
        if !workspace.is_member(manifest) && loader.manifests.get(manifest).is_some_and(|m| m.package.is_some()) {
            let message = format!("the package is not a member of the workspace {} above it", root.display());
            loader.diagnostics.push(
                Diagnostic::new(Location::file(manifest), message)
                    .with_hint("add it to `workspace.members`, or to `workspace.exclude`"),
            );
            loader.walk(manifest, &mut workspace, false);
        }
        loader.locals(&workspace);
        loader.inherit(&root);
        workspace.manifests = loader.manifests;
        (workspace, loader.diagnostics)
    }
}

/// The nearest `Cargo.toml` in a directory or above it.
pub fn find_manifest(directory: &Path, files: &dyn Files) -> Option<PathBuf> {
    directory.ancestors().map(|dir| dir.join("Cargo.toml")).find(|path| files.is_file(path))
}

/// The manifest of a path dependency.
pub fn manifest_of(base: &Path, path: &str) -> PathBuf {
    lexical(&base.join(path).join("Cargo.toml"))
}

struct Loader<'f> {
    files: &'f dyn Files,
    manifests: BTreeMap<PathBuf, Manifest>,
    diagnostics: Vec<Diagnostic>,
}

impl Loader<'_> {
    /// Reads a manifest once; `false` when there is none.
    fn load(&mut self, path: &Path) -> bool {
        if self.manifests.contains_key(path) {
            return true;
        }
        if self.manifests.len() >= MAX_PACKAGES {
            let message = format!("more than {MAX_PACKAGES} local packages: the rest was not read");
            if !self.diagnostics.iter().any(|d| d.message == message) {
                self.diagnostics.push(Diagnostic::new(Location::file(path), message));
            }
            return false;
        }
        match self.files.read_text(path) {
            Ok(text) => {
                let (manifest, diagnostics) = Manifest::read(path, &text);
                self.diagnostics.extend(diagnostics);
                self.manifests.insert(path.to_owned(), manifest);
                true
            }
            Err(error) => {
                let message = match error {
                    FileError::NotFound => "there is no such manifest".to_owned(),
                    other => format!("cannot be read: {other}"),
                };
                self.diagnostics.push(Diagnostic::new(Location::file(path), message));
                false
            }
        }
    }

    /// The root that `manifest` belongs to; `None` when it is alone.
    fn root_of(&mut self, manifest: &Path) -> Option<PathBuf> {
        let own = self.manifests.get(manifest)?;
        if own.workspace.is_some() {
            return Some(manifest.to_owned());
        }
        if let Some(directory) = own.package.as_ref().and_then(|p| p.workspace.clone()) {
            return Some(manifest_of(own.directory(), &directory));
        }
        let above: Vec<PathBuf> = manifest.ancestors().skip(2).map(|dir| dir.join("Cargo.toml")).collect();
        for candidate in above {
            if !self.files.is_file(&candidate) {
                continue;
            }
            let Ok(text) = self.files.read_text(&candidate) else { continue };
            let (read, diagnostics) = Manifest::read(&candidate, &text);
            if let Some(directory) = read.package.as_ref().and_then(|p| p.workspace.clone()) {
                return Some(manifest_of(read.directory(), &directory));
            }
            if read.workspace.is_some() && !is_excluded(&read, manifest) {
                self.diagnostics.extend(diagnostics);
                self.manifests.insert(candidate.clone(), read);
                return Some(candidate);
            }
        }
        None
    }

    fn resolver(&mut self, root: &Path) -> Resolver {
        let manifest = self.manifests.get(root);
        let package = manifest.and_then(|m| m.package.as_ref());
        let workspace = manifest.and_then(|m| m.workspace.as_ref());
        let written =
            workspace.and_then(|w| w.resolver.as_deref()).or_else(|| package.and_then(|p| p.resolver.as_deref()));
        let edition = package.map(|p| {
            let inherited = workspace.and_then(|w| w.package.get("edition")).map(String::as_str);
            if p.inherits.contains(&"edition") { inherited.unwrap_or("2015") } else { p.edition.as_str() }
        });
        match (written, edition) {
            (Some("1"), _) => Resolver::V1,
            (Some("2"), _) => Resolver::V2,
            (Some("3"), _) => Resolver::V3,
            (Some(other), _) => {
                let message = format!("`resolver` is `{}`, which is none of 1, 2 and 3", other.escape_debug());
                self.diagnostics.push(Diagnostic::new(Location::file(root), message));
                Resolver::V2
            }
            (None, Some("2021")) => Resolver::V2,
            (None, Some("2015" | "2018") | None) => Resolver::V1,
            (None, Some(_)) => Resolver::V3,
        }
    }

    fn members(&mut self, workspace: &mut Workspace) {
        let root = workspace.root.clone();
        let patterns = match self.manifests.get(&root).and_then(|m| m.workspace.as_ref()) {
            Some(table) => table.members.clone(),
            None => {
                if self.manifests.contains_key(&root) {
                    workspace.members.push(root);
                }
                return;
            }
        };
        let directory = root.parent().unwrap_or(Path::new("")).to_owned();
        let mut budget = MAX_GLOB_ENTRIES;
        for pattern in &patterns {
            for path in expand(&directory, pattern, self.files, &mut budget) {
                let manifest = path.join("Cargo.toml");
                // A glob may match a directory that is no package; a path written outright may not.
                if self.files.is_file(&manifest) || !is_glob(pattern) {
                    self.walk(&manifest, workspace, false);
                }
            }
        }
        if budget == 0 {
            let message = format!("more than {MAX_GLOB_ENTRIES} directory entries below the globs of `members`");
            self.diagnostics.push(Diagnostic::new(Location::file(&root), message));
        }
        self.walk(&root, workspace, false);
    }

    /// Adds a member, then the path dependencies below the root that it leads to.
    fn walk(&mut self, manifest: &Path, workspace: &mut Workspace, by_path: bool) {
        let mut pending = vec![(lexical(manifest), by_path)];
        while let Some((manifest, by_path)) = pending.pop() {
            if workspace.is_member(&manifest) {
                continue;
            }
            let directory = workspace.root.parent().unwrap_or(Path::new("")).to_owned();
            if by_path {
                if !self.files.is_file(&manifest) {
                    continue;
                }
                let belongs = manifest.starts_with(&directory)
                    || (self.load(&manifest) && self.root_of(&manifest).as_ref() == Some(&workspace.root));
                if !belongs {
                    continue;
                }
            }
            if self.manifests.get(&workspace.root).is_some_and(|root| is_excluded(root, &manifest)) {
                continue;
            }
            if !self.load(&manifest) {
                continue;
            }
            let Some(read) = self.manifests.get(&manifest) else { continue };
            if read.package.is_none() {
                continue;
            }
            workspace.members.push(manifest.clone());
            // Depth first, in the order of the manifest: what is pushed last is taken first.
            let next: Vec<PathBuf> = self.path_dependencies(&manifest, &workspace.root);
            pending.extend(next.into_iter().rev().map(|path| (path, true)));
        }
    }

    fn path_dependencies(&self, manifest: &Path, root: &Path) -> Vec<PathBuf> {
        let Some(read) = self.manifests.get(manifest) else { return Vec::new() };
        let table = self.manifests.get(root).and_then(|m| m.workspace.as_ref());
        read.dependencies
            .iter()
            .filter_map(|dependency| {
                let source = if dependency.inherits {
                    &table?.dependencies.iter().find(|d| d.name == dependency.name)?.source
                } else {
                    &dependency.source
                };
                match source {
                    DependencySource::Path { path, base } => Some(manifest_of(base, path)),
                    _ => None,
                }
            })
            .collect()
    }

    /// Reads path dependencies, patches and replacements outside the workspace, and theirs.
    fn locals(&mut self, workspace: &Workspace) {
        let mut pending: Vec<PathBuf> = workspace.members.clone();
        let mut seen: BTreeSet<PathBuf> = pending.iter().cloned().collect();
        if let Some(root) = self.manifests.get(&workspace.root) {
            let entries =
                root.patches.iter().map(|p| &p.dependency).chain(root.replacements.iter().map(|r| &r.dependency));
            for entry in entries {
                if let DependencySource::Path { path, base } = &entry.source {
                    pending.push(manifest_of(base, path));
                }
            }
        }
        while let Some(manifest) = pending.pop() {
            if !self.load(&manifest) {
                continue;
            }
            let root = self.root_of(&manifest).unwrap_or_else(|| manifest.clone());
            for next in self.path_dependencies(&manifest, &root) {
                if seen.insert(next.clone()) {
                    pending.push(next);
                }
            }
        }
    }

    /// Fills in inherited values, each from the root that its manifest belongs to.
    fn inherit(&mut self, root: &Path) {
        let paths: Vec<PathBuf> = self.manifests.iter().filter(|(_, m)| m.inherits()).map(|(p, _)| p.clone()).collect();
        for path in paths {
            let inside = self.root_of(&path).unwrap_or_else(|| root.to_owned());
            let Some(from) = self.manifests.get(&inside).cloned() else { continue };
            if let Some(manifest) = self.manifests.get_mut(&path) {
                self.diagnostics.extend(manifest.inherit(&from));
            }
        }
    }
}

/// Whether the root's `exclude` covers a manifest that no entry of `members` names outright.
fn is_excluded(root: &Manifest, manifest: &Path) -> bool {
    let Some(table) = &root.workspace else { return false };
    let covers = |entry: &String| manifest.starts_with(lexical(&root.directory().join(entry)));
    table.exclude.iter().any(covers) && !table.members.iter().any(covers)
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The directories that an entry of `members` means, sorted; the entry itself when nothing matches.
fn expand(directory: &Path, pattern: &str, files: &dyn Files, budget: &mut usize) -> Vec<PathBuf> {
    if !is_glob(pattern) {
        return vec![lexical(&directory.join(pattern))];
    }
    let mut found = vec![directory.to_owned()];
    for part in pattern.split(['/', '\\']).filter(|p| !p.is_empty() && *p != ".") {
        let mut next = Vec::new();
        for dir in found {
            if part == "**" {
                descend(&dir, files, budget, &mut next);
            } else if is_glob(part) {
                let Ok(glob) = globset::Glob::new(part) else { continue };
                let matcher = glob.compile_matcher();
                for path in files.list(&dir) {
                    *budget = budget.saturating_sub(1);
                    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                    if *budget > 0 && matcher.is_match(name) && files.is_dir(&path) {
                        next.push(path);
                    }
                }
            } else {
                next.push(lexical(&dir.join(part)));
            }
        }
        found = next;
    }
    found.sort();
    found.dedup();
    found
}

/// A directory and all below it.
fn descend(dir: &Path, files: &dyn Files, budget: &mut usize, out: &mut Vec<PathBuf>) {
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        if *budget == 0 {
            return;
        }
        for path in files.list(&dir) {
            *budget = budget.saturating_sub(1);
            if files.is_dir(&path) && !files.is_link(&path) {
                pending.push(path);
            }
        }
        out.push(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;

    fn find(manifest: &str, entries: &[(&str, &str)]) -> (Workspace, Vec<String>) {
        let files: MemoryFiles = entries.iter().map(|(p, t)| (PathBuf::from(p), t.as_bytes().to_vec())).collect();
        let (workspace, diagnostics) = Workspace::find(Path::new(manifest), &files);
        (workspace, diagnostics.iter().map(ToString::to_string).collect())
    }

    fn members(workspace: &Workspace) -> Vec<String> {
        workspace.members.iter().map(|p| p.display().to_string()).collect()
    }

    fn package(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n{rest}")
    }

    #[test]
    fn globs_exclusions_and_path_dependencies_make_the_members() {
        let root = "[workspace]\nmembers = [\"crates/*\", \"tools/x\"]\nexclude = [\"crates/out\", \"tools\"]\n";
        let (a, b, out, x, deep) = (
            package("a", "[dependencies]\ndeep = { path = \"../../deep\" }\nout = { path = \"../out\" }\n"),
            package("b", ""),
            package("out", ""),
            package("x", ""),
            package("deep", ""),
        );
        let (workspace, diagnostics) = find(
            "/w/crates/b/Cargo.toml",
            &[
                ("/w/Cargo.toml", root),
                ("/w/crates/a/Cargo.toml", &a),
                ("/w/crates/b/Cargo.toml", &b),
                ("/w/crates/out/Cargo.toml", &out),
                ("/w/crates/not/a/package", ""),
                ("/w/tools/x/Cargo.toml", &x),
                ("/w/deep/Cargo.toml", &deep),
            ],
        );
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(workspace.root, Path::new("/w/Cargo.toml"));
        assert_eq!(
            members(&workspace),
            ["/w/crates/a/Cargo.toml", "/w/deep/Cargo.toml", "/w/crates/b/Cargo.toml", "/w/tools/x/Cargo.toml"]
        );
        assert!(workspace.manifests.contains_key(Path::new("/w/crates/out/Cargo.toml")), "read, though no member");
        assert_eq!(workspace.resolver, Resolver::V1, "a virtual manifest without `resolver`");
    }

    #[test]
    fn a_package_names_its_root_or_is_alone() {
        let inner = package("m", "workspace = \"../ws\"\n");
        let (workspace, _) = find(
            "/p/m/Cargo.toml",
            &[
                ("/p/m/Cargo.toml", &inner),
                ("/p/ws/Cargo.toml", "[workspace]\nmembers = [\"../m\"]\nresolver = \"3\"\n"),
            ],
        );
        assert_eq!((workspace.root.as_path(), workspace.resolver), (Path::new("/p/ws/Cargo.toml"), Resolver::V3));
        assert_eq!(members(&workspace), ["/p/m/Cargo.toml"]);
        let alone = package("alone", "");
        let (workspace, diagnostics) = find("/q/Cargo.toml", &[("/q/Cargo.toml", &alone)]);
        assert!(diagnostics.is_empty());
        assert_eq!((members(&workspace).len(), workspace.resolver), (1, Resolver::V2));
    }

    #[test]
    fn a_package_that_its_workspace_does_not_know_is_said() {
        let stray = package("stray", "");
        let (workspace, diagnostics) = find(
            "/w/stray/Cargo.toml",
            &[("/w/Cargo.toml", "[workspace]\nmembers = []\n"), ("/w/stray/Cargo.toml", &stray)],
        );
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        assert_eq!(members(&workspace), ["/w/stray/Cargo.toml"]);
    }
}
