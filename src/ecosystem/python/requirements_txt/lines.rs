//! A requirements file's text: decoding, physical and logical lines, comments, variables.
//!
//! In: bytes, or text. Out: text, and [`LogicalLine`]s with the place where each begins.

use std::borrow::Cow;

use crate::model::Environment;

/// `${NAME}` of upper-case letters, digits and `_`, replaced where the variable is set and not empty.
pub(super) fn expand<'t>(line: &'t str, environment: &Environment) -> Cow<'t, str> {
    if !line.contains("${") {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let body = &rest[at + 2..];
        let end =
            body.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(body.len());
        let value = environment.variable(&body[..end]).filter(|v| !v.is_empty());
        match value {
            Some(value) if end > 0 && body[end..].starts_with('}') => {
                out.push_str(value);
                rest = &body[end + 1..];
            }
            _ => {
                out.push_str("${");
                rest = body;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A line after joining and without its comment; never empty.
pub(super) struct LogicalLine<'t> {
    /// Trimmed; never empty.
    pub(super) text: Cow<'t, str>,
    /// Of the first physical line.
    pub(super) number: u32,
    /// Of the first character that is not blank.
    pub(super) column: u32,
}

/// The logical lines of a text.
pub(super) struct LogicalLines<'t> {
    rest: Option<&'t str>,
    number: u32,
}

impl<'t> LogicalLines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: (!text.is_empty()).then_some(text), number: 0 }
    }

    /// The next physical line, by every line end that Python's `splitlines` knows: a file that hides a requirement
    /// behind a form feed is read as pip reads it.
    fn physical(&mut self) -> Option<&'t str> {
        let rest = self.rest?;
        self.number = self.number.saturating_add(1);
        let Some(end) = line_end(rest) else {
            self.rest = None;
            return Some(rest);
        };
        let after = &rest[end..];
        let width = if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(1, char::len_utf8) };
        self.rest = Some(&after[width..]).filter(|r| !r.is_empty());
        Some(&rest[..end])
    }
}

/// The byte offset of the first character that ends a line for Python: line feed, carriage return, vertical tab, form
/// feed, the file, group and record separators, next line, and Unicode's line and paragraph separators.
fn line_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let found = bytes.get(from..)?.iter().position(|b| matches!(b, 0x0a..=0x0d | 0x1c..=0x1e | 0xc2 | 0xe2))?;
        let at = from + found;
        match bytes[at] {
            // The lead bytes of U+0085, and of U+2028 and U+2029.
            0xc2 if bytes.get(at + 1) != Some(&0x85) => from = at + 1,
            0xe2 if !matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => from = at + 1,
            _ => return Some(at),
        }
    }
}

impl<'t> Iterator for LogicalLines<'t> {
    type Item = LogicalLine<'t>;

    fn next(&mut self) -> Option<LogicalLine<'t>> {
        loop {
            let first = self.physical()?;
            let number = self.number;
            let mut joined: Cow<'t, str> = Cow::Borrowed(first);
            if continues(first) {
                let mut text = first.trim_matches('\\').to_owned();
                while let Some(line) = self.physical() {
                    if continues(line) {
                        text.push_str(line.trim_matches('\\'));
                        continue;
                    }
                    if is_comment(line) {
                        // So that it is seen as a comment of the joined line.
                        text.push(' ');
                    }
                    text.push_str(line);
                    break;
                }
                joined = Cow::Owned(text);
            }
            let text = match joined {
                Cow::Borrowed(text) => Cow::Borrowed(without_comment(text).trim()),
                Cow::Owned(text) => Cow::Owned(without_comment(&text).trim().to_owned()),
            };
            if !text.is_empty() {
                let column = first.chars().take_while(|c| c.is_whitespace()).count() + 1;
                return Some(LogicalLine { text, number, column: u32::try_from(column).unwrap_or(u32::MAX) });
            }
        }
    }
}

fn continues(line: &str) -> bool {
    line.ends_with('\\') && !is_comment(line)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// A comment begins at a `#` at the line's start or after white space.
pub(in crate::ecosystem::python) fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    match line.match_indices('#').map(|(at, _)| at).find(begins) {
        Some(at) => &line[..at],
        None => line,
    }
}

/// A file's text: by its byte-order mark, a coding line (PEP 263) in the first two lines, UTF-8, or Latin-1.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let utf16 = |read: fn([u8; 2]) -> u16, body: &[u8]| {
        let units = body.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map(Cow::Owned)
            .map_err(|_| "not valid UTF-16".to_owned())
    };
    let utf8 = |body| std::str::from_utf8(body).map(Cow::Borrowed);
    if let Some(body) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return utf8(body).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to() + 3));
    }
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err("UTF-32 is not read".to_owned());
    }
    if let Some(body) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(u16::from_le_bytes, body);
    }
    if let Some(body) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(u16::from_be_bytes, body);
    }
    let latin1 = || Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect());
    match coding_line(bytes) {
        None => Ok(utf8(bytes).unwrap_or_else(|_| latin1())),
        Some(name) => match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" | "utf-8-sig" | "ascii" | "us-ascii" => {
                utf8(bytes).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))
            }
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "iso-8859-15" | "cp1252" | "windows-1252" => {
                Ok(latin1())
            }
            other => Err(format!("the encoding {} is not read", other.chars().take(40).collect::<String>())),
        },
    }
}

/// `coding: NAME` or `coding=NAME` in a comment that begins one of the first two lines.
fn coding_line(bytes: &[u8]) -> Option<&str> {
    bytes.split(|b| *b == b'\n').take(2).filter(|line| line.starts_with(b"#")).find_map(|line| {
        // Only ASCII matters, so what is not UTF-8 may end the search.
        let line = std::str::from_utf8(line).ok()?;
        let at = line.match_indices("coding").map(|(i, w)| &line[i + w.len()..]);
        at.filter_map(|rest| rest.strip_prefix([':', '='])).find_map(|rest| {
            let rest = rest.trim_start();
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(rest.len());
            (end > 0).then(|| &rest[..end])
        })
    })
}
