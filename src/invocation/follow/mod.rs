//! Into files: what a command runs that stands in a script, a makefile, a justfile or a manifest of the project.
//!
//! In: a [`Context`] with a [`Follow`], the caller's files. Out: the invocations inside, each at its file and line, and
//! the shell texts in which they stand. Files are read, never run. What is read is capped in number and size, a file
//! that leads back to itself is followed once, and all of it shares the steps of the shell text that started it.

mod just;
pub(super) mod make;
mod makefile;
pub(super) mod manifest;
pub(super) mod program;
pub(super) mod python;
mod tox;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::engine::{Word, opaque};
use super::reading::{self, Context, unknown};
use super::{FollowedText, Invocation, Tool, script};
use crate::model::{Environment, FileError, Files, Location, Place};
use crate::shell::{self, Directory};

/// A file longer than this is not followed, in bytes: nobody writes so long a script by hand.
const LONGEST: usize = 512 * 1024;
/// All files together, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Files and targets within each other.
const DEEPEST: usize = 24;
/// Directories in which names are looked for by a pattern.
const MOST_LISTED: usize = 512;
/// Texts that are handed on.
const MOST_TEXTS: usize = 512;

/// The files into which commands are followed.
pub(super) struct Follow<'a> {
    environment: &'a Environment,
    files: &'a dyn Files,
    bytes: Cell<usize>,
    /// Directories that may still be listed.
    lists: Cell<usize>,
    /// What is being followed: files, targets, scripts.
    open: RefCell<Vec<String>>,
    texts: RefCell<Vec<FollowedText>>,
}

/// What a file is to those who would follow it.
pub(super) enum Content {
    Text(Rc<str>),
    /// There is none.
    Absent,
    /// A program, a picture: nothing to read as text.
    Binary,
    /// Why it cannot be read.
    Unreadable(String),
    /// There is no file, but a pipe or a device; why it cannot be read.
    Stream(String),
}

impl<'a> Follow<'a> {
    pub fn new(environment: &'a Environment, files: &'a dyn Files) -> Self {
        let (bytes, lists) = (Cell::new(0), Cell::new(MOST_LISTED));
        Self { environment, files, bytes, lists, open: RefCell::default(), texts: RefCell::default() }
    }

    /// The shell texts that were followed.
    pub fn texts(self) -> Vec<FollowedText> {
        self.texts.into_inner()
    }

    /// The files themselves.
    pub fn files(&self) -> &dyn Files {
        self.files
    }

    /// A path of a command that works in a directory.
    pub fn path(&self, directory: Option<&str>, path: &str) -> PathBuf {
        let joined = super::engine::joined(directory, path);
        self.environment.absolute(&self.environment.at_home(&joined))
    }

    /// The path as the user would type it.
    pub fn shown(&self, directory: Option<&str>, path: &str) -> PathBuf {
        self.display(&self.path(directory, path))
    }

    fn display(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.environment.cwd).map_or_else(|_| path.to_owned(), Path::to_owned)
    }

    /// What a file holds.
    pub fn read(&self, path: &Path) -> Content {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => return Content::Absent,
            Err(_) if self.files.is_dir(path) => return Content::Absent,
            Err(_) if path == Path::new("/dev/null") => return Content::Text(Rc::from("")),
            // A pipe and a device hold what somebody writes, and reading could wait for ever.
            Err(error) if !self.files.is_file(path) => return Content::Stream(error.to_string()),
            Err(error) => return Content::Unreadable(error.to_string()),
        };
        if bytes.iter().take(8192).any(|b| *b == 0) {
            return Content::Binary;
        }
        let before = self.bytes.get();
        if bytes.len() > LONGEST || before + bytes.len() > MOST_BYTES {
            return Content::Unreadable("longer than is followed".to_owned());
        }
        self.bytes.set(before + bytes.len());
        let text = String::from_utf8_lossy(&bytes);
        // A carriage return before a line end is what Windows adds.
        Content::Text(Rc::from(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n")))
    }

    /// A reader of what shell text runs in its own shell.
    pub fn reader(&self, directory: Option<&str>) -> Disk<'_> {
        Disk { files: self.files, follow: self, directory: directory.map(str::to_owned) }
    }

    /// Begins to follow something; [`Follow::leave`] ends it.
    fn enter(&self, key: &str) -> Entered {
        let mut open = self.open.borrow_mut();
        if open.iter().any(|k| k == key) {
            return Entered::Already;
        }
        if open.len() >= DEEPEST {
            return Entered::TooDeep;
        }
        open.push(key.to_owned());
        Entered::Now
    }

    fn leave(&self) {
        self.open.borrow_mut().pop();
    }

    fn note(&self, text: &str, directory: Option<&str>, location: Location) {
        let mut texts = self.texts.borrow_mut();
        if texts.len() < MOST_TEXTS && !text.trim().is_empty() {
            texts.push(FollowedText { text: text.to_owned(), directory: directory.map(str::to_owned), location });
        }
    }
}

