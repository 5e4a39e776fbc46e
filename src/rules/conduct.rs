//! What the rules about commands have in common: their conducts, which hosts and remotes are trusted, and how it is said.

use super::{Facts, Observation, fix, places, say};
use crate::gate::conduct::{Conduct, Kind};
use crate::gate::operation::Operation;
use crate::gate::remotes;
use crate::model::{Level, redact_url};

/// The conducts of a kind.
pub(super) fn of<'f>(facts: &Facts<'f>, kind: Kind) -> impl Iterator<Item = &'f Conduct> + use<'f> {
    facts.operations.iter().filter_map(move |o| match o {
        Operation::Acts(conduct) if conduct.kind == kind => Some(conduct),
        _ => None,
    })
}

/// A conduct as an observation.
pub(super) fn observed(conduct: &Conduct, advice: &str) -> Observation {
    let mut message = format!("it {}", conduct.what);
    if let Some(secret) = &conduct.secret {
        message.push_str(&format!(" ({})", say::word(secret)));
    }
    if let Some(peer) = &conduct.peer {
        message.push_str(&format!(": {}", peer_words(peer)));
    }
    if !conduct.by.is_empty() {
        message.push_str(&format!(", by `{}`", say::word(&conduct.by)));
    }
    let mut out =
        Observation::new(message).with("operation", say::word(&conduct.by)).fix(fix::advice(advice.to_owned()));
    if let Some(peer) = &conduct.peer {
        out = out.with("peer", peer_words(peer));
        if let Some(host) = host(peer) {
            out = out.with("host", say::word(&host));
        }
    }
    if let Some(secret) = &conduct.secret {
        out = out.with("secret", say::word(secret));
    }
    if let Some(at) = &conduct.at {
        out = out.at(at);
    }
    if conduct.grave { out.at_least(Level::Ask) } else { out }
}

fn peer_words(peer: &str) -> String {
    say::sentence(&if peer.contains("://") { redact_url(peer) } else { peer.to_owned() })
}

/// The host in a URL, in `user@host:path`, in `host:port`; a bucket as it is.
pub(super) fn host(peer: &str) -> Option<String> {
    if ["s3://", "gs://", "az://"].iter().any(|p| peer.starts_with(p)) {
        let end = peer.get(5..).and_then(|r| r.find('/')).map_or(peer.len(), |n| n + 5);
        return peer.get(..end).map(str::to_owned);
    }
    let rest = peer.split_once("://").map_or(peer, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    (plain && !host.is_empty()).then_some(host)
}

/// Why a host may be spoken to: this machine, a remote of the working directory, the policy.
pub(super) fn trusts(facts: &Facts<'_>, peer: &str) -> bool {
    let Some(host) = host(peer) else { return false };
    let own = ["0.0.0.0", "host.docker.internal", "::1"];
    if places::is_loopback(&host) || own.contains(&host.as_str()) || facts.policy.trusts_host(&host).is_some() {
        return true;
    }
    if peer.contains("://")
        && (facts.policy.trusts_registry(peer).is_some() || facts.policy.trusts_remote(peer).is_some())
    {
        return true;
    }
    // A forge is everybody's: a remote on it vouches for that repository alone.
    !is_forge(&host)
        && remotes::of(facts.environment, facts.files).iter().any(|url| self::host(url).as_ref() == Some(&host))
}

/// Hosts on which anybody may have a place.
fn is_forge(host: &str) -> bool {
    const FORGES: &[&str] =
        &["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "sr.ht", "gitee.com", "huggingface.co"];
    FORGES.iter().any(|f| host == *f || host.strip_suffix(f).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether a git remote is one of the working directory's, or trusted.
pub(super) fn trusts_remote(facts: &Facts<'_>, url: &str) -> bool {
    let known = |a: &str| key(a) == key(url);
    facts.policy.trusts_remote(url).is_some()
        || facts.policy.trusts_host(&host(url).unwrap_or_default()).is_some()
        || remotes::of(facts.environment, facts.files).iter().any(|r| known(r))
}

/// A remote without scheme, user and `.git`: `host/path`.
fn key(url: &str) -> String {
    let rest = url.split_once("://").map_or_else(|| url.replacen(':', "/", 1), |(_, rest)| rest.to_owned());
    let rest = rest.split_once('@').map_or(rest.as_str(), |(_, r)| r).trim_end_matches('/');
    rest.strip_suffix(".git").unwrap_or(rest).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{host, key};

    #[test]
    fn hosts_are_told_from_every_spelling() {
        for (peer, expected) in [
            ("https://u:p@H.example:8443/x?y", Some("h.example")),
            ("git@github.com:a/b.git", Some("github.com")),
            ("evil.test:443", Some("evil.test")),
            ("s3://bucket/key", Some("s3://bucket")),
            ("http://[::1]:80/", Some("::1")),
            ("https://$HOST/x", None),
            ("", None),
        ] {
            assert_eq!(host(peer).as_deref(), expected, "{peer}");
        }
        assert_eq!(key("git@github.com:a/b.git"), key("https://github.com/A/b"));
    }
}
