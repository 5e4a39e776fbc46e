//! Programs that run another command line: sudo, env, xargs, `sh -c 'a && b'`, node with a tool's script.
//!
//! In: the words after the wrapper. Out: the invocations of what it runs, each with the wrapper's name and what the
//! wrapper changes (variables, directory). A wrapper that cannot be seen through, around words that name a package
//! tool, is opaque. Shell text goes to [`super::script`].

use super::FlagEffect::Neutral;
use super::code::{self, names_a_tool};
use super::engine::{Opt, Scan, Style, Word, equals, flag, joined, opaque, scan, shown, value};
use super::follow::{self, program::By};
use super::npm;
use super::reading::{self, Context, Understood, program_name, unknown};
use super::script;
use super::unread;
use super::variables::may_change_a_tool;
use super::{Effect, Invocation, Tool};
use crate::shell::{Content, Directory, Stream, place, plain_words};
use std::rc::Rc;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// What stands between a wrapper's options and the command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The command, after so many operands of the wrapper's own.
    Command(usize),
    /// The same, after assignments.
    Assignments,
    /// A verb of the wrapper, then options again, then the command: `mise exec --`.
    Verb(&'static str, usize),
}

struct Wrapper {
    names: &'static str,
    options: &'static [Opt],
    then: Then,
}

const fn wrapper(names: &'static str, options: &'static [Opt], then: Then) -> Wrapper {
    Wrapper { names, options, then }
}

const SUDO: &[Opt] = &[
    flag(
        "-A --askpass, -b --background, -B --bell, -E, -H --set-home, -i --login, -K, -k, -n --non-interactive",
        Neutral,
    ),
    flag("-N --no-update, -P --preserve-groups, -S --stdin, -s --shell, -V --version, -v, --help", Neutral),
    flag("-e --edit, -l --list", Neutral),
    equals("--preserve-env", Neutral),
    value(
        "-a, -c, -C --close-from, -g --group, -h --host, -p --prompt, -r --role, -t --type, -T --command-timeout",
        Neutral,
    ),
    value("-u --user, -U --other-user", Neutral),
    value("-D --chdir", Neutral),
    value("-R --chroot", Neutral),
];

const ENV: &[Opt] = &[
    flag("-i --ignore-environment, -0 --null, -v --debug, --list-signal-handling", Neutral),
    value("-u --unset, -C --chdir, -S --split-string, -P, -a --argv0", Neutral),
    equals("--block-signal, --default-signal, --ignore-signal", Neutral),
];

const XARGS: &[Opt] = &[
    flag(
        "-0 --null, -r --no-run-if-empty, -t --verbose, -p --interactive, -x --exit, -o --open-tty, --show-limits",
        Neutral,
    ),
    value(
        "-a --arg-file, -d --delimiter, -E, -I, -J, -L, -n --max-args, -P --max-procs, -R, -S, -s --max-chars",
        Neutral,
    ),
    equals("--eof, --replace, --max-lines, --process-slot-var", Neutral),
];

const WRAPPERS: &[Wrapper] = &[
    wrapper("sudo", SUDO, Then::Assignments),
    wrapper("doas", &[flag("-L, -n, -s", Neutral), value("-a, -C, -u --user", Neutral)], Then::Command(0)),
    wrapper("env", ENV, Then::Assignments),
    wrapper("nice", &[value("-n --adjustment", Neutral)], Then::Command(0)),
    wrapper("ionice", &[flag("-t --ignore", Neutral), value("-c --class, -n --classdata", Neutral)], Then::Command(0)),
    wrapper("chrt", &[flag("-b, -f, -i, -o, -r, -d, -R, -v", Neutral), value("-T, -P, -D", Neutral)], Then::Command(1)),
    wrapper("taskset", &[flag("-a --all-tasks, -c --cpu-list", Neutral)], Then::Command(1)),
    wrapper(
        "time gtime",
        &[
            flag("-a --append, -p --portability, -q --quiet, -v --verbose, -l, -h", Neutral),
            value("-f --format, -o --output", Neutral),
        ],
        Then::Command(0),
    ),
    wrapper(
        "timeout gtimeout",
        &[
            flag("-f --foreground, -p --preserve-status, -v --verbose", Neutral),
            value("-k --kill-after, -s --signal", Neutral),
        ],
        Then::Command(1),
    ),
    wrapper("nohup", &[], Then::Command(0)),
    wrapper("setsid", &[flag("-c --ctty, -f --fork, -w --wait", Neutral)], Then::Command(0)),
    wrapper("stdbuf", &[value("-i --input, -o --output, -e --error", Neutral)], Then::Command(0)),
    wrapper("unbuffer", &[flag("-p", Neutral)], Then::Command(0)),
    wrapper("command", &[flag("-p, -v, -V", Neutral)], Then::Command(0)),
    wrapper("exec", &[flag("-c, -l", Neutral), value("-a", Neutral)], Then::Command(0)),
    wrapper("builtin", &[], Then::Command(0)),
    wrapper("caffeinate", &[flag("-d, -i, -m, -s, -u", Neutral), value("-t, -w", Neutral)], Then::Command(0)),
    wrapper("noglob nocorrect winpty busybox toybox", &[], Then::Command(0)),
    wrapper("chronic", &[flag("-v, -e", Neutral)], Then::Command(0)),
    wrapper(
        "flock",
        &[
            flag("-s, -x, -e, -n, -o, -F, --shared, --exclusive, --nonblock", Neutral),
            value("-w --timeout, -E", Neutral),
        ],
        Then::Command(1),
    ),
    wrapper("xargs gxargs", XARGS, Then::Command(0)),
    wrapper("pyenv asdf rbenv", &[], Then::Verb("exec", 0)),
    wrapper("fnm", &[value("--using", Neutral)], Then::Verb("exec", 0)),
    wrapper("nvm", &[flag("--silent, --no-colors, --lts", Neutral)], Then::Verb("exec", 0)),
    wrapper(
        "volta",
        &[value("--node, --npm, --pnpm, --yarn", Neutral), flag("--bundled-npm, --no-yarn, --no-pnpm", Neutral)],
        Then::Verb("run", 0),
    ),
    wrapper("rustup", &[flag("--install", Neutral)], Then::Verb("run", 1)),
    wrapper("direnv", &[], Then::Verb("exec", 1)),
    wrapper("dotenv", &[value("-f --file, -e", Neutral), flag("-o, --override", Neutral)], Then::Command(0)),
    wrapper("cross-env cross-env-shell", &[], Then::Assignments),
    wrapper("rye hatch", &[value("--env -e", Neutral)], Then::Verb("run", 0)),
    wrapper(
        "conda mamba micromamba",
        &[value("-n --name, -p --prefix, --cwd", Neutral), flag("--no-capture-output --live-stream, -v", Neutral)],
        Then::Verb("run", 0),
    ),
];

