//! The background thread: one current-thread runtime, on which every request is a task. Redirects, retries, limits
//! and time-outs are decided here, hop by hop, so that a credential never follows a redirect to another host.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use reqwest::header::{self, HeaderMap};
use tokio::sync::{Semaphore, mpsc};
use url::Url;

use super::credentials::split_user_info;
use super::profile::Profile;
use super::{Request, Response};
use crate::model::redact_url;
use crate::registry::FetchError;

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 10;
/// The longest that a server's Retry-After is waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);
/// Bodies of answers that are errors are read no further than this.
const ERROR_BODY_MAX: u64 = 64 << 10;
/// No more room than this is made ahead for a body, whatever length a server announces.
const AHEAD: u64 = 16 << 20;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Answer with everything at once.
    Fetch { state: Arc<State>, request: Request, reply: SyncSender<Result<Response, FetchError>> },
    /// Answer piece by piece.
    Download { state: Arc<State>, request: Request, events: mpsc::Sender<Event> },
}

/// A piece of a download.
pub(super) enum Event {
    /// Status and headers; again after a retry, and then everything before it is void.
    Start { response: Response, length: Option<u64> },
    /// A piece of the body.
    Chunk(Bytes),
    /// The end, good or bad.
    End(Result<(), FetchError>),
}

/// The thread's mailbox.
pub(super) struct Driver {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Driver {
    /// Starts the thread; `None` when the system refuses one.
    pub(super) fn start() -> Option<Self> {
        let (jobs, mut mailbox) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
                runtime.block_on(async {
                    while let Some(job) = mailbox.recv().await {
                        tokio::spawn(run(job));
                    }
                });
            })
            .ok()?;
        Some(Self { jobs })
    }

    /// Hands a job over; fails when the thread is gone.
    pub(super) fn send(&self, job: Job) -> Result<(), ()> {
        self.jobs.send(job).map_err(|_| ())
    }
}

/// The error of a request whose thread went away.
pub(super) fn lost(url: &str) -> FetchError {
    FetchError::Unreachable { registry: redact_url(url), reason: "the network thread stopped".to_owned() }
}

/// A profile with what is built from it on first use.
pub(super) struct State {
    pub(super) profile: Profile,
    checked: OnceLock<Result<reqwest::Client, String>>,
    unchecked: OnceLock<Result<reqwest::Client, String>>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(profile: Profile) -> Self {
        Self { profile, checked: OnceLock::new(), unchecked: OnceLock::new(), hosts: Mutex::default() }
    }

    /// The client for a URL: the one that checks certificates, unless the user excepted this host.
    fn client(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        let unchecked = url.scheme() == "https" && self.profile.is_unchecked(url);
        let cell = if unchecked { &self.unchecked } else { &self.checked };
        cell.get_or_init(|| self.profile.build(unchecked))
            .as_ref()
            .map_err(|reason| FetchError::Configuration { reason: reason.clone() })
    }

    fn permits(&self, url: &Url) -> Arc<Semaphore> {
        let host = url.authority().to_owned();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.profile.parallel.max(1)))))
    }
}

async fn run(job: Job) {
    match job {
        Job::Fetch { state, request, reply } => {
            let within = tokio::time::timeout(state.profile.total_timeout, attempts(&state, &request, None)).await;
            let answer = within.unwrap_or_else(|_| {
                let seconds = state.profile.total_timeout.as_secs_f32();
                Err(unreachable(&request.url, &format!("no complete answer within {seconds} seconds")))
            });
            // The asker may have gone; then nobody wants the answer.
            let _ = reply.send(answer);
        }
        Job::Download { state, request, events } => {
            let result = attempts(&state, &request, Some(&events)).await.map(|_| ());
            let _ = events.send(Event::End(result)).await;
        }
    }
}

/// How one attempt failed.
enum Failure {
    /// Another attempt may succeed.
    Transient(FetchError),
    /// No attempt will.
    Final(FetchError),
}

type Sink<'a> = Option<&'a mpsc::Sender<Event>>;

