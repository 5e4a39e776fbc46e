//! Artifacts on their way: each is fetched once, into the store, however many ask for it; whoever asks reads along while
//! it arrives, and gets its last bytes only when all of them have the digests that were judged.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::watch;

use super::closed::Planned;
use crate::enforce::Upstream;
use crate::enforce::store::{Hasher, Store, Stored};
use crate::registry::FetchError;
use crate::registry::http::{Piece, Request};
use crate::registry::pool::Pool;

/// The largest artifact that is fetched: 32 GiB.
const LARGEST: u64 = 32 << 30;
/// What is read at once.
const PIECE: usize = 128 << 10;
/// Of what is still arriving, so much is held until all of it is verified.
const HELD: u64 = 64 << 10;
/// Threads that fetch ahead. Each keeps a connection busy, and that a buffer of up to some hundred kilobytes.
const AHEAD: usize = 12;
/// Threads that fetch ahead for npm, which has many small artifacts, and for which it pays to be done before it starts.
const AHEAD_OF_NPM: usize = 32;
/// What a tool saves with an artifact that it need not ask for. npm: 3 milliseconds or more, of request, answer and cache.
const GAIN: Duration = Duration::from_millis(2);
/// How often it is asked whether waiting still pays.
const WINDOW: Duration = Duration::from_millis(100);
/// How long the first answers may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far an artifact is.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// Nobody has begun, or nothing has come yet.
    Waiting,
    /// So much is in the file. The number changes when the download begins again.
    Arriving { attempt: u32, written: u64, total: Option<u64>, path: Arc<PathBuf> },
    /// All of it, verified.
    Done(Arc<Stored>),
    /// A lower-case fragment, for people.
    Failed(Arc<str>),
}

/// One artifact being fetched, or fetched.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) planned: Arc<Planned>,
    claimed: AtomicBool,
    progress: watch::Sender<Progress>,
}

impl Flight {
    fn new(planned: &Arc<Planned>) -> Arc<Self> {
        let progress = watch::Sender::new(Progress::Waiting);
        Arc::new(Self { planned: Arc::clone(planned), claimed: AtomicBool::new(false), progress })
    }

    /// Whether it is the caller's to fetch.
    fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }
}

/// Whether nothing more will come.
pub(super) fn settled(progress: &Progress) -> bool {
    matches!(progress, Progress::Done(_) | Progress::Failed(_))
}

/// All artifacts of one run.
pub(super) struct Artifacts {
    store: Store,
    /// Holds the store when the cache directory cannot be written.
    _temporary: Option<tempfile::TempDir>,
    upstream: Upstream,
    pool: Pool,
    flights: Mutex<HashMap<String, Arc<Flight>>>,
    stopped: AtomicBool,
    /// Something was put into the store.
    grown: AtomicBool,
    delivery: OnceLock<Delivery>,
    /// How many are fetched ahead, and of how many of those nothing more is to come.
    expected: AtomicUsize,
    settled: AtomicUsize,
}

