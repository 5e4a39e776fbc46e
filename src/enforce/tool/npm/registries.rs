//! What pnpm, yarn and bun have in common with each other and not with npm: each of the user's registries by its own
//! URL within the gateway's, so that whatever they write of it can be mended as text; manifests and lockfiles that are
//! still as they were judged; and what came in, held against the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::planned;
use crate::ecosystem::npm::lock::{LockedPackage, LockedSource, Lockfile};
use crate::enforce::gateway::{Gateway, replace};
use crate::enforce::tool::{self, Prepared};
use crate::enforce::{EnforceError, Job, Refused, Upstream};
use crate::invocation::Tool;
use crate::model::{Diagnostic, Environment, Place, Plan};
use crate::registry::npm_config::{self, NpmConfig};
use crate::registry::npm_registry::is_public;

/// A reader of one lockfile format.
pub(in crate::enforce::tool) type Reader = fn(&Path, &str) -> (Lockfile, Vec<Diagnostic>);

/// The largest lockfile that is read: 64 MiB.
const LOCK_MAX: u64 = 64 << 20;

/// Where a command asks, and what its user has set.
#[derive(Debug)]
pub(in crate::enforce::tool) struct Registries {
    config: NpmConfig,
    /// With the directory that the tool works in.
    pub environment: Environment,
    /// The gateway's URL of the default registry, with a slash at its end.
    pub default: String,
    /// The same by scope, with its `@`.
    pub scoped: BTreeMap<String, String>,
    /// As a proxy it refuses everything; `None` where the tool itself fetches something of the plan.
    pub refusing: Option<String>,
    /// What the tool fetches itself, a sentence each.
    pub uncovered: Vec<String>,
}

impl Registries {
    /// Of a job.
    pub fn of(job: &Job<'_>, gateway: &Gateway) -> Result<Self, EnforceError> {
        if job.invocation.argv.len() != job.arguments.len() + 1 {
            return Err(EnforceError::unsupported("the command was not judged word by word"));
        }
        let Upstream::Npm { scopes, .. } = job.upstream else {
            return Err(EnforceError::unsupported(format!("{} without npm registries", job.invocation.tool.name())));
        };
        let mut environment = job.environment.clone();
        if let Some(directory) = &job.invocation.directory {
            environment.cwd = job.environment.absolute(Path::new(directory));
        }
        let sources = npm_config::Sources {
            invocation: job.invocation,
            environment: &environment,
            files: job.files,
            prefix: None,
            trusted: &|_| true,
        };
        let config = npm_config::read(sources).map_err(|e| EnforceError::unsupported(e.to_string()))?;
        let slash = |url: &str| format!("{}/", url.trim_end_matches('/'));
        let default = match job.invocation.tool {
            // Its own name for the public registry, which is what it writes into lockfiles.
            Tool::Yarn if is_public(&scopes.default) => "https://registry.yarnpkg.com/".to_owned(),
            _ => slash(scopes.default.as_str()),
        };
        let scoped =
            scopes.scoped.iter().map(|(scope, url)| (scope.clone(), gateway.carry("npm", &slash(url.as_str()))));
        let (uncovered, open) = tool::uncovered(job, job.invocation.tool.name());
        Ok(Self {
            default: gateway.carry("npm", &default),
            scoped: scoped.collect(),
            refusing: (!open).then(|| gateway.refusing_proxy()),
            uncovered,
            config,
            environment,
        })
    }

    /// What the user has set: words and variables, then files.
    pub fn value(&self, job: &Job<'_>, key: &str) -> Option<String> {
        let flag = format!("--{key}");
        let long = format!("--config.{key}");
        let given = job.invocation.flags.iter().rev().find(|f| f.name == flag || f.name == long);
        if let Some(given) = given {
            return Some(given.value.clone().unwrap_or_else(|| "true".to_owned()));
        }
        self.config.options.iter().rev().find(|o| o.name == flag).map(|o| o.value.clone())
    }