async fn attempts(state: &State, request: &Request, sink: Sink<'_>) -> Result<Response, FetchError> {
    let (url, _) = parse(&request.url).map_err(|f| match f {
        Failure::Transient(e) | Failure::Final(e) => e,
    })?;
    let permits = state.permits(&url);
    // The semaphore is never closed; an error would only mean no limit.
    let _permit = permits.acquire().await.ok();
    let mut attempt = 0;
    loop {
        let last = attempt >= state.profile.retries;
        let wait = match one_attempt(state, request, sink, last).await {
            Ok(Attempt::Answer(response)) => return Ok(response),
            Ok(Attempt::Later { wait, status, url }) => match wait {
                Some(wait) if wait > RETRY_AFTER_MAX.min(state.profile.total_timeout) => {
                    let reason = format!("status {status}; it asks to wait {} seconds", wait.as_secs());
                    return Err(unreachable(&url, &reason));
                }
                wait => wait.unwrap_or_else(|| backoff(state.profile.backoff, attempt)),
            },
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Transient(error)) if last => return Err(error),
            Err(Failure::Transient(_)) => backoff(state.profile.backoff, attempt),
        };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// What one attempt brought.
enum Attempt {
    Answer(Response),
    /// The server asks for patience, and there are attempts left.
    Later {
        wait: Option<Duration>,
        status: u16,
        url: String,
    },
}

async fn one_attempt(state: &State, request: &Request, sink: Sink<'_>, last: bool) -> Result<Attempt, Failure> {
    let (mut url, given) = parse(&request.url)?;
    let given = request.authorization.clone().or(given);
    let origin = url.origin();
    for _ in 0..=REDIRECTS_MAX {
        let authorization =
            given.clone().filter(|_| url.origin() == origin).or_else(|| state.profile.credentials.for_url(&url));
        let response = send(state, request, &url, authorization.map(|a| a.header())).await?;
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308)
            && request.post.is_none()
            && let Some(next) = response.headers().get(header::LOCATION)
        {
            url = redirected(&url, next)?;
            continue;
        }
        if !last && matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529) {
            let wait = retry_after(response.headers());
            return Ok(Attempt::Later { wait, status, url: url.into() });
        }
        return receive(request, &url, response, sink).await.map(Attempt::Answer);
    }
    Err(Failure::Final(unreachable(&request.url, &format!("more than {REDIRECTS_MAX} redirects"))))
}

/// The URL without user information, and what that said.
fn parse(text: &str) -> Result<(Url, Option<super::Authorization>), Failure> {
    let bad =
        |reason: &str| Failure::Final(FetchError::Configuration { reason: format!("`{}` {reason}", redact_url(text)) });
    let url = Url::parse(text).map_err(|_| bad("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("is not an http or https URL"));
    }
    Ok(split_user_info(url))
}

/// Where a redirect leads. A server may not talk us down from https, nor hand us credentials to send.
fn redirected(from: &Url, location: &header::HeaderValue) -> Result<Url, Failure> {
    let bad = |reason: &str| Failure::Final(unreachable(from.as_str(), reason));
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| bad("it redirects to something unreadable"))?;
    let next = from.join(text).map_err(|_| bad("it redirects to something unreadable"))?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") => Err(bad("it redirects from https to http")),
        (_, "http" | "https") if next.host_str().is_some() => Ok(split_user_info(next).0),
        _ => Err(bad("it redirects to something that is not http")),
    }
}

/// A file is asked for as it lies there; what a server compresses by itself is then taken for the file's own bytes.
fn asks_compressed(request: &Request) -> bool {
    request.range.is_none() && !request.identity
}

