//! Cargo's resolution: an index in memory, hand-checked cases, and what real cargo wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tidewaiter::invocation::{Effect, Flag, FlagEffect, Invocation, Request as Asked, RequestKind, Tool};
use tidewaiter::model::{
    Digest, Ecosystem, Environment, Location, LockIssueKind, MemoryFiles, PackageName, Plan, SignalGap, Source,
    Timestamp, UnresolvedCause,
};
use tidewaiter::registry::crates::{Crate, Dependency, DependencyKind, IndexSource, Version};
use tidewaiter::registry::{CrateIndex, FetchError};
use tidewaiter::resolve::{Freshness, Request, cargo};

const NOW: &str = "2026-06-01T00:00:00Z";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A registry in memory: index files by crate, archives by `name-version`.
#[derive(Default)]
struct MemoryIndex {
    crates: BTreeMap<String, Vec<Version>>,
    others: BTreeMap<(String, String), Vec<Version>>,
    archives: BTreeMap<String, Arc<[u8]>>,
    offline: bool,
    asked: Mutex<BTreeSet<String>>,
    prefetched: Mutex<Vec<usize>>,
}

impl MemoryIndex {
    /// Adds a release: `name version`, then words: a dependency `name@req`, with `?` before it when optional, `dev:` or
    /// `build:` before its kind, `[a,b]` after it for features, `-default` for none by default; `feat:x=y,z`;
    /// `links:z`; `yanked`; `rust:1.70`; `at:2026-05-30`.
    fn release(mut self, text: &str) -> Self {
        let (name, version) = parse_release(text);
        self.crates.entry(name).or_default().push(version);
        self
    }

    fn releases(self, texts: &[&str]) -> Self {
        texts.iter().fold(self, |index, text| index.release(text))
    }

    fn elsewhere(mut self, registry: &str, text: &str) -> Self {
        let (name, version) = parse_release(text);
        self.others.entry((registry.to_owned(), name)).or_default().push(version);
        self
    }
}

fn checksum(name: &str, version: &str) -> String {
    Digest::sha256_of(format!("{name} {version}").as_bytes()).hex()
}

fn parse_release(text: &str) -> (String, Version) {
    let mut words = text.split_whitespace();
    let (name, number) = (words.next().unwrap(), words.next().unwrap());
    let mut out = Version {
        version: number.to_owned(),
        checksum: checksum(name, number),
        published_at: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        format: 1,
        ..Version::default()
    };
    for word in words {
        match word.split_once(':') {
            Some(("feat", rest)) => {
                let (feature, values) = rest.split_once('=').unwrap();
                let values = values.split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect();
                out.features.insert(feature.to_owned(), values);
            }
            Some(("links", link)) => out.links = Some(link.to_owned()),
            Some(("rust", rust)) => out.rust_version = Some(rust.to_owned()),
            Some(("at", day)) => out.published_at = Some(format!("{day}T00:00:00Z").parse().unwrap()),
            Some(("dev", rest)) => out.dependencies.push(dependency(rest, DependencyKind::Dev)),
            Some(("build", rest)) => out.dependencies.push(dependency(rest, DependencyKind::Build)),
            _ if word == "yanked" => out.yanked = true,
            _ => out.dependencies.push(dependency(word, DependencyKind::Normal)),
        }
    }
    (name.to_owned(), out)
}

fn dependency(word: &str, kind: DependencyKind) -> Dependency {
    let (optional, word) = word.strip_prefix('?').map_or((false, word), |w| (true, w));
    let (default_features, word) = word.strip_suffix("-default").map_or((true, word), |w| (false, w));
    let (word, features) = match word.strip_suffix(']').and_then(|w| w.split_once('[')) {
        Some((word, features)) => (word, features.split(',').map(str::to_owned).collect()),
        None => (word, Vec::new()),
    };
    let (name, req) = word.split_once('@').unwrap();
    Dependency {
        name: name.to_owned(),
        req: req.to_owned(),
        features,
        optional,
        default_features,
        kind,
        ..Dependency::default()
    }
}

impl CrateIndex for MemoryIndex {
    fn krate(&self, name: &PackageName, registry: Option<&str>) -> Result<Arc<Crate>, FetchError> {
        self.asked.lock().unwrap().insert(name.written().to_owned());
        let url = registry.unwrap_or("https://index.crates.io/").to_owned();
        if self.offline {
            return Err(FetchError::Offline { registry: url });
        }
        let found = match registry {
            None => self.crates.get(name.written()),
            Some(registry) => self.others.get(&(registry.to_owned(), name.written().to_owned())),
        };
        let lines = found.cloned().ok_or(FetchError::NotFound { registry: url })?;
        let name = PackageName::new(Ecosystem::CratesIo, name.written());
        Ok(Arc::new(Crate { name, versions: lines.into() }))
    }

    fn prefetch(&self, names: &[(PackageName, Option<String>)]) {
        self.prefetched.lock().unwrap().push(names.len());
    }

