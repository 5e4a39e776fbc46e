//! `credentials`: commands go in; those that read credentials come out as a note, those that send them away for a person, and to a host
//! that nobody vouches for they are refused.

use super::{Facts, Observation, Rule, conduct};
use crate::gate::conduct::Kind;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "credentials",
    default: Level::Note,
    category: Category::UntrustedInfrastructure,
    about: "The command reads credentials, or sends them away.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    conduct::of(facts, Kind::Credentials)
        .filter(|c| !(c.grave && c.peer.as_ref().is_some_and(|peer| conduct::trusts(facts, peer))))
        .map(|c| {
            let observed = conduct::observed(c, "leave the credentials out: a tool that needs them reads them itself");
            // A variable may be the token that the host itself gave out; a key or a whole environment never is.
            let token = c.secret.as_ref().is_some_and(|s| s.starts_with('$'));
            if c.grave && !token { observed.at_least(Level::Deny) } else { observed }
        })
        .collect()
}
