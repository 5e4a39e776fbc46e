//! The report for people: the verdict first, then why in one line each with the file and line it comes from,
//! then the way out as a command to paste. Reads well at 80 columns and without colour.

use std::fmt::Write as _;

use super::count;
use crate::invocation::Effect;
use crate::judge::{Judgement, Subject, Via};
use crate::model::{
    Finding, Level, Location, Opinion, OpinionEffect, Package, Pinning, Place, Source, UnresolvedCause, Value, Verdict,
    printable,
};

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// Columns to wrap at; at least 40.
    pub width: usize,
    /// Also notes, every package, and what the registries do not tell.
    pub verbose: bool,
}

/// The longest text of a stranger that is shown in full.
const LONGEST: usize = 300;
/// How many packages are listed before `and N more`.
const LISTED: usize = 12;
/// How many findings of one rule are listed before `and N more`.
const LISTED_FINDINGS: usize = 5;

pub(super) struct Page {
    pub out: String,
    pub style: Style,
}

#[derive(Clone, Copy)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
}

impl Page {
    fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "1;31",
            Ink::Yellow => "1;33",
            Ink::Green => "1;32",
        };
        if self.style.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `label` painted, then `text` wrapped, every line after the first indented to where `text` begins.
    pub fn hanging(&mut self, indent: usize, ink: Ink, label: &str, text: &str) {
        let margin = indent + label.chars().count() + usize::from(!label.is_empty());
        let room = self.style.width.max(40).saturating_sub(margin).max(20);
        let gap = if label.is_empty() { "" } else { " " };
        let lines = wrap(text, room);
        let label = self.paint(ink, label);
        let _ = writeln!(self.out, "{:indent$}{label}{gap}{}", "", lines.first().map_or("", String::as_str));
        for line in lines.iter().skip(1) {
            let _ = writeln!(self.out, "{:margin$}{line}", "");
        }
    }

    pub fn line(&mut self, indent: usize, ink: Ink, text: &str) {
        let painted = self.paint(ink, text);
        let _ = writeln!(self.out, "{:indent$}{painted}", "");
    }

    pub fn blank(&mut self) {
        self.out.push('\n');
    }
}

/// Breaks at spaces; a word longer than a line stands alone.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= room {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The whole report, ending with a newline.
pub fn render(judgement: &Judgement, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    headline(&mut page, judgement);
    findings(&mut page, judgement);
    unresolved(&mut page, judgement);
    packages(&mut page, judgement);
    footer(&mut page, judgement);
    page.out
}

fn headline(page: &mut Page, judgement: &Judgement) {
    let (ink, word) = match judgement.verdict {
        Verdict::Allow => (Ink::Green, "ALLOW"),
        Verdict::Ask => (Ink::Yellow, "ASK"),
        Verdict::Deny => (Ink::Red, "DENY"),
    };
    let what = match &judgement.subject {
        // The text as it was given, without the shell that would read it.
        Subject::Command { argv, via: Via::Shell | Via::Hook, .. } if argv.len() == 3 => printable(&argv[2], LONGEST),
        Subject::Command { argv, .. } => printable(&crate::model::shell_line(argv), LONGEST),
        Subject::Audit { files } if files.is_empty() => "no manifest or lockfile found".to_owned(),
        Subject::Audit { files } if files.len() <= 3 => {
            files.iter().map(|f| printable(f, LONGEST)).collect::<Vec<_>>().join(", ")
        }
        Subject::Audit { files } => format!("{} manifests and lockfiles", files.len()),
    };
    page.hanging(0, ink, word, &what);
}

fn label(level: Level) -> (Ink, &'static str) {
    match level {
        Level::Deny => (Ink::Red, "deny"),
        Level::Ask | Level::Hold => (Ink::Yellow, "ask "),
        Level::Warn => (Ink::Bold, "warn"),
        Level::Note | Level::Off => (Ink::Dim, "note"),
    }
}

fn findings(page: &mut Page, judgement: &Judgement) {
    let shown: Vec<&Finding> = judgement
        .findings
        .iter()
        .filter(|f| page.style.verbose || (f.level >= Level::Warn && !said_better(judgement, f)))
        .collect();
    if shown.is_empty() {
        return;
    }
    page.blank();
    let blocks = blocks(shown);
    let mut rest = blocks.as_slice();
    while let Some(Block { first, .. }) = rest.first() {
        let (rule, level) = (first.rule, first.level);
        let run = rest.iter().take_while(|b| b.first.rule == rule && b.first.level == level).count();
        let (same, after) = rest.split_at(run);
        let limit = match level {
            _ if page.style.verbose => usize::MAX,
            Level::Deny => LISTED,
            _ => LISTED_FINDINGS,
        };
        for block in same.iter().take(limit) {
            finding(page, judgement, block);
        }
        if let Some(more) = run.checked_sub(limit).filter(|n| *n > 0) {
            page.line(2, Ink::Dim, &format!("     and {more} more of {rule}; --verbose lists them"));
        }
        rest = after;
    }
}

