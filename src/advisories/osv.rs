//! OSV records as JSON: bytes in, a [`Record`] of what matching needs out.
//!
//! Tolerant where a field does not decide anything (unknown fields, null lists, strange `severity`,
//! `references` and `database_specific`), strict where it does: a record whose `id` or `affected` cannot be
//! read is an error with the reason, and the builder reports it by name.
//! Source: the OSV schema, version 1.7 (<https://ossf.github.io/osv-schema/>).

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;

use crate::model::{Ecosystem, Timestamp, normalise_name};

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Larger than the limit.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Not JSON, or a deciding field has the wrong type.
    #[error("{0}")]
    Unreadable(String),
    /// No `id`, or one that is no identifier.
    #[error("no usable id")]
    NoId,
}

/// One OSV record, as far as this program reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// `GHSA-…`, `MAL-…`, `RUSTSEC-…`.
    pub id: String,
    /// Ids of the same flaw elsewhere.
    #[serde(default, deserialize_with = "list")]
    pub aliases: Vec<String>,
    /// When it was published (RFC 3339), as text.
    #[serde(default)]
    pub published: Option<String>,
    /// When it was last changed, as text.
    #[serde(default)]
    pub modified: Option<String>,
    /// When it was taken back, as text. Present means: no longer held.
    #[serde(default)]
    pub withdrawn: Option<String>,
    /// One line.
    #[serde(default)]
    pub summary: Option<String>,
    /// Prose (Markdown).
    #[serde(default)]
    pub details: Option<String>,
    /// CVSS vectors: a list of `{type, score}`; read by [`super::severity`].
    #[serde(default)]
    pub severity: Value,
    /// What is affected.
    #[serde(default, deserialize_with = "list")]
    pub affected: Vec<Affected>,
    /// Links: a list of `{type, url}`.
    #[serde(default)]
    pub references: Value,
    /// Whatever the database adds.
    #[serde(default)]
    pub database_specific: Value,
}

/// One entry of `affected`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Affected {
    /// The package; absent for records about commits only.
    #[serde(default)]
    pub package: Option<PackageField>,
    /// CVSS vectors of this package.
    #[serde(default)]
    pub severity: Value,
    /// Version ranges.
    #[serde(default, deserialize_with = "list")]
    pub ranges: Vec<RangeField>,
    /// Versions by name.
    #[serde(default, deserialize_with = "texts")]
    pub versions: Vec<String>,
    /// Whatever the ecosystem adds.
    #[serde(default)]
    pub ecosystem_specific: Value,
    /// Whatever the database adds.
    #[serde(default)]
    pub database_specific: Value,
}

/// `affected[].package`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PackageField {
    /// OSV's ecosystem name.
    #[serde(default)]
    pub ecosystem: Option<String>,
    /// The package's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The package URL.
    #[serde(default)]
    pub purl: Option<String>,
}

/// `affected[].ranges[]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RangeField {
    /// `SEMVER`, `ECOSYSTEM` or `GIT`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// What happens at which version, in any order.
    #[serde(default, deserialize_with = "list")]
    pub events: Vec<EventField>,
}

/// `affected[].ranges[].events[]`. The schema wants exactly one of these; more are read as so many events.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are the schema's own")]
pub struct EventField {
    #[serde(default, deserialize_with = "text")]
    pub introduced: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub fixed: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub last_affected: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub limit: Option<String>,
}

/// A list in which null stands for empty.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(input)?.unwrap_or_default())
}

/// A version's text; a bare number is what a hand-written record has for `0`.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Text;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a version")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Text, E> {
                Ok(Text(v.to_owned()))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
        }
        input.deserialize_any(V)
    }
}

fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Text>::deserialize(input)?.map(|t| t.0))
}

fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    struct V;
    impl<'de> Visitor<'de> for V {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of versions")
        }
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while let Some(item) = seq.next_element::<Option<Text>>()? {
                // A null among the versions names nothing, and may hide one: the record is refused by name.
                out.push(item.ok_or_else(|| A::Error::custom("a version is null"))?.0);
            }
            Ok(out)
        }
    }
    input.deserialize_any(V)
}

