//! The gateway's PyPI routes: project pages (PEP 503 HTML, PEP 691 JSON), files, and their metadata (PEP 658).
//!
//! ```text
//! /SECRET/pypi/simple/NAME/                       every index together, as pip pools them
//! /SECRET/pypi/index/~/https/HOST/PATH/NAME/      one index, as uv asks them apart
//! /SECRET/pypi/files/~/https/HOST/PATH/FILE       a file; FILE.metadata is its core metadata
//! /SECRET/pypi/json/~/https/HOST/pypi/NAME/VERSION/json   PyPI's own document of a release, as poetry asks it
//! ```
//!
//! Pages are made from the answers that the judgement rests on: what an index says now is not asked again. A wheel's
//! metadata has the digest that the index gave when it was judged; without one it is written from what was read then, so
//! that a tool resolves with what the judgement resolved with, and need not open a wheel that it will not install.

use std::sync::Arc;

use hyper::{Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::answer::{self, Body};
use super::closed::{Planned, plain};
use super::{Asked, Shared, View};
use crate::ecosystem::python::wheel;
use crate::enforce::{Refused, Upstream};
use crate::model::{Artifact, ArtifactKind, Digest, Ecosystem, PackageId, PackageName};
use crate::registry::file_list::FileRef;
use crate::registry::http;
use crate::registry::index::IndexSpec;
use crate::registry::python::{Advertised, CoreMetadata, File, Project};
use crate::registry::{FetchError, PythonIndex};

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";

/// Answers a request below `/SECRET/pypi/`.
pub(super) async fn answer(shared: &Arc<Shared>, asked: Asked) -> Response<Body> {
    if let Some(rest) = asked.path.strip_prefix("files/~/") {
        return match Shared::carried(&asked, rest) {
            Some(url) => file(shared, &asked, &url).await,
            None => nothing(),
        };
    }
    if let Some(rest) = asked.path.strip_prefix("json/~/") {
        return match Shared::carried(&asked, rest) {
            Some(url) => release(shared, &url).await,
            None => nothing(),
        };
    }
    let (index, name) = match asked.path.strip_prefix("simple/") {
        Some(name) => (None, name),
        None => {
            let below = asked.path.strip_prefix("index/~/").map(|p| p.trim_end_matches('/'));
            let Some((index, name)) = below.and_then(|p| p.rsplit_once('/')) else { return nothing() };
            match Shared::carried(&asked, index) {
                Some(index) => (Some(index), name),
                None => return nothing(),
            }
        }
    };
    let Ok(name) = percent_decode_str(name.trim_end_matches('/')).decode_utf8() else { return nothing() };
    let name = PackageName::new(Ecosystem::PyPI, &name);
    if !name.is_well_formed() {
        return nothing();
    }
    page(shared, &asked, name, index.as_deref()).await
}

fn nothing() -> Response<Body> {
    answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here")
}

fn index_of(shared: &Shared) -> Option<Arc<dyn PythonIndex>> {
    match &shared.upstream {
        Upstream::Python { index, .. } => Some(Arc::clone(index)),
        _ => None,
    }
}

/// A project as it was judged. It is remembered; only what no judgement needed is asked for now.
async fn project(shared: &Arc<Shared>, name: &PackageName) -> Result<Arc<Project>, FetchError> {
    let absent = || FetchError::NotFound { registry: "this gateway".to_owned() };
    let index = index_of(shared).ok_or_else(absent)?;
    let name = name.clone();
    tokio::task::spawn_blocking(move || index.project(&name)).await.unwrap_or_else(|_| Err(absent()))
}

async fn page(shared: &Arc<Shared>, asked: &Asked, name: PackageName, index: Option<&str>) -> Response<Body> {
    if shared.view == View::Plan && !shared.closed.has(&name) {
        return shared.refuse(shared.closed.missing(&name, None));
    }
    let project = match project(shared, &name).await {
        Ok(project) => project,
        Err(error @ FetchError::NotFound { .. }) => {
            return answer::status(StatusCode::NOT_FOUND, &format!("tidewaiter: {error}"));
        }
        Err(error) => return shared.failed(name.written(), &format!("could not be looked up: {error}")),
    };
    let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
    let indexes = configured(shared);
    let last = |index: &str| indexes.last().is_some_and(|l| same(l, index));
    let same_index = |file: &FileRef<'_>| match index {
        // What comes from a directory or a page of archives is of no index: the last one has it.
        Some(index) => same(file.index(), index) || (last(index) && !indexes.iter().any(|i| same(i, file.index()))),
        None => true,
    };
    let files = project.files.iter().filter(same_index).map(|f| f.to_file());
    let files: Vec<File> = files.filter(|f| shown(shared, &name, f)).collect();
    if index.is_some() && !project.files.iter().any(|f| same_index(&f)) {
        return nothing();
    }
    let (media_type, body) = if asked.header(header::ACCEPT).contains(JSON) {
        (JSON, json_page(shared, asked, &project, &files))
    } else {
        (HTML, html_page(shared, asked, &files).into_bytes())
    };
    let tag = format!("\"{}\"", Digest::sha256_of(&body).hex());
    let known = asked.header(header::IF_NONE_MATCH) == tag;
    let mut response =
        if known { answer::document(media_type, Vec::new()) } else { answer::document(media_type, body) };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(tag) = header::HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The base URLs of the indexes, as pages name them, in order.
fn configured(shared: &Shared) -> Vec<String> {
    match &shared.upstream {
        Upstream::Python { indexes, .. } => indexes.indexes.iter().map(IndexSpec::shown).collect(),
        _ => Vec::new(),
    }
}

/// Whether a file of a project page is shown.
fn shown(shared: &Shared, name: &PackageName, file: &File) -> bool {
    if shared.closed.at(&file.url).is_some_and(|p| p.package.name == *name) {
        return true;
    }
    // Of a release of the plan, a lockfile lists every file, also those that only other platforms can use.
    shared.view == View::Lock
        && (shared.visible(name, file.upload_time)
            || version_of(name, &file.filename).is_some_and(|v| shared.closed.release(name, &v).is_some()))
}

fn version_of(name: &PackageName, filename: &str) -> Option<String> {
    match wheel::parse_wheel_filename(filename) {
        Some(wheel) => Some(wheel.version.to_string()),
        None => wheel::sdist_version(filename, name).map(|v| v.to_string()),
    }
}

/// The name and, where it can be read, the version in a file's name.
fn named(filename: &str) -> (Option<PackageName>, Option<String>) {
    if let Some(wheel) = wheel::parse_wheel_filename(filename) {
        let name = filename.split('-').next().unwrap_or_default();
        return (Some(PackageName::new(Ecosystem::PyPI, name)), Some(wheel.version.to_string()));
    }
    match wheel::parse_sdist_filename(filename) {
        Some((name, version)) => (Some(PackageName::new(Ecosystem::PyPI, &name)), Some(version.to_string())),
        None => (None, None),
    }
}

fn json_page(shared: &Shared, asked: &Asked, project: &Project, files: &[File]) -> Vec<u8> {
    let files: Vec<Value> = files.iter().map(|f| json_file(shared, asked, f)).collect();
    let mut page = json!({
        "meta": {"api-version": "1.1"}, "name": project.name.canonical(), "files": files, "versions": [],
    });
    if !project.status.is_empty() {
        page["project-status"] = json!({"status": project.status});
    }
    serde_json::to_vec(&page).unwrap_or_default()
}

fn is_wheel(file: &File) -> bool {
    file.filename.ends_with(".whl")
}

fn json_file(shared: &Shared, asked: &Asked, file: &File) -> Value {
    let hashes: Map<String, Value> =
        file.digests.iter().map(|d| (d.algorithm().name().to_owned(), Value::String(d.hex()))).collect();
    let metadata = match &file.core_metadata {
        Advertised::No => json!(is_wheel(file)),
        Advertised::Yes => json!(true),
        Advertised::Hashed(digest) => json!({digest.algorithm().name(): digest.hex()}),
    };
    let mut out = json!({
        "filename": file.filename, "url": shared.carry_for(asked, "pypi/files", &file.url), "hashes": hashes,
        "requires-python": file.requires_python,
        "yanked": match file.yanked.as_deref() {
            None => json!(false),
            Some("") => json!(true),
            Some(reason) => json!(reason),
        },
        // Not `dist-info-metadata` too: pip 22.2 to 23.0 fails on a JSON page that gives a digest there (PEP 714).
        "core-metadata": metadata,
    });
    if let Some(size) = file.size {
        out["size"] = json!(size);
    }
    if let Some(time) = file.upload_time {
        out["upload-time"] = json!(time.to_string());
    }
    out
}

fn html_page(shared: &Shared, asked: &Asked, files: &[File]) -> String {
    let mut out = "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"></head><body>\n"
        .to_owned();
    for file in files {
        out.push_str(&format!("<a href=\"{}", escape(&shared.carry_for(asked, "pypi/files", &file.url))));
        if let Some(digest) = file.digests.first() {
            out.push_str(&format!("#{}={}", digest.algorithm().name(), digest.hex()));
        }
        out.push('"');
        if let Some(specifier) = &file.requires_python {
            out.push_str(&format!(" data-requires-python=\"{}\"", escape(specifier)));
        }
        if let Some(reason) = &file.yanked {
            out.push_str(&format!(" data-yanked=\"{}\"", escape(reason)));
        }
        match &file.core_metadata {
            Advertised::No if !is_wheel(file) => {}
            Advertised::No | Advertised::Yes => {
                out.push_str(" data-core-metadata=\"true\" data-dist-info-metadata=\"true\"")
            }
            Advertised::Hashed(digest) => {
                let value = format!("{}={}", digest.algorithm().name(), digest.hex());
                out.push_str(&format!(" data-core-metadata=\"{value}\" data-dist-info-metadata=\"{value}\""));
            }
        }
        out.push_str(&format!(">{}</a><br>\n", escape(&file.filename)));
    }
    out + "</body></html>\n"
}

/// The largest document of a release: 32 MiB.
const RELEASE_MAX: u64 = 32 << 20;

/// `…/pypi/NAME/VERSION/json`: the registry's own document of this moment with the files that may be seen, and with the
/// requirements that were judged.
async fn release(shared: &Arc<Shared>, url: &str) -> Response<Body> {
    let mut parts = url.trim_end_matches("/json").rsplit('/');
    let (Some(version), Some(name), Some("pypi")) = (parts.next(), parts.next(), parts.next()) else {
        return nothing();
    };
    let known = configured(shared).iter().any(|index| origin(index).is_some_and(|o| url.starts_with(&o)));
    let name = PackageName::new(Ecosystem::PyPI, name);
    if !known || !name.is_well_formed() {
        return nothing();
    }
    let Ok(project) = project(shared, &name).await else { return nothing() };
    let of_release = |f: &&File| version_of(&name, &f.filename).as_deref() == Some(version) && shown(shared, &name, f);
    let all: Vec<File> = project.files.iter().map(|f| f.to_file()).collect();
    let files: Vec<&File> = all.iter().filter(of_release).collect();
    if files.is_empty() {
        return shared.refuse(shared.closed.missing(&name, Some(version)));
    }
    let request = http::Request::get(url, "application/json", RELEASE_MAX);
    let document = match shared.fetch(request).await.and_then(http::Response::success) {
        Ok(response) => serde_json::from_slice::<Value>(&response.body).unwrap_or_default(),
        // A mirror that has project pages alone.
        Err(FetchError::NotFound { .. }) => written_release(&name, version, &files),
        Err(error) => return shared.failed(name.written(), &format!("could not be looked up: {error}")),
    };
    let best = files.iter().find(|f| shared.closed.at(&f.url).is_some()).or(files.first());
    let core = match (index_of(shared), best) {
        (Some(index), Some(file)) if is_wheel(file) => {
            let file = File::clone(file);
            tokio::task::spawn_blocking(move || index.metadata(&file).ok()).await.unwrap_or_default()
        }
        _ => None,
    };
    answer::document("application/json", held_release(document, &files, core.as_deref()).to_string())
}

/// `https://host/`.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    Some(format!("{scheme}://{}/", rest.split('/').next()?))
}

