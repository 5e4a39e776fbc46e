//! Follows the syntax tree as a shell would and lists every simple command that it could run, with the state in which
//! it runs. Where two ways lead to a place, only what both agree on is known there. Static `cd`s are taken to succeed,
//! except where the text itself allows for their failure (`cd a || …`).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::parse::{self, Offsets};
use super::state::{Content, State, Variable, Written, place};
use super::syntax::{AssignmentNode, Command, Item, Kind, List, Part, Pipeline, RedirectionNode, WordNode};
use super::{
    Assignment, Directory, Opaque, Parsed, Reader, Redirected, Redirection, Script, SimpleCommand, Sourced, Span,
    Stream, Surroundings, Word, output,
};

/// More files than this are not read within one text.
const MOST_SOURCED: usize = 32;
/// Functions and texts within each other deeper than this are not followed.
const MOST_NESTED: usize = 16;
/// A function that calls itself is followed so far with what is known, and once more with nothing known.
const MOST_CALLS: usize = 3;
const MORE: &str = "the script does more than is followed";
/// More than this is not known of what commands print, in bytes.
const MOST_PRINTED: usize = 64 * 1024;
/// Loops over more words than this, or that run more often all together, are followed once with an unknown word.
const MOST_TURNS: usize = 64;
const MOST_TURNS_TOGETHER: usize = 256;
/// Loops over more patterns of file names than this are followed once with an unknown word.
const MOST_PATTERNS: usize = 4;

pub(super) struct Walker<'s> {
    pub out: Script,
    steps: &'s Cell<u32>,
    /// The steps are used up, or there are more commands than are listed.
    spent: bool,
    /// How many more commands of the text itself are listed.
    most: usize,
    nested: usize,
    active: Vec<String>,
    called: BTreeSet<String>,
    defined: Vec<(String, Rc<Command>)>,
    turns: usize,
    pub files: Option<&'s dyn Reader>,
    /// `$0`.
    pub program: Option<Rc<str>>,
    /// A file was there, or certainly not.
    told: Cell<bool>,
    /// Files that are being followed: one that reads itself is followed no further.
    pub sourcing: Vec<String>,
    /// Where the next file's text stands in the spans.
    next: usize,
}

/// See [`super::read_with`]. Also whether a file of the disk had a say in it.
pub(super) fn follow(
    parsed: &Parsed,
    around: &Surroundings,
    steps: &Cell<u32>,
    files: Option<&dyn Reader>,
) -> (Script, bool) {
    let text = &*parsed.text;
    let mut walker = Walker {
        files,
        program: around.program.as_deref().map(Rc::from),
        told: Cell::new(false),
        sourcing: Vec::new(),
        next: text.len() + 1,
        out: Script::default(),
        steps,
        spent: false,
        most: around.most.unwrap_or(usize::MAX),
        nested: 0,
        active: Vec::new(),
        called: BTreeSet::new(),
        defined: Vec::new(),
        turns: 1,
    };
    let known = |text: &str| Variable { text: Some(Rc::from(text)), exported: true, ..Variable::default() };
    let mut variables: BTreeMap<Rc<str>, Variable> =
        around.variables.iter().map(|(name, value)| (Rc::from(name.as_str()), known(value))).collect();
    let separators = Variable { exported: false, ..known(" \t\n") };
    variables.entry(Rc::from("IFS")).or_insert(separators);
    let mut state = State {
        variables: Rc::new(variables),
        functions: Rc::default(),
        aliases: Rc::default(),
        positional: around.positional.clone().map(Rc::new),
        start: around.start.as_ref().map(|start| Rc::from(place(&Directory::Known(start.clone()), ""))),
        directory: Directory::Known(String::new()),
        previous: Rc::new(Directory::Unknown("`cd -` without a `cd` before it".to_owned())),
        stack: Rc::default(),
        input: around.input.clone().unwrap_or(Stream::Inherited),
        written: Rc::clone(&around.written),
        doubts: Rc::default(),
        origin: super::Origin::default(),
        ended: false,
    };
    let whole = Span { start: 0, end: text.len() };
    if !walker.spend(text.len() / 16) {
        walker.out.opaque.push(Opaque { reason: MORE.to_owned(), span: whole });
        return (walker.out, false);
    }
    walker.list(&parsed.list, &mut state);
    if let Some((reason, span)) = parsed.beyond {
        walker.out.opaque.push(Opaque { reason: reason.to_owned(), span });
    }
    walker.uncalled(&state);
    if walker.spent {
        walker.out.opaque.push(Opaque { reason: MORE.to_owned(), span: whole });
    }
    (walker.out, walker.told.get())
}

/// Builtins whose words may be names of variables, or arithmetic.
const TAKES_NAMES: &[&str] = &[
    "test",
    "[",
    "printf",
    "read",
    "mapfile",
    "readarray",
    "unset",
    "let",
    "wait",
    "declare",
    "typeset",
    "local",
    "export",
    "readonly",
    "getopts",
];

/// What a command prints that prints nothing.
pub(super) fn nothing() -> Stream {
    thread_local! {
        static NOTHING: Rc<str> = Rc::from("");
    }
    Stream::Text(NOTHING.with(Rc::clone))
}

