//! Lifecycle scripts, after an install that ran none: those of the packages of the plan, then the project's own. What may
//! run is decided here; npm's own notes say what would ([`add_noted`]), or an npm of its own finds out ([`add`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::record::{Record, Text};
use super::registries::headers;
use super::replay::{self, List, Manner, Script};
use super::settings::Settings;
use super::{Tree, npm_of, planned};
use crate::ecosystem::npm::lock::{LockedPackage, LockedSource};
use crate::enforce::gateway::Gateway;
use crate::enforce::tool::{Prepared, scratch};
use crate::enforce::{EnforceError, Job, Step, exec};
use crate::model::{Ecosystem, Package, PackageName, Plan, Source};

/// What npm runs of a project after `npm install` and `npm ci`, in its order.
pub(in crate::enforce::tool) const OWN: [&str; 7] =
    ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];
/// Of them, what it runs for the members of a workspace.
const MEMBERS: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];
/// Settings that decide how scripts run and that a confined npm cannot read in its files.
const HOW: [&str; 7] =
    ["script-shell", "foreground-scripts", "node-options", "nodedir", "python", "build-from-source", "cache"];

/// What npm runs of a dependency.
const DEPENDENCIES: [&str; 3] = ["preinstall", "install", "postinstall"];

/// The packages of a plan whose scripts may run.
struct Cleared<'p>(Vec<&'p Package>);

impl<'p> Cleared<'p> {
    fn of(plan: &'p Plan) -> Self {
        Self(plan.packages.iter().filter(|p| !p.executes.is_empty() && p.source.is_registry()).collect())
    }

    fn has(&self, package: &LockedPackage) -> bool {
        let name = PackageName::new(Ecosystem::Npm, &package.name);
        self.0.iter().any(|p| p.id.name == name && Some(&*p.id.version) == package.version.as_deref())
    }
}

/// A package as it is installed: `esbuild 0.25.0`.
fn named(package: &LockedPackage) -> String {
    let installed = package.alias.as_deref().unwrap_or(&package.name);
    format!("{installed} {}", package.version.as_deref().unwrap_or_default())
}

/// The same as npm is asked for it: `esbuild@0.25.0`.
fn asked(package: &LockedPackage) -> String {
    let installed = package.alias.as_deref().unwrap_or(&package.name);
    format!("{installed}@{}", package.version.as_deref().unwrap_or_default())
}

fn not_judged(named: &str) -> String {
    format!("{named} has an install script that was not judged: it was not run")
}

/// What is said of a package whose script failed and that npm would have taken away again.
pub(super) fn failed_where_it_may(named: &str) -> String {
    format!("the install script of {named} failed, which is optional: npm would have left it out")
}

/// Whether scripts may run at all; where code of packages writes then.
fn begins(job: &Job<'_>, settings: &Settings, next: &mut Prepared) -> bool {
    if !next.wrong.is_empty() || settings.is_on(job, "ignore-scripts") {
        return false;
    }
    next.write.clone_from(&settings.write);
    next.write.extend(headers(job));
    true
}

