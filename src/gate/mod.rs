//! What belongs to this gate itself: its own files, and the agent hosts' configuration that calls it.
//!
//! In: the environment. Out: paths. Nothing here looks whether they are there, beside the links' own targets.

pub mod conduct;
pub mod launch;
pub mod operation;
pub mod remotes;
pub mod settings;

use std::path::{Path, PathBuf};

use crate::model::Environment;
use crate::policy;
use crate::toolchain::own;

/// An agent host with a hook protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the host of that name")]
pub enum Host {
    ClaudeCode,
    Codex,
    Cursor,
    Copilot,
    Gemini,
    Windsurf,
    Cline,
    Opencode,
}

impl Host {
    /// Every host.
    pub const ALL: [Self; 8] = [
        Self::ClaudeCode,
        Self::Codex,
        Self::Cursor,
        Self::Copilot,
        Self::Gemini,
        Self::Windsurf,
        Self::Cline,
        Self::Opencode,
    ];

    /// As it is written on the command line: `claude-code`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Copilot => "copilot",
            Self::Gemini => "gemini",
            Self::Windsurf => "windsurf",
            Self::Cline => "cline",
            Self::Opencode => "opencode",
        }
    }

    /// As its makers write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Cursor => "Cursor",
            Self::Copilot => "GitHub Copilot",
            Self::Gemini => "Gemini CLI",
            Self::Windsurf => "Windsurf",
            Self::Cline => "Cline",
            Self::Opencode => "opencode",
        }
    }

    /// Reads [`Host::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.name() == name)
    }

    /// The file of the user's home directory that calls this program.
    pub const fn user_file(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".claude/settings.json",
            Self::Codex => ".codex/hooks.json",
            Self::Cursor => ".cursor/hooks.json",
            Self::Copilot => ".copilot/hooks/tidewaiter.json",
            Self::Gemini => ".gemini/settings.json",
            Self::Windsurf => ".codeium/windsurf/hooks.json",
            Self::Cline => ".cline/hooks/PreToolUse",
            Self::Opencode => ".config/opencode/plugins/tidewaiter.js",
        }
    }

    /// The file of a project that calls this program.
    pub const fn project_file(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".claude/settings.json",
            Self::Codex => ".codex/hooks.json",
            Self::Cursor => ".cursor/hooks.json",
            Self::Copilot => ".github/hooks/tidewaiter.json",
            Self::Gemini => ".gemini/settings.json",
            Self::Windsurf => ".windsurf/hooks.json",
            Self::Cline => ".clinerules/hooks/PreToolUse",
            Self::Opencode => ".opencode/plugins/tidewaiter.js",
        }
    }
}

/// What a protected path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belonging {
    /// A directory with the policy of the user or the machine.
    Policy,
    /// A project's policy, which can only tighten.
    ProjectPolicy,
    /// The directory of links, the record, the approvals, the advisories.
    Data,
    /// The program itself, and what would be started in its place.
    Program,
    /// What registries were heard to say.
    Cache,
    /// A host's configuration that may call this program.
    Hook(Host),
}

impl Belonging {
    /// For people: `the policy`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Policy => "this gate's policy",
            Self::ProjectPolicy => "the project's policy",
            Self::Data => "this gate's links, record and advisories",
            Self::Program => "this gate's program",
            Self::Cache => "what this gate heard from registries",
            Self::Hook(_) => "the configuration that calls this gate",
        }
    }
}

/// A file or directory of the gate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Absolute.
    pub path: PathBuf,
    /// What it is.
    pub what: Belonging,
}

/// Files of hosts beside [`Host::user_file`] in which hooks can be switched off.
pub const SWITCHES: &[(&str, Host)] = &[
    (".claude/settings.local.json", Host::ClaudeCode),
    (".codex/config.toml", Host::Codex),
    (".copilot/settings.json", Host::Copilot),
    (".github/copilot/settings.json", Host::Copilot),
    (".github/copilot/settings.local.json", Host::Copilot),
    (".cline/hooks/PreToolUse", Host::Cline),
    ("Documents/Cline/Hooks/PreToolUse", Host::Cline),
];

/// The gate's own files and directories as this environment has them.
pub fn protected(environment: &Environment) -> Vec<Protected> {
    let mut out = Vec::new();
    let mut add = |path: Option<PathBuf>, what| out.extend(path.map(|path| Protected { path, what }));
    let parent = |path: PathBuf| path.parent().map(Path::to_owned);
    let home = environment.home.as_deref();
    add(parent(policy::managed_path(environment)), Belonging::Policy);
    add(policy::user_path(environment).and_then(parent), Belonging::Policy);
    add(home.map(|h| h.join(".config/tidewaiter")), Belonging::Policy);
    let base = |variable: &str, default: &str| {
        let set = environment.variable(variable).map(PathBuf::from).filter(|p| p.is_absolute());
        set.or_else(|| home.map(|h| h.join(default))).map(|d| d.join("tidewaiter"))
    };
    let windows = environment.os == "windows";
    add(base("XDG_DATA_HOME", if windows { "AppData/Roaming" } else { ".local/share" }), Belonging::Data);
    let links = base("XDG_DATA_HOME", ".local/share").map(|data| data.join("shims"));
    for path in own::places(environment, links.as_deref()) {
        add(Some(path), Belonging::Program);
    }
    add(base("XDG_CACHE_HOME", if windows { "AppData/Local" } else { ".cache" }), Belonging::Cache);
    for host in Host::ALL {
        add(home.map(|h| h.join(host.user_file())), Belonging::Hook(host));
    }
    for (file, host) in SWITCHES {
        add(home.map(|h| h.join(file)), Belonging::Hook(*host));
    }
    for directory in environment.cwd.ancestors().take(12) {
        add(Some(directory.join("tidewaiter.toml")), Belonging::ProjectPolicy);
        for host in Host::ALL {
            add(Some(directory.join(host.project_file())), Belonging::Hook(host));
        }
        for (file, host) in SWITCHES {
            add(Some(directory.join(file)), Belonging::Hook(*host));
        }
    }
    out
}

/// How often a host's configuration calls this program.
pub fn calls(text: &str) -> usize {
    text.match_indices("tidewaiter").filter(|(at, _)| calls_at(text, *at)).count()
}

/// `tidewaiter hook`, `tidewaiter" hook`, `tidewaiter", ["hook"`: the words that follow, quotation aside.
fn calls_at(text: &str, at: usize) -> bool {
    let rest = text.get(at + "tidewaiter".len()..).unwrap_or_default();
    let rest = rest.strip_prefix(".exe").unwrap_or(rest);
    let bare: String =
        rest.chars().take(24).filter(|c| !matches!(c, '"' | '\'' | '\\' | ',' | '[' | '(' | ' ')).collect();
    bare.starts_with("hook")
}

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn a_call_is_known_however_it_is_quoted() {
        for (text, times) in [
            (r#""command": "/usr/bin/tidewaiter hook claude-code""#, 1),
            (r#""command": "\"/usr/bin/tidewaiter\" hook claude-code""#, 1),
            (r#"spawnSync("/usr/bin/tidewaiter", ["hook", "opencode"])"#, 1),
            ("exec '/x/tidewaiter.exe' hook cline", 1),
            ("# tidewaiter is not called here", 0),
            ("", 0),
        ] {
            assert_eq!(calls(text), times, "{text}");
        }
    }
}
