//! `provenance-lost`: releases without an attestation whose predecessors had one go in and come out. A present
//! attestation says nothing here: it never clears anything.

use super::{Facts, Observation, Rule, changed, say};
use crate::model::{Category, Level, Package, PreviousRelease, ReleaseHistory};

/// The rule.
pub const RULE: Rule = Rule {
    name: "provenance-lost",
    default: Level::Ask,
    category: Category::SuspiciousRelease,
    about: "The release before it proved where it was built, and this one does not: it came by another way.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    changed::successors(facts)
        .filter(|(_, history, previous)| history.attested == Some(false) && previous.attested == Some(true))
        .map(|(package, history, previous)| observe(facts, package, history, previous))
        .collect()
}

fn observe(facts: &Facts<'_>, package: &Package, history: &ReleaseHistory, previous: &PreviousRelease) -> Observation {
    let message = format!(
        "{} has no attestation of its provenance, and {} had one",
        say::release(&package.id),
        say::word(&previous.version)
    );
    let observation = changed::observation(facts, package, previous, message, Level::Warn);
    match &history.publisher {
        Some(publisher) => observation.with("publisher", say::word(publisher)),
        None => observation,
    }
}
