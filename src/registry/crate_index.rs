//! Cargo registries as configured: sparse indexes, vendored and local ones. Configuration in, [`CrateIndex`] out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use url::Url;

use super::archive;
use super::codec::{Reader, Stored, Writer};
use super::crates::{Crate, Dependency, DependencyKind, IndexSource, Version};
use super::fetch::{Fetcher, Memo};
use super::http::{Authorization, Request, Secret};
use super::line_list::LineList;
use super::pool::Pool;
use super::{CRATES_DEFAULT, CRATES_SOURCE_ID, CrateIndex, FetchError, PrivateNames};
use crate::model::{Digest, DigestAlgorithm, Ecosystem, Files, PackageName, SignalGap, redact_url};

/// Index files larger than this are refused: 64 MiB.
const INDEX_MAX: u64 = 64 << 20;
/// `.crate` files larger than this are refused: 64 MiB (crates.io takes 10 without asking).
const CRATE_MAX: u64 = 64 << 20;
/// The newest format of an index line that is understood; cargo passes over newer ones.
const FORMAT_MAX: u32 = 2;

/// What answers for a registry, after source replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrateSource {
    /// A sparse index: base URL with a `/` at its end, without `sparse+`.
    Sparse(Url),
    /// `directory = …`: unpacked crates with `.cargo-checksum.json` (`cargo vendor`).
    Directory(PathBuf),
    /// `local-registry = …`: `index/` and `.crate` files side by side.
    LocalRegistry(PathBuf),
    /// A kind that cannot be asked: a git index, a git replacement. The text says which.
    Unsupported(String),
}

/// One registry as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrateRegistry {
    /// What a lockfile calls it: of the registry itself, not of what replaces it.
    pub source_id: String,
    /// What answers for it.
    pub source: CrateSource,
    /// For indexes and downloads that want it (`auth-required`).
    pub token: Option<Secret>,
}

/// What is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrateRegistries {
    /// crates.io, or what replaces it.
    pub default: CrateRegistry,
    /// By name, and by index URL as manifests and lockfiles write it.
    pub others: BTreeMap<String, CrateRegistry>,
}

impl Default for CrateRegistries {
    fn default() -> Self {
        let source =
            Url::parse(CRATES_DEFAULT).map_or_else(|e| CrateSource::Unsupported(e.to_string()), CrateSource::Sparse);
        Self {
            default: CrateRegistry { source_id: CRATES_SOURCE_ID.to_owned(), source, token: None },
            others: BTreeMap::new(),
        }
    }
}

impl CrateSource {
    /// Whether this is crates.io itself.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Sparse(url) if url.host_str() == Some("index.crates.io"))
    }

    /// For messages and plans.
    pub fn shown(&self) -> String {
        match self {
            Self::Sparse(url) => redact_url(url.as_str()),
            Self::Directory(path) | Self::LocalRegistry(path) => path.display().to_string(),
            Self::Unsupported(what) => what.clone(),
        }
    }
}

/// The index URLs by which crates.io itself is known.
pub fn is_crates_io(index: &str) -> bool {
    let index = index.trim_start_matches("registry+").trim_start_matches("sparse+").trim_end_matches('/');
    let index = index.strip_suffix(".git").unwrap_or(index);
    matches!(index, "https://github.com/rust-lang/crates.io-index" | "https://index.crates.io" | "crates-io")
}

/// The real [`CrateIndex`].
#[derive(Clone)]
pub struct CrateIndexes {
    shared: Arc<Shared>,
}

struct Shared {
    config: CrateRegistries,
    fetcher: Fetcher,
    pool: Pool,
    files: Arc<dyn Files>,
    private: PrivateNames,
    crates: Memo<(PackageName, Option<String>), Crate>,
    configs: Memo<String, IndexConfig>,
    downloads: Memo<(String, String), Arc<[u8]>>,
    gaps: Mutex<BTreeSet<SignalGap>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for CrateIndexes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrateIndexes").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl CrateIndexes {
    /// The client that it asks with: one tool's time-outs, proxies, certificates and credentials.
    pub fn client(&self) -> &super::http::Client {
        &self.shared.fetcher.client
    }

    /// Asks nothing yet.
    pub fn new(
        config: CrateRegistries,
        fetcher: Fetcher,
        pool: Pool,
        files: Arc<dyn Files>,
        private: PrivateNames,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                fetcher,
                pool,
                files,
                private,
                crates: Memo::default(),
                configs: Memo::default(),
                downloads: Memo::default(),
                gaps: Mutex::default(),
            }),
        }
    }
}

