//! opencode: the plugin that `tidewaiter hook install opencode` writes calls this program from `tool.execute.before`.
//!
//! Payload, made by that plugin: `{"event":"tool.execute.before","tool","args","sessionID","directory"}`. Answer:
//! `{"block":true,"reason"}`, which the plugin throws; there is no ask. See packages/plugin in its source.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: true };

const STAGES: &[(&str, Stage)] = &[("tool.execute.before", Stage::Before), ("tool.execute.after", Stage::After)];

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    event.session = payload::text(value, &["sessionID", "sessionId", "session_id"]);
    event.cwd = payload::text(value, &["directory", "cwd", "worktree"]);
    event.tool = payload::text(value, &["tool", "tool_name", "toolName"]);
    let input = payload::field(value, &["args", "tool_input"]);
    let name = payload::text(value, &["event", "hook_event_name"]);
    payload::staged(&mut event, name.as_deref(), input, STAGES);
    event
}

fn refusal(decision: &Decision) -> Answer {
    Answer::json(&json!({ "block": true, "reason": decision.reason }))
}
