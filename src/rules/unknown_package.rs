//! `unknown-package`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "unknown-package",
    default: Level::Deny,
    category: Category::Impersonation,
    about: "The registry has no package of this name: whoever registers it next decides what is installed.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
