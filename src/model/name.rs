//! Ecosystems, package names in both their written and their canonical form, and package ids.

use std::fmt;
use std::sync::Arc;

/// A package ecosystem, spelt as OSV spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// The Python Package Index and every index that speaks its simple API.
    PyPI,
    /// The npm registry and every registry that speaks its packument API.
    Npm,
    /// crates.io and every registry that speaks its sparse index.
    CratesIo,
}

impl Ecosystem {
    /// Every ecosystem, in the order in which reports list them.
    pub const ALL: [Self; 3] = [Self::PyPI, Self::Npm, Self::CratesIo];

    /// The name OSV and the verdict document use: `PyPI`, `npm`, `crates.io`.
    pub const fn osv(self) -> &'static str {
        match self {
            Self::PyPI => "PyPI",
            Self::Npm => "npm",
            Self::CratesIo => "crates.io",
        }
    }

    /// The package-URL type: `pypi`, `npm`, `cargo`.
    pub const fn purl_type(self) -> &'static str {
        match self {
            Self::PyPI => "pypi",
            Self::Npm => "npm",
            Self::CratesIo => "cargo",
        }
    }

    /// Reads OSV's spelling, ignoring a `:suffix`. `None` for an ecosystem this tool does not judge.
    pub fn from_osv(text: &str) -> Option<Self> {
        match text.split(':').next().unwrap_or(text) {
            "PyPI" => Some(Self::PyPI),
            "npm" => Some(Self::Npm),
            "crates.io" => Some(Self::CratesIo),
            _ => None,
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.osv())
    }
}

/// The form in which two spellings of one package compare equal.
///
/// PyPI names follow PEP 503 (lower case, runs of `-_.` become `-`). crates.io folds `_` into `-`
/// and upper into lower case. npm names are case-sensitive and are returned unchanged.
pub fn normalise_name(ecosystem: Ecosystem, name: &str) -> String {
    match ecosystem {
        Ecosystem::PyPI => {
            let mut out = String::with_capacity(name.len());
            let mut separator = false;
            for c in name.chars() {
                if matches!(c, '-' | '_' | '.') {
                    separator = true;
                } else {
                    if separator {
                        out.push('-');
                        separator = false;
                    }
                    out.push(c.to_ascii_lowercase());
                }
            }
            if separator {
                out.push('-');
            }
            out
        }
        Ecosystem::CratesIo => name.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect(),
        Ecosystem::Npm => name.to_owned(),
    }
}

/// Whether a name is certainly its own normal form: most names in lockfiles are.
fn is_normal(ecosystem: Ecosystem, name: &str) -> bool {
    match ecosystem {
        Ecosystem::PyPI => {
            name.bytes().all(|b| b != b'_' && b != b'.' && !b.is_ascii_uppercase()) && !name.contains("--")
        }
        Ecosystem::CratesIo => name.bytes().all(|b| b != b'_' && !b.is_ascii_uppercase()),
        Ecosystem::Npm => true,
    }
}

/// A package's name: what was written, and the canonical form that comparison, ordering and hashing use.
///
/// Not validated: a hostile lockfile may hold any text here. [`PackageName::is_well_formed`] says
/// whether the text matches the registry's grammar.
#[derive(Clone)]
pub struct PackageName {
    ecosystem: Ecosystem,
    written: Arc<str>,
    /// `None`: the text as written is canonical, as most are.
    canonical: Option<Arc<str>>,
}

impl PackageName {
    /// Takes the text as written.
    pub fn new(ecosystem: Ecosystem, written: &str) -> Self {
        Self::shared(ecosystem, Arc::from(written))
    }

    /// The same for a text that others hold too: it is not copied.
    pub fn shared(ecosystem: Ecosystem, written: Arc<str>) -> Self {
        let canonical = (!is_normal(ecosystem, &written)).then(|| normalise_name(ecosystem, &written).into());
        Self { ecosystem, written, canonical }
    }

    /// The ecosystem the name belongs to.
    pub fn ecosystem(&self) -> Ecosystem {
        self.ecosystem
    }

    /// The name as it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The name in the form that identifies the package.
    pub fn canonical(&self) -> &str {
        self.canonical.as_ref().unwrap_or(&self.written)
    }

