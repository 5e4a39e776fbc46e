//! `hook HOST`: an agent host's payload on stdin, its own answer on stdout or stderr.
//!
//! A command that installs nothing is answered with nothing, before a policy, an index or the network is touched. What
//! has to be judged is judged within a deadline of this program's own, below the host's: hosts go on after theirs.

pub mod counts;
mod settled;
pub mod setup;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};

use self::settled::{Question, Watched};
use super::intent::Intent;
use super::session::{Deliberation, Session, policy_text};
use super::{Failure, Format, Judging, complain, guard};
use crate::context;
use crate::gate::operation::{self, How, Operation, Target};
use crate::gate::{self, Host};
use crate::hook::decision::{added, shown};
use crate::hook::overlay::Overlay;
use crate::hook::session::Limits;
use crate::hook::{self, Answer, Decision, Event, Stage, Word, edit};
use crate::invocation::{self, Effect, Followed, FollowedText, Invocation};
use crate::judge::{Judgement, Via, discover};
use crate::model::{Files, Level, Timestamp, Verdict};
use crate::policy::Loaded;
use crate::record;
use crate::record::approval::Approvals;
use crate::record::asked::Asked;
use crate::record::line::Judged;
use crate::registry::cache::Witness;
use crate::rules;
use crate::shell;
use crate::shim::lines::{self, Shell};
use crate::shim::links::Links;

impl ValueEnum for Host {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    /// The host whose payload is on stdin
    #[arg(value_enum, value_name = "HOST", required = true)]
    host: Option<Host>,
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Args)]
struct Options {
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

#[derive(Debug, Subcommand)]
enum Action {
    /// Have a host ask before it runs a command: writes the host's own configuration
    #[command(after_help = "\
What is there is kept, to the byte. Repeating it changes nothing.
A file that cannot be read is an error with its line, and is left as it is.")]
    Install(setup::Place),
    /// Take this program out of a host's configuration
    Uninstall(setup::Place),
    /// Which hosts ask this program
    #[command(after_help = "Exit status: 0 when one does and every one that does is whole, else 1.")]
    Status,
    /// Let every agent session go on that reached its limit of refusals; only a person can
    Reset,
}

/// Reads the payload, answers, and ends with 0 or 2: any other status lets the tool run.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match (&arguments.action, arguments.host) {
        (Some(Action::Install(place)), _) => setup::install(place),
        (Some(Action::Uninstall(place)), _) => setup::uninstall(place),
        (Some(Action::Status), _) => setup::status(),
        (Some(Action::Reset), _) => setup::reset(),
        (None, Some(host)) => Ok(answer(host, &arguments.options)),
        (None, None) => Err(Failure::Usage("hook: name a host".to_owned())),
    }
}

fn answer(host: Host, options: &Options) -> ExitCode {
    let answer = match guard::guarded(|| Ok(respond(host, options))) {
        Ok(answer) => answer,
        Err(failure) => Answer::crash(host, &words(&failure)),
    };
    if !answer.stderr.is_empty() {
        complain(answer.stderr.trim_end_matches('\n'));
    }
    if answer.stdout.is_empty() {
        return ExitCode::from(answer.status);
    }
    match super::print(&answer.stdout) {
        Ok(()) => ExitCode::from(answer.status),
        // The host did not hear the decision.
        Err(_) => {
            complain(&format!("tidewaiter: the answer could not be given to {}", host.title()));
            ExitCode::from(2)
        }
    }
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Usage(message) => message.clone(),
        Failure::Internal(error) => format!("{error:#}"),
    }
}

