//! Shell text → the invocations in it: [`crate::shell`] lists its simple commands, each of which is read like an argument
//! vector of its own, with its directory, its variables and what it reads.

use std::rc::Rc;

use super::engine::{Word, joined, opaque, shown};
use super::follow::{self, Origin};
use super::reading::{self, Context, MAX_INVOCATIONS, unknown};
use super::wrappers::{assign, assignment, concerns_a_tool};
use super::{Effect, Invocation, Tool, variables};
use crate::model::LineIndex;
use crate::shell::{self, Content, Directory, Parsed, SimpleCommand, Surroundings, Variables, place};

/// Reads a script that stands at `index` of argv. `positional`: its `$1`, `$2`, …, when they are known.
pub(super) fn read(
    context: &Context<'_>,
    text: &str,
    positional: Option<Vec<String>>,
    index: usize,
    out: &mut Vec<Invocation>,
) {
    let (around, disk) = (surroundings(context, text, positional), disk(context));
    let script = shell::read_with(text, &around, context.steps, disk.as_ref().map(|d| d as &dyn shell::Reader));
    commands(context, text, &script, index, out);
}

/// [`read`] of a script whose grammar was read before.
pub(super) fn read_parsed(
    context: &Context<'_>,
    parsed: &Parsed,
    positional: Option<Vec<String>>,
    index: usize,
    out: &mut Vec<Invocation>,
) {
    let (around, disk) = (surroundings(context, parsed.text(), positional), disk(context));
    let script = parsed.follow(&around, context.steps, disk.as_ref().map(|d| d as &dyn shell::Reader));
    commands(context, parsed.text(), &script, index, out);
}

/// The files that a script may run in its own shell.
fn disk<'c>(context: &'c Context<'_>) -> Option<follow::Disk<'c>> {
    context.follow.filter(|_| !context.lost).map(|follow| follow.reader(context.directory.as_deref()))
}

fn surroundings(context: &Context<'_>, text: &str, positional: Option<Vec<String>>) -> Surroundings {
    // Values in which a shell's signs are left are not known values.
    let known = context.assignments.iter().filter(|(_, value, _)| !value.contains(['$', '`']));
    let mut variables = inherited(context, text);
    variables.extend(known.map(|(name, value, _)| (name.clone(), value.clone())));
    Surroundings {
        start: start(context),
        program: context.program.clone(),
        positional,
        variables,
        input: Some(context.input.clone()),
        written: Rc::clone(&context.written),
        // Files have caps of their own.
        most: context.origin.is_none().then_some(shell::MOST_TYPED),
    }
}

/// Where a script starts.
fn start(context: &Context<'_>) -> Option<String> {
    let directory = context.directory.as_deref().unwrap_or_default();
    let known = !context.lost || directory.starts_with(['/', '~']);
    let path = context.environment.absolute(&context.environment.at_home(directory));
    path.to_str().filter(|_| known && path.is_absolute()).map(str::to_owned)
}

