//! The shell's own commands that change what later ones mean: `cd`, `export`, `eval`, `source`, `read` and their like,
//! and the files that common programs write.

use std::rc::Rc;

use super::state::{Content, State, Variable, joined, place};
use super::walk::{Walker, nothing, shown};
use super::{Directory, Opaque, SimpleCommand, Stream, Word};

/// The shell's own commands that run others, or change what later ones mean: no program of that name does it.
pub(super) fn is_prefix(name: &str) -> bool {
    matches!(name, "." | "source" | "eval" | "builtin" | "cd" | "pushd" | "popd" | "export" | "alias" | "trap")
}

/// Programs whose output is data: names, numbers, dates.
pub(super) fn prints_data(name: &str, verb: &str) -> bool {
    const DATA: &[&str] = &[
        "pwd",
        "date",
        "whoami",
        "hostname",
        "id",
        "nproc",
        "git",
        "basename",
        "dirname",
        "uname",
        "mktemp",
        "ls",
        "find",
        "fd",
        "which",
        "command",
        "type",
        "realpath",
        "readlink",
        "wc",
        "seq",
        "expr",
        "arch",
        "getconf",
        "tty",
        "groups",
        "stat",
        "du",
        "df",
        "sort",
        "head",
        "tail",
        "cut",
        "tr",
        "grep",
        "uniq",
        "xdg-user-dir",
        "sha256sum",
        "md5sum",
        "shasum",
        "lsof",
        "pgrep",
        "jq",
        "node",
        "rustc",
        "sysctl",
    ];
    DATA.contains(&name) || (matches!(name, "npm" | "yarn" | "pnpm") && matches!(verb, "bin" | "root" | "prefix"))
}

/// Files of shell text that set up a tool and are known to define no package command anew.
fn sets_up_a_tool(path: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "/activate",
        "/activate.sh",
        "/activate.fish",
        "/activate.zsh",
        "/.cargo/env",
        "/nvm.sh",
        "/conda.sh",
        "/mamba.sh",
        "/.bashrc",
        "/.bash_profile",
        "/.zshrc",
        "/.profile",
        "/etc/profile",
        "/etc/os-release",
        "/.ghcup/env",
        "/sdkman-init.sh",
        "/asdf.sh",
        "/.asdf/asdf.sh",
        "/cargo/env",
        "/bash_completion",
        "/oneapi/setvars.sh",
        "/emsdk_env.sh",
    ];
    let path = format!("/{path}");
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

