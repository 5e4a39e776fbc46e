//! The advisory database against public databases and conformance suites: built, opened, asked.

use std::path::{Path, PathBuf};

use tidewaiter::advisories::build::Builder;
use tidewaiter::advisories::feed::{Feed, FeedError, Outcome, Progress};
use tidewaiter::advisories::index::Index;
use tidewaiter::advisories::{Advisories as _, Database, Kind, Match, Severity};
use tidewaiter::model::{Ecosystem, PackageId, PackageName, Timestamp};
use tidewaiter::registry::http::{Http, Profile};

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

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/advisories/dirty")
}

/// What a database says of a release, in a line each: `MAL-1 malware whole`.
fn said(db: &Database, ecosystem: Ecosystem, name: &str, version: &str) -> Vec<String> {
    let found = db.find(&id(ecosystem, name, version), None);
    let line = |m: &Match| {
        let kind = match m.kind {
            Kind::Malware => "malware",
            Kind::Vulnerability => "vulnerability",
            Kind::Informational => m.informational.as_deref().unwrap_or("informational"),
        };
        format!("{} {kind}{}", m.id, if m.whole_package { " whole" } else { "" })
    };
    found.iter().map(line).collect()
}

#[test]
fn a_dirty_directory_is_imported_and_what_is_unreadable_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.index");
    let mut builder = Builder::default();
    builder.add_path(&fixture()).unwrap();
    let report = builder.write(&path, now()).unwrap();
    assert_eq!((report.records, report.withdrawn, report.foreign, report.skipped_count), (7, 1, 1, 4));
    let mut skipped: Vec<_> =
        report.skipped.iter().map(|s| s.name.rsplit(['/', '\\']).next().unwrap().to_owned()).collect();
    skipped.sort();
    assert_eq!(skipped, ["no-id.json", "not-utf8.json", "truncated.json", "wrong-type.json"]);

    let db = Database::of_indexes(vec![Index::open(&path).unwrap()], now());
    use Ecosystem::{CratesIo, Npm, PyPI};
    for (ecosystem, name, version, expected) in [
        (Npm, "taken-over", "4.1.1", &["MAL-0001-1 malware"][..]),
        (Npm, "taken-over", "v4.1.2", &["MAL-0001-1 malware"]),
        // The last good release and the first clean one: said, not refused.
        (Npm, "taken-over", "4.1.0", &["MAL-0001-1 contested-malware-range"]),
        (Npm, "taken-over", "4.1.3", &["MAL-0001-1 contested-malware-range"]),
        (Npm, "Taken-over", "4.1.1", &[]),
        (Npm, "born-bad", "1.0.0", &["MAL-0001-2 malware whole"]),
        (Npm, "born-bad", "1.0.2", &["MAL-0001-2 malware whole"]),
        (PyPI, "whole.package", "9", &["MAL-0001-3 malware whole"]),
        (PyPI, "whole-package", "not a version", &["MAL-0001-3 malware whole"]),
        (CratesIo, "false-alarm", "1.0.0", &[]),
        (Npm, "@scope/name", "1.5.0", &["GHSA-0001-purl-only vulnerability"]),
        (Npm, "@scope/name", "0.9.0", &[]),
        (Npm, "@scope/name", "2.0.0-rc.1", &["GHSA-0001-purl-only vulnerability"]),
        (Npm, "@scope/name", "2.0.0", &[]),
        (Npm, "git-only", "1.0.0", &[]),
        (PyPI, "openssl", "1.0.0", &[]),
    ] {
        assert_eq!(said(&db, ecosystem, name, version), expected, "{name} {version}");
    }
    assert!(db.show("DSA-0001-1")[0].json.contains("openssl"));
    assert_eq!(db.coverage().problems, Vec::<String>::new());
}

