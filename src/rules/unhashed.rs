//! `unhashed`: packages whose version is exact but whose bytes nothing fixes go in; one observation a file comes out,
//! or one a package when they are few.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Ecosystem, Level, Location, LockState, Package, Pinning, Place, Source};

/// More packages of one file than this are counted, not listed.
const FEW: usize = 3;

/// The rule.
pub const RULE: Rule = Rule {
    name: "unhashed",
    default: Level::Note,
    category: Category::Unpinned,
    about: "The version is exact, but nothing fixes its bytes.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut by_place: BTreeMap<&Place, Vec<&Package>> = BTreeMap::new();
    for package in &facts.plan.packages {
        if is_unhashed(package) {
            by_place.entry(&package.origin.location.place).or_default().push(package);
        }
    }
    let mut out = Vec::new();
    for (place, packages) in by_place {
        // What an exception names is said by itself, so that the exception finds it.
        let (named, rest): (Vec<&Package>, Vec<&Package>) =
            packages.into_iter().partition(|p| facts.policy.exception(RULE.name, &p.id).is_some());
        out.extend(named.into_iter().map(one));
        out.extend(observe(place, &rest));
    }
    out
}

fn is_unhashed(package: &Package) -> bool {
    match (&package.source, package.lock) {
        (Source::Git { .. } | Source::Path { .. } | Source::Workspace { .. }, _) | (_, LockState::LockedWithDigest) => {
            false
        }
        (_, LockState::Locked) => true,
        (Source::Registry { .. }, LockState::Unlocked) => package.direct && package.pinning == Pinning::Exact,
        (Source::Url { .. }, LockState::Unlocked) => package.pinning < Pinning::ExactHash,
    }
}

fn advice(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::PyPI => {
            "add `--hash=sha256:…` to each requirement (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`)"
        }
        Ecosystem::Npm => "keep a lockfile with `integrity`",
        Ecosystem::CratesIo => "keep a Cargo.lock with checksums",
    }
}

fn one(package: &Package) -> Observation {
    Observation::new(format!("{} has no hash or integrity", say::package(package)))
        .about(package)
        .fix(fix::advice(advice(package.id.name.ecosystem())))
}

fn observe(place: &Place, packages: &[&Package]) -> Vec<Observation> {
    if packages.len() <= FEW {
        return packages.iter().map(|p| one(p)).collect();
    }
    let names: Vec<String> = packages.iter().map(|p| say::package(p)).collect();
    let message = format!("{} packages have no hash or integrity: {}", packages.len(), say::list(&names, FEW));
    let ecosystem = packages.first().map_or(Ecosystem::PyPI, |p| p.id.name.ecosystem());
    let observation = Observation::new(message)
        .at(&Location { place: place.clone(), line: 0, column: 0 })
        .fix(fix::advice(advice(ecosystem)))
        .with("packages", i64::try_from(packages.len()).unwrap_or(i64::MAX))
        .with("examples", say::texts(names.iter().map(String::as_str)));
    vec![observation]
}
