//! Where uv and pipx keep the tools that they install, each in an environment of its own.

use std::path::{Path, PathBuf};

use crate::invocation::{Effect, Invocation, RequestKind, Tool};
use crate::model::{Ecosystem, Environment, Files, normalise_name};

/// What uv notes of a tool.
const UV: &str = "uv-receipt.toml";
/// What pipx does.
const PIPX: &str = "pipx_metadata.json";

fn set(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.variable(name).filter(|v| !v.is_empty()).map(|v| environment.absolute(Path::new(v)))
}

/// The directory of uv's tools (`uv tool dir`): one directory each, with `uv-receipt.toml` in it.
pub fn of_uv(environment: &Environment) -> Option<PathBuf> {
    let home = || environment.home.as_ref().map(|home| home.join(".local").join("share"));
    let data = match environment.os {
        "windows" => set(environment, "APPDATA").map(|d| d.join("uv").join("data")),
        _ => set(environment, "XDG_DATA_HOME").or_else(home).map(|d| d.join("uv")),
    };
    set(environment, "UV_TOOL_DIR").or_else(|| data.map(|d| d.join("tools")))
}

/// pipx's own directory, with `venvs` in it: one directory each, with `pipx_metadata.json` in it. `global`: `--global`.
pub fn of_pipx(environment: &Environment, files: &dyn Files, global: bool) -> Option<PathBuf> {
    let user = |path: &str| environment.home.as_ref().map(|home| home.join(path));
    let usual = |own: &str| if global { Some(PathBuf::from("/opt/pipx")) } else { user(own) };
    let fallback = || [".local/pipx", "pipx"].iter().filter_map(|p| user(p)).find(|p| files.is_dir(&p.join("venvs")));
    let named = set(environment, if global { "PIPX_GLOBAL_HOME" } else { "PIPX_HOME" });
    named.or_else(|| if global { None } else { fallback() }).or_else(|| match environment.os {
        "macos" => usual("Library/Application Support/pipx"),
        _ => usual(".local/share/pipx"),
    })
}

/// The notes of the tools that a command brings up to date, or installs anew: of those that it names, or of all.
pub fn receipts(invocation: &Invocation, environment: &Environment, files: &dyn Files) -> Vec<PathBuf> {
    let place = match (invocation.tool, invocation.verb.as_str()) {
        (Tool::Uv, "tool upgrade") => of_uv(environment).map(|d| (d, UV)),
        (Tool::Pipx, "upgrade" | "upgrade-all" | "reinstall" | "reinstall-all" | "repair") => {
            let global = invocation.flag("--global").is_some();
            of_pipx(environment, files, global).map(|d| (d.join("venvs"), PIPX))
        }
        _ => None,
    };
    let Some((directory, name)) = place.filter(|_| invocation.effect == Effect::Update) else { return Vec::new() };
    let all = invocation.verb.ends_with("-all") || invocation.flag("--all").is_some();
    let mut out: Vec<PathBuf> = if all {
        files.list(&directory).into_iter().map(|tool| tool.join(name)).collect()
    } else {
        let named = invocation.requests.iter().filter(|r| r.kind == RequestKind::Requirement);
        named.filter_map(|r| directory_of(&r.text)).map(|tool| directory.join(tool).join(name)).collect()
    };
    out.retain(|path| files.is_file(path));
    out
}

/// Whether such a note is of the tool that a word asks for.
pub fn is_of(receipt: &Path, word: &str) -> bool {
    directory_of(word).is_some_and(|tool| receipt.parent().is_some_and(|d| d.ends_with(tool)))
}

/// The name of a tool's directory, from the word that asks for it.
fn directory_of(word: &str) -> Option<String> {
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(word.len());
    let name = word.get(..end).filter(|n| !n.is_empty() && !n.starts_with('.'))?;
    Some(normalise_name(Ecosystem::PyPI, name))
}
