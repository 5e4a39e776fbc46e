//! `make TARGET…`: the recipes of the targets that are named and of what they need.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::makefile::{Makefile, RecipeLine, Rule, START, Target, World, plain};
use super::{Content, Entered, Follow, Origin, doubt, text, tool_file};
use crate::invocation::engine::{Given, Opt, Style, Word, flag, joined, maybe, opaque, scan, shown, value};
use crate::invocation::reading::{Context, program_name, unknown as unknown_command};
use crate::invocation::{FlagEffect::Neutral, Invocation, Tool, code, wrappers};
use crate::shell::Stream;

/// Targets beyond this are not followed, nor those below so many others.
const MOST_TARGETS: usize = 400;
const DEEPEST: usize = 64;
/// A pattern that needs itself makes longer and longer names; no file has one of more bytes than this.
const LONGEST_NAME: usize = 4096;

const OPTIONS: &[Opt] = &[
    value("-C --directory, -f --file --makefile, -I --include-dir, -o --old-file --assume-old, -W --what-if", Neutral),
    value("--new-file --assume-new, -E --eval, --shuffle", Neutral),
    maybe("-j --jobs, -l --load-average --max-load, -O --output-sync, --debug", Neutral),
    flag("-b, -m, -B --always-make, -d, -e --environment-overrides, -i --ignore-errors, -k --keep-going", Neutral),
    flag("-L --check-symlink-times, -n --just-print --dry-run --recon, -p --print-data-base, -q --question", Neutral),
    flag("-r --no-builtin-rules, -R --no-builtin-variables, -s --silent --quiet, --no-silent, -S, --stop", Neutral),
    flag("-t --touch, --trace, -v --version, -w --print-directory, --no-print-directory, -h --help", Neutral),
    flag("--warn-undefined-variables", Neutral),
];

/// Words of make's that cannot be read.
pub(super) fn run(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let found = scan(rest, &[OPTIONS], Style::CLAP);
    if ["-h", "-v"].iter().any(|o| found.has(o)) || context.lost {
        return;
    }
    let mut inner = context.clone();
    for given in found.given.iter().filter(|g| g.name == "-C") {
        if let Some(directory) = &given.value {
            if directory.contains('$') {
                return;
            }
            inner.directory = Some(joined(inner.directory.as_deref(), directory));
        }
    }
    let Some(follow) = inner.follow else { return };
    let mut file = Makefile::default();
    let mut targets = Vec::new();
    // `-j` takes a number, and what is none is a target.
    let loose = found.given.iter().filter(|g| ["-j", "-l", "-O", "--debug"].contains(&g.name.as_str()));
    let loose =
        loose.filter_map(|g| rest.iter().find(|w| w.index == g.value_index && Some(&w.text) == g.value.as_ref()));
    let loose = loose.filter(|w| !w.text.starts_with(|c: char| c.is_ascii_digit()) && w.text.len() > 1);
    for word in loose.chain(&found.operands) {
        match word.text.split_once('=') {
            Some((name, value)) => file.given(name.trim_end_matches([':', '?', '+', '!']), &as_value(word, value)),
            None => targets.push(word.clone()),
        }
    }
    let world = Disk { context: &inner, follow, made: RefCell::new(Vec::new()) };
    let given = || found.given.iter().filter(|g| g.name == "-f");
    let named: Vec<&str> = given().filter_map(|g| g.value.as_deref()).collect();
    let unknown = |g: &&Given| {
        let word = rest.iter().find(|w| w.index == g.value_index);
        let value = g.value.as_deref().unwrap_or_default();
        value.starts_with("<(") || word.is_some_and(|w| w.expands && !w.tail.contains('/') && !value.contains("/."))
    };
    if let Some(given) = given().find(unknown) {
        let file = shown(given.value.as_deref().unwrap_or_default());
        let why = opaque(given.value_index, format!("what `{file}` holds is not known"));
        return out.push(unknown_command(&inner, Tool::Other, &first.text, why));
    }
    let files: Vec<Vec<&str>> = match named.as_slice() {
        [] => vec![vec!["GNUmakefile", "makefile", "Makefile"]],
        named => named.iter().map(|n| vec![*n]).collect(),
    };
    let mut any = false;
    for names in files {
        let input = names.first().filter(|name| wrappers::is_input(name));
        let found = match input {
            Some(name) => Some((Arc::from(Path::new(name)), from_input(&inner))),
            None => tool_file(&inner, &names),
        };
        let Some((path, found)) = found else { continue };
        any = true;
        match found {
            Ok(source) => file.read(&path, &source, &world, 0),
            Err(why) => {
                let reason = format!("what `{}` runs is not known: {why}", shown(&first.text));
                return doubt(&inner, &first.text, &Origin::file(path.to_path_buf()), reason, out);
            }
        }
    }
    let evaluated = found.given.iter().filter(|g| g.name == "-E").filter_map(|g| g.value.as_deref());
    for source in evaluated {
        any = true;
        file.read(&Arc::from(Path::new("--eval")), source, &world, 0);
    }
    if !any {
        return;
    }
    let walk = Walk { context: &inner, file: &file, world: &world, visited: RefCell::default(), cut: Cell::default() };
    walk.at_once(out);
    walk.included(out);
    if ["-n", "-q", "-t", "-p"].iter().any(|o| found.has(o)) {
        return;
    }
    let goals: Vec<String> = match targets.as_slice() {
        [] => file.default_goal(&world).into_iter().collect(),
        named => named.iter().filter(|w| !w.expands).map(|w| w.text.clone()).collect(),
    };
    for goal in &goals {
        walk.target(goal, 0, out);
    }
    if let Some(unknown) = targets.iter().find(|w| w.expands) {
        walk.unfollowed(&unknown.text, out);
    } else if file.cut {
        walk.unfollowed(goals.first().map_or("", String::as_str), out);
    }
}