/// A finding, and others that say something of the same setting.
struct Block<'f> {
    first: &'f Finding,
    others: Vec<&'f Finding>,
}

/// Rules that may all have something to say of one index, wherever it is named.
const OF_AN_INDEX: &[&str] = &["untrusted-registry", "config-override", "insecure-transport"];

/// Findings in their order, those of one index at one place together, at the place of the worst.
fn blocks(shown: Vec<&Finding>) -> Vec<Block<'_>> {
    let mut out: Vec<Block<'_>> = Vec::new();
    for f in shown {
        let of_index = |f: &Finding| OF_AN_INDEX.contains(&f.rule) && f.location.is_some() && f.package.is_none();
        let same = |b: &Block<'_>| {
            let known = b.others.iter().any(|o| o.rule == f.rule) || b.first.rule == f.rule;
            of_index(b.first) && b.first.location == f.location && !known && url_of(b.first) == url_of(f)
        };
        match out.iter_mut().find(|b| of_index(f) && same(b)) {
            Some(block) => block.others.push(f),
            None => out.push(Block { first: f, others: Vec::new() }),
        }
    }
    out
}

/// The URL in a message, without what ends it.
fn url_of(f: &Finding) -> Option<&str> {
    let word = f.message.split(' ').find(|w| w.contains("://"))?;
    Some(word.trim_end_matches(['/', ',', ';']))
}

/// A range that admits malware is not pinned either, and pinning it is the way out of both: said once.
fn said_better(judgement: &Judgement, f: &Finding) -> bool {
    let same = |o: &Finding| o.rule == "range-admits-bad" && o.package == f.package && o.location == f.location;
    f.rule == "unpinned" && f.package.is_some() && judgement.findings.iter().any(same)
}

fn finding(page: &mut Page, judgement: &Judgement, block: &Block<'_>) {
    let f = block.first;
    let (ink, word) = label(f.level);
    page.hanging(2, ink, word, &printable(&f.message, LONGEST * 2));
    let mut by = f.rule.to_owned();
    for other in &block.others {
        let _ = write!(by, ", {}", other.rule);
    }
    if let Some(location) = &f.location {
        by = format!("{} · {by}", place(judgement, f, location));
    }
    if f.policy.path().is_some() {
        by = format!("{by} · {}", printable(&f.policy.to_string(), LONGEST));
    }
    page.line(7, Ink::Dim, &by);
    // That an index is not trusted and that it is redirected to are one thing; how it is reached is another.
    for other in block.others.iter().filter(|o| o.rule == "insecure-transport") {
        page.hanging(7, Ink::Plain, "also:", &printable(&other.message, LONGEST * 2));
    }
    if let Some(fix) = &f.fix {
        page.hanging(7, Ink::Plain, "fix:", &printable(&fix.text, LONGEST * 2));
        if let Some(command) = &fix.command {
            page.line(9, Ink::Bold, &format!("$ {}", printable(command, LONGEST * 4)));
        }
    }
}

/// Where, for people: of a script that is one word of the command, the word of the script that is meant.
fn place(judgement: &Judgement, f: &Finding, location: &Location) -> String {
    let shown = || printable(&location.to_string(), LONGEST);
    let (Place::Argv, Subject::Command { argv, .. }) = (&location.place, &judgement.subject) else { return shown() };
    let word = usize::try_from(location.column).ok().and_then(|index| argv.get(index));
    let Some(script) = word.filter(|w| w.contains(char::is_whitespace)) else { return shown() };
    match word_of(script, f) {
        Some(word) => format!("`{}`", printable(word, 60)),
        None => "in the command".to_owned(),
    }
}

