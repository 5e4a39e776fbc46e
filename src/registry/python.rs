//! What a PyPI-like index says: PEP 503/691/700 project pages and core metadata.

use std::sync::Arc;

use super::file_list::FileList;
use crate::model::{Digest, PackageName, Timestamp};

/// Every file of a project, over all indexes that may serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project.
    pub name: PackageName,
    /// Its files, in no particular order.
    pub files: FileList,
    /// Base URLs of every configured index that has a project of this name; last the public ones that were not asked
    /// for a private name, and that the tool would ask.
    pub indexes: Vec<Arc<str>>,
    /// PEP 792 status: `active`, `archived`, `quarantined`, `deprecated`; empty when not said.
    pub status: String,
}

/// One file of a project page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Without directories.
    pub filename: String,
    /// Absolute, without fragment and without credentials.
    pub url: String,
    /// Strongest first.
    pub digests: Vec<Digest>,
    /// `requires-python` as the index has it, unescaped.
    pub requires_python: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// PEP 700 `upload-time`.
    pub upload_time: Option<Timestamp>,
    /// `Some(reason)` when yanked (the reason may be empty).
    pub yanked: Option<String>,
    /// PEP 658/714: the digest of the metadata file when advertised with one.
    pub core_metadata: Advertised,
    /// Base URL of the index it comes from.
    pub index: Arc<str>,
}

/// Whether an index says that `FILE.metadata` exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Advertised {
    /// Not said: it may exist all the same.
    #[default]
    No,
    /// Said, without a digest.
    Yes,
    /// Said, with a digest.
    Hashed(Digest),
}

/// The fields of core metadata that a resolver needs, each as text in its own grammar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoreMetadata {
    /// `Name`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Requires-Dist`, in order.
    pub requires_dist: Vec<String>,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
    /// `Provides-Extra`, in order.
    pub provides_extra: Vec<String>,
}

/// The files of a source distribution's top directory that say what it is built with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildFiles {
    /// `pyproject.toml`.
    pub pyproject: Option<String>,
    /// `setup.cfg`.
    pub setup_cfg: Option<String>,
}
