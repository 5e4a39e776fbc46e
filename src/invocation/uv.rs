//! uv and uvx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the command that `uv run` and `uvx`
//! would start. Source: `uv help COMMAND` up to 0.13, and its variables.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Update};
use super::FlagEffect::{
    Configures, ExtraIndex, FindLinks, Index, Neutral, NoIndex, Runs, Selects, Strengthens, WeakensSafety,
};
use super::engine::{Act, Opt, Style, Word, flag, opaque, request, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, is_script, nothing, rule};
use super::reading::{Context, Understood, file, flag_from};
use super::{Effect, FileRole, Invocation, Request, RequestKind, Tool, python};
use crate::model::Location;

const FIRST: &[Opt] = &[flag("--version -V", Neutral).act(Act::Help)];

const GENERAL: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--quiet -q, --verbose -v, --no-progress, --no-cache -n --no-cache-dir, --offline, --no-color", Neutral),
    flag("--managed-python, --no-managed-python, --no-python-downloads, --allow-python-downloads", Neutral),
    flag(
        "--native-tls, --no-native-tls, --system-certs, --no-system-certs, --no-offline, --preview, --no-preview",
        Neutral,
    ),
    flag("--show-settings, --no-installer-metadata", Neutral),
    flag("--no-config --isolated", Configures),
    value("--cache-dir, --color, --preview-features --preview-feature, --python-preference, --python-fetch", Neutral),
    value("--allow-insecure-host --trusted-host", WeakensSafety),
    value("--directory, --project", Neutral).act(Act::Directory),
    value("--config-file", Configures).act(Act::File(FileRole::ToolConfig)),
];

/// Where packages come from, which are chosen, and how they are built.
const RESOLVE: &[Opt] = &[
    value("--index", ExtraIndex),
    value("--default-index, --index-url -i --pypi-url", Index),
    value("--extra-index-url", ExtraIndex),
    value("--find-links -f", FindLinks),
    flag("--no-index", NoIndex),
    value("--index-strategy", Selects).when(&[
        ("unsafe-best-match", WeakensSafety),
        ("unsafe-first-match", WeakensSafety),
        ("first-index", Neutral),
    ]),
    value("--keyring-provider", Configures).when(&[("subprocess", Runs), ("disabled", Neutral)]),
    flag("--upgrade -U", Selects),
    value("--upgrade-package -P, --upgrade-group", Selects),
    value("--resolution, --prerelease, --prerelease-package, --fork-strategy", Selects),
    flag("--pre", Selects),
    value("--exclude-newer, --exclude-newer-package", Strengthens),
    flag("--no-sources", Selects),
    value("--no-sources-package", Selects),
    flag("--reinstall --force-reinstall, --compile-bytecode --compile, --no-compile-bytecode --no-compile", Neutral),
    flag("--refresh, --strict, --exact, --no-strict", Neutral),
    value("--reinstall-package, --refresh-package, --link-mode", Neutral),
    value("--config-setting -C --config-settings, --config-settings-package --config-setting-package", Configures),
    flag("--no-build-isolation", WeakensSafety),
    flag("--build-isolation", Neutral),
    value("--no-build-isolation-package", WeakensSafety),
    flag("--require-build-hashes", Strengthens),
    flag("--no-require-build-hashes", WeakensSafety),
    value("--cert", Configures),
    value("--python -p", Runs),
    value("--python-platform, --python-version, --torch-backend", Selects),
    flag("--dry-run", Neutral).act(Act::DryRun),
    value("--output-format, --format", Neutral),
];

/// In project commands these take no value, or another one than under `uv pip`.
const BUILD: &[Opt] = &[
    flag("--no-build", Strengthens),
    flag("--no-binary", Selects),
    value("--no-build-package", Strengthens),
    value("--no-binary-package", Selects),
];

