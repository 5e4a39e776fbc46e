//! `outside-write`: files that a command changes go in; those outside the working directory's repository come out, for a person where a
//! whole directory goes or a file of the system is changed.

use std::path::Path;

use super::{Facts, Observation, Rule, fix, say};
use crate::gate::operation::{How, Operation, Target};
use crate::gate::remotes;
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "outside-write",
    default: Level::Note,
    category: Category::ScopeEscalation,
    about: "The command changes files outside the working directory's repository.",
    options: &[],
    look,
};

/// Places for what need not last.
const FLEETING: &[&str] = &["/tmp", "/var/tmp", "/dev", "/private/tmp", "/var/folders", "/run/user", "/proc/self"];
/// Places below the home directory that tools fill and that can be filled again.
const CACHES: &[&str] = &[
    ".cache",
    ".npm",
    ".cargo/registry",
    ".gradle",
    ".m2",
    "Library/Caches",
    ".pytest_cache",
    ".yarn",
    ".pnpm-store",
    "go/pkg",
];
const SYSTEM: &[&str] = &[
    "/etc",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/boot",
    "/sys",
    "/System",
    "/Library",
    "/Applications",
    "/opt",
    "/var/lib",
    "/root",
];

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = Vec::new();
    let mut root = None;
    for operation in facts.operations {
        let Operation::File { target, how, by } = operation else { continue };
        if !how.is_certain() {
            continue;
        }
        let (path, pattern) = match target {
            Target::Path(path) => (path.clone(), false),
            Target::Pattern(text) => (text.into(), true),
            Target::Text(_) => continue,
        };
        let root = root.get_or_insert_with(|| remotes::root(facts.environment, facts.files));
        if !path.is_absolute()
            || path.starts_with(&facts.environment.cwd)
            || path.starts_with(&*root)
            || fleeting(facts, &path)
        {
            continue;
        }
        let removes = *how == How::Removed;
        let what = if removes { "removes or changes" } else { "writes" };
        let shown = path.display().to_string();
        let message =
            format!("it {what} files outside the working directory: {}, by `{}`", say::sentence(&shown), say::word(by));
        let found = Observation::new(message)
            .with("operation", say::word(by))
            .with("path", say::sentence(&shown))
            .fix(fix::advice("keep to the working directory, or let a person run it"));
        let found = if grave(facts, &path, removes, pattern, by) { found.at_least(Level::Ask) } else { found };
        if !out.contains(&found) && out.len() < 64 {
            out.push(found);
        }
    }
    out
}

fn fleeting(facts: &Facts<'_>, path: &Path) -> bool {
    let own = facts.environment.variable("TMPDIR").filter(|t| t.len() > 1);
    let cache = |home: &Path| CACHES.iter().any(|c| path.starts_with(home.join(c)));
    let inside = |place: &str| path.starts_with(place) && path != Path::new(place);
    FLEETING.iter().any(|f| inside(f))
        || own.is_some_and(inside)
        || facts.environment.home.as_deref().is_some_and(cache)
}

/// Whether a whole place goes, or what belongs to the system is changed.
fn grave(facts: &Facts<'_>, path: &Path, removes: bool, pattern: bool, by: &str) -> bool {
    let system = SYSTEM.iter().any(|s| path.starts_with(s)) && !path.starts_with("/usr/local/share");
    let home = facts.environment.home.as_deref();
    let above = home.is_some_and(|home| home.starts_with(path)) || facts.environment.cwd.starts_with(path);
    // `rm -rf ~/x`: what is directly below the home directory is somebody's work.
    let wide = home.is_some_and(|home| path.parent() == Some(home)) || path.components().count() <= 2;
    let takes = removes && matches!(by, "rm" | "shred" | "srm" | "find" | "fd" | "rmdir" | "mv" | "unlink");
    system || (removes && above) || (takes && (wide || pattern))
}