/// What two commands in a row print.
fn then(before: Stream, after: Stream) -> Stream {
    match (before, after) {
        (Stream::Text(a), Stream::Text(b)) if a.is_empty() => Stream::Text(b),
        (Stream::Text(a), Stream::Text(b)) if b.is_empty() => Stream::Text(a),
        (Stream::Text(a), Stream::Text(b)) if a.len() + b.len() < MOST_PRINTED => {
            Stream::Text(Rc::from(format!("{a}{b}")))
        }
        (Stream::Text(a), other) if a.is_empty() => other,
        (other, Stream::Text(b)) if b.is_empty() => other,
        (Stream::Unknown(who), _) | (_, Stream::Unknown(who)) => Stream::Unknown(who),
        _ => Stream::Unknown("several commands".to_owned()),
    }
}

/// What the commands of a list print one after the other: as [`then`] puts it together, but not copied for each.
#[derive(Default)]
struct Printed {
    /// What was printed up to the text that is being put together.
    before: Option<Stream>,
    text: String,
}

impl Printed {
    fn then(&mut self, next: Stream) {
        match (&self.before, next) {
            (_, Stream::Text(next)) if next.is_empty() => {}
            (None, Stream::Text(next)) if self.text.len() + next.len() < MOST_PRINTED => self.text.push_str(&next),
            (_, next) => {
                let before = std::mem::take(self).whole();
                self.before = Some(then(before, next));
            }
        }
    }

    fn whole(self) -> Stream {
        match self.before {
            Some(before) => before,
            None if self.text.is_empty() => nothing(),
            None => Stream::Text(Rc::from(self.text)),
        }
    }
}

/// The words of a pipeline that is one simple command.
fn simple_words(pipeline: &Pipeline) -> Option<&[WordNode]> {
    match pipeline.commands.as_slice() {
        [Command { kind: Kind::Simple { words, .. }, .. }] => Some(words),
        _ => None,
    }
}

/// The word that names a pipeline's program, as written.
fn first_word(pipeline: &Pipeline) -> &str {
    simple_words(pipeline).and_then(|w| w.first()).map_or("", |w| w.raw.as_str())
}

/// Whether a command is there to fail: what follows `&&` may well not run.
fn tests(pipeline: &Pipeline) -> bool {
    const TESTS: &[&str] =
        &["[", "test", "grep", "egrep", "rg", "false", "command", "which", "type", "hash", "diff", "cmp", "pgrep"];
    pipeline.negated
        || TESTS.contains(&first_word(pipeline))
        || pipeline.commands.last().is_some_and(|c| matches!(c.kind, Kind::Test(_) | Kind::Arithmetic(_)))
}