const FILES: &[Opt] = &[
    value("--requirements -r --requirement", Neutral).act(Act::File(FileRole::Requirements)),
    value("--constraints -c --constraint", Selects).act(Act::File(FileRole::Constraints)),
    value("--overrides --override", Selects).act(Act::File(FileRole::Overrides)),
    value("--excludes --exclude", Selects).act(Act::File(FileRole::Overrides)),
    value("--build-constraints -b --build-constraint", Selects).act(Act::File(FileRole::BuildConstraints)),
];

const PIP: &[Opt] = &[
    value("--editable -e", Neutral).act(Act::Ask(RequestKind::Editable)),
    value("--extra", Selects).act(Act::Select),
    value("--group", Selects),
    flag("--all-extras, --no-deps --no-dependencies, --deps, --no-editable", Selects),
    value("--no-editable-package, --no-emit-package --unsafe-package", Selects),
    flag("--require-hashes", Strengthens),
    flag("--no-require-hashes", Neutral),
    flag("--no-verify-hashes", WeakensSafety),
    flag("--verify-hashes", Neutral),
    flag("--system, --user", Neutral).act(Act::Global),
    flag("--no-system", Neutral),
    flag("--break-system-packages", WeakensSafety),
    flag("--no-break-system-packages, --allow-empty-requirements, --no-allow-empty-requirements, --inexact", Neutral),
    value("--target -t, --prefix", Selects),
    flag("--no-build", Strengthens),
    flag("--build, --disable-pip-version-check", Neutral),
    value("--no-binary", Selects),
    value("--only-binary", Strengthens),
    flag("--check", Neutral).act(Act::DryRun),
    value("--pylock", Neutral).act(Act::File(FileRole::Manifest)),
    value("--output-file -o, --annotation-style, --custom-compile-command", Neutral),
    flag("--no-strip-extras, --strip-extras, --no-strip-markers, --strip-markers, --no-annotate, --annotate", Neutral),
    flag(
        "--no-header, --header, --generate-hashes, --no-generate-hashes, --emit-index-url, --no-emit-index-url",
        Neutral,
    ),
    flag("--emit-find-links, --no-emit-find-links, --emit-build-options, --emit-index-annotation", Neutral),
    flag(
        "--emit-marker-expression, --no-emit-options, --allow-unsafe, --no-emit-trusted-host, --reuse-hashes",
        Neutral,
    ),
    flag("--universal, --no-universal", Selects),
    value("--resolver, --max-rounds, --unsafe-packages", Neutral),
];

/// Which groups, extras and members of a project.
const SELECT: &[Opt] = &[
    value("--extra, --group, --only-group, --package", Selects).act(Act::Select),
    value("--no-extra, --no-group, --no-install-package, --no-editable-package, --no-emit-package", Selects),
    flag("--all-extras, --no-all-extras, --dev, --no-dev, --only-dev, --no-default-groups, --all-groups", Selects),
    flag("--all-packages, --no-install-project, --no-install-workspace, --no-install-local, --no-editable", Selects),
    flag("--inexact, --active, --no-active, --no-sync, --sync", Neutral),
    flag("--no-emit-project, --no-emit-workspace, --no-emit-local", Selects),
    flag("--locked", Strengthens),
    flag("--frozen", Strengthens),
];

const SCRIPT: &[Opt] = &[value("--script", Neutral).act(Act::File(FileRole::Script))];

const ADD: &[Opt] = &[
    value("--requirements -r --requirement", Neutral).act(Act::File(FileRole::Requirements)),
    value("--constraints -c --constraint", Selects).act(Act::File(FileRole::Constraints)),
    value("--marker -m, --optional, --rev, --tag, --branch, --bounds", Selects),
    flag("--editable, --raw --raw-sources, --lfs, --no-lfs, --workspace, --no-workspace, --dev -d", Neutral),
];

const RUN: &[Opt] = &[
    flag("--module -m, --script -s, --gui-script, --no-project, --no-env-file, --isolated", Neutral),
    value("--with -w", Neutral).act(Act::AskEach(RequestKind::With)),
    value("--with-editable", Neutral).act(Act::Ask(RequestKind::Editable)),
    value("--with-requirements", Neutral).act(Act::File(FileRole::Requirements)),
    value("--env-file", Configures),
    value("--max-recursion-depth", Neutral),
];

