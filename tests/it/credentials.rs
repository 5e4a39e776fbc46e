//! Who sees which secret: tokens as users configure them reach the registry that they are for, and no other host, not
//! after a redirect either; what stands in a variable reaches no host that only a project file names.

use serde_json::json;

use crate::cli::{Ran, Sandbox};
use crate::support::loopback::{Dist, Fault, Logged, Loopback};
use crate::support::tools::{check, home, purls, serve};

const OLD: &str = "2020-01-01T00:00:00Z";

/// `check` with these variables.
fn with(sandbox: &Sandbox, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let mut command = sandbox.command(&["check", "--format", "json", "--"]);
    command.args(words).envs(variables.iter().copied());
    let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("s3cret") && !said.contains("panicked"), "{words:?}: {ran:#?}");
    ran
}

/// Whether a request holds the secret, plain or in a header's base64.
fn tells(logged: &Logged) -> bool {
    use base64::Engine as _;
    let basic = |h: &String| base64::engine::general_purpose::STANDARD.decode(h.strip_prefix("Basic ")?).ok();
    let decoded: Vec<Vec<u8>> = logged.headers.values().filter_map(basic).collect();
    format!("{logged:?}").contains("s3cret") || decoded.iter().any(|d| String::from_utf8_lossy(d).contains("s3cret"))
}

/// Nothing that this server was asked holds the secret.
fn saw_no_secret(server: &Loopback) {
    for logged in server.log() {
        assert!(!tells(&logged), "{logged:?}");
    }
}

fn host_of(server: &Loopback) -> &str {
    server.url.trim_start_matches("http://")
}