/// Adds the steps that run scripts, and a line for each that is not run.
pub(super) fn add(job: &Job<'_>, settings: &Settings, tree: &Tree, next: &mut Prepared) {
    if !begins(job, settings, next) {
        return;
    }
    let cleared = Cleared::of(&job.judgement.plan);
    let (mut needed, mut optional) = (Vec::new(), Vec::new());
    // `npm rebuild` is about what was there before.
    let all = job.invocation.verb == "rebuild";
    let concerned = if all { tree.packages().iter().collect() } else { tree.new_packages() };
    for package in concerned.into_iter().filter(|p| !p.bundled) {
        match (cleared.has(package), package.has_install_script) {
            (true, _) if package.optional => optional.push(asked(package)),
            (true, _) => needed.push(asked(package)),
            (false, true) => next.said.push(not_judged(&named(package))),
            (false, false) => {}
        }
    }
    if tree.global {
        needed.extend(cleared.0.iter().map(|p| format!("{}@{}", p.id.name.written(), p.id.version)));
    }
    let members = members(tree, &job.judgement.plan).into_iter().filter(|directory| {
        let scripts = scripts_of(directory);
        MEMBERS.iter().any(|event| has(&scripts, event))
    });
    needed.extend(members.map(|directory| directory.display().to_string()));
    for list in [&mut needed, &mut optional] {
        list.sort();
        list.dedup();
    }
    if !needed.is_empty() {
        next.steps.push(rebuild(job, settings, &tree.root, &needed));
    }
    for one in optional {
        let mut step = rebuild(job, settings, &tree.root, std::slice::from_ref(&one));
        step.tolerated = Some(failed_where_it_may(&one));
        next.steps.push(step);
    }
    if runs_own(job) {
        let own = scripts_of(&tree.root);
        next.steps.extend(OWN.iter().filter(|event| has(&own, event)).map(|event| {
            let mut words = vec!["run", event];
            // `npm run` has hooks of its own, which an install has not.
            if has(&own, &format!("pre{event}")) || has(&own, &format!("post{event}")) {
                words.push("--ignore-scripts");
            }
            npm(job, settings, &tree.root, words.into_iter().map(OsString::from).collect())
        }));
    }
}

/// Whether npm runs the project's own scripts after this command.
fn runs_own(job: &Job<'_>) -> bool {
    let invocation = job.invocation;
    !invocation.global && invocation.requests.is_empty() && matches!(invocation.verb.as_str(), "install" | "ci")
}

/// The directories of workspace members, as npm's hidden lockfile links them.
fn members(tree: &Tree, plan: &Plan) -> Vec<PathBuf> {
    let is_member = |name: &str| {
        let mut named = plan.packages.iter().filter(|p| p.id.name.written() == name);
        named.any(|p| matches!(p.source, Source::Workspace { .. }))
    };
    let linked = tree.packages().iter().filter_map(|package| match &package.source {
        LockedSource::Directory { path, .. } => Some((package.key.strip_prefix("node_modules/")?, path)),
        _ => None,
    });
    linked.filter(|(name, _)| is_member(name)).map(|(_, path)| tree.root.join(path)).collect()
}

/// What npm noted, and what it was started with.
pub(super) struct Noted<'n> {
    /// In its order.
    pub records: &'n [Record],
    /// npm itself, as it was before it was confined.
    pub install: &'n Step,
    pub gateway: Option<&'n Gateway>,
}

/// Whose a noted script is.
enum Whose<'t> {
    Dependency(&'t LockedPackage),
    Member,
    Own,
}

