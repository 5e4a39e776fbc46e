//! What commands print, when that is certain: echo, printf. And the escapes of `$'…'`.

/// `$'…'` and `echo -e`: C's escapes, and bash's `\e`, `\xHH`, `\uHHHH`, `\UHHHHHHHH`, `\cX`, `\NNN`. What is no
/// character is left as it stands.
pub(super) fn ansi_c(text: &str) -> String {
    // Bytes are gathered first, for `\xc3\xa9` is one character.
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(rest.get(..at).unwrap_or_default().as_bytes());
        rest = rest.get(at + 1..).unwrap_or_default();
        let Some(c) = rest.chars().next() else {
            out.push(b'\\');
            break;
        };
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let digits = |radix: u32, from: &str, most: usize| {
            from.chars().take(most).take_while(|c| c.is_digit(radix)).map(char::len_utf8).sum::<usize>()
        };
        let mut used = c.len_utf8();
        match c {
            'a' => out.push(7),
            'b' => out.push(8),
            'e' | 'E' => out.push(27),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '\'' | '"' | '?' => out.push(c as u8),
            'x' | 'u' | 'U' => {
                let most = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let n = digits(16, after, most);
                let value = u32::from_str_radix(after.get(..n).unwrap_or_default(), 16).ok();
                match (c, value) {
                    ('x', Some(value)) => out.push(u8::try_from(value).unwrap_or(b'?')),
                    (_, Some(value)) => {
                        let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    (_, None) => out.extend_from_slice(&[b'\\', c as u8]),
                }
                used += n;
            }
            'c' => {
                let control = after.chars().next();
                used += control.map_or(0, char::len_utf8);
                out.extend(control.and_then(|c| u8::try_from(c).ok()).map(|c| c & 31));
            }
            '0'..='7' => {
                let n = digits(8, rest, if c == '0' { 4 } else { 3 });
                let value = u32::from_str_radix(rest.get(..n).unwrap_or_default(), 8).unwrap_or(0);
                out.push((value & 255) as u8);
                used = n;
            }
            _ => {
                out.push(b'\\');
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    if !rest.starts_with('\\') {
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// What `echo` prints. `None` where shells differ about backslashes.
pub(super) fn echo(arguments: &[&str]) -> Option<String> {
    let mut rest = arguments;
    let (mut line_end, mut escapes) = (true, false);
    while let Some((first, after)) = rest.split_first() {
        let letters = first.strip_prefix('-').filter(|l| !l.is_empty() && l.chars().all(|c| "neE".contains(c)));
        let Some(letters) = letters else { break };
        line_end &= !letters.contains('n');
        escapes |= letters.contains('e');
        rest = after;
    }
    let mut text = rest.join(" ");
    if text.contains('\\') {
        if !escapes {
            return None;
        }
        text = ansi_c(&text);
    }
    if line_end {
        text.push('\n');
    }
    Some(text)
}

/// What `printf` prints, for formats of `%s`, `%d`, `%b`, `%%` and escapes.
pub(super) fn printf(arguments: &[&str]) -> Option<String> {
    const LONGEST: usize = 64 * 1024;
    let arguments = if arguments.first() == Some(&"--") { arguments.get(1..)? } else { arguments };
    let (format, arguments) = arguments.split_first()?;
    if format.starts_with('-') {
        return None;
    }
    let format = ansi_c(format);
    let mut arguments = arguments.iter();
    let mut out = String::new();
    loop {
        let mut pieces = format.split('%');
        out.push_str(pieces.next().unwrap_or_default());
        let mut takes = false;
        while let Some(piece) = pieces.next() {
            let Some(letter) = piece.chars().next() else {
                // `%%` leaves an empty piece before the text after it.
                out.push('%');
                out.push_str(pieces.next()?);
                continue;
            };
            let argument = arguments.next().copied().unwrap_or_default();
            takes = true;
            match letter {
                's' => out.push_str(argument),
                'b' => out.push_str(&ansi_c(argument)),
                'd' | 'i' | 'u' if argument.chars().all(|c| c.is_ascii_digit()) => out.push_str(argument),
                _ => return None,
            }
            out.push_str(piece.get(1..)?);
        }
        if out.len() > LONGEST {
            return None;
        }
        if !takes || arguments.len() == 0 {
            return Some(out);
        }
    }
}
