//! Resolution of npm's commands against a registry in memory. What is expected is what npm 11 does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tidewaiter::invocation::{Effect, Flag, FlagEffect, Invocation, Request as Asked, RequestKind, Tool};
use tidewaiter::model::{
    Digest, Ecosystem, Environment, Location, LockIssueKind, LockState, MemoryFiles, Package, PackageId, PackageName,
    Pinning, Plan, SignalGap, Source, Timestamp, UnresolvedCause,
};
use tidewaiter::registry::npm::{Packument, Version};
use tidewaiter::registry::version_list::VersionList;
use tidewaiter::registry::{FetchError, NpmRegistry};
use tidewaiter::resolve::{self, Freshness, Request};

const BASE: &str = "https://registry.npmjs.org/";

/// A registry in memory, and a record of what it was asked for.
#[derive(Default)]
struct Registry {
    packages: BTreeMap<String, Listed>,
    offline: bool,
    asked: Mutex<Vec<String>>,
}

/// A packument in parts.
#[derive(Default)]
struct Listed {
    dist_tags: BTreeMap<String, String>,
    versions: BTreeMap<String, Version>,
    time: BTreeMap<String, Timestamp>,
}

fn name(text: &str) -> PackageName {
    PackageName::new(Ecosystem::Npm, text)
}

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + n * 86_400).unwrap()
}

/// The digest the registry has for a release.
fn digest(package: &str, version: &str) -> Digest {
    use tidewaiter::model::DigestAlgorithm::Sha512;
    let mut bytes = [0_u8; 64];
    for (i, b) in format!("{package}@{version}").bytes().enumerate() {
        bytes[i % 64] ^= b;
    }
    Digest::from_bytes(Sha512, &bytes).unwrap()
}

fn tarball(package: &str, version: &str) -> String {
    let base = package.rsplit('/').next().unwrap();
    format!("{BASE}{package}/-/{base}-{version}.tgz")
}

fn specs(text: &str) -> BTreeMap<String, String> {
    text.split(", ")
        .filter(|t| !t.is_empty())
        .map(|t| t.rsplit_once(' ').map_or((t, "*"), |(n, s)| (n, s)))
        .map(|(n, s)| (n.to_owned(), s.replace('_', " ")))
        .collect()
}

impl Registry {
    /// A release; `latest` follows the newest that is added. `dependencies`: `a ^1, b 2`.
    fn with(self, package: &str, version: &str, dependencies: &str) -> Self {
        self.and(package, version, |v| v.dependencies = specs(dependencies))
    }

    fn and(mut self, package: &str, version: &str, change: impl FnOnce(&mut Version)) -> Self {
        let packument = self.packages.entry(package.to_owned()).or_default();
        let mut about = Version {
            tarball: tarball(package, version),
            digests: vec![digest(package, version)],
            ..Version::default()
        };
        change(&mut about);
        let at = day(i64::try_from(packument.versions.len()).unwrap());
        packument.versions.insert(version.to_owned(), about);
        packument.time.insert(version.to_owned(), at);
        packument.dist_tags.insert("latest".to_owned(), version.to_owned());
        self
    }

    fn tag(mut self, package: &str, tag: &str, version: &str) -> Self {
        self.packages.get_mut(package).unwrap().dist_tags.insert(tag.to_owned(), version.to_owned());
        self
    }

    fn published(mut self, package: &str, version: &str, at: Timestamp) -> Self {
        self.packages.get_mut(package).unwrap().time.insert(version.to_owned(), at);
        self
    }
}

impl NpmRegistry for Registry {
    fn packument(&self, name: &PackageName) -> Result<Arc<Packument>, FetchError> {
        self.asked.lock().unwrap().push(name.written().to_owned());
        if self.offline {
            return Err(FetchError::Offline { registry: BASE.to_owned() });
        }
        let Some(listed) = self.packages.get(name.written()) else {
            return Err(FetchError::NotFound { registry: BASE.to_owned() });
        };
        Ok(Arc::new(Packument {
            name: name.clone(),
            dist_tags: listed.dist_tags.clone(),
            versions: VersionList::new(&listed.versions, &listed.time),
            created: Some(day(0)),
            registry: BASE.to_owned(),
        }))
    }

    fn prefetch(&self, _names: &[PackageName]) {}

    fn registry_of(&self, _name: &PackageName) -> String {
        BASE.to_owned()
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

/// A command under test.
struct Command {
    invocation: Invocation,
    files: MemoryFiles,
    cwd: &'static str,
    cutoff: Option<Timestamp>,
    variables: BTreeMap<String, String>,
    affected: Vec<PackageId>,
}

fn command(effect: Effect, words: &[&str]) -> Command {
    let argv: Vec<String> = ["npm", "install"].iter().chain(words).map(|w| (*w).to_owned()).collect();
    let mut invocation = Invocation::other(&argv);
    invocation.tool = Tool::Npm;
    invocation.verb = "install".to_owned();
    invocation.effect = effect;
    invocation.requests = words
        .iter()
        .enumerate()
        .map(|(i, w)| Asked { text: (*w).to_owned(), kind: RequestKind::Requirement, location: Location::argv(i + 2) })
        .collect();
    Command {
        invocation,
        files: MemoryFiles::default(),
        cwd: "/p",
        cutoff: None,
        variables: BTreeMap::new(),
        affected: Vec::new(),
    }
}

impl Command {
    fn file(mut self, path: &str, text: impl Into<String>) -> Self {
        self.files.0.insert(path.into(), text.into().into_bytes());
        self
    }

    fn flag(mut self, name: &str, value: Option<&str>) -> Self {
        self.invocation.flags.push(Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            effect: FlagEffect::Selects,
            location: Location::argv(9),
        });
        self
    }

    fn tool(mut self, tool: Tool) -> Self {
        self.invocation.tool = tool;
        self
    }

    fn verb(mut self, verb: &str) -> Self {
        self.invocation.verb = verb.to_owned();
        self
    }

    fn run(&self, registry: &Registry) -> Plan {
        let environment = Environment {
            variables: self.variables.clone(),
            cwd: self.cwd.into(),
            home: Some("/home/u".into()),
            now: day(1000),
            os: "linux",
            arch: "x86_64",
        };
        let affected = |id: &PackageId| self.affected.contains(id);
        let freshness =
            Freshness { as_of: None, cutoff: self.cutoff, excluded: &|_| false, affected: &affected, now: day(1000) };
        let request = Request {
            invocation: &self.invocation,
            environment: &environment,
            files: &self.files,
            freshness: &freshness,
        };
        let plan = resolve::npm(request, registry);
        assert_eq!(plan, resolve::npm(request, registry), "the same input gives the same plan");
        plan
    }
}

/// `a@1.0.0 b@2.0.0`, sorted.
fn ids(plan: &Plan) -> String {
    let ids: Vec<String> = plan.packages.iter().map(|p| format!("{}@{}", p.id.name, p.id.version)).collect();
    ids.join(" ")
}

fn package<'p>(plan: &'p Plan, name: &str) -> &'p Package {
    plan.packages.iter().find(|p| p.id.name.written() == name).unwrap()
}

