//! The only user of the network: a synchronous, thread-safe client over one background thread.
//!
//! In go [`Request`]s and a [`Profile`] (time-outs, proxies, certificates, credentials as the user configured them
//! for one tool); out come [`Response`]s, or a [`FetchError`] that never contains a credential. Building a client
//! costs milliseconds, so neither the thread nor a client exists before the first request.

use std::path::Path;
use std::sync::Arc;

use super::FetchError;

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

/// Owns the background thread. One for the whole program.
#[derive(Debug, Clone, Default)]
pub struct Http {
    _inner: Arc<()>,
}

/// An [`Http`] with one tool's [`Profile`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    _http: Http,
}

/// How one tool wants its connections made.
#[derive(Debug, Clone, Default)]
pub struct Profile {}

impl Http {
    /// Nothing is started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client with this profile.
    pub fn client(&self, _profile: Profile) -> Client {
        Client { _http: self.clone() }
    }
}

impl Client {
    /// Downloads `url` into `path` (created or truncated), at most `limit` bytes, following redirects and retrying.
    /// `progress` is called with the bytes so far and the total when it is known. On an error the file may be
    /// partly written: give a temporary file, and rename it.
    pub fn download_to(
        &self,
        url: &str,
        _path: &Path,
        _limit: u64,
        _validators: &Validators,
        _progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Downloaded, FetchError> {
        Err(FetchError::Unreachable { registry: crate::model::redact_url(url), reason: "not built yet".to_owned() })
    }
}
