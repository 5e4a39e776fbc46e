//! Direct references: what a URL, a VCS link, a path or an archive's name in a requirement points at.
//!
//! In: the text and the directory it is relative to. Out: [`Direct`]: the source without credentials, and the
//! name, version, extras and digests that the text itself tells. Nothing is fetched.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::requirement::{self, Marker};
use super::wheel;
use crate::model::{Digest, Ecosystem, PackageName, Source, lexical};

/// VCS prefixes that pip knows, with the schemes that may follow.
const VCS: [(&str, &[&str]); 4] = [
    ("git", &["http", "https", "ssh", "git", "file"]),
    ("hg", &["file", "http", "https", "ssh", "static-http"]),
    ("svn", &["ssh", "http", "https", "svn", "file"]),
    ("bzr", &["http", "https", "ssh", "sftp", "ftp", "lp", "file"]),
];

/// Endings of what pip takes for an archive; any other name is a project's.
const ARCHIVES: [&str; 12] =
    [".zip", ".whl", ".tar.bz2", ".tbz", ".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"];

/// A reference to bytes that no index chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// Where the bytes are. Mercurial, Subversion and Bazaar links are [`Source::Url`] with [`Direct::vcs`] set.
    pub source: Source,
    /// `git`, `hg`, `svn` or `bzr`, when it is a VCS link.
    pub vcs: Option<&'static str>,
    /// The project, when the text tells.
    pub name: Option<PackageName>,
    /// The version, when a wheel's or sdist's file name tells.
    pub version: Option<String>,
    /// Extras asked for.
    pub extras: Vec<String>,
    /// When it applies.
    pub marker: Option<Marker>,
    /// Digests in the URL's fragment, strongest first.
    pub digests: Vec<Digest>,
    /// `subdirectory=` of the fragment.
    pub subdirectory: Option<String>,
}

impl Direct {
    /// The archive's file name; `None` for a VCS link or a directory.
    pub fn filename(&self) -> Option<String> {
        let name = match &self.source {
            Source::Url { url } if self.vcs.is_none() => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                decode(path.rsplit('/').next().unwrap_or(path))
            }
            Source::Path { path } => path.file_name()?.to_string_lossy().into_owned(),
            _ => return None,
        };
        is_archive(&name).then_some(name)
    }

    /// A requirement's `name @ URL`, or `None` when it names no URL.
    pub fn from_requirement(requirement: &requirement::Requirement, base: &Path) -> Option<Self> {
        let mut direct = Self::from_url(requirement.url.as_deref()?, base);
        direct.name = Some(requirement.name.clone());
        direct.extras.clone_from(&requirement.extras);
        direct.marker.clone_from(&requirement.marker);
        Some(direct)
    }

    /// A URL or VCS link, or a `file:` URL or path (relative ones against `base`).
    pub fn from_url(text: &str, base: &Path) -> Self {
        let (body, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (vcs, body) = match vcs_of(body) {
            Some(vcs) => (Some(vcs), body.strip_prefix(vcs).and_then(|b| b.strip_prefix('+')).unwrap_or(body)),
            None => (None, body),
        };
        let source = match (vcs, scheme(body)) {
            (Some("git"), _) => git_source(body),
            (Some(_), _) => Source::Url { url: without_credentials(text.split('#').next().unwrap_or(text)) },
            (None, Some("file")) => Source::Path { path: file_url_path(body, base) },
            (None, Some(_)) => Source::Url { url: without_credentials(body) },
            (None, None) => Source::Path { path: normalise(&base.join(body)) },
        };
        let mut direct = Self {
            source,
            vcs,
            name: None,
            version: None,
            extras: Vec::new(),
            marker: None,
            digests: Vec::new(),
            subdirectory: None,
        };
        for part in fragment.split('&') {
            let Some((key, value)) = part.split_once('=') else { continue };
            match key {
                "egg" => direct.take_egg(&decode(value)),
                "subdirectory" => direct.subdirectory = Some(decode(value)),
                _ => direct.digests.extend(Digest::parse_named_hex(part).ok()),
            }
        }
        direct.digests.sort_by(|a, b| b.cmp(a));
        direct.take_filename();
        direct
    }

    /// A path to a directory or an archive.
    pub fn from_path(path: &str, base: &Path) -> Self {
        let mut direct = Self::from_url("file:", base);
        direct.source = Source::Path { path: normalise(&base.join(path)) };
        direct.take_filename();
        direct
    }

    /// `egg=name[extras]`: today's pip takes a bare name, older ones took extras and versions too.
    fn take_egg(&mut self, egg: &str) {
        if let Ok(parsed) = requirement::parse(egg) {
            self.name = Some(parsed.name);
            self.extras = parsed.extras;
        }
    }

    fn take_filename(&mut self) {
        let Some(filename) = self.filename() else { return };
        if let Some(wheel) = wheel::parse_wheel_filename(&filename) {
            self.name.get_or_insert_with(|| PackageName::new(Ecosystem::PyPI, &wheel.name));
            self.version = Some(wheel.version.to_string());
        } else if let Some(name) = &self.name {
            self.version = wheel::sdist_version(&filename, name).map(|v| v.to_string());
        }
    }
}

