//! The rules: each looks at the facts and says what it sees. One file a rule, one line in [`ALL`], one heading in
//! docs/RULES.md. A rule never decides: policy turns its level into a verdict.

mod age_unknown;
mod builds_from_source;
mod changed;
mod conduct;
mod config_override;
pub mod cooldown;
mod credentials;
mod dependency_confusion;
mod dormant_revival;
mod fix;
pub mod gate_tampering;
mod history_loss;
mod insecure_transport;
mod install_script;
mod lockfile_drift;
mod lockfile_poisoned;
mod malware;
mod named_by_tools;
mod new_dependency;
mod new_install_script;
mod new_package;
mod non_registry_source;
mod opaque;
mod outside_write;
mod persistence;
mod places;
mod privilege;
mod provenance_lost;
mod publish;
mod publisher_changed;
mod range_admits_bad;
mod release_burst;
mod remote_code;
mod safety_flag;
mod say;
mod startup_hook;
mod typosquat;
mod unhashed;
mod unknown_package;
mod unpinned;
mod untrusted_host;
mod untrusted_registry;
mod untrusted_remote;
mod verdict;
mod vulnerability;
mod withdrawn;

use crate::advisories::Advisories;
use crate::gate::operation::Operation;
use crate::invocation::{Effect, Flag, Invocation};
use crate::model::{
    Category, Consent, Environment, Evidence, Files, Finding, Fix, Level, Location, Package, PackageId, PackageName,
    Plan, Timestamp, Value,
};
use crate::policy::{Policy, RuleInfo, RuleOption};

pub use crate::model::{Setting, SettingKind, SettingLayer};
pub use places::is_default as is_default_registry;
pub use verdict::{POLICY, judge, verdict};

/// Every rule, in the order of the contract's table.
pub static ALL: &[Rule] = &[
    malware::RULE,
    vulnerability::RULE,
    range_admits_bad::RULE,
    unknown_package::RULE,
    typosquat::RULE,
    new_package::RULE,
    dependency_confusion::RULE,
    non_registry_source::RULE,
    untrusted_registry::RULE,
    insecure_transport::RULE,
    cooldown::RULE,
    age_unknown::RULE,
    withdrawn::RULE,
    dormant_revival::RULE,
    release_burst::RULE,
    new_install_script::RULE,
    new_dependency::RULE,
    publisher_changed::RULE,
    provenance_lost::RULE,
    install_script::RULE,
    builds_from_source::RULE,
    startup_hook::RULE,
    unpinned::RULE,
    unhashed::RULE,
    lockfile_drift::RULE,
    lockfile_poisoned::RULE,
    safety_flag::RULE,
    config_override::RULE,
    opaque::RULE,
    gate_tampering::RULE,
    outside_write::RULE,
    privilege::RULE,
    persistence::RULE,
    history_loss::RULE,
    untrusted_host::RULE,
    untrusted_remote::RULE,
    publish::RULE,
    remote_code::RULE,
    credentials::RULE,
    named_by_tools::RULE,
];

/// The rules that look at what a command does beside installing: the table's last groups, from this one on.
fn of_commands() -> &'static [Rule] {
    let first = ALL.iter().position(|rule| rule.name == gate_tampering::RULE.name);
    ALL.get(first.unwrap_or_default()..).unwrap_or_default()
}

/// What stands against a command that brings nothing in: the rules that look at what else it does, under a policy. Costs
/// no registry and no advisory.
pub fn beside(
    operations: &[Operation],
    environment: &Environment,
    files: &dyn Files,
    policy: &Policy,
    said: Option<Said<'_>>,
) -> Vec<Finding> {
    let facts = Facts {
        invocations: &[],
        plan: &Plan::default(),
        settings: &[],
        workspace_names: &[],
        last_good: &|_| None,
        newest_good: &|_| None,
        next_best: &|_| None,
        near_names: &|_| Vec::new(),
        advisories: &NoAdvisories,
        as_of: None,
        policy,
        environment,
        operations,
        files,
        audit: false,
        said,
    };
    let mut findings = verdict::judge_by(&facts, of_commands());
    findings.retain(|f| f.rule != POLICY);
    findings
}

/// Whether any of these rules has something to say: asked before a policy is read.
pub fn concerns(operations: &[Operation], environment: &Environment, files: &dyn Files) -> bool {
    let looked_at = |o: &Operation| !matches!(o, Operation::Sets { name } if !name.starts_with("TIDEWAITER"));
    operations.iter().any(looked_at) && !beside(operations, environment, files, &Policy::default(), None).is_empty()
}

/// What is not asked.
struct NoAdvisories;

impl Advisories for NoAdvisories {
    fn find(&self, _: &PackageId, _: Option<Timestamp>) -> Vec<crate::advisories::Match> {
        Vec::new()
    }

    fn malicious_versions(&self, _: &PackageName, _: Option<Timestamp>) -> Vec<(String, String)> {
        Vec::new()
    }

    fn coverage(&self) -> crate::advisories::Coverage {
        crate::advisories::Coverage::default()
    }
}

