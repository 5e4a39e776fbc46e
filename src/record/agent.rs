//! Whether a person is at the keyboard. In: variables, the processes above this one. Out: the agent host that is there.
//!
//! An approval is a person's. A terminal alone proves none: an agent can open one. The hosts say in the environment
//! that they run a command; where they do not, they are found among the parents.

use std::collections::BTreeMap;

/// Variables that an agent host sets for the commands that it runs.
const VARIABLES: &[&str] = &["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "GEMINI_CLI", "AI_AGENT", "AGENT", "OPENCODE"];

/// Beginnings of such variables, without those that a person sets in a profile.
const PREFIXES: &[(&str, &[&str])] = &[
    ("CODEX_", &["CODEX_HOME"]),
    ("CURSOR_", &[]),
    ("COPILOT_", &["COPILOT_HOME", "COPILOT_MODEL"]),
    ("OPENCODE_", &["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR"]),
    ("CLINE_", &[]),
    ("WINDSURF_", &[]),
    ("GOOSE_", &["GOOSE_MODEL", "GOOSE_PROVIDER", "GOOSE_MODE"]),
    ("KIRO_", &[]),
    ("DEVIN_", &[]),
    ("JULES_", &[]),
];

/// Programs that run commands for a model.
const PROGRAMS: &[&str] = &[
    "claude",
    "codex",
    "gemini",
    "cursor-agent",
    "copilot",
    "opencode",
    "goose",
    "crush",
    "aider",
    "amp",
    "kiro-cli",
    "openhands",
    "plandex",
    "qwen",
];

/// What says that an agent runs this process, for people: `the variable CLAUDECODE`; `None` when nothing does.
pub fn host(variables: &BTreeMap<String, String>) -> Option<String> {
    let by_variable = variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).find(|name| {
        VARIABLES.contains(&name.as_str())
            || PREFIXES.iter().any(|(prefix, not)| name.starts_with(prefix) && !not.contains(&name.as_str()))
    });
    by_variable.map(|name| format!("the variable {name}")).or_else(above)
}

/// An agent among the processes above this one.
#[cfg(target_os = "linux")]
fn above() -> Option<String> {
    let mut id = std::os::unix::process::parent_id();
    for _ in 0..64 {
        if id <= 1 {
            return None;
        }
        // `ID (NAME) STATE PARENT …`; the name may hold spaces and parentheses.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1;
        if PROGRAMS.contains(&name) {
            return Some(format!("the process {name} above it"));
        }
        id = tail.split_whitespace().nth(1)?.parse().ok()?;
    }
    None
}

#[cfg(not(target_os = "linux"))]
fn above() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::{PREFIXES, VARIABLES};

    #[test]
    fn what_hosts_set_is_seen_and_what_people_set_is_not() {
        let said = |name: &str, value: &str| super::host(&[(name.to_owned(), value.to_owned())].into());
        for name in ["CLAUDECODE", "CODEX_SANDBOX", "CURSOR_TRACE_ID", "GEMINI_CLI", "OPENCODE"] {
            assert_eq!(said(name, "1"), Some(format!("the variable {name}")));
        }
        // The tests themselves may run below an agent: only what a variable says is looked at.
        for name in ["CODEX_HOME", "HOME", "CLAUDE_CODE_USE_BEDROCK", "AGENTS"] {
            assert_ne!(said(name, "1"), Some(format!("the variable {name}")), "{name}");
        }
        assert_ne!(said("CLAUDECODE", ""), Some("the variable CLAUDECODE".to_owned()));
        assert!(VARIABLES.len() + PREFIXES.len() > 10);
    }
}
