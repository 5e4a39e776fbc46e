//! Cargo.lock, versions 1 to 4: a path and a text in, packages with places and resolved edges out.
//!
//! Cargo writes a small, strict subset of TOML; a line reader takes that subset in one pass, and a text that leaves
//! it (comments inside arrays, escapes, other layout) goes through the TOML parser instead. Both give the same
//! [`Lockfile`]. Version 1 keeps checksums in `[metadata]`; later ones keep them beside the package.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use toml::de::DeTable;

use super::source::SourceId;
use crate::ecosystem::document::{MAX_BYTES, Reader};
use crate::model::{Diagnostic, Location};

/// More packages than this are not read.
const MAX_PACKAGES: usize = 200_000;
/// The newest lockfile version understood.
const NEWEST: u32 = 4;

/// A lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lockfile {
    /// `version`; 1 when it is absent and checksums are in `[metadata]`, else 2.
    pub version: u32,
    /// `[[package]]`, in the order of the file; the older `[root]` comes first.
    pub packages: Vec<LockedPackage>,
    /// `[[patch.unused]]`.
    pub unused_patches: Vec<LockedPackage>,
}

/// One locked package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedPackage {
    /// `name`.
    pub name: Arc<str>,
    /// `version`.
    pub version: Arc<str>,
    /// `source`; `None` for the workspace's own packages and path dependencies.
    pub source: Option<Arc<str>>,
    /// `checksum`: SHA-256, hexadecimal.
    pub checksum: Option<String>,
    /// Indexes into [`Lockfile::packages`] of what it depends on, ascending.
    pub dependencies: Vec<usize>,
    /// `replace`: the package id that stands in for this one.
    pub replace: Option<String>,
    /// Line of the `name` key, from 1.
    pub line: u32,
    /// Column of the `name` key, from 1.
    pub column: u32,
}

impl LockedPackage {
    /// Its source id, read. `None` when there is none, or none that Cargo knows.
    pub fn source_id(&self) -> Option<SourceId> {
        SourceId::parse(self.source.as_deref()?)
    }

    /// Where it stands.
    pub fn location(&self, path: &Path) -> Location {
        Location::at(path, self.line, self.column)
    }
}

impl Lockfile {
    /// Reads a lockfile.
    pub fn read(path: &Path, text: &str) -> (Self, Vec<Diagnostic>) {
        if text.len() > MAX_BYTES {
            let diagnostic = Diagnostic::new(Location::file(path), format!("larger than {MAX_BYTES} bytes"));
            return (Self::default(), vec![diagnostic]);
        }
        match lines(text) {
            Some(raw) => link(path, raw, Vec::new()),
            None => {
                let (raw, diagnostics) = tables(path, text);
                link(path, raw, diagnostics)
            }
        }
    }

    /// Every package of this name, in the order of the file.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a LockedPackage)> {
        self.packages.iter().enumerate().filter(move |(_, p)| &*p.name == name)
    }
}

/// A lockfile as written: edges are still text.
#[derive(Default)]
struct Raw<'t> {
    version: Option<u32>,
    packages: Vec<RawPackage<'t>>,
    unused: Vec<RawPackage<'t>>,
    /// The edges of all packages, each one's together.
    dependencies: Vec<Cow<'t, str>>,
    /// Version 1: `checksum NAME VERSION (SOURCE)` to checksum.
    checksums: FxHashMap<&'t str, &'t str>,
    /// The same, from the TOML parser, which owns its text.
    owned_checksums: BTreeMap<String, String>,
}

#[derive(Default)]
struct RawPackage<'t> {
    name: Option<Cow<'t, str>>,
    version: Option<Cow<'t, str>>,
    source: Option<Cow<'t, str>>,
    checksum: Option<Cow<'t, str>>,
    replace: Option<Cow<'t, str>>,
    /// Which of [`Raw::dependencies`].
    dependencies: Range<usize>,
    has_dependencies: bool,
    line: u32,
    column: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Top,
    Package,
    Unused,
    Metadata,
}

