//! GitHub Copilot, CLI and cloud agent: `preToolUse` in `hooks/*.json`.
//!
//! Payload: `sessionId cwd toolName toolArgs`, the last perhaps JSON in a string; with events named as Claude Code names
//! them, the same in snake case. Answer: flat `permissionDecision` and `permissionDecisionReason`; the cloud takes an
//! ask for a refusal. See docs.github.com, hooks reference.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Stage, Word, payload};

pub(super) const PROTOCOL: Protocol = Protocol { read, answer, asks: true };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    let name = payload::text(value, &["hook_event_name", "hookEventName", "hookName"]);
    let input = payload::field(value, &["toolArgs", "tool_args", "tool_input", "toolInput"]);
    let result = payload::field(value, &["toolResult", "tool_result", "tool_response"]);
    event.stage = match name.as_deref() {
        Some("preToolUse" | "PreToolUse") => Stage::Before,
        Some("postToolUse" | "PostToolUse") => Stage::After,
        Some(_) => Stage::Other,
        // The CLI's own payloads do not name their event: only a call that ran has a result.
        None if result.is_some() => Stage::After,
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
    Answer::json(&json!({
        "permissionDecision": decision.word.text(),
        "permissionDecisionReason": decision.reason,
    }))
}