#[test]
fn the_sampled_malware_records_refuse_what_they_name_and_nothing_else() {
    let Some(dir) = shared_data("suites/osv/mal-samples") else { return };
    let (_dir, index) = build(&dir);
    let db = Database::of_indexes(vec![index], now());
    use Ecosystem::{CratesIo, Npm, PyPI};
    for (ecosystem, name, bad, good) in [
        (CratesIo, "rustdecimal", &["0.0.1", "1.23.1"][..], &[][..]),
        (PyPI, "3web", &["1.0.0", "1"], &["1.0.1"]),
        (Npm, "nx", &["20.9.0", "21.8.0"], &["21.4.1", "22.0.0"]),
        (Npm, "chalk", &["5.6.1"], &["5.6.0", "5.6.2"]),
        (Npm, "debug", &["4.4.2"], &["4.4.1", "4.4.3"]),
        (Npm, "@ctrl/tinycolor", &["4.1.1", "4.1.2"], &["4.1.0", "4.1.3", "3.6.1"]),
        // The same crate in both spellings.
        (CratesIo, "append-only-vec", &["0.1.9"], &["0.1.8"]),
        (CratesIo, "append_only_vec", &["0.1.9"], &["0.1.8"]),
        (CratesIo, "arrayref", &["0.3.10"], &["0.3.9"]),
        (PyPI, "LiteLLM", &["1.82.7", "1.82.8"], &["1.82.6"]),
        (Npm, "axios", &["0.30.4", "1.14.1"], &["1.14.0", "0.30.3"]),
    ] {
        let malware = |v: &str| db.find(&id(ecosystem, name, v), None).iter().any(|m| m.kind == Kind::Malware);
        for v in bad {
            assert!(malware(v), "{name} {v}");
        }
        for v in good {
            assert!(!malware(v), "{name} {v}");
        }
    }
    let named = db.malicious_versions(&PackageName::new(Npm, "axios"), None);
    assert_eq!(named.iter().map(|(v, _)| v.as_str()).collect::<Vec<_>>(), ["0.30.4", "1.14.1"]);
    assert_eq!(db.malicious_versions(&PackageName::new(CratesIo, "rustdecimal"), None)[0].0, "*");
    let named = db.malicious_versions(&PackageName::new(Npm, "@ctrl/tinycolor"), None);
    assert_eq!(named.iter().map(|(v, _)| v.as_str()).collect::<Vec<_>>(), ["4.1.1", "4.1.2"]);
}

/// Every RustSec record, by its own words: category `malicious` is malware without a `MAL-` id, `informational` is no
/// vulnerability, a withdrawn record is nothing.
#[test]
fn every_rustsec_record_is_of_its_kind() {
    let Some(zips) = shared_data("advisories") else { return };
    let file = std::fs::File::open(zips.join("rustsec-osv.zip")).unwrap();
    let mut zip = zip::ZipArchive::new(file).unwrap();
    let Some((_dir, db)) = database("rustsec-osv.zip") else { return };
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for i in 0..zip.len() {
        let record: serde_json::Value = serde_json::from_reader(zip.by_index(i).unwrap()).unwrap();
        let affected = &record["affected"][0];
        let name = affected["package"]["name"].as_str().unwrap();
        let own = &affected["database_specific"];
        let malicious = own["categories"].as_array().unwrap().iter().any(|c| c == "malicious");
        let expected = if record.get("withdrawn").is_some() {
            None
        } else if malicious {
            Some(Kind::Malware)
        } else if own["informational"].is_string() {
            Some(Kind::Informational)
        } else {
            Some(Kind::Vulnerability)
        };
        // The first version of its range is affected, by the definition of `introduced`.
        let events = affected["ranges"][0]["events"].as_array().unwrap();
        let first = events.iter().find_map(|e| e["introduced"].as_str()).unwrap();
        let version = if first == "0" { "0.0.0-0" } else { first };
        let record_id = record["id"].as_str().unwrap();
        let found = db.find(&id(Ecosystem::CratesIo, name, version), None);
        let cites = |m: &&Match| m.id == record_id || m.aliases.iter().any(|a| a == record_id);
        let got = found.iter().find(cites).map(|m| m.kind);
        // Every vector in the database is one that has a score.
        if record["severity"].as_array().is_some_and(|s| !s.is_empty()) && expected.is_some() {
            let m = found.iter().find(cites).unwrap();
            assert!(m.score.is_some() && m.severity > Severity::Unknown, "{record_id}");
        }
        // Joined to a twin, a record's group may be worse than the record; never less.
        assert!(got >= expected, "{record_id} {name} {version}: {got:?}, not {expected:?}");
        *kinds.entry(format!("{expected:?}")).or_default() += 1;
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            ("None".to_owned(), 13),
            ("Some(Informational)".to_owned(), 466),
            ("Some(Malware)".to_owned(), 73),
            ("Some(Vulnerability)".to_owned(), 654),
        ]
    );
}

