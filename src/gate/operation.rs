//! What a command or an edit does beside installing, as far as the gate's own rules look at it: programs that are run,
//! files that are written or taken away.
//!
//! In: shell text and the environment. Out: [`Operation`]s. Pure, and bounded like the reading of shell text. Programs
//! that write files are a table; what an unknown program does to the files it names is not guessed, but that it is given
//! one of the gate's own is told.

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::conduct::{self, Conduct};
use super::{Protected, launch, settings};
use crate::invocation::FollowedText;
use crate::invocation::wrappers::{self, SHELLS};
use crate::model::{Environment, Location, lexical};
use crate::shell::{self, Directory, Parsed, Redirection, SimpleCommand, Stream, Surroundings, Word};

/// A file as an operation names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Absolute, or relative where the directory is not known.
    Path(PathBuf),
    /// Absolute, with the shell's signs for any text.
    Pattern(String),
    /// Text that holds it; where it is is not known.
    Text(String),
}

/// What happens to a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum How {
    /// It goes, with all that is in it, or its owner or mode changes.
    Removed,
    /// It gets other content, which is not known.
    Written,
    /// It gets this content.
    Edited {
        /// What it holds now; `None` when it is not there or cannot be read.
        before: Option<String>,
        /// What it will hold.
        after: String,
    },
    /// Files below it, of which it is not known which, get other content.
    Filled {
        /// The directory that they come from, as it is on the disk; `None` where that is not known.
        from: Option<PathBuf>,
    },
    /// It gets another name, by which it can be written.
    Linked,
    /// It is given to a program that does not only read, or may not.
    Named,
}

impl How {
    /// Whether the very file changes, and it is not only said that it may.
    pub const fn is_certain(&self) -> bool {
        matches!(self, Self::Removed | Self::Written | Self::Edited { .. })
    }
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A program is run. What cannot be known of its words stands as it is written.
    Run {
        /// The program and its arguments.
        words: Vec<String>,
    },
    /// A variable is set.
    Sets {
        /// Its name.
        name: String,
    },
    /// Something else that a rule looks at.
    Acts(Conduct),
    /// One of the others in a file that the command runs, where it concerns this gate itself.
    Followed {
        /// What.
        operation: Box<Operation>,
        /// Where it stands.
        at: Location,
    },
    /// A file is changed.
    File {
        /// Which.
        target: Target,
        /// How.
        how: How,
        /// The program, or the host's tool, that does it.
        by: String,
    },
}

/// Which of a program's operands it changes, and how.
#[derive(Clone, Copy)]
enum Changes {
    /// All, and what is below them.
    Removes,
    /// All.
    Writes,
    /// The last, or a file of the others' names in it.
    Copies,
    /// The same, and the others go.
    Moves,
    /// All, when it has the option that says so: `sed -i`.
    InPlace,
    /// The values of these options.
    Options(&'static [&'static str]),
}

const PROGRAMS: &[(&str, Changes)] = &[
    ("rm", Changes::Removes),
    ("rmdir", Changes::Removes),
    ("unlink", Changes::Removes),
    ("shred", Changes::Removes),
    ("srm", Changes::Removes),
    ("trash", Changes::Removes),
    ("trash-put", Changes::Removes),
    ("mv", Changes::Moves),
    ("rename", Changes::Removes),
    ("chmod", Changes::Removes),
    ("chown", Changes::Removes),
    ("chgrp", Changes::Removes),
    ("chattr", Changes::Removes),
    ("setfacl", Changes::Removes),
    ("truncate", Changes::Writes),
    ("tee", Changes::Writes),
    ("sponge", Changes::Writes),
    ("ed", Changes::Writes),
    ("ex", Changes::Writes),
    ("patch", Changes::Writes),
    ("cp", Changes::Copies),
    ("ln", Changes::Copies),
    ("link", Changes::Copies),
    ("install", Changes::Copies),
    ("rsync", Changes::Copies),
    ("scp", Changes::Copies),
    ("awk", Changes::InPlace),
    ("gawk", Changes::InPlace),
    ("sed", Changes::InPlace),
    ("gsed", Changes::InPlace),
    ("perl", Changes::InPlace),
    ("ruby", Changes::InPlace),
    ("yq", Changes::InPlace),
    ("curl", Changes::Options(&["-o", "--output", "--output-dir"])),
    ("wget", Changes::Options(&["-O", "--output-document", "-P", "--directory-prefix"])),
    ("dd", Changes::Options(&["of"])),
];

/// Programs to which code is given as an argument.
const INTERPRETERS: &[&str] = &["python", "node", "nodejs", "perl", "ruby", "php", "deno", "bun", "lua", "osascript"];

/// Whether a program of this name is given code as an argument, or a file of it.
pub(super) fn runs_code(name: &str) -> bool {
    SHELLS.contains(&name) || interprets(name)
}

fn interprets(name: &str) -> bool {
    INTERPRETERS.iter().any(|i| name.starts_with(i))
}

/// Programs that only read the files that they are given. `sort -o`, `find -delete` and their like are told apart.
const READERS: &[&str] = &[
    "cat",
    "bat",
    "less",
    "more",
    "head",
    "tail",
    "tac",
    "nl",
    "ls",
    "ll",
    "exa",
    "eza",
    "tree",
    "stat",
    "file",
    "wc",
    "diff",
    "cmp",
    "comm",
    "jq",
    "yq",
    "sed",
    "gsed",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sort",
    "cut",
    "column",
    "hexdump",
    "od",
    "strings",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shasum",
    "md5sum",
    "b2sum",
    "cksum",
    "du",
    "df",
    "readlink",
    "realpath",
    "basename",
    "dirname",
    "cd",
    "pushd",
    "source",
    ".",
    "fish_add_path",
    "getfacl",
    "lsattr",
    "lsof",
    "export",
    "declare",
    "find",
    "gfind",
    "fd",
    "fdfind",
    "rg",
    "hash",
    "tidewaiter",
];
/// Verbs with which git leaves the files that it is given as they are.
const GIT_READS: &[&str] = &[
    "add",
    "blame",
    "cat-file",
    "check-attr",
    "check-ignore",
    "commit",
    "config",
    "diff",
    "grep",
    "log",
    "ls-files",
    "ls-tree",
    "rev-parse",
    "shortlog",
    "show",
    "status",
    "whatchanged",
];

const MAX_DEPTH: usize = 4;
const MOST: usize = 2000;

/// Whether a word names this program, or the setting that switches hooks off.
fn speaks_of_gate(word: &str) -> bool {
    let same = |part: &[u8]| part.eq_ignore_ascii_case(b"tidewaiter");
    word.len() >= 10 && (word.as_bytes().windows(10).any(same) || word.contains("disableAllHooks"))
}

/// What a text does.
pub fn read(text: &str, environment: &Environment) -> Vec<Operation> {
    let steps = Cell::new(shell::MAX_STEPS);
    let mut reader = Reader::new(environment, &steps, true);
    reader.script(text, "", None, 0);
    reader.out
}

/// [`read`] of a text whose grammar was read before.
pub fn read_parsed(text: &Parsed, environment: &Environment) -> Vec<Operation> {
    let steps = Cell::new(shell::MAX_STEPS);
    let mut reader = Reader::new(environment, &steps, true);
    let script = text.follow(&reader.surroundings(text.text(), None), &steps, None);
    reader.commands(&script, "", 0);
    reader.out
}

/// The words of a command, with what stands before them in its pipeline: as they are known, and as they are written.
type Words = (Vec<String>, Vec<String>);

fn words_of(command: &SimpleCommand) -> Words {
    let plain = |w: &Word| w.text.clone().unwrap_or_else(|| w.raw.trim_matches('"').to_owned());
    (command.words.iter().map(plain).collect(), command.words.iter().map(|w| w.raw.clone()).collect())
}

