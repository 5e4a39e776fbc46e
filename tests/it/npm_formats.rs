//! npm's formats against the reference tables: node-semver, npm-package-arg, lockfile extractors.

use std::cmp::Ordering;

use serde_json::Value;
use tidewaiter::ecosystem::npm::semver::{self, Options, Range, Version};
use tidewaiter::ecosystem::npm::spec::{self, Spec};

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
