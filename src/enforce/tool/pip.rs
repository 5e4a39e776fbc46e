//! pip through the gateway: its variables, options and requirements files say that there is one index, ours.
//!
//! What decides where pip gets packages from stands in four places, and each is closed: configuration files (switched off;
//! what else they say is handed on as variables), `PIP_*` variables, options, and options inside requirements files
//! (pip is given copies of those as they were judged, without such options). Whatever still asks another host is sent to
//! a proxy that refuses and says so.
//!
//! Frozen, where nothing may listen: the plan's exact list with its digests, and no dependencies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::words::{Words, index};
use super::{Adapter, Prepared, scratch};
use crate::ecosystem::python::requirements_txt::{self, IncludeKind};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step, Upstream};
use crate::invocation::engine::is_off;
use crate::invocation::{FileRole, Flag, RequestKind};
use crate::model::{ArtifactKind, Environment, Files, Source};
use crate::toolchain;

/// The adapter of pip.
#[derive(Debug, Clone, Copy)]
pub struct Pip;

/// Options, without their dashes, that say where packages come from or how they are asked for.
const PLACES: [&str; 13] = [
    "index-url",
    "pypi-url",
    "extra-index-url",
    "no-index",
    "find-links",
    "trusted-host",
    "proxy",
    "no-proxy-env",
    "cert",
    "client-cert",
    "keyring-provider",
    "isolated",
    "config-file",
];

/// Options whose values are requirements files.
const FILES: [&str; 3] = ["requirement", "constraint", "build-constraint"];

pub(super) fn is_place(flag: &Flag) -> bool {
    flag.name.strip_prefix("--").is_some_and(|name| PLACES.contains(&name))
}

/// The option that a variable stands for, as pip reads it: `PIP_INDEX_URL` is `index-url`.
fn option_of(variable: &str) -> Option<String> {
    Some(variable.strip_prefix("PIP_")?.to_ascii_lowercase().replace('_', "-"))
}

fn variable_of(option: &str) -> String {
    format!("PIP_{}", option.to_ascii_uppercase().replace('-', "_"))
}

impl Adapter for Pip {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let mut out = Prepared::default();
        let mut step = Step::of(job);
        let mut words = Words::new(job.arguments);
        words.remove_options(job.invocation, is_place, &['i', 'f']);
        settle(job, &mut step);
        step.set("PIP_INDEX_URL", gateway.url("pypi/simple/"));
        let mut copies = Copies::new(job)?;
        for file in &job.invocation.files {
            if let (FileRole::Requirements | FileRole::Constraints | FileRole::BuildConstraints, Some(at)) =
                (file.role, index(&file.location))
            {
                let copy = copies.of(&file.path, gateway)?;
                if !words.replace_value(at, &file.path, &copy.to_string_lossy()) {
                    return Err(EnforceError::unsupported(format!(
                        "the file {} is named in an unusual way",
                        file.path
                    )));
                }
            }
        }
        for option in FILES {
            let variable = variable_of(option);
            let given = match step.changes.get(&variable) {
                Some(change) => change.as_ref().and_then(|v| v.to_str()).map(str::to_owned),
                None => job.environment.variable(&variable).map(str::to_owned),
            };
            if let Some(given) = given.filter(|g| !g.trim().is_empty()) {
                let copied: Result<Vec<String>, EnforceError> = given
                    .split_ascii_whitespace()
                    .map(|path| Ok(copies.of(path, gateway)?.to_string_lossy().into_owned()))
                    .collect();
                step.set(&variable, copied?.join(" "));
            }
        }
        printed(job, &mut step, &mut words, &mut out)?;
        step.arguments = words.finish();
        out.keep.push(copies.directory);
        (out.uncovered, out.open_network) = super::uncovered(job, "pip");
        if !out.open_network {
            super::refuse_all_else(&mut step, gateway);
        }
        if builds(job) {
            // A wheel built from a URL of this run would never be found again.
            step.set("PIP_NO_CACHE_DIR", "1");
        }
        step.runs_packages = builds(job);
        out.write.extend(written(job));
        let programs: Vec<PathBuf> = user_base(job).map(|base| base.join("bin")).into_iter().collect();
        out.then = super::gate_stays(job, &programs);
        super::says_of_programs(job, &programs, &mut out);
        out.write.extend(programs);
        let report = job.invocation.values("--report").filter(|r| *r != "-");
        let lock = (job.invocation.verb == "lock")
            .then(|| job.invocation.flag("--output").and_then(|f| f.value.as_deref()).unwrap_or("pylock.toml"))
            .filter(|path| *path != "-");
        out.mend.extend(report.chain(lock).map(|p| job.environment.absolute(Path::new(p))));
        out.steps.push(step);
        Ok(out)
    }

    fn frozen(&self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        let list = frozen_list(job)?;
        let directory = tempfile::tempdir().map_err(EnforceError::io(std::env::temp_dir()))?;
        let path = directory.path().join("requirements.txt");
        std::fs::write(&path, list).map_err(EnforceError::io(&path))?;
        let mut step = Step::of(job);
        let mut words = Words::new(job.arguments);
        for request in job.invocation.requests.iter().filter(|r| r.kind == RequestKind::Requirement) {
            match index(&request.location) {
                Some(at) if words.shown(at).as_deref() == Some(&*request.text) => words.remove(at),
                Some(_) => {
                    return Err(EnforceError::unsupported(
                        "no local port can be opened here, and what this command starts pip for it does not take from a list; \
                         `pip install` does",
                    ));
                }
                None => return Err(EnforceError::unsupported("a requirement stands in a variable")),
            }
        }
        let named = ["--requirement", "--constraint", "--no-deps", "--require-hashes"];
        words.remove_options(job.invocation, |f| named.contains(&f.name.as_str()), &['r', 'c']);
        for option in FILES {
            step.remove(&variable_of(option));
        }
        step.set("PIP_NO_DEPS", "1");
        step.set("PIP_REQUIRE_HASHES", "1");
        step.set("PIP_REQUIREMENT", &path);
        step.arguments = words.finish();
        Ok(Prepared {
            steps: vec![step],
            write: written(job).into_iter().chain(user_base(job).map(|base| base.join("bin"))).collect(),
            keep: vec![directory],
            open_network: true,
            ..Prepared::default()
        })
    }
}

