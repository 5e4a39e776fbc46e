//! Every lockfile format end to end, with its tool's own command: what is right is cleared, a digest that the registry
//! does not vouch for is poison, and a malicious pinned version is denied.

use base64::Engine as _;
use serde_json::json;

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Loopback};
use crate::support::tools::{check, home, purls};

const OLD: &str = "2020-01-01T00:00:00Z";
const WHEEL: &str = "tw_dep-1.0.0-py3-none-any.whl";

/// A project with a lockfile that holds `tw-dep` 1.0.0 and nothing else, and the commands that install it.
struct Locked {
    ecosystem: &'static str,
    files: &'static [(&'static str, &'static str)],
    commands: &'static [&'static [&'static str]],
}

/// In the texts, `URL` is the server's, `SHA256` and `SRI` are the digest of the one file.
const LOCKED: &[Locked] = &[
    Locked {
        ecosystem: "PyPI",
        files: &[
            (
                "pyproject.toml",
                "[tool.poetry]\nname = \"app\"\nversion = \"0.1.0\"\n[tool.poetry.dependencies]\npython = \">=3.8\"\n\
                 tw-dep = \"1.0.0\"\n[[tool.poetry.source]]\nname = \"own\"\nurl = \"URL/simple/\"\n",
            ),
            (
                "poetry.lock",
                "[[package]]\nname = \"tw-dep\"\nversion = \"1.0.0\"\ndescription = \"\"\noptional = false\n\
                 python-versions = \">=3.8\"\ngroups = [\"main\"]\nfiles = [\n    \
                 {file = \"tw_dep-1.0.0-py3-none-any.whl\", hash = \"sha256:SHA256\"},\n]\n\n\
                 [package.source]\ntype = \"legacy\"\nurl = \"URL/simple\"\nreference = \"own\"\n\n\
                 [metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.8\"\ncontent-hash = \"00\"\n",
            ),
        ],
        commands: &[&["poetry", "install"], &["poetry", "sync"], &["poetry", "install", "--no-root"]],
    },
    Locked {
        ecosystem: "PyPI",
        files: &[
            (
                "pyproject.toml",
                "[project]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"tw-dep==1.0.0\"]\n\
                 [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"URL/simple/\"\n",
            ),
            (
                "pdm.lock",
                "[metadata]\ngroups = [\"default\"]\nstrategy = [\"inherit_metadata\"]\nlock_version = \"4.5.0\"\n\
                 content_hash = \"sha256:00\"\n\n[[package]]\nname = \"tw-dep\"\nversion = \"1.0.0\"\n\
                 requires_python = \">=3.8\"\nsummary = \"\"\ngroups = [\"default\"]\nfiles = [\n    \
                 {file = \"tw_dep-1.0.0-py3-none-any.whl\", hash = \"sha256:SHA256\"},\n]\n",
            ),
        ],
        commands: &[&["pdm", "sync"], &["pdm", "install", "--frozen-lockfile"], &["pdm", "install"]],
    },
    Locked {
        ecosystem: "PyPI",
        files: &[
            (
                "Pipfile",
                "[[source]]\nname = \"own\"\nurl = \"URL/simple/\"\nverify_ssl = true\n[packages]\ntw-dep = \"==1.0.0\"\n",
            ),
            (
                "Pipfile.lock",
                "{\"_meta\": {\"hash\": {\"sha256\": \"00\"}, \"pipfile-spec\": 6, \"requires\": {}, \"sources\": \
                 [{\"name\": \"own\", \"url\": \"URL/simple/\", \"verify_ssl\": true}]}, \"default\": {\"tw-dep\": \
                 {\"hashes\": [\"sha256:SHA256\"], \"index\": \"own\", \"version\": \"==1.0.0\"}}, \"develop\": {}}",
            ),
        ],
        commands: &[
            &["pipenv", "sync"],
            &["pipenv", "install", "--deploy"],
            &["pipenv", "install", "--ignore-pipfile"],
        ],
    },
    Locked {
        ecosystem: "PyPI",
        files: &[
            (
                "pyproject.toml",
                "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.8\"\n\
                 dependencies = [\"tw-dep==1.0.0\"]\n[[tool.uv.index]]\nurl = \"URL/simple/\"\ndefault = true\n",
            ),
            (
                "uv.lock",
                "version = 1\nrevision = 2\nrequires-python = \">=3.8\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\
                 source = { virtual = \".\" }\ndependencies = [\n    { name = \"tw-dep\" },\n]\n\n[package.metadata]\n\
                 requires-dist = [{ name = \"tw-dep\", specifier = \"==1.0.0\" }]\n\n[[package]]\nname = \"tw-dep\"\n\
                 version = \"1.0.0\"\nsource = { registry = \"URL/simple/\" }\nwheels = [\n    { url = \
                 \"URL/files/tw_dep-1.0.0-py3-none-any.whl\", hash = \"sha256:SHA256\", size = 100 },\n]\n",
            ),
        ],
        commands: &[
            &["uv", "sync", "--frozen"],
            &["uv", "sync", "--locked"],
            &["uv", "sync"],
            &["uv", "run", "--frozen", "x"],
        ],
    },
    Locked {
        ecosystem: "PyPI",
        files: &[(
            "pylock.toml",
            "lock-version = \"1.0\"\ncreated-by = \"a test\"\n\n[[packages]]\nname = \"tw-dep\"\nversion = \"1.0.0\"\n\
             index = \"URL/simple/\"\n\n[[packages.wheels]]\nname = \"tw_dep-1.0.0-py3-none-any.whl\"\n\
             url = \"URL/files/tw_dep-1.0.0-py3-none-any.whl\"\nhashes = { sha256 = \"SHA256\" }\n",
        )],
        commands: &[
            &["pip", "install", "-r", "pylock.toml"],
            &["uv", "pip", "sync", "pylock.toml"],
            &["uv", "pip", "install", "-r", "pylock.toml"],
        ],
    },
    Locked {
        ecosystem: "PyPI",
        files: &[("requirements.txt", "tw-dep==1.0.0 \\\n    --hash=sha256:SHA256\n")],
        commands: &[
            &["pip", "install", "-r", "requirements.txt"],
            &["pip", "install", "--require-hashes", "-r", "requirements.txt"],
            &["uv", "pip", "sync", "requirements.txt"],
        ],
    },
    Locked {
        ecosystem: "npm",
        files: &[
            ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-dep\": \"1.0.0\"}}"),
            (
                "package-lock.json",
                "{\"name\": \"app\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {\
                 \"\": {\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-dep\": \"1.0.0\"}},\
                 \"node_modules/tw-dep\": {\"version\": \"1.0.0\", \"resolved\": \"URL/npm/tw-dep/-/tw-dep-1.0.0.tgz\", \
                 \"integrity\": \"SRI\"}}}",
            ),
        ],
        commands: &[&["npm", "ci"], &["npm", "install"], &["npm", "clean-install", "--ignore-scripts"]],
    },
    Locked {
        ecosystem: "npm",
        files: &[
            ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-dep\": \"1.0.0\"}}"),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n\nimporters:\n\n  .:\n    dependencies:\n      \
                 tw-dep:\n        specifier: 1.0.0\n        version: 1.0.0\n\npackages:\n\n  tw-dep@1.0.0:\n    \
                 resolution: {integrity: SRI}\n\nsnapshots:\n\n  tw-dep@1.0.0: {}\n",
            ),
        ],
        commands: &[&["pnpm", "install", "--frozen-lockfile"], &["pnpm", "install"]],
    },
    Locked {
        ecosystem: "npm",
        files: &[
            ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-dep\": \"1.0.0\"}}"),
            (
                "yarn.lock",
                "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.\n# yarn lockfile v1\n\n\n\
                 tw-dep@1.0.0:\n  version \"1.0.0\"\n  resolved \"URL/npm/tw-dep/-/tw-dep-1.0.0.tgz#00\"\n  integrity SRI\n",
            ),
        ],
        commands: &[&["yarn", "install", "--frozen-lockfile"], &["yarn"], &["yarn", "install"]],
    },
    Locked {
        ecosystem: "npm",
        files: &[
            ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-dep\": \"1.0.0\"}}"),
            (
                "bun.lock",
                "{\n  \"lockfileVersion\": 1,\n  \"workspaces\": {\n    \"\": {\n      \"name\": \"app\",\n      \"dependencies\": {\n        \
                 \"tw-dep\": \"1.0.0\",\n      },\n    },\n  },\n  \"packages\": {\n    \"tw-dep\": [\"tw-dep@1.0.0\", \"\", {}, \"SRI\"],\n  }\n}\n",
            ),
        ],
        commands: &[&["bun", "install", "--frozen-lockfile"], &["bun", "install"]],
    },
    Locked {
        ecosystem: "crates.io",
        files: &[
            (
                "Cargo.toml",
                "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ntw-dep = \"=1.0.0\"\n",
            ),
            ("src/main.rs", "fn main() {}\n"),
            (
                "Cargo.lock",
                "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"tw-dep\",\n]\n\n\
                 [[package]]\nname = \"tw-dep\"\nversion = \"1.0.0\"\n\
                 source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"SHA256\"\n",
            ),
        ],
        commands: &[
            &["cargo", "build", "--locked"],
            &["cargo", "build"],
            &["cargo", "test", "--frozen"],
            &["cargo", "fetch"],
        ],
    },
];

