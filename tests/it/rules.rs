//! The rules: every case of `fixtures/rules/RULE.json` is judged, what it says is held by a snapshot, and whether it
//! says anything by the fixture itself. And what must hold for all of them: names, documentation, order, layers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;
use tidewaiter::advisories::{Advisories, Coverage, Kind, Match, Severity};
use tidewaiter::gate::operation::{self, How, Operation, Target};
use tidewaiter::invocation::{Effect, Flag, FlagEffect, Invocation, Opaque, Request, RequestKind, Tool};
use tidewaiter::model::{
    Artifact, ArtifactKind, Digest, Ecosystem, Environment, Execution, FileError, Finding, Level, Location, LockIssue,
    LockIssueKind, LockState, MemoryFiles, Origin, Package, PackageId, PackageName, Pinning, Plan, PreviousRelease,
    ReleaseHistory, Setting, SettingKind, SettingLayer, Source, Timestamp, Unresolved, UnresolvedCause, Verdict,
    printable,
};
use tidewaiter::policy::{self, Layer, Policy};
use tidewaiter::rules::{self, Facts};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules")
}

/// Facts as a fixture writes them, owned.
struct Case {
    invocations: Vec<Invocation>,
    plan: Plan,
    settings: Vec<Setting>,
    workspace: Vec<PackageName>,
    versions: BTreeMap<&'static str, BTreeMap<PackageName, String>>,
    near: BTreeMap<PackageName, Vec<String>>,
    advisories: Records,
    environment: Environment,
    operations: Vec<Operation>,
    files: MemoryFiles,
    audit: bool,
    said: Option<(Vec<String>, String)>,
    user: Option<String>,
    project: Option<String>,
}

struct Records(Vec<(PackageName, Vec<String>, Match)>);

impl Advisories for Records {
    fn find(&self, id: &PackageId, _: Option<Timestamp>) -> Vec<Match> {
        let affects = |versions: &[String], m: &Match| m.whole_package || versions.iter().any(|v| **v == *id.version);
        self.0.iter().filter(|(n, v, m)| *n == id.name && affects(v, m)).map(|(_, _, m)| m.clone()).collect()
    }

    fn malicious_versions(&self, name: &PackageName, _: Option<Timestamp>) -> Vec<(String, String)> {
        let bad = self.0.iter().filter(|(n, _, m)| n == name && m.kind == Kind::Malware);
        bad.flat_map(|(_, versions, m)| {
            let all = if m.whole_package { vec!["*".to_owned()] } else { versions.clone() };
            all.into_iter().map(|v| (v, m.id.clone()))
        })
        .collect()
    }

    fn coverage(&self) -> Coverage {
        Coverage::default()
    }
}

fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json[key].as_str().unwrap_or_default()
}

fn list<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

