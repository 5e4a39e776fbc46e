//! Workflow commands for GitHub Actions: a judgement goes in; lines that the runner turns into annotations on the files
//! come out, and a last line of plain words with the verdict.
//!
//! The runner reads `::NAME KEY=VALUE,…::DATA` at the start of a line. Whatever a stranger wrote is made visible first
//! and then escaped as the runner's own toolkit does, so that it can neither end its command nor begin another one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::{COMMAND, LONGEST, SENTENCE, below, count, unexplained};
use crate::judge::Judgement;
use crate::model::{Environment, Finding, Level, Location, Place, Unresolved, printable};

/// Annotations of one kind that GitHub keeps of a step; it drops the rest without a word.
const KEPT: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Error,
    Warning,
    Notice,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Notice];

    const fn of(level: Level) -> Self {
        match level {
            Level::Deny | Level::Ask | Level::Hold => Self::Error,
            Level::Warn => Self::Warning,
            Level::Note | Level::Off => Self::Notice,
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    fn counted(self, n: usize) -> String {
        match self {
            Self::Error => count(n, "error", "errors"),
            Self::Warning => count(n, "warning", "warnings"),
            Self::Notice => count(n, "notice", "notices"),
        }
    }
}

/// One annotation before it is written.
struct Annotation<'a> {
    kind: Kind,
    /// The rule, in this program's own words.
    rule: &'static str,
    title: String,
    message: String,
    location: Option<&'a Location>,
}

/// The lines, ending with a newline. Notes become notices when `verbose`.
pub fn render(judgement: &Judgement, environment: &Environment, verbose: bool) -> String {
    let mut annotations: Vec<Annotation<'_>> = judgement.findings.iter().map(finding).collect();
    annotations.extend(unexplained(judgement).into_iter().map(unresolved));
    annotations.retain(|a| verbose || a.kind != Kind::Notice);
    let mut out = String::new();
    let mut totals = Vec::new();
    for kind in Kind::ALL {
        let of_kind: Vec<&Annotation<'_>> = annotations.iter().filter(|a| a.kind == kind).collect();
        for annotation in of_kind.iter().take(KEPT) {
            command(&mut out, annotation, environment);
        }
        if let Some(rest) = of_kind.get(KEPT..).filter(|rest| !rest.is_empty()) {
            folded(&mut out, kind, rest);
        }
        if !of_kind.is_empty() {
            totals.push(kind.counted(of_kind.len()));
        }
    }
    last_line(&mut out, judgement, &totals);
    out
}

fn finding(f: &Finding) -> Annotation<'_> {
    let mut message = printable(&f.message, SENTENCE);
    if let Some(fix) = &f.fix {
        let _ = write!(message, "\nfix: {}", printable(&fix.text, SENTENCE));
        if let Some(command) = &fix.command {
            let _ = write!(message, "\n$ {}", printable(command, COMMAND));
        }
    }
    Annotation {
        kind: Kind::of(f.level),
        rule: f.rule,
        title: format!("tidewaiter {}: {}", f.level.word(), f.rule),
        message,
        location: f.location.as_ref(),
    }
}

fn unresolved(u: &Unresolved) -> Annotation<'_> {
    Annotation {
        kind: Kind::Error,
        rule: "unresolved",
        title: "tidewaiter ask: unresolved".to_owned(),
        message: format!("{}: {}", printable(&u.requirement, LONGEST), printable(&u.reason, SENTENCE)),
        location: u.location.as_ref(),
    }
}

fn command(out: &mut String, annotation: &Annotation<'_>, environment: &Environment) {
    let mut properties = Vec::new();
    let mut message = annotation.message.clone();
    match annotation.location.map(|l| (&l.place, l)) {
        None => {}
        Some((Place::File(path), location)) => {
            properties.push(format!("file={}", property(&file(path, environment))));
            if location.line > 0 {
                properties.push(format!("line={}", location.line));
                if location.column > 0 {
                    properties.push(format!("col={}", location.column));
                }
            }
        }
        Some((_, location)) => {
            let _ = write!(message, " ({})", printable(&location.to_string(), LONGEST));
        }
    }
    properties.push(format!("title={}", property(&annotation.title)));
    let _ = writeln!(out, "::{} {}::{}", annotation.kind.command(), properties.join(","), data(&message));
}

/// The path as GitHub knows it: from the root of the checkout, where the job says it is.
fn file(path: &Path, environment: &Environment) -> String {
    let root = environment.variable("GITHUB_WORKSPACE").filter(|v| !v.is_empty()).map(Path::new);
    let told = root
        .and_then(|root| below(path, root, environment))
        .or_else(|| below(path, &environment.cwd, environment))
        .unwrap_or_else(|| path.to_string_lossy().into_owned());
    printable(&told, COMMAND)
}

/// What GitHub would drop, in one line of plain words: counts and names of rules, nothing of a stranger's.
fn folded(out: &mut String, kind: Kind, rest: &[&Annotation<'_>]) {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for annotation in rest {
        *rules.entry(annotation.rule).or_default() += 1;
    }
    let rules: Vec<String> = rules.into_iter().map(|(rule, n)| format!("{n} {rule}")).collect();
    let _ = writeln!(
        out,
        "not annotated: {} ({}); GitHub keeps {KEPT} of a kind, --format human lists all",
        kind.counted(rest.len()),
        rules.join(", ")
    );
}

fn last_line(out: &mut String, judgement: &Judgement, totals: &[String]) {
    let mut words = vec![count(judgement.plan.packages.len(), "package", "packages")];
    words.extend_from_slice(totals);
    if !judgement.plan.complete() {
        words.push("the plan is incomplete".to_owned());
    }
    let digest = judgement.plan.digest().hex();
    let short = digest.get(..12).unwrap_or(&digest);
    let _ = writeln!(out, "tidewaiter: {} ({}; plan {short})", judgement.verdict.word(), words.join(", "));
}

/// The text of a command, escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property, escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn what_would_end_a_command_or_a_property_is_escaped() {
        assert_eq!(data("50% of\r\nit: a, b"), "50%25 of%0D%0Ait: a, b");
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
        assert_eq!(data("%0A"), "%250A", "what looks escaped already stays what it says");
    }
}
