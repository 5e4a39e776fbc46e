//! The grammar of commands: text in, syntax tree out, and where and why it stopped. Recursive descent with a budget of
//! depth; linear but for one look ahead at `((`, which depth bounds.

use std::cell::OnceCell;
use std::rc::Rc;

use super::builtins::is_prefix;
use super::syntax::{AssignmentNode, Command, Item, Kind, List, Part, Pipeline, RedirectionNode, WordNode};
use super::{MAX_DEPTH, Span};

/// Why and where the reading stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub reason: &'static str,
}

pub(super) type Parsed<T> = Result<T, Stop>;

pub(super) fn stop<T>(reason: &'static str) -> Parsed<T> {
    Err(Stop { reason })
}

struct Pending {
    end: String,
    tabs: bool,
    quoted: bool,
    body: Rc<OnceCell<WordNode>>,
}

/// Where the parser's text stands in the whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Offsets {
    /// It is a stretch of it, from here.
    From(usize),
    /// It came out of something that stands here.
    Within(Span),
}

pub(super) struct Parser<'t> {
    pub text: &'t str,
    pub at: usize,
    pub depth: usize,
    pub offsets: Offsets,
    pending: Vec<Pending>,
}

/// Words that end a list.
const CLOSING: &[&str] = &["then", "do", "done", "fi", "elif", "else", "esac", "}"];

/// Words that start a compound command.
const OPENING: &[&str] = &["if", "while", "until", "for", "select", "case", "function", "coproc", "{", "[[", "!", "("];

