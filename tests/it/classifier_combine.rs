//! What an answer may do to the rules' verdict: raise it, and lower an `ask` only where the user's own words agree. For
//! answers of every kind, and for judges that are always right, always lenient or always strict.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tidewaiter::bench::{self, Case};
use tidewaiter::classifier::{self, Answer, Classifier, Matter, NoAnswer, Rules, Said};
use tidewaiter::context::{Caps, Context, Sources, Transcript};
use tidewaiter::judge::Judgement;
use tidewaiter::model::{
    Category, Consent, Ecosystem, Evidence, Finding, Level, Location, MemoryFiles, Opinion, OpinionEffect, PackageId,
    PackageName, Plan, Usage, Verdict,
};
use tidewaiter::policy::Policy;
use tidewaiter::rules;

use crate::judgement::cases;

fn blank(judgement: &Judgement) -> Opinion {
    Opinion::blank("command", "m".to_owned(), judgement.verdict)
}

fn id(name: &str) -> PackageId {
    PackageId::new(PackageName::new(Ecosystem::Npm, name), "1.2.3")
}

fn judged(findings: &[(&'static str, Level, Option<&str>)], complete: bool) -> Judgement {
    let mut out = crate::report::judgement();
    let finding = |(rule, level, package): &(&'static str, Level, Option<&str>)| Finding {
        rule,
        level: *level,
        category: Category::SuspiciousRelease,
        package: package.map(id),
        message: "m".to_owned(),
        evidence: Evidence::new(),
        location: None,
        fix: None,
        policy: Location::built_in(),
    };
    out.findings = findings.iter().map(finding).collect();
    out.plan = if complete { Plan::default() } else { Plan { unresolved: out.plan.unresolved, ..Plan::default() } };
    out.verdict = rules::verdict(&out.findings, complete);
    out
}

fn combined(judgement: &Judgement, answer: &Answer, messages: &[String]) -> Judgement {
    let (environment, files, policy) = (crate::context::environment(), MemoryFiles::default(), Policy::default());
    let transcript = Transcript { messages: messages.to_vec(), ..Transcript::default() };
    let sources = Sources {
        judgement,
        environment: &environment,
        files: &files,
        policy: &policy,
        installed: &|_| Vec::new(),
        transcript: Some(&transcript),
        changed: &|_: &Path| None,
    };
    let context = Context::of(&sources, Caps::FULL);
    let mut out = judgement.clone();
    classifier::combine(&mut out, &context, answer, blank(judgement));
    out
}

fn answer(verdict: Verdict, consent: Consent) -> Answer {
    Answer {
        verdict,
        severity: 50,
        category: Category::SuspiciousRelease,
        evidence: vec!["f1".to_owned()],
        consent,
        rationale: "why".to_owned(),
    }
}

fn a_rule() -> impl Strategy<Value = (&'static str, Level, Option<&'static str>)> {
    let names: Vec<&'static str> = rules::ALL.iter().map(|r| r.name).collect();
    let level = prop::sample::select(vec![Level::Note, Level::Warn, Level::Ask, Level::Deny]);
    let package = prop::sample::select(vec![None, Some("left-pad"), Some("other-one"), Some("not a name")]);
    (prop::sample::select(names), level, package)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The maximum of the two, but for a complete plan whose every question is of a soft rule, about a package that the
    /// user named, and consented to as far as the rule wants.
    #[test]
    fn combination_is_monotone(
        findings in prop::collection::vec(a_rule(), 0..4),
        complete in any::<bool>(),
        verdict in prop::sample::select(vec![Verdict::Allow, Verdict::Ask, Verdict::Deny]),
        consent in prop::sample::select(Consent::ALL.to_vec()),
        messages in prop::collection::vec(prop::sample::select(vec![
            "install left-pad", "install left-pad 1.2.3", "never install left-pad", "use other-one 1.2.3", "fix it",
            "install not a name",
        ]), 0..3),
    ) {
        let before = judged(&findings, complete);
        let messages: Vec<String> = messages.into_iter().map(str::to_owned).collect();
        let after = combined(&before, &answer(verdict, consent), &messages);
        let effect = after.opinion.as_ref().unwrap().effect;
        prop_assert!(after.findings.len() >= before.findings.len());
        if after.verdict < before.verdict {
            prop_assert_eq!(effect, OpinionEffect::Lowered);
            prop_assert_eq!((before.verdict, after.verdict, verdict), (Verdict::Ask, Verdict::Allow, Verdict::Allow));
            prop_assert!(complete);
            for f in before.findings.iter().filter(|f| f.level == Level::Ask) {
                let least = rules::soft(f.rule);
                prop_assert!(least.is_some_and(|l| consent >= l), "{}", f.rule);
                let name = f.package.as_ref().map(|p| p.name.written().to_owned());
                let named = |n: &String| messages.iter().any(|m| m.contains(n.as_str()) && !m.contains("never"));
                prop_assert!(name.as_ref().is_some_and(named), "{:?} {:?}", name, messages);
            }
        } else {
            prop_assert_eq!(after.verdict, before.verdict.max(verdict));
        }
        prop_assert_eq!(effect == OpinionEffect::Raised, after.verdict > before.verdict);
    }
}

/// A judge of one mind.
struct Minded(Answer);

impl Classifier for Minded {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn model(&self) -> &str {
        "minded"
    }

    fn identity(&self) -> String {
        "minded".to_owned()
    }

    fn classify(&self, _: Matter<'_>, _: Duration) -> Result<Said, NoAnswer> {
        Ok(Said { answer: self.0.clone(), stages: vec!["intent"], usage: Usage::default() })
    }
}

fn run(cases: &[Case], judge: &dyn Classifier) -> bench::Score {
    bench::score(&bench::run(cases, Some(judge), false, Duration::from_secs(1), |_| {}))
}

#[test]
fn a_judge_that_was_won_over_lets_nothing_through() {
    let cases = cases();
    let rules = run(&cases, &Rules);
    let lenient = run(&cases, &Minded(answer(Verdict::Allow, Consent::Risk)));
    assert_eq!((lenient.stopped, lenient.harmful), (rules.stopped, rules.harmful), "{lenient}");
    assert!(lenient.false_positives < rules.false_positives, "what the user named is cleared: {lenient}");
    let strict = run(&cases, &Minded(answer(Verdict::Deny, Consent::None)));
    assert_eq!(strict.stopped, strict.harmful);
}

#[test]
fn a_judge_that_is_right_mends_what_the_rules_cannot_know() {
    let mut results = Vec::new();
    for case in cases() {
        let right = Answer { category: case.category, ..answer(case.verdict, Consent::Version) };
        results.extend(bench::run(&[case], Some(&Minded(right)), false, Duration::from_secs(1), |_| {}));
    }
    let score = bench::score(&results);
    assert_eq!(score.stopped, score.harmful, "{score}");
    assert!(score.false_positives <= 2, "{score}");
    assert!(score.pairs_told_apart + 1 >= score.pairs, "{score}");
}
