//! What goes wrong while a cleared command runs: Ctrl-C, a gate that is killed, a registry that stalls, a cache that
//! cannot be written. Nothing half-written is kept, nothing is left running, and the next install works.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tidewaiter::model::Digest;

use crate::bypass::{Town, python_tools};
use crate::cli::Ran;
use crate::shims::program;
use crate::support::loopback::Fault;
use crate::support::rig::{Rig, python, uv, wheel};

const INSTALL: &[&str] = &["install", "--target", "out", "tw-good"];

/// A command on a terminal of its own, at which Ctrl-C is typed once `ready` is printed.
fn interrupted(town: &Town, arguments: &[&str]) -> Option<Ran> {
    town.shimmed.on_a_terminal("pip", arguments, "ready", "\x03")
}

#[test]
fn ctrl_c_reaches_the_tool_and_the_record_has_how_it_ended() {
    for (tool, status) in [
        ("#!/bin/sh\ntrap 'echo caught; exit 3' INT\necho ready\nwhile :; do read -r x < /dev/null; done\n", 3),
        ("#!/bin/sh\necho ready\nwhile :; do read -r x < /dev/null; done\n", 130),
    ] {
        let town = Town::new(&[]);
        program(&town.shimmed.at("tools/pip"), tool);
        assert_eq!(town.shimmed.run("tidewaiter", &["shim", "install"]).status, 0);
        let Some(ran) = interrupted(&town, INSTALL) else { return };
        assert_eq!(ran.status, status, "{ran:?}");
        assert_eq!(ran.stdout.contains("caught"), status == 3, "{ran:?}");
        let events = town.events();
        assert_eq!(events.last().map(|e| &e["status"]), Some(&serde_json::json!(status)), "{events:?}");
        assert!(left_running(&town).is_empty(), "{:?}", left_running(&town));
    }
}

/// Processes that have the test's own directory among their words or variables, when none has gone for five seconds.
fn left_running(town: &Town) -> Vec<String> {
    let root = town.shimmed.sandbox.dir.path().display().to_string();
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let mut out = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name: &str| {
                String::from_utf8_lossy(&std::fs::read(entry.path().join(name)).unwrap_or_default()).into_owned()
            };
            let words = read("cmdline");
            if words.contains(&root) || read("environ").contains(&root) {
                out.push(words.replace('\0', " "));
            }
        }
        if out.is_empty() || Instant::now() > until {
            return out;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every entry of the store has the digest that is its name.
fn store_holds(cache: &Path) -> usize {
    let below =
        |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>();
    let mut n = 0;
    for shelf in below(&cache.join("store/sha256")) {
        for entry in below(&shelf) {
            let name = [&shelf, &entry].map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).concat();
            assert_eq!(Digest::sha256_of(&std::fs::read(&entry).unwrap()).hex(), name);
            n += 1;
        }
    }
    n
}

/// Ports of the loopback on which something listens, by the kernel's own table.
fn listening() -> Vec<u16> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // `0A` is LISTEN; the second column is the address and the port, in hexadecimal.
    let open = rows.filter(|row| row.get(3) == Some(&"0A"));
    open.filter_map(|row| u16::from_str_radix(row.get(1)?.rsplit(':').next()?, 16).ok()).collect()
}

/// The ports on which a process and what it started listen.
fn ports_of(pid: u32) -> Vec<u16> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|fd| {
            let target = std::fs::read_link(fd.path()).ok()?.display().to_string();
            Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own = rows.filter(|row| row.get(3) == Some(&"0A") && row.get(9).is_some_and(|i| inodes.iter().any(|n| n == i)));
    own.filter_map(|row| u16::from_str_radix(row.get(1)?.rsplit(':').next()?, 16).ok()).collect()
}

/// Kills the gate at `rounds` points of installs, after so many milliseconds each, and looks at what is left each time.
fn kills(points: impl Iterator<Item = u64>) -> Option<(usize, usize)> {
    let tools = python_tools()?;
    let town = Town::new(&tools);
    town.server.always("/files/tw_good-1.0.0-py3-none-any.whl", Fault::Slow(15));
    let (mut rounds, mut ended, mut gateways) = (0, 0, 0);
    for point in points {
        rounds += 1;
        let mut command = town.shimmed.command("pip", INSTALL);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(point));
        let ports = ports_of(child.id());
        gateways += usize::from(!ports.is_empty());
        ended += usize::from(child.try_wait().unwrap().is_some());
        let _ = child.kill();
        child.wait().unwrap();
        let left = left_running(&town);
        assert!(left.is_empty(), "round {rounds}, {point} ms: {left:?}");
        let open: Vec<u16> = listening().into_iter().filter(|port| ports.contains(port)).collect();
        assert!(open.is_empty(), "round {rounds}, {point} ms: {open:?} still listen");
        store_holds(&town.shimmed.at("home/.cache/tidewaiter"));
        let _ = std::fs::remove_dir_all(town.shimmed.sandbox.work().join("out"));
        if rounds % 2 == 0 {
            let _ = std::fs::remove_dir_all(town.shimmed.at("home/.cache/tidewaiter/store"));
        }
    }
    let log = town.shimmed.run("tidewaiter", &["log", "verify"]);
    assert_eq!(log.status, 0, "{log:?}");
    // Every line is whole, or said to be torn by the one that follows.
    let listed = town.shimmed.run("tidewaiter", &["log", "export"]);
    assert!(listed.status == 0 && !listed.stdout.is_empty(), "{listed:?}");
    let ran = town.shimmed.run("pip", INSTALL);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(town.shimmed.sandbox.work().join("out/tw_good.py").exists());
    assert!(store_holds(&town.shimmed.at("home/.cache/tidewaiter")) > 0);
    eprintln!("{rounds} installs: {} killed, {gateways} of them with a gateway open", rounds - ended);
    Some((rounds, ended))
}

