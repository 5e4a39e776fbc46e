//! What the command's options say to the resolver. In: an [`Invocation`] and the option lines of requirements files.
//! Out: [`Options`].

use std::collections::BTreeSet;

use crate::invocation::{Invocation, Tool};
use crate::model::{Ecosystem, normalise_name};

/// Which projects a format option names: `:all:`, `:none:`, names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection {
    all: bool,
    names: BTreeSet<String>,
}

impl Selection {
    /// Applies one value as pip does: `:all:` takes the place of names, `:none:` clears, a name is taken from `other`.
    fn apply(&mut self, other: &mut Self, value: &str) {
        for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match part {
                ":all:" => {
                    *other = Self::default();
                    *self = Self { all: true, names: BTreeSet::new() };
                }
                ":none:" => *self = Self::default(),
                name => {
                    let name = normalise_name(Ecosystem::PyPI, name);
                    other.names.remove(&name);
                    self.names.insert(name);
                }
            }
        }
    }
}

/// Which installed distributions are replaced though they satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Upgrade {
    /// None: what is installed and satisfies stays.
    #[default]
    Never,
    /// Those asked for by name: `-U`.
    Requested,
    /// All that the resolution meets: `-U --upgrade-strategy eager`.
    Eager,
}

/// What the command's options say to the resolver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `--pre`.
    pub(super) pre: bool,
    /// `--no-deps`.
    pub(super) no_deps: bool,
    /// `--prefer-binary`.
    pub(super) prefer_binary: bool,
    /// Every requirement must be pinned and hashed.
    pub(super) require_hashes: bool,
    /// What happens to installed distributions.
    pub(super) upgrade: Upgrade,
    /// What is installed counts for nothing: `--force-reinstall`, `--ignore-installed`, `--target`, another environment.
    pub(super) ignore_installed: bool,
    pub(super) only_binary: Selection,
    pub(super) no_binary: Selection,
}

impl Options {
    /// From the command's flags.
    pub(super) fn of(invocation: &Invocation) -> Self {
        let mut out = Self::default();
        for flag in &invocation.flags {
            out.apply(&flag.name, flag.value.as_deref());
        }
        let given = |name: &str| invocation.flag(name).is_some_and(|f| f.value.as_deref() != Some("false"));
        if given("--upgrade") {
            out.upgrade = match invocation.flag("--upgrade-strategy").and_then(|f| f.value.as_deref()) {
                Some("eager") => Upgrade::Eager,
                _ if matches!(invocation.tool, Tool::Uv) => Upgrade::Eager,
                _ => Upgrade::Requested,
            };
        }
        let fresh = ["--force-reinstall", "--ignore-installed", "--reinstall", "--target", "--no-installed"];
        // `download` and `wheel` fetch everything; only pip and `uv pip` install into an environment that counts.
        let environment = matches!(invocation.tool, Tool::Pip)
            || (invocation.tool == Tool::Uv && invocation.verb.starts_with("pip "));
        let installs = !matches!(invocation.verb.as_str(), "download" | "wheel" | "lock" | "pip compile");
        out.ignore_installed = !environment || !installs || fresh.iter().any(|f| given(f));
        out
    }

    /// One option, of the command or of a requirements file. Options that say nothing to the resolver are passed over.
    pub(super) fn apply(&mut self, name: &str, value: Option<&str>) {
        let on = value != Some("false");
        let value = value.unwrap_or_default();
        match name {
            "--pre" => self.pre = on,
            "--prerelease" => self.pre = value == "allow",
            "--no-deps" | "--no-dependencies" => self.no_deps = on,
            "--prefer-binary" => self.prefer_binary = on,
            "--require-hashes" => self.require_hashes = on,
            "--only-binary" => self.only_binary.apply(&mut self.no_binary, value),
            "--no-binary" => self.no_binary.apply(&mut self.only_binary, value),
            "--no-build" => self.only_binary.apply(&mut self.no_binary, ":all:"),
            "--no-build-package" => self.only_binary.apply(&mut self.no_binary, value),
            "--no-binary-package" => self.no_binary.apply(&mut self.only_binary, value),
            _ => {}
        }
    }

    /// Whether a wheel of this project (canonical name) may be installed.
    pub(super) fn wheels_allowed(&self, name: &str) -> bool {
        self.only_binary.names.contains(name)
            || !(self.no_binary.names.contains(name) || (self.no_binary.all && !self.only_binary.all))
    }

    /// Whether an sdist of this project (canonical name) may be built.
    pub(super) fn sdists_allowed(&self, name: &str) -> bool {
        self.no_binary.names.contains(name)
            || !(self.only_binary.names.contains(name) || (self.only_binary.all && !self.no_binary.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_combine_as_in_pip() {
        let mut o = Options::default();
        assert!(o.wheels_allowed("a") && o.sdists_allowed("a"));
        o.apply("--only-binary", Some(":all:"));
        o.apply("--no-binary", Some("A_b"));
        assert!(!o.sdists_allowed("x") && o.sdists_allowed("a-b") && !o.wheels_allowed("a-b"));
        o.apply("--only-binary", Some(":none:"));
        assert!(o.sdists_allowed("x"));
        o.apply("--no-binary", Some(":all:"));
        o.apply("--only-binary", Some("wheelonly"));
        assert!(!o.wheels_allowed("x") && o.wheels_allowed("wheelonly") && !o.sdists_allowed("wheelonly"));
    }
}
