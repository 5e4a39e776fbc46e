//! Core metadata out of distributions: `*.dist-info/METADATA` of a wheel, read with as few bytes as its zip directory
//! needs, and `PKG-INFO` of an sdist; and what code a wheel plants into every start of the interpreter. Bounded;
//! nothing is unpacked to disk and nothing runs.

use std::io::{Read, Seek};

use super::metadata;
use super::python::BuildFiles;
use crate::ecosystem::python::startup;
use crate::ecosystem::python::wheel::parse_wheel_filename;
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
    let wheel = parse_wheel_filename(filename).ok_or("its name is no wheel's")?;
    let names: Vec<String> = zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned).collect();
    let path = metadata::wheel_metadata_path(names.iter().map(String::as_str), &wheel)?.to_owned();
    bounded(zip.by_name(&path).map_err(describe)?)
}

/// The most `.pth` files of a wheel whose lines are looked at, and the most of each: longer ones count as code.
const PTH_FILES: usize = 16;
const PTH_MAX: u64 = 64 << 10;

/// What of a wheel runs at every start of the interpreter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartupCode {
    /// `.pth` files that run code: the name, and the SHA-256 of all of the content.
    pub files: Vec<(String, Digest)>,
    /// What is not told by such a digest: `sitecustomize`, a `.pth` file too long to be read, or too many of them.
    pub other: bool,
}

/// What is to be said of a wheel's [`StartupCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartsCode {
    /// Nothing runs.
    No,
    /// All that runs is, byte for byte, what this project is known to ship ([`crate::ecosystem::python::startup`]).
    Known,
    /// Something runs.
    Yes,
}

impl StartupCode {
    /// How it is to be taken in a wheel of this project (canonical name).
    pub fn of(&self, project: &str) -> StartsCode {
        let known = |(file, digest): &(String, Digest)| startup::is_known(project, file, digest);
        match (self.files.is_empty(), self.other) {
            (true, false) => StartsCode::No,
            (false, false) if self.files.iter().all(known) => StartsCode::Known,
            _ => StartsCode::Yes,
        }
    }
}

/// What of a wheel runs at every start of the interpreter: a `.pth` file with a line that begins with `import` (the
/// documentation of Python's `site` module), `sitecustomize` or `usercustomize`, where an installer would put it
/// directly into site-packages.
pub fn startup_code(archive: impl Read + Seek) -> Result<StartupCode, String> {
    let describe = |e: zip::result::ZipError| format!("the wheel cannot be read: {e}");
    let mut zip = zip::ZipArchive::new(archive).map_err(describe)?;
    if zip.len() > MEMBERS_MAX {
        return Err(format!("the wheel has more than {MEMBERS_MAX} members"));
    }
    let names: Vec<String> = zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned).collect();
    let mut found = StartupCode::default();
    let mut lines = Vec::new();
    for name in &names {
        let Some(place) = in_site_packages(name) else { continue };
        found.other |= is_customize(place);
        // `foo.pth` of a file system that folds case is read too.
        if !place.contains('/') && place.to_ascii_lowercase().ends_with(".pth") {
            lines.push((name, place));
        }
    }
    found.other |= lines.len() > PTH_FILES;
    if found.other {
        return Ok(found);
    }
    for (name, place) in lines {
        let mut text = Vec::new();
        let member = zip.by_name(name).map_err(describe)?;
        member.take(PTH_MAX + 1).read_to_end(&mut text).map_err(|e| format!("`{name}` cannot be read: {e}"))?;
        if text.len() as u64 > PTH_MAX {
            found.other = true;
            continue;
        }
        let shown = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let runs = |line: &[u8]| line.starts_with(b"import ") || line.starts_with(b"import\t");
        if shown.split(|b| matches!(b, b'\n' | b'\r')).any(runs) {
            found.files.push((place.to_owned(), Digest::sha256_of(&text)));
        }
    }
    Ok(found)
}

