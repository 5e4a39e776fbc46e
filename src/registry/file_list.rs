//! The files of project pages, kept compact: a page may list tens of thousands, and a resolution looks at all of
//! their names but takes few of them. In: [`File`]s as a page has them. Out: a [`FileList`], of which a whole [`File`]
//! is made when it is asked for.
//!
//! Texts that files share (versions, tags, `requires-python`) are kept once and have numbers, so that a reader
//! interprets each of them once.

use std::sync::Arc;

use super::codec::{Moment, NO_TEXT, Reader, Stored, Texts, TextsWriter, Writer, offset};
use super::python::{Advertised, File};
use crate::ecosystem::python::wheel::{WheelParts, build_tag};
use crate::model::{Digest, Timestamp};

/// The files of one page, without the index that served it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageFiles {
    /// What all URLs begin with.
    base: Box<str>,
    texts: Texts,
    heads: Box<[Head]>,
    /// What only few files are asked for, at [`Head::rest`].
    rest: Box<[u8]>,
}

/// What every file is asked for. Numbers are those of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// The file's name; of a wheel only the project's.
    name: u32,
    /// Of a wheel.
    version: u32,
    /// Of a wheel, when it has one.
    build: u32,
    /// Of a wheel; says that it is one.
    tags: u32,
    requires_python: u32,
    yanked: u32,
    /// The URL between what all begin with and the file's name.
    place: u32,
    rest: u32,
    uploaded: Moment,
}

/// Bytes of a stored [`Head`].
const HEAD: usize = 8 * 4 + 8;

/// A text and its number on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered<'l> {
    /// The same for the same text of one page.
    pub number: u32,
    /// The text.
    pub text: &'l str,
}

/// A wheel's name, taken apart as [`WheelParts`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WheelRef<'l> {
    /// The project's name as written.
    pub name: Numbered<'l>,
    /// The version as written.
    pub version: Numbered<'l>,
    /// The build tag: its number and what follows it.
    pub build: Option<(u64, &'l str)>,
    /// `python-abi-platform`, each possibly several joined by `.`.
    pub tags: Numbered<'l>,
}

/// One file of a list.
#[derive(Debug, Clone, Copy)]
pub struct FileRef<'l> {
    page: &'l PageFiles,
    head: &'l Head,
    index: &'l Arc<str>,
}

/// Makes [`PageFiles`] of files as they come.
#[derive(Debug, Default)]
pub struct Packer {
    texts: TextsWriter,
    rest: Writer,
    heads: Vec<Head>,
    /// Every file's URL without its name, one after the other, and where each ends.
    stems: String,
    ends: Vec<usize>,
}

impl Packer {
    /// One more file.
    pub fn add(&mut self, file: &File) {
        let Self { texts, rest, heads, stems, ends } = self;
        let wheel =
            WheelParts::split(&file.filename).and_then(|wheel| Some((wheel, build_of(&file.filename, &wheel)?)));
        let (name, version, build, tags) = match &wheel {
            Some((wheel, build)) => (
                texts.number(wheel.name),
                texts.number(wheel.version),
                texts.optional(*build),
                texts.number(wheel.tags),
            ),
            None => (texts.number(&file.filename), NO_TEXT, NO_TEXT, NO_TEXT),
        };
        heads.push(Head {
            name,
            version,
            build,
            tags,
            requires_python: texts.optional(file.requires_python.as_deref()),
            yanked: texts.optional(file.yanked.as_deref()),
            // Known when all are.
            place: NO_TEXT,
            rest: offset(rest.0.len()),
            uploaded: Moment::of(file.upload_time),
        });
        let stem = file.url.strip_suffix(file.filename.as_str());
        stems.push_str(stem.unwrap_or(&file.url));
        ends.push(stems.len());
        rest.flag(stem.is_some_and(|stem| stem.len() < file.url.len()));
        rest.list(file.digests.iter(), Writer::digest);
        rest.option(file.size, Writer::number);
        match &file.core_metadata {
            Advertised::No => rest.number(0),
            Advertised::Yes => rest.number(1),
            Advertised::Hashed(digest) => {
                rest.number(2);
                rest.digest(digest);
            }
        }
    }

