//! `cooldown`: (being written)

use super::{Facts, Observation, Rule};
use crate::model::{Category, Level, PackageName};
use crate::policy::{OptionKind, Policy, RuleOption};

const DAYS: RuleOption =
    RuleOption { key: "days", about: "how old a release must be", kind: OptionKind::Days { default: 7 } };
const EXCLUDE: RuleOption =
    RuleOption { key: "exclude", about: "names that need not wait, as globs", kind: OptionKind::Names };

/// The rule.
pub const RULE: Rule = Rule {
    name: "cooldown",
    default: Level::Hold,
    category: Category::SuspiciousRelease,
    about: "The release is younger than the cooldown; most malicious releases are found within days.",
    options: &[DAYS, EXCLUDE],
    look,
};

/// How many days old a release must be for a resolver to choose it; `None` when nothing is to be left out
/// (the level is below `hold`, or the days are 0).
pub fn held_back_days(policy: &Policy) -> Option<u32> {
    let level = policy.level(&RULE.info()).value;
    let days = policy.days(RULE.name, &DAYS).value;
    (level >= Level::Hold && days > 0).then_some(days)
}

/// Whether the policy lets a name go without waiting.
pub fn is_excluded(policy: &Policy, name: &PackageName) -> bool {
    policy.names(RULE.name, &EXCLUDE, name).is_some()
}

fn look(_facts: &Facts<'_>) -> Vec<Observation> {
    Vec::new()
}
