//! Whether a person is at the keyboard. In: variables, the processes above this one, the one that opened its terminal.
//! Out: the agent host that is there.
//!
//! An approval is a person's. A terminal alone proves none: an agent can open one. The hosts say in the environment
//! that they run a command; where they do not, they are found among the parents; and where a command was taken away
//! from its parents, the program that opened its terminal is no terminal emulator. docs/THREATS.md says what is left.

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

/// Programs that open a terminal for another and type on it for whoever wrote their script.
const TYPISTS: &[&str] = &["expect", "autoexpect", "unbuffer", "socat", "sshpass", "empty", "tclsh"];
/// Interpreters that do, by the beginning of their name. Node is not among them: editors' terminals are opened by it.
const INTERPRETERS: &[&str] = &["python", "pypy", "perl", "ruby", "php", "lua", "tclsh"];

/// Where the person sits who answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seat {
    /// The terminal: `/dev/pts/3`.
    pub terminal: Option<String>,
    /// The processes above this one by name, the nearest first.
    pub above: Vec<String>,
}

/// What says that an agent runs this process, for people: `the variable CLAUDECODE`; `None` when nothing does.
///
/// A variable that is set and empty says it as well: whoever emptied it hides something. A process that was detached has
/// no parents to look at, so the one that opened the terminal is looked at too: it types what is read here.
pub fn host(variables: &BTreeMap<String, String>) -> Option<String> {
    let by_variable = variables.keys().map(String::as_str).find(|name| is_agents(name));
    by_variable.map(|name| format!("the variable {name}")).or_else(around)
}

/// Whether a host sets this variable for its commands.
fn is_agents(name: &str) -> bool {
    VARIABLES.contains(&name) || PREFIXES.iter().any(|(prefix, not)| name.starts_with(prefix) && !not.contains(&name))
}

#[cfg(target_os = "linux")]
use linux::around;
#[cfg(target_os = "linux")]
pub use linux::seat;

#[cfg(not(target_os = "linux"))]
fn around() -> Option<String> {
    None
}

/// Where the person sits, as far as this system tells.
#[cfg(not(target_os = "linux"))]
pub fn seat() -> Seat {
    Seat::default()
}

