//! `npm install --package-lock-only --ignore-scripts` on published manifests, development dependencies included.
//!
//! The plan must have every package that npm places; it may have more, because where npm puts a package can spare
//! another one. What a release bundles is no package of its own here: npm takes it out of that release's archive, which
//! is in the plan with its digest.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;
use tidewaiter::model::Ecosystem;

use super::{Answer, Archives, FRESH, Relation, Row, compare_all, kept, plan, rows, tail, work};

const INSTALL: [&str; 6] = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];

fn npm(archives: &Archives, row: &Row, again: bool) -> Answer {
    let directory = archives.directory(Ecosystem::Npm, row)?;
    let answer = kept(&row.directory("npm").join("answer.json"), again, |file| install(&directory, file, again))?;
    read(&answer)
}

/// npm's own cache for these runs: no older than an answer may be, so npm need not ask again for what it holds, unless
/// the answer is doubted.
fn prepare_cache() {
    let cache = work().join("npm-cache");
    let begun = cache.join("begun");
    let age = begun.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
    if age.is_none_or(|age| age >= FRESH) {
        let _ = std::fs::remove_dir_all(&cache);
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(&begun, "").unwrap();
    }
}

fn install(directory: &Path, file: &Path, again: bool) -> Result<(), String> {
    let lock = directory.join("package-lock.json");
    let _ = std::fs::remove_file(&lock);
    let [program, arguments @ ..] = INSTALL;
    let mut command = Command::new(program);
    command.args(arguments).arg("--cache").arg(work().join("npm-cache"));
    if !again {
        command.arg("--prefer-offline");
    }
    let output = command.current_dir(directory).output().unwrap();
    if !output.status.success() {
        return Err(tail(&output));
    }
    std::fs::rename(&lock, file).map_err(|e| e.to_string())
}

/// Every package of a lockfile that is fetched, by its real name: not the project, what it links to, what is bundled.
fn read(file: &Path) -> Answer {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let lock: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let packages = lock["packages"].as_object().ok_or("a lockfile without packages")?;
    let placed = packages.iter().filter(|(path, about)| {
        let elsewhere = about["link"] == true || about["inBundle"] == true;
        !path.is_empty() && !elsewhere
    });
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
    prepare_cache();
    compare_all(
        "npm",
        Relation::Superset,
        &rows("npm.txt"),
        |row| plan(&archives.directory(Ecosystem::Npm, row)?, &INSTALL),
        |row, again| npm(&archives, row, again),
    );
}
