//! What pnpm does before it runs a script or a program of the project: 11 and later look whether `node_modules` is what the
//! manifests, the lockfile and some twenty settings say, and install what is not, by their own entry script, which no link
//! sees (`verify-deps-before-run`, `install` by default since 11; 10 does it where it is told to; 11.28, 12.21, 10.34).
//!
//! In: an invocation that runs something, variables, the project's files, and the version of the pnpm that would start.
//! Out: what that setting has to be for this one run, so that pnpm's own look, which is exact, stays, and installs
//! nothing; and, where nothing of that holds pnpm back, whether it would install.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Effect, Invocation, Tool};
use crate::ecosystem::ini;
use crate::ecosystem::npm::{pnpm_lock, semver, yaml};
use crate::model::{Environment, Files};

/// The variable, which beats files in each version, and option words in a workspace.
pub const VARIABLE: &str = "pnpm_config_verify_deps_before_run";

/// What a place says of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// `install`, `prompt`.
    Installs,
    /// `false`, `warn`, `error`.
    Not,
    /// The place has it, or may have it, and cannot be read.
    Unclear,
}

/// Whether pnpm would look before it runs this.
pub fn looks(invocation: &Invocation) -> bool {
    invocation.tool == Tool::Pnpm
        && invocation.effect == Effect::Nothing
        && matches!(invocation.verb.as_str(), "run" | "exec")
}

/// The value of [`VARIABLE`] for a run: `error`, and pnpm says what is missing and that `pnpm install` brings it in, which
/// is judged; `warn` where it is only possible that it would install (its version is not known): it runs as an older one
/// would. `None`: it installs nothing by itself. `own` is the major version of the pnpm that starts.
pub fn instead(
    invocation: &Invocation,
    environment: &Environment,
    files: &dyn Files,
    own: Option<u64>,
) -> Option<&'static str> {
    if !looks(invocation) {
        return None;
    }
    let (installs, maybe) = ("error", "warn");
    if let Some(said) = by_variable(invocation, environment) {
        return match said {
            Said::Installs => Some(installs),
            Said::Unclear => Some(maybe),
            Said::Not => None,
        };
    }
    let directory = directory(invocation, environment);
    let all = by_files(&directory, environment, files);
    if all.contains(&Said::Installs) {
        return Some(installs);
    }
    if all.contains(&Said::Unclear) {
        return Some(maybe);
    }
    if all.contains(&Said::Not) {
        return None;
    }
    match (own, named(&directory, files)) {
        (Some(own), Named::Nothing) if own < 11 => None,
        (Some(own), Named::Major(named)) if own < 11 && named < 11 => None,
        (Some(11..), Named::Nothing | Named::Major(11..)) => Some(installs),
        _ => Some(maybe),
    }
}

/// Whether pnpm would install before it runs this, where nothing holds it back: for those who judge a command and do not
/// run it. Of a tree that is there, it is seen what it lacks of the manifests of the project or of all in its workspace,
/// what it has in a version that they do not admit, and what it lacks of the lockfile.
pub(super) fn installs(
    invocation: &Invocation,
    environment: &Environment,
    files: &dyn Files,
    members: &dyn Fn(&Path) -> Vec<PathBuf>,
) -> bool {
    if instead(invocation, environment, files, None).is_none() {
        return false;
    }
    let directory = directory(invocation, environment);
    if matches!(named(&directory, files), Named::Major(..11)) {
        return false;
    }
    let root = directory.ancestors().find(|d| files.is_file(&d.join("pnpm-workspace.yaml")));
    // It looks at all projects of a workspace, whichever the command is for (10.34).
    let mut all: Vec<PathBuf> = nearest(&directory, files).map(|(near, _)| near.to_owned()).into_iter().collect();
    if let Some(root) = root {
        all.push(root.to_owned());
        all.extend(members(root));
    }
    let rules = Rules::of(root.or(all.first().map(PathBuf::as_path)), files);
    let locked = root.or(all.first().map(PathBuf::as_path));
    all.iter().any(|project| manifest(project, files).is_some_and(|m| lacks(project, &m, &rules, files)))
        || locked.is_some_and(|root| behind(root, files).unwrap_or(false))
}

