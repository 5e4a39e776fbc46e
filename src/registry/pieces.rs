//! A JSON document that is too long to be held: read piece by piece, and each member of an object, or element of a list,
//! given out as a text of its own. In goes a [`Read`]; out come values for `serde_json`, which checks them. Here only
//! their ends are found, and the commas and colons between them.

use std::fmt;
use std::io::Read;

use serde::Deserialize;

/// What is read at once: 64 KiB.
const PIECE: usize = 64 << 10;

/// Why a document cannot be read, for people.
#[derive(Debug)]
pub enum Broken {
    /// It is no JSON, or not what it should be.
    Json(String),
    /// It did not come to its end.
    Read(std::io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(reason) => write!(f, "JSON: {reason}"),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// The document. Its longest member has to fit into memory.
pub struct Pieces<'r> {
    from: &'r mut dyn Read,
    window: Vec<u8>,
    /// Where in the window the rest begins.
    at: usize,
    ended: bool,
}

impl fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("window", &self.window.len()).finish_non_exhaustive()
    }
}

impl<'r> Pieces<'r> {
    /// Nothing is read yet.
    pub fn new(from: &'r mut dyn Read) -> Self {
        Self { from, window: Vec::with_capacity(2 * PIECE), at: 0, ended: false }
    }

    /// Reads the next piece; what was given out is let go. Says whether there was one.
    fn more(&mut self) -> Result<bool, Broken> {
        if self.ended {
            return Ok(false);
        }
        self.window.drain(..self.at);
        self.at = 0;
        let read = (&mut self.from).take(PIECE as u64).read_to_end(&mut self.window).map_err(Broken::Read)?;
        self.ended = read < PIECE;
        Ok(read > 0)
    }

    /// The next byte that is no blank, if there is one.
    fn next(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            match self.window.get(self.at).copied() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                None if self.more()? => {}
                next => return Ok(next),
            }
        }
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Result<u8, Broken> {
        self.next()?.ok_or_else(cut_short)
    }

    fn take(&mut self, wanted: u8) -> Result<(), Broken> {
        match self.peek()? {
            byte if byte == wanted => {
                self.at += 1;
                Ok(())
            }
            byte => Err(Broken::Json(format!("`{}` where `{}` should be", byte.escape_ascii(), wanted.escape_ascii()))),
        }
    }

    /// The next value.
    pub fn value<'v, T: Deserialize<'v>>(&'v mut self) -> Result<T, Broken> {
        let length = self.length()?;
        let start = self.at;
        self.at += length;
        Ok(serde_json::from_slice(self.window.get(start..start + length).unwrap_or_default())?)
    }

    /// Bytes of the next value, all of which are in the window then.
    fn length(&mut self) -> Result<usize, Broken> {
        self.peek()?;
        let (mut scan, mut length) = (Scan::default(), 0);
        loop {
            let rest = self.window.get(self.at + length..).unwrap_or_default();
            match scan.end(rest) {
                Some(end) => return Ok(length + end),
                None => length += rest.len(),
            }
            if !self.more()? {
                return if scan.is_bare() { Ok(length) } else { Err(cut_short()) };
            }
        }
    }

    /// Whether the next value is an object.
    pub fn is_object(&mut self) -> Result<bool, Broken> {
        Ok(self.peek()? == b'{')
    }

    /// Calls for each member of the object that comes next, with its name; each call takes exactly one value.
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<(), Broken>) -> Result<(), Broken> {
        self.sequence(b'{', b'}', |pieces| {
            let name: String = pieces.value()?;
            pieces.take(b':')?;
            each(pieces, &name)
        })
    }

    /// Calls for each element of the list that comes next; each call takes exactly one value.
    pub fn list(&mut self, each: impl FnMut(&mut Self) -> Result<(), Broken>) -> Result<(), Broken> {
        self.sequence(b'[', b']', each)
    }

    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut each: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.take(open)?;
        if self.peek()? == close {
            return self.take(close);
        }
        loop {
            each(self)?;
            if self.peek()? == close {
                return self.take(close);
            }
            self.take(b',')?;
        }
    }

    /// Nothing but blanks comes any more.
    pub fn end(&mut self) -> Result<(), Broken> {
        match self.next()? {
            Some(_) => Err(Broken::Json("something stands behind its end".to_owned())),
            None => Ok(()),
        }
    }
}

