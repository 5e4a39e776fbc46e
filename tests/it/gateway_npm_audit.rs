//! `npm audit fix` in its plan: the registry's own advisories say what is vulnerable, the plan says what may come instead.

use serde_json::json;
use tidewaiter::enforce::Uncontained;

use crate::gateway_npm::{Rig, lines, nothing, with_packages};

const OLD: &str = "2020-01-01T00:00:00Z";
const BULK: &str = "/npm/-/npm/v1/security/advisories/bulk";

/// `tw-b` 1.0.0 is locked and vulnerable; 1.0.1 is not, and 1.0.2 is too young.
fn vulnerable() -> Option<Rig> {
    let rig = with_packages()?;
    assert!(rig.bare(&["npm", "install", "--no-audit", "tw-a"]).status.success());
    rig.server.npm("tw-b", "1.0.1", OLD, json!({"main": "index.js"}));
    rig.server.npm("tw-b", "1.0.2", "2025-12-31T00:00:00Z", json!({}));
    let advisory = json!({"tw-b": [{
        "id": 1, "url": "https://advisories.example/1", "title": "it is", "severity": "high",
        "vulnerable_versions": "<1.0.1", "cwe": [], "cvss": {"score": 7.0, "vectorString": null},
    }]});
    rig.server.raw(BULK, "application/json", advisory.to_string().into_bytes());
    Some(rig)
}

#[test]
fn it_takes_the_release_that_was_judged() {
    let Some(rig) = vulnerable() else { return };
    let before = rig.read("package-lock.json");
    for dry in [&["npm", "audit", "fix", "--dry-run"][..], &["npm", "audit", "fix", "--force", "--dry-run"]] {
        // It ends with 1, for nothing was mended.
        let bare = rig.bare(dry).status.code().unwrap();
        let outcome = rig.run(dry, nothing);
        assert_eq!((outcome.ended.status(), lines(&outcome)), (bare, vec![]), "{outcome:?}");
        assert_eq!(rig.read("package-lock.json"), before);
    }
    let outcome = rig.run(&["npm", "audit", "fix", "--package-lock-only"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    let fixed = rig.read("package-lock.json");
    assert!(fixed.contains(&format!("{}tw-b/-/tw-b-1.0.1.tgz", rig.server.npm_url())), "{fixed}");
    // Anew: npm itself takes a tree whose lockfile was put back for one that is mended.
    let Some(rig) = vulnerable() else { return };
    let outcome = rig.run(&["npm", "audit", "fix"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert!(rig.read("package-lock.json").contains("tw-b-1.0.1.tgz"));
    assert!(rig.read("node_modules/tw-b/package.json").contains("1.0.1"));
}

#[test]
fn it_goes_no_further_than_the_plan() {
    let Some(rig) = vulnerable() else { return };
    let refused = rig.tried_in(&["npm", "audit", "fix", "--force"], &Uncontained, nothing).unwrap_err();
    assert!(refused.to_string().contains("takes releases that no manifest asks for"), "{refused}");
    // Only the release that is too young would do.
    let worse = json!({"tw-b": [{
        "id": 1, "url": "https://advisories.example/1", "title": "it is", "severity": "high",
        "vulnerable_versions": "<1.0.2", "cwe": [], "cvss": {"score": 7.0, "vectorString": null},
    }]});
    rig.server.raw(BULK, "application/json", worse.to_string().into_bytes());
    let outcome = rig.run(&["npm", "audit", "fix"], nothing);
    assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
    assert!(!rig.read("package-lock.json").contains("1.0.2"));
    // A registry without advisories is an error, as it is without the gate.
    let Some(rig) = with_packages() else { return };
    assert!(rig.bare(&["npm", "install", "--no-audit", "tw-a"]).status.success());
    let outcome = rig.run(&["npm", "audit", "fix"], nothing);
    assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
    assert!(lines(&outcome).iter().any(|l| l.contains("advisories could not be looked up")), "{outcome:?}");
}

#[test]
fn a_registry_is_not_told_of_packages_from_another() {
    let Some(rig) = vulnerable() else { return };
    let other = crate::support::loopback::Loopback::start();
    other.npm("@acme/secret", "1.0.0", OLD, json!({}));
    let own = rig.read("../home/.npmrc");
    rig.write("../home/.npmrc", &format!("{own}@acme:registry={}\n", other.npm_url()));
    assert!(rig.bare(&["npm", "install", "--no-audit", "@acme/secret"]).status.success());
    rig.server.clear_log();
    let outcome = rig.run(&["npm", "audit", "fix"], nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    let posted: Vec<String> = rig
        .server
        .log()
        .iter()
        .filter(|l| l.path == BULK)
        .map(|l| String::from_utf8_lossy(&l.body).into_owned())
        .collect();
    assert!(!posted.is_empty() && posted.iter().all(|p| p.contains("tw-b") && !p.contains("secret")), "{posted:?}");
}
