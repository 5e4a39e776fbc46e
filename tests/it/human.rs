//! What a person sees, end to end and whole: one snapshot for each kind of answer, at 80 columns without colour and on
//! a narrow terminal. The line with the time it took, and the plan's digest (the server's port is in it), are left out.

use serde_json::json;

use crate::cli::{Ran, Sandbox};
use crate::support::loopback::{Dist, Loopback};
use crate::support::tools::{home, pip_conf};

const OLD: &str = "2020-01-01T00:00:00Z";
/// A day before the moment that is judged.
const YOUNG: &str = "2024-01-09T00:00:00Z";
const NOW: &str = "2024-01-10T00:00:00Z";

fn world() -> (Loopback, Sandbox) {
    let server = Loopback::start();
    server.python(Dist::wheel("tw-good", "1.0.0").requires(&["tw-dep>=1"]).uploaded(OLD));
    server.python(Dist::wheel("tw-dep", "1.0.0").uploaded(OLD));
    server.python(Dist::wheel("tw-young", "1.0.0").uploaded(OLD));
    server.python(Dist::wheel("tw-young", "2.0.0").uploaded(YOUNG));
    server.python(Dist::wheel("tw-new", "1.0.0").uploaded(YOUNG));
    server.python(Dist::wheel("tw-bad", "1.0.0").uploaded(OLD));
    server.python(Dist::wheel("tw-bad", "1.0.1").uploaded("2020-02-01T00:00:00Z"));
    server.python(Dist::sdist("tw-source", "1.0.0").metadata("2.1", &[]).uploaded(OLD));
    let sandbox = Sandbox::new();
    pip_conf(&sandbox, &server);
    let record = json!({"id": "MAL-2020-1", "modified": "2020-02-02T00:00:00Z", "published": "2020-02-02T00:00:00Z",
        "summary": "steals credentials",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "tw-bad"}, "versions": ["1.0.1"]}]});
    sandbox.write("records/MAL-2020-1.json", record.to_string());
    assert_eq!(sandbox.run(&["advisories", "import", "records"]).status, 0);
    home(&sandbox, ".keep", String::new());
    (server, sandbox)
}

/// The report on these requests, in so many columns.
fn said(requests: &[&str], columns: &str) -> String {
    let (server, sandbox) = world();
    let mut command = sandbox.command(&["check", "--as-of", NOW, "--", "pip", "install"]);
    command.args(requests).env("COLUMNS", columns);
    let ran = Ran::of(command.output().unwrap(), sandbox.dir.path());
    assert!(ran.stderr.is_empty() && !ran.stdout.contains('\u{1b}'), "{ran:#?}");
    let report = ran.stdout.split("\njudged against").next().unwrap();
    let lines = report.lines().filter(|l| !l.starts_with("plan "));
    let text = lines.collect::<Vec<_>>().join("\n").replace(&server.url, "[SERVER]");
    format!("exit status {}\n\n{}\n", ran.status, text.trim_end())
}

#[test]
fn reports_at_eighty_columns_and_on_a_narrow_terminal() {
    for (name, requests) in [
        ("allow", &["tw-good"][..]),
        ("held_back", &["tw-young"]),
        ("ask", &["tw-new", "tw-young==2.0.0"]),
        ("deny_with_a_fix", &["tw-bad==1.0.1"]),
        ("incomplete", &["tw-source"]),
        ("unknown", &["tw-nobody"]),
    ] {
        insta::assert_snapshot!(format!("{name}_80"), said(requests, "80"));
        insta::assert_snapshot!(format!("{name}_40"), said(requests, "40"));
    }
}
