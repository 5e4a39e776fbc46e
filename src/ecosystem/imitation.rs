//! Whether a name looks like a much better known one. A name in; the name it looks like, and how, out. This is about
//! spelling alone: thousands of honest packages are one letter from a famous one, so the rule that asks weighs age too.

use std::sync::LazyLock;

use super::popular;
use crate::model::{Ecosystem, PackageName};

/// The likeness of two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imitation {
    /// The well-known name, canonical.
    pub of: &'static str,
    /// Its ecosystem: another one for [`Likeness::Elsewhere`].
    pub ecosystem: Ecosystem,
    /// How they are alike.
    pub how: Likeness,
}

/// How one name is like another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// Characters that look alike: `0` and `o`, `1` and `l`, `rn` and `m`, letters of other scripts.
    Homoglyph,
    /// The same letters, other separators: `crossenv`, `lo-dash`.
    Separator,
    /// A scope spelt almost like a known one, or left out: `@bable/core`, `babel-core`.
    Scope,
    /// One edit, or two in a long name; a swap of neighbours is one.
    Edit,
    /// A word more, less or changed that means nothing: `python-NAME`, `NAME-js`, a plural.
    Affix,
    /// The same words in another order.
    Order,
    /// A well-known name of another ecosystem.
    Elsewhere,
}

impl Likeness {
    /// For messages and evidence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Homoglyph => "characters that look alike",
            Self::Separator => "other separators",
            Self::Scope => "another scope",
            Self::Edit => "a slip of the finger",
            Self::Affix => "a word around it",
            Self::Order => "the same words in another order",
            Self::Elsewhere => "the name of a package elsewhere",
        }
    }
}

/// Longest name that is compared.
const LONGEST: usize = 80;
/// Shortest name (letters and digits) in which one edit means anything.
const ONE_EDIT: usize = 5;
/// Shortest name in which two letters more do, measured with them.
const TWO_EDITS: usize = 9;
/// Shortest name in which any two edits do.
const ANY_TWO_EDITS: usize = 12;
/// Shortest bare name that an affix is taken from.
const BARE: usize = 4;

/// Words that say nothing of what a package does, so that the name with and without one passes for the same thing.
const AFFIXES: &[&str] = &[
    "2",
    "3",
    "api",
    "app",
    "async",
    "beta",
    "binary",
    "bin",
    "cli",
    "client",
    "common",
    "core",
    "dev",
    "easy",
    "extra",
    "fast",
    "fixed",
    "fork",
    "free",
    "helper",
    "helpers",
    "js",
    "kit",
    "latest",
    "lib",
    "libs",
    "lite",
    "lts",
    "main",
    "module",
    "native",
    "new",
    "next",
    "ng",
    "node",
    "npm",
    "official",
    "original",
    "package",
    "patch",
    "pip",
    "pkg",
    "plain",
    "plus",
    "pro",
    "py",
    "pypi",
    "python",
    "python2",
    "python3",
    "py3",
    "real",
    "release",
    "rs",
    "rst",
    "rust",
    "sdk",
    "secure",
    "simple",
    "stable",
    "test",
    "the",
    "tool",
    "tools",
    "ts",
    "typescript",
    "util",
    "utils",
    "v1",
    "v2",
    "v3",
    "x",
];

/// Of them, those that are also written without a separator.
const GLUED: &[&str] = &["js", "py", "python", "python3", "node", "rs", "ts", "lib", "es", "s"];

/// Characters by the letter they pass for, among them those of Cyrillic, Greek and Armenian that a font cannot tell
/// apart. `i` and `l` are one.
const LOOK_ALIKES: &[(&str, char)] = &[
    ("0оοօОΟ", 'o'),
    ("1iіӏιıІΙ|", 'l'),
    ("5ѕЅ", 's'),
    ("аαΑА", 'a'),
    ("еЕΕҽ", 'e'),
    ("рРΡρ", 'p'),
    ("сСϲ", 'c'),
    ("уУΥ", 'y'),
    ("хХΧ", 'x'),
    ("ԁ", 'd'),
    ("ոпη", 'n'),
    ("υ", 'u'),
    ("ν", 'v'),
    ("ԛ", 'q'),
    ("һ", 'h'),
    ("ɡ", 'g'),
];
/// Pairs of letters that pass for one.
const PAIRS: &[(&str, &str)] = &[("rn", "m"), ("vv", "w")];

