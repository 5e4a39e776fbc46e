//! What each tool's command lines are understood as: tables of argv → one line, real command lines, properties.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::strategy::Strategy as _;
use tidewaiter::invocation::{
    AliasQuery, Effect, FlagEffect, Invocation, RequestKind, follow, parse, parse_beside, parse_shell,
    parse_with_aliases,
};
use tidewaiter::model::{Environment, MemoryFiles, Place, Timestamp};

use crate::support::shared_data;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        cwd: PathBuf::from("/project"),
        home: None,
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

/// One line: `tool verb Effect [marks] asks… files… flags… ?opaque…`.
fn compact(i: &Invocation) -> String {
    let mut out = i.wrappers.iter().map(|w| format!("{w} > ")).collect::<String>();
    out.push_str(i.tool.name());
    if !i.verb.is_empty() {
        out.push_str(&format!(" {}", i.verb));
    }
    out.push_str(&format!(" {:?}", i.effect));
    for (on, mark) in [(i.global, "global"), (i.dry_run, "dry-run")] {
        if on {
            out.push_str(&format!(" {mark}"));
        }
    }
    if let Some(directory) = &i.directory {
        out.push_str(&format!(" in={directory}"));
    }
    for (name, value) in &i.assignments {
        out.push_str(&format!(" {name}={value}"));
    }
    for r in &i.requests {
        let mark = match r.kind {
            RequestKind::Requirement => "",
            RequestKind::Editable => "editable:",
            RequestKind::Selector => "select:",
            RequestKind::With => "with:",
        };
        out.push_str(&format!(" {mark}‹{}›", r.text));
    }
    for f in &i.files {
        out.push_str(&format!(" {:?}({})", f.role, f.path));
    }
    for f in &i.flags {
        let value = f.value.as_deref().map_or(String::new(), |v| format!("={v}"));
        let effect = if f.effect == FlagEffect::Neutral { String::new() } else { format!(":{:?}", f.effect) };
        let place = match &f.location.place {
            Place::Environment(name) => format!("${name}"),
            _ => String::new(),
        };
        out.push_str(&format!(" [{}{value}{effect}{place}]", f.name));
    }
    for o in &i.opaque {
        out.push_str(&format!(" ?{}@{}", o.reason, o.location.column));
    }
    out
}

/// A line as a shell would read it.
fn shell(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

#[test]
fn real_command_lines() {
    let Some(path) = shared_data("commands/commands.tsv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let lines: BTreeSet<&str> = text.lines().filter_map(|l| l.split('\t').next()).collect();
    let mut out = String::new();
    for line in &lines {
        let all = parse_shell(line, &environment(&[]), &|_| None);
        out.push_str(&format!("{line}\n"));
        for i in &all {
            out.push_str(&format!("    {}\n", compact(i)));
        }
    }
    assert!(lines.len() > 1000);
    insta::assert_snapshot!("real_command_lines", out);
}

/// Splits a fixture's line into words: blanks, and quotes that group.
fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => out.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

/// Each fixture holds the command lines of some tools; its snapshot says what each is understood as.
#[test]
fn tables() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/invocation");
    for table in ["pip", "uv", "npm", "node-others", "cargo", "python-others", "wrappers"] {
        let text = std::fs::read_to_string(fixtures.join(format!("{table}.txt"))).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines().filter(|l| !l.starts_with("# ")) {
            // A quote may go on over the end of a line.
            match lines.last_mut().filter(|l| l.matches('\'').count() % 2 == 1 && l.contains("<<")) {
                Some(last) => last.push_str(&format!("\n{line}")),
                None => lines.push(line.to_owned()),
            }
        }
        let out: Vec<String> = lines
            .iter()
            .map(|line| {
                let all = parse(&words(line), &environment(&[]));
                format!("{line}\n    {}", all.iter().map(compact).collect::<Vec<_>>().join("\n    "))
            })
            .collect();
        insta::assert_snapshot!(format!("table_{table}"), out.join("\n"));
    }
}

/// Files, command lines and the effect of each there. Followed or not, it is the same.
fn beside(files: &[(&str, &str)], variables: &[(&str, &str)], cases: &[(&str, Effect)]) {
    let at = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("/project/{path}") };
    let files: MemoryFiles = files.iter().map(|(path, text)| (at(path), *text)).collect();
    let mut environment = environment(variables);
    environment.home = Some(PathBuf::from("/home/u"));
    for (line, expected) in cases {
        let near = parse_beside(&words(line), &environment, &|_| None, &files);
        assert_eq!(near[0].effect, *expected, "{line}: {near:?}");
        let followed = follow(&words(line), &environment, &|_| None, &files).invocations;
        assert_eq!(followed[0].effect, *expected, "{line}: {followed:?}");
    }
}

