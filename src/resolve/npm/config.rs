//! pnpm's configuration dependencies: packages that every command but `dlx` and `create` fetches, and whose `pnpmfile.cjs`
//! it runs in its own process, before it does anything else (10 and later).
//!
//! In: pnpm-workspace.yaml and the lockfile. Out: an edge for each, and what the plan's packages of these names are.

use super::graph::{Edge, Kind};
use super::project::Finder;
use crate::ecosystem::npm::pnpm_lock::{self, ConfigDependency};
use crate::model::{Execution, LineIndex, Location, LockState, Package};

/// What the project's files name, and where.
pub(super) struct Config {
    all: Vec<(ConfigDependency, Location)>,
}

impl Config {
    /// Of the project that the command is in; of several with a pnpm-workspace.yaml, the nearest.
    pub(super) fn of(finder: &Finder<'_>) -> Self {
        let mut all = Vec::new();
        let mut ignored = Vec::new();
        let marked = |d: &&std::path::Path| finder.files.is_file(&d.join("pnpm-workspace.yaml"));
        let near = |d: &&std::path::Path| finder.files.is_file(&d.join("package.json"));
        let root = finder.cwd.ancestors().find(marked).or_else(|| finder.cwd.ancestors().find(near));
        let Some(root) = root else { return Self { all } };
        let mut add = |path: &std::path::Path, text: &str, found: Vec<ConfigDependency>| {
            let lines = LineIndex::new(text);
            all.extend(found.into_iter().map(|one| {
                let at = lines.location(&finder.shown(path), one.offset);
                (one, at)
            }));
        };
        let path = root.join("pnpm-workspace.yaml");
        if let Some(text) = finder.text(&path, &mut ignored) {
            add(&path, &text, pnpm_lock::read_workspace(&path, &text).0.config_dependencies);
        }
        let path = root.join("pnpm-lock.yaml");
        if let Some(text) = finder.text(&path, &mut ignored).filter(|t| t.contains("configDependencies")) {
            add(&path, &text, pnpm_lock::read(&path, &text).0.config_dependencies);
        }
        Self { all }
    }

    /// The edges. A tarball from elsewhere than its registry is a URL.
    pub(super) fn edges(&self, finder: &Finder<'_>) -> Vec<Edge> {
        let edge = |(one, location): &(ConfigDependency, Location)| {
            let version = one.tarball.as_deref().unwrap_or(&one.version);
            Edge::set(&one.name, version, Kind::Production, location.clone(), finder.cwd)
        };
        self.all.iter().map(edge).collect()
    }

    /// Says of a package that pnpm runs it, and that it is locked where its digest is written down.
    pub(super) fn mark(&self, packages: &mut [Package]) {
        for package in packages {
            let of = |(one, _): &&(ConfigDependency, Location)| one.name == package.id.name.written();
            let mut named = self.all.iter().filter(of).peekable();
            if named.peek().is_none() {
                continue;
            }
            package.executes.push(Execution::ToolHook);
            if named.any(|(one, _)| one.hashed && *one.version == *package.id.version) && package.source.is_registry() {
                package.lock = LockState::LockedWithDigest;
            }
        }
    }
}
