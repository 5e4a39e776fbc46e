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

/// The TOML of a script's `script` block: of the first one, where there are several.
pub fn metadata(text: &str) -> Option<String> {
    blocks(text).into_iter().next().map(|block| block.toml)
}

/// Reads a script's `script` block.
pub fn read(path: &Path, text: &str) -> (Option<Pyproject>, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        return (None, vec![Diagnostic::new(Location::file(path), format!("script larger than {MAX_BYTES} bytes"))]);
    }
    let mut blocks = blocks(text).into_iter();
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

#[derive(Debug)]
struct Block {
    /// The content without the comment marks.
    toml: String,
    /// Of the opening line, from 1.
    line: u32,
}

const OPENS: &str = "# /// script";

/// Every `script` block that a tool finds, in their order: `# /// script`, comment lines, `# ///`. The last `# ///` of the
/// run of comment lines closes it, and a run without one holds none.
///
/// As the specification's regular expression has it, a block of another kind takes what opens within its run for its own
/// content. uv looks for the first `# /// script` and for nothing else. What either finds is here.
fn blocks(text: &str) -> Vec<Block> {
    let mut out: Vec<Block> = first_for_uv(text).into_iter().collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let kind = line.strip_prefix("# /// ");
        let Some(kind) = kind.filter(|k| !k.is_empty() && k.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        else {
            continue;
        };
        let Some((toml, length)) = content(lines.iter().skip(at).copied()) else { continue };
        let line = u32::try_from(at).unwrap_or(u32::MAX);
        if kind == "script" && !out.iter().any(|known| known.line == line) {
            out.push(Block { toml, line });
        }
        at += length;
    }
    out.sort_by_key(|block| block.line);
    out
}

/// What follows an opening line: the content without the comment marks, and its lines with the closing one. `None`
/// without an end.
fn content<'t>(lines: impl Iterator<Item = &'t str>) -> Option<(String, usize)> {
    let run: Vec<&str> = lines.take_while(|l| *l == "#" || l.starts_with("# ")).collect();
    let close = run.iter().rposition(|l| *l == "# ///").filter(|close| *close > 0)?;
    let toml = run.iter().take(close).flat_map(|l| [l.get(2..).unwrap_or_default(), "\n"]).collect();
    Some((toml, close + 1))
}

/// The block at the first `# /// script` of the text (uv's `ScriptTag::parse`), which a carriage return may precede too.
fn first_for_uv(text: &str) -> Option<Block> {
    let (before, from) = text.split_at(text.find(OPENS)?);
    if !(before.is_empty() || before.ends_with(['\n', '\r'])) {
        return None;
    }
    let mut lines = from.lines();
    lines.next().filter(|line| *line == OPENS)?;
    let line = u32::try_from(before.lines().count() + usize::from(!before.ends_with('\r'))).unwrap_or(u32::MAX);
    content(lines).map(|(toml, _)| Block { toml, line })
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

    #[test]
    fn a_block_that_only_uv_finds_is_one() {
        const SCRIPT: &str = "# /// script\n# dependencies = [\"a\"]\n# ///\n";
        for (before, line) in [
            ("# /// foo\n# a=1\n# ///\n", 4),
            ("# /// foo\n#\n", 3),
            ("# x\n", 2),
            ("x = 1\r", 1),
            ("x\n\n", 3),
            ("# /// foo\r\n# a=1\r\n# ///\r\n", 4),
        ] {
            let text = format!("{before}{SCRIPT}");
            assert_eq!(metadata(&text).as_deref(), Some("dependencies = [\"a\"]\n"), "{before:?}");
            let (project, diagnostics) = read(Path::new("s.py"), &text);
            assert!(diagnostics.is_empty(), "{before:?}: {diagnostics:?}");
            assert_eq!(project.unwrap().dependencies[0].location.line, line + 1, "{before:?}");
        }
        // Where it finds none, the specification may find one all the same.
        assert!(metadata(&format!("x = '# /// script'\n{SCRIPT}")).is_some());
        assert!(metadata("# /// script\n# ///\n").is_none());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(# /// script\n)?(#[ a-z=\\[\\]\"/\n]{0,20}){0,6}(\n# ///\n)?\\PC{0,20}") {
            let _ = read(Path::new("s.py"), &text);
        }
    }
}
