//! The tools as their users configure and call them, and a small world for them to ask about.

use serde_json::{Value, json};

use super::loopback::{Dist, Loopback};
use crate::cli::{Ran, Sandbox};

/// Young for any test that runs in this decade and the next.
pub fn yesterday() -> String {
    (tidewaiter::model::Timestamp::now() - std::time::Duration::from_secs(86_400)).to_string()
}

/// A tool's command line, and the configuration that points it at a server.
pub struct Tool {
    pub ecosystem: &'static str,
    pub words: &'static [&'static str],
    pub configure: fn(&Sandbox, &Loopback),
}

pub fn home(sandbox: &Sandbox, path: &str, text: String) {
    sandbox.write(&format!("../home/{path}"), text);
}

pub fn npmrc(sandbox: &Sandbox, server: &Loopback) {
    home(sandbox, ".npmrc", format!("registry={}\n", server.npm_url()));
}

pub fn cargo_home(sandbox: &Sandbox, server: &Loopback) {
    let text = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nregistry = \"sparse+{}\"\n",
        server.index()
    );
    home(sandbox, ".cargo/config.toml", text);
    sandbox.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
}

pub fn pip_conf(sandbox: &Sandbox, server: &Loopback) {
    let text = format!("[global]\nindex-url = {}\ntimeout = 5\nretries = 0\n", server.simple());
    home(sandbox, ".config/pip/pip.conf", text);
}

pub fn uv_toml(sandbox: &Sandbox, server: &Loopback) {
    home(sandbox, ".config/uv/uv.toml", format!("[[index]]\nurl = \"{}\"\ndefault = true\n", server.simple()));
}

pub const TOOLS: &[Tool] = &[
    Tool { ecosystem: "PyPI", words: &["pip", "install"], configure: pip_conf },
    Tool { ecosystem: "PyPI", words: &["uv", "pip", "install"], configure: uv_toml },
    Tool { ecosystem: "npm", words: &["npm", "install"], configure: npmrc },
    Tool { ecosystem: "npm", words: &["npx"], configure: npmrc },
    Tool { ecosystem: "npm", words: &["pnpm", "add"], configure: npmrc },
    Tool { ecosystem: "npm", words: &["yarn", "add"], configure: npmrc },
    Tool { ecosystem: "crates.io", words: &["cargo", "add"], configure: cargo_home },
    Tool { ecosystem: "crates.io", words: &["cargo", "install"], configure: cargo_home },
];

/// The same small world in each ecosystem.
pub fn serve(server: &Loopback) {
    let young = yesterday();
    for name in ["tw-good", "tw-young", "tw-dep"] {
        let requires: &[&str] = if name == "tw-good" { &["tw-dep>=1"] } else { &[] };
        server.python(Dist::wheel(name, "1.0.0").requires(requires));
        let dependencies = if name == "tw-good" { json!({"tw-dep": "^1.0.0"}) } else { json!({}) };
        server.npm(name, "1.0.0", "2020-01-01T00:00:00Z", json!({"dependencies": dependencies, "bin": "x.js"}));
        let deps = if name == "tw-good" {
            json!([{"name": "tw-dep", "req": "^1.0.0", "features": [], "optional": false, "default_features": true,
                    "target": null, "kind": "normal"}])
        } else {
            json!([])
        };
        server.krate(name, "1.0.0", json!({"deps": deps, "pubtime": "2020-01-01T00:00:00Z"}), &[("src/lib.rs", "")]);
    }
    server.python(Dist::wheel("tw-young", "2.0.0").uploaded(&young));
    server.npm("tw-young", "2.0.0", &young, json!({"bin": "x.js"}));
    server.krate("tw-young", "2.0.0", json!({"pubtime": young}), &[("src/lib.rs", "")]);
    server.python(Dist::wheel("tw-new", "1.0.0").uploaded(&young));
    server.npm("tw-new", "1.0.0", &young, json!({"bin": "x.js"}));
    server.krate("tw-new", "1.0.0", json!({"pubtime": young}), &[("src/lib.rs", "")]);
}

pub fn request(tool: &Tool, name: &str, version: Option<&str>) -> String {
    match version {
        None => name.to_owned(),
        Some(v) if tool.ecosystem == "PyPI" => format!("{name}=={v}"),
        Some(v) if tool.ecosystem == "npm" => format!("{name}@{v}"),
        Some(v) => format!("{name}@={v}"),
    }
}

pub fn check(sandbox: &Sandbox, options: &[&str], words: &[&str]) -> Ran {
    sandbox.run(&[&["check"], options, &["--"], words].concat())
}

pub fn judge(sandbox: &Sandbox, tool: &Tool, options: &[&str], name: &str, version: Option<&str>) -> (Ran, Value) {
    let request = request(tool, name, version);
    let words: Vec<&str> = tool.words.iter().copied().chain([request.as_str()]).collect();
    let ran = check(sandbox, &[&["--format", "json"], options].concat(), &words);
    assert!(!ran.stderr.contains("panicked"), "{words:?}: {ran:?}");
    let document = ran.json();
    (ran, document)
}

pub fn fresh(tool: &Tool, server: &Loopback) -> Sandbox {
    let sandbox = Sandbox::new();
    (tool.configure)(&sandbox, server);
    if tool.ecosystem == "npm" {
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}");
    }
    sandbox
}

pub fn purls(document: &Value) -> Vec<&str> {
    let packages = document["plan"]["packages"].as_array().unwrap();
    let coming = packages.iter().filter(|p| p["source"]["kind"] != "workspace");
    coming.map(|p| p["purl"].as_str().unwrap()).collect()
}