/// Whether the lockfile has something that was not installed with the one that pnpm keeps of what is there; what is
/// optional may be for other systems.
fn behind(root: &Path, files: &dyn Files) -> Option<bool> {
    let text = |path: &str| files.read_text(&root.join(path)).ok();
    let (wanted, current) = (text("pnpm-lock.yaml")?, text("node_modules/.pnpm/lock.yaml")?);
    if wanted == current {
        return Some(false);
    }
    let (wanted, current) = (yaml::parse(&wanted).ok()?, yaml::parse(&current).ok()?);
    let (wanted, current) = (wanted.last()?, current.last()?);
    let section = ["snapshots", "packages"].into_iter().find(|s| wanted.get(s).is_some())?;
    let there: HashSet<&str> = current.get(section)?.members().iter().map(|m| &*m.key).collect();
    let needed = wanted.get(section)?.members().iter().filter(|m| !m.value.flag_at("optional"));
    Some(needed.map(|m| &*m.key).any(|key| !there.contains(key)))
}

/// What of a workspace decides which version is meant.
#[derive(Default)]
struct Rules {
    catalogs: BTreeMap<String, BTreeMap<String, String>>,
    /// Some versions are others than the manifests say.
    overrides: bool,
}

impl Rules {
    fn of(root: Option<&Path>, files: &dyn Files) -> Self {
        let Some(root) = root else { return Self::default() };
        let path = root.join("pnpm-workspace.yaml");
        let workspace =
            files.read_text(&path).map(|text| pnpm_lock::read_workspace(&path, &text).0).unwrap_or_default();
        let manifest = manifest(root, files).unwrap_or_default();
        let places = ["/pnpm/overrides", "/overrides", "/resolutions"];
        let overrides = !workspace.overrides.is_empty() || places.iter().any(|p| manifest.pointer(p).is_some());
        Self { catalogs: workspace.catalogs, overrides }
    }
}

/// Whether something that a manifest asks for is not there, or in another version.
fn lacks(project: &Path, manifest: &Value, rules: &Rules, files: &dyn Files) -> bool {
    let tables = ["dependencies", "devDependencies"].into_iter().filter_map(|k| manifest.get(k)?.as_object());
    tables.flatten().any(|(name, wanted)| {
        let mut places = project.ancestors().map(|d| d.join("node_modules").join(name));
        let Some(there) = places.find(|place| files.exists(place)) else { return true };
        !rules.overrides && wanted.as_str().is_some_and(|wanted| differs(&there, name, wanted, rules, files))
    })
}

/// Whether what is installed is certainly not what is wanted.
fn differs(there: &Path, name: &str, wanted: &str, rules: &Rules, files: &dyn Files) -> bool {
    let Some(installed) = self::manifest(there, files) else { return false };
    let wanted = match wanted.strip_prefix("catalog:") {
        Some(catalog) => {
            let catalog = if catalog == "default" { "" } else { catalog };
            rules.catalogs.get(catalog).and_then(|c| c.get(name)).map_or("", String::as_str)
        }
        None => wanted,
    };
    // `npm:NAME@RANGE`
    let alias = wanted.strip_prefix("npm:");
    let (named, range) = match alias {
        Some(alias) => match alias.rfind('@').filter(|at| *at > 0) {
            Some(at) => (alias.get(..at), alias.get(at + 1..).unwrap_or_default()),
            None => (Some(alias), ""),
        },
        None => (None, wanted),
    };
    let text = |key: &str| installed.get(key).and_then(Value::as_str);
    let other = named.is_some_and(|named| text("name").is_some_and(|own| own != named));
    other || text("version").is_some_and(|version| !range.is_empty() && semver::admits(range, version) == Some(false))
}

/// Whether pnpm would fetch a configuration dependency, and run its hooks, before it does anything at all: one that
/// pnpm-workspace.yaml names and that is not there in that version (10 and later).
pub(super) fn configures(invocation: &Invocation, environment: &Environment, files: &dyn Files) -> bool {
    let directory = directory(invocation, environment);
    let Some(root) = directory.ancestors().find(|d| files.is_file(&d.join("pnpm-workspace.yaml"))) else {
        return false;
    };
    let path = root.join("pnpm-workspace.yaml");
    let text = match files.read_text(&path) {
        Ok(text) if text.contains("onfigDependencies") || text.contains('\\') => text,
        Ok(_) => return false,
        Err(_) => return true,
    };
    let (workspace, problems) = pnpm_lock::read_workspace(&path, &text);
    let installed = |name: &str| {
        let at = root.join("node_modules").join(".pnpm-config").join(name).join("package.json");
        let manifest: Value = serde_json::from_str(&files.read_text(&at).ok()?).ok()?;
        Some(manifest.get("version")?.as_str()?.to_owned())
    };
    let missing = |c: &pnpm_lock::ConfigDependency| installed(&c.name).as_deref() != Some(&c.version);
    !problems.is_empty() || workspace.config_dependencies.iter().any(missing)
}

