//! `new-package`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "new-package",
    default: Level::Ask,
    category: Category::SuspiciousRelease,
    about: "The project's first release is very recent, as that of most malicious packages is.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
