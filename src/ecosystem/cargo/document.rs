//! A TOML text with places: what the readers of manifests, lockfiles and configuration share.
//!
//! In: a path and a text. Out: the root table with spans, typed look-ups that say what they did not understand, and
//! the diagnostics collected. Size is capped here; nesting is capped by the TOML parser.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::{Diagnostic, LineIndex, Location};

/// Largest text read, in bytes.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// A value with its span.
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// Where a text is from, and what was found wrong in it.
pub(super) struct Reader<'t> {
    path: &'t Path,
    index: LineIndex<'t>,
    /// What was not understood.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    /// Parses a text. The table is empty when the text is not TOML, and a diagnostic says where.
    pub(super) fn parse(path: &'t Path, text: &'t str) -> (DeTable<'t>, Self) {
        let mut reader = Self { path, index: LineIndex::new(text), diagnostics: Vec::new() };
        if text.len() > MAX_BYTES {
            let message = format!("larger than {MAX_BYTES} bytes");
            reader.diagnostics.push(Diagnostic::new(Location::file(path), message));
            return (DeTable::new(), reader);
        }
        match DeTable::parse(text) {
            Ok(table) => (table.into_inner(), reader),
            Err(error) => {
                let offset = error.span().map_or(0, |s| s.start);
                let message = format!("not TOML: {}", error.message().lines().next().unwrap_or_default());
                let diagnostic = Diagnostic::new(reader.at(offset), message);
                let diagnostic = if text.contains("\n<<<<<<< ") || text.starts_with("<<<<<<< ") {
                    diagnostic.with_hint("resolve the merge conflict in this file")
                } else {
                    diagnostic
                };
                reader.diagnostics.push(diagnostic);
                (DeTable::new(), reader)
            }
        }
    }

    /// The location of a byte offset.
    pub(super) fn at(&self, offset: usize) -> Location {
        self.index.location(self.path, offset)
    }

    /// Line and column of a byte offset.
    pub(super) fn line_column(&self, offset: usize) -> (u32, u32) {
        self.index.line_column(offset)
    }

    /// Records that a value is not understood.
    pub(super) fn complain(&mut self, offset: usize, message: impl Into<String>) {
        let location = self.at(offset);
        self.diagnostics.push(Diagnostic::new(location, message));
    }

    fn wrong_type<T>(&mut self, node: &Node<'t>, key: &str, wanted: &str) -> Option<T> {
        let found = node.get_ref().type_str();
        self.complain(node.span().start, format!("`{key}` is of type {found}, not {wanted}"));
        None
    }

    /// A string.
    pub(super) fn string(&mut self, node: &Node<'t>, key: &str) -> Option<String> {
        match node.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong_type(node, key, "a string"),
        }
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, node: &Node<'t>, key: &str) -> Option<bool> {
        match node.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong_type(node, key, "a boolean"),
        }
    }

    /// A table.
    pub(super) fn table<'n>(&mut self, node: &'n Node<'t>, key: &str) -> Option<&'n DeTable<'t>> {
        match node.get_ref().as_table() {
            Some(table) => Some(table),
            None => self.wrong_type(node, key, "a table"),
        }
    }

    /// An array's elements.
    pub(super) fn array<'n>(&mut self, node: &'n Node<'t>, key: &str) -> Option<Vec<&'n Node<'t>>> {
        match node.get_ref().as_array() {
            Some(array) => Some(array.iter().collect()),
            None => self.wrong_type(node, key, "an array"),
        }
    }

    /// An array of strings; elements of another kind are reported and left out.
    pub(super) fn strings(&mut self, node: &Node<'t>, key: &str) -> Option<Vec<String>> {
        let nodes = self.array(node, key)?;
        Some(nodes.into_iter().filter_map(|n| self.string(n, key)).collect())
    }

    /// The string under a key of a table.
    pub(super) fn string_of(&mut self, table: &DeTable<'t>, keys: &[&str]) -> Option<String> {
        let node = lookup(table, keys)?;
        self.string(node, keys.first()?)
    }

    /// The boolean under a key of a table.
    pub(super) fn boolean_of(&mut self, table: &DeTable<'t>, keys: &[&str]) -> Option<bool> {
        let node = lookup(table, keys)?;
        self.boolean(node, keys.first()?)
    }

    /// The array of strings under a key of a table.
    pub(super) fn strings_of(&mut self, table: &DeTable<'t>, keys: &[&str]) -> Option<Vec<String>> {
        let node = lookup(table, keys)?;
        self.strings(node, keys.first()?)
    }

    /// The table under a key of a table.
    pub(super) fn table_of<'n>(&mut self, table: &'n DeTable<'t>, keys: &[&str]) -> Option<&'n DeTable<'t>> {
        let node = lookup(table, keys)?;
        self.table(node, keys.first()?)
    }
}

/// The value under the first of several spellings of a key.
pub(super) fn lookup<'n, 't>(table: &'n DeTable<'t>, keys: &[&str]) -> Option<&'n Node<'t>> {
    keys.iter().find_map(|key| table.get(*key))
}
