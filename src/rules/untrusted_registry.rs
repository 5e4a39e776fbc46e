//! `untrusted-registry`: indexes that a flag, a variable or a project file names, and registries that the plan would
//! use, go in; those that are neither a default nor trusted nor the user's own come out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// Places that would serve packages of the plan and that nothing above speaks of: a lockfile, a manifest or a
/// directory outside the project brought them in.
fn from_plan(facts: &Facts<'_>, said: &[Observation]) -> Vec<Observation> {
    let mut by_place: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
    // Most packages share one registry.
    let mut trusted: Option<&str> = None;
    for package in &facts.plan.packages {
        let registry = match &package.source {
            Source::Registry { url } if !url.is_empty() => Some(url.as_str()),
            _ => None,
        };
        if registry.is_some() && registry == trusted {
            continue;
        }
        for place in places_of(package) {
            let foreign = match local_path(&place) {
                Some(path) => !places::is_inside(facts, &path),
                None => !places::is_trusted(facts, &place) && registry_url(&place).is_some(),
            };
            if !foreign {
                trusted = registry.or(trusted);
                continue;
            }
            let packages = by_place.entry(place).or_default();
            if packages.last().is_none_or(|last| last.id != package.id) {
                packages.push(package);
            }
        }
    }
    let named = |place: &str| {
        let of_user = facts.settings.iter().filter(|s| !places::is_foreign(s.layer) && places::names_a_source(s));
        let reported = said.iter().filter_map(|o| match o.evidence.get("registry") {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        of_user.map(|s| s.value.as_str()).chain(reported).any(|known| match local_path(place) {
            Some(path) => is_end_of(known, &path),
            None => places::overlap(places::url_in(known).unwrap_or(known), place),
        })
    };
    by_place.retain(|place, _| !named(place));
    let one = |(place, packages): (String, Vec<&Package>)| {
        let names: Vec<String> = packages.iter().map(|p| say::release(&p.id)).collect();
        let shown = say::url(&place);
        let message = format!("{shown} is not trusted, and would serve {}", say::list(&names, 3));
        let text = format!("take it from a registry of your own configuration{TRUST}");
        let mut observation = Observation::new(message)
            .fix(fix::advice(text))
            .with("registry", shown)
            .with("packages", say::texts(names.iter().map(String::as_str)));
        observation.location = packages.first().map(|p| p.origin.location.clone());
        observation
    };
    by_place.into_iter().map(one).collect()
}

/// The registry of a package; where a lockfile does not name one, the hosts of its artifacts.
fn places_of(package: &Package) -> Vec<String> {
    match &package.source {
        Source::Registry { url } if !url.is_empty() => vec![url.clone()],
        Source::Registry { .. } => {
            let untrusted = package.artifacts.iter().filter(|a| !places::is_default(&a.url));
            let origin = |url: &str| registry_url(url).map(|u| u.origin().ascii_serialization());
            let mut origins: Vec<String> = untrusted.filter_map(|a| origin(&a.url)).collect();
            origins.sort_unstable();
            origins.dedup();
            origins
        }
        _ => Vec::new(),
    }
}

/// The path of a directory of archives: a `file:` URL or an absolute path.
fn local_path(place: &str) -> Option<PathBuf> {
    if is_local(place) {
        let url = url::Url::parse(place).ok()?;
        return url.to_file_path().ok();
    }
    Some(PathBuf::from(place)).filter(|p| p.is_absolute())
}

/// Whether a setting's value (`~/wheels`, `wheels`, `file:///srv/wheels`) ends a path.
fn is_end_of(value: &str, path: &Path) -> bool {
    let value =
        local_path(value).unwrap_or_else(|| PathBuf::from(value.trim_start_matches("~/").trim_start_matches("./")));
    !value.as_os_str().is_empty() && path.ends_with(value)
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