    /// Whether a switch is on.
    pub fn is_on(&self, job: &Job<'_>, key: &str) -> bool {
        self.value(job, key).is_some_and(|v| v != "false")
    }

    /// What files set and is no secret, lowest precedence first: keys and values.
    pub fn plain_options(&self) -> impl Iterator<Item = (&str, &str)> {
        let plain = |key: &str| key != "registry" && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        self.config.options.iter().filter_map(move |o| {
            let key = o.name.strip_prefix("--").filter(|key| plain(key))?;
            (!o.value.contains("****")).then_some((key, o.value.as_str()))
        })
    }

    /// A directory that the user has set for the tool to write in. A file of the project may only name one within it.
    pub fn path(&self, job: &Job<'_>, key: &str) -> Option<PathBuf> {
        let value = self.value(job, key).filter(|v| !v.is_empty())?;
        let path = match value.strip_prefix("~/") {
            Some(rest) => self.environment.home.as_ref()?.join(rest),
            None => self.environment.absolute(Path::new(&value)),
        };
        let (long, short) = (format!("--config.{key}"), format!("--{key}"));
        let by_user = job.invocation.flags.iter().any(|f| f.name == short || f.name == long);
        let file = self.config.options.iter().rev().find(|o| o.name == short).and_then(|o| o.location.path());
        let within = |path: &Path| {
            self.environment.cwd.ancestors().any(|d| d.join("package.json").is_file() && path.starts_with(d))
        };
        let trusted = by_user || file.is_some_and(|f| !within(&self.environment.absolute(f)));
        (trusted || within(&path)).then_some(path)
    }

    /// A job of these registries, without steps, that writes these places and node-gyp's.
    pub fn prepared(&self, job: &Job<'_>, mut write: Vec<PathBuf>) -> Prepared {
        write.extend(headers(job));
        Prepared {
            write,
            uncovered: self.uncovered.clone(),
            open_network: self.refusing.is_none(),
            ..Prepared::default()
        }
    }

    /// The nearest directory upwards with one of these files; the working directory where there is none.
    pub fn nearest(&self, names: &[&str]) -> PathBuf {
        let cwd = self.environment.cwd.as_path();
        let found = cwd.ancestors().find(|d| names.iter().any(|name| d.join(name).is_file()));
        found.unwrap_or(cwd).to_owned()
    }
}

/// Words that the command gave for these options are taken out by [`tool::words::Words::remove_options`]; variables
/// that set them, by their names in lower case, here.
pub(in crate::enforce::tool) fn variables_for<'e>(
    environment: &'e Environment,
    prefixes: &[&str],
    is_ours: impl Fn(&str) -> bool,
) -> Vec<&'e str> {
    let ours = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let key = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix));
        key.is_some_and(|key| {
            let key = key.replace('_', "-");
            is_ours(&key) || (key.starts_with('@') && key.ends_with(":registry"))
        })
    };
    environment.variables.keys().map(String::as_str).filter(|name| ours(name)).collect()
}

/// Where node-gyp keeps the headers of node that builds need.
pub(in crate::enforce::tool) fn headers(job: &Job<'_>) -> Option<PathBuf> {
    job.environment.home.as_ref().map(|home| home.join(".cache").join("node-gyp"))
}

/// Compares files with what was judged, right before the tool reads them.
pub(in crate::enforce::tool) fn unchanged(job: &Job<'_>, paths: &BTreeSet<PathBuf>) -> Result<(), EnforceError> {
    paths.iter().try_for_each(|path| job.unchanged(path))
}

/// The packages of a lockfile; none when there is none.
pub(in crate::enforce::tool) fn packages(path: &Path, read: Reader) -> Vec<LockedPackage> {
    if std::fs::metadata(path).map_or(true, |meta| meta.len() > LOCK_MAX) {
        return Vec::new();
    }
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    read(path, &text).0.packages
}

