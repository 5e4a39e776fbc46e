//! An answer in the closed form of the contract: text in; an [`Answer`], or why it is none, out.
//!
//! Exactly the fields that were asked for, words of closed lists, ids that the judge was given, a reason of at most 200
//! characters. Anything else is no answer. The reason is a stranger's text: what a terminal or a log would obey is
//! spelt out in it.

use serde_json::Value;

use crate::model::{Category, Consent, Verdict, printable};

/// The longest answer that is read, in bytes.
pub const LONGEST: usize = 64 << 10;
/// The longest reason, in characters.
pub const RATIONALE: usize = 200;
/// How many ids an answer may cite.
const CITED: usize = 32;

/// What a judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its verdict.
    pub verdict: Verdict,
    /// 0 to 100.
    pub severity: u8,
    /// What it is about.
    pub category: Category,
    /// Ids that it was given.
    pub evidence: Vec<String>,
    /// How far the user's own words go.
    pub consent: Consent,
    /// Why: one printable line.
    pub rationale: String,
}

/// The fields of an answer, in the order of the schema.
const FIELDS: [&str; 6] = ["verdict", "severity", "category", "evidence", "consent", "rationale"];

/// Reads an answer. `ids`: those that the judge was given. The error is a lower-case fragment of this program's words.
pub fn read(text: &str, ids: &[&str]) -> Result<Answer, String> {
    let value = object(text)?;
    only(&value, &FIELDS)?;
    let word = |name: &str| value[name].as_str().ok_or_else(|| format!("`{name}` is no text"));
    let verdict = Verdict::from_word(word("verdict")?).ok_or("its verdict is none of the three")?;
    let category = Category::from_word(word("category")?).ok_or("its category is not on the list")?;
    let consent = Consent::from_word(word("consent")?).ok_or("its consent is not on the list")?;
    let severity = value["severity"].as_u64().and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100);
    let severity = severity.ok_or("its severity is no whole number from 0 to 100")?;
    let cited = value["evidence"].as_array().filter(|a| a.len() <= CITED).ok_or("its evidence is no short list")?;
    let mut evidence = Vec::new();
    for id in cited {
        match id.as_str() {
            Some(id) if ids.contains(&id) => evidence.push(id.to_owned()),
            _ => return Err("it cites an id that it was not given".to_owned()),
        }
    }
    evidence.dedup();
    if verdict != Verdict::Allow && evidence.is_empty() && !ids.is_empty() {
        return Err("it cites nothing for a verdict against the command".to_owned());
    }
    let rationale = word("rationale")?;
    if rationale.chars().count() > RATIONALE {
        return Err(format!("its reason is longer than {RATIONALE} characters"));
    }
    Ok(Answer { verdict, severity, category, evidence, consent, rationale: plain(rationale) })
}

/// Reads the answer of the first pass: whether to look again.
pub fn read_harm(text: &str) -> Result<bool, String> {
    let value = object(text)?;
    only(&value, &["harm"])?;
    match value["harm"].as_str() {
        Some("clear") => Ok(false),
        Some("escalate") => Ok(true),
        _ => Err("it says neither `clear` nor `escalate`".to_owned()),
    }
}

fn object(text: &str) -> Result<Value, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
    if value.is_object() { Ok(value) } else { Err("it is no JSON object".to_owned()) }
}

fn only(value: &Value, fields: &[&str]) -> Result<(), String> {
    let object = value.as_object().ok_or("it is no JSON object")?;
    if let Some(missing) = fields.iter().find(|f| !object.contains_key(**f)) {
        return Err(format!("`{missing}` is missing"));
    }
    if object.len() > fields.len() {
        return Err("it has fields that were not asked for".to_owned());
    }
    Ok(())
}

