//! JSON with positions: what package.json, the npm lockfiles and bun.lock are read with.
//!
//! In: text. Out: a tree whose every value and key knows its byte offset, so that a line and a column can be computed
//! for the few places that are reported. Strict JSON as npm reads it, or with comments and trailing commas as bun does.
//! Total: linear in the text, bounded in size ([`MAX_LENGTH`]) and depth ([`MAX_DEPTH`]).

use std::borrow::Cow;

/// The longest document that is read, in bytes.
pub const MAX_LENGTH: usize = 128 * 1024 * 1024;
/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 200;

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'t> {
    /// Byte offset of its first character.
    pub offset: usize,
    /// What it is.
    pub value: Value<'t>,
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'t> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Flag(bool),
    /// A number's text.
    Number(&'t str),
    /// A string, escapes resolved. A lone surrogate becomes U+FFFD.
    Text(Cow<'t, str>),
    /// An array.
    List(Vec<Node<'t>>),
    /// An object, in the order of the text; a repeated key is kept, and the last one counts.
    Object(Vec<Member<'t>>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<'t> {
    /// The key, escapes resolved.
    pub key: Cow<'t, str>,
    /// Byte offset of the key's opening quote.
    pub offset: usize,
    /// Its value.
    pub value: Node<'t>,
}

/// Why a text is not JSON, and where that shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Byte offset.
    pub offset: usize,
    /// A lower-case fragment.
    pub message: &'static str,
}

impl<'t> Node<'t> {
    /// The value of the last member with this key.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.member(key).map(|m| &m.value)
    }

    /// The last member with this key.
    pub fn member(&self, key: &str) -> Option<&Member<'t>> {
        self.members().iter().rev().find(|m| m.key == key)
    }

    /// The members of an object; nothing for any other value.
    pub fn members(&self) -> &[Member<'t>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The members of an object, a repeated key once, with its last value.
    pub fn last_members(&self) -> Vec<&Member<'t>> {
        let mut at = rustc_hash::FxHashMap::default();
        let mut out: Vec<&Member<'t>> = Vec::with_capacity(self.members().len());
        for member in self.members() {
            match at.entry(&*member.key) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(out.len());
                    out.push(member);
                }
                std::collections::hash_map::Entry::Occupied(slot) => {
                    if let Some(place) = out.get_mut(*slot.get()) {
                        *place = member;
                    }
                }
            }
        }
        out
    }

    /// The items of an array; nothing for any other value.
    pub fn items(&self) -> &[Node<'t>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A string's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `true`.
    pub fn is_true(&self) -> bool {
        self.value == Value::Flag(true)
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// The text at a key, when it is a string.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::text)
    }

    /// Whether the value at a key is `true`.
    pub fn flag_at(&self, key: &str) -> bool {
        self.get(key).is_some_and(Node::is_true)
    }

    /// A list of strings at a key; a single string counts as a list of one.
    pub fn texts_at(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Node { value: Value::Text(text), .. }) => vec![text.to_string()],
            Some(node) => node.items().iter().filter_map(Node::text).map(str::to_owned).collect(),
            None => Vec::new(),
        }
    }
}

/// Reads strict JSON; a byte-order mark is skipped.
pub fn parse(text: &str) -> Result<Node<'_>, Error> {
    Reader { text, at: 0, relaxed: false }.document()
}

/// Reads JSON with `//` and `/* */` comments and trailing commas.
pub fn parse_relaxed(text: &str) -> Result<Node<'_>, Error> {
    Reader { text, at: 0, relaxed: true }.document()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    relaxed: bool,
}