#[test]
fn version_orders_of_osv_are_met() {
    use std::cmp::Ordering;
    let Some(dir) = shared_data("suites/osv-semantic") else { return };
    let mut wrong = Vec::new();
    let mut unread = 0;
    for (file, ecosystem) in [
        ("semver-versions.txt", Ecosystem::Npm),
        ("semver-versions.txt", Ecosystem::CratesIo),
        ("pypi-versions.txt", Ecosystem::PyPI),
        ("pypi-versions-generated.txt", Ecosystem::PyPI),
    ] {
        for line in std::fs::read_to_string(dir.join(file)).unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [a, op, b] = words[..] else { continue };
            let expected = match op {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                "=" => Ordering::Equal,
                _ => continue,
            };
            match tidewaiter::advisories::affected::compare(ecosystem, a, b) {
                Some(order) if order == expected => {}
                Some(_) => wrong.push(format!("{ecosystem} {line}")),
                None => unread += 1,
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    // 80 lines of the generated list have a text that is no PEP 440 version: it has no place in an order.
    assert_eq!((wrong, unread), (Vec::new(), 80));
}

fn embedded() -> Database {
    Database::embedded_only(now())
}

/// The files of `advisories/` by name.
fn embedded_files() -> std::collections::BTreeMap<String, serde_json::Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("advisories");
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| {
            let json = serde_json::from_slice(&std::fs::read(&p).unwrap()).unwrap();
            (p.file_stem().unwrap().to_str().unwrap().to_owned(), json)
        })
        .collect()
}

#[test]
fn the_embedded_table_is_the_directory_in_order() {
    let table = tidewaiter::advisories::embedded::TABLE;
    let key = |e: &tidewaiter::advisories::embedded::Embedded| (e.ecosystem, e.name, e.id);
    assert!(table.windows(2).all(|w| key(&w[0]) < key(&w[1])), "sorted by ecosystem, name and id");
    let files = embedded_files();
    let mut ids: Vec<&str> = table.iter().map(|e| e.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, files.keys().map(String::as_str).collect::<Vec<_>>());
    assert!(ids.len() >= 60);
    for row in table {
        let record = &files[row.id];
        assert_eq!(record["id"], row.id);
        let named = record["affected"].as_array().unwrap().iter().any(|a| {
            let name = PackageName::new(row.ecosystem, a["package"]["name"].as_str().unwrap());
            a["package"]["ecosystem"] == row.ecosystem.osv() && name.canonical() == row.name
        });
        assert!(named, "{} does not name {}", row.id, row.name);
        for affected in record["affected"].as_array().unwrap() {
            let name = affected["package"]["name"].as_str().unwrap();
            let versions = affected["versions"].as_array().cloned().unwrap_or_default();
            let any = [serde_json::json!("1.0.0")];
            let asked = if versions.is_empty() { &any[..] } else { &versions[..] };
            for version in asked {
                let found = embedded().find(&id(row.ecosystem, name, version.as_str().unwrap()), None);
                assert!(found.iter().any(|m| m.kind == Kind::Malware), "{name} {version}");
            }
        }
    }
}

