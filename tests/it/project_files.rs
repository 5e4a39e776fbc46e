//! Project files that say where packages come from: Cargo's patches and source replacement, yarn's, bun's and pnpm's
//! registries. What they lead to is in the plan, and that they lead there is told.

use serde_json::{Value, json};

use crate::cli::{Sandbox, rules};
use crate::support::loopback::Loopback;
use crate::support::tools::{cargo_home, check, home, npmrc, purls, serve};

const MANIFEST: &str = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

fn cargo_project(server: &Loopback, manifest: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    cargo_home(&sandbox, server);
    sandbox.write("Cargo.toml", format!("{MANIFEST}{manifest}"));
    sandbox
}

fn source_of<'d>(document: &'d Value, purl: &str) -> &'d Value {
    let packages = document["plan"]["packages"].as_array().unwrap();
    packages.iter().find(|p| p["purl"] == purl).map_or(&Value::Null, |p| &p["source"])
}

#[test]
fn a_cargo_patch_is_what_comes_in() {
    let server = Loopback::start();
    serve(&server);
    let evil = Loopback::start();
    evil.krate("tw-dep", "1.0.9", json!({"pubtime": "2020-01-01T00:00:00Z"}), &[("src/lib.rs", "")]);
    let by_git =
        "[dependencies]\ntw-good = \"1\"\n[patch.crates-io]\ntw-dep = { git = \"https://git.invalid/x/tw-dep\" }\n";
    let by_url = by_git.replace("[patch.crates-io]", "[patch.\"https://github.com/rust-lang/crates.io-index\"]");
    let replaced =
        "[dependencies]\ntw-good = \"1\"\n[replace]\n\"tw-dep:1.0.0\" = { git = \"https://git.invalid/x/tw-dep\" }\n";
    for manifest in [by_git, by_url.as_str(), replaced] {
        let sandbox = cargo_project(&server, manifest);
        for words in [&["cargo", "build"][..], &["cargo", "add", "tw-young"], &["cargo", "update"]] {
            let ran = check(&sandbox, &["--format", "json"], words);
            let document = ran.json();
            assert_eq!(ran.status, 10, "{manifest} {words:?}: {ran:#?}");
            assert!(ran.stdout.contains("git.invalid"), "{manifest} {words:?}: {ran:#?}");
            // `[replace]` is not followed, and that is told; a patch takes the place of what the registry has.
            let listed = source_of(&document, "pkg:cargo/tw-dep@1.0.0") != &Value::Null;
            assert!(!listed || manifest == replaced, "{manifest} {words:?}: {ran:#?}");
            assert_eq!(document["plan"]["complete"], false, "{manifest} {words:?}: {ran:#?}");
        }
    }
    // A patch by path is the project's own code, and a patch by another registry is asked about.
    let by_path = "[dependencies]\ntw-good = \"1\"\n[patch.crates-io]\ntw-dep = { path = \"mine\" }\n";
    let sandbox = cargo_project(&server, by_path);
    sandbox.write("mine/Cargo.toml", MANIFEST.replace("app", "tw-dep").replace("0.1.0", "1.0.3"));
    sandbox.write("mine/src/lib.rs", "");
    let document = check(&sandbox, &["--format", "json"], &["cargo", "build"]).json();
    let kind = &source_of(&document, "pkg:cargo/tw-dep@1.0.3")["kind"];
    assert!(kind == "path" || kind == "workspace", "{document:#}");
    let by_registry =
        "[dependencies]\ntw-good = \"1\"\n[patch.crates-io]\ntw-dep = { version = \"1\", registry = \"evil\" }\n";
    let sandbox = cargo_project(&server, by_registry);
    sandbox.write(".cargo/config.toml", format!("[registries.evil]\nindex = \"sparse+{}\"\n", evil.index()));
    let ran = check(&sandbox, &["--format", "json"], &["cargo", "build"]);
    assert!(purls(&ran.json()).contains(&"pkg:cargo/tw-dep@1.0.9"), "{ran:#?}");
    assert!(rules(&ran.json(), "ask").contains(&"untrusted-registry".to_owned()), "{ran:#?}");
}

#[test]
fn a_patch_in_cargos_configuration_counts_too() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = cargo_project(&server, "[dependencies]\ntw-good = \"1\"\n");
    sandbox.write(".cargo/config.toml", "[patch.crates-io]\ntw-dep = { git = \"https://git.invalid/x/tw-dep\" }\n");
    let ran = check(&sandbox, &["--format", "json"], &["cargo", "build"]);
    assert_eq!(ran.status, 10, "{ran:#?}");
    assert!(ran.stdout.contains("git.invalid"), "{ran:#?}");
    let patch = "patch.crates-io.tw-dep.git='https://git.invalid/x/tw-dep'";
    let sandbox = cargo_project(&server, "[dependencies]\ntw-good = \"1\"\n");
    let ran = check(&sandbox, &["--format", "json"], &["cargo", "build", "--config", patch]);
    assert_eq!(ran.status, 10, "{ran:#?}");
}

