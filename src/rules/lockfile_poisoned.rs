//! `lockfile-poisoned`: locked URLs, digests and releases that the registry does not vouch for go in; refusals come out.

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Level, LockIssue, LockIssueKind};

/// The rule.
pub const RULE: Rule = Rule {
    name: "lockfile-poisoned",
    default: Level::Deny,
    category: Category::UntrustedSource,
    about: "The lockfile names a URL or a digest that the registry does not vouch for.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.lock_issues.iter().filter_map(observe).collect()
}

fn observe(issue: &LockIssue) -> Option<Observation> {
    let release = issue.package.as_ref().map_or_else(|| "a package".to_owned(), say::release);
    let (expected, found) = (say::url(&issue.expected), say::url(&issue.found));
    let (kind, message) = match issue.kind {
        LockIssueKind::Drift => return None,
        LockIssueKind::ForeignUrl => (
            "foreign-url",
            format!("{release} is locked to {found}, which is not where its registry has it ({expected})"),
        ),
        LockIssueKind::DigestMismatch => {
            ("digest-mismatch", format!("{release} is locked to the digest {found}, and the registry has {expected}"))
        }
        LockIssueKind::UnknownRelease => {
            ("unknown-release", format!("{release} is locked, and the registry has no such release"))
        }
        LockIssueKind::NameMismatch => {
            ("name-mismatch", format!("{release} is locked to the archive of another package: {found}"))
        }
    };
    let text = format!(
        "see who wrote this line and when, then remove the entry at {} and lock it again",
        fix::place(&issue.location)
    );
    let mut observation = Observation::new(message)
        .at(&issue.location)
        .fix(fix::advice(text))
        .with("issue", kind)
        .with("expected", expected)
        .with("found", found);
    observation.package.clone_from(&issue.package);
    Some(observation)
}
