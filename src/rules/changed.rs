//! What the rules about sudden change share: which packages have a past to compare with, how long a change stays news,
//! and the way back.

use super::{Facts, Observation, fix, new_package};
use crate::model::{Fix, Level, Package, PreviousRelease, ReleaseHistory, Timestamp};

/// A change that has stood for this long has been seen by many: it weighs one level less.
const SETTLED_DAYS: u32 = 90;

/// The releases of registries of which something earlier is known.
pub(super) fn releases<'f>(facts: &Facts<'f>) -> impl Iterator<Item = (&'f Package, &'f ReleaseHistory)> + use<'f> {
    let registry = facts.plan.packages.iter().filter(|p| p.source.is_registry());
    registry.filter_map(|package| Some((package, package.history.as_deref()?)))
}

/// Those of which the previous release is known.
pub(super) fn successors<'f>(
    facts: &Facts<'f>,
) -> impl Iterator<Item = (&'f Package, &'f ReleaseHistory, &'f PreviousRelease)> + use<'f> {
    releases(facts).filter_map(|(package, history)| Some((package, history, history.previous.as_ref()?)))
}

/// Whether a release is younger than so many days; one without a time may be.
pub(super) fn is_recent(facts: &Facts<'_>, published: Option<Timestamp>, days: u32) -> bool {
    published.is_none_or(|then| new_package::within(facts.environment.now, then, days))
}

/// An observation about a change, with the ceiling that an old change has, the previous version and the way back.
pub(super) fn observation(
    facts: &Facts<'_>,
    package: &Package,
    previous: &PreviousRelease,
    message: String,
    settled: Level,
) -> Observation {
    let observation = Observation::new(message)
        .about(package)
        .fix(way_back(facts, package))
        .with("previous", super::say::word(&previous.version));
    if is_recent(facts, package.published_at, SETTLED_DAYS) { observation } else { observation.at_most(settled) }
}

fn way_back(facts: &Facts<'_>, package: &Package) -> Fix {
    match (facts.last_good)(&package.id) {
        Some(older) => fix::use_version(facts, package, &older, "the newest release before it that is clear"),
        None => fix::advice("look at what changed in this release before you install it"),
    }
}

/// Whether an account is a build service or a bot rather than a person.
pub(super) fn is_automated(publisher: &str) -> bool {
    const SERVICES: [&str; 6] = ["github actions", "gitlab", "circleci", "travis", "buildkite", "semantic-release"];
    let lower = publisher.to_lowercase();
    SERVICES.iter().any(|s| lower.contains(s))
        || lower.split(|c: char| !c.is_alphanumeric()).any(|w| w == "bot" || w == "ci")
}
