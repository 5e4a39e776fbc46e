//! From words to invocations: which tool a word names, what surrounds it, and which commands it starts in turn.
//!
//! A tool's reader gets a [`Context`] (variables, wrappers, directory) and the words after the tool's own, and says
//! what it understood as an [`Invocation`], with the words of a command that it would start, if any.

use super::engine::{self, MAX_WORDS, Opt, Tables, Word, find, opaque, shown};
use super::follow::{self, Follow, Origin};
use super::{Aliases, Effect, FileRef, Invocation, Opaque, Tool};
use super::{bun, cargo, corepack, npm, pdm, pip, pipenv, pipx, pnpm, poetry, python, script, uv, wrappers, yarn};
use crate::model::{Environment, Files, Location};
use crate::shell::{MAX_STEPS, Parsed, Stream, Written};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// Commands within commands deeper than this are not followed.
const MAX_DEPTH: usize = 12;
/// More invocations than this are not listed one by one.
pub(super) const MAX_INVOCATIONS: usize = 256;

/// What surrounds a command.
#[derive(Clone)]
pub(super) struct Context<'a> {
    pub argv: &'a Arc<[String]>,
    pub environment: &'a Environment,
    pub aliases: &'a Aliases<'a>,
    /// Variables set on the way, with their places in argv.
    pub assignments: Vec<(String, String, usize)>,
    /// Variables removed on the way.
    pub removed: Vec<String>,
    /// `env -i`: none of the caller's variables arrive.
    pub cleared: bool,
    pub wrappers: Vec<String>,
    /// Whose home directory the command sees, when it is not the caller's.
    pub home_of: Option<String>,
    pub directory: Option<String>,
    /// The directory was made, empty, by an earlier command of the same text.
    pub new_directory: bool,
    /// Doubts about what surrounds the command; they hold for every package command inside.
    pub opaque: Vec<Opaque>,
    pub depth: usize,
    /// What the command reads.
    pub input: Stream,
    /// Files that earlier commands of the same text write.
    pub written: Rc<Written>,
    /// Further words may follow those that are known: `xargs`.
    pub open: bool,
    /// What reading shell text may still cost, all texts within each other together.
    pub steps: &'a Cell<u32>,
    /// The files that commands may be followed into; `None`: none is.
    pub follow: Option<&'a Follow<'a>>,
    /// The files in which a word's meaning may be looked up; `None`: it means what it means anywhere.
    pub files: Option<&'a dyn Files>,
    /// The file in which the command stands, when it was found in one.
    pub origin: Option<Origin>,
    /// The file that is run as a script: its `$0`.
    pub program: Option<String>,
    /// The directory is not the one that [`Context::directory`] says: only the shell knows it.
    pub lost: bool,
    /// Earlier commands of the same text may have made what this one runs.
    pub earlier: bool,
}

/// A variable as the tool would see it.
pub(super) struct Variable<'c> {
    pub name: &'c str,
    pub value: &'c str,
    pub location: Location,
}

impl<'a> Context<'a> {
    /// The variables the tool would see, those set on the command line last.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        let inherited = self
            .environment
            .variables
            .iter()
            .filter(|(name, _)| {
                !self.cleared && !self.removed.contains(name) && !self.assignments.iter().any(|(n, _, _)| n == *name)
            })
            .map(|(name, value)| Variable { name, value, location: Location::environment(name) });
        let set = self
            .assignments
            .iter()
            .enumerate()
            .filter(|(i, (name, _, _))| !self.assignments.iter().skip(i + 1).any(|(later, _, _)| later == name));
        inherited.chain(set.map(|(_, (name, value, at))| Variable { name, value, location: Location::argv(*at) }))
    }

    /// An empty invocation of a tool.
    pub fn invocation(&self, tool: Tool, program: &str) -> Invocation {
        let mut invocation = Invocation::sharing(Arc::clone(self.argv));
        invocation.tool = tool;
        program.clone_into(&mut invocation.program);
        invocation.assignments = self.assignments.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect();
        invocation.removed.clone_from(&self.removed);
        invocation.cleared = self.cleared;
        invocation.wrappers.clone_from(&self.wrappers);
        invocation.directory.clone_from(&self.directory);
        invocation.home_of.clone_from(&self.home_of);
        invocation.new_directory = self.new_directory;
        invocation.opaque.clone_from(&self.opaque);
        invocation
    }

    /// The context inside a wrapper.
    pub fn inside(&self, wrapper: &str) -> Self {
        let mut inner = self.clone();
        inner.wrappers.push(wrapper.to_owned());
        inner.depth += 1;
        inner
    }
}

