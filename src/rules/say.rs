//! Words that several rules share: packages, versions, URLs and lists as safe, short text.

use crate::model::{Package, PackageId, Source, printable, redact_url};

/// The longest stranger's text in a message.
pub(super) const LONG: usize = 300;
const SHORT: usize = 100;

/// A stranger's name, version or word.
pub(super) fn word(text: &str) -> String {
    printable(text, SHORT)
}

/// A stranger's sentence.
pub(super) fn sentence(text: &str) -> String {
    printable(text.trim(), LONG)
}

/// `litellm 1.82.8`.
pub(super) fn release(id: &PackageId) -> String {
    format!("{} {}", word(id.name.written()), word(&id.version))
}

/// A package of a plan: without a version where none is known.
pub(super) fn package(package: &Package) -> String {
    match package.source {
        Source::Registry { .. } => release(&package.id),
        _ if &*package.id.version == "0" => word(package.id.name.written()),
        _ => release(&package.id),
    }
}

/// A requirement as people would recognise it: manifests of npm and cargo keep the name beside the range.
pub(super) fn requirement(package: &Package) -> String {
    let (name, text) = (package.id.name.written(), package.origin.text.trim());
    let folded = |t: &str| t.to_ascii_lowercase().replace(['_', '.'], "-");
    if folded(text).contains(&folded(name)) || text.contains("://") {
        word(text)
    } else {
        word(&format!("{name} {text}"))
    }
}

/// A URL without what can be a secret; other text as it is.
pub(super) fn url(text: &str) -> String {
    printable(&if text.contains("://") { redact_url(text) } else { text.to_owned() }, LONG)
}

/// `a, b and c`; after `most` of them, `a, b and 7 more`.
pub(super) fn list(items: &[String], most: usize) -> String {
    let hidden = items.len().saturating_sub(most);
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    match (shown.split_last(), hidden) {
        (None, _) => String::new(),
        (Some(_), 1..) => format!("{} and {hidden} more", shown.join(", ")),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
    }
}

/// `1 package`, `2 packages`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// `; its е is U+0435` and so on for the first few letters beyond ASCII: no registry's names have any, and they may look
/// like those that have. Empty for other text, and for URLs.
pub(super) fn foreign_letters(name: &str) -> String {
    if name.is_ascii() || name.contains("://") {
        return String::new();
    }
    let mut seen: Vec<char> = Vec::new();
    for c in name.chars().filter(|c| !c.is_ascii() && !c.is_control()) {
        if !seen.contains(&c) && seen.len() < 3 {
            seen.push(c);
        }
    }
    let shown: Vec<String> = seen
        .into_iter()
        .map(|c| {
            let code = format!("U+{:04X}", u32::from(c));
            if c.is_alphanumeric() { format!("`{c}` in it is {code}") } else { format!("it holds {code}") }
        })
        .collect();
    if shown.is_empty() { String::new() } else { format!("; {}", list(&shown, 3)) }
}

/// Texts capped in number and length, for evidence.
pub(super) fn texts<'t>(items: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    items.into_iter().take(50).map(|t| printable(t, LONG)).collect()
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_read_as_people_write_them() {
        let items = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&items(0), 3), "");
        assert_eq!(list(&items(1), 3), "0");
        assert_eq!(list(&items(3), 3), "0, 1 and 2");
        assert_eq!(list(&items(5), 3), "0, 1, 2 and 2 more");
    }
}
