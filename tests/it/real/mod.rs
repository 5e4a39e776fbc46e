//! The plans held against the real tools' own answers, on the real registries.
//!
//! In: `fixtures/differential/*.txt`, lists of published packages and of a manifest in each. The archives are fetched
//! while the test runs and unpacked as data; nothing of them is built or executed. Out: for each row the set of
//! `name@version` that the plan has, against the set that the tool resolves from the same manifest. A difference that
//! is known stands in the row, with the reason behind it as a comment, and is held to exactly.
//!
//! ```text
//! cargo test --features real-registries --test it real:: -- --test-threads 1 --nocapture
//! ```
//!
//! A run that was interrupted goes on where it stopped: archives and answers are kept under the target directory. An
//! answer that is some minutes old is asked for again before a difference is believed. `TIDEWAITER_REAL_ONLY=text`
//! runs only the rows that contain the text.

mod archive;
mod cargo;
mod npm;
mod python;
mod tools;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

pub(super) use archive::Archives;

/// `name@version`.
type Set = BTreeSet<(String, String)>;

/// How long a tool's answer stands for today's registry.
const FRESH: Duration = Duration::from_secs(4 * 3600);
/// Rows worked on at once.
const WORKERS: usize = 2;

/// One manifest of a published package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The package, and which release of it.
    pub name: String,
    pub version: String,
    /// The manifest in its archive.
    pub path: String,
    /// Known differences: `+name@version` only in the plan, `-name@version` only in the tool's answer, each behind
    /// the tool's name and a colon where one list serves two. `fails`: neither finds a solution.
    pub known: Vec<String>,
}

impl Row {
    fn title(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.path)
    }

    /// Where what belongs to it is kept.
    fn directory(&self, kind: &str) -> PathBuf {
        let plain: String = self
            .title()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '+' })
            .collect();
        work().join(kind).join(plain)
    }
}

/// What one side found: the packages, or why there are none.
type Answer = Result<Set, String>;

/// The rows of a list.
pub(super) fn rows(list: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/differential").join(list);
    let only = std::env::var("TIDEWAITER_REAL_ONLY").unwrap_or_default();
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    lines.map(row).filter(|r| r.title().contains(&only)).collect()
}

fn row(line: &str) -> Row {
    let (facts, why) = line.split_once(" #").unwrap_or((line, ""));
    let mut words = facts.split_whitespace().map(str::to_owned);
    let mut next = || words.next().unwrap_or_else(|| panic!("not `NAME VERSION PATH [DIFFERENCE…]`: {line}"));
    let row = Row { name: next(), version: next(), path: next(), known: words.collect() };
    assert!(row.known.is_empty() || !why.trim().is_empty(), "a difference without a reason: {line}");
    row
}

/// Kept between runs.
pub(super) fn work() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("real")
}

/// What the program plans for a command, cooldown off.
pub(super) fn plan(directory: &Path, words: &[&str]) -> Answer {
    let policy = work().join("no-cooldown.toml");
    // Written anew and whole each time: two workers may do so at once.
    let mut file = tempfile::NamedTempFile::new_in(work()).unwrap();
    std::io::Write::write_all(&mut file, b"version = 1\n[rules]\ncooldown = { level = \"off\" }\n").unwrap();
    file.persist(&policy).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tidewaiter"))
        .args(["check", "--format", "json", "--policy"])
        .arg(&policy)
        .arg("--")
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {}", tail(&output)))?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let list = |key: &str| document["plan"][key].as_array().cloned().unwrap_or_default();
    let unresolved = list("unresolved");
    if !unresolved.is_empty() {
        let lines: Vec<String> = unresolved
            .iter()
            .take(3)
            .map(|u| format!("{}: {}", short(&text(&u["requirement"])), short(&text(&u["reason"]))))
            .collect();
        return Err(lines.join("; "));
    }
    // The project itself is in the plan, and no part of what comes in.
    let packages = list("packages").into_iter().filter(|p| p["source"]["kind"] != "workspace");
    Ok(packages.map(|p| (text(&p["name"]), text(&p["version"]))).collect())
}

fn short(text: &str) -> String {
    text.chars().take(160).collect()
}

/// The end of what a tool that failed said.
pub(super) fn tail(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(6)..).unwrap_or_default();
    format!("{}: {}", output.status, last.join(" | ").chars().take(800).collect::<String>())
}

/// The tool's answer, kept in `file`; `ask` writes it there, or says why there is none (which is kept as well).
pub(super) fn kept(file: &Path, again: bool, ask: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let refused = file.with_extension("refused");
    let young = |path: &Path| {
        let age =
            path.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
        age.is_some_and(|age| age < FRESH)
    };
    if !again && young(file) {
        return Ok(file.to_owned());
    }
    if !again && young(&refused) {
        return Err(std::fs::read_to_string(&refused).unwrap());
    }
    let _ = std::fs::remove_file(file);
    let _ = std::fs::remove_file(&refused);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    match ask(file) {
        Ok(()) => Ok(file.to_owned()),
        Err(reason) => {
            std::fs::write(&refused, &reason).unwrap();
            Err(reason)
        }
    }
}

/// How a tool's answer is held against the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same packages.
    Identical,
    /// The plan may have more.
    Superset,
}

/// What a row came to.
#[derive(Debug)]
pub(super) struct Compared {
    /// Packages in the tool's answer.
    pub size: usize,
    /// Packages that only the plan has.
    pub surplus: usize,
    /// `None`: as it should be.
    pub complaint: Option<String>,
}

