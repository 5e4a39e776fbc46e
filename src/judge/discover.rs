//! Which files below a path say what a project installs: manifests and lockfiles, the lockfile before its manifest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::{Diagnostic, Files, Location};

/// What a file is to an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the file of that name")]
pub enum Kind {
    CargoLock,
    CargoManifest,
    PackageLock,
    PnpmLock,
    YarnLock,
    BunLock,
    PackageManifest,
    Requirements,
    Pylock,
    UvLock,
    PoetryLock,
    PdmLock,
    PipfileLock,
    Pyproject,
}

impl Kind {
    /// What a file of this name is. Names that tools choose, and names that end with them
    /// (`api.Cargo.lock`, `dev-requirements.txt`, `pylock.prod.toml`).
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let ends = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|stem| stem.is_empty() || stem.ends_with(['.', '-', '_']))
        };
        let in_requirements = path.parent().and_then(Path::file_name).is_some_and(|d| d == "requirements");
        Some(match name {
            _ if ends("Cargo.lock") => Self::CargoLock,
            "Cargo.toml" => Self::CargoManifest,
            _ if ends("package-lock.json") || ends("npm-shrinkwrap.json") => Self::PackageLock,
            _ if ends("pnpm-lock.yaml") => Self::PnpmLock,
            _ if ends("yarn.lock") => Self::YarnLock,
            "bun.lock" | "bun.lockb" => Self::BunLock,
            "package.json" => Self::PackageManifest,
            _ if ends("uv.lock") => Self::UvLock,
            _ if ends("poetry.lock") => Self::PoetryLock,
            _ if ends("pdm.lock") => Self::PdmLock,
            _ if ends("Pipfile.lock") => Self::PipfileLock,
            "pyproject.toml" => Self::Pyproject,
            _ if name == "pylock.toml" || (name.starts_with("pylock.") && name.ends_with(".toml")) => Self::Pylock,
            _ if name.ends_with(".txt") && (name.contains("requirements") || in_requirements) => Self::Requirements,
            _ => return None,
        })
    }

    /// Whether it fixes versions.
    pub fn is_lock(self) -> bool {
        !matches!(self, Self::CargoManifest | Self::PackageManifest | Self::Pyproject | Self::Requirements)
    }
}

/// A command that would obey a file of configuration, by the file's name; `None` when it is none.
pub fn configures(path: &Path) -> Option<&'static [&'static str]> {
    let name = path.file_name()?.to_str()?;
    let in_cargo = path.parent().and_then(Path::file_name).is_some_and(|d| d == ".cargo");
    Some(match name {
        ".npmrc" | "npmrc" => &["npm", "install"],
        "pnpm-workspace.yaml" | ".pnpmfile.cjs" | "pnpmfile.cjs" => &["pnpm", "install"],
        ".yarnrc" | ".yarnrc.yml" => &["yarn", "install"],
        "bunfig.toml" | ".bunfig.toml" => &["bun", "install"],
        "pip.conf" | "pip.ini" => &["pip", "install", "pip"],
        "uv.toml" => &["uv", "lock"],
        "Pipfile" => &["pipenv", "install"],
        "config.toml" | "config" if in_cargo => &["cargo", "generate-lockfile"],
        "rust-toolchain.toml" | "rust-toolchain" => &["cargo", "generate-lockfile"],
        _ => return None,
    })
}

/// A file to audit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// As the user would type it: relative when the path given was.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// Directories of installed packages, build products and version control: not the project's own word.
const SKIPPED: &[&str] =
    &["node_modules", "target", "venv", "__pycache__", "site-packages", "bower_components", "jspm_packages"];
/// How deep, and how many directories, an audit looks.
const DEEPEST: usize = 24;
const MOST_DIRECTORIES: usize = 20_000;

/// Every file to audit below `roots`, sorted. A root that is a file is taken whatever directory it is in; one that is no
/// manifest or lockfile, or is not there, is a diagnostic, and so is a tree too deep or too wide to be walked whole.
pub fn discover(roots: &[PathBuf], files: &dyn Files) -> (Vec<Found>, Vec<Diagnostic>) {
    let mut found = BTreeSet::new();
    let mut diagnostics = Vec::new();
    let mut directories = 0;
    for root in roots {
        if files.is_dir(root) {
            walk(root, files, 0, &mut directories, &mut found, &mut diagnostics);
        } else if !files.is_file(root) {
            diagnostics.push(Diagnostic::new(Location::file(root), "there is no such file or directory"));
        } else if let Some(kind) = Kind::of(root) {
            found.insert(Found { path: root.clone(), kind });
        } else {
            diagnostics.push(
                Diagnostic::new(Location::file(root), "not a manifest or lockfile by its name").with_hint(
                    "a requirements file of another name is judged by `tidewaiter check -- pip install -r FILE`",
                ),
            );
        }
    }
    if directories > MOST_DIRECTORIES {
        let root = roots.first().cloned().unwrap_or_default();
        diagnostics.push(
            Diagnostic::new(
                Location::file(root),
                format!("more than {MOST_DIRECTORIES} directories: the rest was not looked at"),
            )
            .with_hint("name the directories to audit"),
        );
    }
    (found.into_iter().collect(), diagnostics)
}

