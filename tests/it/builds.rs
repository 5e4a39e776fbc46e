//! What is built from source, end to end with the real tools and a toy build backend from the same index: its build
//! environment is in the plan, is judged, and is all that the build can get.

use serde_json::json;
use tidewaiter::model::Plan;

use crate::bypass::{Town, python_tools};
use crate::support::loopback::{Dist, Loopback};
use crate::support::rig::{Rig, python, uv, wheel};

/// A build backend in one module, which writes a wheel without anybody's help. The wheel's module knows the release of
/// the backend that built it, and what the backend found beside itself.
const BACKEND: &str = r#"
import importlib.metadata, os, re, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return open('asks.txt').read().split() if os.path.exists('asks.txt') else []

get_requires_for_build_editable = get_requires_for_build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    text = open('pyproject.toml').read()
    name, version = [re.search(r'^%s = "(.*)"' % key, text, re.M).group(1) for key in ('name', 'version')]
    module = name.replace('-', '_')
    stem = module + '-' + version
    around = sorted(d.metadata['Name'] + ' ' + d.version for d in importlib.metadata.distributions()
                    if d.metadata['Name'].startswith('tw-'))
    with zipfile.ZipFile(os.path.join(wheel_directory, stem + '-py3-none-any.whl'), 'w') as out:
        info = stem + '.dist-info/'
        out.writestr(module + '.py', 'built_with = %r\n' % around)
        out.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' % (name, version))
        out.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        out.writestr(info + 'RECORD', '%s.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n' % (module, info, info, info))
    return stem + '-py3-none-any.whl'

build_editable = build_wheel
"#;

fn manifest(name: &str, requires: &str, rest: &str) -> String {
    format!(
        "[project]\nname = \"{name}\"\nversion = \"1.0\"\n{rest}\n[build-system]\nrequires = [{requires}]\n\
         build-backend = \"tw_api\"\n"
    )
}

/// An sdist that is built with the toy backend.
fn sdist(name: &str, requires: &str) -> Dist {
    let stem = format!("{}-1.0", name.replace('-', "_"));
    Dist::sdist(name, "1.0").member(&format!("{stem}/pyproject.toml"), manifest(name, requires, "").as_bytes())
}

fn backend(version: &str, requires: &[&str]) -> Dist {
    wheel("tw-backend", version, requires).member("tw_api.py", BACKEND.as_bytes())
}

/// Two releases of the backend, and an sdist that wants the second.
fn serve(server: &Loopback) {
    server.python(wheel("tw-helper", "1.0", &[])).python(backend("1.0", &[])).python(backend("2.0", &["tw-helper"]));
    server.python(sdist("tw-src", "\"tw-backend>=2\""));
}

fn rig() -> Rig {
    let rig = Rig::new();
    serve(&rig.server);
    rig
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.packages
        .iter()
        .map(|p| {
            let by: Vec<String> = p.required_by.iter().map(|r| format!("{} {}", r.name, r.version)).collect();
            format!("{} {} [{}] {} {}", p.id.name, p.id.version, p.origin.text, p.depth, by.join(","))
        })
        .collect()
}

