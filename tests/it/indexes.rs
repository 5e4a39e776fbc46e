//! Python indexes as users have them: named by a variable alone, an extra one beside the public one, HTML only, slow,
//! without what others tell; and projects that have only sdists.

use serde_json::json;

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Fault, Loopback};
use crate::support::tools::{TOOLS, check, fresh, home, judge, purls, serve};

fn pip(sandbox: &Sandbox, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let mut command = sandbox.command(&["check", "--format", "json", "--", "pip", "install"]);
    command.args(words).envs(variables.iter().copied()).env("PIP_RETRIES", "0");
    Ran::of(command.output().unwrap(), sandbox.dir.path())
}

fn gaps(document: &serde_json::Value) -> Vec<&str> {
    document["signals_unavailable"].as_array().unwrap().iter().map(|g| g["signal"].as_str().unwrap()).collect()
}

#[test]
fn a_variable_alone_names_the_index_and_is_asked_about() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = Sandbox::new();
    let ran = pip(&sandbox, &[("PIP_INDEX_URL", &server.simple())], &["tw-good"]);
    let document = ran.json();
    assert_eq!(purls(&document).len(), 2, "{ran:#?}");
    assert_eq!((ran.status, rules(&document, "ask")), (10, vec!["untrusted-registry".to_owned()]), "{ran:#?}");
    let policy = format!("version = 1\n[trust]\nregistries = [\"{}\"]\n", server.simple());
    home(&sandbox, ".config/tidewaiter/policy.toml", policy);
    let ran = pip(&sandbox, &[("PIP_INDEX_URL", &server.simple())], &["tw-good"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
}

/// PyPI is out of reach in this test: what matters is that it is not asked, and that silence does not clear the name.
#[test]
fn an_extra_index_does_not_make_a_private_name_safe() {
    let private = Loopback::start();
    private.python(Dist::wheel("acme-core", "1.0.0"));
    let sandbox = Sandbox::new();
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nextra-index-url = {}\n", private.simple()));
    home(&sandbox, ".config/tidewaiter/policy.toml", "version = 1\n[trust]\nprivate-names = [\"acme-*\"]\n".to_owned());
    let proxy = Loopback::start();
    let ran = pip(&sandbox, &[("https_proxy", &proxy.url)], &["acme-core"]);
    let document = ran.json();
    assert_eq!(rules(&document, "deny"), ["dependency-confusion"], "{ran:#?}");
    assert!(proxy.log().is_empty(), "PyPI was not asked: {:?}", proxy.paths());
    // The one index that has it, alone, is the way out.
    let ran = pip(&sandbox, &[], &["--index-url", &private.simple(), "acme-core"]);
    assert!(!rules(&ran.json(), "deny").contains(&"dependency-confusion".to_owned()), "{ran:#?}");
    assert_eq!(purls(&ran.json()), ["pkg:pypi/acme-core@1.0.0"], "{ran:#?}");
}

#[test]
fn a_project_of_sdists_alone_asks_in_words() {
    let server = Loopback::start();
    server.python(Dist::sdist("tw-source", "1.0.0").metadata("2.1", &[]).requires(&["tw-dep"]));
    server.python(Dist::sdist("tw-dynamic", "1.0.0").metadata("2.2", &["Requires-Dist"]));
    server.python(Dist::sdist("tw-static", "1.0.0").metadata("2.2", &[]));
    let sandbox = fresh(&TOOLS[0], &server);
    for name in ["tw-source", "tw-dynamic"] {
        let (ran, document) = judge(&sandbox, &TOOLS[0], &[], name, None);
        assert_eq!(ran.status, 10, "{name}: {ran:#?}");
        assert_eq!(document["plan"]["complete"], false, "{name}: {ran:#?}");
        let reason = document["plan"]["unresolved"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("known only by running its build"), "{name}: {reason}");
    }
    // What it requires is known without a build, and that it is built is told.
    let (ran, document) = judge(&sandbox, &TOOLS[0], &[], "tw-static", None);
    assert_eq!(document["plan"]["complete"], true, "{ran:#?}");
    assert!(rules(&document, "note").contains(&"builds-from-source".to_owned()), "{ran:#?}");
}

#[test]
fn an_index_of_html_alone_is_enough() {
    let server = Loopback::start();
    serve(&server);
    server.python(Dist::wheel("tw-wanted", "1.0.0")).python(Dist::wheel("tw-wanted", "1.1.0").yanked("broken"));
    let sandbox = Sandbox::new();
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {}/html/\n", server.url));
    let ran = pip(&sandbox, &[], &["tw-good", "tw-wanted"]);
    let document = ran.json();
    let expected = ["pkg:pypi/tw-dep@1.0.0", "pkg:pypi/tw-good@1.0.0", "pkg:pypi/tw-wanted@1.0.0"];
    assert_eq!(purls(&document), expected, "{ran:#?}");
    assert_eq!(document["plan"]["complete"], true, "{ran:#?}");
}

/// What a registry does not say is listed, and is no reason to call anything fresh or old.
#[test]
fn what_a_registry_does_not_say_is_listed_and_never_clean() {
    let server = Loopback::start();
    server.python(Dist::wheel("tw-good", "1.0.0").without_time());
    server.npm("tw-good", "1.0.0", "2020-01-01T00:00:00Z", json!({"bin": "x.js"}));
    let mut packument = json!({"name": "tw-good", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
        "name": "tw-good", "version": "1.0.0", "bin": "x.js",
        "dist": {"tarball": format!("{}tw-good/-/tw-good-1.0.0.tgz", server.npm_url())}}}});
    server.raw("/npm/tw-good", "application/json", packument.to_string().into_bytes());
    server.krate("tw-good", "1.0.0", json!({}), &[("src/lib.rs", "")]);
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert!(gaps(&document).contains(&"published-at"), "{:?}: {ran:#?}", tool.words);
        assert!(rules(&document, "warn").contains(&"age-unknown".to_owned()), "{:?}: {ran:#?}", tool.words);
        assert_eq!(
            document["plan"]["packages"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|p| p["published_at"] != json!(null))
                .count(),
            0
        );
        // A point in the past cannot be judged by releases of unknown age.
        let (ran, document) = judge(&sandbox, tool, &["--as-of", "2021-01-01"], "tw-good", None);
        assert!(ran.status != 0 || gaps(&document).contains(&"published-at"), "{:?}: {ran:#?}", tool.words);
    }
    // Neither times nor digests.
    packument["time"] = json!({"1.0.0": "yesterday", "created": 3});
    server.raw("/npm/tw-good", "application/json", packument.to_string().into_bytes());
    let sandbox = fresh(&TOOLS[2], &server);
    let (ran, document) = judge(&sandbox, &TOOLS[2], &[], "tw-good", None);
    assert!(gaps(&document).contains(&"published-at"), "{ran:#?}");
}