/// Adds the step that runs what was noted and may run, and a line for each script that may not.
pub(super) fn add_noted(
    job: &Job<'_>,
    settings: &Settings,
    tree: &Tree,
    noted: &Noted<'_>,
    next: &mut Prepared,
) -> Result<(), EnforceError> {
    if noted.records.is_empty() || !begins(job, settings, next) {
        return Ok(());
    }
    let places = Places::of(job, tree);
    let cleared = Cleared::of(&job.judgement.plan);
    let variables = Variables::of(job, settings, noted);
    let mut said = BTreeSet::new();
    let (mut group, mut before) = (0, None);
    let mut scripts = Vec::new();
    for record in noted.records {
        let (event, whose) = (record.event(), places.whose(record));
        let kind = (event, whose.as_ref().map(std::mem::discriminant));
        if before.replace(kind).is_some_and(|before| before != kind) {
            group += 1;
        }
        let (whose, manner) = match whose {
            Some(Whose::Dependency(package)) if !may_run(tree, &cleared, &job.judgement.plan, package) => {
                said.insert(not_judged(&named(package)));
                continue;
            }
            Some(Whose::Dependency(package)) if package.optional => (named(package), Manner::Optional),
            Some(Whose::Dependency(package)) => (named(package), Manner::Needed),
            Some(Whose::Member) => (own_name(record), Manner::Needed),
            Some(Whose::Own) => (own_name(record), Manner::Own),
            None => {
                let place = record.directory().display();
                said.insert(format!("the `{event}` script in {place} was not judged: it was not run"));
                continue;
            }
        };
        scripts.push(Script {
            group,
            event: event.to_owned(),
            whose,
            directory: Text(record.directory().into()),
            words: record.words().to_vec(),
            variables: variables.of_script(record),
            manner,
        });
    }
    next.said.extend(said);
    if scripts.is_empty() {
        return Ok(());
    }
    let silent = settings.value(job, "loglevel").as_deref() == Some("silent") || settings.is_on(job, "silent");
    let shell = settings.value(job, "script-shell").filter(|shell| !matches!(&**shell, "" | "null"));
    let list = List {
        shell: Text(shell.unwrap_or_else(|| "sh".to_owned()).into()),
        foreground: settings.is_on(job, "foreground-scripts"),
        heads: !silent,
        scripts,
    };
    let directory = scratch()?;
    let path = directory.path().join("scripts");
    write(&path, &list).map_err(EnforceError::io(&path))?;
    let mut step = Step::of(job);
    step.program = job.own.to_owned();
    step.arguments = vec![replay::VERB.into(), path.into()];
    step.directory = Some(tree.root.clone());
    step.runs_packages = true;
    next.steps.push(step);
    next.keep.push(directory);
    Ok(())
}

fn write(path: &Path, list: &List) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create_new(path)?);
    serde_json::to_writer(&mut file, list)?;
    file.flush()
}

/// Whether a package's scripts were judged with the bytes that came in. What a package brings in its own archive is
/// judged with it.
fn may_run(tree: &Tree, cleared: &Cleared<'_>, plan: &Plan, package: &LockedPackage) -> bool {
    if !package.bundled {
        return cleared.has(package) && planned(plan, package);
    }
    let around = package.key.rsplit_once("/node_modules/").map(|(around, _)| around);
    let around = around.and_then(|key| tree.packages().iter().find(|p| p.key == key));
    around.is_some_and(|around| may_run(tree, cleared, plan, around))
}

/// A project as its own variables name it.
fn own_name(record: &Record) -> String {
    let of = |name: &str| record.variable(name).map(OsStr::to_string_lossy).filter(|value| !value.is_empty());
    match (of("npm_package_name"), of("npm_package_version")) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        (Some(name), None) => name.into_owned(),
        (None, _) => record.directory().display().to_string(),
    }
}

/// The directories that are known, by their own names.
struct Places<'t> {
    dependencies: FxHashMap<PathBuf, &'t LockedPackage>,
    members: Vec<PathBuf>,
    own: Option<PathBuf>,
}

impl<'t> Places<'t> {
    fn of(job: &Job<'_>, tree: &'t Tree) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = real(&tree.root);
        // It may be a link to elsewhere.
        let modules = real(&root.join("node_modules"));
        let dependencies = tree.packages().iter().filter(|p| !matches!(p.source, LockedSource::Directory { .. }));
        let place = |package: &LockedPackage| match package.key.strip_prefix("node_modules/") {
            Some(rest) => modules.join(rest),
            None => root.join(&package.key),
        };
        Self {
            dependencies: dependencies.map(|package| (place(package), package)).collect(),
            members: members(tree, &job.judgement.plan).iter().map(|path| real(path)).collect(),
            own: runs_own(job).then_some(root),
        }
    }

    /// `None`: of nothing that npm runs scripts of.
    fn whose(&self, record: &Record) -> Option<Whose<'t>> {
        let (event, directory) = (record.event(), record.directory());
        if let Some(package) = self.dependencies.get(directory) {
            return DEPENDENCIES.contains(&event).then_some(Whose::Dependency(package));
        }
        if self.own.as_deref() == Some(directory) && OWN.contains(&event) {
            return Some(Whose::Own);
        }
        let is_member = self.members.iter().any(|member| member == directory);
        (is_member && MEMBERS.contains(&event)).then_some(Whose::Member)
    }
}

