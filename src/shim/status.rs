//! Whether the links are what a command would hit. In: PATH, the directory of links. Out: one row a tool.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::links::{Link, Links, found};
use super::locate::Search;

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What is wrong, or nothing.
    pub state: State,
    /// The real tool, when there is one.
    pub real: Option<PathBuf>,
}

/// What a command of this name would hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Our link.
    Covered,
    /// Another program, which stands in front of the link.
    Behind {
        /// What stands in front.
        program: PathBuf,
        /// Whose it is: `an activated virtual environment`.
        whose: &'static str,
    },
    /// There is a link, and its directory is not on PATH.
    NotOnPath,
    /// There is no link.
    NoLink,
    /// The link leads to another program of this one's name.
    Other {
        /// What a command of this name would start.
        program: PathBuf,
    },
    /// The link leads nowhere: commands of this name fail or hit the next program on PATH.
    Broken,
    /// A file of someone else's has the link's name.
    Foreign,
}

/// One row for every tool that PATH has and every link that there is.
pub fn rows(links: &Links, search: &Search) -> Vec<Row> {
    let mut names = found(search);
    names.extend(links.names());
    names.sort();
    names.dedup();
    names.into_iter().map(|name| row(name, links, search)).collect()
}

fn row(name: String, links: &Links, search: &Search) -> Row {
    let real = search.locate(name.as_ref());
    let first = search.candidates(OsStr::new(&name)).into_iter().next();
    let link = links.path(&name);
    let state = match (links.state(&name, &search.own), first) {
        (Link::Broken, _) => State::Broken,
        (Link::Foreign, _) => State::Foreign,
        (Link::Other, _) => State::Other { program: link.canonicalize().unwrap_or(link) },
        (Link::Missing, Some(first)) if search.own.same(&first) => State::Covered,
        (Link::Missing, _) => State::NoLink,
        (Link::Right, Some(first)) if first == link || search.own.same(&first) => State::Covered,
        (Link::Right, _) if !on_path(&links.directory, search) => State::NotOnPath,
        (Link::Right, Some(program)) => {
            let whose = whose(&program);
            State::Behind { program, whose }
        }
        (Link::Right, None) => State::NotOnPath,
    };
    Row { name, state, real }
}

/// Whether a directory is an entry of PATH, by any spelling.
pub fn on_path(directory: &Path, search: &Search) -> bool {
    let canonical = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_owned());
    let wanted = canonical(directory);
    let path = search.path.clone().unwrap_or_default();
    std::env::split_paths(&path).any(|entry| canonical(&search.cwd.join(entry)) == wanted)
}

/// Directories of version managers: a part of the path, and whose it is.
const PLACES: &[(&str, &str)] = &[
    (".pyenv/", "pyenv"),
    ("/pyenv/", "pyenv"),
    (".asdf/", "asdf"),
    (".nvm/", "nvm"),
    ("/nvm/", "nvm"),
    (".volta/", "volta"),
    ("/mise/", "mise"),
    (".nodenv/", "nodenv"),
    ("/fnm", "fnm"),
    (".proto/", "proto"),
    (".cargo/bin/", "rustup"),
    (".rye/", "rye"),
    ("conda", "conda"),
    ("/homebrew/", "Homebrew"),
    ("linuxbrew/", "Homebrew"),
    ("/Cellar/", "Homebrew"),
    ("node_modules/.bin/", "the project's node_modules"),
];

/// Whose a program is, as far as its path tells.
pub fn whose(program: &Path) -> &'static str {
    let venv = program.parent().and_then(Path::parent).is_some_and(|root| root.join("pyvenv.cfg").is_file());
    if venv {
        return "an activated virtual environment";
    }
    let text = program.to_string_lossy().replace('\\', "/");
    PLACES.iter().find(|(part, _)| text.contains(part)).map_or("a directory before the shims", |(_, whose)| whose)
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::{State, rows};
    use crate::shim::links::Links;
    use crate::shim::locate::Search;
    use crate::toolchain::own::Own;

    #[test]
    fn what_stands_in_front_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["usr/pip", "usr/npm", "usr/cargo", "venv/bin/pip", "tidewaiter"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(at("tidewaiter"), "#!/bin/sh\n# the engine: nothing else has its bytes\n").unwrap();
        std::fs::write(at("venv/pyvenv.cfg"), "").unwrap();
        let own = Own::of(&at("tidewaiter"));
        let links = Links { directory: at("shims"), note: String::new() };
        links.install(&at("tidewaiter"), &["pip".to_owned(), "npm".to_owned()], &own).unwrap();
        std::os::unix::fs::symlink("/gone/tidewaiter", at("shims/uv")).unwrap();
        std::fs::create_dir(at("other")).unwrap();
        std::fs::copy(at("usr/npm"), at("other/tidewaiter")).unwrap();
        std::os::unix::fs::symlink(at("other/tidewaiter"), at("shims/pnpm")).unwrap();
        let states = |path: &[&str]| {
            let path = std::env::join_paths(path.iter().map(|p| at(p))).unwrap();
            let search = Search { path: Some(path), cwd: at("."), own: own.clone(), passed: Vec::new() };
            rows(&links, &search).into_iter().map(|r| (r.name, r.state)).collect::<Vec<_>>()
        };
        let behind = State::Behind { program: at("venv/bin/pip"), whose: "an activated virtual environment" };
        let row = |name: &str, state: &State| (name.to_owned(), state.clone());
        assert_eq!(
            states(&["venv/bin", "shims", "usr"]),
            [
                row("cargo", &State::NoLink),
                row("npm", &State::Covered),
                row("pip", &behind),
                row("pnpm", &State::Other { program: at("other/tidewaiter").canonicalize().unwrap() }),
                row("uv", &State::Broken)
            ]
        );
        assert_eq!(states(&["usr"])[2], row("pip", &State::NotOnPath));
        assert_eq!(states(&["shims", "venv/bin"])[1], row("pip", &State::Covered));
    }
}
