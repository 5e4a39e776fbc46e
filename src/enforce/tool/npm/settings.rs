//! What npm is told so that it asks the gateway: settings in, variables and words out.
//!
//! Variables beat every `.npmrc`, and words beat variables. So the settings are variables, under which no file is heard,
//! and a word of the command line that sets one of them is rewritten where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::enforce::gateway::Gateway;
use crate::enforce::tool::{
    self,
    words::{Words, index},
};
use crate::enforce::{EnforceError, Job, Step};
use crate::model::{Environment, Source};
use crate::registry::npm_config::{self, NpmConfig};

/// The first npm whose own limits on sources other than registries are known to hold at every depth.
const LIMITS_SOURCES: (u64, u64) = (11, 19);

/// What npm is told, and where it works.
#[derive(Debug)]
pub(super) struct Settings {
    /// By npm's own key.
    overrides: BTreeMap<String, String>,
    /// The proxy that refuses everything.
    refusing: Option<String>,
    config: NpmConfig,
    /// The project's directory, and behind it the workspace's when it is a member of one.
    pub roots: Vec<PathBuf>,
    /// npm's cache directory.
    pub cache: Option<PathBuf>,
    /// What npm writes.
    pub write: Vec<PathBuf>,
    /// Outside of any project.
    pub global: bool,
    /// What npm fetches from others than registries, a sentence each.
    pub uncovered: Vec<String>,
    /// It needs the network for that.
    pub open_network: bool,
}

