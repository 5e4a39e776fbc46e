//! How the gateway gets the listening socket that a contained process made in its own network namespace.
//!
//! A socket belongs to the namespace it was made in, whoever holds it. So the contained process listens there and sends
//! the socket over a Unix socket in a directory of the user's alone; whoever holds it here accepts the connections.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a contained process has to send its socket.
const PATIENCE: Duration = Duration::from_secs(30);

/// The place where the socket is handed over. Dropped, it is gone.
#[derive(Debug)]
pub struct Handoff {
    directory: tempfile::TempDir,
    listener: UnixListener,
}

impl Handoff {
    /// Makes the place.
    pub fn new() -> std::io::Result<Self> {
        let make = |within: &Path| -> std::io::Result<Self> {
            let directory = tempfile::Builder::new().prefix("tidewaiter-").tempdir_in(within)?;
            let listener = UnixListener::bind(directory.path().join("s"))?;
            Ok(Self { directory, listener })
        };
        // A Unix socket's path has room for 107 bytes.
        make(&std::env::temp_dir()).or_else(|_| make(Path::new("/tmp")))
    }

    /// For [`super::super::Profile::handoff`].
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// Waits for the socket, on a thread of its own, and gives it away. Nothing is given when none comes in time.
    pub fn then(self, give: impl FnOnce(TcpListener) + Send + 'static) {
        std::thread::spawn(move || {
            let given = self.wait();
            // What takes it may stay until this process ends, which drops nothing.
            drop(self);
            given.map(give);
        });
    }

    fn wait(&self) -> Option<TcpListener> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut waiting = [PollFd::new(&self.listener, PollFlags::IN)];
        let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).ok()?, tv_nsec: 0 };
        if poll(&mut waiting, Some(&limit)).ok()? == 0 {
            return None;
        }
        let (stream, _) = self.listener.accept().ok()?;
        super::namespaces::receive(&stream).ok().flatten()
    }
}

/// Carries every connection of `listener` to `port` of this side, until the listener fails: for a gateway that does not
/// accept from it itself.
pub fn bridge(listener: &TcpListener, port: u16) {
    for inside in listener.incoming() {
        let Ok(inside) = inside else { return };
        let Ok(outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
        let (Ok(inside_too), Ok(outside_too)) = (inside.try_clone(), outside.try_clone()) else { continue };
        std::thread::spawn(move || carry(inside, outside));
        std::thread::spawn(move || carry(outside_too, inside_too));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // Either side going away ends its direction; the other learns of it by the end of the stream.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
