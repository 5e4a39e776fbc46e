//! What the two model APIs have in common: the key, the one POST, what its statuses mean, prices, and the two passes.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::answer::{self, Answer};
use super::{Classifier, Matter, NoAnswer, Said, combine, prompt};
use crate::model::{Category, Consent, Environment, OpinionOutcome as Outcome, Usage, Verdict, printable, redact_url};
use crate::policy;
use crate::registry::FetchError;
use crate::registry::http::{Http, Post, Profile, ProxySettings, Request, Response, Roots, Secret};

/// The largest answer of an API, in bytes.
const LARGEST: u64 = 1 << 20;
/// Attempts after the first.
const RETRIES: u32 = 2;
/// A deadline closer than this is not worth a question.
pub(super) const SHORTEST: Duration = Duration::from_millis(50);

/// A pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Harm,
    Intent,
    Text,
}

impl Stage {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Harm => "harm",
            Self::Intent => "intent",
            Self::Text => "text",
        }
    }

    pub(super) const fn prompt(self) -> &'static str {
        match self {
            Self::Harm => prompt::HARM,
            Self::Intent => prompt::INTENT,
            Self::Text => prompt::TEXT,
        }
    }

    pub(super) fn schema(self) -> Value {
        if self == Self::Harm { answer::harm_schema() } else { answer::schema() }
    }

    /// The most tokens of an answer: some models think aloud before they fill in the form.
    pub(super) const fn tokens(self) -> u32 {
        match self {
            Self::Harm => 256,
            _ => 1024,
        }
    }
}

/// One question in one pass, sent; the text that should be an answer, and what it cost.
pub(super) trait Ask {
    fn ask(&self, stage: Stage, facts: &str, within: Duration) -> Result<(String, Usage), NoAnswer>;
}

/// A model behind an API.
pub(super) struct Remote<A> {
    pub kind: &'static str,
    pub model: String,
    pub identity: String,
    pub stages: u32,
    pub prices: policy::Prices,
    pub api: A,
}

impl<A: Ask> Classifier for Remote<A> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn identity(&self) -> String {
        format!("{}\0{}\0{}\0{}", self.kind, self.model, self.identity, self.stages)
    }

    fn classify(&self, matter: Matter<'_>, within: Duration) -> Result<Said, NoAnswer> {
        let started = Instant::now();
        let mut stages = Vec::new();
        let mut usage = Usage::default();
        let ids = matter.context.ids();
        let mut pass = |stage: Stage, facts: &str| {
            stages.push(stage.word());
            let left = within.saturating_sub(started.elapsed());
            let asked = if left < SHORTEST {
                Err(NoAnswer::new(Outcome::TimedOut, "there was no time left to ask"))
            } else {
                self.api.ask(stage, facts, left)
            };
            match asked {
                Ok((text, cost)) => {
                    usage = usage.plus(self.priced(cost));
                    Ok(text)
                }
                Err(none) => {
                    usage = usage.plus(self.priced(none.usage));
                    Err((none.outcome, none.reason))
                }
            }
        };
        let mut passes = || -> Result<Answer, (Outcome, String)> {
            let malformed = |why: String| (Outcome::Malformed, why);
            if matter.text_only {
                let text = pass(Stage::Text, &matter.context.text_only())?;
                return answer::read(&text, &ids).map_err(malformed);
            }
            let harm_first = self.stages > 1 && !combine::could_lower(matter.judgement, matter.context);
            if harm_first {
                let text = pass(Stage::Harm, &matter.context.without_messages().json())?;
                if !answer::read_harm(&text).map_err(malformed)? {
                    return Ok(cleared(matter));
                }
            }
            let text = pass(Stage::Intent, &matter.context.json())?;
            answer::read(&text, &ids).map_err(malformed)
        };
        match passes() {
            Ok(answer) => Ok(Said { answer, stages, usage }),
            Err((outcome, reason)) => Err(NoAnswer { outcome, reason, stages, usage }),
        }
    }
}

/// The first pass saw nothing beyond the rules: their verdict stands.
fn cleared(matter: Matter<'_>) -> Answer {
    Answer {
        verdict: matter.judgement.verdict,
        severity: 0,
        category: if matter.judgement.verdict == Verdict::Allow {
            Category::Benign
        } else {
            matter.judgement.category()
        },
        evidence: Vec::new(),
        consent: Consent::None,
        rationale: "the first pass saw no harm beyond what the rules say".to_owned(),
    }
}