/// Where npm gets its packages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// It asks the gateway.
    Gateway(&'a Gateway),
    /// It asks nobody: all that it can have is in this cache.
    Cache(&'a Path),
}

impl Settings {
    pub fn of(job: &Job<'_>, way: Way<'_>) -> Result<Self, EnforceError> {
        let invocation = job.invocation;
        let mut environment = job.environment.clone();
        if let Some(directory) = &invocation.directory {
            environment.cwd = job.environment.absolute(Path::new(directory));
        }
        let sources = npm_config::Sources {
            invocation,
            environment: &environment,
            files: job.files,
            prefix: None,
            trusted: &|_| true,
        };
        let config = npm_config::read(sources).map_err(|e| EnforceError::unsupported(e.to_string()))?;
        let roots = roots(&environment);
        let (uncovered, open_network) = tool::uncovered(job, "npm");
        let mut out = Self {
            overrides: BTreeMap::new(),
            refusing: None,
            config,
            roots,
            cache: None,
            write: Vec::new(),
            global: invocation.global,
            uncovered,
            open_network,
        };
        out.cache = match way {
            Way::Cache(cache) => Some(cache.to_owned()),
            Way::Gateway(_) => npm_config::cache(&out.config.options, invocation, &environment),
        };
        out.write.extend(out.roots.iter().cloned());
        out.write.extend(out.cache.clone());
        if invocation.verb == "pack" {
            out.write.push(environment.cwd.clone());
        }
        if out.global || matches!(invocation.verb.as_str(), "link") {
            let given = out.value(job, "prefix").map(|p| environment.absolute(Path::new(&p)));
            out.write.extend(given.or_else(|| global_prefix(job.program)));
        }
        match way {
            Way::Gateway(gateway) => out.point(job, gateway),
            Way::Cache(cache) => {
                out.set("cache", &cache.display().to_string());
                out.set("offline", "true");
                // It would pass the cache by.
                out.set("prefer-online", "false");
            }
        }
        out.point_anywhere(job);
        Ok(out)
    }

    fn point(&mut self, job: &Job<'_>, gateway: &Gateway) {
        let registry = gateway.url("npm/");
        let planned = || job.judgement.plan.packages.iter();
        let public = |url: &str| url.starts_with("https://registry.npmjs.org/");
        let elsewhere = planned().flat_map(|p| &p.artifacts).any(|a| !public(&a.url));
        let mut scopes: BTreeSet<String> = self.config.scopes.scoped.keys().cloned().collect();
        let scope = |name: &str| name.split_once('/').map(|(scope, _)| scope.to_owned()).filter(|s| s.starts_with('@'));
        scopes.extend(planned().filter_map(|p| scope(p.id.name.written())));
        let (refusing, open) = (gateway.refusing_proxy(), self.open_network);
        self.refusing = (!open).then(|| refusing.clone());
        let mut set = |key: &str, value: &str| self.overrides.insert(key.to_owned(), value.to_owned());
        for scope in scopes {
            set(&format!("{scope}:registry"), &registry);
        }
        set("registry", &registry);
        set(&format!("//{}/:_authToken", gateway.authority()), gateway.token());
        set("replace-registry-host", if elsewhere { "always" } else { "npmjs" });
        // Whatever is not the gateway is asked for through a proxy that says no.
        set("noproxy", "127.0.0.1");
        if !open {
            set("proxy", &refusing);
            set("https-proxy", &refusing);
        }
    }

    /// What holds wherever packages come from.
    fn point_anywhere(&mut self, job: &Job<'_>) {
        let planned = || job.judgement.plan.packages.iter();
        // Fetching a mere archive is something "remote" to npm, wherever it comes from; to write a lockfile alone, it
        // looks into what has others bundled.
        let archive =
            matches!(job.invocation.verb.as_str(), "pack" | "cache add") || self.is_on(job, "package-lock-only");
        let mut set = |key: &str, value: &str| self.overrides.insert(key.to_owned(), value.to_owned());
        // Nothing is lost on the way to the loopback, and a refusal is final.
        set("fetch-retries", "0");
        set("ignore-scripts", "true");
        // Questions that are not about this install.
        set("audit", "false");
        set("update-notifier", "false");
        if !archive && version_of(job.program).is_some_and(|v| v >= LIMITS_SOURCES) {
            if !planned().any(|p| matches!(p.source, Source::Git { .. })) {
                set("allow-git", "none");
            }
            if !planned().any(|p| matches!(p.source, Source::Url { .. })) {
                set("allow-remote", "none");
            }
        }
    }

    /// One more setting.
    pub fn set(&mut self, key: &str, value: &str) {
        self.overrides.insert(key.to_owned(), value.to_owned());
    }

    /// npm's scripts are as the user has them, and this is what it starts them with.
    pub fn note_scripts(&mut self, shell: &Path) {
        self.overrides.remove("ignore-scripts");
        self.set("script-shell", &shell.display().to_string());
    }

    /// Where npm keeps what it fetched.
    pub fn cacache(&self) -> Option<PathBuf> {
        self.cache.as_ref().map(|cache| cache.join("_cacache"))
    }

    /// What the user has set, wherever: words, then variables, then files.
    pub fn value(&self, job: &Job<'_>, key: &str) -> Option<String> {
        npm_config::value(&self.config.options, job.invocation, key)
    }

    /// What npm would tell a program in a variable of this name, for what words and files say.
    pub fn told(&self, job: &Job<'_>, variable: &str) -> Option<String> {
        let key = key_of(variable).filter(|key| !key.starts_with(['/', '@', '_']))?;
        // Credentials were taken out of it, so it is not what it was.
        self.value(job, &key).filter(|value| !value.contains("****"))
    }

    /// What npm itself puts into a variable of this name for the scripts that it runs, where words and files are the
    /// user's own: settings that are not the default's, and what variables did not say already.
    pub fn exported(&self, job: &Job<'_>, variable: &str) -> Option<String> {
        let key = key_of(variable).filter(|key| !key.starts_with(['/', '@', '_']))?;
        if variable != self::variable(&key) {
            return None;
        }
        let flag = format!("--{key}");
        let mut flags = job.invocation.flags.iter().rev().filter(|f| f.name == flag);
        let word = flags.find(|f| index(&f.location).is_some()).map(|f| f.value.as_deref().unwrap_or("true"));
        let given = |(name, value): (&String, &String)| {
            (key_of(name).as_ref() == Some(&key) && !value.is_empty()).then(|| exported(&key, value))
        };
        let of_variable = job.environment.variables.iter().find_map(given);
        let of_file = self.config.options.iter().rev().find(|o| o.name == flag).map(|o| exported(&key, &o.value));
        let default = match key.as_str() {
            "cache" => {
                npm_config::default_cache(job.environment).map(|path| path.display().to_string()).unwrap_or_default()
            }
            _ => DEFAULTS.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| *value).to_owned(),
        };
        let always = matches!(key.as_str(), "cache" | "noproxy");
        let value = match (word, of_variable, of_file) {
            (Some(word), variable, file) => {
                let below = variable.or(file);
                let word = exported(&key, word);
                (word != default || below.is_some_and(|below| below != default)).then_some(word)
            }
            (None, Some(_), _) => None,
            (None, None, Some(file)) => (file != default || always).then_some(file),
            (None, None, None) => always.then_some(default),
        };
        // Credentials were taken out of it, so it is not what it was.
        value.filter(|value| !value.contains("****"))
    }

    /// Whether a switch is on.
    pub fn is_on(&self, job: &Job<'_>, key: &str) -> bool {
        self.value(job, key).is_some_and(|v| v != "false")
    }

    /// What files say of these keys, as variables: for a process that cannot read the files.
    pub fn forward(&self, job: &Job<'_>, keys: &[&str], step: &mut Step) {
        for key in keys {
            if let Some(value) = self.value(job, key) {
                step.set(&variable(key), value);
            }
        }
    }

    /// Makes a step of the user's command ask the gateway.
    pub fn apply(&self, job: &Job<'_>, step: &mut Step) -> Result<(), EnforceError> {
        for name in job.environment.variables.keys() {
            if let Some(key) = key_of(name)
                && (self.overrides.contains_key(&key) || is_scope(&key))
            {
                step.remove(name);
            }
        }
        let mut words = rewritten(job, &self.overrides)?;
        for (key, value) in &self.overrides {
            if survives_as_variable(key) {
                step.set(&variable(key), value);
            } else {
                words.insert(0, format!("--{key}={value}").into());
            }
        }
        if let Some(refusing) = &self.refusing {
            // For git and whatever else npm starts.
            tool::refuse_through(step, refusing);
        }
        let processors = std::thread::available_parallelism().map_or(THREADS_UNTOLD, std::num::NonZero::get);
        if let Some(threads) = threads(processors, job.environment.variable(THREADS)) {
            step.set(THREADS, threads.to_string());
        }
        step.arguments = words;
        Ok(())
    }
}

