//! `doctor`: is interception live, tool by tool, and what is not covered.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::process::Patience;
use super::session::Session;
use super::{Failure, print};
use crate::advisories::{Advisories as _, Database};
use crate::doctor::canary::{self, Outcome};
use crate::doctor::registry::Registry;
use crate::doctor::{ELSEWHERE, UNCOVERED};
use crate::enforce::sandbox;
use crate::model::{Ecosystem, printable};
use crate::shim::links::Links;
use crate::shim::locate::Search;
use crate::shim::status::{self, Row, State};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Human,
    /// One JSON object, schema tidewaiter.doctor/1
    Json,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    live: bool,
    /// What is not as it must be, a sentence each; empty when it is live.
    problems: Vec<String>,
    tools: Vec<Tool>,
    advisories: Feeds,
    policy: Vec<String>,
    sandbox: Containment,
    not_covered: Vec<&'static str>,
}

#[derive(Serialize)]
struct Tool {
    name: String,
    state: &'static str,
    first: Option<String>,
    real: Option<String>,
    stop: Canary,
    pass: Canary,
}

#[derive(Serialize)]
struct Canary {
    outcome: &'static str,
    detail: Option<String>,
}

#[derive(Serialize)]
struct Feeds {
    records: u64,
    updated_at: Option<String>,
    stale: bool,
    ecosystems: Vec<String>,
}

#[derive(Serialize)]
struct Containment {
    available: bool,
    words: Vec<String>,
}

impl From<Outcome> for Canary {
    fn from(outcome: Outcome) -> Self {
        let (outcome, detail) = match outcome {
            Outcome::Right => ("right", None),
            Outcome::Wrong(why) => ("wrong", Some(why)),
            Outcome::Untried(why) => ("untried", Some(why)),
        };
        Self { outcome, detail }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = Session::anywhere();
    let links = Links::of_user(&session.directories.data);
    let search = Search::of_process();
    let mut problems = Vec::new();
    let policy = policy(&session, &mut problems)?;
    let rows = status::rows(&links, &search);
    if rows.is_empty() {
        problems.push("no package tool was found on PATH".to_owned());
    }
    let patience = Patience::new("trying canary installs");
    let registry = Registry::start();
    let mut tools = Vec::new();
    for row in rows {
        tools.push(tool(row, &registry, &search, &session, &mut problems));
    }
    drop(patience);
    let document = Document {
        schema: "tidewaiter.doctor/1",
        advisories: feeds(&session, &mut problems),
        live: problems.is_empty(),
        problems,
        tools,
        policy,
        sandbox: Containment { available: sandbox::availability().works(), words: sandbox::availability().words() },
        not_covered: UNCOVERED.to_vec(),
    };
    match arguments.format {
        Form::Json => print(&format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default()))?,
        Form::Human => print(&human(&document))?,
    }
    Ok(ExitCode::from(u8::from(!document.live)))
}

/// What is wrong with the policy's files.
fn policy(session: &Session, problems: &mut Vec<String>) -> Result<Vec<String>, Failure> {
    let loaded = session.policy(None)?;
    let errors: Vec<String> = loaded.errors.iter().map(|e| printable(&e.to_string(), 500)).collect();
    problems.extend(errors.iter().map(|e| format!("the policy cannot be used as it is: {e}")));
    if let Some((verdict, why)) = sandbox::objection(&loaded.policy.sandbox) {
        problems.push(format!("every install is {}: {why}", verdict.word()));
    }
    Ok(errors)
}

