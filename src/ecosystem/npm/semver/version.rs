//! A version, and the partial versions that ranges are made of: text in, numbers and identifiers out.

use std::cmp::Ordering;
use std::fmt;

use super::{MAX_SAFE_INTEGER, MAX_VERSION_LENGTH};

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

    pub(super) fn triple(&self) -> (u64, u64, u64) {
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
pub(super) fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A numeric identifier below the largest safe integer.
pub(super) fn safe_number(id: &str) -> Option<u64> {
    if is_digits(id) { id.parse().ok().filter(|n| *n < MAX_SAFE_INTEGER) } else { None }
}

pub(super) fn compare_pre(a: &str, b: &str) -> Ordering {
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

pub(super) fn compare_identifiers(a: &str, b: &str) -> Ordering {
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
pub(super) enum Part {
    /// Saturated: anything past the safe integers is refused where it is used.
    Number(u64),
    /// `x`, `X`, `*`.
    Any,
    /// Not written.
    Missing,
}

impl Part {
    pub(super) fn is_x(self) -> bool {
        !matches!(self, Self::Number(_))
    }

    pub(super) fn value(self) -> u64 {
        match self {
            Self::Number(n) => n,
            Self::Any | Self::Missing => 0,
        }
    }
}

/// `1`, `1.x`, `1.2.3-pre+build`: what may follow an operator. `zero_major` and `zero_minor` are about the text `0`
/// itself, which is what the caret's special cases ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partial<'t> {
    pub(super) major: Part,
    pub(super) minor: Part,
    pub(super) patch: Part,
    pub(super) pre: &'t str,
    pub(super) build: &'t str,
    pub(super) zero_major: bool,
    pub(super) zero_minor: bool,
}

impl<'t> Partial<'t> {
    /// Reads the whole of `text`; `None` when anything is left over.
    pub(super) fn read(text: &'t str, loose: bool) -> Option<Self> {
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
pub(super) fn strip_dot(rest: &str) -> Option<Option<&str>> {
    if rest.is_empty() { Some(None) } else { rest.strip_prefix('.').map(Some) }
}

pub(super) fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

pub(super) fn is_id_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-'
}

pub(super) fn read_part(text: &str, loose: bool) -> Option<(Part, &str, &str)> {
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
pub(super) fn read_pre(text: &str, loose: bool) -> Option<&str> {
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
