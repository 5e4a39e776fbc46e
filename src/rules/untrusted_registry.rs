//! `untrusted-registry`: indexes that a flag, a variable or a project file names go in; those that are neither a
//! default nor trusted come out.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::{Flag, FlagEffect};
use crate::model::{Category, Ecosystem, Level, Setting, SettingLayer};

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
    for invocation in facts.invocations {
        for flag in &invocation.flags {
            let index = matches!(flag.effect, FlagEffect::Index | FlagEffect::ExtraIndex | FlagEffect::FindLinks);
            let seen = facts.settings.iter().any(|s| places::names_a_source(s) && s.location == flag.location);
            if index && !seen {
                out.extend(from_flag(facts, flag, invocation.tool.ecosystem()));
            }
        }
    }
    out
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
    let flag = facts.invocations.iter().flat_map(|i| &i.flags).find(|f| f.location == setting.location);
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
