//! Programs that bring packages in by ways of their own, and programs that run a command out of one of their words or
//! variables: `ng add`, `rsync -e 'pip install x'`, `PAGER='npm i x' git log`. What such a command brings in is not read.
//!
//! In: a program, its words and its variables. Out: a doubt, where an install stands in one of them.

use super::code::names_a_tool;
use super::engine::{Word, opaque, shown};
use super::reading::{Context, unknown};
use super::variables::{VariableEffect, effect_of};
use super::wrappers::MENTIONS;
use super::{Invocation, Tool, script};

/// Programs that install with pip, npm or cargo, or fetch from the same registries, and by which verbs. A verb may be two
/// words; none: whatever follows. Said of each in its own documentation.
const BRINGERS: &[(&str, &[&str])] = &[
    // Python and conda.
    ("easy_install", &[]),
    ("conda mamba micromamba", CONDA),
    ("pixi", CONDA),
    ("rye", &["add", "sync", "install", "lock", "tools install", "fetch"]),
    ("hatch", &["env create", "env prune", "dep sync", "python install", "build", "test", "fmt", "shell"]),
    ("flit", &["install"]),
    ("maturin", &["develop", "build"]),
    ("pre-commit", &["install-hooks", "try-repo"]),
    // Node.
    ("ni nci nun nlx nup na", &[]),
    ("cnpm tnpm", &["install", "i", "ci", "add", "update", "exec", "x"]),
    ("ng", &["add", "update", "new"]),
    ("nx", &["add", "migrate"]),
    ("expo", &["install"]),
    ("lerna", &["bootstrap", "add"]),
    ("rush", &["install", "update", "add"]),
    ("meteor", &["add", "npm", "create"]),
    ("astro", &["add"]),
    ("vue", &["add", "create"]),
    ("shadcn shadcn-ui", &["add", "init"]),
    ("sv svelte", &["add", "create"]),
    // Rust.
    ("wasm-pack", &["build", "test"]),
    ("cross", &["build", "run", "test", "check", "install"]),
    ("trunk", &["build", "serve", "watch"]),
];

const CONDA: &[&str] = &[
    "install",
    "create",
    "update",
    "upgrade",
    "add",
    "sync",
    "lock",
    "env create",
    "env update",
    "env install",
    "env sync",
    "global create",
    "global update",
    "global install",
    "global sync",
];

/// Managers of versions that also take programs from a registry, by a prefix.
const PREFIXES: &[&str] = &["npm:", "pipx:", "cargo:"];

/// Versions of a language's own tools, which volta fetches as well as packages.
const RUNTIMES: &[&str] = &["node", "npm", "yarn", "pnpm"];

/// Whether a program brings packages in by itself. What it brings is not read.
pub(super) fn brings(
    context: &Context<'_>,
    name: &str,
    first: &Word,
    rest: &[Word],
    out: &mut Vec<Invocation>,
) -> bool {
    let words = || rest.iter().map(|w| w.text.as_str()).filter(|w| !w.starts_with('-'));
    let by_verb = |verbs: &[&str]| {
        verbs.is_empty()
            || verbs.iter().any(|verb| {
                let mut given = words();
                verb.split(' ').all(|part| given.next() == Some(part))
            })
    };
    let asks_only = rest.iter().any(|w| matches!(w.text.as_str(), "--help" | "-h" | "--version" | "-V"));
    let named = match name {
        "mise" | "rtx" => words().any(|w| PREFIXES.iter().any(|p| w.starts_with(p))),
        "volta" => {
            words().next() == Some("install")
                && words().skip(1).any(|w| !RUNTIMES.contains(&w.split('@').next().unwrap_or_default()))
        }
        _ => {
            let easy = name.starts_with("easy_install-");
            easy || BRINGERS.iter().any(|(names, verbs)| names.split(' ').any(|n| n == name) && by_verb(verbs))
        }
    };
    if named && !asks_only {
        let why = opaque(first.index, format!("what {name} brings in is not read"));
        out.push(unknown(context, Tool::Other, &first.text, why));
    }
    named
}

/// Variables whose value a program runs, beside those that every package tool's git would run ([`effect_of`]): pagers,
/// editors, what a shell or a build does on its own.
const RUN: &[&str] = &[
    "PAGER",
    "MANPAGER",
    "GIT_PAGER",
    "EDITOR",
    "VISUAL",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "SUDO_ASKPASS",
    "LESSOPEN",
    "LESSCLOSE",
    "PROMPT_COMMAND",
    "PS4",
    "BROWSER",
    "SHELL",
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MFLAGS",
    "RSYNC_RSH",
    "CVS_RSH",
    "SVN_SSH",
    "TAR_OPTIONS",
    "RIPGREP_CONFIG_PATH",
    "FZF_DEFAULT_COMMAND",
    "CC",
    "CXX",
    "LD",
    "RUSTC_WRAPPER",
];

