//! Shell text through to invocations: what must never pass in silence, what must never raise a question, and that each
//! command is read where it would run.

use std::path::PathBuf;

use tidewaiter::invocation::{Effect, Invocation, parse_shell};

use crate::support::{environment, shared_data};

fn read(text: &str) -> Vec<Invocation> {
    parse_shell(text, &environment("/project"), &|_| None)
}

/// The lines of a fixture; `⏎` stands for a line end, `⇥` for a tab.
fn lines(name: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/shell").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with("## "));
    lines.map(|l| l.replace('⏎', "\n").replace('⇥', "\t")).collect()
}

/// Whether the opaque rule asks, whatever the registries say.
fn asks(invocation: &Invocation) -> bool {
    !invocation.opaque.is_empty() || invocation.effect == Effect::Unknown
}

fn shown(all: &[Invocation]) -> String {
    let one = |i: &Invocation| {
        let opaque: Vec<&str> = i.opaque.iter().map(|o| o.reason.as_str()).collect();
        format!("{} {} {:?} {opaque:?}", i.tool.name(), i.verb, i.effect)
    };
    all.iter().map(one).collect::<Vec<_>>().join(" ; ")
}

#[test]
fn no_evasion_passes_in_silence() {
    let lines = lines("evasions.txt");
    assert!(lines.len() >= 150, "{}", lines.len());
    let silent = |line: &&String| read(line).iter().all(|i| i.effect == Effect::Nothing && !asks(i));
    let missed: Vec<&String> = lines.iter().filter(silent).collect();
    assert!(missed.is_empty(), "{} of {}: {missed:#?}", missed.len(), lines.len());
}

#[test]
fn no_benign_line_raises_a_question() {
    let lines = lines("benign.txt");
    assert!(lines.len() >= 150, "{}", lines.len());
    let asked: Vec<String> = lines
        .iter()
        .map(|line| (line, read(line)))
        .filter(|(_, all)| all.iter().any(asks))
        .map(|(line, all)| format!("{line}\n    {}", shown(&all)))
        .collect();
    assert!(asked.is_empty(), "{} of {}:\n{}", asked.len(), lines.len(), asked.join("\n"));
}

/// What is written in one line is found in it, wherever the line stands.
#[test]
fn real_command_lines_are_found_wherever_they_stand() {
    let Some(path) = shared_data("commands/commands.tsv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut missed = Vec::new();
    let installs = |all: &[Invocation]| all.iter().any(|i| i.effect != Effect::Nothing);
    for line in text.lines().filter_map(|l| l.split('\t').next()) {
        if !installs(&read(line)) {
            continue;
        }
        let quoted = line.replace('\'', r"'\''");
        for held in [
            format!("if true; then {line}\nfi"),
            format!("({line}\n)"),
            format!("f() {{ {line}\n}}; f"),
            format!("for i in 1 2; do {line}\ndone"),
            format!("x=$({line}\n)"),
            format!("sh -c '{quoted}'"),
            format!("sh <<'THE END'\n{line}\nTHE END"),
            format!("echo '{quoted}' > x.sh; bash x.sh"),
            format!("cd app && {line}"),
        ] {
            if !installs(&read(&held)) {
                missed.push(held);
            }
        }
    }
    assert!(missed.is_empty(), "{} {missed:#?}", missed.len());
}

#[test]
fn commands_are_read_where_they_would_run() {
    for (text, expected) in [
        ("cd app && npm install", &[("npm", Some("app"))][..]),
        ("(cd a && npm ci); npm ci", &[("npm", Some("a")), ("npm", None)]),
        ("cd a; npm --prefix b ci", &[("npm", Some("a/b"))]),
        ("for d in a b; do (cd $d && npm ci); done", &[("npm", Some("a")), ("npm", Some("b"))]),
        ("cd /x/y && sh -c 'cd z; cargo build'", &[("cargo", Some("/x/y/z"))]),
        ("pushd a && uv sync && popd && uv sync", &[("uv", Some("a")), ("uv", None)]),
    ] {
        let all = read(text);
        let found: Vec<(&str, Option<&str>)> = all.iter().map(|i| (i.tool.name(), i.directory.as_deref())).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn variables_reach_the_commands_that_see_them() {
    for (text, expected) in [
        ("export PIP_INDEX_URL=http://h; pip install x", "PIP_INDEX_URL=http://h"),
        ("PIP_INDEX_URL=http://h; pip install x", "PIP_INDEX_URL=http://h"),
        ("A=b; pip install x", ""),
        ("export A=b; C=d pip install x", "A=b C=d"),
        ("export A=b; unset A; pip install x", ""),
        ("A=b sh -c 'pip install $A'", "A=b"),
        ("(export A=b); pip install x", ""),
        ("if a; then export A=b; else export A=b; fi; pip install x", "A=b"),
    ] {
        let all = read(text);
        let set: Vec<String> = all[0].assignments.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(set.join(" "), expected, "{text}");
    }
}
