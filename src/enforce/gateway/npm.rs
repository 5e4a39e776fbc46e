//! The gateway's npm routes, below `/SECRET/npm/`: packuments that hold the plan's versions and no others, the plan's
//! tarballs, and an answer for the rest of what npm, pnpm, yarn and bun ask a registry.
//!
//! A packument is the registry's own document of this moment with versions left out, so that what a tool writes into a
//! lockfile is what it would have written anyway; a version whose metadata are no longer those that were judged is left
//! out too. npm replaces the host of a tarball's URL by the registry's, so tarballs are known by the path alone. pnpm,
//! yarn and bun take the URL as it stands: they are given a registry whose own URL is carried
//! (`npm/~/https/registry.npmjs.org/`), and in its packuments the tarballs' URLs are carried too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::answer::{self, Body};
use super::artifacts::Delivery;
use super::closed::{Closed, Planned};
use super::{Asked, Shared};
use crate::ecosystem::npm::semver;
use crate::enforce::{Job, Refused, Upstream, cacache};
use crate::model::{Ecosystem, Environment, PackageName};
use crate::registry::http::{Post, Request};
use crate::registry::npm::{Packument, Version};
use crate::registry::npm_registry::is_public;
use crate::registry::{FetchError, NpmRegistry, packument};

/// Packuments larger than this are refused, as when they are judged: 256 MiB.
const PACKUMENT_MAX: u64 = 256 << 20;
const FULL: &str = "application/json";
const SHORT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/// The plan's tarballs by the path of their URL, decoded and without its first slash.
#[derive(Debug, Default)]
pub struct Paths(HashMap<String, Vec<Arc<Planned>>>);

impl Paths {
    /// Of a plan.
    pub fn new(closed: &Closed) -> Self {
        let mut out: HashMap<String, Vec<Arc<Planned>>> = HashMap::new();
        for planned in closed.releases().flatten() {
            if planned.package.name.ecosystem() == Ecosystem::Npm
                && let Ok(url) = url::Url::parse(&planned.artifact.url)
            {
                out.entry(decoded(url.path().trim_start_matches('/'))).or_default().push(Arc::clone(planned));
            }
        }
        Self(out)
    }
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Answers a request below the route.
pub(super) async fn answer(shared: &Arc<Shared>, asked: Asked) -> Response<Body> {
    let Some(rest) = asked.path.strip_prefix("~/") else {
        let path = decoded(&asked.path);
        return below(shared, &asked, &path, None).await;
    };
    let url = Shared::carried(&asked, rest).unwrap_or_default();
    if let Some(planned) = shared.closed.at(&url).cloned() {
        return file(shared, &asked, &planned).await;
    }
    match within_registry(&shared.upstream, &url) {
        Some((registry, path)) => below(shared, &asked, &decoded(&path), Some(&registry)).await,
        None => shared.refuse(unknown(&decoded(rest))),
    }
}

/// Where yarn 1 and later ask, when nobody says otherwise: the same registry as npm's, in other words.
const YARN: &str = "https://registry.yarnpkg.com/";

/// The user's registry that a URL lies in, with a slash at its end, and the path in it.
pub(super) fn within_registry(upstream: &Upstream, url: &str) -> Option<(String, String)> {
    let Upstream::Npm { scopes, .. } = upstream else { return None };
    let own = std::iter::once(&scopes.default).chain(scopes.scoped.values());
    let mut bases: Vec<String> = own.map(|url| format!("{}/", url.as_str().trim_end_matches('/'))).collect();
    if is_public(&scopes.default) {
        bases.extend([YARN, crate::registry::NPM_DEFAULT].map(|url| format!("{}/", url.trim_end_matches('/'))));
    }
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let found = bases.into_iter().filter(|base| url.starts_with(base.as_str())).max_by_key(String::len)?;
    let path = url.get(found.len()..)?.to_owned();
    Some((found, path))
}

/// Answers what is asked of one registry: the path in it, and its URL where that is carried.
async fn below(shared: &Arc<Shared>, asked: &Asked, path: &str, carried: Option<&str>) -> Response<Body> {
    let path = path.trim_matches('/');
    if let Some(service) = path.strip_prefix("-/") {
        return services(shared, asked, service).await;
    }
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return answer::status(StatusCode::METHOD_NOT_ALLOWED, "tidewaiter: nothing is published through this gate");
    }
    if let Some(tarball) = shared.paths.0.get(path) {
        return match one_of(tarball, asked) {
            Some(planned) => file(shared, asked, &planned).await,
            None => shared.refuse(unknown(path)),
        };
    }
    if path.contains("/-/") || path.ends_with(".tgz") {
        return match by_name(shared, path) {
            Ok(planned) => file(shared, asked, &planned).await,
            Err(refused) => shared.refuse(refused),
        };
    }
    let (name, rest) = split_name(path);
    let name = PackageName::new(Ecosystem::Npm, name);
    if !name.is_well_formed() {
        return answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here");
    }
    document(shared, asked, name, rest, carried).await
}

