//! The formats and the version order of each ecosystem. Pure: text in, values out, no I/O and no clock.
//!
//! A reader returns `(value, Vec<Diagnostic>)`: it never fails and never panics, whatever it is given.

pub mod cargo;
pub(crate) mod document;
pub mod imitation;
pub(crate) mod ini;
pub mod npm;
pub mod popular;
pub mod python;

use crate::model::Ecosystem;

/// How two versions of one ecosystem compare; `None` when either is not a version there.
pub fn compare_versions(ecosystem: Ecosystem, a: &str, b: &str) -> Option<std::cmp::Ordering> {
    match ecosystem {
        Ecosystem::PyPI => python::version::compare(a, b),
        Ecosystem::Npm => npm::semver::compare(a, b),
        Ecosystem::CratesIo => cargo::version::compare(a, b),
    }
}

/// Whether a requirement's range, in the ecosystem's own syntax (empty: any), admits a version as its tool would
/// choose it today (npm and cargo: pre-releases by their own rules; PyPI: final releases, and pre-releases where
/// the specifier names one). `None` when either text cannot be read.
pub fn admits(ecosystem: Ecosystem, range: &str, version: &str) -> Option<bool> {
    match ecosystem {
        Ecosystem::PyPI => python::version::admits(range, version),
        Ecosystem::Npm => npm::semver::admits(range, version),
        Ecosystem::CratesIo => cargo::version::admits(range, version),
    }
}
