//! Which environment variables a contained process keeps: a name and a value in, kept or not out.
//!
//! Everything is kept that is not named here, so that builds find their compilers, paths and settings. Names are
//! compared without case: `npm_config_//host/:_authToken` and `NPM_CONFIG_…` are one to npm.

use crate::enforce::gateway;
use std::ffi::{OsStr, OsString};

use super::Level;

/// Variables that carry secrets, with the first [`Level`] that loses them. `*` stands for anything.
pub const SECRETS: &[(&str, Level)] = &[
    // No installer has a use for these, whatever registry it asks.
    ("ANTHROPIC_*", Level::Installer),
    ("OPENAI_*", Level::Installer),
    ("CLAUDE_CODE_OAUTH_TOKEN", Level::Installer),
    ("GEMINI_API_KEY", Level::Installer),
    ("MISTRAL_API_KEY", Level::Installer),
    ("OPENROUTER_API_KEY", Level::Installer),
    ("DATABASE_URL", Level::Installer),
    ("STRIPE_*", Level::Installer),
    ("TWINE_*", Level::Installer),
    ("UV_PUBLISH_*", Level::Installer),
    ("CARGO_REGISTRY_TOKEN", Level::Installer),
    // By what such variables are usually called.
    ("*_TOKEN", Level::Script),
    ("*_TOKEN_*", Level::Script),
    ("TOKEN", Level::Script),
    ("*AUTHTOKEN*", Level::Script),
    ("*SECRET*", Level::Script),
    ("*PASSWORD*", Level::Script),
    ("*PASSWD*", Level::Script),
    ("*PASSPHRASE*", Level::Script),
    ("*_PASS", Level::Script),
    ("PGPASS*", Level::Script),
    ("MYSQL_PWD", Level::Script),
    ("*CREDENTIAL*", Level::Script),
    ("*_KEY", Level::Script),
    ("*_KEY_ID", Level::Script),
    ("*APIKEY*", Level::Script),
    ("*API_KEY*", Level::Script),
    ("*PRIVATE_KEY*", Level::Script),
    ("*ACCESS_KEY*", Level::Script),
    ("*_PAT", Level::Script),
    ("*_DSN", Level::Script),
    ("*_COOKIE", Level::Script),
    ("*SESSION_ID", Level::Script),
    ("*CONNECTION_STRING*", Level::Script),
    // By whose they are.
    ("AWS_*", Level::Script),
    ("AMAZON_*", Level::Script),
    ("AZURE_*", Level::Script),
    ("ARM_CLIENT_*", Level::Script),
    ("GOOGLE_*", Level::Script),
    ("GCP_*", Level::Script),
    ("CLOUDSDK_*", Level::Script),
    ("CLOUDFLARE_*", Level::Script),
    ("DIGITALOCEAN_*", Level::Script),
    ("GITHUB_*", Level::Script),
    ("GH_*", Level::Script),
    ("GITLAB_*", Level::Script),
    ("CI_JOB_*", Level::Script),
    ("CI_REGISTRY*", Level::Script),
    ("ACTIONS_*", Level::Script),
    ("BITBUCKET_*", Level::Script),
    ("CIRCLE_*", Level::Script),
    ("BUILDKITE_*", Level::Script),
    ("SYSTEM_ACCESSTOKEN", Level::Script),
    ("VAULT_*", Level::Script),
    ("OP_*", Level::Script),
    ("DOPPLER_*", Level::Script),
    ("KUBE*", Level::Script),
    ("KUBERNETES_*", Level::Script),
    ("DOCKER_*", Level::Script),
    ("NETRC", Level::Script),
    ("SLACK_*", Level::Script),
    ("SENTRY_*", Level::Script),
    ("HF_*", Level::Script),
    ("HUGGING_FACE_*", Level::Script),
    ("WANDB_*", Level::Script),
    ("SNOWFLAKE_*", Level::Script),
    ("DATABRICKS_*", Level::Script),
    // The registries' own.
    ("NPM_TOKEN", Level::Script),
    ("NODE_AUTH_TOKEN", Level::Script),
    ("NPM_CONFIG_*AUTH*", Level::Script),
    ("NPM_CONFIG_*PASSWORD*", Level::Script),
    ("NPM_CONFIG_*USERNAME*", Level::Script),
    ("YARN_NPM_AUTH*", Level::Script),
    ("UV_INDEX_*_USERNAME", Level::Script),
    ("POETRY_HTTP_BASIC_*", Level::Script),
    ("POETRY_PYPI_*", Level::Script),
    ("BUNDLE_*", Level::Script),
    // Ways to an agent or a session of the user's.
    ("SSH_AUTH_SOCK", Level::Script),
    ("SSH_AGENT_PID", Level::Script),
    ("SSH_ASKPASS", Level::Script),
    ("GIT_ASKPASS", Level::Script),
    ("GIT_SSH*", Level::Script),
    ("GIT_CONFIG_*", Level::Script),
    ("GPG_*", Level::Script),
    ("GNUPGHOME", Level::Script),
    ("DBUS_*", Level::Script),
    ("XAUTHORITY", Level::Script),
    ("ICEAUTHORITY", Level::Script),
    ("SESSION_MANAGER", Level::Script),
    ("DISPLAY", Level::Script),
    ("WAYLAND_*", Level::Script),
    ("XDG_RUNTIME_DIR", Level::Script),
    ("XDG_SESSION_*", Level::Script),
    ("VSCODE_*", Level::Script),
    ("TMUX", Level::Script),
    ("STY", Level::Script),
    ("KRB5*", Level::Script),
    ("DIRENV_*", Level::Script),
];

