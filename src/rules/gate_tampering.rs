//! `gate-tampering`: programs that a command runs and files that it or an edit changes go in; those that remove,
//! bypass or reconfigure this gate come out.
//!
//! It is what an agent may not do, and a refused agent may try. A person has a terminal of their own for it.

use std::path::Path;

use super::{Facts, Observation, Rule, fix, say};
use crate::gate::operation::{How, Operation, Target, names, program};
use crate::gate::{self, Belonging, Protected};
use crate::invocation::wrappers::SHELLS;
use crate::model::{Category, Environment, Files, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "gate-tampering",
    default: Level::Deny,
    category: Category::GateTampering,
    about: "The command or the edit removes, bypasses or reconfigures this gate.",
    options: &[],
    look,
};

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    observe(facts.operations, facts.environment, facts.files)
}

/// Whether anything of it concerns the gate: asked before a policy is read.
pub fn concerns(operations: &[Operation], environment: &Environment, files: &dyn Files) -> bool {
    !observe(operations, environment, files).is_empty()
}

fn observe(operations: &[Operation], environment: &Environment, files: &dyn Files) -> Vec<Observation> {
    if operations.is_empty() {
        return Vec::new();
    }
    let mut protected: Option<Vec<Protected>> = None;
    let mut out: Vec<Observation> = Vec::new();
    for operation in operations {
        let (operation, at) = match operation {
            Operation::Followed { operation, at } => (&**operation, Some(at)),
            operation => (operation, None),
        };
        let found = match operation {
            Operation::Run { words } => launch(words, environment, files).or_else(|| run(words)),
            Operation::Sets { name } => sets(name),
            Operation::Acts(_) | Operation::Followed { .. } => None,
            Operation::File { target, how, by } => {
                let protected = protected.get_or_insert_with(|| by_every_name(environment, files));
                file(protected, target, how, by, files)
            }
        };
        let found = match at {
            Some(at) => found.map(|found| found.at(at)),
            None => found,
        };
        out.extend(found.filter(|f| !out.contains(f)));
    }
    out
}

/// What belongs to the gate, also by the path that it has without symbolic links.
fn by_every_name(environment: &Environment, files: &dyn Files) -> Vec<Protected> {
    let mut out = gate::protected(environment);
    let of_user = |p: &&Protected| match p.what {
        Belonging::Policy | Belonging::Data => true,
        Belonging::Hook(host) => environment.home.as_ref().is_some_and(|home| p.path == home.join(host.user_file())),
        _ => false,
    };
    let real = |p: &Protected| Some(Protected { path: files.real(&p.path).filter(|real| *real != p.path)?, ..*p });
    let more: Vec<Protected> = out.iter().filter(of_user).filter_map(real).collect();
    out.extend(more);
    out
}

/// What commands of this program an agent may not run: the words, what they do, whether a person may let it pass.
const OWN: &[(&[&str], &str, bool)] = &[
    (&["shim", "uninstall"], "takes this gate's links away", false),
    (&["hook", "uninstall"], "takes this gate out of an agent host", false),
    (&["hook", "reset"], "resets what only a person may reset", false),
    (&["approve"], "approves in a person's place", false),
    // What this program starts itself under.
    (&["__contain"], "runs a command past this gate", false),
    (&["__scripts"], "runs commands past this gate", false),
    (&["advisories", "import"], "changes what this gate knows to be malicious", true),
    (&["policy", "init"], "writes a policy", true),
];
/// Options with which a command is judged otherwise than the user wants it.
const LOOSENING: &[&str] = &["--policy", "--as-of"];

/// An agent host that is started without what calls this gate.
fn launch(words: &[String], environment: &Environment, files: &dyn Files) -> Option<Observation> {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let read = |path: &Path| files.read_text(&environment.absolute(path)).ok();
    let found = gate::launch::without_hooks(&texts, &read)?;
    let told = observation(found.what, &shown(words));
    Some(if found.certain { told } else { told.at_most(Level::Ask) })
}

