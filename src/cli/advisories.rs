//! `advisories update / import / status / show`: the local advisory index.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};

use super::process::Disk;
use super::progress::{Line, of_bytes};
use super::session::Session;
use super::{Failure, complain, print};
use crate::advisories::Advisories as _;
use crate::advisories::build::Report;
use crate::advisories::database::Database;
use crate::advisories::feed::{self, Feed, Outcome, Progress};
use crate::model::{Ecosystem, printable};
use crate::registry::connect::{Options, Registries};
use crate::registry::http::{Profile, ProxySettings};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch OSV's feeds; one that fails leaves what is installed in use, and says so
    Update {
        /// Where the feeds are; {ecosystem} stands for PyPI, npm and crates.io. Else
        /// $TIDEWAITER_ADVISORIES_URL, else OSV's own
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Only these: PyPI, npm, crates.io
        #[arg(long = "ecosystem", value_name = "NAME", value_parser = ecosystem)]
        ecosystems: Vec<Ecosystem>,
        /// Install a feed although it has far fewer records than what is installed
        #[arg(long)]
        force: bool,
    },
    /// Build an index from OSV records: a directory, a zip (OSV's all.zip), or one JSON file
    Import {
        /// The records
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// What is installed, how old it is, and what it covers
    Status,
    /// Print every record with this id or alias, as it came
    Show {
        /// Such as MAL-2026-2144, GHSA-…, RUSTSEC-…, CVE-…
        #[arg(value_name = "ID")]
        id: String,
    },
}

fn ecosystem(text: &str) -> Result<Ecosystem, String> {
    Ecosystem::ALL
        .into_iter()
        .find(|e| e.osv().eq_ignore_ascii_case(text) || e.purl_type() == text)
        .ok_or_else(|| "one of PyPI, npm, crates.io".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = Session::new()?;
    match &arguments.action {
        Action::Update { url, ecosystems, force } => {
            let url = url.as_deref().or_else(|| session.environment.variable("TIDEWAITER_ADVISORIES_URL"));
            update(&session, url.unwrap_or(feed::DEFAULT_URL), ecosystems, *force)
        }
        Action::Import { path } => import(&session, path),
        Action::Status => status(&session),
        Action::Show { id } => show(&session, id),
    }
}

/// Says how far an update is.
fn advance() -> impl FnMut(Progress) {
    let mut line = Line::new();
    let mut fetching: Option<(Ecosystem, Instant)> = None;
    move |progress| match progress {
        Progress::Waiting => line.show("waiting for another update"),
        Progress::Downloading { ecosystem, bytes, total } => {
            let since = match fetching {
                Some((same, since)) if same == ecosystem => since,
                _ => fetching.insert((ecosystem, Instant::now())).1,
            };
            line.advance(|| format!("fetching {ecosystem} {}", of_bytes(bytes, total, since.elapsed())));
        }
        Progress::Building { ecosystem } => line.show(&format!("indexing {ecosystem}")),
    }
}

fn update(session: &Session, url: &str, only: &[Ecosystem], force: bool) -> Result<ExitCode, Failure> {
    let mut feed = Feed::new(session.advisories_directory());
    url.clone_into(&mut feed.url);
    feed.force = force;
    let ecosystems: &[Ecosystem] = if only.is_empty() { &Ecosystem::ALL } else { only };
    let registries = Registries::new(Options {
        cache: None,
        offline: false,
        files: Arc::new(Disk::default()),
        private: Arc::new(|_| false),
    });
    let profile = Profile { proxies: ProxySettings::from_environment(&session.environment), ..Profile::default() };
    let client = registries.client(profile);
    let done = feed.update(ecosystems, &client, session.environment.now, &mut advance());
    let done = done.map_err(|e| Failure::Internal(e.into()))?;
    let mut failed = false;
    let mut out = String::new();
    for (ecosystem, outcome) in done {
        match outcome {
            Ok(Outcome::Updated(report)) => {
                let _ = writeln!(out, "{ecosystem}: {}", summary(&report));
                skipped(&report);
            }
            Ok(Outcome::Unchanged) => {
                let _ = writeln!(out, "{ecosystem}: unchanged");
            }
            Err(error) => {
                failed = true;
                let kept = if feed.index_of(ecosystem).exists() {
                    "the index installed before stays in use"
                } else {
                    "no index of it is installed"
                };
                complain(&format!(
                    "tidewaiter: {ecosystem} was not updated: {}; {kept}",
                    printable(&error.to_string(), 1000)
                ));
            }
        }
    }
    print(&out)?;
    Ok(ExitCode::from(u8::from(failed)))
}

fn summary(report: &Report) -> String {
    format!(
        "{} records on {} packages, {} withdrawn, {:.1} MiB",
        report.records,
        report.names,
        report.withdrawn,
        report.bytes as f64 / f64::from(1 << 20)
    )
}

/// Records that could not be read are said: what they name is not known to be clean.
fn skipped(report: &Report) {
    for record in report.skipped.iter().take(5) {
        complain(&format!("warning: skipped {}", printable(&format!("{}: {}", record.name, record.reason), 500)));
    }
    if report.skipped_count > 5 {
        complain(&format!("warning: skipped {} records in all", report.skipped_count));
    }
}

fn import(session: &Session, path: &std::path::Path) -> Result<ExitCode, Failure> {
    if !path.exists() {
        return Err(Failure::Usage(format!("{}: no such file or directory", path.display())));
    }
    let feed = Feed::new(session.advisories_directory());
    let done = feed.import(path, session.environment.now, &mut advance());
    let (name, report) = done.map_err(|e| Failure::Internal(e.into()))?;
    skipped(&report);
    print(&format!("{name}: {}\n", summary(&report)))?;
    Ok(ExitCode::SUCCESS)
}

fn status(session: &Session) -> Result<ExitCode, Failure> {
    let database = Database::open(&session.advisories_directory(), session.environment.now);
    let coverage = database.coverage();
    let mut out = String::new();
    for source in database.status() {
        let ecosystems: Vec<&str> = source.ecosystems.iter().map(|e| e.osv()).collect();
        let stale = if source.stale { ", stale" } else { "" };
        let _ = writeln!(
            out,
            "{}: {} records on {} packages ({}), fetched {}{stale}",
            printable(&source.name, 80),
            source.records,
            source.names,
            ecosystems.join(", "),
            source.updated_at.strftime("%Y-%m-%d %H:%M UTC"),
        );
    }
    let _ = writeln!(out, "{} advisories in all, with the embedded incidents", coverage.records);
    for missing in Ecosystem::ALL.iter().filter(|e| !coverage.ecosystems.iter().any(|c| c == e.osv())) {
        let _ = writeln!(out, "{missing}: embedded incidents only; `tidewaiter advisories update` fetches the feed");
    }
    for problem in &coverage.problems {
        complain(&format!("error: {}", printable(problem, 1000)));
    }
    print(&out)?;
    Ok(ExitCode::from(u8::from(!coverage.problems.is_empty())))
}

fn show(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let database = Database::open(&session.advisories_directory(), session.environment.now);
    let records = database.show(id);
    if records.is_empty() {
        return Err(Failure::Usage(format!("no record has the id or alias `{}`", printable(id, 80))));
    }
    let mut out = String::new();
    for record in records {
        // JSON escapes control characters; what a terminal would obey beyond them is spelt out line by line.
        for line in record.json.lines() {
            let _ = writeln!(out, "{}", printable(line, usize::MAX));
        }
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}
