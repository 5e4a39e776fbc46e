//! Where things come from, as several rules ask it: is an index public, a default, trusted, on this machine, plain http?

use std::path::Path;
use std::sync::LazyLock;

use url::{Host, Url};

use super::Facts;
use crate::invocation::Invocation;
use crate::model::{Location, Setting, SettingKind, SettingLayer};
use crate::policy::{RegistryPrefix, registry_url};

/// What each tool uses when nobody configures anything, and where those registries keep their artifacts.
const DEFAULTS: &[&str] = &[
    "https://pypi.org/simple",
    "https://files.pythonhosted.org",
    "https://registry.npmjs.org",
    "https://registry.yarnpkg.com",
    "https://index.crates.io",
    "https://static.crates.io",
    "https://crates.io",
    "https://github.com/rust-lang/crates.io-index",
];

static DEFAULT_PREFIXES: LazyLock<Vec<RegistryPrefix>> =
    LazyLock::new(|| DEFAULTS.iter().filter_map(|d| RegistryPrefix::new(d).ok()).collect());

/// Whether a URL belongs to a public default registry.
pub fn is_default(url: &str) -> bool {
    is_plainly_default(url) || registry_url(url).is_some_and(|url| DEFAULT_PREFIXES.iter().any(|d| d.covers(&url)))
}

/// The same for a URL whose text alone tells: a default as it is written above, and a path of everyday characters.
/// Nearly all of a lockfile's URLs are such, and parsing each would take longer than everything else.
fn is_plainly_default(url: &str) -> bool {
    let url = url.strip_prefix("sparse+").or_else(|| url.strip_prefix("registry+")).unwrap_or(url);
    let everyday = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'+' | b'@');
    DEFAULTS
        .iter()
        .filter_map(|d| url.strip_prefix(d))
        .any(|rest| (rest.is_empty() || rest.starts_with('/')) && rest.bytes().all(everyday) && !rest.contains("/."))
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
}

/// The scheme that fetches a URL without TLS off this machine: `http`, `git`, `ftp`. `None` when it is not one.
pub(super) fn plain_scheme(text: &str) -> Option<String> {
    let text = ["sparse+", "registry+", "git+", "hg+", "svn+", "bzr+"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    // Whatever else such a text holds, it is not fetched without TLS.
    if text.is_empty() || text.starts_with("https://") {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "git" | "ftp" | "svn") {
        return None;
    }
    let loopback = match url.host()? {
        Host::Domain(name) => is_loopback(name),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    (!loopback).then(|| url.scheme().to_owned())
}

/// The URL in a setting's value: uv and cargo write `NAME=URL`. `None` when it holds none.
pub(super) fn url_in(value: &str) -> Option<&str> {
    let named = value.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains([':', '/', '?']));
    let url = named.map_or(value, |(_, url)| url);
    url.contains("://").then_some(url)
}

/// Whether two URLs name the same registry: one lies under the other, whatever their last `/`, user or query.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let mut url = registry_url(text)?;
        // Neither fails for http(s) URLs, which have a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    let under = |outer: &Url, inner: &Url| RegistryPrefix::new(outer.as_str()).is_ok_and(|prefix| prefix.covers(inner));
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => under(&a, &b) || under(&b, &a),
        _ => false,
    }
}

/// A flag's or a setting's name, so that `--trusted-host`, `PIP_TRUSTED_HOST` and `trusted_host` compare equal.
pub(super) fn key(name: &str) -> String {
    let name = name.trim_start_matches(['-', '$']).to_ascii_lowercase().replace('_', "-");
    let bare = ["npm-config-", "pip-", "uv-", "pnpm-config-", "yarn-", "bun-config-", "cargo-"]
        .iter()
        .find_map(|p| name.strip_prefix(p));
    bare.map_or_else(|| name.clone(), str::to_owned)
}

/// Whether a protection that is switched off is the one of the transport: those belong to `insecure-transport`.
pub(super) fn concerns_transport(name: &str) -> bool {
    const PARTS: &[&str] = &[
        "trusted-host",
        "allow-insecure-host",
        "insecure-host",
        "strict-ssl",
        "enablestrictssl",
        "unsafehttpwhitelist",
        "tls-reject-unauthorized",
        "ssl-no-verify",
        "sslverify",
        "ssl-verify",
        "verify-ssl",
        "no-verify-ssl",
        "check-revoke",
        "pythonhttpsverify",
    ];
    let name = key(name);
    PARTS.iter().any(|part| name.contains(part))
}

/// Whether the command, its environment or the project made a setting, and not the user's or system's configuration.
pub(super) fn is_foreign(layer: SettingLayer) -> bool {
    matches!(layer, SettingLayer::Flag | SettingLayer::Environment | SettingLayer::Project)
}

/// Whether a setting says where packages come from.
pub(super) fn names_a_source(setting: &Setting) -> bool {
    matches!(setting.kind, SettingKind::Index | SettingKind::ExtraIndex | SettingKind::FindLinks)
}

/// Whether a path lies in the project: below the working directory, or below the one that a command works in.
pub(super) fn is_inside(facts: &Facts<'_>, path: &Path) -> bool {
    let environment = facts.environment;
    let directories = facts.invocations.iter().filter_map(|i| i.directory.as_deref());
    let mut roots = directories.map(|d| environment.absolute(Path::new(d))).chain([environment.cwd.clone()]);
    roots.any(|root| environment.absolute(&root.join(path)).starts_with(&root))
}

