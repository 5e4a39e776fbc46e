//! One adapter for each family of tools: which changes to a command, its variables and its files make the tool ask the
//! gateway and nobody else, and what has to be mended after it ended. [`run`] does what they have in common.

pub mod bun;
pub mod cargo;
pub mod corepack;
pub mod npm;
pub mod pdm;
pub mod pip;
pub mod pipenv;
pub mod pipx;
pub mod pnpm;
pub mod poetry;
mod redirect;
pub mod uv;
pub mod words;
pub mod yarn;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::gateway::{Gateway, View};
use super::{Ended, EnforceError, Form, Job, Limits, Network, Outcome, Refused, Step, Upstream, cacache, exec};
use crate::invocation::Tool;
use crate::model::{Environment, Source, printable, redact_url};
use crate::toolchain;

/// What an adapter made of a job.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Run one after the other; the first that fails is how the job ended.
    pub steps: Vec<Step>,
    /// Files that the tool may write gateway URLs into; mended when everything has run, whatever the end.
    pub mend: Vec<PathBuf>,
    /// Files that the tool would have printed; printed when they are mended.
    pub print: Vec<PathBuf>,
    /// Where uv notes what a tool was installed from; put right after they are mended.
    pub receipts: Vec<uv::Receipt>,
    /// npm's cache, whose new entries are to be named by the registry's URLs.
    pub cacache: Option<PathBuf>,
    /// Directories and files that the tool writes.
    pub write: Vec<PathBuf>,
    /// What could not be enforced, a sentence each.
    pub uncovered: Vec<String>,
    /// Something of the plan is fetched by the tool itself, so its network stays as it is; `uncovered` says what.
    pub open_network: bool,
    /// The steps end in a program of the user's choice, so they are not confined; `uncovered` says so.
    pub whole_user: bool,
    /// Files of our own that the steps need; removed at the end.
    pub keep: Vec<tempfile::TempDir>,
    /// What else there is to do, which shows only when all steps have succeeded.
    pub then: Option<Then>,
    /// What is wrong with what the tool left behind: the job fails, and no further step is run.
    pub wrong: Vec<Refused>,
    /// What people should be told, a sentence each.
    pub said: Vec<String>,
    /// The tool asks the registries itself, and its own lockfile with the plan's digests holds it.
    pub frozen: bool,
}

/// A directory of our own for the time of a run.
pub(super) fn scratch() -> Result<tempfile::TempDir, EnforceError> {
    let made = tempfile::Builder::new().prefix("tidewaiter-").tempdir();
    made.map_err(EnforceError::io(std::env::temp_dir()))
}

/// The next part of a job, made from what the part before it left on disk.
pub struct Then(Box<Next>);

type Next = dyn FnOnce(&Job<'_>, Option<&Gateway>) -> Result<Prepared, EnforceError>;

impl Then {
    /// From a closure that is called once.
    pub fn new(next: impl FnOnce(&Job<'_>, Option<&Gateway>) -> Result<Prepared, EnforceError> + 'static) -> Self {
        Self(Box::new(next))
    }
}

impl std::fmt::Debug for Then {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Then")
    }
}

/// A step that failed.
#[derive(Debug)]
pub struct Failed<'s> {
    /// As the adapter made it.
    pub step: &'s Step,
    /// When it began.
    pub began: SystemTime,
    /// Whether it was confined.
    pub confined: bool,
}

/// How one family of tools is brought to ask the gateway.
pub trait Adapter: Sync {
    /// How much of the registries the tool may see. Nothing but the plan can be fetched in either.
    fn view(&self, _job: &Job<'_>) -> View {
        View::Plan
    }

    /// Whether the gateway should be at the same port each time, where it is free, and be known by a password instead
    /// of a path: for tools whose caches go by URL.
    fn keeps_port(&self) -> bool {
        false
    }

    /// The steps that run the job through the gateway.
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError>;

    /// Looks, right before a step begins, whether what was judged is still so.
    fn before(&self, _job: &Job<'_>, _step: &Step) -> Result<(), EnforceError> {
        Ok(())
    }

    /// Adds what stands behind the failure of a step, where the tool's own words do not say it. Whether the sandbox may
    /// have had a part in it.
    fn explain(&self, _job: &Job<'_>, _failed: &Failed<'_>, _part: &mut Prepared) -> bool {
        true
    }

