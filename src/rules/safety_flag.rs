//! `safety-flag`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "safety-flag",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "A flag, a variable or a project file switches a protection off.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