#[test]
fn the_embedded_records_meet_osv_s_schema() {
    let Some(path) = shared_data("suites/osv/osv-schema/schema.json") else { return };
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, record) in embedded_files() {
        let errors: Vec<String> = validator.iter_errors(&record).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

/// The incidents, replayed: every malicious release is refused, every last good one is not, and neither was before
/// anyone could know.
#[test]
fn every_incident_is_known_without_a_feed() {
    #[derive(serde::Deserialize)]
    struct Incident {
        id: String,
        ecosystem: String,
        package: String,
        malicious_versions: Vec<String>,
        last_good_version: Option<String>,
        advisory_knowable_at: Option<String>,
    }
    let Some(path) = shared_data("incidents/incidents.jsonl") else { return };
    let db = embedded();
    let mut replayed = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let incident: Incident = serde_json::from_str(line).unwrap();
        let ecosystem = Ecosystem::from_osv(&incident.ecosystem).unwrap();
        let malware = |version: &str, as_of| {
            let found = db.find(&id(ecosystem, &incident.package, version), as_of);
            found.iter().any(|m| m.kind == Kind::Malware)
        };
        for version in &incident.malicious_versions {
            let version = if version == "all" { "3.1.4" } else { version };
            assert!(malware(version, None), "{} {version}", incident.id);
            if let Some(at) = &incident.advisory_knowable_at {
                let at: Timestamp = at.parse().unwrap();
                replayed += 1;
                assert!(malware(version, Some(at)), "{} {version}", incident.id);
                let before = at - jiff::SignedDuration::from_secs(1);
                assert!(!malware(version, Some(before)), "{} {version} before {at}", incident.id);
            }
        }
        if let Some(good) = &incident.last_good_version {
            assert!(!malware(good, None), "{} {good}", incident.id);
        }
        // The benign control has no malicious version, and no record.
        if incident.malicious_versions.is_empty() {
            assert!(!malware("1.0.0", None), "{}", incident.id);
        }
    }
    assert!(replayed > 40, "{replayed}");
}

#[test]
fn embedded_records_answer_to_the_public_ids() {
    let db = embedded();
    let found = db.find(&id(Ecosystem::PyPI, "litellm", "1.82.8"), None);
    assert_eq!(found[0].id, "MAL-2026-2144");
    assert!(found[0].aliases.iter().any(|a| a.starts_with("x_TIDEWAITER-")));
    assert_eq!(db.show("MAL-2026-2144").len(), 1);
    assert_eq!(db.show("MAL-2026-2144"), db.show(found[0].aliases.iter().find(|a| a.starts_with("x_")).unwrap()));
    assert_eq!(db.show("MAL-2026"), []);
    let coverage = db.coverage();
    assert!(coverage.stale && coverage.updated_at.is_none() && coverage.records >= 60);
}

/// Every record of the schema project's and osv.dev's own test data is read; those about npm and PyPI are matched.
#[test]
fn the_schema_s_own_test_records_are_read() {
    let Some(dir) = shared_data("suites/osv") else { return };
    let mut builder = Builder::default();
    for part in ["osv-schema/linter-testdata", "osv.dev", "osv-schema/ghsa-testdata"] {
        let mut left = vec![dir.join(part)];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            // GitHub's own form, before it is made OSV.
            let raw = part.ends_with("ghsa-testdata") && !name.ends_with(".osv.json");
            if name.ends_with(".json") && !raw {
                builder.add(name, &std::fs::read(&path).unwrap());
            }
        }
    }
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("x.index");
    let report = builder.write(&path, now()).unwrap();
    assert_eq!(report.skipped, []);
    let db = Database::of_indexes(vec![Index::open(&path).unwrap()], now());
    use Ecosystem::{Npm, PyPI};
    for (ecosystem, name, version, expected) in [
        (Npm, "jquery", "2.1.1", &["GHSA-mhpp-875w-9cpv vulnerability"][..]),
        (Npm, "jquery", "3.0.0", &[]),
        (Npm, "jquery", "2.1.0", &[]),
        // `> 2.1.0` is written `2.1.1-0`.
        (Npm, "jquery", "2.1.1-beta", &["GHSA-mhpp-875w-9cpv vulnerability"]),
        (PyPI, "Products.PluggableAuthService", "2.6.0", &["GHSA-p44j-xrqg-4xrr vulnerability"]),
        (PyPI, "Products.PluggableAuthService", "2.6.1", &[]),
        (PyPI, "123bla", "0.0.1", &["MAL-2024-10238 malware"]),
        (PyPI, "123bla", "0.0.2", &[]),
        // One of the two is withdrawn.
        (PyPI, "requests", "2.30.0", &["PYSEC-2023-74 vulnerability"]),
        (PyPI, "requests", "2.31.0", &[]),
        // A version that cannot be one (`4.36.-1`) does not lose the others.
        (PyPI, "gradio", "4.36.1", &["GHSA-9v2f-6vcg-3hgv vulnerability"]),
    ] {
        assert_eq!(said(&db, ecosystem, name, version), expected, "{name} {version}");
    }
    let mixin = |v| !db.find(&id(Npm, "mixin-deep", v), None).is_empty();
    assert_eq!(["1.3.1", "1.3.2", "2.0.0", "2.0.1"].map(mixin), [true, false, true, false]);
}

