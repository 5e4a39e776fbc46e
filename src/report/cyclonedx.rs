//! A CycloneDX 1.6 bill of materials (ECMA-424) of a plan: a judgement goes in; what would come in, what asked for it,
//! where its bytes are, and the advisories that affect it come out as one JSON document.
//!
//! The serial number follows from the plan's digest: the same plan at the same moment is the same document.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Position;

use super::{COMMAND, LONGEST, SENTENCE, document, rfc3339, text, texts};
use crate::judge::Judgement;
use crate::model::{
    Artifact, Digest, DigestAlgorithm, Ecosystem, Environment, Finding, Package, PackageId, Source, Value, Verdict,
    printable,
};
use crate::rules;

/// The project, or the place in which the command runs: the root of the graph.
const ROOT: &str = "tidewaiter:subject";
/// The longest version that the format takes.
const VERSION: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
    compositions: [Composition; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Tools {
    components: [Component; 1],
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct ExternalReference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    dependencies: [&'static str; 1],
}

#[derive(Serialize)]
struct Vulnerability {
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    ratings: Vec<Rating>,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recommendation: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    advisories: Vec<Advisory>,
    affects: Vec<Affected>,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Rating {
    severity: &'static str,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'static str>,
}

#[derive(Serialize)]
struct Advisory {
    url: String,
}

#[derive(Serialize)]
struct Affected {
    #[serde(rename = "ref")]
    component: String,
    versions: [AffectedVersion; 1],
}

#[derive(Serialize)]
struct AffectedVersion {
    version: String,
    status: &'static str,
}

/// The document. Its timestamp is the environment's clock.
pub fn render(judgement: &Judgement, environment: &Environment) -> String {
    let plan = &judgement.plan;
    let references = References::new(&plan.packages);
    let mut verdicts: HashMap<&PackageId, Verdict> = HashMap::new();
    for f in &judgement.findings {
        if let Some(id) = &f.package {
            let worst = verdicts.entry(id).or_default();
            *worst = f.level.verdict().max(*worst);
        }
    }
    let project = environment.cwd.file_name().map(|n| printable(&n.to_string_lossy(), LONGEST));
    document(&Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial_number(&plan.digest()),
        version: 1,
        metadata: Metadata {
            timestamp: rfc3339(environment.now),
            tools: Tools {
                components: [Component {
                    kind: "application",
                    name: env!("CARGO_PKG_NAME").to_owned(),
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    ..Component::default()
                }],
            },
            component: Component {
                kind: "application",
                bom_ref: Some(ROOT.to_owned()),
                name: project.unwrap_or_else(|| "project".to_owned()),
                ..Component::default()
            },
            properties: metadata(judgement),
        },
        components: plan
            .packages
            .iter()
            .enumerate()
            .map(|(i, p)| component(p, references.of(i), verdicts.get(&p.id).copied().unwrap_or_default()))
            .collect(),
        dependencies: dependencies(&plan.packages, &references),
        compositions: [Composition {
            aggregate: if plan.complete() { "complete" } else { "incomplete" },
            dependencies: [ROOT],
        }],
        vulnerabilities: vulnerabilities(judgement, &references),
    })
}

/// A version 5 UUID (RFC 9562) of the plan's digest in the namespace of URLs.
fn serial_number(digest: &Digest) -> String {
    use sha1::Digest as _;
    const URLS: [u8; 16] =
        [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
    let mut hash = sha1::Sha1::new();
    hash.update(URLS);
    hash.update(format!("{}/plan/{digest}", env!("CARGO_PKG_REPOSITORY")));
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::from("urn:uuid:");
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

fn property(name: &'static str, value: impl Into<String>) -> Property {
    Property { name, value: value.into() }
}

fn metadata(judgement: &Judgement) -> Vec<Property> {
    let plan = &judgement.plan;
    let mut out = vec![
        property("tidewaiter:verdict", judgement.verdict.word()),
        property("tidewaiter:plan-digest", plan.digest().to_string()),
        property("tidewaiter:plan-complete", plan.complete().to_string()),
    ];
    if let Some(command) = judgement.command_text() {
        out.push(property("tidewaiter:command", printable(&command, COMMAND)));
    }
    out.extend(plan.unresolved.iter().map(|u| {
        let text = format!("{}: {}", printable(&u.requirement, LONGEST), printable(&u.reason, LONGEST));
        property("tidewaiter:unresolved", text)
    }));
    out.extend(plan.held_back.iter().map(|h| {
        let (name, version) = (printable(h.name.written(), LONGEST), printable(&h.version, LONGEST));
        property("tidewaiter:held-back", format!("{name} {version}: {}", printable(&h.reason, LONGEST)))
    }));
    out.extend(plan.signal_gaps.iter().map(|g| {
        let text = format!("{} from {}: {}", g.signal, printable(&g.registry, LONGEST), printable(&g.reason, LONGEST));
        property("tidewaiter:signal-unavailable", text)
    }));
    out
}

/// The `bom-ref` of every package, unique in the document: one release can come from two sources.
struct References<'a> {
    of: Vec<String>,
    by_id: HashMap<&'a PackageId, Vec<usize>>,
}

impl<'a> References<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut of: Vec<String> = Vec::with_capacity(packages.len());
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut by_id: HashMap<&PackageId, Vec<usize>> = HashMap::new();
        for (i, p) in packages.iter().enumerate() {
            let plain = purl(p).unwrap_or_else(|| format!("{}:{}", p.source.kind(), p.id.purl()));
            let mut unique = plain.clone();
            let mut n = 2;
            while !taken.insert(unique.clone()) {
                unique = format!("{plain}#{n}");
                n += 1;
            }
            of.push(unique);
            by_id.entry(&p.id).or_default().push(i);
        }
        Self { of, by_id }
    }

    fn of(&self, index: usize) -> &str {
        self.of.get(index).map_or(ROOT, String::as_str)
    }

    fn by_id(&self, id: &PackageId) -> impl Iterator<Item = &str> {
        self.by_id.get(id).into_iter().flatten().map(|i| self.of(*i))
    }
}

/// The package URL with the qualifiers that tell it from the public registry's release of that name and version;
/// `None` for what is on this machine.
fn purl(p: &Package) -> Option<String> {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/');
    let plain = p.id.purl();
    let (key, url) = match &p.source {
        Source::Registry { url } if rules::is_default_registry(url) || url.is_empty() => return Some(plain),
        Source::Registry { url } => ("repository_url", url.clone()),
        Source::Url { url } => ("download_url", url.clone()),
        Source::Git { url, commit, .. } => {
            let commit = commit.as_ref().map_or_else(String::new, |c| format!("@{c}"));
            ("vcs_url", format!("git+{}{commit}", url.strip_prefix("git+").unwrap_or(url)))
        }
        Source::Path { .. } | Source::Workspace { .. } => return None,
    };
    Some(format!("{plain}?{key}={}", utf8_percent_encode(&url, KEPT)))
}

/// The version as text; `None` where it is not known.
fn version(p: &Package) -> Option<String> {
    (p.source.is_registry() || &*p.id.version != "0").then(|| printable(&p.id.version, VERSION))
}

fn component(p: &Package, reference: &str, verdict: Verdict) -> Component {
    let name = p.id.name.written();
    let (group, name) = match (p.id.name.ecosystem(), name.split_once('/')) {
        (Ecosystem::Npm, Some((scope, base))) => (Some(printable(scope, LONGEST)), base),
        _ => (None, name),
    };
    let workspace = matches!(p.source, Source::Workspace { .. });
    Component {
        kind: if workspace { "application" } else { "library" },
        bom_ref: Some(reference.to_owned()),
        group,
        name: printable(name, LONGEST),
        version: version(p),
        // Hashes of a component are of its bytes: with several files to choose from they stand with the files.
        hashes: match p.artifacts.as_slice() {
            [only] => hashes(only),
            _ => Vec::new(),
        },
        purl: purl(p),
        external_references: external_references(p),
        properties: about(p, verdict),
    }
}

fn about(p: &Package, verdict: Verdict) -> Vec<Property> {
    let mut out = vec![
        property("tidewaiter:verdict", verdict.word()),
        property("tidewaiter:ecosystem", p.id.name.ecosystem().osv()),
        property("tidewaiter:source", p.source.kind()),
        property("tidewaiter:direct", p.direct.to_string()),
        property("tidewaiter:requirement", printable(&p.origin.text, LONGEST)),
    ];
    if p.development {
        out.push(property("tidewaiter:development", "true"));
    }
    if let Some(at) = p.published_at {
        out.push(property("tidewaiter:published-at", rfc3339(at)));
    }
    out.extend(p.executes.iter().map(|e| property("tidewaiter:executes", printable(e.word(), LONGEST))));
    out
}

fn external_references(p: &Package) -> Vec<ExternalReference> {
    let mut out: Vec<ExternalReference> = p
        .artifacts
        .iter()
        .map(|a| ExternalReference {
            kind: "distribution",
            // A lockfile may know a file by its name alone, which is a reference too.
            url: reference(if a.url.is_empty() { &a.filename } else { &a.url }),
            comment: (!a.filename.is_empty()).then(|| printable(&a.filename, LONGEST)),
            hashes: hashes(a),
        })
        .collect();
    match &p.source {
        Source::Git { url, .. } => {
            out.push(ExternalReference { kind: "vcs", url: reference(url), comment: None, hashes: Vec::new() })
        }
        Source::Url { url } if p.artifacts.is_empty() => {
            out.push(ExternalReference { kind: "distribution", url: reference(url), comment: None, hashes: Vec::new() })
        }
        _ => {}
    }
    out
}

fn hashes(a: &Artifact) -> Vec<Hash> {
    a.digests.iter().filter_map(|d| Some(Hash { alg: algorithm(d.algorithm())?, content: d.hex() })).collect()
}

/// The format's name for an algorithm; it has none for SHA-224.
const fn algorithm(algorithm: DigestAlgorithm) -> Option<&'static str> {
    match algorithm {
        DigestAlgorithm::Md5 => Some("MD5"),
        DigestAlgorithm::Sha1 => Some("SHA-1"),
        DigestAlgorithm::Sha224 => None,
        DigestAlgorithm::Sha256 => Some("SHA-256"),
        DigestAlgorithm::Sha384 => Some("SHA-384"),
        DigestAlgorithm::Sha512 => Some("SHA-512"),
    }
}

