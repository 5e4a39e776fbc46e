//! The option scanner behind every grammar: words and tables in; options, operands and what was not understood out.
//!
//! A table is a list of [`Opt`] rows. The scanner knows the conventions that command line tools follow (GNU long and
//! short options, optparse's abbreviations, nopt's negations); what an option means is in its row, nowhere else.

use super::{FileRef, FileRole, Flag, FlagEffect, Invocation, Opaque, Request, RequestKind};
use crate::model::Location;

/// Words beyond this many are not read: the command is opaque.
pub(super) const MAX_WORDS: usize = 20_000;

/// A word and the place in argv it came from: words cut out of a script share the script's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub index: usize,
    /// A shell would put something else in its place: a variable, a pattern of file names.
    pub expands: bool,
    /// Of a word that expands: what certainly ends it.
    pub tail: String,
    /// Of a word that expands: shell text in which `${NAME}` stands for what is not known, unless that may be code.
    pub template: Option<String>,
}

impl Word {
    pub fn all(argv: &[String]) -> Vec<Self> {
        argv.iter().enumerate().map(|(index, text)| Self::new(text, index)).collect()
    }

    pub fn new(text: &str, index: usize) -> Self {
        Self { text: text.to_owned(), index, expands: false, tail: String::new(), template: None }
    }
}

/// How many words an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// None.
    Flag,
    /// One, after `=`, attached to a short option, or the next word.
    One,
    /// One if the next word is no option: clap's `num_args(0..=1)`.
    Maybe,
    /// One, only after `=`.
    Equals,
}

/// What reading an option does beside being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing.
    Record,
    /// The tool prints something and leaves: help, version. What counts only before the verb, or only after it, has a
    /// row in the table of that place alone.
    Help,
    /// [`Invocation::dry_run`].
    DryRun,
    /// [`Invocation::global`].
    Global,
    /// [`Invocation::directory`].
    Directory,
    /// The value is a request.
    Ask(RequestKind),
    /// The value is a list of requests, separated by commas.
    AskEach(RequestKind),
    /// The value is a list of selectors, separated by commas or blanks.
    Select,
    /// The value is a file.
    File(FileRole),
}

/// A row of a grammar's table: options of one arity and one meaning.
///
/// `names` holds the spellings of an option separated by blanks, the canonical one first, and may hold several such
/// options separated by commas: `"--quiet -q, --verbose -v"`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt {
    pub names: &'static str,
    pub arity: Arity,
    pub effect: FlagEffect,
    /// The effect when it is switched off: `--no-x`, `--x=false`.
    pub off: FlagEffect,
    /// Effects of particular values.
    pub when: &'static [(&'static str, FlagEffect)],
    pub act: Act,
}

const fn row(names: &'static str, arity: Arity, effect: FlagEffect) -> Opt {
    Opt { names, arity, effect, off: FlagEffect::Neutral, when: &[], act: Act::Record }
}

/// Options without a value.
pub(super) const fn flag(names: &'static str, effect: FlagEffect) -> Opt {
    row(names, Arity::Flag, effect)
}

/// Options with a value.
pub(super) const fn value(names: &'static str, effect: FlagEffect) -> Opt {
    row(names, Arity::One, effect)
}

/// Options with a value that may be left out.
pub(super) const fn maybe(names: &'static str, effect: FlagEffect) -> Opt {
    row(names, Arity::Maybe, effect)
}

/// Options whose value, if there is one, is written after `=`.
pub(super) const fn equals(names: &'static str, effect: FlagEffect) -> Opt {
    row(names, Arity::Equals, effect)
}

impl Opt {
    pub const fn act(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    pub const fn off(mut self, effect: FlagEffect) -> Self {
        self.off = effect;
        self
    }

    pub const fn when(mut self, values: &'static [(&'static str, FlagEffect)]) -> Self {
        self.when = values;
        self
    }

    fn groups(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.names.split(',').map(str::trim)
    }

    /// What it means with this value.
    pub fn effect_of(&self, value: Option<&str>) -> FlagEffect {
        let Some(value) = value else { return self.effect };
        if self.arity == Arity::Flag && is_off(value) {
            return self.off;
        }
        self.when.iter().find(|(v, _)| v.eq_ignore_ascii_case(value)).map_or(self.effect, |(_, e)| *e)
    }
}

