//! Ways out: the version to use, the line to write, the flag to drop, and the user's own command typed again with it.
//!
//! A command is offered only when it is certainly the user's own with one thing changed. Otherwise the text says what
//! to write and where.

use super::{Facts, say};
use crate::ecosystem::python::requirement;
use crate::invocation::{Flag, Invocation, RequestKind, Tool};
use crate::model::{Ecosystem, Fix, FixKind, Location, LockState, Origin, Package, PackageName, Place, shell_line};

/// A fix without a command.
pub(super) fn advice(text: impl Into<String>) -> Fix {
    Fix { kind: FixKind::Other, text: text.into(), command: None }
}

/// The exact requirement of a version as one would write it on a command line.
fn exact(name: &PackageName, version: &str, origin: &str, tool: Tool, verb: &str) -> String {
    match name.ecosystem() {
        Ecosystem::PyPI => python_exact(name, version, origin),
        // `alias@npm:name@range` keeps its alias.
        Ecosystem::Npm => match origin.split_once("@npm:") {
            Some((alias, _)) => format!("{alias}@npm:{}@{version}", name.written()),
            None => format!("{}@{version}", name.written()),
        },
        // For `cargo add` a bare version is a range; for `cargo install` it is exact.
        Ecosystem::CratesIo if tool == Tool::Cargo && verb == "add" => format!("{}@={version}", name.written()),
        Ecosystem::CratesIo => format!("{}@{version}", name.written()),
    }
}

/// `name[extras]==version; marker`, extras and marker as they were.
fn python_exact(name: &PackageName, version: &str, origin: &str) -> String {
    match requirement::parse(origin) {
        Ok(read) if read.name == *name => {
            let extras = if read.extras.is_empty() { String::new() } else { format!("[{}]", read.extras.join(",")) };
            let marker = read.marker.map(|m| format!("; {}", m.text())).unwrap_or_default();
            format!("{}{extras}=={version}{marker}", name.written())
        }
        _ => format!("{}=={version}", name.written()),
    }
}

/// The exact requirement as the file of the requirement writes it; `None` where another name stands there, because
/// something else (an override, a patch) put this package in its place.
fn line(name: &PackageName, version: &str, origin: &Origin) -> Option<String> {
    let file = file_name(origin);
    if name.ecosystem() == Ecosystem::Npm {
        if let Some((alias, _)) = origin.text.split_once("@npm:") {
            return Some(format!("\"{alias}\": \"npm:{}@{version}\"", name.written()));
        }
        let named = origin.text.rsplit_once('@').map(|(named, _)| named).filter(|n| !n.is_empty());
        if named.is_some_and(|named| named != name.written()) {
            return None;
        }
    }
    Some(match (name.ecosystem(), file.as_deref()) {
        (Ecosystem::PyPI, Some("Pipfile")) => format!("{} = \"=={version}\"", name.written()),
        (Ecosystem::PyPI, _) => python_exact(name, version, &origin.text),
        (Ecosystem::Npm, _) => format!("\"{}\": \"{version}\"", name.written()),
        (Ecosystem::CratesIo, _) => format!("{} = \"={version}\"", name.written()),
    })
}

/// The one invocation whose request stands at a word of argv, with the word's index and what stands before the
/// request in it (`--package=`).
fn request_at<'f>(facts: &Facts<'f>, location: &Location, text: &str) -> Option<(&'f Invocation, usize, &'f str)> {
    if location.place != Place::Argv {
        return None;
    }
    let index = usize::try_from(location.column).ok()?;
    let mut found = facts.invocations.iter().filter_map(|invocation| {
        let named = invocation.requests.iter().any(|r| {
            r.location == *location && r.text == text && matches!(r.kind, RequestKind::Requirement | RequestKind::With)
        });
        let before = invocation.argv.get(index)?.strip_suffix(text)?;
        (named && (before.is_empty() || before.starts_with('-'))).then_some((invocation, index, before))
    });
    let one = found.next();
    // Two commands in one line count their words alike: which one it was is not certain.
    if found.next().is_some() { None } else { one }
}

