//! Precedence and credentials, case by case.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;

use super::*;
use crate::invocation::{Flag, FlagEffect};
use crate::model::MemoryFiles;

fn config(tool: Tool, flags: &[(&str, &str, bool)], variables: &[(&str, &str)], files: &[(&str, &str)]) -> NpmConfig {
    let environment = Environment {
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        cwd: "/p".into(),
        home: Some("/h".into()),
        now: crate::model::Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    };
    let flags = flags.iter().enumerate().map(|(n, (name, value, variable))| Flag {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
        effect: FlagEffect::Index,
        location: if *variable { Location::environment("npm_config_x") } else { Location::argv(n + 2) },
    });
    let invocation = Invocation { tool, verb: "install".to_owned(), flags: flags.collect(), ..Invocation::other(&[]) };
    let files: MemoryFiles = files.iter().map(|(p, t)| (*p, t.as_bytes().to_vec())).collect();
    let trusted = |url: &Url| url.host_str() == Some("trusted.example");
    read(Sources { invocation: &invocation, environment: &environment, files: &files, prefix: None, trusted: &trusted })
        .unwrap()
}

fn auth(config: &NpmConfig, url: &str) -> Option<String> {
    config.profile.credentials.for_url(&Url::parse(url).unwrap()).map(|a| a.header())
}

#[test]
fn nothing_configured_is_npms_own() {
    for tool in [Tool::Npm, Tool::Pnpm, Tool::Yarn, Tool::Bun] {
        let c = config(tool, &[], &[], &[]);
        let replaced = if tool == Tool::Npm { Replaced::of_npm() } else { Replaced::None };
        assert_eq!(c.scopes, Scopes { replaced, ..Scopes::public().unwrap() });
        assert!(c.settings.is_empty() && c.diagnostics.is_empty());
    }
}

#[test]
fn what_stands_for_the_registry_is_said_on_every_level() {
    let file = [("/p/package.json", "{}"), ("/p/.npmrc", "replace-registry-host=never")];
    let flag = ("--replace-registry-host", "https://old.example/npm/", false);
    let of = |tool, flags: &[(&str, &str, bool)]| config(tool, flags, &[], &file).scopes.replaced;
    assert_eq!(of(Tool::Npm, &[]), Replaced::None);
    assert_eq!(of(Tool::Npx, &[flag]), Replaced::Host("old.example".to_owned()));
    assert_eq!(of(Tool::Npm, &[("--replace-registry-host", "always", true)]), Replaced::All);
    assert_eq!(of(Tool::Pnpm, &[flag]), Replaced::None);
}

#[test]
fn levels_override_each_other() {
    let files = [
        (
            "/h/.npmrc",
            "registry=https://user.example/npm\n//user.example/npm/:_authToken=tok\nignore-scripts=true\n[x]\nregistry=https://no.example/",
        ),
        ("/p/package.json", "{}"),
        (
            "/p/.npmrc",
            "@s:registry=https://s.example/\nignore-scripts=false\nscript-shell=/evil\nstrict-ssl=false\nmin-release-age=3\nomit[]=dev",
        ),
    ];
    let c = config(Tool::Npm, &[("--@t:registry", "https://t.example", false)], &[], &files);
    assert_eq!(c.scopes.default.as_str(), "https://user.example/npm/");
    assert_eq!(c.scopes.scoped.keys().collect::<Vec<_>>(), ["@s", "@t"]);
    assert_eq!(auth(&c, "https://user.example/npm/x").as_deref(), Some("Bearer tok"));
    assert_eq!(auth(&c, "https://user.example/other"), None);
    let kinds: Vec<_> = c.settings.iter().map(|s| (s.key.as_str(), s.kind, s.layer)).collect();
    assert!(kinds.contains(&("ignore-scripts", SettingKind::WeakensSafety, SettingLayer::Project)));
    assert!(kinds.contains(&("script-shell", SettingKind::Program, SettingLayer::Project)));
    assert!(kinds.contains(&("registry", SettingKind::Index, SettingLayer::User)));
    assert!(c.profile.unchecked && kinds.contains(&("strict-ssl", SettingKind::WeakensSafety, SettingLayer::Project)));
    assert!(c.options.iter().any(|o| o.name == "--omit" && o.value == "dev"));
    assert!(!format!("{c:?}").contains("tok\""));
    let by_variable = config(Tool::Npm, &[("--registry", "https://e.example/", true)], &[], &files);
    assert_eq!(by_variable.scopes.default.as_str(), "https://e.example/");
    assert!(by_variable.settings.iter().any(|s| s.layer == SettingLayer::Environment && s.key == "registry"));
}

