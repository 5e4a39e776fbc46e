//! The direction of the code: no module uses one that stands below it in `lib.rs`, and only the named modules do I/O.

use std::path::{Path, PathBuf};

/// The modules in the order of `lib.rs`, read from it.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    text.lines()
        .filter_map(|l| l.strip_prefix("pub mod "))
        .filter_map(|l| l.split(';').next())
        .map(str::to_owned)
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Each source file with its top-level module and its text without comments and unit tests.
fn files() -> Vec<(String, String, String)> {
    let src = root().join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
            let module = relative.split(['/', '.']).next().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap()
                .lines()
                .filter(|l| !l.trim_start().starts_with("//"))
                .collect();
            (relative, module, code.join("\n"))
        })
        .collect()
}

#[test]
fn no_module_uses_one_that_stands_below_it() {
    let order = order();
    assert!(order.len() >= 12, "the map is read from lib.rs: {order:?}");
    let rank = |m: &str| order.iter().position(|o| o == m);
    let mut wrong = Vec::new();
    for (file, module, code) in files() {
        let Some(mine) = rank(&module) else { continue };
        for part in code.split("crate::").skip(1) {
            let used: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if rank(&used).is_some_and(|theirs| theirs > mine) {
                wrong.push(format!("{file} uses crate::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "upward references:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_named_places_do_io() {
    // file or folder → what it may touch
    const MAY: &[(&str, &[&str])] = &[
        ("registry/", &["std::fs", "reqwest", "std::net", "tokio"]),
        ("advisories/", &["std::fs"]),
        ("toolchain/", &["std::fs", "std::process", "std::env"]),
        ("classifier/command.rs", &["std::process", "std::env"]),
        ("classifier/cache.rs", &["std::fs"]),
        ("enforce/", &["std::fs", "std::process", "std::env", "std::net", "tokio"]),
        ("record/", &["std::fs", "std::process", "std::env"]),
        ("shim/", &["std::fs", "std::process", "std::env"]),
        ("doctor/", &["std::fs", "std::process", "std::net", "tokio"]),
        ("cli/", &["std::fs", "std::process", "println!", "std::env"]),
        ("main.rs", &["std::process", "std::env"]),
    ];
    const IO: &[&str] = &["std::fs", "std::net", "std::process", "std::env", "reqwest", "tokio", "println!"];
    let mut wrong = Vec::new();
    for (file, _, code) in files() {
        let allowed = MAY.iter().find(|(p, _)| file.starts_with(p)).map_or(&[][..], |(_, a)| *a);
        for io in IO {
            if code.contains(io) && !allowed.contains(io) {
                wrong.push(format!("{file} touches {io}"));
            }
        }
    }
    assert!(wrong.is_empty(), "I/O outside its place:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut paths = Vec::new();
    for dir in ["src", "tests", "benches"] {
        sources(&root().join(dir), &mut paths);
    }
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with its one job", path.display());
        let stub = concat!("(being ", "written)");
        assert!(!text.contains(stub), "{} is a stub", path.display());
    }
}
