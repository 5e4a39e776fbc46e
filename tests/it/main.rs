//! The integration tests: one binary, one module a capability.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at what it did not expect, and says why it skips"
)]

mod advisories;
#[cfg(unix)]
mod builds;
#[cfg(unix)]
mod bypass;
mod cargo_formats;
mod classifier_api;
mod classifier_combine;
mod classifier_policy;
mod cli;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod contained_installs;
mod containment;
mod context;
mod credentials;
mod determinism;
mod end_to_end;
#[cfg(target_os = "linux")]
mod faults;
mod follow;
mod gate;
#[cfg(unix)]
mod gateway;
#[cfg(unix)]
mod gateway_cargo;
#[cfg(unix)]
mod gateway_javascript;
#[cfg(unix)]
mod gateway_npm;
#[cfg(unix)]
mod gateway_npm_audit;
#[cfg(unix)]
mod gateway_npm_offline;
#[cfg(unix)]
mod gateway_pipenv;
#[cfg(unix)]
mod gateway_server;
#[cfg(target_os = "linux")]
mod gateway_tools;
#[cfg(unix)]
mod gateway_uv;
mod hooks;
mod hostile_files;
mod human;
mod indexes;
mod injection;
mod invariants;
mod invocation;
mod judgement;
mod layering;
mod locks;
mod names;
mod nothing_executed;
mod npm_formats;
#[cfg(target_os = "linux")]
mod npm_scripts;
mod policy;
mod project_files;
mod python_formats;
#[cfg(feature = "real-registries")]
mod real;
mod registry;
mod report;
mod report_formats;
mod resolve_cargo;
mod resolve_npm;
mod resolve_python;
mod rules;
mod scale;
mod settled;
mod shell;
mod shims;
mod support;
mod surroundings;
mod typosquat;
