//! Precedence and merging, case by case.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;

use super::*;
use crate::invocation::{FileRole, Flag, FlagEffect};
use crate::model::MemoryFiles;
use crate::registry::index::IndexStrategy;

fn trusted(url: &Url) -> bool {
    url.host_str() != Some("evil.example")
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        cwd: "/p".into(),
        home: Some("/h".into()),
        now: crate::model::Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

fn command(tool: Tool, verb: &str, flags: &[(&str, &str)]) -> Invocation {
    let flags = flags.iter().enumerate().map(|(n, (name, value))| Flag {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
        effect: FlagEffect::Index,
        location: Location::argv(n + 2),
    });
    Invocation { tool, verb: verb.to_owned(), flags: flags.collect(), ..Invocation::other(&[]) }
}

fn config(invocation: &Invocation, variables: &[(&str, &str)], files: &[(&str, &str)]) -> PythonConfig {
    let files: MemoryFiles = files.iter().map(|(p, t)| (*p, t.as_bytes().to_vec())).collect();
    let environment = environment(variables);
    read_trusting(
        Sources { invocation, environment: &environment, files: &files, prefix: None, file_options: &[] },
        &trusted,
    )
}

fn urls(config: &PythonConfig) -> Vec<&str> {
    config.indexes.indexes.iter().map(|i| i.url.as_str()).collect()
}

fn pip(flags: &[(&str, &str)], variables: &[(&str, &str)], files: &[(&str, &str)]) -> PythonConfig {
    config(&command(Tool::Pip, "install", flags), variables, files)
}

#[test]
fn nothing_configured_is_pypi_alone() {
    for (tool, verb) in [
        (Tool::Pip, "install"),
        (Tool::Uv, "add"),
        (Tool::Poetry, "add"),
        (Tool::Pdm, "add"),
        (Tool::Pipenv, "install"),
    ] {
        let config = config(&command(tool, verb, &[]), &[], &[]);
        assert_eq!(urls(&config), [PYPI_DEFAULT], "{tool:?}");
        assert!(config.settings.is_empty() && config.diagnostics.is_empty());
    }
}

#[test]
fn pips_levels_override_each_other_and_flags_add_to_lists() {
    let files = [
        (
            "/etc/pip.conf",
            "[global]\nindex-url = https://system.example/simple\nextra-index-url = https://sx.example/\ntimeout = 60",
        ),
        (
            "/h/.config/pip/pip.conf",
            "[global]\nindex_url = https://u:p@user.example/simple\n[install]\nfind-links = ~/wheels\n  https://l.example/\nno-binary = a\n[download]\nindex-url=https://no.example/",
        ),
    ];
    let one = pip(&[], &[], &files);
    assert_eq!(urls(&one), ["https://user.example/simple/", "https://sx.example/"]);
    assert_eq!(
        one.indexes.find_links,
        [FindLinks::Path("/h/wheels".into()), FindLinks::Page(Url::parse("https://l.example/").unwrap())]
    );
    assert_eq!(one.profile.read_timeout, Duration::from_secs(60));
    let by = |key: &str| one.settings.iter().find(|s| s.key == key).unwrap();
    assert_eq!(
        (by("index-url").layer, by("index-url").value.as_str()),
        (SettingLayer::User, "https://****@user.example/simple")
    );
    assert_eq!(by("index-url").location.to_string(), "/h/.config/pip/pip.conf:2:1");
    assert_eq!(by("extra-index-url").layer, SettingLayer::System);
    assert_eq!((one.options[0].name.as_str(), one.options[0].value.as_str()), ("--no-binary", "a"));
    let url = Url::parse("https://user.example/files/x").unwrap();
    assert!(one.profile.credentials.for_url(&url).is_some());
    assert!(!format!("{one:?}").contains("u:p@"));
    let two = pip(&[("--extra-index-url", "https://f.example/")], &[("PIP_INDEX_URL", "https://e.example/")], &files);
    assert_eq!(urls(&two), ["https://e.example/", "https://sx.example/", "https://f.example/"]);
    let three = pip(
        &[],
        &[("PIP_EXTRA_INDEX_URL", "https://a.example/ https://b.example/"), ("PIP_CONFIG_FILE", "/dev/null")],
        &files,
    );
    assert_eq!(urls(&three), [PYPI_DEFAULT, "https://a.example/", "https://b.example/"]);
    assert_eq!(three.settings[0].layer, SettingLayer::Environment);
    let four = pip(&[("--no-index", "true"), ("--find-links", "w"), ("--trusted-host", "t.example")], &[], &files[..1]);
    assert_eq!((urls(&four).len(), &four.indexes.find_links), (0, &vec![FindLinks::Path("/p/w".into())]));
    assert!(four.settings.iter().any(|s| s.kind == SettingKind::WeakensSafety));
}

#[test]
fn a_named_file_replaces_the_users_and_an_environments_own_file_counts() {
    let files = [
        ("/h/.config/pip/pip.conf", "[global]\nindex-url = https://user.example/"),
        ("/x/pip.conf", "[global]\nindex-url = https://named.example/"),
        ("/p/.venv/pip.conf", "[global]\nextra-index-url = https://venv.example/"),
    ];
    let named = pip(&[], &[("PIP_CONFIG_FILE", "/x/pip.conf"), ("VIRTUAL_ENV", "/p/.venv")], &files);
    assert_eq!(urls(&named), ["https://named.example/", "https://venv.example/"]);
    let by = |key: &str| named.settings.iter().find(|s| s.key == key).unwrap().layer;
    assert_eq!((by("index-url"), by("extra-index-url")), (SettingLayer::Environment, SettingLayer::Project));
}

#[test]
fn options_in_requirements_files_replace_and_add() {
    let option = |name: &'static str, value: &str| GlobalOption {
        name,
        value: Some(value.to_owned()),
        written: None,
        location: Location::at("/p/requirements.txt", 1, 1),
    };
    let options = [
        option("--extra-index-url", "https://x.example/"),
        option("--index-url", "https://i.example/"),
        option("--extra-index-url", "https://y.example/"),
    ];
    let (invocation, environment) = (command(Tool::Pip, "install", &[]), environment(&[]));
    let files = MemoryFiles::default();
    let read = read_trusting(
        Sources {
            invocation: &invocation,
            environment: &environment,
            files: &files,
            prefix: None,
            file_options: &options,
        },
        &trusted,
    );
    assert_eq!(urls(&read), ["https://i.example/", "https://y.example/"]);
    assert!(read.settings.iter().all(|s| s.layer == SettingLayer::Project));
}

