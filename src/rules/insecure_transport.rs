//! `insecure-transport`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "insecure-transport",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "Something is fetched without TLS, or without checking it: whoever is on the way can replace it.",
    options: &[],
    look,
};

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
