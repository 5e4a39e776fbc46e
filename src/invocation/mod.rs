//! argv → [`Invocation`]: what a package command asks for, read by tables and never guessed.
//!
//! [`parse`] is total. A word that is not understood becomes [`Opaque`] with its place, and a command
//! that installs nothing has [`Effect::Nothing`]. Nothing here touches a file, the network or the clock.

mod beside;
mod bun;
mod cargo;
mod code;
mod corepack;
pub(crate) mod engine;
mod follow;
mod grammar;
mod npm;
mod pdm;
mod pip;
mod pipenv;
mod pipx;
mod pnpm;
mod poetry;
mod python;
mod reading;
mod script;
mod unread;
mod uv;
mod variables;
pub mod verify;
pub(crate) mod wrappers;
mod yarn;

use std::sync::Arc;

use crate::model::{Ecosystem, Environment, Files, Location};
use crate::shell::Parsed;

pub use pnpm::brings_in as pnpm_brings_in;
pub use variables::{VariableEffect, effect_of};

/// Understands a command line. Never empty: a wrapper such as `sh -c 'a && b'` holds several commands, and a command
/// that is no package command is one [`Invocation::other`].
///
/// Of `environment`, only variables that act as options of the tool are read (`PIP_INDEX_URL`, `npm_config_registry`):
/// they become flags whose location is the variable. Cargo's built-in aliases are known, and no others.
pub fn parse(argv: &[String], environment: &Environment) -> Vec<Invocation> {
    parse_with_aliases(argv, environment, &|_| None)
}

/// A word of a cargo command line that may be an alias, and what decides where aliases are looked for.
#[derive(Debug, Clone)]
pub struct AliasQuery<'a> {
    /// The word.
    pub name: &'a str,
    /// The directory of the command, when it is another than the caller's.
    pub directory: Option<&'a str>,
    /// Variables that the command sets.
    pub variables: Vec<(String, String)>,
    /// Values of `--config`.
    pub config: Vec<(String, Location)>,
}

/// The words that an alias of cargo's configuration stands for.
pub type Aliases<'a> = dyn Fn(&AliasQuery<'_>) -> Option<Vec<String>> + 'a;

/// [`parse`], with the aliases that cargo's configuration files define: a name to the words it stands for.
pub fn parse_with_aliases(argv: &[String], environment: &Environment, aliases: &Aliases<'_>) -> Vec<Invocation> {
    reading::parse(argv, environment, aliases, None, None)
}

/// [`parse_with_aliases`] for a command that is about to run: a word that means one thing or another by what the project
/// holds is looked up there: whether what `bun x` names is a script or a file, whose program `pnpm` is. Nothing is followed.
pub fn parse_beside(
    argv: &[String],
    environment: &Environment,
    aliases: &Aliases<'_>,
    files: &dyn Files,
) -> Vec<Invocation> {
    reading::parse(argv, environment, aliases, None, Some(files))
}

/// Understands a command line's text as a shell would read it, as the argument vector `sh -c TEXT`. Never empty.
pub fn parse_shell(text: &str, environment: &Environment, aliases: &Aliases<'_>) -> Vec<Invocation> {
    reading::parse_shell(text, environment, aliases, None)
}

/// A command and what it runs in turn: scripts, targets and recipes of the project's own files.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// As [`parse_with_aliases`] has them, with those that were found in files. Their locations are places in these.
    pub invocations: Vec<Invocation>,
    /// The shell texts in which they were found.
    pub texts: Vec<FollowedText>,
}

/// Shell text that a command runs from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedText {
    /// The text.
    pub text: String,
    /// Where it would run, relative to the caller's directory; `None`: there.
    pub directory: Option<String>,
    /// Where it stands.
    pub location: Location,
}

/// [`parse_with_aliases`], followed into the files that the command would run: shell scripts, scripts of package.json,
/// targets of a makefile, recipes of a justfile, environments of tox and nox. What of these is dynamic, and could
/// install something, is [`Opaque`] at its line.
pub fn follow(argv: &[String], environment: &Environment, aliases: &Aliases<'_>, files: &dyn Files) -> Followed {
    let follow = follow::Follow::new(environment, files);
    let invocations = reading::parse(argv, environment, aliases, Some(&follow), Some(files));
    Followed { invocations, texts: follow.texts() }
}

/// The words of a text that is one simple command in which a shell would change nothing; `None` when it is more, and
/// when the shell itself acts on it or puts the name of a file in the place of a word.
pub fn typed_words(text: &str, environment: &Environment, files: &dyn Files) -> Option<Vec<String>> {
    let follow = follow::Follow::new(environment, files);
    crate::shell::typed_words(text, &follow.reader(None))
}

/// [`parse_shell`], followed likewise.
pub fn follow_shell(text: &str, environment: &Environment, aliases: &Aliases<'_>, files: &dyn Files) -> Followed {
    let follow = follow::Follow::new(environment, files);
    let invocations = reading::parse_shell(text, environment, aliases, Some(&follow));
    Followed { invocations, texts: follow.texts() }
}

