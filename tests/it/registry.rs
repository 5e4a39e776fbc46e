//! Registries over the loopback server, and (with `--features real-registries`) the real ones.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidewaiter::model::{Ecosystem, MemoryFiles, PackageName};
use tidewaiter::registry::connect::{Options, Registries};
use tidewaiter::registry::crate_index::{CrateRegistries, CrateRegistry, CrateSource};
use tidewaiter::registry::http::{Authorization, Profile, Request, Secret, Validators};
use tidewaiter::registry::index::{FindLinks, IndexSpec, IndexStrategy, Indexes, SimpleIndexes};
use tidewaiter::registry::npm_registry::{Replaced, Scopes};
use tidewaiter::registry::{CrateIndex as _, FetchError, NpmRegistry as _, PythonIndex as _};

use crate::support::loopback::{Dist, Fault, Loopback};

fn options(cache: Option<&std::path::Path>, offline: bool) -> Options {
    Options {
        cache: cache.map(Into::into),
        offline,
        files: Arc::new(MemoryFiles::default()),
        private: Arc::new(|name| name.canonical().starts_with("acme-")),
    }
}

fn uncached() -> Registries {
    Registries::new(options(None, false))
}

/// Impatient, so that no test waits.
fn profile() -> Profile {
    Profile {
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(60),
        retries: 2,
        backoff: Duration::from_millis(2),
        ..Profile::default()
    }
}

fn indexes(urls: &[String]) -> Indexes {
    Indexes { indexes: urls.iter().map(|u| IndexSpec::new(u.parse().unwrap())).collect(), ..Indexes::default() }
}

fn python(registries: &Registries, urls: &[String]) -> SimpleIndexes {
    registries.python(indexes(urls), profile())
}

fn py(name: &str) -> PackageName {
    PackageName::new(Ecosystem::PyPI, name)
}

#[test]
fn python_metadata_comes_by_the_cheapest_way_there_is() {
    let server = Loopback::start();
    let filler = vec![7; 300_000];
    server
        .python(Dist::wheel("Foo_Bar", "1.0").requires(&["dep>=1"]).python(">=3.8"))
        .python(Dist::wheel("foo-bar", "2.0").unadvertised().requires(&["dep>=2"]))
        .python(Dist::wheel("foo-bar", "3.0").without_metadata_file().requires(&["dep>=3"]).member("data.bin", &filler))
        .python(Dist::sdist("foo-bar", "4.0").requires(&["dep>=4"]))
        .python(Dist::sdist("foo-bar", "5.0").metadata("2.1", &[]))
        .python(Dist::sdist("foo-bar", "6.0").metadata("2.3", &["Requires-Dist"]));
    for base in [server.simple(), format!("{}/html/", server.url)] {
        let index = python(&uncached(), &[base]);
        let project = index.project(&py("foo.bar")).unwrap();
        assert_eq!(project.files.len(), 6);
        for (version, ways) in [("1.0", 1), ("2.0", 1), ("3.0", 2), ("4.0", 1)] {
            let file =
                project.files.to_vec().into_iter().find(|f| f.filename.contains(&format!("-{version}"))).unwrap();
            server.clear_log();
            let metadata = index.metadata(&file).unwrap();
            assert_eq!(metadata.requires_dist, [format!("dep>={}", &version[..1])]);
            assert!(server.log().len() <= ways + 2, "{version}: {:?}", server.paths());
        }
        for version in ["5.0", "6.0"] {
            let file =
                project.files.to_vec().into_iter().find(|f| f.filename.contains(&format!("-{version}"))).unwrap();
            assert!(matches!(index.metadata(&file), Err(FetchError::NeedsExecution { .. })));
        }
    }
}