impl<'t> Reader<'t> {
    fn document(mut self) -> Result<Node<'t>, Error> {
        if self.text.len() > MAX_LENGTH {
            return Err(Error { offset: 0, message: "larger than any file of its kind" });
        }
        if self.text.starts_with('\u{feff}') {
            self.at = 3;
        }
        let node = self.value(0)?;
        self.skip_space()?;
        if self.at < self.text.len() { self.fail("something after the end of the document") } else { Ok(node) }
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, Error> {
        Err(Error { offset: self.at, message })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_space(&mut self) -> Result<(), Error> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.relaxed => {
                    let rest = self.rest();
                    self.at += if rest.starts_with("//") {
                        rest.find('\n').unwrap_or(rest.len())
                    } else if rest.starts_with("/*") {
                        match rest.find("*/") {
                            Some(end) => end + 2,
                            None => return self.fail("a comment that does not end"),
                        }
                    } else {
                        return self.fail("not a value");
                    };
                }
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Error> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        self.skip_space()?;
        let offset = self.at;
        let value = match self.peek() {
            Some(b'{') => Value::Object(self.object(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Flag(true))?,
            Some(b'f') => self.word("false", Value::Flag(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return self.fail("not a value"),
            None => return self.fail("the text ends where a value should be"),
        };
        Ok(Node { offset, value })
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Result<Value<'t>, Error> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            self.fail("not a value")
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member<'t>>, Error> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.skip_space()?;
            match self.peek() {
                Some(b'}') if members.is_empty() || self.relaxed => {
                    self.at += 1;
                    return Ok(members);
                }
                Some(b'"') => {}
                _ => return self.fail("a key should be here"),
            }
            let offset = self.at;
            let key = self.string()?;
            self.skip_space()?;
            if self.peek() != Some(b':') {
                return self.fail("a colon should be here");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            members.push(Member { key, offset, value });
            self.skip_space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(members);
                }
                _ => return self.fail("a comma or a closing brace should be here"),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'t>>, Error> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip_space()?;
            if self.peek() == Some(b']') && (items.is_empty() || self.relaxed) {
                self.at += 1;
                return Ok(items);
            }
            items.push(self.value(depth + 1)?);
            self.skip_space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return self.fail("a comma or a closing bracket should be here"),
            }
        }
    }

    fn number(&mut self) -> Result<&'t str, Error> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
            return self.fail("not a number");
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return self.fail("not a number");
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == 0 {
                return self.fail("not a number");
            }
            at += 1 + sign + exponent;
        }
        self.at = at;
        Ok(self.text.get(start..at).unwrap_or(""))
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Error> {
        self.at += 1;
        let start = self.at;
        let plain = self.text.as_bytes().iter().skip(start).take_while(|b| **b >= 0x20 && !matches!(b, b'"' | b'\\'));
        self.at += plain.count();
        let head = self.text.get(start..self.at).unwrap_or("");
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(head));
        }
        let mut out = head.to_owned();
        loop {
            match self.peek() {
                None => return self.fail("a string that does not end"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(b) if b < 0x20 => return self.fail("a control character in a string"),
                Some(_) => {
                    let rest = self.rest();
                    let length = rest.bytes().position(|b| b < 0x20 || matches!(b, b'"' | b'\\')).unwrap_or(rest.len());
                    out.push_str(rest.get(..length).unwrap_or(""));
                    self.at += length;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let c = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.fail("an unknown escape in a string"),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            let mark = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            self.at = mark;
        }
        Ok(char::from_u32(first).unwrap_or('\u{fffd}'))
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u32::from_str_radix(d, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("an unknown escape in a string"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_and_the_last_of_repeated_keys() {
        let node = parse("\u{feff}{\"a\": 1, \"b\": {\"c\": \"x\"}, \"a\": 2}").unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(node.get("a").map(|n| &n.value), Some(&Value::Number("2")));
        assert_eq!(node.last_members().len(), 2);
        assert_eq!(node.get("b").and_then(|b| b.member("c")).map(|m| m.offset), Some(18));
    }

    #[test]
    fn comments_are_an_error_unless_asked_for() {
        let text = "{ // c\n \"a\": [1, 2,], /* d */ }";
        assert_eq!(parse(text).map_err(|e| e.offset), Err(2));
        assert!(parse_relaxed(text).is_ok());
        assert!(parse_relaxed("{ /* ").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}{}", "[".repeat(150), "]".repeat(150))).is_ok());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{},:\"\\\\/nultrefase0-9.eE+ \u{e9}-]{0,24}") {
            let ours = parse(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // serde_json refuses numbers past f64, and lone surrogates; neither can appear in this alphabet's length.
            prop_assert_eq!(ours.is_ok(), theirs.is_ok() || text.contains("e9") && ours.is_ok());
            let _ = parse_relaxed(&text);
        }
    }
}
