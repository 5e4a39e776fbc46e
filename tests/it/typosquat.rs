//! `typosquat` held to what happened: the names of recorded incidents must be asked about on the day they appeared, and the
//! names in lockfiles of real projects must not be.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use tidewaiter::advisories::{Advisories, Coverage, Match};
use tidewaiter::model::{
    Ecosystem, Environment, Location, LockState, Origin, Package, PackageId, PackageName, Pinning, Plan,
    ReleaseHistory, Source, Timestamp,
};
use tidewaiter::policy::Policy;
use tidewaiter::rules::{self, Facts};

use crate::support::shared_data;

struct Nothing;

impl Advisories for Nothing {
    fn find(&self, _: &PackageId, _: Option<Timestamp>) -> Vec<Match> {
        Vec::new()
    }
    fn malicious_versions(&self, _: &PackageName, _: Option<Timestamp>) -> Vec<(String, String)> {
        Vec::new()
    }
    fn coverage(&self) -> Coverage {
        Coverage::default()
    }
}

/// A direct requirement that nothing locks: the case in which the rule is strictest.
fn package(ecosystem: Ecosystem, name: &str, first: Option<Timestamp>, releases: usize) -> Package {
    let url = match ecosystem {
        Ecosystem::PyPI => "https://pypi.org/simple/",
        Ecosystem::Npm => "https://registry.npmjs.org/",
        Ecosystem::CratesIo => "https://index.crates.io/",
    };
    Package {
        id: PackageId::new(PackageName::new(ecosystem, name), "1.0.0"),
        source: Source::Registry { url: url.to_owned() },
        direct: true,
        depth: 0,
        required_by: Vec::new(),
        origin: Origin { text: name.to_owned(), range: Some(String::new()), location: Location::argv(2) },
        pinning: Pinning::Floating,
        lock: LockState::Unlocked,
        development: false,
        published_at: first,
        first_published_at: first,
        withdrawn: None,
        artifacts: Vec::new(),
        executes: Vec::new(),
        also_in: Vec::new(),
        history: Some(Box::new(ReleaseHistory { releases, ..ReleaseHistory::default() })),
    }
}

/// What the rule says of these packages at that moment.
fn findings(packages: Vec<Package>, now: Timestamp) -> Vec<String> {
    let plan = Plan { packages, ..Plan::default() };
    let environment = Environment {
        variables: std::collections::BTreeMap::new(),
        cwd: "/work".into(),
        home: None,
        now,
        os: "linux",
        arch: "x86_64",
    };
    let none = |_: &PackageId| None;
    let nobody = |_: &PackageName| Vec::new();
    let found = rules::judge(&Facts {
        invocations: &[],
        plan: &plan,
        settings: &[],
        workspace_names: &[],
        last_good: &none,
        newest_good: &none,
        next_best: &none,
        near_names: &nobody,
        advisories: &Nothing,
        as_of: None,
        policy: &Policy::default(),
        environment: &environment,
        operations: &[],
        files: &tidewaiter::model::MemoryFiles::default(),
        audit: false,
        said: None,
    });
    found.into_iter().filter(|f| f.rule == "typosquat").map(|f| f.message).collect()
}

/// Incidents by imitation that no spelling gives away.
const MISSED: &[(&str, &str)] = &[
    ("set-utils", "imitates `python-utils` in meaning, not in letters"),
    ("finch-rst", "`finch` is not a well-known crate"),
    ("crytic-compilers", "`crytic-compile` is not among the most downloaded"),
];

#[test]
fn recorded_imitations_are_asked_about_on_the_day_they_appeared() {
    let Some(path) = shared_data("incidents/incidents.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut caught, mut missed, mut others, mut false_alarms) = (Vec::new(), Vec::new(), 0, Vec::new());
    for line in text.lines() {
        let record: Json = serde_json::from_str(line).unwrap();
        let name = record["package"].as_str().unwrap();
        let ecosystem = Ecosystem::from_osv(record["ecosystem"].as_str().unwrap()).unwrap();
        let moment = ["published_at", "detected_or_removed_at"].iter().find_map(|k| record[*k].as_str());
        let Some(then) = moment.map(|t| t.parse::<Timestamp>().unwrap()) else { continue };
        let now = then + jiff::SignedDuration::from_hours(1);
        if record["attack_type"] == "typosquat" {
            let found = findings(vec![package(ecosystem, name, Some(then), 2)], now);
            if found.is_empty() { missed.push(name.to_owned()) } else { caught.push(name.to_owned()) }
        } else if record["last_good_version"].is_string() {
            // A bad release of an established project is the business of other rules.
            others += 1;
            let first = then - jiff::SignedDuration::from_hours(24 * 1500);
            false_alarms.extend(findings(vec![package(ecosystem, name, Some(first), 60)], now));
        }
    }
    eprintln!("imitations: {} of {} asked about; missed: {missed:?}", caught.len(), caught.len() + missed.len());
    eprintln!("takeovers of established projects: {} of {others} asked about", false_alarms.len());
    let expected: BTreeSet<&str> = MISSED.iter().map(|(name, _)| *name).collect();
    assert_eq!(missed.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!(false_alarms, Vec::<String>::new());
}

/// Names that real projects use.
fn names_in_use() -> Vec<(Ecosystem, String)> {
    let mut out: BTreeSet<(Ecosystem, String)> = BTreeSet::new();
    for lock in ["bench/nextest-591.Cargo.lock", "bench/rustsec-421.Cargo.lock"] {
        let Some(path) = shared_data(lock) else { continue };
        let text = std::fs::read_to_string(path).unwrap();
        let names = text.lines().filter_map(|l| l.strip_prefix("name = \"")?.strip_suffix('"'));
        out.extend(names.map(|n| (Ecosystem::CratesIo, n.to_owned())));
    }
    if let Some(path) = shared_data("bench/npm-1065.package-lock.json") {
        let lock: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let paths = lock["packages"].as_object().unwrap().keys();
        let names = paths.filter_map(|p| p.rsplit_once("node_modules/").map(|(_, name)| name.to_owned()));
        out.extend(names.map(|n| (Ecosystem::Npm, n)));
    }
    if let Some(path) = shared_data("bench/pip-100.requirements.txt") {
        let text = std::fs::read_to_string(path).unwrap();
        let names = text.lines().filter_map(|l| l.split_once("==").map(|(name, _)| name.trim().to_owned()));
        out.extend(names.map(|n| (Ecosystem::PyPI, n)));
    }
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo");
    let text = std::fs::read_to_string(demo).unwrap_or_default();
    let listed = text.lines().skip_while(|l| !l.contains("<<'REQ'")).skip(1).take_while(|l| *l != "REQ");
    out.extend(listed.map(|n| (Ecosystem::PyPI, n.to_owned())));
    out.into_iter().collect()
}

#[test]
fn names_of_real_projects_are_not() {
    let names = names_in_use();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let old: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let alarms = |first: Option<Timestamp>, releases: usize| {
        let packages = names.iter().map(|(e, n)| package(*e, n, first, releases)).collect();
        findings(packages, now)
    };
    let realistic = alarms(Some(old), 40);
    eprintln!("names in use: {} of {} asked about with their real age", realistic.len(), names.len());
    assert_eq!(realistic, Vec::<String>::new());
    let unknown = alarms(None, 0);
    eprintln!("and {} where a registry tells no age and nothing is locked: {unknown:#?}", unknown.len());
    assert!(unknown.len() * 25 <= names.len().max(100), "more than one in twenty-five: {unknown:#?}");
}
