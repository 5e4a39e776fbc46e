//! `new-dependency`: patch and minor releases that require something their predecessors did not go in and come out; an
//! addition that is itself new is asked about.

use super::{Facts, Observation, Rule, changed, new_package, say};
use crate::model::{Category, Level, Package, PackageName, PreviousRelease};

/// The rule.
pub const RULE: Rule = Rule {
    name: "new-dependency",
    default: Level::Warn,
    category: Category::SuspiciousRelease,
    about: "A patch or minor release requires a package that the release before it did not: a way to bring in a payload without touching the code.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    changed::successors(facts)
        .filter_map(|(package, history, previous)| {
            let added = history.added_dependencies.as_deref().filter(|added| !added.is_empty())?;
            (major(&package.id.version) == major(&previous.version)).then(|| observe(facts, package, previous, added))
        })
        .collect()
}

/// The first number of a version, as text.
fn major(version: &str) -> &str {
    version.split(['.', '-', '+']).next().unwrap_or(version)
}

/// Whether the plan has a package of this name that `package` requires, and it is new.
fn is_new(facts: &Facts<'_>, package: &Package, name: &PackageName) -> bool {
    facts
        .plan
        .packages
        .iter()
        .filter(|p| p.id.name == *name && p.required_by.contains(&package.id))
        .any(|p| new_package::young_since(facts, p).is_some())
}

fn observe(facts: &Facts<'_>, package: &Package, previous: &PreviousRelease, added: &[PackageName]) -> Observation {
    let words: Vec<String> = added.iter().map(|n| say::word(n.written())).collect();
    let new: Vec<&PackageName> = added.iter().filter(|name| is_new(facts, package, name)).collect();
    let mut message = format!(
        "{} requires {}, which {} did not",
        say::release(&package.id),
        say::list(&words, 4),
        say::word(&previous.version)
    );
    if !new.is_empty() {
        let names: Vec<String> = new.iter().map(|n| say::word(n.written())).collect();
        message += &format!("; {} is itself new", say::list(&names, 4));
    }
    let observation = changed::observation(facts, package, previous, message, Level::Note)
        .with("added", say::texts(added.iter().map(PackageName::written)))
        .with("new", say::texts(new.iter().map(|n| n.written())));
    if new.is_empty() { observation } else { Observation { at_most: None, ..observation }.at_least(Level::Ask) }
}
