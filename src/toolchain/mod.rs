//! Which real tool a word names, and what it says about itself. In: the word, the environment. Out: a path, or facts.
//!
//! A repository can put programs in front of its user (`.venv/bin/python`, a `.` in PATH); nothing inside the
//! project's tree is executed to answer a question here.

pub mod account;
pub mod own;
mod platform;
mod process;
pub mod python;
pub mod reentry;
pub mod tools;

use std::path::{Path, PathBuf};

use crate::model::Environment;

/// The program that a word names, by the shell's search: a word with a separator is a path, another is looked for in
/// PATH. Links to this program itself (its shims) are passed over, as are entries of PATH that depend on the working
/// directory.
pub fn find(program: &str, environment: &Environment) -> Option<PathBuf> {
    find_all(program, environment).next()
}

/// Every program that a word could name, in PATH's order.
pub fn find_all<'e>(program: &str, environment: &'e Environment) -> impl Iterator<Item = PathBuf> + use<'e> {
    let own = own::Own::detect();
    let is_path = program.contains('/') || (environment.os == "windows" && program.contains('\\'));
    let directories: Vec<PathBuf> = match (is_path, environment.variable("PATH")) {
        (true, _) => vec![environment.cwd.clone()],
        (false, Some(path)) => std::env::split_paths(path).filter(|d| d.is_absolute()).collect(),
        (false, None) => Vec::new(),
    };
    let names: Vec<String> = if program.is_empty() || program == "." || program == ".." {
        Vec::new()
    } else {
        spellings(program, environment)
    };
    directories
        .into_iter()
        .flat_map(move |dir| names.iter().map(|n| dir.join(n)).collect::<Vec<_>>())
        .filter(move |path| is_program(path) && !own.is(path))
}

/// The first number of pnpm's version, from the package that the program belongs to.
pub fn pnpm_major(program: &Path) -> Option<u64> {
    let program = program.canonicalize().ok()?;
    let manifest = program.ancestors().skip(1).take(3).find_map(|d| std::fs::read(d.join("package.json")).ok())?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    let named = matches!(manifest.get("name").and_then(|n| n.as_str()), Some("pnpm" | "@pnpm/exe"));
    manifest.get("version").filter(|_| named)?.as_str()?.split('.').next()?.parse().ok()
}

/// The word itself, and on Windows with each extension of PATHEXT.
fn spellings(program: &str, environment: &Environment) -> Vec<String> {
    if environment.os != "windows" {
        return vec![program.to_owned()];
    }
    let extensions = environment.variable("PATHEXT").unwrap_or(".COM;.EXE;.BAT;.CMD");
    let has_extension = Path::new(program).extension().is_some_and(|e| {
        extensions.split(';').any(|x| x.trim_start_matches('.').eq_ignore_ascii_case(&e.to_string_lossy()))
    });
    let with = extensions.split(';').filter(|x| !x.is_empty()).map(|x| format!("{program}{}", x.to_ascii_lowercase()));
    if has_extension { vec![program.to_owned()] } else { with.collect() }
}

#[cfg(unix)]
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// The root of the tree that the command works on: the nearest directory above with version control, or the working
/// directory. `None` when that would be the user's home or above it.
fn tree(environment: &Environment) -> Option<PathBuf> {
    let marked = |dir: &&Path| [".git", ".hg", ".svn", ".jj"].iter().any(|m| dir.join(m).exists());
    let root = environment.cwd.ancestors().find(marked).unwrap_or(&environment.cwd);
    let above_home = |dir: &Path| environment.home.as_ref().is_some_and(|home| home.starts_with(dir));
    [root, &environment.cwd].into_iter().find(|dir| !above_home(dir) && dir.parent().is_some()).map(Path::to_owned)
}

/// Whether a file may be executed to ask it something: neither its path nor what it resolves to is inside the tree, and
/// it is where programs are installed. A command can name any file as its interpreter; to judge that command is no
/// reason to run it.
fn may_execute(path: &Path, environment: &Environment) -> bool {
    let Ok(real) = path.canonicalize() else { return false };
    if !is_installed(&real, environment) {
        return false;
    }
    let Some(tree) = tree(environment) else { return true };
    let real_tree = tree.canonicalize().unwrap_or_else(|_| tree.clone());
    let inside = |p: &Path| p.starts_with(&tree) || p.starts_with(&real_tree);
    !inside(&environment.absolute(path)) && !inside(&real)
}

/// Where systems and package managers install programs.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/opt", "/Library", "/System", "/Applications", "/nix", "/snap", "/home/linuxbrew"];
/// Where version managers do, below the home directory.
const HOME: &[&str] = &[
    ".pyenv",
    ".local/share/uv",
    ".local/share/mise",
    ".asdf",
    ".rye",
    ".conda",
    "miniconda3",
    "miniforge3",
    "mambaforge",
    "anaconda3",
    "AppData/Local/Programs/Python",
];

/// Whether a resolved path is of an installed program: in one of the places above, or beside one that the caller's own
/// PATH leads to.
fn is_installed(real: &Path, environment: &Environment) -> bool {
    let below = |dir: &Path| real.starts_with(dir) || dir.canonicalize().is_ok_and(|dir| real.starts_with(dir));
    let homes = environment.home.iter().flat_map(|home| HOME.iter().map(|dir| home.join(dir)));
    let named = ["PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR", "UV_PYTHON_INSTALL_DIR", "CONDA_PREFIX"];
    // The process's own variables: those of the environment may be ones that the command sets.
    let own = named.iter().filter_map(std::env::var_os).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect::<Vec<_>>();
    SYSTEM.iter().map(PathBuf::from).chain(homes).chain(own).any(|dir| below(&dir))
        || on_path.iter().any(|dir| real.parent().is_some_and(|p| dir.canonicalize().is_ok_and(|dir| dir == p)))
}
