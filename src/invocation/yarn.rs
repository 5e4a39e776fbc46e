//! Yarn 1 and Yarn 2 to 4 ("berry"): what is asked for on their command lines. Which of the two a project uses is not
//! in argv, so the tables hold both; where they differ, what brings in more is taken.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `yarn exec`, `dlx` and
//! script names would start.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, equals, flag, is_off, opaque, record, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, Request, RequestKind, Tool, npm};
use crate::model::Location;

const GENERAL: &[Opt] = &[
    flag("--help -h, --version -v", Neutral).act(Act::Help),
    value("--cwd", Neutral).act(Act::Directory),
    value("--use-yarnrc", Configures).act(Act::File(FileRole::ToolConfig)),
    flag("--no-default-rc", Configures),
    value("--registry", Index),
    value("--proxy, --https-proxy", Configures),
    flag("--ignore-scripts", Strengthens),
    flag("--skip-integrity-check, --no-lockfile, --update-checksums", WeakensSafety),
    flag(
        "--pure-lockfile, --frozen-lockfile, --check-files, --immutable, --immutable-cache, --check-cache",
        Strengthens,
    ),
    flag("--check-resolutions", Strengthens),
    flag("--no-immutable, --no-immutable-cache", WeakensSafety),
    flag("--refresh-lockfile", Neutral),
    flag("--ignore-platform, --ignore-engines, --ignore-optional, --flat, --prod", Selects),
    equals("--production", Selects),
    value("--mode", Neutral).when(&[("skip-build", Strengthens)]),
    flag(
        "--verbose, --offline, --prefer-offline, --enable-pnp --pnp, --disable-pnp, --strict-semver, --json, --har",
        Neutral,
    ),
    flag("--force -f, --no-bin-links, --link-duplicates, --silent -s, --no-progress, --non-interactive", Neutral),
    flag("--no-node-version-check, --focus, --audit, --inline-builds, --no-emoji, --build-from-source", Neutral),
    equals("--emoji, --scripts-prepend-node-path", Neutral),
    value(
        "--link-folder, --global-folder, --modules-folder, --preferred-cache-folder, --cache-folder, --mutex",
        Neutral,
    ),
    value("--network-concurrency, --network-timeout, --otp, --prefix", Neutral),
];

const ADD: &[Opt] = &[
    flag("--dev -D, --peer -P, --optional -O, --exact -E, --tilde -T, --caret -C, --prefer-dev", Neutral),
    flag(
        "--ignore-workspace-root-check -W, --interactive -i, --cached, --fixed -F, --recursive -R, -g, --global",
        Neutral,
    ),
    flag("--latest -L, --all -A", Selects),
    value("--pattern, --scope -S", Selects),
];

const DLX: &[Opt] = &[value("--package -p", Neutral).act(Act::Ask(RequestKind::With)), flag("--quiet -q", Neutral)];

const FOCUS: &[Opt] = &[flag("--all -A, --workspaces", Selects)];

const FOREACH: &[Opt] = &[
    value("--from, --include, --exclude, --jobs -j, --since-branch", Neutral),
    equals("--since", Neutral),
    flag("--all -A, --recursive -R, --worktree -W, --parallel -p, --interlaced -i, --topological -t", Neutral),
    flag("--topological-dev, --no-private, --dry-run -n, --verbose -v, --private", Neutral),
];

const RUN: &[Opt] =
    &[flag("--top-level -T, --binaries-only -B, --inspect, --inspect-brk", Neutral), value("--require", Runs)];

const IMMUTABLE: &[(&str, super::Effect)] =
    &[("--immutable", Locked), ("--frozen-lockfile", Locked), ("--no-lockfile", Project)];

