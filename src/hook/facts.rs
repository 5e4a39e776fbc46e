//! Facts for a host's own classifier, after the agent itself ran `tidewaiter check`: a judgement goes in, one line of
//! JSON comes out.
//!
//! Typed scalars only, ASCII, at most [`LONGEST`] characters. Of what third parties wrote, only names and versions that
//! their registry's grammar allows; others stand as `package-1`. See contract, section 3.

use serde_json::{Value, json};

use crate::judge::{Judgement, Subject};
use crate::model::{Ecosystem, PackageId, Verdict};

/// The longest context a host takes, in characters.
pub const LONGEST: usize = 2000;
/// How many findings and packages are told at most.
const MOST: usize = 12;

/// The facts of a judgement.
pub fn line(judgement: &Judgement) -> String {
    let mut room = MOST;
    loop {
        let text = ascii(&document(judgement, room).to_string());
        if text.len() <= LONGEST || room == 0 {
            return text.chars().take(LONGEST).collect();
        }
        room -= 1;
    }
}

fn document(judgement: &Judgement, most: usize) -> Value {
    let mut unnamed: Vec<&PackageId> = Vec::new();
    let name = |id: &'_ PackageId| -> Option<String> { well_formed(id).then(|| id.purl()) };
    let flagged: Vec<_> = judgement.findings.iter().filter(|f| f.level.verdict() != Verdict::Allow).collect();
    let mut findings = Vec::new();
    for finding in flagged.iter().take(most) {
        let package = finding.package.as_ref().map(|id| {
            name(id).unwrap_or_else(|| {
                let at = unnamed.iter().position(|u| *u == id).unwrap_or_else(|| {
                    unnamed.push(id);
                    unnamed.len() - 1
                });
                format!("package-{}", at + 1)
            })
        });
        findings.push(json!({
            "rule": finding.rule,
            "level": finding.level.word(),
            "category": finding.category.word(),
            "package": package,
        }));
    }
    let (tool, verb) = match &judgement.subject {
        Subject::Command { tool, verb, .. } => (*tool, verb.as_str()),
        Subject::Audit { .. } => ("audit", ""),
    };
    // A verb that the tool's table lacks is the command's own word.
    let verb = if plain(verb) { verb } else { "" };
    let plan = &judgement.plan;
    json!({
        "source": "tidewaiter",
        "verdict": judgement.verdict.word(),
        "category": judgement.category().word(),
        "tool": tool,
        "verb": verb,
        "plan": {
            "digest": plan.digest().to_string(),
            "complete": plan.complete(),
            "packages": plan.packages.len(),
            "direct": plan.packages.iter().filter(|p| p.direct).take(most).filter_map(|p| name(&p.id)).collect::<Vec<_>>(),
            "run_code_at_install": plan.packages.iter().filter(|p| !p.executes.is_empty()).count(),
            "held_back": plan.held_back.len(),
            "unresolved": plan.unresolved.len(),
        },
        "findings": findings,
        "more_findings": flagged.len().saturating_sub(most),
        "advisories": { "records": judgement.coverage.records, "stale": judgement.coverage.stale },
    })
}

fn plain(verb: &str) -> bool {
    verb.len() <= 24 && verb.chars().all(|c| c.is_ascii_lowercase() || matches!(c, ' ' | '-'))
}

fn well_formed(id: &PackageId) -> bool {
    let version = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | '!');
    let longest = if id.name.ecosystem() == Ecosystem::CratesIo { 64 } else { 100 };
    id.name.is_well_formed()
        && id.name.written().len() <= longest
        && id.version.len() <= 40
        && id.version.chars().all(version)
        && id.version.chars().next().is_some_and(|c| c.is_ascii_digit() || c == 'v')
}

/// JSON with everything beyond ASCII as escapes.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
