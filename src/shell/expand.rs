//! Words as written → words as a command gets them: quotes off, known variables and substitutions in place, split as a
//! shell splits them. A word in which something is not known has no text.

use std::rc::Rc;

use super::state::{State, Variable};
use super::syntax::{Op, Parameter, Part, WordNode};
use super::walk::Walker;
use super::{Directory, Stream, Word};

/// Longer words and values are not followed.
const LONGEST: usize = 64 * 1024;
/// More words than this out of one with braces are not listed.
const MOST_BRACES: usize = 128;

/// What a parameter or substitution stands for.
enum Value {
    Text(Rc<str>),
    List(Rc<Vec<String>>),
    /// Not known, under a name by which a script in a script may still speak of it; no name: it may be anything.
    Unknown(Option<String>),
    /// Of the same kind, but one of the files that a pattern names.
    File(String, Rc<str>),
}

#[derive(Default)]
struct Field {
    text: String,
    unknown: bool,
    tail: String,
    /// No longer kept once something is in it that may be anything.
    template: Option<String>,
    /// The pattern of file names that it is, no longer kept once something is in it that is none.
    shape: Option<String>,
    pattern: bool,
    bracket: bool,
}

struct Fields {
    done: Vec<Field>,
    field: Field,
    /// The field exists even if it is empty.
    started: bool,
    /// The characters at which what is expanded is split; `None` when nothing is.
    separators: Option<String>,
}

impl Fields {
    fn new(separators: Option<String>) -> Self {
        Self { done: Vec::new(), field: Field::new(), started: false, separators }
    }

    fn text(&mut self, text: &str) {
        self.started = true;
        let field = &mut self.field;
        field.text.push_str(text);
        field.tail.push_str(text);
        for kept in [&mut field.template, &mut field.shape].into_iter().flatten() {
            kept.push_str(text);
        }
        if field.text.len() > LONGEST {
            self.unknown(None);
            self.field.text.clear();
        }
    }

    fn unknown(&mut self, name: Option<&str>) {
        self.started = true;
        let field = &mut self.field;
        field.unknown = true;
        field.tail.clear();
        field.shape = None;
        match (name, &mut field.template) {
            (Some(name), Some(template)) if template.len() < LONGEST => {
                template.push_str("${");
                template.push_str(name);
                template.push('}');
            }
            _ => field.template = None,
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.started) {
            self.done.push(std::mem::replace(&mut self.field, Field::new()));
        }
    }

    /// An unquoted value: split, and a pattern if it has a pattern's signs.
    fn split(&mut self, text: &str) {
        let Some(separators) = self.separators.clone() else { return self.text(text) };
        for (i, piece) in text.split(|c| separators.contains(c)).enumerate() {
            if i > 0 {
                self.end();
            }
            if !piece.is_empty() {
                self.field.pattern |= piece.contains(['*', '?']);
                self.text(piece);
            }
        }
    }
}

impl Field {
    fn new() -> Self {
        Self { template: Some(String::new()), shape: Some(String::new()), ..Self::default() }
    }

    fn word(self, node: &WordNode, only: bool, first: bool) -> Word {
        // `[` means file names only where it can make a program of another name: `pip install x[extra]` is no pattern.
        let pattern = self.pattern || (first && self.bracket && self.text != "[");
        let known = !self.unknown && !pattern;
        Word {
            raw: if only { node.raw.clone() } else { self.text.clone() },
            pattern: self.shape.filter(|_| !known),
            bracket: known && self.bracket && self.text.contains([']', '*', '?', ')']),
            tail: if known || pattern { String::new() } else { self.tail },
            template: if known { None } else { self.template },
            text: known.then_some(self.text),
            span: node.span,
        }
    }
}

impl Word {
    /// The word that a shell puts there for a file.
    pub(super) fn of_file(&self, name: String) -> Self {
        Self { raw: name.clone(), text: Some(name), span: self.span, bracket: true, ..Self::default() }
    }
}

