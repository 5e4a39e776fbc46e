//! What a project's manifest and lockfile ask for: pyproject.toml, Pipfile, scripts with inline metadata, and the lock
//! beside them. In: the request. Out: a [`Project`]: requirements, the selection of extras and groups, the lockfile.

use std::path::{Path, PathBuf};

use super::inputs::{Asked, Inputs, UV_SETTINGS};
use crate::ecosystem::python::build_system::BuildSystem;
use crate::ecosystem::python::lock::{self, Lockfile, Selection};
use crate::ecosystem::python::pyproject::{self, Pyproject};
use crate::ecosystem::python::requirements_txt::{Entry, Target};
use crate::ecosystem::python::{pipfile, script};
use crate::invocation::{FileRole, RequestKind, Tool};
use crate::model::{Ecosystem, FileError, Location, Place, UnresolvedCause, normalise_name};
use crate::resolve::Request;

/// A project as a command sees it.
#[derive(Debug, Default)]
pub(super) struct Project {
    /// Requirements of the selected parts, with whether each is for development only.
    pub(super) entries: Vec<(Entry, bool)>,
    /// What the project is built with, when the command builds it in isolation.
    pub(super) build: Option<BuildSystem>,
    /// Constraints and overrides of `[tool.uv]`.
    pub(super) constraints: Vec<Entry>,
    pub(super) overrides: Vec<Entry>,
    /// What the tool itself is given for the project, in an environment of its own.
    pub(super) plugins: Option<BuildSystem>,
    /// What is selected.
    pub(super) selection: Selection,
    /// The lockfile beside it, if there is one.
    pub(super) lock: Option<Lockfile>,
}

/// Finds and reads the project that a command works on. What is missing or cannot be read is noted in `inputs`.
pub(super) fn read(request: Request<'_>, inputs: &mut Inputs) -> Project {
    let tool = request.invocation.tool;
    if let Some(path) = script_path(request) {
        let script = read_script(request, inputs, &path);
        // Without metadata of its own, a script that is run has the project's environment.
        if script.is_some() || request.invocation.verb != "run" || given(request, &["--no-project", "--no-sync"]) {
            return script.unwrap_or_default();
        }
    }
    if tool == Tool::Pipenv {
        return read_pipfile(request, inputs);
    }
    let Some(path) = find_up(request, "pyproject.toml") else {
        if tool == Tool::Uv && request.invocation.verb == "run" {
            // Outside of any project uv runs in the environment that it finds, and brings in only what `--with` names.
            return Project::default();
        }
        let verb = format!("{} {}", tool.name(), request.invocation.verb);
        inputs.refuse(
            &verb,
            Location::argv(0),
            UnresolvedCause::Unsupported,
            "there is no pyproject.toml here or above",
        );
        return Project::default();
    };
    let Some(text) = text_of(request, inputs, &path) else { return Project::default() };
    let (mut manifest, diagnostics) = pyproject::read(&path, &text);
    inputs.diagnose(diagnostics);
    for option in &manifest.options {
        inputs.options.apply(option.name, option.value.as_deref());
    }
    let selection = select(request, &manifest);
    let mut project = Project::default();
    let root = if manifest.workspace.is_some() || !matches!(tool, Tool::Uv | Tool::Uvx) {
        None
    } else {
        workspace_root(request, inputs, &path)
    };
    if let Some(root) = root {
        root.lend_sources(&mut manifest);
        take_settings(inputs, &mut project, &root);
    }
    take_manifest(request, inputs, &mut project, &manifest, &selection);
    if let Some(workspace_root) = path.parent() {
        for member in manifest.workspace_members(workspace_root, request.files) {
            let member_path = member.join("pyproject.toml");
            if let Some(text) = text_of(request, inputs, &member_path) {
                let (mut member, diagnostics) = pyproject::read(&member_path, &text);
                inputs.diagnose(diagnostics);
                manifest.lend_sources(&mut member);
                take_manifest(request, inputs, &mut project, &member, &selection);
            }
        }
    }
    let plugins = match tool {
        Tool::Poetry => {
            matches!(request.invocation.verb.as_str(), "install" | "sync") && !given(request, &["--no-plugins"])
        }
        _ => given(request, &["--plugins"]),
    };
    if plugins && !manifest.plugins.is_empty() {
        project.plugins = Some(BuildSystem::of_requirements(manifest.plugins.clone()));
    }
    if builds(request, &manifest) {
        project.build = Some(BuildSystem::of(Some(&manifest), None, &Location::file(&path)));
    }
    project.selection = selection;
    let name = match tool {
        Tool::Poetry => "poetry.lock",
        Tool::Pdm => "pdm.lock",
        _ => "uv.lock",
    };
    project.lock = find_up(request, name).and_then(|path| read_lock(request, inputs, &path));
    project
}