#[test]
fn a_server_that_ignores_ranges_sends_the_whole_wheel_once_and_it_is_verified() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0").without_metadata_file().requires(&["dep"]).member("x", &[1; 200_000]));
    let index = python(&uncached(), &[server.simple()]);
    let project = index.project(&py("foo")).unwrap();
    server.always("/files/foo-1.0-py3-none-any.whl", Fault::IgnoreRange);
    assert_eq!(index.metadata(&project.files.to_vec()[0]).unwrap().requires_dist, ["dep"]);
    server.heal();
    server.always("/files/foo-1.0-py3-none-any.whl", Fault::BentByte);
    let again = python(&uncached(), &[server.simple()]);
    assert!(matches!(again.metadata(&project.files.to_vec()[0]), Err(FetchError::Malformed { .. })));
}

#[test]
fn bent_metadata_is_refused() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0")).always("/files/foo-1.0-py3-none-any.whl.metadata", Fault::BentByte);
    let index = python(&uncached(), &[server.simple()]);
    let project = index.project(&py("foo")).unwrap();
    let error = index.metadata(&project.files.to_vec()[0]).unwrap_err();
    assert!(matches!(&error, FetchError::Malformed { reason, .. } if reason.contains("digest")), "{error}");
}

#[test]
fn times_that_html_lacks_come_from_the_projects_document() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0").uploaded("2021-02-03T04:05:06.000007Z"));
    // The document is found beside an index called `simple`.
    server.always("/simple/foo/", Fault::ContentType("text/html"));
    let body = "<a href=\"/files/foo-1.0-py3-none-any.whl\">foo</a>";
    server.raw("/simple/foo/", "text/html", body.as_bytes().to_vec());
    let index = python(&uncached(), &[server.simple()]);
    let project = index.project(&py("foo")).unwrap();
    assert_eq!(project.files.to_vec()[0].upload_time, None);
    assert_eq!(index.signal_gaps().len(), 1);
    let timed = index.with_upload_times(&project);
    assert_eq!(timed.files.to_vec()[0].upload_time, Some("2021-02-03T04:05:06.000007Z".parse().unwrap()));
}

#[test]
fn several_indexes_are_pooled_or_the_first_one_counts() {
    let (one, two) = (Loopback::start(), Loopback::start());
    one.python(Dist::wheel("foo", "1.0"));
    two.python(Dist::wheel("foo", "2.0")).python(Dist::wheel("bar", "1.0"));
    let urls = [one.simple(), two.simple()];
    let pooled = python(&uncached(), &urls);
    let project = pooled.project(&py("foo")).unwrap();
    assert_eq!((project.files.len(), project.indexes.len()), (2, 2));
    assert_eq!(pooled.project(&py("bar")).unwrap().indexes.len(), 1);
    let first = Indexes { strategy: IndexStrategy::First, ..indexes(&urls) };
    let first = uncached().python(first, profile());
    two.clear_log();
    let project = first.project(&py("foo")).unwrap();
    assert_eq!((project.files.len(), &*project.files.to_vec()[0].index), (1, urls[0].as_str()));
    assert_eq!(two.paths(), Vec::<String>::new(), "a name that the first index has is not told to the second");
    let mut pinned = indexes(&urls);
    pinned.indexes[1].name = Some("internal".to_owned());
    pinned.indexes[1].explicit = true;
    pinned.pinned.insert("foo".to_owned(), "internal".to_owned());
    let pinned = uncached().python(pinned, profile());
    assert_eq!(&*pinned.project(&py("foo")).unwrap().files.to_vec()[0].index, urls[1].as_str());
    assert!(matches!(pinned.project(&py("bar")), Err(FetchError::NotFound { .. })));
}

