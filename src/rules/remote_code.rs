//! `remote-code`: commands go in; those that run what they fetch come out, unless the policy trusts the host.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "remote-code",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "The command runs code that it fetches, unread.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::RemoteCode)
        .filter(|c| !c.peer.as_ref().is_some_and(|peer| conduct::trusts(facts, peer)))
        .map(|c| conduct::observed(c, "fetch it into a file, read it, and run that"))
        .collect()
}
