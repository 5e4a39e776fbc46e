//! Sizes that no honest registry has, chosen so that each test takes under three seconds in a debug build on two
//! cores: the answer comes in bounded time, and is a plan or a clear refusal.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Ran, Sandbox, rules};
use crate::support::loopback::{Dist, Loopback};
use crate::support::tools::{TOOLS, Tool, fresh, judge, purls};

const OLD: &str = "2020-01-01T00:00:00Z";

/// Well above what is needed on an idle machine, and far below what a search without bounds would take.
const LIMIT: Duration = Duration::from_secs(30);

fn main_tools() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..]))
}

fn timed(tool: &Tool, server: &Loopback, name: &str) -> (Ran, Value) {
    let sandbox = fresh(tool, server);
    let started = Instant::now();
    let answer = judge(&sandbox, tool, &[], name, None);
    assert!(started.elapsed() < LIMIT, "{:?} {name}: {:?}", tool.words, started.elapsed());
    answer
}

/// A page of so many versions in each ecosystem, written as text: building it must not be the slow part.
fn many_versions(server: &Loopback, count: usize) {
    let mut page = "{\"meta\":{\"api-version\":\"1.1\"},\"name\":\"tw-many\",\"versions\":[],\"files\":[".to_owned();
    let mut packument = "{\"name\":\"tw-many\",\"dist-tags\":{\"latest\":\"1.0.7\"},\"versions\":{".to_owned();
    let mut times = String::new();
    let mut index = String::new();
    let sha = "0".repeat(64);
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            page,
            "{comma}{{\"filename\":\"tw_many-1.0.{n}-py3-none-any.whl\",\"url\":\"/f/tw_many-1.0.{n}-py3-none-any.whl\",\
             \"hashes\":{{\"sha256\":\"{sha}\"}},\"upload-time\":\"{OLD}\"}}"
        );
        let _ = write!(packument, "{comma}\"1.0.{n}\":{{\"name\":\"tw-many\",\"version\":\"1.0.{n}\",\"dist\":{{}}}}");
        let _ = write!(times, "{comma}\"1.0.{n}\":\"{OLD}\"");
        let _ = writeln!(
            index,
            "{{\"name\":\"tw-many\",\"vers\":\"1.0.{n}\",\"deps\":[],\"cksum\":\"{sha}\",\"features\":{{}},\"yanked\":false}}"
        );
    }
    page.push_str("]}");
    let _ = write!(packument, "}},\"time\":{{{times}}}}}");
    server.raw("/simple/tw-many/", "application/vnd.pypi.simple.v1+json", page.into_bytes());
    server.raw("/npm/tw-many", "application/json", packument.into_bytes());
    let config = json!({"dl": format!("{}/crates", server.url), "api": server.url});
    server.raw("/index/config.json", "application/json", config.to_string().into_bytes());
    server.raw("/index/tw/-m/tw-many", "text/plain", index.into_bytes());
}

/// 20,000 versions here (3 MB), which a debug build reads in a second or two; a million is the same code.
#[test]
fn a_project_of_very_many_versions_is_read_or_refused() {
    let server = Loopback::start();
    many_versions(&server, 20_000);
    server.raw(
        "/f/tw_many-1.0.19999-py3-none-any.whl.metadata",
        "text/plain",
        b"Metadata-Version: 2.1\nName: tw-many\nVersion: 1.0.19999\n".to_vec(),
    );
    for tool in main_tools() {
        let (ran, document) = timed(tool, &server, "tw-many");
        let found = purls(&document);
        let expected = if tool.ecosystem == "npm" { "1.0.7" } else { "1.0.19999" };
        assert!(found.len() == 1 && found[0].ends_with(expected), "{:?}: {:.2000}", tool.words, ran.stdout);
    }
}

