//! yarn through the gateway: yarn 1 here, yarn 2 and later in [`berry`]. The word is the same, so which of them answers
//! is read from the project (`yarnPath`, `packageManager`) and from the program's own package.
//!
//! Measured with 1.22. `--registry` as the last word beats variables, `.npmrc`, `.yarnrc` and the words that `.yarnrc`
//! holds; a scope's registry is a variable (`npm_config_@scope:registry`), which beats the files. A lockfile's `resolved`
//! is asked as it stands, so it names the gateway while yarn runs. yarn's cache is believed without a look, so this run
//! has an empty one of its own: what comes in comes from the gateway. It has no way to run scripts afterwards, so all of
//! it runs as code of packages does.

mod berry;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::npm::registries::{Registries, carry_lockfile, unchanged, urls_after, variables_for};
use super::npm::remote::Remote;
use super::words::Words;
use super::{Adapter, Prepared, scratch};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::Effect;
use crate::model::FileError;
use crate::toolchain;

/// The adapter of yarn.
#[derive(Debug, Clone, Copy)]
pub struct Yarn;

impl Adapter for Yarn {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let registries = Registries::of(job, gateway)?;
        match major(job, &registries) {
            0 | 1 => classic(job, gateway, registries),
            _ => berry::prepare(job, gateway, registries),
        }
    }
}

/// The first number of the yarn that answers.
fn major(job: &Job<'_>, registries: &Registries) -> u64 {
    let cwd = registries.environment.cwd.as_path();
    let ignored = job.environment.variable("YARN_IGNORE_PATH").is_some_and(|v| !matches!(v, "" | "0" | "false"));
    let file = |name: &str| cwd.ancestors().find_map(|d| job.files.read_text(&d.join(name)).ok());
    let rc = [rc_name(job), ".yarnrc"].into_iter().filter_map(file).find_map(|text| yarn_path(&text));
    if let Some(major) = rc.filter(|_| !ignored) {
        return major;
    }
    match package_of(job.program) {
        Some((name, _)) if name == "corepack" => package_manager(job, cwd).unwrap_or(1),
        Some((name, major)) if name == "yarn" || name.starts_with("@yarnpkg/") => major,
        // A program of the distribution's, or of a version manager's.
        _ => package_manager(job, cwd).unwrap_or_else(|| {
            let lock = cwd.ancestors().find_map(|d| job.files.read_text(&d.join("yarn.lock")).ok());
            let berry = lock.is_some_and(|l| l.contains("\n__metadata:")) || file(rc_name(job)).is_some();
            if berry { 4 } else { 1 }
        }),
    }
}

/// What berry calls its own file.
fn rc_name<'j>(job: &'j Job<'_>) -> &'j str {
    job.environment.variable("YARN_RC_FILENAME").filter(|name| !name.is_empty()).unwrap_or(".yarnrc.yml")
}

/// `yarnPath: .yarn/releases/yarn-4.1.0.cjs`, `yarn-path "…/yarn-1.22.0.js"`.
fn yarn_path(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| {
        let line = line.trim();
        line.strip_prefix("yarnPath:").or_else(|| line.strip_prefix("yarn-path ")).map(|v| v.trim().trim_matches('"'))
    })?;
    let file = value.rsplit(['/', '\\']).next()?;
    let version = file.strip_prefix("yarn-")?;
    Some(version.split('.').next()?.parse().unwrap_or(2))
}

/// `packageManager` of the nearest manifest: `yarn@4.1.0`.
fn package_manager(job: &Job<'_>, cwd: &Path) -> Option<u64> {
    let text = cwd.ancestors().find_map(|d| job.files.read_text(&d.join("package.json")).ok())?;
    let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
    manifest.get("packageManager")?.as_str()?.strip_prefix("yarn@")?.split('.').next()?.parse().ok()
}

