//! Bun and bunx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the program that `bun x`, `bun run` and
//! `bunx` would start. Source: `bun COMMAND --help`, 1.4.

use std::path::PathBuf;

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::beside::{Beside, variable};
use super::code;
use super::engine::{Act, Opt, Scan, Style, Word, equals, flag, maybe, opaque, record, scan, shown, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood, unknown_verb};
use super::{FileRole, Invocation, RequestKind, Tool, npm};

/// Where no verb follows; else they do nothing.
const FIRST: &[Opt] = &[flag("--version -v, --revision", Neutral).act(Act::Help)];

/// Options of the runtime, which may stand before a verb.
const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--version -v, --revision", Neutral),
    value("--cwd", Neutral).act(Act::Directory),
    equals("--config -c", Configures).act(Act::File(FileRole::ToolConfig)),
    value("--env-file", Configures),
    flag("--no-env-file, --silent, --bun -b, --watch, --hot, --smol, --if-present, --no-clear-screen", Neutral),
    flag("--no-install", Strengthens),
    value("--install", Selects),
    flag("-i", Selects),
    value("--preload -r, --require, --import", Runs),
    value("--filter -F", Selects).act(Act::Select),
    value("--elide-lines, --shell, --port, --conditions, --define -d, --drop, --loader -l, --title", Neutral),
    equals("--inspect, --inspect-wait, --inspect-brk", Neutral),
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
    value("--omit, --cpu, --os, --libc, --linker, --depth", Selects),
    equals("--catalog", Selects),
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

const RUN: &[Opt] = &[flag("--all", Neutral), value("--eval -e, --print -p", Neutral)];

const FROZEN: &[(&str, super::Effect)] = &[("--frozen-lockfile", Locked)];

