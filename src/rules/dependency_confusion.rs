//! `dependency-confusion`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "dependency-confusion",
    default: Level::Deny,
    category: Category::Impersonation,
    about: "A name that a private registry or the workspace owns would come from a public registry.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