/// Lower-case letters and digits, and the same with characters that look alike made the same.
#[derive(Debug)]
struct Letters {
    squeezed: String,
    skeleton: String,
}

impl Letters {
    fn new(squeezed: String) -> Self {
        Self { skeleton: skeleton(&squeezed), squeezed }
    }
}

/// A name taken apart.
#[derive(Debug)]
struct Parts<'n> {
    canonical: &'n str,
    /// npm's scope without its `@`, as written; empty: none.
    scope: &'n str,
    scope_letters: Letters,
    /// Of the part after the scope.
    name: Letters,
    /// Words between separators, sorted.
    words: Vec<String>,
    /// The name without one word that means nothing.
    bares: Vec<String>,
}

impl<'n> Parts<'n> {
    fn new(canonical: &'n str) -> Self {
        let scoped = canonical.strip_prefix('@').and_then(|rest| rest.split_once('/'));
        let (scope, name) = scoped.unwrap_or(("", canonical));
        let mut words = words(name);
        let squeezed = words.concat();
        let bares = bares(&words, &squeezed);
        words.sort_unstable();
        let scope_letters = Letters::new(self::words(scope).concat());
        Self { canonical, scope, scope_letters, name: Letters::new(squeezed), words, bares }
    }
}

/// Words between separators, lower case.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn skeleton(squeezed: &str) -> String {
    let single: String = squeezed
        .chars()
        .map(|c| LOOK_ALIKES.iter().find(|(like, _)| like.contains(c)).map_or(c, |(_, letter)| *letter))
        .collect();
    PAIRS
        .iter()
        .fold(single, |text, (pair, letter)| if text.contains(pair) { text.replace(pair, letter) } else { text })
}

/// A well-known name, as far as it takes to tell that it is unlike another: few names get past that, and only those
/// are taken apart.
#[derive(Debug)]
struct Sketch {
    canonical: &'static str,
    /// Its letters and digits, scope included: a range of [`Sketches::letters`].
    letters: std::ops::Range<usize>,
    /// Of those, how many belong to the scope.
    scope: usize,
    /// Which characters the part after the scope has, by [`bit`].
    mask: u64,
}

/// The well-known names of one ecosystem (all of them ASCII), sketched on the first question about it.
#[derive(Debug, Default)]
struct Sketches {
    letters: String,
    all: Vec<Sketch>,
}

impl Sketches {
    fn new(ecosystem: Ecosystem) -> Self {
        let mut out = Self::default();
        for canonical in popular::well_known(ecosystem) {
            let start = out.letters.len();
            let mut scope = 0;
            for c in canonical.chars() {
                match c {
                    '/' => scope = out.letters.len() - start,
                    c if c.is_ascii_alphanumeric() => out.letters.push(c.to_ascii_lowercase()),
                    _ => {}
                }
            }
            let letters = start..out.letters.len();
            let mask = mask(out.letters.get(start + scope..).unwrap_or_default());
            out.all.push(Sketch { canonical, letters, scope, mask });
        }
        out
    }

    fn of(ecosystem: Ecosystem) -> &'static Self {
        static PYPI: LazyLock<Sketches> = LazyLock::new(|| Sketches::new(Ecosystem::PyPI));
        static NPM: LazyLock<Sketches> = LazyLock::new(|| Sketches::new(Ecosystem::Npm));
        static CRATES: LazyLock<Sketches> = LazyLock::new(|| Sketches::new(Ecosystem::CratesIo));
        match ecosystem {
            Ecosystem::PyPI => &PYPI,
            Ecosystem::Npm => &NPM,
            Ecosystem::CratesIo => &CRATES,
        }
    }
}

