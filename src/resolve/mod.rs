//! Invocation + registries → [`Plan`](crate::model::Plan). No package's code runs here, and nothing is written.
//!
//! A resolver reads the files that the command would read, through [`Files`], asks registries through the traits of
//! [`crate::registry`], and returns a plan that is complete or says what is missing. Same input and same registry
//! state: same plan, byte for byte.

pub mod cargo;
mod history;
pub mod locked;
mod npm;
mod python;

pub use npm::manager::home as pnpm_home;
pub use npm::{resolve as npm, resolve_with as npm_with};

use crate::invocation::Invocation;
use crate::model::{Environment, Files, InterpreterFacts, PackageId, PackageName, Plan, Timestamp};
use crate::registry::{CrateIndex, PythonIndex};

/// Everything a resolver may look at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The command.
    pub invocation: &'a Invocation,
    /// What it was started in. `cwd` is already the directory the tool works in.
    pub environment: &'a Environment,
    /// The files it may read.
    pub files: &'a dyn Files,
    /// What is too young, and what existed at all.
    pub freshness: &'a Freshness<'a>,
}

/// Which releases a resolver may see.
///
/// Releases and files published after `as_of` do not exist. Releases published after `cutoff` are young: they are
/// invisible where an older one satisfies the requirement (each then becomes a `HeldBack`), and visible where none
/// does (the rule `cooldown` then asks). Exempt: names that `excluded` names, releases without a time, what a
/// lockfile fixes, and a release that is not affected by an advisory which affects the newest older release that
/// the requirement permits.
pub struct Freshness<'a> {
    /// `--as-of`.
    pub as_of: Option<Timestamp>,
    /// Now minus the cooldown; `None` switches the cooldown off.
    pub cutoff: Option<Timestamp>,
    /// Names the policy exempts.
    pub excluded: &'a (dyn Fn(&PackageName) -> bool + Sync),
    /// Whether an advisory (of any kind) affects a release.
    pub affected: &'a (dyn Fn(&PackageId) -> bool + Sync),
    /// For texts such as `published 3 days ago`.
    pub now: Timestamp,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("invocation", &self.invocation).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Freshness<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Freshness").field("as_of", &self.as_of).field("cutoff", &self.cutoff).finish_non_exhaustive()
    }
}

impl Freshness<'_> {
    /// Whether something published then exists yet.
    pub fn exists(&self, published: Option<Timestamp>) -> bool {
        match (self.as_of, published) {
            (Some(as_of), Some(published)) => published <= as_of,
            _ => true,
        }
    }

    /// Whether a release published then is younger than the cooldown.
    pub fn is_young(&self, name: &PackageName, published: Option<Timestamp>) -> bool {
        match (self.cutoff, published) {
            (Some(cutoff), Some(published)) => published > cutoff && !(self.excluded)(name),
            _ => false,
        }
    }

    /// Which of `versions` are hidden. `versions` is newest first, already reduced to what the requirement permits
    /// and what exists; the answer has the same length. All `false` when nothing old enough would remain.
    pub fn hidden(&self, name: &PackageName, versions: &[(&str, Option<Timestamp>)]) -> Vec<bool> {
        let young: Vec<bool> = versions.iter().map(|(_, published)| self.is_young(name, *published)).collect();
        let Some(fallback) = young.iter().position(|y| !y) else {
            return vec![false; versions.len()];
        };
        let affected = |version: &str| (self.affected)(&PackageId::new(name.clone(), version));
        if young[..fallback].iter().any(|y| *y) && affected(versions[fallback].0) {
            return versions.iter().zip(&young).map(|((v, _), y)| *y && affected(v)).collect();
        }
        young
    }

    /// Why a release is held back: `published 3 days ago`.
    pub fn age_text(&self, published: Option<Timestamp>) -> String {
        match published {
            Some(published) => format!("published {}", crate::model::ago(self.now, published)),
            None => "published at an unknown time".to_owned(),
        }
    }
}

/// Resolves a Python command.
pub fn python(request: Request<'_>, index: &dyn PythonIndex, interpreter: &InterpreterFacts) -> Plan {
    python::resolve(request, index, interpreter)
}

/// Resolves a cargo command.
pub fn cargo(request: Request<'_>, index: &dyn CrateIndex) -> Plan {
    cargo::resolve(request, index)
}
