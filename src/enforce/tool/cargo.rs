//! cargo through the gateway: which settings point it there, and what is put back afterwards.

use super::{Adapter, Prepared};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job};

/// The adapter of cargo.
#[derive(Debug, Clone, Copy)]
pub struct Cargo;

impl Adapter for Cargo {
    fn prepare(&self, _job: &Job<'_>, _gateway: &Gateway) -> Result<Prepared, EnforceError> {
        Err(EnforceError::unsupported("cargo is not run by this gate yet"))
    }
}
