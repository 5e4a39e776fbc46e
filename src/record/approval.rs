//! Approvals: a person's word for one plan, once, for an hour. In: a plan's digest and what was asked about it. Out:
//! whether there is an approval for exactly that, and then there is none any more.
//!
//! An approval is a file named after the digest. Spending it is a rename, which only one process can win.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::line::moment;
use super::log::{RecordError, private, private_directory};
use crate::model::Timestamp;

/// How long an approval lasts, in seconds.
const LASTS: i64 = 60 * 60;

/// A person's word for one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The plan, `sha256:…`.
    pub digest: String,
    /// What it answers: see [`super::line::Judged::asks`].
    pub asks: Vec<String>,
    /// When it was given, RFC 3339.
    pub given_at: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
}

impl Approval {
    fn covers(&self, digest: &str, asks: &[String], now: Timestamp) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        // One that was given in the future was not given: a clock that was set back does not prolong it.
        let current = time(&self.expires_at).is_some_and(|end| now < end)
            && time(&self.given_at).is_some_and(|start| start.as_second() <= now.as_second());
        current && self.digest == digest && asks.iter().all(|a| self.asks.contains(a))
    }
}

/// The approvals of one user.
#[derive(Debug, Clone)]
pub struct Approvals {
    directory: PathBuf,
}

impl Approvals {
    /// Those below a data directory.
    pub fn new(data: &Path) -> Self {
        Self { directory: data.join("approvals") }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| self.directory.join(format!("{hex}.json")))
    }

    /// Gives one. An unspent one for the same plan is replaced.
    pub fn give(&self, digest: &str, asks: Vec<String>, now: Timestamp) -> Result<Approval, RecordError> {
        let failed = |path: &Path, source| RecordError { path: path.to_owned(), source };
        let path = self.path(digest).ok_or_else(|| failed(&self.directory, std::io::ErrorKind::InvalidInput.into()))?;
        let end = Timestamp::from_second(now.as_second().saturating_add(LASTS)).unwrap_or(now);
        let approval = Approval { digest: digest.to_owned(), asks, given_at: moment(now), expires_at: moment(end) };
        private_directory(&self.directory).map_err(|e| failed(&self.directory, e))?;
        let new = self.directory.join(format!(".new-{}", std::process::id()));
        let written = || {
            let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
            file.write_all(serde_json::to_string(&approval)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        written().map_err(|e| failed(&path, e))?;
        Ok(approval)
    }

    /// Whether there is one, without spending it.
    pub fn covers(&self, digest: &str, asks: &[String], now: Timestamp) -> bool {
        self.path(digest).and_then(|path| read(&path)).is_some_and(|a| a.covers(digest, asks, now))
    }

    /// Spends one. `true` for at most one of all who try.
    pub fn spend(&self, digest: &str, asks: &[String], now: Timestamp) -> bool {
        if !self.covers(digest, asks, now) {
            return false;
        }
        let Some(path) = self.path(digest) else { return false };
        let spent = self.directory.join(format!(".spent-{}", std::process::id()));
        if std::fs::rename(&path, &spent).is_err() {
            return false;
        }
        // It may have been replaced since it was looked at: what was taken is what counts.
        let covered = read(&spent).is_some_and(|a| a.covers(digest, asks, now));
        let _ = std::fs::remove_file(&spent);
        covered
    }
}

fn read(path: &Path) -> Option<Approval> {
    let metadata = std::fs::metadata(path).ok().filter(|m| m.is_file() && m.len() < 1 << 20)?;
    debug_assert!(metadata.is_file());
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::Approvals;
    use crate::model::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn digest() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    fn asks(all: &[&str]) -> Vec<String> {
        all.iter().map(|a| (*a).to_owned()).collect()
    }

    #[test]
    fn once_for_an_hour_for_that_plan_and_what_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(dir.path());
        let (d, asked) = (digest(), asks(&["cooldown pkg:npm/a@1"]));
        assert!(!approvals.spend(&d, &asked, at(1000)));
        approvals.give(&d, asked.clone(), at(1000)).unwrap();
        assert!(!approvals.spend(&d.replace("ab", "cd"), &asked, at(1000)), "another plan");
        assert!(!approvals.spend(&d, &asks(&["cooldown pkg:npm/a@1", "safety-flag -"]), at(1000)), "asked for more");
        assert!(!approvals.spend(&d, &asked, at(999)), "before it was given");
        assert!(!approvals.spend(&d, &asked, at(1000 + 3600)), "an hour later");
        assert!(approvals.covers(&d, &asked, at(1000 + 3599)));
        assert!(approvals.spend(&d, &[], at(1000)), "asked for less");
        assert!(!approvals.spend(&d, &asked, at(1000)), "once");
        assert!(approvals.give("sha256:../../x", asked, at(1)).is_err());
    }

    #[test]
    fn of_many_who_spend_at_once_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(dir.path());
        approvals.give(&digest(), Vec::new(), at(0)).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..8).map(|_| scope.spawn(|| u32::from(approvals.spend(&digest(), &[], at(1))))).collect();
            tries.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
        });
        assert_eq!(won, 1);
    }
}