fn respond(host: Host, options: &Options) -> Answer {
    let mut bytes = Vec::new();
    let limit = hook::LONGEST_PAYLOAD as u64 + 1;
    if let Err(error) = std::io::stdin().lock().take(limit).read_to_end(&mut bytes) {
        return Answer::crash(host, &format!("the payload cannot be read: {error}"));
    }
    let event = match hook::read(host, &bytes) {
        Ok(event) => event,
        Err(error) => return Answer::crash(host, &error.to_string()),
    };
    drop(bytes);
    let decision = match event.stage {
        Stage::Before | Stage::Permission => before(host, options, &event),
        Stage::After => after(host, options, &event),
        Stage::SessionStart => session_start(host),
        Stage::Other => Decision::none(),
    };
    hook::answer(host, &event, &decision)
}

/// What is to be judged, in the directory in which it would happen.
struct Case {
    host: Host,
    session: Session,
    judging: Judging,
    command: Option<Command>,
    edits: Option<Edits>,
    /// The host's name of the session; `None`: it is not counted.
    name: Option<String>,
    /// What is remembered of it.
    what: String,
    /// Whether a question reaches a person.
    asks: bool,
    /// A refusal that stands, once there is one.
    settled: Settled,
}

/// What was decided on the thread that judges.
type Settled = Arc<Mutex<Option<Decision>>>;

/// Shell text that brings something in, or concerns the gate.
struct Command {
    argv: Vec<String>,
    invocations: Vec<Invocation>,
    /// The shell texts of files that it runs.
    texts: Vec<FollowedText>,
    /// What it and those texts do beside installing, where that was read from the text as it is judged.
    operations: Option<Vec<Operation>>,
}

/// Files that bring something in, or concern the gate.
struct Edits {
    paths: Vec<PathBuf>,
    operations: Vec<Operation>,
    files: Arc<Overlay>,
}

/// What is left of the deadline for an answer that has to be put into words, in milliseconds.
const MARGIN_MS: u64 = 250;

fn before(host: Host, options: &Options, event: &Event) -> Decision {
    let started = Instant::now();
    if let Some(trouble) = &event.trouble {
        let reason = format!("tidewaiter: {}, so it cannot be judged and must not run", shown(trouble));
        return Decision::new(Word::Deny, reason);
    }
    let session = placed(event);
    let command = event.command.as_deref().and_then(|text| command(text, &session));
    let (edits, unknown) = edits(event, &session);
    if command.is_none() && edits.is_none() {
        return unknown;
    }
    // A person is asked already; what is decided there was counted before.
    let name = (event.stage == Stage::Before).then(|| name_of(event, &session));
    let what = what(event);
    let judging = judging(options);
    let mut session = session;
    session.intent = Intent::of_host(host, event, &session.environment);
    // Before this program's own deadline, which lies before the host's.
    session.deadline = Some(started + Duration::from_millis(options.deadline_ms.saturating_sub(MARGIN_MS)));
    let asks = hook::asks(host, event.mode.as_deref());
    judged(options, Case { host, session, judging, command, edits, name, what, asks, settled: Settled::default() })
        .and(unknown)
}

fn judging(options: &Options) -> Judging {
    Judging {
        format: Format::Human,
        policy: options.policy.clone(),
        offline: options.offline,
        as_of: None,
        verbose: false,
    }
}

/// The session by the host's name of it, else by where it works.
fn name_of(event: &Event, session: &Session) -> String {
    let given = event.session.as_deref().or(event.transcript.as_deref());
    given.map_or_else(|| session.environment.cwd.display().to_string(), str::to_owned)
}

fn what(event: &Event) -> String {
    let mut what = event.command.clone().unwrap_or_default();
    for edit in &event.edits {
        what.push('\0');
        what.push_str(&edit.path);
    }
    what
}

/// The session in the event's directory.
fn placed(event: &Event) -> Session {
    let mut session = Session::anywhere();
    if let Some(cwd) = event.cwd.as_deref().map(PathBuf::from).filter(|c| c.is_absolute()) {
        session.move_to(&cwd);
    }
    session
}