/// The line reader. `None` where a line is not one that Cargo writes.
fn lines(text: &str) -> Option<Raw<'_>> {
    // Bytes that Cargo never writes are looked for once, in all of the text.
    let odd = odd_bytes(text.as_bytes());
    if odd & REFUSED != 0 {
        return None;
    }
    let mut raw = Raw::default();
    // What the median lockfile has: a package each 250 bytes, an edge each 70.
    raw.packages.reserve(text.len() / 200);
    raw.dependencies.reserve(text.len() / 60);
    let mut at = At::Top;
    let mut in_array = false;
    let mut metadata = false;
    let mut line_number = 0u32;
    let mut rest = Some(text);
    while let Some(left) = rest {
        let line = match find_byte(left, b'\n') {
            Some(end) => {
                rest = left.get(end + 1..);
                left.get(..end)?
            }
            None => {
                rest = None;
                left
            }
        };
        line_number = line_number.checked_add(1)?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if odd & RETURN != 0 && line.contains('\r') {
            return None;
        }
        if in_array {
            if line == "]" {
                in_array = false;
            } else {
                let entry = plain_string(line.strip_prefix(' ')?.strip_suffix(',')?)?;
                raw.dependencies.push(entry.into());
                let end = raw.dependencies.len();
                current(&mut raw, at)?.dependencies.end = end;
            }
            continue;
        }
        match line.as_bytes().first() {
            None | Some(b'#') => {}
            Some(b'[') => {
                at = match line {
                    "[[package]]" => {
                        raw.packages.push(RawPackage { line: line_number, column: 1, ..RawPackage::default() });
                        At::Package
                    }
                    "[root]" if raw.packages.is_empty() => {
                        raw.packages.push(RawPackage { line: line_number, column: 1, ..RawPackage::default() });
                        At::Package
                    }
                    "[[patch.unused]]" => {
                        raw.unused.push(RawPackage { line: line_number, column: 1, ..RawPackage::default() });
                        At::Unused
                    }
                    "[metadata]" if !metadata => {
                        metadata = true;
                        At::Metadata
                    }
                    _ => return None,
                };
                if raw.packages.len() > MAX_PACKAGES || raw.unused.len() > MAX_PACKAGES {
                    return None;
                }
            }
            Some(_) => in_array = key_value(&mut raw, at, line, line_number)?,
        }
    }
    (!in_array).then_some(raw)
}

fn current<'r, 't>(raw: &'r mut Raw<'t>, at: At) -> Option<&'r mut RawPackage<'t>> {
    match at {
        At::Package => raw.packages.last_mut(),
        At::Unused => raw.unused.last_mut(),
        At::Top | At::Metadata => None,
    }
}

/// One `key = value` line; `true` when it opens an array. A key given twice is not TOML: `None`.
fn key_value<'t>(raw: &mut Raw<'t>, at: At, line: &'t str, line_number: u32) -> Option<bool> {
    if at == At::Metadata {
        // A key may hold ` = `, but never `" = "`.
        let (key, value) = line.strip_prefix('"')?.split_once("\" = \"")?;
        let value = value.strip_suffix('"')?;
        if key.contains(['"', '\\']) || value.contains(['"', '\\']) || raw.checksums.insert(key, value).is_some() {
            return None;
        }
        return Some(false);
    }
    let (key, value) = line.split_at(find_byte(line, b' ')?);
    let value = value.strip_prefix(" = ")?;
    if at == At::Top {
        if key != "version" || raw.version.is_some() || value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        raw.version = Some(value.parse().ok()?);
        return Some(false);
    }
    let start = raw.dependencies.len();
    let package = current(raw, at)?;
    if key == "dependencies" {
        if std::mem::replace(&mut package.has_dependencies, true) {
            return None;
        }
        package.dependencies = start..start;
        return match value {
            "[" => Some(true),
            "[]" => Some(false),
            _ => None,
        };
    }
    let value = plain_string(value)?;
    let slot = match key {
        "name" => {
            package.line = line_number;
            &mut package.name
        }
        "version" => &mut package.version,
        "source" => &mut package.source,
        "checksum" => &mut package.checksum,
        "replace" => &mut package.replace,
        _ => return None,
    };
    slot.replace(value.into()).is_none().then_some(false)
}

/// The inside of a basic string without escapes; the text is free of [`REFUSED`] bytes.
fn plain_string(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    find_byte(inner, b'"').is_none().then_some(inner)
}

/// An escape, or a control character that is no end of a line.
const REFUSED: u8 = 1;
/// A carriage return.
const RETURN: u8 = 2;

/// Which of the two a text has.
fn odd_bytes(text: &[u8]) -> u8 {
    let odd = |b: u8| {
        let control = (b < 0x20) & (b != b'\n') & (b != b'\r');
        (u8::from(control | (b == b'\\')) * REFUSED) | (u8::from(b == b'\r') * RETURN)
    };
    // A result for each lane and no branch: compiled to what looks at sixteen bytes or more at once.
    let (chunks, rest) = text.as_chunks::<32>();
    let mut seen = [0; 32];
    for chunk in chunks {
        for (seen, b) in seen.iter_mut().zip(chunk) {
            *seen |= odd(*b);
        }
    }
    seen.iter().copied().chain(rest.iter().map(|b| odd(*b))).fold(0, |all, one| all | one)
}