impl Walker<'_> {
    /// What a builtin prints, once it has changed the state; `None` for any other command.
    pub fn builtin(&mut self, name: &str, rest: &[Word], command: &SimpleCommand, state: &mut State) -> Option<Stream> {
        let span = command.span;
        match name {
            "cd" | "chdir" | "pushd" => self.change_directory(name, rest, state),
            "popd" => {
                let mut stack = state.stack.to_vec();
                let back = stack.pop().unwrap_or_else(|| Directory::Unknown("`popd`".to_owned()));
                state.stack = Rc::new(stack);
                state.previous = Rc::new(std::mem::replace(&mut state.directory, back));
            }
            "export" | "declare" | "typeset" | "readonly" | "local" => {
                // Whoever sets the gate's own variables has to answer for it.
                if rest.iter().any(|w| w.raw.contains("TIDEWAITER")) {
                    self.emit(command.clone());
                }
                self.declare(name, rest, state);
            }
            "unset" => {
                for name in rest.iter().filter_map(|w| w.text.as_deref()).filter(|n| !n.starts_with('-')) {
                    let gone = Variable { text: Some(Rc::from("")), removed: true, ..Variable::default() };
                    if !name.contains('[') {
                        state.set(name, gone);
                    }
                    if state.functions.contains_key(name) {
                        Rc::make_mut(&mut state.functions).remove(name);
                    }
                }
            }
            "read" | "mapfile" | "readarray" | "getopts" | "let" | "wait" => {
                for word in rest {
                    match &word.text {
                        Some(text) if name == "let" => self.counted(text, state),
                        Some(text) => state.forget(text),
                        None => state.forget_all(|_| true),
                    }
                }
                let fallback = if name == "read" { "REPLY" } else { "MAPFILE" };
                state.forget(fallback);
                self.emit(command.clone());
            }
            "printf" if rest.first().is_some_and(|w| w.text.as_deref() == Some("-v")) => {
                match rest.get(1).and_then(|w| w.text.as_deref()) {
                    Some(variable) => state.forget(variable),
                    None => state.forget_all(|_| true),
                }
                self.emit(command.clone());
            }
            "set" => Self::positional(rest, state),
            "shift" => {
                let count = rest.first().map_or(Some(1), |w| w.text.as_deref().and_then(|t| t.parse::<usize>().ok()));
                state.positional = match (state.positional.take(), count) {
                    (Some(list), Some(count)) => Some(Rc::new(list.iter().skip(count).cloned().collect())),
                    _ => None,
                };
            }
            "alias" => {
                for word in rest {
                    match word.text.as_deref().map(|t| t.split_once('=')) {
                        Some(Some((name, text))) if state.aliases.len() < 256 => {
                            Rc::make_mut(&mut state.aliases).insert(name.to_owned(), text.to_owned());
                        }
                        Some(None) => {}
                        _ => state.doubt(Opaque { reason: format!("the alias `{}`", shown(word)), span: word.span }),
                    }
                }
            }
            "hash" => {
                // `hash -p PROGRAM NAME`: the name stands for that program.
                let words: Vec<&str> = rest.iter().filter_map(|w| w.text.as_deref()).collect();
                if let ["-p", program, name] = words.as_slice()
                    && state.aliases.len() < 256
                {
                    let text = crate::model::shell_line(&[(*program).to_owned()]);
                    Rc::make_mut(&mut state.aliases).insert((*name).to_owned(), text);
                }
                self.emit(command.clone());
            }
            "unalias" => {}
            "eval" => {
                let rest = match rest.split_first() {
                    Some((first, after)) if first.text.as_deref() == Some("--") => after,
                    _ => rest,
                };
                let pieces: Option<Vec<&str>> =
                    rest.iter().map(|w| w.text.as_deref().or(w.template.as_deref())).collect();
                match pieces {
                    Some(pieces) => return Some(self.text(&pieces.join(" "), span, state)),
                    None => self.emit(command.clone()),
                }
            }
            "source" | "." => self.source(rest, command, state),
            "trap" => {
                let action = rest.iter().find(|w| !matches!(w.text.as_deref(), Some("--" | "-p" | "-l")));
                match action.map(|w| (w, w.text.as_deref().or(w.template.as_deref()))) {
                    Some((_, Some(text))) if rest.len() > 1 && text != "-" => {
                        let mut later = state.clone();
                        later.origin.conditional = true;
                        self.text(text, span, &mut later);
                    }
                    Some((word, None)) => self.opaque(format!("a trap that runs `{}`", shown(word)), word.span),
                    _ => {}
                }
            }
            "exit" | "return" | "break" | "continue" | "logout" => state.ended = true,
            "exec" if rest.is_empty() => {}
            "exec" => {
                self.emit(command.clone());
                state.ended = true;
            }
            _ => return None,
        }
        Some(nothing())
    }

    fn change_directory(&mut self, name: &str, rest: &[Word], state: &mut State) {
        let is_option = |w: &&Word| w.text.as_deref().is_some_and(|t| t.len() > 1 && t.starts_with('-'));
        let operand = rest.iter().find(|w| !is_option(w));
        let line = |operand: &Word| Directory::Unknown(format!("`{name} {}`", shown(operand)));
        let searched = state.variables.contains_key("CDPATH");
        let new = match operand {
            None if name == "pushd" => Directory::Unknown("`pushd`".to_owned()),
            None => Directory::Known("~".to_owned()),
            Some(word) => match (word.text.as_deref(), &state.directory) {
                (Some("-"), _) => Directory::clone(&state.previous),
                (Some(""), same) => same.clone(),
                (Some(path), _) if path.starts_with('/') => Directory::Known(path.to_owned()),
                (Some(path), _) if path.starts_with('~') => {
                    // `~user` is a place that only the shell knows.
                    if path == "~" || path.starts_with("~/") { Directory::Known(path.to_owned()) } else { line(word) }
                }
                (Some(path), _) if path.starts_with('+') && name == "pushd" => line(word),
                (Some(_), Directory::Unknown(why)) => Directory::Unknown(why.clone()),
                (Some(path), Directory::Known(_)) if searched && !path.starts_with('.') => line(word),
                (Some(path), Directory::Known(before)) => Directory::Known(joined(before, path)),
                (None, _) => line(word),
            },
        };
        for name in ["PWD", "OLDPWD"] {
            if state.variables.contains_key(name) {
                Rc::make_mut(&mut state.variables).remove(name);
            }
        }
        if name == "pushd" {
            let mut stack = state.stack.to_vec();
            if stack.len() < 64 {
                stack.push(state.directory.clone());
            }
            state.stack = Rc::new(stack);
        }
        let long = matches!(&new, Directory::Known(d) if d.len() > 4096);
        let new = if long { Directory::Unknown("a path too long to follow".to_owned()) } else { new };
        state.previous = Rc::new(std::mem::replace(&mut state.directory, new));
    }

    fn declare(&mut self, name: &str, rest: &[Word], state: &mut State) {
        let letters: String =
            rest.iter().filter_map(|w| w.text.as_deref()?.strip_prefix('-')).collect::<Vec<_>>().concat();
        if letters.contains('f') || letters.contains('F') || letters.contains('p') {
            return;
        }
        let exported = name == "export" || letters.contains('x');
        for word in rest {
            self.spend(state.copying() as usize);
            let raw = shown(word);
            let (target, value) = match raw.split_once('=') {
                Some((target, value)) => (target, Some(value)),
                None => (raw.as_str(), None),
            };
            let append = target.ends_with('+');
            let target = target.trim_end_matches('+');
            let good = !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good {
                if word.text.is_none() {
                    // A name that is not known: any variable may have changed.
                    state.forget_all(|_| true);
                }
                continue;
            }
            self.assigned(target);
            let variable = match (value, state.variables.get(target)) {
                (None, Some(same)) => Variable { exported: same.exported || exported, ..same.clone() },
                (None, None) => continue,
                (Some(value), _) => {
                    let known = word.text.is_some() && !append && !letters.contains(['n', 'i', 'u', 'l', 'a', 'A']);
                    let plain = word.text.is_none() && word.template.is_some();
                    Variable { text: known.then(|| Rc::from(value)), exported, plain, ..Variable::default() }
                }
            };
            state.set(target, variable);
        }
    }

    /// `set -- a b`; `set -e` changes nothing here.
    fn positional(rest: &[Word], state: &mut State) {
        let at = rest.iter().position(|w| w.text.as_deref() == Some("--"));
        let start = match at {
            Some(at) => Some(at + 1),
            None => rest.iter().position(|w| w.text.as_deref().is_none_or(|t| !t.starts_with(['-', '+']))),
        };
        if let Some(words) = start.and_then(|s| rest.get(s..)) {
            if at.is_none() && words.first().is_some_and(|w| w.text.as_deref() == Some("pipefail")) {
                return;
            }
            let list: Option<Vec<String>> = words.iter().map(|w| w.text.clone()).collect();
            state.positional = list.map(Rc::new);
        }
    }

    /// `source FILE`: a file that the text wrote is followed; another may change what later commands mean.
    fn source(&mut self, rest: &[Word], command: &SimpleCommand, state: &mut State) {
        let Some(file) = rest.first() else { return };
        // The first of the files that a pattern names.
        let named = self.named_by(file, state);
        let nothing = named.as_ref().is_some_and(Vec::is_empty);
        let first = named.and_then(|found| found.into_iter().next()).map(|name| file.of_file(name));
        let file = first.as_ref().unwrap_or(file);
        let at = file.text.as_ref().map(|path| place(&state.directory, path));
        match at.and_then(|at| state.written.get(&at).cloned()) {
            Some(Content::Text(text)) => {
                self.text(&text, command.span, state);
                return;
            }
            Some(Content::Made) => {
                self.opaque(format!("`source {}`, which an earlier command writes", shown(file)), command.span);
                return;
            }
            Some(Content::Changed | Content::Directory | Content::Replaced) | None => {}
        }
        let ending = file.text.as_deref().unwrap_or(&file.tail);
        if file.raw.starts_with("<(") || ending.starts_with("/dev/") {
            match (&command.input, ending) {
                (Stream::Text(text), "/dev/stdin") => {
                    let text = Rc::clone(text);
                    self.text(&text, command.span, state);
                }
                _ => self.opaque("`source` of what a command prints", command.span),
            }
            return;
        }
        if let (Some(path), false) = (&file.text, sets_up_a_tool(ending)) {
            let outside = state.positional.clone();
            if let Some(arguments) = rest.get(1..).filter(|r| !r.is_empty()) {
                let known: Option<Vec<String>> = arguments.iter().map(|w| w.text.clone()).collect();
                state.positional = known.map(Rc::new);
            }
            let followed = self.sourced(place(&state.directory, path), command.span, state);
            state.positional = outside;
            if followed {
                return;
            }
        }
        if file.pattern.is_some() && !nothing && !sets_up_a_tool(ending) {
            self.opaque(format!("`source {}`, which may name any file", shown(file)), command.span);
            return;
        }
        self.emit(command.clone());
        if !sets_up_a_tool(ending) {
            let reason = format!("what `source {}` changes is not known", shown(file));
            state.doubt(Opaque { reason, span: command.span });
            state.forget_all(|name| name != "IFS");
        }
    }
}

