//! `non-registry-source`: packages from git, a URL or a path go in, at any depth; those outside the project come out.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::ecosystem::python::direct::full_commit;
use crate::model::{Category, Level, Package, Source};

/// The rule.
pub const RULE: Rule = Rule {
    name: "non-registry-source",
    default: Level::Ask,
    category: Category::UntrustedSource,
    about: "The package comes from git, a URL or a path outside the project, past every registry's record.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(|p| observe(facts, p)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let name = || say::package(package);
    let observation = match &package.source {
        Source::Registry { .. } | Source::Workspace { .. } => return None,
        Source::Git { url, reference, commit } => git(facts, package, url, reference.as_deref(), commit.as_deref()),
        Source::Url { url } => Observation::new(format!("{} is an archive at {}", name(), say::url(url)))
            .fix(fix::advice("take it from the registry, or fix its bytes with a hash and give it a dated exception")),
        Source::Path { path } => {
            if places::is_inside(facts, path) {
                return None;
            }
            let path = say::sentence(&path.display().to_string());
            Observation::new(format!("{} comes from {path}, outside the project", name()))
        }
    };
    Some(
        observation
            .about(package)
            .with("source", package.source.kind())
            .with("url", say::url(&package.source.url()))
            .with("depth", i64::from(package.depth)),
    )
}

fn git(facts: &Facts<'_>, package: &Package, url: &str, reference: Option<&str>, commit: Option<&str>) -> Observation {
    let name = say::package(package);
    // Only what is written down is fixed: a commit found by asking today is not.
    let pinned = reference.is_some_and(full_commit)
        || (reference != commit && commit.is_some_and(full_commit) && is_locked(package));
    let trusted = facts.policy.trusts_remote(url);
    let what = match (pinned, reference.or(commit)) {
        (true, _) => "a full commit".to_owned(),
        (false, Some(reference)) => format!("`{}`", say::word(reference)),
        (false, None) => "its default branch".to_owned(),
    };
    let observation = Observation::new(format!("{name} comes from git: {what} of {}", say::url(url)))
        .with("full_commit", pinned)
        .with("trusted_remote", trusted.is_some());
    match (pinned, trusted) {
        (true, Some(_)) => observation.at_most(Level::Warn),
        (true, None) => observation
            .fix(fix::advice("take it from the registry, or trust the remote in your policy: [trust] git-remotes")),
        (false, _) => match commit {
            Some(commit) => observation.fix(fix::advice(format!(
                "take it from the registry, or write the full commit {} at {}",
                say::word(commit),
                fix::place(&package.origin.location)
            ))),
            None => observation.fix(fix::advice("take it from the registry, or write a full commit")),
        },
    }
}

fn is_locked(package: &Package) -> bool {
    package.lock != crate::model::LockState::Unlocked
}
