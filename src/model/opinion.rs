//! What a classifier beside the rules said of a judgement, or why it said nothing; and what asking it cost.

use super::{Category, Verdict};

/// How far the user's own words go. Order is reach, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Consent {
    /// Nothing the user said asks for this.
    #[default]
    None,
    /// The user asked for a task that this may serve.
    Task,
    /// The user named the package.
    Package,
    /// The user named the package and this version of it.
    Version,
    /// The user named the package and accepted the very risk.
    Risk,
}

impl Consent {
    /// Every degree, least first.
    pub const ALL: [Self; 5] = [Self::None, Self::Task, Self::Package, Self::Version, Self::Risk];

    /// `none`, `task`, `package`, `version`, `risk`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Task => "task",
            Self::Package => "package",
            Self::Version => "version",
            Self::Risk => "risk",
        }
    }

    /// Reads [`Consent::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.word() == word)
    }
}

/// What became of the question. No answer is never the same as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An answer in the form that was asked for.
    Answered,
    /// No complete answer within the time.
    TimedOut,
    /// The model would not answer.
    Refused,
    /// No connection, a server error, too many requests: an outage.
    Unreachable,
    /// No key, a key that is not taken, a program that is not there: the configuration.
    Misconfigured,
    /// An answer outside the form.
    Malformed,
}

impl Outcome {
    /// `answered`, `timed-out`, `refused`, `unreachable`, `misconfigured`, `malformed`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TimedOut => "timed-out",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Misconfigured => "misconfigured",
            Self::Malformed => "malformed",
        }
    }

    /// For people: what follows "the classifier".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TimedOut => "did not answer in time",
            Self::Refused => "refused to answer",
            Self::Unreachable => "could not be reached",
            Self::Misconfigured => "cannot be asked as it is configured",
            Self::Malformed => "gave an answer outside the form",
        }
    }
}

/// What the opinion did to the rules' verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The rules' verdict stands.
    Stands,
    /// It was raised to the opinion's.
    Raised,
    /// An `ask` was lowered, with the user's own consent.
    Lowered,
    /// There was no answer, and the policy's `on-unavailable` decided.
    Unavailable,
}

impl Effect {
    /// `stands`, `raised`, `lowered`, `unavailable`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stands => "stands",
            Self::Raised => "raised",
            Self::Lowered => "lowered",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What one question cost, over all of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Questions sent; a retry after a lost connection is not counted by itself.
    pub requests: u32,
    /// Tokens read that no cache had.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's prompt cache.
    pub cache_read_tokens: u64,
    /// Tokens put into it.
    pub cache_write_tokens: u64,
    /// What that costs by the policy's prices, in millionths of a dollar; `None` without prices.
    pub micro_dollars: Option<u64>,
}

impl Usage {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let cost = match (self.micro_dollars, other.micro_dollars) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            requests: self.requests.saturating_add(other.requests),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            micro_dollars: cost,
        }
    }
}

/// What a classifier said of a judgement, or why it said nothing. Every text in it is plain and short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// `anthropic`, `openai`, `command`.
    pub kind: &'static str,
    /// The model's name, or the program's.
    pub model: String,
    /// What became of the question.
    pub outcome: Outcome,
    /// Its own verdict; the rules' where there is no answer.
    pub verdict: Verdict,
    /// The rules' verdict before it.
    pub rules: Verdict,
    /// What became of that.
    pub effect: Effect,
    /// 0 to 100.
    pub severity: u8,
    /// What it is about.
    pub category: Category,
    /// Ids it was given: findings `f1`, packages `p1`, messages `u1`.
    pub evidence: Vec<String>,
    /// How far the user's words go.
    pub consent: Consent,
    /// Why, in its words, or why there is no answer: printable ASCII, at most 200 characters.
    pub rationale: String,
    /// Which passes were made: `harm`, `intent`.
    pub stages: Vec<&'static str>,
    /// Whether the answer was given before, to the same question.
    pub cached: bool,
    /// SHA-256 of the facts it was shown, `sha256:…`.
    pub facts: String,
    /// What it cost.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Opinion {
    /// Nothing said yet: the rules' verdict stands.
    pub fn blank(kind: &'static str, model: String, rules: Verdict) -> Self {
        Self {
            kind,
            model,
            outcome: Outcome::Answered,
            verdict: rules,
            rules,
            effect: Effect::Stands,
            severity: 0,
            category: Category::Benign,
            evidence: Vec::new(),
            consent: Consent::None,
            rationale: String::new(),
            stages: Vec::new(),
            cached: false,
            facts: String::new(),
            usage: Usage::default(),
            elapsed_ms: 0,
        }
    }
}
