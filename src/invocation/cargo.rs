//! cargo and the plugins that build: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`](super::Invocation). Source: `cargo help COMMAND`.

use super::FlagEffect::{Configures, ExtraIndex, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{
    Act, Given, Opt, Scan, Style, Word, apply, equals, flag, is_off, maybe, opaque, record, request, scan, value,
};
use super::reading::{Context, Understood, Verb, unknown_verb, verb};
use super::{AliasQuery, Effect, FileRef, FileRole, Flag, Invocation, Request, RequestKind, Tool};
use crate::model::Location;

/// Options of every command, and of cargo before the command.
const COMMON: &[Opt] = &[
    flag("--help -h", Neutral).act(Act::Help),
    flag("--verbose -v, --quiet -q", Neutral),
    value("--color", Neutral),
    flag("--locked, --frozen", Strengthens),
    flag("--offline", Neutral),
    value("--config", Configures),
    value("-Z", Configures),
    value("--lockfile-path, --manifest-path", Selects),
];

/// Options before the command.
const GLOBAL: &[Opt] = &[
    flag("--version -V, --list", Neutral).act(Act::Help),
    value("--explain", Neutral).act(Act::Help),
    value("-C", Neutral).act(Act::Directory),
];

const PACKAGES: &[Opt] = &[
    maybe("--package -p --pkg", Selects).act(Act::Ask(RequestKind::Selector)),
    value("--exclude", Selects),
    flag("--workspace --all", Selects),
];

const FEATURES: &[Opt] = &[
    value("--features -F", Selects).act(Act::Select),
    flag("--all-features, --no-default-features, --default-features", Selects),
];

const COMPILES: &[Opt] = &[
    flag("--lib, --bins, --examples, --tests, --benches, --all-targets", Selects),
    maybe("--bin, --example, --test, --bench", Neutral),
    flag("--release -r, --debug, --keep-going, --future-incompat-report, --unit-graph, --build-plan, --dev", Neutral),
    value("--profile, --target-dir, --artifact-dir --out-dir, --message-format", Neutral),
    maybe("--jobs -j", Neutral),
    maybe("--target", Selects),
    equals("--timings", Neutral),
    flag("--ignore-rust-version", Selects),
    flag("--no-run, --no-fail-fast, --doc, --open, --no-deps, --document-private-items, --fix", Neutral),
    flag("--allow-dirty, --allow-no-vcs, --allow-staged, --broken-code, --edition, --edition-idioms", Neutral),
    value("--crate-type, --print, --output-format, --args", Neutral),
    flag("--no-verify, --no-metadata, --list -l, --exclude-lockfile", Neutral),
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    value("--registry, --index", Index),
    value("--token", Neutral),
];

const SOURCE: &[Opt] =
    &[value("--git, --path, --base, --branch, --tag, --rev", Selects), value("--registry, --index", Index)];

const ADD: &[Opt] = &[
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    flag("--dev -D, --build -B, --optional, --no-optional, --public, --no-public, --sort", Neutral),
    flag("--ignore-rust-version, --offline", Selects),
    value("--rename, --target, --vers, --upgrade", Selects),
    flag("--allow-prerelease", Selects),
];

const INSTALL: &[Opt] = &[
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    value("--version --vers", Selects),
    value("--root", Selects),
    flag("--force -f, --no-track", Neutral),
    flag("--list", Neutral).act(Act::Help),
];

const UPDATE: &[Opt] = &[
    flag("--dry-run -n", Neutral).act(Act::DryRun),
    flag("--recursive, --aggressive, --workspace -w, --breaking -b, --ignore-rust-version", Selects),
    value("--precise, --package -p", Selects),
    value("--publish-time", Selects),
];

const LOOK: &[Opt] = &[
    value(
        "--filter-platform, --format-version, --edges -e, --prune, --depth, --prefix, --charset, --format -f",
        Neutral,
    ),
    maybe("--invert -i", Neutral),
    flag("--no-deps, --no-dedupe --no-indent --all-deps, --duplicates -d", Neutral),
    maybe("--target", Selects),
    flag("--no-delete, --respect-source-config, --versioned-dirs", Neutral),
    value("--sync -s", Neutral).act(Act::File(FileRole::Manifest)),
];

const BINSTALL: &[Opt] = &[
    flag("--dry-run", Neutral).act(Act::DryRun),
    flag("--no-confirm -y, --force -f, --no-symlinks, --no-cleanup, --no-track, --continue-on-failure", Neutral),
    flag("--no-discover-github-token, --disable-telemetry, --self-install, --json-output", Neutral),
    flag("--quiet -q", Neutral),
    value("--version --vers", Selects),
    value("--targets --target, --manifest-path, --git, --bin", Selects),
    value("--pkg-fmt, --pkg-url, --bin-dir", WeakensSafety),
    value("--install-path, --root, --log-level, --rate-limit, --github-token, --maximum-resolution-timeout", Neutral),
    value("--settings", Configures),
    value("--strategies, --disable-strategies, --install-path", Selects),
    value("--index, --registry", Index),
    value("--root-certificates, --min-tls-version", Configures),
    flag("--only-signed", Strengthens),
    flag("--skip-signatures", WeakensSafety),
    flag("--locked", Strengthens),
    flag("--version -V, --help -h", Neutral).act(Act::Help),
];

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Compiles the project, so it fetches what the lockfile lacks; words after `--` or the first operand are not read
    /// by cargo.
    Builds,
    /// Needs the resolved graph: `metadata`, `tree`, `fetch`, `vendor`, `generate-lockfile`.
    Resolves,
    Adds,
    Installs,
    Updates,
    Binstalls,
    /// Adds or raises dependencies of the manifest: `cargo upgrade`.
    Upgrades,
    Nothing,
}