impl CrateIndex for CrateIndexes {
    fn krate(&self, name: &PackageName, registry: Option<&str>) -> Result<Arc<Crate>, FetchError> {
        let key = (name.clone(), registry.map(str::to_owned));
        self.shared.crates.get(&key, || self.shared.krate(name, registry))
    }

    fn prefetch(&self, names: &[(PackageName, Option<String>)]) {
        for key in names {
            let (shared, own) = (Arc::clone(&self.shared), key.clone());
            self.shared.crates.start(&self.shared.pool, key, move || shared.krate(&own.0, own.1.as_deref()));
        }
    }

    fn download(
        &self,
        name: &PackageName,
        version: &str,
        checksum: &str,
        registry: Option<&str>,
    ) -> Result<Arc<[u8]>, FetchError> {
        let key = (format!("{}@{version}", name.canonical()), checksum.to_owned());
        let bytes = self.shared.downloads.get(&key, || self.shared.download(name, version, checksum, registry))?;
        Ok(Arc::clone(&bytes))
    }

    fn source_of(&self, registry: Option<&str>) -> Result<IndexSource, FetchError> {
        let own = &*self.shared.registry(registry)?;
        let download = match &own.source {
            CrateSource::Sparse(url) => self.shared.config_of(own, url)?.dl.clone(),
            other => other.shown(),
        };
        Ok(IndexSource {
            source_id: own.source_id.clone(),
            url: own.source.shown(),
            download,
            is_default: own.source.is_public(),
        })
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        lock(&self.shared.gaps).iter().cloned().collect()
    }
}

