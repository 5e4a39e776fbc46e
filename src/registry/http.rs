//! The only user of the network: a synchronous, thread-safe client over one background thread.
//!
//! In go [`Request`]s and a [`Profile`] (time-outs, proxies, certificates, credentials as the user configured them
//! for one tool); out come [`Response`]s, or a [`FetchError`] that never contains a credential. Building a client
//! costs milliseconds, so neither the thread nor a client exists before the first request.

mod credentials;
mod driver;
mod profile;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use reqwest::header::HeaderMap;

pub use credentials::{Authorization, Credentials, Netrc, Secret, split_user_info};
pub use profile::{ClientIdentity, Profile, ProxySettings, Roots};

use super::{FetchError, pool};
use crate::model::redact_url;

/// Validators of an earlier answer, for a conditional request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`, as the server wrote it.
    pub last_modified: Option<String>,
}

/// What [`Client::download_to`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// The server says that what [`Validators`] describe is still current; nothing was written.
    pub not_modified: bool,
    /// Validators of what was written.
    pub validators: Validators,
    /// Bytes written.
    pub bytes: u64,
}

/// What turns a request into a `POST` of JSON. Its redirects are not followed: what is sent is meant for one place.
#[derive(Debug, Clone)]
pub struct Post {
    /// The document.
    pub body: Arc<[u8]>,
    /// Further headers.
    pub headers: Vec<(&'static str, Secret)>,
}

/// A `GET`, or a `POST`.
#[derive(Debug, Clone)]
pub struct Request {
    /// `http` or `https`. User information in it is used and not shown.
    pub url: String,
    /// `Accept`; empty: anything.
    pub accept: &'static str,
    /// The most bytes of body that are taken, after decompression.
    pub limit: u64,
    /// Sent as `If-None-Match` and `If-Modified-Since`.
    pub validators: Validators,
    /// First and last byte wanted (`Range: bytes=first-last`); the server may ignore it and answer 200.
    pub range: Option<(u64, u64)>,
    /// The bytes as they lie there: no compression on the way, which some servers would take for the file's own.
    pub identity: bool,
    /// Whoever reads a long answer can do it piece by piece.
    pub in_pieces: bool,
    /// Overrides what the profile has for this URL; goes to the URL's own origin only, never along a redirect to another.
    pub authorization: Option<Authorization>,
    /// Makes it a `POST`.
    pub post: Option<Post>,
}

impl Request {
    /// An unconditional `GET` of at most `limit` bytes.
    pub fn get(url: &str, accept: &'static str, limit: u64) -> Self {
        Self {
            url: url.to_owned(),
            accept,
            limit,
            validators: Validators::default(),
            range: None,
            identity: false,
            in_pieces: false,
            authorization: None,
            post: None,
        }
    }
}

/// What [`Client::download`] hands over.
#[derive(Debug)]
pub enum Piece<'a> {
    /// The body begins; again after a retry, and then everything before it is void.
    Start {
        /// The bytes to come, when the server says.
        total: Option<u64>,
    },
    /// The next bytes of it.
    Bytes(&'a [u8]),
}

/// An answer of any status that is not worth a retry.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Where it came from after redirects, without credentials: relative links are relative to this.
    pub url: String,
    headers: HeaderMap,
    /// The body is as it came, compressed: [`Response::decoded`].
    compressed: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &redact_url(&self.url))
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// No more room than this many times the answer is made ahead.
const MOST_COMPRESSED: u64 = 64;
/// A longer answer comes in pieces, when whoever reads it can do with that: 2 MiB.
const LONG: u64 = 2 << 20;

thread_local! {
    /// Room for an answer that is not long.
    static ROOM: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Ends in an error where more comes than may.
struct Limited<R> {
    from: R,
    left: u64,
    exceeded: bool,
}

impl<R: std::io::Read> std::io::Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(out).map_err(|e| match e.kind() {
            std::io::ErrorKind::Interrupted => e,
            _ => std::io::Error::other("the answer is compressed, and damaged"),
        })?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(std::io::Error::other("it is too long"));
            }
        }
        Ok(read)
    }
}

impl Response {
    /// A header's value, when it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type of the body, lower case, without parameters.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// `ETag` and `Last-Modified`.
    pub fn validators(&self) -> Validators {
        let own = |name| self.header(name).map(str::to_owned);
        Validators { etag: own("etag"), last_modified: own("last-modified") }
    }

