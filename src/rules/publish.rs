//! `publish`: commands go in; those that make something public come out.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "publish",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "The command makes a release, an image or a repository public.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::Publish)
        .map(|c| conduct::observed(c, "what is public cannot be taken back: a person runs it"))
        .collect()
}
