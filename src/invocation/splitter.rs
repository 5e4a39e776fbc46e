//! A small, conservative splitter of POSIX shell text: lists and pipelines of simple commands, and no more.
//!
//! In: a script. Out: its simple commands as words, and where and why it stopped when the text is more than that
//! (expansion of commands, groups, control flow, here-documents). Linear in the text, which is capped in size.

use super::engine::Word;

/// Scripts longer than this are not split.
const MAX_SCRIPT: usize = 64 * 1024;

/// One simple command of a script.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub words: Vec<Word>,
    /// It is part of a pipeline or runs in the background, so that `cd` in it changes nothing outside.
    pub apart: bool,
}

/// Splits a script into simple commands. The second value is why and where the splitter stopped: the text from the
/// command it did not understand to the end.
pub(super) fn split(text: &str, index: usize) -> (Vec<Command>, Option<(&'static str, &str)>) {
    if text.len() > MAX_SCRIPT {
        return (Vec::new(), Some(("the script is too long to read", text)));
    }
    let mut splitter = Splitter { text, at: 0, index, started: 0, commands: Vec::new(), command: Command::default() };
    let stopped = splitter.run();
    let started = splitter.started;
    (splitter.commands, stopped.err().map(|reason| (reason, text.get(started..).unwrap_or_default().trim_start())))
}

struct Splitter<'t> {
    text: &'t str,
    at: usize,
    index: usize,
    /// Where the command being read starts.
    started: usize,
    commands: Vec<Command>,
    command: Command,
}

type Stop = Result<(), &'static str>;

