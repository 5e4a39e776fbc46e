//! How one tool wants its connections made: time-outs, proxies, certificates, credentials. Read from the user's
//! configuration elsewhere; turned into a client here.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

use super::credentials::{Credentials, Secret};
use crate::model::Environment;

/// Certificate files larger than this are not read: 16 MiB.
const CERTIFICATES_MAX: u64 = 16 << 20;

/// How one tool wants its connections made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// Between two reads.
    pub read_timeout: Duration,
    /// For one request with its redirects and retries; downloads to a file have none.
    pub total_timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Before the first retry; doubled for each further one, unless the server says how long.
    pub backoff: Duration,
    /// The most requests in flight to one host.
    pub parallel: usize,
    /// Through which proxy.
    pub proxies: ProxySettings,
    /// Which authorities are trusted.
    pub roots: Roots,
    /// Our own certificate.
    pub identity: Option<ClientIdentity>,
    /// Hosts (`host` or `host:port`) whose certificates the user chose not to have checked.
    pub unchecked_hosts: Vec<String>,
    /// The user chose to have no certificate checked at all (npm `strict-ssl=false`).
    pub unchecked: bool,
    /// Who may see which secret.
    pub credentials: Credentials,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(300),
            retries: 3,
            backoff: Duration::from_millis(200),
            parallel: 32,
            proxies: ProxySettings::default(),
            roots: Roots::default(),
            identity: None,
            unchecked_hosts: Vec::new(),
            unchecked: false,
            credentials: Credentials::default(),
        }
    }
}

/// Proxies, as URLs. They may contain credentials, so they are secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// For `http` URLs.
    pub http: Option<Secret>,
    /// For `https` URLs.
    pub https: Option<Secret>,
    /// Hosts asked directly: comma-separated domains, addresses, networks, or `*`.
    pub no_proxy: Option<String>,
    /// Ask the operating system (macOS, Windows) when none is set here.
    pub system: bool,
}

impl ProxySettings {
    /// `http_proxy`, `HTTPS_PROXY` and their like. Lower case wins, as in curl and Python.
    pub fn from_environment(environment: &Environment) -> Self {
        let var = |names: &[&str]| {
            names.iter().find_map(|n| environment.variable(n)).map(str::trim).filter(|v| !v.is_empty())
        };
        let all = var(&["all_proxy", "ALL_PROXY"]);
        // In a CGI process HTTP_PROXY is the request's `Proxy:` header: not the user's.
        let cgi = environment.variable("REQUEST_METHOD").is_some();
        let http = if cgi { var(&["http_proxy"]) } else { var(&["http_proxy", "HTTP_PROXY"]) };
        Self {
            http: http.or(all).map(Secret::new),
            https: var(&["https_proxy", "HTTPS_PROXY"]).or(all).map(Secret::new),
            no_proxy: var(&["no_proxy", "NO_PROXY"]).map(str::to_owned),
            system: true,
        }
    }

    /// One proxy for everything: pip's `--proxy`, cargo's `http.proxy`. A missing scheme means http.
    pub fn set_all(&mut self, proxy: &str) {
        self.http = Some(Secret::new(proxy));
        self.https = Some(Secret::new(proxy));
    }
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// Only those in these files and directories, instead of the system's; empty: the system's.
    pub only: Vec<PathBuf>,
    /// PEM texts that count as [`Roots::only`] (npm's `ca`).
    pub only_pem: Vec<String>,
    /// Beside the system's, or beside `only` (NODE_EXTRA_CA_CERTS).
    pub extra: Vec<PathBuf>,
}

/// A client certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdentity {
    /// One PEM file, or a certificate and a key file.
    Files(Vec<PathBuf>),
    /// PEM text of both.
    Pem(Secret),
}