fn strings(json: &Json, key: &str) -> Vec<String> {
    list(json, key).iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

/// `PyPI:requests`
fn name(text: &str) -> PackageName {
    let (ecosystem, name) = text.split_once(':').unwrap();
    PackageName::new(Ecosystem::from_osv(ecosystem).unwrap(), name)
}

/// `PyPI:requests@2.32.3`
fn id(text: &str) -> PackageId {
    let (package, version) = text.rsplit_once('@').unwrap();
    PackageId::new(name(package), version)
}

/// `argv:2`, `env:PIP_INDEX_URL`, `requirements.txt:3:1`
fn location(text: &str) -> Location {
    if let Some(index) = text.strip_prefix("argv:") {
        return Location::argv(index.parse().unwrap());
    }
    if let Some(variable) = text.strip_prefix("env:") {
        return Location::environment(variable);
    }
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next().unwrap().parse().unwrap();
    let line = parts.next().unwrap().parse().unwrap();
    Location::at(parts.next().unwrap(), line, column)
}

fn moment(json: &Json, key: &str) -> Option<Timestamp> {
    json[key].as_str().map(|t| t.parse().unwrap())
}

fn source(text: &str) -> Source {
    let mut words = text.split(' ');
    let kind = words.next().unwrap();
    let url = words.next().unwrap().to_owned();
    match kind {
        "registry" => Source::Registry { url },
        "git" => {
            let reference = words.next().map(str::to_owned);
            Source::Git { url, reference, commit: words.next().map(str::to_owned) }
        }
        "url" => Source::Url { url },
        "path" => Source::Path { path: url.into() },
        "workspace" => Source::Workspace { path: url.into() },
        other => panic!("no source is called {other}"),
    }
}

fn execution(word: &str) -> Execution {
    match word {
        "node-gyp" => Execution::NodeGyp,
        "install-script" => Execution::InstallScript,
        "build-backend" => Execution::PythonBuild,
        "build.rs" => Execution::BuildScript,
        "proc-macro" => Execution::ProcMacro,
        "startup-hook" => Execution::StartupHook,
        "known-startup-hook" => Execution::KnownStartupHook,
        script => Execution::LifecycleScript(Arc::from(script)),
    }
}

/// `x.whl https://host/x.whl sha512`
fn artifact(text: &str) -> Artifact {
    let words: Vec<&str> = text.split(' ').collect();
    Artifact {
        kind: ArtifactKind::Archive,
        filename: words[0].to_owned(),
        url: words[1].to_owned(),
        digests: words.get(2).map(|_| Digest::sha256_of(b"x")).into_iter().collect(),
        size: None,
        published_at: None,
    }
}

/// `{ "releases": 9, "previous": { "version", "published", "publisher", "attested", "executes": [] }, "last",
/// "within_hour": [], "publisher", "attested", "added": ["npm:x"] }`; what is absent is not known.
fn history(json: &Json) -> Option<Box<ReleaseHistory>> {
    let executes = |json: &Json| json["executes"].is_array().then(|| strings(json, "executes"));
    json.is_object().then(|| {
        let previous = &json["previous"];
        Box::new(ReleaseHistory {
            releases: json["releases"].as_u64().map_or(1, |n| n.try_into().unwrap()),
            previous: previous.is_object().then(|| PreviousRelease {
                version: text(previous, "version").to_owned(),
                published_at: moment(previous, "published"),
                publisher: previous["publisher"].as_str().map(str::to_owned),
                attested: previous["attested"].as_bool(),
                executes: executes(previous).map(|words| words.iter().map(|w| execution(w)).collect()),
            }),
            last_published_at: moment(json, "last"),
            within_hour: strings(json, "within_hour"),
            publisher: json["publisher"].as_str().map(str::to_owned),
            publisher_known: json["publisher_known"].as_bool(),
            attested: json["attested"].as_bool(),
            added_dependencies: json["added"]
                .is_array()
                .then(|| strings(json, "added").iter().map(|n| name(n)).collect()),
        })
    })
}

fn package(json: &Json) -> Package {
    let direct = json["direct"].as_bool().unwrap_or(true);
    Package {
        id: id(text(json, "id")),
        source: source(text(json, "source")),
        direct,
        depth: json["depth"].as_u64().map_or(u32::from(!direct), |d| d.try_into().unwrap()),
        required_by: list(json, "required_by").iter().map(|p| id(p.as_str().unwrap())).collect(),
        origin: Origin {
            text: json["requirement"].as_str().unwrap_or("x").to_owned(),
            range: json["range"].as_str().map(str::to_owned),
            location: location(json["at"].as_str().unwrap_or("manifest:1:1")),
        },
        pinning: match text(json, "pinning") {
            "floating" => Pinning::Floating,
            "range" => Pinning::Range,
            "exact-hash" => Pinning::ExactHash,
            _ => Pinning::Exact,
        },
        lock: match text(json, "lock") {
            "locked" => LockState::Locked,
            "digest" => LockState::LockedWithDigest,
            _ => LockState::Unlocked,
        },
        development: false,
        published_at: moment(json, "published"),
        first_published_at: moment(json, "first"),
        withdrawn: json["withdrawn"].as_str().map(str::to_owned),
        artifacts: list(json, "artifacts").iter().map(|a| artifact(a.as_str().unwrap())).collect(),
        executes: list(json, "executes").iter().map(|e| execution(e.as_str().unwrap())).collect(),
        also_in: strings(json, "also_in"),
        history: history(&json["history"]),
    }
}

fn unresolved(json: &Json) -> Unresolved {
    Unresolved {
        requirement: text(json, "requirement").to_owned(),
        name: json["package"].as_str().map(name),
        range: json["range"].as_str().map(str::to_owned),
        location: json["at"].as_str().map(location),
        cause: match text(json, "cause") {
            "unknown-package" => UnresolvedCause::UnknownPackage,
            "no-matching-version" => UnresolvedCause::NoMatchingVersion,
            "conflict" => UnresolvedCause::Conflict,
            "needs-execution" => UnresolvedCause::NeedsExecution,
            "unreachable" => UnresolvedCause::Unreachable,
            "malformed" => UnresolvedCause::Malformed,
            "unsupported" => UnresolvedCause::Unsupported,
            "limit-exceeded" => UnresolvedCause::LimitExceeded,
            other => panic!("no cause is called {other}"),
        },
        reason: text(json, "reason").to_owned(),
    }
}

fn lock_issue(json: &Json) -> LockIssue {
    LockIssue {
        kind: match text(json, "kind") {
            "drift" => LockIssueKind::Drift,
            "foreign-url" => LockIssueKind::ForeignUrl,
            "digest-mismatch" => LockIssueKind::DigestMismatch,
            "unknown-release" => LockIssueKind::UnknownRelease,
            "name-mismatch" => LockIssueKind::NameMismatch,
            other => panic!("no issue is called {other}"),
        },
        package: json["package"].as_str().map(id),
        location: location(text(json, "at")),
        expected: text(json, "expected").to_owned(),
        found: text(json, "found").to_owned(),
    }
}

/// `[kind, key, value, layer, place]`
fn setting(json: &Json) -> Setting {
    let field = |i: usize| json[i].as_str().unwrap();
    Setting {
        kind: match field(0) {
            "index" => SettingKind::Index,
            "extra-index" => SettingKind::ExtraIndex,
            "find-links" => SettingKind::FindLinks,
            "directory" => SettingKind::Directory,
            "program" => SettingKind::Program,
            "weakens" => SettingKind::WeakensSafety,
            other => panic!("no setting is called {other}"),
        },
        key: field(1).to_owned(),
        value: field(2).to_owned(),
        layer: match field(3) {
            "project" => SettingLayer::Project,
            "flag" => SettingLayer::Flag,
            "environment" => SettingLayer::Environment,
            "user" => SettingLayer::User,
            "system" => SettingLayer::System,
            other => panic!("no layer is called {other}"),
        },
        location: location(field(4)),
    }
}

/// `2 weakens --break-system-packages VALUE`; a place such as `env:X` may stand for the index.
fn flag(text: &str) -> Flag {
    let words: Vec<&str> = text.split(' ').collect();
    Flag {
        name: words[2].to_owned(),
        value: words.get(3).map(|v| (*v).to_owned()),
        effect: match words[1] {
            "index" => FlagEffect::Index,
            "weakens" => FlagEffect::WeakensSafety,
            "strengthens" => FlagEffect::Strengthens,
            other => panic!("no effect is called {other}"),
        },
        location: words[0].parse().map_or_else(|_| location(words[0]), Location::argv),
    }
}

fn invocation(json: &Json) -> Invocation {
    let argv = strings(json, "argv");
    let numbered = |text: &str| {
        let (index, rest) = text.split_once(' ').unwrap();
        (Location::argv(index.parse().unwrap()), rest.to_owned())
    };
    let mut out = Invocation::other(&argv);
    out.tool = match text(json, "tool") {
        "pip" => Tool::Pip,
        "npm" => Tool::Npm,
        "npx" => Tool::Npx,
        "cargo" => Tool::Cargo,
        other => panic!("no tool is called {other}"),
    };
    out.verb = text(json, "verb").to_owned();
    out.effect = match text(json, "effect") {
        "unknown" => Effect::Unknown,
        "nothing" => Effect::Nothing,
        _ => Effect::Requests,
    };
    for request in strings(json, "requests") {
        let (location, text) = numbered(&request);
        out.requests.push(Request { text, kind: RequestKind::Requirement, location });
    }
    out.flags = strings(json, "flags").iter().map(|f| flag(f)).collect();
    for opaque in strings(json, "opaque") {
        let (location, reason) = numbered(&opaque);
        out.opaque.push(Opaque { reason, location });
    }
    out.directory = json["directory"].as_str().map(str::to_owned);
    for pair in list(json, "assignments") {
        out.assignments.push((pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()));
    }
    out
}

fn record(json: &Json) -> (PackageName, Vec<String>, Match) {
    let found = Match {
        id: text(json, "id").to_owned(),
        aliases: strings(json, "aliases"),
        kind: match text(json, "kind") {
            "malware" => Kind::Malware,
            "informational" => Kind::Informational,
            _ => Kind::Vulnerability,
        },
        informational: json["informational"].as_str().map(str::to_owned),
        severity: match text(json, "severity") {
            "low" => Severity::Low,
            "medium" => Severity::Medium,
            "high" => Severity::High,
            "critical" => Severity::Critical,
            _ => Severity::Unknown,
        },
        score: json["score"].as_f64(),
        summary: text(json, "summary").to_owned(),
        fixed: strings(json, "fixed"),
        whole_package: json["whole"].as_bool().unwrap_or(false),
        published: None,
        modified: None,
        url: "https://osv.dev/".to_owned(),
    };
    (name(text(json, "package")), strings(json, "versions"), found)
}

/// Shell text, or `{ "path", "before", "after" }`.
fn operations(json: &Json) -> Vec<Operation> {
    let environment = Environment {
        variables: [("HOME".to_owned(), "/home/u".to_owned())].into(),
        cwd: "/work/app".into(),
        home: Some("/home/u".into()),
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    };
    match json.as_str() {
        Some(text) => operation::read(text, &environment),
        None => vec![Operation::File {
            target: Target::Path(text(json, "path").into()),
            how: How::Edited {
                before: json["before"].as_str().map(str::to_owned),
                after: text(json, "after").to_owned(),
            },
            by: "Edit".to_owned(),
        }],
    }
}

fn case(json: &Json) -> Case {
    let names = |key: &str| -> BTreeMap<PackageName, String> {
        let entries = json[key].as_object().into_iter().flatten();
        entries.map(|(n, v)| (name(n), v.as_str().unwrap().to_owned())).collect()
    };
    let mut plan = Plan {
        packages: list(json, "packages").iter().map(package).collect(),
        unresolved: list(json, "unresolved").iter().map(unresolved).collect(),
        lock_issues: list(json, "lock_issues").iter().map(lock_issue).collect(),
        ..Plan::default()
    };
    plan.normalise();
    Case {
        invocations: list(json, "invocations").iter().map(invocation).collect(),
        plan,
        settings: list(json, "settings").iter().map(setting).collect(),
        workspace: strings(json, "workspace").iter().map(|n| name(n)).collect(),
        versions: ["last_good", "newest_good", "next_best"].map(|key| (key, names(key))).into(),
        near: json["near"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(n, _)| (name(n), strings(&json["near"], n)))
            .collect(),
        advisories: Records(list(json, "advisories").iter().map(record).collect()),
        environment: Environment {
            variables: json["variables"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned()))
                .collect(),
            cwd: "/work/app".into(),
            home: json["home"].as_str().map(Into::into),
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            os: "linux",
            arch: "x86_64",
        },
        operations: list(json, "operations").iter().flat_map(operations).collect(),
        files: json["files"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(path, text)| (path, text.as_str().unwrap()))
            .collect(),
        said: json["printed"].as_str().map(|p| (strings(json, "messages"), p.to_owned())),
        audit: json["audit"].as_bool().unwrap_or(false),
        user: json["policy"].as_str().map(str::to_owned),
        project: json["project"].as_str().map(str::to_owned),
    }
}

