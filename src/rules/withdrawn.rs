//! `withdrawn`: releases that their registry calls yanked or deprecated go in and come out with its reason.

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Ecosystem, Level, Package};

/// The rule.
pub const RULE: Rule = Rule {
    name: "withdrawn",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "The release is yanked or deprecated.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(|p| observe(facts, p)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let reason = say::sentence(package.withdrawn.as_deref()?);
    let state = if package.id.name.ecosystem() == Ecosystem::Npm { "deprecated" } else { "yanked" };
    let release = say::release(&package.id);
    let message =
        if reason.is_empty() { format!("{release} is {state}") } else { format!("{release} is {state}: {reason}") };
    let newer = (facts.newest_good)(&package.id).filter(|v| **v != *package.id.version);
    let way_out = newer.map(|v| fix::use_version(facts, package, &v, "the newest release that is clear"));
    Some(Observation::new(message).about(package).fix(way_out).with("state", state).with("reason", reason))
}