/// What a tool's reader made of its words.
#[derive(Clone)]
pub(super) struct Understood {
    pub invocation: Invocation,
    /// The words of a command that the tool would start: `uv run`, `pnpm exec`, `npx`.
    pub starts: Vec<Word>,
    /// The name of a script of the project's, and its arguments, where the tool runs nothing else of that name.
    pub scripts: Vec<Word>,
}

impl From<Invocation> for Understood {
    fn from(invocation: Invocation) -> Self {
        Self { invocation, starts: Vec::new(), scripts: Vec::new() }
    }
}

/// See [`super::parse_with_aliases`].
pub(super) fn parse(
    argv: &[String],
    environment: &Environment,
    aliases: &Aliases<'_>,
    follow: Option<&Follow<'_>>,
    files: Option<&dyn Files>,
) -> Vec<Invocation> {
    within(argv, environment, aliases, follow, files, |context, out| {
        if argv.len() > MAX_WORDS {
            out.push(unknown(context, Tool::Other, "", opaque(MAX_WORDS, format!("more than {MAX_WORDS} words"))));
        } else {
            read(context, &Word::all(argv), out);
        }
    })
}

/// See [`super::parse_shell`].
pub(super) fn parse_shell(
    text: &str,
    environment: &Environment,
    aliases: &Aliases<'_>,
    follow: Option<&Follow<'_>>,
) -> Vec<Invocation> {
    let argv = ["sh", "-c", text].map(str::to_owned);
    within(&argv, environment, aliases, follow, follow.map(Follow::files), |context, out| {
        script::read(context, text, None, 2, out)
    })
}

/// See [`super::follow_parsed`].
pub(super) fn parse_parsed(
    text: &Parsed,
    environment: &Environment,
    aliases: &Aliases<'_>,
    follow: Option<&Follow<'_>>,
) -> Vec<Invocation> {
    let argv = ["sh", "-c", text.text()].map(str::to_owned);
    within(&argv, environment, aliases, follow, follow.map(Follow::files), |context, out| {
        script::read_parsed(context, text, None, 2, out)
    })
}