/// `@scope/name/rest` and `name/rest`.
fn split_name(path: &str) -> (&str, Option<&str>) {
    let from = if path.starts_with('@') { path.find('/').map_or(path.len(), |at| at + 1) } else { 0 };
    match path.get(from..).and_then(|p| p.find('/')) {
        Some(at) => (path.get(..from + at).unwrap_or(path), path.get(from + at + 1..).filter(|r| !r.is_empty())),
        None => (path, None),
    }
}

/// What is not about one package's contents.
async fn services(shared: &Arc<Shared>, asked: &Asked, service: &str) -> Response<Body> {
    match service {
        "ping" => answer::document(FULL, "{}"),
        ADVISORIES if shared.audits && asked.method == Method::POST => audit(shared, asked).await,
        // An empty answer would be printed as "found 0 vulnerabilities", which nobody looked for here.
        s if s.starts_with("npm/v1/security/") => {
            answer::status(StatusCode::NOT_FOUND, "tidewaiter: advisories were weighed before; this gate has no audit")
        }
        s if s.starts_with("v1/search") => shared.refuse(Refused {
            subject: "a search".to_owned(),
            reason: "is not part of an install, and is not passed on".to_owned(),
        }),
        s if s == "npm/v1/keys" || s.starts_with("npm/v1/attestations/") => passed(shared, asked, s).await,
        _ => answer::status(StatusCode::NOT_FOUND, "tidewaiter: this is not passed on"),
    }
}

/// Where npm asks for the advisories of what is in a tree.
const ADVISORIES: &str = "npm/v1/security/advisories/bulk";
/// The largest question and answer about advisories.
const ADVISORIES_MAX: u64 = 64 << 20;

/// The registry's own advisories, for `npm audit fix`: which releases it then takes, the plan decides. The registry is
/// not told of packages that come from another.
async fn audit(shared: &Arc<Shared>, asked: &Asked) -> Response<Body> {
    let Upstream::Npm { scopes, .. } = &shared.upstream else {
        return answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here");
    };
    let zipped = asked.header(header::CONTENT_ENCODING).contains("gzip");
    let Some(mut tree) = tree_of(&asked.body, zipped) else {
        return answer::status(StatusCode::BAD_REQUEST, "tidewaiter: this is no list of packages");
    };
    tree.retain(|name, _| {
        let name = PackageName::new(Ecosystem::Npm, name);
        name.is_well_formed() && scopes.url_of(&name) == &scopes.default
    });
    let url = format!("{}/-/{ADVISORIES}", scopes.default.as_str().trim_end_matches('/'));
    let body = Value::Object(tree).to_string().into_bytes();
    let post = Post { body: body.into(), headers: Vec::new() };
    let request = Request { post: Some(post), ..Request::get(&url, FULL, ADVISORIES_MAX) };
    match shared.fetch(request).await.and_then(crate::registry::http::Response::success) {
        Ok(response) => answer::document(FULL, response.body),
        Err(error) => shared.failed("the registry's advisories", &format!("could not be looked up: {error}")),
    }
}

