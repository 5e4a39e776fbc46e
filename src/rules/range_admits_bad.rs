//! `range-admits-bad`: direct requirements that nothing pins go in; those whose range admits a known-malicious version,
//! although another was chosen today, come out.

use super::{Facts, Observation, Rule, fix, malware, say};
use crate::ecosystem::{admits, compare_versions};
use crate::model::{Category, Level, LockState, Package, Pinning};

/// The rule.
pub const RULE: Rule = Rule {
    name: "range-admits-bad",
    default: Level::Warn,
    category: Category::KnownMalware,
    about: "An unpinned requirement admits a known-malicious version, though today's resolution does not choose it.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(|p| observe(facts, p)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let open = package.direct && package.lock == LockState::Unlocked && package.pinning < Pinning::Exact;
    if !open || !package.source.is_registry() {
        return None;
    }
    let range = package.origin.range.as_deref()?;
    let ecosystem = package.id.name.ecosystem();
    let mut bad: Vec<(String, String)> = facts
        .advisories
        .malicious_versions(&package.id.name, facts.as_of)
        .into_iter()
        .filter(|(version, _)| version != "*" && admits(ecosystem, range, version) == Some(true))
        .collect();
    if bad.is_empty() || !malware::records(facts, &package.id).is_empty() {
        return None;
    }
    bad.sort_by(|(a, _), (b, _)| compare_versions(ecosystem, a, b).unwrap_or_else(|| a.cmp(b)));
    bad.dedup_by(|a, b| a.0 == b.0);
    let versions: Vec<String> = bad.iter().map(|(v, _)| say::word(v)).collect();
    let mut ids: Vec<&str> = bad.iter().map(|(_, id)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let message = format!(
        "`{}` admits {}, known malware ({}); today it is {}",
        say::requirement(package),
        say::list(&versions, 3),
        say::list(&ids.iter().map(|i| say::word(i)).collect::<Vec<_>>(), 2),
        say::word(&package.id.version),
    );
    Some(
        Observation::new(message)
            .about(package)
            .fix(fix::pin(facts, package))
            .with("malicious_versions", say::texts(bad.iter().map(|(v, _)| v.as_str())))
            .with("advisories", say::texts(ids))
            .with("resolved", say::word(&package.id.version)),
    )
}
