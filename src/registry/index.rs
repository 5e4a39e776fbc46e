//! Python indexes as configured: which are asked for a project, how their answers are merged, and a file's core
//! metadata by the cheapest way that the index offers. Configuration in, [`PythonIndex`] out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::archive::{self, StartsCode, StartupCode};
use super::codec::{Reader, Stored, Writer};
use super::fetch::{Fetcher, Memo};
use super::file_list::{FileList, PageFiles};
use super::http::Request;
use super::metadata;
use super::pool::Pool;
use super::python::{Advertised, BuildFiles, CoreMetadata, File, Project};
use super::remote::{RemoteFile, WHOLE_MAX};
use super::simple::{self, Page};
use super::{FetchError, PrivateNames, PythonIndex};
use crate::ecosystem::python::direct::is_archive;
use crate::model::{Ecosystem, Files, PackageName, SignalGap, redact_url};

/// Project pages larger than this are refused: 96 MiB.
const PAGE_MAX: u64 = 96 << 20;
/// After so many 404s in a row for `FILE.metadata`, a host is not asked for unadvertised ones again.
const METADATA_MISSES: u32 = 4;

/// One configured index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// Base URL, without credentials, with a `/` at its end.
    pub url: Url,
    /// uv's and poetry's name of it.
    pub name: Option<String>,
    /// Asked only for packages that are pinned to it (uv `explicit`).
    pub explicit: bool,
    /// Whether it was written with a `/` at its end: uv's lockfile has it as it was written.
    pub slash: bool,
    /// Nobody named it: the tool asks it where nothing else is said.
    pub assumed: bool,
    /// How uv authenticates there, as uv writes it down.
    pub authenticate: Authenticate,
}

/// uv's `authenticate` of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authenticate {
    /// Where the index asks for it.
    #[default]
    Auto,
    /// For every request: it is told so, or its URL has credentials.
    Always,
    /// Not at all.
    Never,
}

impl Authenticate {
    /// uv's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl IndexSpec {
    /// An index at `url`, asked for everything.
    pub fn new(mut url: Url) -> Self {
        let slash = url.path().ends_with('/');
        if !slash {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        url.set_fragment(None);
        Self { url, name: None, explicit: false, slash, assumed: false, authenticate: Authenticate::Auto }
    }

    /// Whether it is PyPI itself, which everybody can publish to.
    pub fn is_public(&self) -> bool {
        matches!(self.url.host_str(), Some("pypi.org" | "pypi.python.org" | "test.pypi.org"))
    }

    /// The base URL as plans show it.
    pub fn shown(&self) -> String {
        redact_url(self.url.as_str())
    }
}

/// A place of archives outside an index: `--find-links`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindLinks {
    /// A directory, or an HTML file.
    Path(PathBuf),
    /// A page of links.
    Page(Url),
}

/// How several indexes are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexStrategy {
    /// pip, and uv's `unsafe-*`: every index is asked, all files compete.
    #[default]
    Pool,
    /// uv: the first index that has the project is the only one.
    First,
}

/// What is asked, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// In order of priority.
    pub indexes: Vec<IndexSpec>,
    /// Always looked at as well.
    pub find_links: Vec<FindLinks>,
    /// How answers are merged.
    pub strategy: IndexStrategy,
    /// Canonical project name → the name of the only index that may serve it (uv sources, poetry `source=`).
    pub pinned: BTreeMap<String, String>,
}

/// The real [`PythonIndex`].
#[derive(Clone)]
pub struct SimpleIndexes {
    shared: Arc<Shared>,
}

struct Shared {
    config: Indexes,
    fetcher: Fetcher,
    pool: Pool,
    files: Arc<dyn Files>,
    private: PrivateNames,
    projects: Memo<PackageName, Project>,
    timed: Memo<PackageName, Project>,
    metadata: Memo<String, CoreMetadata>,
    link_pages: Memo<String, Page>,
    /// What sdists are built with, by URL.
    builds: Memo<String, BuildFiles>,
    /// The same, learnt while their metadata was read.
    built: Mutex<HashMap<String, BuildFiles>>,
    /// What code wheels plant into every start of the interpreter, by URL.
    hooks: Memo<String, StartupCode>,
    /// The same, learnt while their metadata was read out of them.
    seen: Mutex<HashMap<String, StartupCode>>,
    /// Consecutive 404s for unadvertised metadata, by host; `None` once one was there.
    misses: Mutex<HashMap<String, Option<u32>>>,
    gaps: Mutex<BTreeSet<SignalGap>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for SimpleIndexes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimpleIndexes").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl SimpleIndexes {
    /// The client that it asks with: one tool's time-outs, proxies, certificates and credentials.
    pub fn client(&self) -> &super::http::Client {
        &self.shared.fetcher.client
    }