/// A piece of a word after its braces are taken apart.
enum Piece<'p> {
    Part(&'p Part),
    Text(String),
}

impl Walker<'_> {
    /// The words that a word becomes. `first`: it may be the program.
    pub fn fields(&mut self, node: &WordNode, state: &mut State, first: bool) -> Vec<Word> {
        // Most words are letters and nothing else.
        if let [Part::Literal(text) | Part::Quoted(text)] = node.parts.as_slice()
            && text.len() <= LONGEST
            && self.spend(2 + node.raw.len() / 64)
        {
            let here = matches!(node.parts.first(), Some(Part::Literal(_))).then(|| self.tilde(text, state)).flatten();
            let text = here.as_ref().unwrap_or(text);
            return vec![Word { raw: node.raw.clone(), text: Some(text.clone()), span: node.span, ..Word::default() }];
        }
        let separators = match state.variables.get("IFS") {
            Some(Variable { text: Some(text), .. }) => text.to_string(),
            _ => " \t\n".to_owned(),
        };
        let mut fields = Fields::new(Some(separators));
        let braces = node.parts.iter().filter(|p| matches!(p, Part::Brace(_))).count();
        if braces > 2 || (braces == 2 && node.raw.contains("..")) {
            let words = if braces <= 3 * MOST_BRACES { braced(&node.parts, 0) } else { None };
            match words {
                Some(words) => {
                    for pieces in words {
                        for piece in pieces {
                            match piece {
                                Piece::Part(part) => self.part(part, state, &mut fields, false),
                                Piece::Text(text) => fields.text(&text),
                            }
                        }
                        fields.end();
                    }
                }
                None => {
                    self.parts(&node.parts, state, &mut fields, false);
                    fields.unknown(None);
                }
            }
        } else {
            self.parts(&node.parts, state, &mut fields, false);
        }
        fields.end();
        self.spend(node.raw.len() / 64 + fields.done.len());
        let only = fields.done.len() == 1;
        let words = fields.done.into_iter().enumerate().map(|(i, f)| f.word(node, only, first && i == 0));
        words.flat_map(|word| self.bracketed(word, state)).collect()
    }

    /// The files in the place of a word whose brackets name some.
    fn bracketed(&self, word: Word, state: &State) -> Vec<Word> {
        let Some(pattern) = word.text.as_deref().filter(|_| word.bracket) else { return vec![word] };
        match self.matching(pattern, state) {
            Some(found) if found.is_empty() => vec![Word { bracket: false, ..word }],
            Some(found) if found.len() <= MOST_BRACES => found.into_iter().map(|f| word.of_file(f)).collect(),
            None if self.files.is_none() || !matches!(state.directory, Directory::Known(_)) => vec![word],
            _ => vec![Word { pattern: word.text.clone(), text: None, ..word }],
        }
    }

    /// `~+` and `~-`: where the shell is, and where it was.
    fn tilde(&self, text: &str, state: &State) -> Option<String> {
        let (sign, rest) = (text.get(..2)?, text.get(2..)?);
        let directory = match sign {
            _ if !(rest.is_empty() || rest.starts_with('/')) => return None,
            "~+" => &state.directory,
            "~-" => &*state.previous,
            _ => return None,
        };
        state.absolute(directory).map(|directory| format!("{directory}{rest}"))
    }

    /// The one word that a word becomes where nothing is split: a value, a redirection's target.
    pub fn single(&mut self, node: &WordNode, state: &mut State) -> Word {
        let mut fields = Fields::new(None);
        fields.started = true;
        self.parts(&node.parts, state, &mut fields, true);
        self.spend(node.raw.len() / 64 + 1);
        let mut field = fields.field;
        field.bracket |= node.parts.iter().any(|part| matches!(part, Part::Glob(_)));
        field.pattern = false;
        field.word(node, true, false)
    }

    /// The elements of `(a b …)`.
    pub fn elements(&mut self, words: &[WordNode], state: &mut State) -> Option<Vec<String>> {
        let all: Vec<Word> = words.iter().flat_map(|w| self.fields(w, state, false)).collect();
        all.into_iter().map(|w| w.text).collect()
    }

    fn parts(&mut self, parts: &[Part], state: &mut State, out: &mut Fields, quoted: bool) {
        for part in parts {
            self.part(part, state, out, quoted);
        }
    }

    fn part(&mut self, part: &Part, state: &mut State, out: &mut Fields, quoted: bool) {
        if !self.spend(1) {
            return out.unknown(None);
        }
        match part {
            Part::Literal(text) | Part::Quoted(text) => out.text(text),
            Part::Double(parts) => {
                // `"$@"` of nothing is no word; any other quotation is one.
                out.started |= !matches!(parts.as_slice(), [Part::Parameter(p)] if p.name == "@" || p.index.is_some());
                self.parts(parts, state, out, true);
            }
            Part::Glob(text) => {
                out.field.pattern |= !quoted;
                out.text(text);
            }
            Part::Bracket => {
                out.field.bracket = true;
                out.text("[");
            }
            Part::Brace(c) => out.text(c.encode_utf8(&mut [0; 4])),
            Part::Parameter(parameter) => match self.parameter(parameter, state, quoted) {
                Value::Text(text) if quoted => out.text(&text),
                Value::Text(text) => out.split(&text),
                Value::List(list) if out.separators.is_none() => out.text(&list.join(" ")),
                Value::List(list) => {
                    for (i, element) in list.iter().enumerate() {
                        if i > 0 {
                            out.end();
                        }
                        if quoted { out.text(element) } else { out.split(element) }
                    }
                }
                Value::Unknown(name) => out.unknown(name.as_deref()),
                Value::File(name, pattern) => {
                    let shape = out.field.shape.take();
                    out.unknown(Some(&name));
                    out.field.shape = shape.map(|shape| format!("{shape}{pattern}"));
                }
            },
            Part::Command(list) => match self.substitution(list, state) {
                (Stream::Text(text), _) => {
                    let text = text.trim_end_matches('\n');
                    if quoted { out.text(text) } else { out.split(text) }
                }
                (_, plain) => out.unknown(plain.then_some("_")),
            },
            Part::Process(list) => {
                self.substitution(list, state);
                out.unknown(None);
            }
            Part::Arithmetic(parts, text) => {
                let mut ignored = Fields::new(None);
                self.parts(parts, state, &mut ignored, true);
                self.counted(text, state);
                out.unknown(Some("_"));
            }
            Part::Array(words) => {
                self.elements(words, state);
                out.unknown(None);
            }
        }
    }

    /// What the shell itself puts into a parameter: where it is, and what it runs.
    fn whereabouts(&self, parameter: &Parameter, state: &State) -> Option<String> {
        let first = matches!(parameter.index.as_deref(), None | Some([]))
            || matches!(parameter.index.as_deref(), Some([Part::Literal(at)]) if at == "0");
        if !first || parameter.name.is_empty() || state.variables.contains_key(parameter.name.as_str()) {
            return None;
        }
        match parameter.name.as_str() {
            "PWD" => state.absolute(&state.directory),
            "OLDPWD" => state.absolute(&state.previous),
            "0" => self.program.as_deref().map(str::to_owned),
            "BASH_SOURCE" => match self.sourcing.last() {
                Some(file) => state.absolute(&Directory::Known(file.clone())),
                None => self.program.as_deref().map(str::to_owned),
            },
            _ => None,
        }
    }

    fn value_of(parts: Fields) -> Value {
        match parts.field {
            Field { unknown: false, pattern: false, text, .. } => Value::Text(Rc::from(text)),
            _ => Value::Unknown(None),
        }
    }

    fn parameter(&mut self, parameter: &Parameter, state: &mut State, quoted: bool) -> Value {
        if let Some(index) = &parameter.index {
            let mut ignored = Fields::new(None);
            self.parts(index, state, &mut ignored, true);
        }
        let mut word = Fields::new(None);
        if !parameter.word.is_empty() {
            self.parts(&parameter.word, state, &mut word, quoted);
        }
        let value = match self.whereabouts(parameter, state) {
            Some(known) => Value::Text(Rc::from(known)),
            None => lookup(parameter, state),
        };
        let text = match &value {
            Value::Text(text) => Some(Rc::clone(text)),
            _ => None,
        };
        match (parameter.op, text) {
            (Op::None | Op::Error, _) => value,
            (Op::Default | Op::Assign, Some(text)) if text.is_empty() => Self::value_of(word),
            (Op::Default | Op::Assign, Some(text)) => Value::Text(text),
            (Op::Assign, None) => {
                state.forget(&parameter.name);
                Value::Unknown(None)
            }
            // What the caller's shell has is data, and so is a known word in its place.
            (Op::Default, None) => match (value, Self::value_of(word)) {
                (Value::List(list), _) => Value::List(list),
                (Value::File(name, pattern), _) => Value::File(name, pattern),
                (Value::Unknown(name), Value::Text(_)) => Value::Unknown(name),
                _ => Value::Unknown(None),
            },
            (Op::Alternative, Some(text)) if text.is_empty() => Value::Text(text),
            (Op::Alternative, Some(_)) => Self::value_of(word),
            (Op::StripPrefix | Op::StripSuffix, Some(text)) => match Self::value_of(word) {
                Value::Text(pattern) if !pattern.contains(['*', '?', '[', '\\']) => {
                    let cut = if parameter.op == Op::StripPrefix {
                        text.strip_prefix(&*pattern)
                    } else {
                        text.strip_suffix(&*pattern)
                    };
                    Value::Text(cut.map_or_else(|| Rc::clone(&text), Rc::from))
                }
                _ => Value::Unknown(None),
            },
            (Op::StripPrefix | Op::StripSuffix | Op::Other, None) => match value {
                Value::File(..) => Value::Unknown(Some("_".to_owned())),
                Value::Unknown(name) => Value::Unknown(name.map(|_| "_".to_owned())),
                _ => Value::Unknown(None),
            },
            (Op::Alternative | Op::Other, _) => Value::Unknown(None),
        }
    }
}

