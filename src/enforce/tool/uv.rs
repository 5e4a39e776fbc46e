//! uv through the gateway: each index that it would ask becomes the gateway's page of that index, by the same name, so
//! that `[tool.uv.sources]` and priorities hold; `uv.lock` names the gateway while uv runs, and the upstream again after.
//!
//! uv keeps what it fetched by the index's URL without credentials. So the gateway keeps to one port where it can, and
//! its secret is the password: a second run finds its cache warm. An index that has no name in a configuration file
//! cannot be taken away; the gateway's come first, and it is never asked for what they have.

mod receipt;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use self::receipt::Receipt;
use super::words::{Words, index};
use super::{Adapter, Prepared, Then, pip};
use crate::ecosystem::python::{pyproject, script};
use crate::enforce::gateway::{self, Gateway, View, replace};
use crate::enforce::{EnforceError, Job, Step, Upstream};
use crate::invocation::engine::is_off;
use crate::invocation::{Effect, FileRole, Flag};
use crate::registry::index::{FindLinks, IndexSpec, Indexes};
use crate::toolchain;

/// The adapter of uv and uvx.
#[derive(Debug, Clone, Copy)]
pub struct Uv;

/// Options that say where packages come from or how they are asked for.
const PLACES: [&str; 9] = [
    "--index-url",
    "--extra-index-url",
    "--index",
    "--default-index",
    "--find-links",
    "--no-index",
    "--allow-insecure-host",
    "--keyring-provider",
    "--cert",
];

/// Variables that do.
const VARIABLES: [&str; 9] = [
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_OFFLINE",
];

/// Whether the command ends with a program of the user's choice, which is not the installer's.
fn runs_program(job: &Job<'_>) -> bool {
    job.invocation.effect == Effect::RunsRemote || matches!(job.invocation.verb.as_str(), "run" | "tool run")
}

impl Adapter for Uv {
    fn view(&self, job: &Job<'_>) -> View {
        let verb = job.invocation.verb.as_str();
        let universal = job.invocation.flag("--universal").is_some();
        let alone = (verb.starts_with("pip ") && !universal) || verb.starts_with("tool ") || verb.is_empty();
        let frozen = job.invocation.flag("--frozen").is_some();
        if alone || frozen { View::Plan } else { View::Lock }
    }

