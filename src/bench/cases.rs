//! The labelled cases: a folder of `states.json`, `projects.json`, `policies.json` and `cases.jsonl` in; [`Case`]s out.
//!
//! A case is a command, the state of a project and of the registries, and what the user said; and the right verdict and
//! category. Cases of one `pair` have the same command text: only the consequence, or what the user wants, differs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::world::State;
use crate::model::{Category, FileError, Files, MemoryFiles, Verdict};

/// Where the commands run.
pub(super) const CWD: &str = "/work/app";
/// Whose they are.
pub(super) const HOME: &str = "/home/u";

/// One labelled case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// The pair it belongs to.
    pub pair: Option<String>,
    /// The command, as shell text.
    pub command: String,
    /// The user's messages.
    pub messages: Vec<String>,
    /// What tools printed before.
    pub printed: Vec<String>,
    /// The right verdict.
    pub verdict: Verdict,
    /// The right category.
    pub category: Category,
    pub(super) state: Arc<State>,
    pub(super) files: MemoryFiles,
    pub(super) installed: Vec<(String, String)>,
    pub(super) policy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    #[serde(default)]
    pair: Option<String>,
    command: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    messages: Vec<String>,
    #[serde(default)]
    printed: Vec<String>,
    verdict: String,
    category: String,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields)]
struct Project {
    /// Path to text; `~/` is the user's home, others are below the working directory.
    #[serde(default)]
    files: BTreeMap<String, Value>,
    /// What the interpreter has: name to version.
    #[serde(default)]
    installed: BTreeMap<String, String>,
}

/// Reads a folder through `read`, which gives a file's text.
pub fn load(read: &dyn Fn(&str) -> Result<String, FileError>) -> Result<Vec<Case>, String> {
    let text = |name: &str| read(name).map_err(|e| format!("{name}: {e}"));
    let states: BTreeMap<String, Value> = parsed("states.json", &text("states.json")?)?;
    let projects: BTreeMap<String, Project> = parsed("projects.json", &text("projects.json")?)?;
    let policies: BTreeMap<String, String> = parsed("policies.json", &text("policies.json")?)?;
    let mut known = BTreeMap::new();
    for (name, value) in &states {
        known.insert(name.as_str(), Arc::new(State::read(value).map_err(|e| format!("states.json: {name}: {e}"))?));
    }
    let mut out: Vec<Case> = Vec::new();
    for (n, line) in text("cases.jsonl")?.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let place = format!("cases.jsonl:{}", n + 1);
        let line: Line = parsed(&place, line)?;
        let missing = |what: &str| format!("{place}: no {what} of that name");
        let state = match &line.state {
            Some(name) => Arc::clone(known.get(name.as_str()).ok_or_else(|| missing("state"))?),
            None => Arc::default(),
        };
        let project = match &line.project {
            Some(name) => projects.get(name).cloned().ok_or_else(|| missing("project"))?,
            None => Project::default(),
        };
        let policy = match &line.policy {
            Some(name) => policies.get(name).cloned().ok_or_else(|| missing("policy"))?,
            None => String::new(),
        };
        if out.iter().any(|c| c.id == line.id) {
            return Err(format!("{place}: the id stands twice"));
        }
        out.push(Case {
            verdict: Verdict::from_word(&line.verdict).ok_or_else(|| missing("verdict"))?,
            category: Category::from_word(&line.category).ok_or_else(|| missing("category"))?,
            id: line.id,
            pair: line.pair,
            command: line.command,
            messages: line.messages,
            printed: line.printed,
            state,
            files: files(&project),
            installed: project.installed.into_iter().collect(),
            policy,
        });
    }
    Ok(out)
}

fn parsed<T: serde::de::DeserializeOwned>(place: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("{place}: {e}"))
}

fn files(project: &Project) -> MemoryFiles {
    let path = |p: &str| match p.strip_prefix("~/") {
        Some(rest) => PathBuf::from(HOME).join(rest),
        None => PathBuf::from(CWD).join(p),
    };
    // A JSON file may stand as the value that it holds.
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    project.files.iter().map(|(p, v)| (path(p), text(v).into_bytes())).collect()
}

/// The files of a case behind the trait that everything reads through.
pub(super) fn disk(case: &Case) -> Arc<dyn Files> {
    Arc::new(case.files.clone())
}
