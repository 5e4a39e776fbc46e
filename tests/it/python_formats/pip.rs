//! Requirements files against pip's own reading of 129 of them, line by line.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tidewaiter::ecosystem::python::requirement::Requirement;
use tidewaiter::ecosystem::python::requirements_txt::{Entry, Target, decode, read_text};
use tidewaiter::model::{Environment, MemoryFiles, Source, Timestamp, normalise_name};

use crate::support::shared_data;

fn environment() -> Environment {
    Environment {
        variables: BTreeMap::new(),
        cwd: "/suites/pip-requirements".into(),
        home: None,
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

/// What this reader takes and pip refuses, and why it is safe: each is then something to judge, not something lost.
fn taken_though_pip_refuses(raw: &str, editable: bool) -> Option<&'static str> {
    if raw.contains("#egg=") && raw.contains("://") {
        // `[extras]`, versions and other text in `egg=`: an error since pip 25; earlier versions take them.
        return Some("egg fragment with more than a name");
    }
    if raw.starts_with('.') || raw.starts_with('/') || editable {
        // pip looks whether the directory is there; the resolver does that, and reports it as missing.
        return Some("a path that does not exist");
    }
    None
}

#[test]
fn agrees_with_pip() {
    let Some(dir) = shared_data("suites/pip-requirements") else { return };
    let oracle: Value = serde_json::from_slice(&std::fs::read(dir.join("oracle.json")).unwrap()).unwrap();
    let mut differences = Vec::new();
    let mut lines = 0;
    for file in oracle.as_array().unwrap() {
        let name = file["file"].as_str().unwrap();
        let bytes = std::fs::read(dir.join("files").join(name)).unwrap();
        let text = decode(&bytes).unwrap();
        let (read, diagnostics) = read_text(&text, Path::new("r.txt"), false, &environment(), &MemoryFiles::default());
        if file["error"].is_string() && diagnostics.is_empty() {
            differences.push(format!("{name}: pip refuses the file: {}", file["error"]));
        }
        for line in file["lines"].as_array().unwrap() {
            lines += 1;
            let number = line["line"].as_u64().unwrap();
            let at = |l: &tidewaiter::model::Location| u64::from(l.line) == number;
            let entry = read.entries.iter().find(|e| at(&e.location));
            let complaint = diagnostics.iter().find(|d| at(&d.location));
            let mut differ = |what: String| differences.push(format!("{name}:{number}: {what}\n    {line}"));
            match (line["kind"].as_str().unwrap(), entry) {
                ("options", None) => {
                    // A file that is named twice is looked for once.
                    let repeated = line["options"]["requirements"].is_array() && !diagnostics.is_empty();
                    let known = read.options.iter().any(|o| at(&o.location)) || complaint.is_some() || repeated;
                    if !known {
                        differ("options lost".to_owned());
                    }
                }
                (_, None) if line["req_error"].is_string() => {
                    if complaint.is_none() {
                        differ("refused without a word".to_owned());
                    }
                }
                (kind, Some(entry)) if line["req_error"].is_string() => {
                    if taken_though_pip_refuses(line["raw"].as_str().unwrap(), kind == "editable").is_none() {
                        differ(format!("taken: {entry:?}"));
                    }
                }
                (_, None) => differ(format!("refused: {complaint:?}")),
                (kind, Some(entry)) => {
                    if let Some(what) = differs(entry, line, kind) {
                        differ(what);
                    }
                }
            }
        }
    }
    assert_eq!(lines, 1_134);
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

fn differs(entry: &Entry, line: &Value, kind: &str) -> Option<String> {
    let normal = |n: &str| normalise_name(tidewaiter::model::Ecosystem::PyPI, n);
    let sorted = |v: Vec<String>| {
        let mut v: Vec<String> = v.iter().map(|e| normal(e)).collect();
        v.sort();
        v
    };
    if entry.editable != (kind == "editable") {
        return Some("editable or not".to_owned());
    }
    let (name, extras, specifier) = match &entry.target {
        Target::Named(Requirement { name, extras, specifiers, .. }) => {
            (Some(name.written().to_owned()), extras.clone(), specifiers.to_string())
        }
        Target::Direct(d) => {
            // pip turns a bare wheel into `name==version`; of `name @ URL` it keeps the name alone.
            let bare = !entry.text.contains('@') && d.filename().is_some_and(|f| f.ends_with(".whl"));
            let version = d.version.as_ref().filter(|_| bare);
            (
                d.name.as_ref().map(|n| n.written().to_owned()),
                d.extras.clone(),
                version.map(|v| format!("=={v}")).unwrap_or_default(),
            )
        }
    };
    let given = |key: &str| line[key].as_str().map(str::to_owned);
    // A relative `file:` URL loses its fragment when pip makes it absolute; keeping the name says more.
    let relative = entry.text.starts_with("file://..");
    if name.as_deref().map(normal) != given("name").as_deref().map(normal) && !relative {
        return Some(format!("name {name:?}"));
    }
    let expected: Vec<String> =
        line["extras"].as_array().unwrap().iter().map(|e| e.as_str().unwrap().to_owned()).collect();
    if sorted(extras.clone()) != sorted(expected) {
        return Some(format!("extras {extras:?}"));
    }
    let clauses = |t: &str| {
        let mut c: Vec<String> = t.split(',').map(str::to_owned).collect();
        c.sort();
        c
    };
    if clauses(&specifier) != clauses(line["specifier"].as_str().unwrap()) {
        return Some(format!("specifier {specifier}"));
    }
    if entry.marker().is_some() != line["markers"].is_string() {
        return Some(format!("marker {:?}", entry.marker()));
    }
    if line["link"].is_string() != matches!(entry.target, Target::Direct(_)) {
        return Some("direct or not".to_owned());
    }
    if let (Target::Direct(d), Some("file"), Some(link)) =
        (&entry.target, line["scheme"].as_str(), line["link"].as_str())
    {
        let expected = link.trim_start_matches("file://").split('#').next().unwrap();
        if !matches!(&d.source, Source::Path { path } if path == Path::new(expected)) {
            return Some(format!("path {:?}", d.source));
        }
    }
    let expected = line["hashes"].as_array().unwrap().len();
    let unreadable = line["hashes"].as_array().unwrap().iter().any(|h| h.as_str().unwrap().len() < 40);
    if entry.hashes.len() != expected && !unreadable {
        // pip joins the hash of a URL's fragment to those of the options.
        let fragment = match &entry.target {
            Target::Direct(d) => d.digests.len(),
            Target::Named(_) => 0,
        };
        if entry.hashes.len() + fragment < expected {
            return Some(format!("hashes {:?}", entry.hashes));
        }
    }
    None
}
