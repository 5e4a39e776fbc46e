//! PEP 440: versions and version specifiers, judged exactly as `pypa/packaging` judges them.
//!
//! In: a version's or a specifier set's text. Out: [`Version`] (of `pep440_rs`, whose order agrees with the
//! reference) and [`Specifiers`], whose matching is written here: `pep440_rs` refuses a trailing comma, and its
//! `==2.0.5.*` holds `2.0`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr as _;

pub use pep440_rs::Version;

/// Longest version text that is read, in bytes.
const MAX_VERSION: usize = 512;
/// Longest specifier set that is read, in bytes.
const MAX_SPECIFIERS: usize = 8 * 1024;

/// See [`crate::ecosystem::compare_versions`].
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(parse_version(a)?.cmp(&parse_version(b)?))
}

/// See [`crate::ecosystem::admits`].
pub fn admits(range: &str, version: &str) -> Option<bool> {
    let range = specifiers(range).ok()?;
    match parse_version(version) {
        Some(version) => Some(range.permits(&version)),
        // Only `===` can match a text that is no PEP 440 version.
        None if range.list.iter().any(|s| s.operator == Operator::Arbitrary) => {
            Some(range.contains_text(version, true))
        }
        None => None,
    }
}

/// Reads a version; `None` when the text is not PEP 440 (or holds a number past 64 bits).
/// White space around it is allowed, as the reference has it.
pub fn parse_version(text: &str) -> Option<Version> {
    let text = text.trim();
    // Python folds `ı` and `ſ` into ASCII letters when it ignores case; the grammar means ASCII.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'!');
    if text.is_empty() || text.len() > MAX_VERSION || !text.bytes().all(plain) {
        return None;
    }
    Version::from_str(text).ok()
}

/// A version's normalised text, or the text itself when it is not PEP 440.
pub fn normalise(text: &str) -> String {
    parse_version(text).map_or_else(|| text.trim().to_owned(), |v| v.to_string())
}

/// How a specifier compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `~=`
    Compatible,
    /// `==`, of a version or of a prefix (`==1.2.*`).
    Equal,
    /// `!=`, of a version or of a prefix.
    NotEqual,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `===`: equality of the texts.
    Arbitrary,
}

/// Longest first, so that a prefix never wins.
const OPERATORS: [(&str, Operator); 8] = [
    ("===", Operator::Arbitrary),
    ("~=", Operator::Compatible),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Operator {
    /// The operator's text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Compatible => "~=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::Arbitrary => "===",
        }
    }

    /// The operator that `text` begins with.
    pub(crate) fn at_start(text: &str) -> Option<Self> {
        OPERATORS.iter().find(|(word, _)| text.starts_with(word)).map(|(_, operator)| *operator)
    }
}

/// One clause of a specifier set: `>=1.2`, `==1.2.*`, `===2009a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specifier {
    operator: Operator,
    /// As written, without the operator.
    text: Box<str>,
    /// The version, without `.*`; `None` only for `===` of something else.
    version: Option<Version>,
    prefix: bool,
}

impl Specifier {
    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The version as written, `.*` included.
    pub fn version_text(&self) -> &str {
        &self.text
    }

    /// The version compared with, without `.*`. `None` only for `===` of a text that is no version.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Whether it is a prefix match: `==1.2.*`, `!=1.2.*`.
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    /// Whether it names a pre-release, so that pre-releases are wanted.
    fn names_prerelease(&self) -> bool {
        self.operator != Operator::NotEqual && self.version.as_ref().is_some_and(Version::any_prerelease)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid specifier `{text}`");
        let trimmed = text.trim();
        let operator = Operator::at_start(trimmed).ok_or_else(invalid)?;
        let written = trimmed[operator.text().len()..].trim_start();
        if operator == Operator::Arbitrary {
            if written.is_empty() || written.contains(|c: char| c.is_whitespace() || matches!(c, ';' | ')')) {
                return Err(invalid());
            }
            return Ok(Self { operator, text: written.into(), version: parse_version(written), prefix: false });
        }
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let (version, prefix) = match written.strip_suffix(".*") {
            Some(stem) if equality => (stem, true),
            _ => (written, false),
        };
        if version.ends_with(char::is_whitespace) {
            return Err(invalid());
        }
        let version = parse_version(version).ok_or_else(invalid)?;
        let plain = !version.any_prerelease() && !version.is_post() && !version.is_local();
        if (prefix && !plain)
            || (version.is_local() && !equality)
            || (operator == Operator::Compatible && version.release().len() < 2)
        {
            return Err(invalid());
        }
        Ok(Self { operator, text: written.into(), version: Some(version), prefix })
    }

