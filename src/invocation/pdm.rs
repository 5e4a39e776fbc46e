//! PDM: what is asked for on its command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `pdm run` would start.
//! Source: `pdm COMMAND --help`.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, Unknown, Update};
use super::FlagEffect::{Configures, ExtraIndex, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, flag, maybe, opaque, record, value};
use super::grammar::{self, Grammar, Operands, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, RequestKind, Tool, pip};

const FIRST: &[Opt] = &[flag("--version -V", Neutral).act(Act::Help)];

const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--quiet -q, --verbose -v, --no-cache, --ignore-python -I, --non-interactive -n", Neutral),
    flag("--global -g", Neutral).act(Act::Global),
    value("--project -p", Neutral).act(Act::Directory),
    value("--config -c", Configures).act(Act::File(FileRole::ToolConfig)),
    maybe("--pep582", Neutral),
];

const SHARED: &[Opt] = &[
    value("--lockfile -L", Selects),
    value("--override", Selects).act(Act::File(FileRole::Overrides)),
    flag("--frozen-lockfile --no-lock", Neutral),
    value("--skip -k", Neutral),
    maybe("--venv", Neutral),
    flag("--dry-run --outdated", Neutral).act(Act::DryRun),
    value("--config-setting -C", Configures),
    flag("--no-isolation", WeakensSafety),
    flag("--no-self, --no-editable, --prod --production, --no-default, --dev -d", Selects),
    value("--group -G --with", Selects).act(Act::Select),
    value("--without", Selects),
    flag("--fail-fast -x, --no-sync, --plugins", Neutral),
    flag("--pre --prerelease, --stable, --unconstrained -u", Selects),
    flag("--save-compatible, --save-safe-compatible, --save-wildcard, --save-exact, --save-minimum", Neutral),
    flag("--update-reuse, --update-eager, --update-all, --update-reuse-installed, --top -t", Selects),
    value("--editable -e", Neutral).act(Act::Ask(RequestKind::Editable)),
    flag("--clean, --only-keep --clean-unselected, --reinstall -r", Neutral),
];

const LOCK: &[Opt] = &[
    flag("--refresh", Neutral),
    flag("--check", Neutral).act(Act::DryRun),
    value("--exclude-newer", Strengthens),
    value("--exclude-newer-override", Selects),
    value("--strategy -S, --python, --platform, --implementation", Selects),
    flag("--no-cross-platform, --static-urls, --no-static-urls, --append", Neutral),
];

const BUILD: &[Opt] = &[
    flag("--no-isolation", WeakensSafety),
    value("--skip -k, --dest -d", Neutral),
    value("--config-setting -C", Configures),
    flag("--no-sdist, --no-wheel, --no-clean", Neutral),
];

const RUN: &[Opt] = &[
    value("--skip -k, --env", Neutral),
    value("--env-file", Configures),
    value("--working-dir", Neutral),
    maybe("--venv", Neutral),
    flag("--list -l, --json -j", Neutral).act(Act::Help),
    flag("--site-packages -s, --recreate", Neutral),
];

const SELF: &[Opt] =
    &[value("--pip-args", Configures), flag("--head, --pre, --no-frozen-deps", Selects), flag("--yes -y", Neutral)];

const PUBLISH: &[Opt] = &[
    value("--skip -k, --repository -r, --username -u, --password -P, --identity -i, --comment -c, --dest -d", Neutral),
    flag("--sign -S, --no-build, --skip-existing", Neutral),
    flag("--no-verify-ssl --no-very-ssl", WeakensSafety),
    value("--ca-certs", Configures),
];

