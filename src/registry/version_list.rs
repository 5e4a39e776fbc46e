//! The versions of a packument, kept compact: some packages have thousands, and of most only the name, the time and
//! the account are looked at. In: [`Version`]s and times. Out: a [`VersionList`], of which a whole [`Version`] is made
//! when it is asked for.
//!
//! Versions of a package repeat each other's texts and tables; each distinct one is kept once.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::codec::{Moment, Reader, Stored, Texts, TextsWriter, Writer, offset};
use super::npm::Version;
use crate::model::Timestamp;

/// Every published version, by its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionList {
    texts: Texts,
    /// Ascending by the version's text.
    heads: Box<[Head]>,
    /// What only few versions are asked for, at [`Head::rest`], and the tables that they share.
    rest: Box<[u8]>,
}

/// What every version is asked for. Numbers are those of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    text: u32,
    deprecated: u32,
    engines_node: u32,
    publisher: u32,
    attested: u32,
    rest: u32,
    published: Moment,
}

/// Bytes of a stored [`Head`].
const HEAD: usize = 6 * 4 + 8;

/// One version of a list.
#[derive(Debug, Clone, Copy)]
pub struct VersionRef<'l> {
    list: &'l VersionList,
    head: &'l Head,
}

/// What versions share, each distinct piece written once.
#[derive(Debug, Default)]
struct Shared {
    texts: TextsWriter,
    rest: Writer,
    hasher: DefaultHashBuilder,
    /// Where each piece begins and ends.
    known: HashTable<(u32, u32)>,
    /// Room for the next piece.
    spare: Vec<u8>,
}

impl Shared {
    /// The offset of a piece.
    fn piece(&mut self, write: impl FnOnce(&mut Writer, &mut TextsWriter)) -> u32 {
        let mut piece = Writer(std::mem::take(&mut self.spare));
        piece.0.clear();
        write(&mut piece, &mut self.texts);
        let Self { rest, hasher, known, .. } = self;
        let hash = hasher.hash_one(&*piece.0);
        let at = known.find(hash, |known| written(&rest.0, *known) == &*piece.0).map(|known| known.0);
        let at = at.unwrap_or_else(|| {
            let at = offset(rest.0.len());
            rest.0.extend_from_slice(&piece.0);
            let place = (at, offset(rest.0.len()));
            known.insert_unique(hash, place, |known| hasher.hash_one(written(&rest.0, *known)));
            at
        });
        self.spare = piece.0;
        at
    }

    fn table(&mut self, table: &BTreeMap<String, String>) -> u32 {
        self.piece(|out, texts| {
            out.list(table.iter(), |out, (name, text)| {
                out.number(texts.number(name).into());
                out.number(texts.number(text).into());
            });
        })
    }

    /// What a version's manifest says of what it needs and runs.
    fn manifest(&mut self, version: &Version) -> u32 {
        let tables = [&version.dependencies, &version.optional_dependencies, &version.peer_dependencies];
        let tables = tables.map(|table| self.table(table));
        self.piece(|out, texts| {
            for table in tables {
                out.number(table.into());
            }
            for list in [
                &version.optional_peers,
                &version.bundled,
                &version.os,
                &version.cpu,
                &version.libc,
                &version.lifecycle_scripts,
                &version.bin,
            ] {
                out.list(list.iter(), |out, text| out.number(texts.number(text).into()));
            }
            out.flag(version.has_install_script);
        })
    }

    /// A version; gives its offset. The end of the tarball's URL that repeats the version is left out.
    fn version(&mut self, text: &str, version: &Version) -> u32 {
        let manifest = self.manifest(version);
        let at = offset(self.rest.0.len());
        self.rest.number(manifest.into());
        let start = version.tarball.strip_suffix(".tgz").and_then(|t| t.strip_suffix(text));
        self.rest.flag(start.is_some());
        self.rest.number(self.texts.number(start.unwrap_or(&version.tarball)).into());
        self.rest.list(version.digests.iter(), Writer::digest);
        self.rest.option(version.unpacked_size, Writer::number);
        at
    }
}

