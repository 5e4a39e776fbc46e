//! The registry on the loopback: it shows what was judged, and serves only bytes whose digest is in the plan.
//!
//! In: a [`Job`]. Out: a port that lives as long as the [`Gateway`], and what was refused and served on it.
//!
//! ```text
//! /SECRET/pypi/…  pypi      closed      the plan as lookups, and why something is not in it
//! /SECRET/npm/…   npm       artifacts   bytes on their way into the store, and out of it
//! /SECRET/cargo/… crates    answer      documents, artifacts, refusals
//! ```
//!
//! A URL of the upstream is carried inside the gateway's own (`…/~/https/files.example/a.whl`), so that a file in which
//! a tool wrote it can be mended without knowing more than the text.

pub mod answer;
mod artifacts;
pub mod closed;
mod crates;
pub mod npm;
mod pypi;
pub mod unheard;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use self::answer::Body;
use self::artifacts::Artifacts;
use self::closed::Closed;
use super::{EnforceError, Job, Refused, Served, Upstream};
use crate::invocation::Invocation;
use crate::model::{Ecosystem, PackageName, Timestamp, redact_url};
use crate::registry::FetchError;
use crate::registry::http;
use crate::rules::cooldown;

/// How much of the registries a tool may see. Fetching is for the plan's artifacts alone in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The releases of the plan.
    Plan,
    /// What a lockfile for other platforms needs as well: the releases of every package that are old enough, as metadata.
    Lock,
}

/// Who the gateway's password is of.
pub const USER: &str = "tidewaiter";
/// At most so many refusals are remembered.
const REFUSED_MAX: usize = 1_000;

/// The largest body that is taken from a tool.
const POST_MAX: usize = 8 << 20;

/// What all connections share.
pub struct Shared {
    /// `http://127.0.0.1:PORT/SECRET`.
    pub base: String,
    /// How much may be seen.
    pub view: View,
    /// What may come in.
    pub closed: Closed,
    /// The user's own registries.
    pub upstream: Upstream,
    /// In [`View::Lock`], releases after this moment are seen only when they are in the plan.
    pub cutoff: Option<Timestamp>,
    /// Names that the policy exempts from it.
    pub excluded: BTreeSet<PackageName>,
    /// The command asks for advisories itself, and takes what they say (`npm audit fix`).
    audits: bool,
    /// npm's tarballs by path.
    paths: npm::Paths,
    artifacts: Arc<Artifacts>,
    secret: String,
    /// The `Authorization` that is as good as the secret in the path.
    password: String,
    authority: String,
    refused: Mutex<BTreeSet<Refused>>,
    served: Mutex<BTreeSet<Served>>,
    /// Paths of npm's tarballs, as they were asked for, with the upstream's URLs.
    kept: Mutex<BTreeSet<(String, String)>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("view", &self.view).finish_non_exhaustive()
    }
}

/// One request, as a route sees it.
#[derive(Debug)]
pub struct Asked {
    /// What follows the route's own part of the path, as it was sent (percent-encoded), without the query.
    pub path: String,
    /// All of the path, as it was sent.
    pub whole: String,
    /// The query, as it was sent.
    pub query: Option<String>,
    /// `GET`, or `HEAD`, which is answered like it; other methods are for the routes that say so.
    pub method: Method,
    /// Its headers.
    pub headers: header::HeaderMap,
    /// The secret came as the password, not in the path.
    pub by_password: bool,
    /// What was sent with a `POST`.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header's text; empty when it is not there.
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The `Range` header.
    pub fn range(&self) -> Option<&str> {
        self.headers.get(header::RANGE)?.to_str().ok()
    }
}

/// `https://host:1/a?b` as a path: `https/host~1/a?b`. `file:///a` is `file/a`. Clients write some characters of a path
/// in another way (`:` as `%3A`), so a host has none of these here.
fn carried(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.strip_prefix('/') {
        Some(path) => format!("{scheme}/{path}"),
        None => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            format!("{scheme}/{}{path}", host.replace(':', "~"))
        }
    }
}

