//! poetry, pdm and Pipenv through the gateway: their own interpreter runs a small program of ours, which runs them with another
//! way out: whatever URL they ask for, the gateway gets it, and answers as that URL would. So lockfiles, which name
//! registries in places of their own, come out as ever, and nothing has to be mended.
//!
//! Their caches hold what earlier commands found, which nobody judged: this run has its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Prepared, scratch};
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step, Upstream};
use crate::toolchain;

const PROGRAM: &str = include_str!("redirect.py");

/// The interpreter of a script, with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interpreter {
    program: PathBuf,
    options: Vec<String>,
}

/// A job's command, redirected; and the directory that its caches may be in.
pub(super) fn prepare(job: &Job<'_>, gateway: &Gateway) -> Result<(Prepared, Step, PathBuf), EnforceError> {
    let Upstream::Python { indexes, .. } = job.upstream else {
        return Err(EnforceError::unsupported("without Python indexes"));
    };
    let directory = scratch()?;
    let cache = directory.path().join("cache");
    std::fs::create_dir(&cache).map_err(EnforceError::io(&cache))?;
    let program = directory.path().join("run.py");
    let mut bases: Vec<String> =
        indexes.indexes.iter().map(|i| format!("{}/", i.url.as_str().trim_end_matches('/'))).collect();
    bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
    let text = PROGRAM
        .replace("@GATE@", gateway.url("").trim_end_matches('/'))
        .replace("@INDEXES@", &serde_json::to_string(&bases).unwrap_or_default())
        .replace("@CACHE@", &cache.display().to_string())
        .replace("@TOOL@", job.invocation.tool.name());
    std::fs::write(&program, text).map_err(EnforceError::io(&program))?;
    let mut step = Step::of(job);
    let named = job.program.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("python"));
    let mut words: Vec<OsString> = Vec::new();
    if named {
        words.push(program.clone().into());
    } else {
        let interpreter = interpreter_of(job)?;
        step.program = interpreter.program;
        words.extend(interpreter.options.into_iter().map(OsString::from));
        words.extend([program.clone().into_os_string(), job.program.into()]);
    }
    words.extend(job.arguments.iter().cloned());
    step.arguments = words;
    // New environments are made by virtualenv, which locks what it keeps in a place of its own.
    step.set("VIRTUALENV_OVERRIDE_APP_DATA", cache.join("virtualenv"));
    let (uncovered, open_network) = super::uncovered(job, job.invocation.tool.name());
    if !open_network {
        super::refuse_all_else(&mut step, gateway);
    }
    let mut write = super::python_places(job);
    if job.invocation.global {
        write.extend(job.environment.home.as_ref().map(|h| h.join(".local")));
    }
    write.push(directory.path().to_owned());
    let prepared = Prepared { write, uncovered, open_network, keep: vec![directory], ..Prepared::default() };
    Ok((prepared, step, cache))
}

/// What a script's first lines say runs it.
fn interpreter_of(job: &Job<'_>) -> Result<Interpreter, EnforceError> {
    let unknown = || {
        EnforceError::unsupported(format!(
            "{} is no script of a Python interpreter here, so it cannot be led to the gateway; name the program itself",
            job.program.display()
        ))
    };
    let bytes = std::fs::read(job.program).map_err(EnforceError::io(job.program))?;
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(4096)).unwrap_or_default());
    let mut words = shebang(&head).ok_or_else(unknown)?;
    if words.first().is_some_and(|w| w.ends_with("/env")) {
        words.remove(0);
        let name = words.first().cloned().ok_or_else(unknown)?;
        let found = toolchain::find(&name, job.environment).ok_or_else(unknown)?;
        words[0] = found.display().to_string();
    }
    let program = PathBuf::from(words.remove(0));
    let is_python =
        program.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("python") || n.starts_with("pypy"));
    if is_python && program.is_absolute() { Ok(Interpreter { program, options: words }) } else { Err(unknown()) }
}

/// `#!/venv/bin/python -s`, or, for long paths, `#!/bin/sh` and `'''exec' "/venv/bin/python" "$0" "$@"`.
fn shebang(head: &str) -> Option<Vec<String>> {
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let words = |text: &str| text.split_ascii_whitespace().map(|w| w.trim_matches(['"', '\'']).to_owned()).collect();
    if Path::new(first).file_name().is_some_and(|n| n == "sh") {
        let exec = lines.next()?.strip_prefix("'''exec' ")?;
        let (before, _) = exec.split_once("\"$0\"")?;
        return Some(words(before)).filter(|w: &Vec<String>| !w.is_empty());
    }
    Some(words(first)).filter(|w: &Vec<String>| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_of_scripts() {
        let words = |head: &str| shebang(head).map(|w| w.join(" "));
        assert_eq!(words("#!/v/bin/python3 -sE\nimport x").as_deref(), Some("/v/bin/python3 -sE"));
        assert_eq!(words("#!/usr/bin/env python3\n").as_deref(), Some("/usr/bin/env python3"));
        assert_eq!(words("#!/bin/sh\n'''exec' \"/a/python\" \"$0\" \"$@\"\n' '''").as_deref(), Some("/a/python"));
        assert_eq!(words("#!/bin/sh\nexec x\n"), None);
        assert_eq!(words("\u{7f}ELF"), None);
        assert_eq!(words("#!\n"), None);
    }
}
