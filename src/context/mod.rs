//! What a judge may see: a judgement reduced to typed facts, schema `tidewaiter.context/1` (docs/schema/context-1.json).
//!
//! ```text
//! Judgement, files, Transcript ──admit──▶ Context ──▶ one JSON object, ASCII
//! ```
//!
//! Numbers, flags and closed words; names, versions, hosts and ids that their own grammar allows; the command's own
//! words and the user's own messages. Never a description, a README, an author, a script's body, what a tool printed or
//! what an assistant wrote. What its grammar does not allow stands as an id of this program's, and is reported. Every
//! list and every text has a cap, and says how much it left out.

pub mod admit;
mod build;
mod delta;
pub mod messages;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::invocation::Invocation;
use crate::judge::Judgement;
use crate::model::{Digest, Environment, Files};
use crate::policy::Policy;
pub use messages::{Naming, Transcript};

/// The name and version of the schema.
pub const SCHEMA: &str = "tidewaiter.context/1";

/// How much of each list and text is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Entries of each list that is not named here.
    pub list: usize,
    /// Findings.
    pub findings: usize,
    /// Packages with a finding.
    pub packages: usize,
    /// Entries of each list of the delta.
    pub delta: usize,
    /// Words of the command.
    pub words: usize,
    /// Characters of each word.
    pub word: usize,
    /// The user's messages.
    pub messages: usize,
    /// Characters of each message.
    pub message: usize,
}

impl Caps {
    /// For a classifier of this program's.
    pub const FULL: Self =
        Self { list: 24, findings: 24, packages: 24, delta: 16, words: 64, word: 240, messages: 12, message: 600 };

    /// Tighter sets for a host that takes only so many characters, each smaller than the one before. What the findings
    /// say and of which package goes last.
    const TIGHT: [Self; 9] = [
        Self::tight(4, 5, 3, 4, 12),
        Self::tight(3, 4, 2, 3, 12),
        Self::tight(2, 4, 2, 2, 12),
        Self::tight(1, 3, 1, 2, 12),
        Self::tight(0, 3, 1, 1, 8),
        Self::tight(0, 2, 1, 0, 6),
        Self::tight(0, 3, 0, 0, 6),
        Self::tight(0, 1, 0, 0, 4),
        Self::tight(0, 0, 0, 0, 0),
    ];

    const fn tight(list: usize, findings: usize, packages: usize, delta: usize, words: usize) -> Self {
        Self { list, findings, packages, delta, words, word: 40, messages: 0, message: 0 }
    }
}

/// Everything that a context is made from.
pub struct Sources<'a> {
    /// What was judged.
    pub judgement: &'a Judgement,
    /// Clock and directories.
    pub environment: &'a Environment,
    /// The disk, as it was judged.
    pub files: &'a dyn Files,
    /// For which registries are trusted.
    pub policy: &'a Policy,
    /// What a command's interpreter has, names and versions; asked for only where it is compared with.
    pub installed: &'a dyn Fn(&Invocation) -> Vec<(String, String)>,
    /// The user's messages; `None` when they are not known.
    pub transcript: Option<&'a Transcript>,
    /// Whether a file was changed in this agent session; `None` when that is not known.
    pub changed: &'a dyn Fn(&Path) -> Option<bool>,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("transcript", &self.transcript).finish_non_exhaustive()
    }
}

/// What a judge may see.
#[derive(Debug, Clone, Serialize)]
pub struct Context {
    schema: &'static str,
    verdict: &'static str,
    category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandFacts>,
    plan: PlanFacts,
    registries: Listed<RegistryFacts>,
    manifests: Listed<ManifestFacts>,
    requirements: Listed<RequirementFacts>,
    delta: DeltaFacts,
    packages: Listed<PackageFacts>,
    findings: Listed<FindingFacts>,
    held_back: Listed<HeldBackFacts>,
    unresolved: Listed<UnresolvedFacts>,
    signals_unavailable: Listed<SignalFacts>,
    replaced: Listed<Replaced>,
    advisories: AdvisoryFacts,
    messages: MessageFacts,
}

/// A list that was cut, and how long it was.
#[derive(Debug, Clone, Serialize)]
struct Listed<T> {
    count: usize,
    items: Vec<T>,
}

impl<T> Listed<T> {
    fn of(all: impl IntoIterator<Item = T>, most: usize) -> Self {
        let mut items: Vec<T> = all.into_iter().collect();
        let count = items.len();
        items.truncate(most);
        Self { count, items }
    }
}