fn registry() -> Loopback {
    let server = Loopback::start();
    server.python(Dist::wheel("tw-dep", "1.0.0"));
    server.npm("tw-dep", "1.0.0", OLD, json!({}));
    server.krate("tw-dep", "1.0.0", json!({"pubtime": OLD}), &[("src/lib.rs", "")]);
    server
}

/// A user who has the server as every registry and trusts it.
fn project(server: &Loopback, locked: &Locked, right: bool) -> Sandbox {
    use sha2::Digest as _;
    let sandbox = Sandbox::new();
    let simple = server.simple();
    home(
        &sandbox,
        ".config/tidewaiter/policy.toml",
        format!("version = 1\n[trust]\nregistries = [\"{}/\"]\n", server.url),
    );
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {simple}\n"));
    home(&sandbox, ".config/uv/uv.toml", format!("[[index]]\nurl = \"{simple}\"\ndefault = true\n"));
    home(&sandbox, ".npmrc", format!("registry={}\n", server.npm_url()));
    let source = "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\n";
    home(&sandbox, ".cargo/config.toml", format!("{source}registry = \"sparse+{}\"\n", server.index()));
    let sri = format!(
        "sha512-{}",
        base64::engine::general_purpose::STANDARD
            .encode(sha2::Sha512::digest(server.body("/npm/tw-dep/-/tw-dep-1.0.0.tgz")))
    );
    let sha256 = match locked.ecosystem {
        "PyPI" => server.sha256(&format!("/files/{WHEEL}")),
        _ => server.sha256("/crates/tw-dep/1.0.0/download"),
    };
    // One digit or letter of the digest is another.
    let bend = |text: &str, at: usize| {
        let mut text = text.to_owned();
        let other = if text[at..].starts_with('a') { "b" } else { "a" };
        text.replace_range(at..=at, other);
        text
    };
    let (sri, sha256) = if right { (sri, sha256) } else { (bend(&sri, 20), bend(&sha256, 5)) };
    for (file, text) in locked.files {
        sandbox.write(file, text.replace("URL", &server.url).replace("SHA256", &sha256).replace("SRI", &sri));
    }
    sandbox
}

