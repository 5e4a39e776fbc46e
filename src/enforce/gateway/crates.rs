//! The gateway's cargo routes, below `/SECRET/cargo/`: a sparse index (RFC 2789) and its downloads for each registry.
//!
//! ```text
//! /SECRET/cargo/REGISTRY/index/config.json
//! /SECRET/cargo/REGISTRY/index/se/rd/serde           the plan's versions alone, as their lines were when judged
//! /SECRET/cargo/REGISTRY/dl/NAME/VERSION/CHECKSUM    the archive
//! ```
//!
//! `REGISTRY` is `crates-io`, or `~` and a lockfile's name of another registry, percent-encoded. Tokens go to that
//! registry and not to cargo, which is asked for none.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::answer::{self, Body};
use super::closed::Planned;
use super::{Asked, Shared, View};
use crate::enforce::{Refused, Served, Upstream};
use crate::model::{Digest, Ecosystem, PackageName};
use crate::registry::crate_index::{CrateRegistries, CrateSource};
use crate::registry::crates::{Crate, Dependency, DependencyKind, Version};
use crate::registry::{CrateIndex, FetchError};

/// What stands for crates.io in a route.
const DEFAULT: &str = "crates-io";

/// The route of a registry's index, without `/` at its end.
pub(super) fn index(registry: Option<&str>) -> String {
    format!("cargo/{}/index", segment(registry))
}

fn segment(registry: Option<&str>) -> String {
    match registry {
        None => DEFAULT.to_owned(),
        Some(registry) => format!("~{}", utf8_percent_encode(registry, NON_ALPHANUMERIC)),
    }
}

/// A registry by its segment; `None` when it is none.
fn registry(segment: &str) -> Option<Option<String>> {
    if segment == DEFAULT {
        return Some(None);
    }
    let encoded = segment.strip_prefix('~')?;
    Some(Some(percent_decode_str(encoded).decode_utf8().ok()?.into_owned()))
}

/// Answers a request below the route.
pub(super) async fn answer(shared: &Arc<Shared>, asked: Asked) -> Response<Body> {
    let mut parts = asked.path.splitn(3, '/');
    let (Some(of), Some(kind), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return nothing() };
    let Some(of) = registry(of) else { return nothing() };
    match kind {
        "index" if rest == "config.json" => config(shared, of.as_deref()),
        "index" => file(shared, of, rest).await,
        "dl" => download(shared, &asked, of, rest).await,
        _ => nothing(),
    }
}

fn nothing() -> Response<Body> {
    answer::status(StatusCode::NOT_FOUND, "tidewaiter: there is nothing here")
}

fn config(shared: &Shared, of: Option<&str>) -> Response<Body> {
    let downloads = format!("{}/cargo/{}/dl/{{crate}}/{{version}}/{{sha256-checksum}}", shared.base, segment(of));
    answer::document("application/json", json!({"dl": downloads}).to_string())
}

fn upstream(shared: &Shared) -> Option<(Arc<dyn CrateIndex>, &CrateRegistries)> {
    match &shared.upstream {
        Upstream::Crates { index, registries, .. } => Some((Arc::clone(index), registries)),
        _ => None,
    }
}

/// An index file: what was judged is remembered, and not asked again.
async fn file(shared: &Arc<Shared>, of: Option<String>, path: &str) -> Response<Body> {
    let written = path.rsplit('/').next().unwrap_or(path);
    let name = PackageName::new(Ecosystem::CratesIo, written);
    if !name.is_well_formed() {
        return nothing();
    }
    if shared.view == View::Plan && !shared.closed.has(&name) {
        return shared.refuse(shared.closed.missing(&name, None));
    }
    let Some((index, _)) = upstream(shared) else { return nothing() };
    let wanted = name.clone();
    let found = tokio::task::spawn_blocking(move || index.krate(&wanted, of.as_deref())).await;
    let krate = match found {
        Ok(Ok(krate)) => krate,
        Ok(Err(error @ FetchError::NotFound { .. })) => {
            return answer::status(StatusCode::NOT_FOUND, &format!("tidewaiter: {error}"));
        }
        Ok(Err(error)) => return shared.failed(name.written(), &format!("could not be looked up: {error}")),
        Err(_) => return shared.failed(name.written(), "could not be looked up: an internal error"),
    };
    // Cargo itself tries the other spellings of a name, and the index has one of them.
    if !krate.name.written().eq_ignore_ascii_case(written) {
        return nothing();
    }
    answer::document("text/plain", lines(shared, &krate))
}

/// The lines of the versions that are in the plan, in the index's order. Where a lockfile decides, cargo looks up all that
/// it names, also what is not built.
fn lines(shared: &Shared, krate: &Crate) -> String {
    let mut out = String::new();
    for version in krate.versions.iter() {
        let planned = shared.closed.release(&krate.name, version.version());
        if shared.view == View::Lock || planned.is_some_and(|all| all.iter().any(|p| has(p, version.checksum()))) {
            out.push_str(&line(krate.name.written(), &version.to_version()).to_string());
            out.push('\n');
        }
    }
    out
}

/// Whether an artifact of the plan is the one with this checksum.
fn has(planned: &Planned, checksum: &str) -> bool {
    let digests = &planned.artifact.digests;
    digests.is_empty() || digests.iter().any(|d| d.hex().eq_ignore_ascii_case(checksum))
}

