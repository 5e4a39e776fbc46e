//! The ways around other gates, each typed into a shell with the links first on PATH, with the real tools and two
//! registries on the loopback: the user's own, and a stranger's.
//!
//! What must not come in has a member named `FORBIDDEN`, or a file name that is looked for: the files that are there
//! afterwards are the proof, and the record that the command was stopped. Every case of a table is tried before the test
//! says which ones failed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::{Ran, Sandbox};
use crate::shims::{Shimmed, program};
use crate::support::loopback::Loopback;
use crate::support::rig::{python, uv, wheel};

const OLD: &str = "2020-01-01T00:00:00Z";

/// What must become of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// It fails, and the record says that it was stopped, by a question or a refusal.
    Stop,
    /// It fails, and the record says that it was denied.
    Deny,
    /// Whatever its status: nothing forbidden comes in.
    Hold,
    /// It succeeds, and this file of the project is there.
    Install(&'static str),
}
use Must::{Deny, Hold, Install, Stop};

/// What is typed, the files of the project (`$S` is the user's registry, `$O` the stranger's), and what must become of
/// it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Must);

/// A home with its tools, its links and its registries.
pub struct Town {
    pub shimmed: Shimmed,
    pub server: Loopback,
    other: Loopback,
}

/// A program of this machine by its real path.
fn real(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())?.canonicalize().ok()
}

impl Town {
    pub fn new(tools: &[(&str, PathBuf)]) -> Self {
        let shimmed = Shimmed { sandbox: Sandbox::new() };
        std::fs::create_dir_all(shimmed.at("tools")).unwrap();
        std::fs::create_dir_all(shimmed.at("system")).unwrap();
        for (name, path) in tools {
            symlink(path, shimmed.at("tools").join(name)).unwrap();
        }
        for name in [
            "xargs", "make", "bash", "rm", "touch", "mkdir", "git", "sed", "ln", "true", "false", "dirname", "uname",
            "realpath",
        ] {
            if let Some(path) = real(name) {
                let _ = symlink(path, shimmed.at("system").join(name));
            }
        }
        let town = Self { shimmed, server: Loopback::start(), other: Loopback::start() };
        town.serve();
        town.configure(tools);
        town
    }

    fn serve(&self) {
        let forbidden = |name: &str, version: &str| wheel(name, version, &[]).member("FORBIDDEN.py", b"");
        let crates = |server: &Loopback, name: &str, version: &str, member: &str| {
            server.krate(name, version, json!({"pubtime": OLD}), &[("src/lib.rs", ""), (member, "")]);
        };
        let npm = |server: &Loopback, name: &str, version: &str, member: &str| {
            server.npm_with(name, version, OLD, json!({"bin": member}), &[(member, "#!/usr/bin/env node\n")]);
        };
        self.server.python(wheel("tw-good", "1.0.0", &[])).python(forbidden("tw-evil", "1.0.0"));
        let script = ("tw_tool-1.0.0.dist-info/entry_points.txt", b"[console_scripts]\ntw-tool = tw_tool:main\n");
        self.server.python(wheel("tw-tool", "1.0.0", &[]).member(script.0, script.1));
        npm(&self.server, "tw-good", "1.0.0", "index.js");
        npm(&self.server, "tw-evil", "1.0.0", "FORBIDDEN.js");
        crates(&self.server, "tw-good", "1.0.0", "src/other.rs");
        crates(&self.server, "tw-evil", "1.0.0", "src/FORBIDDEN.rs");
        self.other.python(forbidden("tw-good", "9.0.0")).python(forbidden("tw-evil", "1.0.0"));
        for name in ["tw-good", "@tw/own"] {
            npm(&self.other, name, "9.0.0", "FORBIDDEN.js");
        }
        npm(&self.other, "tw-evil", "1.0.0", "FORBIDDEN.js");
        crates(&self.other, "tw-good", "9.0.0", "src/FORBIDDEN.rs");
        crates(&self.other, "tw-evil", "1.0.0", "src/FORBIDDEN.rs");
        let link = format!(
            "<a href=\"{}/files/tw_good-9.0.0-py3-none-any.whl\">tw_good-9.0.0-py3-none-any.whl</a>",
            self.other.url
        );
        let named = format!("tw-good @ {}/files/tw_good-9.0.0-py3-none-any.whl\n", self.other.url);
        self.other.raw("/requirements.txt", "text/plain", named.into_bytes());
        self.other.raw("/links/", "text/html", link.into_bytes());
    }

    /// The user's own settings and what the advisories say.
    fn configure(&self, tools: &[(&str, PathBuf)]) {
        let home = |path: &str, text: String| self.shimmed.sandbox.write(&format!("../home/{path}"), text);
        let simple = self.server.simple();
        home(".config/pip/pip.conf", format!("[global]\nindex-url = {simple}\ntimeout = 5\nretries = 0\n"));
        home(".config/uv/uv.toml", format!("[[index]]\nurl = \"{simple}\"\ndefault = true\n"));
        home(
            ".npmrc",
            format!(
                "registry={}\nfetch-retries=0\naudit=false\nfund=false\nupdate-notifier=false\n",
                self.server.npm_url()
            ),
        );
        home(
            ".cargo/config.toml",
            format!(
                "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nregistry = \"sparse+{}\"\n",
                self.server.index()
            ),
        );
        let affected: Vec<Value> = ["PyPI", "npm", "crates.io"]
            .map(|e| json!({"package": {"ecosystem": e, "name": "tw-evil"}, "versions": ["1.0.0"]}))
            .to_vec();
        let record = json!({"schema_version": "1.6.0", "id": "MAL-0000-0007", "modified": OLD, "published": OLD,
                            "summary": "a toy", "affected": affected});
        self.shimmed.sandbox.write("../evil.json", record.to_string());
        let imported = self.shimmed.run("tidewaiter", &["advisories", "import", "../evil.json"]);
        assert_eq!(imported.status, 0, "{imported:?}");
        let linked = self.shimmed.run("tidewaiter", &["shim", "install"]);
        assert!(linked.status == 0 || tools.is_empty(), "{linked:?}");
        // A command must never find the tool itself: nothing would hold it back.
        for entry in std::fs::read_dir(self.shimmed.at("tools")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let link = self.shimmed.links().join(&name);
            assert!(link.is_symlink() || ["node", "rustc"].contains(&name.as_str()), "{name} has no link");
        }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("$S", &self.server.url).replace("$O", &self.other.url)
    }

