//! Corepack: package managers on demand.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the package manager that
//! `corepack pnpm install` would start. The package manager itself is fetched too, and is what is asked for by name.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Effect::{Nothing, Project, Requests, RunsRemote, Unknown};
use super::FlagEffect::Neutral;
use super::beside::{Beside, variable};
use super::engine::{Act, Opt, Style, Word, apply, equals, flag, opaque, request, scan, shown, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood, program_name};
use super::{Invocation, Request, RequestKind, Tool, VariableEffect, effect_of, npm};
use crate::ecosystem::npm::semver::{self, Options};
use crate::model::{Ecosystem, Location};

const GENERAL: &[Opt] = &[flag("--help -h, --version -v", Neutral).act(Act::Help)];
const INSTALL: &[Opt] =
    &[flag("--global -g", Neutral).act(Act::Global), flag("--activate, --json, --cache-only, --all", Neutral)];
const PREPARE: &[Opt] = &[equals("--output -o", Neutral)];
const PACK: &[Opt] = &[value("--output -o", Neutral)];

const VERBS: &[Rule] = &[
    // Both write the version into package.json and then run the package manager's install.
    rule("use", Project, &[INSTALL], Operands::Requests),
    rule("up", Project, &[INSTALL], Operands::Ignored),
    rule("install", Requests, &[INSTALL], Operands::Requests),
    rule("add", Requests, &[INSTALL], Operands::Requests),
    rule("prepare", Requests, &[PREPARE, INSTALL], Operands::Requests),
    rule("pack", Requests, &[PACK, INSTALL], Operands::Requests),
    rule("hydrate", Requests, &[INSTALL], Operands::Requests),
    nothing("cache"),
    nothing("enable"),
    nothing("disable"),
];

static COREPACK: Grammar = Grammar {
    tool: Tool::Corepack,
    style: Style::CLAP,
    first: &[],
    general: &[GENERAL],
    groups: &[],
    verbs: VERBS,
    scripts: false,
};

/// `corepack …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let before = scan(words, &[GENERAL], Style::CLAP.stopping());
    let rest = words.get(before.read..).unwrap_or_default();
    if let Some(first) = rest.first() {
        let manager = program_name(first.text.split('@').next().unwrap_or_default());
        if matches!(manager.as_str(), "npm" | "npx" | "pnpm" | "pnpx" | "yarn" | "yarnpkg") {
            let mut invocation = context.invocation(Tool::Corepack, program);
            apply(&mut invocation, &before);
            if let Some(reason) = starts(context, &first.text) {
                invocation.effect = RunsRemote;
                invocation.opaque.push(opaque(first.index, reason));
                request(&mut invocation, std::slice::from_ref(first), RequestKind::With);
                invocation.requests.iter_mut().for_each(|r| r.text = published(&r.text));
            }
            return Understood { invocation, starts: npm::started(rest), scripts: Vec::new() };
        }
    }
    let mut parsed = grammar::read(context, program, words, &COREPACK, &|_, _| {});
    if !parsed.done {
        finish(context, &mut parsed, words.first().map_or(0, |w| w.index));
    }
    parsed.into()
}

fn finish(context: &Context<'_>, parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    for word in parsed.scan.operands.iter().filter(|w| invocation.verb == "hydrate" || !of_registry(&w.text)) {
        let reason = format!("`{}` is put in place of a package manager, which then runs it", shown(&word.text));
        invocation.opaque.push(opaque(word.index, reason));
    }
    invocation.requests.iter_mut().for_each(|r| r.text = published(&r.text));
    match invocation.verb.as_str() {
        "use" => invocation.requests.iter_mut().for_each(|r| r.kind = RequestKind::With),
        "up" => {
            let reason =
                "fetches the newest release of the package manager that the project names, and lets it install";
            return invocation.opaque.push(opaque(at, reason));
        }
        "install" | "prepare" | "pack" if parsed.scan.has("--all") => {
            return invocation.opaque.push(opaque(at, "fetches every package manager that it knows"));
        }
        "install" | "add" | "prepare" | "pack" => {}
        _ => return,
    }
    let beside = Beside::of(context, context.directory.as_deref());
    let project = beside.as_ref().ok_or(()).and_then(|beside| OfProject::of(context, beside));
    let named = !parsed.scan.operands.is_empty() || invocation.global || invocation.verb == "use";
    let Ok(project) = project else {
        if named && beside.is_none() {
            return;
        }
        return invocation.opaque.push(opaque(at, "fetches what a package.json names, which cannot be read"));
    };
    if let Some(switch) = project.switch() {
        invocation.opaque.push(opaque(at, format!("`.corepack.env` of the project sets {switch}")));
    }
    if named {
        return;
    }
    match project.spec {
        Some(spec) if !spec.range.contains("://") => {
            let text = published(&format!("{}@{}", spec.name, spec.range));
            let location = Location::file(spec.file);
            invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
        }
        Some(_) => invocation.opaque.push(opaque(at, "fetches a package manager from a URL")),
        // Corepack says so and ends.
        None => invocation.effect = Nothing,
    }
}