    /// With the body as the server meant it, when that is no longer than `limit`.
    fn decoded(mut self, limit: u64) -> Result<Self, FetchError> {
        if self.compressed {
            self.body = self.unpacked(limit, Vec::new())?;
            self.compressed = false;
        }
        Ok(self)
    }

    /// Calls `read` with the answer to a request. The body is as the server meant it, when that is no longer than the
    /// request's limit; the room that it is decompressed into is kept for the next answer, for an allocator that gives
    /// megabytes and takes them back again and again ends up with many of them. Where the request says that it may, a long
    /// answer comes in pieces instead, and the body is empty.
    pub(super) fn read<T>(
        mut self,
        request: &Request,
        read: impl FnOnce(&Self, Option<&mut dyn std::io::Read>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        if !self.compressed {
            return read(&self, None);
        }
        if request.in_pieces && self.said() > LONG {
            let body = std::mem::take(&mut self.body);
            let from = flate2::read::MultiGzDecoder::new(body.as_slice());
            let mut limited = Limited { from, left: request.limit, exceeded: false };
            let value = read(&self, Some(&mut limited));
            return match limited.exceeded {
                true => Err(FetchError::TooLarge { registry: redact_url(&self.url), limit: request.limit }),
                false => value,
            };
        }
        self.body = self.unpacked(request.limit, ROOM.take())?;
        self.compressed = false;
        let value = read(&self, None);
        if self.body.capacity() as u64 <= 2 * LONG {
            ROOM.set(self.body);
        }
        value
    }

    /// How long the body was before it was compressed, by its own last four bytes: as long as that is no lie and below
    /// 4 GiB (RFC 1952).
    fn said(&self) -> u64 {
        self.body.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into())
    }

    /// The body, decompressed into `room`.
    fn unpacked(&self, limit: u64, mut room: Vec<u8>) -> Result<Vec<u8>, FetchError> {
        let registry = || redact_url(&self.url);
        let most = (self.body.len() as u64).saturating_mul(MOST_COMPRESSED).min(limit);
        room.clear();
        room.reserve(usize::try_from(most.min(self.said())).unwrap_or(0).saturating_add(1));
        let mut from = flate2::read::MultiGzDecoder::new(self.body.as_slice()).take(limit.saturating_add(1));
        from.read_to_end(&mut room).map_err(|_| FetchError::Malformed {
            registry: registry(),
            reason: "the answer is compressed, and damaged".to_owned(),
        })?;
        if room.len() as u64 > limit {
            return Err(FetchError::TooLarge { registry: registry(), limit });
        }
        Ok(room)
    }

    /// The answer itself when it is a success (2xx, or 304), else the error its status means.
    pub fn success(self) -> Result<Self, FetchError> {
        match self.status {
            200..=299 | 304 => Ok(self),
            status => Err(status_error(&self.url, status)),
        }
    }
}

/// What a status that is no success means.
fn status_error(url: &str, status: u16) -> FetchError {
    let registry = redact_url(url);
    match status {
        404 | 410 => FetchError::NotFound { registry },
        401 | 403 => FetchError::Unauthorized { registry, status },
        407 => FetchError::Unreachable { registry, reason: "the proxy wants credentials (407)".to_owned() },
        429 => FetchError::Unreachable { registry, reason: "too many requests (429)".to_owned() },
        _ => FetchError::Unreachable { registry, reason: format!("status {status}") },
    }
}

/// Owns the background thread, which starts with the first request. One for the whole program.
#[derive(Clone, Default)]
pub struct Http {
    driver: Arc<OnceLock<Option<driver::Driver>>>,
    offline: bool,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("started", &self.driver.get().is_some()).finish()
    }
}

/// An [`Http`] with one tool's [`Profile`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    state: Arc<driver::State>,
}

impl Http {
    /// Nothing is started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose clients ask nobody: [`FetchError::Offline`], whatever they want.
    pub fn offline() -> Self {
        Self { offline: true, ..Self::default() }
    }

    /// A client with this profile. Nothing is built yet.
    pub fn client(&self, profile: Profile) -> Client {
        Client { http: self.clone(), state: Arc::new(driver::State::new(profile)) }
    }

