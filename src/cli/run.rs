//! `run -- CMD…` and the shims: a command is judged, and if it is cleared, the real tool runs on exactly what was
//! cleared.
//!
//! A command that installs nothing becomes the real tool at once (`exec`), before a policy, an index or the network is
//! touched. Text of this program goes to stderr: stdout belongs to the tool.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::session::{Deliberation, Session, policy_text};
use super::{Failure, Format, Judging, complain, guard};
use crate::enforce::gateway;
use crate::enforce::sandbox::{self, Confined, nested};
use crate::enforce::{self, Form, Job};
use crate::invocation::{self, Effect, Invocation, verify};
use crate::judge::{Judgement, Via};
use crate::model::{
    HeldBack, Level, Location, OpinionEffect, Place, Plan, Timestamp, Unresolved, Verdict, printable, shell_line,
};
use crate::record::approval::Approvals;
use crate::record::asked::Asked;
use crate::record::line::{Ended, Judged};
use crate::record::{Event, Log, agent};
use crate::shim::links::{self, Links};
use crate::shim::locate::Search;
use crate::shim::{self, exec};
use crate::toolchain::{self, reentry};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    judging: Judging,
    /// The command and its arguments, after `--`
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// A command that someone gave.
struct Call {
    /// The words, the program first.
    words: Vec<OsString>,
    via: Via,
    judging: Judging,
    search: Search,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let call = Call {
        words: arguments.command.clone(),
        via: Via::Argv,
        judging: arguments.judging.clone(),
        search: Search::of_process(),
    };
    call.go()
}

/// This process was started under a tool's name.
pub(super) fn shim(tool: &str, arguments: Vec<OsString>) -> ExitCode {
    let judging = Judging { format: Format::Human, policy: None, offline: false, as_of: None, verbose: false };
    let mut words = vec![OsString::from(tool)];
    words.extend(arguments);
    let call = Call { words, via: Via::Shim, judging, search: Search::of_process() };
    super::report(guard::guarded(|| call.go()))
}

/// How a cleared command can be run so that nothing but its plan comes in.
enum Way<'i> {
    /// Its tool is the command's own program.
    Direct(&'i Invocation),
    /// Its tools are started by the command's program, which finds them on PATH: there our links stand first, and
    /// each is judged and held to its plan by itself.
    Through(Vec<String>),
    /// Neither. For people: lower-case fragments.
    Uncovered(Vec<String>),
}

impl Call {
    fn go(&self) -> Result<ExitCode, Failure> {
        let text: Vec<String> = self.words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
        let mark = std::env::var_os(reentry::STARTED);
        let mut session = Session::anywhere();
        reentry::restore(&mut session.environment.variables);
        let aliases = super::world::cargo_aliases(&session);
        let invocations = invocation::parse_beside(&text, &session.environment, &aliases, &*session.disk);
        let invocations = match invocation::needs_files(&invocations) {
            true => invocation::follow(&text, &session.environment, &aliases, &*session.disk).invocations,
            false => invocations,
        };
        drop(aliases);
        if reentry::is_started_by_gate(mark.as_deref(), &self.search.own) {
            return Ok(self.step_aside(None));
        }
        if !self.installs(&text, &invocations) {
            return Ok(self.pass(&session, &invocations));
        }
        session.placed()?;
        if let Some(directory) = std::env::var_os(nested::CONTAINED) {
            if nested::is_program_of_sandbox(&self.words) {
                return Ok(self.step_aside(None));
            }
            return self.inside(&mut session, &text, &invocations, Path::new(&directory));
        }
        for invocation in invocations.iter().filter(|i| installing(i) && i.wrappers.is_empty()) {
            let directory = invocation.directory.as_ref().map(|d| session.environment.absolute(Path::new(d)));
            gateway::mend_left_behind(&directory.unwrap_or_else(|| session.environment.cwd.clone()));
        }
        let way = self.way(&invocations, &text);
        let looking = if let Way::Direct(_) = way { sandbox::look_ahead() } else { None };
        let deliberation = session.deliberate(&self.judging, |judge| judge.command(&text, &invocations, self.via));
        // It has a process of its own, which does not outlive this one.
        let _ = looking.map(std::thread::JoinHandle::join);
        let deliberation = deliberation?;
        Decision { call: self, session: &session, way, deliberation }.act()
    }

