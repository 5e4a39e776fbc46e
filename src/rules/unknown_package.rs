//! `unknown-package`: names that no registry has go in; refusals with the nearest real names come out.

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Level, Location, Origin, Unresolved, UnresolvedCause};

/// The rule.
pub const RULE: Rule = Rule {
    name: "unknown-package",
    default: Level::Deny,
    category: Category::Impersonation,
    about: "The registry has no package of this name: whoever registers it next decides what is installed.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let unknown = facts.plan.unresolved.iter().filter(|u| u.cause == UnresolvedCause::UnknownPackage);
    unknown.map(|u| observe(facts, u)).collect()
}

fn observe(facts: &Facts<'_>, unresolved: &Unresolved) -> Observation {
    let near = unresolved.name.as_ref().map(|n| (facts.near_names)(n)).unwrap_or_default();
    let letters = say::foreign_letters(unresolved.name.as_ref().map_or(&unresolved.requirement, |n| n.written()));
    let message = match &unresolved.name {
        Some(name) => format!(
            "no package is called `{}` ({}): {}",
            say::word(name.written()),
            name.ecosystem(),
            say::sentence(&unresolved.reason)
        ),
        None => {
            format!("`{}` names no package: {}", say::word(&unresolved.requirement), say::sentence(&unresolved.reason))
        }
    };
    let origin = Origin {
        text: unresolved.requirement.clone(),
        range: unresolved.range.clone(),
        location: unresolved.location.clone().unwrap_or_else(Location::built_in),
    };
    let way_out = unresolved
        .name
        .as_ref()
        .and_then(|name| fix::rename(facts, &origin, name, &near))
        .unwrap_or_else(|| fix::advice("check the name; a name that is free can be registered by anyone"));
    let mut observation = Observation::new(message + &letters)
        .fix(way_out)
        .with("requirement", say::sentence(&unresolved.requirement))
        .with("near", say::texts(near.iter().map(String::as_str)));
    observation.location.clone_from(&unresolved.location);
    observation
}
