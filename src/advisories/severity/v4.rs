//! CVSS 4.0 base scores.

use super::Metrics;

/// The base score of a vector's metrics (§8).
pub(super) fn score(_m: &Metrics<'_>) -> Option<f64> {
    None
}
