//! `audit [PATH…]`: judge the manifests and lockfiles below a path.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::session::Session;
use super::{Failure, Judging};
use crate::judge::discover::Kind;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    judging: Judging,
    /// Files and directories
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    for path in &arguments.paths {
        let Ok(found) = std::fs::metadata(path) else {
            return Err(Failure::Usage(format!("{}: no such file or directory", path.display())));
        };
        if found.is_file() && Kind::of(path).is_none() {
            return Err(Failure::Usage(format!(
                "{}: not a manifest or lockfile by its name; a requirements file of another name is judged by \
                 `tidewaiter check -- pip install -r {}`",
                path.display(),
                path.display()
            )));
        }
    }
    let mut session = Session::new()?;
    session.judge(&arguments.judging, false, |judge| judge.audit(&arguments.paths))
}