fn run(words: &[String]) -> Option<Observation> {
    let (first, rest) = words.split_first()?;
    let name = program(first);
    if name == "tidewaiter" {
        return own(rest);
    }
    if let Some(found) = carried(&name, words) {
        return Some(found);
    }
    let concerned = rest.iter().any(|w| mentions(w));
    let verbs = ["uninstall", "remove", "rm", "purge", "disable", "erase", "unlink", "autoremove"];
    let what = if matches!(name.as_str(), "kill" | "pkill" | "killall" | "taskkill") && concerned {
        "stops this gate"
    } else if !matches!(name.as_str(), "git" | "docker" | "podman")
        && rest.iter().any(|w| verbs.contains(&w.as_str()))
        && rest.iter().any(|w| is_package(w))
    {
        "uninstalls this gate"
    } else if rest.iter().any(|w| w.contains("disableAllHooks")) {
        "switches an agent host's hooks off"
    } else {
        return None;
    };
    Some(observation(what, &shown(words)))
}

fn own(rest: &[String]) -> Option<Observation> {
    let operands: Vec<&str> = rest.iter().map(String::as_str).filter(|w| !w.starts_with('-')).collect();
    let typed = || format!("tidewaiter {}", shown(rest));
    if let Some((_, what, person)) = OWN.iter().find(|(words, _, _)| operands.starts_with(words)) {
        let found = observation(what, &typed());
        return Some(if *person { found.at_most(Level::Ask) } else { found });
    }
    if operands.starts_with(&["advisories", "update"]) {
        let another = |w: &String| w == "--force" || w.starts_with("--url");
        return rest
            .iter()
            .any(another)
            .then(|| observation("changes what this gate knows to be malicious", &typed()).at_most(Level::Ask));
    }
    let before: Vec<&String> = rest.iter().take_while(|w| *w != "--").collect();
    let loosens =
        |w: &&&String| LOOSENING.iter().any(|o| w.strip_prefix(o).is_some_and(|r| r.is_empty() || r.starts_with('=')));
    if operands.first() == Some(&"run") && before.iter().any(|w| loosens(&w)) {
        return Some(observation("chooses how strictly it is judged", &typed()));
    }
    None
}

/// Programs that print, search or send their words, and run none of them.
const PRINTERS: &[&str] = &[
    "echo",
    "printf",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "ag",
    "ack",
    "cat",
    "head",
    "tail",
    "ls",
    "which",
    "whereis",
    "type",
    "wc",
    "diff",
    "sort",
    "uniq",
    "cut",
    "tr",
    "curl",
    "wget",
    "jq",
    "yq",
    "test",
    "[",
    "[[",
    ":",
    "true",
    "say",
    "notify-send",
    "logger",
    "read",
    "tee",
    "mkdir",
    "touch",
    "cd",
    "base64",
    "sha256sum",
    "patch",
];
/// Programs that run the command in their words as it stands.
const CARRIERS: &[&str] = &["sudo", "env", "nice", "nohup", "time", "timeout", "command", "xargs"];

/// Whether a command prints, searches or stores what its words say: `grep`, `git commit -m`, `xargs grep`.
fn prints(name: &str, words: &[String]) -> bool {
    let rest = words.get(1..).unwrap_or_default();
    let has = |options: &[&str]| rest.iter().any(|w| options.iter().any(|o| w.starts_with(o)));
    let verb = |verbs: &[&str]| rest.first().is_some_and(|w| verbs.contains(&w.as_str()));
    match name {
        "rg" => !has(&["--pre"]),
        "man" => !has(&["-P", "--pager", "-H", "--html"]),
        "git" => {
            verb(&["commit", "log", "show", "diff", "blame", "tag", "notes", "add", "apply"])
                || verb(&["grep"]) && !has(&["-O", "--open-files"])
        }
        "gh" | "glab" => verb(&["pr", "issue", "release", "mr", "search"]),
        _ if CARRIERS.contains(&name) => {
            let at = rest.iter().position(|w| PRINTERS.contains(&program(w).as_str()));
            // What follows an option may be its value, and no program.
            let plain = |w: &String| !w.starts_with('-') || matches!(w.as_str(), "-0" | "-r" | "-n1" | "--");
            at.is_some_and(|at| rest.get(..at).is_some_and(|before| before.iter().all(plain)))
        }
        _ => PRINTERS.contains(&name),
    }
}

