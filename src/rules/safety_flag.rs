//! `safety-flag`: flags, variables and project settings that switch a protection off go in and come out; those of the
//! transport belong to `insecure-transport`.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::{Flag, FlagEffect, Tool, VariableEffect, effect_of};
use crate::model::{Category, Level, Place, Setting, SettingKind, SettingLayer};

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
            out.push(from_setting(facts, setting));
        }
    }
    from_variables(facts, &mut out);
    out
}

/// Variables of the command that say whose certificates are believed, or that switch a check off.
fn from_variables(facts: &Facts<'_>, out: &mut Vec<Observation>) {
    for (invocation, name, value, place) in places::assigned(facts) {
        let shown = say::word(name);
        let what = match effect_of(name, value, invocation.tool.ecosystem()) {
            Some(VariableEffect::Authorities) => AUTHORITIES,
            Some(VariableEffect::Unprotects) => "switches a check off",
            _ => continue,
        };
        let message = format!("the command {what}: {shown} = {}", say::word(value));
        // An option that the variable stands for, or another command of the same text, may have been spoken of.
        let said = |o: &Observation| {
            o.message == message || (o.location.as_ref() == Some(&place) && o.message.contains(&say::word(value)))
        };
        if !out.iter().any(said) {
            let found = Observation::new(message).at(&place).fix(fix::without_variable(invocation, name));
            out.push(found.with("flag", shown));
        }
    }
    for invocation in facts.installing() {
        // npm's `--cert` is the client's own certificate.
        let certificates = |f: &&Flag| f.name == "--cert" && f.location.place == Place::Argv && f.value.is_some();
        for flag in
            invocation.flags.iter().filter(|_| matches!(invocation.tool, Tool::Pip | Tool::Pipx)).filter(certificates)
        {
            let (typed, value) = (fix::typed(facts, flag), say::word(flag.value.as_deref().unwrap_or_default()));
            if !out.iter().any(|o| o.location.as_ref() == Some(&flag.location)) {
                let message = format!("the command {AUTHORITIES}: {typed} {value}");
                out.push(
                    Observation::new(message).at(&flag.location).fix(fix::drop_flag(facts, flag)).with("flag", typed),
                );
            }
        }
    }
}

const AUTHORITIES: &str = "changes whose certificates are believed";

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

fn from_setting(facts: &Facts<'_>, setting: &Setting) -> Observation {
    let (key, value) = (say::word(&setting.key), say::word(&setting.value));
    let who = match setting.layer {
        SettingLayer::Project => "a project file",
        SettingLayer::Environment => "a variable",
        _ => "a flag",
    };
    let authorities = matches!(places::key(&setting.key).as_str(), "cafile" | "ca" | "ca[]" | "http.cainfo");
    let what = if authorities { AUTHORITIES } else { "switches a protection off" };
    let found = Observation::new(format!("{who} {what}: {key} = {value}"))
        .at(&setting.location)
        .fix(fix::advice(format!("remove `{key}` at {}", fix::place(&setting.location))))
        .with("flag", key);
    // Networks that look into TLS have their users believe a further authority: the caller's own choice.
    match &setting.location.place {
        Place::Environment(name) if authorities && !places::is_assigned(facts, name) => found.at_most(Level::Note),
        _ => found,
    }
}
