//! A host's configuration that calls this program: a file's text goes in, the text with the call, or without it, comes
//! out.
//!
//! JSON is changed where the call stands and nowhere else: what others wrote keeps its order, its form and its
//! comments. Nothing is overwritten that cannot be read.

use std::path::Path;

use serde_json::{Value, json};

use crate::ecosystem::npm::json::{self as tree, Node};
use crate::gate::{Host, calls};
use crate::model::{Diagnostic, LineIndex, Location};

/// What taking the call out leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nothing of anybody's: the file can go.
    Nothing,
    /// This text.
    Text(String),
}

/// How a host is configured.
enum Form {
    /// Entries of lists in a JSON document; with what a new document says beside.
    Json { fresh: Value, entries: Vec<(&'static str, Value)> },
    /// A file of this program's own.
    Whole(String),
}

/// Seconds after which a host gives up; this program's own deadline is below it.
const TIMEOUT: u32 = 15;

/// A word of a command line that a host hands to a shell.
fn quoted(program: &str, windows: bool) -> String {
    if windows { format!("\"{program}\"") } else { crate::model::shell_line(&[program.to_owned()]) }
}

fn form(host: Host, program: &str, windows: bool) -> Form {
    let command = format!("{} hook {}", quoted(program, windows), host.name());
    let nested = |matcher: &str, timeout: u32| {
        let call = json!({ "type": "command", "command": command, "timeout": timeout });
        if matcher.is_empty() { json!({ "hooks": [call] }) } else { json!({ "matcher": matcher, "hooks": [call] }) }
    };
    let form = |fresh: Value, entries: Vec<(&'static str, Value)>| Form::Json { fresh, entries };
    const CURSOR: &str = "Write|Edit|MultiEdit|StrReplace|ApplyPatch|EditNotebook|Delete";
    const CLAUDE: &str = "Bash|PowerShell|Write|Edit|MultiEdit|NotebookEdit";
    match host {
        Host::ClaudeCode => form(
            json!({}),
            vec![
                ("PreToolUse", nested(CLAUDE, TIMEOUT)),
                ("PermissionRequest", nested(CLAUDE, TIMEOUT)),
                ("PostToolUse", nested("Bash|PowerShell", TIMEOUT)),
                ("SessionStart", nested("", TIMEOUT)),
            ],
        ),
        Host::Codex => form(json!({}), vec![("PreToolUse", nested("", TIMEOUT))]),
        Host::Gemini => {
            let mut before = nested("run_shell_command|write_file|replace", TIMEOUT * 1000);
            if let Some(call) = before.pointer_mut("/hooks/0").and_then(Value::as_object_mut) {
                call.insert("name".to_owned(), "tidewaiter".into());
            }
            form(json!({}), vec![("BeforeTool", before)])
        }
        Host::Cursor => form(
            json!({ "version": 1 }),
            vec![
                // With `failClosed` no output is a failure, and to say nothing is how this program lets a host decide.
                ("beforeShellExecution", json!({ "command": command, "timeout": TIMEOUT })),
                ("preToolUse", json!({ "command": command, "timeout": TIMEOUT, "matcher": CURSOR })),
                ("afterShellExecution", json!({ "command": command, "timeout": TIMEOUT })),
            ],
        ),
        Host::Windsurf => form(
            json!({}),
            vec![
                ("pre_run_command", json!({ "command": command, "show_output": true })),
                ("pre_write_code", json!({ "command": command, "show_output": true })),
            ],
        ),
        Host::Copilot => {
            let call = json!({ "type": "command", "bash": command, "powershell": format!("& {command}"), "timeoutSec": TIMEOUT });
            form(json!({ "version": 1 }), vec![("preToolUse", call.clone()), ("postToolUse", call)])
        }
        Host::Cline => Form::Whole(cline(&command)),
        Host::Opencode => Form::Whole(opencode(program)),
    }
}

/// The hook of Cline, which goes on when it hears nothing.
fn cline(command: &str) -> String {
    let refusal = json!({ "cancel": true, "errorMessage": "the gate could not be asked, so nothing may run" });
    format!("#!/bin/sh\n{command} && exit 0\nprintf '%s\\n' '{refusal}'\n")
}

/// The plugin of opencode: it hands over what the tool is given, and throws what comes back.
fn opencode(program: &str) -> String {
    // JSON text is a string of JavaScript too.
    let program = Value::from(program).to_string();
    format!(
        r#"// Made by `tidewaiter hook install opencode`: asks tidewaiter before a tool runs.
import {{ spawnSync }} from "node:child_process";

export const Tidewaiter = async ({{ directory }}) => ({{
  "tool.execute.before": async (input, output) => {{
    const payload = JSON.stringify({{
      event: "tool.execute.before",
      tool: input.tool,
      sessionID: input.sessionID,
      args: output.args,
      directory,
    }});
    const ran = spawnSync({program}, ["hook", "opencode"], {{ input: payload, encoding: "utf8", timeout: 15000 }});
    if (ran.status !== 0) throw new Error(ran.stderr || "tidewaiter could not be asked, so nothing may run");
    const answer = ran.stdout.trim();
    if (answer === "") return;
    throw new Error(JSON.parse(answer).reason);
  }},
}});
"#
    )
}

/// The text with the call to `program`; `None` when it is there already. `text`: what the file holds, if there is one.
pub fn install(
    host: Host,
    path: &Path,
    text: Option<&str>,
    program: &str,
    windows: bool,
) -> Result<Option<String>, Diagnostic> {
    let (fresh, entries) = match form(host, program, windows) {
        Form::Whole(new) => {
            return match text {
                Some(old) if old == new => Ok(None),
                Some(old) if !old.trim().is_empty() && calls(old) == 0 => {
                    let message = "there is a file of someone else's, and it can only be one";
                    let hint = format!("call `{} hook {}` from it", quoted(program, windows), host.name());
                    Err(Diagnostic::new(Location::file(path), message).with_hint(hint))
                }
                _ => Ok(Some(new)),
            };
        }
        Form::Json { fresh, entries } => (fresh, entries),
    };
    let Some(old) = text.filter(|t| !t.trim().is_empty()) else {
        let mut document = fresh;
        let mut hooks = serde_json::Map::new();
        for (event, entry) in entries {
            hooks.insert(event.to_owned(), json!([entry]));
        }
        if let Some(fields) = document.as_object_mut() {
            fields.insert("hooks".to_owned(), hooks.into());
        }
        return Ok(Some(pretty(&document, "  ", 0) + "\n"));
    };
    if is_complete(&read(path, old)?, &entries, old) {
        return Ok(None);
    }
    let events: Vec<&str> = entries.iter().map(|(event, _)| *event).collect();
    let mut new = without(path, old, &events)?.unwrap_or_else(|| old.to_owned());
    let unit = indentation(&new);
    // The last goes in first: each is put in front of what is there.
    for (event, entry) in entries.iter().rev() {
        new = with(path, &new, event, entry, &unit)?;
    }
    Ok(Some(new))
}

/// The text without any call to this program; `None` when there is none.
pub fn uninstall(host: Host, path: &Path, text: &str) -> Result<Option<Left>, Diagnostic> {
    if calls(text) == 0 {
        return Ok(None);
    }
    let Form::Json { entries, .. } = form(host, "tidewaiter", false) else { return Ok(Some(Left::Nothing)) };
    let events: Vec<&str> = entries.iter().map(|(event, _)| *event).collect();
    let Some(new) = without(path, text, &events)? else { return Ok(None) };
    let root = read(path, &new)?;
    let bare = root.members().iter().all(|m| m.key == "version");
    Ok(Some(if bare { Left::Nothing } else { Left::Text(new) }))
}

/// Whether a file calls this program, for every event that it should.
pub fn is_installed(host: Host, path: &Path, text: &str, program: &str, windows: bool) -> Result<bool, Diagnostic> {
    Ok(match form(host, program, windows) {
        Form::Whole(whole) => whole == text,
        Form::Json { entries, .. } => is_complete(&read(path, text)?, &entries, text),
    })
}

fn read<'t>(path: &Path, text: &'t str) -> Result<Node<'t>, Diagnostic> {
    let at = |offset: usize, message: String| Diagnostic::new(LineIndex::new(text).location(path, offset), message);
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    if bare.len() != text.len() {
        return Err(at(0, "begins with a byte-order mark".to_owned()).with_hint("save it without one"));
    }
    let root = tree::parse_relaxed(text)
        .map_err(|e| at(e.offset, format!("not JSON: {}", e.message)).with_hint("mend it; it was left as it is"))?;
    if !root.is_object() {
        return Err(at(root.offset, "it is no JSON object".to_owned()));
    }
    if let Some(hooks) = root.get("hooks") {
        if !hooks.is_object() {
            return Err(at(hooks.offset, "`hooks` is no object".to_owned()));
        }
        if let Some(odd) = hooks.members().iter().find(|m| !is_list(&m.value) && calls_of(&m.value, text)) {
            return Err(at(odd.value.offset, "its hooks are no list".to_owned()));
        }
    }
    Ok(root)
}

fn is_list(node: &Node<'_>) -> bool {
    matches!(node.value, tree::Value::List(_))
}

/// The text of a value.
fn span<'t>(node: &Node<'_>, text: &'t str) -> &'t str {
    text.get(node.offset..end(text, node.offset)).unwrap_or_default()
}

fn calls_of(node: &Node<'_>, text: &str) -> bool {
    calls(span(node, text)) > 0
}

fn is_complete(root: &Node<'_>, entries: &[(&str, Value)], text: &str) -> bool {
    let Some(hooks) = root.get("hooks") else { return false };
    let wanted = entries.iter().all(|(event, entry)| {
        let list = hooks.get(event).map(Node::items).unwrap_or_default();
        list.iter().any(|item| serde_json::from_str::<Value>(span(item, text)).is_ok_and(|v| v == *entry))
    });
    wanted && calls(span(hooks, text)) == entries.iter().map(|(_, e)| calls(&e.to_string())).sum::<usize>()
}

/// Puts an entry in front of an event's list.
fn with(path: &Path, text: &str, event: &str, entry: &Value, unit: &str) -> Result<String, Diagnostic> {
    let root = read(path, text)?;
    let (container, depth, member, value) = match root.get("hooks") {
        None => (&root, 0, Some("hooks"), json!({ event: [entry] })),
        Some(hooks) => match hooks.get(event) {
            None => (hooks, 1, Some(event), json!([entry])),
            Some(list) if is_list(list) => (list, 2, None, entry.clone()),
            Some(odd) => {
                let at = LineIndex::new(text).location(path, odd.offset);
                return Err(Diagnostic::new(at, format!("the hooks of {event} are no list")));
            }
        },
    };
    let inner = depth + 1;
    let mut piece = format!("\n{}", unit.repeat(inner));
    if let Some(key) = member {
        piece.push_str(&format!("{}: ", Value::from(key)));
    }
    piece.push_str(&pretty(&value, unit, inner));
    let empty = container.members().is_empty() && container.items().is_empty();
    if empty {
        piece.push('\n');
        piece.push_str(&unit.repeat(depth));
    } else {
        piece.push(',');
    }
    let at = container.offset + 1;
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
    let after = if empty && after.trim_start().starts_with(['}', ']']) { after.trim_start() } else { after };
    Ok(format!("{before}{piece}{after}"))
}

/// Takes every call to this program out, and of the lists for these events those that are empty then.
fn without(path: &Path, text: &str, events: &[&str]) -> Result<Option<String>, Diagnostic> {
    let mut text = text.to_owned();
    let mut changed = false;
    // Each turn takes one thing out; no file has more of them than this.
    for _ in 0..1000 {
        let root = read(path, &text)?;
        let Some((start, stop)) = excess(&root, &text, changed.then_some(events)) else { break };
        let (before, after) = (text.get(..start).unwrap_or_default(), text.get(stop..).unwrap_or_default());
        text = format!("{before}{after}");
        changed = true;
    }
    Ok(changed.then_some(text))
}

/// The next stretch to take out.
fn excess(root: &Node<'_>, text: &str, emptied: Option<&[&str]>) -> Option<(usize, usize)> {
    let hooks = root.get("hooks")?;
    for member in hooks.members() {
        let items = member.value.items();
        let Some((index, item)) = items.iter().enumerate().find(|(_, item)| calls_of(item, text)) else { continue };
        let inner = item.get("hooks").map(Node::items).unwrap_or_default();
        let ours = inner.iter().position(|i| calls_of(i, text));
        return Some(match (ours, item.get("hooks")) {
            (Some(ours), Some(list)) if inner.iter().any(|i| !calls_of(i, text)) => {
                stretch(text, list.offset, &offsets(inner), ours)
            }
            _ => stretch(text, member.value.offset, &offsets(items), index),
        });
    }
    let events = emptied?;
    let keys = |node: &Node<'_>| node.members().iter().map(|m| (m.offset, m.value.offset)).collect::<Vec<_>>();
    if let Some(index) = hooks
        .members()
        .iter()
        .position(|m| events.contains(&&*m.key) && is_list(&m.value) && m.value.items().is_empty())
    {
        return Some(stretch(text, hooks.offset, &keys(hooks), index));
    }
    let index = root.members().iter().position(|m| m.key == "hooks").filter(|_| hooks.members().is_empty())?;
    Some(stretch(text, root.offset, &keys(root), index))
}

/// Where each child begins, and where its value does.
fn offsets(items: &[Node<'_>]) -> Vec<(usize, usize)> {
    items.iter().map(|i| (i.offset, i.offset)).collect()
}

/// What to take out so that the child `index` is gone: it, and one comma.
fn stretch(text: &str, container: usize, children: &[(usize, usize)], index: usize) -> (usize, usize) {
    let stop = children.get(index).map_or(container + 1, |(_, value)| end(text, *value));
    let before = index.checked_sub(1).and_then(|i| children.get(i)).map(|(_, value)| end(text, *value));
    if let Some(before) = before {
        return (before, stop);
    }
    let rest = text.get(stop..).unwrap_or_default();
    let gap = rest.len() - rest.trim_start().len();
    match rest.trim_start().chars().next() {
        Some(',') => (container + 1, stop + gap + 1),
        Some('}' | ']') => (container + 1, stop + gap),
        // A comment stands there: it stays.
        _ => (children.first().map_or(container + 1, |(start, _)| *start), stop),
    }
}

/// One past the last byte of the value that begins at an offset of text that is JSON, perhaps with comments.
fn end(text: &str, offset: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = offset;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(byte) = bytes.get(at) {
                    match byte {
                        b'\\' => at += 1,
                        b'"' => break,
                        _ => {}
                    }
                    at += 1;
                }
                if depth == 0 {
                    return (at + 1).min(text.len());
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|b| *b != b'\n') {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = text.get(at + 2..).and_then(|rest| rest.find("*/")).map_or(text.len(), |i| at + 2 + i + 1);
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The indentation of the first line that has one.
fn indentation(text: &str) -> String {
    let indented = text.lines().find_map(|l| {
        let rest = l.trim_start_matches([' ', '\t']);
        l.get(..l.len() - rest.len()).filter(|i| !i.is_empty() && !rest.is_empty())
    });
    indented.map_or_else(|| "  ".to_owned(), str::to_owned)
}

/// JSON over several lines, the ones after the first indented `depth` times.
fn pretty(value: &Value, unit: &str, depth: usize) -> String {
    let inner = unit.repeat(depth + 1);
    let close = unit.repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let lines: Vec<String> = fields
                .iter()
                .map(|(key, v)| format!("{inner}{}: {}", Value::from(key.as_str()), pretty(v, unit, depth + 1)))
                .collect();
            format!("{{\n{}\n{close}}}", lines.join(",\n"))
        }
        Value::Array(items) if !items.is_empty() => {
            let lines: Vec<String> = items.iter().map(|v| format!("{inner}{}", pretty(v, unit, depth + 1))).collect();
            format!("[\n{}\n{close}]", lines.join(",\n"))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::{Left, install, is_installed, uninstall};
    use crate::gate::Host;

    const JSON: [Host; 6] = [Host::ClaudeCode, Host::Codex, Host::Cursor, Host::Copilot, Host::Gemini, Host::Windsurf];

    fn put(host: Host, text: Option<&str>) -> Option<String> {
        install(host, Path::new("s.json"), text, "/opt/my tools/tidewaiter", false).unwrap_or_else(|e| panic!("{e}"))
    }

    fn take(host: Host, text: &str) -> Option<Left> {
        uninstall(host, Path::new("s.json"), text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_new_file_comes_and_goes() {
        for host in Host::ALL {
            let new = put(host, None).unwrap_or_default();
            assert_eq!(put(host, Some(&new)), None, "{host:?}");
            assert!(is_installed(host, Path::new("s"), &new, "/opt/my tools/tidewaiter", false).unwrap_or(false));
            assert!(!is_installed(host, Path::new("s"), &new, "/elsewhere/tidewaiter", false).unwrap_or(true));
            assert_eq!(take(host, &new), Some(Left::Nothing), "{host:?}");
        }
    }

    #[test]
    fn a_file_of_someone_elses_keeps_every_byte() {
        for text in [
            "{\n    \"model\": \"x\",\n    \"list\": [1,2, 3]\n}\n",
            "{\"a\":1}",
            "{\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{ \"matcher\": \"Bash\", \"hooks\": [ {\"type\":\"command\",\"command\":\"mine.sh\"} ] }\n\t\t],\n\t\t\"Stop\": []\n\t}\n}",
            "{ // mine\n  \"hooks\": { \"BeforeTool\": [ { \"hooks\": [] } ] }, /* y */ \"z\": \"} ] \\\" tidewaiter\" }",
        ] {
            for host in JSON {
                let new = put(host, Some(text)).unwrap_or_default();
                assert_ne!(new, text);
                assert_eq!(put(host, Some(&new)), None, "{host:?}: once is enough: {new}");
                assert_eq!(take(host, &new), Some(Left::Text(text.to_owned())), "{host:?}");
                assert_eq!(take(host, text), None);
            }
        }
    }

    #[test]
    fn another_program_s_path_is_put_right_and_neighbours_stay() {
        let text = r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"a"},{"type":"command","command":"/old/tidewaiter hook claude-code"},{"type":"command","command":"b"}]}]}}"#;
        let new = put(Host::ClaudeCode, Some(text)).unwrap_or_default();
        assert!(!new.contains("/old/") && new.contains("\"a\"") && new.contains("\"b\""));
        let left = r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"a"},{"type":"command","command":"b"}]}]}}"#;
        assert_eq!(take(Host::ClaudeCode, &new), Some(Left::Text(left.to_owned())));
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        for (text, place) in
            [("{\n  \"a\": ,\n}", "s.json:2:8"), ("[]", "s.json:1:1"), ("{\"hooks\": 1}", "s.json:1:11")]
        {
            let error = install(Host::ClaudeCode, Path::new("s.json"), Some(text), "/t", false).err();
            assert_eq!(error.map(|e| e.location.to_string()).as_deref(), Some(place), "{text}");
        }
        let error = install(Host::Cline, Path::new("PreToolUse"), Some("#!/bin/sh\nmine\n"), "/t", false);
        assert!(error.is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\":,/*\\\\ a\n]{0,60}|(?s).{0,60}") {
            for host in Host::ALL {
                let _ = install(host, Path::new("s"), Some(&text), "/t", false);
                let _ = uninstall(host, Path::new("s"), &(text.clone() + "tidewaiter hook"));
            }
        }
    }
}
