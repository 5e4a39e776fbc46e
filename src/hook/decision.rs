//! What a host is told: nothing, ask or deny, with a reason for the agent that says how to go on, and a line for the
//! person. In: a judgement. Out: text without anything that a terminal or a log would obey.

use std::fmt::Write as _;

use crate::judge::{Judgement, Subject};
use crate::model::{Finding, Verdict, printable, shell_line};

/// The word of a decision. There is no `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Word {
    /// The host goes on as it would without this program.
    #[default]
    None,
    /// A person decides.
    Ask,
    /// It must not happen.
    Deny,
}

impl Word {
    /// `ask`, `deny`; empty for none.
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The word.
    pub word: Word,
    /// For the agent: why, and what to do instead. Not empty with ask and deny.
    pub reason: String,
    /// For the person: one line. May be empty.
    pub note: String,
    /// Facts for the host's own classifier, or for the agent at a session's start.
    pub context: Option<String>,
}

/// The longest stranger's text.
const LONGEST: usize = 300;
/// The longest command to paste.
const COMMAND: usize = 1000;
/// How many findings are told.
const TOLD: usize = 5;

/// Text as it may be shown, on one line.
pub fn shown(text: &str) -> String {
    printable(text.trim(), LONGEST)
}

impl Decision {
    /// No decision.
    pub fn none() -> Self {
        Self::default()
    }

    /// A decision in this program's own words.
    pub fn new(word: Word, reason: impl Into<String>) -> Self {
        Self { word, reason: reason.into(), ..Self::default() }
    }

    /// Facts, and no decision.
    pub fn context(context: String) -> Self {
        Self { context: Some(context), ..Self::default() }
    }

    /// What a verdict means for a host. `None` when nothing stands against it.
    pub fn of(judgement: &Judgement) -> Self {
        let word = match judgement.verdict {
            Verdict::Allow => return Self::none(),
            Verdict::Ask => Word::Ask,
            Verdict::Deny => Word::Deny,
        };
        let what = subject(&judgement.subject);
        let mut reason = match word {
            Word::Deny => format!("tidewaiter denied {what}.\n"),
            _ => format!("tidewaiter wants a person to decide about {what}.\n"),
        };
        let mut against: Vec<&Finding> =
            judgement.findings.iter().filter(|f| f.level.verdict() != Verdict::Allow).collect();
        // What decides comes first: a classifier's word stands behind the rules'.
        against.sort_by_key(|f| std::cmp::Reverse(f.level));
        for finding in against.iter().take(TOLD) {
            told(&mut reason, finding);
        }
        if against.is_empty() {
            // An incomplete plan that no rule speaks of.
            for open in judgement.plan.unresolved.iter().take(TOLD) {
                let _ = writeln!(reason, "- not known: {}: {}", shown(&open.requirement), shown(&open.reason));
            }
        }
        if let Some(more) = against.len().checked_sub(TOLD).filter(|n| *n > 0) {
            let _ = writeln!(reason, "- and {more} more");
        }
        reason.push_str(&way_out(&judgement.subject, word));
        let note = against.first().map(|f| format!("tidewaiter: {}: {}", f.rule, shown(&f.message)));
        Self { word, reason, note: note.unwrap_or_default(), context: None }
    }

    /// For hosts that cannot ask: a refusal that says who has to act.
    #[must_use]
    pub fn without_ask(&self, mode: Option<&str>) -> Self {
        let mut out = Self { word: Word::Deny, ..self.clone() };
        let why = match mode {
            Some(mode) => format!("In the permission mode `{}` this host puts no question to a person", shown(mode)),
            None => "This host cannot put the question to a person".to_owned(),
        };
        out.reason.push_str(&format!(
            "\n{why}. Stop here and tell them: a person must decide, by running the command in a terminal of their own. Do \
             not look for another way to do the same."
        ));
        out
    }

    /// The stricter of two, with the reasons of both when they weigh the same.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self.word.cmp(&other.word) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal if self.reason.is_empty() || self.reason == other.reason => other,
            std::cmp::Ordering::Equal if other.reason.is_empty() => self,
            std::cmp::Ordering::Equal => Self { reason: format!("{}\n{}", self.reason, other.reason), ..self },
        }
    }
}

/// What stands against a state that did not stand against the one before: an edit answers for what it adds.
#[must_use]
pub fn added(mut after: Judgement, before: &Judgement) -> Judgement {
    let same = |a: &Finding, b: &Finding| (a.rule, &a.package, &a.message) == (b.rule, &b.package, &b.message);
    after.findings.retain(|f| !before.findings.iter().any(|b| same(f, b) && b.level >= f.level));
    let known = |u: &&crate::model::Unresolved| {
        !before.plan.unresolved.iter().any(|b| b.requirement == u.requirement && b.cause == u.cause)
    };
    let complete = after.plan.complete() || after.plan.unresolved.iter().filter(known).count() == 0;
    after.verdict = crate::rules::verdict(&after.findings, complete);
    after
}

fn told(reason: &mut String, finding: &Finding) {
    let _ = write!(reason, "- {}: {}", finding.rule, shown(&finding.message));
    if let Some(location) = finding.location.as_ref().filter(|l| l.path().is_some()) {
        let _ = write!(reason, " ({})", shown(&location.to_string()));
    }
    reason.push('\n');
    let Some(fix) = &finding.fix else { return };
    let _ = writeln!(reason, "  Instead: {}", shown(&fix.text));
    if let Some(command) = &fix.command {
        // A command that had to be cut or escaped is not one to paste.
        let safe = printable(command, COMMAND);
        if safe == *command {
            let _ = writeln!(reason, "  Run: {safe}");
        }
    }
}

/// The text of a command as it was given.
pub fn command_text(argv: &[String]) -> String {
    match argv {
        [sh, c, text] if sh == "sh" && c == "-c" => text.clone(),
        other => shell_line(other),
    }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Command { argv, .. } => format!("`{}`", shown(&command_text(argv))),
        Subject::Audit { files } => match files.as_slice() {
            [one] => format!("the new content of {}", shown(one)),
            [] => "this edit".to_owned(),
            many => format!("the new content of {} files", many.len()),
        },
    }
}

fn way_out(subject: &Subject, word: Word) -> String {
    let hint = match word {
        Word::Deny => "Do not look for another way to do the same; if there is no way out above, tell the person.",
        _ => "If nobody answers, take the way out above, or tell the person.",
    };
    let Subject::Command { argv, .. } = subject else { return hint.to_owned() };
    let check = format!("tidewaiter check --shell {}", shell_line(&[command_text(argv)]));
    if printable(&check, 200) == check { format!("{hint} Every fact: {check}") } else { hint.to_owned() }
}
