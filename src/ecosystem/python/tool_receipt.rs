//! What uv and pipx note of a tool that they installed into an environment of its own: uv's `uv-receipt.toml`, and pipx's
//! `pipx_metadata.json`. Text in; what was asked for out, in the words that a command line has for it.

use serde_json::Value as Json;
use toml::{Table, Value};

/// What was asked for when a tool was installed, and is asked for again when it is upgraded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The tool itself, first, and what was put beside it.
    pub requirements: Vec<Wanted>,
    /// uv's `--constraints`.
    pub constraints: Vec<Wanted>,
    /// uv's `--overrides`.
    pub overrides: Vec<Wanted>,
    /// What is there and not read, a lower-case fragment each.
    pub unread: Vec<String>,
}

/// The options of a receipt of uv's that say nothing of what is chosen, or that are read as uv's settings are.
const UNDERSTOOD: [&str; 14] = [
    "index",
    "index-url",
    "extra-index-url",
    "no-index",
    "find-links",
    "index-strategy",
    "keyring-provider",
    "allow-insecure-host",
    "link-mode",
    "compile-bytecode",
    "no-cache",
    "no-build-isolation",
    "upgrade",
    "reinstall",
];

/// One requirement.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As `pip install` would take it.
    pub text: String,
    /// Installed in place.
    pub editable: bool,
}

/// Reads `uv-receipt.toml` (uv's `crates/uv-tool/src/tool.rs`).
pub fn uv(text: &str) -> Result<Receipt, String> {
    let table: Table = toml::from_str(text).map_err(|e| format!("not TOML: {}", e.message()))?;
    let Some(tool) = table.get("tool").and_then(Value::as_table) else { return Err("no `tool` table".to_owned()) };
    let mut out = Receipt::default();
    let mut unread = Vec::new();
    let mut all = |key: &str| -> Vec<Wanted> {
        let items = tool.get(key).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| of_uv(item).map_err(|reason| unread.push(reason)).ok()).collect()
    };
    out.requirements = all("requirements");
    out.constraints = all("constraints");
    out.overrides = all("overrides");
    out.unread = unread;
    let options = tool.get("options").and_then(Value::as_table).into_iter().flatten();
    let other = options.filter(|(key, _)| !UNDERSTOOD.contains(&key.as_str()));
    out.unread.extend(other.map(|(key, _)| format!("its option `{key}` is not read")));
    if out.requirements.is_empty() && out.unread.is_empty() {
        return Err("it names no requirement".to_owned());
    }
    Ok(out)
}

fn of_uv(item: &Value) -> Result<Wanted, String> {
    if let Some(text) = item.as_str() {
        return Ok(Wanted { text: text.to_owned(), editable: false });
    }
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let name = text("name").ok_or("a requirement without a name")?;
    let extras = item.get("extras").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let extras: Vec<&str> = extras.collect();
    let named = if extras.is_empty() { name.to_owned() } else { format!("{name}[{}]", extras.join(",")) };
    let marker = text("marker").map(|m| format!(" ; {m}")).unwrap_or_default();
    if let Some(place) = text("editable").or_else(|| text("directory")).or_else(|| text("path")) {
        return Ok(Wanted { text: place.to_owned(), editable: text("editable").is_some() });
    }
    if let Some(url) = text("url") {
        return Ok(Wanted { text: format!("{named} @ {url}{marker}"), editable: false });
    }
    if text("git").is_some() {
        return Err(format!("{name} comes from a repository"));
    }
    Ok(Wanted { text: format!("{named}{}{marker}", text("specifier").unwrap_or_default()), editable: false })
}

/// Reads `pipx_metadata.json` (pipx's `pipx_metadata_file.py`).
pub fn pipx(text: &str) -> Result<Receipt, String> {
    let document: Json = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let injected = document.get("injected_packages").and_then(Json::as_object).into_iter().flatten();
    let main = document.get("main_package").ok_or("it names no package")?;
    let mut out = Receipt::default();
    for package in std::iter::once(main).chain(injected.map(|(_, package)| package)) {
        let text = package.get("package_or_url").or_else(|| package.get("package")).and_then(Json::as_str);
        let text = text.ok_or("a package without a name")?;
        let told = package.get("pip_args").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let told: Vec<&str> = told.collect();
        let editable = told.iter().any(|word| matches!(*word, "--editable" | "-e"));
        // Indexes among them are led to the gateway like any other.
        let plain =
            |word: &&str| matches!(*word, "--editable" | "-e" | "--no-cache-dir" | "--upgrade" | "--force-reinstall");
        if let Some(other) = told.iter().find(|word| !plain(word)) {
            out.unread.push(format!("pip is told `{other}` for {text}"));
        }
        out.requirements.push(Wanted { text: text.to_owned(), editable });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    fn texts(all: &[Wanted]) -> Vec<&str> {
        all.iter().map(|w| w.text.as_str()).collect()
    }

    #[test]
    fn what_uv_notes_becomes_what_was_asked_for() {
        let read = uv(r#"[tool]
requirements = [
    { name = "black", extras = ["d", "jupyter"], specifier = "<26", marker = "python_version > '3.8'" },
    { name = "a", url = "https://h.example/a.whl" },
    { name = "b", editable = "/src/b" },
    { name = "c", directory = "/src/c" },
    { name = "d", git = "https://h.example/d?rev=main" },
    "e>=1",
]
constraints = [{ name = "f", specifier = "==1" }]
overrides = [{ name = "g" }]
entrypoints = []
[tool.options]
index = [{ url = "https://h.example/simple" }]
exclude-newer = "2026-01-01T00:00:00Z"
"#)
        .unwrap();
        assert_eq!(
            texts(&read.requirements),
            ["black[d,jupyter]<26 ; python_version > '3.8'", "a @ https://h.example/a.whl", "/src/b", "/src/c", "e>=1"]
        );
        assert!(read.requirements[2].editable && !read.requirements[3].editable);
        assert_eq!((texts(&read.constraints), texts(&read.overrides)), (vec!["f==1"], vec!["g"]));
        assert_eq!(read.unread, ["d comes from a repository", "its option `exclude-newer` is not read"]);
        for broken in ["", "[tool]\nrequirements = []", "x", "[tool]\n"] {
            assert!(uv(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_pipx_notes_becomes_what_was_asked_for() {
        let read = pipx(
            r#"{"main_package": {"package": "x", "package_or_url": "x<2", "pip_args": []},
                "injected_packages": {"y": {"package_or_url": "./y", "pip_args": ["--editable"]},
                                      "z": {"package": "z", "pip_args": ["--pre"]}}}"#,
        )
        .unwrap();
        assert_eq!(texts(&read.requirements), ["x<2", "./y", "z"]);
        assert!(read.requirements[1].editable);
        assert_eq!(read.unread, ["pip is told `--pre` for z"]);
        assert!(pipx("{}").is_err() && pipx("[").is_err());
    }
}
