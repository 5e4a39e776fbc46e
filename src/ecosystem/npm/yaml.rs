//! YAML as the same tree with positions that JSON is read into: what pnpm and yarn 2 write.
//!
//! In: text. Out: a [`Node`] for each document. Plain `true`, `false` and `null` keep their meaning; every other scalar
//! is text, so that `version: 1.10` stays what it is. Anchors are refused: no lockfile has them, and they multiply.
//! Bounded in size and depth.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::json::{Error, MAX_DEPTH, Member, Node, Value};

/// The longest document that is read, in bytes.
const MAX_LENGTH: usize = 32 * 1024 * 1024;

/// A collection that is being filled.
enum Open<'t> {
    List(usize, Vec<Node<'t>>),
    Object(usize, Vec<Member<'t>>, Option<(Cow<'t, str>, usize)>),
}

/// Reads every document of a text.
pub fn parse(text: &str) -> Result<Vec<Node<'_>>, Error> {
    if text.len() > MAX_LENGTH {
        return Err(Error { offset: 0, message: "larger than any file of its kind" });
    }
    let mut cursor = Cursor { text, characters: 0, bytes: 0 };
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut documents = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                return Err(Error { offset: cursor.offset(error.marker().index()), message: "not YAML" });
            }
        };
        let offset = cursor.offset(span.start.index());
        let fail = |message| Err(Error { offset, message });
        let done = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= MAX_DEPTH => {
                return fail("nested too deeply");
            }
            Event::MappingStart(..) => {
                open.push(Open::Object(offset, Vec::new(), None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(offset, Vec::new()));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(Open::Object(offset, members, _)) => Node { offset, value: Value::Object(members) },
                Some(Open::List(offset, items)) => Node { offset, value: Value::List(items) },
                None => return fail("not YAML"),
            },
            Event::Scalar(value, style, _, _) => Node { offset, value: scalar(value, style) },
            Event::Alias(_) => return fail("an anchor is used, which is not read here"),
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(done),
            Some(Open::List(_, items)) => items.push(done),
            Some(Open::Object(_, members, key)) => match key.take() {
                Some((key, offset)) => members.push(Member { key, offset, value: done }),
                None => match key_of(done) {
                    Some(taken) => *key = Some(taken),
                    None => return fail("a key that is no text"),
                },
            },
        }
    }
    Ok(documents)
}

fn scalar(value: Cow<'_, str>, style: ScalarStyle) -> Value<'_> {
    match (&*value, style) {
        ("true", ScalarStyle::Plain) => Value::Flag(true),
        ("false", ScalarStyle::Plain) => Value::Flag(false),
        ("null" | "~" | "", ScalarStyle::Plain) => Value::Null,
        _ => Value::Text(value),
    }
}

fn key_of(node: Node<'_>) -> Option<(Cow<'_, str>, usize)> {
    let key = match node.value {
        Value::Text(text) => text,
        Value::Flag(true) => Cow::Borrowed("true"),
        Value::Flag(false) => Cow::Borrowed("false"),
        Value::Null => Cow::Borrowed("null"),
        _ => return None,
    };
    Some((key, node.offset))
}

/// Character counts to byte offsets; the parser counts characters, and always forwards.
struct Cursor<'t> {
    text: &'t str,
    characters: usize,
    bytes: usize,
}

impl Cursor<'_> {
    fn offset(&mut self, characters: usize) -> usize {
        let rest = self.text.get(self.bytes..).unwrap_or("");
        let forward = characters.saturating_sub(self.characters);
        let (taken, bytes) = rest.chars().take(forward).fold((0, 0), |(n, b), c| (n + 1, b + c.len_utf8()));
        self.characters += taken;
        self.bytes += bytes;
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scalars_stay_text_and_know_their_place() {
        let documents = parse("é: 1.10\nb: {c: true, 'd': 'true'}\n").unwrap_or_else(|e| panic!("{e:?}"));
        let root = &documents[0];
        assert_eq!(root.text_at("é"), Some("1.10"));
        let b = root.get("b").map(|b| (b.flag_at("c"), b.text_at("d"), b.member("d").map(|m| m.offset)));
        assert_eq!(b, Some((true, Some("true"), Some(22))));
    }

    #[test]
    fn anchors_and_depth_are_refused() {
        assert!(parse("a: &x 1\nb: *x\n").is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z:\\-\\[\\]{}'\"&*!|>#%@, \n\té]{0,60}") {
            let _ = parse(&text);
        }
    }
}
