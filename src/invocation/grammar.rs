//! The reader shared by tools of the form `tool [options] verb [options] operands`: a grammar is a table of verbs.
//!
//! In: words and a [`Grammar`]. Out: an [`Invocation`] with verb, effect, requests, files and flags, and the words of
//! a command that the verb would start.

use super::engine::{Opt, Scan, Style, Word, apply, request, scan};
use super::reading::{Context, Understood, file, unknown_verb};
use super::{Effect, FileRole, Invocation, RequestKind, Tool};

/// A tool's verbs and the options before them.
pub(super) struct Grammar {
    pub tool: Tool,
    pub style: Style,
    /// Options as they count before the verb, where they count otherwise than [`Grammar::general`] says.
    pub first: &'static [Opt],
    /// Options that may stand before the verb, and after it.
    pub general: &'static [&'static [Opt]],
    /// First words of verbs that have two.
    pub groups: &'static [&'static str],
    pub verbs: &'static [Rule],
    /// A word that is no verb names a script of the project, or a program in its environment.
    pub scripts: bool,
}

/// What the operands of a verb are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    /// Packages.
    Requests,
    /// Files.
    Files(FileRole),
    /// A command for the tool to run; options end at its first word.
    Command,
    /// A package's program and its arguments; options end at its first word.
    Program,
    /// Nothing that is brought in.
    Ignored,
}

/// A verb.
pub(super) struct Rule {
    /// Spellings separated by blanks, the canonical one first; the two words of a verb are joined by `/`.
    pub names: &'static str,
    pub options: &'static [&'static [Opt]],
    pub operands: Operands,
    pub effect: Effect,
    /// The effect when there are operands or requests.
    pub named: Effect,
    /// Options that change the effect, the first that is given decides.
    pub turns: &'static [(&'static str, Effect)],
    /// The verb works outside a project.
    pub global: bool,
}

pub(super) const fn rule(
    names: &'static str,
    effect: Effect,
    options: &'static [&'static [Opt]],
    operands: Operands,
) -> Rule {
    Rule { names, options, operands, effect, named: effect, turns: &[], global: false }
}

/// Verbs that bring nothing in; their options are not read.
pub(super) const fn nothing(names: &'static str) -> Rule {
    rule(names, Effect::Nothing, &[], Operands::Ignored)
}

impl Rule {
    pub const fn named(mut self, effect: Effect) -> Self {
        self.named = effect;
        self
    }

    pub const fn turns(mut self, turns: &'static [(&'static str, Effect)]) -> Self {
        self.turns = turns;
        self
    }

    pub const fn global(mut self) -> Self {
        self.global = true;
        self
    }

    fn has_name(&self, name: &str) -> bool {
        self.names.split_ascii_whitespace().any(|n| n == name)
    }

    fn canonical(&self) -> String {
        self.names.split_ascii_whitespace().next().unwrap_or_default().replace('/', " ")
    }
}

/// What the reader found, for a tool to finish.
pub(super) struct Parsed {
    pub invocation: Invocation,
    pub scan: Scan,
    /// The command's words, for [`Operands::Command`] and [`Operands::Program`].
    pub starts: Vec<Word>,
    /// See [`Understood::scripts`].
    pub scripts: Vec<Word>,
    /// Help or version was asked for, or the verb is unknown: nothing more to do.
    pub done: bool,
}

impl From<Parsed> for Understood {
    fn from(parsed: Parsed) -> Self {
        Self { invocation: parsed.invocation, starts: parsed.starts, scripts: parsed.scripts }
    }
}

