//! `startup-hook`: packages whose wheels plant code into every start of the interpreter go in and come out.

use super::{Facts, Observation, Rule, fix, say};
use crate::model::{Category, Execution, Level, Package};

/// The rule.
pub const RULE: Rule = Rule {
    name: "startup-hook",
    default: Level::Ask,
    category: Category::ExecutesCode,
    about: "A wheel ships a .pth file, sitecustomize or usercustomize: code that runs at every start of the interpreter, imported or not.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    facts.plan.packages.iter().filter_map(observe).collect()
}

fn observe(package: &Package) -> Option<Observation> {
    if package.executes.contains(&Execution::StartupHook) {
        return Some(unknown(package));
    }
    package.executes.contains(&Execution::KnownStartupHook).then(|| known(package))
}

/// A few projects have always done it. That they still do is worth a note; that the bytes are the same is what was held
/// against the table of [`crate::ecosystem::python::startup`].
fn known(package: &Package) -> Observation {
    let message = format!(
        "{} has a .pth file that runs at every start of the interpreter, the same that this project is known to ship",
        say::package(package)
    );
    Observation::new(message)
        .about(package)
        .at_most(Level::Note)
        .with("known", true)
        .with("locked", package.lock != crate::model::LockState::Unlocked)
}

fn unknown(package: &Package) -> Observation {
    let message = format!(
        "{} has a .pth file or sitecustomize, which can run at every start of the interpreter",
        say::package(package)
    );
    Observation::new(message)
        .about(package)
        .fix(fix::advice("look at the file before you install it: editable installs need one, libraries rarely do"))
        .with("locked", package.lock != crate::model::LockState::Unlocked)
}