/// Programs that run words somewhere or somehow else: around a package tool's name they are opaque.
const ELSEWHERE: &[&str] = &[
    "chroot",
    "arch-chroot",
    "unshare",
    "nsenter",
    "bwrap",
    "firejail",
    "proot",
    "fakeroot",
    "fakechroot",
    "su",
    "runuser",
    "systemd-run",
    "pkexec",
    "gosu",
    "su-exec",
    "watch",
    "hyperfine",
    "nix-shell",
    "nix",
    "valgrind",
    "perf",
    "rlwrap",
    "sg",
    "doppler",
    "dotenvx",
    "aws-vault",
    "tini",
    "dumb-init",
    "prlimit",
    "cpulimit",
    "numactl",
    "eatmydata",
    "nodemon",
    "watchexec",
    "chokidar",
    "at",
    "batch",
    "crontab",
    "unbuffer",
    "socat",
    "coproc",
    "crun",
    "runcon",
    "pueue",
    "tsp",
    "byobu",
    "zellij",
    "dtach",
    "abduco",
    "entr",
    "script",
    "strace",
    "ltrace",
    "gdb",
    "ssh-agent",
    "dbus-run-session",
    "xvfb-run",
    "faketime",
    "powershell",
    "pwsh",
    "start",
    "mise",
    "proxychains",
    "proxychains4",
    "torsocks",
    "tsocks",
    "start-stop-daemon",
    "expect",
    "tmux",
    "screen",
    "npm-run-all",
    "concurrently",
    "setpriv",
    "capsh",
    "daemonize",
    "retry",
    "uvtool",
    "rtk",
];

pub(crate) const SHELLS: &[&str] =
    &["sh", "bash", "zsh", "dash", "ash", "ksh", "mksh", "rbash", "fish", "yash", "posh", "rc"];

/// The wrapper of a name. A script has many names that are none.
fn wrapper_of(name: &str) -> Option<&'static Wrapper> {
    static BY_NAME: LazyLock<FxHashMap<&str, &Wrapper>> = LazyLock::new(|| {
        let names = |w: &'static Wrapper| w.names.split_ascii_whitespace().map(move |name| (name, w));
        // The first of a name counts.
        WRAPPERS.iter().rev().flat_map(names).collect()
    });
    BY_NAME.get(name).copied()
}

/// Interpreters of other languages that take code as an option: `perl -e`, `awk 'program'`.
const INTERPRETERS: &[&str] =
    &["perl", "ruby", "php", "lua", "osascript", "awk", "gawk", "mawk", "nawk", "tclsh", "Rscript", "rscript"];

/// Reads a command that is no package tool's: through its wrappers, or not at all.
pub(super) fn read(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    unread::by_variable(context, first, out);
    if SHELLS.contains(&name) {
        return shell(context, name, first, rest, out);
    }
    if name == "eval" {
        return eval(context, first, rest, out);
    }
    if name == "cmd" {
        return windows_shell(context, first, rest, out);
    }
    if unread::brings(context, name, first, rest, out) {
        return;
    }
    if APART.contains(&name) {
        return apart(context, first, rest, out);
    }
    if let Some(found) = wrapper_of(name) {
        return see_through(context, name, found, rest, out);
    }
    match name {
        "find" | "gfind" | "fd" | "fdfind" => return found_files(context, name, rest, out),
        "parallel" | "sem" => return parallel(context, name, first, rest, out),
        "at" | "batch" => {
            let inner = context.inside(name);
            return from_input(&inner, first, out);
        }
        "git" => return git(context, rest, out),
        "vim" | "nvim" | "vi" | "ex" | "view" | "emacs" => {
            for word in rest.iter().filter(|w| w.text.trim_start_matches([':', '+']).starts_with('!')) {
                let code = Word { text: word.text.trim_start_matches([':', '+', '!']).to_owned(), ..word.clone() };
                script_word(&context.inside(name), name, &code, None, out);
            }
            return;
        }
        "socat" => {
            for word in rest {
                let command = word
                    .text
                    .split_once(':')
                    .filter(|(kind, _)| ["EXEC", "SYSTEM", "SHELL"].iter().any(|k| k.eq_ignore_ascii_case(kind)));
                if let Some((_, command)) = command {
                    let code = Word { text: command.to_owned(), ..word.clone() };
                    script_word(&context.inside(name), name, &code, None, out);
                }
            }
            return;
        }
        "crontab" if rest.iter().any(|w| w.text == "-") || rest.is_empty() => {
            return match &context.input {
                Stream::Text(text) if !names_a_tool(text) => {}
                Stream::Inherited | Stream::File => {}
                _ => {
                    let why = opaque(first.index, "what `crontab` runs later is not read");
                    out.push(unknown(&context.inside(name), Tool::Other, &first.text, why));
                }
            };
        }
        _ if INTERPRETERS.contains(&name) => return interpreter(context, name, first, rest, out),
        _ => {}
    }
    let usual = usual(context, name, first);
    if !ELSEWHERE.contains(&name) {
        unread::by_word(context, if usual { name } else { "" }, first, rest, out);
    }
    if follow::by_name(context, name, first, rest, out) {
        return;
    }
    if ELSEWHERE.contains(&name) {
        return blocked(context, name, first, rest, out);
    }
    if name == "deno" {
        interpreter(context, name, first, rest, out);
        return deno(context, first, rest, out);
    }
    if first.text.contains('/') {
        run_file(context, first, rest, By::Path, out);
    } else if context.assignments.iter().any(|(n, _, _)| n == "PATH") {
        // A program of this name that an earlier command put where it may be found first.
        let made = context.written.keys().find(|path| path.rsplit('/').next() == Some(first.text.as_str()));
        if let Some(path) = made {
            let file = Word { text: path.clone(), ..first.clone() };
            run_file(&Context { directory: None, ..context.clone() }, &file, rest, By::Path, out);
        }
    }
    if !usual || !MENTIONS.contains(&name) && !unread::RUNNERS.contains(&name) {
        strange(context, first, rest, out);
    }
}

