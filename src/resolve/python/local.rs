//! A local directory that would be installed: what its pyproject.toml or setup.cfg says without a build. In: the
//! directory. Out: [`Local`].

use std::path::Path;

use crate::ecosystem::python::build_system::BuildSystem;
use crate::ecosystem::python::requirements_txt::{Entry, Target};
use crate::ecosystem::python::{pyproject, setup_cfg};
use crate::model::{Diagnostic, Ecosystem, Location, PackageName, Unresolved, UnresolvedCause};
use crate::resolve::Request;
use crate::resolve::locked::unread;

/// A directory, as far as it is known without building it.
#[derive(Debug)]
pub(super) struct Local {
    /// The project.
    pub(super) name: Option<PackageName>,
    /// Its version, when it is static.
    pub(super) version: Option<String>,
    /// What it requires (extras as markers), or why that is not known.
    pub(super) requires: Result<Vec<String>, (UnresolvedCause, String)>,
    /// What it is built with; `None` for what is no project.
    pub(super) build: Option<BuildSystem>,
    /// What could not be read.
    pub(super) unresolved: Vec<Unresolved>,
}

/// Reads a directory's static metadata.
pub(super) fn read(request: Request<'_>, dir: &Path) -> Local {
    let unknown = |reason: &str| Local {
        name: None,
        version: None,
        requires: Err((UnresolvedCause::NeedsExecution, reason.to_owned())),
        build: None,
        unresolved: Vec::new(),
    };
    let setup_cfg = dir.join("setup.cfg");
    let config = request.files.read_text(&setup_cfg).ok().map(|text| setup_cfg::read(&setup_cfg, &text).0);
    let manifest_path = dir.join("pyproject.toml");
    let Ok(text) = request.files.read_text(&manifest_path) else {
        let script = request.files.is_file(&dir.join("setup.py"));
        let place = if script { dir.join("setup.py") } else { setup_cfg };
        let build = Some(BuildSystem::of(None, config.as_ref(), &Location::file(place)));
        return match read_setup_cfg(request, dir) {
            Some(read) => Local { build, ..read },
            None if script => Local { build, ..unknown(setup_cfg::SETUP_PY) },
            None => unknown("the directory holds neither pyproject.toml nor setup.py"),
        };
    };
    let (manifest, diagnostics) = pyproject::read(&manifest_path, &text);
    let build = Some(BuildSystem::of(Some(&manifest), config.as_ref(), &Location::file(manifest_path)));
    if !manifest.is_package {
        let read = read_setup_cfg(request, dir).unwrap_or_else(|| unknown("its pyproject.toml has no static metadata"));
        return Local { build, unresolved: unread(&diagnostics), ..read };
    }
    let mut unresolved = unread(&diagnostics);
    let mut requires = texts(&manifest.dependencies, None);
    for (extra, entries) in &manifest.optional_dependencies {
        requires.extend(texts(entries, Some(extra)));
    }
    let mut dynamic: Vec<&str> = manifest.dynamic_requirements().collect();
    if !manifest.dynamic_files.is_empty() {
        dynamic.clear();
        for (extra, path) in &manifest.dynamic_files {
            let path = dir.join(path);
            match request.files.read_text(&path) {
                Ok(text) => {
                    let (entries, diagnostics) = pyproject::dynamic_entries(&path, &text, dir);
                    unresolved.extend(unread(&diagnostics));
                    requires.extend(texts(&entries, Some(extra.as_str()).filter(|e| !e.is_empty())));
                }
                Err(error) => {
                    unresolved.extend(unread(&[Diagnostic::new(Location::file(path), error.to_string())]));
                }
            }
        }
    }
    Local {
        name: manifest.name.as_deref().map(|n| PackageName::new(Ecosystem::PyPI, n)),
        version: manifest.version.clone(),
        requires: if dynamic.contains(&"dependencies") {
            Err((
                UnresolvedCause::NeedsExecution,
                "its dependencies are dynamic: known only by running its build".to_owned(),
            ))
        } else {
            Ok(requires)
        },
        build,
        unresolved,
    }
}

/// `setup.cfg`, unless a `setup.py` beside it may say more.
fn read_setup_cfg(request: Request<'_>, dir: &Path) -> Option<Local> {
    let path = dir.join("setup.cfg");
    let text = request.files.read_text(&path).ok()?;
    let (config, diagnostics) = setup_cfg::read(&path, &text);
    let name = config.name.as_deref().map(|n| PackageName::new(Ecosystem::PyPI, n))?;
    let mut requires = texts(&config.dependencies, None);
    for (extra, entries) in &config.optional_dependencies {
        requires.extend(texts(entries, Some(extra)));
    }
    let runs = request.files.is_file(&dir.join("setup.py")) || !config.dynamic_files.is_empty();
    let reason = (UnresolvedCause::NeedsExecution, setup_cfg::SETUP_PY.to_owned());
    Some(Local {
        name: Some(name),
        version: config.version,
        requires: if runs { Err(reason) } else { Ok(requires) },
        build: None,
        unresolved: unread(&diagnostics),
    })
}

/// Entries as metadata has them, those of an extra under its marker.
fn texts(entries: &[Entry], extra: Option<&str>) -> Vec<String> {
    entries
        .iter()
        .map(|entry| {
            let Some(extra) = extra else {
                return match &entry.target {
                    Target::Named(requirement) => requirement.to_string(),
                    Target::Direct(_) => entry.text.clone(),
                };
            };
            let (bare, marker) = match &entry.target {
                Target::Named(requirement) => {
                    let mut bare = requirement.clone();
                    bare.marker = None;
                    (bare.to_string(), entry.marker())
                }
                Target::Direct(_) => {
                    (entry.text.split(';').next().unwrap_or_default().trim().to_owned() + " ", entry.marker())
                }
            };
            match marker {
                Some(marker) => format!("{bare}; ({}) and extra == '{extra}'", marker.text()),
                None => format!("{bare}; extra == '{extra}'"),
            }
        })
        .collect()
}
