//! pnpm 8 to 12 and pnpx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the program that `pnpm exec`, `dlx`,
//! `create` and script names would start. Source: pnpm's option types and `pnpm help COMMAND`; it parses with nopt.

use std::path::{Path, PathBuf};

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, apply, find, flag, maybe, opaque, request, scan, shown, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood, unknown_verb};
use super::{FileRole, Invocation, Request, RequestKind, Tool, npm, verify};
use crate::model::Location;

/// pnpm's options; they may stand before or after the verb.
const OPTIONS: &[Opt] = &[
    flag("--help -h -H --usage -?, --version -v", Neutral).act(Act::Help),
    flag("--dry-run", Neutral).act(Act::DryRun),
    flag("--global -g", Neutral).act(Act::Global),
    value("--dir -C --prefix", Neutral).act(Act::Directory),
    value("--npmrc-auth-file, --userconfig, --globalconfig", Configures).act(Act::File(FileRole::ToolConfig)),
    value("--registry", Index),
    value("--filter -F, --filter-prod", Selects).act(Act::Select),
    flag("--recursive -r, --workspace-root -w, --include-workspace-root, --workspace, --ignore-workspace", Selects),
    flag("--ignore-workspace-root-check, --fail-if-no-match, --legacy-dir-filtering, --recursive-install", Neutral),
    value("--test-pattern, --changed-files-ignore-pattern, --workspace-packages, --workspace-concurrency", Neutral),
    // What is chosen.
    flag("--prod -P --production, --dev, --optional, --latest -L, --interactive -i", Selects).off(Selects),
    flag("--lockfile-only, --resolution-only, --fix-lockfile, --update-checksums, --force", Selects),
    flag(
        "--prefer-frozen-lockfile, --auto-install-peers, --strict-peer-dependencies, --dedupe-peer-dependents",
        Selects,
    )
    .off(Selects),
    flag("--dedupe-peers, --dedupe-direct-deps, --dedupe-injected-deps", Selects).off(Selects),
    flag("--link-workspace-packages", Selects).off(Selects).when(&[("deep", Selects)]),
    flag("--prefer-workspace-packages, --shared-workspace-lockfile, --engine-strict, --ignore-dep-scripts", Selects)
        .off(Selects),
    flag("--resolve-peers-from-workspace-root, --registry-supports-time-field, --inject-workspace-packages", Selects)
        .off(Selects),
    flag("--disallow-workspace-cycles, --ignore-workspace-cycles, --merge-git-branch-lockfiles", Neutral),
    value("--resolution-mode, --cpu, --libc, --os, --depth, --tag, --use-node-version, --catalog-mode", Selects),
    value("--lockfile-dir --lockfile-directory, --modules-dir, --node-linker, --only, --omit", Selects),
    flag("--include", Selects),
    // Protections.
    flag("--frozen-lockfile, --ignore-scripts, --strict-dep-builds, --block-exotic-subdeps", Strengthens)
        .off(WeakensSafety),
    flag("--verify-store-integrity, --strict-ssl, --strict-store-pkg-content-check, --lockfile", Strengthens)
        .off(WeakensSafety),
    flag("--ignore-pnpmfile", Strengthens),
    flag("--dangerously-allow-all-builds", WeakensSafety),
    value(
        "--allow-build, --only-built-dependencies, --minimum-release-age-exclude, --trust-policy-exclude",
        WeakensSafety,
    ),
    value("--trust-policy-ignore-after", WeakensSafety),
    value("--minimum-release-age", Strengthens).when(&[("0", WeakensSafety)]),
    value("--trust-policy", Strengthens).when(&[("off", WeakensSafety)]),
    // Programs that pnpm starts.
    value("--script-shell, --pnpmfile, --global-pnpmfile, --node-options, --npm-path", Runs),
    value("--package", Neutral).act(Act::Ask(RequestKind::With)),
    flag("--shell-mode -c, --shell-emulator, --enable-pre-post-scripts", Neutral),
    // Connections.
    value("--proxy, --https-proxy, --http-proxy, --noproxy, --ca, --cafile, --local-address", Configures),
    value("--cert, --key, --otp, --access", Neutral),
    // The rest.
    flag("--save -S, --save-dev -D, --save-prod, --save-optional -O, --save-exact -E, --save-peer", Neutral),
    flag("--save-workspace-protocol", Neutral).when(&[("rolling", Neutral)]),
    flag("--save-catalog, --offline, --prefer-offline, --silent -s, --quiet -q", Neutral),
    flag("--verbose, -d, --dd, --ddd, --stream, --use-stderr, --aggregate-output, --parallel, --sequential", Neutral),
    flag(
        "--sort, --bail, --ci, --yes -y, --if-present, --no-bail, --report-summary, --reverse, --json, --long",
        Neutral,
    ),
    flag("--parseable, --table, --check, --fix, --legacy, --pending, --remote, --reporter-hide-prefix", Neutral),
    flag("--shamefully-hoist, --shamefully-flatten, --hoist, --hoist-workspace-packages, --symlink", Neutral),
    flag(
        "--side-effects-cache, --side-effects-cache-readonly, --use-running-store-server, --use-store-server",
        Neutral,
    ),
    flag("--optimistic-repeat-install, --enable-modules-dir, --enable-global-virtual-store", Neutral),
    flag("--package-manager-strict, --package-manager-strict-version, --manage-package-manager-versions", Neutral),
    flag("--git-checks, --git-branch-lockfile, --lockfile-include-tarball-url, --extend-node-path", Neutral),
    flag(
        "--ignore-compatibility-db, --update-notifier, --unsafe-perm, --deploy-all-files, --force-legacy-deploy",
        Neutral,
    ),
    flag("--exclude-links-from-lockfile, --init-package-manager, --preserve-absolute-paths, --use-beta-cli", Neutral),
    flag("--verify-deps-before-run", Neutral).when(&[
        ("install", Neutral),
        ("warn", Neutral),
        ("error", Neutral),
        ("prompt", Neutral),
    ]),
    flag("--prefer-symlinked-executables, --embed-readme, --ignore-unfixable", Neutral),
    flag("--ignore-registry-errors, --allow-same-version", Neutral),
    maybe("--color", Neutral).when(&[("always", Neutral), ("auto", Neutral), ("never", Neutral)]),
    value("--reporter, --loglevel, --store-dir, --cache-dir, --virtual-store-dir, --global-virtual-store-dir", Neutral),
    value("--state-dir, --config-dir, --global-dir, --global-bin-dir, --global-path, --package-import-method", Neutral),
    value("--network-concurrency, --child-concurrency, --fetching-concurrency, --maxsockets, --fetch-retries", Neutral),
    value("--fetch-retry-factor, --fetch-retry-maxtimeout, --fetch-retry-mintimeout, --fetch-timeout", Neutral),
    value("--fetch-warn-timeout-ms, --fetch-min-speed-ki-bps, --hoist-pattern, --public-hoist-pattern", Neutral),
    value("--modules-cache-max-age, --dlx-cache-max-age, --save-catalog-name, --save-prefix, --resume-from", Neutral),
    value("--audit-level, --ignore, --patches-dir, --pack-destination, --pack-gzip-level, --publish-branch", Neutral),
    value("--merge-git-branch-lockfiles-branch-pattern, --virtual-store-dir-max-length, --git-shallow-hosts", Neutral),
    value("--peers-suffix-max-length, --init-type, --format, --edit-dir, --sync-injected-deps-after-scripts", Neutral),
    value("--location, --user-agent", Neutral),
];