/// `127.0.0.1` by another name, which no credential for it may follow.
fn elsewhere(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[test]
fn an_npm_scopes_token_reaches_its_registry_and_no_other() {
    let basic = "bWU6czNjcmV0"; // me:s3cret
    for (wanted, lines, variable) in [
        ("Bearer s3cret", "//HOST/npm/:_authToken=s3cret", ""),
        ("Bearer s3cret", "//HOST/npm/:_authToken=${ACME_TOKEN}", "s3cret"),
        ("Basic bWU6czNjcmV0", "//HOST/npm/:_auth=bWU6czNjcmV0", ""),
        ("Basic bWU6czNjcmV0", "//HOST/npm/:_auth=${ACME_TOKEN}", basic),
        ("Basic bWU6czNjcmV0", "//HOST/npm/:username=me\n//HOST/npm/:_password=czNjcmV0", ""),
    ] {
        let (public, private) = (Loopback::start(), Loopback::start());
        serve(&public);
        private.npm("@acme/core", "1.0.0", OLD, json!({"dependencies": {"tw-good": "^1"}}));
        private.password("", wanted);
        let sandbox = Sandbox::new();
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        let lines = lines.replace("HOST", host_of(&private));
        let text = format!("registry={}\n@acme:registry={}\n{lines}\n", public.npm_url(), private.npm_url());
        home(&sandbox, ".npmrc", text);
        for tool in [&["npm", "install"][..], &["pnpm", "add"], &["yarn", "add"], &["npx"]] {
            let words = [tool, &["@acme/core"]].concat();
            let ran = with(&sandbox, &[("ACME_TOKEN", variable)], &words);
            let document = ran.json();
            assert_eq!(purls(&document).len(), 3, "{words:?} {wanted}: {ran:#?}");
            assert_eq!(document["plan"]["complete"], true, "{words:?}: {ran:#?}");
        }
        saw_no_secret(&public);
        assert!(!public.log().is_empty(), "the rest came from the default registry");
    }
}

#[test]
fn a_redirect_takes_no_token_along() {
    let (registry, other) = (Loopback::start(), Loopback::start());
    serve(&other);
    registry.always("/npm/", Fault::RedirectTo(elsewhere(&format!("{}/npm/tw-dep", other.url))));
    registry.always("/simple/", Fault::RedirectTo(elsewhere(&format!("{}/simple/tw-dep/", other.url))));
    registry.always("/index/tw", Fault::RedirectTo(elsewhere(&format!("{}/index/tw/-d/tw-dep", other.url))));
    let config = json!({"dl": format!("{}/crates", registry.url), "auth-required": true});
    registry.raw("/index/config.json", "application/json", config.to_string().into_bytes());
    let sandbox = Sandbox::new();
    sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
    let host = host_of(&registry);
    home(&sandbox, ".npmrc", format!("registry={}\n//{host}/:_authToken=s3cret\n", registry.npm_url()));
    home(&sandbox, ".netrc", "machine 127.0.0.1 login me password s3cret\n".to_owned());
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {}\n", registry.simple()));
    home(&sandbox, ".cargo/config.toml", format!("[registries.mine]\nindex = \"sparse+{}\"\n", registry.index()));
    home(&sandbox, ".cargo/credentials.toml", "[registries.mine]\ntoken = \"s3cret\"\n".to_owned());
    for words in [
        &["npm", "install", "tw-dep"][..],
        &["pip", "install", "tw-dep"],
        &["cargo", "add", "tw-dep", "--registry", "mine"],
    ] {
        other.clear_log();
        registry.clear_log();
        with(&sandbox, &[], words);
        assert!(registry.log().iter().any(|l| l.header("authorization").is_some()), "{words:?}: its own host has it");
        assert!(!other.log().is_empty(), "{words:?}: the redirect was followed");
        saw_no_secret(&other);
    }
}

#[test]
fn netrc_serves_pip_and_uv_and_only_the_host_it_names() {
    let (private, public) = (Loopback::start(), Loopback::start());
    private.python(Dist::wheel("tw-inner", "1.0.0").requires(&["tw-dep"])).password("me", "s3cret");
    serve(&public);
    let sandbox = Sandbox::new();
    let line = "machine 127.0.0.1\n  login me\n  password s3cret\n";
    sandbox.write("secrets/netrc", line);
    let both = |open: &str| format!("[global]\nindex-url = {open}\nextra-index-url = {}\n", private.simple());
    home(&sandbox, ".config/pip/pip.conf", both(&elsewhere(&public.simple())));
    let uv = format!(
        "[[index]]\nurl = \"{}\"\n[[index]]\nurl = \"{}\"\ndefault = true\n",
        private.simple(),
        elsewhere(&public.simple())
    );
    home(&sandbox, ".config/uv/uv.toml", uv);
    let named = sandbox.work().join("secrets/netrc").display().to_string();
    for words in [&["pip", "install", "tw-inner"][..], &["uv", "pip", "install", "tw-inner"]] {
        let ran = with(&sandbox, &[("NETRC", &named)], words);
        assert_eq!(purls(&ran.json()), ["pkg:pypi/tw-dep@1.0.0", "pkg:pypi/tw-inner@1.0.0"], "{words:?}: {ran:#?}");
        assert!(!public.log().is_empty());
        saw_no_secret(&public);
    }
    // Without it the index refuses, and that is said; it is not taken for a name that does not exist.
    let ran = check(&sandbox, &["--format", "json"], &["pip", "install", "tw-inner"]);
    assert_eq!(ran.status, 10, "{ran:#?}");
    assert!(ran.stdout.contains("401"), "{ran:#?}");
    home(&sandbox, ".netrc", line.to_owned());
    let ran = with(&sandbox, &[], &["pip", "install", "tw-inner"]);
    assert_eq!(purls(&ran.json()).len(), 2, "{ran:#?}");
}

#[test]
fn netrcs_default_entry_is_for_hosts_that_the_user_configured() {
    let (own, strange) = (Loopback::start(), Loopback::start());
    serve(&own);
    serve(&strange);
    own.password("me", "s3cret");
    let sandbox = Sandbox::new();
    home(&sandbox, ".netrc", "default login me password s3cret\n".to_owned());
    home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {}\n", own.simple()));
    let ran = with(&sandbox, &[], &["pip", "install", "tw-good"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
    let other = elsewhere(&strange.url);
    sandbox.write("requirements.txt", format!("--extra-index-url {other}/simple/\ntw-good\n"));
    sandbox.write("wheel.txt", format!("tw-good @ {other}/files/tw_good-1.0.0-py3-none-any.whl\n"));
    for file in ["requirements.txt", "wheel.txt"] {
        with(&sandbox, &[], &["pip", "install", "-r", file]);
        saw_no_secret(&strange);
    }
}

#[test]
fn a_cargo_registrys_token_comes_from_its_file_or_variable() {
    for (file, variables) in
        [("[registries.mine]\ntoken = \"s3cret\"\n", &[][..]), ("", &[("CARGO_REGISTRIES_MINE_TOKEN", "s3cret")])]
    {
        let (private, public) = (Loopback::start(), Loopback::start());
        serve(&public);
        private.krate("tw-inner", "1.0.0", json!({"pubtime": OLD}), &[("src/lib.rs", "")]);
        let config = json!({"dl": format!("{}/crates", private.url), "auth-required": true});
        private.raw("/index/config.json", "application/json", config.to_string().into_bytes());
        private.password("", "s3cret");
        let sandbox = Sandbox::new();
        sandbox.write("src/main.rs", "fn main() {}\n");
        let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
            [dependencies]\ntw-good = \"1\"\ntw-inner = { version = \"1\", registry = \"mine\" }\n";
        sandbox.write("Cargo.toml", manifest);
        let text = format!(
            "[registries.mine]\nindex = \"sparse+{}\"\n[source.crates-io]\nreplace-with = \"here\"\n\
             [source.here]\nregistry = \"sparse+{}\"\n",
            private.index(),
            public.index()
        );
        home(&sandbox, ".cargo/config.toml", text);
        home(&sandbox, ".cargo/credentials.toml", file.to_owned());
        let ran = with(&sandbox, variables, &["cargo", "build"]);
        let document = ran.json();
        assert_eq!(document["plan"]["complete"], true, "{ran:#?}");
        assert_eq!(purls(&document).len(), 3, "{ran:#?}");
        saw_no_secret(&public);
        assert!(private.log().iter().any(|l| l.header("authorization") == Some("s3cret")));
    }
}

/// A file of a strange repository, and the command that reads it.
struct Taking {
    file: &'static str,
    text: &'static str,
    words: &'static [&'static str],
}

const fn taking(file: &'static str, text: &'static str, words: &'static [&'static str]) -> Taking {
    Taking { file, text, words }
}

/// `HOST` stands for the stranger's host.
const TAKING: &[Taking] = &[
    taking(".npmrc", "registry=http://HOST/npm/${SECRET}/\n", &["npm", "install", "tw-good"]),
    taking(".npmrc", "registry=http://me:${SECRET}@HOST/npm/\n", &["npm", "install", "tw-good"]),
    taking(".npmrc", "@acme:registry=http://HOST/npm/?x=${SECRET}\n", &["npm", "install", "@acme/core"]),
    taking(".npmrc", "registry=http://HOST/npm/\n//HOST/npm/:_authToken=${SECRET}\n", &["npm", "install", "tw-good"]),
    taking(
        ".npmrc",
        "registry=http://HOST/npm/\n//HOST/npm/:username=${SECRET}\n//HOST/npm/:_password=eA==\n",
        &["npm", "install", "tw-good"],
    ),
    taking(".npmrc", "proxy=http://HOST/${SECRET}\nhttps-proxy=http://${SECRET}:x@HOST\n", &["npm", "install", "a"]),
    taking("pnpm-workspace.yaml", "registry: http://HOST/npm/${SECRET}/\n", &["pnpm", "add", "tw-good"]),
    taking(".yarnrc", "registry \"http://HOST/npm/${SECRET}/\"\n", &["yarn", "add", "tw-good"]),
    taking(".yarnrc.yml", "npmRegistryServer: \"http://HOST/npm/${SECRET}\"\n", &["yarn", "add", "tw-good"]),
    taking(
        ".yarnrc.yml",
        "npmRegistryServer: \"http://HOST/npm\"\nnpmAuthToken: \"${SECRET}\"\n",
        &["yarn", "add", "tw-good"],
    ),
    taking(
        ".yarnrc.yml",
        "npmScopes:\n  acme:\n    npmRegistryServer: \"http://HOST/npm\"\n    npmAuthIdent: \"me:${SECRET-}\"\n",
        &["yarn", "add", "@acme/core"],
    ),
    taking(
        "bunfig.toml",
        "[install]\nregistry = { url = \"http://HOST/npm/\", token = \"$SECRET\" }\n",
        &["bun", "add", "tw-good"],
    ),
    taking("bunfig.toml", "[install]\nregistry = \"http://HOST/npm/${SECRET}/\"\n", &["bun", "add", "tw-good"]),
    taking(
        "requirements.txt",
        "-i http://HOST/simple/${SECRET}/\ntw-good\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "--extra-index-url http://me:${SECRET}@HOST/simple/\ntw-good\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "-f http://HOST/simple/${SECRET}/\ntw-good\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "tw-good @ http://HOST/files/${SECRET}/tw_good-1.0.0-py3-none-any.whl\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "tw-good @ http://me:${SECRET}@HOST/files/tw_good-1.0.0-py3-none-any.whl\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking("requirements.txt", "-i http://HOST/simple/\n${SECRET}\n", &["pip", "install", "-r", "requirements.txt"]),
    taking(
        "requirements.txt",
        "-i http://HOST/simple/\nx-${SECRET}>1\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "-i http://HOST/simple/\ntw-good==${SECRET}\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "-e git+http://HOST/${SECRET}.git#egg=a\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking(
        "requirements.txt",
        "git+http://${SECRET}@HOST/a.git#egg=a\n",
        &["pip", "install", "-r", "requirements.txt"],
    ),
    taking("requirements.txt", "-r http://HOST/${SECRET}.txt\n", &["pip", "install", "-r", "requirements.txt"]),
    taking("requirements.txt", "--nonsense=${SECRET}\n", &["pip", "install", "-r", "requirements.txt"]),
    taking(
        "Pipfile",
        "[[source]]\nname = \"x\"\nurl = \"http://HOST/simple/${SECRET}/\"\n[packages]\ntw-good = \"*\"\n",
        &["pipenv", "install"],
    ),
    taking(
        "Pipfile",
        "[[source]]\nname = \"x\"\nurl = \"http://me:${SECRET}@HOST/simple/\"\n[packages]\ntw-good = \"*\"\n",
        &["pipenv", "install"],
    ),
    taking(
        "pyproject.toml",
        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"tw-good\"]\n\
         [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"http://HOST/${SECRET}/simple\"\n",
        &["pdm", "install"],
    ),
    taking(
        "pyproject.toml",
        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"tw-good\"]\n\
         [[tool.uv.index]]\nname = \"acme\"\nurl = \"http://HOST/simple/\"\ndefault = true\n",
        &["uv", "sync"],
    ),
    taking(
        "pyproject.toml",
        "[tool.poetry]\nname = \"app\"\nversion = \"1\"\n[tool.poetry.dependencies]\ntw-good = \"*\"\n\
         [[tool.poetry.source]]\nname = \"acme\"\nurl = \"http://HOST/simple/\"\n",
        &["poetry", "install"],
    ),
];

#[test]
fn what_stands_in_a_variable_reaches_no_host_that_only_a_project_file_names() {
    let server = Loopback::start();
    serve(&server);
    let variables = [
        ("SECRET", "s3cret"),
        ("UV_INDEX_ACME_USERNAME", "me"),
        ("UV_INDEX_ACME_PASSWORD", "s3cret"),
        ("POETRY_HTTP_BASIC_ACME_USERNAME", "me"),
        ("POETRY_HTTP_BASIC_ACME_PASSWORD", "s3cret"),
        ("PDM_PUBLISH_PASSWORD", "s3cret"),
    ];
    let mut leaks = Vec::new();
    for case in TAKING {
        let sandbox = Sandbox::new();
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
        sandbox.write(case.file, case.text.replace("HOST", host_of(&server)));
        server.clear_log();
        let mut command = sandbox.command(&["check", "--format", "json", "--"]);
        // Where the default registry is asked for the rest, there is none.
        command.args(case.words).envs(variables).env("PIP_RETRIES", "0").env("npm_config_fetch_retries", "0");
        let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
        assert_ne!(ran.status, 0, "{}: {ran:#?}", case.text);
        let leaked = server.log().iter().any(tells);
        let said = format!("{}{}", ran.stdout, ran.stderr).contains("s3cret");
        if leaked || said {
            leaks.push((case.file, case.text, leaked, said));
        }
    }
    assert!(leaks.is_empty(), "(file, text, sent, said): {leaks:#?}");
}

#[test]
fn variables_that_the_user_means_are_used() {
    let server = Loopback::start();
    serve(&server);
    let host = host_of(&server);
    let trust = format!("version = 1\n[trust]\nregistries = [\"http://{host}/\"]\n");
    // The variable is the registry's own URL; or the policy trusts the host; or the user's configuration names it.
    for (file, text, words) in [
        (".npmrc", "registry=${REGISTRY}\n".to_owned(), &["npm", "install", "tw-good"][..]),
        (".npmrc", format!("registry=http://{host}/${{PART}}/\n"), &["npm", "install", "tw-good"]),
        ("requirements.txt", "-i ${SIMPLE}\ntw-good\n".to_owned(), &["pip", "install", "-r", "requirements.txt"]),
        (
            "requirements.txt",
            format!("-i http://{host}/${{SIMPLE_PART}}/\ntw-good\n"),
            &["pip", "install", "-r", "requirements.txt"],
        ),
    ] {
        let trusted = text.contains(host);
        for by_policy in [true, false] {
            let sandbox = Sandbox::new();
            sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
            sandbox.write(file, &text);
            if by_policy {
                home(&sandbox, ".config/tidewaiter/policy.toml", trust.clone());
            } else if trusted {
                home(&sandbox, ".npmrc", format!("@acme:registry={}\n", server.npm_url()));
                home(&sandbox, ".config/pip/pip.conf", format!("[global]\nindex-url = {}\n", server.simple()));
            }
            let simple = server.simple();
            let variables =
                [("REGISTRY", &*server.npm_url()), ("PART", "npm"), ("SIMPLE", &*simple), ("SIMPLE_PART", "simple")];
            let ran = with(&sandbox, &variables, words);
            assert_eq!(purls(&ran.json()).len(), 2, "{text}: {ran:#?}");
            assert_eq!(ran.json()["plan"]["complete"], true, "{text}: {ran:#?}");
        }
    }
}

#[test]
fn a_projects_proxy_sees_no_token_of_the_users() {
    let (proxy, registry) = (Loopback::start(), Loopback::start());
    serve(&proxy);
    serve(&registry);
    let host = host_of(&registry);
    let sandbox = Sandbox::new();
    sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    home(&sandbox, ".npmrc", format!("registry={}\n//{host}/:_authToken=s3cret\n", registry.npm_url()));
    home(&sandbox, ".cargo/config.toml", format!("[registries.mine]\nindex = \"sparse+{}\"\n", registry.index()));
    home(&sandbox, ".cargo/credentials.toml", "[registries.mine]\ntoken = \"s3cret\"\n".to_owned());
    let config = json!({"dl": format!("{}/crates", registry.url), "auth-required": true});
    registry.raw("/index/config.json", "application/json", config.to_string().into_bytes());
    proxy.raw("/index/config.json", "application/json", config.to_string().into_bytes());
    sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
    sandbox.write(".npmrc", format!("proxy={0}\nhttps-proxy={0}\n", proxy.url));
    sandbox.write(".yarnrc.yml", format!("httpProxy: \"{}\"\n", proxy.url));
    sandbox.write(".cargo/config.toml", format!("[http]\nproxy = \"{}\"\n", proxy.url));
    for words in [
        &["npm", "install", "tw-good"][..],
        &["yarn", "add", "tw-good"],
        &["cargo", "add", "tw-good", "--registry", "mine"],
    ] {
        with(&sandbox, &[], words);
        saw_no_secret(&proxy);
    }
}

#[test]
fn a_proxy_of_the_users_is_used_and_no_proxy_is_honoured() {
    let (proxy, registry) = (Loopback::start(), Loopback::start());
    serve(&proxy);
    serve(&registry);
    let sandbox = Sandbox::new();
    home(&sandbox, ".npmrc", "registry=http://registry.invalid/npm/\n".to_owned());
    home(&sandbox, ".config/pip/pip.conf", "[global]\nindex-url = http://registry.invalid/simple/\n".to_owned());
    let source = "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nregistry = \"sparse+http://registry.invalid/index/\"\n";
    home(&sandbox, ".cargo/config.toml", source.to_owned());
    sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
    let short = [("PIP_RETRIES", "0"), ("npm_config_fetch_retries", "0"), ("CARGO_NET_RETRY", "0")];
    for words in [&["npm", "install", "tw-dep"][..], &["pip", "install", "tw-dep"], &["cargo", "add", "tw-dep"]] {
        for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            let ran = with(&sandbox, &[&short[..], &[(variable, &proxy.url)]].concat(), words);
            assert_eq!(purls(&ran.json()).len(), 1, "{words:?} {variable}: {ran:#?}");
        }
        proxy.clear_log();
        for not in ["registry.invalid", ".invalid", "*"] {
            let variables =
                [&short[..], &[("http_proxy", &*proxy.url), ("no_proxy", not), ("XDG_CACHE_HOME", "/nonexistent")]];
            let ran = with(&sandbox, &variables.concat(), words);
            assert_eq!(ran.status, 10, "{words:?} {not}: {ran:#?}");
        }
        assert!(proxy.log().is_empty(), "{words:?}: {:?}", proxy.paths());
    }
}
