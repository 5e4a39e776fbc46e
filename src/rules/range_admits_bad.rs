//! `range-admits-bad`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "range-admits-bad",
    default: Level::Warn,
    category: Category::KnownMalware,
    about: "An unpinned requirement admits a known-malicious version, though today's resolution does not choose it.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