fn directory(invocation: &Invocation, environment: &Environment) -> PathBuf {
    environment.absolute(Path::new(invocation.directory.as_deref().unwrap_or_default()))
}

/// The variables count most, and pnpm sets the one for what its scripts start.
fn by_variable(invocation: &Invocation, environment: &Environment) -> Option<Said> {
    let own = invocation.assignments.iter().map(|(name, value)| (name, value));
    let inherited = environment.variables.iter().filter(|(name, _)| !invocation.removed.contains(name));
    let inherited = inherited.filter(|_| !invocation.cleared);
    let mut out = None;
    for (name, value) in inherited.chain(own) {
        if name == VARIABLE {
            out = Some(of_value(value));
        } else if name.eq_ignore_ascii_case(VARIABLE) || name.eq_ignore_ascii_case("npm_config_verify_deps_before_run")
        {
            // Which of them counts, its version decides; that it is off here is no more than one reading.
            out = out.or(Some(of_value(value)).filter(|s| *s != Said::Not));
        }
    }
    out
}

fn of_value(value: &str) -> Said {
    match value.trim() {
        "false" | "warn" | "error" => Said::Not,
        value if value.contains('$') => Said::Unclear,
        _ => Said::Installs,
    }
}

/// What files say. In `.npmrc` and `rc`, which 11 does not read for this, only that it installs.
fn by_files(directory: &Path, environment: &Environment, files: &dyn Files) -> Vec<Said> {
    let mut out = Vec::new();
    let workspace = directory.ancestors().find(|d| files.is_file(&d.join("pnpm-workspace.yaml")));
    if let Some(workspace) = workspace {
        out.extend(in_yaml(&workspace.join("pnpm-workspace.yaml"), files));
    }
    let home = environment.home.as_deref();
    let set = |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let own = match environment.os {
        "macos" => home.map(|h| h.join("Library/Preferences/pnpm")),
        "windows" => set("LOCALAPPDATA").map(|l| l.join("pnpm/config")),
        _ => home.map(|h| h.join(".config/pnpm")),
    };
    let own = set("XDG_CONFIG_HOME").map(|d| d.join("pnpm")).or(own);
    if let Some(own) = &own {
        out.extend(in_yaml(&own.join("config.yaml"), files));
    }
    let lists = [Some(directory), workspace, home].into_iter().flatten().map(|d| d.join(".npmrc"));
    for list in lists.chain(own.map(|o| o.join("rc"))) {
        let Ok(text) = files.read_text(&list) else { continue };
        let items = ini::npm(&text).into_iter().filter(|item| item.key == "verify-deps-before-run");
        out.extend(items.map(|item| of_value(&item.value)).filter(|said| *said != Said::Not));
    }
    out
}

fn in_yaml(path: &Path, files: &dyn Files) -> Option<Said> {
    let text = files.read_text(path).ok()?;
    let Ok(documents) = yaml::parse(&text) else { return Some(Said::Unclear) };
    let value = documents.iter().find_map(|d| d.get("verifyDepsBeforeRun"))?;
    Some(match value.text() {
        Some(text) => of_value(text),
        None if value.is_true() => Said::Installs,
        None => Said::Not,
    })
}

/// The pnpm that the project names.
enum Named {
    Nothing,
    Major(u64),
    Unclear,
}

fn named(directory: &Path, files: &dyn Files) -> Named {
    let workspace = directory.ancestors().find(|d| files.is_file(&d.join("pnpm-workspace.yaml")));
    let root = workspace.and_then(|d| manifest(d, files));
    let Some(manifest) = root.or_else(|| nearest(directory, files).map(|(_, m)| m)) else { return Named::Nothing };
    let engine = manifest.pointer("/devEngines/packageManager");
    let text = match (manifest.get("packageManager").and_then(Value::as_str), engine) {
        (Some(text), None) => match text.strip_prefix("pnpm@") {
            Some(version) => version,
            None => return Named::Nothing,
        },
        (_, Some(engine)) => match engine.get("version").and_then(Value::as_str) {
            Some(version) if engine.get("name").and_then(Value::as_str) == Some("pnpm") => {
                version.trim_start_matches(['^', '~', '='])
            }
            _ => return Named::Unclear,
        },
        (None, None) => return Named::Nothing,
    };
    let exact = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    let major = text.split('.').next().and_then(|m| m.parse().ok()).filter(|_| exact);
    major.map_or(Named::Unclear, Named::Major)
}

