//! The package manager itself: pnpm (10 and later, unless told not to) fetches and becomes the version that
//! `packageManager` of the project's manifest names, and so does corepack.
//!
//! In: the project, and where the pnpm that would start lies. Out: the release that it would fetch, when it is another
//! than that and not here yet. Whether it would is known only to pnpm; in doubt it is taken to.

use std::path::PathBuf;

use super::graph::{Edge, Kind};
use super::project::Project;
use super::settings::on_path;
use crate::ecosystem::npm::json;
use crate::ecosystem::npm::manifest::Manifest;
use crate::ecosystem::npm::semver::{Options, Range, Version};
use crate::model::{Environment, Files};

/// The first version that can fetch another.
const FETCHES_SINCE: (u64, u64) = (9, 7);

/// What the manifest names: `packageManager`, or `devEngines.packageManager`, whose version may be a range, and which
/// since 11 is read before the other (11.28).
fn named(manifest: &Manifest) -> Option<(String, usize)> {
    let engine = json::parse(&manifest.text).ok().and_then(|root| {
        let engine = root.get("devEngines")?.get("packageManager")?;
        let all = if engine.is_object() { std::slice::from_ref(engine) } else { engine.items() };
        let own = all.iter().find(|e| e.text_at("name") == Some("pnpm"))?;
        let stays = matches!(own.text_at("onFail"), Some("ignore" | "warn" | "error"));
        Some((own.text_at("version").filter(|_| !stays)?.to_owned(), own.offset))
    });
    let plain = || {
        let text = manifest.package_manager.as_deref()?.strip_prefix("pnpm@")?;
        let version = text.split('+').next().unwrap_or(text);
        // Anything else pnpm says is no version, and goes on.
        version.parse::<semver::Version>().ok()?;
        Some((version.to_owned(), manifest.text.find("\"packageManager\"").unwrap_or_default()))
    };
    engine.or_else(plain)
}

/// What a command of pnpm's asks for before anything else, if it does.
pub(super) fn edges(project: &Project, environment: &Environment, files: &dyn Files) -> Vec<Edge> {
    asked(project, environment, files).unwrap_or_default()
}

fn asked(project: &Project, environment: &Environment, files: &dyn Files) -> Option<Vec<Edge>> {
    let manifest = project.manifest.as_ref()?;
    let (version, at) = named(manifest)?;
    let told = environment.variables.iter().any(|(name, value)| {
        let name = name.to_ascii_lowercase();
        matches!(
            name.as_str(),
            "npm_config_manage_package_manager_versions" | "pnpm_config_manage_package_manager_versions"
        ) && value == "false"
    });
    let own = Own::of(environment, files);
    let old = own.version.as_ref().is_some_and(|v| (v.major, v.minor) < FETCHES_SINCE);
    let here = tools(environment).is_some_and(|tools| {
        let directory = own.package.replace('/', "+");
        files.is_dir(&tools.join(directory).join(&version).join("node_modules"))
    });
    let is_own = own.version.as_ref().is_some_and(|v| {
        let text = v.to_string();
        let both = Range::parse(&version, Options::NPM).zip(Version::parse(&text, false));
        both.is_some_and(|(range, own)| range.satisfied_by(&own))
    });
    if told || old || here || is_own {
        return None;
    }
    let edge = |package: &str, kind: Kind| Edge::set(package, &version, kind, manifest.location(at), &project.root);
    // 11 looks for both, whichever it is, and the program of the one is in packages for each system.
    let other = if own.package == "pnpm" { "@pnpm/exe" } else { "pnpm" };
    Some(vec![edge(own.package, Kind::Production), edge(other, Kind::Optional)])
}

/// The pnpm that PATH leads to.
struct Own {
    /// `pnpm`, or `@pnpm/exe` for the one that needs no node.
    package: &'static str,
    /// Its version, where a package.json beside it tells.
    version: Option<semver::Version>,
}

impl Own {
    fn of(environment: &Environment, files: &dyn Files) -> Self {
        let Some(directory) = on_path(environment, files, &["pnpm", "pnpm.cmd"]) else {
            return Self { package: "pnpm", version: None };
        };
        // Installed by npm: globally, on Windows, and in a project.
        let places = ["../lib/node_modules/pnpm", "node_modules/pnpm", "../pnpm"];
        let version = places.iter().find_map(|place| {
            let text = files.read_text(&directory.join(place).join("package.json")).ok()?;
            let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
            (manifest.get("name")?.as_str()? == "pnpm").then_some(())?;
            manifest.get("version")?.as_str()?.parse().ok()
        });
        let alone = version.is_none() && home(environment).is_some_and(|home| home == directory);
        Self { package: if alone { "@pnpm/exe" } else { "pnpm" }, version }
    }
}

/// Where pnpm keeps what it is: `PNPM_HOME`, or where each system keeps data.
pub fn home(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = environment.home.as_ref();
    let own = match environment.os {
        "macos" => home.map(|h| h.join("Library").join("pnpm")),
        "windows" => set("LOCALAPPDATA").map(|l| l.join("pnpm")),
        _ => home.map(|h| h.join(".local").join("share").join("pnpm")),
    };
    set("PNPM_HOME").or_else(|| set("XDG_DATA_HOME").map(|d| d.join("pnpm"))).or(own)
}

/// Where the versions lie that it has fetched.
fn tools(environment: &Environment) -> Option<PathBuf> {
    Some(home(environment)?.join(".tools"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{MemoryFiles, Timestamp};
    use crate::toolchain::own::MARKER;

    #[test]
    fn the_pnpm_behind_the_gates_links_is_the_one() {
        let marker = PathBuf::from("/links").join(MARKER);
        let manifest = r#"{"name": "pnpm", "version": "10.20.0"}"#;
        let files: MemoryFiles = [
            (marker, ""),
            (PathBuf::from("/links/pnpm"), ""),
            (PathBuf::from("/usr/bin/pnpm"), ""),
            (PathBuf::from("/usr/bin/../lib/node_modules/pnpm/package.json"), manifest),
        ]
        .into_iter()
        .collect();
        let environment = Environment {
            variables: BTreeMap::from([("PATH".to_owned(), "/links:/usr/bin".to_owned())]),
            cwd: PathBuf::from("/p"),
            home: None,
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let own = Own::of(&environment, &files);
        assert_eq!((own.package, own.version.map(|v| v.to_string()).as_deref()), ("pnpm", Some("10.20.0")));
    }
}