/// Programs that run a command in a container or on another machine: its files, its settings and its tools are not
/// those that could be read here, though its directories may be.
const APART: &[&str] = &[
    "docker",
    "docker-compose",
    "podman",
    "podman-compose",
    "nerdctl",
    "kubectl",
    "oc",
    "lxc",
    "incus",
    "vagrant",
    "ssh",
    "mosh",
    "machinectl",
    "systemd-nspawn",
    "distrobox",
    "toolbox",
    "wsl",
    "devcontainer",
];

/// A command that would install where nothing can be read. Any other is none of the gate's business.
fn apart(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let elsewhere = |word: &Word| {
        let why = opaque(word.index, format!("`{}` runs it where its files cannot be read", shown(&first.text)));
        unknown(context, Tool::Other, &first.text, why)
    };
    let script = |word: &&Word| {
        word.text.contains([' ', '\n', ';']) && names_a_tool(&word.text) && script::may_install(context, &word.text)
    };
    match rest.iter().find(script) {
        Some(word) => out.push(elsewhere(word)),
        None => out.extend(installing(context, first, rest).map(elsewhere)),
    }
}

/// Commands that git runs: `-c alias.x='!sh'`, `bisect run`, `submodule foreach`, `rebase --exec`.
fn git(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    let inner = context.inside("git");
    let text = |word: &Word, text: &str, out: &mut Vec<Invocation>| {
        let word = Word { text: text.to_owned(), ..word.clone() };
        script_word(&inner, "git", &word, None, out);
    };
    for (at, word) in rest.iter().enumerate() {
        // `alias.x=!command`, and `config alias.x '!command'`: what it runs, whenever it does.
        let setting = word.text.split_once("=!").filter(|(key, _)| key.to_ascii_lowercase().starts_with("alias."));
        let before = at.checked_sub(1).and_then(|at| rest.get(at)).map(|w| w.text.to_ascii_lowercase());
        let next = || rest.get(at + 1);
        let after = || rest.get(at + 1..).unwrap_or_default();
        if let Some((_, command)) = setting {
            text(word, command, out);
        } else if let (Some(command), true) =
            (word.text.strip_prefix('!'), before.is_some_and(|b| b.starts_with("alias.")))
        {
            text(word, command, out);
        } else if word.text == "run" && rest.iter().any(|w| w.text == "bisect") {
            return reading::read(&inner, after(), out);
        } else if word.text == "foreach" && rest.iter().any(|w| w.text == "submodule") {
            let words: Vec<&str> = after().iter().map(|w| w.text.as_str()).filter(|w| *w != "--recursive").collect();
            return text(word, &words.join(" "), out);
        } else if matches!(
            word.text.as_str(),
            "--exec" | "-x" | "--tree-filter" | "--index-filter" | "--msg-filter" | "--env-filter" | "--extcmd"
        ) && let Some(command) = next()
        {
            text(command, &command.text, out);
        } else if let Some(command) = word.text.strip_prefix("--exec=").or_else(|| word.text.strip_prefix("--extcmd="))
        {
            text(word, command, out);
        }
    }
}

/// Deno takes packages from npm; how, is not read.
fn deno(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let verb = rest.iter().find(|w| !w.text.starts_with('-'));
    let fetches = verb.is_some_and(|w| matches!(w.text.as_str(), "add" | "install" | "i" | "cache" | "create" | "x"));
    if let Some(word) = rest.iter().find(|w| w.text.contains("npm:")).or(verb.filter(|_| fetches)) {
        let why = opaque(word.index, "what deno brings in is not read");
        out.push(unknown(context, Tool::Other, &first.text, why));
    }
}

/// Where the system keeps its programs, which only an administrator changes.
const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/opt/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/run/current-system/sw/bin",
    "/snap/bin",
];

/// Whether a word names the program that everybody knows by its name: `ls`, `/bin/ls`, and not `/tmp/x/ls`, which is
/// whatever was put there. This program too is known by its name only where nothing on the way changes PATH.
fn usual(context: &Context<'_>, name: &str, first: &Word) -> bool {
    let changes_path = || context.assignments.iter().any(|(n, _, _)| n == "PATH");
    match first.text.rsplit_once(['/', '\\']) {
        Some((directory, _)) => !first.expands && SYSTEM.contains(&directory),
        None => name != "tidewaiter" || !changes_path(),
    }
}

/// Programs that name a package tool without running it here.
pub(crate) const MENTIONS: &[&str] = &[
    "echo",
    "printf",
    "grep",
    "egrep",
    "fgrep",
    "ag",
    "ack",
    "which",
    "where",
    "whereis",
    "type",
    "hash",
    "whatis",
    "apropos",
    "tldr",
    "gh",
    "hg",
    "svn",
    "apt",
    "apt-get",
    "aptitude",
    "dnf",
    "yum",
    "apk",
    "pacman",
    "zypper",
    "brew",
    "port",
    "snap",
    "choco",
    "winget",
    "scoop",
    "pkg",
    "emerge",
    "cat",
    "head",
    "tail",
    "ls",
    "mkdir",
    "touch",
    "rm",
    "cp",
    "mv",
    "cd",
    "test",
    "[",
    "[[",
    "pgrep",
    "pkill",
    "killall",
    "ps",
    "logger",
    "say",
    "notify-send",
    "tidewaiter",
    "read",
    "set",
    "local",
    "jq",
    "yq",
    "diff",
    "wc",
    "chmod",
    "chown",
    "ln",
    "code",
    "claude",
    "codex",
];

