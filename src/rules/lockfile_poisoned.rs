//! `lockfile-poisoned`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "lockfile-poisoned",
    default: Level::Deny,
    category: Category::UntrustedSource,
    about: "The lockfile names a URL or a digest that the registry does not vouch for.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
