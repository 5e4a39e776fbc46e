//! `untrusted-registry`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "untrusted-registry",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "A flag, a variable or a project file names an index that is neither a default nor trusted.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
