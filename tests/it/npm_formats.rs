//! npm's formats against the reference tables: node-semver, npm-package-arg, lockfile extractors.

use std::cmp::Ordering;

use serde_json::Value;
use tidewaiter::ecosystem::npm::lock::{LockedPackage, LockedSource, Lockfile};
use tidewaiter::ecosystem::npm::semver::{self, Options, Range, Version};
use tidewaiter::ecosystem::npm::spec::{self, Spec};
use tidewaiter::ecosystem::npm::{bun_lock, lock, manifest, pnpm_lock, yarn_lock};
use tidewaiter::model::Diagnostic;

use crate::support::shared_data;

fn table(part: &str) -> Option<Value> {
    let path = shared_data(part)?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn options(value: &Value) -> Options {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    Options { loose: flag("loose") || value.as_bool() == Some(true), include_prerelease: flag("includePrerelease") }
}

fn rows(name: &str) -> Vec<Value> {
    table(&format!("suites/node-semver/{name}.json")).map_or_else(Vec::new, |v| v.as_array().unwrap().clone())
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap()
}

/// Runs `check` on every row and fails with all of those it refuses.
fn every_row(name: &str, check: impl Fn(&Value) -> bool) {
    let wrong: Vec<String> = rows(name).iter().filter(|row| !check(row)).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{name}: {} rows\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn semver_satisfies() {
    every_row("satisfies", |row| {
        // The reference table also passes `null` and numbers; the Rust interface cannot.
        row["version"].as_str().is_none()
            || semver::satisfies(text(row, "version"), text(row, "range"), options(&row["options"])) == row["expected"]
    });
}

#[test]
fn semver_order() {
    every_row("comparisons", |row| {
        let loose = options(&row["options"]).loose;
        let version = |key| Version::parse(text(row, key), loose).unwrap();
        version("greater").precedence(&version("lesser")) == Ordering::Greater
    });
    every_row("equality", |row| {
        let loose = options(&row["options"]).loose;
        let version = |key| Version::parse(text(row, key), loose).unwrap();
        version("a").precedence(&version("b")) == Ordering::Equal
    });
    let sorted = rows("sorted");
    for pair in sorted.windows(2) {
        let order = semver::compare(pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        assert!(matches!(order, Some(Ordering::Less | Ordering::Equal)), "{pair:?}");
    }
}

#[test]
fn semver_versions() {
    every_row("valid-versions", |row| {
        let v = Version::parse(text(row, "v"), false).unwrap();
        let ids = |key: &str| {
            let ids: Vec<String> =
                row[key].as_array().unwrap().iter().map(|i| i.to_string().replace('"', "")).collect();
            ids.join(".")
        };
        (v.major, v.minor, v.patch)
            == (row["maj"].as_u64().unwrap(), row["min"].as_u64().unwrap(), row["pat"].as_u64().unwrap())
            && v.pre == ids("pre")
            && v.build == ids("build")
    });
    every_row("invalid-versions", |row| Version::parse(text(row, "v"), options(&row["options"]).loose).is_none());
}

#[test]
fn semver_canonical_ranges() {
    every_row("range-parse", |row| {
        let parsed = Range::parse(text(row, "range"), options(&row["options"])).map(|r| r.to_string());
        parsed.as_deref() == row["canonical"].as_str()
    });
}

#[test]
fn semver_intersections() {
    every_row("range-intersection", |row| {
        let range = |key| Range::parse(text(row, key), Options::default()).unwrap();
        range("a").intersects(&range("b")) == row["expected"] && range("b").intersects(&range("a")) == row["expected"]
    });
}

#[test]
fn semver_outside() {
    for (name, side, expected) in [
        ("version-gt-range", Ordering::Greater, true),
        ("version-not-gt-range", Ordering::Greater, false),
        ("version-lt-range", Ordering::Less, true),
        ("version-not-lt-range", Ordering::Less, false),
    ] {
        every_row(name, |row| {
            let options = options(&row["options"]);
            let range = Range::parse(text(row, "range"), options).unwrap();
            range.outside(&Version::parse(text(row, "version"), options.loose).unwrap(), side) == expected
        });
    }
}

#[test]
fn semver_matrix() {
    let Some(matrix) = table("suites/node-semver/matrix.json") else { return };
    let versions: Vec<&str> = matrix["versions"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let mut wrong = Vec::new();
    for case in matrix["cases"].as_array().unwrap() {
        let text = case["range"].as_str().unwrap();
        let range = Range::parse(text, options(&case["options"]));
        if range.is_some() != case["valid"].as_bool().unwrap() {
            wrong.push(format!("{text}: valid"));
            continue;
        }
        let Some(range) = range else { continue };
        for v in &versions {
            let expected = case["satisfied"].as_array().unwrap().iter().any(|s| s == v);
            let got = Version::parse(v, false).is_some_and(|v| range.satisfied_by(&v));
            if got != expected {
                wrong.push(format!("{text} with {v}: {got}"));
            }
        }
        if semver::max_satisfying(versions.iter().copied(), &range) != case["max"].as_str() {
            wrong.push(format!("{text}: highest"));
        }
        let options = Options { include_prerelease: true, ..options(&case["options"]) };
        let with_pre = Range::parse(text, options).unwrap();
        if semver::max_satisfying(versions.iter().copied(), &with_pre) != case["maxPre"].as_str() {
            wrong.push(format!("{text}: highest with pre-releases"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// The type, the fetched text, the commit-ish, the range and the directory of a spec, as npm-package-arg names them.
fn described(spec: &Spec, directory: &str) -> (&'static str, Option<String>, [Option<String>; 3]) {
    let path = |p: &spec::LocalPath| {
        let home = std::path::Path::new("/root");
        Some(p.resolve(std::path::Path::new(directory), Some(home)).to_str().unwrap().to_owned())
    };
    let none = [None, None, None];
    match spec {
        Spec::Version(t) => ("version", Some(t.clone()), none),
        Spec::Range(t) => ("range", Some(t.clone()), none),
        Spec::Tag(t) => ("tag", Some(t.clone()), none),
        Spec::Alias { .. } => ("alias", None, none),
        Spec::Remote(t) => ("remote", Some(t.clone()), none),
        Spec::File(p) => ("file", path(p), none),
        Spec::Directory(p) => ("directory", path(p), none),
        Spec::Git(g) => {
            let url = (!g.shorthand).then(|| g.url.clone());
            ("git", url, [g.committish.clone(), g.range.clone(), g.subdirectory.clone()])
        }
        _ => ("none", None, none),
    }
}

#[test]
fn npm_package_arg() {
    let Some(cases) = table("suites/npm-package-arg/npa.json") else { return };
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let args: Vec<Option<&str>> = case["args"].as_array().unwrap().iter().map(Value::as_str).collect();
        let (name, spec, directory) = if case["fn"] == "resolve" {
            (args[0].map(str::to_owned), spec::resolve(args[0], args[1].unwrap()), args.get(2))
        } else {
            let requirement = spec::parse(args[0].unwrap());
            (requirement.name, requirement.spec, args.get(1))
        };
        if !case["error"].is_null() {
            if !matches!(spec, Spec::Invalid(_)) {
                wrong.push(format!("{args:?}: {spec:?}, not an error"));
            }
            continue;
        }
        let expected = &case["result"];
        let fetch = expected["fetchSpec"].as_str();
        // Without a directory in the arguments the table holds the one its generator ran in.
        let (kind, got, git) = described(&spec, directory.copied().flatten().unwrap_or("/"));
        let local = matches!(kind, "file" | "directory");
        let same_fetch = match (local, directory.copied().flatten()) {
            (true, Some(d)) if d.starts_with('/') => got.as_deref() == fetch,
            (true, _) => {
                let tail = got.as_deref().unwrap().trim_start_matches('/');
                fetch.unwrap().ends_with(tail) || fetch == got.as_deref()
            }
            (false, _) => got.as_deref() == fetch,
        };
        let text = |key: &str| expected[key].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let same = expected["type"] == kind
            && same_fetch
            && name.as_deref() == expected["name"].as_str()
            && git == [text("gitCommittish"), text("gitRange"), text("gitSubdir")]
            && match &spec {
                Spec::Git(g) => g.host == expected["hosted"]["type"].as_str(),
                Spec::Alias { name, .. } => expected["subSpec"]["name"] == name.as_str(),
                _ => true,
            };
        if !same {
            wrong.push(format!("{args:?}: {name:?} {spec:?}\n    {got:?} {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

type Reader = fn(&std::path::Path, &str) -> (Lockfile, Vec<Diagnostic>);

/// Where this reader and the suite's extractor differ on purpose: file, and why.
const LOCKFILE_DIFFERENCES: &[(&str, &str)] = &[(
    "both/package-lock.json",
    "the extractor skips package-lock.json beside npm-shrinkwrap.json; here the resolver chooses",
)];

fn read_case(format: &str, path: &str) -> (Lockfile, Vec<Diagnostic>) {
    let reader: Reader = match format {
        "packagelockjson" => lock::read,
        "pnpmlock" => pnpm_lock::read,
        "yarnlock" => yarn_lock::read,
        _ => bun_lock::read,
    };
    let full = shared_data(&format!("suites/osv-lockfiles/{format}/{path}")).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(full).unwrap()).into_owned();
    reader(std::path::Path::new(path), &text)
}

/// Name, version and commit of what the extractor would list: no links, and for git what is fetched.
fn listed(package: &LockedPackage) -> (String, String) {
    (package.name.clone(), package.version.clone().unwrap_or_default())
}

#[test]
fn lockfiles_of_the_extractor_suite() {
    let mut wrong = Vec::new();
    for format in ["packagelockjson", "pnpmlock", "yarnlock", "bunlock"] {
        let Some(cases) = table(&format!("suites/osv-lockfiles/{format}/expected.json")) else { return };
        for case in cases.as_array().unwrap() {
            let path = case["Path"].as_str().unwrap();
            if LOCKFILE_DIFFERENCES.iter().any(|(file, _)| path.ends_with(file)) {
                continue;
            }
            let (lock, problems) = read_case(format, path);
            let expected: Vec<&Value> = case["Packages"].as_array().map_or_else(Vec::new, |p| p.iter().collect());
            if case["Err"].as_str().is_some_and(|e| !e.is_empty()) && problems.is_empty() {
                wrong.push(format!("{path}: {} is no problem here", case["Err"]));
            }
            let got: std::collections::BTreeSet<(String, String)> = lock.packages.iter().map(listed).collect();
            for package in &expected {
                let text = |key: &str| package[key].as_str().unwrap_or("").to_owned();
                let wanted = (text("Name"), text("Version"));
                // A directory of the project is an importer here, named by its place where it has no name.
                let importer = |i: &lock::Importer| {
                    let name = i.name.as_deref().unwrap_or(i.path.rsplit('/').next().unwrap_or(""));
                    (name, i.version.as_deref().unwrap_or("")) == (wanted.0.as_str(), wanted.1.as_str())
                };
                if lock.importers.iter().any(importer) {
                    continue;
                }
                let Some(found) =
                    lock.packages.iter().find(|p| listed(p) == wanted && holds_commit(p, &text("Commit")))
                else {
                    wrong.push(format!("{path}: {wanted:?} {} is missing in {got:?} {problems:?}", text("Commit")));
                    continue;
                };
                let line = package["Line"].as_u64();
                let at = lock.location(found.offset).line;
                let same_name = lock.packages.iter().filter(|p| listed(p) == wanted).count();
                if line.is_some_and(|l| l != u64::from(at)) && same_name == 1 {
                    wrong.push(format!("{path}: {wanted:?} stands in line {at}, expected {line:?}"));
                }
            }
            let names: Vec<(String, String)> = expected
                .iter()
                .map(|p| (p["Name"].as_str().unwrap_or("").to_owned(), p["Version"].as_str().unwrap_or("").to_owned()))
                .collect();
            for package in &lock.packages {
                let link = matches!(package.source, LockedSource::Directory { .. });
                if !names.contains(&listed(package)) && !link {
                    wrong.push(format!("{path}: {:?} is more than expected", listed(package)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

fn holds_commit(package: &LockedPackage, commit: &str) -> bool {
    match &package.source {
        _ if commit.is_empty() => true,
        LockedSource::Git { commit: Some(found), .. } => found == commit,
        LockedSource::Remote { url } | LockedSource::Registry { tarball: Some(url) } => url.contains(commit),
        _ => false,
    }
}

#[test]
fn lockfiles_of_the_scanner_suite_are_read() {
    let Some(root) = shared_data("suites/osv-scanner") else { return };
    let mut pending = vec![root];
    let mut read = 0;
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let reader: Reader = match name.trim_start_matches("my-") {
                "package-lock.json" => lock::read,
                "yarn.lock" => yarn_lock::read,
                "bun.lock" => bun_lock::read,
                _ => continue,
            };
            let text = std::fs::read_to_string(&path).unwrap();
            let (lock, problems) = reader(&path, &text);
            read += 1;
            let invalid = path.to_str().unwrap().contains("locks-many-with-invalid");
            assert!(problems.is_empty() || invalid, "{}: {problems:?}", path.display());
            assert!(!lock.packages.is_empty() || text.len() < 400 || invalid, "{}", path.display());
        }
    }
    assert!(read >= 20, "{read}");
}

#[test]
fn manifests_of_the_extractor_suite() {
    let Some(cases) = table("suites/osv-lockfiles/packagejson/expected.json") else { return };
    for case in cases.as_array().unwrap() {
        let path = case["Path"].as_str().unwrap();
        let full = shared_data(&format!("suites/osv-lockfiles/packagejson/{path}")).unwrap();
        let (found, problems) = manifest::read(std::path::Path::new(path), &std::fs::read_to_string(full).unwrap());
        if case["Err"].as_str().is_some_and(|e| !e.is_empty()) {
            assert!(!problems.is_empty(), "{path}");
        } else if let Some(first) = case["Packages"].as_array().and_then(|p| p.first()) {
            assert_eq!(found.name.as_deref(), first["Name"].as_str(), "{path}");
            assert_eq!(found.version.as_deref(), first["Version"].as_str(), "{path}");
        }
    }
}

#[test]
fn a_lockfile_of_a_thousand_packages() {
    let Some(path) = shared_data("bench/npm-1065.package-lock.json") else { return };
    let text = std::fs::read_to_string(&path).unwrap();
    let (lock, problems) = lock::read(&path, &text);
    assert_eq!((lock.packages.len(), lock.importers.len(), problems.len()), (1064, 1, 0));
    let unmet: Vec<String> = (0..lock.packages.len())
        .flat_map(|at| lock.packages[at].dependencies.iter().map(move |d| (at, d)))
        .filter(|(_, d)| matches!(d.kind, manifest::DependencyKind::Production))
        .filter(|(at, d)| match lock.package_dependency(*at, d) {
            Some(to) => semver::admits(&d.spec, lock.packages[to].version.as_deref().unwrap()) == Some(false),
            None => true,
        })
        .map(|(at, d)| format!("{} {}@{}", lock.packages[at].key, d.name, d.spec))
        .collect();
    // That project overrides datatables.net, so three requirements are met by another version than they ask for.
    assert_eq!(
        unmet,
        [
            "node_modules/datatables.net-searchbuilder datatables.net@^2.1",
            "node_modules/datatables.net-searchbuilder-bs4 datatables.net-searchbuilder@1.8.4",
            "node_modules/datatables.net-searchbuilder-bs4/node_modules/datatables.net-bs4 datatables.net@2.3.7",
        ]
    );
}
