//! `check -- CMD…`: judge a command; nothing is installed, built or executed.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::intent::Intent;
use super::session::Session;
use super::{Failure, Format, Judging, print, process, status};
use crate::context::{Caps, Context};
use crate::invocation::{self, Effect, Invocation, Opaque};
use crate::judge::{Judge, Judgement, Via};
use crate::model::Location;
use crate::record::line::Classifier;
use crate::report;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    judging: Judging,
    /// A command line as a shell would read it, instead of CMD
    #[arg(long, value_name = "TEXT", conflicts_with = "command")]
    shell: Option<OsString>,
    /// Print what a classifier is shown, schema tidewaiter.context/1, instead of the verdict
    #[arg(long, conflicts_with = "format")]
    context: bool,
    /// Print why: the facts, each rule with its line of policy, the classifier's word, what would change the verdict
    #[arg(long, conflicts_with = "context")]
    explain: bool,
    /// The user's own messages: a JSON list of texts, or a transcript of Claude Code
    #[arg(long, value_name = "FILE")]
    messages: Option<PathBuf>,
    /// The command and its arguments, after `--`
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true, required_unless_present = "shell")]
    command: Vec<OsString>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut session = Session::anywhere();
    let aliases = super::world::cargo_aliases(&session);
    let environment = &session.environment;
    let (argv, via, mut invocations, texts) = match &arguments.shell {
        Some(text) => {
            let text = text.to_string_lossy().into_owned();
            let followed = invocation::follow_shell(&text, environment, &aliases, &*session.disk);
            (vec!["sh".to_owned(), "-c".to_owned(), text], Via::Shell, followed.invocations, followed.texts)
        }
        None => {
            let argv: Vec<String> = arguments.command.iter().map(|w| w.to_string_lossy().into_owned()).collect();
            let followed = invocation::follow(&argv, environment, &aliases, &*session.disk);
            (argv, Via::Argv, followed.invocations, followed.texts)
        }
    };
    drop(aliases);
    let unreadable = match &arguments.shell {
        Some(text) => text.to_str().is_none().then_some(2),
        None => arguments.command.iter().position(|w| w.to_str().is_none()),
    };
    if let Some(index) = unreadable {
        doubt(&mut invocations, index);
    }
    if invocations.iter().any(|i| i.effect != Effect::Nothing || !i.opaque.is_empty()) {
        session.placed()?;
    }
    if let Some(path) = &arguments.messages {
        session.intent = Intent::of_file(path)?;
    }
    if arguments.explain {
        return explain(&mut session, arguments, |judge| judge.command_with(&argv, &invocations, &texts, via));
    }
    if !arguments.context {
        return session.judge(&arguments.judging, true, |judge| judge.command_with(&argv, &invocations, &texts, via));
    }
    let done = session.by_rules(&arguments.judging, |judge| judge.command_with(&argv, &invocations, &texts, via))?;
    let text = session.with_sources(&done, |sources| Context::of(sources, Caps::FULL).pretty());
    print(&format!("{text}\n"))?;
    Ok(status(done.judgement.verdict))
}

/// A verdict with its reasons, for people or as JSON.
fn explain(
    session: &mut Session,
    arguments: &Arguments,
    judge: impl FnOnce(&Judge<'_>) -> Judgement,
) -> Result<ExitCode, Failure> {
    let done = session.deliberate(&arguments.judging, judge)?;
    let judgement = &done.judgement;
    let classifier = judgement.opinion.as_deref().map(Classifier::from);
    let explanation = report::explain::of(judgement, serde_json::to_value(classifier).unwrap_or_default());
    let text = match arguments.judging.format {
        Format::Human => explanation.human(report::human::Style {
            colour: process::colour(&session.environment, std::io::stdout().is_terminal()),
            width: process::width(&session.environment),
            verbose: true,
        }),
        Format::Json => explanation.json(),
        _ => return Err(Failure::Usage("--explain prints human text or json".to_owned())),
    };
    print(&text)?;
    Ok(status(judgement.verdict))
}

/// A word that is not Unicode stands as something else in what was read: a command that brings something in may bring
/// in another thing.
fn doubt(invocations: &mut [Invocation], index: usize) {
    for invocation in invocations.iter_mut().filter(|i| i.effect != Effect::Nothing) {
        invocation.effect = Effect::Unknown;
        let reason = "the word is not Unicode, so what it asks for is not known".to_owned();
        invocation.opaque.push(Opaque { reason, location: Location::argv(index) });
    }
}