/// A makefile on the standard input.
fn from_input(context: &Context<'_>) -> Result<Rc<str>, String> {
    match &context.input {
        Stream::Text(text) => Ok(Rc::clone(text)),
        _ => Err("it comes from standard input".to_owned()),
    }
}

/// A value that a shell would put there is not known to make either.
fn as_value(word: &Word, value: &str) -> String {
    if word.expands { format!("{START}${{make_given}}{}", super::makefile::END) } else { value.to_owned() }
}

/// The files and variables around a makefile.
struct Disk<'a> {
    context: &'a Context<'a>,
    follow: &'a Follow<'a>,
    made: RefCell<Vec<String>>,
}

impl World for Disk<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let set = self.context.assignments.iter().rev().find(|(n, _, _)| n == name).map(|(_, value, _)| value);
        let hidden = self.context.cleared || self.context.removed.iter().any(|n| n == name);
        let inherited = self.context.environment.variables.get(name).filter(|_| !hidden);
        // make takes no shell from its caller.
        set.or(inherited).filter(|_| name != "SHELL").map(|value| value.replace('$', "$$"))
    }

    fn include(&self, name: &str) -> Option<Vec<(Arc<Path>, Rc<str>)>> {
        let directory = self.context.directory.as_deref();
        let mut made = self.made.borrow_mut();
        if made.len() > 64 || made.iter().any(|m| m == name) {
            return Some(Vec::new());
        }
        made.push(name.to_owned());
        if !name.contains(['*', '?', '[']) {
            let path = self.follow.path(directory, name);
            return match self.follow.read(&path) {
                Content::Text(text) => Some(vec![(Arc::from(self.follow.display(&path)), text)]),
                _ => None,
            };
        }
        let (parent, pattern) = name.rsplit_once('/').unwrap_or((".", name));
        let (before, after) = pattern.split_once('*')?;
        let mut out = Vec::new();
        for path in self.follow.files.list(&self.follow.path(directory, parent)).into_iter().take(256) {
            let fits = path.file_name().and_then(|n| n.to_str());
            if fits.is_some_and(|n| n.starts_with(before) && n.ends_with(after))
                && let Content::Text(text) = self.follow.read(&path)
            {
                out.push((Arc::from(self.follow.display(&path)), text));
            }
        }
        Some(out)
    }

    fn uname(&self, option: &str) -> &str {
        match (option, self.context.environment.os) {
            ("-m" | "-p", _) => self.context.environment.arch,
            (_, "macos") => "Darwin",
            _ => "Linux",
        }
    }

    fn exists(&self, path: &str) -> bool {
        let path = self.follow.path(self.context.directory.as_deref(), path);
        self.follow.files.is_file(&path) || self.follow.files.is_dir(&path)
    }
}

struct Walk<'a> {
    context: &'a Context<'a>,
    file: &'a Makefile,
    world: &'a Disk<'a>,
    visited: RefCell<Vec<String>>,
    /// Not every target was followed.
    cut: Cell<bool>,
}

