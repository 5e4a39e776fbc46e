//! yarn 2 and later through the gateway.
//!
//! Measured with 2.4, 3.8 and 4.18. `YARN_NPM_REGISTRY_SERVER` beats every `.yarnrc.yml`; nothing of the like is there
//! for `npmScopes`, `networkSettings` and what else is a table. So yarn is given a plugin of ours, which answers for
//! these settings. A lockfile names no registry, unless a tarball lies elsewhere than registries have them; then its
//! URL is a part of the package's identity, and of file names, and cannot be mended: that is refused.
//!
//! The cache goes by checksums that the lockfile holds. Scripts are off unless some were cleared; where they run, yarn
//! and they have the installer's sandbox, for yarn reads its settings in files that are kept from code of packages, and
//! no secrets in variables.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{judged, rc_name};
use crate::ecosystem::npm::lock::LockedPackage;
use crate::ecosystem::npm::yarn_lock;
use crate::enforce::gateway::Gateway;
use crate::enforce::sandbox::{Level, environment::Scrubber};
use crate::enforce::tool::npm::registries::{Registries, packages, unchanged, unplanned};
use crate::enforce::tool::npm::remote::Remote;
use crate::enforce::tool::words::Words;
use crate::enforce::tool::{Prepared, Then, refuse_through, scratch};
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::Effect;
use crate::model::{Package, Source};

