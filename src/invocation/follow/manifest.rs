//! Scripts of package.json: `npm run x`, `npm test`, `yarn x`, `pnpm -r x`, `bun run x`, and those that npm runs around
//! an install of the project itself.
//!
//! In: which scripts, in which members of the workspace, with which arguments. Out: what is in their text.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Entered, Origin, TOO_DEEP, doubt, text, tool_file};
use crate::invocation::engine::{Word, shown};
use crate::invocation::reading::{Context, Understood};
use crate::invocation::{Effect, Invocation, RequestKind, Tool, script};
use crate::model::{lexical, shell_line};

/// Members of a workspace beyond this are not looked at.
const MOST_MEMBERS: usize = 500;
/// Entries of a directory in which members are looked for.
const MOST_ENTRIES: usize = 4000;

/// Scripts that are to run.
pub(in crate::invocation) struct Asked {
    /// `npm run`, `yarn`.
    wrapper: String,
    names: Vec<String>,
    /// The scripts named `pre…` and `post…` run around them.
    around: bool,
    arguments: Vec<Word>,
    directory: Option<String>,
    members: Members,
}

/// In which packages of a workspace.
enum Members {
    /// The package of the directory.
    Here,
    /// Those of these names or paths.
    Named(Vec<String>),
    /// All.
    All,
}