fn issues(plan: &Plan) -> Vec<(LockIssueKind, String, String)> {
    plan.lock_issues.iter().map(|i| (i.kind, i.expected.clone(), i.found.clone())).collect()
}

fn unresolved(plan: &Plan) -> Vec<(&str, UnresolvedCause)> {
    plan.unresolved.iter().map(|u| (u.requirement.as_str(), u.cause)).collect()
}

/// A lockfile (version 3) of packages at the top: `a 1.0.0 b ^1`: name, version, dependencies.
fn lock(root: &str, packages: &[(&str, &str, &str)]) -> String {
    let mut entries = vec![format!("\"\": {root}")];
    for (key, version, dependencies) in packages {
        let package = key.rsplit("node_modules/").next().unwrap();
        entries.push(format!(
            r#""{key}": {{ "version": "{version}", "resolved": "{}", "integrity": "{}", "dependencies": {} }}"#,
            tarball(package, version),
            digest(package, version).sri(),
            serde_json::to_string(&specs(dependencies)).unwrap(),
        ));
    }
    format!("{{ \"lockfileVersion\": 3, \"packages\": {{\n{}\n}} }}", entries.join(",\n"))
}

fn abc() -> Registry {
    Registry::default()
        .with("a", "1.0.0", "b ^1")
        .with("a", "1.1.0", "b ^1, c 1.x")
        .with("a", "2.0.0", "b ^2")
        .with("b", "1.0.0", "")
        .with("b", "1.5.0", "")
        .with("b", "2.0.0", "")
        .with("c", "1.0.0", "b >=1")
}

#[test]
fn a_manifest_without_a_lockfile_is_resolved_edge_by_edge() {
    let manifest = "{\n  \"dependencies\": { \"a\": \"^1.0.0\" }\n}";
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&abc());
    // c wants b >=1, which is b 2; a wants b ^1: both are in the plan.
    assert_eq!(ids(&plan), "a@1.1.0 b@1.5.0 b@2.0.0 c@1.0.0");
    assert!(plan.complete());
    let a = package(&plan, "a");
    assert_eq!((a.direct, a.depth, a.pinning, a.lock), (true, 0, Pinning::Range, LockState::Unlocked));
    assert_eq!(a.origin.text, "a@^1.0.0");
    assert_eq!(a.origin.range.as_deref(), Some("^1.0.0"));
    assert_eq!(a.origin.location, Location::at("package.json", 2, 21));
    assert_eq!(a.source, Source::Registry { url: BASE.to_owned() });
    assert_eq!(a.artifacts[0].filename, "a-1.1.0.tgz");
    let c = package(&plan, "c");
    assert_eq!((c.direct, c.depth), (false, 1));
    assert_eq!(c.required_by, std::slice::from_ref(&a.id));
    assert_eq!(plan.packages[2].depth, 2);
}

#[test]
fn the_version_npm_itself_would_pick() {
    let registry = Registry::default()
        .with("t", "1.0.0", "")
        .with("t", "2.0.0", "")
        .with("t", "3.0.0-rc.1", "")
        .and("t", "2.1.0", |v| v.deprecated = Some("broken".into()))
        .tag("t", "latest", "1.0.0")
        .tag("t", "next", "3.0.0-rc.1");
    for (word, expected, pinning) in [
        ("t", "t@1.0.0", Pinning::Floating),
        ("t@*", "t@1.0.0", Pinning::Floating),
        ("t@>=1", "t@1.0.0", Pinning::Range),
        ("t@^2", "t@2.0.0", Pinning::Range),
        ("t@2.1.0", "t@2.1.0", Pinning::Exact),
        ("t@=v2.1.0", "t@2.1.0", Pinning::Exact),
        ("t@~2.1.0", "t@2.1.0", Pinning::Range),
        ("t@next", "t@3.0.0-rc.1", Pinning::Floating),
        ("t@3.x", "", Pinning::Range),
        ("u@npm:t@2", "t@2.0.0", Pinning::Range),
    ] {
        let plan = command(Effect::ProjectAdd, &[word]).run(&registry);
        assert_eq!(ids(&plan), expected, "{word}");
        match plan.packages.first() {
            Some(p) => assert_eq!((p.pinning, p.origin.text.as_str()), (pinning, word)),
            None => assert_eq!(unresolved(&plan), [(word, UnresolvedCause::NoMatchingVersion)]),
        }
    }
    let plan = command(Effect::ProjectAdd, &["t@2.1.0"]).run(&registry);
    assert_eq!(plan.packages[0].withdrawn.as_deref(), Some("broken"));
    let plan = command(Effect::ProjectAdd, &["t"]).flag("--tag", Some("next")).run(&registry);
    assert_eq!(ids(&plan), "t@3.0.0-rc.1", "* takes the default tag's version, whatever it is");
    let plan = command(Effect::ProjectAdd, &["t@>=1"]).flag("--tag", Some("next")).run(&registry);
    assert_eq!(ids(&plan), "t@2.0.0");
}