    /// Asks nothing yet.
    pub fn new(config: Indexes, fetcher: Fetcher, pool: Pool, files: Arc<dyn Files>, private: PrivateNames) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                fetcher,
                pool,
                files,
                private,
                projects: Memo::default(),
                timed: Memo::default(),
                metadata: Memo::default(),
                link_pages: Memo::default(),
                builds: Memo::default(),
                built: Mutex::default(),
                hooks: Memo::default(),
                seen: Mutex::default(),
                misses: Mutex::default(),
                gaps: Mutex::default(),
            }),
        }
    }
}

impl PythonIndex for SimpleIndexes {
    fn project(&self, name: &PackageName) -> Result<Arc<Project>, FetchError> {
        self.shared.projects.get(name, || self.shared.project(name))
    }

    fn with_upload_times(&self, project: &Arc<Project>) -> Arc<Project> {
        if project.files.iter().all(|f| f.upload_time().is_some()) {
            return Arc::clone(project);
        }
        let timed = self.shared.timed.get(&project.name, || Ok(self.shared.with_upload_times(project)));
        timed.unwrap_or_else(|_| Arc::clone(project))
    }

    fn metadata(&self, file: &File) -> Result<Arc<CoreMetadata>, FetchError> {
        self.shared.metadata.get(&file.url, || self.shared.metadata(file))
    }

    fn prefetch(&self, names: &[PackageName]) {
        for name in names {
            let (shared, own) = (Arc::clone(&self.shared), name.clone());
            self.shared.projects.start(&self.shared.pool, name, move || shared.project(&own));
        }
    }

    fn prefetch_metadata(&self, files: &[File]) {
        for file in files {
            let (shared, own) = (Arc::clone(&self.shared), file.clone());
            self.shared.metadata.start(&self.shared.pool, &file.url, move || shared.metadata(&own));
        }
    }

    fn starts_code(&self, project: &PackageName, file: &File, ask: bool) -> Option<StartsCode> {
        if let Some(known) = self.shared.known_hook(file) {
            return Some(known.of(project.canonical()));
        }
        // A file of this machine costs no request.
        if !ask && !file.url.starts_with("file:") {
            return None;
        }
        let found = self.shared.hooks.get(&file.url, || self.shared.hook(file)).ok()?;
        Some(found.of(project.canonical()))
    }

    fn prefetch_starts_code(&self, files: &[File]) {
        for file in files.iter().filter(|f| self.shared.known_hook(f).is_none()) {
            let (shared, own) = (Arc::clone(&self.shared), file.clone());
            self.shared.hooks.start(&self.shared.pool, &file.url, move || shared.hook(&own));
        }
    }

    fn build_files(&self, file: &File) -> Result<Arc<BuildFiles>, FetchError> {
        self.shared.builds.get(&file.url, || self.shared.build_files(file))
    }

    fn prefetch_build_files(&self, files: &[File]) {
        for file in files {
            let (shared, own) = (Arc::clone(&self.shared), file.clone());
            self.shared.builds.start(&self.shared.pool, &file.url, move || shared.build_files(&own));
        }
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        lock(&self.shared.gaps).iter().cloned().collect()
    }
}

