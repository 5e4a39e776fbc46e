//! Which interpreter a command would use. In: the invocation, the environment. Out: its path, which may be inside the
//! project's tree; nothing is executed here.

use std::path::{Path, PathBuf};

use super::super::find_all;
use super::MAX_SMALL_FILE;
use crate::invocation::{Invocation, Tool};
use crate::model::Environment;

/// The path of the interpreter, which may be inside the tree.
pub(super) fn locate(invocation: &Invocation, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    if let Some(named) = invocation.flag("--python").and_then(|f| f.value.as_deref()) {
        return named_python(named, environment, assumed);
    }
    let program = invocation.program.as_str();
    let base = file_name(program);
    if is_python_name(&base) {
        return program_path(program, environment, assumed);
    }
    match invocation.tool {
        Tool::Pip => {
            program_path(program, environment, assumed).and_then(|pip| interpreter_of(&pip, environment, assumed))
        }
        Tool::Pipx | Tool::Uvx => default_python(environment, assumed),
        _ => {
            let system = invocation.flag("--system").is_some() || invocation.verb.starts_with("tool");
            let own = (!system).then(|| project_environment(environment)).flatten();
            own.or_else(|| default_python(environment, assumed))
        }
    }
}

pub(super) fn file_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

/// `python`, `python3`, `python3.11`, `pypy3`, `py`.
pub(super) fn is_python_name(name: &str) -> bool {
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    name == "py" || rest.is_some_and(|r| r.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 't' | 'd' | 'w')))
}

/// `--python`: a path, a version, or a name on PATH.
fn named_python(named: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    let path = environment.absolute(Path::new(named));
    // A directory is an environment, even one that has no interpreter yet.
    if path.is_dir() {
        return Some(python_in(&path).unwrap_or_else(|| path.join("bin/python")));
    }
    if named.contains(['/', '\\']) || path.is_file() {
        return Some(path);
    }
    let version = named.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '@' | '=' | '>'));
    let short: Vec<&str> = version.split('.').take(2).collect();
    let names = [named.to_owned(), format!("python{version}"), format!("python{}", short.join("."))];
    names.iter().filter(|n| is_python_name(n)).find_map(|n| program_path(n, environment, assumed))
}

/// The virtual environment that uv, Poetry and PDM would use: the active one, the project's, conda's.
fn project_environment(environment: &Environment) -> Option<PathBuf> {
    let variable =
        |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(|v| environment.absolute(Path::new(v)));
    let own = |name: &str| variable(name).and_then(|dir| python_in(&dir));
    own("UV_PROJECT_ENVIRONMENT")
        .or_else(|| own("VIRTUAL_ENV"))
        .or_else(|| environment.cwd.ancestors().find_map(|dir| python_in(&dir.join(".venv"))))
        .or_else(|| own("CONDA_PREFIX"))
}

/// The interpreter of an environment's directory.
fn python_in(root: &Path) -> Option<PathBuf> {
    ["bin/python", "bin/python3", "Scripts/python.exe", "python.exe"].iter().map(|p| root.join(p)).find(|p| p.exists())
}

pub(super) fn default_python(environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    ["python3", "python"].iter().find_map(|name| program_path(name, environment, assumed))
}

/// What a word names on PATH, version managers' shims seen through.
pub(super) fn program_path(program: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    if program.contains(['/', '\\']) {
        return Some(environment.absolute(Path::new(program)));
    }
    for path in find_all(program, environment) {
        match pyenv_root(&path) {
            None => return Some(path),
            Some(root) => {
                if let Some(real) = pyenv_program(&root, program, environment, assumed) {
                    return Some(real);
                }
            }
        }
    }
    None
}

/// pyenv's root, when the path is one of its shims: a script that runs whatever the project's `.python-version` names.
fn pyenv_root(path: &Path) -> Option<PathBuf> {
    let shims = path.parent().filter(|dir| dir.file_name().is_some_and(|n| n == "shims"))?;
    let root = shims.parent()?;
    root.join("versions").is_dir().then(|| root.to_owned())
}

/// The program that pyenv would run: PYENV_VERSION, the nearest `.python-version`, the global version; in order.
fn pyenv_program(root: &Path, program: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    let from_file = |path: &Path| -> Option<Vec<String>> {
        let words: Vec<String> = small_file(path)?
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(words)
    };
    let versions = environment
        .variable("PYENV_VERSION")
        .filter(|v| !v.is_empty())
        .map(|v| v.split(':').map(str::to_owned).collect())
        .or_else(|| environment.cwd.ancestors().find_map(|dir| from_file(&dir.join(".python-version"))))
        .or_else(|| from_file(&root.join("version")))
        .unwrap_or_else(|| vec!["system".to_owned()]);
    for version in &versions {
        let plain = version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'));
        if version == "system" || !plain || version.starts_with('.') {
            continue;
        }
        let directory = pyenv_version(root, version.strip_prefix("python-").unwrap_or(version));
        if let Some(found) = directory.map(|d| d.join("bin").join(program)).filter(|p| p.exists()) {
            return Some(found);
        }
        assumed.push(format!("pyenv has no {program} in version {version}"));
    }
    None
}

/// The directory of a pyenv version; a prefix means its newest match.
fn pyenv_version(root: &Path, version: &str) -> Option<PathBuf> {
    let versions = root.join("versions");
    let exact = versions.join(version);
    if exact.is_dir() {
        return Some(exact);
    }
    let prefix = format!("{version}.");
    let mut matching: Vec<(Vec<u64>, PathBuf)> = std::fs::read_dir(&versions)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let numbers: Option<Vec<u64>> = name.split('.').map(|n| n.parse().ok()).collect();
            name.starts_with(&prefix).then_some((numbers?, path))
        })
        .collect();
    matching.sort();
    matching.pop().map(|(_, path)| path)
}

/// The interpreter behind a `pip` script: its first line, or the interpreter beside it.
fn interpreter_of(pip: &Path, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    let beside = || {
        let dir = pip.parent()?;
        ["python3", "python", "python.exe", "../python.exe"].iter().map(|n| dir.join(n)).find(|p| p.exists())
    };
    let Some(head) = head(pip) else { return beside() };
    let mut lines = head.lines();
    let Some(first) = lines.next().and_then(|l| l.strip_prefix("#!")).map(str::trim) else { return beside() };
    let mut words = first.split_whitespace();
    let program = words.next()?;
    match file_name(program).as_str() {
        "env" => {
            let name = words.find(|w| !w.starts_with('-'))?;
            program_path(name, environment, assumed)
        }
        // A path too long, or with blanks, for a first line: `'''exec' "/path/python" "$0" "$@"`.
        "sh" | "bash" => {
            let rest = lines.next()?.trim_start().strip_prefix("'''exec'")?.trim_start();
            let path = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next()?,
                None => rest.split_whitespace().next()?,
            };
            Some(PathBuf::from(path))
        }
        // Only a path without blanks can stand here, but pip writes others too on systems that allow them.
        _ if Path::new(first).exists() => Some(PathBuf::from(first)),
        _ => Some(PathBuf::from(program)),
    }
}

/// The first lines of a text file; `None` for a binary.
fn head(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(1024).read_to_end(&mut bytes).ok()?;
    bytes.starts_with(b"#!").then(|| String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn small_file(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SMALL_FILE {
        return None;
    }
    std::fs::read(path).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
}
