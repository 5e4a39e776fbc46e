//! Policy: what a file may say and where it is wrong, which layer has the last word, and where the layers are found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidewaiter::model::{
    Ecosystem, Environment, FileError, Files, Level, Location, MemoryFiles, PackageId, PackageName, Timestamp,
};
use tidewaiter::policy::{self, Layer, Loaded, Network, OptionValue, Origin, Outcome, Policy};
use tidewaiter::rules;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Layers from texts without their `version`.
fn layers(texts: &[(Layer, &str)]) -> Loaded {
    let path = |layer| match layer {
        Layer::Managed => "/etc/tidewaiter/policy.toml",
        Layer::Project => "tidewaiter.toml",
        _ => "~/policy.toml",
    };
    let origins: Vec<Origin> = texts
        .iter()
        .map(|(layer, text)| Origin {
            layer: *layer,
            path: path(*layer).into(),
            text: Ok(format!("version = 1\n{text}")),
        })
        .collect();
    policy::load_layers(&origins, now(), &rules::infos())
}

fn level(policy: &Policy, rule: &str) -> Level {
    policy.level(&rules::find(rule).unwrap().info()).value
}

fn days(policy: &Policy, rule: &str) -> u32 {
    let info = rules::find(rule).unwrap().info();
    let option = info.options.iter().find(|o| o.key == "days").unwrap();
    policy.days(rule, option).value
}

fn environment(cwd: &str, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        cwd: cwd.into(),
        home: Some("/home/u".into()),
        now: now(),
        os: "linux",
        arch: "x86_64",
    }
}

fn files(list: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles(
        list.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect::<BTreeMap<_, _>>(),
    )
}

#[test]
fn every_error_names_its_file_line_and_column() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/errors");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut page = String::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let origin = Origin { layer: Layer::User, path: name.clone().into(), text: Ok(text.clone()) };
        let loaded = policy::load_layers(&[origin], now(), &rules::infos());
        assert!(!loaded.errors.is_empty(), "{name} has no error");
        assert_eq!(loaded.errors, loaded.policy.faults, "{name}");
        page += &format!("== {name}\n");
        for error in &loaded.errors {
            assert!(error.location.line > 0 && error.location.column > 0, "{name}: {error}");
            page += &format!("{error}\n");
            let line = text.lines().nth(error.location.line as usize - 1).unwrap_or_default();
            page += &format!("  | {line}\n  | {:>width$}\n", "^", width = error.location.column as usize);
            page += &error.hint.as_ref().map(|h| format!("  = {h}\n")).unwrap_or_default();
        }
    }
    insta::assert_snapshot!(page);
}

#[test]
fn a_file_with_everything_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/full.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let origin = Origin { layer: Layer::Managed, path: "policy.toml".into(), text: Ok(text) };
    let loaded = policy::load_layers(&[origin], now(), &rules::infos());
    assert_eq!(loaded.errors, []);
    assert_eq!(loaded.policy.warnings, []);
    let shown: Vec<String> = policy::show(&loaded.policy, &rules::infos()).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("policy_show", shown.join("\n"));
    let cooldown = policy::explain(&loaded.policy, &rules::find("cooldown").unwrap().info());
    let script = policy::explain(&loaded.policy, &rules::find("install-script").unwrap().info());
    insta::assert_snapshot!("policy_explain", format!("{cooldown}\n----\n{script}"));
}

#[test]
fn the_starting_file_loads_cleanly_and_changes_nothing() {
    let text = policy::init(&rules::infos());
    let load = |text: &str| {
        let origin = Origin { layer: Layer::User, path: "policy.toml".into(), text: Ok(text.to_owned()) };
        policy::load_layers(&[origin], now(), &rules::infos())
    };
    let loaded = load(&text);
    assert_eq!(loaded.errors, []);
    assert_eq!(loaded.policy, Policy::default());
    // Every line that is commented out would load too.
    let uncommented: Vec<&str> = text
        .lines()
        .map(|l| l.strip_prefix("# ").filter(|l| l.starts_with('[') || l.contains(" = ")).unwrap_or(l))
        .filter(|l| !l.starts_with("# "))
        .collect();
    // A rule with options stands there twice: as a level and as a table.
    let mut seen = std::collections::BTreeSet::new();
    let once: Vec<&str> = uncommented
        .into_iter()
        .rev()
        .filter(|l| !l.contains(" = ") || seen.insert(l.split('=').next().unwrap().trim()))
        .collect();
    let once: Vec<&str> = once.into_iter().rev().collect();
    let loaded = load(&once.join("\n"));
    assert_eq!(loaded.errors, [], "{}", once.join("\n"));
    for rule in rules::infos() {
        assert_eq!(loaded.policy.level(&rule).value, rule.default, "{}", rule.name);
    }
    insta::assert_snapshot!("policy_init", text);
}

