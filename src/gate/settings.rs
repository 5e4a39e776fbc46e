//! What a change of an agent host's configuration takes from this gate: the file's text before and after go in, as the
//! host would parse them.

use serde_json::Value;

use super::calls;
use crate::ecosystem::npm::json::{self as tree, Node};

/// What a change does, for people: a lower-case fragment. `None` when the gate is called as before.
pub fn loses(before: &str, after: &str) -> Option<&'static str> {
    let (old, new) = (document(before), document(after));
    let called = calls(before) > 0;
    // A host finds nothing in what is no document.
    let (Some(old), Some(new)) = (old.or_else(|| (!called).then_some(Value::Null)), new) else {
        // Of a file that is nobody's document (a plugin, a script), whatever it says beside the call may undo the call.
        return if called && before.trim() != after.trim() {
            Some("changes a file that calls this gate")
        } else if speaks_of_off(after) && !speaks_of_off(before) {
            Some(OFF)
        } else {
            None
        };
    };
    if called && serde_json::from_str::<Value>(before).is_ok() && toml_or_json(after).is_none() {
        return Some(UNREAD);
    }
    if entries(&old).iter().any(|entry| !entries(&new).contains(entry)) {
        return Some("changes how this gate is called");
    }
    if is_off(&new) && !is_off(&old) {
        return Some(OFF);
    }
    if called && is_sound(&old) && !is_sound(&new) {
        return Some(UNREAD);
    }
    let (before, after) = (variables(&old), variables(&new));
    let moved = after.iter().any(|(name, value)| steers(name) && !before.contains(&(*name, *value)));
    moved.then_some("sets variables with which this gate is started otherwise")
}

/// Whether a host's configuration switches all hooks off, or this program's.
pub fn switches_off(text: &str) -> bool {
    document(text).map_or_else(|| speaks_of_off(text), |document| is_off(&document))
}

const OFF: &str = "switches an agent host's hooks off";
const UNREAD: &str = "leaves a configuration that a host may not read";

fn toml_or_json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| toml::from_str(text).ok())
}

/// JSON, JSON with comments, or TOML.
fn document(text: &str) -> Option<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = toml_or_json(text).or_else(|| tree::parse_relaxed(text).ok().map(|node| value(&node)))?;
    found.is_object().then_some(found)
}

fn value(node: &Node<'_>) -> Value {
    match &node.value {
        tree::Value::Null | tree::Value::Number(_) => serde_json::from_str(match &node.value {
            tree::Value::Number(text) => text,
            _ => "null",
        })
        .unwrap_or_default(),
        tree::Value::Flag(flag) => (*flag).into(),
        tree::Value::Text(text) => text.as_ref().into(),
        tree::Value::List(items) => items.iter().map(value).collect(),
        // A repeated key: the last one counts.
        tree::Value::Object(members) => {
            Value::Object(members.iter().map(|m| (m.key.to_string(), value(&m.value))).collect())
        }
    }
}

/// The entries that call this gate, by their event, without what else stands in them: another hook beside this one
/// changes nothing.
fn entries(document: &Value) -> Vec<(&str, Value)> {
    let ours = |value: &Value| calls(&value.to_string()) > 0;
    let events = document.get("hooks").and_then(Value::as_object).into_iter().flatten();
    let listed = events.flat_map(|(event, list)| list.as_array().into_iter().flatten().map(move |e| (event, e)));
    listed
        .filter(|(_, entry)| ours(entry))
        .map(|(event, entry)| {
            let mut entry = entry.clone();
            if let Some(inner) = entry.get_mut("hooks").and_then(Value::as_array_mut) {
                inner.retain(ours);
            }
            (event.as_str(), entry)
        })
        .collect()
}

