//! node-semver's versions and ranges, as npm itself reads them: strict and loose, with and without pre-releases.
//!
//! In: the text of a version or a range. Out: [`Version`] (borrowed, `Copy`) and [`Range`], comparisons and verdicts.
//! The reference is the node-semver 7 library; no published crate agrees with it on every row of its own tables.
//! Reading is linear in the text. A version is at most [`MAX_VERSION_LENGTH`] bytes, as there; a range is at most
//! [`MAX_RANGE_LENGTH`] (the reference has no limit), and its numbers are at most [`MAX_SAFE_INTEGER`].

use std::cmp::Ordering;
use std::fmt;

/// The longest version text, in bytes.
pub const MAX_VERSION_LENGTH: usize = 256;
/// The longest range text that is read, in bytes.
pub const MAX_RANGE_LENGTH: usize = 64 * 1024;
/// The largest number in a version: JavaScript's largest safe integer.
pub const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// How texts are read. npm itself reads with [`Options::NPM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Accepts `1.2.3beta`, `=v1.2.3`, leading zeros, and skips the parts of a range that are no comparators.
    pub loose: bool,
    /// Lets pre-releases satisfy a range whose comparators name none.
    pub include_prerelease: bool,
}

impl Options {
    /// `{ loose: true }`: what npm passes when it reads specs, packuments and lockfiles.
    pub const NPM: Self = Self { loose: true, include_prerelease: false };
}

/// A version, borrowing its text.
#[derive(Debug, Clone, Copy)]
pub struct Version<'t> {
    /// First number.
    pub major: u64,
    /// Second number.
    pub minor: u64,
    /// Third number.
    pub patch: u64,
    /// Dot-separated pre-release identifiers; empty for a release.
    pub pre: &'t str,
    /// Dot-separated build identifiers; they take no part in comparison.
    pub build: &'t str,
}

impl<'t> Version<'t> {
    /// Reads a version; `None` when node-semver would throw.
    pub fn parse(text: &'t str, loose: bool) -> Option<Self> {
        if text.len() > MAX_VERSION_LENGTH {
            return None;
        }
        let text = text.trim_matches(is_space);
        let text = if loose {
            text.trim_start_matches(|c| c == 'v' || c == '=' || is_space(c))
        } else {
            text.strip_prefix('v').unwrap_or(text)
        };
        let partial = Partial::read(text, loose)?;
        match (partial.major, partial.minor, partial.patch) {
            (Part::Number(major), Part::Number(minor), Part::Number(patch))
                if major.max(minor).max(patch) <= MAX_SAFE_INTEGER =>
            {
                Some(Self { major, minor, patch, pre: partial.pre, build: partial.build })
            }
            _ => None,
        }
    }

    /// Whether it has pre-release identifiers.
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }

    fn triple(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    /// Precedence (SemVer §11), without allocating. Build metadata is ignored.
    pub fn precedence(&self, other: &Version<'_>) -> Ordering {
        self.triple().cmp(&other.triple()).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(self.pre, other.pre),
        })
    }
}

/// The normal form: no `v`, no leading zeros, no build metadata.
impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (i, id) in self.pre.split('.').filter(|_| !self.pre.is_empty()).enumerate() {
            f.write_str(if i == 0 { "-" } else { "." })?;
            match safe_number(id) {
                Some(n) => write!(f, "{n}")?,
                None => f.write_str(id)?,
            }
        }
        Ok(())
    }
}

/// JavaScript's `\s`.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A numeric identifier below the largest safe integer.
fn safe_number(id: &str) -> Option<u64> {
    if is_digits(id) { id.parse().ok().filter(|n| *n < MAX_SAFE_INTEGER) } else { None }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match compare_identifiers(x, y) {
                Ordering::Equal => {}
                other => return other,
            },
        }
    }
}

