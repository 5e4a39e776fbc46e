//! The files beside a command, where the words alone leave open what it does: is `bun x` a script of the project or a
//! file, is there a node_modules folder, what does `yarn init` begin with.
//!
//! In: a [`Context`] that may read files, and the command's directory. Out: what lies there and above, as it will be
//! when the command runs; no answer where that is not known.

use std::path::{Path, PathBuf};

use super::reading::Context;
use crate::model::{Environment, Files, lexical};
use crate::shell;

/// Directories above the command's in which something is looked for.
const HIGHEST: usize = 64;
/// A file longer than this is not read, in bytes.
const LONGEST: usize = 4 << 20;

/// A directory that a command works in.
pub(super) struct Beside<'c> {
    pub files: &'c dyn Files,
    environment: &'c Environment,
    pub directory: PathBuf,
}

impl<'c> Beside<'c> {
    /// `None` where no files may be read, and where an earlier command of the same text may change what they hold.
    pub fn of(context: &Context<'c>, directory: Option<&str>) -> Option<Self> {
        let files = context.files?;
        let settled = context.written.values().all(|content| matches!(content, shell::Content::Directory));
        if context.lost || !settled {
            return None;
        }
        let environment = context.environment;
        let directory = environment.at_home(directory.unwrap_or_default());
        Some(Self { files, environment, directory: environment.absolute(&directory) })
    }

    /// A path as the command would take it.
    pub fn path(&self, path: &str) -> PathBuf {
        lexical(&self.directory.join(path))
    }

    /// Where PATH has a program of this name, in its order.
    pub fn on_path(&self, context: &Context<'_>, name: &str) -> Vec<PathBuf> {
        let path = variable(context, "PATH").unwrap_or_default();
        let separator = if self.environment.os == "windows" { ';' } else { ':' };
        let all = path.split(separator).filter(|d| !d.is_empty()).map(|d| self.path(d).join(name));
        all.filter(|program| self.files.is_file(program)).collect()
    }

    /// The directory and those above it, nearest first.
    pub fn above(&self) -> impl Iterator<Item = &Path> {
        self.directory.ancestors().take(HIGHEST)
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<&Path> {
        self.environment.home.as_deref()
    }

    /// A file's text; `Err` when there is one that cannot be read.
    pub fn text(&self, path: &Path) -> Result<Option<String>, ()> {
        if !self.files.is_file(path) {
            return Ok(None);
        }
        self.files.read_text(path).ok().filter(|text| text.len() <= LONGEST).map(Some).ok_or(())
    }

    /// The nearest package.json: its directory and text. `Err` when there is one that cannot be read.
    pub fn manifest(&self) -> Result<Option<(&Path, serde_json::Value)>, ()> {
        let Some(directory) = self.above().find(|d| self.files.is_file(&d.join("package.json"))) else {
            return Ok(None);
        };
        let Some(text) = self.text(&directory.join("package.json"))? else { return Ok(None) };
        Ok(Some((directory, serde_json::from_str(&text).map_err(drop)?)))
    }
}

/// The variable's value as the command would see it, unless it is empty.
pub(super) fn variable(context: &Context<'_>, name: &str) -> Option<String> {
    let set = context.variables().filter(|v| v.name == name && !v.value.is_empty());
    set.last().map(|v| v.value.to_owned())
}