/// A command of this program in the words or the code of another, whichever that is: `script -c 'tidewaiter approve …'`,
/// `tmux send-keys`, `pty.spawn(['tidewaiter', 'approve', …])`.
fn carried(name: &str, words: &[String]) -> Option<Observation> {
    if prints(name, words) {
        return None;
    }
    let rest = words.get(1..)?;
    let as_words = (0..rest.len()).filter(|at| rest.get(*at).is_some_and(|w| program(w) == "tidewaiter"));
    if let Some(found) = as_words.filter_map(|at| own(rest.get(at + 1..)?)).next() {
        return Some(found);
    }
    // A shell's code is read as what it is.
    let code = |w: &String| w.starts_with('-') && !w.starts_with("--") && w.ends_with('c');
    if SHELLS.contains(&name) && rest.iter().any(code) {
        return None;
    }
    let text = rest.join(" ");
    if let Some(found) = CHILD.iter().find(|variable| text.contains(&format!("{variable}="))) {
        return sets(found);
    }
    let parts: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/' | '\\'))
        .filter(|part| !part.is_empty() && (!part.starts_with('-')))
        .collect();
    let named = (0..parts.len()).filter(|at| parts.get(*at).is_some_and(|part| program(part) == "tidewaiter"));
    // `tmux send-keys tidewaiter Space approve`: one word may stand between.
    let after = named.flat_map(|at| [at + 1, at + 2]).filter_map(|at| parts.get(at..));
    let found = after.filter_map(|after| OWN.iter().find(|(verb, _, _)| after.starts_with(verb))).next();
    found.map(|(_, what, person)| {
        let found = observation(what, &shown(words));
        if *person { found.at_most(Level::Ask) } else { found }
    })
}

/// Variables by which this gate's own child is known.
const CHILD: &[&str] = &["TIDEWAITER_STARTED", "TIDEWAITER_BEFORE", "TIDEWAITER_TRIAL"];

fn sets(name: &str) -> Option<Observation> {
    let typed = format!("{name}=…");
    match name {
        _ if CHILD.contains(&name) => Some(observation("passes itself off as this gate's own child", &typed)),
        _ if gate::settings::HOOKLESS.contains(&name) => {
            Some(observation("has an agent host call no hooks", &typed).at_most(Level::Ask))
        }
        "TIDEWAITER_ADVISORIES_URL" => {
            Some(observation("changes what this gate knows to be malicious", &typed).at_most(Level::Ask))
        }
        _ => None,
    }
}

fn mentions(word: &str) -> bool {
    word.to_ascii_lowercase().contains("tidewaiter")
}

/// `tidewaiter`, `tidewaiter@marketplace`, `tidewaiter==1.0`
fn is_package(word: &str) -> bool {
    word.strip_prefix("tidewaiter").is_some_and(|rest| rest.is_empty() || rest.starts_with(['@', '=', ':']))
}

/// Programs that change who may do what with a file.
const MODES: &[&str] = &["chmod", "chown", "chgrp", "chattr", "setfacl"];

fn file(protected: &[Protected], target: &Target, how: &How, by: &str, files: &dyn Files) -> Option<Observation> {
    if let Target::Text(text) = target {
        return self::text(protected, text, how, by, files);
    }
    let real = match target {
        Target::Path(path) => files.real(path).filter(|real| real != path).map(Target::Path),
        _ => None,
    };
    let targets = [Some(target), real.as_ref()];
    let (found, target) = targets.into_iter().flatten().find_map(|target| {
        let hit = |p: &&Protected| hit(p, target, how, by) && touched(p, target, how, files);
        Some((protected.iter().find(hit)?, target))
    })?;
    let verb = match how {
        How::Removed => "removes or changes",
        How::Written => "writes",
        How::Edited { .. } => "changes",
        How::Filled { .. } => "may write over",
        How::Linked => "makes another name for",
        How::Named => "gives a program that may write it",
    };
    let told = match (found.what, how) {
        (Belonging::Hook(_), How::Edited { before, after }) => {
            gate::settings::loses(before.as_deref().unwrap_or_default(), after).map(str::to_owned)
        }
        _ => None,
    };
    let told = told.unwrap_or_else(|| format!("{verb} {}", found.what.words()));
    let shown = match target {
        Target::Path(path) => say::sentence(&path.display().to_string()),
        Target::Pattern(text) | Target::Text(text) => say::word(text),
    };
    let found_at = observation(&told, &format!("{} {shown}", say::word(by)));
    Some(match (found.what, how) {
        // It can only tighten, and it is the project's own file.
        (Belonging::ProjectPolicy | Belonging::Cache, _) => found_at.at_most(Level::Ask),
        (_, How::Filled { .. } | How::Named) => found_at.at_most(Level::Ask),
        _ => found_at,
    })
}

