//! `release-burst`: recent releases that came together with others go in; one finding for each project that published
//! several lines at once, and for each account that published many projects at once, comes out.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, changed, fix, say};
use crate::model::{Category, Level, Package, ReleaseHistory, Timestamp, ago};

/// The rule.
pub const RULE: Rule = Rule {
    name: "release-burst",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "Several release lines of one project, or many projects of one owner, appeared within an hour: so does whoever has stolen a token.",
    options: &[],
    look,
};

/// A burst that has stood for two weeks was none.
const RECENT_DAYS: u32 = 14;
const HOUR: i64 = 60 * 60;
/// What is many.
const MANY: usize = 5;

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let recent: Vec<(&Package, &ReleaseHistory, Timestamp)> = changed::releases(facts)
        .filter_map(|(package, history)| Some((package, history, package.published_at?)))
        .filter(|(_, _, published)| changed::is_recent(facts, Some(*published), RECENT_DAYS))
        .collect();
    let lines = recent.iter().filter_map(|(package, history, published)| lines(facts, package, history, *published));
    lines.chain(owners(facts, &recent)).collect()
}

fn lines(facts: &Facts<'_>, package: &Package, history: &ReleaseHistory, published: Timestamp) -> Option<Observation> {
    if history.within_hour.is_empty() {
        return None;
    }
    let others: Vec<String> = history.within_hour.iter().map(|v| say::word(v)).collect();
    let message = format!(
        "{} was published {}, within an hour of {}: other release lines of the same project",
        say::release(&package.id),
        ago(facts.environment.now, published),
        say::list(&others, 4),
    );
    Some(
        Observation::new(message)
            .about(package)
            .fix(fix::advice("wait until its owner has said why"))
            .with("published_at", published.to_string())
            .with("within_hour", say::texts(history.within_hour.iter().map(String::as_str))),
    )
}

/// Whose release it is: the account, and for a build service, whose name says nothing, the scope.
fn owner(package: &Package, history: &ReleaseHistory) -> Option<String> {
    let publisher = history.publisher.as_ref()?;
    if !changed::is_automated(publisher) {
        return Some(publisher.clone());
    }
    let (scope, _) = package.id.name.written().split_once('/')?;
    Some(scope.to_owned())
}

fn owners(facts: &Facts<'_>, recent: &[(&Package, &ReleaseHistory, Timestamp)]) -> Vec<Observation> {
    let mut by_owner: BTreeMap<String, Vec<(Timestamp, &Package)>> = BTreeMap::new();
    for (package, history, published) in recent {
        if let Some(owner) = owner(package, history) {
            by_owner.entry(owner).or_default().push((*published, package));
        }
    }
    by_owner.into_iter().filter_map(|(owner, releases)| burst(facts, &owner, releases)).collect()
}

fn burst(facts: &Facts<'_>, owner: &str, mut releases: Vec<(Timestamp, &Package)>) -> Option<Observation> {
    releases.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    let names = |from: usize| -> Vec<String> {
        let start = releases.get(from).map_or(0, |r| r.0.as_second());
        let near = releases.iter().skip(from).take_while(|(then, _)| then.as_second().saturating_sub(start) <= HOUR);
        let mut names: Vec<String> = near.map(|(_, p)| say::word(p.id.name.written())).collect();
        names.sort();
        names.dedup();
        names
    };
    let (from, largest) = (0..releases.len())
        .map(|from| (from, names(from)))
        .max_by_key(|(from, n)| (n.len(), std::cmp::Reverse(*from)))?;
    let (first, package) = releases.get(from).filter(|_| largest.len() >= MANY)?;
    let message = format!(
        "{} of `{}` were published within one hour, {}: {}",
        say::count(largest.len(), "package", "packages"),
        say::word(owner),
        ago(facts.environment.now, *first),
        say::list(&largest, 3),
    );
    Some(
        Observation::new(message)
            .at(&package.origin.location)
            .fix(fix::advice("wait until their owner has said why"))
            .with("owner", say::word(owner))
            .with("packages", say::texts(largest.iter().map(String::as_str)))
            .with("published_at", first.to_string()),
    )
}
