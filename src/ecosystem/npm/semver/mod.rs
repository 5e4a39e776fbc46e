//! node-semver's versions and ranges, as npm itself reads them: strict and loose, with and without pre-releases.
//!
//! In: the text of a version or a range. Out: [`Version`] (borrowed, `Copy`) and [`Range`], comparisons and verdicts.
//! The reference is the node-semver 7 library; no published crate agrees with it on every row of its own tables.
//! Reading is linear in the text. A version is at most [`MAX_VERSION_LENGTH`] bytes, as there; a range is at most
//! [`MAX_RANGE_LENGTH`] (the reference has no limit), and its numbers are at most [`MAX_SAFE_INTEGER`].

mod range;
mod version;

use std::cmp::Ordering;

pub use range::Range;
pub use version::Version;

/// The longest version text, in bytes.
pub const MAX_VERSION_LENGTH: usize = 256;
/// The longest range text that is read, in bytes.
pub const MAX_RANGE_LENGTH: usize = 64 * 1024;
/// The largest number in a version: JavaScript's largest safe integer.
pub const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// How texts are read. npm itself reads with [`Options::NPM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Accepts `1.2.3beta`, `=v1.2.3`, leading zeros, and skips the parts of a range that are no comparators.
    pub loose: bool,
    /// Lets pre-releases satisfy a range whose comparators name none.
    pub include_prerelease: bool,
}

impl Options {
    /// `{ loose: true }`: what npm passes when it reads specs, packuments and lockfiles.
    pub const NPM: Self = Self { loose: true, include_prerelease: false };
}
/// Whether `version` satisfies `range`; `false` when either cannot be read, as node-semver's `satisfies` has it.
pub fn satisfies(version: &str, range: &str, options: Options) -> bool {
    match (Version::parse(version, options.loose), Range::parse(range, options)) {
        (Some(version), Some(range)) => range.satisfied_by(&version),
        _ => false,
    }
}

/// The highest of `versions` that satisfies `range`; the first of equals.
pub fn max_satisfying<'v>(versions: impl IntoIterator<Item = &'v str>, range: &Range) -> Option<&'v str> {
    let mut best: Option<(&str, Version<'_>)> = None;
    for text in versions {
        let Some(version) = Version::parse(text, range.options.loose) else { continue };
        if range.satisfied_by(&version) && best.as_ref().is_none_or(|(_, b)| version.precedence(b).is_gt()) {
            best = Some((text, version));
        }
    }
    best.map(|(text, _)| text)
}

/// See [`crate::ecosystem::compare_versions`].
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(Version::parse(a, true)?.precedence(&Version::parse(b, true)?))
}

/// See [`crate::ecosystem::admits`].
pub fn admits(range: &str, version: &str) -> Option<bool> {
    let version = Version::parse(version, true)?;
    Some(Range::parse(range, Options::NPM)?.satisfied_by(&version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn npm_reads_loosely() {
        assert_eq!(compare("v1.2.3", "=1.2.3+build"), Some(Ordering::Equal));
        assert_eq!(compare("1.2.3beta", "1.2.3"), Some(Ordering::Less));
        assert_eq!(compare("latest", "1.2.3"), None);
        assert_eq!(admits("", "1.0.0"), Some(true));
        assert_eq!(admits("^1.2", "2.0.0-rc.1"), Some(false));
        assert_eq!(admits("latest", "1.0.0"), None);
    }

    #[test]
    fn a_star_after_a_full_version_is_dropped() {
        let text = |r| Range::parse(r, Options::default()).map(|r| r.to_string());
        assert_eq!(text("1.2.3*").as_deref(), Some("1.2.3"));
        assert_eq!(text(">= 1 <2.x").as_deref(), Some(">=1.0.0 <2.0.0-0"));
        assert_eq!(text("== 1"), None);
        assert_eq!(text("1.x.3"), None);
        assert_eq!(text("^9007199254740991"), None);
    }

    #[test]
    fn long_identifiers_compare_as_doubles() {
        let order = |a, b| compare(a, b);
        assert_eq!(order("1.0.0-9007199254740993", "1.0.0-9007199254740992"), Some(Ordering::Equal));
        assert_eq!(order("1.0.0-10", "1.0.0-9"), Some(Ordering::Greater));
        assert_eq!(order("1.0.0-010", "1.0.0-10"), Some(Ordering::Equal));
    }

    proptest! {
        #[test]
        fn never_panics(range in "[ -~é\u{feff}]{0,40}", version in "[0-9a-zA-Z.+=v -]{0,30}", loose: bool, pre: bool) {
            let options = Options { loose, include_prerelease: pre };
            let parsed = Range::parse(&range, options);
            if let (Some(range), Some(version)) = (&parsed, Version::parse(&version, loose)) {
                range.satisfied_by(&version);
                range.outside(&version, Ordering::Greater);
                range.intersects(range);
            }
        }

        #[test]
        fn canonical_text_reads_back(range in "[0-9x*.^~<>=| -]{0,24}", pre: bool) {
            let options = Options { loose: false, include_prerelease: pre };
            if let Some(parsed) = Range::parse(&range, options) {
                let again = Range::parse(&parsed.to_string(), options).map(|r| r.to_string());
                prop_assert_eq!(again, Some(parsed.to_string()));
            }
        }
    }
}
