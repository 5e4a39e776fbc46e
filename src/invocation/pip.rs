//! pip 23 to 26, pip-sync and pip-compile: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`](super::Invocation). Source: pip's own option groups.

use super::FlagEffect::{
    Configures, ExtraIndex, FindLinks, Index, Neutral, NoIndex, Runs, Selects, Strengthens, WeakensSafety,
};
use super::engine::{Act, Opt, Style, Word, apply, flag, record, request, scan, value};
use super::reading::{Context, Understood, Verb, file, flag_from, unknown_verb, verb};
use super::{Effect, FileRole, Invocation, RequestKind, Tool};
use crate::model::Location;

/// After a verb this does nothing.
const FIRST: &[Opt] = &[flag("--version -V", Neutral).act(Act::Help)];

/// Options that every verb has, and that may stand before it.
const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--version -V", Neutral),
    flag("--debug, --verbose -v, --quiet -q, --no-input, --no-color, --no-python-version-warning", Neutral),
    flag("--disable-pip-version-check, --require-virtualenv --require-venv, --no-cache-dir", Neutral),
    flag("--isolated, --no-proxy-env", Configures),
    value("--python", Runs),
    value(
        "--log --log-file --local-log, --retries, --timeout --default-timeout --dest-timeout, --exists-action",
        Neutral,
    ),
    value("--cache-dir, --client-cert, --resume-retries, --use-deprecated", Neutral),
    value("--keyring-provider", Configures).when(&[("subprocess", Runs), ("disabled", Neutral), ("auto", Neutral)]),
    value("--proxy, --cert", Configures),
    value("--trusted-host", WeakensSafety),
    value("--use-feature", Selects),
];

/// Where packages come from and which are chosen.
const SELECTION: &[Opt] = &[
    value("--index-url -i --pypi-url", Index),
    value("--extra-index-url", ExtraIndex),
    flag("--no-index", NoIndex),
    value("--find-links -f", FindLinks),
    value("--uploaded-prior-to", Strengthens),
    value("--refresh-package", Neutral),
    flag("--pre, --prefer-binary", Selects),
    value("--all-releases, --only-final, --no-binary", Selects),
    value("--only-binary", Strengthens),
];

/// What the verbs that resolve requirements share.
const REQUIREMENTS: &[Opt] = &[
    value("--requirement -r", Neutral).act(Act::File(FileRole::Requirements)),
    value("--constraint -c", Selects).act(Act::File(FileRole::Constraints)),
    value("--build-constraint", Selects).act(Act::File(FileRole::BuildConstraints)),
    value("--requirements-from-script", Neutral).act(Act::File(FileRole::Script)),
    value("--group", Selects),
    flag("--no-deps --no-dependencies, --only-deps --only-dependencies, --ignore-requires-python", Selects),
    flag("--require-hashes", Strengthens).off(WeakensSafety),
    flag("--no-require-hashes, --no-build-isolation", WeakensSafety),
    flag("--check-build-dependencies, --use-pep517, --no-use-pep517, --no-clean", Neutral),
    value("--src --source --source-dir --source-directory, --progress-bar", Neutral),
    value("--config-settings --config-setting -C, --global-option, --build-option", Configures),
];

const PLATFORM: &[Opt] = &[value("--platform, --python-version, --implementation, --abi", Selects)];

const EDITABLE: &[Opt] = &[value("--editable -e", Neutral).act(Act::Ask(RequestKind::Editable))];

const INSTALL: &[Opt] = &[
    flag("--dry-run", Neutral).act(Act::DryRun),
    flag("--user", Neutral).act(Act::Global),
    flag("--no-user, --force-reinstall, --ignore-installed -I, --compile, --no-compile", Neutral),
    flag("--no-warn-script-location, --no-warn-conflicts", Neutral),
    flag("--upgrade -U", Selects),
    flag("--break-system-packages", WeakensSafety),
    value("--target -t, --root, --prefix", Selects),
    value("--upgrade-strategy", Selects),
    value("--install-option", Configures),
    value("--root-user-action, --report", Neutral),
];

const DOWNLOAD: &[Opt] = &[value("--dest -d --destination-dir --destination-directory", Neutral)];
const WHEEL: &[Opt] = &[value("--wheel-dir -w", Neutral), flag("--no-verify", WeakensSafety)];
const LOCK: &[Opt] = &[value("--output -o", Neutral)];

/// A verb that installs has option tables of its own.
#[derive(Clone, Copy)]
enum Does {
    Installs(&'static [&'static [Opt]]),
    Nothing,
}