/// How many threads node has for its files (libuv's documentation, "Thread pool work scheduling").
const THREADS: &str = "UV_THREADPOOL_SIZE";
/// That many without being told.
const THREADS_UNTOLD: usize = 4;

/// As many threads as there are processors, and at least two: more of them hinder each other where npm unpacks thousands of
/// files. `None`: node has no more than that by itself, or the user says how many (`told`).
fn threads(processors: usize, told: Option<&str>) -> Option<usize> {
    (processors < THREADS_UNTOLD && told.is_none()).then(|| processors.max(2))
}

/// What npm has for the settings of ours that are not off or empty by default.
const DEFAULTS: [(&str, &str); 7] = [
    ("registry", "https://registry.npmjs.org/"),
    ("replace-registry-host", "npmjs"),
    ("fetch-retries", "2"),
    ("audit", "true"),
    ("update-notifier", "true"),
    ("allow-git", "all"),
    ("allow-remote", "all"),
];

/// A setting's value as npm writes it into a variable.
fn exported(key: &str, value: &str) -> String {
    match key {
        _ if matches!(value, "false" | "null") => String::new(),
        "registry" | "proxy" | "https-proxy" => url::Url::parse(value).map_or(value.to_owned(), |url| url.to_string()),
        _ => value.to_owned(),
    }
}

