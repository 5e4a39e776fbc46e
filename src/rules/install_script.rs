//! `install-script`: npm packages that run code at install go in and come out; those that no lockfile knows are asked
//! about.

use super::{Facts, Observation, Rule, fix, say};
use crate::invocation::{Invocation, Tool};
use crate::model::{Category, Ecosystem, Execution, Fix, FixKind, Level, LockState, Package, Source};
use crate::policy::{OptionKind, RuleOption};

const UNLOCKED: RuleOption = RuleOption {
    key: "unlocked",
    about: "what a package outside the lockfile gets: `level` (the rule's level), or at least `ask`",
    kind: OptionKind::Choice { words: &["level", "ask"], default: "ask" },
};

/// The rule.
pub const RULE: Rule = Rule {
    name: "install-script",
    default: Level::Note,
    category: Category::ExecutesCode,
    about: "The package runs code of its own while it is installed.",
    options: &[UNLOCKED],
    look,
};

/// The tools that take `--ignore-scripts`.
const TOOLS: &[Tool] = &[Tool::Npm, Tool::Pnpm, Tool::Yarn, Tool::Bun];

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let skipped = scripts_are_skipped(facts.invocations);
    facts.plan.packages.iter().filter_map(|p| observe(facts, p, skipped)).collect()
}

/// Whether every command that could run scripts was told not to.
pub(super) fn scripts_are_skipped(invocations: &[Invocation]) -> bool {
    let told = |i: &Invocation| {
        i.flag("--ignore-scripts").is_some_and(|f| f.effect == crate::invocation::FlagEffect::Strengthens)
    };
    let mut npm = invocations.iter().filter(|i| i.tool.ecosystem() == Some(Ecosystem::Npm)).peekable();
    npm.peek().is_some() && npm.all(told)
}

/// The scripts of a package, as words.
fn scripts(package: &Package) -> Vec<&str> {
    let runs = |e: &&Execution| {
        matches!(e, Execution::LifecycleScript(_) | Execution::NodeGyp | Execution::InstallScript | Execution::ToolHook)
    };
    package.executes.iter().filter(runs).map(Execution::word).collect()
}

fn observe(facts: &Facts<'_>, package: &Package, skipped: bool) -> Option<Observation> {
    let scripts = scripts(package);
    // The project's own scripts are the user's code.
    if scripts.is_empty() || matches!(package.source, Source::Workspace { .. }) {
        return None;
    }
    let words: Vec<String> = scripts.iter().map(|s| say::word(s)).collect();
    let what = match words.as_slice() {
        [one] if one == "install-script" => "an install script".to_owned(),
        _ => say::list(&words, 4),
    };
    let name = say::package(package);
    let hook = package.executes.contains(&Execution::ToolHook);
    let skipped = skipped && !hook;
    let message = if hook {
        format!("{name} is a configuration dependency: pnpm itself runs its {what}")
    } else if skipped {
        format!("{name} has {what}, which --ignore-scripts leaves out")
    } else {
        format!("{name} runs {what} when it is installed")
    };
    let mut observation = Observation::new(message)
        .about(package)
        .with("scripts", say::texts(scripts))
        .with("locked", package.lock != LockState::Unlocked);
    if skipped {
        return Some(observation.at_most(Level::Note));
    }
    let unlocked = facts.policy.choice(RULE.name, &UNLOCKED);
    if package.lock == LockState::Unlocked && unlocked.value == "ask" {
        observation = observation.at_least(Level::Ask);
        observation.because = Some(unlocked.location);
    }
    let text = "install with --ignore-scripts, and run this package's script only when you know what it does";
    let command = fix::add_flag(facts, TOOLS, "--ignore-scripts");
    Some(observation.fix(Fix { kind: FixKind::Other, text: text.to_owned(), command }))
}
