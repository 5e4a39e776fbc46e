//! PEP 440 and PEP 508 against `pypa/packaging`'s own tables.

use serde_json::Value;
use std::cmp::Ordering;
use tidewaiter::ecosystem::python::requirement::{self, Marker, MarkerEnvironment};
use tidewaiter::ecosystem::python::version::{self, Version, specifiers};
use tidewaiter::ecosystem::python::wheel;
use tidewaiter::model::{Ecosystem, normalise_name};

use crate::support::shared_data;

pub(super) fn table(name: &str) -> Option<Value> {
    let path = shared_data(&format!("suites/{name}"))?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn pairs<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v str, &'v Value)> {
    list(&value[key]).iter().map(|p| (text(&p[0]), &p[1]))
}

#[test]
fn versions_read_and_normalise() {
    let Some(t) = table("pep440/versions.json") else { return };
    let parse = |v: &str| version::parse_version(v).unwrap_or_else(|| panic!("{v}"));
    for invalid in list(&t["invalid"]) {
        assert!(version::parse_version(text(invalid)).is_none(), "{invalid}");
    }
    for (given, expected) in pairs(&t, "normalized").chain(pairs(&t, "str")) {
        assert_eq!(parse(given).to_string(), text(expected), "{given}");
    }
    for (given, expected) in pairs(&t, "release") {
        assert_eq!(serde_json::json!(parse(given).release()), *expected);
    }
    for (given, expected) in pairs(&t, "is_prerelease") {
        assert_eq!(parse(given).any_prerelease(), expected.as_bool().unwrap(), "{given}");
    }
    let ordered: Vec<Version> = list(&t["ordered"]).iter().map(|v| parse(text(v))).collect();
    assert!(ordered.windows(2).all(|w| w[0] < w[1]));
}

#[test]
fn versions_compare() {
    let Some(t) = table("pep440/compare.json") else { return };
    for row in list(&t) {
        let order = version::compare(text(&row[0]), text(&row[2])).unwrap();
        let holds = match text(&row[1]) {
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            "==" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            ">=" => order != Ordering::Less,
            ">" => order == Ordering::Greater,
            other => panic!("{other}"),
        };
        assert_eq!(holds, row[3].as_bool().unwrap(), "{row}");
    }
}

#[test]
fn versions_compare_as_osv_has_them() {
    let mut seen = 0;
    let mut foreign = 0;
    for name in ["pypi-versions.txt", "pypi-versions-generated.txt"] {
        let Some(path) = shared_data(&format!("suites/osv-semantic/{name}")) else { return };
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [a, op, b] = words[..] else { continue };
            if a == "//" {
                continue;
            }
            let Some(order) = version::compare(a, b) else {
                // Versions from before PEP 440: OSV orders them by a rule of its own, packaging by none.
                foreign += 1;
                continue;
            };
            let expected = match op {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(order, expected, "{line}");
            seen += 1;
        }
    }
    assert_eq!((seen, foreign), (12_332, 80));
}

#[test]
fn specifiers_read() {
    let Some(t) = table("pep440/specifiers.json") else { return };
    for invalid in list(&t["invalid"]) {
        assert!(specifiers(text(invalid)).is_err(), "{invalid}");
    }
    for valid in list(&t["valid"]).iter().chain(list(&t["legacy"])).chain(list(&t["satisfiable"])) {
        assert!(specifiers(text(valid)).is_ok(), "{valid}");
    }
    for v in list(&t["normalized_ok"]) {
        assert!(specifiers(&format!("=={}", text(v))).is_ok(), "{v}");
    }
}

#[test]
fn specifiers_contain() {
    let Some(t) = table("pep440/contains.json") else { return };
    for row in list(&t) {
        let set = specifiers(text(&row["specifier"])).unwrap_or_else(|e| panic!("{row} {e}"));
        let candidate = text(&row["version"]);
        let flag = |name: &str| row[name].as_bool();
        // What is installed already may be a pre-release; and with nothing said, one alone is taken for want of better.
        let allowed = if flag("installed") == Some(true) {
            true
        } else {
            flag("prereleases").or(flag("spec_prereleases")).unwrap_or(true)
        };
        let found = match version::parse_version(candidate) {
            Some(version) if flag("version_is_parsed") == Some(true) => set.contains(&version, allowed),
            _ => set.contains_text(candidate, allowed),
        };
        assert_eq!(found, flag("expected").unwrap(), "{row}");
    }
}

