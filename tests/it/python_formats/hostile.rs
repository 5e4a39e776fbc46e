//! Files made to hurt: deep, long, wide, looping. Each is answered in a moment, and with a diagnostic where it is cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidewaiter::ecosystem::python::lock::{self, Selection};
use tidewaiter::ecosystem::python::requirement::{self, Marker, MarkerEnvironment};
use tidewaiter::ecosystem::python::{pyproject, requirements_txt, script, version};
use tidewaiter::model::{Environment, MemoryFiles, Timestamp};

/// Generous: a debug build on a busy machine. What is quadratic here takes minutes.
const MOMENT: Duration = Duration::from_secs(60);

fn quickly<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = run();
    assert!(start.elapsed() < MOMENT, "{what} took {:?}", start.elapsed());
    out
}

fn environment() -> Environment {
    Environment {
        variables: BTreeMap::from([("A".to_owned(), "${A}${A}".to_owned())]),
        cwd: "/w".into(),
        home: None,
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

#[test]
fn deep_toml_and_markers() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("package = {}{}", open.repeat(100_000), close.repeat(100_000));
        let (_, diagnostics) = quickly("nesting", || pyproject::read(Path::new("p"), &text));
        assert!(!diagnostics.is_empty());
    }
    let keys = format!("[{}a]", "a.".repeat(50_000));
    let _ = quickly("dotted keys", || pyproject::read(Path::new("p"), &keys));
    let marker = format!("{}os_name=='a'{}", "(".repeat(3_000), ")".repeat(3_000));
    assert!(Marker::parse(&marker).is_err());
    let long = vec!["os_name == 'a'"; 400].join(" or ");
    assert!(!Marker::parse(&long).unwrap().evaluate(&MarkerEnvironment::default(), &[]));
}

#[test]
fn everything_on_one_line() {
    let entries = 5_000;
    let toml: Vec<String> = (0..entries).map(|i| format!("{{name=\"é{i}\",version=\"1\"}}")).collect();
    let toml = format!("version=1\nlock-version=\"1.0\"\npackage=[{0}]\npackages=[{0}]", toml.join(","));
    let json: Vec<String> = (0..entries).map(|i| format!("\"é{i}\":{{\"version\":\"==1\"}}")).collect();
    let json = format!("{{\"default\":{{{}}}}}", json.join(","));
    for (name, text) in [
        ("uv.lock", &toml),
        ("poetry.lock", &toml),
        ("pdm.lock", &toml),
        ("pylock.toml", &toml),
        ("Pipfile.lock", &json),
    ] {
        let (read, _) = quickly(name, || lock::read(Path::new(name), text)).unwrap();
        assert_eq!(read.packages.len(), entries, "{name}");
        assert_eq!(quickly("select", || read.select(&Selection::default(), None)).len(), entries, "{name}");
    }
}

#[test]
fn a_graph_of_cycles() {
    let entries = 150;
    let mut text = String::from("version = 1\n[manifest]\nrequirements = [{ name = \"p0\" }]\n");
    let all: Vec<String> = (0..entries).map(|i| format!("{{ name = \"p{i}\", extra = [\"x\"] }}")).collect();
    for i in 0..entries {
        text += &format!("[[package]]\nname = \"p{i}\"\nversion = \"1\"\nsource = {{ registry = \"https://h\" }}\n");
        text += &format!("dependencies = [{0}]\n[package.optional-dependencies]\nx = [{0}]\n", all.join(","));
    }
    let (read, diagnostics) = lock::read(Path::new("uv.lock"), &text).unwrap();
    assert!(diagnostics.is_empty());
    let selected = quickly("the walk", || read.select(&Selection::default(), Some(&MarkerEnvironment::default())));
    assert_eq!(selected.len(), entries);
}

#[test]
fn requirements_files_that_grow_and_loop() {
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    // Each file includes the next two: 2^40 readings for who reads a file twice.
    for i in 0..40 {
        let text = format!("-r {}.txt\n-r ./{}.txt\n-c {}.txt\np{i}\n", i + 1, i + 1, i + 1);
        files.insert(format!("/w/{i}.txt").into(), text.into_bytes());
    }
    files.insert("/w/wide.txt".into(), "a==1\n".repeat(101_000).into_bytes());
    files.insert("/w/long.txt".into(), [b"a ".as_slice(), &b"\\\n".repeat(600_000), &b"x".repeat(1 << 20)].concat());
    files.insert("/w/options.txt".into(), format!("a {}", "--hash=sha256:0 ".repeat(60_000)).into_bytes());
    files.insert("/w/variables.txt".into(), "${A}".repeat(100_000).into_bytes());
    files.insert("/w/quotes.txt".into(), format!("-i {}", "'\"".repeat(200_000)).into_bytes());
    let files = MemoryFiles(files);
    for name in ["0", "wide", "long", "options", "variables", "quotes"] {
        let path = PathBuf::from(format!("{name}.txt"));
        let (_, diagnostics) = quickly(name, || requirements_txt::read(&path, false, &environment(), &files));
        assert!(!diagnostics.is_empty() && diagnostics.len() <= 200, "{name}: {}", diagnostics.len());
    }
}

#[test]
fn long_texts() {
    for text in ["1.".repeat(1 << 18), "1".repeat(1 << 20), ">=1,".repeat(1 << 18), "a[".repeat(1 << 18)] {
        quickly("versions", || version::admits(&text, &text));
        let _ = quickly("requirements", || requirement::parse(&text));
    }
    let block = "# /// script\n#\n".repeat(20_000);
    quickly("script blocks", || script::read(Path::new("s.py"), &block));
    let groups: String = (0..500)
        .map(|i| {
            format!("g{i} = [{{include-group = \"g{}\"}}, {{include-group = \"g{}\"}}]\n", (i + 1) % 500, (i + 7) % 500)
        })
        .collect();
    let (_, diagnostics) =
        quickly("groups", || pyproject::read(Path::new("p"), &format!("[dependency-groups]\n{groups}")));
    assert!(!diagnostics.is_empty());
}
