//! Makefiles as GNU make reads them: text in; variables, rules and the shell text of each recipe line out.
//!
//! Variables, functions of text and conditions are worked out where they are static. What only make can know stands in
//! the result between [`START`] and [`END`] as shell text (`${make_x}`, `$(git describe)`), so that the shell's reader
//! finds it doubtful where it matters and nowhere else. Total; capped in lines, rules, depth and length.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Around shell text that stands for what is not known.
pub(super) const START: char = '\u{e000}';
pub(super) const END: char = '\u{e001}';

const MOST_RULES: usize = 4000;
const DEEPEST: usize = 24;
/// The longest expansion, in bytes.
const LONGEST: usize = 64 * 1024;
/// References that are worked out, all together.
const MOST_WORK: u32 = 100_000;

/// A line of a recipe, unexpanded.
#[derive(Debug, Clone)]
pub(super) struct RecipeLine {
    pub text: String,
    pub path: Arc<Path>,
    pub line: u32,
}

/// A rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub targets: Vec<String>,
    pub prerequisites: Vec<String>,
    pub recipe: Vec<RecipeLine>,
}

#[derive(Debug, Clone)]
struct Variable {
    text: Rc<str>,
    /// Expanded where it is used, not where it is set.
    recursive: bool,
    /// `?=` leaves it, since nothing overrides the command line.
    fixed: bool,
}

/// What could be worked out of a makefile and those that it includes.
#[derive(Debug, Default)]
pub(super) struct Makefile {
    variables: BTreeMap<String, Variable>,
    pub rules: Vec<Rule>,
    /// Variables of one target: target, name, value.
    own: Vec<(String, String, Variable)>,
    /// The whole recipe is one script.
    pub one_shell: bool,
    /// Shell text that make runs while it reads, each with its place.
    pub at_once: Vec<RecipeLine>,
    /// Parts that were not understood: there may be more rules.
    pub partial: bool,
    /// There are more rules or variables than are kept.
    pub cut: bool,
    /// How many files were read.
    seen: usize,
    /// References that were worked out.
    work: Cell<u32>,
    /// Files that it includes and that are not there, and where.
    pub missing: Vec<(String, Arc<Path>, u32)>,
    /// Variables that a recipe gives another value: `$(eval NAME = value)`.
    evaluated: RefCell<BTreeSet<String>>,
}

/// What a makefile's reader needs of the world.
pub(super) trait World {
    /// A variable of the caller's.
    fn variable(&self, name: &str) -> Option<String>;
    /// The makefiles that a name or pattern stands for, with their texts; `None` where they cannot be told.
    fn include(&self, name: &str) -> Option<Vec<(Arc<Path>, Rc<str>)>>;
    /// What `uname` prints, with `-s` or `-m`.
    fn uname(&self, option: &str) -> &str;
    /// Whether a file or directory is there.
    fn exists(&self, path: &str) -> bool;
}

/// Variables that make has by itself.
const BUILT_IN: &[(&str, &str)] = &[
    ("AR", "ar"),
    ("AS", "as"),
    ("CC", "cc"),
    ("CXX", "g++"),
    ("CPP", "cc -E"),
    ("FC", "f77"),
    ("LD", "ld"),
    ("LEX", "lex"),
    ("MAKE", "make"),
    ("MAKE_COMMAND", "make"),
    ("RM", "rm -f"),
    ("SHELL", "/bin/sh"),
    ("YACC", "yacc"),
];

/// An `if` of make's own.
#[derive(Clone, Copy)]
struct Condition {
    /// Lines count in this branch.
    active: bool,
    /// A branch before it counted.
    done: bool,
    /// Whether it holds is not known: every branch counts.
    open: bool,
}

impl Makefile {
    /// A variable given on the command line.
    pub fn given(&mut self, name: &str, value: &str) {
        let text = Rc::from(value);
        self.variables.insert(name.to_owned(), Variable { text, recursive: true, fixed: true });
    }