    /// The steps that run the job without one, where no socket may listen.
    fn frozen(&self, _job: &Job<'_>) -> Result<Prepared, EnforceError> {
        Err(EnforceError::unsupported("no local port can be opened here, and this command needs one"))
    }
}

fn adapter(tool: Tool) -> Option<&'static dyn Adapter> {
    Some(match tool {
        Tool::Pip => &pip::Pip,
        Tool::Uv | Tool::Uvx => &uv::Uv,
        Tool::Npm | Tool::Npx => &npm::Npm,
        Tool::Pnpm | Tool::Pnpx => &pnpm::Pnpm,
        Tool::Yarn => &yarn::Yarn,
        Tool::Bun | Tool::Bunx => &bun::Bun,
        Tool::Pipx => &pipx::Pipx,
        Tool::Poetry => &poetry::Poetry,
        Tool::Pdm => &pdm::Pdm,
        Tool::Pipenv => &pipenv::Pipenv,
        Tool::Cargo => &cargo::Cargo,
        Tool::Corepack => &corepack::Corepack,
        _ => return None,
    })
}

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, EnforceError> {
    let adapter = known(job)?;
    match Gateway::start(job, adapter.view(job), adapter.keeps_port()) {
        Ok(gateway) => through(job, adapter, Some(gateway)),
        Err(EnforceError::Listen(_)) => through(job, adapter, None),
        Err(other) => Err(other),
    }
}

/// As [`super::run`] where no socket may listen.
pub fn run_frozen(job: &Job<'_>) -> Result<Outcome, EnforceError> {
    through(job, known(job)?, None)
}

