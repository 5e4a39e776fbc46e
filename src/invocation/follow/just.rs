//! `just RECIPE…`: the recipes of a justfile that are named and those that they depend on.
//!
//! Read are recipes, parameters, dependencies, aliases, variables of text, imports and modules. An interpolation that
//! only just can work out stands as a shell variable that is not known, a backtick as the command that it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Content, Entered, Origin, TOO_DEEP, doubt, text, tool_file};
use crate::invocation::engine::{Opt, Style, Word, flag, joined, scan, shown, value};
use crate::invocation::reading::{Context, program_name};
use crate::invocation::{FlagEffect::Neutral, Invocation, code, wrappers};

const NAMES: &[&str] = &["justfile", "Justfile", ".justfile", "JUSTFILE"];

const OPTIONS: &[Opt] = &[
    value("-f --justfile, -d --working-directory, --shell, --dotenv-path -E, --dotenv-filename, --color", Neutral),
    value("--chooser, --command-color, --list-heading, --list-prefix, --timestamp-format, --set", Neutral),
    flag("-n --dry-run, -l --list, -s --show, --summary, --evaluate, --dump, --fmt, --init, --variables", Neutral),
    flag("-e --edit, --choose, --changelog, --groups, --man, -V --version, -h --help", Neutral),
    flag(
        "-q --quiet, -v --verbose, -u --unsorted, --yes, --no-deps, --one, --unstable, --no-dotenv, --highlight",
        Neutral,
    ),
    flag("--clear-shell-args, --explain, --no-aliases, --no-highlight, --timestamp, -g --global-justfile", Neutral),
];

#[derive(Debug, Default, Clone)]
struct Recipe {
    parameters: Vec<(String, Option<String>)>,
    /// Each with its arguments' texts.
    needs: Vec<(String, Vec<String>)>,
    body: Vec<String>,
    /// The line of the body's first.
    line: u32,
    path: Option<Arc<Path>>,
}

#[derive(Debug, Default)]
struct Justfile {
    recipes: BTreeMap<String, Recipe>,
    aliases: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    modules: BTreeMap<String, Option<String>>,
    imports: Vec<String>,
    default: Option<String>,
    /// The program that reads each line, when it is no shell.
    other: Option<String>,
}

/// See the module.
pub(super) fn run(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    if context.lost {
        return;
    }
    let found = scan(rest, &[OPTIONS], Style::CLAP.stopping());
    if ["-n", "-l", "-s", "--summary", "--evaluate", "--dump", "--fmt", "--init", "-e", "-V", "-h", "--variables"]
        .iter()
        .any(|o| found.has(o))
    {
        return;
    }
    let mut inner = context.clone();
    let named = found.value("-f").map(str::to_owned);
    if let Some(directory) = found.value("-d") {
        inner.directory = Some(joined(inner.directory.as_deref(), directory));
    }
    let words: Vec<&Word> = rest.get(found.read..).unwrap_or_default().iter().collect();
    in_file(&inner, named.as_deref(), &words, 0, out);
}

