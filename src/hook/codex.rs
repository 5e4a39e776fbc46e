//! Codex CLI: `PreToolUse` in `~/.codex/hooks.json`.
//!
//! Payload as Claude Code's, with `turn_id` and `model`; `apply_patch` is a tool of its own. Answer: `deny` with a reason
//! that is not empty; `ask` is rejected and the call goes on, so there is none. After exit status 2 the call was seen to
//! go on too, so a crash is said as a `deny`. See developers.openai.com/codex/hooks, codex-rs/hooks.

use serde_json::{Value, json};

use super::{Answer, Decision, Event, Protocol, Speaks, claude_code, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: false };

fn read(value: &Value) -> Event {
    let mut event = claude_code::read(value);
    event.session = payload::text(value, &["session_id", "sessionId", "thread_id"]);
    event
}

fn refusal(decision: &Decision) -> Answer {
    let mut document = json!({ "hookSpecificOutput": claude_code::before(decision) });
    claude_code::note(&mut document, decision);
    Answer::json(&document)
}
