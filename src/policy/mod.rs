//! Policy: layers of TOML, each later one only tightening, each value knowing the line that set it.

/// The effective policy.
#[derive(Debug, Clone, Default)]
pub struct Policy {}
