//! Registries on 127.0.0.1, for tests: a PyPI-like index, an npm registry and a sparse crate index from descriptions
//! in memory, with faults on request and a log of what was asked.
//!
//! ```text
//! /simple/NAME/        JSON or HTML by Accept      /files/FILE, /files/FILE.metadata   with ranges
//! /html/NAME/          HTML only                   /pypi/NAME/json                     upload times
//! /npm/NAME            packument                   /npm/NAME/-/BASE-VERSION.tgz        tarball
//! /index/config.json, /index/se/rd/serde           /crates/NAME/VERSION/download       archive
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use serde_json::{Value, json};
use tidewaiter::model::Digest;

/// How an answer goes wrong.
#[derive(Debug, Clone)]
#[allow(clippy::allow_attributes, dead_code, reason = "each test module uses a part of these")]
pub enum Fault {
    /// This status, with an empty body.
    Status(u16),
    /// This status, with `Retry-After`.
    RetryAfter(u16, &'static str),
    /// 200 and this body, in place of the right one.
    Garbage(&'static str),
    /// Half of the body, and then the connection closes.
    Truncated,
    /// Half of the body, and then nothing more.
    Stall,
    /// The right body, in pieces with so many milliseconds between them.
    Slow(u64),
    /// Nothing at all.
    NeverAnswers,
    /// So many bytes of body, in place of the right one.
    Oversized(u64),
    /// A redirect to this URL.
    RedirectTo(String),
    /// The right body with this content type.
    ContentType(&'static str),
    /// The right body, compressed.
    Gzip,
    /// So many zeros, compressed.
    GzipBomb(u64),
    /// The right body, with this header too.
    Header(&'static str, &'static str),
    /// `Range` is ignored.
    IgnoreRange,
    /// Neither `ETag` nor 304.
    NoValidators,
    /// The digest of the served bytes is not the announced one: one byte is changed.
    BentByte,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The path, as sent.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Logged {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone)]
struct Content {
    media_type: &'static str,
    body: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    content: BTreeMap<String, Content>,
    python: BTreeMap<String, Vec<Dist>>,
    npm: BTreeMap<String, Value>,
    faults: Vec<(String, VecDeque<Fault>, bool)>,
    log: Vec<Logged>,
    password: Option<(String, String)>,
}

/// A running server; it ends with the test process.
#[derive(Debug, Clone)]
pub struct Loopback {
    /// `http://127.0.0.1:PORT`, without a `/` at its end.
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// A Python distribution to serve.
#[derive(Debug, Clone)]
pub struct Dist {
    name: String,
    version: String,
    filename: String,
    requires: Vec<String>,
    requires_python: Option<String>,
    uploaded: Option<String>,
    yanked: Option<String>,
    advertised: bool,
    metadata_served: bool,
    metadata_version: &'static str,
    dynamic: Vec<String>,
    members: Vec<(String, Vec<u8>)>,
}

#[allow(clippy::allow_attributes, dead_code, reason = "each test module uses a part of these")]
impl Dist {
    /// `NAME-VERSION-py3-none-any.whl`, uploaded in 2020, its metadata served and advertised.
    pub fn wheel(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            filename: format!("{}-{version}-py3-none-any.whl", name.replace('-', "_")),
            requires: Vec::new(),
            requires_python: None,
            uploaded: Some("2020-01-01T00:00:00.000000Z".to_owned()),
            yanked: None,
            advertised: true,
            metadata_served: true,
            metadata_version: "2.2",
            dynamic: Vec::new(),
            members: Vec::new(),
        }
    }

    /// `NAME-VERSION.tar.gz`, with static metadata.
    pub fn sdist(name: &str, version: &str) -> Self {
        let filename = format!("{}-{version}.tar.gz", name.replace('-', "_"));
        Self { filename, advertised: false, metadata_served: false, ..Self::wheel(name, version) }
    }

    /// Another file name: other tags, another spelling.
    pub fn filename(mut self, filename: &str) -> Self {
        filename.clone_into(&mut self.filename);
        self
    }

    /// `Requires-Dist`.
    pub fn requires(mut self, requirements: &[&str]) -> Self {
        self.requires.extend(requirements.iter().map(|r| (*r).to_owned()));
        self
    }

    /// `Requires-Python`.
    pub fn python(mut self, specifier: &str) -> Self {
        self.requires_python = Some(specifier.to_owned());
        self
    }

    /// When it was uploaded, RFC 3339.
    pub fn uploaded(mut self, time: &str) -> Self {
        self.uploaded = Some(time.to_owned());
        self
    }

    /// The index does not say when.
    pub fn without_time(mut self) -> Self {
        self.uploaded = None;
        self
    }

    /// Yanked, with a reason.
    pub fn yanked(mut self, reason: &str) -> Self {
        self.yanked = Some(reason.to_owned());
        self
    }

    /// `.metadata` is served, and the index does not say so.
    pub fn unadvertised(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// There is no `.metadata` file, and the index does not say that there is.
    pub fn without_metadata_file(mut self) -> Self {
        self.advertised = false;
        self.metadata_served = false;
        self
    }

    /// `Metadata-Version` and `Dynamic`, for sdists.
    pub fn metadata(mut self, version: &'static str, dynamic: &[&str]) -> Self {
        self.metadata_version = version;
        self.dynamic = dynamic.iter().map(|d| (*d).to_owned()).collect();
        self
    }

    /// A further member of the archive.
    pub fn member(mut self, path: &str, bytes: &[u8]) -> Self {
        self.members.push((path.to_owned(), bytes.to_owned()));
        self
    }

    fn core_metadata(&self) -> String {
        let mut out =
            format!("Metadata-Version: {}\nName: {}\nVersion: {}\n", self.metadata_version, self.name, self.version);
        let mut field = |name: &str, values: &[String]| {
            for value in values {
                out.push_str(&format!("{name}: {value}\n"));
            }
        };
        field("Requires-Python", self.requires_python.as_slice());
        field("Requires-Dist", &self.requires);
        field("Dynamic", &self.dynamic);
        out + "\nA description.\n"
    }

    fn bytes(&self) -> Vec<u8> {
        let stem = format!("{}-{}", self.name.replace('-', "_"), self.version);
        let metadata = self.core_metadata();
        let members = self.members.iter().map(|(path, bytes)| (path.clone(), bytes.clone()));
        if self.filename.ends_with(".whl") {
            let own = (format!("{stem}.dist-info/METADATA"), metadata.into_bytes());
            zip_of(members.chain([own]))
        } else {
            targz_of(members.chain([(format!("{stem}/PKG-INFO"), metadata.into_bytes())]))
        }
    }
}

fn zip_of(members: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default_for_write());
    for (name, bytes) in members {
        out.start_file(name, options).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn targz_of(members: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[allow(clippy::allow_attributes, dead_code, reason = "each test module uses a part of these")]
impl Loopback {
    /// Starts a server with nothing on it.
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        let port = super::serve(move |request| answer(Arc::clone(&served), request));
        Self { url: format!("http://127.0.0.1:{port}"), state }
    }

    /// Serves a Python distribution, on `/simple/`, `/html/`, `/files/` and `/pypi/`.
    pub fn python(&self, dist: Dist) -> &Self {
        let bytes = dist.bytes();
        let path = format!("/files/{}", dist.filename);
        if dist.metadata_served {
            self.raw(&format!("{path}.metadata"), "application/octet-stream", dist.core_metadata().into_bytes());
        }
        self.raw(&path, "application/octet-stream", bytes);
        let canonical = tidewaiter::model::normalise_name(tidewaiter::model::Ecosystem::PyPI, &dist.name);
        self.state.lock().unwrap().python.entry(canonical).or_default().push(dist);
        self
    }

    /// Serves one version of an npm package: `manifest` is its package.json without name, version and dist.
    pub fn npm(&self, name: &str, version: &str, published: &str, manifest: Value) -> &Self {
        self.npm_with(name, version, published, manifest, &[])
    }

    /// [`Loopback::npm`] with files beside the package.json.
    pub fn npm_with(
        &self,
        name: &str,
        version: &str,
        published: &str,
        manifest: Value,
        members: &[(&str, &str)],
    ) -> &Self {
        let mut manifest = manifest;
        manifest["name"] = json!(name);
        manifest["version"] = json!(version);
        let base = name.rsplit('/').next().unwrap();
        let package = serde_json::to_vec(&manifest).unwrap();
        let members = members.iter().map(|(path, text)| (format!("package/{path}"), text.as_bytes().to_vec()));
        let tarball = targz_of([("package/package.json".to_owned(), package)].into_iter().chain(members));
        let path = format!("/npm/{name}/-/{base}-{version}.tgz");
        let integrity = {
            use sha2::Digest as _;
            let bytes = sha2::Sha512::digest(&tarball).to_vec();
            Digest::from_bytes(tidewaiter::model::DigestAlgorithm::Sha512, &bytes).unwrap().sri()
        };
        if manifest.get("dist").is_none() {
            manifest["dist"] = json!({});
        }
        manifest["dist"]["tarball"] = json!(format!("{}{path}", self.url));
        manifest["dist"]["integrity"] = json!(integrity);
        self.raw(&path, "application/octet-stream", tarball);
        let mut state = self.state.lock().unwrap();
        let packument = state
            .npm
            .entry(name.to_owned())
            .or_insert_with(|| json!({"_id": name, "name": name, "dist-tags": {}, "versions": {}, "time": {}}));
        packument["versions"][version] = manifest;
        packument["dist-tags"]["latest"] = json!(version);
        packument["time"][version] = json!(published);
        if packument["time"].get("created").is_none() {
            packument["time"]["created"] = json!(published);
        }
        let body = serde_json::to_vec(packument).unwrap();
        let content = Content { media_type: "application/json", body };
        state.content.insert(format!("/npm/{}", name.replacen('/', "%2f", 1)), content);
        drop(state);
        self
    }

    /// Serves one version of a crate. `line` is its index line without name, vers and cksum; `members` are files of
    /// the archive below `NAME-VERSION/`, to which a Cargo.toml is added when none is there.
    pub fn krate(&self, name: &str, version: &str, line: Value, members: &[(&str, &str)]) -> &Self {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n");
        let mut files: Vec<(String, Vec<u8>)> = members
            .iter()
            .map(|(path, text)| (format!("{name}-{version}/{path}"), text.as_bytes().to_owned()))
            .collect();
        if !members.iter().any(|(path, _)| *path == "Cargo.toml") {
            files.push((format!("{name}-{version}/Cargo.toml"), manifest.into_bytes()));
        }
        let archive = targz_of(files.into_iter());
        let mut line = line;
        line["name"] = json!(name);
        line["vers"] = json!(version);
        line["cksum"] = json!(Digest::sha256_of(&archive).hex());
        for (key, default) in [("deps", json!([])), ("features", json!({})), ("yanked", json!(false))] {
            if line.get(key).is_none() {
                line[key] = default;
            }
        }
        self.raw(&format!("/crates/{name}/{version}/download"), "application/octet-stream", archive);
        let config = json!({"dl": format!("{}/crates", self.url), "api": self.url});
        self.raw("/index/config.json", "application/json", serde_json::to_vec(&config).unwrap());
        let path = format!("/index/{}", tidewaiter::registry::crate_index::index_path(name));
        let mut state = self.state.lock().unwrap();
        let content = state.content.entry(path).or_insert(Content { media_type: "text/plain", body: Vec::new() });
        content.body.extend(serde_json::to_vec(&line).unwrap());
        content.body.push(b'\n');
        drop(state);
        self
    }

    /// Serves these bytes at this path.
    pub fn raw(&self, path: &str, media_type: &'static str, body: Vec<u8>) -> &Self {
        self.state.lock().unwrap().content.insert(path.to_owned(), Content { media_type, body });
        self
    }

    /// Serves nothing any more.
    pub fn forget(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// The bytes that are served at this path.
    pub fn body(&self, path: &str) -> Vec<u8> {
        self.state.lock().unwrap().content[path].body.clone()
    }

    /// The SHA-256 of what is served at this path, in hex.
    pub fn sha256(&self, path: &str) -> String {
        Digest::sha256_of(&self.body(path)).hex()
    }

    /// Every answer to a path that begins so goes wrong.
    pub fn always(&self, path: &str, fault: Fault) -> &Self {
        self.state.lock().unwrap().faults.push((path.to_owned(), [fault].into(), true));
        self
    }

    /// The next answers to a path that begins so go wrong, one after the other; the ones after them are right.
    pub fn next(&self, path: &str, faults: &[Fault]) -> &Self {
        self.state.lock().unwrap().faults.push((path.to_owned(), faults.iter().cloned().collect(), false));
        self
    }

    /// No fault any more.
    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Everything wants this user and password (Basic), or with an empty user this exact `Authorization`.
    pub fn password(&self, user: &str, password: &str) -> &Self {
        self.state.lock().unwrap().password = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// What was asked so far.
    pub fn log(&self) -> Vec<Logged> {
        self.state.lock().unwrap().log.clone()
    }

    /// The paths asked so far, in order.
    pub fn paths(&self) -> Vec<String> {
        self.log().into_iter().map(|l| l.path).collect()
    }

    /// Forgets the log.
    pub fn clear_log(&self) {
        self.state.lock().unwrap().log.clear();
    }

    /// Base URL of the simple index.
    pub fn simple(&self) -> String {
        format!("{}/simple/", self.url)
    }

    /// Base URL of the npm registry.
    pub fn npm_url(&self) -> String {
        format!("{}/npm/", self.url)
    }

    /// Base URL of the sparse index, without `sparse+`.
    pub fn index(&self) -> String {
        format!("{}/index/", self.url)
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

fn whole(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}).boxed()
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(k, v)| (k.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default();
    let logged = Logged { path, headers, body };
    let (reply, fault) = {
        let mut state = state.lock().unwrap();
        state.log.push(logged.clone());
        (content(&state, &logged), state.fault(&logged.path))
    };
    if matches!(fault, Some(Fault::NeverAnswers)) {
        std::future::pending::<()>().await;
    }
    Ok(reply_with(reply, &logged, fault))
}

impl State {
    fn fault(&mut self, path: &str) -> Option<Fault> {
        for (prefix, faults, always) in &mut self.faults {
            if path.starts_with(prefix.as_str()) {
                let fault = if *always { faults.front().cloned() } else { faults.pop_front() };
                if fault.is_some() {
                    return fault;
                }
            }
        }
        None
    }
}

/// The right answer: status and content.
fn content(state: &State, request: &Logged) -> (u16, Content) {
    let refused = |status| (status, Content { media_type: "text/plain", body: Vec::new() });
    if let Some((user, password)) = &state.password {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let wanted = if user.is_empty() { password.clone() } else { format!("Basic {pair}") };
        match request.header("authorization") {
            None => return refused(401),
            Some(given) if given != wanted => return refused(403),
            Some(_) => {}
        }
    }
    if let Some(content) = state.content.get(&request.path) {
        return (200, content.clone());
    }
    let project = |prefix: &str, suffix: &str| {
        let name = request.path.strip_prefix(prefix)?.strip_suffix(suffix)?;
        state.python.get(name)
    };
    let host = request.header("host").unwrap_or_default();
    let json = request.header("accept").is_some_and(|a| a.contains("json"));
    if let Some(dists) = project("/simple/", "/") {
        return (200, if json { json_page(dists, state) } else { html_page(dists, host, state) });
    }
    if let Some(dists) = project("/html/", "/") {
        return (200, html_page(dists, host, state));
    }
    if let Some(dists) = project("/pypi/", "/json") {
        let files: Vec<Value> =
            dists.iter().map(|d| json!({"filename": d.filename, "upload_time_iso_8601": d.uploaded})).collect();
        let body = serde_json::to_vec(&json!({"info": {}, "releases": {"all": files}})).unwrap();
        return (200, Content { media_type: "application/json", body });
    }
    refused(404)
}

fn digest_of(state: &State, path: &str) -> String {
    state.content.get(path).map(|c| Digest::sha256_of(&c.body).hex()).unwrap_or_default()
}

fn json_page(dists: &[Dist], state: &State) -> Content {
    let files: Vec<Value> = dists
        .iter()
        .map(|d| {
            let path = format!("/files/{}", d.filename);
            let mut file = json!({
                "filename": d.filename, "url": format!("../..{path}"), "requires-python": d.requires_python,
                "hashes": {"sha256": digest_of(state, &path)}, "size": state.content[&path].body.len(),
                "yanked": d.yanked.as_ref().map_or(json!(false), |y| json!(y)),
            });
            if let Some(time) = &d.uploaded {
                file["upload-time"] = json!(time);
            }
            if d.advertised {
                file["core-metadata"] = json!({"sha256": digest_of(state, &format!("{path}.metadata"))});
            }
            file
        })
        .collect();
    let page = json!({"meta": {"api-version": "1.1"}, "name": dists[0].name, "files": files, "versions": []});
    Content { media_type: "application/vnd.pypi.simple.v1+json", body: serde_json::to_vec(&page).unwrap() }
}

fn html_page(dists: &[Dist], host: &str, state: &State) -> Content {
    let mut out =
        "<!DOCTYPE html><html><head><meta name=\"pypi:repository-version\" content=\"1.1\"></head><body>\n".to_owned();
    let escape = |t: &str| t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for d in dists {
        let path = format!("/files/{}", d.filename);
        let sha = digest_of(state, &path);
        out.push_str(&format!("<a href=\"http://{host}{path}#sha256={sha}\""));
        if let Some(specifier) = &d.requires_python {
            out.push_str(&format!(" data-requires-python=\"{}\"", escape(specifier)));
        }
        if let Some(reason) = &d.yanked {
            out.push_str(&format!(" data-yanked=\"{}\"", escape(reason)));
        }
        if d.advertised {
            out.push_str(&format!(" data-core-metadata=\"sha256={}\"", digest_of(state, &format!("{path}.metadata"))));
        }
        out.push_str(&format!(">{}</a><br>\n", d.filename));
    }
    Content { media_type: "text/html; charset=utf-8", body: (out + "</body></html>").into_bytes() }
}

/// The right answer, with what is wrong about it.
fn reply_with((status, content): (u16, Content), request: &Logged, fault: Option<Fault>) -> hyper::Response<Body> {
    let mut builder = hyper::Response::builder().header("content-type", content.media_type);
    let etag = format!("\"{}\"", Digest::sha256_of(&content.body).hex());
    let validators = status == 200 && !matches!(fault, Some(Fault::NoValidators));
    if validators {
        builder = builder.header("etag", &etag);
    }
    let empty = || whole(Vec::new());
    match fault {
        Some(Fault::Status(status)) => return builder.status(status).body(empty()).unwrap(),
        Some(Fault::RetryAfter(status, wait)) => {
            return builder.status(status).header("retry-after", wait).body(empty()).unwrap();
        }
        Some(Fault::Garbage(text)) => return builder.body(whole(text.as_bytes().to_vec())).unwrap(),
        Some(Fault::RedirectTo(url)) => return builder.status(302).header("location", url).body(empty()).unwrap(),
        Some(Fault::Oversized(total)) => {
            let piece = Bytes::from(vec![b' '; 64 << 10]);
            let pieces = stream::iter((0..total.div_ceil(64 << 10)).map(move |_| Ok(Frame::data(piece.clone()))));
            return builder.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap();
        }
        Some(Fault::GzipBomb(total)) => {
            // Blanks, which may stand in front of any document.
            let blanks = vec![b' '; usize::try_from(total).unwrap()];
            return builder.header("content-encoding", "gzip").body(whole(gzip(&blanks))).unwrap();
        }
        Some(Fault::Gzip) => {
            return builder.header("content-encoding", "gzip").body(whole(gzip(&content.body))).unwrap();
        }
        Some(Fault::Truncated) => {
            let half = Bytes::copy_from_slice(&content.body[..content.body.len() / 2]);
            let pieces = stream::iter([Ok(Frame::data(half)), Err(std::io::Error::other("broken off"))]);
            return builder.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap();
        }
        Some(Fault::Stall) => {
            let half = Bytes::copy_from_slice(&content.body[..content.body.len() / 2]);
            let pieces = stream::iter([Ok(Frame::data(half))]).chain(stream::pending());
            return builder.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap();
        }
        Some(Fault::Slow(pause)) => {
            let size = content.body.len().div_ceil(10).max(1);
            let pieces: Vec<Bytes> = content.body.chunks(size).map(Bytes::copy_from_slice).collect();
            let slowly = stream::iter(pieces).then(move |piece| async move {
                tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                Ok(Frame::data(piece))
            });
            return builder.status(status).body(BodyExt::boxed(StreamBody::new(slowly))).unwrap();
        }
        Some(Fault::ContentType(media_type)) => {
            let builder = hyper::Response::builder().header("content-type", media_type);
            return builder.status(status).body(whole(content.body)).unwrap();
        }
        Some(Fault::Header(name, value)) => builder = builder.header(name, value),
        Some(Fault::BentByte) => {
            let mut body = content.body;
            if let Some(byte) = body.first_mut() {
                *byte ^= 0x20;
            }
            return builder.body(whole(body)).unwrap();
        }
        Some(Fault::IgnoreRange) => return builder.status(status).body(whole(content.body)).unwrap(),
        Some(Fault::NoValidators | Fault::NeverAnswers) | None => {}
    }
    if validators && request.header("if-none-match") == Some(&etag) {
        return builder.status(304).body(empty()).unwrap();
    }
    let range = request.header("range").and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
    if let Some((first, last)) = range.filter(|_| status == 200) {
        let total = content.body.len();
        let first: usize = first.parse().unwrap();
        let last = last.parse::<usize>().unwrap().min(total.saturating_sub(1));
        if first >= total {
            return builder.status(416).body(empty()).unwrap();
        }
        return builder
            .status(206)
            .header("content-range", format!("bytes {first}-{last}/{total}"))
            .body(whole(content.body[first..=last].to_vec()))
            .unwrap();
    }
    builder.status(status).body(whole(content.body)).unwrap()
}
