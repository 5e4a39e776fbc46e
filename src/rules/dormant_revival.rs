//! `dormant-revival`: recent releases of projects that had been silent for years go in and come out.

use super::{Facts, Observation, Rule, changed, fix, say};
use crate::model::{Category, Level, Package, ReleaseHistory, ago};

/// The rule.
pub const RULE: Rule = Rule {
    name: "dormant-revival",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "It is the first release after more than two silent years; abandoned accounts and domains are taken over.",
    options: &[],
    look,
};

const DAY: i64 = 24 * 60 * 60;
/// Two years.
const SILENT_DAYS: i64 = 730;
/// A revival that has stood for a year is none any more.
const RECENT_DAYS: u32 = 365;

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    changed::releases(facts).filter_map(|(package, history)| observe(facts, package, history)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package, history: &ReleaseHistory) -> Option<Observation> {
    let (published, last) = (package.published_at?, history.last_published_at?);
    let silent = published.as_second().saturating_sub(last.as_second()) / DAY;
    if silent <= SILENT_DAYS || !changed::is_recent(facts, Some(published), RECENT_DAYS) {
        return None;
    }
    let message = format!(
        "{} was published {}, after {} without a release",
        say::release(&package.id),
        ago(facts.environment.now, published),
        say::count(usize::try_from(silent / 365).unwrap_or_default(), "year", "years"),
    );
    Some(
        Observation::new(message)
            .about(package)
            .fix(fix::advice("make sure that the project is still its owner's"))
            .with("published_at", published.to_string())
            .with("last_published_at", last.to_string())
            .with("silent_days", silent),
    )
}