impl Shared {
    /// A registry by its configured name or its index URL. One that only a URL names gets no token.
    fn registry(&self, named: Option<&str>) -> Result<Cow<'_, CrateRegistry>, FetchError> {
        let Some(named) = named.filter(|n| !is_crates_io(n)) else { return Ok(Cow::Borrowed(&self.config.default)) };
        if let Some(known) = self.config.others.get(named) {
            return Ok(Cow::Borrowed(known));
        }
        if named.contains("://") {
            let source_id =
                if named.contains('+') { redact_url(named) } else { format!("registry+{}", redact_url(named)) };
            let source = super::cargo_config::index_source(named);
            return Ok(Cow::Owned(CrateRegistry { source_id, source, token: None }));
        }
        Err(FetchError::Configuration {
            reason: format!("no registry `{}` is configured", crate::model::printable(named, 120)),
        })
    }

    fn krate(&self, name: &PackageName, registry: Option<&str>) -> Result<Crate, FetchError> {
        let own = &*self.registry(registry)?;
        let not_found = || FetchError::NotFound { registry: own.source.shown() };
        // A name that no registry would accept is not asked for: its text would become part of a URL.
        if !name.is_well_formed() {
            return Err(not_found());
        }
        if own.source.is_public() && (self.private)(name) {
            return Err(FetchError::PrivateName { registry: own.source.shown() });
        }
        for written in spellings(name.written()) {
            let found = match &own.source {
                CrateSource::Sparse(url) => self.sparse(own, url, &written),
                CrateSource::LocalRegistry(root) => self.local(&root.join("index"), &written, own),
                CrateSource::Directory(root) => self.vendored(root, &written, own),
                CrateSource::Unsupported(reason) => {
                    Err(FetchError::Unsupported { registry: own.source_id.clone(), reason: reason.clone() })
                }
            };
            match found {
                Err(FetchError::NotFound { .. }) => {}
                Ok(found) if found.name != *name => {
                    let reason = format!("it answered for `{}`", crate::model::printable(found.name.written(), 80));
                    return Err(FetchError::Malformed { registry: own.source.shown(), reason });
                }
                Ok(found) => {
                    if found.versions.iter().any(|v| v.published_at().is_none()) {
                        let reason = "its index does not say when every version was published".to_owned();
                        let registry = own.source.shown();
                        lock(&self.gaps).insert(SignalGap { signal: "published-at", registry, reason });
                    }
                    return Ok(found);
                }
                other => return other,
            }
        }
        Err(not_found())
    }

    fn sparse(&self, own: &CrateRegistry, base: &Url, name: &str) -> Result<Crate, FetchError> {
        let url = base.join(&index_path(name)).map_err(|_| unusable(own))?;
        let mut request = Request::get(url.as_str(), "", INDEX_MAX);
        // crates.io is known to want no token; every other index says so in its config.json.
        if !own.source.is_public() && self.config_of(own, base)?.auth_required {
            request.authorization = own.token.clone().map(Authorization::Raw);
        }
        let registry = redact_url(url.as_str());
        self.fetcher.cached("index", request, move |response, _| {
            read_index(&response.body).map_err(|reason| FetchError::Malformed { registry, reason })
        })
    }

    /// `config.json`. An index that wants a token may want it here already.
    fn config_of(&self, own: &CrateRegistry, base: &Url) -> Result<Arc<IndexConfig>, FetchError> {
        self.configs.get(&base.to_string(), || {
            let url = base.join("config.json").map_err(|_| unusable(own))?;
            let registry = redact_url(url.as_str());
            let read = move |response: &super::http::Response, _: Option<&mut dyn std::io::Read>| {
                IndexConfig::read(&response.body).map_err(|reason| FetchError::Malformed { registry, reason })
            };
            let mut request = Request::get(url.as_str(), "", 1 << 20);
            match (self.fetcher.cached("index-config", request.clone(), read.clone()), &own.token) {
                (Err(FetchError::Unauthorized { status: 401, .. }), Some(token)) => {
                    request.authorization = Some(Authorization::Raw(token.clone()));
                    self.fetcher.cached("index-config", request, read)
                }
                (other, _) => other,
            }
        })
    }

    fn local(&self, index: &Path, name: &str, own: &CrateRegistry) -> Result<Crate, FetchError> {
        let path = index.join(index_path(name));
        match self.files.read(&path) {
            Ok(bytes) => read_index(&bytes)
                .map_err(|reason| FetchError::Malformed { registry: path.display().to_string(), reason }),
            Err(crate::model::FileError::NotFound) => Err(FetchError::NotFound { registry: own.source.shown() }),
            Err(e) => Err(FetchError::Configuration { reason: format!("{}: {e}", path.display()) }),
        }
    }

    /// `DIR/name` or `DIR/name-version`, each with `Cargo.toml` and `.cargo-checksum.json`.
    fn vendored(&self, root: &Path, name: &str, own: &CrateRegistry) -> Result<Crate, FetchError> {
        let mut versions = Vec::new();
        for directory in self.files.list(root) {
            let Some(folder) = directory.file_name().and_then(|f| f.to_str()) else { continue };
            let ours = folder.strip_prefix(name).is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
            });
            if !ours {
                continue;
            }
            let Ok(manifest) = self.files.read_text(&directory.join("Cargo.toml")) else { continue };
            let checksum = self.files.read_text(&directory.join(".cargo-checksum.json")).unwrap_or_default();
            match super::vendored::read(&manifest, &checksum) {
                Ok((own, version)) if own == name => versions.push(version),
                Ok(_) => {}
                Err(reason) => {
                    return Err(FetchError::Malformed { registry: directory.display().to_string(), reason });
                }
            }
        }
        if versions.is_empty() {
            return Err(FetchError::NotFound { registry: own.source.shown() });
        }
        Ok(Crate { name: PackageName::new(Ecosystem::CratesIo, name), versions: versions.into() })
    }

    fn download(
        &self,
        name: &PackageName,
        version: &str,
        checksum: &str,
        registry: Option<&str>,
    ) -> Result<Arc<[u8]>, FetchError> {
        let own = &*self.registry(registry)?;
        let malformed =
            |reason: &str| FetchError::Malformed { registry: own.source.shown(), reason: reason.to_owned() };
        let digest = Digest::from_hex(DigestAlgorithm::Sha256, checksum.trim())
            .map_err(|_| malformed("the checksum is no SHA-256"))?;
        let verified = |bytes: &[u8]| archive::matches(&digest, bytes) == Some(true);
        // A version becomes part of a URL and of a path.
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+' | b'_');
        if !name.is_well_formed() || version.is_empty() || !version.bytes().all(plain) || version.contains("..") {
            return Err(malformed("no such version can be"));
        }
        let address = digest.to_string();
        if let Some(Bytes(known)) = self.fetcher.kept::<Bytes>("crate", &address).filter(|b| verified(&b.0)) {
            return Ok(known);
        }
        let bytes: Vec<u8> = match &own.source {
            CrateSource::Sparse(base) => {
                if self.fetcher.offline {
                    return Err(FetchError::Offline { registry: own.source.shown() });
                }
                let config = self.config_of(own, base)?;
                let url = download_url(&config.dl, name.written(), version, checksum);
                let mut request = Request::get(&url, "", CRATE_MAX);
                if config.auth_required {
                    request.authorization = own.token.clone().map(Authorization::Raw);
                }
                self.fetcher.client.fetch(request)?.success()?.body
            }
            CrateSource::LocalRegistry(root) => {
                let path = root.join(format!("{}-{version}.crate", name.written()));
                let read = self.files.read(&path);
                read.map_err(|e| FetchError::Configuration { reason: format!("{}: {e}", path.display()) })?.to_vec()
            }
            CrateSource::Directory(_) => {
                let reason = "vendored crates are directories, and have no archive".to_owned();
                return Err(FetchError::Unsupported { registry: own.source.shown(), reason });
            }
            CrateSource::Unsupported(reason) => {
                return Err(FetchError::Unsupported { registry: own.source_id.clone(), reason: reason.clone() });
            }
        };
        if !verified(&bytes) {
            return Err(malformed(&format!(
                "the archive of {} {version} does not have the checksum that the index gives",
                name.written()
            )));
        }
        let bytes = Bytes(Arc::from(bytes));
        self.fetcher.keep("crate", &address, &bytes);
        Ok(bytes.0)
    }
}