    fn download(
        &self,
        name: &PackageName,
        version: &str,
        _checksum: &str,
        _registry: Option<&str>,
    ) -> Result<Arc<[u8]>, FetchError> {
        let key = format!("{}-{version}", name.written());
        self.archives.get(&key).cloned().ok_or(FetchError::NotFound { registry: "memory".to_owned() })
    }

    fn source_of(&self, registry: Option<&str>) -> Result<IndexSource, FetchError> {
        Ok(match registry {
            None => IndexSource {
                source_id: CRATES_IO.to_owned(),
                url: "https://index.crates.io/".to_owned(),
                download: "https://static.crates.io/crates".to_owned(),
                is_default: true,
            },
            Some(name) => IndexSource {
                source_id: if name.contains("://") {
                    if name.starts_with("sparse+") { name.to_owned() } else { format!("registry+{name}") }
                } else {
                    format!("sparse+https://{name}.example/")
                },
                url: format!("https://{name}.example/"),
                download: format!("https://{name}.example/{{crate}}/{{version}}.crate"),
                is_default: false,
            },
        })
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

/// A command in `/p`, with its files.
struct Case {
    files: Vec<(PathBuf, Vec<u8>)>,
    invocation: Invocation,
    variables: BTreeMap<String, String>,
    cooldown_days: Option<i64>,
}

fn case(verb: &str, effect: Effect) -> Case {
    let mut invocation = Invocation::other(&["cargo".to_owned(), verb.to_owned()]);
    invocation.tool = Tool::Cargo;
    invocation.verb = verb.to_owned();
    invocation.effect = effect;
    Case { files: Vec::new(), invocation, variables: BTreeMap::new(), cooldown_days: None }
}

fn build() -> Case {
    case("build", Effect::Project)
}

impl Case {
    fn file(mut self, path: &str, text: impl AsRef<str>) -> Self {
        self.files.push((PathBuf::from(path), text.as_ref().as_bytes().to_vec()));
        self
    }

    /// The manifest of `/p`, edition 2021, with these dependency lines.
    fn manifest(self, lines: &str) -> Self {
        let text =
            format!("[package]\nname = \"me\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n{lines}\n");
        self.file("/p/Cargo.toml", text)
    }

    fn request(mut self, text: &str) -> Self {
        let location = Location::argv(2);
        self.invocation.requests.push(Asked { text: text.to_owned(), kind: RequestKind::Requirement, location });
        self
    }

    fn flag(mut self, name: &str, value: Option<&str>) -> Self {
        self.invocation.flags.push(Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            effect: FlagEffect::Selects,
            location: Location::argv(3),
        });
        self
    }

    fn cooldown(mut self, days: i64) -> Self {
        self.cooldown_days = Some(days);
        self
    }

    fn environment(&self) -> Environment {
        Environment {
            variables: self.variables.clone(),
            cwd: PathBuf::from("/p"),
            home: None,
            now: NOW.parse().unwrap(),
            os: "linux",
            arch: "x86_64",
        }
    }

    fn plan(&self, index: &MemoryIndex) -> Plan {
        let files: MemoryFiles = self.files.iter().cloned().collect();
        let now: Timestamp = NOW.parse().unwrap();
        let environment = self.environment();
        let freshness = Freshness {
            as_of: None,
            cutoff: self.cooldown_days.map(|d| Timestamp::from_second(now.as_second() - d * 86_400).unwrap()),
            excluded: &|_| false,
            affected: &|_| false,
            now,
        };
        cargo(
            Request { invocation: &self.invocation, environment: &environment, files: &files, freshness: &freshness },
            index,
        )
    }
}

/// `name version` of every package that is not the project's own.
fn chosen(plan: &Plan) -> Vec<String> {
    plan.packages
        .iter()
        .filter(|p| !matches!(p.source, Source::Workspace { .. }))
        .map(|p| format!("{} {}", p.id.name, p.id.version))
        .collect()
}

fn complete(plan: &Plan) -> Vec<String> {
    assert!(plan.unresolved.is_empty(), "{:?}", plan.unresolved);
    chosen(plan)
}

#[test]
fn the_newest_release_that_fits_is_chosen_once_per_compatible_range() {
    let index = MemoryIndex::default().releases(&[
        "a 1.0.0 b@^1",
        "a 1.2.0 b@^1",
        "a 2.0.0",
        "b 1.0.0",
        "b 1.5.0 c@0.2",
        "b 1.6.0-rc.1",
        "b 2.0.0 yanked",
        "c 0.2.7",
        "c 0.3.0",
    ]);
    let plan = build().manifest("a = \"1\"\nb = \"<3\"\nc = \"*\"").plan(&index);
    assert_eq!(complete(&plan), ["a 1.2.0", "b 1.5.0", "c 0.2.7", "c 0.3.0"]);
    let c = plan.packages.iter().find(|p| &*p.id.version == "0.2.7").unwrap();
    assert!(!c.direct);
    assert_eq!((c.depth, c.required_by.len()), (1, 1));
    let a = plan.packages.iter().find(|p| p.id.name.written() == "a").unwrap();
    assert_eq!(a.origin.location.to_string(), "/p/Cargo.toml:6:1");
    assert_eq!((a.origin.text.as_str(), a.origin.range.as_deref()), ("a = \"1\"", Some("1")));
    assert_eq!(a.artifacts[0].url, "https://static.crates.io/crates/a/1.2.0/download");
    assert_eq!(a.artifacts[0].digests[0].hex(), checksum("a", "1.2.0"));
}

#[test]
fn features_bring_optional_dependencies_and_so_does_a_weak_one() {
    let index = MemoryIndex::default().releases(&[
        "a 1.0.0 ?o@1 ?w@1 ?n@1 dev:d@1 feat:default=x,d/std feat:x=dep:o feat:weak=w?/std feat:never=n",
        "o 1.0.0",
        "w 1.0.0 feat:std=",
        "n 1.0.0",
    ]);
    assert_eq!(complete(&build().manifest("a = \"1\"").plan(&index)), ["a 1.0.0", "o 1.0.0"]);
    let none = build().manifest("a = { version = \"1\", default-features = false }").plan(&index);
    assert_eq!(complete(&none), ["a 1.0.0"]);
    let weak =
        build().manifest("a = { version = \"1\", features = [\"weak\"], default-features = false }").plan(&index);
    assert_eq!(complete(&weak), ["a 1.0.0", "w 1.0.0"], "Cargo's lockfile has weak dependencies");
}

#[test]
fn the_search_goes_back_where_requirements_contradict() {
    // The newest `a` wants a `c` that `b` excludes: the one before is taken.
    let index = MemoryIndex::default().releases(&[
        "a 1.0.0 c@>=1.0",
        "a 1.1.0 c@>=1.2",
        "b 1.0.0 c@=1.1.0",
        "c 1.0.0",
        "c 1.1.0",
        "c 1.2.0",
    ]);
    assert_eq!(complete(&build().manifest("a = \"1\"\nb = \"1\"").plan(&index)), ["a 1.0.0", "b 1.0.0", "c 1.1.0"]);
    let plan = build().manifest("a = \"=1.1.0\"\nb = \"1\"").plan(&index);
    assert_eq!(plan.unresolved[0].cause, UnresolvedCause::Conflict);
}

#[test]
fn one_package_links_a_native_library() {
    let index = MemoryIndex::default().releases(&[
        "x-sys 1.0.0 links:x",
        "x-sys 2.0.0 links:x",
        "a 1.0.0 x-sys@1",
        "a 1.1.0 x-sys@2",
    ]);
    let plan = build().manifest("a = \"1\"\nx-sys = \"1\"").plan(&index);
    assert_eq!(complete(&plan), ["a 1.0.0", "x-sys 1.0.0"]);
    let sys = plan.packages.iter().find(|p| p.id.name.written() == "x-sys").unwrap();
    assert_eq!(sys.executes.iter().map(|e| e.word()).collect::<Vec<_>>(), ["build.rs"]);
}

#[test]
fn dev_dependencies_of_members_are_there_and_marked() {
    let index = MemoryIndex::default().releases(&["a 1.0.0 dev:z@1", "t 1.0.0 u@1", "u 1.0.0", "b 1.0.0 u@1"]);
    let plan = build().manifest("a = \"1\"\n[dev-dependencies]\nt = \"1\"").plan(&index);
    assert_eq!(complete(&plan), ["a 1.0.0", "t 1.0.0", "u 1.0.0"]);
    let development: Vec<&str> = plan.packages.iter().filter(|p| p.development).map(|p| p.id.name.written()).collect();
    assert_eq!(development, ["t", "u"]);
    let plan = build().manifest("b = \"1\"\n[dev-dependencies]\nt = \"1\"").plan(&index);
    assert!(plan.packages.iter().any(|p| p.id.name.written() == "u" && !p.development));
}

#[test]
fn what_a_registry_lacks_is_said_and_the_rest_is_planned() {
    let index = MemoryIndex::default().releases(&["a 1.0.0"]);
    let plan = build()
        .manifest("a = \"1\"\nghost = \"1\"\n[build-dependencies]\na2 = { package = \"a\", version = \"7\" }")
        .plan(&index);
    assert_eq!(chosen(&plan), ["a 1.0.0"]);
    let causes: Vec<(String, UnresolvedCause)> =
        plan.unresolved.iter().map(|u| (u.location.as_ref().unwrap().to_string(), u.cause)).collect();
    assert_eq!(
        causes,
        [
            ("/p/Cargo.toml:9:1".to_owned(), UnresolvedCause::NoMatchingVersion),
            ("/p/Cargo.toml:7:1".to_owned(), UnresolvedCause::UnknownPackage),
        ]
    );
}

#[test]
fn young_releases_stay_out_where_an_older_one_fits() {
    let index = MemoryIndex::default().releases(&[
        "a 1.0.0 b@1",
        "a 1.1.0 at:2026-05-30 b@1.1",
        "b 1.0.0",
        "b 1.1.0 at:2026-05-31",
        "young 1.0.0 at:2026-05-31",
    ]);
    let plan = build().manifest("a = \"1\"\nyoung = \"1\"").cooldown(7).plan(&index);
    assert_eq!(complete(&plan), ["a 1.0.0", "b 1.0.0", "young 1.0.0"]);
    let held: Vec<String> =
        plan.held_back.iter().map(|h| format!("{} {} {:?}", h.name, h.version, h.instead)).collect();
    assert_eq!(held, ["a 1.1.0 Some(\"1.0.0\")", "b 1.1.0 Some(\"1.0.0\")"]);
    let plan = build().manifest("a = \"1.1\"").cooldown(7).plan(&index);
    assert_eq!(complete(&plan), ["a 1.1.0", "b 1.1.0"], "no older release fits");
    let plan = build().manifest("a = \"1\"").plan(&index);
    assert_eq!(complete(&plan), ["a 1.1.0", "b 1.1.0"], "no cooldown");
}

#[test]
fn edition_2024_prefers_releases_for_its_own_rust() {
    let index = MemoryIndex::default().releases(&["a 1.0.0 rust:1.60", "a 1.1.0 rust:1.90"]);
    let manifest = |edition: &str| {
        format!(
            "[package]\nname = \"me\"\nversion = \"0.1.0\"\nedition = \"{edition}\"\nrust-version = \"1.85\"\n\
             [dependencies]\na = \"1\"\n"
        )
    };
    let plan = |edition| build().file("/p/Cargo.toml", manifest(edition)).plan(&index);
    assert_eq!(complete(&plan("2024")), ["a 1.0.0"]);
    assert_eq!(complete(&plan("2021")), ["a 1.1.0"]);
}

/// A lockfile of `me` with these packages of crates.io and its edges.
fn lock(packages: &[(&str, &str, &[&str])], edges: &[&str]) -> String {
    let mut out = "version = 4\n\n[[package]]\nname = \"me\"\nversion = \"0.1.0\"\n".to_owned();
    let list = |out: &mut String, edges: &[&str]| {
        if !edges.is_empty() {
            out.push_str("dependencies = [\n");
            for edge in edges {
                let _ = writeln!(out, " \"{edge}\",");
            }
            out.push_str("]\n");
        }
    };
    list(&mut out, edges);
    for (name, version, edges) in packages {
        let _ = write!(
            out,
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{CRATES_IO}\"\nchecksum = \"{}\"\n",
            checksum(name, version)
        );
        list(&mut out, edges);
    }
    out
}

fn two_versions() -> MemoryIndex {
    MemoryIndex::default().releases(&["a 1.0.0 b@1", "a 1.1.0 b@1", "b 1.0.0", "b 1.1.0", "c 1.0.0 b@1"])
}

fn issues(plan: &Plan) -> Vec<(LockIssueKind, String)> {
    plan.lock_issues.iter().map(|i| (i.kind, i.location.to_string())).collect()
}

#[test]
fn a_lockfile_that_fits_is_the_plan() {
    let locked = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"]);
    let at = build().manifest("a = \"1\"").file("/p/Cargo.lock", &locked);
    let plan = at.plan(&two_versions());
    assert_eq!(complete(&plan), ["a 1.0.0", "b 1.0.0"]);
    assert_eq!(issues(&plan), []);
    let offline = at.plan(&MemoryIndex { offline: true, ..two_versions() });
    assert_eq!(complete(&offline), ["a 1.0.0", "b 1.0.0"]);
    assert!(offline.signal_gaps.iter().any(|g| g.signal == "digest"), "{:?}", offline.signal_gaps);
    assert_eq!(plan.digest(), offline.digest(), "the same plan, with or without the registry");
}

#[test]
fn drift_keeps_what_it_can() {
    let locked = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"]);
    let plan = build().manifest("a = \"1.1\"\nc = \"1\"").file("/p/Cargo.lock", &locked).plan(&two_versions());
    assert_eq!(complete(&plan), ["a 1.1.0", "b 1.0.0", "c 1.0.0"], "b stays");
    assert_eq!(
        issues(&plan),
        [
            (LockIssueKind::Drift, "/p/Cargo.toml:6:1".to_owned()),
            (LockIssueKind::Drift, "/p/Cargo.toml:7:1".to_owned())
        ]
    );
}

#[test]
fn a_lockfile_that_the_registry_does_not_vouch_for_is_said() {
    let good = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"]);
    let poisoned = good.replace(&checksum("b", "1.0.0"), &checksum("evil", "1.0.0"));
    let plan = build().manifest("a = \"1\"").file("/p/Cargo.lock", poisoned).plan(&two_versions());
    assert_eq!(issues(&plan), [(LockIssueKind::DigestMismatch, "/p/Cargo.lock:20:1".to_owned())]);
    let unknown = good.replace("version = \"1.0.0\"\nsource", "version = \"1.0.9\"\nsource");
    let plan = build().manifest("a = \"1\"").file("/p/Cargo.lock", unknown).plan(&two_versions());
    assert!(issues(&plan).iter().any(|(k, _)| *k == LockIssueKind::UnknownRelease), "{:?}", plan.lock_issues);
    // The same name and version from somewhere else.
    let foreign = good.replacen(CRATES_IO, "registry+https://evil.example/index", 1);
    let index = two_versions().elsewhere("https://evil.example/index", "a 1.0.0 b@1");
    let plan = build().manifest("a = \"1\"").file("/p/Cargo.lock", foreign).plan(&index);
    assert_eq!(issues(&plan)[0].0, LockIssueKind::ForeignUrl, "{:?}", plan.lock_issues);
    // A transitive one: nothing in the manifests says so, the index does.
    let deep = good.replace(
        &format!("name = \"b\"\nversion = \"1.0.0\"\nsource = \"{CRATES_IO}\""),
        "name = \"b\"\nversion = \"1.0.0\"\nsource = \"registry+https://evil.example/index\"",
    );
    let index = two_versions().elsewhere("https://evil.example/index", "b 1.0.0");
    let plan = build().manifest("a = \"1\"").file("/p/Cargo.lock", deep).plan(&index);
    assert_eq!(issues(&plan), [(LockIssueKind::ForeignUrl, "/p/Cargo.lock:20:1".to_owned())]);
}

#[test]
fn update_changes_what_it_is_asked_to() {
    let locked = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"]);
    let update = |request: Option<&str>| {
        let at = case("update", Effect::Update).manifest("a = \"1\"").file("/p/Cargo.lock", &locked);
        let at = match request {
            Some(request) => at.request(request),
            None => at,
        };
        complete(&at.plan(&two_versions()))
    };
    assert_eq!(update(None), ["a 1.1.0", "b 1.1.0"]);
    assert_eq!(update(Some("a")), ["a 1.1.0", "b 1.0.0"], "conservative");
    assert_eq!(update(Some("b@1.0")), ["a 1.0.0", "b 1.1.0"]);
    let precise = |version: &str| {
        let at = case("update", Effect::Update).manifest("a = \"1\"").file("/p/Cargo.lock", &locked);
        at.request("b").flag("--precise", Some(version)).plan(&two_versions().release("b 1.0.5 yanked"))
    };
    assert_eq!(complete(&precise("1.0.5")), ["a 1.0.0", "b 1.0.5"], "a withdrawn release that is named outright");
    assert_eq!(precise("3.0.0").unresolved.len(), 1);
    assert_eq!(precise("0123abc").unresolved.len(), 1);
    let unknown = case("update", Effect::Update).manifest("a = \"1\"").file("/p/Cargo.lock", &locked).request("zz");
    assert_eq!(unknown.plan(&two_versions()).unresolved.len(), 1);
}

#[test]
fn add_takes_the_newest_and_keeps_the_rest() {
    let locked = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"]);
    let add = |request: &str| {
        case("add", Effect::ProjectAdd).manifest("a = \"1\"").file("/p/Cargo.lock", &locked).request(request)
    };
    let plan = add("c").plan(&two_versions());
    assert_eq!(complete(&plan), ["a 1.0.0", "b 1.0.0", "c 1.0.0"]);
    let c = plan.packages.iter().find(|p| p.id.name.written() == "c").unwrap();
    assert_eq!(c.origin.location, Location::argv(2));
    assert_eq!(issues(&plan), []);
    assert_eq!(add("ghost").plan(&two_versions()).unresolved[0].cause, UnresolvedCause::UnknownPackage);
    assert_eq!(add("c@v1").plan(&two_versions()).unresolved[0].cause, UnresolvedCause::Unsupported);
    let young = two_versions().release("c 1.1.0 at:2026-05-31");
    assert!(complete(&add("c").cooldown(7).plan(&young)).contains(&"c 1.0.0".to_owned()));
    let spelt = two_versions().release("d-e 2.0.0+meta");
    assert!(complete(&add("d_e").plan(&spelt)).contains(&"d-e 2.0.0+meta".to_owned()));
}

#[test]
fn command_lines_as_they_are_understood_reach_the_resolution() {
    use tidewaiter::invocation::parse;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let index = MemoryIndex::default().releases(&["a 1.0.0 ?o@1 feat:x=dep:o", "o 1.0.0", "b 1.0.0", "b 2.0.0"]);
    for (line, expected) in [
        ("cargo build", vec!["b 1.0.0"]),
        ("cargo add a -F x", vec!["a 1.0.0", "b 1.0.0", "o 1.0.0"]),
        ("cargo add --package me a", vec!["a 1.0.0", "b 1.0.0"]),
        ("cargo add -p me --rename z b@2", vec!["b 1.0.0", "b 2.0.0"]),
        ("cargo test --manifest-path ../p/Cargo.toml", vec!["b 1.0.0"]),
        ("cargo install a --features x", vec!["a 1.0.0", "o 1.0.0"]),
        ("cargo install b --version ^1", vec!["b 1.0.0"]),
        ("cargo install b@1.0.0 a", vec!["a 1.0.0", "b 1.0.0"]),
        ("cargo generate-lockfile", vec!["b 1.0.0"]),
        ("cargo install --path .", vec!["b 1.0.0"]),
    ] {
        let mut case = build().manifest("b = \"1\"");
        let read = parse(&words(line), &case.environment());
        case.invocation = read.into_iter().find(|i| i.effect != Effect::Nothing).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(complete(&case.plan(&index)), expected, "{line}");
    }
}

/// A `.crate` with these members.
fn archive(name: &str, version: &str, members: &[(&str, &str)]) -> Arc<[u8]> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}-{version}/{path}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap().into()
}