impl Walker<'_> {
    /// Takes steps; `false` once there are none left.
    pub fn spend(&mut self, steps: usize) -> bool {
        if self.spent {
            return false;
        }
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                true
            }
            None => {
                self.steps.set(0);
                self.spent = true;
                false
            }
        }
    }

    pub fn opaque(&mut self, reason: impl Into<String>, span: Span) {
        let opaque = Opaque { reason: reason.into(), span };
        if !self.out.opaque.contains(&opaque) && self.out.opaque.len() < 64 {
            self.out.opaque.push(opaque);
        }
    }

    /// Functions that nothing here calls may be called from elsewhere.
    fn uncalled(&mut self, state: &State) {
        for (name, body) in std::mem::take(&mut self.defined) {
            if !self.called.contains(&name) {
                let mut inner = state.clone();
                inner.positional = None;
                inner.origin.function = true;
                inner.origin.conditional = true;
                self.command(&body, &mut inner);
            }
        }
    }

    pub fn list(&mut self, list: &List, state: &mut State) -> Stream {
        let mut printed = Printed::default();
        for item in &list.items {
            if self.spent {
                break;
            }
            let this = if item.background {
                let mut apart = state.clone();
                apart.origin.subshell = true;
                self.item(item, &mut apart)
            } else {
                self.item(item, state)
            };
            printed.then(this);
        }
        printed.whole()
    }

    /// `a && b || c`.
    fn item(&mut self, item: &Item, state: &mut State) -> Stream {
        if item.rest.is_empty() {
            return self.pipeline(&item.first, state);
        }
        let mut before = state.clone();
        let mut printed = self.pipeline(&item.first, state);
        let mut last = &item.first;
        // The ways on which something in the chain failed.
        let mut failed: Option<State> = None;
        let conditional = state.origin.conditional;
        for (and, pipeline) in &item.rest {
            if self.spent {
                break;
            }
            if *and {
                if tests(last) {
                    failed = Some(match failed.take() {
                        Some(other) => other.merge(state.clone()),
                        None => state.clone(),
                    });
                }
                before = state.clone();
                printed = then(printed, self.pipeline(pipeline, state));
            } else {
                let changes = matches!(first_word(last), "cd" | "pushd" | "popd");
                let mut other = if changes { before.clone() } else { state.clone() };
                if let Some(failed) = failed.take() {
                    other = if other.ended { failed } else { other.merge(failed) };
                }
                before = other.clone();
                other.origin.conditional = true;
                let this = self.pipeline(pipeline, &mut other);
                other.origin.conditional = conditional;
                printed = match (printed, this) {
                    (Stream::Text(_), Stream::Text(b)) if !b.is_empty() => {
                        Stream::Unknown(first_word(pipeline).to_owned())
                    }
                    (a, b) => then(a, b),
                };
                *state = state.clone().merge(other);
            }
            last = pipeline;
        }
        if let Some(failed) = failed {
            *state = state.clone().merge(failed);
        }
        printed
    }

    fn pipeline(&mut self, pipeline: &Pipeline, state: &mut State) -> Stream {
        if let [command] = pipeline.commands.as_slice() {
            return self.command(command, state);
        }
        let mut input = state.input.clone();
        for (i, command) in pipeline.commands.iter().enumerate() {
            let mut apart = state.clone();
            apart.origin.pipeline = u32::try_from(i).ok();
            apart.origin.subshell = true;
            apart.input = input;
            input = self.command(command, &mut apart);
            // What a part of a pipeline writes to files, later commands find.
            state.written = apart.written;
        }
        input
    }

    fn command(&mut self, command: &Command, state: &mut State) -> Stream {
        if !self.spend(1) {
            return Stream::Unknown(String::new());
        }
        if let Kind::Simple { assignments, words } = &command.kind {
            return self.simple(assignments, words, &command.redirections, command.span, state);
        }
        let outside = state.input.clone();
        let (redirections, input) = self.redirections(&command.redirections, state);
        if let Some(input) = input {
            state.input = input;
        }
        self.redirected(&redirections, &state.directory);
        let printed = self.compound(&command.kind, command.span, state);
        state.input = outside;
        self.written(&redirections, &command.redirections, printed, state)
    }

    /// Lists redirections that stand with no listed command.
    fn redirected(&mut self, redirections: &[Redirection], directory: &Directory) {
        for redirection in redirections {
            if self.spend(1 + redirection.target.raw.len() / 64) {
                let directory = directory.clone();
                self.out.redirected.push(Redirected { redirection: redirection.clone(), directory });
            }
        }
    }

    /// Notes that the text sets a variable.
    pub fn assigned(&mut self, name: &str) {
        if !self.out.assigned.contains(name) {
            self.out.assigned.insert(name.to_owned());
        }
    }

    fn compound(&mut self, kind: &Kind, span: Span, state: &mut State) -> Stream {
        match kind {
            Kind::Simple { .. } => nothing(),
            Kind::Subshell(list) => self.apart(list, state),
            Kind::Group(list) => self.list(list, state),
            Kind::If(branches, otherwise) => {
                let mut out: Option<State> = None;
                let conditional = state.origin.conditional;
                let mut end = |branch: State| {
                    out = Some(match out.take() {
                        Some(other) => other.merge(branch),
                        None => branch,
                    });
                };
                for (condition, list) in branches {
                    let before = state.clone();
                    self.list(condition, state);
                    let mut branch = state.clone();
                    branch.origin.conditional = true;
                    self.list(list, &mut branch);
                    end(branch);
                    let changes =
                        condition.items.last().is_some_and(|i| matches!(first_word(&i.first), "cd" | "pushd"));
                    if changes {
                        *state = before;
                    }
                    state.origin.conditional = true;
                }
                if let Some(list) = otherwise {
                    self.list(list, state);
                }
                end(state.clone());
                if let Some(out) = out {
                    *state = out;
                }
                state.origin.conditional = conditional;
                Stream::Unknown("if".to_owned())
            }
            Kind::While(condition, body, text) => {
                self.repeated(text, state, |walker, state| {
                    walker.list(condition, state);
                    walker.list(body, state);
                });
                Stream::Unknown("while".to_owned())
            }
            Kind::Count(head, body, text) => {
                self.single(head, state);
                self.counted(&head.raw, state);
                self.repeated(text, state, |walker, state| {
                    walker.list(body, state);
                });
                Stream::Unknown("for".to_owned())
            }
            Kind::For { name, words, body, text } => {
                self.each(name, words.as_deref(), body, text, state);
                Stream::Unknown("for".to_owned())
            }
            Kind::Case(subject, arms) => {
                self.single(subject, state);
                let mut out = state.clone();
                for (patterns, list) in arms {
                    patterns.iter().for_each(|p| {
                        self.single(p, state);
                    });
                    let mut branch = state.clone();
                    branch.origin.conditional = true;
                    self.list(list, &mut branch);
                    branch.origin.conditional = out.origin.conditional;
                    out = out.merge(branch);
                }
                *state = out;
                Stream::Unknown("case".to_owned())
            }
            Kind::Function(name, body) => {
                state.define(name, body);
                if self.defined.len() < 256 {
                    self.defined.push((name.clone(), Rc::clone(body)));
                } else {
                    self.opaque("more functions than are followed", span);
                }
                nothing()
            }
            Kind::Test(words) => {
                for word in words {
                    let word = self.single(word, state);
                    self.subscript(&word, state);
                }
                nothing()
            }
            Kind::Arithmetic(word) => {
                self.single(word, state);
                self.counted(&word.raw, state);
                nothing()
            }
        }
    }

    /// A list in a shell of its own.
    fn apart(&mut self, list: &List, state: &mut State) -> Stream {
        let mut inner = state.clone();
        inner.origin.subshell = true;
        let printed = self.list(list, &mut inner);
        state.written = inner.written;
        printed
    }

    /// `$(…)`: its commands are listed; what it prints, and whether that is data whatever it is.
    pub fn substitution(&mut self, list: &List, state: &mut State) -> (Stream, bool) {
        let printed = self.apart(list, state);
        let plain = list.items.iter().all(|item| {
            item.rest.iter().map(|(_, p)| p).chain([&item.first]).all(|p| {
                p.commands.iter().all(|c| match &c.kind {
                    Kind::Simple { words, .. } => {
                        let word = |at: usize| words.get(at).map_or("", |w| w.raw.as_str());
                        super::builtins::prints_data(word(0), word(1))
                    }
                    _ => false,
                })
            })
        });
        (printed, plain)
    }

    /// The words of a builtin that it takes for names, or for arithmetic.
    fn names_in(&mut self, name: &str, rest: &[Word], state: &mut State) {
        let is = |at: usize, texts: &[&str]| {
            rest.get(at).and_then(|w| w.text.as_deref()).is_some_and(|t| texts.contains(&t))
        };
        let declares = matches!(name, "declare" | "typeset" | "local" | "export" | "readonly");
        let counts = |w: &Word| w.text.as_deref().is_some_and(|t| t.starts_with('-') && t.contains('i'));
        let values = !declares || rest.iter().any(counts);
        for (at, word) in rest.iter().enumerate() {
            let before = at.checked_sub(1);
            let taken = match name {
                "printf" => at == 1 && is(0, &["-v"]),
                "read" => before.is_none_or(|before| !is(before, &["-p"])),
                _ => true,
            };
            let key = match word.text.as_deref().and_then(|t| t.split_once('=')) {
                Some((key, _)) if !values => Some(Word { text: Some(key.to_owned()), ..word.clone() }),
                _ => None,
            };
            if taken {
                self.subscript(key.as_ref().unwrap_or(word), state);
            }
        }
    }

    /// A word that is taken for a variable's name or for arithmetic: bash runs what its subscript substitutes, quoted or
    /// not (`test -v 'a[$(command)]'`, bash 5.2).
    pub fn subscript(&mut self, word: &Word, state: &mut State) {
        let Some(text) = word.text.as_deref().filter(|t| t.contains('[') && t.contains(['$', '`'])) else { return };
        let mut apart = state.clone();
        apart.origin.subshell = true;
        apart.origin.conditional = true;
        self.text(&format!(": \"{}\"", text.replace('"', "\\\"")), word.span, &mut apart);
    }

    /// Names in an arithmetic expression may be given other values by it.
    pub fn counted(&mut self, text: &str, state: &mut State) {
        if text.contains('=') || text.contains("++") || text.contains("--") {
            let names = identifiers(text);
            state.forget_all(|name| names.contains(name));
        }
    }

    /// A body that runs any number of times: what it could have changed is not known when it starts.
    fn repeated(&mut self, text: &str, state: &mut State, mut body: impl FnMut(&mut Self, &mut State)) {
        self.spend(text.len() / 16);
        let names = identifiers(text);
        let functions = !state.functions.is_empty();
        state.forget_all(|name| functions || names.contains(name));
        let before = state.clone();
        let first = self.out.commands.len();
        state.origin.conditional = true;
        body(self, state);
        state.origin.conditional = before.origin.conditional;
        state.ended = false;
        if state.directory != before.directory {
            let unknown = Directory::Unknown("a loop that changes it".to_owned());
            for command in self.out.commands.iter_mut().skip(first) {
                let absolute = matches!(&command.directory, Directory::Known(d) if d.starts_with(['/', '~']));
                if !absolute {
                    command.directory = unknown.clone();
                }
            }
            state.directory = unknown;
        }
        *state = state.clone().merge(before);
    }

    fn each(&mut self, name: &str, words: Option<&[WordNode]>, body: &List, text: &str, state: &mut State) {
        let (mut plain, mut patterns) = (false, Vec::new());
        let values: Option<Vec<String>> = match words {
            Some(nodes) => {
                let all: Vec<Word> = nodes.iter().flat_map(|n| self.fields(n, state, false)).collect();
                let all = self.listed(all, state);
                plain = all.iter().all(|w| w.text.is_some() || w.template.is_some());
                let shapes: Option<Vec<&str>> =
                    all.iter().map(|w| w.pattern.as_deref().or(w.text.as_deref())).collect();
                let shapes = shapes.filter(|all| all.len() <= MOST_PATTERNS).unwrap_or_default();
                patterns = shapes.into_iter().map(Rc::<str>::from).collect();
                all.into_iter().map(|w| w.text).collect()
            }
            None => state.positional.as_ref().map(|list| list.to_vec()),
        };
        let together = self.turns.saturating_mul(values.as_ref().map_or(1, Vec::len).max(1));
        match values {
            Some(values) if values.len() <= MOST_TURNS && together <= MOST_TURNS_TOGETHER => {
                let outside = std::mem::replace(&mut self.turns, together);
                let conditional = state.origin.conditional;
                state.origin.conditional = true;
                for value in values {
                    if !self.spend(state.copying() as usize) {
                        break;
                    }
                    state.set(name, Variable { text: Some(Rc::from(value)), ..Variable::default() });
                    self.list(body, state);
                    state.ended = false;
                }
                state.origin.conditional = conditional;
                self.turns = outside;
            }
            _ => {
                let each = if patterns.is_empty() { vec![None] } else { patterns.into_iter().map(Some).collect() };
                for pattern in each {
                    self.repeated(text, state, |walker, state| {
                        state.set(name, Variable { plain, pattern: pattern.clone(), ..Variable::default() });
                        walker.list(body, state);
                    });
                }
            }
        }
    }

    /// The words of a loop, with the files in the place of a pattern that names some; one that names none stays.
    fn listed(&self, words: Vec<Word>, state: &State) -> Vec<Word> {
        let named = |word: Word| {
            let found = self.named_by(&word, state).filter(|found| !found.is_empty() && found.len() <= MOST_TURNS);
            match found {
                Some(found) => found.into_iter().map(|f| word.of_file(f)).collect(),
                None => vec![word],
            }
        };
        words.into_iter().flat_map(named).collect()
    }

    /// The redirections, and what they make the command read.
    fn redirections(&mut self, nodes: &[RedirectionNode], state: &mut State) -> (Vec<Redirection>, Option<Stream>) {
        let mut out = Vec::new();
        let mut input = None;
        for node in nodes {
            let target = match &node.body {
                Some(cell) => match cell.get() {
                    Some(body) => self.single(body, state),
                    None => Word { text: Some(String::new()), ..Word::default() },
                },
                None => self.single(&node.target, state),
            };
            let reads_input = matches!(node.descriptor.as_deref(), None | Some("0"));
            if reads_input && node.operator.starts_with('<') {
                let text = |end: &str| match &target.text {
                    Some(text) => Stream::Text(Rc::from(format!("{text}{end}"))),
                    None => Stream::Unknown(target.template.clone().unwrap_or_default()),
                };
                input = Some(match node.operator {
                    "<<" | "<<-" => text(""),
                    "<<<" => text("\n"),
                    "<&" => state.input.clone(),
                    _ if node.target.parts.iter().any(|p| matches!(p, Part::Process(_))) => {
                        Stream::Unknown("a process substitution".to_owned())
                    }
                    _ => match target.text.as_ref().map(|t| state.written.get(&place(&state.directory, t))) {
                        Some(Some(Content::Text(text))) => Stream::Text(Rc::clone(text)),
                        Some(Some(Content::Made)) => Stream::Unknown(shown(&target)),
                        _ => match target.text.as_ref().and_then(|t| self.disk(&place(&state.directory, t))) {
                            Some(Content::Text(text)) => Stream::Text(text),
                            _ => Stream::File,
                        },
                    },
                });
                if let (Some(Stream::Unknown(who)), "<<" | "<<-" | "<<<") = (&mut input, node.operator) {
                    // Not a program that prints, but text in which something is not known.
                    *who = "a here-document in which something is not known".to_owned();
                }
            }
            out.push(Redirection { operator: node.operator, target });
        }
        (out, input)
    }

    /// Notes what a command's output goes to; what is left for a pipe.
    fn written(
        &mut self,
        all: &[Redirection],
        nodes: &[RedirectionNode],
        printed: Stream,
        state: &mut State,
    ) -> Stream {
        let mut left = printed;
        let before = (!all.is_empty()).then(|| Rc::clone(&state.written));
        for (redirection, node) in all.iter().zip(nodes) {
            let standard = matches!(node.descriptor.as_deref(), None | Some("1"));
            match redirection.operator {
                ">&" if standard && redirection.target.text.as_deref() != Some("1") => left = nothing(),
                ">" | ">|" | ">>" | "&>" | "&>>" => {
                    let text = match &left {
                        Stream::Text(text) if standard => Some(Rc::clone(text)),
                        _ => None,
                    };
                    if let Some(path) = &redirection.target.text {
                        let at = place(&state.directory, path);
                        let content = match (redirection.operator, state.written.get(&at), text) {
                            (">>" | "&>>", Some(Content::Text(before)), Some(text)) if before.len() < 64 * 1024 => {
                                Content::Text(Rc::from(format!("{before}{text}")))
                            }
                            (">>" | "&>>", None, Some(text)) => match self.files.map(|f| (f, self.on_disk(&at))) {
                                Some((_, Some(before))) => Content::Text(Rc::from(format!("{before}{text}"))),
                                Some((files, None)) if self.told_absent(files, &at) => Content::Text(text),
                                _ => Content::Changed,
                            },
                            (">>" | "&>>", Some(Content::Changed), Some(_)) => Content::Changed,
                            (">" | ">|" | "&>", _, Some(text)) => Content::Text(text),
                            _ if matches!(left, Stream::File) => Content::Changed,
                            _ => Content::Made,
                        };
                        if !path.starts_with("/dev/") {
                            state.write(path, content);
                        }
                    }
                    if standard {
                        left = nothing();
                    }
                }
                _ => {}
            }
        }
        if let Some(before) = before {
            self.wrote(&before, state);
        }
        left
    }

    fn value(&mut self, node: &AssignmentNode, state: &mut State) -> (Word, Variable) {
        if let [Part::Array(words)] = node.value.parts.as_slice() {
            let list = self.elements(words, state);
            let before = state.variables.get(node.name.as_str()).and_then(|v| v.list.clone());
            let list = match (node.append, before) {
                (true, Some(before)) => list.map(|l| before.iter().cloned().chain(l).collect()),
                (true, None) => None,
                (false, _) => list,
            };
            let word = Word { raw: node.value.raw.clone(), span: node.value.span, ..Word::default() };
            return (word, Variable { list: list.map(Rc::new), ..Variable::default() });
        }
        let mut word = self.single(&node.value, state);
        if node.append {
            let before = state.variables.get(node.name.as_str()).and_then(|v| v.text.clone());
            word.text = match (before, word.text) {
                (Some(before), Some(text)) if before.len() < 64 * 1024 => Some(format!("{before}{text}")),
                _ => None,
            };
        }
        if node.element {
            word.text = None;
        }
        let plain = word.text.is_none() && word.template.is_some();
        let text = word.text.as_deref().map(Rc::from);
        let pattern = word.pattern.as_deref().filter(|_| !node.append && !node.element).map(Rc::from);
        (word, Variable { text, plain, pattern, ..Variable::default() })
    }

    fn simple(
        &mut self,
        assignments: &[AssignmentNode],
        nodes: &[WordNode],
        redirected: &[RedirectionNode],
        span: Span,
        state: &mut State,
    ) -> Stream {
        let mut words: Vec<Word> = Vec::new();
        for node in nodes {
            let first = words.is_empty();
            words.extend(self.fields(node, state, first));
        }
        let (redirections, input) = self.redirections(redirected, state);
        let mut set = Vec::new();
        for node in assignments {
            let (word, variable) = self.value(node, state);
            // Each sees those before it.
            if words.is_empty() && self.spend(state.copying() as usize) {
                self.assigned(&node.name);
                state.set(&node.name, variable);
            } else {
                set.push(Assignment { name: node.name.clone(), value: word });
            }
        }
        if words.is_empty() {
            if nodes.is_empty() && assignments.iter().any(|a| a.name == "CDPATH") {
                state.previous = Rc::new(Directory::Unknown("`CDPATH`".to_owned()));
            }
            self.redirected(&redirections, &state.directory);
            return self.written(&redirections, redirected, nothing(), state);
        }
        let command = SimpleCommand {
            words,
            assignments: set,
            variables: Rc::clone(&state.variables),
            directory: state.directory.clone(),
            redirections,
            input: input.unwrap_or_else(|| state.input.clone()),
            written: Rc::clone(&state.written),
            doubts: Rc::clone(&state.doubts),
            origin: state.origin,
            span,
        };
        let redirections = command.redirections.clone();
        let outside = (!redirections.is_empty()).then(|| state.directory.clone());
        let printed = self.dispatch(command, nodes, state);
        if let Some(directory) = outside {
            let listed = |c: &SimpleCommand| c.span == span && c.redirections == redirections;
            if !self.out.commands.last().is_some_and(listed) {
                self.redirected(&redirections, &directory);
            }
        }
        self.written(&redirections, redirected, printed, state)
    }

    /// Functions, aliases, builtins that change what follows; anything else is listed.
    fn dispatch(&mut self, command: SimpleCommand, nodes: &[WordNode], state: &mut State) -> Stream {
        let span = command.span;
        let mut skip = 0;
        while let Some("command" | "builtin") = command.words.get(skip).and_then(|w| w.text.as_deref()) {
            let next = command.words.get(skip + 1).and_then(|w| w.text.as_deref());
            if next.is_none_or(|w| w.starts_with('-')) {
                break;
            }
            skip += 1;
        }
        let Some(name) = command.words.get(skip).and_then(|w| w.text.clone()) else {
            let who = command.words.first().map(shown).unwrap_or_default();
            self.emit(command);
            return Stream::Unknown(who);
        };
        let plain =
            |n: &WordNode| n.parts.iter().all(|p| matches!(p, Part::Literal(_) | Part::Brace(_) | Part::Bracket));
        let unquoted = nodes.first().is_some_and(plain);
        if let Some(text) = state.aliases.get(&name).cloned().filter(|_| skip == 0 && unquoted) {
            // Most shells that run scripts leave aliases alone, so both are listed.
            self.aliased(&text, &command, state);
        }
        if let Some(function) = state.functions.get(&name).cloned().filter(|_| skip == 0) {
            let printed = self.call(&name, &function.body, &command, state);
            if function.definite {
                return printed;
            }
        } else if unquoted && skip == 0 && is_reserved(&name) {
            self.opaque(format!("`{name}` where a command should start"), span);
            return Stream::Unknown(name);
        }
        let rest = command.words.get(skip + 1..).unwrap_or_default();
        if TAKES_NAMES.contains(&name.as_str()) {
            self.names_in(&name, rest, state);
        }
        if let Some(printed) = self.builtin(&name, rest, &command, state) {
            return printed;
        }
        self.files_of(&name, rest, &command.input, state);
        self.wrote(&command.written, state);
        let printed = match self.place_printed(&name, rest, state) {
            Some(place) => Stream::Text(Rc::from(format!("{place}\n"))),
            None => printed(&name, rest, &command.input, state, &|place| self.disk(place)),
        };
        self.emit(command);
        printed
    }

    /// The directory or the name that a command prints, where that is all it does.
    fn place_printed(&self, name: &str, rest: &[Word], state: &State) -> Option<String> {
        let words: Vec<&str> = rest.iter().map(|w| w.text.as_deref()).collect::<Option<_>>()?;
        match (name, words.as_slice()) {
            ("pwd", [] | ["-P" | "-L"]) => state.absolute(&state.directory),
            ("git", ["rev-parse", "--show-toplevel"]) => self.repository(&state.directory, ""),
            ("git", ["-C", directory, "rev-parse", "--show-toplevel"]) => self.repository(&state.directory, directory),
            ("dirname", [path] | ["--", path]) => Some(match path.trim_end_matches('/').rsplit_once('/') {
                Some(("", _)) => "/".to_owned(),
                Some((before, _)) => before.trim_end_matches('/').to_owned(),
                None if path.starts_with('/') => "/".to_owned(),
                None => ".".to_owned(),
            }),
            ("realpath" | "readlink", [path] | ["-f", path]) if name == "realpath" || words.len() == 2 => {
                let directory = Directory::Known(state.absolute(&state.directory)?);
                Some(place(&directory, path))
            }
            _ => None,
        }
    }

    fn repository(&self, directory: &Directory, below: &str) -> Option<String> {
        let Directory::Known(_) = directory else { return None };
        let top = self.files?.repository(&place(directory, below))?;
        self.told.set(true);
        Some(top)
    }

    /// What a pattern names, where there are files to look at.
    pub fn matching(&self, pattern: &str, state: &State) -> Option<Vec<String>> {
        let Directory::Known(directory) = &state.directory else { return None };
        let files = self.files?;
        self.told.set(true);
        files.matching(directory, pattern)
    }

    /// [`Walker::matching`], where no file may have changed by then.
    pub fn named_by(&self, word: &Word, state: &State) -> Option<Vec<String>> {
        let settled = state.written.values().all(|content| *content == Content::Directory);
        self.matching(word.pattern.as_deref().filter(|_| settled)?, state)
    }

    /// Takes the steps of a copy of what is known of files, where that was changed.
    fn wrote(&mut self, before: &Rc<Written>, state: &State) {
        if !Rc::ptr_eq(before, &state.written) {
            self.spend(state.written.len());
        }
    }

    pub fn emit(&mut self, command: SimpleCommand) {
        // Files have no such bound: they are not typed.
        if self.sourcing.is_empty() {
            match self.most.checked_sub(1) {
                Some(left) => self.most = left,
                None => self.spent = true,
            }
        }
        if self.spend(1 + command.words.iter().map(|w| 1 + w.raw.len() / 64).sum::<usize>()) {
            self.out.commands.push(command);
        }
    }

    /// Another text at this place, in the same shell.
    pub fn text(&mut self, text: &str, span: Span, state: &mut State) -> Stream {
        if self.nested >= MOST_NESTED || !self.spend(text.len()) {
            self.opaque("texts within texts too deep to follow", span);
            return Stream::Unknown("eval".to_owned());
        }
        self.nested += 1;
        let (list, beyond) = parse::text(text, Offsets::Within(span), self.nested);
        let printed = self.list(&list, state);
        self.nested -= 1;
        if let Some((reason, span)) = beyond {
            self.opaque(reason, span);
        }
        printed
    }

    /// A file of the disk at this place, in the same shell; `false` when it is not read.
    pub fn sourced(&mut self, place: String, span: Span, state: &mut State) -> bool {
        if self.sourcing.contains(&place) {
            return true;
        }
        let Some(text) = self.on_disk(&place) else { return false };
        if self.nested >= MOST_NESTED || self.out.sourced.len() >= MOST_SOURCED || !self.spend(text.len() / 16) {
            self.opaque("more files within each other than are followed", span);
            return true;
        }
        let start = self.next;
        self.next = start.saturating_add(text.len() + 1);
        self.out.sourced.push(Sourced { start, path: place.clone(), text: Rc::clone(&text) });
        self.nested += 1;
        self.sourcing.push(place);
        let (list, beyond) = parse::text(&text, Offsets::From(start), self.nested);
        self.list(&list, state);
        self.sourcing.pop();
        self.nested -= 1;
        // `return` ends the file, not the text that reads it.
        state.ended = false;
        if let Some((reason, span)) = beyond {
            self.opaque(reason, span);
        }
        true
    }

    fn told_absent(&self, files: &dyn Reader, place: &str) -> bool {
        self.told.set(true);
        files.absent(place)
    }

    fn on_disk(&self, place: &str) -> Option<Rc<str>> {
        let text = self.files?.text(place);
        self.told.set(self.told.get() | text.is_some());
        text
    }

    /// What a file of the disk holds, when it is to be read.
    pub fn disk(&self, place: &str) -> Option<Content> {
        self.on_disk(place).map(Content::Text)
    }

    fn aliased(&mut self, text: &str, command: &SimpleCommand, state: &mut State) {
        let mut rest = Vec::new();
        for word in command.words.iter().skip(1) {
            match &word.text {
                Some(text) => rest.push(crate::model::shell_line(std::slice::from_ref(text))),
                None => rest.push("\"$_\"".to_owned()),
            }
        }
        let aliases = std::mem::take(&mut state.aliases);
        let mut inner = state.clone();
        inner.input = command.input.clone();
        self.text(&format!("{text} {}", rest.join(" ")), command.span, &mut inner);
        state.directory = inner.directory;
        state.aliases = aliases;
    }

    fn call(&mut self, name: &str, body: &Rc<Command>, command: &SimpleCommand, state: &mut State) -> Stream {
        self.called.insert(name.to_owned());
        let calls = self.active.iter().filter(|a| *a == name).count();
        if calls > MOST_CALLS || self.active.len() >= MOST_NESTED {
            if calls <= MOST_CALLS {
                self.opaque("functions that call each other too deep to follow", command.span);
            }
            return Stream::Unknown(name.to_owned());
        }
        let outer = (state.positional.clone(), state.input.clone(), state.origin.function);
        let arguments: Option<Vec<String>> = command.words.iter().skip(1).map(|w| w.text.clone()).collect();
        state.positional = arguments.map(Rc::new);
        state.input = command.input.clone();
        state.origin.function = true;
        for assignment in &command.assignments {
            let text = assignment.value.text.as_deref().map(Rc::from);
            state.set(&assignment.name, Variable { text, exported: true, ..Variable::default() });
        }
        if calls == MOST_CALLS {
            state.positional = None;
            state.forget_all(|name| name != "IFS");
        }
        self.active.push(name.to_owned());
        let printed = self.command(body, state);
        self.active.pop();
        state.ended = false;
        (state.positional, state.input, state.origin.function) = outer;
        printed
    }
}