const VERBS: &[Rule] = &[
    rule("install", Project, &[LOCK, SHARED], Operands::Ignored).turns(&[("--frozen-lockfile", Locked)]),
    rule("sync", Locked, &[SHARED], Operands::Ignored),
    rule("add", ProjectAdd, &[SHARED], Operands::Requests),
    rule("update", Update, &[SHARED], Operands::Requests),
    rule("lock", Update, &[LOCK, SHARED], Operands::Ignored).turns(&[
        ("--check", Locked),
        ("--refresh", Locked),
        ("--update-reuse", Project),
    ]),
    rule("build", Project, &[BUILD], Operands::Ignored),
    rule("publish", Project, &[PUBLISH], Operands::Ignored).turns(&[("--no-build", Nothing)]),
    // It locks anew, and syncs.
    rule("remove", Project, &[SHARED], Operands::Ignored),
    // Of what is named it prepares the newest release, and builds one that has no wheel.
    rule("show", Nothing, &[SHOW], Operands::Requests).named(Requests),
    nothing("use"),
    nothing("venv"),
    rule("outdated", Nothing, &[], Operands::Ignored),
    rule("run", Nothing, &[RUN], Operands::Command),
    rule("self/add plugin/add", Requests, &[SELF], Operands::Requests).global(),
    rule("self/update plugin/update", Update, &[SELF], Operands::Ignored).global(),
    rule("python/install py/install", Unknown, &[PYTHON], Operands::Ignored).global(),
    nothing("self/remove plugin/remove"),
    nothing("self/list plugin/list"),
    nothing("python/list py/list"),
    nothing("python/remove py/remove"),
    nothing("python/find py/find"),
    nothing("python/link py/link"),
    nothing("cache"),
    nothing("completion"),
    nothing("config"),
    nothing("export"),
    nothing("fix"),
    nothing("import"),
    nothing("info"),
    nothing("init"),
    nothing("list"),
    nothing("new"),
    nothing("search"),
];

const SHOW: &[Opt] =
    &[maybe("--venv", Neutral), flag("--name, --version, --summary, --license, --platform, --keywords", Neutral)];

const PYTHON: &[Opt] = &[flag("--list, --min", Neutral)];

static PDM: Grammar = Grammar {
    tool: Tool::Pdm,
    style: Style::ARGPARSE,
    first: FIRST,
    general: &[GENERAL],
    groups: &["self", "plugin", "python", "py"],
    verbs: VERBS,
    scripts: true,
};

/// `pdm …`. A word that is no command is a script of the project, or a program in its environment.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &PDM, &|i, _| variables(i, context));
    pip::inner_arguments(&mut parsed.invocation, &["--pip-args"]);
    let at = words.first().map_or(0, |w| w.index);
    match parsed.invocation.verb.as_str() {
        "python install" if !parsed.done => {
            parsed.invocation.opaque.push(opaque(at, "brings in a program that comes from no package index"));
        }
        "use" => {
            let installs = |w: &&Word| {
                w.text.len() > "--au".len() && "--auto-install".starts_with(w.text.get(..14).unwrap_or(&w.text))
            };
            if let Some(word) = words.iter().find(installs) {
                let why = opaque(word.index, "brings in a program that comes from no package index");
                parsed.invocation.effect = Unknown;
                parsed.invocation.opaque.push(why);
            }
        }
        "self update" if !parsed.done => parsed.invocation.requests.push(super::Request {
            text: "pdm".to_owned(),
            kind: RequestKind::Requirement,
            location: crate::model::Location::built_in(),
        }),
        _ => {}
    }
    parsed.into()
}

/// The settings that PDM also takes from the environment.
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    for variable in context.variables() {
        let effect = match variable.name {
            _ if variable.value.is_empty() => continue,
            "PDM_PYPI_URL" => Index,
            "PDM_PYPI_EXTRA_INDEX_URL" => ExtraIndex,
            "PDM_PYPI_VERIFY_SSL" if super::engine::is_off(variable.value) => WeakensSafety,
            "PDM_PYPI_CA_CERTS" | "PDM_CONFIG_FILE" | "PDM_OVERRIDE" => Configures,
            "PDM_PROJECT" | "PDM_LOCKFILE" | "PDM_RESOLVE_OVERRIDES" => Selects,
            "PDM_PYTHON" => Runs,
            _ => continue,
        };
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
