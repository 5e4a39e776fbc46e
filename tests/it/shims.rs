//! The program under a tool's name: what installs nothing becomes the real tool unchanged, what installs is judged, and
//! no version manager makes a circle of it. Every tool here is a script of the test's own: nothing real can be reached.

#![cfg(unix)]

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::{Ran, Sandbox};

/// A sandbox with tools of its own and the links in front of them.
pub struct Shimmed {
    pub sandbox: Sandbox,
}

pub fn program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An interpreter on this machine that is no version manager's script.
pub fn real_python() -> Option<PathBuf> {
    let found = ["/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"].map(PathBuf::from);
    let found = found.into_iter().find(|p| p.exists());
    if found.is_none() {
        eprintln!("skipped: there is no python3 in the usual places");
    }
    found
}

impl Shimmed {
    pub fn new(tools: &[&str]) -> Self {
        let shimmed = Self { sandbox: Sandbox::new() };
        for tool in tools {
            let says = "#!/bin/sh\necho \"real ${0##*/}: $*\"\nexit 7\n";
            program(&shimmed.at("tools").join(tool), says);
        }
        let ran = shimmed.run("tidewaiter", &["shim", "install"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        shimmed
    }

    pub fn at(&self, part: &str) -> PathBuf {
        self.sandbox.dir.path().join(part)
    }

    pub fn links(&self) -> PathBuf {
        self.at("home/.local/share/tidewaiter/shims")
    }

    /// The links, then the tools, then the few programs of the system that scripts need.
    pub fn path(&self) -> OsString {
        std::env::join_paths([self.links(), self.at("tools"), self.at("system")]).unwrap()
    }

    /// A word run through PATH; `tidewaiter` is the program itself.
    pub fn command(&self, word: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        let system = self.at("system");
        std::fs::create_dir_all(&system).unwrap();
        for name in ["sh", "env", "cat"] {
            let _ = symlink(format!("/bin/{name}"), system.join(name));
        }
        if word != "tidewaiter" {
            let program = if word.contains('/') { PathBuf::from(word) } else { self.find(word) };
            let mut other = Command::new(program);
            other.args(arguments).current_dir(self.sandbox.work()).env_clear();
            other.env("HOME", self.at("home"));
            use std::os::unix::process::CommandExt as _;
            other.arg0(word);
            command = other;
        }
        command.env("PATH", self.path());
        command
    }

    fn find(&self, word: &str) -> PathBuf {
        let path = self.path();
        let found = std::env::split_paths(&path).map(|d| d.join(word)).find(|p| p.exists());
        found.unwrap_or_else(|| panic!("no {word} in the test's own directories"))
    }

    pub fn run(&self, word: &str, arguments: &[&str]) -> Ran {
        Ran::of(self.command(word, arguments).output().unwrap(), self.sandbox.dir.path())
    }

    /// The same on a terminal of its own, at which `typed` is typed once `marker` is printed. `None` without a Python.
    pub fn on_a_terminal(&self, word: &str, arguments: &[&str], marker: &str, typed: &str) -> Option<Ran> {
        const TERMINAL: &str = "
import os, pty, sys, select, time
marker, typed, program = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(program[0], program)
seen, waiting, end = b'', True, time.time() + 60
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try: data = os.read(fd, 65536)
        except OSError: break
        if not data: break
        seen += data
    if waiting and marker in seen:
        waiting = False
        os.write(fd, typed)
_, status = os.waitpid(pid, 0)
sys.stdout.write(seen.decode(errors='replace'))
sys.exit(os.waitstatus_to_exitcode(status))
";
        // A program that opens terminals for people, by its name.
        let python = self.at("login");
        let _ = symlink(real_python()?, &python);
        let inner = self.command(word, arguments);
        let mut command = Command::new(python);
        command.args(["-c", TERMINAL, marker, typed]).arg(inner.get_program()).args(arguments);
        command.current_dir(self.sandbox.work()).env_clear();
        command.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
        Some(Ran::of(command.output().unwrap(), self.sandbox.dir.path()))
    }
}

#[test]
fn links_are_made_for_what_is_there_and_again_changes_nothing() {
    let shimmed = Shimmed::new(&["pip", "pip3.11", "npm", "cargo", "node"]);
    let names = || {
        let mut all: Vec<String> = std::fs::read_dir(shimmed.links())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !n.starts_with('.'))
            .collect();
        all.sort();
        all
    };
    assert_eq!(names(), ["cargo", "npm", "pip", "pip3.11"]);
    let again = shimmed.run("tidewaiter", &["shim", "install"]);
    assert!(again.stdout.contains("linked already: cargo, npm, pip, pip3.11"), "{again:?}");
    assert_eq!(shimmed.run("tidewaiter", &["shim", "status"]).status, 0);
    program(&shimmed.at("tools/yarn"), "#!/bin/sh\n");
    let status = shimmed.run("tidewaiter", &["shim", "status"]);
    assert!(status.status == 1 && status.stdout.contains("yarn     NOT COVERED: no link"), "{status:?}");
    let env = shimmed.run("tidewaiter", &["shim", "env", "--shell", "posix"]);
    assert_eq!(env.stdout, "export PATH=[SANDBOX]/home/.local/share/tidewaiter/shims:\"$PATH\"\n");
    program(&shimmed.links().join("bun"), "someone's own");
    let gone = shimmed.run("tidewaiter", &["shim", "uninstall"]);
    assert!(gone.stderr.contains("bun was left"), "{gone:?}");
    assert_eq!(names(), ["bun"]);
}

#[test]
fn the_lines_to_paste_name_each_place() {
    let sandbox = Shimmed { sandbox: Sandbox::new() };
    program(&sandbox.at("tools/npm"), "#!/bin/sh\n");
    let mut command = sandbox.command("tidewaiter", &["shim", "install"]);
    command.env("PATH", sandbox.at("tools"));
    let said = Ran::of(command.output().unwrap(), sandbox.sandbox.dir.path()).stdout;
    for place in ["~/.bashrc", "~/.zshrc", "fish_add_path", "$GITHUB_PATH", "$CLAUDE_ENV_FILE", "ENV PATH="] {
        assert!(said.contains(place), "{place}: {said}");
    }
}

#[test]
fn what_installs_nothing_is_the_real_tool() {
    let shimmed = Shimmed::new(&["pip", "npm", "cargo", "uv", "yarn"]);
    // Neither a broken policy, nor a home that cannot be written, nor a missing directory is in its way.
    shimmed.sandbox.write("tidewaiter.toml", "version = 1\nnonsense = [");
    for (tool, arguments) in [
        ("pip", &["--version"][..]),
        ("pip", &["list", "--format=json", "a b", ""]),
        ("npm", &["run", "build", "--", "install"]),
        ("cargo", &["--version"]),
        ("uv", &["--help"]),
        ("yarn", &["--version"]),
    ] {
        let ran = shimmed.run(tool, arguments);
        assert_eq!(ran.status, 7, "{tool}: {ran:?}");
        assert_eq!(ran.stdout, format!("real {tool}: {}\n", arguments.join(" ")), "{ran:?}");
        assert_eq!(ran.stderr, "", "{ran:?}");
        let by_path = shimmed.run(shimmed.links().join(tool).to_str().unwrap(), arguments);
        assert_eq!((by_path.status, &by_path.stdout), (7, &ran.stdout), "{by_path:?}");
        let run = shimmed.run("tidewaiter", &[&["run", "--", tool], arguments].concat());
        assert_eq!((run.status, &run.stdout), (7, &ran.stdout), "{run:?}");
    }
    assert!(!shimmed.at("home/.cache").exists() && !shimmed.at("home/.local/share/tidewaiter/log").exists());
}

#[test]
fn input_signals_and_environment_pass_untouched() {
    let Some(python) = real_python() else { return };
    let shimmed = Shimmed::new(&["npm"]);
    let tells = format!(
        "#!{}\nimport os, sys\nprint(sorted((k, v) for k, v in os.environ.items()), sys.argv[1:], sys.stdin.read(), os.getcwd())\n",
        python.display()
    );
    program(&shimmed.at("tools/npm"), &tells);
    let ask = |program: PathBuf| {
        let mut command = shimmed.command(program.to_str().unwrap(), &["ls", "-x"]);
        command.env("NPM_TOKEN", "s").env("ODD", "a\nb").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"some input").unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let bare = ask(shimmed.at("tools/npm"));
    assert!(bare.contains("some input"), "{bare}");
    assert_eq!(ask(shimmed.links().join("npm")), bare);
    program(&shimmed.at("tools/npm"), "#!/bin/sh\nkill -TERM $$\n");
    let killed = shimmed.command("npm", &["ls"]).status().unwrap();
    assert_eq!(killed.signal(), Some(15), "it is the tool's own process that was ended");
}

#[test]
fn a_tool_that_is_not_there_is_127_and_a_directory_that_is_gone_stops_nothing() {
    let shimmed = Shimmed::new(&["pip"]);
    std::fs::remove_file(shimmed.at("tools/pip")).unwrap();
    let ran = shimmed.run("pip", &["list"]);
    assert!(ran.status == 127 && ran.stderr.contains("pip: command not found"), "{ran:?}");
    program(&shimmed.at("tools/pip"), "#!/bin/sh\necho fine\n");
    let mut command = shimmed.command("sh", &["-c", "mkdir gone && cd gone && rmdir ../gone && exec pip list"]);
    let path = std::env::join_paths(std::env::split_paths(&shimmed.path()).chain(["/bin".into()])).unwrap();
    let ran = Ran::of(command.env("PATH", path).output().unwrap(), shimmed.sandbox.dir.path());
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "fine\n"), "{ran:?}");
}