/// One bit for a digit or a letter; the characters that pass for one another share theirs, and those of [`PAIRS`]
/// have none, so that two names with the same skeleton have the same bits.
fn bit(c: char) -> u64 {
    match c {
        '0' => bit('o'),
        '1' | 'i' => bit('l'),
        '5' => bit('s'),
        'r' | 'n' | 'm' | 'v' | 'w' => 0,
        'a'..='z' | '2'..='9' => 1 << (u32::from(c) & 63),
        // A letter of another script may pass for one of these: it says nothing.
        _ => 0,
    }
}

fn mask(letters: &str) -> u64 {
    letters.chars().fold(0, |mask, c| mask | bit(c))
}

/// What is asked of every sketch, prepared once.
struct Question<'o> {
    own: &'o Parts<'o>,
    /// The name and what remains of it without a word that means nothing.
    texts: Vec<&'o str>,
    /// Of the name, and of its scope.
    masks: (u64, u64),
}

impl<'o> Question<'o> {
    fn new(own: &'o Parts<'o>) -> Self {
        let (name, scope) = (own.name.squeezed.as_str(), own.scope_letters.squeezed.as_str());
        let texts = own.bares.iter().map(String::as_str).chain([name]).collect();
        Self { own, texts, masks: (mask(name), mask(scope)) }
    }

    /// Whether [`alike`] could say anything but `None`. Errs on the side of yes.
    fn may_be_alike(&self, sketches: &Sketches, known: &Sketch) -> bool {
        let whole = sketches.letters.get(known.letters.clone()).unwrap_or_default();
        let (scope, name) = whole.split_at_checked(known.scope).unwrap_or(("", whole));
        let own = self.own.name.squeezed.as_str();
        match (self.own.scope.is_empty(), scope.is_empty()) {
            (true, false) => own == whole,
            (false, true) => false,
            (false, false) => may_be_one(&self.own.scope_letters.squeezed, self.masks.1, scope, mask(scope)),
            // An affix stands at an end, so what remains is the beginning or the end of the name.
            (true, true) => {
                may_be_one(own, self.masks.0, name, known.mask)
                    || self.texts.iter().any(|t| name.starts_with(t) || name.ends_with(t))
            }
        }
    }
}

/// Whether two texts could differ by two edits, or have the same skeleton. Letters of another script have no bits.
fn may_be_one(own: &str, own_mask: u64, known: &str, known_mask: u64) -> bool {
    let edits = own.len().abs_diff(known.len()) <= 2 && (own_mask ^ known_mask).count_ones() <= 4;
    edits || own_mask == known_mask || !own.is_ascii()
}

/// The well-known name that `name` imitates; `None` when it is itself well known, or like none.
pub fn imitates(name: &PackageName) -> Option<Imitation> {
    let ecosystem = name.ecosystem();
    if name.canonical().len() > LONGEST || popular::is_well_known(name) {
        return None;
    }
    let own = Parts::new(name.canonical());
    let sketches = Sketches::of(ecosystem);
    // A scope belongs to one owner: what is in a known one is no stranger's.
    let scope_of = |known: &Sketch| known.canonical.strip_prefix('@').and_then(|rest| rest.split_once('/'));
    if !own.scope.is_empty() && sketches.all.iter().any(|k| scope_of(k).is_some_and(|(scope, _)| scope == own.scope)) {
        return None;
    }
    let question = Question::new(&own);
    let near = sketches.all.iter().filter(|known| question.may_be_alike(sketches, known));
    let here = near.filter_map(|known| Some((alike(&own, &Parts::new(known.canonical))?, known.canonical)));
    if let Some((how, of)) = here.min_by_key(|(how, _)| *how) {
        return Some(Imitation { of, ecosystem, how });
    }
    let elsewhere = Ecosystem::ALL.into_iter().filter(|e| *e != ecosystem);
    elsewhere.filter(|_| own.scope.is_empty() && own.name.squeezed.len() >= ONE_EDIT).find_map(|other| {
        let of = popular::best_known(other).find(|known| *known == own.canonical)?;
        Some(Imitation { of, ecosystem: other, how: Likeness::Elsewhere })
    })
}

