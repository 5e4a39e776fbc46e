//! `recheck`: everything that was ever installed through the gate, against today's advisories.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::session::Session;
use super::{Failure, complain, print};
use crate::advisories::{Advisories as _, Database, Kind, Match};
use crate::model::{Ecosystem, PackageId, PackageName, Verdict, printable};
use crate::record::{Event, Log};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Also vulnerabilities, not only malware
    #[arg(long)]
    vulnerabilities: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Human, value_name = "FORMAT")]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Human,
    /// One JSON object, schema tidewaiter.recheck/1
    Json,
}

/// A release that came in somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Came {
    ecosystem: Ecosystem,
    name: String,
    version: String,
    purl: String,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    runs: u64,
    releases: usize,
    hits: Vec<Hit>,
    advisories: About,
    /// Lines of the log that could not be read: what they recorded is not known.
    unread: u64,
}

#[derive(Serialize)]
struct About {
    records: u64,
    updated_at: Option<String>,
    stale: bool,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Hit {
    project: String,
    package: String,
    version: String,
    purl: String,
    installed_at: String,
    run: String,
    advisory: String,
    kind: &'static str,
    summary: String,
    url: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = Session::new()?;
    let log = Log::new(&session.directories.data);
    let database = Database::open(&session.advisories_directory(), session.environment.now);
    let (mut runs, mut unread) = (0, 0);
    // Each release with the first time that it came into each project.
    let mut came: BTreeMap<Came, BTreeMap<String, (String, String)>> = BTreeMap::new();
    log.read(|entry| match entry.line {
        Err(_) => unread += 1,
        Ok(line) => {
            let Event::Start { judged, .. } = line.event else { return };
            runs += 1;
            for p in judged.plan.packages {
                let Some(ecosystem) = Ecosystem::from_osv(&p.ecosystem) else { continue };
                let release = Came { ecosystem, name: p.name, version: p.version, purl: p.purl };
                let first = (line.at.clone(), entry.hash.clone());
                came.entry(release).or_default().entry(judged.command.cwd.clone()).or_insert(first);
            }
        }
    })
    .map_err(|e| Failure::Internal(anyhow::anyhow!("cannot read the record: {e}")))?;
    let mut hits = Vec::new();
    for (release, places) in &came {
        let id = PackageId::new(PackageName::new(release.ecosystem, &release.name), &release.version);
        let matches = database.find(&id, None);
        let counts =
            |m: &&Match| m.kind == Kind::Malware || (arguments.vulnerabilities && m.kind == Kind::Vulnerability);
        for found in matches.iter().filter(counts) {
            for (project, (at, run)) in places {
                hits.push(Hit {
                    project: project.clone(),
                    package: release.name.clone(),
                    version: release.version.clone(),
                    purl: release.purl.clone(),
                    installed_at: at.clone(),
                    run: run.clone(),
                    advisory: found.id.clone(),
                    kind: if found.kind == Kind::Malware { "malware" } else { "vulnerability" },
                    summary: found.summary.clone(),
                    url: found.url.clone(),
                });
            }
        }
    }
    hits.sort_by(|a, b| {
        (a.kind, &a.installed_at, &a.purl, &a.project).cmp(&(b.kind, &b.installed_at, &b.purl, &b.project))
    });
    let coverage = database.coverage();
    let document = Document {
        schema: "tidewaiter.recheck/1",
        runs,
        releases: came.len(),
        hits,
        advisories: About {
            records: coverage.records,
            updated_at: coverage.updated_at.map(crate::record::line::moment),
            stale: coverage.stale,
            problems: coverage.problems,
        },
        unread,
    };
    show(&document, arguments.format)?;
    let unknown = document.unread > 0 || !document.advisories.problems.is_empty();
    Ok(ExitCode::from(match (document.hits.is_empty(), unknown) {
        (false, _) => Verdict::Deny.exit_status(),
        // What cannot be read is not known to be clean.
        (true, true) => Verdict::Ask.exit_status(),
        (true, false) => 0,
    }))
}

fn show(document: &Document, format: Form) -> Result<(), Failure> {
    if format == Form::Json {
        return print(&format!("{}\n", serde_json::to_string_pretty(document).unwrap_or_default()));
    }
    for problem in &document.advisories.problems {
        complain(&format!("error: {}", printable(problem, 1000)));
    }
    if document.unread > 0 {
        complain(&format!("warning: {} lines of the log cannot be read; `tidewaiter log verify`", document.unread));
    }
    let mut out = String::new();
    let header = ["project", "package", "version", "when", "advisory"].map(str::to_owned);
    let rows = document.hits.iter().map(|h| {
        let when = h.installed_at.get(..16).unwrap_or(&h.installed_at).replace('T', " ");
        [
            printable(&h.project, 80),
            printable(&h.package, 60),
            printable(&h.version, 40),
            printable(&when, 20),
            format!("{} ({})", printable(&h.advisory, 40), h.kind),
        ]
    });
    let rows: Vec<[String; 5]> =
        if document.hits.is_empty() { Vec::new() } else { std::iter::once(header).chain(rows).collect() };
    let mut widths = [0_usize; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    let about = &document.advisories;
    let from = about.updated_at.as_deref().and_then(|t| t.get(..10)).map_or_else(
        || " (embedded incidents only; `tidewaiter advisories update` fetches the feeds)".to_owned(),
        |day| format!(" from {day}{}", if about.stale { ", which is stale" } else { "" }),
    );
    if !rows.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "{}: {} releases of {} installs, against {} advisories{from}",
        if document.hits.is_empty() { "no hit" } else { "HIT" },
        document.releases,
        document.runs,
        about.records
    );
    print(&out)
}
