//! The directory of links. In: where this program is, which tools there are. Out: what was made, kept, left alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::locate::Search;
use super::{NAMES, is_name};
use crate::toolchain::own::{MARKER, NAME, Own};

/// The directory of links.
#[derive(Debug, Clone)]
pub struct Links {
    /// Its path, absolute.
    pub directory: PathBuf,
    /// What its marker says beside that it is one, in lines.
    pub note: String,
}

/// What an installation did, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// New links, and links that led elsewhere before.
    pub made: Vec<String>,
    /// Links that were right already.
    pub kept: Vec<String>,
    /// Files of someone else's: left as they are.
    pub foreign: Vec<String>,
    /// Links for tools that are no longer there: taken away.
    pub removed: Vec<String>,
}

/// What a name in the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It leads to this program.
    Right,
    /// It leads to another program of this one's name: another build, or something in its place.
    Other,
    /// It leads nowhere: the program that it was made for is gone.
    Broken,
    /// It is not ours.
    Foreign,
    /// There is none.
    Missing,
}

impl Links {
    /// The user's own directory of links.
    pub fn of_user(data: &Path) -> Self {
        Self { directory: data.join("shims"), note: String::new() }
    }

    /// The same, whose marker has these lines.
    pub fn noting(self, note: String) -> Self {
        Self { note, ..self }
    }

    /// Where a name's link is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What a name is here.
    pub fn state(&self, name: &str, own: &Own) -> Link {
        let path = self.path(name);
        let Ok(metadata) = path.symlink_metadata() else { return Link::Missing };
        let target = std::fs::read_link(&path).ok();
        let ours = || target.as_ref().and_then(|t| t.file_stem()).is_some_and(|s| s == NAME);
        match own.same(&path) {
            true => Link::Right,
            false if !metadata.is_symlink() || !ours() => Link::Foreign,
            false if !path.exists() => Link::Broken,
            false => Link::Other,
        }
    }

    /// Every name that is here and of the kind that is ours, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.retain(|n| is_name(n));
        names.sort();
        names
    }

    /// Makes a link to `engine` for every name, and takes away our links of other names. Repeating it changes nothing.
    pub fn install(&self, engine: &Path, names: &[String], own: &Own) -> std::io::Result<Installed> {
        std::fs::create_dir_all(&self.directory)?;
        self.mark()?;
        let mut done = Installed::default();
        for name in names {
            let path = self.path(name);
            let right = || std::fs::read_link(&path).is_ok_and(|target| target == engine);
            match self.state(name, own) {
                Link::Foreign => done.foreign.push(name.clone()),
                Link::Right if right() => done.kept.push(name.clone()),
                _ => {
                    self.link(engine, name)?;
                    done.made.push(name.clone());
                }
            }
        }
        for name in self.names().into_iter().filter(|n| !names.contains(n)) {
            if self.state(&name, own) == Link::Foreign {
                done.foreign.push(name);
            } else {
                std::fs::remove_file(self.path(&name))?;
                done.removed.push(name);
            }
        }
        Ok(done)
    }

    /// Marks the directory, and notes whose it is: whoever is started through a link belongs there.
    fn mark(&self) -> std::io::Result<()> {
        let text = format!("Links made by `tidewaiter shim install`.\n{}", self.note);
        let marker = self.directory.join(MARKER);
        if std::fs::read(&marker).is_ok_and(|known| known == text.as_bytes()) {
            return Ok(());
        }
        let new = self.directory.join(format!("{MARKER}.{}", std::process::id()));
        std::fs::write(&new, text)?;
        std::fs::rename(&new, marker)
    }

    /// Takes our links away, and the directory when nothing else is in it.
    pub fn uninstall(&self, own: &Own) -> std::io::Result<Installed> {
        let mut done = Installed::default();
        for name in self.names() {
            if self.state(&name, own) == Link::Foreign {
                done.foreign.push(name);
            } else {
                std::fs::remove_file(self.path(&name))?;
                done.removed.push(name);
            }
        }
        if done.foreign.is_empty() {
            let _ = std::fs::remove_file(self.directory.join(MARKER));
            // Not empty, or not there: either is no failure of taking the links away.
            let _ = std::fs::remove_dir(&self.directory);
        }
        Ok(done)
    }

    /// A link is put in place by a rename: at no moment is there none.
    #[cfg(unix)]
    fn link(&self, engine: &Path, name: &str) -> std::io::Result<()> {
        let new = self.directory.join(format!(".{name}.{}", std::process::id()));
        let _ = std::fs::remove_file(&new);
        std::os::unix::fs::symlink(engine, &new)?;
        std::fs::rename(&new, self.path(name)).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })
    }

    #[cfg(not(unix))]
    fn link(&self, _: &Path, _: &str) -> std::io::Result<()> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "shims are not available on this system"))
    }
}

