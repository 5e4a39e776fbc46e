//! pdm through the gateway, redirected ([`super::redirect`]): the sources of a project are named in its manifest, in
//! configuration and in variables, and are written into the lockfile.

use std::path::Path;

use super::{Adapter, Prepared, pip, redirect};
use crate::enforce::gateway::{Gateway, View};
use crate::enforce::{EnforceError, Job};

/// The adapter of pdm.
#[derive(Debug, Clone, Copy)]
pub struct Pdm;

impl Adapter for Pdm {
    fn view(&self, _job: &Job<'_>) -> View {
        // A lockfile is for every platform.
        View::Lock
    }

    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        if job.invocation.verb.starts_with("self") {
            return Err(EnforceError::unsupported(
                "pdm's own environment is not held by this gate; install the plugin by pip or pipx, where pdm is",
            ));
        }
        let (mut out, mut step, cache) = redirect::prepare(job, gateway)?;
        step.set("PDM_CACHE_DIR", &cache);
        step.set("PDM_CHECK_UPDATE", "0");
        // uv would be a program of its own, with a way out of its own.
        step.set("PDM_USE_UV", "0");
        let home = job.environment.home.as_ref();
        out.write.extend(home.map(|h| h.join(".local").join("share").join("pdm")));
        out.write.extend(home.map(|h| h.join(".local").join("state").join("pdm")));
        if let Some(directory) = &job.invocation.directory {
            out.write.push(job.environment.absolute(Path::new(directory)));
        }
        step.runs_packages = pip::builds(job);
        out.steps.push(step);
        Ok(out)
    }
}