    /// An install inside the sandbox of another is stopped: see [`nested`]. A program that is installed already brings
    /// nothing in, and runs (`npx husky` in a script of the project).
    fn inside(
        &self,
        session: &mut Session,
        text: &[String],
        invocations: &[Invocation],
        directory: &Path,
    ) -> Result<ExitCode, Failure> {
        if invocations.iter().filter(|i| installing(i)).all(|i| i.effect == Effect::RunsRemote && i.opaque.is_empty()) {
            let judging = Judging { offline: true, ..self.judging.clone() };
            let judgement = session.deliberate(&judging, |judge| judge.command(text, invocations, self.via))?.judgement;
            // What asks there is that the user's configuration is hidden, and the variables that npm sets for its
            // scripts. Nothing is fetched by them: what is asked for by name is installed already.
            let plan = &judgement.plan;
            let of_file = |u: &Unresolved| matches!(u.location, Some(Location { place: Place::File(_), .. }));
            let known = plan.packages.is_empty() && plan.unresolved.iter().all(|u| u.name.is_none() && of_file(u));
            if judgement.verdict < Verdict::Deny && known {
                return Ok(self.step_aside(None));
            }
        }
        let attempt = nested::Attempt::new(shown(text), |name| std::env::var(name).ok());
        attempt.note(directory);
        complain(&attempt.line());
        Ok(ExitCode::from(Verdict::Deny.exit_status()))
    }

    /// Whether there is anything to judge. What is given to an interpreter's shim as code is not read: builds do that
    /// all the time, and hardly ever to install something.
    fn installs(&self, text: &[String], invocations: &[Invocation]) -> bool {
        let interpreter = self.via == Via::Shim && text.first().is_some_and(|name| shim::is_python(name));
        let code = interpreter && invocation::python_reads_code(text.get(1..).unwrap_or_default());
        !code && invocations.iter().any(installing)
    }

    fn program(&self) -> &OsStr {
        self.words.first().map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// The command installs nothing: it runs as it is, but that pnpm is not to install before it runs something.
    fn pass(&self, session: &Session, invocations: &[Invocation]) -> ExitCode {
        let instead = invocations.iter().filter(|i| verify::looks(i)).find_map(|runs| {
            let own = self.search.locate(OsStr::new(&runs.program)).and_then(|program| toolchain::pnpm_major(&program));
            verify::instead(runs, &session.environment, &*session.disk, own)
        });
        self.become_it(None, instead.map(|value| (verify::VARIABLE, value)))
    }

    /// Becomes the real program; comes back only when that cannot be.
    fn step_aside(&self, path: Option<&OsStr>) -> ExitCode {
        self.become_it(path, None)
    }

    fn become_it(&self, path: Option<&OsStr>, variable: Option<(&str, &str)>) -> ExitCode {
        let name = self.program();
        let shown = printable(&name.to_string_lossy(), 300);
        let Some(program) = self.search.locate(name) else {
            complain(&format!("tidewaiter: {shown}: command not found (beside this program's own links)"));
            return ExitCode::from(127);
        };
        let error = exec::exec(&self.search, &program, name, self.words.get(1..).unwrap_or_default(), path, variable);
        complain(&format!("tidewaiter: cannot run {}: {error}", printable(&program.display().to_string(), 300)));
        ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
    }

    fn way<'i>(&self, invocations: &'i [Invocation], text: &[String]) -> Way<'i> {
        let mut reasons = Vec::new();
        if self.words.iter().any(|w| w.to_str().is_none()) {
            reasons.push("a word is not Unicode, so it was not judged as it stands".to_owned());
        }
        let mut all = invocations.iter().filter(|i| installing(i));
        if let Some(first) = all.next()
            && first.wrappers.is_empty()
            && text.first() == Some(&first.program)
            && reasons.is_empty()
        {
            return Way::Direct(first);
        }
        let mut tools = Vec::new();
        for invocation in invocations.iter().filter(|i| installing(i)) {
            match beyond_path(invocation) {
                Some(reason) => reasons.push(reason),
                None => tools.push(invocation.program.clone()),
            }
        }
        reasons.sort();
        reasons.dedup();
        if reasons.is_empty() { Way::Through(tools) } else { Way::Uncovered(reasons) }
    }
}

