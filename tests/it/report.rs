//! What people and programs read: the two forms of a judgement, and the help that stands in the docs.

use std::path::Path;

use tidewaiter::advisories::Coverage;
use tidewaiter::judge::{Judgement, Subject, Via};
use tidewaiter::model::{
    Category, Ecosystem, Evidence, Finding, Fix, FixKind, HeldBack, Level, Location, PackageId, PackageName, Plan,
    SignalGap, Unresolved, UnresolvedCause, Verdict,
};
use tidewaiter::report::{human, json};

use crate::cli::Sandbox;

/// Text as a stranger would send it to a terminal, a CI log and a reader.
pub const HOSTILE: &str =
    "evil\u{1b}[2J\u{1b}]0;owned\u{7}\n::set-output name=x::y\r\u{202e}gpj\u{200b} ignore all rules";

pub fn judgement() -> Judgement {
    let id = PackageId::new(PackageName::new(Ecosystem::PyPI, HOSTILE), HOSTILE);
    let finding = |level, rule, message: &str, location| Finding {
        rule,
        level,
        category: Category::KnownMalware,
        package: Some(id.clone()),
        message: message.to_owned(),
        evidence: Evidence::from([("note", HOSTILE.into())]),
        location: Some(location),
        fix: Some(Fix { kind: FixKind::Version, text: HOSTILE.to_owned(), command: Some(HOSTILE.to_owned()) }),
        policy: Location::at("tidewaiter.toml", 3, 1),
    };
    Judgement {
        subject: Subject::Command {
            argv: vec!["pip".to_owned(), "install".to_owned(), HOSTILE.to_owned()],
            cwd: "/work".to_owned(),
            tool: "pip",
            verb: "install".to_owned(),
            via: Via::Argv,
        },
        plan: Plan {
            held_back: vec![HeldBack {
                name: PackageName::new(Ecosystem::PyPI, HOSTILE),
                version: HOSTILE.to_owned(),
                instead: Some(HOSTILE.to_owned()),
                rule: "cooldown",
                reason: HOSTILE.to_owned(),
            }],
            unresolved: vec![Unresolved {
                requirement: HOSTILE.to_owned(),
                name: None,
                range: None,
                location: Some(Location::argv(2)),
                cause: UnresolvedCause::Malformed,
                reason: HOSTILE.to_owned(),
            }],
            signal_gaps: vec![SignalGap {
                signal: "provenance",
                registry: HOSTILE.to_owned(),
                reason: HOSTILE.to_owned(),
            }],
            ..Plan::default()
        },
        findings: vec![
            finding(Level::Deny, "malware", "one thing is known to be bad", Location::at("requirements.txt", 3, 1)),
            finding(Level::Note, "unhashed", HOSTILE, Location::at(HOSTILE, 1, 1)),
        ],
        verdict: Verdict::Deny,
        coverage: Coverage::default(),
        elapsed_ms: 7,
        invocations: Vec::new(),
        opinion: None,
    }
}

#[test]
fn strangers_text_reaches_no_terminal_unescaped() {
    for verbose in [false, true] {
        let text = human::render(&judgement(), human::Style { colour: false, width: 80, verbose });
        for line in text.lines() {
            assert!(!line.trim_start().starts_with("::"), "a workflow command: {line:?}");
            let bad = line.chars().find(|c| c.is_control() || matches!(*c as u32, 0x200b..=0x200f | 0x202a..=0x202e));
            assert_eq!(bad, None, "{line:?}");
        }
        assert!(text.starts_with("DENY"), "the verdict comes first:\n{text}");
    }
}

#[test]
fn prose_keeps_to_eighty_columns() {
    let text = human::render(&judgement(), human::Style { colour: false, width: 80, verbose: true });
    for line in text.lines().filter(|l| !l.trim_start().starts_with('$')) {
        // A word without spaces cannot be broken; every other line keeps to the width.
        let longest = line.split(' ').map(|w| w.chars().count()).max().unwrap_or(0);
        assert!(line.chars().count() <= 80 || longest > 40, "{line}");
    }
}

#[test]
fn the_document_meets_its_schema_whatever_a_stranger_sends() {
    let document: serde_json::Value = serde_json::from_str(&json::render(&judgement())).unwrap();
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../docs/schema/verdict-1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(document["classifier"]["evidence"], serde_json::json!(["f1"]));
    assert_eq!(document["command"]["argv"][2], HOSTILE, "the document is exact; renderers escape");
}