impl Walker<'_> {
    /// Notes the files that a program writes: copies, downloads, edits in place.
    pub fn files_of(&self, name: &str, rest: &[Word], input: &Stream, state: &mut State) {
        let disk = |place: &str| self.disk(place);
        files(name, rest, input, state, &disk);
    }
}

/// A link to a program, or its copy, does what the program does: `ln -s $(which pip) x`.
fn stands_for(source: &Word) -> Option<Content> {
    let raw = source.raw.trim_matches('"');
    let program = match &source.text {
        Some(path) if path.contains("/bin/") => crate::model::shell_line(std::slice::from_ref(path)),
        None if raw.starts_with("$(") || raw.starts_with('`') => source.raw.clone(),
        _ => return None,
    };
    Some(Content::Text(Rc::from(format!("exec {program} \"$@\""))))
}

fn files(name: &str, rest: &[Word], input: &Stream, state: &mut State, disk: &dyn Fn(&str) -> Option<Content>) {
    let options_with = |names: &[&str]| -> Option<String> {
        let at = rest.iter().position(|w| w.text.as_deref().is_some_and(|t| names.contains(&t)))?;
        rest.get(at + 1)?.text.clone()
    };
    let operands = || rest.iter().filter_map(|w| w.text.as_deref()).filter(|t| !t.starts_with('-') || *t == "-");
    let last_of_url = |url: &str| {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().filter(|n| !n.is_empty()).map(str::to_owned)
    };
    match name {
        "curl" => {
            if let Some(path) = options_with(&["-o", "--output"]) {
                state.write(&path, Content::Made);
            }
            let clusters = |w: &Word| w.text.as_deref().is_some_and(|t| t.starts_with('-') && !t.starts_with("--"));
            for (at, word) in rest.iter().enumerate().filter(|(_, w)| clusters(w)) {
                let text = word.text.as_deref().unwrap_or_default();
                let target = rest.get(at + 1).and_then(|w| w.text.as_deref());
                if let Some(path) = target.filter(|_| text.len() > 2 && text.ends_with('o')) {
                    state.write(path, Content::Made);
                }
                if text.contains('O') {
                    let names: Vec<String> = operands().filter_map(last_of_url).collect();
                    names.iter().for_each(|n| state.write(n, Content::Made));
                }
            }
        }
        "wget" => {
            let path = options_with(&["-O", "--output-document", "-qO"]);
            let names: Vec<String> = match path {
                Some(path) if path != "-" => vec![path],
                Some(_) => Vec::new(),
                None => operands().filter_map(last_of_url).collect(),
            };
            names.iter().for_each(|n| state.write(n, Content::Made));
        }
        "tee" => {
            let all: Vec<String> = operands().map(str::to_owned).collect();
            for target in all {
                let content = match input {
                    Stream::Text(text) if rest.len() == 1 => Content::Text(Rc::clone(text)),
                    Stream::File => Content::Changed,
                    _ => Content::Made,
                };
                state.write(&target, content);
            }
        }
        "cp" | "mv" | "install" | "ln" | "rsync" | "scp" => {
            let all: Vec<&Word> = rest.iter().filter(|w| !w.raw.starts_with('-')).collect();
            if let Some((last, sources)) = all.split_last()
                && let Some(target) = last.text.clone()
            {
                for source in sources {
                    // A copy holds what the text put into the original; into a directory, under the same name.
                    let path = source.text.as_deref();
                    let from = path.map(|path| place(&state.directory, path));
                    let written = from.as_ref().and_then(|from| state.written.get(from).cloned());
                    // A tool finds the rest of itself by the path that it is started from, so that its text says little.
                    let program = || stands_for(source).filter(|_| path.is_some_and(|p| p.starts_with(['/', '~'])));
                    let known = written.or_else(program).or_else(|| from.as_ref().and_then(|from| disk(from)));
                    let content = known.or_else(|| stands_for(source)).unwrap_or(Content::Changed);
                    state.write(&target, content.clone());
                    let name = path.unwrap_or_default().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                    if !name.is_empty() {
                        state.write(&format!("{}/{name}", target.trim_end_matches('/')), content);
                    }
                }
                let sources: Vec<&str> = sources.iter().filter_map(|w| w.text.as_deref()).collect();
                let target = &target;
                // The contents of a directory, not the directory: `rsync -a new/ .`, `cp -r new/. .`.
                if sources.iter().any(|s| s.ends_with(['/', '*']) || s.ends_with("/.")) {
                    state.write(target, Content::Replaced);
                }
            }
        }
        "mkdir" => {
            let all: Vec<String> = operands().map(str::to_owned).collect();
            for target in all {
                let place = place(&state.directory, &target);
                // With `-p` one that is there stays as it is.
                if !state.written.contains_key(&place) {
                    state.write(&target, Content::Directory);
                }
            }
        }
        // A directory with what a repository holds.
        "git" | "gh" | "hg" | "svn" => {
            let words: Vec<&str> = operands().collect();
            let at = words.iter().position(|w| *w == "clone" || (name == "svn" && matches!(*w, "checkout" | "co")));
            let mut after = at.and_then(|at| words.get(at + 1..)).unwrap_or_default().iter();
            // Values of options (`--depth 1`) stand before it.
            let url = after.find(|w| w.contains(['/', ':']));
            let made = url.and_then(|url| match after.next() {
                Some(directory) => Some((*directory).to_owned()),
                None => last_of_url(url.trim_end_matches('/')).map(|n| n.trim_end_matches(".git").to_owned()),
            });
            if let Some(made) = made {
                state.write(&made, Content::Made);
            }
            if moves_the_tree(name, &words, rest) {
                // A repository is more than the directory that its program runs in.
                state.write(".", Content::Replaced);
                state.write("/", Content::Replaced);
            }
        }
        "patch" => state.write(".", Content::Replaced),
        "tar" | "bsdtar" | "gtar" | "unzip" | "7z" | "7za" | "cpio" | "pax" | "ditto" if unpacks(name, rest) => {
            let into = options_with(&["-C", "--directory", "--cd", "-d"]);
            state.write(into.as_deref().unwrap_or("."), Content::Replaced);
        }
        "dd" => {
            let target = rest.iter().find_map(|w| w.text.as_deref()?.strip_prefix("of="));
            if let Some(target) = target {
                state.write(target, Content::Made);
            }
        }
        "ed" | "ex" | "red" | "truncate" | "sponge" => {
            let all: Vec<String> = operands().map(str::to_owned).collect();
            all.iter().for_each(|t| state.write(t, Content::Changed));
        }
        "npm" | "pnpm" | "yarn" | "bun" | "pip" | "pip3" | "poetry" | "pdm" | "pipenv" | "uv" => {
            let words: Vec<&str> = operands().collect();
            // `npm pkg set scripts.x='npm i y'`: what a script says is not known from here on.
            let scripts = matches!(words.as_slice(), ["pkg", "set", ..]) && words.iter().any(|w| w.contains("scripts"));
            for file in settings_written(name, &words) {
                state.write(file, if scripts { Content::Made } else { Content::Changed });
            }
        }
        "sed" | "perl" if rest.iter().any(|w| w.text.as_deref().is_some_and(|t| t.starts_with("-i") || t == "-pi")) => {
            let all: Vec<String> = operands().map(str::to_owned).collect();
            all.iter().for_each(|t| state.write(t, Content::Changed));
        }
        _ => {}
    }
}