/// `--report -`, and `pip lock --output -`, which pip would print with the gateway's URLs, go to a file of ours first.
fn printed(job: &Job<'_>, step: &mut Step, words: &mut Words, out: &mut Prepared) -> Result<(), EnforceError> {
    let name = if job.invocation.verb == "lock" { "--output" } else { "--report" };
    let given = job.invocation.flags.iter().rfind(|f| f.name == name).filter(|f| f.value.as_deref() == Some("-"));
    let Some(flag) = given else { return Ok(()) };
    let directory = scratch()?;
    // pip wants a lockfile to have such a name.
    let path = directory.path().join(if name == "--output" { "pylock.toml" } else { "report.json" });
    let shown = path.to_string_lossy();
    match index(&flag.location) {
        Some(at) if words.replace_value(at, "-", &shown) || words.replace_value(at + 1, "-", &shown) => {}
        Some(_) => return Err(EnforceError::unsupported(format!("`{name} -` is written in an unusual way"))),
        None => step.set(&variable_of(&name[2..]), &path),
    }
    out.write.push(directory.path().to_owned());
    out.mend.push(path.clone());
    out.print.push(path);
    out.keep.push(directory);
    Ok(())
}

/// Takes configuration and variables about places away, and hands on what else the configuration says.
pub(super) fn settle(job: &Job<'_>, step: &mut Step) {
    let isolated = job.invocation.flag("--isolated").is_some()
        || job.environment.variable("PIP_ISOLATED").is_some_and(|v| !v.is_empty() && !is_off(v));
    for name in job.environment.variables.keys() {
        if option_of(name).is_some_and(|option| isolated || PLACES.contains(&option.as_str())) {
            step.remove(name);
        }
    }
    for (option, value) in configured(job) {
        let variable = variable_of(&option);
        // A variable wins over a file.
        if !step.changes.contains_key(&variable) && job.environment.variable(&variable).is_none_or(str::is_empty) {
            step.set(&variable, value);
        }
    }
    step.set("PIP_CONFIG_FILE", if job.environment.os == "windows" { "nul" } else { "/dev/null" });
    step.set("PIP_DISABLE_PIP_VERSION_CHECK", "1");
}