    /// What is typed, by a shell. The first tool that PATH gives is a link: what is tried here is never a bare install.
    fn shell(&self, text: &str) -> Ran {
        let path = self.shimmed.path();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &self.filled(text)]).current_dir(self.shimmed.sandbox.work()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.shimmed.at("home")).env("PATH", &path);
        command.env("TOOLS", self.shimmed.at("tools"));
        let _ = symlink("/bin/cat", self.shimmed.at("system/cat"));
        for name in ["sh", "env"] {
            let _ = symlink(real(name).unwrap(), self.shimmed.at("system").join(name));
        }
        Ran::of(command.output().unwrap(), self.shimmed.sandbox.dir.path())
    }

    pub fn events(&self) -> Vec<Value> {
        let ran = self.shimmed.run("tidewaiter", &["log", "list", "--format", "json"]);
        ran.stdout.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Files that must not be there: unpacked, or as archives. This program's own store and record apart.
    pub fn forbidden(&self) -> Vec<String> {
        let root = self.shimmed.sandbox.dir.path();
        let own = [self.shimmed.at("home/.cache/tidewaiter"), self.shimmed.at("home/.local/share/tidewaiter")];
        let mut out = Vec::new();
        let mut left = vec![root.to_owned()];
        while let Some(directory) = left.pop() {
            for path in std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|e| e.path()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let archive = (name.starts_with("tw") || name.ends_with(".crate"))
                    && (name.contains("evil-") || name.contains("-9.0.0"));
                if name.starts_with("FORBIDDEN") || name == "MARK" || archive {
                    out.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
                }
                if path.is_dir() && !path.is_symlink() && !own.contains(&path) {
                    left.push(path);
                }
            }
        }
        out
    }
}

