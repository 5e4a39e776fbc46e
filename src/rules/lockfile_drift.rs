//! `lockfile-drift`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "lockfile-drift",
    default: Level::Warn,
    category: Category::Unpinned,
    about: "Manifest and lockfile disagree, so the install will change the lockfile or refuse.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
