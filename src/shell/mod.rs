//! A command line's text → simple commands with words, each with its directory, variables and input.
//!
//! In: text as a POSIX shell or bash would read it. Out: every simple command that it could run, wherever it stands
//! (lists, pipelines, loops, functions, substitutions), and where and why the reading stopped. A word that only the
//! shell can know has no text. Total, and capped in size, depth and steps. Nothing is run; a file is read only where
//! the text runs it in its own shell (`source`), through the [`Reader`] that the caller gives.
//! The grammar is that of POSIX.1-2024 "Shell Command Language" with bash's additions.

mod builtins;
mod expand;
mod output;
mod parse;
mod state;
mod syntax;
mod walk;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

pub use state::{Content, Variable, Variables, Written, joined, place};

/// Longer texts are not read: one [`Opaque`].
pub const MAX_TEXT: usize = 1024 * 1024;
/// Constructs within constructs deeper than this are not read.
pub const MAX_DEPTH: usize = 64;
/// More commands than this in one typed line are not followed: nobody types so many.
pub const MOST_TYPED: usize = 8192;
/// Steps that one reading may take: commands, words, copies. The deadline, counted instead of timed.
pub const MAX_STEPS: u32 = 400_000;

/// A stretch of the text: byte offsets. Commands that come out of `eval`, an alias or backquotes have the span of the
/// word that held them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a text holds.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Simple commands in the order in which they were met. A loop over a short list has its commands once a turn.
    pub commands: Vec<SimpleCommand>,
    /// What could not be read. Not empty → the text may do more than [`Script::commands`] say.
    pub opaque: Vec<Opaque>,
    /// Files that the text runs in its own shell. Spans from [`Sourced::start`] on are places in them.
    pub sourced: Vec<Sourced>,
    /// Redirections that stand with no command of [`Script::commands`]: of compound commands, of functions and builtins
    /// that were followed, of nothing at all.
    pub redirected: Vec<Redirected>,
    /// Names of the variables that the text sets for the shell itself, exported or not.
    pub assigned: BTreeSet<String>,
}

/// A file that was read as part of a text.
#[derive(Debug, Clone)]
pub struct Sourced {
    /// Where its first byte stands in the spans.
    pub start: usize,
    /// Its path, as [`place`] gives it.
    pub path: String,
    /// What it holds.
    pub text: Rc<str>,
}

/// Files of the disk, by their [`place`] from where the text starts. `None`: not there, or not to be read.
pub trait Reader {
    /// The text of a file.
    fn text(&self, place: &str) -> Option<Rc<str>>;
    /// Whether there is certainly no file at that place.
    fn absent(&self, place: &str) -> bool;
    /// What a pattern names in a directory, in the order of the shell and by the names that the pattern would put there.
    /// `None`: that is too much to look for.
    fn matching(&self, directory: &str, pattern: &str) -> Option<Vec<String>>;
    /// The top of the repository that a directory belongs to.
    fn repository(&self, directory: &str) -> Option<String>;
}

/// A stretch that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// Why, for people: a lower-case fragment.
    pub reason: String,
    /// Where.
    pub span: Span,
}

/// A word after all expansions that can be done ahead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// What it is, when that is known before it runs. `~` stands as it is written.
    pub text: Option<String>,
    /// As it is written; the text itself when it came out of an expansion.
    pub raw: String,
    /// Of a word without text: what certainly ends it (`/bin/tool` of `"$HOME"/bin/tool`).
    pub tail: String,
    /// Of a word without text: the word as shell text in which what is not known stands as `${NAME}`. Absent when what
    /// is not known could be anything, code included (`$(curl …)`).
    pub template: Option<String>,
    /// Of a word without text: what it would be if no file had such a name, where signs for file names are all that is not
    /// known of it.
    pub pattern: Option<String>,
    /// Signs in it make it a pattern, which names a file or stands for itself (`set[u]p.sh`, `> *.log`). Its text is the
    /// latter; of an argument with a [`Reader`] at hand, only where a file has that name.
    pub bracket: bool,
    /// Where.
    pub span: Span,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// `>`, `>>`, `<`, `<<`, …
    pub operator: &'static str,
    /// The word after it; of a here-document, its body.
    pub target: Word,
}

/// A redirection without a simple command of its own: `> f`, `{ …; } > f`, `exec 3> f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirected {
    /// The redirection.
    pub redirection: Redirection,
    /// Where it is made.
    pub directory: Directory,
}

/// A variable set in front of a command: `A=b cmd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Word,
}

/// Where a command works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directory {
    /// As `cd` was given it, relative to where the text starts, which is the empty string.
    Known(String),
    /// Not known ahead, and why.
    Unknown(String),
}

/// What a command reads on its standard input, or writes on its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// That of the shell itself.
    Inherited,
    /// This text.
    Text(Rc<str>),
    /// A file of the disk.
    File,
    /// What cannot be known ahead: the program or construct that writes it.
    Unknown(String),
}

/// Where in the text's structure a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// Its place in a pipeline of several, from 0.
    pub pipeline: Option<u32>,
    /// In `( … )`, `$( … )` or the background: what it sets is gone afterwards.
    pub subshell: bool,
    /// It may not run, or run more than once.
    pub conditional: bool,
    /// In a function's body.
    pub function: bool,
}

