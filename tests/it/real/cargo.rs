//! `cargo generate-lockfile` on published manifests, without their own lockfiles.
//!
//! The two must agree in every crate and version.

use std::path::Path;
use std::process::Command;

use tidewaiter::model::Ecosystem;

use super::{Answer, Archives, Relation, Row, compare_all, kept, plan, rows, tail};

/// What cargo wrote into the row's `Cargo.lock`.
fn cargo(archives: &Archives, row: &Row, again: bool) -> Answer {
    let directory = archives.directory(Ecosystem::CratesIo, row)?;
    let answer = kept(&row.directory("cargo").join("answer.lock"), again, |file| generate(&directory, file))?;
    read(&answer)
}

fn generate(directory: &Path, file: &Path) -> Result<(), String> {
    let lock = directory.join("Cargo.lock");
    let _ = std::fs::remove_file(&lock);
    let output = Command::new("cargo").args(["generate-lockfile", "--quiet"]).current_dir(directory).output().unwrap();
    if !output.status.success() {
        return Err(tail(&output));
    }
    std::fs::rename(&lock, file).map_err(|e| e.to_string())
}

/// The packages of a lockfile that come from elsewhere: the package itself is no part of what comes in.
fn read(file: &Path) -> Answer {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let lock: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let packages = lock["package"].as_array().ok_or("a lockfile without packages")?;
    let field = |p: &toml::Value, key: &str| p.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let external = packages.iter().filter(|p| p.get("source").is_some());
    Ok(external.map(|p| (field(p, "name"), field(p, "version"))).collect())
}

#[test]
fn plans_are_what_cargo_locks() {
    let archives = Archives::new();
    compare_all(
        "cargo",
        Relation::Identical,
        &rows("cargo.txt"),
        |row| plan(&archives.directory(Ecosystem::CratesIo, row)?, &["cargo", "generate-lockfile"]),
        |row, again| cargo(&archives, row, again),
    );
}

/// A second reading of cargo's answer, which downloads every crate: the small graphs only.
#[test]
fn cargo_metadata_says_the_same() {
    let archives = Archives::new();
    for row in rows("cargo.txt").iter().filter(|r| ["serde_json", "nom", "uuid", "dashmap"].contains(&&*r.name)) {
        let locked = cargo(&archives, row, false).unwrap();
        let directory = archives.directory(Ecosystem::CratesIo, row).unwrap();
        std::fs::copy(row.directory("cargo").join("answer.lock"), directory.join("Cargo.lock")).unwrap();
        let metadata = cargo_metadata::MetadataCommand::new()
            .current_dir(&directory)
            .features(cargo_metadata::CargoOpt::AllFeatures)
            .other_options(vec!["--locked".to_owned()])
            .exec();
        std::fs::remove_file(directory.join("Cargo.lock")).unwrap();
        let metadata = metadata.unwrap();
        let external = metadata.packages.iter().filter(|p| p.source.is_some());
        let said: super::Set = external.map(|p| (p.name.to_string(), p.version.to_string())).collect();
        assert_eq!(said, locked, "{}", row.title());
    }
}
