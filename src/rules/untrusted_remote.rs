//! `untrusted-remote`: git remotes that a command pushes to, sets or fetches from go in; those that are neither the working directory's nor
//! trusted come out, for a person where the command writes to them or keeps them.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "untrusted-remote",
    default: Level::Note,
    category: Category::UntrustedInfrastructure,
    about: "The command uses a git remote that is neither the working directory's nor trusted.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::Remote)
        .filter(|c| !c.peer.as_ref().is_some_and(|peer| conduct::trusts_remote(facts, peer)))
        .map(|c| conduct::observed(c, "trust the remote in your policy ([trust] git-remotes), or let a person run it"))
        .collect()
}