impl Record {
    /// Reads one record from JSON bytes (a byte-order mark is allowed).
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let record: Self = serde_json::from_slice(bytes).map_err(|e| RecordError::Unreadable(e.to_string()))?;
        let usable = !record.id.is_empty() && record.id.len() <= 200 && !record.id.contains(char::is_control);
        if usable { Ok(record) } else { Err(RecordError::NoId) }
    }

    /// The packages of the ecosystems judged here, each with its entries of `affected`, in the record's order.
    /// Names are canonical.
    pub fn packages(&self) -> Vec<((Ecosystem, String), Vec<&Affected>)> {
        let mut out: Vec<((Ecosystem, String), Vec<&Affected>)> = Vec::new();
        let mut seen = rustc_hash::FxHashMap::default();
        for affected in &self.affected {
            let Some(key) = affected.package.as_ref().and_then(PackageField::key) else { continue };
            let at = *seen.entry(key.clone()).or_insert(out.len());
            match out.get_mut(at) {
                Some((_, entries)) => entries.push(affected),
                None => out.push((key, vec![affected])),
            }
        }
        out
    }

    /// The summary, or the first line of the details when there is none: at most 200 characters.
    pub fn one_line(&self) -> String {
        let line =
            |t: &str| t.lines().map(|l| l.trim_start_matches('#').trim()).find(|l| !l.is_empty()).map(str::to_owned);
        let summary = self.summary.as_deref().and_then(line);
        let text = summary.or_else(|| self.details.as_deref().and_then(line)).unwrap_or_default();
        match text.char_indices().nth(200) {
            Some((end, _)) => format!("{}…", text[..end].trim_end()),
            None => text,
        }
    }

    /// The page a person should read: the first ADVISORY reference, else the database's own page by the id.
    pub fn url(&self) -> String {
        let references = self.references.as_array().map_or(&[][..], Vec::as_slice);
        let of_kind = |kind: &str| {
            references
                .iter()
                .filter(|r| r.get("type").and_then(Value::as_str) == Some(kind))
                .filter_map(|r| r.get("url").and_then(Value::as_str))
                .find(|u| u.starts_with("https://") || u.starts_with("http://"))
        };
        if self.id.starts_with("x_") {
            return ["ADVISORY", "REPORT", "ARTICLE", "WEB"].iter().find_map(|k| of_kind(k)).unwrap_or("").to_owned();
        }
        match self.id.split('-').next().unwrap_or("") {
            "GHSA" => format!("https://github.com/advisories/{}", self.id),
            "RUSTSEC" => format!("https://rustsec.org/advisories/{}.html", self.id),
            "MAL" | "PYSEC" | "CVE" | "OSV" => format!("https://osv.dev/vulnerability/{}", self.id),
            _ => {
                of_kind("ADVISORY").map_or_else(|| format!("https://osv.dev/vulnerability/{}", self.id), str::to_owned)
            }
        }
    }
}

impl PackageField {
    /// Ecosystem and canonical name; from the package URL when the two fields are missing.
    /// `None` for an ecosystem this program does not judge.
    pub fn key(&self) -> Option<(Ecosystem, String)> {
        let (ecosystem, name) = match (&self.ecosystem, &self.name) {
            (Some(ecosystem), Some(name)) if !name.is_empty() => (Ecosystem::from_osv(ecosystem)?, name.clone()),
            _ => from_purl(self.purl.as_deref()?)?,
        };
        Some((ecosystem, normalise_name(ecosystem, &name)))
    }
}

/// Ecosystem and name of `pkg:pypi/…`, `pkg:npm/…`, `pkg:cargo/…`, without version, qualifiers and subpath.
fn from_purl(purl: &str) -> Option<(Ecosystem, String)> {
    let rest = purl.trim().strip_prefix("pkg:")?.trim_start_matches('/');
    let (kind, rest) = rest.split_once('/')?;
    let ecosystem = Ecosystem::ALL.into_iter().find(|e| e.purl_type().eq_ignore_ascii_case(kind))?;
    let rest = rest.split(['?', '#']).next()?.trim_end_matches('/');
    // The version's `@` is the last one that does not open an npm scope.
    let name = match rest.rfind('@') {
        Some(at) if at > 0 => &rest[..at],
        _ => rest,
    };
    let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
    (!name.is_empty()).then(|| (ecosystem, name.into_owned()))
}

/// Reads a time of the schema (RFC 3339). `None` when it is absent or not a time.
pub fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn strange_fields_that_decide_nothing_do_not_lose_a_record() {
        let r = Record::parse(
            br#"{"id":"MAL-1","aliases":null,"severity":"high","references":7,"database_specific":[1],"new":{"a":[]},
                "affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":null,"versions":["1.0.0",2],
                "database_specific":"x","ecosystem_specific":null}]}"#,
        )
        .unwrap();
        assert_eq!(r.affected[0].versions, ["1.0.0", "2"]);
        assert_eq!(r.url(), "https://osv.dev/vulnerability/MAL-1");
    }

    #[test]
    fn a_record_that_cannot_be_read_says_why() {
        for bad in [
            &b"{}"[..],
            b"[]",
            b"{\"id\":\"\"}",
            b"{\"id\":\"A\\u001b\"}",
            b"\xff",
            b"",
            b"{\"id\":\"a\",\"affected\":{}}",
        ] {
            assert!(Record::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(Record::parse(br#"{"id":"a","affected":[{"versions":[null]}]}"#).is_err());
        assert!(Record::parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_purl_alone_names_the_package() {
        let key = |p: &str| PackageField { ecosystem: None, name: None, purl: Some(p.to_owned()) }.key();
        assert_eq!(key("pkg:npm/%40a/b@1.0.0"), Some((Ecosystem::Npm, "@a/b".to_owned())));
        assert_eq!(key("pkg:npm/@a/b"), Some((Ecosystem::Npm, "@a/b".to_owned())));
        assert_eq!(key("pkg:pypi/Zope.Interface?x=y#z"), Some((Ecosystem::PyPI, "zope-interface".to_owned())));
        assert_eq!(key("pkg:cargo/serde_json@1"), Some((Ecosystem::CratesIo, "serde-json".to_owned())));
        assert_eq!(key("pkg:maven/a/b"), None);
        assert_eq!(key("pypi/a"), None);
    }

    #[test]
    fn one_line_is_short_and_one_line() {
        let mut r = Record::parse(br#"{"id":"a","details":"\n\n# Title \nmore"}"#).unwrap();
        assert_eq!(r.one_line(), "Title");
        r.summary = Some("é".repeat(500));
        assert_eq!(r.one_line().chars().count(), 201);
    }
}
