//! npm where no socket may listen: everything that was cleared is put into a cache of its own, and it asks nobody.

use serde_json::json;
use tidewaiter::enforce::{Form, Outcome, tool};

use crate::gateway_npm::{Rig, exists, lines, nothing, with_packages};
use crate::support::loopback::Fault;

const OLD: &str = "2020-01-01T00:00:00Z";

fn run(rig: &Rig, argv: &[&str], between: impl FnOnce(&Rig)) -> Outcome {
    let done = rig.with_job(argv, |job| {
        between(rig);
        tool::run_frozen(job)
    });
    done.outcome.unwrap()
}

fn written(rig: &Rig) -> [String; 3] {
    ["package.json", "package-lock.json", "node_modules/.package-lock.json"].map(|p| rig.read(p))
}

#[test]
fn installs_write_what_bare_ones_write_and_ask_nobody() {
    let Some(rig) = with_packages() else { return };
    rig.server.npm("@acme/c", "1.0.0", OLD, json!({"scripts": {"postinstall": "node -e \"0\""}}));
    rig.server.npm("tw-b", "1.1.0", "2025-12-31T00:00:00Z", json!({}));
    let packages = ["tw-a", "@acme/c"];
    let outcome = run(&rig, &[&["npm", "install"], &packages[..]].concat(), nothing);
    assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{outcome:?}");
    assert_eq!((outcome.form, outcome.said.len()), (Form::Frozen, 0), "{outcome:?}");
    let gated = written(&rig);
    assert!(gated[1].contains(&format!("{}tw-b/-/tw-b-1.0.0.tgz", rig.server.npm_url())), "{}", gated[1]);
    // From the lockfile, with nothing that is heard: what was judged is in the store.
    std::fs::remove_dir_all(rig.work().join("node_modules")).unwrap();
    for verb in ["ci", "install"] {
        let outcome =
            run(&rig, &["npm", verb, "--prefer-online"], |rig| _ = rig.server.always("/npm/", Fault::Status(500)));
        assert_eq!((outcome.ended.status(), lines(&outcome)), (0, vec![]), "{verb}: {outcome:?}");
        assert_eq!(written(&rig), gated, "{verb}");
        rig.server.heal();
        std::fs::remove_dir_all(rig.work().join("node_modules")).unwrap();
    }
    rig.clean();
    rig.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
    let bare = rig.bare(&[&["npm", "install", "--before=2025-06-01"], &packages[..]].concat());
    assert!(bare.status.success(), "{bare:?}");
    assert_eq!(written(&rig), gated);
}

#[test]
fn what_was_not_judged_is_not_to_be_had() {
    let Some(rig) = with_packages() else { return };
    let outcome = run(&rig, &["npm", "install", "tw-a"], |rig| {
        rig.server.always("/npm/tw-b/-/", Fault::BentByte);
    });
    assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
    assert!(outcome.said.iter().any(|s| s.contains("tw-b-1.0.0.tgz is not what was judged")), "{outcome:?}");
    assert!(!exists(&rig.work().join("node_modules/tw-b")));
    // A manifest that was changed meanwhile asks for something that is not there.
    rig.server.heal();
    rig.server.npm("tw-evil", "1.0.0", OLD, json!({}));
    let outcome = run(&rig, &["npm", "install", "tw-a"], |rig| {
        _ = rig.write(
            "package.json",
            "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"tw-evil\": \"1\"}}",
        );
    });
    assert_ne!(outcome.ended.status(), 0, "{outcome:?}");
    assert!(!exists(&rig.work().join("node_modules/tw-evil")));
}

#[test]
fn npx_runs_from_the_same_cache() {
    let Some(rig) = with_packages() else { return };
    let code = "#!/usr/bin/env node\nrequire('fs').writeFileSync('said', require('tw-b'))\n";
    let manifest = json!({"bin": "cli.js", "dependencies": {"tw-b": "1"}});
    rig.server.npm_with("tw-run", "1.0.0", OLD, manifest, &[("cli.js", code)]);
    let outcome = run(&rig, &["npx", "--yes", "tw-run"], nothing);
    assert_eq!((outcome.ended.status(), rig.read("said").as_str()), (0, "b1"), "{outcome:?}");
}
