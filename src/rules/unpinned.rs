//! `unpinned`: direct requirements that are neither exact nor locked go in; what each resolves to now, and how to pin
//! it, comes out. Many of one file come out as one.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Ecosystem, Fix, FixKind, Level, Location, LockState, Package, Pinning, Place, Source};

/// More requirements of one file than this are counted, not listed.
const FEW: usize = 10;

/// The rule.
pub const RULE: Rule = Rule {
    name: "unpinned",
    default: Level::Warn,
    category: Category::Unpinned,
    about: "A direct requirement is neither exact nor locked: what it gets changes from day to day.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut by_place: BTreeMap<&Place, Vec<&Package>> = BTreeMap::new();
    for package in facts.plan.packages.iter().filter(|p| is_open(p)) {
        by_place.entry(&package.origin.location.place).or_default().push(package);
    }
    let mut out = Vec::new();
    for (place, packages) in by_place {
        // What an exception names is said by itself, so that the exception finds it.
        let (named, packages): (Vec<&Package>, Vec<&Package>) =
            packages.into_iter().partition(|p| facts.policy.exception(RULE.name, &p.id).is_some());
        out.extend(named.into_iter().map(|p| one(facts, p)));
        if packages.len() > FEW && matches!(place, Place::File(_)) {
            out.push(many(facts, place, &packages));
        } else {
            out.extend(packages.into_iter().map(|p| one(facts, p)));
        }
    }
    out
}

fn is_open(package: &Package) -> bool {
    let movable = matches!(package.source, Source::Registry { .. } | Source::Git { .. });
    package.direct && movable && package.lock == LockState::Unlocked && package.pinning < Pinning::Exact
}

fn one(facts: &Facts<'_>, package: &Package) -> Observation {
    let requirement = say::requirement(package);
    let (message, way_out) = match &package.source {
        Source::Git { commit, .. } => {
            let now = commit.as_deref().map(|c| format!("; now it is {}", say::word(c))).unwrap_or_default();
            let text = match commit {
                Some(commit) => {
                    format!("write the full commit {} at {}", say::word(commit), fix::place(&package.origin.location))
                }
                None => "write a full commit instead of a branch or tag".to_owned(),
            };
            let way_out = Fix { kind: FixKind::Pin, text, command: None };
            (format!("`{requirement}` follows a branch or tag{now}"), way_out)
        }
        _ => {
            let now = say::word(&package.id.version);
            (format!("`{requirement}` is not pinned; now it is {now}"), fix::pin(facts, package))
        }
    };
    Observation::new(message)
        .about(package)
        .fix(way_out)
        .with("requirement", say::sentence(&package.origin.text))
        .with("resolved", say::word(&package.id.version))
        .with("pinning", if package.pinning == Pinning::Floating { "floating" } else { "range" })
}

fn many(facts: &Facts<'_>, place: &Place, packages: &[&Package]) -> Observation {
    let location = Location { place: place.clone(), line: 0, column: 0 };
    let examples: Vec<String> =
        packages.iter().map(|p| format!("`{}` (now {})", say::requirement(p), say::word(&p.id.version))).collect();
    let message = format!("{} requirements are not pinned: {}", packages.len(), say::list(&examples, 3));
    let ecosystem = packages.first().map_or(Ecosystem::PyPI, |p| p.id.name.ecosystem());
    let (what, command) = match ecosystem {
        Ecosystem::PyPI => ("write exact versions with hashes, or keep a lockfile", None),
        Ecosystem::Npm => ("keep a package-lock.json", Some("npm install --package-lock-only --ignore-scripts")),
        Ecosystem::CratesIo => ("keep a Cargo.lock", None),
    };
    // A command that writes the lockfile judges nothing by itself: it is offered where no command is being judged.
    let command = command.filter(|_| facts.audit).map(str::to_owned);
    Observation::new(message)
        .at(&location)
        .fix(Fix { kind: FixKind::Pin, text: what.to_owned(), command })
        .with("requirements", i64::try_from(packages.len()).unwrap_or(i64::MAX))
        .with(
            "examples",
            say::texts(packages.iter().map(|p| say::requirement(p)).collect::<Vec<_>>().iter().map(String::as_str)),
        )
}