/// What policy has to know of every rule.
pub fn infos() -> Vec<RuleInfo> {
    ALL.iter().map(Rule::info).collect()
}

/// The rule of this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter().find(|r| r.name == name)
}

/// The rules whose `ask` a classifier may lower, each with the least that the user must have agreed to. What is not
/// listed stands: malware, digests that do not match, impersonation, a sudden change of hands, the gate's own files.
pub static SOFT: &[(&str, Consent)] = &[
    ("vulnerability", Consent::Version),
    ("new-package", Consent::Risk),
    ("non-registry-source", Consent::Package),
    ("cooldown", Consent::Version),
    ("age-unknown", Consent::Package),
    ("withdrawn", Consent::Version),
    ("dormant-revival", Consent::Version),
    ("install-script", Consent::Package),
    ("builds-from-source", Consent::Package),
    ("unpinned", Consent::Package),
];

/// The least consent with which a classifier may lower a rule's `ask`; `None` when nothing lowers it.
pub fn soft(rule: &str) -> Option<Consent> {
    SOFT.iter().find(|(name, _)| *name == rule).map(|(_, consent)| *consent)
}

/// What was said in an agent's session, where that is known.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The user's messages.
    pub messages: &'a [String],
    /// What tools printed.
    pub printed: &'a str,
}

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
    /// The newest clean release older than this one, for fixes: the smallest step back. `None` when there is none, or
    /// the registry cannot be asked. A clean release exists, is not withdrawn, is old enough, and nothing affects it.
    pub last_good: &'a dyn Fn(&PackageId) -> Option<String>,
    /// The newest clean release of the same package: what would be cleared today.
    pub newest_good: &'a dyn Fn(&PackageId) -> Option<String>,
    /// The newest release older than this one and old enough for the cooldown, whatever is known of it: what a
    /// resolver would fall back to. `None` when there is none, or the registry cannot be asked.
    pub next_best: &'a dyn Fn(&PackageId) -> Option<String>,
    /// Existing names near to one that does not exist.
    pub near_names: &'a dyn Fn(&PackageName) -> Vec<String>,
    /// The advisories.
    pub advisories: &'a dyn Advisories,
    /// `--as-of`: advisories published later do not exist yet.
    pub as_of: Option<Timestamp>,
    /// The policy.
    pub policy: &'a Policy,
    /// Clock, platform, variables.
    pub environment: &'a Environment,
    /// What the commands or the edits do beside installing.
    pub operations: &'a [Operation],
    /// The disk.
    pub files: &'a dyn Files,
    /// Whether manifests and lockfiles are judged without a command: `audit`.
    pub audit: bool,
    /// What was said in the agent's session.
    pub said: Option<Said<'a>>,
}

impl<'a> Facts<'a> {
    /// The commands that bring something in: what the others are told weakens nothing.
    fn installing(&self) -> impl Iterator<Item = &'a Invocation> + use<'a> {
        self.invocations.iter().filter(|i| i.effect != Effect::Nothing)
    }

    /// The flags of [`Facts::installing`].
    fn flags(&self) -> impl Iterator<Item = &'a Flag> + use<'a> {
        self.installing().flat_map(|i| &i.flags)
    }
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
    /// The policy value behind `at_least`, when it is another than the rule's level.
    pub because: Option<Location>,
    /// The lighter level of a lighter case (an unmaintained crate, a full commit of a trusted remote): a ceiling.
    pub at_most: Option<Level>,
}

impl Observation {
    /// An observation that only says something.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            package: None,
            message: message.into(),
            evidence: Evidence::new(),
            location: None,
            fix: None,
            at_least: None,
            because: None,
            at_most: None,
        }
    }

    /// About a package of the plan, at the place of the requirement that brought it in.
    #[must_use]
    pub fn about(mut self, package: &Package) -> Self {
        self.package = Some(package.id.clone());
        self.location = Some(package.origin.location.clone());
        self
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, location: &Location) -> Self {
        self.location = Some(location.clone());
        self
    }

    /// With a fact behind the message.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name, value.into());
        self
    }

    /// With the way out.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fix = fix.into();
        self
    }

    /// With a floor.
    #[must_use]
    pub fn at_least(mut self, level: Level) -> Self {
        self.at_least = Some(level);
        self
    }

    /// With a ceiling.
    #[must_use]
    pub fn at_most(mut self, level: Level) -> Self {
        self.at_most = Some(level);
        self
    }
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
    /// What its line of policy takes beside the level.
    pub options: &'static [RuleOption],
    /// The look itself.
    pub look: fn(&Facts<'_>) -> Vec<Observation>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("default", &self.default).finish_non_exhaustive()
    }
}

impl Rule {
    /// What policy has to know of it.
    pub const fn info(&self) -> RuleInfo {
        RuleInfo {
            name: self.name,
            default: self.default,
            takes_hold: matches!(self.default, Level::Hold),
            about: self.about,
            options: self.options,
        }
    }
}
