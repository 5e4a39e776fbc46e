//! `approve PLAN`: a person's word for one plan, once, for an hour.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;

use super::run::{confirmed, short, shown};
use super::session::Session;
use super::{Failure, complain, print};
use crate::model::{Timestamp, Verdict, printable};
use crate::record::approval::Approvals;
use crate::record::line::Judged;
use crate::record::{Event, Log, agent};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The plan's digest, as the refusal printed it; at least 8 characters
    #[arg(value_name = "PLAN")]
    plan: String,
}

/// How many packages are listed.
const LISTED: usize = 40;

fn recorded(e: crate::record::RecordError) -> Failure {
    Failure::Internal(anyhow::anyhow!("cannot use the record: {e}"))
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = Session::new()?;
    let log = session.log();
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let host = agent::host(&session.environment.variables);
    let against = match (terminal, &host) {
        (_, Some(host)) => Some(format!("{host} says that an agent runs this")),
        (false, None) => Some("stdin or stdout is no terminal".to_owned()),
        (true, None) => None,
    };
    if let Some(reason) = against {
        let what = format!("approve {}", arguments.plan);
        let event = Event::Tampering { what: printable(&what, 200), reason: reason.clone() };
        log.append(event, Timestamp::now()).map_err(recorded)?;
        complain(&format!(
            "tidewaiter: gate-tampering: only a person can approve, on a terminal of their own; {reason}. This attempt was recorded."
        ));
        return Ok(ExitCode::from(Verdict::Deny.exit_status()));
    }
    let judged = find(&log, &arguments.plan)?;
    if judged.findings.iter().any(|f| f.rule == "malware") || judged.verdict == Verdict::Deny.word() {
        complain(
            "tidewaiter: this plan was denied, and what is denied cannot be approved: only a dated exception in the policy can clear it",
        );
        return Ok(ExitCode::from(Verdict::Deny.exit_status()));
    }
    if let Some(reason) = unbound(&judged) {
        complain(&format!("tidewaiter: {reason}"));
        return Ok(ExitCode::from(Verdict::Ask.exit_status()));
    }
    print(&describe(&judged))?;
    if !confirmed("Approve exactly this plan, once, within an hour?") {
        complain("tidewaiter: not approved");
        return Ok(ExitCode::from(Verdict::Ask.exit_status()));
    }
    let now = Timestamp::now();
    let approval = Approvals::new(&session.directories.data).give(&judged, now).map_err(recorded)?;
    let agent::Seat { terminal, above } = agent::seat();
    let terminal = terminal.map(|t| printable(&t, 80));
    let above = above.iter().map(|name| printable(name, 40)).collect();
    let event = Event::Approved { digest: approval.digest, expires_at: approval.expires_at.clone(), terminal, above };
    log.append(event, now).map_err(recorded)?;
    print(&format!("approved once, until {}\n", approval.expires_at))?;
    Ok(ExitCode::SUCCESS)
}

/// The newest question that was asked about this plan.
fn find(log: &Log, plan: &str) -> Result<Judged, Failure> {
    let wanted = plan.strip_prefix("sha256:").unwrap_or(plan).to_ascii_lowercase();
    if wanted.len() < 8 || wanted.len() > 64 || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::Usage(format!("`{}` is no plan's digest", printable(plan, 80))));
    }
    let mut found: Option<Judged> = None;
    let mut ambiguous = false;
    log.read(|entry| {
        let Ok(line) = entry.line else { return };
        let Event::Stopped { judged, .. } = line.event else { return };
        if judged.plan.digest.strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(&wanted)) {
            ambiguous |= found.as_ref().is_some_and(|f| f.plan.digest != judged.plan.digest);
            found = Some(*judged);
        }
    })
    .map_err(recorded)?;
    if ambiguous {
        return Err(Failure::Usage("more than one plan begins so: give more characters".to_owned()));
    }
    found.ok_or_else(|| Failure::Usage(format!("nothing was asked about a plan {}", short(&wanted))))
}

/// Why an answer cannot be bound to what was asked, if it cannot: a sentence.
pub(super) fn unbound(judged: &Judged) -> Option<String> {
    let asked = match judged.asked.as_deref() {
        None => {
            return Some("it was asked about by an older version: run the command again, and approve that".to_owned());
        }
        Some(asked) => asked,
    };
    let because = asked.because.as_deref().filter(|_| asked.matter.is_none())?;
    Some(format!(
        "what it would bring in from this machine is too much for an approval to be held to ({}); run the command itself \
         on a terminal of your own",
        printable(because, 300)
    ))
}

fn describe(judged: &Judged) -> String {
    let mut out = String::new();
    let command = &judged.command;
    let _ = writeln!(out, "{}", shown(&command.argv));
    let _ = writeln!(out, "in {}\n", printable(&command.cwd, 300));
    for f in judged.findings.iter().filter(|f| f.level != "warn") {
        let _ = writeln!(out, "  {} {} ({})", f.level, printable(&f.message, 600), f.rule);
    }
    let packages = &judged.plan.packages;
    let _ = writeln!(out, "\nIt would bring in {} packages:", packages.len());
    for p in packages.iter().take(LISTED) {
        let _ = writeln!(out, "  {} {}", printable(&p.name, 100), printable(&p.version, 60));
    }
    if packages.len() > LISTED {
        let _ = writeln!(out, "  and {} more", packages.len() - LISTED);
    }
    for u in &judged.plan.unresolved {
        let _ = writeln!(out, "  not known: {}", printable(u, 200));
    }
    let _ = writeln!(out, "\nplan {}\n", judged.plan.digest);
    out
}
