//! The options of a requirements file's line: splitting them off, a POSIX shell's quoting, Python's optparse.
//!
//! In: a logical line. Out: the requirement's text and [`ParsedOption`]s, or what pip would refuse the line for.

use std::borrow::Cow;

/// How an option is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Holds for the command, with a value.
    Value,
    /// Holds for the command, without a value.
    Flag,
    /// Belongs to the requirement on its line.
    PerRequirement,
    /// `-r`, `-c`, `-e`.
    Include,
    Constraint,
    Editable,
}

/// Every option of a requirements file: long spellings (the first is the canonical one), short form, kind.
const OPTIONS: [(&[&str], Option<char>, Kind); 19] = [
    (&["--index-url", "--pypi-url"], Some('i'), Kind::Value),
    (&["--extra-index-url"], None, Kind::Value),
    (&["--no-index"], None, Kind::Flag),
    (&["--constraint"], Some('c'), Kind::Constraint),
    (&["--requirement"], Some('r'), Kind::Include),
    (&["--editable"], Some('e'), Kind::Editable),
    (&["--find-links"], Some('f'), Kind::Value),
    (&["--no-binary"], None, Kind::Value),
    (&["--only-binary"], None, Kind::Value),
    (&["--prefer-binary"], None, Kind::Flag),
    (&["--require-hashes"], None, Kind::Flag),
    (&["--pre"], None, Kind::Flag),
    (&["--all-releases"], None, Kind::Value),
    (&["--only-final"], None, Kind::Value),
    (&["--trusted-host"], None, Kind::Value),
    (&["--use-feature"], None, Kind::Value),
    (&["--global-option"], None, Kind::PerRequirement),
    (&["--hash"], None, Kind::PerRequirement),
    (&["--config-settings", "--config-setting"], Some('C'), Kind::PerRequirement),
];

/// One option of a line.
#[derive(Debug)]
pub(super) struct ParsedOption {
    /// The canonical long name.
    pub(super) name: &'static str,
    /// How it is treated.
    pub(super) kind: Kind,
    /// Its value; empty for a flag.
    pub(super) value: String,
}

/// pip splits at blanks only: from the first word that begins with `-`, the rest is options.
pub(super) fn split_options(line: &str) -> (&str, &str) {
    if line.starts_with('-') {
        return ("", line);
    }
    line.find(" -").map_or((line, ""), |at| (&line[..at], &line[at + 1..]))
}

/// Words by a POSIX shell's quoting, as Python's shlex has it.
pub(super) fn split_words(text: &str) -> Result<Vec<Cow<'_, str>>, String> {
    const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
    if !text.contains(['\'', '"', '\\']) {
        return Ok(text.split(BLANKS).filter(|w| !w.is_empty()).map(Cow::Borrowed).collect());
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take().map(Cow::Owned)),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("unterminated quotation in the options".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("unterminated quotation in the options".to_owned()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("unterminated quotation in the options".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("a backslash escapes nothing".to_owned()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(Cow::Owned));
    Ok(words)
}

/// Python's optparse: values attached or following, long names cut short where only one fits.
pub(super) fn parse_options(words: &[Cow<'_, str>]) -> Result<Vec<ParsedOption>, String> {
    let mut out = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            break;
        }
        let (name, kind, attached) = if word.starts_with("--") {
            let (name, value) = word.split_once('=').map_or((word.as_ref(), None), |(n, v)| (n, Some(v.to_owned())));
            let (name, kind) = long_option(name)?;
            (name, kind, value)
        } else if let Some(short) = word.strip_prefix('-').and_then(|w| w.chars().next()) {
            let found = OPTIONS.iter().find(|(_, s, _)| *s == Some(short));
            let (names, _, kind) = found.ok_or_else(|| format!("no such option: -{short}"))?;
            let value = &word[1 + short.len_utf8()..];
            (names[0], *kind, (!value.is_empty()).then(|| value.to_owned()))
        } else {
            // optparse collects words that are no options, and pip drops them.
            continue;
        };
        let value = match (kind, attached) {
            (Kind::Flag, None) => String::new(),
            (Kind::Flag, Some(_)) => return Err(format!("{name} takes no value")),
            (_, Some(value)) => value,
            (_, None) => rest.next().map(|w| w.as_ref().to_owned()).ok_or_else(|| format!("{name} needs a value"))?,
        };
        if name == "--config-settings" && !value.contains('=') {
            return Err("--config-settings needs KEY=VALUE".to_owned());
        }
        out.push(ParsedOption { name, kind, value });
    }
    Ok(out)
}

fn long_option(name: &str) -> Result<(&'static str, Kind), String> {
    let exact = OPTIONS.iter().find(|(names, ..)| names.contains(&name));
    if let Some((names, _, kind)) = exact {
        return Ok((names[0], *kind));
    }
    let mut fitting = OPTIONS.iter().filter(|(names, ..)| names.iter().any(|n| n.starts_with(name)));
    match (fitting.next(), fitting.next()) {
        (Some((names, _, kind)), None) if name.len() > 2 => Ok((names[0], *kind)),
        (None, _) => Err(format!("no such option: {}", name.chars().take(40).collect::<String>())),
        _ => Err(format!("ambiguous option: {name}")),
    }
}
