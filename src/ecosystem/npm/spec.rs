//! What npm takes a dependency's text for: npm-package-arg's reading, and the protocols that pnpm, yarn and bun add.
//!
//! In: a word of a command line (`react@^19`, `user/repo#semver:^1`) or a name and the text beside it in a manifest.
//! Out: a [`Requirement`] with its [`Spec`]. Total: what npm itself refuses is [`Spec::Invalid`] with the reason.

use std::path::{Path, PathBuf};

use super::semver::{Options, Range, Version};
use crate::model::lexical;

/// The longest spec text that is read, in bytes.
pub const MAX_SPEC_LENGTH: usize = 64 * 1024;

/// A name, where one is given, and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The name under which it is installed; `None` where only fetching it would tell.
    pub name: Option<String>,
    /// What is asked for.
    pub spec: Spec,
}

/// What a dependency's text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// One version of the registry's package, as written (`=v1.2.3`).
    Version(String),
    /// A range, as written and trimmed; `*` when nothing was written.
    Range(String),
    /// A dist-tag.
    Tag(String),
    /// `npm:NAME@SPEC`: another package of the registry under this name. The inner spec is one of the three above.
    Alias {
        /// The real name.
        name: String,
        /// What is asked of it.
        spec: Box<Self>,
    },
    /// `jsr:@scope/name@range`, as the npm-compatible name `@jsr/scope__name` and its range.
    Jsr {
        /// The npm-compatible name.
        name: String,
        /// What is asked of it.
        spec: Box<Self>,
    },
    /// A git repository.
    Git(GitSpec),
    /// A tarball's URL.
    Remote(String),
    /// A tarball on this machine.
    File(LocalPath),
    /// A directory on this machine (`file:`, a path; linked).
    Directory(LocalPath),
    /// `link:`, `portal:` (pnpm, yarn, bun): a directory, linked; `portal:` follows its dependencies.
    Link(LocalPath),
    /// `workspace:RANGE` (pnpm, yarn, bun): a member of the workspace.
    Workspace(String),
    /// `catalog:NAME` (pnpm, bun): a range that the workspace's catalog holds; empty: the default catalog.
    Catalog(String),
    /// `patch:SPEC#FILE` (yarn): another spec, patched after it is fetched.
    Patch(Box<Requirement>),
    /// What the tool refuses, or what is not understood.
    Invalid(String),
}

/// A git requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSpec {
    /// The URL or scp-like text that git is given. For a hosted shorthand, the host's https URL.
    pub url: String,
    /// The known host, when there is one: `github`, `gitlab`, `bitbucket`, `gist`, `sourcehut`.
    pub host: Option<&'static str>,
    /// Written as a shorthand (`user/repo`, `gitlab:user/repo`).
    pub shorthand: bool,
    /// Branch, tag or commit.
    pub committish: Option<String>,
    /// The range of `#semver:RANGE`.
    pub range: Option<String>,
    /// The directory of `#path:DIR`, with a leading slash.
    pub subdirectory: Option<String>,
}

impl GitSpec {
    /// The reference as written: a commit-ish, or `semver:RANGE`.
    pub fn reference(&self) -> Option<String> {
        self.committish.clone().or_else(|| self.range.as_ref().map(|r| format!("semver:{r}")))
    }

