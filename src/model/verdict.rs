//! Levels, findings and verdicts: what the rules say and how it adds up.

use std::collections::BTreeMap;

use super::{Location, PackageId};

/// The answer. A lattice: every combination takes the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// Nothing stands against it.
    #[default]
    Allow,
    /// A person decides.
    Ask,
    /// It must not happen.
    Deny,
}

impl Verdict {
    /// `allow`, `ask`, `deny`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// Reads [`Verdict::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Allow, Self::Ask, Self::Deny].into_iter().find(|v| v.word() == word)
    }

    /// The exit status of what only judges: 0, 10, 20.
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Ask => 10,
            Self::Deny => 20,
        }
    }
}

/// A rule's level after policy. Order is severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The rule does not run.
    Off,
    /// Shown on request.
    Note,
    /// Always shown, clears.
    Warn,
    /// `cooldown` only: the young release is left out of the resolution; where it cannot be, [`Level::Ask`].
    Hold,
    /// A person decides.
    Ask,
    /// Refused.
    Deny,
}

impl Level {
    /// The word in policy files and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Hold => "hold",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// Reads [`Level::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Off, Self::Note, Self::Warn, Self::Hold, Self::Ask, Self::Deny].into_iter().find(|l| l.word() == word)
    }

    /// What a finding of this level means for the verdict.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Off | Self::Note | Self::Warn => Verdict::Allow,
            Self::Hold | Self::Ask => Verdict::Ask,
            Self::Deny => Verdict::Deny,
        }
    }
}

/// What a finding is about (contract.md §3, the closed list).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words are the contract's own")]
pub enum Category {
    KnownMalware,
    Vulnerable,
    SuspiciousRelease,
    Impersonation,
    UntrustedSource,
    Unpinned,
    ExecutesCode,
    ScopeEscalation,
    UntrustedInfrastructure,
    PromptInjection,
    GateTampering,
    Benign,
}

impl Category {
    /// Every category, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::KnownMalware,
        Self::Vulnerable,
        Self::SuspiciousRelease,
        Self::Impersonation,
        Self::UntrustedSource,
        Self::Unpinned,
        Self::ExecutesCode,
        Self::ScopeEscalation,
        Self::UntrustedInfrastructure,
        Self::PromptInjection,
        Self::GateTampering,
        Self::Benign,
    ];

    /// Reads [`Category::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.word() == word)
    }

    /// The word in documents: `known-malware`, …
    pub const fn word(self) -> &'static str {
        match self {
            Self::KnownMalware => "known-malware",
            Self::Vulnerable => "vulnerable",
            Self::SuspiciousRelease => "suspicious-release",
            Self::Impersonation => "impersonation",
            Self::UntrustedSource => "untrusted-source",
            Self::Unpinned => "unpinned",
            Self::ExecutesCode => "executes-code",
            Self::ScopeEscalation => "scope-escalation",
            Self::UntrustedInfrastructure => "untrusted-infrastructure",
            Self::PromptInjection => "prompt-injection",
            Self::GateTampering => "gate-tampering",
            Self::Benign => "benign",
        }
    }
}

/// A typed value in a finding's evidence. Text may come from an attacker: renderers escape it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A fraction, e.g. a CVSS score.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Integer(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Flag(b)
    }
}
impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

/// A finding's evidence: names to typed values, ordered by name.
pub type Evidence = BTreeMap<&'static str, Value>;

/// What kind of way out a [`Fix`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FixKind {
    /// Use this version instead.
    Version,
    /// Leave a flag out.
    DropFlag,
    /// Write an exact version at a file and line.
    Pin,
    /// Another name was probably meant.
    Rename,
    /// Wait until a time.
    Wait,
    /// Anything else: an edit, a policy line.
    Other,
}

impl FixKind {
    /// The word in documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::DropFlag => "drop-flag",
            Self::Pin => "pin",
            Self::Rename => "rename",
            Self::Wait => "wait",
            Self::Other => "other",
        }
    }
}

/// The way out of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What kind.
    pub kind: FixKind,
    /// For people, one line: `use litellm 1.82.6, the newest version that would be cleared`.
    pub text: String,
    /// A command to paste, when one line does it.
    pub command: Option<String>,
}

/// One thing a rule saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule's name: `malware`.
    pub rule: &'static str,
    /// Its level after policy and exceptions.
    pub level: Level,
    /// What it is about.
    pub category: Category,
    /// The release it is about, if it is about one.
    pub package: Option<PackageId>,
    /// For people, one line without a full stop.
    pub message: String,
    /// The typed facts behind the message.
    pub evidence: Evidence,
    /// Where the cause stands.
    pub location: Option<Location>,
    /// The way out.
    pub fix: Option<Fix>,
    /// The policy value that set `level`.
    pub policy: Location,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_and_levels_are_ordered() {
        assert!(Verdict::Allow < Verdict::Ask && Verdict::Ask < Verdict::Deny);
        for pair in [Level::Off, Level::Note, Level::Warn, Level::Hold, Level::Ask, Level::Deny].windows(2) {
            assert!(pair[0] < pair[1] && pair[0].verdict() <= pair[1].verdict());
        }
        assert_eq!(Level::from_word("hold"), Some(Level::Hold));
        assert_eq!(Level::from_word("Deny"), None);
    }
}
