//! `pip install --dry-run --report` and `uv pip compile`, binary packages only, on requirements files out of sdists.
//!
//! The plan must have exactly what the tool resolves. Where several sets of releases would do, the plan goes pip's way
//! for both tools; uv's solver may settle on another of them, and the list then says which two requirements met.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tidewaiter::model::{Ecosystem, PackageName};

use super::{Answer, Archives, Relation, Row, Set, compare_all, kept, plan, rows, tail};

const PIP: [&str; 7] = ["pip", "install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "-r"];
const UV: [&str; 5] = ["uv", "pip", "compile", "--only-binary", ":all:"];

/// Names as PEP 503 has them. A local label is the file's (`1.0+cpu`), and no part of what was asked for.
fn pinned(name: &str, version: &str) -> (String, String) {
    let name = PackageName::new(Ecosystem::PyPI, name).canonical().to_owned();
    (name, version.split('+').next().unwrap_or_default().to_owned())
}

fn normalised(set: Set) -> Set {
    set.iter().map(|(name, version)| pinned(name, version)).collect()
}

/// The tool's words, with the requirements file; relative paths in it are relative to where the command runs.
fn planned(archives: &Archives, words: &[&str], row: &Row) -> Answer {
    let directory = archives.directory(Ecosystem::PyPI, row)?;
    plan(&directory, &[words, &[row.path.as_str()]].concat()).map(normalised)
}

fn pip(archives: &Archives, row: &Row, again: bool) -> Answer {
    let directory = archives.directory(Ecosystem::PyPI, row)?;
    let answer = kept(&row.directory("python").join("pip.json"), again, |file| {
        let [program, arguments @ ..] = PIP;
        let mut command = Command::new(program);
        command.args(arguments).arg(&row.path).arg("--quiet").arg("--report").arg(file);
        let output = command.current_dir(&directory).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(tail(&output)) }
    })?;
    let text = std::fs::read_to_string(answer).map_err(|e| e.to_string())?;
    let report: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let installed = report["install"].as_array().ok_or("a report without installs")?;
    let field = |v: &Value, key: &str| v["metadata"][key].as_str().unwrap_or_default().to_owned();
    Ok(installed.iter().map(|i| pinned(&field(i, "name"), &field(i, "version"))).collect())
}

fn uv(archives: &Archives, row: &Row, again: bool) -> Answer {
    let directory = archives.directory(Ecosystem::PyPI, row)?;
    let answer = kept(&row.directory("python").join("uv.txt"), again, |file| {
        let [program, arguments @ ..] = UV;
        let mut command = Command::new(program);
        command.args(arguments).arg(&row.path).args(["--no-header", "--no-annotate", "--python"]).arg(python());
        let output = command.arg("--output-file").arg(file).current_dir(&directory).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(tail(&output)) }
    })?;
    read_pins(&answer)
}

fn read_pins(file: &Path) -> Answer {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let lines = text.lines().map(|l| l.split([';', '#']).next().unwrap_or_default().trim());
    let pins = lines.filter(|l| !l.is_empty() && !l.starts_with('-'));
    pins.map(|l| {
        let (name, version) = l.split_once("==").ok_or_else(|| format!("not a pin: {l}"))?;
        Ok(pinned(name.split('[').next().unwrap_or_default(), version.trim()))
    })
    .collect()
}

/// The interpreter that pip would install for, so that both tools resolve for the same one.
fn python() -> PathBuf {
    let output = Command::new("python3").args(["-I", "-c", "import sys; print(sys.executable)"]).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn missing(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let missing = !found.is_ok_and(|s| s.success());
    if missing {
        eprintln!("skipped: {program} is not on PATH");
    }
    missing
}

#[test]
fn plans_are_what_pip_resolves() {
    let archives = Archives::new();
    compare_all(
        "pip",
        Relation::Identical,
        &rows("python.txt"),
        |row| planned(&archives, &PIP, row),
        |row, again| pip(&archives, row, again),
    );
}

#[test]
fn plans_are_what_uv_resolves() {
    if missing("uv") {
        return;
    }
    let archives = Archives::new();
    compare_all(
        "uv",
        Relation::Identical,
        &rows("python.txt"),
        |row| planned(&archives, &UV, row),
        |row, again| uv(&archives, row, again),
    );
}