#[test]
fn a_repository_cannot_send_a_variable_to_a_host_of_its_own() {
    let npmrc = |host: &str| format!("registry=https://{host}/\n//{host}/:_authToken=${{TOKEN}}");
    let with = |host: &str, user: &str| {
        config(Tool::Npm, &[], &[("TOKEN", "t")], &[("/p/.npmrc", npmrc(host).as_str()), ("/h/.npmrc", user)])
    };
    let evil = with("evil.example", "");
    assert_eq!(auth(&evil, "https://evil.example/x"), None);
    assert!(evil.diagnostics[0].hint.is_some());
    for (host, user) in
        [("npm.pkg.github.com", ""), ("trusted.example", ""), ("own.example", "registry=https://own.example/")]
    {
        let config = with(host, user);
        assert_eq!(auth(&config, &format!("https://{host}/x")).as_deref(), Some("Bearer t"), "{host}");
        assert!(config.diagnostics.is_empty());
    }
}

#[test]
fn passwords_certificates_and_proxies() {
    let files = [(
        "/h/.npmrc",
        "//h.example/:_password=cHc=\n//h.example/:username=u\n//i.example/:_auth=YTpi\ncafile=/ca.pem\nca[]=PEM1\nca[]=PEM2\nproxy=http://u:p@x.example\nnoproxy=a\nfetch-timeout=5000\n//j.example/:_authToken=${GONE}",
    )];
    let c = config(Tool::Npm, &[], &[("NODE_EXTRA_CA_CERTS", "/extra.pem")], &files);
    assert_eq!(auth(&c, "https://h.example/").as_deref(), Some("Basic dTpwdw=="));
    assert_eq!(auth(&c, "https://i.example/").as_deref(), Some("Basic YTpi"));
    assert_eq!(auth(&c, "https://j.example/"), None);
    assert_eq!((c.profile.roots.only.len(), c.profile.roots.only_pem.len(), c.profile.roots.extra.len()), (1, 2, 1));
    assert!(c.profile.proxies.http.is_some() && c.profile.proxies.https.is_some());
    assert_eq!(c.profile.total_timeout, Duration::from_secs(5));
    assert!(!format!("{c:?}").contains("u:p@"));
}

#[test]
fn the_other_tools_files() {
    let pnpm = config(
        Tool::Pnpm,
        &[],
        &[],
        &[(
            "/p/pnpm-workspace.yaml",
            "packages:\n  - a\nregistries:\n  default: https://d.example/\n  '@s': https://s.example/\nminimumReleaseAge: 1440\n",
        )],
    );
    assert_eq!(
        (pnpm.scopes.default.as_str(), pnpm.scopes.scoped["@s"].as_str()),
        ("https://d.example/", "https://s.example/")
    );
    assert!(pnpm.options.iter().any(|o| o.name == "--minimum-release-age" && o.location.line == 6));
    let berry = "npmRegistryServer: \"https://y.example\"\nnpmAuthToken: tok\nnpmScopes:\n  s:\n    npmRegistryServer: https://s.example\n    npmAuthIdent: a:b\n";
    let yarn = config(
        Tool::Yarn,
        &[],
        &[],
        &[("/p/.yarnrc.yml", berry), ("/h/.yarnrc", "# c\n\"@c:registry\" \"https://c.example\"")],
    );
    assert_eq!(yarn.scopes.default.as_str(), "https://y.example/");
    assert_eq!(yarn.scopes.scoped.keys().collect::<Vec<_>>(), ["@c", "@s"]);
    assert_eq!(auth(&yarn, "https://y.example/x").as_deref(), Some("Bearer tok"));
    assert_eq!(auth(&yarn, "https://s.example/x").as_deref(), Some("Basic YTpi"));
    let bunfig =
        "[install]\nregistry = { url = 'https://b.example', token = '$T' }\n[install.scopes]\ns = 'https://s.example'";
    let bun = config(Tool::Bun, &[], &[("T", "t")], &[("/h/.bunfig.toml", bunfig)]);
    assert_eq!((bun.scopes.default.as_str(), bun.scopes.scoped.len()), ("https://b.example/", 1));
    assert_eq!(auth(&bun, "https://b.example/x").as_deref(), Some("Bearer t"));
    assert_eq!(config(Tool::Pnpm, &[], &[], &[("/p/pnpm-workspace.yaml", "a: [")]).diagnostics.len(), 1);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(?s)[\\[\\]=:a-z@/\n\"'{}$?_.\\- ]{0,160}", value in "(?s).{0,60}") {
        for tool in [Tool::Npm, Tool::Pnpm, Tool::Yarn, Tool::Bun] {
            let files = [("/p/.npmrc", text.as_str()), ("/p/.yarnrc.yml", &text), ("/p/.yarnrc", &text), ("/p/bunfig.toml", &text), ("/p/pnpm-workspace.yaml", &text)];
            config(tool, &[("--registry", &value, false), ("--//x/:_password", &value, true)], &[], &files);
        }
    }
}