    /// Reads a makefile; later ones add to it.
    pub fn read(&mut self, path: &Arc<Path>, text: &str, world: &dyn World, depth: usize) {
        self.seen += 1;
        if depth > 8 || self.seen > 64 {
            self.partial = true;
            return;
        }
        let mut conditions: Vec<Condition> = Vec::new();
        let mut defining: Option<(String, Vec<&str>)> = None;
        // Rules of the line before: recipe lines belong to them.
        let mut current: Vec<usize> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((at, first)) = lines.next() {
            let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
            if let Some((name, body)) = &mut defining {
                if first.trim() == "endef" {
                    let text = Rc::from(body.join("\n"));
                    self.variables.insert(name.clone(), Variable { text, recursive: true, fixed: false });
                    defining = None;
                } else {
                    body.push(first);
                }
                continue;
            }
            let counts = conditions.iter().all(|c| c.active || c.open);
            let recipe = first.strip_prefix('\t').filter(|_| !current.is_empty());
            let mut whole = recipe.unwrap_or(first).to_owned();
            while ends_in_backslash(&whole) {
                let Some((_, more)) = lines.next() else { break };
                if recipe.is_some() {
                    whole.push('\n');
                    whole.push_str(more.strip_prefix('\t').unwrap_or(more));
                } else {
                    whole.pop();
                    whole.push(' ');
                    whole.push_str(more.trim_start());
                }
            }
            if recipe.is_some() {
                if counts {
                    let line = RecipeLine { text: whole, path: Arc::clone(path), line: number };
                    self.add_recipe(&current, &line);
                }
                continue;
            }
            let line = without_comment(&whole);
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if self.condition(line, &mut conditions, path, number, world) || !counts {
                continue;
            }
            if let Some(rest) = line.strip_prefix("define ") {
                let name = rest.trim().trim_end_matches(['=', ':', '?', '+']).trim().to_owned();
                defining = Some((name, Vec::new()));
                continue;
            }
            self.statement(line, path, number, world, depth, &mut current);
        }
    }

    fn add_recipe(&mut self, rules: &[usize], line: &RecipeLine) {
        for at in rules {
            if let Some(rule) = self.rules.get_mut(*at) {
                rule.recipe.push(line.clone());
            }
        }
    }

