//! `new-install-script`: releases that run code at install, and their predecessors, go in; those whose predecessors did
//! not run it come out.

use super::{Facts, Observation, Rule, changed, install_script, say};
use crate::model::{Category, Execution, Level, Package, PreviousRelease};

/// The rule.
pub const RULE: Rule = Rule {
    name: "new-install-script",
    default: Level::Ask,
    category: Category::ExecutesCode,
    about: "The release runs code at install that the release before it did not have: the commonest payload of a stolen token.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let skipped = install_script::scripts_are_skipped(facts.invocations);
    changed::successors(facts)
        .filter_map(|(package, _, previous)| observe(facts, package, previous))
        .map(|observation| if skipped { observation.at_most(Level::Note) } else { observation })
        .collect()
}

fn observe(facts: &Facts<'_>, package: &Package, previous: &PreviousRelease) -> Option<Observation> {
    let before = previous.executes.as_ref()?;
    // An install script that only says that it is one may be any of them.
    let vague = |all: &[Execution]| all.contains(&Execution::InstallScript);
    if !before.is_empty() && (vague(before) || vague(&package.executes)) {
        return None;
    }
    // Building from source is no script; what an sdist or a procedural macro does, `builds-from-source` says.
    let counts = |e: &&Execution| !matches!(e, Execution::PythonBuild | Execution::ProcMacro);
    let new: Vec<&str> =
        package.executes.iter().filter(counts).filter(|e| !before.contains(e)).map(Execution::word).collect();
    if new.is_empty() {
        return None;
    }
    let words: Vec<String> = new.iter().map(|w| say::word(w)).collect();
    let message = format!(
        "{} runs {} when it is installed, which {} did not have",
        say::release(&package.id),
        say::list(&words, 4),
        say::word(&previous.version)
    );
    Some(changed::observation(facts, package, previous, message, Level::Warn).with("scripts", say::texts(new)))
}
