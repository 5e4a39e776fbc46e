#![no_main]
use tidewaiter::registry::npm_config;

// The first line is the command; the rest is `.npmrc`, `.yarnrc.yml` and `bunfig.toml` at once.
tidewaiter_fuzz::text!(|text| {
    let (line, text) = text.split_once('\n').unwrap_or(("npm ci", text));
    let environment = tidewaiter_fuzz::environment();
    let names = ["/w/.npmrc", "/home/.npmrc", "/w/.yarnrc.yml", "/w/bunfig.toml", "/w/pnpm-workspace.yaml"];
    let files = names.into_iter().map(|name| (name, text.as_bytes().to_vec())).collect();
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for invocation in &tidewaiter::invocation::parse(&argv, &environment) {
        let _ = npm_config::read(npm_config::Sources {
            invocation,
            environment: &environment,
            files: &files as &tidewaiter::model::MemoryFiles,
            prefix: None,
            trusted: &|_| false,
        });
    }
});