    fn keeps_port(&self) -> bool {
        true
    }

    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let Upstream::Python { indexes, .. } = job.upstream else {
            return Err(EnforceError::unsupported("uv without Python indexes"));
        };
        let mut out = Prepared::default();
        let mut step = Step::of(job);
        let mut words = Words::new(job.arguments);
        let written =
            |flag: &Flag| job.invocation.verb == "add" && matches!(flag.name.as_str(), "--index" | "--default-index");
        words.remove_options(job.invocation, |f| PLACES.contains(&f.name.as_str()) && !written(f), &['i', 'f']);
        // `uv add --index NAME=URL` writes the index into the manifest, so it stays, and is mended there.
        for flag in job.invocation.flags.iter().filter(|f| written(f)) {
            let (Some(at), Some(value)) = (index(&flag.location), &flag.value) else { continue };
            let new = rewritten(value, gateway);
            if !words.replace_value(at, value, &new) && !words.replace_value(at + 1, value, &new) {
                return Err(EnforceError::unsupported(format!("`{}` is written in an unusual way", flag.name)));
            }
        }
        let mut copies = pip::Copies::new(job)?;
        for file in &job.invocation.files {
            let requirements = matches!(
                file.role,
                FileRole::Requirements | FileRole::Constraints | FileRole::Overrides | FileRole::BuildConstraints
            );
            // A manifest named as one is read where it lies: it names its neighbours.
            let plain =
                !matches!(Path::new(&file.path).extension().and_then(|e| e.to_str()), Some("toml" | "py" | "cfg"));
            let (true, Some(at)) = (requirements && plain, index(&file.location)) else { continue };
            let place = absolute(job, &file.path);
            let source = if file.path.contains("://") { file.path.clone() } else { place.display().to_string() };
            let copy = copies.of(&source, gateway)?;
            if !words.replace_value(at, &file.path, &copy.to_string_lossy()) {
                return Err(EnforceError::unsupported(format!("the file {} is named in an unusual way", file.path)));
            }
        }
        for name in VARIABLES.iter().filter(|n| **n != "UV_OFFLINE") {
            step.remove(name);
        }
        for name in job.environment.variables.keys() {
            // Credentials by an index's name would take the place of the gateway's.
            if name.starts_with("UV_INDEX_") && (name.ends_with("_USERNAME") || name.ends_with("_PASSWORD")) {
                step.remove(name);
            }
        }
        point(&mut step, indexes, gateway);
        (out.uncovered, out.open_network) = super::uncovered(job, "uv");
        if job.invocation.flag("--find-links").is_none() {
            for place in &indexes.find_links {
                match place {
                    FindLinks::Path(path) => out.uncovered.push(format!("uv reads {} itself", path.display())),
                    FindLinks::Page(url) => {
                        return Err(EnforceError::unsupported(format!(
                            "a configuration file names {} for find-links, and uv cannot be told otherwise",
                            crate::model::redact_url(url.as_str())
                        )));
                    }
                }
            }
        }
        // What the program is, is known only to uv where it is read from elsewhere: a person has seen that.
        let apart = job.invocation.starts_at.filter(|_| !out.open_network && job.invocation.opaque.is_empty());
        let last = match apart {
            _ if !runs_program(job) => None,
            Some(at) => {
                if cacheless(job) {
                    let cache = super::scratch()?;
                    step.remove("UV_NO_CACHE");
                    step.set("UV_CACHE_DIR", cache.path());
                    out.write.push(cache.path().to_owned());
                    out.keep.push(cache);
                }
                let without = ["--no-cache", "--refresh", "--refresh-package"];
                words.remove_options(job.invocation, |f| without.contains(&f.name.as_str()), &['n']);
                let mut last = step.clone();
                last.arguments = offline(&words, at);
                out.steps = installing(job, &step, &words, at);
                Some(last)
            }
            None => {
                out.open_network = true;
                out.whole_user = true;
                None
            }
        };
        if runs_program(job) {
            out.uncovered.push("the program that uv runs in the end is neither confined nor limited".to_owned());
        }
        if !out.open_network {
            out.steps.iter_mut().for_each(|first| super::refuse_all_else(first, gateway));
            if last.is_none() {
                super::refuse_all_else(&mut step, gateway);
            }
        }
        out.write.push(directory(job));
        out.write.extend(super::python_places(job));
        let programs = super::program_places(job, &["UV_TOOL_BIN_DIR", "XDG_BIN_HOME"]);
        out.then = super::gate_stays(job, &programs);
        super::says_of_programs(job, &programs, &mut out);
        out.write.extend(programs);
        out.write.extend(super::user_cache(job.environment, "uv"));
        out.write.extend(job.environment.variable("UV_CACHE_DIR").map(PathBuf::from));
        for option in ["--target", "--prefix", "--cache-dir", "--out-dir"] {
            out.write.extend(job.invocation.values(option).map(|v| absolute(job, v)));
        }
        out.write
            .extend(job.invocation.values("--output-file").filter_map(|v| super::file_place(job, absolute(job, v))));
        for option in ["--output-file", "--script"] {
            out.mend.extend(job.invocation.values(option).map(|v| absolute(job, v)));
        }
        out.write.extend(built(job));
        locks(job, gateway, indexes, &mut out)?;
        receipts(job, gateway, &mut out)?;
        out.keep.push(copies.directory);
        match last {
            Some(last) => {
                let whole_user =
                    Prepared { steps: vec![last], open_network: true, whole_user: true, ..Prepared::default() };
                out.then = Some(Then::new(move |_, _| Ok(whole_user)));
            }
            None => {
                step.arguments = words.finish();
                step.runs_packages = !out.whole_user && pip::builds(job);
                out.steps.push(step);
            }
        }
        Ok(out)
    }
}

/// Whether uv keeps nothing that it fetched.
fn cacheless(job: &Job<'_>) -> bool {
    let on = |value: &str| !value.is_empty() && !is_off(value);
    job.invocation.flag("--no-cache").is_some() || job.environment.variable("UV_NO_CACHE").is_some_and(on)
}

/// The words of the command with nothing left to fetch: uv reads what the steps before put into its cache. `--offline` is
/// a word and no variable, for the program has none of it.
fn offline(words: &Words, at: usize) -> Vec<OsString> {
    let at = if words.shown(at.saturating_sub(1)).as_deref() == Some("--") { at - 1 } else { at };
    let mut out = words.before(at);
    out.push("--offline".into());
    out.extend(words.from(at));
    out
}