    /// Whether it matches, pre-releases like any other version.
    fn matches(&self, version: &Version) -> bool {
        let Some(spec) = &self.version else { return self.matches_text(&version.to_string()) };
        match self.operator {
            Operator::Arbitrary => self.matches_text(&version.to_string()),
            Operator::Equal if self.prefix => has_prefix(version, spec, spec.release()),
            Operator::NotEqual if self.prefix => !has_prefix(version, spec, spec.release()),
            Operator::Equal => equal(version, spec),
            Operator::NotEqual => !equal(version, spec),
            Operator::LessEqual => public_cmp(version, spec) != Ordering::Greater,
            Operator::GreaterEqual => public_cmp(version, spec) != Ordering::Less,
            Operator::Compatible => {
                let release = spec.release();
                public_cmp(version, spec) != Ordering::Less
                    && has_prefix(version, spec, release.get(..release.len() - 1).unwrap_or_default())
            }
            // `<1.0` leaves out what leads up to 1.0 (1.0.dev0, 1.0rc1) unless it names a pre-release itself.
            Operator::Less => version < spec && (spec.any_prerelease() || *version < spec.clone().with_dev(Some(0))),
            // `>1.0a1` leaves out 1.0a1's own post-releases unless it names one, and local builds of 1.0a1.
            Operator::Greater => {
                version > spec
                    && (spec.is_post() || !version.is_post() || !post_of(version, spec))
                    && !(version.is_local() && public_cmp(version, spec) == Ordering::Equal)
            }
        }
    }

    fn matches_text(&self, candidate: &str) -> bool {
        self.text.eq_ignore_ascii_case(candidate)
    }
}

impl fmt::Display for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.operator.text(), self.text)
    }
}

/// Equality as `==` has it: a local part counts only where the specifier has one.
fn equal(version: &Version, spec: &Version) -> bool {
    if spec.is_local() { version == spec } else { public_cmp(version, spec) == Ordering::Equal }
}

/// Order without the local part of `version`.
fn public_cmp(version: &Version, spec: &Version) -> Ordering {
    if version.is_local() { version.clone().without_local().cmp(spec) } else { version.cmp(spec) }
}

/// Whether the epoch and the first release numbers are those of `release`, missing numbers being zero.
fn has_prefix(version: &Version, spec: &Version, release: &[u64]) -> bool {
    let own = version.release();
    version.epoch() == spec.epoch() && release.iter().enumerate().all(|(i, n)| own.get(i).copied().unwrap_or(0) == *n)
}

/// Whether `version` is a post-release of exactly `spec`.
fn post_of(version: &Version, spec: &Version) -> bool {
    version.clone().with_post(None).with_dev(None).without_local() == *spec
}

/// A specifier set: clauses that all must match. Empty: any version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Specifiers {
    list: Vec<Specifier>,
}

/// Reads a comma-separated specifier set. Empty clauses (a trailing comma) are passed over, as the reference does.
/// The error is a lower-case fragment.
pub fn specifiers(text: &str) -> Result<Specifiers, String> {
    if text.len() > MAX_SPECIFIERS {
        return Err(format!("specifier set longer than {MAX_SPECIFIERS} bytes"));
    }
    let clauses = text.split(',').filter(|clause| !clause.trim().is_empty());
    Ok(Specifiers { list: clauses.map(Specifier::parse).collect::<Result<_, _>>()? })
}

