//! Pipenv in the closed world of its plan: once with a program that starts processes as Pipenv does, and once with the real
//! one, from PATH or from the directories that `TIDEWAITER_TOOLS` names; none found: said, and not tried.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::gateway_javascript::found;
use crate::support::loopback::Fault;
use crate::support::rig::{Rig, python, wheel};

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.server
        .python(wheel("tw-a", "1.0", &["tw-b>=1"]))
        .python(wheel("tw-a", "2.0", &["tw-b>=1"]).uploaded("2025-12-31T00:00:00Z"))
        .python(wheel("tw-b", "1.0", &[]));
    rig.set("PIP_INDEX_URL", "").set("PIPENV_VENV_IN_PROJECT", "1").set("LANG", "C.UTF-8");
    let source = format!("[[source]]\nurl = \"{}\"\nverify_ssl = true\nname = \"own\"\n", rig.server.simple());
    rig.write("Pipfile", &format!("{source}\n[packages]\ntw-a = \"*\"\n"));
    rig
}

fn script(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn first_on_path(rig: &mut Rig, directory: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    rig.set("PATH", &format!("{}:{path}", directory.display()));
}

#[test]
fn the_pip_that_it_starts_is_led_to_the_gateway() {
    let Some(python) = python() else { return };
    let mut rig = rig();
    let bin = rig.home().join("bin");
    let runner = bin.join("lib/pipenv/patched/pip/__pip-runner__.py");
    // With the client that pip has, as Pipenv's own pip asks.
    script(
        &runner,
        "import json, sys\n\
         from pip._vendor import requests\n\
         accept = {'Accept': 'application/vnd.pypi.simple.v1+json'}\n\
         page = requests.get(sys.argv[1] + 'tw-a/', headers=accept)\n\
         files = {f['filename']: requests.get(f['url']).status_code for f in page.json()['files']}\n\
         other = requests.get('http://evil.example/x').status_code\n\
         said = [sys.argv[0] == __file__, page.url, files, other]\n\
         open(__file__ + '.said', 'w').write(json.dumps(said))\n",
    );
    let own = rig.server.simple();
    script(
        &bin.join("pipenv"),
        &format!(
            "#!{python}\nimport subprocess, sys\nsubprocess.run([sys.executable, {:?}, {own:?}], check=True)\n",
            runner.display().to_string()
        ),
    );
    first_on_path(&mut rig, &bin);
    let done = rig.run(&["pipenv", "install"], |_| {});
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    let said = std::fs::read_to_string(format!("{}.said", runner.display())).unwrap();
    // The release that was held back is not even shown.
    assert_eq!(said, format!("[true, \"{own}tw-a/\", {{\"tw_a-1.0-py3-none-any.whl\": 200}}, 403]"));
    assert!(done.refused().iter().any(|l| l.contains("is not in the cleared plan")), "{:?}", done.refused());
}

/// A rig with the real one.
fn real() -> Option<Rig> {
    let directory = found("pipenv").into_iter().next()?;
    let mut rig = rig();
    first_on_path(&mut rig, &directory);
    Some(rig)
}

fn lock(rig: &Rig) -> String {
    std::fs::read_to_string(rig.work().join("Pipfile.lock")).unwrap_or_default()
}

/// What the project's environment imports.
fn imports(rig: &Rig) -> String {
    let code = "import tw_a, tw_b; print(tw_a.version, tw_b.version)";
    let ran = rig.bare(&[".venv/bin/python", "-c", code]);
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn the_lockfile_is_the_one_of_a_bare_run_and_its_digests_hold() {
    let Some(rig) = real() else { return };
    // Without the release that the gate holds back.
    rig.write("Pipfile", &std::fs::read_to_string(rig.work().join("Pipfile")).unwrap().replace("\"*\"", "\"<2\""));
    let bare = rig.bare(&["pipenv", "lock"]);
    assert!(bare.status.success(), "{bare:?}");
    let expected = lock(&rig);
    assert!(expected.contains("tw-b") && expected.contains(&rig.server.simple()), "{expected}");
    std::fs::remove_file(rig.work().join("Pipfile.lock")).unwrap();
    let _ = std::fs::remove_dir_all(rig.work().join(".venv"));
    let done = rig.run(&["pipenv", "install"], |_| {});
    assert_eq!((done.status(), done.refused()), (0, vec![]), "{:?}", done.outcome);
    assert_eq!((lock(&rig), imports(&rig).as_str()), (expected.clone(), "1.0 1.0\n"));
    // From the lockfile.
    std::fs::remove_dir_all(rig.work().join(".venv")).unwrap();
    let done = rig.run(&["pipenv", "sync"], |_| {});
    assert_eq!((done.status(), done.refused()), (0, vec![]), "{:?}", done.outcome);
    assert_eq!((lock(&rig), imports(&rig).as_str()), (expected.clone(), "1.0 1.0\n"));
    // Other bytes under the same name do not come in.
    std::fs::remove_dir_all(rig.work().join(".venv")).unwrap();
    std::fs::remove_dir_all(rig.cache()).unwrap();
    let done = rig.run(&["pipenv", "sync"], |rig| {
        rig.server.always("/files/tw_b-1.0-py3-none-any.whl", Fault::BentByte);
    });
    assert_ne!(done.status(), 0);
    assert!(done.refused().iter().any(|l| l.contains("is not what was judged")), "{:?}", done.refused());
    assert_eq!((lock(&rig), imports(&rig).as_str()), (expected, ""));
}

#[test]
fn what_is_added_is_the_release_that_was_judged() {
    let Some(rig) = real() else { return };
    rig.write("Pipfile", &std::fs::read_to_string(rig.work().join("Pipfile")).unwrap().replace("tw-a = \"*\"\n", ""));
    let done = rig.run(&["pipenv", "install", "tw-a"], |rig| {
        rig.server.python(wheel("tw-b", "1.1", &[]));
    });
    assert_eq!((done.status(), done.refused()), (0, vec![]), "{:?}", done.outcome);
    assert_eq!(imports(&rig), "1.0 1.0\n");
    // What the index said before is not believed for ever.
    std::fs::remove_dir_all(rig.cache()).unwrap();
    let done = rig.run(&["pipenv", "update"], |_| {});
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    assert_eq!(imports(&rig), "1.0 1.1\n", "{:?} {:?} {}", done.judgement.plan.packages, done.refused(), lock(&rig));
    assert!(!lock(&rig).contains("/pypi/index/"), "{}", lock(&rig));
}