#[test]
fn a_private_name_is_never_asked_of_a_public_registry() {
    // If these were asked, the answer would be an error of another kind: nothing resolves these hosts in a test.
    let all = uncached();
    let public = python(&all, &["https://pypi.org/simple/".to_owned()]);
    assert!(matches!(public.project(&py("acme-core")), Err(FetchError::PrivateName { .. })));
    let npm = all.npm(Scopes::public().unwrap(), profile());
    let name = PackageName::new(Ecosystem::Npm, "acme-core");
    assert!(matches!(npm.packument(&name), Err(FetchError::PrivateName { .. })));
    let crates = all.crates(CrateRegistries::default(), profile());
    let name = PackageName::new(Ecosystem::CratesIo, "acme-core");
    assert!(matches!(crates.krate(&name, None), Err(FetchError::PrivateName { .. })));
    assert!(!all.network_used());
    let server = Loopback::start();
    server.python(Dist::wheel("acme-core", "1.0"));
    let both = python(&all, &[server.simple(), "https://pypi.org/simple/".to_owned()]);
    // The public one is named, since pip would ask it too, and nothing of it is there.
    let found = both.project(&py("acme-core")).unwrap();
    assert_eq!(found.indexes.iter().map(|i| &**i).collect::<Vec<_>>(), [&server.simple(), "https://pypi.org/simple/"]);
    assert!(found.files.iter().all(|f| **f.index() == *server.simple()));
    assert!(matches!(both.project(&py("acme-other")), Err(FetchError::PrivateName { .. })));
    let first = Indexes {
        strategy: IndexStrategy::First,
        ..indexes(&[server.simple(), "https://pypi.org/simple/".to_owned()])
    };
    assert_eq!(
        all.python(first, profile()).project(&py("acme-core")).unwrap().indexes.len(),
        1,
        "uv stops at the first"
    );
}

#[test]
fn hostile_names_are_not_asked_for() {
    let server = Loopback::start();
    let index = python(&uncached(), &[server.simple()]);
    let npm = uncached().npm(scopes(&server), profile());
    for text in ["../../etc/passwd", "a b", "", "a\u{0}b", "é", "@a/../b", "?x", "#"] {
        assert!(index.project(&py(text)).is_err(), "{text}");
        assert!(npm.packument(&PackageName::new(Ecosystem::Npm, text)).is_err(), "{text}");
    }
    assert_eq!(server.paths(), Vec::<String>::new());
}

fn scopes(server: &Loopback) -> Scopes {
    Scopes {
        default: server.npm_url().parse().unwrap(),
        scoped: std::collections::BTreeMap::new(),
        replaced: Replaced::None,
    }
}

#[test]
fn faults_are_named_errors_and_passing_ones_are_survived() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0"));
    let page = "/simple/foo/";
    // Only where the server keeps silent is a short time-out due: on a busy machine every answer may be late.
    let ask = |fault: &Fault| {
        let silent = matches!(fault, Fault::Stall | Fault::NeverAnswers);
        let patience = if silent { Duration::from_millis(400) } else { Duration::from_secs(10) };
        let profile = Profile { read_timeout: patience, ..profile() };
        uncached().python(indexes(&[server.simple()]), profile).project(&py("foo"))
    };
    for survived in [
        vec![Fault::Status(500)],
        vec![Fault::Status(503), Fault::Status(502)],
        vec![Fault::RetryAfter(429, "0")],
        vec![Fault::Truncated],
        vec![Fault::Gzip],
        vec![Fault::NeverAnswers],
        vec![Fault::RedirectTo(format!("{}/simple/foo/", server.url))],
    ] {
        server.next(page, &survived);
        let answer = ask(&survived[0]);
        assert!(answer.is_ok(), "{survived:?}: {answer:?}");
        server.heal();
    }
    type Kind = fn(&FetchError) -> bool;
    let unreachable: Kind = |e| matches!(e, FetchError::Unreachable { .. });
    let malformed: Kind = |e| matches!(e, FetchError::Malformed { .. });
    for (fault, kind) in [
        (Fault::Status(500), unreachable),
        (Fault::RetryAfter(429, "86400"), unreachable),
        (Fault::Truncated, unreachable),
        (Fault::Stall, unreachable),
        (Fault::NeverAnswers, unreachable),
        (Fault::RedirectTo(format!("{}/simple/foo/", server.url)), unreachable),
        (Fault::RedirectTo("ftp://127.0.0.1/".to_owned()), unreachable),
        (Fault::Garbage("{\"files\": 3}"), malformed),
        (Fault::ContentType("image/png"), malformed),
        (Fault::Oversized(97 << 20), |e| matches!(e, FetchError::TooLarge { .. })),
        (Fault::GzipBomb(97 << 20), |e| matches!(e, FetchError::TooLarge { .. })),
        (Fault::Status(404), |e| matches!(e, FetchError::NotFound { .. })),
        (Fault::Status(401), |e| matches!(e, FetchError::Unauthorized { status: 401, .. })),
        (Fault::Status(403), |e| matches!(e, FetchError::Unauthorized { status: 403, .. })),
    ] {
        server.always(page, fault.clone());
        let error = ask(&fault).unwrap_err();
        assert!(kind(&error), "{fault:?}: {error:?}");
        server.heal();
    }
    let nobody = python(&uncached(), &["http://127.0.0.1:9/simple/".to_owned()]);
    assert!(unreachable(&nobody.project(&py("foo")).unwrap_err()));
}

