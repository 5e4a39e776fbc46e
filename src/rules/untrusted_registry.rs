//! `untrusted-registry`: indexes that a flag, a variable or a project file names, and registries that the plan would
//! use, go in; those that are neither a default nor trusted nor the user's own come out.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::{Flag, FlagEffect};
use crate::model::{Category, Ecosystem, Level, Package, Setting, SettingLayer, Source, Value};
use crate::policy::registry_url;

/// The rule.
pub const RULE: Rule = Rule {
    name: "untrusted-registry",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "A flag, a variable or a project file names an index that is neither a default nor trusted.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = facts
        .settings
        .iter()
        .filter(|s| places::is_foreign(s.layer) && places::names_a_source(s))
        .filter_map(|s| from_setting(facts, s))
        .collect();
    // A flag that no reader of settings has turned into one is weighed as it stands.
    for invocation in facts.installing() {
        for flag in &invocation.flags {
            let index = matches!(flag.effect, FlagEffect::Index | FlagEffect::ExtraIndex | FlagEffect::FindLinks);
            let seen = facts.settings.iter().any(|s| places::names_a_source(s) && s.location == flag.location);
            if index && !seen {
                out.extend(from_flag(facts, flag, invocation.tool.ecosystem()));
            }
        }
    }
    let mut unnamed = from_plan(facts, &out);
    out.append(&mut unnamed);
    out
}

/// Registries that the plan would use and that nothing above speaks of: a lockfile or manifest brought them in.
fn from_plan(facts: &Facts<'_>, said: &[Observation]) -> Vec<Observation> {
    let mut by_registry: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &facts.plan.packages {
        if let Source::Registry { url } = &package.source
            && registry_url(url).is_some()
            && !places::is_trusted(facts, url)
        {
            by_registry.entry(url).or_default().push(package);
        }
    }
    let named = |url: &str| {
        let of_user = facts.settings.iter().filter(|s| !places::is_foreign(s.layer) && places::names_a_source(s));
        let reported = said.iter().filter_map(|o| match o.evidence.get("registry") {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        of_user
            .map(|s| places::url_in(&s.value).unwrap_or(&s.value))
            .chain(reported)
            .any(|known| places::overlap(known, url))
    };
    by_registry.retain(|url, _| !named(url));
    let one = |(url, packages): (&str, Vec<&Package>)| {
        let names: Vec<String> = packages.iter().map(|p| say::release(&p.id)).collect();
        let shown = say::url(url);
        let message = format!("{shown} is not trusted, and would serve {}", say::list(&names, 3));
        let mut observation = Observation::new(message)
            .fix(fix::advice("take it from a registry of your own configuration, or trust this one in your policy: [trust] registries"))
            .with("registry", shown)
            .with("packages", say::texts(names.iter().map(String::as_str)));
        observation.location = packages.first().map(|p| p.origin.location.clone());
        observation
    };
    by_registry.into_iter().map(one).collect()
}

fn from_setting(facts: &Facts<'_>, setting: &Setting) -> Option<Observation> {
    let url = places::url_in(&setting.value)?;
    if places::is_trusted(facts, url) || is_local(url) {
        return None;
    }
    let who = match setting.layer {
        SettingLayer::Project => "a project file",
        SettingLayer::Environment => "a variable",
        _ => "a flag",
    };
    let shown = say::url(url);
    let observation = Observation::new(format!("{who} names an index that is not trusted: {shown}"))
        .at(&setting.location)
        .with("key", say::word(&setting.key))
        .with("registry", shown);
    let flag = facts.flags().find(|f| f.location == setting.location);
    let mut way_out = match flag {
        Some(flag) => fix::drop_flag(facts, flag),
        None => fix::advice(format!("remove `{}` at {}", say::word(&setting.key), fix::place(&setting.location))),
    };
    way_out.text.push_str(TRUST);
    Some(observation.fix(way_out))
}

const TRUST: &str = ", or trust it in your own policy: [trust] registries";

fn from_flag(facts: &Facts<'_>, flag: &Flag, ecosystem: Option<Ecosystem>) -> Option<Observation> {
    let value = flag.value.as_deref()?;
    let url = match places::url_in(value) {
        Some(url) if places::is_trusted(facts, url) || is_local(url) => return None,
        Some(url) => url,
        // cargo's `--registry NAME` names one that a configuration file defines; a page or directory of archives on
        // this machine is the user's own.
        None if ecosystem == Some(Ecosystem::CratesIo) || flag.effect == FlagEffect::FindLinks => return None,
        None => value,
    };
    let shown = say::url(url);
    let mut way_out = fix::drop_flag(facts, flag);
    way_out.text.push_str(TRUST);
    Some(
        Observation::new(format!("{} names an index that is not trusted: {shown}", say::word(&flag.name)))
            .at(&flag.location)
            .fix(way_out)
            .with("key", say::word(&flag.name))
            .with("registry", shown),
    )
}

/// A directory of this machine, as a URL.
fn is_local(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}