    /// The list.
    pub fn finish(self) -> PageFiles {
        let Self { mut texts, rest, mut heads, stems, ends } = self;
        let starts = std::iter::once(&0).chain(&ends);
        let each = || starts.clone().zip(&ends).map(|(start, end)| stems.get(*start..*end).unwrap_or_default());
        let base = each().reduce(|base, stem| &base[..shared_prefix(stem, base)]).unwrap_or_default();
        for (head, stem) in heads.iter_mut().zip(each()) {
            head.place = texts.number(stem.get(base.len()..).unwrap_or_default());
        }
        PageFiles { base: base.into(), texts: texts.finish(), heads: heads.into(), rest: rest.0.into() }
    }
}

impl PageFiles {
    /// Packs the files of a page.
    pub fn new(files: &[File]) -> Self {
        let mut packer = Packer::default();
        files.iter().for_each(|file| packer.add(file));
        packer.finish()
    }
}

/// A wheel's build tag as written (`None` inside: it has none); `None` when the parts do not make up the whole name.
fn build_of<'f>(filename: &'f str, wheel: &WheelParts<'_>) -> Option<Option<&'f str>> {
    let after = filename.strip_prefix(wheel.name)?.strip_prefix('-')?.strip_prefix(wheel.version)?.strip_prefix('-')?;
    let before = after.strip_suffix(".whl")?.strip_suffix(wheel.tags)?;
    Some(if before.is_empty() { None } else { Some(before.strip_suffix('-')?) })
}

impl Stored for PageFiles {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.base);
        self.texts.encode(out);
        out.bytes(&self.rest);
        out.number(self.heads.len() as u64);
        for head in &self.heads {
            for word in head.words() {
                out.word(word);
            }
            out.moment(head.uploaded);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let base = from.text()?.into();
        let texts = Texts::decode(from)?;
        let rest: Box<[u8]> = from.bytes()?.into();
        let count = usize::try_from(from.number()?).ok()?;
        if count.checked_mul(HEAD)? > from.0.len() {
            return None;
        }
        let heads: Box<[Head]> = (0..count).map(|_| Head::decode(from)).collect::<Option<_>>()?;
        let page = Self { base, texts, heads, rest };
        page.holds().then_some(page)
    }
}

impl Head {
    fn words(&self) -> [u32; 8] {
        let Self { name, version, build, tags, requires_python, yanked, place, rest, .. } = *self;
        [name, version, build, tags, requires_python, yanked, place, rest]
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let mut word = || from.word();
        Some(Self {
            name: word()?,
            version: word()?,
            build: word()?,
            tags: word()?,
            requires_python: word()?,
            yanked: word()?,
            place: word()?,
            rest: word()?,
            uploaded: from.moment()?,
        })
    }
}

impl PageFiles {
    /// Whether every number is that of a text, and every file can be made.
    fn holds(&self) -> bool {
        let index: Arc<str> = Arc::from("");
        self.heads.iter().all(|head| {
            let [optional @ .., _] = head.words();
            let there = |n: u32| n != NO_TEXT;
            let whole = there(head.name) && there(head.place) && there(head.version) == there(head.tags);
            whole
                && optional.iter().all(|n| self.texts.knows(*n))
                && (!there(head.build) || self.texts.get(head.build).and_then(build_tag).is_some())
                && FileRef { page: self, head, index: &index }.rest().is_some()
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

/// What stands at [`Head::rest`].
struct Rest<'l> {
    /// Whether the file's name ends its URL.
    named: bool,
    /// A list of them.
    digests: Reader<'l>,
    size: Option<u64>,
    /// An [`Advertised`].
    metadata: Reader<'l>,
}

impl Rest<'_> {
    fn digests(&self) -> Vec<Digest> {
        { self.digests }.list(Reader::digest).unwrap_or_default()
    }

    fn metadata(&self) -> Advertised {
        let mut from = self.metadata;
        match from.number() {
            Some(1) => Advertised::Yes,
            Some(2) => from.digest().map_or(Advertised::Yes, Advertised::Hashed),
            _ => Advertised::No,
        }
    }
}

impl<'l> FileRef<'l> {
    fn text(&self, number: u32) -> &'l str {
        self.page.texts.get(number).unwrap_or_default()
    }

    fn numbered(&self, number: u32) -> Numbered<'l> {
        Numbered { number, text: self.text(number) }
    }