/// Whether a source of packages is a public default or trusted by policy.
pub(super) fn is_trusted(facts: &Facts<'_>, url: &str) -> bool {
    is_default(url) || facts.policy.trusts_registry(url).is_some()
}

/// Variables that commands which bring something in set for their tools, each with the command and its place in the
/// words: `RUSTC_WRAPPER=x cargo build`, `export RUSTC_WRAPPER=x; cargo build`. Only the last value of a name counts.
pub(super) fn assigned<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Invocation, &'a str, &'a str, Location)> {
    facts.installing().flat_map(|invocation| {
        let all = &invocation.assignments;
        let last = all.iter().enumerate().filter(|(i, (name, _))| !all.iter().skip(i + 1).any(|(n, _)| n == name));
        last.map(move |(_, (name, value))| {
            let place = place_of(invocation, name).unwrap_or_else(|| Location::environment(name));
            (invocation, name.as_str(), value.as_str(), place)
        })
    })
}

/// The word of a command that sets a variable.
fn place_of(invocation: &Invocation, name: &str) -> Option<Location> {
    let at = |found: &dyn Fn(&str) -> bool| invocation.argv.iter().position(|w| found(w));
    let set = format!("{name}=");
    let index =
        at(&|w| w.starts_with(&set)).or_else(|| at(&|w| w.contains(&set))).or_else(|| at(&|w| w.contains(name)))?;
    Some(Location::argv(index))
}

/// Whether a command that brings something in sets this variable itself.
pub(super) fn is_assigned(facts: &Facts<'_>, name: &str) -> bool {
    facts.installing().any(|i| i.assignments.iter().any(|(n, _)| n == name))
}

/// The caller's variables that the tools of commands which bring something in would see, with one of those commands.
pub(super) fn inherited<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Invocation, &'a str, &'a str)> {
    let variables = if facts.audit { None } else { Some(&facts.environment.variables) };
    let installing: Vec<&'a Invocation> = facts.installing().collect();
    variables.into_iter().flatten().flat_map(move |(name, value)| {
        let sees =
            |i: &&Invocation| !i.cleared && !i.removed.contains(name) && !i.assignments.iter().any(|(n, _)| n == name);
        let seen: Vec<_> = installing.iter().copied().filter(sees).collect();
        seen.into_iter().map(move |i| (i, name.as_str(), value.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_known_and_nothing_else_is() {
        for yes in [
            "https://pypi.org/simple/",
            "https://pypi.org/simple/requests/",
            "https://registry.npmjs.org",
            "https://registry.yarnpkg.com/",
            "sparse+https://index.crates.io/",
            "registry+https://github.com/rust-lang/crates.io-index",
            "HTTPS://Registry.NPMJS.org:443/express",
            "https://registry.npmjs.org/@a/b/-/b-1.0.0+x.tgz",
        ] {
            assert!(is_default(yes), "{yes}");
        }
        for no in [
            "https://test.pypi.org/simple/",
            "http://pypi.org/simple/",
            "https://pypi.org.evil.test/simple/",
            "https://registry.npmjs.org.evil.test/",
            "https://registry.npmjs.org@evil.test/",
            "https://github.com/rust-lang/crates.io-index-evil",
            "https://github.com/rust-lang/crates.io-index/../../evil/x",
            "https://github.com/rust-lang/crates.io-index/%2e%2e/evil",
            "https://github.com/rust-lang/crates.io-index/./../evil",
            "",
        ] {
            assert!(!is_default(no), "{no}");
        }
    }

    #[test]
    fn plain_transport_is_seen_through_prefixes_and_forgiven_on_loopback() {
        for (url, scheme) in [
            ("http://pypi.example/simple", Some("http")),
            ("git+http://h.example/x", Some("http")),
            ("git://h.example/x", Some("git")),
            ("sparse+http://h.example/", Some("http")),
            ("http://127.0.0.1:3141/root", None),
            ("http://127.9.9.9/", None),
            ("http://[::1]:80/", None),
            ("http://localhost:4873/", None),
            ("http://localhost.evil.test/", Some("http")),
            ("http://127.0.0.1.evil.test/", Some("http")),
            ("https://h.example/", None),
            ("not a url", None),
        ] {
            assert_eq!(plain_scheme(url).as_deref(), scheme, "{url}");
        }
    }

    #[test]
    fn spellings_of_one_setting_meet() {
        assert!(
            [
                "--trusted-host",
                "PIP_TRUSTED_HOST",
                "trusted_host",
                "NPM_CONFIG_STRICT_SSL",
                "NODE_TLS_REJECT_UNAUTHORIZED"
            ]
            .iter()
            .all(|n| concerns_transport(n))
        );
        assert!(!concerns_transport("--break-system-packages"));
        assert_eq!(url_in("internal=https://h.example/?a=b"), Some("https://h.example/?a=b"));
        assert_eq!(url_in("https://h.example/?a=b"), Some("https://h.example/?a=b"));
        assert_eq!(url_in("./wheels"), None);
    }
}