/// The other way round.
fn original(path: &str) -> Option<String> {
    let (scheme, rest) = path.split_once('/')?;
    match scheme {
        "http" | "https" => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            Some(format!("{scheme}://{}{path}", host.replace('~', ":")))
        }
        "file" => Some(format!("file:///{rest}")),
        _ => None,
    }
}

impl Shared {
    fn of(job: &Job<'_>, view: View, port: u16) -> Result<Arc<Self>, EnforceError> {
        let secret = secret()?;
        let artifacts = Artifacts::new(job.cache, job.upstream.clone()).map_err(EnforceError::io(job.cache))?;
        let plan = &job.judgement.plan;
        let days = cooldown::held_back_days(job.policy);
        let now = job.environment.now.as_second();
        let names = plan.packages.iter().map(|p| &p.id.name);
        let closed = Closed::new(plan);
        Ok(Arc::new(Self {
            base: format!("http://127.0.0.1:{port}/{secret}"),
            view,
            audits: job.invocation.verb == "audit fix",
            paths: npm::Paths::new(&closed),
            closed,
            upstream: job.upstream.clone(),
            cutoff: days.and_then(|d| Timestamp::from_second(now - i64::from(d) * 24 * 60 * 60).ok()),
            excluded: names.filter(|n| cooldown::is_excluded(job.policy, n)).cloned().collect(),
            artifacts: Arc::new(artifacts),
            password: http::Authorization::Basic {
                user: http::Secret::new(USER),
                password: http::Secret::new(&secret),
            }
            .header(),
            secret,
            authority: format!("127.0.0.1:{port}"),
            refused: Mutex::default(),
            served: Mutex::default(),
            kept: Mutex::default(),
        }))
    }

    /// The upstream's URL inside one of the gateway's: `http://127.0.0.1:PORT/SECRET/ROUTE/~/https/…`.
    pub fn carry(&self, route: &str, url: &str) -> String {
        format!("{}/{route}/~/{}", self.base, carried(url))
    }

    /// [`Shared::carry`] for whoever asked: one that knows the password gets URLs without the secret.
    pub fn carry_for(&self, asked: &Asked, route: &str, url: &str) -> String {
        if asked.headers.get("x-tidewaiter").is_some_and(|v| v == "as-asked") {
            // It brings every URL here by itself.
            return url.to_owned();
        }
        if asked.by_password {
            format!("http://{}/{route}/~/{}", self.authority, carried(url))
        } else {
            self.carry(route, url)
        }
    }

    /// The upstream's URL that a request carries, given the path behind `~/`.
    pub fn carried(asked: &Asked, path: &str) -> Option<String> {
        let url = original(path)?;
        Some(match &asked.query {
            Some(query) => format!("{url}?{query}"),
            None => url,
        })
    }

    /// Asks the upstream, with the user's credentials.
    pub async fn fetch(&self, request: http::Request) -> Result<http::Response, FetchError> {
        let client = self.upstream.client().clone();
        let url = request.url.clone();
        let fetched = tokio::task::spawn_blocking(move || client.fetch(request)).await;
        fetched.unwrap_or_else(|_| {
            let reason = "an internal error".to_owned();
            Err(FetchError::Unreachable { registry: redact_url(&url), reason })
        })
    }

    /// Remembers a refusal for the report.
    pub fn remember(&self, refused: Refused) {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < REFUSED_MAX {
            all.insert(refused);
        }
    }

    /// Remembers that a tool may keep what it got at a path.
    fn keeps(&self, path: &str, url: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((path.to_owned(), url.to_owned()));
    }