/// A program that nobody knows, with a package command among its words: it may well run it.
fn strange(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    if let Some(word) = installing(context, first, rest) {
        let why = opaque(word.index, format!("what `{}` does with a package command is not known", shown(&first.text)));
        out.push(unknown(context, Tool::Other, &first.text, why));
    }
}

/// The word at which a package command starts that would install.
fn installing<'w>(context: &Context<'_>, first: &Word, rest: &'w [Word]) -> Option<&'w Word> {
    rest.iter().enumerate().take(64).find_map(|(at, word)| {
        let after = rest.get(at + 1..).filter(|after| !after.is_empty())?;
        if word.text.contains(char::is_whitespace) || !names_a_tool(&word.text) {
            return None;
        }
        let (inner, name) = (context.inside(&first.text), program_name(&word.text));
        let understood = reading::tool(&inner, &name, word, after)?;
        (!matches!(understood.invocation.effect, Effect::Nothing | Effect::Unknown)).then_some(word)
    })
}

/// A wrapper that is not seen through: opaque if the words from a package tool's name on, or a word that is shell text,
/// would bring something in.
fn blocked(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let installs = |(at, word): &(usize, &Word)| {
        let text = word.text.contains(char::is_whitespace) || word.text.contains(['\'', '"', '\\', '$', '`']);
        if text {
            return script::may_install(context, &word.text);
        }
        names_a_tool(&word.text) && {
            let mut found = Vec::new();
            reading::read(&context.inside(name), rest.get(*at..).unwrap_or_default(), &mut found);
            found.iter().any(|i| i.effect != Effect::Nothing || !i.opaque.is_empty())
        }
    };
    if let Some((_, word)) = rest.iter().enumerate().take(64).find(installs) {
        let why = opaque(word.index, format!("what `{}` runs is not read", shown(&first.text)));
        out.push(unknown(&context.inside(name), Tool::Other, &first.text, why));
    }
}

/// `eval words`, where the words are known; a shell's own `eval` was followed by [`crate::shell`] unless they are not.
fn eval(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    /// Programs that print settings for the shell that asks for them.
    const SETTINGS: &[&str] = &[
        "ssh-agent",
        "pyenv",
        "rbenv",
        "nodenv",
        "direnv",
        "brew",
        "/opt/homebrew/bin/brew",
        "fnm",
        "dircolors",
        "mise",
        "conda",
        "mamba",
        "micromamba",
        "docker-machine",
        "minikube",
        "opam",
        "luarocks",
        "starship",
        "zoxide",
        "starship",
        "keychain",
        "gnome-keyring-daemon",
        "register-python-argcomplete",
        "goenv",
        "jenv",
        "asdf",
        "rtx",
        "thefuck",
        "resize",
        "lesspipe",
        "getopt",
    ];
    if let Some(word) = rest.iter().find(|w| w.expands) {
        let inner = word.text.trim_start_matches("$(").trim_start_matches('`').trim_start();
        let program = inner.split([' ', ')', '`']).next().unwrap_or_default();
        let plain = !inner.contains([';', '|', '&', '\n']) && inner.matches('(').count() == 0;
        if rest.len() == 1 && plain && word.text.starts_with(['$', '`']) && SETTINGS.contains(&program) {
            return;
        }
        let why = opaque(word.index, format!("evaluates `{}`", shown(&word.text)));
        return out.push(unknown(&context.inside("eval"), Tool::Other, &first.text, why));
    }
    let text: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
    script::read(&context.inside("eval"), &text.join(" "), None, first.index, out);
}

/// `find … -exec CMD ;`, `fd … -x CMD`: each command that is run on what is found.
fn found_files(context: &Context<'_>, name: &str, rest: &[Word], out: &mut Vec<Invocation>) {
    let starts: &[&str] = if name.ends_with("find") && !name.starts_with("fd") {
        &["-exec", "-execdir", "-ok", "-okdir"]
    } else {
        &["-x", "--exec", "-X", "--exec-batch"]
    };
    let mut words = rest;
    while let Some(at) = words.iter().position(|w| starts.contains(&w.text.as_str())) {
        let option = words.get(at).map_or("", |w| w.text.as_str());
        let after = words.get(at + 1..).unwrap_or_default();
        let end = after.iter().position(|w| w.text == ";" || w.text == "+").unwrap_or(after.len());
        let mut inner = context.inside(&format!("{name} {option}"));
        if option.ends_with("dir") {
            inner.opaque.push(opaque(after.first().map_or(0, |w| w.index), "runs wherever a file is found"));
        }
        let replaced = |w: &Word| {
            let expands = w.expands || w.text.contains("{}");
            let template = if w.text == "{}" { Some("${_}".to_owned()) } else { w.template.clone() };
            Word { expands, template, ..w.clone() }
        };
        let command: Vec<Word> = after.get(..end).unwrap_or_default().iter().map(replaced).collect();
        inner.open = true;
        reading::read(&inner, &command, out);
        words = after.get(end..).unwrap_or_default();
    }
}

/// `parallel CMD ::: a b`: not seen through; without a command its input is the commands.
fn parallel(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let before = rest.len();
    if rest.iter().all(|w| w.text.starts_with('-') && w.text != ":::") && !matches!(context.input, Stream::Inherited) {
        return from_input(&context.inside(name), first, out);
    }
    let known = out.len();
    blocked(context, name, first, rest, out);
    let text: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
    if out.len() == known && before > 0 && script::may_install(context, &text.join(" ")) {
        let why = opaque(first.index, format!("what `{}` runs is not read", shown(&first.text)));
        out.push(unknown(&context.inside(name), Tool::Other, &first.text, why));
    }
}