    /// The full commit, when the commit-ish is one (40 or 64 hexadecimal digits).
    pub fn commit(&self) -> Option<&str> {
        self.committish.as_deref().filter(|c| matches!(c.len(), 40 | 64) && c.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// A path as written: below the user's home directory, or relative to the file that names it (or absolute).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath {
    /// Below the home directory: `~/x`.
    pub home: bool,
    /// The path without the protocol and without `~/`.
    pub path: String,
}

impl LocalPath {
    fn read(text: &str) -> Self {
        let mut path = text;
        let lower = text.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("file:"));
        if lower {
            path = text.get(5..).unwrap_or("");
        }
        let slashes = path.bytes().take_while(|b| *b == b'/').count();
        if (1..=3).contains(&slashes) && matches!(path.get(slashes..).map(first_segment), Some("." | "..")) {
            path = path.get(slashes..).unwrap_or("");
        }
        let below_home = path.trim_start_matches('/');
        let start = path.len() - below_home.len();
        if start <= 1 && first_segment(below_home) == "~" {
            return Self { home: true, path: below_home.get(1..).unwrap_or("").trim_start_matches('/').to_owned() };
        }
        Self { home: false, path: path.to_owned() }
    }

    /// The absolute path: against `home` or the directory of the file that names it. Lexical.
    pub fn resolve(&self, directory: &Path, home: Option<&Path>) -> PathBuf {
        let joined = match home {
            Some(home) if self.home => home.join(&self.path),
            _ if self.home => directory.join("~").join(&self.path),
            _ => directory.join(&self.path),
        };
        lexical(&joined)
    }
}

fn first_segment(path: &str) -> &str {
    path.split('/').next().unwrap_or("")
}

fn invalid(reason: impl Into<String>) -> Spec {
    Spec::Invalid(reason.into())
}

/// Reads a word of a command line.
pub fn parse(argument: &str) -> Requirement {
    if argument.len() > MAX_SPEC_LENGTH {
        return Requirement { name: None, spec: invalid("longer than any spec") };
    }
    // A leading @ is a scope's.
    let name_end = argument.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(i, _)| i);
    let name_part = name_end.and_then(|end| argument.get(..end)).unwrap_or(argument);
    let looks_local = !name_part.starts_with('@') && (has_slash(name_part) || is_archive(name_part));
    if is_url(argument) || looks_local {
        return from_parts(None, argument);
    }
    if is_scp(argument) {
        return from_parts(None, &format!("git+ssh://{argument}"));
    }
    match name_end {
        Some(end) => {
            let spec = argument.get(end + 1..).unwrap_or("");
            from_parts(Some(name_part), if spec.is_empty() { "*" } else { spec })
        }
        None if is_valid_name(argument) => from_parts(Some(argument), "*"),
        None => from_parts(None, argument),
    }
}

fn from_parts(name: Option<&str>, text: &str) -> Requirement {
    Requirement { name: name.map(str::to_owned), spec: resolve(name, text) }
}

/// Reads the text beside a name in a manifest.
pub fn resolve(name: Option<&str>, text: &str) -> Spec {
    if text.len() > MAX_SPEC_LENGTH {
        return invalid("longer than any spec");
    }
    if let Some(name) = name
        && !is_valid_name(name)
    {
        return invalid("not a package name");
    }
    let protocol =
        |p: &str| text.get(..p.len()).filter(|head| head.eq_ignore_ascii_case(p)).and_then(|_| text.get(p.len()..));
    if protocol("file:").is_some() || is_local(text) {
        return local(text);
    }
    if let Some(rest) = protocol("npm:") {
        return alias(rest, name);
    }
    if let Some(rest) = protocol("workspace:") {
        return Spec::Workspace(rest.to_owned());
    }
    if let Some(rest) = protocol("catalog:") {
        return Spec::Catalog(rest.to_owned());
    }
    if let Some(rest) = protocol("link:").or_else(|| protocol("portal:")) {
        return Spec::Link(LocalPath::read(rest));
    }
    if let Some(rest) = protocol("jsr:") {
        return jsr(rest, name);
    }
    if let Some(rest) = protocol("patch:") {
        return patch(rest);
    }
    if let Some(git) = hosted(text) {
        return git;
    }
    if is_url(text) {
        return from_url(text);
    }
    if has_slash(text) || is_archive(text) {
        return local(text);
    }
    registry(text)
}

fn registry(text: &str) -> Spec {
    let text = text.trim();
    if Version::parse(text, true).is_some() {
        Spec::Version(text.to_owned())
    } else if Range::parse(text, Options::NPM).is_some() {
        Spec::Range(text.to_owned())
    } else if text.bytes().all(is_uri_component) {
        Spec::Tag(text.to_owned())
    } else {
        invalid("neither a version, a range nor a tag")
    }
}