/// The policy of these layers' texts.
fn layered(user: Option<&str>, project: Option<&str>, now: Timestamp) -> Policy {
    let origin = |layer, path: &str, text: &str| policy::Origin {
        layer,
        path: path.into(),
        text: Ok::<_, FileError>(format!("version = 1\n{text}")),
    };
    let origins: Vec<policy::Origin> = user
        .map(|text| origin(Layer::User, "policy.toml", text))
        .into_iter()
        .chain(project.map(|text| origin(Layer::Project, "tidewaiter.toml", text)))
        .collect();
    policy::load_layers(&origins, now, &rules::infos()).policy
}

impl Case {
    fn judge(&self, policy: &Policy) -> Vec<Finding> {
        let version = |key: &str, id: &PackageId| self.versions[key].get(&id.name).cloned();
        let last_good = |id: &PackageId| version("last_good", id);
        let newest_good = |id: &PackageId| version("newest_good", id);
        let next_best = |id: &PackageId| version("next_best", id);
        let near_names = |name: &PackageName| self.near.get(name).cloned().unwrap_or_default();
        rules::judge(&Facts {
            invocations: &self.invocations,
            plan: &self.plan,
            settings: &self.settings,
            workspace_names: &self.workspace,
            last_good: &last_good,
            newest_good: &newest_good,
            next_best: &next_best,
            near_names: &near_names,
            advisories: &self.advisories,
            as_of: None,
            policy,
            environment: &self.environment,
            operations: &self.operations,
            files: &self.files,
            audit: self.audit,
            said: self.said.as_ref().map(|(messages, printed)| rules::Said { messages, printed }),
        })
    }

