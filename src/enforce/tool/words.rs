//! A command's words, edited by what an invocation says of them: options taken out, values replaced.
//!
//! Indices are those of the invocation's argument vector, the program being word 0.

use std::ffi::OsString;

use crate::invocation::{Flag, Invocation};
use crate::model::{Location, Place};

/// The words after the program's name.
#[derive(Debug, Clone)]
pub struct Words {
    /// By index; `None`: taken out.
    words: Vec<Option<OsString>>,
    added: Vec<OsString>,
}

/// The word of argv that a location is; `None` when it is in a file or a variable.
pub fn index(location: &Location) -> Option<usize> {
    (location.place == Place::Argv).then_some(location.column as usize)
}

impl Words {
    /// Of a job's arguments.
    pub fn new(arguments: &[OsString]) -> Self {
        let words = std::iter::once(None).chain(arguments.iter().cloned().map(Some)).collect();
        Self { words, added: Vec::new() }
    }

    /// A word as the parser of commands saw it: what is no text in it is replaced.
    pub fn shown(&self, index: usize) -> Option<String> {
        Some(self.words.get(index)?.as_ref()?.to_string_lossy().into_owned())
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.words.get(index)?.as_ref()?.to_str()
    }

    /// Puts another word there; `None` takes it out.
    pub fn set(&mut self, index: usize, word: Option<OsString>) {
        if let Some(slot) = self.words.get_mut(index) {
            *slot = word;
        }
    }

    /// Takes a word out.
    pub fn remove(&mut self, index: usize) {
        self.set(index, None);
    }

    /// Takes out the options that `unwanted` names. `short` has the letters of those that stand in clusters
    /// (`-Ui URL`); each of them takes a value, so it ends its cluster.
    pub fn remove_options(&mut self, invocation: &Invocation, unwanted: impl Fn(&Flag) -> bool, short: &[char]) {
        for flag in invocation.flags.iter().filter(|f| unwanted(f)) {
            let Some(at) = index(&flag.location) else { continue };
            let Some(word) = self.text(at).map(str::to_owned) else { continue };
            let (left, value_attached) = if word.starts_with("--") {
                (None, word.contains('='))
            } else {
                let cut = word.char_indices().skip(1).find(|(_, c)| short.contains(c));
                match cut {
                    Some((i, c)) => {
                        let before = word.get(..i).filter(|b| b.len() > 1).map(OsString::from);
                        (before, word.len() > i + c.len_utf8())
                    }
                    None => (None, true),
                }
            };
            self.set(at, left);
            if flag.value.is_some() && !value_attached {
                self.remove(at + 1);
            }
        }
    }

    /// Puts another value where `value` stands: as the word, or at the end of the word (`-rFILE`, `--requirement=FILE`).
    /// False when it does not stand there.
    pub fn replace_value(&mut self, index: usize, value: &str, new: &str) -> bool {
        let Some(word) = self.text(index) else { return false };
        let Some(before) = word.strip_suffix(value) else { return false };
        let replaced = format!("{before}{new}");
        self.set(index, Some(replaced.into()));
        true
    }

    /// The words before this place, as they are now.
    pub fn before(&self, index: usize) -> Vec<OsString> {
        self.words.iter().take(index).skip(1).flatten().cloned().collect()
    }

    /// The words from this place on.
    pub fn from(&self, index: usize) -> Vec<OsString> {
        self.words.iter().skip(index.max(1)).flatten().cloned().collect()
    }

    /// Adds a word at the end.
    pub fn add(&mut self, word: impl Into<OsString>) {
        self.added.push(word.into());
    }

    /// The words after the program's name.
    pub fn finish(self) -> Vec<OsString> {
        self.words.into_iter().skip(1).flatten().chain(self.added).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Environment;

    fn edited(line: &str) -> String {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let environment = Environment {
            variables: Default::default(),
            cwd: "/w".into(),
            home: None,
            now: crate::model::Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let all = crate::invocation::parse(&argv, &environment);
        let arguments: Vec<OsString> = argv.iter().skip(1).map(OsString::from).collect();
        let mut words = Words::new(&arguments);
        let unwanted = ["--index-url", "--find-links", "--no-index", "--trusted-host"];
        if let Some(invocation) = all.first() {
            words.remove_options(invocation, |f| unwanted.contains(&f.name.as_str()), &['i', 'f']);
        }
        words.finish().iter().map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_go_in_every_spelling() {
        for line in [
            "pip install --index-url https://e.example six",
            "pip install --index-url=https://e.example six",
            "pip install --index https://e.example six",
            "pip install -i https://e.example six",
            "pip install -ihttps://e.example six",
            "pip install six -f dir --trusted-host h --no-index",
            "pip install six -i x -i y --pypi-url z",
        ] {
            assert_eq!(edited(line), "install six", "{line}");
        }
        assert_eq!(edited("pip install -Ui https://e.example six"), "install -U six");
        assert_eq!(edited("pip install -Uihttps://e.example six"), "install -U six");
        assert_eq!(edited("python -m pip install -Ui x six"), "-m pip install -U six");
    }

    #[test]
    fn values_are_replaced_where_they_stand() {
        let mut words = Words::new(&["-ra.txt".into(), "--requirement=a.txt".into(), "a.txt".into(), "b".into()]);
        assert!((1..=3).all(|i| words.replace_value(i, "a.txt", "/n")));
        assert!(!words.replace_value(4, "a.txt", "/n") && !words.replace_value(9, "", "/n"));
        assert_eq!(words.finish(), ["-r/n", "--requirement=/n", "/n", "b"]);
    }
}