/// A stranger's text as a URI reference: a URL of a scheme that fetches as it is, anything else as a relative path, so
/// that a reader who makes links of references makes none that runs.
fn reference(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    let fetches = |scheme: &str| {
        matches!(scheme, "https" | "http" | "ssh" | "git" | "file" | "git+https" | "git+http" | "git+ssh" | "git+file")
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/@*[]+".contains(c);
    if let Ok(url) = url::Url::parse(text)
        && fetches(url.scheme())
        && url[..Position::BeforePath].chars().all(plain)
    {
        return format!("{}{}", &url[..Position::BeforePath], escape(&url[Position::BeforePath..]));
    }
    utf8_percent_encode(text, KEPT).to_string()
}

/// What a browser's URL may hold behind its host and RFC 3986 does not allow there, percent-encoded.
fn escape(text: &str) -> String {
    const QUOTES: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');
    const BAD: &AsciiSet = &QUOTES.add(b'[').add(b']').add(b'{').add(b'|').add(b'}');
    let text = utf8_percent_encode(text, BAD).to_string();
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let encoded = part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        out.push_str(if encoded { "%" } else { "%25" });
        out.push_str(part);
    }
    out
}

fn dependencies(packages: &[Package], references: &References<'_>) -> Vec<Dependency> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    edges.insert(ROOT, BTreeSet::new());
    for (i, p) in packages.iter().enumerate() {
        let me = references.of(i);
        edges.entry(me).or_default();
        if p.direct || p.required_by.is_empty() {
            edges.entry(ROOT).or_default().insert(me);
        }
        for parent in p.required_by.iter().flat_map(|id| references.by_id(id)) {
            edges.entry(parent).or_default().insert(me);
        }
    }
    edges
        .into_iter()
        .map(|(of, on)| Dependency { of: of.to_owned(), depends_on: on.into_iter().map(str::to_owned).collect() })
        .collect()
}

