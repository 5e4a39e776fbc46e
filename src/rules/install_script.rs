//! `install-script`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "install-script",
    default: Level::Note,
    category: Category::ExecutesCode,
    about: "The package runs code of its own while it is installed.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