/// A program that runs what it reads as shell text.
fn from_input(inner: &Context<'_>, first: &Word, out: &mut Vec<Invocation>) {
    match inner.input.clone() {
        Stream::Text(text) => {
            let silent = Context { input: Stream::Text(Rc::from("")), ..inner.clone() };
            script::read(&silent, &text, Some(Vec::new()), first.index, out);
        }
        Stream::Unknown(who) => {
            let why = opaque(first.index, format!("runs what comes from {}", source(&who)));
            out.push(unknown(inner, Tool::Other, &first.text, why));
        }
        Stream::File if inner.follow.is_some() => {
            let why = opaque(first.index, "runs what a file holds that cannot be read here");
            out.push(unknown(inner, Tool::Other, &first.text, why));
        }
        // A file is judged when it runs, like the script that a shell is given by name.
        Stream::Inherited | Stream::File => {}
    }
}

fn source(who: &str) -> String {
    if who.contains(' ') && who.starts_with("a ") { who.to_owned() } else { format!("`{}`", shown(who)) }
}

/// `perl -e 'code'`, `awk 'program'`, `… | ruby`.
fn interpreter(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let mut doubt = |index: usize, reason: String| {
        out.push(unknown(&context.inside(name), Tool::Other, &first.text, opaque(index, reason)));
    };
    if let Some(word) = rest.iter().find(|w| code::may_install(&w.text)) {
        return doubt(word.index, "runs code that starts a package tool or hides what it starts".to_owned());
    }
    let reads_program =
        rest.iter().all(|w| w.text.starts_with('-') && !w.text.starts_with("-e")) && !name.ends_with("awk");
    match &context.input {
        Stream::Unknown(who) if reads_program => doubt(first.index, format!("runs what comes from {}", source(who))),
        Stream::Text(text) if reads_program && code::may_install(text) => {
            doubt(first.index, "runs code that starts a package tool or hides what it starts".to_owned());
        }
        _ => {}
    }
}

/// A file run by its path, or given to a shell: followed when an earlier command of the text wrote it.
fn run_file(context: &Context<'_>, file: &Word, rest: &[Word], by: By, out: &mut Vec<Invocation>) {
    let directory = Directory::Known(context.directory.clone().unwrap_or_default());
    match context.written.get(&place(&directory, &file.text)) {
        Some(Content::Text(text)) => {
            let other = text.strip_prefix("#!").and_then(|t| t.lines().next()).is_some_and(|l| !l.contains("sh"));
            let text = Rc::clone(text);
            if !other {
                let known = !context.open && rest.iter().all(|w| !w.expands);
                let positional = known.then(|| rest.iter().map(|w| w.text.clone()).collect());
                let inner = Context { program: Some(file.text.clone()), ..context.inside(&file.text) };
                return script::read(&inner, &text, positional, file.index, out);
            }
            if code::may_install(&text) {
                let why = opaque(file.index, "runs code that starts a package tool or hides what it starts");
                out.push(unknown(context, Tool::Other, &file.text, why));
            }
        }
        Some(Content::Made) => {
            let why = opaque(file.index, format!("runs `{}`, which an earlier command writes", shown(&file.text)));
            out.push(unknown(context, Tool::Other, &file.text, why));
        }
        Some(Content::Changed | Content::Directory | Content::Replaced) | None => {
            follow::program::file(context, file, rest, by, out);
        }
    }
}

fn see_through(context: &Context<'_>, name: &str, found: &Wrapper, rest: &[Word], out: &mut Vec<Invocation>) {
    let mut inner = context.inside(name);
    let mut scanned = scan(rest, &[found.options], Style::CLAP.stopping());
    let mut words = rest.get(scanned.read..).unwrap_or_default();
    let mut operands = match found.then {
        Then::Command(n) => n,
        Then::Assignments => 0,
        Then::Verb(verb, n) => {
            let Some((word, after)) = words.split_first() else { return };
            if word.text != verb {
                return;
            }
            scanned = scan(after, &[found.options], Style::CLAP.stopping());
            words = after.get(scanned.read..).unwrap_or_default();
            n
        }
    };
    while operands > 0 && !words.is_empty() {
        words = words.get(1..).unwrap_or_default();
        operands -= 1;
    }
    if name == "nvm" {
        let version = |text: &str| {
            let number = text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
            number || text.starts_with("lts/") || matches!(text, "node" | "stable" | "default" | "current" | "system")
        };
        // May be left out.
        words = words.split_first().filter(|(first, _)| version(&first.text)).map_or(words, |(_, after)| after);
    }
    if name == "nice" {
        // The old form: `nice -10 command`, which the table cannot name.
        scanned.opaque.retain(|o| !o.reason.starts_with("unknown option `-") || !o.reason.contains(char::is_numeric));
    }
    if !scanned.opaque.is_empty() {
        // An unknown option may take the next word, so that the command starts somewhere else.
        if words.iter().any(|w| names_a_tool(&w.text)) {
            let program = words.first().map_or("", |w| w.text.as_str());
            let mut invocation = inner.invocation(Tool::Other, program);
            invocation.effect = Effect::Unknown;
            invocation.opaque.extend(scanned.opaque);
            out.push(invocation);
        }
        return;
    }
    match name {
        "sudo" if scanned.has("-e") || scanned.has("-l") => return,
        // Says where a program is.
        "command" if scanned.has("-v") || scanned.has("-V") => return,
        _ => {}
    }
    let Some(words) = surroundings(&mut inner, name, &scanned, words) else {
        return blocked(context, name, words.first().unwrap_or(&Word::new(name, 0)), words, out);
    };
    if name.ends_with("xargs") {
        return arguments_from_input(&inner, &scanned, words, out);
    }
    // `flock FILE -c 'script'`.
    if name == "flock"
        && let [option, code, ..] = words.as_slice()
        && matches!(option.text.as_str(), "-c" | "--command")
    {
        return script_word(&inner, name, code, None, out);
    }
    reading::read(&inner, &words, out);
}