#[test]
fn the_cache_answers_revalidates_and_serves_offline() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0").requires(&["dep"]));
    let dir = tempfile::tempdir().unwrap();
    let warm = |offline| python(&Registries::new(options(Some(dir.path()), offline)), &[server.simple()]);
    let first = warm(false).project(&py("foo")).unwrap();
    let metadata = warm(false).metadata(&first.files.to_vec()[0]).unwrap();
    server.python(Dist::sdist("old", "1.0").metadata("2.1", &[]));
    let old = warm(false).project(&py("old")).unwrap();
    assert!(matches!(warm(false).metadata(&old.files.to_vec()[0]), Err(FetchError::NeedsExecution { .. })));
    server.clear_log();
    assert!(matches!(warm(true).metadata(&old.files.to_vec()[0]), Err(FetchError::NeedsExecution { .. })));
    assert_eq!(warm(false).project(&py("foo")).unwrap(), first);
    assert_eq!(warm(true).project(&py("foo")).unwrap(), first);
    assert_eq!(warm(true).metadata(&first.files.to_vec()[0]).unwrap(), metadata);
    assert_eq!(server.paths(), Vec::<String>::new());
    assert!(matches!(warm(true).project(&py("bar")), Err(FetchError::Offline { .. })));
    // A server that wants every answer revalidated gets its validators back.
    server.python(Dist::wheel("baz", "1.0")).always("/simple/baz/", Fault::Header("cache-control", "no-cache"));
    let before = warm(false).project(&py("baz")).unwrap();
    assert_eq!(warm(false).project(&py("baz")).unwrap(), before);
    assert!(server.log().last().unwrap().header("if-none-match").is_some());
}

#[test]
fn one_identitys_answers_are_not_anothers() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0")).password("u", "p");
    let dir = tempfile::tempdir().unwrap();
    let all = Registries::new(options(Some(dir.path()), false));
    let base: url::Url = server.simple().parse().unwrap();
    let mut known = profile();
    let (user, password) = (Secret::new("u"), Secret::new("p"));
    known.credentials.add_host(&base, Authorization::Basic { user, password });
    assert!(all.python(indexes(&[server.simple()]), known).project(&py("foo")).is_ok());
    let unknown = python(&all, &[server.simple()]).project(&py("foo"));
    assert!(matches!(unknown, Err(FetchError::Unauthorized { status: 401, .. })), "{unknown:?}");
}

#[test]
fn credentials_stay_with_their_host_and_out_of_errors() {
    let (private, other) = (Loopback::start(), Loopback::start());
    private.always("/", Fault::RedirectTo(format!("{}/stolen", other.url)));
    let client = uncached().client(profile());
    let url = private.url.replace("http://", "http://user:hunter2@");
    let response = client.fetch(Request::get(&format!("{url}/x"), "", 1 << 20)).unwrap();
    assert_eq!(response.status, 404);
    assert!(private.log()[0].header("authorization").is_some());
    assert_eq!(other.log()[0].header("authorization"), None);
    let error = client.fetch(Request::get("http://user:hunter2@127.0.0.1:9/?token=hunter2", "", 1)).unwrap_err();
    assert!(!format!("{error} {error:?} {response:?}").contains("hunter2"), "{error}");
}

