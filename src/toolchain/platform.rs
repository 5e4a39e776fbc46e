//! The C library of this machine, read and not executed. In: the file system. Out: [`Libc`].

use std::path::Path;

/// A C library and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    /// glibc.
    Glibc(u32, u32),
    /// musl.
    Musl(u32, u32),
}

/// Largest C library that is searched for its version, in bytes.
const MAX_LIBC: u64 = 16 << 20;

/// The C library that programs on this machine are linked with, as far as its files tell.
pub(super) fn libc(arch: &str) -> Option<Libc> {
    let places = [
        format!("/lib/{arch}-linux-gnu/libc.so.6"),
        format!("/usr/lib/{arch}-linux-gnu/libc.so.6"),
        "/lib64/libc.so.6".to_owned(),
        "/usr/lib64/libc.so.6".to_owned(),
        "/lib/libc.so.6".to_owned(),
        "/usr/lib/libc.so.6".to_owned(),
    ];
    places.iter().find_map(|p| glibc(Path::new(p))).or_else(|| {
        let musl = [format!("/lib/ld-musl-{arch}.so.1"), "/lib/libc.musl-x86_64.so.1".to_owned()];
        musl.iter().any(|p| Path::new(p).exists()).then_some(Libc::Musl(1, 2))
    })
}

/// The version in the banner that every glibc carries.
fn glibc(path: &Path) -> Option<Libc> {
    let metadata = std::fs::metadata(path).ok()?;
    if metadata.len() > MAX_LIBC {
        return None;
    }
    banner(&std::fs::read(path).ok()?)
}

fn banner(bytes: &[u8]) -> Option<Libc> {
    const BANNER: &[u8] = b"GNU C Library";
    let at = bytes.windows(BANNER.len()).position(|w| w == BANNER)?;
    let text = String::from_utf8_lossy(bytes.get(at..(at + 200).min(bytes.len()))?).into_owned();
    let (_, after) = text.split_once("version ")?;
    let version: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut numbers = version.split('.').map(str::parse::<u32>);
    Some(Libc::Glibc(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_the_version() {
        let text = b"\0\0GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\nCopyright";
        assert_eq!(banner(text), Some(Libc::Glibc(2, 36)));
        assert_eq!(banner(b"GNU C Library"), None);
        assert_eq!(banner(b""), None);
    }
}