/// A document of a release, of what its project's page says.
fn written_release(name: &PackageName, version: &str, files: &[&File]) -> Value {
    let urls: Vec<Value> = files
        .iter()
        .map(|file| {
            let digests: Map<String, Value> =
                file.digests.iter().map(|d| (d.algorithm().name().to_owned(), Value::String(d.hex()))).collect();
            json!({
                "packagetype": if is_wheel(file) { "bdist_wheel" } else { "sdist" },
                "filename": file.filename, "url": file.url, "digests": digests, "size": file.size,
                "upload_time_iso_8601": file.upload_time.map(|t| t.to_string()),
                "yanked": file.yanked.is_some(), "yanked_reason": file.yanked,
            })
        })
        .collect();
    let yanked = files.iter().all(|f| f.yanked.is_some());
    json!({
        "info": {
            "name": name.written(), "version": version, "summary": "", "requires_dist": null,
            "requires_python": files.iter().find_map(|f| f.requires_python.clone()), "yanked": yanked,
        },
        "urls": urls,
    })
}

/// A release's document with these files and no others, each with the digests that were judged, and with what the
/// judged metadata require.
fn held_release(mut document: Value, files: &[&File], core: Option<&CoreMetadata>) -> Value {
    if let Some(Value::Array(urls)) = document.get_mut("urls") {
        urls.retain(|one| {
            let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
            let sha256 = one.pointer("/digests/sha256").and_then(Value::as_str).unwrap_or_default();
            files.iter().any(|f| {
                f.filename == text("filename")
                    && plain(&f.url) == plain(text("url"))
                    && f.digests.iter().all(|d| d.algorithm().name() != "sha256" || d.hex() == sha256)
            })
        });
    }
    if let (Some(core), Some(info)) = (core, document.get_mut("info").and_then(Value::as_object_mut)) {
        let normal =
            |text: &str| text.chars().filter(|c| !c.is_whitespace() && !"'\"()".contains(*c)).collect::<String>();
        let mut judged: Vec<String> = core.requires_dist.iter().map(|r| normal(r)).collect();
        let now = info.get("requires_dist").and_then(Value::as_array);
        let mut now: Vec<String> = now.into_iter().flatten().filter_map(Value::as_str).map(normal).collect();
        judged.sort();
        now.sort();
        if judged != now || info.get("requires_dist").is_none_or(Value::is_null) {
            info.insert("requires_dist".to_owned(), json!(core.requires_dist));
        }
        info.insert("requires_python".to_owned(), json!(core.requires_python));
    }
    document
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

async fn file(shared: &Arc<Shared>, asked: &Asked, url: &str) -> Response<Body> {
    if let Some(planned) = shared.closed.at(url) {
        return shared.artifact(&Arc::clone(planned), asked.range()).await;
    }
    if let Some(of) = metadata_of(url) {
        return metadata(shared, asked, &of).await;
    }
    shared.refuse(refusal(shared, url))
}

/// Why a URL's file is not to be had.
fn refusal(shared: &Shared, url: &str) -> Refused {
    let filename = filename_of(url);
    match named(&filename) {
        (Some(name), Some(version)) if shared.closed.release(&name, &version).is_some() => {
            let reason = "is another file of a cleared release than those that were cleared".to_owned();
            Refused { subject: filename, reason }
        }
        (Some(name), version) => shared.closed.missing(&name, version.as_deref()),
        _ => Refused { subject: filename, reason: "is not in the cleared plan".to_owned() },
    }
}

fn filename_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let last = path.rsplit('/').next().unwrap_or(path);
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

/// The URL of the file whose metadata this URL is.
fn metadata_of(url: &str) -> Option<String> {
    let (path, query) = url.split_once('?').map_or((url, None), |(p, q)| (p, Some(q)));
    let path = path.strip_suffix(".metadata")?;
    Some(query.map_or_else(|| path.to_owned(), |q| format!("{path}?{q}")))
}

/// `FILE.metadata`: what the index has, by the digest that it gave when it was judged; else what the wheel itself has.
async fn metadata(shared: &Arc<Shared>, asked: &Asked, url: &str) -> Response<Body> {
    let planned = shared.closed.at(url).cloned();
    let filename = filename_of(url);
    let name = match &planned {
        Some(planned) => Some(planned.package.name.clone()),
        None => named(&filename).0,
    };
    let Some(name) = name else { return shared.refuse(refusal(shared, url)) };
    let known = match project(shared, &name).await {
        Ok(project) => project.files.iter().find(|f| plain(&f.url()) == plain(url)).map(|f| f.to_file()),
        Err(_) => None,
    };
    let Some(file) = known.filter(|f| shown(shared, &name, f)) else { return shared.refuse(refusal(shared, url)) };
    let id = planned.as_ref().map_or_else(|| PackageId::new(name.clone(), "0"), |p| p.package.clone());
    match metadata_artifact(&file, &id) {
        Some(artifact) => shared.artifact(&artifact, asked.range()).await,
        None => written_metadata(shared, file).await,
    }
}

/// Core metadata with the fields that were read when it was judged.
async fn written_metadata(shared: &Arc<Shared>, file: File) -> Response<Body> {
    let Some(index) = index_of(shared) else { return nothing() };
    let filename = file.filename.clone();
    let read = tokio::task::spawn_blocking(move || index.metadata(&file)).await;
    match read {
        Ok(Ok(core)) => answer::document("application/octet-stream", written(&core)),
        Ok(Err(error)) => shared.failed(&filename, &format!("its metadata could not be read: {error}")),
        Err(_) => shared.failed(&filename, "its metadata could not be read"),
    }
}

fn written(core: &CoreMetadata) -> String {
    // A field is one line: what a hostile index put into a value cannot become another field.
    let line = |text: &str| text.split(['\r', '\n']).next().unwrap_or_default().to_owned();
    let mut out = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", line(&core.name), line(&core.version));
    if let Some(python) = &core.requires_python {
        out.push_str(&format!("Requires-Python: {}\n", line(python)));
    }
    for extra in &core.provides_extra {
        out.push_str(&format!("Provides-Extra: {}\n", line(extra)));
    }
    for requirement in &core.requires_dist {
        out.push_str(&format!("Requires-Dist: {}\n", line(requirement)));
    }
    out
}

fn artifact_of_metadata(file: &File) -> Artifact {
    let (path, query) = file.url.split_once('?').map_or((file.url.as_str(), None), |(p, q)| (p, Some(q)));
    Artifact {
        kind: ArtifactKind::Archive,
        filename: format!("{}.metadata", file.filename),
        url: query.map_or_else(|| format!("{path}.metadata"), |q| format!("{path}.metadata?{q}")),
        digests: Vec::new(),
        size: None,
        published_at: file.upload_time,
    }
}

/// The metadata file of a file, when the index said which digest it has.
fn metadata_artifact(file: &File, package: &PackageId) -> Option<Arc<Planned>> {
    let Advertised::Hashed(digest) = &file.core_metadata else { return None };
    if digest.algorithm().is_weak() {
        return None;
    }
    let artifact = Artifact { digests: vec![digest.clone()], ..artifact_of_metadata(file) };
    Some(Arc::new(Planned { package: package.clone(), artifact }))
}

/// Begins to fetch: of each release the file that an installer most likely chooses, and its metadata.
pub(super) fn fetch_ahead(shared: &Arc<Shared>) {
    let mut names: Vec<PackageName> = Vec::new();
    for release in shared.closed.releases() {
        if let Some(planned) = release.iter().min_by_key(|p| unlikely(&p.artifact.filename)) {
            names.push(planned.package.name.clone());
            shared.artifacts.ahead(planned);
        }
    }
    let Some(index) = index_of(shared) else { return };
    let shared = Arc::clone(shared);
    // Pages are remembered; what is not is asked for here and not waited for.
    let ahead = move || {
        for name in names {
            let Ok(project) = index.project(&name) else { continue };
            for file in project.files.iter() {
                if let Some(planned) = shared.closed.at(&file.url())
                    && let Some(metadata) = metadata_artifact(&file.to_file(), &planned.package)
                {
                    shared.artifacts.ahead(&metadata);
                }
            }
        }
    };
    // Without a thread everything still comes when it is asked for.
    let _ = std::thread::Builder::new().name("ahead".to_owned()).spawn(ahead);
}

/// Orders the files of one release that an interpreter can use: what is built for it first, what runs anywhere last.
fn unlikely(filename: &str) -> u8 {
    match filename {
        f if f.ends_with("-none-any.whl") => 1,
        f if f.ends_with(".whl") => 0,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn a_value_is_no_field() {
        let core = CoreMetadata {
            name: "a\nRequires-Dist: evil".to_owned(),
            version: "1".to_owned(),
            ..CoreMetadata::default()
        };
        assert_eq!(written(&core), "Metadata-Version: 2.1\nName: a\nVersion: 1\n");
    }

    #[test]
    fn metadata_urls() {
        assert_eq!(metadata_of("https://h/a.whl.metadata").as_deref(), Some("https://h/a.whl"));
        assert_eq!(metadata_of("https://h/a.whl.metadata?t=1").as_deref(), Some("https://h/a.whl?t=1"));
        assert_eq!(metadata_of("https://h/a.whl"), None);
        assert_eq!(filename_of("https://h/x/a%2B1.whl?x#y"), "a+1.whl");
    }
}