fn known(job: &Job<'_>) -> Result<&'static dyn Adapter, EnforceError> {
    let tool = job.invocation.tool;
    adapter(tool)
        .ok_or_else(|| EnforceError::unsupported(format!("{} is judged and not run by this gate", tool.name())))
}

fn through(job: &Job<'_>, adapter: &dyn Adapter, started: Option<Gateway>) -> Result<Outcome, EnforceError> {
    let prepared = match &started {
        Some(gateway) => adapter.prepare(job, gateway)?,
        None => adapter.frozen(job)?,
    };
    let mut run = Run { port: started.as_ref().map(Gateway::port), ..Run::default() };
    let mut next = Some(prepared);
    let mut done = Ok(Ended::Code(0));
    while let Some(mut part) = next.take() {
        done = run.part(job, adapter, &mut part);
        let then = part.then.take();
        run.parts.push(part);
        if let (Ok(ended), Some(then)) = (&done, then)
            && ended.success()
        {
            match (then.0)(job, started.as_ref()) {
                Ok(part) => next = Some(part),
                Err(error) => done = Err(error),
            }
        }
    }
    let through = started.is_some() && !run.parts.iter().all(|p| p.frozen);
    let form = if through { Form::Gateway } else { Form::Frozen };
    let (mut refused, mut served) = (Vec::new(), Vec::new());
    let parts = std::mem::take(&mut run.parts);
    if let Some(gateway) = started {
        for path in parts.iter().flat_map(|p| &p.mend) {
            if let Err(error) = gateway.mend(path) {
                run.uncovered.push(format!("{} still names the gateway: {error}", path.display()));
            }
        }
        if let Upstream::Python { indexes, .. } = job.upstream {
            let receipts: Vec<&uv::Receipt> = parts.iter().flat_map(|p| &p.receipts).collect();
            run.uncovered.extend(uv::Receipt::close_all(&receipts, &indexes.indexes, uv::page));
        }
        for path in parts.iter().flat_map(|p| &p.print) {
            let text = std::fs::read(path).unwrap_or_default();
            if let Err(error) = std::io::stdout().write_all(&text) {
                run.uncovered.push(format!("what the tool reports could not be printed: {error}"));
            }
        }
        let cacaches = parts.iter().filter_map(|p| p.cacache.as_ref());
        cacaches.for_each(|cacache| cacache::rename(cacache, &gateway.kept()));
        (refused, served) = gateway.stop();
    }
    for part in parts {
        refused.extend(part.wrong);
        run.uncovered.extend(part.uncovered);
        run.said.extend(part.said);
    }
    refused.extend(job.sandbox.refused());
    refused.sort();
    refused.dedup();
    run.contained.dedup();
    let Run { contained, uncovered, said, .. } = run;
    Ok(Outcome { ended: done?, form, refused, served, contained, uncovered, said })
}

/// A job under way.
#[derive(Debug, Default)]
struct Run {
    port: Option<u16>,
    parts: Vec<Prepared>,
    contained: Vec<String>,
    uncovered: Vec<String>,
    said: Vec<String>,
}

impl Run {
    /// Runs the steps of one part to the first that fails.
    fn part(&mut self, job: &Job<'_>, adapter: &dyn Adapter, part: &mut Prepared) -> Result<Ended, EnforceError> {
        if !part.wrong.is_empty() {
            return Ok(Ended::Code(1));
        }
        for mut step in std::mem::take(&mut part.steps) {
            adapter.before(job, &step)?;
            let (tolerated, own) = (step.tolerated.take(), step.clone());
            // A tool that fetches from a repository builds in the same process: it has no credentials, and the network.
            let open = part.open_network || step.network == Network::Open;
            let port = self.port.filter(|_| !open && step.network == Network::Gateway);
            let write = part.write.iter().chain(&step.write).cloned().collect();
            let limits = Limits { port, open, write, runs_packages: step.runs_packages };
            if !step.free && !part.whole_user {
                if part.open_network && step.runs_packages && !part.uncovered.iter().any(|u| u == OPEN) {
                    part.uncovered.push(OPEN.to_owned());
                }
                step = job.sandbox.contain(step, &limits, job)?;
                for sentence in job.sandbox.sentences(&limits) {
                    if !self.contained.contains(&sentence) {
                        self.contained.push(sentence);
                    }
                }
            }
            let began = SystemTime::now();
            let ended = exec::run(&step, job)?;
            match tolerated {
                _ if ended.success() => {}
                Some(sentence) => self.said.push(sentence),
                None => {
                    let failed = Failed { step: &own, began, confined: step.program != own.program };
                    let denied = adapter.explain(job, &failed, part);
                    if denied && failed.confined && own.runs_packages {
                        self.said.extend(job.sandbox.hint());
                    }
                    return Ok(ended);
                }
            }
        }
        Ok(Ended::Code(0))
    }
}

/// What is said where code of packages runs in a process that has to reach more than the gateway.
const OPEN: &str = "code of packages that is built meanwhile reaches the network too";

/// What of the plan comes from outside any registry, a sentence each, and whether the tool needs the network for it.
fn uncovered(job: &Job<'_>, tool: &str) -> (Vec<String>, bool) {
    let mut remote = false;
    let mut all = Vec::new();
    for package in &job.judgement.plan.packages {
        match &package.source {
            Source::Git { url, .. } | Source::Url { url } => {
                remote = true;
                all.push(format!("{tool} fetches {} from {} itself", package.id.name, redact_url(url)));
            }
            Source::Path { path } if !job.files.is_dir(path) => {
                all.push(format!("{tool} reads {} from {} itself", package.id.name, path.display()));
            }
            Source::Registry { .. } | Source::Path { .. } | Source::Workspace { .. } => {}
        }
    }
    // What has no name yet has no package in the plan.
    for unresolved in job.judgement.plan.unresolved.iter().filter(|u| u.name.is_none()) {
        let text = unresolved.requirement.as_str();
        let remote_url = text.split_once("://").is_some_and(|(scheme, _)| !scheme.ends_with("file"));
        if remote_url && !text.contains(char::is_whitespace) {
            remote = true;
            all.push(format!("{tool} fetches {} itself", printable(&redact_url(text), 300)));
        }
    }
    all.sort();
    all.dedup();
    (all, remote)
}

/// Sends whatever asks another host to a proxy that refuses, and says whom it refused.
fn refuse_all_else(step: &mut Step, gateway: &Gateway) {
    refuse_through(step, &gateway.refusing_proxy());
}

fn refuse_through(step: &mut Step, proxy: &str) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        step.set(name, proxy);
    }
    for name in ["no_proxy", "NO_PROXY"] {
        step.set(name, "127.0.0.1");
    }
}