/// What a wrapper's options and assignments change; the words of the command. `None` when it runs elsewhere.
fn surroundings(inner: &mut Context<'_>, name: &str, scanned: &Scan, words: &[Word]) -> Option<Vec<Word>> {
    let mut words = words.to_vec();
    if matches!(name, "sudo" | "doas") {
        other_account(inner, scanned);
    }
    for given in &scanned.given {
        let value = given.value.clone().unwrap_or_default();
        match (name, given.name.as_str()) {
            ("sudo", "-R") | ("env", "-P") => return None,
            ("sudo", "-D") | ("env", "-C") | ("conda" | "mamba" | "micromamba", "--cwd") => {
                inner.directory = Some(joined(inner.directory.as_deref(), &value));
            }
            ("env", "-i") => {
                inner.cleared = true;
                inner.assignments.clear();
            }
            ("env", "-u") => {
                inner.assignments.retain(|(n, _, _)| *n != value);
                inner.removed.push(value);
            }
            ("env", "-S") => match plain_words(&value) {
                Some(split) => {
                    let split = split.iter().map(|w| Word::new(w, given.value_index));
                    words = split.chain(words).collect();
                }
                None => return None,
            },
            _ => {}
        }
    }
    if matches!(name, "sudo" | "env" | "cross-env" | "cross-env-shell") {
        if name == "env" && words.first().is_some_and(|w| w.text == "-") {
            inner.cleared = true;
            words.remove(0);
        }
        let end = words.iter().position(|w| assignment(&w.text).is_none()).unwrap_or(words.len());
        for word in words.drain(..end) {
            assign(inner, &word);
        }
    }
    Some(words)
}

/// What `sudo` and `doas` leave of the caller's variables: with their defaults (sudoers(5) `env_reset`) what a terminal
/// needs, and what `-E` or `--preserve-env` keeps. The home directory becomes the other account's.
fn other_account(inner: &mut Context<'_>, scanned: &Scan) {
    const KEPT: &[&str] = &["TERM", "LANG", "LANGUAGE", "DISPLAY", "XAUTHORITY", "COLORTERM", "TZ"];
    let listed: Vec<&str> = scanned
        .given
        .iter()
        .filter(|g| g.name == "--preserve-env")
        .filter_map(|g| g.value.as_deref())
        .flat_map(|list| list.split(','))
        .collect();
    let all = scanned.has("-E") || scanned.given.iter().any(|g| g.name == "--preserve-env" && g.value.is_none());
    let login = scanned.has("-i");
    if !all || login {
        let keeps = |name: &str| KEPT.contains(&name) || name.starts_with("LC_") || listed.contains(&name);
        inner.assignments.retain(|(name, _, _)| keeps(name));
        let gone = inner.environment.variables.keys().filter(|name| !keeps(name));
        inner.removed.extend(gone.cloned());
        inner.removed.sort();
        inner.removed.dedup();
    }
    let account = scanned.value("-u").unwrap_or("root");
    let caller = ["USER", "LOGNAME"].iter().find_map(|n| inner.environment.variables.get(*n)).map(String::as_str);
    let home_kept = all && !scanned.has("-H") && !login;
    match account {
        _ if home_kept || caller == Some(account) => {}
        "root" | "#0" => inner.home_of = Some("root".to_owned()),
        other => {
            let index = scanned.given.iter().find(|g| g.name == "-u").map_or(0, |g| g.value_index);
            let reason = format!("which configuration the account `{}` has is not known", shown(other));
            inner.opaque.push(opaque(index, reason));
        }
    }
    if login {
        let reason = "a login shell of another account may change what the command means";
        inner.opaque.push(opaque(0, reason));
    }
}

/// `NAME=value`, as `env` and a shell read it.
pub(super) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || "_@:./-".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    good.then_some((name, value))
}

pub(super) fn assign(context: &mut Context<'_>, word: &Word) {
    let Some((name, value)) = assignment(&word.text) else { return };
    context.removed.retain(|n| n != name);
    context.assignments.push((name.to_owned(), value.to_owned(), word.index));
    // What the caller's own variable adds (`RUSTFLAGS="$RUSTFLAGS -D warnings"`) is as it was; what a command prints is not.
    let printed = word.text.contains("$(") || word.text.contains('`');
    if word.expands && concerns_a_tool(name) && name != "PATH" && (printed || !may_change_a_tool(name)) {
        context.opaque.push(opaque(word.index, format!("the value of `{}` is not known", shown(name))));
    }
    if replaces_surroundings(name, value) {
        let reason = format!("`{}` changes which configuration the tool reads", shown(name));
        context.opaque.push(opaque(word.index, reason));
    }
}

/// Whether a variable puts another user's configuration in the place of this one's.
fn replaces_surroundings(name: &str, value: &str) -> bool {
    match name.to_ascii_uppercase().as_str() {
        "HOME" | "USERPROFILE" | "APPDATA" | "XDG_CONFIG_HOME" | "XDG_CONFIG_DIRS" | "CARGO_HOME" | "NETRC" => true,
        "PIP_CONFIG_FILE" | "UV_CONFIG_FILE" | "NPM_CONFIG_USERCONFIG" | "NPM_CONFIG_GLOBALCONFIG" => {
            value != "/dev/null"
        }
        _ => false,
    }
}

/// Whether a variable can change what a package tool does.
pub(super) fn concerns_a_tool(name: &str) -> bool {
    if may_change_a_tool(name) {
        return true;
    }
    let upper = name.to_ascii_uppercase();
    [
        "PIP_",
        "UV_",
        "NPM_CONFIG_",
        "PNPM_",
        "YARN_",
        "BUN_",
        "CARGO_REG",
        "CARGO_SOURCE",
        "POETRY_REPOS",
        "PDM_PYPI",
        "PIPENV_PYPI",
    ]
    .iter()
    .any(|prefix| upper.starts_with(prefix))
        && !["_HOME", "_CACHE_DIR", "_CACHE", "_BIN_DIR", "_PROJECT_ENVIRONMENT"].iter().any(|end| upper.ends_with(end))
}

