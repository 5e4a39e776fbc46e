//! The last guard: a panic anywhere in a subcommand ends as a refusal with exit status 1, never as a verdict.
//!
//! In: the work of a subcommand. Out: what it answers, or [`Failure::Internal`] with the panic's words and place. The
//! words may hold a stranger's text, so they are printed the way all such text is, and not by the standard hook.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use super::Failure;
use crate::model::printable;

/// Where and why the last panic was, of whichever thread.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; a panic in it is a failure of this program.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // With RUST_BACKTRACE someone is looking for the cause and wants the standard report as well.
    let standard = std::env::var_os("RUST_BACKTRACE").map(|_| panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let words = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
        let words = words.unwrap_or("no reason given");
        let place = info.location().map_or_else(String::new, |l| format!(" ({}:{})", l.file(), l.line()));
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{}{place}", printable(words, 300)));
        if let Some(standard) = &standard {
            standard(info);
        }
    }));
    // Nothing of the work is used after a panic: the process ends.
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let words = last.unwrap_or_else(|| "no reason given".to_owned());
        Err(Failure::Internal(anyhow::anyhow!("internal error: {words}; nothing was judged")))
    })
}
