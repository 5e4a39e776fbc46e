//! The plan as the gateway asks it: which file a URL is, which releases a name has, and why something is not in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::enforce::Refused;
use crate::model::{Artifact, Execution, HeldBack, PackageId, PackageName, Plan};

/// One artifact that may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The release.
    pub package: PackageId,
    /// The file, with the digests that were judged. Without any, the first bytes that come are taken, for the judgement
    /// that cleared it knew of none.
    pub artifact: Artifact,
}

/// A URL for comparison: clients decode and encode characters of a path as they like. Two URLs that compare equal by
/// this may name two files; what is handed out is held to the digest in any case.
pub fn plain(url: &str) -> String {
    percent_encoding::percent_decode_str(url).decode_utf8_lossy().into_owned()
}

/// What may come in.
#[derive(Debug, Default)]
pub struct Closed {
    by_url: HashMap<String, Arc<Planned>>,
    by_name: BTreeMap<PackageName, BTreeMap<Arc<str>, Vec<Arc<Planned>>>>,
    held_back: Vec<HeldBack>,
    /// Something of the plan is built from source.
    builds: bool,
}

impl Closed {
    /// Of a plan.
    pub fn new(plan: &Plan) -> Self {
        let builds = plan.packages.iter().any(|p| p.executes.contains(&Execution::PythonBuild));
        let mut out = Self { held_back: plan.held_back.clone(), builds, ..Self::default() };
        for package in &plan.packages {
            out.files(&package.id);
            for artifact in &package.artifacts {
                out.add(Planned { package: package.id.clone(), artifact: artifact.clone() });
            }
        }
        out
    }

    /// Of artifacts.
    #[cfg(test)]
    pub(super) fn of(planned: impl IntoIterator<Item = Planned>) -> Self {
        let mut out = Self::default();
        planned.into_iter().for_each(|planned| out.add(planned));
        out
    }

    /// A release without artifacts may come in as well: there is nothing of it to fetch.
    fn files(&mut self, id: &PackageId) -> &mut Vec<Arc<Planned>> {
        self.by_name.entry(id.name.clone()).or_default().entry(Arc::clone(&id.version)).or_default()
    }

    fn add(&mut self, planned: Planned) {
        let planned = Arc::new(planned);
        self.files(&planned.package).push(Arc::clone(&planned));
        self.by_url.entry(plain(&planned.artifact.url)).or_insert(planned);
    }

    /// The artifact that the upstream has at this URL, however its path is percent-encoded.
    pub fn at(&self, url: &str) -> Option<&Arc<Planned>> {
        self.by_url.get(&plain(url))
    }

    /// The artifacts of a release.
    pub fn release(&self, name: &PackageName, version: &str) -> Option<&[Arc<Planned>]> {
        self.by_name.get(name)?.get(version).map(Vec::as_slice)
    }

    /// The versions of a name that may come in; empty when none may.
    pub fn versions(&self, name: &PackageName) -> impl Iterator<Item = &Arc<str>> {
        self.by_name.get(name).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether any version of this name may come in.
    pub fn has(&self, name: &PackageName) -> bool {
        self.by_name.contains_key(name)
    }

    /// Every release with its artifacts.
    pub fn releases(&self) -> impl Iterator<Item = &[Arc<Planned>]> {
        self.by_name.values().flat_map(BTreeMap::values).map(Vec::as_slice)
    }

    /// Why a release, or any release of a name, is not to be had.
    pub fn missing(&self, name: &PackageName, version: Option<&str>) -> Refused {
        let subject = match version {
            Some(version) => format!("{} {version}", name.written()),
            None => name.written().to_owned(),
        };
        let held = self.held_back.iter().find(|h| h.name == *name && version.is_none_or(|v| v == h.version));
        let mut reason = "is not in the cleared plan".to_owned();
        if let Some(held) = held {
            reason.push_str(&format!(": {} ({})", held.reason, held.rule));
        } else {
            let mut others = self.versions(name).map(|v| &**v);
            if let Some(first) = others.next() {
                let all: Vec<&str> = std::iter::once(first).chain(others).take(5).collect();
                reason.push_str(&format!(", which has {}", all.join(", ")));
            } else if self.builds {
                reason.push_str(
                    ": something that is built from source asked for it, and none of its files says so; take a \
                     release with a wheel (`--only-binary :all:`), or name it in the command, so that it is judged too",
                );
            }
        }
        Refused { subject, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ecosystem;

    #[test]
    fn what_is_missing_says_why() {
        let name = PackageName::new(Ecosystem::Npm, "left-pad");
        let mut closed = Closed::default();
        assert_eq!(
            closed.missing(&name, Some("1.3.1")).line(),
            "tidewaiter: left-pad 1.3.1 is not in the cleared plan"
        );
        closed.by_name.entry(name.clone()).or_default().insert("1.3.0".into(), Vec::new());
        assert_eq!(
            closed.missing(&name, Some("1.3.1")).line(),
            "tidewaiter: left-pad 1.3.1 is not in the cleared plan, which has 1.3.0"
        );
        closed.held_back.push(HeldBack {
            name: name.clone(),
            version: "1.3.1".to_owned(),
            instead: None,
            rule: "cooldown",
            reason: "published 2 hours ago".to_owned(),
        });
        assert_eq!(
            closed.missing(&name, Some("1.3.1")).line(),
            "tidewaiter: left-pad 1.3.1 is not in the cleared plan: published 2 hours ago (cooldown)"
        );
    }

    #[test]
    fn hostile_names_reach_no_terminal() {
        let name = PackageName::new(Ecosystem::Npm, "a\u{1b}[2J\r\n::error::\u{202e}x");
        let line = Closed::default().missing(&name, Some("1\n")).line();
        assert!(!line.contains(['\u{1b}', '\r', '\n', '\u{202e}']), "{line:?}");
    }
}