/// Events of hosts. One that a host does not know can cost it the whole file.
const EVENTS: &[&str] = &[
    // Claude Code's, of which others took theirs.
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "PermissionRequest",
    "PermissionDenied",
    "Notification",
    "UserPromptSubmit",
    "UserPromptExpansion",
    "SessionStart",
    "SessionEnd",
    "Setup",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "PreCompact",
    "PostCompact",
    "TeammateIdle",
    "TaskCreated",
    "TaskCompleted",
    "Elicitation",
    "ElicitationResult",
    "ConfigChange",
    "CwdChanged",
    "FileChanged",
    "WorktreeCreate",
    "WorktreeRemove",
    "InstructionsLoaded",
    // Gemini CLI's.
    "BeforeTool",
    "AfterTool",
    "BeforeAgent",
    "AfterAgent",
    "BeforeModel",
    "AfterModel",
    "BeforeToolSelection",
    "PreCompress",
    "enabled",
    "disabled",
];

/// Whether a value is of a kind.
type Is = fn(&Value) -> bool;

/// What Claude Code's own settings are, beside hooks: of another kind, the whole file is passed over.
const KINDS: &[(&str, Is)] = &[
    ("/env", |v| v.as_object().is_some_and(|all| all.values().all(is_scalar))),
    ("/permissions", Value::is_object),
    ("/permissions/allow", is_texts),
    ("/permissions/ask", is_texts),
    ("/permissions/deny", is_texts),
    ("/permissions/additionalDirectories", is_texts),
    ("/permissions/defaultMode", Value::is_string),
    ("/apiKeyHelper", Value::is_string),
    ("/cleanupPeriodDays", Value::is_number),
    ("/disableAllHooks", Value::is_boolean),
    ("/enableAllProjectMcpServers", Value::is_boolean),
    ("/enabledMcpjsonServers", is_texts),
    ("/disabledMcpjsonServers", is_texts),
    ("/enabledPlugins", Value::is_object),
    ("/extraKnownMarketplaces", Value::is_object),
    ("/includeCoAuthoredBy", Value::is_boolean),
    ("/model", Value::is_string),
    ("/outputStyle", Value::is_string),
    ("/sandbox", Value::is_object),
    ("/statusLine", Value::is_object),
];

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

/// Whether a host reads a document that calls this gate. Hosts whose entries have hooks of their own pass over a whole
/// file in which one thing is not of its kind.
fn is_sound(document: &Value) -> bool {
    let Some(events) = document.get("hooks").and_then(Value::as_object) else { return false };
    let ours = entries(document);
    if !ours.iter().any(|(_, entry)| entry.get("hooks").is_some()) {
        return events.values().all(|list| list.is_array() || list.is_boolean());
    }
    let claude = ours.iter().any(|(_, entry)| entry.to_string().contains("claude-code"));
    let known = |event: &str| ours.iter().any(|(of, _)| *of == event) || EVENTS.contains(&event);
    events.iter().all(|(event, list)| known(event) && is_list(event, list))
        && (!claude || KINDS.iter().all(|(pointer, is)| document.pointer(pointer).is_none_or(is)))
}

/// Whether a list of entries is one: a matcher that is a text, hooks that are commands or the like.
fn is_list(event: &str, list: &Value) -> bool {
    let hook = |hook: &Value| {
        let text = |key: &str| hook.get(key).is_some_and(Value::is_string);
        text("type")
            && (hook.get("type").is_none_or(|kind| kind != "command") || text("command"))
            && hook.get("timeout").is_none_or(Value::is_number)
    };
    let entry = |entry: &Value| {
        entry.get("matcher").is_none_or(Value::is_string)
            && entry.get("hooks").and_then(Value::as_array).is_some_and(|hooks| hooks.iter().all(hook))
    };
    match event {
        "enabled" => list.is_boolean(),
        "disabled" => is_texts(list),
        _ => list.as_array().is_some_and(|list| list.iter().all(entry)),
    }
}

