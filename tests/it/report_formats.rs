//! The forms of a judgement that other programs and browsers read: valid documents, and no stranger's text that does
//! anything in them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;
use tidewaiter::advisories::Coverage;
use tidewaiter::judge::{Judgement, Subject, Via};
use tidewaiter::model::{
    Artifact, ArtifactKind, Category, Digest, Ecosystem, Environment, Evidence, Execution, Finding, Fix, FixKind,
    HeldBack, Level, Location, LockState, Origin, Package, PackageId, PackageName, Pinning, Plan, SignalGap, Source,
    Unresolved, UnresolvedCause, Verdict,
};
use tidewaiter::report::{cyclonedx, github, html, sarif};

use crate::cli::Sandbox;
use crate::report::{HOSTILE, judgement as hostile_judgement};

fn environment() -> Environment {
    Environment {
        variables: BTreeMap::new(),
        cwd: "/repo/app".into(),
        home: None,
        now: "2026-03-25T12:00:00Z".parse().unwrap(),
        os: "linux",
        arch: "x86_64",
    }
}

fn id(ecosystem: Ecosystem, name: &str, version: &str) -> PackageId {
    PackageId::new(PackageName::new(ecosystem, name), version)
}

fn package(id: PackageId, source: Source, origin: &str, location: Location) -> Package {
    Package {
        id,
        source,
        direct: true,
        depth: 0,
        required_by: Vec::new(),
        origin: Origin { text: origin.to_owned(), range: None, location },
        pinning: Pinning::Exact,
        lock: LockState::Unlocked,
        development: false,
        published_at: Some("2026-03-24T10:52:00Z".parse().unwrap()),
        first_published_at: None,
        withdrawn: None,
        artifacts: Vec::new(),
        executes: Vec::new(),
        also_in: Vec::new(),
        history: None,
    }
}

fn artifact(kind: ArtifactKind, filename: &str, url: &str) -> Artifact {
    Artifact {
        kind,
        filename: filename.to_owned(),
        url: url.to_owned(),
        digests: vec![Digest::sha256_of(filename.as_bytes())],
        size: Some(10),
        published_at: None,
    }
}

fn registry(url: &str) -> Source {
    Source::Registry { url: url.to_owned() }
}

