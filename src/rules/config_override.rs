//! `config-override`: settings of the project's files, and flags and variables of the command, go in; those that
//! redirect a registry or a connection, or name a program to run, come out.
//!
//! What a variable of the caller's own does is the caller's choice, and a note: `RUSTC_WRAPPER=sccache` in a shell's
//! start file is no part of the command.

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::{Invocation, VariableEffect, effect_of};
use crate::model::{Category, Level, Location, Place, Setting, SettingKind, SettingLayer};

/// The rule.
pub const RULE: Rule = Rule {
    name: "config-override",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "A project file or the command redirects where packages come from, or names a program that the tool will run.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = facts.settings.iter().filter_map(|s| observe(facts, s)).collect();
    from_flags(facts, &mut out);
    from_assignments(facts, &mut out);
    from_environment(facts, &mut out);
    out
}

fn observe(facts: &Facts<'_>, setting: &Setting) -> Option<Observation> {
    match (setting.layer, setting.kind) {
        (SettingLayer::Project, _) => from_project(facts, setting),
        // Where a flag or a variable says packages come from is `untrusted-registry`.
        (SettingLayer::Flag, SettingKind::Program) => Some(program(setting, "the command")),
        (SettingLayer::Environment, SettingKind::Program) => match &setting.location.place {
            // Said of the variable itself, below.
            Place::Environment(name) if places::is_assigned(facts, name) => None,
            _ if facts.audit => None,
            _ => Some(program(setting, "a variable of yours").at_most(Level::Note)),
        },
        _ => None,
    }
}

fn from_project(facts: &Facts<'_>, setting: &Setting) -> Option<Observation> {
    let (key, value) = (say::word(&setting.key), say::url(&setting.value));
    match setting.kind {
        SettingKind::Program => Some(program(setting, "a project file")),
        SettingKind::Index | SettingKind::ExtraIndex | SettingKind::FindLinks => {
            let url = places::url_in(&setting.value);
            if url.is_some_and(|url| places::is_trusted(facts, url)) || stays_inside(facts, setting) {
                return None;
            }
            let way_out = format!(
                "remove `{key}` at {}, or trust the registry in your own policy: [trust] registries",
                fix::place(&setting.location)
            );
            let message = format!("a project file redirects where packages come from: {key} = {value}");
            Some(observation(message, &setting.location, &key, &value, false).fix(fix::advice(way_out)))
        }
        SettingKind::Directory => {
            // A template of cargo's own: `{workspace-root}`, `{cargo-cache-home}`.
            if setting.value.starts_with('{') || stays_inside(facts, setting) {
                return None;
            }
            let way_out =
                format!("remove `{key}` at {}, or set it in your own configuration", fix::place(&setting.location));
            let message = format!("a project file has packages' code write outside the project: {key} = {value}");
            Some(observation(message, &setting.location, &key, &value, false).fix(fix::advice(way_out)))
        }
        SettingKind::WeakensSafety => None,
    }
}

/// A setting that names a program.
fn program(setting: &Setting, who: &str) -> Observation {
    let (key, value) = (say::word(&setting.key), say::url(&setting.value));
    let way_out = match setting.layer {
        SettingLayer::Project => {
            format!("see what it runs; without `{key}` at {} nothing does", fix::place(&setting.location))
        }
        SettingLayer::Environment => format!("{}: unset it", fix::place(&setting.location)),
        _ => format!("leave out `{key}`, or set it in your own configuration"),
    };
    let message = format!("{who} names a program to run: {key} = {value}");
    observation(message, &setting.location, &key, &value, true).fix(fix::advice(way_out))
}

fn observation(message: String, at: &Location, key: &str, value: &str, program: bool) -> Observation {
    Observation::new(message).at(at).with("key", key).with("value", value).with("program", program)
}

/// `--proxy`: the command sends what it asks for through another host.
fn from_flags(facts: &Facts<'_>, out: &mut Vec<Observation>) {
    for flag in facts.flags().filter(|f| matches!(f.name.as_str(), "--proxy" | "--https-proxy")) {
        let Some(value) = flag.value.as_deref().filter(|v| flag.location.place == Place::Argv && reroutes(v)) else {
            continue;
        };
        // The variable that stands for the option is spoken of below.
        if places::assigned(facts)
            .any(|(_, name, _, place)| place == flag.location && name.to_lowercase().contains("proxy"))
        {
            continue;
        }
        let (typed, host) = (fix::typed(facts, flag), host(value));
        let message = format!("the command {REROUTES}: {typed} {host}");
        out.push(observation(message, &flag.location, &typed, &host, false).fix(fix::drop_flag(facts, flag)));
    }
}

fn from_assignments(facts: &Facts<'_>, out: &mut Vec<Observation>) {
    for (invocation, name, value, place) in places::assigned(facts) {
        let shown = say::word(name);
        let Some((what, value, program)) = effect(facts, invocation, name, value) else { continue };
        let message = format!("the command {what}: {shown} = {value}");
        // A reader of settings may have said it of the option that the variable stands for; two commands of one text
        // may see the same variable.
        let same = |o: &Observation| {
            o.message == message
                || (o.location.as_ref() == Some(&place) && o.evidence.get("value") == Some(&value.as_str().into()))
        };
        if !out.iter().any(same) {
            let found = observation(message, &place, &shown, &value, program);
            out.push(found.fix(fix::without_variable(invocation, name)));
        }
    }
}