fn within(
    argv: &[String],
    environment: &Environment,
    aliases: &Aliases<'_>,
    follow: Option<&Follow<'_>>,
    files: Option<&dyn Files>,
    read: impl FnOnce(&Context<'_>, &mut Vec<Invocation>),
) -> Vec<Invocation> {
    let steps = Cell::new(MAX_STEPS);
    let argv = Arc::from(argv);
    let context = Context {
        argv: &argv,
        environment,
        aliases,
        assignments: Vec::new(),
        removed: Vec::new(),
        cleared: false,
        wrappers: Vec::new(),
        home_of: None,
        directory: None,
        new_directory: false,
        opaque: Vec::new(),
        depth: 0,
        input: Stream::Inherited,
        written: Rc::default(),
        open: false,
        steps: &steps,
        follow,
        files,
        origin: None,
        program: None,
        lost: false,
        earlier: false,
    };
    let mut out = Vec::new();
    read(&context, &mut out);
    if out.is_empty() {
        out.push(Invocation::sharing(Arc::clone(&argv)));
    }
    out
}

/// An invocation of which nothing is known but why.
pub(super) fn unknown(context: &Context<'_>, tool: Tool, program: &str, why: Opaque) -> Invocation {
    let mut invocation = context.invocation(tool, program);
    invocation.effect = Effect::Unknown;
    invocation.opaque.push(why);
    invocation
}

/// Reads one simple command and adds what it holds; nothing is added for a program that is no package tool.
pub(super) fn read(context: &Context<'_>, words: &[Word], out: &mut Vec<Invocation>) {
    let Some((first, rest)) = words.split_first() else { return };
    if context.depth > MAX_DEPTH || out.len() >= MAX_INVOCATIONS {
        out.push(unknown(
            context,
            Tool::Other,
            &first.text,
            opaque(first.index, "commands nested too deep or too many"),
        ));
        return;
    }
    let Some(name) = named(first) else {
        let why = opaque(first.index, format!("runs `{}`", shown(&first.text)));
        return out.push(unknown(context, Tool::Other, &first.text, why));
    };
    if let Some(mut understood) = tool(context, &name, first, rest) {
        follow::python::settle(context, &mut understood);
        expansions(&mut understood, first, rest);
        corepack::behind(context, &name, first, &mut understood.invocation);
        let wrapper = wrapper_name(&understood.invocation);
        // What a script starts is judged when it comes back here; where it does not, it is read now.
        let itself = context.follow.is_none() && bun::starts_itself(context, &understood.invocation);
        let near = context.files.filter(|_| itself).map(|files| Follow::new(context.environment, files));
        let follow = context.follow.or(near.as_ref());
        let surrounds = Context { opaque: understood.invocation.opaque.clone(), follow, ..context.inside(&wrapper) };
        let directory = understood.invocation.directory.clone();
        let runs = follow::manifest::asked(&surrounds, &understood);
        let named_script = (follow::python::concerns(&understood.invocation) && context.follow.is_some())
            .then(|| Understood::clone(&understood));
        settle(context, &mut understood.invocation);
        if understood.invocation.tool != Tool::Other || understood.invocation.effect != Effect::Nothing {
            out.push(understood.invocation);
        }
        let inner = Context { directory, ..surrounds };
        if let Some(asked) = runs {
            follow::manifest::run(&inner, &asked, out);
        }
        if let Some(named) = named_script {
            follow::python::run(&inner, &named, out);
        }
        if !understood.starts.is_empty() {
            read(&inner, &understood.starts, out);
        }
        return;
    }
    wrappers::read(context, &name, first, rest, out);
}

/// The name of the program that a word starts; `None` when only the shell can know it.
fn named(first: &Word) -> Option<String> {
    /// Variables of the caller's that name a program of that kind by long custom.
    const CUSTOMARY: &[(&str, &str)] = &[
        ("${CC}", "cc"),
        ("${CXX}", "c++"),
        ("${MAKE}", "make"),
        ("${EDITOR}", "editor"),
        ("${VISUAL}", "editor"),
        ("${PAGER}", "pager"),
        ("${BROWSER}", "browser"),
        ("${SHELL}", "sh"),
    ];
    if !first.expands {
        return Some(program_name(&first.text));
    }
    let template = first.template.as_deref()?;
    if let Some((_, name)) = CUSTOMARY.iter().find(|(variable, _)| *variable == template) {
        return Some((*name).to_owned());
    }
    // `"$HOME"/bin/tool`: the place is not known, the program's name is.
    let (_, name) = first.tail.rsplit_once('/')?;
    (!name.is_empty()).then(|| program_name(name))
}

/// A command that installs nothing stays clear of doubts about its surroundings; with doubts of its own it may install.
fn settle(context: &Context<'_>, invocation: &mut Invocation) {
    if invocation.effect == Effect::Nothing && !invocation.opaque.is_empty() {
        if invocation.opaque.len() > context.opaque.len() {
            invocation.effect = Effect::Unknown;
        } else {
            invocation.opaque.clear();
        }
    }
}

/// A word that a shell would replace may hold anything: more requests, another registry, another command.
fn expansions(understood: &mut Understood, first: &Word, rest: &[Word]) {
    let invocation = &mut understood.invocation;
    // What follows the name of a program that the tool starts is not read by the tool.
    let own = rest.len().saturating_sub(understood.starts.len().saturating_sub(1));
    let Some(word) = std::iter::once(first).chain(rest.iter().take(own)).find(|w| w.expands) else { return };
    let verb_stands = rest.first().is_some_and(|w| !w.expands && !w.text.starts_with('-')) && !first.expands;
    if invocation.tool == Tool::Other || (verb_stands && invocation.effect == Effect::Nothing) {
        return;
    }
    invocation.effect = Effect::Unknown;
    let reason = format!("a shell would put something else in the place of `{}`", shown(&word.text));
    invocation.opaque.push(opaque(word.index, reason));
}

fn wrapper_name(invocation: &Invocation) -> String {
    match invocation.verb.as_str() {
        "" => invocation.tool.name().to_owned(),
        verb => format!("{} {verb}", invocation.tool.name()),
    }
}

/// The reader of a package tool; `None` when the program is none.
pub(super) fn tool(context: &Context<'_>, name: &str, first: &Word, rest: &[Word]) -> Option<Understood> {
    let program = &first.text;
    Some(match name {
        "uv" => uv::uv(context, program, rest),
        "uvx" => uv::uvx(context, program, rest),
        "pipx" => pipx::read(context, program, rest),
        "poetry" => poetry::read(context, program, rest),
        "pdm" => pdm::read(context, program, rest),
        "pipenv" => pipenv::read(context, program, rest),
        "npm" | "npm-cli.js" | "npm-cli" => npm::npm(context, program, rest),
        "npx" | "npx-cli.js" | "npx-cli" => npm::npx(context, program, rest),
        "pnpm" | "pnpm.cjs" | "pnpm.mjs" | "pn" => pnpm::pnpm(context, program, rest),
        "pnpx" | "pnpx.cjs" | "pnx" => pnpm::pnpx(context, program, rest),
        "yarn" | "yarnpkg" | "yarn.js" | "yarn.cjs" => yarn::read(context, program, rest),
        "bun" => bun::bun(context, program, rest),
        "bunx" => bun::bunx(context, program, rest),
        "corepack" | "corepack.js" => corepack::read(context, program, rest),
        "cargo" => cargo::read(context, program, rest),
        "cargo-binstall" => cargo::binstall(context, program, rest),
        "pip-sync" => pip::sync(context, program, rest),
        "pip-compile" => pip::compile(context, program, rest),
        "node" | "nodejs" => return wrappers::node(context, program, rest),
        "pip.pyz" => pip::read(context, program, rest),
        "virtualenv" => python::virtualenv(context, program, rest),
        "pyproject-build" => python::build(context, program, rest),
        "pip-audit" => return python::fixes(context, program, rest).map(Into::into),
        "py" | "pyw" => return Some(python::read(context, program, rest, true)),
        _ if is_versioned(name, &["pip", "pip-"]) => pip::read(context, program, rest),
        _ if name.starts_with("yarn-") && (name.ends_with(".cjs") || name.ends_with(".js")) => {
            yarn::read(context, program, rest)
        }
        _ if is_python(name) => return Some(python::read(context, program, rest, false)),
        _ => return None,
    })
}

/// `python3.11` and its like.
pub(super) fn is_python(name: &str) -> bool {
    is_versioned(name, &["python", "pythonw", "pypy", "graalpy", "python-"])
}

/// One of the stems, followed by nothing but a version: `pip3.11`, `pip-3`, `python3.13t`.
fn is_versioned(name: &str, stems: &[&str]) -> bool {
    stems.iter().any(|stem| {
        name.strip_prefix(stem).is_some_and(|version| {
            let version = version.strip_suffix(['t', 'd', 'm']).filter(|v| !v.is_empty()).unwrap_or(version);
            let version_like = version.chars().all(|c| c.is_ascii_digit() || c == '.');
            version_like && !(stem.ends_with('-') && version.is_empty())
        })
    })
}

/// The file name of a program's path, in lower case (file systems that ignore case run `PIP` too), without the
/// endings that Windows adds.
pub(super) fn program_name(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).to_ascii_lowercase();
    for ending in [".exe", ".cmd", ".bat", ".ps1", ".com"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return stem.to_owned();
        }
    }
    name
}

