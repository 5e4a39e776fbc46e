//! What was done, kept so that it can be proven: an append-only log of JSON lines, each with the SHA-256 of the line
//! before it; and the approvals that people give.
//!
//! ```text
//! Judgement, Outcome ──line──▶ Event ──log──▶ DATA/log/000001.jsonl, 000002.jsonl, …
//!                                                  │ read, verify
//!                                                  ▼ log list / show / verify / export, recheck, approve
//! ```
//!
//! A line is written before a tool starts and after it ended, with one write and an fsync under a lock.

pub mod agent;
pub mod approval;
pub mod asked;
pub mod line;
pub mod lock;
pub mod log;

pub use crate::model::redact;
pub use line::{Event, Line};
pub use log::{Log, RecordError};