impl Shared {
    fn project(&self, name: &PackageName) -> Result<Project, FetchError> {
        let mut found =
            Project { name: name.clone(), files: FileList::default(), indexes: Vec::new(), status: String::new() };
        let candidates = self.candidates(name);
        let not_found = |asked: &[&IndexSpec]| {
            let shown: Vec<String> = asked.iter().map(|i| i.shown()).collect();
            FetchError::NotFound { registry: if shown.is_empty() { "no index".to_owned() } else { shown.join(", ") } }
        };
        // A name that no index would accept is not asked for: its text would become part of a URL.
        if !name.is_well_formed() {
            return Err(not_found(&candidates));
        }
        self.add_links(name, &mut found)?;
        let (mut asked, mut withheld) = (Vec::new(), Vec::new());
        for spec in candidates {
            if spec.is_public() && (self.private)(name) {
                withheld.push(spec);
                continue;
            }
            asked.push(spec);
            match self.page(spec, name) {
                Ok(page) => {
                    let index: Arc<str> = Arc::from(spec.shown());
                    if found.status.is_empty() {
                        found.status = page.status;
                    }
                    found.files.add(page.files, Arc::clone(&index));
                    found.indexes.push(index);
                    if self.config.strategy == IndexStrategy::First {
                        break;
                    }
                }
                Err(FetchError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if found.indexes.is_empty() && found.files.is_empty() {
            return Err(match withheld.first() {
                Some(public) => FetchError::PrivateName { registry: public.shown() },
                None => not_found(&asked),
            });
        }
        // The tool itself asks these too.
        found.indexes.extend(withheld.iter().map(|i| Arc::from(i.shown())));
        if found.files.iter().any(|f| f.upload_time().is_none()) {
            for index in &found.indexes {
                if found.files.iter().any(|f| f.upload_time().is_none() && f.index() == index) {
                    self.gap("published-at", index, "its pages do not say when a file was uploaded");
                }
            }
        }
        Ok(found)
    }

    /// The indexes that may serve a name, in order.
    fn candidates(&self, name: &PackageName) -> Vec<&IndexSpec> {
        let pinned = self.config.pinned.get(name.canonical());
        self.config
            .indexes
            .iter()
            .filter(|i| match pinned {
                Some(own) => i.name.as_ref() == Some(own),
                None => !i.explicit,
            })
            .collect()
    }

    fn page(&self, spec: &IndexSpec, name: &PackageName) -> Result<Page, FetchError> {
        if spec.url.scheme() == "file" {
            return self.local_page(spec, name);
        }
        let url = spec
            .url
            .join(&format!("{}/", name.canonical()))
            .map_err(|_| FetchError::Configuration { reason: format!("`{}` cannot be an index", spec.shown()) })?;
        self.remote_page("simple", &url).map_err(|error| self.absent_on_s3(spec, error))
    }

    fn remote_page(&self, kind: &str, url: &Url) -> Result<Page, FetchError> {
        let request = Request { in_pieces: true, ..Request::get(url.as_str(), simple::ACCEPT, PAGE_MAX) };
        let registry = redact_url(url.as_str());
        self.fetcher.cached(kind, request, move |response, pieces| {
            let body = match pieces {
                Some(pieces) => simple::Body::Pieces(pieces),
                None => simple::Body::Whole(&response.body),
            };
            simple::read(&response.media_type(), body, &response.url)
                .map_err(|reason| FetchError::Malformed { registry, reason })
        })
    }

    /// Some public indexes are plain S3 buckets, which answer 403 for a key that is not there when nobody may list
    /// them. Without credentials of ours in play that means `absent`; pip passes over any 403.
    fn absent_on_s3(&self, spec: &IndexSpec, error: FetchError) -> FetchError {
        let bucket = spec
            .url
            .host_str()
            .is_some_and(|h| h == "download.pytorch.org" || (h.ends_with(".amazonaws.com") && h.contains("s3")));
        let anonymous = self.fetcher.client.profile().credentials.for_url(&spec.url).is_none();
        match error {
            FetchError::Unauthorized { registry, status: 403 } if bucket && anonymous => {
                FetchError::NotFound { registry }
            }
            other => other,
        }
    }

    /// An index that is a directory on this machine: `DIR/name/index.html`, or the files themselves.
    fn local_page(&self, spec: &IndexSpec, name: &PackageName) -> Result<Page, FetchError> {
        let absent = || FetchError::NotFound { registry: spec.shown() };
        let directory = spec.url.to_file_path().map_err(|()| absent())?.join(name.canonical());
        let index = directory.join("index.html");
        if self.files.is_file(&index) {
            return self.html_file(&index);
        }
        if !self.files.is_dir(&directory) {
            return Err(absent());
        }
        Ok(Page { files: Arc::new(self.directory_files(&directory)), status: String::new() })
    }

    fn html_file(&self, path: &Path) -> Result<Page, FetchError> {
        let configuration =
            |reason: String| FetchError::Configuration { reason: format!("{}: {reason}", path.display()) };
        let bytes = self.files.read(path).map_err(|e| configuration(e.to_string()))?;
        let base = Url::from_file_path(path).map_err(|()| configuration("not an absolute path".to_owned()))?;
        simple::read("text/html", simple::Body::Whole(&bytes), base.as_str()).map_err(configuration)
    }

    fn directory_files(&self, directory: &Path) -> PageFiles {
        PageFiles::new(&self.files.list(directory).iter().filter_map(|path| local_file(path)).collect::<Vec<_>>())
    }

    /// What the `--find-links` places have of a project.
    fn add_links(&self, name: &PackageName, found: &mut Project) -> Result<(), FetchError> {
        for place in &self.config.find_links {
            let shown = match place {
                FindLinks::Path(path) => path.display().to_string(),
                FindLinks::Page(url) => redact_url(url.as_str()),
            };
            let page = self.link_pages.get(&shown, || match place {
                FindLinks::Path(path) if self.files.is_dir(path) => {
                    Ok(Page { files: Arc::new(self.directory_files(path)), status: String::new() })
                }
                FindLinks::Path(path) if self.files.is_file(path) => match local_file(path) {
                    Some(file) => Ok(Page { files: Arc::new(PageFiles::new(&[file])), status: String::new() }),
                    None => self.html_file(path),
                },
                // pip warns and goes on.
                FindLinks::Path(_) => Ok(Page::default()),
                FindLinks::Page(url) => self.remote_page("links", url),
            })?;
            let index: Arc<str> = Arc::from(shown);
            let mut all = FileList::default();
            all.add(Arc::clone(&page.files), Arc::clone(&index));
            let own = all.iter().filter(|f| file_belongs_to(&f.filename(), name)).map(|f| f.to_file());
            found.files.add(Arc::new(PageFiles::new(&own.collect::<Vec<_>>())), index);
        }
        Ok(())
    }

    /// Fills in the times that pages lack, from the per-project document beside the simple index.
    fn with_upload_times(&self, project: &Project) -> Project {
        let mut files = project.files.to_vec();
        for spec in &self.config.indexes {
            let shown = spec.shown();
            if !files.iter().any(|f| f.upload_time.is_none() && *f.index == *shown) {
                continue;
            }
            let times: HashMap<String, _> = match self.document_times(spec, &project.name) {
                Ok(times) => times.0.into_iter().collect(),
                Err(_) => continue,
            };
            for file in files.iter_mut().filter(|f| f.upload_time.is_none() && *f.index == *shown) {
                file.upload_time = times.get(&file.filename).copied();
            }
        }
        Project { files: files.into(), ..project.clone() }
    }

    fn document_times(&self, spec: &IndexSpec, name: &PackageName) -> Result<Times, FetchError> {
        let base = spec.url.as_str().trim_end_matches('/');
        let root = base.strip_suffix("/simple").ok_or_else(|| FetchError::NotFound { registry: spec.shown() })?;
        let url = format!("{root}/pypi/{}/json", name.canonical());
        let registry = redact_url(&url);
        self.fetcher.cached("times", Request::get(&url, "application/json", PAGE_MAX), move |response, _| {
            simple::upload_times(&response.body).map(Times).map_err(|reason| FetchError::Malformed { registry, reason })
        })
    }

    fn gap(&self, signal: &'static str, registry: &str, reason: &str) {
        let gap = SignalGap { signal, registry: registry.to_owned(), reason: reason.to_owned() };
        lock(&self.gaps).insert(gap);
    }

    fn metadata(&self, file: &File) -> Result<CoreMetadata, FetchError> {
        let address = file.digests.iter().find(|d| !d.algorithm().is_weak()).map(ToString::to_string);
        if let Some(known) = address.as_ref().and_then(|a| self.fetcher.kept::<CoreMetadata>("metadata", a)) {
            return Ok(known);
        }
        if let Some(Reason(reason)) = address.as_ref().and_then(|a| self.fetcher.kept("needs-execution", a)) {
            return Err(FetchError::NeedsExecution { reason });
        }
        let metadata = if file.url.starts_with("file:") {
            self.local_metadata(file)
        } else if file.filename.to_ascii_lowercase().ends_with(".whl") {
            self.remote_wheel_metadata(file)
        } else {
            self.remote_sdist_metadata(file)
        };
        // What a digest fixes stays true: neither answer is fetched again.
        match (&metadata, address) {
            (Ok(metadata), Some(address)) => self.fetcher.keep("metadata", &address, metadata),
            (Err(FetchError::NeedsExecution { reason }), Some(address)) => {
                self.fetcher.keep("needs-execution", &address, &Reason(reason.clone()));
            }
            _ => {}
        }
        metadata
    }

    fn local_metadata(&self, file: &File) -> Result<CoreMetadata, FetchError> {
        let gone = |reason: String| FetchError::Configuration { reason: format!("{}: {reason}", file.filename) };
        let path = Url::parse(&file.url).ok().and_then(|u| u.to_file_path().ok());
        let path = path.ok_or_else(|| gone("not a path".to_owned()))?;
        let bytes = self.files.read(&path).map_err(|e| gone(e.to_string()))?;
        self.note_build(file, &bytes);
        read_whole(file, &bytes)
    }

    /// Keeps what an sdist is built with, now that its bytes are here.
    fn note_build(&self, file: &File, bytes: &[u8]) {
        if file.filename.to_ascii_lowercase().ends_with(".whl") || bent(file, bytes).is_some() {
            return;
        }
        let Ok(found) = archive::sdist_build_files(bytes, &file.filename) else { return };
        if let Some(digest) = file.digests.iter().find(|d| !d.algorithm().is_weak()) {
            self.fetcher.keep("build-files", &digest.to_string(), &found);
        }
        lock(&self.built).insert(file.url.clone(), found);
    }

    fn build_files(&self, file: &File) -> Result<BuildFiles, FetchError> {
        if let Some(known) = lock(&self.built).get(&file.url) {
            return Ok(known.clone());
        }
        let address = file.digests.iter().find(|d| !d.algorithm().is_weak()).map(ToString::to_string);
        if let Some(known) = address.as_ref().and_then(|a| self.fetcher.kept::<BuildFiles>("build-files", a)) {
            return Ok(known);
        }
        let bytes: Arc<[u8]> = if file.url.starts_with("file:") {
            let path = Url::parse(&file.url).ok().and_then(|u| u.to_file_path().ok());
            let bytes = path.and_then(|path| self.files.read(&path).ok());
            bytes.ok_or_else(|| malformed(file, "it cannot be read".to_owned()))?
        } else if self.fetcher.offline {
            return Err(FetchError::Offline { registry: redact_url(&file.url) });
        } else {
            let response = self.fetcher.client.fetch(Request::get(&file.url, "", WHOLE_MAX))?.success()?;
            response.body.into()
        };
        if let Some(error) = bent(file, &bytes) {
            return Err(error);
        }
        let read = archive::sdist_build_files(&bytes, &file.filename);
        let found = read.map_err(|reason| FetchError::NeedsExecution { reason })?;
        if let Some(address) = address {
            self.fetcher.keep("build-files", &address, &found);
        }
        Ok(found)
    }

    fn remote_wheel_metadata(&self, file: &File) -> Result<CoreMetadata, FetchError> {
        let host = Url::parse(&file.url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default();
        let worth_asking = match (&file.core_metadata, lock(&self.misses).get(&host)) {
            (Advertised::Yes | Advertised::Hashed(_), _) => true,
            (Advertised::No, Some(Some(misses))) => *misses < METADATA_MISSES,
            (Advertised::No, _) => true,
        };
        if worth_asking {
            match self.metadata_file(file) {
                Err(FetchError::NotFound { .. }) => self.note_metadata(&host, false),
                // An index that never advertised it may also refuse it, or answer with a page.
                Err(FetchError::Unauthorized { .. } | FetchError::Malformed { .. })
                    if file.core_metadata == Advertised::No =>
                {
                    self.note_metadata(&host, false);
                }
                other => {
                    self.note_metadata(&host, true);
                    return other;
                }
            }
        }
        if self.fetcher.offline {
            return Err(FetchError::Offline { registry: redact_url(&file.url) });
        }
        let mut remote = RemoteFile::open(&self.fetcher, &file.url, file.size)?;
        if let Some(bytes) = remote.whole() {
            self.note_hook(file, archive::startup_code(Cursor::new(bytes)));
            return read_whole(file, bytes);
        }
        let metadata = archive::wheel_metadata(&mut remote, &file.filename);
        // The list of files is here already.
        if metadata.is_ok() {
            self.note_hook(file, archive::startup_code(&mut remote));
        }
        match metadata {
            Ok(text) => parse_metadata(file, &text),
            Err(reason) => Err(remote.failure.take().unwrap_or_else(|| malformed(file, reason))),
        }
    }

    /// What is known of a wheel without asking.
    fn known_hook(&self, file: &File) -> Option<StartupCode> {
        if let Some(known) = lock(&self.seen).get(&file.url) {
            return Some(known.clone());
        }
        let address = file.digests.iter().find(|d| !d.algorithm().is_weak())?.to_string();
        self.fetcher.kept("startup-code", &address)
    }

    fn note_hook(&self, file: &File, found: Result<StartupCode, String>) {
        let Ok(found) = found else { return };
        if let Some(digest) = file.digests.iter().find(|d| !d.algorithm().is_weak()) {
            self.fetcher.keep("startup-code", &digest.to_string(), &found);
        }
        lock(&self.seen).insert(file.url.clone(), found);
    }

    /// Looks into a wheel's list of files.
    fn hook(&self, file: &File) -> Result<StartupCode, FetchError> {
        /// A server that knows no ranges sends everything: more than this is not asked of one that is not known to.
        const UNRANGED_MAX: u64 = 16 << 20;
        let (registry, limit) = (redact_url(&file.url), UNRANGED_MAX);
        let found = if file.url.starts_with("file:") {
            let path = Url::parse(&file.url).ok().and_then(|u| u.to_file_path().ok());
            let bytes = path.and_then(|path| self.files.read(&path).ok());
            let bytes = bytes.ok_or_else(|| malformed(file, "it cannot be read".to_owned()))?;
            archive::startup_code(Cursor::new(&*bytes))
        } else if self.fetcher.offline {
            return Err(FetchError::Offline { registry });
        } else if !registry.starts_with("https://files.pythonhosted.org/") && file.size.is_none_or(|s| s > limit) {
            return Err(FetchError::TooLarge { registry, limit });
        } else {
            let mut remote = RemoteFile::open(&self.fetcher, &file.url, file.size)?;
            archive::startup_code(&mut remote).map_err(|reason| match remote.failure.take() {
                Some(failure) => failure.to_string(),
                None => reason,
            })
        };
        self.note_hook(file, found.clone());
        found.map_err(|reason| malformed(file, reason))
    }

    fn note_metadata(&self, host: &str, there: bool) {
        let mut misses = lock(&self.misses);
        let entry = misses.entry(host.to_owned()).or_insert(Some(0));
        *entry = if there { None } else { entry.map(|n| n + 1) };
    }

    /// PEP 658: `FILE.metadata` beside the file.
    fn metadata_file(&self, file: &File) -> Result<CoreMetadata, FetchError> {
        let mut url = Url::parse(&file.url).map_err(|_| malformed(file, "its URL cannot be read".to_owned()))?;
        let path = format!("{}.metadata", url.path());
        url.set_path(&path);
        let request = Request::get(url.as_str(), "", archive::METADATA_MAX);
        let file = file.clone();
        self.fetcher.cached("pep658", request, move |response, _| {
            let file = &file;
            if let Advertised::Hashed(digest) = &file.core_metadata
                && archive::matches(digest, &response.body) == Some(false)
            {
                return Err(malformed(
                    file,
                    "its metadata file does not have the digest that the index gives".to_owned(),
                ));
            }
            parse_metadata(file, &response.body)
        })
    }

    fn remote_sdist_metadata(&self, file: &File) -> Result<CoreMetadata, FetchError> {
        if self.fetcher.offline {
            return Err(FetchError::Offline { registry: redact_url(&file.url) });
        }
        if !is_archive(&file.filename) {
            return Err(FetchError::NeedsExecution { reason: format!("{} is no archive that is read", file.filename) });
        }
        let response = self.fetcher.client.fetch(Request::get(&file.url, "", WHOLE_MAX))?.success()?;
        self.note_build(file, &response.body);
        read_whole(file, &response.body)
    }
}

fn malformed(file: &File, reason: String) -> FetchError {
    let registry = if file.index.is_empty() { redact_url(&file.url) } else { file.index.to_string() };
    FetchError::Malformed { registry, reason: format!("{}: {reason}", crate::model::printable(&file.filename, 120)) }
}

/// What is wrong with bytes that do not have the digest that the index gives.
fn bent(file: &File, bytes: &[u8]) -> Option<FetchError> {
    let digest = file.digests.first().filter(|digest| archive::matches(digest, bytes) == Some(false))?;
    Some(malformed(file, format!("its bytes do not have the digest that the index gives ({digest})")))
}

/// The metadata in a file's whole bytes, after its digest was compared.
fn read_whole(file: &File, bytes: &[u8]) -> Result<CoreMetadata, FetchError> {
    if let Some(error) = bent(file, bytes) {
        return Err(error);
    }
    if file.filename.to_ascii_lowercase().ends_with(".whl") {
        let text = archive::wheel_metadata(Cursor::new(bytes), &file.filename).map_err(|r| malformed(file, r))?;
        return parse_metadata(file, &text);
    }
    let text = archive::sdist_metadata(bytes, &file.filename).map_err(|r| FetchError::NeedsExecution { reason: r })?;
    let metadata = metadata::parse(&text).map_err(|reason| FetchError::NeedsExecution { reason })?;
    if !metadata.is_static() {
        let reason = "its PKG-INFO does not vouch for its requirements (metadata before 2.2, or dynamic)".to_owned();
        return Err(FetchError::NeedsExecution { reason });
    }
    Ok(metadata.core)
}

fn parse_metadata(file: &File, text: &[u8]) -> Result<CoreMetadata, FetchError> {
    metadata::parse(text).map(|m| m.core).map_err(|reason| malformed(file, reason))
}

/// A distribution on this machine.
fn local_file(path: &Path) -> Option<File> {
    let filename = path.file_name()?.to_str()?.to_owned();
    if !is_archive(&filename) {
        return None;
    }
    let url = Url::from_file_path(path).ok()?.to_string();
    Some(File {
        filename,
        url,
        digests: Vec::new(),
        requires_python: None,
        size: None,
        upload_time: None,
        yanked: None,
        core_metadata: Advertised::No,
        index: Arc::from(""),
    })
}

/// Whether a file's name begins with the project's: `Foo_Bar-1.0.tar.gz` for `foo-bar`. An sdist of `foo-bar` also
/// begins with `foo`; the version then is no version, and the resolver leaves it out, as pip does.
fn file_belongs_to(filename: &str, name: &PackageName) -> bool {
    filename
        .match_indices('-')
        .any(|(at, _)| crate::model::normalise_name(Ecosystem::PyPI, &filename[..at]) == name.canonical())
}

/// Upload times by file name.
struct Times(Vec<(String, crate::model::Timestamp)>);

impl Stored for Times {
    fn encode(&self, out: &mut Writer) {
        out.list(self.0.iter(), |out, (name, time)| {
            out.text(name);
            out.time(*time);
        });
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        from.list(|from| Some((from.string()?, from.time()?))).map(Self)
    }
}

/// Why a file's metadata is not static.
struct Reason(String);

impl Stored for Reason {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        from.string().map(Self)
    }
}

impl Stored for StartupCode {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.other);
        out.list(self.files.iter(), |out, (name, digest)| {
            out.text(name);
            out.digest(digest);
        });
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { other: from.flag()?, files: from.list(|from| Some((from.string()?, from.digest()?)))? })
    }
}

impl Stored for BuildFiles {
    fn encode(&self, out: &mut Writer) {
        out.option(self.pyproject.as_deref(), Writer::text);
        out.option(self.setup_cfg.as_deref(), Writer::text);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { pyproject: from.option(Reader::string)?, setup_cfg: from.option(Reader::string)? })
    }
}

impl Stored for CoreMetadata {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name);
        out.text(&self.version);
        out.list(self.requires_dist.iter(), |out, t| out.text(t));
        out.option(self.requires_python.as_deref(), Writer::text);
        out.list(self.provides_extra.iter(), |out, t| out.text(t));
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            name: from.string()?,
            version: from.string()?,
            requires_dist: from.list(Reader::string)?,
            requires_python: from.option(Reader::string)?,
            provides_extra: from.list(Reader::string)?,
        })
    }
}