/// Makes a [`VersionList`] of versions as they come, in any order.
#[derive(Debug, Default)]
pub struct Packer {
    shared: Shared,
    heads: Vec<Head>,
}

impl Packer {
    /// One more version; of several with the same text the last one counts.
    pub fn add(&mut self, text: &str, version: &Version) {
        let Self { shared, heads } = self;
        heads.push(Head {
            text: shared.texts.number(text),
            deprecated: shared.texts.optional(version.deprecated.as_deref()),
            engines_node: shared.texts.optional(version.engines_node.as_deref()),
            publisher: shared.texts.optional(version.publisher.as_deref()),
            attested: version.attested.into(),
            rest: shared.version(text, version),
            published: Moment::of(None),
        });
    }

    /// The list, with the times of the versions that have one.
    pub fn finish(self, times: &BTreeMap<String, Timestamp>) -> VersionList {
        let texts = self.shared.texts.finish();
        let text = |head: &Head| texts.get(head.text).unwrap_or_default();
        let mut heads = self.heads;
        // Stable, so that of the same text the last one is behind.
        heads.sort_by(|a, b| text(a).cmp(text(b)));
        heads.reverse();
        heads.dedup_by_key(|head| head.text);
        heads.reverse();
        for head in &mut heads {
            head.published = Moment::of(times.get(text(head)).copied());
        }
        VersionList { heads: heads.into(), texts, rest: self.shared.rest.0.into() }
    }
}

/// The bytes of a piece.
fn written(rest: &[u8], (start, end): (u32, u32)) -> &[u8] {
    rest.get(start as usize..end as usize).unwrap_or_default()
}

impl VersionList {
    /// Packs versions, and the times of those that have one.
    pub fn new(versions: &BTreeMap<String, Version>, times: &BTreeMap<String, Timestamp>) -> Self {
        let mut packer = Packer::default();
        versions.iter().for_each(|(text, version)| packer.add(text, version));
        packer.finish(times)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// All versions, ascending by their text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = VersionRef<'_>> {
        self.heads.iter().map(|head| VersionRef { list: self, head })
    }

    /// The version of this text.
    pub fn get(&self, text: &str) -> Option<VersionRef<'_>> {
        let at = self.heads.binary_search_by(|h| self.texts.get(h.text).unwrap_or_default().cmp(text)).ok()?;
        Some(VersionRef { list: self, head: self.heads.get(at)? })
    }

    /// Whether there is a version of this text.
    pub fn contains(&self, text: &str) -> bool {
        self.get(text).is_some()
    }

    /// The whole version of this text.
    pub fn version(&self, text: &str) -> Option<Version> {
        self.get(text).map(|v| v.to_version())
    }

    /// When the version of this text was published.
    pub fn published(&self, text: &str) -> Option<Timestamp> {
        self.get(text)?.published()
    }

    /// Whether every number is that of a text, the order holds, and every version can be made.
    fn holds(&self) -> bool {
        let texts = |h: &Head| [h.deprecated, h.engines_node, h.publisher].iter().all(|n| self.texts.knows(*n));
        let ascending = |a: &Head, b: &Head| self.texts.get(a.text) < self.texts.get(b.text);
        self.heads.iter().all(|h| self.texts.get(h.text).is_some() && texts(h))
            && self.heads.is_sorted_by(ascending)
            && self.iter().all(|v| v.has_rest())
    }
}