/// Whether a version control command puts other files into the working tree than those that were judged. What only
/// takes the user's own changes away or brings them back (`stash`, `restore`, `checkout -- FILE`, `reset --hard`)
/// does not.
fn moves_the_tree(name: &str, words: &[&str], rest: &[Word]) -> bool {
    let has = |wanted: &[&str]| rest.iter().any(|w| w.text.as_deref().is_some_and(|t| wanted.contains(&t)));
    let Some(at) = words.iter().position(|w| MOVES.contains(&(name, w))) else { return false };
    let after = words.get(at + 1..).unwrap_or_default();
    match words.get(at).copied().unwrap_or_default() {
        // A new branch here is what is here.
        "checkout" | "switch" if has(&["-b", "-B", "-c", "-C", "--create", "--orphan"]) => after.len() > 1,
        "checkout" => !has(&["--"]) && after.iter().any(|w| *w != "."),
        "reset" => has(&["--hard", "--merge", "--keep"]) && after.iter().any(|w| *w != "HEAD"),
        "pr" => after.first() == Some(&"checkout"),
        "repo" => after.first() == Some(&"sync"),
        "apply" => !has(&["--check", "--stat", "--numstat", "--summary"]),
        "merge" | "rebase" | "cherry-pick" | "revert" | "am" => !has(&["--abort", "--quit"]),
        _ => true,
    }
}