impl Walk<'_> {
    /// What make runs while it reads.
    fn at_once(&self, out: &mut Vec<Invocation>) {
        for line in &self.file.at_once {
            text(self.context, "make", &plain(&line.text), Some(Vec::new()), Origin::from(&line.path, line.line), out);
        }
    }

    /// Makefiles that make makes first, to read them then. What a compiler says of its sources holds no recipes.
    fn included(&self, out: &mut Vec<Invocation>) {
        for (name, path, line) in &self.file.missing {
            let recipe: Vec<&RecipeLine> = self.file.rules_for(name).flat_map(|(rule, _)| &rule.recipe).collect();
            if recipe.is_empty() {
                continue;
            }
            self.target(name, 0, out);
            if !recipe.iter().any(|line| line.text.contains("-M")) {
                let reason = format!("what `{}` will hold, which make makes and reads, is not known", shown(name));
                doubt(self.context, "make", &Origin::from(path, *line).at(1), reason, out);
            }
        }
    }

    fn target(&self, name: &str, depth: usize, out: &mut Vec<Invocation>) {
        {
            let mut visited = self.visited.borrow_mut();
            if visited.iter().any(|v| v == name) {
                return;
            }
            if visited.len() >= MOST_TARGETS || depth > DEEPEST || name.len() > LONGEST_NAME {
                return self.unfollowed(name, out);
            }
            visited.push(name.to_owned());
        }
        let directory = self.context.directory.as_deref();
        let key = format!("make {} {name}", self.world.follow.path(directory, ".").display());
        match self.world.follow.enter(&key) {
            Entered::Now => {}
            Entered::Already => return,
            Entered::TooDeep => return self.unfollowed(name, out),
        }
        let mut known = false;
        for (rule, stem) in self.file.rules_for(name) {
            known |= !rule.recipe.is_empty() || !rule.prerequisites.is_empty();
            for need in &rule.prerequisites {
                // Only the first `%` of a prerequisite stands for the stem.
                self.target(&need.replacen('%', stem.unwrap_or("%"), 1), depth + 1, out);
            }
            self.recipe(name, stem.unwrap_or_default(), rule, out);
        }
        self.world.follow.leave();
        let partial = self.file.cut || (depth == 0 && self.file.partial);
        if !known && partial && !self.world.exists(name) {
            self.hidden(name, out);
        }
    }

    /// More targets than are followed: one of them may install, where any recipe could.
    fn unfollowed(&self, name: &str, out: &mut Vec<Invocation>) {
        if self.cut.replace(true) {
            return;
        }
        let named = |line: &&RecipeLine| code::names_a_tool(&line.text);
        if let Some(line) = self.file.rules.iter().flat_map(|r| &r.recipe).find(named) {
            let reason = "not all targets that make would make are followed".to_owned();
            doubt(self.context, "make", &Origin::from(&line.path, line.line).at(1), reason, out);
        } else {
            self.hidden(name, out);
        }
    }

    /// A target that only make can find, in a file that names a package tool.
    fn hidden(&self, name: &str, out: &mut Vec<Invocation>) {
        let Some((path, Ok(source))) = tool_file(self.context, &["GNUmakefile", "makefile", "Makefile"]) else {
            return;
        };
        if code::names_a_tool(&source) {
            let reason = format!("how the makefile makes `{}` is known only to make", shown(name));
            doubt(self.context, "make", &Origin::file(path.to_path_buf()), reason, out);
        }
    }

    fn recipe(&self, name: &str, stem: &str, rule: &Rule, out: &mut Vec<Invocation>) {
        let prerequisites: Vec<String> = rule.prerequisites.iter().map(|p| p.replacen('%', stem, 1)).collect();
        let target = Target { name, prerequisites: &prerequisites, stem };
        let shell = self.file.expand("$(SHELL)", Some(target), self.world);
        let wrapper = format!("make {}", shown(name));
        let other =
            shell.split_whitespace().next().map(program_name).filter(|s| !is_shell(s) && !shell.contains(START));
        let expanded = |line: &RecipeLine| plain(&self.file.expand(&line.text, Some(target), self.world));
        if let Some(other) = other {
            for line in rule.recipe.iter().filter(|l| code::names_a_tool(&l.text)) {
                let reason = format!("`{}` reads it, not a shell", shown(&other));
                doubt(self.context, "make", &Origin::from(&line.path, line.line).at(1), reason, out);
            }
            return;
        }
        if self.file.one_shell {
            let Some(first) = rule.recipe.first() else { return };
            let lines: Vec<String> = rule.recipe.iter().map(|l| bare(&expanded(l)).to_owned()).collect();
            let origin = Origin::from(&first.path, first.line);
            return text(self.context, &wrapper, &lines.join("\n"), Some(Vec::new()), origin, out);
        }
        for line in &rule.recipe {
            let body = expanded(line);
            let origin = Origin::from(&line.path, line.line);
            // What a `define` holds becomes several lines, each a command of its own.
            let continued = line.text.contains('\n');
            if continued || !body.contains('\n') {
                text(self.context, &wrapper, bare(&body), Some(Vec::new()), origin, out);
            } else {
                for part in body.lines() {
                    text(self.context, &wrapper, bare(part), Some(Vec::new()), origin.at(1), out);
                }
            }
        }
    }
}

/// Without what make itself reads in front of a line: `@`, `-`, `+`.
fn bare(line: &str) -> &str {
    line.trim_start_matches(['@', '-', '+', ' ', '\t'])
}

fn is_shell(name: &str) -> bool {
    wrappers::SHELLS.contains(&name)
}
