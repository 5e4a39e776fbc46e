//! The same state of a registry is the same plan, in whatever order it is told, and however many ask at once.

use serde_json::{Value, json};

use crate::cli::Ran;
use crate::support::loopback::{Dist, Loopback};
use crate::support::tools::{TOOLS, Tool, fresh, judge, serve};

const OLD: &str = "2020-01-01T00:00:00Z";

fn rotated<T: Clone>(all: &[T], turn: usize) -> Vec<T> {
    let mut out = all.to_vec();
    out.rotate_left(turn % all.len());
    if turn % 2 == 1 {
        out.reverse();
    }
    out
}

/// A JSON text with its objects' members in another order than any map would write them.
fn shuffled(value: &Value, turn: usize) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<_> = members.iter().collect();
            let texts: Vec<String> = if members.is_empty() { Vec::new() } else { rotated(&members, turn) }
                .into_iter()
                .map(|(key, value)| format!("{}:{}", json!(key), shuffled(value, turn + 1)))
                .collect();
            format!("{{{}}}", texts.join(","))
        }
        other => other.to_string(),
    }
}

/// A project with wheels and sdists of several versions, which both need `tw-dep` and each other's extras.
fn dists() -> Vec<Dist> {
    let mut out = Vec::new();
    for version in ["1.0.0", "1.1.0", "2.0.0", "2.0.0rc1", "10.0.0"] {
        out.push(Dist::wheel("tw-good", version).requires(&["tw-dep>=1", "tw-other; extra == 'x'"]));
        out.push(Dist::wheel("tw-good", version).filename(&format!("tw_good-{version}-py2.py3-none-any.whl")));
        out.push(Dist::sdist("tw-good", version).metadata("2.2", &[]).requires(&["tw-dep>=1"]));
        out.push(Dist::wheel("tw-dep", version).requires(&["tw-other<3"]));
        out.push(Dist::wheel("tw-other", version));
    }
    out
}

fn crates(server: &Loopback, turn: usize) {
    let dependency = |name: &str| {
        json!({"name": name, "req": "^1.0.0", "features": [], "optional": false, "default_features": true,
               "target": null, "kind": "normal"})
    };
    for version in rotated(&["1.0.0", "1.1.0", "1.10.0", "2.0.0-rc.1"], turn) {
        let deps = rotated(&[dependency("tw-dep"), dependency("tw-other")], turn);
        let line = json!({"deps": deps, "pubtime": OLD});
        server.krate("tw-good", version, line, &[("src/lib.rs", "")]);
        server.krate("tw-dep", version, json!({"pubtime": OLD}), &[("src/lib.rs", "")]);
        server.krate("tw-other", version, json!({"pubtime": OLD}), &[("src/lib.rs", "")]);
    }
}

fn npm(server: &Loopback, turn: usize) {
    for version in ["1.0.0", "1.1.0", "1.10.0"] {
        let manifest = json!({"bin": "x.js", "dependencies": {"tw-dep": "^1", "tw-other": "*"}});
        server.npm("tw-good", version, OLD, manifest);
        server.npm("tw-dep", version, OLD, json!({"peerDependencies": {"tw-other": ">=1"}}));
        server.npm("tw-other", version, OLD, json!({}));
    }
    for name in ["tw-good", "tw-dep", "tw-other"] {
        let path = format!("/npm/{name}");
        let packument: Value = serde_json::from_slice(&server.body(&path)).unwrap();
        server.raw(&path, "application/json", shuffled(&packument, turn).into_bytes());
    }
}

/// The server's port and the project's place are in the plan, and so in its digest: both stay, and the order changes.
#[test]
fn the_order_in_which_a_registry_tells_does_not_matter() {
    let mut failures = Vec::new();
    for tool in TOOLS {
        let server = Loopback::start();
        let sandbox = fresh(tool, &server);
        let mut told = Vec::new();
        for turn in 0..4 {
            server.forget();
            match tool.ecosystem {
                "PyPI" => rotated(&dists(), turn * 7).into_iter().for_each(|dist| {
                    server.python(dist);
                }),
                "npm" => npm(&server, turn),
                _ => crates(&server, turn),
            }
            let cache = sandbox.dir.path().join("home/.cache");
            if cache.exists() {
                std::fs::remove_dir_all(cache).unwrap();
            }
            let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
            assert_eq!(document["plan"]["complete"], true, "{:?}: {ran:#?}", tool.words);
            told.push((document["plan"].clone(), document["findings"].clone()));
        }
        for other in &told {
            if *other != told[0] {
                failures
                    .push(format!("{:?}\n{:#}\n{:#}\n{:#}\n{:#}", tool.words, told[0].0, other.0, told[0].1, other.1));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Many at once with one cache, cold and then warm: the same answer, and nothing of it is damaged.
#[test]
fn runs_at_once_share_a_cache() {
    let server = Loopback::start();
    serve(&server);
    let three: Vec<&Tool> =
        TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])).collect();
    for tool in three {
        let sandbox = fresh(tool, &server);
        for round in 0..2 {
            let children: Vec<_> = (0..6)
                .map(|_| {
                    let mut command = sandbox.command(&["check", "--format", "json", "--"]);
                    command.args(tool.words).arg("tw-good");
                    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
                })
                .collect();
            let ran: Vec<Ran> = children
                .into_iter()
                .map(|child| Ran::of(child.wait_with_output().unwrap(), sandbox.dir.path()))
                .collect();
            let plans: Vec<Value> = ran.iter().map(|r| r.json()["plan"].clone()).collect();
            assert!(plans.iter().all(|p| *p == plans[0]), "{:?} {round}: {ran:#?}", tool.words);
            assert!(ran.iter().all(|r| r.status == 0 && r.stderr.is_empty()), "{:?} {round}: {ran:#?}", tool.words);
        }
        let (ran, offline) = judge(&sandbox, tool, &["--offline"], "tw-good", None);
        assert_eq!((ran.status, &offline["plan"]["complete"]), (0, &json!(true)), "{:?}: {ran:#?}", tool.words);
    }
}
