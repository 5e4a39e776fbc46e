//! Published archives, fetched with the library's own registries and unpacked as data.
//!
//! In: a row. Out: a directory with its manifest. Nothing is made executable and nothing runs; of source files only
//! the names are kept, because cargo looks for a package's targets.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tidewaiter::ecosystem::python::wheel::sdist_version;
use tidewaiter::model::{Ecosystem, MemoryFiles, PackageName};
use tidewaiter::registry::connect::{Options, Registries};
use tidewaiter::registry::crate_index::CrateRegistries;
use tidewaiter::registry::http::{Client, Profile, Request};
use tidewaiter::registry::index::{IndexSpec, Indexes};
use tidewaiter::registry::npm_registry::{Packuments, Scopes};
use tidewaiter::registry::{CrateIndex as _, NpmRegistry as _, PYPI_DEFAULT, PythonIndex as _};

use super::{Row, work};

/// No archive of the lists is larger.
const ARCHIVE_MAX: u64 = 64 << 20;
/// No text file of an archive that is kept is larger.
const TEXT_MAX: u64 = 4 << 20;

/// The public registries, as archives come from them.
pub(in super::super) struct Archives {
    registries: Registries,
    client: Client,
    npm: Packuments,
}

fn failed(e: impl std::fmt::Display) -> String {
    format!("the archive could not be had: {e}")
}

/// What of an archive is kept.
enum Keep {
    /// With its contents.
    Text,
    /// Its name, with nothing in it.
    Name,
    /// Not at all.
    Nothing,
}

impl Archives {
    pub(super) fn new() -> Self {
        let options = Options {
            cache: Some(work().join("cache")),
            offline: false,
            files: Arc::new(MemoryFiles::default()),
            private: Arc::new(|_| false),
        };
        let registries = Registries::new(options);
        let client = registries.client(Profile::default());
        let npm = registries.npm(Scopes::public().unwrap(), Profile::default());
        Self { registries, client, npm }
    }

    /// The directory of a row's archive, unpacked once.
    pub(super) fn directory(&self, kind: Ecosystem, row: &Row) -> Result<PathBuf, String> {
        let label = match kind {
            Ecosystem::PyPI => "python",
            Ecosystem::Npm => "npm",
            Ecosystem::CratesIo => "cargo",
        };
        let target = row.directory(label);
        let unpacked = target.join("unpacked");
        if unpacked.is_dir() {
            return Ok(unpacked);
        }
        std::fs::create_dir_all(&target).map_err(failed)?;
        let partial = tempfile::tempdir_in(&target).map_err(failed)?;
        match kind {
            Ecosystem::PyPI => unpack(&self.sdist(row)?, partial.path(), |path| match path.extension() {
                // No `pyproject.toml` and `uv.toml`: what they configure is for the project's own use.
                Some(e) if e == "txt" || e == "in" => Keep::Text,
                _ => Keep::Nothing,
            })?,
            Ecosystem::Npm => unpack(&self.tarball(row)?, partial.path(), |path| match path.to_str() {
                Some("package.json") => Keep::Text,
                _ => Keep::Nothing,
            })?,
            Ecosystem::CratesIo => unpack(&self.krate(row)?, partial.path(), |path| match path.extension() {
                // `.cargo/config.toml` and `rust-toolchain.toml` name programs to run; the lockfile is the question.
                _ if path == Path::new("Cargo.toml") => Keep::Text,
                Some(e) if e == "rs" => Keep::Name,
                _ => Keep::Nothing,
            })?,
        }
        match std::fs::rename(partial.path(), &unpacked) {
            // Another run may have been quicker.
            Err(e) if !unpacked.is_dir() => Err(failed(e)),
            _ => Ok(unpacked),
        }
    }

    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let response = self.client.fetch(Request::get(url, "*/*", ARCHIVE_MAX)).map_err(failed)?;
        Ok(response.success().map_err(failed)?.body)
    }

    fn sdist(&self, row: &Row) -> Result<Vec<u8>, String> {
        let name = PackageName::new(Ecosystem::PyPI, &row.name);
        let url = url::Url::parse(PYPI_DEFAULT).map_err(failed)?;
        let indexes = Indexes { indexes: vec![IndexSpec::new(url)], ..Indexes::default() };
        let index = self.registries.python(indexes, Profile::default());
        let project = index.project(&name).map_err(failed)?;
        let ours = |filename: &str| {
            filename.ends_with(".tar.gz")
                && sdist_version(filename, &name).is_some_and(|v| v.to_string() == row.version)
        };
        let file = project.files.to_vec().into_iter().find(|f| ours(&f.filename)).ok_or("there is no such sdist")?;
        self.fetch(&file.url)
    }

    fn tarball(&self, row: &Row) -> Result<Vec<u8>, String> {
        let packument = self.npm.packument(&PackageName::new(Ecosystem::Npm, &row.name)).map_err(failed)?;
        let version = packument.versions.version(&row.version).ok_or("there is no such release")?;
        self.fetch(&version.tarball)
    }

    fn krate(&self, row: &Row) -> Result<Vec<u8>, String> {
        let index = self.registries.crates(CrateRegistries::default(), Profile::default());
        let name = PackageName::new(Ecosystem::CratesIo, &row.name);
        let krate = index.krate(&name, None).map_err(failed)?;
        let version = krate.versions.iter().find(|v| v.version() == row.version).ok_or("there is no such release")?;
        index.download(&name, &row.version, version.checksum(), None).map(|b| b.to_vec()).map_err(failed)
    }
}

/// Regular files below the archive's only top directory, and nothing that leads out of it.
fn unpack(bytes: &[u8], target: &Path, keep: impl Fn(&Path) -> Keep) -> Result<(), String> {
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(bytes));
    for entry in archive.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let inside: PathBuf = path.components().skip(1).collect();
        let plain = inside.components().all(|c| matches!(c, Component::Normal(_)));
        if !plain || inside.as_os_str().is_empty() || !entry.header().entry_type().is_file() {
            continue;
        }
        let mut text = Vec::new();
        match keep(&inside) {
            Keep::Nothing => continue,
            Keep::Name => {}
            Keep::Text => drop(entry.take(TEXT_MAX).read_to_end(&mut text).map_err(failed)?),
        }
        let path = target.join(&inside);
        std::fs::create_dir_all(path.parent().ok_or("no directory")?).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}