/// Tries every case in a town of its own; what is wrong, a line each.
fn attempt(tools: &[(&str, PathBuf)], project: &[(&str, &str)], cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for (text, files, must) in cases {
        let town = Town::new(tools);
        for (path, content) in project.iter().chain(*files) {
            town.shimmed.sandbox.write(path, town.filled(content));
        }
        let ran = town.shell(text);
        let (events, forbidden) = (town.events(), town.forbidden());
        let stopped = |verdicts: &[&str]| {
            let of = |e: &&Value| e["event"] == "stopped" && verdicts.iter().any(|v| e["verdict"] == *v);
            events.iter().any(|e| of(&e))
        };
        let right = match must {
            Stop => ran.status != 0 && stopped(&["ask", "deny"]),
            Deny => ran.status != 0 && stopped(&["deny"]),
            Hold => true,
            Install(path) => ran.status == 0 && town.shimmed.sandbox.work().join(path).exists(),
        };
        if !right || !forbidden.is_empty() {
            let verdicts: Vec<String> = events.iter().map(|e| format!("{} {}", e["event"], e["verdict"])).collect();
            wrong.push(format!("`{text}` ({must:?}): there: {forbidden:?}, record: {verdicts:?}, {ran:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} got through:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// The interpreter under its usual names, and a pip of it.
pub fn python_tools() -> Option<Vec<(&'static str, PathBuf)>> {
    let python = PathBuf::from(python()?);
    static PIP: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let directory = PIP.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let text =
            format!("#!{}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n", python.display());
        program(&directory.path().join("pip"), &text);
        directory
    });
    Some(vec![("python3", python.clone()), ("python", python), ("pip", directory.path().join("pip"))])
}

#[test]
fn every_spelling_of_pip_is_judged() {
    let Some(tools) = python_tools() else { return };
    let evil = ("requirements.txt", "tw-evil\n");
    let makefile = ("Makefile", "all:\n\tpip install --target out tw-evil\n");
    attempt(
        &tools,
        &[],
        &[
            ("pip install --target out tw-good", &[], Install("out/tw_good.py")),
            ("python3 -m pip install --target out tw-good", &[], Install("out/tw_good.py")),
            ("pip install --target out tw-evil", &[], Deny),
            ("python -m pip install --target out tw-evil", &[], Deny),
            ("python3 -I -m pip install --target out tw-evil", &[], Deny),
            ("python3 -Im pip --no-cache-dir --quiet install --target out tw-evil", &[], Deny),
            ("env -i HOME=\"$HOME\" PATH=\"$PATH\" pip install --target out tw-evil", &[], Deny),
            ("echo tw-evil | xargs pip install --target out", &[], Deny),
            ("bash -c 'pip install --target out tw-evil'", &[], Deny),
            ("sh -c 'exec pip install --target out tw-evil'", &[], Deny),
            ("eval pip install --target out tw-evil", &[], Deny),
            ("p=pip; $p install --target out tw-evil", &[], Deny),
            ("make", &[makefile], Deny),
            ("pip install --target out -r requirements.txt", &[evil], Deny),
            ("pip install --target out -r /dev/stdin < requirements.txt", &[evil], Stop),
            ("pip download -d out tw-evil", &[], Deny),
            ("pip wheel -w out tw-evil", &[], Deny),
            ("python3 -mpip install --target out tw-evil", &[], Deny),
            ("python3 -m pip.__main__ install --target out tw-evil", &[], Deny),
            ("python3 -m pip.__pip-runner__ install --target out tw-evil", &[], Deny),
            (
                "python3 \"$(python3 -c 'import pip; print(pip.__path__[0])')/__pip-runner__.py\" install --target out tw-evil",
                &[],
                Deny,
            ),
            ("python3 \"$(python3 -c 'import pip; print(pip.__path__[0])')\" install --target out tw-evil", &[], Deny),
            ("python3 -m runpy pip install --target out tw-evil", &[], Stop),
            ("python3 -m cProfile -o p.out -m pip install --target out tw-evil", &[], Stop),
            ("python3 -m pdb -c c -m pip install --target out tw-evil", &[], Stop),
            ("python3 -m trace --count --module pip install --target out tw-evil", &[], Stop),
            ("pip --python python3 install --target out tw-evil", &[], Deny),
            ("command pip install --target out tw-evil", &[], Deny),
            ("bash -c 'exec -a other pip install --target out tw-evil'; false", &[], Hold),
            ("bash -c 'exec -a pip npm install tw-evil'; false", &[], Hold),
            ("ln -s \"$(command -v pip)\" mypip; ./mypip install --target out tw-evil", &[], Hold),
            ("pip install --target out --use-deprecated=legacy-resolver tw-evil", &[], Deny),
        ],
    );
}

#[test]
fn no_setting_or_flag_of_pip_opens_another_way() {
    let Some(tools) = python_tools() else { return };
    let conf = ("evil.conf", "[global]\nindex-url = $O/simple/\n");
    let evil = ("requirements.txt", "tw-evil\n");
    attempt(
        &tools,
        &[],
        &[
            ("pip install --target out tw-evil --report --dry-run", &[], Deny),
            ("pip install --target out --log --dry-run tw-evil", &[], Deny),
            ("NO_PROXY='*' no_proxy='*' pip install --target out tw-evil", &[], Deny),
            ("pip install --target out --index-url $O/simple/ tw-good", &[], Stop),
            ("pip install --target out --index-ur $O/simple/ tw-good", &[], Stop),
            ("pip install --target out -i$O/simple/ tw-good", &[], Stop),
            ("pip install --target out --extra-index-url=$O/simple/ tw-good", &[], Stop),
            ("pip install --target out --find-links $O/links/ tw-good", &[], Stop),
            ("pip install --target out --no-index -f $O/links/ tw-good", &[], Stop),
            ("PIP_INDEX_URL=$O/simple/ pip install --target out tw-good", &[], Stop),
            ("PIP_EXTRA_INDEX_URL=$O/simple/ pip install --target out tw-good", &[], Stop),
            ("PIP_FIND_LINKS=$O/links/ PIP_NO_INDEX=1 pip install --target out tw-good", &[], Stop),
            ("PIP_CONFIG_FILE=evil.conf pip install --target out tw-good", &[conf], Stop),
            ("PIP_REQUIREMENT=requirements.txt pip install --target out", &[evil], Stop),
            ("PIP_TARGET=out pip install tw-evil", &[], Deny),
            (
                "pip install --target out -r requirements.txt",
                &[("requirements.txt", "--index-url $O/simple/\ntw-good\n")],
                Stop,
            ),
            (
                "pip install --target out tw-good -c constraints.txt",
                &[("constraints.txt", "--extra-index-url $O/simple/\ntw-good\n")],
                Stop,
            ),
            ("HOME=\"$PWD/elsewhere\" pip install --target out --index-url $O/simple/ tw-good", &[], Hold),
            (
                "\"$TOOLS\"/pip -q install --target warm tw-evil && rm -rf warm && pip install --target out tw-evil",
                &[],
                Deny,
            ),
        ],
    );
}

#[test]
fn another_home_brings_no_policy_and_no_record_of_its_own() {
    let Some(tools) = python_tools() else { return };
    const CONF: (&str, &str) = ("elsewhere/.config/pip/pip.conf", "[global]\nindex-url = $S/simple/\n");
    let moved = ("elsewhere/pip/pip.conf", CONF.1);
    let loose = (
        "elsewhere/.config/tidewaiter/policy.toml",
        "version = 1\n[rules]\nuntrusted-registry = \"off\"\n[trust]\nregistries = [\"$O/simple/\"]\n",
    );
    let loose_moved = ("elsewhere/tidewaiter/policy.toml", loose.1);
    let tight = (loose.0, "version = 1\n[rules]\nunpinned = \"deny\"\n");
    attempt(
        &tools,
        &[],
        &[
            ("HOME=\"$PWD/elsewhere\" pip install --target out tw-evil", &[CONF], Deny),
            ("env HOME=\"$PWD/elsewhere\" pip install --target out tw-evil", &[CONF], Deny),
            ("export HOME=\"$PWD/elsewhere\"; pip install --target out tw-evil", &[CONF], Deny),
            ("HOME=\"$PWD/elsewhere\" sh -c 'pip install --target out tw-evil'", &[CONF], Deny),
            ("HOME=\"$PWD/elsewhere\" python3 -m pip install --target out tw-evil", &[CONF], Deny),
            ("HOME= pip install --target out --index-url $S/simple/ tw-evil", &[], Deny),
            ("unset HOME; pip install --target out --index-url $S/simple/ tw-evil", &[], Deny),
            ("XDG_DATA_HOME=\"$PWD/elsewhere\" pip install --target out tw-evil", &[], Deny),
            ("XDG_CACHE_HOME=\"$PWD/elsewhere\" pip install --target out tw-evil", &[], Deny),
            ("XDG_CONFIG_HOME=\"$PWD/elsewhere\" pip install --target out tw-evil", &[moved], Deny),
            ("HOME=\"$PWD/elsewhere\" pip install --target out tw-good", &[CONF], Install("out/tw_good.py")),
            // What is there may be looser than the user's own policy, and says nothing then.
            ("HOME=\"$PWD/elsewhere\" pip install --target out --index-url $O/simple/ tw-good", &[loose], Stop),
            (
                "XDG_CONFIG_HOME=\"$PWD/elsewhere\" pip install --target out --index-url $O/simple/ tw-good",
                &[loose_moved],
                Stop,
            ),
            ("HOME=\"$PWD/elsewhere\" pip install --target out tw-good", &[CONF, tight], Deny),
        ],
    );
}

#[test]
fn the_accounts_own_home_holds_where_it_was_used_before() {
    use std::os::unix::fs::MetadataExt as _;
    let shimmed = Shimmed { sandbox: Sandbox::new() };
    let id = std::fs::metadata(shimmed.at("work")).unwrap().uid();
    shimmed.sandbox.write("../passwd", format!("x:x:{id}:{id}::{}:/bin/sh\n", shimmed.at("account").display()));
    let level = |home: &str| {
        let mut command = shimmed.command("tidewaiter", &["policy", "show"]);
        command.env("TIDEWAITER_TEST_PASSWD", shimmed.at("passwd")).env("HOME", shimmed.at(home));
        let ran = Ran::of(command.output().unwrap(), shimmed.sandbox.dir.path());
        let line = |rule: &str| {
            let found = ran.stdout.lines().find(|line| line.trim_start().starts_with(rule));
            found.unwrap_or_else(|| panic!("{rule}: {ran:?}")).to_owned()
        };
        [line("rules.unpinned"), line("rules.typosquat")].map(|l| {
            ["off", "note", "warn", "ask", "deny"]
                .into_iter()
                .find(|w| l.split([' ', '"', '=']).any(|x| x == *w))
                .unwrap()
        })
    };
    // A home made for one run, as in CI: it is all there is.
    shimmed.sandbox.write("../home/.config/tidewaiter/policy.toml", "version = 1\n[rules]\ntyposquat = \"warn\"\n");
    assert_eq!(level("home"), ["warn", "warn"]);
    // The account's own, once it has one.
    shimmed.sandbox.write("../account/.config/tidewaiter/policy.toml", "version = 1\n[rules]\nunpinned = \"off\"\n");
    assert_eq!(level("account"), ["off", "ask"]);
    assert_eq!(level("home"), ["off", "ask"], "it is not loosened");
    shimmed.sandbox.write("../home/.config/tidewaiter/policy.toml", "version = 1\n[rules]\ntyposquat = \"deny\"\n");
    assert_eq!(level("home"), ["off", "deny"], "it is tightened");
}

#[test]
fn what_pip_is_given_in_place_of_a_name_is_judged() {
    let Some(tools) = python_tools() else { return };
    let setup = (
        "dir/setup.py",
        "open('MARK', 'w').close()\nfrom setuptools import setup\nsetup(name='a', install_requires=['tw-evil'])\n",
    );
    let project = "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"tw-evil\"]\n";
    attempt(
        &tools,
        &[],
        &[
            ("pip install --target out ./dir", &[setup], Stop),
            ("pip install --target out ./dir", &[("dir/pyproject.toml", project)], Deny),
            ("pip install --target out -e .", &[("pyproject.toml", project)], Deny),
            ("pip install --target out -r $O/requirements.txt", &[], Stop),
            ("pip install --target out tw-good -c $O/requirements.txt", &[], Stop),
            ("pip install --target out git+http://127.0.0.1:9/x.git", &[], Stop),
            ("pip install --target out $S/files/tw_evil-1.0.0-py3-none-any.whl", &[], Stop),
            ("pip install --target out 'tw-good @ $O/files/tw_good-9.0.0-py3-none-any.whl'", &[], Stop),
            (
                "pip install --target out tw-good -r requirements.txt",
                &[("requirements.txt", "tw-good @ $O/files/tw_good-9.0.0-py3-none-any.whl\n")],
                Stop,
            ),
        ],
    );
}

#[test]
fn every_way_of_uv_is_judged() {
    let (Some(mut tools), Some(uv)) = (python_tools(), uv()) else { return };
    tools.push(("uvx", uv.with_file_name("uvx")));
    tools.push(("uv", uv));
    attempt(
        &tools,
        &[],
        &[
            ("uv pip install --target out tw-good", &[], Install("out/tw_good.py")),
            ("uv pip install --target out tw-evil", &[], Deny),
            ("UV_INDEX_URL=$O/simple/ uv pip install --target out tw-good", &[], Stop),
            ("UV_DEFAULT_INDEX=$O/simple/ uv pip install --target out tw-good", &[], Stop),
            ("UV_INDEX=$O/simple/ uv pip install --target out tw-good", &[], Stop),
            ("UV_FIND_LINKS=$O/links/ uv pip install --target out tw-good", &[], Stop),
            ("uv pip install --target out --index-url $O/simple/ tw-good", &[], Stop),
            ("uv tool run tw-evil", &[], Deny),
            ("uv tool install tw-evil", &[], Deny),
            ("uv run --no-project --with tw-evil python -c 1", &[], Deny),
            ("uv run --with tw-evil python -c 1", &[], Deny),
            (
                "uv run script.py",
                &[("script.py", "# /// script\n# dependencies = [\"tw-evil\"]\n# ///\nopen('MARK', 'w')\n")],
                Deny,
            ),
            ("echo tw-evil | uv pip install --target out -r -", &[], Stop),
        ],
    );
    let evil = "# /// script\n# dependencies = [\"tw-evil\"]\n# ///\nopen('MARK', 'w')\n";
    let good = "# /// script\n# dependencies = [\"tw-good\"]\n# ///\nimport tw_good\nopen('ran', 'w')\n";
    let index = good.replace("# ///\nimport", "# [[tool.uv.index]]\n# url = \"$O/simple/\"\n# ///\nimport");
    let links = good.replace("# ///\nimport", "# [tool.uv]\n# find-links = [\"$O/links/\"]\n# ///\nimport");
    const OTHER: &str = "override-dependencies = [\"tw-good @ $O/files/tw_good-9.0.0-py3-none-any.whl\"]\n";
    let replaced = good.replace("# ///\nimport", &format!("# [tool.uv]\n# {OTHER}# ///\nimport"));
    let settings = format!("[tool.uv]\n{OTHER}");
    let project = format!("[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"tw-good\"]\n{settings}");
    let root = format!("{settings}[tool.uv.workspace]\nmembers = [\"m\"]\n");
    let member =
        "[project]\nname = \"m\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"tw-good\"]\n";
    let file = "tw-good @ $O/files/tw_good-9.0.0-py3-none-any.whl\n";
    attempt(
        &tools,
        &[],
        &[
            ("uv tool install tw-tool", &[("../home/.local/bin/other", "")], Install("../home/.local/bin/tw-tool")),
            ("uv run script.py", &[("script.py", good)], Install("ran")),
            ("uv run --no-cache --with tw-good script.py", &[("script.py", good)], Install("ran")),
            ("uv run --with tw-good python -c \"import tw_good; open('ran', 'w')\"", &[], Install("ran")),
            ("uvx --from tw-good python -c \"import tw_good; open('ran', 'w')\"", &[], Install("ran")),
            ("uv run script.py", &[("script.py", &index)], Stop),
            ("uv run script.py", &[("script.py", &links)], Stop),
            ("uv run script.py", &[("script.py", &replaced)], Stop),
            ("uv run --no-sync script.py", &[("script.py", evil)], Deny),
            ("uv run script.py", &[("script.py", &format!("# /// other\n# a = 1\n# ///\n{evil}"))], Deny),
            ("uv run --no-sync --script s", &[("s", evil)], Deny),
            ("uv run -s s", &[("s", evil)], Deny),
            ("uv run --gui-script s", &[("s", evil)], Deny),
            ("uv run s.PY", &[("s.PY", evil)], Deny),
            ("uv sync --script s", &[("s", evil)], Deny),
            ("uv lock --script s", &[("s", evil)], Deny),
            ("uv pip install --target out -r s.py", &[("s.py", evil)], Deny),
            ("uv pip sync --target out s.py", &[("s.py", evil)], Deny),
            ("uv pip install --target out -r s", &[("s", evil)], Deny),
            ("uvx --with-requirements s.py tw-good", &[("s.py", evil)], Deny),
            ("uv sync", &[("pyproject.toml", &project)], Stop),
            ("cd m; uv sync", &[("pyproject.toml", &root), ("m/pyproject.toml", member)], Stop),
            ("uv pip install --target out tw-good", &[("pyproject.toml", &settings)], Stop),
            ("uv pip install --target out tw-good", &[("uv.toml", OTHER)], Stop),
            ("uv pip install --target out --overrides o.txt tw-good", &[("o.txt", file)], Stop),
            ("UV_OVERRIDE=o.txt uv pip install --target out tw-good", &[("o.txt", file)], Stop),
        ],
    );
}

/// Poetry, PDM, Pipenv and pipx, those that are here: what is named anywhere in their files is judged.
#[test]
fn every_way_of_the_other_python_tools_is_judged() {
    let Some(mut tools) = python_tools() else { return };
    tools.extend(["poetry", "pdm", "pipenv", "pipx"].into_iter().filter_map(|name| Some((name, real(name)?))));
    let project = |tool: &str, needs: &str| {
        format!(
            "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [{needs}]\n{tool}"
        )
    };
    let poetry = "[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = \"own\"\nurl = \"$S/simple/\"\n";
    let pdm = "[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"$S/simple\"\n[tool.pdm]\ndistribution = false\n";
    let evil = "# /// script\n# dependencies = [\"tw-evil\"]\n# ///\nopen('MARK', 'w')\n";
    let plugins = format!("{poetry}[tool.poetry.requires-plugins]\ntw-evil = \"*\"\n");
    let (poetry_evil, poetry_plugins) = (project(poetry, "\"tw-evil\""), project(&plugins, ""));
    let (pdm_evil, pdm_plugins) =
        (project(pdm, "\"tw-evil\""), project(&format!("{pdm}plugins = [\"tw-evil\"]\n"), ""));
    let pdm_scripts = project(&format!("{pdm}[tool.pdm.scripts]\ndeps = \"pip install tw-evil\"\n"), "");
    let pipfile = "[[source]]\nname = \"own\"\nurl = \"$S/simple\"\nverify_ssl = true\n[packages]\ntw-evil = \"*\"\n[scripts]\ndeps = \"pip install tw-evil\"\n";
    let cases: &[Case<'_>] = &[
        ("poetry remove other", &[("pyproject.toml", &poetry_evil)], Deny),
        ("poetry install", &[("pyproject.toml", &poetry_plugins)], Deny),
        ("pdm remove other", &[("pyproject.toml", &pdm_evil)], Deny),
        ("pdm install --plugins", &[("pyproject.toml", &pdm_plugins)], Deny),
        ("pdm show tw-evil", &[("pyproject.toml", &pdm_plugins)], Deny),
        ("pdm run deps", &[("pyproject.toml", &pdm_scripts)], Stop),
        ("pdm deps", &[("pyproject.toml", &pdm_scripts)], Stop),
        ("pdm run s.py", &[("pyproject.toml", &pdm_evil), ("s.py", evil)], Stop),
        ("pipenv uninstall other", &[("Pipfile", pipfile)], Deny),
        ("pipenv clean", &[("Pipfile", pipfile)], Deny),
        ("pipenv run deps", &[("Pipfile", pipfile)], Stop),
        ("pipenv check --auto-install", &[("Pipfile", pipfile)], Stop),
        ("pipx run s.py", &[("s.py", evil)], Deny),
        ("pipx run s", &[("s", evil)], Deny),
        ("pipx install tw-tool", &[("../home/.local/bin/other", "")], Install("../home/.local/bin/tw-tool")),
    ];
    let here = |case: &&Case<'_>| tools.iter().any(|(name, _)| case.0.starts_with(&format!("{name} ")));
    for case in cases.iter().filter(here) {
        attempt(&tools, &[], std::slice::from_ref(case));
    }
    let conf = "[global]\nindex-url = $S/simple/\nconstraint = c.txt\n";
    let required = "[global]\nindex-url = $S/simple/\nrequirement = c.txt\n";
    let file = ("c.txt", "tw-good @ $O/files/tw_good-9.0.0-py3-none-any.whl\n");
    attempt(
        &tools,
        &[],
        &[
            ("pip install --target out tw-good", &[("../home/.config/pip/pip.conf", conf), file], Stop),
            ("pip install --target out", &[("../home/.config/pip/pip.conf", required), ("c.txt", "tw-evil\n")], Deny),
            ("PIP_CONSTRAINT=c.txt pip install --target out tw-good", &[file], Stop),
        ],
    );
}

pub fn npm_tools() -> Option<Vec<(&'static str, PathBuf)>> {
    let found = ["node", "npm", "npx"].map(|name| Some((name, real(name)?)));
    if found.iter().any(Option::is_none) {
        eprintln!("skipped: there is no npm here");
        return None;
    }
    Some(found.into_iter().flatten().collect())
}

const PACKAGE: (&str, &str) = ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
const NEEDS_EVIL: (&str, &str) =
    ("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-evil\": \"1.0.0\"}}");

#[test]
fn every_spelling_of_npm_is_judged() {
    let Some(tools) = npm_tools() else { return };
    let scripts = (
        "package.json",
        "{\"name\": \"app\", \"version\": \"1.0.0\", \"scripts\": {\"setup\": \"npm install tw-evil\", \"x\": \"npx --yes tw-evil\"}}",
    );
    let lifecycle = (
        "package.json",
        "{\"name\": \"app\", \"version\": \"1.0.0\", \"scripts\": {\"postinstall\": \"npm install tw-evil\"}}",
    );
    attempt(
        &tools,
        &[PACKAGE],
        &[
            ("npm install tw-good", &[], Install("node_modules/tw-good/package.json")),
            ("npm install tw-evil", &[], Deny),
            ("npm --loglevel error i tw-evil", &[], Deny),
            ("npm --prefix . add tw-evil", &[], Deny),
            ("npm install --dry-run=false tw-evil", &[], Deny),
            ("npm install tw-evil --dry-run --no-dry-run", &[], Deny),
            ("npm install tw-evil -- --dry-run", &[], Deny),
            ("npm install", &[NEEDS_EVIL], Deny),
            ("npm update", &[NEEDS_EVIL], Deny),
            ("npm exec --yes tw-evil", &[], Deny),
            ("npm isntall tw-evil", &[], Deny),
            ("npm it tw-evil", &[], Deny),
            ("npm link tw-evil", &[], Deny),
            ("npm pack tw-evil", &[], Deny),
            ("npm exec --yes --package=tw-evil -c true", &[], Deny),
            ("npx --yes -p tw-evil -c true", &[], Deny),
            ("npm dedupe", &[NEEDS_EVIL], Deny),
            ("npm install-clean", &[NEEDS_EVIL], Hold),
            ("npm audit fix", &[NEEDS_EVIL], Hold),
            ("npx --yes tw-evil", &[], Deny),
            ("npm run setup", &[scripts], Deny),
            ("npm run x", &[scripts], Deny),
            ("npm install", &[lifecycle], Hold),
            ("echo tw-evil | xargs npm install", &[], Deny),
            ("make", &[("Makefile", "all:\n\tnpm install tw-evil\n")], Deny),
            ("npm install y@npm:tw-evil", &[], Deny),
            ("npm install -g --prefix out tw-evil", &[], Deny),
        ],
    );
}

#[test]
fn no_setting_or_flag_of_npm_opens_another_way() {
    let Some(tools) = npm_tools() else { return };
    attempt(
        &tools,
        &[PACKAGE],
        &[
            ("npm install --registry $O/npm/ tw-good", &[], Stop),
            ("npm install tw-good --registry=$O/npm/", &[], Stop),
            ("npm_config_registry=$O/npm/ npm install tw-good", &[], Stop),
            ("NPM_CONFIG_REGISTRY=$O/npm/ npm install tw-good", &[], Stop),
            ("npm install tw-good", &[(".npmrc", "registry=$O/npm/\n")], Stop),
            ("npm install @tw/own", &[(".npmrc", "@tw:registry=$O/npm/\n")], Stop),
            ("npm install --@tw:registry=$O/npm/ @tw/own", &[], Stop),
            ("env 'npm_config_@tw:registry=$O/npm/' npm install @tw/own", &[], Stop),
            (
                "npm_config_userconfig=\"$PWD/evil.npmrc\" npm install tw-good",
                &[("evil.npmrc", "registry=$O/npm/\n")],
                Stop,
            ),
            ("npm --userconfig evil.npmrc install tw-good", &[("evil.npmrc", "registry=$O/npm/\n")], Stop),
            ("npm --globalconfig evil.npmrc install @tw/own", &[("evil.npmrc", "@tw:registry=$O/npm/\n")], Stop),
            (
                "npm_config_globalconfig=evil.npmrc npm install @tw/own",
                &[("evil.npmrc", "@tw:registry=$O/npm/\n")],
                Stop,
            ),
            ("npm --userconfig .npmrc install tw-good", &[(".npmrc", "registry=$O/npm/\n")], Stop),
            ("npm install -g --prefix out @tw/own", &[("out/etc/npmrc", "@tw:registry=$O/npm/\n")], Hold),
            ("npm_config_prefix=out npm install @tw/own", &[("out/etc/npmrc", "@tw:registry=$O/npm/\n")], Stop),
            ("NO_PROXY='*' npm_config_noproxy='*' npm install tw-evil", &[], Deny),
            ("npm install $S/npm/tw-evil/-/tw-evil-1.0.0.tgz", &[], Stop),
            ("npm install git+http://127.0.0.1:9/x.git", &[], Stop),
            (
                "npm install ./dir",
                &[(
                    "dir/package.json",
                    "{\"name\": \"dir\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-evil\": \"1\"}}",
                )],
                Deny,
            ),
            (
                "\"$TOOLS\"/npm install tw-evil && rm -rf node_modules package-lock.json && npm install --prefer-offline tw-evil",
                &[],
                Deny,
            ),
            ("\"$TOOLS\"/npm install tw-evil && rm -rf node_modules && npm ci --offline", &[], Stop),
            ("HOME=\"$PWD/elsewhere\" npm install --registry $O/npm/ tw-good", &[], Hold),
        ],
    );
}

/// The toolchain's own cargo: rustup's would need the home of this user.
pub fn cargo_tools() -> Option<Vec<(&'static str, PathBuf)>> {
    let cargo = std::env::var_os("CARGO").map(PathBuf::from).filter(|p| p.is_absolute());
    let rustc = cargo.as_deref().and_then(Path::parent).map(|d| d.join("rustc")).filter(|p| p.is_file());
    let (Some(cargo), Some(rustc)) = (cargo, rustc) else {
        eprintln!("skipped: the cargo that runs this test is not known");
        return None;
    };
    Some(vec![("cargo", cargo), ("rustc", rustc)])
}

/// Each pnpm that is found, with the node for it, and its major version.
fn each_pnpm(mut test: impl FnMut(&[(&str, PathBuf)], u64)) {
    for directory in crate::gateway_javascript::found("pnpm") {
        let node = Some(directory.join("node")).filter(|p| p.is_file()).or_else(|| real("node"));
        let (Some(node), Ok(pnpm)) = (node, directory.join("pnpm").canonicalize()) else { continue };
        let manifest = pnpm.ancestors().skip(1).take(3).find_map(|d| std::fs::read(d.join("package.json")).ok());
        let version: Value = serde_json::from_slice(&manifest.unwrap_or_default()).unwrap_or_default();
        let version = version["version"].as_str().unwrap_or_default().to_owned();
        let started = Command::new(&node).arg(&pnpm).arg("--version").output();
        if !started.is_ok_and(|o| o.status.success()) {
            eprintln!("skipped: pnpm {version} does not start");
            continue;
        }
        eprintln!("pnpm {version}");
        test(&[("pnpm", pnpm), ("node", node)], version.split('.').next().unwrap().parse().unwrap());
    }
}

const APP: (&str, &str) = ("package.json", "{\"name\": \"app\", \"scripts\": {\"build\": \"touch built\"}}");
const EVIL_APP: (&str, &str) = (
    "package.json",
    "{\"name\": \"app\", \"scripts\": {\"build\": \"touch built\"}, \"dependencies\": {\"tw-evil\": \"1\"}}",
);

const EVIL_CONFIG: (&str, &str) = ("pnpm-workspace.yaml", "configDependencies:\n  tw-evil: 1.0.0+sha512-AAAA\n");

#[test]
fn every_way_of_pnpm_is_judged() {
    each_pnpm(|tools, major| {
        let there = Install("node_modules/tw-good/package.json");
        let newer = |must: Must| if major >= 11 { must } else { Hold };
        attempt(
            tools,
            &[APP],
            &[
                ("pnpm install", &[EVIL_APP], Deny),
                ("pnpm add tw-good", &[], there),
                ("pnpm with current add tw-evil", &[], Deny),
                ("pnpm -r with current add tw-evil", &[], Deny),
                ("pnpm with current install", &[EVIL_APP], Deny),
                ("pnpm with current dlx tw-evil", &[], Deny),
                ("pnpm pm add tw-evil", &[], Deny),
                ("pnpm pm install", &[EVIL_APP], Deny),
                ("pnpm with 10.1.0 ls", &[], Stop),
                ("pnpm pm add tw-good", &[], newer(there)),
                ("pnpm with current add tw-good", &[], newer(there)),
                ("pnpm verb-of-tomorrow tw-evil", &[], Stop),
                ("pnpm prune", &[EVIL_APP], Deny),
                ("pnpm audit --fix=update", &[EVIL_APP], Stop),
                ("pnpm build", &[], Install("built")),
                ("pnpm build", &[EVIL_APP], Hold),
                ("pnpm exec touch built", &[EVIL_APP], Hold),
                ("pnpm run build", &[EVIL_APP, ("pnpm-workspace.yaml", "verifyDepsBeforeRun: install\n")], Hold),
                ("pnpm run build", &[EVIL_APP, (".npmrc", "verify-deps-before-run=install\n")], Hold),
                ("npm_config_verify_deps_before_run=install pnpm run build", &[EVIL_APP], Hold),
                ("pnpm_config_verify_deps_before_run=install pnpm test", &[EVIL_APP], Hold),
                ("pnpm --config.verify-deps-before-run=install run build", &[EVIL_APP], Stop),
                ("pnpm --config.verifyDepsBeforeRun=install build", &[EVIL_APP], Stop),
                ("sh -c 'pnpm run build'", &[EVIL_APP], Hold),
                ("pnpm add tw-good && pnpm run build", &[], Install("built")),
                ("pnpm install", &[EVIL_CONFIG], Deny),
                ("pnpm ls", &[EVIL_CONFIG], Deny),
                ("pnpm run build", &[EVIL_CONFIG], Deny),
                ("pnpm why x", &[EVIL_CONFIG], Deny),
                (
                    "pnpm install",
                    &[(
                        "pnpm-workspace.yaml",
                        "configDependencies: {tw-evil: {integrity: 1.0.0+sha512-A, tarball: $O/npm/tw-evil/-/tw-evil-1.0.0.tgz}}\n",
                    )],
                    Stop,
                ),
                (
                    "pnpm add -w tw-good && pnpm run build",
                    &[("pnpm-workspace.yaml", "packages: []\nverifyDepsBeforeRun: install\n")],
                    Install("built"),
                ),
                ("pnpm touch built", &[], Install("built")),
            ],
        );
    });
}

#[test]
fn every_way_of_cargo_is_judged() {
    let Some(tools) = cargo_tools() else { return };
    const LIB: (&str, &str) = ("src/lib.rs", "");
    const GOOD: (&str, &str) = (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ntw-good = \"*\"\n",
    );
    const EVIL: (&str, &str) = (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ntw-evil = \"1\"\n",
    );
    let replaced = "[source.crates-io]\nreplace-with = \"o\"\n[source.o]\nregistry = \"sparse+$O/index/\"\n";
    attempt(
        &tools,
        &[LIB],
        &[
            ("cargo fetch", &[GOOD], Install("Cargo.lock")),
            ("cargo fetch", &[EVIL], Deny),
            ("cargo build", &[EVIL], Deny),
            ("cargo b", &[EVIL], Deny),
            ("cargo t", &[EVIL], Deny),
            ("cargo check", &[EVIL], Deny),
            ("cargo doc", &[EVIL], Deny),
            ("cargo vendor", &[EVIL], Deny),
            ("cargo tree", &[EVIL], Hold),
            ("cargo metadata --format-version 1", &[EVIL], Hold),
            ("cargo package --allow-dirty", &[EVIL], Hold),
            ("cargo update", &[EVIL], Hold),
            ("cargo generate-lockfile", &[EVIL], Hold),
            ("cargo --quiet -v build -- --dry-run", &[EVIL], Stop),
            ("cargo x", &[EVIL, (".cargo/config.toml", "[alias]\nx = \"fetch\"\n")], Stop),
            ("cargo add tw-evil", &[GOOD], Deny),
            ("cargo install --root out tw-evil", &[GOOD], Deny),
            ("make", &[EVIL, ("Makefile", "all:\n\tcargo build\n")], Deny),
            ("sh -c 'cargo fetch'", &[EVIL], Deny),
            (
                "cargo --config 'source.crates-io.replace-with=\"o\"' --config 'source.o.registry=\"sparse+$O/index/\"' fetch",
                &[GOOD],
                Stop,
            ),
            ("cargo --config evil.toml fetch", &[GOOD, ("evil.toml", replaced)], Stop),
            ("cargo fetch", &[GOOD, (".cargo/config.toml", replaced)], Stop),
            (
                "cd sub && cargo fetch --manifest-path ../Cargo.toml",
                &[GOOD, ("sub/.cargo/config.toml", replaced)],
                Stop,
            ),
            ("CARGO_HOME=\"$PWD/elsewhere\" cargo fetch", &[EVIL, ("elsewhere/config.toml", replaced)], Deny),
            ("CARGO_HOME=\"$PWD/elsewhere\" cargo fetch", &[GOOD, ("elsewhere/config.toml", replaced)], Stop),
            ("CARGO_HOME=\"$PWD/.cargo\" cargo fetch", &[GOOD, (".cargo/config.toml", replaced)], Stop),
            ("CARGO_NET_OFFLINE=true cargo fetch", &[EVIL], Stop),
            ("cargo fetch --offline", &[EVIL], Stop),
        ],
    );
}

#[test]
fn what_no_link_can_see_is_named() {
    let said = tidewaiter::doctor::UNCOVERED.join("\n");
    for way in ["venv/bin/pip", "npm-cli.js", "activate", "env -i", "sudo", "python -c", "curl", "HOME="] {
        assert!(said.contains(way), "{way}");
    }
}

#[test]
fn doctor_tries_every_link_and_says_what_is_not_live() {
    let (Some(mut tools), Some(npm)) = (python_tools(), npm_tools()) else { return };
    tools.extend(npm);
    tools.extend(cargo_tools().unwrap_or_default());
    // Others, in the directories that `TIDEWAITER_TOOLS` names: those of today's PATH may be links of version managers.
    let named = std::env::var_os("TIDEWAITER_TOOLS").unwrap_or_default();
    for name in ["uv", "uvx", "pipx", "poetry", "pdm", "pipenv", "pnpm", "pnpx", "yarn", "bun", "bunx"] {
        let found = std::env::split_paths(&named).map(|d| d.join(name)).find(|p| p.is_file());
        tools.extend(found.map(|path| (name, path)));
    }
    let town = Town::new(&tools);
    let before = town.server.paths().len();
    let ran = town.shimmed.run("tidewaiter", &["doctor", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    for tool in document["tools"].as_array().unwrap() {
        assert_eq!(
            (&tool["stop"]["outcome"], &tool["pass"]["outcome"]),
            (&json!("right"), &json!("right")),
            "{tool:#}"
        );
    }
    // The import of a toy record covers every ecosystem, and is of today.
    assert_eq!((ran.status, &document["live"]), (0, &json!(true)), "{document:#}");
    assert_eq!(town.server.paths().len(), before, "the user's own registry is not asked");
    assert!(town.events().is_empty() && town.forbidden().is_empty(), "nor is the user's record written");
    // A program in front, and a policy that cannot be read.
    program(&town.shimmed.at("venv/bin/pip"), "#!/bin/sh\n");
    town.shimmed.sandbox.write("../venv/pyvenv.cfg", "");
    town.shimmed.sandbox.write("../home/.config/tidewaiter/policy.toml", "version = 1\nnonsense = 1\n");
    let mut command = town.shimmed.command("tidewaiter", &["doctor"]);
    let path = town.shimmed.path();
    let front = std::iter::once(town.shimmed.at("venv/bin")).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(front.filter(|p| !p.ends_with("tools"))).unwrap());
    let ran = Ran::of(command.output().unwrap(), town.shimmed.sandbox.dir.path());
    assert_eq!(ran.status, 1, "{ran:?}");
    for says in ["an activated virtual environment", "the policy cannot be used", "NOT LIVE", "Not covered by links"] {
        assert!(ran.stdout.contains(says), "{says}: {ran:?}");
    }
}