/// The first word of a script that holds what a finding speaks of.
fn word_of<'s>(script: &'s str, f: &Finding) -> Option<&'s str> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let quoted = f.message.split('`').skip(1).step_by(2).map(str::to_owned);
    let named =
        ["requirement", "flag", "key", "registry", "value"].iter().filter_map(|k| f.evidence.get(k).and_then(text));
    let package = f.package.iter().map(|p| p.name.written().to_owned());
    let meant: Vec<String> = quoted.chain(named).chain(package).filter(|t| t.chars().count() > 1).collect();
    let words = || script.split(|c: char| c.is_whitespace() || ";&|()\"'`".contains(c)).filter(|w| !w.is_empty());
    meant.iter().find_map(|text| words().find(|w| w.contains(text.trim_end_matches('/'))))
}

fn unresolved(page: &mut Page, judgement: &Judgement) {
    // A name that does not exist, and whatever a rule already reported, is said once, above: where it is shown.
    let shown = |f: &&Finding| page.style.verbose || f.level >= Level::Warn;
    let named = judgement.findings.iter().filter(shown).any(|f| f.rule == "unknown-package");
    let said = |reason: &str| judgement.findings.iter().filter(shown).any(|f| f.message.contains(reason));
    let rest: Vec<_> = judgement
        .plan
        .unresolved
        .iter()
        .filter(|u| !(named && u.cause == UnresolvedCause::UnknownPackage))
        .filter(|u| !said(&printable(&u.reason, LONGEST)))
        .collect();
    if rest.is_empty() {
        return;
    }
    page.blank();
    page.line(0, Ink::Plain, "Not known:");
    let limit = if page.style.verbose { usize::MAX } else { LISTED_FINDINGS };
    for u in rest.iter().take(limit) {
        let at = u.location.as_ref().map(|l| format!(" ({l})")).unwrap_or_default();
        let text = format!("{}: {}{at}", printable(&u.requirement, LONGEST), printable(&u.reason, LONGEST));
        page.hanging(2, Ink::Plain, "-", &text);
    }
    if let Some(more) = rest.len().checked_sub(limit).filter(|n| *n > 0) {
        page.line(2, Ink::Dim, &format!("and {more} more; --verbose lists them"));
    }
}

fn packages(page: &mut Page, judgement: &Judgement) {
    let plan = &judgement.plan;
    // The project's own members are here already.
    let coming: Vec<&Package> =
        plan.packages.iter().filter(|p| !matches!(p.source, Source::Workspace { .. })).collect();
    if coming.is_empty() {
        if judgement.verdict == Verdict::Allow && matches!(judgement.subject, Subject::Command { .. }) {
            page.line(0, Ink::Plain, "No Python, npm or cargo package would come in.");
        }
        return;
    }
    page.blank();
    let direct = coming.iter().filter(|p| p.direct).count();
    let verb = if matches!(judgement.subject, Subject::Audit { .. }) { "Judged" } else { "Would bring in" };
    let mut head = format!("{verb} {}", count(coming.len(), "package", "packages"));
    match direct {
        0 => {}
        _ if direct == coming.len() => head.push_str(", asked for by name"),
        _ => {
            let _ = write!(head, ", {direct} of them asked for by name");
        }
    }
    if !plan.complete() {
        head.push_str("; the plan is incomplete");
    }
    let listed: Vec<&Package> = if page.style.verbose {
        coming
    } else if matches!(judgement.subject, Subject::Audit { .. }) {
        Vec::new()
    } else {
        coming.into_iter().filter(|p| p.direct).collect()
    };
    head.push(if listed.is_empty() { '.' } else { ':' });
    page.hanging(0, Ink::Plain, "", &head);
    let limit = if page.style.verbose { usize::MAX } else { LISTED };
    let width = listed.iter().take(limit).map(|p| name_version(p).chars().count()).max().unwrap_or(0).min(40);
    for p in listed.iter().take(limit) {
        let mut about = Vec::new();
        match p.published_at {
            Some(t) => about.push(format!("published {}", t.strftime("%Y-%m-%d"))),
            None if p.source.is_registry() => about.push("publication time unknown".to_owned()),
            // A project's own directory may have the empty path.
            None if p.source.url().is_empty() => about.push("from this directory".to_owned()),
            None => about.push(format!("from {}", printable(&p.source.url(), LONGEST))),
        }
        if p.pinning == Pinning::ExactHash {
            about.push("pinned by hash".to_owned());
        }
        if !p.executes.is_empty() {
            let words: Vec<&str> = p.executes.iter().map(crate::model::Execution::word).collect();
            about.push(format!("runs {}", words.join(", ")));
        }
        let name = name_version(p);
        page.hanging(2, Ink::Plain, &format!("{name:width$}"), &about.join(", "));
    }
    if listed.len() > limit {
        page.line(2, Ink::Dim, &format!("and {} more; --verbose lists them", listed.len() - limit));
    }
    for h in plan.held_back.iter().take(if page.style.verbose { usize::MAX } else { LISTED }) {
        let instead = h.instead.as_deref().map_or_else(String::new, |v| format!(", {} instead", printable(v, 60)));
        let text = format!(
            "{} {}: {}{instead}",
            printable(h.name.written(), 100),
            printable(&h.version, 60),
            printable(&h.reason, LONGEST)
        );
        page.hanging(2, Ink::Dim, "held back", &text);
    }
}