/// `None` when a text neither brings anything in nor concerns the gate.
fn command(text: &str, session: &Session) -> Option<Command> {
    let (argv, parsed, Followed { invocations, texts }) = read(text, session);
    let installs = invocations.iter().any(|i| i.effect != Effect::Nothing || !i.opaque.is_empty());
    let mut operations = match &parsed {
        Some(parsed) => operation::read_parsed(parsed, &session.environment),
        None => operation::read(text, &session.environment),
    };
    operations.extend(operation::read_followed(&texts, &session.environment));
    if !installs && !rules::concerns(&operations, &session.environment, &*session.disk) {
        std::mem::forget(parsed);
        return None;
    }
    // A plain command is judged by its words, which may be written otherwise.
    let operations = parsed.is_some().then_some(operations);
    // The process ends soon: to take what was read of a long line apart piece by piece would be for nothing.
    std::mem::forget(parsed);
    Some(Command { argv, invocations, texts, operations })
}

/// The longest text that is tried as one plain command, in bytes.
const LONGEST_PLAIN: usize = 4096;

/// Shell text as an argument vector: its own words where it is one plain command, so that a way out can be one too.
/// With its grammar, where it is more.
fn read(text: &str, session: &Session) -> (Vec<String>, Option<shell::Parsed>, Followed) {
    let aliases = super::world::cargo_aliases(session);
    // Reading twice what is long or more than one command would be for nothing.
    let plain = text.len() <= LONGEST_PLAIN && !text.trim().contains(['\n', ';', '|', '&', '(', '`', '$', '<', '>']);
    let words = || invocation::typed_words(text, &session.environment, &*session.disk);
    match plain.then(words).flatten().filter(|words| !words.is_empty()) {
        Some(words) => {
            let followed = invocation::follow(&words, &session.environment, &aliases, &*session.disk);
            (words, None, followed)
        }
        None => {
            let argv = ["sh", "-c", text].map(str::to_owned).to_vec();
            let (environment, disk) = (&session.environment, &*session.disk);
            let parsed = shell::Parsed::new(text);
            let followed = match &parsed {
                Some(parsed) => invocation::follow_parsed(parsed, environment, &aliases, disk),
                None => invocation::follow_shell(text, environment, &aliases, disk),
            };
            (argv, parsed, followed)
        }
    }
}

