//! The index file, read: a memory-mapped file in, the entries of a name and the raw record of an id out.
//!
//! ```text
//! header   magic, version, counts, times, where the sections are, a checksum of all that
//! names    fst: ecosystem tag + canonical name → block number << 32 | position in the block
//! table    where each block is, its sizes and its checksum
//! blocks   lz4: for each name the number of entries and the entries
//! ids      fst: record id or alias → position in `postings`
//! postings lists of (raw block number, position, length)
//! raw      deflate: the records' JSON as it came
//! ```
//!
//! Opening reads the header only. A section's checksum is verified before its first use, a block's before each.
//! Every offset is checked: a file that is truncated, overwritten or of another version is an [`IndexError`].
//! All numbers are little-endian.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::entry::{Entry, take_bytes, take_number};
use crate::model::{Ecosystem, PackageName, Timestamp};

/// First bytes of every index file.
pub(super) const MAGIC: &[u8; 8] = b"tidewadv";
/// Changes with every change of the layout or of [`Entry`]'s bytes.
pub(super) const VERSION: u32 = 2;
/// Length of the header in bytes.
pub(super) const HEADER: usize = 8 + 4 + 4 + 5 * 8 + SECTIONS * 24 + 8;
/// Number of sections.
pub(super) const SECTIONS: usize = 6;
/// A block's size before compression never exceeds this (one name's entries may exceed the usual size by far).
pub(super) const MAX_BLOCK: usize = 64 << 20;
/// Bytes of one row of the block table: offset, packed size, raw size, kind (all u32 but the offset), checksum.
pub(super) const ROW: usize = 8 + 4 + 4 + 8;

/// The sections, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Names,
    Table,
    Blocks,
    Ids,
    Postings,
    Raw,
}

/// Why an index file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The operating system's words.
    #[error("cannot read the advisory index {path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Not an index file, or of a version this program does not read.
    #[error("{path} is not an advisory index of this version: run `tidewaiter advisories update`, or import it again")]
    Foreign {
        /// The file.
        path: String,
    },
    /// Damaged.
    #[error("the advisory index {path} is damaged ({what}): run `tidewaiter advisories update`, or import it again")]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Records, withdrawn ones included.
    pub records: u64,
    /// Of those, withdrawn.
    pub withdrawn: u64,
    /// Names with at least one entry.
    pub names: u64,
    /// When the source was fetched or imported.
    pub updated_at: Timestamp,
    /// The newest `modified` of any record.
    pub newest: Option<Timestamp>,
    /// Bit n: [`Ecosystem::ALL`]`[n]` has entries, or the feed is that ecosystem's.
    pub ecosystems: u32,
}

/// An open index file.
pub struct Index {
    path: PathBuf,
    map: memmap2::Mmap,
    summary: Summary,
    /// Start, length and checksum of each section.
    sections: [(usize, usize, u64); SECTIONS],
    verified: [OnceLock<bool>; SECTIONS],
    /// The block that was read last: a plan is asked about in the order in which the names are stored.
    last: Mutex<(Option<u64>, Vec<u8>)>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("path", &self.path).field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// The checksum of sections and blocks: finds damage, not malice (who can write the file can write the program).
///
/// Eight bytes a step in four lanes, so that a section of some megabytes costs well under a millisecond.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    const P: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [P, P ^ 1, P ^ 2, P ^ 3];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            *lane = (*lane ^ word).wrapping_mul(P).rotate_left(29);
        }
    }
    let mut sum = bytes.len() as u64;
    for lane in lanes {
        sum = (sum ^ lane).wrapping_mul(P).rotate_left(31);
    }
    for byte in chunks.remainder() {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(P).rotate_left(17);
    }
    sum ^ (sum >> 32)
}

/// The key of a name in the `names` section.
pub(super) fn name_key(ecosystem: Ecosystem, canonical: &str) -> Vec<u8> {
    let tag = match ecosystem {
        Ecosystem::PyPI => b'p',
        Ecosystem::Npm => b'n',
        Ecosystem::CratesIo => b'c',
    };
    let mut key = Vec::with_capacity(canonical.len() + 1);
    key.push(tag);
    key.extend_from_slice(canonical.as_bytes());
    key
}