fn walk(
    dir: &Path,
    files: &dyn Files,
    depth: usize,
    directories: &mut usize,
    found: &mut BTreeSet<Found>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    *directories += 1;
    if *directories > MOST_DIRECTORIES {
        return;
    }
    if depth > DEEPEST {
        diagnostics.push(Diagnostic::new(Location::file(dir), "too deep: what is below was not looked at"));
        return;
    }
    let mut here = Vec::new();
    for path in files.list(dir) {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        // A listing of `.` gives `./x`: the user would type `x`.
        let shown = path.strip_prefix(".").unwrap_or(&path).to_owned();
        if files.is_dir(&path) {
            if !name.starts_with('.') && !SKIPPED.contains(&name) && !files.is_link(&path) {
                walk(&path, files, depth + 1, directories, found, diagnostics);
            }
        } else if let Some(kind) = Kind::of(&path)
            && files.is_file(&path)
        {
            here.push(Found { path: shown, kind });
        }
    }
    // A manifest whose lockfile stands beside it, or above it in its workspace, is judged by the lockfile.
    let locked = |manifest: Kind| {
        let locks: &[Kind] = match manifest {
            Kind::CargoManifest => &[Kind::CargoLock],
            Kind::PackageManifest => &[Kind::PackageLock, Kind::PnpmLock, Kind::YarnLock, Kind::BunLock],
            Kind::Pyproject => &[Kind::UvLock, Kind::PoetryLock, Kind::PdmLock, Kind::Pylock, Kind::PipfileLock],
            _ => return false,
        };
        let names: &[&str] = match manifest {
            Kind::CargoManifest => &["Cargo.lock"],
            Kind::PackageManifest => {
                &["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb"]
            }
            _ => &["uv.lock"],
        };
        here.iter().any(|f| locks.contains(&f.kind))
            || dir.ancestors().skip(1).take(depth).any(|above| names.iter().any(|n| files.is_file(&above.join(n))))
    };
    let kept: Vec<Found> = here.iter().filter(|f| f.kind.is_lock() || !locked(f.kind)).cloned().collect();
    found.extend(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;

    fn found(paths: &[&str], roots: &[&str]) -> Vec<String> {
        let files: MemoryFiles = paths.iter().map(|p| (PathBuf::from(p), Vec::new())).collect();
        let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
        discover(&roots, &files).0.into_iter().map(|f| f.path.display().to_string()).collect()
    }

    #[test]
    fn a_lockfile_speaks_for_its_manifest() {
        let tree = [
            "/p/Cargo.toml",
            "/p/Cargo.lock",
            "/p/crates/a/Cargo.toml",
            "/p/web/package.json",
            "/p/web/yarn.lock",
            "/p/tools/package.json",
            "/p/requirements/dev.txt",
            "/p/notes.txt",
            "/p/node_modules/x/package.json",
            "/p/.git/package.json",
            "/p/api/pyproject.toml",
            "/p/api/uv.lock",
        ];
        assert_eq!(
            found(&tree, &["/p"]),
            ["/p/Cargo.lock", "/p/api/uv.lock", "/p/requirements/dev.txt", "/p/tools/package.json", "/p/web/yarn.lock"]
        );
    }

    #[test]
    fn a_named_file_is_taken_by_how_its_name_ends() {
        assert_eq!(Kind::of(Path::new("rustsec-421.Cargo.lock")), Some(Kind::CargoLock));
        assert_eq!(Kind::of(Path::new("pip-100.requirements.txt")), Some(Kind::Requirements));
        assert_eq!(Kind::of(Path::new("notCargo.lock")), None);
        let (_, diagnostics) = discover(&[PathBuf::from("/nowhere")], &MemoryFiles::default());
        assert_eq!(diagnostics.len(), 1);
    }
}
