//! The file names of wheels (PEP 427) and source distributions (PEP 625 and the legacy forms).
//!
//! In: a file name, and for a legacy sdist the project whose page lists it. Out: name, version, build tag and tags.

use super::version::{Version, parse_version};
use crate::model::{Ecosystem, PackageName, normalise_name};

/// Longest file name that is read, in bytes.
const MAX_FILENAME: usize = 1024;
/// Most tags that a wheel's name may expand to.
const MAX_TAGS: usize = 2048;

/// A wheel's file name, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The name as written (`_` for `-`).
    pub name: String,
    /// The version.
    pub version: Version,
    /// The build tag: its number and what follows it.
    pub build: Option<(u64, String)>,
    /// `py2.py3`, split.
    pub pythons: Vec<String>,
    /// `abi3.none`, split.
    pub abis: Vec<String>,
    /// Platform tags, split.
    pub platforms: Vec<String>,
}

impl WheelName {
    /// The project's canonical name.
    pub fn canonical(&self) -> String {
        normalise_name(Ecosystem::PyPI, &self.name)
    }

    /// Every `python-abi-platform` tag, lower case. Empty past a limit that no real wheel comes near.
    pub fn tags(&self) -> Vec<String> {
        if self.pythons.len().saturating_mul(self.abis.len()).saturating_mul(self.platforms.len()) > MAX_TAGS {
            return Vec::new();
        }
        let mut out = Vec::new();
        for python in &self.pythons {
            for abi in &self.abis {
                for platform in &self.platforms {
                    out.push(format!("{python}-{abi}-{platform}"));
                }
            }
        }
        out
    }
}

/// The parts of a wheel's file name, as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WheelParts<'f> {
    /// The name (`_` for `-`).
    pub name: &'f str,
    /// The version, unread: see [`wheel_version`].
    pub version: &'f str,
    /// The build tag: its number and what follows it.
    pub build: Option<(u64, &'f str)>,
    /// `python-abi-platform`, each possibly several joined by `.`.
    pub tags: &'f str,
}

