//! pip in the closed world of its plan: what was judged is what is installed, whatever changes in between and whatever
//! the command, its variables and its files say of other places.

use tidewaiter::enforce::Form;

use crate::support::loopback::{Fault, Loopback};
use crate::support::rig::{Rig, files_asked, python, tree, wheel};

/// `python -m pip install --target out …`.
fn pip<'a>(python: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&[python, "-m", "pip", "install", "--target", "out"], words].concat()
}

/// A registry with `tw-a`, which needs `tw-b`.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.server.python(wheel("tw-a", "1.0", &["tw-b>=1"])).python(wheel("tw-b", "1.0", &[]));
    rig
}

fn nothing(_: &Rig) {}

#[test]
fn an_allowed_install_works_and_leaves_what_a_bare_one_leaves() {
    let Some(python) = python() else { return };
    let rig = rig();
    let done = rig.run(&pip(python, &["tw-a"]), nothing);
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    assert_eq!(done.outcome.as_ref().unwrap().form, Form::Gateway);
    assert_eq!(done.refused(), [""; 0]);
    assert_eq!(done.served(), ["tw_a-1.0-py3-none-any.whl", "tw_b-1.0-py3-none-any.whl"]);
    let code = "import tw_a, tw_b; print(tw_a.version, tw_b.version)";
    let ran = rig.bare(&["env", "PYTHONPATH=out", python, "-B", "-c", code]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "1.0 1.0\n");
    let gated = tree(&rig.work().join("out"));
    std::fs::remove_dir_all(rig.work().join("out")).unwrap();
    let bare = rig.bare(&pip(python, &["tw-a"]));
    assert!(bare.status.success(), "{bare:?}");
    assert_eq!(gated, tree(&rig.work().join("out")), "RECORD, REQUESTED, INSTALLER, and no direct_url.json");
    // The store answers a second time: the registry's files are not asked for.
    std::fs::remove_dir_all(rig.work().join("out")).unwrap();
    rig.server.always("/files/", Fault::Status(500));
    assert_eq!(rig.run(&pip(python, &["tw-a"]), nothing).status(), 0);
    assert_eq!(rig.installed("out"), ["tw-a 1.0", "tw-b 1.0"]);
}

#[test]
fn a_new_environment_is_given_the_pip_that_was_judged() {
    let Some(python) = python() else { return };
    let rig = Rig::new();
    if !rig.bare(&[python, "-m", "venv", "probe"]).status.success() {
        eprintln!("skipped: this python makes no environments");
        return;
    }
    rig.server.python(wheel("pip", "99.0", &[])).python(wheel("setuptools", "99.0", &[]));
    let newer = |rig: &Rig| {
        rig.server.python(wheel("pip", "99.1", &[]));
    };
    let done = rig.run(&[python, "-m", "venv", "--upgrade-deps", "fresh"], newer);
    assert_eq!(done.status(), 0, "{:?}", done.outcome);
    assert!(done.judgement.plan.packages.iter().any(|p| p.id.name.written() == "pip" && &*p.id.version == "99.0"));
    let files: Vec<String> = tree(&rig.work().join("fresh")).into_iter().map(|(path, _)| path).collect();
    let of_pip: Vec<&String> =
        files.iter().filter(|f| f.starts_with("lib/") && f.contains("/pip-") && f.ends_with("/RECORD")).collect();
    assert!(of_pip.len() == 1 && of_pip.iter().all(|f| f.contains("/pip-99.0.dist-info/")), "{of_pip:?}");
}

#[test]
fn pips_cache_gets_nothing_of_the_gateway() {
    let Some(python) = python() else { return };
    let mut rig = rig();
    let cache = rig.home().join("pip-cache");
    std::fs::create_dir(&cache).unwrap();
    rig.set("PIP_CACHE_DIR", &cache.display().to_string());
    for _ in 0..2 {
        assert_eq!(rig.run(&pip(python, &["--upgrade", "tw-a"]), nothing).status(), 0);
        // By a URL that no other run has, and once more for each run.
        let kept: Vec<String> = tree(&cache).into_iter().map(|(path, _)| path).collect();
        assert!(kept.iter().all(|path| !path.starts_with("http")), "{kept:?}");
    }
}

