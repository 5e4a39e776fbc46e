//! npm's formats: package.json, package-lock.json, specs, and node-semver's ranges.

pub mod json;
pub mod lock;
pub mod manifest;
pub mod semver;
pub mod spec;
