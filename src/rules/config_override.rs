//! `config-override`: settings of the project's own files go in; those that redirect a registry or name a program to
//! run come out.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::model::{Category, Level, Setting, SettingKind, SettingLayer};

/// The rule.
pub const RULE: Rule = Rule {
    name: "config-override",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "A project file redirects the registry, or names a program that the tool will run.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.settings.iter().filter(|s| s.layer == SettingLayer::Project).filter_map(|s| observe(facts, s)).collect()
}

fn observe(facts: &Facts<'_>, setting: &Setting) -> Option<Observation> {
    let (key, value) = (say::word(&setting.key), say::url(&setting.value));
    let message = match setting.kind {
        SettingKind::Program => format!("a project file names a program to run: {key} = {value}"),
        SettingKind::Index | SettingKind::ExtraIndex | SettingKind::FindLinks => {
            let url = places::url_in(&setting.value);
            if url.is_some_and(|url| places::is_trusted(facts, url)) || stays_inside(facts, setting) {
                return None;
            }
            format!("a project file redirects where packages come from: {key} = {value}")
        }
        SettingKind::WeakensSafety => return None,
    };
    let way_out = match setting.kind {
        SettingKind::Program => {
            format!("see what it runs; without `{key}` at {} nothing does", fix::place(&setting.location))
        }
        _ => format!(
            "remove `{key}` at {}, or trust the registry in your own policy: [trust] registries",
            fix::place(&setting.location)
        ),
    };
    Some(
        Observation::new(message)
            .at(&setting.location)
            .fix(fix::advice(way_out))
            .with("key", key)
            .with("value", value)
            .with("program", setting.kind == SettingKind::Program),
    )
}

/// Whether the source is a directory of the project itself.
fn stays_inside(facts: &Facts<'_>, setting: &Setting) -> bool {
    if setting.value.contains("://") || setting.kind == SettingKind::Index {
        return false;
    }
    let beside = setting.location.path().and_then(|p| p.parent()).unwrap_or_else(|| std::path::Path::new(""));
    // Paths in Cargo's configuration are relative to the directory that holds `.cargo`.
    let base = if beside.ends_with(".cargo") { beside.parent().unwrap_or(beside) } else { beside };
    let inside = |path: &str| facts.environment.absolute(&base.join(path)).starts_with(&facts.environment.cwd);
    // `paths` is a list, written with blanks between its members.
    if setting.key == "paths" { setting.value.split(' ').all(inside) } else { inside(&setting.value) }
}
