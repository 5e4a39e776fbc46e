//! The advisory index: how long it takes to build, to open and to ask. `cargo bench --bench advisories`.
//!
//! Two indexes: the public RustSec database, where the shared data is there, and one of 300,000 generated names, the
//! size of a registry's malware feed.

#![expect(clippy::print_stderr, reason = "the size of the index is a result too")]

use std::path::PathBuf;
use std::sync::OnceLock;

use tidewaiter::advisories::build::Builder;
use tidewaiter::advisories::index::Index;
use tidewaiter::advisories::{Advisories as _, Database};
use tidewaiter::model::{Ecosystem, PackageId, PackageName, Timestamp};

fn main() {
    divan::main();
}

fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TIDEWAITER_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    Some(root.join(part)).filter(|p| p.exists())
}

/// A directory with both indexes, built once.
fn installed() -> &'static tempfile::TempDir {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut large = Builder::default();
        for i in 0..300_000 {
            large.add("generated", generated(i).as_bytes());
        }
        let report = large.write(&dir.path().join("npm.index"), Timestamp::UNIX_EPOCH).expect("an index");
        eprintln!("300,000 names: {} MiB with the records", report.bytes >> 20);
        if let Some(zip) = shared("advisories/rustsec-osv.zip") {
            let mut builder = Builder::default();
            builder.add_path(&zip).expect("a zip of records");
            builder.write(&dir.path().join("crates.io.index"), Timestamp::UNIX_EPOCH).expect("an index");
        }
        dir
    })
}

fn generated(i: usize) -> String {
    // A name of a few syllables, so that the names share what names share.
    const SYLLABLES: [&str; 16] = [
        "re", "act", "node", "js", "lib", "util", "web", "pack", "cli", "core", "data", "fast", "mini", "type", "kit",
        "x",
    ];
    let name: Vec<&str> = (0..5).map(|n| SYLLABLES[(i >> (n * 4)) % 16]).collect();
    format!(
        r#"{{"schema_version":"1.7.0","id":"MAL-2026-{i}","published":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z",
            "summary":"Malicious code in {name} (npm)","affected":[{{"package":{{"ecosystem":"npm","name":"{name}-{i}"}},
            "ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}}]}}]}}],"references":[{{"type":"WEB","url":"https://example.invalid/{i}"}}]}}"#,
        name = name.join("-"),
    )
}

/// The 421 packages of a real lockfile.
fn lockfile() -> Vec<PackageId> {
    let text = shared("bench/rustsec-421.Cargo.lock").map(|p| std::fs::read_to_string(p).expect("a lockfile"));
    let text = text.unwrap_or_default();
    let field = |block: &str, key: &str| {
        block
            .lines()
            .find_map(|l| l.strip_prefix(key))
            .map(|v| v.trim_start_matches(" = ").trim_matches('"').to_owned())
    };
    text.split("[[package]]")
        .filter_map(|b| {
            let name = PackageName::new(Ecosystem::CratesIo, &field(b, "name")?);
            Some(PackageId::new(name, &field(b, "version")?))
        })
        .collect()
}

#[divan::bench]
fn open_both(bencher: divan::Bencher<'_, '_>) {
    let dir = installed().path();
    bencher.bench(|| Database::open(dir, Timestamp::UNIX_EPOCH));
}

#[divan::bench]
fn open_and_find_421_crates(bencher: divan::Bencher<'_, '_>) {
    let dir = installed().path();
    let packages = lockfile();
    bencher.bench(|| {
        let database = Database::open(dir, Timestamp::UNIX_EPOCH);
        packages.iter().map(|id| database.find(id, None).len()).sum::<usize>()
    });
}

#[divan::bench]
fn open_and_find_1000_of_300000(bencher: divan::Bencher<'_, '_>) {
    let dir = installed().path();
    let name = |i: usize| format!("re-act-node-js-lib-{i}");
    let packages: Vec<PackageId> =
        (0..1000).map(|i| PackageId::new(PackageName::new(Ecosystem::Npm, &name(i * 307)), "1.0.0")).collect();
    bencher.bench(|| {
        let database = Database::open(dir, Timestamp::UNIX_EPOCH);
        packages.iter().map(|id| database.find(id, None).len()).sum::<usize>()
    });
}

#[divan::bench(sample_count = 5)]
fn build_rustsec(bencher: divan::Bencher<'_, '_>) {
    let Some(zip) = shared("advisories/rustsec-osv.zip") else { return };
    build(bencher, zip);
}

#[divan::bench(sample_count = 5)]
fn build_pypa(bencher: divan::Bencher<'_, '_>) {
    let Some(zip) = shared("advisories/pypa-osv.zip") else { return };
    build(bencher, zip);
}

fn build(bencher: divan::Bencher<'_, '_>, zip: PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("x.index");
    bencher.bench(|| {
        let mut builder = Builder::default();
        builder.add_path(&zip).expect("a zip of records");
        builder.write(&path, Timestamp::UNIX_EPOCH).expect("an index");
        Index::open(&path).expect("the index just written")
    });
}
