//! `dependency-confusion`: packages that come from a public registry go in; those whose name a private registry, the
//! policy or the workspace owns come out.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::ecosystem::popular;
use crate::model::{
    Category, Level, Location, LockState, Package, Pinning, SettingLayer, Source, Unresolved, UnresolvedCause,
};

/// The rule.
pub const RULE: Rule = Rule {
    name: "dependency-confusion",
    default: Level::Deny,
    category: Category::Impersonation,
    about: "A name that a private registry or the workspace owns would come from a public registry.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let unasked = facts.plan.unresolved.iter().filter(|u| u.cause == UnresolvedCause::PrivateName);
    let of = |p| observe(facts, p).or_else(|| shared(facts, p));
    facts.plan.packages.iter().filter_map(of).chain(unasked.map(withheld)).collect()
}

/// A private name that comes from its own index, where the tool would ask a public one beside it and take the higher
/// version. A digest decides which bytes come, whoever has the name.
fn shared(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let Source::Registry { url } = &package.source else { return None };
    let public = package.also_in.iter().find(|u| places::is_default(u))?;
    let place = facts.policy.private_name(&package.id.name)?;
    if package.lock == LockState::LockedWithDigest || package.pinning == Pinning::ExactHash {
        return None;
    }
    let (name, own, other) = (say::word(package.id.name.written()), say::url(url), say::url(public));
    let message = format!("{name} is a private name ({place}): {own} has it, and {other} would be asked for it too");
    let text = "take it from one index alone: `--index-url` without an extra index, or uv's `explicit` index";
    let observation = Observation::new(message).about(package).fix(fix::advice(text));
    Some(observation.with("owner", format!("policy {place}")).with("registry", own).with("also_in", other))
}

/// A private name that only a public registry could have been asked for: the tool itself would ask it.
fn withheld(unresolved: &Unresolved) -> Observation {
    let name = unresolved.name.as_ref().map_or(unresolved.requirement.as_str(), |n| n.written());
    let message = format!("`{}` would be asked for outside: {}", say::word(name), say::sentence(&unresolved.reason));
    let text = "configure the index that has it, for this name or scope alone, in your own configuration";
    let mut observation = Observation::new(message)
        .fix(fix::advice(text))
        .with("requirement", say::sentence(&unresolved.requirement))
        .with("owner", "policy");
    observation.location.clone_from(&unresolved.location);
    observation
}

/// Who owns a name, and how sure that is.
enum Owner {
    /// A line of policy.
    Policy(Location),
    /// A member of the workspace.
    Workspace,
    /// A registry of the user's own configuration or trust that has the name too.
    Private(String),
    /// Any other configured index that has the name too.
    Other(String),
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let Source::Registry { url } = &package.source else { return None };
    // Who owns the name costs no parsing of a URL: asked first, since for nearly every package nobody does.
    let owner = owner(facts, package)?;
    if !places::is_default(url) {
        return None;
    }
    let name = say::word(package.id.name.written());
    let from = say::url(url);
    let (who, message) = match &owner {
        Owner::Policy(place) => {
            (format!("policy {place}"), format!("{name} is a private name ({place}), and would come from {from}"))
        }
        Owner::Workspace => {
            ("workspace".to_owned(), format!("{name} is a package of this workspace, and would come from {from}"))
        }
        Owner::Private(registry) | Owner::Other(registry) => {
            (say::url(registry), format!("{name} is on {} too, and would come from {from}", say::url(registry)))
        }
    };
    let text = match &owner {
        Owner::Workspace => "refer to the workspace's member by path or `workspace:`".to_owned(),
        _ => "take it from one index alone: a scope's registry, `--index-url` without an extra index, or uv's `explicit` index".to_owned(),
    };
    let observation = Observation::new(message)
        .about(package)
        .fix(fix::advice(text))
        .with("owner", who)
        .with("registry", from)
        .with("also_in", say::texts(package.also_in.iter().map(|u| u.as_str())));
    Some(match owner {
        // Who owns the name is a guess: a flag or a project may name any index, and a mirror owns nothing.
        Owner::Other(_) => observation.at_most(Level::Ask),
        _ => observation,
    })
}

fn owner(facts: &Facts<'_>, package: &Package) -> Option<Owner> {
    let name = &package.id.name;
    if let Some(place) = facts.policy.private_name(name) {
        return Some(Owner::Policy(place.clone()));
    }
    // A name typed by hand is meant as it is; and what third parties require may be this workspace, published.
    if package.direct && package.origin.location.path().is_some() && facts.workspace_names.contains(name) {
        return Some(Owner::Workspace);
    }
    let other = package.also_in.iter().find(|u| !places::is_default(u))?;
    // A mirror has every well-known name; owning none of them.
    if popular::is_well_known(name) {
        return None;
    }
    let configured = facts.settings.iter().any(|s| {
        places::names_a_source(s)
            && matches!(s.layer, SettingLayer::User | SettingLayer::System)
            && places::overlap(places::url_in(&s.value).unwrap_or(&s.value), other)
    });
    Some(if configured || facts.policy.trusts_registry(other).is_some() {
        Owner::Private(other.clone())
    } else {
        Owner::Other(other.clone())
    })
}