/// Whether corepack takes what is asked for from a registry: no archive that it unpacks as it is, and no URL.
fn of_registry(text: &str) -> bool {
    !text.ends_with(".tgz") && !text.contains(['/', '\\', ':'])
}

/// A package manager as corepack names it, by the package that has it: yarn 2 and later is `@yarnpkg/cli-dist`. The digest
/// behind a version is corepack's to check.
fn published(text: &str) -> String {
    let text = text.split('+').next().unwrap_or(text);
    let Some(range) = text.strip_prefix("yarn@") else { return text.to_owned() };
    let number = range.trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match (major, range) {
        ("0" | "1", _) => text.to_owned(),
        ("", "*" | "latest" | "stable" | "berry") => "@yarnpkg/cli-dist@latest".to_owned(),
        _ => format!("@yarnpkg/cli-dist@{range}"),
    }
}

/// What a project says to corepack 0.34: `packageManager`, `devEngines.packageManager`, and `.corepack.env` beside it.
struct OfProject {
    spec: Option<Spec>,
    /// Of `.corepack.env`; the caller's own variables stand before them.
    variables: Vec<(String, String)>,
}

struct Spec {
    name: String,
    range: String,
    file: PathBuf,
}

impl OfProject {
    /// `Err` when a file that decides cannot be read.
    fn of(context: &Context<'_>, beside: &Beside<'_>) -> Result<Self, ()> {
        let mut out = Self { spec: None, variables: Vec::new() };
        let named = variable(context, "COREPACK_ENV_FILE");
        for directory in beside.above() {
            let file = directory.join("package.json");
            if directory.ends_with("node_modules") {
                continue;
            }
            let Some(text) = beside.text(&file)? else { continue };
            let manifest: Value = serde_json::from_str(&text).map_err(drop)?;
            out.variables.clear();
            if named.as_deref() != Some("0") {
                let text = beside.text(&directory.join(named.as_deref().unwrap_or(".corepack.env")))?;
                out.variables = assignments(&text.unwrap_or_default());
                out.variables.retain(|(name, _)| !context.variables().any(|v| v.name == name));
            }
            let own = manifest.get("packageManager");
            out.spec = Spec::of(&manifest, file);
            if own.is_some() {
                break;
            }
        }
        Ok(out)
    }

    fn value(&self, context: &Context<'_>, name: &str) -> Option<String> {
        let of_file = || self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        variable(context, name).or_else(of_file)
    }

    /// The first variable of the project's that says whom corepack asks, or what it checks.
    fn switch(&self) -> Option<String> {
        let is_switch = |(name, value): &&(String, String)| {
            let effect = effect_of(name, value, Some(Ecosystem::Npm));
            name == "COREPACK_NPM_REGISTRY" || effect.is_some_and(|e| e != VariableEffect::Reroutes)
        };
        self.variables.iter().find(is_switch).map(|(name, _)| name.clone())
    }
}

impl Spec {
    fn of(manifest: &Value, file: PathBuf) -> Option<Self> {
        let own = manifest.get("packageManager").and_then(Value::as_str);
        let (name, range) = match own.and_then(|own| own.split_once('@')) {
            Some(named) => named,
            None => {
                let engine = manifest.pointer("/devEngines/packageManager")?;
                (engine.get("name")?.as_str()?, engine.get("version").map_or(Some("*"), Value::as_str)?)
            }
        };
        let range = if range.contains("://") { range } else { range.split('+').next().unwrap_or(range) };
        Some(Self { name: name.to_owned(), range: range.to_owned(), file })
    }
}