/// Whether a value switches a boolean off.
pub(crate) fn is_off(value: &str) -> bool {
    ["false", "0", "no", "off", "n", "f"].iter().any(|off| off.eq_ignore_ascii_case(value))
}

/// The table rows an option is looked up in, first match first.
pub(super) type Tables<'t> = &'t [&'static [Opt]];

/// The canonical name and row of an exactly spelled option.
pub(super) fn find(tables: Tables<'_>, name: &str) -> Option<(&'static str, &'static Opt)> {
    rows(tables).find_map(|(group, opt)| {
        let mut names = group.split_ascii_whitespace();
        let canonical = names.next()?;
        (canonical == name || names.any(|n| n == name)).then_some((canonical, opt))
    })
}

fn rows<'t>(tables: Tables<'t>) -> impl Iterator<Item = (&'static str, &'static Opt)> + use<'t> {
    tables.iter().flat_map(|table| table.iter()).flat_map(|opt| opt.groups().map(move |g| (g, opt)))
}

/// The only option that `prefix` abbreviates.
fn abbreviated(tables: Tables<'_>, prefix: &str) -> Option<(&'static str, &'static Opt)> {
    if prefix.len() < 3 {
        return None;
    }
    let mut found: Option<(&'static str, &'static Opt)> = None;
    for (group, opt) in rows(tables) {
        let Some(canonical) = group.split_ascii_whitespace().next() else { continue };
        for _ in group.split_ascii_whitespace().filter(|n| n.starts_with(prefix)) {
            match found {
                Some((name, _)) if name != canonical => return None,
                Some(_) => {}
                None => found = Some((canonical, opt)),
            }
        }
    }
    found
}

/// The conventions a tool's parser follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Long options may be cut short while they stay unique: optparse, argparse.
    pub abbreviate: bool,
    /// A value that begins with a dash is taken as it is (optparse); else it is an error (clap, argparse).
    pub dashed_values: bool,
    /// npm's parser: `--no-x`, `--x false`, long options with one dash.
    pub nopt: bool,
    /// Options end at the first operand.
    pub stop: bool,
}

impl Style {
    pub const OPTPARSE: Self = Self { abbreviate: true, dashed_values: true, nopt: false, stop: false };
    /// click, which pip-tools uses.
    pub const CLICK: Self = Self { abbreviate: false, dashed_values: true, nopt: false, stop: false };
    /// argparse, which pipx, pdm and pipenv use.
    pub const ARGPARSE: Self = Self { abbreviate: true, dashed_values: false, nopt: false, stop: false };
    pub const CLAP: Self = Self { abbreviate: false, dashed_values: false, nopt: false, stop: false };
    pub const NOPT: Self = Self { abbreviate: true, dashed_values: false, nopt: true, stop: false };

    pub const fn stopping(mut self) -> Self {
        self.stop = true;
        self
    }
}

/// An option as it was found.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Its row; `None` when no table knows it.
    pub opt: Option<&'static Opt>,
    pub name: String,
    pub value: Option<String>,
    pub index: usize,
    /// The place of the value's word.
    pub value_index: usize,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub given: Vec<Given>,
    pub operands: Vec<Word>,
    /// How many of the operands stand before a `--`.
    pub before_dashes: usize,
    pub opaque: Vec<Opaque>,
    /// How many words were read; the rest follows a first operand, which is not read (see [`Style::stop`]).
    pub read: usize,
    /// The tool prints help or its version, nothing before that was doubtful, and nothing after it takes it back.
    pub help: bool,
}

impl Scan {
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|g| g.name == name && !g.value.as_deref().is_some_and(is_off))
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|g| g.name == name).and_then(|g| g.value.as_deref())
    }
}

/// The word for people, control characters escaped and shortened.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(80) {
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}

