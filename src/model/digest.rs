//! Artifact digests: an algorithm and raw bytes, with the text forms the three registries use.

use std::fmt;

/// A digest algorithm. Order is strength, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// Broken; accepted only as a weak hint from old indexes.
    Md5,
    /// Broken; npm's `shasum` for packages without `integrity`.
    Sha1,
    /// 28 bytes.
    Sha224,
    /// 32 bytes: PyPI and crates.io.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes: npm's `integrity`.
    Sha512,
}

impl DigestAlgorithm {
    /// The lower-case name used in hashes, integrity strings and URL fragments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the raw digest in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether a collision can be bought: a digest of this kind proves nothing.
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    /// Reads [`DigestAlgorithm::name`], ignoring ASCII case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }
}

/// A digest: algorithm and raw bytes, always of the algorithm's length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    /// Zeros from the algorithm's size on.
    bytes: [u8; LONGEST],
}

/// The longest digest, in bytes.
const LONGEST: usize = 64;

/// What each hexadecimal digit of either case stands for; 255 for every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm's name is not one of [`DigestAlgorithm`].
    #[error("unknown digest algorithm `{0}`")]
    UnknownAlgorithm(String),
    /// The text is not hexadecimal (or base64) of the algorithm's length.
    #[error("not a {0} digest")]
    Malformed(&'static str),
}

impl Digest {
    /// A digest from raw bytes; an error unless they have the algorithm's length.
    pub fn from_bytes(algorithm: DigestAlgorithm, bytes: &[u8]) -> Result<Self, DigestError> {
        if bytes.len() == algorithm.size() {
            Ok(Self::of(algorithm, bytes.iter().copied()))
        } else {
            Err(DigestError::Malformed(algorithm.name()))
        }
    }

    /// A digest from hexadecimal text of either case.
    pub fn from_hex(algorithm: DigestAlgorithm, hex: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(algorithm.name());
        let hex = hex.as_bytes();
        if hex.len() != algorithm.size() * 2 {
            return Err(malformed());
        }
        // Lockfiles hold thousands: no branch for each digit, and what is none shows at the end.
        let mut seen = 0;
        let digest = Self::of(
            algorithm,
            hex.as_chunks::<2>().0.iter().map(|pair| {
                let [high, low] = pair.map(|c| NIBBLES[usize::from(c)]);
                seen |= high | low;
                (high << 4) | (low & 15)
            }),
        );
        if seen > 15 { Err(malformed()) } else { Ok(digest) }
    }

    /// As many bytes as the algorithm has.
    fn of(algorithm: DigestAlgorithm, raw: impl Iterator<Item = u8>) -> Self {
        let mut bytes = [0; LONGEST];
        // No caller has more bytes than the algorithm, and none has more than there is room for.
        for (slot, byte) in bytes.iter_mut().zip(raw) {
            *slot = byte;
        }
        Self { algorithm, bytes }
    }

    /// pip's form, `sha256:HEX` or `sha256=HEX`.
    pub fn parse_named_hex(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once([':', '=']).ok_or(DigestError::Malformed("named"))?;
        let algorithm =
            DigestAlgorithm::from_name(name).ok_or_else(|| DigestError::UnknownAlgorithm(name.to_owned()))?;
        Self::from_hex(algorithm, hex.trim())
    }

    /// One entry of a W3C subresource-integrity string, `sha512-BASE64`, options after `?` ignored.
    pub fn parse_sri(text: &str) -> Result<Self, DigestError> {
        use base64::Engine as _;
        let text = text.split('?').next().unwrap_or(text);
        let (name, b64) = text.split_once('-').ok_or(DigestError::Malformed("integrity"))?;
        let algorithm =
            DigestAlgorithm::from_name(name).ok_or_else(|| DigestError::UnknownAlgorithm(name.to_owned()))?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(b64)
            .map_err(|_| DigestError::Malformed(algorithm.name()))?;
        Self::from_bytes(algorithm, &bytes)
    }

    /// Every readable entry of an integrity string (entries are separated by white space), strongest first.
    pub fn parse_sri_list(text: &str) -> Vec<Self> {
        let mut all: Vec<Self> = text.split_ascii_whitespace().filter_map(|t| Self::parse_sri(t).ok()).collect();
        all.sort_by(|a, b| b.cmp(a));
        all
    }

    /// The algorithm.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.size()).unwrap_or_default()
    }

    /// Lower-case hexadecimal, without the algorithm's name.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        let mut out = String::with_capacity(self.algorithm.size() * 2);
        for byte in self.bytes() {
            out.push(digit(byte >> 4));
            out.push(digit(*byte));
        }
        out
    }

    /// The subresource-integrity form, `sha512-BASE64`.
    pub fn sri(&self) -> String {
        use base64::Engine as _;
        format!("{}-{}", self.algorithm.name(), base64::engine::general_purpose::STANDARD.encode(self.bytes()))
    }

    /// The SHA-256 of `bytes`.
    pub fn sha256_of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self::of(DigestAlgorithm::Sha256, sha2::Sha256::digest(bytes).into_iter())
    }
}

/// `sha256:HEX`.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_sri_round_trip() {
        let d = Digest::sha256_of(b"");
        assert_eq!(d.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digest::parse_named_hex(&d.to_string()), Ok(d.clone()));
        assert_eq!(Digest::parse_sri(&d.sri()), Ok(d));
    }

    #[test]
    fn wrong_lengths_and_names_are_errors() {
        assert!(Digest::parse_named_hex("sha256:abcd").is_err());
        assert!(Digest::parse_named_hex("crc32:abcd").is_err());
        assert!(Digest::parse_sri("sha512-AAAA").is_err());
        assert!(Digest::from_hex(DigestAlgorithm::Md5, "é0000000000000000000000000000000").is_err());
        for odd in ["g", "G", "/", ":", "@", "`", " ", "\u{0}", "\u{7f}"] {
            let text = format!("{odd}{}", "0".repeat(31));
            assert!(Digest::from_hex(DigestAlgorithm::Md5, &text).is_err(), "{odd:?}");
            let text = format!("{}{odd}", "0".repeat(31));
            assert!(Digest::from_hex(DigestAlgorithm::Md5, &text).is_err(), "{odd:?}");
        }
        let mixed = Digest::from_hex(DigestAlgorithm::Md5, "0123456789abcdefABCDEF9876543210");
        assert_eq!(mixed.map(|d| d.hex()).as_deref(), Ok("0123456789abcdefabcdef9876543210"));
    }

    #[test]
    fn the_strongest_entry_comes_first() {
        let list = Digest::parse_sri_list(&format!(
            "sha1-{} {}",
            "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            Digest::sha256_of(b"x").sri()
        ));
        assert_eq!(
            list.iter().map(Digest::algorithm).collect::<Vec<_>>(),
            [DigestAlgorithm::Sha256, DigestAlgorithm::Sha1]
        );
    }
}
