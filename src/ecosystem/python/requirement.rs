//! PEP 508: dependency specifiers (`requests[socks]>=2; python_version < "3.12"`) and their environment markers.
//!
//! In: one requirement's text, and later the facts about an interpreter. Out: [`Requirement`], [`Marker`] and the
//! verdict of a marker. The grammar and every verdict are those of `pypa/packaging`. Written here rather than taken
//! from `pep508_rs`, which panics on hostile names and rewrites markers by an algebra of its own.

use std::collections::BTreeMap;
use std::fmt;

use super::version::{Operator, Specifiers, specifiers};
use crate::model::{Ecosystem, InterpreterFacts, PackageName, normalise_name};

/// Longest requirement that is read, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// Deepest nesting of parentheses in a marker.
const MAX_DEPTH: u32 = 48;

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The project.
    pub name: PackageName,
    /// Extras as written, in order.
    pub extras: Vec<String>,
    /// The specifier set; empty: any version. Its `Display` is the text as written, without spaces.
    pub specifiers: Specifiers,
    /// The URL of `name @ URL`.
    pub url: Option<String>,
    /// The marker after `;`.
    pub marker: Option<Marker>,
}

/// Reads one requirement. The error is a lower-case fragment, and holds no more than a piece of the text.
pub fn parse(text: &str) -> Result<Requirement, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("requirement longer than {MAX_TEXT} bytes"));
    }
    let mut c = Cursor { rest: text };
    c.blanks();
    let name = c.identifier().ok_or("expected a package name at the start of the requirement")?;
    let name = PackageName::new(Ecosystem::PyPI, name);
    c.blanks();
    let extras = c.extras()?;
    c.blanks();
    let mut requirement = Requirement { name, extras, specifiers: Specifiers::default(), url: None, marker: None };
    if c.eat("@") {
        c.blanks();
        let url = c.take_while(|ch| !matches!(ch, ' ' | '\t'));
        if url.is_empty() {
            return Err("expected a URL after `@`".to_owned());
        }
        if url.contains(char::is_control) {
            return Err("control character in the URL".to_owned());
        }
        requirement.url = Some(url.to_owned());
    } else {
        requirement.specifiers = c.specifiers()?;
    }
    c.blanks();
    if c.eat(";") {
        requirement.marker = Some(Marker::parse(c.rest)?);
    } else if !c.rest.is_empty() {
        return Err(format!("unexpected `{}`", excerpt(c.rest)));
    }
    Ok(requirement)
}

impl Requirement {
    /// Whether it applies to an interpreter, with these extras of the requiring project asked for.
    pub fn applies(&self, environment: &MarkerEnvironment, extras: &[String]) -> bool {
        self.marker.as_ref().is_none_or(|m| m.evaluate(environment, extras))
    }
}

/// The form that `packaging` prints, with extras in order of writing.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.written())?;
        if !self.extras.is_empty() {
            write!(f, "[{}]", self.extras.join(","))?;
        }
        match &self.url {
            Some(url) => write!(f, " @ {url}")?,
            None => self.specifiers.fmt(f)?,
        }
        match &self.marker {
            Some(marker) => write!(f, "{}; {marker}", if self.url.is_some() { " " } else { "" }),
            None => Ok(()),
        }
    }
}