/// What npm runs of the project's own around an install of it.
const AROUND_INSTALL: &[&str] =
    &["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];

/// The scripts that a package tool would run, as it was understood.
pub(in crate::invocation) fn asked(context: &Context<'_>, understood: &Understood) -> Option<Asked> {
    context.follow?;
    let invocation = &understood.invocation;
    if !matches!(invocation.tool, Tool::Npm | Tool::Pnpm | Tool::Yarn | Tool::Bun) {
        return None;
    }
    let given = |name: &str| invocation.flags.iter().any(|f| f.name == name && f.value.as_deref() != Some("false"));
    let mut asked = Asked {
        wrapper: format!("{} {}", invocation.tool.name(), invocation.verb),
        names: Vec::new(),
        around: true,
        arguments: Vec::new(),
        directory: invocation.directory.clone(),
        members: members(invocation),
    };
    let installs = matches!(invocation.effect, Effect::Project | Effect::Locked) && !invocation.global;
    if installs && matches!(invocation.verb.as_str(), "install" | "ci" | "install-test" | "install-ci-test") {
        if given("--ignore-scripts") || given("--package-lock-only") || given("--lockfile-only") {
            return None;
        }
        asked.names = AROUND_INSTALL.iter().map(|n| (*n).to_owned()).collect();
        if invocation.verb.ends_with("-test") {
            asked.names.push("test".to_owned());
        }
        asked.around = false;
        return Some(asked);
    }
    if invocation.verb != "run" {
        return None;
    }
    let words = if understood.scripts.is_empty() { &understood.starts } else { &understood.scripts };
    let (name, arguments) = words.split_first()?;
    asked.arguments = arguments.iter().filter(|w| w.text != "--").cloned().collect();
    asked.names = vec![name.text.clone()];
    if name.text == "restart" && invocation.tool == Tool::Npm {
        asked.names.extend(["stop", "start"].map(str::to_owned));
    }
    Some(asked)
}

fn members(invocation: &Invocation) -> Members {
    let given = |name: &str| invocation.flags.iter().any(|f| f.name == name && f.value.as_deref() != Some("false"));
    let values = |name: &'static str| invocation.values(name).map(str::to_owned).collect::<Vec<_>>();
    match invocation.tool {
        Tool::Npm if given("--workspaces") => Members::All,
        Tool::Npm if given("--workspace") => Members::Named(values("--workspace")),
        Tool::Pnpm | Tool::Bun if given("--filter") || given("--recursive") || given("--workspaces") => Members::All,
        // `yarn workspace NAME x`.
        Tool::Yarn => {
            let selected: Vec<String> = invocation
                .requests
                .iter()
                .filter(|r| r.kind == RequestKind::Selector)
                .map(|r| r.text.clone())
                .collect();
            if selected.is_empty() { Members::Here } else { Members::Named(selected) }
        }
        _ => Members::Here,
    }
}

/// Follows the scripts.
pub(in crate::invocation) fn run(context: &Context<'_>, asked: &Asked, out: &mut Vec<Invocation>) {
    if context.lost {
        return;
    }
    let base = Context { directory: asked.directory.clone(), ..context.clone() };
    let Some((directory, manifest)) = nearest(&base) else { return };
    let base = Context { directory, ..base };
    match &asked.members {
        Members::Here => package(&base, asked, out),
        members => {
            let (all, whole) = workspace(&base, manifest.as_ref().ok());
            if !whole && let Some((path, _)) = tool_file(&base, &["package.json"]) {
                let reason = format!("the workspace has more members than the {MOST_MEMBERS} that are followed");
                doubt(&base, &asked.wrapper, &Origin::file(path.to_path_buf()), reason, out);
            }
            for (directory, name) in all {
                let wanted = match members {
                    Members::Named(names) => names.iter().any(|n| *n == name || is_path(n, &directory)),
                    _ => true,
                };
                if wanted {
                    package(&Context { directory: Some(directory), ..base.clone() }, asked, out);
                }
            }
            if matches!(members, Members::All) {
                package(&base, asked, out);
            }
        }
    }
}

fn is_path(wanted: &str, directory: &str) -> bool {
    let clean = |p: &str| lexical(Path::new(p)).display().to_string();
    let (wanted, directory) = (clean(wanted), clean(directory));
    directory == wanted || directory.ends_with(&format!("/{wanted}"))
}

type Manifest = Result<Value, String>;

/// The package.json in the directory or above it, as the tools look for it: its directory and what it says.
fn nearest(context: &Context<'_>) -> Option<(Option<String>, Manifest)> {
    let mut directory = context.directory.clone();
    for _ in 0..16 {
        let here = Context { directory: directory.clone(), ..context.clone() };
        if let Some((_, found)) = tool_file(&here, &["package.json"]) {
            let read = found.and_then(|t| serde_json::from_str(&t).map_err(|e| format!("no JSON: {e}")));
            return Some((directory, read));
        }
        let above = crate::invocation::engine::joined(directory.as_deref(), "..");
        directory = Some(above);
    }
    None
}

fn package(context: &Context<'_>, asked: &Asked, out: &mut Vec<Invocation>) {
    let Some(follow) = context.follow else { return };
    let Some((path, found)) = tool_file(context, &["package.json"]) else { return };
    let source = match found {
        Ok(source) => source,
        Err(why) => {
            // The scripts around an install are judged where they run.
            if asked.around {
                let reason = format!("what `{}` runs is not known: {why}", shown(&asked.wrapper));
                doubt(context, &asked.wrapper, &Origin::file(path.to_path_buf()), reason, out);
            }
            return;
        }
    };
    let Ok(manifest) = serde_json::from_str::<Value>(&source) else { return };
    for name in &asked.names {
        let mut all = vec![name.clone()];
        if asked.around {
            all = vec![format!("pre{name}"), name.clone(), format!("post{name}")];
        }
        for (at, name) in all.iter().enumerate() {
            let Some(body) = manifest.get("scripts").and_then(|s| s.get(name)).and_then(Value::as_str) else {
                continue;
            };
            let key = format!("{} {name}", path.display());
            match follow.enter(&key) {
                Entered::Now => {}
                Entered::Already => continue,
                Entered::TooDeep => {
                    doubt(context, &asked.wrapper, &Origin::file(path.to_path_buf()), TOO_DEEP.to_owned(), out);
                    continue;
                }
            }
            // Arguments belong to the script that was named.
            let given = !asked.around || at == 1;
            let line = if given { appended(body, &asked.arguments) } else { body.to_owned() };
            let origin = Origin::from(&path, line_of(&source, name)).at(1);
            text(context, &asked.wrapper, &line, Some(Vec::new()), origin, out);
            follow.leave();
        }
    }
}

/// A script's text with the arguments that the tool adds at its end.
fn appended(body: &str, arguments: &[Word]) -> String {
    let mut line = body.to_owned();
    for word in arguments {
        line.push(' ');
        match (&word.template, word.expands) {
            (Some(template), true) => line.push_str(template),
            (None, true) => line.push_str("${_}"),
            _ => line.push_str(&shell_line(std::slice::from_ref(&word.text))),
        }
    }
    line
}

/// The line in which a script stands.
fn line_of(source: &str, name: &str) -> u32 {
    let start = source.find("\"scripts\"").unwrap_or(0);
    let key = Value::String(name.to_owned()).to_string();
    let mut from = start;
    while let Some(found) = source.get(from..).and_then(|rest| rest.find(&key)) {
        let at = from + found;
        let after = source.get(at + key.len()..).unwrap_or_default().trim_start();
        if after.starts_with(':') {
            let lines = source.get(..at).unwrap_or_default().matches('\n').count();
            return u32::try_from(lines + 1).unwrap_or(u32::MAX);
        }
        from = at + key.len();
    }
    1
}

/// The members of a workspace, directory and name of each, and whether these are all.
pub(in crate::invocation) fn workspace(
    context: &Context<'_>,
    manifest: Option<&Value>,
) -> (Vec<(String, String)>, bool) {
    let mut patterns: Vec<String> = Vec::new();
    let listed = manifest.and_then(|m| m.get("workspaces"));
    let listed = listed.map(|w| w.get("packages").unwrap_or(w)).and_then(Value::as_array);
    patterns.extend(listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    if let Some((_, Ok(text))) = tool_file(context, &["pnpm-workspace.yaml"]) {
        let mut within = false;
        for line in text.lines() {
            if !line.starts_with([' ', '-', '#']) {
                within = line.starts_with("packages:");
            } else if let (true, Some(item)) = (within, line.trim().strip_prefix("- ")) {
                patterns.push(item.trim().trim_matches(['"', '\'']).to_owned());
            }
        }
    }
    let mut out = Vec::new();
    let mut whole = patterns.len() <= MOST_MEMBERS;
    for pattern in patterns.iter().filter(|p| !p.starts_with('!')).take(MOST_MEMBERS) {
        let (found, all) = directories(context, pattern);
        whole &= all;
        for directory in found {
            if out.len() >= MOST_MEMBERS {
                return (out, false);
            }
            let member = Context { directory: Some(directory.clone()), ..context.clone() };
            let Some((_, Ok(text))) = tool_file(&member, &["package.json"]) else { continue };
            let Ok(manifest) = serde_json::from_str::<Value>(&text) else { continue };
            let name = manifest.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !out.iter().any(|(d, _)| *d == directory) {
                out.push((directory, name));
            }
        }
    }
    (out, whole)
}

/// Directories of a pattern such as `packages/*`, and whether these are all; `**` is read as one level.
fn directories(context: &Context<'_>, pattern: &str) -> (Vec<String>, bool) {
    let Some(follow) = context.follow else { return (Vec::new(), true) };
    let mut out = vec![PathBuf::new()];
    let mut whole = true;
    for part in pattern.trim_start_matches("./").split('/').filter(|p| !p.is_empty()) {
        let mut next = Vec::new();
        for base in out {
            if !part.contains('*') {
                next.push(base.join(part));
                continue;
            }
            let here = follow.path(context.directory.as_deref(), &base.display().to_string());
            let entries = follow.files.list(&here);
            whole &= entries.len() <= MOST_ENTRIES;
            for path in entries.into_iter().take(MOST_ENTRIES) {
                let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
                let (before, after) = part.split_once('*').unwrap_or((part, ""));
                let after = after.trim_start_matches('*');
                let fits = name.starts_with(before) && name.ends_with(after) && !name.starts_with('.');
                if fits && name != "node_modules" && follow.files.is_dir(&path) {
                    next.push(base.join(name));
                }
            }
        }
        whole &= next.len() <= MOST_MEMBERS;
        next.truncate(MOST_MEMBERS);
        out = next;
    }
    let base = context.directory.as_deref();
    (out.into_iter().map(|p| crate::invocation::engine::joined(base, &p.display().to_string())).collect(), whole)
}

/// Runs scripts of the package by name or pattern.
fn scripts(context: &Context<'_>, wrapper: &str, pattern: &str, out: &mut Vec<Invocation>) {
    if context.lost {
        return;
    }
    let Some((directory, Ok(manifest))) = nearest(context) else { return };
    let Some(all) = manifest.get("scripts").and_then(Value::as_object) else { return };
    let fits = |name: &String| match pattern.split_once('*') {
        Some((before, after)) => name.starts_with(before) && name.ends_with(after.trim_start_matches('*')),
        None => name == pattern,
    };
    let names: Vec<String> = all.keys().filter(|n| fits(n)).cloned().collect();
    let asked = Asked {
        wrapper: wrapper.to_owned(),
        names,
        around: true,
        arguments: Vec::new(),
        directory: directory.clone(),
        members: Members::Here,
    };
    package(&Context { directory, ..context.clone() }, &asked, out);
}

/// `run-s clean build:*`, `npm-run-all --parallel a b`.
pub(super) fn several(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    for word in rest.iter().filter(|w| !w.text.starts_with('-')).take(64) {
        let name = word.text.split_whitespace().next().unwrap_or_default();
        scripts(context, "npm run", name, out);
    }
}

/// `concurrently "npm:dev" "cargo watch"`: each word is a script's name or shell text.
pub(super) fn concurrently(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    let inner = context.inside("concurrently");
    for word in rest.iter().filter(|w| !w.text.starts_with('-')).take(64) {
        match ["npm:", "pnpm:", "yarn:", "bun:"].iter().find_map(|p| word.text.strip_prefix(p)) {
            Some(name) => scripts(&inner, "npm run", name.split_whitespace().next().unwrap_or_default(), out),
            None => script::read(&inner, word.template.as_deref().unwrap_or(&word.text), None, word.index, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn a_script_is_found_in_its_line() {
        let source = "{\n \"name\": \"test\",\n \"scripts\": {\n  \"a\": \"test\",\n  \"test\": \"x\"\n }\n}";
        assert_eq!(line_of(source, "test"), 5);
        assert_eq!(line_of(source, "a"), 4);
        assert_eq!(line_of(source, "none"), 1);
    }
}
