//! Which releases a record speaks of: OSV's matching, per ecosystem, and the reading of records that say too much.
//!
//! The order of versions is the ecosystem's own ([`crate::ecosystem::compare_versions`]); SemVer ecosystems also
//! read the loose forms that advisories contain (`1`, `2.1`, `v1.0.0`). Source: OSV schema, "Evaluation".

use std::cmp::Ordering;

use super::entry::{Entry, Event, EventKind};
use crate::model::Ecosystem;

/// How two versions compare; `None` when one has no place in the ecosystem's order.
pub fn compare(ecosystem: Ecosystem, a: &str, b: &str) -> Option<Ordering> {
    // Cargo orders build metadata; OSV, by SemVer's precedence, does not: `1.2.3+x` is not past `1.2.3`.
    let (a, b) = if ecosystem == Ecosystem::CratesIo { (without_build(a), without_build(b)) } else { (a, b) };
    crate::ecosystem::compare_versions(ecosystem, a, b).or_else(|| match ecosystem {
        Ecosystem::PyPI => None,
        Ecosystem::Npm | Ecosystem::CratesIo => Some(Loose::parse(a)?.cmp(&Loose::parse(b)?)),
    })
}

fn without_build(version: &str) -> &str {
    version.split_once('+').map_or(version, |(kept, _)| kept)
}

/// The text under which two spellings of one version are equal; the text itself when it is no version.
pub fn key(ecosystem: Ecosystem, version: &str) -> String {
    let version = version.trim();
    match ecosystem {
        Ecosystem::PyPI => crate::ecosystem::python::version::parse_version(version).map_or_else(
            || version.to_owned(),
            |v| {
                let release = v.release();
                let kept = release.iter().rposition(|n| *n != 0).map_or(1, |i| i + 1);
                let trimmed = release.get(..kept).unwrap_or(release).to_vec();
                v.with_release(trimmed).to_string()
            },
        ),
        // Build metadata is no part of a version's precedence, and a registry has one release of each precedence.
        Ecosystem::Npm | Ecosystem::CratesIo => {
            Loose::parse(version).map_or_else(|| version.to_owned(), |v| v.to_string())
        }
    }
}

/// A SemVer version as advisories write it: an optional `v` or `=`, one number or more, a pre-release (its hyphen may
/// be missing: `1.0.0rc1`), build metadata (dropped). Numbers are of any length. Missing numbers are zeros.
#[derive(Debug, PartialEq, Eq)]
struct Loose<'a> {
    numbers: Vec<&'a str>,
    pre: Vec<&'a str>,
}

impl<'a> Loose<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', 'V', '=', ' ']);
        let text = without_build(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, pre) = text.split_at(end);
        let pre = (!pre.is_empty()).then(|| pre.strip_prefix('-').unwrap_or(pre));
        let number = |n: &'a str| (!n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())).then(|| trim_zeros(n));
        let mut numbers: Vec<&str> = numbers.split('.').map(number).collect::<Option<_>>()?;
        while numbers.len() < 3 {
            numbers.push("0");
        }
        let pre: Vec<&str> = pre.map_or_else(Vec::new, |p| p.split('.').collect());
        let word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        pre.iter().all(word).then_some(Self { numbers, pre })
    }
}

fn trim_zeros(n: &str) -> &str {
    match n.trim_start_matches('0') {
        "" => "0",
        kept => kept,
    }
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    (a.len(), a).cmp(&(b.len(), b))
}

impl std::fmt::Display for Loose<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.numbers.join("."))?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre.join("."))?;
        }
        Ok(())
    }
}

impl PartialOrd for Loose<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Loose<'_> {
    /// SemVer §11.
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        for i in 0..longest {
            let a = self.numbers.get(i).copied().unwrap_or("0");
            let b = other.numbers.get(i).copied().unwrap_or("0");
            let order = compare_numbers(a, b);
            if order != Ordering::Equal {
                return order;
            }
        }
        match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {}
        }
        let digits = |p: &str| p.bytes().all(|b| b.is_ascii_digit());
        for (a, b) in self.pre.iter().zip(&other.pre) {
            let order = match (digits(a), digits(b)) {
                (true, true) => compare_numbers(trim_zeros(a), trim_zeros(b)),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.pre.len().cmp(&other.pre.len())
    }
}

