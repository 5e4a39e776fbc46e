#![no_main]
use tidewaiter::registry::python_config;

// The first line is the command; the rest is every file that may name an index, at once.
tidewaiter_fuzz::text!(|text| {
    let (line, text) = text.split_once('\n').unwrap_or(("pip install x", text));
    let environment = tidewaiter_fuzz::environment();
    let names = ["/etc/pip.conf", "/home/.config/pip/pip.conf", "/w/uv.toml", "/w/pyproject.toml", "/w/Pipfile"];
    let files = names.into_iter().map(|name| (name, text.as_bytes().to_vec())).collect();
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for invocation in &tidewaiter::invocation::parse(&argv, &environment) {
        let _ = python_config::read(python_config::Sources {
            invocation,
            environment: &environment,
            files: &files as &tidewaiter::model::MemoryFiles,
            prefix: None,
            file_options: &[],
        });
    }
});