#[test]
fn npm_installs_workspaces_that_a_file_selects() {
    use Effect::{Nothing, Project};
    let lines = |version, init| [("npm version patch", version), ("npm init -y", init), ("npm version", Nothing)];
    beside(&[("package.json", "{}")], &[], &lines(Nothing, Nothing));
    beside(&[(".npmrc", "registry=https://h/\nworkspaces=false\n")], &[], &lines(Nothing, Nothing));
    beside(&[(".npmrc", "workspace = a\n")], &[], &lines(Project, Project));
    beside(&[(".npmrc", "workspace[]=a")], &[], &[("npm version patch --no-workspaces-update", Nothing)]);
    beside(&[("/home/u/.npmrc", "workspaces=true\n")], &[], &lines(Project, Project));
}

#[test]
fn yarn_init_installs_what_the_manifest_begins_with() {
    use Effect::{Nothing, Project, Unknown};
    let fields = "initFields:\n  dependencies:\n    x: 1.0.0\n";
    beside(&[], &[], &[("yarn init -y", Nothing), ("yarn init -2", Unknown), ("yarn --cwd d init -p", Nothing)]);
    beside(&[("package.json", "{}")], &[], &[("yarn init -y", Project), ("yarn --cwd d init", Project)]);
    beside(&[(".yarnrc.yml", fields)], &[], &[("yarn init", Unknown), ("yarn --cwd d init -p", Unknown)]);
    beside(&[("/home/u/.yarnrc.yml", fields)], &[], &[("yarn init", Unknown)]);
    beside(&[(".yarnrc.yml", "nodeLinker: pnp\n")], &[], &[("yarn init", Nothing)]);
    beside(&[("x.yml", fields)], &[("YARN_RC_FILENAME", "x.yml")], &[("yarn init", Unknown)]);
}

