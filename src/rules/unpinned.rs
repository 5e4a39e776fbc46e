//! `unpinned`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "unpinned",
    default: Level::Warn,
    category: Category::Unpinned,
    about: "A direct requirement is neither exact nor locked: what it gets changes from day to day.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