pub(super) fn prepare(job: &Job<'_>, gateway: &Gateway, registries: Registries) -> Result<Prepared, EnforceError> {
    usual_places(job)?;
    let root = registries.nearest(&["yarn.lock"]);
    let own = registries.nearest(&["package.json"]);
    let files = ["package.json", "yarn.lock", rc_name(job)].into_iter().map(|name| root.join(name));
    unchanged(job, &files.chain([own.join("package.json")]).collect::<BTreeSet<_>>())?;
    let berry = Berry::new(registries, gateway)?;
    if job.invocation.effect == Effect::RunsRemote {
        return berry.remote(job);
    }
    let mut words = Words::new(job.arguments);
    words.remove_options(job.invocation, |f| f.name == "--registry", &[]);
    let mut step = Step::of(job);
    step.arguments = words.finish();
    berry.apply(job, &mut step);
    let lockfile = root.join("yarn.lock");
    let before = yarn_lock::read(&lockfile, &judged(job, &lockfile)?).0.packages;
    let mut prepared = berry.prepared(job, vec![own, root]);
    prepared.mend.push(lockfile.clone());
    prepared.steps.push(step);
    prepared.then = Some(Then::new(move |job: &Job<'_>, _| Ok(berry.held(job, &before, &lockfile))));
    Ok(prepared)
}

/// Refuses what yarn would know by the gateway's URL for good.
fn usual_places(job: &Job<'_>) -> Result<(), EnforceError> {
    let crate::enforce::Upstream::Npm { scopes, .. } = job.upstream else { return Ok(()) };
    let same = |url: &str| {
        url.replace("%2f", "/").replace("%2F", "/").replacen(
            "https://registry.npmjs.org/",
            "https://registry.yarnpkg.com/",
            1,
        )
    };
    let odd = |package: &&Package| {
        let base = scopes.url_of(&package.id.name).as_str().trim_end_matches('/');
        let name = package.id.name.written();
        let last = name.rsplit('/').next().unwrap_or(name);
        let usual = same(&format!("{base}/{name}/-/{last}-{}.tgz", package.id.version));
        matches!(package.source, Source::Registry { .. })
            && package.artifacts.iter().any(|a| same(&a.url) != usual && a.url.starts_with("http"))
    };
    match job.judgement.plan.packages.iter().find(odd) {
        None => Ok(()),
        Some(package) => Err(EnforceError::unsupported(format!(
            "the registry has {} {} at an unusual URL, which yarn 2 and later make part of its name; use npm or pnpm for it",
            package.id.name, package.id.version
        ))),
    }
}

/// yarn 2 or later, and our plugin.
#[derive(Debug)]
struct Berry {
    registries: Registries,
    directory: tempfile::TempDir,
}

impl Berry {
    fn new(registries: Registries, gateway: &Gateway) -> Result<Self, EnforceError> {
        let directory = scratch()?;
        let out = Self { registries, directory };
        let path = out.plugin();
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        let scopes: BTreeMap<String, String> =
            out.registries.scoped.iter().map(|(s, url)| (s.trim_start_matches('@').to_owned(), bare(url))).collect();
        let text = PLUGIN
            .replace("SCOPES", &serde_json::to_string(&scopes).unwrap_or_default())
            .replace("DEFAULT", &serde_json::to_string(&bare(&out.registries.default)).unwrap_or_default())
            .replace("REFUSING", &serde_json::to_string(&gateway.refusing_proxy()).unwrap_or_default());
        std::fs::write(&path, text).map_err(EnforceError::io(&path))?;
        Ok(out)
    }

    fn plugin(&self) -> PathBuf {
        self.directory.path().join("tidewaiter.cjs")
    }

    fn prepared(&self, job: &Job<'_>, mut write: Vec<PathBuf>) -> Prepared {
        write.extend(self.folders(job));
        self.registries.prepared(job, write)
    }

    /// yarn's own directory, and its cache where that is set.
    fn folders(&self, job: &Job<'_>) -> Vec<PathBuf> {
        let named = |name: &str| job.environment.variable(name).filter(|v| !v.is_empty());
        let absolute = |path: &str| self.registries.environment.absolute(Path::new(path));
        let data = || named("XDG_DATA_HOME").map(|d| absolute(d).join("yarn").join("berry"));
        let home = || data().or_else(|| job.environment.home.as_ref().map(|h| h.join(".yarn").join("berry")));
        let own = named("YARN_GLOBAL_FOLDER").map(absolute);
        let own = own.or_else(|| self.registries.path(job, "global-folder")).or_else(home);
        let cache = named("YARN_CACHE_FOLDER").map(absolute).or_else(|| self.registries.path(job, "cache-folder"));
        own.into_iter().chain(cache).collect()
    }

    /// Takes away what yarn remembers of registries on this machine by their host alone: it would believe the last run.
    fn forget(&self, job: &Job<'_>) {
        for folder in self.folders(job) {
            for layout in std::fs::read_dir(folder.join("metadata").join("npm")).into_iter().flatten().flatten() {
                // It is not there, most often.
                let _ = std::fs::remove_dir_all(layout.path().join("127.0.0.1"));
            }
        }
    }

    /// Makes a step ask the gateway.
    fn apply(&self, job: &Job<'_>, step: &mut Step) {
        for name in job.environment.variables.keys() {
            let lower = name.to_ascii_lowercase();
            if matches!(lower.as_str(), "yarn_npm_registry_server" | "yarn_http_proxy" | "yarn_https_proxy") {
                step.remove(name);
            }
        }
        self.forget(job);
        step.set("YARN_NPM_REGISTRY_SERVER", self.registries.default.trim_end_matches('/'));
        step.set("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1");
        step.set("YARN_ENABLE_TELEMETRY", "0");
        step.set("YARN_HTTP_RETRY", "0");
        let own = job.environment.variable("YARN_PLUGINS").filter(|v| !v.is_empty());
        let ours = self.plugin().display().to_string();
        step.set("YARN_PLUGINS", own.map_or(ours.clone(), |own| format!("{own};{ours}")));
        if let Some(refusing) = &self.registries.refusing {
            refuse_through(step, refusing);
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
                // It would ask the gateway itself through it, by `CONNECT`.
                step.remove(name);
            }
        }
        let runs = job.judgement.plan.packages.iter().any(|p| !p.executes.is_empty() && p.source.is_registry());
        if !runs || self.registries.is_on(job, "ignore-scripts") {
            step.set("YARN_ENABLE_SCRIPTS", "0");
        }
        // Code of packages or of the project may run in it. Settings may name these variables, so they stay, empty.
        let scrubber = Scrubber::new(Level::Script);
        for (name, value) in &job.environment.variables {
            if !scrubber.keeps(name.as_ref(), value.as_ref()) && !step.changes.contains_key(name) {
                step.set(name, "");
            }
        }
    }

    /// Holds what is new in the lockfile against the plan.
    fn held(self, job: &Job<'_>, before: &[LockedPackage], lockfile: &Path) -> Prepared {
        self.forget(job);
        let place = lockfile.parent().unwrap_or(lockfile);
        let wrong = unplanned(&job.judgement.plan, before, &packages(lockfile, yarn_lock::read), place);
        Prepared { wrong, keep: vec![self.directory], ..Prepared::default() }
    }

    /// `yarn dlx`, `yarn create`.
    fn remote(self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        let remote = Remote::of(job, &["dlx", "create"])?;
        let project = Remote::project()?;
        let lockfile = project.path().join("yarn.lock");
        std::fs::write(&lockfile, "").map_err(EnforceError::io(&lockfile))?;
        let mut step = Step::of(job);
        step.directory = Some(project.path().to_owned());
        step.arguments = vec!["add".into()];
        step.arguments.extend(remote.packages.iter().map(OsString::from));
        self.apply(job, &mut step);
        step.set("YARN_NODE_LINKER", "node-modules");
        step.set("YARN_ENABLE_IMMUTABLE_INSTALLS", "0");
        step.quiet = true;
        let mut prepared = self.prepared(job, vec![project.path().to_owned()]);
        prepared.steps.push(step);
        prepared.then = Some(Then::new(move |job: &Job<'_>, _| {
            let mut next = self.held(job, &[], &lockfile);
            if next.wrong.is_empty() {
                remote.run(job, project.path(), &mut next)?;
            }
            next.keep.push(project);
            Ok(next)
        }));
        Ok(prepared)
    }
}

/// Answers for the settings that no variable can set.
const PLUGIN: &str = r"// yarn 2 asks for it when it starts, and a confined one is not told.
require('os').networkInterfaces = () => ({});
module.exports = {
  name: 'plugin-tidewaiter',
  factory: require => {
    const {Configuration} = require('@yarnpkg/core');
    const own = Configuration.prototype.get;
    const scopes = SCOPES;
    const set = {npmRegistryServer: DEFAULT, httpProxy: null, httpsProxy: REFUSING};
    Configuration.prototype.get = function (key) {
      if (key in set) return set[key];
      const value = own.call(this, key);
      if (key === 'networkSettings') return new Map();
      if (key !== 'npmScopes') return value;
      const out = new Map();
      for (const [scope, settings] of value)
        out.set(scope, new Map(settings).set('npmRegistryServer', scopes[scope] || DEFAULT));
      return out;
    };
    return {};
  },
};
";