    /// The name taken apart, when it is a wheel's.
    pub fn wheel(&self) -> Option<WheelRef<'l>> {
        (self.head.tags != NO_TEXT).then(|| WheelRef {
            name: self.numbered(self.head.name),
            version: self.numbered(self.head.version),
            build: self.page.texts.get(self.head.build).and_then(build_tag),
            tags: self.numbered(self.head.tags),
        })
    }

    /// The name of a file that is no wheel.
    pub fn other_name(&self) -> Option<&'l str> {
        (self.head.tags == NO_TEXT).then(|| self.text(self.head.name))
    }

    /// The pieces of which the name is made.
    fn pieces(&self) -> [&'l str; 8] {
        let name = self.text(self.head.name);
        if self.head.tags == NO_TEXT {
            return [name, "", "", "", "", "", "", ""];
        }
        let (dash, build) = match self.page.texts.get(self.head.build) {
            Some(build) => ("-", build),
            None => ("", ""),
        };
        [name, "-", self.text(self.head.version), dash, build, "-", self.text(self.head.tags), ".whl"]
    }

    /// [`File::filename`].
    pub fn filename(&self) -> String {
        self.pieces().concat()
    }

    /// What its URL begins with, and whether its name follows.
    fn stem(&self) -> ([&'l str; 2], bool) {
        ([&self.page.base, self.text(self.head.place)], self.rest().is_none_or(|rest| rest.named))
    }

    /// [`File::url`].
    pub fn url(&self) -> String {
        let ([base, place], named) = self.stem();
        let name = if named { self.filename() } else { String::new() };
        [base, place, &name].concat()
    }

    /// Whether this is its URL.
    pub fn has_url(&self, url: &str) -> bool {
        let ([base, place], named) = self.stem();
        let rest = url.strip_prefix(base).and_then(|rest| rest.strip_prefix(place));
        rest.is_some_and(|rest| if named { self.is_named(rest) } else { rest.is_empty() })
    }

    /// Whether this is its name.
    pub fn is_named(&self, filename: &str) -> bool {
        self.pieces().iter().try_fold(filename, |rest, piece| rest.strip_prefix(piece)) == Some("")
    }

    /// [`File::requires_python`].
    pub fn requires_python(&self) -> Option<Numbered<'l>> {
        (self.head.requires_python != NO_TEXT).then(|| self.numbered(self.head.requires_python))
    }

    /// [`File::upload_time`].
    pub fn upload_time(&self) -> Option<Timestamp> {
        self.head.uploaded.get()
    }

    /// [`File::yanked`].
    pub fn yanked(&self) -> Option<&'l str> {
        self.page.texts.get(self.head.yanked)
    }

    /// [`File::index`].
    pub fn index(&self) -> &'l Arc<str> {
        self.index
    }

    fn rest(&self) -> Option<Rest<'l>> {
        let mut from = Reader(self.page.rest.get(self.head.rest as usize..)?);
        let named = from.flag()?;
        let digests = from;
        let count = from.number()?;
        for _ in 0..count {
            from.pass_digest()?;
        }
        let size = from.option(Reader::number)?;
        let metadata = from;
        match from.number()? {
            0 | 1 => {}
            2 => from.pass_digest()?,
            _ => return None,
        }
        Some(Rest { named, digests, size, metadata })
    }

    /// Whether one of these digests is its.
    pub fn has_one_of(&self, wanted: &[Digest]) -> bool {
        self.rest().is_some_and(|rest| rest.digests().iter().any(|d| wanted.contains(d)))
    }

    /// The whole file.
    pub fn to_file(&self) -> File {
        // A list whose files cannot be made is not decoded in the first place.
        let rest = self.rest();
        File {
            url: self.url(),
            digests: rest.as_ref().map(Rest::digests).unwrap_or_default(),
            requires_python: self.requires_python().map(|t| t.text.to_owned()),
            size: rest.as_ref().and_then(|r| r.size),
            upload_time: self.upload_time(),
            yanked: self.yanked().map(str::to_owned),
            core_metadata: rest.as_ref().map(Rest::metadata).unwrap_or_default(),
            index: Arc::clone(self.index),
            filename: self.filename(),
        }
    }
}

