//! `log list / show / explain / stats / verify / export`: what was judged, run, stopped and approved.

mod explain;
mod stats;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::process::Directories;
use super::run::{short, shown};
use super::{Failure, complain, print};
use crate::model::{Timestamp, json_text, printable};
use crate::record::log::Entry;
use crate::record::{Event, Log, RecordError};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Human,
    /// One JSON object a line, schema tidewaiter.record/1
    Json,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line for each event, newest last
    List {
        /// Only the newest so many
        #[arg(long, short = 'n', value_name = "COUNT")]
        last: Option<usize>,
        /// How to print them
        #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
        format: Form,
    },
    /// Print one event whole
    Show {
        /// Its id as `list` prints it; at least 6 characters
        #[arg(value_name = "ID")]
        id: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
        format: Form,
    },
    /// Why a decision was what it was, and what would change it
    #[command(after_help = "\
The facts, each rule that fired with the line of policy that set its level, what a
classifier was shown and said, and the ways out. `check --explain` does the same for a
command that is judged now.")]
    Explain {
        /// Its id as `list` prints it; at least 6 characters
        #[arg(value_name = "ID")]
        id: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
        format: Form,
    },
    /// What the classifiers beside the rules were asked, said and cost
    Stats {
        /// Only what was asked since then
        #[arg(long, value_name = "RFC3339", value_parser = super::moment)]
        since: Option<Timestamp>,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
        format: Form,
    },
    /// Check that no line was changed, removed or exchanged
    #[command(after_help = "\
Exit status: 0 the chain holds (gaps that a stopped writer left are named), 1 it does not.
Lines cut off at the end leave a shorter chain that holds: keep the head that is
printed somewhere else, and compare.")]
    Verify,
    /// Print every line as it is on disk
    Export,
}