/// A marker: an expression over the facts of an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    text: Box<str>,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Compare(Comparison),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    variable: Variable,
    /// Whether the variable stands on the left.
    variable_first: bool,
    operator: MarkerOperator,
    literal: Box<str>,
    /// The version comparison, where the variable is a version, stands left and the literal is one.
    range: Option<Specifiers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MarkerOperator {
    Version(Operator),
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    /// A single fact, by its canonical name.
    Fact(&'static str),
    Extra,
    /// PEP 751's sets.
    Extras,
    DependencyGroups,
}

/// Every spelling of a variable; legacy spellings map to today's.
const VARIABLES: [(&str, Variable); 20] = [
    ("python_version", Variable::Fact("python_version")),
    ("python_full_version", Variable::Fact("python_full_version")),
    ("os_name", Variable::Fact("os_name")),
    ("os.name", Variable::Fact("os_name")),
    ("sys_platform", Variable::Fact("sys_platform")),
    ("sys.platform", Variable::Fact("sys_platform")),
    ("platform_release", Variable::Fact("platform_release")),
    ("platform_system", Variable::Fact("platform_system")),
    ("platform_version", Variable::Fact("platform_version")),
    ("platform.version", Variable::Fact("platform_version")),
    ("platform_machine", Variable::Fact("platform_machine")),
    ("platform.machine", Variable::Fact("platform_machine")),
    ("platform_python_implementation", Variable::Fact("platform_python_implementation")),
    ("platform.python_implementation", Variable::Fact("platform_python_implementation")),
    ("python_implementation", Variable::Fact("platform_python_implementation")),
    ("implementation_name", Variable::Fact("implementation_name")),
    ("implementation_version", Variable::Fact("implementation_version")),
    ("extra", Variable::Extra),
    ("extras", Variable::Extras),
    ("dependency_groups", Variable::DependencyGroups),
];

/// Facts that are compared as versions where both sides can be.
const VERSION_FACTS: [&str; 4] =
    ["implementation_version", "platform_release", "python_full_version", "python_version"];

/// A comparison that the reference refuses to make, such as `os_name ~= "posix"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the marker makes a comparison that has no meaning")]
pub struct UndefinedComparison;

impl Marker {
    /// Reads a marker. The error is a lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("marker longer than {MAX_TEXT} bytes"));
        }
        let mut c = Cursor { rest: text };
        let node = c.marker_or(0)?;
        c.blanks();
        if !c.rest.is_empty() {
            return Err(format!("unexpected `{}` after the marker", excerpt(c.rest)));
        }
        Ok(Self { text: text.trim().into(), node })
    }

    /// The marker as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds, with these extras asked for (none: the empty extra, as pip has it). A comparison without
    /// meaning counts as holding: the requirement is then looked at rather than lost.
    pub fn evaluate(&self, environment: &MarkerEnvironment, extras: &[String]) -> bool {
        self.try_evaluate(environment, extras).unwrap_or(true)
    }

    /// As [`Marker::evaluate`], saying where the reference would raise an error.
    pub fn try_evaluate(
        &self,
        environment: &MarkerEnvironment,
        extras: &[String],
    ) -> Result<bool, UndefinedComparison> {
        if extras.is_empty() || !self.node.any(&|v| v == Variable::Extra) {
            return self.node.evaluate(environment, extras.first().map_or("", String::as_str), extras);
        }
        let mut holds = false;
        for extra in extras {
            holds |= self.node.evaluate(environment, extra, extras)?;
        }
        Ok(holds)
    }

    /// Both must hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let text = format!("({}) and ({})", self.text, other.text).into_boxed_str();
        Self { text, node: Node::All(vec![self.node.clone(), other.node.clone()]) }
    }

    /// Whether the verdict depends on the extras asked for.
    pub fn depends_on_extras(&self) -> bool {
        self.node.any(&|v| matches!(v, Variable::Extra | Variable::Extras))
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    fn any(&self, wanted: &dyn Fn(Variable) -> bool) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(|n| n.any(wanted)),
            Self::Compare(c) => wanted(c.variable),
        }
    }

    /// Every part is evaluated, as the reference does, so that an undefined comparison is never passed over.
    fn evaluate(&self, env: &MarkerEnvironment, extra: &str, extras: &[String]) -> Result<bool, UndefinedComparison> {
        match self {
            Self::All(nodes) => nodes.iter().try_fold(true, |acc, n| Ok(n.evaluate(env, extra, extras)? && acc)),
            Self::Any(nodes) => nodes.iter().try_fold(false, |acc, n| Ok(n.evaluate(env, extra, extras)? || acc)),
            Self::Compare(c) => c.evaluate(env, extra, extras),
        }
    }
}

impl Comparison {
    fn evaluate(&self, env: &MarkerEnvironment, extra: &str, extras: &[String]) -> Result<bool, UndefinedComparison> {
        let set = match self.variable {
            Variable::Fact(name) => return self.compare(name, env.get(name)),
            Variable::Extra => {
                let canonical = |t: &str| normalise_name(Ecosystem::PyPI, t);
                let (value, literal) = (canonical(extra), canonical(&self.literal));
                let (left, right) = if self.variable_first { (&value, &literal) } else { (&literal, &value) };
                return self.texts(left, right);
            }
            Variable::Extras => extras,
            Variable::DependencyGroups => &env.dependency_groups,
        };
        let wanted = normalise_name(Ecosystem::PyPI, &self.literal);
        let found = set.iter().any(|e| normalise_name(Ecosystem::PyPI, e) == wanted);
        match self.operator {
            MarkerOperator::In if !self.variable_first => Ok(found),
            MarkerOperator::NotIn if !self.variable_first => Ok(!found),
            _ => Err(UndefinedComparison),
        }
    }

    fn compare(&self, name: &str, value: &str) -> Result<bool, UndefinedComparison> {
        if let Some(range) = &self.range {
            return Ok(range.contains_text(value, true));
        }
        if let MarkerOperator::Version(operator) = self.operator
            && !self.variable_first
            && VERSION_FACTS.contains(&name)
            && let Some(range) = version_range(operator, value)
        {
            return Ok(range.contains_text(&self.literal, true));
        }
        let (left, right) = if self.variable_first { (value, &*self.literal) } else { (&*self.literal, value) };
        self.texts(left, right)
    }

