//! Why a decision is what it is: the facts, each rule that fired with the line of policy behind it, what a classifier
//! saw and said, and what would change the verdict. For people, and as JSON (schema `tidewaiter.explanation/1`).
//!
//! In: a judgement, or what the record kept of one. Out: text. A record of an older program lacks some of it; what is
//! absent is said to be absent.

use serde::Serialize;
use serde_json::Value as Json;

use super::human::{Ink, Page, Style};
use crate::judge::{Judgement, Subject};
use crate::model::{Finding, Level, PackageId, Place, Value, Verdict, printable, shell_line};

/// The schema's name.
pub const SCHEMA: &str = "tidewaiter.explanation/1";
const LONGEST: usize = 300;

/// A decision with its reasons.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Explanation {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The id of the record's line; absent for a judgement of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What became of it: `stopped: denied`, `started, cleared by approval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// `allow`, `ask`, `deny`.
    pub verdict: String,
    /// The command, or the files.
    pub what: String,
    /// Where.
    pub cwd: String,
    /// The tool and its verb.
    pub tool: String,
    /// How it got here.
    pub via: String,
    /// The plan.
    pub plan: PlanFacts,
    /// Each rule that fired, gravest first.
    pub rules: Vec<Fired>,
    /// The policy's digest, as the record has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// How many errors its files had.
    pub policy_errors: usize,
    /// What the advisories cover.
    pub advisories: AdvisoryFacts,
    /// What a classifier was shown and said, as the record has it; `null` when none was asked.
    pub classifier: Json,
    /// What would change the verdict, a sentence each.
    pub would_change: Vec<String>,
}

/// What a plan is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlanFacts {
    /// `sha256:…`
    pub digest: String,
    /// Whether everything is known.
    pub complete: bool,
    /// How many releases.
    pub packages: usize,
    /// Those asked for by name, as far as they are known.
    pub direct: Vec<String>,
    /// The requirements that could not be resolved.
    pub unresolved: Vec<String>,
}

/// What the advisories cover.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AdvisoryFacts {
    /// How many.
    pub records: u64,
    /// When they were fetched.
    pub updated_at: Option<String>,
    /// Older than they should be.
    pub stale: bool,
}

/// A rule that fired.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Fired {
    /// Its name.
    pub rule: String,
    /// The level it got.
    pub level: String,
    /// Its category; absent in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The release.
    pub package: Option<String>,
    /// The sentence.
    pub message: String,
    /// Where the cause stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The line of policy that set the level; absent in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The typed facts.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub facts: serde_json::Map<String, Json>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// A command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A judgement explained. What a classifier said stands in the form in which the record keeps it, which the caller has.
pub fn of(judgement: &Judgement, classifier: Json) -> Explanation {
    let plan = &judgement.plan;
    let (what, cwd, tool, via) = match &judgement.subject {
        Subject::Command { argv, cwd, tool, verb, via } => {
            let what = match argv.as_slice() {
                [sh, c, text] if sh == "sh" && c == "-c" => text.clone(),
                words => shell_line(words),
            };
            (what, cwd.clone(), format!("{tool} {verb}").trim().to_owned(), via.word().to_owned())
        }
        Subject::Audit { files } => (files.join(", "), String::new(), "audit".to_owned(), String::new()),
    };
    let name = |id: &PackageId| format!("{} {}", id.name.written(), id.version);
    let coverage = &judgement.coverage;
    Explanation {
        schema: SCHEMA,
        verdict: judgement.verdict.word().to_owned(),
        what,
        cwd,
        tool,
        via,
        plan: PlanFacts {
            digest: plan.digest().to_string(),
            complete: plan.complete(),
            packages: plan.packages.len(),
            direct: plan.packages.iter().filter(|p| p.direct).take(50).map(|p| name(&p.id)).collect(),
            unresolved: plan.unresolved.iter().take(50).map(|u| format!("{}: {}", u.requirement, u.reason)).collect(),
        },
        rules: judgement.findings.iter().map(fired).collect(),
        advisories: AdvisoryFacts {
            records: coverage.records,
            updated_at: coverage.updated_at.map(|t| t.to_string()),
            stale: coverage.stale,
        },
        classifier,
        ..Explanation::default()
    }
    .finished()
}