/// What the texts of files that a command runs do beside installing. A build writes many files: of these only what may
/// be the gate's own is listed.
pub fn read_followed(texts: &[FollowedText], environment: &Environment) -> Vec<Operation> {
    let steps = Cell::new(shell::MAX_STEPS);
    let mut out: Vec<Operation> = Vec::new();
    let protected = if texts.is_empty() { Vec::new() } else { super::protected(environment) };
    for followed in texts {
        let mut reader = Reader::new(environment, &steps, false);
        reader.script(&followed.text, followed.directory.as_deref().unwrap_or_default(), None, 0);
        for operation in reader.out {
            let at = followed.location.clone();
            let one = match operation {
                Operation::Acts(conduct) => Operation::Acts(Conduct { at: Some(at), ..conduct }),
                Operation::File { ref target, .. } if !may_be_own(target, &protected) => continue,
                operation => Operation::Followed { operation: Box::new(operation), at },
            };
            if out.len() >= MOST {
                out.push(Operation::Acts(conduct::more_than_is_read()));
                return out;
            }
            if !out.contains(&one) {
                out.push(one);
            }
        }
    }
    out
}

/// Whether a target may be one of these paths, or above or below one.
fn may_be_own(target: &Target, protected: &[Protected]) -> bool {
    match target {
        Target::Path(path) => protected.iter().any(|p| p.path.starts_with(path) || path.starts_with(&p.path)),
        Target::Pattern(_) | Target::Text(_) => true,
    }
}

/// The name of the program that a word starts.
pub fn program(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).to_ascii_lowercase();
    name.strip_suffix(".exe").map(str::to_owned).unwrap_or(name)
}

struct Reader<'a> {
    environment: &'a Environment,
    steps: &'a Cell<u32>,
    /// The text was typed, and stands in no file.
    typed: bool,
    out: Vec<Operation>,
    /// Changes of files that are listed already: a long line may repeat one many thousand times.
    files: HashSet<(Target, How, String)>,
    /// Links that the text makes, and what they lead to.
    links: Vec<(PathBuf, PathBuf)>,
    /// Other names that the text gives to this program.
    copies: Vec<PathBuf>,
    /// What commands before in the same pipeline may print: `ls -d DIR`, `find DIR -name x`.
    piped: Vec<Piped>,
    protected: OnceCell<Vec<Protected>>,
}

/// A program in a pipeline, its words, and the files that they name.
struct Piped {
    at: u32,
    name: String,
    words: Vec<String>,
    targets: Vec<Target>,
}

impl<'a> Reader<'a> {
    fn new(environment: &'a Environment, steps: &'a Cell<u32>, typed: bool) -> Self {
        let (out, files, links, piped) = (Vec::new(), HashSet::new(), Vec::new(), Vec::new());
        let copies = Vec::new();
        Self { environment, steps, typed, out, files, links, copies, piped, protected: OnceCell::new() }
    }

    /// A text, with `$0`, `$1` and so on where they are known.
    fn script(&mut self, text: &str, base: &str, positional: Option<Vec<String>>, depth: usize) {
        if depth > MAX_DEPTH {
            let more = Operation::Acts(conduct::more_than_is_read());
            if self.out.len() < MOST && !self.out.contains(&more) {
                self.out.push(more);
            }
            return;
        }
        let start = Place { environment: self.environment, directory: Some(base) }.start();
        let around = Surroundings { positional, start, ..self.surroundings(text, None) };
        let script = shell::read(text, &around, self.steps);
        let piped = std::mem::take(&mut self.piped);
        self.commands(&script, base, depth);
        self.piped = piped;
    }

    /// Whether a path is one of the gate's own, or below one.
    fn is_own(&self, path: &Path) -> bool {
        let protected = self.protected.get_or_init(|| super::protected(self.environment));
        protected.iter().any(|p| path.starts_with(&p.path))
    }

    fn surroundings(&self, text: &str, input: Option<Stream>) -> Surroundings {
        // Where the shell is, it knows itself.
        let mentioned = |name: &str| text.contains(name) && !matches!(name, "PWD" | "OLDPWD");
        let variables = self.environment.variables.iter().filter(|(name, _)| mentioned(name));
        Surroundings {
            variables: variables.map(|(n, v)| (n.clone(), v.clone())).collect(),
            input,
            most: self.typed.then_some(shell::MOST_TYPED),
            start: Place { environment: self.environment, directory: Some("") }.start(),
            ..Surroundings::default()
        }
    }

    fn commands(&mut self, script: &shell::Script, base: &str, depth: usize) {
        let mut pipeline: Vec<Words> = Vec::new();
        let mut fetched = false;
        for command in &script.commands {
            if self.out.len() >= MOST {
                return self.out.push(Operation::Acts(conduct::more_than_is_read()));
            }
            let at = command.origin.pipeline;
            if at.is_none_or(|at| at == 0) {
                pipeline.clear();
                self.piped.clear();
            }
            let before = self.out.len();
            self.command(command, base, depth);
            if at.is_some_and(|at| at > 0) {
                self.flows(command, base, before);
            }
            let name = command.words.first().and_then(|w| w.text.as_deref()).map(program);
            // Most programs do nothing that is looked at, and a long line has many of them.
            let known = name.as_deref().is_none_or(|name| conduct::knows(name) || wraps(name));
            let looked_at = known || fetched || self.out.len() > before;
            let piped = at.is_some() && pipeline.len() < 64;
            if looked_at || piped {
                let words = words_of(command);
                if looked_at {
                    self.conduct(command, &words, &pipeline, at.is_some_and(|at| at > 0), fetched, before);
                }
                if piped && conduct::matters_downstream(&words.0, &words.1) {
                    pipeline.push(words);
                }
            }
            fetched |= matches!(name.as_deref(), Some("curl" | "wget"));
        }
        for one in &script.redirected {
            let directory = self.directory(&one.directory, base);
            let place = Place { environment: self.environment, directory: directory.as_deref() };
            self.redirection(&place, &one.redirection, one.redirection.operator, None);
        }
        for name in &script.assigned {
            self.sets(name);
        }
    }

    /// What a command of a pipeline does to files whose names it reads: `find … | while read f; do rm "$f"; done`.
    fn flows(&mut self, command: &SimpleCommand, base: &str, before: usize) {
        let read = |o: &Operation| match o {
            Operation::File { target: Target::Text(text), how: how @ (How::Written | How::Removed), by } => {
                let name = text.trim_matches('"').trim_start_matches(['$', '{']).trim_end_matches('}');
                let variable = text.contains('$') && !name.is_empty() && name.chars().all(is_of_a_name);
                variable.then(|| (how.clone(), by.clone()))
            }
            _ => None,
        };
        let Some((how, by)) = self.out.iter().skip(before).find_map(read) else { return };
        let directory = self.directory(&command.directory, base);
        let place = Place { environment: self.environment, directory: directory.as_deref() };
        let at = command.origin.pipeline.unwrap_or_default();
        let (earlier, later): (Vec<Piped>, Vec<Piped>) =
            std::mem::take(&mut self.piped).into_iter().partition(|p| p.at < at);
        for one in &earlier {
            if searches(&one.name) {
                let words: Vec<&str> = one.words.iter().map(String::as_str).collect();
                one.targets.iter().for_each(|target| self.found(target.clone(), &words, how.clone(), &by));
            } else {
                self.printed(&place, one, None, &how, &by);
            }
        }
        self.piped = earlier.into_iter().chain(later).collect();
    }

    fn directory(&self, directory: &Directory, base: &str) -> Option<String> {
        match directory {
            Directory::Known(d) => Some(if base.is_empty() { d.clone() } else { shell::joined(base, d) }),
            Directory::Unknown(_) => None,
        }
    }