const VERBS: &[Verb<Does>] = &[
    ("install", Does::Installs(&[INSTALL, REQUIREMENTS, SELECTION, EDITABLE, PLATFORM, GENERAL])),
    ("download", Does::Installs(&[DOWNLOAD, REQUIREMENTS, SELECTION, PLATFORM, GENERAL])),
    ("wheel", Does::Installs(&[WHEEL, REQUIREMENTS, SELECTION, EDITABLE, GENERAL])),
    ("lock", Does::Installs(&[LOCK, REQUIREMENTS, SELECTION, EDITABLE, GENERAL])),
    ("uninstall", Does::Nothing),
    ("freeze", Does::Nothing),
    ("inspect", Does::Nothing),
    ("list", Does::Nothing),
    ("show", Does::Nothing),
    ("check", Does::Nothing),
    ("config", Does::Nothing),
    ("search", Does::Nothing),
    ("cache", Does::Nothing),
    ("index", Does::Nothing),
    ("hash", Does::Nothing),
    ("completion", Does::Nothing),
    ("debug", Does::Nothing),
    ("help", Does::Nothing),
];

/// `pip …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut invocation = context.invocation(Tool::Pip, program);
    let before = scan(words, &[FIRST, GENERAL], Style::OPTPARSE.stopping());
    apply(&mut invocation, &before);
    let rest = words.get(before.read..).unwrap_or_default();
    let Some((word, rest)) = rest.split_first().filter(|_| !before.help) else {
        if !before.help && !before.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        return invocation.into();
    };
    let Some((name, does)) = verb(VERBS, &word.text) else {
        unknown_verb(&mut invocation, word);
        return invocation.into();
    };
    name.clone_into(&mut invocation.verb);
    let Does::Installs(tables) = does else {
        if !before.opaque.is_empty() {
            // An unknown option may have taken the word that looks like the verb.
            invocation.effect = Effect::Unknown;
        }
        return invocation.into();
    };
    let after = scan(rest, tables, Style::OPTPARSE);
    // pip looks for the word itself before it reads its variables.
    if !words.iter().any(|w| w.text == "--isolated") {
        variables(&mut invocation, context, tables);
    }
    apply(&mut invocation, &after);
    groups(&mut invocation);
    request(&mut invocation, &after.operands, RequestKind::Requirement);
    let help = after.help && before.opaque.is_empty();
    invocation.effect = if help { Effect::Nothing } else { Effect::Requests };
    if invocation.files.iter().any(|f| f.path == "-" || f.path == "/dev/stdin") {
        stdin(&mut invocation);
    }
    invocation.into()
}

/// `PIP_INDEX_URL` is `--index-url`; a variable of an option that the verb lacks does nothing.
fn variables(invocation: &mut Invocation, context: &Context<'_>, tables: &[&'static [Opt]]) {
    for variable in context.variables() {
        let Some(key) = variable.name.strip_prefix("PIP_") else { continue };
        if key == "CONFIG_FILE" {
            let at = [variable.location.clone(), variable.location.clone()];
            let opt = value("PIP_CONFIG_FILE", Configures).act(Act::File(FileRole::ToolConfig));
            record(invocation, "PIP_CONFIG_FILE", Some(variable.value.to_owned()), Some(&opt), &at);
        } else if !matches!(key, "HELP" | "VERSION") && !variable.value.is_empty() {
            let name = format!("--{}", key.to_ascii_lowercase().replace('_', "-"));
            flag_from(invocation, tables, &name, &variable, true);
        }
    }
}

/// `--group NAME` and `--group FILE:NAME`.
fn groups(invocation: &mut Invocation) {
    let groups: Vec<(String, Location)> = invocation
        .flags
        .iter()
        .filter(|f| f.name == "--group")
        .filter_map(|f| Some((f.value.clone()?, f.location.clone())))
        .collect();
    for (group, location) in groups {
        let (path, name) = group.rsplit_once(':').unwrap_or(("", &group));
        invocation.files.push(super::FileRef {
            path: path.to_owned(),
            role: FileRole::DependencyGroup,
            location: location.clone(),
        });
        invocation.requests.push(super::Request { text: name.to_owned(), kind: RequestKind::Selector, location });
    }
}

/// A requirements file that is piped in cannot be read beforehand.
fn stdin(invocation: &mut Invocation) {
    let at = invocation.files.iter().find(|f| f.path == "-" || f.path == "/dev/stdin").map(|f| f.location.clone());
    if let Some(location) = at {
        invocation
            .opaque
            .push(super::Opaque { reason: "the requirements come from standard input".to_owned(), location });
    }
}

const SYNC: &[Opt] = &[
    flag("--help -h, --version", Neutral).act(Act::Help),
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    flag("--ask -a, --force, --verbose -v, --quiet -q, --no-config", Neutral),
    value("--find-links -f", FindLinks),
    value("--index-url -i", Index),
    value("--extra-index-url", ExtraIndex),
    value("--trusted-host", WeakensSafety),
    flag("--no-index", NoIndex),
    value("--python-executable", Runs),
    flag("--user", Neutral).act(Act::Global),
    value("--cert, --client-cert, --pip-args", Configures),
    value("--config", Configures).act(Act::File(FileRole::ToolConfig)),
];

