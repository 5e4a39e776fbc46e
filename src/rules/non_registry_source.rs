//! `non-registry-source`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "non-registry-source",
    default: Level::Ask,
    category: Category::UntrustedSource,
    about: "The package comes from git, a URL or a path outside the project, past every registry's record.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
