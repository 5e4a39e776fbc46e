//! What several test modules need: where the shared data is, and how a test says that it is not there.

pub mod loopback;
pub mod models;
#[cfg(unix)]
pub mod rig;
pub mod tools;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use tidewaiter::model::{Environment, Timestamp};

/// The folder of conformance suites, incidents and command lines, or `None` after saying so.
///
/// `TIDEWAITER_SHARED_DATA` names it; the default is `../shared/data` beside the checkout. The project builds and
/// passes without it, so a test that needs it returns when this is `None`.
pub fn shared_data(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TIDEWAITER_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Whether that comes to be, within twenty seconds.
pub fn until(what: impl Fn() -> bool) -> bool {
    let limit = Instant::now() + Duration::from_secs(20);
    while Instant::now() < limit {
        if what() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Serves HTTP on a free port of the loopback for as long as the process lives. Returns the port.
pub fn serve<A, F, B>(answer: A) -> u16
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((connection, _)) = listener.accept().await {
                let service = hyper::service::service_fn(answer.clone());
                let io = hyper_util::rt::TokioIo::new(connection);
                // A client that goes away is no concern of the server's.
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
    });
    told.recv().unwrap()
}

/// Where nothing is but a home, and a working directory.
pub fn environment(cwd: &str) -> Environment {
    Environment {
        variables: [("HOME".to_owned(), "/home/u".to_owned())].into(),
        cwd: PathBuf::from(cwd),
        home: Some(PathBuf::from("/home/u")),
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}