/// A member's place below site-packages, when an installer would put it there.
fn in_site_packages(name: &str) -> Option<&str> {
    let name = name.trim_start_matches("./");
    let Some((_, rest)) = name.split_once('/').filter(|(first, _)| first.ends_with(".data")) else {
        return Some(name);
    };
    match rest.split_once('/')? {
        ("purelib" | "platlib", place) => Some(place),
        // `data` lies over the whole environment: `lib/python3.11/site-packages/x.pth`.
        ("data", place) => ["site-packages/", "dist-packages/"]
            .iter()
            .find_map(|directory| place.find(directory).and_then(|at| place.get(at + directory.len()..))),
        _ => None,
    }
}

/// `sitecustomize.py`, a package or a compiled module of that name, and the user's.
fn is_customize(place: &str) -> bool {
    ["sitecustomize", "usercustomize"].iter().any(|module| {
        place.strip_prefix(module).is_some_and(|rest| {
            let file = rest.starts_with('.') && [".py", ".pyc", ".so", ".pyd"].iter().any(|e| rest.ends_with(e));
            let package = rest.starts_with("/__init__.");
            (file && !rest.contains('/')) || package
        })
    })
}

/// `PKG-INFO` of an sdist (the one in the archive's only top directory), whatever way it is packed.
pub fn sdist_metadata(bytes: &[u8], filename: &str) -> Result<Vec<u8>, String> {
    let name = filename.to_ascii_lowercase();
    if name.ends_with(".zip") {
        let describe = |e: zip::result::ZipError| format!("the archive cannot be read: {e}");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(describe)?;
        let at = zip.file_names().take(MEMBERS_MAX).position(|n| n.is_ok_and(|n| metadata::is_sdist_pkg_info(&n)));
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
        let ours = metadata::is_sdist_pkg_info(&String::from_utf8_lossy(&entry.path_bytes()));
        if entry.header().entry_type().is_file() && ours {
            return bounded(entry);
        }
    }
    Err(no_pkg_info())
}

/// The largest `pyproject.toml` or `setup.cfg` of an sdist that is read: 1 MiB.
const BUILD_FILE_MAX: u64 = 1 << 20;

/// The files of an sdist that say what it is built with, of its only top directory. An archive that can be read in two
/// ways (two top directories, a link in a file's place) is refused: an unpacker would choose one of them.
pub fn sdist_build_files(bytes: &[u8], filename: &str) -> Result<BuildFiles, String> {
    let mut found = Found::default();
    let name = filename.to_ascii_lowercase();
    if name.ends_with(".zip") {
        let describe = |e: zip::result::ZipError| format!("the archive cannot be read: {e}");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(describe)?;
        if zip.len() > MEMBERS_MAX {
            return Err(too_many());
        }
        for at in 0..zip.len() {
            let member = zip.by_index(at).map_err(describe)?;
            let path = String::from_utf8_lossy(member.name_raw()).into_owned();
            let plain = member.is_file() && !member.is_symlink();
            found.member(&path, plain, member)?;
        }
    } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        found.tar(flate2::read::MultiGzDecoder::new(bytes))?;
    } else if name.ends_with(".tar.bz2") || name.ends_with(".tbz") {
        found.tar(bzip2::read::MultiBzDecoder::new(bytes))?;
    } else if name.ends_with(".tar") {
        found.tar(bytes)?;
    } else {
        return Err("archives of this kind are not read".to_owned());
    }
    Ok(found.files)
}

fn too_many() -> String {
    format!("the archive has more than {MEMBERS_MAX} members")
}

/// What of an archive has been met.
#[derive(Default)]
struct Found {
    files: BuildFiles,
    /// The archive's top directory.
    top: Option<String>,
}

impl Found {
    fn tar(&mut self, unpacked: impl Read) -> Result<(), String> {
        let describe = |e: std::io::Error| format!("the archive cannot be read: {e}");
        // One byte more than is allowed, to tell an archive of that size from one that was cut off.
        let mut archive = tar::Archive::new(unpacked.take(UNPACKED_MAX));
        for (n, entry) in archive.entries().map_err(describe)?.enumerate() {
            if n >= MEMBERS_MAX {
                return Err(too_many());
            }
            let entry = entry.map_err(describe)?;
            let kind = entry.header().entry_type();
            // Headers for the whole archive have no place in it.
            if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            self.member(&path, kind.is_file(), entry)?;
        }
        Ok(())
    }

