//! bun and bunx through the gateway.
//!
//! Measured with 1.4: `--config=FILE` in front of the verb takes the place of the project's `bunfig.toml` and beats
//! variables and `.npmrc`, also for scopes; so bun is given the project's own file with other registries in it. What is
//! of the public registry has no URL in bun.lock, so none stays there. bun believes what its cache holds: this run has an
//! empty one. It has no way to run scripts afterwards, so all of it runs as code of packages does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::npm::registries::{Registries, carry_lockfile, unchanged, urls_after, variables_for};
use super::npm::remote::Remote;
use super::words::Words;
use super::{Adapter, Prepared, Then, scratch};
use crate::enforce::gateway::{Gateway, replace};
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::Effect;
use crate::model::FileError;

/// The adapter of bun and bunx.
#[derive(Debug, Clone, Copy)]
pub struct Bun;

/// Options that say where packages come from.
const OURS: [&str; 4] = ["--registry", "--config", "--cache-dir", "--no-cache"];

impl Adapter for Bun {
    fn prepare(&self, job: &Job<'_>, gateway: &Gateway) -> Result<Prepared, EnforceError> {
        let registries = Registries::of(job, gateway)?;
        let root = registries.nearest(&["bun.lock"]);
        let own = registries.nearest(&["package.json"]);
        let bun = BunRun::new(job, registries)?;
        if job.invocation.effect == Effect::RunsRemote {
            return bun.remote(job);
        }
        let lockfile = root.join("bun.lock");
        let files = [own.join("package.json"), root.join("package.json"), lockfile.clone()];
        unchanged(job, &files.into_iter().collect::<BTreeSet<_>>())?;
        carry_lockfile(&lockfile, gateway, |text| urls_after(text, "\", \""))?;
        let mut words = Words::new(job.arguments);
        words.remove_options(job.invocation, |f| OURS.contains(&f.name.as_str()), &['c']);
        let mut step = Step::of(job);
        bun.apply(job, &mut step, words.finish());
        let mut prepared = bun.prepared(job, vec![own, root]);
        if job.invocation.global {
            let home = || job.environment.home.as_ref().map(|h| h.join(".bun"));
            let set = job.environment.variable("BUN_INSTALL").map(PathBuf::from).or_else(home);
            prepared.write.extend(set.iter().flat_map(|d| [d.join("install").join("global"), d.join("bin")]));
        }
        prepared.steps.push(step);
        prepared.mend.push(lockfile.clone());
        prepared.then = Some(Then::new(move |_: &Job<'_>, gateway| {
            if let Some(gateway) = gateway {
                // A lockfile that cannot be mended is said when all is over.
                let _ = gateway.mend(&lockfile);
            }
            forget_public(&lockfile);
            Ok(Prepared { keep: vec![bun.directory], ..Prepared::default() })
        }));
        Ok(prepared)
    }
}

/// bun, with its configuration and cache for one run.
#[derive(Debug)]
struct BunRun {
    registries: Registries,
    directory: tempfile::TempDir,
}

impl BunRun {
    fn new(job: &Job<'_>, registries: Registries) -> Result<Self, EnforceError> {
        let directory = scratch()?;
        let given = job.invocation.flag("--config").and_then(|f| f.value.clone());
        let path = registries.environment.absolute(Path::new(given.as_deref().unwrap_or("bunfig.toml")));
        let text = match job.files.read_text(&path) {
            Ok(text) => text,
            Err(FileError::NotFound) => String::new(),
            Err(error) => return Err(EnforceError::unsupported(format!("{}: {error}", path.display()))),
        };
        let mut root: Table =
            text.parse().map_err(|_| EnforceError::unsupported(format!("{} is not TOML", path.display())))?;
        let install = root.entry("install").or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(install) = install else {
            return Err(EnforceError::unsupported(format!("{} has no table `install`", path.display())));
        };
        let scopes = registries.scoped.iter();
        let scopes: Table =
            scopes.map(|(s, url)| (s.trim_start_matches('@').to_owned(), Value::String(url.clone()))).collect();
        install.insert("registry".to_owned(), Value::String(registries.default.clone()));
        install.insert("scopes".to_owned(), Value::Table(scopes));
        install.remove("cache");
        let out = Self { registries, directory };
        let file = out.configuration();
        std::fs::write(&file, root.to_string()).map_err(EnforceError::io(&file))?;
        Ok(out)
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("bunfig.toml")
    }

    fn prepared(&self, job: &Job<'_>, mut write: Vec<PathBuf>) -> Prepared {
        write.push(self.directory.path().to_owned());
        self.registries.prepared(job, write)
    }

    /// Makes a step ask the gateway.
    fn apply(&self, job: &Job<'_>, step: &mut Step, words: Vec<OsString>) {
        for name in variables_for(job.environment, &["npm_config_", "bun_config_"], |key| key == "registry") {
            step.remove(name);
        }
        step.set("BUN_INSTALL_CACHE_DIR", self.directory.path().join("cache"));
        step.set("DO_NOT_TRACK", "1");
        if let Some(refusing) = &self.registries.refusing {
            super::refuse_through(step, refusing);
        }
        step.arguments = vec![format!("--config={}", self.configuration().display()).into()];
        step.arguments.extend(words);
        step.runs_packages = !self.registries.is_on(job, "ignore-scripts");
    }

    /// `bunx`, `bun x`, `bun create`.
    fn remote(self, job: &Job<'_>) -> Result<Prepared, EnforceError> {
        let remote = Remote::of(job, &["x", "create", "c"])?;
        let project = Remote::project()?;
        let mut step = Step::of(job);
        if let Some(name) = job.program.file_name().and_then(|n| n.to_str()).filter(|n| n.starts_with("bunx")) {
            step.program = job.program.with_file_name(name.replacen("bunx", "bun", 1));
        }
        step.directory = Some(project.path().to_owned());
        let words = std::iter::once("add").chain(remote.packages.iter().map(String::as_str));
        self.apply(job, &mut step, words.map(OsString::from).collect());
        step.quiet = true;
        let mut prepared = self.prepared(job, vec![project.path().to_owned()]);
        prepared.steps.push(step);
        prepared.keep.push(self.directory);
        prepared.then = Some(remote.then(project));
        Ok(prepared)
    }
}

/// bun writes no URL for what is of the public registry and lies where that has it.
fn forget_public(lockfile: &Path) {
    let Ok(text) = std::fs::read_to_string(lockfile) else { return };
    let plain = without_public(&text);
    if plain != text {
        // With the URL it means the same.
        let _ = replace(lockfile, plain.as_bytes());
    }
}

fn without_public(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in urls_after(text, "\", \"") {
        let url = text.get(range.clone()).unwrap_or_default();
        if url.starts_with(crate::registry::NPM_DEFAULT) && url.contains("/-/") {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            at = range.end;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_public_registry_are_not_written() {
        let text = "  \"a\": [\"a@1.0.0\", \"https://registry.npmjs.org/a/-/a-1.0.0.tgz\", {}, \"sha512-x\"],\n  \"b\": [\"b@1.0.0\", \"https://h/b.tgz\", {}]";
        let expected =
            "  \"a\": [\"a@1.0.0\", \"\", {}, \"sha512-x\"],\n  \"b\": [\"b@1.0.0\", \"https://h/b.tgz\", {}]";
        assert_eq!(without_public(text), expected);
        assert_eq!(without_public(expected), expected);
    }
}
