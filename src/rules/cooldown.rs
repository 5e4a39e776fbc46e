//! `cooldown`: releases younger than the cooldown that the plan holds all the same go in (the requirement permits no
//! older one); questions with the day to wait for come out. What the resolver left out is in the plan, not here.

use super::{Facts, Observation, Rule, fix, new_package, say};
use crate::advisories::{Kind, Match};
use crate::model::{Category, Fix, FixKind, Level, Package, PackageId, PackageName, Timestamp, ago};
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

const DAY: i64 = 24 * 60 * 60;

/// How many days old a release must be for a resolver to choose it; `None` when nothing is to be left out
/// (the level is below `hold`, or the days are 0).
pub fn held_back_days(policy: &Policy) -> Option<u32> {
    let level = policy.level(&RULE.info()).value;
    let days = policy.days(RULE.name, &DAYS).value;
    (level >= Level::Hold && days > 0).then_some(days)
}

/// How many days old a release must be, whatever becomes of a younger one.
pub(super) fn days(policy: &Policy) -> u32 {
    policy.days(RULE.name, &DAYS).value
}

/// Whether the policy lets a name go without waiting.
pub fn is_excluded(policy: &Policy, name: &PackageName) -> bool {
    policy.names(RULE.name, &EXCLUDE, name).is_some()
}

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let days = days(facts.policy);
    let registry = facts.plan.packages.iter().filter(|p| p.source.is_registry());
    registry.filter_map(|package| observe(facts, package, days)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package, days: u32) -> Option<Observation> {
    let now = facts.environment.now;
    let published = package.published_at.filter(|then| new_package::within(now, *then, days))?;
    if is_excluded(facts.policy, &package.id.name) || is_security_fix(facts, &package.id) {
        return None;
    }
    let message = format!(
        "{} was published {}, and the cooldown is {}",
        say::release(&package.id),
        ago(now, published),
        say::count(usize::try_from(days).unwrap_or(usize::MAX), "day", "days"),
    );
    let until = Timestamp::from_second(published.as_second().saturating_add(i64::from(days) * DAY)).ok();
    let older = (facts.last_good)(&package.id);
    let mut observation = Observation::new(message)
        .about(package)
        .fix(way_out(facts, package, until, older.as_deref()))
        .with("published_at", published.to_string())
        .with("age_hours", now.as_second().saturating_sub(published.as_second()).max(0) / 3600)
        .with("days", i64::from(days));
    if let Some(until) = until {
        observation = observation.with("until", until.to_string());
    }
    if let Some(older) = &older {
        observation = observation.with("older", say::word(older));
    }
    Some(observation)
}

fn way_out(facts: &Facts<'_>, package: &Package, until: Option<Timestamp>, older: Option<&str>) -> Option<Fix> {
    let wait = until.map(|until| format!("wait until {until}"));
    match (wait, older) {
        (Some(wait), Some(older)) => {
            let use_older = fix::use_version(facts, package, older, "which is old enough");
            Some(Fix {
                kind: FixKind::Wait,
                text: format!("{wait}, or {}", use_older.text),
                command: use_older.command,
            })
        }
        (Some(wait), None) => Some(Fix { kind: FixKind::Wait, text: wait, command: None }),
        (None, Some(older)) => Some(fix::use_version(facts, package, older, "which is old enough")),
        (None, None) => None,
    }
}

/// Whether the release a resolver would fall back to has a vulnerability or is malware by a record that does not
/// affect this one: waiting would keep the hole open. Notices do not count.
fn is_security_fix(facts: &Facts<'_>, id: &PackageId) -> bool {
    let Some(fallback) = (facts.next_best)(id) else { return false };
    let records = |id: &PackageId| -> Vec<Match> {
        let found = facts.advisories.find(id, facts.as_of);
        found.into_iter().filter(|m| m.kind != Kind::Informational).collect()
    };
    let before = records(&PackageId::new(id.name.clone(), &fallback));
    // A young release that is itself affected by anything gains nobody's trust by fixing something else.
    !before.is_empty() && records(id).is_empty()
}
