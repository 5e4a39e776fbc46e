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
