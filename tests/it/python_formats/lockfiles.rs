//! Lockfiles against what other scanners read in them: names, versions, commits, lines, groups.

use serde_json::Value;
use std::path::Path;
use tidewaiter::ecosystem::python::lock::{Format, LockedPackage, Lockfile, Selection};
use tidewaiter::ecosystem::python::{pdm_lock, pipfile, poetry_lock, pylock, uv_lock};
use tidewaiter::model::{Diagnostic, Ecosystem, PackageName, Source};

use crate::support::shared_data;

type Read = fn(&Path, &str) -> (Lockfile, Vec<Diagnostic>);

const FORMATS: [(&str, Read); 5] = [
    ("pylock", pylock::read),
    ("pdmlock", pdm_lock::read),
    ("poetrylock", poetry_lock::read),
    ("uvlock", uv_lock::read),
    ("pipfilelock", pipfile::read_lock),
];

/// Entries that the other scanner leaves out, and this reader keeps: the project itself, directories and git
/// checkouts without a version. Leaving them out would lose what they bring in.
fn left_out_by_them(p: &LockedPackage) -> bool {
    p.version.is_none() || p.is_workspace()
}

fn commit(p: &LockedPackage) -> Option<&str> {
    match &p.source {
        Some(Source::Git { commit, .. }) => commit.as_deref(),
        _ => None,
    }
}

#[test]
fn reads_what_osv_scalibr_reads() {
    let Some(dir) = shared_data("suites/osv-lockfiles") else { return };
    let mut differences = Vec::new();
    let mut cases = 0;
    for (format, read) in FORMATS {
        let expected: Value =
            serde_json::from_slice(&std::fs::read(dir.join(format).join("expected.json")).unwrap()).unwrap();
        for case in expected.as_array().unwrap() {
            cases += 1;
            let name = case["Path"].as_str().unwrap();
            let text = std::fs::read_to_string(dir.join(format).join(name)).unwrap();
            let (lock, diagnostics) = read(Path::new(name), &text);
            if case["Err"] != "" {
                if diagnostics.is_empty() || !lock.packages.is_empty() {
                    differences.push(format!("{format} {name}: taken, they refuse it"));
                }
                continue;
            }
            // What they record as nothing at all is not comparable: a bug of the recording, entries with no name.
            let packages = case["Packages"].as_array().unwrap();
            if packages.iter().any(|p| p["Name"] == "") {
                if lock.packages.iter().filter(|p| !p.is_workspace()).count() == 0 {
                    differences.push(format!("{format} {name}: nothing read"));
                }
                continue;
            }
            let theirs: Vec<(String, String, Option<String>)> = packages
                .iter()
                .map(|p| {
                    let text = |key: &str| p[key].as_str().unwrap_or_default().to_owned();
                    let name = PackageName::new(Ecosystem::PyPI, &text("Name")).canonical().to_owned();
                    (name, text("Version"), p["Commit"].as_str().map(str::to_owned))
                })
                .collect();
            let mut ours: Vec<(String, String, Option<String>)> = lock
                .packages
                .iter()
                .filter(|p| !left_out_by_them(p))
                .map(|p| {
                    let version = p.version.clone().unwrap_or_default();
                    (p.name.canonical().to_owned(), version, commit(p).map(str::to_owned))
                })
                .collect();
            // pdm writes an entry for each set of extras of a release; they list it once.
            ours.dedup();
            let mut theirs_sorted = theirs;
            theirs_sorted.sort();
            theirs_sorted.dedup();
            ours.sort();
            ours.dedup();
            if ours != theirs_sorted {
                differences.push(format!("{format} {name}:\n  ours   {ours:?}\n  theirs {theirs_sorted:?}"));
            }
            for p in packages.iter().filter(|p| p["Line"].as_u64().is_some_and(|l| l > 0)) {
                let name = PackageName::new(Ecosystem::PyPI, p["Name"].as_str().unwrap());
                let line = p["Line"].as_u64().unwrap();
                let near = |l: &LockedPackage| u64::from(l.location.line) == line;
                if !lock.entries(&name).any(near) {
                    differences.push(format!("{format} {name}: no entry at line {line}"));
                }
            }
        }
    }
    assert!(cases >= 45, "{cases}");
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn pylock_of_pip_and_pip_audit() {
    let Some(dir) = shared_data("suites") else { return };
    // `pylock.invalidhash.toml` has a hash of the right form that does not fit the file: found when it is fetched.
    let wrong = [
        "pylock.invalid.toml",
        "pylock.invalid-version.toml",
        "pylock.missing-packages.toml",
        "pylock.missing-version.toml",
        "pylock.package-missing-name.toml",
    ];
    let mut seen = 0;
    for folder in ["pylock/pip-lockfiles", "pip-audit", "pylock"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".toml") {
                continue;
            }
            seen += 1;
            assert_eq!(Format::of(Path::new("pylock.toml")), Some(Format::Pylock));
            let (lock, diagnostics) = pylock::read(Path::new(&name), &std::fs::read_to_string(&path).unwrap());
            if wrong.contains(&name.as_str()) {
                assert!(!diagnostics.is_empty(), "{name} is not valid");
            } else {
                assert!(diagnostics.is_empty() && !lock.packages.is_empty(), "{name}: {diagnostics:?}");
            }
        }
    }
    assert!(seen >= 18, "{seen}");
}

#[test]
fn osv_scanner_uv_lock() {
    let Some(dir) = shared_data("suites/osv-scanner") else { return };
    let path = dir.join("cmd/osv-scanner/scan/source/testdata/locks-scalibr/uv.lock");
    let (lock, diagnostics) = uv_lock::read(Path::new("uv.lock"), &std::fs::read_to_string(path).unwrap());
    assert!(diagnostics.is_empty() && !lock.packages.is_empty(), "{diagnostics:?}");
}

#[test]
fn uv_groups_are_followed() {
    let Some(dir) = shared_data("suites/osv-lockfiles/uvlock/testdata") else { return };
    let text = std::fs::read_to_string(dir.join("grouped-packages.lock")).unwrap();
    let (lock, _) = uv_lock::read(Path::new("uv.lock"), &text);
    let names = |selection: &Selection| -> Vec<String> {
        lock.select(selection, None).iter().map(|s| lock.packages[s.package].name.canonical().to_owned()).collect()
    };
    assert_eq!(names(&Selection::default()), ["emoji"]);
    let with = |extras: &[&str], groups: &[&str]| Selection {
        extras: extras.iter().map(ToString::to_string).collect(),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    };
    assert_eq!(names(&with(&["cli"], &[])), ["click", "colorama", "emoji"]);
    assert!(names(&with(&["test"], &[])).contains(&"mccabe".to_owned()));
    assert!(names(&Selection { everything: true, ..Selection::default() }).len() > 8);
}
