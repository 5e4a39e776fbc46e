//! npm's own cache after a run: what was kept under the gateway's URLs, which no later run has, is kept under the
//! registry's, as npm without a gate would have it. In go the cache's directory and the pairs of URLs; the content, which
//! goes by its digest, stays where it is.
//!
//! An entry of the index is a line with the SHA-1 of what follows it, in a file named by the SHA-256 of its key (cacache,
//! `index-v5`).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha1::Digest as _;

use crate::enforce::gateway::npm::shelf;
use crate::model::Digest;

/// The largest file of the index that is looked at: 1 MiB.
const BUCKET_MAX: u64 = 1 << 20;

/// Renames the entries of `kept`: the gateway's URL, and what it stood for. Whatever is not as it should be stays.
pub(in crate::enforce) fn rename(cache: &Path, kept: &[(String, String)]) {
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

/// The key of what came from a URL.
pub(super) fn key(url: &str) -> String {
    format!("make-fetch-happen:request-cache:{url}")
}

/// The file of a URL's entries, in the directory of the index.
pub(super) fn bucket(index: &Path, url: &str) -> PathBuf {
    let hex = Digest::sha256_of(key(url).as_bytes()).hex();
    // It is always longer than that.
    shelf(index, &hex).unwrap_or_else(|| index.join(hex))
}

/// An entry's line, which begins where the one before it ended.
pub(super) fn line(entry: &str) -> String {
    format!("\n{}\t{entry}", sum_of(entry))
}

/// Whether the directories of a file in the index are directories, and not links that something left there.
fn is_plain(index: &Path, bucket: &Path) -> bool {
    let directory = |path: &Path| path.symlink_metadata().map_or(true, |meta| meta.is_dir());
    bucket.ancestors().skip(1).take_while(|path| path.starts_with(index)).all(directory)
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
