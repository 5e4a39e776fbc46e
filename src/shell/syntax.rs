//! The syntax tree: what the parser makes of a text and the walker follows. Plain data.

use std::cell::OnceCell;
use std::rc::Rc;

use super::Span;

/// A word as written: parts side by side.
#[derive(Debug, Clone, Default)]
pub(super) struct WordNode {
    pub parts: Vec<Part>,
    pub raw: String,
    pub span: Span,
}

/// A part of a word.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Unquoted text without meaning of its own.
    Literal(String),
    /// Quoted text.
    Quoted(String),
    /// `"…"`.
    Double(Vec<Part>),
    /// `*`, `?` or an extended pattern: file names.
    Glob(String),
    /// `[`: a pattern, or not.
    Bracket,
    /// `{`, `,` or `}`, which may make several words.
    Brace(char),
    /// `$x`, `${x…}`.
    Parameter(Box<Parameter>),
    /// `$(…)` and backquotes.
    Command(Rc<List>),
    /// `<(…)`, `>(…)`: a file name.
    Process(Rc<List>),
    /// `$((…))` with what expands in it, and its text.
    Arithmetic(Vec<Part>, String),
    /// `(a b)` after `name=`.
    Array(Vec<WordNode>),
}

/// `${name[index]op word}`.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameter {
    pub name: String,
    pub index: Option<Vec<Part>>,
    pub op: Op,
    pub word: Vec<Part>,
}

/// What is done to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Op {
    #[default]
    None,
    /// `-`, and `:-`.
    Default,
    /// `=`, and `:=`.
    Assign,
    /// `+`, and `:+`.
    Alternative,
    /// `?`, and `:?`.
    Error,
    /// `#` and `##`.
    StripPrefix,
    /// `%` and `%%`.
    StripSuffix,
    /// Anything else: substrings, replacements, indirection, lengths.
    Other,
}

#[derive(Debug, Clone, Default)]
pub(super) struct List {
    pub items: Vec<Item>,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub first: Pipeline,
    /// `true` is `&&`, `false` is `||`.
    pub rest: Vec<(bool, Pipeline)>,
    pub background: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub negated: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub kind: Kind,
    pub redirections: Vec<RedirectionNode>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Simple {
        assignments: Vec<AssignmentNode>,
        words: Vec<WordNode>,
    },
    Subshell(List),
    Group(List),
    /// Conditions with what follows them, and `else`.
    If(Vec<(List, List)>, Option<List>),
    /// `while`, `until`; the text of the whole.
    While(List, List, String),
    /// `for`, `select`; no words: `"$@"`. The text of the whole.
    For {
        name: String,
        words: Option<Vec<WordNode>>,
        body: List,
        text: String,
    },
    /// `for ((…))`.
    Count(WordNode, List, String),
    Case(WordNode, Vec<(Vec<WordNode>, List)>),
    Function(String, Rc<Command>),
    /// `[[ … ]]`.
    Test(Vec<WordNode>),
    /// `(( … ))`.
    Arithmetic(WordNode),
}

#[derive(Debug, Clone)]
pub(super) struct AssignmentNode {
    pub name: String,
    /// `name[…]=`.
    pub element: bool,
    /// `+=`.
    pub append: bool,
    pub value: WordNode,
}

#[derive(Debug, Clone)]
pub(super) struct RedirectionNode {
    pub operator: &'static str,
    /// The descriptor, when one is written.
    pub descriptor: Option<String>,
    pub target: WordNode,
    /// A here-document's body, once it has been read.
    pub body: Option<Rc<OnceCell<WordNode>>>,
}
