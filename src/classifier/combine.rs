//! What an answer, or the lack of one, makes of the rules' verdict.
//!
//! The maximum of the two, with one exception: an `ask` becomes `allow` where every finding that asks is of a soft rule
//! and about a package, the plan is complete, the judge allows it with the consent that the rule wants, and the user's
//! messages name that package as far as this program itself can read them. A judge alone lowers nothing.

use super::{Answer, NoAnswer};
use crate::context::{Context, Naming, finding_id};
use crate::judge::Judgement;
use crate::model::{Category, Consent, Evidence, Finding, Fix, FixKind, Level, Opinion, OpinionEffect, Verdict};
use crate::policy::Policy;
use crate::rules;

/// The name under which a classifier's word against a command is reported: no rule, so no line of policy lowers it.
pub const CLASSIFIER: &str = "classifier";

/// Whether the consent that a judge found, and that this program can see for itself, may lower what the rules ask.
fn may_lower(judgement: &Judgement, context: &Context, answer: &Answer) -> bool {
    let asking = || judgement.findings.iter().enumerate().filter(|(_, f)| f.level.verdict() == Verdict::Ask);
    let consented = |(n, finding): (usize, &Finding)| {
        let id = finding_id(n);
        let naming = context.package_of(&id).map_or(Naming::None, |p| context.naming(p));
        rules::soft(finding.rule).is_some_and(|least| {
            let seen = match least {
                Consent::None | Consent::Task | Consent::Package | Consent::Risk => naming >= Naming::Package,
                Consent::Version => naming >= Naming::Version,
            };
            finding.package.is_some() && seen && answer.consent >= least.max(Consent::Package)
        })
    };
    judgement.verdict == Verdict::Ask
        && answer.verdict == Verdict::Allow
        && judgement.plan.complete()
        && judgement.invocations.iter().all(|i| i.opaque.is_empty())
        && !context.is_cut()
        && asking().count() > 0
        && asking().all(consented)
}

/// Whether any answer could lower what the rules ask: what cannot be lowered is not worth a question about consent.
pub(super) fn could_lower(judgement: &Judgement, context: &Context) -> bool {
    let best = Answer {
        verdict: Verdict::Allow,
        severity: 0,
        category: Category::Benign,
        evidence: Vec::new(),
        consent: Consent::Risk,
        rationale: String::new(),
    };
    may_lower(judgement, context, &best)
}

/// Joins an answer with the rules' verdict.
pub fn combine(judgement: &mut Judgement, context: &Context, answer: &Answer, mut opinion: Opinion) {
    let rules = judgement.verdict;
    opinion.rules = rules;
    opinion.verdict = answer.verdict;
    opinion.severity = answer.severity;
    opinion.category = answer.category;
    opinion.evidence.clone_from(&answer.evidence);
    opinion.consent = answer.consent;
    opinion.rationale.clone_from(&answer.rationale);
    opinion.effect = if answer.verdict > rules {
        judgement.verdict = answer.verdict;
        let level = if answer.verdict == Verdict::Deny { Level::Deny } else { Level::Ask };
        let message = format!("the classifier ({}) says {}: {}", opinion.kind, answer.verdict.word(), answer.rationale);
        let evidence = Evidence::from([
            ("evidence", answer.evidence.clone().into()),
            ("severity_score", i64::from(answer.severity).into()),
        ]);
        judgement.findings.push(Finding {
            rule: CLASSIFIER,
            level,
            category: answer.category,
            package: None,
            message,
            evidence,
            location: None,
            fix: Some(Fix {
                kind: FixKind::Other,
                text: "let a person decide; another wording of the same command is the same command".to_owned(),
                command: None,
            }),
            policy: crate::model::Location::built_in(),
        });
        OpinionEffect::Raised
    } else if may_lower(judgement, context, answer) {
        judgement.verdict = Verdict::Allow;
        OpinionEffect::Lowered
    } else {
        OpinionEffect::Stands
    };
    judgement.opinion = Some(Box::new(opinion));
}

/// No answer: the policy's `on-unavailable` decides, and says so in words that blame nothing on the command.
pub fn unavailable(judgement: &mut Judgement, policy: &Policy, none: &NoAnswer, mut opinion: Opinion) {
    let rules = judgement.verdict;
    let level = policy.on_unavailable.value;
    opinion.rules = rules;
    opinion.verdict = rules;
    opinion.outcome = none.outcome;
    opinion.category = judgement.category();
    opinion.effect = OpinionEffect::Unavailable;
    opinion.rationale = super::answer::plain(&none.reason);
    judgement.verdict = rules.max(level.verdict());
    let message = format!(
        "the classifier ({}) {}: {}; that is no finding against the command",
        opinion.kind,
        none.outcome.words(),
        opinion.rationale
    );
    judgement.findings.push(Finding {
        rule: CLASSIFIER,
        level,
        category: Category::Benign,
        package: None,
        message,
        evidence: Evidence::from([("outcome", none.outcome.word().into())]),
        location: None,
        fix: Some(Fix {
            kind: FixKind::Other,
            text: "try again, or let a person decide; `on-unavailable` in the policy says what this means".to_owned(),
            command: None,
        }),
        policy: policy.on_unavailable.location.clone(),
    });
    judgement.opinion = Some(Box::new(opinion));
}