/// Whether one of these flags is given, and not switched off.
fn given(request: Request<'_>, names: &[&str]) -> bool {
    names.iter().any(|n| request.invocation.flag(n).is_some_and(|f| f.value.as_deref() != Some("false")))
}

/// The root of the workspace that a uv project is a member of: what it overrides, and the sources it names, hold for its
/// members.
fn workspace_root(request: Request<'_>, inputs: &mut Inputs, member: &Path) -> Option<Pyproject> {
    for directory in member.parent()?.ancestors().skip(1) {
        let path = directory.join("pyproject.toml");
        if !request.files.is_file(&path) {
            continue;
        }
        let text = text_of(request, inputs, &path)?;
        let (root, diagnostics) = pyproject::read(&path, &text);
        if root.workspace.is_some() {
            inputs.diagnose(diagnostics);
            return Some(root);
        }
    }
    None
}

/// What `uv pip` takes from uv's files: constraints and overrides, in `[tool.uv]` or `uv.toml`. Project commands take them
/// from the project's own manifest alone.
pub(super) fn read_settings(request: Request<'_>, inputs: &mut Inputs) {
    let mut project = Project::default();
    let of_flags = request.invocation.flags.iter().filter(|f| f.name == UV_SETTINGS);
    for path in of_flags.filter_map(|f| f.value.as_deref()).map(PathBuf::from) {
        let Some(text) = text_of(request, inputs, &path) else { continue };
        let named_so = path.file_name().is_some_and(|n| n == "pyproject.toml");
        let (settings, diagnostics) =
            if named_so { pyproject::read(&path, &text) } else { pyproject::read_uv_toml(&path, &text) };
        inputs.diagnose(diagnostics);
        take_settings(inputs, &mut project, &settings);
    }
    take_held(inputs, project);
}

/// Constraints and overrides, for a resolution.
pub(super) fn take_held(inputs: &mut Inputs, project: Project) {
    for entry in project.constraints {
        inputs.take(entry, true, false);
    }
    inputs.overrides.extend(project.overrides.into_iter().map(|e| Asked::of(e, false)));
}

/// What a manifest, or uv's settings, say of every resolution.
fn take_settings(inputs: &mut Inputs, project: &mut Project, manifest: &Pyproject) {
    project.constraints.extend(manifest.constraints.iter().cloned());
    project.overrides.extend(manifest.overrides.iter().cloned());
    inputs.build_constraints.extend(manifest.build_constraints.iter().map(|e| Asked::of(e.clone(), false)));
    inputs.stated.extend(manifest.stated.iter().cloned());
    for (name, entries) in &manifest.extra_build {
        let entries = manifest.with_uv_sources(entries);
        inputs.extra_build.entry(name.clone()).or_default().extend(entries);
    }
}

