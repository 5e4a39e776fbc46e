//! `npm install --package-lock-only --ignore-scripts` on published manifests, development dependencies included.
//!
//! The plan must have every package that npm places; it may have more, because where npm puts a package can spare
//! another one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidewaiter::model::Ecosystem;

use super::{Answer, Archives, Relation, Row, compare_all, kept, plan, rows, tail};

const INSTALL: [&str; 6] = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];

fn npm(archives: &Archives, row: &Row, again: bool) -> Answer {
    let directory = archives.directory(Ecosystem::Npm, row)?;
    let answer = kept(&row.directory("npm").join("answer.json"), again, |file| install(&directory, file))?;
    read(&answer)
}

fn install(directory: &Path, file: &Path) -> Result<(), String> {
    let lock = directory.join("package-lock.json");
    let _ = std::fs::remove_file(&lock);
    let [program, arguments @ ..] = INSTALL;
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    if !output.status.success() {
        return Err(tail(&output));
    }
    std::fs::rename(&lock, file).map_err(|e| e.to_string())
}

/// Every package of a lockfile but the project itself and what it links to, by the package's real name.
fn read(file: &Path) -> Answer {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let lock: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let packages = lock["packages"].as_object().ok_or("a lockfile without packages")?;
    let placed = packages.iter().filter(|(path, about)| !path.is_empty() && about["link"] != true);
    let name = |path: &str, about: &Value| match about["name"].as_str() {
        Some(name) => name.to_owned(),
        None => path.rsplit("node_modules/").next().unwrap_or(path).to_owned(),
    };
    Ok(placed
        .map(|(path, about)| (name(path, about), about["version"].as_str().unwrap_or_default().to_owned()))
        .collect())
}

#[test]
fn plans_have_all_that_npm_places() {
    let archives = Archives::new();
    compare_all(
        "npm",
        Relation::Superset,
        &rows("npm.txt"),
        |row| plan(&archives.directory(Ecosystem::Npm, row)?, &INSTALL),
        |row, again| npm(&archives, row, again),
    );
}
