//! npm 6 to 11 and npx: what is asked for on their command lines.
//!
//! In: the words after the program. Out: an [`Invocation`](super::Invocation), and the words of the program that
//! `npm exec` and `npx` would run. Source: npm's configuration definitions, its command list, and nopt's rules.

use super::FlagEffect::{self, Configures, ExtraIndex, Index, Neutral, Runs, Selects, Strengthens, WeakensSafety};
use super::engine::{Act, Opt, Scan, Style, Word, apply, find, flag, is_off, maybe, record, request, scan, value};
use super::reading::{Context, Understood, Variable, Verb, flag_from, unknown_verb, verb};
use super::{Effect, FileRole, Flag, Invocation, Opaque, Request, RequestKind, Tool};
use crate::ecosystem::ini;
use crate::model::Location;
use std::path::Path;

/// npm has one table for all commands.
pub(super) const OPTIONS: &[Opt] = &[
    flag("--usage -? -H -h --help, --version -v, --versions", Neutral).act(Act::Help),
    flag("--dry-run", Neutral).act(Act::DryRun),
    flag("--global -g", Neutral).act(Act::Global),
    maybe("--location -L", Neutral).when(&[("global", Neutral), ("user", Neutral), ("project", Neutral)]),
    value("--prefix -C", Neutral).act(Act::Directory),
    value("--userconfig, --globalconfig", Configures).act(Act::File(FileRole::ToolConfig)),
    value("--registry --reg", Index),
    value("--workspace -w", Selects).act(Act::Select),
    flag("--workspaces --ws, --include-workspace-root --iwr", Selects),
    // What is chosen.
    value("--omit, --include, --only, --also, --tag, --before --enjoy-by, --cpu, --os, --libc", Selects),
    value("--install-strategy, --lockfile-version, --depth", Selects),
    flag("--production, --dev, --optional, --legacy-peer-deps, --strict-peer-deps, --prefer-dedupe", Selects)
        .off(Selects),
    flag("--legacy-bundling, --global-style, --install-links, --link, --engine-strict", Selects).off(Selects),
    flag("--package-lock-only", Selects),
    // Where the result is written down.
    flag("--save -S, --save-bundle -B, --save-dev -D, --save-exact -E, --save-optional -O, --save-peer", Neutral),
    flag("--save-prod -P, --format-package-lock, --omit-lockfile-registry-resolved, --workspaces-update", Neutral),
    value("--save-prefix", Neutral),
    // Protections.
    flag("--ignore-scripts, --package-lock --shrinkwrap, --strict-ssl", Strengthens).off(WeakensSafety),
    flag("--strict-allow-scripts", Strengthens).off(WeakensSafety),
    flag("--audit, --provenance", Neutral).off(Neutral),
    flag("--force -f", WeakensSafety),
    flag("--dangerously-allow-all-scripts", WeakensSafety),
    value("--allow-scripts, --min-release-age-exclude", WeakensSafety),
    value("--min-release-age", Strengthens).when(&[("0", WeakensSafety), ("null", WeakensSafety)]),
    value("--allow-git, --allow-remote, --allow-file, --allow-directory", WeakensSafety)
        .when(&[("none", Strengthens), ("root", Strengthens)]),
    value("--cafile, --ca, --replace-registry-host", Configures),
    // Programs that npm starts.
    value("--script-shell, --shell, --node-options, --git, --node-gyp, --editor, --viewer", Runs),
    value("--browser", Runs),
    value("--call -c", Runs),
    value("--package", Neutral).act(Act::Ask(RequestKind::With)),
    // Connections and credentials.
    value("--proxy, --https-proxy, --noproxy, --local-address, --_auth, --otp, --scope", Configures),
    value("--password, --token-description, --name, --expires, --cidr, --orgs, --scopes, --packages", Neutral),
    value("--orgs-permission, --packages-and-scopes-permission", Neutral),
    value("--cert, --key, --auth-type, --access, --fetch-retries, --fetch-retry-factor, --fetch-timeout", Neutral),
    value("--fetch-retry-maxtimeout, --fetch-retry-mintimeout, --maxsockets, --user-agent", Neutral),
    // Neither what is installed nor how depends on these.
    flag("--all -a, --allow-same-version, --bin-links, --bypass-2fa, --commit-hooks, --description --desc", Neutral),
    flag("--diff-ignore-all-space, --diff-name-only, --diff-no-prefix, --diff-text, --expect-results", Neutral),
    flag("--foreground-scripts, --fund, --git-tag-version, --if-present, --include-staged", Neutral),
    flag("--include-attestations, --init-private, --json, --long -l, --offline, --parseable -p --porcelain", Neutral),
    flag("--prefer-offline, --prefer-online, --progress, --read-only --readonly, --rebuild-bundle", Neutral),
    flag("--allow-scripts-pending, --allow-scripts-pin, --packages-all, --sign-git-commit, --sign-git-tag", Neutral),
    flag("--timing, --unicode, --update-notifier, --yes -y, --quiet -q, --silent -s, --verbose", Neutral),
    flag("-d, --dd, --ddd, --cache-lock-stale, --rollback, --send-metrics, --unsafe-perm", Neutral),
    flag("--always-auth, --ham-it-up, --metrics-registry, --no --n -n", Neutral),
    maybe("--color", Neutral).when(&[("always", Neutral)]),
    value("--cache, --cache-max, --cache-min, --logs-dir, --logs-max, --loglevel, --heading, --message -m", Neutral),
    value("--diff, --diff-dst-prefix, --diff-src-prefix, --diff-unified, --expect-result-count", Neutral),
    value("--audit-level, --pack-destination, --preid, --provenance-file, --sbom-format, --sbom-type", Neutral),
    value("--searchexclude, --searchlimit, --searchopts, --searchstaleness, --tag-version-prefix, --umask", Neutral),
    value("--init-author-email, --init-author-name, --init-author-url, --init-license, --init-module", Neutral),
    value("--init-type, --init-version, --init.author.email, --init.author.name, --init.author.url", Neutral),
    value("--init.license, --init.module, --init.version, --which", Neutral),
];

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    /// Operands are added to the manifest; without any, the manifest is installed.
    Install,
    /// The lockfile, exactly.
    Clean,
    Update,
    Exec,
    /// Runs a command in the directory of a package that is there.
    Explore,
    Init,
    Link,
    /// Rearranges the tree that the manifest allows.
    Project,
    /// Removes, and installs what the rest of the manifest lacks in node_modules (seen with npm 11).
    Uninstall,
    Audit,
    Pack,
    Cache,
    /// Runs install scripts of what is in node_modules, those too that an install left out.
    Rebuild,
    /// Shows what two packages differ in; a repository's is built first.
    Diff,
    /// Packs a directory or an archive; a repository is fetched and built first.
    Publish,
    /// `stage publish` is `publish`.
    Stage,
    /// Writes a version; where workspaces are named it installs all of them again (npm's `update-workspaces.js`).
    Version,
    /// Scripts of the manifest: nothing is fetched.
    Run,
    Nothing,
}

