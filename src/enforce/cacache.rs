//! cacache, which npm's cache is: content by digest, and an index of what was asked. npm verifies each content when it
//! reads it.
//!
//! What the gate fetched is put there, as npm would have put it: npm then takes it from there, and asks nobody. What npm kept
//! under the gateway's URLs, which no later run has, is kept under the registry's afterwards, as npm without a gate would
//! have it.
//!
//! An entry of the index is a line with the SHA-1 of what follows it, in a file named by the SHA-256 of its key
//! (`index-v5`).

use std::io::{Error, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha1::Digest as _;

use super::store::Stored;
use crate::model::{Digest, Timestamp};

/// The largest file of the index that is looked at: 1 MiB.
const BUCKET_MAX: u64 = 1 << 20;

/// Renames the entries of `kept`: the gateway's URL, and what it stood for. Whatever is not as it should be stays.
pub fn rename(cache: &Path, kept: &[(String, String)]) {
    let index = cache.join("index-v5");
    for (own, upstream) in kept {
        let bucket = bucket(&index, own);
        let Some(entry) = entry(&index, &bucket, own) else { continue };
        if let Some(entry) = renamed(entry, upstream) {
            // Without it npm asks the registry once more.
            let _ = put(&index, upstream, &entry);
        }
        let _ = std::fs::remove_file(&bucket);
    }
}

/// Where a cache keeps the content of a digest.
pub fn content(cache: &Path, digest: &Digest) -> Option<PathBuf> {
    shelf(&cache.join("content-v2").join(digest.algorithm().name()), &digest.hex())
}

/// Whether a cache has the content that npm looks for: by the strongest of these digests.
pub fn has(cache: &Path, digests: &[Digest]) -> bool {
    digests.first().and_then(|digest| content(cache, digest)).is_some_and(|path| path.exists())
}

/// Puts a file there as what npm fetched from `url`, by its strongest digest. What is there already stays.
pub fn add(cache: &Path, url: &str, digest: &Digest, stored: &Stored) -> std::io::Result<()> {
    let linked = || Error::other("a link leads out of npm's cache");
    let path = content(cache, digest).filter(|path| is_plain(cache, path)).ok_or_else(linked)?;
    if path.symlink_metadata().is_err() {
        let (temporary, directory) = (cache.join("tmp"), path.parent().unwrap_or(&path));
        std::fs::create_dir_all(&temporary)?;
        std::fs::create_dir_all(directory)?;
        if !is_plain(cache, &temporary.join("file")) {
            return Err(linked());
        }
        let mut file = new_in(&temporary)?;
        std::io::copy(&mut stored.open()?, file.as_file_mut())?;
        file.persist(&path).map_err(|e| e.error)?;
    }
    let now = Timestamp::now().as_millisecond();
    let kept = json!({"cache-control": "public, max-age=31536000, immutable", "content-type": TARBALL});
    put(&cache.join("index-v5"), url, &entry_of(url, &digest.sri(), stored.length, now, (&json!({}), &kept)))
}

/// A new file with the permissions that npm's have.
fn new_in(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// What registries say that a tarball is.
pub const TARBALL: &str = "application/octet-stream";

/// An entry's text: what came from `url` at `time` (milliseconds since 1970), with the headers of the request and of the
/// answer.
pub fn entry_of(url: &str, integrity: &str, size: u64, time: i64, (asked, given): (&Value, &Value)) -> String {
    json!({
        "key": key(url), "integrity": integrity, "time": time, "size": size,
        "metadata": {
            "time": time, "url": url, "reqHeaders": asked, "resHeaders": given, "options": {"compress": true},
        },
    })
    .to_string()
}

/// Directories of two letters each.
pub fn shelf(below: &Path, hex: &str) -> Option<PathBuf> {
    let (first, rest) = hex.split_at_checked(2)?;
    let (second, rest) = rest.split_at_checked(2)?;
    Some(below.join(first).join(second).join(rest))
}

/// The key of what came from a URL.
fn key(url: &str) -> String {
    format!("make-fetch-happen:request-cache:{url}")
}

/// The file of a URL's entries, in the directory of the index.
pub fn bucket(index: &Path, url: &str) -> PathBuf {
    let hex = Digest::sha256_of(key(url).as_bytes()).hex();
    // It is always longer than that.
    shelf(index, &hex).unwrap_or_else(|| index.join(hex))
}

/// An entry's line, which begins where the one before it ended.
pub fn line(entry: &str) -> String {
    format!("\n{}\t{entry}", sum_of(entry))
}

/// Whether the directories of a file below another are directories, and not links that something left there.
fn is_plain(above: &Path, file: &Path) -> bool {
    let directory = |path: &Path| path.symlink_metadata().map_or(true, |meta| meta.is_dir());
    file.ancestors().skip(1).take_while(|path| path.starts_with(above)).all(directory)
}

/// The last entry of a URL.
fn entry(index: &Path, bucket: &Path, url: &str) -> Option<Value> {
    let meta = bucket.symlink_metadata().ok()?;
    if !is_plain(index, bucket) || !meta.is_file() || meta.len() > BUCKET_MAX {
        return None;
    }
    let text = std::fs::read_to_string(bucket).ok()?;
    let key = key(url);
    let mut whole = text.lines().filter_map(|line| {
        let (sum, entry) = line.split_once('\t')?;
        (sum == sum_of(entry)).then(|| serde_json::from_str::<Value>(entry).ok())?
    });
    whole.rfind(|entry| entry.get("key").and_then(Value::as_str) == Some(&key))
}

/// The entry's text with the registry's URL.
fn renamed(mut entry: Value, url: &str) -> Option<String> {
    // Of one that was removed.
    entry.get("integrity").filter(|i| i.is_string())?;
    *entry.get_mut("key")? = Value::String(key(url));
    if let Some(shown) = entry.pointer_mut("/metadata/url") {
        *shown = Value::String(url.to_owned());
    }
    serde_json::to_string(&entry).ok()
}

/// Puts an entry where npm looks for it, unless there is one.
fn put(index: &Path, url: &str, entry: &str) -> std::io::Result<()> {
    let bucket = bucket(index, url);
    if !is_plain(index, &bucket) || bucket.symlink_metadata().is_ok() {
        return Ok(());
    }
    if let Some(directory) = bucket.parent() {
        std::fs::create_dir_all(directory)?;
    }
    // Half a line, after a crash, does not have its sum: npm passes over it.
    std::fs::File::create_new(&bucket)?.write_all(line(entry).as_bytes())
}

fn sum_of(entry: &str) -> String {
    sha1::Sha1::digest(entry.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const OWN: &str = "http://127.0.0.1:1/s/npm/a/-/a-1.0.0.tgz";
    const REAL: &str = "https://registry.npmjs.org/a/-/a-1.0.0.tgz";

    fn write(index: &Path, url: &str, integrity: Option<&str>) {
        let entry = serde_json::json!({
            "key": key(url), "integrity": integrity, "time": 1, "size": 2, "metadata": {"url": url},
        });
        let bucket = bucket(index, url);
        std::fs::create_dir_all(bucket.parent().unwrap()).unwrap();
        std::fs::write(bucket, line(&entry.to_string())).unwrap();
    }

    fn rename_one(cache: &Path) {
        rename(cache, &[(OWN.to_owned(), REAL.to_owned())]);
    }

    #[test]
    fn an_entry_gets_the_registrys_url_and_nothing_else_changes() {
        let cache = tempfile::tempdir().unwrap();
        let index = cache.path().join("index-v5");
        write(&index, OWN, Some("sha512-x"));
        rename_one(cache.path());
        assert!(!bucket(&index, OWN).exists());
        let found = entry(&index, &bucket(&index, REAL), REAL).unwrap();
        assert_eq!((&found["integrity"], &found["size"]), (&"sha512-x".into(), &2.into()));
        assert_eq!(found["metadata"]["url"], REAL);
        // What npm knew by itself stays.
        write(&index, OWN, Some("sha512-y"));
        rename_one(cache.path());
        assert_eq!(entry(&index, &bucket(&index, REAL), REAL).unwrap(), found);
        assert!(!bucket(&index, OWN).exists());
    }

    #[test]
    fn what_is_not_as_npm_writes_it_is_left_alone() {
        let cache = tempfile::tempdir().unwrap();
        let index = cache.path().join("index-v5");
        rename_one(cache.path());
        assert!(!index.exists());
        write(&index, OWN, None);
        rename_one(cache.path());
        assert!(!bucket(&index, REAL).exists(), "an entry that was removed");
        for text in ["", "\n", "\nno tab", "\n0000\t{\"key\": 1}", "\n\u{0}\t{"] {
            write(&index, OWN, Some("sha512-x"));
            std::fs::write(bucket(&index, OWN), text).unwrap();
            rename_one(cache.path());
            assert!(!bucket(&index, REAL).exists(), "{text:?}");
        }
    }

    /// A store with one entry, which is `bytes`.
    fn stored(directory: &Path, bytes: &[u8]) -> (Digest, Stored) {
        let digest = Digest::sha256_of(bytes);
        let mut writer = crate::enforce::store::Store::new(directory).writer(std::slice::from_ref(&digest)).unwrap();
        writer.write(bytes).unwrap();
        (digest, writer.finish().unwrap())
    }

    #[test]
    fn what_is_added_is_there_once_and_under_its_url() {
        let (cache, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (digest, stored) = stored(own.path(), b"a tarball");
        assert!(!has(cache.path(), std::slice::from_ref(&digest)));
        for _ in 0..2 {
            add(cache.path(), REAL, &digest, &stored).unwrap();
            assert!(has(cache.path(), std::slice::from_ref(&digest)));
        }
        assert_eq!(std::fs::read(content(cache.path(), &digest).unwrap()).unwrap(), b"a tarball");
        let index = cache.path().join("index-v5");
        let text = std::fs::read_to_string(bucket(&index, REAL)).unwrap();
        assert_eq!(text.lines().filter(|l| !l.is_empty()).count(), 1, "{text}");
        let found = entry(&index, &bucket(&index, REAL), REAL).unwrap();
        assert_eq!((&found["integrity"], &found["size"]), (&digest.sri().into(), &9.into()));
        assert_eq!(std::fs::read_dir(cache.path().join("tmp")).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_added_through_a_link() {
        let own = tempfile::tempdir().unwrap();
        let (digest, stored) = stored(own.path(), b"a tarball");
        for link in ["", "tmp", "content-v2", "content-v2/sha256", "index-v5"] {
            let (cache, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let cache = cache.path().join("_cacache");
            let at = cache.join(link);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(elsewhere.path(), if link.is_empty() { &cache } else { &at }).unwrap();
            let _ = add(&cache, REAL, &digest, &stored);
            assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{link}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let cache = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let index = cache.path().join("index-v5");
        write(&index, OWN, Some("sha512-x"));
        let first = bucket(&index, REAL).ancestors().nth(2).unwrap().to_owned();
        assert_ne!(first, bucket(&index, OWN).ancestors().nth(2).unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), &first).unwrap();
        rename_one(cache.path());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
