//! Who may see which secret: credentials by URL prefix, and netrc. Nothing here prints a secret.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use url::Url;

/// A text that never shows itself.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text: only for the header that carries it, and for deriving an identity from it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// The value of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// RFC 7617.
    Basic {
        /// User name.
        user: Secret,
        /// Password; may be empty.
        password: Secret,
    },
    /// RFC 6750: npm's tokens.
    Bearer(Secret),
    /// The header's value as it is: cargo's tokens, and npm's `_auth` (with `Basic ` before it).
    Raw(Secret),
}

impl Authorization {
    /// The header's value.
    pub fn header(&self) -> String {
        match self {
            Self::Basic { user, password } => {
                let pair = format!("{}:{}", user.expose(), password.expose());
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
            Self::Raw(value) => value.expose().to_owned(),
        }
    }
}

/// Takes the user information out of a URL: the URL without it, and what it says.
pub fn split_user_info(mut url: Url) -> (Url, Option<Authorization>) {
    if url.username().is_empty() && url.password().is_none() {
        return (url, None);
    }
    let decode = |t: &str| Secret::new(&percent_encoding::percent_decode_str(t).decode_utf8_lossy());
    let found =
        Authorization::Basic { user: decode(url.username()), password: decode(url.password().unwrap_or_default()) };
    // These fail only for URLs that cannot have user information, which this one has.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    (url, Some(found))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// `None`: any (npm's `//host/path/` keys name none).
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
    /// Starts and ends with `/`.
    path: String,
    authorization: Authorization,
}

impl Rule {
    fn covers(&self, url: &Url) -> bool {
        // What was given for http may go to https on the same host, never the other way round.
        let scheme = match self.scheme.as_deref() {
            None => true,
            Some(own) => own == url.scheme() || (own == "http" && url.scheme() == "https"),
        };
        let port = match (self.port, url.port()) {
            (None, None) => true,
            (own, _) => own == url.port_or_known_default(),
        };
        let path = url.path();
        let within = path.starts_with(&self.path) || (path.len() + 1 == self.path.len() && self.path.starts_with(path));
        scheme && port && within && url.host_str().is_some_and(|h| h.eq_ignore_ascii_case(&self.host))
    }
}

/// Credentials by URL prefix; the longest path wins, then netrc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    rules: Vec<Rule>,
    netrc: Option<Arc<Netrc>>,
    /// Hosts that may see netrc's `default` entry.
    default_for: Vec<String>,
}

impl Credentials {
    /// For everything under `prefix` (scheme, host, port, path).
    pub fn add(&mut self, prefix: &Url, authorization: Authorization) {
        self.push(Some(prefix.scheme().to_owned()), prefix, prefix.path(), authorization);
    }

    /// For the whole host and port of `url`, as pip and uv keep the credentials of an index.
    pub fn add_host(&mut self, url: &Url, authorization: Authorization) {
        self.push(Some(url.scheme().to_owned()), url, "/", authorization);
    }

    /// For npm's `//host[:port]/path/`, any scheme. Text that is no such key is ignored.
    pub fn add_nerf_dart(&mut self, key: &str, authorization: Authorization) {
        if let Ok(url) = Url::parse(&format!("https:{key}")) {
            self.push(None, &url, url.path(), authorization);
        }
    }

    /// Asked when no prefix covers a URL. Its `default` entry goes to these hosts only: one that a project file or a
    /// redirect leads to is not meant by it.
    pub fn set_netrc(&mut self, netrc: Netrc, default_for: Vec<String>) {
        self.netrc = Some(Arc::new(netrc));
        self.default_for = default_for;
    }

    fn push(&mut self, scheme: Option<String>, url: &Url, path: &str, authorization: Authorization) {
        let Some(host) = url.host_str() else { return };
        let path = if path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
        let port = if scheme.is_some() { url.port_or_known_default() } else { url.port() };
        // A later rule for the same place replaces the earlier one: callers add in order of precedence, lowest first.
        let rule = Rule { scheme, host: host.to_owned(), port, path, authorization };
        self.rules
            .retain(|r| (&r.scheme, &r.host, r.port, &r.path) != (&rule.scheme, &rule.host, rule.port, &rule.path));
        self.rules.push(rule);
    }

    /// What may be sent to `url`.
    pub fn for_url(&self, url: &Url) -> Option<Authorization> {
        self.rules
            .iter()
            .filter(|r| r.covers(url))
            .max_by_key(|r| r.path.len())
            .map(|r| r.authorization.clone())
            .or_else(|| {
                let host = url.host_str()?;
                self.netrc.as_ref()?.for_host(host, self.default_for.iter().any(|h| h.eq_ignore_ascii_case(host)))
            })
    }
}