/// What configuration files say, besides where packages come from: the last file that sets an option has it.
fn configured(job: &Job<'_>) -> BTreeMap<String, String> {
    let Upstream::Python { configured, .. } = job.upstream else { return BTreeMap::new() };
    let mut out: BTreeMap<String, (&crate::model::Location, String)> = BTreeMap::new();
    for flag in configured {
        let Some(option) = flag.name.strip_prefix("--").filter(|o| !PLACES.contains(o)) else { continue };
        let value = flag.value.clone().unwrap_or_else(|| "true".to_owned());
        match out.get_mut(option) {
            // The words of one value.
            Some((location, known)) if **location == flag.location => {
                known.push(' ');
                known.push_str(&value);
            }
            _ => {
                out.insert(option.to_owned(), (&flag.location, value));
            }
        }
    }
    out.into_iter().map(|(option, (_, value))| (option, value)).collect()
}

/// Copies of requirements files as they were judged, in a directory of our own.
pub(super) struct Copies<'a> {
    environment: &'a Environment,
    files: &'a dyn Files,
    pub(super) directory: tempfile::TempDir,
    made: BTreeMap<PathBuf, PathBuf>,
}

/// At most so many files include each other.
const FILES_MAX: usize = 512;

impl<'a> Copies<'a> {
    pub(super) fn new(job: &Job<'a>) -> Result<Self, EnforceError> {
        let directory = scratch()?;
        Ok(Self { environment: job.environment, files: job.files, directory, made: BTreeMap::new() })
    }

    /// The copy of a file, and of all that it includes.
    pub(super) fn of(&mut self, path: &str, gateway: &Gateway) -> Result<PathBuf, EnforceError> {
        let url = url::Url::parse(path).ok().filter(|u| u.scheme() == "file").and_then(|u| u.to_file_path().ok());
        let source = url.unwrap_or_else(|| self.environment.absolute(Path::new(path)));
        if let Some(copy) = self.made.get(&source) {
            return Ok(copy.clone());
        }
        if self.made.len() >= FILES_MAX {
            return Err(EnforceError::unsupported(format!("more than {FILES_MAX} requirements files")));
        }
        // The file's own name, for pip's messages, in a directory of its own.
        let directory = self.directory.path().join(self.made.len().to_string());
        std::fs::create_dir(&directory).map_err(EnforceError::io(&directory))?;
        let name = source.file_name().unwrap_or_else(|| "requirements.txt".as_ref());
        let copy = directory.join(name);
        self.made.insert(source.clone(), copy.clone());
        let bytes = self.files.read(&source).map_err(|e| {
            EnforceError::unsupported(format!("{} cannot be read as it was judged: {e}", source.display()))
        })?;
        let closed = match IncludeKind::of(&source.to_string_lossy()) {
            // Its files are named by their URLs.
            IncludeKind::Pylock => gateway.carry_planned("pypi/files", &bytes),
            _ => {
                let text = requirements_txt::decode(&bytes).map_err(EnforceError::unsupported)?;
                self.closed(&text, &source, gateway)?.into_bytes()
            }
        };
        std::fs::write(&copy, closed).map_err(EnforceError::io(&copy))?;
        Ok(copy)
    }