#[test]
fn npm_packuments_by_scope_with_tokens() {
    let (public, scoped) = (Loopback::start(), Loopback::start());
    let manifest = json!({"dependencies": {"b": "^1"}, "scripts": {"postinstall": "x"}});
    public.npm("a", "1.0.0", "2020-01-01T00:00:00.000Z", manifest);
    scoped.npm("@s/a", "2.0.0", "2021-01-01T00:00:00.000Z", json!({})).password("", "Bearer t0ken");
    let mut both = scopes(&public);
    both.scoped.insert("@s".to_owned(), scoped.npm_url().parse().unwrap());
    let mut with_token = profile();
    let key = scoped.npm_url().replace("http:", "");
    with_token.credentials.add_nerf_dart(&key, Authorization::Bearer(Secret::new("t0ken")));
    let npm = uncached().npm(both.clone(), with_token);
    let names: Vec<_> = ["a", "@s/a", "missing"].iter().map(|n| PackageName::new(Ecosystem::Npm, n)).collect();
    npm.prefetch(&names);
    let a = npm.packument(&names[0]).unwrap();
    assert_eq!(a.versions.version("1.0.0").unwrap().lifecycle_scripts, ["postinstall"]);
    assert_eq!(
        (
            a.registry.as_str(),
            a.versions.iter().filter(|v| v.published().is_some()).count(),
            a.dist_tags["latest"].as_str()
        ),
        (public.npm_url().as_str(), 1, "1.0.0")
    );
    assert_eq!(npm.packument(&names[1]).unwrap().registry, scoped.npm_url());
    assert_eq!(npm.registry_of(&names[1]), scoped.npm_url());
    assert_eq!(scoped.paths(), ["/npm/@s%2fa"]);
    assert!(matches!(npm.packument(&names[2]), Err(FetchError::NotFound { .. })));
    assert!(public.log().iter().all(|l| l.header("authorization").is_none()));
    assert!(npm.signal_gaps().iter().any(|g| g.signal == "provenance"));
    let refused = uncached().npm(both, profile()).packument(&names[1]);
    assert!(matches!(refused, Err(FetchError::Unauthorized { status: 401, .. })));
    public.always("/npm/a", Fault::Garbage("{\"name\": \"b\", \"versions\": {}}"));
    let other = uncached().npm(scopes(&public), profile()).packument(&names[0]);
    assert!(matches!(other, Err(FetchError::Malformed { .. })));
}

#[test]
fn a_lockfile_is_held_against_what_is_kept_and_asked_again_where_that_lacks_a_version() {
    let server = Loopback::start();
    let folder = tempfile::tempdir().unwrap();
    let npm = |offline| Registries::new(options(Some(folder.path()), offline)).npm(scopes(&server), profile());
    let name = PackageName::new(Ecosystem::Npm, "tw-locked");
    let publish = |version: &str| {
        server.npm("tw-locked", version, "2020-01-01T00:00:00.000Z", json!({}));
    };
    let of = |list: &[&str]| list.iter().map(|v| (*v).to_owned()).collect::<BTreeSet<String>>();
    publish("1.0.0");
    server.always("/npm/", Fault::Header("cache-control", "max-age=0"));
    npm(false).packument(&name).unwrap();
    // Too old for a resolution, and enough for a lockfile: what a release is does not change.
    assert!(npm(false).packument_for_lock(&name, &of(&["1.0.0"])).unwrap().versions.contains("1.0.0"));
    assert_eq!(server.paths().len(), 1);
    publish("2.0.0");
    let both = npm(false).packument_for_lock(&name, &of(&["1.0.0", "2.0.0"])).unwrap();
    assert!(both.versions.contains("2.0.0"));
    // Fresh, and yet older than the release: a lockfile of a minute ago is not a forged one.
    server.heal();
    npm(false).packument(&name).unwrap();
    publish("3.0.0");
    let ahead = npm(false);
    ahead.prefetch_for_lock(&[(name.clone(), of(&["3.0.0"]))].into());
    assert!(ahead.packument_for_lock(&name, &of(&["3.0.0"])).unwrap().versions.contains("3.0.0"));
    // What is nowhere is not there; offline what is kept answers, and a name that was never asked for does not.
    for offline in [false, true] {
        let packument = npm(offline).packument_for_lock(&name, &of(&["9.9.9"])).unwrap();
        assert_eq!((packument.versions.len(), packument.registry.as_str()), (3, &*server.npm_url()));
    }
    let other = PackageName::new(Ecosystem::Npm, "tw-other");
    assert!(matches!(npm(true).packument_for_lock(&other, &of(&["1.0.0"])), Err(FetchError::Offline { .. })));
    assert!(matches!(npm(false).packument_for_lock(&other, &of(&["1.0.0"])), Err(FetchError::NotFound { .. })));
}

