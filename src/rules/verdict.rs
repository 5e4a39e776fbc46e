//! From facts to findings to a verdict: every rule that is not off is asked, policy sets the levels and lifts what it
//! excepts, and the maximum is the answer.

use super::{ALL, Facts, Observation, Rule};
use crate::model::{Category, Evidence, Finding, Level, Location, Verdict, printable};
use crate::policy::{Exception, Valued};

/// The name under which findings about the policy itself are reported: no rule, so no line of policy can lower them.
pub const POLICY: &str = "policy";

/// Asks every rule that is not off. Sorted by level (gravest first), rule, package and place; same facts, same findings.
pub fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    judge_by(facts, ALL)
}

/// The same by these rules alone.
pub(super) fn judge_by(facts: &Facts<'_>, rules: &[Rule]) -> Vec<Finding> {
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let mut used: Vec<&Exception> = Vec::new();
    for (order, rule) in rules.iter().enumerate() {
        let level = facts.policy.level(&rule.info());
        if level.value == Level::Off {
            continue;
        }
        for observation in (rule.look)(facts) {
            let exception = observation.package.as_ref().and_then(|package| facts.policy.exception(rule.name, package));
            used.extend(exception);
            findings.push((order + 1, finding(rule, &level, observation, exception)));
        }
    }
    findings.extend(policy_findings(facts, &used).into_iter().map(|f| (0, f)));
    findings.sort_by(|(order_a, a), (order_b, b)| {
        (b.level, order_a, &a.package, &a.location, &a.message).cmp(&(
            a.level,
            order_b,
            &b.package,
            &b.location,
            &b.message,
        ))
    });
    let mut findings: Vec<Finding> = findings.into_iter().map(|(_, f)| f).collect();
    findings.dedup_by(|a, b| {
        (a.rule, &a.package, &a.location, &a.message) == (b.rule, &b.package, &b.location, &b.message)
    });
    findings
}

/// What findings and the plan's completeness add up to. An incomplete plan is never cleared.
pub fn verdict(findings: &[Finding], plan_complete: bool) -> Verdict {
    let floor = if plan_complete { Verdict::Allow } else { Verdict::Ask };
    findings.iter().map(|f| f.level.verdict()).fold(floor, Verdict::max)
}

fn finding(rule: &Rule, set: &Valued<Level>, observation: Observation, exception: Option<&Exception>) -> Finding {
    let mut level = set.value;
    let mut policy = set.location.clone();
    if let Some(floor) = observation.at_least.filter(|floor| *floor > level) {
        level = floor;
        policy = observation.because.unwrap_or(policy);
    }
    if let Some(ceiling) = observation.at_most {
        level = level.min(ceiling);
    }
    // What could not be left out of the resolution is for a person to decide.
    if level == Level::Hold {
        level = Level::Ask;
    }
    let mut evidence = observation.evidence;
    if let Some(exception) = exception.filter(|_| level > Level::Note) {
        evidence.insert("without_exception", level.word().into());
        evidence.insert("exception_reason", printable(&exception.reason, 200).into());
        evidence.insert("exception_expires", exception.expires.to_string().into());
        level = Level::Note;
        policy = exception.location.clone();
    }
    Finding {
        rule: rule.name,
        level,
        category: rule.category,
        package: observation.package,
        message: observation.message,
        evidence,
        location: observation.location,
        fix: observation.fix,
        policy,
    }
}

/// What is to be said of the policy itself.
fn policy_findings(facts: &Facts<'_>, used: &[&Exception]) -> Vec<Finding> {
    let about = |level, location: &Location, message: String, hint: Option<String>| Finding {
        rule: POLICY,
        level,
        category: Category::Benign,
        package: None,
        message,
        evidence: Evidence::new(),
        location: Some(location.clone()),
        fix: hint.map(|text| crate::model::Fix { kind: crate::model::FixKind::Other, text, command: None }),
        policy: location.clone(),
    };
    let policy = facts.policy;
    let mut out: Vec<Finding> = Vec::new();
    for fault in &policy.faults {
        let message = format!("nothing is cleared while this policy cannot be used: {}", fault.message);
        out.push(about(Level::Deny, &fault.location, message, fault.hint.clone()));
    }
    // Read last: damage may show only when an index is asked.
    for problem in facts.advisories.coverage().problems {
        let message = format!("no release is known to be clean: {}", printable(&problem, 400));
        let hint = "`tidewaiter advisories update` builds the index anew".to_owned();
        let unavailable = &policy.on_unavailable;
        out.push(about(unavailable.value, &unavailable.location, message, Some(hint)));
    }
    for warning in &policy.warnings {
        out.push(about(Level::Warn, &warning.location, warning.message.clone(), warning.hint.clone()));
    }
    let planned = |e: &Exception| facts.plan.packages.iter().any(|p| e.package.matches(&p.id));
    for expired in &policy.expired {
        let (package, day) = (printable(expired.package.text(), 120), expired.expires);
        let message = format!("the exception for `{package}` from `{}` expired at {day}", expired.rule);
        let level = if planned(expired) { Level::Warn } else { Level::Note };
        out.push(about(level, &expired.location, message, Some("renew its date or remove it".to_owned())));
    }
    for idle in policy.exceptions.iter().filter(|e| planned(e) && !used.contains(e)) {
        let package = printable(idle.package.text(), 120);
        let message = format!("the exception for `{package}` from `{}` was not needed", idle.rule);
        out.push(about(Level::Note, &idle.location, message, Some("remove it".to_owned())));
    }
    out
}