/// The VCS that a URL's prefix names (`git+https:` → `git`).
pub fn vcs_of(url: &str) -> Option<&'static str> {
    let (prefix, rest) = url.split_once('+')?;
    let scheme = rest.split_once(':')?.0;
    VCS.iter()
        .find(|(vcs, schemes)| {
            vcs.eq_ignore_ascii_case(prefix) && schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme))
        })
        .map(|(vcs, _)| *vcs)
}

/// Whether pip takes the text for a URL: `http:`, `https:`, `ftp:`, `file:` or a VCS prefix.
pub fn is_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    ["http", "https", "file", "ftp"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) || vcs_of(text).is_some()
}

/// Whether pip takes a file name for an archive.
pub fn is_archive(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ARCHIVES.iter().any(|ending| lower.ends_with(ending))
}

/// A full commit: 40 or 64 hexadecimal digits.
pub fn full_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The URL without what may be a secret: no password, and no user name either except over SSH.
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else { return text.to_owned() };
    let user = user.split(':').next().unwrap_or_default();
    if scheme.ends_with("ssh") && !user.is_empty() {
        format!("{scheme}://{user}@{host}{tail}")
    } else {
        format!("{scheme}://{host}{tail}")
    }
}

/// A text with the user information of every URL in it replaced by `****`, as far as it can be a secret.
pub fn redacted(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end =
            tail.find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace()).unwrap_or(tail.len());
        let (authority, tail) = tail.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if user != "git" => {
                out.push_str("****@");
                out.push_str(host);
            }
            _ => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A git link without its `git+`: the revision is what follows the last `@` of the path.
fn git_source(url: &str) -> Source {
    let path_start = url.find("://").map_or(0, |i| i + 3);
    let path_start = url[path_start..].find('/').map_or(url.len(), |i| path_start + i);
    let (body, reference) = match url[path_start..].rfind('@') {
        Some(at) => (&url[..path_start + at], Some(decode(&url[path_start + at + 1..]))),
        None => (url, None),
    };
    let reference = reference.filter(|r| !r.is_empty());
    let commit = reference.clone().filter(|r| full_commit(r)).map(|r| r.to_ascii_lowercase());
    Source::Git { url: without_credentials(body), reference, commit }
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let plain = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    // One letter is a Windows drive.
    (plain && scheme.len() > 1).then(|| match scheme {
        s if s.eq_ignore_ascii_case("file") => "file",
        s => s,
    })
}

/// `file:///a/b`, `file:a/b`, `file://localhost/a`, and pip's relative `file://../a`.
fn file_url_path(url: &str, base: &Path) -> PathBuf {
    let rest = url.get("file:".len()..).unwrap_or_default();
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let rest = rest.strip_prefix("localhost").filter(|r| r.starts_with('/')).unwrap_or(rest);
    let path = decode(rest.split('?').next().unwrap_or(rest));
    let bytes = path.as_bytes();
    let drive = bytes.len() > 2 && bytes[0] == b'/' && bytes[1].is_ascii_alphabetic() && bytes[2] == b':';
    normalise(&base.join(if drive { &path[1..] } else { &path }))
}

/// Without `.` and `..` as far as the text allows; never empty.
pub(super) fn normalise(path: &Path) -> PathBuf {
    let out = lexical(path);
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn git_links() {
        let d = Direct::from_url("git+https://u:p@h.example/a/b.git@v1.0#egg=Foo[x]&subdirectory=sub", Path::new("/w"));
        assert_eq!(
            d.source,
            Source::Git { url: "https://h.example/a/b.git".into(), reference: Some("v1.0".into()), commit: None }
        );
        assert_eq!(d.name.as_ref().map(PackageName::written), Some("Foo"));
        assert_eq!((d.extras.join(","), d.subdirectory.as_deref()), ("x".to_owned(), Some("sub")));
        let d = Direct::from_url(&format!("git+ssh://git@h.example/a.git@{}", "0".repeat(40)), Path::new("/w"));
        assert!(matches!(&d.source, Source::Git { url, commit: Some(_), .. } if url == "ssh://git@h.example/a.git"));
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(
            redacted("x @ https://u:p@h/x.zip and git+ssh://git@h/y"),
            "x @ https://****@h/x.zip and git+ssh://git@h/y"
        );
        assert_eq!(without_credentials("https://token@h/x?y#z"), "https://h/x?y#z");
    }

    #[test]
    fn archives_and_paths() {
        let d = Direct::from_url("https://h/x/Foo_Bar-1.0-py3-none-any.whl?t=1#sha256=00", Path::new("/w"));
        assert_eq!((d.name.as_ref().map(PackageName::canonical), d.version.as_deref()), (Some("foo-bar"), Some("1.0")));
        let path = |text: &str| match Direct::from_url(text, Path::new("/w/d")).source {
            Source::Path { path } => path.display().to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(path("file:///a/b%20c"), "/a/b c");
        assert_eq!(path("file:x/../y"), "/w/d/y");
        assert_eq!(path("../y"), "/w/y");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a-z+:/@#&=?%.\\[\\]0-9\\PC]{0,60}") {
            let d = Direct::from_url(&text, Path::new("/w"));
            let _ = d.filename();
            let _ = Direct::from_path(&text, Path::new("/w"));
        }
    }
}
