//! Corepack: package managers on demand.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the package manager that
//! `corepack pnpm install` would start. The package manager itself is fetched too, and is what is asked for by name.

use super::Effect::{Nothing, Project, Requests, RunsRemote};
use super::FlagEffect::Neutral;
use super::engine::{Act, Opt, Style, Word, apply, flag, request, scan, value};
use super::grammar::{self, Grammar, Operands, Rule, nothing, rule};
use super::reading::{Context, Understood, program_name};
use super::{RequestKind, Tool, npm};

const GENERAL: &[Opt] = &[flag("--help -h, --version -v", Neutral).act(Act::Help)];
const INSTALL: &[Opt] = &[
    flag("--global -g", Neutral).act(Act::Global),
    flag("--activate, --json, --cache-only, --all", Neutral),
    value("--output -o, --install-directory", Neutral),
];

const VERBS: &[Rule] = &[
    // Both write the version into package.json and then run the package manager's install.
    rule("use", Project, &[INSTALL], Operands::Requests),
    rule("up", Project, &[INSTALL], Operands::Ignored),
    rule("install", Requests, &[INSTALL], Operands::Requests),
    rule("add", Requests, &[INSTALL], Operands::Requests),
    rule("prepare", Requests, &[INSTALL], Operands::Requests),
    rule("pack", Requests, &[INSTALL], Operands::Requests),
    rule("hydrate", Nothing, &[INSTALL], Operands::Ignored),
    nothing("cache"),
    nothing("enable"),
    nothing("disable"),
];

static COREPACK: Grammar = Grammar {
    tool: Tool::Corepack,
    style: Style::CLAP,
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
            invocation.effect = RunsRemote;
            request(&mut invocation, std::slice::from_ref(first), RequestKind::With);
            return Understood { invocation, starts: npm::started(rest), scripts: Vec::new() };
        }
    }
    let mut parsed = grammar::read(context, program, words, &COREPACK, &|_, _| {});
    if !parsed.done && matches!(parsed.invocation.verb.as_str(), "use" | "up") {
        parsed.invocation.requests.iter_mut().for_each(|r| r.kind = RequestKind::With);
    }
    parsed.into()
}
