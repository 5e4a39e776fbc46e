//! `lockfile-drift`: disagreements of manifest and lockfile go in and come out, many of one file as one.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Level, Location, LockIssue, LockIssueKind, Place};

/// More disagreements of one file than this are counted, not listed.
const FEW: usize = 5;

/// The rule.
pub const RULE: Rule = Rule {
    name: "lockfile-drift",
    default: Level::Warn,
    category: Category::Unpinned,
    about: "Manifest and lockfile disagree, so the install will change the lockfile or refuse.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut by_place: BTreeMap<&Place, Vec<&LockIssue>> = BTreeMap::new();
    for issue in facts.plan.lock_issues.iter().filter(|i| i.kind == LockIssueKind::Drift) {
        by_place.entry(&issue.location.place).or_default().push(issue);
    }
    by_place.into_iter().flat_map(|(place, issues)| observe(place, &issues)).collect()
}

/// What an issue is about, as the start of a sentence.
fn difference(issue: &LockIssue) -> String {
    let what = issue.package.as_ref().map(|id| format!("{}: ", say::word(id.name.written()))).unwrap_or_default();
    format!("{what}the manifest says {}, the lockfile {}", say::url(&issue.expected), say::url(&issue.found))
}

fn observe(place: &Place, issues: &[&LockIssue]) -> Vec<Observation> {
    let way_out = || fix::advice("bring the lockfile up to date, look at what changed, and commit it");
    if issues.len() > FEW {
        let shown: Vec<String> = issues.iter().map(|i| difference(i)).collect();
        let message = format!("manifest and lockfile disagree in {} places: {}", issues.len(), say::list(&shown, 2));
        let observation = Observation::new(message)
            .at(&Location { place: place.clone(), line: 0, column: 0 })
            .fix(way_out())
            .with("disagreements", say::texts(shown.iter().map(String::as_str)));
        return vec![observation];
    }
    let one = |issue: &&LockIssue| {
        let mut observation = Observation::new(format!("manifest and lockfile disagree: {}", difference(issue)))
            .at(&issue.location)
            .fix(way_out())
            .with("expected", say::url(&issue.expected))
            .with("found", say::url(&issue.found));
        observation.package.clone_from(&issue.package);
        observation
    };
    issues.iter().map(one).collect()
}