fn installing(invocation: &Invocation) -> bool {
    invocation.effect != Effect::Nothing || !invocation.opaque.is_empty()
}

/// Programs that run a command with the PATH they were given.
const KEEP_PATH: &[&str] = &[
    "env",
    "nice",
    "ionice",
    "chrt",
    "taskset",
    "time",
    "gtime",
    "timeout",
    "gtimeout",
    "nohup",
    "setsid",
    "stdbuf",
    "unbuffer",
    "command",
    "exec",
    "builtin",
    "caffeinate",
    "chronic",
    "flock",
    "xargs",
    "gxargs",
    "cross-env",
    "cross-env-shell",
    "eval",
    "sh",
    "bash",
    "dash",
    "ksh",
    "zsh",
    "sh -c",
    "bash -c",
    "dash -c",
    "ksh -c",
    "zsh -c",
    "fish -c",
    "busybox",
    "find",
    "parallel",
    "strace",
    "script",
    "watch",
];

/// Why a tool within a command is not found through PATH, if it is not.
fn beyond_path(invocation: &Invocation) -> Option<String> {
    let program = printable(&invocation.program, 100);
    if let Some(wrapper) = invocation.wrappers.iter().find(|w| !KEEP_PATH.contains(&w.as_str())) {
        let wrapper = printable(wrapper, 100);
        return Some(format!("`{wrapper}` may run another `{program}` than the one on this PATH"));
    }
    if invocation.program.contains(['/', '\\']) {
        return Some(format!("`{program}` is named by its path, inside another command"));
    }
    let touches_path =
        invocation.assignments.iter().any(|(n, _)| n == "PATH") || invocation.removed.contains(&"PATH".to_owned());
    if invocation.cleared || touches_path {
        return Some(format!("the command gives `{program}` another PATH"));
    }
    if !shim::is_name(&invocation.program) {
        return Some(format!("there is no link for `{program}`"));
    }
    None
}

/// A judgement on its way to an exit status.
struct Decision<'a> {
    call: &'a Call,
    session: &'a Session,
    way: Way<'a>,
    deliberation: Deliberation,
}