    fn policy(&self) -> Policy {
        let policy = layered(self.user.as_deref(), self.project.as_deref(), self.environment.now);
        assert!(policy.faults.is_empty(), "{:?}", policy.faults);
        policy
    }
}

fn fixture(rule: &str) -> Vec<Json> {
    let path = folder().join(format!("{rule}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let json: Json = serde_json::from_str(&text).unwrap();
    list(&json, "cases").to_vec()
}

fn all_cases() -> Vec<Case> {
    rules::ALL.iter().flat_map(|r| fixture(r.name)).map(|json| case(&json)).collect()
}

fn render(findings: &[Finding]) -> String {
    let mut out = String::new();
    for f in findings {
        let at = f.location.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
        let package = f.package.as_ref().map(|p| format!(" {}", p.purl())).unwrap_or_default();
        out += &format!("  {} {}{package}{at} by {}\n", f.level.word(), f.rule, f.policy);
        out += &format!("    {}\n", f.message);
        for (key, value) in &f.evidence {
            out += &format!("    . {key}: {value:?}\n");
        }
        if let Some(fix) = &f.fix {
            out += &format!("    {} fix: {}\n", fix.kind.word(), fix.text);
            if let Some(command) = &fix.command {
                out += &format!("    $ {command}\n");
            }
        }
    }
    out
}

#[test]
fn every_fixture_says_what_its_snapshot_says() {
    for rule in rules::ALL {
        let mut page = String::new();
        for json in fixture(rule.name) {
            let title = text(&json, "name");
            let case = case(&json);
            let mine: Vec<Finding> = case.judge(&case.policy()).into_iter().filter(|f| f.rule == rule.name).collect();
            assert_eq!(!mine.is_empty(), json["fires"].as_bool().unwrap(), "{}: {title}", rule.name);
            page += &format!("{title}\n{}\n", render(&mine));
        }
        insta::assert_snapshot!(format!("rule_{}", rule.name), page);
    }
}

#[test]
fn every_rule_has_a_heading_a_fixture_and_a_name_of_its_own() {
    let docs = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/RULES.md")).unwrap();
    let mut headings: Vec<&str> =
        docs.lines().filter_map(|l| l.strip_prefix("### ")).map(|h| h.trim_matches('`')).collect();
    let mut fixtures: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut names: Vec<&str> = rules::ALL.iter().map(|r| r.name).collect();
    for name in &names {
        assert!(name.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase())), "{name}");
    }
    assert_eq!(headings, names, "docs/RULES.md has the rules in the order of ALL");
    names.sort_unstable();
    headings.sort_unstable();
    fixtures.sort_unstable();
    assert_eq!(fixtures, names);
    names.dedup();
    assert_eq!(names.len(), rules::ALL.len(), "names are unique");
}

