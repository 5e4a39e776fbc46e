//! One page for people who were sent a link or an artifact: a judgement goes in; the verdict, why, the way out with its
//! commands, and the whole plan come out as HTML that needs nothing else: no script, no font, no image, no request.
//!
//! Only literals of this file become markup. Everything else passes through [`Page::text`], which makes it visible and
//! escapes it.

use super::{COMMAND, LONGEST, SENTENCE, count, rfc3339, text, texts, unexplained};
use crate::judge::{Judgement, Subject};
use crate::model::{Environment, Finding, Level, Package, PackageId, Pinning, Source, Verdict, printable};

/// How many names are listed in one cell before `and N more`.
const LISTED: usize = 4;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
"#;

const STYLE: &str = r"<style>
:root { --line: #8886; --dim: #777; --red: #c62828; --amber: #b26a00; --green: #2e7d32; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
code, pre { font: 0.9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; user-select: all; border: 1px solid var(--line); border-radius: 4px; padding: .5rem .75rem; margin: .5rem 0; }
article { border-left: 4px solid var(--line); padding: .1rem 1rem; margin: 1rem 0; }
article p { margin: .25rem 0; overflow-wrap: anywhere; }
.badge { display: inline-block; padding: 0 .5rem; border-radius: 4px; color: #fff; background: var(--dim); }
.deny { border-color: var(--red); } .badge.deny { background: var(--red); }
.ask { border-color: var(--amber); } .badge.ask { background: var(--amber); }
.allow { border-color: var(--green); } .badge.allow { background: var(--green); }
.dim { color: var(--dim); font-size: .9em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9em; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
</style>
</head>
<body>
";

/// The page so far. Markup is what this file wrote; text is anybody's.
struct Page(String);

impl Page {
    /// Markup of this file.
    fn markup(&mut self, literal: &'static str) {
        self.0.push_str(literal);
    }

    /// Anybody's text: on one visible line, at most `max` characters, escaped for content and attributes alike.
    fn text(&mut self, text: &str, max: usize) {
        for c in printable(text, max).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    /// Text between two pieces of markup.
    fn within(&mut self, before: &'static str, text: &str, after: &'static str) {
        self.markup(before);
        self.text(text, SENTENCE);
        self.markup(after);
    }

    /// A command to paste; a click selects all of it.
    fn command(&mut self, command: &str) {
        self.markup("<pre><code>");
        self.text(command, COMMAND);
        self.markup("</code></pre>\n");
    }

    /// A link, when the address is one that only a browser's page can follow; its text otherwise.
    fn link(&mut self, address: &str, label: &str) {
        // Longer than what is shown in full, it would be cut, and lead elsewhere.
        let address = url::Url::parse(address)
            .ok()
            .filter(|u| matches!(u.scheme(), "https" | "http"))
            .map(String::from)
            .filter(|u| u.chars().count() <= LONGEST);
        match address {
            Some(address) => {
                self.markup("<a rel=\"noopener noreferrer\" href=\"");
                self.text(&address, LONGEST);
                self.within("\">", label, "</a>");
            }
            None => self.text(label, LONGEST),
        }
    }

    fn head(&mut self, columns: &[&'static str]) {
        self.markup("<div class=\"scroll\"><table>\n<thead><tr>");
        for column in columns {
            self.within("<th>", column, "</th>");
        }
        self.markup("</tr></thead>\n<tbody>\n");
    }

    fn row(&mut self, cells: &[String]) {
        self.markup("<tr>");
        for cell in cells {
            self.within("<td>", cell, "</td>");
        }
        self.markup("</tr>\n");
    }

    fn foot(&mut self) {
        self.markup("</tbody></table></div>\n");
    }
}

/// The page. The moment on it is the environment's clock.
pub fn render(judgement: &Judgement, environment: &Environment) -> String {
    let mut page = Page(String::new());
    page.markup(HEAD);
    page.within("<title>tidewaiter: ", judgement.verdict.word(), "</title>\n");
    page.markup(STYLE);
    headline(&mut page, judgement);
    findings(&mut page, judgement);
    unresolved(&mut page, judgement);
    packages(&mut page, judgement);
    held_back(&mut page, judgement);
    signals(&mut page, judgement);
    advisories(&mut page, judgement);
    let taken = format!(
        "{} {}, {}, {} ms",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        rfc3339(environment.now),
        judgement.elapsed_ms
    );
    page.within("<footer><p class=\"dim\">", &taken, "</p></footer>\n");
    page.markup("</body>\n</html>\n");
    page.0
}

const fn badge(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "<span class=\"badge allow\">",
        Verdict::Ask => "<span class=\"badge ask\">",
        Verdict::Deny => "<span class=\"badge deny\">",
    }
}

const fn level_badge(level: Level) -> &'static str {
    match level {
        Level::Deny => badge(Verdict::Deny),
        Level::Ask | Level::Hold => badge(Verdict::Ask),
        Level::Warn | Level::Note | Level::Off => "<span class=\"badge\">",
    }
}

fn headline(page: &mut Page, judgement: &Judgement) {
    page.markup("<header>\n<h1>");
    page.within(badge(judgement.verdict), judgement.verdict.word(), "</span> ");
    match &judgement.subject {
        Subject::Command { cwd, .. } => {
            page.markup("<code>");
            page.text(&judgement.command_text().unwrap_or_default(), COMMAND);
            page.within("</code></h1>\n<p class=\"dim\">in <code>", cwd, "</code></p>\n");
        }
        Subject::Audit { files } if files.is_empty() => page.markup("no manifest or lockfile found</h1>\n"),
        Subject::Audit { files } => {
            page.within("", &count(files.len(), "manifest or lockfile", "manifests and lockfiles"), "</h1>\n<ul>\n");
            for file in files {
                page.within("<li><code>", file, "</code></li>\n");
            }
            page.markup("</ul>\n");
        }
    }
    let meaning = match judgement.verdict {
        Verdict::Allow => "Nothing stands against it.",
        Verdict::Ask => "A person decides.",
        Verdict::Deny => "It must not happen.",
    };
    page.within("<p>", meaning, "");
    if !judgement.plan.complete() {
        page.markup(" The plan is incomplete: not everything that would come in is known.");
    }
    page.within("</p>\n<p class=\"dim\">plan <code>", &judgement.plan.digest().to_string(), "</code></p>\n</header>\n");
}

fn findings(page: &mut Page, judgement: &Judgement) {
    let (shown, notes): (Vec<&Finding>, Vec<&Finding>) =
        judgement.findings.iter().partition(|f| f.level >= Level::Warn);
    if !shown.is_empty() {
        page.markup("<section>\n<h2>Why, and the way out</h2>\n");
        shown.into_iter().for_each(|f| finding(page, f));
        page.markup("</section>\n");
    }
    if !notes.is_empty() {
        let title = count(notes.len(), "note", "notes");
        page.within("<details>\n<summary>", &title, "</summary>\n");
        notes.into_iter().for_each(|f| finding(page, f));
        page.markup("</details>\n");
    }
}

fn finding(page: &mut Page, f: &Finding) {
    page.markup(match f.level {
        Level::Deny => "<article class=\"deny\">\n<p>",
        Level::Ask | Level::Hold => "<article class=\"ask\">\n<p>",
        Level::Warn | Level::Note | Level::Off => "<article>\n<p>",
    });
    page.within(level_badge(f.level), f.level.word(), "</span> ");
    page.within("", &f.message, "</p>\n");
    page.within("<p class=\"dim\">", f.rule, "");
    if let Some(location) = &f.location {
        page.within(" · <code>", &location.to_string(), "</code>");
    }
    page.within(" · policy: ", &f.policy.to_string(), "</p>\n");
    records(page, f);
    if let Some(fix) = &f.fix {
        page.within("<p>Way out: ", &fix.text, "</p>\n");
        if let Some(command) = &fix.command {
            page.command(command);
        }
    }
    page.markup("</article>\n");
}

/// The advisories behind a finding, the first with its address.
fn records(page: &mut Page, f: &Finding) {
    let ids = texts(&f.evidence, "advisories");
    if ids.is_empty() {
        return;
    }
    page.markup("<p class=\"dim\">Advisories: ");
    for (i, id) in ids.iter().enumerate() {
        match text(&f.evidence, "url") {
            Some(url) if i == 0 => page.link(url, id),
            _ => page.within(if i == 0 { "" } else { ", " }, id, ""),
        }
    }
    page.markup("</p>\n");
}

fn unresolved(page: &mut Page, judgement: &Judgement) {
    let rest = unexplained(judgement);
    if rest.is_empty() {
        return;
    }
    page.markup("<section>\n<h2>Not known</h2>\n<ul>\n");
    for u in rest {
        page.within("<li><code>", &u.requirement, "</code>: ");
        page.within("", &u.reason, "");
        if let Some(location) = &u.location {
            page.within(" (<code>", &location.to_string(), "</code>)");
        }
        page.markup("</li>\n");
    }
    page.markup("</ul>\n</section>\n");
}

fn name_version(id: &PackageId) -> String {
    format!("{} {}", printable(id.name.written(), LONGEST), printable(&id.version, LONGEST))
}

fn packages(page: &mut Page, judgement: &Judgement) {
    // The project's own members are here already.
    let coming: Vec<&Package> =
        judgement.plan.packages.iter().filter(|p| !matches!(p.source, Source::Workspace { .. })).collect();
    if coming.is_empty() {
        return;
    }
    let title = match judgement.subject {
        Subject::Command { .. } => "Would bring in ",
        Subject::Audit { .. } => "Judged ",
    };
    page.markup("<section>\n<h2>");
    page.within(title, &count(coming.len(), "package", "packages"), "</h2>\n");
    page.head(&["package", "ecosystem", "asked for by", "source", "published", "pinned", "runs at install"]);
    for p in coming {
        page.row(&[
            match p.source {
                Source::Registry { .. } => name_version(&p.id),
                _ if &*p.id.version == "0" => p.id.name.written().to_owned(),
                _ => name_version(&p.id),
            },
            p.id.name.ecosystem().osv().to_owned(),
            asked_for_by(p),
            if p.source.is_registry() {
                p.source.url()
            } else {
                format!("{}: {}", p.source.kind(), printable(&p.source.url(), LONGEST))
            },
            p.published_at.map_or_else(|| "unknown".to_owned(), |t| t.strftime("%Y-%m-%d").to_string()),
            pinned(p.pinning).to_owned(),
            p.executes.iter().map(crate::model::Execution::word).collect::<Vec<_>>().join(", "),
        ]);
    }
    page.foot();
    page.markup("</section>\n");
}

/// The requirement for what is asked for by name, its parents for the rest.
fn asked_for_by(p: &Package) -> String {
    if p.direct || p.required_by.is_empty() {
        let text = printable(&p.origin.text, LONGEST);
        return format!("{text} ({})", printable(&p.origin.location.to_string(), LONGEST));
    }
    let mut names: Vec<String> = p.required_by.iter().take(LISTED).map(name_version).collect();
    if let Some(more) = p.required_by.len().checked_sub(LISTED).filter(|n| *n > 0) {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

const fn pinned(pinning: Pinning) -> &'static str {
    match pinning {
        Pinning::Floating => "no",
        Pinning::Range => "range",
        Pinning::Exact => "exact",
        Pinning::ExactHash => "exact, by hash",
    }
}

fn held_back(page: &mut Page, judgement: &Judgement) {
    let held = &judgement.plan.held_back;
    if held.is_empty() {
        return;
    }
    page.markup("<section>\n<h2>Held back</h2>\n");
    page.head(&["release", "instead", "rule", "why"]);
    for h in held {
        page.row(&[
            format!("{} {}", printable(h.name.written(), LONGEST), printable(&h.version, LONGEST)),
            h.instead.clone().unwrap_or_default(),
            h.rule.to_owned(),
            h.reason.clone(),
        ]);
    }
    page.foot();
    page.markup("</section>\n");
}

fn signals(page: &mut Page, judgement: &Judgement) {
    let gaps = &judgement.plan.signal_gaps;
    if gaps.is_empty() {
        return;
    }
    page.markup("<section>\n<h2>Not told by the registries</h2>\n");
    page.head(&["signal", "registry", "why"]);
    for g in gaps {
        page.row(&[g.signal.to_owned(), g.registry.clone(), g.reason.clone()]);
    }
    page.foot();
    page.markup("</section>\n");
}

fn advisories(page: &mut Page, judgement: &Judgement) {
    let coverage = &judgement.coverage;
    page.markup("<section>\n<h2>Advisories</h2>\n<p>Judged against ");
    page.within("", &count(usize::try_from(coverage.records).unwrap_or(usize::MAX), "advisory", "advisories"), "");
    match coverage.updated_at {
        Some(at) => page.within(" as of ", &rfc3339(at), "."),
        None => page.markup(" that this program carries itself: no feed is installed."),
    }
    if coverage.stale {
        page.markup(" They are stale.");
    }
    page.markup("</p>\n");
    if coverage.stale || coverage.updated_at.is_none() {
        page.command("tidewaiter advisories update");
    }
    for problem in &coverage.problems {
        page.within("<p>Cannot be read: ", problem, "</p>\n");
    }
    page.markup("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::Page;

    fn drawn(draw: impl FnOnce(&mut Page)) -> String {
        let mut page = Page(String::new());
        draw(&mut page);
        page.0
    }

    #[test]
    fn text_is_never_markup() {
        let text = drawn(|p| p.text("<img src=x onerror='a()'> & \"\u{1b}[2J", 100));
        assert_eq!(text, "&lt;img src=x onerror=&#39;a()&#39;&gt; &amp; &quot;\\u{1b}[2J");
    }

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(drawn(|p| p.link("javascript:alert(1)", "x")), "x");
        assert_eq!(drawn(|p| p.link("not a url", "x")), "x");
        assert_eq!(drawn(|p| p.link(&format!("https://a.example/{}", "b".repeat(400)), "x")), "x");
        assert_eq!(
            drawn(|p| p.link("https://a.example/\"><script>", "<x>")),
            "<a rel=\"noopener noreferrer\" href=\"https://a.example/%22%3E%3Cscript%3E\">&lt;x&gt;</a>"
        );
    }
}