fn vulnerabilities(judgement: &Judgement, references: &References<'_>) -> Vec<Vulnerability> {
    let mut out: Vec<Vulnerability> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for f in judgement.findings.iter().filter(|f| matches!(f.rule, "malware" | "vulnerability")) {
        let ids = texts(&f.evidence, "advisories");
        if ids.is_empty() {
            out.push(vulnerability(f, None, true, affected(f, references)));
        }
        for (i, id) in ids.iter().enumerate() {
            let id = printable(id, LONGEST);
            match known.get(&id).and_then(|at| out.get_mut(*at)) {
                Some(one) => {
                    for more in affected(f, references) {
                        if !one.affects.iter().any(|a| a.component == more.component) {
                            one.affects.push(more);
                        }
                    }
                }
                None => {
                    known.insert(id.clone(), out.len());
                    out.push(vulnerability(f, Some(id), i == 0, affected(f, references)));
                }
            }
        }
    }
    out
}

fn affected(f: &Finding, references: &References<'_>) -> Vec<Affected> {
    let Some(id) = &f.package else { return Vec::new() };
    references
        .by_id(id)
        .map(|component| Affected {
            component: component.to_owned(),
            versions: [AffectedVersion { version: printable(&id.version, VERSION), status: "affected" }],
        })
        .collect()
}

