//! Lifecycle scripts, after an install that ran none: those of the packages of the plan, then the project's own.

use std::ffi::OsString;
use std::path::Path;

use super::registries::headers;
use super::settings::Settings;
use super::{Tree, hidden_lockfile, npm_of};
use crate::ecosystem::npm::lock::LockedPackage;
use crate::enforce::tool::Prepared;
use crate::enforce::{Job, Step};
use crate::model::{Ecosystem, Package, PackageName, Source};

/// What npm runs of a project after `npm install` and `npm ci`, in its order.
pub(in crate::enforce::tool) const OWN: [&str; 7] =
    ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];
/// Of them, what it runs for the members of a workspace.
const MEMBERS: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];
/// Settings that decide how scripts run and that a confined npm cannot read in its files.
const HOW: [&str; 7] =
    ["script-shell", "foreground-scripts", "node-options", "nodedir", "python", "build-from-source", "cache"];

/// Adds the steps that run scripts, and a line for each that is not run.
pub(super) fn add(job: &Job<'_>, settings: &Settings, tree: &Tree, next: &mut Prepared) {
    if !next.wrong.is_empty() || settings.is_on(job, "ignore-scripts") {
        return;
    }
    next.write.clone_from(&settings.write);
    next.write.extend(headers(job));
    let cleared: Vec<&Package> =
        job.judgement.plan.packages.iter().filter(|p| !p.executes.is_empty() && p.source.is_registry()).collect();
    let found = tree.new_packages();
    let is_cleared = |package: &LockedPackage| {
        let name = PackageName::new(Ecosystem::Npm, &package.name);
        cleared.iter().any(|p| p.id.name == name && Some(&*p.id.version) == package.version.as_deref())
    };
    let (mut needed, mut optional) = (Vec::new(), Vec::new());
    for package in found.iter().filter(|p| !p.bundled) {
        let installed = package.alias.as_deref().unwrap_or(&package.name);
        let version = package.version.as_deref().unwrap_or_default();
        let named = format!("{installed}@{version}");
        match (is_cleared(package), package.has_install_script) {
            (true, _) if package.optional => optional.push(named),
            (true, _) => needed.push(named),
            (false, true) => {
                next.said
                    .push(format!("{installed} {version} has an install script that was not judged: it was not run"));
            }
            (false, false) => {}
        }
    }
    if tree.global {
        needed.extend(cleared.iter().map(|p| format!("{}@{}", p.id.name.written(), p.id.version)));
    }
    needed.extend(members(&tree.root, &job.judgement.plan.packages));
    for list in [&mut needed, &mut optional] {
        list.sort();
        list.dedup();
    }
    if !needed.is_empty() {
        next.steps.push(rebuild(job, settings, &tree.root, &needed));
    }
    for one in optional {
        let said = format!("the install script of {one} failed, which is optional: npm would have left it out");
        let mut step = rebuild(job, settings, &tree.root, std::slice::from_ref(&one));
        step.tolerated = Some(said);
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

/// The directories of workspace members that have scripts, as npm's hidden lockfile links them.
fn members(root: &Path, packages: &[Package]) -> Vec<String> {
    let hidden = std::fs::read(hidden_lockfile(root)).unwrap_or_default();
    let hidden: serde_json::Value = serde_json::from_slice(&hidden).unwrap_or_default();
    let entries = hidden.get("packages").and_then(serde_json::Value::as_object);
    let is_member = |name: &str| {
        packages.iter().any(|p| p.id.name.written() == name && matches!(p.source, Source::Workspace { .. }))
    };
    let mut out = Vec::new();
    for (key, entry) in entries.into_iter().flatten() {
        let name = key.strip_prefix("node_modules/").unwrap_or(key);
        let linked = entry.get("link").and_then(serde_json::Value::as_bool) == Some(true);
        let directory = entry.get("resolved").and_then(serde_json::Value::as_str).map(|path| root.join(path));
        if let Some(directory) = directory.filter(|_| linked && is_member(name)) {
            let scripts = scripts_of(&directory);
            if MEMBERS.iter().any(|event| has(&scripts, event)) {
                out.push(directory.display().to_string());
            }
        }
    }
    out
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
