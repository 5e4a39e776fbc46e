//! What an installer's processes may touch: a [`Profile`] in, a command that restricts itself to it out.
//!
//! ```text
//! confined      the seam to the rest of enforce: a step in, a contained step out
//! environment   which variables a contained process keeps
//! places        credentials to hide, start-up files to keep
//! nested        an install inside an install
//! linux/        Landlock, seccomp and namespaces; nothing yet elsewhere, which is said and left to policy
//! ```
//!
//! The program runs itself as `tidewaiter __contain -- PROGRAM …` with the profile in a variable; that process restricts
//! itself, for good and for all it starts, and becomes PROGRAM ([`run_contained`]).

mod confined;
pub mod environment;
#[cfg(target_os = "linux")]
mod linux;
pub mod nested;
pub mod places;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

use crate::model::{Environment, printable};
use crate::policy;
use crate::toolchain::account;

pub use confined::{Confined, look_ahead, objection};
#[cfg(target_os = "linux")]
pub use linux::{Handoff, bridge};

/// The hidden subcommand.
pub const VERB: &str = "__contain";

/// Whose code runs. Order: what the earlier one loses, the later one loses too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// The package tool's own: it keeps its configuration and its registry's tokens.
    Installer,
    /// Packages': lifecycle scripts and builds.
    Script,
}

/// What a contained process may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// Nothing.
    Nothing,
    /// 127.0.0.1 at one port, by TCP.
    Gateway {
        /// Which.
        port: u16,
    },
    /// Anything, by TCP and UDP.
    Open,
}

/// What a process and everything that it starts may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose code it is.
    pub level: Level,
    /// What it may connect to.
    pub reach: Reach,
    /// Where it may write, with all below. What is not there is made as a directory: a file has to be there already,
    /// and is better named by its directory, for tools replace files.
    #[serde(with = "paths")]
    pub write: Vec<PathBuf>,
    /// What it cannot read.
    #[serde(with = "paths")]
    pub hidden: Vec<PathBuf>,
    /// What it cannot write, though it lie in `write`.
    #[serde(with = "paths")]
    pub kept: Vec<PathBuf>,
    /// Like `hidden`, in the project: where the project is written, this needs a mount namespace.
    #[serde(with = "paths")]
    pub project_hidden: Vec<PathBuf>,
    /// Like `kept`, in the project: needs a mount namespace.
    #[serde(with = "paths")]
    pub project_kept: Vec<PathBuf>,
    /// Its private temporary directory (`TMPDIR`), made and removed by whoever runs it.
    #[serde(with = "path")]
    pub temporary: Option<PathBuf>,
    /// Whether it gets namespaces of its own. Then it cannot be without: if they cannot be made, nothing is run.
    pub namespaces: bool,
    /// Where it hands over the socket that it listens on at the gateway's port, when it has a network of its own.
    #[serde(with = "path")]
    pub handoff: Option<PathBuf>,
    /// The process that has to be its parent, by number: it does not outlive it.
    pub gate: Option<u32>,
}

/// What a profile is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the command was started in.
    pub environment: &'a Environment,
    /// The project's directory.
    pub project: &'a Path,
    /// What the tool has to write: the target environment and its own caches.
    pub write: &'a [PathBuf],
    /// What it has to reach.
    pub reach: Reach,
    /// What the policy says.
    pub policy: &'a policy::Sandbox,
}

impl Profile {
    /// Nothing may be written or reached.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only the trial on Linux starts from it"))]
    pub(crate) const fn empty() -> Self {
        Self {
            level: Level::Script,
            reach: Reach::Nothing,
            write: Vec::new(),
            hidden: Vec::new(),
            kept: Vec::new(),
            project_hidden: Vec::new(),
            project_kept: Vec::new(),
            temporary: None,
            namespaces: false,
            handoff: None,
            gate: None,
        }
    }

    /// For the package tool itself.
    pub fn installer(facts: &Facts<'_>) -> Self {
        Self::of(Level::Installer, facts)
    }

    /// For lifecycle scripts and builds: the code of packages.
    pub fn script(facts: &Facts<'_>) -> Self {
        Self::of(Level::Script, facts)
    }