#[test]
fn the_cooldown_holds_back_and_says_so() {
    let registry = abc().published("a", "2.0.0", day(999)).published("b", "2.0.0", day(998));
    let mut cmd = command(Effect::ProjectAdd, &["a"]);
    cmd.cutoff = Some(day(993));
    let plan = cmd.run(&registry);
    assert_eq!(ids(&plan), "a@1.1.0 b@1.5.0 c@1.0.0");
    let held: Vec<String> = plan
        .held_back
        .iter()
        .map(|h| format!("{} {} -> {} {}", h.name, h.version, h.instead.clone().unwrap(), h.reason))
        .collect();
    assert_eq!(held, ["a 2.0.0 -> 1.1.0 published 24 hours ago", "b 2.0.0 -> 1.5.0 published 2 days ago"]);
    // Nothing old enough: the young one it is, and the rule asks.
    let mut cmd = command(Effect::ProjectAdd, &["a@2.0.0"]);
    cmd.cutoff = Some(day(993));
    assert!(ids(&cmd.run(&registry)).contains("a@2.0.0"));
    // A tag falls back as npm's --before has it.
    let mut cmd = command(Effect::ProjectAdd, &["a@latest"]);
    cmd.cutoff = Some(day(993));
    assert!(ids(&cmd.run(&registry)).contains("a@1.1.0"));
    // A release that fixes an advisory is exempt.
    let mut cmd = command(Effect::ProjectAdd, &["a"]);
    cmd.cutoff = Some(day(993));
    cmd.affected = vec![PackageId::new(name("a"), "1.1.0")];
    assert!(ids(&cmd.run(&registry)).contains("a@2.0.0"));
}

#[test]
fn before_is_npms_own_cooldown() {
    let date = day(1).to_string();
    let plan = command(Effect::ProjectAdd, &["a"]).flag("--before", Some(&date)).run(&abc());
    assert_eq!(ids(&plan), "a@1.1.0 b@1.5.0 c@1.0.0");
    assert!(plan.held_back.is_empty());
}

#[test]
fn peers_are_installed_optional_peers_only_when_disputed() {
    let registry = Registry::default()
        .with("react", "17.0.0", "")
        .with("react", "18.0.0", "")
        .and("ui", "1.0.0", |v| v.peer_dependencies = specs("react >=17"))
        .and("maybe", "1.0.0", |v| {
            v.peer_dependencies = specs("react ^17");
            v.optional_peers = vec!["react".into()];
        });
    let plan = command(Effect::ProjectAdd, &["ui"]).run(&registry);
    assert_eq!(ids(&plan), "react@18.0.0 ui@1.0.0");
    // The project's own choice serves the peer.
    let plan = command(Effect::ProjectAdd, &["ui", "react@17"]).run(&registry);
    assert_eq!(ids(&plan), "react@17.0.0 ui@1.0.0");
    let manifest = r#"{ "dependencies": { "react": "17" }, "devDependencies": { "x": "1" } }"#;
    let nested = registry.with("x", "1.0.0", "ui 1");
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&nested);
    assert_eq!(ids(&plan), "react@17.0.0 ui@1.0.0 x@1.0.0");
    assert!(package(&plan, "ui").development && !package(&plan, "react").development);
    assert_eq!(ids(&command(Effect::ProjectAdd, &["maybe"]).run(&nested)), "maybe@1.0.0");
    let plan = command(Effect::ProjectAdd, &["maybe", "react@18"]).run(&nested);
    assert_eq!(ids(&plan), "maybe@1.0.0 react@17.0.0 react@18.0.0");
    let plan = command(Effect::ProjectAdd, &["ui"]).flag("--legacy-peer-deps", None).run(&nested);
    assert_eq!(ids(&plan), "ui@1.0.0");
}

#[test]
fn optional_dependencies_may_fail_and_bundled_ones_are_not_fetched() {
    let registry = Registry::default()
        .and("x", "1.0.0", |v| {
            v.dependencies = specs("gone 1, inside 1, there 1");
            v.optional_dependencies = specs("gone 1");
            v.bundled = vec!["inside".into()];
            v.lifecycle_scripts = vec!["postinstall".into(), "prepare".into()];
        })
        .with("there", "1.0.0", "missing 1");
    let plan = command(Effect::ProjectAdd, &["x"]).run(&registry);
    assert_eq!(ids(&plan), "there@1.0.0 x@1.0.0");
    assert_eq!(unresolved(&plan), [("missing@1", UnresolvedCause::UnknownPackage)]);
    assert_eq!(plan.unresolved[0].name, Some(name("missing")));
    let executes: Vec<&str> = package(&plan, "x").executes.iter().map(|e| e.word()).collect();
    assert_eq!(executes, ["postinstall"]);
    // What is inside is named, and which release it is said to be unknown.
    let inside: Vec<&str> =
        plan.signal_gaps.iter().filter(|g| g.signal == "bundled").map(|g| g.reason.as_str()).collect();
    assert_eq!(inside, ["x@1.0.0 brings inside in its own archive, in versions that are not known"]);
    // Below an optional dependency nothing is fatal either; but what cannot be asked stays unknown.
    let registry = Registry::default().and("y", "1.0.0", |v| v.optional_dependencies = specs("o 1")).with(
        "o",
        "1.0.0",
        "missing 1",
    );
    assert!(command(Effect::ProjectAdd, &["y"]).run(&registry).complete());
    let offline = Registry { offline: true, ..Registry::default() };
    let manifest = r#"{ "optionalDependencies": { "o": "1" } }"#;
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&offline);
    assert_eq!(unresolved(&plan), [("o@1", UnresolvedCause::Unreachable)]);
}

#[test]
fn omitted_kinds_are_left_out() {
    let manifest = r#"{ "dependencies": { "b": "1" }, "devDependencies": { "c": "1" } }"#;
    let base = || command(Effect::Project, &[]).file("/p/package.json", manifest);
    assert_eq!(ids(&base().run(&abc())), "b@1.5.0 b@2.0.0 c@1.0.0");
    assert_eq!(ids(&base().flag("--omit", Some("dev")).run(&abc())), "b@1.5.0");
    assert_eq!(ids(&base().flag("--production", None).run(&abc())), "b@1.5.0");
    let mut production = base();
    production.variables.insert("NODE_ENV".into(), "production".into());
    assert_eq!(ids(&production.run(&abc())), "b@1.5.0");
    assert_eq!(ids(&production.flag("--include", Some("dev")).run(&abc())), "b@1.5.0 b@2.0.0 c@1.0.0");
}

