//! The lines of a crate's index file, kept compact: a resolution looks at every version and takes one. In:
//! [`Version`]s. Out: a [`LineList`], of which a line's features and dependencies are made when they are asked for.
//!
//! Lines of a crate repeat each other's texts and tables; each distinct one is kept once, so that what is worked out
//! from a table holds for every line that has it.

use rustc_hash::FxHashMap;

use super::codec::{Moment, Reader, Stored, Texts, TextsWriter, Writer, offset};
use super::crates::{Dependency, DependencyKind, Version};
use crate::model::Timestamp;

/// Every version of a crate, in the index's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineList {
    texts: Texts,
    heads: Box<[Head]>,
    /// The tables of features and dependencies.
    tables: Box<[u8]>,
}

/// One line. Numbers are those of texts, or offsets of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    version: u32,
    checksum: u32,
    links: u32,
    rust_version: u32,
    features: u32,
    dependencies: u32,
    format: u32,
    yanked: u32,
    published: Moment,
}

/// Bytes of a stored [`Head`].
const HEAD: usize = 8 * 4 + 8;

/// One line of a list.
#[derive(Debug, Clone, Copy)]
pub struct LineRef<'l> {
    list: &'l LineList,
    head: &'l Head,
}

/// What lines share, each distinct table written once.
#[derive(Default)]
struct Shared {
    texts: TextsWriter,
    tables: Writer,
    known: FxHashMap<Vec<u8>, u32>,
}

impl Shared {
    /// The offset of a table.
    fn table(&mut self, write: impl FnOnce(&mut Writer, &mut TextsWriter)) -> u32 {
        let mut table = Writer::default();
        write(&mut table, &mut self.texts);
        if let Some(at) = self.known.get(&table.0) {
            return *at;
        }
        let at = offset(self.tables.0.len());
        self.tables.0.extend_from_slice(&table.0);
        self.known.insert(table.0, at);
        at
    }

    fn head(&mut self, line: &Version) -> Head {
        Head {
            version: self.texts.number(&line.version),
            checksum: self.texts.number(&line.checksum),
            links: self.texts.optional(line.links.as_deref()),
            rust_version: self.texts.optional(line.rust_version.as_deref()),
            features: self.table(|out, texts| {
                out.list(line.features.iter(), |out, (name, implied)| {
                    out.number(texts.number(name).into());
                    out.list(implied.iter(), |out, text| out.number(texts.number(text).into()));
                });
            }),
            dependencies: self.table(|out, texts| {
                out.list(line.dependencies.iter(), |out, dependency| encode_dependency(out, texts, dependency));
            }),
            format: line.format,
            yanked: line.yanked.into(),
            published: Moment::of(line.published_at),
        }
    }
}

fn encode_dependency(out: &mut Writer, texts: &mut TextsWriter, dependency: &Dependency) {
    out.number(texts.number(&dependency.name).into());
    out.number(texts.number(&dependency.req).into());
    for text in [&dependency.package, &dependency.target, &dependency.registry] {
        out.option(text.as_deref(), |out, t| out.number(texts.number(t).into()));
    }
    out.list(dependency.features.iter(), |out, t| out.number(texts.number(t).into()));
    out.flag(dependency.optional);
    out.flag(dependency.default_features);
    out.number(dependency.kind as u64);
}

impl LineList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// All lines.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = LineRef<'_>> {
        self.heads.iter().map(|head| LineRef { list: self, head })
    }

    /// A line by its place in the list.
    pub fn get(&self, at: usize) -> Option<LineRef<'_>> {
        Some(LineRef { list: self, head: self.heads.get(at)? })
    }

    /// Whether every number is that of a text, and every table can be read.
    fn holds(&self) -> bool {
        let mut known: FxHashMap<(u32, u32), bool> = FxHashMap::default();
        self.iter().all(|line| {
            let head = line.head;
            self.texts.get(head.version).is_some()
                && self.texts.get(head.checksum).is_some()
                && self.texts.knows(head.links)
                && self.texts.knows(head.rust_version)
                && *known
                    .entry(line.tables())
                    .or_insert_with(|| line.each_feature(|_, _| {}).is_some() && line.each_dependency(|_| {}).is_some())
        })
    }
}

impl From<Vec<Version>> for LineList {
    fn from(lines: Vec<Version>) -> Self {
        let mut shared = Shared::default();
        let heads = lines.iter().map(|line| shared.head(line)).collect();
        Self { heads, texts: shared.texts.finish(), tables: shared.tables.0.into() }
    }
}

