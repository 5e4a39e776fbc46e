//! Cargo's formats: Cargo.toml, Cargo.lock, configuration, and version requirements.

pub mod version;