    fn served(&self, served: Served) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(served);
    }

    /// Whether a release that is not in the plan may be seen, though not fetched.
    pub fn visible(&self, name: &PackageName, published: Option<Timestamp>) -> bool {
        self.view == View::Lock
            && match (self.cutoff, published) {
                (Some(cutoff), Some(published)) => published <= cutoff || self.excluded.contains(name),
                _ => true,
            }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        // A proxy is asked with a host of its own in the request line. This is none: it says no, and to whom.
        if let Some(authority) = parts.uri.authority().filter(|a| a.as_str() != self.authority) {
            return self.refuse(Refused {
                subject: authority.host().to_owned(),
                reason: "was asked for directly: only what was cleared can be reached".to_owned(),
            });
        }
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        if parts.uri.authority().is_none() && host != Some(self.authority.as_str()) {
            return answer::status(StatusCode::FORBIDDEN, "tidewaiter: not for this host");
        }
        let path = parts.uri.path().trim_start_matches('/');
        let password = parts
            .headers
            .get(header::AUTHORIZATION)
            .map(|value| same_bytes(value.as_bytes(), self.password.as_bytes()));
        let (first, below) = path.split_once('/').unwrap_or((path, ""));
        let token = bearer(&parts.headers).is_some_and(|t| same_bytes(t.as_bytes(), self.secret.as_bytes()));
        let (by_password, rest) = match password {
            _ if same_bytes(first.as_bytes(), self.secret.as_bytes()) => (false, below),
            Some(true) => (true, path),
            // Where npm puts the registry's host into a tarball's URL it drops the registry's path. It still sends the
            // token that it was given for this host.
            _ if token => (false, path),
            None if first == "pypi" => {
                let mut response = answer::status(StatusCode::UNAUTHORIZED, "tidewaiter: not for this caller");
                let asks = header::HeaderValue::from_static("Basic realm=\"tidewaiter\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
                return response;
            }
            _ => return answer::status(StatusCode::FORBIDDEN, "tidewaiter: not for this caller"),
        };
        let (route, rest) = match same_bytes(first.as_bytes(), self.secret.as_bytes()) || by_password {
            true => rest.split_once('/').unwrap_or((rest, "")),
            false => ("npm", rest),
        };
        let body = match parts.method == Method::POST && self.audits {
            true => Limited::new(body, POST_MAX).collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default(),
            false => Vec::new(),
        };
        let asked = Asked {
            body,
            path: rest.to_owned(),
            whole: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            method: parts.method,
            headers: parts.headers,
            by_password,
        };
        let files = rest.starts_with("files/");
        let mut response = match route {
            "pypi" => pypi::answer(&self, asked).await,
            "npm" => npm::answer(&self, asked).await,
            "cargo" => crates::answer(&self, asked).await,
            _ => answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here"),
        };
        let status = response.status();
        if by_password && (status.is_success() || status == StatusCode::NOT_MODIFIED) {
            // The URL is the same in the next run: a file stays what it is, a page may be another. What is not modified
            // is kept by what is said of it now.
            let kept = if files { "public, max-age=31536000, immutable" } else { "max-age=0, must-revalidate" };
            response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static(kept));
        }
        response
    }
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &header::HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Compares in a time that does not depend on where two texts differ.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// 128 random bits as hexadecimal.
fn secret() -> Result<String, EnforceError> {
    let mut bytes = [0; 16];
    let provider = rustls::crypto::ring::default_provider();
    let filled = provider.secure_random.fill(&mut bytes);
    filled.map_err(|_| EnforceError::unsupported("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Whether a command asks for the files of what it brings in, and not only for their metadata or for nothing.
fn fetches(invocation: &Invocation) -> bool {
    const NONE: [&str; 3] = ["--package-lock-only", "--lockfile-only", "--offline"];
    let on = |flag: &&str| invocation.flag(flag).is_some_and(|f| f.value.as_deref() != Some("false"));
    !(invocation.dry_run || NONE.iter().any(on))
}

/// The port that is tried first: the same for the same user, and hardly another's.
fn usual_port(cache: &Path) -> u16 {
    let text = cache.as_os_str().as_encoded_bytes();
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    20_000 + u16::try_from((hash >> 16) % 12_000).unwrap_or(0)
}

/// A running gateway. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// It looks up what is to be fetched.
    ahead: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Gateway {
    /// Listens on a port of its own choice (`keep_port`: the same each time, if it is free), and begins to fetch what
    /// the plan holds. [`EnforceError::Listen`] where no socket may listen.
    pub fn start(job: &Job<'_>, view: View, keep_port: bool) -> Result<Self, EnforceError> {
        let kept = keep_port.then(|| std::net::TcpListener::bind(("127.0.0.1", usual_port(job.cache))).ok()).flatten();
        let listener = match kept {
            Some(listener) => listener,
            None => std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(EnforceError::Listen)?,
        };
        listener.set_nonblocking(true).map_err(EnforceError::Listen)?;
        let port = listener.local_addr().map_err(EnforceError::Listen)?.port();
        let shared = Shared::of(job, view, port)?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || serve(listener, served, stopped))
            .map_err(EnforceError::Listen)?;
        let mut ahead = None;
        if fetches(job.invocation) {
            match job.invocation.tool.ecosystem() {
                Some(Ecosystem::PyPI) => pypi::fetch_ahead(&shared),
                Some(Ecosystem::Npm) => ahead = npm::fetch_ahead(&shared, job),
                // Otherwise cargo fetches into its own cache, by its lockfile.
                Some(Ecosystem::CratesIo) if job.invocation.verb == "install" => crates::fetch_ahead(&shared),
                Some(Ecosystem::CratesIo) => {}
                None => {}
            }
        }
        Ok(Self { port, shared, stop: Some(stop), thread: Some(thread), ahead: Mutex::new(ahead) })
    }

    /// Waits for what is being fetched for a tool that asks for everything at once, as long as the wait is worth it.
    pub fn settle(&self) {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        if ahead.is_none_or(|ahead| ahead.join().is_ok()) {
            self.shared.artifacts.settle();
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT/SECRET/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.shared.base)
    }

    /// [`Gateway::url`], with the secret as the password.
    pub fn url_with_password(&self, path: &str) -> String {
        format!("http://{USER}:{}@{}/{path}", self.shared.secret, self.shared.authority)
    }

    /// [`Gateway::carry`], with the secret as the password.
    pub fn carry_with_password(&self, route: &str, url: &str) -> String {
        self.url_with_password(&format!("{route}/~/{}", carried(url)))
    }

    /// [`Gateway::carry`], for a tool that knows the password from elsewhere.
    pub fn carry_without_secret(&self, route: &str, url: &str) -> String {
        format!("http://{}/{route}/~/{}", self.shared.authority, carried(url))
    }

    /// The secret that begins every path; the npm routes take it as a token too.
    pub fn token(&self) -> &str {
        &self.shared.secret
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> &str {
        &self.shared.authority
    }

    /// `http://127.0.0.1:PORT`: as a proxy it refuses everything, and says whom it refused.
    pub fn refusing_proxy(&self) -> String {
        format!("http://{}", self.shared.authority)
    }

    /// What cargo is told to ask in place of a registry (`None`: crates.io): `sparse+http://…/`.
    pub fn crate_index(&self, registry: Option<&str>) -> String {
        format!("sparse+{}/", self.url(&crates::index(registry)))
    }

    /// See [`Shared::carry`].
    pub fn carry(&self, route: &str, url: &str) -> String {
        self.shared.carry(route, url)
    }

    /// The gateway's URL for one that the npm routes can answer: of a planned artifact, or of anything in the user's own
    /// registries. `None` for others, which are not the gateway's.
    pub fn carry_npm(&self, url: &str) -> Option<String> {
        let known = self.shared.closed.at(url).is_some() || npm::within_registry(&self.shared.upstream, url).is_some();
        known.then(|| self.carry("npm", url))
    }

    /// A text with the gateway's URLs where it has, in quotes, the upstream's of the plan's artifacts.
    pub fn carry_planned(&self, route: &str, text: &[u8]) -> Vec<u8> {
        self.planned_replaced(text, &|url| self.carry(route, url))
    }

    /// [`Gateway::carry_planned`], for a tool that knows the password from elsewhere.
    pub fn carry_planned_without_secret(&self, route: &str, text: &[u8]) -> Vec<u8> {
        self.planned_replaced(text, &|url| self.carry_without_secret(route, url))
    }

    fn planned_replaced(&self, text: &[u8], new: &dyn Fn(&str) -> String) -> Vec<u8> {
        let mut text = String::from_utf8_lossy(text).into_owned();
        for planned in self.shared.closed.releases().flatten() {
            let url = &planned.artifact.url;
            if text.contains(url.as_str()) {
                text = text.replace(&format!("\"{url}\""), &format!("\"{}\"", new(url)));
            }
        }
        text.into_bytes()
    }

    /// A text with the upstream's URLs where it has the gateway's; `None` when it has none.
    pub fn mended(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Shared { base, authority, secret, .. } = &*self.shared;
        if names_none(text) {
            return None;
        }
        let bases = [base.clone(), format!("http://{USER}:{secret}@{authority}"), format!("http://{authority}")];
        let mut out = None;
        for base in bases {
            out = mended(out.as_deref().unwrap_or(text), base.as_bytes()).or(out);
        }
        mended_encoded(out.as_deref().unwrap_or(text), base).or(out)
    }

    /// Mends a file, which is written anew as a whole, or not at all. One that is not there needs no mending.
    pub fn mend(&self, path: &Path) -> std::io::Result<()> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        let text = std::fs::read(&path)?;
        match self.mended(&text) {
            Some(mended) => replace(&path, &mended),
            None => Ok(()),
        }
    }

    /// What npm may have kept by the gateway's URLs: those, and the upstream's.
    pub fn kept(&self) -> Vec<(String, String)> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = format!("http://{}", self.shared.authority);
        kept.iter().map(|(path, url)| (format!("{origin}{path}"), url.clone())).collect()
    }

    /// Stops, and says what was refused and what was served.
    pub fn stop(mut self) -> (Vec<Refused>, Vec<Served>) {
        self.end();
        let refused = std::mem::take(&mut *self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let served = std::mem::take(&mut *self.shared.served.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.artifacts.prune();
        (refused.into_iter().collect(), served.into_iter().collect())
    }

    fn end(&mut self) {
        self.shared.artifacts.stop();
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lockfiles that a tool may have written gateway URLs into when it was killed together with its gateway.
const LOCKFILES: [&str; 8] = [
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pylock.toml",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
];

/// Whether a file is one that [`mended_of_any`] is for.
pub fn is_lockfile(path: &Path) -> bool {
    path.file_name().is_some_and(|name| LOCKFILES.iter().any(|known| name == *known))
}

/// Mends the lockfiles of a directory and of those above it that a gateway which was killed has left its URLs in.
/// Whatever cannot be read or written stays as it is, and is judged as it is.
pub fn mend_left_behind(directory: &Path) {
    for path in directory.ancestors().take(12).flat_map(|d| LOCKFILES.iter().map(move |name| d.join(name))) {
        // A link may lead to a file that is not the project's.
        if !path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 64 << 20) {
            continue;
        }
        if let Some(mended) = std::fs::read(&path).ok().and_then(|text| mended_of_any(&text)) {
            let _ = replace(&path, &mended);
        }
    }
}

/// Whether a text cannot have a gateway's URL in it, in whatever form. Most have none, and lockfiles are long: looking for
/// text is quicker than looking for bytes.
fn names_none(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !text.contains("127.0.0.1"))
}

/// A text with the upstream's URLs where it has those of any gateway, whatever its port and its secret; `None` when it has
/// none. Such a URL says itself what it stands for.
pub fn mended_of_any(text: &[u8]) -> Option<Vec<u8>> {
    const LOCAL: &[u8] = b"127.0.0.1:";
    const ROUTES: [&[u8]; 3] = [b"/pypi/", b"/npm/", b"/cargo/"];
    if names_none(text) {
        return None;
    }
    let hex = |bytes: &[u8]| bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit);
    let mut bases: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.windows(LOCAL.len()).position(|w| w == LOCAL)) {
        let host = at + found;
        at = host + LOCAL.len();
        let digits = text.get(at..).unwrap_or_default().iter().take(5).take_while(|b| b.is_ascii_digit()).count();
        let mut end = at + digits;
        let before = text.get(..host).unwrap_or_default();
        let start = if before.ends_with(b"http://") {
            Some(host - b"http://".len())
        } else {
            let user = format!("http://{USER}:");
            let start = host.checked_sub(1 + 32 + user.len());
            start.filter(|s| {
                let (own, secret) = (text.get(*s..s + user.len()), text.get(s + user.len()..host - 1));
                own == Some(user.as_bytes()) && secret.is_some_and(hex) && before.ends_with(b"@")
            })
        };
        if let Some(secret) =
            text.get(end..end + 33).filter(|s| s.starts_with(b"/") && hex(s.get(1..).unwrap_or_default()))
        {
            end += secret.len();
        }
        let routed = text.get(end..).is_some_and(|rest| ROUTES.iter().any(|route| rest.starts_with(route)));
        if let (Some(base), true, true) = (start.and_then(|s| text.get(s..end)), routed, bases.len() < 16) {
            bases.insert(base.to_owned());
        }
    }
    let mut out = None;
    for base in bases {
        out = mended(out.as_deref().unwrap_or(text), &base).or(out);
    }
    out
}

/// Writes a file anew, whole or not at all, with the permissions that it has.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    if let Ok(meta) = std::fs::metadata(path) {
        file.as_file().set_permissions(meta.permissions())?;
    }
    file.as_file().sync_data()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn mended(text: &[u8], base: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = rest.windows(base.len()).position(|w| w == base) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        // The route is short, and without blanks and quotes.
        let after = from.get(base.len()..).unwrap_or_default();
        let route = after.windows(3).take(200).position(|w| w == b"/~/").filter(|end| {
            after.get(..*end).is_some_and(|r| r.iter().all(|b| b.is_ascii_alphanumeric() || b"/-_.@%".contains(b)))
        });
        let carried = route.and_then(|end| after.get(end + 3..)).and_then(|carried| {
            let slash = carried.iter().take(6).position(|b| *b == b'/')?;
            let scheme = carried.get(..slash).filter(|s| [&b"http"[..], b"https", b"file"].contains(s))?;
            Some((scheme, carried.get(slash + 1..)?))
        });
        match carried {
            Some((scheme, tail)) => {
                out.extend_from_slice(scheme);
                out.extend_from_slice(if scheme == b"file" { b":///" } else { b"://" });
                let host = |b: &u8| b.is_ascii_alphanumeric() || b"-._~[]%".contains(b);
                let end = tail.iter().position(|b| !host(b)).filter(|_| scheme != b"file").unwrap_or(0);
                let (host, path) = tail.split_at(end);
                out.extend(host.iter().map(|b| if *b == b'~' { b':' } else { *b }));
                rest = path;
                changed = true;
            }
            None => {
                out.extend_from_slice(base);
                rest = after;
            }
        }
    }
    out.extend_from_slice(rest);
    changed.then_some(out)
}