/// The variable that carries the profile to the contained process; never handed on.
pub(super) const PROFILE: &str = "TIDEWAITER_CONTAIN";

/// The table, for one level.
#[derive(Debug, Clone, Copy)]
pub struct Scrubber {
    level: Level,
}

impl Scrubber {
    /// The variables that a process of `level` does not get.
    pub const fn new(level: Level) -> Self {
        Self { level }
    }

    /// Whether a variable is kept.
    pub fn keeps(&self, name: &OsStr, value: &OsStr) -> bool {
        if name == PROFILE {
            return false;
        }
        // What this program itself put there is for its own shims further down, and holds no secret.
        let text = name.to_string_lossy().to_ascii_uppercase();
        if text.starts_with("TIDEWAITER_") {
            return true;
        }
        let secret = SECRETS.iter().any(|(pattern, from)| *from <= self.level && matches(pattern, &text));
        !secret && (self.level < Level::Script || !holds_credentials(&value.to_string_lossy()))
    }

    /// The variables that are kept, and the names of those that are not.
    pub fn split(
        &self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Vec<(OsString, OsString)>, Vec<OsString>) {
        let (kept, gone): (Vec<_>, Vec<_>) = variables.into_iter().partition(|(name, value)| self.keeps(name, value));
        (kept, gone.into_iter().map(|(name, _)| name).filter(|name| name != PROFILE).collect())
    }
}

/// Whether a name is what a pattern says, `*` standing for anything. No general matcher: this runs in every contained
/// process before its program, and to compile a hundred of those takes longer than the rest.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(last)
}

