//! The rules: each looks at the facts and says what it sees. One file a rule, one line in [`ALL`], one heading in
//! docs/RULES.md. A rule never decides: policy turns its level into a verdict.

use crate::advisories::Advisories;
use crate::invocation::Invocation;
use crate::model::{Category, Environment, Evidence, Fix, Level, Location, PackageId, PackageName, Plan};
use crate::policy::Policy;

pub use crate::model::{Setting, SettingKind, SettingLayer};

/// Everything a rule may look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The commands; empty for an audit.
    pub invocations: &'a [Invocation],
    /// The plan.
    pub plan: &'a Plan,
    /// Registry, tool and build settings found while the plan was made.
    pub settings: &'a [Setting],
    /// Names of the workspace's own packages.
    pub workspace_names: &'a [PackageName],
    /// The newest version that existed, old enough, and is not known bad, for a package: for fixes.
    pub last_good: &'a dyn Fn(&PackageId) -> Option<String>,
    /// Existing names near to one that does not exist.
    pub near_names: &'a dyn Fn(&PackageName) -> Vec<String>,
    /// The advisories.
    pub advisories: &'a dyn Advisories,
    /// The policy.
    pub policy: &'a Policy,
    /// Clock, platform, variables.
    pub environment: &'a Environment,
    /// Whether manifests and lockfiles are judged without a command: `audit`.
    pub audit: bool,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("invocations", &self.invocations)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// What a rule saw, before policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The release concerned.
    pub package: Option<PackageId>,
    /// One line, lower case, no full stop.
    pub message: String,
    /// Typed facts.
    pub evidence: Evidence,
    /// Where the cause stands.
    pub location: Option<Location>,
    /// The way out.
    pub fix: Option<Fix>,
    /// Use the rule's level (`None`), or its stricter one for this case (`vulnerability` from critical,
    /// `install-script` outside the lockfile): a floor that applies unless policy switched the rule off.
    pub at_least: Option<Level>,
}

/// A rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name in policy, documents and docs: kebab-case.
    pub name: &'static str,
    /// The level it has without policy.
    pub default: Level,
    /// What its findings are about.
    pub category: Category,
    /// One sentence for `policy explain`: what it looks at and why.
    pub about: &'static str,
    /// The look itself.
    pub look: fn(&Facts<'_>) -> Vec<Observation>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("default", &self.default).finish_non_exhaustive()
    }
}
