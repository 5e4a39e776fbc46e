//! Registries over the loopback server, and (with `--features real-registries`) the real ones.

#[cfg(feature = "real-registries")]
mod real {
    use std::sync::Arc;

    use tidewaiter::model::{Ecosystem, MemoryFiles, PackageName};
    use tidewaiter::registry::connect::{Options, Registries};
    use tidewaiter::registry::crate_index::CrateRegistries;
    use tidewaiter::registry::http::Profile;
    use tidewaiter::registry::index::{IndexSpec, Indexes};
    use tidewaiter::registry::npm_registry::Scopes;
    use tidewaiter::registry::{CrateIndex as _, NpmRegistry as _, PYPI_DEFAULT, PythonIndex as _};

    fn registries(cache: &std::path::Path) -> Registries {
        Registries::new(Options {
            cache: Some(cache.to_owned()),
            offline: false,
            files: Arc::new(MemoryFiles::default()),
            private: Arc::new(|_| false),
        })
    }

    fn name(ecosystem: Ecosystem, text: &str) -> PackageName {
        PackageName::new(ecosystem, text)
    }

    #[test]
    fn pypi_npm_and_crates_io_answer() {
        let dir = tempfile::tempdir().unwrap();
        let all = registries(dir.path());
        let python = all.python(
            Indexes { indexes: vec![IndexSpec::new(PYPI_DEFAULT.parse().unwrap())], ..Indexes::default() },
            Profile::default(),
        );
        let requests = python.project(&name(Ecosystem::PyPI, "Requests")).unwrap();
        let wheel = requests.files.iter().find(|f| f.filename == "requests-2.32.3-py3-none-any.whl").unwrap();
        assert!(wheel.upload_time.is_some() && !wheel.digests.is_empty());
        let metadata = python.metadata(wheel).unwrap();
        assert!(metadata.requires_dist.iter().any(|r| r.starts_with("urllib3")), "{metadata:?}");
        let old = requests.files.iter().find(|f| f.filename == "requests-2.32.3.tar.gz").unwrap();
        eprintln!("sdist: {:?}", python.metadata(old));
        let npm = all.npm(Scopes::public().unwrap(), Profile::default());
        let node = npm.packument(&name(Ecosystem::Npm, "@types/node")).unwrap();
        assert!(node.versions.len() > 1000);
        assert!(npm.packument(&name(Ecosystem::Npm, "tidewaiter-surely-there-is-no-such-package")).is_err());
        eprintln!("{:?}", npm.signal_gaps());
        let crates = all.crates(CrateRegistries::default(), Profile::default());
        let serde_json = crates.krate(&name(Ecosystem::CratesIo, "serde-json"), None).unwrap();
        assert_eq!(serde_json.name.written(), "serde_json");
        let version = serde_json.versions.iter().find(|v| v.version == "1.0.100").unwrap();
        let bytes = crates.download(&serde_json.name, "1.0.100", &version.checksum, None).unwrap();
        assert!(bytes.len() > 10_000);
        eprintln!("{:?} {:?}", crates.source_of(None), crates.signal_gaps());
    }
}
