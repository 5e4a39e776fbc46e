//! Registries in memory, from a few lines of JSON: what each package's releases are and how old. The user's and the
//! project's own configuration is read by the same readers as ever, so that a project that redirects a registry does so
//! here too. No network, no disk.
//!
//! ```json
//! { "npm":   { "axios": { "1.14.0": { "age": "60d", "deps": {"x": "^1"}, "scripts": ["postinstall"], "by": "jason" } } },
//!   "pypi":  { "litellm": { "1.82.8": { "age": "3h", "requires": ["httpx"], "sdist": true, "pth": true } } },
//!   "crates": { "serde": { "1.0.0": { "age": "2y", "deps": {"y": "^1"} } } },
//!   "advisories": [ { "package": "PyPI:litellm", "versions": ["1.82.8"], "kind": "malware", "id": "MAL-2026-2144" } ] }
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use url::Url;

use crate::advisories::{Advisories, Coverage, Kind, Match, Severity};
use crate::ecosystem::cargo::config::Config;
use crate::ecosystem::python::requirements_txt;
use crate::invocation::{FileRole, Flag, FlagEffect, Invocation};
use crate::judge::{Connected, World};
use crate::model::{
    Digest, Ecosystem, Environment, Files, InterpreterFacts, PackageId, PackageName, Setting, SignalGap, Timestamp,
};
use crate::policy::Policy;
use crate::registry::archive::StartsCode;
use crate::registry::crate_index::{CrateRegistry, read_index};
use crate::registry::crates::{Crate, IndexSource};
use crate::registry::index::Indexes;
use crate::registry::npm::Packument;
use crate::registry::npm_registry::Scopes;
use crate::registry::python::{Advertised, BuildFiles, CoreMetadata, File, Project};
use crate::registry::python_config::ConfiguredOption;
use crate::registry::{
    CRATES_SOURCE_ID, CrateIndex, FetchError, NpmRegistry, PythonIndex, cargo_config, npm_config, npm_registry,
    packument, python_config,
};

/// What the registries hold.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    packages: BTreeMap<&'static str, BTreeMap<String, Value>>,
    records: Vec<(PackageName, Vec<String>, Match)>,
}

impl State {
    /// Reads a state. The error names what is wrong.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let mut state = Self::default();
        for key in ["npm", "pypi", "crates"] {
            let all = value[key].as_object().into_iter().flatten();
            state.packages.insert(key, all.map(|(n, v)| (n.clone(), v.clone())).collect());
        }
        for record in value["advisories"].as_array().into_iter().flatten() {
            state.records.push(advisory(record)?);
        }
        Ok(state)
    }

    fn releases(&self, key: &str, name: &PackageName) -> Option<&Value> {
        let all = self.packages.get(key)?;
        let same = |n: &&String| PackageName::new(name.ecosystem(), n) == *name;
        all.keys().find(same).and_then(|n| all.get(n))
    }
}

