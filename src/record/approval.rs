//! Approvals: a person's word for one plan, once, for an hour. In: a plan's digest, why it was asked about, and what
//! question that was. Out: whether there is an approval for exactly that, and then there is none any more.
//!
//! An approval is a file named after the digest. Spending it is a rename, which only one process can win.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::line::{Judged, moment};
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
    /// The question. An approval without one covers nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<Asked>,
    /// When it was given, RFC 3339.
    pub given_at: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
}

impl Approval {
    fn covers(&self, judged: &Judged, now: Timestamp) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        // One that was given in the future was not given: a clock that was set back does not prolong it.
        let current = time(&self.expires_at).is_some_and(|end| now < end)
            && time(&self.given_at).is_some_and(|start| start.as_second() <= now.as_second());
        let answered = self.asked.as_ref().zip(judged.asked.as_deref());
        current
            && self.digest == judged.plan.digest
            && answered.is_some_and(|(given, asked)| asked.is_answered_by(given))
            && judged.asks().iter().all(|a| self.asks.contains(a))
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

    /// Gives one for what was judged. An unspent one for the same plan is replaced.
    pub fn give(&self, judged: &Judged, now: Timestamp) -> Result<Approval, RecordError> {
        let digest = judged.plan.digest.as_str();
        let failed = |path: &Path, source| RecordError { path: path.to_owned(), source };
        let path = self.path(digest).ok_or_else(|| failed(&self.directory, std::io::ErrorKind::InvalidInput.into()))?;
        let end = Timestamp::from_second(now.as_second().saturating_add(LASTS)).unwrap_or(now);
        let approval = Approval {
            digest: digest.to_owned(),
            asks: judged.asks(),
            asked: judged.asked.as_deref().cloned(),
            given_at: moment(now),
            expires_at: moment(end),
        };
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
    pub fn covers(&self, judged: &Judged, now: Timestamp) -> bool {
        self.path(&judged.plan.digest).and_then(|path| read(&path)).is_some_and(|a| a.covers(judged, now))
    }

    /// Spends one. `true` for at most one of all who try.
    pub fn spend(&self, judged: &Judged, now: Timestamp) -> bool {
        if !self.covers(judged, now) {
            return false;
        }
        let Some(path) = self.path(&judged.plan.digest) else { return false };
        let spent = self.directory.join(format!(".spent-{}", std::process::id()));
        if std::fs::rename(&path, &spent).is_err() {
            return false;
        }
        // It may have been replaced since it was looked at: what was taken is what counts.
        let covered = read(&spent).is_some_and(|a| a.covers(judged, now));
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

    use super::{Approval, Approvals, Asked, Judged};
    use crate::model::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What was judged: rules that ask, each with its message, and the question.
    fn judged(asks: &[(&str, &str)], question: Option<(&str, &str, Option<&str>)>) -> Judged {
        let findings: Vec<_> = asks
            .iter()
            .map(|(rule, message)| serde_json::json!({"rule": rule, "level": "ask", "package": null, "message": message}))
            .collect();
        let digest = format!("sha256:{}", "ab".repeat(32));
        let mut judged: Judged = serde_json::from_value(serde_json::json!({
            "verdict": "ask", "findings": findings,
            "command": {"argv": [], "cwd": "/p", "tool": "pip", "verb": "install", "via": "shim"},
            "plan": {"digest": digest, "complete": false, "packages": [], "unresolved": []},
            "policy": {"digest": "", "errors": 0},
            "advisories": {"records": 0, "updated_at": null, "stale": false},
        }))
        .unwrap();
        judged.asked = question.map(|(via, words, matter)| {
            Box::new(Asked {
                via: via.to_owned(),
                words: words.to_owned(),
                matter: matter.map(str::to_owned),
                because: None,
            })
        });
        judged
    }

    const COOLDOWN: (&str, &str) = ("cooldown", "a 1 was published 5 hours ago");
    const OPAQUE: (&str, &str) = ("opaque", "what `./a` would bring in is not known");
    const QUESTION: Option<(&str, &str, Option<&str>)> = Some(("shim", "w", Some("m")));

    #[test]
    fn once_for_an_hour_for_that_plan_and_what_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(dir.path());
        let asked = judged(&[COOLDOWN, OPAQUE], QUESTION);
        assert!(!approvals.spend(&asked, at(1000)));
        approvals.give(&asked, at(1000)).unwrap();
        let mut another = asked.clone();
        another.plan.digest = another.plan.digest.replace("ab", "cd");
        assert!(!approvals.spend(&another, at(1000)), "another plan");
        for (asks, question, why) in [
            (&[COOLDOWN, OPAQUE, ("safety-flag", "x")][..], QUESTION, "asked for more"),
            (&[COOLDOWN, ("opaque", "what `./b` would bring in is not known")], QUESTION, "for another reason"),
            (&[COOLDOWN], None, "no question"),
            (&[COOLDOWN], Some(("shim", "w", None)), "too much to be held to"),
            (&[COOLDOWN], Some(("shim", "w", Some("n"))), "another matter"),
            (&[COOLDOWN], Some(("shim", "x", Some("m"))), "other words"),
            (&[COOLDOWN], Some(("hook", "x", Some("n"))), "another matter by another way"),
        ] {
            assert!(!approvals.spend(&judged(asks, question), at(1000)), "{why}");
        }
        assert!(!approvals.spend(&asked, at(999)), "before it was given");
        assert!(!approvals.spend(&asked, at(1000 + 3600)), "an hour later");
        assert!(approvals.covers(&asked, at(1000 + 3599)));
        let line = judged(&[COOLDOWN], Some(("hook", "a line", Some("m"))));
        assert!(approvals.covers(&line, at(1000)), "within a line that a hook is asked about");
        let later = judged(&[("cooldown", "a 1 was published 6 hours ago")], QUESTION);
        assert!(approvals.spend(&later, at(1000)), "asked for less, and later");
        assert!(!approvals.spend(&asked, at(1000)), "once");
        let nowhere = Judged {
            plan: crate::record::line::Plan { digest: "sha256:../../x".to_owned(), ..asked.plan.clone() },
            ..asked
        };
        assert!(approvals.give(&nowhere, at(1)).is_err());
    }

    #[test]
    fn an_approval_that_says_of_no_question_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(dir.path());
        let asked = judged(&[COOLDOWN], QUESTION);
        let given = approvals.give(&asked, at(0)).unwrap();
        let old = Approval { asked: None, ..given };
        let path = approvals.path(&old.digest).unwrap();
        std::fs::write(path, serde_json::to_string(&old).unwrap()).unwrap();
        assert!(!approvals.spend(&asked, at(1)));
    }

    #[test]
    fn of_many_who_spend_at_once_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(dir.path());
        let asked = judged(&[], QUESTION);
        approvals.give(&asked, at(0)).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| u32::from(approvals.spend(&asked, at(1))))).collect();
            tries.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
        });
        assert_eq!(won, 1);
    }
}
