//! `[tool.poetry]`: Poetry's own dependency tables and its version constraints, as PEP 508 and PEP 440.
//!
//! In: TOML tables. Out: [`Entry`]s in the order of the text. A constraint that PEP 440 cannot say (a union of ranges
//! with gaps) becomes the range around it, and a diagnostic.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::direct::Direct;
use super::requirement::{Marker, Requirement};
use super::requirements_txt::{Entry, Target};
use super::version::{Operator, Specifiers, Version, parse_version, specifiers};
use crate::ecosystem::document::{Node, Reader, members};
use crate::model::{Ecosystem, PackageName};

/// Longest constraint that is read, in bytes.
const MAX_CONSTRAINT: usize = 2048;
/// Most alternatives of one dependency.
const MAX_ALTERNATIVES: usize = 64;

/// What a table of dependencies says.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    /// Those that are always installed.
    pub(super) required: Vec<Entry>,
    /// `optional = true`, by canonical name: installed through an extra that lists them.
    pub(super) optional: BTreeMap<String, Vec<Entry>>,
    /// The `python` key, as a specifier set.
    pub(super) python: Option<String>,
}

/// Reads a table of dependencies. Paths are relative to `base`.
pub(super) fn dependencies(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path) -> Dependencies {
    let mut out = Dependencies::default();
    for (name, offset, node) in members(table) {
        if name.eq_ignore_ascii_case("python") {
            let text = node.get_ref().as_str().map(str::to_owned);
            out.python = text.and_then(|t| convert(r, &t, offset)).map(|s| s.to_string()).filter(|s| !s.is_empty());
            continue;
        }
        let alternatives: Vec<&Node<'_>> = match node.get_ref().as_array() {
            Some(several) => several.iter().take(MAX_ALTERNATIVES).collect(),
            None => vec![node],
        };
        for node in alternatives {
            let optional = node.get_ref().as_table().is_some_and(|t| r.flag_of(t, "optional"));
            let Some(entry) = dependency(r, name, offset, node, base) else { continue };
            if optional {
                out.optional
                    .entry(PackageName::new(Ecosystem::PyPI, name).canonical().to_owned())
                    .or_default()
                    .push(entry);
            } else {
                out.required.push(entry);
            }
        }
    }
    out
}

/// One dependency: a constraint, or a table.
fn dependency(r: &mut Reader<'_>, name: &str, offset: usize, node: &Node<'_>, base: &Path) -> Option<Entry> {
    let location = r.at(offset);
    let name = PackageName::new(Ecosystem::PyPI, name);
    if !name.is_well_formed() {
        r.complain(offset, "not the name of a project");
        return None;
    }
    let named = |extras, specifiers| Requirement { name: name.clone(), extras, specifiers, url: None, marker: None };
    if let Some(constraint) = node.get_ref().as_str() {
        let specifiers = convert(r, constraint, node.span().start)?;
        return Some(Entry::new(
            &format!("{} = \"{constraint}\"", name.written()),
            Target::Named(named(Vec::new(), specifiers)),
            location,
        ));
    }
    let table = r.table(node, "dependency")?;
    let extras = r.strings_of(table, "extras");
    let written = r.string_of(table, "version");
    let (target, text) = match direct(r, table, base) {
        Some(mut direct) => {
            direct.name = Some(name.clone());
            direct.extras = extras;
            let text = format!("{} = {{ {} }}", name.written(), direct.source.url());
            (Target::Direct(direct), text)
        }
        None => {
            let constraint = written.unwrap_or_default();
            let specifiers = convert(r, &constraint, node.span().start)?;
            (Target::Named(named(extras, specifiers)), format!("{} = \"{constraint}\"", name.written()))
        }
    };
    let mut entry = Entry::new(&text, target, location);
    entry.editable = r.flag_of(table, "develop");
    entry.index = r.string_of(table, "source");
    for condition in conditions(r, table, offset) {
        entry.restrict(&condition);
    }
    Some(entry)
}

/// `git`, `url`, `file` or `path`.
pub(super) fn direct(r: &mut Reader<'_>, table: &DeTable<'_>, base: &Path) -> Option<Direct> {
    if let Some(url) = r.string_of(table, "git") {
        let reference = ["rev", "ref", "tag", "branch"].iter().find_map(|key| r.string_of(table, key));
        let mut direct = Direct::from_url(&git_link(&url, reference.as_deref()), base);
        direct.subdirectory = r.string_of(table, "subdirectory").or(direct.subdirectory);
        return Some(direct);
    }
    if let Some(url) = r.string_of(table, "url") {
        let mut direct = Direct::from_url(&url, base);
        direct.subdirectory = r.string_of(table, "subdirectory").or(direct.subdirectory);
        return Some(direct);
    }
    let path = r.string_of(table, "path").or_else(|| r.string_of(table, "file"))?;
    Some(if path.contains("://") { Direct::from_url(&path, base) } else { Direct::from_path(&path, base) })
}

