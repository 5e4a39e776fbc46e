//! `opaque`: parts of a command that are not understood, and requirements that could not be resolved, go in and come
//! out, each with its reason. A name that does not exist is `unknown-package`.

use super::{Facts, Observation, Rule, fix, say};
use crate::invocation::Effect;
use crate::model::{Category, Level, Location, Unresolved, UnresolvedCause};

/// The rule.
pub const RULE: Rule = Rule {
    name: "opaque",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "What would be installed cannot be known before it runs.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out = Vec::new();
    for invocation in facts.invocations {
        for opaque in &invocation.opaque {
            let message =
                format!("what this command would bring in cannot be known: {}", say::sentence(&opaque.reason));
            out.push(Observation::new(message).at(&opaque.location).with("reason", say::sentence(&opaque.reason)));
        }
        if invocation.effect == Effect::Unknown && invocation.opaque.is_empty() && facts.plan.unresolved.is_empty() {
            let what = format!("what {} would bring in cannot be known", say::word(&invocation.program));
            out.push(Observation::new(what).at(&Location::argv(0)));
        }
    }
    // The plan repeats what was not understood of the command: said once.
    let said = |u: &Unresolved| {
        facts
            .invocations
            .iter()
            .flat_map(|i| &i.opaque)
            .any(|o| u.location.as_ref() == Some(&o.location) && u.reason == o.reason)
    };
    let open = facts
        .plan
        .unresolved
        .iter()
        // Two causes have rules of their own.
        .filter(|u| !matches!(u.cause, UnresolvedCause::UnknownPackage | UnresolvedCause::PrivateName) && !said(u));
    out.extend(open.map(|u| from_unresolved(facts, u)));
    out
}

fn from_unresolved(facts: &Facts<'_>, unresolved: &Unresolved) -> Observation {
    let (cause, advice) = match unresolved.cause {
        UnresolvedCause::UnknownPackage => ("unknown-package", ""),
        UnresolvedCause::PrivateName => ("private-name", ""),
        UnresolvedCause::NoMatchingVersion => ("no-matching-version", "ask for a version that exists"),
        UnresolvedCause::Conflict => ("conflict", "loosen one of the requirements that contradict each other"),
        UnresolvedCause::NeedsExecution => {
            ("needs-execution", "use a release with a wheel, or one whose metadata is static")
        }
        UnresolvedCause::Unreachable => ("unreachable", "try again when the registry answers"),
        UnresolvedCause::Malformed => ("malformed", "mend what cannot be read"),
        UnresolvedCause::Unsupported => ("unsupported", "ask for the package in a form that can be resolved"),
        UnresolvedCause::LimitExceeded => ("limit-exceeded", "ask for less at once"),
    };
    let requirement = say::word(&unresolved.requirement);
    let reason = say::sentence(&unresolved.reason);
    let what = if requirement.is_empty() { "this command".to_owned() } else { format!("`{requirement}`") };
    let letters = say::foreign_letters(&unresolved.requirement);
    let mut observation = Observation::new(format!("what {what} would bring in is not known: {reason}{letters}"))
        .with("requirement", say::sentence(&unresolved.requirement))
        .with("cause", cause)
        .with("reason", reason);
    if !advice.is_empty() {
        observation = observation.fix(fix::advice(advice));
    }
    observation.location.clone_from(&unresolved.location);
    if unresolved.cause == UnresolvedCause::Unreachable {
        // The plan stays incomplete, so `on-unavailable = "warn"` cannot clear it; `deny` is honoured.
        observation = observation.at_least(facts.policy.on_unavailable.value);
        observation.because = Some(facts.policy.on_unavailable.location.clone());
    }
    observation
}
