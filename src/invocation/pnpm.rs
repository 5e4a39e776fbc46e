//! pnpm 8 to 11 and pnpx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`], and the words of the program that `pnpm exec`, `dlx`,
//! `create` and script names would start. Source: pnpm's option types and `pnpm help COMMAND`; it parses with nopt.

use super::Effect::{Locked, Nothing, Project, ProjectAdd, Requests, RunsRemote, Unknown, Update};
use super::FlagEffect::{Configures, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Style, Word, find, flag, maybe, opaque, value};
use super::grammar::{self, Grammar, Operands, Parsed, Rule, nothing, rule};
use super::reading::{Context, Understood};
use super::{FileRole, Invocation, Request, RequestKind, Tool, npm};
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
    flag("--dedupe-peers, --dedupe-direct-deps, --dedupe-injected-deps, --link-workspace-packages", Selects)
        .off(Selects),
    flag("--prefer-workspace-packages, --shared-workspace-lockfile, --engine-strict, --ignore-dep-scripts", Selects)
        .off(Selects),
    flag("--resolve-peers-from-workspace-root, --registry-supports-time-field, --inject-workspace-packages", Selects)
        .off(Selects),
    flag("--disallow-workspace-cycles, --ignore-workspace-cycles, --merge-git-branch-lockfiles", Neutral),
    value("--resolution-mode, --cpu, --libc, --os, --depth, --tag, --use-node-version, --catalog-mode", Selects),
    value("--lockfile-dir --lockfile-directory, --modules-dir, --node-linker, --only, --omit, --include", Selects),
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
    value("--proxy, --https-proxy, --http-proxy, --noproxy --no-proxy, --ca, --cafile, --local-address", Configures),
    value("--cert, --key, --otp, --access", Neutral),
    // The rest.
    flag("--save -S, --save-dev -D, --save-prod, --save-optional -O, --save-exact -E, --save-peer", Neutral),
    flag("--save-workspace-protocol, --save-catalog, --offline, --prefer-offline, --silent -s, --quiet -q", Neutral),
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
    flag("--prefer-symlinked-executables, --verify-deps-before-run, --embed-readme, --ignore-unfixable", Neutral),
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

const VERBS: &[Rule] = &[
    rule("install i", Project, &[OPTIONS], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("install-test it", Project, &[OPTIONS], Operands::Requests).named(ProjectAdd).turns(FROZEN),
    rule("ci clean-install ic install-clean", Locked, &[OPTIONS], Operands::Ignored),
    rule("add", ProjectAdd, &[OPTIONS], Operands::Requests),
    rule("update up upgrade", Update, &[OPTIONS], Operands::Requests),
    rule("fetch", Locked, &[OPTIONS], Operands::Ignored),
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
    rule("store/add", Requests, &[OPTIONS], Operands::Requests),
    nothing("env/list env/ls"),
    nothing("env/remove env/rm env/uninstall env/un env/uni"),
    nothing("store/path"),
    nothing("store/prune"),
    nothing("store/status"),
    nothing("access"),
    nothing("adduser add-user"),
    nothing("approve-builds"),
    nothing("audit"),
    nothing("bin"),
    nothing("bugs issues"),
    nothing("cache"),
    nothing("cat-file"),
    nothing("cat-index"),
    nothing("completion"),
    nothing("config c"),
    nothing("deprecate"),
    nothing("dist-tag dist-tags"),
    nothing("docs home"),
    nothing("doctor"),
    nothing("edit"),
    nothing("find-hash"),
    nothing("get"),
    nothing("help"),
    nothing("ignored-builds"),
    nothing("info view v show"),
    nothing("init"),
    nothing("licenses"),
    nothing("list ls la ll"),
    nothing("login"),
    nothing("logout"),
    nothing("outdated"),
    nothing("owner"),
    nothing("pack"),
    nothing("ping"),
    nothing("pkg"),
    nothing("prefix"),
    nothing("profile"),
    nothing("prune"),
    nothing("publish"),
    nothing("rebuild rb"),
    nothing("repo"),
    nothing("root"),
    nothing("search s se find"),
    nothing("server"),
    nothing("set"),
    nothing("set-script"),
    nothing("setup"),
    nothing("star"),
    nothing("stars"),
    nothing("team"),
    nothing("token"),
    nothing("unpublish"),
    nothing("unstar"),
    nothing("version"),
    nothing("whoami"),
    nothing("why"),
];

static PNPM: Grammar = Grammar {
    tool: Tool::Pnpm,
    style: Style::NOPT,
    general: &[OPTIONS],
    groups: &["env", "store", "runtime", "rt"],
    verbs: VERBS,
    scripts: true,
};

/// `pnpm …`.
pub(super) fn pnpm(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let words = without_recursive(words);
    let mut parsed = grammar::read(context, program, &words, &PNPM, &|i, _| {
        npm::variables(i, context, "npm_config_");
        npm::variables(i, context, "pnpm_config_");
    });
    settings(&mut parsed.invocation);
    if !parsed.done {
        finish(&mut parsed, words.first().map_or(0, |w| w.index));
    }
    parsed.into()
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
        "env use" | "env add" | "runtime set" => {
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
