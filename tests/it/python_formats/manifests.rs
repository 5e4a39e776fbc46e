//! Requirements files as uv reads them, and manifests as another scanner does.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidewaiter::ecosystem::python::pyproject;
use tidewaiter::ecosystem::python::requirements_txt::{Entry, Target, read};
use tidewaiter::model::{Environment, MemoryFiles, Timestamp};

use crate::support::shared_data;

fn environment() -> Environment {
    Environment {
        variables: BTreeMap::new(),
        cwd: "/w".into(),
        home: None,
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

/// The files of a directory as `/w/NAME`.
fn files(dir: &Path) -> MemoryFiles {
    let read = |e: std::io::Result<std::fs::DirEntry>| {
        let path = e.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        path.is_file().then(|| (Path::new("/w").join(name), std::fs::read(&path).unwrap()))
    };
    std::fs::read_dir(dir).unwrap().filter_map(read).collect()
}

/// Names, versions and hash counts in a section of a uv snapshot, in its order.
fn section(snapshot: &str, name: &str) -> Vec<(String, Vec<String>)> {
    let start = snapshot.find(&format!("\n    {name}: [\n")).map_or(snapshot.len(), |i| i + 1);
    let body = &snapshot[start..];
    let body = &body[..body.find("\n    ],").unwrap_or(body.len())];
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = body.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.ends_with("PackageName(") {
            out.push((lines.next().unwrap().trim_matches(['"', ',']).to_owned(), Vec::new()));
        } else if let Some(version) = line.strip_prefix("version: ") {
            out.last_mut().unwrap().1.push(version.trim_matches(['"', ',']).to_owned());
        }
    }
    out
}

fn shown(entries: &[&Entry]) -> Vec<(String, Vec<String>)> {
    entries
        .iter()
        .map(|e| {
            let versions = match &e.target {
                Target::Named(r) => r.specifiers.iter().map(|s| s.version().unwrap().to_string()).collect(),
                Target::Direct(_) => Vec::new(),
            };
            (e.name().map(|n| n.canonical().to_owned()).unwrap_or_default(), versions)
        })
        .collect()
}

#[test]
fn reads_what_uv_reads() {
    let Some(dir) = shared_data("suites/uv-requirements-txt") else { return };
    let data = dir.join("test-data/requirements-txt");
    let files = files(&data);
    let plain = [
        "basic",
        "constraints-a",
        "constraints-b",
        "empty",
        "for-poetry",
        "include-a",
        "include-b",
        "poetry-with-hashes",
        "small",
        "whitespace",
    ];
    for name in plain {
        let snapshot =
            std::fs::read_to_string(dir.join(format!("snapshots/uv_requirements_txt__test__parse-{name}.txt.snap")))
                .unwrap();
        let (file, diagnostics) = read(Path::new(&format!("{name}.txt")), false, &environment(), &files);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
        for (key, constraint) in [("requirements", false), ("constraints", true)] {
            let ours: Vec<&Entry> = file.entries.iter().filter(|e| e.constraint == constraint && !e.editable).collect();
            let mut theirs = section(&snapshot, key);
            // uv rewrites `version ~= a` of markers into nothing here; extras' names stand apart in `extras`.
            theirs.retain(|(name, _)| !name.is_empty());
            assert_eq!(shown(&ours), theirs, "{name} {key}");
        }
    }
    // Every line end reads the same.
    for ending in ["\r\n", "\r"] {
        for name in plain {
            let text = String::from_utf8(files.0[&PathBuf::from(format!("/w/{name}.txt"))].clone()).unwrap();
            let mut other = files.clone();
            other.0.insert("/w/x.txt".into(), text.replace('\n', ending).into_bytes());
            let (file, _) = read(Path::new("x.txt"), false, &environment(), &other);
            let (original, _) = read(Path::new(&format!("{name}.txt")), false, &environment(), &files);
            let all = |f: &[Entry]| f.iter().map(|e| e.text.clone()).collect::<Vec<_>>();
            assert_eq!(all(&file.entries), all(&original.entries), "{name} {ending:?}");
        }
    }
    // uv's forms that pip does not take: an editable with a marker, a bare path. Nothing is lost.
    for name in ["bare-url", "editable", "hash", "semicolon"] {
        let (file, diagnostics) = read(Path::new(&format!("{name}.txt")), false, &environment(), &files);
        assert!(!file.entries.is_empty() || !diagnostics.is_empty(), "{name}");
    }
}

#[test]
fn manifests_as_osv_scalibr_reads_them() {
    let Some(dir) = shared_data("suites/osv-lockfiles/pyprojecttoml") else { return };
    let expected: Value = serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
    for case in expected.as_array().unwrap() {
        let name = case["Path"].as_str().unwrap();
        let (project, diagnostics) =
            pyproject::read(Path::new(name), &std::fs::read_to_string(dir.join(name)).unwrap());
        assert_eq!(diagnostics.is_empty(), case["Err"] == "", "{name}: {diagnostics:?}");
        let squeezed = |t: &str| t.replace([' ', '\''], "").replace('"', "");
        let mut ours: Vec<String> = project
            .dependencies
            .iter()
            .chain(project.optional_dependencies.values().flatten())
            .map(|e| squeezed(&e.text))
            .collect();
        let packages = case["Packages"].as_array().unwrap();
        let mut theirs: Vec<String> =
            packages.iter().map(|p| squeezed(p["Extra"]["Requirement"].as_str().unwrap())).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn a_hundred_hashed_pins_read_completely() {
    let Some(path) = shared_data("bench/pip-100-hashed.requirements.txt") else { return };
    let files: MemoryFiles = [("/w/r.txt", std::fs::read(path).unwrap())].into_iter().collect();
    let (file, diagnostics) = read(Path::new("r.txt"), false, &environment(), &files);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(file.entries.len(), 100);
    assert!(
        file.entries
            .iter()
            .all(|e| !e.hashes.is_empty() && matches!(&e.target, Target::Named(r) if r.specifiers.exact().is_some()))
    );
}

#[test]
fn osv_scanner_requirements() {
    let Some(dir) = shared_data("suites/osv-scanner/cmd/osv-scanner/scan/source/testdata/locks-requirements") else {
        return;
    };
    let files = files(&dir);
    for path in files.0.keys() {
        let (file, diagnostics) = read(path, false, &environment(), &files);
        assert!(diagnostics.is_empty(), "{}: {diagnostics:?}", path.display());
        assert!(!file.entries.is_empty(), "{}", path.display());
    }
}