#[test]
fn install_resolves_a_program_anew_or_by_its_own_lockfile() {
    let mut index = two_versions().release("prog 2.0.0 a@1 ?c@1 dev:z@9").release("prog 2.1.0 yanked");
    let own = lock(&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &[])], &["a"])
        .replace("\"me\"", "\"prog\"")
        .replace("0.1.0", "2.0.0");
    let manifest = "[package]\nname = \"prog\"\nversion = \"2.0.0\"\n[dependencies]\na = \"1\"\n";
    index.archives.insert(
        "prog-2.0.0".to_owned(),
        archive("prog", "2.0.0", &[("Cargo.toml", manifest), ("Cargo.lock", &own), ("build.rs", "")]),
    );
    let install = || case("install", Effect::Requests).request("prog");
    let plan = install().plan(&index);
    assert_eq!(complete(&plan), ["a 1.1.0", "b 1.1.0", "prog 2.0.0"]);
    let program = plan.packages.iter().find(|p| p.id.name.written() == "prog").unwrap();
    assert!(program.direct && program.depth == 0);
    assert_eq!(program.executes.iter().map(|e| e.word()).collect::<Vec<_>>(), ["build.rs"]);
    assert_eq!(program.origin.location, Location::argv(2));
    assert_eq!(complete(&install().flag("--locked", None).plan(&index)), ["a 1.0.0", "b 1.0.0", "prog 2.0.0"]);
    assert_eq!(
        complete(&install().flag("--features", Some("c")).plan(&index)),
        ["a 1.1.0", "b 1.1.0", "c 1.0.0", "prog 2.0.0"]
    );
    assert_eq!(install().flag("--features", Some("zz")).plan(&index).unresolved.len(), 1);
    let git = case("install", Effect::Requests).flag("--git", Some("https://h.example/x")).plan(&index);
    assert_eq!(git.unresolved[0].cause, UnresolvedCause::NeedsExecution);
    let binstall = case("binstall", Effect::RunsRemote).request("prog").plan(&index);
    assert_eq!(chosen(&binstall), ["prog 2.0.0"]);
    assert_eq!(binstall.unresolved.len(), 1);
}