/// `tw-a` needs `tw-b`, which needs `tw-a`; features that enable each other; an extra that needs itself.
#[test]
fn cycles_end() {
    let server = Loopback::start();
    let dependency = |name: &str, optional: bool| json!({"name": name, "req": "^1", "features": ["x"], "optional": optional, "default_features": true, "target": null, "kind": "normal"});
    for (name, other) in [("tw-a", "tw-b"), ("tw-b", "tw-a")] {
        let extra = format!("{name}[x]; extra == 'x'");
        let again = format!("{other}[x]");
        server.python(Dist::wheel(name, "1.0.0").requires(&[&again, &extra, &format!("{other}>=0.5")]));
        server.npm(
            name,
            "1.0.0",
            OLD,
            json!({"bin": "x.js", "dependencies": {other: "*"}, "peerDependencies": {name: "*"}}),
        );
        let features = json!({"x": ["y", format!("{other}/x")], "y": ["x"], "default": ["default", "x"]});
        server.krate(
            name,
            "1.0.0",
            json!({"deps": [dependency(other, false)], "features": features, "pubtime": OLD}),
            &[("src/lib.rs", "")],
        );
    }
    for tool in main_tools() {
        let (ran, document) = timed(tool, &server, "tw-a");
        // Cargo itself refuses packages that need each other; the others install both.
        let refused = tool.ecosystem == "crates.io" && document["plan"]["complete"] == false;
        assert!(refused || purls(&document).len() == 2, "{:?}: {ran:#?}", tool.words);
    }
}

/// 120 deep here: each link is a request. Recursion over the chain would show at any depth in the next test.
#[test]
fn a_long_chain_of_dependencies_is_followed_to_its_end() {
    let server = Loopback::start();
    const LENGTH: usize = 120;
    for n in 0..LENGTH {
        let name = format!("tw-c{n}");
        let next = format!("tw-c{}", n + 1);
        let last = n + 1 == LENGTH;
        let requires: Vec<&str> = if last { Vec::new() } else { vec![&next] };
        server.python(Dist::wheel(&name, "1.0.0").requires(&requires));
        let dependencies = if last { json!({}) } else { json!({&next: "*"}) };
        server.npm(&name, "1.0.0", OLD, json!({"bin": "x.js", "dependencies": dependencies}));
        let deps = if last {
            json!([])
        } else {
            json!([{"name": next, "req": "*", "features": [], "optional": false, "default_features": true, "target": null, "kind": "normal"}])
        };
        server.krate(&name, "1.0.0", json!({"deps": deps, "pubtime": OLD}), &[("src/lib.rs", "")]);
    }
    for tool in main_tools() {
        let (ran, document) = timed(tool, &server, "tw-c0");
        let found = purls(&document).len();
        let refused = document["plan"]["complete"] == false && ran.status != 0;
        assert!(found == LENGTH || refused, "{:?}: {found} {:.1500}", tool.words, ran.stdout);
    }
}

