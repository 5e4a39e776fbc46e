//! Which wheels of a plan plant code into every start of the interpreter. In: the plan, and the index. Out: the plan
//! with [`Execution::StartupHook`] where they do ([`Execution::KnownStartupHook`] where a project always did), and what
//! could not be learnt as a signal gap.
//!
//! An index does not list a wheel's files. Where the metadata was read out of the wheel, and for wheels of this machine,
//! they are known at no cost. Of the others those are looked into, by one request for the end of the file, that a
//! stranger could have published: packages that are not well known, and those whose first release is young.

use std::path::Path;

use crate::ecosystem::popular;
use crate::model::{ArtifactKind, Digest, Execution, Package, Plan, SignalGap, Source};
use crate::registry::PythonIndex;
use crate::registry::archive::StartsCode;
use crate::registry::python::{Advertised, File};
use crate::resolve::Freshness;

/// Most wheels of one plan that a request is spent on, the nearest first.
const MOST: usize = 64;
/// A project whose first release is younger than this, in seconds, is looked into however well known its name is.
const YOUNG: i64 = 90 * 24 * 60 * 60;

/// Marks the packages of a plan, before their artifacts are put into order: the best wheel comes first.
pub(super) fn mark(plan: &mut Plan, index: &dyn PythonIndex, freshness: &Freshness<'_>) {
    let mut wheels: Vec<(usize, File, bool)> = plan
        .packages
        .iter()
        .enumerate()
        .filter_map(|(at, package)| Some((at, wheel(package)?, is_strange(package, freshness))))
        .collect();
    wheels.sort_by_key(|(at, ..)| plan.packages.get(*at).map_or(0, |p| p.depth));
    let mut left = MOST;
    for (at, file, ask) in &mut wheels {
        let Some(package) = plan.packages.get(*at) else { continue };
        // What is known already costs nothing.
        *ask &= index.starts_code(&package.id.name, file, false).is_none() && left > 0;
        left -= usize::from(*ask);
    }
    let asked: Vec<File> = wheels.iter().filter(|(.., ask)| *ask).map(|(_, file, _)| file.clone()).collect();
    index.prefetch_starts_code(&asked);
    for (at, file, ask) in wheels {
        let Some(package) = plan.packages.get_mut(at) else { continue };
        match index.starts_code(&package.id.name, &file, ask) {
            Some(starts) => package.executes.extend(execution(starts)),
            None => plan.signal_gaps.push(SignalGap {
                signal: "startup-hook",
                registry: package.source.url(),
                reason: "not every wheel was looked into for a .pth file that runs code".to_owned(),
            }),
        }
    }
}

/// What stands in a plan for what a wheel does.
pub(super) fn execution(starts: StartsCode) -> Option<Execution> {
    match starts {
        StartsCode::No => None,
        StartsCode::Known => Some(Execution::KnownStartupHook),
        StartsCode::Yes => Some(Execution::StartupHook),
    }
}

/// A wheel of this machine, as an index would list it.
pub(super) fn local_wheel(path: &Path, filename: &str) -> Option<File> {
    let url = url::Url::from_file_path(path).ok()?.to_string();
    Some(file(filename, &url, &[], None, ""))
}

/// The wheel that would be installed, as far as that is known.
fn wheel(package: &Package) -> Option<File> {
    let artifact = package.artifacts.iter().find(|a| a.kind == ArtifactKind::Wheel)?;
    let Source::Registry { url } = &package.source else { return None };
    Some(file(&artifact.filename, &artifact.url, &artifact.digests, artifact.size, url))
}

/// A file as an index would list it.
pub(super) fn file(filename: &str, url: &str, digests: &[Digest], size: Option<u64>, index: &str) -> File {
    File {
        filename: filename.to_owned(),
        url: url.to_owned(),
        digests: digests.to_vec(),
        requires_python: None,
        size,
        upload_time: None,
        yanked: None,
        core_metadata: Advertised::No,
        index: index.into(),
    }
}

fn is_strange(package: &Package, freshness: &Freshness<'_>) -> bool {
    let young = |first: crate::model::Timestamp| freshness.now.as_second() - first.as_second() < YOUNG;
    !popular::is_well_known(&package.id.name) || package.first_published_at.is_some_and(young)
}