/// A repository's URL in any form that git takes, with a reference, as a `git+` link.
pub(super) fn git_link(url: &str, reference: Option<&str>) -> String {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let url = match (url.contains("://"), url.split_once(':')) {
        // git's own short form, `git@host:path`.
        (false, Some((host, path))) if host.contains('@') => format!("ssh://{host}/{path}"),
        _ => url.to_owned(),
    };
    match reference {
        Some(reference) => format!("git+{url}@{reference}"),
        None => format!("git+{url}"),
    }
}

/// `markers`, `python` and `platform` as markers.
fn conditions(r: &mut Reader<'_>, table: &DeTable<'_>, offset: usize) -> Vec<Marker> {
    let mut texts: Vec<String> = r.string_of(table, "markers").into_iter().collect();
    texts.extend(r.string_of(table, "platform").map(|p| format!("sys_platform == '{}'", p.replace('\'', ""))));
    if let Some(range) = r.string_of(table, "python").and_then(|t| convert(r, &t, offset)) {
        for s in range.iter() {
            let short = s.version().is_some_and(|v| v.release().len() <= 2) || s.is_prefix();
            let variable = if short { "python_version" } else { "python_full_version" };
            texts.push(format!("{variable} {} '{}'", s.operator().text(), s.version_text()));
        }
    }
    let mut out = Vec::new();
    for text in texts {
        match Marker::parse(&text) {
            Ok(marker) => out.push(marker),
            Err(error) => r.complain(offset, format!("unreadable marker: {error}")),
        }
    }
    out
}

/// Reads a constraint, and says what could not be said in PEP 440. `None` when it cannot be read.
pub(super) fn convert(r: &mut Reader<'_>, text: &str, offset: usize) -> Option<Specifiers> {
    match constraint(text) {
        Ok((specifiers, exact)) => {
            if !exact {
                r.complain(offset, "a union of ranges with gaps is read as the whole range around them");
            }
            Some(specifiers)
        }
        Err(error) => {
            r.complain(offset, error);
            None
        }
    }
}

/// A Poetry constraint as a PEP 440 specifier set, and whether it says exactly the same.
pub fn constraint(text: &str) -> Result<(Specifiers, bool), String> {
    if text.len() > MAX_CONSTRAINT {
        return Err(format!("constraint longer than {MAX_CONSTRAINT} bytes"));
    }
    let alternatives: Vec<&str> = text.split('|').map(str::trim).filter(|t| !t.is_empty()).collect();
    let read = |t: &&str| specifiers(&clauses(t)?.join(",")).map_err(|e| format!("unreadable constraint: {e}"));
    match alternatives.as_slice() {
        [] => Ok((Specifiers::default(), true)),
        [one] => Ok((read(one)?, true)),
        several => {
            let sets = several.iter().take(MAX_ALTERNATIVES).map(read).collect::<Result<Vec<_>, String>>()?;
            Ok(hull(&sets))
        }
    }
}

/// Clauses of one alternative, joined by commas or blanks.
fn clauses(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    // `>= 1.0` is one clause, `>=1.0 <2` are two: an operator without a version takes the next word.
    let mut pending = String::new();
    for word in text.split([',', ' ', '\t']).filter(|w| !w.is_empty()) {
        pending.push_str(word);
        if pending.ends_with(['=', '<', '>', '~', '^', '!']) {
            continue;
        }
        out.push(clause(&std::mem::take(&mut pending))?);
    }
    if !pending.is_empty() {
        return Err(format!("a constraint without a version: {}", pending.chars().take(20).collect::<String>()));
    }
    Ok(out.into_iter().filter(|c| !c.is_empty()).collect())
}

fn clause(text: &str) -> Result<String, String> {
    let bad = || format!("unreadable constraint: {}", text.chars().take(40).collect::<String>());
    if matches!(text, "*" | "x" | "X") {
        return Ok(String::new());
    }
    if let Some(rest) = text.strip_prefix('^') {
        let version = parse_version(rest).ok_or_else(bad)?;
        let significant = version.release().iter().position(|n| *n > 0).unwrap_or(version.release().len() - 1);
        return Ok(format!(">={version},<{}", bumped(&version, significant)));
    }
    if let Some(rest) = text.strip_prefix('~').filter(|r| !r.starts_with('=')) {
        let version = parse_version(rest).ok_or_else(bad)?;
        return Ok(format!(">={version},<{}", bumped(&version, usize::from(version.release().len() > 1))));
    }
    if Operator::at_start(text).is_some() {
        return Ok(text.to_owned());
    }
    let version = text.strip_prefix('=').unwrap_or(text);
    // A bare version means that version; `1.*`, `1.x` a prefix.
    let version = version.strip_suffix(".x").map_or_else(|| version.to_owned(), |stem| format!("{stem}.*"));
    specifiers(&format!("=={version}")).map_err(|_| bad())?;
    Ok(format!("=={version}"))
}