/// Cargo's own commands, then the plugins that are known.
const VERBS: &[Verb<Does>] = &[
    ("build b", Does::Builds),
    ("check c", Does::Builds),
    ("test t", Does::Builds),
    ("run r", Does::Builds),
    ("bench", Does::Builds),
    ("clippy", Does::Builds),
    ("doc d", Does::Builds),
    ("rustc", Does::Builds),
    ("rustdoc", Does::Builds),
    ("fix", Does::Builds),
    ("package", Does::Builds),
    ("publish", Does::Builds),
    ("miri", Does::Builds),
    ("fetch", Does::Resolves),
    ("metadata", Does::Resolves),
    ("tree", Does::Resolves),
    ("vendor", Does::Resolves),
    ("generate-lockfile", Does::Updates),
    ("update", Does::Updates),
    ("add", Does::Adds),
    ("install", Does::Installs),
    ("binstall", Does::Binstalls),
    ("clean", Does::Nothing),
    ("config", Does::Nothing),
    ("fmt", Does::Nothing),
    ("git-checkout", Does::Nothing),
    ("help", Does::Nothing),
    ("info", Does::Nothing),
    ("init", Does::Nothing),
    ("locate-project", Does::Nothing),
    ("login", Does::Nothing),
    ("logout", Does::Nothing),
    ("new", Does::Nothing),
    ("owner", Does::Nothing),
    ("pkgid", Does::Nothing),
    ("read-manifest", Does::Nothing),
    ("remove rm", Does::Nothing),
    ("report", Does::Nothing),
    ("search", Does::Nothing),
    ("uninstall", Does::Nothing),
    ("verify-project", Does::Nothing),
    ("version", Does::Nothing),
    ("yank", Does::Nothing),
];

/// Of [`VERBS`], the programs beside cargo: an alias of the same name stands before them.
const PROGRAMS: &[&str] = &["binstall", "clippy", "fmt", "miri"];