/// The directory of the project that npm works in, and behind it the workspace's root: where npm looks for them.
fn roots(environment: &Environment) -> Vec<PathBuf> {
    let cwd = environment.cwd.as_path();
    let is_project = |d: &&Path| d.join("package.json").is_file() || d.join("node_modules").is_dir();
    let own = cwd.ancestors().find(is_project).unwrap_or(cwd);
    let workspace = own.ancestors().skip(1).find(|d| {
        let manifest = std::fs::read(d.join("package.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
        manifest.get("workspaces").is_some()
    });
    let mut out = vec![own.to_owned()];
    out.extend(workspace.map(Path::to_owned));
    out
}

/// npm's global prefix by its own place: node's, two above the program.
fn global_prefix(program: &Path) -> Option<PathBuf> {
    program.parent()?.parent().map(Path::to_owned)
}

/// npm's version, from the package that the program belongs to.
pub(super) fn version_of(program: &Path) -> Option<(u64, u64)> {
    let program = program.canonicalize().ok()?;
    let manifest = std::fs::read(program.parent()?.parent()?.join("package.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    let mut parts = manifest.get("version")?.as_str()?.split('.').map(str::parse::<u64>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// The key that npm reads from a variable's name.
fn key_of(variable: &str) -> Option<String> {
    let prefix = variable.get(..11).filter(|p| p.eq_ignore_ascii_case("npm_config_"))?;
    let key = variable.get(prefix.len()..)?;
    if key.starts_with("//") {
        return Some(key.to_owned());
    }
    let key = key.to_ascii_lowercase();
    let (lead, rest) = if key.starts_with('_') { key.split_at(1) } else { ("", key.as_str()) };
    Some(format!("{lead}{}", rest.replace('_', "-")))
}

/// The variable for a key.
pub(super) fn variable(key: &str) -> String {
    match key.starts_with(['/', '@']) {
        true => format!("npm_config_{key}"),
        false => format!("npm_config_{}", key.replace('-', "_")),
    }
}

/// npm makes dashes of a variable's underscores and small letters of its capitals, also in a scope.
fn survives_as_variable(key: &str) -> bool {
    !key.starts_with('@') || key_of(&variable(key)).as_deref() == Some(key)
}

fn is_scope(key: &str) -> bool {
    key.starts_with('@') && key.ends_with(":registry")
}

/// The command's words, with those that set one of the settings set to it.
fn rewritten(job: &Job<'_>, overrides: &BTreeMap<String, String>) -> Result<Vec<OsString>, EnforceError> {
    if job.invocation.argv.len() != job.arguments.len() + 1 {
        return Err(EnforceError::unsupported("the command was not judged word by word"));
    }
    let mut words = Words::new(job.arguments);
    for flag in &job.invocation.flags {
        let key = flag.name.trim_start_matches('-');
        let (Some(value), Some(at)) = (overrides.get(key), index(&flag.location)) else { continue };
        let Some(word) = words.shown(at) else { continue };
        words.set(at, Some(format!("--{key}={value}").into()));
        let switch = |next: &str| next == "true" || next == "false";
        let takes = |next: &str| flag.value.as_deref() == Some(next) || (overrides_switch(key) && switch(next));
        if !word.contains('=') && words.shown(at + 1).is_some_and(|next| takes(&next)) {
            words.remove(at + 1);
        }
    }
    Ok(words.finish())
}

/// Whether a setting is a switch, whose value may be a word of its own.
fn overrides_switch(key: &str) -> bool {
    matches!(key, "ignore-scripts" | "audit" | "update-notifier" | "offline" | "prefer-online")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_as_npm_reads_them() {
        for (variable, key) in [
            ("npm_config_registry", "registry"),
            ("NPM_CONFIG_Replace_Registry_Host", "replace-registry-host"),
            ("npm_config__auth", "_auth"),
            ("npm_config_@acme:registry", "@acme:registry"),
            ("npm_config_//h:1/:_authToken", "//h:1/:_authToken"),
        ] {
            assert_eq!(key_of(variable).as_deref(), Some(key));
        }
        assert_eq!(key_of("npm_confi"), None);
        assert_eq!(key_of("PATH"), None);
        assert_eq!(variable("replace-registry-host"), "npm_config_replace_registry_host");
        assert!(survives_as_variable("@acme:registry") && survives_as_variable("//h/:_authToken"));
        assert!(!survives_as_variable("@my_scope:registry") && !survives_as_variable("@Acme:registry"));
    }

    #[test]
    fn node_has_no_more_threads_than_there_are_processors_unless_it_is_told() {
        let many = |told| [1, 2, 3, 4, 64].map(|processors| threads(processors, told));
        assert_eq!(many(None), [Some(2), Some(2), Some(3), None, None]);
        assert_eq!(many(Some("16")), [None; 5]);
    }
}
