//! The cache's own encoding: varints, length-prefixed text and bytes. Compact, quick to read, and total: a torn or
//! foreign text decodes to `None`, never to a panic.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::{Digest, DigestAlgorithm, Timestamp};

/// Digest algorithms by the number that stands for them.
const ALGORITHMS: [DigestAlgorithm; 6] = [
    DigestAlgorithm::Md5,
    DigestAlgorithm::Sha1,
    DigestAlgorithm::Sha224,
    DigestAlgorithm::Sha256,
    DigestAlgorithm::Sha384,
    DigestAlgorithm::Sha512,
];

/// A value that can be kept in the cache.
pub trait Stored: Sized {
    /// Appends the value.
    fn encode(&self, out: &mut Writer);
    /// Reads it back; `None` when the bytes are not what [`Stored::encode`] wrote.
    fn decode(from: &mut Reader<'_>) -> Option<Self>;
}

/// Appends values to a buffer.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// An unsigned number, LEB128.
    pub fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// A number of fixed width, four bytes.
    pub fn word(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A list, with its length.
    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.number(items.len() as u64);
        for item in items {
            each(self, item);
        }
    }

    /// A value that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, some: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            some(self, value);
        }
    }

    /// A moment, to the nanosecond within the years 1678 to 2261; outside it is cut to the nearest of them.
    pub fn time(&mut self, time: Timestamp) {
        self.0.extend_from_slice(&Moment::of(Some(time)).0.to_le_bytes());
    }

    /// A moment, or none.
    pub fn moment(&mut self, moment: Moment) {
        self.0.extend_from_slice(&moment.0.to_le_bytes());
    }

    /// A digest.
    pub fn digest(&mut self, digest: &Digest) {
        let tag = ALGORITHMS.iter().position(|a| *a == digest.algorithm()).unwrap_or(ALGORITHMS.len());
        self.number(tag as u64);
        self.0.extend_from_slice(digest.bytes());
    }
}

/// Reads values from a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    /// An unsigned number.
    pub fn number(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { return None };
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    /// A number of fixed width.
    pub fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        Some(*self.take(1)?.first()? != 0)
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let n = usize::try_from(self.number()?).ok()?;
        self.take(n)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A text of its own.
    pub fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A list. Its length is checked against what is left, so that a torn length costs no memory.
    pub fn list<T, C: FromIterator<T>>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<C> {
        let n = usize::try_from(self.number()?).ok()?;
        if n > self.0.len() {
            return None;
        }
        (0..n).map(|_| each(self)).collect()
    }

    /// A value that may be absent.
    pub fn option<T>(&mut self, some: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { Some(Some(some(self)?)) } else { Some(None) }
    }

    /// A moment.
    pub fn time(&mut self) -> Option<Timestamp> {
        self.moment()?.get()
    }

    /// A moment, or none.
    pub fn moment(&mut self) -> Option<Moment> {
        Some(Moment(i64::from_le_bytes(self.take(8)?.try_into().ok()?)))
    }

    /// Passes over a digest.
    pub fn pass_digest(&mut self) -> Option<()> {
        let algorithm = ALGORITHMS.get(usize::try_from(self.number()?).ok()?)?;
        self.take(algorithm.size()).map(drop)
    }

    /// A digest.
    pub fn digest(&mut self) -> Option<Digest> {
        let algorithm = *ALGORITHMS.get(usize::try_from(self.number()?).ok()?)?;
        Digest::from_bytes(algorithm, self.take(algorithm.size())?).ok()
    }
}

/// A moment that may be missing, in eight bytes: nanoseconds since 1970, cut to the years 1678 to 2261.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(i64);

impl Moment {
    const NONE: i64 = i64::MIN;

    /// Keeps a moment.
    pub fn of(time: Option<Timestamp>) -> Self {
        let Some(nanos) = time.map(Timestamp::as_nanosecond) else { return Self(Self::NONE) };
        Self(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }).max(Self::NONE + 1))
    }

    /// Gives it back.
    pub fn get(self) -> Option<Timestamp> {
        (self.0 != Self::NONE).then(|| Timestamp::from_nanosecond(i128::from(self.0)).ok()).flatten()
    }
}

/// The number of a text that is not there.
pub const NO_TEXT: u32 = u32::MAX;

/// Texts that repeat, each written once and named by its number.
#[derive(Debug, Default)]
pub struct TextsWriter {
    hasher: DefaultHashBuilder,
    numbers: HashTable<u32>,
    ends: Vec<u32>,
    all: String,
}

impl TextsWriter {
    /// The number of a text.
    pub fn number(&mut self, text: &str) -> u32 {
        let Self { hasher, numbers, ends, all } = self;
        let hash = hasher.hash_one(text);
        if let Some(known) = numbers.find(hash, |n| text_of(ends, all, *n) == Some(text)) {
            return *known;
        }
        let number = offset(ends.len());
        all.push_str(text);
        ends.push(offset(all.len()));
        numbers.insert_unique(hash, number, |n| hasher.hash_one(text_of(ends, all, *n).unwrap_or_default()));
        number
    }

