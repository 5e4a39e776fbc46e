//! Windsurf: `pre_run_command` and `pre_write_code` in `hooks.json`.
//!
//! Payload: `agent_action_name trajectory_id tool_info{command_line, cwd}`, or `tool_info{file_path, edits}`. Answer:
//! exit status 2 with the reason on stderr; there is no ask. See docs.windsurf.com, cascade hooks.

use serde_json::Value;

use super::{Answer, Decision, Event, Protocol, Speaks, Stage, payload};

pub(super) const PROTOCOL: Protocol =
    Protocol { read, answer: Speaks::Refusal(refusal), asks: false, stops_by_status: true };

fn read(value: &Value) -> Event {
    let mut event = payload::envelope(value);
    event.session = payload::text(value, &["trajectory_id", "trajectoryId"]).or(event.session);
    let info = payload::field(value, &["tool_info", "toolInfo"]);
    let name = payload::text(value, &["agent_action_name", "agentActionName", "hook_event_name"]);
    let (stage, tool) = match name.as_deref() {
        Some("pre_run_command") => (Stage::Before, "run_command"),
        Some("pre_write_code") => (Stage::Before, "edit"),
        Some("post_run_command") => (Stage::After, "run_command"),
        Some(_) => (Stage::Other, ""),
        None if info.is_some_and(|i| i.get("file_path").is_some()) => (Stage::Before, "edit"),
        None if info.is_some() => (Stage::Before, "run_command"),
        None => (Stage::Other, ""),
    };
    event.stage = stage;
    if stage != Stage::Other {
        event.tool = Some(tool.to_owned());
        payload::tool_call(&mut event, info);
    }
    event
}

fn refusal(decision: &Decision) -> Answer {
    Answer { stdout: String::new(), stderr: format!("{}\n", decision.reason), status: 2 }
}