impl Decision<'_> {
    fn judgement(&self) -> &Judgement {
        &self.deliberation.judgement
    }

    fn act(&self) -> Result<ExitCode, Failure> {
        let way = &self.way;
        let mut judged = self.judged();
        let mut uncovered = if let Way::Uncovered(reasons) = way { reasons.clone() } else { Vec::new() };
        // A machine that cannot confine what runs is the policy's to judge.
        let objection = match way {
            Way::Direct(_) => sandbox::objection(&self.deliberation.loaded.policy.sandbox),
            _ => None,
        };
        let mut at_least = if uncovered.is_empty() { Verdict::Allow } else { Verdict::Ask };
        if let Some((verdict, reason)) = objection {
            at_least = at_least.max(verdict);
            uncovered.push(reason);
        }
        judged.findings.extend(uncovered.iter().map(|reason| crate::record::line::Finding {
            rule: "uncovered".to_owned(),
            level: if at_least == Verdict::Deny { Level::Deny } else { Level::Ask }.word().to_owned(),
            package: None,
            message: reason.clone(),
            category: None,
            location: None,
            policy: None,
            fix: None,
        }));
        let verdict = self.judgement().verdict.max(at_least);
        verdict.word().clone_into(&mut judged.verdict);
        self.say(verdict, &uncovered);
        match verdict {
            Verdict::Deny => {
                self.stop(judged, "denied")?;
                Ok(ExitCode::from(Verdict::Deny.exit_status()))
            }
            Verdict::Allow => self.go_on(way, judged, self.lowered().then_some("classifier")),
            Verdict::Ask => self.ask(way, judged),
        }
    }

    /// Whether the classifier, with the user's consent, cleared what the rules would have asked about.
    fn lowered(&self) -> bool {
        self.judgement().opinion.as_ref().is_some_and(|o| o.effect == OpinionEffect::Lowered)
    }

    /// The report on stderr, or one line where nothing stands against the command.
    fn say(&self, verdict: Verdict, uncovered: &[String]) {
        let judgement = self.judgement();
        let options = &self.call.judging;
        let terminal = std::io::stderr().is_terminal();
        let warns = judgement.findings.iter().filter(|f| f.level >= Level::Warn).count();
        if verdict != Verdict::Allow || options.verbose || options.format != Format::Human {
            let text = self.session.render(options, judgement, terminal);
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        } else if terminal || warns > 0 || !judgement.plan.held_back.is_empty() {
            let n = judgement.plan.packages.len();
            let digest = judgement.plan.digest().hex();
            let digest = short(&digest);
            let what = judgement.command_text().unwrap_or_default();
            let mut line =
                format!("tidewaiter: cleared `{}`: {}, plan {digest}", printable(&what, 120), count(n, "package"));
            if warns > 0 {
                line.push_str(&format!(", {} (`tidewaiter check` shows them)", count(warns, "warning")));
            }
            complain(&line);
            for held in held_back(&judgement.plan) {
                complain(&held);
            }
        }
        for reason in uncovered {
            complain(&format!("{}: what was judged cannot be enforced here: {reason}", verdict.word()));
        }
    }

    fn judged(&self) -> Judged {
        let loaded = &self.deliberation.loaded;
        Judged::of(self.judgement(), &policy_text(loaded), loaded.errors.len())
    }

    fn log(&self) -> Log {
        self.session.log()
    }

    /// Nothing starts that is not recorded first.
    fn record(&self, event: Event) -> Result<String, Failure> {
        let recorded = self.log().append(event, Timestamp::now());
        recorded.map_err(|e| Failure::Internal(anyhow::anyhow!("cannot write the record ({e}); nothing was run")))
    }

    fn stop(&self, judged: Judged, because: &str) -> Result<(), Failure> {
        self.record(Event::Stopped { judged: Box::new(judged), because: because.to_owned() }).map(drop)
    }

    fn ask(&self, way: &Way<'_>, mut judged: Judged) -> Result<ExitCode, Failure> {
        let stopped = ExitCode::from(Verdict::Ask.exit_status());
        // A tool behind a wrapper is judged again where it starts: there the question is put and the approval spent.
        let through = matches!(way, Way::Through(_));
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if terminal && agent::host(&self.session.environment.variables).is_none() {
            if through {
                return self.go_on(way, judged, None);
            }
            if !confirmed("Run it?") {
                self.stop(judged, "not confirmed on the terminal")?;
                return Ok(stopped);
            }
            return self.go_on(way, judged, Some("prompt"));
        }
        judged.asked = Some(Box::new(Asked::of(self.judgement(), &self.session.environment)));
        let approvals = Approvals::new(&self.session.directories.data);
        let now = Timestamp::now();
        let approved = if through { approvals.covers(&judged, now) } else { approvals.spend(&judged, now) };
        if approved {
            return self.go_on(way, judged, (!through).then_some("approval"));
        }
        let unbound = super::approve::unbound(&judged);
        let digest = judged.plan.digest.clone();
        self.stop(judged, "no person to ask, and no approval")?;
        if let Some(reason) = unbound {
            complain(&format!("tidewaiter: stopped; nothing was run: {reason}"));
            return Ok(stopped);
        }
        let digest = short(digest.strip_prefix("sha256:").unwrap_or(&digest));
        complain(&format!(
            "tidewaiter: stopped; nothing was run. A person can approve exactly this plan, once, on a terminal of their own:\n  tidewaiter approve {digest}"
        ));
        Ok(stopped)
    }

    /// Cleared.
    fn go_on(&self, way: &Way<'_>, judged: Judged, cleared_by: Option<&str>) -> Result<ExitCode, Failure> {
        let cleared_by = cleared_by.map(str::to_owned);
        match way {
            Way::Through(tools) => self.through(tools),
            Way::Uncovered(_) => {
                self.record(Event::Start { judged: Box::new(judged), cleared_by })?;
                complain("tidewaiter: running it as it is, as a person decided: nothing holds it to what was judged");
                Ok(self.call.step_aside(None))
            }
            Way::Direct(invocation) => {
                let name = self.call.program();
                let Some(program) = self.call.search.locate(name) else {
                    complain(&format!("tidewaiter: {}: command not found", printable(&name.to_string_lossy(), 300)));
                    return Ok(ExitCode::from(127));
                };
                self.direct(invocation, &program, judged, cleared_by)
            }
        }
    }

    /// The command's program with our links first on its PATH.
    fn through(&self, tools: &[String]) -> Result<ExitCode, Failure> {
        let directories = &self.session.directories;
        let links = Links { directory: directories.cache.join("links"), note: directories.note() };
        let own = &self.call.search.own;
        let engine = links::engine(&self.call.search)
            .ok_or_else(|| Failure::Internal(anyhow::anyhow!("cannot tell where this program is; nothing was run")))?;
        let mut names = links.names();
        names.extend(tools.iter().cloned());
        names.sort();
        names.dedup();
        let failed = |e| Failure::Internal(anyhow::anyhow!("{}: {e}; nothing was run", links.directory.display()));
        links.install(&engine, &names, own).map_err(failed)?;
        if let Some(name) = tools.iter().find(|t| links.state(t, own) != links::Link::Right) {
            return Err(Failure::Internal(anyhow::anyhow!(
                "{} is not our link; nothing was run",
                links.path(name).display()
            )));
        }
        let path = self.call.search.path.clone().unwrap_or_default();
        let all = std::iter::once(links.directory.clone()).chain(std::env::split_paths(&path));
        let path =
            std::env::join_paths(all).map_err(|e| Failure::Internal(anyhow::anyhow!("PATH: {e}; nothing was run")))?;
        Ok(self.call.step_aside(Some(&path)))
    }

    fn direct(
        &self,
        invocation: &Invocation,
        program: &Path,
        judged: Judged,
        cleared_by: Option<String>,
    ) -> Result<ExitCode, Failure> {
        let environment = &self.session.environment;
        let mut there = environment.clone();
        if let Some(directory) = &invocation.directory {
            there.cwd = environment.absolute(Path::new(directory));
        }
        let upstream = self.deliberation.world.upstream(invocation, &there).ok_or_else(|| {
            Failure::Internal(anyhow::anyhow!(
                "its registries cannot be used, so it cannot be enforced; nothing was run"
            ))
        })?;
        let confined = Confined::default();
        let job = Job {
            judgement: self.judgement(),
            invocation,
            program,
            arguments: self.call.words.get(1..).unwrap_or_default(),
            environment,
            files: &*self.session.disk,
            upstream: &upstream,
            policy: &self.deliberation.loaded.policy,
            cache: &self.session.directories.cache,
            sandbox: &confined,
            own: self.call.search.own.path().unwrap_or(Path::new("")),
        };
        let run = self.record(Event::Start { judged: Box::new(judged), cleared_by })?;
        super::process::give_back();
        let outcome = enforce::run(&job);
        let (ended, status) = match &outcome {
            Ok(outcome) => (Ended::from(outcome), outcome.ended.status()),
            Err(error) => (Ended { status: 1, error: Some(error.to_string()), ..Ended::default() }, 1),
        };
        if let Err(error) = self.log().append(Event::End { run, ended }, Timestamp::now()) {
            // The tool has run: its status is the caller's, and the line that is missing is seen by `log list`.
            complain(&format!("tidewaiter: cannot write the record of the end: {error}"));
        }
        match outcome {
            Ok(outcome) => {
                self.report_outcome(&outcome);
                Ok(ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)))
            }
            Err(error) => Err(Failure::Internal(anyhow::Error::new(error).context("it was cleared, and was not run"))),
        }
    }

    fn report_outcome(&self, outcome: &enforce::Outcome) {
        for refused in &outcome.refused {
            complain(&refused.line());
        }
        for sentence in &outcome.said {
            complain(&format!("tidewaiter: {}", printable(sentence, 600)));
        }
        for sentence in &outcome.uncovered {
            complain(&format!("tidewaiter: not enforced: {}", printable(sentence, 600)));
        }
        if self.call.judging.verbose {
            let way = match outcome.form {
                Form::Gateway => "by the gateway",
                Form::Frozen => "by the exact list with its digests, for the tool asked no gateway",
            };
            complain(&format!("tidewaiter: enforced {way}"));
            for sentence in &outcome.contained {
                complain(&format!("tidewaiter: {}", printable(sentence, 600)));
            }
        }
    }
}