/// The differences between two answers, in the words of the lists.
fn differences(relation: Relation, plan: &Answer, tool: &Answer) -> Result<Vec<String>, String> {
    match (plan, tool) {
        (Ok(plan), Ok(tool)) => {
            let written = |sign: char, (name, version): &(String, String)| format!("{sign}{name}@{version}");
            let mut out: Vec<String> = tool.difference(plan).map(|p| written('-', p)).collect();
            if relation == Relation::Identical {
                out.extend(plan.difference(tool).map(|p| written('+', p)));
            }
            Ok(out)
        }
        (Err(_), Err(_)) => Ok(vec!["fails".to_owned()]),
        (Err(plan), Ok(_)) => Err(format!("only the tool resolves it; the plan: {plan}")),
        (Ok(_), Err(tool)) => Err(format!("only the plan resolves it; the tool: {tool}")),
    }
}

/// Holds one row's answers against each other and against what the list knows.
fn compare(row: &Row, tool: &str, relation: Relation, plan: &Answer, theirs: &Answer) -> Compared {
    let prefix = format!("{tool}:");
    let known = row.known.iter().filter_map(|k| match k.split_once(':') {
        Some((other, _)) if !other.starts_with(['+', '-']) => k.strip_prefix(&prefix),
        _ => Some(k),
    });
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    let complaint = match differences(relation, plan, theirs) {
        Err(complaint) => Some(complaint),
        Ok(found) => {
            let found: BTreeSet<String> = found.into_iter().collect();
            let list = |set: BTreeSet<&String>| set.into_iter().take(24).cloned().collect::<Vec<_>>().join(" ");
            let new = list(found.difference(&known).collect());
            let gone = list(known.difference(&found).collect());
            let failed = match (plan, theirs) {
                (Err(plan), Err(tool)) if found != known => format!(" (the plan: {plan}) (the tool: {tool})"),
                _ => String::new(),
            };
            match (new.is_empty(), gone.is_empty()) {
                (true, true) => None,
                (false, true) => Some(format!("{new}{failed}")),
                (true, false) => Some(format!("in the list, but no more so: {gone}{failed}")),
                (false, false) => Some(format!("{new}; in the list, but no more so: {gone}{failed}")),
            }
        }
    };
    let size = |a: &Answer| a.as_ref().map_or(0, BTreeSet::len);
    let surplus = match (plan, theirs) {
        (Ok(plan), Ok(tool)) => plan.difference(tool).count(),
        _ => 0,
    };
    Compared { size: size(theirs), surplus, complaint }
}

/// Compares every row, two at a time, and says how each went. Stops the test when one differs.
///
/// `plan` and `tool` answer for a row; `tool` is told whether it must ask anew.
pub(super) fn compare_all(
    tool: &str,
    relation: Relation,
    rows: &[Row],
    plan: impl Fn(&Row) -> Answer + Sync,
    answer: impl Fn(&Row, bool) -> Answer + Sync,
) {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Compared)>> = Mutex::default();
    let work = || {
        while let Some((at, row)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, rows.get(at)?)))
        {
            let started = Instant::now();
            let mut ours = plan(row);
            let mut compared = compare(row, tool, relation, &ours, &answer(row, false));
            if compared.complaint.is_some() {
                // Something may have been released, or a connection lost, between the two.
                let again = answer(row, true);
                ours = plan(row);
                compared = compare(row, tool, relation, &ours, &again);
            }
            let verdict = compared.complaint.as_deref().unwrap_or("as it should be");
            let (size, surplus) = (compared.size, compared.surplus);
            let seconds = started.elapsed().as_secs_f32();
            eprintln!("{tool}: {}: {size} packages, +{surplus}, {seconds:.1} s: {verdict}", row.title());
            done.lock().unwrap().push((at, compared));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    summarise(tool, &done);
    let complaints: Vec<String> = done
        .iter()
        .filter_map(|(at, c)| Some(format!("{}: {}", rows.get(*at)?.title(), c.complaint.as_ref()?)))
        .collect();
    assert!(complaints.is_empty(), "{} of {} differ:\n{}", complaints.len(), rows.len(), complaints.join("\n"));
}

fn summarise(tool: &str, done: &[(usize, Compared)]) {
    let resolved: Vec<&Compared> = done.iter().map(|(_, c)| c).filter(|c| c.size > 0).collect();
    let mut surplus: Vec<f64> = resolved.iter().map(|c| 100.0 * c.surplus as f64 / c.size as f64).collect();
    surplus.sort_by(f64::total_cmp);
    let packages: usize = resolved.iter().map(|c| c.size).sum();
    eprintln!(
        "{tool}: {} manifests, {} resolved to {packages} packages; more in the plan: median {:.1} %, at most {:.1} %",
        done.len(),
        resolved.len(),
        surplus.get(surplus.len() / 2).copied().unwrap_or_default(),
        surplus.last().copied().unwrap_or_default(),
    );
}

/// Each list is long enough, and names no manifest twice.
#[test]
fn the_lists_are_whole() {
    for list in ["python.txt", "npm.txt", "cargo.txt"] {
        let rows = rows(list);
        let titles: BTreeSet<String> = rows.iter().map(Row::title).collect();
        assert_eq!(titles.len(), rows.len(), "{list} names a manifest twice");
        let resolvable = rows.iter().filter(|r| !r.known.iter().any(|k| k == "fails")).count();
        assert!(resolvable >= 40 || std::env::var_os("TIDEWAITER_REAL_ONLY").is_some(), "{list}: {resolvable}");
    }
}