#[test]
fn every_fixture_has_cases_of_both_kinds() {
    for rule in rules::ALL {
        let fires: Vec<bool> = fixture(rule.name).iter().map(|c| c["fires"].as_bool().unwrap()).collect();
        assert!(fires.contains(&true) && fires.contains(&false), "{}", rule.name);
    }
}

#[test]
fn findings_are_ordered_safe_and_the_same_every_time() {
    for case in all_cases() {
        let findings = case.judge(&case.policy());
        assert_eq!(findings, case.judge(&case.policy()));
        assert!(findings.windows(2).all(|w| w[0].level >= w[1].level));
        for f in &findings {
            let texts =
                [Some(&f.message), f.fix.as_ref().map(|x| &x.text), f.fix.as_ref().and_then(|x| x.command.as_ref())];
            for text in texts.into_iter().flatten() {
                assert_eq!(&printable(text, 100_000), text, "{}", f.rule);
                assert!(!text.contains("secret"), "{}: {text}", f.rule);
            }
            assert!(f.level != Level::Hold && f.level != Level::Off, "{}", f.rule);
            assert!(!f.message.ends_with('.') || f.message.ends_with("…"), "{}: {}", f.rule, f.message);
        }
    }
}

#[test]
fn opaque_or_incomplete_never_becomes_allow_by_itself() {
    for case in all_cases() {
        let findings = case.judge(&Policy::default());
        let verdict = rules::verdict(&findings, case.plan.complete());
        if !case.plan.complete() || case.invocations.iter().any(|i| !i.opaque.is_empty()) {
            assert!(verdict >= Verdict::Ask);
        }
        // Every requirement that is not resolved is said by a finding.
        for u in &case.plan.unresolved {
            assert!(findings.iter().any(|f| f.message.contains(&printable(&u.reason, 300))), "{}", u.requirement);
        }
    }
    assert_eq!(rules::verdict(&[], false), Verdict::Ask);
    assert_eq!(rules::verdict(&[], true), Verdict::Allow);
}