fn alias(rest: &str, name: Option<&str>) -> Spec {
    // yarn, pnpm and bun also write `npm:^1`, for the same name. Strictly a range: loosely, `c@1 || 2` is one too.
    let strict = Options { loose: false, include_prerelease: false };
    if let Some(name) = name.filter(|_| !rest.is_empty() && Range::parse(rest, strict).is_some()) {
        return Spec::Alias { name: name.to_owned(), spec: Box::new(registry(rest)) };
    }
    let inner = parse(rest);
    match (inner.name, inner.spec) {
        (Some(name), spec @ (Spec::Version(_) | Spec::Range(_) | Spec::Tag(_))) => {
            Spec::Alias { name, spec: Box::new(spec) }
        }
        (_, Spec::Alias { .. }) => invalid("an alias of an alias"),
        (None, Spec::Version(_) | Spec::Range(_) | Spec::Tag(_)) => invalid("an alias without a name"),
        (_, Spec::Invalid(reason)) => Spec::Invalid(reason),
        _ => invalid("an alias of something that is not in the registry"),
    }
}

/// `jsr:@scope/name@range`, or `jsr:range` for the name in the manifest.
fn jsr(rest: &str, name: Option<&str>) -> Spec {
    let (full, range) = match rest.strip_prefix('@') {
        Some(tail) => match tail.split_once('@') {
            Some((n, range)) => (format!("@{n}"), range),
            None => (rest.to_owned(), "*"),
        },
        None => (name.unwrap_or("").to_owned(), rest),
    };
    match full.strip_prefix('@').and_then(|n| n.split_once('/')) {
        Some((scope, base)) if is_valid_name(&full) => {
            Spec::Jsr { name: format!("@jsr/{scope}__{base}"), spec: Box::new(registry(range)) }
        }
        _ => invalid("a jsr package without a scope"),
    }
}

/// yarn's `patch:NAME@SPEC#FILES`, the inner requirement percent-encoded.
fn patch(rest: &str) -> Spec {
    let inner = rest.split('#').next().unwrap_or("");
    match decode(inner) {
        Some(inner) if !inner.to_ascii_lowercase().starts_with("patch:") => Spec::Patch(Box::new(parse(&inner))),
        _ => invalid("a patch of something unreadable"),
    }
}

fn local(text: &str) -> Spec {
    let path = LocalPath::read(text);
    if is_archive(text) { Spec::File(path) } else { Spec::Directory(path) }
}

fn is_archive(text: &str) -> bool {
    let lower = text.get(text.len().saturating_sub(8)..).unwrap_or(text).to_ascii_lowercase();
    lower.ends_with(".tgz") || lower.ends_with(".tar.gz") || lower.ends_with(".tar")
}

fn has_slash(text: &str) -> bool {
    text.contains('/') || (cfg!(windows) && text.contains('\\'))
}

/// `.x`, `~/x`, `/x`, `C:x`.
fn is_local(text: &str) -> bool {
    let b = text.as_bytes();
    matches!(b, [b'.' | b'/', ..] | [b'~', b'/', ..])
        || matches!(b, [drive, b':', ..] if drive.is_ascii_alphabetic())
        || (cfg!(windows) && b.first() == Some(&b'\\'))
}

/// `scheme:`, optionally after `git+`; letters only.
fn is_url(text: &str) -> bool {
    let rest = match text.get(..4) {
        Some(head) if head.eq_ignore_ascii_case("git+") => text.get(4..).unwrap_or(""),
        _ => text,
    };
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    letters > 0 && rest.as_bytes().get(letters) == Some(&b':')
}

/// `user@host.tld:path`.
fn is_scp(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let Some((host, path)) = rest.split_once(':') else { return false };
    let dot = host.find('.');
    !user.is_empty() && !path.is_empty() && dot.is_some_and(|d| d > 0 && d + 1 < host.len())
}

