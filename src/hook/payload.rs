//! What payloads of different hosts have in common: fields under one of several spellings, and the tool call inside.
//!
//! In: JSON. Out: text, shell commands, edits. A field of the wrong type where a command or a file was to be expected
//! is said, never skipped.

use serde_json::{Map, Value};

use super::edit::{self, Change, FileEdit, Replacement};
use super::{Event, Stage};
use crate::model::shell_line;

/// Tools that run shell text, in lower case.
const SHELLS: &[&str] = &[
    "bash",
    "shell",
    "sh",
    "zsh",
    "powershell",
    "pwsh",
    "cmd",
    "terminal",
    "run_shell_command",
    "run_command",
    "run_in_terminal",
    "execute_command",
    "exec_command",
    "local_shell",
    "local_shell_call",
    "container.exec",
    "unified_exec",
    "shell_command",
    "runterminalcommand",
    "run_terminal_cmd",
    COMMANDS,
];

/// Tools that type into a shell that runs already.
const TYPING: &[&str] = &["write_bash", "write_powershell", "write_stdin", "send_to_terminal"];
const TYPED: &[&str] = &["input", "chars", "text", "command"];

/// The tool that runs several commands, one after the other.
const COMMANDS: &str = "run_commands";

const COMMAND: &[&str] = &["command", "commands", "command_line", "commandLine", "CommandLine", "cmd", "script"];
const PATH: &[&str] =
    &["file_path", "filePath", "path", "filename", "target_file", "TargetFile", "notebook_path", "absolute_path"];
const CONTENT: &[&str] = &["content", "contents", "file_text", "fileText", "text", "code_content", "CodeContent"];
const OLD: &[&str] = &["old_string", "oldString", "old_str", "oldStr", "oldText", "old_text"];
const NEW: &[&str] = &["new_string", "newString", "new_str", "newStr", "newText", "new_text"];
const ALL: &[&str] = &["replace_all", "replaceAll", "allow_multiple", "allowMultiple"];
const DIRECTORY: &[&str] = &["cwd", "workdir", "working_directory", "workingDirectory", "directory", "dir_path", "Cwd"];

/// The first of the names that the object has.
pub(super) fn field<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|n| value.get(n)).filter(|v| !v.is_null())
}

/// Its text, when it is one and not empty.
pub(super) fn text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|n| value.get(n)?.as_str()).find(|t| !t.is_empty()).map(str::to_owned)
}

/// The first text of a list.
pub(super) fn first_text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|n| value.get(n)?.as_array()?.first()?.as_str()).next().map(str::to_owned)
}

/// The envelope that several hosts share: `session_id cwd transcript_path permission_mode`, in both spellings.
pub(super) fn envelope(value: &Value) -> Event {
    Event {
        session: text(value, &["session_id", "sessionId", "conversation_id", "conversationId"]),
        cwd: text(value, &["cwd"]),
        transcript: text(value, &["transcript_path", "transcriptPath"]),
        mode: text(value, &["permission_mode", "permissionMode"]),
        tool: text(value, &["tool_name", "toolName"]),
        ..Event::default()
    }
}

/// Sets an event's stage by the word that the host has for it, and puts its tool call in.
pub(super) fn staged(event: &mut Event, word: Option<&str>, input: Option<&Value>, words: &[(&str, Stage)]) {
    event.stage = match word {
        Some(word) => words.iter().find(|(w, _)| *w == word).map_or(Stage::Other, |(_, stage)| *stage),
        // Nobody but a host that is about to run a tool says which, and says no more.
        None if event.tool.is_some() || input.is_some() => Stage::Before,
        None => Stage::Other,
    };
    if matches!(event.stage, Stage::Before | Stage::Permission | Stage::After) {
        tool_call(event, input);
    }
}