#[test]
fn bun_fetches_what_its_files_import_where_there_is_no_node_modules_folder() {
    use Effect::{Nothing, ProjectAdd, Unknown};
    let manifest = r#"{"scripts": {"s": "echo", "n": "node ./index", "setup": "bun add x"}}"#;
    let plain = [("package.json", manifest), ("index.ts", ""), ("script", ""), ("dir/index.ts", ""), ("/bin/node", "")];
    let with = |more: &[(&'static str, &'static str)]| [&plain[..], more].concat();
    let path = [("PATH", "/bin")];
    let opaque = [
        "bun ./index",
        "bun index",
        "bun run ./index",
        "bun index.ts",
        "bun script",
        "bun ./script",
        "bun dir",
        "bun ./dir",
        "bun run dir",
        "bun --watch ./index",
        "bun --bun ./index",
        "bun --cwd dir ./index",
        "bun .",
        "bun -",
        "bun --install=fallback ./index",
        "bun run -p 'require(\"x\")'",
        "bun -e 'require(\"x\")'",
        "bun -p 1 install",
        "bun --eval=1",
        "bun repl",
    ];
    let all = |effect: Effect| opaque.map(|line| (line, effect));
    beside(&plain, &path, &all(Unknown));
    beside(
        &plain,
        &path,
        &[("bun s", Nothing), ("bun run s", Nothing), ("bun --bun s", Nothing), ("bun test", Nothing)],
    );
    beside(&plain, &path, &[("bun n", Nothing), ("bun --bun n", Unknown)]);
    beside(&plain, &path, &[("bun --no-install ./index", Nothing), ("bun --install=disable repl", Nothing)]);
    beside(&with(&[("bunfig.toml", "[install]\nauto = \"disable\"\n")]), &path, &[("bun ./index", Nothing)]);
    // A folder above is enough, but for what is told to fetch all the same.
    let folder = with(&[("/node_modules/x/package.json", "")]);
    beside(&folder, &path, &all(Nothing).map(|(l, e)| (l, if l.contains("fallback") { Unknown } else { e })));
    beside(&folder, &path, &[("bun -i ./index", Unknown), ("bun s", Nothing), ("bun tsc", Nothing)]);
    beside(&folder, &[("PATH", "/bin"), ("BUN_OPTIONS", "-i")], &[("bun ./index", Unknown)]);
    let forced = [folder.as_slice(), &[("bunfig.toml", "install.auto = true")]].concat();
    beside(&forced, &path, &[("bun ./index", Unknown), ("bun --no-install ./index", Unknown), ("bun s", Nothing)]);
    let elsewhere = with(&[("node_modules/x/package.json", ""), ("/q/index.ts", "")]);
    beside(&elsewhere, &path, &[("bun ../q/index", Unknown), ("bun ./index", Nothing)]);
    // With `--bun`, and without a node, a script's `bun` is this bun, and not the gate's link.
    let files: MemoryFiles = folder.iter().map(|(p, t)| (PathBuf::from("/project").join(p), *t)).collect();
    for (line, path, expected) in [
        ("bun setup", "/bin", None),
        ("bun --bun run setup", "/bin", Some(ProjectAdd)),
        ("bun setup", "/usr/bin", Some(ProjectAdd)),
        ("bun s", "/usr/bin", None),
    ] {
        let all = parse_beside(&words(line), &environment(&[("PATH", path)]), &|_| None, &files);
        let installs = all.iter().map(|i| i.effect).find(|e| *e != Nothing);
        assert_eq!(installs, expected, "{line}: {all:?}");
    }
}

