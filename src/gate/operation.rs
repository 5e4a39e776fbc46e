//! What a command or an edit does beside installing, as far as the gate's own rules look at it: programs that are run,
//! files that are written or taken away.
//!
//! In: shell text and the environment. Out: [`Operation`]s. Pure, and bounded like the reading of shell text. Programs
//! that write files are a table; what an unknown program does to the files it names is not guessed.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::conduct::{self, Conduct};
use crate::invocation::FollowedText;
use crate::model::{Environment, lexical};
use crate::shell::{self, Directory, Parsed, SimpleCommand, Stream, Surroundings, Word};

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
    ("install", Changes::Copies),
    ("rsync", Changes::Copies),
    ("scp", Changes::Copies),
    ("sed", Changes::InPlace),
    ("gsed", Changes::InPlace),
    ("perl", Changes::InPlace),
    ("ruby", Changes::InPlace),
    ("yq", Changes::InPlace),
    ("curl", Changes::Options(&["-o", "--output"])),
    ("wget", Changes::Options(&["-O", "--output-document"])),
    ("dd", Changes::Options(&["of"])),
];

/// Programs that run the command in their arguments.
const WRAPPERS: &[&str] = &[
    "sudo", "doas", "env", "nice", "ionice", "nohup", "time", "timeout", "stdbuf", "setsid", "command", "builtin",
    "exec", "xargs", "busybox", "toybox", "chroot", "unshare", "watch", "strace", "flock", "parallel", "find", "fd",
];
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "ash", "fish"];
/// Programs to which code is given as an argument.
const INTERPRETERS: &[&str] = &["python", "node", "nodejs", "perl", "ruby", "php", "deno", "bun", "lua", "osascript"];

/// Whether a program of this name is given code as an argument, or a file of it.
pub(super) fn runs_code(name: &str) -> bool {
    SHELLS.contains(&name) || interprets(name)
}

fn interprets(name: &str) -> bool {
    INTERPRETERS.iter().any(|i| name.starts_with(i))
}

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

/// What the texts of files that a command runs do beside installing and beside files: a build writes many.
pub fn read_followed(texts: &[FollowedText], environment: &Environment) -> Vec<Operation> {
    let steps = Cell::new(shell::MAX_STEPS);
    let mut out: Vec<Operation> = Vec::new();
    for followed in texts {
        let mut reader = Reader::new(environment, &steps, false);
        reader.script(&followed.text, followed.directory.as_deref().unwrap_or_default(), None, 0);
        for operation in reader.out {
            let Operation::Acts(conduct) = operation else { continue };
            let one = Operation::Acts(Conduct { at: Some(followed.location.clone()), ..conduct });
            if out.len() < MOST && !out.contains(&one) {
                out.push(one);
            }
        }
    }
    out
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
}

impl<'a> Reader<'a> {
    fn new(environment: &'a Environment, steps: &'a Cell<u32>, typed: bool) -> Self {
        Self { environment, steps, typed, out: Vec::new(), files: HashSet::new() }
    }

    fn script(&mut self, text: &str, base: &str, input: Option<Stream>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let script = shell::read(text, &self.surroundings(text, input), self.steps);
        self.commands(&script, base, depth);
    }