fn name_version(p: &Package) -> String {
    format!("{} {}", printable(p.id.name.written(), 100), printable(&p.id.version, 60))
}

fn footer(page: &mut Page, judgement: &Judgement) {
    page.blank();
    let plan = &judgement.plan;
    // Only a command's plan can be approved, by its digest.
    let is_command = matches!(judgement.subject, Subject::Command { .. });
    if is_command && (!plan.packages.is_empty() || !plan.unresolved.is_empty()) {
        let digest = plan.digest().hex();
        let short = digest.get(..12).unwrap_or(&digest);
        page.line(0, Ink::Dim, &format!("plan {short}"));
    }
    let notes = judgement.findings.iter().filter(|f| f.level < Level::Warn).count();
    if notes > 0 && !page.style.verbose {
        page.line(0, Ink::Dim, &format!("{}; --verbose shows them", count(notes, "note", "notes")));
    }
    if page.style.verbose {
        for gap in &plan.signal_gaps {
            let text = format!(
                "{} from {}: {}",
                gap.signal,
                printable(&gap.registry, LONGEST),
                printable(&gap.reason, LONGEST)
            );
            page.hanging(0, Ink::Dim, "not told:", &text);
        }
    } else if !plan.signal_gaps.is_empty() {
        let mut signals: Vec<&str> = plan.signal_gaps.iter().map(|g| g.signal).collect();
        signals.sort_unstable();
        signals.dedup();
        page.hanging(0, Ink::Dim, "not told by the registry:", &signals.join(", "));
    }
    if let Some(opinion) = judgement.opinion.as_deref() {
        page.hanging(0, Ink::Plain, "", &classifier(opinion));
    }
    let coverage = &judgement.coverage;
    let idle = judgement.invocations.iter().all(|i| i.effect == Effect::Nothing && i.opaque.is_empty());
    if is_command && idle && !judgement.invocations.is_empty() && !judgement.findings.is_empty() {
        // Nothing comes in, so no advisory was asked.
        return page.hanging(0, Ink::Plain, "", &format!("it installs nothing · {} ms", judgement.elapsed_ms));
    }
    let advisories = count(usize::try_from(coverage.records).unwrap_or(usize::MAX), "advisory", "advisories");
    let (age, advice) = match coverage.updated_at {
        None => (" (embedded incidents only)".to_owned(), Some("fetches the feeds")),
        Some(at) if coverage.stale => {
            (format!(" from {}, which is stale", at.strftime("%Y-%m-%d")), Some("renews them"))
        }
        Some(at) => (format!(" from {}", at.strftime("%Y-%m-%d")), None),
    };
    page.hanging(0, Ink::Plain, "", &format!("judged against {advisories}{age} · {} ms", judgement.elapsed_ms));
    // A line of its own, so that no line break falls into the command.
    if let Some(what) = advice {
        page.hanging(0, Ink::Plain, "", &format!("`tidewaiter advisories update` {what}"));
    }
}

/// Who was asked beside the rules, and what came of it.
fn classifier(opinion: &Opinion) -> String {
    let who = format!("{} {}", opinion.kind, printable(&opinion.model, 80));
    let reason = printable(&opinion.rationale, LONGEST);
    match opinion.effect {
        OpinionEffect::Stands if opinion.verdict < opinion.rules => {
            format!("the classifier ({who}) would have said {}; the rules' verdict stands", opinion.verdict.word())
        }
        OpinionEffect::Stands => format!("the classifier ({who}) agrees: {reason}"),
        OpinionEffect::Raised => {
            format!("the classifier ({who}) raised {} to {}", opinion.rules.word(), opinion.verdict.word())
        }
        OpinionEffect::Lowered => format!(
            "cleared by the classifier ({who}) with your own words about it (consent: {}): {reason}",
            opinion.consent.word()
        ),
        OpinionEffect::Unavailable => format!("the classifier ({who}) {}", opinion.outcome.words()),
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn text_wraps_at_spaces() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaaaa b", 4), ["aaaaaaaaaa", "b"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
