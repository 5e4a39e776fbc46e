//! Files that are run: shell scripts by name, by path and by their first line, and programs of other languages as far
//! as they start a package tool in so many words.

use super::{Content, Entered, Origin, TOO_DEEP, doubt, text};
use crate::invocation::engine::{Word, shown};
use crate::invocation::reading::{Context, program_name};
use crate::invocation::{Invocation, code};

/// Who reads the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::invocation) enum By {
    /// A shell that was given its name.
    Shell,
    /// The system, by its first line.
    Path,
    /// An interpreter of another language.
    Other,
}

/// A file of the disk that a command runs with these arguments.
pub(in crate::invocation) fn file(
    context: &Context<'_>,
    file: &Word,
    rest: &[Word],
    by: By,
    out: &mut Vec<Invocation>,
) {
    let Some(follow) = context.follow else { return };
    let directory = context.directory.as_deref();
    if file.expands || (context.lost && !file.text.starts_with(['/', '~'])) {
        return;
    }
    let path = follow.path(directory, &file.text);
    let origin = Origin::whole(follow.display(&path));
    let found = match follow.read(&path) {
        Content::Text(text) => text,
        Content::Absent if by == By::Shell && context.earlier => {
            let reason = format!("`{}` is not there yet, so what it will run is not known", shown(&file.text));
            return doubt(context, &file.text, &Origin::file(follow.display(&path)), reason, out);
        }
        Content::Unreadable(why) | Content::Stream(why) if by == By::Shell || shell_name(&file.text) => {
            let reason = format!("`{}` cannot be read ({why}), so what it runs is not known", shown(&file.text));
            return doubt(context, &file.text, &Origin::file(follow.display(&path)), reason, out);
        }
        Content::Stream(why) if by == By::Other && !file.text.starts_with("/dev/fd/") => {
            let reason = format!("`{}` cannot be read ({why}), so what it runs is not known", shown(&file.text));
            return doubt(context, &file.text, &Origin::file(follow.display(&path)), reason, out);
        }
        Content::Absent | Content::Binary | Content::Unreadable(_) | Content::Stream(_) => return,
    };
    let key = path.display().to_string();
    match follow.enter(&key) {
        Entered::Now => {}
        Entered::Already => return,
        Entered::TooDeep => return doubt(context, &shown(&key), &Origin::file(path), TOO_DEEP.to_owned(), out),
    }
    let shell = match (by, interpreter(&found)) {
        (By::Shell, _) => true,
        (By::Other, _) => false,
        // A file without a first line of its own is given to the shell.
        (By::Path, named) => named.is_none_or(|name| is_shell(&name)),
    };
    if shell {
        let known = !context.open && rest.iter().all(|w| !w.expands);
        let positional = known.then(|| rest.iter().map(|w| w.text.clone()).collect());
        let context = Context { program: Some(file.text.clone()), ..context.clone() };
        text(&context, &file.text, &found, positional, origin, out);
    } else if let Some(line) = code::starts_an_install(context, &found) {
        let reason = "runs code that starts a package tool".to_owned();
        doubt(context, &file.text, &origin.at(line), reason, out);
    }
    follow.leave();
}

fn shell_name(path: &str) -> bool {
    [".sh", ".bash", ".zsh", ".ksh"].iter().any(|ending| path.ends_with(ending))
}

fn is_shell(name: &str) -> bool {
    super::super::wrappers::SHELLS.contains(&name)
}

/// The interpreter that a file's first line names: `sh` of `#!/usr/bin/env -S sh -e`.
fn interpreter(text: &str) -> Option<String> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let mut words = line.split_whitespace().filter(|w| !w.starts_with('-') && !w.contains('='));
    let first = program_name(words.next()?);
    if first == "env" { words.next().map(program_name) } else { Some(first) }
}