/// What npm adds to the variables that it was started with.
struct Variables<'n> {
    /// As npm had them.
    given: BTreeMap<OsString, OsString>,
    changed: &'n BTreeMap<String, Option<OsString>>,
    /// Those that the gate changed, as npm would have put them without it.
    back: Vec<(Text, Text)>,
    gateway: Option<&'n Gateway>,
}

impl<'n> Variables<'n> {
    fn of(job: &Job<'_>, settings: &Settings, noted: &Noted<'n>) -> Self {
        let changed = &noted.install.changes;
        let back = changed.keys().filter_map(|name| Some((name, settings.exported(job, name)?)));
        Self {
            given: exec::variables(noted.install, job),
            back: back.map(|(name, value)| (Text(name.into()), Text(value.into()))).collect(),
            changed,
            gateway: noted.gateway,
        }
    }

    /// Those of a script beside what its process inherits: the user's, as the sandbox leaves them.
    fn of_script(&self, record: &Record) -> Vec<(Text, Text)> {
        let mut out = self.back.clone();
        for (name, value) in record.variables() {
            let text = name.to_string_lossy();
            let of_gate = text.starts_with("TIDEWAITER_") || matches!(&*text, "TMPDIR" | "TMP" | "TEMP");
            let changed = name.to_str().is_some_and(|name| self.changed.contains_key(name));
            if of_gate || changed || self.given.get(name).is_some_and(|given| given == value) {
                continue;
            }
            let bytes = value.as_encoded_bytes();
            let named = |words: &str| bytes.windows(words.len()).any(|w| w == words.as_bytes());
            if !self.gateway.is_some_and(|gateway| named(gateway.token()) || named(gateway.authority())) {
                out.push((Text(name.to_owned()), Text(value.to_owned())));
            }
        }
        out
    }
}

/// `scripts` of a manifest.
pub(in crate::enforce::tool) fn scripts_of(directory: &Path) -> serde_json::Value {
    let manifest = std::fs::read(directory.join("package.json")).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
    manifest.get("scripts").cloned().unwrap_or_default()
}

/// Whether there is a script for an event.
pub(in crate::enforce::tool) fn has(scripts: &serde_json::Value, event: &str) -> bool {
    scripts.get(event).and_then(serde_json::Value::as_str).is_some_and(|s| !s.is_empty())
}

/// `npm rebuild NAME…`: the scripts of these packages as an install runs them.
pub(super) fn rebuild(job: &Job<'_>, settings: &Settings, root: &Path, names: &[String]) -> Step {
    let mut words: Vec<OsString> = vec!["rebuild".into()];
    if settings.global {
        words.push("--global".into());
        words.extend(settings.value(job, "prefix").map(|prefix| format!("--prefix={prefix}").into()));
    }
    words.extend(names.iter().map(OsString::from));
    let mut step = npm(job, settings, root, words);
    // Its last line says "rebuilt dependencies", which nobody asked for.
    step.quiet = !settings.is_on(job, "foreground-scripts");
    step
}

fn npm(job: &Job<'_>, settings: &Settings, root: &Path, arguments: Vec<OsString>) -> Step {
    let mut step = Step::of(job);
    step.program = npm_of(job.program);
    step.arguments = arguments;
    step.directory = (!settings.global).then(|| root.to_owned());
    step.runs_packages = true;
    settings.forward(job, &HOW, &mut step);
    step.set("npm_config_ignore_scripts", "false");
    step.set("npm_config_audit", "false");
    step.set("npm_config_update_notifier", "false");
    step
}