fn crate_registry(server: &Loopback, token: Option<&str>) -> CrateRegistry {
    CrateRegistry {
        source_id: format!("sparse+{}", server.index()),
        source: CrateSource::Sparse(server.index().parse().unwrap()),
        token: token.map(Secret::new),
    }
}

#[test]
fn crates_by_any_spelling_and_only_with_their_checksum() {
    let server = Loopback::start();
    let line = json!({"deps": [{"name": "x", "req": "^1"}], "pubtime": "2024-01-01T00:00:00Z"});
    server.krate("foo_bar", "1.0.0", line, &[("src/lib.rs", "")]);
    let dir = tempfile::tempdir().unwrap();
    let config = CrateRegistries { default: crate_registry(&server, None), ..CrateRegistries::default() };
    let crates = Registries::new(options(Some(dir.path()), false)).crates(config.clone(), profile());
    let name = |n: &str| PackageName::new(Ecosystem::CratesIo, n);
    let found = crates.krate(&name("Foo-Bar"), None).unwrap();
    assert_eq!((found.name.written(), found.versions.len()), ("foo_bar", 1));
    let checksum = found.versions.get(0).unwrap().checksum();
    let bytes = crates.download(&found.name, "1.0.0", checksum, None).unwrap();
    assert!(bytes.len() > 50);
    let offline = Registries::new(options(Some(dir.path()), true)).crates(config.clone(), profile());
    assert_eq!(offline.download(&found.name, "1.0.0", checksum, None).unwrap(), bytes);
    server.always("/crates/", Fault::BentByte);
    let bent = uncached().crates(config, profile()).download(&found.name, "1.0.0", checksum, None);
    assert!(matches!(bent, Err(FetchError::Malformed { .. })));
    assert!(crates.signal_gaps().is_empty());
    assert!(matches!(crates.krate(&name("foo"), Some("nowhere")), Err(FetchError::Configuration { .. })));
}

#[test]
fn an_index_that_wants_a_token_gets_it_and_others_do_not() {
    let (open, closed) = (Loopback::start(), Loopback::start());
    open.krate("a", "1.0.0", json!({}), &[]);
    closed.krate("b", "1.0.0", json!({}), &[]).password("", "s3cret");
    let config = json!({"dl": format!("{}/crates", closed.url), "auth-required": true});
    closed.raw("/index/config.json", "application/json", serde_json::to_vec(&config).unwrap());
    let mut registries = CrateRegistries { default: crate_registry(&open, None), ..CrateRegistries::default() };
    registries.others.insert("mine".to_owned(), crate_registry(&closed, Some("s3cret")));
    let git = CrateSource::Unsupported("a git index".to_owned());
    let git = CrateRegistry { source_id: "registry+https://g.example/i.git".to_owned(), source: git, token: None };
    registries.others.insert("git".to_owned(), git);
    let crates = uncached().crates(registries, profile());
    let name = |n: &str| PackageName::new(Ecosystem::CratesIo, n);
    crates.prefetch(&[(name("a"), None), (name("b"), Some("mine".to_owned()))]);
    let b = crates.krate(&name("b"), Some("mine")).unwrap();
    assert!(crates.download(&b.name, "1.0.0", b.versions.get(0).unwrap().checksum(), Some("mine")).is_ok());
    assert!(crates.krate(&name("a"), None).is_ok());
    assert!(open.log().iter().all(|l| l.header("authorization").is_none()));
    let source = crates.source_of(Some("mine")).unwrap();
    assert_eq!((source.url, source.is_default), (closed.index(), false));
    assert!(matches!(crates.krate(&name("a"), Some("git")), Err(FetchError::Unsupported { .. })));
}