/// Where an ASCII byte comes first. Eight bytes a step: texts here are too short for a searcher that is set up anew for
/// each, and too many for a look at each byte.
fn find_byte(text: &str, wanted: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let sought = ONES * u64::from(wanted);
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    for (n, chunk) in chunks.iter().enumerate() {
        let differing = u64::from_le_bytes(*chunk) ^ sought;
        // The lowest top bit that stays set is that of the first byte without a difference.
        let same = differing.wrapping_sub(ONES) & !differing & TOPS;
        if same != 0 {
            return Some(n * 8 + same.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| *b == wanted).map(|at| chunks.len() * 8 + at)
}

/// The TOML reader, for everything else.
fn tables<'t>(path: &'t Path, text: &'t str) -> (Raw<'t>, Vec<Diagnostic>) {
    let (root, mut reader) = Reader::parse(path, text);
    let mut raw = Raw::default();
    if let Some(node) = root.get("version") {
        let number = node.get_ref().as_integer().and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok());
        if number.is_none() {
            reader.complain(node.span().start, "`version` is not a small whole number");
        }
        raw.version = number;
    }
    let edges = &mut raw.dependencies;
    if let Some(table) = reader.table_of(&root, "root") {
        raw.packages.push(package(&mut reader, table, 0, edges));
    }
    raw.packages.extend(packages(&mut reader, &root, "package", edges));
    if let Some(patch) = reader.table_of(&root, "patch") {
        raw.unused = packages(&mut reader, patch, "unused", edges);
    }
    if let Some(metadata) = reader.table_of(&root, "metadata") {
        for (key, node) in metadata {
            if let Some(value) = node.get_ref().as_str() {
                raw.owned_checksums.insert(key.get_ref().to_string(), value.to_owned());
            }
        }
    }
    (raw, reader.diagnostics)
}

fn packages<'t>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    key: &str,
    edges: &mut Vec<Cow<'t, str>>,
) -> Vec<RawPackage<'t>> {
    let nodes = reader.array_of(table, key);
    if nodes.len() > MAX_PACKAGES {
        reader.complain(0, format!("more than {MAX_PACKAGES} packages"));
        return Vec::new();
    }
    nodes
        .into_iter()
        .filter_map(|node| {
            let table = reader.table(node, key)?;
            Some(package(reader, table, node.span().start, edges))
        })
        .collect()
}

fn package<'t>(
    reader: &mut Reader<'t>,
    table: &DeTable<'t>,
    offset: usize,
    edges: &mut Vec<Cow<'t, str>>,
) -> RawPackage<'t> {
    let start = edges.len();
    edges.extend(reader.strings_of(table, "dependencies").into_iter().map(Into::into));
    let offset = table.iter().find(|(k, _)| k.get_ref() == "name").map_or(offset, |(k, _)| k.span().start);
    let (line, column) = reader.line_column(offset);
    RawPackage {
        name: reader.string_of(table, "name").map(Into::into),
        version: reader.string_of(table, "version").map(Into::into),
        source: reader.string_of(table, "source").map(Into::into),
        checksum: reader.string_of(table, "checksum").map(Into::into),
        replace: reader.string_of(table, "replace").map(Into::into),
        dependencies: start..edges.len(),
        has_dependencies: true,
        line,
        column,
    }
}