/// A version to be looked up, with what is asked of it often.
#[derive(Debug)]
pub struct Query<'a> {
    ecosystem: Ecosystem,
    version: &'a str,
    /// PyPI: the version without its local label. A build of `2.0.1` for one GPU, `2.0.1+cu118`, has what `2.0.1`
    /// has, and PEP 440 compares it so with whatever names no label itself. Elsewhere the version.
    public: &'a str,
    keys: [String; 2],
    /// crates.io: the version read, for the many that it is compared with; `None` when Cargo would not read it.
    cargo: Option<semver::Version>,
}

impl<'a> Query<'a> {
    /// Takes the version's text as its registry or a lockfile wrote it.
    pub fn new(ecosystem: Ecosystem, version: &'a str) -> Self {
        let public = if ecosystem == Ecosystem::PyPI { without_build(version) } else { version };
        let own = key(ecosystem, version);
        let keys = [if public == version { own.clone() } else { key(ecosystem, public) }, own];
        let cargo =
            (ecosystem == Ecosystem::CratesIo).then(|| crate::ecosystem::cargo::version::parse(without_build(version)));
        Self { ecosystem, version, public, keys, cargo: cargo.flatten() }
    }

    /// Whether the record names this version in `versions`. An empty version is one that is not known: every one.
    pub fn named_by(&self, entry: &Entry) -> bool {
        let named = |(key, written): (&str, &str)| self.keys.iter().any(|k| k == key) || written == self.version;
        self.version.is_empty() || entry.versions.iter().any(named)
    }

    /// [`compare`] of this version, or of its public part, with another.
    fn compare(&self, other: &str) -> Option<Ordering> {
        let read = |own| Some((own, crate::ecosystem::cargo::version::parse(without_build(other))?));
        if let Some((own, other)) = self.cargo.as_ref().and_then(read) {
            return Some(own.cmp(&other));
        }
        compare(self.ecosystem, if other.contains('+') { self.version } else { self.public }, other)
    }

    /// Whether this version lies in a range.
    pub fn within(&self, range: &[Event]) -> bool {
        let compare = |b: &str| self.compare(b);
        let limits = range.iter().filter(|e| e.kind == EventKind::Limit);
        let mut limits = limits.map(|e| e.version == "*" || compare(&e.version) == Some(Ordering::Less)).peekable();
        if limits.peek().is_some() && !limits.any(|inside| inside) {
            return false;
        }
        let introduced = |e: &Event| e.kind == EventKind::Introduced;
        if self.cargo.is_none() && compare(self.version).is_none() {
            // No place in the order: only what is named literally, or a range without any end.
            let upper = |e: &Event| matches!(e.kind, EventKind::Fixed | EventKind::LastAffected);
            let named =
                range.iter().any(|e| e.version == self.version && (introduced(e) || e.kind == EventKind::LastAffected));
            let from_the_start = range.iter().any(is_zero) || !range.iter().any(introduced);
            return named || (from_the_start && !range.iter().any(upper));
        }
        // Events in version order would each switch the state; the last that applies decides, so no sort is needed.
        let mut last: Option<&Event> = None;
        for event in range.iter().filter(|e| e.kind != EventKind::Limit) {
            let applies = is_zero(event)
                || match (compare(&event.version), event.kind) {
                    (Some(order), EventKind::LastAffected) => order.is_gt(),
                    (Some(order), _) => order.is_ge(),
                    (None, _) => false,
                };
            if applies && last.is_none_or(|l| before(self.ecosystem, l, event)) {
                last = Some(event);
            }
        }
        // The schema wants an `introduced`; a range without one does not say where it begins, so it has from the start.
        last.map_or_else(|| !range.iter().any(introduced), introduced)
    }

    /// Whether a malware record means this version, its catch-alls set aside.
    pub fn narrowly_affected_by(&self, entry: &Entry) -> bool {
        self.named_by(entry) || entry.ranges.iter().any(|r| !is_catch_all(r) && self.within(r))
    }

    /// OSV's own answer: named, or in any range.
    pub fn affected_by(&self, entry: &Entry) -> bool {
        self.named_by(entry) || entry.ranges.iter().any(|r| self.within(r))
    }
}

/// OSV's sentinel, before every version.
fn is_zero(event: &Event) -> bool {
    event.kind == EventKind::Introduced && event.version == "0"
}

