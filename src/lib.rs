//! tidewaiter judges what a package command would bring in before it lands.
//!
//! Data flows one way, each step a plain value:
//!
//! ```text
//! argv, shell text
//!   │ shell invocation                total: never fails, what is not understood becomes Opaque
//!   ▼ Invocation
//!   │ ecosystem registry resolve      no package's code runs
//!   ▼ Plan
//!   │ advisories rules
//!   ▼ Findings
//!   │ policy
//!   ▼ Verdict                         report prints it
//!   │ enforce                         the real tool, with nothing but the plan to be had
//!   ▼ Outcome
//! ```
//!
//! The modules stand in reading order, and none uses one below it: a test reads this file and holds them to it.

/// The words: ecosystem, name, version, digest, source, place, plan, finding. No I/O, no serde.
pub mod model;

/// Formats and version order, pure: python, npm, cargo.
pub mod ecosystem;

/// A command line's text → simple commands with words and Opaque parts; capped in size, depth and steps.
pub mod shell;

/// argv → Invocation, by tables.
pub mod invocation;

/// Which real tool a word names, and what it says about itself.
pub mod toolchain;

/// The user's registry configuration, the HTTP client, the cache, the metadata formats.
pub mod registry;

/// OSV records: build, index, match, fetch.
pub mod advisories;

/// Invocation + registries → Plan.
pub mod resolve;

/// Layers, exceptions, trust; each value knows the line that set it.
pub mod policy;

/// What belongs to this gate itself: its own files, and the agent hosts' configuration that calls it.
pub mod gate;

/// One file a rule, and the list of them.
pub mod rules;

/// The pipeline in one place: Invocation → Judgement.
pub mod judge;

/// What a judge beside the rules may see: typed facts, and the user's own messages.
pub mod context;

/// Who answers beside the rules: models, programs, and what their answers make of a verdict.
pub mod classifier;

/// A cleared command, run so that nothing but its plan can come in: gateway, store, tool adapters, sandbox.
pub mod enforce;

/// Human and JSON, each format its own structs.
pub mod report;

/// What was done, in an append-only chain of lines; approvals.
pub mod record;

/// PATH shims: links named like the tools, where the real ones are, what stands in front.
pub mod shim;

/// Agent hosts' payloads and answers, one file a host.
pub mod hook;

/// Canary installs through the links, against a registry of this process.
pub mod doctor;

/// Labelled commands, and how often a classifier is right about them.
pub mod bench;

/// One thin file a subcommand.
pub mod cli;
