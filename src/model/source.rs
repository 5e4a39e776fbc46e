//! Where a package's bytes come from.

use std::path::PathBuf;

/// Where a package's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A registry; `url` is its base (PyPI: simple index, npm: registry root, cargo: `sparse+…` or git index).
    Registry {
        /// Base URL without credentials.
        url: String,
    },
    /// A git repository.
    Git {
        /// Clone URL without credentials.
        url: String,
        /// What was asked for: branch, tag, `semver:` range or commit.
        reference: Option<String>,
        /// The full commit, when it is known.
        commit: Option<String>,
    },
    /// A direct archive.
    Url {
        /// The archive's URL without credentials.
        url: String,
    },
    /// A directory or archive on this machine, outside the workspace.
    Path {
        /// As written, resolved against the file that names it.
        path: PathBuf,
    },
    /// The project itself or a member of its workspace.
    Workspace {
        /// The member's directory.
        path: PathBuf,
    },
}

impl Source {
    /// The `source.kind` of the verdict document.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "registry",
            Self::Git { .. } => "git",
            Self::Url { .. } => "url",
            Self::Path { .. } => "path",
            Self::Workspace { .. } => "workspace",
        }
    }

    /// The `source.url` of the verdict document: a URL, or a path's text.
    pub fn url(&self) -> String {
        match self {
            Self::Registry { url } | Self::Git { url, .. } | Self::Url { url } => url.clone(),
            Self::Path { path } | Self::Workspace { path } => path.display().to_string(),
        }
    }

    /// Whether the bytes come from a registry.
    pub const fn is_registry(&self) -> bool {
        matches!(self, Self::Registry { .. })
    }
}

/// A URL for display and records: user information replaced by `****`, query and fragment dropped
/// (both can carry tokens). A text that is no URL is returned as it is, up to a `?`.
pub fn redact_url(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            if !url.username().is_empty() || url.password().is_some() {
                // Setting user information fails only for URLs without a host, excluded above.
                let _ = url.set_password(None);
                let _ = url.set_username("****");
            }
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        _ => text.split('?').next().unwrap_or(text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redact_url;

    #[test]
    fn credentials_do_not_survive() {
        assert_eq!(redact_url("https://u:p@h.example/x?token=1#a"), "https://****@h.example/x");
        assert_eq!(redact_url("https://h.example/simple/"), "https://h.example/simple/");
    }
}
