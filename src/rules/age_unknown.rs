//! `age-unknown`: registry releases without a publication time go in; one observation a registry comes out, or one a
//! package when they are few.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, cooldown, say};
use crate::model::{Category, Level, LockState, Package, Source};

/// More packages of one registry than this are counted, not listed.
const FEW: usize = 3;

/// The rule.
pub const RULE: Rule = Rule {
    name: "age-unknown",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "The registry does not say when releases were published, so the freshness rules could not be applied.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    // Nobody asked how old anything is.
    if cooldown::held_back_days(facts.policy).is_none()
        && facts.policy.level(&super::new_package::RULE.info()).value == Level::Off
    {
        return Vec::new();
    }
    let mut by_registry: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    // A file that was judged by itself asked no registry: that is a gap in the signals, not a registry's silence.
    let asked = |p: &Package| !facts.audit || (p.lock == LockState::Unlocked && !p.source.url().is_empty());
    for package in facts.plan.packages.iter().filter(|p| asked(p)) {
        if let Source::Registry { url } = &package.source
            && package.published_at.is_none()
            && !cooldown::is_excluded(facts.policy, &package.id.name)
        {
            by_registry.entry(url).or_default().push(package);
        }
    }
    let mut out = Vec::new();
    for (registry, packages) in by_registry {
        // What an exception names is said by itself, so that the exception finds it.
        let (named, rest): (Vec<&Package>, Vec<&Package>) =
            packages.into_iter().partition(|p| facts.policy.exception(RULE.name, &p.id).is_some());
        out.extend(named.into_iter().map(|p| one(registry, p)));
        out.extend(observe(registry, &rest));
    }
    out
}

fn one(registry: &str, package: &Package) -> Observation {
    let shown = say::url(registry);
    let release = say::release(&package.id);
    Observation::new(format!("{shown} does not say when {release} was published"))
        .about(package)
        .with("registry", shown)
}

fn observe(registry: &str, packages: &[&Package]) -> Vec<Observation> {
    let shown = say::url(registry);
    if packages.len() <= FEW {
        return packages.iter().map(|p| one(registry, p)).collect();
    }
    let names: Vec<String> = packages.iter().map(|p| say::release(&p.id)).collect();
    let message =
        format!("{shown} does not say when {} releases were published: {}", packages.len(), say::list(&names, FEW));
    let observation = Observation::new(message)
        .with("registry", shown)
        .with("packages", i64::try_from(packages.len()).unwrap_or(i64::MAX))
        .with("examples", say::texts(names.iter().map(String::as_str)));
    vec![observation]
}