/// Whether a change of a target may be one of a protected path.
fn hit(protected: &Protected, target: &Target, how: &How, by: &str) -> bool {
    match (target, how) {
        // Whoever changes the mode of a whole project means the project.
        (Target::Path(path), How::Removed)
            if MODES.contains(&by)
                && !matches!(protected.what, Belonging::Policy | Belonging::Data | Belonging::Program) =>
        {
            // The directory of a hook is no project.
            let beside = matches!(protected.what, Belonging::Hook(_)) && protected.path.parent() == Some(path);
            path.starts_with(&protected.path) || beside
        }
        (Target::Path(path), How::Removed) => protected.path.starts_with(path) || path.starts_with(&protected.path),
        (Target::Path(path), How::Filled { .. }) => {
            protected.path.starts_with(path) || path.starts_with(&protected.path)
        }
        (Target::Path(path), How::Linked | How::Named) => {
            let harmless = matches!(protected.what, Belonging::ProjectPolicy | Belonging::Cache | Belonging::Program);
            path.starts_with(&protected.path) && !harmless
        }
        (Target::Path(path), _) => path.starts_with(&protected.path),
        (Target::Pattern(pattern), _) => {
            let policy = || protected.what == Belonging::Policy && names(pattern, &protected.path.join("policy.toml"));
            names(pattern, &protected.path) || below(pattern, &protected.path) || policy()
        }
        (Target::Text(_), _) => false,
    }
}

/// A target of which only its letters are known, or the code that names it.
fn text(protected: &[Protected], text: &str, how: &How, by: &str, files: &dyn Files) -> Option<Observation> {
    let shown = || format!("{} {}", say::word(by), say::word(text));
    if text.contains("CLAUDE_ENV_FILE") && !text.contains(['(', ' ', ';']) {
        // Only what comes first on PATH is lost by it.
        let links = |p: &&Protected| p.what == Belonging::Data && files.is_dir(&p.path.join("shims"));
        let plain = matches!(how, How::Edited { after, .. } if after.lines().all(sets_no_more_than_a_value));
        protected.iter().find(links).filter(|_| !plain)?;
        return Some(observation("changes what later commands are started with", &shown()).at_most(Level::Ask));
    }
    if text_concerns(text) {
        let verb = if *how == How::Removed { "removes or changes" } else { "writes" };
        return Some(observation(&format!("{verb} what belongs to this gate"), &shown()));
    }
    joined_concerns(text).then(|| observation("may write what belongs to this gate", &shown()).at_most(Level::Ask))
}

/// A line of shell text that sets a variable which decides nothing for the gate: `export NODE_ENV=test`.
fn sets_no_more_than_a_value(line: &str) -> bool {
    let line = line.trim();
    let rest = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let Some((name, value)) = rest.split_once('=') else { return line.is_empty() || line.starts_with('#') };
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain && !gate::settings::steers(name) && !value.contains(['$', '`', ';', '&', '|', '<', '(']) && {
        let quoted = value.len() > 1 && value.starts_with(['"', '\'']) && value.ends_with(['"', '\'']);
        quoted || !value.contains(char::is_whitespace)
    }
}

