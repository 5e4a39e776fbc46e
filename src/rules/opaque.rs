//! `opaque`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "opaque",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "What would be installed cannot be known before it runs.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
