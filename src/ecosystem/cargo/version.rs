//! Versions and version requirements as Cargo has them: text in, order and admission out.
//!
//! The grammar and the order are those of the `semver` crate, which is Cargo's own: a bare version is a caret
//! requirement, comparators are joined by commas, a pre-release is admitted only where a comparator of the same
//! `major.minor.patch` names one, and build metadata takes part in the total order but not in matching.

use std::cmp::Ordering;
use std::fmt;

use semver::{Comparator, Op, Version, VersionReq};

/// Longest text that is looked at; nothing a registry accepts is near it.
const MAX_TEXT: usize = 4096;

/// See [`crate::ecosystem::compare_versions`]. Build metadata orders versions that are otherwise equal.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(parse(a)?.cmp(&parse(b)?))
}

/// See [`crate::ecosystem::admits`].
pub fn admits(range: &str, version: &str) -> Option<bool> {
    Some(Requirement::parse(range)?.matches(&parse(version)?))
}

/// Reads a full version; surrounding white space is not part of one, and is ignored as Cargo does.
pub fn parse(text: &str) -> Option<Version> {
    if text.len() > MAX_TEXT {
        return None;
    }
    Version::parse(text.trim()).ok()
}

/// A version requirement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    req: VersionReq,
}

impl Requirement {
    /// Any version that is not a pre-release: `*`.
    pub fn any() -> Self {
        Self { req: VersionReq::STAR }
    }

    /// Exactly one version, whatever its build metadata.
    pub fn exactly(version: &Version) -> Self {
        let comparator = Comparator {
            op: Op::Exact,
            major: version.major,
            minor: Some(version.minor),
            patch: Some(version.patch),
            pre: version.pre.clone(),
        };
        Self { req: VersionReq { comparators: vec![comparator] } }
    }

    /// Reads a requirement; empty text is any version, as in an index or a manifest without one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::any());
        }
        VersionReq::parse(text).ok().map(|req| Self { req })
    }

    /// Whether a version satisfies it.
    pub fn matches(&self, version: &Version) -> bool {
        self.req.matches(version)
    }

    /// Whether it names one version in full: `=1.2.3`.
    pub fn is_exact(&self) -> bool {
        matches!(self.req.comparators.as_slice(), [c] if c.op == Op::Exact && c.minor.is_some() && c.patch.is_some())
    }

    /// Whether it admits everything: `*`.
    pub fn is_any(&self) -> bool {
        self.req.comparators.is_empty()
    }

    /// Whether a comparator names a pre-release, so that pre-releases may match.
    pub fn names_prerelease(&self) -> bool {
        self.req.comparators.iter().any(|c| !c.pre.is_empty())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.req.fmt(f)
    }
}

/// The part of a version that Cargo keeps unique: two versions with the same track are compatible and never both
/// chosen from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// `major` of 1 and up.
    Major(u64),
    /// `0.minor` of 0.1 and up.
    Minor(u64),
    /// `0.0.patch`.
    Patch(u64),
}

impl Track {
    /// The track a version is on.
    pub fn of(version: &Version) -> Self {
        match (version.major, version.minor) {
            (0, 0) => Self::Patch(version.patch),
            (0, minor) => Self::Minor(minor),
            (major, _) => Self::Major(major),
        }
    }
}

/// A version with parts left out, as in `rust-version = "1.70"` and in package id specifications.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialVersion {
    /// Major.
    pub major: u64,
    /// Minor, if given.
    pub minor: Option<u64>,
    /// Patch, if given.
    pub patch: Option<u64>,
    /// Pre-release text, empty when there is none.
    pub pre: String,
    /// Build metadata, empty when there is none.
    pub build: String,
}

