//! A range: alternatives, each a set of comparators; text in, [`Range`] out.

use std::cmp::Ordering;
use std::fmt;

use super::version::{Part, Partial, Version, is_id_byte, is_space};
use super::{MAX_RANGE_LENGTH, MAX_SAFE_INTEGER, MAX_VERSION_LENGTH, Options};

/// A comparator's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Operator {
    Exact,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Operator {
    const fn text(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    fn is_upper(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual)
    }

    fn is_lower(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual)
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Exact => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

/// One bound. The comparator that admits everything is the absence of one: see [`Set`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    major: u64,
    minor: u64,
    patch: u64,
    pre: Box<str>,
}

impl Comparator {
    /// `None` past the safe integers, where the reference throws.
    fn new(operator: Operator, triple: (u64, u64, u64), pre: &str) -> Option<Self> {
        let (major, minor, patch) = triple;
        (major.max(minor).max(patch) <= MAX_SAFE_INTEGER && pre.len() + 6 <= MAX_VERSION_LENGTH).then(|| Self {
            operator,
            major,
            minor,
            patch,
            pre: pre.into(),
        })
    }

    fn version(&self) -> Version<'_> {
        Version { major: self.major, minor: self.minor, patch: self.patch, pre: &self.pre, build: "" }
    }

    fn admits(&self, version: &Version<'_>) -> bool {
        self.operator.holds(version.precedence(&self.version()))
    }

    /// `<0.0.0-0`: nothing is below it.
    fn is_null(&self) -> bool {
        self.operator == Operator::Less
            && self.version().triple() == (0, 0, 0)
            && !self.pre.is_empty()
            && self.pre.bytes().all(|b| b == b'0')
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.operator.text(), self.version())
    }
}

/// Comparators that must all hold. Empty: anything.
type Set = Vec<Comparator>;

/// A range: alternatives of comparator sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    sets: Vec<Set>,
    pub(super) options: Options,
}

impl Range {
    /// Reads a range; `None` when node-semver would throw. The empty text admits every release.
    pub fn parse(text: &str, options: Options) -> Option<Self> {
        if text.len() > MAX_RANGE_LENGTH {
            return None;
        }
        let text = collapse_space(text);
        let mut sets = Vec::new();
        for alternative in text.split("||") {
            sets.extend(read_set(alternative.trim_matches(' '), options)?);
        }
        let is_null = |set: &Set| set.first().is_some_and(Comparator::is_null);
        if sets.len() > 1 {
            if sets.iter().all(is_null) {
                sets.truncate(1);
            } else {
                sets.retain(|set| !is_null(set));
            }
            if sets.iter().any(Vec::is_empty) {
                sets = vec![Vec::new()];
            }
        }
        (!sets.is_empty()).then_some(Self { sets, options })
    }

    /// Whether a version satisfies the range.
    pub fn satisfied_by(&self, version: &Version<'_>) -> bool {
        self.sets.iter().any(|set| self.set_admits(set, version))
    }

    fn set_admits(&self, set: &Set, version: &Version<'_>) -> bool {
        if !set.iter().all(|c| c.admits(version)) {
            return false;
        }
        // A pre-release is admitted only where a comparator of the same triple asks for pre-releases.
        !version.is_prerelease()
            || self.options.include_prerelease
            || set.iter().any(|c| !c.pre.is_empty() && c.version().triple() == version.triple())
    }

    /// Whether every release satisfies it (`*`, the empty text).
    pub fn is_any(&self) -> bool {
        self.sets.iter().any(Vec::is_empty)
    }

    /// Whether it admits exactly one version.
    pub fn is_exact(&self) -> bool {
        match self.sets.as_slice() {
            [set] => set.iter().any(|c| c.operator == Operator::Exact),
            _ => false,
        }
    }