#[test]
fn overrides_replace_what_others_ask_for() {
    let manifest = r#"{ "dependencies": { "a": "^1", "b": "1.0.0" }, "overrides": { "a": { "b": "$b" } } }"#;
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&abc());
    // Below a, c's `b >=1` is the project's own b 1.0.0.
    assert_eq!(ids(&plan), "a@1.1.0 b@1.0.0 c@1.0.0");
    // A rule of its own for c leaves the rules below a behind.
    let manifest =
        r#"{ "dependencies": { "a": "^1", "b": "1.0.0" }, "overrides": { "a": { "b": "$b" }, "c": "1.0.0" } }"#;
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&abc());
    assert_eq!(ids(&plan), "a@1.1.0 b@1.0.0 b@2.0.0 c@1.0.0");
    let manifest = r#"{ "dependencies": { "b": "1.0.0" }, "overrides": { "b": "2.0.0" } }"#;
    let plan = command(Effect::Project, &[]).file("/p/package.json", manifest).run(&abc());
    assert_eq!(unresolved(&plan), [("b@1.0.0", UnresolvedCause::Conflict)]);
    let manifest = r#"{ "dependencies": { "a": "^1" }, "pnpm": { "overrides": { "a>b": "1.0.0", "c": "-" } } }"#;
    let plan = command(Effect::Project, &[]).tool(Tool::Pnpm).file("/p/package.json", manifest).run(&abc());
    assert_eq!(ids(&plan), "a@1.1.0 b@1.0.0");
}

