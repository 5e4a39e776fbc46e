//! The advisory database against public databases and conformance suites: built, opened, asked.

use std::path::{Path, PathBuf};

use tidewaiter::advisories::build::Builder;
use tidewaiter::advisories::index::Index;
use tidewaiter::advisories::{Advisories as _, Database, Kind, Match};
use tidewaiter::model::{Ecosystem, PackageId, PackageName, Timestamp};

use crate::support::shared_data;

const NOW: &str = "2026-09-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn id(ecosystem: Ecosystem, name: &str, version: &str) -> PackageId {
    PackageId::new(PackageName::new(ecosystem, name), version)
}

/// An index built from a zip or directory into a directory of its own.
fn build(source: &Path) -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.index");
    let mut builder = Builder::default();
    builder.add_path(source).unwrap();
    builder.write(&path, now()).unwrap();
    let index = Index::open(&path).unwrap();
    (dir, index)
}

/// The database of one shared zip alone, without the embedded records.
fn database(zip: &str) -> Option<(tempfile::TempDir, Database)> {
    let zip = shared_data("advisories")?.join(zip);
    let (dir, index) = build(&zip);
    Some((dir, Database::of_indexes(vec![index], now())))
}

fn bench_file(name: &str) -> Option<String> {
    let path: PathBuf = shared_data("bench")?.join(name);
    Some(std::fs::read_to_string(path).unwrap())
}

/// Name and version of every registry package of a Cargo.lock, by a rough scan of its lines.
fn cargo_lock(text: &str) -> Vec<PackageId> {
    text.split("[[package]]")
        .filter_map(|block| {
            let field = |key: &str| {
                let line = block.lines().find_map(|l| l.strip_prefix(key))?;
                Some(line.trim_start_matches(" = ").trim_matches('"').to_owned())
            };
            field("source").filter(|s| s.starts_with("registry+"))?;
            Some(id(Ecosystem::CratesIo, &field("name")?, &field("version")?))
        })
        .collect()
}

fn matches(database: &Database, ids: &[PackageId]) -> Vec<(String, Match)> {
    let all = ids.iter().flat_map(|id| {
        let label = format!("{} {}", id.name, id.version);
        database.find(id, None).into_iter().map(move |m| (label.clone(), m))
    });
    all.collect()
}

#[test]
fn the_421_package_lock_has_exactly_one_vulnerability() {
    let (Some((_dir, db)), Some(lock)) = (database("rustsec-osv.zip"), bench_file("rustsec-421.Cargo.lock")) else {
        return;
    };
    let found = matches(&db, &cargo_lock(&lock));
    let found: Vec<_> = found.iter().map(|(p, m)| (p.as_str(), m.id.as_str(), m.kind)).collect();
    assert_eq!(found, [("h2 0.4.15", "RUSTSEC-2026-0258", Kind::Vulnerability)]);
}

#[test]
fn the_591_package_lock_has_four_vulnerabilities_and_three_unsoundness_notices() {
    let (Some((_dir, db)), Some(lock)) = (database("rustsec-osv.zip"), bench_file("nextest-591.Cargo.lock")) else {
        return;
    };
    let found = matches(&db, &cargo_lock(&lock));
    let of = |kind| found.iter().filter(|(_, m)| m.kind == kind).collect::<Vec<_>>();
    assert_eq!(of(Kind::Vulnerability).len(), 4, "{found:#?}");
    let notices = of(Kind::Informational);
    assert_eq!(notices.len(), 3, "{found:#?}");
    assert!(notices.iter().all(|(_, m)| m.informational.as_deref() == Some("unsound")));
    assert!(of(Kind::Malware).is_empty());
}

