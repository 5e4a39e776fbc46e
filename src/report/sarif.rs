//! SARIF 2.1.0 (OASIS, errata 01) for code scanning: a judgement goes in, one log with one run comes out.
//!
//! The part of the format that is used is written down in docs/schema/sarif-2.1.0-subset.json.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{COMMAND, LONGEST, SENTENCE, below, document, rfc3339, unexplained, value};
use crate::judge::{Judgement, Subject};
use crate::model::{Digest, Environment, Finding, Fix, Level, Location, PackageId, Place, Unresolved, printable};
use crate::rules;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const RULES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/RULES.md");

/// The id under which what could not be resolved is reported: no rule, so that no policy can switch it off.
const UNRESOLVED: &str = "unresolved";

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: AutomationDetails,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<ResultDocument>,
    properties: RunProperties,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    information_uri: &'static str,
    rules: Vec<RuleDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleDocument {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help_uri: String,
    help: Text,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: Vec<&'static str>,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct AutomationDetails {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    exit_code: u8,
    exit_code_description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    plan_digest: String,
    plan_complete: bool,
    packages: usize,
    signals_unavailable: Vec<String>,
    advisories: Advisories,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Advisories {
    records: u64,
    updated_at: Option<String>,
    stale: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultDocument {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<LocationDocument>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    properties: ResultProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultProperties {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    evidence: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixDocument>,
}

#[derive(Serialize)]
struct FixDocument {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

/// The log as one JSON object. Paths are told from the working directory.
pub fn render(judgement: &Judgement, environment: &Environment) -> String {
    let mut results = Results { environment, judgement, rules: known_rules(), seen: BTreeMap::new(), out: Vec::new() };
    for f in &judgement.findings {
        results.finding(f);
    }
    for u in unexplained(judgement) {
        results.unresolved(u);
    }
    let Results { rules, out, .. } = results;
    document(&Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: env!("CARGO_PKG_NAME"),
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    information_uri: REPOSITORY,
                    rules,
                },
            },
            automation_details: AutomationDetails {
                id: match judgement.subject {
                    Subject::Command { .. } => "tidewaiter/check/",
                    Subject::Audit { .. } => "tidewaiter/audit/",
                },
            },
            column_kind: "unicodeCodePoints",
            invocations: [Invocation {
                execution_successful: true,
                exit_code: judgement.verdict.exit_status(),
                exit_code_description: judgement.verdict.word(),
            }],
            results: out,
            properties: properties(judgement),
        }],
    })
}

fn properties(judgement: &Judgement) -> RunProperties {
    let plan = &judgement.plan;
    RunProperties {
        verdict: judgement.verdict.word(),
        command: judgement.command_text().map(|text| printable(&text, COMMAND)),
        plan_digest: plan.digest().to_string(),
        plan_complete: plan.complete(),
        packages: plan.packages.len(),
        signals_unavailable: plan
            .signal_gaps
            .iter()
            .map(|g| {
                format!("{} from {}: {}", g.signal, printable(&g.registry, LONGEST), printable(&g.reason, LONGEST))
            })
            .collect(),
        advisories: Advisories {
            records: judgement.coverage.records,
            updated_at: judgement.coverage.updated_at.map(rfc3339),
            stale: judgement.coverage.stale,
        },
    }
}

/// Every rule there is, so that a reader also learns what was looked for and not found.
fn known_rules() -> Vec<RuleDocument> {
    let mut out: Vec<RuleDocument> =
        rules::ALL.iter().map(|r| rule(r.name, r.about, r.default, Some(r.category.word()))).collect();
    out.push(rule(
        rules::POLICY,
        "The policy itself: exceptions that expired or were not needed, and what could not be used.",
        Level::Warn,
        None,
    ));
    out.push(rule(
        UNRESOLVED,
        "What the command would bring in is not known in full, so it cannot be cleared.",
        Level::Ask,
        None,
    ));
    out
}

fn rule(id: &'static str, about: &str, default: Level, category: Option<&'static str>) -> RuleDocument {
    let help_uri = if category.is_some() { format!("{RULES}#{id}") } else { RULES.to_owned() };
    let mut tags = vec!["security"];
    tags.extend(category);
    RuleDocument {
        id,
        short_description: message(about),
        full_description: message(about),
        help: message(&format!("{about} See {help_uri}.")),
        help_uri,
        default_configuration: Configuration { level: severity(default) },
        properties: RuleProperties { tags },
    }
}

/// `result.level` (§3.27.10).
const fn severity(level: Level) -> &'static str {
    match level {
        Level::Deny | Level::Ask | Level::Hold => "error",
        Level::Warn => "warning",
        Level::Note => "note",
        Level::Off => "none",
    }
}

/// A plain text message. Viewers make links of `[text](target)` (§3.11.6): brackets are escaped, so that none is a
/// stranger's.
fn message(text: &str) -> Text {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    Text { text: out }
}

/// The results so far, and what is needed to add one.
struct Results<'a> {
    environment: &'a Environment,
    judgement: &'a Judgement,
    rules: Vec<RuleDocument>,
    /// How many results there were of a rule, release and place.
    seen: BTreeMap<String, usize>,
    out: Vec<ResultDocument>,
}

