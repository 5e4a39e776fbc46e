//! OpenAI's Chat Completions and Responses APIs with a JSON schema, as Ollama, vLLM, llama.cpp and others speak them too.
//! The prompt comes first, so that servers that cache prefixes can; the facts come last.

use std::time::Duration;

use serde_json::{Value, json};

use super::NoAnswer;
use super::remote::{Ask, Stage, Wire, tokens};
use crate::model::{OpinionOutcome as Outcome, Usage};
use crate::policy::Api;
use crate::registry::http::Secret;

/// One of the two APIs at an address; servers of one's own may want no key.
#[derive(Debug)]
pub(super) struct OpenAi {
    pub wire: Wire,
    pub api: Api,
    pub key: Option<Secret>,
    pub model: String,
}

impl Ask for OpenAi {
    fn ask(&self, stage: Stage, facts: &str, within: Duration) -> Result<(String, Usage), NoAnswer> {
        let headers =
            self.key.iter().map(|key| ("authorization", Secret::new(&format!("Bearer {}", key.expose())))).collect();
        let (name, schema) = (stage.word(), stage.schema());
        let body = match self.api {
            Api::Chat => json!({
                "model": self.model,
                "max_completion_tokens": stage.tokens(),
                "messages": [
                    { "role": "system", "content": stage.prompt() },
                    { "role": "user", "content": facts },
                ],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": { "name": name, "strict": true, "schema": schema },
                },
            }),
            Api::Responses => json!({
                "model": self.model,
                "max_output_tokens": stage.tokens(),
                "instructions": stage.prompt(),
                "input": [{ "role": "user", "content": [{ "type": "input_text", "text": facts }] }],
                "text": { "format": { "type": "json_schema", "name": name, "strict": true, "schema": schema } },
                "store": false,
            }),
        };
        let reply = self.wire.post(&body, headers, within)?;
        let usage = usage(&reply["usage"]);
        let found = match self.api {
            Api::Chat => chat(&reply),
            Api::Responses => responses(&reply),
        };
        match found {
            Ok(text) => Ok((text, usage)),
            Err((outcome, reason)) => Err(NoAnswer { usage, ..NoAnswer::new(outcome, reason) }),
        }
    }
}

type Found = Result<String, (Outcome, &'static str)>;

const REFUSED: (Outcome, &str) = (Outcome::Refused, "the model would not answer");
const CUT: (Outcome, &str) = (Outcome::Malformed, "the answer was cut off");
const NONE: (Outcome, &str) = (Outcome::Malformed, "it did not use the form that it was given");

fn chat(reply: &Value) -> Found {
    let choice = &reply["choices"][0];
    let message = &choice["message"];
    if message["refusal"].as_str().is_some_and(|r| !r.is_empty()) || choice["finish_reason"] == "content_filter" {
        return Err(REFUSED);
    }
    if choice["finish_reason"] == "length" {
        return Err(CUT);
    }
    message["content"].as_str().map(str::to_owned).ok_or(NONE)
}

fn responses(reply: &Value) -> Found {
    match (reply["status"].as_str(), reply["incomplete_details"]["reason"].as_str()) {
        (Some("incomplete"), Some("content_filter")) => return Err(REFUSED),
        (Some("incomplete"), _) => return Err(CUT),
        (Some("failed"), _) => return Err((Outcome::Unreachable, "the API says that it failed")),
        _ => {}
    }
    let output = reply["output"].as_array().map_or(&[][..], Vec::as_slice);
    let parts = output.iter().filter(|o| o["type"] == "message").filter_map(|o| o["content"].as_array()).flatten();
    let mut texts = Vec::new();
    for part in parts {
        match part["type"].as_str() {
            Some("refusal") => return Err(REFUSED),
            Some("output_text") => texts.extend(part["text"].as_str()),
            _ => {}
        }
    }
    if texts.is_empty() { Err(NONE) } else { Ok(texts.concat()) }
}

/// Both APIs' names of the same numbers. What a cache had is counted in the whole there.
fn usage(value: &Value) -> Usage {
    let input = tokens(&value["prompt_tokens"]) + tokens(&value["input_tokens"]);
    let details =
        if value["prompt_tokens_details"].is_object() { "prompt_tokens_details" } else { "input_tokens_details" };
    let cached = tokens(&value[details]["cached_tokens"]).min(input);
    Usage {
        requests: 1,
        input_tokens: input - cached,
        output_tokens: tokens(&value["completion_tokens"]) + tokens(&value["output_tokens"]),
        cache_read_tokens: cached,
        cache_write_tokens: 0,
        micro_dollars: None,
    }
}