#[test]
fn git_and_path_and_patch_and_other_registries() {
    let index = two_versions().elsewhere("acme", "private 0.3.0 b@9").elsewhere("acme", "b 9.0.0");
    let manifest = "a = \"1\"\nlocal = { path = \"../local\" }\nprivate = { version = \"0.3\", registry = \"acme\" }\n\
                    remote = { git = \"https://h.example/r\", branch = \"x\" }\n[patch.crates-io]\nb = { path = \"b\" }\n";
    let package = |name: &str, version: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nbuild = \"b.rs\"\n{rest}")
    };
    let plan = build()
        .manifest(manifest)
        .file(
            "/local/Cargo.toml",
            package("local", "3.0.0", "[dependencies]\nc = \"1\"\n[dev-dependencies]\nghost = \"1\"\n"),
        )
        .file("/p/b/Cargo.toml", package("b", "1.7.0", ""))
        .plan(&index);
    let all: Vec<String> =
        plan.packages.iter().map(|p| format!("{} {} {}", p.id.name, p.id.version, p.source.kind())).collect();
    assert_eq!(
        all,
        [
            "a 1.1.0 registry",
            "b 1.7.0 path",
            "b 9.0.0 registry",
            "c 1.0.0 registry",
            "local 3.0.0 path",
            "me 0.1.0 workspace",
            "private 0.3.0 registry",
            "remote 0 git"
        ]
    );
    let causes: Vec<(String, UnresolvedCause)> =
        plan.unresolved.iter().map(|u| (u.requirement.clone(), u.cause)).collect();
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert!(causes[0].0.starts_with("remote") && causes[0].1 == UnresolvedCause::NeedsExecution);
}