/// The release with the number at `at` one higher and what follows dropped.
fn bumped(version: &Version, at: usize) -> String {
    let mut release: Vec<u64> = version.release().iter().take(at + 1).copied().collect();
    if let Some(last) = release.last_mut() {
        *last = last.saturating_add(1);
    }
    let epoch = if version.epoch() > 0 { format!("{}!", version.epoch()) } else { String::new() };
    let text: Vec<String> = release.iter().map(u64::to_string).collect();
    format!("{epoch}{}", text.join("."))
}

type Bound = Option<(Version, bool)>;

/// The lowest and highest version that a set admits, and whether each is itself admitted.
fn bounds(set: &Specifiers) -> (Bound, Bound) {
    let (mut low, mut high): (Bound, Bound) = (None, None);
    for s in set.iter() {
        let Some(version) = s.version() else { continue };
        match s.operator() {
            Operator::GreaterEqual => low = Some((version.clone(), true)),
            Operator::Greater => low = Some((version.clone(), false)),
            Operator::LessEqual => high = Some((version.clone(), true)),
            Operator::Less => high = Some((version.clone(), false)),
            Operator::Equal if s.is_prefix() => {
                low = Some((version.clone(), true));
                high = parse_version(&bumped(version, version.release().len() - 1)).map(|v| (v, false));
            }
            Operator::Compatible => {
                low = Some((version.clone(), true));
                high = parse_version(&bumped(version, version.release().len().saturating_sub(2))).map(|v| (v, false));
            }
            Operator::Equal | Operator::Arbitrary => {
                low = Some((version.clone(), true));
                high = Some((version.clone(), true));
            }
            Operator::NotEqual => {}
        }
    }
    (low, high)
}

/// One range around several, and whether it has no gap.
fn hull(sets: &[Specifiers]) -> (Specifiers, bool) {
    let mut ranges: Vec<(Bound, Bound)> = sets.iter().map(bounds).collect();
    ranges.sort_by(|a, b| a.0.as_ref().map(|l| &l.0).cmp(&b.0.as_ref().map(|l| &l.0)));
    let mut exact = !sets.iter().any(|s| s.iter().any(|c| c.operator() == Operator::NotEqual));
    let mut ranges = ranges.into_iter();
    let Some((low, mut high)) = ranges.next() else { return (Specifiers::default(), true) };
    for (next_low, next_high) in ranges {
        let touches = match (&high, &next_low) {
            (Some((high, included)), Some((low, admitted))) => low < high || (low == high && (*included || *admitted)),
            _ => true,
        };
        exact &= touches;
        let further = match (&high, &next_high) {
            (_, None) => true,
            (None, _) => false,
            (Some((a, _)), Some((b, _))) => b > a,
        };
        if further {
            high = next_high;
        }
    }
    let mut text = Vec::new();
    text.extend(low.map(|(v, included)| format!("{}{v}", if included { ">=" } else { ">" })));
    text.extend(high.map(|(v, included)| format!("{}{v}", if included { "<=" } else { "<" })));
    (specifiers(&text.join(",")).unwrap_or_default(), exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn constraints_of_the_manual() {
        for (given, expected) in [
            ("^1.2.3", ">=1.2.3,<2"),
            ("^0.2.3", ">=0.2.3,<0.3"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0.0", ">=0.0,<0.1"),
            ("^0", ">=0,<1"),
            ("~1.2.3", ">=1.2.3,<1.3"),
            ("~1", ">=1,<2"),
            ("*", ""),
            ("1.*", "==1.*"),
            ("1.2.3", "==1.2.3"),
            (">= 1.2, < 1.5", ">=1.2,<1.5"),
            (">=1.2 <1.5", ">=1.2,<1.5"),
            ("~=1.2", "~=1.2"),
            ("^1 || ^2", ">=1,<3"),
        ] {
            assert_eq!(
                constraint(given).map(|(s, exact)| (s.to_string(), exact)),
                Ok((expected.to_owned(), true)),
                "{given}"
            );
        }
        assert_eq!(constraint("^1 || ^3").map(|(s, exact)| (s.to_string(), exact)), Ok((">=1,<4".to_owned(), false)));
        assert!(constraint("latest").is_err() && constraint(">=").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-^~=<>!*|., 0-9a-z+]{0,40}") {
            let _ = constraint(&text);
        }
    }
}
