//! Inline metadata of scripts (PEP 723): the TOML in a `# /// script` block.
//!
//! In: a path (for places) and a script's text. Out: the block as a [`Pyproject`] whose `dependencies`,
//! `requires_python`, sources and indexes are filled, or `None` when there is no block. The script is not run.

use std::path::Path;

use super::pyproject::{self, Pyproject};
use super::requirements_txt::Entry;
use crate::model::{Diagnostic, Location};

/// Largest script that is looked into, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// The TOML of a script's `script` block; `None` where there is not exactly one.
pub fn metadata(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut blocks = blocks(text).into_iter().filter(|b| b.kind == "script");
    blocks.next().filter(|_| blocks.next().is_none()).map(|block| block.toml)
}

/// Reads a script's `script` block.
pub fn read(path: &Path, text: &str) -> (Option<Pyproject>, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        return (None, vec![Diagnostic::new(Location::file(path), format!("script larger than {MAX_BYTES} bytes"))]);
    }
    let mut blocks = blocks(text).into_iter().filter(|b| b.kind == "script");
    let Some(block) = blocks.next() else { return (None, Vec::new()) };
    if let Some(second) = blocks.next() {
        let at = Location::at(path, second.line, 1);
        return (None, vec![Diagnostic::new(at, "more than one `script` block")]);
    }
    let (mut project, mut diagnostics) = pyproject::read_script(path, &block.toml);
    // A line of the TOML stands behind `# ` below the block's first line.
    let shift = |location: &mut Location| {
        if location.line > 0 {
            location.line = location.line.saturating_add(block.line);
            location.column = location.column.saturating_add(2);
        }
    };
    diagnostics.iter_mut().for_each(|d| shift(&mut d.location));
    let lists: [&mut Vec<Entry>; 4] =
        [&mut project.dependencies, &mut project.constraints, &mut project.overrides, &mut project.build_constraints];
    lists.into_iter().flatten().for_each(|e| shift(&mut e.location));
    project.extra_build.values_mut().flatten().for_each(|e| shift(&mut e.location));
    project.indexes.iter_mut().for_each(|i| shift(&mut i.location));
    project.options.iter_mut().for_each(|o| shift(&mut o.location));
    project.sources.values_mut().flatten().for_each(|s| shift(&mut s.location));
    (Some(project), diagnostics)
}

struct Block {
    kind: String,
    /// The content without the comment marks.
    toml: String,
    /// Of the opening line, from 1.
    line: u32,
}

/// Every metadata block: `# /// NAME`, comment lines, `# ///`. As the specification's regular expression has it, the
/// last `# ///` of the run of comment lines closes the block, and a run without one is none.
fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let kind = lines[at]
            .strip_prefix("# /// ")
            .filter(|k| !k.is_empty() && k.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        let Some(kind) = kind else {
            at += 1;
            continue;
        };
        let run = lines[at + 1..].iter().take_while(|l| **l == "#" || l.starts_with("# ")).count();
        let close = lines[at + 1..at + 1 + run].iter().rposition(|l| *l == "# ///");
        let Some(close) = close.filter(|c| *c > 0) else {
            // What opens later in the same run has no end either.
            at += run + 1;
            continue;
        };
        let content = &lines[at + 1..at + 1 + close];
        let toml: String = content.iter().flat_map(|l| [l.get(2..).unwrap_or_default(), "\n"]).collect();
        out.push(Block { kind: kind.to_owned(), toml, line: u32::try_from(at + 1).unwrap_or(u32::MAX) });
        at += close + 2;
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_block_is_found_and_placed() {
        let text = "#!/usr/bin/env -S uv run\n# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\n#   \"requests<3\",\n#   \"rich\",\n# ]\n#\n# [[tool.uv.index]]\n# url = \"https://u:p@h/simple\"\n# ///\nimport requests\n";
        let (project, diagnostics) = read(Path::new("s.py"), text);
        let project = project.unwrap();
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let shown: Vec<String> = project.dependencies.iter().map(|e| format!("{} {}", e.text, e.location)).collect();
        assert_eq!(shown, ["requests<3 s.py:5:5", "rich s.py:6:5"]);
        assert_eq!(project.indexes[0].url, "https://h/simple");
    }

    #[test]
    fn no_block_two_blocks_no_end() {
        assert!(read(Path::new("s.py"), "import x\n").0.is_none());
        let block = "# /// script\n# dependencies = []\n# ///\n";
        assert_eq!(read(Path::new("s.py"), &format!("{block}\n{block}")).1.len(), 1);
        assert!(read(Path::new("s.py"), "# /// script\n# dependencies = []\n").0.is_none());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(# /// script\n)?(#[ a-z=\\[\\]\"/\n]{0,20}){0,6}(\n# ///\n)?\\PC{0,20}") {
            let _ = read(Path::new("s.py"), &text);
        }
    }
}