#[test]
fn a_paths_override_and_a_replaced_source_are_told() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = cargo_project(&server, "[dependencies]\ntw-good = \"1\"\n");
    sandbox.write(".cargo/config.toml", "paths = [\"mine\"]\n");
    sandbox.write("mine/Cargo.toml", MANIFEST.replace("app", "tw-dep").replace("0.1.0", "1.0.0"));
    sandbox.write("mine/src/lib.rs", "");
    // Inside the project it is the project's own code; outside it is told.
    for (paths, outside) in [
        ("mine", false),
        ("../elsewhere", true),
        ("../../elsewhere", true),
        ("/elsewhere", true),
        ("mine\", \"/elsewhere", true),
    ] {
        for setting in [
            format!("paths = [\"{paths}\"]\n"),
            format!("[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"{paths}\"\n"),
        ] {
            if setting.contains("directory = ") && paths.contains('"') {
                continue;
            }
            sandbox.write(".cargo/config.toml", &setting);
            let ran = check(&sandbox, &["--format", "json"], &["cargo", "build"]);
            let document = ran.json();
            let findings = document["findings"].as_array().unwrap();
            let keys = ["paths", "source.v.directory"];
            let told = findings.iter().any(|f| keys.iter().any(|k| f["evidence"]["key"] == *k));
            assert_eq!(told, outside, "{setting}: {ran:#?}");
        }
    }
    // A project that replaces crates.io.
    let other = Loopback::start();
    serve(&other);
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", format!("{MANIFEST}[dependencies]\ntw-good = \"1\"\n"));
    let config = "[source.crates-io]\nreplace-with = \"other\"\n[source.other]\nregistry = \"sparse+INDEX\"\n";
    sandbox.write(".cargo/config.toml", config.replace("INDEX", &other.index()));
    let ran = check(&sandbox, &["--format", "json"], &["cargo", "build"]);
    assert_eq!(ran.status, 10, "{ran:#?}");
    let asked = rules(&ran.json(), "ask");
    assert!(
        asked.contains(&"config-override".to_owned()) || asked.contains(&"untrusted-registry".to_owned()),
        "{ran:#?}"
    );
    assert_eq!(purls(&ran.json()).len(), 2, "{ran:#?}");
    // Vendored sources in the project.
    sandbox
        .write(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n");
    for (name, deps) in [("tw-good", "[dependencies]\ntw-dep = \"1\"\n"), ("tw-dep", "")] {
        let text = format!("{}{deps}", MANIFEST.replace("app", name).replace("0.1.0", "1.0.0"));
        sandbox.write(&format!("vendor/{name}/Cargo.toml"), text);
        sandbox.write(&format!("vendor/{name}/src/lib.rs"), "");
        let sum = "0".repeat(64);
        sandbox.write(
            &format!("vendor/{name}/.cargo-checksum.json"),
            format!("{{\"files\": {{}}, \"package\": \"{sum}\"}}"),
        );
    }
    let ran = check(&sandbox, &["--format", "json"], &["cargo", "build", "--offline"]);
    assert_eq!(purls(&ran.json()).len(), 2, "{ran:#?}");
}

/// A registry that a project file names answers for its names, is told, and is asked about.
#[test]
fn registries_of_the_other_node_tools() {
    for (file, text, words) in [
        (
            ".yarnrc.yml",
            "npmRegistryServer: \"URL\"\nunsafeHttpWhitelist: [\"127.0.0.1\"]\n",
            &["yarn", "add", "tw-good"][..],
        ),
        (".yarnrc", "registry \"URL\"\n", &["yarn", "add", "tw-good"]),
        ("bunfig.toml", "[install]\nregistry = \"URL\"\n", &["bun", "add", "tw-good"]),
        ("pnpm-workspace.yaml", "packages: []\nregistry: URL\n", &["pnpm", "add", "tw-good"]),
        (".npmrc", "registry=URL\n", &["pnpm", "add", "tw-good"]),
        (".npmrc", "registry=URL\n", &["npm", "install", "tw-good"]),
        (".npmrc", "registry=URL\n", &["bun", "add", "tw-good"]),
    ] {
        let server = Loopback::start();
        serve(&server);
        let sandbox = Sandbox::new();
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        sandbox.write(file, text.replace("URL", &server.npm_url()));
        let ran = check(&sandbox, &["--format", "json"], words);
        let document = ran.json();
        assert_eq!(purls(&document).len(), 2, "{file} {words:?}: {ran:#?}");
        assert_eq!(ran.status, 10, "{file} {words:?}: {ran:#?}");
        let asked = rules(&document, "ask");
        let told = ["untrusted-registry", "config-override"].iter().any(|r| asked.contains(&(*r).to_owned()));
        assert!(told, "{file} {words:?}: {ran:#?}");
    }
}

