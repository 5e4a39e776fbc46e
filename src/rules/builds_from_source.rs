//! `builds-from-source`: packages whose build runs their own code (sdist, `build.rs`, procedural macro) go in and come
//! out; an sdist of a new project is asked about.

use super::{Facts, Observation, Rule, fix, new_package, say};
use crate::invocation::Tool;
use crate::model::{Category, Execution, Fix, FixKind, Level, Package, Source, ago};

/// The rule.
pub const RULE: Rule = Rule {
    name: "builds-from-source",
    default: Level::Note,
    category: Category::ExecutesCode,
    about: "The package runs code of its own while it is built.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(|p| observe(facts, p)).collect()
}

fn observe(facts: &Facts<'_>, package: &Package) -> Option<Observation> {
    let runs: Vec<&Execution> = package
        .executes
        .iter()
        .filter(|e| matches!(e, Execution::PythonBuild | Execution::BuildScript | Execution::ProcMacro))
        .collect();
    if runs.is_empty() || matches!(package.source, Source::Workspace { .. }) {
        return None;
    }
    let name = say::package(package);
    let sdist = runs.contains(&&Execution::PythonBuild);
    let message = if sdist {
        format!("{name} is built from source: its build backend runs")
    } else {
        let words: Vec<&str> = runs.iter().map(|e| e.word()).collect();
        format!("{name} runs code when it is compiled ({})", words.join(", "))
    };
    let mut observation =
        Observation::new(message).about(package).with("executes", say::texts(runs.iter().map(|e| e.word())));
    if !sdist {
        return Some(observation);
    }
    let command = fix::add_flag(facts, &[Tool::Pip], "--only-binary=:all:");
    let text = "use only wheels (`--only-binary=:all:`), or a release that has one".to_owned();
    observation = observation.fix(Fix { kind: FixKind::Other, text, command });
    if let Some(first) = new_package::young_since(facts, package) {
        observation.message =
            format!("{}; its first release was {}", observation.message, ago(facts.environment.now, first));
        observation = observation.with("first_published_at", first.to_string()).at_least(Level::Ask);
    }
    Some(observation)
}