/// `-D` and `-P` mean the groups to install, or to save to; either way the group is what matters.
const FROZEN: &[(&str, super::Effect)] = &[("--frozen-lockfile", Locked)];

/// `--fix` of `audit` writes overrides and installs nothing; what 11 and later call `update` does (11.28, 12.21).
const AUDIT: &[Opt] = &[maybe("--fix", Neutral), flag("--interactive -i", Neutral)];

const VERBS: &[Rule] = &[
    rule("install i", Project, &[OPTIONS], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("install-test it", Project, &[OPTIONS], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("ci clean-install ic install-clean", Locked, &[OPTIONS], Operands::Ignored),
    rule("add", ProjectAdd, &[OPTIONS], Operands::Requests),
    rule("update up upgrade", Update, &[OPTIONS], Operands::Requests),
    rule("fetch", Locked, &[OPTIONS], Operands::Ignored),
    rule("pipeline", Locked, &[OPTIONS], Operands::Ignored),
    // An install without what nothing asks for: it fetches what is missing, and runs its scripts.
    rule("prune", Project, &[OPTIONS], Operands::Ignored),
    // They run scripts of what is installed that were not run before, because they were refused or not allowed.
    rule("rebuild rb", Project, &[OPTIONS], Operands::Requests),
    rule("approve-builds approve", Project, &[OPTIONS], Operands::Ignored),
    rule("permissions/approve", Project, &[OPTIONS], Operands::Ignored),
    rule("audit", Nothing, &[AUDIT, OPTIONS], Operands::Ignored),
    rule("import", Project, &[OPTIONS], Operands::Ignored),
    rule("dedupe", Project, &[OPTIONS], Operands::Ignored),
    rule("deploy", Project, &[OPTIONS], Operands::Ignored),
    rule("link ln", Project, &[OPTIONS], Operands::Requests).named(ProjectAdd),
    rule("unlink dislink", Project, &[OPTIONS], Operands::Ignored),
    rule("patch", Requests, &[OPTIONS], Operands::Requests),
    rule("patch-commit", Project, &[OPTIONS], Operands::Ignored),
    rule("patch-remove", Project, &[OPTIONS], Operands::Ignored),
    rule("remove rm uninstall un uni", Project, &[OPTIONS], Operands::Ignored),
    rule("dlx", RunsRemote, &[OPTIONS], Operands::Program),
    rule("create", RunsRemote, &[OPTIONS], Operands::Program),
    rule("exec", Nothing, &[OPTIONS], Operands::Command),
    rule("run run-script rum urn", Nothing, &[OPTIONS], Operands::Program),
    rule("test t tst", Nothing, &[OPTIONS], Operands::Program),
    rule("start", Nothing, &[OPTIONS], Operands::Program),
    rule("stop", Nothing, &[OPTIONS], Operands::Program),
    rule("restart", Nothing, &[OPTIONS], Operands::Program),
    rule("self-update", Requests, &[OPTIONS], Operands::Requests).global(),
    rule("env/use", Unknown, &[OPTIONS], Operands::Ignored).global(),
    rule("env/add", Unknown, &[OPTIONS], Operands::Ignored).global(),
    rule("runtime/set rt/set", Unknown, &[OPTIONS], Operands::Ignored).global(),
    rule("pack-app", Unknown, &[OPTIONS], Operands::Ignored),
    rule("store/add", Requests, &[OPTIONS], Operands::Requests),
    nothing("env/list env/ls"),
    nothing("env/remove env/rm env/uninstall env/un env/uni"),
    nothing("store/path"),
    nothing("store/prune"),
    nothing("store/status"),
    nothing("access"),
    nothing("adduser add-user"),
    nothing("bin"),
    nothing("bugs issues"),
    nothing("cache"),
    nothing("cat-file"),
    nothing("cat-index"),
    nothing("change"),
    nothing("clean purge"),
    nothing("completion"),
    nothing("config c"),
    nothing("deprecate"),
    nothing("dist-tag dist-tags"),
    nothing("docs home"),
    nothing("doctor"),
    nothing("edit"),
    nothing("find-hash"),
    nothing("fund"),
    nothing("get"),
    nothing("help"),
    nothing("ignored-builds"),
    nothing("info view v show"),
    nothing("init"),
    nothing("lane"),
    nothing("licenses licences"),
    nothing("list ls la ll"),
    nothing("login"),
    nothing("logout"),
    nothing("outdated"),
    nothing("owner owners"),
    nothing("pack"),
    nothing("peers"),
    nothing("ping"),
    nothing("pkg"),
    nothing("prefix"),
    nothing("profile"),
    nothing("publish"),
    nothing("repo"),
    nothing("root"),
    nothing("sbom"),
    nothing("search s se find"),
    nothing("server"),
    nothing("set"),
    nothing("set-script ss"),
    nothing("setup"),
    nothing("stage"),
    nothing("star"),
    nothing("stars"),
    nothing("tasks"),
    nothing("team"),
    nothing("token"),
    nothing("undeprecate"),
    nothing("unpublish"),
    nothing("unstar"),
    nothing("version"),
    nothing("whoami"),
    nothing("why"),
];

static PNPM: Grammar = Grammar {
    tool: Tool::Pnpm,
    style: Style::NOPT,
    first: &[],
    general: &[OPTIONS],
    groups: &["env", "store", "runtime", "rt", "permissions"],
    verbs: VERBS,
    scripts: true,
};

/// Whether a verb brings something in by itself, and not what pnpm would do before it.
pub fn brings_in(verb: &str) -> bool {
    let named = |rule: &&Rule| rule.names.split_ascii_whitespace().any(|n| n.replace('/', " ") == verb);
    VERBS.iter().find(named).is_none_or(|rule| rule.effect != Nothing || rule.named != Nothing)
}

/// `pnpm …`.
pub(super) fn pnpm(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    if let Some(understood) = forwarded(context, program, words) {
        return understood;
    }
    let words = without_recursive(words);
    let mut parsed = grammar::read(context, program, &words, &PNPM, &|i, _| {
        npm::variables(i, context, "npm_config_");
        npm::variables(i, context, "pnpm_config_");
    });
    settings(&mut parsed.invocation);
    if parsed.done && parsed.invocation.effect == Nothing && !names_something(context, &parsed) {
        let word = parsed.starts.remove(0);
        unknown_verb(&mut parsed.invocation, &word);
    }
    if !parsed.done {
        finish(&mut parsed, words.first().map_or(0, |w| w.index));
    }
    verifies(context, &mut parsed.invocation);
    let invocation = &mut parsed.invocation;
    let surely = !(context.lost || context.new_directory);
    if let Some(files) = context.files.filter(|_| surely && invocation.effect == Nothing && !invocation.verb.is_empty())
        && verify::configures(invocation, context.environment, files)
    {
        invocation.effect = Project;
    }
    parsed.into()
}

/// What pnpm installs before it runs something; see [`verify`]. Its option is not held back by a variable everywhere.
fn verifies(context: &Context<'_>, invocation: &mut Invocation) {
    if !verify::looks(invocation) {
        return;
    }
    let option = |f: &&super::Flag| {
        matches!(&*f.name, "--verify-deps-before-run" | "--config.verify-deps-before-run")
            || f.name == "--config.verifyDepsBeforeRun"
    };
    if let Some(flag) = invocation.flags.iter().rev().find(option) {
        if !matches!(flag.value.as_deref(), Some("false" | "warn" | "error")) {
            let reason = "installs what is missing and runs at once; run `pnpm install` first, without this option";
            let location = flag.location.clone();
            invocation.opaque.push(super::Opaque { reason: reason.to_owned(), location });
            invocation.effect = Unknown;
        }
    } else if let Some(files) = context.follow.map(|f| f.files())
        && !(context.lost || context.new_directory)
        && verify::installs(invocation, context.environment, files, &|root| members(context, root))
    {
        invocation.effect = Project;
    }
}

/// The directories of a workspace's members.
fn members(context: &Context<'_>, root: &Path) -> Vec<PathBuf> {
    let inner = Context { directory: root.to_str().map(str::to_owned), ..context.clone() };
    let (all, _) = super::follow::manifest::workspace(&inner, None);
    all.into_iter().map(|(directory, _)| PathBuf::from(directory)).collect()
}

/// Whether a word that is no verb is what pnpm would take it for: a script of the project, or a program that it installed
/// or that lies on PATH. Else it may be a verb of a pnpm that is newer than this table. Where there is no project, or in
/// which of several it is to run, or what it holds by then is not known, the word is believed.
fn names_something(context: &Context<'_>, parsed: &Parsed) -> bool {
    let (Some(files), Some(word)) = (context.files, parsed.starts.first()) else { return true };
    let several = ["--recursive", "--filter", "--filter-prod", "--workspace-root"];
    let elsewhere = context.lost || context.earlier || context.new_directory || word.expands;
    if elsewhere || word.text.contains(['/', '\\']) || several.iter().any(|name| parsed.scan.has(name)) {
        return true;
    }
    let directory = parsed.invocation.directory.as_deref().unwrap_or_default();
    let directory = context.environment.absolute(Path::new(directory));
    let on_path = || {
        let path = context.variables().find(|v| v.name == "PATH").map(|v| v.value.to_owned()).unwrap_or_default();
        let mut all = path.split(if context.environment.os == "windows" { ';' } else { ':' }).map(Path::new);
        all.any(|d| d.is_absolute() && files.is_file(&d.join(&word.text)))
    };
    let mut project = false;
    for above in directory.ancestors() {
        if !project && let Ok(text) = files.read_text(&above.join("package.json")) {
            project = true;
            let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if manifest.get("scripts").is_some_and(|scripts| scripts.get(&word.text).is_some()) {
                return true;
            }
        }
        if files.is_file(&above.join("node_modules").join(".bin").join(&word.text)) {
            return true;
        }
    }
    !project || on_path()
}

/// `pnpm pm VERB…` is VERB and no script of that name. `pnpm with current VERB…` is VERB, whatever pnpm the project
/// names; `pnpm with VERSION VERB…` fetches that pnpm and runs it. Since 11 (11.28, 12.21); to those before, the words are
/// the names of scripts.
fn forwarded(context: &Context<'_>, program: &str, words: &[Word]) -> Option<Understood> {
    let before = scan(words, &[OPTIONS], Style::NOPT.stopping());
    let at = before.read;
    let without = |n: usize| -> Vec<Word> {
        let (front, rest) = (words.iter().take(at), words.iter().skip(at + n));
        front.chain(rest).cloned().collect()
    };
    match (words.get(at).map(|w| w.text.as_str())?, words.get(at + 1)) {
        ("pm", Some(_)) => Some(pnpm(context, program, &without(1))),
        ("with", Some(version)) if version.text == "current" => Some(pnpm(context, program, &without(2))),
        ("with", Some(version)) => {
            let mut invocation = context.invocation(Tool::Pnpm, program);
            apply(&mut invocation, &before);
            "with".clone_into(&mut invocation.verb);
            invocation.effect = RunsRemote;
            if version.text.starts_with('-') {
                let reason = format!("`{}` is no version of pnpm", shown(&version.text));
                invocation.opaque.push(opaque(version.index, reason));
            }
            let mut named = version.clone();
            named.text = format!("pnpm@{}", version.text);
            request(&mut invocation, &[named], RequestKind::With);
            let rest = words.iter().skip(at + 2).cloned();
            let starts = std::iter::once(Word::new("pnpm", version.index)).chain(rest).collect();
            Some(Understood { invocation, starts, scripts: Vec::new() })
        }
        _ => None,
    }
}

/// `pnpx …` is `pnpm dlx …`.
pub(super) fn pnpx(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let at = words.first().map_or(0, |w| w.index);
    let words: Vec<Word> = std::iter::once(Word::new("dlx", at)).chain(words.iter().cloned()).collect();
    let mut understood = pnpm(context, program, &words);
    understood.invocation.tool = Tool::Pnpx;
    understood
}

/// `pnpm recursive install`, `pnpm multi install`: the old spelling of `-r`.
fn without_recursive(words: &[Word]) -> Vec<Word> {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut().filter(|w| matches!(w.text.as_str(), "recursive" | "multi" | "m")) {
        "--recursive".clone_into(&mut first.text);
    }
    words
}

fn finish(parsed: &mut Parsed, at: usize) {
    let invocation = &mut parsed.invocation;
    match invocation.verb.as_str() {
        "install" if !parsed.scan.operands.is_empty() => "add".clone_into(&mut invocation.verb),
        "remove" if invocation.global => invocation.effect = Nothing,
        "dedupe" => invocation.dry_run |= parsed.scan.has("--check"),
        "dlx" => dlx(parsed),
        "create" => npm::create(invocation, &mut parsed.starts),
        "exec" if parsed.scan.has("--shell-mode") => shell_mode(parsed),
        "run" | "test" | "start" | "stop" | "restart" => {
            parsed.scripts = std::mem::take(&mut parsed.starts);
            if invocation.verb != "run" {
                parsed.scripts.insert(0, Word::new(&invocation.verb, at));
            }
            "run".clone_into(&mut invocation.verb);
        }
        "self-update" => {
            let version: Vec<String> = invocation.requests.drain(..).map(|r| r.text).collect();
            let text = version.first().map_or_else(|| "pnpm".to_owned(), |v| format!("pnpm@{v}"));
            invocation.requests.push(Request { text, kind: RequestKind::Requirement, location: Location::argv(at) });
        }
        // What is there already, and no requirement.
        "rebuild" => invocation.requests.iter_mut().for_each(|r| r.kind = RequestKind::Selector),
        "audit" => {
            let updates = parsed.scan.given.iter().find(|g| {
                let fixes =
                    g.name == "--fix" && !matches!(g.value.as_deref(), None | Some("override" | "true" | "false"));
                fixes || g.name == "--interactive"
            });
            let apart = parsed.scan.operands.iter().find(|w| w.text == "update" && parsed.scan.has("--fix"));
            if let Some(index) = updates.map(|g| g.index).or(apart.map(|w| w.index)) {
                let reason = "updates to what the registry's advisories say, which is not known before";
                invocation.opaque.push(opaque(index, reason));
            }
        }
        "env use" | "env add" | "runtime set" | "pack-app" => {
            invocation.opaque.push(opaque(at, "brings in a program that comes from no package registry"));
        }
        _ => {}
    }
    let invocation = &mut parsed.invocation;
    if invocation.global && matches!(invocation.effect, Project | ProjectAdd) {
        invocation.effect = Requests;
    }
}

/// `pnpm dlx [--package X…] PROGRAM…`.
fn dlx(parsed: &mut Parsed) {
    let invocation = &mut parsed.invocation;
    npm::fetched(invocation, &parsed.starts);
    if parsed.scan.has("--shell-mode") {
        shell_mode(parsed);
    } else {
        parsed.starts = npm::started(&parsed.starts);
    }
}

/// `-c 'script'`: the words are shell text.
fn shell_mode(parsed: &mut Parsed) {
    let text: Vec<&str> = parsed.starts.iter().map(|w| w.text.as_str()).collect();
    let at = parsed.starts.first().map_or(0, |w| w.index);
    parsed.starts = vec![Word::new("sh", at), Word::new("-c", at), Word::new(&text.join(" "), at)];
}

/// `--config.ignore-scripts=false` and `--config.ignoreScripts=false` are settings; what is known of the option of
/// that name holds for them.
fn settings(invocation: &mut Invocation) {
    let mut known = Vec::new();
    for flag in &mut invocation.flags {
        let Some(key) = flag.name.strip_prefix("--config.") else { continue };
        let mut name = "--".to_owned();
        for c in key.chars() {
            if c.is_ascii_uppercase() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        flag.effect = Configures;
        if let Some((_, opt)) = find(&[OPTIONS], &name) {
            flag.effect = opt.effect_of(flag.value.as_deref());
        }
        known.push(flag.location.clone());
    }
    invocation.opaque.retain(|o| !(o.reason.starts_with("unknown option `--config.") && known.contains(&o.location)));
    npm::finish_options(invocation);
}
