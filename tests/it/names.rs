//! Names as attackers and hasty fingers write them: homoglyphs, other cases, names that no registry takes. Never
//! cleared for what they look like, and never written to a terminal raw.

use serde_json::json;

use crate::cli::{Sandbox, rules};
use crate::support::loopback::Loopback;
use crate::support::tools::{TOOLS, check, fresh, judge, purls, serve};

#[test]
fn a_homoglyph_is_not_what_it_looks_like() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        // Cyrillic e, Greek omicron, full-width r, an invisible joiner, and a combining accent.
        for name in ["r\u{435}quests", "l\u{3bf}dash", "\u{ff52}equests", "tw\u{200d}-good", "tw-go\u{301}od"] {
            let (ran, document) = judge(&sandbox, tool, &[], name, None);
            assert_ne!(ran.status, 0, "{:?} {name}: {ran:#?}", tool.words);
            assert!(purls(&document).is_empty(), "{:?} {name}: {ran:#?}", tool.words);
            let fired = [rules(&document, "deny"), rules(&document, "ask")].concat();
            let expected = ["unknown-package", "typosquat", "opaque"];
            assert!(fired.iter().any(|r| expected.contains(&r.as_str())), "{:?} {name}: {fired:?}", tool.words);
            let words: Vec<&str> = tool.words.iter().copied().chain([name]).collect();
            let human = check(&sandbox, &["--verbose"], &words);
            let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
            assert!(
                !human.stdout.contains(hidden) && !human.stderr.contains(hidden),
                "{:?} {name}: {human:#?}",
                tool.words
            );
        }
        assert!(
            server.paths().iter().all(|p| p.is_ascii() && !p.contains('%')),
            "asked for no such name: {:?}",
            server.paths()
        );
    }
}

/// The letters look alike, and one is Cyrillic: a reader has to see that it is.
#[test]
fn a_homoglyph_is_shown_as_what_it_is() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        let sandbox = fresh(tool, &server);
        let words: Vec<&str> = tool.words.iter().copied().chain(["r\u{435}quests"]).collect();
        let human = check(&sandbox, &[], &words);
        assert!(human.stdout.contains("U+0435"), "{:?}: {human:#?}", tool.words);
    }
}

#[test]
fn case_and_separators_are_folded_as_each_registry_folds_them() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        for name in ["TW-Good", "tw_good", "Tw.Good", "TW--good"] {
            let (ran, document) = judge(&sandbox, tool, &[], name, None);
            let folds = match tool.ecosystem {
                "PyPI" => true,
                // Crates fold `-` and `_`, and case; npm folds nothing.
                "crates.io" => matches!(name, "tw_good" | "TW-Good"),
                _ => false,
            };
            if folds {
                assert_eq!(purls(&document).len(), 2, "{:?} {name}: {ran:#?}", tool.words);
                assert!(
                    purls(&document)
                        .iter()
                        .any(|p| p.to_ascii_lowercase().replace('_', "-").ends_with("/tw-good@1.0.0")),
                    "{name}: {ran:#?}"
                );
            } else {
                assert_ne!(ran.status, 0, "{:?} {name}: {ran:#?}", tool.words);
                assert!(purls(&document).is_empty(), "{:?} {name}: {ran:#?}", tool.words);
            }
        }
    }
}

/// What is no name at all reaches no URL and no terminal.
#[test]
fn what_is_no_name_reaches_no_registry_and_no_terminal() {
    let server = Loopback::start();
    serve(&server);
    let names = [
        "../../etc/passwd%00",
        "a/../../admin",
        "tw-good\r\nX-Evil: 1",
        "\u{1b}]0;owned\u{7}",
        "a\u{1b}[2Jb",
        "%2e%2e",
        "a?b=c",
        "a#b",
        "@",
        "@/",
        "@a/",
        "@a/b/c",
        "-",
        "__proto__",
        "constructor",
        "node_modules",
        "favicon.ico",
        "con",
        "nul",
        "a b",
        "a\tb",
        "\u{202e}doog-wt",
        "{}",
        "[]",
        "*",
        "tw-good;id",
        "$(id)",
        "`id`",
        "::error::x",
    ];
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        server.clear_log();
        for name in names.into_iter().chain([&*"a".repeat(5000)]) {
            let words: Vec<&str> = tool.words.iter().copied().chain([name]).collect();
            let human = check(&sandbox, &["--verbose"], &words);
            assert_ne!(human.status, 0, "{:?} {name:.40}: {human:#?}", tool.words);
            assert!([2, 10, 20].contains(&human.status), "{:?} {name:.40}: {human:#?}", tool.words);
            let said = format!("{}{}", human.stdout, human.stderr);
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!said.contains(raw) && !said.contains("panicked"), "{:?} {name:.40}: {said:?}", tool.words);
            assert!(said.lines().all(|l| !l.starts_with("::")), "{:?} {name:.40}: {said:?}", tool.words);
            let github = check(&sandbox, &["--format", "github"], &words);
            let injected = github.stdout.lines().any(|l| l.starts_with("::error::x"));
            assert!(!injected && !github.stdout.contains('\u{1b}'), "{:?} {name:.40}: {github:?}", tool.words);
        }
        for path in server.paths() {
            assert!(!path.contains("..") && !path.contains("passwd") && !path.contains("admin"), "{path}");
            assert!(path.len() < 300, "{path:.80}");
        }
    }
}

/// A manifest is a stranger's text too.
#[test]
fn names_in_manifests_are_no_safer() {
    let server = Loopback::start();
    serve(&server);
    let evil = "\u{1b}[2J\u{202e}evil";
    let manifest = json!({"name": evil, "version": evil, "dependencies": {evil: evil, "tw-good": "npm:\u{1b}[1m@*"}});
    let sandbox = fresh(&TOOLS[2], &server);
    sandbox.write("package.json", manifest.to_string());
    sandbox.write("requirements.txt", format!("{evil}\ntw-good=={evil}\n-r {evil}.txt\n--{evil}\n"));
    sandbox.write(
        "Cargo.toml",
        format!(
            "[package]\nname = {}\n[dependencies]\n{} = {}\n",
            json!(evil).to_string().replace("\\u001b", "\\u001B"),
            json!(evil).to_string().replace("\\u001b", "\\u001B"),
            "\"1\""
        ),
    );
    for words in [
        &["npm", "install"][..],
        &["pip", "install", "-r", "requirements.txt"],
        &["cargo", "build"],
        &["yarn"],
        &["pnpm", "install"],
    ] {
        for options in [&[][..], &["--verbose"]] {
            let ran = check(&sandbox, options, words);
            assert_ne!(ran.status, 0, "{words:?}: {ran:#?}");
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!ran.stdout.contains(raw) && !ran.stderr.contains(raw), "{words:?}: {ran:?}");
        }
    }
}

#[test]
fn a_name_that_differs_only_in_look_is_not_the_lockfiles() {
    let sandbox = Sandbox::new();
    sandbox.write("requirements.txt", "r\u{435}quests==2.32.3\n");
    let ran = sandbox.run(&["audit", "--offline", "--format", "json"]);
    assert_ne!(ran.status, 0, "{ran:#?}");
}