/// The files of a project, over all indexes that serve it.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    pages: Vec<(Arc<PageFiles>, Arc<str>)>,
}

impl FileList {
    /// Adds a page's files, which `index` served.
    pub fn add(&mut self, page: Arc<PageFiles>, index: Arc<str>) {
        if !page.is_empty() {
            self.pages.push((page, index));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pages.iter().map(|(page, _)| page.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// All files.
    pub fn iter(&self) -> impl Iterator<Item = FileRef<'_>> {
        self.pages().flatten()
    }

    /// The files, page by page: numbers of texts hold within a page.
    pub fn pages(&self) -> impl Iterator<Item = impl Iterator<Item = FileRef<'_>>> {
        self.pages.iter().map(|(page, index)| page.heads.iter().map(move |head| FileRef { page, head, index }))
    }

    /// A file by its place in the list.
    pub fn get(&self, mut at: usize) -> Option<FileRef<'_>> {
        for (page, index) in &self.pages {
            match page.heads.get(at) {
                Some(head) => return Some(FileRef { page, head, index }),
                None => at -= page.len(),
            }
        }
        None
    }

    /// All files, whole.
    pub fn to_vec(&self) -> Vec<File> {
        self.iter().map(|f| f.to_file()).collect()
    }
}

/// Neighbours of one index become a page.
impl From<Vec<File>> for FileList {
    fn from(files: Vec<File>) -> Self {
        let mut out = Self::default();
        for page in files.chunk_by(|a, b| a.index == b.index) {
            let index = page.first().map_or_else(|| Arc::from(""), |f| Arc::clone(&f.index));
            out.add(Arc::new(PageFiles::new(page)), index);
        }
        out
    }
}

impl PartialEq for FileList {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a.to_file() == b.to_file())
    }
}

impl Eq for FileList {}

