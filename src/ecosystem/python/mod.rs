//! Python's formats: requirements files, pyproject.toml, lockfiles, wheel names, core metadata, PEP 440 and PEP 508.

pub mod direct;
pub mod metadata;
pub mod requirement;
pub mod requirements_txt;
pub mod tags;
pub mod version;
pub mod wheel;