/// Gives every edge the index of the package it names, and every package its checksum.
fn link(path: &Path, raw: Raw<'_>, mut diagnostics: Vec<Diagnostic>) -> (Lockfile, Vec<Diagnostic>) {
    let old = !raw.checksums.is_empty() || !raw.owned_checksums.is_empty();
    let version = raw.version.unwrap_or(if old { 1 } else { 2 });
    if version > NEWEST {
        let message = format!("lockfile version {version} is newer than the newest understood, {NEWEST}");
        diagnostics.push(Diagnostic::new(Location::file(path), message));
    }
    // Nearly all sources are the same few: each text is kept once.
    let mut kept: FxHashMap<Box<str>, Arc<str>> = FxHashMap::default();
    let mut last: Arc<str> = Arc::from("");
    let mut keep = |text: &str| -> Arc<str> {
        if *last == *text {
            return Arc::clone(&last);
        }
        if let Some(known) = kept.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(text);
        kept.insert(text.into(), Arc::clone(&shared));
        last = Arc::clone(&shared);
        shared
    };
    let checksum_of = |p: &RawPackage<'_>| -> Option<String> {
        if let Some(checksum) = &p.checksum {
            return Some(checksum.clone().into_owned());
        }
        if !old {
            return None;
        }
        let key = format!("checksum {} {} ({})", p.name.as_deref()?, p.version.as_deref()?, p.source.as_deref()?);
        let found = raw.checksums.get(key.as_str()).copied();
        found.map(str::to_owned).or_else(|| raw.owned_checksums.get(&key).cloned()).filter(|c| c != "<none>")
    };
    let mut finish = |p: &RawPackage<'_>, diagnostics: &mut Vec<Diagnostic>| -> LockedPackage {
        if p.name.is_none() || p.version.is_none() {
            let message = "a locked package has no name or no version";
            diagnostics.push(Diagnostic::new(Location::at(path, p.line, p.column), message));
        }
        LockedPackage {
            name: p.name.as_deref().unwrap_or_default().into(),
            version: p.version.as_deref().unwrap_or_default().into(),
            source: p.source.as_deref().map(&mut keep),
            checksum: checksum_of(p),
            dependencies: Vec::new(),
            replace: p.replace.as_deref().map(str::to_owned),
            line: p.line,
            column: p.column,
        }
    };
    let mut packages: Vec<LockedPackage> = raw.packages.iter().map(|p| finish(p, &mut diagnostics)).collect();
    let unused_patches = raw.unused.iter().map(|p| finish(p, &mut diagnostics)).collect();
    let mut order: Vec<usize> = (0..packages.len()).collect();
    let key = |at: usize| packages.get(at).map(|p| (&*p.name, &*p.version));
    // Cargo writes packages in this order, so there is little to sort.
    order.sort_by(|a, b| key(*a).cmp(&key(*b)));
    let mut by_name: FxHashMap<&str, Range<usize>> = FxHashMap::default();
    by_name.reserve(order.len());
    for (place, at) in order.iter().enumerate() {
        let Some(package) = raw.packages.get(*at) else { continue };
        by_name.entry(package.name.as_deref().unwrap_or_default()).or_insert(place..place).end = place + 1;
    }
    for (at, package) in raw.packages.iter().enumerate() {
        let texts = raw.dependencies.get(package.dependencies.clone()).unwrap_or_default();
        let mut edges = Vec::with_capacity(texts.len());
        for text in texts {
            match edge(&packages, &order, &by_name, text) {
                Ok(target) => edges.push(target),
                Err(reason) => {
                    let location = Location::at(path, package.line, package.column);
                    diagnostics
                        .push(Diagnostic::new(location, format!("dependency `{}` {reason}", text.escape_debug())));
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        if let Some(slot) = packages.get_mut(at) {
            slot.dependencies = edges;
        }
    }
    (Lockfile { version, packages, unused_patches }, diagnostics)
}

/// Most sources from which one version of one name is told apart.
const MAX_SOURCES: usize = 100;

/// The package, of those in order of name and version, that `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)` means. In
/// the last form a git source has no commit from version 2 on.
fn edge(
    packages: &[LockedPackage],
    order: &[usize],
    by_name: &FxHashMap<&str, Range<usize>>,
    text: &str,
) -> Result<usize, &'static str> {
    let word = |text| -> (&str, Option<&str>) {
        match find_byte(text, b' ') {
            Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..)),
            None => (text, None),
        }
    };
    let (name, rest) = word(text);
    let (version, rest) = rest.map(word).unzip();
    let source = rest.flatten().map(|s| s.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(s));
    let same_name = by_name.get(name).and_then(|range| order.get(range.clone())).unwrap_or_default();
    let compare = |at: &usize| {
        let own = packages.get(*at)?;
        Some(version.map_or(Ordering::Equal, |v| (*own.version).cmp(v)))
    };
    let start = same_name.partition_point(|at| compare(at) == Some(Ordering::Less));
    let candidates = same_name.get(start..).unwrap_or_default();
    let candidates = &candidates[..candidates.partition_point(|at| compare(at) == Some(Ordering::Equal))];
    if version.is_some() && candidates.len() > MAX_SOURCES {
        return Err("names one of too many packages of this lockfile");
    }
    let fits = |index: &&usize| -> bool {
        packages.get(**index).is_some_and(|p| {
            source.is_none_or(|wanted| p.source.as_deref().is_some_and(|have| same_source(have, wanted)))
        })
    };
    let mut matching = candidates.iter().filter(fits);
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(*only),
        (None, _) => Err("names no package of this lockfile"),
        // Version 1 writes a path package's edge without a source, as later versions do where one name and version
        // has both a path and another source.
        (Some(_), Some(_)) if version.is_some() && source.is_none() => candidates
            .iter()
            .filter(fits)
            .find(|i| packages.get(**i).is_some_and(|p| p.source.is_none()))
            .copied()
            .ok_or("names more than one package of this lockfile"),
        _ => Err("names more than one package of this lockfile"),
    }
}