    fn surroundings(&self, text: &str, input: Option<Stream>) -> Surroundings {
        let mentioned = |name: &str| text.contains(name);
        let variables = self.environment.variables.iter().filter(|(name, _)| mentioned(name));
        Surroundings {
            variables: variables.map(|(n, v)| (n.clone(), v.clone())).collect(),
            input,
            most: self.typed.then_some(shell::MOST_TYPED),
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
            }
            let before = self.out.len();
            self.command(command, base, depth);
            let name = command.words.first().and_then(|w| w.text.as_deref()).map(program);
            // Most programs do nothing that is looked at, and a long line has many of them.
            let known = name.as_deref().is_none_or(|name| conduct::knows(name) || WRAPPERS.contains(&name));
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
        let wraps = WRAPPERS.contains(&first.as_str());
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
        let directory = match &command.directory {
            Directory::Known(d) => Some(if base.is_empty() { d.clone() } else { shell::joined(base, d) }),
            Directory::Unknown(_) => None,
        };
        let place = Place { environment: self.environment, directory: directory.as_deref() };
        let words: Vec<&str> = command.words.iter().map(|w| w.text.as_deref().unwrap_or(&w.raw)).collect();
        let Some(first) = words.first() else { return };
        let name = program(first);
        for redirection in &command.redirections {
            if redirection.operator.contains('>') && !redirection.operator.contains('&')
                || matches!(redirection.operator, "&>" | "&>>")
                // `>& FILE`, and not another descriptor.
                || (redirection.operator == ">&"
                    && !redirection.target.raw.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
            {
                let target = place.target(&redirection.target);
                self.file(target, How::Written, &name);
            }
        }
        for set in command.assignments.iter().filter(|set| set.name.starts_with("TIDEWAITER")) {
            self.out.push(Operation::Sets { name: set.name.clone() });
        }
        if matches!(name.as_str(), "export" | "declare" | "typeset" | "set") {
            let named = words.iter().skip(1).filter_map(|w| w.split_once('='));
            let named = named.filter(|(name, _)| name.starts_with("TIDEWAITER"));
            self.out.extend(named.map(|(name, _)| Operation::Sets { name: name.to_owned() }));
        }
        let wraps = WRAPPERS.contains(&name.as_str());
        for start in 0..words.len() {
            let (Some(word), true) = (words.get(start), start == 0 || wraps) else { break };
            let name = program(word);
            let rest = command.words.get(start..).unwrap_or_default();
            let texts = words.get(start..).unwrap_or_default();
            if start == 0 || name == "tidewaiter" {
                // Of the programs that are run, only those that speak of this gate are looked at.
                if texts.iter().any(|w| speaks_of_gate(w)) {
                    self.out.push(Operation::Run { words: texts.iter().map(|w| (*w).to_owned()).collect() });
                }
            }
            self.changes(&place, &name, rest, texts);
            if let Some(code) = code(&name, texts) {
                if SHELLS.contains(&name.as_str()) {
                    self.script(code, directory.as_deref().unwrap_or(base), None, depth + 1);
                } else {
                    self.file(Target::Text(code.to_owned()), How::Written, &name);
                }
            }
        }
        if let Stream::Text(text) = &command.input {
            if speaks_of_gate(text) && !(SHELLS.contains(&name.as_str()) && words.len() == 1) {
                let typed = words.iter().copied().chain([&**text]).map(str::to_owned);
                self.out.push(Operation::Run { words: typed.collect() });
            }
            if SHELLS.contains(&name.as_str()) && words.len() == 1 {
                self.script(text, directory.as_deref().unwrap_or(base), None, depth + 1);
            } else if interprets(&name) && words.iter().skip(1).all(|w| *w == "-") {
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
        if matches!(name.as_str(), "find" | "fd")
            && words.iter().skip(1).any(|w| *w == "-delete" || removes(&program(w)))
        {
            for word in command.words.iter().skip(1).take_while(|w| !w.raw.starts_with('-')) {
                self.found(place.target(word), &words, &name);
            }
        }
        if name == "git" && words.iter().skip(1).any(|w| matches!(*w, "rm" | "mv" | "restore" | "checkout")) {
            for word in command.words.iter().skip(2).filter(|w| !w.raw.starts_with('-')) {
                let target = place.target(word);
                self.file(target, How::Written, &name);
            }
        }
    }

    /// What `find` finds below a directory: all, or what has the names that it asks for, at any depth.
    fn found(&mut self, target: Target, words: &[&str], by: &str) {
        const DEEPEST: usize = 6;
        let asked = words.windows(2).filter(|w| matches!(w[0], "-name" | "-iname")).map(|w| &w[1]);
        let asked: Vec<&&str> = asked.take(16).collect();
        let Target::Path(directory) = &target else { return self.file(target, How::Removed, by) };
        if asked.is_empty() {
            return self.file(target, How::Removed, by);
        }
        for wanted in asked {
            for depth in 0..=DEEPEST {
                let pattern = format!("{}/{}{wanted}", directory.display(), "**/".repeat(depth));
                self.file(Target::Pattern(pattern), How::Removed, by);
            }
        }
    }

    fn file(&mut self, target: Target, how: How, by: &str) {
        // What goes into a device depends on the command, and is told each time.
        let device = matches!(&target, Target::Path(path) if path.starts_with("/dev"));
        if self.out.len() < MOST && (device || self.files.insert((target.clone(), how.clone(), by.to_owned()))) {
            self.out.push(Operation::File { target, how, by: by.to_owned() });
        }
    }

    fn changes(&mut self, place: &Place<'_>, name: &str, words: &[Word], texts: &[&str]) {
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
                // `-i`, `-i.bak`, `-pi -e`, `--in-place`
                let short = |w: &&str| w.starts_with('-') && !w.starts_with("--") && w.contains('i');
                if texts.iter().skip(1).any(|w| short(w) || w.starts_with("--in-place")) {
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
                self.file(place.target(last), How::Written, name);
                for source in sources {
                    let file = source.text.as_deref().and_then(|t| Path::new(t).file_name());
                    if let (Target::Path(directory), Some(file)) = (place.target(last), file) {
                        self.file(Target::Path(directory.join(file)), How::Written, name);
                    }
                }
            }
            Changes::Options(options) => {
                for (i, word) in texts.iter().enumerate().skip(1) {
                    let same = options.iter().find_map(|o| word.strip_prefix(o)?.strip_prefix('='));
                    let value = same.or_else(|| options.contains(word).then(|| texts.get(i + 1)).flatten().copied());
                    if let Some(value) = value {
                        self.file(place.path(value), How::Written, name);
                    }
                }
            }
        }
    }
}

fn removes(name: &str) -> bool {
    PROGRAMS.iter().any(|(n, changes)| *n == name && matches!(changes, Changes::Removes))
}

/// Code that is given to a shell or an interpreter as an argument: `-c CODE`, `-lc CODE`, `-e CODE`, `eval CODE`.
fn code<'w>(name: &str, words: &[&'w str]) -> Option<&'w str> {
    let shell = SHELLS.contains(&name);
    if !runs_code(name) {
        return None;
    }
    let letter = |w: &str| {
        w.starts_with('-')
            && !w.starts_with("--")
            && w.ends_with(if shell { &['c'][..] } else { &['c', 'e', 'r', 'p', 'E'] })
    };
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
            Some(text) => self.path(text),
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

    fn path(&self, text: &str) -> Target {
        let home = |rest: &str| Some(lexical(&self.environment.home.as_ref()?.join(rest.trim_start_matches('/'))));
        let expanded = |text: &str| match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => home(rest),
            _ => None,
        };
        if let Some(path) = expanded(text) {
            return Target::Path(path);
        }
        let path = Path::new(text);
        if path.is_absolute() {
            return Target::Path(lexical(path));
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
            '*' => {
                if any.last() != Some(&true) {
                    signs.push(None);
                    any.push(true);
                }
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
            Operation::File { target, how, .. } => {
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
