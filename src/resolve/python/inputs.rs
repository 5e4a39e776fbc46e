//! What a command asks for, from its words and from the files it names. In: the request. Out: [`Inputs`]: requirements
//! with their places, constraints, options, and what could not be read. No index is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::options::Options;
use crate::ecosystem::python::pyproject::Stated;
use crate::ecosystem::python::requirement::MarkerEnvironment;
use crate::ecosystem::python::requirements_txt::{self, Entry, IncludeKind, RequirementsFile, Target};
use crate::ecosystem::python::script;
use crate::invocation::{Effect, FileRole, RequestKind, Tool};
use crate::model::{Diagnostic, Digest, Location, PackageName, Place, Unresolved, UnresolvedCause};
use crate::resolve::Request;

/// The option that stands for a file of uv's settings, where the command takes constraints and overrides from it; a
/// value names the file.
pub(super) const UV_SETTINGS: &str = crate::registry::python_config::UV_SETTINGS;

/// One thing asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// What.
    pub(super) target: Target,
    /// As written.
    pub(super) text: Rc<str>,
    /// `--hash`.
    pub(super) hashes: Vec<Digest>,
    /// Whether there was any `--hash`.
    pub(super) hashed: bool,
    /// Where.
    pub(super) location: Location,
    /// Only for development, tests or builds.
    pub(super) development: bool,
    /// Installed in place.
    pub(super) editable: bool,
}

impl Asked {
    pub(super) fn of(entry: Entry, development: bool) -> Self {
        Self {
            target: entry.target,
            text: Rc::from(entry.text),
            hashes: entry.hashes,
            hashed: entry.hashed,
            location: entry.location,
            development,
            editable: entry.editable,
        }
    }

    /// Whether its marker holds.
    pub(super) fn applies(&self, markers: &MarkerEnvironment) -> bool {
        match &self.target {
            Target::Named(requirement) => requirement.applies(markers, &[]),
            Target::Direct(direct) => direct.marker.as_ref().is_none_or(|m| m.evaluate(markers, &[])),
        }
    }

    /// The project, when the text tells.
    pub(super) fn name(&self) -> Option<&PackageName> {
        match &self.target {
            Target::Named(requirement) => Some(&requirement.name),
            Target::Direct(direct) => direct.name.as_ref(),
        }
    }
}

/// Everything that a command asks for.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// In the user's order.
    pub(super) asked: Vec<Asked>,
    /// From `-c`.
    pub(super) constraints: Vec<Asked>,
    /// What holds in build environments alone: `--build-constraint`, and constraints that a variable names.
    pub(super) build_constraints: Vec<Asked>,
    /// uv's `--override`: they take the place of whatever anything requires of a project.
    pub(super) overrides: Vec<Asked>,
    /// uv's `extra-build-dependencies`, by the canonical name of what is built.
    pub(super) extra_build: BTreeMap<String, Vec<Entry>>,
    /// uv's `dependency-metadata`.
    pub(super) stated: Vec<Stated>,
    /// The command's options, and those of requirements files.
    pub(super) options: Options,
    /// Scripts with inline metadata, named where requirements are expected.
    pub(super) scripts: Vec<PathBuf>,
    /// Lockfiles named outright (`-r pylock.toml`).
    pub(super) pylocks: Vec<PathBuf>,
    /// What could not be read.
    pub(super) unresolved: Vec<Unresolved>,
}

impl Inputs {
    /// Notes that something could not be read.
    pub(super) fn refuse(&mut self, text: &str, location: Location, cause: UnresolvedCause, reason: impl Into<String>) {
        self.unresolved.push(Unresolved {
            requirement: text.to_owned(),
            name: None,
            range: None,
            location: Some(location),
            cause,
            reason: reason.into(),
        });
    }

    /// Notes what a reader could not take.
    pub(super) fn diagnose(&mut self, diagnostics: Vec<Diagnostic>) {
        for d in diagnostics {
            let text = d.location.to_string();
            self.refuse(&text, d.location, UnresolvedCause::Malformed, d.message);
        }
    }

    /// Takes a reader's entry.
    pub(super) fn take(&mut self, entry: Entry, constraint: bool, development: bool) {
        let constraint = constraint || entry.constraint;
        let asked = Asked::of(entry, development);
        if constraint {
            self.constraints.push(asked);
        } else {
            self.asked.push(asked);
        }
    }