/// Verbs of version control that change the working tree.
const MOVES: &[(&str, &str)] = &[
    ("git", "pull"),
    ("git", "checkout"),
    ("git", "switch"),
    ("git", "merge"),
    ("git", "rebase"),
    ("git", "cherry-pick"),
    ("git", "revert"),
    ("git", "reset"),
    ("git", "apply"),
    ("git", "am"),
    ("git", "submodule"),
    ("git", "subtree"),
    ("git", "sparse-checkout"),
    ("git", "read-tree"),
    ("gh", "pr"),
    ("gh", "repo"),
    ("hg", "pull"),
    ("hg", "update"),
    ("hg", "up"),
    ("hg", "import"),
    ("hg", "merge"),
    ("svn", "update"),
    ("svn", "up"),
    ("svn", "switch"),
    ("svn", "patch"),
];

/// Whether an archiver takes files out of its archive.
fn unpacks(name: &str, rest: &[Word]) -> bool {
    let texts = || rest.iter().filter_map(|w| w.text.as_deref());
    match name {
        "tar" | "bsdtar" | "gtar" => {
            let old_style = texts().next().is_some_and(|t| !t.starts_with('-') && t.contains('x'));
            let cluster = |t: &str| t.starts_with('-') && !t.starts_with("--") && t.contains('x');
            old_style || texts().any(|t| cluster(t) || matches!(t, "--extract" | "--get"))
        }
        "unzip" => !texts().any(|t| matches!(t, "-l" | "-t" | "-v" | "-Z" | "-p")),
        "7z" | "7za" => texts().next().is_some_and(|t| matches!(t, "x" | "e")),
        "cpio" | "pax" => texts().any(|t| t.starts_with('-') && !t.starts_with("--") && t.contains(['i', 'r'])),
        _ => true,
    }
}

