//! What the end of a search says: why there is no solution, what of one cannot be used, what the cooldown held back.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::locked::Adopted;
use super::solve::{Failure, ProblemKind, Solution};
use super::unfetched;
use super::universe::{PackageIx, SourceEntry, Universe, Young};
use crate::model::{Ecosystem, HeldBack, PackageName, Unresolved, UnresolvedCause};

/// What stands against a solution.
pub(super) fn unsolved(universe: &mut Universe<'_>, failure: Failure) -> Unresolved {
    let label = |universe: &Universe<'_>, p: PackageIx| {
        universe.packages.get(p).map(|p| format!("{} {}", p.name, p.version)).unwrap_or_default()
    };
    match failure {
        Failure::Conflict { from, dependency, with, no_candidates } => {
            let by = label(universe, from);
            let (cause, reason) = if no_candidates {
                (
                    UnresolvedCause::NoMatchingVersion,
                    format!("no release fits `{}`, required by {by}", dependency.line()),
                )
            } else {
                let with: Vec<String> = with.into_iter().take(8).map(|p| label(universe, p)).collect();
                let beside = if with.is_empty() { String::new() } else { format!(" beside {}", with.join(", ")) };
                (
                    UnresolvedCause::Conflict,
                    format!("no release that fits `{}` (required by {by}) can be chosen{beside}", dependency.line()),
                )
            };
            Unresolved {
                requirement: dependency.line(),
                name: Some(PackageName::new(Ecosystem::CratesIo, &dependency.name)),
                range: Some(dependency.text.to_string()),
                location: dependency.origin.as_ref().map(|o| o.location.clone()),
                cause,
                reason,
            }
        }
        Failure::MissingFeature { package, feature } => Unresolved {
            requirement: feature.to_string(),
            name: universe.packages.get(package).map(|p| PackageName::new(Ecosystem::CratesIo, &p.name)),
            range: None,
            location: None,
            cause: UnresolvedCause::NoMatchingVersion,
            reason: format!("{} has no feature `{feature}`", label(universe, package)),
        },
        Failure::Limit => Unresolved {
            requirement: "Cargo.toml".to_owned(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::LimitExceeded,
            reason: "the resolution takes too many steps".to_owned(),
        },
    }
}

/// Requirements that were left out.
pub(super) fn problems(universe: &Universe<'_>, solution: &Solution) -> Vec<Unresolved> {
    let mut out = Vec::new();
    for problem in solution.problems.iter().filter(|p| solution.packages.contains(&p.from)) {
        let dependency = &problem.dependency;
        let location = dependency.origin.as_ref().map(|o| o.location.clone());
        match &problem.kind {
            ProblemKind::Fetch(error) => {
                out.push(unfetched(&dependency.line(), &dependency.name, Some(&dependency.text), location, error));
            }
            ProblemKind::NoVersion => {
                let by = universe.packages.get(problem.from).map(|p| p.name.to_string()).unwrap_or_default();
                out.push(Unresolved {
                    requirement: dependency.line(),
                    name: Some(PackageName::new(Ecosystem::CratesIo, &dependency.name)),
                    range: Some(dependency.text.to_string()),
                    location,
                    cause: UnresolvedCause::NoMatchingVersion,
                    reason: format!("no release fits the requirement of {by}"),
                });
            }
        }
    }
    out
}

/// Git packages whose manifests no lockfile knew: what they bring in is not known.
pub(super) fn opaque(universe: &Universe<'_>, solution: &Solution) -> Vec<Unresolved> {
    let mut out = Vec::new();
    for &package in &solution.packages {
        let Some(p) = universe.packages.get(package) else { continue };
        let Some(SourceEntry::Git(id)) = universe.sources.get(p.source) else { continue };
        if !p.is_opaque() || id.precise.is_some() {
            continue;
        }
        let edge = solution.edges.iter().find(|e| e.to == package);
        out.push(Unresolved {
            requirement: edge.map_or_else(|| p.name.to_string(), |e| e.dependency.line()),
            name: Some(PackageName::new(Ecosystem::CratesIo, &p.name)),
            range: None,
            location: edge.and_then(|e| e.dependency.origin.as_ref()).map(|o| o.location.clone()),
            cause: UnresolvedCause::NeedsExecution,
            reason: "what a git dependency brings in is known only from a checkout of it".to_owned(),
        });
    }
    out
}

/// For each choice, the newest release that the same requirement permits and the cooldown hid.
pub(super) fn held_back(universe: &mut Universe<'_>, solution: &Solution, adopted: &Adopted) -> Vec<HeldBack> {
    if universe.young != Young::Hidden {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    universe.young = Young::Ordinary;
    universe.forget();
    for edge in &solution.edges {
        let dependency = &edge.dependency;
        if dependency.locked.is_some() || adopted.nodes.values().any(|p| *p == edge.to) {
            continue;
        }
        if !seen.insert((edge.to, Rc::clone(&dependency.text))) {
            continue;
        }
        let Ok(candidates) = universe.query(dependency) else { continue };
        let hidden = universe.hidden(&dependency.name, &candidates);
        let chosen = universe.version(edge.to).cloned();
        let newest = candidates
            .iter()
            .zip(hidden)
            .filter(|(c, hidden)| *hidden && universe.version(**c) > chosen.as_ref())
            .map(|(c, _)| *c)
            .max_by(|a, b| universe.version(*a).cmp(&universe.version(*b)));
        if let Some(newest) = newest {
            out.push(HeldBack {
                name: PackageName::new(Ecosystem::CratesIo, &dependency.name),
                version: universe.version(newest).map(ToString::to_string).unwrap_or_default(),
                instead: chosen.map(|v| v.to_string()),
                rule: "cooldown",
                reason: universe.age_text(newest),
            });
        }
    }
    universe.young = Young::Hidden;
    universe.forget();
    out
}