/// The user's command with one requirement replaced.
fn retyped(facts: &Facts<'_>, name: &PackageName, origin: &Origin, version: &str) -> Option<String> {
    let Some((invocation, index, before)) = request_at(facts, &origin.location, &origin.text) else {
        return rewritten(facts, name, origin, version);
    };
    // `cargo install x --version 1` names the version elsewhere.
    if invocation.tool == Tool::Cargo && invocation.flags.iter().any(|f| f.name == "--version" || f.name == "--vers") {
        return None;
    }
    let mut argv = invocation.argv.to_vec();
    let word = argv.get_mut(index)?;
    *word = format!("{before}{}", exact(name, version, &origin.text, invocation.tool, &invocation.verb));
    paste(&argv)
}

/// The user's shell text with one requirement replaced, where it stands there once as a word, as it is.
fn rewritten(facts: &Facts<'_>, name: &PackageName, origin: &Origin, version: &str) -> Option<String> {
    if origin.location.place != Place::Argv {
        return None;
    }
    let of_text = |i: &&Invocation| i.requests.iter().any(|r| r.location == origin.location && r.text == origin.text);
    let mut found = facts.invocations.iter().filter(of_text);
    let (invocation, None) = (found.next()?, found.next()) else { return None };
    let [sh, c, text] = &*invocation.argv else { return None };
    if sh != "sh" || c != "-c" || invocation.flags.iter().any(|f| f.name == "--version" || f.name == "--vers") {
        return None;
    }
    let apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "'\";&|()".contains(c));
    let mut places = text.match_indices(&origin.text).filter(|(at, word)| {
        let (before, after) = (text.get(..*at), text.get(at + word.len()..));
        apart(before.and_then(|t| t.chars().next_back())) && apart(after.and_then(|t| t.chars().next()))
    });
    let ((at, _), None) = (places.next()?, places.next()) else { return None };
    let new = exact(name, version, &origin.text, invocation.tool, &invocation.verb);
    let plain = shell_line(std::slice::from_ref(&new)) == new;
    let line = format!("{}{new}{}", text.get(..at)?, text.get(at + origin.text.len()..)?);
    (plain && line.len() <= 2000 && crate::model::printable(&line, 2000) == line).then_some(line)
}

/// Words as a line to paste; `None` where a line could not show them as they are.
fn paste(argv: &[String]) -> Option<String> {
    let line = shell_line(argv);
    (line.len() <= 2000 && crate::model::printable(&line, 2000) == line).then_some(line)
}

/// What to write at the place of a requirement in a file, as the end of a sentence.
fn written(name: &PackageName, version: &str, origin: &Origin) -> String {
    let text = origin.location.path().and_then(|_| line(name, version, origin));
    let write = |text: String| format!(": write `{}` at {}", say::sentence(&text), place(&origin.location));
    text.map(write).unwrap_or_default()
}

/// What to do at the place of a requirement so that it gets `version`: the end of a sentence, and a command.
fn change(facts: &Facts<'_>, package: &Package, version: &str) -> (String, Option<String>) {
    let name = &package.id.name;
    let shown = say::word(name.written());
    if package.lock != LockState::Unlocked
        && let Some(command) = relock(package, version)
    {
        return (String::new(), Some(command));
    }
    if package.direct && !in_lockfile(&package.origin) {
        if let Some(command) = retyped(facts, name, &package.origin, version) {
            return (String::new(), Some(command));
        }
        return (written(name, version, &package.origin), None);
    }
    match name.ecosystem() {
        Ecosystem::PyPI => match sole(facts, &[Tool::Pip]).filter(|i| i.verb == "install") {
            // pip honours a further requirement beside the ones that lead here.
            Some(invocation) => {
                let mut argv = invocation.argv.to_vec();
                argv.push(format!("{}=={version}", name.written()));
                (String::new(), paste(&argv))
            }
            None => (format!(": add `{shown}=={}` to a constraints file", say::word(version)), None),
        },
        Ecosystem::Npm => {
            let text = format!("\"overrides\": {{ \"{shown}\": \"{}\" }}", say::word(version));
            (format!(": add `{text}` to package.json"), None)
        }
        Ecosystem::CratesIo => (format!(": `cargo update --package {shown} --precise {}`", say::word(version)), None),
    }
}