/// The files that a package tool's own settings command writes: the manifest, or the configuration that says where
/// packages come from. Settings that concern neither are passed over.
fn settings_written(name: &str, words: &[&str]) -> &'static [&'static str] {
    const NPMRC: &[&str] = &["~/.npmrc", ".npmrc"];
    let key = |at: usize| words.get(at).copied().unwrap_or_default().split('=').next().unwrap_or_default();
    let set = |at: usize| if is_display_setting(key(at)) { &[][..] } else { NPMRC };
    match (name, words.first().copied().unwrap_or_default(), words.get(1).copied().unwrap_or_default()) {
        ("npm" | "pnpm" | "bun", "pkg", "set" | "delete" | "fix") => &["package.json"],
        ("npm" | "pnpm", "config" | "c", "set" | "delete" | "rm" | "edit") => set(2),
        ("npm", "set", _) => set(1),
        ("yarn", "config", "set" | "delete" | "unset") if !is_display_setting(key(2)) => {
            &["~/.yarnrc", "~/.yarnrc.yml", ".yarnrc.yml"]
        }
        ("pip" | "pip3", "config", "set" | "unset" | "edit") if !is_display_setting(key(2)) => {
            &["~/.config/pip/pip.conf", "pip.conf"]
        }
        ("poetry" | "pdm", "config", _) if words.len() > 2 && !is_display_setting(key(1)) => {
            &["pyproject.toml", "~/.config/pypoetry/config.toml"]
        }
        ("poetry", "source", "add" | "remove") => &["pyproject.toml"],
        _ => &[],
    }
}

/// Settings that change what a tool prints, or where it keeps its own files, and not what it installs.
fn is_display_setting(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "fund",
        "audit",
        "audit-level",
        "color",
        "loglevel",
        "progress",
        "update-notifier",
        "save-exact",
        "save-prefix",
        "init-author-name",
        "init-author-email",
        "init-license",
        "fetch-timeout",
        "fetch-retries",
        "maxsockets",
        "engine-strict",
        "timeout",
        "retries",
        "no-cache-dir",
        "disable-pip-version-check",
        "progress-bar",
        "no-input",
        "require-virtualenv",
        "break-system-packages",
        "in-project",
        "create",
        "enableTelemetry",
        "enableProgressBars",
        "nodeLinker",
    ];
    let last = key.rsplit('.').next().unwrap_or(key);
    KEYS.contains(&last)
}
