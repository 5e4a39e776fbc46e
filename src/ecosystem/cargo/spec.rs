//! The ways in which a command line names a package: package id specifications (`cargo update -p`, `[replace]`) and
//! what `cargo add` and `cargo install` take.
//!
//! The grammar of id specifications is the Cargo book's: `name`, `name@1.2`, `name:1.2.3`, `kind+url#name@version`.

use std::fmt;

use url::Url;

use super::lock::LockedPackage;
use super::source::SourceId;
use super::version::{PartialVersion, Requirement};

/// A package id specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSpec {
    /// The package's name.
    pub name: String,
    /// The version, whole or in part.
    pub version: Option<PartialVersion>,
    /// The URL, without kind and query of a git reference.
    pub url: Option<String>,
    /// The source, when the text has a kind: `git+https://…?branch=dev`.
    pub source: Option<SourceId>,
}

impl PackageSpec {
    /// Reads a specification; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains("://") {
            return Self::parse_url(text);
        }
        if text.contains(['/', '\\']) || text.is_empty() {
            return None;
        }
        let (name, version) = split_name(text)?;
        Some(Self { name, version, url: None, source: None })
    }

    fn parse_url(text: &str) -> Option<Self> {
        let (before, fragment) = text.split_once('#').map_or((text, None), |(b, f)| (b, Some(f)));
        let scheme = before.split("://").next()?;
        let source = match scheme.split_once('+') {
            Some(_) => Some(SourceId::parse(before)?),
            None => None,
        };
        let url = source.as_ref().map_or(before, |s| s.url.as_str());
        let parsed = Url::parse(url).ok()?;
        // A query belongs to a git reference, and only there.
        if source.is_none() && parsed.query().is_some() {
            return None;
        }
        let last = parsed.path_segments()?.rfind(|s| !s.is_empty())?.to_owned();
        let (name, version) = match fragment {
            None => (last, None),
            Some(fragment) if fragment.starts_with(|c: char| c.is_ascii_digit()) && !fragment.contains(['@', ':']) => {
                (last, Some(PartialVersion::parse(fragment)?))
            }
            Some(fragment) => split_name(fragment)?,
        };
        if !is_name(&name) {
            return None;
        }
        let url = if text.starts_with("sparse+") { format!("sparse+{url}") } else { url.to_owned() };
        Some(Self { name, version, url: Some(url), source })
    }

    /// Whether a locked package is meant.
    pub fn matches(&self, package: &LockedPackage) -> bool {
        *package.name == *self.name
            && self.version.as_ref().is_none_or(|wanted| {
                semver::Version::parse(&package.version).is_ok_and(|version| wanted.matches(&version))
            })
            && self.url.as_ref().is_none_or(|url| {
                package.source_id().is_some_and(|have| match &self.source {
                    Some(wanted) => wanted.same_place(&have),
                    None => have.url.trim_end_matches('/') == url.trim_end_matches('/'),
                })
            })
    }
}

/// As Cargo prints it.
impl fmt::Display for PackageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else {
            f.write_str(&self.name)?;
            return match &self.version {
                Some(version) => write!(f, "@{version}"),
                None => Ok(()),
            };
        };
        match &self.source {
            Some(source) => write!(f, "{source}")?,
            None => f.write_str(url)?,
        }
        let last = Url::parse(self.source.as_ref().map_or(url, |s| &s.url))
            .ok()
            .and_then(|u| u.path_segments().and_then(|mut s| s.rfind(|s| !s.is_empty()).map(str::to_owned)));
        match (&self.version, last.as_deref() == Some(&self.name)) {
            (None, true) => Ok(()),
            (None, false) => write!(f, "#{}", self.name),
            (Some(version), true) => write!(f, "#{version}"),
            (Some(version), false) => write!(f, "#{}@{version}", self.name),
        }
    }
}

/// `name`, `name@version` or `name:version`; a double colon belongs to the name.
fn split_name(text: &str) -> Option<(String, Option<PartialVersion>)> {
    let at = text.find('@').or_else(|| {
        let bytes = text.as_bytes();
        let single = |i: &usize| {
            bytes.get(*i) == Some(&b':')
                && bytes.get(i + 1) != Some(&b':')
                && (*i == 0 || bytes.get(i - 1) != Some(&b':'))
        };
        (0..bytes.len()).find(single)
    });
    let (name, version) = match at {
        Some(at) => (text.get(..at)?, Some(PartialVersion::parse(text.get(at + 1..)?)?)),
        None => (text, None),
    };
    is_name(name).then(|| (name.to_owned(), version))
}