/// Most releases held back that are named each.
const HELD_NAMED: usize = 3;

/// What would have come in, and was too young: a line each, and one for the rest.
fn held_back(plan: &Plan) -> Vec<String> {
    let line = |held: &HeldBack| {
        let (name, version) = (printable(held.name.written(), 100), printable(&held.version, 60));
        let instead = held.instead.as_deref().map_or_else(String::new, |v| format!("; {} instead", printable(v, 60)));
        format!("tidewaiter: held back {name} {version}: {}{instead}", printable(&held.reason, 200))
    };
    let mut lines: Vec<String> = plan.held_back.iter().take(HELD_NAMED).map(line).collect();
    if let Some(more) = plan.held_back.len().checked_sub(HELD_NAMED).filter(|more| *more > 0) {
        lines.push(format!("tidewaiter: held back {more} more (`tidewaiter check` shows them)"));
    }
    lines
}

/// `1 package`, `2 packages`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The first twelve characters of a digest: enough to name one, and to paste.
pub(super) fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}

/// Asks on the terminal; anything but yes is no.
pub(super) fn confirmed(question: &str) -> bool {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    use std::io::{BufRead as _, Read as _};
    let read = std::io::stdin().lock().take(1024).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// A command as a line for people.
pub(super) fn shown(argv: &[String]) -> String {
    printable(&shell_line(argv), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ecosystem, PackageName};

    #[test]
    fn what_was_held_back_is_named_and_the_rest_counted() {
        let held = |n: u32, instead: Option<&str>| HeldBack {
            name: PackageName::new(Ecosystem::Npm, &format!("p{n}")),
            version: format!("{n}.1.0"),
            instead: instead.map(str::to_owned),
            rule: "cooldown",
            reason: "published 2 days ago".to_owned(),
        };
        assert!(held_back(&Plan::default()).is_empty());
        let plan = Plan { held_back: vec![held(1, Some("1.0.0")), held(2, None)], ..Plan::default() };
        assert_eq!(
            held_back(&plan),
            [
                "tidewaiter: held back p1 1.1.0: published 2 days ago; 1.0.0 instead",
                "tidewaiter: held back p2 2.1.0: published 2 days ago"
            ]
        );
        let plan = Plan { held_back: (0..6).map(|n| held(n, None)).collect(), ..Plan::default() };
        let lines = held_back(&plan);
        assert_eq!(lines.len(), 4);
        assert!(lines.last().is_some_and(|last| last.contains("3 more")));
    }
}