/// The name of the file in which a requirement stands.
fn file_name(origin: &Origin) -> Option<String> {
    Some(origin.location.path()?.file_name()?.to_string_lossy().into_owned())
}

/// The command that puts another version into the lockfile in which a package stands.
fn relock(package: &Package, version: &str) -> Option<String> {
    let name = package.id.name.written();
    let file = file_name(&package.origin)?;
    let words: Vec<String> = match (package.id.name.ecosystem(), file.as_str()) {
        (Ecosystem::CratesIo, _) => {
            let spec = format!("{name}@{}", package.id.version);
            ["cargo", "update", "--package", &spec, "--precise", version].map(str::to_owned).to_vec()
        }
        (Ecosystem::PyPI, "uv.lock") => {
            ["uv", "lock", "--upgrade-package", &format!("{name}=={version}")].map(str::to_owned).to_vec()
        }
        (Ecosystem::Npm, lockfile) if package.direct => {
            let add: [&str; 2] = match lockfile {
                "package-lock.json" | "npm-shrinkwrap.json" => ["npm", "install"],
                "pnpm-lock.yaml" => ["pnpm", "add"],
                "yarn.lock" => ["yarn", "add"],
                "bun.lock" => ["bun", "add"],
                _ => return None,
            };
            add.into_iter().map(str::to_owned).chain([format!("{name}@{version}")]).collect()
        }
        _ => return None,
    };
    paste(&words)
}

/// Whether a requirement stands in a file that a tool writes: nobody pins by editing one.
fn in_lockfile(origin: &Origin) -> bool {
    file_name(origin).is_some_and(|file| {
        let file = file.to_ascii_lowercase();
        file.ends_with(".lock")
            || file.starts_with("pylock.")
            || matches!(file.as_str(), "package-lock.json" | "npm-shrinkwrap.json" | "pnpm-lock.yaml" | "pipfile.lock")
    })
}

/// The only invocation, when there is one and it is of one of these tools, without wrappers.
fn sole<'f>(facts: &Facts<'f>, tools: &[Tool]) -> Option<&'f Invocation> {
    match facts.invocations {
        [one] if tools.contains(&one.tool) && one.wrappers.is_empty() => Some(one),
        _ => None,
    }
}

/// A place as text.
pub(super) fn place(location: &Location) -> String {
    say::sentence(&location.to_string())
}

/// Use this version instead; `why` ends the sentence.
pub(super) fn use_version(facts: &Facts<'_>, package: &Package, version: &str, why: &str) -> Fix {
    let (how, command) = change(facts, package, version);
    let text = format!("use {} {}, {why}{how}", say::word(package.id.name.written()), say::word(version));
    Fix { kind: FixKind::Version, text, command }
}

/// Use this version for a requirement that could not be resolved.
pub(super) fn use_version_for(facts: &Facts<'_>, name: &PackageName, origin: &Origin, version: &str, why: &str) -> Fix {
    let command = retyped(facts, name, origin, version);
    let how = if command.is_none() { written(name, version, origin) } else { String::new() };
    let text = format!("use {} {}, {why}{how}", say::word(name.written()), say::word(version));
    Fix { kind: FixKind::Version, text, command }
}

/// Pin the version that the requirement resolved to.
pub(super) fn pin(facts: &Facts<'_>, package: &Package) -> Fix {
    let version = &*package.id.version;
    let (how, command) = change(facts, package, version);
    let text = match &command {
        Some(_) => format!("pin it to {}", say::word(version)),
        None => format!("pin it{how}"),
    };
    Fix { kind: FixKind::Pin, text, command }
}

/// Do not install it at all.
pub(super) fn remove(package: &Package) -> Fix {
    let name = say::word(package.id.name.written());
    let at = place(&package.origin.location);
    let text = match (package.required_by.first(), package.direct) {
        (Some(parent), false) => format!("remove what requires {name}: {} ({at})", say::release(parent)),
        _ => format!("remove {name} ({at})"),
    };
    advice(text)
}

