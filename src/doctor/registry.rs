//! The registry of the canaries, on the loopback, in this process: two toy packages in each ecosystem.
//!
//! In: nothing. Out: a URL for each ecosystem. It ends with the process.
//!
//! ```text
//! /simple/NAME/   /files/FILE     a simple index, HTML or JSON
//! /npm/NAME       /npm/NAME/-/…   packuments and tarballs
//! /index/…        /crates/…       a sparse index and archives
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Cursor, Error, Write as _};
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::model::{Digest, DigestAlgorithm};

/// The package that is cleared.
pub const PASSES: &str = "tidewaiter-canary-pass";
/// The package that an advisory of the trial's own calls malicious.
pub const STOPPED: &str = "tidewaiter-canary-stop";
/// The only version of either.
pub const VERSION: &str = "1.0.0";
/// Older than any cooldown.
const PUBLISHED: &str = "2020-01-01T00:00:00Z";

/// Path → media type and body. A key that ends in ` json` is the JSON form of the page before the space.
type Pages = BTreeMap<String, (&'static str, Vec<u8>)>;

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    url: String,
}

impl Registry {
    /// Starts it.
    pub fn start() -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let pages = Arc::new(pages(&url)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("canaries".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                while let Ok((connection, _)) = listener.accept().await {
                    let pages = Arc::clone(&pages);
                    let service = hyper::service::service_fn(move |request| {
                        let answer = answer(&pages, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let io = hyper_util::rt::TokioIo::new(connection);
                    // A client that goes away is no concern of the server's.
                    tokio::spawn(async move {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    });
                }
            });
        })?;
        Ok(Self { url })
    }

    /// The simple index.
    pub fn simple(&self) -> String {
        format!("{}/simple/", self.url)
    }

    /// The npm registry.
    pub fn npm(&self) -> String {
        format!("{}/npm/", self.url)
    }

    /// The sparse index, as cargo writes one.
    pub fn index(&self) -> String {
        format!("sparse+{}/index/", self.url)
    }
}

fn answer(pages: &Pages, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().replace("%2F", "%2f");
    let accept = request.headers().get("accept").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let as_json = accept.contains("json").then(|| pages.get(&format!("{path} json"))).flatten();
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    match as_json.or_else(|| pages.get(&path)) {
        Some((media_type, body)) => {
            headers.insert("content-type", hyper::header::HeaderValue::from_static(media_type));
            *response.body_mut() = Full::new(Bytes::copy_from_slice(body));
        }
        None => *response.status_mut() = hyper::StatusCode::NOT_FOUND,
    }
    response
}

fn pages(url: &str) -> std::io::Result<Pages> {
    let mut pages = Pages::new();
    let dl = json!({"dl": format!("{url}/crates"), "api": url});
    pages.insert("/index/config.json".to_owned(), ("application/json", dl.to_string().into_bytes()));
    for name in [PASSES, STOPPED] {
        python(&mut pages, name)?;
        npm(&mut pages, name, url)?;
        krate(&mut pages, name)?;
    }
    Ok(pages)
}

/// A wheel with one module and one program of the package's name, which prints it.
fn python(pages: &mut Pages, name: &str) -> std::io::Result<()> {
    let module = name.replace('-', "_");
    let info = format!("{module}-{VERSION}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n");
    let members = [
        (format!("{module}.py"), format!("def main():\n    print(\"{name}\")\n")),
        (format!("{info}/entry_points.txt"), format!("[console_scripts]\n{name} = {module}:main\n")),
        (format!("{info}/METADATA"), metadata.clone()),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: tidewaiter\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n"
                .to_owned(),
        ),
        (format!("{info}/RECORD"), String::new()),
    ];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default_for_write());
    for (path, text) in members {
        zip.start_file(path, options).map_err(Error::other)?;
        zip.write_all(text.as_bytes())?;
    }
    let wheel = zip.finish().map_err(Error::other)?.into_inner();
    let filename = format!("{module}-{VERSION}-py2.py3-none-any.whl");
    let sha = Digest::sha256_of(&wheel).hex();
    let meta = Digest::sha256_of(metadata.as_bytes()).hex();
    let html = format!(
        "<!DOCTYPE html><html><body><a href=\"../../files/{filename}#sha256={sha}\" \
         data-core-metadata=\"sha256={meta}\">{filename}</a></body></html>"
    );
    let page = json!({
        "meta": {"api-version": "1.1"}, "name": name, "versions": [VERSION],
        "files": [{
            "filename": filename, "url": format!("../../files/{filename}"), "hashes": {"sha256": sha},
            "size": wheel.len(), "upload-time": PUBLISHED, "yanked": false, "core-metadata": {"sha256": meta},
        }],
    });
    let at = format!("/simple/{name}/");
    pages.insert(format!("{at} json"), ("application/vnd.pypi.simple.v1+json", page.to_string().into_bytes()));
    pages.insert(at, ("text/html; charset=utf-8", html.into_bytes()));
    pages.insert(format!("/files/{filename}.metadata"), ("application/octet-stream", metadata.into_bytes()));
    pages.insert(format!("/files/{filename}"), ("application/octet-stream", wheel));
    Ok(())
}

