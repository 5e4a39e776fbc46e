//! Canary installs: the command that a user would type, through the very link that they would hit, against the registry
//! of [`super::registry`].
//!
//! In: the link of a tool, the environment. Out: whether what must be stopped was stopped, and what must pass passed.
//! Everything is done in a temporary directory with a home of its own: the user's environments, caches, lockfiles and
//! record are not touched, and nothing is ever asked of a registry that is not this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::registry::{PASSES, Registry, STOPPED, VERSION, advisory};
use crate::advisories::feed::Feed;
use crate::model::{Environment, printable};
use crate::toolchain::reentry::TRIAL;

/// How long one install may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it must be.
    Right,
    /// Not as it must be. For people: a lower-case fragment.
    Wrong(String),
    /// It was not tried. For people: a lower-case fragment.
    Untried(String),
}

/// Both canaries of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The install that must be stopped.
    pub stop: Outcome,
    /// The install that must pass.
    pub pass: Outcome,
}

/// How a family of tools installs a package, and how it shows that it did.
#[derive(Debug, Clone, Copy)]
struct Family {
    /// The words after the tool's name; `{}` stands for the package, `{=}` for it with its exact version.
    words: &'static [&'static str],
    /// Files of the project; `{index}` stands for the simple index.
    files: &'static [(&'static str, &'static str)],
    /// What is there afterwards, below the trial's directory (`*`: any one directory); `None`: standard output names it.
    leaves: Option<&'static str>,
}

const TARGET: Option<&str> = Some("work/out/{_}.py");
const PACKAGE_JSON: (&str, &str) = ("package.json", "{\"name\": \"trial\", \"version\": \"1.0.0\", \"private\": true}");
const MODULES: Option<&str> = Some("work/node_modules/{}/package.json");
const VENV: Option<&str> = Some("work/.venv/lib/*/site-packages/{_}.py");
/// Without it, yarn 2 and later look for a project above.
const YARN_LOCK: (&str, &str) = ("yarn.lock", "");
/// Each names its sources in its own way, and pdm would install the project itself.
const PYPROJECT: (&str, &str) = (
    "pyproject.toml",
    "[project]\nname = \"trial\"\nversion = \"1.0.0\"\nrequires-python = \">=3.9\"\ndependencies = []\n\n\
     [tool.pdm]\ndistribution = false\n\n[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{index}\"\n\n\
     [tool.poetry]\npackage-mode = false\n\n\
     [[tool.poetry.source]]\nname = \"canaries\"\nurl = \"{index}\"\npriority = \"primary\"\n",
);
const PIPFILE: (&str, &str) =
    ("Pipfile", "[[source]]\nname = \"canaries\"\nurl = \"{index}\"\nverify_ssl = true\n\n[packages]\n");

/// The family of a name that has a link.
fn family(name: &str) -> Option<Family> {
    let installs = |words, leaves| Family { words, files: &[], leaves };
    Some(match name {
        "uv" => installs(&["pip", "install", "--target", "out", "{=}"], TARGET),
        "npm" => Family { files: &[PACKAGE_JSON], ..installs(&["install", "--no-audit", "--no-fund", "{=}"], MODULES) },
        "npx" => installs(&["--yes", "{=}"], None),
        "cargo" => Family {
            files: &[
                (
                    "Cargo.toml",
                    "[package]\nname = \"trial\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n{} = \"=1.0.0\"\n",
                ),
                ("src/lib.rs", ""),
            ],
            ..installs(&["fetch"], Some("home/.cargo/registry/cache/*/{}-1.0.0.crate"))
        },
        "pnpm" | "bun" => Family { files: &[PACKAGE_JSON], ..installs(&["add", "{=}"], MODULES) },
        "yarn" => Family { files: &[PACKAGE_JSON, YARN_LOCK], ..installs(&["add", "{=}"], MODULES) },
        "pnpx" | "bunx" | "uvx" => installs(&["{=}"], None),
        "pipx" => installs(&["install", "{=}"], Some("home/.local/bin/{}")),
        "pipenv" => Family { files: &[PIPFILE], ..installs(&["install", "{=}"], VENV) },
        "poetry" | "pdm" => Family { files: &[PYPROJECT], ..installs(&["add", "{=}"], VENV) },
        _ if name.starts_with("python") => {
            installs(&["-m", "pip", "install", "--disable-pip-version-check", "--target", "out", "{=}"], TARGET)
        }
        _ if name.starts_with("pip") => {
            installs(&["install", "--disable-pip-version-check", "--target", "out", "{=}"], TARGET)
        }
        _ => return None,
    })
}

