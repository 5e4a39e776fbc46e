//! The patterns a policy is written in: package names, purls, registries, git remotes. Text in, a matcher or the
//! reason why it is none out. Matching is linear and touches nothing.

use std::borrow::Cow;

use globset::{GlobBuilder, GlobMatcher};
use url::Url;

use crate::model::{Ecosystem, PackageId, PackageName, normalise_name};

/// Longer patterns are refused: a glob is compiled to a regular expression of about its size.
const MAX_PATTERN: usize = 512;

/// A text to compare with, or a glob: most patterns have no glob syntax and need no regular expression.
#[derive(Debug, Clone)]
enum Matcher {
    Text(String),
    Glob(GlobMatcher),
}

impl Matcher {
    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Glob(glob) => glob.is_match(text),
        }
    }
}

/// Compiles a glob in which `*` does not cross `/`.
fn glob(pattern: &str) -> Result<Matcher, String> {
    if pattern.is_empty() {
        return Err("an empty pattern matches nothing".to_owned());
    }
    if pattern.len() > MAX_PATTERN {
        return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
    }
    if !has_glob(pattern) && !pattern.contains([']', '}']) {
        return Ok(Matcher::Text(pattern.to_owned()));
    }
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map(|g| Matcher::Glob(g.compile_matcher()))
        .map_err(|e| format!("not a glob: {}", e.kind()))
}

/// Whether a text has glob syntax.
fn has_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// A glob over package names of every ecosystem, each in its canonical form: `acme-*`, `@acme/*`.
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: String,
    matchers: Vec<(Ecosystem, Matcher)>,
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for NamePattern {}