/// The edits that matter, and a word about those that cannot be told.
fn edits(event: &Event, session: &Session) -> (Option<Edits>, Decision) {
    let mut files = Overlay::new(Arc::clone(&session.disk), &session.environment.cwd);
    let (mut paths, mut operations, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for one in &event.edits {
        let path = session.environment.absolute(&edit::place(&one.path, session.environment.home.as_deref()));
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let brings = discover::Kind::of(&path).is_some() || discover::configures(&path).is_some();
        let file = |how| Operation::File { target: Target::Path(path.clone()), how, by: one_tool(event) };
        let gates = |how| {
            let operation = file(how);
            let concerns = std::slice::from_ref(&operation);
            rules::concerns(concerns, &session.environment, &*session.disk).then_some(operation)
        };
        // Most edits are of neither kind, and cost nothing.
        if !brings && gates(How::Written).is_none() && !is_switch(&path) {
            continue;
        }
        let old = files.read_text(&path).ok();
        match edit::apply(old.as_deref(), &one.change) {
            Ok(Some(new)) => {
                if old.as_ref() == Some(&new) {
                    continue;
                }
                operations.extend(gates(How::Edited { before: old.clone(), after: new.clone() }));
                files.put(&path, Some(&new));
                if brings && !old.is_some_and(|old| edit::asks_the_same(&name, &old, &new)) {
                    paths.push(path);
                }
            }
            Ok(None) => {
                operations.extend(gates(How::Removed));
                files.put(&path, None);
            }
            Err(why) => {
                // The gate's own files are not changed in a way that nobody can tell.
                operations.extend(gates(How::Written));
                unknown.push(format!("what {} will hold cannot be told here ({})", shown(&one.path), shown(&why)));
            }
        }
    }
    let said = match unknown.as_slice() {
        [] => Decision::none(),
        many => Decision::context(format!(
            "tidewaiter: {}: it was not judged. What an install makes of it is judged when it is run.",
            many.join("; ")
        )),
    };
    let matters = !paths.is_empty() || !operations.is_empty();
    (matters.then(|| Edits { paths, operations, files: Arc::new(files) }), said)
}

fn one_tool(event: &Event) -> String {
    event.tool.clone().unwrap_or_else(|| "edit".to_owned())
}

/// Files in which a host's hooks are switched off, though they do not call this program.
fn is_switch(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let own = [".claude/settings.json", ".gemini/settings.json"];
    gate::SWITCHES.iter().map(|(file, _)| *file).chain(own).any(|s| text.ends_with(s))
}

/// Judges on a thread of its own, for as long as the deadline allows; the thread ends with the process.
fn judged(options: &Options, case: Case) -> Decision {
    let unavailable = Unavailable::of(&case);
    if let Err(failure) = case.session.placed() {
        return unavailable.decide(&words(&failure));
    }
    let settled = Arc::clone(&case.settled);
    let refused = || settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    match within(options, move || case.decide()) {
        Done::Ready(Ok(decision)) => decision,
        Done::Ready(Err(failure)) => unavailable.decide(&words(&failure)),
        Done::Late => {
            refused().unwrap_or_else(|| unavailable.decide(&format!("not judged in time ({} ms)", options.deadline_ms)))
        }
        Done::Failed => {
            Decision::new(Word::Deny, "tidewaiter: it failed while it judged: nothing was judged, so nothing may run")
        }
    }
}

enum Done<T> {
    Ready(T),
    Late,
    Failed,
}

fn within<T: Send + 'static>(options: &Options, work: impl FnOnce() -> T + Send + 'static) -> Done<T> {
    let (sender, receiver) = mpsc::channel();
    // As deep as the main thread could read; and nobody listens any more when it took too long.
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(move || drop(sender.send(work())));
    if thread.is_err() {
        return Done::Failed;
    }
    match receiver.recv_timeout(Duration::from_millis(options.deadline_ms)) {
        Ok(done) => Done::Ready(done),
        Err(mpsc::RecvTimeoutError::Timeout) => Done::Late,
        Err(mpsc::RecvTimeoutError::Disconnected) => Done::Failed,
    }
}

impl Case {
    fn decide(mut self) -> Result<Decision, Failure> {
        let mut decision = Decision::none();
        let mut limits = None;
        let mut by_person = false;
        let question = self.command.as_ref().filter(|_| self.edits.is_none());
        let question = question.and_then(|command| Question::of(&self.session, &self.judging, command));
        if let Some(limits) = question.as_ref().and_then(|question| question.recall(&*self.session.disk)) {
            return Ok(self.counted(decision, Some(limits), by_person));
        }
        if let Some(Command { argv, invocations, texts, operations }) = &self.command {
            let judging = &self.judging;
            let disk = Arc::clone(&self.session.disk);
            let watched = Arc::new(Watched::over(Arc::clone(&disk)));
            let witness = Arc::new(Witness::default());
            if question.is_some() {
                self.session.disk = Arc::clone(&watched) as Arc<dyn Files>;
                self.session.witness = Some(Arc::clone(&witness));
            }
            let done = self.session.deliberate(judging, |judge| match operations {
                Some(operations) => judge.command_doing(argv, invocations, operations, Via::Hook),
                None => judge.command_with(argv, invocations, texts, Via::Hook),
            })?;
            (self.session.disk, self.session.witness) = (disk, None);
            if let Some(question) = &question {
                question.note(&self.session, &done, &watched, &witness, limits_of(&done.loaded));
            }
            limits = Some(limits_of(&done.loaded));
            let said = self.weigh(&done);
            by_person = said.is_none();
            decision = decision.and(said.unwrap_or_default());
        }
        if let Some(Edits { paths, operations, files }) = self.edits.take() {
            let disk = Arc::clone(&self.session.disk);
            self.session.disk = files;
            let mut after = self.session.by_rules(&self.judging, |judge| judge.edited(&paths, &operations))?;
            self.session.disk = disk;
            limits = limits.or_else(|| Some(limits_of(&after.loaded)));
            if after.judgement.verdict != Verdict::Allow {
                let before = self.session.by_rules(&self.judging, |judge| judge.edited(&paths, &[]))?;
                after.judgement = added(after.judgement, &before.judgement);
            }
            self.session.consult(&mut after, self.judging.offline);
            decision = decision.and(Decision::of(&after.judgement));
        }
        Ok(self.counted(decision, limits, by_person))
    }