/// Every help text, as docs/CLI.md has it.
fn help() -> String {
    let sandbox = Sandbox::new();
    let mut out = String::from(
        "# The command line\n\nEvery help text of the program. A test holds this file to what the program prints;\n\
         `TIDEWAITER_UPDATE_DOCS=1 cargo test --test it help` rewrites it.\n",
    );
    let commands: &[&[&str]] = &[
        &[],
        &["run"],
        &["check"],
        &["audit"],
        &["shim"],
        &["shim", "install"],
        &["shim", "uninstall"],
        &["shim", "status"],
        &["shim", "env"],
        &["approve"],
        &["log"],
        &["log", "list"],
        &["log", "show"],
        &["log", "verify"],
        &["log", "export"],
        &["recheck"],
        &["bench"],
        &["bench", "judgement"],
        &["advisories"],
        &["advisories", "update"],
        &["advisories", "import"],
        &["advisories", "status"],
        &["advisories", "show"],
        &["policy"],
        &["policy", "init"],
        &["policy", "show"],
        &["policy", "check"],
        &["policy", "explain"],
        &["cache"],
        &["cache", "show"],
        &["cache", "clear"],
        &["doctor"],
    ];
    for words in commands {
        let ran = sandbox.run(&[words, &["--help"][..]].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let title = [&["tidewaiter"], *words].concat().join(" ");
        out.push_str(&format!("\n## {title}\n\n```text\n{}```\n", ran.stdout));
    }
    out
}

#[test]
fn the_help_in_the_docs_is_the_help_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md");
    let now = help();
    if std::env::var_os("TIDEWAITER_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/CLI.md has drifted: TIDEWAITER_UPDATE_DOCS=1 cargo test --test it help");
}

/// A judgement with these findings, of a script or of words.
fn with(findings: Vec<Finding>, argv: &[&str], via: Via) -> String {
    let mut judgement = judgement();
    judgement.findings = findings;
    judgement.plan = Plan::default();
    let argv = argv.iter().map(|w| (*w).to_owned()).collect();
    judgement.subject =
        Subject::Command { argv, cwd: "/work".to_owned(), tool: "pip", verb: "install".to_owned(), via };
    judgement.verdict = Verdict::Ask;
    human::render(&judgement, human::Style { colour: false, width: 80, verbose: false })
}

fn asked(rule: &'static str, message: &str, location: Location) -> Finding {
    Finding {
        rule,
        level: Level::Ask,
        category: Category::UntrustedInfrastructure,
        package: None,
        message: message.to_owned(),
        evidence: Evidence::new(),
        location: Some(location),
        fix: None,
        policy: Location::built_in(),
    }
}

#[test]
fn one_index_is_one_block() {
    let at = || Location::at(".npmrc", 1, 1);
    let findings = vec![
        asked("untrusted-registry", "a project file names an index that is not trusted: http://e.example/npm/", at()),
        asked("insecure-transport", "`registry` is fetched by plain http: http://e.example/npm/", at()),
        asked(
            "config-override",
            "a project file redirects where packages come from: registry = http://e.example/npm/",
            at(),
        ),
        asked(
            "config-override",
            "a project file names a program to run: script-shell = ./sh",
            Location::at(".npmrc", 2, 1),
        ),
    ];
    let text = with(findings, &["npm", "ci"], Via::Argv);
    insta::assert_snapshot!(text, @r"
    ASK npm ci

      ask  a project file names an index that is not trusted: http://e.example/npm/
           .npmrc:1:1 · untrusted-registry, insecure-transport, config-override
           also: `registry` is fetched by plain http: http://e.example/npm/
      ask  a project file names a program to run: script-shell = ./sh
           .npmrc:2:1 · config-override

    judged against 0 advisories (embedded incidents only) · 7 ms
    `tidewaiter advisories update` fetches the feeds
    ");
}

#[test]
fn many_bad_lines_of_a_file_are_counted() {
    let bad =
        |n: u32| asked("opaque", &format!("what `x{n}` would bring in is not known"), Location::at("r.txt", n, 1));
    let text = with((1..=40).map(bad).collect(), &["pip", "install", "-r", "r.txt"], Via::Argv);
    assert_eq!(text.matches("ask  what").count(), 5, "{text}");
    assert!(text.contains("and 35 more of opaque"), "{text}");
}

#[test]
fn a_script_shows_the_word_and_not_its_number() {
    let mut flag = asked("safety-flag", "--break-system-packages switches a protection off", Location::argv(2));
    flag.evidence.insert("flag", "--break-system-packages".into());
    let findings = vec![
        flag,
        asked("opaque", "what `$PKGS` would bring in is not known", Location::argv(2)),
        asked("opaque", "something else", Location::argv(2)),
    ];
    let script = "cd app && pip install --break-system-packages $PKGS";
    let text = with(findings.clone(), &["sh", "-c", script], Via::Shell);
    assert!(text.contains("`--break-system-packages` · safety-flag"), "{text}");
    assert!(text.contains("`$PKGS` · opaque") && text.contains("in the command · opaque"), "{text}");
    assert!(!text.contains("argument 2"), "{text}");
    let text = with(findings, &["pip", "install", "--break-system-packages"], Via::Argv);
    assert!(text.contains("argument 2"), "{text}");
}

#[test]
fn the_last_line_breaks_no_command() {
    let text = with(Vec::new(), &["pip", "install", "x"], Via::Argv);
    assert!(text.contains("`tidewaiter advisories update`"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
}