#[test]
fn workspaces_are_never_fetched_and_their_dependencies_are() {
    let cmd = command(Effect::Project, &[])
        .file("/p/package.json", r#"{ "workspaces": ["packages/**", "!packages/old"] }"#)
        .file(
            "/p/packages/one/package.json",
            r#"{ "name": "@me/one", "version": "1.0.0", "dependencies": { "b": "1", "@me/two": "^2" } }"#,
        )
        .file(
            "/p/packages/deep/two/package.json",
            r#"{ "name": "@me/two", "version": "2.0.0", "devDependencies": { "c": "*" } }"#,
        )
        .file("/p/packages/old/package.json", r#"{ "name": "@me/old", "dependencies": { "a": "1" } }"#)
        .file("/p/packages/one/node_modules/z/package.json", r#"{ "name": "z", "dependencies": { "zz": "1" } }"#);
    let plan = cmd.run(&abc());
    assert_eq!(ids(&plan), "@me/one@1.0.0 @me/two@2.0.0 b@1.5.0 b@2.0.0 c@1.0.0");
    assert_eq!(package(&plan, "@me/two").source, Source::Workspace { path: "packages/deep/two".into() });
    assert!(plan.complete(), "{:?}", plan.unresolved);
    // A range that the member does not satisfy goes to the registry: somebody else may own the name there.
    let cmd = cmd.file(
        "/p/packages/one/package.json",
        r#"{ "name": "@me/one", "version": "1.0.0", "dependencies": { "@me/two": "^3" } }"#,
    );
    assert_eq!(unresolved(&cmd.run(&abc())), [("@me/two@^3", UnresolvedCause::UnknownPackage)]);
    // From inside a member npm works on the whole workspace.
    let mut inside = cmd;
    inside.cwd = "/p/packages/deep/two";
    assert!(ids(&inside.run(&abc())).starts_with("@me/one@1.0.0"));
}

#[test]
fn sources_outside_the_registry() {
    let cmd = command(Effect::Project, &[])
        .file(
            "/p/package.json",
            r#"{ "dependencies": { "g": "user/g#v1", "r": "https://u:secret@host.example/r.tgz?token=x",
                "d": "file:../d", "f": "file:f.tgz", "w": "workspace:*" } }"#,
        )
        .file("/d/package.json", r#"{ "name": "real-d", "version": "3.0.0", "dependencies": { "b": "1" }, "devDependencies": { "c": "1" }, "scripts": { "postinstall": "x" } }"#);
    let plan = cmd.run(&abc());
    assert_eq!(ids(&plan), "b@1.5.0 f@0 g@0 r@0 real-d@3.0.0");
    let kinds: Vec<&str> = plan.packages.iter().map(|p| p.source.kind()).collect();
    assert_eq!(kinds, ["registry", "path", "git", "url", "path"]);
    assert_eq!(
        package(&plan, "g").source,
        Source::Git { url: "https://github.com/user/g.git".into(), reference: Some("v1".into()), commit: None }
    );
    assert_eq!(
        unresolved(&plan),
        [
            ("f@file:f.tgz", UnresolvedCause::Unsupported),
            ("g@user/g#v1", UnresolvedCause::NeedsExecution),
            ("r@https://****@host.example/r.tgz", UnresolvedCause::Unsupported),
            ("w@workspace:*", UnresolvedCause::Unsupported),
        ]
    );
    assert!(!format!("{plan:?}").contains("secret") && !format!("{plan:?}").contains("token"));
}

#[test]
fn a_lockfile_that_satisfies_the_manifest_is_the_plan() {
    let root = r#"{ "dependencies": { "a": "^1" } }"#;
    let text = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    for effect in [Effect::Project, Effect::Locked] {
        let plan = command(effect, &[]).file("/p/package.json", root).file("/p/package-lock.json", &text).run(&abc());
        assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0");
        assert_eq!(issues(&plan), []);
        assert!(plan.complete() && plan.signal_gaps.is_empty());
        let b = package(&plan, "b");
        assert_eq!((b.lock, b.direct, b.depth), (LockState::LockedWithDigest, false, 1));
        assert_eq!(b.published_at, Some(day(0)));
        assert_eq!(b.origin.location.path().unwrap().to_str(), Some("package-lock.json"));
        assert_eq!(package(&plan, "a").origin.location, Location::at("package.json", 1, 21));
    }
    // npm-shrinkwrap.json comes first.
    let shrinkwrap = lock(root, &[("node_modules/a", "1.1.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let plan = command(Effect::Locked, &[])
        .file("/p/package.json", root)
        .file("/p/package-lock.json", &text)
        .file("/p/npm-shrinkwrap.json", shrinkwrap)
        .run(&abc());
    assert!(ids(&plan).starts_with("a@1.1.0"));
}

#[test]
fn drift_is_reported_and_the_rest_resolved() {
    let root = r#"{ "dependencies": { "a": "^1", "gone": "1" } }"#;
    let manifest = "{ \"dependencies\": { \"a\": \"^2\",\n \"c\": \"1\" } }";
    let text = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let cmd = |effect| {
        command(effect, &[]).file("/p/package.json", manifest).file("/p/package-lock.json", text.as_str()).run(&abc())
    };
    let plan = cmd(Effect::Project);
    assert_eq!(
        issues(&plan),
        [
            (LockIssueKind::Drift, "a@^2".into(), "a 1.0.0".into()),
            (LockIssueKind::Drift, "c@1".into(), "nothing".into()),
            (LockIssueKind::Drift, "nothing".into(), "gone@1".into()),
        ]
    );
    assert_eq!(plan.lock_issues[1].location, Location::at("package.json", 2, 2));
    // c's `b >=1` is met by the locked b; a 2 needs b 2.
    assert_eq!(ids(&plan), "a@2.0.0 b@1.0.0 b@2.0.0 c@1.0.0");
    assert_eq!(package(&plan, "a").lock, LockState::Unlocked);
    // npm ci refuses; the plan is what the lockfile has.
    let plan = cmd(Effect::Locked);
    assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0");
    assert_eq!(plan.lock_issues.len(), 3);
}

/// What a project adds to packages of others is asked for as if they did; what pnpm loads before all is in the plan too.
#[test]
fn extensions_and_configuration_dependencies_are_edges() {
    let manifest = r#"{ "dependencies": { "c": "1.0.0" } }"#;
    let run = |tool, file: &str, text: &str| {
        let plan =
            command(Effect::Project, &[]).tool(tool).file("/p/package.json", manifest).file(file, text).run(&abc());
        (ids(&plan), plan.unresolved.len())
    };
    let plain = run(Tool::Pnpm, "/p/pnpm-workspace.yaml", "packages: []\n");
    assert!(!plain.0.contains("a@"), "{plain:?}");
    for (tool, file, text) in [
        (Tool::Pnpm, "/p/pnpm-workspace.yaml", "packageExtensions:\n  c: {dependencies: {a: 1.0.0}}\n"),
        (Tool::Pnpm, "/p/pnpm-workspace.yaml", "packageExtensions:\n  c@^1: {peerDependencies: {a: 1.0.0}}\n"),
        (Tool::Pnpm, "/p/pnpm-workspace.yaml", "packageExtensions:\n  c@1: {optionalDependencies: {a: 1.0.0}}\n"),
        (Tool::Yarn, "/p/.yarnrc.yml", "packageExtensions:\n  \"c@*\": {dependencies: {a: 1.0.0}}\n"),
        (Tool::Pnpm, "/p/pnpm-workspace.yaml", "configDependencies:\n  a: 1.0.0+sha512-AAAA\n"),
        (
            Tool::Pnpm,
            "/p/pnpm-lock.yaml",
            "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    configDependencies:\n      a: {specifier: 1.0.0, version: 1.0.0}\n",
        ),
    ] {
        let found = run(tool, file, text);
        assert!(found.0.contains("a@1.0.0") && found.1 == 0, "{text}: {found:?}");
    }
    let other = run(Tool::Pnpm, "/p/pnpm-workspace.yaml", "packageExtensions:\n  c@^2: {dependencies: {a: 1.0.0}}\n");
    assert_eq!(other, plain);
    for (file, text) in [
        ("/p/pnpm-workspace.yaml", "useNodeVersion: 22.0.0\n"),
        ("/p/.npmrc", "use-node-version=22.0.0\n"),
        ("/p/pnpm-workspace.yaml", "executionEnv: {nodeVersion: 22.0.0}\n"),
    ] {
        assert_eq!(run(Tool::Pnpm, file, text).1, 1, "{text}");
    }
}

/// pnpm stops with "broken lockfile" or "outdated lockfile"; what is missing is said before, whoever left it out.
#[test]
fn a_frozen_pnpm_lockfile_without_an_entry_is_drift() {
    let manifest = r#"{ "dependencies": { "a": "1.0.0" } }"#;
    let sri = digest("a", "1.0.0").sri();
    let importer = "importers:\n  .:\n    dependencies:\n      a:\n        specifier: 1.0.0\n        version: 1.0.0\n";
    let locks = [
        (
            format!(
                "lockfileVersion: '9.0'\n{importer}packages:\n  a@1.0.0:\n    resolution: {{integrity: {sri}}}\n\
                 snapshots:\n  a@1.0.0:\n    dependencies:\n      b: 1.0.0\n"
            ),
            "b@1.0.0",
            "a@1.0.0",
        ),
        (
            format!(
                "lockfileVersion: '6.0'\ndependencies:\n  a:\n    specifier: 1.0.0\n    version: 1.0.0\npackages:\n\
                 \n  /a@1.0.0:\n    resolution: {{integrity: {sri}}}\n    dependencies:\n      b: 1.0.0\n"
            ),
            "b@1.0.0",
            "a@1.0.0",
        ),
        // Not even what the manifest names.
        (format!("lockfileVersion: '9.0'\n{importer}packages: {{}}\n"), "a@1.0.0", ""),
        ("lockfileVersion: '9.0'\nimporters:\n  .: {}\n".to_owned(), "a@1.0.0", ""),
    ];
    for (text, missing, plan_has) in locks {
        let plan = command(Effect::Locked, &[])
            .tool(Tool::Pnpm)
            .file("/p/package.json", manifest)
            .file("/p/pnpm-lock.yaml", text.as_str())
            .run(&abc());
        assert_eq!(issues(&plan), [(LockIssueKind::Drift, missing.into(), "nothing".into())], "{text}");
        assert_eq!(ids(&plan), plan_has, "{text}");
    }
}

#[test]
fn npm_ci_without_a_lockfile_is_incomplete() {
    let plan = command(Effect::Locked, &[]).file("/p/package.json", r#"{ "dependencies": { "a": "1" } }"#).run(&abc());
    assert!(!plan.complete());
}

#[test]
fn a_request_beside_a_lockfile_is_resolved_afresh_and_the_rest_kept() {
    let root = r#"{ "dependencies": { "a": "^1" } }"#;
    let text = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let cmd = |words: &[&str]| {
        command(Effect::ProjectAdd, words)
            .file("/p/package.json", root)
            .file("/p/package-lock.json", text.as_str())
            .run(&abc())
    };
    assert_eq!(ids(&cmd(&["c"])), "a@1.0.0 b@1.0.0 c@1.0.0");
    assert_eq!(ids(&cmd(&["a@2"])), "a@2.0.0 b@2.0.0");
    assert_eq!(ids(&cmd(&["a"])), "a@2.0.0 b@2.0.0");
}

#[test]
fn updates_leave_the_lockfile_aside() {
    let root = r#"{ "dependencies": { "a": "^1" } }"#;
    let text = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let cmd = |words: &[&str]| {
        command(Effect::Update, words)
            .verb("update")
            .file("/p/package.json", root)
            .file("/p/package-lock.json", text.as_str())
    };
    assert_eq!(ids(&cmd(&[]).run(&abc())), "a@1.1.0 b@1.5.0 b@2.0.0 c@1.0.0");
    assert_eq!(ids(&cmd(&["b"]).run(&abc())), "a@1.0.0 b@1.5.0");
    assert_eq!(ids(&cmd(&["a"]).run(&abc())), "a@1.1.0 b@1.0.0 c@1.0.0");
    let both = ids(&cmd(&[]).verb("audit fix").run(&abc()));
    assert!(both.contains("a@1.0.0") && both.contains("a@1.1.0"), "{both}");
}

#[test]
fn a_poisoned_lockfile_is_found_out() {
    let root = r#"{ "dependencies": { "a": "1" } }"#;
    let good = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let run = |text: String| {
        command(Effect::Locked, &[]).file("/p/package.json", root).file("/p/package-lock.json", text).run(&abc())
    };
    let kinds = |plan: &Plan| plan.lock_issues.iter().map(|i| i.kind).collect::<Vec<_>>();
    // Another host with another digest.
    let plan = run(good
        .replace("https://registry.npmjs.org/b", "https://evil.example/b")
        .replace(&digest("b", "1.0.0").sri(), &digest("e", "1").sri()));
    assert_eq!(kinds(&plan), [LockIssueKind::DigestMismatch, LockIssueKind::ForeignUrl]);
    assert_eq!(package(&plan, "b").source.kind(), "url");
    // Another host, the registry's own digest: the bytes are the registry's, the source is not.
    let plan = run(good.replace("https://registry.npmjs.org/b", "https://mirror.example/b"));
    assert_eq!(kinds(&plan), []);
    assert_eq!(package(&plan, "b").source.kind(), "url");
    // Another package's tarball.
    let plan = run(good
        .replace(&tarball("b", "1.0.0"), &tarball("c", "1.0.0"))
        .replace(&digest("b", "1.0.0").sri(), &digest("c", "1.0.0").sri()));
    assert_eq!(kinds(&plan), [LockIssueKind::DigestMismatch, LockIssueKind::NameMismatch]);
    // A version that was never published, or was removed.
    let plan = run(good.replace("\"1.0.0\"", "\"1.0.9\"").replace("-1.0.0.tgz", "-1.0.9.tgz"));
    assert_eq!(kinds(&plan), [LockIssueKind::UnknownRelease, LockIssueKind::UnknownRelease]);
    // A name of its own under another name.
    let plan = run(good.replace("\"node_modules/b\": {", "\"node_modules/b\": { \"name\": \"c\","));
    assert!(kinds(&plan).contains(&LockIssueKind::NameMismatch), "{:?}", plan.lock_issues);
    // Git where the manifest says a range.
    let plan = run(good.replace(
        &format!("\"{}\"", tarball("b", "1.0.0")),
        "\"git+ssh://git@github.com/evil/b.git#0d7bd85a85fa2571fa532d2fc842ed099b236ad2\"",
    ));
    assert_eq!(kinds(&plan), [LockIssueKind::ForeignUrl]);
    assert_eq!(package(&plan, "b").source.kind(), "git");
    // No URL and no digest: nothing to vouch for.
    let plan = run(good.replace(
        &format!("\"resolved\": \"{}\", \"integrity\": \"{}\",", tarball("b", "1.0.0"), digest("b", "1.0.0").sri()),
        "",
    ));
    assert_eq!(kinds(&plan), []);
    assert_eq!(package(&plan, "b").lock, LockState::Locked);
    // An entry that nothing asks for is judged too.
    let plan = run(good.replace(
        "\n} }",
        ",\n\"node_modules/zz\": { \"version\": \"6.6.6\", \"resolved\": \"https://evil.example/zz.tgz\" }\n} }",
    ));
    assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0 zz@6.6.6");
    assert_eq!(kinds(&plan), [LockIssueKind::UnknownRelease, LockIssueKind::ForeignUrl]);
}

#[test]
fn offline_a_lockfile_is_still_the_plan_and_says_what_was_not_compared() {
    let root = r#"{ "dependencies": { "a": "1" } }"#;
    let text = lock(root, &[("node_modules/a", "1.0.0", "b ^1"), ("node_modules/b", "1.0.0", "")]);
    let offline = Registry { offline: true, ..abc() };
    let plan =
        command(Effect::Locked, &[]).file("/p/package.json", root).file("/p/package-lock.json", &text).run(&offline);
    assert!(plan.complete());
    assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0");
    let signals: Vec<&str> = plan.signal_gaps.iter().map(|g| g.signal).collect();
    assert_eq!(signals, ["digest", "published-at"]);
    let asked = offline.asked.lock().unwrap().len();
    assert_eq!(asked, 2, "once a run: a registry that is out of reach is not asked again");
    let foreign = text.replace("https://registry.npmjs.org/b", "https://evil.example/b");
    let plan =
        command(Effect::Locked, &[]).file("/p/package.json", root).file("/p/package-lock.json", foreign).run(&offline);
    assert_eq!(plan.lock_issues[0].kind, LockIssueKind::ForeignUrl);
}

#[test]
fn old_lockfiles_and_omitted_development() {
    let manifest = r#"{ "dependencies": { "b": "1" }, "devDependencies": { "a": "1.0.0" } }"#;
    let v1 = r#"{ "lockfileVersion": 1, "dependencies": {
        "a": { "version": "1.0.0", "dev": true, "requires": { "b": "^1" } },
        "b": { "version": "1.0.0" } } }"#;
    let base = || command(Effect::Locked, &[]).file("/p/package.json", manifest).file("/p/package-lock.json", v1);
    let plan = base().run(&abc());
    assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0");
    assert!(package(&plan, "a").development && !package(&plan, "b").development);
    assert_eq!(ids(&base().flag("--omit", Some("dev")).run(&abc())), "b@1.0.0");
}

#[test]
fn linked_members_in_the_lockfile_are_the_workspace() {
    let text = r#"{ "lockfileVersion": 3, "packages": {
        "": { "workspaces": ["w"] }, "w": { "name": "@me/w", "version": "1.0.0", "dependencies": { "b": "^1" } },
        "node_modules/@me/w": { "resolved": "w", "link": true },
        "node_modules/b": { "version": "1.0.0" } } }"#;
    let cmd = command(Effect::Locked, &[])
        .file("/p/package.json", r#"{ "workspaces": ["w"] }"#)
        .file("/p/w/package.json", r#"{ "name": "@me/w", "version": "1.0.0", "dependencies": { "b": "^1" } }"#)
        .file("/p/package-lock.json", text);
    let plan = cmd.run(&abc());
    assert_eq!(ids(&plan), "@me/w@1.0.0 b@1.0.0");
    assert_eq!(issues(&plan), []);
    assert_eq!(package(&plan, "@me/w").source.kind(), "workspace");
}

#[test]
fn exec_fetches_only_what_is_not_there() {
    let registry = abc();
    let cmd = |word: &'static str| command(Effect::RunsRemote, &[word]).verb("exec");
    assert_eq!(ids(&cmd("b").run(&registry)), "b@2.0.0");
    assert_eq!(ids(&cmd("b").file("/p/node_modules/.bin/b", "").run(&registry)), "");
    assert_eq!(ids(&cmd("b").file("/p/package.json", r#"{ "name": "x", "bin": { "b": "b.js" } }"#).run(&registry)), "");
    // npm looks at the programs of its global prefix too: node's own, if no other is told.
    let global = |tool: Tool, word: &'static str, path: &str| {
        let mut cmd = cmd(word).tool(tool).file("/n/bin/node", "").file(path, "");
        cmd.variables.insert("PATH".to_owned(), "/bin:/n/bin".to_owned());
        cmd
    };
    assert_eq!(ids(&global(Tool::Npx, "b", "/n/bin/b").run(&registry)), "");
    assert_eq!(ids(&global(Tool::Npm, "node", "/n/bin/b").run(&registry)), "");
    assert_eq!(ids(&global(Tool::Npx, "b", "/bin/b").run(&registry)), "b@2.0.0");
    assert_eq!(ids(&global(Tool::Npx, "b@2", "/n/bin/b").run(&registry)), "b@2.0.0");
    assert_eq!(ids(&global(Tool::Bunx, "b", "/n/bin/b").run(&registry)), "b@2.0.0");
    let told = |path: &str| global(Tool::Npx, "b", path).file("/home/u/.npmrc", "prefix=~/g\n");
    assert_eq!(ids(&told("/n/bin/b").run(&registry)), "b@2.0.0");
    assert_eq!(ids(&told("/home/u/g/bin/b").run(&registry)), "");
    let by_option = global(Tool::Npx, "b", "/q/bin/b").flag("--prefix", Some("/q"));
    assert_eq!(ids(&by_option.run(&registry)), "");
    let installed = r#"{ "name": "b", "version": "1.0.0" }"#;
    assert_eq!(ids(&cmd("b@1").file("/p/node_modules/b/package.json", installed).run(&registry)), "");
    assert_eq!(ids(&cmd("b@2").file("/p/node_modules/b/package.json", installed).run(&registry)), "b@2.0.0");
    assert_eq!(ids(&cmd("b@latest").file("/p/node_modules/b/package.json", installed).run(&registry)), "b@2.0.0");
    assert_eq!(
        ids(&cmd("b").verb("dlx").tool(Tool::Pnpm).file("/p/node_modules/.bin/b", "").run(&registry)),
        "b@2.0.0"
    );
}

#[test]
fn global_installs_and_packs_do_not_read_the_project() {
    let manifest = r#"{ "dependencies": { "a": "2" } }"#;
    let mut cmd = command(Effect::Requests, &["c"]).file("/p/package.json", manifest);
    cmd.invocation.global = true;
    assert_eq!(ids(&cmd.run(&abc())), "b@2.0.0 c@1.0.0");
    assert_eq!(ids(&command(Effect::Requests, &["c"]).verb("pack").run(&abc())), "c@1.0.0");
}

#[test]
fn yarns_lockfile_guides_npm_where_it_has_none() {
    let yarn = "# yarn lockfile v1\n\n\na@^1:\n  version \"1.0.0\"\n  resolved \"https://registry.yarnpkg.com/a/-/a-1.0.0.tgz#x\"\n";
    let plan = command(Effect::Project, &[])
        .file("/p/package.json", r#"{ "dependencies": { "a": "^1" } }"#)
        .file("/p/yarn.lock", yarn)
        .run(&abc());
    assert!(ids(&plan).starts_with("a@1.0.0 a@1.1.0"), "{}", ids(&plan));
}

#[test]
fn nothing_unreadable_is_passed_over() {
    let plan = command(Effect::Project, &[]).file("/p/package.json", "{ nope").run(&abc());
    assert_eq!(unresolved(&plan), [("package.json", UnresolvedCause::Malformed)]);
    let plan = command(Effect::Project, &[])
        .file("/p/package.json", r#"{ "dependencies": { "b": "1" } }"#)
        .file("/p/package-lock.json", "[]")
        .run(&abc());
    assert_eq!(unresolved(&plan), [("package-lock.json", UnresolvedCause::Malformed)]);
    for word in ["b@1 2 ::", "../x", "npm:npm:b", "b@npm:b@npm:c", "\u{1b}[31m", "@a/b/c"] {
        let plan = command(Effect::ProjectAdd, &[word]).run(&abc());
        assert!(!plan.complete(), "{word}");
    }
}

#[test]
fn cycles_and_self_references_end() {
    let registry = Registry::default().with("x", "1.0.0", "y 1, x 1").with("y", "1.0.0", "x 1");
    let plan = command(Effect::ProjectAdd, &["x"]).run(&registry);
    assert_eq!(ids(&plan), "x@1.0.0 y@1.0.0");
}

#[test]
fn lockfiles_of_the_other_tools_are_the_plan() {
    let manifest = r#"{ "name": "app", "dependencies": { "a": "^1", "w": "workspace:*" }, "workspaces": ["w"] }"#;
    let pnpm = format!(
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n        version: 1.0.0(c@1.0.0)\n      w:\n        specifier: workspace:*\n        version: link:w\n  w:\n    dependencies:\n      c:\n        specifier: '1'\n        version: 1.0.0\npackages:\n  a@1.0.0:\n    resolution: {{integrity: {}}}\n  b@1.0.0:\n    resolution: {{integrity: {}}}\n  c@1.0.0:\n    resolution: {{integrity: {}}}\nsnapshots:\n  a@1.0.0(c@1.0.0):\n    dependencies:\n      b: 1.0.0\n      c: 1.0.0\n  b@1.0.0: {{}}\n  c@1.0.0:\n    dependencies:\n      b: 1.0.0\n",
        digest("a", "1.0.0").sri(),
        digest("b", "1.0.0").sri(),
        digest("c", "1.0.0").sri(),
    );
    let yarn = "# yarn lockfile v1\n\n\na@^1:\n  version \"1.0.0\"\n  dependencies:\n    b \"^1\"\n\n\"b@>=1\", b@^1:\n  version \"1.0.0\"\n\nc@1:\n  version \"1.0.0\"\n  dependencies:\n    b \">=1\"\n".to_owned();
    let berry = "__metadata:\n  version: 8\n\n\"a@npm:^1\":\n  version: 1.0.0\n  resolution: \"a@npm:1.0.0\"\n  dependencies:\n    b: \"npm:^1\"\n  checksum: 10c0/aa\n\n\"b@npm:>=1, b@npm:^1\":\n  version: 1.0.0\n  resolution: \"b@npm:1.0.0\"\n\n\"c@npm:1\":\n  version: 1.0.0\n  resolution: \"c@npm:1.0.0\"\n  dependencies:\n    b: \"npm:>=1\"\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"app@workspace:.\"\n  dependencies:\n    a: \"npm:^1\"\n    w: \"workspace:*\"\n\n\"w@workspace:*, w@workspace:w\":\n  version: 0.0.0-use.local\n  resolution: \"w@workspace:w\"\n  dependencies:\n    c: \"npm:1\"\n".to_owned();
    let bun = r#"{ "lockfileVersion": 1, "workspaces": {
        "": { "name": "app", "dependencies": { "a": "^1", "w": "workspace:*" } }, "w": { "name": "w", "dependencies": { "c": "1" } } },
      "packages": { "a": ["a@1.0.0", "", { "dependencies": { "b": "^1" } }, ""], "b": ["b@1.0.0", "", {}, ""],
        "c": ["c@1.0.0", "", { "dependencies": { "b": ">=1" } }, ""], "w": ["w@workspace:w"], } }"#
        .to_owned();
    for (tool, file, text) in [
        (Tool::Pnpm, "/p/pnpm-lock.yaml", pnpm),
        (Tool::Yarn, "/p/yarn.lock", yarn),
        (Tool::Yarn, "/p/yarn.lock", berry),
        (Tool::Bun, "/p/bun.lock", bun),
    ] {
        for effect in [Effect::Project, Effect::Locked] {
            let plan = command(effect, &[])
                .tool(tool)
                .file("/p/package.json", manifest)
                .file("/p/pnpm-workspace.yaml", "packages: [w]\n")
                .file("/p/w/package.json", r#"{ "name": "w", "version": "1.0.0", "dependencies": { "c": "1" } }"#)
                .file(file, text.as_str())
                .run(&abc());
            assert_eq!(ids(&plan), "a@1.0.0 b@1.0.0 c@1.0.0 w@1.0.0", "{tool:?} {file}");
            assert_eq!(issues(&plan), [], "{tool:?} {file}");
            assert_eq!(unresolved(&plan), [], "{tool:?} {file}");
            assert_eq!(package(&plan, "w").source.kind(), "workspace");
            let lock = package(&plan, "a").lock;
            assert_ne!(lock, LockState::Unlocked, "{tool:?} {file}");
        }
    }
}

#[test]
fn catalogs_and_unreadable_binary_lockfiles() {
    let plan = command(Effect::Project, &[])
        .tool(Tool::Pnpm)
        .file("/p/package.json", r#"{ "dependencies": { "b": "catalog:", "c": "catalog:old", "a": "catalog:none" } }"#)
        .file("/p/pnpm-workspace.yaml", "packages: []\ncatalog:\n  b: ^1.0.0\ncatalogs:\n  old:\n    c: 1.0.0\n")
        .run(&abc());
    assert_eq!(ids(&plan), "b@1.5.0 b@2.0.0 c@1.0.0");
    assert_eq!(unresolved(&plan), [("a@catalog:none", UnresolvedCause::Unsupported)]);
    let plan = command(Effect::Project, &[])
        .tool(Tool::Bun)
        .file("/p/package.json", r#"{ "dependencies": { "b": "1" } }"#)
        .file("/p/bun.lockb", "\u{0}bun")
        .run(&abc());
    assert_eq!(unresolved(&plan), [("bun.lockb", UnresolvedCause::Malformed)]);
}

#[test]
fn a_peer_is_served_by_what_stands_beside_its_package() {
    let registry = Registry::default()
        .with("core", "7.0.0", "")
        .with("core", "8.0.0", "")
        .and("plugin", "1.0.0", |v| v.peer_dependencies = specs("core >=7"))
        .with("old", "1.0.0", "plugin 1, core ^7")
        .with("bare", "1.0.0", "plugin 1");
    assert_eq!(ids(&command(Effect::ProjectAdd, &["old"]).run(&registry)), "core@7.0.0 old@1.0.0 plugin@1.0.0");
    // Where another brings the plugin without a core of its own, npm may pick the newest for it.
    let plan = command(Effect::ProjectAdd, &["old", "bare"]).run(&registry);
    assert_eq!(ids(&plan), "bare@1.0.0 core@7.0.0 core@8.0.0 old@1.0.0 plugin@1.0.0");
}