fn same_source(have: &str, wanted: &str) -> bool {
    have == wanted
        || (have.starts_with("git+") && have.split('#').next() == wanted.split('#').next() && !wanted.contains('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\n\
        version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
        checksum = \"00\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n\
        source = \"git+https://h.example/a?branch=x#abc\"\n\n[[package]]\nname = \"me\"\nversion = \"0.1.0\"\n\
        dependencies = [\n \"a 1.0.0\",\n \"a 2.0.0 (git+https://h.example/a?branch=x)\",\n]\n";

    fn both(text: &str) -> (Lockfile, Vec<Diagnostic>) {
        let path = Path::new("Cargo.lock");
        let fast = Lockfile::read(path, text);
        let (raw, diagnostics) = tables(path, text);
        let slow = link(path, raw, diagnostics);
        assert_eq!(fast, slow, "both readers agree");
        fast
    }

    #[test]
    fn both_readers_agree_and_edges_are_linked() {
        let (lock, diagnostics) = both(V4);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(lock.version, 4);
        assert_eq!(lock.packages[2].dependencies, [0, 1]);
        assert_eq!((lock.packages[1].line, lock.packages[1].column), (12, 1));
        assert_eq!(lock.packages[0].checksum.as_deref(), Some("00"));
    }

    #[test]
    fn version_1_keeps_checksums_apart() {
        let (lock, diagnostics) = both(
            "[root]\nname = \"me\"\nversion = \"0.1.0\"\ndependencies = [\n \"b 1.0.0 (registry+https://r.example)\",\n]\n\n\
             [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry+https://r.example\"\n\n\
             [metadata]\n\"checksum b 1.0.0 (registry+https://r.example)\" = \"ff\"\n",
        );
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(lock.version, 1);
        assert_eq!(lock.packages[0].dependencies, [1]);
        assert_eq!(lock.packages[1].checksum.as_deref(), Some("ff"));
    }

    #[test]
    fn other_layout_is_read_by_the_toml_parser() {
        let text = V4.replace("version = \"2.0.0\"", "version = '2.0.0' # x");
        assert!(lines(&text).is_none());
        assert_eq!(both(&text).0, both(V4).0);
    }

    #[test]
    fn edges_that_name_nothing_or_too_much_are_said() {
        let text = V4.replace("a 1.0.0\"", "zz\"").replace("a 2.0.0 (git+https://h.example/a?branch=x)", "a");
        let (_, diagnostics) = both(&text);
        assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
        let (_, diagnostics) = Lockfile::read(Path::new("l"), "<<<<<<< HEAD\nversion = 3\n");
        assert!(diagnostics[0].hint.is_some());
        let (_, diagnostics) = Lockfile::read(Path::new("l"), "version = 9\n");
        assert_eq!(diagnostics.len(), 1);
    }

    #[test]
    fn what_cargo_never_writes_is_left_to_the_toml_parser() {
        for (good, odd) in [("a 1.0.0", "a\t1.0.0"), ("a 1.0.0", "a 1.0\\u002e0"), ("a 1.0.0", "a \r1.0.0")] {
            assert!(lines(&V4.replace(good, odd)).is_none(), "{odd:?}");
            both(&V4.replace(good, odd));
        }
        let returns = V4.replace('\n', "\r\n");
        assert!(lines(&returns).is_some());
        assert_eq!(both(&returns).0, both(V4).0);
    }

    #[test]
    fn a_byte_is_found_where_it_comes_first() {
        for text in
            ["", "\"", "abcdefg\"", "abcdefgh\"", "abcdefgh!\"!\"", "#\"######\"", "é\"é", "no such in here, at all"]
        {
            assert_eq!(find_byte(text, b'"'), text.find('"'), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(version = [0-9]\n|\\[\\[package\\]\\]\n|name = \"a\"\n|dependencies = \\[\n| \"[a ()1#]{0,8}\",\n|\\]\n|\\[metadata\\]\n|\"c\" = \"d\"\n|.{0,6}\n){0,12}") {
            both(&text);
        }
    }
}
