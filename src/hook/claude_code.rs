//! Claude Code: PreToolUse, PermissionRequest, PostToolUse and SessionStart, in `settings.json` or a plugin.
//!
//! Payload: `session_id transcript_path cwd permission_mode hook_event_name tool_name tool_input`. Answer: exit 0 with
//! `hookSpecificOutput`; `permissionDecision` is `deny` or `ask`. See code.claude.com/docs/en/hooks.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, Word, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Everything(answer), asks: true, stops_by_status: true };

const STAGES: &[(&str, Stage)] = &[
    ("PreToolUse", Stage::Before),
    ("PermissionRequest", Stage::Permission),
    ("PostToolUse", Stage::After),
    ("SessionStart", Stage::SessionStart),
];

pub(super) fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    let input = payload::field(value, &["tool_input", "toolInput"]);
    let name = payload::text(value, &["hook_event_name", "hookEventName"]);
    payload::staged(&mut event, name.as_deref(), input, STAGES);
    event
}

fn answer(event: &Event, decision: &Decision) -> Answer {
    let mut output = match event.stage {
        Stage::Before => before(decision),
        Stage::Permission => return permission(decision),
        Stage::After => {
            let Some(context) = &decision.context else { return Answer::none() };
            json!({ "hookEventName": "PostToolUse", "classifierContext": context })
        }
        Stage::SessionStart => {
            let Some(context) = &decision.context else { return Answer::none() };
            json!({ "hookEventName": "SessionStart", "additionalContext": context })
        }
        Stage::Other => return Answer::none(),
    };
    if output.is_null() {
        return Answer::none();
    }
    let mut document = json!({ "hookSpecificOutput": output.take() });
    note(&mut document, decision);
    Answer::json(&document)
}

pub(super) fn before(decision: &Decision) -> Value {
    match (decision.word, &decision.context) {
        (Word::None, None) => Value::Null,
        (Word::None, Some(context)) => json!({ "hookEventName": "PreToolUse", "additionalContext": context }),
        (word, _) => json!({
            "hookEventName": "PreToolUse",
            "permissionDecision": word.text(),
            "permissionDecisionReason": decision.reason,
        }),
    }
}

/// A person is about to be asked anyway: only a refusal changes that.
fn permission(decision: &Decision) -> Answer {
    if decision.word != Word::Deny {
        return Answer::none();
    }
    Answer::json(&json!({ "hookSpecificOutput": {
        "hookEventName": "PermissionRequest",
        "decision": { "behavior": "deny", "message": decision.reason },
    } }))
}

/// What the person is shown.
pub(super) fn note(document: &mut Value, decision: &Decision) {
    if let (Some(fields), false) = (document.as_object_mut(), decision.note.is_empty()) {
        fields.insert("systemMessage".to_owned(), decision.note.clone().into());
    }
}