/// What a variable of the command does, its value as it may be shown, and whether that names a program.
fn effect(facts: &Facts<'_>, invocation: &Invocation, name: &str, value: &str) -> Option<(&'static str, String, bool)> {
    if name == "PATH" {
        let directory = first_in_path(facts, value)?;
        return Some(("looks for programs elsewhere first", say::word(directory), true));
    }
    match effect_of(name, value, invocation.tool.ecosystem())? {
        VariableEffect::Runs => Some(("names a program to run", say::url(value), true)),
        VariableEffect::Loads => Some(("loads code into the tool", say::url(value), true)),
        VariableEffect::Reroutes if reroutes(value) => Some((REROUTES, host(value), false)),
        _ => None,
    }
}

const REROUTES: &str = "sends its connections through another host";

/// What the caller's own variables do is said, and cleared.
fn from_environment(facts: &Facts<'_>, out: &mut Vec<Observation>) {
    for (invocation, name, value) in places::inherited(facts) {
        let what = match effect_of(name, value, invocation.tool.ecosystem()) {
            Some(VariableEffect::Runs) => "names a program to run",
            Some(VariableEffect::Loads) => "loads code into the tool",
            _ => continue,
        };
        let location = Location::environment(name);
        if out.iter().any(|o| o.location.as_ref() == Some(&location)) {
            continue;
        }
        let (name, value) = (say::word(name), say::url(value));
        let message = format!("a variable of yours {what}: {name} = {value}");
        let found = observation(message, &location, &name, &value, true);
        out.push(found.fix(fix::advice(format!("unset {name}"))).at_most(Level::Note));
    }
}

/// Whether a proxy's value is one: npm and yarn switch theirs off with words.
fn reroutes(value: &str) -> bool {
    !matches!(value.trim(), "" | "null" | "false")
}

/// A proxy's host; the rest may hold a password.
fn host(value: &str) -> String {
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let host = url::Url::parse(&text).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    });
    host.map_or_else(|| "(not a URL)".to_owned(), |h| say::word(&h))
}

/// The first directory that a value of PATH puts before the caller's own, and that is neither the system's nor the
/// user's nor that of an environment which such values are made for.
fn first_in_path<'v>(facts: &Facts<'_>, value: &'v str) -> Option<&'v str> {
    let windows = facts.environment.os == "windows";
    let separator = if windows { ';' } else { ':' };
    let caller: Vec<&str> = facts.environment.variable("PATH").unwrap_or_default().split(separator).collect();
    let before = value.split(separator).take_while(|entry| {
        !matches!(*entry, "$PATH" | "${PATH}" | "/usr/bin" | "/bin") && caller.first() != Some(entry)
    });
    before
        .into_iter()
        .find(|entry| !caller.contains(entry) && !is_usual(facts, entry))
        .map(|e| if e.is_empty() { "." } else { e })
}

fn is_usual(facts: &Facts<'_>, entry: &str) -> bool {
    /// Where systems and package managers put programs.
    const SYSTEM: &[&str] = &[
        "/usr",
        "/bin",
        "/sbin",
        "/opt",
        "/snap",
        "/nix",
        "/home/linuxbrew",
        "/Applications",
        "/Library",
        "/System",
        "C:\\Program Files",
        "C:\\Windows",
    ];
    /// Variables of users' start files that name such places.
    const OWN: &[&str] = &[
        "HOME",
        "CARGO_HOME",
        "PNPM_HOME",
        "BUN_INSTALL",
        "DENO_INSTALL",
        "NVM_BIN",
        "NVM_DIR",
        "PYENV_ROOT",
        "VOLTA_HOME",
        "GOPATH",
        "JAVA_HOME",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "HOMEBREW_PREFIX",
    ];
    if let Some(rest) = entry.strip_prefix('$') {
        let name = rest.trim_start_matches('{').split(['/', '}']).next().unwrap_or_default();
        return OWN.contains(&name);
    }
    let parts: Vec<&str> = entry.trim_end_matches(['/', '\\']).split(['/', '\\']).collect();
    // Environments whose programs a command of the project uses: naming them outright is no finding either.
    let environment = matches!(parts.as_slice(), [.., "node_modules", ".bin"])
        || matches!(parts.as_slice(), [.., ".venv" | "venv" | ".env" | "env" | "virtualenv", "bin" | "Scripts"]);
    let under =
        |root: &str| entry.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']));
    let home = facts.environment.home.as_ref().map(|h| h.display().to_string()).filter(|h| h.len() > 1);
    let of_user = entry.starts_with("~/") || home.is_some_and(|home| under(&home));
    let cwd = &facts.environment.cwd;
    let at_home = facts.environment.home.as_ref().is_some_and(|home| home.starts_with(cwd));
    let of_project = !at_home && facts.environment.absolute(std::path::Path::new(entry)).starts_with(cwd);
    environment || SYSTEM.iter().any(|s| under(s)) || (of_user && !of_project)
}

/// Whether the source is a directory of the project itself.
fn stays_inside(facts: &Facts<'_>, setting: &Setting) -> bool {
    if setting.value.contains("://") || setting.kind == SettingKind::Index {
        return false;
    }
    let beside = setting.location.path().and_then(|p| p.parent()).unwrap_or_else(|| std::path::Path::new(""));
    // Paths in Cargo's configuration are relative to the directory that holds `.cargo`.
    let relative_above = beside.ends_with(".cargo") || setting.key.starts_with("build.");
    let base = if relative_above { beside.parent().unwrap_or(beside) } else { beside };
    let inside = |path: &str| {
        let path = facts.environment.absolute(&base.join(path));
        // What a build writes may lie beside the package, in the directory of a workspace above it.
        path.starts_with(&facts.environment.cwd) || (setting.kind == SettingKind::Directory && path.starts_with(base))
    };
    // `paths` is a list, written with blanks between its members.
    if setting.key == "paths" { setting.value.split(' ').all(inside) } else { inside(&setting.value) }
}