    /// Whether some version satisfies both ranges, as node-semver's `intersects` decides it.
    pub fn intersects(&self, other: &Self) -> bool {
        let satisfiable = |set: &Set| self.is_satisfiable(set);
        self.sets.iter().filter(|s| satisfiable(s)).any(|mine| {
            other
                .sets
                .iter()
                .filter(|s| satisfiable(s))
                .any(|theirs| mine.iter().all(|a| theirs.iter().all(|b| self.bounds_meet(a, b))))
        })
    }

    fn is_satisfiable(&self, set: &Set) -> bool {
        set.iter().enumerate().all(|(i, a)| set.iter().skip(i + 1).all(|b| self.bounds_meet(a, b)))
    }

    fn bounds_meet(&self, a: &Comparator, b: &Comparator) -> bool {
        let single = |c: &Comparator| Self { sets: vec![vec![c.clone()]], options: self.options };
        if a.operator == Operator::Exact {
            return single(b).satisfied_by(&a.version());
        }
        if b.operator == Operator::Exact {
            return single(a).satisfied_by(&b.version());
        }
        let nothing_below = |c: &Comparator| {
            let zero = c.operator == Operator::Less && c.version().triple() == (0, 0, 0);
            if self.options.include_prerelease { zero && &*c.pre == "0" } else { zero }
        };
        if nothing_below(a) || nothing_below(b) {
            return false;
        }
        if a.operator.is_lower() == b.operator.is_lower() {
            return true;
        }
        let inclusive = |o| matches!(o, Operator::LessEqual | Operator::GreaterEqual);
        match a.version().precedence(&b.version()) {
            Ordering::Equal => inclusive(a.operator) && inclusive(b.operator),
            Ordering::Less => a.operator.is_lower(),
            Ordering::Greater => a.operator.is_upper(),
        }
    }

    /// Whether a version lies above (`Greater`) or below (`Less`) everything that the range admits.
    pub fn outside(&self, version: &Version<'_>, side: Ordering) -> bool {
        if self.satisfied_by(version) {
            return false;
        }
        let (strict, inclusive) = match side {
            Ordering::Greater => (Operator::Greater, Operator::GreaterEqual),
            _ => (Operator::Less, Operator::LessEqual),
        };
        let beyond = |a: &Version<'_>, b: &Version<'_>| {
            let ordering = a.precedence(b);
            if side.is_gt() { ordering } else { ordering.reverse() }
        };
        let anything =
            [Comparator { operator: Operator::GreaterEqual, major: 0, minor: 0, patch: 0, pre: Box::default() }];
        self.sets.iter().all(|set| {
            let set: &[Comparator] = if set.is_empty() { &anything } else { set };
            let (mut high, mut low) = (&anything[0], &anything[0]);
            for (i, comparator) in set.iter().enumerate() {
                if i == 0 {
                    (high, low) = (comparator, comparator);
                } else if beyond(&comparator.version(), &high.version()).is_gt() {
                    high = comparator;
                } else if beyond(&comparator.version(), &low.version()).is_lt() {
                    low = comparator;
                }
            }
            if high.operator == strict || high.operator == inclusive {
                return false;
            }
            let position = beyond(version, &low.version());
            let inside = ((low.operator == Operator::Exact || low.operator == strict) && position.is_le())
                || (low.operator == inclusive && position.is_lt());
            !inside
        })
    }
}

/// node-semver's canonical text; `*` for a range that admits everything.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        for (i, set) in self.sets.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "||" })?;
            for (k, comparator) in set.iter().enumerate() {
                f.write_str(if k == 0 { "" } else { " " })?;
                write!(f, "{comparator}")?;
            }
        }
        Ok(())
    }
}

