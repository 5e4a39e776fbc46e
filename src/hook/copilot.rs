//! GitHub Copilot, CLI and cloud agent: `preToolUse` in `hooks/*.json`.
//!
//! Payload: `sessionId cwd toolName toolArgs`, the last perhaps JSON in a string; with events named as Claude Code names
//! them, the same in snake case. No transcript is named. Answer: flat `permissionDecision` and
//! `permissionDecisionReason`; VS Code, which reads the same files, wants them in `hookSpecificOutput`. There is an
//! `ask`: the cloud takes one for a refusal, the app and a session in which all tools are allowed take it for a yes, and
//! no payload says which it is. See docs.github.com, hooks reference.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, claude_code, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: true };

const STAGES: &[(&str, Stage)] = &[
    ("preToolUse", Stage::Before),
    ("PreToolUse", Stage::Before),
    ("postToolUse", Stage::After),
    ("PostToolUse", Stage::After),
];

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    let name = payload::text(value, &["hook_event_name", "hookEventName", "hookName"]);
    let input = payload::field(value, &["toolArgs", "tool_args", "tool_input", "toolInput"]);
    let result = payload::field(value, &["toolResult", "tool_result", "tool_response"]);
    // The CLI's own payloads do not name their event: only a call that ran has a result.
    let ran = result.map(|_| "postToolUse");
    payload::staged(&mut event, name.as_deref().or(ran), input, STAGES);
    event
}

fn refusal(decision: &Decision) -> Answer {
    Answer::json(&json!({
        "permissionDecision": decision.word.text(),
        "permissionDecisionReason": decision.reason,
        "hookSpecificOutput": claude_code::before(decision),
    }))
}
