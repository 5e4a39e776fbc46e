//! The lines of the log, schema `tidewaiter.record/1` (docs/schema/record-1.json). In: a judgement, an outcome. Out:
//! plain values with a form of their own on disk: a change of the model does not silently change what was recorded.

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::enforce::Outcome;
use crate::judge::{Judgement, Subject};
use crate::model::{Digest, Level, Opinion, Timestamp, redact};

/// The schema's name.
pub const SCHEMA: &str = "tidewaiter.record/1";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: String,
    /// SHA-256 of the line before this one, in hexadecimal; 64 zeros on the very first.
    pub prev: String,
    /// When it was written, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The process that wrote it.
    pub pid: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A cleared command is about to start.
    Start {
        /// What was judged, and how.
        #[serde(flatten)]
        judged: Box<Judged>,
        /// Who cleared it beyond the rules: `prompt`, `approval`, `classifier`; absent when the rules did.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cleared_by: Option<String>,
    },
    /// The tool has ended.
    End {
        /// The SHA-256 of its [`Event::Start`] line.
        run: String,
        /// How.
        #[serde(flatten)]
        ended: Ended,
    },
    /// A command was stopped: nothing was started.
    Stopped {
        /// What was judged, and how.
        #[serde(flatten)]
        judged: Box<Judged>,
        /// Why it went no further: a lower-case fragment.
        because: String,
    },
    /// A classifier was asked about a judgement, or remembered.
    Consulted {
        /// The command, without secrets.
        command: Command,
        /// The plan, `sha256:…`.
        plan: String,
        /// The verdict after it.
        verdict: String,
        /// What it said, and what that cost.
        classifier: Box<Classifier>,
    },
    /// A person approved a plan.
    Approved {
        /// The plan, `sha256:…`.
        digest: String,
        /// Until when.
        expires_at: String,
        /// On which terminal: `/dev/pts/3`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        terminal: Option<String>,
        /// The names of the processes above it, the nearest first.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        above: Vec<String>,
    },
    /// Someone tried to get past the gate: `gate-tampering`.
    Tampering {
        /// What was tried.
        what: String,
        /// How it was seen: a lower-case fragment.
        reason: String,
    },
    /// The line before is not whole: its writer was stopped, or the disk was.
    Gap {
        /// How many bytes of it there are.
        bytes: u64,
    },
}

impl Event {
    /// The word in `event`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::End { .. } => "end",
            Self::Stopped { .. } => "stopped",
            Self::Consulted { .. } => "consulted",
            Self::Approved { .. } => "approved",
            Self::Tampering { .. } => "tampering",
            Self::Gap { .. } => "gap",
        }
    }

    /// What was judged, where something was.
    pub const fn judged(&self) -> Option<&Judged> {
        match self {
            Self::Start { judged, .. } | Self::Stopped { judged, .. } => Some(judged),
            _ => None,
        }
    }
}

/// A judgement, reduced to what has to be known later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// `allow`, `ask`, `deny`.
    pub verdict: String,
    /// The command.
    pub command: Command,
    /// What it would bring in.
    pub plan: Plan,
    /// What stood against it.
    pub findings: Vec<Finding>,
    /// The policy's state.
    pub policy: Policy,
    /// The advisories' state.
    pub advisories: Advisories,
    /// What a classifier beside the rules said; absent when none was consulted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub classifier: Option<Box<Classifier>>,
    /// What an answer is bound to; absent when nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<Box<Asked>>,
}