fn cut_short() -> Broken {
    Broken::Json("it ends within a value".to_owned())
}

/// Looks for a value's end, from piece to piece.
#[derive(Default)]
struct Scan {
    begun: bool,
    depth: u64,
    text: bool,
    escaped: bool,
}

impl Scan {
    /// Whether it is in a number or a word, which end where something else begins.
    fn is_bare(&self) -> bool {
        self.begun && self.depth == 0 && !self.text
    }

    /// Where in the next bytes the value ends.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
            } else if self.text {
                // Most of a document is text.
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|b| matches!(b, b'"' | b'\\'))?;
                match bytes.get(at) {
                    Some(b'\\') => self.escaped = true,
                    _ => {
                        self.text = false;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                }
            } else {
                match byte {
                    b'"' if self.is_bare() => return Some(at),
                    b'"' => self.text = true,
                    b'{' | b'[' if self.is_bare() => return Some(at),
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' if self.depth == 0 => return Some(at),
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => return Some(at),
                    _ => {}
                }
            }
            self.begun = true;
            at += 1;
        }
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Gives out a few bytes at a time.
    struct Trickle<'t>(&'t [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(out.len()).min(self.0.len());
            let (now, rest) = self.0.split_at(n);
            out[..n].copy_from_slice(now);
            self.0 = rest;
            Ok(n)
        }
    }

    /// The document, by way of its members where it is an object or a list.
    fn read(text: &[u8], step: usize) -> Result<Value, Broken> {
        let mut from = Trickle(text, step);
        let mut pieces = Pieces::new(&mut from);
        let value = match pieces.peek()? {
            b'{' => {
                let mut out = serde_json::Map::new();
                pieces.object(|pieces, name| {
                    out.insert(name.to_owned(), pieces.value()?);
                    Ok(())
                })?;
                Value::Object(out)
            }
            b'[' => {
                let mut out = Vec::new();
                pieces.list(|pieces| {
                    out.push(pieces.value()?);
                    Ok(())
                })?;
                Value::Array(out)
            }
            _ => pieces.value()?,
        };
        pieces.end().map(|()| value)
    }

    #[test]
    fn members_longer_than_a_piece_come_whole() {
        let long = "é\\\"".repeat(PIECE);
        let text = format!(" {{\"a\" : [1, {{\"b\": \"{long}\"}}] ,\"c\":-1.5e3,\"d\":null}} \n");
        for step in [1 << 10, 1 << 20] {
            assert_eq!(read(text.as_bytes(), step).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
    }

    #[test]
    fn a_document_that_breaks_off_is_no_document() {
        let text = br#"{"a":[1,{"b":"x\"y"}],"c":true}"#;
        for length in 0..text.len() {
            assert!(read(&text[..length], 7).is_err(), "{length}");
        }
        for text in
            ["{\"a\":1,}", "{\"a\" 1}", "{a:1}", "[1 2]", "[1,]", "{}{}", "[]x", "{\"a\":tru}", "{\"a\":1 2}", ","]
        {
            assert!(read(text.as_bytes(), 3).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_same_is_read_as_from_the_whole(text in "[\\[\\]{}\",:\\\\ a1]{0,40}", step in 1_usize..9) {
            prop_assert_eq!(read(text.as_bytes(), step).ok(), serde_json::from_str::<Value>(&text).ok());
        }

        #[test]
        fn hostile_bytes_never_panic(bytes: Vec<u8>, step in 1_usize..9) {
            let _ = read(&bytes, step);
        }
    }
}
