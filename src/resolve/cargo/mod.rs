//! Cargo's commands → [`Plan`].
//!
//! A workspace is resolved whole, as Cargo writes its lockfile: every target, every feature of the members, their
//! dev-dependencies. A lockfile that satisfies the manifests is the plan. Nothing of a package is run: what only a git
//! checkout would tell is unresolved.

mod change;
mod features;
mod graph;
mod install;
mod locked;
mod outcome;
mod project;
mod solve;
mod universe;

use std::path::Path;

use crate::invocation::{FileRole, Invocation};
use crate::model::{Diagnostic, Ecosystem, Location, PackageName, Plan, Unresolved, UnresolvedCause};
use crate::registry::{CrateIndex, FetchError};
use crate::resolve::Request;

/// See [`crate::resolve::cargo`].
pub(super) fn resolve(request: Request<'_>, index: &dyn CrateIndex) -> Plan {
    let mut plan = match request.invocation.verb.as_str() {
        "install" => install::install(request, index),
        "binstall" => install::binstall(request, index),
        _ => project::project(request, index),
    };
    plan.normalise();
    plan
}

pub use locked::lockfile;

/// The manifest that a command names, or the nearest one.
fn manifest_path(request: Request<'_>) -> Option<std::path::PathBuf> {
    let invocation = request.invocation;
    let named = invocation
        .files
        .iter()
        .find(|f| f.role == FileRole::Manifest)
        .map(|f| f.path.as_str())
        .or_else(|| invocation.flag("--manifest-path").and_then(|f| f.value.as_deref()));
    match named {
        Some(path) => Some(request.environment.absolute(Path::new(path))),
        None => crate::ecosystem::cargo::workspace::find_manifest(&request.environment.cwd, request.files),
    }
}

/// Values of a repeatable flag that may hold several, separated by commas or white space: `--features a,b`.
fn listed(invocation: &Invocation, names: &[&str]) -> Vec<String> {
    invocation
        .flags
        .iter()
        .filter(|f| names.contains(&f.name.as_str()))
        .filter_map(|f| f.value.as_deref())
        .flat_map(|v| v.split([',', ' ', '\t', '\n']))
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
        .collect()
}

fn given(invocation: &Invocation, name: &str) -> bool {
    invocation.flags.iter().any(|f| f.name == name)
}

/// What a reader did not understand makes the plan incomplete.
fn malformed(diagnostic: Diagnostic) -> Unresolved {
    Unresolved {
        requirement: diagnostic.location.path().map(|p| p.display().to_string()).unwrap_or_default(),
        name: None,
        range: None,
        location: Some(diagnostic.location),
        cause: UnresolvedCause::Malformed,
        reason: diagnostic.message,
    }
}

/// A requirement that a registry gave no metadata for.
fn unfetched(
    requirement: &str,
    name: &str,
    range: Option<&str>,
    location: Option<Location>,
    error: &FetchError,
) -> Unresolved {
    let cause = match error {
        FetchError::NotFound { .. } => UnresolvedCause::UnknownPackage,
        FetchError::Unreachable { .. } | FetchError::Unauthorized { .. } | FetchError::Offline { .. } => {
            UnresolvedCause::Unreachable
        }
        FetchError::Malformed { .. } => UnresolvedCause::Malformed,
        FetchError::TooLarge { .. } => UnresolvedCause::LimitExceeded,
        FetchError::NeedsExecution { .. } => UnresolvedCause::NeedsExecution,
        FetchError::PrivateName { .. } => UnresolvedCause::PrivateName,
        FetchError::Unsupported { .. } | FetchError::Configuration { .. } => UnresolvedCause::Unsupported,
    };
    Unresolved {
        requirement: requirement.to_owned(),
        name: Some(PackageName::new(Ecosystem::CratesIo, name)),
        range: range.map(str::to_owned),
        location,
        cause,
        reason: error.to_string(),
    }
}