const TOOL: &[Opt] = &[
    value("--with -w", Neutral).act(Act::AskEach(RequestKind::With)),
    value("--with-editable", Neutral).act(Act::Ask(RequestKind::Editable)),
    value("--with-requirements", Neutral).act(Act::File(FileRole::Requirements)),
    value("--with-executables-from", Neutral).act(Act::AskEach(RequestKind::With)),
    value("--from", Neutral),
    value("--env-file", Configures),
    flag("--editable -e, --force, --lfs, --isolated, --no-env-file, --all", Neutral),
    flag("--show-resolution, --generate-shell-completion", Neutral),
];

/// Of `uvx`; `uv tool run` does not know it.
const UVX: &[Opt] = &[flag("--version -V", Neutral).act(Act::Help)];

const BUILDS: &[Opt] = &[
    value("--out-dir -o", Neutral),
    value("--package", Selects).act(Act::Select),
    flag("--all-packages, --sdist, --wheel, --list, --build-logs, --no-build-logs, --force-pep517, --clear", Neutral),
    flag("--no-create-gitignore", Neutral),
    flag("--require-hashes", Strengthens),
    flag("--no-verify-hashes", WeakensSafety),
    value("--build-constraints -b --build-constraint", Selects).act(Act::File(FileRole::BuildConstraints)),
];

const LOOK: &[Opt] = &[
    value("--output-file -o, --depth -d, --prune", Neutral),
    flag(
        "--no-dedupe, --invert, --outdated, --show-sizes, --universal, --no-header, --header, --no-hashes, --hashes",
        Neutral,
    ),
    flag("--no-annotate, --annotate, --emit-index-url, --emit-find-links, --no-emit-index-url", Neutral),
];

const VENV: &[Opt] = &[
    flag("--seed, --clear -c, --force, --allow-existing, --system-site-packages, --relocatable, --no-project", Neutral),
    value("--prompt", Neutral),
];

const CHECKS: &[Opt] = &[flag("--check --check-exists", Neutral).act(Act::DryRun)];

/// A lockfile that must already be right is installed as it stands.
const LOCKS: &[(&str, Effect)] = &[
    ("--frozen", Locked),
    ("--locked", Locked),
    ("--upgrade", Update),
    ("--upgrade-package", Update),
    ("--upgrade-group", Update),
];