/// The word for people.
pub(super) fn shown(word: &Word) -> String {
    word.text.clone().unwrap_or_else(|| word.raw.clone())
}

fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "if" | "then"
            | "else"
            | "elif"
            | "fi"
            | "for"
            | "while"
            | "until"
            | "do"
            | "done"
            | "case"
            | "esac"
            | "select"
            | "function"
            | "coproc"
            | "{"
            | "}"
            | "[["
            | "!"
    )
}

/// Names that stand in a text other than as `$name` or `${name}`.
fn identifiers(text: &str) -> BTreeSet<&str> {
    let mut out = BTreeSet::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        before = rest.get(..start).and_then(|r| r.chars().next_back()).unwrap_or(before);
        rest = rest.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let assigns = before == '{' && after.starts_with([':', '=']);
        if !matches!(before, '$' | '{') || assigns {
            out.insert(name);
        }
        before = ' ';
        rest = after;
    }
    out
}

/// What a command prints, where that is certain.
fn printed(name: &str, rest: &[Word], input: &Stream, state: &State, disk: &dyn Fn(&str) -> Option<Content>) -> Stream {
    let unknown = || Stream::Unknown(name.to_owned());
    let known: Option<Vec<&str>> = rest.iter().map(|w| w.text.as_deref()).collect();
    let Some(arguments) = known else { return unknown() };
    let text = |text: Option<String>| text.map_or_else(unknown, |t| Stream::Text(Rc::from(t)));
    match name {
        "echo" => text(output::echo(&arguments)),
        "printf" => text(output::printf(&arguments)),
        "true" | ":" | "mkdir" | "touch" | "rm" | "sleep" | "wait" | "cp" | "mv" | "chmod" | "test" | "[" => nothing(),
        "cat" | "tee" if arguments.iter().all(|a| *a == "-") || name == "tee" => match input {
            Stream::Inherited => unknown(),
            other => other.clone(),
        },
        "cat" => {
            let mut out = nothing();
            for path in arguments {
                let at = place(&state.directory, path);
                let file = match state.written.get(&at) {
                    _ if path.starts_with('-') => unknown(),
                    Some(Content::Changed) | None if !at.starts_with("/dev/") => match disk(&at) {
                        Some(Content::Text(text)) => Stream::Text(text),
                        _ => Stream::File,
                    },
                    Some(Content::Text(text)) => Stream::Text(Rc::clone(text)),
                    Some(Content::Made) => unknown(),
                    Some(Content::Changed | Content::Directory | Content::Replaced) | None => Stream::File,
                };
                out = match (out, file) {
                    (Stream::File, Stream::File) => Stream::File,
                    (a, b) => then(a, b),
                };
            }
            out
        }
        _ => unknown(),
    }
}
