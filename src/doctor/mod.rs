//! Is interception live? What a user's own commands hit, tried with canaries, and what stays uncovered.
//!
//! In: the links, PATH, the environment. Out: plain values; nothing is printed here, and nothing of the user's is
//! written.

pub mod canary;
pub mod registry;

/// Ways to a tool that no link on PATH can see, a sentence each.
pub const UNCOVERED: &[&str] = &[
    "a tool called by its path: `venv/bin/pip`, `/usr/bin/npm`, `node …/npm-cli.js`, `$npm_execpath`",
    "an environment or version manager that is put before the links later (`source venv/bin/activate`), or a shell's \
     own alias, function or remembered path (`hash -r` forgets it)",
    "a command with another PATH: `env -i pip`, `sudo pip` (its secure_path), cron, an editor's own terminal",
    "code that installs by itself: `python -c`, `ensurepip`, a script that downloads (`curl … | sh`)",
    "elsewhere than on Linux, variables that give this gate another home (`HOME=…`, `XDG_DATA_HOME=…`): the user's \
     policy and advisories are then not found; the managed policy and the built-in incidents are",
];

/// How the ways of [`UNCOVERED`] are covered where they are.
pub const ELSEWHERE: &str =
    "an agent host's hook (`tidewaiter hook`) and `tidewaiter run -- CMD` read the command itself, and judge or ask";
