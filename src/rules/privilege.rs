//! `privilege`: commands that ask for more rights than the user's go in; they come out, the dangerous few for a person.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "privilege",
    default: Level::Note,
    category: Category::ScopeEscalation,
    about: "The command asks for more rights than the user has.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::Privilege)
        .map(|c| conduct::observed(c, "do it without more rights, or let a person run it"))
        .collect()
}
