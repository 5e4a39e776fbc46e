//! `age-unknown`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "age-unknown",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "The registry does not say when releases were published, so the freshness rules could not be applied.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