/// Whether a change of a protected path takes something away from the gate.
fn touched(protected: &Protected, target: &Target, how: &How, files: &dyn Files) -> bool {
    let there = files.is_file(&protected.path) || files.is_dir(&protected.path);
    let inside = matches!(target, Target::Path(path) if path.starts_with(&protected.path));
    let calls = || files.read_text(&protected.path).is_ok_and(|text| gate::calls(&text) > 0);
    let hook = matches!(protected.what, Belonging::Hook(_));
    match (protected.what, how) {
        (Belonging::Hook(_), How::Edited { before, after }) => {
            gate::settings::loses(before.as_deref().unwrap_or_default(), after).is_some()
        }
        (_, How::Filled { from }) => {
            let Target::Path(directory) = target else { return false };
            let below = protected.path.strip_prefix(directory).unwrap_or(Path::new(""));
            match from.as_ref().filter(|from| files.is_dir(from)) {
                Some(from) => files.exists(&from.join(below)) && (!hook || calls()),
                // What comes cannot be told: it is a matter of how near it comes.
                None if hook => protected.path.parent() == Some(directory) && calls(),
                None => there && matches!(protected.what, Belonging::Policy | Belonging::Data),
            }
        }
        (Belonging::Hook(_), _) => calls(),
        // The cache may be taken away at any time, but not be written by another.
        (Belonging::Cache, How::Removed) => false,
        (_, How::Removed) => there,
        _ => inside || there,
    }
}

/// A pattern that names something below a directory: `~/.config/tidewaiter/*`.
fn below(pattern: &str, directory: &Path) -> bool {
    let depth = directory.to_string_lossy().split('/').filter(|p| !p.is_empty()).count();
    let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty()).collect();
    parts.len() > depth && parts.get(..depth).is_some_and(|p| !p.contains(&"**") && names(&p.join("/"), directory))
}

/// Whether a text of which only its letters are known speaks of the gate's files.
fn text_concerns(text: &str) -> bool {
    const FILES: &[&str] = &[
        "config/tidewaiter",
        "share/tidewaiter",
        "cache/tidewaiter",
        "etc/tidewaiter",
        "bin/tidewaiter",
        "tidewaiter/policy.toml",
        "tidewaiter\\policy.toml",
        "tidewaiter/shims",
        ".claude/settings",
        ".codex/hooks.json",
        ".cursor/hooks.json",
        ".gemini/settings.json",
        "windsurf/hooks.json",
        "hooks/PreToolUse",
    ];
    /// Code that only looks does not concern the gate.
    const ACTS: &[&str] = &[
        "remove", "unlink", "rm", "write", "rename", "replace", "move", "truncate", "chmod", "\"w\"", "'w'", "delete",
        "open(", "dump",
    ];
    // `$(which tidewaiter)`: where the program is, whatever finds it.
    let found = text.starts_with(['$', '`', '"']) && text.contains(['(', '`']);
    let named = || text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-')).any(|w| w == "tidewaiter");
    if found && named() {
        return true;
    }
    let code = text.contains(['(', ' ', ';']);
    FILES.iter().any(|f| text.contains(f)) && (!code || ACTS.iter().any(|a| text.contains(a)))
        || (!code && text.trim_end_matches(['/', '"', '\'']).ends_with("/tidewaiter"))
}

/// Whether code that writes or removes puts the name of one of the gate's files together:
/// `Path.home() / ".config" / "tidewaiter"`.
fn joined_concerns(text: &str) -> bool {
    const ACTS: &[&str] = &[
        "remove", "unlink", "rmtree", "rmdir", "rmSync", "rm(", "rm_r", "write", "rename", "replace(", "move(", "copy",
        "truncate", "chmod", "symlink", "\"w", "'w", "\"a\"", "'a'", "delete", "dump(", "touch(",
    ];
    let part = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + name.len()..).and_then(|t| t.chars().next());
            let ends = |c: Option<char>| c.is_some_and(|c| matches!(c, '"' | '\'' | '`' | '/' | '\\'));
            ends(before) && ends(after)
        })
    };
    let own = part("tidewaiter") || (part(".claude") && text.contains("settings")) || part("disableAllHooks");
    own && ACTS.iter().any(|act| text.contains(act))
}

fn shown(words: &[String]) -> String {
    say::sentence(&crate::model::shell_line(words))
}

fn observation(what: &str, by: &str) -> Observation {
    Observation::new(format!("it {what}: {by}"))
        .with("operation", by)
        .fix(fix::advice("leave this gate as it is; whoever wants it changed can do so in a terminal of their own"))
}