/// Whether the command builds the project itself, in an environment of its own.
fn builds(request: Request<'_>, manifest: &Pyproject) -> bool {
    let invocation = request.invocation;
    let without = |flag: &str| invocation.flag(flag).is_some_and(|f| f.value.as_deref() != Some("false"));
    let verb = invocation.verb.as_str();
    match invocation.tool {
        Tool::Uv => verb == "build" || (manifest.is_package && manifest.build_backend.is_some()),
        // What is dynamic in it is asked for when it is locked.
        Tool::Pdm if matches!(verb, "lock" | "export" | "outdated") => !manifest.dynamic.is_empty(),
        Tool::Pdm => manifest.name.is_some() && !manifest.pdm_leaves_out && !without("--no-self"),
        // Poetry puts a project in place by itself, unless a program of the project is to run first. To pack one it builds
        // by itself as well, where nothing but poetry-core is named.
        Tool::Poetry => match verb {
            "install" | "sync" => manifest.poetry_builds && !without("--no-root"),
            "build" | "publish" => manifest.poetry_builds || needs_another_backend(manifest),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a build needs anything that is not in Poetry already.
fn needs_another_backend(manifest: &Pyproject) -> bool {
    let own = |entry: &Entry| matches!(&entry.target, Target::Named(r) if r.name.canonical() == "poetry-core");
    manifest.build_backend.is_some() && !matches!(manifest.build_requires.as_slice(), [entry] if own(entry))
}

/// A lockfile; what its reader could not take is noted.
pub(super) fn read_lock(request: Request<'_>, inputs: &mut Inputs, path: &Path) -> Option<Lockfile> {
    let text = text_of(request, inputs, path)?;
    let (lock, diagnostics) = lock::read(path, &text)?;
    inputs.diagnose(diagnostics);
    Some(lock)
}

fn take_manifest(
    request: Request<'_>,
    inputs: &mut Inputs,
    project: &mut Project,
    manifest: &Pyproject,
    selection: &Selection,
) {
    let sourced = |entries: &[Entry]| -> Vec<Entry> {
        if matches!(request.invocation.tool, Tool::Uv | Tool::Uvx) {
            manifest.with_uv_sources(entries)
        } else {
            entries.to_vec()
        }
    };
    if !selection.only_groups {
        project.entries.extend(sourced(&manifest.dependencies).into_iter().map(|e| (e, false)));
        for (extra, entries) in &manifest.optional_dependencies {
            if selection.everything || selection.extras.contains(extra) {
                project.entries.extend(sourced(entries).into_iter().map(|e| (e, false)));
            }
        }
        for what in manifest.dynamic_requirements() {
            if manifest.dynamic_files.is_empty() {
                let location = Location::file(&manifest.path);
                inputs.refuse(
                    what,
                    location,
                    UnresolvedCause::NeedsExecution,
                    format!("the project's {what} are known only by running its build"),
                );
            }
        }
        for (extra, path) in &manifest.dynamic_files {
            if !extra.is_empty() && !selection.everything && !selection.extras.contains(extra) {
                continue;
            }
            let path = manifest.directory().join(path);
            if let Some(text) = text_of(request, inputs, &path) {
                let (entries, diagnostics) = pyproject::dynamic_entries(&path, &text, manifest.directory());
                inputs.diagnose(diagnostics);
                project.entries.extend(entries.into_iter().map(|e| (e, false)));
            }
        }
    }
    for (group, entries) in &manifest.groups {
        if selection.everything || selection.groups.contains(group) {
            project.entries.extend(sourced(entries).into_iter().map(|e| (e, true)));
        }
    }
    take_settings(inputs, project, manifest);
}

/// Which extras and groups the command's options select; each tool's own words.
fn select(request: Request<'_>, manifest: &Pyproject) -> Selection {
    let invocation = request.invocation;
    let given =
        |names: &[&str]| names.iter().any(|n| invocation.flag(n).is_some_and(|f| f.value.as_deref() != Some("false")));
    let values = |names: &[&str]| -> Vec<String> {
        invocation
            .flags
            .iter()
            .filter(|f| names.contains(&f.name.as_str()))
            .filter_map(|f| f.value.as_deref())
            .flat_map(|v| v.split([',', ' ']))
            .filter(|v| !v.is_empty())
            .map(|v| normalise_name(Ecosystem::PyPI, v))
            .collect()
    };
    let mut out = Selection { extras: values(&["--extra", "--extras"]), ..Selection::default() };
    if given(&["--all-extras"]) {
        out.extras.extend(manifest.optional_dependencies.keys().cloned());
    }
    let only = values(&["--only-group", "--only"]);
    out.only_groups = (!only.is_empty() && !only.iter().any(|g| g == "main" || g == "default"))
        || given(&["--only-dev", "--dev-only", "--no-default"]);
    if invocation.verb == "lock" || invocation.verb == "export" || given(&["--all-groups"]) {
        out.groups.extend(manifest.groups.keys().cloned());
    } else if only.is_empty() && !given(&["--no-default-groups", "--prod", "--production"]) {
        out.groups.extend(manifest.default_groups.iter().cloned());
        if invocation.tool == Tool::Poetry {
            // Since 2.2 those of PEP 735 are Poetry's groups too.
            out.groups.extend(manifest.groups.keys().filter(|g| !manifest.optional_groups.contains(g)).cloned());
        }
        let undeclared = manifest.default_groups.is_empty();
        if undeclared && matches!(invocation.tool, Tool::Uv | Tool::Pdm) {
            out.groups.extend(manifest.groups.keys().filter(|g| invocation.tool == Tool::Pdm || *g == "dev").cloned());
        }
    }
    out.groups.extend(only);
    let named = values(&["--group", "--with"]);
    if invocation.tool == Tool::Pdm {
        out.extras.extend(named.iter().cloned());
    }
    if !(invocation.tool == Tool::Uv && invocation.verb == "run") {
        out.groups.extend(named);
    } else {
        out.groups.extend(values(&["--group"]));
    }
    if given(&["--only-dev", "--dev-only", "--dev"]) {
        out.groups.push("dev".to_owned());
    }
    let without = values(&["--no-group", "--without", "--no-extra"]);
    let no_dev = given(&["--no-dev"]);
    out.groups.retain(|g| !(without.contains(g) || no_dev && g == "dev"));
    out.extras.retain(|e| !without.contains(e));
    if invocation.verb == "lock" {
        out.extras.extend(manifest.optional_dependencies.keys().cloned());
    }
    out.groups.sort();
    out.groups.dedup();
    out.extras.sort();
    out.extras.dedup();
    out
}

/// The script that the command works on, in an environment of its own: `uv run x.py`, `uv sync --script x.py`.
fn script_path(request: Request<'_>) -> Option<PathBuf> {
    let invocation = request.invocation;
    if !matches!(invocation.tool, Tool::Uv) || invocation.verb.starts_with("pip") {
        return None;
    }
    let scripts = invocation.files.iter().filter(|f| f.role == FileRole::Script);
    let file = match invocation.flag("--script").and_then(|f| f.value.as_ref()) {
        Some(named) => scripts.rev().find(|f| f.path == *named),
        None => scripts.rev().find(|f| invocation.starts_at.is_some_and(|at| is_word(&f.location, at))),
    };
    file.map(|f| request.environment.absolute(Path::new(&f.path)))
}

/// Whether a place is that word of the command.
fn is_word(location: &Location, at: usize) -> bool {
    let column = usize::try_from(location.column).ok();
    matches!(location.place, Place::Argv) && column == Some(at)
}

/// A script's inline metadata, with the lockfile beside it; `None` when it has none.
fn read_script(request: Request<'_>, inputs: &mut Inputs, path: &Path) -> Option<Project> {
    let mut project = Project::default();
    let text = text_of(request, inputs, path)?;
    let (manifest, diagnostics) = script::read(path, &text);
    let unread = !diagnostics.is_empty();
    inputs.diagnose(diagnostics);
    let Some(manifest) = manifest else { return unread.then_some(project) };
    for option in &manifest.options {
        inputs.options.apply(option.name, option.value.as_deref());
    }
    take_manifest(request, inputs, &mut project, &manifest, &Selection::default());
    let beside = PathBuf::from(format!("{}.lock", path.display()));
    if request.files.is_file(&beside)
        && let Some(text) = text_of(request, inputs, &beside)
    {
        let (lock, diagnostics) = crate::ecosystem::python::uv_lock::read(&beside, &text);
        inputs.diagnose(diagnostics);
        project.lock = Some(lock);
    }
    project.selection.everything = project.lock.is_some();
    Some(project)
}

fn read_pipfile(request: Request<'_>, inputs: &mut Inputs) -> Project {
    let mut project = Project::default();
    let invocation = request.invocation;
    let dev = invocation.flag("--dev").is_some() || matches!(invocation.verb.as_str(), "lock" | "update" | "upgrade");
    let mut categories: Vec<String> =
        invocation.values("--categories").flat_map(|v| v.split([',', ' ']).map(str::to_owned)).collect();
    if categories.is_empty() {
        categories.push("default".to_owned());
    }
    if dev {
        categories.extend(["develop".to_owned(), "dev".to_owned()]);
    }
    if let Some(path) = find_up(request, "Pipfile")
        && let Some(text) = text_of(request, inputs, &path)
    {
        let (manifest, diagnostics) = pipfile::read(&path, &text);
        inputs.diagnose(diagnostics);
        for (category, entries) in &manifest.categories {
            let name = match category.as_str() {
                "packages" => "default",
                "dev-packages" => "develop",
                other => other,
            };
            if categories.iter().any(|c| c == name || c == category) {
                let development = name == "develop";
                project.entries.extend(entries.iter().map(|e| (e.clone(), development)));
            }
        }
    }
    project.selection.groups = categories;
    project.lock = find_up(request, "Pipfile.lock").and_then(|path| read_lock(request, inputs, &path));
    if project.lock.is_none() && find_up(request, "Pipfile").is_none() {
        let named = invocation.requests.iter().any(|r| r.kind != RequestKind::Selector);
        let why = match find_up(request, "requirements.txt") {
            // `pipenv install` makes the Pipfile, and puts into it what a requirements.txt lists beside what is named.
            None if invocation.verb == "install" && named => return project,
            None => "there is no Pipfile here or above",
            Some(_) => "there is no Pipfile here or above; pipenv makes one of what requirements.txt lists",
        };
        inputs.refuse("pipenv", Location::argv(0), UnresolvedCause::Unsupported, why);
    }
    project
}

/// Scripts with inline metadata that are named where requirements are expected.
pub(super) fn read_scripts(request: Request<'_>, inputs: &mut Inputs) -> Vec<(Entry, bool)> {
    let own = script_path(request);
    let named = request.invocation.files.iter().filter(|f| f.role == FileRole::Script);
    let named = named.map(|f| request.environment.absolute(Path::new(&f.path)));
    let mut scripts: Vec<PathBuf> = named.filter(|path| Some(path) != own.as_ref()).collect();
    scripts.append(&mut inputs.scripts);
    let mut out = Vec::new();
    for path in scripts {
        if let Some(mut script) = read_script(request, inputs, &path) {
            out.append(&mut script.entries);
            take_held(inputs, script);
        }
    }
    out
}

/// Manifests that `uv pip` reads where requirements are expected, and dependency groups that pip and uv are given.
pub(super) fn read_named(request: Request<'_>, inputs: &mut Inputs) -> Vec<(Entry, bool)> {
    let mut out = read_scripts(request, inputs);
    for file in &request.invocation.files {
        let group = file.role == FileRole::DependencyGroup;
        if file.role == FileRole::Manifest && file.path.ends_with("setup.py") {
            let why = "what setup.py requires is known only by running it";
            inputs.refuse(&file.path, file.location.clone(), UnresolvedCause::NeedsExecution, why);
        }
        if !(group || (file.role == FileRole::Manifest && file.path.ends_with(".toml"))) {
            continue;
        }
        let name = if file.path.is_empty() { "pyproject.toml" } else { file.path.as_str() };
        let path = request.environment.absolute(Path::new(name));
        if lock::Format::of(&path).is_some() {
            inputs.pylocks.push(path);
            continue;
        }
        let Some(text) = text_of(request, inputs, &path) else { continue };
        let (manifest, diagnostics) = pyproject::read(&path, &text);
        inputs.diagnose(diagnostics);
        if group {
            for selector in &request.invocation.requests {
                if selector.kind != RequestKind::Selector || selector.location != file.location {
                    continue;
                }
                match manifest.groups.get(&normalise_name(Ecosystem::PyPI, &selector.text)) {
                    Some(entries) => out.extend(entries.iter().map(|e| (e.clone(), true))),
                    None => inputs.refuse(
                        &selector.text,
                        file.location.clone(),
                        UnresolvedCause::Malformed,
                        "there is no such dependency group",
                    ),
                }
            }
            continue;
        }
        let mut project = Project::default();
        let selection = select(request, &manifest);
        take_manifest(request, inputs, &mut project, &manifest, &Selection { groups: Vec::new(), ..selection });
        out.extend(project.entries);
    }
    out
}

fn find_up(request: Request<'_>, name: &str) -> Option<PathBuf> {
    request.environment.cwd.ancestors().map(|dir| dir.join(name)).find(|path| request.files.is_file(path))
}

/// A file's text; a missing or unreadable one is noted.
pub(super) fn text_of(request: Request<'_>, inputs: &mut Inputs, path: &Path) -> Option<String> {
    match request.files.read_text(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let cause = match error {
                FileError::TooLarge { .. } => UnresolvedCause::LimitExceeded,
                _ => UnresolvedCause::Malformed,
            };
            inputs.refuse(&path.display().to_string(), Location::file(path), cause, error.to_string());
            None
        }
    }
}
