//! Core metadata out of distributions: `*.dist-info/METADATA` of a wheel, read with as few bytes as its zip directory
//! needs, and `PKG-INFO` of an sdist. Bounded; nothing is unpacked to disk and nothing runs.

use std::io::{Read, Seek};

use crate::model::{Digest, DigestAlgorithm};

/// The most that a metadata file may hold: 8 MiB (some carry whole manuals as their description).
pub const METADATA_MAX: u64 = 8 << 20;
/// The most members that are looked at.
const MEMBERS_MAX: usize = 200_000;
/// The most that an sdist unpacks to while its PKG-INFO is looked for: 1 GiB.
const UNPACKED_MAX: u64 = 1 << 30;

/// `METADATA` of a wheel.
pub fn wheel_metadata(archive: impl Read + Seek, filename: &str) -> Result<Vec<u8>, String> {
    let describe = |e: zip::result::ZipError| format!("the wheel cannot be read: {e}");
    let mut zip = zip::ZipArchive::new(archive).map_err(describe)?;
    if zip.len() > MEMBERS_MAX {
        return Err(format!("the wheel has more than {MEMBERS_MAX} members"));
    }
    let found: Vec<(usize, String)> = zip
        .file_names()
        .enumerate()
        .filter_map(|(at, name)| {
            let name = name.ok()?;
            let directory = name.strip_suffix(".dist-info/METADATA")?;
            (!directory.contains('/')).then(|| (at, directory.to_owned()))
        })
        .collect();
    // With several, the one that the file's own name announces; pip refuses the others too.
    let project = normalised(filename.split('-').next().unwrap_or_default());
    let of_project = |d: &str| normalised(d.split('-').next().unwrap_or_default()) == project;
    let chosen = match found.as_slice() {
        [] => return Err("the wheel has no METADATA".to_owned()),
        [(at, _)] => *at,
        several => {
            let mut own = several.iter().filter(|(_, d)| of_project(d));
            match (own.next(), own.next()) {
                (Some((at, _)), None) => *at,
                _ => return Err("the wheel has several METADATA".to_owned()),
            }
        }
    };
    bounded(zip.by_index(chosen).map_err(describe)?)
}

fn normalised(name: &str) -> String {
    crate::model::normalise_name(crate::model::Ecosystem::PyPI, name)
}

/// `PKG-INFO` of an sdist (the one in the archive's only top directory), whatever way it is packed.
pub fn sdist_metadata(bytes: &[u8], filename: &str) -> Result<Vec<u8>, String> {
    let name = filename.to_ascii_lowercase();
    if name.ends_with(".zip") {
        let describe = |e: zip::result::ZipError| format!("the archive cannot be read: {e}");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(describe)?;
        let at = zip.file_names().take(MEMBERS_MAX).position(|n| n.is_ok_and(|n| is_top_pkg_info(n.as_bytes())));
        let at = at.ok_or_else(no_pkg_info)?;
        return bounded(zip.by_index(at).map_err(describe)?);
    }
    if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        return tar_metadata(flate2::read::MultiGzDecoder::new(bytes));
    }
    if name.ends_with(".tar.bz2") || name.ends_with(".tbz") {
        return tar_metadata(bzip2::read::MultiBzDecoder::new(bytes));
    }
    if name.ends_with(".tar") {
        return tar_metadata(bytes);
    }
    Err("archives of this kind are not read".to_owned())
}

fn tar_metadata(unpacked: impl Read) -> Result<Vec<u8>, String> {
    let describe = |e: std::io::Error| format!("the archive cannot be read: {e}");
    let mut archive = tar::Archive::new(unpacked.take(UNPACKED_MAX));
    for entry in archive.entries().map_err(describe)?.take(MEMBERS_MAX) {
        let entry = entry.map_err(describe)?;
        if entry.header().entry_type().is_file() && is_top_pkg_info(&entry.path_bytes()) {
            return bounded(entry);
        }
    }
    Err(no_pkg_info())
}

fn no_pkg_info() -> String {
    "it has no PKG-INFO".to_owned()
}

