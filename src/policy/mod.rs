//! Policy: layers of TOML, each later one only tightening, each value knowing the line that set it.
//!
//! ```text
//! built-in → managed → user (and --policy FILE) → project
//!    text ──file──▶ PolicyFile (values with places) ──layers──▶ Policy
//! ```
//!
//! A later layer may tighten freely. It may loosen only what the layers above leave to it:
//!
//! - what only the built-in defaults set: the managed and the user layer may, the project may not;
//! - what the managed file sets: nobody below, unless its `[delegate]` names it, and then the user;
//! - the project: what the user's own `[delegate]` names, as far as the managed file leaves it to the user.
//!
//! So nothing in a project's directory widens what its user's own policy allows. A loosening that is not permitted is
//! ignored and reported. A file that cannot be read or understood stops every install ([`Policy::faults`]).

mod describe;
mod file;
mod layers;
mod load;
mod pattern;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ecosystem::popular;
use crate::model::{Diagnostic, Level, Location, PackageId, PackageName, Timestamp};

pub use describe::{Explained, Shown, explain, show};
pub use load::{Elsewhere, Loaded, Origin, load, load_from, load_layers, managed_path, project_paths, user_path};
pub use pattern::{HostPattern, NamePattern, PackagePattern, RegistryPrefix, RemotePattern, registry_url};
pub use template::init;

/// A value and the place that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued<T> {
    /// The value.
    pub value: T,
    /// What set it: a file's line, or [`Location::built_in`].
    pub location: Location,
}

impl<T> Valued<T> {
    /// A default compiled into the program.
    pub fn built_in(value: T) -> Self {
        Self { value, location: Location::built_in() }
    }
}

/// Where a policy comes from. Order is authority: an earlier layer's word binds the later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The defaults of the rules.
    BuiltIn,
    /// The machine's administrator: `/etc/tidewaiter/policy.toml`.
    Managed,
    /// The user's own file, and `--policy FILE`.
    User,
    /// `tidewaiter.toml` of the project.
    Project,
}

impl Layer {
    /// `built-in`, `managed`, `user`, `project`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Managed => "managed",
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an option of a rule holds, and which way is tighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// A number of days; more is tighter.
    Days {
        /// Without policy.
        default: u32,
    },
    /// One word of a list.
    Choice {
        /// The words, loosest first.
        words: &'static [&'static str],
        /// Without policy; one of `words`.
        default: &'static str,
    },
    /// Package names that the rule leaves alone, as globs; more is looser. Empty without policy.
    Names,
}

/// An option that a rule takes beside its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOption {
    /// Its key: `days`.
    pub key: &'static str,
    /// One sentence for `policy explain`.
    pub about: &'static str,
    /// Its values.
    pub kind: OptionKind,
}

/// What policy has to know of a rule. The list of them is given to the loader: policy does not know the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its name: kebab-case.
    pub name: &'static str,
    /// Its level without policy.
    pub default: Level,
    /// Whether `hold` is a level of it.
    pub takes_hold: bool,
    /// What it looks at and why, one sentence.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [RuleOption],
}

/// The value of a rule's option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// Of [`OptionKind::Days`].
    Days(u32),
    /// Of [`OptionKind::Choice`].
    Choice(&'static str),
    /// Of [`OptionKind::Names`]: each with its own place.
    Names(Vec<Valued<NamePattern>>),
}

/// A dated exception (`[[allow]]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The releases it covers.
    pub package: PackagePattern,
    /// The rule it lifts.
    pub rule: &'static str,
    /// Why, in its author's words.
    pub reason: String,
    /// From this moment on it is not honoured. A date in the file means the end of that day, UTC.
    pub expires: Timestamp,
    /// The layer it comes from.
    pub layer: Layer,
    /// Where it stands.
    pub location: Location,
}

/// Who answers when the rules ask (`[classifier]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClassifierKind {
    /// Nobody beside the rules.
    Rules,
    /// Anthropic's API.
    Anthropic,
    /// OpenAI's API, or one that speaks it.
    OpenAi,
    /// A program.
    Command,
}