impl<'l> VersionRef<'l> {
    /// The version, as the packument spells it.
    pub fn text(&self) -> &'l str {
        self.list.texts.get(self.head.text).unwrap_or_default()
    }

    /// `time`, when the registry gives it.
    pub fn published(&self) -> Option<Timestamp> {
        self.head.published.get()
    }

    /// [`Version::deprecated`].
    pub fn deprecated(&self) -> Option<&'l str> {
        self.list.texts.get(self.head.deprecated)
    }

    /// [`Version::engines_node`].
    pub fn engines_node(&self) -> Option<&'l str> {
        self.list.texts.get(self.head.engines_node)
    }

    /// [`Version::publisher`].
    pub fn publisher(&self) -> Option<&'l str> {
        self.list.texts.get(self.head.publisher)
    }

    /// [`Version::attested`].
    pub fn attested(&self) -> bool {
        self.head.attested != 0
    }

    fn at(&self, offset: u64) -> Option<Reader<'l>> {
        Some(Reader(self.list.rest.get(usize::try_from(offset).ok()?..)?))
    }

    fn string(&self, from: &mut Reader<'_>) -> Option<String> {
        self.list.texts.get(u32::try_from(from.number()?).ok()?).map(str::to_owned)
    }

    fn strings(&self, from: &mut Reader<'_>) -> Option<Vec<String>> {
        from.list(|from| self.string(from))
    }

    fn table(&self, offset: u64) -> Option<BTreeMap<String, String>> {
        self.at(offset)?.list(|from| Some((self.string(from)?, self.string(from)?)))
    }

    /// Whether what stands at [`Head::rest`] can be read, its tables aside.
    fn has_rest(&self) -> bool {
        let rest = || {
            let mut from = self.at(self.head.rest.into())?;
            self.at(from.number()?)?;
            from.flag()?;
            self.list.texts.get(u32::try_from(from.number()?).ok()?)?;
            for _ in 0..from.number()? {
                from.pass_digest()?;
            }
            from.option(Reader::number)
        };
        rest().is_some()
    }

    /// The whole version. What a bent list does not hold together is as if the registry had not said it.
    pub fn to_version(&self) -> Version {
        self.read().unwrap_or_default()
    }

    fn read(&self) -> Option<Version> {
        let mut from = self.at(self.head.rest.into())?;
        let mut manifest = self.at(from.number()?)?;
        let shortened = from.flag()?;
        let mut tarball = self.string(&mut from)?;
        if shortened {
            tarball.extend([self.text(), ".tgz"]);
        }
        let (dependencies, optional, peers) = (manifest.number()?, manifest.number()?, manifest.number()?);
        Some(Version {
            dependencies: self.table(dependencies)?,
            optional_dependencies: self.table(optional)?,
            peer_dependencies: self.table(peers)?,
            optional_peers: self.strings(&mut manifest)?,
            bundled: self.strings(&mut manifest)?,
            os: self.strings(&mut manifest)?,
            cpu: self.strings(&mut manifest)?,
            libc: self.strings(&mut manifest)?,
            lifecycle_scripts: self.strings(&mut manifest)?,
            bin: self.strings(&mut manifest)?,
            has_install_script: manifest.flag()?,
            engines_node: self.engines_node().map(str::to_owned),
            deprecated: self.deprecated().map(str::to_owned),
            publisher: self.publisher().map(str::to_owned),
            attested: self.attested(),
            tarball,
            digests: from.list(Reader::digest)?,
            unpacked_size: from.option(Reader::number)?,
        })
    }
}

