//! Pipenv: what is asked for on its command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `pipenv run` would
//! start. Source: `pipenv COMMAND --help`.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Unknown, Update};
use super::FlagEffect::{Configures, ExtraIndex, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, flag, opaque, record, value};
use super::grammar::{self, Grammar, Operands, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, RequestKind, Tool, pip};
use crate::shell::Stream;

/// What pipenv tells only where no verb follows, help too; else it goes on with the verb.
const FIRST: &[Opt] = &[
    flag("--version", Neutral).act(Act::Help),
    flag("--help -h, --where, --venv, --py, --envs, --rm, --man, --support, --completion", Neutral),
];

const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--bare, --verbose -v, --quiet -q, --clear, --site-packages, --no-site-packages", Neutral),
    value("--python", Runs),
    value("--pypi-mirror", Index),
];

const INSTALL: &[Opt] = &[
    flag("--system", Neutral).act(Act::Global),
    flag("--deploy, --ignore-pipfile", Strengthens),
    flag("--skip-lock", WeakensSafety),
    flag("--pre, --dev -d, --all, --dev-only", Selects),
    flag(
        "--sequential, --keep-outdated, --selective-upgrade, --lock-only, --outdated, --refresh-index, --clean, --bare",
        Neutral,
    ),
    flag("--dry-run", Neutral).act(Act::DryRun),
    value("--extra-pip-args", Configures),
    value("--resolver, --backend", Selects),
    value("--categories, --extras", Selects).act(Act::Select),
    value("--config-settings", Configures),
    value("--index -i", ExtraIndex),
    value("--requirements -r --requirement --requirementstxt", Neutral).act(Act::File(FileRole::Requirements)),
    value("--editable -e", Neutral).act(Act::Ask(RequestKind::Editable)),
    value("--code -c", Selects),
];

const LOCK: &[Opt] = &[
    // Before 2022: print requirements, after locking.
    flag("--requirements -r", Neutral),
    flag("--dev-only", Selects),
];

const LEAVES: &[Opt] = &[flag("--all-dev, --lock, --keep-outdated, --bare, --dry-run, --system, --three", Neutral)];

const RUN: &[Opt] = &[flag("--system", Neutral)];

const VERBS: &[Rule] = &[
    rule("install", Project, &[INSTALL], Operands::Requests).named(ProjectAdd).turns(&[
        ("--deploy", Locked),
        ("--ignore-pipfile", Locked),
        ("--requirements", ProjectAdd),
    ]),
    rule("sync", Locked, &[INSTALL], Operands::Ignored),
    rule("update", Update, &[INSTALL], Operands::Requests),
    rule("upgrade", Update, &[INSTALL], Operands::Requests).named(ProjectAdd),
    rule("lock", Update, &[LOCK, INSTALL], Operands::Ignored),
    rule("run", Nothing, &[RUN], Operands::Command),
    // It resolves what is left, and locks that.
    rule("uninstall", Project, &[INSTALL, LEAVES], Operands::Ignored),
    nothing("check"),
    nothing("scan"),
    nothing("audit"),
    nothing("clean"),
    nothing("remove"),
    nothing("shell"),
    nothing("activate"),
    nothing("graph"),
    nothing("open"),
    nothing("scripts"),
    nothing("verify"),
    nothing("requirements"),
    nothing("pylock"),
];

static PIPENV: Grammar = Grammar {
    tool: Tool::Pipenv,
    style: Style::ARGPARSE,
    first: FIRST,
    general: &[GENERAL],
    groups: &[],
    verbs: VERBS,
    scripts: false,
};

/// `pipenv …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &PIPENV, &|i, _| variables(i, context));
    pip::inner_arguments(&mut parsed.invocation, &["--extra-pip-args"]);
    if matches!(parsed.invocation.verb.as_str(), "check" | "scan" | "audit") {
        checks(context, &mut parsed.invocation, words);
    }
    parsed.into()
}

/// `check`, `scan` and `audit` install safety or pip-audit, where the environment has none: told to, or when whoever writes
/// their input agrees. `audit --fix` installs what pip-audit takes for fixed. The beginning of an option's name is the
/// option. Measured with 2026.10.
fn checks(context: &Context<'_>, invocation: &mut Invocation, words: &[Word]) {
    let told = |w: &&Word| {
        let begins = |option: &str, least: &str| w.text.len() >= least.len() && option.starts_with(&w.text);
        begins("--auto-install", "--aut") || begins("--fix", "--fi")
    };
    let answered = || words.first().filter(|_| !matches!(context.input, Stream::Inherited));
    if let Some(word) = words.iter().find(told).or_else(answered) {
        invocation.effect = Unknown;
        invocation
            .opaque
            .push(opaque(word.index, "installs the checker that it runs, and what that one takes for fixed"));
    }
}

/// Pipenv's own variables; those of pip reach the pip that it runs.
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    pip::inherited(invocation, context);
    for variable in context.variables() {
        let effect = match variable.name {
            _ if variable.value.is_empty() => continue,
            "PIPENV_PYPI_MIRROR" => Index,
            "PIPENV_SKIP_LOCK" => WeakensSafety,
            "PIPENV_PIPFILE" | "PIPENV_RESOLVER_BACKEND" | "PIPENV_RESOLVER" => Selects,
            "PIPENV_PYTHON" | "PIPENV_DEFAULT_PYTHON_VERSION" => Runs,
            "PIPENV_EXTRA_PIP_ARGS" => Configures,
            _ => continue,
        };
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