/// A verb's row: its spellings separated by blanks, the canonical one first (or after `=`), and what it does.
pub(super) type Verb<T> = (&'static str, T);

/// The canonical verb and its meaning.
pub(super) fn verb<T: Copy>(table: &'static [Verb<T>], word: &str) -> Option<(&'static str, T)> {
    table.iter().find_map(|(names, meaning)| {
        let mut spellings = names.split_ascii_whitespace();
        let canonical = spellings.next()?;
        (canonical == word || spellings.any(|s| s == word)).then_some((canonical, *meaning))
    })
}

/// A verb that the tool's table lacks.
pub(super) fn unknown_verb(invocation: &mut Invocation, word: &Word) {
    invocation.effect = Effect::Unknown;
    word.text.clone_into(&mut invocation.verb);
    let reason = format!("`{}` is no command of {} that is known", shown(&word.text), invocation.tool.name());
    invocation.opaque.push(opaque(word.index, reason));
}

/// Adds a flag that a variable sets, if the tables know its option. Lists in a variable are separated by blanks.
pub(super) fn flag_from(
    invocation: &mut Invocation,
    tables: Tables<'_>,
    name: &str,
    variable: &Variable<'_>,
    split: bool,
) {
    let Some((canonical, opt)) = find(tables, name) else { return };
    let at = [variable.location.clone(), variable.location.clone()];
    let mut add = |value: Option<String>, opt: &Opt| engine::record(invocation, canonical, value, Some(opt), &at);
    match opt.arity {
        engine::Arity::Flag if engine::is_off(variable.value) => add(Some("false".to_owned()), opt),
        engine::Arity::Flag => add(None, opt),
        _ if split => variable.value.split_ascii_whitespace().for_each(|v| add(Some(v.to_owned()), opt)),
        _ => add(Some(variable.value.to_owned()), opt),
    }
}

/// A file reference at a place in argv.
pub(super) fn file(path: &str, role: super::FileRole, index: usize) -> FileRef {
    FileRef { path: path.to_owned(), role, location: Location::argv(index) }
}
