#![no_main]
use std::path::PathBuf;
use std::sync::Arc;

use tidewaiter::advisories::Database;
use tidewaiter::judge::{Judge, Via};
use tidewaiter::policy::{self, Policy};
use tidewaiter::report;

// argv split on NUL, then files and registry answers: `argv \x1e path \x1f content \x1e …`.
tidewaiter_fuzz::bytes!(|data| {
    let mut parts = data.split(|b| *b == b'\x1e');
    let Ok(line) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let files = Arc::new(tidewaiter_fuzz::files(parts));
    let environment = tidewaiter_fuzz::environment();
    let loaded = policy::load(&environment, &*files, None, &tidewaiter::rules::infos());
    let advisories = Database::embedded_only(environment.now);
    let registries = tidewaiter_fuzz::Registries(Arc::clone(&files));
    let judge = Judge {
        environment: &environment,
        files: &*files,
        advisories: &advisories,
        policy: &loaded.policy as &Policy,
        world: &registries,
        as_of: None, said: None,
    };
    let argv: Vec<String> = line.split('\0').map(str::to_owned).collect();
    let command = judge.command(&argv, &tidewaiter::invocation::parse(&argv, &environment), Via::Argv);
    let audit = judge.audit(&[PathBuf::from("/w")]);
    for judgement in [command, audit] {
        let text = report::human::render(&judgement, report::human::Style { colour: true, width: 80, verbose: true });
        assert!(!text.contains('\u{7}') && !text.contains('\r'), "control characters reach the terminal");
        let json = report::json::render(&judgement);
        assert!(json.is_ascii() || !json.contains('\u{1b}'));
    }
});