    /// What the command does beside programs and files. `before`: what was found until it came.
    fn conduct(
        &mut self,
        command: &SimpleCommand,
        (texts, raws): &Words,
        upstream: &[Words],
        piped: bool,
        fetched: bool,
        before: usize,
    ) {
        let writes: Vec<String> = self
            .out
            .iter()
            .skip(before)
            .filter_map(|o| match o {
                Operation::File { target: Target::Path(path), .. } if path.starts_with("/dev") => {
                    Some(path.display().to_string())
                }
                _ => None,
            })
            .collect();
        let first = texts.first().map(|w| program(w)).unwrap_or_default();
        let wraps = wraps(&first);
        let made = |w: &Word| {
            let text = w.text.as_deref().unwrap_or_default();
            let place = shell::place(&command.directory, text);
            !text.starts_with('-') && command.written.get(&place) == Some(&shell::Content::Made)
        };
        // Past so many words no wrapper's own options reach, and every suffix of a long line would be read.
        for start in 0..texts.len().min(24) {
            let Some(word) = texts.get(start).filter(|_| start == 0 || wraps) else { break };
            let name = program(word);
            let runs = runs_code(&name);
            let rest = command.words.get(start..).unwrap_or_default();
            // A file that an earlier command fetched, given to a shell or run by its path.
            let file = if runs {
                rest.iter().skip(1).find(|w| !w.raw.starts_with('-'))
            } else {
                rest.first().filter(|w| w.raw.contains('/'))
            };
            let found = conduct::read(&conduct::Command {
                texts: texts.get(start..).unwrap_or_default(),
                raws: raws.get(start..).unwrap_or_default(),
                upstream,
                piped,
                runs_fetched: fetched && file.is_some_and(made),
                writes: if start == 0 { &writes } else { &[] },
            });
            for one in found.into_iter().map(Operation::Acts) {
                if self.out.len() < MOST && !self.out.contains(&one) {
                    self.out.push(one);
                }
            }
        }
    }

    fn command(&mut self, command: &SimpleCommand, base: &str, depth: usize) {
        let words: Vec<&str> = command.words.iter().map(|w| w.text.as_deref().unwrap_or(&w.raw)).collect();
        let Some(first) = words.first() else { return };
        let name = program(first);
        let directory = self.directory(&command.directory, base);
        let directory = match goes_to(&name, &words) {
            Some(other) => directory.map(|before| shell::joined(&before, other)),
            None => directory,
        };
        let place = Place { environment: self.environment, directory: directory.as_deref() };
        for redirection in &command.redirections {
            let told = if redirection.target.raw.contains(ENV_FILE) { prints(&name, &words, command) } else { None };
            self.redirection(&place, redirection, &name, told);
        }
        for set in &command.assignments {
            self.sets(&set.name);
        }
        let here = directory.as_deref().unwrap_or(base);
        let wraps = wraps(&name) || (name == "ssh" && words.iter().skip(1).any(|w| is_this_machine(w)));
        for start in 0..words.len() {
            let (Some(word), true) = (words.get(start), start == 0 || wraps) else { break };
            let name = program(word);
            let rest = command.words.get(start..).unwrap_or_default();
            let texts = words.get(start..).unwrap_or_default();
            if let Some((name, _)) = word.split_once('=').filter(|_| start > 0) {
                // `env NAME=value command`
                self.sets(name);
            }
            if start == 0 || name == "tidewaiter" {
                // Of the programs that are run, only those that speak of this gate are looked at.
                if texts.iter().any(|w| speaks_of_gate(w)) {
                    self.out.push(Operation::Run { words: texts.iter().map(|w| (*w).to_owned()).collect() });
                }
            }
            if !self.copies.is_empty()
                && let Target::Path(path) = place.path(word)
                && self.copies.contains(&path)
            {
                let own = std::iter::once("tidewaiter").chain(texts.iter().skip(1).copied());
                self.out.push(Operation::Run { words: own.map(str::to_owned).collect() });
            }
            self.changes(&place, &name, rest, texts, command);
            if SHELLS.contains(&name.as_str()) {
                self.shell(texts, rest, command, here, depth);
            } else if let Some(code) = code(&name, texts) {
                self.file(Target::Text(code.to_owned()), How::Written, &name);
                self.code_beside(&place, code, &name);
            } else if word.contains('/') {
                self.written_script(word, command, here, depth);
            }
        }
        if wrappers::takes_text(&name) || (wraps && name == "ssh") {
            for word in words.iter().skip(1).filter(|w| w.contains(char::is_whitespace)) {
                self.script(word, here, None, depth + 1);
            }
        }
        self.texts_of_others(&name, &words, here, depth);
        if let Stream::Text(text) = &command.input {
            if speaks_of_gate(text) && !(SHELLS.contains(&name.as_str()) && words.len() == 1) {
                let typed = words.iter().copied().chain([&**text]).map(str::to_owned);
                self.out.push(Operation::Run { words: typed.collect() });
            }
            if interprets(&name) && words.iter().skip(1).all(|w| *w == "-") {
                self.file(Target::Text(text.to_string()), How::Written, &name);
            } else if name == "xargs"
                && let Some(by) = words.iter().skip(1).map(|w| program(w)).find(|p| removes(p))
            {
                for word in text.split_whitespace().take(MOST) {
                    let target = place.path(word.trim_matches(['"', '\'']));
                    self.file(target, How::Removed, &by);
                }
            }
        }
        self.host(command, &words);
        self.named(&place, command, &words);
        self.pipe(&place, command, &name, &words);
        if searches(&name) {
            let deletes =
                || words.iter().skip(1).any(|w| *w == "-delete" || removes(&program(w))).then_some(How::Removed);
            if let Some(how) = deletes().or_else(|| given(on_found(&words)?)) {
                for word in command.words.iter().skip(1).take_while(|w| !w.raw.starts_with('-')) {
                    self.found(place.target(word), &words, how.clone(), &name);
                }
            }
        }
        if name == "git" {
            self.git(&place, command, &words);
        }
    }

    /// Files that git takes from its own store, or away.
    fn git(&mut self, place: &Place<'_>, command: &SimpleCommand, words: &[&str]) {
        const WRITES: &[&str] = &["rm", "mv", "restore", "checkout", "stash", "clean"];
        const FILLS: &[&str] = &[
            "apply",
            "am",
            "pull",
            "merge",
            "rebase",
            "cherry-pick",
            "revert",
            "switch",
            "checkout",
            "stash",
            "reset",
            "read-tree",
            "checkout-index",
            "clone",
            "worktree",
        ];
        let written = words.iter().skip(1).find(|w| WRITES.contains(w));
        let filled = words.iter().skip(1).find(|w| FILLS.contains(w));
        let looks = |w: &&str| matches!(*w, "--check" | "--stat" | "--soft" | "--mixed" | "list" | "show" | "--abort");
        let filled = filled.filter(|verb| !words.iter().any(looks) && (**verb != "reset" || words.contains(&"--hard")));
        let elsewhere = words.iter().position(|w| *w == "-C").and_then(|at| words.get(at + 1));
        let at = |directory: &str| match place.path(directory) {
            Target::Path(path) => Some(path.display().to_string()),
            _ => None,
        };
        let directory = elsewhere.and_then(|d| at(d));
        let place = match &directory {
            Some(directory) => Place { environment: place.environment, directory: Some(directory) },
            None => Place { environment: place.environment, directory: place.directory },
        };
        if let Some(verb) = filled {
            let apart = matches!(*verb, "clone" | "worktree");
            let operands = words.iter().skip_while(|w| *w != verb).skip(2).filter(|w| !w.starts_with('-'));
            let into: Vec<&str> = if apart { operands.copied().collect() } else { vec![""] };
            for directory in into {
                if let Target::Path(path) = place.path(directory) {
                    self.file(Target::Path(path), How::Filled { from: None }, "git");
                }
            }
        }
        let Some(verb) = written else { return };
        for word in command.words.iter().skip(2).filter(|w| !w.raw.starts_with('-')) {
            // What is not in its store goes, and nothing else.
            let how = if *verb == "clean" { How::Filled { from: None } } else { How::Written };
            let target = place.target(word);
            self.file(target, how, "git");
        }
    }