/// Commands with their aliases; the canonical spelling first.
const VERBS: &[Verb<Does>] = &[
    ("install i add in ins inst insta instal isnt isnta isntal isntall", Does::Install),
    ("install-test it", Does::Install),
    ("ci clean-install ic install-clean isntall-clean", Does::Clean),
    ("install-ci-test cit clean-install-test sit", Does::Clean),
    ("update u up upgrade udpate", Does::Update),
    ("exec x", Does::Exec),
    ("init create innit", Does::Init),
    ("link ln", Does::Link),
    ("dedupe ddp", Does::Project),
    ("find-dupes", Does::Project),
    ("audit", Does::Audit),
    ("pack", Does::Pack),
    ("cache", Does::Cache),
    ("run run-script rum urn", Does::Run),
    ("test tst t", Does::Run),
    ("start", Does::Run),
    ("stop", Does::Run),
    ("restart", Does::Run),
    ("uninstall unlink remove rm r un", Does::Uninstall),
    ("prune", Does::Uninstall),
    ("rebuild rb", Does::Rebuild),
    ("access", Does::Nothing),
    ("adduser add-user", Does::Nothing),
    ("approve-scripts", Does::Nothing),
    ("deny-scripts", Does::Nothing),
    ("install-scripts", Does::Nothing),
    ("bin", Does::Nothing),
    ("birthday", Does::Nothing),
    ("bugs issues", Does::Nothing),
    ("completion", Does::Nothing),
    ("config c", Does::Nothing),
    ("deprecate", Does::Nothing),
    ("diff", Does::Diff),
    ("dist-tag dist-tags", Does::Nothing),
    ("docs home", Does::Nothing),
    ("doctor", Does::Nothing),
    ("edit", Does::Nothing),
    ("explain why", Does::Nothing),
    ("explore", Does::Explore),
    ("fund", Does::Nothing),
    ("get", Does::Nothing),
    ("help hlep", Does::Nothing),
    ("help-search", Does::Nothing),
    ("hook", Does::Nothing),
    ("ll la", Does::Nothing),
    ("login", Does::Nothing),
    ("logout", Does::Nothing),
    ("ls list", Does::Nothing),
    ("org ogr", Does::Nothing),
    ("outdated", Does::Nothing),
    ("owner author", Does::Nothing),
    ("ping", Does::Nothing),
    ("pkg", Does::Nothing),
    ("prefix", Does::Nothing),
    ("profile", Does::Nothing),
    ("publish", Does::Publish),
    ("query", Does::Nothing),
    ("repo", Does::Nothing),
    ("root", Does::Nothing),
    ("sbom", Does::Nothing),
    ("search find s se", Does::Nothing),
    ("set", Does::Nothing),
    ("set-script", Does::Nothing),
    ("shrinkwrap", Does::Nothing),
    ("stage", Does::Stage),
    ("star", Does::Nothing),
    ("stars", Does::Nothing),
    ("team", Does::Nothing),
    ("token", Does::Nothing),
    ("trust", Does::Nothing),
    ("undeprecate", Does::Nothing),
    ("unpublish", Does::Nothing),
    ("unstar", Does::Nothing),
    ("version verison", Does::Version),
    ("view v info show", Does::Nothing),
    ("whoami", Does::Nothing),
];