#[test]
fn uv_goes_by_order_names_and_strategy() {
    let pyproject = r#"
        [tool.uv]
        extra-index-url = ["https://x.example/simple"]
        [[tool.uv.index]]
        name = "inner-one"
        url = "https://one.example/simple"
        explicit = true
        [[tool.uv.index]]
        name = "main"
        url = "https://main.example/simple"
        default = true
        [tool.uv.sources]
        Foo_Bar = { index = "inner-one" }
    "#;
    let files =
        [("/p/pyproject.toml", pyproject), ("/h/.config/pip/pip.conf", "[global]\nindex-url = https://pip.example/")];
    let add = command(Tool::Uv, "add", &[("--index", "top=https://top.example/simple?a=b")]);
    let read = config(&add, &[("UV_INDEX_INNER_ONE_PASSWORD", "p")], &files);
    assert_eq!(
        urls(&read),
        [
            "https://top.example/simple/?a=b",
            "https://one.example/simple/",
            "https://x.example/simple/",
            "https://main.example/simple/"
        ]
    );
    assert_eq!(read.indexes.strategy, IndexStrategy::First);
    assert!(read.indexes.indexes[1].explicit && !read.indexes.indexes[0].explicit);
    assert_eq!(read.indexes.pinned["foo-bar"], "inner-one");
    assert!(read.profile.credentials.for_url(&read.indexes.indexes[1].url).is_some());
    let pooled = config(
        &command(Tool::Uv, "pip install", &[("--index-strategy", "unsafe-best-match")]),
        &[("UV_INDEX_URL", "https://e.example/")],
        &[],
    );
    assert_eq!((urls(&pooled), pooled.indexes.strategy), (vec!["https://e.example/"], IndexStrategy::Pool));
    let broken = config(&add, &[], &[("/p/uv.toml", "index = [")]);
    assert_eq!(broken.diagnostics.len(), 1);
}

