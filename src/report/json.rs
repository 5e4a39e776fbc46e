//! The verdict document, schema `tidewaiter.verdict/1` (docs/schema/verdict-1.json).

use serde::Serialize;

use super::rfc3339;
use crate::judge::{Judgement, Subject};
use crate::model::{Artifact, Digest, DigestAlgorithm, Finding, Location, Opinion, Package, Place};

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Command<'a>>,
    plan: PlanDocument<'a>,
    findings: Vec<FindingDocument<'a>>,
    signals_unavailable: Vec<Signal<'a>>,
    classifier: Classifier,
    advisories: Advisories,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Command<'a> {
    text: String,
    argv: &'a [String],
    cwd: &'a str,
    tool: &'a str,
    verb: &'a str,
    via: &'static str,
}

#[derive(Serialize)]
struct PlanDocument<'a> {
    digest: String,
    complete: bool,
    packages: Vec<PackageDocument<'a>>,
    held_back: Vec<HeldBackDocument<'a>>,
    unresolved: Vec<UnresolvedDocument<'a>>,
}

#[derive(Serialize)]
struct PackageDocument<'a> {
    purl: String,
    ecosystem: &'static str,
    name: &'a str,
    version: &'a str,
    direct: bool,
    depth: u32,
    required_by: Vec<String>,
    requirement: &'a str,
    source: SourceDocument,
    published_at: Option<String>,
    artifacts: Vec<ArtifactDocument<'a>>,
    executes: Vec<&'a str>,
}

#[derive(Serialize)]
struct SourceDocument {
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
struct ArtifactDocument<'a> {
    filename: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<String>,
    size: Option<u64>,
}

#[derive(Serialize)]
struct HeldBackDocument<'a> {
    name: &'a str,
    version: &'a str,
    instead: Option<&'a str>,
    rule: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct UnresolvedDocument<'a> {
    requirement: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct FindingDocument<'a> {
    id: String,
    rule: &'a str,
    level: &'static str,
    category: &'static str,
    package: Option<String>,
    message: &'a str,
    evidence: serde_json::Map<String, serde_json::Value>,
    location: Option<LocationDocument>,
    policy: String,
    fix: Option<FixDocument<'a>>,
}

#[derive(Serialize)]
struct LocationDocument {
    file: String,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct FixDocument<'a> {
    kind: &'static str,
    text: &'a str,
    command: Option<&'a str>,
}

#[derive(Serialize)]
struct Signal<'a> {
    signal: &'a str,
    registry: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Classifier {
    kind: &'static str,
    verdict: &'static str,
    category: &'static str,
    evidence: Vec<String>,
    rationale: String,
    usage: serde_json::Map<String, serde_json::Value>,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Advisories {
    records: u64,
    updated_at: Option<String>,
    stale: bool,
}

fn package(p: &Package) -> PackageDocument<'_> {
    PackageDocument {
        purl: p.id.purl(),
        ecosystem: p.id.name.ecosystem().osv(),
        name: p.id.name.written(),
        version: &p.id.version,
        direct: p.direct,
        depth: p.depth,
        required_by: p.required_by.iter().map(crate::model::PackageId::purl).collect(),
        requirement: &p.origin.text,
        source: SourceDocument { kind: p.source.kind(), url: p.source.url() },
        published_at: p.published_at.map(rfc3339),
        artifacts: p.artifacts.iter().map(artifact).collect(),
        executes: p.executes.iter().map(crate::model::Execution::word).collect(),
    }
}

fn artifact(a: &Artifact) -> ArtifactDocument<'_> {
    let sha256 = a.digests.iter().find(|d| d.algorithm() == DigestAlgorithm::Sha256).map(Digest::hex);
    let integrity = if sha256.is_none() { a.digests.first().map(Digest::sri) } else { None };
    ArtifactDocument { filename: &a.filename, url: &a.url, sha256, integrity, size: a.size }
}

fn location(l: &Location) -> LocationDocument {
    let file = match &l.place {
        Place::File(path) => path.display().to_string(),
        Place::Argv => "argv".to_owned(),
        Place::Environment(name) => format!("${name}"),
        Place::BuiltIn => "built-in".to_owned(),
    };
    LocationDocument { file, line: l.line, column: l.column }
}