#[test]
fn a_slow_index_is_waited_for_and_a_name_that_is_gone_is_not() {
    let server = Loopback::start();
    serve(&server);
    for path in ["/simple/tw-good", "/npm/tw-good", "/index/tw/-g"] {
        server.always(path, Fault::Slow(20));
    }
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(purls(&document).len(), 2, "{:?}: {ran:#?}", tool.words);
        assert_eq!(ran.status, 0, "{:?}: {ran:#?}", tool.words);
    }
    server.heal();
    server.always("/", Fault::Status(404));
    for tool in TOOLS {
        let sandbox = fresh(tool, &server);
        let (ran, document) = judge(&sandbox, tool, &[], "tw-good", None);
        assert_eq!(document["plan"]["complete"], false, "{:?}: {ran:#?}", tool.words);
        assert_eq!(ran.status, 20, "{:?}: {ran:#?}", tool.words);
    }
}

/// The name is on two indexes, of which the public one would win by a higher version: only the index that the user
/// configured tells whose it is.
#[test]
fn a_name_on_two_indexes_is_told() {
    let (own, other) = (Loopback::start(), Loopback::start());
    own.python(Dist::wheel("tw-shared", "1.0.0"));
    other.python(Dist::wheel("tw-shared", "9.0.0"));
    let sandbox = Sandbox::new();
    let text = format!("[global]\nindex-url = {}\n", own.simple());
    home(&sandbox, ".config/pip/pip.conf", text);
    let ran =
        check(&sandbox, &["--format", "json"], &["pip", "install", "--extra-index-url", &other.simple(), "tw-shared"]);
    assert_eq!(purls(&ran.json()), ["pkg:pypi/tw-shared@9.0.0"], "pip takes the highest: {ran:#?}");
    assert_eq!(ran.status, 10, "{ran:#?}");
}
