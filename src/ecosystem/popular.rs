//! Well-known names of each ecosystem, and which of them a name that does not exist was probably meant to be.

use crate::model::{Ecosystem, PackageName};

/// Canonical names, separated by white space.
fn list(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::PyPI => include_str!("popular/pypi.txt"),
        Ecosystem::Npm => include_str!("popular/npm.txt"),
        Ecosystem::CratesIo => include_str!("popular/crates.txt"),
    }
}

/// Further names with many downloads, canonical and sorted; none that is in [`list`].
fn more(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::PyPI => include_str!("popular/pypi-more.txt"),
        Ecosystem::Npm => include_str!("popular/npm-more.txt"),
        Ecosystem::CratesIo => include_str!("popular/crates-more.txt"),
    }
}

/// The few hundred names that everybody knows.
pub fn best_known(ecosystem: Ecosystem) -> impl Iterator<Item = &'static str> {
    list(ecosystem).split_ascii_whitespace()
}

/// Every well-known name, the best known first.
pub fn well_known(ecosystem: Ecosystem) -> impl Iterator<Item = &'static str> {
    best_known(ecosystem).chain(more(ecosystem).split_ascii_whitespace())
}

/// Words that people put around a name, or leave out.
const AFFIXES: &[&str] =
    &["python", "py", "node", "js", "ts", "rs", "rust", "lib", "cli", "api", "sdk", "client", "core", "dev"];

/// Whether a name is one of the well-known ones.
pub fn is_well_known(name: &PackageName) -> bool {
    let name_text = name.canonical();
    is_word_of(more(name.ecosystem()).trim_ascii_end(), name_text)
        || best_known(name.ecosystem()).any(|known| known == name_text)
}

/// Whether a text of sorted names with a space between each holds this one.
fn is_word_of(sorted: &str, name: &str) -> bool {
    let (mut low, mut high) = (0, sorted.len());
    // Halves the text at the beginning of a name. Both ends are always such beginnings, or the end.
    while low < high {
        let middle = low + (high - low) / 2;
        let start = sorted.as_bytes()[low..middle].iter().rposition(|b| *b == b' ').map_or(low, |at| low + at + 1);
        let rest = &sorted.as_bytes()[start..];
        let end = rest.iter().position(|b| *b == b' ').map_or(sorted.len(), |at| start + at);
        match sorted.as_bytes()[start..end].cmp(name.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

/// Up to three well-known names near to `name`, nearest first: the same letters with other separators, an affix more
/// or less, or a spelling at most two edits away (one for names under six letters).
pub fn near(name: &PackageName) -> Vec<String> {
    let wanted = squeeze(name.canonical());
    if wanted.is_empty() || wanted.len() > 64 {
        return Vec::new();
    }
    let allowed = if wanted.chars().count() < 6 { 1 } else { 2 };
    let mut found: Vec<(usize, &str)> = list(name.ecosystem())
        .split_ascii_whitespace()
        .filter(|known| *known != name.canonical())
        .filter_map(|known| {
            let squeezed = squeeze(known);
            let distance = if squeezed == wanted {
                0
            } else if bares(&wanted).any(|b| b == squeezed) || bares(&squeezed).any(|b| b == wanted) {
                1
            } else {
                distance(&wanted, &squeezed, allowed)? + 1
            };
            Some((distance, known))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
}

/// Lower case, letters and digits only.
fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Without one affix at either end, where at least three letters remain.
fn bares(name: &str) -> impl Iterator<Item = &str> {
    AFFIXES
        .iter()
        .flat_map(move |affix| [name.strip_prefix(affix), name.strip_suffix(affix)])
        .flatten()
        .filter(|rest| rest.len() >= 3)
}

/// Optimal string alignment distance in bytes (insert, delete, replace, swap neighbours); `None` past `limit`.
/// Takes the product of the lengths in time: give it short texts.
pub fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = last;
        last = row;
    }
    last.last().copied().filter(|d| *d <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        for (ecosystem, slip, meant) in [
            (Ecosystem::PyPI, "reqeusts", "requests"),
            (Ecosystem::PyPI, "python-requests", "requests"),
            (Ecosystem::PyPI, "scikitlearn", "scikit-learn"),
            (Ecosystem::Npm, "expresss", "express"),
            (Ecosystem::Npm, "loadsh", "lodash"),
            (Ecosystem::CratesIo, "serde-jsn", "serde-json"),
        ] {
            assert_eq!(near(&PackageName::new(ecosystem, slip)).first().map(String::as_str), Some(meant), "{slip}");
        }
        assert!(near(&PackageName::new(Ecosystem::PyPI, "qqqqzzzz")).is_empty());
        assert!(near(&PackageName::new(Ecosystem::Npm, "")).is_empty());
    }

    #[test]
    fn every_name_of_the_lists_is_well_known_and_no_other() {
        for ecosystem in Ecosystem::ALL {
            for name in well_known(ecosystem) {
                assert!(is_well_known(&PackageName::new(ecosystem, name)), "{ecosystem}: {name}");
            }
            for name in ["", "a", "zzzzzz", "0", "requests-x", "-", " "] {
                assert!(!is_word_of(more(ecosystem), name), "{ecosystem}: {name:?}");
            }
        }
    }

    #[test]
    fn the_lists_hold_canonical_names_once() {
        for ecosystem in Ecosystem::ALL {
            let names: Vec<&str> = well_known(ecosystem).collect();
            let mut unique = names.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{ecosystem}: a name stands twice");
            for name in names {
                let read = PackageName::new(ecosystem, name);
                assert!(read.is_well_formed() && read.canonical() == name, "{ecosystem}: {name}");
            }
        }
    }
}
