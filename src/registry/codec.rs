//! The cache's own encoding: varints, length-prefixed text and bytes. Compact, quick to read, and total: a torn or
//! foreign text decodes to `None`, never to a panic.

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
        let nanos = time.as_nanosecond();
        let nanos = i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX });
        self.0.extend_from_slice(&nanos.to_le_bytes());
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
        let nanos = i64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Timestamp::from_nanosecond(i128::from(nanos)).ok()
    }

    /// A digest.
    pub fn digest(&mut self) -> Option<Digest> {
        let algorithm = *ALGORITHMS.get(usize::try_from(self.number()?).ok()?)?;
        Digest::from_bytes(algorithm, self.take(algorithm.size())?).ok()
    }
}

/// Unpacks what `lz4_flex::compress_prepend_size` packed. The size it states is believed only as far as LZ4 could
/// unpack to, so that a foreign file costs no memory.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let size = u32::from_le_bytes(packed.get(..4)?.try_into().ok()?) as usize;
    if size > packed.len().saturating_mul(256) {
        return None;
    }
    lz4_flex::decompress_size_prepended(packed).ok()
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

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let mut r = Reader(&bytes);
            let _ = r.list::<_, Vec<_>>(|r| r.option(|r| r.string()));
            let _ = r.digest();
            let _ = r.time();
        }
    }
}
