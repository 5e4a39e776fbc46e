//! Strangers' text made safe to show: names, versions, reasons and URLs from registries and files go in, one line
//! without anything that a terminal, a CI log or an eye could take for something else comes out.
//! And words made safe to paste.

/// `text` on one line, fit for a terminal and a log, at most `max` characters long (`…` says that it was cut).
///
/// Control characters (so no ANSI sequence and no line break), bidirectional overrides, zero-width and other
/// invisible characters and unusual spaces become `\u{…}`; `\n`, `\r` and `\t` their usual escapes. A workflow
/// command is broken: `::` at the start (GitHub reads it after white space) and `##` anywhere (`##[…]`, `##vso[…]`).
pub fn printable(text: &str, max: usize) -> String {
    // Nearly all text is harmless as it stands.
    let harmless = |b: u8| matches!(b, b' '..=b'~') && b != b'#';
    if text.len() <= max && text.bytes().all(harmless) && !text.trim_start().starts_with(':') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut length = 0;
    let mut at_start = true;
    let mut previous = ' ';
    // Where to cut so that `…` still fits: the bytes written before the last character of room was taken.
    let mut cut = 0;
    for c in text.chars() {
        let mut piece = String::new();
        match c {
            '\n' => piece.push_str("\\n"),
            '\r' => piece.push_str("\\r"),
            '\t' => piece.push_str("\\t"),
            ':' if at_start => piece.push_str("\\u{3a}"),
            '#' if previous == '#' => piece.push_str("\\u{23}"),
            c if is_deceptive(c) => piece.extend(c.escape_unicode()),
            c => piece.push(c),
        }
        at_start = at_start && c.is_whitespace();
        previous = c;
        length += piece.chars().count();
        if length > max {
            out.truncate(cut);
            if max > 0 {
                out.push('…');
            }
            return out;
        }
        out.push_str(&piece);
        if length < max {
            cut = out.len();
        }
    }
    out
}

/// Whether a character is invisible, reorders its neighbours, or passes for a plain space.
/// From Unicode's general categories Cc, Cf, Zl, Zp, Zs and Default_Ignorable_Code_Point, and private use.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c as u32,
            0x00AD | 0x034F | 0x0600..=0x0605 | 0x061C | 0x06DD | 0x070F | 0x0890..=0x0891 | 0x08E2
            | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
            | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
            | 0xE0000..=0x10FFFF)
}

/// JSON with the characters that a terminal obeys or an eye does not see written as escapes: C1 controls, DEL,
/// bidirectional and invisible characters, which serialisers leave as they are. The same document to every reader.
pub fn json_text(json: String) -> String {
    if json.bytes().all(|b| b < 0x7f) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Beyond ASCII JSON has nothing but the inside of strings.
        if c as u32 >= 0x7f && is_deceptive(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// How long before `now` something was: `less than an hour ago`, `5 hours ago`, `3 days ago`. A moment that is still to
/// come counts as now.
pub fn ago(now: super::Timestamp, then: super::Timestamp) -> String {
    let hours = now.as_second().saturating_sub(then.as_second()).max(0) / 3600;
    match hours {
        0 => "less than an hour ago".to_owned(),
        1 => "1 hour ago".to_owned(),
        2..48 => format!("{hours} hours ago"),
        _ => format!("{} days ago", hours / 24),
    }
}

/// Words as one line that a POSIX shell reads back as the same words.
pub fn shell_line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| quote(w)).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%^~".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('~') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{json_text, printable, shell_line};

    #[test]
    fn words_survive_a_shell() {
        let line = |words: &[&str]| shell_line(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["pip", "install", "requests>=2,<3"]), "pip install 'requests>=2,<3'");
        assert_eq!(line(&["npm", "i", "@a/b@^1", ""]), "npm i @a/b@^1 ''");
        assert_eq!(line(&["sh", "-c", "it's"]), "sh -c 'it'\\''s'");
    }

    #[test]
    fn what_a_terminal_or_a_log_would_obey_is_spelt_out() {
        for (text, shown) in [
            ("requests", "requests"),
            ("größe ✓ 名", "größe ✓ 名"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("evil\u{202e}gpj.exe", "evil\\u{202e}gpj.exe"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("a\u{a0}b", "a\\u{a0}b"),
            ("::error::x", "\\u{3a}:error::x"),
            ("  ::set-output", "  \\u{3a}:set-output"),
            ("std::fmt", "std::fmt"),
            ("x ##[group]", "x #\\u{23}[group]"),
            ("x ##vso[task]", "x #\\u{23}vso[task]"),
            ("\u{e0041}", "\\u{e0041}"),
            ("", ""),
        ] {
            assert_eq!(printable(text, 200), shown, "{text:?}");
        }
    }

    #[test]
    fn json_keeps_its_meaning_and_obeys_nobody() {
        let text = "a\u{9b}31m\u{202e}\u{e0041}\u{7f}größe";
        let json = json_text(format!("\"{text}\""));
        assert_eq!(json, "\"a\\u009b31m\\u202e\\udb40\\udc41\\u007fgröße\"");
        assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text));
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abcde…");
        assert_eq!(printable("ab\u{1b}cdef", 6), "ab…");
        assert_eq!(printable("abc", 1), "…");
        assert_eq!(printable("abc", 0), "");
    }

    proptest! {
        #[test]
        fn output_is_one_short_visible_line(text in "\\PC*|(?s).*", max in 0_usize..80) {
            let shown = printable(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(super::is_deceptive));
            prop_assert!(!shown.trim_start().starts_with("::") && !shown.contains("##"));
        }
    }
}
