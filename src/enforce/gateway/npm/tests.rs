//! Names, paths and documents, without a socket.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use serde_json::json;

use super::*;
use crate::model::{Artifact, ArtifactKind, Digest, DigestAlgorithm, PackageId};

fn name(text: &str) -> PackageName {
    PackageName::new(Ecosystem::Npm, text)
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes(DigestAlgorithm::Sha512, &[byte; 64]).unwrap()
}

fn planned(package: &str, version: &str, url: &str, byte: u8) -> Planned {
    let artifact = Artifact {
        kind: ArtifactKind::Tgz,
        filename: "x.tgz".to_owned(),
        url: url.to_owned(),
        digests: vec![digest(byte)],
        size: None,
        published_at: None,
    };
    Planned { package: PackageId::new(name(package), version), artifact }
}

fn manifest(version: &str, byte: u8) -> Value {
    json!({"name": "a", "version": version, "dependencies": {"b": "^1"}, "zeta": 1, "alpha": {"y": 1, "x": 2},
           "dist": {"tarball": format!("https://h/a/-/a-{version}.tgz"), "integrity": digest(byte).sri()}})
}

#[test]
fn only_the_plan_is_shown_and_nothing_else_is_altered() {
    let closed = Closed::of([planned("a", "1.0.0", "u", 1), planned("a", "1.1.0", "u", 2)]);
    let document = json!({"_id": "a", "name": "a", "readme": "long", "dist-tags": {"latest": "2.0.0", "old": "1.0.0", "next": "0.1.0"},
        "versions": {"1.0.0": manifest("1.0.0", 1), "1.1.0": manifest("1.1.0", 2), "2.0.0": manifest("2.0.0", 3)},
        "time": {"created": "2020-01-01T00:00:00Z", "1.0.0": "2020-01-01T00:00:00Z", "2.0.0": "2026-01-01T00:00:00Z"}});
    let (body, gone) = filter(document.to_string().as_bytes(), &name("a"), &closed, None).unwrap();
    assert!(gone.is_empty());
    let expected = json!({"_id": "a", "name": "a", "dist-tags": {"latest": "1.1.0", "old": "1.0.0"},
        "versions": {"1.0.0": manifest("1.0.0", 1), "1.1.0": manifest("1.1.0", 2)},
        "time": {"created": "2020-01-01T00:00:00Z", "1.0.0": "2020-01-01T00:00:00Z"}});
    assert_eq!(serde_json::Value::Object(body).to_string(), expected.to_string());
}

#[test]
fn what_changed_after_it_was_judged_is_not_shown() {
    let closed = Closed::of([planned("a", "1.0.0", "u", 1)]);
    let judged = packument::read(
        json!({"name": "a", "versions": {"1.0.0": manifest("1.0.0", 1)}}).to_string().as_bytes(),
        &name("a"),
    );
    let judged = judged.unwrap();
    let see = |manifest: Value| {
        let document =
            json!({"name": "a", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": manifest}}).to_string();
        filter(document.as_bytes(), &name("a"), &closed, Some(&judged)).unwrap()
    };
    assert!(see(manifest("1.0.0", 1)).1.is_empty());
    assert_eq!(see(manifest("1.0.0", 9)).1, ["1.0.0"], "another digest");
    let mut other = manifest("1.0.0", 1);
    other["dependencies"]["evil"] = json!("1");
    let (body, gone) = see(other);
    assert_eq!(gone, ["1.0.0"], "another dependency");
    assert!(!serde_json::Value::Object(body).to_string().contains("evil"));
}

#[test]
fn tags_stand_for_what_the_plan_has() {
    let versions = ["1.0.0", "1.2.0", "2.0.0-rc.1"].map(str::to_owned);
    for (tag, tagged, expected) in [
        ("latest", "1.2.0", Some("1.2.0")),
        ("latest", "9.0.0", Some("1.2.0")),
        ("latest", "0.1.0", Some("1.2.0")),
        ("latest", "1.1.0", Some("1.0.0")),
        ("next", "2.0.0-rc.1", Some("2.0.0-rc.1")),
        ("next", "0.1.0", None),
        ("odd", "no version", None),
    ] {
        assert_eq!(stand_in(tag, tagged, &versions).as_deref(), expected, "{tag} {tagged}");
    }
    assert_eq!(stand_in("latest", "1.0.0", &[]), None);
}

#[test]
fn paths_name_packages() {
    for (path, expected) in [
        ("a", ("a", None)),
        ("a/1.0.0", ("a", Some("1.0.0"))),
        ("@s/a", ("@s/a", None)),
        ("@s/a/latest", ("@s/a", Some("latest"))),
        ("@s", ("@s", None)),
        ("", ("", None)),
    ] {
        assert_eq!(split_name(path), expected, "{path}");
    }
    assert!(allows(&[], "linux") && allows(&["linux".to_owned()], "linux") && allows(&["!win32".to_owned()], "linux"));
    assert!(!allows(&["darwin".to_owned()], "linux") && !allows(&["!linux".to_owned()], "linux"));
}

proptest::proptest! {
    #[test]
    fn any_answer_is_read_or_refused(body in "[\\[\\]{}\":,a0-9.]{0,60}", path in "[@/a.%-]{0,20}") {
        let closed = Closed::of([planned("a", "1.0.0", "u", 1)]);
        let _ = filter(body.as_bytes(), &name("a"), &closed, None);
        let _ = split_name(&path);
    }
}