/// What the commands of a script bring in.
fn commands(context: &Context<'_>, text: &str, script: &shell::Script, index: usize, out: &mut Vec<Invocation>) {
    let places = Places::new(context, text, script);
    // Most commands of a script see the same variables.
    let mut seen: Option<(&Rc<Variables>, Context<'_>)> = None;
    for command in &script.commands {
        if out.len() >= MAX_INVOCATIONS {
            let why = opaque(index, "too many package commands to list");
            return out.push(unknown(context, Tool::Other, "sh", why));
        }
        let before = out.len();
        let origin = places.of(command.span.start);
        let around = match seen.take() {
            Some((variables, around)) if Rc::ptr_eq(variables, &command.variables) => around,
            _ => with_variables(context, &command.variables, index),
        };
        simple(&around, command, index, origin.clone(), out);
        seen = Some((&command.variables, around));
        out.iter_mut().skip(before).for_each(|invocation| rewritten(invocation, command, index));
        follow::moved(out, before, origin.as_ref());
    }
    for stretch in &script.opaque {
        let rest = text.get(stretch.span.start..stretch.span.end).unwrap_or(text).trim_start();
        let program = rest.split_whitespace().next().unwrap_or_default();
        let before = out.len();
        out.push(unknown(context, Tool::Other, program, opaque(index, stretch.reason.clone())));
        follow::moved(out, before, places.of(stretch.span.start).as_ref());
    }
}

/// Where the commands of a text stand: in the file that the text is, or in files that it reads.
struct Places<'a> {
    own: Option<(&'a Origin, LineIndex<'a>)>,
    sourced: Vec<(usize, Origin, LineIndex<'a>)>,
}

impl<'a> Places<'a> {
    fn new(context: &'a Context<'_>, text: &'a str, script: &'a shell::Script) -> Self {
        let own = context.origin.as_ref().map(|origin| (origin, LineIndex::new(text)));
        let shown = |path: &str| match &context.follow {
            Some(follow) => follow.shown(context.directory.as_deref(), path),
            None => path.into(),
        };
        let sourced =
            script.sourced.iter().map(|s| (s.start, Origin::whole(shown(&s.path)), LineIndex::new(&s.text))).collect();
        Self { own, sourced }
    }

    fn of(&self, offset: usize) -> Option<Origin> {
        let within = self.sourced.iter().rev().find(|(start, ..)| *start <= offset);
        match (within, &self.own) {
            (Some((start, origin, lines)), _) => Some(origin.at(lines.line_column(offset - start).0)),
            (None, Some((origin, lines))) => Some(origin.at(lines.line_column(offset).0)),
            (None, None) => None,
        }
    }
}

/// The caller's variables that the text makes its own from: `PATH="$HOME/bin:$PATH"`.
fn inherited(context: &Context<'_>, text: &str) -> Vec<(String, String)> {
    let caller = |name: &str| {
        let hidden = context.cleared || context.removed.iter().any(|n| n == name);
        context.environment.variables.get(name).filter(|_| !hidden)
    };
    let concern = variables::mentioned(text);
    let mut out: Vec<(String, String)> = concern
        .iter()
        .filter_map(|name| match caller(name) {
            Some(value) => Some(((*name).to_owned(), value.clone())),
            // Without a home directory nothing is known of where it would be.
            None if matches!(*name, "HOME" | "PATH") => None,
            None => Some(((*name).to_owned(), String::new())),
        })
        .collect();
    if text.contains('$') && !context.cleared {
        // Where the shell is and how it splits words, it knows itself.
        let others = context.environment.variables.iter().filter(|(name, value)| {
            let own = matches!(name.as_str(), "PWD" | "OLDPWD" | "IFS") || concern.contains(&name.as_str());
            !own && !value.is_empty() && !context.removed.contains(name) && variables::takes(text, name)
        });
        out.extend(others.map(|(name, value)| (name.clone(), value.clone())));
    }
    out
}

/// Whether a text, read as a script, would bring anything in or leave a doubt.
pub(super) fn may_install(context: &Context<'_>, text: &str) -> bool {
    let mut found = Vec::new();
    read(&context.inside("sh"), text, None, 0, &mut found);
    found.iter().any(|i| i.effect != Effect::Nothing)
}

fn word(word: &shell::Word, index: usize) -> Word {
    match &word.text {
        Some(text) => Word::new(text, index),
        None => {
            let raw = word.raw.as_str();
            let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).filter(|r| !r.contains('"'));
            Word {
                expands: true,
                tail: word.tail.clone(),
                template: word.template.clone(),
                ..Word::new(inner.unwrap_or(raw), index)
            }
        }
    }
}

fn simple(
    context: &Context<'_>,
    command: &SimpleCommand,
    index: usize,
    origin: Option<Origin>,
    out: &mut Vec<Invocation>,
) {
    let mut inner = context.clone();
    inner.origin = origin;
    inner.earlier |= command.span.start > 0;
    for set in &command.assignments {
        let value = word(&set.value, index);
        let pair = Word { text: format!("{}={}", set.name, value.text), ..value };
        if assignment(&pair.text).is_some() {
            assign(&mut inner, &pair);
        }
    }
    match &command.directory {
        Directory::Known(directory) if directory.is_empty() => {}
        Directory::Known(directory) => {
            inner.directory = Some(joined(inner.directory.as_deref(), directory));
            inner.lost &= !directory.starts_with(['/', '~']);
        }
        Directory::Unknown(why) => {
            inner.lost = true;
            inner.opaque.push(opaque(index, format!("the directory is not known after {}", shown(why))));
        }
    }
    inner.opaque.extend(command.doubts.iter().map(|d| opaque(index, d.reason.clone())));
    inner.input = command.input.clone();
    inner.written = Rc::clone(&command.written);
    entered(&mut inner, command, index);
    let words: Vec<Word> = command.words.iter().map(|w| word(w, index)).collect();
    reading::read(&inner, &words, out);
}

