//! Where something was read: a file with line and column, or a word of the command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a [`Location`] counts lines in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A file, as the user would type its path.
    File(Arc<Path>),
    /// The command's argument vector: `line` is 1, `column` is the index of the word (0 is the program).
    Argv,
    /// An environment variable of this name.
    Environment(Arc<str>),
    /// A value compiled into this program.
    BuiltIn,
}

/// A place and, where it is known, a line and a column in it, both counted from 1
/// (columns in Unicode scalar values, as editors do).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The thing that was read.
    pub place: Place,
    /// Line, from 1; 0 when the whole thing is meant.
    pub line: u32,
    /// Column, from 1; 0 when the whole line is meant.
    pub column: u32,
}

impl Location {
    /// A whole file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(Arc::from(path.into())), line: 0, column: 0 }
    }

    /// A point in a file.
    pub fn at(path: impl Into<PathBuf>, line: u32, column: u32) -> Self {
        Self { place: Place::File(Arc::from(path.into())), line, column }
    }

    /// The word of argv with this index.
    pub fn argv(index: usize) -> Self {
        Self { place: Place::Argv, line: 1, column: u32::try_from(index).unwrap_or(u32::MAX) }
    }

    /// An environment variable.
    pub fn environment(name: &str) -> Self {
        Self { place: Place::Environment(Arc::from(name)), line: 0, column: 0 }
    }

    /// The built-in default.
    pub fn built_in() -> Self {
        Self { place: Place::BuiltIn, line: 0, column: 0 }
    }

    /// The file's path, when the place is a file.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Location {
    /// `requirements.txt:3:1`, `requirements.txt`, `argument 2`, `$PIP_INDEX_URL`, `built-in`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => {
                write!(f, "{}", path.display())?;
                if self.line > 0 {
                    write!(f, ":{}", self.line)?;
                    if self.column > 0 {
                        write!(f, ":{}", self.column)?;
                    }
                }
                Ok(())
            }
            Place::Argv => write!(f, "argument {}", self.column),
            Place::Environment(name) => write!(f, "${name}"),
            Place::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// Something a reader could not take as it stands: what, where, and what to do about it.
///
/// Readers return `(value, Vec<Diagnostic>)`; a diagnostic always means that what was read may be
/// less than what the tool itself would read, so a plan built from it is incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub location: Location,
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// What to do next, if that is known.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a hint.
    pub fn new(location: Location, message: impl Into<String>) -> Self {
        Self { location, message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// Furthest into a line that characters are counted, in bytes; beyond it columns are bytes.
const MAX_COUNTED: usize = 8 * 1024;

/// Byte offsets to lines and columns, by binary search over the line starts. Built once a file.
#[derive(Debug, Clone)]
pub struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    /// Indexes `text`; a line ends with `\n`.
    pub fn new(text: &'t str) -> Self {
        let starts =
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Self { text, starts: starts.collect() }
    }

    /// Line and column, both from 1, of a byte offset. Offsets past the end, or inside a character, are rounded down.
    pub fn line_column(&self, offset: usize) -> (u32, u32) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        // Far out on a line (a minified or hostile file), counting for every entry would be quadratic: bytes will do.
        let before = &self.text[self.starts[line]..offset];
        let column = if before.len() > MAX_COUNTED { before.len() } else { before.chars().count() } + 1;
        (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The location of a byte offset in `path`.
    pub fn location(&self, path: &Path, offset: usize) -> Location {
        let (line, column) = self.line_column(offset);
        Location::at(path, line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let index = LineIndex::new("ab\nçd\n\nz");
        assert_eq!(index.line_column(0), (1, 1));
        assert_eq!(index.line_column(3), (2, 1));
        assert_eq!(index.line_column(4), (2, 1), "inside ç rounds down");
        assert_eq!(index.line_column(5), (2, 2));
        assert_eq!(index.line_column(7), (3, 1));
        assert_eq!(index.line_column(99), (4, 2));
    }
}