pub(super) fn opaque(index: usize, reason: impl Into<String>) -> Opaque {
    Opaque { reason: reason.into(), location: Location::argv(index) }
}

/// Reads options and operands.
pub(super) fn scan(words: &[Word], tables: Tables<'_>, style: Style) -> Scan {
    let mut s = Scanner { words, tables, style, at: 0, out: Scan::default(), helps: Vec::new() };
    s.run();
    s.out
}

struct Scanner<'s> {
    words: &'s [Word],
    tables: Tables<'s>,
    style: Style,
    at: usize,
    out: Scan,
    /// The options of [`Act::Help`] that hold so far.
    helps: Vec<String>,
}

impl Scanner<'_> {
    fn run(&mut self) {
        let mut dashes = false;
        while let Some(word) = self.words.get(self.at) {
            if word.text == "--" {
                dashes = true;
                self.at += 1;
                self.out.before_dashes = self.out.operands.len();
                if !self.style.stop {
                    self.out.operands.extend(self.words.iter().skip(self.at).cloned());
                    self.at = self.words.len();
                }
                break;
            }
            if word.text.len() < 2 || !word.text.starts_with('-') {
                if self.style.stop {
                    break;
                }
                self.out.operands.push(word.clone());
                self.at += 1;
            } else if self.style.nopt {
                self.nopt(word);
            } else if word.text.starts_with("--") {
                self.long(word);
            } else {
                self.short(word);
            }
        }
        if !dashes {
            self.out.before_dashes = self.out.operands.len();
        }
        self.out.read = self.at;
        self.out.help = !self.helps.is_empty();
    }

    fn give(&mut self, name: &str, opt: &'static Opt, value: Option<String>, index: usize, value_index: usize) {
        if opt.act == Act::Help {
            self.helps.retain(|help| help != name);
            if self.out.opaque.is_empty() && !value.as_deref().is_some_and(is_off) {
                self.helps.push(name.to_owned());
            }
        }
        self.out.given.push(Given { opt: Some(opt), name: name.to_owned(), value, index, value_index });
    }

    fn unknown(&mut self, word: &Word, name: &str, value: Option<String>) {
        let after = if value.is_none() && !self.style.nopt { ", which may take the next word" } else { "" };
        self.out.opaque.push(opaque(word.index, format!("unknown option `{}`{after}", shown(name))));
        self.out.given.push(Given {
            opt: None,
            name: name.to_owned(),
            value,
            index: word.index,
            value_index: word.index,
        });
    }

    fn long(&mut self, word: &Word) {
        let (name, attached) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        self.at += 1;
        let found =
            find(self.tables, name).or_else(|| self.style.abbreviate.then(|| abbreviated(self.tables, name)).flatten());
        let Some((canonical, opt)) = found else {
            self.unknown(word, name, attached);
            return;
        };
        self.takes(word, canonical, opt, attached);
    }

    /// Finds the value of an option whose spelling has been read.
    fn takes(&mut self, word: &Word, canonical: &str, opt: &'static Opt, attached: Option<String>) {
        match (opt.arity, attached) {
            (Arity::Flag, Some(value)) => {
                self.out.opaque.push(opaque(word.index, format!("`{canonical}` takes no value")));
                self.give(canonical, opt, Some(value), word.index, word.index);
            }
            (Arity::One | Arity::Maybe | Arity::Equals, Some(value)) => {
                self.give(canonical, opt, Some(value), word.index, word.index);
            }
            (Arity::Flag | Arity::Equals, None) => self.give(canonical, opt, None, word.index, word.index),
            (Arity::One | Arity::Maybe, None) => {
                let next = self.words.get(self.at).filter(|next| {
                    // argparse takes a word with a blank in it for no option.
                    let plain = self.style.abbreviate && next.text.contains(' ');
                    let dashed = next.text.len() > 1 && next.text.starts_with('-') && !plain;
                    !dashed || (opt.arity == Arity::One && self.style.dashed_values)
                });
                match next {
                    Some(next) => {
                        self.at += 1;
                        self.give(canonical, opt, Some(next.text.clone()), word.index, next.index);
                    }
                    None => {
                        if opt.arity == Arity::One {
                            self.out.opaque.push(opaque(word.index, format!("`{canonical}` lacks its value")));
                        }
                        self.give(canonical, opt, None, word.index, word.index);
                    }
                }
            }
        }
    }

    /// `-x`, `-xvalue`, `-xyz value`.
    fn short(&mut self, word: &Word) {
        self.at += 1;
        // An option of the table that is spelled with one dash and more than a letter: `-ws`, `-3.11`.
        let (whole, attached) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        if let Some((canonical, opt)) = find(self.tables, whole) {
            self.takes(word, canonical, opt, attached);
            return;
        }
        for (at, letter) in word.text.char_indices().skip(1) {
            let name = format!("-{letter}");
            let Some((canonical, opt)) = find(self.tables, &name) else {
                self.unknown(word, &name, None);
                return;
            };
            if opt.arity == Arity::Flag {
                self.give(canonical, opt, None, word.index, word.index);
                continue;
            }
            let rest = word.text.get(at + letter.len_utf8()..).unwrap_or_default();
            let attached = match rest.strip_prefix('=') {
                // optparse keeps the `=` of `-i=x`; clap drops it.
                Some(value) if !self.style.abbreviate => Some(value),
                _ if rest.is_empty() => None,
                _ => Some(rest),
            };
            self.takes(word, canonical, opt, attached.map(str::to_owned));
            return;
        }
    }

    /// nopt: dashes do not matter, `no-` negates, `--x false` switches off, unknown options take no word.
    fn nopt(&mut self, word: &Word) {
        self.at += 1;
        let (spelled, mut attached) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        let bare = spelled.trim_start_matches('-');
        if bare.is_empty() {
            self.unknown(word, spelled, attached);
            return;
        }
        if let Some(found) = find(self.tables, &format!("--{bare}")).or_else(|| find(self.tables, &format!("-{bare}")))
        {
            self.nopt_takes(word, found, attached, false);
            return;
        }
        let cluster: Option<Vec<_>> = bare.chars().map(|c| find(self.tables, &format!("-{c}"))).collect();
        if let Some(cluster) = cluster {
            let last = cluster.len().saturating_sub(1);
            for (i, found) in cluster.into_iter().enumerate() {
                let attached = if i == last { attached.take() } else { None };
                if i == last {
                    self.nopt_takes(word, found, attached, false);
                } else {
                    // nopt expands the cluster first, so that each but the last is followed by an option.
                    self.give(found.0, found.1, None, word.index, word.index);
                }
            }
            return;
        }
        let mut negated = false;
        let mut rest = bare;
        while let Some(cut) = rest.get(..3).filter(|p| p.eq_ignore_ascii_case("no-")).and_then(|_| rest.get(3..)) {
            negated = !negated;
            rest = cut;
        }
        let long = format!("--{rest}");
        match find(self.tables, &long).or_else(|| abbreviated(self.tables, &long)) {
            Some(found) => self.nopt_takes(word, found, attached, negated),
            None => self.unknown(word, &format!("--{bare}"), attached),
        }
    }

    fn nopt_takes(
        &mut self,
        word: &Word,
        (canonical, opt): (&'static str, &'static Opt),
        attached: Option<String>,
        negated: bool,
    ) {
        // A negative spelling in the table, `--no-package-lock -> --package-lock`, is written as a row of its own.
        let listed = |value: &str| opt.when.iter().any(|(v, _)| *v == value) || matches!(value, "true" | "false");
        let takes = !negated && (opt.arity == Arity::One || (opt.arity == Arity::Maybe && opt.when.is_empty()));
        if let Some(value) = attached.as_deref().filter(|value| !takes && !listed(value)) {
            let reason = format!("`{canonical}` takes no such value: `{}` is a word of its own", shown(value));
            self.out.opaque.push(opaque(word.index, reason));
        }
        if negated || opt.arity == Arity::Flag {
            let (given, value_index) = match attached {
                Some(value) => (Some(value), word.index),
                None => match self.words.get(self.at).filter(|w| w.text == "true" || w.text == "false") {
                    Some(next) => {
                        self.at += 1;
                        (Some(next.text.clone()), next.index)
                    }
                    None => (None, word.index),
                },
            };
            let off = given.as_deref().is_some_and(is_off) != negated;
            let value = match given {
                _ if off => Some("false".to_owned()),
                Some(text) if !is_off(&text) && text != "true" && !negated => Some(text),
                _ => None,
            };
            self.give(canonical, opt, value, word.index, value_index);
            return;
        }
        let (value, value_index) = match attached {
            Some(value) => (Some(value), word.index),
            None => {
                // A row with a list of values and an optional value takes only a value of its list: `--color always`.
                let next = self.words.get(self.at).filter(|w| match opt.arity {
                    Arity::Maybe => listed(&w.text),
                    _ => !w.text.starts_with('-') || w.text.len() < 2,
                });
                match next {
                    Some(next) => {
                        self.at += 1;
                        (Some(next.text.clone()), next.index)
                    }
                    None => {
                        if opt.arity == Arity::One {
                            // nopt's answer depends on the option's type: some take a dashed word, some do not.
                            self.out.opaque.push(opaque(word.index, format!("`{canonical}` lacks its value")));
                        }
                        (None, word.index)
                    }
                }
            }
        };
        self.give(canonical, opt, value, word.index, value_index);
    }
}