/// Whether bytes are what they were when their checksum was taken. Under a fuzzer they always are: what is to be found
/// lies behind the checksums.
fn sound(bytes: &[u8], sum: u64) -> bool {
    cfg!(fuzzing) || checksum(bytes) == sum
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

fn small(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

impl Index {
    /// Opens an index file. Reads its first bytes only.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |e: std::io::Error| IndexError::Io { path: path.display().to_string(), reason: e.to_string() };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() < HEADER as u64 {
            return Err(IndexError::Foreign { path: path.display().to_string() });
        }
        #[expect(
            unsafe_code,
            reason = "the file is only ever replaced by renaming a new one over it, never written in place, and every read of the mapping is bounds-checked"
        )]
        // SAFETY: see the reason above; a mapping's bytes are read as bytes and numbers only.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Self::from_map(path.to_owned(), map)
    }

    fn from_map(path: PathBuf, map: memmap2::Mmap) -> Result<Self, IndexError> {
        let shown = path.display().to_string();
        let header = map.get(..HEADER).ok_or_else(|| IndexError::Foreign { path: shown.clone() })?;
        if !header.starts_with(MAGIC) || small(header, 8) != Some(VERSION) {
            return Err(IndexError::Foreign { path: shown });
        }
        let corrupt = |what| IndexError::Corrupt { path: shown.clone(), what };
        let body = &header[..HEADER - 8];
        if !number(header, HEADER - 8).is_some_and(|sum| sound(body, sum)) {
            return Err(corrupt("header"));
        }
        let field = |n: usize| number(header, 16 + n * 8).unwrap_or(0);
        let seconds = |n: usize| Timestamp::from_second(field(n).cast_signed()).ok();
        let summary = Summary {
            ecosystems: small(header, 12).unwrap_or(0),
            records: field(0),
            withdrawn: field(1),
            names: field(2),
            updated_at: seconds(3).ok_or_else(|| corrupt("header"))?,
            newest: seconds(4).filter(|t| t.as_second() != 0),
        };
        let mut sections = [(0, 0, 0); SECTIONS];
        let mut at = HEADER;
        for (i, section) in sections.iter_mut().enumerate() {
            let row = 16 + 5 * 8 + i * 24;
            let read = |n: usize| number(header, row + n * 8);
            let (Some(start), Some(len), Some(sum)) = (read(0), read(1), read(2)) else {
                return Err(corrupt("header"));
            };
            let (Ok(start), Ok(len)) = (usize::try_from(start), usize::try_from(len)) else {
                return Err(corrupt("length"));
            };
            if start != at {
                return Err(corrupt("header"));
            }
            at = start.checked_add(len).ok_or_else(|| corrupt("length"))?;
            *section = (start, len, sum);
        }
        if at != map.len() {
            return Err(corrupt("length"));
        }
        Ok(Self { path, map, summary, sections, verified: Default::default(), last: Mutex::default() })
    }

    /// What the header says.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn corrupt(&self, what: &'static str) -> IndexError {
        IndexError::Corrupt { path: self.path.display().to_string(), what }
    }

    /// A section's bytes, its checksum verified the first time. `Blocks` and `Raw` have a checksum for each block.
    fn section(&self, section: Section) -> Result<&[u8], IndexError> {
        let (start, len, sum) = self.sections[section as usize];
        let bytes = self.map.get(start..start + len).ok_or_else(|| self.corrupt("length"))?;
        let whole = || matches!(section, Section::Blocks | Section::Raw) || sound(bytes, sum);
        if *self.verified[section as usize].get_or_init(whole) { Ok(bytes) } else { Err(self.corrupt("checksum")) }
    }

    fn lookup(&self, section: Section, key: &[u8]) -> Result<Option<u64>, IndexError> {
        let bytes = self.section(section)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let map = fst::Map::new(bytes).map_err(|_| self.corrupt("fst"))?;
        Ok(map.get(key))
    }

    /// The decompressed bytes of a block, into `out`; rows of the table count `Blocks` first, then `Raw`.
    fn block(&self, number_of: u64, out: &mut Vec<u8>) -> Result<(), IndexError> {
        let table = self.section(Section::Table)?;
        let at =
            usize::try_from(number_of).ok().and_then(|n| n.checked_mul(ROW)).ok_or_else(|| self.corrupt("block"))?;
        let row = at.checked_add(ROW).and_then(|end| table.get(at..end)).ok_or_else(|| self.corrupt("block"))?;
        let (Some(place), Some(packed), Some(raw), Some(sum)) =
            (number(row, 0), small(row, 8), small(row, 12), number(row, 16))
        else {
            return Err(self.corrupt("block"));
        };
        // The highest bit of the place says which section.
        let deflated = place >> 63 == 1;
        let bytes = self.section(if deflated { Section::Raw } else { Section::Blocks })?;
        let start = usize::try_from(place & (u64::MAX >> 1)).map_err(|_| self.corrupt("block"))?;
        let end = start.checked_add(packed as usize).ok_or_else(|| self.corrupt("block"))?;
        let bytes = bytes.get(start..end).ok_or_else(|| self.corrupt("block"))?;
        let raw = raw as usize;
        if raw > MAX_BLOCK || !sound(bytes, sum) {
            return Err(self.corrupt("block"));
        }
        let written = if deflated {
            out.clear();
            out.reserve(raw);
            let mut reader = flate2::read::DeflateDecoder::new(bytes).take(raw as u64 + 1);
            reader.read_to_end(out).map_err(|_| self.corrupt("block"))?
        } else {
            // What the buffer held is overwritten.
            out.resize(raw, 0);
            lz4_flex::block::decompress_into(bytes, out).map_err(|_| self.corrupt("block"))?
        };
        if written == raw { Ok(()) } else { Err(self.corrupt("block")) }
    }

    /// What `look` sees in a block of entries, which may be the last one read.
    fn names_block<T>(&self, number_of: u64, look: impl FnOnce(&[u8]) -> T) -> Result<T, IndexError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, block) = &mut *last;
        if *number != Some(number_of) {
            *number = None;
            self.block(number_of, block)?;
            *number = Some(number_of);
        }
        Ok(look(block))
    }

    /// Every entry about a name, withdrawn ones included, in no order.
    pub fn entries(&self, name: &PackageName) -> Result<Vec<Entry>, IndexError> {
        if !self.covers(name.ecosystem()) {
            return Ok(Vec::new());
        }
        let Some(value) = self.lookup(Section::Names, &name_key(name.ecosystem(), name.canonical()))? else {
            return Ok(Vec::new());
        };
        let at = usize::try_from(value & 0xffff_ffff).map_err(|_| self.corrupt("name"))?;
        let read = |input: &mut &[u8]| {
            let n = take_number(input)?;
            if n > input.len() as u64 {
                return None;
            }
            (0..n).map(|_| Entry::decode(input)).collect::<Option<Vec<_>>>()
        };
        let found = self.names_block(value >> 32, |block| Some(read(&mut block.get(at..)?)))?;
        found.ok_or_else(|| self.corrupt("name"))?.ok_or_else(|| self.corrupt("entries"))
    }

    /// The JSON of every record with this id or alias, as it came.
    pub fn records(&self, id: &str) -> Result<Vec<Vec<u8>>, IndexError> {
        let Some(at) = self.lookup(Section::Ids, id.as_bytes())? else { return Ok(Vec::new()) };
        let postings = self.section(Section::Postings)?;
        let mut input = usize::try_from(at).ok().and_then(|at| postings.get(at..)).ok_or_else(|| self.corrupt("id"))?;
        let input = &mut input;
        let n = take_number(input).filter(|n| *n <= input.len() as u64).ok_or_else(|| self.corrupt("id"))?;
        let mut out = Vec::new();
        for _ in 0..n {
            let mut next = || take_number(input).ok_or_else(|| self.corrupt("id"));
            let (block, start, len) = (next()?, next()?, next()?);
            let number_of = block;
            let mut block = Vec::new();
            self.block(number_of, &mut block)?;
            let record = usize::try_from(start)
                .ok()
                .and_then(|start| block.get(start..))
                .and_then(|mut rest| take_bytes(&mut rest, len))
                .ok_or_else(|| self.corrupt("id"))?;
            out.push(record.to_vec());
        }
        Ok(out)
    }

    /// Whether any package of this ecosystem is covered.
    pub fn covers(&self, ecosystem: Ecosystem) -> bool {
        self.summary.ecosystems & ecosystem_bit(ecosystem) != 0
    }
}

/// The ecosystem's bit in [`Summary::ecosystems`].
pub(super) fn ecosystem_bit(ecosystem: Ecosystem) -> u32 {
    Ecosystem::ALL.iter().position(|e| *e == ecosystem).map_or(0, |n| 1 << n)
}
