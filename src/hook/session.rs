//! An agent session's refusals: how many in a row, how many in all, and whether a person has to act before anything is
//! cleared again.
//!
//! In: what was decided, in order. Out: the counts, and what they make of the next decision. Pure; whoever keeps them
//! holds a lock around reading, changing and writing.

use serde::{Deserialize, Serialize};

use super::decision::{Decision, Word};
use crate::model::Digest;

/// The name and version of the form on disk.
pub const SCHEMA: &str = "tidewaiter.agent-session/1";
/// How many unanswered questions are remembered.
const MOST_QUESTIONS: usize = 64;

/// The counts of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// [`SCHEMA`].
    pub schema: String,
    /// Refusals since something was cleared, or a person acted.
    pub in_a_row: u32,
    /// Refusals since the session began, or a person acted.
    pub in_all: u32,
    /// A limit was reached: a person has to act.
    pub stopped: bool,
    /// Digests of the commands that a person was asked about.
    pub asked: Vec<String>,
}

impl Default for Counters {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), in_a_row: 0, in_all: 0, stopped: false, asked: Vec::new() }
    }
}

/// The policy's `[agent]` limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `denials-in-a-row`.
    pub in_a_row: u32,
    /// `denials-in-all`.
    pub in_all: u32,
}

impl Counters {
    /// Reads the form on disk. What cannot be read counts as a session that was stopped: nobody who spoils it gains.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        let Some(bytes) = bytes else { return Self::default() };
        let read: Option<Self> = serde_json::from_slice(bytes).ok();
        read.filter(|c| c.schema == SCHEMA).unwrap_or(Self { stopped: true, ..Self::default() })
    }

    /// The form on disk.
    pub fn write(&self) -> Vec<u8> {
        // Plain fields with text keys cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Counts a decision about something that would come in, and answers with what it becomes: once a limit is reached,
    /// nothing is cleared without a person. A refusal stays a refusal. `refused`: an ask that the host can only take for
    /// one counts as one.
    pub fn decide(&mut self, decision: Decision, what: &str, limits: Limits, refused: bool) -> Decision {
        let denied = decision.word == Word::Deny || (decision.word == Word::Ask && refused);
        if denied {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.in_all = self.in_all.saturating_add(1);
        }
        let before = self.stopped;
        self.stopped |= self.in_a_row >= limits.in_a_row || self.in_all >= limits.in_all;
        let out = if !self.stopped {
            if decision.word == Word::None {
                self.in_a_row = 0;
            }
            decision
        } else if before || decision.word != Word::None {
            self.stopping(decision)
        } else {
            decision
        };
        if out.word == Word::Ask && !refused {
            self.ask(what);
        }
        out
    }

    /// The command ran, in a mode in which a question reaches a person. One was asked about it before: they acted.
    pub fn ran(&mut self, what: &str) -> bool {
        let digest = fingerprint(what);
        let Some(at) = self.asked.iter().position(|d| *d == digest) else { return false };
        self.asked.remove(at);
        self.reset();
        true
    }

    /// A person acted: counting begins anew.
    pub fn reset(&mut self) {
        self.in_a_row = 0;
        self.in_all = 0;
        self.stopped = false;
    }

    fn ask(&mut self, what: &str) {
        let digest = fingerprint(what);
        self.asked.retain(|d| *d != digest);
        self.asked.push(digest);
        let spare = self.asked.len().saturating_sub(MOST_QUESTIONS);
        self.asked.drain(..spare);
    }

    fn stopping(&self, decision: Decision) -> Decision {
        let counts = format!("{} refusals in a row, {} in all", self.in_a_row, self.in_all);
        let said = format!(
            "This session has reached its limit ({counts}): nothing more is brought in without a person. Stop, say what \
             you wanted to install and why, and wait for them. A person allows it when they are asked, or resets the \
             count with `tidewaiter hook reset` in a terminal of their own."
        );
        let reason = if decision.reason.is_empty() { said } else { format!("{}\n{said}", decision.reason) };
        let note = format!("tidewaiter: {counts}: a person must act");
        Decision { word: decision.word.max(Word::Ask), reason, note, context: None }
    }
}

/// What a command is remembered by.
fn fingerprint(what: &str) -> String {
    Digest::sha256_of(what.as_bytes()).to_string()
}

/// The file name of a session's counts. The host's own name of it is a stranger's text.
pub fn file_name(host: &str, session: &str) -> String {
    let digest = Digest::sha256_of(format!("{host}\0{session}").as_bytes()).to_string();
    let hex: String = digest.chars().filter(char::is_ascii_hexdigit).rev().take(40).collect();
    format!("{host}-{hex}.json")
}

/// Whether a question reaches a person in this permission mode. A mode that is not known is none.
pub fn asks_person(mode: Option<&str>) -> bool {
    matches!(mode, None | Some("default" | "acceptEdits" | "plan"))
}

#[cfg(test)]
mod tests {
    use super::super::decision::{Decision, Word};
    use super::{Counters, Limits};

    const LIMITS: Limits = Limits { in_a_row: 3, in_all: 5 };

    fn decide(counters: &mut Counters, word: Word, what: &str) -> Word {
        counters.decide(Decision::new(word, if word == Word::None { "" } else { "why" }), what, LIMITS, false).word
    }

    #[test]
    fn a_session_stops_at_its_limit_until_a_person_acts() {
        let mut c = Counters::default();
        assert_eq!(decide(&mut c, Word::Deny, "a"), Word::Deny);
        assert_eq!(decide(&mut c, Word::None, "b"), Word::None);
        assert_eq!(c.in_a_row, 0);
        for what in ["c", "d", "e"] {
            assert_eq!(decide(&mut c, Word::Deny, what), Word::Deny);
        }
        assert!(c.stopped);
        assert_eq!(decide(&mut c, Word::None, "f"), Word::Ask, "nothing is cleared");
        assert!(!c.ran("g"), "nobody was asked about it");
        assert!(c.ran("f"));
        assert_eq!(decide(&mut c, Word::None, "h"), Word::None);
        assert_eq!((c.in_a_row, c.in_all), (0, 0));
    }

    #[test]
    fn the_total_counts_too_and_asks_count_where_they_are_refusals() {
        let mut c = Counters::default();
        for what in ["a", "b", "c", "d", "e"] {
            let counted = c.decide(Decision::new(Word::Ask, "why"), what, LIMITS, true);
            assert_eq!(counted.word, Word::Ask);
            assert_eq!(decide(&mut c, Word::None, "x"), if c.stopped { Word::Ask } else { Word::None });
        }
        assert!(c.stopped);
    }

    #[test]
    fn what_was_spoilt_is_stopped() {
        let mut c = Counters::default();
        decide(&mut c, Word::Deny, "a");
        assert_eq!(Counters::read(Some(&c.write())), c);
        assert!(Counters::read(Some(b"{}")).stopped);
        assert!(!Counters::read(None).stopped);
    }
}
