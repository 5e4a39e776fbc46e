//! corepack through the gateway, as far as it only fetches package managers (`install`, `prepare`).
//!
//! Measured with 0.34. With `COREPACK_NPM_REGISTRY` it asks that registry for the release's document and archive, for yarn
//! 2 and later under `@yarnpkg/cli-dist`, and checks the registry's signature itself; the project's `.corepack.env` is not
//! read. Nothing that it fetches is run.

use super::npm::registries::Registries;
use super::{Adapter, Prepared, refuse_through, user_cache};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::Effect;

/// The adapter of corepack.
#[derive(Debug, Clone, Copy)]
pub struct Corepack;

impl Adapter for Corepack {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        if job.invocation.effect != Effect::Requests || !matches!(job.invocation.verb.as_str(), "install" | "prepare") {
            return Err(EnforceError::unsupported("a package manager that corepack starts is not held to a plan"));
        }
        let registries = Registries::of(job, gateway)?;
        let named = job.environment.variable("COREPACK_HOME").filter(|v| !v.is_empty());
        let home = named.map(|home| job.environment.absolute(home.as_ref()));
        let home = home.or_else(|| user_cache(job.environment, "node").map(|cache| cache.join("corepack")));
        let home = home.ok_or_else(|| EnforceError::unsupported("corepack has no directory to fetch into"))?;
        std::fs::create_dir_all(&home).map_err(EnforceError::io(&home))?;
        let mut step = Step::of(job);
        step.set("COREPACK_NPM_REGISTRY", registries.default.trim_end_matches('/'));
        step.set("COREPACK_ENV_FILE", "0");
        step.set("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0");
        for name in ["COREPACK_NPM_TOKEN", "COREPACK_NPM_USERNAME", "COREPACK_NPM_PASSWORD"] {
            step.remove(name);
        }
        if let Some(refusing) = &registries.refusing {
            refuse_through(&mut step, refusing);
        }
        let mut prepared = registries.prepared(job, vec![home]);
        prepared.steps.push(step);
        Ok(prepared)
    }
}