/// Bytes that two texts share at their beginning, ending on a character's boundary of both.
fn shared_prefix(a: &str, b: &str) -> usize {
    let mut n = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !b.is_char_boundary(n) {
        n -= 1;
    }
    n
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(filename: &str, url: &str) -> File {
        File {
            filename: filename.to_owned(),
            url: url.to_owned(),
            digests: vec![Digest::sha256_of(filename.as_bytes())],
            requires_python: Some(">=3".to_owned()),
            size: Some(1),
            upload_time: "2024-05-29T15:37:49.123456Z".parse().ok(),
            yanked: None,
            core_metadata: Advertised::Hashed(Digest::sha256_of(b"")),
            index: Arc::from(""),
        }
    }

    fn back(page: &PageFiles) -> Option<PageFiles> {
        let mut out = Writer::default();
        page.encode(&mut out);
        PageFiles::decode(&mut Reader(&out.0))
    }

    const NAMES: [&str; 8] = [
        "Foo_Bar-1.0-2b-py2.py3-none-any.whl",
        "foo-1.0-002-py3-none-any.whl",
        "foo-1.0-py3-none-any.whl",
        "foo-1.0.whl",
        "foo-1.0.tar.gz",
        "é-1-1é-py3-none-any.whl",
        "",
        ".whl",
    ];

    #[test]
    fn names_of_every_form_come_back() {
        let files: Vec<File> = NAMES.iter().map(|n| file(n, &format!("https://h.example/é/{n}"))).collect();
        let list = FileList::from(files.clone());
        assert_eq!(list.to_vec(), files);
        assert_eq!((list.len(), list.get(8).is_none()), (8, true));
        for (own, name) in list.iter().zip(NAMES) {
            assert!(own.is_named(name) && !own.is_named(&format!("{name}x")), "{name}");
            let wheel = WheelParts::split(name);
            let read = own.wheel();
            assert_eq!(
                read.map(|w| (w.name.text, w.version.text, w.build, w.tags.text)),
                wheel.map(|w| (w.name, w.version, w.build, w.tags))
            );
            assert_eq!(own.other_name(), wheel.is_none().then_some(name));
        }
    }

    #[test]
    fn torn_and_bent_pages_are_misses_or_pages() {
        let files: Vec<File> = NAMES.iter().map(|n| file(n, "https://h.example/x")).collect();
        let page = PageFiles::new(&files);
        let mut out = Writer::default();
        page.encode(&mut out);
        for length in 0..out.0.len() {
            assert_eq!(PageFiles::decode(&mut Reader(&out.0[..length])), None, "torn at {length}");
        }
        for place in 0..out.0.len() {
            for bit in [1, 0x10, 0x80] {
                let mut bent = out.0.clone();
                bent[place] ^= bit;
                if let Some(page) = PageFiles::decode(&mut Reader(&bent)) {
                    let mut list = FileList::default();
                    list.add(Arc::new(page), Arc::from(""));
                    let _ = list.to_vec();
                    assert!(list.iter().filter(|f| f.wheel().is_some() && f.yanked().is_some()).count() <= list.len());
                }
            }
        }
    }

    #[test]
    fn files_of_several_indexes_keep_theirs() {
        let mut files: Vec<File> = NAMES.iter().map(|n| file(n, "https://h.example/x")).collect();
        for file in files.iter_mut().skip(3) {
            file.index = Arc::from("https://i.example/");
        }
        let list = FileList::from(files.clone());
        assert_eq!((list.pages().count(), list.to_vec()), (2, files.clone()));
        assert_eq!((0..8).filter_map(|n| list.get(n)).map(|f| f.to_file()).collect::<Vec<_>>(), files);
    }

    proptest! {
        #[test]
        fn stored_pages_come_back(
            all in proptest::collection::vec(("[a-zé_.]{0,6}(-[0-9a-zé.]{0,3}){0,6}(\\.whl|\\.tar\\.gz)?", "(https://h\\.example/)?[a-zé/]{0,9}", any::<[Option<u32>; 4]>(), any::<bool>()), 0..6),
        ) {
            let files: Vec<File> = all.into_iter().map(|(name, place, [python, size, time, yanked], named)| File {
                url: if named { format!("{place}{name}") } else { place },
                digests: size.iter().map(|n| Digest::sha256_of(&n.to_le_bytes())).collect(),
                requires_python: python.map(|n| n.to_string()),
                size: size.map(u64::from),
                upload_time: time.and_then(|n| Timestamp::from_second(i64::from(n)).ok()),
                yanked: yanked.map(|n| if n % 2 == 0 { String::new() } else { n.to_string() }),
                core_metadata: match python { Some(n) if n % 2 == 0 => Advertised::Yes, _ => Advertised::No },
                ..file(&name, "")
            }).collect();
            let page = PageFiles::new(&files);
            prop_assert_eq!(back(&page), Some(page.clone()));
            let mut list = FileList::default();
            list.add(Arc::new(back(&page).unwrap()), Arc::from(""));
            for (own, file) in list.iter().zip(&files) {
                let longer = format!("{}x", file.url);
                prop_assert!(own.has_url(&file.url) && !own.has_url(&longer));
                prop_assert_eq!(own.url(), file.url.as_str());
            }
            prop_assert_eq!(list.to_vec(), files);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = PageFiles::decode(&mut Reader(&bytes));
        }
    }
}