/// 10,000 links in a lockfile: nothing may recurse as deep as a stranger's graph.
#[test]
fn a_lockfile_of_ten_thousand_links_is_no_stack_overflow() {
    let sandbox = Sandbox::new();
    let mut npm = "{\"name\":\"app\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"app\",\"version\":\"1.0.0\",\
                   \"dependencies\":{\"p0\":\"*\"}}"
        .to_owned();
    let mut cargo =
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"p0\"]\n".to_owned();
    let mut uv = "version = 1\nrequires-python = \">=3.8\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\
                  source = { virtual = \".\" }\ndependencies = [{ name = \"p0\" }]\n"
        .to_owned();
    for n in 0..10_000 {
        let next = n + 1;
        let _ = write!(
            npm,
            ",\"node_modules/p{n}\":{{\"version\":\"1.0.0\",\"resolved\":\"https://registry.npmjs.org/p{n}/-/p{n}-1.0.0.tgz\",\"integrity\":\"sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==\",\"dependencies\":{{\"p{next}\":\"*\"}}}}"
        );
        let source = "registry+https://github.com/rust-lang/crates.io-index";
        let dependencies = if next == 10_000 { String::new() } else { format!("\"p{next}\"") };
        let _ = write!(
            cargo,
            "\n[[package]]\nname = \"p{n}\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{}\"\ndependencies = [{dependencies}]\n",
            "0".repeat(64)
        );
        let own = if next == 10_000 { String::new() } else { format!("{{ name = \"p{next}\" }}") };
        let _ = write!(
            uv,
            "\n[[package]]\nname = \"p{n}\"\nversion = \"1.0.0\"\nsource = {{ registry = \"https://pypi.org/simple\" }}\ndependencies = [{own}]\n"
        );
    }
    npm.push_str("}}");
    for (file, text) in [("package-lock.json", npm), ("Cargo.lock", cargo), ("uv.lock", uv)] {
        sandbox.write(file, text);
        let started = Instant::now();
        let ran = sandbox.run(&["audit", "--offline", "--format", "json", file]);
        assert!(matches!(ran.status, 0 | 10), "{file}: {} {:.500}", ran.status, ran.stderr);
        assert!(started.elapsed() < LIMIT, "{file}: {:?}", started.elapsed());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(document["plan"]["packages"].as_array().unwrap().len(), 10_000, "{file}");
    }
}

/// The search has nothing to choose, and says so; pip's own exception is an exact pin.
#[test]
fn everything_yanked_leaves_nothing_to_choose() {
    let server = Loopback::start();
    for n in 0..40 {
        let version = format!("1.{n}.0");
        server.python(Dist::wheel("tw-gone", &version).yanked("broken"));
        server.krate("tw-gone", &version, json!({"yanked": true, "pubtime": OLD}), &[("src/lib.rs", "")]);
        server.npm("tw-gone", &version, OLD, json!({"deprecated": "broken", "bin": "x.js"}));
    }
    for tool in main_tools() {
        let (ran, document) = timed(tool, &server, "tw-gone");
        if tool.ecosystem == "npm" {
            // npm installs what is deprecated, and it is told.
            assert!(rules(&document, "warn").contains(&"withdrawn".to_owned()), "{ran:#?}");
        } else {
            assert_eq!((ran.status, &document["plan"]["complete"]), (10, &json!(false)), "{:?}: {ran:#?}", tool.words);
        }
    }
}

/// Requirements that contradict each other in many ways at once: the search gives up in time, with a reason.
#[test]
fn a_hopeless_search_ends() {
    let server = Loopback::start();
    for n in 0..12 {
        for v in 0..10 {
            let next = (n + 1) % 12;
            let version = format!("{v}.0.0");
            let requires = format!("tw-h{next}=={}.0.0", (v + 1) % 10);
            let other = format!("tw-h{}!={v}.0.0", (n + 5) % 12);
            server.python(Dist::wheel(&format!("tw-h{n}"), &version).requires(&[&requires, &other]));
            let deps = json!([{"name": format!("tw-h{next}"), "req": format!("={}.0.0", (v + 1) % 10), "features": [], "optional": false,
                "default_features": true, "target": null, "kind": "normal"}]);
            let line = json!({"deps": deps, "links": format!("l{n}"), "pubtime": OLD});
            server.krate(&format!("tw-h{n}"), &version, line, &[("src/lib.rs", "")]);
            server.npm(
                &format!("tw-h{n}"),
                &version,
                OLD,
                json!({"bin": "x.js", "peerDependencies": {format!("tw-h{next}"): format!("{}.0.0", (v + 1) % 10)}}),
            );
        }
    }
    for tool in main_tools() {
        let (ran, document) = timed(tool, &server, "tw-h0");
        assert!(ran.status != 0 || tool.ecosystem == "npm", "{:?}: {:.1500}", tool.words, ran.stdout);
        assert!(document["plan"]["complete"] == false || tool.ecosystem == "npm", "{:?}", tool.words);
    }
}
