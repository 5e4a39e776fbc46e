//! `safety-flag`: flags, variables and project settings that switch a protection off go in and come out; those of the
//! transport belong to `insecure-transport`.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::{Flag, FlagEffect};
use crate::model::{Category, Level, Setting, SettingKind, SettingLayer};

/// The rule.
pub const RULE: Rule = Rule {
    name: "safety-flag",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "A flag, a variable or a project file switches a protection off.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = facts
        .flags()
        .filter(|f| f.effect == FlagEffect::WeakensSafety && !places::concerns_transport(&f.name))
        .map(|f| from_flag(facts, f))
        .collect();
    for setting in facts.settings {
        let weakens = setting.kind == SettingKind::WeakensSafety && !places::concerns_transport(&setting.key);
        let said = out.iter().any(|o| o.location.as_ref() == Some(&setting.location));
        if weakens && places::is_foreign(setting.layer) && !said {
            out.push(from_setting(setting));
        }
    }
    out
}

fn from_flag(facts: &Facts<'_>, flag: &Flag) -> Observation {
    let typed = fix::typed(facts, flag);
    // A negation has a value that nobody typed.
    let value = flag.value.as_deref().filter(|v| !typed.starts_with("--no-") && !matches!(*v, "1" | "true"));
    let value = value.map(|v| format!(" {}", say::word(v))).unwrap_or_default();
    Observation::new(format!("{typed}{value} switches a protection off"))
        .at(&flag.location)
        .fix(fix::drop_flag(facts, flag))
        .with("flag", say::word(&flag.name))
}

fn from_setting(setting: &Setting) -> Observation {
    let (key, value) = (say::word(&setting.key), say::word(&setting.value));
    let who = match setting.layer {
        SettingLayer::Project => "a project file",
        SettingLayer::Environment => "a variable",
        _ => "a flag",
    };
    Observation::new(format!("{who} switches a protection off: {key} = {value}"))
        .at(&setting.location)
        .fix(fix::advice(format!("remove `{key}` at {}", fix::place(&setting.location))))
        .with("flag", key)
}