#[test]
fn corepack_fetches_a_package_manager_that_is_not_here() {
    use Effect::{Locked, Nothing, Project, Requests, RunsRemote, Unknown};
    let path = [("PATH", "/usr/bin:/n/corepack/shims")];
    let with = |more: &[(&'static str, &'static str)]| {
        let programs = [("/n/corepack/shims/pnpm", ""), ("/n/corepack/shims/yarn", ""), ("/bin/pnpm", "")];
        [&programs[..], more].concat()
    };
    let pnpm = ("package.json", r#"{"packageManager": "pnpm@10.20.0+sha512.00", "scripts": {"x": "echo"}}"#);
    let here = ("/home/u/.cache/node/corepack/v1/pnpm/10.20.0/.corepack", "{}");
    let every = ["pnpm --version", "pnpm run x", "pnpm x"];
    beside(&with(&[pnpm]), &path, &every.map(|line| (line, Unknown)));
    beside(&with(&[pnpm]), &path, &[("pnpm ci", Locked), ("corepack install", Requests)]);
    beside(&with(&[pnpm, here]), &path, &every.map(|line| (line, Nothing)));
    beside(&with(&[pnpm, here]), &path, &[("corepack pnpm run x", Nothing), ("corepack pnpm@9.0.0 x", RunsRemote)]);
    // Another pnpm is on PATH before.
    beside(&with(&[pnpm]), &[("PATH", "/bin:/n/corepack/shims")], &every.map(|line| (line, Nothing)));
    beside(&with(&[pnpm]), &[path[0], ("COREPACK_ENABLE_NETWORK", "0")], &[("pnpm run x", Nothing)]);
    // The project does not say where the package managers are that corepack has.
    let place = (".corepack.env", "COREPACK_HOME=\"./x\" # here\n");
    beside(&with(&[pnpm, here, place]), &path, &[("pnpm run x", Unknown)]);
    beside(&with(&[pnpm, here, place]), &[path[0], ("COREPACK_ENV_FILE", "0")], &[("pnpm run x", Nothing)]);
    let named = ("e", "COREPACK_HOME=x");
    beside(&with(&[pnpm, here, named]), &[path[0], ("COREPACK_ENV_FILE", "e")], &[("pnpm run x", Unknown)]);
    // A range, another project's, none: the last one that was good.
    let engine = ("package.json", r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "^10.1.0"}}}"#);
    beside(&with(&[engine, here]), &path, &[("pnpm run x", Nothing), ("yarn x", Unknown)]);
    beside(&with(&[engine]), &path, &[("pnpm run x", Unknown)]);
    let good = ("/home/u/.cache/node/corepack/lastKnownGood.json", r#"{"pnpm": "10.20.0+sha1.00"}"#);
    beside(&with(&[here, good]), &path, &[("pnpm run x", Nothing), ("yarn x", Unknown), ("pnpm install", Project)]);
    beside(&with(&[good]), &path, &[("pnpm run x", Unknown)]);
    // What is asked for by name, and what of it cannot be known.
    let files: MemoryFiles = [
        ("/project/package.json", r#"{"packageManager": "yarn@4.1.0"}"#),
        ("/evil/package.json", r#"{"packageManager": "pnpm@10.20.0"}"#),
        ("/evil/.corepack.env", "COREPACK_INTEGRITY_KEYS=0\nOTHER=1\n"),
    ]
    .into_iter()
    .collect();
    for (cwd, line, request, opaque) in [
        ("/project", "corepack install", "@yarnpkg/cli-dist@4.1.0", None),
        ("/project", "corepack prepare yarn@1.22.22 --activate", "yarn@1.22.22", None),
        (
            "/evil",
            "corepack install",
            "pnpm@10.20.0",
            Some("`.corepack.env` of the project sets COREPACK_INTEGRITY_KEYS"),
        ),
    ] {
        let environment = Environment { cwd: PathBuf::from(cwd), ..environment(&[]) };
        let all = parse_beside(&words(line), &environment, &|_| None, &files);
        assert_eq!(all[0].requests[0].text, request, "{line}");
        assert_eq!(all[0].opaque.first().map(|o| o.reason.as_str()), opaque, "{line}");
    }
}

/// Whether a command brings nothing in with one of its tool's options in front of the verb, right behind it, and at the
/// end. Measured with each tool; what it refuses counts as its own table says.
#[test]
fn help_and_versions_count_where_the_tool_looks_for_them() {
    const ALL: [bool; 3] = [true; 3];
    const NONE: [bool; 3] = [false; 3];
    const FIRST: [bool; 3] = [true, false, false];
    const HELP: &[(&str, &str, &str, [bool; 3])] = &[
        ("pip", "install ./p", "--help -h", ALL),
        ("pip", "install ./p", "--version -V --vers", FIRST),
        ("pip", "download ./p", "--version -V", FIRST),
        ("pip", "wheel ./p", "--version -V", FIRST),
        ("python3 -m pip", "install ./p", "--version -V", FIRST),
        ("python3", "-m pip install ./p", "--version -V", [true, true, false]),
        ("uv", "add ./p", "--help -h", ALL),
        ("uv", "add ./p", "--version -V", FIRST),
        ("uv", "version --bump patch", "--short", NONE),
        ("uvx", "p x", "--version -V --help -h", FIRST),
        ("npm", "install ./p", "--usage -? -H -h --help --version -v --versions", ALL),
        ("npx", "p", "--usage -h --help --version -v --versions", FIRST),
        ("pnpm", "add ./p", "--usage -? -H -h --help --version -v", ALL),
        ("yarn", "add ./p", "--help -h", [true, true, false]),
        ("yarn", "global add ./p", "--help -h", [true, true, false]),
        ("yarn", "add ./p", "--version -v", ALL),
        ("bun", "add ./p", "--help -h", ALL),
        ("bun", "add ./p", "--version -v --revision", NONE),
        ("bun", "install", "--version -v --revision", NONE),
        ("bun", "x p", "--version -v --revision", NONE),
        ("bun", "create p", "--version -v --revision", NONE),
        ("bunx", "p", "--version -v --revision", NONE),
        ("bunx", "p", "--help -h", FIRST),
        ("corepack", "use pnpm", "--help -h --version -v", ALL),
        ("cargo", "install p", "--help -h --list", ALL),
        ("cargo", "build", "--help -h", ALL),
        ("cargo", "build", "--version -V --list --explain=E0308", FIRST),
        ("poetry", "add ./p", "--help -h --version -V", ALL),
        ("pdm", "add ./p", "--help -h", ALL),
        ("pdm", "add ./p", "--version -V", FIRST),
        ("pipenv", "install ./p", "--help -h", [false, true, true]),
        ("pipenv", "install ./p", "--version", FIRST),
        ("pipenv", "install ./p", "--where --venv --py --envs --rm --man --support", NONE),
        ("pipx", "install ./p", "--help -h", ALL),
        ("pipx", "install ./p", "--version", FIRST),
    ];
    let silent = |line: &str| {
        let all = parse(&words(line), &environment(&[]));
        all.iter().all(|i| i.effect == Effect::Nothing)
    };
    for (tool, command, options, expected) in HELP {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        for option in options.split(' ') {
            let lines = [
                format!("{tool} {option} {command}"),
                format!("{tool} {verb} {option} {rest}"),
                format!("{tool} {command} {option}"),
            ];
            assert_eq!([0, 1, 2].map(|i| silent(&lines[i])), *expected, "{lines:#?}");
        }
    }
    // The last word about an option is the one that holds.
    for (line, expected) in [
        ("npm i ./p --version --no-version", false),
        ("npm i ./p -h --no-usage", false),
        ("npm i ./p --help --usage=false", false),
        ("npx --version --version=false p", false),
        ("npm exec --versions --no-versions -- p", false),
        ("npm i ./p --no-usage -h", true),
        ("npm i ./p -h --no-version", true),
        ("npm i ./p --no-usage=false", true),
        ("bun --version", true),
        ("bun -v index.ts", true),
        ("bun --revision", true),
        ("pipenv --rm", true),
        ("pipenv --venv", true),
        ("pipenv --help", true),
        ("yarn --json -h", true),
        ("pip --vers", true),
    ] {
        assert_eq!(silent(line), expected, "{line}");
    }
}

/// zizmor's table of ad-hoc installs. The gate asks more than zizmor does, so the disagreements are listed.
#[test]
fn zizmor_table() {
    let Some(path) = shared_data("suites/zizmor-adhoc/is-adhoc.json") else { return };
    let rows: Vec<(Vec<String>, bool)> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut differ = Vec::new();
    for (argv, expected) in &rows {
        let named = parse(argv, &environment(&[]))
            .iter()
            .any(|i| i.effect != Effect::Nothing && i.requests.iter().any(|r| r.kind != RequestKind::Selector));
        if named != *expected {
            differ.push(argv.join(" "));
        }
    }
    let explained = |line: &str| {
        // Ruby's tools are outside this gate.
        line.starts_with("gem ") || line.starts_with("bundle ")
            // zizmor leaves npx and pip for later; both bring in what they name.
            || line.starts_with("npx ") || line.starts_with("pip ")
    };
    let unexplained: Vec<&String> = differ.iter().filter(|l| !explained(l)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    assert_eq!(differ.len(), 17, "{differ:#?}");
}

/// Cargo's own test lines for `cargo add`: what Cargo accepts is understood without a doubt, with its requests.
#[test]
fn cargo_add_lines() {
    let Some(path) = shared_data("suites/cargo-specs/cargo-add-lines.json") else { return };
    let rows: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut doubtful = Vec::new();
    for row in &rows {
        let line = row["args"].as_str().unwrap();
        let all = parse(&words(line), &environment(&[]));
        let i = &all[0];
        if i.verb != "add" || i.effect != Effect::ProjectAdd || (row["exit"] == 0 && !i.opaque.is_empty()) {
            doubtful.push(format!("{line}: {}", compact(i)));
        }
    }
    assert_eq!(rows.len(), 166);
    insta::assert_snapshot!("cargo_add_doubtful", doubtful.join("\n"));
}

#[test]
fn variables_act_as_options() {
    for (line, variables, expected) in [
        (
            "pip install x",
            &[("PIP_INDEX_URL", "http://h/"), ("PIP_EXTRA_INDEX_URL", "http://a http://b"), ("PIP_NO_INPUT", "1")][..],
            "pip install Requests ‹x› [--extra-index-url=http://a:ExtraIndex$PIP_EXTRA_INDEX_URL] \
             [--extra-index-url=http://b:ExtraIndex$PIP_EXTRA_INDEX_URL] [--index-url=http://h/:Index$PIP_INDEX_URL] \
             [--no-input$PIP_NO_INPUT]",
        ),
        (
            "pip install --isolated x",
            &[("PIP_INDEX_URL", "http://h/")],
            "pip install Requests ‹x› [--isolated:Configures]",
        ),
        ("pip list", &[("PIP_INDEX_URL", "http://h/")], "pip list Nothing"),
        (
            "pip install x",
            &[("PIP_REQUIREMENT", "r.txt"), ("PIP_CONFIG_FILE", "f"), ("PIP_NO_DEPS", "0")],
            "pip install Requests ‹x› ToolConfig(f) Requirements(r.txt) [PIP_CONFIG_FILE=f:Configures$PIP_CONFIG_FILE] \
             [--no-deps=false$PIP_NO_DEPS] [--requirement=r.txt$PIP_REQUIREMENT]",
        ),
        ("env -i pip install x", &[("PIP_INDEX_URL", "http://h/")], "env > pip install Requests ‹x›"),
        ("env -u PIP_PRE pip install x", &[("PIP_PRE", "1")], "env > pip install Requests ‹x›"),
        (
            "env PIP_PRE=1 pip install x",
            &[("PIP_PRE", "0")],
            "env > pip install Requests PIP_PRE=1 ‹x› [--pre:Selects]",
        ),
        (
            "npm i x",
            &[
                ("npm_config_registry", "http://h/"),
                ("NPM_CONFIG_IGNORE_SCRIPTS", "true"),
                ("npm_config_strict_ssl", "false"),
            ],
            "npm install ProjectAdd ‹x› [--ignore-scripts:Strengthens$NPM_CONFIG_IGNORE_SCRIPTS] \
             [--registry=http://h/:Index$npm_config_registry] [--strict-ssl=false:WeakensSafety$npm_config_strict_ssl]",
        ),
        ("npm i x", &[("npm_config_global", "true")], "npm install Requests global ‹x› [--global$npm_config_global]"),
        (
            "uv pip install x",
            &[("UV_INDEX_URL", "http://h/"), ("UV_INSECURE_HOST", "h"), ("UV_CACHE_DIR", "c")],
            "uv pip install Requests ‹x› [--cache-dir=c$UV_CACHE_DIR] [--index-url=http://h/:Index$UV_INDEX_URL] \
             [--allow-insecure-host=h:WeakensSafety$UV_INSECURE_HOST]",
        ),
        (
            "cargo build",
            &[("RUSTC_WRAPPER", "x"), ("CARGO_REGISTRIES_A_INDEX", "http://h"), ("CARGO_HOME", "d")],
            "cargo build Project [CARGO_REGISTRIES_A_INDEX=http://h:ExtraIndex$CARGO_REGISTRIES_A_INDEX] \
             [RUSTC_WRAPPER=x:Runs$RUSTC_WRAPPER]",
        ),
    ] {
        let all = parse(&words(line), &environment(variables));
        assert_eq!(all.iter().map(compact).collect::<Vec<_>>().join(" ;; "), expected, "{line}");
    }
}

#[test]
fn cargo_aliases() {
    let aliases = |asked: &AliasQuery<'_>| match asked.name {
        "xt" => Some(vec!["run".to_owned(), "-p".to_owned(), "xtask".to_owned(), "--".to_owned()]),
        "loop" => Some(vec!["loop".to_owned()]),
        "i" => Some(vec!["install".to_owned(), "--locked".to_owned()]),
        // Aliases cannot replace a built-in command, but a built-in alias and the programs beside cargo.
        "build" | "add" => Some(vec!["clean".to_owned()]),
        "b" | "rm" => Some(vec!["install".to_owned(), "b".to_owned()]),
        "fmt" | "clippy" => Some(vec!["install".to_owned(), "f".to_owned()]),
        "where" => Some(vec![format!("{:?} {:?} {:?}", asked.directory, asked.variables, asked.config)]),
        _ => None,
    };
    for (line, expected) in [
        ("cargo xt add x", "cargo run Project select:‹xtask› [--package=xtask:Selects]"),
        ("cargo +nightly i x", "cargo install Requests global ‹x› [+toolchain=nightly:Runs] [--locked:Strengthens]"),
        ("cargo loop", "cargo loop Unknown ?`loop` is no command of cargo that is known: an alias or a plugin@1"),
        ("cargo build", "cargo build Project"),
        ("cargo add x", "cargo add ProjectAdd ‹x›"),
        ("cargo b", "cargo install Requests global ‹b›"),
        ("cargo rm x", "cargo install Requests global ‹b› ‹x›"),
        ("cargo fmt", "cargo install Requests global ‹f›"),
        ("cargo clippy", "cargo install Requests global ‹f›"),
        ("cargo help fmt", "cargo help Nothing"),
    ] {
        let all = parse_with_aliases(&words(line), &environment(&[]), &aliases);
        assert_eq!(all.iter().map(compact).collect::<Vec<_>>().join(" ;; "), expected, "{line}");
    }
}

/// Words that parsers treat in their own ways, to be strung together at random.
const BITS: &[&str] = &[
    "pip",
    "pip3",
    "install",
    "-r",
    "--",
    "-",
    "",
    "--index-url",
    "npm",
    "npx",
    "i",
    "exec",
    "-c",
    "sh",
    "bash",
    "uv",
    "run",
    "uvx",
    "--with",
    "cargo",
    "add",
    "+x",
    "--config",
    "a=b",
    "python",
    "-m",
    "py",
    "-3",
    "env",
    "-S",
    "-i",
    "xargs",
    "-I",
    "sudo",
    "yarn",
    "workspace",
    "a",
    "pnpm",
    "dlx",
    "bun",
    "x",
    "corepack",
    "poetry",
    "self",
    "pdm",
    "pipx",
    "pipenv",
    "timeout",
    "1",
    "--x=y",
    "--no-",
    "-\u{e9}",
    "\u{e9}=\u{e9}",
    "'",
    "\"",
    "$x",
    "`",
    "&&",
    "${",
    "eval",
    "cd",
    "npm i 'x' && cd \"$y\" ; pip install $z | xargs cargo add 2>&1",
    "-Im",
    "pip install",
    "--help",
    "-h",
    "node",
    "cmd",
    "/c",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1000))]

    #[test]
    fn any_argv_is_read(bits in proptest::collection::vec(
        proptest::prop_oneof![
            6 => proptest::sample::select(BITS.to_vec()).prop_map(str::to_owned),
            1 => proptest::prelude::any::<String>(),
        ],
        0..14,
    )) {
        let all = parse(&bits, &environment(&[]));
        proptest::prop_assert!(!all.is_empty());
        for i in &all {
            proptest::prop_assert!(i.effect != Effect::Unknown || !i.opaque.is_empty(), "{}", compact(i));
        }
    }

    #[test]
    fn any_script_is_read(script in proptest::prelude::any::<String>(), bits in proptest::collection::vec(
        proptest::sample::select(BITS.to_vec()), 0..20,
    )) {
        for text in [script, bits.join(" "), bits.concat()] {
            proptest::prop_assert!(!parse(&shell(&text), &environment(&[])).is_empty());
        }
    }

    /// An option that no table knows is never passed over.
    #[test]
    fn unknown_options_leave_a_doubt(
        install in proptest::sample::select(INSTALLS.to_vec()),
        option in "--zz[a-z]{3,9}(=[a-z]{0,3})?",
        place in 0_usize..8,
    ) {
        let mut argv = words(install.0);
        let at = install.1 + place % (argv.len() + 1 - install.1);
        argv.insert(at, option);
        let all = parse(&argv, &environment(&[]));
        proptest::prop_assert!(all.iter().any(|i| !i.opaque.is_empty()), "{:?}", argv);
    }

    /// An option that means nothing changes no request, wherever the tool takes it.
    #[test]
    fn known_options_change_no_request(
        install in proptest::sample::select(INSTALLS.to_vec()),
        choice in 0_usize..100,
        place in 0_usize..8,
    ) {
        let mut argv = words(install.0);
        let asked = |argv: &[String]| -> Vec<String> {
            parse(argv, &environment(&[])).iter().flat_map(|i| i.requests.iter().map(|r| r.text.clone())).collect()
        };
        let before = asked(&argv);
        let option = words(install.2[choice % install.2.len()]);
        let at = install.1 + place % (argv.len() + 1 - install.1);
        argv.splice(at..at, option);
        proptest::prop_assert_eq!(asked(&argv), before, "{:?}", argv);
        proptest::prop_assert!(parse(&argv, &environment(&[])).iter().all(|i| i.opaque.is_empty()), "{:?}", argv);
    }
}

