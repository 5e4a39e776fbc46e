//! The command line: one thin file a subcommand, and the table of exit statuses.
//!
//! Nothing is decided here. A subcommand reads its options, builds what the library needs, and prints what it says.

mod advisories;
mod approve;
mod audit;
mod bench;
mod cache;
mod check;
mod doctor;
mod guard;
mod hook;
mod intent;
mod log;
mod policy;
pub mod process;
mod progress;
mod recheck;
mod run;
mod session;
mod shim;
mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Timestamp, Verdict};

/// Judges what a pip, npm or cargo command would bring in, before it lands
#[derive(Debug, Parser)]
#[command(name = "tidewaiter", version, propagate_version = true, max_term_width = 80, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status of check and audit: 0 allow, 10 ask, 20 deny, 2 usage error, 1 internal error.
run and the shims: the tool's own status when it ran, else one of these.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a command; if it is cleared, run the real tool on exactly what was cleared
    #[command(after_help = "\
The report goes to stderr: stdout belongs to the tool. A command that installs
nothing is the real tool at once.

Exit status: the tool's own when it ran (128 + n for a signal); 10 when a person has
to decide and none is there, 20 when it is denied, 1 internal error.

Examples:
  tidewaiter run -- pip install -r requirements.txt
  tidewaiter run -- npm ci")]
    Run(run::Arguments),
    /// Judge a command: nothing is installed, built or executed
    #[command(after_help = "\
Examples:
  tidewaiter check -- pip install -r requirements.txt
  tidewaiter check -- npm ci
  tidewaiter check --format json -- cargo add serde
  tidewaiter check --shell 'cd app && npm install'")]
    Check(check::Arguments),
    /// Judge the manifests and lockfiles below a path
    #[command(after_help = "\
Lockfiles and exact pins are judged from the files alone, in milliseconds. Ranges
without a lockfile are resolved against the registries, unless --offline.

Examples:
  tidewaiter audit
  tidewaiter audit services/api Cargo.lock
  tidewaiter audit --format json > verdict.json")]
    Audit(audit::Arguments),
    /// Links on PATH that judge every install: install, uninstall, status, env
    Shim(shim::Arguments),
    /// Answer an agent host's hook; install it into a host, or take it out
    #[command(after_help = "\
Never answers allow: a command that is clear, or that installs nothing, gets no output.
Exit status: 0, or 2 where that is how the host is told to stop, and when anything fails.

Examples:
  tidewaiter hook install claude-code
  tidewaiter hook claude-code < payload.json")]
    Hook(hook::Arguments),
    /// Approve a plan that was asked about: exactly it, once, within an hour
    #[command(after_help = "\
Only on a terminal, and only by a person: an agent's attempt is refused and recorded.
What was denied cannot be approved; malware only by a dated exception in the policy.")]
    Approve(approve::Arguments),
    /// What was judged, run, stopped and approved: list, show, stats, verify, export
    Log(log::Arguments),
    /// Hold everything that was installed through the gate against today's advisories
    #[command(after_help = "\
Exit status: 20 when something bad came in, 10 when the log or the advisories cannot be
read, 0 otherwise. It reads the log and the advisories that are here: run
`tidewaiter advisories update` first.")]
    Recheck(recheck::Arguments),
    /// The local advisory index: update, import, status, show
    Advisories(advisories::Arguments),
    /// The layered policy: init, show, check, explain
    Policy(policy::Arguments),
    /// The artifacts that runs share: show, clear
    Cache(cache::Arguments),
    /// Is interception live: links first on PATH, canary installs, feeds, policy
    #[command(after_help = "\
Each tool's link is tried with two toy packages of a registry in this process, in a
temporary home: one that must be stopped and one that must pass. Nothing of yours is
touched, and no other registry is asked.

Exit status: 0 when every tool found is covered and all else is as it must be, 1
otherwise, and the output says what is not.")]
    Doctor(doctor::Arguments),
    /// How often a classifier is right about labelled commands
    Bench(bench::Arguments),
}

/// How a verdict is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One JSON object, schema tidewaiter.verdict/1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// GitHub Actions workflow commands: annotations on the files
    Github,
    /// A CycloneDX 1.6 bill of materials of the plan, with what affects it
    Cyclonedx,
    /// One self-contained page
    Html,
}

/// Options of everything that judges.
#[derive(Debug, Clone, Args)]
pub(crate) struct Judging {
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
    /// Also apply this policy file, as the user's own
    #[arg(long, value_name = "FILE")]
    pub policy: Option<std::path::PathBuf>,
    /// Use only what is cached: no network
    #[arg(long)]
    pub offline: bool,
    /// Judge with only the releases and advisories that existed then
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    pub as_of: Option<Timestamp>,
    /// Also show notes, every package, and what the registries do not tell
    #[arg(long, short)]
    pub verbose: bool,
}