#[test]
fn a_gate_that_is_killed_leaves_nothing_half_done() {
    // Points from the first word read to the tool's last file, whatever this machine's pace.
    let Some((rounds, ended)) = kills((0..15).map(|round| round * round * 9)) else { return };
    assert!(ended < rounds, "some were killed");
}

/// The same at two hundred random points: `cargo test --test it -- --ignored two_hundred`.
#[test]
#[ignore = "takes minutes"]
fn two_hundred_gates_are_killed_at_random() {
    let seed = std::env::var("TIDEWAITER_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 =
        seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |since| u64::from(since.subsec_nanos()) | 1));
    eprintln!("TIDEWAITER_SEED={seed}");
    let mut state = seed;
    let random = std::iter::repeat_with(move || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 1_500
    });
    let Some((rounds, ended)) = kills(random.take(200)) else { return };
    assert!(ended < rounds, "some were killed");
}

/// A line that is run by a shell in the project.
fn shell(town: &Town, text: &str) -> Ran {
    let mut command = town.shimmed.command("sh", &["-c", text]);
    command.stdin(Stdio::null()).env("TIDEWAITER", env!("CARGO_BIN_EXE_tidewaiter"));
    Ran::of(command.output().unwrap(), town.shimmed.sandbox.dir.path())
}

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    let Some(tools) = python_tools() else { return };
    let mut ended = Vec::new();
    for blocks in [0, 1, 2, 4, 8, 16, 64, 100_000] {
        let town = Town::new(&tools);
        // No file grows beyond so many blocks: a write that would fails, as on a disk that is full.
        let ran = shell(&town, &format!("trap '' XFSZ; ulimit -f {blocks}; pip install --target out tw-good"));
        ended.push(ran.status);
        store_holds(&town.shimmed.at("home/.cache/tidewaiter"));
        let log = town.shimmed.run("tidewaiter", &["log", "verify"]);
        assert_eq!(log.status, 0, "{blocks}: {log:?} {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{blocks}: {ran:?}");
        if blocks == 0 {
            assert!(
                ran.stderr.contains("cannot write the record") && ran.stderr.contains("nothing was run"),
                "{ran:?}"
            );
        }
        assert!(left_running(&town).is_empty());
        let _ = std::fs::remove_dir_all(town.shimmed.sandbox.work().join("out"));
        let again = town.shimmed.run("pip", INSTALL);
        assert_eq!(again.status, 0, "{blocks}: {again:?}");
        assert!(town.shimmed.sandbox.work().join("out/tw_good.py").exists());
    }
    assert!(ended.first() != Some(&0) && ended.last() == Some(&0), "{ended:?}");
}

#[test]
fn a_record_that_cannot_be_written_stops_the_install_and_says_so() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    // This may run as root, whom no mode keeps out: a file stands where the directory would be.
    town.shimmed.sandbox.write("../home/.local/share/tidewaiter/log", "");
    let ran = town.shimmed.run("pip", INSTALL);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("cannot write the record") && ran.stderr.contains("nothing was run"), "{ran:?}");
    assert!(!town.shimmed.sandbox.work().join("out").exists());
    // What installs nothing is not in need of it.
    assert_eq!(town.shimmed.run("pip", &["--version"]).status, 0);
}