const VERBS: &[Rule] = &[
    rule("install", Project, &[ADD], Operands::Requests).named(ProjectAdd).turns(IMMUTABLE),
    rule("add", ProjectAdd, &[ADD], Operands::Requests),
    rule("up", Update, &[ADD], Operands::Requests),
    rule("upgrade", Update, &[ADD], Operands::Requests),
    rule("upgrade-interactive", Update, &[ADD], Operands::Requests),
    rule("dedupe", Project, &[DEDUPE], Operands::Ignored),
    rule("import", Project, &[], Operands::Ignored),
    rule("link", Project, &[LINK], Operands::Ignored),
    rule("unlink", Project, &[LINK], Operands::Ignored),
    rule("remove rm", Project, &[ADD], Operands::Ignored),
    rule("rebuild", Project, &[], Operands::Ignored),
    rule("unplug", Project, &[FOCUS], Operands::Ignored),
    rule("autoclean", Nothing, &[], Operands::Ignored),
    rule("dlx", RunsRemote, &[DLX], Operands::Program),
    rule("create", RunsRemote, &[DLX], Operands::Program),
    rule("exec", Nothing, &[RUN], Operands::Command),
    rule("run", Nothing, &[RUN], Operands::Command),
    rule("node", Nothing, &[RUN], Operands::Ignored),
    rule("workspaces/focus", Project, &[FOCUS], Operands::Ignored),
    rule("workspaces/foreach", Nothing, &[FOREACH], Operands::Command),
    rule("workspaces/run", Nothing, &[RUN], Operands::Ignored),
    rule("global/add", Requests, &[ADD], Operands::Requests).global(),
    rule("global/upgrade", Update, &[ADD], Operands::Requests).global(),
    rule("global/upgrade-interactive", Update, &[ADD], Operands::Requests).global(),
    rule("set/version", Unknown, &[SET], Operands::Ignored),
    rule("set/version-from-sources", Unknown, &[SET], Operands::Ignored),
    rule("set/resolution", Project, &[SET], Operands::Ignored),
    rule("policies/set-version", Unknown, &[SET], Operands::Ignored),
    rule("plugin/import", Unknown, &[SET], Operands::Ignored),
    rule("self-update", Unknown, &[SET], Operands::Ignored),
    nothing("workspaces/info"),
    nothing("workspaces/list"),
    nothing("global/remove"),
    nothing("global/list"),
    nothing("global/ls"),
    nothing("global/bin"),
    nothing("global/dir"),
    nothing("plugin/list"),
    nothing("plugin/remove"),
    nothing("plugin/runtime"),
    nothing("plugin/check"),
    nothing("access"),
    nothing("audit"),
    nothing("bin"),
    nothing("cache"),
    nothing("check"),
    nothing("config"),
    nothing("constraints"),
    nothing("explain"),
    nothing("generate-lock-entry"),
    nothing("help"),
    nothing("info"),
    nothing("init"),
    nothing("licenses"),
    nothing("list"),
    nothing("login"),
    nothing("logout"),
    nothing("npm"),
    nothing("outdated"),
    nothing("owner"),
    nothing("pack"),
    nothing("patch"),
    nothing("patch-commit"),
    nothing("publish"),
    nothing("search"),
    nothing("stage"),
    nothing("tag"),
    nothing("team"),
    nothing("version"),
    nothing("versions"),
    nothing("why"),
];

const DEDUPE: &[Opt] = &[value("--strategy", Selects), flag("--check -c", Neutral).act(Act::DryRun)];
const LINK: &[Opt] = &[flag("--all -A, --private -p, --relative -r", Neutral)];
const SET: &[Opt] = &[
    flag("--only-if-needed, --yarn-path, --no-yarn-path, --save", Neutral),
    value("--path, --repository, --branch", Neutral),
];

static YARN: Grammar = Grammar {
    tool: Tool::Yarn,
    style: Style::CLAP,
    general: &[GENERAL],
    groups: &["workspaces", "global", "set", "policies", "plugin"],
    verbs: VERBS,
    scripts: true,
};

