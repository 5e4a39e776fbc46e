//! `hook HOST`: an agent host's payload on stdin, its own answer on stdout or stderr.
//!
//! A command that installs nothing is answered with nothing, before a policy, an index or the network is touched. What
//! has to be judged is judged within a deadline of this program's own, below the host's: hosts go on after theirs.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::session::Session;
use super::{Failure, Format, Judging, complain, guard};
use crate::gate::Host;
use crate::hook::{self, Answer, Decision, Event, Stage, Word};
use crate::invocation::{self, Effect, Invocation};
use crate::judge::Via;
use crate::model::{Level, printable};

impl ValueEnum for Host {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The host whose payload is on stdin
    #[arg(value_enum, value_name = "HOST")]
    host: Host,
    /// How long judging may take before the policy's on-unavailable is the answer
    #[arg(long, value_name = "MS", default_value_t = 8000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    deadline_ms: u64,
    /// Also apply this policy file, as the user's own
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Use only what is cached: no network
    #[arg(long)]
    offline: bool,
}

/// Reads the payload, answers, and ends with 0 or 2: any other status lets the tool run.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let host = arguments.host;
    let answer = match guard::guarded(|| Ok(respond(arguments))) {
        Ok(answer) => answer,
        Err(failure) => Answer::crash(&words(&failure)),
    };
    if !answer.stderr.is_empty() {
        complain(answer.stderr.trim_end_matches('\n'));
    }
    let written = super::print(&answer.stdout);
    match written {
        Err(_) if !answer.stdout.is_empty() => {
            // The host did not hear the decision.
            complain(&format!("tidewaiter: the answer could not be given to {}", host.title()));
            ExitCode::from(2)
        }
        _ => ExitCode::from(answer.status),
    }
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Usage(message) => message.clone(),
        Failure::Internal(error) => format!("{error:#}"),
    }
}

fn respond(arguments: &Arguments) -> Answer {
    let mut bytes = Vec::new();
    let limit = hook::LONGEST_PAYLOAD as u64 + 1;
    if let Err(error) = std::io::stdin().lock().take(limit).read_to_end(&mut bytes) {
        return Answer::crash(&format!("the payload cannot be read: {error}"));
    }
    let event = match hook::read(arguments.host, &bytes) {
        Ok(event) => event,
        Err(error) => return Answer::crash(&error.to_string()),
    };
    drop(bytes);
    let decision = match event.stage {
        Stage::Before | Stage::Permission => before(arguments, &event),
        _ => Decision::none(),
    };
    hook::answer(arguments.host, &event, &decision)
}

/// What is to be judged, in the directory in which it would happen.
struct Case {
    session: Session,
    argv: Vec<String>,
    invocations: Vec<Invocation>,
    judging: Judging,
}

fn before(arguments: &Arguments, event: &Event) -> Decision {
    if let Some(trouble) = &event.trouble {
        let reason = format!("tidewaiter: {}, so it cannot be judged and must not run", hook::decision::shown(trouble));
        return Decision::new(Word::Deny, reason);
    }
    let session = placed(event);
    let Some(case) = read(arguments, event, session) else { return Decision::none() };
    judged(arguments, case)
}

/// The session in the event's directory.
fn placed(event: &Event) -> Session {
    let mut session = Session::anywhere();
    if let Some(cwd) = event.cwd.as_deref().map(PathBuf::from).filter(|c| c.is_absolute()) {
        session.move_to(&cwd);
    }
    session
}

/// The commands that bring something in; `None` when there are none.
fn read(arguments: &Arguments, event: &Event, session: Session) -> Option<Case> {
    let text = event.command.clone()?;
    let aliases = super::world::cargo_aliases(&session);
    let invocations = invocation::parse_shell(&text, &session.environment, &aliases);
    drop(aliases);
    if invocations.iter().all(|i| i.effect == Effect::Nothing && i.opaque.is_empty()) {
        return None;
    }
    let judging = Judging {
        format: Format::Human,
        policy: arguments.policy.clone(),
        offline: arguments.offline,
        as_of: None,
        verbose: false,
    };
    Some(Case { session, argv: vec!["sh".to_owned(), "-c".to_owned(), text], invocations, judging })
}

/// Judges on a thread of its own, for as long as the deadline allows; the thread ends with the process.
fn judged(arguments: &Arguments, mut case: Case) -> Decision {
    let unavailable = Unavailable::of(&case);
    if let Err(failure) = case.session.placed() {
        return Decision::new(Word::Ask, format!("tidewaiter: {}", printable(&words(&failure), 500)));
    }
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        let Case { session, argv, invocations, judging } = &mut case;
        let done = session.deliberate(judging, |judge| judge.command(argv, invocations, Via::Hook));
        // Nobody listens any more when it took too long.
        let _ = sender.send(done.map(|d| Decision::of(&d.judgement)).map_err(|f| words(&f)));
    };
    // Deep enough for whatever the main thread could read.
    let started = std::thread::Builder::new().stack_size(16 << 20).spawn(work);
    if let Err(error) = started {
        return unavailable.decide(&format!("nothing could be judged: {error}"));
    }
    match receiver.recv_timeout(Duration::from_millis(arguments.deadline_ms)) {
        Ok(Ok(decision)) => decision,
        Ok(Err(reason)) => unavailable.decide(&reason),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            unavailable.decide(&format!("not judged in time ({} ms)", arguments.deadline_ms))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Decision::new(
            Word::Deny,
            "tidewaiter: judging failed within this program: nothing was judged, so nothing may run",
        ),
    }
}

/// What it means when there is no judgement: the policy's word, in words that blame nothing on the command.
struct Unavailable {
    level: Level,
    text: String,
}

impl Unavailable {
    fn of(case: &Case) -> Self {
        // The policy is read here once more only for its one word, and from the same memory of the disk.
        let level = case.session.policy(case.judging.policy.as_deref()).map_or(Level::Ask, |loaded| {
            if loaded.policy.faults.is_empty() { loaded.policy.on_unavailable.value } else { Level::Deny }
        });
        Self { level, text: hook::decision::command_text(&case.argv) }
    }

    fn decide(&self, reason: &str) -> Decision {
        // Without a judgement nothing is cleared, whatever the policy makes of a feed that is out of reach.
        let word = if self.level >= Level::Deny { Word::Deny } else { Word::Ask };
        let (text, reason) = (hook::decision::shown(&self.text), hook::decision::shown(reason));
        let said = format!(
            "tidewaiter: `{text}`: {reason}. That is no finding against it: try again, or let a person decide."
        );
        Decision { note: format!("tidewaiter: {reason}"), ..Decision::new(word, said) }
    }
}
