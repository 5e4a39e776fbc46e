//! Poetry 1 and 2: what is asked for on its command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `poetry run` would
//! start. Source: `poetry help COMMAND`.

use super::Effect::{Nothing, Project, ProjectAdd, Requests, Unknown, Update};
use super::FlagEffect::{Configures, ExtraIndex, Neutral, Runs, Selects, Strengthens};
use super::engine::{Act, Opt, Style, Word, flag, opaque, record, shown, value};
use super::grammar::{self, Grammar, Operands, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{Invocation, Tool};

const GENERAL: &[Opt] = &[
    flag("--help -h, --version -V", Neutral).act(Act::Help),
    flag("--quiet -q, --verbose -v, --ansi, --no-ansi, --no-interaction -n, --no-cache", Neutral),
    flag("--no-plugins", Strengthens),
    value("--project -P, --directory -C", Neutral).act(Act::Directory),
];

const INSTALL: &[Opt] = &[
    value("--with, --only, --extras -E", Selects).act(Act::Select),
    value("--without", Selects),
    flag("--no-root, --no-directory, --all-extras, --all-groups, --only-root, --no-dev, --dev-only", Selects),
    flag("--sync, --remove-untracked, --compile, --lock", Neutral),
    flag("--dry-run", Neutral).act(Act::DryRun),
];

const ADD: &[Opt] = &[
    value("--group -G, --optional", Neutral),
    value("--extras -E", Selects).act(Act::Select),
    value("--python, --platform, --markers", Selects),
    value("--source", Selects),
    flag("--dev -D, --editable -e, --lock", Neutral),
    flag("--allow-prereleases", Selects),
    flag("--dry-run", Neutral).act(Act::DryRun),
    flag("--preview", Selects),
    flag("--no-update, --regenerate, --check, --sync", Neutral),
];

const BUILD: &[Opt] = &[
    value("--format -f, --output -o, --local-version -l", Neutral),
    value("--config-settings -c", Configures),
    flag("--clean", Neutral),
];

const VERBS: &[Rule] = &[
    rule("install", Project, &[INSTALL], Operands::Ignored),
    rule("sync", Project, &[INSTALL], Operands::Ignored),
    rule("update", Update, &[INSTALL], Operands::Requests),
    rule("lock", Project, &[ADD], Operands::Ignored).turns(&[("--regenerate", Update)]),
    rule("add", ProjectAdd, &[ADD], Operands::Requests),
    // It locks anew, and installs what is locked then.
    rule("remove", Project, &[ADD], Operands::Ignored),
    rule("build", Project, &[BUILD], Operands::Ignored),
    rule("run", Nothing, &[], Operands::Command),
    rule("self/add", Requests, &[ADD], Operands::Requests).global(),
    rule("self/update", Update, &[ADD], Operands::Requests).global(),
    rule("self/install", Unknown, &[ADD], Operands::Ignored).global(),
    rule("self/sync", Unknown, &[ADD], Operands::Ignored).global(),
    rule("self/lock", Unknown, &[ADD], Operands::Ignored).global(),
    rule("self/remove plugin/remove", Unknown, &[ADD], Operands::Ignored).global(),
    rule("plugin/add", Requests, &[ADD], Operands::Requests).global(),
    rule("python/install", Unknown, &[PYTHON], Operands::Ignored).global(),
    rule("publish", Nothing, &[PUBLISH], Operands::Ignored).turns(&[("--build", Project)]),
    nothing("show"),
    nothing("export"),
    rule("debug/resolve", Project, &[ADD], Operands::Requests),
    nothing("self/show"),
    nothing("plugin/show"),
    nothing("python/list"),
    nothing("python/remove"),
    nothing("debug/info"),
    nothing("debug/tags"),
    nothing("env/activate"),
    nothing("env/info"),
    nothing("env/list"),
    nothing("env/remove"),
    nothing("env/use"),
    nothing("cache/clear"),
    nothing("cache/list"),
    nothing("source/add"),
    nothing("source/remove"),
    nothing("source/show"),
    nothing("about"),
    nothing("check"),
    nothing("config"),
    nothing("help"),
    nothing("init"),
    nothing("list"),
    nothing("new"),
    nothing("search"),
    nothing("shell"),
    nothing("version"),
];

const PYTHON: &[Opt] =
    &[flag("--clean -c, --free-threaded -t, --reinstall -r", Neutral), value("--implementation -i", Neutral)];
const PUBLISH: &[Opt] = &[
    flag("--build, --skip-existing", Neutral),
    flag("--dry-run", Neutral).act(Act::DryRun),
    value("--repository -r, --username -u, --password -p, --cert, --client-cert, --dist-dir", Neutral),
];

static POETRY: Grammar = Grammar {
    tool: Tool::Poetry,
    style: Style::CLAP,
    first: &[],
    general: &[GENERAL],
    groups: &["self", "plugin", "python", "debug", "env", "cache", "source"],
    verbs: VERBS,
    scripts: false,
};

/// `poetry …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &POETRY, &|i, _| variables(i, context));
    if !parsed.done && parsed.invocation.effect == Unknown {
        let at = words.first().map_or(0, |w| w.index);
        let reason = match parsed.invocation.verb.as_str() {
            "python install" => "brings in a program that comes from no package index",
            _ => "installs what Poetry's own project file says",
        };
        parsed.invocation.opaque.push(opaque(at, reason));
    }
    // To Poetry 1 this option has no value, and the word behind it is a package.
    if let Some(given) = parsed.scan.given.iter().find(|g| g.name == "--optional" && g.value_index != g.index) {
        let word = shown(given.value.as_deref().unwrap_or_default());
        let reason =
            format!("`{word}` is a package to Poetry 1 and an extra to Poetry 2, which `--optional={word}` says");
        parsed.invocation.opaque.push(opaque(given.value_index, reason));
    }
    if parsed.invocation.verb == "show"
        && let Some(word) = words.iter().find(|w| asks_for_newest(&w.text))
    {
        let at = crate::model::Location::argv(word.index);
        let opt = flag("--latest", Neutral);
        record(&mut parsed.invocation, "--latest", None, Some(&opt), &[at.clone(), at]);
    }
    if parsed.invocation.verb == "self update" && parsed.invocation.requests.is_empty() {
        parsed.invocation.requests.push(super::Request {
            text: "poetry".to_owned(),
            kind: super::RequestKind::Requirement,
            location: crate::model::Location::built_in(),
        });
    }
    parsed.into()
}

/// `show --latest` and `--outdated`, also in a cluster: they look at where packages come from.
fn asks_for_newest(word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(name) => matches!(name, "latest" | "outdated"),
        None => word.strip_prefix('-').is_some_and(|letters| letters.contains(['l', 'o'])),
    }
}

/// `POETRY_REPOSITORIES_FOO_URL` and the settings that weaken or choose.
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    for variable in context.variables() {
        let Some(key) = variable.name.strip_prefix("POETRY_") else { continue };
        let effect = match key {
            _ if variable.value.is_empty() => continue,
            _ if key.starts_with("REPOSITORIES_") && key.ends_with("_URL") => ExtraIndex,
            _ if key.starts_with("CERTIFICATES_") && key.ends_with("_CERT") => Configures,
            "INSTALLER_NO_BINARY" | "INSTALLER_ONLY_BINARY" | "SOLVER_LAZY_WHEEL" => Selects,
            "PYTHON_INSTALLATION_DIR" => Runs,
            "CONFIG_DIR" => Configures,
            _ => continue,
        };
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
