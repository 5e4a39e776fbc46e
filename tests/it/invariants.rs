//! The invariants of docs/ARCHITECTURE.md that apply to judging, each as a test of its name, through the program.

use proptest::prelude::*;
use serde_json::json;

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Fault, Loopback};
use crate::support::tools::{TOOLS, check, fresh, home, judge, purls, serve};

fn level(status: i32) -> i32 {
    assert!([0, 10, 20].contains(&status), "{status}");
    status
}

/// Words of which many commands can be made: tools, verbs, flags known and unknown, requests good and nonsensical.
fn words() -> impl Strategy<Value = Vec<String>> {
    let tool = prop::sample::select(vec![
        "pip install",
        "npm install",
        "npm ci",
        "cargo add",
        "cargo install",
        "uv pip install",
        "pnpm add",
        "yarn add",
        "npx",
        "pipx run",
        "python -m pip install",
        "sudo pip install",
        "env A=b npm i",
        "uvx",
        "bun add",
        "poetry add",
        "sh -c",
        "xargs npm install",
    ]);
    let rest = prop::sample::select(vec![
        "tw-good",
        "tw-nobody",
        "--flag-of-tomorrow",
        "-r",
        "gone.txt",
        "$(cat x)",
        "git+https://git.invalid/x.git",
        "--",
        "-e",
        ".",
        "https://files.invalid/x.tgz",
        "@scope/x",
        "tw-good==9",
        "--index-url",
        "",
        "*",
        "./x.whl",
        "--target=/",
        "file:../x",
    ]);
    (tool, prop::collection::vec(rest, 0..4))
        .prop_map(|(tool, rest)| tool.split(' ').chain(rest).map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// b. Whatever the policy says of the rules: the user's own switches `opaque` and its kin off here.
    #[test]
    fn opaque_or_incomplete_never_becomes_allow(words in words()) {
        let sandbox = Sandbox::new();
        let off = "version = 1\non-unavailable = \"warn\"\n[rules]\nopaque = \"off\"\nunknown-package = \"off\"\n";
        home(&sandbox, ".config/tidewaiter/policy.toml", off.to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = check(&sandbox, &["--offline", "--format", "json"], &words);
        let document = ran.json();
        let opaque = document["findings"].as_array().unwrap().iter().any(|f| f["rule"] == "opaque");
        if document["plan"]["complete"] == false || opaque {
            prop_assert!(level(ran.status) >= 10, "{words:?}: {ran:#?}");
        }
        // Whatever a person asked not to be told of, a refusal says why.
        let ran = check(&sandbox, &["--offline"], &words);
        let why = ["\n  ask ", "\n  deny ", "\nNot known:\n"];
        prop_assert!(level(ran.status) < 10 || why.iter().any(|w| ran.stdout.contains(w)), "{words:?}: {ran:#?}");
    }
}

/// c. A policy that cannot be read, at any level, whatever is wrong with it.
#[test]
fn an_unreadable_policy_stops_an_install_and_lets_the_rest_pass() {
    let server = Loopback::start();
    serve(&server);
    let broken: [&[u8]; 6] = [
        b"\xff\xfe",
        b"version = ",
        b"version = 99\n",
        b"[rules]\nmalware = 3\n",
        b"\0\0\0",
        b"version = 1\nnew = 1\n",
    ];
    for place in ["../home/.config/tidewaiter/policy.toml", "tidewaiter.toml"] {
        for text in broken {
            let sandbox = fresh(&TOOLS[0], &server);
            sandbox.write(place, text);
            let ran = check(&sandbox, &[], &["pip", "install", "tw-good"]);
            assert!(level(ran.status) >= 10, "{place} {text:?}: {ran:#?}");
            assert_eq!(check(&sandbox, &[], &["pip", "list"]).status, 0, "{place} {text:?}");
            assert_eq!(check(&sandbox, &[], &["git", "status"]).status, 0, "{place} {text:?}");
        }
        let sandbox = fresh(&TOOLS[0], &server);
        std::fs::create_dir_all(sandbox.work().join(place)).unwrap();
        let ran = check(&sandbox, &[], &["pip", "install", "tw-good"]);
        assert!(level(ran.status) >= 10, "{place}: {ran:#?}");
        assert_eq!(check(&sandbox, &[], &["pip", "list"]).status, 0, "{place}");
    }
}

/// e. For every policy that a project can bring: the verdict with it is at least the verdict without.
#[test]
fn nothing_in_the_project_directory_widens() {
    let plain = Sandbox::new();
    let subject = "litellm==1.82.8\nsix==1.16.0\nx @ git+https://git.invalid/x.git\n";
    plain.write("requirements.txt", subject);
    let audit = ["audit", "--offline", "requirements.txt"];
    let install = ["check", "--offline", "--", "pip", "install", "--trusted-host", "x", "-r", "requirements.txt"];
    let (audited, installed) = (level(plain.run(&audit).status), level(plain.run(&install).status));
    assert_eq!(audited, 20);
    let asked = Sandbox::new();
    asked.write("requirements.txt", "x @ git+https://git.invalid/x.git\n");
    assert_eq!(level(asked.run(&audit).status), 10);
    let infos = tidewaiter::rules::infos();
    let mut policies: Vec<String> = Vec::new();
    for word in ["off", "note", "warn", "ask", "deny"] {
        let all: Vec<String> = infos.iter().map(|r| format!("{} = \"{word}\"", r.name)).collect();
        policies.push(format!("version = 1\n[rules]\n{}\n", all.join("\n")));
    }
    policies.extend(infos.iter().map(|r| format!("version = 1\n[rules]\n{} = \"off\"\n", r.name)));
    policies.extend(infos.iter().map(|r| {
        format!("version = 1\n[[allow]]\npackage = \"pkg:pypi/*\"\nrule = \"{}\"\nreason = \"x\"\nexpires = \"2999-01-01\"\n", r.name)
    }));
    policies.push("version = 1\non-unavailable = \"allow\"\n".to_owned());
    policies.push("version = 1\non-unavailable = \"warn\"\n".to_owned());
    policies.push(
        "version = 1\n[trust]\ngit-remotes = [\"git.invalid/*\"]\nregistries = [\"https://git.invalid/\"]\n".to_owned(),
    );
    policies.push("version = 1\n[rules]\ncooldown = { level = \"hold\", days = 0, exclude = [\"*\"] }\n".to_owned());
    policies.push("version = 1\n[rules]\nvulnerability = { level = \"note\", ask = \"none\" }\n".to_owned());
    for policy in policies {
        for (sandbox, least) in [(&plain, audited), (&asked, 10)] {
            sandbox.write("tidewaiter.toml", &policy);
            let ran = sandbox.run(&audit);
            assert!(level(ran.status) >= least, "{policy}: {ran:#?}");
        }
        let ran = plain.run(&install);
        assert!(level(ran.status) >= installed, "{policy}: {ran:#?}");
    }
}

/// g. With an index that cannot be read, a cache that cannot be written and a registry that listens: nobody asks it.
#[test]
fn a_command_that_installs_nothing_costs_no_network_no_client_and_no_index() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        for file in ["PyPI.idx", "npm.idx", "crates.io.idx", "index"] {
            home(&sandbox, &format!(".local/share/tidewaiter/advisories/{file}"), "damaged".to_owned());
        }
        home(&sandbox, ".cache", "no directory".to_owned());
        home(&sandbox, ".config/tidewaiter/policy.toml", "not a policy".to_owned());
        for words in [
            &["pip", "list"][..],
            &["pip", "uninstall", "-y", "tw-good"],
            &["pip", "config", "list"],
            &["python", "script.py"],
            &["npm", "run", "build"],
            &["npm", "ls"],
            &["cargo", "fmt"],
            &["cargo", "--version"],
            &["cargo", "clean"],
            &["uv", "--version"],
            &["git", "commit", "-m", "pip install tw-good"],
            &["ls"],
            &["make", "--version"],
        ] {
            let ran = check(&sandbox, &["--format", "json"], words);
            assert_eq!(ran.status, 0, "{words:?}: {ran:#?}");
            assert_eq!(ran.json()["plan"]["packages"], json!([]), "{words:?}");
            assert_eq!(ran.json()["advisories"]["records"], 0, "{words:?}: no index was opened");
        }
    }
    assert!(server.log().is_empty(), "{:?}", server.paths());
}

