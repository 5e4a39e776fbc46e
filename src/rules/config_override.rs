//! `config-override`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "config-override",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "A project file redirects the registry, or names a program that the tool will run.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
