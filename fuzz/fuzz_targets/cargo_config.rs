#![no_main]
use tidewaiter::registry::cargo_config;

tidewaiter_fuzz::text!(|text| {
    let environment = tidewaiter_fuzz::environment();
    let names = ["/w/.cargo/config.toml", "/home/.cargo/config.toml", "/home/.cargo/credentials.toml"];
    let files = names.into_iter().map(|name| (name, text.as_bytes().to_vec())).collect();
    let argv = ["cargo", "build", "--config", text].map(str::to_owned);
    for invocation in &tidewaiter::invocation::parse(&argv, &environment) {
        let _ = cargo_config::read(cargo_config::Sources {
            invocation,
            environment: &environment,
            files: &files as &tidewaiter::model::MemoryFiles,
            trusted: &|_| false,
        });
    }
});