    /// Whether anything was ever asked: a plan that needs no network must leave this false.
    pub fn started(&self) -> bool {
        self.driver.get().is_some()
    }

    /// What asks for `url`.
    fn driver(&self, url: &str) -> Result<&driver::Driver, FetchError> {
        if self.offline {
            return Err(FetchError::Offline { registry: redact_url(url) });
        }
        self.driver.get_or_init(driver::Driver::start).as_ref().ok_or_else(|| FetchError::Unreachable {
            registry: "the network".to_owned(),
            reason: "no thread for it could be started".to_owned(),
        })
    }
}

impl Client {
    /// The profile it was made with.
    pub fn profile(&self) -> &Profile {
        &self.state.profile
    }

    /// Sends a request and waits for the whole answer. Retries and follows redirects as the profile has it.
    pub fn fetch(&self, request: Request) -> Result<Response, FetchError> {
        let limit = request.limit;
        self.fetch_compressed(request)?.decoded(limit)
    }

    /// [`Client::fetch`], where whoever reads the answer decompresses it: of many that are on their way at once, each
    /// takes only as much memory as it took on the network.
    pub(super) fn fetch_compressed(&self, request: Request) -> Result<Response, FetchError> {
        let lost = || driver::lost(&request.url);
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let job = driver::Job::Fetch { state: Arc::clone(&self.state), request: request.clone(), reply };
        self.http.driver(&request.url)?.send(job).map_err(|_| lost())?;
        pool::waiting(|| answer.recv()).map_err(|_| lost())?
    }

    /// Downloads `url` into `path` (created or truncated), at most `limit` bytes, following redirects and retrying.
    /// `progress` is called with the bytes so far and the total when it is known. On an error the file may be
    /// partly written: give a temporary file, and rename it. Statuses other than 2xx and 304 are errors.
    pub fn download_to(
        &self,
        url: &str,
        path: &Path,
        limit: u64,
        validators: &Validators,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Downloaded, FetchError> {
        let local = |e: std::io::Error| FetchError::Configuration { reason: format!("{}: {e}", path.display()) };
        let request = Request { validators: validators.clone(), ..Request::get(url, "", limit) };
        let (mut file, mut size, mut done) = (None, None, 0);
        let downloaded = self.download(request, &mut |piece| {
            match piece {
                Piece::Start { total } => {
                    // A retry starts from the beginning: what the first attempt wrote is dropped.
                    file = Some(std::fs::File::create(path).map_err(local)?);
                    (size, done) = (total, 0);
                }
                Piece::Bytes(bytes) => {
                    if let Some(file) = &mut file {
                        file.write_all(bytes).map_err(local)?;
                    }
                    done += bytes.len() as u64;
                    progress(done, size);
                }
            }
            Ok(())
        })?;
        if let Some(file) = &mut file {
            file.flush().map_err(local)?;
        }
        Ok(downloaded)
    }

    /// Downloads piece by piece, following redirects and retrying. `sink` gets the body; its error ends the download.
    /// Statuses other than 2xx and 304 are errors.
    pub fn download(
        &self,
        request: Request,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), FetchError>,
    ) -> Result<Downloaded, FetchError> {
        let url = request.url.clone();
        let lost = || driver::lost(&url);
        // Pieces are handed on as they come.
        let request = Request { identity: true, ..request };
        // Of what comes quicker than it is taken, little is held: many downloads may be under way.
        let (events, mut receive) = tokio::sync::mpsc::channel(1);
        let job = driver::Job::Download { state: Arc::clone(&self.state), request, events };
        self.http.driver(&url)?.send(job).map_err(|()| lost())?;
        let mut out = Downloaded::default();
        loop {
            match pool::waiting(|| receive.blocking_recv()).ok_or_else(lost)? {
                driver::Event::Start { response, length } => {
                    let response = response.success()?;
                    let not_modified = response.status == 304;
                    out = Downloaded { not_modified, validators: response.validators(), bytes: 0 };
                    if out.not_modified {
                        return Ok(out);
                    }
                    sink(Piece::Start { total: length })?;
                }
                driver::Event::Chunk(bytes) => {
                    out.bytes += bytes.len() as u64;
                    sink(Piece::Bytes(&bytes))?;
                }
                driver::Event::End(result) => return result.map(|()| out),
            }
        }
    }
}