const VERBS: &[Rule] = &[
    rule("pip/install", Requests, &[PIP, FILES, RESOLVE], Operands::Requests),
    rule("pip/sync", Requests, &[PIP, FILES, RESOLVE], Operands::Files(FileRole::Requirements)),
    rule("pip/compile", Requests, &[PIP, FILES, RESOLVE], Operands::Files(FileRole::Requirements)),
    nothing("pip/uninstall"),
    nothing("pip/freeze"),
    nothing("pip/list"),
    nothing("pip/show"),
    nothing("pip/tree"),
    nothing("pip/check"),
    nothing("pip/debug"),
    rule("add", ProjectAdd, &[ADD, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Requests),
    rule("remove", Project, &[ADD, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(&[("--frozen", Nothing)]),
    rule("sync", Project, &[CHECKS, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    rule("lock", Project, &[CHECKS, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    rule("run", Project, &[RUN, SELECT, BUILD, RESOLVE], Operands::Command).turns(LOCKS),
    rule("export", Project, &[LOOK, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    rule("tree", Project, &[LOOK, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    rule("audit", Project, &[LOOK, SELECT, SCRIPT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    rule("version", Project, &[VERSION, SELECT, BUILD, RESOLVE], Operands::Ignored).turns(&[("--frozen", Nothing)]),
    rule("build", Project, &[BUILDS, BUILD, RESOLVE], Operands::Ignored),
    rule("venv virtualenv v", Nothing, &[VENV, RESOLVE], Operands::Ignored),
    rule("tool/run", RunsRemote, &[UVX, TOOL, FILES, BUILD, RESOLVE], Operands::Program),
    rule("tool/install", Requests, &[TOOL, FILES, BUILD, RESOLVE], Operands::Requests).global(),
    rule("tool/upgrade", Update, &[TOOL, FILES, BUILD, RESOLVE], Operands::Requests).global(),
    nothing("tool/list"),
    nothing("tool/uninstall"),
    nothing("tool/update-shell tool/ensurepath"),
    nothing("tool/dir"),
    nothing("tool/audit"),
    // Interpreters and uv itself come from no package index; what they bring is not in any lockfile either.
    rule("python/install", Effect::Unknown, &[PYTHON], Operands::Ignored).global(),
    rule("python/upgrade", Effect::Unknown, &[PYTHON], Operands::Ignored).global(),
    nothing("python/list python/ls"),
    nothing("python/find"),
    nothing("python/pin"),
    nothing("python/dir"),
    nothing("python/uninstall"),
    nothing("python/update-shell"),
    rule("self/update", Effect::Unknown, &[SELF], Operands::Ignored).global(),
    nothing("self/version"),
    nothing("init"),
    nothing("auth/login"),
    nothing("auth/logout"),
    nothing("auth/token"),
    nothing("auth/dir"),
    nothing("auth/helper"),
    nothing("cache/clean"),
    nothing("cache/prune"),
    nothing("cache/dir"),
    nothing("cache/size"),
    nothing("workspace/list"),
    nothing("workspace/dir"),
    rule("workspace/metadata", Project, &[SELECT, BUILD, RESOLVE], Operands::Ignored).turns(LOCKS),
    // They run a ruff or a ty that they fetch from its release page, and not from an index.
    rule("format", Effect::Unknown, &[FORMAT], Operands::Ignored),
    rule("check", Effect::Unknown, &[FORMAT], Operands::Ignored),
    nothing("publish"),
    nothing("help"),
    nothing("generate-shell-completion"),
];

const VERSION: &[Opt] = &[value("--bump", Neutral), flag("--short", Neutral)];
const FORMAT: &[Opt] = &[
    flag("--check, --diff, --no-project", Neutral),
    value("--version", Selects),
    value("--exclude-newer", Strengthens),
];
const SELF: &[Opt] = &[flag("--dry-run", Neutral).act(Act::DryRun), value("--token", Neutral)];
const PYTHON: &[Opt] = &[
    flag("--no-bin, --no-registry, --reinstall -r, --force -f, --upgrade -U, --default, --compile-bytecode", Neutral),
    value("--install-dir -i", Neutral),
    value("--mirror, --pypy-mirror, --graalpy-mirror, --pyodide-mirror, --python-downloads-json-url", Index),
];

static UV: Grammar = Grammar {
    tool: Tool::Uv,
    style: Style::CLAP,
    first: FIRST,
    general: &[GENERAL],
    groups: &["pip", "tool", "python", "self", "cache", "auth", "workspace"],
    verbs: VERBS,
    scripts: false,
};

/// Variables whose name is not that of their option.
const VARIABLES: &[(&str, &str)] = &[
    ("UV_INSECURE_HOST", "--allow-insecure-host"),
    ("UV_CONSTRAINT", "--constraints"),
    ("UV_OVERRIDE", "--overrides"),
    ("UV_EXCLUDE", "--excludes"),
    ("UV_BUILD_CONSTRAINT", "--build-constraints"),
    ("UV_SYSTEM_PYTHON", "--system"),
    ("UV_WORKING_DIR", "--directory"),
    ("UV_WORKING_DIRECTORY", "--directory"),
    ("UV_INDEX_URL", "--index-url"),
    ("UV_REQUIRE_HASHES", "--require-hashes"),
    ("UV_NO_GROUP", "--no-group"),
    ("UV_DEV", "--dev"),
    ("UV_VENV_SEED", "--seed"),
];

/// Variables that act as options of the verb.
fn variables(context: &Context<'_>, invocation: &mut Invocation, tables: &[&'static [Opt]]) {
    for variable in context.variables() {
        let Some(key) = variable.name.strip_prefix("UV_").filter(|_| !variable.value.is_empty()) else { continue };
        let renamed = VARIABLES.iter().find(|(name, _)| *name == variable.name).map(|(_, option)| (*option).to_owned());
        let option = renamed.unwrap_or_else(|| format!("--{}", key.to_ascii_lowercase().replace('_', "-")));
        if !matches!(option.as_str(), "--help" | "--version" | "--script" | "--editable" | "--from") {
            flag_from(invocation, tables, &option, &variable, key != "EXCLUDE_NEWER");
        }
    }
}

/// `uv …`.
pub(super) fn uv(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut parsed = grammar::read(context, program, words, &UV, &|i, t| variables(context, i, t));
    if parsed.done {
        return parsed.into();
    }
    groups(&mut parsed.invocation);
    pylock(&mut parsed.invocation);
    match parsed.invocation.verb.as_str() {
        "run" => run(&mut parsed, words),
        "tool run" => tool(&mut parsed),
        "tool install" | "tool upgrade" => from(&mut parsed.invocation),
        "sync" | "lock" => upgrades(&mut parsed.invocation),
        "venv" if parsed.invocation.flag("--seed").is_some_and(|f| f.value.as_deref() != Some("false")) => {
            seed(&mut parsed.invocation);
        }
        "build" if parsed.invocation.directory.is_none() => {
            // `uv build DIR`.
            let source = parsed.scan.operands.first().map(|w| w.text.clone());
            parsed.invocation.directory = source;
        }
        "python install" | "python upgrade" | "self update" | "format" | "check" => {
            let reason = "brings in a program that comes from no package index";
            parsed.invocation.opaque.push(opaque(words.first().map_or(0, |w| w.index), reason));
        }
        _ => {}
    }
    parsed.into()
}

/// `uvx …` is `uv tool run …`.
pub(super) fn uvx(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let at = words.first().map_or(0, |w| w.index);
    let all: Vec<Word> =
        [Word::new("tool", at), Word::new("run", at)].into_iter().chain(words.iter().cloned()).collect();
    let mut parsed = grammar::read(context, program, &all, &UV, &|i, t| variables(context, i, t));
    if !parsed.done {
        pylock(&mut parsed.invocation);
        tool(&mut parsed);
    }
    parsed.invocation.tool = Tool::Uvx;
    parsed.into()
}

/// `uv pip --group NAME`, `--group FILE:NAME`.
fn groups(invocation: &mut Invocation) {
    if !invocation.verb.starts_with("pip ") {
        return;
    }
    let groups: Vec<(String, Location)> = invocation
        .flags
        .iter()
        .filter(|f| f.name == "--group")
        .filter_map(|f| Some((f.value.clone()?, f.location.clone())))
        .collect();
    for (group, location) in groups {
        let (path, name) = group.rsplit_once(':').unwrap_or(("", &group));
        let role = FileRole::DependencyGroup;
        invocation.files.push(super::FileRef { path: path.to_owned(), role, location: location.clone() });
        invocation.requests.push(Request { text: name.to_owned(), kind: RequestKind::Selector, location });
    }
}

/// `-r pyproject.toml`, `-r pylock.toml`, `-r script.py`: manifests where requirements are expected; `-` is stdin.
fn pylock(invocation: &mut Invocation) {
    let mut piped = None;
    for file in invocation.files.iter_mut().filter(|f| f.role == FileRole::Requirements) {
        if [".toml", "setup.py", "setup.cfg"].iter().any(|e| file.path.ends_with(e)) {
            file.role = FileRole::Manifest;
        } else if is_script(&file.path) {
            file.role = FileRole::Script;
        }
        if file.path == "-" {
            piped = Some(file.location.clone());
        }
    }
    if let Some(location) = piped {
        invocation
            .opaque
            .push(super::Opaque { reason: "the requirements come from standard input".to_owned(), location });
    }
}

/// `--upgrade-package X` re-resolves X only.
fn upgrades(invocation: &mut Invocation) {
    if invocation.effect != Update || invocation.flag("--upgrade").is_some() {
        return;
    }
    let asked: Vec<Request> = invocation
        .flags
        .iter()
        .filter(|f| f.name == "--upgrade-package")
        .filter_map(|f| {
            let text = f.value.clone()?;
            Some(Request { text, kind: RequestKind::Requirement, location: f.location.clone() })
        })
        .collect();
    invocation.requests.extend(asked);
}

/// `uv venv --seed` installs pip and what came with it.
fn seed(invocation: &mut Invocation) {
    invocation.effect = Requests;
    let location = invocation.flag("--seed").map_or_else(Location::built_in, |f| f.location.clone());
    let request =
        |text: &str| Request { text: text.to_owned(), kind: RequestKind::Requirement, location: location.clone() };
    invocation.requests.extend(python::SEEDS.map(request));
}

/// `uv run [--with X] COMMAND…`.
fn run(parsed: &mut Parsed, words: &[Word]) {
    let invocation = &mut parsed.invocation;
    invocation.starts_at = parsed.starts.first().map(|w| w.index);
    let with = invocation.requests.iter().any(|r| r.kind != RequestKind::Selector)
        || invocation.files.iter().any(|f| f.role == FileRole::Requirements);
    let script = parsed.scan.has("--script") || parsed.scan.has("--gui-script");
    let mut inline = false;
    if let Some(first) = parsed.starts.first() {
        if first.text == "-" {
            invocation.opaque.push(opaque(first.index, "a script from standard input may name what it needs"));
        } else if first.text.starts_with("https://") || first.text.starts_with("http://") {
            invocation.opaque.push(opaque(first.index, "a script from the network may name what it needs"));
        } else if script || is_script(&first.text) {
            inline = true;
            invocation.files.push(file(&first.text, FileRole::Script, first.index));
        }
    }
    // For a script with inline metadata both say nothing: it has an environment of its own.
    if (parsed.scan.has("--no-project") || parsed.scan.has("--no-sync")) && !inline {
        invocation.effect = if with { RunsRemote } else { Nothing };
    }
    if parsed.scan.has("--module") {
        let at = words.first().map_or(0, |w| w.index);
        parsed.starts.insert(0, Word::new("-m", at));
        parsed.starts.insert(0, Word::new("python", at));
    } else if inline {
        parsed.starts.clear();
    }
}

/// The program of `uvx PROGRAM`, with `--from` when its package has another name.
fn tool(parsed: &mut Parsed) {
    let invocation = &mut parsed.invocation;
    invocation.starts_at = parsed.starts.first().map(|w| w.index);
    let source = parsed.scan.given.iter().rev().find(|g| g.name == "--from");
    let source = source.and_then(|g| Some((g.value.clone()?, g.value_index)));
    if let Some((text, index)) = &source {
        let (text, index) = (text.as_str(), *index);
        request(invocation, &[Word::new(text, index)], RequestKind::Requirement);
    } else if let Some(first) = parsed.starts.first() {
        request(invocation, std::slice::from_ref(first), RequestKind::Requirement);
    } else {
        invocation.effect = Nothing;
    }
    if let Some(first) = parsed.starts.first_mut() {
        // `ruff@latest`, `ruff[extra]==1`.
        let end = first.text.find(['@', '[', '=', '<', '>', '!', '~', ' ']).unwrap_or(first.text.len());
        first.text.truncate(end);
        if source.is_none() && first.text == "python" {
            // `uvx python`: an interpreter, no package.
            invocation.requests.retain(|r| r.kind != RequestKind::Requirement || r.text.contains("://"));
        }
    }
}

/// `uv tool install --from SOURCE NAME`: the source is what is installed.
fn from(invocation: &mut Invocation) {
    let Some((text, location)) = invocation.flag("--from").and_then(|f| Some((f.value.clone()?, f.location.clone())))
    else {
        return;
    };
    invocation.requests.retain(|r| r.kind != RequestKind::Requirement);
    invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
}