/// A netrc file: user and password by host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    machines: Vec<(Option<String>, Secret, Secret)>,
}

impl Netrc {
    /// Reads `machine HOST login USER password SECRET` and `default …`; macros and unknown words are passed over.
    pub fn parse(text: &str) -> Self {
        let mut machines = Vec::new();
        let mut current: Option<(Option<String>, Secret, Secret)> = None;
        let mut in_macro = false;
        for line in text.lines().take(10_000) {
            if in_macro {
                in_macro = !line.trim().is_empty();
                continue;
            }
            let mut words = line.split_ascii_whitespace().map(|w| w.trim_matches('"'));
            while let Some(word) = words.next() {
                match word {
                    "machine" | "default" => {
                        machines.extend(current.take());
                        let host = if word == "machine" { words.next().map(str::to_ascii_lowercase) } else { None };
                        if word == "default" || host.is_some() {
                            current = Some((host, Secret::default(), Secret::default()));
                        }
                    }
                    "login" | "user" => {
                        if let (Some(entry), Some(value)) = (&mut current, words.next()) {
                            entry.1 = Secret::new(value);
                        }
                    }
                    "password" => {
                        if let (Some(entry), Some(value)) = (&mut current, words.next()) {
                            entry.2 = Secret::new(value);
                        }
                    }
                    "account" => {
                        words.next();
                    }
                    "macdef" => {
                        in_macro = true;
                        break;
                    }
                    w if w.starts_with('#') => break,
                    _ => {}
                }
            }
        }
        machines.extend(current);
        Self { machines }
    }

    fn for_host(&self, host: &str, or_default: bool) -> Option<Authorization> {
        let named = self.machines.iter().find(|m| m.0.as_deref().is_some_and(|h| h.eq_ignore_ascii_case(host)));
        let default = || self.machines.iter().find(|m| or_default && m.0.is_none());
        let (_, user, password) = named.or_else(default)?;
        Some(Authorization::Basic { user: user.clone(), password: password.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn the_longest_prefix_wins_and_hosts_do_not_leak() {
        let mut c = Credentials::default();
        c.add_nerf_dart("//h.example/", Authorization::Bearer(Secret::new("root")));
        c.add_nerf_dart("//h.example/team/", Authorization::Bearer(Secret::new("team")));
        c.add(&url("https://i.example:8443/simple"), Authorization::Raw(Secret::new("raw")));
        let header = |u: &str| c.for_url(&url(u)).map(|a| a.header());
        assert_eq!(header("https://h.example/team/x").as_deref(), Some("Bearer team"));
        assert_eq!(header("https://h.example/team").as_deref(), Some("Bearer team"));
        assert_eq!(header("https://h.example/teams").as_deref(), Some("Bearer root"));
        assert_eq!(header("https://h.example.evil/team/x"), None);
        assert_eq!(header("https://h.example:444/"), None);
        assert_eq!(header("https://i.example:8443/simple/x/").as_deref(), Some("raw"));
        assert_eq!(header("http://i.example:8443/simple/x/"), None);
        assert_eq!(header("https://i.example/simple/x/"), None);
    }

    #[test]
    fn netrc_is_read_by_host() {
        let n =
            Netrc::parse("# x\nmachine a.example login u password p\nmacdef m\nmachine no login\n\ndefault login d");
        let mut c = Credentials::default();
        c.set_netrc(n, vec!["b.example".to_owned()]);
        assert_eq!(c.for_url(&url("https://a.example/")).map(|a| a.header()).as_deref(), Some("Basic dTpw"));
        assert_eq!(c.for_url(&url("https://c.example/")), None);
        assert_eq!(c.for_url(&url("https://b.example/")).map(|a| a.header()).as_deref(), Some("Basic ZDo="));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let (clean, auth) = split_user_info(url("https://user:hunter%402@h.example/x"));
        assert_eq!(clean.as_str(), "https://h.example/x");
        assert!(!format!("{auth:?}").contains("hunter") && !format!("{auth:?}").contains("user\""));
        let mut c = Credentials::default();
        c.add_host(&clean, auth.unwrap_or(Authorization::Raw(Secret::default())));
        assert!(!format!("{c:?}").contains("hunter"));
    }

    proptest::proptest! {
        #[test]
        fn netrc_never_panics(text in "(?s).{0,200}") {
            Netrc::parse(&text);
        }
    }
}
