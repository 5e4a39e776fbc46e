//! A judgement taken to the classifier that the policy names: whether it is worth a question, from memory or asked anew
//! within the time that is left, and what the answer makes of the verdict.

use std::path::Path;
use std::time::{Duration, Instant};

use super::anthropic::Anthropic;
use super::cache::{Cache, Key};
use super::command::{self, Program};
use super::openai::OpenAi;
use super::remote::{Remote, SHORTEST, Wire};
use super::{Classifier, Matter, NoAnswer, Rules, combine, prompt, unavailable};
use crate::context::Context;
use crate::judge::Judgement;
use crate::model::{Environment, Opinion, OpinionOutcome as Outcome, Verdict};
use crate::policy::{self, Api, ClassifierKind, Policy};
use crate::registry::http::{Http, Secret};

/// Where the two public APIs are.
const ANTHROPIC: &str = "https://api.anthropic.com";
const OPENAI: &str = "https://api.openai.com/v1";

/// What asking needs beside the judgement.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its digest: what an answer depends on.
    pub policy_digest: &'a str,
    /// Variables, directories.
    pub environment: &'a Environment,
    /// Where answers are kept; `None`: nowhere.
    pub cache: Option<&'a Path>,
    /// When the caller has to answer at the latest.
    pub deadline: Option<Instant>,
    /// No network.
    pub offline: bool,
}

/// Whether a question can change anything: never a refusal, nothing where nothing comes in.
pub fn is_worth_asking(judgement: &Judgement, policy: &Policy) -> bool {
    let comes_in = !judgement.plan.packages.is_empty() || !judgement.plan.unresolved.is_empty();
    policy.classifier.kind.value != ClassifierKind::Rules
        && judgement.verdict != Verdict::Deny
        && (comes_in || !judgement.findings.is_empty())
}

/// Takes a judgement to the classifier. `context` is made only when it is asked. Nothing happens with `rules`.
pub fn consult(judgement: &mut Judgement, asking: Asking<'_>, context: impl FnOnce(&Judgement) -> Context) {
    let started = Instant::now();
    if !is_worth_asking(judgement, asking.policy) {
        return;
    }
    let context = context(judgement);
    let settings = &asking.policy.classifier;
    let mut within = Duration::from_millis(u64::from(settings.timeout_ms.value));
    if let Some(deadline) = asking.deadline {
        within = within.min(deadline.saturating_duration_since(Instant::now()));
    }
    let mut opinion = blank(judgement, settings, &context);
    let said = ask(judgement, &context, asking, within, &mut opinion);
    opinion.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match said {
        Ok(said) => {
            opinion.stages = said.stages;
            opinion.usage = said.usage;
            combine(judgement, &context, &said.answer, opinion);
        }
        Err(none) => {
            opinion.stages.clone_from(&none.stages);
            opinion.usage = none.usage;
            unavailable(judgement, asking.policy, &none, opinion);
        }
    }
}

fn ask(
    judgement: &Judgement,
    context: &Context,
    asking: Asking<'_>,
    within: Duration,
    opinion: &mut Opinion,
) -> Result<super::Said, NoAnswer> {
    if within < SHORTEST {
        return Err(NoAnswer::new(Outcome::TimedOut, "there was no time left to ask"));
    }
    let settings = &asking.policy.classifier;
    let cache = asking.cache.map(Cache::new);
    let key = Key::of(&[
        &judgement.plan.digest().to_string(),
        &opinion.facts,
        asking.policy_digest,
        &prompt::digest().to_string(),
        &identity(settings),
        &context.intent_digest().to_string(),
    ]);
    let ids = context.ids();
    if let Some(said) = cache.as_ref().and_then(|c| c.get(&key, &ids)) {
        opinion.cached = true;
        return Ok(said);
    }
    if asking.offline && settings.kind.value != ClassifierKind::Command {
        return Err(NoAnswer::new(Outcome::Unreachable, "offline, and this was not answered before"));
    }
    let started = Instant::now();
    let classifier = built(settings, asking.environment, within)?;
    let left = within.saturating_sub(started.elapsed());
    let said = classifier.classify(Matter { judgement, context, text_only: false }, left)?;
    if let Some(cache) = cache {
        cache.put(&key, &said);
    }
    Ok(said)
}

/// What of the configuration an answer depends on.
fn identity(settings: &policy::Classifier) -> String {
    let text = |v: &Option<policy::Valued<String>>| v.as_ref().map_or("", |v| v.value.as_str()).to_owned();
    let command = settings.command.as_ref().map_or_else(Vec::new, |c| c.value.clone());
    format!(
        "{} {:?} {:?} {:?} {:?} {}",
        settings.kind.value.word(),
        text(&settings.model),
        text(&settings.base_url),
        settings.api.value,
        command,
        settings.stages.value
    )
}