/// [`mended`] for URLs that are a value within another URL (`__archiveUrl=http%3A%2F%2F…`).
fn mended_encoded(text: &[u8], base: &str) -> Option<Vec<u8>> {
    let base = format!("{}%2Fnpm%2F~%2F", base.replace(':', "%3A").replace('/', "%2F"));
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split(&base);
    let mut out = parts.next()?.to_owned();
    let mut changed = false;
    for part in parts {
        changed = true;
        let mut pieces = part.splitn(3, "%2F");
        match (pieces.next(), pieces.next(), pieces.next()) {
            (Some(scheme @ ("http" | "https")), Some(host), Some(path)) if host.len() < 300 => {
                out.push_str(&format!("{scheme}%3A%2F%2F{}%2F{path}", host.replace('~', "%3A")));
            }
            _ => {
                out.push_str(&base);
                out.push_str(part);
            }
        }
    }
    changed.then(|| out.into_bytes())
}

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(128).build()
    else {
        return;
    };
    runtime.block_on(async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let accepting = async move {
            loop {
                let Ok((connection, _)) = listener.accept().await else {
                    // Out of descriptors, or the peer went away: the next may do better.
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    continue;
                };
                // A small answer should not wait for the client's acknowledgement of the one before.
                let _ = connection.set_nodelay(true);
                let shared = Arc::clone(&shared);
                let service = hyper::service::service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, std::convert::Infallible>(shared.answer(request).await) }
                });
                let io = hyper_util::rt::TokioIo::new(connection);
                // A client that goes away is no concern of the server's.
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        };
        let accepting = std::pin::pin!(accepting);
        futures_util::future::select(accepting, stopped).await;
    });
    // What is still being fetched ends by itself with its next piece.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://127.0.0.1:4711/00ff";

    #[test]
    fn urls_are_carried_and_mended() {
        for url in ["https://h.example/a/b.whl?x=1", "http://u.example:8080/", "file:///opt/x.whl"] {
            let text = format!("x = \"{BASE}/pypi/files/~/{}\", y", carried(url));
            let expected = format!("x = \"{url}\", y");
            assert_eq!(mended(text.as_bytes(), BASE.as_bytes()), Some(expected.into_bytes()));
            assert_eq!(original(&carried(url)).as_deref(), Some(url));
        }
        let encoded =
            "x::__archiveUrl=http%3A%2F%2F127.0.0.1%3A4711%2F00ff%2Fnpm%2F~%2Fhttps%2Fh.example~8%2Fa%2Fb.tgz\"";
        let expected = "x::__archiveUrl=https%3A%2F%2Fh.example%3A8%2Fa%2Fb.tgz\"";
        assert_eq!(mended_encoded(encoded.as_bytes(), BASE), Some(expected.as_bytes().to_vec()));
        assert_eq!(mended_encoded(expected.as_bytes(), BASE), None);
        assert_eq!(mended(b"nothing", BASE.as_bytes()), None);
        assert_eq!(mended(format!("{BASE}/pypi/simple").as_bytes(), BASE.as_bytes()), None);
        assert_eq!(mended(format!("{BASE}/a \"/~/https/h").as_bytes(), BASE.as_bytes()), None);
    }

    #[test]
    fn what_a_killed_gateway_left_is_mended_whatever_it_was_known_by() {
        let secret = "00112233445566778899aabbccddeeff";
        for base in [
            "http://127.0.0.1:4711".to_owned(),
            format!("http://127.0.0.1:4711/{secret}"),
            format!("http://tidewaiter:{secret}@127.0.0.1:31999"),
        ] {
            let text = format!("a = \"{base}/pypi/files/~/https/h.example~1/a.whl\"\n{base}/npm/~/https/r/x.tgz");
            let expected = "a = \"https://h.example:1/a.whl\"\nhttps://r/x.tgz".to_owned();
            assert_eq!(mended_of_any(text.as_bytes()), Some(expected.into_bytes()), "{base}");
        }
        for foreign in ["http://127.0.0.1:8080/simple/a.whl", "http://x@127.0.0.1:1/pypi/~/https/h", "127.0.0.1:", ""] {
            assert_eq!(mended_of_any(foreign.as_bytes()), None, "{foreign}");
        }
        assert!(is_lockfile(Path::new("/a/uv.lock")) && !is_lockfile(Path::new("/a/Cargo.lock")));
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (a, b) = (secret().unwrap_or_default(), secret().unwrap_or_default());
        assert!(a.len() == 32 && b.len() == 32 && a != b);
        assert!(same_bytes(a.as_bytes(), a.as_bytes()) && !same_bytes(a.as_bytes(), b.as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn mending_never_panics(text: Vec<u8>, tail in "[~/a-z:]{0,20}") {
            let _ = mended(&text, BASE.as_bytes());
            let _ = mended_of_any(&text);
            let _ = mended_of_any(format!("http://127.0.0.1:{tail}http://tidewaiter:127.0.0.1:1@127.0.0.1:{tail}").as_bytes());
            let _ = mended(format!("{BASE}{tail}").as_bytes(), BASE.as_bytes());
        }
    }
}
