//! (being written)

use std::cmp::Ordering;

/// See [`crate::ecosystem::compare_versions`].
pub fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}

/// See [`crate::ecosystem::admits`].
pub fn admits(_range: &str, _version: &str) -> Option<bool> {
    None
}