/// The command a word stands for: exact, alias, camelCase, or the only one it abbreviates.
fn command(word: &str) -> Option<(&'static str, Does)> {
    let mut dashed = String::new();
    for c in word.chars() {
        if c.is_ascii_uppercase() {
            dashed.push('-');
        }
        dashed.push(c.to_ascii_lowercase());
    }
    verb(VERBS, &dashed).or_else(|| {
        let mut found: Option<(&'static str, Does)> = None;
        for (names, does) in VERBS {
            let canonical = names.split_ascii_whitespace().next()?;
            if !dashed.is_empty() && names.split_ascii_whitespace().any(|n| n.starts_with(&dashed)) {
                if found.is_some() {
                    return None;
                }
                found = Some((canonical, *does));
            }
        }
        found
    })
}

/// `npm …`.
pub(super) fn npm(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut invocation = context.invocation(Tool::Npm, program);
    let found = scan(words, &[OPTIONS], Style::NOPT);
    variables(&mut invocation, context, "npm_config_");
    apply(&mut invocation, &found);
    finish_options(&mut invocation);
    let Some((word, operands)) = found.operands.split_first() else {
        if !found.help && !found.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        return invocation.into();
    };
    let Some((name, does)) = command(&word.text) else {
        if !found.help {
            unknown_verb(&mut invocation, word);
        }
        return invocation.into();
    };
    name.clone_into(&mut invocation.verb);
    if does == Does::Run {
        "run".clone_into(&mut invocation.verb);
    }
    if found.help {
        return invocation.into();
    }
    let starts = acts(&mut invocation, does, operands, &found);
    let reifies = matches!(does, Does::Init) || (does == Does::Version && !operands.is_empty());
    if reifies && invocation.effect == Effect::Nothing && updates_workspaces(context, &invocation) {
        invocation.effect = Effect::Project;
    }
    if matches!(does, Does::Run | Does::Nothing | Does::Explore) {
        // An option that npm does not know takes no word, so it cannot turn these into an install.
        invocation.opaque.retain(|o| !o.reason.starts_with("unknown option"));
    }
    let mut scripts = Vec::new();
    if does == Does::Run {
        scripts = operands.to_vec();
        if name != "run" {
            scripts.insert(0, Word { text: name.to_owned(), ..word.clone() });
        }
    }
    Understood { invocation, starts, scripts }
}

/// Sets effect and requests; answers with the words of a program that npm would run.
fn acts(invocation: &mut Invocation, does: Does, operands: &[Word], found: &Scan) -> Vec<Word> {
    let named = !operands.is_empty();
    match does {
        Does::Install => {
            request(invocation, operands, RequestKind::Requirement);
            invocation.effect = match (invocation.global, named) {
                (true, _) => Effect::Requests,
                (false, true) => Effect::ProjectAdd,
                (false, false) => Effect::Project,
            };
            if invocation.global && !named {
                // `npm install -g` installs the package in the directory.
                here(invocation);
            }
        }
        Does::Clean => invocation.effect = Effect::Locked,
        Does::Update => {
            request(invocation, operands, RequestKind::Requirement);
            invocation.effect = Effect::Update;
        }
        Does::Link => {
            request(invocation, operands, RequestKind::Requirement);
            invocation.effect = if named { Effect::ProjectAdd } else { Effect::Project };
        }
        Does::Project => {
            invocation.effect = Effect::Project;
            invocation.dry_run |= invocation.verb == "find-dupes";
        }
        Does::Uninstall if invocation.global => {}
        Does::Uninstall => invocation.effect = Effect::Project,
        Does::Audit => {
            if operands.first().is_some_and(|w| w.text == "fix") {
                "audit fix".clone_into(&mut invocation.verb);
                invocation.effect = Effect::Update;
            }
        }
        Does::Cache => {
            if operands.first().is_some_and(|w| w.text == "add") {
                "cache add".clone_into(&mut invocation.verb);
                invocation.effect = Effect::Requests;
                request(invocation, operands.get(1..).unwrap_or_default(), RequestKind::Requirement);
            }
        }
        Does::Pack => {
            // `npm pack` packs the directory; with a name it downloads that package's archive.
            if named {
                invocation.effect = Effect::Requests;
                request(invocation, operands, RequestKind::Requirement);
            }
        }
        // The packages that the command names are those of the project.
        Does::Rebuild => invocation.effect = if invocation.global { Effect::Unknown } else { Effect::Project },
        Does::Diff => {
            let specs: Vec<Word> = found
                .given
                .iter()
                .filter(|g| g.name == "--diff")
                .filter_map(|g| Some(Word::new(g.value.as_deref()?, g.value_index)))
                .collect();
            fetched_source(invocation, &specs);
        }
        Does::Publish => fetched_source(invocation, operands),
        Does::Stage => {
            if operands.first().is_some_and(|w| w.text == "publish") {
                fetched_source(invocation, operands.get(1..).unwrap_or_default());
            }
        }
        Does::Init => init(invocation, operands),
        Does::Exec => return exec(invocation, operands, found),
        Does::Explore => return explored(operands),
        Does::Version | Does::Run | Does::Nothing => {}
    }
    Vec::new()
}

fn here(invocation: &mut Invocation) {
    let location = Location::built_in();
    invocation.requests.push(Request { text: ".".to_owned(), kind: RequestKind::Requirement, location });
}

/// Whether the command line, or a `.npmrc` of the project or the user, selects workspaces, all of which `npm version` and
/// `npm init` then install again, unless they are told not to.
fn updates_workspaces(context: &Context<'_>, invocation: &Invocation) -> bool {
    if invocation.flag("--workspaces-update").is_some_and(|f| f.value.as_deref().is_some_and(is_off)) {
        return false;
    }
    if invocation.flag("--workspace").is_some() || invocation.flag("--workspaces").is_some() {
        return true;
    }
    let Some(files) = context.files else { return false };
    let directory = context.environment.absolute(Path::new(invocation.directory.as_deref().unwrap_or_default()));
    let root = directory.ancestors().find(|d| files.is_file(&d.join("package.json")));
    let lists = [Some(&*directory), root, context.environment.home.as_deref()];
    lists.into_iter().flatten().any(|list| {
        files.read_text(&list.join(".npmrc")).is_ok_and(|text| {
            ini::npm(&text).iter().any(|item| match &*item.key {
                "workspace" | "workspace[]" => true,
                "workspaces" => !is_off(&item.value),
                _ => false,
            })
        })
    })
}

/// What is neither a release of a registry nor a place on this disk is fetched, and its `prepare` script is run.
fn fetched_source(invocation: &mut Invocation, specs: &[Word]) {
    let local = |text: &str| text.starts_with(['.', '/', '~']) || text.to_ascii_lowercase().starts_with("file:");
    let elsewhere = |w: &&Word| {
        let text =
            w.text.split_once('@').map_or(w.text.as_str(), |(name, rest)| if name.is_empty() { &w.text } else { rest });
        let scoped = text.starts_with('@') && !text.contains(':');
        !local(text) && !scoped && text.contains([':', '/'])
    };
    let specs: Vec<Word> = specs.iter().filter(elsewhere).cloned().collect();
    if !specs.is_empty() {
        invocation.effect = Effect::Requests;
        request(invocation, &specs, RequestKind::Requirement);
    }
}

/// `npm init NAME` runs the package `create-NAME`; without a name it writes a package.json.
fn init(invocation: &mut Invocation, operands: &[Word]) {
    let Some(word) = operands.first() else {
        return;
    };
    invocation.effect = Effect::RunsRemote;
    create(invocation, &mut vec![word.clone()]);
}

/// The package that an initializer's name stands for: `foo@1` is `create-foo@1`, `@a` is `@a/create`,
/// `@a/foo` is `@a/create-foo`; paths and URLs stand for themselves.
fn initializer(word: &str) -> String {
    if word.starts_with(['.', '/', '~']) || word.contains("://") || word.contains(':') {
        return word.to_owned();
    }
    let at = word.char_indices().skip(1).find(|(_, c)| *c == '@').map_or(word.len(), |(i, _)| i);
    let (name, version) = word.split_at(at);
    let created = match name.strip_prefix('@') {
        Some(scoped) => match scoped.split_once('/') {
            Some((scope, rest)) if rest == "create" || rest.starts_with("create-") => format!("@{scope}/{rest}"),
            Some((scope, rest)) => format!("@{scope}/create-{rest}"),
            None => format!("@{scoped}/create"),
        },
        // `user/repo` is a repository on GitHub, `user/create-repo`.
        None => match name.split_once('/') {
            Some((user, repository)) => format!("{user}/create-{repository}"),
            None if name.starts_with("create-") => name.to_owned(),
            None => format!("create-{name}"),
        },
    };
    format!("{created}{version}")
}

/// `npm exec [--package=X…] [--] WORD…`, `npm exec -c 'script'`.
fn exec(invocation: &mut Invocation, operands: &[Word], found: &Scan) -> Vec<Word> {
    let call = found.given.iter().rev().find(|g| g.name == "--call");
    let index = call.map_or(0, |g| g.value_index);
    // `npm_config_call` says it as well.
    let text = invocation.flag("--call").and_then(|f| f.value.clone());
    let packages = invocation.requests.iter().any(|r| r.kind == RequestKind::With);
    let mut starts = Vec::new();
    if let Some(text) = text {
        starts = vec![Word::new("sh", index), Word::new("-c", index), Word::new(&text, index)];
        invocation.effect = if packages { Effect::RunsRemote } else { Effect::Nothing };
    } else if let Some(first) = operands.first() {
        invocation.effect = Effect::RunsRemote;
        if !packages {
            request(invocation, std::slice::from_ref(first), RequestKind::Requirement);
        }
        starts = started(operands);
    } else {
        // Opens a shell, with the packages that options or a project's `.npmrc` name.
        invocation.effect = Effect::RunsRemote;
    }
    starts
}

/// `npm explore NAME [-- COMMAND]`: the words become one script (npm 11, `lib/commands/explore.js`).
fn explored(operands: &[Word]) -> Vec<Word> {
    let words = operands.get(1..).unwrap_or_default();
    let Some(first) = words.first() else { return Vec::new() };
    let texts: Vec<&str> = words.iter().map(|w| w.template.as_deref().unwrap_or(&w.text)).collect();
    let expands = words.iter().any(|w| w.expands);
    let known = words.iter().all(|w| !w.expands || w.template.is_some());
    let text = texts.join(" ");
    let script = Word { expands, template: (expands && known).then(|| text.clone()), ..Word::new(&text, first.index) };
    vec![Word::new("sh", first.index), Word::new("-c", first.index), script]
}

/// The package that `dlx PROGRAM…` fetches: the program's, unless options name packages.
pub(super) fn fetched(invocation: &mut Invocation, starts: &[Word]) {
    let packages = invocation.requests.iter().any(|r| r.kind == RequestKind::With);
    match starts.first() {
        Some(first) if !packages => request(invocation, std::slice::from_ref(first), RequestKind::Requirement),
        None if !packages => invocation.effect = Effect::Nothing,
        _ => {}
    }
}

/// `create NAME…` fetches the initializer of that name and runs it.
pub(super) fn create(invocation: &mut Invocation, starts: &mut Vec<Word>) {
    if let Some(first) = starts.first() {
        let location = Location::argv(first.index);
        let text = initializer(&first.text);
        invocation.requests.push(Request { text, kind: RequestKind::Requirement, location });
    }
    starts.clear();
}

/// The command that `npx npm@10 install x` runs: the package's name without scope and version, then its arguments.
pub(super) fn started(operands: &[Word]) -> Vec<Word> {
    let Some((first, rest)) = operands.split_first() else { return Vec::new() };
    let name = first.text.rsplit('/').next().unwrap_or_default();
    let name = name.split('@').next().unwrap_or_default();
    std::iter::once(Word { text: name.to_owned(), ..first.clone() }).chain(rest.iter().cloned()).collect()
}

/// Options that say more than their row can: `--location=global`, unknown ones that look like configuration.
pub(super) fn finish_options(invocation: &mut Invocation) {
    let mut known: Vec<Location> = Vec::new();
    for flag in &mut invocation.flags {
        if flag.name == "--location" && flag.value.as_deref() == Some("global") {
            invocation.global = true;
        }
        if let Some(effect) = scoped(&flag.name) {
            flag.effect = effect;
            if flag.value.is_some() {
                known.push(flag.location.clone());
            }
        }
    }
    let is_known = |o: &Opaque| o.reason.starts_with("unknown option") && known.contains(&o.location);
    invocation.opaque.retain(|o| !is_known(o));
}

/// `--@scope:registry=URL`, `--//host/:_authToken=…`.
fn scoped(name: &str) -> Option<FlagEffect> {
    let key = name.trim_start_matches('-');
    if key.starts_with('@') && key.ends_with(":registry") {
        return Some(ExtraIndex);
    }
    (key.starts_with("//") && key.contains(":_")).then_some(Configures)
}

/// `npm_config_registry` is `--registry`; npm does not care about the case of the prefix or the key.
pub(super) fn variables(invocation: &mut Invocation, context: &Context<'_>, prefix: &str) {
    for variable in context.variables() {
        let Some(key) = key_of(&variable, prefix) else { continue };
        let name = format!("--{key}");
        if let Some(effect) = scoped(&name) {
            let value = Some(variable.value.to_owned());
            invocation.flags.push(Flag { name, value, effect, location: variable.location.clone() });
        } else if find(&[OPTIONS], &name).is_some_and(|(_, o)| o.act != Act::Help) {
            set(invocation, &name, &variable);
        }
    }
}

/// npm sets variables of its own for scripts, among them ones that say nothing new; an empty value is no value.
fn key_of(variable: &Variable<'_>, prefix: &str) -> Option<String> {
    let head = variable.name.get(..prefix.len()).filter(|h| h.eq_ignore_ascii_case(prefix))?;
    let key = variable.name.get(head.len()..)?.to_ascii_lowercase();
    if variable.value.is_empty() || key.is_empty() {
        return None;
    }
    if key.starts_with('@') || key.starts_with("//") {
        return Some(key);
    }
    // A leading underscore stays, the others are dashes.
    let (lead, rest) = if key.starts_with('_') { key.split_at(1) } else { ("", key.as_str()) };
    Some(format!("{lead}{}", rest.replace('_', "-")))
}

fn set(invocation: &mut Invocation, name: &str, variable: &Variable<'_>) {
    // `npm_config_global=` for a boolean that is written as a value.
    if let Some((canonical, opt)) = find(&[OPTIONS], name).filter(|(_, o)| o.arity != super::engine::Arity::Flag) {
        let at = [variable.location.clone(), variable.location.clone()];
        let directory = invocation.directory.clone();
        for value in variable.value.split("\n\n") {
            record(invocation, canonical, Some(value.to_owned()), Some(opt), &at);
        }
        // As a variable it is the prefix of global installs alone (npm's config, `loadLocalPrefix`), and npm sets it for
        // every script.
        if canonical == "--prefix" {
            invocation.directory = directory;
        }
    } else {
        flag_from(invocation, &[OPTIONS], name, variable, false);
    }
}

/// npx's own spellings, before npm's.
const NPX: &[Opt] = &[
    value("--package -p", Neutral).act(Act::Ask(RequestKind::With)),
    flag("--install", Neutral).off(Neutral),
    flag("--always-spawn, --ignore-existing, --shell-auto-fallback", Neutral),
    value("--npm, --node-arg -n", Runs),
];

/// `npx …`: npm exec, with npm's options only before the first operand.
pub(super) fn npx(context: &Context<'_>, program: &str, words: &[Word]) -> Understood {
    let mut invocation = context.invocation(Tool::Npx, program);
    "exec".clone_into(&mut invocation.verb);
    let found = scan(words, &[NPX, OPTIONS], Style::NOPT.stopping());
    variables(&mut invocation, context, "npm_config_");
    apply(&mut invocation, &found);
    finish_options(&mut invocation);
    if found.help {
        return invocation.into();
    }
    let operands = words.get(found.read..).unwrap_or_default();
    let starts = exec(&mut invocation, operands, &found);
    if found.opaque.iter().any(|o| !o.reason.is_empty()) && invocation.effect == Effect::Nothing {
        invocation.effect = Effect::Unknown;
    }
    local_only(&mut invocation, &found);
    Understood { invocation, starts, scripts: Vec::new() }
}

/// `npx --no-install x`, `npx --no x`: refuses to fetch, so what is not there already is not run. Where several words
/// are about it, all have to say so: which of them npm goes by depends on its spelling (`--no false` is a yes).
fn local_only(invocation: &mut Invocation, found: &Scan) {
    let mut said = found.given.iter().filter_map(|g| match g.name.as_str() {
        "--install" | "--yes" => Some(g.value.as_deref().is_some_and(is_off)),
        "--no" => Some(g.value.is_none()),
        _ => None,
    });
    let refuses = said.next().is_some_and(|first| first && said.all(|more| more));
    if refuses && invocation.effect == Effect::RunsRemote && invocation.opaque.is_empty() {
        invocation.effect = Effect::Nothing;
    }
}
