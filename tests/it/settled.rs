//! Installs that a hook cleared just now: the same answer without judging again, and never for anything that changed.
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::cli::{Ran, Sandbox};
use crate::support::loopback::Loopback;
use crate::support::tools::{npmrc, serve};

static SESSIONS: AtomicU32 = AtomicU32::new(0);

struct Project {
    server: Loopback,
    sandbox: Sandbox,
}

impl Project {
    /// A locked project whose install is cleared, judged twice: with the registry's answers kept, the second is noted.
    fn settled() -> Self {
        let server = Loopback::start();
        serve(&server);
        let project = Self { server, sandbox: Sandbox::new() };
        npmrc(&project.sandbox, &project.server);
        let lock = project.lock(&project.server.npm_url());
        project.sandbox.write(
            "package.json",
            json!({"name": "app", "version": "1.0.0", "dependencies": {"tw-good": "1.0.0"}}).to_string(),
        );
        project.sandbox.write("package-lock.json", lock);
        let first = project.ask(&[]);
        assert_eq!((first.status, first.stdout.as_str()), (0, ""), "{first:?}");
        assert!(project.notes().is_empty(), "what asked the network is not noted");
        let second = project.ask(&[]);
        assert_eq!((second.stdout, second.stderr), (first.stdout, first.stderr));
        assert_eq!(project.notes().len(), 1);
        project
    }

    fn lock(&self, base: &str) -> String {
        let entry = |name: &str, dependencies: Value| json!({"version": "1.0.0", "resolved": format!("{base}{name}/-/{name}-1.0.0.tgz"), "dependencies": dependencies});
        json!({"name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "app", "version": "1.0.0", "dependencies": {"tw-good": "1.0.0"}},
            "node_modules/tw-good": entry("tw-good", json!({"tw-dep": "^1.0.0"})),
            "node_modules/tw-dep": entry("tw-dep", json!({})),
        }})
        .to_string()
    }

    fn ask(&self, variables: &[(&str, &str)]) -> Ran {
        // A session of its own each time: one that was refused often is stopped.
        let session = SESSIONS.fetch_add(1, Ordering::Relaxed).to_string();
        let payload = json!({"hook_event_name": "PreToolUse", "tool_name": "Bash", "session_id": session, "cwd": self.sandbox.work(),
            "tool_input": {"command": "npm ci"}});
        let mut command = self.sandbox.command(&["hook", "claude-code"]);
        command.envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), payload.to_string().as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap(), self.sandbox.dir.path())
    }

    fn word(&self, variables: &[(&str, &str)]) -> String {
        let ran = self.ask(variables);
        assert_eq!(ran.status, 0, "{ran:?}");
        if ran.stdout.is_empty() {
            return "none".to_owned();
        }
        let said: Value = serde_json::from_str(&ran.stdout).unwrap();
        said["hookSpecificOutput"]["permissionDecision"].as_str().unwrap().to_owned()
    }

    fn directory(&self) -> PathBuf {
        self.sandbox.dir.path().join("home/.local/share/tidewaiter/settled")
    }

    /// The notes, each with the number of its file: one that is written anew has another.
    fn notes(&self) -> Vec<(PathBuf, u64)> {
        let mut out: Vec<_> = std::fs::read_dir(self.directory())
            .into_iter()
            .flatten()
            .map(|e| (e.as_ref().unwrap().path(), e.unwrap().metadata().unwrap().ino()))
            .collect();
        out.sort();
        out
    }
}

#[test]
fn nothing_changed_is_answered_the_same_without_judging() {
    let project = Project::settled();
    let notes = project.notes();
    project.server.clear_log();
    let with = project.ask(&[]);
    assert_eq!(project.notes(), notes, "the note was taken");
    std::fs::remove_dir_all(project.directory()).unwrap();
    let without = project.ask(&[]);
    assert_eq!((with.status, with.stdout, with.stderr), (without.status, without.stdout, without.stderr));
    assert_eq!(project.notes().len(), 1, "and made again");
    assert!(project.server.paths().is_empty());
    let about = std::fs::metadata(&project.notes()[0].0).unwrap();
    let directory = std::fs::metadata(project.directory()).unwrap();
    assert_eq!((about.mode() & 0o777, directory.mode() & 0o777), (0o600, 0o700));
}

