#![no_main]
use tidewaiter::advisories::index::Index;
use tidewaiter::model::{Ecosystem, PackageName};

// Built for fuzzing, the reader takes every checksum for right.
tidewaiter_fuzz::bytes!(|data| {
    let Ok(directory) = tempfile::tempdir() else { return };
    let path = directory.path().join("index");
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok(index) = Index::open(&path) {
        for (ecosystem, name) in [(Ecosystem::PyPI, "x"), (Ecosystem::Npm, "x"), (Ecosystem::CratesIo, "x")] {
            let _ = index.entries(&PackageName::new(ecosystem, name));
        }
        let _ = index.records("MAL-2026-1");
    }
});
