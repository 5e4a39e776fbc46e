//! opencode: the plugin that `tidewaiter hook install opencode` writes calls this program from `tool.execute.before`.
//!
//! Payload, made by that plugin: `{"event":"tool.execute.before","tool","args","sessionID","directory"}`. Answer:
//! `{"block":true,"reason"}`, which the plugin throws; there is no ask. See packages/plugin in its source.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Stage, Word, payload};

pub(super) const PROTOCOL: Protocol = Protocol { read, answer, asks: false };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    event.session = payload::text(value, &["sessionID", "sessionId", "session_id"]);
    event.cwd = payload::text(value, &["directory", "cwd", "worktree"]);
    event.tool = payload::text(value, &["tool", "tool_name", "toolName"]);
    let input = payload::field(value, &["args", "tool_input"]);
    event.stage = match payload::text(value, &["event", "hook_event_name"]).as_deref() {
        Some("tool.execute.before") => Stage::Before,
        Some("tool.execute.after") => Stage::After,
        Some(_) => Stage::Other,
        None if event.tool.is_some() || input.is_some() => Stage::Before,
        None => Stage::Other,
    };
    if matches!(event.stage, Stage::Before | Stage::After) {
        payload::tool_call(&mut event, input);
    }
    event
}

fn answer(event: &Event, decision: &Decision) -> Answer {
    if decision.word == Word::None || event.stage != Stage::Before {
        return Answer::none();
    }
    Answer::json(&json!({ "block": true, "reason": decision.reason }))
}
