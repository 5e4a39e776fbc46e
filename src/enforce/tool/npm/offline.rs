//! npm without a gateway: a cache of its own that holds the plan and nothing else, and no network.
//!
//! npm finds a tarball in its cache by the digest that its lockfile has, and a packument by its URL and by the `Accept`
//! that it asks with. Both are put there as cacache, which npm's cache is, writes them: content by digest, and an index of
//! what was asked. Measured with npm 11.19; npm verifies each content when it reads it.

use std::path::Path;

use serde_json::json;
use sha2::Digest as _;

use crate::enforce::cacache::{self, content};
use crate::enforce::gateway::unheard::Unheard;
use crate::enforce::{EnforceError, Job};
use crate::invocation::Effect;
use crate::model::{Digest, DigestAlgorithm, LockState, PackageName, Source};

/// What npm says that it takes when it installs: those before 11, and those since, which read the full document.
const ACCEPTS: [(&str, bool); 2] =
    [("application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*", true), ("application/json", false)];

/// A cache for one run.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) directory: tempfile::TempDir,
    /// What could not be had, a sentence each.
    pub(super) said: Vec<String>,
}

impl Cache {
    /// Fills one with what the plan holds.
    pub(super) fn of(job: &Job<'_>) -> Result<Self, EnforceError> {
        let plan = &job.judgement.plan;
        let remote = |source: &Source| matches!(source, Source::Git { .. } | Source::Url { .. });
        if let Some(outside) = plan.packages.iter().find(|p| remote(&p.source)) {
            return Err(EnforceError::unsupported(format!(
                "no local port can be opened here, and {} comes from outside any registry",
                outside.id.name
            )));
        }
        let made = tempfile::Builder::new().prefix("tidewaiter-").tempdir();
        let directory = made.map_err(EnforceError::io(std::env::temp_dir()))?;
        let own = directory.path().join("_cacache");
        let unheard = Unheard::new(job)?;
        let place =
            |planned: &crate::enforce::gateway::closed::Planned| content(&own, planned.artifact.digests.first()?);
        for planned in unheard.tarballs(job, place)? {
            let artifact = &planned.artifact;
            let Some((first, others)) = artifact.digests.split_first() else { continue };
            // A lockfile may know it by another digest than the first.
            if let Some(from) = content(&own, first) {
                for to in others.iter().filter_map(|digest| content(&own, digest)) {
                    link(&from, &to)?;
                }
            }
            index(&own, &artifact.url, None, &first.sri(), artifact.size.unwrap_or(0))?;
        }
        // What is locked is installed from the lockfile alone.
        let anew = job.invocation.effect == Effect::Update;
        let open = |lock: LockState| anew || lock == LockState::Unlocked;
        let mut names: Vec<&PackageName> = plan
            .packages
            .iter()
            .filter(|p| p.source.is_registry() && open(p.lock) && job.invocation.effect != Effect::Locked)
            .map(|p| &p.id.name)
            .collect();
        names.sort();
        names.dedup();
        for (accept, short) in ACCEPTS {
            for (url, body) in unheard.packuments(&names, short) {
                let digest = Digest::from_bytes(DigestAlgorithm::Sha512, &sha2::Sha512::digest(&body));
                let digest = digest.map_err(|e| EnforceError::unsupported(e.to_string()))?;
                let Some(path) = content(&own, &digest) else { continue };
                std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(EnforceError::io(&path))?;
                std::fs::write(&path, &body).map_err(EnforceError::io(&path))?;
                index(&own, &url, Some(accept), &digest.sri(), body.len() as u64)?;
            }
        }
        let said = unheard.finish().iter().map(|r| format!("{} {}", r.subject, r.reason)).collect();
        Ok(Self { directory, said })
    }
}

fn link(from: &Path, to: &Path) -> Result<(), EnforceError> {
    std::fs::create_dir_all(to.parent().unwrap_or(to)).map_err(EnforceError::io(to))?;
    if !to.exists() {
        std::fs::hard_link(from, to).or_else(|_| std::fs::copy(from, to).map(drop)).map_err(EnforceError::io(to))?;
    }
    Ok(())
}

/// Notes what was asked for, and what came.
fn index(cache: &Path, url: &str, accept: Option<&str>, integrity: &str, size: u64) -> Result<(), EnforceError> {
    use std::io::Write as _;
    let asked = accept.map_or_else(|| json!({}), |accept| json!({"accept": accept}));
    let media_type = if accept.is_some() { "application/json" } else { cacache::TARBALL };
    let entry = cacache::entry_of(url, integrity, size, 1, (&asked, &json!({"content-type": media_type})));
    let path = cacache::bucket(&cache.join("index-v5"), url);
    std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(EnforceError::io(&path))?;
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut file = opened.map_err(EnforceError::io(&path))?;
    file.write_all(cacache::line(&entry).as_bytes()).map_err(EnforceError::io(&path))
}