/// `yarn …`; without a verb, `yarn install`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let before = super::engine::scan(words, &[GENERAL], Style::CLAP.stopping());
    let at = words.first().map_or(0, |w| w.index);
    let mut all = words.to_vec();
    match words.get(before.read) {
        None if !before.help => all.push(Word::new("install", at)),
        // `yarn workspace NAME COMMAND…`: yarn again, in a member.
        Some(word) if word.text == "workspace" => return workspace(context, program, words, before.read),
        _ => {}
    }
    let mut parsed = grammar::read(context, program, &all, &YARN, &|i, _| variables(i, context));
    if !parsed.done {
        finish(&mut parsed, at);
    }
    parsed.into()
}

fn workspace(context: &Context<'_>, program: &str, words: &[Word], at: usize) -> Understood {
    let mut rest: Vec<Word> = words.get(..at).unwrap_or_default().to_vec();
    rest.extend(words.get(at + 2..).unwrap_or_default().iter().cloned());
    let member = words.get(at + 1);
    if member.is_none() || words.len() <= at + 2 {
        return context.invocation(Tool::Yarn, program).into();
    }
    let mut inner = context.clone();
    inner.depth += 1;
    if inner.depth > 8 {
        let why = opaque(member.map_or(0, |w| w.index), "workspaces nested too deep");
        return super::reading::unknown(context, Tool::Yarn, program, why).into();
    }
    let mut understood = read(&inner, program, &rest);
    if let Some(member) = member {
        let location = Location::argv(member.index);
        let text = member.text.clone();
        understood.invocation.requests.insert(0, Request { text, kind: RequestKind::Selector, location });
    }
    understood
}

fn finish(parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    match invocation.verb.as_str() {
        "dlx" => {
            npm::fetched(invocation, &parsed.starts);
            parsed.starts = npm::started(&parsed.starts);
        }
        "create" => npm::create(invocation, &mut parsed.starts),
        // `yarn workspaces foreach -A add x`: a yarn command.
        "workspaces foreach" if !parsed.starts.is_empty() => parsed.starts.insert(0, Word::new("yarn", at)),
        "link" if parsed.scan.operands.is_empty() => invocation.effect = Nothing,
        "set version" | "set version-from-sources" | "policies set-version" | "self-update" | "plugin import" => {
            invocation.opaque.push(opaque(at, "brings in a program that comes from no package registry"));
        }
        _ => {}
    }
}

/// `YARN_REGISTRY` and `npm_config_registry` (Yarn 1), `YARN_NPM_REGISTRY_SERVER` and its like (Yarn 2 and later).
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    npm::variables(invocation, context, "npm_config_");
    for variable in context.variables() {
        let Some(key) = variable.name.get(5..).filter(|_| {
            variable.name.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("yarn_")) && !variable.value.is_empty()
        }) else {
            continue;
        };
        let off = is_off(variable.value);
        let effect = match key.to_ascii_uppercase().as_str() {
            "REGISTRY" | "NPM_REGISTRY_SERVER" => Index,
            "ENABLE_STRICT_SSL" | "STRICT_SSL" | "ENABLE_IMMUTABLE_INSTALLS" if off => WeakensSafety,
            "ENABLE_IMMUTABLE_INSTALLS" | "IGNORE_SCRIPTS" => Strengthens,
            "ENABLE_SCRIPTS" if off => Strengthens,
            "ENABLE_SCRIPTS" => WeakensSafety,
            "CHECKSUM_BEHAVIOR" | "UNSAFE_HTTP_WHITELIST" => WeakensSafety,
            "YARN_PATH" | "PLUGINS" | "PNPIFY" | "SCRIPT_SHELL" => Runs,
            "RC_FILENAME" | "HTTP_PROXY" | "HTTPS_PROXY" | "CAFILE" | "HTTPS_CA_FILE_PATH" => Configures,
            "NPM_MINIMAL_AGE_GATE" if variable.value == "0" => WeakensSafety,
            "NPM_MINIMAL_AGE_GATE" => Strengthens,
            "PRODUCTION" | "SUPPORTED_ARCHITECTURES" => Selects,
            _ => continue,
        };
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
