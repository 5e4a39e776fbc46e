//! What is remembered beside an index file: when it was current, and the server's validators.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The state of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// When it was last fetched, or found unchanged.
    pub updated_at: Option<Timestamp>,
    /// Where it came from.
    pub url: Option<String>,
    /// `ETag` of what was fetched.
    pub etag: Option<String>,
    /// `Last-Modified` of what was fetched.
    pub last_modified: Option<String>,
}

/// The file's form, schema `tidewaiter.advisory-state/1`.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Wire {
    schema: String,
    updated_at: String,
    url: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

const SCHEMA: &str = "tidewaiter.advisory-state/1";

/// The state file of an index file.
pub fn path(index: &Path) -> PathBuf {
    index.with_extension("state.json")
}

/// Reads it; `None` when there is none or it is of no use (then the index's own header counts).
pub fn read(index: &Path) -> Option<State> {
    let path = path(index);
    if std::fs::metadata(&path).ok()?.len() > 64 << 10 {
        return None;
    }
    let wire: Wire = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (wire.schema == SCHEMA).then(|| State {
        updated_at: wire.updated_at.parse().ok(),
        url: wire.url,
        etag: wire.etag,
        last_modified: wire.last_modified,
    })
}

/// The file's bytes.
pub fn encode(state: &State) -> Vec<u8> {
    let wire = Wire {
        schema: SCHEMA.to_owned(),
        updated_at: state.updated_at.map(|t| t.to_string()).unwrap_or_default(),
        url: state.url.clone(),
        etag: state.etag.clone(),
        last_modified: state.last_modified.clone(),
    };
    serde_json::to_vec_pretty(&wire).unwrap_or_default()
}