/// A dependency as it stands in a list: see [`Dependency`] for its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Dependency")]
pub struct DependencyRef<'l> {
    pub name: &'l str,
    pub package: Option<&'l str>,
    pub req: &'l str,
    pub features: Vec<&'l str>,
    pub optional: bool,
    pub default_features: bool,
    pub target: Option<&'l str>,
    pub kind: DependencyKind,
    pub registry: Option<&'l str>,
}

impl<'l> LineRef<'l> {
    /// [`Version::version`].
    pub fn version(&self) -> &'l str {
        self.list.texts.get(self.head.version).unwrap_or_default()
    }

    /// [`Version::checksum`].
    pub fn checksum(&self) -> &'l str {
        self.list.texts.get(self.head.checksum).unwrap_or_default()
    }

    /// [`Version::links`].
    pub fn links(&self) -> Option<&'l str> {
        self.list.texts.get(self.head.links)
    }

    /// [`Version::rust_version`].
    pub fn rust_version(&self) -> Option<&'l str> {
        self.list.texts.get(self.head.rust_version)
    }

    /// [`Version::yanked`].
    pub fn yanked(&self) -> bool {
        self.head.yanked != 0
    }

    /// [`Version::published_at`].
    pub fn published_at(&self) -> Option<Timestamp> {
        self.head.published.get()
    }

    /// [`Version::format`].
    pub fn format(&self) -> u32 {
        self.head.format
    }

    /// What stands for the line's features and dependencies: the same for lines of one list that have the same.
    pub fn tables(&self) -> (u32, u32) {
        (self.head.features, self.head.dependencies)
    }

    /// [`Version::dependencies`], in the index's order.
    pub fn dependencies(&self) -> Vec<DependencyRef<'l>> {
        let mut out = Vec::new();
        // A list whose tables cannot be read is not decoded in the first place.
        let _ = self.each_dependency(|d| out.push(d));
        out
    }

    /// [`Version::features`], ascending by name.
    pub fn features(&self) -> Vec<(&'l str, Vec<&'l str>)> {
        let mut out = Vec::new();
        let _ = self.each_feature(|name, implied| out.push((name, implied)));
        out
    }

    fn table(&self, at: u32) -> Option<Reader<'l>> {
        Some(Reader(self.list.tables.get(at as usize..)?))
    }

    fn text(&self, from: &mut Reader<'_>) -> Option<&'l str> {
        self.list.texts.get(u32::try_from(from.number()?).ok()?)
    }

    fn texts(&self, from: &mut Reader<'_>) -> Option<Vec<&'l str>> {
        from.list(|from| self.text(from))
    }

    fn each_feature(&self, mut each: impl FnMut(&'l str, Vec<&'l str>)) -> Option<()> {
        let mut from = self.table(self.head.features)?;
        for _ in 0..from.number()? {
            each(self.text(&mut from)?, self.texts(&mut from)?);
        }
        Some(())
    }

    fn each_dependency(&self, mut each: impl FnMut(DependencyRef<'l>)) -> Option<()> {
        let mut from = self.table(self.head.dependencies)?;
        for _ in 0..from.number()? {
            let (name, req) = (self.text(&mut from)?, self.text(&mut from)?);
            let mut option = || from.option(|from| self.text(from));
            let (package, target, registry) = (option()?, option()?, option()?);
            each(DependencyRef {
                name,
                req,
                package,
                target,
                registry,
                features: self.texts(&mut from)?,
                optional: from.flag()?,
                default_features: from.flag()?,
                kind: match from.number()? {
                    0 => DependencyKind::Normal,
                    1 => DependencyKind::Build,
                    2 => DependencyKind::Dev,
                    _ => return None,
                },
            });
        }
        Some(())
    }

    /// The whole line.
    pub fn to_version(&self) -> Version {
        let text = |t: Option<&str>| t.map(str::to_owned);
        let texts = |t: Vec<&str>| t.into_iter().map(str::to_owned).collect();
        Version {
            version: self.version().to_owned(),
            checksum: self.checksum().to_owned(),
            links: text(self.links()),
            rust_version: text(self.rust_version()),
            yanked: self.yanked(),
            published_at: self.published_at(),
            format: self.format(),
            features: self.features().into_iter().map(|(name, implied)| (name.to_owned(), texts(implied))).collect(),
            dependencies: self
                .dependencies()
                .into_iter()
                .map(|d| Dependency {
                    name: d.name.to_owned(),
                    package: text(d.package),
                    req: d.req.to_owned(),
                    features: texts(d.features),
                    optional: d.optional,
                    default_features: d.default_features,
                    target: text(d.target),
                    kind: d.kind,
                    registry: text(d.registry),
                })
                .collect(),
        }
    }
}

impl Stored for LineList {
    fn encode(&self, out: &mut Writer) {
        self.texts.encode(out);
        out.bytes(&self.tables);
        out.number(self.heads.len() as u64);
        for head in &self.heads {
            let Head { version, checksum, links, rust_version, features, dependencies, format, yanked, .. } = *head;
            for word in [version, checksum, links, rust_version, features, dependencies, format, yanked] {
                out.word(word);
            }
            out.moment(head.published);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let texts = Texts::decode(from)?;
        let tables: Box<[u8]> = from.bytes()?.into();
        let count = usize::try_from(from.number()?).ok()?;
        if count.checked_mul(HEAD)? > from.0.len() {
            return None;
        }
        let mut head = || {
            let mut word = || from.word();
            Some(Head {
                version: word()?,
                checksum: word()?,
                links: word()?,
                rust_version: word()?,
                features: word()?,
                dependencies: word()?,
                format: word()?,
                yanked: word()?,
                published: from.moment()?,
            })
        };
        let heads = (0..count).map(|_| head()).collect::<Option<_>>()?;
        let list = Self { texts, heads, tables };
        list.holds().then_some(list)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(seed: u8) -> Version {
        let some = |bit: u8, text: &str| (seed & bit != 0).then(|| text.to_owned());
        let kind = [DependencyKind::Normal, DependencyKind::Build, DependencyKind::Dev][usize::from(seed % 3)];
        let dependency = |n: u8| Dependency {
            name: format!("é{n}"),
            package: some(1, "real"),
            req: format!("^{n}"),
            features: some(2, "f").into_iter().collect(),
            optional: seed & 4 != 0,
            default_features: seed & 8 != 0,
            target: some(16, "cfg(unix)"),
            kind,
            registry: some(32, "https://r.example/"),
        };
        Version {
            version: format!("1.0.{seed}"),
            dependencies: (0..seed % 4).map(dependency).collect(),
            checksum: format!("{seed:064x}"),
            features: (0..seed % 3).map(|n| (format!("x{n}"), vec!["dep:é1".to_owned(); usize::from(n)])).collect(),
            yanked: seed & 64 != 0,
            links: some(128, "z"),
            rust_version: some(1, "1.70"),
            published_at: (seed & 2 != 0).then(|| Timestamp::from_second(i64::from(seed)).unwrap()),
            format: u32::from(seed % 3),
        }
    }

    fn stored(list: &LineList) -> Vec<u8> {
        let mut out = Writer::default();
        list.encode(&mut out);
        out.0
    }

    #[test]
    fn torn_and_bent_lists_are_misses_or_lists() {
        let whole = stored(&LineList::from([0, 7, 63, 255].map(line).to_vec()));
        for length in 0..whole.len() {
            assert_eq!(LineList::decode(&mut Reader(&whole[..length])), None, "torn at {length}");
        }
        for place in 0..whole.len() {
            for bit in [1, 0x10, 0x80] {
                let mut bent = whole.clone();
                bent[place] ^= bit;
                if let Some(list) = LineList::decode(&mut Reader(&bent)) {
                    list.iter().for_each(|l| drop(l.to_version()));
                }
            }
        }
    }

    #[test]
    fn what_is_the_same_is_kept_once() {
        let mut lines = [line(63), line(63)].to_vec();
        lines[1].version = "2.0.0".to_owned();
        let list = LineList::from(lines);
        assert_eq!(list.get(0).map(|l| l.tables()), list.get(1).map(|l| l.tables()));
    }

    proptest! {
        #[test]
        fn stored_lists_come_back(seeds: Vec<u8>) {
            let lines: Vec<Version> = seeds.into_iter().map(line).collect();
            let list = LineList::from(lines.clone());
            let back = LineList::decode(&mut Reader(&stored(&list))).unwrap();
            prop_assert_eq!(&back, &list);
            prop_assert_eq!(back.iter().map(|l| l.to_version()).collect::<Vec<_>>(), lines);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = LineList::decode(&mut Reader(&bytes));
        }
    }
}