fn advisory(record: &Value) -> Result<(PackageName, Vec<String>, Match), String> {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let package = text("package");
    let (ecosystem, name) = package.split_once(':').ok_or("an advisory's package is ECOSYSTEM:NAME")?;
    let ecosystem = Ecosystem::from_osv(ecosystem).ok_or("an advisory of no known ecosystem")?;
    let list = |key: &str| {
        let all = record[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let versions = list("versions");
    let severity = match text("severity").as_str() {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "medium" => Severity::Medium,
        "low" => Severity::Low,
        _ => Severity::Unknown,
    };
    let found = Match {
        id: text("id"),
        aliases: Vec::new(),
        kind: if text("kind") == "malware" { Kind::Malware } else { Kind::Vulnerability },
        informational: None,
        severity,
        score: None,
        summary: String::new(),
        fixed: list("fixed"),
        whole_package: versions.is_empty(),
        published: None,
        modified: None,
        url: String::new(),
    };
    Ok((PackageName::new(ecosystem, name), versions, found))
}

impl Advisories for State {
    fn find(&self, id: &PackageId, _: Option<Timestamp>) -> Vec<Match> {
        let affects = |v: &[String], m: &Match| m.whole_package || v.iter().any(|v| **v == *id.version);
        self.records.iter().filter(|(n, v, m)| *n == id.name && affects(v, m)).map(|(_, _, m)| m.clone()).collect()
    }

    fn malicious_versions(&self, name: &PackageName, _: Option<Timestamp>) -> Vec<(String, String)> {
        let bad = self.records.iter().filter(|(n, _, m)| n == name && m.kind == Kind::Malware);
        bad.flat_map(|(_, versions, m)| {
            let all = if m.whole_package { vec!["*".to_owned()] } else { versions.clone() };
            all.into_iter().map(|v| (v, m.id.clone()))
        })
        .collect()
    }

    fn coverage(&self) -> Coverage {
        Coverage { records: self.records.len() as u64, ..Coverage::default() }
    }
}

/// `3h`, `10d`, `2y` before now.
fn moment(release: &Value, now: Timestamp) -> Option<Timestamp> {
    let age = release["age"].as_str()?;
    let (number, unit) = age.split_at(age.len().checked_sub(1)?);
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "y" => 24 * 365,
        _ => return None,
    };
    Timestamp::from_second(now.as_second() - number.parse::<i64>().ok()? * hours * 3600).ok()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The registries as one case's configuration connects them.
pub(super) struct MemoryWorld {
    pub state: Arc<State>,
    pub files: Arc<dyn Files>,
    pub policy: Policy,
    pub now: Timestamp,
    /// Distributions that the interpreter has.
    pub installed: Vec<(String, String)>,
    settings: Mutex<Vec<Setting>>,
}

impl MemoryWorld {
    pub(super) fn new(
        state: Arc<State>,
        files: Arc<dyn Files>,
        policy: Policy,
        now: Timestamp,
        installed: Vec<(String, String)>,
    ) -> Self {
        Self { state, files, policy, now, installed, settings: Mutex::default() }
    }

    fn note(&self, settings: Vec<Setting>) {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        for setting in settings {
            if !known.contains(&setting) {
                known.push(setting);
            }
        }
    }

    fn memory<T>(&self, routes: T) -> Memory<T> {
        Memory { state: Arc::clone(&self.state), policy: self.policy.clone(), now: self.now, routes }
    }
}

fn flags(options: Vec<ConfiguredOption>) -> Vec<Flag> {
    let flag = |o: ConfiguredOption| Flag {
        name: o.name,
        value: Some(o.value),
        effect: FlagEffect::Selects,
        location: o.location,
    };
    options.into_iter().map(flag).collect()
}

impl World for MemoryWorld {
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn PythonIndex> {
        let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
        let named =
            invocation.files.iter().filter(|f| matches!(f.role, FileRole::Requirements | FileRole::Constraints));
        let file_options: Vec<_> = named
            .flat_map(|f| {
                let constraint = f.role == FileRole::Constraints;
                requirements_txt::read(Path::new(&f.path), constraint, environment, &*self.files).0.options
            })
            .collect();
        let sources = python_config::Sources {
            invocation,
            environment,
            files: &*self.files,
            prefix: None,
            file_options: &file_options,
        };
        let config = python_config::read_trusting(sources, &trusted);
        self.note(config.settings);
        let index: Arc<dyn PythonIndex> = Arc::new(self.memory(config.indexes));
        Connected { index, flags: flags(config.options), diagnostics: config.diagnostics }
    }

    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry> {
        let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
        let sources =
            npm_config::Sources { invocation, environment, files: &*self.files, prefix: None, trusted: &trusted };
        match npm_config::read(sources) {
            Ok(config) => {
                self.note(config.settings);
                let index: Arc<dyn NpmRegistry> = Arc::new(self.memory(Some(config.scopes)));
                Connected { index, flags: flags(config.options), diagnostics: config.diagnostics }
            }
            Err(_) => {
                let index: Arc<dyn NpmRegistry> = Arc::new(self.memory(Scopes::public()));
                Connected { index, flags: Vec::new(), diagnostics: Vec::new() }
            }
        }
    }

    fn crates(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn CrateIndex> {
        let trusted = |url: &Url| self.policy.trusts_registry(url.as_str()).is_some();
        let sources = cargo_config::Sources { invocation, environment, files: &*self.files, trusted: &trusted };
        let config = cargo_config::read(sources);
        self.note(config.settings);
        let programs = Config::read(environment, &*self.files, &[]);
        self.note(programs.settings());
        let index: Arc<dyn CrateIndex> = Arc::new(self.memory(config.registries.default));
        Connected { index, flags: Vec::new(), diagnostics: config.diagnostics }
    }

    fn interpreter(&self, _: &Invocation, _: &Environment) -> InterpreterFacts {
        const MARKERS: [(&str, &str); 11] = [
            ("implementation_name", "cpython"),
            ("implementation_version", "3.11.7"),
            ("os_name", "posix"),
            ("platform_machine", "x86_64"),
            ("platform_python_implementation", "CPython"),
            ("platform_release", ""),
            ("platform_system", "Linux"),
            ("platform_version", ""),
            ("python_full_version", "3.11.7"),
            ("python_version", "3.11"),
            ("sys_platform", "linux"),
        ];
        InterpreterFacts {
            markers: MARKERS.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            tags: ["cp311-cp311-manylinux_2_17_x86_64", "py3-none-any"].map(str::to_owned).to_vec(),
            installed: self.installed.clone(),
            ..InterpreterFacts::default()
        }
    }

    fn settings(&self) -> Vec<Setting> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One ecosystem's registries, with where they are asked.
struct Memory<T> {
    state: Arc<State>,
    policy: Policy,
    now: Timestamp,
    routes: T,
}

impl PythonIndex for Memory<Indexes> {
    fn project(&self, name: &PackageName) -> Result<Arc<Project>, FetchError> {
        let private = self.policy.private_name(name).is_some();
        let open: Vec<_> = self.routes.indexes.iter().filter(|i| !(private && i.is_public())).collect();
        let asked = self.routes.indexes.first().map_or_else(String::new, |i| i.shown());
        let Some(index) = open.first() else { return Err(FetchError::PrivateName { registry: asked }) };
        let index: Arc<str> = Arc::from(index.shown());
        let releases = self.state.releases("pypi", name).and_then(Value::as_object);
        let releases = releases.ok_or(FetchError::NotFound { registry: asked })?;
        let files: Vec<File> =
            releases.iter().map(|(version, release)| self.file(name, version, release, &index)).collect();
        let indexes = open.iter().map(|i| Arc::from(i.shown())).collect();
        Ok(Arc::new(Project { name: name.clone(), files: files.into(), indexes, status: String::new() }))
    }

    fn metadata(&self, file: &File) -> Result<Arc<CoreMetadata>, FetchError> {
        let missing = || FetchError::NeedsExecution { reason: "no static metadata".to_owned() };
        let (name, version, release) = self.release_of(file).ok_or_else(missing)?;
        if release["opaque"] == true {
            return Err(missing());
        }
        let requires_dist = texts(&release["requires"]);
        Ok(Arc::new(CoreMetadata { name, version, requires_dist, ..CoreMetadata::default() }))
    }

    fn build_files(&self, _: &File) -> Result<Arc<BuildFiles>, FetchError> {
        Ok(Arc::default())
    }

    fn prefetch(&self, _: &[PackageName]) {}

    fn prefetch_metadata(&self, _: &[File]) {}

    fn starts_code(&self, _: &PackageName, file: &File, _: bool) -> Option<StartsCode> {
        let (_, _, release) = self.release_of(file)?;
        Some(if release["pth"] == true { StartsCode::Yes } else { StartsCode::No })
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

impl Memory<Indexes> {
    fn file(&self, name: &PackageName, version: &str, release: &Value, index: &Arc<str>) -> File {
        let stem = name.canonical().replace('-', "_");
        let filename = if release["sdist"] == true {
            format!("{stem}-{version}.tar.gz")
        } else {
            format!("{stem}-{version}-py3-none-any.whl")
        };
        let host =
            if index.starts_with("https://pypi.org/") { "https://files.pythonhosted.org/packages" } else { index };
        File {
            url: format!("{}/{filename}", host.trim_end_matches('/')),
            digests: vec![Digest::sha256_of(filename.as_bytes())],
            requires_python: None,
            size: Some(1000),
            upload_time: moment(release, self.now),
            yanked: release["yanked"].as_bool().filter(|y| *y).map(|_| String::new()),
            core_metadata: Advertised::Yes,
            index: Arc::clone(index),
            filename,
        }
    }

    /// Name, version and release of a file that [`Memory::file`] made.
    fn release_of(&self, file: &File) -> Option<(String, String, &Value)> {
        let stem = file.filename.strip_suffix(".tar.gz").or_else(|| file.filename.strip_suffix("-py3-none-any.whl"))?;
        let (name, version) = stem.split_once('-')?;
        let name = PackageName::new(Ecosystem::PyPI, name);
        let release = self.state.releases("pypi", &name)?.get(version)?;
        Some((name.canonical().to_owned(), version.to_owned(), release))
    }
}

impl NpmRegistry for Memory<Option<Scopes>> {
    fn packument(&self, name: &PackageName) -> Result<Arc<Packument>, FetchError> {
        let registry = self.registry_of(name);
        let url = self.routes.as_ref().map(|s| s.url_of(name));
        if self.policy.private_name(name).is_some() && url.is_some_and(npm_registry::is_public) {
            return Err(FetchError::PrivateName { registry });
        }
        let found = self.state.releases("npm", name).and_then(Value::as_object);
        let found = found.ok_or_else(|| FetchError::NotFound { registry: registry.clone() })?;
        let base = name.written().rsplit('/').next().unwrap_or_default();
        let (mut versions, mut times) = (serde_json::Map::new(), serde_json::Map::new());
        let mut latest = String::new();
        let mut first: Option<Timestamp> = None;
        for (version, release) in found {
            let mut manifest = json!({
                "name": name.written(),
                "version": version,
                "dependencies": release["deps"].as_object().cloned().unwrap_or_default(),
                "dist": {
                    "tarball": format!("{}{}/-/{base}-{version}.tgz", registry, name.written()),
                    "integrity": Digest::sha256_of(format!("{name}@{version}").as_bytes()).sri(),
                },
            });
            let scripts = texts(&release["scripts"]);
            if !scripts.is_empty() {
                manifest["scripts"] = scripts.into_iter().map(|s| (s, json!("node x.js"))).collect();
                manifest["hasInstallScript"] = json!(true);
            }
            if let Some(by) = release["by"].as_str() {
                manifest["_npmUser"] = json!({ "name": by });
            }
            if release["attested"] == true {
                manifest["dist"]["attestations"] = json!({"url": "x"});
            }
            if release["deprecated"] == true {
                manifest["deprecated"] = json!("deprecated");
            }
            if let Some(at) = moment(release, self.now) {
                times.insert(version.clone(), json!(at.to_string()));
                first = Some(first.map_or(at, |f| f.min(at)));
            }
            let newer = latest.is_empty()
                || crate::ecosystem::compare_versions(Ecosystem::Npm, version, &latest)
                    == Some(std::cmp::Ordering::Greater);
            if newer {
                latest.clone_from(version);
            }
            versions.insert(version.clone(), manifest);
        }
        if let Some(first) = first {
            times.insert("created".to_owned(), json!(first.to_string()));
        }
        let document =
            json!({"name": name.written(), "dist-tags": {"latest": latest}, "versions": versions, "time": times});
        let read = packument::read(document.to_string().as_bytes(), name);
        let mut packument = read.map_err(|reason| FetchError::Malformed { registry: registry.clone(), reason })?;
        packument.registry = registry;
        Ok(Arc::new(packument))
    }

    fn prefetch(&self, _: &[PackageName]) {}

    fn registry_of(&self, name: &PackageName) -> String {
        self.routes.as_ref().map_or_else(String::new, |s| crate::model::redact_url(s.url_of(name).as_str()))
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

impl CrateIndex for Memory<CrateRegistry> {
    fn krate(&self, name: &PackageName, _: Option<&str>) -> Result<Arc<Crate>, FetchError> {
        let registry = self.routes.source.shown();
        if self.policy.private_name(name).is_some() && self.routes.source.is_public() {
            return Err(FetchError::PrivateName { registry });
        }
        let found = self.state.releases("crates", name).and_then(Value::as_object);
        let found = found.ok_or_else(|| FetchError::NotFound { registry: registry.clone() })?;
        let mut lines = String::new();
        for (version, release) in found {
            let deps: Vec<Value> =
                release["deps"].as_object().into_iter().flatten().map(|(n, req)| dependency(n, req)).collect();
            let line = json!({
                "name": name.written(),
                "vers": version,
                "deps": deps,
                "cksum": Digest::sha256_of(format!("{name}@{version}").as_bytes()).hex(),
                "features": {},
                "yanked": release["yanked"] == true,
                "pubtime": moment(release, self.now).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            });
            lines.push_str(&format!("{line}\n"));
        }
        read_index(lines.as_bytes()).map(Arc::new).map_err(|reason| FetchError::Malformed { registry, reason })
    }

    fn prefetch(&self, _: &[(PackageName, Option<String>)]) {}

    fn download(&self, _: &PackageName, _: &str, _: &str, _: Option<&str>) -> Result<Arc<[u8]>, FetchError> {
        Err(FetchError::Offline { registry: self.routes.source.shown() })
    }

    fn source_of(&self, _: Option<&str>) -> Result<IndexSource, FetchError> {
        let is_default = self.routes.source.is_public();
        Ok(IndexSource {
            source_id: if is_default { CRATES_SOURCE_ID.to_owned() } else { self.routes.source_id.clone() },
            url: self.routes.source.shown(),
            download: if is_default {
                "https://static.crates.io/crates".to_owned()
            } else {
                self.routes.source.shown()
            },
            is_default,
        })
    }

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

fn dependency(name: &str, req: &Value) -> Value {
    json!({"name": name, "req": req, "features": [], "optional": false, "default_features": true, "target": null,
        "kind": "normal"})
}