/// Trimmed, and every run of white space one blank.
fn collapse_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(is_space).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// One alternative. `Some(None)`: nothing in it is a comparator and loose reading drops it; `None`: not a range.
fn read_set(text: &str, options: Options) -> Option<Option<Set>> {
    let text = strip_builds(text);
    if let Some(set) = read_hyphen(&text, options) {
        return Some(Some(reduce(set?)));
    }
    let text = join_operators(&text);
    let mut set = Vec::new();
    let mut seen = false;
    for token in text.split(' ') {
        match read_token(token, options) {
            Some(comparators) => {
                seen = true;
                set.extend(comparators?);
            }
            None if options.loose => {}
            None => return None,
        }
    }
    Some(seen.then(|| reduce(set)))
}

/// Without repetition; only the null comparator when there is one.
fn reduce(set: Set) -> Set {
    if let Some(null) = set.iter().find(|c| c.is_null()) {
        return vec![null.clone()];
    }
    let mut out: Set = Vec::with_capacity(set.len());
    for comparator in set {
        if !out.contains(&comparator) {
            out.push(comparator);
        }
    }
    out
}

/// Without `+build.metadata`, wherever it stands.
fn strip_builds(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('+');
    out.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let bytes = part.as_bytes();
        let run = |from: usize| bytes.iter().skip(from).take_while(|b| is_id_byte(**b)).count();
        let mut end = run(0);
        if end == 0 {
            out.push('+');
        }
        while end > 0 && bytes.get(end) == Some(&b'.') && run(end + 1) > 0 {
            end += 1 + run(end + 1);
        }
        out.push_str(part.get(end..).unwrap_or(""));
    }
    out
}

/// Takes out the blanks that may stand between an operator and its version: `>= 1`, `~ 1`, `~> 1`, `^ 1`.
fn join_operators(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let run = bytes.iter().skip(at).take_while(|b| matches!(b, b' ' | b'<' | b'>' | b'=' | b'v')).count();
        if run == 0 {
            let length = text.get(at..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8);
            out.push_str(text.get(at..at + length).unwrap_or(""));
            at += length;
            if matches!(b, b'~' | b'^') {
                at += bytes.iter().skip(at).take_while(|b| **b == b' ').count();
            }
            continue;
        }
        let span = text.get(at..at + run).unwrap_or("");
        let before_version = matches!(bytes.get(at + run), Some(b'0'..=b'9' | b'x' | b'X' | b'*'));
        let start = span.rfind(['<', '>']).or_else(|| span.find(|c| c != ' ')).unwrap_or(run);
        let mut length = 0;
        let head = span.as_bytes();
        if matches!(head.get(start), Some(b'<' | b'>')) {
            length += 1;
        }
        if head.get(start + length) == Some(&b'=') {
            length += 1;
        }
        let tilde = out.ends_with('~') && span.starts_with('>');
        if (before_version && length > 0) || (tilde && start + length == 1) {
            out.push_str(span.get(..start + length).unwrap_or(""));
            out.push_str(span.get(start + length..).unwrap_or("").trim_start_matches(' '));
        } else {
            out.push_str(span);
        }
        at += run;
    }
    out
}

