//! `history-loss`: commands of version control go in; those that take commits, refs or work away come out.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "history-loss",
    default: Level::Note,
    category: Category::ScopeEscalation,
    about: "The command takes commits, refs or uncommitted work away.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::History)
        .map(|c| {
            conduct::observed(
                c,
                "keep what is there: a new commit or branch, or `--force-with-lease` on a branch of your own",
            )
        })
        .collect()
}
