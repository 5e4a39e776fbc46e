//! PEP 440 specifier sets as sets of intervals over versions. In: a specifier set. Out: a [`Spec`].
//!
//! Every bound is an ordinary version: between a version with its local variants and whatever comes next there is
//! always a first `.dev0`, so no artificial minimum or maximum is needed. Whether a pre-release may be *chosen* is
//! not part of the interval; that depends on all requirements together and is decided where candidates are listed.

use pubgrub::Ranges;

use crate::ecosystem::python::version::{Operator, Specifier, Specifiers, Version};

/// A specifier set, reduced to what a resolver asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// As written, white space removed.
    pub(super) text: String,
    /// The versions it admits, pre-releases included.
    pub(super) range: Ranges<Version>,
    /// Whether a specifier names a pre-release, which allows pre-releases (PEP 440, "Handling of pre-releases").
    pub(super) names_prerelease: bool,
    /// Whether it has `==` without a wildcard, or `===`.
    pub(super) pins: bool,
    /// Whether it bounds the version from above (`<`, `<=`, `~=`, `==x.*`).
    pub(super) upper: bool,
}

impl Spec {
    /// The specifier set that admits everything.
    pub(super) fn any() -> Self {
        Self { text: String::new(), range: Ranges::full(), names_prerelease: false, pins: false, upper: false }
    }

    /// Whether there is no specifier at all.
    pub(super) fn is_any(&self) -> bool {
        self.text.is_empty()
    }

    /// A specifier set as a [`Spec`].
    pub(super) fn new(specifiers: &Specifiers) -> Self {
        let mut out = Self::any();
        out.text = specifiers.to_string();
        out.names_prerelease = specifiers.names_prerelease();
        for clause in specifiers.iter() {
            let (pins, upper) = match clause.operator() {
                Operator::Arbitrary => (true, false),
                Operator::Equal => (!clause.is_prefix(), clause.is_prefix()),
                Operator::Compatible | Operator::LessEqual | Operator::Less => (false, true),
                Operator::GreaterEqual | Operator::Greater | Operator::NotEqual => (false, false),
            };
            out.pins |= pins;
            out.upper |= upper;
            out.range = out.range.intersection(&to_range(clause));
        }
        out
    }
}

/// One clause as intervals.
fn to_range(clause: &Specifier) -> Ranges<Version> {
    // `===` compares texts; a text that is no version equals no candidate.
    let Some(version) = clause.version() else { return Ranges::empty() };
    match clause.operator() {
        Operator::Equal if clause.is_prefix() => family(version),
        Operator::NotEqual if clause.is_prefix() => family(version).complement(),
        Operator::Equal => exactly(version),
        Operator::Arbitrary => Ranges::singleton(version.clone()),
        Operator::NotEqual => exactly(version).complement(),
        Operator::GreaterEqual => Ranges::higher_than(version.clone()),
        Operator::LessEqual => Ranges::strictly_lower_than(after_locals(version)),
        Operator::Less => {
            // A pre-release of V is not lower than V unless V is one itself.
            let bound = if version.any_prerelease() { version.clone() } else { version.clone().with_dev(Some(0)) };
            Ranges::strictly_lower_than(bound)
        }
        Operator::Greater => {
            // A post-release or local variant of V is not greater than V, unless V is a post-release itself.
            if version.is_post() || version.is_dev() {
                Ranges::higher_than(after_locals(version))
            } else {
                Ranges::strictly_higher_than(version.clone().with_post(Some(u64::MAX)))
            }
        }
        Operator::Compatible => {
            let release = version.release();
            let prefix = release.split_last().map_or(release, |(_, rest)| rest);
            let family = family(&Version::new(prefix).with_epoch(version.epoch()));
            Ranges::higher_than(version.clone()).intersection(&family)
        }
    }
}

/// `==V`: V, and V's local variants when V names none.
fn exactly(version: &Version) -> Ranges<Version> {
    if version.is_local() { Ranges::singleton(version.clone()) } else { this_release(version) }
}