    /// `ifeq (a,b)`, `ifdef X`, `else`, `endif`; `false` for any other line.
    fn condition(
        &mut self,
        line: &str,
        conditions: &mut Vec<Condition>,
        path: &Arc<Path>,
        number: u32,
        world: &dyn World,
    ) -> bool {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (word, rest) = match line.split_once('(') {
            Some((name, _)) if matches!(name, "ifeq" | "ifneq") => (name, line.get(name.len()..).unwrap_or_default()),
            _ => (word, rest),
        };
        let rest = rest.trim();
        match word {
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                let holds = self.holds(word, rest, path, number, world);
                conditions.push(Condition {
                    active: holds == Some(true),
                    done: holds == Some(true),
                    open: holds.is_none(),
                });
            }
            "else" => {
                let Some(mut last) = conditions.pop() else { return true };
                let nested = ["ifeq", "ifneq", "ifdef", "ifndef"].iter().any(|w| rest.starts_with(w));
                let holds = if nested {
                    let (word, rest) = match rest.find([' ', '\t', '(']) {
                        Some(at) => rest.split_at(at),
                        None => (rest, ""),
                    };
                    self.holds(word, rest.trim(), path, number, world)
                } else {
                    Some(true)
                };
                last.active = !last.done && holds == Some(true);
                last.open |= !last.done && holds.is_none();
                last.done |= last.active;
                conditions.push(last);
            }
            "endif" => {
                conditions.pop();
            }
            _ => return false,
        }
        true
    }

    fn holds(&mut self, word: &str, rest: &str, path: &Arc<Path>, line: u32, world: &dyn World) -> Option<bool> {
        if matches!(word, "ifdef" | "ifndef") {
            let name = self.now(rest, path, line, world);
            let set = self.variables.get(name.trim()).map(|v| !v.text.is_empty());
            let set = set.unwrap_or_else(|| world.variable(name.trim()).is_some_and(|v| !v.is_empty()));
            return Some(set == (word == "ifdef"));
        }
        let (a, b) = sides(rest)?;
        let (a, b) = (self.now(&a, path, line, world), self.now(&b, path, line, world));
        if a.contains(START) || b.contains(START) {
            return None;
        }
        Some((a.trim() == b.trim()) == (word == "ifeq"))
    }

    /// Expands where make does so while it reads; what a `$(shell …)` in it runs is noted.
    fn now(&mut self, text: &str, path: &Arc<Path>, line: u32, world: &dyn World) -> String {
        let mut runs = Vec::new();
        let out = Expansion { file: self, world, target: None, runs: Some(&mut runs) }.text(text, 0);
        for text in runs {
            if self.at_once.len() < 256 {
                self.at_once.push(RecipeLine { text, path: Arc::clone(path), line });
            }
        }
        out
    }

    fn statement(
        &mut self,
        line: &str,
        path: &Arc<Path>,
        number: u32,
        world: &dyn World,
        depth: usize,
        current: &mut Vec<usize>,
    ) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word {
            "include" | "-include" | "sinclude" => {
                let names = self.now(rest, path, number, world);
                for name in names.split_whitespace().take(64) {
                    let found = if name.contains(START) { None } else { world.include(name) };
                    match found {
                        Some(files) => {
                            for (path, text) in files {
                                self.read(&path, &text, world, depth + 1);
                            }
                        }
                        None => {
                            self.partial = true;
                            if self.missing.len() < 64 {
                                self.missing.push((name.to_owned(), Arc::clone(path), number));
                            }
                        }
                    }
                }
                current.clear();
                return;
            }
            "export" | "override" | "private" => {
                if assignment(rest).is_some() {
                    self.statement(rest, path, number, world, depth, current);
                }
                return;
            }
            "unexport" | "undefine" | "vpath" | "endef" => return,
            _ => {}
        }
        if let Some((name, operator, value)) = assignment(line) {
            current.clear();
            self.assign(&name, operator, value, path, number, world);
            return;
        }
        let Some((head, tail)) = rule_parts(line) else {
            // `$(eval …)`, `$(call …)`: rules that only make can see.
            let made = self.now(line, path, number, world);
            self.partial |= !made.trim().is_empty() || line.contains("eval");
            return;
        };
        self.rule(head, tail, path, number, world, current);
    }

    fn assign(&mut self, name: &str, operator: &str, value: &str, path: &Arc<Path>, line: u32, world: &dyn World) {
        let name = self.now(name, path, line, world);
        let old = self.variables.get(&name);
        if old.is_some_and(|v| v.fixed) || (operator == "?=" && (old.is_some() || world.variable(&name).is_some())) {
            return;
        }
        let variable = match operator {
            ":=" | "::=" | ":::=" => {
                Variable { text: Rc::from(self.now(value, path, line, world)), recursive: false, fixed: false }
            }
            "!=" => {
                let command = self.now(value, path, line, world);
                let text = Rc::from(format!("{START}$({}){END}", plain(&command)));
                self.at_once.push(RecipeLine { text: plain(&command), path: Arc::clone(path), line });
                Variable { text, recursive: false, fixed: false }
            }
            "+=" => match old.cloned() {
                Some(old) => {
                    let added = if old.recursive { value.to_owned() } else { self.now(value, path, line, world) };
                    let mut text = old.text.to_string();
                    if text.len() + added.len() < LONGEST {
                        text.push(' ');
                        text.push_str(&added);
                    }
                    Variable { text: Rc::from(text), ..old }
                }
                None => Variable { text: Rc::from(value), recursive: true, fixed: false },
            },
            _ => Variable { text: Rc::from(value), recursive: true, fixed: false },
        };
        if self.variables.len() < MOST_RULES {
            self.variables.insert(name, variable);
        } else {
            self.cut = true;
        }
    }

    fn rule(
        &mut self,
        head: &str,
        tail: &str,
        path: &Arc<Path>,
        line: u32,
        world: &dyn World,
        current: &mut Vec<usize>,
    ) {
        let targets: Vec<String> = split(&self.now(head, path, line, world));
        if targets.iter().any(|t| t.contains(START)) {
            self.partial = true;
        }
        if let Some((name, operator, value)) = assignment(tail) {
            for target in targets {
                let value =
                    if operator.starts_with(':') { self.now(value, path, line, world) } else { value.to_owned() };
                let recursive = !operator.starts_with(':');
                let variable = Variable { text: Rc::from(value), recursive, fixed: false };
                if self.own.len() < MOST_RULES {
                    self.own.push((target, name.clone(), variable));
                } else {
                    self.cut = true;
                }
            }
            current.clear();
            return;
        }
        let (needs, inline) = match tail.split_once(';') {
            Some((needs, inline)) => (needs, Some(inline)),
            None => (tail, None),
        };
        // `a b: %.o: %.c`: a static pattern rule.
        let needs = needs.rsplit_once(": ").map_or(needs, |(_, needs)| needs);
        let prerequisites = split(&self.now(needs, path, line, world)).into_iter().filter(|p| p != "|").collect();
        self.one_shell |= targets.iter().any(|t| t == ".ONESHELL");
        current.clear();
        if self.rules.len() >= MOST_RULES {
            self.partial = true;
            self.cut = true;
            return;
        }
        current.push(self.rules.len());
        self.rules.push(Rule { targets, prerequisites, recipe: Vec::new() });
        if let Some(inline) = inline.filter(|i| !i.trim().is_empty()) {
            let recipe = RecipeLine { text: inline.trim_start().to_owned(), path: Arc::clone(path), line };
            let rules = current.clone();
            self.add_recipe(&rules, &recipe);
        }
    }

    /// The target that make takes when none is named.
    pub fn default_goal(&self, world: &dyn World) -> Option<String> {
        let named = self.expand("$(.DEFAULT_GOAL)", None, world);
        if !named.trim().is_empty() && !named.contains(START) {
            return Some(named.trim().to_owned());
        }
        let mut all = self.rules.iter().flat_map(|r| &r.targets);
        all.find(|t| !t.contains('%') && (!t.starts_with('.') || t.contains('/'))).cloned()
    }

    /// The rules that make a target, and the stem of a pattern that it fits.
    pub fn rules_for<'m>(&'m self, target: &'m str) -> impl Iterator<Item = (&'m Rule, Option<&'m str>)> {
        let explicit = self.rules.iter().any(|r| r.targets.iter().any(|t| t == target) && !r.recipe.is_empty());
        self.rules.iter().filter_map(move |rule| {
            if rule.targets.iter().any(|t| t == target) {
                return Some((rule, None));
            }
            if explicit {
                return None;
            }
            rule.targets.iter().find_map(|t| stem(t, target)).map(|stem| (rule, Some(stem)))
        })
    }

    /// A text with its variables, for a target's recipe.
    pub fn expand(&self, text: &str, target: Option<Target<'_>>, world: &dyn World) -> String {
        Expansion { file: self, world, target, runs: None }.text(text, 0)
    }
}