impl Results<'_> {
    fn finding(&mut self, f: &Finding) {
        let mut text = printable(&f.message, SENTENCE);
        if let Some(fix) = &f.fix {
            text.push_str(&format!("\nfix: {}", printable(&fix.text, SENTENCE)));
            if let Some(command) = &fix.command {
                text.push_str(&format!("\n$ {}", printable(command, COMMAND)));
            }
        }
        let safe = |t: &str| printable(t, LONGEST);
        let properties = ResultProperties {
            verdict: f.level.verdict().word(),
            category: Some(f.category.word()),
            purl: f.package.as_ref().map(PackageId::purl),
            policy: Some(printable(&f.policy.to_string(), LONGEST)),
            evidence: f.evidence.iter().map(|(k, v)| ((*k).to_owned(), value(v, safe))).collect(),
            fix: f.fix.as_ref().map(fix),
        };
        self.push(f.rule, f.level, &text, f.location.as_ref(), properties);
    }

    fn unresolved(&mut self, u: &Unresolved) {
        let text = format!("{}: {}", printable(&u.requirement, LONGEST), printable(&u.reason, SENTENCE));
        let properties = ResultProperties {
            verdict: Level::Ask.verdict().word(),
            category: None,
            purl: None,
            policy: None,
            evidence: serde_json::Map::new(),
            fix: None,
        };
        self.push(UNRESOLVED, Level::Ask, &text, u.location.as_ref(), properties);
    }

    fn push(
        &mut self,
        name: &'static str,
        level: Level,
        text: &str,
        location: Option<&Location>,
        properties: ResultProperties,
    ) {
        let rule_index = self.rules.iter().position(|r| r.id == name).unwrap_or_else(|| {
            self.rules.push(rule(name, name, level, None));
            self.rules.len() - 1
        });
        let fingerprint = self.fingerprint(name, properties.purl.as_deref(), location);
        self.out.push(ResultDocument {
            rule_id: name,
            rule_index,
            level: severity(level),
            message: message(text),
            locations: self.locations(location),
            partial_fingerprints: BTreeMap::from([("tidewaiter/v1", fingerprint)]),
            properties,
        });
    }

    /// The same for the same rule, release and file wherever in the file it stands, so that an alert survives lines
    /// that are added above it; the second of a kind in one place is told from the first by its number.
    fn fingerprint(&mut self, rule: &str, purl: Option<&str>, location: Option<&Location>) -> String {
        let place = match location.map(|l| &l.place) {
            None => String::new(),
            Some(Place::File(path)) => self.artifact(path).uri,
            Some(Place::Argv) => "argv".to_owned(),
            Some(Place::Environment(name)) => format!("${name}"),
            Some(Place::BuiltIn) => "built-in".to_owned(),
        };
        let mut key = format!("{rule}\n{}\n{place}", purl.unwrap_or_default());
        let earlier = self.seen.entry(key.clone()).or_default();
        key.push_str(&format!("\n{earlier}"));
        *earlier += 1;
        Digest::sha256_of(key.as_bytes()).hex()
    }

    fn locations(&self, location: Option<&Location>) -> Vec<LocationDocument> {
        let physical = |path: &Path, region| Some(PhysicalLocation { artifact_location: self.artifact(path), region });
        let logical = |name: String, kind| {
            vec![LogicalLocation { fully_qualified_name: name.clone(), name: printable(&name, LONGEST), kind }]
        };
        // Code scanning refuses a whole log for one result without a file; an audit is about its files.
        let fallback = match &self.judgement.subject {
            Subject::Audit { files } => files.first().and_then(|f| physical(Path::new(f), None)),
            Subject::Command { .. } => None,
        };
        let (physical_location, logical_locations) = match location.map(|l| (&l.place, l)) {
            None => (fallback, Vec::new()),
            Some((Place::File(path), l)) => (physical(path, region(l)), Vec::new()),
            Some((Place::Argv, l)) => (fallback, logical(format!("argv[{}]", l.column), "argument")),
            Some((Place::Environment(name), _)) => {
                (fallback, logical(format!("${}", printable(name, LONGEST)), "environment-variable"))
            }
            Some((Place::BuiltIn, _)) => (fallback, logical("built-in".to_owned(), "built-in")),
        };
        if physical_location.is_none() && logical_locations.is_empty() {
            return Vec::new();
        }
        vec![LocationDocument { physical_location, logical_locations }]
    }

    fn artifact(&self, path: &Path) -> ArtifactLocation {
        match below(path, &self.environment.cwd, self.environment) {
            Some(relative) => ArtifactLocation { uri: encode(&relative), uri_base_id: Some("%SRCROOT%") },
            None => {
                let absolute = self.environment.absolute(path);
                let path = absolute.to_string_lossy();
                let path = if cfg!(windows) { path.replace('\\', "/") } else { path.into_owned() };
                let root = if path.starts_with('/') { "file://" } else { "file:///" };
                ArtifactLocation { uri: format!("{root}{}", encode(&path)), uri_base_id: None }
            }
        }
    }
}

fn region(location: &Location) -> Option<Region> {
    let start_column = (location.column > 0).then_some(location.column);
    (location.line > 0).then_some(Region { start_line: location.line, start_column })
}

fn fix(fix: &Fix) -> FixDocument {
    FixDocument {
        kind: fix.kind.word(),
        text: printable(&fix.text, SENTENCE),
        command: fix.command.as_ref().map(|c| printable(c, COMMAND)),
    }
}

/// A path as a relative URI reference (RFC 3986): its colons would otherwise make a scheme.
fn encode(path: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(path, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::{encode, message};

    #[test]
    fn a_strangers_link_is_no_link() {
        assert_eq!(message(r"[fix](https://evil.example) \[x]").text, r"\[fix\](https://evil.example) \\\[x\]");
    }

    #[test]
    fn a_path_is_no_scheme() {
        assert_eq!(encode("javascript:alert(1)/a b.txt"), "javascript%3Aalert%281%29/a%20b.txt");
    }
}