/// RFC 3339, or a date alone, meaning its first moment in UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    format!("{text}T00:00:00Z")
        .parse()
        .map_err(|_| "not a time: write 2026-03-24T12:00:00Z, or 2026-03-24 for its first moment".to_owned())
}

/// Something that is wrong with how the program was called, or with the machine it runs on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller can mend it: exit status 2.
    Usage(String),
    /// The machine, or this program: exit status 1.
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// The exit status of a verdict (contract: 0 allow, 10 ask, 20 deny).
fn status(verdict: Verdict) -> ExitCode {
    ExitCode::from(verdict.exit_status())
}

/// Runs the command line of this process, or the tool whose name it was started under.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let argv0 = words.next().unwrap_or_default();
    if let Some(tool) = crate::shim::tool(&argv0) {
        return run::shim(&tool, words.collect());
    }
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(ended) = crate::enforce::tool::npm::run_hidden(&words) {
        return ended;
    }
    // Before anything else of this program: it is about to become another one.
    if let Some(ended) = crate::enforce::sandbox::run_contained(std::env::args_os()) {
        return ended;
    }
    let command = match at_once(&words).map_or_else(|| Cli::try_parse_from(&words).map(|cli| cli.command), Ok) {
        Ok(command) => command,
        Err(error) => {
            // A broken pipe while help is printed is no error of this program.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    report(guard::guarded(|| match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Advisories(arguments) => advisories::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Shim(arguments) => shim::run(&arguments),
        Command::Hook(arguments) => hook::run(&arguments),
        Command::Approve(arguments) => approve::run(&arguments),
        Command::Log(arguments) => log::run(&arguments),
        Command::Recheck(arguments) => recheck::run(&arguments),
    }))
}

/// The subcommands that stand before every install, without a description of all the others: to make that takes longer
/// than to read the words. `None` for every other one, and for what is to be answered with help or an error.
fn at_once(words: &[OsString]) -> Option<Command> {
    fn only<A: Args>(words: &[OsString], command: fn(A) -> Command) -> Option<Command> {
        let described = A::augment_args(clap::Command::new("tidewaiter"));
        let mut matches = described.try_get_matches_from(words).ok()?;
        A::from_arg_matches_mut(&mut matches).ok().map(command)
    }
    let words = words.get(1..)?;
    match words.first()?.to_str()? {
        "audit" => only(words, Command::Audit),
        "check" => only(words, Command::Check),
        "hook" => only(words, Command::Hook),
        "run" => only(words, Command::Run),
        _ => None,
    }
}

/// A failure in words, and its exit status.
fn report(done: Result<ExitCode, Failure>) -> ExitCode {
    done.unwrap_or_else(|failure| match failure {
        Failure::Usage(message) => {
            complain(&format!("tidewaiter: {message}"));
            ExitCode::from(2)
        }
        Failure::Internal(error) => {
            complain(&format!("tidewaiter: {error:#}"));
            ExitCode::from(1)
        }
    })
}

/// A line on stderr; a closed stderr is not worth a crash.
pub(crate) fn complain(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Text on stdout. A reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Internal(anyhow::anyhow!("cannot write to stdout: {e}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read at once is what the whole command line would have given, and nothing else is.
    #[test]
    fn the_short_way_reads_as_the_long_one() {
        for line in [
            "audit",
            "audit a b --offline -v",
            "audit --format json --as-of 2026-01-01 .",
            "audit --format=sarif -- -x",
            "audit --policy p.toml help",
            "check -- pip install -r x --format json",
            "check --shell sh --offline",
            "check npm ci",
            "run -- npm ci --foo",
            "run --offline -- pip install -- x",
            "hook claude-code",
            "hook install claude-code",
            "hook codex --offline",
            "",
            "audit --help",
            "audit -h",
            "audit --version",
            "audit --no-such",
            "audit --format nothing",
            "check",
            "run",
            "hook",
            "hook help",
            "help audit",
            "policy show",
            "--version",
            "audi",
        ] {
            let words: Vec<OsString> =
                std::iter::once("tidewaiter").chain(line.split_whitespace()).map(Into::into).collect();
            let long = Cli::try_parse_from(&words).ok().map(|cli| format!("{:?}", cli.command));
            let short = at_once(&words).map(|command| format!("{command:?}"));
            let verb = line.split_whitespace().next().unwrap_or_default();
            let expected = if ["audit", "check", "run", "hook"].contains(&verb) { long } else { None };
            assert_eq!(short, expected, "{line}");
        }
    }
}