/// Arguments that may be JSON in a string.
pub(super) fn unwrapped(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => inner,
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// Puts a tool call into an event: the command it runs, the files it writes, or why neither could be read.
pub(super) fn tool_call(event: &mut Event, input: Option<&Value>) {
    let name = event.tool.clone().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let shell = SHELLS.contains(&lower.as_str());
    let Some(input) = input.map(unwrapped) else {
        if shell || is_edit(&lower) {
            event.trouble = Some("the tool call has no arguments that can be read".to_owned());
        }
        return;
    };
    if TYPING.contains(&lower.as_str()) {
        match field(&input, TYPED) {
            Some(Value::String(keys)) => event.command = Some(keys.replace("{enter}", "\n").replace('\r', "\n")),
            Some(_) => event.trouble = Some("what would be typed into the shell is not text".to_owned()),
            // Waiting for output types nothing.
            None => {}
        }
        return;
    }
    if matches!(&input, Value::String(text) if shell && text.trim_start().starts_with(['{', '['])) {
        event.trouble = Some("the tool call's arguments are JSON that cannot be read".to_owned());
        return;
    }
    if let Some(patch) = patch_text(&input) {
        match edit::patch(&patch) {
            Ok(edits) => event.edits.extend(edits),
            Err(reason) => event.trouble = Some(reason),
        }
        // A shell's own call of apply_patch may do more than that.
        if !shell {
            return;
        }
    }
    if let Some(directory) = text(&input, DIRECTORY).filter(|_| shell || !is_edit(&lower)) {
        event.cwd = Some(joined(event.cwd.as_deref(), &directory));
    }
    if shell {
        command(event, &input);
        return;
    }
    let before = event.edits.len();
    edits(event, &input, &lower);
    if event.edits.len() == before && event.trouble.is_none() && !is_edit(&lower) && field(&input, COMMAND).is_some() {
        // A tool of a name that is not known, with something that reads like a command.
        command(event, &input);
        if event.command.is_none() {
            event.trouble = None;
        }
    }
}

fn is_edit(lower: &str) -> bool {
    matches!(
        lower,
        "write"
            | "edit"
            | "multiedit"
            | "notebookedit"
            | "editnotebook"
            | "create"
            | "str_replace"
            | "strreplace"
            | "editor"
            | "insert"
            | "replace"
            | "patch"
            | "write_file"
            | "write_to_file"
            | "create_file"
            | "replace_in_file"
            | "apply_patch"
            | "applypatch"
            | "edit_file"
            | "str_replace_editor"
            | "str_replace_based_edit_tool"
            | "new_rule"
            | "search_replace"
            | "replace_string_in_file"
            | "multi_replace_string_in_file"
            | "insert_edit_into_file"
            | "delete"
            | "delete_file"
    )
}

fn joined(base: Option<&str>, directory: &str) -> String {
    match base {
        Some(base) => std::path::Path::new(base).join(directory).to_string_lossy().into_owned(),
        None => directory.to_owned(),
    }
}

/// A patch in the form of `apply_patch`, wherever in the arguments it is.
fn patch_text(input: &Value) -> Option<String> {
    let has = |t: &&str| t.contains(edit::PATCH_BEGINS);
    match input {
        Value::String(text) => Some(text.as_str()).filter(has).map(str::to_owned),
        Value::Object(fields) => ["input", "patch", "patchText", "patch_text", "diff", "command", "cmd"]
            .iter()
            .filter_map(|n| fields.get(*n))
            .find_map(|v| match v {
                Value::String(text) => Some(text.as_str()).filter(has),
                Value::Array(words) => words.iter().filter_map(Value::as_str).find(has),
                _ => None,
            })
            .map(str::to_owned),
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(has).map(str::to_owned),
        _ => None,
    }
}

/// The shell text: every spelling that is there is judged, for which of them the host obeys is its own affair.
fn command(event: &mut Event, input: &Value) {
    let mut texts: Vec<String> = Vec::new();
    let mut wrong = false;
    match input {
        Value::Object(fields) => {
            let arguments = fields.get("args").filter(|v| !v.is_null());
            for (name, value) in COMMAND.iter().filter_map(|n| Some((*n, fields.get(*n)?))) {
                match value {
                    Value::Null => {}
                    _ if name == "commands" => wrong |= !each(&mut texts, &unwrapped(value)),
                    _ => wrong |= !one(&mut texts, value, arguments),
                }
            }
        }
        _ if event.tool.as_deref().is_some_and(|t| t.eq_ignore_ascii_case(COMMANDS)) => {
            wrong = !each(&mut texts, input)
        }
        _ => wrong = !one(&mut texts, input, None),
    }
    texts.dedup();
    if wrong || texts.is_empty() {
        event.trouble = Some("the tool call's command is not text".to_owned());
    }
    if !texts.is_empty() {
        event.command = Some(texts.join("\n"));
    }
}

/// One command: text, or its words; perhaps with more words beside it. `false` when it is neither.
fn one(texts: &mut Vec<String>, value: &Value, arguments: Option<&Value>) -> bool {
    let words = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|w| w.as_str().map(str::to_owned)).collect()
    };
    let Some(more) = arguments.map_or(Some(Vec::new()), words) else { return false };
    let text = match value {
        Value::String(text) => text.clone(),
        other => match words(other) {
            Some(words) if !words.is_empty() => shell_line(&words),
            _ => return false,
        },
    };
    texts.push(if more.is_empty() { text } else { format!("{text} {}", shell_line(&more)) });
    true
}