fn unusable(own: &CrateRegistry) -> FetchError {
    FetchError::Configuration { reason: format!("`{}` cannot be an index", own.source.shown()) }
}

/// The ways in which a crate may be written: as given, with `-` and with `_` throughout. Cargo tries more of them,
/// for names that mix both; those are rare and end as `not found`.
fn spellings(written: &str) -> Vec<String> {
    let mut out = vec![written.to_owned()];
    for other in [written.replace('_', "-"), written.replace('-', "_")] {
        if !out.contains(&other) {
            out.push(other);
        }
    }
    out
}

/// Where a crate's file is in an index: `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcd`, lower case.
pub fn index_path(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default();
    match name.len() {
        0..=2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", part(0, 1)),
        _ => format!("{}/{}/{name}", part(0, 2), part(2, 4)),
    }
}

/// The `dl` template filled in; without a marker, `/CRATE/VERSION/download` is added.
fn download_url(template: &str, name: &str, version: &str, checksum: &str) -> String {
    const MARKERS: [&str; 5] = ["{crate}", "{version}", "{prefix}", "{lowerprefix}", "{sha256-checksum}"];
    if !MARKERS.iter().any(|m| template.contains(m)) {
        return format!("{}/{name}/{version}/download", template.trim_end_matches('/'));
    }
    let prefix = |text: &str| {
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        match text.len() {
            0..=2 => text.len().to_string(),
            3 => format!("3/{}", part(0, 1)),
            _ => format!("{}/{}", part(0, 2), part(2, 4)),
        }
    };
    template
        .replace("{crate}", name)
        .replace("{version}", version)
        .replace("{prefix}", &prefix(name))
        .replace("{lowerprefix}", &prefix(&name.to_ascii_lowercase()))
        .replace("{sha256-checksum}", checksum)
}

/// `config.json` of an index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct IndexConfig {
    dl: String,
    #[serde(default, rename = "auth-required")]
    auth_required: bool,
}

impl IndexConfig {
    fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|e| format!("config.json: {e}"))
    }
}

impl Stored for IndexConfig {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.dl);
        out.flag(self.auth_required);
    }
    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { dl: from.string()?, auth_required: from.flag()? })
    }
}

struct Bytes(Arc<[u8]>);

impl Stored for Bytes {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }
    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self(Arc::from(from.bytes()?)))
    }
}

#[derive(Deserialize)]
struct Line {
    name: String,
    vers: String,
    #[serde(default)]
    deps: Vec<LineDependency>,
    cksum: String,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    features2: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    yanked: Option<bool>,
    #[serde(default)]
    links: Option<String>,
    #[serde(default)]
    rust_version: Option<String>,
    #[serde(default)]
    pubtime: Option<String>,
    #[serde(default)]
    v: Option<u32>,
}

#[derive(Deserialize)]
struct LineDependency {
    name: String,
    req: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default = "yes")]
    default_features: bool,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    package: Option<String>,
}

fn yes() -> bool {
    true
}

/// Reads an index file. Lines that cannot be read, or are of a newer format, are passed over, as cargo does; a file
/// of which no line can be read is an error.
pub fn read_index(body: &[u8]) -> Result<Crate, String> {
    let mut name = None;
    let mut versions = Vec::new();
    let mut unreadable = None;
    for line in body.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) if line.v.unwrap_or(1) > FORMAT_MAX => {}
            Ok(line) => {
                let own = PackageName::new(Ecosystem::CratesIo, &line.name);
                if name.get_or_insert_with(|| own.clone()) != &own {
                    return Err("its lines are of several crates".to_owned());
                }
                versions.push(line.reduce());
            }
            Err(e) => unreadable = Some(format!("JSON: {e}")),
        }
    }
    match name {
        Some(name) => Ok(Crate { name, versions: versions.into() }),
        None => Err(unreadable.unwrap_or_else(|| "it has no version".to_owned())),
    }
}