impl Stored for VersionList {
    fn encode(&self, out: &mut Writer) {
        self.texts.encode(out);
        out.bytes(&self.rest);
        out.number(self.heads.len() as u64);
        for head in &self.heads {
            for word in [head.text, head.deprecated, head.engines_node, head.publisher, head.attested, head.rest] {
                out.word(word);
            }
            out.moment(head.published);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let texts = Texts::decode(from)?;
        let rest: Box<[u8]> = from.bytes()?.into();
        let count = usize::try_from(from.number()?).ok()?;
        if count.checked_mul(HEAD)? > from.0.len() {
            return None;
        }
        let mut head = || {
            let mut word = || from.word();
            let (text, deprecated, engines_node) = (word()?, word()?, word()?);
            let (publisher, attested, rest) = (word()?, word()?, word()?);
            let published = from.moment()?;
            Some(Head { text, deprecated, engines_node, publisher, attested, rest, published })
        };
        let heads = (0..count).map(|_| head()).collect::<Option<_>>()?;
        let list = Self { texts, heads, rest };
        list.holds().then_some(list)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::model::Digest;
    use proptest::prelude::*;

    fn version(seed: u8, text: &str) -> Version {
        let some =
            |bit: u8, word: &str| if seed & bit != 0 { vec![word.to_owned(), format!("é{seed}")] } else { Vec::new() };
        let table = |bit: u8| some(bit, "a").into_iter().map(|k| (k, format!("^{}", seed % 3))).collect();
        Version {
            dependencies: table(1),
            optional_dependencies: table(2),
            peer_dependencies: table(4),
            optional_peers: some(8, "p"),
            bundled: some(16, "b"),
            os: some(32, "linux"),
            cpu: some(64, "x64"),
            libc: some(128, "musl"),
            engines_node: (seed & 1 == 0).then(|| ">=18".to_owned()),
            deprecated: (seed & 2 == 0).then(|| "old".to_owned()),
            lifecycle_scripts: some(4, "install"),
            has_install_script: seed & 8 == 0,
            bin: some(16, "cmd"),
            tarball: if seed & 32 == 0 { format!("https://h.example/x/-/x-{text}.tgz") } else { "else".to_owned() },
            digests: vec![Digest::sha256_of(&[seed]); usize::from(seed % 3)],
            unpacked_size: (seed & 64 == 0).then_some(u64::from(seed)),
            publisher: (seed & 128 == 0).then(|| "who".to_owned()),
            attested: seed & 1 == 0,
        }
    }

    fn packed(seeds: &[u8]) -> (BTreeMap<String, Version>, BTreeMap<String, Timestamp>, VersionList) {
        let all: BTreeMap<String, Version> =
            seeds.iter().map(|s| (format!("{}.0.{s}", s % 12), version(*s, &format!("{}.0.{s}", s % 12)))).collect();
        let times =
            all.keys().step_by(2).enumerate().map(|(n, k)| (k.clone(), Timestamp::from_second(n as i64).unwrap()));
        let times = times.collect();
        let list = VersionList::new(&all, &times);
        (all, times, list)
    }

    fn stored(list: &VersionList) -> Vec<u8> {
        let mut out = Writer::default();
        list.encode(&mut out);
        out.0
    }

    #[test]
    fn torn_and_bent_lists_are_misses_or_lists() {
        let whole = stored(&packed(&[0, 1, 2, 77, 255]).2);
        for length in 0..whole.len() {
            assert_eq!(VersionList::decode(&mut Reader(&whole[..length])), None, "torn at {length}");
        }
        for place in 0..whole.len() {
            for bit in [1, 0x10, 0x80] {
                let mut bent = whole.clone();
                bent[place] ^= bit;
                if let Some(list) = VersionList::decode(&mut Reader(&bent)) {
                    list.iter().for_each(|v| drop((v.to_version(), v.published())));
                }
            }
        }
    }

    #[test]
    fn a_list_out_of_order_is_a_miss() {
        let (.., mut list) = packed(&[1, 2]);
        list.heads.reverse();
        assert_eq!(VersionList::decode(&mut Reader(&stored(&list))), None);
    }

    proptest! {
        #[test]
        fn stored_lists_come_back(seeds: Vec<u8>) {
            let (all, times, list) = packed(&seeds);
            let back = VersionList::decode(&mut Reader(&stored(&list))).unwrap();
            prop_assert_eq!(&back, &list);
            prop_assert_eq!(back.len(), all.len());
            for (own, (text, version)) in back.iter().zip(&all) {
                prop_assert_eq!((own.text(), own.published()), (text.as_str(), times.get(text).copied()));
                prop_assert_eq!(&own.to_version(), version);
                prop_assert_eq!(back.version(text), Some(version.clone()));
            }
            prop_assert!(!back.contains("none"));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = VersionList::decode(&mut Reader(&bytes));
        }
    }
}
