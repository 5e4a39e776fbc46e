//! Bun and bunx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the program that `bun x`, `bun run` and
//! `bunx` would start. Source: `bun COMMAND --help`, 1.4.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, flag, maybe, opaque, record, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, RequestKind, Tool, npm};

/// Options of the runtime, which may stand before a verb.
const GENERAL: &[Opt] = &[
    flag("--help -h, --version -v, --revision", Neutral).act(Act::Help),
    value("--cwd", Neutral).act(Act::Directory),
    value("--config -c", Configures).act(Act::File(FileRole::ToolConfig)),
    value("--env-file", Configures),
    flag("--no-env-file, --silent, --bun -b, --watch, --hot, --smol, --if-present, --no-clear-screen", Neutral),
    flag("--no-install", Strengthens),
    value("--install", Selects),
    flag("-i", Selects),
    value("--preload -r, --require, --import", Runs),
    value("--filter -F", Selects).act(Act::Select),
    value("--elide-lines, --shell, --port, --conditions, --define -d, --drop, --loader -l, --title", Neutral),
    maybe("--inspect, --inspect-wait, --inspect-brk", Neutral),
    flag("--prefer-offline, --prefer-latest, --workspaces, --parallel, --sequential, --no-exit-on-error", Neutral),
    flag("--expose-gc, --no-deprecation, --throw-deprecation, --no-macros, --zero-fill-buffers, --no-addons", Neutral),
    flag("--use-system-ca, --use-openssl-ca, --use-bundled-ca, --preserve-symlinks", Neutral),
    value("--main-fields, --extension-order, --tsconfig-override, --jsx-factory, --jsx-fragment", Neutral),
    value("--jsx-import-source, --jsx-runtime, --max-http-header-size, --dns-result-order, --user-agent", Neutral),
    value("--unhandled-rejections, --console-depth, --fetch-preconnect", Neutral),
];

const INSTALL: &[Opt] = &[
    flag("--global -g", Neutral).act(Act::Global),
    flag("--dry-run", Neutral).act(Act::DryRun),
    value("--registry", Index),
    value("--ca, --cafile", Configures),
    flag("--frozen-lockfile, --ignore-scripts", Strengthens),
    flag("--no-verify, --trust", WeakensSafety),
    value("--minimum-release-age", Strengthens).when(&[("0", WeakensSafety)]),
    value("--minimum-release-age-excludes", WeakensSafety),
    flag("--production -p, --optional, --peer, --dev -d --development -D, --no-optional, --no-peer", Selects),
    flag("--latest -L, --recursive -r, --lockfile-only, --only-missing, --analyze -a", Selects),
    value("--omit, --cpu, --os, --libc, --linker, --depth, --catalog", Selects),
    flag("--yarn -y, --no-save, --save, --save-prod, --save-text-lockfile, --exact -E, --interactive -i", Neutral),
    flag("--force -f, --no-cache, --quiet, --verbose, --no-progress, --no-summary, --offline", Neutral),
    value("--cache-dir, --backend, --concurrent-scripts, --network-concurrency", Neutral),
];

const X: &[Opt] = &[
    value("--package -p", Neutral).act(Act::Ask(RequestKind::With)),
    value("--registry", Index),
    value("--ca, --cafile", Configures),
    value("--minimum-release-age", Strengthens).when(&[("0", WeakensSafety)]),
    flag("--trust", WeakensSafety),
    flag("--ignore-scripts", Strengthens),
    flag("--verbose, --yes -y, --quiet", Neutral),
];

const RUN: &[Opt] = &[flag("--all", Neutral), value("--eval -e, --print", Neutral)];

const FROZEN: &[(&str, super::Effect)] = &[("--frozen-lockfile", Locked)];