/// A refused command as it happens: a malicious release, what it needs, a fork in git and one that is not resolved.
fn refused() -> Judgement {
    let line = |n| Location::at("requirements.txt", n, 1);
    let bad = id(Ecosystem::PyPI, "litellm", "1.82.8");
    let mut litellm = package(bad.clone(), registry("https://pypi.org/simple/"), "litellm==1.82.8", line(3));
    litellm.artifacts = vec![
        artifact(
            ArtifactKind::Wheel,
            "litellm-1.82.8-py3-none-any.whl",
            "https://files.pythonhosted.org/litellm-1.82.8-py3-none-any.whl",
        ),
        artifact(ArtifactKind::Sdist, "litellm-1.82.8.tar.gz", ""),
    ];
    litellm.executes = vec![Execution::StartupHook];
    let mut httpx = package(
        id(Ecosystem::PyPI, "httpx", "0.28.1"),
        registry("https://pypi.internal.example/simple"),
        "httpx>=0.23",
        line(3),
    );
    httpx.direct = false;
    httpx.depth = 1;
    httpx.required_by = vec![bad.clone()];
    httpx.artifacts =
        vec![artifact(ArtifactKind::Wheel, "httpx-0.28.1-py3-none-any.whl", "https://pypi.internal.example/httpx.whl")];
    let fork = package(
        id(Ecosystem::Npm, "@acme/left-pad", "0"),
        Source::Git {
            url: "https://github.com/acme/left-pad.git".to_owned(),
            reference: Some("main".to_owned()),
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        },
        "github:acme/left-pad",
        Location::at("/repo/package.json", 7, 5),
    );
    let member = package(
        id(Ecosystem::Npm, "web", "1.0.0"),
        Source::Workspace { path: "/repo/app/web".into() },
        "web",
        Location::file("web/package.json"),
    );
    let mut plan = Plan {
        packages: vec![litellm, httpx, fork, member],
        held_back: vec![HeldBack {
            name: PackageName::new(Ecosystem::PyPI, "openai"),
            version: "2.0.0".to_owned(),
            instead: Some("1.99.0".to_owned()),
            rule: "cooldown",
            reason: "published 1 day ago".to_owned(),
        }],
        unresolved: vec![Unresolved {
            requirement: "private-thing".to_owned(),
            name: None,
            range: None,
            location: Some(line(9)),
            cause: UnresolvedCause::Unreachable,
            reason: "the index did not answer".to_owned(),
        }],
        lock_issues: Vec::new(),
        signal_gaps: vec![SignalGap {
            signal: "provenance",
            registry: "https://pypi.internal.example/simple".to_owned(),
            reason: "it has no attestations".to_owned(),
        }],
    };
    plan.normalise();
    let finding = |rule, level, category, message: &str, location, package| Finding {
        rule,
        level,
        category,
        package,
        message: message.to_owned(),
        evidence: Evidence::new(),
        location: Some(location),
        fix: None,
        policy: Location::built_in(),
    };
    let mut malware = finding(
        "malware",
        Level::Deny,
        Category::KnownMalware,
        "litellm 1.82.8 is known malware (MAL-2026-2144): steals credentials at every interpreter start",
        line(3),
        Some(bad.clone()),
    );
    malware.evidence = Evidence::from([
        ("advisories", vec!["MAL-2026-2144".to_owned(), "GHSA-5mg7-485q-xm76".to_owned()].into()),
        ("whole_package", false.into()),
    ]);
    malware.fix = Some(Fix {
        kind: FixKind::Version,
        text: "use litellm 1.82.6, the newest release before it that is clear".to_owned(),
        command: Some("pip install litellm==1.82.6".to_owned()),
    });
    let mut vulnerable = finding(
        "vulnerability",
        Level::Warn,
        Category::Vulnerable,
        "httpx 0.28.1 is affected by CVE-2026-0001 (high): [smuggles](https://evil.example) requests",
        line(3),
        Some(id(Ecosystem::PyPI, "httpx", "0.28.1")),
    );
    vulnerable.evidence = Evidence::from([
        ("advisories", vec!["CVE-2026-0001".to_owned()].into()),
        ("severity", "high".into()),
        ("url", "https://osv.dev/vulnerability/CVE-2026-0001".into()),
    ]);
    Judgement {
        subject: Subject::Command {
            argv: ["pip", "install", "--pre", "-r", "requirements.txt"].map(str::to_owned).to_vec(),
            cwd: "/repo/app".to_owned(),
            tool: "pip",
            verb: "install".to_owned(),
            via: Via::Argv,
        },
        plan,
        findings: vec![
            malware,
            finding(
                "non-registry-source",
                Level::Ask,
                Category::UntrustedSource,
                "@acme/left-pad comes from git",
                Location::at("/repo/package.json", 7, 5),
                Some(id(Ecosystem::Npm, "@acme/left-pad", "0")),
            ),
            vulnerable,
            finding(
                "safety-flag",
                Level::Ask,
                Category::ScopeEscalation,
                "--pre lets pre-releases in",
                Location::argv(2),
                None,
            ),
            finding(
                "untrusted-registry",
                Level::Note,
                Category::UntrustedSource,
                "another index",
                Location::environment("PIP_INDEX_URL"),
                None,
            ),
        ],
        verdict: Verdict::Deny,
        coverage: Coverage { records: 64, ..Coverage::default() },
        elapsed_ms: 7,
        invocations: Vec::new(),
        opinion: None,
    }
}

