//! Answers: documents, artifacts whole or in part, and refusals whose status line says why.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::watch;

use super::Shared;
use super::artifacts::{Following, Progress, read_at, settled};
use super::closed::Planned;
use crate::enforce::store::Stored;
use crate::enforce::{Refused, Served};

/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long an answer waits for all of its artifact, so that a failure still has a status line: tools give up on a
/// silent server after some fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(3);

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn respond(status: StatusCode, media_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(media_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    // What is shown here is true for one run.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A document.
pub fn document(media_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, media_type, whole(body))
}

/// A status with a line of text, which is the reason phrase too.
pub fn status(status: StatusCode, line: &str) -> Response<Body> {
    let mut response = respond(status, "text/plain; charset=utf-8", whole(format!("{line}\n")));
    // A reason phrase is ASCII for most clients.
    let phrase: String = line.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    if let Ok(phrase) = hyper::ext::ReasonPhrase::try_from(phrase.into_bytes()) {
        response.extensions_mut().insert(phrase);
    }
    response
}

impl Shared {
    /// Refuses, and remembers it: 403 with the reason.
    pub fn refuse(&self, refused: Refused) -> Response<Body> {
        let line = refused.line();
        self.remember(refused);
        status(StatusCode::FORBIDDEN, &line)
    }

    /// The upstream did not give what it was asked for: 502 with the reason.
    pub fn failed(&self, subject: &str, reason: &str) -> Response<Body> {
        let failed = Refused { subject: subject.to_owned(), reason: reason.to_owned() };
        let line = failed.line();
        self.remember(failed);
        status(StatusCode::BAD_GATEWAY, &line)
    }

    /// An artifact of the plan, all of it or the part that `range` (the header's text) asks for.
    pub async fn artifact(self: &Arc<Self>, planned: &Arc<Planned>, range: Option<&str>) -> Response<Body> {
        // What was there may have been removed from the store since: once more.
        for _ in 0..2 {
            if let Some(response) = self.answer_once(planned, range).await {
                return response;
            }
            self.artifacts.forget(planned);
        }
        self.failed(&planned.artifact.filename, "cannot be read: it was removed")
    }

    /// `None`: what is stored cannot be opened.
    async fn answer_once(self: &Arc<Self>, planned: &Arc<Planned>, range: Option<&str>) -> Option<Response<Body>> {
        let mut progress = self.artifacts.get(planned);
        let begun = |p: &Progress| !matches!(p, Progress::Waiting);
        if range.is_some() {
            // A part is cut out of what is verified.
            let _ = progress.wait_for(settled).await.map(drop);
        } else if tokio::time::timeout(PATIENCE, progress.wait_for(settled)).await.is_err() {
            let _ = progress.wait_for(begun).await.map(drop);
        }
        let now = progress.borrow_and_update().clone();
        Some(match now {
            Progress::Failed(reason) => {
                let subject = planned.artifact.filename.clone();
                self.artifacts.forget(planned);
                self.refuse(Refused { subject, reason: reason.to_string() })
            }
            Progress::Done(stored) => match range.and_then(|r| part(r, stored.length)) {
                Some(Ok((first, last))) => {
                    let from = Arc::clone(&stored);
                    let file = tokio::task::spawn_blocking(move || from.verified()).await.ok()?.ok()?;
                    self.part(planned, &stored, file, (first, last))
                }
                Some(Err(())) => unsatisfiable(stored.length),
                None => self.following(planned, progress, Some(stored.open().ok()?), Some(stored.length)),
            },
            Progress::Arriving { total, .. } => self.following(planned, progress, None, total),
            Progress::Waiting => self.failed(&planned.artifact.filename, "could not be fetched: the run is over"),
        })
    }

    fn following(
        self: &Arc<Self>,
        planned: &Arc<Planned>,
        progress: watch::Receiver<Progress>,
        stored: Option<File>,
        length: Option<u64>,
    ) -> Response<Body> {
        let follower = Following::new(progress.clone(), stored);
        let (own, planned) = (Arc::clone(self), Arc::clone(planned));
        let pieces = stream::unfold(Some(follower), move |follower| {
            let (own, planned, progress) = (Arc::clone(&own), Arc::clone(&planned), progress.clone());
            async move {
                let mut follower = follower?;
                match follower.next().await {
                    Some(Ok(bytes)) => {
                        // The server stops asking when the announced length is reached.
                        if let (true, Progress::Done(stored)) = (follower.finished(), &*progress.borrow()) {
                            own.note(&planned, stored);
                        }
                        Some((Ok(Frame::data(bytes)), Some(follower)))
                    }
                    Some(Err(error)) => {
                        own.artifacts.forget(&planned);
                        own.remember(Refused { subject: planned.artifact.filename.clone(), reason: error.to_string() });
                        Some((Err(error), None))
                    }
                    None => None,
                }
            }
        });
        let mut response =
            respond(StatusCode::OK, "application/octet-stream", BodyExt::boxed_unsync(StreamBody::new(pieces)));
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }

    fn part(&self, planned: &Planned, stored: &Stored, file: File, (first, last): (u64, u64)) -> Response<Body> {
        self.note(planned, stored);
        let total = stored.length;
        let pieces = stream::unfold(first, move |at| {
            let piece = (at <= last).then(|| read_at(&file, at, last - at + 1));
            async move {
                let piece = piece?;
                let next = piece.as_ref().map_or(u64::MAX, |p| at.saturating_add(p.len() as u64));
                let ended = piece.as_ref().is_ok_and(|p| p.is_empty());
                let piece = if ended { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { piece };
                Some((piece.map(Frame::data), if ended { u64::MAX } else { next }))
            }
        });
        let body = BodyExt::boxed_unsync(StreamBody::new(pieces));
        let mut response = respond(StatusCode::PARTIAL_CONTENT, "application/octet-stream", body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, (last - first + 1).into());
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{total}")) {
            headers.insert(header::CONTENT_RANGE, value);
        }
        response
    }

    pub(super) fn note(&self, planned: &Planned, stored: &Stored) {
        if self.closed.at(&planned.artifact.url).is_none() {
            // Metadata that goes with one.
            return;
        }
        self.served(Served {
            package: planned.package.clone(),
            filename: planned.artifact.filename.clone(),
            digest: stored.sha256.clone(),
        });
    }
}

fn unsatisfiable(total: u64) -> Response<Body> {
    let mut response = status(StatusCode::RANGE_NOT_SATISFIABLE, "there is no such part");
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{total}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// First and last byte of `bytes=0-99`, `bytes=100-`, `bytes=-50`. `None`: not one range that is understood, and the
/// whole is the answer; `Err`: outside of the file.
fn part(range: &str, total: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    if last.contains(',') {
        return None;
    }
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, true) => return None,
        (true, false) => (total.saturating_sub(number(last)?), total.checked_sub(1)?),
        (false, true) => (number(first)?, total.checked_sub(1)?),
        (false, false) => (number(first)?, number(last)?.min(total.saturating_sub(1))),
    };
    Some(if first <= last && first < total { Ok((first, last)) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_clients_write_them() {
        assert_eq!(part("bytes=0-9", 100), Some(Ok((0, 9))));
        assert_eq!(part("bytes=90-", 100), Some(Ok((90, 99))));
        assert_eq!(part("bytes=-10", 100), Some(Ok((90, 99))));
        assert_eq!(part("bytes=-1000", 100), Some(Ok((0, 99))));
        assert_eq!(part("bytes=50-1000", 100), Some(Ok((50, 99))));
        assert_eq!(part("bytes=100-", 100), Some(Err(())));
        assert_eq!(part("bytes=9-3", 100), Some(Err(())));
        assert_eq!(part("bytes=0-1,5-6", 100), None);
        assert_eq!(part("lines=0-1", 100), None);
        assert_eq!(part("bytes=-", 100), None);
        assert_eq!(part("bytes=-5", 0), None);
    }

    #[test]
    fn a_reason_is_one_line_of_ascii() {
        let response = status(StatusCode::FORBIDDEN, "a\u{1b}b\r\nc é");
        let phrase = response.extensions().get::<hyper::ext::ReasonPhrase>();
        assert_eq!(phrase.map(|p| p.as_bytes().to_vec()), Some(b"a?b??c ?".to_vec()));
    }
}