/// By version, `0` first, and at one version as [`EventKind`] is ordered.
fn before(ecosystem: Ecosystem, a: &Event, b: &Event) -> bool {
    match (is_zero(a), is_zero(b)) {
        (true, zero) => return !zero,
        (false, true) => return false,
        (false, false) => {}
    }
    match compare(ecosystem, &a.version, &b.version) {
        Some(order) => order.then(a.kind.cmp(&b.kind)) == Ordering::Less,
        None => false,
    }
}

/// Whether a range begins at the beginning and never ends: it says "every version" of itself.
pub fn is_catch_all(range: &[Event]) -> bool {
    let begins = |e: &Event| {
        e.kind == EventKind::Introduced
            && matches!(e.version.as_str(), "0" | "0.0.0" | "0.0.0-0" | "0.0" | "0.0.0a0" | "0.dev0")
    };
    range.iter().any(begins)
        && range.iter().all(|e| e.kind == EventKind::Introduced || (e.kind == EventKind::Limit && e.version == "*"))
}

/// Whether a version is one with which packages begin: `0.0.0`, `0.0.1`, `0.1.0`, `1.0.0`, `0.1`, `1`.
fn is_first_release(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    parts.len() <= 3
        && parts.iter().all(|p| matches!(*p, "0" | "1"))
        && parts.iter().filter(|p| **p == "1").count() <= 1
}

/// How a malware record is to be read.
///
/// A first malware record is often "every version" (`introduced: 0`), and the true versions are added beside it
/// later, without the draft being taken out. Read literally, the good releases of a package that was taken over for
/// an hour are refused. The rule:
///
/// 1. nothing but a catch-all, or nothing at all: the package is malicious as a whole, every version is;
/// 2. a catch-all beside narrower ranges or named versions, the lowest of which is no first release: the package had
///    good releases before; the narrower statement is the record, the catch-all its draft;
/// 3. a catch-all beside named versions that begin with a first release: there never was a good one, the names are
///    only those that were seen: the whole package.
///
/// One record is read by itself: where another database names a whole package, that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every version.
    WholePackage,
    /// Named versions and the ranges that are not catch-alls. `overbroad`: there was a catch-all, set aside.
    Narrow {
        /// A catch-all was set aside.
        overbroad: bool,
    },
}

/// Reads a malware entry.
pub fn reading(ecosystem: Ecosystem, entry: &Entry) -> Reading {
    let overbroad =
        entry.ranges.iter().any(|r| is_catch_all(r)) || (entry.ranges.is_empty() && entry.versions.is_empty());
    if !overbroad {
        return Reading::Narrow { overbroad };
    }
    let named = entry.versions.iter().map(|(_, written)| written);
    let narrower = entry.ranges.iter().filter(|r| !is_catch_all(r)).flatten();
    let ranged = narrower.filter(|e| e.kind == EventKind::Introduced).map(|e| e.version.as_str());
    let earlier = |a: &str, b: &str| compare(ecosystem, a, b) == Some(Ordering::Less);
    match named.chain(ranged).reduce(|low, v| if earlier(v, low) { v } else { low }) {
        Some(version) if !is_first_release(version) => Reading::Narrow { overbroad },
        _ => Reading::WholePackage,
    }
}