    /// The decision about a command; `None` when a person approved exactly this plan. What is stopped is recorded.
    fn weigh(&self, done: &Deliberation) -> Option<Decision> {
        let Deliberation { judgement, loaded, .. } = done;
        let mut decision = Decision::of(judgement);
        if decision.word == Word::None {
            return Some(decision);
        }
        let mut judged = record_of(judgement, loaded);
        let data = &self.session.directories.data;
        // An approval is of a plan: one that is empty would let every command pass that asks by the same rules.
        let has_plan = !judged.plan.packages.is_empty() || !judged.plan.complete;
        if decision.word == Word::Ask && has_plan {
            judged.asked = Some(Box::new(Asked::of(judgement, &self.session.environment)));
            // Spent by the shim, where there is one; else it lapses.
            if Approvals::new(data).covers(&judged, Timestamp::now()) {
                return None;
            }
            if (judged.plan.complete || judged.asks().is_empty()) && super::approve::unbound(&judged).is_none() {
                let digest = &judged.plan.digest;
                let short = super::run::short(digest.strip_prefix("sha256:").unwrap_or(digest));
                decision.reason.push_str(&format!(
                    "\nA person can approve exactly this plan in a terminal of their own: tidewaiter approve {short}"
                ));
            }
        }
        if self.name.is_some() {
            let because = format!("{} by the hook of {}", decision.word.text(), self.host.name());
            // The refusal stands whether or not it can be written down.
            let event = record::Event::Stopped { judged: Box::new(judged), because };
            self.settle(&decision);
            let _ = self.session.log().append(event, Timestamp::now());
        }
        Some(decision)
    }

    /// Keeps a refusal for an answer, whatever becomes of what is written down about it.
    fn settle(&self, decision: &Decision) {
        if decision.word == Word::Deny {
            *self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(decision.clone());
        }
    }

    fn counted(&self, decision: Decision, limits: Option<Limits>, by_person: bool) -> Decision {
        self.settle(&decision);
        let (Some(name), Some(limits)) = (&self.name, limits) else { return decision };
        let counts = counts::Counts::new(&self.session.directories.data);
        if decision.word == Word::None && !counts.knows(self.host, name) {
            return decision;
        }
        let refused = !self.asks;
        let counted = counts.change(self.host, name, |c| {
            if by_person {
                c.reset();
            }
            c.decide(decision.clone(), &self.what, limits, refused)
        });
        // Where nothing can be kept, nothing can be counted; the decision itself stands.
        counted.unwrap_or(decision)
    }
}

fn limits_of(loaded: &Loaded) -> Limits {
    let agent = &loaded.policy.agent;
    Limits { in_a_row: agent.denials_in_a_row.value, in_all: agent.denials_in_all.value }
}

fn record_of(judgement: &Judgement, loaded: &Loaded) -> Judged {
    Judged::of(judgement, &policy_text(loaded), loaded.errors.len())
}