/// Whether something is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    Now,
    /// It leads to itself.
    Already,
    /// It is not, and nobody knows what it does: a doubt.
    TooDeep,
}

const TOO_DEEP: &str = "what starts one another so deep is not followed";

/// Files from where a shell text starts.
pub(super) struct Disk<'a> {
    files: &'a dyn Files,
    follow: &'a Follow<'a>,
    directory: Option<String>,
}

impl shell::Reader for Disk<'_> {
    fn text(&self, place: &str) -> Option<Rc<str>> {
        match self.follow.read(&self.follow.path(self.directory.as_deref(), place)) {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    fn absent(&self, place: &str) -> bool {
        matches!(self.files.read(&self.follow.path(self.directory.as_deref(), place)), Err(FileError::NotFound))
    }

    fn matching(&self, directory: &str, pattern: &str) -> Option<Vec<String>> {
        let base = super::engine::joined(self.directory.as_deref(), directory);
        let root = pattern.len() - pattern.trim_start_matches('/').len();
        let mut found = vec![pattern.get(..root)?.to_owned()];
        for part in pattern.get(root..)?.split('/') {
            let signs = part.contains(['*', '?', '[']);
            let mut next = Vec::new();
            for before in found {
                if !signs {
                    next.push(format!("{before}{part}/"));
                    continue;
                }
                self.follow.lists.set(self.follow.lists.get().checked_sub(1)?);
                let names = self.files.list(&self.follow.path(Some(&base), &before));
                let names = names.iter().filter_map(|path| path.file_name()?.to_str());
                next.extend(names.filter(|name| names_it(part, name)).map(|name| format!("{before}{name}/")));
            }
            found = next;
        }
        let there = |path: &String| self.files.exists(&self.follow.path(Some(&base), path));
        Some(found.into_iter().map(|path| path.trim_end_matches('/').to_owned()).filter(there).collect())
    }

    fn repository(&self, directory: &str) -> Option<String> {
        let path = self.follow.path(self.directory.as_deref(), directory);
        let top = path.ancestors().find(|above| self.files.exists(&above.join(".git")))?;
        top.to_str().map(str::to_owned)
    }
}

/// Whether a part of a pattern without `/` names a file, as a shell compares them.
fn names_it(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    // Braces were taken apart before, and are letters here.
    let escaped = pattern.replace('\\', "\\\\").replace('{', "\\{").replace('}', "\\}");
    let built = globset::GlobBuilder::new(&escaped).backslash_escape(true).build();
    built.is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// A place in a file that is being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    path: Arc<Path>,
    line: u32,
    /// The line of everything inside, however many lines that has.
    fixed: bool,
}

impl Origin {
    /// A file from its first line on.
    pub fn whole(path: PathBuf) -> Self {
        Self { path: Arc::from(path), line: 1, fixed: false }
    }

    /// A file as such.
    pub fn file(path: PathBuf) -> Self {
        Self { path: Arc::from(path), line: 0, fixed: true }
    }

    /// A text that begins in this line, and has the file's line ends.
    pub fn from(path: &Arc<Path>, line: u32) -> Self {
        Self { path: Arc::clone(path), line, fixed: false }
    }

    /// The place of a line of the text.
    pub fn at(&self, line: u32) -> Self {
        let line = if self.fixed { self.line } else { self.line.saturating_add(line.saturating_sub(1)) };
        Self { path: Arc::clone(&self.path), line, fixed: true }
    }

    fn location(&self) -> Location {
        Location { place: Place::File(Arc::clone(&self.path)), line: self.line, column: 0 }
    }
}

/// Gives everything that was found since `before` the place in which it stands.
pub(super) fn moved(out: &mut [Invocation], before: usize, origin: Option<&Origin>) {
    let Some(origin) = origin else { return };
    let place = |location: &mut Location| {
        if location.place == Place::Argv {
            *location = origin.location();
        }
    };
    for invocation in out.iter_mut().skip(before) {
        invocation.requests.iter_mut().for_each(|r| place(&mut r.location));
        invocation.files.iter_mut().for_each(|f| place(&mut f.location));
        invocation.flags.iter_mut().for_each(|f| place(&mut f.location));
        invocation.opaque.iter_mut().for_each(|o| place(&mut o.location));
    }
}

/// Shell text in a file, as the command `wrapper` runs it.
fn text(
    context: &Context<'_>,
    wrapper: &str,
    text: &str,
    positional: Option<Vec<String>>,
    origin: Origin,
    out: &mut Vec<Invocation>,
) {
    if let Some(follow) = context.follow {
        follow.note(text, context.directory.as_deref(), origin.location());
    }
    let program = context.program.clone().filter(|program| program == wrapper);
    let inner = Context { origin: Some(origin), open: false, program, ..context.inside(wrapper) };
    script::read(&inner, text, positional, 0, out);
}

/// A doubt about a line of a file.
fn doubt(context: &Context<'_>, program: &str, origin: &Origin, reason: String, out: &mut Vec<Invocation>) {
    let before = out.len();
    out.push(unknown(context, Tool::Other, program, opaque(0, reason)));
    moved(out, before, Some(origin));
}

/// A command found in a file that is no shell text.
fn words(context: &Context<'_>, wrapper: &str, words: &[Word], origin: &Origin, out: &mut Vec<Invocation>) {
    let before = out.len();
    reading::read(&Context { origin: Some(origin.clone()), ..context.inside(wrapper) }, words, out);
    moved(out, before, Some(origin));
}

/// What an earlier command of the same text leaves in a file; `None`: what the disk has.
fn written(context: &Context<'_>, path: &str) -> Option<shell::Content> {
    let directory = Directory::Known(context.directory.clone().unwrap_or_default());
    context.written.get(&shell::place(&directory, path)).cloned()
}

/// A file's path and text, or why it has none.
type Found = (Arc<Path>, Result<Rc<str>, String>);

/// The file of these names that a tool would read in its directory, as it will be then: its path and text. `Err` is
/// why it cannot be told.
fn tool_file(context: &Context<'_>, names: &[&str]) -> Option<Found> {
    let follow = context.follow?;
    let directory = context.directory.as_deref();
    for name in names {
        let shown: Arc<Path> = Arc::from(follow.shown(directory, name));
        match written(context, name) {
            Some(shell::Content::Text(text)) => return Some((shown, Ok(text))),
            Some(shell::Content::Made) => {
                return Some((shown, Err(format!("an earlier command writes `{name}`"))));
            }
            _ => {}
        }
        match follow.read(&follow.path(directory, name)) {
            Content::Text(text) => return Some((shown, Ok(text))),
            Content::Unreadable(why) | Content::Stream(why) => return Some((shown, Err(why))),
            Content::Absent | Content::Binary => {}
        }
    }
    None
}

/// Programs that run what stands in files of the project; `false` for any other.
pub(super) fn by_name(
    context: &Context<'_>,
    name: &str,
    first: &Word,
    rest: &[Word],
    out: &mut Vec<Invocation>,
) -> bool {
    if context.follow.is_none() {
        return false;
    }
    match name {
        "make" | "gmake" => make::run(context, first, rest, out),
        "just" => just::run(context, rest, out),
        "tox" => tox::tox(context, rest, out),
        "nox" => tox::nox(context, rest, out),
        "run-s" | "run-p" | "npm-run-all" | "npm-run-all2" => manifest::several(context, rest, out),
        "concurrently" => manifest::concurrently(context, rest, out),
        _ => return false,
    }
    true
}