    /// Code that names a file of the gate's by no more than its name, from the directory that holds it.
    fn code_beside(&mut self, place: &Place<'_>, code: &str, by: &str) {
        const ACTS: &[&str] =
            &["'w", "\"w", "'a'", "\"a\"", "write", "unlink", "remove", "rename", "rm", "truncate", "dump(", "copy"];
        let Target::Path(directory) = place.path("") else { return };
        if !self.holds(&directory) || !ACTS.iter().any(|act| code.contains(act)) {
            return;
        }
        let protected = super::protected(self.environment);
        let named = protected
            .iter()
            .map(|p| if directory.starts_with(&p.path) { p.path.join("policy.toml") } else { p.path.clone() });
        let here = named.filter(|path| path.parent() == Some(&directory));
        let spoken = here.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|name| code.contains(name)));
        for path in spoken.collect::<Vec<_>>() {
            self.file(Target::Path(path), How::Named, by);
        }
    }

    /// What a shell is given to run: a script as an argument, or on its input.
    fn shell(&mut self, texts: &[&str], words: &[Word], command: &SimpleCommand, base: &str, depth: usize) {
        let given = texts.get(1..).unwrap_or_default();
        let arguments = wrappers::shell_arguments(given);
        let operand = given.get(arguments.operand).copied();
        if let Some((_, code)) = arguments.inline {
            self.script(code, base, None, depth + 1);
        } else if arguments.reads_command {
            // `$0` comes first.
            let after = words.get(arguments.operand + 3..).unwrap_or_default();
            let positional = after.iter().map(|w| w.text.clone()).collect();
            if let Some(code) = operand {
                self.script(code, base, positional, depth + 1);
            }
        } else if arguments.reads_input || operand.is_none_or(wrappers::is_input) {
            if let Stream::Text(text) = &command.input {
                self.script(text, base, None, depth + 1);
            }
        } else if let Some(file) = operand {
            self.written_script(file, command, base, depth);
        }
    }

    /// A file that an earlier command of the text wrote.
    fn written_script(&mut self, file: &str, command: &SimpleCommand, base: &str, depth: usize) {
        if let Some(shell::Content::Text(text)) = command.written.get(&shell::place(&command.directory, file)) {
            self.script(text, base, None, depth + 1);
        }
    }

    /// Shell text among the words of programs that do other work: `git -c alias.x='!…'`, `vim -c '!…'`.
    fn texts_of_others(&mut self, name: &str, words: &[&str], base: &str, depth: usize) {
        if !matches!(name, "git" | "vim" | "nvim" | "vi" | "ex" | "view") {
            return;
        }
        for word in words.iter().skip(1) {
            let text = word.split_once("=!").map(|(_, text)| text);
            let text = text.or_else(|| word.trim_start_matches([':', '+']).strip_prefix('!'));
            if let Some(text) = text {
                self.script(text, base, None, depth + 1);
            }
        }
    }

    /// Files of the gate's own that are given to a program which may not only read them.
    fn named(&mut self, place: &Place<'_>, command: &SimpleCommand, words: &[&str]) {
        let directory = place.directory.is_some_and(speaks_of_own);
        let at_home = place.directory == Some("") && speaks_of_own(&self.environment.cwd.to_string_lossy());
        if !(directory || at_home || words.iter().any(|w| speaks_of_own(w))) {
            return;
        }
        let Some((at, name)) = innermost(words) else { return };
        let verb = words.iter().skip(at + 1).find(|w| !w.starts_with('-'));
        let reads = match name.as_str() {
            "git" => verb.is_some_and(|v| GIT_READS.contains(v)),
            // To a file of that name.
            "sort" => !words.iter().any(|w| w.starts_with("-o") || w.starts_with("--output")),
            name => READERS.contains(&name) || wrappers::MENTIONS.contains(&name),
        };
        let known = PROGRAMS.iter().find(|(n, _)| *n == name).map(|(_, changes)| changes);
        if matches!(known, Some(Changes::Removes | Changes::Writes | Changes::Copies | Changes::Moves)) {
            return;
        }
        let code = runs_code(&name);
        for (index, (word, text)) in command.words.iter().zip(words).enumerate() {
            let option = text.starts_with('-');
            if index == at || !(directory || at_home || speaks_of_own(text)) {
                continue;
            }
            let mut paths: Vec<&str> = Vec::new();
            match text.split_once('=') {
                // `--output=FILE`, `of=FILE`; not `env PATH=…`.
                Some((key, value)) if option || key.chars().all(|c| c.is_ascii_lowercase()) => paths.push(value),
                // `-oFILE`
                _ if option => paths.extend(text.get(2..)),
                Some((key, _)) if !key.is_empty() && key.chars().all(is_of_a_name) => continue,
                _ if word.text.is_some() && !reads => paths.push(text),
                _ => {}
            }
            if matches!(name.as_str(), "sort" | "sed" | "gsed") && !reads {
                paths.push(text);
            }
            // A message only speaks of it.
            let speaks = wrappers::MENTIONS.contains(&name.as_str()) || (name == "git" && reads);
            if text.contains(char::is_whitespace) && !code && !speaks {
                // `awk '{ print > "FILE" }'`, `sqlite3 ".output FILE"`
                let parts = text.split(|c: char| c.is_whitespace() || "\"'`(){}<>;|&,=".contains(c));
                paths.extend(parts.filter(|p| speaks_of_own(p) && p.starts_with(['/', '~', '.', '$'])));
            } else if reads && option {
                continue;
            }
            for path in paths {
                let home = path.strip_prefix("$HOME").map(|rest| format!("~{rest}"));
                let Target::Path(path) = place.path(home.as_deref().unwrap_or(path)) else { continue };
                let written = (Target::Path(path.clone()), How::Written, name.clone());
                if self.is_own(&path) && !self.files.contains(&written) {
                    self.file(Target::Path(path), How::Named, &name);
                }
            }
        }
    }

    /// Remembers what a command in a pipeline may print, and what `xargs` makes of it.
    fn pipe(&mut self, place: &Place<'_>, command: &SimpleCommand, name: &str, words: &[&str]) {
        let Some(at) = command.origin.pipeline else { return };
        if name == "xargs" {
            let programs = || words.iter().skip(1).map(|w| program(w));
            let shell = |w: &&str| w.contains(char::is_whitespace) && w.split_whitespace().any(changes_files);
            let by = programs().find(|p| changes_files(p));
            let by = by.or_else(|| words.iter().skip(1).any(shell).then(|| "xargs".to_owned()));
            let Some(by) = by else { return };
            let takes = PROGRAMS.iter().any(|(n, c)| *n == by && matches!(c, Changes::Removes | Changes::Moves));
            let before = std::mem::take(&mut self.piped);
            // What only sorts or counts leaves the names as they are, and so may what asks for the gate's.
            const PASSES: &[&str] = &["sort", "uniq", "head", "tail", "cat", "tac", "tee", "tr"];
            let passes =
                |p: &Piped| PASSES.contains(&p.name.as_str()) || p.words.iter().skip(1).any(|w| speaks_of_gate(w));
            let first = before.iter().rev().take_while(|p| passes(p)).last().map_or(at, |p| p.at);
            let at_program = words.iter().position(|w| program(w) == by);
            let how = at_program.and_then(|at| given(words.get(at..)?)).filter(|_| !takes);
            // What is looked for among the names, where that is a plain word.
            let searched_for = before.iter().find(|p| matches!(p.name.as_str(), "grep" | "rg" | "egrep" | "fgrep"));
            let plain = |w: &&String| w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            let filter =
                searched_for.filter(|p| p.words.len() == 2).and_then(|p| p.words.get(1)).filter(plain).cloned();
            for one in before {
                let near = takes && one.at + 1 >= first;
                if !searches(&one.name) {
                    if near || filter.is_some() {
                        let how = if takes { How::Removed } else { How::Written };
                        self.printed(place, &one, filter.as_deref(), &how, &by);
                    }
                    let own = |t: &Target| matches!(t, Target::Path(path) if self.is_own(path));
                    for target in one.targets.iter().filter(|t| own(t)).cloned().collect::<Vec<_>>() {
                        self.file(target, How::Removed, &by);
                    }
                    continue;
                }
                for target in one.targets {
                    let own = matches!(&target, Target::Path(path) if self.is_own(path));
                    let words: Vec<&str> = one.words.iter().map(String::as_str).collect();
                    if own || near {
                        self.found(target, &words, How::Removed, &by);
                    } else if let Some(how) = &how {
                        self.found(target, &words, how.clone(), &by);
                    }
                }
            }
        } else if self.piped.len() < 64 {
            let operands = command.words.iter().skip(1).filter(|w| !w.raw.starts_with('-'));
            let targets = operands.take(64).map(|w| place.target(w)).collect();
            let words = words.iter().take(64).map(|w| (*w).to_owned()).collect();
            self.piped.push(Piped { at, name: name.to_owned(), words, targets });
        }
    }

    /// A redirection that writes a file.
    fn redirection(&mut self, place: &Place<'_>, redirection: &Redirection, by: &str, told: Option<String>) {
        let operator = redirection.operator;
        let writes = match operator {
            // `>& FILE`, and not another descriptor.
            ">&" => !redirection.target.raw.starts_with(|c: char| c.is_ascii_digit() || c == '-'),
            _ => operator.contains('>') && !operator.contains('&') || matches!(operator, "&>" | "&>>"),
        };
        if writes {
            let target = place.target(&redirection.target);
            if let (Target::Text(_), Some(Target::Path(directory))) = (&target, place.directory.map(|d| place.path(d)))
                && self.is_own(&directory)
            {
                // `cd DIR; : > $f`
                self.file(Target::Path(directory), How::Named, by);
            }
            let how = match told {
                // What it is given then stands for all later commands.
                Some(after) if redirection.target.raw.contains(ENV_FILE) => How::Edited { before: None, after },
                _ => How::Written,
            };
            self.file(target, how, by);
        }
    }

    /// An agent host that is started, with the variables that are set for it.
    fn host(&mut self, command: &SimpleCommand, words: &[&str]) {
        let Some((at, _)) = innermost(words) else { return };
        let Some((before, started)) = words.split_at_checked(at).filter(|(_, started)| launch::starts_host(started))
        else {
            return;
        };
        let value = |w: &Word| w.text.clone().unwrap_or_else(|| w.raw.clone());
        let set = command.assignments.iter().map(|set| format!("{}={}", set.name, value(&set.value)));
        let wrapped = before.iter().filter(|w| w.contains('=') && !w.starts_with('-')).map(|w| (*w).to_owned());
        let words = set.chain(wrapped).chain(started.iter().map(|w| (*w).to_owned())).collect();
        self.out.push(Operation::Run { words });
    }

    fn sets(&mut self, name: &str) {
        let one = Operation::Sets { name: name.to_owned() };
        let concerns = name.starts_with("TIDEWAITER") || settings::HOOKLESS.contains(&name);
        if concerns && self.out.len() < MOST && !self.out.contains(&one) {
            self.out.push(one);
        }
    }

    /// What `find` finds below a directory: all, or what has the names that it asks for, at any depth.
    fn found(&mut self, target: Target, words: &[&str], how: How, by: &str) {
        const DEEPEST: usize = 6;
        let whole = match &target {
            // Which of many files gets other content is not known.
            Target::Path(path) if how == How::Written && !self.is_own(path) => How::Filled { from: None },
            _ => how.clone(),
        };
        let asked = words.windows(2).filter(|w| matches!(w[0], "-name" | "-iname")).map(|w| &w[1]);
        let asked: Vec<&&str> = asked.take(16).collect();
        let Target::Path(directory) = &target else { return self.file(target, how, by) };
        if asked.is_empty() {
            return self.file(target, whole, by);
        }
        for wanted in asked {
            for depth in 0..=DEEPEST {
                let pattern = format!("{}/{}{wanted}", directory.display(), "**/".repeat(depth));
                self.file(Target::Pattern(pattern), how.clone(), by);
            }
        }
    }

    /// What `ls` and its like print is given to a program: files of a directory, or their own words.
    fn printed(&mut self, place: &Place<'_>, one: &Piped, filter: Option<&str>, how: &How, by: &str) {
        let has = |letter: char| {
            one.words.iter().skip(1).any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(letter))
        };
        let lists = matches!(one.name.as_str(), "ls" | "exa" | "eza" | "dir") && !has('d');
        if !lists {
            for target in &one.targets {
                let near = match target {
                    Target::Path(path) => self.is_own(path) || self.is_above(path),
                    Target::Pattern(_) => matches!(one.name.as_str(), "ls" | "echo" | "printf"),
                    Target::Text(_) => false,
                };
                if near {
                    self.file(target.clone(), how.clone(), by);
                }
            }
            return;
        }
        let own = one.targets.iter().filter(|t| matches!(t, Target::Path(path) if self.is_own(path)));
        for target in own.cloned().collect::<Vec<_>>() {
            self.file(target, How::Removed, by);
        }
        // Names without their directory are taken from here.
        let Target::Path(here) = place.path("") else { return };
        let elsewhere = one.targets.iter().any(|t| !matches!(t, Target::Path(path) if *path == here));
        if elsewhere {
            return;
        }
        let part = filter.map_or_else(|| "*".to_owned(), |text| format!("*{text}*"));
        self.file(Target::Pattern(format!("{}/{part}", here.display())), how.clone(), by);
        if has('a') || has('A') {
            self.file(Target::Pattern(format!("{}/.{part}", here.display())), how.clone(), by);
        }
    }

    /// Whether one of the gate's own paths lies below, where whoever means the directory means little else.
    fn is_above(&self, path: &Path) -> bool {
        let protected = self.protected.get_or_init(|| super::protected(self.environment));
        protected.iter().any(|p| p.path != *path && p.path.starts_with(path))
    }

    /// Whether one of the gate's own files lies right in a directory.
    fn holds(&self, directory: &Path) -> bool {
        let protected = self.protected.get_or_init(|| super::protected(self.environment));
        protected.iter().any(|p| p.path.parent() == Some(directory)) || self.is_own(directory)
    }

    fn file(&mut self, target: Target, how: How, by: &str) {
        let session = self.environment.variable(ENV_FILE).filter(|f| !f.is_empty()).map(Path::new);
        if matches!(&target, Target::Path(path) if session == Some(path)) {
            return self.list(Target::Text(format!("${ENV_FILE}")), how, by);
        }
        if let Target::Path(path) = &target {
            // To take a link away is nothing to what it leads to.
            let through = |(link, to): &(PathBuf, PathBuf)| {
                let rest = path.strip_prefix(link).ok()?;
                let itself = rest.as_os_str().is_empty();
                (!itself || how != How::Removed).then(|| if itself { to.clone() } else { to.join(rest) })
            };
            for to in self.links.iter().filter_map(through).collect::<Vec<_>>() {
                self.list(Target::Path(to), how.clone(), by);
            }
        }
        self.list(target, how, by);
    }

    fn list(&mut self, target: Target, how: How, by: &str) {
        // What goes into a device depends on the command, and is told each time.
        let device = matches!(&target, Target::Path(path) if path.starts_with("/dev"));
        if self.out.len() < MOST && (device || self.files.insert((target.clone(), how.clone(), by.to_owned()))) {
            self.out.push(Operation::File { target, how, by: by.to_owned() });
        }
    }

    fn changes(&mut self, place: &Place<'_>, name: &str, words: &[Word], texts: &[&str], command: &SimpleCommand) {
        self.unpacked(place, name, texts);
        self.fetched(place, name, texts);
        let Some((_, changes)) = PROGRAMS.iter().find(|(n, _)| *n == name) else { return };
        let operands: Vec<&Word> = words.iter().skip(1).filter(|w| !w.raw.starts_with('-')).collect();
        match changes {
            Changes::Removes => {
                for word in operands {
                    self.file(place.target(word), How::Removed, name);
                }
            }
            Changes::Writes => {
                for word in operands {
                    self.file(place.target(word), How::Written, name);
                }
            }
            Changes::InPlace => {
                if in_place(name, texts) {
                    for word in operands {
                        self.file(place.target(word), How::Written, name);
                    }
                }
            }
            Changes::Copies | Changes::Moves => {
                let Some((last, sources)) = operands.split_last() else { return };
                if matches!(changes, Changes::Moves) {
                    for source in sources {
                        self.file(place.target(source), How::Removed, name);
                    }
                }
                let into =
                    texts.iter().zip(words.iter().skip(1)).find(|(w, _)| matches!(**w, "-t" | "--target-directory"));
                let last = into.map_or(*last, |(_, directory)| directory);
                let short = |letters: &[char]| {
                    let letter = |w: &&str| w.starts_with('-') && !w.starts_with("--") && w.contains(letters);
                    texts.iter().skip(1).any(letter)
                };
                let long = |options: &[&str]| texts.iter().any(|w| options.iter().any(|o| w.starts_with(o)));
                let links = matches!(name, "ln" | "link")
                    || (name == "cp" && (short(&['l', 's']) || long(&["--link", "--symbolic-link"])));
                for source in sources.iter().filter(|s| program(s.text.as_deref().unwrap_or(&s.raw)) == "tidewaiter") {
                    if let (Target::Path(to), true) = (place.target(last), self.copies.len() < 64) {
                        let below = source.text.as_deref().and_then(|t| Path::new(t).file_name()).map(|n| to.join(n));
                        self.copies.extend(below.into_iter().chain([to]));
                    }
                }
                let all = matches!(name, "rsync" | "mv" | "scp")
                    || (name == "cp" && (short(&['r', 'R', 'a']) || long(&["--recursive", "--archive"])));
                let whole = short(&['T']) || long(&["--no-target-directory"]);
                let deletes = name == "rsync" && long(&["--del"]);
                self.file(place.target(last), How::Written, name);
                for source in sources {
                    let text = source.text.as_deref();
                    let file = text.and_then(|t| Path::new(t).file_name());
                    let Target::Path(directory) = place.target(last) else { continue };
                    let from = place.target(source);
                    let disk = |from: &Target| match from {
                        // What an earlier command put there is not on the disk yet.
                        Target::Path(path) if !deletes && !self.made_below(place, command, path) => Some(path.clone()),
                        _ => None,
                    };
                    let from_disk = disk(&from);
                    if let (true, Target::Path(to)) = (links, &from) {
                        if self.is_own(to) {
                            self.file(Target::Path(to.clone()), How::Linked, name);
                        }
                        if self.links.len() < 64 {
                            self.links.push((directory.clone(), to.clone()));
                            let beside = text.map(Path::new).filter(|t| t.is_relative());
                            if let (Some(relative), Some(parent)) = (beside, directory.parent()) {
                                self.links.push((directory.clone(), lexical(&parent.join(relative))));
                            }
                            self.links.extend(file.map(|file| (directory.join(file), to.clone())));
                        }
                    }
                    // `DIR/.`, `DIR/*`, rsync's `DIR/`: what is in it, and not it.
                    let contents =
                        text.is_none_or(|t| t.ends_with("/.") || t == "." || (name == "rsync" && t.ends_with('/')));
                    if all && (contents || whole) {
                        let from = if text.is_some() { from_disk.clone() } else { None };
                        self.file(Target::Path(directory.clone()), How::Filled { from }, name);
                    }
                    if let Some(file) = file {
                        self.file(Target::Path(directory.join(file)), How::Written, name);
                        if all {
                            self.file(Target::Path(directory.join(file)), How::Filled { from: from_disk }, name);
                        }
                    }
                }
            }
            Changes::Options(options) => {
                for (i, word) in texts.iter().enumerate().skip(1) {
                    let same = options.iter().find_map(|o| {
                        let rest = word.strip_prefix(o)?;
                        // `-oFILE`
                        let attached = || (o.len() == 2 && !rest.is_empty() && o.starts_with('-')).then_some(rest);
                        rest.strip_prefix('=').or_else(attached)
                    });
                    let value = same.or_else(|| options.contains(word).then(|| texts.get(i + 1)).flatten().copied());
                    if let Some(value) = value {
                        self.file(place.path(value), How::Written, name);
                    }
                }
            }
        }
    }
}

