//! What the gateway would answer, without one: for where no socket may listen and a tool can be given everything before it
//! starts. In: a [`Job`] of npm's. Out: its packuments, with nothing in them but the plan, and the plan's tarballs, verified.

use std::sync::Arc;

use super::artifacts::{Progress, settled};
use super::closed::Planned;
use super::{Shared, View, npm};
use crate::enforce::{EnforceError, Job, Refused, Upstream};
use crate::model::PackageName;
use crate::registry::FetchError;

/// A gateway that nobody can ask but this program.
#[derive(Debug)]
pub struct Unheard {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
}

impl Unheard {
    /// Nothing is fetched yet.
    pub fn new(job: &Job<'_>) -> Result<Self, EnforceError> {
        let shared = Shared::of(job, View::Plan, 0)?;
        let made = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build();
        let runtime = made.map_err(EnforceError::io(job.cache))?;
        Ok(Self { shared, runtime })
    }

    /// The URL and the packument of each of these names, as npm's installs ask for it (`short`) or in full.
    pub fn packuments(&self, names: &[&PackageName], short: bool) -> Vec<(String, Vec<u8>)> {
        let Upstream::Npm { scopes, .. } = &self.shared.upstream else { return Vec::new() };
        let one = |name: PackageName| {
            let shared = Arc::clone(&self.shared);
            async move {
                let found = npm::packument_of(&shared, &name, short, None).await;
                (name, found)
            }
        };
        let all = self.runtime.block_on(futures_util::future::join_all(names.iter().map(|n| one((*n).clone()))));
        let mut out = Vec::new();
        for (name, found) in all {
            match found {
                Ok(Ok(body)) => out.push((scopes.packument_url(&name), body)),
                // npm finds nothing, as it would at the gateway.
                Ok(Err(_)) | Err(FetchError::NotFound { .. }) => {}
                Err(error) => {
                    let reason = format!("could not be looked up: {error}");
                    self.shared.remember(Refused { subject: name.written().to_owned(), reason });
                }
            }
        }
        out
    }

    /// Writes each tarball that this machine can use to where `place` says; `None`: it is not wanted. Gives what was
    /// written.
    pub fn tarballs(
        &self,
        job: &Job<'_>,
        place: impl Fn(&Planned) -> Option<std::path::PathBuf>,
    ) -> Result<Vec<Arc<Planned>>, EnforceError> {
        let Upstream::Npm { registry, .. } = &self.shared.upstream else { return Ok(Vec::new()) };
        let platform = npm::platform(job.environment);
        let wanted: Vec<&Arc<Planned>> = self.shared.closed.releases().flatten().collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|p| npm::fits(&**registry, p, platform)).collect();
        let mut out = Vec::new();
        self.runtime.block_on(async {
            let flights: Vec<_> = wanted.iter().map(|planned| (planned, self.shared.artifacts.get(planned))).collect();
            for (planned, mut progress) in flights {
                let _ = progress.wait_for(settled).await.map(drop);
                let now = progress.borrow_and_update().clone();
                match now {
                    Progress::Done(stored) => {
                        let Some(path) = place(planned) else { continue };
                        stored.copy(&path).map_err(EnforceError::io(&path))?;
                        out.push(Arc::clone(planned));
                    }
                    Progress::Failed(reason) => {
                        let subject = planned.artifact.filename.clone();
                        self.shared.remember(Refused { subject, reason: reason.to_string() });
                    }
                    Progress::Waiting | Progress::Arriving { .. } => {}
                }
            }
            Ok(out)
        })
    }

    /// What could not be had, and why.
    pub fn finish(self) -> Vec<Refused> {
        let refused =
            std::mem::take(&mut *self.shared.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.shared.artifacts.prune();
        refused.into_iter().collect()
    }
}
