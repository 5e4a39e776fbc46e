//! `bench judgement`: the labelled cases, judged by the rules or by the classifier of the policy, with the facts and
//! without them. No network but the model's own; nothing of the user's is read beside the policy.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::session::Session;
use super::{Failure, complain, print};
use crate::bench::{self, Case};
use crate::classifier::{self, Classifier, Rules};
use crate::model::FileError;
use crate::policy::ClassifierKind;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How often a classifier is right about labelled commands, at what price and how fast
    #[command(after_help = "\
Each case is a command, the state of a project and of the registries, what the user
said, and the right verdict. The rules judge it in memory; a model is asked as the
policy's [classifier] says. Text alone is the baseline: the same, facts withheld.

Exit status: 0 when the run was complete, whatever its numbers.")]
    Judgement(Judgement),
}

#[derive(Debug, Args)]
struct Judgement {
    /// The folder of cases
    #[arg(value_name = "PATH", default_value = "fixtures/judgement")]
    path: PathBuf,
    /// Who judges: the rules, or the policy's classifier of this kind
    #[arg(long, value_enum, value_name = "KIND")]
    classifier: Option<Kind>,
    /// Also apply this policy file, as the user's own
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Withhold the facts: judge the words alone, and nothing else
    #[arg(long)]
    text_only: bool,
    /// Only the first so many cases
    #[arg(long, value_name = "COUNT")]
    first: Option<usize>,
    /// Also write a page with the confusion
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print each case that was not stopped, or not cleared, as it should be
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Rules,
    Anthropic,
    #[value(name = "openai")]
    OpenAi,
    Command,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let What::Judgement(arguments) = &arguments.what;
    let mut cases = load(&arguments.path)?;
    cases.truncate(arguments.first.unwrap_or(usize::MAX));
    let session = Session::anywhere();
    let loaded = session.policy(arguments.policy.as_deref())?;
    let mut settings = loaded.policy.classifier.clone();
    if let Some(kind) = arguments.classifier {
        settings.kind.value = match kind {
            Kind::Rules => ClassifierKind::Rules,
            Kind::Anthropic => ClassifierKind::Anthropic,
            Kind::OpenAi => ClassifierKind::OpenAi,
            Kind::Command => ClassifierKind::Command,
        };
    }
    let within = Duration::from_millis(u64::from(settings.timeout_ms.value));
    let built = classifier::built(&settings, &session.environment, within);
    let classifier: Box<dyn Classifier> =
        built.map_err(|none| Failure::Usage(format!("the classifier cannot be asked: {}", none.reason)))?;
    let who = if classifier.model().is_empty() {
        Rules.kind().to_owned()
    } else {
        format!("{} {}", classifier.kind(), classifier.model())
    };
    let modes: &[bool] = if arguments.text_only { &[true] } else { &[false, true] };
    let mut runs = Vec::new();
    for text_only in modes {
        let results = bench::run(&cases, Some(&*classifier), *text_only, within, |_| {});
        let title = format!("{who}, {}", if *text_only { "text alone" } else { "with the facts" });
        let score = bench::score(&results);
        runs.push((title, score, results));
    }
    if let Some(path) = &arguments.html {
        let written = std::fs::write(path, bench::html(&runs));
        written.map_err(|e| Failure::Usage(format!("--html {}: {e}", path.display())))?;
    }
    if arguments.json {
        let all: serde_json::Map<String, serde_json::Value> = runs
            .iter()
            .map(|(title, score, _)| (title.clone(), serde_json::to_value(score).unwrap_or_default()))
            .collect();
        print(&format!("{}\n", serde_json::Value::Object(all)))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (title, score, results) in &runs {
        print(&format!("{title}\n{score}\n"))?;
        if arguments.verbose {
            for r in results.iter().filter(|r| r.verdict != r.case.verdict) {
                complain(&format!(
                    "{}: {} {} is right, {} {} was given: {}",
                    r.case.id,
                    r.case.verdict.word(),
                    r.case.category.word(),
                    r.verdict.word(),
                    r.category.word(),
                    crate::model::printable(&r.case.command, 120)
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(folder: &std::path::Path) -> Result<Vec<Case>, Failure> {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => FileError::NotFound,
            _ => FileError::Io(e.to_string()),
        })
    };
    bench::load(&read).map_err(|e| Failure::Usage(format!("{}: {e}", folder.display())))
}
