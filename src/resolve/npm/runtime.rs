//! The node that pnpm fetches for a project, from nodejs.org or from where the project says: no package of a registry, so
//! nothing here knows what it would be.
//!
//! In: `devEngines.runtime` with `onFail: download` (10.14 and later), `useNodeVersion`, `executionEnv.nodeVersion` (to 10).
//! Out: what is unresolved by it.

use super::manager;
use super::project::Finder;
use crate::ecosystem::ini;
use crate::ecosystem::npm::json::{self, Node};
use crate::ecosystem::npm::yaml;
use crate::model::{Environment, Location, Unresolved, UnresolvedCause};

/// What would be fetched beside packages.
pub(super) fn fetched(finder: &Finder<'_>, environment: &Environment) -> Vec<Unresolved> {
    let mut out = Vec::new();
    let mut ignored = Vec::new();
    let here = |version: &str| {
        manager::home(environment).is_some_and(|home| finder.files.is_dir(&home.join("nodejs").join(version)))
    };
    let mut add = |what: String, path: &std::path::Path| {
        out.push(Unresolved {
            requirement: what,
            name: None,
            range: None,
            location: Some(Location::file(finder.shown(path))),
            cause: UnresolvedCause::Unsupported,
            reason: "pnpm fetches this program from no package registry".to_owned(),
        });
    };
    let mut manifest = false;
    for directory in finder.cwd.ancestors() {
        let path = directory.join("package.json");
        if !manifest && let Some(text) = finder.text(&path, &mut ignored) {
            manifest = true;
            if let Ok(root) = json::parse(&text) {
                of_engines(&root).into_iter().for_each(|what| add(what, &path));
                let version =
                    root.get("pnpm").and_then(|p| p.get("executionEnv")).and_then(|e| e.text_at("nodeVersion"));
                version.filter(|v| !here(v)).into_iter().for_each(|v| add(format!("node {v}"), &path));
            }
        }
        let path = directory.join(".npmrc");
        if manifest && let Some(text) = finder.text(&path, &mut ignored) {
            let values = ini::npm(&text).into_iter().filter(|i| i.key == "use-node-version" && !here(&i.value));
            values.for_each(|item| add(format!("node {}", item.value), &path));
        }
        let path = directory.join("pnpm-workspace.yaml");
        if let Some(text) = finder.text(&path, &mut ignored) {
            for root in yaml::parse(&text).unwrap_or_default() {
                let own = root.get("executionEnv").and_then(|e| e.text_at("nodeVersion"));
                let all = root.text_at("useNodeVersion").into_iter().chain(own).filter(|v| !here(v));
                all.for_each(|v| add(format!("node {v}"), &path));
            }
            break;
        }
    }
    out
}

/// `runtime` of `devEngines`, or of `engines`: one, or a list.
fn of_engines(root: &Node<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for engines in ["devEngines", "engines"] {
        let Some(runtime) = root.get(engines).and_then(|e| e.get("runtime")) else { continue };
        let all = if runtime.is_object() { std::slice::from_ref(runtime) } else { runtime.items() };
        for one in all.iter().filter(|r| r.text_at("onFail") == Some("download")) {
            out.push(format!("{} {}", one.text_at("name").unwrap_or("node"), one.text_at("version").unwrap_or("*")));
        }
    }
    out
}