/// What a module that was built knows.
fn built_with(rig: &Rig, python: &str, path: &str, module: &str) -> String {
    let code = format!("import {module}; print({module}.built_with)");
    let ran = rig.bare(&["env", &format!("PYTHONPATH={path}"), python, "-B", "-c", &code]);
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn an_sdist_is_built_with_what_was_judged() {
    let Some(python) = python() else { return };
    let rig = rig();
    let done = rig.run(&[python, "-m", "pip", "install", "--target", "out", "tw-src", "tw-backend==1.0"], |rig| {
        // Too late: neither a newer backend nor a newer need of it is seen.
        rig.server.python(backend("3.0", &["tw-evil"])).python(wheel("tw-helper", "3.0", &[]));
    });
    assert_eq!(
        shown(&done.judgement.plan),
        [
            "tw-backend 1.0 [tw-backend==1.0] 0 ",
            "tw-backend 2.0 [tw-backend>=2] 1 tw-src 1.0",
            "tw-helper 1.0 [tw-helper] 2 tw-backend 2.0",
            "tw-src 1.0 [tw-src] 0 ",
        ]
    );
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert_eq!(rig.installed("out"), ["tw-backend 1.0", "tw-src 1.0"]);
    assert_eq!(built_with(&rig, python, "out", "tw_src"), "['tw-backend 2.0', 'tw-helper 1.0']\n");
    assert!(done.served().contains(&"tw_helper-1.0-py3-none-any.whl".to_owned()), "{:?}", done.served());
}

#[test]
fn what_builds_a_build_is_in_the_plan_too() {
    let Some(python) = python() else { return };
    let rig = rig();
    let stem = "tw_tool-1.0";
    let own = Dist::sdist("tw-tool", "1.0")
        .member(&format!("{stem}/pyproject.toml"), manifest("tw-tool", "\"tw-backend==1.0\"", "").as_bytes());
    rig.server.python(own).python(sdist("tw-deep", "\"tw-tool\", \"tw-backend>=2\""));
    let done = rig.run(&[python, "-m", "pip", "install", "--target", "out", "tw-deep"], |_| {});
    let plan = shown(&done.judgement.plan);
    assert!(plan.contains(&"tw-tool 1.0 [tw-tool] 1 tw-deep 1.0".to_owned()), "{plan:?}");
    assert!(plan.contains(&"tw-backend 1.0 [tw-backend==1.0] 2 tw-tool 1.0".to_owned()), "{plan:?}");
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert_eq!(built_with(&rig, python, "out", "tw_deep"), "['tw-backend 2.0', 'tw-helper 1.0', 'tw-tool 1.0']\n");
}

#[test]
fn what_only_the_running_backend_says_is_refused_by_its_name() {
    let Some(python) = python() else { return };
    let rig = rig();
    let asks = sdist("tw-asks", "\"tw-backend>=2\"").member("tw_asks-1.0/asks.txt", b"tw-late");
    rig.server.python(asks).python(wheel("tw-late", "1.0", &[]));
    let install = [python, "-m", "pip", "install", "--target", "out", "tw-asks"];
    let done = rig.run(&install, |_| {});
    assert_ne!(done.status(), 0);
    let refused = done.refused().join("\n");
    assert!(refused.contains("tw-late is not in the cleared plan: something that is built from source"), "{refused}");
    assert!(refused.contains("or name it in the command"), "{refused}");
    // And so it is.
    let named = rig.run(&[&install[..], &["tw-late"]].concat(), |_| {});
    assert_eq!((named.status(), named.refused()), (0, Vec::new()), "{:?}", named.outcome);
}

#[test]
fn a_project_of_ones_own_is_built_with_what_was_judged() {
    let Some(python) = python() else { return };
    for words in [&["--target", "out", "."][..], &["--target", "out", "./sub/../."], &["--prefix", "out", "-e", "."]] {
        let rig = rig();
        rig.write("pyproject.toml", &manifest("app", "\"tw-backend>=2\"", "dependencies = [\"tw-backend<2\"]"));
        std::fs::create_dir(rig.work().join("sub")).unwrap();
        let done = rig.run(&[&[python, "-m", "pip", "install"], words].concat(), |_| {});
        assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{words:?}: {:?}", done.outcome);
        let find = "import glob; print(glob.glob('out/**/app.py', recursive=True)[0][:-7])";
        let place = String::from_utf8(rig.bare(&[python, "-c", find]).stdout).unwrap();
        let told = built_with(&rig, python, place.trim(), "app");
        assert_eq!(told, "['tw-backend 2.0', 'tw-helper 1.0']\n", "{words:?}");
    }
}

#[test]
fn uv_builds_with_what_was_judged() {
    let Some(uv) = uv() else { return };
    let rig = rig();
    let uv = uv.to_str().unwrap();
    let done = rig.run(&[uv, "-q", "pip", "install", "--target", "out", "tw-src"], |rig| {
        rig.server.python(backend("3.0", &["tw-evil"]));
    });
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert_eq!(rig.installed("out"), ["tw-src 1.0"]);
    let rig = Rig::new();
    serve(&rig.server);
    rig.write(
        "pyproject.toml",
        &manifest("app", "\"tw-backend>=2\"", "requires-python = \">=3.8\"\ndependencies = [\"tw-src\"]"),
    );
    for _ in 0..2 {
        let done = rig.run(&[uv, "-q", "sync"], |_| {});
        assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
        let ran =
            rig.bare(&[".venv/bin/python", "-c", "import app, tw_src; print(app.built_with == tw_src.built_with)"]);
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "True\n", "{ran:?}");
        std::fs::remove_dir_all(rig.work().join(".venv")).unwrap();
    }
}

#[test]
fn malware_in_a_build_environment_is_denied_however_deep() {
    let Some(tools) = python_tools() else { return };
    let town = Town::new(&tools);
    serve(&town.server);
    town.server.python(sdist("tw-bad", "\"tw-backend>=2\", \"tw-evil\""));
    town.server.python(sdist("tw-worse", "\"tw-backend>=2\", \"tw-bad\""));
    for command in [&["install", "--target", "out", "tw-bad"][..], &["download", "tw-worse"], &["wheel", "tw-bad"]] {
        let ran = town.shimmed.run("pip", command);
        assert_eq!(ran.status, 20, "{ran:?}");
        assert!(ran.stderr.contains("tw-evil"), "{ran:?}");
    }
    let checked = town.shimmed.run("tidewaiter", &["check", "--format", "json", "--", "pip", "install", "tw-bad"]);
    let document: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    let packages = document["plan"]["packages"].as_array().unwrap();
    let evil = packages.iter().find(|p| p["name"] == "tw-evil").unwrap();
    assert_eq!(
        (&evil["required_by"], &evil["requirement"], &evil["direct"], &evil["depth"]),
        (&json!(["pkg:pypi/tw-bad@1.0"]), &json!("tw-evil"), &json!(false), &json!(1))
    );
}
