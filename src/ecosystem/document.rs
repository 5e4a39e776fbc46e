//! A TOML text with places: what readers of manifests, lockfiles and configuration share.
//!
//! In: a path and a text. Out: the root table with spans, typed look-ups that say what they did not understand, and
//! the diagnostics collected. Size is capped here; nesting is capped by the TOML parser.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::{Diagnostic, LineIndex, Location, Place};

/// Largest text read, in bytes.
pub(crate) const MAX_BYTES: usize = 32 << 20;
/// Most diagnostics kept for one text.
const MAX_DIAGNOSTICS: usize = 200;

/// A value with its span.
pub(crate) type Node<'t> = Spanned<DeValue<'t>>;

/// Where a text is from, and what was found wrong in it.
pub(crate) struct Reader<'t> {
    place: Place,
    index: LineIndex<'t>,
    /// What was not understood, up to a number that a person may read.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// How often something was not understood.
    pub(crate) problems: usize,
}

impl<'t> Reader<'t> {
    /// Parses a text. The table is empty when the text is not TOML, and a diagnostic says where.
    pub(crate) fn parse(path: &Path, text: &'t str) -> (DeTable<'t>, Self) {
        let place = Place::File(Arc::from(path));
        let mut reader = Self { place, index: LineIndex::new(text), diagnostics: Vec::new(), problems: 0 };
        if text.len() > MAX_BYTES {
            reader.problems = 1;
            let message = format!("larger than {MAX_BYTES} bytes");
            reader.diagnostics.push(Diagnostic::new(Location::file(path), message));
            return (DeTable::new(), reader);
        }
        match DeTable::parse(text) {
            Ok(table) => (table.into_inner(), reader),
            Err(error) => {
                let offset = error.span().map_or(0, |s| s.start);
                let message = format!("not TOML: {}", error.message().lines().next().unwrap_or_default());
                reader.complain(offset, message);
                if let Some(first) =
                    reader.diagnostics.last_mut().filter(|_| text.lines().any(|l| l.starts_with("<<<<<<< ")))
                {
                    first.hint = Some("resolve the merge conflict in this file".to_owned());
                }
                (DeTable::new(), reader)
            }
        }
    }

    /// The location of a byte offset.
    pub(crate) fn at(&self, offset: usize) -> Location {
        let (line, column) = self.line_column(offset);
        Location { place: self.place.clone(), line, column }
    }

    /// Line and column of a byte offset.
    pub(crate) fn line_column(&self, offset: usize) -> (u32, u32) {
        self.index.line_column(offset)
    }

    /// Records that a value is not understood.
    pub(crate) fn complain(&mut self, offset: usize, message: impl Into<String>) {
        self.problems += 1;
        if self.problems <= MAX_DIAGNOSTICS {
            let location = self.at(offset);
            self.diagnostics.push(Diagnostic::new(location, message));
        } else if self.problems == MAX_DIAGNOSTICS + 1 {
            self.diagnostics.push(Diagnostic::new(self.at(offset), "from here on, problems are not listed"));
        }
    }

    fn wrong_type<T>(&mut self, node: &Node<'_>, key: &str, wanted: &str) -> Option<T> {
        let found = node.get_ref().type_str();
        self.complain(node.span().start, format!("`{key}` is of type {found}, not {wanted}"));
        None
    }

    /// A string.
    pub(crate) fn string(&mut self, node: &Node<'_>, key: &str) -> Option<String> {
        match node.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong_type(node, key, "a string"),
        }
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        match node.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong_type(node, key, "a boolean"),
        }
    }

    /// A table.
    pub(crate) fn table<'n, 'd>(&mut self, node: &'n Node<'d>, key: &str) -> Option<&'n DeTable<'d>> {
        match node.get_ref().as_table() {
            Some(table) => Some(table),
            None => self.wrong_type(node, key, "a table"),
        }
    }

    /// An array's elements.
    pub(crate) fn array<'n, 'd>(&mut self, node: &'n Node<'d>, key: &str) -> Vec<&'n Node<'d>> {
        match node.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => self.wrong_type(node, key, "an array").unwrap_or_default(),
        }
    }

    /// An array of strings; elements of another kind are reported and left out.
    pub(crate) fn strings(&mut self, node: &Node<'_>, key: &str) -> Vec<String> {
        let nodes = self.array(node, key);
        nodes.into_iter().filter_map(|n| self.string(n, key)).collect()
    }

    /// The string under a key.
    pub(crate) fn string_of(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        self.string(table.get(key)?, key)
    }

    /// The boolean under a key; `false` when there is none.
    pub(crate) fn flag_of(&mut self, table: &DeTable<'_>, key: &str) -> bool {
        table.get(key).and_then(|node| self.boolean(node, key)).unwrap_or_default()
    }

    /// The strings under a key; none when it is not there.
    pub(crate) fn strings_of(&mut self, table: &DeTable<'_>, key: &str) -> Vec<String> {
        table.get(key).map(|node| self.strings(node, key)).unwrap_or_default()
    }

    /// The elements of the array under a key; none when it is not there.
    pub(crate) fn array_of<'n, 'd>(&mut self, table: &'n DeTable<'d>, key: &str) -> Vec<&'n Node<'d>> {
        table.get(key).map(|node| self.array(node, key)).unwrap_or_default()
    }

    /// The table under a key.
    pub(crate) fn table_of<'n, 'd>(&mut self, table: &'n DeTable<'d>, key: &str) -> Option<&'n DeTable<'d>> {
        self.table(table.get(key)?, key)
    }
}

/// A table's members in the order of the text.
pub(crate) fn members<'n, 't>(table: &'n DeTable<'t>) -> Vec<(&'n str, usize, &'n Node<'t>)> {
    let mut all: Vec<_> = table.iter().map(|(k, v)| (k.get_ref().as_ref(), k.span().start, v)).collect();
    all.sort_by_key(|(_, start, _)| *start);
    all
}

/// A non-negative integer under a key.
pub(crate) fn integer_of(table: &DeTable<'_>, key: &str) -> Option<u64> {
    let integer = table.get(key)?.get_ref().as_integer()?;
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}