impl<A> Remote<A> {
    /// The same usage with what it costs by the policy's prices.
    fn priced(&self, usage: Usage) -> Usage {
        let p = &self.prices;
        let Some(input) = &p.input else { return usage };
        let of = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let output = p.output.as_ref().map_or(input.value, |v| v.value);
        let read = p.cache_read.as_ref().map_or(input.value, |v| v.value);
        let write = p.cache_write.as_ref().map_or(input.value, |v| v.value);
        let total = of(usage.input_tokens, input.value)
            + of(usage.output_tokens, output)
            + of(usage.cache_read_tokens, read)
            + of(usage.cache_write_tokens, write);
        // Prices are millionths of a dollar for a million tokens; rounded up, for a sum of nothings is no nothing.
        Usage { micro_dollars: Some(u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)), ..usage }
    }
}

/// The one way to the network.
#[derive(Debug)]
pub(super) struct Wire {
    http: Http,
    proxies: ProxySettings,
    roots: Roots,
    pub url: String,
}

impl Wire {
    pub(super) fn new(http: &Http, environment: &Environment, url: String) -> Self {
        let file = |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
        let extra = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].into_iter().filter_map(file).collect();
        let roots = Roots { extra, ..Roots::default() };
        Self { http: http.clone(), proxies: ProxySettings::from_environment(environment), roots, url }
    }

    /// Sends a question. Retries what is worth it within the time, as the server asks.
    pub(super) fn post(
        &self,
        body: &Value,
        headers: Vec<(&'static str, Secret)>,
        within: Duration,
    ) -> Result<Value, NoAnswer> {
        let started = Instant::now();
        let profile = Profile {
            connect_timeout: within.min(Duration::from_secs(10)),
            read_timeout: within,
            total_timeout: within,
            retries: RETRIES,
            proxies: self.proxies.clone(),
            roots: self.roots.clone(),
            ..Profile::default()
        };
        let mut request = Request::get(&self.url, "application/json", LARGEST);
        request.post = Some(Post { body: body.to_string().into_bytes().into(), headers });
        let response = self.http.client(profile).fetch(request);
        let response = response.map_err(|error| failed(&error, started.elapsed() + SHORTEST >= within))?;
        match response.status {
            200 => serde_json::from_slice(&response.body)
                .map_err(|_| NoAnswer::new(Outcome::Malformed, "the API's answer is no JSON")),
            _ => Err(refused(&response)),
        }
    }
}

fn failed(error: &FetchError, late: bool) -> NoAnswer {
    match error {
        FetchError::Unreachable { reason, .. } if late && !reason.starts_with("status") => {
            NoAnswer::new(Outcome::TimedOut, "no complete answer in time")
        }
        FetchError::Unreachable { reason, .. } => NoAnswer::new(Outcome::Unreachable, printable(reason, 120)),
        FetchError::TooLarge { .. } => NoAnswer::new(Outcome::Malformed, "the API's answer is too large"),
        other => NoAnswer::new(Outcome::Misconfigured, printable(&other.to_string(), 160)),
    }
}

/// A status that is no success: an outage, or the configuration. The body is a stranger's: only its error's kind, a
/// word of the API's own list, is said.
fn refused(response: &Response) -> NoAnswer {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let word = |v: &Value| {
        v.as_str()
            .filter(|w| w.len() <= 40 && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
            .map(str::to_owned)
    };
    let kind = word(&body["error"]["type"]).or_else(|| word(&body["error"]["code"]));
    let said = kind.map_or_else(String::new, |k| format!(", {k}"));
    let status = response.status;
    match status {
        408 | 425 | 429 | 500..=599 => NoAnswer::new(Outcome::Unreachable, format!("status {status}{said}")),
        401 | 403 => NoAnswer::new(Outcome::Misconfigured, format!("the key is not taken (status {status}{said})")),
        300..=399 => NoAnswer::new(
            Outcome::Misconfigured,
            format!("it redirects (status {status}); set base-url to where it is"),
        ),
        _ => {
            let url = redact_url(&response.url);
            NoAnswer::new(Outcome::Misconfigured, format!("status {status}{said} from {}", printable(&url, 100)))
        }
    }
}

/// A whole number in a document of an API.
pub(super) fn tokens(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