/// The versions in which a package is fixed, in version order, each once. RustSec's `-0`, which stands for
/// "and its pre-releases", is taken off.
pub fn fixed_versions(ecosystem: Ecosystem, entries: &[&Entry]) -> Vec<String> {
    let events = entries.iter().flat_map(|e| &e.ranges).flatten().filter(|e| e.kind == EventKind::Fixed);
    let texts: std::collections::BTreeSet<&str> =
        events.map(|e| e.version.strip_suffix("-0").unwrap_or(&e.version)).collect();
    // Insertion into a short list: texts that are no versions have no order, and a sort wants one.
    let mut out: Vec<String> = Vec::new();
    for text in texts.into_iter().take(256) {
        let later = |v: &String| compare(ecosystem, v, text) == Some(Ordering::Greater);
        let at = out.iter().position(later).unwrap_or(out.len());
        out.insert(at, text.to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::super::osv::Record;
    use super::*;

    fn entry(ecosystem: Ecosystem, affected: &str) -> Entry {
        let json = format!(
            r#"{{"id":"MAL-1","affected":[{{"package":{{"ecosystem":"{}","name":"p"}},{affected}}}]}}"#,
            ecosystem.osv()
        );
        Entry::of_record(&Record::parse(json.as_bytes()).unwrap()).remove(0).1
    }

    fn check(ecosystem: Ecosystem, affected: &str, inside: &[&str], outside: &[&str]) {
        let entry = entry(ecosystem, affected);
        for v in inside {
            assert!(Query::new(ecosystem, v).affected_by(&entry), "{v} in {affected}");
        }
        for v in outside {
            assert!(!Query::new(ecosystem, v).affected_by(&entry), "{v} not in {affected}");
        }
    }

    const RANGE: &str = r#""ranges":[{"type":"ECOSYSTEM","events":"#;

    #[test]
    fn events_count_in_version_order_whatever_order_they_stand_in() {
        use Ecosystem::{CratesIo, Npm, PyPI};
        let events = |list: &str| format!("{RANGE}[{list}]}}]");
        let unsorted = events(
            r#"{"fixed":"2.0.1"},{"introduced":"0"},{"introduced":"2.0.0"},{"fixed":"1.3.2"},{"fixed":"1.3.2"}"#,
        );
        check(Npm, &unsorted, &["0.0.0-0", "1.3.1", "1.3.2-rc.1", "2.0.0"], &["1.3.2", "1.9.9", "2.0.1", "2.0.0-rc.1"]);
        let last = events(r#"{"introduced":"1.0"},{"last_affected":"1.5"}"#);
        check(PyPI, &last, &["1.0", "1", "1.5.0", "1.5rc1", "1.5+local"], &["0.9", "1.0rc1", "1.5.post1", "1.5.1"]);
        let limit = events(r#"{"introduced":"0"},{"limit":"2.0.0"}"#);
        check(CratesIo, &limit, &["1.9.9"], &["2.0.0", "3.0.0"]);
        let limits = events(r#"{"introduced":"0"},{"limit":"2.0.0"},{"limit":"*"}"#);
        check(CratesIo, &limits, &["1.9.9", "3.0.0"], &[]);
        // Fixed in one branch and introduced in another at one version: affected.
        let both = events(r#"{"introduced":"2.0.0"},{"introduced":"0"},{"fixed":"2.0.0"}"#);
        check(Npm, &both, &["1.0.0", "2.0.0", "3.0.0"], &[]);
        // Build metadata is no part of the order.
        let build = events(r#"{"introduced":"0"},{"last_affected":"1.2.3"}"#);
        check(CratesIo, &build, &["1.2.3+a"], &["1.2.4"]);
        check(CratesIo, &events(r#"{"introduced":"0"},{"fixed":"1.2.3+a"}"#), &["1.2.2"], &["1.2.3", "1.2.3+b"]);
        // A range that does not say where it begins has from the start.
        check(Npm, &events(r#"{"fixed":"1.0.0"}"#), &["0.1.0"], &["1.0.0"]);
        check(PyPI, &events(r#"{"introduced":"1!1.0"}"#), &["1!2.0"], &["2024.1"]);
    }

    #[test]
    fn what_is_no_version_is_only_ever_meant_literally() {
        use Ecosystem::{Npm, PyPI};
        let bounded = format!("{RANGE}[{{\"introduced\":\"0\"}},{{\"fixed\":\"2\"}}]}}]");
        check(PyPI, &bounded, &["1.0"], &["not a version", "2.0", "1.0-beta-custom"]);
        let open = format!("{RANGE}[{{\"introduced\":\"0\"}}]}}]");
        check(PyPI, &open, &["1.0", "not a version", "\u{1b}[31m", ""], &[]);
        check(PyPI, r#""versions":["2004d","1.0"]"#, &["2004d", "1.0.0", "v1", "1.0+x"], &["2004c", "1.0.post1"]);
        check(Npm, r#""versions":["1.0.0-Beta","v2.0.0"]"#, &["1.0.0-Beta", "2.0.0", "2.0.0+x"], &["1.0.0-beta"]);
        // An event that is no version bounds nothing: more is affected, not less.
        let garbage = format!("{RANGE}[{{\"introduced\":\"0\"}},{{\"fixed\":\"next\"}}]}}]");
        check(Npm, &garbage, &["1.0.0"], &[]);
    }

    #[test]
    fn keys_are_one_for_one_version() {
        let same = |e, a: &str, b: &str| assert_eq!(key(e, a), key(e, b));
        same(Ecosystem::PyPI, "1.0", "1.0.0");
        same(Ecosystem::PyPI, "v1.0-ALPHA.1", "1a1");
        same(Ecosystem::PyPI, "0.1.2-1", "0.1.2.post1");
        same(Ecosystem::PyPI, "0", "0.0.0");
        same(Ecosystem::CratesIo, "1.0.0+a", "1.0.0");
        same(Ecosystem::Npm, "=v1.02.3", "1.2.3");
        assert_ne!(key(Ecosystem::PyPI, "1.0"), key(Ecosystem::PyPI, "1.0+x"));
        assert_ne!(key(Ecosystem::Npm, "1.0.0-a"), key(Ecosystem::Npm, "1.0.0-A"));
    }

    #[test]
    fn loose_versions_are_ordered_as_semver_is() {
        let list = [
            "0",
            "0.0.1-0",
            "0.0.1",
            "v1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-2a",
            "1.0.0rc1",
            "1",
            "1.0.1",
            "99999999999999999999999",
        ];
        for (i, a) in list.iter().enumerate() {
            for (j, b) in list.iter().enumerate() {
                let order = Loose::parse(a).unwrap().cmp(&Loose::parse(b).unwrap());
                let expected = match (*a, *b) {
                    ("1.0.0-2a", "v1.0.0-alpha" | "1.0.0-alpha.1") => Ordering::Less,
                    ("v1.0.0-alpha" | "1.0.0-alpha.1", "1.0.0-2a") => Ordering::Greater,
                    _ => i.cmp(&j),
                };
                assert_eq!(order, expected, "{a} {b}");
            }
        }
        for bad in ["", "a", "1..2", "1.0.0.", "1.0.0-", "1.0.0-a..b", "1.0.0-ä", "-1"] {
            assert_eq!(Loose::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_malware_record_that_contradicts_itself_is_read_narrowly() {
        use Ecosystem::{CratesIo, Npm, PyPI};
        let all = r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}"#;
        let narrow = Reading::Narrow { overbroad: true };
        let cases = [
            (Npm, format!("{all}]"), Reading::WholePackage),
            (Npm, r#""versions":[]"#.to_owned(), Reading::WholePackage),
            (Npm, r#""ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]"#.to_owned(), Reading::WholePackage),
            (Npm, r#""versions":["1.0.0"]"#.to_owned(), Reading::Narrow { overbroad: false }),
            (Npm, format!(r#"{all}],"versions":["4.1.2","4.1.1"]"#), narrow),
            (Npm, format!(r#"{all}],"versions":["4.1.2","0.0.1"]"#), Reading::WholePackage),
            (PyPI, format!(r#"{all}],"versions":["10.0","1.0.0"]"#), Reading::WholePackage),
            (Npm, format!(r#"{all},{{"events":[{{"introduced":"4.1.1"}},{{"last_affected":"4.1.2"}}]}}]"#), narrow),
            (CratesIo, r#""ranges":[{"events":[{"introduced":"0.0.0-0"}]}]"#.to_owned(), Reading::WholePackage),
            (
                CratesIo,
                r#""ranges":[{"events":[{"introduced":"0.3.10-0"}]}]"#.to_owned(),
                Reading::Narrow { overbroad: false },
            ),
            (Npm, format!(r#"{all}],"versions":["no version"]"#), narrow),
        ];
        for (ecosystem, affected, expected) in cases {
            assert_eq!(reading(ecosystem, &entry(ecosystem, &affected)), expected, "{affected}");
        }
    }

    #[test]
    fn fixed_versions_are_in_order_once() {
        let e = entry(
            Ecosystem::CratesIo,
            r#""ranges":[{"events":[{"introduced":"0"},{"fixed":"10.0.0"},{"fixed":"9.0.0-0"}]},{"events":[{"fixed":"9.0.0"}]}]"#,
        );
        assert_eq!(fixed_versions(Ecosystem::CratesIo, &[&e, &e]), ["9.0.0", "10.0.0"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_matching_panic(version in "\\PC{0,20}", a in "\\PC{0,12}", b in "[0-9a.+-]{0,12}") {
            for ecosystem in Ecosystem::ALL {
                let event = |kind, version: &str| Event { kind, version: version.to_owned() };
                let range = [event(EventKind::Introduced, &a), event(EventKind::Fixed, &b), event(EventKind::LastAffected, &a), event(EventKind::Limit, &b)];
                let query = Query::new(ecosystem, &version);
                let _ = query.within(&range);
                let _ = is_catch_all(&range);
            }
        }
    }
}