fn fired(finding: &Finding) -> Fired {
    let fact = |value: &Value| match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Integer(n) => Json::from(*n),
        Value::Number(n) => Json::from(*n),
        Value::Flag(flag) => Json::from(*flag),
        Value::List(list) => Json::from(list.clone()),
    };
    Fired {
        rule: finding.rule.to_owned(),
        level: finding.level.word().to_owned(),
        category: Some(finding.category.word().to_owned()),
        package: finding.package.as_ref().map(PackageId::purl),
        message: finding.message.clone(),
        location: finding.location.as_ref().map(ToString::to_string),
        policy: Some(match finding.policy.place {
            Place::BuiltIn => "built-in".to_owned(),
            _ => finding.policy.to_string(),
        }),
        facts: finding.evidence.iter().map(|(key, value)| ((*key).to_owned(), fact(value))).collect(),
        fix: finding.fix.as_ref().map(|f| f.text.clone()),
        command: finding.fix.as_ref().and_then(|f| f.command.clone()),
    }
}

impl Explanation {
    /// With [`Explanation::would_change`] worked out from the rest.
    #[must_use]
    pub fn finished(mut self) -> Self {
        self.schema = SCHEMA;
        self.would_change = self.changes();
        self
    }

    fn changes(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut add = |text: String| {
            if !out.contains(&text) {
                out.push(text);
            }
        };
        let level = |f: &Fired| Level::from_word(&f.level).map_or(Verdict::Ask, Level::verdict);
        let against: Vec<&Fired> = self.rules.iter().filter(|f| level(f) != Verdict::Allow).collect();
        if self.verdict == "allow" {
            let warned = self.rules.iter().find(|f| f.level == "warn");
            add(match warned {
                Some(f) => format!("nothing is in its way; `{} = \"ask\"` in the policy would ask about it", f.rule),
                None => "nothing is in its way".to_owned(),
            });
            return out;
        }
        for f in &against {
            if let Some(fix) = &f.fix {
                add(format!("{}: {fix}", f.rule));
            }
            let at = f.policy.as_deref().unwrap_or("the policy");
            let at =
                if at == "built-in" { "your policy (it is the built-in level now)".to_owned() } else { at.to_owned() };
            match (&f.package, f.rule.as_str()) {
                (_, "policy") => {}
                (Some(package), rule) => {
                    add(format!("{rule}: a dated exception for {package} in your policy, or another level at {at}"));
                }
                (None, "opaque" | "gate-tampering") => {}
                (None, rule) => add(format!("{rule}: another level at {at}")),
            }
        }
        if !self.plan.complete {
            add("the plan is incomplete, and is never cleared as it is: ask for what can be resolved".to_owned());
        }
        let asked = self.verdict == "ask" && !self.via.is_empty();
        if asked && (self.plan.packages > 0 || !self.plan.unresolved.is_empty()) {
            let short = self.plan.digest.trim_start_matches("sha256:").get(..12).unwrap_or_default().to_owned();
            add(format!("a person can approve exactly this plan, once: tidewaiter approve {short}"));
        } else if asked {
            add("a person can run it in a terminal of their own".to_owned());
        }
        out
    }