/// Whether a document switches hooks off: Claude Code's `disableAllHooks`, Codex's `features.hooks`, in a profile too,
/// Gemini CLI's `hooksConfig.enabled` and its lists of hooks that are not to be called, by name or command.
fn is_off(document: &Value) -> bool {
    let flag = |pointer: &str, off: bool| document.pointer(pointer) == Some(&Value::Bool(off));
    let listed = |pointer: &str| {
        let names = document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).any(|name| name == "*" || name.contains("tidewaiter"))
    };
    let mut profiles = document.get("profiles").and_then(Value::as_object).into_iter().flatten();
    const OFF: &[&str] = &[
        "/hooks",
        "/features/hooks",
        "/features/codex_hooks",
        "/hooksConfig/enabled",
        "/hooks/enabled",
        "/tools/enableHooks",
    ];
    ["/disableAllHooks", "/allowManagedHooksOnly"].iter().any(|pointer| flag(pointer, true))
        || OFF.iter().any(|pointer| flag(pointer, false))
        || profiles.any(|(_, profile)| {
            profile
                .pointer("/features")
                .is_some_and(|f| ["hooks", "codex_hooks"].iter().any(|name| f.get(name) == Some(&Value::Bool(false))))
        })
        || ["/hooksConfig/disabled", "/hooks/disabled"].iter().any(|pointer| listed(pointer))
}

/// The same, of a text that is no document.
fn speaks_of_off(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bare.contains("\"disableAllHooks\":true") || bare.contains("hooks=false")
}

/// The variables that a host gives what it starts.
fn variables(document: &Value) -> Vec<(&str, &Value)> {
    let of = |pointer| document.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let all = of("/env").chain(of("/shell_environment_policy/set"));
    all.map(|(name, value)| (name.as_str(), value)).collect()
}

