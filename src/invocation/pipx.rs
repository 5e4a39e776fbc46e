//! pipx: what is asked for on its command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the program that `pipx run` and
//! `pipx runpip` would start. Source: `pipx COMMAND --help`.

use super::Effect::{Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens};
use super::engine::{Act, Opt, Style, Word, flag, opaque, request, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, is_script, nothing, rule};
use super::reading::{Context, Understood, file};
use super::{FileRole, Invocation, Request, RequestKind, Tool, pip};
use crate::model::Location;

const FIRST: &[Opt] = &[flag("--version", Neutral).act(Act::Help)];

const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--quiet -q, --verbose -v, --skip-maintenance", Neutral),
    flag("--global", Neutral),
];

const VENV: &[Opt] = &[
    value("--index-url -i", Index),
    flag("--editable -e, --force -f, --system-site-packages, --include-deps, --include-apps", Neutral),
    flag("--include-injected, --with-suffix, --no-cache, --refresh, --no-path-check, --path, --pypackages", Neutral),
    flag("--fetch-missing-python, --upgrade -U, --install, --install-missing", Neutral),
    value("--pip-args, --python-args", Configures),
    value("--python", Runs),
    value("--fetch-python, --output, --suffix, --app, --include-resources-from, --upgrade-strategy", Neutral),
    value("--backend, --lock", Selects),
    value("--cooldown", Strengthens),
    value("--preinstall, --with", Neutral).act(Act::Ask(RequestKind::With)),
    value("--requirement -r", Neutral).act(Act::File(FileRole::Requirements)),
    value("--spec", Neutral).act(Act::Ask(RequestKind::Requirement)),
];

/// Elsewhere `--skip` is the beginning of another option.
const ALL: &[Opt] = &[value("--skip", Neutral)];

const VERBS: &[Rule] = &[
    rule("install", Requests, &[VENV], Operands::Requests).global(),
    rule("inject", Requests, &[VENV], Operands::Requests).global(),
    rule("upgrade", Update, &[VENV], Operands::Requests).global(),
    rule("upgrade-all", Update, &[ALL, VENV], Operands::Ignored).global(),
    rule("reinstall", Update, &[VENV], Operands::Requests).global(),
    rule("reinstall-all", Update, &[ALL, VENV], Operands::Ignored).global(),
    rule("repair", Update, &[VENV], Operands::Requests).global(),
    rule("upgrade-shared", Requests, &[VENV], Operands::Ignored).global(),
    rule("install-all", Unknown, &[VENV], Operands::Files(FileRole::Manifest)).global(),
    rule("run", RunsRemote, &[VENV], Operands::Program),
    rule("runpip", super::Effect::Nothing, &[], Operands::Command),
    rule("interpreter", Unknown, &[VENV], Operands::Ignored),
    nothing("list ls"),
    nothing("uninject"),
    nothing("uninstall"),
    nothing("uninstall-all"),
    nothing("expose"),
    nothing("unexpose"),
    nothing("pin"),
    nothing("unpin"),
    nothing("health"),
    nothing("cache"),
    nothing("ensurepath"),
    nothing("environment"),
    nothing("completions"),
    nothing("help"),
];

static PIPX: Grammar = Grammar {
    tool: Tool::Pipx,
    style: Style::ARGPARSE,
    first: FIRST,
    general: &[GENERAL],
    groups: &[],
    verbs: VERBS,
    scripts: false,
};

/// `pipx …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &PIPX, &|i, _| pip::inherited(i, context));
    if parsed.done {
        return parsed.into();
    }
    pip::inner_arguments(&mut parsed.invocation, &["--pip-args"]);
    let verb = parsed.invocation.verb.clone();
    let at = words.first().map_or(0, |w| w.index);
    match verb.as_str() {
        "inject" => drop_environment(&mut parsed.invocation, &parsed.scan.operands),
        "run" => run(&mut parsed),
        "runpip" => runpip(&mut parsed),
        "upgrade-shared" => {
            let location = Location::argv(at);
            let text = "pip".to_owned();
            parsed.invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
        }
        "install-all" => {
            parsed.invocation.effect = Unknown;
            parsed.invocation.opaque.push(opaque(at, "what a pipx export lists is not read"));
        }
        "interpreter" => match parsed.scan.operands.first().map(|w| w.text.as_str()) {
            Some("list" | "prune") => parsed.invocation.effect = super::Effect::Nothing,
            _ => parsed.invocation.opaque.push(opaque(at, "brings in a program that comes from no package index")),
        },
        _ => {}
    }
    parsed.into()
}

/// The first operand of `pipx inject` is an environment, no package.
fn drop_environment(invocation: &mut Invocation, operands: &[Word]) {
    let Some(first) = operands.first() else { return };
    let location = Location::argv(first.index);
    let at = invocation
        .requests
        .iter()
        .position(|r| r.text == first.text && r.location == location && r.kind == RequestKind::Requirement);
    if let Some(at) = at {
        invocation.requests.remove(at);
    }
}

/// `pipx run [--spec SPEC] APP ARGUMENTS…`.
fn run(parsed: &mut Parsed) {
    let Some(first) = parsed.starts.first() else { return };
    let invocation = &mut parsed.invocation;
    if first.text.starts_with("http://") || first.text.starts_with("https://") {
        invocation.opaque.push(opaque(first.index, "a script from the network may name what it needs"));
        parsed.starts.clear();
    } else if is_script(&first.text) {
        invocation.files.push(file(&first.text, FileRole::Script, first.index));
        parsed.starts.clear();
    } else {
        if invocation.flag("--spec").is_none() {
            request(invocation, std::slice::from_ref(first), RequestKind::Requirement);
        }
        if let Some(first) = parsed.starts.first_mut() {
            let end = first.text.find(['@', '[', '=', '<', '>', '!', '~', ' ']).unwrap_or(first.text.len());
            first.text.truncate(end);
        }
    }
}

/// `pipx runpip ENVIRONMENT PIP-ARGUMENTS…`: pip itself.
fn runpip(parsed: &mut Parsed) {
    if let Some(first) = parsed.starts.first_mut() {
        "pip".clone_into(&mut first.text);
    }
}