/// Several commands, each of them text or `{"command","args"}`.
fn each(texts: &mut Vec<String>, value: &Value) -> bool {
    match value {
        Value::Array(commands) => !commands.is_empty() && commands.iter().all(|c| !c.is_array() && each(texts, c)),
        Value::Object(fields) => fields
            .get("command")
            .is_some_and(|command| one(texts, command, fields.get("args").filter(|v| !v.is_null()))),
        other => one(texts, other, None),
    }
}

fn edits(event: &mut Event, input: &Value, lower: &str) {
    let Value::Object(fields) = input else {
        if is_edit(lower) {
            event.trouble = Some("the tool call's arguments are no object".to_owned());
        }
        return;
    };
    let path = PATH.iter().find_map(|n| fields.get(*n)).filter(|v| !v.is_null());
    let listed = field(input, &["edits", "replacements", "changes"]);
    let path = match path {
        Some(Value::String(path)) if !path.is_empty() => Some(path.clone()),
        Some(_) if is_edit(lower) => {
            event.trouble = Some("the path of the file to write is not text".to_owned());
            return;
        }
        _ => None,
    };
    // Edits that each name their own file.
    if let (None, Some(Value::Array(items))) = (&path, listed) {
        for item in items {
            if let Some(path) = text(item, PATH) {
                let change = item.as_object().map_or_else(unreadable, |o| change(o, lower));
                event.edits.push(FileEdit { path, change });
            }
        }
        return;
    }
    let Some(path) = path else {
        if is_edit(lower) {
            event.trouble = Some("the tool call names no file to write".to_owned());
        }
        return;
    };
    let change = match listed {
        Some(Value::Array(items)) => replacements(items),
        Some(_) => unreadable(),
        None => change(fields, lower),
    };
    if is_edit(lower) || !matches!(change, Change::Unknown(_)) {
        event.edits.push(FileEdit { path, change });
    }
}

fn unreadable() -> Change {
    Change::Unknown("the change is not in a form that is known".to_owned())
}

fn replacements(items: &[Value]) -> Change {
    let all: Option<Vec<Replacement>> = items.iter().map(|i| replacement(i.as_object()?)).collect();
    all.map_or_else(unreadable, Change::Replace)
}

fn replacement(fields: &Map<String, Value>) -> Option<Replacement> {
    let of = |names: &[&str]| names.iter().find_map(|n| fields.get(*n)?.as_str()).map(str::to_owned);
    let all = ALL.iter().filter_map(|n| fields.get(*n)).any(|v| *v == Value::Bool(true))
        || fields.get("expected_replacements").and_then(Value::as_u64).is_some_and(|n| n > 1);
    Some(Replacement { old: of(OLD)?, new: of(NEW)?, all })
}

fn change(fields: &Map<String, Value>, lower: &str) -> Change {
    let of = |names: &[&str]| names.iter().find_map(|n| fields.get(*n)?.as_str());
    if lower.starts_with("delete") {
        return Change::Remove;
    }
    if let Some(one) = replacement(fields) {
        return Change::Replace(vec![one]);
    }
    if let Some(diff) = of(&["diff"]) {
        return edit::blocks(diff).map_or_else(unreadable, Change::Replace);
    }
    // What is inserted is not all that the file will hold.
    if fields.get("insert_line").is_some_and(|v| !v.is_null()) {
        return unreadable();
    }
    let whole = of(CONTENT).or_else(|| of(&["new_text"]).filter(|_| lower == "editor"));
    match whole {
        Some(content) => Change::Write(content.to_owned()),
        None => unreadable(),
    }
}