/// `worst`: the advisory that a finding's severity and address are of; the finding says nothing of its others'.
fn vulnerability(f: &Finding, id: Option<String>, worst: bool, affects: Vec<Affected>) -> Vulnerability {
    let rating = if f.rule == "malware" {
        Rating {
            severity: "critical",
            method: "other",
            justification: Some("the release is named in a malicious-package record"),
        }
    } else if f.evidence.contains_key("informational") {
        Rating { severity: "info", method: "other", justification: None }
    } else {
        let severity = match text(&f.evidence, "severity").filter(|_| worst) {
            Some("critical") => "critical",
            Some("high") => "high",
            Some("medium") => "medium",
            Some("low") => "low",
            _ => "unknown",
        };
        Rating { severity, method: "other", justification: None }
    };
    let url = text(&f.evidence, "url").filter(|url| worst && !url.is_empty());
    let mut properties =
        vec![property("tidewaiter:rule", f.rule), property("tidewaiter:verdict", f.level.verdict().word())];
    if let (Some(package), true) = (&f.package, affects.is_empty()) {
        properties.push(property("tidewaiter:package", package.purl()));
    }
    if let Some(Value::Flag(true)) = f.evidence.get("whole_package") {
        properties.push(property("tidewaiter:whole-package", "true"));
    }
    Vulnerability {
        bom_ref: id.as_ref().map(|id| format!("advisory:{id}")),
        id,
        ratings: vec![rating],
        description: printable(&f.message, SENTENCE),
        recommendation: f.fix.as_ref().map(|fix| printable(&fix.text, SENTENCE)),
        advisories: url.map(|url| Advisory { url: reference(url) }).into_iter().collect(),
        affects,
        properties,
    }
}

#[cfg(test)]
mod tests {
    use super::{reference, serial_number};
    use crate::model::Digest;

    #[test]
    fn a_plan_has_one_serial_number() {
        let serial = serial_number(&Digest::sha256_of(b"plan"));
        assert_eq!(serial, serial_number(&Digest::sha256_of(b"plan")));
        assert_ne!(serial, serial_number(&Digest::sha256_of(b"another")));
        assert_eq!(serial.len(), "urn:uuid:".len() + 36);
        assert_eq!(&serial[23..24], "5", "version 5: {serial}");
    }

    #[test]
    fn a_reference_fetches_or_does_nothing() {
        for (text, told) in [
            ("https://files.example/a.whl", "https://files.example/a.whl"),
            ("https://files.example/a b\u{1b}c", "https://files.example/a%20b%1Bc"),
            ("git+https://git.example/x.git", "git+https://git.example/x.git"),
            ("https://files.example/[a]|%zz%4", "https://files.example/%5Ba%5D%7C%25zz%254"),
            ("javascript:alert(1)", "javascript%3Aalert%281%29"),
            ("git@github.com:a/b.git", "git%40github.com%3Aa/b.git"),
            ("a-1.0.tar.gz", "a-1.0.tar.gz"),
        ] {
            assert_eq!(reference(text), told);
        }
    }
}