    fn closed(&mut self, text: &str, source: &Path, gateway: &Gateway) -> Result<String, EnforceError> {
        let environment = self.environment;
        let mut failed = None;
        let beside = source.parent().unwrap_or(Path::new("/")).to_owned();
        let closed = requirements_txt::closed(text, environment, &mut |name, _constraint| {
            if IncludeKind::of(name) == IncludeKind::Remote {
                return None;
            }
            let path = if name.starts_with("file:") {
                name.to_owned()
            } else {
                beside.join(name).to_string_lossy().into_owned()
            };
            match self.of(&path, gateway) {
                Ok(copy) => Some(copy.to_string_lossy().into_owned()),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        failed.map_or(Ok(closed), Err)
    }
}

/// Whether something of the plan, or the project itself, is built, as far as is known: what the plan does not know is
/// built, and so is what is asked for by a place instead of a name.
pub(super) fn builds(job: &Job<'_>) -> bool {
    let plan = &job.judgement.plan;
    let built = |p: &crate::model::Package| {
        matches!(p.source, Source::Workspace { .. } | Source::Path { .. } | Source::Git { .. })
            || p.executes.contains(&crate::model::Execution::PythonBuild)
    };
    let place = |r: &crate::invocation::Request| r.kind == RequestKind::Editable || names_a_place(&r.text);
    !plan.complete() || plan.packages.iter().any(built) || job.invocation.requests.iter().any(place)
}

/// `.`, `./dist/x-1.tar.gz`, `x @ git+https://…`, and no wheel, which is unpacked and runs nothing.
fn names_a_place(text: &str) -> bool {
    let text = text.trim();
    let bare = text.split_once([';', '#', '?']).map_or(text, |(before, _)| before).trim_end();
    !bare.ends_with(".whl")
        && (text.starts_with(['.', '/', '~'])
            || text.contains("://")
            || text.contains(['/', '\\'])
            || [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".tar"].iter().any(|end| bare.ends_with(end)))
}

/// The directories that pip writes for this command.
fn written(job: &Job<'_>) -> Vec<PathBuf> {
    let environment = job.environment;
    let mut out = super::python_places(job);
    out.extend(user_base(job));
    for option in ["--target", "--prefix", "--root", "--dest", "--wheel-dir", "--src"] {
        out.extend(job.invocation.values(option).map(|v| environment.absolute(Path::new(v))));
    }
    for option in ["--log", "--report", "--output"] {
        out.extend(
            job.invocation.values(option).filter_map(|v| super::file_place(job, environment.absolute(Path::new(v)))),
        );
    }
    let cache = job.invocation.values("--cache-dir").last().map(|c| environment.absolute(Path::new(c)));
    out.extend(cache.or_else(|| super::user_cache(environment, "pip")));
    // pyenv's link to pip makes links for new programs after an install. Not where code of packages runs before that.
    if !builds(job) {
        out.extend(pyenv_links(job.program));
    }
    out
}

/// Where the user's own packages are, when pip puts what it installs there.
fn user_base(job: &Job<'_>) -> Option<PathBuf> {
    let elsewhere = ["--target", "--prefix", "--root"].iter().any(|o| job.invocation.flag(o).is_some());
    if elsewhere || job.invocation.verb != "install" {
        return None;
    }
    let on = |value: Option<&str>| value.is_none_or(|v| !is_off(v));
    let given = |name: &str| job.invocation.flag(name).map(|flag| on(flag.value.as_deref()));
    let told = given("--no-user").map(|off| !off).or_else(|| given("--user"));
    let told = told.or_else(|| configured(job).get("user").map(|value| on(Some(value))));
    let facts = toolchain::python::facts(job.invocation, job.environment, Some(job.cache));
    toolchain::python::user_scheme(&facts, job.environment, told)
}

/// The directory of pyenv's links, when the program is one of them.
fn pyenv_links(program: &Path) -> Option<PathBuf> {
    let links = program.parent().filter(|dir| dir.file_name().is_some_and(|n| n == "shims"))?;
    links.parent().filter(|root| root.join("versions").is_dir()).map(|_| links.to_owned())
}

/// The plan as a requirements file that names every file by its digest.
fn frozen_list(job: &Job<'_>) -> Result<String, EnforceError> {
    let mut out = String::new();
    for package in &job.judgement.plan.packages {
        let id = &package.id;
        if !package.source.is_registry() {
            return Err(EnforceError::unsupported(format!(
                "no local port can be opened here, and {} comes from outside any index",
                id.name
            )));
        }
        if package.artifacts.iter().any(|a| a.kind != ArtifactKind::Wheel) {
            return Err(EnforceError::unsupported(format!(
                "no local port can be opened here, and {} {} is built from source",
                id.name, id.version
            )));
        }
        out.push_str(&format!("{}=={}", id.name.canonical(), id.version));
        for artifact in &package.artifacts {
            let strong = artifact.digests.iter().find(|d| {
                // The three that pip takes.
                matches!(d.algorithm().name(), "sha256" | "sha384" | "sha512")
            });
            let digest = strong.ok_or_else(|| {
                EnforceError::unsupported(format!(
                    "no local port can be opened here, and {} has no digest",
                    artifact.filename
                ))
            })?;
            out.push_str(&format!(" --hash={digest}"));
        }
        out.push('\n');
    }
    Ok(out)
}