#[test]
fn scopes_of_the_other_node_tools() {
    for (file, text, words) in [
        (".yarnrc.yml", "npmScopes:\n  acme:\n    npmRegistryServer: \"URL\"\n", &["yarn", "add", "@acme/core"][..]),
        (".yarnrc", "\"@acme:registry\" \"URL\"\n", &["yarn", "add", "@acme/core"]),
        ("bunfig.toml", "[install.scopes]\nacme = \"URL\"\n", &["bun", "add", "@acme/core"]),
        ("bunfig.toml", "[install.scopes]\n\"@acme\" = { url = \"URL\" }\n", &["bun", "add", "@acme/core"]),
        ("pnpm-workspace.yaml", "packages: []\nregistries:\n  '@acme': URL\n", &["pnpm", "add", "@acme/core"]),
    ] {
        let (public, private) = (Loopback::start(), Loopback::start());
        serve(&public);
        private.npm("@acme/core", "1.0.0", "2020-01-01T00:00:00Z", json!({"dependencies": {"tw-dep": "1"}}));
        let sandbox = Sandbox::new();
        npmrc(&sandbox, &public);
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        sandbox.write(file, text.replace("URL", &private.npm_url()));
        let ran = check(&sandbox, &["--format", "json"], words);
        assert_eq!(purls(&ran.json()).len(), 2, "{file} {words:?}: {ran:#?}");
        assert_eq!(ran.status, 10, "{file} {words:?}: {ran:#?}");
        assert!(public.paths().iter().all(|p| !p.contains("acme")), "{file}: {:?}", public.paths());
        // The same from the user's own configuration is the user's choice.
        std::fs::remove_file(sandbox.work().join(file)).unwrap();
        let own = match file {
            "bunfig.toml" => ".bunfig.toml",
            "pnpm-workspace.yaml" => continue,
            other => other,
        };
        home(&sandbox, own, text.replace("URL", &private.npm_url()));
        let ran = check(&sandbox, &["--format", "json"], words);
        assert_eq!((ran.status, purls(&ran.json()).len()), (0, 2), "{file} {words:?}: {ran:#?}");
    }
}

/// pnpm becomes the version that the project names: it is fetched, and so it is judged.
#[test]
fn the_pnpm_that_a_project_names_is_in_the_plan() {
    let server = Loopback::start();
    serve(&server);
    server.npm("pnpm", "10.14.0", "2020-01-01T00:00:00Z", json!({})).npm(
        "pnpm",
        "10.14.1",
        "2025-12-31T23:00:00Z",
        json!({"scripts": {"postinstall": "x"}}),
    );
    let manifest = |version: &str| {
        format!(
            "{{\"name\": \"app\", \"version\": \"1.0.0\",\n \"packageManager\": \"pnpm@{version}\",\n \
             \"dependencies\": {{\"tw-good\": \"*\"}}}}"
        )
    };
    let planned = |sandbox: &Sandbox, variables: &[&str], words: &[&str]| {
        let words: Vec<&str> = variables.iter().chain(words).copied().collect();
        let ran = check(sandbox, &["--format", "json"], &words);
        let document = ran.json();
        let named = purls(&document).into_iter().filter(|p| p.contains("/pnpm@"));
        let of_pnpm: Vec<String> = named.map(str::to_owned).collect();
        (ran, of_pnpm)
    };
    let sandbox = Sandbox::new();
    npmrc(&sandbox, &server);
    sandbox.write("package.json", manifest("10.14.0+sha512.00"));
    let (ran, found) = planned(&sandbox, &[], &["pnpm", "install"]);
    assert_eq!((ran.status, found), (0, vec!["pkg:npm/pnpm@10.14.0".to_owned()]), "{ran:#?}");
    // Another tool does not become it, and pnpm does not where it is told not to, or has it.
    assert_eq!(planned(&sandbox, &[], &["npm", "install"]).1, [""; 0]);
    let off = ["npm_config_manage_package_manager_versions=false"];
    assert_eq!(planned(&sandbox, &off, &["pnpm", "install"]).1, [""; 0]);
    home(&sandbox, ".local/share/pnpm/.tools/pnpm/10.14.0/node_modules/pnpm/package.json", "{}".to_owned());
    assert_eq!(planned(&sandbox, &[], &["pnpm", "install"]).1, [""; 0]);
    // A version that nobody would clear, and one that does not exist.
    sandbox.write("package.json", manifest("10.14.1"));
    let (ran, found) = planned(&sandbox, &[], &["pnpm", "install"]);
    assert_eq!((ran.status, found), (10, vec!["pkg:npm/pnpm@10.14.1".to_owned()]), "{ran:#?}");
    assert!(ran.stdout.contains("package.json") && rules(&ran.json(), "ask").contains(&"install-script".to_owned()));
    sandbox.write("package.json", manifest("10.99.0"));
    assert_eq!(planned(&sandbox, &[], &["pnpm", "install"]).0.status, 10);
}