/// Whether a command is understood as far as it can be only by [`follow`]: what it names by a word stands in a file.
/// What it starts has PATH from the tool, in which the gate's links do not come first.
pub fn needs_files(invocations: &[Invocation]) -> bool {
    invocations.first().is_some_and(|first| first.wrappers.is_empty() && follow::python::concerns(first))
}

/// [`follow_shell`] of a text whose grammar was read before.
pub fn follow_parsed(text: &Parsed, environment: &Environment, aliases: &Aliases<'_>, files: &dyn Files) -> Followed {
    let follow = follow::Follow::new(environment, files);
    let invocations = reading::parse_parsed(text, environment, aliases, Some(&follow));
    Followed { invocations, texts: follow.texts() }
}

/// Whether the words after an interpreter's name give it code (`-c`) or a program on its input, and no module or file.
pub fn python_reads_code(words: &[String]) -> bool {
    python::reads_code(words)
}

/// A program whose command lines are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the program of that name")]
pub enum Tool {
    Pip,
    Uv,
    Uvx,
    Pipx,
    Poetry,
    Pdm,
    Pipenv,
    Npm,
    Npx,
    Pnpm,
    Pnpx,
    Yarn,
    Bun,
    Bunx,
    Corepack,
    Cargo,
    /// Any other program: it installs nothing that this gate knows of.
    Other,
}

impl Tool {
    /// The tool's name as its users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Uvx => "uvx",
            Self::Pipx => "pipx",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
            Self::Pipenv => "pipenv",
            Self::Npm => "npm",
            Self::Npx => "npx",
            Self::Pnpm => "pnpm",
            Self::Pnpx => "pnpx",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
            Self::Bunx => "bunx",
            Self::Corepack => "corepack",
            Self::Cargo => "cargo",
            Self::Other => "other",
        }
    }

    /// The ecosystem the tool installs from.
    pub const fn ecosystem(self) -> Option<Ecosystem> {
        match self {
            Self::Pip | Self::Uv | Self::Uvx | Self::Pipx | Self::Poetry | Self::Pdm | Self::Pipenv => {
                Some(Ecosystem::PyPI)
            }
            Self::Npm | Self::Npx | Self::Pnpm | Self::Pnpx | Self::Yarn | Self::Bun | Self::Bunx | Self::Corepack => {
                Some(Ecosystem::Npm)
            }
            Self::Cargo => Some(Ecosystem::CratesIo),
            Self::Other => None,
        }
    }
}

/// What a command would do, as far as the gate is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Brings nothing in: help, list, uninstall, run without dependencies to fetch.
    Nothing,
    /// Brings in exactly what [`Invocation::requests`] and [`Invocation::files`] name: `pip install x -r y`.
    Requests,
    /// Brings in what the project's manifest and lockfile say, exactly as locked, or refuses: `npm ci`, `cargo build --locked`, `uv sync --frozen`.
    Locked,
    /// Brings in what the manifest says, keeping the lockfile where it satisfies it: `npm install`, `cargo build`, `uv sync`, `poetry install`.
    Project,
    /// As [`Effect::Project`], with [`Invocation::requests`] added to the manifest first: `npm install x`, `cargo add x`, `uv add x`.
    ProjectAdd,
    /// Re-resolves, ignoring the lockfile for the named requests, or for all when there are none: `cargo update`, `npm update`, `uv lock --upgrade`.
    Update,
    /// Fetches a program and runs it: `npx x`, `uvx x`, `pipx run x`, `cargo binstall x`. [`Invocation::requests`] names it.
    RunsRemote,
    /// What it brings in cannot be known from argv: see [`Invocation::opaque`].
    Unknown,
}

/// One thing asked for by name on the command line, in the tool's own syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The word: `requests>=2`, `react@^19`, `serde@1`, `./dir`, `git+https://…`.
    pub text: String,
    /// What the tool would take it for.
    pub kind: RequestKind,
    /// Its place in argv.
    pub location: Location,
}

/// What a request's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// A requirement in the ecosystem's own syntax; may still turn out to be a path or URL.
    Requirement,
    /// Installed in place: `-e`.
    Editable,
    /// An extra, feature, group or workspace member to include; not a package.
    Selector,
    /// A package needed only to run the command: `uv run --with`, `pipx --preinstall`, `npx -p`.
    With,
}

/// A file that the command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// As written, relative to [`Invocation::directory`].
    pub path: String,
    /// What it is used as.
    pub role: FileRole,
    /// Its place in argv, or in the environment.
    pub location: Location,
}

/// What a named file is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRole {
    /// `-r`.
    Requirements,
    /// `-c`.
    Constraints,
    /// `uv --override`.
    Overrides,
    /// `--build-constraint`.
    BuildConstraints,
    /// A pyproject.toml, pylock.toml, package.json or Cargo.toml named outright.
    Manifest,
    /// A Python script that may have inline metadata (PEP 723), whatever its name.
    Script,
    /// `--group FILE:NAME` (dependency groups); path may be empty: the default pyproject.toml.
    DependencyGroup,
    /// `npm --userconfig`, `--globalconfig`, `uv --config-file`, `cargo --config FILE`.
    ToolConfig,
}

