//! Gemini CLI: `BeforeTool` in `settings.json`.
//!
//! Payload: `session_id transcript_path cwd hook_event_name tool_name tool_input`. Answer:
//! `{"decision":"deny","reason"}`; there is no ask. See gemini-cli, docs/hooks.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, claude_code, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: true };

const STAGES: &[(&str, Stage)] =
    &[("BeforeTool", Stage::Before), ("AfterTool", Stage::After), ("SessionStart", Stage::SessionStart)];

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    let input = payload::field(value, &["tool_input", "toolInput"]);
    let name = payload::text(value, &["hook_event_name", "hookEventName"]);
    payload::staged(&mut event, name.as_deref(), input, STAGES);
    event
}

fn refusal(decision: &Decision) -> Answer {
    let mut document = json!({ "decision": "deny", "reason": decision.reason });
    claude_code::note(&mut document, decision);
    Answer::json(&document)
}
