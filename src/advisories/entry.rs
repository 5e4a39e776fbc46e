//! What the index keeps of one record for one package: [`Entry`], and its bytes.
//!
//! The coding is plain: lengths and numbers as LEB128, texts as UTF-8. Reading is total: a length that does not
//! fit, a text that is not UTF-8 or a number too large gives `None`, never a panic.

use serde_json::Value;

use super::osv::{Affected, Record, time};
use super::{Kind, Severity, affected, severity};
use crate::model::{Ecosystem, Timestamp};

/// One record's words about one package.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The record's id.
    pub id: String,
    /// Its aliases.
    pub aliases: Vec<String>,
    /// What it says the releases are.
    pub kind: Kind,
    /// `unmaintained`, `unsound`, `notice`.
    pub informational: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// CVSS base score.
    pub score: Option<f64>,
    /// One line.
    pub summary: String,
    /// A page for a person.
    pub url: String,
    /// As the record says.
    pub published: Option<Timestamp>,
    /// As the record says.
    pub modified: Option<Timestamp>,
    /// When it could really be seen: an origin's import time where the record has one, else `published`.
    pub knowable: Option<Timestamp>,
    /// When it was taken back.
    pub withdrawn: Option<Timestamp>,
    /// Versions by name.
    pub versions: Versions,
    /// Ranges of versions (GIT left out), events in the record's order.
    pub ranges: Vec<Vec<Event>>,
}

/// Versions by name, each as [`affected::key`] and as written, in the index's own bytes: some records name hundreds, and
/// a look-up reads them once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(Box<[u8]>);

impl Versions {
    /// Packs them.
    pub fn new<'a>(versions: impl Iterator<Item = (String, &'a str)>) -> Self {
        let mut out = Vec::new();
        for (key, written) in versions {
            put_text(&mut out, &key);
            // Most versions are written canonically; an empty text says so.
            put_text(&mut out, if key == written { "" } else { written });
        }
        Self(out.into())
    }

    /// Each version's key, and the version as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut input: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (key, written) = (take_str(&mut input)?, take_str(&mut input)?);
            Some((key, if written.is_empty() { key } else { written }))
        })
    }

    /// Whether no version is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One event of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happens.
    pub kind: EventKind,
    /// From which version.
    pub version: String,
}

/// What happens at a version. Order is how events at one version are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Not affected from here on.
    Fixed,
    /// Affected from here on.
    Introduced,
    /// Affected up to and with this.
    LastAffected,
    /// Nothing at or after this is spoken of.
    Limit,
}

impl Entry {
    /// One for each package the record names in the ecosystems judged here.
    pub fn of_record(record: &Record) -> Vec<((Ecosystem, String), Self)> {
        record.packages().into_iter().map(|(key, list)| (key.clone(), Self::new(record, key.0, &list))).collect()
    }

    fn new(record: &Record, ecosystem: Ecosystem, list: &[&Affected]) -> Self {
        let informational = list.iter().find_map(|a| a.database_specific.get("informational").and_then(Value::as_str));
        let kind = if is_malware(record, list) {
            Kind::Malware
        } else if informational.is_some() {
            Kind::Informational
        } else {
            Kind::Vulnerability
        };
        let (severity, score) = severity::of(record, list);
        let published = time(record.published.as_deref());
        let modified = time(record.modified.as_deref());
        Self {
            id: record.id.clone(),
            aliases: record.aliases.clone(),
            kind,
            informational: informational.filter(|_| kind == Kind::Informational).map(str::to_owned),
            severity,
            score,
            summary: record.one_line(),
            url: record.url(),
            published,
            modified,
            knowable: knowable(record).or(published).or(modified),
            // A time that cannot be read still says that the record was taken back.
            withdrawn: record.withdrawn.as_deref().map(|t| time(Some(t)).unwrap_or(Timestamp::MIN)),
            versions: Versions::new(
                list.iter().flat_map(|a| &a.versions).map(|v| (affected::key(ecosystem, v), v.as_str())),
            ),
            ranges: list
                .iter()
                .flat_map(|a| &a.ranges)
                .filter(|r| !r.kind.as_deref().is_some_and(|k| k.eq_ignore_ascii_case("GIT")))
                .map(|r| {
                    let of = |kind, version: &Option<String>| version.clone().map(|version| Event { kind, version });
                    r.events
                        .iter()
                        .flat_map(|e| {
                            [
                                of(EventKind::Introduced, &e.introduced),
                                of(EventKind::Fixed, &e.fixed),
                                of(EventKind::LastAffected, &e.last_affected),
                                of(EventKind::Limit, &e.limit),
                            ]
                        })
                        .flatten()
                        .collect()
                })
                .filter(|events: &Vec<Event>| !events.is_empty())
                .collect(),
        }
    }

