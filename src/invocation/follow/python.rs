//! Scripts of a Pipfile and of PDM's project file, and what the words of a Python tool say only together with a file.
//!
//! In: an invocation of pipenv, pdm or poetry. Out: what is in its scripts' text, and its effect, mended where a file
//! decides: PDM installs what a script's inline metadata names, and a lockfile that is missing is made.

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::{Content, Entered, Found, Origin, TOO_DEEP, doubt, text, tool_file};
use crate::ecosystem::python::{pyproject, requirements_txt, script};
use crate::invocation::engine::{Word, joined, opaque};
use crate::invocation::reading::{Context, Understood};
use crate::invocation::{Effect, Invocation, Tool};
use crate::model::shell_line;

/// Directories above that are looked into.
const HIGHEST: usize = 16;

/// Whether a command is understood only with files at hand.
pub(in crate::invocation) fn concerns(invocation: &Invocation) -> bool {
    let verbs: &[&str] = match invocation.tool {
        Tool::Pdm => &["run", "show"],
        Tool::Pipenv => &["run", "clean"],
        Tool::Poetry => &["show", "export"],
        _ => return false,
    };
    verbs.contains(&invocation.verb.as_str())
}

/// Mends the effect of a command whose words alone say that it brings nothing in.
pub(in crate::invocation) fn settle(context: &Context<'_>, understood: &mut Understood) {
    if context.follow.is_none() || context.lost || understood.invocation.effect != Effect::Nothing {
        return;
    }
    let context = &Context { directory: understood.invocation.directory.clone(), ..context.clone() };
    let invocation = &mut understood.invocation;
    let doubt = match (invocation.tool, invocation.verb.as_str()) {
        (Tool::Pdm, "run") => match understood.starts.first() {
            Some(first) if has_metadata(context, &first.text) => METADATA,
            _ => return,
        },
        (Tool::Pipenv, "clean") if above(context, "Pipfile.lock").is_none() => {
            invocation.effect = Effect::Project;
            return;
        }
        (Tool::Poetry, "export") if above(context, "poetry.lock").is_none() => {
            invocation.effect = Effect::Project;
            return;
        }
        (Tool::Poetry, "show") if invocation.flag("--latest").is_some() => match project(context) {
            Some(project) if has_sources(&project) => "builds what the project takes from outside any index",
            _ => return,
        },
        // Without a name it is about the project itself.
        (Tool::Pdm, "show") => match project(context) {
            Some(project) if !project.dynamic.is_empty() => "builds the project, for what is dynamic in it",
            _ => return,
        },
        _ => return,
    };
    invocation.effect = Effect::Unknown;
    invocation.opaque.push(opaque(0, doubt));
}

const METADATA: &str = "installs by itself what the script's inline metadata names";

/// Whether PDM would make an environment for a script: one with a name in `.py` that says what it needs.
fn has_metadata(context: &Context<'_>, name: &str) -> bool {
    let Some(follow) = context.follow.filter(|_| name.ends_with(".py")) else { return false };
    match follow.read(&follow.path(context.directory.as_deref(), name)) {
        Content::Text(text) => script::metadata(&text).is_some(),
        _ => false,
    }
}

/// A file in the directory or above it: the directory, and the file as [`tool_file`] has it.
fn above(context: &Context<'_>, name: &str) -> Option<(Option<String>, Found)> {
    let mut directory = context.directory.clone();
    for _ in 0..HIGHEST {
        let here = Context { directory: directory.clone(), ..context.clone() };
        if let Some(found) = tool_file(&here, &[name]) {
            return Some((directory, found));
        }
        directory = Some(joined(directory.as_deref(), ".."));
    }
    None
}

fn project(context: &Context<'_>) -> Option<pyproject::Pyproject> {
    let (_, (path, found)) = above(context, "pyproject.toml")?;
    Some(pyproject::read(&path, &found.ok()?).0)
}

fn has_sources(project: &pyproject::Pyproject) -> bool {
    let lists = project.optional_dependencies.values().chain(project.groups.values());
    let all = lists.chain(std::iter::once(&project.dependencies)).flatten();
    all.into_iter().any(|e| matches!(e.target, requirements_txt::Target::Direct(_)))
}

/// Follows the script that `pipenv run` or `pdm run` names.
pub(in crate::invocation) fn run(context: &Context<'_>, understood: &Understood, out: &mut Vec<Invocation>) {
    let invocation = &understood.invocation;
    let file = match (invocation.tool, invocation.verb.as_str()) {
        (Tool::Pipenv, "run") => "Pipfile",
        (Tool::Pdm, "run") => "pyproject.toml",
        _ => return,
    };
    let Some((name, arguments)) = understood.starts.split_first() else { return };
    if context.follow.is_none() || context.lost {
        return;
    }
    let context = Context { directory: invocation.directory.clone(), ..context.clone() };
    let Some((directory, (path, found))) = above(&context, file) else { return };
    let scripts = Scripts { tool: invocation.tool, path, source: found.unwrap_or_default() };
    let Ok(manifest) = scripts.source.parse::<Table>() else { return };
    let table = match invocation.tool {
        Tool::Pipenv => manifest.get("scripts"),
        _ => manifest.get("tool").and_then(|t| t.get("pdm")).and_then(|t| t.get("scripts")),
    };
    let Some(table) = table.and_then(Value::as_table) else { return };
    // PDM's run in the project's directory, Pipenv's where they are started.
    let directory = if invocation.tool == Tool::Pdm { directory } else { context.directory.clone() };
    scripts.run(&Context { directory, ..context }, table, &name.text, arguments, out);
}

