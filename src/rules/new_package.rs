//! `new-package`: packages whose first release is young go in and come out.

use super::{Facts, Observation, Rule, say};
use crate::model::{Category, Level, Package, Timestamp, ago};
use crate::policy::{OptionKind, RuleOption};

const DAYS: RuleOption = RuleOption {
    key: "days",
    about: "how long ago the first release must have been",
    kind: OptionKind::Days { default: 30 },
};

/// The rule.
pub const RULE: Rule = Rule {
    name: "new-package",
    default: Level::Ask,
    category: Category::SuspiciousRelease,
    about: "The project's first release is very recent, as that of most malicious packages is.",
    options: &[DAYS],
    look,
};

const DAY: i64 = 24 * 60 * 60;

/// Whether something happened within the last `days` days (or is still to come: a registry's clock may be wrong, and
/// a moment in the future is no sign of age).
pub(super) fn within(now: Timestamp, then: Timestamp, days: u32) -> bool {
    now.as_second().saturating_sub(then.as_second()) < i64::from(days) * DAY
}

/// The moment of a package's first release, when it is young.
pub(super) fn young_since(facts: &Facts<'_>, package: &Package) -> Option<Timestamp> {
    let days = facts.policy.days(RULE.name, &DAYS).value;
    package.first_published_at.filter(|first| within(facts.environment.now, *first, days))
}

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let registry = facts.plan.packages.iter().filter(|p| p.source.is_registry());
    registry
        .filter_map(|package| {
            let first = young_since(facts, package)?;
            let now = facts.environment.now;
            let message =
                format!("the first release of {} was {}", say::word(package.id.name.written()), ago(now, first));
            Some(
                Observation::new(message)
                    .about(package)
                    .fix(super::fix::advice("make sure that this is the package you mean, and who publishes it"))
                    .with("first_published_at", first.to_string())
                    .with("age_hours", now.as_second().saturating_sub(first.as_second()).max(0) / 3600),
            )
        })
        .collect()
}