/// As `/proc` has it (`proc(5)`).
#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use super::{INTERPRETERS, PROGRAMS, Seat, TYPISTS, is_agents};

    /// So many parents, and terminals within terminals, are looked at.
    const DEEPEST: usize = 64;
    const TERMINALS: usize = 4;
    /// The major numbers of the terminals that a program opens for others, by devices.txt.
    const PTY: std::ops::RangeInclusive<u32> = 136..=143;
    /// `/dev/tty`: the controlling terminal, whichever that is.
    const OWN: (u32, u32) = (5, 0);

    /// A process.
    struct Process {
        id: u32,
        name: String,
        parent: u32,
        /// Major and minor number of its controlling terminal.
        terminal: Option<(u32, u32)>,
    }

    impl Process {
        /// `ID (NAME) STATE PARENT GROUP SESSION TERMINAL …`; the name may hold spaces and parentheses.
        fn of(id: u32) -> Option<Self> {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (head, tail) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            let mut fields = tail.split_whitespace().skip(1);
            let parent = fields.next()?.parse().ok()?;
            let terminal = fields.nth(2)?.parse::<i32>().ok()?.cast_unsigned();
            let numbers = ((terminal >> 8) & 0xfff, (terminal & 0xff) | ((terminal >> 12) & 0xf_ff00));
            Some(Self { id, name, parent, terminal: (terminal != 0).then_some(numbers) })
        }

        /// What says that it is an agent's: its name, or a variable that it was started with.
        fn agents(&self) -> Option<String> {
            if PROGRAMS.contains(&self.name.as_str()) {
                return Some(self.name.clone());
            }
            // Another user's cannot be read, and is no agent of this one's.
            let variables = std::fs::read(format!("/proc/{}/environ", self.id)).ok()?;
            let names = variables.split(|b| *b == 0).filter_map(|v| v.split(|b| *b == b'=').next());
            let found = names.filter_map(|name| std::str::from_utf8(name).ok()).find(|name| is_agents(name))?;
            Some(format!("{} with the variable {found}", self.name))
        }
    }

    fn own() -> Option<Process> {
        Process::of(std::process::id())
    }

    /// The processes above one, the nearest first.
    fn above(process: &Process) -> impl Iterator<Item = Process> + use<> {
        let parent = |p: &Process| (p.parent > 0).then(|| Process::of(p.parent)).flatten();
        std::iter::successors(parent(process), parent).take(DEEPEST)
    }

    /// Where the person sits.
    pub fn seat() -> Seat {
        let terminal = std::fs::read_link("/proc/self/fd/0").ok().map(|p| p.display().to_string());
        let above = own().iter().flat_map(above).map(|p| p.name).collect();
        Seat { terminal: terminal.filter(|_| device(Path::new("/proc/self/fd/0")).is_some()), above }
    }

    pub(super) fn around() -> Option<String> {
        let Some(own) = own() else { return Some("a system that hides the processes above this one".to_owned()) };
        let found = above(&own).find_map(|p| p.agents());
        found.map(|agent| format!("the process {agent} above it")).or_else(|| typed(&own, 0))
    }

    /// Who types on the terminal that a process reads, where that is no person.
    fn typed(process: &Process, depth: usize) -> Option<String> {
        let input = format!("/proc/{}/fd/0", process.id);
        let read = device(Path::new(&input))?;
        let terminal = match process.terminal {
            // Another's terminal could be read so, and what is typed there is no answer to this.
            Some(own) if read != own && read != OWN => return Some("a terminal that is not its session's".to_owned()),
            Some(own) => own,
            None if std::fs::File::open("/dev/tty").is_err() => {
                return Some("a terminal that is not its session's".to_owned());
            }
            None => read,
        };
        let makers = makers(terminal, Path::new(&input));
        makers.iter().find_map(|maker| {
            let who = |what: &str| Some(format!("the process {what}, which opened this terminal,"));
            let name = maker.name.as_str();
            if let Some(agent) = maker.agents().or_else(|| above(maker).find_map(|p| p.agents())) {
                return who(&agent);
            }
            // A person may keep a log of a session: then what `script` hands on is typed on another terminal.
            let logs = matches!(name, "script" | "scriptlive") && depth < TERMINALS && {
                let input = device(Path::new(&format!("/proc/{}/fd/0", maker.id)));
                input.is_some() && input == maker.terminal
            };
            if logs {
                return typed(maker, depth + 1);
            }
            let types = matches!(name, "script" | "scriptlive")
                || TYPISTS.contains(&name)
                || INTERPRETERS.iter().any(|i| name.starts_with(i));
            if types { who(name) } else { None }
        })
    }

    /// A terminal's numbers.
    fn device(path: &Path) -> Option<(u32, u32)> {
        use std::os::unix::fs::FileTypeExt as _;
        let metadata = std::fs::metadata(path).ok().filter(|m| m.file_type().is_char_device())?;
        Some((rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev())))
    }

    /// The processes that have the other end of a terminal. Those of another user, such as `sshd`, cannot be seen.
    fn makers(terminal: (u32, u32), input: &Path) -> Vec<Process> {
        let (major, minor) = terminal;
        if !PTY.contains(&major) {
            return Vec::new();
        }
        let index = ((major - PTY.start()) << 20) + minor;
        let instance = std::fs::metadata(input).map(|m| m.dev()).ok();
        let holds = |id: &u32| {
            let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().filter_map(Result::ok);
            descriptors.map(|d| d.path()).any(|path| {
                let Ok(target) = std::fs::read_link(&path) else { return false };
                if !target.ends_with("ptmx") {
                    return false;
                }
                // Each instance of devpts counts its own terminals: another container's has the same number.
                let same = !target.ends_with("pts/ptmx") || std::fs::metadata(&path).map(|m| m.dev()).ok() == instance;
                let number = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let info = std::fs::read_to_string(format!("/proc/{id}/fdinfo/{number}")).unwrap_or_default();
                let told = info.lines().find_map(|line| line.strip_prefix("tty-index:"));
                same && told.and_then(|told| told.trim().parse().ok()) == Some(index)
            })
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let ids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(holds).filter_map(Process::of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFIXES, VARIABLES};

    #[test]
    fn what_hosts_set_is_seen_and_what_people_set_is_not() {
        let said = |name: &str, value: &str| super::host(&[(name.to_owned(), value.to_owned())].into());
        for name in ["CLAUDECODE", "CODEX_SANDBOX", "CURSOR_TRACE_ID", "GEMINI_CLI", "OPENCODE"] {
            for value in ["1", ""] {
                assert_eq!(said(name, value), Some(format!("the variable {name}")));
            }
        }
        // The tests themselves may run below an agent: only what a variable says is looked at.
        for name in ["CODEX_HOME", "HOME", "CLAUDE_CODE_USE_BEDROCK", "AGENTS"] {
            assert_ne!(said(name, "1"), Some(format!("the variable {name}")), "{name}");
        }
        assert!(VARIABLES.len() + PREFIXES.len() > 10);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_processes_above_are_named() {
        assert!(!super::seat().above.is_empty(), "{:?}", super::seat());
    }
}