#[test]
fn later_layers_tighten_and_loosen_only_what_is_left_to_them() {
    use Layer::{Managed, Project, User};
    /// What is tried, the layers, what must then hold, and how many warnings are due.
    type Case = (&'static str, &'static [(Layer, &'static str)], fn(&Policy) -> bool, usize);
    let cases: &[Case] = &[
        (
            "a user may loosen a default",
            &[(User, "[rules]\nnew-package = \"off\"\n")],
            |p| level(p, "new-package") == Level::Off,
            0,
        ),
        (
            "a project may not",
            &[(Project, "[rules]\nnew-package = \"off\"\n")],
            |p| level(p, "new-package") == Level::Ask,
            1,
        ),
        (
            "a project may tighten",
            &[(Project, "[rules]\nunpinned = \"deny\"\n")],
            |p| level(p, "unpinned") == Level::Deny,
            0,
        ),
        (
            "a user may not loosen what the managed file sets",
            &[(Managed, "[rules]\nnew-package = \"ask\"\n"), (User, "[rules]\nnew-package = \"off\"\n")],
            |p| level(p, "new-package") == Level::Ask,
            1,
        ),
        (
            "unless it is delegated",
            &[
                (Managed, "[rules]\nnew-package = \"deny\"\n[delegate]\nrules = [\"new-package\"]\n"),
                (User, "[rules]\nnew-package = \"off\"\n"),
            ],
            |p| level(p, "new-package") == Level::Off,
            0,
        ),
        (
            "what the managed file delegates goes to the user, not past the user",
            &[
                (Managed, "[rules]\nnew-package = \"deny\"\n[delegate]\nrules = [\"new-package\"]\n"),
                (Project, "[rules]\nnew-package = \"off\"\n"),
            ],
            |p| level(p, "new-package") == Level::Deny,
            1,
        ),
        (
            "a user may hand on to the project",
            &[
                (User, "[delegate]\nrules = [\"cooldown\"]\n"),
                (Project, "[rules]\ncooldown = { level = \"warn\", days = 1 }\n"),
            ],
            |p| level(p, "cooldown") == Level::Warn && days(p, "cooldown") == 1,
            0,
        ),
        (
            "but not what the managed file keeps",
            &[
                (Managed, "[rules]\ncooldown = { days = 14 }\n"),
                (User, "[delegate]\nrules = [\"cooldown\"]\n"),
                (Project, "[rules]\ncooldown = { days = 1 }\n"),
            ],
            |p| days(p, "cooldown") == 14,
            1,
        ),
        (
            "days only rise",
            &[(User, "[rules]\ncooldown = { days = 10 }\n"), (Project, "[rules]\ncooldown = { days = 12 }\n")],
            |p| days(p, "cooldown") == 12,
            0,
        ),
        (
            "--policy is a further user layer",
            &[(User, "[rules]\nunpinned = \"deny\"\n"), (User, "[rules]\nunpinned = \"off\"\n")],
            |p| level(p, "unpinned") == Level::Off,
            0,
        ),
        (
            "on-unavailable",
            &[(User, "on-unavailable = \"deny\"\n"), (Project, "on-unavailable = \"warn\"\n")],
            |p| p.on_unavailable.value == Level::Deny,
            1,
        ),
        (
            "on-unavailable, tighter",
            &[(Project, "on-unavailable = \"deny\"\n")],
            |p| p.on_unavailable.value == Level::Deny,
            0,
        ),
        (
            "trust is not the project's to give",
            &[(
                Project,
                "[trust]\nregistries = [\"https://a.example/\"]\ngit-remotes = [\"a.example/*\"]\nprivate-names = [\"x\"]\n",
            )],
            |p| p.registries.is_empty() && p.git_remotes.is_empty() && p.private_names.len() == 1,
            2,
        ),
        (
            "trust is the managed file's when it gives any",
            &[
                (Managed, "[trust]\nregistries = [\"https://a.example/\"]\n"),
                (User, "[trust]\nregistries = [\"https://b.example/\"]\ngit-remotes = [\"b.example/*\"]\n"),
            ],
            |p| p.registries.len() == 1 && p.git_remotes.len() == 1,
            1,
        ),
        (
            "unless delegated",
            &[
                (
                    Managed,
                    "[trust]\nregistries = [\"https://a.example/\"]\n[delegate]\nsettings = [\"trust.registries\"]\n",
                ),
                (User, "[trust]\nregistries = [\"https://b.example/\"]\n"),
            ],
            |p| p.trusts_registry("https://b.example/x").is_some() && p.registries.len() == 2,
            0,
        ),
        (
            "the sandbox",
            &[(Project, "[sandbox]\nnetwork = \"open\"\nwrite = [\".\", \"/\"]\n")],
            |p| p.sandbox.network.value == Network::Gateway && p.sandbox.write.value == ["."],
            2,
        ),
        ("the sandbox, tighter", &[(Project, "[sandbox]\nwrite = []\n")], |p| p.sandbox.write.value.is_empty(), 0),
        (
            "what is not read: each layer adds",
            &[(User, "[sandbox]\nread-deny = [\"~/a\"]\n"), (Project, "[sandbox]\nread-deny = [\"b\", \"~/a\"]\n")],
            |p| p.sandbox.read_deny.value == ["~/a", "b"],
            0,
        ),
        (
            "a machine without a sandbox: tighter",
            &[(Project, "[sandbox]\non-unavailable = \"deny\"\n")],
            |p| p.sandbox.on_unavailable.value == Level::Deny,
            0,
        ),
        (
            "a machine without a sandbox: looser",
            &[(User, "[sandbox]\non-unavailable = \"ask\"\n"), (Project, "[sandbox]\non-unavailable = \"warn\"\n")],
            |p| p.sandbox.on_unavailable.value == Level::Ask,
            1,
        ),
        (
            "whom to ask",
            &[(Project, "[classifier]\nkind = \"command\"\n")],
            |p| p.classifier.kind.location == Location::built_in(),
            1,
        ),
        (
            "agents: not the user",
            &[(User, "[agent]\nauto = true\ndenials-in-a-row = 9\n")],
            |p| !p.agent.auto.value && p.agent.denials_in_a_row.value == 9,
            1,
        ),
        (
            "agents: the managed layer, and a user's no",
            &[(Managed, "[agent]\nauto = true\n"), (User, "[agent]\nauto = false\n")],
            |p| !p.agent.auto.value,
            0,
        ),
        (
            "agents: the managed layer",
            &[(Managed, "[agent]\nauto = true\n"), (Project, "[agent]\ndenials-in-all = 5\n")],
            |p| p.agent.auto.value && p.agent.denials_in_all.value == 5,
            0,
        ),
        (
            "a project's delegation goes nowhere",
            &[(Project, "[rules]\nnew-package = \"off\"\n[delegate]\nrules = [\"new-package\"]\n")],
            |p| level(p, "new-package") == Level::Ask,
            2,
        ),
    ];
    for (name, texts, check, warnings) in cases {
        let loaded = layers(texts);
        assert_eq!(loaded.errors, [], "{name}");
        assert!(check(&loaded.policy), "{name}: {:#?}", loaded.policy);
        assert_eq!(loaded.policy.warnings.len(), *warnings, "{name}: {:?}", loaded.policy.warnings);
        let ignored = loaded.policy.steps.iter().filter(|s| matches!(s.outcome, Outcome::Ignored(_))).count();
        assert_eq!(ignored, *warnings, "{name}: what is ignored is reported");
    }
}

#[test]
fn exceptions_are_dated() {
    let esbuild = PackageId::new(PackageName::new(Ecosystem::Npm, "esbuild"), "0.25.3");
    let allow = |expires: &str| {
        format!(
            "[[allow]]\npackage = \"pkg:npm/esbuild@0.25.*\"\nrule = \"install-script\"\nreason = \"r\"\nexpires = {expires}\n"
        )
    };
    for (expires, honoured) in [
        ("\"2026-11-22\"", true), // to the end of its day
        ("2026-11-22", true),
        ("\"2026-11-21\"", false),
        ("\"2026-11-22T12:00:00Z\"", false),
        ("2026-11-22T12:00:01Z", true),
        ("\"2026-11-22T13:00:00+02:00\"", false),
    ] {
        let loaded = layers(&[(Layer::User, &allow(expires))]);
        assert_eq!(loaded.errors, [], "{expires}");
        assert_eq!(loaded.policy.exception("install-script", &esbuild).is_some(), honoured, "{expires}");
        assert_eq!(loaded.policy.expired.len(), usize::from(!honoured), "{expires}");
        assert!(loaded.policy.exception("unpinned", &esbuild).is_none());
    }
}

#[test]
fn layers_are_found_where_they_are() {
    let disk = files(&[
        ("/etc/tidewaiter/policy.toml", "version = 1\n[rules]\nunpinned = \"ask\"\n"),
        ("/home/u/.config/tidewaiter/policy.toml", "version = 1\n[rules]\nnew-package = \"warn\"\n"),
        ("/work/repo/.git/HEAD", "ref"),
        ("/work/tidewaiter.toml", "version = 1\n[rules]\nwithdrawn = \"deny\"\n"),
        ("/work/repo/tidewaiter.toml", "version = 1\n[rules]\nunhashed = \"ask\"\n"),
        ("/work/repo/sub/tidewaiter.toml", "version = 1\n[rules]\nunhashed = \"off\"\nopaque = \"deny\"\n"),
        ("/extra.toml", "version = 1\n[rules]\nnew-package = \"deny\"\n"),
    ]);
    let load = |cwd: &str, extra: Option<&str>| {
        policy::load(&environment(cwd, &[]), &disk, extra.map(Path::new), &rules::infos())
    };
    let deep = load("/work/repo/sub", None);
    assert_eq!(deep.errors, []);
    for (rule, expected) in [
        ("unpinned", Level::Ask),     // managed
        ("new-package", Level::Warn), // user
        ("withdrawn", Level::Warn),   // above the repository: not read
        ("unhashed", Level::Ask),     // the root's, which the nearer file cannot loosen
        ("opaque", Level::Deny),      // the nearer file's
    ] {
        assert_eq!(level(&deep.policy, rule), expected, "{rule}");
    }
    assert_eq!(level(&load("/work/repo", None).policy, "opaque"), Level::Ask);
    assert_eq!(level(&load("/work/repo", Some("/extra.toml")).policy, "new-package"), Level::Deny);
    let missing = load("/work/repo", Some("nothing.toml"));
    assert_eq!(missing.errors.len(), 1, "a file that is named must be there");
    assert!(!missing.locked && !missing.policy.faults.is_empty());
    // Without a repository, only the working directory's file counts.
    assert_eq!(level(&load("/work", None).policy, "withdrawn"), Level::Deny);
    assert_eq!(level(&load("/work/other", None).policy, "withdrawn"), Level::Warn);
}

#[test]
fn the_users_file_does_not_move_into_the_project() {
    let loose = "version = 1\n[rules]\nmalware = \"off\"\n";
    let disk = files(&[
        ("/work/repo/.git/HEAD", "ref"),
        ("/work/repo/cfg/tidewaiter/policy.toml", loose),
        ("/home/u/cfg/tidewaiter/policy.toml", loose),
    ]);
    let load = |value: &str| {
        policy::load(&environment("/work/repo/sub", &[("XDG_CONFIG_HOME", value)]), &disk, None, &rules::infos())
    };
    for moved in ["/work/repo/cfg", "/work/other/../repo/cfg"] {
        let loaded = load(moved);
        assert_eq!(level(&loaded.policy, "malware"), Level::Deny, "{moved}");
        assert_eq!(loaded.policy.warnings.len(), 1, "{moved}");
    }
    assert_eq!(level(&load("/home/u/cfg").policy, "malware"), Level::Off);
    // A relative one is none (XDG base directory specification).
    assert_eq!(level(&load("../cfg").policy, "malware"), Level::Deny);
}

#[test]
fn a_broken_managed_policy_locks() {
    for text in ["", "version = 2", "version = 1\n[rules]\nmalware = \"of\"", "\0", "version = 1\n[[["] {
        let disk = files(&[
            ("/etc/tidewaiter/policy.toml", text),
            ("/home/u/.config/tidewaiter/policy.toml", "version = 1\n"),
        ]);
        let loaded = policy::load(&environment("/work", &[]), &disk, None, &rules::infos());
        assert!(loaded.locked && !loaded.errors.is_empty() && !loaded.policy.faults.is_empty(), "{text:?}");
    }
    struct Unreadable;
    impl Files for Unreadable {
        fn read(&self, path: &Path) -> Result<std::sync::Arc<[u8]>, FileError> {
            if path.starts_with("/etc") {
                Err(FileError::Io("permission denied".to_owned()))
            } else {
                Err(FileError::NotFound)
            }
        }
        fn is_file(&self, _: &Path) -> bool {
            false
        }
        fn is_dir(&self, _: &Path) -> bool {
            false
        }
        fn list(&self, _: &Path) -> Vec<PathBuf> {
            Vec::new()
        }
    }
    let loaded = policy::load(&environment("/work", &[]), &Unreadable, None, &rules::infos());
    assert!(loaded.locked);
    assert_eq!(loaded.errors[0].to_string(), "/etc/tidewaiter/policy.toml: cannot be read: permission denied");
    // A broken file of another layer fails closed too, but does not lock.
    let broken = layers(&[(Layer::Project, "[rules]\nmalware = 1\n")]);
    assert!(!broken.locked && !broken.policy.faults.is_empty());
}

#[test]
fn values_know_their_line() {
    let loaded =
        layers(&[(Layer::User, "[rules]\nmalware = \"deny\"\n[rules.cooldown]\nexclude = [\n  \"@acme/*\",\n]\n")]);
    let info = rules::find("cooldown").unwrap().info();
    let option = info.options.iter().find(|o| o.key == "exclude").unwrap();
    let value = loaded.policy.option("cooldown", option);
    assert!(matches!(&value.value, OptionValue::Names(n) if n[0].location.to_string() == "~/policy.toml:6:3"));
    let acme = PackageName::new(Ecosystem::Npm, "@acme/core");
    assert_eq!(loaded.policy.names("cooldown", option, &acme).unwrap().to_string(), "~/policy.toml:6:3");
    assert_eq!(loaded.policy.level(&rules::find("malware").unwrap().info()).location.to_string(), "~/policy.toml:3:11");
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(?s)[\\[\\]{}\"'=.,#\\n a-z0-9*@:/é\u{202e}-]{0,200}|(?s).{0,200}") {
        for layer in [Layer::Managed, Layer::User, Layer::Project] {
            let origin = Origin { layer, path: "p".into(), text: Ok(format!("version = 1\n{text}")) };
            let loaded = policy::load_layers(&[origin], now(), &rules::infos());
            prop_assert_eq!(loaded.errors.is_empty(), loaded.policy.faults.is_empty());
        }
    }

    #[test]
    fn patterns_never_panic(pattern in "(pkg:(npm|pypi|cargo)/)?[*?\\[\\]{}!a@/.%0-9\\\\-]{0,24}|.{0,24}", name in ".{0,12}") {
        let id = PackageId::new(PackageName::new(Ecosystem::Npm, &name), &name);
        let _ = policy::PackagePattern::new(&pattern).map(|p| p.matches(&id));
        let _ = policy::NamePattern::new(&pattern).map(|p| p.matches(&id.name));
        let _ = policy::RemotePattern::new(&pattern).map(|p| p.matches(&name));
        let _ = policy::RegistryPrefix::new(&pattern).map(|p| policy::registry_url(&name).map(|u| p.covers(&u)));
    }
}