impl Reader<'_> {
    /// Whether an earlier command of the text writes anything in a directory.
    fn made_below(&self, place: &Place<'_>, command: &SimpleCommand, directory: &Path) -> bool {
        command.written.keys().any(|path| match place.started(path) {
            Some(path) => path.starts_with(directory) || directory.starts_with(&path),
            None => true,
        })
    }

    /// What goes into a directory under names that come from elsewhere: `curl -O URL`, `wget -P DIR URL`, `patch -d DIR`.
    fn fetched(&mut self, place: &Place<'_>, name: &str, texts: &[&str]) {
        let rest = texts.get(1..).unwrap_or_default();
        let value = |short: &str, long: &str| {
            rest.iter().enumerate().find_map(|(at, word)| {
                let same = word.strip_prefix(long).and_then(|r| r.strip_prefix('='));
                let close = word.strip_prefix(short).filter(|r| !short.is_empty() && !r.is_empty());
                let next = || rest.get(at + 1).copied().filter(|_| *word == short || *word == long);
                same.or(close).or_else(next)
            })
        };
        let long = |options: &[&str]| rest.iter().any(|w| options.contains(w));
        let short =
            |letter: char| rest.iter().any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(letter));
        let (directory, named, unnamed) = match name {
            "curl" => {
                let named = short('O') || long(&["--remote-name", "--remote-name-all"]);
                (value("", "--output-dir"), named, named && (short('J') || long(&["--remote-header-name"])))
            }
            "wget" if !short('O') && value("", "--output-document").is_none() => {
                let unnamed = long(&["--content-disposition", "--recursive", "--mirror"]) || short('r') || short('i');
                (value("-P", "--directory-prefix"), true, unnamed)
            }
            "patch" => (value("-d", "--directory"), false, true),
            "tar" | "gtar" | "bsdtar" if long(&["--remove-files"]) => {
                for word in rest.iter().filter(|w| !w.starts_with('-')) {
                    self.file(place.path(word), How::Removed, name);
                }
                return;
            }
            _ => return,
        };
        let Target::Path(into) = place.path(directory.unwrap_or_default()) else { return };
        if named {
            let addresses = rest.iter().filter(|w| w.contains("://") || w.contains('/') || w.contains('$'));
            for address in addresses.take(64) {
                let path = address.split(['?', '#']).next().unwrap_or_default();
                let file = path.rsplit('/').next().unwrap_or_default();
                self.file(Target::Path(into.join(file)), How::Written, name);
                if file.contains('$') && self.holds(&into) {
                    self.file(Target::Path(into.clone()), How::Filled { from: None }, name);
                }
            }
        }
        if let (Some(file), "curl", true) = (value("-o", "--output"), name, directory.is_some()) {
            self.file(Target::Path(lexical(&into.join(file))), How::Written, name);
        }
        if unnamed {
            self.file(Target::Path(into), How::Filled { from: None }, name);
        }
    }

    /// Where an archive's files go: `tar x -C DIR`, `unzip -d DIR`, or here.
    fn unpacked(&mut self, place: &Place<'_>, name: &str, texts: &[&str]) {
        let given = texts.get(1..).unwrap_or_default();
        let (short, long, attached) = match name {
            "tar" | "gtar" | "bsdtar" => ("-C", "--directory", true),
            "unzip" | "bsdunzip" => ("-d", "", true),
            "7z" | "7za" | "7zz" => ("-o", "", true),
            "cpio" => ("-D", "--directory", true),
            "unar" => ("-o", "--output-directory", false),
            _ => return,
        };
        let mode = given.first().copied().unwrap_or_default();
        let extracts = match name {
            "tar" | "gtar" | "bsdtar" => {
                let short = |w: &&str| w.starts_with('-') && !w.starts_with("--") && w.contains('x');
                (!mode.starts_with('-') && mode.contains('x'))
                    || given.iter().any(|w| short(w) || matches!(*w, "--extract" | "--get"))
            }
            "7z" | "7za" | "7zz" => matches!(mode, "x" | "e"),
            "cpio" => given.iter().any(|w| w.starts_with("-i") || *w == "--extract"),
            _ => true,
        };
        if !extracts {
            return;
        }
        let mut into: Option<&str> = None;
        for (at, word) in given.iter().enumerate() {
            let same = word.strip_prefix(long).filter(|_| !long.is_empty()).and_then(|r| r.strip_prefix('='));
            let close = word.strip_prefix(short).filter(|r| attached && !r.is_empty());
            // `tar -xC DIR`
            let last = *word == short
                || (!long.is_empty() && *word == long)
                || (short == "-C" && word.starts_with('-') && !word.starts_with("--") && word.ends_with('C'));
            let next = || given.get(at + 1).copied().filter(|_| last);
            into = same.or(close).or_else(next).or(into);
        }
        let target = place.path(into.unwrap_or("."));
        let below_home =
            |path: &Path| self.environment.home.as_deref().is_some_and(|home| path != home && path.starts_with(home));
        if let Target::Path(path) = target
            && (into.is_some() || below_home(&path))
        {
            self.file(Target::Path(path), How::Filled { from: None }, name);
        }
    }
}