    fn of(level: Level, facts: &Facts<'_>) -> Self {
        let Facts { environment, project, policy, .. } = *facts;
        let mut write: Vec<PathBuf> = facts.write.iter().map(|path| environment.absolute(path)).collect();
        let of_policy = |path: &String| place(path, environment, project);
        // Credentials and the gate's own files are opened by the user alone, who stands there or says so in the policy: a
        // project's file can name a place too (`build.target-dir`).
        let mut chosen: Vec<PathBuf> = policy.write.value.iter().filter_map(of_policy).collect();
        write.extend(chosen.iter().cloned());
        chosen.push(project.to_owned());
        write.sort();
        write.dedup();
        let mut hidden = places::hidden(level, environment);
        let mut kept = places::kept(environment);
        // `HOME=/elsewhere` moves nothing of what the account has.
        if let Some(home) = account::home().filter(|home| Some(home) != environment.home.as_ref()) {
            let account = Environment { home: Some(home), ..environment.clone() };
            hidden.extend(places::hidden(level, &account));
            kept.extend(places::kept(&account));
        }
        hidden.extend(policy.read_deny.value.iter().filter_map(of_policy));
        let within = |all: &[PathBuf], path: &Path| all.iter().any(|place| place.starts_with(path));
        hidden.retain(|path| !within(&chosen, path));
        // What else is named to be written is written, also where it usually is not.
        kept.retain(|path| !within(if places::is_ours(path) { &chosen } else { &write }, path));
        let shut = |path: &PathBuf| {
            hidden.iter().chain(kept.iter().filter(|p| places::is_ours(p))).any(|p| path.starts_with(p))
        };
        write.retain(|path| !shut(path));
        let free = |paths: Vec<PathBuf>| paths.into_iter().filter(|path| !within(&write, path)).collect();
        let reach = match policy.network.value {
            policy::Network::Open => Reach::Open,
            policy::Network::Gateway => facts.reach,
        };
        Self {
            level,
            reach,
            hidden,
            kept,
            project_hidden: free(places::hidden_in_project(level, project)),
            project_kept: free(places::kept_in_project(project)),
            write,
            temporary: None,
            namespaces: availability().namespaces.is_ok(),
            handoff: None,
            gate: Some(std::process::id()),
        }
    }

    /// What it does, a sentence each, and what is missing on this machine.
    pub fn describe(&self) -> Vec<String> {
        self.describe_on(availability())
    }

    fn describe_on(&self, available: &Availability) -> Vec<String> {
        if !available.works() {
            return available.words();
        }
        let mut out = Vec::new();
        out.push(match (self.reach, self.namespaces, available.landlock_abi >= 4) {
            (Reach::Open, ..) => "network: open, as the policy says; no raw sockets".to_owned(),
            (Reach::Nothing, ..) => "network: nothing".to_owned(),
            (Reach::Gateway { port }, true, _) => {
                format!("network: a namespace of its own, in it the gateway at 127.0.0.1:{port}")
            }
            (Reach::Gateway { port }, false, true) => {
                format!("network: TCP to port {port} alone; another host at that port would be reached too")
            }
            (Reach::Gateway { .. }, false, false) => {
                "network: TCP to any host (Landlock ABI 4, Linux 6.7, or user namespaces would limit it); no UDP"
                    .to_owned()
            }
        });
        let list: Vec<String> = self.write.iter().map(|p| p.display().to_string()).collect();
        out.push(format!("writes: {}", printable(&list.join(", "), 600)));
        let whose = match self.level {
            Level::Installer => "the tool's own configuration apart, no credentials",
            Level::Script => "no credentials, the tool's own among them",
        };
        out.push(format!("reads: {whose} ({} places)", self.hidden.len()));
        out.push(match self.namespaces {
            true => "processes: its own alone; none outlives the run".to_owned(),
            false if available.landlock_abi >= 6 => "processes: no tracing of and no signals to others".to_owned(),
            false => "processes: no tracing of others; signals to the user's own processes get through".to_owned(),
        });
        if !self.namespaces {
            let why = available.namespaces.as_ref().err().map_or("not asked for", String::as_str);
            out.push(format!(
                "missing: namespaces ({}); so `.git`, editor and agent settings in a written project can be written, \
                 and a detached process may stay when this program is killed",
                printable(why, 200)
            ));
        }
        out
    }

    /// What to say after a contained process failed with the tool's own words.
    pub fn hint(&self) -> String {
        let list: Vec<String> = self.write.iter().map(|p| p.display().to_string()).collect();
        let network = match self.reach {
            Reach::Open => "reaches the network as it is",
            Reach::Gateway { .. } => "reaches nothing but the gateway",
            Reach::Nothing => "reaches no network",
        };
        format!(
            "the sandbox allows writes only in {} and {network}; where \"Permission denied\", \"Operation not \
             permitted\" or \"Read-only file system\" stands above, this line of your policy would allow more: \
             [sandbox] write = [\".\", \"PATH\"]",
            printable(&list.join(", "), 400)
        )
    }

    /// Which variables of `environment` the process does not get, by name.
    pub fn scrubbed(&self, environment: &Environment) -> Vec<String> {
        let scrubber = environment::Scrubber::new(self.level);
        let gone = environment.variables.iter().filter(|(name, value)| !scrubber.keeps(name.as_ref(), value.as_ref()));
        gone.map(|(name, _)| name.clone()).collect()
    }
}

/// A path of the policy: `~` is the home directory, and a relative one is the project's.
fn place(path: &str, environment: &Environment, project: &Path) -> Option<PathBuf> {
    let path = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            environment.home.as_ref()?.join(rest.trim_start_matches('/'))
        }
        _ => project.join(path),
    };
    Some(environment.absolute(&path))
}