fn finding(index: usize, f: &Finding) -> FindingDocument<'_> {
    FindingDocument {
        id: id(index),
        rule: f.rule,
        level: f.level.word(),
        category: f.category.word(),
        package: f.package.as_ref().map(crate::model::PackageId::purl),
        message: &f.message,
        evidence: f.evidence.iter().map(|(k, v)| ((*k).to_owned(), super::value(v, str::to_owned))).collect(),
        location: f.location.as_ref().map(location),
        policy: f.policy.to_string(),
        fix: f.fix.as_ref().map(|x| FixDocument { kind: x.kind.word(), text: &x.text, command: x.command.as_deref() }),
    }
}

/// What a classifier beside the rules said. What the form of the contract has no field for stands in `usage`.
fn of_opinion(opinion: &Opinion) -> Classifier {
    let (usage, cost) = (&opinion.usage, opinion.usage.micro_dollars);
    #[expect(clippy::cast_precision_loss, reason = "a cost of 2^53 millionths of a dollar is none that is met")]
    let dollars = cost.map(|micro| micro as f64 / 1e6);
    let all = serde_json::json!({
        "outcome": opinion.outcome.word(),
        "model": opinion.model,
        "rules_verdict": opinion.rules.word(),
        "effect": opinion.effect.word(),
        "severity": opinion.severity,
        "consent": opinion.consent.word(),
        "stages": opinion.stages,
        "cached": opinion.cached,
        "facts": opinion.facts,
        "requests": usage.requests,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_usd": dollars,
    });
    Classifier {
        kind: opinion.kind,
        verdict: opinion.verdict.word(),
        category: opinion.category.word(),
        evidence: opinion.evidence.clone(),
        rationale: opinion.rationale.clone(),
        usage: all.as_object().cloned().unwrap_or_default(),
        elapsed_ms: opinion.elapsed_ms,
    }
}

fn id(index: usize) -> String {
    format!("f{}", index + 1)
}

/// The document as one JSON object, indented, with a final newline.
pub fn render(judgement: &Judgement) -> String {
    let command = match &judgement.subject {
        Subject::Command { argv, cwd, tool, verb, via } => {
            Some(Command { text: crate::model::shell_line(argv), argv, cwd, tool, verb, via: via.word() })
        }
        Subject::Audit { .. } => None,
    };
    let plan = &judgement.plan;
    let deciding = judgement.deciding();
    let rationale = match deciding.first() {
        Some(i) => judgement.findings[*i].message.chars().take(200).collect(),
        None => "no rule stands against it".to_owned(),
    };
    let document = Document {
        schema: "tidewaiter.verdict/1",
        verdict: judgement.verdict.word(),
        command,
        plan: PlanDocument {
            digest: plan.digest().to_string(),
            complete: plan.complete(),
            packages: plan.packages.iter().map(package).collect(),
            held_back: plan
                .held_back
                .iter()
                .map(|h| HeldBackDocument {
                    name: h.name.written(),
                    version: &h.version,
                    instead: h.instead.as_deref(),
                    rule: h.rule,
                    reason: &h.reason,
                })
                .collect(),
            unresolved: plan
                .unresolved
                .iter()
                .map(|u| UnresolvedDocument { requirement: &u.requirement, reason: &u.reason })
                .collect(),
        },
        findings: judgement.findings.iter().enumerate().map(|(i, f)| finding(i, f)).collect(),
        signals_unavailable: plan
            .signal_gaps
            .iter()
            .map(|s| Signal { signal: s.signal, registry: &s.registry, reason: &s.reason })
            .collect(),
        classifier: match judgement.opinion.as_deref() {
            Some(opinion) => of_opinion(opinion),
            None => Classifier {
                kind: "rules",
                verdict: judgement.verdict.word(),
                category: judgement.category().word(),
                evidence: deciding.into_iter().map(id).collect(),
                rationale,
                usage: serde_json::Map::new(),
                elapsed_ms: 0,
            },
        },
        advisories: Advisories {
            records: judgement.coverage.records,
            updated_at: judgement.coverage.updated_at.map(rfc3339),
            stale: judgement.coverage.stale,
        },
        elapsed_ms: judgement.elapsed_ms,
    };
    super::document(&document)
}
