//! `policy init / show / check / explain`: the layered policy, and where each value came from.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::session::{Session, complain_of};
use super::{Failure, complain, print};
use crate::policy;
use crate::rules;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a commented policy to start from; an existing file is kept
    Init {
        /// For this project (tidewaiter.toml here) instead of for you
        #[arg(long)]
        project: bool,
        /// Print it instead of writing it
        #[arg(long, conflicts_with = "project")]
        print: bool,
    },
    /// Print every effective value and the line that set it
    Show(Layers),
    /// Read every layer and report what is wrong with it
    Check(Layers),
    /// Say what a rule looks at, its level, and what each layer asked for
    Explain {
        /// The rule's name, as in docs/RULES.md
        #[arg(value_name = "RULE")]
        rule: String,
        #[command(flatten)]
        layers: Layers,
    },
}

#[derive(Debug, Args)]
struct Layers {
    /// Also apply this policy file, as the user's own
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let session = Session::new()?;
    match &arguments.action {
        Action::Init { project, print: only_print } => init(&session, *project, *only_print),
        Action::Show(layers) => {
            let loaded = session.policy(layers.policy.as_deref())?;
            let mut out = String::new();
            for shown in policy::show(&loaded.policy, &rules::infos()) {
                let _ = writeln!(out, "{shown}");
            }
            print(&out)?;
            Ok(report(&loaded))
        }
        Action::Check(layers) => {
            let loaded = session.policy(layers.policy.as_deref())?;
            let status = report(&loaded);
            if loaded.errors.is_empty() {
                print("the policy is in order\n")?;
            }
            Ok(status)
        }
        Action::Explain { rule, layers } => {
            let Some(found) = rules::find(rule) else {
                let near = policy::nearest(rule, rules::ALL.iter().map(|r| r.name));
                let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                return Err(Failure::Usage(format!("there is no rule `{rule}`{hint}")));
            };
            let loaded = session.policy(layers.policy.as_deref())?;
            print(&policy::explain(&loaded.policy, &found.info()).to_string())?;
            Ok(report(&loaded))
        }
    }
}

/// Errors and warnings on stderr; 2 when a layer cannot be used.
fn report(loaded: &policy::Loaded) -> ExitCode {
    complain_of("error", &loaded.errors);
    complain_of("warning", &loaded.policy.notices());
    if loaded.locked {
        complain("error: the managed policy cannot be used, so nothing may be installed until it is mended");
    }
    ExitCode::from(if loaded.errors.is_empty() { 0 } else { 2 })
}

fn init(session: &Session, project: bool, only_print: bool) -> Result<ExitCode, Failure> {
    let text = policy::init(&rules::infos());
    if only_print {
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = if project {
        session.environment.cwd.join("tidewaiter.toml")
    } else {
        policy::user_path(&session.environment)
            .ok_or_else(|| Failure::Usage("there is no home directory: use --project or --print".to_owned()))?
    };
    let failed = |e: std::io::Error| Failure::Internal(anyhow::anyhow!("cannot write {}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    match std::fs::File::create_new(&path) {
        Ok(mut file) => {
            use std::io::Write as _;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            print(&format!("wrote {}\n", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::Usage(format!("{} is there already and was left as it is", path.display())))
        }
        Err(e) => Err(failed(e)),
    }
}
