//! Gemini CLI: `BeforeTool` in `settings.json`.
//!
//! Payload: `session_id transcript_path cwd hook_event_name tool_name tool_input`. Answer:
//! `{"decision":"deny","reason"}`; there is no ask. See gemini-cli, docs/hooks.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Stage, Word, payload};

pub(super) const PROTOCOL: Protocol = Protocol { read, answer, asks: false };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    let input = payload::field(value, &["tool_input", "toolInput"]);
    event.stage = match payload::text(value, &["hook_event_name", "hookEventName"]).as_deref() {
        Some("BeforeTool") => Stage::Before,
        Some("AfterTool") => Stage::After,
        Some("SessionStart") => Stage::SessionStart,
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
    let mut document = json!({ "decision": "deny", "reason": decision.reason });
    if let (Some(fields), false) = (document.as_object_mut(), decision.note.is_empty()) {
        fields.insert("systemMessage".to_owned(), decision.note.clone().into());
    }
    Answer::json(&document)
}
