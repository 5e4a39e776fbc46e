//! Source ids: the text by which a lockfile, a package id specification or a `[source]` entry names where a package
//! comes from (`registry+URL`, `sparse+URL`, `git+URL?branch=…#COMMIT`, `path+URL`, `directory+`, `local-registry+`).

use std::fmt;

use percent_encoding::percent_decode_str;

use super::manifest::GitReference;
use crate::model::redact_url;

/// The source id of crates.io in lockfiles.
pub const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The same registry by its sparse protocol.
pub const CRATES_IO_SPARSE: &str = "sparse+https://index.crates.io/";

/// What kind of source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A registry whose index is a git repository, or any registry in the older notation.
    Registry,
    /// A registry with a sparse index.
    Sparse,
    /// A local registry: a directory of `.crate` files and an index.
    LocalRegistry,
    /// A directory of unpacked crates: `cargo vendor`.
    Directory,
    /// A git repository.
    Git(GitReference),
    /// A directory on this machine.
    Path,
}

/// A source id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    /// What kind.
    pub kind: SourceKind,
    /// The URL without the kind, the reference and the commit.
    pub url: String,
    /// What follows `#`: the commit of a git source.
    pub precise: Option<String>,
}

impl SourceId {
    /// Reads a source id; `None` when it has no kind that Cargo knows.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('+')?;
        let kind = match kind {
            "registry" => SourceKind::Registry,
            "sparse" => SourceKind::Sparse,
            "local-registry" => SourceKind::LocalRegistry,
            "directory" => SourceKind::Directory,
            "path" => SourceKind::Path,
            "git" => return Some(Self::git(rest)),
            _ => return None,
        };
        let (url, precise) = match rest.split_once('#') {
            Some((url, precise)) => (url, Some(precise.to_owned())),
            None => (rest, None),
        };
        Some(Self { kind, url: url.to_owned(), precise })
    }

    fn git(rest: &str) -> Self {
        let (rest, precise) = match rest.split_once('#') {
            Some((rest, precise)) => (rest, (!precise.is_empty()).then(|| precise.to_owned())),
            None => (rest, None),
        };
        let (url, query) = rest.split_once('?').map_or((rest, None), |(url, query)| (url, Some(query)));
        let mut reference = GitReference::DefaultBranch;
        let mut others = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned();
            match key {
                "branch" => reference = GitReference::Branch(value),
                "rev" | "ref" => reference = GitReference::Rev(value),
                "tag" => reference = GitReference::Tag(value),
                _ => others.push(pair),
            }
        }
        let url = if others.is_empty() { url.to_owned() } else { format!("{url}?{}", others.join("&")) };
        Self { kind: SourceKind::Git(reference), url, precise }
    }

    /// Whether this is crates.io, by either protocol.
    pub fn is_crates_io(&self) -> bool {
        let url = self.url.trim_end_matches('/');
        match self.kind {
            SourceKind::Registry => url == "https://github.com/rust-lang/crates.io-index",
            SourceKind::Sparse => url == "https://index.crates.io",
            _ => false,
        }
    }

    /// Whether packages of it come with a checksum.
    pub fn is_registry(&self) -> bool {
        matches!(
            self.kind,
            SourceKind::Registry | SourceKind::Sparse | SourceKind::LocalRegistry | SourceKind::Directory
        )
    }

    /// Whether two ids mean the same place, the commit aside: crates.io is one place under both protocols, and a git
    /// URL means the same with and without a final `/` or `.git`, in any case of a GitHub path.
    pub fn same_place(&self, other: &Self) -> bool {
        if self.is_crates_io() && other.is_crates_io() {
            return true;
        }
        match (&self.kind, &other.kind) {
            (SourceKind::Git(a), SourceKind::Git(b)) => a == b && canonical_git(&self.url) == canonical_git(&other.url),
            (a, b) => a == b && self.url.trim_end_matches('/') == other.url.trim_end_matches('/'),
        }
    }
}

/// Cargo's canonical form of a git URL: no final slash, no `.git`, and GitHub's paths in lower case.
pub fn canonical_git(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let url = if url.contains("://github.com/") { url.to_lowercase() } else { url.to_owned() };
    url.strip_suffix(".git").map(str::to_owned).unwrap_or(url)
}

/// As a lockfile writes it.
impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            SourceKind::Registry => "registry",
            SourceKind::Sparse => "sparse",
            SourceKind::LocalRegistry => "local-registry",
            SourceKind::Directory => "directory",
            SourceKind::Git(_) => "git",
            SourceKind::Path => "path",
        };
        write!(f, "{kind}+{}", self.url)?;
        if let SourceKind::Git(reference) = &self.kind
            && let Some((key, value)) = reference.query()
        {
            let separator = if self.url.contains('?') { '&' } else { '?' };
            let value = url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
            write!(f, "{separator}{key}={value}")?;
        }
        match &self.precise {
            Some(precise) => write!(f, "#{precise}"),
            None => Ok(()),
        }
    }
}

/// The source as the plan has it: credentials removed.
pub fn plan_source(id: &SourceId) -> crate::model::Source {
    use crate::model::Source;
    match &id.kind {
        SourceKind::Git(reference) => Source::Git {
            url: redact_url(&id.url),
            reference: reference.name().map(str::to_owned),
            commit: id.precise.clone(),
        },
        SourceKind::Path => Source::Path { path: id.url.strip_prefix("file://").unwrap_or(&id.url).into() },
        SourceKind::Sparse => Source::Registry { url: format!("sparse+{}", redact_url(&id.url)) },
        _ => Source::Registry { url: redact_url(&id.url) },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn source_ids_round_trip() {
        for text in [
            CRATES_IO,
            CRATES_IO_SPARSE,
            "git+https://h.example/r?branch=a-_%2B%23%24%29z#9e406273177740fa85b86b78e6d5105e932edef0",
            "git+ssh://git@github.com/a/b.git?tag=v1#00",
            "git+https://h.example/r",
        ] {
            assert_eq!(SourceId::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
        assert_eq!(SourceId::parse("https://x"), None);
    }

    #[test]
    fn crates_io_is_one_place() {
        let id = |t: &str| SourceId::parse(t).unwrap();
        assert!(id(CRATES_IO).same_place(&id(CRATES_IO_SPARSE)));
        assert!(id("git+https://github.com/A/b.git#1").same_place(&id("git+https://github.com/a/B#2")));
        assert!(!id("git+https://h.example/a?branch=x").same_place(&id("git+https://h.example/a")));
    }
}