/// Plugins that build or resolve the project. They are programs that are there already; their options are not known,
/// and need not be: none of them names a package to bring in.
const PLUGINS: &[Verb<Does>] = &[
    ("nextest", Does::Builds),
    ("tarpaulin", Does::Builds),
    ("llvm-cov", Does::Builds),
    ("hack", Does::Builds),
    ("watch", Does::Builds),
    ("leptos", Does::Builds),
    ("tauri", Does::Builds),
    ("careful", Does::Builds),
    ("mutants", Does::Builds),
    ("expand", Does::Builds),
    ("udeps", Does::Builds),
    ("criterion", Does::Builds),
    ("flamegraph", Does::Builds),
    ("insta", Does::Builds),
    ("fuzz", Does::Builds),
    ("zigbuild", Does::Builds),
    ("xwin", Does::Builds),
    ("ndk", Does::Builds),
    ("bloat", Does::Builds),
    ("asm", Does::Builds),
    ("show-asm", Does::Builds),
    ("semver-checks", Does::Builds),
    ("public-api", Does::Builds),
    ("deb", Does::Builds),
    ("generate-rpm", Does::Nothing),
    ("bundle", Does::Builds),
    ("component", Does::Builds),
    ("lambda", Does::Builds),
    ("shuttle", Does::Builds),
    ("dist", Does::Builds),
    ("pgrx", Does::Builds),
    ("sqlx", Does::Builds),
    ("espflash", Does::Builds),
    ("embed", Does::Builds),
    ("wix", Does::Builds),
    ("minimal-versions", Does::Builds),
    ("deny", Does::Resolves),
    ("about", Does::Resolves),
    ("audit", Does::Resolves),
    ("vet", Does::Resolves),
    ("geiger", Does::Resolves),
    ("license", Does::Resolves),
    ("outdated", Does::Resolves),
    ("depgraph", Does::Resolves),
    ("modules", Does::Resolves),
    ("cyclonedx", Does::Resolves),
    ("auditable", Does::Builds),
    ("chef", Does::Builds),
    ("msrv", Does::Builds),
    ("upgrade", Does::Upgrades),
    ("upgrades", Does::Resolves),
    ("set-version", Does::Nothing),
    ("machete", Does::Nothing),
    ("sort", Does::Nothing),
    ("shear", Does::Nothing),
    ("release", Does::Builds),
    ("generate", Does::Nothing),
    ("cache", Does::Nothing),
    ("sweep", Does::Nothing),
    ("spellcheck", Does::Nothing),
    ("readme", Does::Nothing),
];

/// `cargo …`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    read_within(context, program, words, &mut Vec::new())
}

fn read_within(context: &Context<'_>, program: &str, words: &[Word], seen: &mut Vec<String>) -> Understood {
    let mut invocation = context.invocation(Tool::Cargo, program);
    let mut words = words;
    if let Some((first, rest)) = words.split_first().filter(|(first, _)| first.text.starts_with('+')) {
        invocation.flags.push(Flag {
            name: "+toolchain".to_owned(),
            value: first.text.get(1..).map(str::to_owned),
            effect: Runs,
            location: Location::argv(first.index),
        });
        words = rest;
    }
    let before = scan(words, &[GLOBAL, COMMON], Style::CLAP.stopping());
    apply(&mut invocation, &before);
    configuration_files(&mut invocation);
    let rest = words.get(before.read..).unwrap_or_default();
    let Some((word, rest)) = rest.split_first().filter(|_| !before.help) else {
        if !before.help && !before.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        return invocation.into();
    };
    let known = verb(VERBS, &word.text);
    // Cargo looks among its own commands first, then for an alias, then for its built-in aliases and for programs.
    let own = known.filter(|(name, _)| *name == word.text && !PROGRAMS.contains(name));
    if own.is_none()
        && !seen.contains(&word.text)
        && seen.len() < 16
        && let Some(alias) = aliased(context, &invocation, &word.text)
    {
        seen.push(word.text.clone());
        let start = words.get(..before.read).unwrap_or_default();
        let stands_for = alias.into_iter().map(|text| Word { text, ..word.clone() });
        let words: Vec<Word> = start.iter().cloned().chain(stands_for).chain(rest.iter().cloned()).collect();
        let mut understood = read_within(context, program, &words, seen);
        if let Some(toolchain) = invocation.flags.first().filter(|f| f.name == "+toolchain") {
            understood.invocation.flags.insert(0, toolchain.clone());
        }
        return understood;
    }
    if let Some((name, does)) = known {
        name.clone_into(&mut invocation.verb);
        built_in(context, &mut invocation, does, rest, &before);
        return invocation.into();
    }
    match verb(PLUGINS, &word.text) {
        Some((name, does)) => {
            name.clone_into(&mut invocation.verb);
            plugin(&mut invocation, does, rest, &before);
            let starts = if name == "watch" { watched(&mut invocation, rest) } else { Vec::new() };
            return Understood { invocation, starts, scripts: Vec::new() };
        }
        None => {
            unknown_verb(&mut invocation, word);
            if let Some(last) = invocation.opaque.last_mut() {
                last.reason.push_str(": an alias or a plugin");
            }
        }
    }
    invocation.into()
}