#[test]
fn the_100_pins_have_seven_advisories_in_five_packages() {
    let (Some((_dir, db)), Some(pins)) = (database("pypa-osv.zip"), bench_file("pip-100.requirements.txt")) else {
        return;
    };
    let pins: Vec<PackageId> = pins
        .lines()
        .filter_map(|l| l.split_whitespace().next()?.split_once("=="))
        .map(|(name, version)| id(Ecosystem::PyPI, name.split('[').next().unwrap(), version))
        .collect();
    assert_eq!(pins.len(), 100);
    let found = matches(&db, &pins);
    let packages: std::collections::BTreeSet<_> = found.iter().map(|(p, _)| p).collect();
    assert_eq!((found.len(), packages.len()), (7, 5), "{found:#?}");
}

#[derive(serde::Deserialize)]
struct Case {
    test: String,
    vuln: serde_json::Value,
    package: CasePackage,
    expected: bool,
}

#[derive(serde::Deserialize)]
struct CasePackage {
    ecosystem: String,
    name: String,
    version: String,
}

/// A database of records given as JSON.
fn of_records(records: &[String]) -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.index");
    let mut builder = Builder::default();
    for (n, record) in records.iter().enumerate() {
        builder.add(&format!("{n}.json"), record.as_bytes());
    }
    let report = builder.write(&path, now()).unwrap();
    assert_eq!(report.skipped, []);
    let index = Index::open(&path).unwrap();
    (dir, Database::of_indexes(vec![index], now()))
}

#[test]
fn osv_scanner_s_own_matching_table_is_met() {
    let Some(path) = shared_data("suites/osv/is-affected.json") else { return };
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 194);
    let mut wrong = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let (_dir, db) = of_records(&[case.vuln.to_string()]);
        let ecosystem = Ecosystem::from_osv(&case.package.ecosystem).unwrap();
        let found = !db.find(&id(ecosystem, &case.package.name, &case.package.version), None).is_empty();
        if found != case.expected {
            wrong.push(format!("{n} {} {:?}: {found}", case.test, case.package.version));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What api.osv.dev answered, against the two public databases at hand: they are older and fewer than what it knows,
/// so of its ids only those are asked for that the databases have.
#[test]
fn osv_dev_s_recorded_answers_are_met() {
    #[derive(serde::Deserialize)]
    struct Answer {
        ecosystem: String,
        name: String,
        version: String,
        ids: Vec<String>,
    }
    let (Some(path), Some(zips)) = (shared_data("suites/osv/osv-scanner-queries.json"), shared_data("advisories"))
    else {
        return;
    };
    let answers: Vec<Answer> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (_a, rustsec) = build(&zips.join("rustsec-osv.zip"));
    let (_b, pypa) = build(&zips.join("pypa-osv.zip"));
    let db = Database::of_indexes(vec![rustsec, pypa], now());
    let (mut asked, mut missing, mut extra) = (0, Vec::new(), Vec::new());
    for answer in &answers {
        let ecosystem = Ecosystem::from_osv(&answer.ecosystem).unwrap();
        let found = db.find(&id(ecosystem, &answer.name, &answer.version), None);
        let ids: Vec<&str> = found
            .iter()
            .flat_map(|m| std::iter::once(m.id.as_str()).chain(m.aliases.iter().map(String::as_str)))
            .collect();
        for want in
            answer.ids.iter().filter(|i| db.show(i).iter().any(|s| s.json.contains(&format!("\"id\": \"{i}\""))))
        {
            asked += 1;
            if !ids.contains(&want.as_str()) {
                missing.push(format!("{} {} {want}", answer.name, answer.version));
            }
        }
        for m in &found {
            let known = |i: &String| answer.ids.contains(i);
            if !known(&m.id) && !m.aliases.iter().any(known) {
                extra.push(format!("{} {} {}", answer.name, answer.version, m.id));
            }
        }
    }
    assert!(asked > 20, "{asked}");
    assert_eq!(missing, Vec::<String>::new());
    // The 2024 copy of PYSEC-2021-108 says "before 1.26.5" and lists 1.24.3; the record was narrowed since.
    assert_eq!(extra, ["urllib3 1.24.3 PYSEC-2021-108"]);
}