/// `COREPACK_X=value` lines, as node's `util.parseEnv` reads them.
fn assignments(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\'', '`'].iter().find_map(|q| value.strip_prefix(*q)?.split(*q).next());
        let value = quoted.unwrap_or_else(|| value.split('#').next().unwrap_or_default().trim());
        let name = name.trim();
        name.starts_with("COREPACK_").then(|| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// A package manager that corepack stands behind is fetched before it does anything, `--version` too, unless it is here:
/// then that is what the command brings in first, and it runs as the user.
pub(super) fn behind(context: &Context<'_>, name: &str, first: &Word, invocation: &mut Invocation) {
    let manager = match invocation.tool {
        Tool::Pnpm | Tool::Pnpx => "pnpm",
        Tool::Yarn => "yarn",
        Tool::Npm | Tool::Npx => "npm",
        _ => return,
    };
    let Some(beside) =
        Beside::of(context, context.directory.as_deref()).filter(|beside| stands_behind(context, beside, name, first))
    else {
        return;
    };
    if let Some(reason) = fetches(context, &beside, manager) {
        invocation.effect = if invocation.effect == Nothing { Unknown } else { invocation.effect };
        invocation.opaque.push(opaque(first.index, reason));
    }
}

/// Whether the program that a word names is a link into corepack's own package.
fn stands_behind(context: &Context<'_>, beside: &Beside<'_>, name: &str, first: &Word) -> bool {
    let all = match first.text.contains('/') {
        true => vec![beside.path(&first.text)],
        false => beside.on_path(context, name),
    };
    for program in &all {
        let mut target = program.clone();
        for _ in 0..8 {
            let Some(next) = beside.files.read_link(&target) else { break };
            target = crate::model::lexical(&target.parent().unwrap_or(Path::new("/")).join(next));
        }
        let gate = target.file_name().is_some_and(|n| n == "tidewaiter");
        // Links of this program's, or copies of it.
        if gate || program.parent().is_some_and(|d| beside.files.is_file(&d.join(".tidewaiter-shims"))) {
            continue;
        }
        let parts: Vec<_> = target.components().rev().take(3).map(|c| c.as_os_str().to_owned()).collect();
        return matches!(parts.as_slice(), [_, place, package] if package == "corepack" && (place == "dist" || place == "shims"));
    }
    false
}

/// Why corepack would fetch the package manager that it is to start; `None`: it is here.
fn starts(context: &Context<'_>, word: &str) -> Option<String> {
    let (name, range) = word.split_once('@').unwrap_or((word, ""));
    let manager = match program_name(name).as_str() {
        "npm" | "npx" => "npm",
        "pnpm" | "pnpx" => "pnpm",
        _ => "yarn",
    };
    let Some(beside) = Beside::of(context, context.directory.as_deref()) else {
        return Some(format!("corepack fetches {manager} first, if it is not here"));
    };
    if range.is_empty() {
        return fetches(context, &beside, manager);
    }
    let version = range.split('+').next().unwrap_or(range);
    let place = home(context, &beside).map(|h| h.join("v1").join(manager).join(version).join(".corepack"));
    let own = OfProject::of(context, &beside).is_ok_and(|p| p.variables.iter().all(|(n, _)| n != "COREPACK_HOME"));
    if own && place.is_some_and(|place| beside.files.is_file(&place)) {
        return None;
    }
    let word = shown(word);
    Some(format!("corepack fetches {word} first: `corepack install -g {word}` brings it in"))
}

/// Why corepack would fetch a package manager now; `None`: it is here.
fn fetches(context: &Context<'_>, beside: &Beside<'_>, manager: &str) -> Option<String> {
    let Ok(project) = OfProject::of(context, beside) else {
        return Some("corepack takes the package manager from a package.json that cannot be read".to_owned());
    };
    if project.variables.iter().any(|(name, _)| name == "COREPACK_HOME") {
        return Some("`.corepack.env` of the project says where corepack finds package managers".to_owned());
    }
    let is = |name: &str, wanted: &str| project.value(context, name).as_deref() == Some(wanted);
    if is("COREPACK_ENABLE_NETWORK", "0") {
        return None;
    }
    let Some(home) = home(context, beside) else {
        return Some(format!("corepack fetches {manager} first, if it is not here"));
    };
    let spec = project.spec.as_ref().filter(|s| s.name == manager && !is("COREPACK_ENABLE_PROJECT_SPEC", "0"));
    let folder = home.join("v1").join(manager);
    let here = |version: &str| beside.files.is_file(&folder.join(version).join(".corepack"));
    let by =
        project.switch().map_or_else(String::new, |switch| format!(", by {switch} of the project's `.corepack.env`"));
    let Some(spec) = spec else {
        let known = beside.text(&home.join("lastKnownGood.json")).ok().flatten();
        let known = known.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let version = known.as_ref().and_then(|k| k.get(manager)?.as_str()).map(|v| v.split('+').next().unwrap_or(v));
        return match version {
            Some(version) if here(version) => None,
            _ => Some(format!("corepack fetches {manager} first{by}: `corepack install -g {manager}` brings it in")),
        };
    };
    let satisfies = |path: &PathBuf| {
        let version = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        semver::satisfies(version, &spec.range, Options::default()) && here(version)
    };
    if here(&spec.range) || beside.files.list(&folder).iter().any(satisfies) {
        return None;
    }
    let range = shown(&spec.range);
    Some(format!(
        "corepack fetches {manager} {range} first, which package.json names{by}: `corepack install` brings it in"
    ))
}

/// Where corepack keeps what it fetched.
fn home(context: &Context<'_>, beside: &Beside<'_>) -> Option<PathBuf> {
    if let Some(home) = variable(context, "COREPACK_HOME") {
        return Some(beside.path(&home));
    }
    let base = variable(context, "XDG_CACHE_HOME").or_else(|| variable(context, "LOCALAPPDATA")).map(PathBuf::from);
    let own = || Some(beside.home()?.join(if cfg!(windows) { "AppData/Local" } else { ".cache" }));
    Some(base.or_else(own)?.join("node").join("corepack"))
}