/// Takes an artifact that is there and that nobody waits for to where the tool finds it.
pub(super) type Delivery = Box<dyn Fn(&Planned, &Stored) + Send + Sync>;

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifacts").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Artifacts {
    /// Nothing is fetched yet.
    pub(super) fn new(cache: &std::path::Path, upstream: Upstream) -> std::io::Result<Self> {
        let mut store = Store::new(cache);
        let mut temporary = None;
        if store.writer(&[]).is_err() {
            // A home that cannot be written is no reason not to install; only nothing is kept.
            let directory = tempfile::tempdir()?;
            store = Store::new(directory.path());
            temporary = Some(directory);
        }
        let npm = matches!(upstream, Upstream::Npm { cacache: Some(_), .. });
        Ok(Self {
            store,
            _temporary: temporary,
            upstream,
            pool: Pool::new(if npm { AHEAD_OF_NPM } else { AHEAD }),
            flights: Mutex::default(),
            stopped: AtomicBool::new(false),
            grown: AtomicBool::new(false),
            delivery: OnceLock::new(),
            expected: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
        })
    }

    fn flight(&self, planned: &Arc<Planned>) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(planned.artifact.url.clone()).or_insert_with(|| Flight::new(planned)))
    }

    /// Begins to fetch, behind whatever else is being fetched ahead.
    /// What is in the store already is verified when somebody asks for it: a tool whose own cache is warm never does.
    pub(super) fn ahead(self: &Arc<Self>, planned: &Arc<Planned>) {
        if self.delivery.get().is_none() && self.store.holds(&planned.artifact.digests) {
            return;
        }
        let (own, flight) = (Arc::clone(self), self.flight(planned));
        self.expected.fetch_add(1, Ordering::Relaxed);
        self.pool.run(move || {
            if !own.stopped.load(Ordering::Relaxed) && flight.claim() {
                own.fetch(&flight);
                own.bring(&flight);
            }
            own.settled.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// What is fetched ahead is brought to the tool from now on.
    pub(super) fn deliver(&self, delivery: Delivery) {
        // One gateway has these artifacts.
        let _ = self.delivery.set(delivery);
    }

    /// Waits for what is fetched ahead and brought to the tool, as long as that is quicker than the tool would be: one that
    /// finds everything there starts later and is done earlier, and one that waits for a slow network loses little.
    pub(super) fn settle(&self) {
        if self.delivery.get().is_none() {
            return;
        }
        let counts = || (self.expected.load(Ordering::Relaxed), self.settled.load(Ordering::Relaxed));
        let patience = (GAIN * u32::try_from(counts().0).unwrap_or(u32::MAX)).min(PATIENCE);
        let (mut looked, mut before, mut window) = (Instant::now(), 0, patience);
        loop {
            let (expected, settled) = counts();
            if settled >= expected {
                return;
            }
            if looked.elapsed() >= window {
                let gained = GAIN * u32::try_from(settled - before).unwrap_or(u32::MAX);
                if gained < looked.elapsed() {
                    return;
                }
                (looked, before, window) = (Instant::now(), settled, WINDOW);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Somebody who waits for it gets it as an answer.
    fn bring(&self, flight: &Flight) {
        if flight.progress.receiver_count() == 0
            && let Some(delivery) = self.delivery.get()
            && let Progress::Done(stored) = &*flight.progress.borrow()
            && stored.is_kept()
        {
            delivery(&flight.planned, stored);
        }
    }

    /// What is fetched for somebody who waits: at once, unless it is on its way.
    pub(super) fn get(self: &Arc<Self>, planned: &Arc<Planned>) -> watch::Receiver<Progress> {
        let flight = self.flight(planned);
        let receiver = flight.progress.subscribe();
        if flight.claim() {
            let own = Arc::clone(self);
            tokio::task::spawn_blocking(move || own.fetch(&flight));
        }
        receiver
    }

    /// Forgets an artifact, so that whoever asks next has it fetched again.
    pub(super) fn forget(&self, planned: &Planned) {
        self.store.evict(&planned.artifact.digests);
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&planned.artifact.url);
    }

    /// Nothing more is fetched ahead, and what is under way ends with its next piece. The process may end before that, so
    /// nothing is left of it from now on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        for flight in flights.values() {
            if let Progress::Arriving { path, .. } = &*flight.progress.borrow() {
                // It may have been finished this moment.
                let _ = std::fs::remove_file(&**path);
            }
        }
    }

    /// Keeps the store within its bounds, when something was put into it.
    pub(super) fn prune(&self) {
        if self.grown.load(Ordering::Relaxed) {
            self.store.prune(crate::enforce::store::LIMIT);
        }
    }

    fn fetch(&self, flight: &Flight) {
        // A panic must not leave others waiting for ever.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.obtain(flight)));
        let made = made.unwrap_or_else(|_| Err("could not be fetched: an internal error".to_owned()));
        flight.progress.send_replace(match made {
            Ok(stored) => Progress::Done(Arc::new(stored)),
            Err(reason) => Progress::Failed(Arc::from(reason)),
        });
    }

    fn obtain(&self, flight: &Flight) -> Result<Stored, String> {
        let artifact = &flight.planned.artifact;
        if let Some(stored) = self.store.get(&artifact.digests) {
            return Ok(stored);
        }
        let mut last = String::new();
        for attempt in 0..2 {
            match self.attempt(flight, attempt) {
                Ok(stored) => return Ok(stored),
                // Bytes can be spoilt on the way: once more, and then they are what the registry has.
                Err(Failure::Digest(reason)) => last = reason,
                Err(Failure::Other(reason)) => return Err(reason),
            }
        }
        Err(last)
    }

    fn attempt(&self, flight: &Flight, attempt: u32) -> Result<Stored, Failure> {
        let artifact = &flight.planned.artifact;
        let kept = |e: Error| Failure::Other(format!("cannot be kept: {e}"));
        self.grown.store(true, Ordering::Relaxed);
        let mut writer = self.store.writer(&artifact.digests).map_err(kept)?;
        let path = Arc::new(writer.path().to_owned());
        let (mut size, mut begun, mut written) = (None, attempt * 1_000, 0_u64);
        let mut take = |piece: Piece<'_>| -> Result<(), FetchError> {
            let failed = |reason: String| FetchError::Configuration { reason };
            if self.stopped.load(Ordering::Relaxed) {
                return Err(failed("the run is over".to_owned()));
            }
            match piece {
                Piece::Start { total } => {
                    writer.restart().map_err(|e| failed(e.to_string()))?;
                    (size, written) = (total, 0);
                    begun += 1;
                }
                Piece::Bytes(bytes) => {
                    writer.write(bytes).map_err(|e| failed(e.to_string()))?;
                    written += bytes.len() as u64;
                }
            }
            let path = Arc::clone(&path);
            flight.progress.send_replace(Progress::Arriving { attempt: begun, written, total: size, path });
            Ok(())
        };
        match artifact.url.strip_prefix("file:") {
            Some(_) => copy(&artifact.url, &mut take)?,
            None => {
                let url = self.upstream.place(&flight.planned.package, &artifact.url);
                let request = Request::get(&url, "", LARGEST);
                self.upstream.client().download(request, &mut take).map_err(|e| Failure::Other(describe(&e)))?;
            }
        }
        writer.finish().map_err(|e| match e.kind() {
            ErrorKind::InvalidData => Failure::Digest(format!("is not what was judged: {e}")),
            _ => kept(e),
        })
    }
}

/// How one attempt failed.
enum Failure {
    /// The bytes are others than were judged.
    Digest(String),
    /// There are none.
    Other(String),
}

fn describe(error: &FetchError) -> String {
    match error {
        FetchError::Configuration { reason } => format!("could not be fetched: {reason}"),
        other => format!("could not be fetched: {other}"),
    }
}

/// A file of this machine, as a download.
fn copy(url: &str, take: &mut dyn FnMut(Piece<'_>) -> Result<(), FetchError>) -> Result<(), Failure> {
    let failed = |e: Error| Failure::Other(format!("cannot be read: {e}"));
    let path = url::Url::parse(url).ok().and_then(|u| u.to_file_path().ok());
    let path = path.ok_or_else(|| Failure::Other("is at no path".to_owned()))?;
    let mut file = File::open(&path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let told = |e: FetchError| Failure::Other(describe(&e));
    take(Piece::Start { total: Some(total) }).map_err(told)?;
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => take(Piece::Bytes(buffer.get(..n).unwrap_or_default())).map_err(told)?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

/// Reads an artifact from its beginning while it arrives. The last piece comes only when what was read before it and it
/// together have the digests: a file that was changed under the reader ends in an error, and so does a download that
/// turned out to be something else.
///
/// What is stored was held to all its digests, and has a SHA-256 since then: that one is computed again here.
pub(super) struct Following {
    progress: watch::Receiver<Progress>,
    hasher: Option<Hasher>,
    source: Option<(u32, File)>,
    position: u64,
}

impl Following {
    /// `stored`: what is there already, opened.
    pub(super) fn new(progress: watch::Receiver<Progress>, stored: Option<File>) -> Self {
        let source = stored.map(|file| (u32::MAX, file));
        Self { progress, hasher: Some(Hasher::new(&[])), source, position: 0 }
    }

    /// Whether the last piece was handed out, verified.
    pub(super) fn finished(&self) -> bool {
        self.hasher.is_none()
    }

    /// The next bytes; `None` at the end. After an error there is nothing more.
    pub(super) async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        loop {
            self.hasher.as_ref()?;
            let progress = self.progress.borrow_and_update().clone();
            let step = match &progress {
                Progress::Waiting => Ok(None),
                Progress::Failed(reason) => Err(Error::other(reason.to_string())),
                Progress::Arriving { attempt, written, path, .. } => self.arriving(*attempt, *written, path),
                Progress::Done(stored) => match self.done(stored) {
                    Ok(None) => return None,
                    other => other,
                },
            };
            match step {
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Ok(None) => {
                    if self.progress.changed().await.is_err() {
                        self.hasher = None;
                        return Some(Err(Error::other("the run is over")));
                    }
                }
                Err(error) => {
                    self.hasher = None;
                    return Some(Err(error));
                }
            }
        }
    }

    /// What has arrived and need not be held.
    fn arriving(&mut self, attempt: u32, written: u64, path: &PathBuf) -> std::io::Result<Option<Bytes>> {
        let free = written.saturating_sub(HELD).saturating_sub(self.position);
        if free == 0 {
            return Ok(None);
        }
        let file = match self.source.take() {
            Some((known, file)) if known == attempt => file,
            Some(_) if self.position > 0 => return Err(Error::other("the download began again")),
            _ => match File::open(path) {
                Ok(file) => file,
                // It was finished, and moved, this moment: the next look tells.
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e),
            },
        };
        let bytes = read_at(&file, self.position, free)?;
        self.source = Some((attempt, file));
        self.count(&bytes);
        Ok(Some(bytes).filter(|b| !b.is_empty()))
    }

    /// What remains of a finished artifact; `None` after the last piece.
    fn done(&mut self, stored: &Stored) -> std::io::Result<Option<Bytes>> {
        let left = stored.length.saturating_sub(self.position);
        let (_, file) = match &mut self.source {
            // What was read while it arrived is the same file, or the digest tells.
            Some(source) => source,
            none => none.insert((u32::MAX, stored.open()?)),
        };
        let bytes = read_at(file, self.position, left)?;
        let last = bytes.len() as u64 == left;
        if bytes.is_empty() && !last {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the stored file became shorter"));
        }
        self.count(&bytes);
        if last {
            let hashed = self.hasher.take().map(Hasher::finish);
            if hashed.is_none_or(|hashed| hashed.sha256() != stored.sha256) {
                return Err(Error::new(ErrorKind::InvalidData, "the stored file was changed"));
            }
        }
        Ok(Some(bytes).filter(|b| !b.is_empty()))
    }

    fn count(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }
}

/// At most `most` bytes, and at most [`PIECE`], at a place of a file that others read too.
pub(super) fn read_at(file: &File, position: u64, most: u64) -> std::io::Result<Bytes> {
    let wanted = usize::try_from(most).unwrap_or(PIECE).min(PIECE);
    let mut buffer = vec![0; wanted];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|r| !r.is_empty()) {
        match positioned(file, rest, position + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

#[cfg(unix)]
fn positioned(file: &File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn positioned(file: &File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}