/// Tries both canaries of a tool through its link.
pub fn attempt(name: &str, link: &Path, registry: &Registry, environment: &Environment) -> Tried {
    let untried = |why: &str| Tried { stop: Outcome::Untried(why.to_owned()), pass: Outcome::Untried(why.to_owned()) };
    let Some(family) = family(name) else { return untried("there is no canary for it") };
    let (words, otherwise): (&[&str], _) = match name {
        _ if name.starts_with("python") => (&["-m", "pip", "--version"], "it has no pip"),
        // Everything behind it is what it is to run.
        "pnpx" => (&[], ""),
        _ => (&["--version"], "the tool itself does not start"),
    };
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    if !words.is_empty() {
        match Trial::new(registry, environment).and_then(|trial| trial.run(name, link, &words)) {
            Ok(ran) if ran.status == Some(0) => {}
            Ok(_) => return untried(otherwise),
            Err(error) => return untried(&error.to_string()),
        }
    }
    let stop = one(name, link, &family, STOPPED, registry, environment);
    let pass = one(name, link, &family, PASSES, registry, environment);
    Tried { stop, pass }
}

fn one(
    name: &str,
    link: &Path,
    family: &Family,
    package: &str,
    registry: &Registry,
    environment: &Environment,
) -> Outcome {
    let trial = || -> std::io::Result<Outcome> {
        let trial = Trial::new(registry, environment)?;
        let fill = |text: &str| {
            let version =
                if matches!(name, "npm" | "npx" | "pnpm" | "yarn" | "bun" | "pnpx" | "bunx") { "@" } else { "==" };
            text.replace("{index}", &registry.simple())
                .replace("{=}", &format!("{package}{version}{VERSION}"))
                .replace("{}", package)
                .replace("{_}", &package.replace('-', "_"))
        };
        for (path, text) in family.files {
            let path = trial.at("work").join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
            std::fs::write(path, fill(text))?;
        }
        let words: Vec<String> = family.words.iter().map(|w| fill(w)).collect();
        let ran = trial.run(name, link, &words)?;
        let there = match family.leaves {
            Some(pattern) => trial.holds(&fill(pattern)),
            None => ran.stdout.contains(package),
        };
        Ok(match (package == STOPPED, there, ran.status) {
            (true, true, _) => Outcome::Wrong(format!("what an advisory calls malicious came in: {}", ran.said())),
            (true, false, Some(20)) => Outcome::Right,
            (true, false, _) => Outcome::Wrong(format!("it was not denied but ended otherwise: {}", ran.said())),
            (false, _, Some(0)) if there => Outcome::Right,
            (false, _, Some(0)) => Outcome::Wrong("it ended well, and nothing was installed".to_owned()),
            (false, ..) => Outcome::Wrong(format!("what is cleared did not get in: {}", ran.said())),
        })
    };
    trial().unwrap_or_else(|error| Outcome::Wrong(format!("the trial could not be made: {error}")))
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Ran {
    /// `None`: it did not end in time, or by a signal.
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// For people, in one line.
    fn said(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let last = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join(" / ");
        let status = self.status.map_or_else(|| "no exit status in time".to_owned(), |s| format!("status {s}"));
        if last.is_empty() { status } else { format!("{status}, {}", printable(&last, 400)) }
    }
}

/// Variables that steer the tools: none of the user's own reaches a trial.
const STEERING: &[&str] = &[
    "PIP_",
    "UV_",
    "NPM_",
    "CARGO_",
    "PYTHON",
    "YARN_",
    "PNPM_",
    "BUN_",
    "POETRY_",
    "PDM_",
    "PIPX_",
    "PIPENV_",
    "XDG_",
    "TIDEWAITER_",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "NODE_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Homes of version managers: programs and toolchains are found there, and nothing of a trial is written to them.
const MANAGERS: &[(&str, &str)] = &[
    ("RUSTUP_HOME", ".rustup"),
    ("PYENV_ROOT", ".pyenv"),
    ("NVM_DIR", ".nvm"),
    ("VOLTA_HOME", ".volta"),
    ("ASDF_DATA_DIR", ".asdf"),
    ("NODENV_ROOT", ".nodenv"),
    ("MISE_DATA_DIR", ".local/share/mise"),
    ("PROTO_HOME", ".proto"),
    ("COREPACK_HOME", ".cache/node/corepack"),
];

/// A directory with a home, a project, and the registry as the home's own.
struct Trial {
    /// Removed when this is dropped.
    _root: tempfile::TempDir,
    /// Its path without links.
    place: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Trial {
    fn new(registry: &Registry, environment: &Environment) -> std::io::Result<Self> {
        let root = tempfile::Builder::new().prefix("tidewaiter-doctor-").tempdir()?;
        let place = root.path().canonicalize()?;
        let steers = |name: &str| STEERING.iter().any(|s| name.to_ascii_uppercase().starts_with(s));
        let mut variables = environment.variables.clone();
        variables.retain(|name, _| !steers(name));
        for (variable, place) in MANAGERS {
            let usual = environment.home.as_ref().map(|h| h.join(place)).filter(|p| p.is_dir());
            if let (false, Some(usual)) = (variables.contains_key(*variable), usual) {
                variables.insert((*variable).to_owned(), usual.display().to_string());
            }
        }
        for (name, path) in [
            ("HOME", "home"),
            ("USERPROFILE", "home"),
            ("CARGO_HOME", "home/.cargo"),
            ("XDG_DATA_HOME", "home/.local/share"),
            ("PWD", "work"),
        ] {
            variables.insert(name.to_owned(), place.join(path).display().to_string());
        }
        for (name, value) in [
            ("UV_PYTHON_DOWNLOADS", "never"),
            ("RUSTUP_AUTO_INSTALL", "0"),
            ("COREPACK_ENABLE_NETWORK", "0"),
            ("YARN_ENABLE_TELEMETRY", "0"),
            ("PDM_CHECK_UPDATE", "0"),
            ("POETRY_VIRTUALENVS_IN_PROJECT", "1"),
            ("PIPENV_VENV_IN_PROJECT", "1"),
            ("PIPENV_IGNORE_VIRTUALENVS", "1"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let trial = Self { _root: root, place, variables };
        std::fs::create_dir_all(trial.at("work"))?;
        let simple = registry.simple();
        trial.write("home/.config/pip/pip.conf", &format!("[global]\nindex-url = {simple}\nretries = 0\n"))?;
        trial.write("home/.config/uv/uv.toml", &format!("[[index]]\nurl = \"{simple}\"\ndefault = true\n"))?;
        // A project's own source is trusted by nobody else.
        trial.write(
            "home/.config/tidewaiter/policy.toml",
            &format!("version = 1\n[trust]\nregistries = [{simple:?}]\n"),
        )?;
        let yarn = format!(
            "npmRegistryServer: {:?}\nunsafeHttpWhitelist: [\"127.0.0.1\"]\nnodeLinker: node-modules\n",
            registry.npm().trim_end_matches('/')
        );
        trial.write("home/.yarnrc.yml", &yarn)?;
        trial.write("home/.npmrc", &format!("registry={}\nupdate-notifier=false\n", registry.npm()))?;
        let cargo = format!(
            "[source.crates-io]\nreplace-with = \"canaries\"\n[source.canaries]\nregistry = \"{}\"\n",
            registry.index()
        );
        trial.write("home/.cargo/config.toml", &cargo)?;
        trial.write("canaries.json", &advisory().to_string())?;
        let feed = Feed::new(trial.at("home/.local/share/tidewaiter/advisories"));
        feed.import(&trial.at("canaries.json"), environment.now, &mut |_| {}).map_err(std::io::Error::other)?;
        Ok(trial)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.place.join(path)
    }

    fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(path, text)
    }

    /// Runs a link in the project.
    fn run(&self, name: &str, link: &Path, words: &[String]) -> std::io::Result<Ran> {
        let (out, err) = (self.at("stdout"), self.at("stderr"));
        let mut command = Command::new(link);
        as_if_typed(&mut command, name);
        command.args(words).env_clear().envs(&self.variables).current_dir(self.at("work")).stdin(Stdio::null());
        command.env(TRIAL, std::process::id().to_string());
        command.stdout(std::fs::File::create(&out)?).stderr(std::fs::File::create(&err)?);
        let mut child = command.spawn()?;
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status.code(),
                None if Instant::now() > until => {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let read = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Ran { status, stdout: read(out)?, stderr: read(err)? })
    }

    /// Whether a file is there; `*` stands for any one directory.
    fn holds(&self, pattern: &str) -> bool {
        match pattern.split_once("/*/") {
            None => self.at(pattern).exists(),
            Some((before, after)) => {
                let below = std::fs::read_dir(self.at(before)).into_iter().flatten().flatten();
                below.map(|e| e.path().join(after)).any(|path| path.exists())
            }
        }
    }
}

/// The first word as a shell gives it.
#[cfg(unix)]
fn as_if_typed(command: &mut Command, name: &str) {
    use std::os::unix::process::CommandExt as _;
    command.arg0(name);
}

#[cfg(not(unix))]
fn as_if_typed(_: &mut Command, _: &str) {}
