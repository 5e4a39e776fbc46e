//! What a registry tells of the releases before one: the facts that the rules about sudden change compare.
//! Filled by resolvers from documents that they hold anyway; what is not known is `None`, never "unchanged".

use super::{Execution, PackageName, Timestamp};

/// A release among the others of its project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseHistory {
    /// How many releases of the project the registry lists, this one included.
    pub releases: usize,
    /// The release that this one follows: the highest lower version that was published before it, and not on the
    /// same day (who publishes twice in a row does not become his own predecessor). `None`: there is none, or the
    /// times are not known.
    pub previous: Option<PreviousRelease>,
    /// When the project's latest earlier release of any line was published.
    pub last_published_at: Option<Timestamp>,
    /// Releases of other lines (majors; minors below 1.0) published within an hour of this one.
    pub within_hour: Vec<String>,
    /// The account that published this release.
    pub publisher: Option<String>,
    /// Whether that account published an earlier release of the project; `None` when it is not known.
    pub publisher_known: Option<bool>,
    /// Whether this release has an attestation of its provenance; `None` when the registry does not tell.
    pub attested: Option<bool>,
    /// Requirements that the previous release did not have, by name; `None` when one of the two is not known.
    pub added_dependencies: Option<Vec<PackageName>>,
}

/// What is known of the previous release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreviousRelease {
    /// Its version.
    pub version: String,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// The account that published it.
    pub publisher: Option<String>,
    /// Whether it has an attestation; `None` when the registry does not tell.
    pub attested: Option<bool>,
    /// What of it runs at install; `None` when the registry does not tell.
    pub executes: Option<Vec<Execution>>,
}
