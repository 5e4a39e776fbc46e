//! `check -- CMD…`: judge a command; nothing is installed, built or executed.

use std::process::ExitCode;

use clap::Args;

use super::session::Session;
use super::{Failure, Judging};
use crate::invocation;
use crate::judge::Via;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    judging: Judging,
    /// A command line as a shell would read it, instead of CMD
    #[arg(long, value_name = "TEXT", conflicts_with = "command")]
    shell: Option<String>,
    /// The command and its arguments, after `--`
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true, required_unless_present = "shell")]
    command: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut session = Session::new()?;
    let aliases = super::world::cargo_aliases(&session);
    let environment = &session.environment;
    let (argv, via, invocations) = match &arguments.shell {
        Some(text) => {
            let argv = vec!["sh".to_owned(), "-c".to_owned(), text.clone()];
            (argv, Via::Shell, invocation::parse_shell(text, environment, &aliases))
        }
        None => {
            let argv = arguments.command.clone();
            let invocations = invocation::parse_with_aliases(&argv, environment, &aliases);
            (argv, Via::Argv, invocations)
        }
    };
    drop(aliases);
    session.judge(&arguments.judging, |judge| judge.command(&argv, &invocations, via))
}