/// What an alias stands for, where the command looks for it.
fn aliased(context: &Context<'_>, invocation: &Invocation, name: &str) -> Option<Vec<String>> {
    (context.aliases)(&AliasQuery {
        name,
        directory: invocation.directory.as_deref(),
        variables: context.assignments.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect(),
        config: invocation.located_values("--config"),
    })
}

/// `cargo-binstall …`, the plugin run by its own name.
pub(super) fn binstall(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut invocation = context.invocation(Tool::Cargo, program);
    "binstall".clone_into(&mut invocation.verb);
    built_in(context, &mut invocation, Does::Binstalls, words, &Scan::default());
    invocation.into()
}

fn tables(does: Does) -> &'static [&'static [Opt]] {
    match does {
        Does::Builds => &[COMMON, COMPILES, PACKAGES, FEATURES],
        Does::Resolves => &[COMMON, LOOK, PACKAGES, FEATURES, COMPILES],
        Does::Adds => &[COMMON, ADD, SOURCE, PACKAGES, FEATURES],
        Does::Installs => &[INSTALL, COMMON, SOURCE, FEATURES, COMPILES],
        Does::Updates => &[COMMON, UPDATE],
        Does::Binstalls => &[BINSTALL],
        Does::Upgrades | Does::Nothing => &[COMMON],
    }
}

fn built_in(context: &Context<'_>, invocation: &mut Invocation, does: Does, rest: &[Word], before: &Scan) {
    if does == Does::Nothing {
        if !before.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        return;
    }
    // `cargo run` gives everything from its first operand to the program.
    let style = if invocation.verb == "run" { Style::CLAP.stopping() } else { Style::CLAP };
    let found = scan(rest, tables(does), style);
    variables(invocation, context);
    apply(invocation, &found);
    configuration_files(invocation);
    if found.help && before.opaque.is_empty() {
        return;
    }
    let locked = before.has("--locked") || before.has("--frozen") || found.has("--locked") || found.has("--frozen");
    invocation.effect = match does {
        Does::Builds | Does::Resolves if locked => Effect::Locked,
        Does::Builds | Does::Resolves | Does::Nothing => Effect::Project,
        Does::Adds => Effect::ProjectAdd,
        Does::Updates | Does::Upgrades => Effect::Update,
        Does::Installs => Effect::Requests,
        Does::Binstalls => Effect::RunsRemote,
    };
    if invocation.verb == "metadata" && found.has("--no-deps") && invocation.opaque.is_empty() {
        // Only the manifests are read.
        invocation.effect = Effect::Nothing;
    }
    match does {
        Does::Adds => {
            request(invocation, &found.operands, RequestKind::Requirement);
            unnamed(invocation, &found);
        }
        Does::Installs | Does::Binstalls => {
            invocation.global = true;
            request(invocation, &found.operands, RequestKind::Requirement);
            if does == Does::Binstalls {
                invocation.effect = Effect::RunsRemote;
            } else {
                install_source(invocation, &found);
            }
        }
        Does::Updates => updates(invocation, &found),
        _ => {}
    }
}

/// `cargo add --git URL`, `cargo add --path DIR`: cargo finds the name there.
fn unnamed(invocation: &mut Invocation, found: &Scan) {
    let source = |g: &&Given| matches!(g.name.as_str(), "--git" | "--path");
    if !found.operands.is_empty() {
        return;
    }
    for given in found.given.iter().filter(source) {
        let Some(text) = given.value.clone() else { continue };
        let location = Location::argv(given.value_index);
        invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
    }
}

