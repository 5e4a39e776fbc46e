//! Where the layers are, and reading them: environment and files in, the effective policy and its errors out.

use std::path::{Path, PathBuf};

use super::{Layer, Policy, RuleInfo, file, layers};
use crate::model::{Diagnostic, Environment, FileError, Files, Location, Timestamp};

/// The project's file.
const PROJECT_FILE: &str = "tidewaiter.toml";
/// The other layers' file, in a directory of the program's own.
const POLICY_FILE: &str = "tidewaiter/policy.toml";

/// A policy and what is wrong with its files.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The effective policy. Files with errors are not part of it; they are its [`Policy::faults`], which stop installs.
    pub policy: Policy,
    /// Every error, in the order of the layers, then of lines.
    pub errors: Vec<Diagnostic>,
    /// The managed file is there and cannot be used: nothing may be installed, whatever the other layers say.
    pub locked: bool,
}

/// One file of a policy: its layer, its path, and its text or why there is none.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Whose it is.
    pub layer: Layer,
    /// For places in messages.
    pub path: PathBuf,
    /// The text, or why it could not be read.
    pub text: Result<String, FileError>,
}

/// A user's policy where the variables name another place for it than the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The user's file.
    pub own: PathBuf,
    /// The one that the variables name: it only tightens.
    pub named: PathBuf,
}

/// Reads every layer that is there. `extra` is `--policy FILE`: a further user layer, which must exist.
pub fn load(environment: &Environment, files: &dyn Files, extra: Option<&Path>, rules: &[RuleInfo]) -> Loaded {
    load_from(environment, files, None, extra, rules)
}

/// [`load`], with the user's file where it is.
pub fn load_from(
    environment: &Environment,
    files: &dyn Files,
    elsewhere: Option<&Elsewhere>,
    extra: Option<&Path>,
    rules: &[RuleInfo],
) -> Loaded {
    let mut origins = Vec::new();
    let mut warnings = Vec::new();
    let root = project_root(environment, files).unwrap_or(&environment.cwd);
    let projects = paths_below(root, environment);
    let optional = |layer, path: PathBuf| match files.read_text(&path) {
        Err(FileError::NotFound) => None,
        text => Some(Origin { layer, path, text }),
    };
    origins.extend(optional(Layer::Managed, managed_path(environment)));
    let mut tightening = None;
    if let Some(Elsewhere { own, named }) = elsewhere {
        let of_home = environment.home.as_ref().is_some_and(|home| named.starts_with(home));
        let variable = if of_home { "HOME" } else { "XDG_CONFIG_HOME" };
        let message = format!(
            "`{variable}` leads to another home than this gate's: {} holds, with the record and the approvals that go with \
             it, and {} can only tighten it",
            own.display(),
            named.display()
        );
        warnings.push(Diagnostic::new(Location::environment(variable), message));
        origins.extend(optional(Layer::User, own.clone()));
        tightening = optional(Layer::Project, named.clone()).filter(|_| named != own);
    } else {
        let (user, ignored) = trusted_user_path(environment, root);
        warnings.extend(ignored);
        origins.extend(user.and_then(|path| optional(Layer::User, path)));
    }
    if let Some(path) = extra {
        let path = environment.absolute(path);
        let text = files.read_text(&path);
        origins.push(Origin { layer: Layer::User, path, text });
    }
    origins.extend(tightening);
    origins.extend(projects.into_iter().filter_map(|path| optional(Layer::Project, path)));
    let mut loaded = load_layers(&origins, environment.now, rules);
    loaded.policy.warnings.splice(0..0, warnings);
    loaded
}

/// Puts files that were read already on top of each other, in the order given (the order of [`Layer`]).
pub fn load_layers(origins: &[Origin], now: Timestamp, rules: &[RuleInfo]) -> Loaded {
    let mut loaded = Loaded::default();
    for origin in origins {
        let (parsed, errors) = match &origin.text {
            Ok(text) => file::parse(&origin.path, text, origin.layer, rules),
            Err(error) => {
                let at = Location::file(&origin.path);
                (file::PolicyFile::default(), vec![Diagnostic::new(at, format!("cannot be read: {error}"))])
            }
        };
        if errors.is_empty() {
            layers::apply(&mut loaded.policy, parsed, origin.layer, now);
        } else {
            loaded.locked |= origin.layer == Layer::Managed;
            loaded.policy.faults.extend(errors.iter().cloned());
            loaded.errors.extend(errors);
        }
    }
    loaded
}

/// The administrator's file. A fixed place: no variable moves it.
pub fn managed_path(environment: &Environment) -> PathBuf {
    let root = match environment.os {
        "windows" => "C:\\ProgramData",
        "macos" => "/Library/Application Support",
        _ => "/etc",
    };
    Path::new(root).join(POLICY_FILE)
}

/// The user's file: under `XDG_CONFIG_HOME` (absolute, as its specification has it), else the platform's own place.
pub fn user_path(environment: &Environment) -> Option<PathBuf> {
    configured_directory(environment).or_else(|| default_directory(environment)).map(|d| d.join(POLICY_FILE))
}

fn configured_directory(environment: &Environment) -> Option<PathBuf> {
    let variable = if environment.os == "windows" { "APPDATA" } else { "XDG_CONFIG_HOME" };
    environment.variable(variable).map(PathBuf::from).filter(|p| p.is_absolute())
}

fn default_directory(environment: &Environment) -> Option<PathBuf> {
    let home = environment.home.as_deref()?;
    Some(home.join(match environment.os {
        "windows" => "AppData/Roaming",
        "macos" => "Library/Application Support",
        _ => ".config",
    }))
}

/// The user's file, unless a variable moves it into the project: what is there is the project's word.
fn trusted_user_path(environment: &Environment, root: &Path) -> (Option<PathBuf>, Option<Diagnostic>) {
    let default = default_directory(environment);
    let inside = |path: &Path| environment.absolute(path).starts_with(root);
    match configured_directory(environment) {
        Some(moved) if inside(&moved) && !default.as_deref().is_some_and(inside) => {
            let variable = if environment.os == "windows" { "APPDATA" } else { "XDG_CONFIG_HOME" };
            let message = "points into the project, whose files cannot be the user's policy; it is ignored";
            let warning = Diagnostic::new(Location::environment(variable), message);
            (default.map(|d| d.join(POLICY_FILE)), Some(warning))
        }
        _ => (user_path(environment), None),
    }
}

/// The nearest directory, from the working directory up, that holds a repository.
fn project_root<'e>(environment: &'e Environment, files: &dyn Files) -> Option<&'e Path> {
    environment.cwd.ancestors().find(|dir| {
        // One buffer for the four.
        let mut marker = dir.join(".git");
        [".git", ".hg", ".jj", ".svn"].iter().any(|name| {
            marker.set_file_name(name);
            files.exists(&marker)
        })
    })
}

/// Every project file that counts, outermost first: those of the working directory and of the directories above it,
/// up to the repository's root; without a repository, the working directory's alone. Each tightens the one before,
/// so that a file deep in a repository cannot hide its root's.
pub fn project_paths(environment: &Environment, files: &dyn Files) -> Vec<PathBuf> {
    paths_below(project_root(environment, files).unwrap_or(&environment.cwd), environment)
}

fn paths_below(root: &Path, environment: &Environment) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        environment.cwd.ancestors().take_while(|dir| dir.starts_with(root)).map(|dir| dir.join(PROJECT_FILE)).collect();
    paths.reverse();
    paths
}
