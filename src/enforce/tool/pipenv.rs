//! Pipenv through the gateway, redirected ([`super::redirect`]): its sources are named in the Pipfile, whose digest the
//! lockfile has, so nothing there may be changed. The resolver and the pip that it starts, both its own, are led the same
//! way.
//!
//! What it installs, it installs with the digests of Pipfile.lock, as ever.

use std::path::{Path, PathBuf};

use super::{Adapter, Prepared, pip, redirect};
use crate::enforce::gateway::{Gateway, View};
use crate::enforce::{EnforceError, Job};

/// The adapter of Pipenv.
#[derive(Debug, Clone, Copy)]
pub struct Pipenv;

impl Adapter for Pipenv {
    fn view(&self, _job: &Job<'_>) -> View {
        // A lockfile has the digests of every platform's files.
        View::Lock
    }

    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let (mut out, mut step, cache) = redirect::prepare(job, gateway)?;
        pip::settle(job, &mut step);
        step.set("PIPENV_CACHE_DIR", &cache);
        // New environments get the pip that virtualenv brings.
        step.set("VIRTUALENV_NO_PERIODIC_UPDATE", "1");
        step.set("VIRTUALENV_NO_DOWNLOAD", "1");
        let named = |name: &str| job.environment.variable(name).map(|v| job.environment.absolute(Path::new(v)));
        let home = job.environment.home.as_ref();
        let usual: Option<PathBuf> = home.map(|h| h.join(".local").join("share").join("virtualenvs"));
        out.write.extend(named("WORKON_HOME").or(usual));
        out.write.extend(named("VIRTUAL_ENV"));
        // The Pipfile may be above; its environment is then beside it.
        let above = job.environment.cwd.ancestors().find(|d| d.join("Pipfile").is_file());
        out.write.extend(named("PIPENV_PIPFILE").and_then(|f| f.parent().map(PathBuf::from)));
        out.write.extend(above.map(PathBuf::from));
        step.runs_packages = pip::builds(job);
        out.steps.push(step);
        Ok(out)
    }
}