/// The context inside the variables that a script sets.
fn with_variables<'c>(context: &Context<'c>, variables: &Variables, index: usize) -> Context<'c> {
    let mut inner = context.clone();
    for (name, variable) in variables {
        if variable.removed {
            inner.assignments.retain(|(n, _, _)| **n != **name);
            inner.removed.push(name.to_string());
            continue;
        }
        let inherited = context.environment.variables.contains_key(&**name);
        if !(variable.exported || inherited || concerns_a_tool(name)) {
            continue;
        }
        let given =
            context.assignments.iter().any(|(n, v, _)| **n == **name && Some(v.as_str()) == variable.text.as_deref());
        let caller = context.environment.variables.get(&**name).map_or("", String::as_str);
        let unchanged = !context.cleared && !context.removed.iter().any(|n| **n == **name);
        match &variable.text {
            _ if given => {}
            Some(value) if unchanged && **value == *caller => {}
            Some(value) => assign(&mut inner, &Word::new(&format!("{name}={value}"), index)),
            None if concerns_a_tool(name) => {
                let why = opaque(index, format!("the value of `{}` is not known", shown(name)));
                inner.opaque.push(why);
            }
            None => {}
        }
    }
    inner
}

/// A command in a directory that an earlier command of the same text makes: `git clone …/x && cd x && npm ci`.
fn entered(inner: &mut Context<'_>, command: &SimpleCommand, index: usize) {
    let Directory::Known(directory) = &command.directory else { return };
    let mut path = place(&Directory::Known(String::new()), directory);
    while !path.is_empty() {
        match command.written.get(&path) {
            Some(Content::Directory) => {
                inner.new_directory = true;
                return;
            }
            Some(Content::Made) => {
                let reason = format!("an earlier command makes `{}`, so what it will hold is not known", shown(&path));
                return inner.opaque.push(opaque(index, reason));
            }
            _ => {}
        }
        path.truncate(path.rfind('/').unwrap_or(0));
    }
}

/// Files by which a project says what it needs.
const MANIFESTS: &[&str] = &[
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    "bun.lock",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile",
    "Pipfile.lock",
    "Cargo.toml",
    "Cargo.lock",
];

/// Files by which a user or a project says where every command gets its packages from.
const SETTINGS: &[&str] = &[
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    "bunfig.toml",
    "pnpm/rc",
    "pip.conf",
    "pip.ini",
    ".pypirc",
    ".netrc",
    "_netrc",
    "uv.toml",
    "poetry.toml",
    "pypoetry/config.toml",
    "pdm.toml",
    "pdm/config.toml",
    ".cargo/config.toml",
    ".cargo/config",
];

/// A command that reads a file which an earlier command of the same text writes: what the file will hold then is not
/// what it holds now.
fn rewritten(invocation: &mut Invocation, command: &SimpleCommand, index: usize) {
    if command.written.is_empty() || matches!(invocation.effect, Effect::Nothing | Effect::Unknown) {
        return;
    }
    let directory = Directory::Known(invocation.directory.clone().unwrap_or_default());
    let named = invocation.files.iter().map(|f| place(&directory, &f.path)).find(|p| command.written.contains_key(p));
    let local = |text: &str| text.starts_with(['.', '/']) || text.starts_with("file:");
    let reads_project = !matches!(invocation.effect, Effect::Requests | Effect::RunsRemote)
        || invocation.requests.iter().any(|r| local(&r.text));
    let one_of = |names: &[&str], path: &str| {
        names.iter().any(|n| path.strip_suffix(n).is_some_and(|before| before.is_empty() || before.ends_with('/')))
    };
    let written = || {
        let files = command.written.iter().filter(|(_, content)| **content != Content::Replaced).map(|(path, _)| path);
        // Of two names of a file, the shorter one is told.
        let (absolute, relative): (Vec<&String>, Vec<&String>) = files.partition(|path| path.starts_with('/'));
        relative.into_iter().chain(absolute)
    };
    let own = place(&directory, ".");
    let replaced = |(path, content): &(&String, &Content)| {
        let path = path.trim_end_matches('/');
        let below = path.is_empty() || own == path || own.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        **content == Content::Replaced && below
    };
    if (reads_project || named.is_some()) && command.written.iter().any(|entry| replaced(&entry)) {
        let reason = "an earlier command may put other files in place of those that can be read now; \
                      run this as a command of its own";
        return invocation.opaque.push(opaque(index, reason.to_owned()));
    }
    let found =
        named.or_else(|| written().find(|p| one_of(SETTINGS, p) || (reads_project && one_of(MANIFESTS, p))).cloned());
    if let Some(path) = found {
        let reason = format!("an earlier command writes `{}`, so what it will hold is not known", shown(&path));
        invocation.opaque.push(opaque(index, reason));
    }
}
