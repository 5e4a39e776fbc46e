//! A gate that finds itself inside another: a tool that was started for a cleared plan starts package tools in turn.
//!
//! In: this process's variables and parent. Out: whether it is the very process that a gate started, and the variables
//! as they were before the gate changed them. Whatever the variables say, nothing passes unjudged because of them:
//! a nested install is judged again, by the user's own configuration.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::own::Own;

/// Set for the tool that is started for a cleared plan, to the gate's process id. See [`is_started_by_gate`].
pub const STARTED: &str = "TIDEWAITER_STARTED";

/// Set by `doctor` for the links that it tries, to its own process id: its toy policy, record and advisories are those
/// of the home that it made. The parent has to be that process.
pub const TRIAL: &str = "TIDEWAITER_TRIAL";

/// Set for the tool: the variables that were changed for it, as JSON (`{"NAME": "value before" | null}`). It can only
/// set variables, which whoever could forge it can do without.
pub const BEFORE: &str = "TIDEWAITER_BEFORE";

/// The marks for a tool whose variables get these changes, on top of what `variables` were.
pub fn marks<'c>(
    variables: &BTreeMap<String, String>,
    changed: impl IntoIterator<Item = &'c str>,
) -> [(OsString, OsString); 2] {
    let before = changed.into_iter().map(|name| (name.to_owned(), variables.get(name).cloned().into()));
    let before: serde_json::Map<String, serde_json::Value> = before.collect();
    [
        (STARTED.into(), std::process::id().to_string().into()),
        (BEFORE.into(), serde_json::Value::Object(before).to_string().into()),
    ]
}

/// Whether this process is the very one that a gate started. A tool whose script begins with `#!/usr/bin/env python3`,
/// or a version manager that looks for its tool on PATH, comes back to a shim by `exec`, and was judged already. The
/// parent must be a running gate and the mark must name it, which no process of the tool can arrange: their parent is
/// the tool.
pub fn is_started_by_gate(mark: Option<&OsStr>, own: &Own) -> bool {
    let said = mark.and_then(OsStr::to_str).and_then(|id| id.parse::<u32>().ok());
    said.is_some_and(|id| is_parent(id, own))
}

/// Whether the parent is a process of this very program, with this number. Another build of it, one that was replaced
/// while it ran, or any program of its name is none: what it started is judged again.
#[cfg(target_os = "linux")]
pub fn is_parent(id: u32, own: &Own) -> bool {
    std::os::unix::process::parent_id() == id && own.runs(std::path::Path::new(&format!("/proc/{id}/exe")))
}

/// Without a way to see what the parent is, everything is judged again.
#[cfg(not(target_os = "linux"))]
pub fn is_parent(_: u32, _: &Own) -> bool {
    false
}

/// Puts the variables back as they were before a gate changed them for the tool that started this process.
pub fn restore(variables: &mut BTreeMap<String, String>) {
    variables.remove(STARTED);
    let Some(text) = variables.remove(BEFORE) else { return };
    let Ok(serde_json::Value::Object(before)) = serde_json::from_str(&text) else { return };
    for (name, value) in before {
        match value {
            serde_json::Value::String(value) => variables.insert(name, value),
            _ => variables.remove(&name),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;

    use super::{BEFORE, STARTED, is_started_by_gate, marks, restore};
    use crate::toolchain::own::Own;

    fn variables(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn variables_come_back_as_they_were() {
        let original = variables(&[("A", "mine"), ("C", "kept")]);
        let mut inside = variables(&[("A", "gate"), ("B", "gate"), ("C", "kept")]);
        for (name, value) in marks(&original, ["A", "B"]) {
            inside.insert(name.into_string().unwrap_or_default(), value.into_string().unwrap_or_default());
        }
        restore(&mut inside);
        assert_eq!(inside, original);
    }

    #[test]
    fn a_forged_mark_changes_variables_at_most() {
        for broken in ["", "[]", "{", "7", "\u{0}"] {
            let mut inside = variables(&[("A", "gate"), (BEFORE, broken), (STARTED, "1")]);
            restore(&mut inside);
            assert_eq!(inside, variables(&[("A", "gate")]), "{broken:?}");
        }
        let own = Own::detect();
        let me = std::process::id().to_string();
        for forged in ["", "0", "1", "x", me.as_str(), "99999999999"] {
            assert!(!is_started_by_gate(Some(OsStr::new(forged)), &own), "{forged}");
        }
        assert!(!is_started_by_gate(None, &own));
    }
}