impl NamePattern {
    /// Compiles a pattern; the error is a lower-case fragment.
    pub fn new(text: &str) -> Result<Self, String> {
        let matchers = Ecosystem::ALL
            .into_iter()
            .map(|e| Ok((e, glob(&normalise_name(e, text))?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { text: text.to_owned(), matchers })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &PackageName) -> bool {
        self.matchers.iter().any(|(e, m)| *e == name.ecosystem() && m.is_match(name.canonical()))
    }
}

/// A purl whose name and version may be globs: `pkg:npm/esbuild@0.25.*`, `pkg:npm/@acme/*`. Without a version: any.
#[derive(Debug, Clone)]
pub struct PackagePattern {
    text: String,
    ecosystem: Ecosystem,
    name: Matcher,
    version: Option<Matcher>,
    exact: bool,
}

impl PartialEq for PackagePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for PackagePattern {}

impl PackagePattern {
    /// Compiles a pattern; the error is a lower-case fragment.
    pub fn new(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("pkg:")
            .ok_or("not a package URL: it starts with `pkg:pypi/`, `pkg:npm/` or `pkg:cargo/`")?;
        let (kind, rest) = rest.split_once('/').ok_or("not a package URL: it has no name")?;
        let ecosystem = Ecosystem::ALL
            .into_iter()
            .find(|e| e.purl_type() == kind)
            .ok_or_else(|| format!("`{kind}` is not `pypi`, `npm` or `cargo`"))?;
        if rest.contains('#') {
            return Err("a subpath has no meaning here".to_owned());
        }
        // The `@` of an npm scope stands first; a version's stands later.
        let (name, version) = match rest.rfind('@') {
            Some(at) if at > 0 => (&rest[..at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        let name = decode(name)?;
        let version = version.map(decode).transpose()?;
        let exact = version.as_ref().is_some_and(|v| !has_glob(v)) && !has_glob(&name);
        Ok(Self {
            text: text.to_owned(),
            ecosystem,
            name: glob(&normalise_name(ecosystem, &name))?,
            version: version.as_deref().map(glob).transpose()?,
            exact,
        })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names one release, without globs.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether it covers a release.
    pub fn matches(&self, id: &PackageId) -> bool {
        self.matches_name(&id.name) && self.version.as_ref().is_none_or(|v| v.is_match(&id.version))
    }

    /// Whether it covers releases of a package.
    pub fn matches_name(&self, name: &PackageName) -> bool {
        self.ecosystem == name.ecosystem() && self.name.is_match(name.canonical())
    }

    /// Whether everything that `other` covers is certainly covered by this one.
    pub fn includes(&self, other: &Self) -> bool {
        self.ecosystem == other.ecosystem
            && (self.text == other.text || (other.exact && other.literal().is_some_and(|id| self.matches(&id))))
    }

    /// The release that an exact pattern names.
    fn literal(&self) -> Option<PackageId> {
        let rest = self.text.strip_prefix("pkg:")?.split_once('/')?.1;
        let (name, version) = rest.rsplit_once('@')?;
        Some(PackageId::new(PackageName::new(self.ecosystem, &decode(name).ok()?), &decode(version).ok()?))
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, String> {
    percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| "not UTF-8 once decoded".to_owned())
}

/// A registry's base URL in the form in which prefixes are compared, without cargo's `sparse+` and `registry+`.
/// `None` when the text is not an http(s) URL.
pub fn registry_url(text: &str) -> Option<Url> {
    let text = text.strip_prefix("sparse+").or_else(|| text.strip_prefix("registry+")).unwrap_or(text);
    Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// A trusted registry: scheme, host and port must be equal, and the path must begin with it, at a `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryPrefix {
    text: String,
    url: Url,
}

impl RegistryPrefix {
    /// Reads an http(s) URL; the error is a lower-case fragment.
    pub fn new(text: &str) -> Result<Self, String> {
        let url = registry_url(text).ok_or("not an http or https URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong in a policy".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a registry has no query and no fragment".to_owned());
        }
        if url.host_str().is_none_or(|h| h.contains('*')) || url.path().contains('*') {
            return Err("a registry is matched by its beginning, without `*`".to_owned());
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// The URL as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a URL lies under it.
    pub fn covers(&self, url: &Url) -> bool {
        let mine = self.url.path().trim_end_matches('/');
        url.scheme() == self.url.scheme()
            && url.host_str() == self.url.host_str()
            && url.port_or_known_default() == self.url.port_or_known_default()
            && url.path().strip_prefix(mine).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            // A server may decode `%2e` or `%2f` and leave the prefix.
            && !url.path().to_ascii_lowercase().contains("%2e") && !url.path().to_ascii_lowercase().contains("%2f")
    }
}

/// A glob over git remotes as `host/path`: `github.com/acme/*`.
#[derive(Debug, Clone)]
pub struct RemotePattern {
    text: String,
    matcher: Matcher,
}

impl PartialEq for RemotePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for RemotePattern {}

impl RemotePattern {
    /// Compiles a pattern; the error is a lower-case fragment.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("write a remote as host/path, without its scheme".to_owned());
        }
        let (host, path) = text.split_once('/').ok_or("write a remote as host/path: `github.com/acme/*`")?;
        if host.is_empty() || path.is_empty() {
            return Err("write a remote as host/path: `github.com/acme/*`".to_owned());
        }
        let pattern = format!("{}/{}", host.to_ascii_lowercase(), path.trim_end_matches(".git"));
        Ok(Self { text: text.to_owned(), matcher: glob(&pattern)? })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches a clone URL. Only https and ssh can be trusted.
    pub fn matches(&self, url: &str) -> bool {
        remote(url).is_some_and(|r| self.matcher.is_match(&r))
    }
}

/// A glob over hosts, or over buckets with their scheme: `*.acme.example`, `s3://acme-*`.
#[derive(Debug, Clone)]
pub struct HostPattern {
    text: String,
    matcher: Matcher,
}

impl PartialEq for HostPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for HostPattern {}

impl HostPattern {
    /// Compiles a pattern; the error is a lower-case fragment.
    pub fn new(text: &str) -> Result<Self, String> {
        let bucket = ["s3://", "gs://", "az://"].iter().any(|p| text.starts_with(p));
        let host = text.split_once("://").filter(|_| bucket).map_or(text, |(_, name)| name);
        if host.contains(['/', ':', '@', ' ']) {
            return Err("write a host without scheme, port or path, or a bucket as `s3://name`".to_owned());
        }
        if matches!(host, "*" | "*.*") || host.trim_matches(['*', '.']).is_empty() {
            return Err("a pattern that every host fits trusts nobody in particular".to_owned());
        }
        Ok(Self { text: text.to_owned(), matcher: glob(&text.to_ascii_lowercase())? })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches a host, or a bucket with its scheme.
    pub fn matches(&self, host: &str) -> bool {
        self.matcher.is_match(&host.to_ascii_lowercase())
    }
}

/// `host/path` of an https or ssh clone URL, or of git's `user@host:path`.
fn remote(url: &str) -> Option<String> {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let (host, path) = if url.contains("://") {
        let parsed = Url::parse(url).ok().filter(|u| matches!(u.scheme(), "https" | "ssh"))?;
        let host = match parsed.port() {
            Some(port) => format!("{}:{port}", parsed.host_str()?),
            None => parsed.host_str()?.to_owned(),
        };
        (host, parsed.path().to_owned())
    } else {
        let (host, path) = url.split_once(':')?;
        (host.rsplit('@').next()?.to_owned(), path.to_owned())
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let decent = !host.is_empty()
        && !path.is_empty()
        && !path.contains('%')
        && !path.split('/').any(|p| p.is_empty() || p == "." || p == "..");
    decent.then(|| format!("{}/{path}", host.to_ascii_lowercase()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn id(ecosystem: Ecosystem, name: &str, version: &str) -> PackageId {
        PackageId::new(PackageName::new(ecosystem, name), version)
    }

    #[test]
    fn purl_patterns_match_by_ecosystem_name_and_version() {
        use Ecosystem::{CratesIo, Npm, PyPI};
        for (pattern, package, expected) in [
            ("pkg:npm/esbuild@0.25.*", id(Npm, "esbuild", "0.25.3"), true),
            ("pkg:npm/esbuild@0.25.*", id(Npm, "esbuild", "0.26.0"), false),
            ("pkg:npm/esbuild@0.25.*", id(PyPI, "esbuild", "0.25.3"), false),
            ("pkg:npm/esbuild", id(Npm, "esbuild", "9"), true),
            ("pkg:npm/@acme/*@1.*", id(Npm, "@acme/x", "1.0.0"), true),
            ("pkg:npm/%40acme/*@1.*", id(Npm, "@acme/x", "1.0.0"), true),
            ("pkg:npm/@acme/*", id(Npm, "@acmeevil/x", "1.0.0"), false),
            ("pkg:npm/*", id(Npm, "@acme/x", "1.0.0"), false),
            ("pkg:pypi/Foo_Bar@1.0", id(PyPI, "foo-bar", "1.0"), true),
            ("pkg:cargo/serde_json@1.*", id(CratesIo, "serde-json", "1.0.1"), true),
        ] {
            assert_eq!(PackagePattern::new(pattern).unwrap().matches(&package), expected, "{pattern} {package:?}");
        }
        for bad in [
            "npm/x",
            "pkg:gem/x@1",
            "pkg:npm",
            "pkg:npm/",
            "pkg:npm/[a@1",
            "pkg:npm/a@{1",
            "pkg:npm/a@",
            "pkg:pypi/%ff",
        ] {
            assert!(PackagePattern::new(bad).is_err(), "{bad}");
        }
        let wide = PackagePattern::new("pkg:npm/e*@0.*").unwrap();
        assert!(wide.includes(&PackagePattern::new("pkg:npm/esbuild@0.25.1").unwrap()));
        assert!(!wide.includes(&PackagePattern::new("pkg:npm/esbuild@1.0.0").unwrap()));
    }

    #[test]
    fn name_patterns_fold_as_each_ecosystem_does() {
        let p = NamePattern::new("Acme_*").unwrap();
        assert!(p.matches(&PackageName::new(Ecosystem::PyPI, "acme.core")));
        assert!(p.matches(&PackageName::new(Ecosystem::CratesIo, "acme-core")));
        assert!(!p.matches(&PackageName::new(Ecosystem::Npm, "acme-core")));
        assert!(NamePattern::new("@acme/*").unwrap().matches(&PackageName::new(Ecosystem::Npm, "@acme/core")));
        assert!(NamePattern::new("[").is_err() && NamePattern::new("").is_err());
    }

    #[test]
    fn registries_match_at_path_boundaries() {
        let trusted = RegistryPrefix::new("https://Pypi.internal.example:443/simple/").unwrap();
        let covers = |u: &str| registry_url(u).is_some_and(|u| trusted.covers(&u));
        assert!(covers("https://pypi.internal.example/simple"));
        assert!(covers("sparse+https://pypi.internal.example/simple/x"));
        for no in [
            "http://pypi.internal.example/simple",
            "https://pypi.internal.example/simpleton",
            "https://pypi.internal.example.evil.test/simple",
            "https://pypi.internal.example:8443/simple",
            "https://pypi.internal.example/simple/../evil",
            "https://pypi.internal.example/simple/%2e%2e/evil",
            "https://pypi.internal.example/simple/..%2fevil",
            "https://pypi.internal.example@evil.test/simple",
            "file:///simple",
            "nonsense",
        ] {
            assert!(!covers(no), "{no}");
        }
        for bad in
            ["pypi.example", "https://u:p@h.example/", "https://h.example/?x", "ftp://h.example/", "https://*.example/"]
        {
            assert!(RegistryPrefix::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn remotes_are_compared_without_scheme_and_user() {
        let p = RemotePattern::new("GitHub.com/acme/*").unwrap();
        for yes in [
            "https://github.com/acme/tool",
            "https://github.com/acme/tool.git",
            "git+ssh://git@github.com/acme/tool.git",
            "git@github.com:acme/tool.git",
        ] {
            assert!(p.matches(yes), "{yes}");
        }
        for no in [
            "http://github.com/acme/tool",
            "git://github.com/acme/tool",
            "https://github.com/acme/../evil/tool",
            "https://github.com/acme/%2e%2e/evil",
            "https://github.com/evil/tool",
            "https://github.com.evil.test/acme/tool",
            "https://github.com:444/acme/tool",
            "https://evil.test/github.com/acme/x",
            "",
        ] {
            assert!(!p.matches(no), "{no}");
        }
        assert!(RemotePattern::new("https://github.com/acme/*").is_err() && RemotePattern::new("acme").is_err());
    }
}
