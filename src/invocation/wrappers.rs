//! Programs that run another command line: sudo, env, xargs, `sh -c 'a && b'`, node with a tool's script.
//!
//! In: the words after the wrapper. Out: the invocations of what it runs, each with the wrapper's name and what the
//! wrapper changes (variables, directory). A wrapper that cannot be seen through, around words that name a package
//! tool, is opaque. Shell text is split into simple commands by [`super::splitter`].

use super::FlagEffect::Neutral;
use super::engine::{Opt, Scan, Style, Word, equals, flag, joined, opaque, scan, shown, value};
use super::python::names_a_tool;
use super::reading::{self, Context, Understood, program_name, unknown};
use super::splitter::{Command, split};
use super::{Effect, Invocation, Tool};

/// Commands of one script beyond this are not read.
const MAX_COMMANDS: usize = 200;

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
    wrapper("doas", &[flag("-L, -n, -s", Neutral), value("-a, -C, -u", Neutral)], Then::Command(0)),
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
    wrapper("command", &[flag("-p", Neutral)], Then::Command(0)),
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
    "parallel",
    "watch",
    "entr",
    "script",
    "strace",
    "ltrace",
    "gdb",
    "find",
    "fd",
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
    "at",
    "batch",
    "npm-run-all",
    "concurrently",
    "perl",
    "ruby",
    "osascript",
    "awk",
    "gawk",
    "setpriv",
    "capsh",
    "daemonize",
    "retry",
    "uvtool",
    "rtk",
];

const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ash", "ksh", "mksh", "rbash", "fish", "yash", "posh", "rc"];

