//! The git remotes of a working directory: the hosts and repositories that its owner already works with.
//!
//! In: the disk. Out: URLs, as `.git/config` has them. Nothing is run.

use std::path::{Path, PathBuf};

use crate::model::{Environment, Files};

/// The URLs of the remotes of the repository around the working directory.
pub fn of(environment: &Environment, files: &dyn Files) -> Vec<String> {
    let mut out = Vec::new();
    for directory in environment.cwd.ancestors().take(24) {
        let here = directory.join(".git");
        let config = if files.is_dir(&here) {
            Some(here.join("config"))
        } else {
            // A worktree's or a submodule's `.git` names where the rest is.
            files.read_text(&here).ok().and_then(|text| linked(directory, &text))
        };
        if let Some(text) = config.and_then(|path| files.read_text(&path).ok()) {
            out.extend(urls(&text));
            break;
        }
    }
    out
}

/// The root of the repository around the working directory, or the working directory itself.
pub fn root(environment: &Environment, files: &dyn Files) -> PathBuf {
    let holds = |directory: &&Path| files.is_dir(&directory.join(".git")) || files.is_file(&directory.join(".git"));
    environment.cwd.ancestors().take(24).find(holds).unwrap_or(&environment.cwd).to_owned()
}

fn linked(directory: &Path, text: &str) -> Option<PathBuf> {
    let path = directory.join(text.strip_prefix("gitdir:")?.trim());
    // `…/.git/worktrees/NAME`: its remotes stand in the repository's own file.
    let common = path.ancestors().find(|p| p.file_name().is_some_and(|n| n == ".git"));
    Some(common.map_or_else(|| path.join("config"), |git| git.join("config")))
}

fn urls(text: &str) -> Vec<String> {
    let mut remote = false;
    let mut out = Vec::new();
    for line in text.lines().map(str::trim).take(5000) {
        if line.starts_with('[') {
            remote = line.starts_with("[remote ");
        } else if let (true, Some((key, value))) = (remote, line.split_once('='))
            && matches!(key.trim(), "url" | "pushurl")
        {
            out.push(value.trim().to_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemoryFiles, Timestamp};

    #[test]
    fn remotes_are_read_here_and_from_a_worktree() {
        let config = "[core]\n\turl = no\n[remote \"origin\"]\n\turl = git@github.com:acme/x.git\n\tfetch = +refs\n";
        let files: MemoryFiles =
            [("/r/.git/config", config), ("/w/.git", "gitdir: /r/.git/worktrees/w\n"), ("/n/x", "")]
                .into_iter()
                .collect();
        let at = |cwd: &str| Environment {
            variables: Default::default(),
            cwd: cwd.into(),
            home: None,
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        assert_eq!(of(&at("/r/sub/deep"), &files), ["git@github.com:acme/x.git"]);
        assert_eq!(of(&at("/w"), &files), ["git@github.com:acme/x.git"]);
        assert!(of(&at("/n"), &files).is_empty());
    }
}