    fn file(&mut self, request: Request<'_>, file: RequirementsFile, diagnostics: Vec<Diagnostic>) {
        self.diagnose(diagnostics);
        if file.requires_hashes() {
            self.options.require_hashes = true;
        }
        for option in &file.options {
            self.options.apply(option.name, option.value.as_deref());
        }
        for include in &file.includes {
            self.named_file(request, &include.path.to_string_lossy(), include.constraint, &include.location, false);
        }
        for entry in file.entries {
            self.take(entry, false, false);
        }
    }

    /// A file of constraints for build environments. What cannot be read of it constrains nothing here, and the tool
    /// gets no release that is not in the plan then.
    fn build_constraint(&mut self, request: Request<'_>, path: &str) {
        let (file, diagnostics) = requirements_txt::read(Path::new(path), true, request.environment, request.files);
        self.diagnose(diagnostics);
        let mut taken = Self::default();
        for entry in file.entries {
            taken.take(entry, true, false);
        }
        self.build_constraints.extend(taken.constraints);
    }

    /// Whether a file of requirements is a script with inline metadata, which is then read as one.
    fn is_script(&mut self, request: Request<'_>, path: &str) -> bool {
        let place = request.environment.absolute(Path::new(path));
        if !matches!(request.invocation.tool, Tool::Uv | Tool::Uvx) || place.extension().is_some() {
            return false;
        }
        let script = request.files.read_text(&place).is_ok_and(|text| script::metadata(&text).is_some());
        if script {
            self.scripts.push(place);
        }
        script
    }

    /// A file named by `-r` or `-c`, of whatever format.
    fn named_file(&mut self, request: Request<'_>, path: &str, constraint: bool, location: &Location, top: bool) {
        let kind = IncludeKind::of(path);
        match kind {
            // uv looks whether a file without an ending is a script.
            IncludeKind::Requirements if top && !constraint && self.is_script(request, path) => {}
            IncludeKind::Requirements if top => {
                let (file, diagnostics) =
                    requirements_txt::read(Path::new(path), constraint, request.environment, request.files);
                self.file(request, file, diagnostics);
            }
            IncludeKind::Pylock => self.pylocks.push(request.environment.absolute(Path::new(path))),
            IncludeKind::Remote => {
                self.refuse(
                    path,
                    location.clone(),
                    UnresolvedCause::Unsupported,
                    "requirements over the network are not fetched",
                );
            }
            IncludeKind::SetupPy => {
                self.refuse(
                    path,
                    location.clone(),
                    UnresolvedCause::NeedsExecution,
                    "what setup.py requires is known only by running it",
                );
            }
            _ => self.refuse(
                path,
                location.clone(),
                UnresolvedCause::Unsupported,
                "requirements are not read from a file of this kind",
            ),
        }
    }
}

/// Reads the words and named files of a command.
pub(super) fn gather(request: Request<'_>) -> Inputs {
    let mut inputs = Inputs { options: Options::of(request.invocation), ..Inputs::default() };
    configured(request, &mut inputs);
    for file in &request.invocation.files {
        match file.role {
            FileRole::Requirements => inputs.named_file(request, &file.path, false, &file.location, true),
            FileRole::Constraints => {
                inputs.named_file(request, &file.path, true, &file.location, true);
                // pip hands a variable on to the process that fills a build environment, and no option.
                if matches!(file.location.place, Place::Environment(_)) {
                    inputs.build_constraint(request, &file.path);
                }
            }
            FileRole::Overrides => {
                let (read, diagnostics) =
                    requirements_txt::read(Path::new(&file.path), false, request.environment, request.files);
                inputs.diagnose(diagnostics);
                inputs.overrides.extend(read.entries.into_iter().map(|e| Asked::of(e, false)));
            }
            FileRole::BuildConstraints => inputs.build_constraint(request, &file.path),
            FileRole::ToolConfig | FileRole::Manifest | FileRole::Script | FileRole::DependencyGroup => {}
        }
    }
    for asked in &request.invocation.requests {
        let editable = asked.kind == RequestKind::Editable;
        if asked.kind == RequestKind::Selector {
            continue;
        }
        // pipx takes the name of a file that is there for a script.
        let named = request.environment.absolute(Path::new(&asked.text));
        let runs = request.invocation.tool == Tool::Pipx && request.invocation.effect == Effect::RunsRemote;
        if runs
            && asked.kind == RequestKind::Requirement
            && request.invocation.flag("--spec").is_none()
            && request.files.is_file(&named)
        {
            inputs.scripts.push(named);
            continue;
        }
        let text = tool_syntax(request.invocation.tool, &asked.text);
        match requirements_txt::argument(&text, editable, asked.location.clone(), request.environment, request.files) {
            Ok(mut entry) => {
                entry.text.clone_from(&asked.text);
                inputs.take(entry, false, false);
            }
            Err(diagnostic) => {
                inputs.refuse(&asked.text, asked.location.clone(), UnresolvedCause::Unsupported, diagnostic.message);
            }
        }
    }
    inputs
}