fn model_name(settings: &policy::Classifier) -> String {
    match settings.kind.value {
        ClassifierKind::Command => settings.command.as_ref().and_then(|c| c.value.first().cloned()).unwrap_or_default(),
        _ => settings.model.as_ref().map(|m| m.value.clone()).unwrap_or_default(),
    }
}

fn blank(judgement: &Judgement, settings: &policy::Classifier, context: &Context) -> Opinion {
    let model = crate::model::printable(&model_name(settings), 80);
    Opinion {
        facts: context.facts_digest().to_string(),
        ..Opinion::blank(settings.kind.value.word(), model, judgement.verdict)
    }
}

/// The classifier that the policy names. Starts nothing but, where one is named, the command that tells the key.
pub fn built(
    settings: &policy::Classifier,
    environment: &Environment,
    within: Duration,
) -> Result<Box<dyn Classifier>, NoAnswer> {
    let wrong = |reason: &str| NoAnswer::new(Outcome::Misconfigured, reason);
    let model = || {
        let model = settings.model.as_ref().map(|m| m.value.clone());
        model.ok_or_else(|| wrong("classifier.model names no model"))
    };
    let base = |default: &str| {
        let given = settings.base_url.as_ref().map_or(default, |u| u.value.as_str());
        given.trim_end_matches('/').to_owned()
    };
    let http = Http::new();
    let (stages, prices) = (settings.stages.value, settings.prices.clone());
    let kind = settings.kind.value.word();
    match settings.kind.value {
        ClassifierKind::Rules => Ok(Box::new(Rules)),
        ClassifierKind::Anthropic => {
            let model = model()?;
            let base = base(ANTHROPIC);
            let base = base.strip_suffix("/v1").unwrap_or(&base).to_owned();
            let key = key(settings, environment, Some("ANTHROPIC_API_KEY"), within)?
                .ok_or_else(|| wrong("there is no key: set ANTHROPIC_API_KEY, classifier.key-env or key-command"))?;
            let wire = Wire::new(&http, environment, format!("{base}/v1/messages"));
            let api = Anthropic { wire, key, model: model.clone() };
            Ok(Box::new(Remote { kind, model, identity: base, stages, prices, api }))
        }
        ClassifierKind::OpenAi => {
            let model = model()?;
            let base = base(OPENAI);
            // The public API's key goes to the public API; a server of one's own gets the one that is named for it.
            let default = settings.base_url.is_none().then_some("OPENAI_API_KEY");
            let key = key(settings, environment, default, within)?;
            if key.is_none() && settings.base_url.is_none() {
                return Err(wrong("there is no key: set OPENAI_API_KEY, classifier.key-env or key-command"));
            }
            let path = if settings.api.value == Api::Chat { "chat/completions" } else { "responses" };
            let wire = Wire::new(&http, environment, format!("{base}/{path}"));
            let api = OpenAi { wire, api: settings.api.value, key, model: model.clone() };
            Ok(Box::new(Remote { kind, model, identity: format!("{base} {path}"), stages, prices, api }))
        }
        ClassifierKind::Command => {
            let words = settings.command.as_ref().map(|c| c.value.clone()).unwrap_or_default();
            if words.is_empty() {
                return Err(wrong("classifier.command names no program"));
            }
            let model = words.first().cloned().unwrap_or_default();
            let identity = words.join("\0");
            let api = Program { words, environment: environment.clone() };
            Ok(Box::new(Remote { kind, model, identity, stages, prices, api }))
        }
    }
}

/// The key: what a command prints, else a variable.
fn key(
    settings: &policy::Classifier,
    environment: &Environment,
    default: Option<&str>,
    within: Duration,
) -> Result<Option<Secret>, NoAnswer> {
    if let Some(words) = &settings.key_command {
        return command::key(&words.value, environment, within).map(|k| Some(Secret::new(&k)));
    }
    let named = settings.key_env.as_ref().map(|v| v.value.as_str());
    let value = named.or(default).and_then(|name| environment.variable(name)).map(str::trim).filter(|v| !v.is_empty());
    if value.is_none() && named.is_some() {
        let name = crate::model::printable(named.unwrap_or_default(), 60);
        return Err(NoAnswer::new(
            Outcome::Misconfigured,
            format!("the variable {name} (classifier.key-env) is not set"),
        ));
    }
    Ok(value.map(Secret::new))
}