/// A tool ran. A person who was asked about it has acted; and where the agent ran `tidewaiter check` itself, the host's
/// classifier gets the facts.
fn after(host: Host, options: &Options, event: &Event) -> Decision {
    let Some(text) = &event.command else { return Decision::none() };
    let session = placed(event);
    let name = name_of(event, &session);
    let counts = counts::Counts::new(&session.directories.data);
    if hook::asks(host, event.mode.as_deref()) && counts.knows(host, &name) {
        // Nothing depends on it but that the count goes on.
        let _ = counts.change(host, &name, |c| c.ran(&what(event)));
    }
    if host != Host::ClaudeCode || !text.contains("tidewaiter") {
        return Decision::none();
    }
    let Some(checked) = checked(text, &session) else { return Decision::none() };
    let mut session = session;
    session.intent = Intent::of_host(host, event, &session.environment);
    let judging = judging(options);
    let work = move || {
        let mut session = session;
        let (argv, _, followed) = read(&checked, &session);
        let done = session
            .by_rules(&judging, |judge| judge.command_with(&argv, &followed.invocations, &followed.texts, Via::Hook));
        done.ok().map(|done| session.with_sources(&done, |sources| context::line(sources, hook::LONGEST_CONTEXT)))
    };
    match within(options, work) {
        Done::Ready(Some(line)) => Decision::context(line),
        _ => Decision::none(),
    }
}

/// The text that a command has checked: `tidewaiter check --shell TEXT`, `tidewaiter check -- CMD…`.
fn checked(text: &str, session: &Session) -> Option<String> {
    let operations = operation::read(text, &session.environment);
    operations.iter().find_map(|o| {
        let Operation::Run { words } = o else { return None };
        let (first, rest) = words.split_first()?;
        let (verb, rest) = rest.split_first()?;
        if operation::program(first) != "tidewaiter" || verb != "check" {
            return None;
        }
        let given = rest.iter().find_map(|w| w.strip_prefix("--shell=")).map(str::to_owned);
        let next = || rest.iter().position(|w| w == "--shell").and_then(|i| rest.get(i + 1)).cloned();
        let words = || rest.iter().position(|w| w == "--").map(|i| rest.get(i + 1..).unwrap_or_default());
        given.or_else(next).or_else(|| words().map(crate::model::shell_line)).filter(|t| !t.is_empty())
    })
}

/// Puts the links on PATH for every later command of the session, where the host has a file for it.
fn session_start(host: Host) -> Decision {
    if host != Host::ClaudeCode {
        return Decision::none();
    }
    let session = Session::anywhere();
    let links = Links::of_user(&session.directories.data).directory;
    if let Some(file) = session.environment.variable("CLAUDE_ENV_FILE").filter(|f| !f.is_empty())
        && links.is_dir()
    {
        let line = lines::export(&links, Shell::Posix);
        // Without it commands are still judged here; what a script installs in turn is not.
        let _ = append_once(Path::new(file), &line);
    }
    Decision::context(
        "tidewaiter judges what a package command would bring in before it runs. To know ahead: tidewaiter check -- CMD. \
         A refusal says what to run instead."
            .to_owned(),
    )
}

fn append_once(file: &Path, line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    if text.lines().any(|l| l == line) {
        return Ok(());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    out.write_all(format!("{gap}{line}\n").as_bytes())
}

/// What it means when there is no judgement: the policy's word, in words that blame nothing on the command.
struct Unavailable {
    level: Level,
    text: String,
}

impl Unavailable {
    fn of(case: &Case) -> Self {
        // The policy is read here only for its one word, and from the same memory of the disk as later.
        let level = case.session.policy(case.judging.policy.as_deref()).map_or(Level::Ask, |loaded| {
            if loaded.policy.faults.is_empty() { loaded.policy.on_unavailable.value } else { Level::Deny }
        });
        Self { level, text: case.what.replace('\0', " ") }
    }

    fn decide(&self, reason: &str) -> Decision {
        // Without a judgement nothing is cleared, whatever the policy makes of a feed that is out of reach.
        let word = if self.level >= Level::Deny { Word::Deny } else { Word::Ask };
        let (text, reason) = (shown(&self.text), shown(reason));
        let said = format!(
            "tidewaiter: `{text}`: {reason}. That is no finding against it: try again, or let a person decide."
        );
        Decision { note: format!("tidewaiter: {reason}"), ..Decision::new(word, said) }
    }
}
