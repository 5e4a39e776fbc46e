//! What the fuzz targets share: three macros that make a target a line, and a world without a network.
//!
//! `text!` gives a parser the input as text (input that is not UTF-8 is skipped, as readers refuse it before), `file!`
//! a file with that text at a path, `bytes!` the bytes as they are. What a parser answers is thrown away: a target
//! fails by panic, by time or by memory.

use std::path::Path;
use std::sync::Arc;

use tidewaiter::invocation::Invocation;
use tidewaiter::judge::{Connected, World};
use tidewaiter::model::{
    Environment, Files as _, InterpreterFacts, MemoryFiles, PackageName, Setting, SignalGap, Timestamp,
};
use tidewaiter::registry::crates::{Crate, IndexSource};
use tidewaiter::registry::file_list::FileList;
use tidewaiter::registry::npm::Packument;
use tidewaiter::registry::python::{CoreMetadata, File, Project};
use tidewaiter::registry::{
    CRATES_DEFAULT, CRATES_SOURCE_ID, CrateIndex, FetchError, NPM_DEFAULT, NpmRegistry, PYPI_DEFAULT, PythonIndex,
    crate_index, metadata, packument, simple,
};

pub use libfuzzer_sys;

/// A target over the input's bytes.
#[macro_export]
macro_rules! bytes {
    (|$data:ident| $body:expr) => {
        $crate::libfuzzer_sys::fuzz_target!(|$data: &[u8]| {
            let _ = ::std::hint::black_box($body);
        });
    };
}

/// A target over the input as text.
#[macro_export]
macro_rules! text {
    (|$text:ident| $body:expr) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            if let Ok($text) = ::std::str::from_utf8(data) {
                let _ = ::std::hint::black_box($body);
            }
        });
    };
}

/// A target over a reader of `(path, text)`.
#[macro_export]
macro_rules! file {
    ($path:literal, $read:path) => {
        $crate::text!(|text| $read(::std::path::Path::new($path), text));
    };
}

/// A target over a file that a command runs: its text at a path, and the command's words.
#[macro_export]
macro_rules! followed {
    ($path:literal, $($word:literal),+) => {
        $crate::bytes!(|data| {
            let files = $crate::file_at($path, data);
            let argv = [$($word.to_owned()),+];
            ::tidewaiter::invocation::follow(&argv, &$crate::environment(), &|_| None, &files)
        });
    };
}

/// One file.
pub fn file_at(path: &str, content: &[u8]) -> MemoryFiles {
    [(path, content)].into_iter().collect()
}

/// Where the commands run: `/w` on Linux, with nothing set.
pub fn environment() -> Environment {
    Environment {
        variables: [("CARGO_HOME", "/home/.cargo"), ("TOKEN", "secret")].map(|(k, v)| (k.into(), v.into())).into(),
        cwd: "/w".into(),
        home: Some("/home".into()),
        now: Timestamp::from_second(1_790_000_000).unwrap_or_default(),
        os: "linux",
        arch: "x86_64",
    }
}

/// The facts of an interpreter that was not asked.
pub fn interpreter() -> InterpreterFacts {
    let markers = [
        ("implementation_name", "cpython"),
        ("implementation_version", "3.11.9"),
        ("os_name", "posix"),
        ("platform_machine", "x86_64"),
        ("platform_python_implementation", "CPython"),
        ("platform_release", "6.1"),
        ("platform_system", "Linux"),
        ("platform_version", "#1 SMP"),
        ("python_full_version", "3.11.9"),
        ("python_version", "3.11"),
        ("sys_platform", "linux"),
    ];
    InterpreterFacts {
        executable: None,
        markers: markers.map(|(k, v)| (k.into(), v.into())).into(),
        tags: ["cp311-cp311-linux_x86_64", "py3-none-any"].map(String::from).into(),
        installed: Vec::new(),
        site_packages: Vec::new(),
        assumed: Vec::new(),
    }
}

/// Parts of an input: files separated by the record separator, each a path, a unit separator and the content.
pub fn files<'d>(parts: impl Iterator<Item = &'d [u8]>) -> MemoryFiles {
    parts
        .filter_map(|part| {
            let at = part.iter().position(|b| *b == b'\x1f')?;
            let path = std::str::from_utf8(part.get(..at)?).ok()?;
            Some((Path::new("/w").join(path), part.get(at + 1..)?.to_vec()))
        })
        .collect()
}