/// `cargo install` with no crate named installs the package in the directory (an error today, once the meaning).
fn install_source(invocation: &mut Invocation, found: &Scan) {
    if found.operands.is_empty() && found.value("--path").is_none() && found.value("--git").is_none() {
        invocation.directory.get_or_insert_with(|| ".".to_owned());
    }
}

/// `cargo update a b`, `-p a`: the packages to update; `--precise` names the version or commit.
fn updates(invocation: &mut Invocation, found: &Scan) {
    request(invocation, &found.operands, RequestKind::Requirement);
    for given in found.given.iter().filter(|g| g.name == "--package") {
        let Some(text) = given.value.clone() else { continue };
        let location = Location::argv(given.value_index);
        invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
    }
}

/// A plugin's words are its own; cargo's options are recorded where they mean the same everywhere.
fn plugin(invocation: &mut Invocation, does: Does, rest: &[Word], before: &Scan) {
    let ends = rest.iter().position(|w| w.text == "--").unwrap_or(rest.len());
    let own = rest.get(..ends).unwrap_or_default();
    let has = |name: &str| own.iter().any(|w| w.text == name);
    if own.iter().any(|w| w.text == "--help" || w.text == "-h") && before.opaque.is_empty() {
        return;
    }
    let locked = before.has("--locked") || before.has("--frozen") || has("--locked") || has("--frozen");
    invocation.effect = match does {
        Does::Nothing if before.opaque.is_empty() => Effect::Nothing,
        Does::Nothing => Effect::Unknown,
        Does::Upgrades => Effect::Update,
        _ if locked => Effect::Locked,
        _ => Effect::Project,
    };
    let known: &[(&str, super::FlagEffect)] =
        &[("--locked", Strengthens), ("--frozen", Strengthens), ("--offline", Neutral)];
    for word in own {
        if let Some((name, effect)) = known.iter().find(|(name, _)| *name == word.text) {
            let location = Location::argv(word.index);
            invocation.flags.push(Flag { name: (*name).to_owned(), value: None, effect: *effect, location });
        }
    }
    for (i, word) in own.iter().enumerate() {
        let value = match word.text.split_once('=') {
            Some(("--config", value)) => Some(value.to_owned()),
            None if word.text == "--config" => own.get(i + 1).map(|w| w.text.clone()),
            _ => None,
        };
        if let Some(value) = value {
            let location = Location::argv(word.index);
            invocation.flags.push(Flag {
                name: "--config".to_owned(),
                value: Some(value),
                effect: Configures,
                location,
            });
        }
    }
    if does == Does::Upgrades {
        dry_run(invocation, own);
    }
}

/// `cargo watch [-x 'CARGO COMMAND'…] [-s 'SHELL COMMAND'…] [-- PROGRAM…]`: what it starts each time.
fn watched(invocation: &mut Invocation, words: &[Word]) -> Vec<Word> {
    const VALUES: &[Opt] = &[
        value("--exec -x, --shell -s", Neutral),
        value(
            "--watch -w, --ignore -i, --delay -d, --features, --env -E, --env-file, --workdir -C, --use-shell",
            Neutral,
        ),
    ];
    let found = scan(words, &[VALUES], Style::CLAP.stopping());
    let rest = words.get(found.read..).unwrap_or_default();
    let said = |g: &Given| match (g.name.as_str(), g.value.as_deref()) {
        ("--exec", Some(command)) => Some(format!("cargo {command}")),
        ("--shell", Some(command)) => Some(command.to_owned()),
        _ => None,
    };
    let texts: Vec<(String, usize)> = found.given.iter().filter_map(|g| Some((said(g)?, g.value_index))).collect();
    let Some((_, index)) = texts.first() else { return rest.to_vec() };
    if !rest.is_empty() {
        invocation.opaque.push(opaque(*index, "runs words after `--` beside other commands"));
        invocation.effect = Effect::Unknown;
    }
    let text: Vec<String> = texts.iter().map(|(text, _)| text.clone()).collect();
    vec![Word::new("sh", *index), Word::new("-c", *index), Word::new(&text.join(" && "), *index)]
}

