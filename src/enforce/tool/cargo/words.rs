//! Cargo's command lines, changed: words in, words out.

use std::ffi::{OsStr, OsString};

use crate::enforce::Job;
use crate::invocation::{Flag, Invocation};
use crate::model::Place;

/// `+toolchain`, if that is the first word, and what follows it.
pub(super) fn split(arguments: &[OsString]) -> (Option<&OsString>, &[OsString]) {
    match arguments.split_first() {
        Some((first, rest)) if first.as_encoded_bytes().starts_with(b"+") => (Some(first), rest),
        _ => (None, arguments),
    }
}

/// The words with `more` before the verb.
pub(super) fn led<W: AsRef<OsStr>>(arguments: &[OsString], more: &[W]) -> Vec<OsString> {
    let (toolchain, rest) = split(arguments);
    let more = more.iter().map(|w| w.as_ref().to_owned());
    toolchain.cloned().into_iter().chain(more).chain(rest.iter().cloned()).collect()
}

/// The words with `more` after everything that cargo reads itself: of a setting that is given twice, the last one
/// counts.
pub(super) fn trailed<W: AsRef<OsStr>>(arguments: &[OsString], more: &[W]) -> Vec<OsString> {
    let end = arguments.iter().position(|a| a == "--").unwrap_or(arguments.len());
    let (before, after) = arguments.split_at(end);
    let more = more.iter().map(|w| w.as_ref().to_owned());
    before.iter().cloned().chain(more).chain(after.iter().cloned()).collect()
}

/// The words without these flags, which take no value; not behind `--`.
pub(super) fn without(arguments: &[OsString], flags: &[&str]) -> Vec<OsString> {
    let end = arguments.iter().position(|a| a == "--").unwrap_or(arguments.len());
    let kept = |(at, word): &(usize, &OsString)| *at >= end || !flags.iter().any(|f| *word == f);
    arguments.iter().enumerate().filter(kept).map(|(_, word)| word.clone()).collect()
}

/// The words without a flag that takes a value: `--root DIR`, `--root=DIR`.
pub(super) fn without_value(arguments: &[OsString], flag: &str) -> Vec<OsString> {
    let joined = format!("{flag}=");
    let mut out = Vec::with_capacity(arguments.len());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word.clone());
            out.extend(words.by_ref().cloned());
        } else if word == flag {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(joined.as_bytes()) {
            out.push(word.clone());
        }
    }
    out
}

/// A flag as a word, or two.
fn written(flag: &Flag) -> Vec<OsString> {
    match &flag.value {
        Some(value) if flag.name.starts_with("--") => vec![format!("{}={value}", flag.name).into()],
        Some(value) => vec![flag.name.clone().into(), value.clone().into()],
        None => vec![flag.name.clone().into()],
    }
}

fn given(invocation: &Invocation) -> impl Iterator<Item = &Flag> {
    invocation.flags.iter().filter(|f| f.location.place == Place::Argv && f.name != "+toolchain" && f.name != "-C")
}

/// The job's command under another verb, with its own flags but for `dropped`, and without its operands.
pub(super) fn rebuilt(job: &Job<'_>, verb: &str, more: &[&str], dropped: &[&str]) -> Vec<OsString> {
    let flags = given(job.invocation).filter(|f| !dropped.contains(&f.name.as_str())).flat_map(written);
    let words = std::iter::once(OsString::from(verb)).chain(more.iter().map(OsString::from)).chain(flags);
    split(job.arguments).0.cloned().into_iter().chain(words).collect()
}

/// Flags that say which project and which configuration: what a command in preparation of the job has to have too.
const ABOUT: &[&str] = &["--manifest-path", "--lockfile-path", "--config", "-Z", "--quiet", "--color"];

/// Another command on the same project.
pub(super) fn about(job: &Job<'_>, words: &[&str]) -> Vec<OsString> {
    let flags = given(job.invocation).filter(|f| ABOUT.contains(&f.name.as_str())).flat_map(written);
    let words = words.iter().map(OsString::from).chain(flags);
    split(job.arguments).0.cloned().into_iter().chain(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn words_are_put_where_cargo_reads_them() {
        assert_eq!(led(&words("+nightly run -- --x"), &["--locked"]), words("+nightly --locked run -- --x"));
        assert_eq!(led(&words("b"), &["--locked", "--offline"]), words("--locked --offline b"));
        assert_eq!(trailed(&words("run a -- b"), &["--config", "x"]), words("run a --config x -- b"));
        assert_eq!(trailed(&words("update"), &["--config"]), words("update --config"));
        assert_eq!(without(&words("add x --offline -- --offline"), &["--offline"]), words("add x -- --offline"));
        assert_eq!(
            without_value(&words("install --root a x --root=b --rooted -- --root c"), "--root"),
            words("install x --rooted -- --root c")
        );
        assert_eq!(without_value(&words("install --root"), "--root"), words("install"));
        assert_eq!(split(&[]), (None, &[][..]));
    }
}
