//! `publisher-changed`: releases and the accounts that published them and their predecessors go in; those from an account
//! that never published the project before, or from a person where a build service did, come out.

use super::{Facts, Observation, Rule, changed, cooldown, new_package, say};
use crate::model::{Category, Level, Package, PreviousRelease, ReleaseHistory};

/// The rule.
pub const RULE: Rule = Rule {
    name: "publisher-changed",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "Another account published this release than the one before it, or a person did where a build service had.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    changed::successors(facts)
        .filter_map(|(package, history, previous)| observe(facts, package, history, previous))
        .collect()
}

fn observe(
    facts: &Facts<'_>,
    package: &Package,
    history: &ReleaseHistory,
    previous: &PreviousRelease,
) -> Option<Observation> {
    let (now, before) = (history.publisher.as_ref()?, previous.publisher.as_ref()?);
    let by_hand = changed::is_automated(before) && !changed::is_automated(now);
    // Maintainers take turns, and move to a build service: both are everyday.
    let stranger = history.publisher_known != Some(true) && !changed::is_automated(now);
    if now == before || !(by_hand || stranger) {
        return None;
    }
    let message = if by_hand {
        format!(
            "{} was published by `{}`, where `{}` published {}",
            say::release(&package.id),
            say::word(now),
            say::word(before),
            say::word(&previous.version)
        )
    } else {
        format!(
            "{} was published by `{}`, who had published no release of it; {} was by `{}`",
            say::release(&package.id),
            say::word(now),
            say::word(&previous.version),
            say::word(before)
        )
    };
    let observation = changed::observation(facts, package, previous, message, Level::Note)
        .with("publisher", say::word(now))
        .with("previous_publisher", say::word(before))
        .with("by_hand", by_hand);
    let days = cooldown::days(facts.policy);
    let fresh = package.published_at.is_some_and(|then| new_package::within(facts.environment.now, then, days));
    Some(if fresh { Observation { at_most: None, ..observation }.at_least(Level::Ask) } else { observation })
}