#[test]
fn find_links_are_looked_at_as_well() {
    let server = Loopback::start();
    server.python(Dist::wheel("foo", "1.0"));
    let page = "<a href='/files/foo-1.0-py3-none-any.whl'>x</a><a href='/files/bar-1.0.tar.gz'>y</a>";
    server.raw("/links", "text/html", page.as_bytes().to_vec());
    let wheel = std::path::Path::new(if cfg!(windows) { "C:/w" } else { "/w" });
    let files = MemoryFiles::from_iter([
        (wheel.join("foo-0.9-py3-none-any.whl"), b"".to_vec()),
        (wheel.join("foo_extra-1.0.zip"), b"".to_vec()),
        (wheel.join("README"), b"".to_vec()),
    ]);
    let all = Registries::new(Options { files: Arc::new(files), ..options(None, false) });
    let links = vec![
        FindLinks::Path(wheel.to_owned()),
        FindLinks::Page(format!("{}/links", server.url).parse().unwrap()),
        FindLinks::Path(wheel.join("missing")),
    ];
    let index = all.python(Indexes { find_links: links, ..Indexes::default() }, profile());
    let found = index.project(&py("foo")).unwrap();
    let mut names: Vec<String> = found.files.iter().map(|f| f.filename()).collect();
    names.sort_unstable();
    assert_eq!(names, ["foo-0.9-py3-none-any.whl", "foo-1.0-py3-none-any.whl"]);
    assert!(found.indexes.is_empty());
    assert!(matches!(index.project(&py("baz")), Err(FetchError::NotFound { .. })));
}

#[test]
fn downloads_go_to_a_file_and_start_again_when_they_break_off() {
    let server = Loopback::start();
    let body: Vec<u8> = (0..500_000_u32).map(|n| n as u8).collect();
    server.raw("/feed.zip", "application/zip", body.clone());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("feed");
    let client = uncached().client(profile());
    let url = format!("{}/feed.zip", server.url);
    server.next("/feed.zip", &[Fault::Truncated, Fault::Status(503)]);
    let mut seen = 0;
    let got = client.download_to(&url, &path, 1 << 20, &Validators::default(), &mut |n, _| seen = n).unwrap();
    assert_eq!((got.bytes, seen, got.not_modified), (500_000, 500_000, false));
    assert_eq!(std::fs::read(&path).unwrap(), body);
    let again = client.download_to(&url, &path, 1 << 20, &got.validators, &mut |_, _| {}).unwrap();
    assert!(again.not_modified);
    let limited = client.download_to(&url, &path, 1000, &Validators::default(), &mut |_, _| {});
    assert!(matches!(limited, Err(FetchError::TooLarge { .. })));
    let missing = client.download_to(&server.url, &path, 1000, &Validators::default(), &mut |_, _| {});
    assert!(matches!(missing, Err(FetchError::NotFound { .. })));
}

#[cfg(feature = "real-registries")]
mod real {
    use std::sync::Arc;

    use tidewaiter::model::{Ecosystem, MemoryFiles, PackageName};
    use tidewaiter::registry::connect::{Options, Registries};
    use tidewaiter::registry::crate_index::CrateRegistries;
    use tidewaiter::registry::http::Profile;
    use tidewaiter::registry::index::{IndexSpec, Indexes};
    use tidewaiter::registry::npm_registry::{Replaced, Scopes};
    use tidewaiter::registry::{CrateIndex as _, NpmRegistry as _, PYPI_DEFAULT, PythonIndex as _};

    fn registries(cache: &std::path::Path) -> Registries {
        Registries::new(Options {
            cache: Some(cache.to_owned()),
            offline: false,
            files: Arc::new(MemoryFiles::default()),
            private: Arc::new(|_| false),
        })
    }

    fn name(ecosystem: Ecosystem, text: &str) -> PackageName {
        PackageName::new(ecosystem, text)
    }