fn compare_identifiers(a: &str, b: &str) -> Ordering {
    match (is_digits(a), is_digits(b)) {
        (true, true) => {
            let (x, y) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            if x.len() <= 15 && y.len() <= 15 {
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            } else {
                // Past the safe integers the reference compares doubles, so close neighbours are equal there.
                let number = |t: &str| t.parse::<f64>().unwrap_or(f64::INFINITY);
                number(x).partial_cmp(&number(y)).unwrap_or(Ordering::Equal)
            }
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

/// A part of a version in a range: a number, or an `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Saturated: anything past the safe integers is refused where it is used.
    Number(u64),
    /// `x`, `X`, `*`.
    Any,
    /// Not written.
    Missing,
}

impl Part {
    fn is_x(self) -> bool {
        !matches!(self, Self::Number(_))
    }

    fn value(self) -> u64 {
        match self {
            Self::Number(n) => n,
            Self::Any | Self::Missing => 0,
        }
    }
}

/// `1`, `1.x`, `1.2.3-pre+build`: what may follow an operator. `zero_major` and `zero_minor` are about the text `0`
/// itself, which is what the caret's special cases ask for.
#[derive(Debug, Clone, Copy)]
struct Partial<'t> {
    major: Part,
    minor: Part,
    patch: Part,
    pre: &'t str,
    build: &'t str,
    zero_major: bool,
    zero_minor: bool,
}

impl<'t> Partial<'t> {
    /// Reads the whole of `text`; `None` when anything is left over.
    fn read(text: &'t str, loose: bool) -> Option<Self> {
        let mut out = Self {
            major: Part::Missing,
            minor: Part::Missing,
            patch: Part::Missing,
            pre: "",
            build: "",
            zero_major: false,
            zero_minor: false,
        };
        let (major, major_text, rest) = read_part(text, loose)?;
        (out.major, out.zero_major) = (major, major_text == "0");
        let Some(rest) = strip_dot(rest)? else { return Some(out) };
        let (minor, minor_text, rest) = read_part(rest, loose)?;
        (out.minor, out.zero_minor) = (minor, minor_text == "0");
        let Some(rest) = strip_dot(rest)? else { return Some(out) };
        let (patch, patch_text, mut rest) = read_part(rest, loose)?;
        out.patch = patch;
        if loose && rest.starts_with('.') && patch_text.len() > 1 && is_digits(patch_text) {
            // The loose grammar makes the dash optional, so `1.2.34.5` can only be read as `1.2.3` and `4.5`.
            let start = text.len() - rest.len() - 1;
            out.patch = Part::Number(number(&patch_text[..patch_text.len() - 1]));
            rest = text.get(start..)?;
        }
        let (pre, build) = match rest.split_once('+') {
            Some((pre, build)) if !build.is_empty() => (pre, build),
            Some(_) => return None,
            None => (rest, ""),
        };
        out.pre = read_pre(pre, loose)?;
        out.build = build;
        let build_ok = build.is_empty() || build.split('.').all(|id| !id.is_empty() && id.bytes().all(is_id_byte));
        build_ok.then_some(out)
    }
}

/// `Some(None)`: the text ends here; `Some(Some(rest))`: a dot was taken; `None`: something else follows.
fn strip_dot(rest: &str) -> Option<Option<&str>> {
    if rest.is_empty() { Some(None) } else { rest.strip_prefix('.').map(Some) }
}

fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

fn is_id_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-'
}

fn read_part(text: &str, loose: bool) -> Option<(Part, &str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let length = match text.as_bytes().first()? {
        b'x' | b'X' | b'*' => return Some((Part::Any, text.get(..1)?, text.get(1..)?)),
        _ if digits == 0 || digits > MAX_VERSION_LENGTH => return None,
        b'0' if !loose && digits > 1 => return None,
        _ => digits,
    };
    let (taken, rest) = text.split_at(length);
    Some((Part::Number(number(taken)), taken, rest))
}

/// The pre-release identifiers in `text`, which starts at the dash (loose: the dash may be missing).
fn read_pre(text: &str, loose: bool) -> Option<&str> {
    if text.is_empty() {
        return Some("");
    }
    let identifier = |id: &str| {
        let numeric = is_digits(id) && (loose || id == "0" || !id.starts_with('0'));
        let named = id.bytes().all(is_id_byte) && !is_digits(id) && !id.is_empty();
        numeric || named
    };
    let valid = |ids: &str| ids.split('.').all(identifier);
    match text.strip_prefix('-') {
        Some(rest) if valid(rest) => Some(rest),
        _ if loose && valid(text) => Some(text),
        _ => None,
    }
}

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
    options: Options,
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