impl Splitter<'_> {
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn end(&mut self, apart: bool) {
        let mut command = std::mem::take(&mut self.command);
        command.apart |= apart;
        if !command.words.is_empty() {
            self.commands.push(command);
        }
        // The right side of a pipe is apart as well.
        self.command.apart = apart;
        self.started = self.at;
    }

    fn run(&mut self) -> Stop {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => {
                    self.next();
                }
                '\n' | ';' => {
                    self.next();
                    if c == ';' && self.peek() == Some(';') {
                        return Err("a `case` in the script");
                    }
                    self.end(false);
                }
                '&' => {
                    if self.eat("&&") {
                        self.end(false);
                    } else if self.eat("&>>") || self.eat("&>") {
                        self.target()?;
                    } else {
                        self.next();
                        self.end(true);
                        self.command.apart = false;
                    }
                }
                '|' => {
                    if self.eat("||") {
                        self.end(false);
                    } else {
                        self.next();
                        self.eat("&");
                        self.end(true);
                    }
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                '(' | ')' => return Err("a group, subshell or function in the script"),
                '<' | '>' => self.redirection()?,
                _ => self.word(false)?,
            }
        }
        self.end(false);
        Ok(())
    }

    /// `>file`, `2>&1`, `<file`.
    fn redirection(&mut self) -> Stop {
        if self.rest().starts_with("<<") || self.rest().starts_with("<(") || self.rest().starts_with(">(") {
            return Err("a here-document or process substitution in the script");
        }
        for operator in [">>", ">&", ">|", "<&", "<>", ">", "<"] {
            if self.eat(operator) {
                break;
            }
        }
        self.target()
    }

    /// The word after a redirection, which is no word of the command.
    fn target(&mut self) -> Stop {
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.next();
        }
        let before = self.command.words.len();
        if self.peek().is_some_and(|c| !"\n;&|<>()".contains(c)) {
            self.word(true)?;
        }
        self.command.words.truncate(before);
        Ok(())
    }

    /// A word; in a redirection's target a number is no file descriptor.
    fn word(&mut self, target: bool) -> Stop {
        let mut text = String::new();
        let (mut expands, mut quoted) = (false, false);
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' => break,
                '(' | ')' => return Err("a group, subshell or function in the script"),
                '<' | '>' => {
                    // A number directly before it names the file descriptor.
                    if !target && !quoted && !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
                        text.clear();
                        self.redirection()?;
                        return Ok(());
                    }
                    break;
                }
                '\'' => {
                    quoted = true;
                    self.next();
                    loop {
                        match self.next() {
                            Some('\'') => break,
                            Some(c) => text.push(c),
                            None => return Err("a quote without its end"),
                        }
                    }
                }
                '"' => {
                    quoted = true;
                    self.next();
                    expands |= self.double_quoted(&mut text)?;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(c) => {
                            quoted = true;
                            text.push(c);
                        }
                        None => text.push('\\'),
                    }
                }
                '$' if self.rest().starts_with("$'") => {
                    quoted = true;
                    self.ansi_quoted(&mut text)?;
                }
                // A string to translate: its own text where there is no translation.
                '$' if self.rest().starts_with("$\"") => {
                    self.next();
                }
                '$' | '`' => {
                    expands |= self.dollar(&mut text)?;
                }
                '*' | '?' => {
                    expands = true;
                    self.next();
                    text.push(c);
                }
                _ => {
                    self.next();
                    text.push(c);
                }
            }
        }
        // Braces with a list in them make several words.
        if !quoted && text.contains('{') && text.contains('}') && (text.contains(',') || text.contains("..")) {
            expands = true;
        }
        if text.is_empty() && !quoted && !expands {
            return Ok(());
        }
        let reserved = [
            "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "function",
            "select", "{", "}", "[[", "coproc",
        ];
        if self.command.words.is_empty() && !quoted && reserved.contains(&text.as_str()) {
            return Err("control flow in the script");
        }
        self.command.words.push(Word { text, index: self.index, expands });
        Ok(())
    }

    /// `$'…'` with C's escapes (bash, ksh, zsh).
    fn ansi_quoted(&mut self, text: &mut String) -> Stop {
        self.eat("$'");
        loop {
            match self.next() {
                None => return Err("a quote without its end"),
                Some('\'') => return Ok(()),
                Some('\\') => {}
                Some(c) => {
                    text.push(c);
                    continue;
                }
            }
            let Some(c) = self.next() else { return Err("a quote without its end") };
            let code = match c {
                'x' => self.digits(16, 2),
                'u' => self.digits(16, 4),
                'U' => self.digits(16, 8),
                '0'..='7' => {
                    self.at -= 1;
                    self.digits(8, 3)
                }
                'c' => return Err("a control character in the script"),
                _ => {
                    text.push(match c {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'e' | 'E' => '\u{1b}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        other => other,
                    });
                    continue;
                }
            };
            match code.and_then(char::from_u32) {
                Some(c) if c != '\0' => text.push(c),
                _ => return Err("an escape in the script that is no character"),
            }
        }
    }

    /// Up to so many digits of a number.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let digits: String = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).collect();
        self.at += digits.len();
        u32::from_str_radix(&digits, radix).ok()
    }

    /// The inside of `"…"`; whether something in it expands.
    fn double_quoted(&mut self, text: &mut String) -> Result<bool, &'static str> {
        let mut expands = false;
        loop {
            match self.peek() {
                None => return Err("a quote without its end"),
                Some('"') => {
                    self.next();
                    return Ok(expands);
                }
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => text.push(c),
                        Some(c) => {
                            text.push('\\');
                            text.push(c);
                        }
                        None => return Err("a quote without its end"),
                    }
                }
                Some('$' | '`') => expands |= self.dollar(text)?,
                Some(c) => {
                    self.next();
                    text.push(c);
                }
            }
        }
    }

    /// `$name`, `${name}`, `${name:-x}`; anything that runs a command is beyond this splitter.
    fn dollar(&mut self, text: &mut String) -> Result<bool, &'static str> {
        if self.eat("`")
            || self.rest().starts_with("$(")
            || self.rest().starts_with("$'")
            || self.rest().starts_with("$[")
        {
            return Err("a command substitution in the script");
        }
        self.next();
        text.push('$');
        match self.peek() {
            Some('{') => {
                for _ in 0..self.rest().len() {
                    match self.next() {
                        Some('}') => {
                            text.push('}');
                            return Ok(true);
                        }
                        Some('$' | '`' | '"' | '\'' | '\\') | None => return Err("a nested expansion in the script"),
                        Some(c) => text.push(c),
                    }
                }
                Err("an expansion without its end")
            }
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => {
                while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    self.next();
                    text.push(c);
                }
                Ok(true)
            }
            Some(c) if "@*#?$!-".contains(c) => {
                self.next();
                text.push(c);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(text: &str) -> String {
        let (commands, beyond) = split(text, 0);
        let mut out: Vec<String> = commands
            .iter()
            .map(|c| {
                c.words
                    .iter()
                    .map(|w| format!("{}{}", w.text, if w.expands { "†" } else { "" }))
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect();
        if let Some((reason, rest)) = beyond {
            out.push(format!("! {reason}: {rest}"));
        }
        out.join(" ; ")
    }

    #[test]
    fn scripts_are_split_into_simple_commands() {
        for (text, expected) in [
            ("a b && c", "a|b ; c"),
            ("a 'b c' \"d \\\" e\" f\\ g", "a|b c|d \" e|f g"),
            ("a 2>&1 >/dev/null <in | b", "a ; b"),
            ("a; b & c\nd # e && f", "a ; b ; c ; d"),
            ("a $X \"${Y:-z}\" *.whl", "a|$X†|${Y:-z}†|*.whl†"),
            ("a x[y] ~/b \\\n c", "a|x[y]|~/b|c"),
            ("a && b $(c)", "a ; ! a command substitution in the script: b $(c)"),
            ("if a; then b; fi", "! control flow in the script: if a; then b; fi"),
            ("a 'b", "! a quote without its end: a 'b"),
            ("cat <<E\nE", "! a here-document or process substitution in the script: cat <<E\nE"),
            ("'' a", "|a"),
            ("", ""),
        ] {
            assert_eq!(commands(text).trim(), expected.trim(), "{text}");
        }
    }
}