/// A stranger's text in every field that a document shows.
fn hostile() -> Judgement {
    let mut judgement = hostile_judgement();
    let evil = id(Ecosystem::PyPI, HOSTILE, HOSTILE);
    let markup = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>[a](javascript:b)%0A::error::x,y=z";
    let sources = [
        registry(markup),
        Source::Url { url: HOSTILE.to_owned() },
        Source::Git { url: HOSTILE.to_owned(), reference: None, commit: Some(markup.to_owned()) },
        Source::Path { path: HOSTILE.into() },
        Source::Workspace { path: markup.into() },
    ];
    for source in sources {
        for name in [HOSTILE, markup] {
            let mut p = package(id(Ecosystem::Npm, name, markup), source.clone(), HOSTILE, Location::at(markup, 1, 1));
            p.required_by = vec![evil.clone(), p.id.clone()];
            p.artifacts = vec![artifact(ArtifactKind::Tgz, HOSTILE, markup), artifact(ArtifactKind::Tgz, markup, "")];
            p.executes = vec![Execution::LifecycleScript(HOSTILE.into())];
            judgement.plan.packages.push(p);
        }
    }
    let again = judgement.plan.packages.first().cloned();
    judgement.plan.packages.extend(again);
    for f in &mut judgement.findings {
        f.evidence.insert("advisories", vec![HOSTILE.to_owned(), markup.to_owned()].into());
        f.evidence.insert("url", markup.into());
        f.location = f.location.take().filter(|l| l.path().is_some_and(|p| p.ends_with("requirements.txt")));
    }
    let mut more = judgement.findings.clone();
    for (f, place) in more.iter_mut().zip([Location::environment(HOSTILE), Location::at(markup, 2, 0)]) {
        f.rule = "vulnerability";
        f.level = Level::Warn;
        f.message = markup.to_owned();
        f.package = judgement.plan.packages.first().map(|p| p.id.clone());
        f.location = Some(place);
    }
    judgement.findings.extend(more);
    judgement.coverage.problems.push(markup.to_owned());
    judgement
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One text in every field; what stands around it is counted in a judgement without surprises.
    #[test]
    fn no_text_changes_the_shape_of_a_report(text in "(?s).{0,60}|[<>&\"'%:,#\\[\\]/\\n\\r a-c]{0,60}") {
        let with = |text: &str| {
            let mut judgement = refused();
            judgement.findings.truncate(1);
            let f = &mut judgement.findings[0];
            f.message = text.to_owned();
            f.location = Some(Location::at(text, 1, 1));
            f.fix = Some(Fix { kind: FixKind::Other, text: text.to_owned(), command: Some(text.to_owned()) });
            f.evidence.insert("url", text.into());
            judgement.plan.unresolved[0].requirement = text.to_owned();
            judgement.plan.unresolved[0].reason = format!("{text}!");
            judgement.plan.packages[0].id = id(Ecosystem::PyPI, text, text);
            judgement.subject = Subject::Audit { files: vec![text.to_owned()] };
            judgement
        };
        let (plain, any) = (with("plain"), with(&text));
        let lines = github::render(&any, &environment(), true);
        prop_assert_eq!(lines.lines().count(), github::render(&plain, &environment(), true).lines().count());
        for line in lines.lines().take(2) {
            prop_assert!(command(line).is_some_and(|(name, ..)| name == "error"), "{}", line);
        }
        let page = html::render(&any, &environment());
        let links = page.matches("<a ").count();
        prop_assert!(links <= 1);
        prop_assert_eq!(page.matches('<').count() - 2 * links, html::render(&plain, &environment()).matches('<').count());
        sarif_of(&any);
        bom_of(&any);
    }
}

fn deceptive(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c as u32, 0x7f..=0x9f | 0x200b..=0x200f | 0x202a..=0x202e)
}

/// Every text in a document.
fn strings<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|v| strings(v, out)),
        Value::Object(map) => map.values().for_each(|v| strings(v, out)),
        _ => {}
    }
}

/// The document as it stands in a snapshot: with the version taken out.
fn pinned(text: &str) -> String {
    text.replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"[VERSION]\"")
        .replace(&format!("tidewaiter {},", env!("CARGO_PKG_VERSION")), "tidewaiter [VERSION],")
}