impl ClassifierKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [Self; 4] = [Self::Rules, Self::Anthropic, Self::OpenAi, Self::Command];

    /// `rules`, `anthropic`, `openai`, `command`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Command => "command",
        }
    }
}

/// Which of OpenAI's two APIs is spoken (`classifier.api`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Chat Completions: what servers of one's own speak.
    Chat,
    /// Responses.
    Responses,
}

impl Api {
    /// `chat`, `responses`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
        }
    }
}

/// What a million tokens cost, in millionths of a dollar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Read.
    pub input: Option<Valued<u64>>,
    /// Written.
    pub output: Option<Valued<u64>>,
    /// Read from the provider's cache.
    pub cache_read: Option<Valued<u64>>,
    /// Put into it.
    pub cache_write: Option<Valued<u64>>,
}

/// `[classifier]`. A project has no say in any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classifier {
    /// Which.
    pub kind: Valued<ClassifierKind>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Valued<u32>,
    /// The model's name at its provider.
    pub model: Option<Valued<String>>,
    /// Where the API is, without a path of its own: `https://api.anthropic.com`, `http://127.0.0.1:11434/v1`.
    pub base_url: Option<Valued<String>>,
    /// Which API, for the kind `openai`.
    pub api: Valued<Api>,
    /// The variable that holds the key.
    pub key_env: Option<Valued<String>>,
    /// The program that prints the key, and its arguments.
    pub key_command: Option<Valued<Vec<String>>>,
    /// The program that judges, and its arguments, for the kind `command`.
    pub command: Option<Valued<Vec<String>>>,
    /// 2: a pass for harm alone goes first. 1: it does not.
    pub stages: Valued<u32>,
    /// What a million tokens cost.
    pub prices: Prices,
}

/// What the sandbox lets an installer reach (`sandbox.network`). Order is looser first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Anything.
    Open,
    /// Only the gateway.
    Gateway,
}

impl Network {
    /// `open`, `gateway`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Gateway => "gateway",
        }
    }
}

/// What the user's own program may do that a command builds and then runs (`sandbox.programs`): `cargo run`, `cargo
/// test`. Order is looser first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Programs {
    /// What the user may.
    Open,
    /// What the code of packages may while it is built.
    Contained,
}

impl Programs {
    /// `open`, `contained`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Contained => "contained",
        }
    }
}

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// What it may reach.
    pub network: Valued<Network>,
    /// What a program may do that is built and then run.
    pub programs: Valued<Programs>,
    /// Where it may write, beside the tool's own caches and the target environment; as written.
    pub write: Valued<Vec<String>>,
    /// What it cannot read, beside the credentials that it never can; as written, by any layer.
    pub read_deny: Valued<Vec<String>>,
    /// What a machine without a sandbox means: [`Level::Warn`], [`Level::Ask`] or [`Level::Deny`].
    pub on_unavailable: Valued<Level>,
}

/// `[agent]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Whether an agent may be cleared without a person. Only the managed layer can say yes.
    pub auto: Valued<bool>,
    /// So many refusals in a row stop the automatic clearing.
    pub denials_in_a_row: Valued<u32>,
    /// So many refusals in all stop the automatic clearing.
    pub denials_in_all: Valued<u32>,
}

/// What became of a value that a layer asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is, or was until a later layer, the effective value.
    Applied,
    /// It is what held already.
    Same,
    /// Not honoured; why, for people.
    Ignored(String),
}

/// One value that one layer asked for, for `policy explain` and `policy show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `rules.cooldown.days`, `trust.registries`, …
    pub key: String,
    /// The value as text.
    pub value: String,
    /// Who.
    pub layer: Layer,
    /// Where.
    pub location: Location,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the layers say of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RuleState {
    level: Option<Valued<Level>>,
    options: BTreeMap<&'static str, Valued<OptionValue>>,
}

