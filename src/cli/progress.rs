//! How far something is, on one line of stderr, and only on a terminal: drawn over itself, and gone at the end.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// A line that is drawn oftener than this only flickers.
const PAUSE: Duration = Duration::from_millis(100);
/// Columns that every terminal has.
const WIDEST: usize = 78;

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    terminal: bool,
    /// Columns that are drawn now.
    drawn: usize,
    last: Option<Instant>,
}

impl Line {
    /// Nothing is drawn yet.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), drawn: 0, last: None }
    }

    /// Draws this text over what was there. A terminal that cannot be written to is no reason to stop.
    pub fn show(&mut self, text: &str) {
        if !self.terminal {
            return;
        }
        let text: String = text.chars().take(WIDEST).collect();
        let columns = text.chars().count();
        let rest = self.drawn.saturating_sub(columns);
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r{text}{:rest$}", "");
        let _ = out.flush();
        (self.drawn, self.last) = (columns, Some(Instant::now()));
    }

    /// The same for what changes all the time: most of the times nothing is drawn.
    pub fn advance(&mut self, text: impl FnOnce() -> String) {
        if self.terminal && self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.show(&text());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.drawn > 0 {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r{:drawn$}\r", "", drawn = self.drawn);
            let _ = out.flush();
        }
    }
}

/// `12.3 MiB of 45.6 MiB [#####---------------] 4 s left`, as far as the total is known; `since` the first byte.
pub(super) fn of_bytes(bytes: u64, total: Option<u64>, since: Duration) -> String {
    let Some(total) = total.filter(|t| *t > 0 && bytes <= *t) else { return size(bytes) };
    let done = usize::try_from(bytes.saturating_mul(20) / total).unwrap_or(20).min(20);
    let left = match bytes {
        0 => String::new(),
        _ => {
            let seconds = u128::from(since.as_secs()) * u128::from(total - bytes) / u128::from(bytes);
            format!(" {seconds} s left")
        }
    };
    let (before, after) = ("#".repeat(done), "-".repeat(20 - done));
    format!("{} of {} [{before}{after}]{left}", size(bytes), size(total))
}

/// `12.3 MiB`.
fn size(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_people_write_them() {
        let ten = Duration::from_secs(10);
        assert_eq!(of_bytes(0, None, ten), "0.0 MiB");
        assert_eq!(of_bytes(0, Some(2 << 20), ten), "0.0 MiB of 2.0 MiB [--------------------]");
        assert_eq!(of_bytes(1 << 20, Some(2 << 20), ten), "1.0 MiB of 2.0 MiB [##########----------] 10 s left");
        assert_eq!(of_bytes(2 << 20, Some(2 << 20), ten), "2.0 MiB of 2.0 MiB [####################] 0 s left");
        assert_eq!(of_bytes(3 << 20, Some(2 << 20), ten), "3.0 MiB");
        assert!(of_bytes(u64::MAX, Some(u64::MAX), ten).len() <= WIDEST);
    }
}