fn alike(own: &Parts<'_>, known: &Parts<'_>) -> Option<Likeness> {
    match (own.scope.is_empty(), known.scope.is_empty()) {
        (true, true) => names_alike(own, known),
        // `babel-core` for `@babel/core`.
        (true, false) => {
            let rest = own.name.squeezed.strip_prefix(known.scope_letters.squeezed.as_str());
            let same = rest == Some(known.name.squeezed.as_str());
            (own.name.squeezed.len() > ONE_EDIT && same).then_some(Likeness::Scope)
        }
        (false, false) => {
            let (a, b) = (&own.scope_letters, &known.scope_letters);
            (a.skeleton == b.skeleton || edited(a, b)).then_some(Likeness::Scope)
        }
        // Everybody may publish a fork under a scope of their own, and says so by it.
        (false, true) => None,
    }
}

fn names_alike(own: &Parts<'_>, known: &Parts<'_>) -> Option<Likeness> {
    let (a, b) = (&own.name, &known.name);
    if a.squeezed == b.squeezed {
        return (a.squeezed.len() >= BARE).then_some(Likeness::Separator);
    }
    if a.skeleton == b.skeleton {
        return (a.squeezed.len() >= BARE).then_some(Likeness::Homoglyph);
    }
    if edited(a, b) {
        return Some(Likeness::Edit);
    }
    let dressed = own.bares.contains(&b.squeezed)
        || known.bares.contains(&a.squeezed)
        || own.bares.iter().any(|bare| known.bares.contains(bare));
    if dressed {
        return Some(Likeness::Affix);
    }
    (own.words.len() > 1 && own.words == known.words).then_some(Likeness::Order)
}

/// One edit, or two in a long name. People rarely miss the first letter, and short names are all alike: there it has
/// to be the same.
fn edited(own: &Letters, known: &Letters) -> bool {
    let (a, b) = (&own.squeezed, &known.squeezed);
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    let allowed = match (shorter, longer) {
        (s, _) if s < ONE_EDIT => return false,
        (s, l) if s >= ANY_TWO_EDITS || (l >= TWO_EDITS && s + 2 == l) => 2,
        _ => 1,
    };
    let same_start = a.bytes().next() == b.bytes().next();
    let allowed = match (same_start, longer >= TWO_EDITS - 1) {
        (true, _) => allowed,
        (false, true) => 1,
        (false, false) => return false,
    };
    popular::distance(a, b, allowed).is_some()
}

