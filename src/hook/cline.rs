//! Cline: the executable `hooks/PreToolUse`.
//!
//! Payload: `hookName taskId workspaceRoots preToolUse{toolName, parameters}`, every parameter text; the CLI and what is
//! built on the same core say `hookName:"tool_call"`, with `tool_call{name, input}` beside. Answer:
//! `{"cancel":true,"errorMessage"}`, whatever the exit status; there is no ask, and without that document Cline goes on.
//! See hooks.proto and the hooks of its core, in its source.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: false };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    event.session = payload::text(value, &["taskId", "task_id"]).or(event.session);
    event.cwd = event.cwd.or_else(|| payload::first_text(value, &["workspaceRoots", "workspace_roots"]));
    let before = payload::field(value, &["preToolUse", "pre_tool_use"]);
    let after = payload::field(value, &["postToolUse", "post_tool_use"]);
    let name = payload::text(value, &["hookName", "hook_name"]);
    let called = payload::field(value, &["tool_call", "toolCall"]);
    event.stage = match name.as_deref() {
        Some("PreToolUse" | "tool_call") => Stage::Before,
        Some("PostToolUse" | "tool_result") => Stage::After,
        // By whatever name: a tool is about to run.
        _ if before.is_some() => Stage::Before,
        Some(_) => Stage::Other,
        None if called.is_some() => Stage::Before,
        None if after.is_some() => Stage::After,
        None => Stage::Other,
    };
    // What the tool itself is given, before a rendering of it as text.
    let given = called.filter(|c| c.get("input").is_some_and(|i| !i.is_null()));
    let call = if event.stage == Stage::After { after } else { given.or(before).or(called) };
    if event.stage == Stage::Before && !call.is_some_and(Value::is_object) {
        event.trouble = Some("the payload has no tool call".to_owned());
    }
    if let Some(call) = call.filter(|_| event.stage != Stage::Other) {
        event.tool = payload::text(call, &["toolName", "tool_name", "tool", "name"]).or(event.tool);
        if event.tool.is_none() && event.stage == Stage::Before {
            event.trouble = Some("the tool call has no name".to_owned());
        }
        payload::tool_call(&mut event, payload::field(call, &["parameters", "params", "input"]));
    }
    event
}

fn refusal(decision: &Decision) -> Answer {
    Answer::json(&json!({ "cancel": true, "errorMessage": decision.reason }))
}