/// What a recipe's own variables stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'t> {
    pub name: &'t str,
    pub prerequisites: &'t [String],
    pub stem: &'t str,
}

/// The stem of a target that fits a pattern.
pub(super) fn stem<'t>(pattern: &str, target: &'t str) -> Option<&'t str> {
    let (before, after) = pattern.split_once('%')?;
    target.strip_prefix(before)?.strip_suffix(after).filter(|s| !s.is_empty())
}

/// Shell text without the marks.
pub(super) fn plain(text: &str) -> String {
    text.replace([START, END], "")
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).take(MOST_RULES).collect()
}

fn ends_in_backslash(line: &str) -> bool {
    line.len() < LONGEST && line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before != '\\' {
            return line.get(..at).unwrap_or_default();
        }
        before = c;
    }
    line
}

/// The two sides of `(a,b)`, `"a" "b"`, `'a' 'b'`.
fn sides(text: &str) -> Option<(String, String)> {
    if let Some(inner) = text.strip_prefix('(') {
        let inner = inner.trim_end().strip_suffix(')')?;
        let at = top_level(inner, ',').next()?;
        return Some((inner.get(..at)?.to_owned(), inner.get(at + 1..)?.to_owned()));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (a, rest) = text.get(1..)?.split_once(quote)?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (b, _) = rest.get(1..)?.split_once(quote)?;
    Some((a.to_owned(), b.to_owned()))
}

/// Where a character stands outside of `$(…)` and `${…}`.
fn top_level(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    text.char_indices().filter_map(move |(at, c)| {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ if c == wanted && depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

/// `NAME = value`, `NAME := value` and their like.
fn assignment(line: &str) -> Option<(String, &'static str, &str)> {
    const OPERATORS: &[&str] = &[":::=", "::=", ":=", "?=", "+=", "!=", "="];
    let at = top_level(line, '=').next()?;
    let end = at + 1;
    let operator = OPERATORS.iter().find(|o| line.get(..end).is_some_and(|before| before.ends_with(**o)))?;
    let name = line.get(..end - operator.len())?.trim();
    let value = line.get(end..)?.trim_start();
    let good = !name.is_empty() && !name.contains(char::is_whitespace) && top_level(name, ':').next().is_none();
    good.then(|| (name.to_owned(), *operator, value))
}

/// Targets and what follows the `:` of a rule.
fn rule_parts(line: &str) -> Option<(&str, &str)> {
    let at = top_level(line, ':').next()?;
    let head = line.get(..at)?.trim_end_matches('&').trim();
    let tail = line.get(at + 1..)?.trim_start_matches(':');
    (!head.is_empty()).then(|| (head, tail.trim()))
}

struct Expansion<'e> {
    file: &'e Makefile,
    world: &'e dyn World,
    target: Option<Target<'e>>,
    /// Where the texts of `$(shell …)` go that run at once.
    runs: Option<&'e mut Vec<String>>,
}

impl Expansion<'_> {
    fn text(&mut self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(rest.get(..at).unwrap_or_default());
            if out.len() > LONGEST || depth > DEEPEST || self.file.work.get() > MOST_WORK {
                return unknown("long");
            }
            rest = rest.get(at + 1..).unwrap_or_default();
            let Some(c) = rest.chars().next() else { break };
            match c {
                '$' => {
                    out.push('$');
                    rest = rest.get(1..).unwrap_or_default();
                }
                '(' | '{' => {
                    let Some(end) = closing(rest) else { break };
                    let inner = rest.get(1..end).unwrap_or_default();
                    out.push_str(&self.reference(inner, depth));
                    rest = rest.get(end + 1..).unwrap_or_default();
                }
                _ => {
                    out.push_str(&self.variable(&c.to_string(), depth));
                    rest = rest.get(c.len_utf8()..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// What stands in `$(…)`.
    fn reference(&mut self, inner: &str, depth: usize) -> String {
        let spent = self.file.work.get();
        self.file.work.set(spent.saturating_add(1));
        if spent > MOST_WORK {
            return unknown("more");
        }
        if let Some((name, rest)) = inner.split_once([' ', '\t'])
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        {
            return self.function(name, rest.trim_start(), depth + 1);
        }
        // `$(X:.c=.o)`: a substitution.
        if let Some(at) = top_level(inner, ':').next()
            && let Some((from, to)) = inner.get(at + 1..).unwrap_or_default().split_once('=')
        {
            let words = self.variable(inner.get(..at).unwrap_or_default(), depth);
            let (from, to) = (self.text(from, depth + 1), self.text(to, depth + 1));
            if from.contains('%') {
                return each(&words, |w| replaced(w, &from, &to));
            }
            return each(&words, |w| w.strip_suffix(from.as_str()).map_or(w.to_owned(), |stem| format!("{stem}{to}")));
        }
        let name = self.text(inner, depth + 1);
        self.variable(&name, depth)
    }

    fn variable(&mut self, name: &str, depth: usize) -> String {
        if depth > DEEPEST {
            return unknown(name);
        }
        if let Some(found) = self.automatic(name) {
            return found;
        }
        let evaluated = self.file.evaluated.borrow();
        if evaluated.contains(name) || evaluated.iter().any(|name| name.contains(START)) {
            return unknown(name);
        }
        drop(evaluated);
        let own = self.target.and_then(|t| {
            let mut all = self.file.own.iter().rev();
            all.find(|(target, n, _)| n == name && (target == t.name || stem(target, t.name).is_some()))
        });
        if let Some(variable) = own.map(|(_, _, v)| v).or_else(|| self.file.variables.get(name)) {
            let text = Rc::clone(&variable.text);
            return if variable.recursive { self.text(&text, depth + 1) } else { text.to_string() };
        }
        if let Some(value) = self.world.variable(name) {
            return value;
        }
        match BUILT_IN.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => (*value).to_owned(),
            // What is set nowhere is empty, except what make itself sets.
            None if name.contains(START) => unknown("x"),
            None => String::new(),
        }
    }

    /// `$@`, `$<`, `$(@D)`.
    fn automatic(&self, name: &str) -> Option<String> {
        let (sign, part) = match name.as_bytes() {
            [sign] => (*sign, b' '),
            [sign, part @ (b'D' | b'F')] => (*sign, *part),
            _ if matches!(name, "CURDIR") => return Some(".".to_owned()),
            _ => return None,
        };
        let target = self.target;
        let text = match sign {
            b'@' => target.map(|t| t.name.to_owned()),
            b'<' => target.map(|t| t.prerequisites.first().cloned().unwrap_or_default()),
            b'^' | b'+' | b'?' | b'|' => target.map(|t| t.prerequisites.join(" ")),
            b'*' => target.map(|t| t.stem.to_owned()),
            _ => return None,
        }?;
        Some(match part {
            b'D' => each(&text, directory),
            b'F' => each(&text, file_name),
            _ => text,
        })
    }

    fn function(&mut self, name: &str, rest: &str, depth: usize) -> String {
        if depth > DEEPEST {
            return unknown(name);
        }
        let mut ends: Vec<usize> = top_level(rest, ',').collect();
        ends.push(rest.len());
        let mut start = 0;
        let mut raw: Vec<&str> = Vec::new();
        for end in ends.into_iter().take(64) {
            raw.push(rest.get(start..end).unwrap_or_default());
            start = end + 1;
        }
        let argument = |this: &mut Self, at: usize| raw.get(at).map(|t| this.text(t, depth)).unwrap_or_default();
        match name {
            "shell" => {
                let command = self.text(rest, depth);
                return self.shell(&command);
            }
            "if" => {
                let condition = argument(self, 0);
                if condition.contains(START) {
                    // Either may be meant: the one that is there is taken for a word that is not known.
                    return unknown("if");
                }
                return argument(self, if condition.trim().is_empty() { 2 } else { 1 });
            }
            "or" => {
                for at in 0..raw.len() {
                    let value = argument(self, at);
                    if !value.trim().is_empty() {
                        return value;
                    }
                }
                return String::new();
            }
            "and" => {
                let mut last = String::new();
                for at in 0..raw.len() {
                    last = argument(self, at);
                    if last.trim().is_empty() {
                        return String::new();
                    }
                }
                return last;
            }
            "foreach" => return self.for_each(&raw, depth),
            "call" => return self.call(&raw, depth),
            "value" => {
                let name = argument(self, 0);
                return self.file.variables.get(name.trim()).map(|v| v.text.to_string()).unwrap_or_default();
            }
            "info" | "warning" | "error" => return String::new(),
            "eval" => {
                if self.runs.is_some() {
                    return unknown(name);
                }
                let text = self.text(rest, depth);
                if let Some((name, ..)) = assignment(text.trim()) {
                    self.file.evaluated.borrow_mut().insert(name);
                }
                return String::new();
            }
            "wildcard" => {
                let pattern = argument(self, 0);
                let known = !pattern.contains(['*', '?', '[', START]);
                return if known {
                    split(&pattern).into_iter().filter(|p| self.world.exists(p)).collect::<Vec<_>>().join(" ")
                } else {
                    unknown("wildcard")
                };
            }
            _ => {}
        }
        let all: Vec<String> = (0..raw.len()).map(|at| argument(self, at)).collect();
        let one = |at: usize| all.get(at).map_or("", String::as_str);
        let words = |at: usize| one(at).split_whitespace();
        match name {
            "subst" => one(2).replace(one(0), one(1)),
            "patsubst" => each(one(2), |w| replaced(w, one(0).trim(), one(1).trim())),
            "strip" | "sort" | "realpath" | "abspath" => words(0).collect::<Vec<_>>().join(" "),
            "findstring" => {
                if one(1).contains(one(0)) {
                    one(0).to_owned()
                } else {
                    String::new()
                }
            }
            "filter" => words(1).filter(|w| words(0).any(|p| fits(p, w))).collect::<Vec<_>>().join(" "),
            "filter-out" => words(1).filter(|w| !words(0).any(|p| fits(p, w))).collect::<Vec<_>>().join(" "),
            "firstword" => words(0).next().unwrap_or_default().to_owned(),
            "lastword" => words(0).next_back().unwrap_or_default().to_owned(),
            "word" => {
                let at = one(0).trim().parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                at.and_then(|at| words(1).nth(at)).unwrap_or_default().to_owned()
            }
            "wordlist" => {
                let number = |at: usize| one(at).trim().parse::<usize>().unwrap_or(1).max(1);
                let (from, to) = (number(0), number(1));
                words(2).skip(from - 1).take((to + 1).saturating_sub(from)).collect::<Vec<_>>().join(" ")
            }
            "words" => words(0).count().to_string(),
            "dir" => each(one(0), |w| format!("{}/", directory(w))),
            "notdir" => each(one(0), file_name),
            "basename" => each(one(0), |w| w.rsplit_once('.').map_or(w, |(stem, _)| stem).to_owned()),
            "suffix" => each(one(0), |w| w.rsplit_once('.').map(|(_, s)| format!(".{s}")).unwrap_or_default()),
            "addprefix" => each(one(1), |w| format!("{}{w}", one(0))),
            "addsuffix" => each(one(1), |w| format!("{w}{}", one(0))),
            "join" => {
                let (mut a, mut b) = (words(0), words(1));
                let mut out: Vec<String> = Vec::new();
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => break out.join(" "),
                        (a, b) => out.push(format!("{}{}", a.unwrap_or_default(), b.unwrap_or_default())),
                    }
                }
            }
            "origin" | "flavor" => "file".to_owned(),
            _ => unknown(name),
        }
    }

    fn shell(&mut self, command: &str) -> String {
        let command = plain(command);
        let mut words = command.split_whitespace();
        if words.next() == Some("uname") {
            let option = words.next().unwrap_or("-s");
            if words.next().is_none_or(|w| w.starts_with("2>")) {
                return self.world.uname(option).to_owned();
            }
        }
        if let Some(runs) = &mut self.runs {
            runs.push(command.clone());
        }
        format!("{START}$({command}){END}")
    }

    fn for_each(&mut self, raw: &[&str], depth: usize) -> String {
        let [name, list, body, ..] = raw else { return unknown("foreach") };
        let (name, list) = (self.text(name, depth), self.text(list, depth));
        if list.contains(START) {
            return unknown("foreach");
        }
        let mut out = Vec::new();
        for word in list.split_whitespace().take(64) {
            let put = body.replace(&format!("$({name})"), word).replace(&format!("${{{name}}}"), word);
            out.push(self.text(&put, depth));
        }
        out.join(" ")
    }

    fn call(&mut self, raw: &[&str], depth: usize) -> String {
        let Some((name, arguments)) = raw.split_first() else { return String::new() };
        let name = self.text(name, depth);
        let Some(variable) = self.file.variables.get(name.trim()) else { return String::new() };
        let mut text = variable.text.to_string();
        for (at, argument) in arguments.iter().enumerate().take(9) {
            let value = self.text(argument, depth).replace('$', "$$");
            text = text.replace(&format!("$({})", at + 1), &value).replace(&format!("${}", at + 1), &value);
        }
        if text.len() > LONGEST { unknown("call") } else { self.text(&text, depth) }
    }
}

/// Shell text for what is not known.
fn unknown(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{START}${{make_{name}}}{END}")
}

/// The end of what opens at the first character.
fn closing(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Each word changed. What is not known is a word, whatever blanks its shell text has.
fn each(words: &str, change: impl Fn(&str) -> String) -> String {
    if words.contains(START) {
        return words.to_owned();
    }
    words.split_whitespace().map(change).collect::<Vec<_>>().join(" ")
}

fn replaced(word: &str, from: &str, to: &str) -> String {
    match stem(from, word) {
        Some(stem) => to.replacen('%', stem, 1),
        None if from == word => to.to_owned(),
        None => word.to_owned(),
    }
}

fn fits(pattern: &str, word: &str) -> bool {
    pattern == word || pattern == "%" || stem(pattern, word).is_some()
}

fn directory(path: &str) -> String {
    path.rsplit_once('/').map_or(".", |(directory, _)| directory).to_owned()
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;
    impl World for Nowhere {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "HOME").then(|| "/home/u".to_owned())
        }
        fn include(&self, _: &str) -> Option<Vec<(Arc<Path>, Rc<str>)>> {
            None
        }
        fn uname(&self, _: &str) -> &str {
            "Linux"
        }
        fn exists(&self, path: &str) -> bool {
            path == "there"
        }
    }

    fn read(text: &str) -> Makefile {
        let mut file = Makefile::default();
        file.read(&Arc::from(Path::new("Makefile")), text, &Nowhere, 0);
        file
    }

    #[test]
    fn variables_and_functions_are_worked_out() {
        let file = read(
            "A = x y\nB := $(A) z\nA += w\nC ?= c\nC ?= d\nE = $(patsubst %.c,%.o,a.c b.c)\nF=$(A:x=q)\n\
             ifeq ($(shell uname),Linux)\nOS = tux\nelse\nOS = other\nendif\nP = $(shell which python3)\n\
             f = <$(1)-$(2)>\nG = $(call f,a,b)\nH = $(foreach i,1 2,n$(i))\nI = $(if $(A),yes,no)\nJ=$(HOME)/x\n\
             K = $(wildcard there gone)\n",
        );
        for (text, expected) in [
            ("$(A)", "x y w"),
            ("${B}", "x y z"),
            ("$(C)$C", "cc"),
            ("$(E)", "a.o b.o"),
            ("$(F)", "q y w"),
            ("$(OS)", "tux"),
            ("$(P) -m pip", "\u{e000}$(which python3)\u{e001} -m pip"),
            ("$(G) $(H) $(I)", "<a-b> n1 n2 yes"),
            ("$(J) $$HOME $(NOTHING).", "/home/u/x $HOME ."),
            ("$(MAKE) $(RM)", "make rm -f"),
            ("$(subst X,p,XiX)", "pip"),
            ("$(K)", "there"),
        ] {
            assert_eq!(file.expand(text, None, &Nowhere), expected, "{text}");
        }
    }

    #[test]
    fn rules_have_their_recipes() {
        let file = read(
            ".PHONY: all\nall: a b | c ; echo inline\n\techo $@ \\\n\t  more\n# no\n\nx.%: y.%\n\tcp $< $@\nall: D = 1\n\
             define T\n$(1): z\nendef\n",
        );
        assert_eq!(file.default_goal(&Nowhere).as_deref(), Some("all"));
        let (all, _) = file.rules_for("all").next().unwrap_or_else(|| panic!("no rule"));
        assert_eq!(all.prerequisites, ["a", "b", "c"]);
        let texts: Vec<&str> = all.recipe.iter().map(|r| r.text.as_str()).collect();
        assert_eq!(texts, ["echo inline", "echo $@ \\\n  more"]);
        let target = Target { name: "all", prerequisites: &all.prerequisites, stem: "" };
        assert_eq!(file.expand("$@ $< $^ $(D)", Some(target), &Nowhere), "all a a b c 1");
        assert_eq!(file.rules_for("x.q").next().and_then(|(_, stem)| stem), Some("q"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in "[\\PC\\n\\t$(){}:=,%#\\\\ ]{0,200}") {
            let file = read(&text);
            let _ = file.expand(&text, Some(Target { name: "a/b", prerequisites: &[], stem: "é" }), &Nowhere);
            let _ = file.default_goal(&Nowhere);
        }
    }
}
