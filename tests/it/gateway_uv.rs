//! uv in the closed world of its plan: lockfiles to the byte, indexes by their names, warm caches, requirements files.

use crate::support::loopback::{Fault, Loopback};
use crate::support::rig::{Rig, tree, uv, wheel};

fn rig() -> Rig {
    let rig = Rig::new();
    rig.server
        .python(wheel("tw-a", "1.0", &["tw-b>=1", "tw-windows; sys_platform == 'win32'"]))
        .python(wheel("tw-b", "1.0", &[]).without_metadata_file())
        .python(wheel("tw-windows", "1.0", &[]));
    rig
}

const MANIFEST: &str = "[project]\nname = \"app\"\nversion = \"0.1\"\nrequires-python = \">=3.8\"\ndependencies = [\"tw-a\"]\n[tool.uv]\npackage = false\n";

fn read(rig: &Rig, path: &str) -> String {
    std::fs::read_to_string(rig.work().join(path)).unwrap_or_default()
}

#[test]
fn the_lockfile_is_the_one_of_a_bare_run() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    rig.write("pyproject.toml", MANIFEST);
    let bare = rig.bare(&[uv, "-q", "lock", "--no-cache"]);
    assert!(bare.status.success(), "{bare:?}");
    let lock = read(&rig, "uv.lock");
    assert!(lock.contains("tw-windows"), "{lock}");
    std::fs::remove_file(rig.work().join("uv.lock")).unwrap();
    let done = rig.run(&[uv, "-q", "lock"], |_| {});
    assert_eq!((done.status(), done.refused()), (0, Vec::new()));
    assert_eq!(read(&rig, "uv.lock"), lock);
    // From the lockfile, twice: the second time uv's own cache is warm and the registry is gone.
    for warm in [false, true] {
        if warm {
            std::fs::remove_dir_all(rig.work().join(".venv")).unwrap();
            rig.server.always("/files/", Fault::Status(500));
        }
        let done = rig.run(&[uv, "-q", "sync"], |_| {});
        assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
        assert_eq!(read(&rig, "uv.lock"), lock, "mended");
        let code = "import tw_a, tw_b; print(tw_a.version, tw_b.version)";
        let ran = rig.bare(&[".venv/bin/python", "-c", code]);
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "1.0 1.0\n", "{ran:?}");
    }
}

#[test]
fn what_a_killed_run_left_in_a_lockfile_is_mended_by_the_next() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    rig.write("pyproject.toml", MANIFEST);
    assert_eq!(rig.run(&[uv, "-q", "lock"], |_| {}).status(), 0);
    let lock = read(&rig, "uv.lock");
    let done = rig.run(&[uv, "-q", "sync"], |rig| {
        let host = rig.server.url.strip_prefix("http://").unwrap();
        let left = lock.replace(
            &format!("http://{host}/files/"),
            &format!("http://127.0.0.1:4711/pypi/files/~/http/{host}/files/"),
        );
        assert_ne!(left, lock);
        rig.write("uv.lock", &left);
    });
    assert_eq!(done.status(), 0);
    assert_eq!(read(&rig, "uv.lock"), lock);
}

#[test]
fn named_indexes_keep_their_packages() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    let corp = Loopback::start();
    corp.python(wheel("tw-b", "1.5", &[]));
    rig.write(
        "pyproject.toml",
        &format!(
            "{}[tool.uv.sources]\ntw-b = {{ index = \"corp\" }}\n[[tool.uv.index]]\nname = \"corp\"\nurl = \"{}\"\nexplicit = true\n",
            MANIFEST.replace("[\"tw-a\"]", "[\"tw-a\", \"tw-b\"]"),
            corp.simple()
        ),
    );
    assert!(rig.bare(&[uv, "-q", "lock", "--no-cache"]).status.success());
    let lock = read(&rig, "uv.lock");
    std::fs::remove_file(rig.work().join("uv.lock")).unwrap();
    let done = rig.run(&[uv, "-q", "sync"], |rig| {
        rig.server.clear_log();
        corp.clear_log();
    });
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert_eq!(read(&rig, "uv.lock"), lock);
    let pages = |s: &Loopback| s.paths().into_iter().filter(|p| p == "/simple/tw-b/").count();
    assert_eq!((pages(&rig.server), pages(&corp)), (0, 0));
}

#[test]
fn changed_bytes_and_later_lines_do_not_come_in() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    rig.server.python(wheel("tw-evil", "1.0", &[]));
    rig.write("requirements.txt", "tw-a\n");
    let install = [uv, "-q", "pip", "install", "--target", "out", "-r", "requirements.txt"];
    let done = rig.run(&install, |rig| {
        rig.server.always("/files/tw_b-1.0-py3-none-any.whl", Fault::BentByte);
    });
    assert_ne!(done.status(), 0);
    assert_eq!(rig.installed("out"), [""; 0]);
    assert!(done.refused().iter().any(|l| l.contains("is not what was judged")), "{:?}", done.refused());
    rig.server.heal();
    let done = rig.run(&install, |rig| {
        rig.write("requirements.txt", &format!("--index-url {}\ntw-a\ntw-evil\n", rig.server.simple()));
    });
    assert_eq!((done.status(), rig.installed("out")), (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.0".to_owned()]));
}

#[test]
fn scripts_and_requirements_are_those_of_the_directory_that_uv_is_told() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    // It is named as the verb is.
    rig.write("run/s.py", "# /// script\n# dependencies = ['tw-a']\n# ///\nimport tw_a\n");
    rig.write("run/r.txt", "tw-a\n");
    let done = rig.run(&[uv, "-q", "--directory", "run", "run", "s.py"], |_| {});
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    let words = [uv, "-q", "--directory", "run", "pip", "install", "--target", "../out", "-r", "r.txt"];
    let done = rig.run(&words, |_| {});
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert_eq!(rig.installed("out"), ["tw-a 1.0", "tw-b 1.0"]);
}

