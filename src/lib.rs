//! tidewaiter judges what a package command would bring in before it lands.
//!
//! Data flows one way, each step a plain value:
//!
//! ```text
//! argv
//!   │ invocation            total: never fails, what is not understood becomes Opaque
//!   ▼ Invocation
//!   │ ecosystem registry resolve      no package's code runs
//!   ▼ Plan
//!   │ advisories rules
//!   ▼ Findings
//!   │ policy
//!   ▼ Verdict               report prints it
//! ```
//!
//! Modules in reading order; none uses one below it.

pub mod advisories; // OSV records: build, index, match, fetch
pub mod cli;
pub mod ecosystem; // formats and version order, pure: python, npm, cargo
pub mod invocation; // argv → Invocation, by tables
pub mod judge; // the pipeline in one place: Invocation → Judgement
pub mod model; // the words: ecosystem, name, version, digest, source, place, plan, finding; no I/O
pub mod policy; // layers, exceptions, trust; each value knows the line that set it
pub mod registry; // the user's registry configuration, the HTTP client, the cache, the metadata formats
pub mod report; // human and JSON, each format its own structs
pub mod resolve; // Invocation + Registry → Plan
pub mod rules; // one file a rule, and the list of them
pub mod toolchain; // which real tool a word names, and what it says about itself // one thin file a subcommand