#[derive(Debug, Clone, Serialize)]
struct CommandFacts {
    argv: Listed<String>,
    tool: &'static str,
    verb: String,
    via: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct PlanFacts {
    digest: String,
    complete: bool,
    packages: usize,
    direct: usize,
    run_code_at_install: usize,
    locked: usize,
    youngest_age_hours: Option<i64>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct RegistryFacts {
    host: Option<String>,
    default: bool,
    trusted: bool,
    set_by: &'static str,
    packages: usize,
}

#[derive(Debug, Clone, Serialize)]
struct ManifestFacts {
    kind: &'static str,
    role: &'static str,
    changed_in_session: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
struct RequirementFacts {
    id: String,
    package: String,
    version: String,
    pinning: &'static str,
    locked: bool,
    from: &'static str,
    named_by_user: &'static str,
    in_tool_output: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
struct DeltaFacts {
    against: &'static str,
    unchanged: usize,
    added: Listed<String>,
    changed: Listed<String>,
    removed: Listed<String>,
}

#[derive(Debug, Clone, Serialize)]
struct PackageFacts {
    id: String,
    ecosystem: &'static str,
    name: String,
    from: Option<String>,
    to: String,
    direct: bool,
    depth: u32,
    development: bool,
    locked: bool,
    source: SourceFacts,
    age_hours: Option<i64>,
    first_release_age_hours: Option<i64>,
    releases: Option<usize>,
    publisher_changed: Option<bool>,
    provenance: Option<bool>,
    previous_provenance: Option<bool>,
    withdrawn: bool,
    executes: Vec<&'static str>,
    advisories: Listed<String>,
    named_by_user: &'static str,
    in_tool_output: Option<bool>,
    #[serde(skip)]
    naming: Naming,
}

#[derive(Debug, Clone, Serialize)]
struct SourceFacts {
    kind: &'static str,
    host: Option<String>,
    default: bool,
}

#[derive(Debug, Clone, Serialize)]
struct FindingFacts {
    id: String,
    rule: &'static str,
    level: &'static str,
    category: &'static str,
    package: Option<String>,
    lowered_by_consent: Option<&'static str>,
    facts: BTreeMap<&'static str, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize)]
struct HeldBackFacts {
    name: String,
    version: String,
    instead: Option<String>,
    rule: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct UnresolvedFacts {
    name: Option<String>,
    cause: &'static str,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct SignalFacts {
    signal: &'static str,
    host: Option<String>,
}

/// A text that its grammar does not allow, and what stands for it.
#[derive(Debug, Clone, Serialize)]
struct Replaced {
    id: String,
    kind: &'static str,
    ecosystem: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct AdvisoryFacts {
    records: u64,
    stale: bool,
    age_hours: Option<i64>,
}

#[derive(Debug, Clone, Serialize)]
struct MessageFacts {
    known: bool,
    count: usize,
    items: Vec<Message>,
}

#[derive(Debug, Clone, Serialize)]
struct Message {
    id: String,
    text: String,
    names: Vec<String>,
    names_version_of: Vec<String>,
}

impl Context {
    /// The facts of a judgement.
    pub fn of(sources: &Sources<'_>, caps: Caps) -> Self {
        build::Builder::new(sources, caps).build()
    }

    /// One JSON object on one line, ASCII.
    pub fn json(&self) -> String {
        // Plain structs with text keys cannot fail.
        admit::ascii(&serde_json::to_string(self).unwrap_or_default())
    }

    /// The same, indented.
    pub fn pretty(&self) -> String {
        admit::ascii(&serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// The same without the user's messages: what a judge of harm alone is shown.
    pub fn without_messages(&self) -> Self {
        let mut out = self.clone();
        out.messages = MessageFacts { known: self.messages.known, count: 0, items: Vec::new() };
        out
    }

    /// The command's own words and the user's messages, and nothing that was found out: what a judge of text is shown.
    pub fn text_only(&self) -> String {
        let document = serde_json::json!({
            "schema": "tidewaiter.context-text/1",
            "command": self.command,
            "messages": self.messages,
        });
        admit::ascii(&document.to_string())
    }

    /// SHA-256 of the facts without the messages.
    pub fn facts_digest(&self) -> Digest {
        Digest::sha256_of(self.without_messages().json().as_bytes())
    }

    /// SHA-256 of the messages.
    pub fn intent_digest(&self) -> Digest {
        let text = serde_json::to_string(&self.messages).unwrap_or_default();
        Digest::sha256_of(text.as_bytes())
    }

    /// The ids that an answer may cite.
    pub fn ids(&self) -> Vec<&str> {
        let findings = self.findings.items.iter().map(|f| f.id.as_str());
        let packages = self.packages.items.iter().map(|p| p.id.as_str());
        let messages = self.messages.items.iter().map(|m| m.id.as_str());
        let requirements = self.requirements.items.iter().map(|r| r.id.as_str());
        findings.chain(packages).chain(requirements).chain(messages).collect()
    }

    /// How the user's messages name a package, by its id in here: what this program itself can see, whatever a judge
    /// says.
    pub fn naming(&self, package: &str) -> Naming {
        self.packages.items.iter().find(|p| p.id == package).map_or(Naming::None, |p| p.naming)
    }

    /// The package that a finding is about, by the finding's id in here.
    pub fn package_of(&self, finding: &str) -> Option<&str> {
        self.findings.items.iter().find(|f| f.id == finding)?.package.as_deref()
    }

    /// Whether findings or packages were left out: then a judge has not seen all.
    pub fn is_cut(&self) -> bool {
        self.findings.items.len() < self.findings.count || self.packages.items.len() < self.packages.count
    }
}

/// The facts in at most `longest` characters, for a host's own classifier; without the user's messages, which it has.
pub fn line(sources: &Sources<'_>, longest: usize) -> String {
    for caps in Caps::TIGHT {
        let text = Context::of(sources, caps).json();
        if text.len() <= longest {
            return text;
        }
    }
    // The verdict at least, in the same form.
    let short = serde_json::json!({
        "schema": SCHEMA,
        "verdict": sources.judgement.verdict.word(),
        "category": sources.judgement.category().word(),
    });
    short.to_string().chars().take(longest).collect()
}

/// The id of the n-th finding, as documents have it.
pub fn finding_id(index: usize) -> String {
    format!("f{}", index + 1)
}