fn in_file(context: &Context<'_>, named: Option<&str>, words: &[&Word], depth: usize, out: &mut Vec<Invocation>) {
    // Like just itself: here, or in a directory above.
    let mut inner = context.clone();
    let mut found = None;
    for _ in 0..16 {
        found = match named {
            Some(name) => tool_file(&inner, &[name]),
            None => tool_file(&inner, NAMES),
        };
        if found.is_some() || named.is_some() {
            break;
        }
        inner.directory = Some(joined(inner.directory.as_deref(), ".."));
    }
    let Some((path, source)) = found else { return };
    let source = match source {
        Ok(source) => source,
        Err(why) => {
            let reason = format!("what `just` runs is not known: {why}");
            return doubt(&inner, "just", &Origin::file(path.to_path_buf()), reason, out);
        }
    };
    let mut file = Justfile::default();
    file.read(&path, &source);
    let mut imported = 0;
    while let Some(import) = file.imports.pop() {
        imported += 1;
        let above = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        let follow = match inner.follow {
            Some(follow) if imported < 32 => follow,
            _ => break,
        };
        let at = follow.path(None, &joined(Some(&above), &import));
        if let Content::Text(text) = follow.read(&at) {
            file.read(&Arc::from(follow.display(&at)), &text);
        }
    }
    // `just x=1 recipe` sets a variable of the file.
    let sets = |w: &&Word| w.text.split_once('=').is_some_and(|(name, _)| is_name(name));
    let overrides = words.iter().take_while(|w| sets(w)).count();
    for word in words.get(..overrides).unwrap_or_default() {
        if let Some((name, value)) = word.text.split_once('=') {
            let value = if word.expands { unknown("given") } else { value.to_owned() };
            file.variables.insert(name.to_owned(), value);
        }
    }
    let words = words.get(overrides..).unwrap_or_default();
    let walk = Walk { context: &inner, file: &file };
    let Some((first, _)) = words.split_first() else {
        if let Some(default) = &file.default {
            walk.recipe(default, &[], out);
        }
        return;
    };
    let names: Vec<&str> = first.text.split("::").collect();
    let module = names.first().filter(|name| file.modules.contains_key(**name));
    if let (Some(module), true) = (module, depth < 8) {
        let rest: Vec<Word> = match names.as_slice() {
            [_] => words.iter().skip(1).map(|w| (*w).clone()).collect(),
            [_, more @ ..] => {
                let head = Word { text: more.join("::"), ..(*first).clone() };
                std::iter::once(head).chain(words.iter().skip(1).map(|w| (*w).clone())).collect()
            }
            [] => Vec::new(),
        };
        let rest: Vec<&Word> = rest.iter().collect();
        let own = file.modules.get(*module).cloned().flatten();
        let candidates = match own {
            Some(path) => vec![path],
            None => vec![format!("{module}.just"), format!("{module}/mod.just"), format!("{module}/justfile")],
        };
        for candidate in candidates {
            if tool_file(&inner, &[&candidate]).is_some() {
                return in_file(&inner, Some(&candidate), &rest, depth + 1, out);
            }
        }
        return;
    }
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let name = walk.name(&word.text);
        let takes = file.recipes.get(&name).map_or(0, |r| r.parameters.len());
        let variadic = file
            .recipes
            .get(&name)
            .is_some_and(|r| r.parameters.last().is_some_and(|(n, _)| n.starts_with(['*', '+'])));
        let takes = if variadic { usize::MAX } else { takes };
        let arguments: Vec<String> = words
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take(takes)
            .map(|w| if w.expands { unknown("given") } else { w.text.clone() })
            .collect();
        at += arguments.len();
        walk.recipe(&word.text, &arguments, out);
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("${{just_{name}}}")
}

