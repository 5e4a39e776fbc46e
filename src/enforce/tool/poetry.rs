//! poetry through the gateway, redirected ([`super::redirect`]): PyPI has no setting of its own there, and what is named
//! in a project's sources is written into the lockfile.

use std::path::{Path, PathBuf};

use super::{Adapter, Prepared, pip, redirect};
use crate::enforce::gateway::{Gateway, View};
use crate::enforce::{EnforceError, Job};

/// The adapter of poetry.
#[derive(Debug, Clone, Copy)]
pub struct Poetry;

impl Adapter for Poetry {
    fn view(&self, _job: &Job<'_>) -> View {
        // A lockfile is for every platform.
        View::Lock
    }

    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        if job.invocation.verb.starts_with("self") {
            return Err(EnforceError::unsupported(
                "poetry's own environment is not held by this gate; install the plugin by pip or pipx, where poetry is",
            ));
        }
        let (mut out, mut step, _) = redirect::prepare(job, gateway)?;
        let named = |name: &str| job.environment.variable(name).map(|v| job.environment.absolute(Path::new(v)));
        let usual: Option<PathBuf> = super::user_cache(job.environment, "pypoetry");
        let cache = named("POETRY_CACHE_DIR").or(usual);
        out.write.extend(named("POETRY_VIRTUALENVS_PATH").or_else(|| cache.map(|c| c.join("virtualenvs"))));
        if let Some(directory) = &job.invocation.directory {
            out.write.push(job.environment.absolute(Path::new(directory)));
        }
        step.runs_packages = pip::builds(job);
        out.steps.push(step);
        Ok(out)
    }
}