/// Verbs to which further words cannot add an install.
const SETTLED: &[&str] =
    &["uninstall", "list", "ls", "ll", "view", "show", "run", "outdated", "freeze", "check", "search", "info"];

/// `xargs pip install`: the words that follow are not there yet, unless what `xargs` reads is known.
fn arguments_from_input(inner: &Context<'_>, scanned: &Scan, mut words: Vec<Word>, out: &mut Vec<Invocation>) {
    let at = words.last().map_or(0, |w| w.index);
    let splits = ["-0", "-d", "-a", "-E"].iter().any(|o| scanned.has(o));
    if let Stream::Text(text) = &inner.input
        && !splits
        && !text.contains(['\'', '"', '\\'])
        && text.len() < 16 * 1024
    {
        let silent = Context { input: Stream::Text(Rc::from("")), ..inner.clone() };
        let Some(mark) = scanned.value("-I").or_else(|| scanned.has("--replace").then_some("{}")) else {
            words.extend(text.split_ascii_whitespace().map(|w| Word::new(w, at)));
            return reading::read(&silent, &words, out);
        };
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if lines.len() <= 64 {
            for line in lines {
                let put = |w: &Word| Word { text: w.text.replace(mark, line), ..w.clone() };
                reading::read(&silent, &words.iter().map(put).collect::<Vec<_>>(), out);
            }
            return;
        }
    }
    if let Some(mark) = scanned.value("-I").or_else(|| scanned.has("--replace").then_some("{}")) {
        for word in words.iter_mut().filter(|w| !mark.is_empty() && w.text.contains(mark)) {
            word.template = Some(word.text.replace(mark, "${_}"));
            word.expands = true;
        }
    }
    let mut found = Vec::new();
    // What `xargs` reads, the command does not.
    let inner = Context { open: true, input: Stream::Inherited, ..inner.clone() };
    if words.first().is_some_and(|w| SHELLS.contains(&program_name(&w.text).as_str())) && words.len() == 1 {
        let why = opaque(at, "further words come from standard input");
        out.push(unknown(&inner, Tool::Other, "xargs", why));
    }
    reading::read(&inner, &words, &mut found);
    for mut invocation in found {
        let settled = invocation.effect == Effect::Nothing && SETTLED.contains(&invocation.verb.as_str());
        if invocation.tool != Tool::Other && !settled {
            invocation.effect = Effect::Unknown;
            invocation.opaque.push(opaque(at, "further words come from standard input"));
        }
        out.push(invocation);
    }
}

/// A shell's own arguments.
pub(crate) struct ShellArguments<'w> {
    /// Where its first operand stands: the script of `-c`, else a file.
    pub operand: usize,
    /// `-c`: the operand is a script.
    pub reads_command: bool,
    /// `-s`: the script comes from the input whatever operands there are.
    pub reads_input: bool,
    /// `--command=SCRIPT`, and where.
    pub inline: Option<(usize, &'w str)>,
}

/// Reads what stands after a shell's name: `-ce SCRIPT`, `-o pipefail -c SCRIPT`, `--norc FILE`, `-s arg`.
pub(crate) fn shell_arguments<'w>(rest: &[&'w str]) -> ShellArguments<'w> {
    let mut out = ShellArguments { operand: 0, reads_command: false, reads_input: false, inline: None };
    while let Some(text) = rest.get(out.operand).copied().filter(|w| w.len() > 1 && w.starts_with(['-', '+'])) {
        out.operand += 1;
        match text {
            "--" => break,
            "--rcfile" | "--init-file" | "--command" | "--init-command" => {
                out.reads_command |= text == "--command";
                out.operand += usize::from(text != "--command");
            }
            _ if text.starts_with("--") => {
                if let Some(code) = text.strip_prefix("--command=") {
                    out.inline = Some((out.operand - 1, code));
                    break;
                }
            }
            _ => {
                out.reads_command |= text.starts_with('-') && text.contains('c');
                out.reads_input |= text.starts_with('-') && text.contains('s');
                out.operand += usize::from(text.ends_with(['o', 'O']));
            }
        }
    }
    out
}

/// Whether a file's name stands for the standard input.
pub(crate) fn is_input(file: &str) -> bool {
    matches!(file, "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0")
}

/// How many words of its own a program has, options aside, before those of the command that it runs; `None` when it
/// runs none.
pub(crate) fn own_operands(name: &str) -> Option<usize> {
    match wrapper_of(name).map(|w| w.then) {
        Some(Then::Command(own) | Then::Verb(_, own)) => Some(own),
        Some(Then::Assignments) => Some(0),
        None => (ELSEWHERE.contains(&name) || MORE.contains(&name)).then_some(0),
    }
}

/// Whether a program may be given the command that it runs as one word of shell text.
pub(crate) fn takes_text(name: &str) -> bool {
    ELSEWHERE.contains(&name) || matches!(name, "flock" | "parallel" | "sem" | "cross-env-shell")
}

/// Programs that run a command, each in a way of its own.
const MORE: &[&str] = &["find", "gfind", "fd", "fdfind", "parallel", "sem"];