/// What a classifier said, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classifier {
    /// `anthropic`, `openai`, `command`.
    pub kind: String,
    /// The model or program.
    pub model: String,
    /// `answered`, `timed-out`, `refused`, `unreachable`, `misconfigured`, `malformed`.
    pub outcome: String,
    /// What became of the rules' verdict: `stands`, `raised`, `lowered`, `unavailable`.
    pub effect: String,
    /// The rules' verdict.
    pub rules: String,
    /// Its own.
    pub verdict: String,
    /// Its category.
    pub category: String,
    /// 0 to 100.
    pub severity: u8,
    /// `none`, `task`, `package`, `version`, `risk`.
    pub consent: String,
    /// The ids that it cites.
    pub evidence: Vec<String>,
    /// Why: printable ASCII.
    pub rationale: String,
    /// The passes that were made: `harm`, `intent`.
    pub stages: Vec<String>,
    /// Whether the answer was given before.
    pub cached: bool,
    /// SHA-256 of the facts that it was shown.
    pub facts: String,
    /// How often it was asked.
    pub requests: u32,
    /// Tokens read that no cache had.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens put into it.
    pub cache_write_tokens: u64,
    /// What that costs by the policy's prices, in millionths of a dollar.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub micro_dollars: Option<u64>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl From<&Opinion> for Classifier {
    fn from(o: &Opinion) -> Self {
        Self {
            kind: o.kind.to_owned(),
            model: o.model.clone(),
            outcome: o.outcome.word().to_owned(),
            effect: o.effect.word().to_owned(),
            rules: o.rules.word().to_owned(),
            verdict: o.verdict.word().to_owned(),
            category: o.category.word().to_owned(),
            severity: o.severity,
            consent: o.consent.word().to_owned(),
            evidence: o.evidence.clone(),
            rationale: o.rationale.clone(),
            stages: o.stages.iter().map(|s| (*s).to_owned()).collect(),
            cached: o.cached,
            facts: o.facts.clone(),
            requests: o.usage.requests,
            input_tokens: o.usage.input_tokens,
            output_tokens: o.usage.output_tokens,
            cache_read_tokens: o.usage.cache_read_tokens,
            cache_write_tokens: o.usage.cache_write_tokens,
            micro_dollars: o.usage.micro_dollars,
            elapsed_ms: o.elapsed_ms,
        }
    }
}

/// The line that accounts for a classifier that was consulted; `None` when none was.
pub fn consulted(judgement: &Judgement) -> Option<Event> {
    let opinion = judgement.opinion.as_deref()?;
    Some(Event::Consulted {
        command: command(judgement),
        plan: judgement.plan.digest().to_string(),
        verdict: judgement.verdict.word().to_owned(),
        classifier: Box::new(opinion.into()),
    })
}

/// A command, or the files of an audit, as they are kept.
fn command(judgement: &Judgement) -> Command {
    match &judgement.subject {
        Subject::Command { argv, cwd, tool, verb, via } => Command {
            argv: redact::argv(argv),
            cwd: cwd.clone(),
            tool: (*tool).to_owned(),
            verb: verb.clone(),
            via: via.word().to_owned(),
        },
        Subject::Audit { files } => Command {
            argv: files.clone(),
            cwd: String::new(),
            tool: "audit".to_owned(),
            verb: String::new(),
            via: String::new(),
        },
    }
}

/// A command, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in tidewaiter.verdict/1")]
pub struct Command {
    pub argv: Vec<String>,
    pub cwd: String,
    pub tool: String,
    pub verb: String,
    pub via: String,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `sha256:…`
    pub digest: String,
    /// Whether everything is known.
    pub complete: bool,
    /// Every release.
    pub packages: Vec<Package>,
    /// The requirements that could not be resolved.
    pub unresolved: Vec<String>,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its package URL.
    pub purl: String,
    /// `PyPI`, `npm`, `crates.io`.
    pub ecosystem: String,
    /// The name as written.
    pub name: String,
    /// The version.
    pub version: String,
    /// `registry`, `git`, `url`, `path`, `workspace`.
    pub source: String,
    /// The strongest digest of every artifact: `sha256:…`, `sha512:…`.
    pub digests: Vec<String>,
}

/// A finding that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: String,
    /// `warn`, `ask`, `deny`.
    pub level: String,
    /// The release's package URL.
    pub package: Option<String>,
    /// The sentence.
    pub message: String,
    /// Its category.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub category: Option<String>,
    /// Where the cause stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// The line of policy that set the level.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

/// The policy's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// SHA-256 over every effective value and the place that set it.
    pub digest: String,
    /// How many errors its files have.
    pub errors: usize,
}

/// The advisories' state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisories {
    /// How many.
    pub records: u64,
    /// When they were fetched.
    pub updated_at: Option<String>,
    /// Older than they should be.
    pub stale: bool,
}

/// How a tool ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit status that the caller got.
    pub status: i32,
    /// `gateway`, `frozen`; absent when the tool did not start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub form: Option<String>,
    /// What the tool asked for and did not get.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<String>,
    /// What the sandbox did.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub contained: Vec<String>,
    /// What was not enforced.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub uncovered: Vec<String>,
    /// Why the tool could not be run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