/// The scripts of one file.
struct Scripts {
    tool: Tool,
    path: Arc<Path>,
    source: std::rc::Rc<str>,
}

impl Scripts {
    fn run(&self, context: &Context<'_>, table: &Table, name: &str, arguments: &[Word], out: &mut Vec<Invocation>) {
        if self.tool == Tool::Pdm {
            for around in [format!("pre_{name}"), format!("post_{name}")] {
                self.one(context, table, &around, &[], out);
            }
        }
        self.one(context, table, name, arguments, out);
    }

    fn one(&self, context: &Context<'_>, table: &Table, name: &str, arguments: &[Word], out: &mut Vec<Invocation>) {
        let (Some(follow), Some(script)) = (context.follow, table.get(name)) else { return };
        let wrapper = format!("{} run", self.tool.name());
        match follow.enter(&format!("{} {name}", self.path.display())) {
            Entered::Now => {}
            Entered::Already => return,
            Entered::TooDeep => {
                let origin = Origin::file(self.path.to_path_buf());
                return doubt(context, &wrapper, &origin, TOO_DEEP.to_owned(), out);
            }
        }
        let origin = || Origin::from(&self.path, self.line_of(name)).at(1);
        let part = |key: &str| script.as_table().and_then(|t| t.get(key));
        let lines: Vec<String> = match script.get("cmd").unwrap_or(script) {
            Value::String(line) => vec![line.clone()],
            // Words to PDM, and commands one after the other to Pipenv.
            Value::Array(all) if self.tool == Tool::Pdm => {
                let words: Vec<String> = all.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                vec![shell_line(&words)]
            }
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => part("shell").and_then(Value::as_str).map(str::to_owned).into_iter().collect(),
        };
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            let line = if at == last { with_arguments(line, arguments) } else { line.clone() };
            let first = line.split_whitespace().next().unwrap_or_default();
            if self.tool == Tool::Pdm && has_metadata(context, first) {
                doubt(context, &wrapper, &origin(), METADATA.to_owned(), out);
            }
            text(context, &wrapper, &line, Some(Vec::new()), origin(), out);
        }
        // Each begins with the name of another script, or of a program.
        for item in part("composite").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let line = with_arguments(item, arguments);
            let words = crate::shell::plain_words(item).unwrap_or_default();
            match words.split_first().filter(|(first, _)| table.contains_key(first.as_str())) {
                Some((first, rest)) => {
                    let rest: Vec<Word> =
                        rest.iter().map(|w| Word::new(w, 0)).chain(arguments.iter().cloned()).collect();
                    self.run(context, table, first, &rest, out);
                }
                None => text(context, &wrapper, &line, Some(Vec::new()), origin(), out),
            }
        }
        follow.leave();
    }

    /// The line in which a script stands, as near as can be told.
    fn line_of(&self, name: &str) -> u32 {
        let stands = |line: &str| {
            let key = line.trim_start().trim_start_matches(['"', '\'']);
            key.strip_prefix(name)
                .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with('='))
        };
        let section = self.source.lines().position(|l| l.trim_start().starts_with('[') && l.contains("scripts"));
        let from = section.unwrap_or(0);
        let at = self.source.lines().skip(from).position(stands);
        u32::try_from(at.map_or(0, |at| at + from) + 1).unwrap_or(u32::MAX)
    }
}

/// A line with the arguments that are given to its script: in the place of `{args}`, else at its end.
fn with_arguments(line: &str, arguments: &[Word]) -> String {
    let words = arguments.iter().map(|word| match (&word.template, word.expands) {
        (Some(template), true) => template.to_string(),
        (None, true) => "${_}".to_owned(),
        _ => shell_line(std::slice::from_ref(&word.text)),
    });
    let given = words.collect::<Vec<_>>().join(" ");
    let line = line.replace("{pdm}", "pdm").replace("{run_cwd}", ".");
    let placed = line.find("{args").and_then(|at| {
        let (before, rest) = line.split_at(at);
        let (inside, after) = rest.strip_prefix("{args")?.split_once('}')?;
        let usual = inside.strip_prefix(':').unwrap_or_default();
        Some(format!("{before}{}{after}", if given.is_empty() { usual } else { &given }))
    });
    match placed {
        Some(line) => line,
        None if given.is_empty() => line,
        None => format!("{line} {given}"),
    }
}