#[test]
fn a_policy_that_cannot_be_used_denies_and_says_so() {
    let case = case(&serde_json::json!({}));
    let policy = layered(Some("[rules]\nmalwares = \"off\"\n"), None, case.environment.now);
    let findings = case.judge(&policy);
    assert_eq!(rules::verdict(&findings, true), Verdict::Deny);
    insta::assert_snapshot!(render(&findings), @r"
      deny policy at policy.toml:3:1 by policy.toml:3:1
        nothing is cleared while this policy cannot be used: no rule is called `malwares`
        other fix: did you mean `malware`?
    ");
}

#[test]
fn expired_unused_and_shadowed_entries_are_reported() {
    let case = case(&serde_json::json!({ "packages": [
        { "id": "npm:esbuild@0.25.1", "source": "registry https://registry.npmjs.org/", "lock": "digest",
          "executes": ["postinstall"], "published": "2025-01-01T00:00:00Z" }
    ] }));
    let allow = |package: &str, rule: &str, expires: &str| {
        format!("[[allow]]\npackage = \"{package}\"\nrule = \"{rule}\"\nreason = \"r\"\nexpires = \"{expires}\"\n")
    };
    let user = [
        allow("pkg:npm/esbuild@0.25.*", "new-package", "2026-11-21"),
        allow("pkg:npm/other@1.*", "new-package", "2026-11-21"),
        allow("pkg:npm/esbuild@0.*", "withdrawn", "2027-01-01"),
        allow("pkg:npm/esbuild@0.25.1", "withdrawn", "2026-12-01"),
        allow("pkg:npm/absent", "withdrawn", "2028-12-01"),
    ]
    .concat();
    let policy = layered(Some(&user), None, case.environment.now);
    let about_policy: Vec<Finding> = case.judge(&policy).into_iter().filter(|f| f.rule == rules::POLICY).collect();
    insta::assert_snapshot!(render(&about_policy));
}

#[test]
fn as_many_findings_as_a_person_can_read() {
    let packages: Vec<Json> = (0..1000)
        .map(|i| {
            serde_json::json!({ "id": format!("PyPI:p{i}@1.0"), "source": "registry https://mirror.example/simple",
                "requirement": format!("p{i}"), "range": "", "pinning": "floating", "at": format!("requirements.txt:{}:1", i + 1),
                "artifacts": [format!("p{i}.whl http://cdn.example/p{i}.whl")] })
        })
        .collect();
    let case = case(&serde_json::json!({ "packages": packages, "audit": true }));
    let findings = case.judge(&Policy::default());
    assert!(findings.len() < 10, "{}", render(&findings));
}

/// Words of a policy file: a level for some rules, and the options that loosen and tighten.
fn any_layer() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = rules::ALL.iter().map(|r| r.name).collect();
    let level = prop::sample::select(vec!["off", "note", "warn", "ask", "deny"]);
    let levels = prop::collection::btree_map(prop::sample::select(names.clone()), level, 0..6);
    let days = prop::option::of(0_u32..60);
    let ask = prop::option::of(prop::sample::select(vec!["never", "critical", "high", "medium", "low"]));
    let trust = prop::sample::subsequence(
        vec![
            "registries = [\"https://evil.example/\", \"https://npm.acme.example/\"]",
            "private-names = [\"acme-*\", \"@acme/*\", \"*\"]",
            "git-remotes = [\"github.com/*/*\"]",
        ],
        0..=3,
    );
    let allow = prop::sample::subsequence(names, 0..4);
    let unavailable = prop::option::of(prop::sample::select(vec!["warn", "ask", "deny"]));
    (levels, days, ask, trust, allow, unavailable).prop_map(|(levels, days, ask, trust, allow, unavailable)| {
        let mut text = unavailable.map(|u| format!("on-unavailable = \"{u}\"\n")).unwrap_or_default();
        text += "[rules]\n";
        for (rule, level) in &levels {
            let option = match (*rule, days, ask) {
                ("cooldown", Some(d), _) => format!(", days = {d}, exclude = [\"left\"]"),
                ("new-package", Some(d), _) => format!(", days = {d}"),
                ("vulnerability", _, Some(a)) => format!(", ask = \"{a}\""),
                ("install-script", Some(_), _) => ", unlocked = \"level\"".to_owned(),
                _ => String::new(),
            };
            text += &format!("{rule} = {{ level = \"{level}\"{option} }}\n");
        }
        text += &format!("[trust]\n{}\n", trust.join("\n"));
        for rule in allow.iter().filter(|r| **r != "malware") {
            text += &format!(
                "[[allow]]\npackage = \"pkg:npm/*\"\nrule = \"{rule}\"\nreason = \"r\"\nexpires = \"2027-01-01\"\n"
            );
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Invariant: nothing in the project directory widens what the user's own policy allows.
    #[test]
    fn nothing_in_the_project_directory_widens_what_the_users_own_policy_allows(user in any_layer(), project in any_layer()) {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let alone = layered(Some(&user), None, now);
        let with = layered(Some(&user), Some(&project), now);
        prop_assert!(alone.faults.is_empty() && with.faults.is_empty(), "{:?}", with.faults);
        for rule in rules::infos() {
            prop_assert!(with.level(&rule).value >= alone.level(&rule).value, "{}", rule.name);
        }
        prop_assert!(rules::cooldown::held_back_days(&with) >= rules::cooldown::held_back_days(&alone));
        for case in all_cases() {
            let complete = case.plan.complete();
            let (before, after) = (case.judge(&alone), case.judge(&with));
            prop_assert!(rules::verdict(&after, complete) >= rules::verdict(&before, complete));
            // Not the sum alone: each finding that was there is there, and no lighter.
            for f in before.iter().filter(|f| f.rule != rules::POLICY) {
                let same = after.iter().filter(|g| g.rule == f.rule && g.package == f.package && g.location == f.location);
                let level = same.map(|g| g.level).max();
                prop_assert!(level >= Some(f.level), "{}: {} {:?}", f.rule, f.message, level);
            }
        }
    }
}