    /// The number of a text that may be absent.
    pub fn optional(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NO_TEXT, |t| self.number(t))
    }

    /// The texts as a reader sees them.
    pub fn finish(self) -> Texts {
        Texts { ends: self.ends.into(), all: self.all.into() }
    }
}

/// A position within what is limited to far less than 4 GiB.
pub fn offset(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The text of a number, where each begins at the end of the one before it.
fn text_of<'t>(ends: &[u32], all: &'t str, number: u32) -> Option<&'t str> {
    let number = number as usize;
    let end = *ends.get(number)? as usize;
    let start = match number {
        0 => 0,
        n => *ends.get(n - 1)? as usize,
    };
    all.get(start..end)
}

/// Texts by number. One piece of memory, checked once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    ends: Box<[u32]>,
    all: Box<str>,
}

impl Texts {
    /// The text of a number; `None` for [`NO_TEXT`] and for what was never written.
    pub fn get(&self, number: u32) -> Option<&str> {
        text_of(&self.ends, &self.all, number)
    }

    /// Whether a number names a text, or is [`NO_TEXT`].
    pub fn knows(&self, number: u32) -> bool {
        number == NO_TEXT || (number as usize) < self.ends.len()
    }
}

impl Stored for Texts {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.all);
        out.number(self.ends.len() as u64);
        for end in &self.ends {
            out.word(*end);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let all: Box<str> = from.text()?.into();
        let count = usize::try_from(from.number()?).ok()?;
        let ends = from.take(count.checked_mul(4)?)?;
        let ends: Box<[u32]> = ends.chunks_exact(4).map(|w| w.try_into().map_or(0, u32::from_le_bytes)).collect();
        // Every end on a character's boundary and none before another: then every number is a text.
        let mut before = 0;
        for end in &ends {
            if *end < before || !all.is_char_boundary(*end as usize) {
                return None;
            }
            before = *end;
        }
        Some(Self { ends, all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut w = Writer::default();
        let time: Timestamp = "2024-05-29T15:37:49.123456Z".parse().unwrap_or_default();
        for n in [0, 127, 128, u64::MAX] {
            w.number(n);
        }
        w.option(Some("é"), |w, t| w.text(t));
        w.time(time);
        w.digest(&Digest::sha256_of(b""));
        w.list([1_u64, 2].into_iter(), Writer::number);
        let mut r = Reader(&w.0);
        for n in [0, 127, 128, u64::MAX] {
            assert_eq!(r.number(), Some(n));
        }
        assert_eq!(r.option(|r| r.string()), Some(Some("é".to_owned())));
        assert_eq!(r.time(), Some(time));
        assert_eq!(r.digest(), Some(Digest::sha256_of(b"")));
        assert_eq!(r.list::<_, Vec<_>>(Reader::number), Some(vec![1, 2]));
        assert_eq!(r.flag(), None);
    }

    #[test]
    fn texts_come_back_by_number() {
        let mut w = TextsWriter::default();
        let numbers = ["é", "", "b", "é"].map(|t| w.number(t));
        assert_eq!((numbers, w.optional(None)), ([0, 1, 2, 0], NO_TEXT));
        let mut out = Writer::default();
        w.finish().encode(&mut out);
        let texts = Texts::decode(&mut Reader(&out.0)).unwrap_or_default();
        assert_eq!([0, 1, 2, 3].map(|n| texts.get(n)), [Some("é"), Some(""), Some("b"), None]);
        assert!(texts.knows(2) && texts.knows(NO_TEXT) && !texts.knows(3));
        for length in 0..out.0.len() {
            assert_eq!(Texts::decode(&mut Reader(&out.0[..length])), None, "torn at {length}");
        }
        // An end inside of a character, and one before another.
        for ends in [[1, 2], [2, 0]] {
            let mut out = Writer::default();
            out.text("éb");
            out.number(2);
            ends.iter().for_each(|e| out.word(*e));
            assert_eq!(Texts::decode(&mut Reader(&out.0)), None);
        }
    }

    #[test]
    fn moments_are_there_or_not() {
        let time: Timestamp = "2024-05-29T15:37:49.123456Z".parse().unwrap_or_default();
        assert_eq!((Moment::of(Some(time)).get(), Moment::of(None).get()), (Some(time), None));
        assert!(Moment::of(Some(Timestamp::MIN)).get().is_some() && Moment::of(Some(Timestamp::MAX)).get().is_some());
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Texts::decode(&mut Reader(&bytes));
            let mut r = Reader(&bytes);
            let _ = r.list::<_, Vec<_>>(|r| r.option(|r| r.string()));
            let _ = r.digest();
            let _ = r.time();
        }
    }
}