/// The steps that install everything for a command of `uv run` or `uvx`, as uv would for the command itself. Measured
/// with uv 0.13: what `uv sync --script`, and `python` in the place of the program, leave in its cache is all that the
/// command then asks for.
fn installing(job: &Job<'_>, like: &Step, words: &Words, at: usize) -> Vec<Step> {
    let step =
        |arguments: Vec<OsString>| Step { arguments, runs_packages: pip::builds(job), quiet: true, ..like.clone() };
    let nothing = ["python", "-c", ""].map(OsString::from);
    let mut words = words.clone();
    words.remove_options(
        job.invocation,
        |f| matches!(f.name.as_str(), "--module" | "--script" | "--gui-script"),
        &['m', 's'],
    );
    let script = job.invocation.files.iter().find(|f| f.role == FileRole::Script && index(&f.location) == Some(at));
    if let Some(path) = script.map(|f| absolute(job, &f.path))
        && job.files.read_text(&path).is_ok_and(|text| script::metadata(&text).is_some())
    {
        // Options that only `uv run` has, and those that say what is put beside the script's own environment.
        const RUN: [&str; 9] = [
            "--with",
            "--with-editable",
            "--with-requirements",
            "--env-file",
            "--no-env-file",
            "--no-project",
            "--no-sync",
            "--isolated",
            "--max-recursion-depth",
        ];
        let (mut own, mut beside) = (words.clone(), words.clone());
        own.remove_options(job.invocation, |f| RUN.contains(&f.name.as_str()), &['w']);
        if let Some(verb) = verb(job, &words, at) {
            own.set(verb, Some("sync".into()));
        }
        let mut own: Vec<OsString> = own.before(at).into_iter().filter(|w| w != "--").collect();
        own.extend(["--quiet".into(), "--script".into(), path.into()]);
        let mut out = vec![step(own)];
        let has = |name: &str| job.invocation.flag(name).is_some();
        if has("--with") || has("--with-editable") || has("--with-requirements") {
            beside.remove_options(job.invocation, |f| f.name == "--isolated", &[]);
            let before = beside.before(at).into_iter().filter(|w| w != "--");
            out.push(step(before.chain(["--isolated".into(), "--no-project".into()]).chain(nothing).collect()));
        }
        return out;
    }
    let mut all = words.before(at);
    let program = words.shown(at).unwrap_or_default();
    if job.invocation.verb == "tool run" && job.invocation.flag("--from").is_none() && !is_interpreter(&program) {
        if all.last().is_some_and(|w| w == "--") {
            all.pop();
        }
        all.extend(["--from".into(), program.into()]);
    }
    all.extend(nothing);
    vec![step(all)]
}

/// The place of the verb before another place: a word that is no option's value.
fn verb(job: &Job<'_>, words: &Words, before: usize) -> Option<usize> {
    let verb = job.invocation.verb.as_str();
    let is_value = |at: usize| {
        let of = |flag: &Flag| index(&flag.location) == at.checked_sub(1) && flag.value.as_deref() == Some(verb);
        job.invocation.flags.iter().any(of)
    };
    (1..before).find(|at| words.shown(*at).as_deref() == Some(verb) && !is_value(*at))
}

/// `python`, `python3.12` and `python@3.12` are interpreters to `uvx`, and no packages.
fn is_interpreter(program: &str) -> bool {
    program.strip_prefix("python").is_some_and(|v| v.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '@')))
}

/// The gateway's page of an index, as the user wrote the index: with or without a slash at its end.
pub(super) fn page(spec: &IndexSpec) -> String {
    let url = spec.url.as_str();
    if spec.slash { url.to_owned() } else { url.trim_end_matches('/').to_owned() }
}

/// `NAME=URL`, or a URL, with the gateway's in its place.
fn rewritten(value: &str, gateway: &Gateway) -> String {
    match value.split_once("=http") {
        Some((name, rest)) => format!("{name}={}", gateway.carry("pypi/index", &format!("http{rest}"))),
        None => gateway.carry("pypi/index", value),
    }
}

/// Variables that name the gateway's indexes, in the order of the user's.
fn point(step: &mut Step, indexes: &Indexes, gateway: &Gateway) {
    let named = |spec: &IndexSpec| {
        let url = gateway.carry_with_password("pypi/index", &page(spec));
        spec.name.as_ref().map_or_else(|| url.clone(), |name| format!("{name}={url}"))
    };
    match indexes.indexes.split_last() {
        Some((default, others)) => {
            step.set("UV_DEFAULT_INDEX", named(default));
            if !others.is_empty() {
                step.set("UV_INDEX", others.iter().map(named).collect::<Vec<_>>().join(" "));
            }
        }
        None => step.set("UV_DEFAULT_INDEX", gateway.url_with_password("pypi/simple")),
    }
}