/// An install, the first place an option may stand, and options that mean nothing there.
const INSTALLS: &[(&str, usize, &[&str])] = &[
    ("pip install a b", 1, &["-q", "--timeout 5", "--log=f", "--cache-dir c", "-vv", "--no-color", "--disable-pip"]),
    ("pip download a", 2, &["-d out", "--progress-bar off", "-q"]),
    ("uv pip install a b", 3, &["-q", "--no-cache", "--link-mode copy", "--cache-dir=c", "--refresh"]),
    ("uv add a b", 2, &["--dev", "--no-progress", "--color never"]),
    ("uv tool install a", 3, &["--force", "-q"]),
    ("pipx install a", 2, &["--force", "-q", "--suffix=x"]),
    ("poetry add a b", 2, &["--no-interaction", "-q", "-G dev"]),
    ("pdm add a b", 2, &["-v", "--no-sync", "-k x"]),
    ("pipenv install a b", 2, &["--verbose", "--clear"]),
    ("npm install a b", 1, &["--no-fund", "-D", "--loglevel silent", "-q", "--cache=c", "--no-audit", "-dd", "--prog"]),
    ("pnpm add a b", 1, &["--reporter silent", "-E", "--save-dev", "--loglevel=warn"]),
    ("yarn add a b", 2, &["--dev", "--network-timeout 5", "-s"]),
    ("bun add a b", 2, &["--exact", "--verbose", "--backend copyfile"]),
    ("cargo add a b", 2, &["--dev", "-q", "--color never", "--optional"]),
    ("cargo install a b", 2, &["--force", "-q", "--profile dev", "-j2"]),
    ("cargo binstall a b", 2, &["-y", "--log-level info"]),
];
