//! (being written)

use std::path::Path;

use super::lock::Lockfile;
use crate::model::{Diagnostic, Location};

/// Reads the lockfile.
pub fn read(path: &Path, _text: &str) -> (Lockfile, Vec<Diagnostic>) {
    (Lockfile::default(), vec![Diagnostic::new(Location::file(path), "not read yet")])
}

/// pnpm-workspace.yaml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Patterns of members.
    pub packages: Vec<String>,
    /// Catalogs: name (empty: the default) to package to range.
    pub catalogs: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
    /// `overrides`.
    pub overrides: Vec<super::manifest::Override>,
}

/// Reads a pnpm-workspace.yaml.
pub fn read_workspace(path: &Path, _text: &str) -> (Workspace, Vec<Diagnostic>) {
    (Workspace::default(), vec![Diagnostic::new(Location::file(path), "not read yet")])
}