fn failed(e: RecordError) -> Failure {
    Failure::Internal(anyhow::anyhow!("cannot read the record: {e}"))
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let log = Log::new(&Directories::of_user().data);
    match &arguments.action {
        Action::List { last, format } => list(&log, *last, *format),
        Action::Show { id, format } => show(&log, id, *format),
        Action::Explain { id, format } => explain::run(&log, id, *format == Form::Json),
        Action::Stats { since, format } => stats::run(&log, *since, *format == Form::Json),
        Action::Verify => verify(&log),
        Action::Export => {
            let mut out = Vec::new();
            log.read(|entry| out.extend(entry.raw.iter().copied().chain([b'\n']))).map_err(failed)?;
            // What is no JSON could hold anything: it is no line of the log, and `verify` reports it.
            print(&String::from_utf8_lossy(&out))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(log: &Log, last: Option<usize>, format: Form) -> Result<ExitCode, Failure> {
    let mut lines = std::collections::VecDeque::new();
    log.read(|entry| {
        match format {
            Form::Human => lines.push_back(row(&entry)),
            // Only what was understood, written anew: JSON escapes every control character.
            Form::Json => lines.extend(entry.line.ok().and_then(|l| serde_json::to_string(&l).ok()).map(json_text)),
        }
        if last.is_some_and(|n| lines.len() > n) {
            lines.pop_front();
        }
    })
    .map_err(failed)?;
    let mut out = String::new();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &Entry) -> String {
    let id = short(&entry.hash);
    let line = match &entry.line {
        Ok(line) => line,
        Err(reason) => return format!("{id}  damaged: {}", printable(reason, 200)),
    };
    let at = printable(line.at.get(..19).unwrap_or(&line.at), 30);
    let what = match &line.event {
        Event::Start { judged, cleared_by } => {
            let by = cleared_by.as_deref().map_or_else(String::new, |by| format!(", by {}", printable(by, 40)));
            let n = judged.plan.packages.len();
            format!("{} ({n} packages, {}{by})", shown(&judged.command.argv), printable(&judged.verdict, 10))
        }
        Event::Stopped { judged, because } => {
            let plan = short(judged.plan.digest.strip_prefix("sha256:").unwrap_or(&judged.plan.digest));
            let verdict = printable(&judged.verdict, 10);
            format!(
                "{} ({verdict}: {}; plan {})",
                shown(&judged.command.argv),
                printable(because, 200),
                printable(plan, 12)
            )
        }
        Event::End { run, ended } => {
            let error = ended.error.as_deref().map_or_else(String::new, |e| format!(": {}", printable(e, 200)));
            let refused = match ended.refused.len() {
                0 => String::new(),
                n => format!(", {n} refused"),
            };
            format!("of {}: status {}{refused}{error}", printable(short(run), 12), ended.status)
        }
        Event::Consulted { command, verdict, classifier, .. } => {
            let c = classifier;
            let cost = c.micro_dollars.map_or_else(String::new, |m| format!(", {}", stats::dollars(m)));
            format!(
                "{} ({}, {}: {} {}{cost})",
                shown(&command.argv),
                printable(verdict, 10),
                printable(&c.kind, 12),
                printable(&c.outcome, 16),
                printable(&c.effect, 16)
            )
        }
        Event::Approved { digest, expires_at, terminal, .. } => {
            let on = terminal.as_deref().map_or_else(String::new, |t| format!(" on {}", printable(t, 80)));
            format!(
                "plan {} until {}{on}",
                printable(short(digest.strip_prefix("sha256:").unwrap_or(digest)), 12),
                printable(expires_at, 40)
            )
        }
        Event::Tampering { what, reason } => format!("{}: {}", printable(what, 200), printable(reason, 200)),
        Event::Gap { bytes } => format!("the line before has only {bytes} bytes: its writer was stopped"),
    };
    format!("{id}  {at}  {:9}  {what}", line.event.word())
}

fn show(log: &Log, id: &str, format: Form) -> Result<ExitCode, Failure> {
    let wanted = id.to_ascii_lowercase();
    if wanted.len() < 6 {
        return Err(Failure::Usage("give at least 6 characters of the id".to_owned()));
    }
    let mut found: Vec<Entry> = Vec::new();
    log.read(|entry| {
        let ends_it = matches!(&entry.line, Ok(line) if matches!(&line.event, Event::End { run, .. } if found.iter().any(|f| f.hash == *run)));
        if entry.hash.starts_with(&wanted) || ends_it {
            found.push(entry);
        }
    })
    .map_err(failed)?;
    if found.is_empty() {
        return Err(Failure::Usage(format!("no event has the id `{}`", printable(id, 80))));
    }
    let mut out = String::new();
    for entry in &found {
        match (&entry.line, format) {
            (Ok(line), Form::Json) => {
                let _ = writeln!(out, "{}", json_text(serde_json::to_string(line).unwrap_or_default()));
            }
            (Ok(line), Form::Human) => {
                let _ = writeln!(out, "{}", row(entry));
                for text in serde_json::to_string_pretty(line).unwrap_or_default().lines() {
                    let _ = writeln!(out, "  {}", printable(text, usize::MAX));
                }
            }
            (Err(_), _) => {
                let _ = writeln!(out, "{}", row(entry));
            }
        }
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn verify(log: &Log) -> Result<ExitCode, Failure> {
    let found = log.verify().map_err(failed)?;
    for gap in &found.gaps {
        complain(&format!("warning: {}: a writer was stopped here", printable(gap, 300)));
    }
    for broken in &found.broken {
        complain(&format!("error: {}", printable(broken, 300)));
    }
    let head = found.head.as_deref().unwrap_or("none");
    let word = if found.broken.is_empty() { "the chain holds" } else { "THE CHAIN IS BROKEN" };
    print(&format!("{word}: {} lines in {} files, head {head}\n", found.lines, found.files))?;
    Ok(ExitCode::from(u8::from(!found.broken.is_empty())))
}