/// Names with versions, as npm sends them.
fn tree_of(body: &[u8], zipped: bool) -> Option<Map<String, Value>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    match zipped {
        true => flate2::read::MultiGzDecoder::new(body).take(ADVISORIES_MAX).read_to_end(&mut text).ok()?,
        false => (&mut &*body).take(ADVISORIES_MAX).read_to_end(&mut text).ok()?,
    };
    serde_json::from_slice(&text).ok()
}

/// Signing keys, and the attestations of the plan's releases: the registry's own words.
async fn passed(shared: &Arc<Shared>, asked: &Asked, service: &str) -> Response<Body> {
    let absent = || answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here");
    let Upstream::Npm { scopes, .. } = &shared.upstream else { return absent() };
    let release = service.strip_prefix("npm/v1/attestations/");
    let base = match release {
        Some(release) => {
            let Some((name, version)) = release.rsplit_once('@') else { return absent() };
            let name = PackageName::new(Ecosystem::Npm, name);
            if shared.closed.release(&name, version).is_none() {
                return shared.refuse(shared.closed.missing(&name, Some(version)));
            }
            scopes.url_of(&name)
        }
        None => &scopes.default,
    };
    let Some((_, own)) = asked.path.split_once("-/") else { return absent() };
    let request = Request::get(&format!("{}/-/{own}", base.as_str().trim_end_matches('/')), FULL, PACKUMENT_MAX);
    match shared.fetch(request).await.and_then(crate::registry::http::Response::success) {
        Ok(response) => answer::document(FULL, response.body),
        Err(_) => absent(),
    }
}

fn unknown(path: &str) -> Refused {
    let subject = path.rsplit('/').next().unwrap_or(path).to_owned();
    Refused { subject, reason: "is not in the cleared plan".to_owned() }
}

/// Of several tarballs at one path of different hosts, the one that the tool says it wants (`pacote-integrity`).
fn one_of(tarballs: &[Arc<Planned>], asked: &Asked) -> Option<Arc<Planned>> {
    let (first, others) = tarballs.split_first()?;
    if others.iter().all(|other| other.artifact.digests == first.artifact.digests) {
        return Some(Arc::clone(first));
    }
    let wanted = asked.headers.get("pacote-integrity")?.to_str().ok()?;
    let wanted = crate::model::Digest::parse_sri_list(wanted);
    tarballs.iter().find(|t| wanted.iter().any(|d| t.artifact.digests.contains(d))).cloned()
}

/// A tarball by the name and version that its path says, for a lockfile that names another registry than the one that
/// was judged: `NAME/-/BASE-VERSION.tgz`, whatever stands before it.
fn by_name(shared: &Shared, path: &str) -> Result<Arc<Planned>, Refused> {
    let refused = || unknown(path);
    let (before, file) = path.rsplit_once("/-/").ok_or_else(refused)?;
    let mut parts = before.rsplit('/');
    let base = parts.next().ok_or_else(refused)?;
    let name = match parts.next() {
        Some(scope) if scope.starts_with('@') => format!("{scope}/{base}"),
        _ => base.to_owned(),
    };
    let name = PackageName::new(Ecosystem::Npm, &name);
    let version = file.strip_prefix(base).and_then(|v| v.strip_prefix('-')).and_then(|v| v.strip_suffix(".tgz"));
    let version = version.ok_or_else(refused)?;
    let release = shared.closed.release(&name, version);
    let planned = release.and_then(<[Arc<Planned>]>::first).cloned();
    planned.ok_or_else(|| shared.closed.missing(&name, Some(version)))
}

/// The bytes. They are named by their digest in whatever asked for them, so a tool may keep them.
async fn file(shared: &Arc<Shared>, asked: &Asked, planned: &Arc<Planned>) -> Response<Body> {
    let mut response = shared.artifact(planned, asked.range()).await;
    if response.status().is_success() {
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
        let url = shared.upstream.place(&planned.package, &planned.artifact.url);
        shared.keeps(&asked.whole, &url);
    }
    response
}

