//! `tidewaiter run` with the real tools on the real registries, in a clean home: each tool allowed (what came in works),
//! held back (an older release, and why), asked and denied; exit status and what is printed.
//!
//! Tools are those on PATH and in the directories that `TIDEWAITER_TOOLS` names (separated by colons).

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool, and how it is asked for one package.
struct Tool {
    /// As its users write it.
    program: &'static str,
    /// What `--version` must begin with; empty: anything.
    version: &'static str,
    add: &'static [&'static str],
    /// Files that are there before.
    files: &'static [(&'static str, &'static str)],
}

const MANIFEST: (&str, &str) = ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
const BERRY: &[(&str, &str)] = &[MANIFEST, ("yarn.lock", ""), (".yarnrc.yml", "nodeLinker: node-modules\n")];
const PROJECT: (&str, &str) = (
    "pyproject.toml",
    "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = []\n\n[tool.poetry]\npackage-mode = false\n",
);

const PIPFILE: (&str, &str) =
    ("Pipfile", "[[source]]\nurl = \"https://pypi.org/simple\"\nverify_ssl = true\nname = \"pypi\"\n\n[packages]\n");

const JAVASCRIPT: &[Tool] = &[
    Tool { program: "npm", version: "", add: &["install"], files: &[MANIFEST] },
    Tool { program: "pnpm", version: "", add: &["add"], files: &[MANIFEST] },
    Tool { program: "yarn", version: "1.", add: &["add"], files: &[MANIFEST] },
    Tool { program: "yarn", version: "4.", add: &["add"], files: BERRY },
    Tool { program: "bun", version: "", add: &["add"], files: &[MANIFEST] },
];

const PYTHON: &[Tool] = &[
    Tool { program: "pip", version: "", add: &["install", "--target", "out"], files: &[] },
    Tool { program: "uv", version: "", add: &["pip", "install", "--target", "out"], files: &[] },
    Tool { program: "uv", version: "", add: &["add"], files: &[PROJECT] },
    Tool { program: "pipx", version: "", add: &["install"], files: &[] },
    Tool { program: "poetry", version: "", add: &["add"], files: &[PROJECT] },
    Tool { program: "pdm", version: "", add: &["add"], files: &[PROJECT] },
    Tool { program: "pipenv", version: "", add: &["install"], files: &[PIPFILE] },
];

const NPX: &Tool = &Tool { program: "npx", version: "", add: &["--yes"], files: &[] };

const CARGO: &Tool = &Tool {
    program: "cargo",
    version: "",
    add: &["add"],
    files: &[
        ("Cargo.toml", "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"),
        ("src/main.rs", "fn main() {\n    println!(\"{}\", itoa::Buffer::new().format(128u64));\n}\n"),
    ],
};

/// A home and a project of their own.
struct Place {
    root: tempfile::TempDir,
    path: std::ffi::OsString,
}

/// What a run said and came to.
struct Ran {
    status: Option<i32>,
    text: String,
}