/// Whether a text has a URL with a user and a password (`https://user:word@host/`), or one of the web with a user alone,
/// which is how tokens are given: an index, a proxy, a remote. The gateway's own is none: its password opens this one
/// run's plan to the one process tree that it was made for.
pub(super) fn holds_credentials(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let scheme = text.get(..at).unwrap_or_default().to_ascii_lowercase();
        let of_web = ["http", "https", "ftp"].iter().any(|web| scheme.ends_with(web));
        let rest = text.get(at + 3..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ', '\t', '\n', '"', '\'']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, host)| {
            let gateways = host.starts_with("127.0.0.1:") && user.split(':').next() == Some(gateway::USER);
            (user.contains(':') || of_web && !user.is_empty()) && !gateways
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(level: Level, name: &str, value: &str) -> bool {
        Scrubber::new(level).keeps(name.as_ref(), value.as_ref())
    }

    #[test]
    fn patterns_match_by_their_parts() {
        for (pattern, name, expected) in [
            ("A", "A", true),
            ("A", "AB", false),
            ("A_*", "A_", true),
            ("A_*", "BA_", false),
            ("*_KEY", "X_KEY", true),
            ("*_KEY", "X_KEYS", false),
            ("*SECRET*", "A_SECRET_B", true),
            ("*SECRET*", "SECRE", false),
            ("N_*AUTH*", "N_//H/:_AUTHTOKEN", true),
            ("N_*AUTH*", "M_AUTH", false),
            ("U_*_NAME", "U_A_NAME", true),
            ("U_*_NAME", "U_NAME", false),
            ("AA*A", "AA", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(SECRETS.iter().all(|(p, _)| *p == p.to_ascii_uppercase()), "names are compared in capitals");
    }

    #[test]
    fn scripts_lose_secrets_and_keep_what_builds_need() {
        for name in [
            "NPM_TOKEN",
            "npm_config_//registry.npmjs.org/:_authToken",
            "npm_config__auth",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_PROFILE",
            "GITHUB_TOKEN",
            "MY_API_KEY",
            "DB_PASSWORD",
            "SSH_AUTH_SOCK",
            "CARGO_REGISTRIES_INTERNAL_TOKEN",
            "TWINE_PASSWORD",
            "ANTHROPIC_API_KEY",
            "OPENAI_ORG",
            "POETRY_HTTP_BASIC_ACME_USERNAME",
        ] {
            assert!(!keeps(Level::Script, name, "x"), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "TERM",
            "CC",
            "CFLAGS",
            "MAKEFLAGS",
            "CARGO_HOME",
            "RUSTFLAGS",
            "npm_config_registry",
            "npm_lifecycle_event",
            "INIT_CWD",
            "VIRTUAL_ENV",
            "PIP_INDEX_URL",
            "CI",
            "OUT_DIR",
            "CARGO_MAKEFLAGS",
            "CARGO_REGISTRIES_INTERNAL_INDEX",
            "TMPDIR",
            "USER",
            "SHELL",
            "NODE",
            "TIDEWAITER_RUN_TOKEN",
        ] {
            assert!(keeps(Level::Script, name, "x"), "{name}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_a_secret_wherever_it_stands() {
        for value in [
            "https://me:word@pypi.internal/simple",
            "a b http://u:p@h:1 c",
            "socks5://u:p%40@h",
            "http://tidewaiter:s@h/ http://u:p@127.0.0.1:9",
            "https://ghp_0123456789@github.com/a/b",
            "git+HTTPS://token@h/a",
        ] {
            assert!(!keeps(Level::Script, "PIP_INDEX_URL", value), "{value}");
            assert!(keeps(Level::Installer, "PIP_INDEX_URL", value), "{value}");
        }
        for value in [
            "https://pypi.org/simple",
            "https://h/a:b@c",
            "git@github.com:a/b",
            "://",
            "ssh://git@github.com/a/b",
            "git+ssh://git@github.com/a/b",
            "postgres://me@localhost/db",
            "http://tidewaiter:s@127.0.0.1:9/pypi",
        ] {
            assert!(keeps(Level::Script, "PIP_INDEX_URL", value), "{value}");
        }
    }

    #[test]
    fn an_installer_keeps_its_registrys_token_and_loses_what_it_has_no_use_for() {
        assert!(keeps(Level::Installer, "NPM_TOKEN", "x"));
        assert!(!keeps(Level::Installer, "ANTHROPIC_API_KEY", "x"));
        assert!(!keeps(Level::Installer, PROFILE, "{}"));
    }
}
