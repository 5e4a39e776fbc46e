//! `typosquat`: names that look like a much better known one go in; those whose project is young enough to have been
//! made for that come out.

use super::{Facts, Observation, Rule, fix, malware, new_package, say};
use crate::ecosystem::imitation::{Imitation, Likeness, imitates};
use crate::model::{Category, Level, LockState, Package, ago};

/// The rule.
pub const RULE: Rule = Rule {
    name: "typosquat",
    default: Level::Ask,
    category: Category::Impersonation,
    about: "The name looks like that of a much better known package, and the project is not old enough to be more than that.",
    options: &[],
    look,
};

/// A project with more releases than this over more than [`SETTLED_DAYS`] is a project, not a trap.
const MANY_RELEASES: usize = 30;
const SETTLED_DAYS: u32 = 180;

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(|package| observe(facts, package)).collect()
}

/// The days within which the first release must have been, by how alike the names are: words around a name are
/// everyday, a changed letter is not; and what a known package requires, its owner chose. Nobody's finger slipped where
/// a package requires the next of a name (`httpx2`).
fn window(found: &Imitation, package: &Package) -> u32 {
    let spelt_alike = matches!(found.how, Likeness::Homoglyph | Likeness::Separator | Likeness::Scope | Likeness::Edit);
    let rest = package.id.name.canonical().strip_prefix(found.of);
    let next = !package.direct && rest.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()));
    match (spelt_alike && !next, package.direct) {
        (true, true) => 730,
        (true, false) => 365,
        (false, true) => 180,
        (false, false) => 30,
    }
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    // What can be told without looking at the name: most packages are old.
    if !package.source.is_registry() || !is_plausible(facts, package, 730) || !malware::is_public(facts, package) {
        return None;
    }
    let found = imitates(&package.id.name)?;
    is_plausible(facts, package, window(&found, package))
        .then(|| say_so(facts, package, &found))
        .filter(|_| package.first_published_at.is_some() || found.how < Likeness::Affix)
}

/// Whether the project is young. Where no registry tells, only what a person typed is asked about.
fn is_plausible(facts: &Facts<'_>, package: &Package, days: u32) -> bool {
    let Some(first) = package.first_published_at else {
        return package.direct && package.lock == LockState::Unlocked;
    };
    let within = |days| new_package::within(facts.environment.now, first, days);
    let releases = package.history.as_ref().map_or(0, |h| h.releases);
    within(days) && (within(SETTLED_DAYS) || releases <= MANY_RELEASES)
}

fn say_so(facts: &Facts<'_>, package: &Package, found: &Imitation) -> Observation {
    let name = &package.id.name;
    let how = match found.how {
        Likeness::Elsewhere => format!("has the name of a well-known package of {}", found.ecosystem),
        how => format!("looks like `{}` ({})", found.of, how.word()),
    };
    let age = match package.first_published_at {
        Some(first) => format!("its first release was {}", ago(facts.environment.now, first)),
        None => "the registry does not say how old it is".to_owned(),
    };
    let message = format!("`{}` {how}, and {age}", say::word(name.written()));
    let near: &[String] = &if found.how == Likeness::Elsewhere { Vec::new() } else { vec![found.of.to_owned()] };
    let way_out = fix::rename(facts, &package.origin, name, near).filter(|_| package.direct);
    let mut observation = Observation::new(message)
        .about(package)
        .fix(
            way_out.unwrap_or_else(|| fix::advice("make sure that this is the package you mean, and who publishes it")),
        )
        .with("imitates", found.of)
        .with("likeness", found.how.word());
    if let Some(first) = package.first_published_at {
        observation = observation.with("first_published_at", first.to_string());
    }
    observation
}
