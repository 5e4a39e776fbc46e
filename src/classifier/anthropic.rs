//! Anthropic's Messages API (version 2023-06-01): a forced tool, whose input is the answer. The prompt and the tool come
//! first and are marked for the provider's cache; the facts come last.

use std::time::Duration;

use serde_json::{Value, json};

use super::NoAnswer;
use super::remote::{Ask, Stage, Wire, tokens};
use crate::model::{OpinionOutcome as Outcome, Usage};
use crate::registry::http::Secret;

/// The API's version.
const VERSION: &str = "2023-06-01";
/// The tool that the model must use.
const TOOL: &str = "answer";

/// The API at an address, with a key.
#[derive(Debug)]
pub(super) struct Anthropic {
    pub wire: Wire,
    pub key: Secret,
    pub model: String,
}

impl Ask for Anthropic {
    fn ask(&self, stage: Stage, facts: &str, within: Duration) -> Result<(String, Usage), NoAnswer> {
        let body = json!({
            "model": self.model,
            "max_tokens": stage.tokens(),
            "system": [{ "type": "text", "text": stage.prompt(), "cache_control": { "type": "ephemeral" } }],
            "tools": [{
                "name": TOOL,
                "description": "Give your answer. This is the only way to answer.",
                "input_schema": stage.schema(),
            }],
            "tool_choice": { "type": "tool", "name": TOOL, "disable_parallel_tool_use": true },
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": facts }] }],
        });
        let headers = vec![("x-api-key", self.key.clone()), ("anthropic-version", Secret::new(VERSION))];
        let reply = self.wire.post(&body, headers, within)?;
        let usage = usage(&reply["usage"]);
        let none = |outcome, reason: &str| Err(NoAnswer { usage, ..NoAnswer::new(outcome, reason) });
        match reply["stop_reason"].as_str() {
            Some("refusal") => return none(Outcome::Refused, "the model would not answer"),
            Some("max_tokens") => return none(Outcome::Malformed, "the answer was cut off"),
            _ => {}
        }
        let blocks = reply["content"].as_array().map_or(&[][..], Vec::as_slice);
        let mut used = blocks.iter().filter(|b| b["type"] == "tool_use");
        match (used.next(), used.next()) {
            (Some(block), None) if block["name"] == TOOL && block["input"].is_object() => {
                Ok((block["input"].to_string(), usage))
            }
            _ => none(Outcome::Malformed, "it did not use the form that it was given"),
        }
    }
}

fn usage(value: &Value) -> Usage {
    Usage {
        requests: 1,
        input_tokens: tokens(&value["input_tokens"]),
        output_tokens: tokens(&value["output_tokens"]),
        cache_read_tokens: tokens(&value["cache_read_input_tokens"]),
        cache_write_tokens: tokens(&value["cache_creation_input_tokens"]),
        micro_dollars: None,
    }
}