/// Registries whose answers are files below `/w/.pypi`, `/w/.npm` and `/w/.crates`, one a name; what is not there is
/// offline.
#[derive(Debug, Clone)]
pub struct Registries(pub Arc<MemoryFiles>);

impl Registries {
    fn answer(&self, directory: &str, name: &str, registry: &str) -> Result<Arc<[u8]>, FetchError> {
        let path = Path::new("/w").join(directory).join(name);
        self.0.read(&path).map_err(|_| FetchError::Offline { registry: registry.to_owned() })
    }
}

fn malformed(registry: &str) -> impl Fn(String) -> FetchError {
    move |reason| FetchError::Malformed { registry: registry.to_owned(), reason }
}

impl PythonIndex for Registries {
    fn project(&self, name: &PackageName) -> Result<Arc<Project>, FetchError> {
        let body = self.answer(".pypi", name.canonical(), PYPI_DEFAULT)?;
        let base = format!("{PYPI_DEFAULT}{}/", name.canonical());
        let kind = if body.starts_with(b"{") { "application/vnd.pypi.simple.v1+json" } else { "text/html" };
        let page = simple::read(kind, simple::Body::Whole(&body), &base).map_err(malformed(PYPI_DEFAULT))?;
        let mut files = FileList::default();
        files.add(page.files, PYPI_DEFAULT.into());
        let indexes = vec![PYPI_DEFAULT.into()];
        Ok(Arc::new(Project { name: name.clone(), files, indexes, status: page.status }))
    }

    fn metadata(&self, file: &File) -> Result<Arc<CoreMetadata>, FetchError> {
        let body = self.answer(".pypi", &format!("{}.metadata", file.filename), PYPI_DEFAULT)?;
        Ok(Arc::new(metadata::parse(&body).map_err(malformed(PYPI_DEFAULT))?.core))
    }

    fn prefetch(&self, _: &[PackageName]) {}
    fn prefetch_metadata(&self, _: &[File]) {}
    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

impl NpmRegistry for Registries {
    fn packument(&self, name: &PackageName) -> Result<Arc<Packument>, FetchError> {
        let body = self.answer(".npm", name.written(), NPM_DEFAULT)?;
        packument::read(&body, name).map(Arc::new).map_err(malformed(NPM_DEFAULT))
    }

    fn prefetch(&self, _: &[PackageName]) {}
    fn registry_of(&self, _: &PackageName) -> String {
        NPM_DEFAULT.to_owned()
    }
    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

impl CrateIndex for Registries {
    fn krate(&self, name: &PackageName, _: Option<&str>) -> Result<Arc<Crate>, FetchError> {
        let body = self.answer(".crates", name.canonical(), CRATES_DEFAULT)?;
        crate_index::read_index(&body).map(Arc::new).map_err(malformed(CRATES_DEFAULT))
    }

    fn prefetch(&self, _: &[(PackageName, Option<String>)]) {}

    fn download(&self, name: &PackageName, version: &str, _: &str, _: Option<&str>) -> Result<Arc<[u8]>, FetchError> {
        self.answer(".crates", &format!("{}-{version}.crate", name.canonical()), CRATES_DEFAULT)
    }

    fn source_of(&self, _: Option<&str>) -> Result<IndexSource, FetchError> {
        Ok(IndexSource {
            source_id: CRATES_SOURCE_ID.to_owned(),
            url: CRATES_DEFAULT.to_owned(),
            download: "https://static.crates.io/crates".to_owned(),
            is_default: true,
        })
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

fn connected<T: ?Sized>(index: Arc<T>) -> Connected<T> {
    Connected { index, flags: Vec::new(), diagnostics: Vec::new() }
}

impl World for Registries {
    fn python(&self, _: &Invocation, _: &Environment) -> Connected<dyn PythonIndex> {
        connected(Arc::new(self.clone()) as Arc<dyn PythonIndex>)
    }
    fn npm(&self, _: &Invocation, _: &Environment) -> Connected<dyn NpmRegistry> {
        connected(Arc::new(self.clone()) as Arc<dyn NpmRegistry>)
    }
    fn crates(&self, _: &Invocation, _: &Environment) -> Connected<dyn CrateIndex> {
        connected(Arc::new(self.clone()) as Arc<dyn CrateIndex>)
    }
    fn interpreter(&self, _: &Invocation, _: &Environment) -> InterpreterFacts {
        interpreter()
    }
    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }
}