/// Another name was meant.
pub(super) fn rename(facts: &Facts<'_>, origin: &Origin, name: &PackageName, near: &[String]) -> Option<Fix> {
    let shown: Vec<String> = near.iter().map(|n| format!("`{}`", say::word(n))).collect();
    let command = match near {
        [only] => request_at(facts, &origin.location, &origin.text).and_then(|(invocation, index, before)| {
            let rest = origin.text.strip_prefix(name.written())?;
            let mut argv = invocation.argv.to_vec();
            *argv.get_mut(index)? = format!("{before}{only}{rest}");
            paste(&argv)
        }),
        _ => None,
    };
    let text = match shown.len() {
        0 => return None,
        1 => format!("did you mean {}?", shown.concat()),
        _ => format!("did you mean one of {}?", shown.join(", ")),
    };
    Some(Fix { kind: FixKind::Rename, text, command })
}

/// An option as it was typed (`-f`, `--no-verify`), where that is known; else its canonical name.
pub(super) fn typed(facts: &Facts<'_>, flag: &Flag) -> String {
    let index = usize::try_from(flag.location.column).ok().filter(|_| flag.location.place == Place::Argv);
    let owner = facts.invocations.iter().find(|i| i.flags.iter().any(|f| f == flag));
    let word = index.zip(owner).and_then(|(index, owner)| owner.argv.get(index));
    let option = word.filter(|w| w.starts_with('-')).map(|w| w.split('=').next().unwrap_or(w));
    say::word(option.unwrap_or(&flag.name))
}

/// Leave an option out.
pub(super) fn drop_flag(facts: &Facts<'_>, flag: &Flag) -> Fix {
    let name = typed(facts, flag);
    match &flag.location.place {
        Place::Environment(variable) => Fix {
            kind: FixKind::DropFlag,
            text: format!("unset {}", say::word(variable)),
            command: paste(&["unset".to_owned(), variable.to_string()]),
        },
        Place::Argv => {
            Fix { kind: FixKind::DropFlag, text: format!("leave out {name}"), command: without(facts, flag) }
        }
        _ => Fix {
            kind: FixKind::DropFlag,
            text: format!("remove {name} from {}", place(&flag.location)),
            command: None,
        },
    }
}

/// Leave a variable out that the command sets, and the command without it where it is a word of its own.
pub(super) fn without_variable(invocation: &Invocation, name: &str) -> Fix {
    let set = format!("{name}=");
    let mut argv = invocation.argv.to_vec();
    argv.retain(|word| !word.starts_with(&set));
    let command = if argv.len() < invocation.argv.len() { paste(&argv) } else { None };
    Fix { kind: FixKind::DropFlag, text: format!("leave out {}", say::word(name)), command }
}

/// The command without a flag.
fn without(facts: &Facts<'_>, flag: &Flag) -> Option<String> {
    let index = usize::try_from(flag.location.column).ok()?;
    let mut owners = facts.invocations.iter().filter(|i| i.flags.iter().any(|f| f == flag));
    let invocation = owners.next()?;
    if owners.next().is_some() {
        return None;
    }
    let word = invocation.argv.get(index)?;
    let next = invocation.argv.get(index + 1);
    let words = match &flag.value {
        // A cluster of short options (`-fq`) holds more than this one.
        None if word.starts_with("--") || (word.len() == 2 && word.starts_with('-')) => 1,
        Some(value) if word.starts_with("--") && word.ends_with(&format!("={value}")) => 1,
        Some(value) if next == Some(value) && (word.starts_with("--") || word.len() == 2) => 2,
        // A negation (`--no-x`) is recorded with a value that stands nowhere.
        Some(value) if word.starts_with("--") && !word.contains('=') && next != Some(value) => 1,
        _ => return None,
    };
    let mut argv = invocation.argv.to_vec();
    argv.drain(index..(index + words).min(argv.len()));
    paste(&argv)
}

/// The only command, with one option added at its end.
pub(super) fn add_flag(facts: &Facts<'_>, tools: &[Tool], flag: &str) -> Option<String> {
    let invocation = sole(facts, tools)?;
    if invocation.argv.iter().any(|w| w == "--") {
        return None;
    }
    let mut argv = invocation.argv.to_vec();
    argv.push(flag.to_owned());
    paste(&argv)
}