/// Cargo's own check: a letter or `_` first (any script), then also digits and `-`; `::` for namespaces.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let mut parts = name.split("::");
    parts.next().is_some_and(part) && parts.all(part)
}

/// A positional argument of `cargo add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddSpec {
    /// The crate; for a path, the directory's last name.
    pub name: String,
    /// What follows `@`.
    pub requirement: Option<String>,
    /// A path instead of a name.
    pub path: Option<String>,
    /// Features in the form `crate+feature`, the older way.
    pub features: Vec<String>,
}

impl AddSpec {
    /// Reads an argument; the reason when Cargo would refuse it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("a URL needs `--git`".to_owned());
        }
        if text.starts_with('+') {
            return Err("a toolchain goes before the subcommand".to_owned());
        }
        if text.starts_with('.') || text.contains(['/', '\\']) {
            let name = text.rsplit(['/', '\\']).find(|s| !s.is_empty() && *s != "." && *s != "..");
            let name = name.unwrap_or_default().to_owned();
            return Ok(Self { name, requirement: None, path: Some(text.to_owned()), features: Vec::new() });
        }
        let (name, requirement) = text.split_once('@').map_or((text, None), |(n, r)| (n, Some(r)));
        if !is_name(name) || name.contains("::") {
            let hint = if name.contains('=') { "; a version follows `@`" } else { "" };
            return Err(format!("not a crate name{hint}"));
        }
        if requirement.is_some_and(|r| r.trim().is_empty() || Requirement::parse(r).is_none()) {
            return Err("not a version requirement".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            requirement: requirement.map(str::to_owned),
            path: None,
            features: Vec::new(),
        })
    }
}

/// A positional argument of `cargo install`, with `--version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallSpec {
    /// The crate.
    pub name: String,
    /// A requirement in Cargo's syntax: `=1.2.3` for a bare version, which must be whole.
    pub requirement: Option<String>,
}

impl InstallSpec {
    /// Reads an argument and the value of `--version`; the reason when Cargo would refuse them.
    pub fn parse(text: &str, version: Option<&str>) -> Result<Self, String> {
        let (name, at) = text.split_once('@').map_or((text, None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            return Err("not a crate name".to_owned());
        }
        if at.is_some() && version.is_some() {
            return Err("a version both after `@` and by `--version`".to_owned());
        }
        let requirement = at.or(version).map(install_requirement).transpose()?;
        Ok(Self { name: name.to_owned(), requirement })
    }
}

/// `cargo install` takes a bare version as exact, and a requirement only with an operator.
fn install_requirement(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.starts_with(['<', '>', '=', '^', '~']) || text == "*" {
        return match Requirement::parse(text) {
            Some(_) => Ok(text.to_owned()),
            None => Err("not a version requirement".to_owned()),
        };
    }
    match semver::Version::parse(text) {
        Ok(_) => Ok(format!("={text}")),
        Err(_) => Err("neither a whole version nor a requirement with an operator, like ^1.2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_versions_are_exact_unless_they_say_otherwise() {
        let parse = |t: &str, v: Option<&str>| InstallSpec::parse(t, v).map(|s| s.requirement);
        assert_eq!(parse("ripgrep", None), Ok(None));
        assert_eq!(parse("ripgrep@14.1.0", None), Ok(Some("=14.1.0".to_owned())));
        assert_eq!(parse("ripgrep", Some("^14")), Ok(Some("^14".to_owned())));
        assert!(parse("ripgrep", Some("14")).is_err());
        assert!(parse("a@1.0.0", Some("1.0.0")).is_err());
        assert!(parse("../x", None).is_err());
    }

    #[test]
    fn add_takes_names_requirements_and_paths() {
        let ok = |t: &str| AddSpec::parse(t).is_ok();
        for good in ["serde", "serde@1", "serde@>=0.1.1", "./x", "linked_hash_map", "a@=1.0.0-rc.1"] {
            assert!(ok(good), "{good}");
        }
        for bad in ["@1.2.3", "+nightly", "a=1.0.0", "a@v0.0.1", "https://h/x", "", "a@"] {
            assert!(!ok(bad), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,24}|[a-z+:/@#?=.0-9]{0,24}") {
            let _ = PackageSpec::parse(&text).map(|s| s.to_string());
            let _ = AddSpec::parse(&text);
            let _ = InstallSpec::parse(&text, Some(&text));
        }
    }
}