    /// One member. The last one of a name counts, as it does for whoever unpacks them in order.
    fn member(&mut self, path: &str, plain: bool, content: impl Read) -> Result<(), String> {
        let path = path.replace('\\', "/");
        let mut parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        let (Some(top), second, third) = (parts.next(), parts.next(), parts.next()) else { return Ok(()) };
        let known = self.top.get_or_insert_with(|| top.to_owned());
        if known != top || top == ".." || path.starts_with('/') {
            return Err("its members lie in more than one directory, so it is not clear which speaks for it".to_owned());
        }
        let (Some(file), None) = (second, third) else { return Ok(()) };
        let slot = match file {
            "pyproject.toml" => &mut self.files.pyproject,
            "setup.cfg" => &mut self.files.setup_cfg,
            ".." => return Err("a member leads out of the archive".to_owned()),
            _ => return Ok(()),
        };
        if !plain {
            return Err(format!("its {file} is no file"));
        }
        let mut text = Vec::new();
        content
            .take(BUILD_FILE_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|e| format!("its {file} cannot be read: {e}"))?;
        if text.len() as u64 > BUILD_FILE_MAX {
            return Err(format!("its {file} is larger than {BUILD_FILE_MAX} bytes"));
        }
        *slot = Some(String::from_utf8(text).map_err(|_| format!("its {file} is not UTF-8"))?);
        Ok(())
    }
}

