//! Core metadata: the headers of a wheel's METADATA and a sdist's PKG-INFO.
//!
//! In: a file's bytes, or the names in an archive. Out: [`Metadata`], of which [`CoreMetadata`] is what a resolver
//! needs, and whether a sdist's metadata can be believed without building it (PEP 643).

use super::python::CoreMetadata;
use crate::ecosystem::python::wheel::WheelName;
use crate::model::{Ecosystem, normalise_name};

/// Largest file that is read, in bytes. Descriptions are long; headers are not.
const MAX_BYTES: usize = 16 << 20;
/// Longest header section that is read, in bytes.
const MAX_HEADERS: usize = 4 << 20;
/// Most `Requires-Dist` or `Provides-Extra` fields.
const MAX_FIELDS: usize = 20_000;

/// The headers that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What a resolver needs.
    pub core: CoreMetadata,
    /// `Metadata-Version`.
    pub metadata_version: String,
    /// `Dynamic`, lower case: fields that only a build tells.
    pub dynamic: Vec<String>,
}

impl Metadata {
    /// Whether a sdist's dependencies stand in its PKG-INFO for good: metadata 2.2 or later, and none of the
    /// fields that a resolver needs is dynamic (PEP 643).
    pub fn is_static(&self) -> bool {
        const NEEDED: [&str; 4] = ["requires-dist", "requires-python", "provides-extra", "version"];
        let (major, minor) = self.metadata_version.split_once('.').unwrap_or((&self.metadata_version, "0"));
        let recent = match (major.parse::<u32>(), minor.parse::<u32>()) {
            (Ok(major), Ok(minor)) => (major, minor) >= (2, 2),
            _ => false,
        };
        recent && !self.dynamic.iter().any(|field| NEEDED.contains(&field.as_str()))
    }
}

/// Reads the headers of METADATA or PKG-INFO. The error is a lower-case fragment: not UTF-8 where it matters, too
/// large, or without `Name` and `Version`.
pub fn parse(bytes: &[u8]) -> Result<Metadata, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("metadata larger than {MAX_BYTES} bytes"));
    }
    let headers = headers_of(bytes);
    if headers.len() > MAX_HEADERS {
        return Err(format!("headers longer than {MAX_HEADERS} bytes"));
    }
    // An author's name in an old encoding must not hide the dependencies.
    let text = String::from_utf8_lossy(headers);
    let mut out = Metadata::default();
    for (name, value) in fields(&text) {
        let slot = match name.to_ascii_lowercase().as_str() {
            "metadata-version" => &mut out.metadata_version,
            "name" => &mut out.core.name,
            "version" => &mut out.core.version,
            "requires-python" => {
                if !value.is_empty() && value != "UNKNOWN" {
                    out.core.requires_python.get_or_insert(value);
                }
                continue;
            }
            "requires-dist" => {
                out.core.requires_dist.push(value);
                continue;
            }
            "provides-extra" => {
                out.core.provides_extra.push(value);
                continue;
            }
            "dynamic" => {
                out.dynamic.push(value.to_ascii_lowercase());
                continue;
            }
            _ => continue,
        };
        // The first one counts, as with Python's email parser.
        if slot.is_empty() {
            *slot = value;
        }
    }
    if out.core.requires_dist.len() + out.core.provides_extra.len() > MAX_FIELDS {
        return Err(format!("more than {MAX_FIELDS} requirements"));
    }
    if out.core.name.is_empty() || out.core.version.is_empty() {
        return Err("no Name or no Version".to_owned());
    }
    Ok(out)
}

/// Up to the first empty line.
fn headers_of(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if line.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            break;
        }
        at += line.len();
    }
    &bytes[..at]
}

/// Name and unfolded value of each header. A line that is neither a header nor the continuation of one ends them,
/// as it does for Python's email parser.
fn fields(text: &str) -> impl Iterator<Item = (&str, String)> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let (name, value) = lines.next()?.split_once(':')?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let mut value = value.trim().to_owned();
        while let Some(more) = lines.next_if(|l| l.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(more.trim());
        }
        Some((name, value.trim().to_owned()))
    })
}

/// The path of METADATA among a wheel's entries: in the one `.dist-info` directory that bears the wheel's name.
pub fn wheel_metadata_path<'n>(names: impl IntoIterator<Item = &'n str>, wheel: &WheelName) -> Result<&'n str, String> {
    let mut found = None;
    for name in names {
        let Some(dir) = name.strip_suffix("/METADATA").filter(|d| !d.contains('/')) else { continue };
        let Some(stem) = dir.strip_suffix(".dist-info") else { continue };
        let project = stem.rsplit_once('-').map_or(stem, |(project, _)| project);
        if normalise_name(Ecosystem::PyPI, project) != wheel.canonical() {
            return Err(format!("a dist-info directory of another name: {}", dir.chars().take(80).collect::<String>()));
        }
        if found.replace(name).is_some_and(|earlier| earlier != name) {
            return Err("more than one dist-info directory".to_owned());
        }
    }
    found.ok_or_else(|| "no METADATA in a dist-info directory".to_owned())
}

/// Whether an entry of a sdist is the PKG-INFO that speaks for it: `NAME-VERSION/PKG-INFO`.
pub fn is_sdist_pkg_info(path: &str) -> bool {
    path.strip_prefix("./")
        .unwrap_or(path)
        .split_once('/')
        .is_some_and(|(dir, file)| !dir.is_empty() && file == "PKG-INFO")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use crate::ecosystem::python::wheel::parse_wheel_filename;
    use proptest::prelude::*;

    #[test]
    fn headers_fold_and_end() {
        let text = "Metadata-Version: 2.2\r\nname: Foo\nVersion: 1.0\nRequires-Dist: bar\n  >=1;\n\textra == 'x'\n\
                    Requires-Python: UNKNOWN\nProvides-Extra: x\nDynamic: License\n\nRequires-Dist: body\n";
        let m = parse(text.as_bytes()).unwrap();
        assert_eq!(m.core.requires_dist, ["bar >=1; extra == 'x'"]);
        assert_eq!((m.core.name.as_str(), m.core.requires_python.as_deref()), ("Foo", None));
        assert!(m.is_static());
        let dynamic = parse(text.replace("License", "Requires-Dist").as_bytes()).unwrap();
        assert!(!dynamic.is_static());
        assert!(!parse(text.replace("2.2", "2.1").as_bytes()).unwrap().is_static());
        assert!(parse(b"Name: x\n").is_err());
        assert_eq!(parse(b"Name: x\nVersion: 1\nAuthor: \xe9\nRequires-Dist: y").unwrap().core.requires_dist, ["y"]);
    }

    #[test]
    fn only_the_wheels_own_dist_info_counts() {
        let wheel = parse_wheel_filename("Foo_Bar-1.0-py3-none-any.whl").unwrap();
        let path = |names: &[&'static str]| wheel_metadata_path(names.iter().copied(), &wheel);
        assert_eq!(path(&["foo/x.py", "foo.bar-1.0.dist-info/METADATA"]), Ok("foo.bar-1.0.dist-info/METADATA"));
        assert!(path(&["foo_bar-1.0.dist-info/METADATA", "Foo_Bar-1.0.dist-info/METADATA"]).is_err());
        assert!(path(&["evil-1.0.dist-info/METADATA"]).is_err() && path(&["a/b.dist-info/METADATA"]).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[A-Za-z\\-: \n\t\\[\\];]{0,120}") {
            let _ = parse(&bytes);
            let _ = parse(text.as_bytes());
        }
    }
}