/// A simple command.
#[derive(Debug, Clone)]
pub struct SimpleCommand {
    /// Program and arguments; not empty.
    pub words: Vec<Word>,
    /// Variables set for it alone.
    pub assignments: Vec<Assignment>,
    /// Variables set earlier in the text.
    pub variables: Rc<Variables>,
    /// Where it works.
    pub directory: Directory,
    /// Its redirections, in order.
    pub redirections: Vec<Redirection>,
    /// What it reads.
    pub input: Stream,
    /// Files that the text wrote before.
    pub written: Rc<Written>,
    /// What was done before that may change what it means: `source FILE`.
    pub doubts: Rc<Vec<Opaque>>,
    /// Where it stands.
    pub origin: Origin,
    /// Where.
    pub span: Span,
}

/// What surrounds a text.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The absolute directory in which the text starts.
    pub start: Option<String>,
    /// `$0`, when it is known.
    pub program: Option<String>,
    /// `$1`, `$2`, …, when they are known.
    pub positional: Option<Vec<String>>,
    /// Variables with known values.
    pub variables: Vec<(String, String)>,
    /// What the text's commands read.
    pub input: Option<Stream>,
    /// Files that were written before.
    pub written: Rc<Written>,
    /// How many commands are listed at most, where the steps are not the only bound.
    pub most: Option<usize>,
}

impl Surroundings {
    /// Whether a text reads the same in both.
    fn is(&self, other: &Self) -> bool {
        let input = |around: &Self| around.input.clone().unwrap_or(Stream::Inherited);
        self.start == other.start
            && self.program == other.program
            && self.positional == other.positional
            && self.variables == other.variables
            && input(self) == input(other)
            && self.written == other.written
            && self.most == other.most
    }
}

/// Reads a text. `steps` is what may still be spent, and is less afterwards: nested texts share it.
pub fn read(text: &str, around: &Surroundings, steps: &Cell<u32>) -> Script {
    read_with(text, around, steps, None)
}

/// [`read`], with the files that the text runs in its own shell.
pub fn read_with(text: &str, around: &Surroundings, steps: &Cell<u32>, files: Option<&dyn Reader>) -> Script {
    // What there are no steps for is not taken apart either: the reading says so.
    let affordable = text.len() / 16 <= steps.get() as usize;
    let parsed = if affordable { Parsed::new(text) } else { Some(Parsed::unread(text)) };
    match parsed {
        Some(parsed) => walk::follow(&parsed, around, steps, files).0,
        None => {
            let span = Span { start: 0, end: text.len() };
            let opaque = vec![Opaque { reason: "the script is too long to read".to_owned(), span }];
            Script { opaque, ..Script::default() }
        }
    }
}

/// A text whose grammar was read, to be followed with one set of surroundings or several: a long line is taken apart once.
#[derive(Debug)]
pub struct Parsed {
    text: Rc<str>,
    list: syntax::List,
    beyond: Option<(&'static str, Span)>,
    last: RefCell<Option<Last>>,
}

/// How a text was followed last, where no file had a say in it: with the same surroundings it reads the same.
#[derive(Debug)]
struct Last {
    around: Surroundings,
    /// The steps that there were, and that were left.
    steps: (u32, u32),
    script: Rc<Script>,
}

impl Parsed {
    /// Reads the grammar of a text; `None` when it is too long to be read.
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (list, beyond) = parse::text(text, parse::Offsets::From(0), 0);
        Some(Self { text: Rc::from(text), list, beyond, last: RefCell::default() })
    }

    fn unread(text: &str) -> Self {
        Self { text: Rc::from(text), list: syntax::List::default(), beyond: None, last: RefCell::default() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// [`read_with`] of the text.
    pub fn follow(&self, around: &Surroundings, steps: &Cell<u32>, files: Option<&dyn Reader>) -> Rc<Script> {
        let before = steps.get();
        if let Some(last) = self.last.borrow().as_ref().filter(|l| l.steps.0 == before && l.around.is(around)) {
            steps.set(last.steps.1);
            return Rc::clone(&last.script);
        }
        let (script, told) = walk::follow(self, around, steps, files);
        let script = Rc::new(script);
        if !told {
            let last = Last { around: around.clone(), steps: (before, steps.get()), script: Rc::clone(&script) };
            self.last.replace(Some(last));
        }
        script
    }
}

/// The words of a text that is one simple command without anything that only a shell can know; `None` when it is more.
pub fn plain_words(text: &str) -> Option<Vec<String>> {
    words_of_one(read(text, &Surroundings::default(), &Cell::new(MAX_STEPS)))
}

/// [`plain_words`] of a text as it would be typed: also `None` when the shell itself acts on it (`source FILE`), or puts
/// the name of a file in the place of a word.
pub fn typed_words(text: &str, files: &dyn Reader) -> Option<Vec<String>> {
    let script = read_with(text, &Surroundings::default(), &Cell::new(MAX_STEPS), Some(files));
    let own = |c: &SimpleCommand| c.words.first().and_then(|w| w.text.as_deref()).is_some_and(builtins::is_prefix);
    let of_shell = |w: &Word| w.bracket || w.raw.starts_with("~+") || w.raw.starts_with("~-");
    let named = |c: &SimpleCommand| c.words.iter().any(of_shell);
    if !script.sourced.is_empty() || script.commands.iter().any(|c| own(c) || named(c)) {
        return None;
    }
    words_of_one(script)
}

fn words_of_one(mut script: Script) -> Option<Vec<String>> {
    if !script.opaque.is_empty() || script.commands.len() > 1 {
        return None;
    }
    let Some(command) = script.commands.pop() else { return Some(Vec::new()) };
    if !command.assignments.is_empty() || !command.redirections.is_empty() {
        return None;
    }
    command.words.into_iter().map(|w| w.text).collect()
}

#[cfg(test)]
mod tests;