/// What a member of a workspace is built into lies at the workspace's root.
#[test]
fn a_member_is_built_beside_its_workspace() {
    let Some(uv) = uv() else { return };
    let rig = rig();
    rig.write(
        "pyproject.toml",
        "[project]\nname = \"root\"\nversion = \"1\"\n[tool.uv.workspace]\nmembers = [\"m\"]\n",
    );
    let backend = "[build-system]\nrequires = []\nbuild-backend = \"b\"\nbackend-path = [\".\"]\n";
    rig.write("m/pyproject.toml", &format!("[project]\nname = \"m\"\nversion = \"1\"\n{backend}"));
    rig.write("m/b.py", "def build_wheel(to, *_):\n    open(to + '/m-1-py3-none-any.whl', 'w').close()\n    return 'm-1-py3-none-any.whl'\n");
    let done = rig.run(&[uv.to_str().unwrap(), "-q", "--directory", "m", "build", "--wheel"], |_| {});
    assert_eq!((done.status(), done.refused()), (0, Vec::new()), "{:?}", done.outcome);
    assert!(rig.work().join("dist/m-1-py3-none-any.whl").exists());
}

/// An entry point may have any name, also that of one of the gate's links.
#[cfg(unix)]
#[test]
fn the_gates_own_links_stay_where_they_are() {
    let Some(uv) = uv() else { return };
    let rig = rig();
    let script = "[console_scripts]\ntw-tool = tw_tool:main\nown = tw_tool:main\n";
    rig.server.python(wheel("tw-tool", "1.0", &[]).member("tw_tool-1.0.dist-info/entry_points.txt", script.as_bytes()));
    rig.write("../home/.local/bin/other", "");
    let link = rig.home().join(".local/bin/own");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidewaiter"), &link).unwrap();
    let done = rig.run(&[uv.to_str().unwrap(), "-q", "tool", "install", "--force", "tw-tool"], |_| {});
    assert_eq!(std::fs::read_link(&link).unwrap(), std::path::Path::new(env!("CARGO_BIN_EXE_tidewaiter")));
    assert!(done.refused().iter().any(|l| l.contains("this gate's")), "{:?}", done.outcome);
    assert!(rig.home().join(".local/bin/tw-tool").exists());
}

/// What uv notes of a tool is what it would note without the gateway, and what the tool is upgraded by.
#[test]
fn a_tool_is_upgraded_by_what_was_noted_of_it() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    let script = |version: &str| format!("tw_tool-{version}.dist-info/entry_points.txt");
    let release = |version: &str| {
        let entry = b"[console_scripts]\ntw-tool = tw_tool:main\n";
        rig.server.python(wheel("tw-tool", version, &[]).member(&script(version), entry));
    };
    release("1.0");
    let tools = rig.home().join(".local/share/uv/tools");
    let receipt = || std::fs::read_to_string(tools.join("tw-tool/uv-receipt.toml")).unwrap();
    let installed = || {
        let files = tree(&tools.join("tw-tool/lib"));
        let found = files.iter().find_map(|(path, _)| path.split_once("tw_tool-")?.1.split_once(".dist-info"));
        found.map(|(version, _)| version.to_owned())
    };
    let extra = rig.server.url.replace("127.0.0.1", "localhost") + "/none/";
    for indexes in [&[][..], &["--index", &extra]] {
        let install = [&[uv, "-q", "tool", "install", "--force", "tw-tool<2"], indexes].concat();
        let bare = rig.bare(&install);
        assert!(bare.status.success(), "{bare:?}");
        let expected = receipt();
        std::fs::remove_dir_all(&tools).unwrap();
        let done = rig.run(&install, |_| {});
        assert_eq!(done.status(), 0, "{:?}", done.outcome);
        assert_eq!(receipt(), expected, "{indexes:?}");
    }
    let noted = receipt();
    release("1.1");
    release("2.0");
    std::fs::remove_dir_all(rig.cache()).unwrap();
    let done = rig.run(&[uv, "-q", "tool", "upgrade", "--all"], |_| {});
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    assert_eq!((installed().as_deref(), receipt()), (Some("1.1"), noted));
}

/// What uv has in its cache serves the second step, that asks nobody, also when the first only asked whether it holds.
#[test]
fn a_program_runs_as_often_as_it_is_asked_for() {
    let Some(uv) = uv() else { return };
    let uv = uv.to_str().unwrap();
    let rig = rig();
    let run = [uv, "-q", "tool", "run", "--from", "tw-a", "python", "-c", "import tw_a; open('ran', 'a').write('x')"];
    for times in 1..=3 {
        let done = rig.run(&run, |_| {});
        assert_eq!(done.status(), 0, "{times}: {:?}", done.outcome);
        assert_eq!(std::fs::read_to_string(rig.work().join("ran")).unwrap().len(), times);
    }
}