/// What this machine has to confine processes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// The version of Landlock's interface, as far as it is used; 0: none. 2 is the least that helps, 4 limits TCP, 6
    /// limits signals.
    pub landlock_abi: u8,
    /// Whether system calls can be filtered.
    pub seccomp: bool,
    /// Whether namespaces can be made, or why not.
    pub namespaces: Result<(), String>,
}

impl Availability {
    /// Whether processes can be contained at all. If not, the policy's `[sandbox] on-unavailable` decides.
    pub fn works(&self) -> bool {
        self.landlock_abi >= 2 && self.seccomp
    }

    /// What is there and what is not, a sentence each.
    pub fn words(&self) -> Vec<String> {
        if !cfg!(target_os = "linux") {
            let system = match std::env::consts::OS {
                "macos" => "macOS",
                "windows" => "Windows",
                other => other,
            };
            return vec![format!("the sandbox is not available on {system}: what runs may do whatever the user may")];
        }
        let mut out = Vec::new();
        match self.landlock_abi {
            0 => out.push("the sandbox needs Landlock, which this kernel does not have or has switched off".to_owned()),
            1 => out.push("the sandbox needs Landlock ABI 2 (Linux 5.19); this kernel has 1".to_owned()),
            abi @ 2..4 => out.push(format!("Landlock ABI {abi}: files, but not TCP ports (Linux 6.7)")),
            abi @ 4..6 => out.push(format!("Landlock ABI {abi}: files and TCP ports, but not signals (Linux 6.12)")),
            _ => out.push("Landlock: files, TCP ports and signals".to_owned()),
        }
        if !self.seccomp {
            out.push("the sandbox needs seccomp, which this kernel does not have".to_owned());
        }
        match &self.namespaces {
            Ok(()) => out.push("namespaces: network, processes and mounts of its own".to_owned()),
            Err(why) => out.push(format!("no namespaces: {}", printable(why, 200))),
        }
        out
    }
}

/// What this machine has; looked at once.
#[cfg(target_os = "linux")]
pub fn availability() -> &'static Availability {
    linux::availability()
}

/// The same with another program to try it with: for tests, whose own is not this one.
#[cfg(target_os = "linux")]
pub fn availability_with(engine: &Path) -> Availability {
    linux::look(engine)
}

/// Nothing yet.
#[cfg(not(target_os = "linux"))]
pub fn availability() -> &'static Availability {
    static NONE: std::sync::LazyLock<Availability> = std::sync::LazyLock::new(|| Availability {
        landlock_abi: 0,
        seccomp: false,
        namespaces: Err("this system has none".to_owned()),
    });
    &NONE
}

/// The same with another program to try it with.
#[cfg(not(target_os = "linux"))]
pub fn availability_with(_engine: &Path) -> Availability {
    availability().clone()
}

/// This program, also when its file was replaced meanwhile.
pub fn engine() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "tidewaiter".into()) }
}

/// The words after the engine's own name that make it run `program` contained.
pub fn arguments(program: &Path, arguments: &[OsString]) -> Vec<OsString> {
    let mut out: Vec<OsString> = vec![VERB.into(), "--".into(), program.into()];
    out.extend_from_slice(arguments);
    out
}

/// The variable that goes with [`arguments`].
pub fn variable(profile: &Profile) -> (&'static str, String) {
    // The paths are percent-encoded and the rest are numbers and names, so nothing in it can fail to be written.
    (environment::PROFILE, serde_json::to_string(profile).unwrap_or_default())
}

/// A command that runs `program` within `profile`, to be started by a thread that stays until it ends.
pub fn command(
    profile: &Profile,
    program: &Path,
    arguments: &[OsString],
    environment: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
) -> Command {
    let mut command = Command::new(engine());
    command.args(self::arguments(program, arguments)).env_clear().envs(environment);
    let (name, value) = variable(profile);
    command.env(name, value);
    command
}

/// Runs the hidden subcommand if that is what this process was started for.
pub fn run_contained(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if arguments.nth(1).is_none_or(|verb| verb != VERB) {
        return None;
    }
    #[cfg(target_os = "linux")]
    return Some(linux::main(arguments));
    #[cfg(not(target_os = "linux"))]
    {
        say(&availability().words().join("; "));
        Some(ExitCode::from(125))
    }
}

/// A line on stderr.
fn say(line: &str) {
    use std::io::Write as _;
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A path as text that keeps its bytes.
pub(super) fn encode(path: &Path) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
    const SPECIAL: &AsciiSet = &CONTROLS.add(b'%');
    percent_encode(path.as_os_str().as_encoded_bytes(), SPECIAL).to_string()
}

/// [`encode`] undone.
pub(super) fn decode(text: &str) -> PathBuf {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        PathBuf::from(OsString::from_vec(bytes))
    }
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// Paths on the wire.
mod paths {
    use super::{PathBuf, decode, encode};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| encode(path)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| decode(text)).collect())
    }
}

/// One path, or none, on the wire.
mod path {
    use super::{PathBuf, decode, encode};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(encode).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(|text| decode(&text)))
    }
}
