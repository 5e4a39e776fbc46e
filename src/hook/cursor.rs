//! Cursor: `beforeShellExecution` and `preToolUse` in `hooks.json`.
//!
//! Payload: `hook_event_name command cwd conversation_id workspace_roots transcript_path`; `cwd` may be empty. Answer:
//! `{"permission":"deny","user_message","agent_message"}`. There is an `ask`, but none for `preToolUse`, and where Cursor
//! reviews commands itself it takes one for a yes; no payload says whether it does. See cursor.com/docs/hooks.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: true };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    event.cwd = event.cwd.or_else(|| payload::first_text(value, &["workspace_roots", "workspaceRoots"]));
    let name = payload::text(value, &["hook_event_name", "hookEventName"]);
    let direct = value.get("command").is_some() && event.tool.is_none();
    event.stage = match name.as_deref() {
        Some("beforeShellExecution" | "preToolUse") => Stage::Before,
        Some("afterShellExecution" | "postToolUse") => Stage::After,
        Some("sessionStart") => Stage::SessionStart,
        Some(_) => Stage::Other,
        None if direct || event.tool.is_some() => Stage::Before,
        None => Stage::Other,
    };
    let shell = matches!(name.as_deref(), Some("beforeShellExecution" | "afterShellExecution")) || direct;
    match event.stage {
        Stage::Before | Stage::After if shell => {
            event.tool = Some("shell".to_owned());
            // Its own `cwd` is the envelope's.
            let call = json!({ "command": value.get("command") });
            payload::tool_call(&mut event, Some(&call));
        }
        Stage::Before | Stage::After => {
            payload::tool_call(&mut event, payload::field(value, &["tool_input", "toolInput"]));
        }
        _ => {}
    }
    event
}

fn refusal(decision: &Decision) -> Answer {
    let for_person = if decision.note.is_empty() { &decision.reason } else { &decision.note };
    Answer::json(&json!({
        "permission": decision.word.text(),
        "user_message": for_person,
        "agent_message": decision.reason,
    }))
}