/// A path of the command line: uv reads it from where `--directory` says, and not from the project of `--project`.
fn absolute(job: &Job<'_>, path: &str) -> PathBuf {
    let directory = job.invocation.flag("--directory").and_then(|f| f.value.as_deref()).unwrap_or_default();
    job.environment.absolute(&Path::new(directory).join(path))
}

/// The directory of the project that the command works on.
fn directory(job: &Job<'_>) -> PathBuf {
    match &job.invocation.directory {
        Some(directory) => job.environment.absolute(Path::new(directory)),
        None => job.environment.cwd.clone(),
    }
}

/// Where `uv build` puts what it built: beside the project, or at the root of its workspace.
fn built(job: &Job<'_>) -> Vec<PathBuf> {
    if job.invocation.verb != "build" {
        return Vec::new();
    }
    let own = directory(job);
    let is_root = |directory: &&Path| {
        let path = directory.join("pyproject.toml");
        job.files.read_text(&path).is_ok_and(|text| pyproject::read(&path, &text).0.workspace.is_some())
    };
    let roots = own.ancestors().filter(is_root).map(Path::to_owned);
    std::iter::once(own.clone()).chain(roots).map(|directory| directory.join("dist")).collect()
}

/// Lockfiles that uv reads and writes: they name the gateway from now on, and are mended at the end.
fn locks(job: &Job<'_>, gateway: &Gateway, indexes: &Indexes, out: &mut Prepared) -> Result<(), EnforceError> {
    if job.invocation.verb.starts_with("pip ") {
        return Ok(());
    }
    let directory = directory(job);
    let projects = directory.ancestors().filter(|d| d.join("pyproject.toml").is_file());
    let mut paths: Vec<PathBuf> = projects.map(|d| d.join("uv.lock")).collect();
    let scripts = job.invocation.files.iter().filter(|f| f.role == FileRole::Script);
    paths.extend(scripts.map(|f| absolute(job, &format!("{}.lock", f.path))));
    for path in paths {
        if path.is_file() {
            let text = std::fs::read(&path).map_err(EnforceError::io(&path))?;
            // What a run that was killed has left.
            let clean = gateway::mended_of_any(&text).unwrap_or(text.clone());
            let mut carried =
                String::from_utf8_lossy(&gateway.carry_planned_without_secret("pypi/files", &clean)).into_owned();
            for spec in &indexes.indexes {
                let own = page(spec);
                let ours = gateway.carry_without_secret("pypi/index", &own);
                carried = carried.replace(&format!("registry = \"{own}\""), &format!("registry = \"{ours}\""));
            }
            if carried.as_bytes() != text {
                replace(&path, carried.as_bytes()).map_err(EnforceError::io(&path))?;
            }
        }
        out.mend.push(path);
    }
    if job.invocation.verb == "add" {
        out.mend.extend(directory.ancestors().map(|d| d.join("pyproject.toml")).filter(|p| p.is_file()));
    }
    Ok(())
}

/// Where uv notes what a tool was installed from. Its directory alone is written of the user's data: were what is
/// above it written, the gate's own beside it would be kept by a mount between it and uv's cache, and no link could be
/// made from the one to the other.
fn receipts(job: &Job<'_>, gateway: &Gateway, out: &mut Prepared) -> Result<(), EnforceError> {
    if !job.invocation.verb.starts_with("tool ") {
        return Ok(());
    }
    let Some(tools) = toolchain::tools::of_uv(job.environment) else { return Ok(()) };
    out.write.push(tools.clone());
    let known = toolchain::tools::receipts(job.invocation, job.environment, job.files);
    let mut paths: std::collections::BTreeSet<PathBuf> = known.into_iter().collect();
    for name in job.judgement.plan.packages.iter().filter(|p| p.direct).map(|p| p.id.name.canonical()) {
        paths.insert(tools.join(name).join("uv-receipt.toml"));
    }
    for path in paths {
        out.mend.push(path.clone());
        out.receipts.push(Receipt::open(path, gateway)?);
    }
    Ok(())
}