/// Reads the words after a tool's name. `variables` adds the flags that the environment sets, before those of argv.
pub(super) fn read(
    context: &Context<'_>,
    program: &str,
    words: &[Word],
    grammar: &'static Grammar,
    variables: &dyn Fn(&mut Invocation, &[&'static [Opt]]),
) -> Parsed {
    let mut invocation = context.invocation(grammar.tool, program);
    let first: Vec<&'static [Opt]> = std::iter::once(grammar.first).chain(grammar.general.iter().copied()).collect();
    let before = scan(words, &first, grammar.style.stopping());
    apply(&mut invocation, &before);
    let rest = words.get(before.read..).unwrap_or_default();
    let Some((word, mut rest)) = rest.split_first().filter(|_| !before.help) else {
        if !before.help && !before.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        return Parsed { invocation, scan: before, starts: Vec::new(), scripts: Vec::new(), done: true };
    };
    let mut name = word.text.clone();
    let mut last = word;
    if grammar.groups.contains(&name.as_str()) {
        let between = scan(rest, grammar.general, grammar.style.stopping());
        apply(&mut invocation, &between);
        let after = rest.get(between.read..).unwrap_or_default();
        let Some((second, after)) = after.split_first().filter(|_| !between.help) else {
            invocation.verb = name;
            return Parsed { invocation, scan: between, starts: Vec::new(), scripts: Vec::new(), done: true };
        };
        name = format!("{name}/{}", second.text);
        last = second;
        rest = after;
    }
    let Some(rule) = grammar.verbs.iter().find(|r| r.has_name(&name)) else {
        if grammar.scripts {
            "run".clone_into(&mut invocation.verb);
            let starts = std::iter::once(last).chain(rest).cloned().collect();
            if !before.opaque.is_empty() {
                invocation.effect = Effect::Unknown;
            }
            return Parsed { invocation, scan: before, starts, scripts: Vec::new(), done: true };
        }
        unknown_verb(&mut invocation, last);
        invocation.verb = name.replace('/', " ");
        return Parsed { invocation, scan: before, starts: Vec::new(), scripts: Vec::new(), done: true };
    };
    invocation.verb = rule.canonical();
    let doubtful = !invocation.opaque.is_empty();
    if rule.effect == Effect::Nothing && rule.named == Effect::Nothing && rule.options.is_empty() {
        if rule.operands == Operands::Ignored && !before.opaque.is_empty() {
            invocation.effect = Effect::Unknown;
        }
        if rule.operands == Operands::Ignored {
            return Parsed { invocation, scan: before, starts: Vec::new(), scripts: Vec::new(), done: true };
        }
    }
    let mut tables: Vec<&'static [Opt]> = rule.options.to_vec();
    tables.extend(grammar.general.iter().copied());
    let runs = matches!(rule.operands, Operands::Command | Operands::Program);
    let style = if runs { grammar.style.stopping() } else { grammar.style };
    let mut found = scan(rest, &tables, style);
    variables(&mut invocation, &tables);
    apply(&mut invocation, &found);
    invocation.global |= rule.global;
    let starts = if runs { rest.get(found.read..).unwrap_or_default().to_vec() } else { Vec::new() };
    if found.help && !doubtful {
        return Parsed { invocation, scan: found, starts: Vec::new(), scripts: Vec::new(), done: true };
    }
    operands(&mut invocation, rule, &found.operands);
    let asked = !found.operands.is_empty() || invocation.requests.iter().any(|r| r.kind != RequestKind::Selector);
    invocation.effect = if asked { rule.named } else { rule.effect };
    let given = |name: &str| found.has(name) || before.has(name);
    if let Some((_, effect)) = rule.turns.iter().find(|(name, _)| given(name)) {
        invocation.effect = *effect;
    }
    found.given.extend(before.given);
    Parsed { invocation, scan: found, starts, scripts: Vec::new(), done: false }
}

fn operands(invocation: &mut Invocation, rule: &Rule, words: &[Word]) {
    match rule.operands {
        Operands::Requests => request(invocation, words, RequestKind::Requirement),
        Operands::Files(role) => invocation.files.extend(words.iter().map(|w| file(&w.text, role, w.index))),
        Operands::Command | Operands::Program | Operands::Ignored => {}
    }
}

/// Whether a word is a script or another file rather than a program's name.
pub(super) fn is_script(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    [".py", ".pyw", ".pyz"].iter().any(|e| word.ends_with(e))
}