impl Profile {
    /// Whether the user chose not to have the certificate of this URL's host checked.
    pub fn is_unchecked(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.unchecked
            || self.unchecked_hosts.iter().any(|h| match h.rsplit_once(':') {
                Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                    name.eq_ignore_ascii_case(host) && port.parse().ok() == url.port_or_known_default()
                }
                _ => h.eq_ignore_ascii_case(host),
            })
    }

    /// Builds the client. The error names the file or the key, and no secret.
    pub(super) fn build(&self, unchecked: bool) -> Result<reqwest::Client, String> {
        // Fails when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tidewaiter/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // What is compressed stays so until it is read.
            .no_gzip()
            .http2_adaptive_window(true)
            .pool_max_idle_per_host(self.parallel)
            .tls_danger_accept_invalid_certs(unchecked);
        builder = self.with_proxies(builder)?;
        builder = self.with_roots(builder)?;
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.load()?);
        }
        builder.build().map_err(|e| format!("the TLS set-up: {}", super::driver::describe(&e)))
    }

    fn with_proxies(&self, mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
        let own = &self.proxies;
        if !own.system || own.http.is_some() || own.https.is_some() || cfg!(target_os = "linux") {
            builder = builder.no_proxy();
        }
        let exempt = || own.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        for (proxy, secure) in [(&own.http, false), (&own.https, true)] {
            let Some(proxy) = proxy else { continue };
            let text = proxy.expose();
            let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
            let made = if secure { reqwest::Proxy::https(text) } else { reqwest::Proxy::http(text) };
            // The error's own text may contain the URL, and that a password.
            let made = made.map_err(|_| "a proxy's URL cannot be read".to_owned())?;
            builder = builder.proxy(made.no_proxy(exempt()));
        }
        Ok(builder)
    }

    fn with_roots(&self, mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
        let replaced = !self.roots.only.is_empty() || !self.roots.only_pem.is_empty();
        let mut extra = Vec::new();
        for path in &self.roots.extra {
            // As Node does with NODE_EXTRA_CA_CERTS: a file that cannot be read adds nothing.
            extra.extend(certificates_at(path).unwrap_or_default());
        }
        if !replaced {
            return Ok(if extra.is_empty() { builder } else { builder.tls_certs_merge(extra) });
        }
        let mut only = extra;
        for path in &self.roots.only {
            only.extend(certificates_at(path)?);
        }
        for pem in &self.roots.only_pem {
            only.extend(certificates_in(pem.as_bytes()));
        }
        if only.is_empty() {
            return Err("the configured certificate file holds no certificate".to_owned());
        }
        builder = builder.tls_certs_only(only);
        Ok(builder)
    }
}

impl ClientIdentity {
    fn load(&self) -> Result<reqwest::Identity, String> {
        let mut pem = Vec::new();
        match self {
            Self::Pem(text) => pem.extend_from_slice(text.expose().as_bytes()),
            Self::Files(paths) => {
                for path in paths {
                    pem.extend(read_bounded(path)?);
                    pem.push(b'\n');
                }
            }
        }
        reqwest::Identity::from_pem(&pem).map_err(|_| "the client certificate or its key cannot be read".to_owned())
    }
}

/// Every certificate in a PEM file, or in the files of a directory (OpenSSL's layout).
fn certificates_at(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, String> {
    if !path.is_dir() {
        return Ok(certificates_in(&read_bounded(path)?));
    }
    let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(entries
        .flatten()
        .take(2_000)
        .filter_map(|entry| read_bounded(&entry.path()).ok())
        .flat_map(|pem| certificates_in(&pem))
        .collect())
}

/// The certificates of a PEM text that can serve as a root; others are left out, as OpenSSL leaves them.
fn certificates_in(pem: &[u8]) -> Vec<reqwest::Certificate> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|der| rustls::RootCertStore::empty().add(der.clone()).is_ok())
        .filter_map(|der| reqwest::Certificate::from_der(&der).ok())
        .collect()
}

fn read_bounded(path: &std::path::Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let describe = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = Vec::new();
    std::fs::File::open(path).map_err(describe)?.take(CERTIFICATES_MAX).read_to_end(&mut out).map_err(describe)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchecked_hosts_are_exactly_those_named() {
        let profile = Profile {
            unchecked_hosts: vec!["a.example".to_owned(), "b.example:8443".to_owned()],
            ..Profile::default()
        };
        let is = |u: &str| Url::parse(u).is_ok_and(|u| profile.is_unchecked(&u));
        assert!(is("https://A.example/x") && is("https://a.example:1/") && is("https://b.example:8443/"));
        assert!(!is("https://b.example/") && !is("https://c.a.example/"));
    }

    #[test]
    fn a_missing_certificate_file_is_an_error_that_names_it() {
        let mut profile = Profile::default();
        profile.roots.only.push(PathBuf::from("/nonexistent/ca.pem"));
        let error = profile.build(false).err().unwrap_or_default();
        assert!(error.contains("/nonexistent/ca.pem"), "{error}");
    }

    #[test]
    fn a_proxy_url_that_cannot_be_read_does_not_show_its_password() {
        let mut profile = Profile::default();
        profile.proxies.set_all("http://user:hunter2@[bad/");
        let error = profile.build(false).err().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("hunter2"), "{error}");
    }
}