/// Metadata whose digest is not what the index page announces is never used in silence: the dependency that it hides is
/// in the plan, or the plan is incomplete.
#[test]
fn metadata_that_the_page_does_not_vouch_for_hides_nothing() {
    for name in ["pip", "uv"] {
        let server = Loopback::start();
        server.python(Dist::wheel("tw-good", "1.0.0").requires(&["tw-dep"])).python(Dist::wheel("tw-dep", "1.0.0"));
        let file = "/files/tw_good-1.0.0-py3-none-any.whl.metadata";
        server.always(file, Fault::Garbage("Metadata-Version: 2.1\nName: tw-good\nVersion: 1.0.0\n\n"));
        let tool = TOOLS.iter().find(|t| t.words[0] == name).unwrap();
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert!(server.paths().iter().any(|p| p == file), "it was asked for: {:?}", server.paths());
        let whole = purls(&document).len() == 2;
        assert!(whole || (document["plan"]["complete"] == false && ran.status != 0), "{name}: {ran:#?}");
        // The wheel itself changed as well.
        server.always("/files/tw_good-1.0.0-py3-none-any.whl", Fault::BentByte);
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        let whole = purls(&document).len() == 2;
        assert!(whole || (document["plan"]["complete"] == false && ran.status != 0), "{name}: {ran:#?}");
    }
}

/// A private name never reaches a public registry, by any tool: nothing at all goes through the proxy for it.
#[test]
fn a_private_name_never_reaches_a_public_registry() {
    let proxy = Loopback::start();
    for words in [
        &["pip", "install", "acme-core"][..],
        &["uv", "pip", "install", "acme-core"],
        &["npm", "install", "acme-core"],
        &["npx", "acme-core"],
        &["pnpm", "add", "acme-core"],
        &["yarn", "add", "acme-core"],
        &["bun", "add", "acme-core"],
        &["cargo", "add", "acme-core"],
        &["cargo", "install", "acme-core"],
        &["poetry", "add", "acme-core"],
        &["pdm", "add", "acme-core"],
        &["pipenv", "install", "acme-core"],
        &["pipx", "install", "acme-core"],
        &["uvx", "acme-core"],
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        sandbox.write("src/main.rs", "fn main() {}\n");
        // Without what pdm would build the project with, which is public.
        let project = "[project]\nname = \"app\"\nversion = \"1\"\n[tool.pdm]\ndistribution = false\n";
        sandbox.write("pyproject.toml", project);
        home(
            &sandbox,
            ".config/tidewaiter/policy.toml",
            "version = 1\n[trust]\nprivate-names = [\"acme-*\"]\n".to_owned(),
        );
        let mut command = sandbox.command(&["check", "--format", "json", "--"]);
        command.args(words).env("https_proxy", &proxy.url).env("http_proxy", &proxy.url);
        let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
        assert_eq!(ran.status, 20, "{words:?}: {ran:#?}");
        assert!(rules(&ran.json(), "deny").contains(&"dependency-confusion".to_owned()), "{words:?}: {ran:#?}");
    }
    assert!(proxy.log().is_empty(), "{:?}", proxy.log());
}
