//! Who answers beside the rules: a [`Context`] goes in, an [`Answer`] in a closed form comes out, or the reason why there
//! is none; and what either makes of the rules' verdict.
//!
//! ```text
//! Judgement + Context ──consult──▶ Classifier (rules · anthropic · openai · command)
//!                                        │ Answer, or NoAnswer
//!                                        ▼ combine: never below the rules but for a soft `ask` that the user consented to
//!                                    Judgement with its Opinion
//! ```
//!
//! A model is asked only where it can change something, in up to two passes: one that looks for harm alone and can only
//! clear or escalate, and one that weighs what the user wanted. What a model writes is a stranger's text.

pub mod answer;
mod anthropic;
pub mod cache;
mod combine;
mod command;
mod consult;
mod openai;
pub mod prompt;
mod remote;

use std::time::Duration;

use crate::context::Context;
use crate::judge::Judgement;
use crate::model::{Category, Consent, OpinionOutcome, Usage, Verdict};

pub use answer::Answer;
pub use combine::{CLASSIFIER, combine, unavailable};
pub use consult::{Asking, built, consult, is_worth_asking};

/// What is to be weighed.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// What the rules made of it.
    pub judgement: &'a Judgement,
    /// What a judge is shown of that.
    pub context: &'a Context,
    /// Show the command's words and the user's messages alone: the baseline that everything else is measured against.
    pub text_only: bool,
}

/// An answer, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The answer.
    pub answer: Answer,
    /// Which passes were made.
    pub stages: Vec<&'static str>,
    /// What it cost.
    pub usage: Usage,
}

/// Why there is no answer, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer {
    /// What became of the question; never [`OpinionOutcome::Answered`].
    pub outcome: OpinionOutcome,
    /// For people: a lower-case fragment, plain text, no secrets.
    pub reason: String,
    /// Which passes were made.
    pub stages: Vec<&'static str>,
    /// What it cost all the same.
    pub usage: Usage,
}

impl NoAnswer {
    /// Without having cost anything.
    pub fn new(outcome: OpinionOutcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), stages: Vec::new(), usage: Usage::default() }
    }
}

/// Someone who judges facts.
pub trait Classifier {
    /// `rules`, `anthropic`, `openai`, `command`.
    fn kind(&self) -> &'static str;
    /// The model's or program's name; empty for the rules.
    fn model(&self) -> &str;
    /// What an answer depends on beside the question: model, address, prompts.
    fn identity(&self) -> String;
    /// Weighs the matter within the time given.
    fn classify(&self, matter: Matter<'_>, within: Duration) -> Result<Said, NoAnswer>;
}

/// The rules themselves: their verdict, their category, the findings that decide, and the policy line behind each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules;

impl Classifier for Rules {
    fn kind(&self) -> &'static str {
        "rules"
    }

    fn model(&self) -> &str {
        ""
    }

    fn identity(&self) -> String {
        "rules".to_owned()
    }

    fn classify(&self, matter: Matter<'_>, _: Duration) -> Result<Said, NoAnswer> {
        let judgement = matter.judgement;
        let deciding = judgement.deciding();
        let rationale = match deciding.first().and_then(|n| judgement.findings.get(*n)) {
            Some(f) => crate::model::printable(&format!("{}: {} ({})", f.rule, f.message, f.policy), 200),
            None => "no rule stands against it".to_owned(),
        };
        let answer = Answer {
            verdict: judgement.verdict,
            severity: match judgement.verdict {
                Verdict::Allow => 0,
                Verdict::Ask => 50,
                Verdict::Deny => 100,
            },
            category: if judgement.verdict == Verdict::Allow { Category::Benign } else { judgement.category() },
            evidence: deciding.into_iter().map(crate::context::finding_id).collect(),
            consent: Consent::None,
            rationale,
        };
        Ok(Said { answer, stages: vec!["rules"], usage: Usage::default() })
    }
}
