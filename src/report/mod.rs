//! A judgement in the form its reader wants. Each format has its own structs: a change of the model does not
//! silently change a document that programs rely on. What several formats say alike stands here.

pub mod cyclonedx;
pub mod explain;
pub mod github;
pub mod html;
pub mod human;
pub mod json;
pub mod sarif;

use std::path::Path;

use serde::Serialize;

use crate::judge::Judgement;
use crate::model::{Environment, Evidence, Timestamp, Unresolved, UnresolvedCause, Value, json_text, printable};

/// The longest text of a stranger that a report shows in full.
const LONGEST: usize = 300;
/// The longest sentence of this program, which may quote several of them.
const SENTENCE: usize = 2 * LONGEST;
/// The longest command to paste.
const COMMAND: usize = 4 * LONGEST;

/// RFC 3339 in UTC with seconds.
fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One JSON document, indented, with a final newline.
fn document(document: &impl Serialize) -> String {
    // Serialising plain structs with text keys cannot fail.
    let mut text = json_text(serde_json::to_string_pretty(document).unwrap_or_default());
    text.push('\n');
    text
}

/// A typed fact as JSON, its texts passed through `text`.
fn value(v: &Value, text: impl Fn(&str) -> String) -> serde_json::Value {
    match v {
        Value::Text(t) => text(t).into(),
        Value::Integer(n) => (*n).into(),
        Value::Number(n) => serde_json::Number::from_f64(*n).into(),
        Value::Flag(b) => (*b).into(),
        Value::List(list) => list.iter().map(|t| text(t)).collect(),
    }
}

/// The texts of a list in a finding's evidence; empty when there is none.
fn texts<'e>(evidence: &'e Evidence, name: &str) -> &'e [String] {
    match evidence.get(name) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

/// A text in a finding's evidence.
fn text<'e>(evidence: &'e Evidence, name: &str) -> Option<&'e str> {
    match evidence.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// What could not be resolved and no finding speaks of already: with the findings, all that stands against a plan.
fn unexplained(judgement: &Judgement) -> Vec<&Unresolved> {
    let explained = |u: &&Unresolved| {
        let reason = printable(&u.reason, LONGEST);
        judgement.findings.iter().any(|f| {
            let named = u.cause == UnresolvedCause::UnknownPackage && matches!(f.rule, "unknown-package" | "malware");
            let same_place = f.location.is_some() && f.location == u.location;
            (named && same_place) || (!reason.is_empty() && f.message.contains(&reason))
        })
    };
    judgement.plan.unresolved.iter().filter(|u| !explained(u)).collect()
}

/// `path` as a path below `base`, with `/` between its parts; `None` when it is not below it.
fn below(path: &Path, base: &Path, environment: &Environment) -> Option<String> {
    let absolute = environment.absolute(path);
    let relative = absolute.strip_prefix(environment.absolute(base)).ok()?;
    let parts: Vec<_> = relative.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// `1 package`, `2 packages`.
fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::below;
    use crate::model::{Environment, Timestamp};

    #[test]
    fn paths_are_told_from_where_the_reader_stands() {
        let environment = Environment {
            variables: BTreeMap::new(),
            cwd: "/repo/app".into(),
            home: None,
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let told = |path: &str, base: &str| below(Path::new(path), Path::new(base), &environment);
        assert_eq!(told("a/./b.txt", "/repo/app").as_deref(), Some("a/b.txt"));
        assert_eq!(told("a.txt", "/repo").as_deref(), Some("app/a.txt"));
        assert_eq!(told("../a.txt", "/repo").as_deref(), Some("a.txt"));
        assert_eq!(told("../a.txt", "/repo/app"), None);
        assert_eq!(told(".", "/repo/app").as_deref(), Some("."));
        assert_eq!(told("/etc/pip.conf", "/repo/app"), None);
        assert_eq!(told("/repo/apple/x", "/repo/app"), None);
    }
}