/// The effective policy. [`Policy::default`] is the built-in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rules: BTreeMap<&'static str, RuleState>,
    /// What an unreachable feed, registry or judge means: [`Level::Warn`], [`Level::Ask`] or [`Level::Deny`].
    pub on_unavailable: Valued<Level>,
    /// The exceptions that are honoured, in the order of the layers.
    pub exceptions: Vec<Exception>,
    /// The exceptions whose date has passed: reported, not honoured.
    pub expired: Vec<Exception>,
    /// Registries that the user trusts.
    pub registries: Vec<Valued<RegistryPrefix>>,
    /// Names that belong to private registries, by the word of any layer: claiming one can only refuse more.
    pub private_names: Vec<Valued<NamePattern>>,
    /// Git remotes that the user trusts.
    pub git_remotes: Vec<Valued<RemotePattern>>,
    /// Hosts and buckets that the user trusts.
    pub hosts: Vec<Valued<HostPattern>>,
    /// Who answers when the rules ask.
    pub classifier: Classifier,
    /// What installers may touch.
    pub sandbox: Sandbox,
    /// What agents may do alone.
    pub agent: Agent,
    /// Files that could not be read or understood. Not empty: nothing may be installed.
    pub faults: Vec<Diagnostic>,
    /// What was ignored, shadowed or is unwise in the layers.
    pub warnings: Vec<Diagnostic>,
    /// Everything that every layer asked for, in order.
    pub steps: Vec<Step>,
    own_private_names: Vec<Valued<NamePattern>>,
    set_by_managed: BTreeSet<String>,
    delegated_by_managed: BTreeSet<String>,
    delegated_by_user: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rules: BTreeMap::new(),
            on_unavailable: Valued::built_in(Level::Ask),
            exceptions: Vec::new(),
            expired: Vec::new(),
            registries: Vec::new(),
            private_names: Vec::new(),
            git_remotes: Vec::new(),
            hosts: Vec::new(),
            classifier: Classifier {
                kind: Valued::built_in(ClassifierKind::Rules),
                timeout_ms: Valued::built_in(8000),
                model: None,
                base_url: None,
                api: Valued::built_in(Api::Chat),
                key_env: None,
                key_command: None,
                command: None,
                stages: Valued::built_in(2),
                prices: Prices::default(),
            },
            sandbox: Sandbox {
                network: Valued::built_in(Network::Gateway),
                programs: Valued::built_in(Programs::Open),
                write: Valued::built_in(vec![".".to_owned()]),
                read_deny: Valued::built_in(Vec::new()),
                on_unavailable: Valued::built_in(Level::Warn),
            },
            agent: Agent {
                auto: Valued::built_in(false),
                denials_in_a_row: Valued::built_in(3),
                denials_in_all: Valued::built_in(20),
            },
            faults: Vec::new(),
            warnings: Vec::new(),
            steps: Vec::new(),
            own_private_names: Vec::new(),
            set_by_managed: BTreeSet::new(),
            delegated_by_managed: BTreeSet::new(),
            delegated_by_user: BTreeSet::new(),
        }
    }
}

impl Policy {
    /// The level of a rule: the layers' word, or the rule's default.
    pub fn level(&self, rule: &RuleInfo) -> Valued<Level> {
        match self.rules.get(rule.name).and_then(|state| state.level.as_ref()) {
            Some(level) => level.clone(),
            None => Valued::built_in(rule.default),
        }
    }

    /// The value of a rule's option: the layers' word, or the option's default.
    pub fn option(&self, rule: &str, option: &RuleOption) -> Valued<OptionValue> {
        match self.rules.get(rule).and_then(|state| state.options.get(option.key)) {
            Some(value) => value.clone(),
            None => Valued::built_in(match option.kind {
                OptionKind::Days { default } => OptionValue::Days(default),
                OptionKind::Choice { default, .. } => OptionValue::Choice(default),
                OptionKind::Names => OptionValue::Names(Vec::new()),
            }),
        }
    }

    /// The number of days of an option of kind [`OptionKind::Days`].
    pub fn days(&self, rule: &str, option: &RuleOption) -> Valued<u32> {
        let set = self.option(rule, option);
        let days = match (&set.value, option.kind) {
            (OptionValue::Days(days), _) => *days,
            (_, OptionKind::Days { default }) => default,
            _ => 0,
        };
        Valued { value: days, location: set.location }
    }