const COMPILE: &[Opt] = &[
    flag("--help -h, --version", Neutral).act(Act::Help),
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    flag(
        "--verbose -v, --quiet -q, --no-config, --header, --no-header, --annotate, --no-annotate, --color, --no-color",
        Neutral,
    ),
    flag("--emit-trusted-host, --no-emit-trusted-host, --emit-index-url, --no-emit-index-url", Neutral),
    flag(
        "--emit-find-links, --no-emit-find-links, --emit-options, --no-emit-options, --write-relative-to-output",
        Neutral,
    ),
    flag(
        "--strip-extras, --no-strip-extras, --reuse-hashes, --no-reuse-hashes, --allow-unsafe, --no-allow-unsafe",
        Neutral,
    ),
    flag("--read-relative-to-input, --generate-hashes", Neutral),
    flag("--pre -p, --rebuild -r, --upgrade -U, --all-extras, --all-build-deps, --only-build-deps", Selects),
    flag("--build-isolation", Neutral),
    flag("--no-build-isolation", WeakensSafety),
    value("--extra, --build-deps-for, --unsafe-package", Selects),
    value("--upgrade-package -P, --max-rounds, --resolver", Selects),
    value("--find-links -f", FindLinks),
    value("--index-url -i", Index),
    value("--extra-index-url", ExtraIndex),
    value("--trusted-host", WeakensSafety),
    flag("--no-index", NoIndex),
    value("--constraint -c", Selects).act(Act::File(FileRole::Constraints)),
    value("--output-file -o, --newline, --annotation-style, --cache-dir", Neutral),
    value("--cert, --client-cert, --pip-args", Configures),
    value("--config", Configures).act(Act::File(FileRole::ToolConfig)),
];

/// `pip-sync [FILE…]`: makes an environment exactly what the files say.
pub(super) fn sync(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    tools(context, program, words, "sync", SYNC, "requirements.txt")
}

/// `pip-compile [FILE…]`: resolves, building what has no static metadata, and writes a requirements file.
pub(super) fn compile(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    tools(context, program, words, "compile", COMPILE, "requirements.in")
}

fn tools(
    context: &Context<'_>,
    program: &str,
    words: &[Word],
    verb: &str,
    table: &'static [Opt],
    default: &str,
) -> Understood {
    let mut invocation = context.invocation(Tool::Pip, program);
    verb.clone_into(&mut invocation.verb);
    let found = scan(words, &[table], Style::CLICK);
    variables(&mut invocation, context, &[table]);
    apply(&mut invocation, &found);
    if found.help {
        return invocation.into();
    }
    invocation.effect = Effect::Requests;
    for word in &found.operands {
        let manifest = [".toml", "setup.py", "setup.cfg"].iter().any(|e| word.text.ends_with(e));
        let role = if manifest { FileRole::Manifest } else { FileRole::Requirements };
        invocation.files.push(file(&word.text, role, word.index));
    }
    if found.operands.is_empty() {
        let location = Location::built_in();
        invocation.files.push(super::FileRef { path: default.to_owned(), role: FileRole::Requirements, location });
    }
    inner_arguments(&mut invocation, &["--pip-args"]);
    stdin(&mut invocation);
    invocation.into()
}

/// `--pip-args "--retries 10"`: options of pip inside one word, split the way a shell would.
pub(super) fn inner_arguments(invocation: &mut Invocation, options: &[&str]) {
    let given: Vec<(String, Location)> = invocation
        .flags
        .iter()
        .filter(|f| options.contains(&f.name.as_str()))
        .filter_map(|f| Some((f.value.clone()?, f.location.clone())))
        .collect();
    for (text, location) in given {
        let index = usize::try_from(location.column).unwrap_or(usize::MAX);
        let words = crate::shell::plain_words(&text);
        let Some(words) = words.map(|all| all.iter().map(|w| Word::new(w, index)).collect::<Vec<_>>()) else {
            let reason = "options for pip inside a word that is no plain list of words".to_owned();
            invocation.opaque.push(super::Opaque { reason, location });
            continue;
        };
        let found = scan(&words, &[INSTALL, REQUIREMENTS, SELECTION, EDITABLE, PLATFORM, GENERAL], Style::OPTPARSE);
        apply(invocation, &found);
        request(invocation, &found.operands, RequestKind::Requirement);
    }
}

/// The variables that pip would see when another tool runs it.
pub(super) fn inherited(invocation: &mut Invocation, context: &Context<'_>) {
    variables(invocation, context, &[INSTALL, REQUIREMENTS, SELECTION, GENERAL]);
}
