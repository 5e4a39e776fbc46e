//! Python's formats: requirements files, pyproject.toml, lockfiles, wheel names, core metadata, PEP 440 and PEP 508.

pub mod build_system;
pub mod direct;
pub mod lock;
pub mod pdm_lock;
pub mod pipfile;
pub mod poetry;
pub mod poetry_lock;
pub mod pylock;
pub mod pyproject;
pub mod requirement;
pub mod requirements_txt;
pub mod script;
pub mod setup_cfg;
pub mod startup;
pub mod tags;
pub mod tool_receipt;
pub mod uv_lock;
pub mod version;
pub mod wheel;