impl<'f> WheelParts<'f> {
    /// Splits `name-version[-build]-python-abi-platform.whl`. A project's page may list thousands: nothing is copied.
    pub fn split(filename: &'f str) -> Option<Self> {
        if filename.len() > MAX_FILENAME {
            return None;
        }
        let stem = filename.strip_suffix(".whl")?;
        let mut dashes = stem.match_indices('-').map(|(at, _)| at);
        let (first, second) = (dashes.next()?, dashes.next()?);
        let third = dashes.next()?;
        let (build, tags) = match (dashes.next(), dashes.next(), dashes.next()) {
            (Some(_), None, _) => (None, &stem[second + 1..]),
            (Some(_), Some(_), None) => (Some(&stem[second + 1..third]), &stem[third + 1..]),
            _ => return None,
        };
        let (name, version) = (&stem[..first], &stem[first + 1..second]);
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        if name.is_empty() || name.contains("__") || !name.chars().all(plain) {
            return None;
        }
        let build = match build {
            None => None,
            Some(text) => Some(build_tag(text)?),
        };
        let parts = Self { name, version, build, tags };
        let [python, abi, platform] = parts.compressed()?;
        if [python, abi, platform].iter().any(|part| part.split('.').any(str::is_empty)) {
            return None;
        }
        // `name-1.0-2.7.6-none-any`: a Python tag begins with the implementation's letters.
        python.split('.').all(|t| t.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(parts)
    }

    /// The three parts of the tags.
    fn compressed(&self) -> Option<[&'f str; 3]> {
        compressed(self.tags)
    }
}

/// Calls `each` with every tag of `python-abi-platform`, each possibly several joined by `.`; lower case. With none past
/// a limit that no real wheel comes near.
pub fn each_tag(tags: &str, mut each: impl FnMut(&str)) {
    let Some([pythons, abis, platforms]) = compressed(tags) else { return };
    let count = |part: &str| part.split('.').count();
    if count(pythons).saturating_mul(count(abis)).saturating_mul(count(platforms)) > MAX_TAGS {
        return;
    }
    let mut tag = String::with_capacity(tags.len());
    for python in pythons.split('.') {
        for abi in abis.split('.') {
            for platform in platforms.split('.') {
                tag.clear();
                for (n, part) in [python, abi, platform].into_iter().enumerate() {
                    if n > 0 {
                        tag.push('-');
                    }
                    tag.push_str(part);
                }
                tag.make_ascii_lowercase();
                each(&tag);
            }
        }
    }
}

/// The three parts of `python-abi-platform`.
fn compressed(tags: &str) -> Option<[&str; 3]> {
    let (python, rest) = tags.split_once('-')?;
    let (abi, platform) = rest.split_once('-')?;
    Some([python, abi, platform])
}

/// A build tag's number and what follows it.
pub fn build_tag(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// The version in a wheel's name. Old wheels escape `-` of a version as `_`.
pub fn wheel_version(text: &str) -> Option<Version> {
    parse_version(text).or_else(|| parse_version(&text.replace('_', "-")))
}

/// Reads `name-version[-build]-python-abi-platform.whl`.
pub fn parse_wheel_filename(filename: &str) -> Option<WheelName> {
    let parts = WheelParts::split(filename)?;
    let split = |part: &str| part.split('.').map(str::to_ascii_lowercase).collect();
    let [python, abi, platform] = parts.compressed()?;
    Some(WheelName {
        name: parts.name.to_owned(),
        version: wheel_version(parts.version)?,
        build: parts.build.map(|(number, rest)| (number, rest.to_owned())),
        pythons: split(python),
        abis: split(abi),
        platforms: split(platform),
    })
}

/// Endings of sdists that installers accept, longest first.
const SDIST_ENDINGS: [&str; 8] = [".tar.bz2", ".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".tar", ".zip", ".tbz"];

/// A sdist's file name without its ending.
pub fn sdist_stem(filename: &str) -> Option<&str> {
    if filename.len() > MAX_FILENAME {
        return None;
    }
    SDIST_ENDINGS.iter().find_map(|ending| filename.strip_suffix(ending))
}

/// Reads `name-version.tar.gz` or `.zip` as PEP 625 has it: the version follows the last `-`.
pub fn parse_sdist_filename(filename: &str) -> Option<(String, Version)> {
    if filename.len() > MAX_FILENAME {
        return None;
    }
    let stem = filename.strip_suffix(".tar.gz").or_else(|| filename.strip_suffix(".zip"))?;
    let (name, version) = stem.rsplit_once('-')?;
    (!name.is_empty()).then_some(())?;
    Some((name.to_owned(), parse_version(version)?))
}

/// The version of a project's sdist, legacy names included (`foo-bar-1.0-1.tar.gz`): the split at which the left
/// side is the project's name, in any spelling.
pub fn sdist_version(filename: &str, project: &PackageName) -> Option<Version> {
    let stem = sdist_stem(filename)?;
    stem.char_indices()
        .filter(|(_, c)| *c == '-')
        .filter(|(i, _)| normalise_name(Ecosystem::PyPI, &stem[..*i]) == project.canonical())
        .find_map(|(i, _)| parse_version(&stem[i + 1..]))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wheels() {
        let w = parse_wheel_filename("Foo_Bar-1.0-2b-py2.py3-none-any.whl").unwrap();
        assert_eq!((w.canonical().as_str(), w.build.clone()), ("foo-bar", Some((2, "b".to_owned()))));
        assert_eq!(w.tags(), ["py2-none-any", "py3-none-any"]);
        assert!(parse_wheel_filename("foo-1.0.whl").is_none());
    }

    #[test]
    fn legacy_sdists() {
        let p = |n: &str| PackageName::new(Ecosystem::PyPI, n);
        let v = |f: &str, n: &str| sdist_version(f, &p(n)).map(|v| v.to_string());
        assert_eq!(v("foo-bar-1.0.tar.gz", "foo.bar").as_deref(), Some("1.0"));
        assert_eq!(v("foo-bar-1.0.tar.gz", "foo"), None);
        assert_eq!(v("foo-1.0-1.zip", "foo").as_deref(), Some("1.0.post1"));
    }

    proptest! {
        #[test]
        fn never_panics(name in "[-a-z_.0-9\\PC]{0,40}(\\.whl|\\.tar\\.gz)?") {
            let _ = parse_wheel_filename(&name);
            let _ = parse_sdist_filename(&name);
            let _ = sdist_version(&name, &PackageName::new(Ecosystem::PyPI, "a"));
        }
    }
}