    /// Appends the entry's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, &self.id);
        put_number(out, self.aliases.len() as u64);
        for alias in &self.aliases {
            put_text(out, alias);
        }
        out.push(self.kind as u8);
        out.push(self.severity as u8);
        put_text(out, self.informational.as_deref().unwrap_or(""));
        out.push(self.score.map_or(u8::MAX, |s| (s * 10.0).round().clamp(0.0, 100.0) as u8));
        put_text(out, &self.summary);
        put_text(out, &self.url);
        for t in [self.published, self.modified, self.knowable, self.withdrawn] {
            put_time(out, t);
        }
        put_number(out, self.versions.0.len() as u64);
        out.extend_from_slice(&self.versions.0);
        put_number(out, self.ranges.len() as u64);
        for events in &self.ranges {
            put_number(out, events.len() as u64);
            for event in events {
                out.push(event.kind as u8);
                put_text(out, &event.version);
            }
        }
    }

    /// Reads what [`Entry::encode`] wrote and moves past it; `None` when the bytes are not that.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let id = take_text(input)?;
        let aliases = take_list(input, take_text)?;
        let kind = *[Kind::Informational, Kind::Vulnerability, Kind::Malware].get(usize::from(take_byte(input)?))?;
        let severity = *[Severity::Unknown, Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
            .get(usize::from(take_byte(input)?))?;
        let informational = Some(take_text(input)?).filter(|t| !t.is_empty());
        let score = match take_byte(input)? {
            u8::MAX => None,
            tenths => Some(f64::from(tenths) / 10.0),
        };
        let summary = take_text(input)?;
        let url = take_text(input)?;
        let (published, modified) = (take_time(input)?, take_time(input)?);
        let (knowable, withdrawn) = (take_time(input)?, take_time(input)?);
        let length = take_number(input)?;
        let versions = Versions(take_bytes(input, length)?.into());
        // A list that breaks off would clear the versions after the break.
        let mut rest: &[u8] = &versions.0;
        while !rest.is_empty() {
            take_str(&mut rest)?;
            take_str(&mut rest)?;
        }
        let ranges = take_list(input, |i| {
            take_list(i, |i| {
                let kinds = [EventKind::Fixed, EventKind::Introduced, EventKind::LastAffected, EventKind::Limit];
                Some(Event { kind: *kinds.get(usize::from(take_byte(i)?))?, version: take_text(i)? })
            })
        })?;
        Some(Self {
            id,
            aliases,
            kind,
            informational,
            severity,
            score,
            summary,
            url,
            published,
            modified,
            knowable,
            withdrawn,
            versions,
            ranges,
        })
    }
}

/// Whether a record says that what it names is malicious, by any database's way of saying so:
/// a `MAL-` id or alias; RustSec's category `malicious`; OSSF's `malicious-packages-origins`; GitHub's
/// `type: malware`; one of the weaknesses under "embedded malicious code"; this program's own mark.
fn is_malware(record: &Record, list: &[&Affected]) -> bool {
    let own = &record.database_specific;
    let listed = |v: Option<&Value>, want: &dyn Fn(&str) -> bool| {
        v.and_then(Value::as_array).is_some_and(|l| l.iter().any(|v| cwe_or_text(v).is_some_and(want)))
    };
    let malicious_word = |v: &Value| {
        listed(v.get("categories"), &|c| c.eq_ignore_ascii_case("malicious"))
            || v.get("type").and_then(Value::as_str).is_some_and(|t| t.eq_ignore_ascii_case("malware"))
            || ["cwe_ids", "cwes", "cwe"].iter().any(|k| listed(v.get(*k), &is_malware_weakness))
    };
    record.id.starts_with("MAL-")
        || record.aliases.iter().any(|a| a.starts_with("MAL-"))
        || own.get("malicious-packages-origins").is_some_and(|v| !v.is_null())
        || own.get("tidewaiter").and_then(|t| t.get("malicious")).and_then(Value::as_bool) == Some(true)
        || malicious_word(own)
        || list.iter().any(|a| malicious_word(&a.database_specific) || malicious_word(&a.ecosystem_specific))
}

/// `"CWE-506"`, or the same in an object's `cweId`.
fn cwe_or_text(v: &Value) -> Option<&str> {
    v.as_str().or_else(|| v.get("cweId").and_then(Value::as_str))
}

/// Embedded malicious code (506) and its kinds: trojan horse, virus or worm, replicating and not, logic bomb,
/// spyware. A trapdoor (510) is left out: it is used for flaws of honest packages too.
fn is_malware_weakness(id: &str) -> bool {
    matches!(id, "CWE-506" | "CWE-507" | "CWE-508" | "CWE-509" | "CWE-511" | "CWE-512")
}

/// The earliest moment at which the record was in its public database, where it says so: `published` is copied
/// from the origin and can precede that by days.
fn knowable(record: &Record) -> Option<Timestamp> {
    let own = &record.database_specific;
    let imports = own.get("malicious-packages-origins").and_then(Value::as_array).into_iter().flatten();
    let import = imports.filter_map(|o| time(o.get("import_time").and_then(Value::as_str))).min();
    import.or_else(|| time(own.get("tidewaiter").and_then(|t| t.get("knowable_at")).and_then(Value::as_str)))
}

/// Appends an unsigned LEB128 number.
pub(super) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Seconds, shifted so that 0 is "none" and every time is positive.
fn put_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    put_number(out, time.map_or(0, |t| (t.as_second() - Timestamp::MIN.as_second()) as u64 + 1));
}

fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// Reads an unsigned LEB128 number.
pub(super) fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = take_byte(input)?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

/// Reads that many bytes.
pub(super) fn take_bytes<'a>(input: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    Some(head)
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    take_str(input).map(str::to_owned)
}

fn take_str<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let len = take_number(input)?;
    str::from_utf8(take_bytes(input, len)?).ok()
}

fn take_time(input: &mut &[u8]) -> Option<Option<Timestamp>> {
    match take_number(input)? {
        0 => Some(None),
        n => {
            let second = i64::try_from(n - 1).ok()?.checked_add(Timestamp::MIN.as_second())?;
            Some(Some(Timestamp::from_second(second).ok()?))
        }
    }
}

fn take_list<T>(input: &mut &[u8], mut item: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let n = take_number(input)?;
    // Each item is at least one byte, so a larger count is corrupt: no allocation on its word.
    if n > input.len() as u64 {
        return None;
    }
    (0..n).map(|_| item(input)).collect()
}