const VERBS: &[Rule] = &[
    rule("install i", Project, &[INSTALL], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("ci", Locked, &[INSTALL], Operands::Ignored),
    rule("add a", ProjectAdd, &[INSTALL], Operands::Requests),
    rule("update up", Update, &[INSTALL], Operands::Requests),
    rule("remove rm r uninstall", Project, &[INSTALL], Operands::Ignored),
    rule("link", Project, &[INSTALL], Operands::Requests).named(ProjectAdd),
    rule("unlink", Nothing, &[INSTALL], Operands::Ignored),
    rule(
        "patch",
        Project,
        &[INSTALL, &[flag("--commit", Neutral), value("--patches-dir", Neutral)]],
        Operands::Ignored,
    ),
    rule("patch-commit", Project, &[INSTALL], Operands::Ignored),
    rule("x", RunsRemote, &[X], Operands::Program),
    rule("create c", RunsRemote, &[CREATE], Operands::Program),
    rule("init", Unknown, &[INIT], Operands::Ignored),
    rule("run", Nothing, &[RUN], Operands::Command),
    rule("exec", Nothing, &[], Operands::Command),
    rule("upgrade", Unknown, &[UPGRADE], Operands::Ignored).global(),
    nothing("audit"),
    nothing("build"),
    nothing("completions"),
    nothing("discord"),
    nothing("feedback"),
    nothing("getcompletes"),
    nothing("help"),
    nothing("info"),
    nothing("list ls"),
    nothing("outdated"),
    nothing("pm"),
    nothing("publish"),
    nothing("repl"),
    nothing("test"),
    nothing("why"),
];

const CREATE: &[Opt] = &[flag("--force, --no-install, --no-git, --no-package-json, --open, --verbose", Neutral)];
const INIT: &[Opt] = &[flag("--yes -y, --minimal -m, --react", Neutral), maybe("--react", Neutral)];
const UPGRADE: &[Opt] = &[flag("--canary, --stable, --profile", Neutral)];

static BUN: Grammar =
    Grammar { tool: Tool::Bun, style: Style::CLAP, general: &[GENERAL], groups: &[], verbs: VERBS, scripts: true };

/// `bun …`.
pub(super) fn bun(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &BUN, &|i, _| variables(i, context));
    let at = words.first().map_or(0, |w| w.index);
    if parsed.invocation.verb == "run" {
        auto_install(&mut parsed, at);
    } else if !parsed.done {
        finish(&mut parsed, at);
    }
    parsed.into()
}

/// `bunx …` is `bun x …`.
pub(super) fn bunx(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let at = words.first().map_or(0, |w| w.index);
    let words: Vec<Word> = std::iter::once(Word::new("x", at)).chain(words.iter().cloned()).collect();
    let mut understood = bun(context, program, &words);
    understood.invocation.tool = Tool::Bunx;
    understood
}

fn finish(parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    match invocation.verb.as_str() {
        "x" => {
            npm::fetched(invocation, &parsed.starts);
            if parsed.scan.has("--no-install") && invocation.opaque.is_empty() {
                invocation.effect = Nothing;
            }
            parsed.starts = npm::started(&parsed.starts);
        }
        "create" => npm::create(invocation, &mut parsed.starts),
        "remove" if invocation.global => invocation.effect = Nothing,
        // `bun exec 'script'`: bun's own shell.
        "exec" => {
            let text: Vec<&str> = parsed.starts.iter().map(|w| w.text.as_str()).collect();
            parsed.starts = vec![Word::new("sh", at), Word::new("-c", at), Word::new(&text.join(" "), at)];
        }
        "init" => invocation.opaque.push(opaque(at, "installs what the new project's template names")),
        "upgrade" => {
            invocation.opaque.push(opaque(at, "brings in a program that comes from no package registry"));
        }
        _ => {}
    }
    if invocation.global && matches!(invocation.effect, Project | ProjectAdd) {
        invocation.effect = Requests;
    }
}

/// A file that bun runs may import packages, which bun fetches on the spot when there is no node_modules folder.
fn auto_install(parsed: &mut Parsed, at: usize) {
    let Some(first) = parsed.starts.first() else { return };
    let ends = [".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts"];
    let is_file = first.text == "." || first.text == "-" || ends.iter().any(|e| first.text.ends_with(e));
    let asked = parsed.scan.has("--install") || parsed.scan.has("-i");
    if (is_file || asked) && !parsed.scan.has("--no-install") {
        parsed.invocation.effect = Unknown;
        let reason = "bun fetches what the file imports when there is no node_modules folder";
        parsed.invocation.opaque.push(opaque(if asked { at } else { first.index }, reason));
    }
    if is_file {
        parsed.starts.clear();
    }
}

/// `BUN_CONFIG_REGISTRY` and npm's variable of that purpose.
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    npm::variables(invocation, context, "npm_config_");
    for variable in context.variables() {
        let effect = match variable.name {
            _ if variable.value.is_empty() => continue,
            "BUN_CONFIG_REGISTRY" => Index,
            "BUN_CONFIG_SKIP_SAVE_LOCKFILE" | "BUN_CONFIG_SKIP_LOAD_LOCKFILE" => WeakensSafety,
            "BUN_OPTIONS" => Configures,
            _ => continue,
        };
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