/// A version as an index has it. `features` holds what `features2` held: cargo joins them.
fn line(name: &str, version: &Version) -> Value {
    let deps: Vec<Value> = version.dependencies.iter().map(dependency).collect();
    let mut out = json!({
        "name": name, "vers": version.version, "deps": deps, "cksum": version.checksum,
        "features": version.features, "yanked": version.yanked, "v": version.format.max(1),
    });
    let optional = [("links", &version.links), ("rust_version", &version.rust_version)];
    for (key, value) in optional.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?))) {
        out[key] = json!(value);
    }
    if let Some(time) = version.published_at {
        out["pubtime"] = json!(time.to_string());
    }
    out
}

fn dependency(dependency: &Dependency) -> Value {
    json!({
        "name": dependency.name, "req": dependency.req, "features": dependency.features,
        "optional": dependency.optional, "default_features": dependency.default_features,
        "target": dependency.target, "registry": dependency.registry, "package": dependency.package,
        "kind": match dependency.kind {
            DependencyKind::Normal => "normal",
            DependencyKind::Build => "build",
            DependencyKind::Dev => "dev",
        },
    })
}

async fn download(shared: &Arc<Shared>, asked: &Asked, of: Option<String>, rest: &str) -> Response<Body> {
    let parts: Vec<&str> = rest.split('/').collect();
    let [name, version, checksum] = parts.as_slice() else { return nothing() };
    let (Ok(name), Ok(version)) = (percent_decode_str(name).decode_utf8(), percent_decode_str(version).decode_utf8())
    else {
        return nothing();
    };
    let name = PackageName::new(Ecosystem::CratesIo, &name);
    let Some(release) = shared.closed.release(&name, &version) else {
        return shared.refuse(shared.closed.missing(&name, Some(&version)));
    };
    let Some(planned) = release.iter().find(|p| has(p, checksum)) else {
        let reason = "has another checksum than the release that was cleared".to_owned();
        return shared.refuse(Refused { subject: format!("{} {version}", name.written()), reason });
    };
    let Some((index, registries)) = upstream(shared) else { return nothing() };
    let own = of.as_deref().map_or(Some(&registries.default), |of| registries.others.get(of));
    let plain = own.is_none_or(|r| r.token.is_none() && matches!(r.source, CrateSource::Sparse(_)));
    if plain && !planned.artifact.url.is_empty() {
        return shared.artifact(&Arc::clone(planned), asked.range()).await;
    }
    // What wants a token is asked for by the index itself, which has it.
    let (version, checksum) = (version.into_owned(), (*checksum).to_owned());
    let fetched = tokio::task::spawn_blocking(move || index.download(&name, &version, &checksum, of.as_deref())).await;
    let filename = planned.artifact.filename.clone();
    match fetched {
        Ok(Ok(bytes)) => {
            let digest = Digest::sha256_of(&bytes);
            if !planned.artifact.digests.is_empty() && !planned.artifact.digests.contains(&digest) {
                let reason = format!("is not what was judged: its bytes have the digest {digest}");
                return shared.refuse(Refused { subject: filename, reason });
            }
            shared.served(Served { package: planned.package.clone(), filename, digest });
            answer::document("application/octet-stream", bytes.to_vec())
        }
        Ok(Err(error)) => {
            shared.refuse(Refused { subject: filename, reason: format!("is not what was judged: {error}") })
        }
        Err(_) => shared.failed(&filename, "could not be fetched: an internal error"),
    }
}

/// Begins to fetch the plan's artifacts, but for those that want a token.
pub(super) fn fetch_ahead(shared: &Arc<Shared>) {
    let Some((_, registries)) = upstream(shared) else { return };
    if registries.default.token.is_some() || registries.others.values().any(|r| r.token.is_some()) {
        return;
    }
    for release in shared.closed.releases() {
        for planned in release.iter().take(1).filter(|p| !p.artifact.url.is_empty()) {
            shared.artifacts.ahead(planned);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::registry::crate_index::read_index;

    #[test]
    fn registries_come_back_from_their_routes() {
        for of in [None, Some("sparse+https://r.example/index/"), Some("https://h/ü?x#~"), Some("~")] {
            let segment = segment(of);
            assert!(!segment.contains('/'));
            assert_eq!(registry(&segment).unwrap().as_deref(), of);
        }
        assert_eq!(registry("other"), None);
        assert_eq!(registry("~%ff"), None);
    }

    #[test]
    fn a_line_says_what_was_judged() {
        let text = r#"{"name":"Foo","vers":"1.0.0+b","deps":[{"name":"x","req":"^1","features":["a"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":"build","registry":"https://r.example/","package":"y"},{"name":"z","req":"*","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"}],"cksum":"aa","features":{"default":["std"]},"features2":{"x":["dep:x"]},"yanked":true,"links":"z","rust_version":"1.60","pubtime":"2026-01-01T00:00:00Z","v":2}"#;
        let judged = read_index(text.as_bytes()).unwrap();
        let again =
            read_index(line("Foo", &judged.versions.get(0).unwrap().to_version()).to_string().as_bytes()).unwrap();
        assert_eq!(again, judged);
    }
}