/// Whether `version` satisfies `range`; `false` when either cannot be read, as node-semver's `satisfies` has it.
pub fn satisfies(version: &str, range: &str, options: Options) -> bool {
    match (Version::parse(version, options.loose), Range::parse(range, options)) {
        (Some(version), Some(range)) => range.satisfied_by(&version),
        _ => false,
    }
}

/// The highest of `versions` that satisfies `range`; the first of equals.
pub fn max_satisfying<'v>(versions: impl IntoIterator<Item = &'v str>, range: &Range) -> Option<&'v str> {
    let mut best: Option<(&str, Version<'_>)> = None;
    for text in versions {
        let Some(version) = Version::parse(text, range.options.loose) else { continue };
        if range.satisfied_by(&version) && best.as_ref().is_none_or(|(_, b)| version.precedence(b).is_gt()) {
            best = Some((text, version));
        }
    }
    best.map(|(text, _)| text)
}

/// See [`crate::ecosystem::compare_versions`].
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(Version::parse(a, true)?.precedence(&Version::parse(b, true)?))
}

/// See [`crate::ecosystem::admits`].
pub fn admits(range: &str, version: &str) -> Option<bool> {
    let version = Version::parse(version, true)?;
    Some(Range::parse(range, Options::NPM)?.satisfied_by(&version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn npm_reads_loosely() {
        assert_eq!(compare("v1.2.3", "=1.2.3+build"), Some(Ordering::Equal));
        assert_eq!(compare("1.2.3beta", "1.2.3"), Some(Ordering::Less));
        assert_eq!(compare("latest", "1.2.3"), None);
        assert_eq!(admits("", "1.0.0"), Some(true));
        assert_eq!(admits("^1.2", "2.0.0-rc.1"), Some(false));
        assert_eq!(admits("latest", "1.0.0"), None);
    }

    #[test]
    fn a_star_after_a_full_version_is_dropped() {
        let text = |r| Range::parse(r, Options::default()).map(|r| r.to_string());
        assert_eq!(text("1.2.3*").as_deref(), Some("1.2.3"));
        assert_eq!(text(">= 1 <2.x").as_deref(), Some(">=1.0.0 <2.0.0-0"));
        assert_eq!(text("== 1"), None);
        assert_eq!(text("1.x.3"), None);
        assert_eq!(text("^9007199254740991"), None);
    }

    #[test]
    fn long_identifiers_compare_as_doubles() {
        let order = |a, b| compare(a, b);
        assert_eq!(order("1.0.0-9007199254740993", "1.0.0-9007199254740992"), Some(Ordering::Equal));
        assert_eq!(order("1.0.0-10", "1.0.0-9"), Some(Ordering::Greater));
        assert_eq!(order("1.0.0-010", "1.0.0-10"), Some(Ordering::Equal));
    }

    proptest! {
        #[test]
        fn never_panics(range in "[ -~é\u{feff}]{0,40}", version in "[0-9a-zA-Z.+=v -]{0,30}", loose: bool, pre: bool) {
            let options = Options { loose, include_prerelease: pre };
            let parsed = Range::parse(&range, options);
            if let (Some(range), Some(version)) = (&parsed, Version::parse(&version, loose)) {
                range.satisfied_by(&version);
                range.outside(&version, Ordering::Greater);
                range.intersects(range);
            }
        }

        #[test]
        fn canonical_text_reads_back(range in "[0-9x*.^~<>=| -]{0,24}", pre: bool) {
            let options = Options { loose: false, include_prerelease: pre };
            if let Some(parsed) = Range::parse(&range, options) {
                let again = Range::parse(&parsed.to_string(), options).map(|r| r.to_string());
                prop_assert_eq!(again, Some(parsed.to_string()));
            }
        }
    }
}