    #[test]
    fn pypi_npm_and_crates_io_answer() {
        let dir = tempfile::tempdir().unwrap();
        let all = registries(dir.path());
        let python = all.python(
            Indexes { indexes: vec![IndexSpec::new(PYPI_DEFAULT.parse().unwrap())], ..Indexes::default() },
            Profile::default(),
        );
        let requests = python.project(&name(Ecosystem::PyPI, "Requests")).unwrap();
        let wheel =
            requests.files.to_vec().into_iter().find(|f| f.filename == "requests-2.32.3-py3-none-any.whl").unwrap();
        assert!(wheel.upload_time.is_some() && !wheel.digests.is_empty());
        let metadata = python.metadata(&wheel).unwrap();
        assert!(metadata.requires_dist.iter().any(|r| r.starts_with("urllib3")), "{metadata:?}");
        let old = requests.files.to_vec().into_iter().find(|f| f.filename == "requests-2.32.3.tar.gz").unwrap();
        eprintln!("sdist: {:?}", python.metadata(&old));
        let npm = all.npm(Scopes::public().unwrap(), Profile::default());
        let node = npm.packument(&name(Ecosystem::Npm, "@types/node")).unwrap();
        assert!(node.versions.len() > 1000);
        assert!(npm.packument(&name(Ecosystem::Npm, "tidewaiter-surely-there-is-no-such-package")).is_err());
        eprintln!("{:?}", npm.signal_gaps());
        let crates = all.crates(CrateRegistries::default(), Profile::default());
        let serde_json = crates.krate(&name(Ecosystem::CratesIo, "serde-json"), None).unwrap();
        assert_eq!(serde_json.name.written(), "serde_json");
        let version = serde_json.versions.iter().find(|v| v.version() == "1.0.100").unwrap();
        let bytes = crates.download(&serde_json.name, "1.0.100", version.checksum(), None).unwrap();
        assert!(bytes.len() > 10_000);
        eprintln!("{:?} {:?}", crates.source_of(None), crates.signal_gaps());
    }

    /// Not a benchmark of the network: how long a hundred kept project pages take to read back.
    #[test]
    fn warm_pages_are_read_quickly() {
        const NAMES: &str = "requests boto3 botocore urllib3 certifi idna charset-normalizer numpy pandas scipy matplotlib \
            pillow pydantic pydantic-core fastapi starlette uvicorn anyio sniffio httpx httpcore h11 django flask jinja2 \
            markupsafe click werkzeug itsdangerous sqlalchemy alembic psycopg2-binary redis celery kombu billiard vine \
            aiohttp yarl multidict frozenlist attrs pytest pluggy iniconfig packaging setuptools wheel pip cryptography cffi \
            pycparser pyyaml toml tomli rich pygments typer protobuf grpcio google-api-core google-auth pyasn1 rsa cachetools \
            tqdm scikit-learn joblib threadpoolctl torch transformers tokenizers huggingface-hub safetensors filelock fsspec \
            s3fs s3transfer jmespath python-dateutil six pytz tzdata openpyxl lxml beautifulsoup4 soupsieve selenium \
            black ruff mypy mypy-extensions platformdirs pathspec virtualenv distlib awscli docutils colorama";
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> = NAMES.split_whitespace().map(|n| name(Ecosystem::PyPI, n)).collect();
        let mut files = 0;
        for _ in 0..3 {
            let start = std::time::Instant::now();
            let indexes =
                Indexes { indexes: vec![IndexSpec::new(PYPI_DEFAULT.parse().unwrap())], ..Indexes::default() };
            let all = registries(dir.path());
            let python = all.python(indexes, Profile::default());
            python.prefetch(&names);
            files = names.iter().map(|n| python.project(n).unwrap().files.len()).sum();
            eprintln!("{} pages, {files} files: {:?}, network {}", names.len(), start.elapsed(), all.network_used());
        }
        assert!(files > 10_000);
        let size: u64 = walk(dir.path());
        eprintln!("{size} bytes kept");
    }

    fn walk(dir: &std::path::Path) -> u64 {
        let entries = std::fs::read_dir(dir).unwrap().flatten();
        entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { e.metadata().unwrap().len() }).sum()
    }
}