/// Differential runs against real cargo: it resolves, and what its own index cache then holds is all that is asked.
#[cfg(feature = "real-registries")]
mod real {
    use super::*;
    use serde_json::Value;
    use std::path::Path;
    use std::process::Command;

    use tidewaiter::ecosystem::cargo::lock::Lockfile;
    use tidewaiter::model::Files;

    /// Cargo's cache of the crates.io index.
    struct CachedIndex(PathBuf);

    fn parse_line(line: &Value) -> Option<Version> {
        let text = |v: &Value, k: &str| v.get(k).and_then(Value::as_str).map(str::to_owned);
        let strings = |v: &Value| -> Vec<String> {
            v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut features: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in ["features", "features2"] {
            for (name, values) in line.get(key).and_then(Value::as_object).into_iter().flatten() {
                features.entry(name.clone()).or_default().extend(strings(values));
            }
        }
        Some(Version {
            version: text(line, "vers")?,
            dependencies: line["deps"]
                .as_array()?
                .iter()
                .map(|d| Dependency {
                    name: text(d, "name").unwrap(),
                    package: text(d, "package"),
                    req: text(d, "req").unwrap(),
                    features: strings(&d["features"]),
                    optional: d["optional"].as_bool().unwrap_or(false),
                    default_features: d["default_features"].as_bool().unwrap_or(true),
                    target: text(d, "target"),
                    kind: match d["kind"].as_str() {
                        Some("dev") => DependencyKind::Dev,
                        Some("build") => DependencyKind::Build,
                        _ => DependencyKind::Normal,
                    },
                    registry: text(d, "registry"),
                })
                .collect(),
            checksum: text(line, "cksum")?,
            features,
            yanked: line["yanked"].as_bool().unwrap_or(false),
            links: text(line, "links"),
            rust_version: text(line, "rust_version"),
            published_at: text(line, "pubtime").and_then(|t| t.parse().ok()),
            format: line["v"].as_u64().unwrap_or(1) as u32,
        })
    }

    impl CrateIndex for CachedIndex {
        fn krate(&self, name: &PackageName, registry: Option<&str>) -> Result<Arc<Crate>, FetchError> {
            let missing = || FetchError::NotFound { registry: registry.unwrap_or("crates.io").to_owned() };
            let lower = name.written().to_lowercase();
            let dir = match lower.len() {
                1 | 2 => lower.len().to_string(),
                3 => format!("3/{}", &lower[..1]),
                _ => format!("{}/{}", &lower[..2], &lower[2..4]),
            };
            let bytes = std::fs::read(self.0.join(dir).join(&lower)).map_err(|_| missing())?;
            let versions: Vec<Version> = bytes
                .split(|b| *b == 0)
                .filter(|part| part.first() == Some(&b'{'))
                .filter_map(|part| parse_line(&serde_json::from_slice(part).ok()?))
                .collect();
            Ok(Arc::new(Crate { name: name.clone(), versions: versions.into() }))
        }
        fn prefetch(&self, _: &[(PackageName, Option<String>)]) {}
        fn download(&self, _: &PackageName, _: &str, _: &str, _: Option<&str>) -> Result<Arc<[u8]>, FetchError> {
            Err(FetchError::NotFound { registry: String::new() })
        }
        fn source_of(&self, registry: Option<&str>) -> Result<IndexSource, FetchError> {
            MemoryIndex::default().source_of(registry)
        }
        fn signal_gaps(&self) -> Vec<SignalGap> {
            Vec::new()
        }
    }

    struct Disk;

    impl Files for Disk {
        fn read(&self, path: &Path) -> Result<Arc<[u8]>, tidewaiter::model::FileError> {
            std::fs::read(path).map(Arc::from).map_err(|_| tidewaiter::model::FileError::NotFound)
        }
        fn is_file(&self, path: &Path) -> bool {
            path.is_file()
        }
        fn is_dir(&self, path: &Path) -> bool {
            path.is_dir()
        }
        fn list(&self, dir: &Path) -> Vec<PathBuf> {
            let mut out: Vec<PathBuf> =
                std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
            out.sort();
            out
        }
    }

    fn cargo_home() -> PathBuf {
        std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"))
    }

    fn below(dir: &Path) -> Option<PathBuf> {
        std::fs::read_dir(dir)
            .ok()?
            .flatten()
            .map(|e| e.path())
            .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("index.crates.io")))
    }

    /// What real cargo writes, and what is planned: `name version` lines.
    pub(super) fn both(directory: &Path) -> Result<(Vec<String>, Vec<String>, Plan, std::time::Duration), String> {
        let ran = Command::new("cargo")
            .arg("generate-lockfile")
            .current_dir(directory)
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .map_err(|e| e.to_string())?;
        if !ran.status.success() {
            return Err(String::from_utf8_lossy(&ran.stderr).lines().take(4).collect::<Vec<_>>().join(" / "));
        }
        let path = directory.join("Cargo.lock");
        let (lock, _) = Lockfile::read(&path, &std::fs::read_to_string(&path).unwrap());
        let mut theirs: Vec<String> = lock
            .packages
            .iter()
            .map(|p| format!("{} {} {}", p.name, p.version, p.source.as_deref().unwrap_or("-")))
            .collect();
        theirs.sort();
        let index = CachedIndex(below(&cargo_home().join("registry/index")).unwrap().join(".cache"));
        let mut case = case("generate-lockfile", Effect::Update);
        case.variables.insert("RUSTUP_TOOLCHAIN".to_owned(), rustc());
        let now: Timestamp = NOW.parse().unwrap();
        let environment = Environment {
            variables: case.variables.clone(),
            cwd: directory.to_owned(),
            home: None,
            now,
            os: "linux",
            arch: "x86_64",
        };
        let freshness = Freshness { as_of: None, cutoff: None, excluded: &|_| false, affected: &|_| false, now };
        let request =
            Request { invocation: &case.invocation, environment: &environment, files: &Disk, freshness: &freshness };
        let before = std::time::Instant::now();
        let plan = cargo(request, &index);
        let took = before.elapsed();
        let mut ours: Vec<String> = plan
            .packages
            .iter()
            .map(|p| {
                let source = match &p.source {
                    Source::Registry { url } => format!("registry+{url}"),
                    Source::Git { url, .. } => format!("git+{url}"),
                    _ => "-".to_owned(),
                };
                format!("{} {} {source}", p.id.name, p.id.version)
            })
            .collect();
        ours.sort();
        Ok((theirs, ours, plan, took))
    }

    fn rustc() -> String {
        let out = Command::new("rustc").arg("--version").output().unwrap().stdout;
        String::from_utf8_lossy(&out).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn the_same_packages_as_cargo_on_public_crates() {
        let sources = below(&cargo_home().join("registry/src")).unwrap();
        let mut crates: Vec<PathBuf> = std::fs::read_dir(sources).unwrap().flatten().map(|e| e.path()).collect();
        crates.sort();
        let limit: usize = std::env::var("TIDEWAITER_CRATES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
        let step = (crates.len() / limit).max(1);
        let (mut same, mut wrong) = (0, Vec::new());
        for krate in crates.iter().step_by(step) {
            let name = krate.file_name().unwrap().to_string_lossy().into_owned();
            let temporary = tempfile::tempdir().unwrap();
            let directory = temporary.path().join(&name);
            copy(krate, &directory);
            let _ = std::fs::remove_file(directory.join("Cargo.lock"));
            if std::env::var("TIDEWAITER_ONLY").is_ok_and(|only| only != name) {
                continue;
            }
            match both(&directory) {
                Err(error) => eprintln!("skipped: {name}: {error}"),
                Ok((theirs, ours, plan, took)) if theirs == ours && plan.unresolved.is_empty() => {
                    eprintln!("same: {name}: {} packages in {took:?}", theirs.len());
                    same += 1;
                }
                Ok((theirs, ours, plan, _)) => {
                    let only = |a: &[String], b: &[String]| -> Vec<String> {
                        a.iter().filter(|x| !b.contains(x)).cloned().collect()
                    };
                    wrong.push(format!(
                        "{name}: cargo only {:?}, we only {:?}, unresolved {:?}",
                        only(&theirs, &ours),
                        only(&ours, &theirs),
                        plan.unresolved
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{same} the same, not: {wrong:#?}");
    }

    /// The members of the workspaces in `fixtures/cargo`, as cargo's own metadata has them.
    #[test]
    fn the_same_members_as_cargo_metadata() {
        use tidewaiter::ecosystem::cargo::workspace::Workspace;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cargo/workspaces");
        for entry in std::fs::read_dir(root).unwrap().flatten() {
            let manifest = entry.path().join("Cargo.toml");
            let metadata = cargo_metadata::MetadataCommand::new()
                .manifest_path(&manifest)
                .no_deps()
                .other_options(vec!["--offline".to_owned()])
                .exec()
                .unwrap();
            let theirs: BTreeSet<String> =
                metadata.packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.manifest_path)).collect();
            let (workspace, diagnostics) = Workspace::find(&manifest, &Disk);
            assert!(diagnostics.is_empty(), "{diagnostics:?}");
            let ours: BTreeSet<String> = workspace
                .member_manifests()
                .map(|m| {
                    let package = m.package.as_ref().unwrap();
                    format!("{} {} {}", package.name, package.version, m.path.display())
                })
                .collect();
            assert_eq!(ours, theirs, "{}", manifest.display());
            // And every dependency of every member, after inheritance.
            for package in &metadata.packages {
                let ours = &workspace.manifests[package.manifest_path.as_std_path()];
                let mut ours: Vec<String> = ours
                    .dependencies
                    .iter()
                    .map(|d| {
                        let mut features = d.features.clone();
                        features.sort();
                        let default = d.default_features.unwrap_or(true);
                        format!("{} {:?} {:?} {default} {features:?}", d.package_name(), d.target, d.optional)
                    })
                    .collect();
                let mut theirs: Vec<String> = package
                    .dependencies
                    .iter()
                    .map(|d| {
                        let mut features = d.features.clone();
                        features.sort();
                        let target = d.target.as_ref().map(ToString::to_string);
                        format!("{} {target:?} {:?} {} {features:?}", d.name, d.optional, d.uses_default_features)
                    })
                    .collect();
                ours.sort();
                theirs.sort();
                assert_eq!(ours, theirs, "{}", package.name);
            }
        }
    }
}