#[test]
fn a_reader_that_goes_away_tears_nothing() {
    let Some(tools) = python_tools() else { return };
    for text in [
        "pip install --target out tw-good | true",
        "pip install --target out tw-good 2>&1 | true",
        "pip install --target out tw-evil 2>&1 | true",
        "\"$TIDEWAITER\" run -v -- pip install --target out tw-good 2>&1 | { read -r line; }",
        "\"$TIDEWAITER\" check --format json -- pip install tw-good | { read -r line; }",
        "pip install --target out tw-good >&- 2>&-",
    ] {
        let town = Town::new(&tools);
        std::os::unix::fs::symlink("/bin/true", town.shimmed.at("system/true")).ok();
        let ran = shell(&town, text);
        assert!(!ran.stderr.contains("panicked"), "{text}: {ran:?}");
        assert!(left_running(&town).is_empty(), "{text}");
        let log = town.shimmed.run("tidewaiter", &["log", "verify"]);
        assert_eq!(log.status, 0, "{text}: {log:?}");
        store_holds(&town.shimmed.at("home/.cache/tidewaiter"));
        // What was started has its end in the record.
        let events = town.events();
        let of = |word: &str| events.iter().filter(|e| e["event"] == word).count();
        assert_eq!(of("start"), of("end"), "{text}: {events:#?}");
        assert_eq!(town.forbidden(), [""; 0], "{text}");
    }
}

#[test]
fn a_registry_that_stalls_ends_the_install_and_keeps_nothing() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    let simple = town.server.simple();
    let conf = format!("[global]\nindex-url = {simple}\ntimeout = 2\nretries = 0\n");
    town.shimmed.sandbox.write("../home/.config/pip/pip.conf", conf);
    town.server.always("/files/tw_good-1.0.0-py3-none-any.whl", Fault::Stall);
    let begun = Instant::now();
    let ran = town.shimmed.run("pip", INSTALL);
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(begun.elapsed() < Duration::from_secs(90), "it ends: {ran:?}");
    assert!(!town.shimmed.sandbox.work().join("out/tw_good.py").exists(), "{ran:?}");
    assert_eq!(store_holds(&town.shimmed.at("home/.cache/tidewaiter")), 0);
    town.server.heal();
    let ran = town.shimmed.run("pip", INSTALL);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_registry_that_stalls_after_the_judgement_gives_no_half_artifact() {
    let Some(python) = python() else { return };
    let mut rig = Rig::new();
    rig.set("PIP_TIMEOUT", "2").set("PIP_RETRIES", "0");
    rig.server.python(wheel("tw-a", "1.0", &[]));
    let begun = Instant::now();
    let words = [python, "-m", "pip", "install", "--target", "out", "tw-a"];
    let done = rig.run(&words, |rig| {
        rig.server.always("/files/", Fault::Stall);
    });
    assert_ne!(done.status(), 0, "{:?}", done.outcome);
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", done.outcome);
    assert_eq!((rig.installed("out"), store_holds(&rig.cache())), (Vec::new(), 0));
    rig.server.heal();
    assert_eq!(rig.run(&words, |_| {}).status(), 0);
    assert_eq!(rig.installed("out"), ["tw-a 1.0"]);
}

#[test]
fn a_cache_that_cannot_be_written_stops_nothing() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    // This may run as root, whom no mode keeps out: a file stands where the directory would be.
    town.shimmed.sandbox.write("../home/.cache", "");
    let ran = town.shimmed.run("pip", INSTALL);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(town.shimmed.sandbox.work().join("out/tw_good.py").exists());
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    assert_eq!(town.shimmed.run("pip", INSTALL).status, 0);
    let shown = town.shimmed.run("tidewaiter", &["cache", "show"]);
    assert!(shown.status == 0 && shown.stdout.contains("/store: 2 artifacts, "), "{shown:?}");
    let cleared = town.shimmed.run("tidewaiter", &["cache", "clear"]);
    assert!(cleared.status == 0 && cleared.stdout.starts_with("removed 2 artifacts"), "{cleared:?}");
    assert!(town.shimmed.run("tidewaiter", &["cache", "show"]).stdout.contains("/store: 0 artifacts"));
}

#[test]
fn a_lockfile_that_a_killed_gate_left_is_mended_before_it_is_judged() {
    let (Some(mut tools), Some(uv)) = (python_tools(), uv()) else { return };
    tools.push(("uv", uv));
    let town = Town::new(&tools);
    let manifest = "[project]\nname = \"app\"\nversion = \"0.1\"\nrequires-python = \">=3.8\"\ndependencies = \
                    [\"tw-good\"]\n[tool.uv]\npackage = false\n";
    town.shimmed.sandbox.write("pyproject.toml", manifest);
    assert_eq!(town.shimmed.run("uv", &["lock"]).status, 0);
    let path = town.shimmed.sandbox.work().join("uv.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    let host = town.server.url.strip_prefix("http://").unwrap();
    let carried = format!("http://127.0.0.1:4711/pypi/files/~/http/{}/files/", host.replace(':', "~"));
    let left = lock.replace(&format!("http://{host}/files/"), &carried);
    assert_ne!(left, lock);
    std::fs::write(&path, &left).unwrap();
    let checked = town.shimmed.run("tidewaiter", &["check", "--", "uv", "sync"]);
    assert_eq!(checked.status, 0, "{checked:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), left, "a check writes nothing");
    let ran = town.shimmed.run("uv", &["sync"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lock);
}