/// Where an interpreter's packages and programs are put, and the project itself.
fn python_places(job: &Job<'_>) -> Vec<PathBuf> {
    let facts = toolchain::python::facts(job.invocation, job.environment, Some(job.cache));
    let mut out = vec![job.environment.cwd.clone()];
    let prefix = facts.executable.as_deref().and_then(|e| e.parent()?.parent());
    out.extend(prefix.map(PathBuf::from));
    out.extend(facts.site_packages);
    out
}

/// What to open for a file that an option has written: its directory, for tools replace files, and what is not there is
/// made as a directory. Nothing in the project, which is open, and not all that a home directory holds: there the file has
/// to be there already.
fn file_place(job: &Job<'_>, path: PathBuf) -> Option<PathBuf> {
    let directory = path.parent()?;
    if directory.starts_with(&job.environment.cwd) {
        return None;
    }
    let home = job.environment.home.as_deref();
    if home.is_some_and(|home| home.starts_with(directory)) {
        return path.is_file().then_some(path);
    }
    Some(directory.to_owned())
}

/// Where uv puts programs that the user starts by their names: `~/.local/bin`, and what variables say instead.
fn program_places(job: &Job<'_>, named: &[&str]) -> Vec<PathBuf> {
    if !job.invocation.global {
        return Vec::new();
    }
    let environment = job.environment;
    let named = named.iter().filter_map(|name| environment.variable(name)).filter(|v| !v.is_empty());
    let usual = environment.home.as_ref().map(|home| home.join(".local").join("bin"));
    named.map(|path| environment.absolute(Path::new(path))).chain(usual).collect()
}

/// What to say where packages are built by a tool that puts their programs into a directory of the user's.
fn says_of_programs(job: &Job<'_>, places: &[PathBuf], out: &mut Prepared) {
    if pip::builds(job) && !places.is_empty() {
        let all: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        let all = printable(&all.join(", "), 300);
        out.uncovered
            .push(format!("what is built from source can write {all}, where the programs of packages are put"));
    }
}

/// Looks, after programs were put into `places`, whether the gate's own links and program are still there, and puts them
/// back: an entry point may have any name.
fn gate_stays(job: &Job<'_>, places: &[PathBuf]) -> Option<Then> {
    let own = std::fs::canonicalize(job.own).ok()?;
    let entries = places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    let ours = |path: &PathBuf| std::fs::canonicalize(path).is_ok_and(|found| found == own);
    let link = |path: PathBuf| (std::fs::read_link(&path).ok(), path);
    let before: Vec<(Option<PathBuf>, PathBuf)> = entries.map(|e| e.path()).filter(ours).map(link).collect();
    if before.is_empty() {
        return None;
    }
    let bytes = before.iter().any(|(target, _)| target.is_none()).then(|| std::fs::read(&own).ok()).flatten();
    Some(Then::new(move |_, _| {
        let mut out = Prepared::default();
        for (target, path) in before {
            let stays = match &target {
                Some(target) => std::fs::read_link(&path).is_ok_and(|now| now == *target),
                None => std::fs::read(&path).ok() == bytes,
            };
            if !stays {
                put_back(&path, target.as_deref(), bytes.as_deref()).map_err(EnforceError::io(&path))?;
                let reason = "is this gate's, and an entry point of a package had taken its place".to_owned();
                out.wrong.push(Refused { subject: path.display().to_string(), reason });
            }
        }
        Ok(out)
    }))
}

#[cfg(unix)]
fn put_back(path: &Path, target: Option<&Path>, bytes: Option<&[u8]>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::remove_file(path);
    match target {
        Some(target) => std::os::unix::fs::symlink(target, path),
        None => {
            std::fs::write(path, bytes.unwrap_or_default())?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        }
    }
}

#[cfg(not(unix))]
fn put_back(path: &Path, _target: Option<&Path>, bytes: Option<&[u8]>) -> std::io::Result<()> {
    std::fs::write(path, bytes.unwrap_or_default())
}

/// `~/.cache/NAME`, or the platform's own place.
fn user_cache(environment: &Environment, name: &str) -> Option<PathBuf> {
    let own = environment.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = environment.home.as_ref();
    let base = match environment.os {
        "macos" => own.or_else(|| home.map(|h| h.join("Library").join("Caches"))),
        _ => own.or_else(|| home.map(|h| h.join(".cache"))),
    };
    base.map(|b| b.join(name))
}