/// What a parameter holds.
fn lookup(parameter: &Parameter, state: &State) -> Value {
    let name = parameter.name.as_str();
    let all = |list: &Rc<Vec<String>>| {
        if name == "*" { Value::Text(Rc::from(list.join(" "))) } else { Value::List(Rc::clone(list)) }
    };
    match (name, &state.positional) {
        ("@" | "*", Some(list)) => return all(list),
        ("@" | "*", None) => return Value::Unknown(Some("@".to_owned())),
        ("#" | "?" | "$" | "!" | "-" | "_" | "RANDOM" | "SECONDS" | "LINENO", _) => {
            return Value::Unknown(Some("_".to_owned()));
        }
        (digits, positional) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            let index = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            return match (index, positional) {
                (Some(index), Some(list)) => Value::Text(Rc::from(list.get(index).map_or("", String::as_str))),
                _ => Value::Unknown(Some(digits.to_owned())),
            };
        }
        _ => {}
    }
    let Some(variable) = state.variables.get(name) else {
        let known_name = !name.is_empty() && parameter.index.is_none();
        return Value::Unknown(known_name.then(|| name.to_owned()));
    };
    match (variable, parameter.index.as_deref()) {
        (Variable { list: Some(list), .. }, Some([Part::Literal(at)])) if at == "@" || at == "*" => {
            Value::List(Rc::clone(list))
        }
        (Variable { list: Some(list), .. }, Some([Part::Literal(at)])) => match at.parse::<usize>() {
            Ok(at) => Value::Text(Rc::from(list.get(at).map_or("", String::as_str))),
            Err(_) => Value::Unknown(None),
        },
        (Variable { list: Some(list), .. }, None) => Value::Text(Rc::from(list.first().map_or("", String::as_str))),
        (Variable { text: Some(text), .. }, None) => Value::Text(Rc::clone(text)),
        (Variable { pattern: Some(pattern), .. }, None) => Value::File(name.to_owned(), Rc::clone(pattern)),
        (Variable { plain, .. }, None) => Value::Unknown(plain.then(|| name.to_owned())),
        _ => Value::Unknown(None),
    }
}

