//! A remote file as `Read + Seek`, fetched in pieces: a wheel's zip directory costs two or three requests, not the wheel.
//!
//! A server may ignore `Range` and send everything; then that is what is read, up to the limit.

use std::collections::BTreeMap;
use std::io::{Error, Read, Result, Seek, SeekFrom};

use super::FetchError;
use super::fetch::Fetcher;
use super::http::Request;

/// The smallest piece that is asked for.
const PIECE: u64 = 64 << 10;
/// The most that is fetched of one file in pieces, or as a whole: 64 MiB.
pub const WHOLE_MAX: u64 = 64 << 20;
/// The most requests for one file: a server may send a byte at a time.
const REQUESTS_MAX: usize = 64;

/// A remote file.
pub struct RemoteFile<'f> {
    fetcher: &'f Fetcher,
    url: &'f str,
    size: u64,
    position: u64,
    pieces: BTreeMap<u64, Vec<u8>>,
    fetched: u64,
    requests: usize,
    /// Why the last read failed; `io::Error` cannot carry it through the zip reader.
    pub failure: Option<FetchError>,
}

impl std::fmt::Debug for RemoteFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile").field("size", &self.size).field("fetched", &self.fetched).finish_non_exhaustive()
    }
}

impl<'f> RemoteFile<'f> {
    /// Fetches the end of the file, where a zip's directory is. `size` may be known from the index.
    pub fn open(fetcher: &'f Fetcher, url: &'f str, size: Option<u64>) -> std::result::Result<Self, FetchError> {
        let mut file = Self {
            fetcher,
            url,
            size: size.unwrap_or(0),
            position: 0,
            pieces: BTreeMap::new(),
            fetched: 0,
            requests: 0,
            failure: None,
        };
        match size {
            Some(size) => file.fetch(size.saturating_sub(PIECE), size)?,
            None => {
                file.fetch(0, 1)?;
                let size = file.size;
                if !file.is_whole() {
                    file.fetch(size.saturating_sub(PIECE), size)?;
                }
            }
        }
        Ok(file)
    }

    /// The whole file's bytes, when the server sent it all.
    pub fn whole(&self) -> Option<&[u8]> {
        self.pieces.get(&0).filter(|p| p.len() as u64 == self.size).map(Vec::as_slice)
    }

    fn is_whole(&self) -> bool {
        self.whole().is_some()
    }

    /// Fetches `[from, to)`, or everything where the server knows no ranges.
    fn fetch(&mut self, from: u64, to: u64) -> std::result::Result<(), FetchError> {
        let malformed = |reason: &str| FetchError::Malformed {
            registry: crate::model::redact_url(self.url),
            reason: reason.to_owned(),
        };
        self.requests += 1;
        if self.fetched >= WHOLE_MAX || self.requests > REQUESTS_MAX {
            return Err(FetchError::TooLarge { registry: crate::model::redact_url(self.url), limit: WHOLE_MAX });
        }
        let last = to.max(from + 1) - 1;
        let mut request = Request::get(self.url, "", WHOLE_MAX);
        request.range = Some((from, last));
        let mut response = self.fetcher.client.fetch(request)?;
        if matches!(response.status, 400 | 405 | 416 | 501) {
            response = self.fetcher.client.fetch(Request::get(self.url, "", WHOLE_MAX))?;
        }
        let response = response.success()?;
        self.fetched += response.body.len() as u64;
        if response.status == 206 {
            let range = response.header("content-range").and_then(content_range);
            let (start, total) = range.ok_or_else(|| malformed("a partial answer that does not say which part"))?;
            if start != from || start + response.body.len() as u64 > total || response.body.is_empty() {
                return Err(malformed("a partial answer of another part than asked"));
            }
            self.size = total;
            self.pieces.insert(start, response.body);
        } else {
            self.size = response.body.len() as u64;
            self.pieces.clear();
            self.pieces.insert(0, response.body);
        }
        Ok(())
    }

    /// The fetched bytes from `position` on.
    fn at(&self, position: u64) -> Option<&[u8]> {
        let (start, piece) = self.pieces.range(..=position).next_back()?;
        piece.get(usize::try_from(position - start).ok()?..).filter(|rest| !rest.is_empty())
    }
}

/// `bytes 0-99/1234`: the first byte and the total.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()?))
}

impl Read for RemoteFile<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.position >= self.size || out.is_empty() {
            return Ok(0);
        }
        if self.at(self.position).is_none() {
            let next = self.pieces.range(self.position..).next().map_or(self.size, |(start, _)| *start);
            let wanted = (out.len() as u64).max(PIECE);
            let to = self.position.saturating_add(wanted).min(next).min(self.size);
            if let Err(error) = self.fetch(self.position, to) {
                self.failure = Some(error);
                return Err(Error::other("a part could not be fetched"));
            }
        }
        let Some(there) = self.at(self.position) else { return Ok(0) };
        let n = there.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), there.get(..n)) {
            to.copy_from_slice(from);
        }
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for RemoteFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.size.checked_add_signed(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position = target.ok_or_else(|| Error::other("a place before the beginning"))?;
        Ok(self.position)
    }
}