impl PartialVersion {
    /// Reads `1`, `1.2`, `1.2.3`, `1.2.3-pre+build`; no requirement operators.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        if let Ok(v) = Version::parse(text) {
            return Some(Self {
                major: v.major,
                minor: Some(v.minor),
                patch: Some(v.patch),
                pre: v.pre.to_string(),
                build: v.build.to_string(),
            });
        }
        let mut parts = text.split('.');
        let number = |part: Option<&str>| -> Option<Option<u64>> {
            match part {
                None => Some(None),
                Some(p)
                    if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) && (p == "0" || !p.starts_with('0')) =>
                {
                    p.parse().ok().map(Some)
                }
                Some(_) => None,
            }
        };
        let major = number(parts.next())??;
        let minor = number(parts.next())?;
        let full = parts.next().is_some();
        (!full).then_some(Self { major, minor, patch: None, pre: String::new(), build: String::new() })
    }

    /// Whether a version agrees in every part that is given.
    pub fn matches(&self, version: &Version) -> bool {
        version.major == self.major
            && self.minor.is_none_or(|m| version.minor == m)
            && self.patch.is_none_or(|p| version.patch == p)
            && (self.patch.is_none() || version.pre.as_str() == self.pre)
            && (self.build.is_empty() || version.build.as_str() == self.build)
    }

    /// Whether a toolchain of version `rustc` is at least this, for `rust-version`: pre-releases of the toolchain
    /// count as the release.
    pub fn supported_by(&self, rustc: &PartialVersion) -> bool {
        let parts = |v: &Self| (v.major, v.minor.unwrap_or(0), v.patch.unwrap_or(0));
        parts(self) <= parts(rustc)
    }
}

impl fmt::Display for PartialVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        if let Some(minor) = self.minor {
            write!(f, ".{minor}")?;
        }
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_as_manifests_write_them() {
        for (range, version, expected) in [
            ("1", "1.9.0", true),
            ("1.*", "1.9.0", true),
            ("*", "0.0.1", true),
            ("", "7.0.0", true),
            ("*", "1.0.0-alpha", false),
            (">=1.2, <1.5", "1.4.9", true),
            (">= 1.2,<1.5", "1.5.0", false),
            ("1.0.0-beta.2", "1.0.0-beta.3", true),
            ("1.0.0-beta.2", "1.0.1-beta.3", false),
            ("0.3", "0.4.0", false),
            ("~1.2", "1.3.0", false),
            ("=1.2.3", "1.2.3+build", true),
        ] {
            assert_eq!(admits(range, version), Some(expected), "{range} {version}");
        }
        assert_eq!(admits("latest", "1.0.0"), None);
        assert_eq!(admits("1", "one"), None);
    }

    #[test]
    fn tracks_are_where_compatibility_ends() {
        let track = |v: &str| parse(v).map(|v| Track::of(&v));
        assert_eq!(track("1.2.3"), track("1.9.0-rc.1"));
        assert_ne!(track("0.2.3"), track("0.3.0"));
        assert_eq!(track("0.2.3"), track("0.2.9"));
        assert_ne!(track("0.0.3"), track("0.0.4"));
    }

    #[test]
    fn partial_versions_name_what_they_give() {
        let matches =
            |p: &str, v: &str| PartialVersion::parse(p).is_some_and(|p| parse(v).is_some_and(|v| p.matches(&v)));
        assert!(matches("1", "1.2.3") && matches("1.2", "1.2.3") && matches("1.2.3", "1.2.3+x"));
        assert!(!matches("1.3", "1.2.3") && !matches("1.2.3", "1.2.3-rc.1"));
        for bad in ["", "^1", "1.", "1.2.x", "01", "1.2.3.4", "*"] {
            assert_eq!(PartialVersion::parse(bad), None, "{bad}");
        }
        let rust =
            |a: &str, b: &str| PartialVersion::parse(a).zip(PartialVersion::parse(b)).map(|(a, b)| a.supported_by(&b));
        assert_eq!(rust("1.70", "1.70.1"), Some(true));
        assert_eq!(rust("1.70.1", "1.70"), Some(false));
    }
}
