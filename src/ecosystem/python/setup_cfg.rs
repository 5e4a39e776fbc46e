//! `setup.cfg`: the requirements that setuptools reads as data. `setup.py` is a program: see [`SETUP_PY`].
//!
//! In: a path (for places) and a text. Out: [`SetupCfg`] and what could not be taken as it stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::requirements_txt::Entry;
use crate::model::{Diagnostic, Ecosystem, Location, normalise_name};

/// Why a project with a `setup.py` and no static metadata cannot be read.
pub const SETUP_PY: &str = "what setup.py requires is known only by running it";

/// Largest text that is read, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// Most requirements.
const MAX_ENTRIES: usize = 20_000;

/// What a `setup.cfg` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetupCfg {
    /// `[metadata] name`.
    pub name: Option<String>,
    /// `[metadata] version`; `None` when it is `attr:` or `file:`.
    pub version: Option<String>,
    /// `[options] python_requires`.
    pub requires_python: Option<String>,
    /// `[options] install_requires`.
    pub dependencies: Vec<Entry>,
    /// `[options] setup_requires`: installed before `setup.py` runs.
    pub build_requires: Vec<Entry>,
    /// `[options.extras_require]`, by canonical name.
    pub optional_dependencies: BTreeMap<String, Vec<Entry>>,
    /// `file:` of `install_requires`: requirements files that setuptools reads.
    pub dynamic_files: Vec<PathBuf>,
}

/// Reads a `setup.cfg`.
pub fn read(path: &Path, text: &str) -> (SetupCfg, Vec<Diagnostic>) {
    let mut out = SetupCfg::default();
    if text.len() > MAX_BYTES {
        return (out, vec![Diagnostic::new(Location::file(path), format!("larger than {MAX_BYTES} bytes"))]);
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let mut diagnostics = Vec::new();
    for option in options(text) {
        let mut entries = || {
            let mut entries = Vec::new();
            for (line, column, text) in option.values.iter().take(MAX_ENTRIES) {
                let location = Location::at(path, *line, *column);
                match Entry::parse(text, base, location.clone()) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => diagnostics.push(Diagnostic::new(location, format!("invalid requirement: {error}"))),
                }
            }
            entries
        };
        let first = option.values.first().map(|(_, _, text)| (*text).to_owned());
        match (option.section, option.key.as_str()) {
            ("metadata", "name") => out.name = first,
            ("metadata", "version") => {
                out.version = first.filter(|v| !v.starts_with("attr:") && !v.starts_with("file:"))
            }
            ("options", "python_requires") => out.requires_python = first,
            ("options", "install_requires") => match first.as_deref().and_then(|f| f.strip_prefix("file:")) {
                Some(files) => out.dynamic_files = files.split(',').map(|f| base.join(f.trim())).collect(),
                None => out.dependencies = entries(),
            },
            ("options", "setup_requires") => out.build_requires = entries(),
            ("options.extras_require", extra) => {
                let entries = entries();
                out.optional_dependencies.insert(normalise_name(Ecosystem::PyPI, extra), entries);
            }
            _ => {}
        }
    }
    (out, diagnostics)
}

struct ConfigOption<'t> {
    section: &'t str,
    /// Lower case, `-` as `_`.
    key: String,
    /// Line, column and text of every line of the value that is not empty.
    values: Vec<(u32, u32, &'t str)>,
}

/// Python's configparser: sections, `key = value` or `key: value`, indented lines continue, `#` and `;` begin comments.
/// setuptools lets `;` separate requirements on one line only where there is no line break; a marker has one too,
/// so a line is one requirement here.
fn options(text: &str) -> Vec<ConfigOption<'_>> {
    let mut out: Vec<ConfigOption<'_>> = Vec::new();
    let mut section = "";
    let mut open = false;
    for (number, line) in (1u32..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let column = |part: &str| {
            let at = line.find(part).unwrap_or(0);
            u32::try_from(line.get(..at).map_or(0, |l| l.chars().count()) + 1).unwrap_or(u32::MAX)
        };
        if line.starts_with([' ', '\t']) && open {
            if let Some(option) = out.last_mut() {
                option.values.push((number, column(trimmed), trimmed));
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|l| l.split(']').next()) {
            section = name.trim();
            open = false;
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            open = false;
            continue;
        };
        let value = value.trim();
        let values = if value.is_empty() { Vec::new() } else { vec![(number, column(value), value)] };
        out.push(ConfigOption { section, key: key.trim().to_ascii_lowercase().replace('-', "_"), values });
        open = true;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requirements_and_extras() {
        let text = "[metadata]\nname = x\nversion = attr: x.V\n[options]\ninstall_requires =\n    a>=1\n    # c\n    b; python_version<'3'\n\
                    python_requires = >=3.8\n[options.extras_require]\nDev_Tools =\n    c\n";
        let (cfg, diagnostics) = read(Path::new("setup.cfg"), text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let shown: Vec<String> = cfg.dependencies.iter().map(|e| format!("{} {}", e.text, e.location)).collect();
        assert_eq!(shown, ["a>=1 setup.cfg:6:5", "b; python_version<'3' setup.cfg:8:5"]);
        assert_eq!((cfg.version, cfg.requires_python.as_deref()), (None, Some(">=3.8")));
        assert!(cfg.optional_dependencies.contains_key("dev-tools"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]a-z_=:;# \n\t<>.0-9\\PC]{0,120}") {
            let _ = read(Path::new("setup.cfg"), &text);
        }
    }
}
