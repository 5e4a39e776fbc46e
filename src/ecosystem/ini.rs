//! Configuration texts of the `key = value` kind, with places: Python's (pip.conf) and npm's (.npmrc). Total.

use std::collections::BTreeMap;

/// Texts larger than this are cut: 1 MiB.
const MAX: usize = 1 << 20;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `[section]`, lower case for Python; empty before the first.
    pub section: String,
    /// The key as written.
    pub key: String,
    /// The value; several lines are joined by `\n` (Python).
    pub value: String,
    /// From 1.
    pub line: u32,
}

fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.get(..MAX.min(text.len())).unwrap_or_default().lines().zip(1..).map(|(line, n)| (n, line))
}

/// Python's `RawConfigParser`: comments at the start of a line, `=` or `:`, indented lines continue a value.
pub fn python(text: &str) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    let mut section = String::new();
    for (line, raw) in lines(text) {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if raw.starts_with([' ', '\t'])
            && let Some(last) = out.last_mut().filter(|i| i.section == section)
        {
            last.value.push('\n');
            last.value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.split_once(']')).map(|(name, _)| name) {
            section = name.trim().to_ascii_lowercase();
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            out.push(Item { section: section.clone(), key, value, line });
        }
    }
    out
}

/// npm's `ini`: `;` and `#` comments, quoted values, `key[]` lists, a key alone is `true`, `[section]`s (which npm
/// ignores, so what stands in one is given with its section). `${VAR}` is left to the caller.
pub fn npm(text: &str) -> Vec<Item> {
    let mut out = Vec::new();
    let mut section = String::new();
    for (line, raw) in lines(text) {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let (key, value) = trimmed.split_once('=').map_or((trimmed, "true"), |(k, v)| (k.trim(), v.trim()));
        out.push(Item { section: section.clone(), key: unquote(key), value: unquote(value), line });
    }
    out
}

/// Takes quotes off, or cuts an unquoted text at its first comment sign that no backslash escapes.
fn unquote(text: &str) -> String {
    for quote in ['"', '\''] {
        if text.len() >= 2
            && let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote))
        {
            let json = (quote == '"').then(|| serde_json::from_str(text).ok()).flatten();
            return json.unwrap_or_else(|| inner.to_owned());
        }
    }
    let mut out = String::new();
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, ';' | '#') => break,
            (true, '\\' | ';' | '#') | (false, _) => {
                out.push(c);
                escaped = false;
            }
            (true, other) => {
                out.extend(['\\', other]);
                escaped = false;
            }
        }
    }
    if escaped {
        out.push('\\');
    }
    out.trim().to_owned()
}

/// Whether a text is one variable, and perhaps a plain path after it: the variable then names the host itself.
pub fn is_variable_with_path(text: &str) -> bool {
    let rest = text.trim().strip_prefix("${").and_then(|t| t.split_once('}'));
    rest.is_some_and(|(_, rest)| (rest.is_empty() || rest.starts_with('/')) && !rest.contains("${"))
}

/// Replaces `${VAR}` by its value; `${VAR?}` becomes empty when it is not set, `${VAR}` stays as it is (npm), and is
/// reported by name. `${VAR-text}` and `${VAR:-text}` (yarn, pnpm) give the text where it is not set. A backslash
/// before `$` keeps it.
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let Some(end) = after.find('}') else { break };
        let name = &after[..end];
        if let Some(kept) = before.strip_suffix('\\') {
            out.push_str(kept);
            out.push_str(&rest[at..at + 2 + end + 1]);
        } else {
            out.push_str(before);
            let (plain, optional) = name.strip_suffix('?').map_or((name, false), |n| (n, true));
            // `:-` also where the variable is empty; no variable's name has a `-` in it.
            let (plain, default) = match plain.split_once('-') {
                Some((name, default)) => (name.strip_suffix(':').unwrap_or(name), Some((name.ends_with(':'), default))),
                None => (plain, None),
            };
            let value = variables.get(plain).filter(|v| !(v.is_empty() && default.is_some_and(|(empty, _)| empty)));
            match value {
                Some(value) => out.push_str(value),
                None if optional => {}
                None if default.is_some() => out.push_str(default.map_or("", |(_, text)| text)),
                None => {
                    missing.push(plain.to_owned());
                    out.push_str(&rest[at..at + 2 + end + 1]);
                }
            }
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    (out, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_way() {
        let text = "key: 0\n[Global]\n# c\nindex-url = https://a.example/ ; kept\nextra-index-url =\n    https://b.example\n\n    # c\n    https://c.example\n[install]\nno_index = yes";
        let read: Vec<_> = python(text).into_iter().map(|i| (i.section, i.key, i.value, i.line)).collect();
        let want = |s: &str, k: &str, v: &str, l| (s.to_owned(), k.to_owned(), v.to_owned(), l);
        assert_eq!(
            read,
            [
                want("", "key", "0", 1),
                want("global", "index-url", "https://a.example/ ; kept", 4),
                want("global", "extra-index-url", "\nhttps://b.example\nhttps://c.example", 5),
                want("install", "no_index", "yes", 11),
            ]
        );
    }

    #[test]
    fn npms_way() {
        let text = "; c\nregistry = https://r.example/ # c\n//r.example/:_authToken=\"a#b\"\nca[]=x\nflag\n@s:registry='https://s.example'\na=b\\;c\n[x]\ny=1";
        let read: Vec<_> = npm(text).into_iter().map(|i| (i.section, i.key, i.value)).collect();
        let want = |s: &str, k: &str, v: &str| (s.to_owned(), k.to_owned(), v.to_owned());
        assert_eq!(
            read,
            [
                want("", "registry", "https://r.example/"),
                want("", "//r.example/:_authToken", "a#b"),
                want("", "ca[]", "x"),
                want("", "flag", "true"),
                want("", "@s:registry", "https://s.example"),
                want("", "a", "b;c"),
                want("x", "y", "1"),
            ]
        );
    }

    #[test]
    fn variables_are_replaced() {
        let variables = BTreeMap::from([("T".to_owned(), "v".to_owned()), ("E".to_owned(), String::new())]);
        let to = |t: &str| expand(t, &variables);
        assert_eq!(to("a${T}b${T?}").0, "avbv");
        assert_eq!(to("${T-d}${X-d}${X:-e-f}${E-g}${E:-h}${X-}").0, "vde-fh");
        assert_eq!(to("${X?}"), (String::new(), vec![]));
        assert_eq!(to("${X}"), ("${X}".to_owned(), vec!["X".to_owned()]));
        assert_eq!((to("\\${T}").0, to("${T").0), ("${T}".to_owned(), "${T".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(?s)[\\[\\]=:;#\\\\ \"'${}?a-zé\n\t]{0,120}") {
            python(&text);
            npm(&text);
            let _ = expand(&text, &BTreeMap::new());
        }
    }
}