/// The name without the word at its end or its beginning, where that means nothing.
fn bares(words: &[String], squeezed: &str) -> Vec<String> {
    let affix = |word: &String| AFFIXES.contains(&word.as_str());
    let mut out = Vec::new();
    out.extend(words.split_last().filter(|(last, _)| affix(last)).map(|(_, rest)| rest.concat()));
    out.extend(words.split_first().filter(|(first, _)| affix(first)).map(|(_, rest)| rest.concat()));
    for glued in GLUED {
        out.extend(squeezed.strip_suffix(glued).map(str::to_owned));
        out.extend(squeezed.strip_prefix(glued).filter(|_| glued.len() > 1).map(str::to_owned));
    }
    out.retain(|bare| bare.len() >= BARE);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like(ecosystem: Ecosystem, name: &str) -> Option<(&'static str, Likeness)> {
        imitates(&PackageName::new(ecosystem, name)).map(|i| (i.of, i.how))
    }

    #[test]
    fn each_kind_of_imitation() {
        use Ecosystem::{CratesIo, Npm, PyPI};
        for (ecosystem, name, of, how) in [
            (PyPI, "jeilyfish", "jellyfish", Likeness::Homoglyph),
            (PyPI, "reque5ts", "requests", Likeness::Homoglyph),
            (PyPI, "nurnpy", "numpy", Likeness::Homoglyph),
            (PyPI, "pаndas", "pandas", Likeness::Homoglyph),
            (Npm, "1odash", "lodash", Likeness::Homoglyph),
            (Npm, "cross_env", "cross-env", Likeness::Separator),
            (Npm, "crossenv", "cross-env", Likeness::Separator),
            (Npm, "lo-dash", "lodash", Likeness::Separator),
            (Npm, "@bable/core", "@babel/cli", Likeness::Scope),
            (Npm, "babel-preset-typescript-", "@babel/preset-typescript", Likeness::Scope),
            (PyPI, "colourama", "colorama", Likeness::Edit),
            (PyPI, "reqeusts", "requests", Likeness::Edit),
            (Npm, "http-proxy-middelware", "http-proxy-middleware", Likeness::Edit),
            (CratesIo, "postgress", "postgres", Likeness::Edit),
            (CratesIo, "faster_log", "fast-log", Likeness::Edit),
            (CratesIo, "rands", "rand", Likeness::Affix),
            (PyPI, "python3-dateutil", "python-dateutil", Likeness::Edit),
            (PyPI, "sympy-dev", "sympy", Likeness::Affix),
            (Npm, "plain-crypto-js", "crypto-js", Likeness::Affix),
            (Npm, "env-cross", "cross-env", Likeness::Order),
            (PyPI, "lodash", "lodash", Likeness::Elsewhere),
        ] {
            assert_eq!(like(ecosystem, name), Some((of, how)), "{name}");
        }
    }

    #[test]
    fn what_is_well_known_or_unlike_imitates_nothing() {
        for (ecosystem, name) in [
            (Ecosystem::PyPI, "requests"),
            (Ecosystem::PyPI, "Typing_Extensions"),
            (Ecosystem::Npm, "preact"),
            (Ecosystem::Npm, "request"),
            (Ecosystem::Npm, "colors"),
            (Ecosystem::Npm, "color"),
            (Ecosystem::Npm, "@babel/quite-new"),
            (Ecosystem::Npm, "@acme/lodash"),
            (Ecosystem::Npm, "react-chart-of-mine"),
            (Ecosystem::CratesIo, "serde_yml"),
            (Ecosystem::CratesIo, "serde_core"),
            (Ecosystem::CratesIo, "serde_cbxy"),
            (Ecosystem::Npm, "fastclick"),
            (Ecosystem::CratesIo, "tracings-of-a-pen"),
            (Ecosystem::PyPI, ""),
            (Ecosystem::Npm, "@/"),
        ] {
            assert_eq!(like(ecosystem, name), None, "{name}");
        }
    }

    /// The sketch leaves out no name that a full comparison finds.
    #[test]
    fn the_sketch_misses_nothing() {
        let slow = |all: &[Parts<'static>], name: &str| {
            let own = Parts::new(name);
            all.iter().filter_map(|known| Some((known.canonical, alike(&own, known)?))).collect::<Vec<_>>()
        };
        let fast = |ecosystem: Ecosystem, name: &str| {
            let own = Parts::new(name);
            let (sketches, question) = (Sketches::of(ecosystem), Question::new(&own));
            let near = sketches.all.iter().filter(|known| question.may_be_alike(sketches, known));
            near.filter_map(|k| Some((k.canonical, alike(&own, &Parts::new(k.canonical))?))).collect::<Vec<_>>()
        };
        for ecosystem in Ecosystem::ALL {
            let all: Vec<Parts<'static>> = popular::well_known(ecosystem).map(Parts::new).collect();
            for known in popular::best_known(ecosystem).step_by(50) {
                let plain = known.replace(['-', '_', '/', '@'], "");
                let (head, tail) = plain.split_at(plain.len() / 2);
                for name in [
                    format!("python-{known}"),
                    format!("{plain}js"),
                    format!("{tail}-{head}"),
                    format!("{head}x{tail}"),
                    format!("{}{tail}", &head[1..]),
                    plain.replace('o', "0").replace('m', "rn").replace('w', "vv"),
                    plain.replace('a', "а").replace('e', "е"),
                    format!("@{head}/{tail}"),
                    format!("{plain}s"),
                    format!("{plain}-core-utils"),
                ] {
                    assert_eq!(fast(ecosystem, &name), slow(&all, &name), "{ecosystem}: {name}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn never_panics(any in "\\PC{0,60}", near in "@?[a-z0-9]{0,9}[-_./]?[a-zа-я]{0,9}") {
            for ecosystem in Ecosystem::ALL {
                let _ = like(ecosystem, &any);
                let _ = like(ecosystem, &near);
            }
        }
    }
}