/// Whether a program of this name runs the command in its arguments.
fn wraps(name: &str) -> bool {
    wrappers::own_operands(name).is_some()
}

/// The directory in which a program runs the command in its words: `env -C DIR`, `sudo -D DIR`.
fn goes_to<'w>(name: &str, words: &[&'w str]) -> Option<&'w str> {
    let short = match name {
        "env" => "-C",
        "sudo" => "-D",
        _ => return None,
    };
    let own = words.iter().enumerate().skip(1).take_while(|(_, w)| program(w) != "sh");
    own.into_iter().find_map(|(at, word)| match word.strip_prefix("--chdir=") {
        Some(directory) => Some(directory),
        None if *word == short || *word == "--chdir" => words.get(at + 1).copied(),
        None => None,
    })
}

fn is_this_machine(host: &str) -> bool {
    let host = host.rsplit('@').next().unwrap_or(host).trim_start_matches("ssh://");
    matches!(host, "localhost" | "::1" | "[::1]" | "0.0.0.0") || host.starts_with("127.")
}

/// Claude Code's variable for the file whose text runs before each later command of the session.
const ENV_FILE: &str = "CLAUDE_ENV_FILE";

/// What a command prints, where that stands in its words or its input.
fn prints(name: &str, words: &[&str], command: &SimpleCommand) -> Option<String> {
    match (name, &command.input) {
        ("echo", _) => {
            let given = words.get(1..).unwrap_or_default();
            let text: Vec<&str> = given.iter().copied().skip_while(|w| w.starts_with('-')).collect();
            Some(text.join(" ").replace("\\n", "\n"))
        }
        ("printf", _) if words.len() == 2 => words.get(1).map(|w| w.replace("\\n", "\n")),
        ("cat", Stream::Text(text)) if words.len() == 1 => Some(text.to_string()),
        _ => None,
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a word may name one of the gate's own files, or a host's configuration.
fn speaks_of_own(word: &str) -> bool {
    const HOSTS: &[&str] =
        &[".claude", ".codex", ".cursor", ".copilot", ".gemini", "windsurf", ".cline", "PreToolUse", "copilot"];
    word.len() >= 5 && (speaks_of_gate(word) || HOSTS.iter().any(|h| word.contains(h)))
}

/// The program that a command comes to, behind those that run it, and where its word stands.
fn innermost(words: &[&str]) -> Option<(usize, String)> {
    let mut at = 0;
    loop {
        let name = program(words.get(at)?);
        // What these run is not the whole of what they do with their words.
        let own =
            wrappers::own_operands(&name).filter(|_| !matches!(name.as_str(), "find" | "fd" | "gfind" | "fdfind"));
        let Some(mut own) = own else { return Some((at, name)) };
        let own_word = |w: &str| {
            let number = w.trim_end_matches(['s', 'm', 'h', 'd']).chars().all(|c| c.is_ascii_digit() || c == '.');
            w.starts_with('-') || number || w.split_once('=').is_some_and(|(n, _)| n.chars().all(is_of_a_name))
        };
        let mut next = at + 1;
        while let Some(word) = words.get(next) {
            if own > 0 && !word.starts_with('-') {
                own -= 1;
            } else if !own_word(word) {
                break;
            }
            next += 1;
        }
        if next >= words.len() {
            return Some((at, name));
        }
        at = next;
    }
}

/// Whether a program has the option with which it changes the files that it is given: `-i`, `-i.bak`, `-pi -e`,
/// `--in-place`, awk's `-i inplace`.
fn in_place(name: &str, words: &[&str]) -> bool {
    let awk = name.ends_with("awk");
    let short = |w: &str| w.starts_with('-') && !w.starts_with("--") && w.contains('i');
    words.iter().skip(1).any(|w| if awk { w.ends_with("inplace") } else { short(w) || w.starts_with("--in-place") })
}

/// What becomes of the files that a command gets in the place of `{}`, or after its own words; `None`: nothing.
fn given(words: &[&str]) -> Option<How> {
    let name = program(words.first()?);
    let (_, changes) = PROGRAMS.iter().find(|(n, _)| *n == name)?;
    let last = || words.iter().rev().find(|w| !matches!(**w, ";" | "\\;" | "+"));
    match changes {
        Changes::Removes | Changes::Moves => Some(How::Removed),
        Changes::Writes => Some(How::Written),
        Changes::InPlace => in_place(&name, words).then_some(How::Written),
        // The last is written: as a rule what the others are copied to.
        Changes::Copies => last().filter(|w| **w == "{}").map(|_| How::Written),
        Changes::Options(_) => None,
    }
}

/// The command that a search runs on what it finds: `find … -exec rm {} +`, `fd … -x rm`.
fn on_found<'w>(words: &'w [&'w str]) -> Option<&'w [&'w str]> {
    const RUNS: &[&str] = &["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
    let at = words.iter().position(|w| RUNS.contains(w))?;
    words.get(at + 1..)
}

fn changes_files(name: &str) -> bool {
    PROGRAMS.iter().any(|(n, changes)| *n == name && !matches!(changes, Changes::Options(_)))
}

fn searches(name: &str) -> bool {
    matches!(name, "find" | "fd" | "gfind" | "fdfind")
}

fn removes(name: &str) -> bool {
    PROGRAMS.iter().any(|(n, changes)| *n == name && matches!(changes, Changes::Removes))
}

/// Code that is given to an interpreter as an argument: `-c CODE`, `-e CODE`, `eval CODE`.
fn code<'w>(name: &str, words: &[&'w str]) -> Option<&'w str> {
    if !interprets(name) {
        return None;
    }
    let letter = |w: &str| w.starts_with('-') && !w.starts_with("--") && w.ends_with(['c', 'e', 'r', 'p', 'E']);
    let at = words.iter().skip(1).position(|w| letter(w) || matches!(*w, "--eval" | "--print" | "eval"))?;
    words.get(at + 2).copied()
}

/// Where words of a command are files.
struct Place<'a> {
    environment: &'a Environment,
    directory: Option<&'a str>,
}