/// Reads a command that is no package tool's: through its wrappers, or not at all.
pub(super) fn read(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    if SHELLS.contains(&name) {
        return shell(context, name, rest, out);
    }
    if name == "eval" {
        let text: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
        return script(&context.inside("eval"), &text.join(" "), first.index, out);
    }
    if name == "cmd" {
        return windows_shell(context, first, rest, out);
    }
    if let Some(found) = WRAPPERS.iter().find(|w| w.names.split_ascii_whitespace().any(|n| n == name)) {
        return see_through(context, name, found, rest, out);
    }
    if ELSEWHERE.contains(&name) {
        return blocked(context, name, first, rest, out);
    }
    if name == "easy_install" || name.starts_with("easy_install-") {
        let why = opaque(first.index, "what easy_install brings in is not read");
        return out.push(unknown(context, Tool::Pip, &first.text, why));
    }
    if name == "deno" {
        return deno(context, first, rest, out);
    }
    if !MENTIONS.contains(&name) {
        strange(context, first, rest, out);
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

/// Programs that name a package tool without running it here.
const MENTIONS: &[&str] = &[
    "echo",
    "printf",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "ag",
    "ack",
    "man",
    "info",
    "which",
    "where",
    "whereis",
    "type",
    "hash",
    "whatis",
    "apropos",
    "tldr",
    "git",
    "gh",
    "hg",
    "svn",
    "ssh",
    "mosh",
    "docker",
    "podman",
    "nerdctl",
    "kubectl",
    "vagrant",
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
    "nix-env",
    "pkg",
    "emerge",
    "cat",
    "less",
    "more",
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
    "sed",
    "make",
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
    "sort",
    "chmod",
    "chown",
    "ln",
    "tar",
    "zip",
    "code",
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
    "claude",
    "codex",
];

/// A program that nobody knows, with a package command among its words: it may well run it.
fn strange(context: &Context<'_>, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    for (at, word) in rest.iter().enumerate().take(64) {
        let words = rest.get(at..).unwrap_or_default();
        if words.len() < 2 || word.text.contains(char::is_whitespace) || !names_a_tool(&word.text) {
            continue;
        }
        let (inner, name) = (context.inside(&first.text), program_name(&word.text));
        let understood = reading::tool(&inner, &name, word, words.get(1..).unwrap_or_default());
        if understood.is_some_and(|u| !matches!(u.invocation.effect, Effect::Nothing | Effect::Unknown)) {
            let why =
                opaque(word.index, format!("what `{}` does with a package command is not known", shown(&first.text)));
            out.push(unknown(context, Tool::Other, &first.text, why));
            return;
        }
    }
}

/// A wrapper that is not seen through: opaque if a package tool is named anywhere in its words.
fn blocked(context: &Context<'_>, name: &str, first: &Word, rest: &[Word], out: &mut Vec<Invocation>) {
    if let Some(word) = rest.iter().find(|w| names_a_tool(&w.text)) {
        let why = opaque(word.index, format!("what `{}` runs is not read", shown(&first.text)));
        out.push(unknown(&context.inside(name), Tool::Other, &first.text, why));
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
    if name == "flock"
        && let Some((option, [code, ..])) = words.split_first()
        && matches!(option.text.as_str(), "-c" | "--command")
    {
        return script(&inner, &code.text, code.index, out);
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
        "command" | "exec" => {}
        _ => {}
    }
    let Some(words) = surroundings(&mut inner, name, &scanned, words) else {
        return blocked(context, name, words.first().unwrap_or(&Word::new(name, 0)), words, out);
    };
    if name.ends_with("xargs") {
        return arguments_from_input(&inner, &words, out);
    }
    reading::read(&inner, &words, out);
}

/// What a wrapper's options and assignments change; the words of the command. `None` when it runs elsewhere.
fn surroundings(inner: &mut Context<'_>, name: &str, scanned: &Scan, words: &[Word]) -> Option<Vec<Word>> {
    let mut words = words.to_vec();
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
            ("env", "-S") => match simple_words(&value, given.value_index) {
                Some(split) => words = split.into_iter().chain(words).collect(),
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

/// `NAME=value`, as `env` and a shell read it.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || "_@:./-".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    good.then_some((name, value))
}

fn assign(context: &mut Context<'_>, word: &Word) {
    let Some((name, value)) = assignment(&word.text) else { return };
    context.removed.retain(|n| n != name);
    context.assignments.push((name.to_owned(), value.to_owned(), word.index));
    if word.expands && concerns_a_tool(name) {
        context.opaque.push(opaque(word.index, format!("the value of `{}` is not known", shown(name))));
    }
    if replaces_surroundings(name, value) {
        let reason = format!("`{}` changes what the tool loads or which configuration it reads", shown(name));
        context.opaque.push(opaque(word.index, reason));
    }
}

/// Whether a variable puts other code into a tool, or another user's configuration in the place of this one's.
fn replaces_surroundings(name: &str, value: &str) -> bool {
    let loads = ["--require", "-r ", "--import", "--loader", "--experimental-loader", "-r="];
    match name.to_ascii_uppercase().as_str() {
        "HOME" | "USERPROFILE" | "APPDATA" | "XDG_CONFIG_HOME" | "XDG_CONFIG_DIRS" | "CARGO_HOME" | "NETRC" => true,
        "PIP_CONFIG_FILE" | "UV_CONFIG_FILE" | "NPM_CONFIG_USERCONFIG" | "NPM_CONFIG_GLOBALCONFIG" => {
            value != "/dev/null"
        }
        "LD_PRELOAD" | "LD_AUDIT" | "DYLD_INSERT_LIBRARIES" | "BASH_ENV" | "PYTHONPATH" | "PYTHONHOME" => {
            !value.is_empty()
        }
        "NODE_OPTIONS" => loads.iter().any(|l| value.contains(l)),
        _ => false,
    }
}

/// Whether a variable can change what a package tool does.
fn concerns_a_tool(name: &str) -> bool {
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

/// `xargs pip install`: the words that follow are not there yet.
fn arguments_from_input(inner: &Context<'_>, words: &[Word], out: &mut Vec<Invocation>) {
    let mut found = Vec::new();
    reading::read(inner, words, &mut found);
    let at = words.last().map_or(0, |w| w.index);
    for mut invocation in found {
        let settled = invocation.effect == Effect::Nothing && SETTLED.contains(&invocation.verb.as_str());
        if invocation.tool != Tool::Other && !settled {
            invocation.effect = Effect::Unknown;
            invocation.opaque.push(opaque(at, "further words come from standard input"));
        }
        out.push(invocation);
    }
}

/// `sh -c 'script' …`, `bash -lc 'script'`.
fn shell(context: &Context<'_>, name: &str, rest: &[Word], out: &mut Vec<Invocation>) {
    let mut reads_command = false;
    let mut at = 0;
    while let Some(word) = rest.get(at).filter(|w| w.text.len() > 1 && w.text.starts_with(['-', '+'])) {
        at += 1;
        let text = word.text.as_str();
        match text {
            "--" => break,
            "--rcfile" | "--init-file" | "--command" | "--init-command" => {
                reads_command |= text == "--command";
                at += usize::from(text != "--command");
            }
            _ if text.starts_with("--") => {
                if let Some(code) = text.strip_prefix("--command=") {
                    return script(&context.inside(&format!("{name} -c")), code, word.index, out);
                }
            }
            _ => {
                reads_command |= text.starts_with('-') && text.contains('c');
                at += usize::from(text.ends_with(['o', 'O']));
            }
        }
    }
    if !reads_command {
        // A script's file, or standard input: what they run is judged when it runs.
        return;
    }
    if let Some(code) = rest.get(at) {
        let inner = context.inside(&format!("{name} -c"));
        if code.expands && names_a_tool(&code.text) {
            out.push(unknown(
                &inner,
                Tool::Other,
                name,
                opaque(code.index, "a script with expansions inside a script"),
            ));
            return;
        }
        script(&inner, &code.text, code.index, out);
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
                let code = rest.get(at)?;
                let why = opaque(code.index, "runs code that names a package tool");
                return names_a_tool(&code.text).then(|| unknown(context, Tool::Npm, program, why).into());
            }
            option => at += usize::from(takes_value(option)),
        }
    }
    let script = rest.get(at)?;
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

/// Reads the commands of a script, in order; assignments and directories carry over.
fn script(context: &Context<'_>, text: &str, index: usize, out: &mut Vec<Invocation>) {
    let mut state = context.clone();
    let (mut commands, beyond) = split(text, index);
    let unread = commands.split_off(commands.len().min(MAX_COMMANDS));
    for command in commands {
        if command.apart && is_bare_shell(&command.words) && names_a_tool(text) {
            let why = opaque(index, "a shell runs what a pipe gives it");
            out.push(unknown(&state, Tool::Other, "sh", why));
        }
        simple(&mut state, command, out);
    }
    if let Some(word) = unread.iter().flat_map(|c| &c.words).find(|w| names_a_tool(&w.text) || w.expands) {
        let why = opaque(index, format!("more than {MAX_COMMANDS} commands: the rest is not read"));
        out.push(unknown(&state, Tool::Other, &word.text, why));
    }
    if let Some((reason, rest)) = beyond.filter(|(_, rest)| names_a_tool(rest)) {
        let program = rest.split_whitespace().next().unwrap_or_default();
        out.push(unknown(&state, Tool::Other, program, opaque(index, reason)));
    }
}

/// `sh`, `bash -s`, `python3 -`: an interpreter that runs its standard input.
fn is_bare_shell(words: &[Word]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    let name = program_name(&first.text);
    let reads = SHELLS.contains(&name.as_str())
        || reading::is_python(&name)
        || matches!(name.as_str(), "node" | "perl" | "ruby");
    reads && rest.first().is_none_or(|w| matches!(w.text.as_str(), "-" | "-s" | "-x" | "-e" | "-l" | "/dev/stdin"))
}

fn simple(state: &mut Context<'_>, command: Command, out: &mut Vec<Invocation>) {
    let mut words = command.words;
    while words.first().is_some_and(|w| w.text == "!" && !w.expands) {
        words.remove(0);
    }
    let end = words.iter().position(|w| assignment(&w.text).is_none()).unwrap_or(words.len());
    let set: Vec<Word> = words.drain(..end).collect();
    let Some(first) = words.first() else {
        set.iter().for_each(|w| assign(state, w));
        return;
    };
    let rest = words.get(1..).unwrap_or_default();
    match first.text.as_str() {
        "cd" | "pushd" | "chdir" => change_directory(state, rest, command.apart),
        // What a name stands for, or what runs later, is text of a script as well.
        "trap" => {
            if let Some(code) = rest.iter().find(|w| w.text != "--") {
                script(&state.inside("trap"), &code.text, code.index, out);
            }
        }
        "alias" if rest.iter().any(|w| names_a_tool(&w.text)) => {
            out.push(unknown(state, Tool::Other, "alias", opaque(first.index, "an alias for a package tool")));
        }
        "popd" => state.opaque.push(opaque(first.index, "the directory is not known after `popd`")),
        "export" | "declare" | "typeset" | "readonly" | "local" => rest.iter().for_each(|w| assign(state, w)),
        "unset" => {
            for word in rest {
                state.assignments.retain(|(n, _, _)| *n != word.text);
                state.removed.push(word.text.clone());
            }
        }
        _ => {
            let mut inner = state.clone();
            set.iter().for_each(|w| assign(&mut inner, w));
            reading::read(&inner, &words, out);
        }
    }
}

fn change_directory(state: &mut Context<'_>, rest: &[Word], apart: bool) {
    let operand = rest.iter().find(|w| !matches!(w.text.as_str(), "--" | "-P" | "-L" | "-q"));
    match operand {
        Some(word) if word.expands || word.text == "-" || apart => {
            let reason = format!("the directory is not known after `cd {}`", shown(&word.text));
            state.opaque.push(opaque(word.index, reason));
        }
        Some(word) => state.directory = Some(joined(state.directory.as_deref(), &word.text)),
        None => state.directory = Some("~".to_owned()),
    }
}

/// The words of one simple command, or `None` when the text is more than that.
pub(super) fn simple_words(text: &str, index: usize) -> Option<Vec<Word>> {
    let (mut commands, beyond) = split(text, index);
    match (beyond, commands.len()) {
        (None, 0) => Some(Vec::new()),
        (None, 1) => commands.pop().map(|c| c.words),
        _ => None,
    }
}