fn dry_run(invocation: &mut Invocation, own: &[Word]) {
    invocation.dry_run |= own.iter().any(|w| w.text == "--dry-run" || w.text == "-n");
}

/// `--config FILE` names a file, `--config KEY=VALUE` sets a value; what the value means is in its key.
fn configuration_files(invocation: &mut Invocation) {
    let mut files: Vec<FileRef> = Vec::new();
    for flag in invocation.flags.iter_mut().filter(|f| f.name == "--config") {
        let Some(value) = flag.value.as_deref() else { continue };
        match value.split_once('=') {
            Some((key, _)) => flag.effect = configures(key.trim()),
            None => files.push(FileRef {
                path: value.to_owned(),
                role: FileRole::ToolConfig,
                location: flag.location.clone(),
            }),
        }
    }
    invocation.files.retain(|f| !files.contains(f));
    invocation.files.extend(files);
}

/// What a configuration key does.
fn configures(key: &str) -> super::FlagEffect {
    let key = key.replace(['"', '\''], "");
    let parts: Vec<&str> = key.split('.').map(str::trim).collect();
    match parts.as_slice() {
        ["build", "rustc" | "rustc-wrapper" | "rustc-workspace-wrapper" | "rustdoc"] => Runs,
        ["target", .., "linker" | "runner"] | ["credential-alias", ..] => Runs,
        ["registry", "credential-provider" | "global-credential-providers"]
        | ["registries", _, "credential-provider"] => Runs,
        ["source", _, "registry" | "replace-with" | "git" | "directory" | "local-registry"] => Index,
        ["registry", "index" | "default"] => Index,
        ["registries", _, "index"] => ExtraIndex,
        ["patch", ..] | ["paths"] => Selects,
        ["http", "check-revoke" | "cainfo" | "ssl-version" | "proxy"] | ["net", ..] => Configures,
        _ => Configures,
    }
}

/// Variables that cargo reads as configuration, and those that name a program for it to run.
fn variables(invocation: &mut Invocation, context: &Context<'_>) {
    for variable in context.variables() {
        let effect = match variable.name {
            "RUSTC" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTDOC" | "RUSTUP_TOOLCHAIN" => Runs,
            name => match name.strip_prefix("CARGO_") {
                Some("HOME" | "TARGET_DIR" | "INCREMENTAL" | "BUILD_TARGET_DIR" | "BUILD_JOBS") | None => continue,
                Some("BUILD_RUSTC" | "BUILD_RUSTC_WRAPPER" | "BUILD_RUSTC_WORKSPACE_WRAPPER" | "BUILD_RUSTDOC") => Runs,
                Some(key) if key.starts_with("TARGET_") && (key.ends_with("_LINKER") || key.ends_with("_RUNNER")) => {
                    Runs
                }
                Some(key) if key.ends_with("CREDENTIAL_PROVIDER") || key.ends_with("CREDENTIAL_PROVIDERS") => Runs,
                Some("REGISTRY_DEFAULT" | "REGISTRY_INDEX") => Index,
                Some(key) if key.starts_with("REGISTRIES_") && key.ends_with("_INDEX") => ExtraIndex,
                Some(key) if key.starts_with("REGISTR") && key.ends_with("_TOKEN") => continue,
                Some("NET_OFFLINE") if is_off(variable.value) => continue,
                Some("HTTP_CAINFO" | "HTTP_PROXY" | "HTTP_CHECK_REVOKE" | "NET_GIT_FETCH_WITH_CLI" | "NET_OFFLINE") => {
                    Configures
                }
                Some("RESOLVER_INCOMPATIBLE_RUST_VERSIONS" | "BUILD_TARGET") => Selects,
                Some(_) => continue,
            },
        };
        if variable.value.is_empty() {
            continue;
        }
        let at = [variable.location.clone(), variable.location.clone()];
        let opt = value("variable", effect);
        record(invocation, variable.name, Some(variable.value.to_owned()), Some(&opt), &at);
    }
}