impl From<&Outcome> for Ended {
    fn from(outcome: &Outcome) -> Self {
        Self {
            status: outcome.ended.status(),
            form: Some(outcome.form.word().to_owned()),
            refused: outcome.refused.iter().map(crate::enforce::Refused::line).collect(),
            contained: outcome.contained.clone(),
            uncovered: outcome.uncovered.clone(),
            error: None,
        }
    }
}

/// A moment as the log writes it.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl Judged {
    /// What has to be known later of a judgement. `policy` is every effective value as `policy show` prints it.
    pub fn of(judgement: &Judgement, policy: &str, errors: usize) -> Self {
        let plan = &judgement.plan;
        let package = |p: &crate::model::Package| Package {
            purl: p.id.purl(),
            ecosystem: p.id.name.ecosystem().osv().to_owned(),
            name: p.id.name.written().to_owned(),
            version: p.id.version.to_string(),
            source: p.source.kind().to_owned(),
            digests: p.artifacts.iter().filter_map(|a| a.digests.first()).map(ToString::to_string).collect(),
        };
        let shown = judgement.findings.iter().filter(|f| f.level >= Level::Warn);
        Self {
            verdict: judgement.verdict.word().to_owned(),
            command: command(judgement),
            plan: Plan {
                digest: plan.digest().to_string(),
                complete: plan.complete(),
                packages: plan.packages.iter().map(package).collect(),
                unresolved: plan.unresolved.iter().map(|u| redact::text(&u.requirement)).collect(),
            },
            findings: shown
                .map(|f| Finding {
                    rule: f.rule.to_owned(),
                    level: f.level.word().to_owned(),
                    package: f.package.as_ref().map(crate::model::PackageId::purl),
                    message: redact::text(&f.message),
                    category: Some(f.category.word().to_owned()),
                    location: f.location.as_ref().map(|l| redact::text(&l.to_string())),
                    policy: Some(f.policy.to_string()),
                    fix: f.fix.as_ref().map(|fix| redact::text(&fix.text)),
                })
                .collect(),
            policy: Policy { digest: Digest::sha256_of(policy.as_bytes()).to_string(), errors },
            advisories: Advisories {
                records: judgement.coverage.records,
                updated_at: judgement.coverage.updated_at.map(moment),
                stale: judgement.coverage.stale,
            },
            classifier: judgement.opinion.as_deref().map(|o| Box::new(o.into())),
            asked: None,
        }
    }

    /// What a person has to answer for: each rule that asks with the release that it asks about, and why. An approval
    /// covers these and no others, so that it cannot be used for the same packages under another flag.
    pub fn asks(&self) -> Vec<String> {
        let asking = self.findings.iter().filter(|f| matches!(f.level.as_str(), "ask" | "hold" | "deny"));
        let mut asks: Vec<String> = asking
            .map(|f| format!("{} {} {}", f.rule, f.package.as_deref().unwrap_or("-"), f.reason().hex()))
            .collect();
        asks.sort();
        asks.dedup();
        asks
    }
}

impl Finding {
    /// The reason, as it stays for the hour of an approval and by whatever way the command comes: without how long ago
    /// something was, and which word of the command it is about.
    fn reason(&self) -> Digest {
        let place = self.location.as_deref().filter(|place| !place.starts_with("argument "));
        let place = place.and_then(|place| place.rsplit(['/', '\\']).next()).unwrap_or_default();
        Digest::sha256_of(format!("{}\n{place}", timeless(&self.message)).as_bytes())
    }
}

/// A sentence without its `5 hours ago`.
fn timeless(message: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in message.split(' ') {
        let since = match words.as_slice() {
            [.., "less", "than", "an", "hour"] => 4,
            [.., number, "hour" | "hours" | "days"] if number.bytes().all(|b| b.is_ascii_digit()) => 2,
            _ => 0,
        };
        if since > 0 && word.trim_end_matches([',', ';', '.', ')']) == "ago" {
            words.truncate(words.len() - since);
        }
        words.push(word);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::timeless;

    #[test]
    fn a_reason_stays_while_time_passes() {
        for (message, expected) in [
            (
                "a 1 was published 5 hours ago, and the cooldown is 7 days",
                "a 1 was published ago, and the cooldown is 7 days",
            ),
            ("its first release was less than an hour ago", "its first release was ago"),
            ("released 1 hour ago; the last 400 days ago", "released ago; the last ago"),
            ("what this brings in is not known", "what this brings in is not known"),
            ("ago", "ago"),
        ] {
            assert_eq!(timeless(message), expected);
        }
    }
}