impl Place<'_> {
    fn target(&self, word: &Word) -> Target {
        match &word.text {
            Some(text) => match self.path(text) {
                Target::Path(path) if word.bracket => Target::Pattern(path.display().to_string()),
                other => other,
            },
            None if word.pattern.is_some() => match self.path(word.pattern.as_deref().unwrap_or_default()) {
                Target::Path(path) => Target::Pattern(path.display().to_string()),
                other => other,
            },
            None => {
                let bare = word.raw.replace(['"', '\''], "");
                if bare.contains(['$', '`', '{']) {
                    return Target::Text(word.raw.clone());
                }
                match self.path(&bare) {
                    Target::Path(path) => Target::Pattern(path.display().to_string()),
                    other => other,
                }
            }
        }
    }

    /// The directory, where it is known.
    fn start(&self) -> Option<String> {
        match self.path("") {
            Target::Path(path) => path.to_str().filter(|_| path.is_absolute()).map(str::to_owned),
            _ => None,
        }
    }

    /// A file by its place from where the text starts.
    fn started(&self, place: &str) -> Option<PathBuf> {
        match (Place { environment: self.environment, directory: Some("") }).path(place) {
            Target::Path(path) => Some(path),
            _ => None,
        }
    }

    fn path(&self, text: &str) -> Target {
        let home = |rest: &str| Some(lexical(&self.environment.home.as_ref()?.join(rest.trim_start_matches('/'))));
        let expanded = |text: &str| match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => home(rest),
            // `~user`: as a rule beside this user's.
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') => {
                let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let homes = self.environment.home.as_ref()?.parent()?;
                let home = if user == "root" { PathBuf::from("/root") } else { homes.join(user) };
                Some(lexical(&home.join(rest)))
            }
            _ => None,
        };
        if let Some(path) = expanded(text) {
            return Target::Path(path);
        }
        let path = Path::new(text);
        if path.is_absolute() {
            let path = lexical(path);
            // Another name of what there is anyway: `/proc/1/root/…`, `/proc/self/cwd/…`.
            let parts: Vec<&str> = path.to_str().unwrap_or_default().splitn(5, '/').collect();
            return match parts.as_slice() {
                ["", "proc", _, "root", rest] => self.path(&format!("/{rest}")),
                ["", "proc", _, "cwd", rest] => self.path(rest),
                ["", "proc", _, "cwd"] => self.path(""),
                ["", "proc", _, "root"] => Target::Path(PathBuf::from("/")),
                _ => Target::Path(path),
            };
        }
        match self.directory {
            Some("") => Target::Path(self.environment.absolute(path)),
            Some(directory) => {
                let base = expanded(directory).unwrap_or_else(|| self.environment.absolute(Path::new(directory)));
                Target::Path(lexical(&base.join(path)))
            }
            None => Target::Text(text.to_owned()),
        }
    }
}