/// The name and the first number of the version of the package that a program belongs to.
fn package_of(program: &Path) -> Option<(String, u64)> {
    let program = program.canonicalize().ok()?;
    let manifest = program.ancestors().skip(1).take(3).find_map(|d| std::fs::read(d.join("package.json")).ok())?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    let text = |key: &str| manifest.get(key).and_then(|v| v.as_str());
    Some((text("name")?.to_owned(), text("version")?.split('.').next()?.parse().ok()?))
}

/// Options of yarn 1 that this adapter gives itself, or that would keep it from the gateway.
const OURS: [&str; 8] = [
    "--registry",
    "--cache-folder",
    "--preferred-cache-folder",
    "--proxy",
    "--https-proxy",
    "--offline",
    "--prefer-offline",
    "--network-concurrency",
];

fn classic(job: &Job<'_>, gateway: &Gateway, registries: Registries) -> Result<Prepared, EnforceError> {
    let cache = scratch()?;
    // It makes these whatever it is asked for, and cannot in its sandbox; where this fails, it says so itself.
    for folder in data(job).iter().flat_map(|d| [d.join("global"), d.join("link")]) {
        let _ = std::fs::create_dir_all(folder);
    }
    let root = registries.nearest(&["yarn.lock"]);
    let own = registries.nearest(&["package.json"]);
    let classic = Classic { registries, cache };
    if job.invocation.effect == Effect::RunsRemote {
        return classic.remote(job);
    }
    unchanged(job, &BTreeSet::from([own.join("package.json"), root.join("package.json"), root.join("yarn.lock")]))?;
    carry_lockfile(&root.join("yarn.lock"), gateway, |text| urls_after(text, "resolved \""))?;
    let mut words = Words::new(job.arguments);
    words.remove_options(job.invocation, |f| OURS.contains(&f.name.as_str()), &[]);
    let mut step = Step::of(job);
    classic.apply(job, &mut step, words.finish());
    let mut prepared = classic.prepared(job, vec![own, root.clone()]);
    let mut places = vec![root];
    if job.invocation.global {
        let (data, programs) = global(job, &classic.registries);
        prepared.write.extend(data.iter().cloned().chain(programs));
        places.extend(data);
    }
    prepared
        .mend
        .extend(places.iter().flat_map(|d| [d.join("yarn.lock"), d.join("node_modules").join(".yarn-integrity")]));
    prepared.steps.push(step);
    prepared.keep.push(classic.cache);
    Ok(prepared)
}

/// yarn 1, and the cache of this run.
#[derive(Debug)]
struct Classic {
    registries: Registries,
    cache: tempfile::TempDir,
}

impl Classic {
    fn prepared(&self, job: &Job<'_>, mut write: Vec<PathBuf>) -> Prepared {
        write.push(self.cache.path().to_owned());
        self.registries.prepared(job, write)
    }

    /// `yarn create`.
    fn remote(self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        let remote = Remote::of(job, &["create"])?;
        let directory = Remote::project()?;
        let mut step = Step::of(job);
        step.directory = Some(directory.path().to_owned());
        let words = std::iter::once("add").chain(remote.packages.iter().map(String::as_str));
        self.apply(job, &mut step, words.map(OsString::from).collect());
        step.quiet = true;
        let mut prepared = self.prepared(job, vec![directory.path().to_owned()]);
        prepared.steps.push(step);
        prepared.keep.push(self.cache);
        prepared.then = Some(remote.then(directory));
        Ok(prepared)
    }