#[test]
fn code_that_a_project_file_names_is_a_program() {
    let plugins = "yarnPath: .yarn/releases/yarn-4.5.0.cjs\nplugins:\n  - path: .yarn/plugins/x.cjs\n    spec: https://h.example/x.js\n    checksum: abc\n  - .yarn/plugins/y.cjs\n";
    let url = "{\n  \"packageManager\": \"yarn@https://evil.example/yarn.js\"\n}";
    let version = "{\"packageManager\": \"pnpm@9.1.0+sha512.abc\"}";
    let engine =
        "{\"devEngines\": {\"packageManager\": {\"name\": \"yarn\", \"version\": \"https://evil.example/y.js\"}}}";
    let bunfig = "preload = [\"./a.ts\"]\n[install]\nregistry = \"https://r.example/\"\n[install.scopes]\ns = \"https://s.example/\"\n[install.security]\nscanner = \"evil\"\n";
    for (tool, files, expected) in [
        (
            Tool::Yarn,
            &[("/p/.yarnrc.yml", plugins)][..],
            &["yarn-path=.yarn/releases/yarn-4.5.0.cjs", "plugins=.yarn/plugins/x.cjs", "plugins=.yarn/plugins/y.cjs"]
                [..],
        ),
        (Tool::Yarn, &[("/p/.yarnrc", "yarn-path \"./y.js\"\n")], &["yarn-path=./y.js"]),
        (Tool::Yarn, &[("/package.json", url)], &["packageManager=yarn@https://evil.example/yarn.js"]),
        (Tool::Corepack, &[("/p/package.json", engine)], &["packageManager=https://evil.example/y.js"]),
        (Tool::Pnpm, &[("/p/package.json", version)], &[]),
        (Tool::Npm, &[("/p/package.json", url), ("/p/.npmrc", "yarn-path=./y.js\nplugins=x\n")], &[]),
        (Tool::Pnpm, &[("/p/package.json", "{}"), ("/p/.npmrc", "pnpmfile=./h.cjs\n")], &["pnpmfile=./h.cjs"]),
        (
            Tool::Pnpm,
            &[("/p/package.json", "{}"), ("/p/pnpm-workspace.yaml", "pnpmfile: [a.cjs, b.cjs]\n")],
            &["pnpmfile=a.cjs", "pnpmfile=b.cjs"],
        ),
        (Tool::Pnpm, &[("/p/package.json", "{}"), ("/p/.npmrc", "pnpmfile[]=./h.cjs\n")], &["pnpmfile[]=./h.cjs"]),
        (Tool::Bun, &[("/p/bunfig.toml", bunfig)], &["preload=./a.ts", "install.security.scanner=evil"]),
    ] {
        let read = config(tool, &[], &[], files);
        let programs: Vec<String> = read
            .settings
            .iter()
            .filter(|s| s.kind == SettingKind::Program && s.layer == SettingLayer::Project)
            .map(|s| format!("{}={}", s.key, s.value))
            .collect();
        assert_eq!(programs, expected, "{tool:?} {files:?}");
    }
    let read = config(Tool::Bun, &[], &[], &[("/p/bunfig.toml", bunfig)]);
    let sources: Vec<&str> =
        read.settings.iter().filter(|s| s.kind != SettingKind::Program).map(|s| s.key.as_str()).collect();
    assert_eq!(sources, ["registry", "@s:registry"]);
}

#[test]
fn yarns_own_file_has_the_name_that_a_variable_says() {
    let own = "yarnPath: ./y.cjs\nnpmRegistryServer: https://evil.example\n";
    let files = [("/p/x.yml", own), ("/p/.yarnrc.yml", "npmRegistryServer: https://y.example\n")];
    let read = config(Tool::Yarn, &[], &[("YARN_RC_FILENAME", "x.yml")], &files);
    assert_eq!(read.scopes.default.as_str(), "https://evil.example/");
    let programs = read.settings.iter().filter(|s| s.kind == SettingKind::Program);
    assert_eq!(programs.map(|s| s.value.as_str()).collect::<Vec<_>>(), ["./y.cjs"]);
}