const VERBS: &[Rule] = &[
    rule("install i", Project, &[INSTALL], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("ci", Locked, &[INSTALL], Operands::Requests).named(ProjectAdd),
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
    rule("repl", Nothing, &[RUN], Operands::Ignored),
    rule("exec", Nothing, &[], Operands::Command),
    rule("upgrade", Unknown, &[UPGRADE], Operands::Ignored).global(),
    rule("audit", Nothing, &[AUDIT, INSTALL], Operands::Ignored),
    rule("dedupe", Project, &[CHECK, INSTALL], Operands::Ignored),
    rule("pm", Nothing, &[PM, INSTALL], Operands::Ignored),
    nothing("build"),
    nothing("completions"),
    nothing("discord"),
    nothing("feedback"),
    nothing("getcompletes"),
    nothing("help"),
    nothing("info"),
    nothing("list ls"),
    nothing("outdated"),
    nothing("prune"),
    nothing("publish"),
    nothing("test"),
    nothing("why"),
];

const CREATE: &[Opt] = &[flag("--force, --no-install, --no-git, --no-package-json, --open, --verbose", Neutral)];
const INIT: &[Opt] = &[flag("--yes -y, --minimal -m, --react", Neutral), maybe("--react", Neutral)];
const CHECK: &[Opt] = &[flag("--check", Neutral).act(Act::DryRun)];
const AUDIT: &[Opt] = &[value("--audit-level, --ignore", Neutral), flag("--json, --prod", Neutral)];
const PM: &[Opt] = &[
    flag("--all -a, --trusted, --prod, --long, --json, --stat, --name-only, --top", Neutral),
    flag("--git-tag-version, --no-git-tag-version, --allow-same-version", Neutral),
    value("--destination, --filename, --gzip-level, --max-age, --message -m, --preid, -U", Neutral),
];
const UPGRADE: &[Opt] = &[flag("--canary, --stable, --profile", Neutral)];

static BUN: Grammar = Grammar {
    tool: Tool::Bun,
    style: Style::CLAP,
    first: &[],
    general: &[GENERAL],
    groups: &[],
    verbs: VERBS,
    scripts: true,
};

/// `bun …`.
pub(super) fn bun(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let at = words.first().map_or(0, |w| w.index);
    let mut inner = context.clone();
    let mut ordered = words.to_vec();
    if let Some(verb) = verb_at(words) {
        let before = scan(words, &[GENERAL], Style::CLAP.stopping());
        if before.read != verb {
            let word = ordered.remove(verb);
            inner.opaque.push(opaque(word.index, format!("bun takes `{}` for its command", shown(&word.text))));
            ordered.insert(0, word);
        }
    } else {
        let own = scan(words, &[RUN, FIRST, GENERAL], Style::CLAP.stopping());
        if own.help {
            return context.invocation(Tool::Bun, program).into();
        }
        if is_code(&own) {
            ordered.insert(0, Word::new("run", at));
        }
    }
    let mut parsed = grammar::read(&inner, program, &ordered, &BUN, &|i, _| variables(i, context));
    if let Some(invocation) = code_given(context, program, &parsed.scan, words) {
        return invocation.into();
    }
    if parsed.invocation.verb == "run" {
        auto_install(context, &mut parsed, at);
    } else if !parsed.done {
        finish(&mut parsed, at);
    }
    if parsed.invocation.verb == "repl" && !parsed.scan.help {
        auto_install(context, &mut parsed, at);
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

/// The place of the verb: bun takes the first word without a dash for it, be it an option's value or not. What begins
/// with `-e` ends the search.
fn verb_at(words: &[Word]) -> Option<usize> {
    let at = words.iter().position(|w| !w.text.starts_with('-') || w.text.starts_with("-e"))?;
    let word = words.get(at)?;
    VERBS.iter().any(|rule| rule.names.split_ascii_whitespace().any(|name| name == word.text)).then_some(at)
}

/// Whether the options hold the code that bun is to run.
fn is_code(scan: &Scan) -> bool {
    ["--eval", "--print"].iter().any(|name| scan.has(name))
}

/// Code that may install something.
fn code_given(context: &Context<'_>, program: &str, scan: &Scan, words: &[Word]) -> Option<Invocation> {
    let given = scan.given.iter().rev().find(|g| matches!(g.name.as_str(), "--eval" | "--print"))?;
    let word = words.iter().find(|w| w.index == given.value_index)?;
    let code = Word { text: given.value.clone()?, ..word.clone() };
    code::given(context, Tool::Bun, program, &code)
}

/// `bun pm VERB…`, `bun audit fix`.
fn second(invocation: &mut Invocation, operands: &[Word]) {
    let Some(word) = operands.first() else { return };
    match (invocation.verb.as_str(), word.text.as_str()) {
        ("audit", "fix") => invocation.effect = Update,
        ("audit", _) => return,
        // It runs scripts of what is installed that were not run before.
        (_, "trust") => invocation.effect = if invocation.global { Unknown } else { Project },
        (_, "fetch" | "migrate") => invocation.effect = Project,
        (_, "cache") if operands.get(1).is_some_and(|w| w.text == "unpack") => {
            invocation.effect = Unknown;
            invocation.opaque.push(opaque(word.index, "puts into bun's cache what the file holds, whatever it is"));
        }
        (
            _,
            "bin" | "cache" | "default-trusted" | "diff" | "hash" | "hash-print" | "hash-string" | "licenses" | "list",
        )
        | (_, "ls" | "pack" | "pkg" | "scan" | "untrusted" | "version" | "view" | "whoami" | "why") => {}
        _ => return unknown_verb(invocation, word),
    }
    invocation.verb = format!("{} {}", invocation.verb, word.text);
}

fn finish(parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    match invocation.verb.as_str() {
        "audit" | "pm" => second(invocation, &parsed.scan.operands),
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

/// Whether bun fetches what a file imports that is in no node_modules folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AutoInstall {
    Off,
    /// Where there is no such folder beside the file or above it: bun's default.
    WithoutFolder,
    Always,
}

impl AutoInstall {
    /// What bun is told by words, `BUN_OPTIONS` and bunfig.toml. Measured with 1.4.
    fn of(context: &Context<'_>, parsed: &Parsed, beside: Option<&Beside<'_>>) -> Self {
        let has = |name: &str| parsed.scan.has(name);
        let options = variable(context, "BUN_OPTIONS").unwrap_or_default();
        let option = |starts: &[&str]| options.split_whitespace().any(|w| starts.iter().any(|s| w.starts_with(s)));
        let installs = parsed.scan.given.iter().filter(|g| g.name == "--install");
        let mut asked: Vec<Self> = installs.map(|g| named(g.value.as_deref().unwrap_or_default())).collect();
        asked.extend(has("--no-install").then_some(Self::Off));
        asked.extend((has("-i") || option(&["-i", "--install", "-c", "--config"])).then_some(Self::Always));
        let worst = [Self::Always, Self::WithoutFolder, Self::Off].into_iter().find(|a| asked.contains(a));
        let by_words = worst.unwrap_or(Self::WithoutFolder);
        let Some(beside) = beside else { return by_words };
        let given = parsed.invocation.flag("--config");
        let name = given.map_or(Some("bunfig.toml"), |flag| flag.value.as_deref());
        let Ok(text) = name.ok_or(()).and_then(|name| beside.text(&beside.path(name))) else { return Self::Always };
        let Some(text) = text else { return by_words };
        let Ok(table) = text.parse::<toml::Table>() else { return Self::Always };
        // It beats the words.
        match table.get("install").and_then(|i| i.get("auto")) {
            Some(toml::Value::String(text)) => named(text),
            Some(toml::Value::Boolean(false)) => Self::Off,
            Some(_) => Self::Always,
            None => by_words,
        }
    }
}

/// A value of `--install`, and of `auto` in bunfig.toml.
fn named(text: &str) -> AutoInstall {
    match text {
        "disable" => AutoInstall::Off,
        "auto" => AutoInstall::WithoutFolder,
        _ => AutoInstall::Always,
    }
}

/// What bun runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A script of package.json.
    Script,
    /// A file, a directory, or code that stands in the words or comes from the input.
    File,
    /// A program of the project or of PATH, as far as its name tells.
    Program,
}

const EXTENSIONS: [&str; 8] = [".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts"];

/// A file that bun runs may import packages, which bun fetches on the spot when there is no node_modules folder.
fn auto_install(context: &Context<'_>, parsed: &mut Parsed, at: usize) {
    let code = is_code(&parsed.scan) || parsed.invocation.verb == "repl";
    let selects = ["--filter", "--workspaces"].iter().any(|name| parsed.scan.has(name));
    let entry = if code { Some(Word::new("-", at)) } else { parsed.starts.first().cloned() };
    let Some(first) = entry else { return };
    let beside = Beside::of(context, parsed.invocation.directory.as_deref()).filter(|_| !context.earlier);
    let mode = AutoInstall::of(context, parsed, beside.as_ref());
    let path_like = matches!(first.text.as_str(), "." | "-") || EXTENSIONS.iter().any(|e| first.text.ends_with(e));
    let is_path = path_like || first.text.contains(['/', '\\']);
    let (entry, folder) = match &beside {
        None => (if is_path { Entry::File } else { Entry::Program }, false),
        Some(beside) => {
            let folder = has_folder(beside, &first.text);
            let script = || {
                let manifest = beside.manifest().ok().flatten();
                manifest.is_some_and(|(_, m)| m.get("scripts").and_then(|s| s.get(&first.text)).is_some())
            };
            // Where neither the folder nor the words decide, a name is what package.json says.
            let plain = folder && mode != AutoInstall::Always;
            match is_path {
                false if selects || (!plain && script()) => (Entry::Script, folder),
                false if plain => (Entry::Program, folder),
                _ => (Entry::File, folder),
            }
        }
    };
    let fetches = match mode {
        AutoInstall::Off => false,
        AutoInstall::WithoutFolder => !folder,
        AutoInstall::Always => true,
    };
    let asked = mode == AutoInstall::Always;
    // Of a script, what it gives this bun as a `node` to run.
    let as_node = || {
        let manifest = beside.as_ref().and_then(|b| b.manifest().ok().flatten());
        let text = |name: &str| {
            let script = manifest.as_ref().and_then(|(_, m)| m.get("scripts")?.get(name)?.as_str());
            script.is_some_and(|s| s.contains("node"))
        };
        ["", "pre", "post"].iter().any(|around| text(&format!("{around}{}", first.text)))
            && starts_itself(context, &parsed.invocation)
    };
    let imports = match entry {
        Entry::File => true,
        Entry::Program => asked,
        Entry::Script => fetches && as_node(),
    };
    if fetches && imports {
        parsed.invocation.effect = Unknown;
        let reason = "bun fetches what the file imports when there is no node_modules folder";
        parsed.invocation.opaque.push(opaque(if asked { at } else { first.index }, reason));
    }
    if path_like {
        parsed.starts.clear();
    }
}

/// Whether bun finds a node_modules folder from where the entry lies; of links it takes what they lead to, which is not
/// looked for here.
fn has_folder(beside: &Beside<'_>, entry: &str) -> bool {
    let path = beside.path(if entry == "-" { "." } else { entry });
    let start = if beside.files.is_dir(&path) { path.as_path() } else { path.parent().unwrap_or(&path) };
    let stem = path.file_stem();
    let beside_it = beside.files.list(path.parent().unwrap_or(&path));
    let candidates = beside_it.iter().filter(|p| p.file_stem() == stem || p.file_name() == stem);
    let between = path.ancestors().take_while(|d| !beside.directory.starts_with(d));
    let linked = candidates.map(PathBuf::as_path).chain(between).any(|p| beside.files.is_link(p));
    !linked && start.ancestors().any(|d| beside.files.is_dir(&d.join("node_modules")))
}

/// Whether a script of the project that bun runs finds this very bun under its name, past every link: with `--bun`, and
/// where there is no node on PATH, bun puts itself in front of PATH under both names.
pub(super) fn starts_itself(context: &Context<'_>, invocation: &Invocation) -> bool {
    if invocation.tool != Tool::Bun || invocation.verb != "run" {
        return false;
    }
    let Some(beside) = Beside::of(context, invocation.directory.as_deref()) else { return false };
    let flags = ["--bun", "--config"].iter().any(|name| invocation.flag(name).is_some());
    let options = variable(context, "BUN_OPTIONS").is_some_and(|o| o.contains("-b") || o.contains("--bun"));
    let bunfig = beside.text(&beside.path("bunfig.toml")).map_or(true, |t| t.is_some_and(|t| t.contains("bun")));
    let node = || !beside.on_path(context, "node").is_empty();
    flags || options || bunfig || !node()
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