/// A packument, or one version of it (`NAME/VERSION`, `NAME/TAG`).
async fn document(
    shared: &Arc<Shared>,
    asked: &Asked,
    name: PackageName,
    version: Option<&str>,
    carried: Option<&str>,
) -> Response<Body> {
    if !shared.closed.has(&name) {
        return shared.refuse(shared.closed.missing(&name, version));
    }
    let short = version.is_none() && asked.header(header::ACCEPT).contains("application/vnd.npm.install-v1+json");
    let body = match packument_of(shared, &name, short, carried).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => return shared.refuse(refused),
        Err(FetchError::NotFound { .. }) => {
            return answer::status(StatusCode::NOT_FOUND, &format!("tidewaiter: {} is not there", name.written()));
        }
        Err(error) => return shared.failed(name.written(), &format!("could not be looked up: {error}")),
    };
    let Some(wanted) = version else {
        let media_type = if short { "application/vnd.npm.install-v1+json" } else { FULL };
        return answer::document(media_type, body);
    };
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let tagged = document.get("dist-tags").and_then(|t| t.get(wanted)).and_then(Value::as_str).unwrap_or(wanted);
    match document.get("versions").and_then(|v| v.get(tagged)) {
        Some(manifest) => answer::document(FULL, manifest.to_string()),
        None => shared.refuse(shared.closed.missing(&name, Some(tagged))),
    }
}

/// The registry's packument of now, with what was judged in it and nothing else.
/// Where nothing is left of it: why.
pub(super) async fn packument_of(
    shared: &Arc<Shared>,
    name: &PackageName,
    short: bool,
    carried: Option<&str>,
) -> Result<Result<Vec<u8>, Refused>, FetchError> {
    let absent = || FetchError::NotFound { registry: "this gateway".to_owned() };
    let Upstream::Npm { registry, scopes, .. } = &shared.upstream else { return Err(absent()) };
    let url = scopes.packument_url(name);
    let request = Request::get(&url, if short { SHORT } else { FULL }, PACKUMENT_MAX);
    let response = shared.fetch(request).await?.success()?;
    let (own, registry, name) = (Arc::clone(shared), Arc::clone(registry), name.clone());
    let carried = carried.map(str::to_owned);
    let filtered = tokio::task::spawn_blocking(move || {
        let versions: BTreeSet<String> = own.closed.versions(&name).map(|v| v.to_string()).collect();
        let judged = registry.packument_for_lock(&name, &versions).ok();
        let (mut document, changed) = filter(&response.body, &name, &own.closed, judged.as_deref())?;
        if let Some(registry) = &carried {
            carry_tarballs(&mut document, &|url| own.carry("npm", &in_words_of(registry, url)));
        }
        let body = serde_json::to_vec(&document).map_err(|e| e.to_string())?;
        let all = changed.len() == versions.len();
        let mut refused = None;
        for version in changed {
            let subject = format!("{} {version}", name.written());
            let reason = "is not shown: the registry changed it after it was judged".to_owned();
            own.remember(refused.insert(Refused { subject, reason }).clone());
        }
        Ok(match refused {
            Some(refused) if all => Err(refused),
            _ => Ok(body),
        })
    });
    let filtered = filtered.await.unwrap_or_else(|_| Err("an internal error".to_owned()));
    filtered.map_err(|reason| FetchError::Malformed { registry: crate::model::redact_url(&url), reason })
}

