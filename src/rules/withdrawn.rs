//! `withdrawn`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "withdrawn",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "The release is yanked or deprecated.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