impl Place {
    /// `None`, said, where there is no such tool.
    fn of(tool: &Tool) -> Option<Self> {
        let named = std::env::var_os("TIDEWAITER_TOOLS").unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all: Vec<PathBuf> = std::env::split_paths(&named).chain(std::env::split_paths(&path)).collect();
        let starts = |directory: &&PathBuf| {
            let program = directory.join(tool.program);
            let output = program.is_file().then(|| Command::new(program).arg("--version").output().ok()).flatten();
            output.is_some_and(|o| {
                o.status.success() && String::from_utf8_lossy(&o.stdout).trim().starts_with(tool.version)
            })
        };
        let Some(directory) = all.iter().find(starts) else {
            eprintln!("skipped: there is no {} {} here", tool.program, tool.version);
            return None;
        };
        let path = std::env::join_paths(std::iter::once(directory).chain(&all)).unwrap();
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let out = Self { root, path };
        for (name, text) in tool.files {
            let path = out.work().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Some(out)
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn command(&self, program: &Path, words: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.args(words).env_clear().current_dir(self.work());
        command.env("HOME", self.root.path().join("home")).env("PATH", &self.path);
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("YARN_ENABLE_TELEMETRY", "0");
        command.env("PIPENV_VENV_IN_PROJECT", "1").env("PDM_CHECK_UPDATE", "0");
        let toolchains = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
        let usual = std::env::var_os("HOME").map(|home| Path::new(&home).join(".rustup"));
        if let Some(toolchains) = toolchains.or(usual).filter(|t| t.is_dir()) {
            command.env("RUSTUP_HOME", toolchains);
        }
        // yarn 1 has one cache for root, whatever HOME is; ours is another in any case.
        let output = command.output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { status: output.status.code(), text }
    }

    /// The tool through the gate, with this policy.
    fn gated(&self, policy: &str, tool: &Tool, what: &str) -> Ran {
        self.through(policy, tool.program, &[tool.add, &[what]].concat())
    }

    fn through(&self, policy: &str, program: &str, words: &[&str]) -> Ran {
        let file = self.root.path().join("policy.toml");
        std::fs::write(&file, format!("version = 1\n{policy}")).unwrap();
        let file = file.display().to_string();
        let all = [&["run", "--policy", &file, "--", program], words].concat();
        let ran = self.command(Path::new(env!("CARGO_BIN_EXE_tidewaiter")), &all);
        eprintln!("{program} {}: {:?}\n{}", words.join(" "), ran.status, ran.text);
        ran
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work().join(path)).unwrap_or_default()
    }

    /// What the lockfiles of the project say; none of them names the gateway.
    fn locks(&self) -> String {
        let mut out = String::new();
        for name in ["poetry.lock", "pdm.lock", "uv.lock", "Pipfile.lock", "Cargo.lock"] {
            let text = self.read(name);
            assert!(!text.contains("127.0.0.1"), "{name} names the gateway:\n{text}");
            out.push_str(&text);
        }
        out
    }
}

/// The days from a date to now, for a cooldown that ends there.
fn days_since(date: &str) -> i64 {
    let then: tidewaiter::model::Timestamp = date.parse().unwrap();
    (tidewaiter::model::Timestamp::now().as_second() - then.as_second()) / 86_400
}

/// A package without dependencies, its latest release, and a cooldown in days that holds that release back and lets
/// an older one through: mirrors have times of their own.
fn young() -> Option<(&'static str, String, i64)> {
    for package in ["zod", "acorn", "semver", "ms"] {
        let asked = Command::new("npm").args(["view", package, "time", "dist-tags", "--json"]).output().ok()?;
        let Ok(about) = serde_json::from_slice::<serde_json::Value>(&asked.stdout) else { continue };
        let about = about.get(0).cloned().unwrap_or(about);
        let latest = about["dist-tags"]["latest"].as_str()?.to_owned();
        let moment =
            |version: &str| -> Option<tidewaiter::model::Timestamp> { about["time"][version].as_str()?.parse().ok() };
        let of_latest = moment(&latest)?;
        let versions = about["time"].as_object()?.keys();
        let numbers = |version: &str| -> Option<Vec<u64>> { version.split('.').map(|n| n.parse().ok()).collect() };
        let below = |version: &&String| numbers(version).is_some_and(|v| Some(v) < numbers(&latest));
        let older = versions.filter(below).filter_map(|v| moment(v)).filter(|t| *t < of_latest).max();
        if let Some(older) = older.filter(|t| of_latest.as_second() - t.as_second() > 4 * 86_400) {
            let between = older.as_second() + (of_latest.as_second() - older.as_second()) / 2;
            return Some((package, latest, (tidewaiter::model::Timestamp::now().as_second() - between) / 86_400));
        }
    }
    eprintln!("skipped: no package here has an older release");
    None
}

#[test]
fn javascript_tools() {
    for tool in JAVASCRIPT {
        let Some(place) = Place::of(tool) else { continue };
        let name = format!("{} {}", tool.program, tool.version);
        let allowed = place.gated("", tool, "is-odd@3.0.1");
        assert_eq!(allowed.status, Some(0), "{name}");
        let works = place.command(Path::new("node"), &["-e", "console.log(require('is-odd')(3))"]);
        assert_eq!(works.text, "true\n", "{name}");
        for lock in ["package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "node_modules/.modules.yaml"] {
            let text = std::fs::read_to_string(place.work().join(lock)).unwrap_or_default();
            assert!(!text.contains("127.0.0.1"), "{name}: {lock} names the gateway:\n{text}");
        }
        if let Some((package, latest, days)) = young() {
            let policy = format!("[rules]\ncooldown = {{ level = \"hold\", days = {days} }}\n");
            let Some(fresh) = Place::of(tool) else { continue };
            let held = fresh.gated(&policy, tool, package);
            assert_eq!(held.status, Some(0), "{name}");
            let manifest = fresh.work().join("node_modules").join(package).join("package.json");
            let manifest = std::fs::read_to_string(manifest).unwrap();
            let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
            assert!(manifest["version"].is_string() && manifest["version"] != latest, "{name}: {manifest}");
        }
        let asked = place.gated("", tool, "core-js@3.36.0");
        assert_eq!(asked.status, Some(10), "{name}");
        assert!(asked.text.contains("core-js 3.36.0 runs postinstall when it is installed"), "{name}");
        assert!(asked.text.contains("tidewaiter: stopped; nothing was run."), "{name}");
        assert!(!place.work().join("node_modules/core-js").exists(), "{name}");
        let denied = place.gated("", tool, "event-stream@3.3.6");
        assert_eq!(denied.status, Some(20), "{name}");
        assert!(denied.text.contains("malware"), "{name}");
        assert!(!place.work().join("node_modules/event-stream").exists(), "{name}");
    }
}

#[test]
fn npx_runs_what_was_cleared() {
    let Some(place) = Place::of(NPX) else { return };
    let allowed = place.through("", "npx", &["--yes", "semver@7.6.3", "1.2.3"]);
    assert!(allowed.status == Some(0) && allowed.text.starts_with("1.2.3\n"), "{}", allowed.text);
    // 7.6.3 is of July 2024, 7.6.2 of May.
    let policy = format!("[rules]\ncooldown = {{ level = \"hold\", days = {} }}\n", days_since("2024-06-20T00:00:00Z"));
    let held = place.through(&policy, "npx", &["--yes", "semver@~7.6", "--help"]);
    assert!(held.status == Some(0) && held.text.contains("SemVer 7.6.2"), "{}", held.text);
    let asked = place.through("[rules]\nunpinned = { level = \"ask\" }\n", "npx", &["--yes", "semver", "1.2.3"]);
    assert_eq!(asked.status, Some(10));
    assert!(asked.text.contains("tidewaiter: stopped; nothing was run.") && !asked.text.starts_with("1.2.3"));
    let denied = place.through("", "npx", &["--yes", "event-stream@3.3.6"]);
    assert!(denied.status == Some(20) && denied.text.contains("malware"), "{}", denied.text);
}

#[test]
fn cargo_adds_builds_and_installs() {
    let Some(place) = Place::of(CARGO) else { return };
    let denied = place.through("", "cargo", &["add", "rustdecimal@=1.23.1"]);
    assert!(denied.status == Some(20) && denied.text.contains("malware"), "{}", denied.text);
    let asked = place.through("[rules]\nunpinned = { level = \"ask\" }\n", "cargo", &["add", "itoa"]);
    assert_eq!(asked.status, Some(10));
    assert!(asked.text.contains("tidewaiter: stopped; nothing was run."));
    assert!(!place.read("Cargo.toml").contains("itoa"));
    // 1.0.11 is of March 2024, 1.0.10 of December 2023.
    let policy = format!("[rules]\ncooldown = {{ level = \"hold\", days = {} }}\n", days_since("2024-01-15T00:00:00Z"));
    let held = place.through(&policy, "cargo", &["add", "itoa@1"]);
    assert_eq!(held.status, Some(0));
    let built = place.through(&policy, "cargo", &["build"]);
    assert_eq!(built.status, Some(0));
    assert!(place.locks().contains("name = \"itoa\"\nversion = \"1.0.10\""), "{}", place.locks());
    assert!(place.read("Cargo.lock").contains("registry+https://github.com/rust-lang/crates.io-index"));
    assert_eq!(place.command(&place.work().join("target/debug/app"), &[]).text, "128\n");
    let allowed = place.through("", "cargo", &["install", "--root", "tools", "shellharden@4.3.1"]);
    assert_eq!(allowed.status, Some(0));
    let said = place.command(&place.work().join("tools/bin/shellharden"), &["--version"]);
    assert!(said.text.contains("4.3.1"), "{}", said.text);
}

#[test]
fn python_tools() {
    for tool in PYTHON {
        let Some(place) = Place::of(tool) else { continue };
        let name = format!("{} {}", tool.program, tool.add.join(" "));
        let allowed = place.gated("", tool, "pycowsay==0.0.0.2");
        assert_eq!(allowed.status, Some(0), "{name}");
        let home = place.root.path().join("home");
        let imports = ["-c", "import pycowsay; print('in')"];
        let own = place.work().join(".venv/bin/python");
        match tool.program {
            "pipx" => {
                let said = place.command(&home.join(".local/bin/pycowsay"), &["hello"]);
                assert!(said.text.contains("hello"), "{name}: {}", said.text);
            }
            "poetry" => {
                let said = place.command(Path::new("poetry"), &[&["run", "python"], &imports[..]].concat());
                assert!(said.text.ends_with("in\n"), "{name}: {}", said.text);
            }
            _ if tool.files.is_empty() => assert!(place.work().join("out/pycowsay/main.py").is_file(), "{name}"),
            _ => assert_eq!(place.command(&own, &imports).text, "in\n", "{name}"),
        }
        if !tool.files.is_empty() {
            assert!(place.locks().contains("pycowsay"), "{name}: {}", place.locks());
        }
        // Again from the lockfile, with nothing installed.
        let locked: Option<&[&str]> = match tool.program {
            "uv" | "pdm" | "pipenv" if !tool.files.is_empty() => Some(&["sync"]),
            _ => None,
        };
        if let Some(locked) = locked {
            let before = place.locks();
            std::fs::remove_dir_all(place.work().join(".venv")).unwrap();
            assert_eq!(place.through("", tool.program, locked).status, Some(0), "{name}");
            assert_eq!(place.command(&own, &imports).text, "in\n", "{name}");
            assert_eq!(place.locks(), before, "{name}");
        }
        // 3.7 is of April 2024, 3.6 of November 2023.
        let policy =
            format!("[rules]\ncooldown = {{ level = \"hold\", days = {} }}\n", days_since("2024-01-01T00:00:00Z"));
        if tool.program != "pipx" {
            let held = place.gated(&policy, tool, "idna");
            assert_eq!(held.status, Some(0), "{name}");
            let lock = place.locks();
            let there = place.work().join("out/idna-3.6.dist-info").is_dir() || lock.contains("idna-3.6-py3");
            assert!(there || lock.contains("\"==3.6\""), "{name}: {lock}");
        }
        let asked = place.gated("[rules]\nunpinned = { level = \"ask\" }\n", tool, "colorama");
        assert_eq!(asked.status, Some(10), "{name}");
        assert!(asked.text.contains("tidewaiter: stopped; nothing was run."), "{name}");
        let denied = place.gated("", tool, "ctx==0.2.6");
        assert_eq!(denied.status, Some(20), "{name}");
        assert!(denied.text.contains("malware"), "{name}");
    }
}