#[test]
fn projects_name_their_sources() {
    let poetry = "[[tool.poetry.source]]\nname='a'\nurl='https://a.example/simple'\npriority='explicit'\n[tool.poetry.dependencies]\nfoo={version='1',source='a'}";
    let read = config(
        &command(Tool::Poetry, "install", &[]),
        &[("POETRY_HTTP_BASIC_A_USERNAME", "u")],
        &[("/p/pyproject.toml", poetry)],
    );
    assert_eq!(urls(&read), [PYPI_DEFAULT, "https://a.example/simple/"]);
    assert!(read.indexes.indexes[1].explicit && read.indexes.pinned["foo"] == "a");
    assert!(read.profile.credentials.for_url(&read.indexes.indexes[1].url).is_some());
    let pdm = "[[tool.pdm.source]]\nname='pypi'\nurl='https://${T}@m.example/simple'\nverify_ssl=false";
    let read = config(&command(Tool::Pdm, "install", &[]), &[("T", "tok")], &[("/p/pyproject.toml", pdm)]);
    assert_eq!(urls(&read), ["https://m.example/simple/"]);
    assert!(read.settings.iter().any(|s| s.kind == SettingKind::WeakensSafety));
    assert!(!format!("{:?}", read.settings).contains("tok"));
    let pipfile = "[[source]]\nurl='https://pypi.org/simple'\nname='pypi'\n[[source]]\nurl='https://b.example/simple'\nname='b'\n[packages]\nx={version='*',index='b'}\ny='*'";
    let read = config(&command(Tool::Pipenv, "install", &[]), &[], &[("/p/Pipfile", pipfile)]);
    assert_eq!(urls(&read), [PYPI_DEFAULT, "https://b.example/simple/"]);
    assert!(read.indexes.indexes[1].explicit && read.indexes.pinned["x"] == "b");
}

#[test]
fn a_repository_cannot_send_a_variable_to_a_host_of_its_own() {
    let uv = "[[tool.uv.index]]\nname='a'\nurl='https://evil.example/simple'";
    let poetry = "[[tool.poetry.source]]\nname='a'\nurl='https://evil.example/simple'";
    let pdm = "[[tool.pdm.source]]\nname='a'\nurl='https://u:${T}@evil.example/simple'";
    for (tool, text) in [(Tool::Uv, uv), (Tool::Poetry, poetry), (Tool::Pdm, pdm)] {
        let variables = [("UV_INDEX_A_PASSWORD", "x"), ("POETRY_HTTP_BASIC_A_PASSWORD", "x"), ("T", "x")];
        let read = config(&command(tool, "add", &[]), &variables, &[("/p/pyproject.toml", text)]);
        let url = Url::parse("https://evil.example/simple/").unwrap();
        assert_eq!(read.profile.credentials.for_url(&url), None, "{tool:?}");
        assert_eq!(read.diagnostics.len(), 1, "{tool:?}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(?s)[\\[\\]=:a-z\n\"'{}/.\\-_ ]{0,160}", value in "(?s).{0,60}") {
        for tool in [Tool::Pip, Tool::Uv, Tool::Poetry, Tool::Pdm, Tool::Pipenv] {
            let files = [("/h/.config/pip/pip.conf", text.as_str()), ("/p/pyproject.toml", &text), ("/p/Pipfile", &text), ("/p/uv.toml", &text)];
            let flags = [("--index-url", value.as_str()), ("--find-links", &value), ("--index", &value), ("--trusted-host", &value)];
            config(&command(tool, "install", &flags), &[("PIP_EXTRA_INDEX_URL", &value)], &files);
        }
    }
}

#[test]
fn a_scripts_own_settings_come_first() {
    let block = "# /// script\n# dependencies = []\n# [tool.uv]\n# index-url = \"https://own.example/simple\"\n\
                 # find-links = [\"wheels\"]\n# [[tool.uv.index]]\n# url = \"https://more.example/simple\"\n# ///\n";
    let files = [
        ("/p/s", block),
        ("/p/uv.toml", "index-url = \"https://project.example/simple\"\noverride-dependencies = [\"a\"]\n"),
    ];
    let mut run = command(Tool::Uv, "run", &[]);
    let location = Location::argv(2);
    run.files.push(crate::invocation::FileRef { path: "s".to_owned(), role: FileRole::Script, location });
    let one = config(&run, &[], &files);
    assert_eq!(urls(&one), ["https://more.example/simple/", "https://own.example/simple/"]);
    assert_eq!(one.indexes.find_links.len(), 1);
    assert!(one.settings.iter().all(|s| s.layer == SettingLayer::Project));
    assert!(one.options.is_empty(), "a project's overrides are in its manifest");
    let pip = config(&command(Tool::Uv, "pip install", &[]), &[], &files);
    let told: Vec<(&str, &str)> = pip.options.iter().map(|o| (o.name.as_str(), o.value.as_str())).collect();
    assert_eq!(told, [(UV_SETTINGS, "/p/uv.toml")]);
}