impl Specifiers {
    /// The clauses, as written.
    pub fn iter(&self) -> std::slice::Iter<'_, Specifier> {
        self.list.iter()
    }

    /// Whether there is no clause: any version.
    pub fn is_any(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether `version` matches every clause; a pre-release only where `prereleases` says that they count.
    pub fn contains(&self, version: &Version, prereleases: bool) -> bool {
        (prereleases || !version.any_prerelease()) && self.list.iter().all(|s| s.matches(version))
    }

    /// As [`Specifiers::contains`] for a text, which need not be a version: `===` compares texts.
    pub fn contains_text(&self, text: &str, prereleases: bool) -> bool {
        match parse_version(text) {
            Some(version) => {
                (prereleases || !version.any_prerelease())
                    && self.list.iter().all(|s| match s.operator {
                        Operator::Arbitrary => s.matches_text(text),
                        _ => s.matches(&version),
                    })
            }
            None => self.list.iter().all(|s| s.operator == Operator::Arbitrary && s.matches_text(text)),
        }
    }

    /// Whether a clause names a pre-release: then pre-releases count without being asked for.
    pub fn names_prerelease(&self) -> bool {
        self.list.iter().any(Specifier::names_prerelease)
    }

    /// [`Specifiers::contains`] with pre-releases exactly where a clause names one.
    pub fn permits(&self, version: &Version) -> bool {
        self.contains(version, self.names_prerelease())
    }

    /// The indexes of the candidates that pip would consider, in their order. `prereleases`: `--pre` (or `Some(false)`
    /// to forbid them). With `None`, pre-releases count where a clause names one, or where no final release matches.
    pub fn filter<'v>(
        &self,
        candidates: impl IntoIterator<Item = &'v Version>,
        prereleases: Option<bool>,
    ) -> Vec<usize> {
        let allowed = prereleases.unwrap_or_else(|| self.names_prerelease());
        let matching: Vec<(usize, bool)> = candidates
            .into_iter()
            .enumerate()
            .filter(|(_, v)| self.contains(v, true))
            .map(|(i, v)| (i, v.any_prerelease()))
            .collect();
        let only_prereleases = prereleases.is_none() && matching.iter().all(|(_, pre)| *pre);
        matching.into_iter().filter(|(_, pre)| allowed || only_prereleases || !pre).map(|(i, _)| i).collect()
    }

    /// The version when the set is one `==` (not a prefix) or `===` clause: what pip calls pinned.
    pub fn exact(&self) -> Option<&Version> {
        match self.list.as_slice() {
            [one] if matches!(one.operator, Operator::Equal | Operator::Arbitrary) && !one.prefix => one.version(),
            _ => None,
        }
    }

    /// Every clause of both sets.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.list.extend(other.list.iter().filter(|s| !self.list.contains(s)).cloned().collect::<Vec<_>>());
        self
    }
}

/// As written, clauses joined by `,` without spaces.
impl fmt::Display for Specifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, s) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            s.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> Specifiers {
        specifiers(text).unwrap()
    }

    #[test]
    fn measured_traps() {
        let v = |t: &str| parse_version(t).unwrap();
        assert!(set(">=1,").permits(&v("1.5")));
        assert!(!set("==2.0.5.*").permits(&v("2.0")));
        assert!(set("==2.0.0.*").permits(&v("2.0")));
        assert!(!set(">=1").permits(&v("2.0a1")));
        assert!(set(">=2.0a1").permits(&v("2.0a1")));
        assert!(set("===1.0").permits(&v("1.0")) && !set("===1.0").permits(&v("1.0.0")));
        assert!(set("===2009a-legacy").contains_text("2009A-legacy", false));
        assert_eq!(admits("===foo", "foo"), Some(true));
        assert_eq!(admits(">=1", "not a version"), None);
    }

    #[test]
    fn pins() {
        assert_eq!(set("==1.0").exact().map(ToString::to_string).as_deref(), Some("1.0"));
        assert!(set("==1.0,>0").exact().is_none() && set("==1.*").exact().is_none());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-=<>!~.,*+ a-zA-Z0-9\\PC]{0,40}", version in "[0-9!.a-z+-]{0,24}") {
            let _ = admits(&text, &version);
            let _ = compare(&text, &version);
        }
    }
}