/// Files of requirements and constraints that a configuration file of pip's names, as `-r` and `-c` would. A variable
/// takes the place of what a file says.
fn configured(request: Request<'_>, inputs: &mut Inputs) {
    if !matches!(request.invocation.tool, Tool::Pip | Tool::Pipx) {
        return;
    }
    for flag in &request.invocation.flags {
        let (Place::File(_), Some(path)) = (&flag.location.place, &flag.value) else { continue };
        let same = || request.invocation.flags.iter().filter(|f| f.name == flag.name);
        let last = same().rfind(|f| matches!(f.location.place, Place::File(_)));
        let in_variable = same().any(|f| matches!(f.location.place, Place::Environment(_)));
        // The last file that says it has it; each path of its value is a flag of that place.
        if in_variable || last.is_some_and(|l| l.location != flag.location) {
            continue;
        }
        match flag.name.as_str() {
            "--requirement" => inputs.named_file(request, path, false, &flag.location, true),
            "--constraint" => {
                inputs.named_file(request, path, true, &flag.location, true);
                // It is handed on as a variable, and so to the process that fills a build environment.
                inputs.build_constraint(request, path);
            }
            "--build-constraint" => inputs.build_constraint(request, path),
            _ => {}
        }
    }
}

/// A tool's own way to write a version as PEP 508: `ruff@0.5.0` and `ruff@latest` (uv), `httpx@^0.27` (poetry).
fn tool_syntax(tool: Tool, text: &str) -> String {
    if !matches!(tool, Tool::Uv | Tool::Uvx | Tool::Poetry) {
        return text.to_owned();
    }
    let Some((name, version)) = text.split_once('@') else { return text.to_owned() };
    let (name, version) = (name.trim_end(), version.trim());
    if version.contains("://") || name.contains(['/', '\\', ':']) || text.contains(" @ ") {
        return text.to_owned();
    }
    match version.chars().next() {
        None => text.to_owned(),
        _ if version == "latest" || version == "*" => name.to_owned(),
        Some(c) if c.is_ascii_digit() => format!("{name}=={version}"),
        Some('^' | '~') if tool == Tool::Poetry && !version.starts_with("~=") => match poetry_range(version) {
            Some(range) => format!("{name}{range}"),
            None => text.to_owned(),
        },
        Some('<' | '>' | '=' | '!' | '~') => format!("{name}{version}"),
        Some(_) => text.to_owned(),
    }
}

/// `^1.2.3` and `~1.2` as PEP 440 ranges.
fn poetry_range(text: &str) -> Option<String> {
    let (caret, base) = match text.strip_prefix('^') {
        Some(base) => (true, base.trim()),
        None => (false, text.strip_prefix('~')?.trim()),
    };
    let version = crate::ecosystem::python::version::parse_version(base)?;
    let mut upper: Vec<u64> = version.release().to_vec();
    let at = if caret {
        upper.iter().position(|n| *n != 0).unwrap_or(upper.len().saturating_sub(1))
    } else {
        usize::from(upper.len() > 1)
    };
    let part = upper.get_mut(at)?;
    *part = part.saturating_add(1);
    upper.truncate(at + 1);
    let upper: Vec<String> = upper.iter().map(ToString::to_string).collect();
    Some(format!(">={base},<{}", upper.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_after_an_at_sign() {
        assert_eq!(tool_syntax(Tool::Uvx, "ruff@0.5.0"), "ruff==0.5.0");
        assert_eq!(tool_syntax(Tool::Uvx, "ruff@latest"), "ruff");
        assert_eq!(tool_syntax(Tool::Poetry, "httpx@^0.27"), "httpx>=0.27,<0.28");
        assert_eq!(tool_syntax(Tool::Poetry, "django@~4.2"), "django>=4.2,<4.3");
        assert_eq!(tool_syntax(Tool::Poetry, "django@^4.2.1"), "django>=4.2.1,<5");
        assert_eq!(tool_syntax(Tool::Uv, "x @ https://e/x.whl"), "x @ https://e/x.whl");
        assert_eq!(tool_syntax(Tool::Pip, "x@1"), "x@1");
    }
}