    /// Texts have no order: `<=` and `>=` mean equality, `<` and `>` never hold.
    fn texts(&self, left: &str, right: &str) -> Result<bool, UndefinedComparison> {
        Ok(match self.operator {
            MarkerOperator::In => right.contains(left),
            MarkerOperator::NotIn => !right.contains(left),
            MarkerOperator::Version(Operator::Equal | Operator::LessEqual | Operator::GreaterEqual) => left == right,
            MarkerOperator::Version(Operator::NotEqual) => left != right,
            MarkerOperator::Version(Operator::Less | Operator::Greater) => false,
            MarkerOperator::Version(Operator::Compatible | Operator::Arbitrary) => return Err(UndefinedComparison),
        })
    }
}

/// One clause as a set; a literal with a comma or more than a version is none.
fn version_range(operator: Operator, version: &str) -> Option<Specifiers> {
    if version.contains(',') {
        return None;
    }
    specifiers(&format!("{}{version}", operator.text())).ok()
}

/// What markers are judged against: the facts of one interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkerEnvironment {
    facts: BTreeMap<String, String>,
    /// The dependency groups asked for (`"dev" in dependency_groups`, PEP 751).
    pub dependency_groups: Vec<String>,
}

impl MarkerEnvironment {
    /// From names and values, as `packaging.markers.default_environment()` has them.
    pub fn new<N: Into<String>, V: Into<String>>(facts: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut facts: BTreeMap<String, String> = facts.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        // Development builds report `3.14.0a0+`, which is no version: the reference mends it so.
        if let Some(full) = facts.get_mut("python_full_version").filter(|v| v.ends_with('+')) {
            full.push_str("local");
        }
        Self { facts, dependency_groups: Vec::new() }
    }