fn judged(sandbox: &Sandbox, words: &[&str]) -> Ran {
    check(sandbox, &["--format", "json"], words)
}

fn is_dep(purls: &[&str]) -> bool {
    matches!(purls, [one] if one.ends_with("/tw-dep@1.0.0"))
}

#[test]
fn a_lockfile_that_the_registry_vouches_for_is_cleared() {
    let server = registry();
    let mut failures = Vec::new();
    for locked in LOCKED {
        let sandbox = project(&server, locked, true);
        for words in locked.commands {
            let ran = judged(&sandbox, words);
            let document = ran.json();
            let stopped = [rules(&document, "deny"), rules(&document, "ask")].concat();
            if ran.status != 0 || !is_dep(&purls(&document)) || document["plan"]["complete"] != true {
                failures.push(format!("{words:?} {} {stopped:?} {}", ran.status, document["plan"]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_digest_that_the_registry_does_not_vouch_for_is_poison() {
    let server = registry();
    let mut failures = Vec::new();
    for locked in LOCKED {
        let sandbox = project(&server, locked, false);
        for words in locked.commands {
            let ran = judged(&sandbox, words);
            let document = ran.json();
            let denied = rules(&document, "deny");
            // A hash in a requirements file chooses among files: one that no file has leaves nothing to install.
            let requirements = locked.files[0].0 == "requirements.txt";
            let fits =
                if requirements { document["plan"]["complete"] == false } else { denied == ["lockfile-poisoned"] };
            if !fits || ran.status == 0 {
                failures
                    .push(format!("{words:?} {} {denied:?} {} {}", ran.status, document["plan"], document["findings"]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_malicious_pinned_version_is_denied_online_and_offline() {
    let server = registry();
    let mut failures = Vec::new();
    for locked in LOCKED {
        let sandbox = project(&server, locked, true);
        let record = json!({"id": "MAL-2020-1", "modified": "2020-01-02T00:00:00Z", "published": "2020-01-02T00:00:00Z",
            "affected": [{"package": {"ecosystem": locked.ecosystem, "name": "tw-dep"}, "versions": ["1.0.0"]}]});
        sandbox.write("records/MAL-2020-1.json", record.to_string());
        assert_eq!(sandbox.run(&["advisories", "import", "records"]).status, 0);
        for words in locked.commands {
            for options in [&["--format", "json"][..], &["--format", "json", "--offline"]] {
                let ran = check(&sandbox, options, words);
                if ran.status != 20 || !rules(&ran.json(), "deny").contains(&"malware".to_owned()) {
                    failures.push(format!("{words:?} {options:?} {} {}", ran.status, ran.stdout));
                }
            }
        }
        // The release is gone from the registry by the time someone asks.
        server.forget();
        let gone = judged(&sandbox, locked.commands[0]);
        if gone.status != 20 {
            failures.push(format!("gone: {:?} {}", locked.commands[0], gone.stdout));
        }
        restore(&server);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn restore(server: &Loopback) {
    server.python(Dist::wheel("tw-dep", "1.0.0"));
    server.npm("tw-dep", "1.0.0", OLD, json!({}));
    server.krate("tw-dep", "1.0.0", json!({"pubtime": OLD}), &[("src/lib.rs", "")]);
}

/// Cut off anywhere, a lockfile is not taken for a shorter one.
#[test]
fn a_truncated_lockfile_is_never_cleared() {
    let server = registry();
    let mut failures = Vec::new();
    for locked in LOCKED {
        let sandbox = project(&server, locked, true);
        let (file, _) = locked.files.last().unwrap();
        let whole = std::fs::read_to_string(sandbox.work().join(file)).unwrap();
        for part in [3, 2] {
            let cut = whole.len() - whole.len() / part;
            sandbox.write(file, whole.get(..cut).unwrap());
            let ran = judged(&sandbox, locked.commands[0]);
            let document = ran.json();
            // A frozen install from less than the manifest asks for is refused by the tool itself: drift.
            let said = rules(&document, "warn").contains(&"lockfile-drift".to_owned());
            if ran.status == 0 && purls(&document).is_empty() && !said {
                failures.push(format!("{:?} cut at {cut}: {}", locked.commands[0], ran.stdout));
            }
            let ran = sandbox.run(&["audit", "--offline", "--format", "json", file]);
            if ran.status == 0 && purls(&ran.json()).is_empty() {
                failures.push(format!("audit {file} cut at {cut}: {}", ran.stdout));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
