//! Yarn 1 and Yarn 2 to 4 ("berry"): what is asked for on their command lines. Which of the two a project uses is not
//! in argv, so the tables hold both; where they differ, what brings in more is taken.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `yarn exec`, `dlx` and
//! script names would start.

use std::path::Path;

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::beside::{Beside, variable};
use super::engine::{Act, Opt, Style, Word, equals, flag, is_off, opaque, record, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, Request, RequestKind, Tool, npm};
use crate::model::Location;

/// After a verb yarn 1 does not care for it, but as its first word: see [`help_first`].
const FIRST: &[Opt] = &[flag("--help -h", Neutral).act(Act::Help)];

const GENERAL: &[Opt] = &[
    flag("--version -v", Neutral).act(Act::Help),
    flag("--help -h", Neutral),
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

/// `yarn init`; a release to fetch stands after `=` in berry, and is the next word in yarn 1.
const INIT: &[Opt] = &[
    flag("--private -p, --workspace -w, --yes -y, -2", Neutral),
    equals("--install -i", Neutral),
    value("--name -n", Neutral),
];

const PACK: &[Opt] = &[
    flag("--install-if-needed, --json", Neutral),
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    value("--out -o, --filename -f", Neutral),
];

const VERSION: &[Opt] = &[
    flag("--deferred -d, --immediate -i, --all, --recursive -R, --exact, --interactive", Neutral),
    flag("--dry-run", Neutral).act(Act::DryRun),
    equals("--prerelease", Neutral),
    flag("--major, --minor, --patch, --premajor, --preminor, --prepatch", Neutral),
    flag("--git-tag-version, --no-git-tag-version, --commit-hooks, --no-commit-hooks", Neutral),
    value("--new-version, --message, --preid", Neutral),
];

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
    rule("init", Project, &[INIT], Operands::Ignored),
    // berry packs what a `prepack` script makes of an installed project.
    rule("pack", Nothing, &[PACK], Operands::Ignored).turns(&[("--install-if-needed", Project)]),
    // berry installs after it (`yarn version patch`, `apply`); yarn 1 has only options.
    rule("version", Nothing, &[VERSION], Operands::Ignored).named(Project),
    // A list to pick from: what is picked is added.
    rule("search", Unknown, &[], Operands::Ignored),
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
    nothing("licenses"),
    nothing("list"),
    nothing("login"),
    nothing("logout"),
    nothing("npm"),
    nothing("outdated"),
    nothing("owner"),
    nothing("patch"),
    nothing("patch-commit"),
    nothing("publish"),
    nothing("stage"),
    nothing("tag"),
    nothing("team"),
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
    first: FIRST,
    general: &[GENERAL],
    groups: &["workspaces", "global", "set", "policies", "plugin"],
    verbs: VERBS,
    scripts: true,
};

/// `yarn …`; without a verb, `yarn install`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let before = super::engine::scan(words, &[FIRST, GENERAL], Style::CLAP.stopping());
    let at = words.first().map_or(0, |w| w.index);
    let mut all = words.to_vec();
    match words.get(before.read) {
        None if !before.help => all.push(Word::new("install", at)),
        // `yarn workspace NAME COMMAND…`: yarn again, in a member.
        Some(word) if word.text == "workspace" => return workspace(context, program, words, before.read),
        Some(word) if is_directory(&word.text) && words.len() > before.read + 1 => {
            let directory = Word { text: format!("--cwd={}", word.text), ..word.clone() };
            all.splice(before.read..=before.read, [directory]);
            return again(context, program, &all, word.index);
        }
        Some(verb) if help_first(verb, words.get(before.read + 1)) => all.swap(before.read, before.read + 1),
        _ => {}
    }
    let mut parsed = grammar::read(context, program, &all, &YARN, &|i, _| variables(i, context));
    if !parsed.done {
        finish(context, &mut parsed, at);
    }
    parsed.into()
}

/// Whether the first word after a verb asks for its help: yarn 1 looks there, and before the verb.
fn help_first(verb: &Word, next: Option<&Word>) -> bool {
    let is = |rule: &Rule| rule.names.split_ascii_whitespace().any(|n| n == verb.text);
    let known = YARN.groups.contains(&verb.text.as_str()) || VERBS.iter().any(is);
    known && next.is_some_and(|w| matches!(w.text.as_str(), "--help" | "-h"))
}

/// Whether a word in the place of the verb is a directory to work in: berry's `yarn ./packages/a add x`.
fn is_directory(word: &str) -> bool {
    let name = word.strip_prefix('@').and_then(|scoped| scoped.split_once('/')).map_or(word, |(_, name)| name);
    name.contains(['/', '\\']) || word.starts_with("@/")
}

fn workspace(context: &Context<'_>, program: &str, words: &[Word], at: usize) -> Understood {
    let mut rest: Vec<Word> = words.get(..at).unwrap_or_default().to_vec();
    rest.extend(words.get(at + 2..).unwrap_or_default().iter().cloned());
    let member = words.get(at + 1);
    if member.is_none() || words.len() <= at + 2 {
        return context.invocation(Tool::Yarn, program).into();
    }
    let mut understood = again(context, program, &rest, member.map_or(0, |w| w.index));
    if let Some(member) = member {
        let location = Location::argv(member.index);
        let text = member.text.clone();
        understood.invocation.requests.insert(0, Request { text, kind: RequestKind::Selector, location });
    }
    understood
}

/// What a command of yarn's asks yarn for in turn.
fn again(context: &Context<'_>, program: &str, words: &[Word], at: usize) -> Understood {
    let mut inner = context.clone();
    inner.depth += 1;
    if inner.depth > 8 {
        let why = opaque(at, "workspaces nested too deep");
        return super::reading::unknown(context, Tool::Yarn, program, why).into();
    }
    read(&inner, program, words)
}

/// `yarn init`: with `-2` or `-i` another yarn is fetched first. berry then installs what the new manifest says: what one
/// was there, and `initFields` of its configuration, bring in. In an empty place there is nothing of it.
fn init(context: &Context<'_>, parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    if parsed.scan.has("-2") || parsed.scan.has("--install") {
        invocation.opaque.push(opaque(at, BRINGS_ITSELF));
        invocation.effect = Unknown;
        return;
    }
    let Some(beside) = Beside::of(context, invocation.directory.as_deref()) else { return };
    let name = variable(context, "YARN_RC_FILENAME").unwrap_or_else(|| ".yarnrc.yml".to_owned());
    let fields = |directory: &Path| match beside.text(&directory.join(&name)) {
        Ok(text) => text.is_some_and(|t| t.contains("initFields")),
        Err(()) => true,
    };
    if beside.above().chain(beside.home()).any(fields) {
        let reason = "`initFields` of yarn's configuration goes into the manifest that is then installed";
        invocation.opaque.push(opaque(at, reason));
        invocation.effect = Unknown;
    } else if !beside.above().any(|d| beside.files.is_file(&d.join("package.json"))) {
        invocation.effect = Nothing;
    }
}

const BRINGS_ITSELF: &str = "brings in a program that comes from no package registry";

fn finish(context: &Context<'_>, parsed: &mut Parsed, at: usize) {
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
            invocation.opaque.push(opaque(at, BRINGS_ITSELF));
        }
        "init" => init(context, parsed, at),
        // Berry's own words for what it would do now or later.
        "version" if parsed.scan.operands.first().is_some_and(|w| w.text == "check") => invocation.effect = Nothing,
        "version" if parsed.scan.has("--deferred") && !parsed.scan.has("--immediate") => invocation.effect = Nothing,
        "search" => invocation.opaque.push(opaque(at, "adds what is picked from a list")),
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