#[test]
fn whatever_changes_is_judged_again() {
    let project = Project::settled();
    let sandbox = &project.sandbox;
    let lock = project.lock(&project.server.npm_url());
    let manifest = std::fs::read_to_string(sandbox.work().join("package.json")).unwrap();
    let none = "none";
    // Each answer is the one that is given without notes, to the byte.
    let same = |variables: &[(&str, &str)]| {
        let (with, word) = (project.ask(variables), project.word(variables));
        let _ = std::fs::remove_dir_all(project.directory());
        let without = project.ask(variables);
        assert_eq!((with.status, with.stdout, with.stderr), (without.status, without.stdout, without.stderr));
        word
    };
    // The lockfile, to the byte; and an URL of it that leads elsewhere.
    sandbox.write("package-lock.json", format!("{lock}\n"));
    let notes = project.notes();
    assert_eq!(project.word(&[]), none);
    assert_ne!(project.notes(), notes, "judged, and noted anew");
    sandbox.write("package-lock.json", project.lock("https://evil.example/"));
    assert_eq!(same(&[]), "deny");
    sandbox.write("package-lock.json", &lock);
    assert_eq!(same(&[]), none);
    // The manifest.
    sandbox.write("package.json", manifest.replace("\"1.0.0\"}", "\"1.0.0\", \"tw-nobody\": \"1.0.0\"}"));
    same(&[]);
    sandbox.write("package.json", &manifest);
    assert_eq!(same(&[]), none);
    // A file that was not there: the project's own configuration.
    sandbox.write(".npmrc", "registry=https://evil.example/\n");
    assert_ne!(same(&[]), none);
    std::fs::remove_file(sandbox.work().join(".npmrc")).unwrap();
    assert_eq!(same(&[]), none);
    // The environment.
    assert_ne!(same(&[("npm_config_strict_ssl", "false")]), none);
    assert_ne!(same(&[("npm_config_registry", "https://evil.example/")]), none);
    assert_eq!(same(&[]), none);
    // The policy: one that cannot be used stops installs.
    sandbox.write("../home/.config/tidewaiter/policy.toml", "version = 9\n");
    assert_eq!(same(&[]), "deny");
    std::fs::remove_file(sandbox.work().join("../home/.config/tidewaiter/policy.toml")).unwrap();
    assert_eq!(same(&[]), none);
    // What is known of the package.
    let record = json!({"id": "MAL-2020-1", "modified": "2020-01-02T00:00:00Z", "published": "2020-01-02T00:00:00Z",
        "affected": [{"package": {"ecosystem": "npm", "name": "tw-dep"}, "versions": ["1.0.0"]}]});
    sandbox.write("records/MAL-2020-1.json", record.to_string());
    assert_eq!(sandbox.run(&["advisories", "import", "records"]).status, 0);
    assert_eq!(same(&[]), "deny");
}

#[test]
fn what_the_registry_says_now_counts() {
    let project = Project::settled();
    // Another release has taken the place of the one that is locked, and another command has seen it.
    let gone = json!({"_id": "tw-dep", "name": "tw-dep", "dist-tags": {"latest": "2.0.0"}, "versions": {"2.0.0": {"name": "tw-dep",
        "version": "2.0.0", "dist": {}}}, "time": {"2.0.0": "2020-01-01T00:00:00Z"}});
    project.server.raw("/npm/tw-dep", "application/json", gone.to_string().into_bytes());
    assert_eq!(project.word(&[]), "none", "nobody asked again");
    std::fs::remove_dir_all(project.sandbox.dir.path().join("home/.cache/tidewaiter")).unwrap();
    assert_eq!(project.word(&[]), "deny");
    assert_eq!(project.word(&[]), "deny");
}

#[test]
fn a_note_that_another_could_have_written_is_not_believed() {
    let project = Project::settled();
    let again = |change: &dyn Fn(&PathBuf)| {
        let before = project.notes();
        change(&before[0].0);
        assert_eq!(project.word(&[]), "none");
        let after = project.notes();
        assert_ne!(before, after, "judged, and noted anew");
        // And then it holds.
        assert_eq!(project.word(&[]), "none");
        assert_eq!(project.notes(), after);
    };
    let mode =
        |path: &PathBuf, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    again(&|note| mode(note, 0o660));
    again(&|note| mode(note, 0o606));
    again(&|note| {
        let mut bytes = std::fs::read(note).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(note, bytes).unwrap();
    });
    again(&|note| std::fs::write(note, b"").unwrap());
    // A link to the very same.
    let aside = project.sandbox.work().join("aside");
    again(&|note| {
        std::fs::rename(note, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, note).unwrap();
    });
    // In a directory that others may write to nothing is believed, whatever it is.
    mode(&project.directory(), 0o770);
    for _ in 0..2 {
        let before = project.notes();
        assert_eq!(project.word(&[]), "none");
        assert_ne!(project.notes(), before);
    }
}