/// `name-version/PKG-INFO`, with or without `./` before it.
fn is_top_pkg_info(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_suffix(b"/PKG-INFO").is_some_and(|top| !top.is_empty() && !top.contains(&b'/'))
}

fn bounded(member: impl Read) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    member.take(METADATA_MAX + 1).read_to_end(&mut out).map_err(|e| format!("the metadata cannot be read: {e}"))?;
    if out.len() as u64 > METADATA_MAX {
        return Err(format!("the metadata is larger than {METADATA_MAX} bytes"));
    }
    Ok(out)
}

/// Whether bytes have the digest: `None` for an algorithm that cannot be computed here (MD5).
pub fn matches(digest: &Digest, bytes: &[u8]) -> Option<bool> {
    use sha2::Digest as _;
    let own = match digest.algorithm() {
        DigestAlgorithm::Md5 => return None,
        DigestAlgorithm::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
        DigestAlgorithm::Sha224 => sha2::Sha224::digest(bytes).to_vec(),
        DigestAlgorithm::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
        DigestAlgorithm::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
        DigestAlgorithm::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
    };
    Some(own == digest.bytes())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    fn zip_of(members: &[(&str, &str)]) -> Vec<u8> {
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in members {
            out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            out.write_all(text.as_bytes()).unwrap();
        }
        out.finish().unwrap().into_inner()
    }

    fn targz_of(members: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (name, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_cksum();
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn the_wheels_own_metadata_is_found() {
        let wheel = zip_of(&[("foo/x.dist-info/METADATA", "no"), ("foo_bar-1.dist-info/METADATA", "yes")]);
        assert_eq!(wheel_metadata(Cursor::new(wheel), "foo_bar-1-py3-none-any.whl").unwrap(), b"yes");
        let two = zip_of(&[("a-1.dist-info/METADATA", "a"), ("b-1.dist-info/METADATA", "b")]);
        assert_eq!(wheel_metadata(Cursor::new(&two), "B-1-py3-none-any.whl").unwrap(), b"b");
        assert!(wheel_metadata(Cursor::new(&two), "c-1-py3-none-any.whl").is_err());
        assert!(wheel_metadata(Cursor::new(zip_of(&[("x", "")])), "x-1-py3-none-any.whl").is_err());
    }

    #[test]
    fn the_top_pkg_info_is_found() {
        let members = [("foo-1/foo.egg-info/PKG-INFO", "no"), ("foo-1/PKG-INFO", "yes")];
        assert_eq!(sdist_metadata(&targz_of(&members), "foo-1.tar.gz").unwrap(), b"yes");
        assert_eq!(sdist_metadata(&zip_of(&members), "foo-1.ZIP").unwrap(), b"yes");
        assert!(sdist_metadata(&targz_of(&members[..1]), "foo-1.tar.gz").is_err());
        assert!(sdist_metadata(b"", "foo-1.tar.xz").is_err());
    }

    #[test]
    fn digests_are_compared() {
        let digest = Digest::sha256_of(b"x");
        assert_eq!((matches(&digest, b"x"), matches(&digest, b"y")), (Some(true), Some(false)));
        let md5 = Digest::from_bytes(DigestAlgorithm::Md5, &[0; 16]).unwrap();
        assert_eq!(matches(&md5, b"x"), None);
    }

    proptest::proptest! {
        #[test]
        fn hostile_archives_never_panic(bytes: Vec<u8>, cut in 0_usize..400, flip in 0_usize..400) {
            let _ = wheel_metadata(Cursor::new(&bytes), "a-1-py3-none-any.whl");
            for name in ["a.zip", "a.tar.gz", "a.tar.bz2", "a.tar"] {
                let _ = sdist_metadata(&bytes, name);
            }
            let mut wheel = zip_of(&[("a-1.dist-info/METADATA", "Name: a")]);
            wheel.truncate(wheel.len().min(cut + 20));
            let at = flip % wheel.len();
            wheel[at] ^= 0xff;
            let _ = wheel_metadata(Cursor::new(&wheel), "a-1-py3-none-any.whl");
        }
    }
}