#[test]
fn what_changes_between_judging_and_installing_does_not_come_in() {
    let Some(python) = python() else { return };
    type Change = fn(&Rig) -> &Loopback;
    let changes: &[(&str, Change, bool)] = &[
        ("a newer version", |r| r.server.python(wheel("tw-b", "2.0", &[])), true),
        (
            "other bytes",
            |r| r.server.raw("/files/tw_b-1.0-py3-none-any.whl", "application/zip", b"other".to_vec()),
            false,
        ),
        // The page then announces the digest of what is served.
        (
            "another file of the same name and its digest",
            |r| r.server.python(wheel("tw-b", "1.0", &["tw-evil"])),
            false,
        ),
        ("nothing at all", |r| r.server.always("/", Fault::Status(404)), false),
        ("half of it", |r| r.server.always("/files/tw_b-1.0-py3-none-any.whl", Fault::Truncated), false),
        ("one bent byte", |r| r.server.always("/files/tw_b-1.0-py3-none-any.whl", Fault::BentByte), false),
        (
            "a redirect",
            |r| {
                let other = format!("{}/files/tw_a-1.0-py3-none-any.whl", r.server.url);
                r.server.always("/files/tw_b", Fault::RedirectTo(other))
            },
            false,
        ),
    ];
    for (what, change, installs) in changes {
        let rig = rig();
        let done = rig.run(&pip(python, &["tw-a", "--retries", "0"]), |rig| {
            change(rig);
        });
        if *installs {
            assert_eq!(
                (done.status(), rig.installed("out")),
                (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.0".to_owned()]),
                "{what}"
            );
        } else {
            assert_ne!(done.status(), 0, "{what}");
            assert_eq!(rig.installed("out"), [""; 0], "{what}");
            let refused = done.refused();
            assert!(refused.iter().any(|l| l.starts_with("tidewaiter: tw_")), "{what}: {refused:?}");
        }
    }
}

/// A registry with a `tw-b` of its own that is newer than everybody's.
fn evil() -> Loopback {
    let evil = Loopback::start();
    evil.python(wheel("tw-b", "9.0", &[])).python(wheel("tw-evil", "9.0", &[]));
    evil
}

#[test]
fn files_that_are_changed_in_between_say_nothing() {
    let Some(python) = python() else { return };
    let evil = evil();
    let index = evil.simple();
    let lines = [
        format!("--index-url {index}\ntw-a\n"),
        format!("-i {index}\ntw-a\n"),
        format!("--extra-index-url {index}\ntw-a\n"),
        format!("--find-links {index}tw-b/\ntw-a\n"),
        "--find-links evil\ntw-a\n".to_owned(),
        "--no-index\n--find-links evil\ntw-b\n".to_owned(),
        "./evil/tw_evil-9.0-py3-none-any.whl\n".to_owned(),
        format!("tw-evil @ {}/files/tw_evil-9.0-py3-none-any.whl\n", evil.url),
        "tw-a\ntw-evil\n".to_owned(),
    ];
    for line in lines {
        let rig = rig();
        rig.write("requirements.txt", "-r more/base.txt\n").write("more/base.txt", "tw-a  # what is asked for\n");
        let done = rig.run(&pip(python, &["-r", "requirements.txt"]), |rig| {
            rig.write("more/base.txt", &line);
            rig.write("../home/.config/pip/pip.conf", &format!("[global]\nextra-index-url = {index}\n"));
            rig.write("evil/readme", "");
            for name in ["tw_b-9.0-py3-none-any.whl", "tw_evil-9.0-py3-none-any.whl"] {
                let bytes = std::fs::read(evil_file(&evil, rig, name)).unwrap();
                std::fs::write(rig.work().join("evil").join(name), bytes).unwrap();
            }
            evil.clear_log();
        });
        assert_eq!(
            (done.status(), rig.installed("out")),
            (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.0".to_owned()]),
            "{line}"
        );
        assert_eq!(evil.paths(), [""; 0], "{line}");
    }
}

/// A file of a server, fetched to a place of the rig's.
fn evil_file(evil: &Loopback, rig: &Rig, name: &str) -> std::path::PathBuf {
    use std::io::{Read as _, Write as _};
    let host = evil.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /files/{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let path = rig.home().join(name);
    std::fs::write(&path, &answer[at..]).unwrap();
    path
}

#[test]
fn options_and_variables_lead_to_the_gateway_and_nowhere_else() {
    let Some(python) = python() else { return };
    let other = Loopback::start();
    other.python(wheel("tw-b", "1.5", &[]));
    let second = other.simple();
    // Whatever says so, the other index has the better tw-b: it is judged, and fetched by the gateway alone.
    type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], &'c str, &'c str);
    let cases: &[Case<'_>] = &[
        (&["--extra-index-url", &second, "tw-a"], &[], "", ""),
        (&["tw-a"], &[("PIP_EXTRA_INDEX_URL", &second)], "", ""),
        (
            &["tw-a", "--trusted-host", "127.0.0.1"],
            &[("PIP_EXTRA_INDEX_URL", &second), ("NO_PROXY", "*"), ("no_proxy", "127.0.0.1")],
            "",
            "",
        ),
        (&["tw-a"], &[], &second, ""),
        (&["-r", "requirements.txt"], &[], "", &second),
    ];
    for (words, variables, conf, file) in cases {
        let mut rig = rig();
        for (name, value) in *variables {
            rig.set(name, value);
        }
        if !conf.is_empty() {
            rig.write("../home/.config/pip/pip.conf", &format!("[install]\nextra-index-url =\n    {conf}\n"));
        }
        if !file.is_empty() {
            rig.write("requirements.txt", &format!("--extra-index-url {file}\ntw-a\n"));
        }
        let done = rig.run(&pip(python, words), |rig| {
            rig.server.clear_log();
            other.clear_log();
        });
        assert_eq!(
            (done.status(), rig.installed("out")),
            (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.5".to_owned()]),
            "{words:?} {variables:?}"
        );
        assert_eq!(files_asked(&rig.server), ["/files/tw_a-1.0-py3-none-any.whl"], "{words:?}");
        assert_eq!(files_asked(&other), ["/files/tw_b-1.5-py3-none-any.whl"], "{words:?}");
        let pages = |s: &Loopback| s.paths().into_iter().filter(|p| p.starts_with("/simple")).collect::<Vec<_>>();
        assert_eq!((pages(&rig.server), pages(&other)), (Vec::new(), Vec::new()), "pages are those that were judged");
    }
}

#[test]
fn the_index_that_is_named_is_the_one_that_is_judged() {
    let Some(python) = python() else { return };
    let other = Loopback::start();
    other.python(wheel("tw-b", "1.5", &[]));
    let index = other.simple();
    let attached = format!("-i{index}");
    let joined = format!("--index-url={index}");
    for words in [
        &["-i", &index, "tw-b"][..],
        &[&attached, "tw-b"],
        &[&joined, "tw-b"],
        &["--isolated", "--pypi-url", &index, "tw-b"],
        &["-Ui", &index, "tw-b"],
    ] {
        let rig = rig();
        let done = rig.run(&pip(python, words), |rig| rig.server.clear_log());
        assert_eq!((done.status(), rig.installed("out")), (0, vec!["tw-b 1.5".to_owned()]), "{words:?}");
        assert_eq!(rig.server.paths(), [""; 0], "{words:?}");
    }
}

#[test]
fn find_links_directories_work() {
    let Some(python) = python() else { return };
    let rig = rig();
    std::fs::create_dir(rig.work().join("links")).unwrap();
    for name in ["tw_a-1.0-py3-none-any.whl", "tw_b-1.0-py3-none-any.whl"] {
        let bytes = std::fs::read(evil_file(&rig.server, &rig, name)).unwrap();
        std::fs::write(rig.work().join("links").join(name), bytes).unwrap();
    }
    let done = rig.run(&pip(python, &["--no-index", "--find-links", "links", "tw-a"]), |rig| rig.server.clear_log());
    assert_eq!((done.status(), rig.installed("out")), (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.0".to_owned()]));
    assert_eq!(rig.server.paths(), [""; 0]);
}

#[test]
fn a_private_index_gets_its_password_and_the_tool_does_not() {
    let Some(python) = python() else { return };
    let mut rig = rig();
    rig.server.password("me", "s3cret");
    let index = rig.server.simple().replace("http://", "http://me:s3cret@");
    rig.set("PIP_INDEX_URL", &index);
    let done = rig.run(&pip(python, &["tw-a"]), nothing);
    assert_eq!(
        (done.status(), rig.installed("out")),
        (0, vec!["tw-a 1.0".to_owned(), "tw-b 1.0".to_owned()]),
        "{:?}",
        done.outcome
    );
}

#[test]
fn a_release_outside_the_plan_is_refused_with_its_reason() {
    let Some(python) = python() else { return };
    let rig = rig();
    rig.server.python(wheel("tw-a", "2.0", &[]).uploaded("2025-12-31T00:00:00Z"));
    let done = rig.with_job(&pip(python, &["tw-a"]), |job| {
        // As if pip had made up its mind otherwise.
        let arguments = job.arguments.iter().map(|a| if a == "tw-a" { "tw-a==2.0".into() } else { a.clone() });
        let arguments: Vec<_> = arguments.collect();
        tidewaiter::enforce::run(&tidewaiter::enforce::Job { arguments: &arguments, ..*job })
    });
    assert_ne!(done.status(), 0);
    assert_eq!(rig.installed("out"), [""; 0]);
    assert_eq!(done.judgement.plan.held_back.len(), 1);
}

#[test]
fn without_a_local_port_pip_gets_the_exact_list() {
    use tidewaiter::enforce::tool::{Adapter as _, pip::Pip};
    let Some(python) = python() else { return };
    let rig = rig();
    rig.write("requirements.txt", "tw-a\n");
    let done = rig.with_job(&pip(python, &["-r", "requirements.txt"]), |job| {
        let prepared = Pip.frozen(job)?;
        let ended = tidewaiter::enforce::exec::run(&prepared.steps[0], job)?;
        assert!(ended.success(), "{:?}", prepared.steps);
        let list = std::fs::read_to_string(prepared.keep[0].path().join("requirements.txt")).unwrap();
        assert!(list.starts_with("tw-a==1.0 --hash=sha256:") && list.contains("\ntw-b==1.0 --hash=sha256:"), "{list}");
        Err(tidewaiter::enforce::EnforceError::unsupported("seen enough"))
    });
    assert!(done.outcome.is_err());
    assert_eq!(rig.installed("out"), ["tw-a 1.0", "tw-b 1.0"]);
    // pip's own words may be changed, those of what starts it may not.
    rig.server.python(wheel("pip", "99.0", &[])).python(wheel("setuptools", "99.0", &[]));
    rig.with_job(&[python, "-m", "venv", "--upgrade-deps", "fresh"], |job| {
        let error = Pip.frozen(job).unwrap_err().to_string();
        assert!(error.contains("no local port"), "{error}");
        Err(tidewaiter::enforce::EnforceError::unsupported("seen enough"))
    });
}