/// A packument with the versions of the plan that are still what was judged, and the versions that are not.
fn filter(
    body: &[u8],
    name: &PackageName,
    closed: &Closed,
    judged: Option<&Packument>,
) -> Result<(Map<String, Value>, Vec<String>), String> {
    let keep: BTreeSet<&str> = closed.versions(name).map(|v| &**v).collect();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut document = Reduced(&keep).deserialize(&mut reader).map_err(|e| format!("JSON: {e}"))?;
    reader.end().map_err(|e| format!("JSON: {e}"))?;
    let now = packument::read(&serde_json::to_vec(&document).unwrap_or_default(), name)?;
    let differs = |version: &&str| match now.versions.version(version) {
        Some(about) => {
            let planned = closed.release(name, version).unwrap_or_default();
            changed(&about, judged.and_then(|j| j.versions.version(version)).as_ref(), planned)
        }
        None => false,
    };
    let gone: Vec<String> = keep.iter().copied().filter(differs).map(str::to_owned).collect();
    for table in ["versions", "time"] {
        if let Some(Value::Object(table)) = document.get_mut(table) {
            table.retain(|version, _| !gone.contains(version));
        }
    }
    let versions: Vec<String> = match document.get("versions") {
        Some(Value::Object(versions)) => versions.keys().cloned().collect(),
        _ => Vec::new(),
    };
    if let Some(Value::Object(tags)) = document.get_mut("dist-tags") {
        tags.retain(|tag, version| match stand_in(tag, version.as_str().unwrap_or_default(), &versions) {
            Some(instead) => {
                *version = Value::String(instead);
                true
            }
            None => false,
        });
    }
    Ok((document, gone))
}

/// npm's own registry says the one or the other name for itself, by where it was asked.
fn in_words_of(registry: &str, url: &str) -> String {
    match url.strip_prefix("https://registry.npmjs.org/") {
        Some(path) if registry == YARN => format!("{YARN}{path}"),
        _ => url.to_owned(),
    }
}

/// Puts the gateway's URL for a tarball's into each version of a packument.
fn carry_tarballs(document: &mut Map<String, Value>, carry: &dyn Fn(&str) -> String) {
    let Some(Value::Object(versions)) = document.get_mut("versions") else { return };
    for manifest in versions.values_mut() {
        if let Some(Value::String(url)) = manifest.pointer_mut("/dist/tarball") {
            *url = carry(url);
        }
    }
}

/// The version that a tag names here: its own when it is there, else the best below it, which is what the plan was made
/// with. `latest` always names one.
fn stand_in(tag: &str, tagged: &str, versions: &[String]) -> Option<String> {
    if versions.iter().any(|v| v == tagged) {
        return Some(tagged.to_owned());
    }
    let mut ordered: Vec<(semver::Version<'_>, &String)> =
        versions.iter().filter_map(|v| Some((semver::Version::parse(v, true)?, v))).collect();
    ordered.sort_by(|a, b| a.0.is_prerelease().cmp(&b.0.is_prerelease()).reverse().then(a.0.precedence(&b.0)));
    let limit = semver::Version::parse(tagged, true);
    let below = limit.and_then(|limit| ordered.iter().rev().find(|(v, _)| v.precedence(&limit).is_le()));
    let last = if tag == "latest" { ordered.last() } else { None };
    below.or(last).map(|(_, text)| (*text).clone())
}

/// Whether what decides about an install is no longer what was judged.
fn changed(now: &Version, judged: Option<&Version>, planned: &[Arc<Planned>]) -> bool {
    let known = |d: &crate::model::Digest| {
        let mut same = planned.iter().flat_map(|p| &p.artifact.digests).filter(|k| k.algorithm() == d.algorithm());
        same.clone().next().is_none() || same.any(|k| k == d)
    };
    if !now.digests.iter().all(known) {
        return true;
    }
    let Some(judged) = judged else { return false };
    // Short documents have the optional ones in one table only.
    let needs = |v: &Version| -> BTreeMap<String, String> {
        v.dependencies.iter().chain(&v.optional_dependencies).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    needs(now) != needs(judged)
        || now.peer_dependencies != judged.peer_dependencies
        || now.bundled != judged.bundled
        || now.bin != judged.bin
        || (&now.os, &now.cpu) != (&judged.os, &judged.cpu)
}

/// Reads a packument without what is left out, which is most of it.
struct Reduced<'k>(&'k BTreeSet<&'k str>);

impl<'de> DeserializeSeed<'de> for Reduced<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reduced<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a packument")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "versions" | "time" => {
                    let kept = map.next_value_seed(Entries(self.0))?;
                    out.insert(key, Value::Object(kept));
                }
                // Long, and nothing to an install.
                "readme" | "users" | "_attachments" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    out.insert(key, map.next_value()?);
                }
            }
        }
        Ok(out)
    }
}