/// A package with one program of its name, which prints it.
fn npm(pages: &mut Pages, name: &str, url: &str) -> std::io::Result<()> {
    let mut manifest = json!({"name": name, "version": VERSION, "bin": "index.js", "license": "MIT"});
    let program = format!("#!/usr/bin/env node\nconsole.log({name:?});\n");
    let tarball = archive(&[
        ("package/package.json".to_owned(), manifest.to_string()),
        ("package/index.js".to_owned(), program),
    ])?;
    let path = format!("/npm/{name}/-/{name}-{VERSION}.tgz");
    let sha512 = Digest::from_bytes(DigestAlgorithm::Sha512, &sha2::Sha512::digest(&tarball));
    let integrity = sha512.map_err(Error::other)?.sri();
    manifest["bin"] = json!({name: "index.js"});
    manifest["dist"] = json!({"tarball": format!("{url}{path}"), "integrity": integrity});
    let packument = json!({
        "_id": name, "name": name, "dist-tags": {"latest": VERSION}, "versions": {VERSION: manifest},
        "time": {"created": PUBLISHED, "modified": PUBLISHED, VERSION: PUBLISHED},
    });
    pages.insert(format!("/npm/{name}"), ("application/json", packument.to_string().into_bytes()));
    pages.insert(path, ("application/octet-stream", tarball));
    Ok(())
}

/// A library crate with nothing in it.
fn krate(pages: &mut Pages, name: &str) -> std::io::Result<()> {
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"{VERSION}\"\nedition = \"2021\"\n");
    let root = format!("{name}-{VERSION}");
    let archive = archive(&[(format!("{root}/Cargo.toml"), manifest), (format!("{root}/src/lib.rs"), String::new())])?;
    let line: Value = json!({
        "name": name, "vers": VERSION, "deps": [], "features": {}, "yanked": false, "pubtime": PUBLISHED,
        "cksum": Digest::sha256_of(&archive).hex(),
    });
    // Both names are ASCII and longer than three characters.
    let shelf = |from: usize| name.get(from..from + 2).unwrap_or_default();
    let at = format!("/index/{}/{}/{name}", shelf(0), shelf(2));
    pages.insert(at, ("text/plain", format!("{line}\n").into_bytes()));
    pages.insert(format!("/crates/{name}/{VERSION}/download"), ("application/octet-stream", archive));
    Ok(())
}

fn archive(members: &[(String, String)]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(if path.ends_with(".js") { 0o755 } else { 0o644 });
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes())?;
    }
    tar.into_inner()?.finish()
}

/// An OSV record that calls [`STOPPED`] malicious, in every ecosystem.
pub fn advisory() -> Value {
    let affected =
        |ecosystem: &str| json!({"package": {"ecosystem": ecosystem, "name": STOPPED}, "versions": [VERSION]});
    json!({
        "schema_version": "1.6.0", "id": "MAL-0000-0001", "modified": "2020-01-02T00:00:00Z",
        "published": "2020-01-02T00:00:00Z", "summary": "a canary: this install must be stopped",
        "affected": [affected("PyPI"), affected("npm"), affected("crates.io")],
    })
}