/// The incidents beside a public database: the same malware said by both is one match, and a whole-package record of
/// RustSec is not narrowed by the versions known here.
#[test]
fn embedded_and_public_records_of_one_incident_are_one_match() {
    let Some(zips) = shared_data("advisories") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::default();
    builder.add_path(&zips.join("rustsec-osv.zip")).unwrap();
    builder.write(&dir.path().join("crates.io.index"), now()).unwrap();
    let db = Database::open(dir.path(), now());
    use Ecosystem::CratesIo;
    assert_eq!(said(&db, CratesIo, "proc-macro1", "1.0.107"), ["RUSTSEC-2026-0265 malware whole"]);
    assert_eq!(said(&db, CratesIo, "proc-macro1", "1.0.106"), ["RUSTSEC-2026-0265 malware whole"]);
    assert_eq!(said(&db, CratesIo, "arrayref", "0.3.9"), Vec::<String>::new());
    assert_eq!(said(&db, CratesIo, "rustdecimal", "1.0.0"), ["MAL-2022-1 malware whole"]);
    let found = db.find(&id(CratesIo, "arrayref", "0.3.10"), None);
    assert_eq!((found.len(), found[0].kind), (1, Kind::Malware));
    for public in ["RUSTSEC-2026-0260", "MAL-2026-14336"] {
        assert!(found[0].id == public || found[0].aliases.iter().any(|a| a == public), "{public}");
    }
    assert_eq!(db.show("RUSTSEC-2026-0260").len(), 2);
    let coverage = db.coverage();
    assert_eq!((coverage.ecosystems, coverage.stale), (vec!["crates.io".to_owned()], false));
}

/// The whole way over a socket: the real client, a real archive, validators, a server that breaks off.
#[test]
fn a_feed_comes_over_http() {
    use crate::support::loopback::{Fault, Loopback};
    let Some(zip) = shared_data("advisories/rustsec-osv.zip") else { return };
    let server = Loopback::start();
    server.raw("/crates.io/all.zip", "application/zip", std::fs::read(zip).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed { url: server.url.clone(), ..Feed::new(dir.path()) };
    let client = Http::new().client(Profile { retries: 0, ..Profile::default() });
    let mut last = None;
    let mut update = || {
        let mut all = feed.update(&[Ecosystem::CratesIo], &client, now(), &mut |p| last = Some(p)).unwrap();
        all.remove(0).1
    };
    let Ok(Outcome::Updated(report)) = update() else { panic!("not updated") };
    assert_eq!((report.records, report.skipped_count), (1206, 0));
    assert_eq!(update(), Ok(Outcome::Unchanged));
    for fault in [Fault::Status(500), Fault::Truncated, Fault::Garbage("<html>"), Fault::Status(404)] {
        server.heal();
        server.always("/crates.io/", fault.clone());
        assert!(matches!(update(), Err(FeedError::Fetch(_) | FeedError::Build(_))), "{fault:?}");
    }
    assert_eq!(last, Some(Progress::Building { ecosystem: Ecosystem::CratesIo }));
    let db = Database::open(dir.path(), now());
    assert_eq!(said(&db, Ecosystem::CratesIo, "h2", "0.4.15"), ["RUSTSEC-2026-0258 vulnerability"]);
}
