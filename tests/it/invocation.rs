//! What each tool's command lines are understood as: tables of argv → one line, real command lines, properties.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidewaiter::invocation::{FlagEffect, Invocation, RequestKind, parse};
use tidewaiter::model::{Environment, Place, Timestamp};

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        cwd: PathBuf::from("/project"),
        home: None,
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

fn argv(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// One line: `tool verb Effect [marks] asks… files… flags… ?opaque…`.
fn compact(i: &Invocation) -> String {
    let mut out = i.wrappers.iter().map(|w| format!("{w} > ")).collect::<String>();
    out.push_str(i.tool.name());
    if !i.verb.is_empty() {
        out.push_str(&format!(" {}", i.verb));
    }
    out.push_str(&format!(" {:?}", i.effect));
    for (on, mark) in [(i.global, "global"), (i.dry_run, "dry-run")] {
        if on {
            out.push_str(&format!(" {mark}"));
        }
    }
    if let Some(directory) = &i.directory {
        out.push_str(&format!(" in={directory}"));
    }
    for (name, value) in &i.assignments {
        out.push_str(&format!(" {name}={value}"));
    }
    for r in &i.requests {
        let mark = match r.kind {
            RequestKind::Requirement => "",
            RequestKind::Editable => "editable:",
            RequestKind::Selector => "select:",
            RequestKind::With => "with:",
        };
        out.push_str(&format!(" {mark}‹{}›", r.text));
    }
    for f in &i.files {
        out.push_str(&format!(" {:?}({})", f.role, f.path));
    }
    for f in &i.flags {
        let value = f.value.as_deref().map_or(String::new(), |v| format!("={v}"));
        let effect = if f.effect == FlagEffect::Neutral { String::new() } else { format!(":{:?}", f.effect) };
        let place = match &f.location.place {
            Place::Environment(name) => format!("${name}"),
            _ => String::new(),
        };
        out.push_str(&format!(" [{}{value}{effect}{place}]", f.name));
    }
    for o in &i.opaque {
        out.push_str(&format!(" ?{}@{}", o.reason, o.location.column));
    }
    out
}

fn understood(words: &[String]) -> String {
    parse(words, &environment(&[])).iter().map(compact).collect::<Vec<_>>().join(" ;; ")
}

#[test]
fn smoke() {
    for line in [
        "pip install requests",
        "pip3.11 --proxy x install -rreq.txt -U flask --index-url=https://h/simple -qq --trusted-h h",
        "python3.11 -I -m pip install x",
        "python -Im pip install x --help",
        "py -3 -m pip install -e .",
        "pip uninstall x",
        "pip --python .venv install --nope x",
        "npm i -gD x --no-strict-ssl",
        "npm --prefix d isntall",
        "npm ci",
        "npm exec -- npm install evil",
        "npx -y npm@10 install evil",
        "npm -w a install --foo x",
        "npm frob",
        "npx --no-install x",
        "npx -p a -p b c -p d",
        "cargo +nightly build --locked",
        "cargo add serde -F derive",
        "cargo install --git https://x --rev abc foo",
        "cargo frob x",
        "cargo run -- --help",
        "cargo nextest run --locked",
        "cargo --config net.offline=true --config f.toml b",
    ] {
        println!("{line}\n    {}", understood(&argv(line)));
    }
}