impl Line {
    fn reduce(self) -> Version {
        let mut features = self.features;
        for (feature, implied) in self.features2.unwrap_or_default() {
            features.entry(feature).or_default().extend(implied);
        }
        Version {
            version: self.vers,
            dependencies: self.deps.into_iter().map(LineDependency::reduce).collect(),
            checksum: self.cksum,
            features,
            yanked: self.yanked.unwrap_or(false),
            links: self.links,
            rust_version: self.rust_version,
            published_at: self.pubtime.and_then(|t| t.parse().ok()),
            format: self.v.unwrap_or(1),
        }
    }
}

impl LineDependency {
    fn reduce(self) -> Dependency {
        Dependency {
            name: self.name,
            package: self.package,
            req: self.req,
            features: self.features,
            optional: self.optional,
            default_features: self.default_features,
            target: self.target,
            kind: match self.kind.as_deref() {
                Some("build") => DependencyKind::Build,
                Some("dev") => DependencyKind::Dev,
                _ => DependencyKind::Normal,
            },
            registry: self.registry,
        }
    }
}

impl Stored for Crate {
    fn encode(&self, out: &mut Writer) {
        out.text(self.name.written());
        self.versions.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let name = PackageName::new(Ecosystem::CratesIo, from.text()?);
        Some(Self { name, versions: LineList::decode(from)? })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const LINES: &str = r#"{"name":"Foo_bar","vers":"1.0.0","deps":[{"name":"x","req":"^1","features":["a"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":"build","registry":"https://r.example/","package":"y"}],"cksum":"aa","features":{"default":["std"]},"features2":{"x":["dep:x"]},"yanked":false,"links":"z","rust_version":"1.60","pubtime":"2026-01-01T00:00:00Z","v":2}

not json
{"name":"Foo_bar","vers":"2.0.0","cksum":"bb","v":3}
{"name":"Foo_bar","vers":"1.1.0","deps":[],"cksum":"cc","features":{},"yanked":true}
"#;

    #[test]
    fn index_files_are_read_and_come_back() {
        let read = read_index(LINES.as_bytes()).unwrap();
        assert_eq!(read.versions.iter().map(|v| v.version()).collect::<Vec<_>>(), ["1.0.0", "1.1.0"]);
        let first = read.versions.get(0).unwrap().to_version();
        assert_eq!((first.features.len(), first.dependencies[0].kind), (2, DependencyKind::Build));
        assert!(first.published_at.is_some() && read.versions.get(1).unwrap().yanked());
        let mut out = Writer::default();
        read.encode(&mut out);
        assert_eq!(Crate::decode(&mut Reader(&out.0)), Some(read));
        assert!(read_index(b"<html>").is_err() && read_index(b"").is_err());
        assert!(read_index(b"{\"name\":\"a\",\"vers\":\"1.0.0\",\"cksum\":\"\"}\n{\"name\":\"b\",\"vers\":\"1.0.0\",\"cksum\":\"\"}").is_err());
    }

    #[test]
    fn paths_and_urls_follow_the_index_layout() {
        let paths: Vec<String> = ["a", "Ab", "abc", "SerDe"].into_iter().map(index_path).collect();
        assert_eq!(paths, ["1/a", "2/ab", "3/a/abc", "se/rd/serde"]);
        assert_eq!(
            download_url("https://d.example/api/", "Foo", "1.0.0", "cc"),
            "https://d.example/api/Foo/1.0.0/download"
        );
        assert_eq!(
            download_url(
                "https://d.example/{prefix}/{lowerprefix}/{crate}-{version}-{sha256-checksum}",
                "Foob",
                "1.0.0",
                "cc"
            ),
            "https://d.example/Fo/ob/fo/ob/Foob-1.0.0-cc"
        );
    }

    #[test]
    fn crates_io_has_many_names() {
        for name in [
            "https://github.com/rust-lang/crates.io-index",
            "registry+https://github.com/rust-lang/crates.io-index.git",
            "sparse+https://index.crates.io/",
            "crates-io",
        ] {
            assert!(is_crates_io(name), "{name}");
        }
        assert!(!is_crates_io("https://github.com/evil/crates.io-index") && !is_crates_io("mine"));
    }

    proptest::proptest! {
        #[test]
        fn hostile_index_files_never_panic(bytes: Vec<u8>, name in "(?s).{0,8}", cut in 0_usize..400) {
            let _ = read_index(&bytes);
            let _ = read_index(&LINES.as_bytes()[..cut]);
            let _ = Crate::decode(&mut Reader(&bytes));
            let _ = index_path(&name);
            let _ = download_url("{prefix}{lowerprefix}", &name, "1", "x");
        }
    }
}