fn no_pkg_info() -> String {
    "it has no PKG-INFO".to_owned()
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
        assert!(wheel_metadata(Cursor::new(&two), "b-1-py3-none-any.whl").is_err());
        assert!(wheel_metadata(Cursor::new(zip_of(&[("x", "")])), "x-1-py3-none-any.whl").is_err());
    }

    #[test]
    fn code_at_every_start_is_seen() {
        for (path, text, runs) in [
            ("x.pth", "import os; os.system('x')", true),
            ("x.pth", "# a comment\r\nimport\tos", true),
            ("x.PTH", "\u{feff}import x", true),
            ("x.pth", "../src\nimportant/dir\n", false),
            ("pkg/x.pth", "import x", false),
            ("x-1.data/purelib/x.pth", "import x", true),
            ("x-1.data/data/lib/python3.11/site-packages/x.pth", "import x", true),
            ("x-1.data/scripts/x.pth", "import x", false),
            ("sitecustomize.py", "", true),
            ("usercustomize/__init__.py", "", true),
            ("sitecustomize.cpython-311-x86_64-linux-gnu.so", "", true),
            ("x-1.data/platlib/sitecustomize.pyc", "", true),
            ("pkg/sitecustomize.py", "", false),
            ("sitecustomize_helper.py", "", false),
            ("sitecustomize.txt", "", false),
        ] {
            let wheel = zip_of(&[("x/__init__.py", ""), (path, text)]);
            let expected = if runs { StartsCode::Yes } else { StartsCode::No };
            assert_eq!(startup_code(Cursor::new(wheel)).unwrap().of("x"), expected, "{path}: {text:?}");
        }
        let long = "x\n".repeat(64 << 10);
        assert_eq!(startup_code(Cursor::new(zip_of(&[("x.pth", &long)]))).unwrap().of("x"), StartsCode::Yes);
        assert!(startup_code(Cursor::new(b"no wheel")).is_err());
    }

    /// Only the very bytes, under the very name, of the very project, and nothing else that runs beside them.
    #[test]
    fn what_a_project_is_known_to_ship_is_told_apart() {
        const SHIM: &str = "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; \
                            enabled and __import__('_distutils_hack').add_shim(); \n";
        const NAME: &str = "distutils-precedence.pth";
        let of =
            |members: &[(&str, &str)], project: &str| startup_code(Cursor::new(zip_of(members))).unwrap().of(project);
        let changed = SHIM.replace("add_shim", "add_shin");
        let appended = format!("{SHIM}import evil\n");
        let marked = format!("\u{feff}{SHIM}");
        let purelib = format!("setuptools-80.0.0.data/purelib/{NAME}");
        let second: Vec<(String, &str)> = (0..PTH_FILES).map(|n| (format!("{n}.pth"), "./src\n")).collect();
        let crowd: Vec<(&str, &str)> =
            second.iter().map(|(name, text)| (name.as_str(), *text)).chain([(NAME, SHIM)]).collect();
        for (members, project, expected) in [
            (&[(NAME, SHIM)][..], "setuptools", StartsCode::Known),
            (&[(&purelib, SHIM)], "setuptools", StartsCode::Known),
            (&[(NAME, SHIM), ("more.pth", "./src\n")], "setuptools", StartsCode::Known),
            (&[(NAME, SHIM)], "setuptools-evil", StartsCode::Yes),
            (&[(NAME, SHIM)], "coverage", StartsCode::Yes),
            (&[(NAME, SHIM)], "", StartsCode::Yes),
            (&[("distutils_precedence.pth", SHIM)], "setuptools", StartsCode::Yes),
            (&[("Distutils-Precedence.pth", SHIM)], "setuptools", StartsCode::Yes),
            (&[(NAME, &changed)], "setuptools", StartsCode::Yes),
            (&[(NAME, &appended)], "setuptools", StartsCode::Yes),
            (&[(NAME, &marked)], "setuptools", StartsCode::Yes),
            (&[(NAME, SHIM), ("z.pth", "import z")], "setuptools", StartsCode::Yes),
            (&[(NAME, SHIM), (&purelib, &changed)], "setuptools", StartsCode::Yes),
            (&[(NAME, SHIM), ("sitecustomize.py", "")], "setuptools", StartsCode::Yes),
            (&crowd, "setuptools", StartsCode::Yes),
        ] {
            assert_eq!(of(members, project), expected, "{project}: {:?}", members.first());
        }
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
    fn what_an_sdist_is_built_with_is_read_from_its_top_directory() {
        let files = |members: &[(&str, &str)]| {
            let (tar, zip) = (targz_of(members), zip_of(members));
            let read = sdist_build_files(&tar, "a-1.tar.gz");
            assert_eq!(read, sdist_build_files(&zip, "a-1.zip"), "{members:?}");
            read
        };
        let found = files(&[("a-1/x/pyproject.toml", "no"), ("a-1/pyproject.toml", "yes"), ("a-1/setup.cfg", "cfg")]);
        let (pyproject, setup_cfg) = (Some("yes".to_owned()), Some("cfg".to_owned()));
        assert_eq!(found, Ok(BuildFiles { pyproject, setup_cfg }));
        assert_eq!(files(&[("a-1/setup.py", "")]), Ok(BuildFiles::default()));
        assert!(files(&[("a-1/pyproject.toml", ""), ("b-1/pyproject.toml", "")]).is_err(), "two tops");
        assert!(files(&[("pyproject.toml", ""), ("a-1/pyproject.toml", "")]).is_err(), "no top");
        let twice = targz_of(&[("a-1/pyproject.toml", "first"), ("./a-1/pyproject.toml", "last")]);
        let read = sdist_build_files(&twice, "a-1.tar.gz").unwrap();
        assert_eq!(read.pyproject.as_deref(), Some("last"), "the one that stays when it is unpacked");
        let long = "x".repeat(usize::try_from(BUILD_FILE_MAX).unwrap() + 1);
        assert!(files(&[("a-1/pyproject.toml", &long)]).is_err(), "too long");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "a-1/pyproject.toml", "/etc/passwd").unwrap();
        assert!(sdist_build_files(&tar.into_inner().unwrap(), "a-1.tar").is_err(), "a link");
        assert!(sdist_build_files(b"", "a-1.tar.xz").is_err());
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
            let _ = startup_code(Cursor::new(&bytes));
            for name in ["a.zip", "a.tar.gz", "a.tar.bz2", "a.tar"] {
                let _ = sdist_metadata(&bytes, name);
                let _ = sdist_build_files(&bytes, name);
            }
            let mut wheel = zip_of(&[("a-1.dist-info/METADATA", "Name: a")]);
            wheel.truncate(wheel.len().min(cut + 20));
            let at = flip % wheel.len();
            wheel[at] ^= 0xff;
            let _ = wheel_metadata(Cursor::new(&wheel), "a-1-py3-none-any.whl");
        }
    }
}
