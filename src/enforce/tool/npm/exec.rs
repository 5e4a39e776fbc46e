//! `npx`, `npm exec`, `npm init NAME`: the packages come in first, and nothing runs; then the program, in the
//! environment that it would have had.
//!
//! npm starts the program through its `script-shell`. The first time that shell is a program that does nothing. The
//! second time it is a script that takes the gateway's settings back and becomes the user's own shell. The program is
//! what the user asked to run: it is not confined.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::settings::Settings;
use super::{Tree, scripts};
use crate::enforce::tool::{Prepared, Then};
use crate::enforce::{EnforceError, Job, Step};
use crate::invocation::RequestKind;

/// Does nothing, well.
const NOTHING: &str = "/bin/true";

pub(super) fn prepare(job: &Job<'_>, mut settings: Settings) -> Result<Prepared, EnforceError> {
    if !cfg!(unix) {
        return Err(EnforceError::unsupported("programs of packages are started through a gate on Unix only"));
    }
    let shell = settings.value(job, "script-shell").unwrap_or_else(|| "sh".to_owned());
    let nothing = if Path::new(NOTHING).exists() { NOTHING } else { "/usr/bin/true" };
    if job.judgement.plan.packages.is_empty() {
        // It is here already; npm finds nothing else at the gateway.
        let (step, keep) = program(job, &mut settings, &shell)?;
        return Ok(Prepared { steps: vec![step], keep: vec![keep], ..Prepared::default() });
    }
    settings.set("script-shell", nothing);
    let mut install = Step::of(job);
    settings.apply(job, &mut install)?;
    let tree = directory(job, &settings).map(Tree::at);
    let (write, open_network, cacache) = (settings.write.clone(), settings.open_network, settings.cacache());
    let mut uncovered = settings.uncovered.clone();
    uncovered.push("the program that npm starts may do whatever the user may".to_owned());
    let then = Then::new(move |job: &Job<'_>, _| {
        let mut next = Prepared::default();
        if let Some(tree) = &tree {
            next = tree.installed(&job.judgement.plan);
            scripts::add(job, &settings, tree, &mut next);
        }
        if next.wrong.is_empty() {
            let (step, keep) = program(job, &mut settings, &shell)?;
            next.steps.push(step);
            next.keep.push(keep);
        }
        Ok(next)
    });
    let steps = vec![install];
    Ok(Prepared { steps, write, uncovered, open_network, cacache, then: Some(then), ..Prepared::default() })
}

/// Where npm keeps what it fetched for these requests: named by their digest.
fn directory(job: &Job<'_>, settings: &Settings) -> Option<PathBuf> {
    let mut named: Vec<&str> =
        job.invocation.requests.iter().filter(|r| r.kind != RequestKind::Selector).map(|r| r.text.as_str()).collect();
    named.sort_unstable();
    let digest = sha2::Sha512::digest(named.join("\n").as_bytes());
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    settings.cache.as_ref().map(|cache| cache.join("_npx").join(hash))
}

/// The user's command, whose program gets back what the gateway's settings took.
fn program(job: &Job<'_>, settings: &mut Settings, shell: &str) -> Result<(Step, tempfile::TempDir), EnforceError> {
    let keep = tempfile::tempdir().map_err(EnforceError::io(std::env::temp_dir()))?;
    let script = keep.path().join("shell");
    settings.set("script-shell", &script.display().to_string());
    let mut step = Step::of(job);
    settings.apply(job, &mut step)?;
    step.free = true;
    let (mut gone, mut back) = (String::new(), String::new());
    for name in step.changes.keys() {
        match job.environment.variables.get(name).cloned().or_else(|| settings.told(job, name)) {
            None => gone.push_str(&format!(" -u {}", quoted(name))),
            Some(value) => back.push_str(&format!(" {}", quoted(&format!("{name}={value}")))),
        }
    }
    let text = format!("#!/bin/sh\nexec env{gone}{back} {} \"$@\"\n", quoted(shell));
    write_program(&script, &text).map_err(EnforceError::io(&script))?;
    Ok((step, keep))
}

#[cfg(unix)]
fn write_program(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_program(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// A word as `sh` reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $x"), "'it'\\''s $x'");
    }
}