    /// As JSON, on one line.
    pub fn json(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// For people.
    pub fn human(&self, style: Style) -> String {
        let mut page = Page { out: String::new(), style };
        let ink = match self.verdict.as_str() {
            "allow" => Ink::Green,
            "deny" => Ink::Red,
            _ => Ink::Yellow,
        };
        page.hanging(0, ink, &printable(&self.verdict, 10).to_uppercase(), &printable(&self.what, LONGEST));
        self.facts(&mut page);
        self.fired(&mut page);
        self.said(&mut page);
        page.blank();
        page.line(0, Ink::Bold, "What would change it");
        for change in &self.would_change {
            page.hanging(2, Ink::Plain, "-", &printable(change, 600));
        }
        page.out
    }

    fn facts(&self, page: &mut Page) {
        page.blank();
        page.line(0, Ink::Bold, "Facts");
        let mut row = |name: &str, text: String| {
            if !text.is_empty() {
                page.hanging(2, Ink::Dim, &format!("{name:10}"), &printable(&text, 600));
            }
        };
        row("record", self.id.clone().unwrap_or_default());
        row("when", self.at.clone().unwrap_or_default());
        row("outcome", self.outcome.clone().unwrap_or_default());
        row("command", if self.tool == "other" { String::new() } else { self.tool.clone() });
        row("came by", self.via.clone());
        row("directory", self.cwd.clone());
        let plan = &self.plan;
        let complete = if plan.complete { "complete" } else { "incomplete" };
        let empty = plan.packages == 0 && plan.complete;
        row(
            "plan",
            if empty {
                "nothing comes in".to_owned()
            } else {
                format!("{} releases, {complete}, {}", plan.packages, plan.digest)
            },
        );
        row("asked for", plan.direct.join(", "));
        row("unknown", plan.unresolved.join("; "));
        let age = match (&self.advisories.updated_at, self.advisories.stale) {
            (Some(at), true) => format!(" from {at}, stale"),
            (Some(at), false) => format!(" from {at}"),
            (None, _) => String::new(),
        };
        row("advisories", format!("{}{age}", self.advisories.records));
        let errors =
            if self.policy_errors > 0 { format!("{} errors in its files", self.policy_errors) } else { String::new() };
        let digest = self.policy_digest.clone().unwrap_or_default();
        row("policy", [digest, errors].iter().filter(|t| !t.is_empty()).cloned().collect::<Vec<_>>().join(", "));
    }

    fn fired(&self, page: &mut Page) {
        page.blank();
        page.line(0, Ink::Bold, "Rules that fired");
        if self.rules.is_empty() {
            page.line(2, Ink::Plain, "none");
        }
        for (n, f) in self.rules.iter().enumerate() {
            let ink = match f.level.as_str() {
                "deny" => Ink::Red,
                "ask" | "hold" => Ink::Yellow,
                _ => Ink::Dim,
            };
            let package = f.package.as_deref().map_or_else(String::new, |p| format!(" ({})", printable(p, 200)));
            let level = format!("f{} {}", n + 1, printable(&f.level, 10));
            page.hanging(
                2,
                ink,
                &level,
                &format!("{}{package}: {}", printable(&f.rule, 60), printable(&f.message, LONGEST)),
            );
            let mut row = |name: &str, text: &str| page.hanging(6, Ink::Dim, name, &printable(text, LONGEST));
            row("policy", f.policy.as_deref().unwrap_or("not recorded"));
            if let Some(location) = &f.location {
                row("at", location);
            }
            for (key, value) in &f.facts {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                row(&printable(key, 40), &text);
            }
            if let Some(fix) = &f.fix {
                row("fix", fix);
            }
            if let Some(command) = f.command.as_deref().filter(|c| printable(c, 2000) == **c) {
                page.line(8, Ink::Plain, &format!("$ {command}"));
            }
        }
    }

    fn said(&self, page: &mut Page) {
        page.blank();
        page.line(0, Ink::Bold, "Classifier");
        let Some(fields) = self.classifier.as_object() else {
            return page.line(2, Ink::Plain, "none was asked: the rules decided");
        };
        let text = |name: &str| match fields.get(name) {
            Some(Json::String(text)) => printable(text, LONGEST),
            Some(Json::Null) | None => String::new(),
            Some(other) => printable(&other.to_string(), LONGEST),
        };
        let mut row = |name: &str, value: String| {
            if !value.is_empty() {
                page.hanging(2, Ink::Dim, &format!("{name:10}"), &value);
            }
        };
        row("who", format!("{} {}", text("kind"), text("model")).trim().to_owned());
        row("shown", format!("the facts {}", text("facts")));
        row("outcome", text("outcome"));
        row("said", format!("{} (severity {}, {})", text("verdict"), text("severity"), text("category")));
        row("because", text("rationale"));
        row("evidence", text("evidence"));
        row("consent", text("consent"));
        row("effect", format!("{}; the rules said {}", text("effect"), text("rules")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation() -> Explanation {
        let fired = |rule: &str, level: &str, package: Option<&str>| Fired {
            rule: rule.to_owned(),
            level: level.to_owned(),
            package: package.map(str::to_owned),
            message: "x\u{1b}[31m is young".to_owned(),
            policy: Some("policy.toml:3:1".to_owned()),
            fix: Some("wait".to_owned()),
            ..Fired::default()
        };
        Explanation {
            verdict: "ask".to_owned(),
            what: "npm install x".to_owned(),
            via: "hook".to_owned(),
            tool: "npm install".to_owned(),
            plan: PlanFacts {
                digest: format!("sha256:{}", "ab".repeat(32)),
                complete: true,
                packages: 2,
                ..PlanFacts::default()
            },
            rules: vec![fired("cooldown", "ask", Some("pkg:npm/x@1.0.0")), fired("unpinned", "warn", None)],
            ..Explanation::default()
        }
        .finished()
    }

    #[test]
    fn an_explanation_names_rules_lines_and_ways_out() {
        let style = Style { colour: false, width: 80, verbose: false };
        let text = explanation().human(style);
        assert!(!text.contains('\u{1b}') && text.lines().all(|l| l.chars().count() <= 90), "{text}");
        for wanted in [
            "ASK npm install x",
            "f1 ask cooldown",
            "policy.toml:3:1",
            "none was asked",
            "tidewaiter approve abababababab",
            "a dated exception for",
        ] {
            let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(joined.contains(wanted), "{wanted}: {text}");
        }
        let json: Json = serde_json::from_str(&explanation().json()).unwrap_or_default();
        assert_eq!(json["schema"], SCHEMA);
        assert_eq!(json["rules"][0]["policy"], "policy.toml:3:1");
    }
}