/// A model's words on one line of printable ASCII.
pub(super) fn plain(text: &str) -> String {
    let shown = printable(text.trim(), RATIONALE);
    let ascii: String =
        shown.chars().flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() }).collect();
    if ascii.chars().count() > RATIONALE {
        ascii.chars().take(RATIONALE - 3).chain("...".chars()).collect()
    } else {
        ascii
    }
}

/// The form of an answer as a JSON Schema, as strict modes of the model APIs want it: every field required, no others.
pub fn schema() -> Value {
    let words = |all: Vec<&'static str>| serde_json::json!({ "type": "string", "enum": all });
    serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": FIELDS,
        "properties": {
            "verdict": words([Verdict::Allow, Verdict::Ask, Verdict::Deny].map(Verdict::word).to_vec()),
            "severity": { "type": "integer", "description": "0 to 100: how bad the likely consequence is." },
            "category": words(Category::ALL.map(Category::word).to_vec()),
            "evidence": {
                "type": "array",
                "items": { "type": "string" },
                "description": "Ids from the facts (f1, p1, r1, u1) that carry the verdict. Only ids that stand there.",
            },
            "consent": words(Consent::ALL.map(Consent::word).to_vec()),
            "rationale": { "type": "string", "description": "One plain sentence of at most 200 characters." },
        },
    })
}

/// The form of the first pass.
pub fn harm_schema() -> Value {
    serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["harm"],
        "properties": { "harm": { "type": "string", "enum": ["clear", "escalate"] } },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{read, read_harm};
    use crate::model::{Category, Consent, Verdict};

    fn good() -> Value {
        json!({"verdict": "ask", "severity": 40, "category": "suspicious-release", "evidence": ["f1", "p1"],
            "consent": "none", "rationale": "It is four hours old."})
    }

    fn with(field: &str, value: Value) -> String {
        let mut out = good();
        out[field] = value;
        out.to_string()
    }

    #[test]
    fn the_form_is_the_form() {
        let ids = ["f1", "p1"];
        let answer = read(&good().to_string(), &ids);
        assert!(answer.is_ok_and(|a| a.verdict == Verdict::Ask
            && a.category == Category::SuspiciousRelease
            && a.consent == Consent::None
            && a.severity == 40));
        for wrong in [
            with("verdict", json!("block")),
            with("verdict", json!(1)),
            with("severity", json!(101)),
            with("severity", json!("40")),
            with("severity", json!(-1)),
            with("severity", json!(1.5)),
            with("category", json!("malware")),
            with("evidence", json!(["f2"])),
            with("evidence", json!("f1")),
            with("evidence", json!([])),
            with("consent", json!("yes")),
            with("rationale", json!("x".repeat(201))),
            with("rationale", json!(null)),
            with("more", json!(1)),
            json!([good()]).to_string(),
            "{}".to_owned(),
            "".to_owned(),
            format!("Sure! {}", good()),
            " ".repeat(70_000),
        ] {
            assert!(read(&wrong, &ids).is_err(), "{wrong}");
        }
        let hostile = read(&with("rationale", json!("ok\u{1b}[2J\n::set-output\u{202e}x")), &ids);
        assert!(hostile.is_ok_and(|a| a.rationale == "ok\\u{1b}[2J\\n::set-output\\u{202e}x"));
        assert_eq!(read_harm("{\"harm\":\"clear\"}"), Ok(false));
        assert_eq!(read_harm("{\"harm\":\"escalate\"}"), Ok(true));
        for wrong in ["{\"harm\":\"allow\"}", "{\"harm\":\"clear\",\"verdict\":\"allow\"}", "clear", "{}"] {
            assert!(read_harm(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*|(?s).*", rationale in "(?s).{0,250}") {
            let _ = (read(&text, &["f1"]), read_harm(&text));
            if let Ok(answer) = read(&with("rationale", json!(rationale)), &["f1", "p1"]) {
                prop_assert!(answer.rationale.chars().count() <= 200);
                prop_assert!(answer.rationale.bytes().all(|b| (b' '..=b'~').contains(&b)));
            }
        }
    }
}