fn manifest(directory: &Path, files: &dyn Files) -> Option<Value> {
    serde_json::from_str(&files.read_text(&directory.join("package.json")).ok()?).ok()
}

/// The nearest package.json and its directory.
fn nearest<'d>(directory: &'d Path, files: &dyn Files) -> Option<(&'d Path, Value)> {
    directory.ancestors().find_map(|d| Some((d, manifest(d, files)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::parse;
    use crate::model::{MemoryFiles, Timestamp};

    fn of(line: &str, variables: &[(&str, &str)], all: &[(&str, &str)], own: Option<u64>) -> Option<&'static str> {
        let environment = Environment {
            variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            cwd: PathBuf::from("/p/w"),
            home: Some(PathBuf::from("/h")),
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let files: MemoryFiles = all.iter().map(|(path, text)| (PathBuf::from(path), *text)).collect();
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        instead(&parse(&argv, &environment).remove(0), &environment, &files, own)
    }

    #[test]
    fn what_counts() {
        let run = "pnpm run build";
        let (off, on) = ("verifyDepsBeforeRun: false", "verifyDepsBeforeRun: install");
        let yaml = "/p/pnpm-workspace.yaml";
        let names = |v: &str| format!("{{\"packageManager\": \"pnpm@{v}\"}}");
        // The default by version, whatever the verb that runs.
        for line in [run, "pnpm exec x", "pnpm test", "pnpm build", "pnpm -r test", "pnpm node x.js"] {
            assert_eq!(of(line, &[], &[], Some(11)), Some("error"), "{line}");
            assert_eq!(of(line, &[], &[], Some(10)), None, "{line}");
            assert_eq!(of(line, &[], &[], None), Some("warn"), "{line}");
        }
        for line in ["pnpm install", "pnpm ls", "npm run build", "pnpm dlx x"] {
            assert_eq!(of(line, &[], &[], Some(11)), None, "{line}");
        }
        // What files say, where it counts.
        assert_eq!(of(run, &[], &[(yaml, off)], Some(11)), None);
        assert_eq!(of(run, &[], &[(yaml, on)], Some(10)), Some("error"));
        assert_eq!(of(run, &[], &[(yaml, "verifyDepsBeforeRun: prompt")], Some(10)), Some("error"));
        assert_eq!(of(run, &[], &[(yaml, "{\"verify\\x44epsBeforeRun\": install}")], Some(10)), Some("error"));
        assert_eq!(of(run, &[], &[(yaml, "a: &a b\nc: *a")], Some(10)), Some("warn"));
        for path in ["/p/w/.npmrc", "/p/.npmrc", "/h/.npmrc", "/h/.config/pnpm/rc"] {
            let all = [(yaml, "packages: []"), (path, "verify-deps-before-run = install")];
            assert_eq!(of(run, &[], &all, Some(10)), Some("error"), "{path}");
        }
        assert_eq!(of(run, &[], &[("/p/w/.npmrc", "verify-deps-before-run=false")], Some(11)), Some("error"));
        // Variables.
        assert_eq!(of(run, &[(VARIABLE, "false")], &[(yaml, on)], Some(11)), None);
        assert_eq!(of(run, &[(VARIABLE, "install")], &[(yaml, off)], Some(10)), Some("error"));
        assert_eq!(of(run, &[("npm_config_verify_deps_before_run", "install")], &[], Some(10)), Some("error"));
        assert_eq!(of(run, &[("npm_config_verify_deps_before_run", "false")], &[], Some(11)), Some("error"));
        // The version that the project names.
        for (own, version, expected) in [
            (Some(10), "10.1.0", None),
            (Some(10), "11.1.0", Some("warn")),
            (Some(11), "11.1.0+sha512.a", Some("error")),
            (Some(11), "10.1.0", Some("warn")),
            (None, "10.1.0", Some("warn")),
            (Some(10), "latest", Some("warn")),
        ] {
            assert_eq!(of(run, &[], &[("/p/package.json", &names(version))], own), expected, "{own:?} {version}");
        }
    }
}