/// What a lockfile has that it had not before and that is not in the plan: a cache of the tool's may have had it.
pub(in crate::enforce::tool) fn unplanned(
    plan: &Plan,
    before: &[LockedPackage],
    after: &[LockedPackage],
    place: &Path,
) -> Vec<Refused> {
    let known = |p: &LockedPackage| {
        before
            .iter()
            .any(|b| b.name == p.name && b.version == p.version && b.digests == p.digests && b.source == p.source)
    };
    let of_registry =
        |p: &LockedPackage| !matches!(p.source, LockedSource::File { .. } | LockedSource::Directory { .. });
    let new = after.iter().filter(|p| of_registry(p) && !p.bundled && !known(p));
    new.filter(|p| !planned(plan, p))
        .map(|package| Refused {
            subject: format!("{} {}", package.name, package.version.as_deref().unwrap_or("?")),
            reason: format!(
                "was installed in {} and is not in the cleared plan: its files were changed meanwhile; remove it",
                place.display()
            ),
        })
        .collect()
}

/// Rewrites the URLs of a lockfile, each found by `urls` as a range of bytes, to the gateway's: the tool takes them as
/// they stand. They are mended when it has run.
pub(in crate::enforce::tool) fn carry_lockfile(
    path: &Path,
    gateway: &Gateway,
    urls: impl Fn(&str) -> Vec<std::ops::Range<usize>>,
) -> Result<(), EnforceError> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in urls(&text) {
        let Some(url) = text.get(range.clone()) else { continue };
        if let Some(carried) = gateway.carry_npm(url) {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(&carried);
            at = range.end;
        }
    }
    if at > 0 {
        out.push_str(text.get(at..).unwrap_or_default());
        replace(path, out.as_bytes()).map_err(EnforceError::io(path))?;
    }
    Ok(())
}

/// The ranges of `http` URLs that follow `key` in a text, each to the first character that ends one.
pub(in crate::enforce::tool) fn urls_after(text: &str, key: &str) -> Vec<std::ops::Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "\"',#{}".contains(c);
    let found = text.match_indices(key).filter_map(|(at, _)| {
        let start = at + key.len();
        let rest = text.get(start..)?;
        let url = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
        (url.starts_with("http://") || url.starts_with("https://")).then(|| start..start + url.len())
    });
    found.collect()
}

/// The word of the command that names what is fetched and run (`dlx WORD ARGUMENTS…`), by its index in the arguments:
/// the first behind the verb that is no option and no option's value.
pub(in crate::enforce::tool) fn program_word(job: &Job<'_>, verbs: &[&str]) -> Option<usize> {
    let argv = &job.invocation.argv;
    let verb = argv.iter().skip(1).position(|w| verbs.contains(&w.as_str())).map_or(0, |at| at + 1);
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    for flag in job.invocation.flags.iter().filter(|f| f.location.place == Place::Argv) {
        let at = flag.location.column as usize;
        taken.insert(at);
        let next = argv.get(at + 1);
        if flag.value.is_some() && next == flag.value.as_ref() && !argv.get(at).is_some_and(|w| w.contains('=')) {
            taken.insert(at + 1);
        }
    }
    let first = (verb + 1..argv.len()).find(|at| !taken.contains(at) && argv.get(*at).is_some_and(|w| w != "--"))?;
    first.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_lockfiles() {
        let text = "a: {tarball: https://h/a.tgz}\n  resolved \"https://h/b.tgz#1\"\n x tarball: file:a";
        let found =
            |key: &str| -> Vec<&str> { urls_after(text, key).into_iter().filter_map(|r| text.get(r)).collect() };
        assert_eq!(found("tarball: "), ["https://h/a.tgz"]);
        assert_eq!(found("resolved \""), ["https://h/b.tgz"]);
        assert_eq!(found("none"), [""; 0]);
    }

    proptest::proptest! {
        #[test]
        fn finding_urls_never_panics(text: String, tail in "(tarball: )?(https?://)?[ -~é]{0,20}") {
            let _ = urls_after(&text, "tarball: ");
            let _ = urls_after(&tail, "tarball: ");
        }
    }
}
