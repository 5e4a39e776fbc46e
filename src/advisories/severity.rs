//! How bad a record says a flaw is: CVSS vectors and the databases' own words in, [`Severity`] and base score out.

use serde_json::Value;

use super::Severity;

mod v4;

/// The rating of a base score (CVSS 3.1 §5, CVSS 4.0 §6; CVSS 2.0 has no critical in its own scale, NVD's words are used).
pub fn rating(score: f64) -> Severity {
    match score {
        s if s >= 9.0 => Severity::Critical,
        s if s >= 7.0 => Severity::High,
        s if s >= 4.0 => Severity::Medium,
        s if s > 0.0 => Severity::Low,
        // A base score of 0.0 is rated "none": a record that nonetheless exists is at least low.
        _ => Severity::Low,
    }
}

/// A database's word: `LOW`, `MODERATE`, `MEDIUM`, `IMPORTANT`, `HIGH`, `CRITICAL`, any case.
pub fn word(text: &str) -> Option<Severity> {
    match text.trim().to_ascii_lowercase().as_str() {
        "low" | "none" | "negligible" | "minor" => Some(Severity::Low),
        "medium" | "moderate" => Some(Severity::Medium),
        "high" | "important" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

/// The base score of a vector of any CVSS version; `None` when it is not one, lacks a base metric or repeats one.
pub fn score(vector: &str) -> Option<f64> {
    let vector = vector.trim();
    if let Some(rest) = vector.strip_prefix("CVSS:4.0/") {
        v4::score(&metrics(rest)?)
    } else if let Some(rest) = vector.strip_prefix("CVSS:3.1/") {
        v3(&metrics(rest)?, true)
    } else if let Some(rest) = vector.strip_prefix("CVSS:3.0/") {
        v3(&metrics(rest)?, false)
    } else {
        v2(&metrics(vector.trim_start_matches('(').trim_end_matches(')'))?)
    }
}

/// The metrics of a vector, in its order.
struct Metrics<'v>(Vec<(&'v str, &'v str)>);

impl<'v> Metrics<'v> {
    fn get(&self, name: &str) -> Option<&'v str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
    /// The weight of a metric's value.
    fn weight(&self, name: &str, table: &[(&str, f64)]) -> Option<f64> {
        let value = self.get(name)?;
        table.iter().find(|(v, _)| *v == value).map(|(_, w)| *w)
    }
}

fn metrics(text: &str) -> Option<Metrics<'_>> {
    let mut out: Vec<(&str, &str)> = Vec::new();
    for part in text.trim_end_matches('/').split('/').take(64) {
        let (name, value) = part.split_once(':')?;
        if out.iter().any(|(n, _)| *n == name) {
            return None;
        }
        out.push((name, value));
    }
    Some(Metrics(out))
}

/// CVSS 3.0 and 3.1 base score (§7.1 of both; they differ in how they round up).
fn v3(m: &Metrics<'_>, v31: bool) -> Option<f64> {
    const CIA: &[(&str, f64)] = &[("N", 0.0), ("L", 0.22), ("H", 0.56)];
    let changed = match m.get("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let av = m.weight("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let ac = m.weight("AC", &[("L", 0.77), ("H", 0.44)])?;
    let pr = if changed {
        m.weight("PR", &[("N", 0.85), ("L", 0.68), ("H", 0.5)])?
    } else {
        m.weight("PR", &[("N", 0.85), ("L", 0.62), ("H", 0.27)])?
    };
    let ui = m.weight("UI", &[("N", 0.85), ("R", 0.62)])?;
    let (c, i, a) = (m.weight("C", CIA)?, m.weight("I", CIA)?, m.weight("A", CIA)?);
    let iss = 1.0 - (1.0 - c) * (1.0 - i) * (1.0 - a);
    let impact = if changed { 7.52 * (iss - 0.029) - 3.25 * (iss - 0.02).powi(15) } else { 6.42 * iss };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let exploitability = 8.22 * av * ac * pr * ui;
    let sum = if changed { 1.08 * (impact + exploitability) } else { impact + exploitability };
    let sum = sum.min(10.0);
    Some(if v31 {
        // CVSS 3.1 Appendix A: round up in integers, so that 4.000001 is not 4.1.
        let scaled = (sum * 100_000.0).round() as i64;
        if scaled % 10_000 == 0 { scaled as f64 / 100_000.0 } else { ((scaled / 10_000) + 1) as f64 / 10.0 }
    } else {
        (sum * 10.0).ceil() / 10.0
    })
}

/// CVSS 2.0 base score (§3.2.1).
fn v2(m: &Metrics<'_>) -> Option<f64> {
    const CIA: &[(&str, f64)] = &[("N", 0.0), ("P", 0.275), ("C", 0.66)];
    let av = m.weight("AV", &[("L", 0.395), ("A", 0.646), ("N", 1.0)])?;
    let ac = m.weight("AC", &[("H", 0.35), ("M", 0.61), ("L", 0.71)])?;
    let au = m.weight("Au", &[("M", 0.45), ("S", 0.56), ("N", 0.704)])?;
    let (c, i, a) = (m.weight("C", CIA)?, m.weight("I", CIA)?, m.weight("A", CIA)?);
    let impact = 10.41 * (1.0 - (1.0 - c) * (1.0 - i) * (1.0 - a));
    let exploitability = 20.0 * av * ac * au;
    let f = if impact == 0.0 { 0.0 } else { 1.176 };
    Some((((0.6 * impact + 0.4 * exploitability - 1.5) * f) * 10.0).round() / 10.0)
}

/// Severity and score from every place a record may say it, the worst of the packages' own first:
/// `affected[].severity` (and RustSec's `affected[].database_specific.cvss`), `severity`, then the words in
/// `affected[].database_specific.severity`, `affected[].ecosystem_specific.severity`, `database_specific.severity`.
///
/// A database's word beats a vector of its own record only in the absence of a readable vector.
pub fn of(record: &super::osv::Record, affected: &[&super::osv::Affected]) -> (Severity, Option<f64>) {
    let worst =
        |scores: &mut dyn Iterator<Item = f64>| scores.fold(None, |w: Option<f64>, s| Some(w.map_or(s, |w| w.max(s))));
    let own = worst(&mut affected.iter().flat_map(|a| {
        vectors(&a.severity).chain(a.database_specific.get("cvss").and_then(Value::as_str)).filter_map(score)
    }));
    if let Some(score) = own.or_else(|| worst(&mut vectors(&record.severity).filter_map(score))) {
        return (rating(score), Some(score));
    }
    let says = |v: &Value| v.get("severity").and_then(Value::as_str).and_then(word);
    let own = affected.iter().flat_map(|a| [says(&a.database_specific), says(&a.ecosystem_specific)]).flatten().max();
    (own.or_else(|| says(&record.database_specific)).unwrap_or(Severity::Unknown), None)
}

/// The vectors of a `severity` list, the newest CVSS version first only where several disagree is left to the maximum.
fn vectors(severity: &Value) -> impl Iterator<Item = &str> {
    severity.as_array().into_iter().flatten().filter_map(|s| s.get("score").and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of known flaws with their published base scores.
    const PUBLISHED: &[(&str, f64)] = &[
        // CVE-2002-0392, CVE-2003-0818, CVE-2003-0062.
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2),
        ("AV:N/AC:M/Au:N/C:N/I:P/A:N", 4.3),
        // CVE-2013-1937, CVE-2013-0375, CVE-2014-3566, CVE-2012-1516, CVE-2014-0160, CVE-2014-6271, CVE-2008-1447.
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N", 6.8),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N", 6.8),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:P/RL:O", 10.0),
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3),
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.6),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 5.1),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", 6.9),
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:N", 5.9),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", 8.7),
    ];

    #[test]
    fn published_scores_are_met() {
        for (vector, expected) in PUBLISHED {
            assert_eq!(score(vector), Some(*expected), "{vector}");
        }
    }

    #[test]
    fn what_is_no_vector_has_no_score() {
        for bad in [
            "",
            "HIGH",
            "7.5",
            "CVSS:3.1/",
            "CVSS:3.1/AV:N",
            "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
            "CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
            "CVSS:5.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:S/SA:N",
        ] {
            assert_eq!(score(bad), None, "{bad}");
        }
    }

    #[test]
    fn ratings_and_words() {
        let rated: Vec<Severity> = [0.1, 3.9, 4.0, 6.9, 7.0, 8.9, 9.0, 10.0].into_iter().map(rating).collect();
        use Severity::{Critical, High, Low, Medium};
        assert_eq!(rated, [Low, Low, Medium, Medium, High, High, Critical, Critical]);
        assert_eq!(word("moderate"), Some(Medium));
        assert_eq!(word("?"), None);
    }
}