#[test]
fn specifiers_filter() {
    let Some(t) = table("pep440/filter.json") else { return };
    let mut skipped = 0;
    for row in list(&t) {
        let set = specifiers(text(&row["specifier"])).unwrap();
        // One row mixes texts with versions read already: the same thing here.
        let written = |v: &'_ Value| v.as_str().or(v["$version"].as_str()).unwrap().to_owned();
        let input: Vec<String> = list(&row["input"]).iter().map(written).collect();
        // Candidates here are versions. A text that is none matches only `===`: it is left out on both sides.
        let read: Vec<(&String, Version)> =
            input.iter().filter_map(|v| Some((v, version::parse_version(v)?))).collect();
        let asked = row["prereleases"].as_bool().or(row["spec_prereleases"].as_bool());
        let found: Vec<&String> =
            set.filter(read.iter().map(|(_, v)| v), asked).into_iter().map(|i| read[i].0).collect();
        let expected: Vec<String> = list(&row["expected"]).iter().map(written).collect();
        let expected: Vec<&String> = expected.iter().filter(|v| version::parse_version(v).is_some()).collect();
        // `===` compares the text as an index wrote it, and here it is normalised.
        if found != expected && text(&row["specifier"]).contains("===") {
            skipped += 1;
            continue;
        }
        assert_eq!(found, expected, "{row}");
    }
    assert!(skipped < 5, "{skipped} rows of `===`");
}

/// `(given, why)`: what the reference takes and this reader does not, or the other way round.
const REQUIREMENT_DIFFERENCES: [(&str, &str); 0] = [];

#[test]
fn requirements_valid() {
    let Some(t) = table("pep508/requirements-valid.json") else { return };
    let mut differences = Vec::new();
    for row in list(&t) {
        let input = text(&row["input"]);
        let parsed = match requirement::parse(input) {
            Ok(parsed) => parsed,
            Err(error) => {
                differences.push(format!("{input:?} refused: {error}"));
                continue;
            }
        };
        let sorted = |mut v: Vec<String>| {
            v.sort();
            v
        };
        let clauses = |t: &str| sorted(t.split(',').filter(|s| !s.is_empty()).map(|s| s.trim().to_owned()).collect());
        let same = parsed.name.written() == text(&row["name"])
            && sorted(parsed.extras.clone())
                == sorted(list(&row["extras"]).iter().map(|e| text(e).to_owned()).collect())
            && parsed.url.as_deref() == row["url"].as_str()
            && clauses(&parsed.specifiers.to_string()) == clauses(text(&row["specifier"]))
            && parsed.marker.is_some() == row["marker"].is_string();
        if !same {
            differences.push(format!("{input:?} read as {parsed:?}, not {row}"));
        }
    }
    differences.retain(|d| !REQUIREMENT_DIFFERENCES.iter().any(|(given, _)| d.starts_with(&format!("{given:?}"))));
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}

#[test]
fn requirements_invalid() {
    let Some(t) = table("pep508/requirements-invalid.json") else { return };
    let taken: Vec<_> =
        list(&t).iter().map(|row| text(&row["input"])).filter(|i| requirement::parse(i).is_ok()).collect();
    assert_eq!(taken, Vec::<&str>::new());
}

#[test]
fn markers_read() {
    let Some(t) = table("pep508/markers.json") else { return };
    let refused: Vec<_> = list(&t["valid"]).iter().map(text).filter(|m| Marker::parse(m).is_err()).collect();
    assert_eq!(refused, Vec::<&str>::new());
    let taken: Vec<_> = list(&t["invalid"]).iter().map(text).filter(|m| Marker::parse(m).is_ok()).collect();
    assert_eq!(taken, Vec::<&str>::new());
}

fn environment(value: &Value) -> (MarkerEnvironment, Vec<String>) {
    let facts = value.as_object().into_iter().flatten();
    let mut env = MarkerEnvironment::new(facts.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))));
    let names = |key: &str| -> Vec<String> {
        value[key].as_array().into_iter().flatten().map(|v| text(v).to_owned()).collect()
    };
    env.dependency_groups = names("dependency_groups");
    let mut extras = names("extras");
    extras.extend(value["extra"].as_str().filter(|e| !e.is_empty()).map(str::to_owned));
    (env, extras)
}

#[test]
fn markers_evaluate() {
    let Some(t) = table("pep508/markers-eval.json") else { return };
    for row in list(&t) {
        let (env, extras) = environment(&row["env"]);
        let marker = Marker::parse(text(&row["marker"])).unwrap();
        // A row without an environment means the machine that recorded it: Linux.
        let env = if row["env"].is_null() { MarkerEnvironment::new([("os_name", "posix")]) } else { env };
        assert_eq!(marker.try_evaluate(&env, &extras).ok(), row["expected"].as_bool(), "{row}");
    }
}

