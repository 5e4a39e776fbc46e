//! The grammar of words: quoting, expansions and what nests in them. Text in, parts out.

use std::rc::Rc;

use super::output::ansi_c;
use super::parse::{self, Offsets, Parsed, Parser, stop};
use super::syntax::{Op, Parameter, Part, WordNode};

/// Adds literal text to the literal that stands last.
fn literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Literal(before)) => before.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

fn quoted(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Quoted(before)) => before.push_str(text),
        _ => parts.push(Part::Quoted(text.to_owned())),
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Parser<'_> {
    /// A word, up to a blank or a sign that ends one; empty where none stands.
    pub fn word(&mut self) -> Parsed<WordNode> {
        let start = self.at;
        let mut parts = Vec::new();
        let mut braces = 0_u32;
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' => break,
                '\r' if self.starts("\r\n") => break,
                '<' | '>' if self.starts("<(") || self.starts(">(") => {
                    self.at += 2;
                    let list = self.list()?;
                    self.close("a process substitution without its end")?;
                    parts.push(Part::Process(Rc::new(list)));
                }
                '<' | '>' => break,
                '*' | '?' | '+' | '@' | '!' if self.extended_pattern(c) => {
                    let at = self.at;
                    self.at += 1;
                    self.deeper(Self::pattern)?;
                    parts.push(Part::Glob(self.raw(at)));
                }
                '*' | '?' => {
                    self.at += 1;
                    parts.push(Part::Glob(c.to_string()));
                }
                '[' => {
                    self.at += 1;
                    parts.push(Part::Bracket);
                }
                '{' | '}' => {
                    self.at += 1;
                    braces += u32::from(c == '{');
                    parts.push(Part::Brace(c));
                }
                ',' if braces > 0 => {
                    self.at += 1;
                    parts.push(Part::Brace(c));
                }
                _ => self.part(c, &mut parts)?,
            }
        }
        let raw = self.raw(start);
        Ok(WordNode { parts, raw, span: self.span(start, self.at) })
    }

    /// `?(a|b)` and its like. `!(` at the start of a word negates a subshell instead.
    fn extended_pattern(&self, c: char) -> bool {
        self.rest().get(1..).is_some_and(|r| r.starts_with('(')) && c != '!'
    }

    /// A pattern's group, from its `(`.
    fn pattern(&mut self) -> Parsed<Vec<Part>> {
        self.at += 1;
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None => return stop("a pattern without its end"),
                Some(')') => {
                    self.at += 1;
                    return Ok(parts);
                }
                Some('(') => parts.extend(self.deeper(Self::pattern)?),
                Some(c @ (' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>')) => {
                    self.at += 1;
                    literal(&mut parts, c.encode_utf8(&mut [0; 4]));
                }
                Some(c) => self.part(c, &mut parts)?,
            }
        }
    }

    /// One part of an unquoted word: a quotation, an expansion, or a run of plain text.
    fn part(&mut self, c: char, parts: &mut Vec<Part>) -> Parsed<()> {
        match c {
            '\'' => {
                self.at += 1;
                let Some(length) = self.rest().find('\'') else { return stop("a quote without its end") };
                quoted(parts, self.rest().get(..length).unwrap_or_default());
                self.at += length + 1;
            }
            '"' => {
                self.at += 1;
                let inner = self.deeper(Self::double_quoted)?;
                parts.push(Part::Double(inner));
            }
            '\\' => {
                self.at += 1;
                match self.next() {
                    Some('\n') => {}
                    Some('\r') if self.starts("\n") => self.at += 1,
                    Some(c) => quoted(parts, c.encode_utf8(&mut [0; 4])),
                    None => literal(parts, "\\"),
                }
            }
            '$' => self.dollar(parts, false)?,
            '`' => self.backquoted(parts, false)?,
            _ => {
                // The sign at which this run starts may be one that ends later runs.
                let first = c.len_utf8();
                let rest = self.rest().get(first..).unwrap_or_default();
                let length =
                    first + rest.find(|c: char| " \t\r\n;&|()<>*?+@![]{},'\"\\$`".contains(c)).unwrap_or(rest.len());
                literal(parts, self.rest().get(..length).unwrap_or_default());
                self.at += length;
            }
        }
        Ok(())
    }

    /// The inside of `"…"`, and its end.
    fn double_quoted(&mut self) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None => return stop("a quote without its end"),
                Some('"') => {
                    self.at += 1;
                    return Ok(parts);
                }
                Some(c) => self.quoted_part(c, &mut parts, "\"\\$`")?,
            }
        }
    }

    /// The whole of an unquoted here-document: as in double quotes, without an end.
    pub fn document(&mut self) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            self.quoted_part(c, &mut parts, "\\$`")?;
        }
        Ok(parts)
    }

    fn quoted_part(&mut self, c: char, parts: &mut Vec<Part>, special: &str) -> Parsed<()> {
        match c {
            '\\' => {
                self.at += 1;
                match self.peek() {
                    Some('\n') => self.at += 1,
                    Some(c) if special.contains(c) => {
                        self.at += c.len_utf8();
                        quoted(parts, c.encode_utf8(&mut [0; 4]));
                    }
                    _ => quoted(parts, "\\"),
                }
            }
            '$' => self.dollar(parts, true)?,
            '`' => self.backquoted(parts, true)?,
            _ => {
                let first = c.len_utf8();
                let rest = self.rest().get(first..).unwrap_or_default();
                let length = first + rest.find(|c: char| special.contains(c)).unwrap_or(rest.len());
                quoted(parts, self.rest().get(..length).unwrap_or_default());
                self.at += length;
            }
        }
        Ok(())
    }

    fn close(&mut self, reason: &'static str) -> Parsed<()> {
        // The list ends at the first thing that is no command: blanks and line ends were passed.
        if self.eat(")") { Ok(()) } else { stop(reason) }
    }

    /// Whatever starts with `$`.
    fn dollar(&mut self, parts: &mut Vec<Part>, in_double: bool) -> Parsed<()> {
        let start = self.at;
        self.at += 1;
        if self.starts("((") && self.is_arithmetic(2) {
            self.at += 2;
            let text = self.at;
            let inner = self.deeper(Self::arithmetic)?;
            parts.push(Part::Arithmetic(inner, self.raw(text)));
        } else if self.eat("(") {
            let list = self.list()?;
            self.close("a command substitution without its end")?;
            parts.push(Part::Command(Rc::new(list)));
        } else if self.eat("[") {
            let inner = self.deeper(|p| p.enclosed(']'))?;
            parts.push(Part::Arithmetic(inner, self.raw(start)));
        } else if self.eat("{") {
            let parameter = self.deeper(|p| p.braced(in_double))?;
            parts.push(Part::Parameter(Box::new(parameter)));
        } else if !in_double && self.starts("'") {
            self.at += 1;
            let text = self.ansi_quoted()?;
            quoted(parts, &text);
        } else if !in_double && self.starts("\"") {
            self.at += 1;
            let inner = self.deeper(Self::double_quoted)?;
            parts.push(Part::Double(inner));
        } else {
            let rest = self.rest();
            let length = match rest.chars().next() {
                Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => 1,
                Some(c) if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
                _ => 0,
            };
            if length == 0 {
                if in_double { quoted(parts, "$") } else { literal(parts, "$") }
            } else {
                let name = rest.get(..length).unwrap_or_default().to_owned();
                self.at += length;
                parts.push(Part::Parameter(Box::new(Parameter { name, ..Parameter::default() })));
            }
        }
        Ok(())
    }

    /// `$'…'`, after its first quote.
    fn ansi_quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        loop {
            let Some(length) = self.rest().find(['\'', '\\']) else { return stop("a quote without its end") };
            self.at += length;
            if self.eat("'") {
                return Ok(ansi_c(self.text.get(start..self.at - 1).unwrap_or_default()));
            }
            self.at += 1;
            self.next();
        }
    }

    /// `` `…` ``: its text with one level of backslashes taken off is read like `$(…)`.
    fn backquoted(&mut self, parts: &mut Vec<Part>, in_double: bool) -> Parsed<()> {
        let start = self.at;
        self.at += 1;
        let mut inner = String::new();
        loop {
            let Some(length) = self.rest().find(['`', '\\']) else { return stop("a backquote without its end") };
            inner.push_str(self.rest().get(..length).unwrap_or_default());
            self.at += length;
            if self.eat("`") {
                break;
            }
            self.at += 1;
            match self.next() {
                Some(c @ ('`' | '$' | '\\')) => inner.push(c),
                Some('"') if in_double => inner.push('"'),
                Some(c) => inner.extend(['\\', c]),
                None => return stop("a backquote without its end"),
            }
        }
        let span = self.span(start, self.at);
        let depth = self.depth;
        let list = self.deeper(|_| match parse::text(&inner, Offsets::Within(span), depth + 1) {
            (list, None) => Ok(list),
            (_, Some((reason, _))) => stop(reason),
        })?;
        parts.push(Part::Command(Rc::new(list)));
        Ok(())
    }

    /// Whether the `((` that stands here, `skip` bytes long, is closed by `))`: otherwise it opens two subshells.
    pub fn is_arithmetic(&self, skip: usize) -> bool {
        let bytes = self.rest().as_bytes();
        let (mut depth, mut at) = (0_usize, skip);
        let mut quote = None;
        while let Some(byte) = bytes.get(at) {
            match (byte, quote) {
                (b'\\', q) if q != Some(b'\'') => at += 1,
                (b, Some(q)) if *b == q => quote = None,
                (_, Some(_)) => {}
                (b'\'' | b'"', None) => quote = Some(*byte),
                (b'(', None) => depth += 1,
                (b')', None) if depth == 0 => return bytes.get(at + 1) == Some(&b')'),
                (b')', None) => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        false
    }

    /// What expands in `((…))`, and its end.
    pub fn arithmetic(&mut self) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return stop("an arithmetic expression without its end"),
                Some(')') if depth == 0 => {
                    self.at += 1;
                    return if self.eat(")") { Ok(parts) } else { stop("an arithmetic expression without its end") };
                }
                Some(')') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some('(') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(c) => self.inner_part(c, &mut parts)?,
            }
        }
    }

    /// What expands up to a closing sign.
    fn enclosed(&mut self, end: char) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return stop("a bracket without its end"),
                Some(c) if c == end && depth == 0 => {
                    self.at += 1;
                    return Ok(parts);
                }
                Some(c) if c == end => {
                    depth -= 1;
                    self.at += 1;
                }
                Some('[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(c) => self.inner_part(c, &mut parts)?,
            }
        }
    }

    /// A part where blanks and signs mean nothing.
    fn inner_part(&mut self, c: char, parts: &mut Vec<Part>) -> Parsed<()> {
        if " \t\r\n;&|()<>*?+@![]{},".contains(c) {
            self.at += 1;
            literal(parts, c.encode_utf8(&mut [0; 4]));
            return Ok(());
        }
        self.part(c, parts)
    }

    /// `${…}`, after its brace.
    fn braced(&mut self, in_double: bool) -> Parsed<Parameter> {
        let mut parameter = Parameter::default();
        let mut other = false;
        // A length or an indirection, unless the sign is the parameter itself: `${#}`, `${!}`, `${#-x}`.
        if matches!(self.peek(), Some('#' | '!')) {
            let next = self.rest().get(1..).and_then(|r| r.chars().next());
            if next.is_some_and(|c| is_name(c) || "@*?$".contains(c)) {
                self.at += 1;
                other = true;
            }
        }
        let rest = self.rest();
        let length = match rest.chars().next() {
            Some(c) if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '$' | '!' | '-') => 1,
            _ => 0,
        };
        parameter.name = rest.get(..length).unwrap_or_default().to_owned();
        self.at += length;
        if self.eat("[") {
            parameter.index = Some(self.enclosed(']')?);
        }
        if self.eat("}") {
            parameter.op = if other || parameter.name.is_empty() { Op::Other } else { Op::None };
            return Ok(parameter);
        }
        let colon = self.eat(":");
        let op = match self.peek() {
            Some('-') => Op::Default,
            Some('=') => Op::Assign,
            Some('+') => Op::Alternative,
            Some('?') => Op::Error,
            Some('#') if !colon => Op::StripPrefix,
            Some('%') if !colon => Op::StripSuffix,
            _ => Op::Other,
        };
        if op != Op::Other {
            self.at += 1;
            if matches!(op, Op::StripPrefix | Op::StripSuffix) {
                let sign = if op == Op::StripPrefix { "#" } else { "%" };
                self.eat(sign);
            }
        }
        let patterns = matches!(op, Op::StripPrefix | Op::StripSuffix | Op::Other);
        parameter.word = self.operand(in_double && !patterns)?;
        parameter.op = if other { Op::Other } else { op };
        Ok(parameter)
    }

    /// The word in `${x:-word}`, and the closing brace.
    fn operand(&mut self, in_double: bool) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None => return stop("an expansion without its end"),
                Some('}') => {
                    self.at += 1;
                    return Ok(parts);
                }
                // In double quotes a single quote is a letter like others.
                Some('\'') if in_double => {
                    self.at += 1;
                    quoted(&mut parts, "'");
                }
                Some('"') if in_double => {
                    self.at += 1;
                    parts.extend(self.deeper(Self::double_quoted)?);
                }
                Some(c) if in_double => self.quoted_part(c, &mut parts, "\"\\$`}'")?,
                Some(c @ ('*' | '?')) => {
                    self.at += 1;
                    parts.push(Part::Glob(c.to_string()));
                }
                Some('[') => {
                    self.at += 1;
                    parts.push(Part::Bracket);
                }
                Some(c) => self.inner_part(c, &mut parts)?,
            }
        }
    }
}