impl Justfile {
    fn read(&mut self, path: &Arc<Path>, source: &str) {
        let mut current: Option<String> = None;
        let mut lines = source.lines().enumerate();
        while let Some((at, first)) = lines.next() {
            let indented = first.starts_with([' ', '\t']);
            if let (Some(name), true) = (&current, indented || first.trim().is_empty()) {
                if let Some(recipe) = self.recipes.get_mut(name) {
                    if recipe.body.is_empty() {
                        recipe.line = u32::try_from(at + 1).unwrap_or(u32::MAX);
                    }
                    recipe.body.push(first.to_owned());
                }
                continue;
            }
            current = None;
            let mut line = first.to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((_, more)) = lines.next() else { break };
                line.push_str(more.trim());
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '[']) {
                continue;
            }
            current = self.statement(line, path);
        }
    }

    /// The name of the recipe that a line begins.
    fn statement(&mut self, line: &str, path: &Arc<Path>) -> Option<String> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "alias" => {
                let (name, target) = rest.split_once(":=")?;
                self.aliases.insert(name.trim().to_owned(), target.trim().to_owned());
                return None;
            }
            "set" => {
                if let Some(list) = rest.strip_prefix("shell").map(|r| r.trim_start().trim_start_matches(":=").trim()) {
                    let program = list.trim_start_matches('[').split(',').next().unwrap_or_default();
                    let name = program_name(program.trim().trim_matches(['"', '\'']));
                    self.other = (!wrappers::SHELLS.contains(&name.as_str())).then_some(name);
                }
                return None;
            }
            "import" | "import?" => {
                self.imports.push(rest.trim_matches(['"', '\'']).to_owned());
                return None;
            }
            "mod" | "mod?" => {
                let (name, at) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let at = at.trim().trim_matches(['"', '\'']);
                self.modules.insert(name.to_owned(), (!at.is_empty()).then(|| at.to_owned()));
                return None;
            }
            _ => {}
        }
        let assigned = line.strip_prefix("export ").unwrap_or(line);
        if let Some((name, value)) = assigned.split_once(":=")
            && name.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        {
            let value = self.value(value.trim(), &BTreeMap::new());
            self.variables.insert(name.trim().to_owned(), value);
            return None;
        }
        self.header(line.trim_start_matches('@'), path)
    }

    /// `name a b="c" *d: need (other "x")`
    fn header(&mut self, line: &str, path: &Arc<Path>) -> Option<String> {
        let mut quote = None;
        let colon = line.char_indices().find(|(_, c)| match (quote, c) {
            (None, ':') => true,
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (Some(q), c) if q == *c => {
                quote = None;
                false
            }
            _ => false,
        });
        let (colon, _) = colon?;
        let (head, needs) = (line.get(..colon)?, line.get(colon + 1..)?);
        let mut words = pieces(head).into_iter();
        let name = words.next()?;
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return None;
        }
        let parameters = words.map(|w| match w.split_once('=') {
            Some((n, d)) => (n.trim_start_matches('$').to_owned(), Some(self.value(d, &BTreeMap::new()))),
            None => (w.trim_start_matches('$').to_owned(), None),
        });
        let parameters: Vec<(String, Option<String>)> = parameters.take(32).collect();
        let mut all = Vec::new();
        for piece in pieces(needs.split(" #").next().unwrap_or_default()).into_iter().filter(|p| p != "&&").take(64) {
            match piece.strip_prefix('(').and_then(|p| p.strip_suffix(')')) {
                Some(inner) => {
                    let mut inner = pieces(inner).into_iter();
                    if let Some(name) = inner.next() {
                        all.push((name, inner.collect()));
                    }
                }
                None => all.push((piece, Vec::new())),
            }
        }
        if self.default.is_none() {
            self.default = Some(name.clone());
        }
        let recipe = Recipe { parameters, needs: all, body: Vec::new(), line: 0, path: Some(Arc::clone(path)) };
        self.recipes.insert(name.clone(), recipe);
        Some(name)
    }

    /// What an expression is, as shell text.
    fn value(&self, expression: &str, parameters: &BTreeMap<String, String>) -> String {
        let mut out = String::new();
        for part in expression.split(" + ").flat_map(|p| p.split(" / ").map(str::trim)).take(32) {
            let part = part.trim().trim_start_matches(['x', 'f']).trim();
            let whole = |quote: &str| {
                let inner = part.strip_prefix(quote)?.strip_suffix(quote)?;
                (!inner.contains(quote)).then_some(inner)
            };
            let text = ["'''", "\"\"\"", "'", "\""].iter().find_map(|q| whole(q));
            match (text, whole("`")) {
                (Some(text), _) => out.push_str(text),
                (None, Some(command)) => out.push_str(&format!("$({command})")),
                _ => match parameters.get(part).or_else(|| self.variables.get(part)) {
                    Some(value) => out.push_str(value),
                    None => out.push_str(&unknown(part)),
                },
            }
        }
        out
    }
}

/// Words, quoted text and parentheses kept whole.
fn pieces(text: &str) -> Vec<String> {
    let (mut out, mut word, mut quote, mut depth) = (Vec::new(), String::new(), None, 0_usize);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, c) if c.is_whitespace() && depth == 0 => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

struct Walk<'a> {
    context: &'a Context<'a>,
    file: &'a Justfile,
}

