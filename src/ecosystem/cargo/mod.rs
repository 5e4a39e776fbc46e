//! Cargo's formats: Cargo.toml, Cargo.lock, configuration, and version requirements.

pub mod cfg;
pub mod config;
pub mod lock;
pub mod manifest;
pub mod source;
pub mod spec;
pub mod version;
pub mod workspace;