/// `A - B`. `None`: not of this form; `Some(None)`: of this form, and past the limits.
fn read_hyphen(text: &str, options: Options) -> Option<Option<Set>> {
    let (from, to) = text.split_once(" - ")?;
    fn side(text: &str, loose: bool) -> Option<Partial<'_>> {
        Partial::read(text.trim_matches(' ').trim_start_matches(['v', '=', ' ']), loose)
    }
    // A full version goes as it is written behind the operator, so a strict reader sees `>==1.2.3`.
    let doubled = |text: &str, side: &Partial<'_>| !options.loose && !side.patch.is_x() && text.trim().starts_with('=');
    let (from_text, to_text) = (from, to);
    let (from, to) = (side(from, options.loose)?, side(to, options.loose)?);
    if doubled(from_text, &from) || (to.pre.is_empty() && !options.include_prerelease && doubled(to_text, &to)) {
        return Some(None);
    }
    let lowest = if options.include_prerelease { "0" } else { "" };
    let mut set = Vec::new();
    let mut bound = |operator, triple, pre: &str| {
        set.push(Comparator::new(operator, triple, pre));
    };
    let (major, minor, patch) = (from.major.value(), from.minor.value(), from.patch.value());
    if from.major.is_x() {
    } else if from.minor.is_x() {
        bound(Operator::GreaterEqual, (major, 0, 0), lowest);
    } else if from.patch.is_x() {
        bound(Operator::GreaterEqual, (major, minor, 0), lowest);
    } else {
        bound(Operator::GreaterEqual, (major, minor, patch), if from.pre.is_empty() { lowest } else { from.pre });
    }
    let (major, minor, patch) = (to.major.value(), to.minor.value(), to.patch.value());
    if to.major.is_x() {
    } else if to.minor.is_x() {
        bound(Operator::Less, (major.saturating_add(1), 0, 0), "0");
    } else if to.patch.is_x() {
        bound(Operator::Less, (major, minor.saturating_add(1), 0), "0");
    } else if !to.pre.is_empty() {
        bound(Operator::LessEqual, (major, minor, patch), to.pre);
    } else if options.include_prerelease {
        bound(Operator::Less, (major, minor, patch.saturating_add(1)), "0");
    } else {
        bound(Operator::LessEqual, (major, minor, patch), "");
    }
    Some(set.into_iter().collect::<Option<Set>>().map(|set| without_zero(set, options)))
}

/// Without `>=0.0.0` (`>=0.0.0-0` where pre-releases are included), which admits everything.
fn without_zero(mut set: Set, options: Options) -> Set {
    let lowest = if options.include_prerelease { "0" } else { "" };
    set.retain(|c| !(c.operator == Operator::GreaterEqual && c.version().triple() == (0, 0, 0) && &*c.pre == lowest));
    set
}

/// One word of a range. `None`: no comparator; `Some(None)`: a comparator past the limits, which throws even loosely.
fn read_token(token: &str, options: Options) -> Option<Option<Set>> {
    let loose = options.loose;
    fn plain(text: &str, loose: bool) -> Option<Partial<'_>> {
        Partial::read(text.trim_start_matches(['v', '=']), loose)
    }
    if let Some(rest) = token.strip_prefix('^')
        && let Some(partial) = plain(rest, loose)
    {
        return Some(caret(&partial, options));
    }
    if let Some(rest) = token.strip_prefix('~')
        && let Some(partial) = plain(rest.strip_prefix('>').unwrap_or(rest), loose)
    {
        return Some(tilde(&partial, options));
    }
    let (operator, written, rest) = read_operator(token);
    if let Some(partial) = plain(rest, loose)
        && !invalid_order(&partial)
        && (partial.major.is_x() || partial.minor.is_x() || partial.patch.is_x())
    {
        return Some(x_range(operator, &partial, options));
    }
    // What is left must be a full version; one star anywhere is dropped, with the operator before it.
    let without_star;
    let token = match token.find('*') {
        Some(star) => {
            let head = token.get(..star).unwrap_or("");
            let head = head.strip_suffix('=').unwrap_or(head);
            let head = head.strip_suffix(['<', '>']).unwrap_or(head);
            without_star = format!("{head}{}", token.get(star + 1..).unwrap_or(""));
            &without_star
        }
        None => token,
    };
    if token.is_empty() {
        return Some(Some(Vec::new()));
    }
    let (operator, rest) = if written.is_empty() || token.starts_with(written) {
        let (operator, _, rest) = read_operator(token);
        (operator, rest)
    } else {
        (Operator::Exact, token)
    };
    let rest = if loose { rest.trim_start_matches(['v', '=']) } else { rest.strip_prefix('v').unwrap_or(rest) };
    let full = Partial::read(rest, loose)?;
    let (Part::Number(major), Part::Number(minor), Part::Number(patch)) = (full.major, full.minor, full.patch) else {
        return None;
    };
    let comparator = Comparator::new(operator, (major, minor, patch), full.pre);
    Some(comparator.map(|c| without_zero(vec![c], options)))
}