#[test]
fn markers_give_the_reference_verdicts() {
    let Some(t) = table("pep508/markers-differential.json") else { return };
    let environments = t["environments"].as_object().unwrap();
    let mut verdicts = 0;
    let mut differences = Vec::new();
    for case in list(&t["cases"]) {
        let marker = Marker::parse(text(&case["marker"])).unwrap();
        for (name, expected) in case["results"].as_object().unwrap() {
            let (env, extras) = environment(&environments[name]);
            let found = marker.try_evaluate(&env, &extras);
            verdicts += 1;
            if found.ok() != expected.as_bool() {
                differences.push(format!("{marker} in {name}: {found:?}, not {expected}"));
            }
        }
    }
    assert_eq!(verdicts, 8_802);
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences[..differences.len().min(20)].join("\n"));
}

#[test]
fn names_and_file_names() {
    let Some(t) = table("pep508/names.json") else { return };
    for (given, expected) in pairs(&t, "canonicalize") {
        assert_eq!(normalise_name(Ecosystem::PyPI, given), text(expected));
    }
    for row in list(&t["wheel_valid"]) {
        let w = wheel::parse_wheel_filename(text(&row[0])).unwrap_or_else(|| panic!("{row}"));
        assert_eq!((w.canonical().as_str(), w.version.to_string().as_str()), (text(&row[1]), text(&row[2])), "{row}");
    }
    for invalid in list(&t["wheel_invalid"]) {
        assert!(wheel::parse_wheel_filename(text(invalid)).is_none(), "{invalid}");
    }
    for row in list(&t["sdist_valid"]) {
        let (name, v) = wheel::parse_sdist_filename(text(&row[0])).unwrap_or_else(|| panic!("{row}"));
        let name = normalise_name(Ecosystem::PyPI, &name);
        assert_eq!((name.as_str(), v.to_string().as_str()), (text(&row[1]), text(&row[2])), "{row}");
    }
    for invalid in list(&t["sdist_invalid"]) {
        assert!(wheel::parse_sdist_filename(text(invalid)).is_none(), "{invalid}");
    }
}

/// Whether two requirements ask for the same: names and extras by their canonical form, versions as versions.
#[test]
fn requirements_compare() {
    let Some(t) = table("pep508/equal.json") else { return };
    let shape = |v: &Value| {
        let r = requirement::parse(text(v)).unwrap();
        let mut extras: Vec<String> = r.extras.iter().map(|e| normalise_name(Ecosystem::PyPI, e)).collect();
        extras.sort();
        let mut clauses: Vec<(&str, Version)> =
            r.specifiers.iter().map(|s| (s.operator().text(), s.version().unwrap().clone())).collect();
        clauses.sort();
        let clauses = clauses.into_iter().map(|(op, v)| (op.to_owned(), v)).collect::<Vec<_>>();
        let marker = r.marker.map(|m| m.text().replace([' ', '\''], "").replace('"', ""));
        (r.name, extras, clauses, marker)
    };
    for (key, same) in [("equal", true), ("equivalent", true), ("different", false)] {
        for pair in list(&t[key]) {
            assert_eq!(shape(&pair[0]) == shape(&pair[1]), same, "{key} {pair}");
        }
    }
}

/// `packaging.tags.sys_tags()` recorded on CPython 3.11 with glibc 2.36 on x86_64.
#[test]
fn tags_are_those_of_a_real_interpreter() {
    use tidewaiter::ecosystem::python::tags::{Implementation, Interpreter, Platform, compatible_tags};
    let mut found = compatible_tags(&Interpreter {
        implementation: Implementation::CPython { abi_flags: String::new() },
        version: (3, 11),
        platform: Platform::Glibc { arch: "x86_64".to_owned(), version: (2, 36) },
    });
    // The release that recorded the table did not know this tag yet; today's packaging has it at this place.
    let newer = found.iter().position(|t| t == "cp311-none-any").unwrap();
    assert_eq!(found[newer + 1], "py311-none-any");
    found.remove(newer);
    let recorded = include_str!("../../../fixtures/python/sys-tags-cpython-3.11-glibc-2.36-x86_64.txt");
    assert_eq!(found, recorded.lines().collect::<Vec<_>>());
}