#[test]
fn an_interpreter_keeps_its_place_and_its_environment() {
    let Some(python) = real_python() else { return };
    let shimmed = Shimmed::new(&["pip"]);
    symlink(&python, shimmed.at("tools/python3")).unwrap();
    let venv = shimmed.at("venv");
    let made = Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&venv).output().unwrap();
    if !made.status.success() {
        eprintln!("skipped: this python3 makes no environments");
        return;
    }
    assert_eq!(shimmed.run("tidewaiter", &["shim", "install"]).status, 0);
    let place = "import sys; print(sys.executable, sys.prefix, sys.base_prefix, sys.argv)";
    for directory in [shimmed.at("tools"), venv.join("bin")] {
        let with = |first: Option<PathBuf>| {
            let all = first.into_iter().chain([directory.clone(), shimmed.at("system")]);
            let path = std::env::join_paths(all).unwrap();
            // By its bare name, as a shell starts it.
            let mut command = shimmed.command("/bin/sh", &["-c", "python3 -c \"$1\" a 'b c'", "sh", place]);
            let ran = Ran::of(command.env("PATH", path).output().unwrap(), shimmed.sandbox.dir.path());
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
            ran.stdout
        };
        assert_eq!(with(Some(shimmed.links())), with(None), "{}", directory.display());
    }
    for arguments in [&["-c", "print(1)"][..], &["-m", "this"], &["-V"], &["-Im", "json.tool", "--help"]] {
        assert_eq!(shimmed.run("python3", arguments).status, 0, "{arguments:?}");
    }
    // Code is not read here, whatever it says; a module that installs is judged.
    assert_eq!(shimmed.run("python3", &["-c", "import subprocess; x = 'pip install https://x'"]).status, 0);
    let ran = shimmed.run("python3", &["-Im", "pip", "install", "--index-url", "http://127.0.0.1:9/s", "tw-nobody"]);
    assert_eq!(ran.status, 10, "{ran:?}");
}