/// Reads a whole text: what could be read, and the stretch and reason of what could not.
pub(super) fn text(text: &str, offsets: Offsets, depth: usize) -> (List, Option<(&'static str, Span)>) {
    let mut parser = Parser::new(text, offsets, depth);
    let mut list = List::default();
    loop {
        let start = parser.at;
        let failed = match parser.item() {
            Ok(Some(item)) => {
                list.items.push(item);
                continue;
            }
            Ok(None) if parser.rest().is_empty() => return (list, None),
            Ok(None) => "a word or sign where no command can start",
            Err(stop) => stop.reason,
        };
        parser.finish();
        return (list, Some((failed, parser.span(start, text.len()))));
    }
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str, offsets: Offsets, depth: usize) -> Self {
        Self { text, at: 0, depth, offsets, pending: Vec::new() }
    }

    pub fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn starts(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub fn span(&self, start: usize, end: usize) -> Span {
        match self.offsets {
            Offsets::From(base) => Span { start: base + start, end: base + end },
            Offsets::Within(span) => span,
        }
    }

    pub fn raw(&self, start: usize) -> String {
        self.text.get(start..self.at).unwrap_or_default().to_owned()
    }

    /// One level deeper, for as long as `inside` takes.
    pub fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return stop("nested too deep to read");
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// Blanks, continued lines, and a comment.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.at += 1,
                Some('\r') if self.starts("\r\n") => self.at += 1,
                Some('\\') if self.starts("\\\n") => self.at += 2,
                Some('\\') if self.starts("\\\r\n") => self.at += 3,
                Some('#') => {
                    let end = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += end;
                }
                _ => return,
            }
        }
    }

    /// Blanks and line ends; here-documents are read at the line ends.
    fn lines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return Ok(());
            }
            self.bodies()?;
        }
    }

    /// The bodies of the here-documents of the line that just ended.
    fn bodies(&mut self) -> Parsed<()> {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut body = String::new();
            while !self.rest().is_empty() {
                let rest = self.rest();
                let length = rest.find('\n').map_or(rest.len(), |n| n + 1);
                let line = rest.get(..length).unwrap_or_default();
                self.at += length;
                let line = if pending.tabs { line.trim_start_matches('\t') } else { line };
                if line.trim_end_matches(['\n', '\r']) == pending.end {
                    break;
                }
                body.push_str(line);
            }
            let span = self.span(start, self.at);
            let parts = if pending.quoted {
                vec![Part::Quoted(body.clone())]
            } else {
                let mut inner = Parser::new(&body, Offsets::Within(span), self.depth);
                inner.deeper(Parser::document)?
            };
            let _ = pending.body.set(WordNode { parts: vec![Part::Double(parts)], raw: body, span });
        }
        Ok(())
    }

    /// Here-documents that the text's end cut off are empty.
    fn finish(&mut self) {
        self.pending.clear();
    }

    /// The word at this place, if it consists of nothing but letters and signs that reserved words have.
    fn reserved(&self) -> &'t str {
        let rest = self.rest();
        // No reserved word is longer than eight letters, so that the look ahead is short.
        let mut near = rest.char_indices().take(10);
        let end = near.find(|(_, c)| " \t\r\n;&|<>()".contains(*c)).map(|(i, _)| i);
        let end = end.unwrap_or(if rest.len() < 10 { rest.len() } else { 0 });
        rest.get(..end).unwrap_or_default()
    }

    fn eat_reserved(&mut self, word: &str) -> bool {
        let found = self.reserved() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &str, reason: &'static str) -> Parsed<()> {
        self.lines()?;
        if self.eat_reserved(word) { Ok(()) } else { stop(reason) }
    }

    /// Commands up to a word or sign that closes the construct.
    pub fn list(&mut self) -> Parsed<List> {
        self.deeper(|parser| {
            let mut list = List::default();
            while let Some(item) = parser.item()? {
                list.items.push(item);
            }
            Ok(list)
        })
    }

    /// One item of a list with the sign after it; `None` where no command starts.
    fn item(&mut self) -> Parsed<Option<Item>> {
        loop {
            self.lines()?;
            // A lone `;` is an error in a shell, and harmless.
            if self.starts(";") && !self.starts(";;") && !self.starts(";&") {
                self.at += 1;
                continue;
            }
            break;
        }
        match self.peek() {
            None | Some(')' | ';' | '&' | '|') if !self.starts("&>") => return Ok(None),
            _ if CLOSING.contains(&self.reserved()) => return Ok(None),
            _ => {}
        }
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let and = self.starts("&&");
            if !and && !self.starts("||") {
                break;
            }
            self.at += 2;
            self.lines()?;
            rest.push((and, self.pipeline()?));
        }
        let background = self.starts("&");
        if background || (self.starts(";") && !self.starts(";;") && !self.starts(";&")) {
            self.at += 1;
        } else if !matches!(self.peek(), None | Some('\n' | ')' | ';')) {
            // `fi fi`, `done | …` were taken by the pipeline; what is left closes the construct or is wrong.
            if !CLOSING.contains(&self.reserved()) {
                return stop("a word or sign where no command can start");
            }
        }
        Ok(Some(Item { first, rest, background }))
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        loop {
            self.blanks();
            if self.eat_reserved("!") {
                negated = true;
            } else if self.reserved() == "time" && self.times_a_construct() {
                self.at += 4;
                self.blanks();
                if !self.eat_reserved("-p") {
                    self.eat_reserved("--");
                }
            } else {
                break;
            }
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if !self.starts("|") || self.starts("||") {
                break;
            }
            self.at += 1;
            self.eat("&");
            self.lines()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline { negated, commands })
    }

    /// `time` in front of more than a program's name, where it is no program itself.
    fn times_a_construct(&self) -> bool {
        let mut words = self.rest().split([' ', '\t']).skip(1).filter(|w| !w.is_empty() && *w != "-p" && *w != "--");
        words.next().is_some_and(|w| w.starts_with('(') || OPENING.contains(&w) || is_prefix(w))
    }

    fn command(&mut self) -> Parsed<Command> {
        self.blanks();
        let start = self.at;
        let kind = match self.reserved() {
            "if" => self.conditional()?,
            "while" | "until" => {
                self.at += 5;
                let condition = self.list()?;
                let body = self.body()?;
                Kind::While(condition, body, self.raw(start))
            }
            "for" | "select" => self.repeated(start)?,
            "case" => self.case()?,
            "{" => {
                self.at += 1;
                Kind::Group(self.group("}")?)
            }
            "[[" => self.test()?,
            "function" => {
                self.at += 8;
                self.blanks();
                let name = self.word()?.raw;
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    if !self.eat(")") {
                        return stop("a function without its `)`");
                    }
                }
                self.lines()?;
                Kind::Function(name, Rc::new(self.deeper(Self::command)?))
            }
            "coproc" => {
                self.at += 6;
                self.blanks();
                return self.deeper(Self::command);
            }
            _ if self.starts("((") && self.is_arithmetic(2) => {
                self.at += 2;
                let text = self.at;
                let parts = self.deeper(Self::arithmetic)?;
                let raw = self.raw(text);
                Kind::Arithmetic(WordNode { parts, raw, span: self.span(start, self.at) })
            }
            _ if self.eat("(") => {
                let list = self.list()?;
                self.lines()?;
                if !self.eat(")") {
                    return stop("a `(` without its end");
                }
                Kind::Subshell(list)
            }
            word if CLOSING.contains(&word) => return stop("a word that closes what was not opened"),
            _ => return self.simple(),
        };
        let mut redirections = Vec::new();
        if !matches!(kind, Kind::Function(..)) {
            loop {
                self.blanks();
                match self.redirection()? {
                    Some(redirection) => redirections.push(redirection),
                    None => break,
                }
            }
        }
        Ok(Command { kind, redirections, span: self.span(start, self.at) })
    }

    fn group(&mut self, end: &str) -> Parsed<List> {
        let list = self.list()?;
        self.expect(end, "a `{` without its end")?;
        Ok(list)
    }

    /// `do … done`, or `{ … }`.
    fn body(&mut self) -> Parsed<List> {
        self.lines()?;
        if self.eat_reserved("{") {
            return self.group("}");
        }
        self.expect("do", "a loop without `do`")?;
        let list = self.list()?;
        self.expect("done", "a loop without `done`")?;
        Ok(list)
    }

    fn conditional(&mut self) -> Parsed<Kind> {
        self.at += 2;
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.list()?;
            self.expect("then", "an `if` without `then`")?;
            branches.push((condition, self.list()?));
            self.lines()?;
            if self.eat_reserved("elif") {
                continue;
            }
            if self.eat_reserved("else") {
                otherwise = Some(self.list()?);
            }
            self.expect("fi", "an `if` without `fi`")?;
            return Ok(Kind::If(branches, otherwise));
        }
    }

    fn repeated(&mut self, start: usize) -> Parsed<Kind> {
        self.at += self.reserved().len();
        self.blanks();
        if self.eat("((") {
            let text = self.at;
            let parts = self.deeper(Self::arithmetic)?;
            let head = WordNode { parts, raw: self.raw(text), span: self.span(text, self.at) };
            self.blanks();
            self.eat(";");
            let body = self.body()?;
            return Ok(Kind::Count(head, body, self.raw(start)));
        }
        let name = self.word()?.raw;
        self.lines()?;
        let mut words = None;
        if self.eat_reserved("in") {
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    None | Some('\n' | ';') => break,
                    Some('&' | '|' | '<' | '>' | '(' | ')') if !self.starts("<(") => {
                        return stop("a sign in the list of a `for`");
                    }
                    _ => list.push(self.word()?),
                }
            }
            words = Some(list);
        }
        self.blanks();
        self.eat(";");
        let body = self.body()?;
        Ok(Kind::For { name, words, body, text: self.raw(start) })
    }

    fn case(&mut self) -> Parsed<Kind> {
        self.at += 4;
        self.lines()?;
        let subject = self.word()?;
        self.expect("in", "a `case` without `in`")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.eat_reserved("esac") {
                return Ok(Kind::Case(subject, arms));
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word()?);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                return stop("a pattern of a `case` without its `)`");
            }
            let list = self.list()?;
            arms.push((patterns, list));
            self.lines()?;
            let ended = self.eat(";;&") || self.eat(";;") || self.eat(";&");
            if !ended && self.reserved() != "esac" {
                return stop("a `case` without its end");
            }
        }
    }

    /// `[[ … ]]`: only what expands in it matters.
    fn test(&mut self) -> Parsed<Kind> {
        self.at += 2;
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.eat_reserved("]]") {
                return Ok(Kind::Test(words));
            }
            match self.peek() {
                None => return stop("a `[[` without its end"),
                Some('(' | ')' | '<' | '>' | '&' | '|' | ';') if !self.starts("<(") => self.at += 1,
                Some('#') => {
                    self.at += 1;
                }
                _ => words.push(self.word()?),
            }
        }
    }

    fn simple(&mut self) -> Parsed<Command> {
        let start = self.at;
        let mut assignments = Vec::new();
        let mut words: Vec<WordNode> = Vec::new();
        let mut redirections = Vec::new();
        let mut declares = false;
        loop {
            let before = self.at;
            self.blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => {
                    self.at = before;
                    break;
                }
                Some('(') if words.len() == 1 && assignments.is_empty() && redirections.is_empty() => {
                    let name = words.pop().map(|w| w.raw).unwrap_or_default();
                    return self.function(start, name);
                }
                Some('(') => return stop("a `(` where no command can start"),
                _ => {}
            }
            if words.is_empty() {
                if let Some(assignment) = self.assignment()? {
                    assignments.push(assignment);
                    continue;
                }
            } else if declares {
                self.array_operand(&mut words)?;
                continue;
            }
            let word = self.word()?;
            if words.is_empty() {
                declares = matches!(word.raw.as_str(), "declare" | "typeset" | "local" | "export" | "readonly");
            }
            if self.at == before {
                return stop("a sign where no word can start");
            }
            words.push(word);
        }
        if words.is_empty() && assignments.is_empty() && redirections.is_empty() {
            return stop("a sign where a command should start");
        }
        let span = self.span(start, self.at);
        Ok(Command { kind: Kind::Simple { assignments, words }, redirections, span })
    }

    /// `name() { … }`, from the `(`.
    fn function(&mut self, start: usize, name: String) -> Parsed<Command> {
        self.at += 1;
        self.blanks();
        if !self.eat(")") {
            return stop("a `(` where no command can start");
        }
        self.lines()?;
        let body = Rc::new(self.deeper(Self::command)?);
        let span = self.span(start, self.at);
        Ok(Command { kind: Kind::Function(name, body), redirections: Vec::new(), span })
    }

    /// An operand of `declare`, which may be `name=(…)`.
    fn array_operand(&mut self, words: &mut Vec<WordNode>) -> Parsed<()> {
        let start = self.at;
        match self.assignment()? {
            Some(AssignmentNode { name, value, append, .. }) => {
                let mut parts = vec![Part::Literal(format!("{name}{}", if append { "+=" } else { "=" }))];
                parts.extend(value.parts);
                words.push(WordNode { parts, raw: self.raw(start), span: self.span(start, self.at) });
            }
            None => words.push(self.word()?),
        }
        Ok(())
    }

    /// `name=value`, `name+=value`, `name[…]=value`, `name=(…)`.
    fn assignment(&mut self) -> Parsed<Option<AssignmentNode>> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let before = self.at;
        self.at += end;
        let mut element = false;
        if self.eat("[") {
            element = true;
            // A look ahead to the closing bracket decides; nothing in it can be known anyway.
            let close = self.rest().find([']', '\n', ' ']).unwrap_or(self.rest().len());
            let known = self.rest().get(close..).is_some_and(|r| r.starts_with("]=") || r.starts_with("]+="));
            if !known {
                self.at = before;
                return Ok(None);
            }
            self.at += close + 1;
        }
        let append = self.eat("+=");
        if !append && !self.eat("=") {
            self.at = before;
            return Ok(None);
        }
        let name = name.to_owned();
        let start = self.at;
        if self.eat("(") {
            let words = self.deeper(Self::array)?;
            let value =
                WordNode { parts: vec![Part::Array(words)], raw: self.raw(start), span: self.span(start, self.at) };
            return Ok(Some(AssignmentNode { name, element, append, value }));
        }
        let value = match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | ')') => WordNode::default(),
            _ => self.word()?,
        };
        let mut parts = Vec::new();
        if element {
            // What stands in the brackets is arithmetic, and may run commands.
            let text = self.text.get(before..start).unwrap_or_default();
            let mut inner = Parser::new(text, Offsets::Within(self.span(before, start)), self.depth);
            parts = inner.deeper(Parser::document)?;
            parts.push(Part::Arithmetic(Vec::new(), String::new()));
        }
        parts.extend(value.parts);
        Ok(Some(AssignmentNode { name, element, append, value: WordNode { parts, ..value } }))
    }

    /// The words of `(a b …)`.
    fn array(&mut self) -> Parsed<Vec<WordNode>> {
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.eat(")") {
                return Ok(words);
            }
            match self.peek() {
                None => return stop("an array without its end"),
                Some(';' | '&' | '|' | '(') => return stop("a sign in an array"),
                Some('<' | '>') if !self.starts("<(") => return stop("a sign in an array"),
                _ => words.push(self.word()?),
            }
        }
    }

    /// `2>&1`, `<<'E'`, `{fd}<file`; `None` when none stands here.
    fn redirection(&mut self) -> Parsed<Option<RedirectionNode>> {
        const OPERATORS: &[&str] = &["<<<", "<<-", "<<", "<>", "<&", "<", ">>", ">&", ">|", ">"];
        let start = self.at;
        let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let mut length = digits;
        if self.starts("{") {
            let inside = self.rest().get(1..).unwrap_or_default();
            let name = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(0);
            let good = name > 0 && inside.get(name..).is_some_and(|r| r.starts_with('}'));
            length = if good { name + 2 } else { 0 };
        }
        let after = self.rest().get(length..).unwrap_or_default();
        let operator = if length == 0 && self.starts("&>>") {
            Some("&>>")
        } else if length == 0 && self.starts("&>") {
            Some("&>")
        } else if after.starts_with("<(") || after.starts_with(">(") {
            None
        } else {
            OPERATORS.iter().find(|o| after.starts_with(**o)).copied()
        };
        let Some(operator) = operator else { return Ok(None) };
        let descriptor = (length > 0).then(|| self.rest().get(..length).unwrap_or_default().to_owned());
        self.at += length + operator.len();
        while matches!(self.peek(), Some(' ' | '\t')) || self.starts("\\\n") {
            self.at += if self.starts("\\\n") { 2 } else { 1 };
        }
        match self.peek() {
            None | Some('\n' | ';' | '&' | '|' | ')' | '(') => return stop("a redirection without its target"),
            Some('<' | '>') if !self.starts("<(") && !self.starts(">(") => {
                return stop("a redirection without its target");
            }
            _ => {}
        }
        let target = self.word()?;
        if self.at == start + length + operator.len() {
            return stop("a redirection without its target");
        }
        let mut body = None;
        if operator == "<<" || operator == "<<-" {
            let (end, quoted) = delimiter(&target);
            let cell = Rc::new(OnceCell::new());
            self.pending.push(Pending { end, quoted, tabs: operator == "<<-", body: Rc::clone(&cell) });
            body = Some(cell);
        }
        Ok(Some(RedirectionNode { operator, descriptor, target, body }))
    }
}

/// A here-document's last line, and whether its body is quoted.
fn delimiter(word: &WordNode) -> (String, bool) {
    let quoted = word.parts.iter().any(|p| matches!(p, Part::Quoted(_) | Part::Double(_)));
    if !quoted {
        return (word.raw.clone(), false);
    }
    let mut end = String::new();
    for part in &word.parts {
        match part {
            Part::Literal(text) | Part::Quoted(text) | Part::Glob(text) => end.push_str(text),
            Part::Double(parts) => {
                for part in parts {
                    if let Part::Quoted(text) = part {
                        end.push_str(text);
                    }
                }
            }
            Part::Bracket => end.push('['),
            Part::Brace(c) => end.push(*c),
            _ => {}
        }
    }
    (end, true)
}