/// Every name for which PATH has a real tool: the known ones, and versioned ones by looking through PATH.
pub fn found(search: &Search) -> Vec<String> {
    let mut names: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).collect();
    let path = search.path.clone().unwrap_or_default();
    for dir in std::env::split_paths(&path).filter(|d| d.is_absolute()) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
        let versioned = entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| is_name(n));
        names.extend(versioned);
    }
    names.sort();
    names.dedup();
    // An entry of PATH that depends on the working directory gives a tool in one project only.
    let fixed = std::env::join_paths(std::env::split_paths(&path).filter(|d| d.is_absolute())).unwrap_or_default();
    let search = Search { path: Some(fixed), ..search.clone() };
    names.retain(|n| search.locate(n.as_ref()).is_some());
    names
}

/// The path that links should lead to: the name under which PATH has this program, which outlives an upgrade, else the
/// file itself.
pub fn engine(search: &Search) -> Option<PathBuf> {
    let word: OsString = NAME.into();
    let named = search.candidates(&word).into_iter().find(|p| search.own.same(p));
    named.or_else(|| search.own.path().map(Path::to_owned))
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::os::unix::fs::symlink;

    use super::{Installed, Link, Links};
    use crate::toolchain::own::Own;

    #[test]
    fn links_are_made_once_and_other_people_s_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("tidewaiter"), "engine").unwrap();
        let own = Own::of(&at("tidewaiter"));
        let links = Links { directory: at("shims"), note: "data=/d\n".to_owned() };
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let done = links.install(&at("tidewaiter"), &names(&["pip", "npm"]), &own).unwrap();
        assert_eq!(done, Installed { made: names(&["pip", "npm"]), ..Installed::default() });
        std::fs::write(at("shims/yarn"), "mine").unwrap();
        std::fs::write(at("shims/README"), "mine").unwrap();
        symlink("/gone/tidewaiter", at("shims/uv")).unwrap();
        symlink("/usr/bin/env", at("shims/cargo")).unwrap();
        std::fs::create_dir(at("elsewhere")).unwrap();
        std::fs::write(at("elsewhere/tidewaiter"), "another program").unwrap();
        symlink(at("elsewhere/tidewaiter"), at("shims/pnpm")).unwrap();
        assert_eq!(links.state("pnpm", &own), Link::Other);
        assert_eq!(links.state("uv", &own), Link::Broken);
        assert_eq!(links.state("cargo", &own), Link::Foreign);
        assert_eq!(links.state("bun", &own), Link::Missing);
        let done = links.install(&at("tidewaiter"), &names(&["pip", "uv", "yarn", "cargo", "pnpm"]), &own).unwrap();
        assert_eq!(done.made, ["uv", "pnpm"], "a broken link is mended, and one that leads to another program");
        assert_eq!(done.kept, ["pip"]);
        assert_eq!(done.foreign, ["yarn", "cargo"]);
        assert_eq!(done.removed, ["npm"], "its tool is gone");
        assert_eq!(std::fs::read_to_string(at("shims/yarn")).unwrap(), "mine");
        let done = links.uninstall(&own).unwrap();
        assert_eq!(done.removed, ["pip", "pnpm", "uv"]);
        assert!(at("shims/yarn").exists() && at("shims/README").exists() && at("shims/cargo").is_symlink());
        std::fs::remove_file(at("shims/yarn")).unwrap();
        std::fs::remove_file(at("shims/cargo")).unwrap();
        std::fs::remove_file(at("shims/README")).unwrap();
        links.uninstall(&own).unwrap();
        assert!(!at("shims").exists());
    }
}
