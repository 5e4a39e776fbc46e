//! `untrusted-host`: hosts and buckets that a command speaks to go in; those that nobody vouches for come out, for a person where files or data
//! go there, or a shell is opened.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "untrusted-host",
    default: Level::Note,
    category: Category::UntrustedInfrastructure,
    about: "The command speaks to a host or bucket that is neither the working directory's nor trusted.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::Network)
        .filter(|c| !c.peer.as_ref().is_some_and(|peer| conduct::trusts(facts, peer)))
        .map(|c| conduct::observed(c, "trust the host in your policy ([trust] hosts), or let a person run it"))
        .collect()
}