    /// The value of a variable by its canonical name; empty when not known.
    pub fn get(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}

impl From<&InterpreterFacts> for MarkerEnvironment {
    fn from(facts: &InterpreterFacts) -> Self {
        Self::new(facts.markers.iter().cloned())
    }
}

/// A short piece of hostile text, for messages.
fn excerpt(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

enum Operand {
    Variable(Variable, &'static str),
    Literal(String),
}

struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A keyword that ends at a word's end.
    fn keyword(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    /// Letters, digits, `-_.`; starts and ends with a letter or digit.
    fn identifier(&mut self) -> Option<&'t str> {
        let b = self.rest.as_bytes();
        let end = b.iter().position(|c| !(c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')));
        let end = end.unwrap_or(b.len());
        // A name cannot end with a separator: what remains is then an error of what follows.
        let end = b[..end].iter().rposition(u8::is_ascii_alphanumeric)? + 1;
        if !b[0].is_ascii_alphanumeric() {
            return None;
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(name)
    }

    fn extras(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        if !self.eat("[") {
            return Ok(out);
        }
        self.blanks();
        if self.eat("]") {
            return Ok(out);
        }
        loop {
            self.blanks();
            out.push(self.identifier().ok_or("expected the name of an extra")?.to_owned());
            self.blanks();
            if self.eat("]") {
                return Ok(out);
            }
            if !self.eat(",") {
                return Err("expected a comma between extras, or `]`".to_owned());
            }
        }
    }

    fn specifiers(&mut self) -> Result<Specifiers, String> {
        let parenthesised = self.eat("(");
        let text = self.take_while(|c| !matches!(c, ';' | ')'));
        if parenthesised && !self.eat(")") {
            return Err("expected `)` after the version specifier".to_owned());
        }
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Ok(Specifiers::default());
        }
        // One trailing comma is allowed, an empty clause is not; line ends are no blanks here.
        let body = text.strip_suffix(',').unwrap_or(text);
        if body.contains(['\n', '\r']) || body.split(',').any(|clause| clause.trim().is_empty()) {
            return Err(format!("invalid version specifier `{}`", excerpt(text)));
        }
        if Operator::at_start(body).is_none() {
            return Err(format!("expected a version specifier, `;` or the end, not `{}`", excerpt(body)));
        }
        specifiers(body)
    }

    fn marker_or(&mut self, depth: u32) -> Result<Node, String> {
        let mut nodes = vec![self.marker_and(depth)?];
        while self.joined_by("or") {
            nodes.push(self.marker_and(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn marker_and(&mut self, depth: u32) -> Result<Node, String> {
        let mut nodes = vec![self.marker_atom(depth)?];
        while self.joined_by("and") {
            nodes.push(self.marker_atom(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn joined_by(&mut self, word: &str) -> bool {
        self.blanks();
        self.keyword(word)
    }

    fn marker_atom(&mut self, depth: u32) -> Result<Node, String> {
        self.blanks();
        if self.eat("(") {
            if depth >= MAX_DEPTH {
                return Err(format!("marker nested deeper than {MAX_DEPTH}"));
            }
            let node = self.marker_or(depth + 1)?;
            self.blanks();
            return if self.eat(")") { Ok(node) } else { Err("expected `)` in the marker".to_owned()) };
        }
        let left = self.operand()?;
        self.blanks();
        let operator = self.marker_operator()?;
        self.blanks();
        let right = self.operand()?;
        let (variable, variable_first, literal) = match (left, right) {
            (Operand::Variable(variable, _), Operand::Literal(text)) => (variable, true, text),
            // The reference takes a second variable for a text: its own name.
            (Operand::Variable(variable, _), Operand::Variable(_, name)) => (variable, true, name.to_owned()),
            (Operand::Literal(text), Operand::Variable(variable, _)) => (variable, false, text),
            (Operand::Literal(_), Operand::Literal(_)) => {
                return Err("expected a variable on one side of the comparison".to_owned());
            }
        };
        let range = match (variable, operator) {
            (Variable::Fact(name), MarkerOperator::Version(op)) if variable_first && VERSION_FACTS.contains(&name) => {
                version_range(op, &literal)
            }
            _ => None,
        };
        Ok(Node::Compare(Comparison { variable, variable_first, operator, literal: literal.into(), range }))
    }

    fn marker_operator(&mut self) -> Result<MarkerOperator, String> {
        if let Some(operator) = Operator::at_start(self.rest) {
            self.eat(operator.text());
            return Ok(MarkerOperator::Version(operator));
        }
        if self.keyword("in") {
            return Ok(MarkerOperator::In);
        }
        if self.keyword("not") && self.rest.starts_with([' ', '\t']) {
            self.blanks();
            if self.keyword("in") {
                return Ok(MarkerOperator::NotIn);
            }
        }
        Err("expected a marker operator".to_owned())
    }

    fn operand(&mut self) -> Result<Operand, String> {
        for quote in ['\'', '"'] {
            let Some(rest) = self.rest.strip_prefix(quote) else { continue };
            let end = rest.find(quote).ok_or("unterminated text in the marker")?;
            self.rest = &rest[end + 1..];
            return Ok(Operand::Literal(unescape(&rest[..end])?));
        }
        let word = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        VARIABLES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(name, variable)| Operand::Variable(*variable, name))
            .ok_or_else(|| format!("expected a marker variable or quoted text, not `{}`", excerpt(word)))
    }
}

/// A Python literal's escapes. Those by number or name of a character are refused rather than half understood.
fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(c @ ('\\' | '\'' | '"')) => out.push(c),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            None | Some('x' | 'u' | 'U' | 'N' | '0'..='7' | 'a' | 'b' | 'f' | 'v' | '\n') => {
                return Err("invalid quoted text in the marker".to_owned());
            }
            Some(other) => out.extend(['\\', other]),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_part() {
        let r = parse("Foo.Bar [a, B_c] (>= 1.0, <2) ; python_version < '3.12' and extra == 'X'").unwrap();
        assert_eq!((r.name.canonical(), r.extras.join("+").as_str()), ("foo-bar", "a+B_c"));
        assert_eq!(r.specifiers.to_string(), ">=1.0,<2");
        let env = MarkerEnvironment::new([("python_version", "3.11")]);
        assert!(r.applies(&env, &["x".to_owned()]) && !r.applies(&env, &[]));
        let r = parse("foo @ git+https://h/x@v1#egg=foo ; os_name == 'nt'").unwrap();
        assert_eq!(r.url.as_deref(), Some("git+https://h/x@v1#egg=foo"));
        assert_eq!(r.to_string(), "foo @ git+https://h/x@v1#egg=foo ; os_name == 'nt'");
    }

    #[test]
    fn hostile_texts_are_errors() {
        for text in
            ["foo- >1", "foo->1", "-", "", "foo[", "foo[a,]", "foo;", "foo; (", "foo>=1;;", "foo ==", "\u{feff}foo"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&format!("a;{}", "(".repeat(4000))).is_err());
        assert!(parse(&"a".repeat(9000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a-z0-9\\[\\](),;<>=~!@ '\"\\\\._\\PC]{0,60}") {
            let _ = parse(&text);
            let _ = Marker::parse(&text);
        }

        #[test]
        fn nearly_right_markers(parts in proptest::collection::vec(
            prop_oneof!["python_version", "extra", "os.name", "'3.6'", "\"x\"", "in", "not in", "and", "or", "==", "~=", "\\(", "\\)"], 0..12)
        ) {
            if let Ok(marker) = Marker::parse(&parts.join(" ")) {
                let _ = marker.evaluate(&MarkerEnvironment::default(), &[]);
            }
        }
    }
}