#[test]
fn a_version_manager_that_asks_path_again_makes_no_circle() {
    let shimmed = Shimmed::new(&["pip"]);
    // As pyenv does with the version `system`: its own directory leaves PATH, and the word is started again.
    let manager = format!(
        "#!/bin/sh\nPATH=$(echo \"$PATH\" | sed 's|{}:||g')\nexec \"${{0##*/}}\" \"$@\"\n",
        shimmed.at("manager").display()
    );
    program(&shimmed.at("manager/pip"), &manager);
    let entries = [shimmed.links(), shimmed.at("manager"), shimmed.at("tools"), "/bin".into(), "/usr/bin".into()];
    let mut command = shimmed.command("pip", &["list"]);
    command.env("PATH", std::env::join_paths(entries).unwrap());
    let ran = Ran::of(command.output().unwrap(), shimmed.sandbox.dir.path());
    assert_eq!((ran.status, ran.stdout.as_str()), (7, "real pip: list\n"), "{ran:?}");
    // Copies and hard links of the program are no tools either.
    let engine = PathBuf::from(env!("CARGO_BIN_EXE_tidewaiter"));
    std::fs::create_dir_all(shimmed.at("copies")).unwrap();
    std::fs::copy(&engine, shimmed.at("copies/pip")).unwrap();
    let entries = [shimmed.links(), shimmed.at("copies"), shimmed.at("tools"), shimmed.at("system")];
    let mut command = shimmed.command("pip", &["list"]);
    command.env("PATH", std::env::join_paths(entries).unwrap());
    let ran = Ran::of(command.output().unwrap(), shimmed.sandbox.dir.path());
    assert_eq!((ran.status, ran.stdout.as_str()), (7, "real pip: list\n"), "{ran:?}");
}

#[test]
fn no_variable_lets_an_install_pass_unjudged() {
    let shimmed = Shimmed::new(&["pip"]);
    let me = std::process::id().to_string();
    let mark = format!("{me}:{}", shimmed.at("tools/pip").display());
    for (name, value) in [
        ("TIDEWAITER_STARTED", me.as_str()),
        ("TIDEWAITER_STARTED", "1"),
        ("TIDEWAITER_BEFORE", "{\"PATH\":null}"),
        ("TIDEWAITER_BEFORE", "{\"PIP_INDEX_URL\":\"http://127.0.0.1:9/other\"}"),
        ("TIDEWAITER_PASSED", mark.as_str()),
        ("TIDEWAITER_DISABLE", "1"),
        ("TIDEWAITER_SKIP", "1"),
    ] {
        let mut command = shimmed.command("pip", &["install", "--index-url", "http://127.0.0.1:9/s", "tw-nobody"]);
        let ran = Ran::of(command.env(name, value).output().unwrap(), shimmed.sandbox.dir.path());
        assert_eq!(ran.status, 10, "{name}={value}: {ran:?}");
        assert!(!ran.stdout.contains("real pip"), "{name}={value}: {ran:?}");
    }
}
