//! `pnpm dlx`, `yarn dlx`, `bunx`, `create`: the packages come into a directory of our own by the tool's own `add`, and
//! nothing runs; then the scripts that were cleared, and then the program, with the user's words and variables. It is
//! what the user asked to run: it is not confined.

use std::ffi::OsString;
use std::path::Path;

use super::registries::program_word;
use crate::enforce::tool::{Prepared, Then, scratch};
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::RequestKind;

/// What is fetched and run.
#[derive(Debug)]
pub(in crate::enforce::tool) struct Remote {
    /// The packages, as asked for.
    pub packages: Vec<String>,
    /// The program, when a word names it beside the packages.
    named: Option<OsString>,
    /// `-c`: the words are a shell's.
    shell: bool,
    words: Vec<OsString>,
}

impl Remote {
    /// Of a job whose verb is one of `verbs`; none for a command that is nothing else.
    pub fn of(job: &Job<'_>, verbs: &[&str]) -> Result<Self, EnforceError> {
        let invocation = job.invocation;
        let asked = |kind| invocation.requests.iter().filter(move |r| r.kind == kind).map(|r| r.text.clone());
        let beside: Vec<String> = asked(RequestKind::With).collect();
        let packages = if beside.is_empty() { asked(RequestKind::Requirement).collect() } else { beside.clone() };
        let at = program_word(job, verbs);
        let (word, words) = match at {
            Some(at) => (job.arguments.get(at).cloned(), job.arguments.get(at + 1..).unwrap_or_default().to_vec()),
            None => (None, Vec::new()),
        };
        if packages.is_empty() || word.is_none() {
            return Err(EnforceError::unsupported("it does not say what to fetch and run"));
        }
        let shell = invocation.flag("--shell-mode").is_some();
        Ok(Self { packages, named: word.filter(|_| !beside.is_empty() || shell), shell, words })
    }

    /// An empty project of our own.
    pub fn project() -> Result<tempfile::TempDir, EnforceError> {
        let directory = scratch()?;
        let manifest = directory.path().join("package.json");
        std::fs::write(&manifest, "{\"private\":true}\n").map_err(EnforceError::io(&manifest))?;
        Ok(directory)
    }

    /// [`Remote::run`] once the packages have come, for tools that need no more before it. Keeps the project till then.
    pub fn then(self, project: tempfile::TempDir) -> Then {
        Then::new(move |job: &Job<'_>, _| {
            let mut next = Prepared::default();
            self.run(job, project.path(), &mut next)?;
            next.keep.push(project);
            Ok(next)
        })
    }

    /// Adds the step that runs the program out of a project whose packages have come.
    pub fn run(&self, job: &Job<'_>, project: &Path, next: &mut Prepared) -> Result<(), EnforceError> {
        let programs = project.join("node_modules").join(".bin");
        let mut step = Step::of(job);
        match &self.named {
            Some(text) if self.shell => {
                let mut line = text.clone();
                for word in &self.words {
                    line.push(" ");
                    line.push(word);
                }
                step.program = "/bin/sh".into();
                step.arguments = vec!["-c".into(), line];
            }
            named => {
                let name = match named {
                    Some(name) => name.clone(),
                    None => program_of(project)
                        .ok_or_else(|| EnforceError::unsupported("the package has no program to run"))?
                        .into(),
                };
                let program = programs.join(&name);
                if Path::new(&name).components().count() != 1 || !program.exists() {
                    let shown = crate::model::printable(&name.to_string_lossy(), 100);
                    return Err(EnforceError::unsupported(format!("the packages have no program {shown}")));
                }
                step.program = program;
                step.arguments.clone_from(&self.words);
            }
        }
        let path = job.environment.variable("PATH").unwrap_or_default();
        let all = std::iter::once(programs).chain(std::env::split_paths(path));
        let path = std::env::join_paths(all).map_err(|e| EnforceError::unsupported(format!("PATH: {e}")))?;
        step.set("PATH", path);
        step.free = true;
        next.steps.push(step);
        next.uncovered.push("the program that was fetched may do whatever the user may".to_owned());
        Ok(())
    }
}

/// The program of the only package that a project asks for: its only one, or the one that is named like it.
fn program_of(project: &Path) -> Option<String> {
    let read = |path: &Path| -> Option<serde_json::Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
    let manifest = read(&project.join("package.json"))?;
    let name = manifest.get("dependencies")?.as_object()?.keys().next()?.clone();
    let manifest = read(&project.join("node_modules").join(&name).join("package.json"))?;
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    match manifest.get("bin")? {
        serde_json::Value::String(_) => Some(last(manifest.get("name").and_then(|n| n.as_str()).unwrap_or(&name))),
        serde_json::Value::Object(all) => {
            let own = manifest.get("name").and_then(|n| n.as_str()).map(last);
            let alike = own.filter(|own| all.contains_key(own));
            if all.len() == 1 { all.keys().next().map(|n| last(n)) } else { alike }
        }
        _ => None,
    }
}