fn parsed(text: &str) -> Value {
    assert!(!text.chars().any(deceptive), "{text}");
    let document: Value = serde_json::from_str(text).unwrap();
    let mut texts = Vec::new();
    strings(&document, &mut texts);
    for text in texts {
        assert!(!text.chars().any(deceptive), "{text:?}");
    }
    // `TIDEWAITER_KEEP_REPORTS=DIR` keeps them, to be held to the published schemas by another program.
    if let Some(dir) = std::env::var_os("TIDEWAITER_KEEP_REPORTS") {
        let kind = if document.get("runs").is_some() { "sarif" } else { "cyclonedx" };
        let name = format!("{kind}-{}.json", &Digest::sha256_of(text.as_bytes()).hex()[..8]);
        std::fs::write(std::path::Path::new(&dir).join(name), text).unwrap();
    }
    document
}

fn sarif_of(judgement: &Judgement) -> Value {
    let document = parsed(&sarif::render(judgement, &environment()));
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/sarif-2.1.0-subset.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let run = &document["runs"][0];
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(rules.iter().collect::<BTreeSet<_>>().len(), rules.len(), "every rule once");
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules.get(index).copied(), result["ruleId"].as_str());
        let text = result["message"]["text"].as_str().unwrap();
        let plain = text.replace("\\\\", "").replace("\\[", "").replace("\\]", "");
        assert!(!plain.contains(['[', ']']), "a link: {text}");
    }
    document
}