/// Whether npm would accept a name that somebody once published: legacy capitals and lengths included.
pub fn is_valid_name(name: &str) -> bool {
    let bad_start = |n: &str| n.starts_with(['.', '-', '_']);
    if name.is_empty()
        || bad_start(name)
        || name.trim() != name
        || name.eq_ignore_ascii_case("node_modules")
        || name.eq_ignore_ascii_case("favicon.ico")
    {
        return false;
    }
    let part = |p: &str| !p.is_empty() && p.bytes().all(is_uri_component);
    match name.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
        Some((scope, base)) => part(scope) && part(base) && !base.starts_with('.'),
        None => part(name),
    }
}

/// What `encodeURIComponent` leaves alone.
fn is_uri_component(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

fn decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// A host that npm knows: its shorthand, its domain, and the URL schemes under which it is recognised.
struct Host {
    name: &'static str,
    domain: &'static str,
    schemes: &'static [&'static str],
}

const HOSTS: [Host; 5] = [
    Host { name: "github", domain: "github.com", schemes: &["git", "http", "git+ssh", "git+https", "ssh", "https"] },
    Host { name: "bitbucket", domain: "bitbucket.org", schemes: &["git+ssh", "git+https", "ssh", "https"] },
    Host { name: "gitlab", domain: "gitlab.com", schemes: &["git+ssh", "git+https", "ssh", "https"] },
    Host { name: "gist", domain: "gist.github.com", schemes: &["git", "git+ssh", "git+https", "ssh", "https"] },
    Host { name: "sourcehut", domain: "git.sr.ht", schemes: &["git+ssh", "https"] },
];

/// A repository on a known host, by shorthand or by URL.
fn hosted(text: &str) -> Option<Spec> {
    let shorthand = if is_github_shorthand(text) {
        Some((&HOSTS[0], text))
    } else {
        HOSTS.iter().find_map(|h| Some((h, text.strip_prefix(h.name)?.strip_prefix(':')?)))
    };
    match shorthand {
        Some((host, rest)) => from_shorthand(host, rest),
        None => from_host_url(text),
    }
}

/// `user/repo`, with or without `#…`: one slash, and nothing before the `#` that says otherwise.
fn is_github_shorthand(text: &str) -> bool {
    let before = text.split('#').next().unwrap_or("");
    before.find('/').is_some_and(|slash| slash > 0)
        && before.matches('/').count() == 1
        && !before.ends_with('/')
        && !before.starts_with('.')
        && !before.contains(['@', ':'])
        && !before.contains(char::is_whitespace)
}

fn from_shorthand(host: &'static Host, rest: &str) -> Option<Spec> {
    let (path, fragment) = split_fragment(rest);
    let path = path.split('?').next().unwrap_or("");
    let path = path.strip_prefix('/').unwrap_or(path);
    // Credentials have no place in a shorthand; npm drops them.
    let path = path.split_once('@').map_or(path, |(_, after)| after);
    let (user, project) = path.rsplit_once('/').map_or(("", path), |(u, p)| (u, p));
    let (user, project) = (decode(user)?, decode(project)?);
    Some(host_spec(host, &user, &project, "https", &decode(fragment)?, true))
}

fn host_spec(host: &'static Host, user: &str, project: &str, scheme: &str, fragment: &str, shorthand: bool) -> Spec {
    let project = project.strip_suffix(".git").unwrap_or(project);
    let owner = if user.is_empty() || host.name == "gist" { String::new() } else { format!("{user}/") };
    let tail = if host.name == "sourcehut" && scheme == "https" { "" } else { ".git" };
    let login = if scheme == "ssh" { "git@" } else { "" };
    let url = format!("{scheme}://{login}{}/{owner}{project}{tail}", host.domain);
    match attributes(fragment) {
        Ok(git) => Spec::Git(GitSpec { url, host: Some(host.name), shorthand, ..git }),
        Err(reason) => invalid(reason),
    }
}

fn split_fragment(text: &str) -> (&str, &str) {
    text.split_once('#').unwrap_or((text, ""))
}