    /// Whether the text is a name its registry would accept.
    ///
    /// PyPI: PEP 508 identifier. crates.io: ASCII letter or `_` first, then letters, digits, `-`, `_`,
    /// at most 64. npm: at most 214 characters, an optional `@scope/`, URL-safe, not starting with
    /// `.` or `_` (upper case is accepted: legacy packages have it).
    pub fn is_well_formed(&self) -> bool {
        let name = &*self.written;
        match self.ecosystem {
            Ecosystem::PyPI => {
                let b = name.as_bytes();
                !b.is_empty()
                    && b.len() <= 214
                    && b[0].is_ascii_alphanumeric()
                    && b[b.len() - 1].is_ascii_alphanumeric()
                    && b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
            }
            Ecosystem::CratesIo => {
                let b = name.as_bytes();
                !b.is_empty()
                    && b.len() <= 64
                    && (b[0].is_ascii_alphabetic() || b[0] == b'_')
                    && b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
            }
            Ecosystem::Npm => {
                let part = |p: &str, scoped: bool| {
                    !p.is_empty()
                        && (scoped || !p.starts_with(['.', '_']))
                        && p.bytes().all(|c| {
                            c.is_ascii_alphanumeric()
                                || matches!(c, b'-' | b'_' | b'.' | b'~' | b'!' | b'\'' | b'(' | b')' | b'*')
                        })
                        && p != "."
                        && p != ".."
                };
                name.len() <= 214
                    && match name.strip_prefix('@') {
                        Some(rest) => rest
                            .split_once('/')
                            .is_some_and(|(scope, base)| part(scope, true) && part(base, true) && !base.contains('/')),
                        None => part(name, false),
                    }
            }
        }
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ecosystem.purl_type(), self.written)
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for PackageName {
    fn eq(&self, other: &Self) -> bool {
        self.ecosystem == other.ecosystem && self.canonical() == other.canonical()
    }
}

impl Eq for PackageName {}

impl std::hash::Hash for PackageName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ecosystem.hash(state);
        self.canonical().hash(state);
    }
}

impl PartialOrd for PackageName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PackageName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.ecosystem, self.canonical()).cmp(&(other.ecosystem, other.canonical()))
    }
}

/// One release: a name and an exact version, the version in its registry's own text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// The package.
    pub name: PackageName,
    /// The exact version (PyPI: PEP 440 normalised; npm and crates.io: SemVer text).
    pub version: Arc<str>,
}

impl PackageId {
    /// An id from a name and a version's text.
    pub fn new(name: PackageName, version: &str) -> Self {
        Self { name, version: Arc::from(version) }
    }

    /// The package URL (purl-spec), canonical name, version percent-encoded: `pkg:npm/%40a/b@1.0.0`.
    pub fn purl(&self) -> String {
        format!("{}@{}", purl_without_version(&self.name), encode(&self.version))
    }
}

/// `pkg:npm/%40scope/name`, without a version.
pub(crate) fn purl_without_version(name: &PackageName) -> String {
    let kind = name.ecosystem().purl_type();
    // A crate's purl keeps the written name: `serde_json`, not the folded form used for matching.
    let text = if name.ecosystem() == Ecosystem::CratesIo { name.written() } else { name.canonical() };
    match (name.ecosystem(), text.split_once('/')) {
        (Ecosystem::Npm, Some((scope, base))) => {
            format!("pkg:{kind}/{}/{}", encode(scope), encode(base))
        }
        _ => format!("pkg:{kind}/{}", encode(text)),
    }
}

fn encode(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b':')) {
        return text.to_owned();
    }
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PURL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
    utf8_percent_encode(text, PURL).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_as_normal_is() {
        for name in ["a", "a-b", "a--b", "a_b", "A", "a.b", "-a-", "a-", "é", "", "-", "a-.b"] {
            for ecosystem in Ecosystem::ALL {
                let canonical = normalise_name(ecosystem, name);
                assert_eq!(PackageName::new(ecosystem, name).canonical(), canonical, "{ecosystem}: {name}");
            }
        }
    }

    #[test]
    fn names_compare_by_their_canonical_form() {
        let same = |e, a, b| PackageName::new(e, a) == PackageName::new(e, b);
        assert!(same(Ecosystem::PyPI, "Foo__Bar.-baz", "foo-bar-baz"));
        assert!(same(Ecosystem::CratesIo, "serde_json", "Serde-JSON"));
        assert!(!same(Ecosystem::Npm, "JSONStream", "jsonstream"));
    }

    #[test]
    fn purls_encode_scopes_and_build_metadata() {
        let id = |e, n: &str, v: &str| PackageId::new(PackageName::new(e, n), v).purl();
        assert_eq!(id(Ecosystem::Npm, "@types/node", "20.1.0"), "pkg:npm/%40types/node@20.1.0");
        assert_eq!(id(Ecosystem::PyPI, "Zope.Interface", "1.0+local"), "pkg:pypi/zope-interface@1.0%2Blocal");
        assert_eq!(id(Ecosystem::CratesIo, "serde_json", "1.0.0"), "pkg:cargo/serde_json@1.0.0");
    }

    #[test]
    fn grammar_rejects_what_a_registry_would_reject() {
        let ok = |e, n: &str| PackageName::new(e, n).is_well_formed();
        assert!(ok(Ecosystem::PyPI, "zope.interface") && ok(Ecosystem::PyPI, "A"));
        assert!(!ok(Ecosystem::PyPI, "-a") && !ok(Ecosystem::PyPI, "a b") && !ok(Ecosystem::PyPI, ""));
        assert!(ok(Ecosystem::Npm, "@babel/core") && ok(Ecosystem::Npm, "JSONStream"));
        assert!(!ok(Ecosystem::Npm, "../x") && !ok(Ecosystem::Npm, "@a/b/c") && !ok(Ecosystem::Npm, "\u{1b}[31m"));
        assert!(ok(Ecosystem::CratesIo, "a-b_c") && !ok(Ecosystem::CratesIo, "1a"));
    }
}