    /// The word of an option of kind [`OptionKind::Choice`].
    pub fn choice(&self, rule: &str, option: &RuleOption) -> Valued<&'static str> {
        let set = self.option(rule, option);
        let word = match (&set.value, option.kind) {
            (OptionValue::Choice(word), _) => *word,
            (_, OptionKind::Choice { default, .. }) => default,
            _ => "",
        };
        Valued { value: word, location: set.location }
    }

    /// The place of the pattern of an option of kind [`OptionKind::Names`] that matches a name.
    pub fn names(&self, rule: &str, option: &RuleOption, name: &PackageName) -> Option<Location> {
        match self.rules.get(rule)?.options.get(option.key).map(|o| &o.value) {
            Some(OptionValue::Names(patterns)) => {
                patterns.iter().find(|p| p.value.matches(name)).map(|p| p.location.clone())
            }
            _ => None,
        }
    }

    /// The first honoured exception that lifts a rule for a release.
    pub fn exception(&self, rule: &str, package: &PackageId) -> Option<&Exception> {
        self.exceptions.iter().find(|e| e.rule == rule && e.package.matches(package))
    }

    /// The place that trusts a registry, an index or an artifact's URL.
    pub fn trusts_registry(&self, url: &str) -> Option<&Location> {
        let url = registry_url(url)?;
        self.registries.iter().find(|r| r.value.covers(&url)).map(|r| &r.location)
    }

    /// The place that claims a name for private registries.
    pub fn private_name(&self, name: &PackageName) -> Option<&Location> {
        self.private_names.iter().find(|p| p.value.matches(name)).map(|p| &p.location)
    }

    /// The same, by the word of the managed and user layers alone: a project cannot take a name out of the reach of
    /// the public advisories by claiming it.
    pub fn own_private_name(&self, name: &PackageName) -> Option<&Location> {
        self.own_private_names.iter().find(|p| p.value.matches(name)).map(|p| &p.location)
    }

    /// The place that trusts a git remote.
    pub fn trusts_remote(&self, url: &str) -> Option<&Location> {
        self.git_remotes.iter().find(|p| p.value.matches(url)).map(|p| &p.location)
    }

    /// The place that trusts a host, or a bucket with its scheme.
    pub fn trusts_host(&self, host: &str) -> Option<&Location> {
        self.hosts.iter().find(|p| p.value.matches(host)).map(|p| &p.location)
    }

    /// Everything in the layers that deserves a look: [`Policy::warnings`], and exceptions whose date has passed.
    pub fn notices(&self) -> Vec<Diagnostic> {
        let expired = self.expired.iter().map(|e| {
            let package = crate::model::printable(e.package.text(), 120);
            let message = format!("the exception for `{package}` from `{}` expired at {}", e.rule, e.expires);
            Diagnostic::new(e.location.clone(), message).with_hint("renew its date or remove it")
        });
        self.warnings.iter().cloned().chain(expired).collect()
    }

    /// Whether a layer may loosen a value: see the module's text.
    fn may_loosen(&self, key: &str, layer: Layer) -> bool {
        let left_by_managed = !self.set_by_managed.contains(key) || self.delegated_by_managed.contains(key);
        match layer {
            Layer::BuiltIn | Layer::Managed => true,
            Layer::User => left_by_managed,
            Layer::Project => left_by_managed && self.delegated_by_user.contains(key),
        }
    }
}

/// The candidate that a mistyped word was probably meant to be: at most two edits, or a third of its length, away.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|c| Some((popular::distance(word, c, (c.len() / 3).max(2))?, c)))
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_words_find_their_neighbour() {
        let rules = ["malware", "cooldown", "install-script", "unhashed"];
        assert_eq!(nearest("malwares", rules), Some("malware"));
        assert_eq!(nearest("cool-down", rules), Some("cooldown"));
        assert_eq!(nearest("install_scripts", rules), Some("install-script"));
        assert_eq!(nearest("zebra", rules), None);
        assert_eq!(nearest(&"x".repeat(1000), rules), None);
    }
}
