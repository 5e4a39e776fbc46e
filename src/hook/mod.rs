//! Agent hosts' hook protocols: a host's payload goes in as bytes, one [`Event`] comes out; a [`Decision`] goes in, the
//! host's own answer comes out. One file a host. Nothing here touches the disk, the network or the clock.
//!
//! Three things hold for every host. No answer ever says `allow`: a command that is clear, or none of ours, gets no
//! output at all, so that the host's own permissions still hold. Where a host cannot ask, or would not in the mode that
//! it is in, an ask is a refusal whose words say that a person must act. A payload that cannot be read is never taken
//! for one that is harmless.

mod claude_code;
mod cline;
mod codex;
mod copilot;
mod cursor;
pub mod decision;
pub mod edit;
mod gemini;
mod opencode;
pub mod overlay;
mod payload;
pub mod session;
pub mod settings;
mod windsurf;

use serde_json::Value;

pub use crate::gate::Host;
pub use decision::{Decision, Word};
pub use edit::{Change, FileEdit};

/// The longest payload that is read, in bytes: a tool call may carry a whole file.
pub const LONGEST_PAYLOAD: usize = 32 << 20;

/// The longest context that a host takes for its own classifier, in characters.
pub const LONGEST_CONTEXT: usize = 2000;

/// When in a tool call's life a host asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Before a tool runs: an answer can stop it.
    Before,
    /// A person is about to be asked for permission.
    Permission,
    /// A tool ran.
    After,
    /// A session starts.
    SessionStart,
    /// Anything else: no answer.
    #[default]
    Other,
}

/// What a host says, of whichever host. All of its text is the agent's or a stranger's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// When.
    pub stage: Stage,
    /// The host's name of the session.
    pub session: Option<String>,
    /// Where the command would run.
    pub cwd: Option<String>,
    /// The file that holds the conversation.
    pub transcript: Option<String>,
    /// The host's permission mode: `default`, `bypassPermissions`, …
    pub mode: Option<String>,
    /// The tool's name.
    pub tool: Option<String>,
    /// Shell text that the tool runs.
    pub command: Option<String>,
    /// Files that the tool writes.
    pub edits: Vec<FileEdit>,
    /// Why a tool call that runs a command or writes a file could not be read. It is not to be run.
    pub trouble: Option<String>,
}

/// Why a payload is none: a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// What the process says and how it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// For stdout: one JSON document, or nothing.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
    /// 0, or 2 where that is how the host is told to stop.
    pub status: u8,
}

impl Answer {
    /// No decision: the host goes on as it would without this program.
    pub fn none() -> Self {
        Self::default()
    }

    /// This program could not do its work: the tool call is stopped, in the form that stops it with this host. Of those
    /// with a status for it, all go on after any other.
    pub fn crash(host: Host, reason: &str) -> Self {
        let reason = if reason.trim().is_empty() { "it failed" } else { reason };
        let said = format!("tidewaiter: {}: nothing was judged, so nothing may run", decision::shown(reason));
        let protocol = protocol(host);
        match protocol.answer {
            Speaks::Refusal(refusal) if !protocol.stops_by_status => refusal(&Decision::new(Word::Deny, said)),
            _ => Self { stdout: String::new(), stderr: format!("{said}\n"), status: 2 },
        }
    }

    fn json(document: &Value) -> Self {
        Self { stdout: format!("{document}\n"), ..Self::default() }
    }
}

/// One host's protocol.
struct Protocol {
    read: fn(&Value) -> Event,
    answer: Speaks,
    /// Whether the host puts a question to a person, in a mode in which it puts any.
    asks: bool,
    /// Whether exit status 2 alone stops what is about to run.
    stops_by_status: bool,
}

/// What a host listens to.
enum Speaks {
    /// To a decision that stops what is about to run, and to nothing else.
    Refusal(fn(&Decision) -> Answer),
    /// To more: facts, and at more stages.
    Everything(fn(&Event, &Decision) -> Answer),
}

fn protocol(host: Host) -> &'static Protocol {
    match host {
        Host::ClaudeCode => &claude_code::PROTOCOL,
        Host::Codex => &codex::PROTOCOL,
        Host::Cursor => &cursor::PROTOCOL,
        Host::Copilot => &copilot::PROTOCOL,
        Host::Gemini => &gemini::PROTOCOL,
        Host::Windsurf => &windsurf::PROTOCOL,
        Host::Cline => &cline::PROTOCOL,
        Host::Opencode => &opencode::PROTOCOL,
    }
}

/// Reads a payload. An error is a payload that is no JSON object; what is wrong inside one is [`Event::trouble`].
pub fn read(host: Host, bytes: &[u8]) -> Result<Event, Unreadable> {
    if bytes.len() > LONGEST_PAYLOAD {
        return Err(Unreadable(format!("the payload is longer than {LONGEST_PAYLOAD} bytes")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(|e| Unreadable(format!("the payload is no JSON: {e}")))?;
    if !value.is_object() {
        return Err(Unreadable("the payload is no JSON object".to_owned()));
    }
    Ok((protocol(host).read)(&value))
}

/// Whether a host puts a question to a person, in the permission mode that it is in. In others it takes an ask for a
/// yes.
pub fn asks(host: Host, mode: Option<&str>) -> bool {
    protocol(host).asks && session::asks_person(mode)
}

/// The host's own form of a decision.
pub fn answer(host: Host, event: &Event, decision: &Decision) -> Answer {
    let protocol = protocol(host);
    let mode = event.mode.as_deref();
    let decision = match decision.word {
        Word::None if decision.context.is_none() => return Answer::none(),
        // A person is being asked at that stage, whatever the mode.
        Word::Ask if event.stage != Stage::Permission && !asks(host, mode) => {
            decision.without_ask(mode.filter(|_| protocol.asks))
        }
        _ => decision.clone(),
    };
    match protocol.answer {
        Speaks::Everything(answer) => answer(event, &decision),
        Speaks::Refusal(_) if decision.word == Word::None || event.stage != Stage::Before => Answer::none(),
        Speaks::Refusal(refusal) => refusal(&decision),
    }
}
