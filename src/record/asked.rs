//! What a question was about beyond the plan's digest, so that a person's answer to it is spent on nothing else. In: a
//! judgement that asks and where the command was started. Out: digests of its words and of its matter: the directories it
//! works in, what it was understood to do, and what lies on this machine that it would bring in or run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::invocation::{Effect, FlagEffect, Invocation};
use crate::judge::{Judgement, Subject};
use crate::model::{Digest, Environment, Level, Place, Source, lexical};

/// A question, as far as an answer is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// How the words came here: `argv`, `shim`, `hook`.
    pub via: String,
    /// Of the words as they came, and of the directory: `sha256:…`.
    pub words: String,
    /// Of the matter: `sha256:…`. Absent where it is too much to be held to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matter: Option<String>,
    /// Why it is absent: a lower-case fragment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub because: Option<String>,
}

impl Asked {
    /// The question that a judgement puts.
    pub fn of(judgement: &Judgement, environment: &Environment) -> Self {
        let (argv, via) = match &judgement.subject {
            Subject::Command { argv, via, .. } => (argv.as_slice(), via.word()),
            Subject::Audit { files } => (files.as_slice(), ""),
        };
        let words = Digest::sha256_of(format!("{:?} {argv:?}", environment.cwd).as_bytes()).to_string();
        let matter = matter(judgement, environment);
        let because = matter.as_ref().err().cloned();
        Self { via: via.to_owned(), words, matter: matter.ok(), because }
    }

    /// Whether an answer to this question is one to `later`. A hook is asked about a whole line and a link about one
    /// command of it: each holds the words that it was asked about itself.
    pub fn is_answered_by(&self, given: &Self) -> bool {
        let same_words = self.via != given.via || self.words == given.words;
        self.matter.is_some() && self.matter == given.matter && same_words
    }
}