impl Walk<'_> {
    fn name(&self, name: &str) -> String {
        self.file.aliases.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn recipe(&self, name: &str, arguments: &[String], out: &mut Vec<Invocation>) {
        let Some(follow) = self.context.follow else { return };
        let name = self.name(name);
        let Some(recipe) = self.file.recipes.get(&name) else { return };
        let Some(path) = &recipe.path else { return };
        match follow.enter(&format!("just {} {name}", path.display())) {
            Entered::Now => {}
            Entered::Already => return,
            Entered::TooDeep => {
                return doubt(self.context, "just", &Origin::file(path.to_path_buf()), TOO_DEEP.to_owned(), out);
            }
        }
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for (at, (parameter, default)) in recipe.parameters.iter().enumerate() {
            let value = match parameter.strip_prefix(['*', '+']) {
                Some(_) => arguments.get(at..).unwrap_or_default().join(" "),
                None => arguments.get(at).cloned().unwrap_or_default(),
            };
            let value = if value.is_empty() { default.clone().unwrap_or_default() } else { value };
            given.insert(parameter.trim_start_matches(['*', '+']).to_owned(), value);
        }
        for (need, values) in &recipe.needs {
            let values: Vec<String> = values.iter().map(|v| self.file.value(v, &given)).collect();
            self.recipe(need, &values, out);
        }
        self.body(&name, recipe, &given, arguments, out);
        follow.leave();
    }

    fn body(
        &self,
        name: &str,
        recipe: &Recipe,
        given: &BTreeMap<String, String>,
        arguments: &[String],
        out: &mut Vec<Invocation>,
    ) {
        let Some(path) = &recipe.path else { return };
        let wrapper = format!("just {}", shown(name));
        let source: Vec<String> = recipe.body.iter().map(|line| self.interpolated(line, given)).collect();
        let origin = Origin::from(path, recipe.line);
        let positional = Some(arguments.to_vec());
        let first = source.first().map(|l| l.trim()).unwrap_or_default();
        if let Some(shebang) = first.strip_prefix("#!") {
            let mut words = shebang.split_whitespace().filter(|w| !w.starts_with('-'));
            let program = words.next().map(program_name).unwrap_or_default();
            let program = if program == "env" { words.next().map(program_name).unwrap_or_default() } else { program };
            let whole = dedented(&source);
            if wrappers::SHELLS.contains(&program.as_str()) {
                text(self.context, &wrapper, &whole, positional, origin, out);
            } else if let Some(line) = code::starts_an_install(self.context, &whole) {
                let reason = "runs code that starts a package tool".to_owned();
                doubt(self.context, "just", &origin.at(line), reason, out);
            }
            return;
        }
        let mut at = 0;
        while let Some(line) = source.get(at) {
            let start = at;
            let mut whole = line.trim().to_owned();
            at += 1;
            while whole.ends_with('\\') {
                let Some(more) = source.get(at) else { break };
                whole.push('\n');
                whole.push_str(more.trim());
                at += 1;
            }
            let place = Origin::from(path, recipe.line.saturating_add(u32::try_from(start).unwrap_or(0)));
            let body = whole.trim_start_matches(['@', '-', ' ']);
            match &self.file.other {
                Some(other) if code::names_a_tool(body) => {
                    let reason = format!("`{}` reads it, not a shell", shown(other));
                    doubt(self.context, "just", &place.at(1), reason, out);
                }
                Some(_) => {}
                None => text(self.context, &wrapper, body, positional.clone(), place, out),
            }
        }
    }

    /// A line with what stands in `{{…}}`.
    fn interpolated(&self, line: &str, given: &BTreeMap<String, String>) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find("{{") {
            out.push_str(rest.get(..at).unwrap_or_default());
            let after = rest.get(at + 2..).unwrap_or_default();
            if let Some(more) = after.strip_prefix("{{") {
                out.push_str("{{");
                rest = more;
                continue;
            }
            let Some(end) = after.find("}}") else {
                rest = after;
                break;
            };
            out.push_str(&self.file.value(after.get(..end).unwrap_or_default().trim(), given));
            rest = after.get(end + 2..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }
}

/// The lines without the blanks that all of them begin with.
fn dedented(lines: &[String]) -> String {
    let blanks = |line: &String| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|l| !l.trim().is_empty()).map(blanks).min().unwrap_or(0);
    let cut: Vec<&str> = lines.iter().map(|l| l.get(common..).unwrap_or_default()).collect();
    cut.join("\n")
}
