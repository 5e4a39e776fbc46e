//! The account of this process as the system has it, whatever the variables say. In: `/etc/passwd`. Out: its home.
//!
//! `HOME=/elsewhere pip install x` moves the tool's own configuration, and must not move the gate's: its policy, its record
//! and its approvals. Accounts that only a directory service knows are not found here.

use std::path::{Path, PathBuf};

/// Names another passwd file, in builds for development alone: tests have homes of their own, and must neither see nor
/// touch what the developer's account has.
#[cfg(debug_assertions)]
pub const PASSWD: &str = "TIDEWAITER_TEST_PASSWD";

/// The largest passwd file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The home of this process's account.
pub fn home() -> Option<PathBuf> {
    let text = std::fs::read(file()?).ok().filter(|text| text.len() as u64 <= LARGEST)?;
    home_of(id()?, &String::from_utf8_lossy(&text))
}

#[cfg(debug_assertions)]
fn file() -> Option<PathBuf> {
    std::env::var_os(PASSWD).map(PathBuf::from)
}

#[cfg(not(debug_assertions))]
#[expect(clippy::unnecessary_wraps, reason = "builds for development may have none")]
fn file() -> Option<PathBuf> {
    Some(PathBuf::from("/etc/passwd"))
}

/// The number of this process's account.
#[cfg(unix)]
pub fn id() -> Option<u32> {
    Some(rustix::process::getuid().as_raw())
}

/// Other systems have none.
#[cfg(not(unix))]
pub fn id() -> Option<u32> {
    None
}

/// passwd(5): `name:password:UID:GID:GECOS:directory:shell`.
fn home_of(id: u32, text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let own = fields.nth(2)?.parse::<u32>().ok()? == id;
        let home = Path::new(fields.nth(2)?);
        (own && home.is_absolute() && home != Path::new("/")).then(|| home.to_owned())
    })
}

/// Whether a file belongs to this account, or to the superuser.
#[cfg(unix)]
pub fn owns(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.uid() == 0 || Some(meta.uid()) == id())
}

/// Other systems are not asked.
#[cfg(not(unix))]
pub fn owns(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_the_sixth_field() {
        let text = "root:x:0:0:root:/root:/bin/bash\n# x\nbroken:x\nu:x:1000:1000:U,,,:/home/u:/bin/sh\n\
                    nobody:x:65534:65534::/:/bin/false\nrel:x:7:7::home:/bin/sh\n";
        for (id, home) in [(0, Some("/root")), (1000, Some("/home/u")), (65534, None), (7, None), (8, None)] {
            assert_eq!(home_of(id, text), home.map(PathBuf::from), "{id}");
        }
    }
}
