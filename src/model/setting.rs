//! Settings that decide where packages come from or what runs, with who made them and where.

use super::Location;

/// A setting of a registry, tool or build that a file, a variable or a flag made, and that a rule may weigh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it sets.
    pub kind: SettingKind,
    /// The key as written: `index-url`, `@acme:registry`, `build.rustc-wrapper`.
    pub key: String,
    /// The value, credentials removed.
    pub value: String,
    /// Who set it.
    pub layer: SettingLayer,
    /// Where.
    pub location: Location,
}

/// What a [`Setting`] sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingKind {
    /// The default index or registry.
    Index,
    /// A further index, a scope's registry, an alternate or replacement source.
    ExtraIndex,
    /// A directory or page of archives.
    FindLinks,
    /// A program to run: `script-shell`, `node-options`, `build.rustc-wrapper`, `runner`, `linker`, rust-toolchain `path`.
    Program,
    /// A directory that the tool, and the builds that it starts, write: `build.target-dir`.
    Directory,
    /// A protection switched off: `strict-ssl=false`, `trusted-host`, `ignore-scripts=false` over a user's true.
    WeakensSafety,
}

/// Who made a setting. Order is trust, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingLayer {
    /// A file of the project.
    Project,
    /// A flag of the command.
    Flag,
    /// An environment variable.
    Environment,
    /// The user's own configuration.
    User,
    /// The system's configuration.
    System,
}