/// The words that braces make of one: `a{b,c}` → `ab ac`. `None` when they are too many.
fn braced(parts: &[Part], depth: usize) -> Option<Vec<Vec<Piece<'_>>>> {
    if depth > 16 {
        return None;
    }
    for (at, part) in parts.iter().enumerate() {
        if !matches!(part, Part::Brace('{')) {
            continue;
        }
        let (mut open, mut commas, mut close) = (1_usize, vec![at], None);
        for (i, part) in parts.iter().enumerate().skip(at + 1) {
            match part {
                Part::Brace('{') => open += 1,
                Part::Brace('}') => open -= 1,
                Part::Brace(',') if open == 1 => commas.push(i),
                _ => {}
            }
            if open == 0 {
                close = Some(i);
                break;
            }
        }
        let Some(close) = close else { continue };
        let alternatives: Vec<Vec<Piece<'_>>> = if commas.len() > 1 {
            commas.push(close);
            let mut all = Vec::new();
            for pair in commas.windows(2) {
                let &[from, to] = pair else { continue };
                all.extend(braced(parts.get(from + 1..to)?, depth + 1)?);
                if all.len() > MOST_BRACES {
                    return None;
                }
            }
            all
        } else if let Some([Part::Literal(text)]) = parts.get(at + 1..close) {
            match range(text) {
                Some(Some(all)) => all.into_iter().map(|t| vec![Piece::Text(t)]).collect(),
                Some(None) => return None,
                None => continue,
            }
        } else {
            continue;
        };
        let after = braced(parts.get(close + 1..)?, depth + 1)?;
        if alternatives.len().saturating_mul(after.len()) > MOST_BRACES {
            return None;
        }
        let mut out = Vec::new();
        for alternative in &alternatives {
            for rest in &after {
                let before = parts.get(..at)?.iter().map(Piece::Part);
                let copied = alternative.iter().chain(rest).map(|p| match p {
                    Piece::Part(part) => Piece::Part(part),
                    Piece::Text(text) => Piece::Text(text.clone()),
                });
                out.push(before.chain(copied).collect());
            }
        }
        return Some(out);
    }
    Some(vec![parts.iter().map(Piece::Part).collect()])
}

/// `1..5`, `a..e`: `None` when it is no range, `Some(None)` when it is too long or has a step.
fn range(text: &str) -> Option<Option<Vec<String>>> {
    let (from, to) = text.split_once("..")?;
    if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
        if from.abs_diff(to) >= MOST_BRACES as u64 {
            return Some(None);
        }
        let all = if from <= to { (from..=to).collect::<Vec<_>>() } else { (to..=from).rev().collect() };
        return Some(Some(all.into_iter().map(|n| n.to_string()).collect()));
    }
    let letter = |s: &str| s.chars().next().filter(|c| s.len() == 1 && c.is_ascii_alphabetic());
    match (letter(from), letter(to)) {
        (Some(from), Some(to)) if from <= to => Some(Some((from..=to).map(String::from).collect())),
        (Some(from), Some(to)) => Some(Some((to..=from).rev().map(String::from).collect())),
        _ if text.matches("..").count() > 1 => Some(None),
        _ => None,
    }
}