fn tool(
    row: Row,
    registry: &std::io::Result<Registry>,
    search: &Search,
    session: &Session,
    problems: &mut Vec<String>,
) -> Tool {
    let shown = |p: &std::path::Path| printable(&p.display().to_string(), 300);
    let name = printable(&row.name, 60);
    let first = search.candidates(row.name.as_ref()).into_iter().next();
    let (state, problem) = match &row.state {
        State::Covered => ("covered", None),
        State::Behind { program, whose } => ("behind", Some(format!("{} comes first ({whose})", shown(program)))),
        State::NotOnPath => ("not-on-path", Some("its link is not on PATH".to_owned())),
        State::NoLink => ("no-link", Some("it has no link; `tidewaiter shim install` makes it".to_owned())),
        State::Other { program } => (
            "another-program",
            Some(format!("its link leads to {}; `tidewaiter shim install` mends it", program.display())),
        ),
        State::Broken => ("broken", Some("its link leads nowhere; `tidewaiter shim install` mends it".to_owned())),
        State::Foreign => ("foreign", Some("a file of someone else's is where its link would be".to_owned())),
    };
    let untried = |why: &str| (Outcome::Untried(why.to_owned()), Outcome::Untried(why.to_owned()));
    // Nothing but our own link is ever started: another program would install without being judged.
    let (stop, pass) = match (&problem, &first, registry) {
        (Some(_), ..) | (_, None, _) => untried("a command of this name does not come here"),
        (None, Some(_), Err(error)) => untried(&format!("no registry could be started here: {error}")),
        (None, Some(_), Ok(_)) if row.real.is_none() => untried("there is no real tool behind the link"),
        (None, Some(link), Ok(registry)) => {
            let tried = canary::attempt(&row.name, link, registry, &session.environment);
            (tried.stop, tried.pass)
        }
    };
    if let Some(problem) = problem {
        problems.push(format!("{name} is not covered: {problem}"));
    } else if let Err(error) = registry {
        problems.push(format!("{name} was not tried: no registry could be started here: {error}"));
    }
    for (what, outcome) in [("that must be stopped", &stop), ("that must pass", &pass)] {
        if let Outcome::Wrong(why) = outcome {
            problems.push(format!("{name}: the install {what}: {why}"));
        }
    }
    Tool {
        name,
        state,
        first: first.as_deref().map(shown),
        real: row.real.as_deref().map(shown),
        stop: stop.into(),
        pass: pass.into(),
    }
}

fn feeds(session: &Session, problems: &mut Vec<String>) -> Feeds {
    let database = Database::open(&session.advisories_directory(), session.environment.now);
    let coverage = database.coverage();
    problems.extend(coverage.problems.iter().map(|p| format!("advisories: {}", printable(p, 500))));
    let missing: Vec<&str> =
        Ecosystem::ALL.iter().map(|e| e.osv()).filter(|e| !coverage.ecosystems.iter().any(|c| c == e)).collect();
    if !missing.is_empty() {
        problems.push(format!(
            "advisories: only the built-in incidents for {}; `tidewaiter advisories update` fetches the feeds",
            missing.join(", ")
        ));
    }
    if coverage.stale && !coverage.ecosystems.is_empty() {
        problems.push("advisories: older than a week; `tidewaiter advisories update` fetches them".to_owned());
    }
    Feeds {
        records: coverage.records,
        updated_at: coverage.updated_at.map(crate::record::line::moment),
        stale: coverage.stale,
        ecosystems: coverage.ecosystems,
    }
}

fn human(document: &Document) -> String {
    let mut out = String::new();
    let width = document.tools.iter().map(|t| t.name.len()).max().unwrap_or(0);
    let word = |canary: &Canary, right: &str| match (canary.outcome, &canary.detail) {
        ("right", _) => right.to_owned(),
        (outcome, Some(detail)) => format!("{}: {detail}", if outcome == "wrong" { "WRONG" } else { "not tried" }),
        (outcome, None) => outcome.to_owned(),
    };
    for tool in &document.tools {
        let text = match (tool.state, tool.stop.outcome, tool.stop.detail == tool.pass.detail) {
            ("covered", "untried", true) => format!("covered; {}", word(&tool.stop, "")),
            ("covered", ..) => format!(
                "covered; a malicious canary: {}; a clear one: {}",
                word(&tool.stop, "stopped"),
                word(&tool.pass, "installed")
            ),
            (state, ..) => format!("NOT COVERED ({state})"),
        };
        let _ = writeln!(out, "{:width$}  {text}", tool.name);
    }
    let feeds = &document.advisories;
    let day = feeds.updated_at.as_deref().and_then(|t| t.get(..10));
    let _ = writeln!(
        out,
        "\nadvisories: {} records, {}",
        feeds.records,
        day.map_or_else(
            || "the built-in incidents only".to_owned(),
            |day| format!("{} from {day}", feeds.ecosystems.join(", "))
        )
    );
    let policy = if document.policy.is_empty() { "readable" } else { "NOT readable" };
    let _ = writeln!(out, "policy: {policy}");
    for line in &document.sandbox.words {
        let _ = writeln!(out, "sandbox: {line}");
    }
    out.push_str("\nNot covered by links on PATH:\n");
    for way in &document.not_covered {
        let _ = writeln!(out, "  - {way}");
    }
    let _ = writeln!(out, "  {ELSEWHERE}");
    if document.live {
        out.push_str("\nlive: every tool found is covered\n");
    } else {
        out.push_str("\nNOT LIVE:\n");
        for problem in &document.problems {
            let _ = writeln!(out, "  - {problem}");
        }
    }
    out
}
