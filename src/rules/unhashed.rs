//! `unhashed`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "unhashed",
    default: Level::Note,
    category: Category::Unpinned,
    about: "The version is exact, but nothing fixes its bytes.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