async fn send(
    state: &State,
    request: &Request,
    url: &Url,
    authorization: Option<String>,
) -> Result<reqwest::Response, Failure> {
    let client = state.client(url).map_err(Failure::Final)?;
    let mut builder = match &request.post {
        None => client.get(url.clone()),
        Some(post) => {
            let body: reqwest::Body = post.body.to_vec().into();
            client.post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(body)
        }
    };
    for (name, secret) in request.post.iter().flat_map(|p| &p.headers) {
        let Ok(mut value) = header::HeaderValue::from_str(secret.expose()) else {
            let reason = format!("the value of `{name}` holds characters no header can carry");
            return Err(Failure::Final(FetchError::Configuration { reason }));
        };
        value.set_sensitive(true);
        builder = builder.header(*name, value);
    }
    if !request.accept.is_empty() {
        builder = builder.header(header::ACCEPT, request.accept);
    }
    if let Some(etag) = &request.validators.etag {
        builder = builder.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(time) = &request.validators.last_modified {
        builder = builder.header(header::IF_MODIFIED_SINCE, time);
    }
    if let Some((first, last)) = request.range {
        builder = builder.header(header::RANGE, format!("bytes={first}-{last}"));
    }
    builder = builder.header(header::ACCEPT_ENCODING, if asks_compressed(request) { "gzip" } else { "identity" });
    if let Some(value) = authorization {
        let Ok(mut value) = header::HeaderValue::from_str(&value) else {
            let reason =
                format!("the credentials for {} hold characters no header can carry", redact_url(url.as_str()));
            return Err(Failure::Final(FetchError::Configuration { reason }));
        };
        value.set_sensitive(true);
        builder = builder.header(header::AUTHORIZATION, value);
    }
    builder.send().await.map_err(|error| {
        let failure = unreachable(url.as_str(), &describe(&error));
        // What the builder rejects (a header, the URL) will be rejected again.
        if error.is_builder() { Failure::Final(failure) } else { Failure::Transient(failure) }
    })
}

/// Reads the body, no further than the limit, into the answer or into the sink.
async fn receive(
    request: &Request,
    url: &Url,
    mut response: reqwest::Response,
    sink: Sink<'_>,
) -> Result<Response, Failure> {
    let status = response.status().as_u16();
    let error = !matches!(status, 200..=299 | 304);
    let limit = if error { ERROR_BODY_MAX } else { request.limit };
    let too_large = || Failure::Final(FetchError::TooLarge { registry: redact_url(url.as_str()), limit });
    let length = response.content_length();
    if !error && length.is_some_and(|l| l > limit) {
        return Err(too_large());
    }
    let headers = response.headers().clone();
    let coding = headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default().trim();
    let compressed = asks_compressed(request) && ["gzip", "x-gzip"].iter().any(|c| coding.eq_ignore_ascii_case(c));
    let mut answer = Response { status, url: url.to_string(), compressed, headers, body: Vec::new() };
    let gone = || Failure::Final(lost(url.as_str()));
    if let Some(sink) = sink {
        sink.send(Event::Start { response: answer.clone(), length }).await.map_err(|_| gone())?;
        if error || status == 304 {
            return Ok(answer);
        }
    }
    if sink.is_none() {
        answer.body.reserve_exact(usize::try_from(length.unwrap_or(0).min(AHEAD)).unwrap_or(0));
    }
    let mut taken: u64 = 0;
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(answer),
            Ok(Some(chunk)) => {
                taken += chunk.len() as u64;
                if taken > limit {
                    return if error { Ok(answer) } else { Err(too_large()) };
                }
                match sink {
                    None => answer.body.extend_from_slice(&chunk),
                    Some(sink) => sink.send(Event::Chunk(chunk)).await.map_err(|_| gone())?,
                }
            }
            // The status says enough.
            Err(_) if error => return Ok(answer),
            Err(e) => {
                let reason = format!("the answer broke off: {}", describe(&e));
                return Err(Failure::Transient(unreachable(url.as_str(), &reason)));
            }
        }
    }
}

fn unreachable(url: &str, reason: &str) -> FetchError {
    FetchError::Unreachable { registry: redact_url(url), reason: reason.to_owned() }
}

/// An error's innermost words, without a URL, on one line.
pub(super) fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    // The outermost text of a reqwest error ends with the URL; the innermost does not unless it is the only one.
    let text = if error.source().is_none() { "request failed".to_owned() } else { innermost.to_string() };
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Doubles with each attempt; a random half is taken off, so that many requests do not come back at once.
fn backoff(first: Duration, attempt: u32) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _};
    let full = u64::try_from(first.as_millis()).unwrap_or(u64::MAX).saturating_mul(1 << attempt.min(5));
    let random = std::hash::RandomState::new().build_hasher().finish();
    Duration::from_millis(full - random % (full / 2).max(1))
}
