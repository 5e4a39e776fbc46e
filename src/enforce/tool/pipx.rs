//! pipx through the gateway: it starts pip, or uv, and both take the same one index from variables.
//!
//! Measured with 1.18: its options of an index go to pip as words, and are kept beside the environment for the next
//! `upgrade`, so the word names the gateway and what was kept is mended. A newer pip for its shared libraries was not
//! judged and is not fetched; it takes the one that Python brings.

use std::path::{Path, PathBuf};

use super::words::{Words, index};
use super::{Adapter, Prepared, pip};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::Effect;
use crate::toolchain;

/// The adapter of pipx.
#[derive(Debug, Clone, Copy)]
pub struct Pipx;

impl Adapter for Pipx {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let mut out = Prepared::default();
        let mut step = Step::of(job);
        let mut words = Words::new(job.arguments);
        let inner: Vec<usize> =
            job.invocation.flags.iter().filter(|f| f.name == "--pip-args").filter_map(|f| index(&f.location)).collect();
        for flag in job.invocation.flags.iter().filter(|f| pip::is_place(f)) {
            let (Some(at), Some(value)) = (index(&flag.location), &flag.value) else { continue };
            if inner.iter().any(|word| *word == at || word + 1 == at) || flag.name != "--index-url" {
                return Err(EnforceError::unsupported(format!(
                    "`{}` stands in `--pip-args`, and pip would ask there; set it in pip's configuration instead",
                    flag.name
                )));
            }
            let carried = gateway.carry("pypi/index", value);
            if !words.replace_value(at, value, &carried) && !words.replace_value(at + 1, value, &carried) {
                return Err(EnforceError::unsupported("`--index-url` is written in an unusual way"));
            }
        }
        step.arguments = words.finish();
        pip::settle(job, &mut step);
        step.set("PIP_INDEX_URL", gateway.url("pypi/simple/"));
        for name in ["UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE"] {
            step.remove(name);
        }
        step.set("UV_DEFAULT_INDEX", gateway.url("pypi/simple/"));
        step.set("UV_NO_CONFIG", "1");
        // It goes by URLs, and this one lives for one run.
        step.set("UV_NO_CACHE", "1");
        // The uv that it would find on PATH is a link of ours, and an install within this one.
        if job.invocation.flag("--backend").is_none() {
            step.set("PIPX_DEFAULT_BACKEND", "pip");
        }
        step.set("PIPX_DISABLE_SHARED_LIBS_AUTO_UPGRADE", "1");
        (out.uncovered, out.open_network) = super::uncovered(job, "pipx");
        if job.invocation.effect == Effect::RunsRemote {
            out.open_network = true;
            out.whole_user = true;
            out.uncovered.push("the program that pipx runs in the end is neither confined nor limited".to_owned());
        } else if !out.open_network {
            super::refuse_all_else(&mut step, gateway);
        }
        let places = Places::of(job);
        out.mend.extend(places.venvs(job).map(|venv| venv.join("pipx_metadata.json")));
        out.write.extend(places.home.iter().chain(&places.programs).chain(&places.others).cloned());
        out.write.extend(super::user_cache(job.environment, "pip"));
        if pip::builds(job) {
            step.set("PIP_NO_CACHE_DIR", "1");
            step.runs_packages = true;
        }
        super::says_of_programs(job, &places.programs, &mut out);
        out.steps.push(step);
        Ok(out)
    }
}

/// Where pipx keeps what it installs.
#[derive(Debug, Default)]
struct Places {
    home: Option<PathBuf>,
    /// Its programs.
    programs: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Places {
    fn of(job: &Job<'_>) -> Self {
        let environment = job.environment;
        let global = job.invocation.flag("--global").is_some();
        let named = |name: &str| {
            let name = if global { name.replacen("PIPX_", "PIPX_GLOBAL_", 1) } else { name.to_owned() };
            environment.variable(&name).filter(|v| !v.is_empty()).map(|v| environment.absolute(Path::new(v)))
        };
        let user = |path: &str| environment.home.as_ref().map(|home| home.join(path));
        let usual = |own: &str, global_one: &str| if global { Some(PathBuf::from(global_one)) } else { user(own) };
        let home = toolchain::tools::of_pipx(environment, job.files, global);
        let programs = named("PIPX_BIN_DIR").or_else(|| usual(".local/bin", "/usr/local/bin")).into_iter().collect();
        let manuals = named("PIPX_MAN_DIR").or_else(|| usual(".local/share/man", "/usr/local/share/man"));
        let mut others: Vec<PathBuf> = manuals.into_iter().collect();
        others.extend(named("PIPX_SHARED_LIBS"));
        others.extend(user(".local/state/pipx"));
        others.extend(super::user_cache(environment, "pipx"));
        Self { home, programs, others }
    }

    /// The environments of what is asked for.
    fn venvs<'s>(&'s self, job: &'s Job<'_>) -> impl Iterator<Item = PathBuf> + 's {
        let names = job.judgement.plan.packages.iter().map(|p| p.id.name.canonical().to_owned());
        let asked = job
            .invocation
            .argv
            .iter()
            .skip(1)
            .map(|word| word.split(['=', '[', '<', '>', '@', '~', '!', ' ']).next().unwrap_or_default().to_owned());
        let all: std::collections::BTreeSet<String> =
            names.chain(asked).filter(|n| !n.contains('/') && !n.is_empty()).collect();
        let home = self.home.clone();
        all.into_iter().filter_map(move |name| Some(home.as_ref()?.join("venvs").join(name)))
    }
}