fn from_host_url(text: &str) -> Option<Spec> {
    let url =
        url::Url::parse(text).ok().filter(url::Url::has_host).or_else(|| url::Url::parse(&scp_to_url(text)).ok())?;
    let domain = url.host_str()?;
    let domain = domain.strip_prefix("www.").unwrap_or(domain);
    let host = HOSTS.iter().find(|h| h.domain.eq_ignore_ascii_case(domain))?;
    if !host.schemes.contains(&url.scheme()) {
        return None;
    }
    let fragment = url.fragment().unwrap_or("");
    let mut segments = url.path().trim_start_matches('/').split('/');
    let (user, project, committish) = match host.name {
        "gitlab" => {
            let path = url.path().trim_start_matches('/');
            if path.contains("/-/") || path.contains("/archive.tar.gz") {
                return None;
            }
            let (user, project) = path.rsplit_once('/')?;
            (user, project, fragment.to_owned())
        }
        "github" => {
            let (user, project) = (segments.next()?, segments.next()?);
            let committish = match segments.next() {
                None | Some("") => fragment,
                Some("tree") => segments.next().unwrap_or(""),
                Some(_) => return None,
            };
            (user, project, committish.to_owned())
        }
        "gist" => match (segments.next()?, segments.next(), segments.next()) {
            (_, _, Some("raw")) => return None,
            (project, None | Some(""), _) => ("", project, fragment.to_owned()),
            (user, Some(project), _) => (user, project, fragment.to_owned()),
        },
        name => {
            let (user, project) = (segments.next()?, segments.next()?);
            let archive = if name == "bitbucket" { "get" } else { "archive" };
            if segments.next() == Some(archive) {
                return None;
            }
            (user, project, fragment.to_owned())
        }
    };
    if project.is_empty() || (user.is_empty() && host.name != "gist") {
        return None;
    }
    let scheme = match url.scheme() {
        "git+https" | "https" => "https",
        "git" => "git",
        _ => "ssh",
    };
    Some(host_spec(host, &decode(user)?, &decode(project)?, scheme, &decode(&committish)?, false))
}

/// `git@host:path` as a URL; a text that is one already is mended where its path follows a colon.
fn scp_to_url(text: &str) -> String {
    let (head, fragment) = text.find('#').map_or((text, ""), |at| text.split_at(at));
    let at = head.rfind('@');
    let mended = match head.rfind(':') {
        Some(colon) if at.is_none_or(|at| colon > at) => {
            let (before, after) = head.split_at(colon);
            format!("{before}/{}", after.get(1..).unwrap_or(""))
        }
        _ => head.to_owned(),
    };
    let prefix = if mended.contains("//") { "" } else { "git+ssh://" };
    format!("{prefix}{mended}{fragment}")
}

/// The `::`-separated parts after `#`: a commit-ish, `semver:RANGE`, `path:DIR`. Other keys are ignored, as npm does.
/// yarn's `commit=`, `branch=`, `tag=`, `head=` are read too.
fn attributes(fragment: &str) -> Result<GitSpec, &'static str> {
    let mut out =
        GitSpec { url: String::new(), host: None, shorthand: false, committish: None, range: None, subdirectory: None };
    for part in fragment.split("::").filter(|p| !p.is_empty()) {
        let yarn = ["commit=", "commit:", "branch=", "tag=", "head="].iter().find_map(|key| part.strip_prefix(key));
        let committish = yarn.or_else(|| (!part.contains(':')).then_some(part));
        if let Some(committish) = committish {
            if out.range.is_some() || out.committish.is_some() {
                return Err("two references in one git spec");
            }
            out.committish = Some(committish.to_owned());
        } else if let Some(range) = part.strip_prefix("semver:") {
            if out.range.is_some() || out.committish.is_some() {
                return Err("two references in one git spec");
            }
            out.range = Some(decode(range.split(':').next().unwrap_or("")).unwrap_or_else(|| range.to_owned()));
        } else if let Some(path) = part.strip_prefix("path:") {
            if out.subdirectory.is_some() {
                return Err("two paths in one git spec");
            }
            out.subdirectory = Some(format!("/{path}"));
        }
    }
    Ok(out)
}