fn this_release(version: &Version) -> Ranges<Version> {
    between(version.clone(), after_locals(version))
}

/// `==V.*`: every version that starts with V's release numbers (a prefix has no other segment).
fn family(version: &Version) -> Ranges<Version> {
    let low = version.only_release().with_epoch(version.epoch()).with_dev(Some(0));
    let mut release = version.release().to_vec();
    if let Some(last) = release.last_mut() {
        *last = last.saturating_add(1);
    }
    let high = low.clone().with_release(release);
    between(low, high)
}

/// `low` up to but without `high`; nothing when a number could not be counted up.
fn between(low: Version, high: Version) -> Ranges<Version> {
    if low < high { Ranges::between(low, high) } else { Ranges::empty() }
}

/// The lowest version that is neither `version` nor a local variant of it but greater than both.
fn after_locals(version: &Version) -> Version {
    let version = version.clone().without_local();
    match (version.post(), version.dev()) {
        (_, Some(dev)) => version.with_dev(Some(dev.saturating_add(1))),
        (Some(post), None) => version.with_post(Some(post.saturating_add(1))).with_dev(Some(0)),
        (None, None) => version.with_post(Some(0)).with_dev(Some(0)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;
    use crate::ecosystem::python::version::{parse_version, specifiers};

    fn admits(spec: &str, version: &str) -> bool {
        Spec::new(&specifiers(spec).unwrap()).range.contains(&version.parse::<Version>().unwrap())
    }

    #[test]
    fn boundaries_follow_pep_440() {
        for (spec, version, expected) in [
            ("==1.0", "1.0+local", true),
            ("==1.0+local", "1.0", false),
            ("==1.0", "1.0.post0.dev0", false),
            ("==2.0.5.*", "2.0", false),
            ("==2.0.*", "2.0rc1", true),
            ("==1!2.*", "1!2.7", true),
            (">1.0", "1.0.post1", false),
            (">1.0", "1.0+local", false),
            (">1.0.post1", "1.0.post2", true),
            (">1.0a1", "1.0a1.post1", false),
            (">1.0a1", "1.0", true),
            ("<2", "2.0rc1", false),
            ("<2", "2.dev0", false),
            ("<2.0rc2", "2.0rc1", true),
            ("<=1.0", "1.0+local", true),
            ("~=1.4.2", "1.4.99", true),
            ("~=1.4.2", "1.5", false),
            ("~=2.2.post3", "2.9", true),
            ("!=1.0", "1.0+local", false),
            ("===1.0", "1.0", true),
            (">=1,", "1.5", true),
        ] {
            assert_eq!(admits(spec, version), expected, "{version} in {spec}");
        }
    }

    /// Every row of packaging's own table in which pre-releases are not the question.
    #[test]
    fn packaging_agrees() {
        let root = std::env::var_os("TIDEWAITER_SHARED_DATA").map_or_else(
            || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
            std::path::PathBuf::from,
        );
        let Ok(text) = std::fs::read_to_string(root.join("suites/pep440/contains.json")) else { return };
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut wrong = Vec::new();
        for row in &rows {
            let field = |k: &str| row.get(k).and_then(serde_json::Value::as_str).unwrap_or_default();
            let Some(expected) = row.get("reference").and_then(serde_json::Value::as_bool) else { continue };
            let (Ok(set), Some(version)) = (specifiers(field("specifier")), parse_version(field("version"))) else {
                continue;
            };
            let prereleases_matter = !expected && set.contains(&version, true);
            // `===` compares texts, so a spelling that is not normalised equals nothing here.
            let arbitrary = field("specifier").contains("===");
            if !prereleases_matter && !arbitrary && Spec::new(&set).range.contains(&version) != expected {
                wrong.push(format!("{} in {}: {expected}", field("version"), field("specifier")));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        for spec in ["==18446744073709551615.*", ">1.post18446744073709551615", "==1.dev18446744073709551615"] {
            if let Ok(set) = specifiers(spec) {
                let _ = Spec::new(&set);
            }
        }
    }
}