    /// Makes a step ask the gateway.
    fn apply(&self, job: &Job<'_>, step: &mut Step, mut words: Vec<OsString>) {
        let ours = |key: &str| OURS.contains(&format!("--{key}").as_str());
        for name in variables_for(job.environment, &["npm_config_", "yarn_"], ours) {
            step.remove(name);
        }
        for (key, value) in self.registries.plain_options() {
            // Of files that code of packages cannot read, and so this yarn cannot.
            let variable = format!("npm_config_{}", key.replace('-', "_"));
            if job.environment.variable(&variable).is_none() {
                step.set(&variable, value);
            }
        }
        step.set("npm_config_registry", &self.registries.default);
        step.set("yarn_registry", &self.registries.default);
        for (scope, url) in &self.registries.scoped {
            step.set(&format!("npm_config_{scope}:registry"), url);
        }
        if let Some(refusing) = &self.registries.refusing {
            super::refuse_through(step, refusing);
        }
        // A file that it finds and cannot read is an error to it.
        words.insert(0, "--no-default-rc".into());
        let own = [
            ("--registry", self.registries.default.clone()),
            ("--cache-folder", self.cache.path().display().to_string()),
        ];
        let refusing = self.registries.refusing.iter();
        let proxies = refusing.flat_map(|r| [("--proxy", r.clone()), ("--https-proxy", r.clone())]);
        let end = words.iter().position(|w| w == "--").unwrap_or(words.len());
        let all = own.into_iter().chain(proxies).flat_map(|(name, value)| [OsString::from(name), value.into()]);
        words.splice(end..end, all);
        if let (false, Some((node, script))) = (self.registries.scoped.is_empty(), script_of(job)) {
            // A shell in between would lose variables that it takes for misnamed.
            step.program = node;
            words.insert(0, script.into());
        }
        step.arguments = words;
        step.runs_packages = !self.registries.is_on(job, "ignore-scripts");
    }
}

/// `node` and the script behind a yarn that is started by a shell script, as its archive and distributions have it.
fn script_of(job: &Job<'_>) -> Option<(PathBuf, PathBuf)> {
    let program = job.program.canonicalize().ok()?;
    let script = program.with_file_name("yarn.js");
    (script != program && script.is_file()).then_some(())?;
    Some((toolchain::find("node", job.environment)?, script))
}

/// Where `yarn global` keeps packages, and where it links their programs.
fn global(job: &Job<'_>, registries: &Registries) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let set = |name: &str| job.environment.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = registries.path(job, "global-folder").or_else(|| data(job).map(|d| d.join("global")));
    let prefix = registries.path(job, "prefix").or_else(|| set("PREFIX"));
    let node = || {
        let node = toolchain::find("node", job.environment)?.canonicalize().ok()?;
        Some(node.parent()?.parent()?.to_owned())
    };
    (folder.into_iter().collect(), prefix.or_else(node).map(|p| p.join("bin")).into_iter().collect())
}

/// Where it keeps what is of no project.
fn data(job: &Job<'_>) -> Option<PathBuf> {
    let set = job.environment.variable("XDG_DATA_HOME").filter(|v| !v.is_empty());
    set.map(|d| PathBuf::from(d).join("yarn")).or_else(|| user_home(job).map(|h| h.join(".config").join("yarn")))
}

/// yarn 1 takes another directory for root's home.
fn user_home(job: &Job<'_>) -> Option<PathBuf> {
    #[cfg(unix)]
    if rustix::process::getuid().is_root() && job.environment.variable("FAKEROOTKEY").is_none() {
        return Some(PathBuf::from("/usr/local/share"));
    }
    job.environment.home.clone()
}

/// A file's text, when it is there and is one.
fn judged(job: &Job<'_>, path: &Path) -> Result<String, EnforceError> {
    match job.files.read_text(path) {
        Ok(text) => Ok(text),
        Err(FileError::NotFound) => Ok(String::new()),
        Err(error) => Err(EnforceError::unsupported(format!("{}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_yarn_a_project_names() {
        assert_eq!(yarn_path("a: 1\nyarnPath: .yarn/releases/yarn-4.1.0.cjs\n"), Some(4));
        assert_eq!(yarn_path("yarnPath: \".yarn/releases/yarn-berry.cjs\"\n"), Some(2));
        assert_eq!(yarn_path("yarn-path \".yarn/releases/yarn-1.22.19.js\"\n"), Some(1));
        assert_eq!(yarn_path("nodeLinker: pnp\n"), None);
        assert_eq!(yarn_path("yarnPath: x"), None);
    }
}
