//! `log explain ID`: a recorded decision with its reasons, from the record alone.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use crate::cli::{Failure, print, process};
use crate::model::printable;
use crate::record::line::{Finding, Judged};
use crate::record::log::Entry;
use crate::record::{Event, Log};
use crate::report::explain::{AdvisoryFacts, Explanation, Fired, PlanFacts};
use crate::report::human::Style;

pub(super) fn run(log: &Log, id: &str, json: bool) -> Result<ExitCode, Failure> {
    let wanted = id.to_ascii_lowercase();
    if wanted.len() < 6 {
        return Err(Failure::Usage("give at least 6 characters of the id".to_owned()));
    }
    let mut found: Vec<Entry> = Vec::new();
    log.read(|entry| {
        if entry.hash.starts_with(&wanted) {
            found.push(entry);
        }
    })
    .map_err(super::failed)?;
    let mut explanations = found.iter().filter_map(|entry| {
        let line = entry.line.as_ref().ok()?;
        let judged = line.event.judged()?;
        let outcome = match &line.event {
            Event::Stopped { because, .. } => format!("stopped: {because}"),
            Event::Start { cleared_by: Some(by), .. } => format!("started, cleared by {by}"),
            _ => "started, cleared by the rules".to_owned(),
        };
        Some(of(judged, &entry.hash, &line.at, outcome))
    });
    let (Some(explanation), None) = (explanations.next(), explanations.next()) else {
        let id = printable(id, 80);
        let message = match found.len() {
            0 => format!("no event has the id `{id}`"),
            1 => format!("`{id}` is no decision: `tidewaiter log show {id}` prints it"),
            n => format!("{n} events have ids that begin with `{id}`: give more of it"),
        };
        return Err(Failure::Usage(message));
    };
    if json {
        print(&explanation.json())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (environment, _) = process::environment();
    let colour = process::colour(&environment, std::io::stdout().is_terminal());
    let style = Style { colour, width: process::width(&environment), verbose: true };
    print(&explanation.human(style))?;
    Ok(ExitCode::SUCCESS)
}

fn of(judged: &Judged, id: &str, at: &str, outcome: String) -> Explanation {
    let command = &judged.command;
    let what = match command.argv.as_slice() {
        [sh, c, text] if sh == "sh" && c == "-c" => text.clone(),
        words => crate::model::shell_line(words),
    };
    let plan = &judged.plan;
    Explanation {
        id: Some(id.to_owned()),
        at: Some(at.to_owned()),
        outcome: Some(outcome),
        verdict: judged.verdict.clone(),
        what,
        cwd: command.cwd.clone(),
        tool: format!("{} {}", command.tool, command.verb).trim().to_owned(),
        via: command.via.clone(),
        plan: PlanFacts {
            digest: plan.digest.clone(),
            complete: plan.complete,
            packages: plan.packages.len(),
            direct: Vec::new(),
            unresolved: plan.unresolved.clone(),
        },
        rules: judged.findings.iter().map(fired).collect(),
        policy_digest: Some(judged.policy.digest.clone()),
        policy_errors: judged.policy.errors,
        advisories: AdvisoryFacts {
            records: judged.advisories.records,
            updated_at: judged.advisories.updated_at.clone(),
            stale: judged.advisories.stale,
        },
        classifier: serde_json::to_value(&judged.classifier).unwrap_or_default(),
        ..Explanation::default()
    }
    .finished()
}

fn fired(finding: &Finding) -> Fired {
    Fired {
        rule: finding.rule.clone(),
        level: finding.level.clone(),
        category: finding.category.clone(),
        package: finding.package.clone(),
        message: finding.message.clone(),
        location: finding.location.clone(),
        policy: finding.policy.clone(),
        fix: finding.fix.clone(),
        ..Fired::default()
    }
}