fn matter(judgement: &Judgement, environment: &Environment) -> Result<String, String> {
    let installing = || judgement.invocations.iter().filter(|i| i.effect != Effect::Nothing || !i.opaque.is_empty());
    let bases: BTreeSet<PathBuf> = installing().map(|i| directory(i, environment)).collect();
    let mut lines: BTreeSet<String> = installing().map(|i| understood(i, &directory(i, environment))).collect();
    let mut local: BTreeSet<PathBuf> = BTreeSet::new();
    for invocation in installing() {
        let base = directory(invocation, environment);
        local.extend(invocation.requests.iter().filter_map(|r| on_disk(&r.text, &base, environment)));
        local.extend(invocation.files.iter().map(|f| lexical(&base.join(&f.path))));
        local.extend(invocation.flags.iter().filter_map(|f| {
            let path = on_disk(f.value.as_deref()?, &base, environment)?;
            (f.effect == FlagEffect::FindLinks || path.is_file()).then_some(path)
        }));
    }
    for package in &judgement.plan.packages {
        if let Source::Path { path } = &package.source {
            local.extend(bases.iter().map(|base| lexical(&base.join(path))));
        }
    }
    for unresolved in &judgement.plan.unresolved {
        let beside = unresolved.location.as_ref().and_then(|l| Some(l.path()?.parent()?.to_owned()));
        let bases = bases.iter().cloned().chain(beside.map(|b| environment.absolute(&b)));
        local.extend(bases.filter_map(|base| on_disk(&unresolved.requirement, &base, environment)));
    }
    let asking = judgement.findings.iter().filter(|f| f.level >= Level::Ask).filter_map(|f| f.location.as_ref());
    for place in asking.map(|l| &l.place) {
        if let Place::File(path) = place {
            let at = |base: &PathBuf| Some(lexical(&base.join(path))).filter(|path| path.is_file());
            local.extend(bases.iter().find_map(at).or_else(|| at(&environment.cwd)));
        }
    }
    let mut reader = Reader::default();
    for path in local {
        // What is not there now is bound by the words that name it: it has no content that was seen.
        let content = reader.content(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        lines.extend(content.map(|content| format!("content {path:?} {content}")));
    }
    Ok(Digest::sha256_of(lines.into_iter().collect::<Vec<_>>().join("\n").as_bytes()).to_string())
}

/// The directory that a command works in, absolute.
fn directory(invocation: &Invocation, environment: &Environment) -> PathBuf {
    let directory = invocation.directory.as_deref().unwrap_or_default();
    environment.absolute(&environment.at_home(directory))
}

/// What a command was understood to do, and where; by whatever way it came here, the same.
fn understood(invocation: &Invocation, directory: &Path) -> String {
    let Invocation { tool, verb, effect, global, dry_run, .. } = invocation;
    let mut out = format!("{directory:?} {tool:?} {verb:?} {effect:?} {global} {dry_run}");
    // Writing to a `String` does not fail.
    for request in &invocation.requests {
        let _ = write!(out, " {:?} {:?}", request.kind, request.text);
    }
    for file in &invocation.files {
        let _ = write!(out, " {:?} {:?}", file.role, file.path);
    }
    for flag in &invocation.flags {
        let _ = write!(out, " {:?} {:?}", flag.name, flag.value);
    }
    for opaque in &invocation.opaque {
        let _ = write!(out, " {:?}", opaque.reason);
    }
    out
}

/// What a requirement names on this machine, if it names anything there: `./dir[extra]`, `name@file:x.tgz`,
/// `name @ file:///x.whl`.
fn on_disk(text: &str, base: &Path, environment: &Environment) -> Option<PathBuf> {
    const SCHEMES: &[&str] = &["file:", "link:", "portal:", "path:"];
    let text = text.split(" ;").next().unwrap_or(text).trim();
    let named = SCHEMES.iter().find_map(|scheme| Some((text.find(scheme)?, scheme.len())));
    let path = named.and_then(|(at, length)| text.get(at + length..)).unwrap_or(text);
    let path = match path.strip_prefix("//") {
        Some(url) if named.is_some() => url.strip_prefix("localhost").unwrap_or(url),
        _ => path,
    };
    let is_path = named.is_some() || path.contains(['/', '\\']) || path.starts_with(['.', '~']);
    let spelt = [Some(path), path.split(['#', '?']).next(), path.split('[').next(), path.split('@').next_back()];
    let decoded = spelt.into_iter().flatten().flat_map(|path| {
        let plain = percent_encoding::percent_decode_str(path).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        [Some(path.to_owned()), plain.filter(|plain| plain != path)]
    });
    let mut places = decoded.flatten().map(|path| lexical(&base.join(environment.at_home(&path))));
    places.find(|place| place.is_file() || is_path && place.is_dir())
}

/// Files of local sources, read within bounds.
struct Reader {
    files: usize,
    bytes: u64,
    seen: BTreeSet<PathBuf>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { files: FILES, bytes: BYTES, seen: BTreeSet::new() }
    }
}

/// The most files, and the most bytes of all together. A project's own sources have no more.
const FILES: usize = 10_000;
const BYTES: u64 = 256 << 20;
/// Directories that version control, installers and builds make in a source, and make again.
const MADE: &[&str] = &[".git", ".hg", ".jj", ".svn", "node_modules", "__pycache__"];
/// Files that say the same of the directory in which they lie: environments, caches, `target`.
const MARKS: &[&str] = &["pyvenv.cfg", "CACHEDIR.TAG"];

impl Reader {
    /// A digest of what is at a path, `None` where nothing is; or why it is too much.
    fn content(&mut self, path: &Path) -> Result<Option<String>, String> {
        let Ok(there) = std::fs::metadata(path) else { return Ok(None) };
        if there.is_dir() {
            return self.directory(path).map(Some);
        }
        // A pipe or a device has no content that could be held to.
        if there.is_file() { self.file(path).map(Some) } else { Ok(Some("special".to_owned())) }
    }

