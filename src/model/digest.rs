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
    bytes: Box<[u8]>,
}

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
            Ok(Self { algorithm, bytes: bytes.into() })
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
        let nibble = |c: u8| (c as char).to_digit(16).ok_or_else(malformed);
        let bytes = hex
            .chunks_exact(2)
            .map(|pair| Ok((nibble(pair[0])? * 16 + nibble(pair[1])?) as u8))
            .collect::<Result<Box<[u8]>, _>>()?;
        Ok(Self { algorithm, bytes })
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
        &self.bytes
    }

    /// Lower-case hexadecimal, without the algorithm's name.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        self.bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
    }

    /// The subresource-integrity form, `sha512-BASE64`.
    pub fn sri(&self) -> String {
        use base64::Engine as _;
        format!("{}-{}", self.algorithm.name(), base64::engine::general_purpose::STANDARD.encode(&self.bytes))
    }

    /// The SHA-256 of `bytes`.
    pub fn sha256_of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self { algorithm: DigestAlgorithm::Sha256, bytes: sha2::Sha256::digest(bytes).to_vec().into() }
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
