//! Answers that were given before, on disk: one small file each, named by the digest of everything the answer depends on.
//!
//! Safe under parallel runs: a file is written beside its place and renamed into it; what cannot be read is not there.
//! Bounded in number and age. A kept answer is checked like a new one before it counts.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::answer;
use super::{Answer, Said};
use crate::model::{Digest, Usage};

/// The form on disk.
const SCHEMA: &str = "tidewaiter.answer/1";
/// Files are thrown away, the oldest first, when there are more than this.
const MOST: usize = 1000;
/// The longest file that is one of ours, in bytes.
const LONGEST: u64 = 16 << 10;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The answers of one user.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

/// What an answer depends on.
#[derive(Debug, Clone)]
pub struct Key(Digest);

impl Key {
    /// From the digests of plan, facts, policy, prompt, model and intent, in any fixed order.
    pub fn of(parts: &[&str]) -> Self {
        // A part's length goes before it: no two lists of parts are the same text.
        let text: String = parts.iter().map(|p| format!("{}:{p}\n", p.len())).collect();
        Self(Digest::sha256_of(text.as_bytes()))
    }
}

impl Cache {
    /// Below the program's cache directory.
    pub fn new(cache: &Path) -> Self {
        Self { directory: cache.join("answers") }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.json", key.0.hex()))
    }

    /// The answer to this question, if one was kept and still is one.
    pub fn get(&self, key: &Key, ids: &[&str]) -> Option<Said> {
        let path = self.path(key);
        let meta = std::fs::metadata(&path).ok().filter(|m| m.is_file() && m.len() <= LONGEST)?;
        let old =
            meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok()).is_some_and(|age| age > KEPT);
        if old {
            return None;
        }
        let value: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        if value["schema"] != SCHEMA || value["key"] != key.0.hex() {
            return None;
        }
        // The first pass cites nothing, also where the rules' own verdict is against the command.
        let harm_alone = value["stages"] == json!(["harm"]);
        let answer = match answer::read(&value["answer"].to_string(), ids) {
            Ok(answer) => answer,
            Err(_) if harm_alone => {
                let mut cited = value["answer"].clone();
                cited["evidence"] = json!([ids.first()?]);
                Answer { evidence: Vec::new(), ..answer::read(&cited.to_string(), ids).ok()? }
            }
            Err(_) => return None,
        };
        let words = value["stages"].as_array()?.iter().filter_map(Value::as_str);
        let stages = words.filter_map(|w| ["harm", "intent", "text"].into_iter().find(|s| *s == w)).collect();
        Some(Said { answer, stages, usage: Usage::default() })
    }

    /// Keeps an answer. What cannot be written is not kept.
    pub fn put(&self, key: &Key, said: &Said) {
        let a = &said.answer;
        let document = json!({
            "schema": SCHEMA,
            "key": key.0.hex(),
            "stages": said.stages,
            "answer": {
                "verdict": a.verdict.word(),
                "severity": a.severity,
                "category": a.category.word(),
                "evidence": a.evidence,
                "consent": a.consent.word(),
                "rationale": a.rationale,
            },
        });
        if std::fs::create_dir_all(&self.directory).is_err() {
            return;
        }
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(document.to_string().as_bytes())?;
            file.persist(self.path(key)).map_err(|e| e.error)
        });
        if written.is_ok() {
            self.forget();
        }
    }

    /// Throws the oldest away when there are too many.
    fn forget(&self) {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let mut files: Vec<(SystemTime, PathBuf)> =
            entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        if files.len() <= MOST {
            return;
        }
        files.sort();
        for (_, path) in files.iter().take(files.len() - MOST + MOST / 10) {
            // Another run may have been faster.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::{Cache, Key};
    use crate::classifier::{Answer, Said};
    use crate::model::{Category, Consent, Usage, Verdict};

    fn said(verdict: Verdict, stages: Vec<&'static str>, evidence: &[&str]) -> Said {
        let answer = Answer {
            verdict,
            severity: 3,
            category: Category::Benign,
            evidence: evidence.iter().map(|e| (*e).to_owned()).collect(),
            consent: Consent::None,
            rationale: "why".to_owned(),
        };
        Said { answer, stages, usage: Usage { requests: 1, ..Usage::default() } }
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_another_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let (a, b) = (Key::of(&["a", "bc"]), Key::of(&["ab", "c"]));
        assert!(cache.get(&a, &["f1"]).is_none());
        cache.put(&a, &said(Verdict::Ask, vec!["harm", "intent"], &["f1"]));
        assert_eq!(cache.get(&a, &["f1"]).unwrap().answer, said(Verdict::Ask, vec![], &["f1"]).answer);
        assert_eq!(cache.get(&a, &["f1"]).unwrap().usage, Usage::default(), "it costs nothing now");
        assert!(cache.get(&a, &["f2"]).is_none(), "it cites what is not there");
        assert!(cache.get(&b, &["f1"]).is_none());
        cache.put(&b, &said(Verdict::Ask, vec!["harm"], &[]));
        assert!(cache.get(&b, &["f1"]).is_some());
        for spoilt in ["", "{}", "[]", "{\"schema\":\"tidewaiter.answer/1\"}"] {
            std::fs::write(cache.path(&a), spoilt).unwrap();
            assert!(cache.get(&a, &["f1"]).is_none());
        }
    }

    #[test]
    fn many_at_once_and_no_more_than_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        std::thread::scope(|scope| {
            for t in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..300 {
                        let key = Key::of(&[&format!("{}", n + (t % 2) * 300)]);
                        cache.put(&key, &said(Verdict::Allow, vec!["intent"], &[]));
                        let _ = cache.get(&key, &[]);
                    }
                });
            }
        });
        for n in 0..600 {
            cache.put(&Key::of(&["more", &n.to_string()]), &said(Verdict::Allow, vec!["intent"], &[]));
        }
        assert!(std::fs::read_dir(dir.path().join("answers")).unwrap().count() <= super::MOST + 1);
    }
}