/// Reads a table by version.
struct Entries<'k>(&'k BTreeSet<&'k str>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table by version")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.contains(key.as_str()) || matches!(key.as_str(), "created" | "modified") {
                out.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(out)
    }
}

/// Begins to fetch the tarballs that this machine can use and that npm's own cache does not have.
pub(super) fn fetch_ahead(shared: &Arc<Shared>, job: &Job<'_>) -> Option<JoinHandle<()>> {
    let Upstream::Npm { registry, cacache, .. } = &shared.upstream else { return None };
    if let Some(cacache) = cacache {
        shared.artifacts.deliver(delivery(cacache, shared));
    }
    let (shared, registry, own) = (Arc::clone(shared), Arc::clone(registry), cacache.clone());
    let platform = platform(job.environment);
    let ahead = move || {
        for release in shared.closed.releases() {
            let Some(planned) = release.first() else { continue };
            if !there(own.as_deref(), planned) && fits(&*registry, planned, platform) {
                shared.artifacts.ahead(planned);
            }
        }
    };
    // Without a thread everything still comes when it is asked for.
    std::thread::Builder::new().name("ahead".to_owned()).spawn(ahead).ok()
}

/// Puts an artifact that nobody is waiting for into npm's own cache, where npm finds it before it asks: it looks there
/// by the digest of its lockfile or packument first.
fn delivery(cacache: &std::path::Path, shared: &Arc<Shared>) -> Delivery {
    let (cacache, shared) = (cacache.to_owned(), Arc::downgrade(shared));
    Box::new(move |planned, stored| {
        let (Some(shared), Some(digest)) = (shared.upgrade(), planned.artifact.digests.first()) else { return };
        let url = shared.upstream.place(&planned.package, &planned.artifact.url);
        // What cannot be put there is handed out when it is asked for.
        if cacache::add(&cacache, &url, digest, stored).is_ok() {
            shared.note(planned, stored);
        }
    })
}

/// Whether a release is for this machine, as far as the registry says.
pub(super) fn fits(registry: &dyn NpmRegistry, planned: &Planned, (os, cpu): (&str, &str)) -> bool {
    let (name, version) = (&planned.package.name, &*planned.package.version);
    let about = registry.packument_for_lock(name, &[version.to_owned()].into()).ok();
    let fits = about.and_then(|p| p.versions.version(version).map(|v| allows(&v.os, os) && allows(&v.cpu, cpu)));
    fits.unwrap_or(true)
}

/// Whether npm's own cache has a tarball.
pub(super) fn there(cacache: Option<&std::path::Path>, planned: &Planned) -> bool {
    cacache.is_some_and(|cacache| cacache::has(cacache, &planned.artifact.digests))
}

/// `process.platform` and `process.arch` of node.
pub(super) fn platform(environment: &Environment) -> (&'static str, &'static str) {
    let os = match environment.os {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let cpu = match environment.arch {
        "x86_64" => "x64",
        "x86" => "ia32",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64",
        other => other,
    };
    (os, cpu)
}

/// A list of `os` or `cpu`: names, and names that are excluded.
fn allows(list: &[String], own: &str) -> bool {
    let named: Vec<&str> = list.iter().map(String::as_str).filter(|one| !one.starts_with('!')).collect();
    let excluded = list.iter().any(|one| one.strip_prefix('!') == Some(own));
    !excluded && (named.is_empty() || named.contains(&own) || named.contains(&"any"))
}

#[cfg(test)]
mod tests;