/// Where an option was set.
pub(super) fn record(
    invocation: &mut Invocation,
    name: &str,
    value: Option<String>,
    opt: Option<&Opt>,
    at: &[Location; 2],
) {
    let effect = opt.map_or(FlagEffect::Configures, |o| o.effect_of(value.as_deref()));
    let off = value.as_deref().is_some_and(is_off);
    let text = value.clone().unwrap_or_default();
    let [location, value_location] = at.clone();
    invocation.flags.push(Flag { name: name.to_owned(), value, effect, location });
    let Some(opt) = opt else { return };
    let mut ask = |text: &str, kind| {
        if !text.is_empty() {
            invocation.requests.push(Request { text: text.to_owned(), kind, location: value_location.clone() });
        }
    };
    match opt.act {
        Act::Record | Act::Help => {}
        Act::DryRun => invocation.dry_run |= !off,
        Act::Global => invocation.global |= !off,
        Act::Directory | Act::File(_) if text.is_empty() => {}
        Act::Directory => invocation.directory = Some(joined(invocation.directory.as_deref(), &text)),
        Act::Ask(kind) => ask(&text, kind),
        Act::AskEach(kind) => text.split(',').map(str::trim).for_each(|t| ask(t, kind)),
        Act::Select => {
            text.split([',', ' ']).map(str::trim).for_each(|t| ask(t, RequestKind::Selector));
        }
        Act::File(role) => invocation.files.push(FileRef { path: text, role, location: value_location }),
    }
}

/// A directory given after another one.
pub(super) fn joined(before: Option<&str>, then: &str) -> String {
    match before {
        Some(before) if !before.is_empty() && !is_absolute(then) => format!("{}/{then}", before.trim_end_matches('/')),
        _ => then.to_owned(),
    }
}

fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    matches!(bytes.first(), Some(b'/' | b'\\' | b'~')) || bytes.get(1) == Some(&b':')
}

/// Moves what a scan found into the invocation; operands are left to the caller.
pub(super) fn apply(invocation: &mut Invocation, scan: &Scan) {
    for given in &scan.given {
        let at = [Location::argv(given.index), Location::argv(given.value_index)];
        record(invocation, &given.name, given.value.clone(), given.opt, &at);
    }
    invocation.opaque.extend(scan.opaque.iter().cloned());
}

/// Adds operands as requests.
pub(super) fn request(invocation: &mut Invocation, words: &[Word], kind: RequestKind) {
    invocation.requests.extend(words.iter().map(|w| Request {
        text: w.text.clone(),
        kind,
        location: Location::argv(w.index),
    }));
}
