//! The gateway as a server: who is let in, what is shown, ranges, and what a stranger's request gets.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use tidewaiter::enforce::EnforceError;
use tidewaiter::enforce::gateway::{Gateway, View};
use tidewaiter::enforce::store::Store;

use crate::support::rig::{Rig, wheel};
use crate::support::until;

/// Asks, and gives back the whole answer as text.
fn ask(port: u16, head: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn with_gateway(view: View, keep_port: bool, act: impl FnOnce(&Rig, &Gateway)) -> Vec<String> {
    let rig = Rig::new();
    rig.server
        .python(wheel("tw-a", "1.0", &["tw-b"]))
        .python(wheel("tw-a", "2.0", &[]).uploaded("2025-12-31T00:00:00Z"))
        .python(wheel("tw-b", "1.0", &[]).unadvertised());
    let mut refused = Vec::new();
    rig.with_job(&["pip", "install", "tw-a"], |job| {
        let gateway = Gateway::start(job, view, keep_port)?;
        act(&rig, &gateway);
        refused = gateway.stop().0.iter().map(|r| r.line()).collect();
        Err(EnforceError::unsupported("seen enough"))
    });
    refused
}

fn get(gateway: &Gateway, url: &str, more: &str) -> String {
    let (port, path) = (gateway.port(), url.split_once("127.0.0.1:").unwrap().1.split_once('/').unwrap().1);
    ask(port, &format!("GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}{more}"))
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn only_who_knows_the_secret_is_let_in() {
    with_gateway(View::Plan, true, |_, gateway| {
        let port = gateway.port();
        let page = gateway.url("pypi/simple/tw-a/");
        let secret = page.split('/').nth(3).unwrap();
        assert_eq!(status(&get(gateway, &page, "")), "200");
        let host = format!("127.0.0.1:{port}");
        let wrong = [
            format!("GET /pypi/simple/tw-a/ HTTP/1.1\r\nHost: {host}"),
            format!("GET /{}/pypi/simple/tw-a/ HTTP/1.1\r\nHost: {host}", "0".repeat(32)),
            format!("GET /{}/pypi/simple/tw-a/ HTTP/1.1\r\nHost: {host}", &secret[..31]),
            format!("GET /{secret}/pypi/simple/tw-a/ HTTP/1.1\r\nHost: evil.example"),
            format!("GET /{secret}/pypi/simple/tw-a/ HTTP/1.1\r\nHost: localhost:{port}"),
            format!("GET /pypi/simple/tw-a/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic AAAA"),
            "CONNECT files.example:443 HTTP/1.1\r\nHost: files.example:443".to_owned(),
            "GET http://files.example/x.whl HTTP/1.1\r\nHost: files.example".to_owned(),
        ];
        for head in wrong {
            let answer = ask(port, &head);
            assert!(matches!(status(&answer), "401" | "403"), "{head}: {answer}");
            assert!(!answer.contains("tw_a"), "{head}: {answer}");
        }
        let with_password = gateway.url_with_password("pypi/simple/tw-a/");
        let pair = with_password.strip_prefix("http://").unwrap().split_once('@').unwrap().0;
        use base64::Engine as _;
        let header = format!("\r\nAuthorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let answer =
            get(gateway, &gateway.carry_without_secret("pypi/index", "http://x/").replace("/~/http/x/", ""), &header);
        assert_eq!(status(&answer), "404", "known, and nothing there: {answer}");
        let own = ask(port, &format!("GET /pypi/simple/tw-a/ HTTP/1.1\r\nHost: {host}{header}"));
        assert!(status(&own) == "200" && own.contains("max-age=0") && !own.contains(secret), "{own}");
    });
}

#[test]
fn pages_show_the_plan_and_files_are_those_of_the_plan() {
    let refused = with_gateway(View::Plan, false, |rig, gateway| {
        let json = "\r\nAccept: application/vnd.pypi.simple.v1+json, text/html; q=0.1";
        let page = get(gateway, &gateway.url("pypi/simple/tw-a/"), json);
        assert!(page.contains("tw_a-1.0-py3-none-any.whl") && !page.contains("tw_a-2.0"), "{page}");
        let page = get(gateway, &gateway.url("pypi/simple/Tw_A"), "\r\nAccept: text/html");
        assert!(page.contains("text/html") && page.contains("#sha256=") && !page.contains("tw_a-2.0"), "{page}");
        let file = |name: &str| gateway.carry("pypi/files", &format!("{}/files/{name}", rig.server.url));
        let whole = get(gateway, &file("tw_a-1.0-py3-none-any.whl"), "");
        assert!(whole.contains("PK") && status(&whole) == "200", "{whole}");
        let part = get(gateway, &file("tw_a-1.0-py3-none-any.whl"), "\r\nRange: bytes=0-1");
        assert!(
            status(&part) == "206" && part.ends_with("\r\n\r\nPK") && part.contains("content-range: bytes 0-1/"),
            "{part}"
        );
        let outside = get(gateway, &file("tw_a-1.0-py3-none-any.whl"), "\r\nRange: bytes=99999999-");
        assert_eq!(status(&outside), "416");
        let port = gateway.port();
        let path =
            file("tw_a-1.0-py3-none-any.whl").split_once("127.0.0.1:").unwrap().1.split_once('/').unwrap().1.to_owned();
        let head = ask(port, &format!("HEAD /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}"));
        assert!(status(&head) == "200" && head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "{head}");
        let metadata = get(gateway, &file("tw_a-1.0-py3-none-any.whl.metadata"), "");
        assert!(metadata.contains("Requires-Dist: tw-b"), "{metadata}");
        let written = get(gateway, &file("tw_b-1.0-py3-none-any.whl.metadata"), "");
        assert!(written.contains("Metadata-Version: 2.1\nName: tw-b"), "{written}");
        for name in
            ["tw_a-2.0-py3-none-any.whl", "tw_a-2.0-py3-none-any.whl.metadata", "tw_evil-1.0.tar.gz", "a%0d%0ab"]
        {
            let answer = get(gateway, &file(name), "");
            assert_eq!(status(&answer), "403", "{name}: {answer}");
        }
        let line = get(gateway, &file("tw_a-2.0-py3-none-any.whl"), "");
        assert!(line.starts_with("HTTP/1.1 403 tidewaiter: tw_a 2.0 is not in the cleared plan: published "), "{line}");
        assert_eq!(status(&get(gateway, &gateway.url("pypi/simple/tw-evil/"), "")), "403");
        assert_eq!(status(&get(gateway, &gateway.url("pypi/simple/%2e%2e/"), "")), "404");
    });
    assert!(refused.iter().any(|l| l == "tidewaiter: tw-evil is not in the cleared plan"), "{refused:?}");
    assert!(refused.iter().all(|l| !l.contains(['\r', '\n'])), "{refused:?}");
}

#[test]
fn what_is_handed_out_is_not_held_open_and_may_be_removed_meanwhile() {
    with_gateway(View::Plan, false, |rig, gateway| {
        let file = |name: &str| gateway.carry("pypi/files", &format!("{}/files/{name}", rig.server.url));
        let wheels = ["tw_a-1.0-py3-none-any.whl", "tw_b-1.0-py3-none-any.whl"];
        let store = Store::new(&rig.cache());
        let kept = || -> Vec<PathBuf> {
            let below = |d: PathBuf| std::fs::read_dir(d).into_iter().flatten().flatten().map(|e| e.path());
            let files = below(rig.cache().join("store/sha256")).flat_map(below);
            files.filter(|p| std::fs::read(p).is_ok_and(|bytes| bytes.starts_with(b"PK"))).collect()
        };
        for removed in [false, true, true] {
            if removed {
                store.clear().unwrap();
            }
            for (name, range) in wheels.iter().flat_map(|w| [(w, ""), (w, "\r\nRange: bytes=0-1")]) {
                let answer = get(gateway, &file(name), range);
                assert!(matches!(status(&answer), "200" | "206") && answer.contains("\r\n\r\nPK"), "{name}: {answer}");
            }
        }
        // What was answered while it was fetched is kept a moment later.
        let held = || -> Vec<PathBuf> {
            let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
            let files = open.filter_map(|e| std::fs::read_link(e.path()).ok());
            files.filter(|p| p.starts_with(rig.cache().join("store"))).collect()
        };
        assert!(until(|| kept().len() == wheels.len()), "{:?}", kept());
        assert!(until(|| held().is_empty()), "{:?}", held());
        // What was changed in its place is not cut into parts either.
        for wheel in kept() {
            std::fs::write(wheel, b"PK, and something else").unwrap();
        }
        let part = get(gateway, &file(wheels[0]), "\r\nRange: bytes=2-3");
        assert!(status(&part) == "206" && part.ends_with("\r\n\r\n\u{3}\u{4}"), "fetched again: {part:?}");
    });
}

#[test]
fn a_lockfile_sees_more_and_gets_no_more() {
    with_gateway(View::Lock, false, |rig, gateway| {
        rig.server.python(wheel("tw-windows", "1.0", &[]));
        let page =
            get(gateway, &gateway.url("pypi/simple/tw-windows/"), "\r\nAccept: application/vnd.pypi.simple.v1+json");
        assert!(page.contains("tw_windows-1.0"), "{page}");
        let page = get(gateway, &gateway.url("pypi/simple/tw-a/"), "");
        assert!(!page.contains("tw_a-2.0"), "too young: {page}");
        let file = |name: &str| gateway.carry("pypi/files", &format!("{}/files/{name}", rig.server.url));
        assert_eq!(status(&get(gateway, &file("tw_windows-1.0-py3-none-any.whl.metadata"), "")), "200");
        assert_eq!(status(&get(gateway, &file("tw_windows-1.0-py3-none-any.whl"), "")), "403");
    });
}

#[test]
fn it_is_gone_when_it_is_stopped() {
    let mut port = 0;
    with_gateway(View::Plan, false, |_, gateway| port = gateway.port());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