/// What an option means to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlagEffect {
    /// Nothing that matters here.
    Neutral,
    /// The default index or registry: `--index-url`, `--registry`.
    Index,
    /// A further index: `--extra-index-url`, `@scope:registry=`.
    ExtraIndex,
    /// A directory or page of archives: `--find-links`.
    FindLinks,
    /// No index at all: `--no-index`.
    NoIndex,
    /// Weakens a protection: `--trusted-host`, `--no-verify`, `--strict-ssl=false`, `--break-system-packages`, `--no-build-isolation`.
    WeakensSafety,
    /// Asks for more protection: `--require-hashes`, `--only-binary`, `--ignore-scripts`, `--locked`.
    Strengthens,
    /// Changes what is selected: `--pre`, `--no-deps`, `--no-binary`, `--omit=dev`, `--features`, `--extra`, `--target`, `--python-version`, `--platform`.
    Selects,
    /// Sets a configuration value: `cargo --config k=v`, `npm --key=value` that the table does not know.
    Configures,
    /// Names a program to run: `--python`, `--script-shell`, `--node-options`.
    Runs,
}

/// One option that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The canonical long name with dashes, abbreviations expanded: `--index-url`, `--omit`, `-Z`.
    pub name: String,
    /// Its value, when it takes one.
    pub value: Option<String>,
    /// What it means.
    pub effect: FlagEffect,
    /// Its place: argv, or the environment variable that set it.
    pub location: Location,
}

/// A part of a command that cannot be understood before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// Why, for people: a lower-case fragment.
    pub reason: String,
    /// Where.
    pub location: Location,
}

/// A package command, understood as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The words as they were given. Shared: a long script holds many commands.
    pub argv: Arc<[String]>,
    /// The tool behind the word, wrappers and `python -m` seen through.
    pub tool: Tool,
    /// The word that named the tool: `pip3.11`, `/venv/bin/pip`, `python3.11` for `python3.11 -m pip`.
    pub program: String,
    /// The canonical verb: `install` for `npm isntall`; `pip install` under uv is `pip install`. Empty when there is none.
    pub verb: String,
    /// What it would do.
    pub effect: Effect,
    /// What is asked for by name.
    pub requests: Vec<Request>,
    /// Files named.
    pub files: Vec<FileRef>,
    /// Every option given, in order.
    pub flags: Vec<Flag>,
    /// What could not be understood. Not empty → never allow by itself.
    pub opaque: Vec<Opaque>,
    /// The directory the tool works in, as written (`--prefix`, `-C`, `--project`, `--directory`), relative to the caller's.
    pub directory: Option<String>,
    /// Installs outside the project: `npm -g`, `pip --user`, `uv tool install`, `cargo install`.
    pub global: bool,
    /// Says what it would do and does nothing: `--dry-run` where the tool has it. Judged all the same.
    pub dry_run: bool,
    /// Variables that the command sets for the tool: `env A=b pip …`.
    pub assignments: Vec<(String, String)>,
    /// Variables that the command takes away from the tool: `env -u A pip …`, `unset A; pip …`.
    pub removed: Vec<String>,
    /// The tool gets none of the caller's variables: `env -i`.
    pub cleared: bool,
    /// The wrappers that were seen through, outermost first: `sudo`, `env`, `xargs`, `sh -c`.
    pub wrappers: Vec<String>,
    /// Whose home directory the tool sees, when it is not the caller's: `root` under `sudo`.
    pub home_of: Option<String>,
    /// The word of argv with which a command begins that the tool starts, where nothing of the tool's own follows: `uv run`, `uvx`.
    pub starts_at: Option<usize>,
    /// [`Invocation::directory`] is made, empty, by an earlier command of the same text.
    pub new_directory: bool,
}

impl Invocation {
    /// An invocation of something that is no package tool.
    pub fn other(argv: &[String]) -> Self {
        Self::sharing(Arc::from(argv))
    }

    /// The same, with words that other invocations have too.
    fn sharing(argv: Arc<[String]>) -> Self {
        Self {
            program: argv.first().cloned().unwrap_or_default(),
            argv,
            tool: Tool::Other,
            verb: String::new(),
            effect: Effect::Nothing,
            requests: Vec::new(),
            files: Vec::new(),
            flags: Vec::new(),
            opaque: Vec::new(),
            directory: None,
            global: false,
            dry_run: false,
            assignments: Vec::new(),
            removed: Vec::new(),
            cleared: false,
            wrappers: Vec::new(),
            home_of: None,
            starts_at: None,
            new_directory: false,
        }
    }

    /// The last flag of this canonical name.
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().rev().find(|f| f.name == name)
    }

    /// Every value given for this canonical name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |f| f.name == name).filter_map(|f| f.value.as_deref())
    }

    /// The same with the place of each, as the readers of configuration take what flags say.
    pub fn located_values(&self, name: &str) -> Vec<(String, Location)> {
        let given = self.flags.iter().filter(|f| f.name == name);
        given.filter_map(|f| Some((f.value.clone()?, f.location.clone()))).collect()
    }
}