/// `sh -c 'script' …`, `bash -lc 'script'`, `sh FILE`, `… | sh`.
fn shell(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let texts: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
    let ShellArguments { operand: at, reads_command, reads_input, inline } = shell_arguments(&texts);
    if let Some((word, code)) = inline.and_then(|(at, code)| Some((rest.get(at)?, code))) {
        let code = Word { text: code.to_owned(), ..word.clone() };
        return script_word(&without_program(context, name), name, &code, None, out);
    }
    if let Some((variable, _, index)) =
        context.assignments.iter().find(|(n, v, _)| matches!(n.as_str(), "BASH_ENV" | "ENV") && !v.is_empty())
    {
        let why = opaque(*index, format!("`{variable}` names a file that the shell runs first"));
        out.push(unknown(&context.inside(name), Tool::Other, name, why));
    }
    let operand = rest.get(at);
    if reads_command {
        let inner = without_program(context, name);
        if let Some(code) = operand {
            // `$0` comes first.
            let words = rest.get(at + 2..).unwrap_or_default();
            let known = !context.open && words.iter().all(|w| !w.expands);
            let positional = known.then(|| words.iter().map(|w| w.text.clone()).collect());
            script_word(&inner, name, code, positional, out);
        } else if context.open {
            let why = opaque(first.index, "the script comes from standard input");
            out.push(unknown(&inner, Tool::Other, name, why));
        }
        return;
    }
    match operand {
        Some(file) if !reads_input && !is_input(&file.text) => {
            if file.expands && !context.open {
                let why = opaque(file.index, format!("runs `{}`", shown(&file.text)));
                out.push(unknown(&context.inside(name), Tool::Other, name, why));
            } else {
                let arguments = rest.get(at + 1..).unwrap_or_default();
                run_file(&context.inside(name), file, arguments, By::Shell, out);
            }
        }
        _ => from_input(&context.inside(name), first, out),
    }
}

/// Inside `sh -c`, which has a `$0` of its own.
fn without_program<'c>(context: &Context<'c>, name: &str) -> Context<'c> {
    Context { program: None, ..context.inside(&format!("{name} -c")) }
}

/// A word that is a script.
fn script_word(
    inner: &Context<'_>,
    name: &str,
    code: &Word,
    positional: Option<Vec<String>>,
    out: &mut Vec<Invocation>,
) {
    match (code.expands, &code.template) {
        (false, _) => script::read(inner, &code.text, positional, code.index, out),
        // What is not known stands as a variable in it, so that it makes doubtful what it would make doubtful.
        (true, Some(template)) => script::read(inner, template, positional, code.index, out),
        (true, None) => {
            let why = opaque(code.index, format!("runs `{}` as a script", shown(&code.text)));
            out.push(unknown(inner, Tool::Other, name, why));
        }
    }
}

/// `cmd /c npm install x`.
fn windows_shell(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    let start = rest.iter().position(|w| matches!(w.text.to_ascii_lowercase().as_str(), "/c" | "/k" | "/s/c" | "/r"));
    let Some(words) = start.and_then(|at| rest.get(at + 1..)) else { return };
    let plain = |w: &Word| !w.text.contains(['&', '|', '%', '^', '<', '>', '"', '(', ')', '!', ' ']);
    if words.iter().all(plain) {
        reading::read(&context.inside("cmd /c"), words, out);
    } else {
        blocked(context, "cmd", first, words, out);
    }
}

/// `node path/npm-cli.js install x`; `None` for anything else that node runs.
pub(super) fn node(context: &Context<'_>, program: &str, rest: &[Word]) -> Option<Understood> {
    let takes_value = |option: &str| {
        matches!(
            option,
            "-r" | "--require"
                | "--import"
                | "--loader"
                | "--experimental-loader"
                | "-C"
                | "--conditions"
                | "--env-file"
                | "--env-file-if-exists"
                | "--stack-trace-limit"
                | "--input-type"
                | "--title"
                | "--max-old-space-size"
                | "--openssl-config"
                | "--icu-data-dir"
                | "--dns-result-order"
                | "--unhandled-rejections"
        )
    };
    let mut at = 0;
    while let Some(word) = rest.get(at).filter(|w| w.text.starts_with('-') && w.text.len() > 1) {
        at += 1;
        match word.text.as_str() {
            "--" => break,
            "-e" | "--eval" | "-p" | "--print" | "-pe" => {
                let given = rest.get(at)?;
                return code::given(context, Tool::Npm, program, given).map(Into::into);
            }
            // A script of package.json, as npm would run it but for those before and after it.
            option if option == "--run" || option.starts_with("--run=") => {
                let named = match option.strip_prefix("--run=") {
                    Some(name) => Word { text: name.to_owned(), ..word.clone() },
                    None => rest.get(at)?.clone(),
                };
                let verb = Word { text: "run".to_owned(), ..word.clone() };
                return Some(npm::npm(context, program, &[verb, named]));
            }
            option => at += usize::from(takes_value(option)),
        }
    }
    let Some(script) = rest.get(at).filter(|w| w.text != "-") else {
        let help = rest.iter().any(|w| matches!(w.text.as_str(), "-v" | "--version" | "-h" | "--help"));
        return if help { None } else { code::read_from_input(context, Tool::Npm, program, rest).map(Into::into) };
    };
    if script.expands && names_a_tool(&script.text) {
        let why = opaque(script.index, format!("runs `{}`", shown(&script.text)));
        return Some(unknown(context, Tool::Npm, program, why).into());
    }
    if let Some(found) = code::in_written_file(context, Tool::Npm, program, script) {
        return Some(found.into());
    }
    let words = rest.get(at + 1..).unwrap_or_default();
    let name = program_name(&script.text);
    let tool = match name.as_str() {
        "npm" | "npm-cli.js" | "npm-cli" => super::npm::npm,
        "npx" | "npx-cli.js" | "npx-cli" => super::npm::npx,
        "pnpm" | "pnpm.cjs" | "pnpm.js" | "pnpm.mjs" => super::pnpm::pnpm,
        "pnpx" | "pnpx.cjs" => super::pnpm::pnpx,
        "corepack" | "corepack.js" => super::corepack::read,
        "yarn" | "yarn.js" | "yarn.cjs" => super::yarn::read,
        _ if name.starts_with("yarn-") && (name.ends_with("js")) => super::yarn::read,
        _ => return None,
    };
    let mut understood = tool(context, &script.text, words);
    program.clone_into(&mut understood.invocation.program);
    Some(understood)
}
