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

#[test]
fn a_gate_that_is_killed_leaves_nothing_half_done() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    town.server.always("/files/tw_good-1.0.0-py3-none-any.whl", Fault::Slow(15));
    let mut ended = 0;
    for round in 0..14_u64 {
        let mut command = town.shimmed.command("pip", INSTALL);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Points from the first word read to the tool's last file, whatever this machine's pace.
        std::thread::sleep(Duration::from_millis(round * round * 9));
        ended += usize::from(child.try_wait().unwrap().is_some());
        let _ = child.kill();
        child.wait().unwrap();
        let left = left_running(&town);
        assert!(left.is_empty(), "round {round}: {left:?}");
        store_holds(&town.shimmed.at("home/.cache/tidewaiter"));
        let _ = std::fs::remove_dir_all(town.shimmed.sandbox.work().join("out"));
        if round % 2 == 1 {
            let _ = std::fs::remove_dir_all(town.shimmed.at("home/.cache/tidewaiter/store"));
        }
    }
    assert!(ended < 14, "some were killed");
    let log = town.shimmed.run("tidewaiter", &["log", "verify"]);
    assert_eq!(log.status, 0, "{log:?}");
    let ran = town.shimmed.run("pip", INSTALL);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(town.shimmed.sandbox.work().join("out/tw_good.py").exists());
    assert!(store_holds(&town.shimmed.at("home/.cache/tidewaiter")) > 0);
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