fn from_url(text: &str) -> Spec {
    let git = |url: &str, fragment: &str| match attributes(fragment) {
        Ok(git) => Spec::Git(GitSpec { url: url.to_owned(), ..git }),
        Err(reason) => invalid(reason),
    };
    // `git+ssh://` is also written before scp-like addresses, which are no URLs: a colon before the path, not a port.
    if let Some(rest) = text.get(..10).filter(|h| h.eq_ignore_ascii_case("git+ssh://")).and_then(|_| text.get(10..)) {
        let (address, fragment) = split_fragment(rest);
        if let Some((host, path)) = address.split_once(':')
            && !host.is_empty()
            && !path.is_empty()
            && !has_port(address)
        {
            return git(address, fragment);
        }
    }
    let Ok(mut url) = url::Url::parse(text) else { return invalid("not a URL") };
    match url.scheme() {
        "git" | "git+http" | "git+https" | "git+rsync" | "git+ftp" | "git+file" | "git+ssh" => {
            let fragment = url.fragment().unwrap_or("").to_owned();
            url.set_fragment(None);
            let plain = url.as_str().strip_prefix("git+").unwrap_or(url.as_str());
            git(plain, &fragment)
        }
        "http" | "https" => Spec::Remote(text.to_owned()),
        scheme => invalid(format!("unsupported URL type `{scheme}:`")),
    }
}

/// Whether some colon is followed by digits and then a slash or the end.
fn has_port(address: &str) -> bool {
    address.match_indices(':').any(|(at, _)| {
        let rest = address.get(at + 1..).unwrap_or("");
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && matches!(rest.as_bytes().get(digits), None | Some(b'/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_tools_protocols() {
        assert_eq!(resolve(Some("a"), "workspace:^"), Spec::Workspace("^".into()));
        assert_eq!(resolve(Some("a"), "catalog:"), Spec::Catalog(String::new()));
        assert_eq!(
            resolve(Some("a"), "jsr:@std/path@^1"),
            Spec::Jsr { name: "@jsr/std__path".into(), spec: Box::new(Spec::Range("^1".into())) }
        );
        assert_eq!(
            resolve(Some("@std/path"), "jsr:^1"),
            Spec::Jsr { name: "@jsr/std__path".into(), spec: Box::new(Spec::Range("^1".into())) }
        );
        let Spec::Patch(inner) = resolve(Some("a"), "patch:a@npm%3A1.0.0#./a.patch") else { panic!("a patch") };
        assert_eq!(inner.spec, Spec::Alias { name: "a".into(), spec: Box::new(Spec::Version("1.0.0".into())) });
        assert_eq!(resolve(Some("a"), "portal:../b"), Spec::Link(LocalPath { home: false, path: "../b".into() }));
    }

    #[test]
    fn a_tarball_on_a_git_host_is_a_tarball() {
        for url in [
            "https://github.com/u/r/archive/v1.tar.gz",
            "https://codeload.github.com/u/r/tar.gz/main",
            "https://gitlab.com/u/r/-/archive/main/r.tar.gz",
        ] {
            assert_eq!(resolve(Some("r"), url), Spec::Remote(url.into()), "{url}");
        }
    }

    #[test]
    fn addresses_of_git_keep_their_reference() {
        let Spec::Git(git) = resolve(Some("r"), "git@github.com:u/r.git#v1") else { panic!("git") };
        assert_eq!((git.url.as_str(), git.committish.as_deref()), ("ssh://git@github.com/u/r.git", Some("v1")));
        let Spec::Git(git) = resolve(Some("r"), "gist:11081aaa281") else { panic!("git") };
        assert_eq!(git.url, "https://gist.github.com/11081aaa281.git");
        let commit = "0d7bd85a85fa2571fa532d2fc842ed099b236ad2";
        let Spec::Git(git) = resolve(Some("r"), &format!("u/r#{commit}")) else { panic!("git") };
        assert_eq!(git.commit(), Some(commit));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~é]{0,40}") {
            let _ = parse(&text);
            let _ = resolve(Some("name"), &text);
            for prefix in ["npm:", "patch:", "jsr:", "git+ssh://", "file:", "github:", "https://github.com/"] {
                let _ = parse(&format!("{prefix}{text}"));
            }
        }
    }
}