/// Whether a pattern of the shell names a path or something above it. Signs in brackets stand for any one character,
/// and `**` for any one name.
pub fn names(pattern: &str, path: &Path) -> bool {
    let wanted: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty()).collect();
    let path = path.to_string_lossy();
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    wanted.len() <= parts.len() && wanted.iter().zip(&parts).all(|(w, p)| *w == "**" || part_matches(w, p))
}

fn part_matches(pattern: &str, text: &str) -> bool {
    if text.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut signs: Vec<Option<char>> = Vec::new();
    let mut any: Vec<bool> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' if !chars.as_str().starts_with('(') => {
                if any.last() != Some(&true) {
                    signs.push(None);
                    any.push(true);
                }
                continue;
            }
            // `@(a|b)`: any text.
            '?' | '*' | '+' | '@' | '!' if chars.as_str().starts_with('(') => {
                let mut depth = 0_usize;
                chars.by_ref().find(|c| {
                    depth = if *c == '(' { depth + 1 } else { depth - usize::from(*c == ')') };
                    depth == 0
                });
                signs.push(None);
                any.push(true);
                continue;
            }
            '?' => signs.push(None),
            '[' => {
                chars.by_ref().find(|c| *c == ']');
                signs.push(None);
            }
            c => signs.push(Some(c)),
        }
        any.push(false);
    }
    // Which prefixes of the pattern match the text so far.
    let mut reach = vec![false; signs.len() + 1];
    let close = |reach: &mut Vec<bool>| {
        for i in 0..any.len() {
            if any.get(i) == Some(&true)
                && reach.get(i) == Some(&true)
                && let Some(next) = reach.get_mut(i + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(start) = reach.first_mut() {
        *start = true;
    }
    close(&mut reach);
    for c in text.chars() {
        let mut next = vec![false; reach.len()];
        for (i, (sign, many)) in signs.iter().zip(&any).enumerate() {
            if reach.get(i) != Some(&true) {
                continue;
            }
            let to = if *many { i } else { i + 1 };
            if (*many || sign.is_none_or(|s| s == c))
                && let Some(slot) = next.get_mut(to)
            {
                *slot = true;
            }
        }
        close(&mut next);
        reach = next;
    }
    reach.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{How, Operation, Target, names, read};
    use crate::model::{Environment, Timestamp};

    fn environment() -> Environment {
        Environment {
            variables: [("HOME".to_owned(), "/home/u".to_owned())].into(),
            cwd: "/w".into(),
            home: Some("/home/u".into()),
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        }
    }

    fn files(text: &str) -> Vec<String> {
        let shown = |o: Operation| match o {
            Operation::File { target, how, .. } if how.is_certain() => {
                let sign = if how == How::Removed { "-" } else { "+" };
                Some(match target {
                    Target::Path(p) => format!("{sign}{}", p.display()),
                    Target::Pattern(p) => format!("{sign}~{p}"),
                    Target::Text(t) => format!("{sign}?{t}"),
                })
            }
            _ => None,
        };
        read(text, &environment()).into_iter().filter_map(shown).collect()
    }

    #[test]
    fn files_are_found_where_programs_change_them() {
        for (text, expected) in [
            ("rm -rf ~/.config", &["-/home/u/.config"][..]),
            ("rm \"$HOME\"/.x a", &["-/home/u/.x", "-/w/a"]),
            ("cd sub && rm a", &["-/w/sub/a"]),
            ("cd ~ && rm a", &["-/home/u/a"]),
            ("echo x > a >> /b 2>&1", &["+/w/a", "+/b"]),
            ("sudo -u root rm /etc/x", &["-/etc/x"]),
            ("bash -c 'rm a'", &["-/w/a"]),
            ("mv a b", &["-/w/a", "+/w/b", "+/w/b/a"]),
            ("cp a b", &["+/w/b", "+/w/b/a"]),
            ("sed -i s/a/b/ f", &["+/w/s/a/b", "+/w/f"]),
            ("sed s/a/b/ f", &[]),
            ("find . -type f -delete", &["-/w"]),
            ("echo a | xargs rm", &["-/w/a"]),
            ("rm *.log", &["-~/w/*.log"]),
            ("rm $X/a", &["-?$X/a"]),
            ("cat x | tee y", &["+/w/y"]),
            ("cat a b", &[]),
            ("python3 -c 'import os'", &["+?import os"]),
            ("curl -o f https://x", &["+/w/f"]),
            ("sh <<'E'\nrm a\nE", &["-/w/a"]),
            ("> a", &["+/w/a"]),
            ("cd s; (echo) > a", &["+/w/s/a"]),
            ("{ cd s; rm b; } >> a", &["-/w/s/b", "+/w/a"]),
            ("if true; then :; fi > a 2>&1", &["+/w/a"]),
            ("while read x; do :; done < b > a", &["+/w/a"]),
            ("exec 3> a; exec 4<&0", &["+/w/a"]),
            ("f() { :; }; f > a; export X=1 > b", &["+/w/a", "+/w/b"]),
            (": > a; cat b 2>/dev/null > c", &["+/w/a", "+/dev/null", "+/w/c"]),
        ] {
            assert_eq!(files(text), expected, "{text}");
        }
    }

    #[test]
    fn patterns_name_what_a_shell_would_put_there() {
        for (pattern, path, expected) in [
            ("/home/u/*.log", "/home/u/.config/tidewaiter", false),
            ("/home/u/.c*", "/home/u/.config/tidewaiter", true),
            ("/home/u/*", "/home/u/.config", false),
            ("/home/*", "/home/u/.config", true),
            ("/home/u/.config/tide?aiter", "/home/u/.config/tidewaiter", true),
            ("/home/u/.config/[t]idewaiter/*", "/home/u/.config/tidewaiter", false),
            ("/home/u/.config/*waiter", "/home/u/.config/tidewaiter/policy.toml", true),
            ("", "/x", true),
        ] {
            assert_eq!(names(pattern, Path::new(path)), expected, "{pattern} {path}");
        }
    }
}