#[test]
fn sarif_says_what_was_seen_and_where() {
    let text = sarif::render(&refused(), &environment());
    let document = sarif_of(&refused());
    let results = document["runs"][0]["results"].as_array().unwrap();
    let place = |i: usize| &results[i]["locations"][0];
    assert_eq!(place(0)["physicalLocation"]["artifactLocation"]["uri"], "requirements.txt");
    assert_eq!(place(0)["physicalLocation"]["region"]["startLine"], 3);
    assert_eq!(place(1)["physicalLocation"]["artifactLocation"]["uri"], "file:///repo/package.json");
    assert_eq!(place(3)["logicalLocations"][0]["fullyQualifiedName"], "argv[2]");
    assert_eq!(place(4)["logicalLocations"][0]["name"], "$PIP_INDEX_URL");
    let levels: Vec<&str> = results.iter().map(|r| r["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "error", "warning", "error", "note", "error"], "the last is what is unresolved");
    // Rules are many and their words are snapshots of their own.
    let mut brief: Value = serde_json::from_str(&text).unwrap();
    let rules = brief["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap();
    rules.truncate(1);
    for result in brief["runs"][0]["results"].as_array_mut().unwrap() {
        result["ruleIndex"] = "[INDEX]".into();
    }
    insta::assert_snapshot!("sarif", pinned(&serde_json::to_string_pretty(&brief).unwrap()));
}

#[test]
fn sarif_is_valid_whatever_a_stranger_sends() {
    sarif_of(&hostile());
    let mut nothing = refused();
    nothing.findings.clear();
    nothing.plan = Plan::default();
    nothing.subject = Subject::Audit { files: Vec::new() };
    let document = sarif_of(&nothing);
    assert_eq!(document["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn an_alert_keeps_its_fingerprint_when_lines_move() {
    let prints = |judgement: &Judgement| -> Vec<String> {
        let document = sarif_of(judgement);
        let results = document["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|r| r["partialFingerprints"]["tidewaiter/v1"].as_str().unwrap().to_owned()).collect()
    };
    let before = prints(&refused());
    let mut moved = refused();
    for f in &mut moved.findings {
        if let Some(l) = f.location.as_mut().filter(|l| l.path().is_some()) {
            l.line += 4;
        }
    }
    assert_eq!(before, prints(&moved));
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), before.len(), "no two alike");
    let mut twice = refused();
    twice.findings.push(twice.findings[3].clone());
    let twice = prints(&twice);
    assert_eq!(twice.iter().collect::<BTreeSet<_>>().len(), twice.len(), "not even two in one place");
}

#[test]
fn every_result_of_an_audit_has_a_file_because_code_scanning_wants_one() {
    let mut audit = refused();
    audit.subject = Subject::Audit { files: vec!["requirements.txt".to_owned()] };
    for result in sarif_of(&audit)["runs"][0]["results"].as_array().unwrap() {
        assert!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string(), "{result}");
    }
}

/// What GitHub's runner makes of a line: the command, its properties and its text, unescaped.
fn command(line: &str) -> Option<(&str, BTreeMap<String, String>, String)> {
    let (head, data) = line.strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let plain = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let properties = properties
        .split(',')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.to_owned(), plain(&v.replace("%3A", ":").replace("%2C", ","))))
        .collect();
    Some((name, properties, plain(data)))
}

#[test]
fn github_gets_annotations_on_files() {
    let text = github::render(&refused(), &environment(), true);
    let (name, properties, message) = command(text.lines().next().unwrap()).unwrap();
    assert_eq!(name, "error");
    assert_eq!(properties["file"], "requirements.txt");
    assert_eq!((properties["line"].as_str(), properties["col"].as_str()), ("3", "1"));
    assert_eq!(properties["title"], "tidewaiter deny: malware");
    assert!(message.ends_with("\n$ pip install litellm==1.82.6"), "{message}");
    insta::assert_snapshot!("github", text);
    // Where the checkout is above the working directory, files are told from there.
    let mut environment = environment();
    environment.variables.insert("GITHUB_WORKSPACE".to_owned(), "/repo".to_owned());
    let text = github::render(&refused(), &environment, false);
    assert!(text.contains("file=app/requirements.txt") && text.contains("file=package.json"), "{text}");
    assert!(!text.contains("::notice"), "notes only when asked for");
}

#[test]
fn no_strangers_text_commands_githubs_runner() {
    for judgement in [hostile(), hostile_judgement()] {
        let text = github::render(&judgement, &environment(), true);
        assert!(!text.chars().any(deceptive) && !text.contains("##"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let (last, commands) = lines.split_last().unwrap();
        assert!(last.starts_with("tidewaiter: deny ("), "{last}");
        for line in commands {
            let (name, properties, _) = command(line).unwrap_or_else(|| panic!("not a command: {line}"));
            assert!(["error", "warning", "notice"].contains(&name), "{line}");
            assert!(properties.keys().all(|k| ["file", "line", "col", "title"].contains(&k.as_str())), "{line}");
        }
    }
}

#[test]
fn github_is_told_no_more_than_it_keeps() {
    let mut many = refused();
    let one = many.findings[0].clone();
    many.findings.extend(std::iter::repeat_n(one, 30));
    let text = github::render(&many, &environment(), false);
    assert_eq!(text.lines().filter(|l| l.starts_with("::error")).count(), 10);
    assert!(text.contains("\nnot annotated: 24 errors (23 malware, 1 unresolved); GitHub keeps 10"), "{text}");
    assert!(
        text.ends_with(")\n") && text.lines().last().unwrap().starts_with("tidewaiter: deny (4 packages, 34 errors")
    );
}

fn bom_of(judgement: &Judgement) -> Value {
    let document = parsed(&cyclonedx::render(judgement, &environment()));
    let components = document["components"].as_array().unwrap();
    let refs: BTreeSet<&str> = components.iter().map(|c| c["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(refs.len(), components.len(), "every reference once");
    let root = document["metadata"]["component"]["bom-ref"].as_str().unwrap();
    let mut of = BTreeSet::new();
    for d in document["dependencies"].as_array().unwrap() {
        assert!(of.insert(d["ref"].as_str().unwrap()), "every component once");
        for on in d["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(on.as_str().unwrap()), "{on} is a component");
        }
    }
    assert_eq!(of.len(), refs.len() + 1);
    assert!(of.contains(root));
    for v in document["vulnerabilities"].as_array().into_iter().flatten() {
        for a in v["affects"].as_array().unwrap() {
            assert!(refs.contains(a["ref"].as_str().unwrap()), "{a} is a component");
        }
    }
    for c in components {
        let kept = |u: &str| u.is_ascii() && !u.contains(['<', '"', ' ']) && !u.starts_with("javascript:");
        for r in c["externalReferences"].as_array().into_iter().flatten() {
            assert!(kept(r["url"].as_str().unwrap()), "{r}");
        }
        assert!(c.get("purl").is_none_or(|p| kept(p.as_str().unwrap())), "{c}");
    }
    document
}

#[test]
fn the_bill_of_materials_is_the_plan() {
    let document = bom_of(&refused());
    assert_eq!(document, bom_of(&refused()), "the same plan, the same document");
    let component = |name: &str| {
        document["components"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["name"] == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(component("litellm")["purl"], "pkg:pypi/litellm@1.82.8");
    assert_eq!(
        component("httpx")["purl"],
        "pkg:pypi/httpx@0.28.1?repository_url=https://pypi.internal.example/simple",
        "not the public registry's release"
    );
    assert_eq!(component("left-pad")["group"], "@acme");
    assert!(component("left-pad").get("version").is_none(), "it is not known");
    assert!(component("web").get("purl").is_none(), "the project's own member is no release");
    assert_eq!(document["compositions"][0]["aggregate"], "incomplete");
    let ids: Vec<&str> =
        document["vulnerabilities"].as_array().unwrap().iter().map(|v| v["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["MAL-2026-2144", "GHSA-5mg7-485q-xm76", "CVE-2026-0001"]);
    insta::assert_snapshot!("cyclonedx", pinned(&cyclonedx::render(&refused(), &environment())));
}

#[test]
fn the_bill_of_materials_is_whole_whatever_a_stranger_sends() {
    bom_of(&hostile());
    let mut nothing = refused();
    nothing.plan = Plan::default();
    bom_of(&nothing);
}

/// The names of all tags, each checked for attributes that run or fetch something.
fn tags(page: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        out.insert(tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default().to_ascii_lowercase());
        assert!(!tag.contains(" on") && !tag.contains("src=") && !tag.contains("style="), "{tag}");
        if let Some((_, address)) = tag.split_once("href=") {
            assert!(address.starts_with("\"https://") || address.starts_with("\"http://"), "{tag}");
        }
    }
    out
}

#[test]
fn the_page_is_one_page_and_nothing_else() {
    let known = "!doctype a article body code details div footer h1 h2 head header html li meta p pre section span style \
                 summary table tbody td th thead title tr ul";
    let known: BTreeSet<&str> = known.split(' ').collect();
    for judgement in [refused(), hostile(), hostile_judgement()] {
        let page = html::render(&judgement, &environment());
        assert!(!page.chars().any(deceptive), "{page}");
        let unknown: Vec<String> = tags(&page).into_iter().filter(|t| !known.contains(t.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        for tag in known.iter().filter(|t| !["!doctype", "meta"].contains(*t)) {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
        }
        assert!(!page.contains("url(") && !page.contains("@import"), "nothing is fetched");
    }
    insta::assert_snapshot!("html", pinned(&html::render(&refused(), &environment())));
}

#[test]
fn every_format_is_a_word_of_the_command_line() {
    let sandbox = Sandbox::new();
    for (format, begins) in [
        ("human", "ALLOW"),
        ("json", "{\n  \"schema\": \"tidewaiter.verdict/1\""),
        ("sarif", "{\n  \"$schema\": \"https://docs.oasis-open.org/sarif/"),
        ("github", "tidewaiter: allow (0 packages; plan "),
        ("cyclonedx", "{\n  \"bomFormat\": \"CycloneDX\""),
        ("html", "<!doctype html>"),
    ] {
        for words in [&["audit", "--format", format][..], &["check", "--format", format, "--", "pip", "list"]] {
            let ran = sandbox.run(words);
            assert_eq!(ran.status, 0, "{ran:?}");
            assert!(ran.stdout.starts_with(begins), "{format}: {}", ran.stdout);
        }
    }
    assert_eq!(sandbox.run(&["audit", "--format", "xml"]).status, 2);
}
