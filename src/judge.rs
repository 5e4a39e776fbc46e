//! The pipeline in one place: commands, or the manifests and lockfiles of a tree, become a [`Judgement`].
//!
//! In go plain values and four seams (files, registries, advisories, policy); out comes what would come in, what is
//! wrong with it, and the verdict. Nothing here touches the disk, the network or the clock by itself.

use std::sync::Arc;

use crate::advisories::Coverage;
use crate::invocation::Invocation;
use crate::model::{Category, Environment, Finding, InterpreterFacts, Plan, Setting, Verdict};
use crate::registry::{CrateIndex, NpmRegistry, PythonIndex};

/// How the command reached this program: `command.via` of the verdict document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `check -- CMD…`
    Argv,
    /// `check --shell 'TEXT'`
    Shell,
    /// A PATH shim.
    Shim,
    /// An agent host's hook.
    Hook,
}

impl Via {
    /// `argv`, `shell`, `shim`, `hook`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Argv => "argv",
            Self::Shell => "shell",
            Self::Shim => "shim",
            Self::Hook => "hook",
        }
    }
}

/// What was judged.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A command.
    Command {
        /// The words.
        argv: Vec<String>,
        /// Where it would run.
        cwd: String,
        /// The tool's name.
        tool: &'static str,
        /// The canonical verb.
        verb: String,
        /// How it got here.
        via: Via,
    },
    /// Manifests and lockfiles, relative to the working directory where they are below it.
    Audit {
        /// The files that were read.
        files: Vec<String>,
    },
}

/// Everything a renderer may show.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What was judged.
    pub subject: Subject,
    /// What would come in.
    pub plan: Plan,
    /// What the rules saw, worst first.
    pub findings: Vec<Finding>,
    /// The answer.
    pub verdict: Verdict,
    /// What the advisories cover.
    pub coverage: Coverage,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Judgement {
    /// The category of the worst finding; benign when nothing stands against it.
    pub fn category(&self) -> Category {
        self.findings.iter().find(|f| f.level.verdict() != Verdict::Allow).map_or(Category::Benign, |f| f.category)
    }

    /// The command as a line to paste, quoted for a POSIX shell; `None` for an audit.
    pub fn command_text(&self) -> Option<String> {
        match &self.subject {
            Subject::Command { argv, .. } => Some(crate::model::shell_line(argv)),
            Subject::Audit { .. } => None,
        }
    }
}

/// The registries and the interpreter as one command would use them. Each is connected on the first call, so that a
/// judgement that needs none of them pays for none.
pub trait World {
    /// The Python indexes, as flags, environment and configuration name them.
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Arc<dyn PythonIndex>;
    /// The npm registries.
    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Arc<dyn NpmRegistry>;
    /// The Cargo registries.
    fn crates(&self, invocation: &Invocation, environment: &Environment) -> Arc<dyn CrateIndex>;
    /// The interpreter that would receive the packages.
    fn interpreter(&self, invocation: &Invocation, environment: &Environment) -> InterpreterFacts;
    /// Every setting that had a say in the calls so far, for the rules.
    fn settings(&self) -> Vec<Setting>;
}
