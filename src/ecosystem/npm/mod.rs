//! npm's formats: package.json, the lockfiles of npm, pnpm, yarn and bun, specs, and node-semver's ranges.

pub mod bun_lock;
pub mod json;
pub mod lock;
pub mod manifest;
pub mod pnpm_lock;
pub mod semver;
pub mod spec;
pub mod yaml;
pub mod yarn_lock;
