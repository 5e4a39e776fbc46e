//! The labelled benchmark of judgement: cases in, and how often a classifier is right, at what price, out.
//!
//! Everything is judged in memory, by the same code as a real command. `text_only` withholds the facts: what a judge of
//! words alone says of the same cases.

mod cases;
mod page;
mod score;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use world::MemoryWorld;

use crate::classifier::{Classifier, Matter, NoAnswer, Rules, Said, combine};
use crate::context::{Caps, Context, Sources, Transcript};
use crate::invocation::{self, Effect, Invocation};
use crate::judge::{Judge, Judgement, Via, World as _};
use crate::model::{Category, Environment, Location, Opinion, OpinionOutcome, Timestamp, Usage, Verdict};
use crate::policy::{self, Layer, Origin, Policy};
use crate::{rules, shell};

pub use cases::{Case, load};
pub use page::html;
pub use score::{Score, score};

/// What became of one case.
#[derive(Debug, Clone)]
pub struct Result {
    /// The case.
    pub case: Case,
    /// The verdict.
    pub verdict: Verdict,
    /// The category, benign where nothing stands against the command.
    pub category: Category,
    /// What became of the question, where a model was asked.
    pub outcome: Option<OpinionOutcome>,
    /// What it cost.
    pub usage: Usage,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
}

/// The moment at which all cases happen.
const NOW: i64 = 1_795_348_800;

/// Judges every case, `each` being called after each.
pub fn run(
    cases: &[Case],
    classifier: Option<&dyn Classifier>,
    text_only: bool,
    within: Duration,
    mut each: impl FnMut(usize),
) -> Vec<Result> {
    let mut out = Vec::with_capacity(cases.len());
    for (n, case) in cases.iter().enumerate() {
        out.push(judged(case, classifier, text_only, within));
        each(n + 1);
    }
    out
}

fn environment() -> Environment {
    Environment {
        variables: [("HOME".to_owned(), cases::HOME.to_owned()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())]
            .into(),
        cwd: cases::CWD.into(),
        home: Some(cases::HOME.into()),
        now: Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH),
        os: "linux",
        arch: "x86_64",
    }
}

fn judged(case: &Case, classifier: Option<&dyn Classifier>, text_only: bool, within: Duration) -> Result {
    let started = Instant::now();
    let environment = environment();
    let files = cases::disk(case);
    let policy = policy_of(case, environment.now);
    let world = MemoryWorld::new(
        Arc::clone(&case.state),
        Arc::clone(&files),
        policy.clone(),
        environment.now,
        case.installed.clone(),
    );
    let judge = Judge {
        environment: &environment,
        files: &*files,
        advisories: &*case.state,
        policy: &policy,
        world: &world,
        as_of: None,
        said: None,
    };
    let (argv, invocations) = read(&case.command, &environment);
    let mut judgement = if text_only {
        by_text(judge.by_text(&argv, &invocations, Via::Hook), &invocations)
    } else {
        judge.command(&argv, &invocations, Via::Hook)
    };
    let (mut outcome, mut usage) = (None, Usage::default());
    if let Some(classifier) = classifier.filter(|c| c.kind() != Rules.kind() && judgement.verdict != Verdict::Deny) {
        let transcript = Transcript {
            messages: case.messages.clone(),
            printed: Some(case.printed.join("\n")),
            ..Transcript::default()
        };
        let installed = |i: &Invocation| world.interpreter(i, &environment).installed;
        let context = Context::of(
            &Sources {
                judgement: &judgement,
                environment: &environment,
                files: &*files,
                policy: &policy,
                installed: &installed,
                transcript: Some(&transcript),
                changed: &|_| None,
            },
            Caps::FULL,
        );
        let said = classifier.classify(Matter { judgement: &judgement, context: &context, text_only }, within);
        outcome = Some(said.as_ref().map_or_else(|none| none.outcome, |_| OpinionOutcome::Answered));
        usage = said.as_ref().map_or_else(|none| none.usage, |said| said.usage);
        weigh(&mut judgement, &context, &policy, said, text_only);
    }
    let category = match judgement.verdict {
        Verdict::Allow => Category::Benign,
        _ => judgement.category(),
    };
    Result {
        case: case.clone(),
        verdict: judgement.verdict,
        category,
        outcome,
        usage,
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

/// An answer's part in the verdict. A judge of text alone has no rules to be held to.
fn weigh(
    judgement: &mut Judgement,
    context: &Context,
    policy: &Policy,
    said: std::result::Result<Said, NoAnswer>,
    text_only: bool,
) {
    let blank = Opinion::blank("bench", String::new(), judgement.verdict);
    match said {
        Ok(said) if text_only => {
            judgement.verdict = said.answer.verdict;
            judgement.findings.clear();
            combine(judgement, context, &said.answer, blank);
            if let Some(opinion) = &mut judgement.opinion {
                opinion.category = said.answer.category;
            }
        }
        Ok(said) => combine(judgement, context, &said.answer, blank),
        Err(none) => crate::classifier::unavailable(judgement, policy, &none, blank),
    }
}

/// Text as the hook reads it: the words of one plain command, else what a shell would make of it.
fn read(text: &str, environment: &Environment) -> (Vec<String>, Vec<Invocation>) {
    let plain = !text.trim().contains(['\n', ';', '|', '&', '(', '`', '$', '<', '>']);
    match plain.then(|| shell::plain_words(text)).flatten().filter(|words| !words.is_empty()) {
        Some(words) => {
            let invocations = invocation::parse(&words, environment);
            (words, invocations)
        }
        None => {
            let argv = ["sh", "-c", text].map(str::to_owned).to_vec();
            (argv, invocation::parse_shell(text, environment, &|_| None))
        }
    }
}

/// What the words of requests give away beside what the rules of commands see: a place that is no registry.
fn by_text(mut judgement: Judgement, invocations: &[Invocation]) -> Judgement {
    let installing = invocations.iter().filter(|i| i.effect != Effect::Nothing);
    let foreign = |text: &str| text.contains("://") || text.starts_with("git@") || text.starts_with("github:");
    let seen = installing.flat_map(|i| &i.requests).any(|r| foreign(&r.text));
    if seen && judgement.verdict == Verdict::Allow {
        judgement.verdict = Verdict::Ask;
        judgement.findings.push(crate::model::Finding {
            rule: "text",
            level: crate::model::Level::Ask,
            category: Category::UntrustedSource,
            package: None,
            message: "the words name a place that is no registry".to_owned(),
            evidence: crate::model::Evidence::new(),
            location: None,
            fix: None,
            policy: Location::built_in(),
        });
    }
    judgement
}

fn policy_of(case: &Case, now: Timestamp) -> Policy {
    let mut origins = Vec::new();
    if !case.policy.is_empty() {
        origins.push(Origin { layer: Layer::User, path: "policy.toml".into(), text: Ok(case.policy.clone()) });
    }
    policy::load_layers(&origins, now, &rules::infos()).policy
}