/// An install in a variable that some program runs.
pub(super) fn by_variable(context: &Context<'_>, first: &Word, out: &mut Vec<Invocation>) {
    for (name, value, index) in &context.assignments {
        let runs = RUN.contains(&name.as_str()) || effect_of(name, value, None) == Some(VariableEffect::Runs);
        if runs && carries(context, value) {
            let why = opaque(*index, format!("`{name}` holds an install, and `{}` may run it", shown(&first.text)));
            out.push(unknown(context, Tool::Other, &first.text, why));
        }
    }
}

/// Programs whose words are prose or data to them, beside those that only mention a package tool: they run none of it.
const PROSE: &[&str] = &[
    "zgrep",
    "glab",
    "hub",
    "jira",
    "cowsay",
    "figlet",
    "banner",
    "expr",
    "export",
    "declare",
    "readonly",
    "typeset",
    "xq",
    "curl",
    "wget",
    "http",
    "https",
    "xh",
    "tee",
    "tr",
    "cut",
    "basename",
    "dirname",
    "cmp",
    "comm",
    "look",
    "dialog",
    "whiptail",
    "zenity",
    "osascript",
    "history",
    "xclip",
    "pbcopy",
    "wl-copy",
    "sha256sum",
    "md5sum",
    "base64",
    "bd",
    "td",
    "task",
    "mail",
    "slackcat",
    "complete",
    "compgen",
    "bind",
    "unalias",
    "alias",
    "trap",
    "git",
    "command",
    "false",
    "true",
    ":",
];

/// Programs that name a package tool without running it as a command of its own, as those of [`MENTIONS`] do, but run what
/// some of their words say.
pub(super) const RUNNERS: &[&str] = &[
    "rg",
    "man",
    "info",
    "nix-env",
    "less",
    "more",
    "sed",
    "make",
    "sort",
    "tar",
    "zip",
    "vim",
    "vi",
    "nano",
    "emacs",
    "asdf",
    "mise",
    "pyenv",
    "nvm",
    "conda",
    "mamba",
    "micromamba",
];

/// An install in the text of one of a program's words: `tar --checkpoint-action=exec='pip install x'`.
pub(super) fn by_word(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let searches = name == "rg" && !rest.iter().any(|w| w.text.starts_with("--pre"));
    if MENTIONS.contains(&name) || PROSE.contains(&name) || searches {
        return;
    }
    let carried = |word: &&Word| {
        let text = word.text.as_str();
        if !text.contains(char::is_whitespace) {
            return false;
        }
        // sed's other commands hold text; `e` runs it.
        let from = if matches!(name, "sed" | "gsed") { after_e(text) } else { Some(text) };
        from.is_some_and(|text| carries(context, text))
    };
    if let Some(word) = rest.iter().take(64).find(carried) {
        let why =
            opaque(word.index, format!("`{}` may run the install in `{}`", shown(&first.text), shown(&word.text)));
        out.push(unknown(context, Tool::Other, &first.text, why));
    }
}

/// What a sed script's first `e` command runs: `1e cmd`, `/x/e cmd`, `$!{e cmd`.
fn after_e(script: &str) -> Option<&str> {
    let mut before = ' ';
    for (at, c) in script.char_indices() {
        let starts = before.is_ascii_digit() || matches!(before, '/' | '$' | ';' | '{' | '!' | '\n' | ' ');
        let rest = script.get(at + 1..).unwrap_or_default();
        if c == 'e' && starts && rest.starts_with(' ') {
            return Some(rest);
        }
        before = c;
    }
    None
}

/// Whether an install stands in a text, from the name of a package tool on.
fn carries(context: &Context<'_>, text: &str) -> bool {
    /// How many names in a text are looked at, and how long a text may be: more is prose.
    const MOST: usize = 4;
    const LONG: usize = 4096;
    if text.len() > LONG {
        return names_a_tool(text);
    }
    let begins = |at: &usize| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/'))
    };
    let names = text.char_indices().map(|(at, _)| at).filter(begins).filter(|at| {
        let rest = text.get(*at..).unwrap_or_default();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        names_a_tool(rest.get(..end).unwrap_or_default())
    });
    names.take(MOST).any(|at| text.get(at..).is_some_and(|rest| script::may_install(context, rest)))
}