fn read_operator(token: &str) -> (Operator, &str, &str) {
    const TABLE: [(&str, Operator); 5] = [
        ("<=", Operator::LessEqual),
        (">=", Operator::GreaterEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("=", Operator::Exact),
    ];
    for (text, operator) in TABLE {
        if let Some(rest) = token.strip_prefix(text) {
            return (operator, text, rest);
        }
    }
    (Operator::Exact, "", token)
}

/// `x.1`, `1.x.3`: a number after an x.
fn invalid_order(p: &Partial<'_>) -> bool {
    (p.major.is_x() && !p.minor.is_x()) || (p.minor.is_x() && !p.patch.is_x())
}

/// `>=low <high-0`; `None` past the limits.
fn between(low: (u64, u64, u64), pre: &str, high: (u64, u64, u64), options: Options) -> Option<Set> {
    let low = Comparator::new(Operator::GreaterEqual, low, pre)?;
    let high = Comparator::new(Operator::Less, high, "0")?;
    Some(without_zero(vec![low, high], options))
}

fn caret(p: &Partial<'_>, options: Options) -> Option<Set> {
    let lowest = if options.include_prerelease { "0" } else { "" };
    let (major, minor, patch) = (p.major.value(), p.minor.value(), p.patch.value());
    let next_major = (major.saturating_add(1), 0, 0);
    let next_minor = (major, minor.saturating_add(1), 0);
    if p.major.is_x() {
        Some(Vec::new())
    } else if p.minor.is_x() {
        between((major, 0, 0), lowest, next_major, options)
    } else if p.patch.is_x() {
        between((major, minor, 0), lowest, if p.zero_major { next_minor } else { next_major }, options)
    } else {
        let high = match (p.zero_major, p.zero_minor) {
            (true, true) => (major, minor, patch.saturating_add(1)),
            (true, false) => next_minor,
            (false, _) => next_major,
        };
        between((major, minor, patch), p.pre, high, options)
    }
}

fn tilde(p: &Partial<'_>, options: Options) -> Option<Set> {
    let lowest = if options.include_prerelease { "0" } else { "" };
    let (major, minor, patch) = (p.major.value(), p.minor.value(), p.patch.value());
    let next_minor = (major, minor.saturating_add(1), 0);
    if p.major.is_x() {
        Some(Vec::new())
    } else if p.minor.is_x() {
        between((major, 0, 0), lowest, (major.saturating_add(1), 0, 0), options)
    } else if p.patch.is_x() {
        between((major, minor, 0), lowest, next_minor, options)
    } else {
        between((major, minor, patch), p.pre, next_minor, options)
    }
}

fn x_range(operator: Operator, p: &Partial<'_>, options: Options) -> Option<Set> {
    let lowest = if options.include_prerelease { "0" } else { "" };
    let (major, minor) = (p.major.value(), p.minor.value());
    let next = if p.minor.is_x() { (major.saturating_add(1), 0, 0) } else { (major, minor.saturating_add(1), 0) };
    let this = (major, minor, 0);
    if p.major.is_x() {
        return match operator {
            Operator::Less | Operator::Greater => Some(vec![Comparator::new(Operator::Less, (0, 0, 0), "0")?]),
            _ => Some(Vec::new()),
        };
    }
    let one =
        |operator, triple, pre: &str| Comparator::new(operator, triple, pre).map(|c| without_zero(vec![c], options));
    match operator {
        Operator::Exact => between(this, lowest, next, options),
        Operator::Greater => one(Operator::GreaterEqual, next, lowest),
        Operator::GreaterEqual => one(Operator::GreaterEqual, this, lowest),
        Operator::Less => one(Operator::Less, this, "0"),
        Operator::LessEqual => one(Operator::Less, next, "0"),
    }
}