    fn file(&mut self, path: &Path) -> Result<String, String> {
        let unread = |e: std::io::Error| format!("it cannot be read: {e}");
        self.files = self.files.checked_sub(1).ok_or_else(|| format!("there are more than {FILES} files"))?;
        let mut file = File::open(path).map_err(unread)?;
        let mut hasher = sha2::Sha256::new();
        let mut block = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut block).map_err(unread)?;
            if read == 0 {
                break;
            }
            let left = self.bytes.checked_sub(read as u64);
            self.bytes = left.ok_or_else(|| format!("there are more than {} MiB", BYTES >> 20))?;
            hasher.update(block.get(..read).unwrap_or_default());
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its files by their names in it, through links as a build would read them.
    fn directory(&mut self, path: &Path) -> Result<String, String> {
        let unread = |e: std::io::Error| format!("it cannot be read: {e}");
        // A link to a directory that was read is no second one.
        let real = std::fs::canonicalize(path).map_err(unread)?;
        if !self.seen.insert(real) {
            return Ok("seen".to_owned());
        }
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unread)? {
            entries.push(entry.map_err(unread)?.path());
            if entries.len() > FILES {
                return Err(format!("there are more than {FILES} files"));
            }
        }
        entries.sort();
        let mut text = String::new();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default();
            let made = name.to_str().is_some_and(|name| MADE.contains(&name)) && entry.is_dir();
            if made || MARKS.iter().any(|mark| entry.join(mark).is_file()) {
                continue;
            }
            let link = std::fs::read_link(&entry).ok();
            let content = self.content(&entry)?;
            let _ = writeln!(text, "{name:?} {link:?} {content:?}");
        }
        Ok(Digest::sha256_of(text.as_bytes()).to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    #[test]
    fn a_source_is_its_files_without_what_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/setup.py", "one");
        write("a/src/lib/x.py", "one");
        write("a/cache/CACHEDIR.TAG", "Signature");
        let content = |reader: &mut Reader| reader.content(&dir.path().join("a")).unwrap();
        let now = || content(&mut Reader::default());
        let before = now();
        for (path, same) in [
            ("a/.git/HEAD", true),
            ("a/node_modules/b/index.js", true),
            ("a/src/__pycache__/x.pyc", true),
            ("a/cache/x.o", true),
            ("b/other", true),
            ("a/src/lib/y.py", false),
            ("a/setup.py", false),
        ] {
            let was = now();
            write(path, "two");
            assert_eq!(now() == was, same, "{path}");
        }
        assert_ne!(now(), before);
        assert_eq!(Reader::default().content(&dir.path().join("none")).unwrap(), None);
        let few = Reader { files: 2, ..Reader::default() }.content(&dir.path().join("a"));
        assert!(few.unwrap_err().contains("files"));
        let small = Reader { bytes: 5, ..Reader::default() }.content(&dir.path().join("a"));
        assert!(small.unwrap_err().contains("MiB"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_read_through_and_a_circle_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (source, outside) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir(&source).unwrap();
        std::fs::write(&outside, "one").unwrap();
        std::os::unix::fs::symlink(&outside, source.join("x.py")).unwrap();
        std::os::unix::fs::symlink(&source, source.join("again")).unwrap();
        let before = Reader::default().content(&source).unwrap();
        std::fs::write(&outside, "two").unwrap();
        assert_ne!(Reader::default().content(&source).unwrap(), before);
    }

    #[test]
    fn what_names_a_place_on_this_machine_is_found_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("sub dir/src")).unwrap();
        std::fs::write(at("x.tgz"), "x").unwrap();
        let environment = Environment {
            variables: std::collections::BTreeMap::default(),
            cwd: dir.path().to_owned(),
            home: None,
            now: crate::model::Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let url = format!("x @ file://{}/sub%20dir", dir.path().display());
        for (text, expected) in [
            ("x.tgz", Some("x.tgz")),
            ("./x.tgz#egg=x", Some("x.tgz")),
            ("name@file:x.tgz", Some("x.tgz")),
            ("./sub dir[extra]", Some("sub dir")),
            ("link:sub dir/src", Some("sub dir/src")),
            (&url, Some("sub dir")),
            (".", Some("")),
            ("requests", None),
            ("react@^19", None),
            ("https://example.org/x.tgz", None),
        ] {
            let found = on_disk(text, dir.path(), &environment);
            assert_eq!(found, expected.map(|path| lexical(&at(path))), "{text}");
        }
    }
}