/// Variables with which Claude Code calls no hook, or each by another program.
pub(crate) const HOOKLESS: &[&str] = &["CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE", "CLAUDE_CODE_SHELL_PREFIX"];
/// Variables that say where a host finds its configuration.
pub(crate) const ELSEWHERE: &[&str] =
    &["CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "GEMINI_CLI_SYSTEM_SETTINGS_PATH"];

/// Whether a variable decides whether and how hosts call this gate, which program a name is, what is loaded into it, or where this gate keeps its own.
pub(crate) fn steers(name: &str) -> bool {
    const NAMES: &[&str] = &["PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "BASH_ENV", "ENV"];
    const STARTS: &[&str] = &["LD_", "DYLD_", "XDG_", "TIDEWAITER_"];
    let of_hosts = HOOKLESS.contains(&name) || ELSEWHERE.contains(&name);
    of_hosts || NAMES.iter().any(|n| n.eq_ignore_ascii_case(name)) || STARTS.iter().any(|s| name.starts_with(s))
}

#[cfg(test)]
mod tests {
    use super::loses;

    const HELD: &str = r#"{"hooks": {"PreToolUse": [{"matcher": "Bash|Edit", "hooks": [
        {"type": "command", "command": "/usr/bin/tidewaiter hook claude-code", "timeout": 15}]}]}}"#;

    #[test]
    fn a_call_that_is_not_made_as_before_is_lost() {
        for (old, new) in [
            ("Bash|Edit", "Nothing"),
            ("PreToolUse", "Notification"),
            ("15", "0"),
            ("\"/usr/bin/tidewaiter", "\"true # /usr/bin/tidewaiter"),
            ("/usr/bin", "/tmp/evil"),
            ("claude-code", "claude-code --policy /tmp/p.toml --deadline-ms 1"),
            ("\"command\",", "\"prompt\","),
            ("{\"hooks\"", "{\"env\": {\"LD_PRELOAD\": \"/tmp/x.so\"}, \"hooks\""),
            ("{\"hooks\"", "{\"env\": {\"PATH\": \"/usr/bin\"}, \"hooks\""),
            ("{\"hooks\"", "{\"disableAll\\u0048ooks\": true, \"hooks\""),
            ("]}}", "]}, \"hooks\": {}}"),
            ("{\"hooks\"", "{ // a comment\n\"hooks\""),
            (HELD, r#"{"x": "tidewaiter hook tidewaiter hook"}"#),
            (HELD, "tidewaiter hook"),
            (HELD, ""),
            ("\"Bash|Edit\"", "{\"type\": \"always\"}"),
            ("{\"PreToolUse\"", "{\"_PreToolUse_DISABLED\": \"later\", \"PreToolUse\""),
            ("{\"PreToolUse\"", "{\"Stop\": [{\"type\": \"command\", \"command\": \"x\"}], \"PreToolUse\""),
            ("{\"PreToolUse\"", "{\"Stop\": \"x\", \"PreToolUse\""),
            ("{\"hooks\"", "{\"permissions\": \"x\", \"hooks\""),
            ("{\"hooks\"", "{\"permissions\": {\"allow\": \"x\"}, \"hooks\""),
            ("{\"hooks\"", "{\"env\": [], \"hooks\""),
            ("{\"hooks\"", "{\"env\": {\"A\": {}}, \"hooks\""),
            ("{\"hooks\"", "{\"model\": 5, \"hooks\""),
            ("{\"hooks\"", "{\"env\": {\"CLAUDE_CODE_SHELL_PREFIX\": \"/bin/true\"}, \"hooks\""),
            ("{\"hooks\"", "{\"env\": {\"CLAUDE_CODE_SIMPLE\": \"1\"}, \"hooks\""),
            (HELD, "[]"),
        ] {
            assert!(loses(HELD, &HELD.replacen(old, new, 1)).is_some(), "{old} → {new}");
        }
        for (before, after) in [
            ("", r#"{"disableAllHooks": true}"#),
            ("{}", r#"{"hooksConfig": {"enabled": false}}"#),
            ("{}", r#"{"hooks": {"disabled": ["tidewaiter"]}}"#),
            ("[features]\nhooks = true\n", "[features]\nhooks = false\n"),
            ("", "[profiles.x.features]\nhooks = false\n"),
            ("{}", r#"{"tools": {"enableHooks": false}}"#),
            ("x", r#"{"disableAll\u0048ooks": true}"#),
            ("[]", r#"{"hooksConfig": {"enabled": false}}"#),
            ("[1]", "features={\"hooks\"=false}"),
            ("= x", "[shell_environment_policy.set]\nPATH = \"/tmp\"\n"),
            ("{}", r#"{"env": {"CLAUDE_CODE_SAFE_MODE": "1"}}"#),
            ("#!/bin/sh\ntidewaiter hook cline && exit 0\n", "#!/bin/sh\nexit 0\ntidewaiter hook cline && exit 0\n"),
        ] {
            assert!(loses(before, after).is_some(), "{before} → {after}");
        }
    }

    #[test]
    fn what_else_a_configuration_says_is_its_owner_s() {
        let beside = HELD.replacen("\"hooks\": [", "\"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}, ", 1);
        let event = HELD.replacen("{\"PreToolUse\"", "{\"Stop\": [{\"hooks\": []}], \"PreToolUse\"", 1);
        let settings = r#"{"model": "x", "permissions": {"allow": ["Bash(ls)"], "defaultMode": "plan"},
            "env": {"NODE_ENV": "test", "MAX_THINKING_TOKENS": 5}, "unheard": [1], "hooks""#;
        let more = HELD.replacen("{\"hooks", settings.trim_end_matches('"'), 1);
        let spaced = HELD.replace('\n', "\n\n");
        let [beside, event, more, spaced] = [&beside, &event, &more, &spaced];
        for after in [HELD, beside, event, more, spaced] {
            assert_eq!(loses(HELD, after), None, "{after}");
            assert_eq!(loses(after, HELD), None, "{after}");
            assert_eq!(loses("", after), None, "{after}");
        }
        for (before, after) in [("", "{}"), ("{ // x\n}", "{}"), ("x = 1", "x = 2"), ("not a document", "nor this")] {
            assert_eq!(loses(before, after), None, "{before} → {after}");
        }
    }
}
