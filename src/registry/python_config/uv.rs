//! uv: flags, `UV_*`, `uv.toml` and `[tool.uv]`; the first index that has a project is the only one, unless told
//! otherwise. uv does not read pip's files.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{
    ConfiguredOption, Given, PythonConfig, Reading, UV_SETTINGS, basic, environment, flags, is_true, may_send,
};
use crate::ecosystem::python::script;
use crate::invocation::{FileRole, Tool};
use crate::model::{Diagnostic, Ecosystem, FileError, Location, SettingKind, SettingLayer, normalise_name};
use crate::registry::PYPI_DEFAULT;
use crate::registry::index::{Authenticate, IndexStrategy};
use crate::toolchain::tools;

/// One file's settings.
struct Level {
    table: Table,
    layer: SettingLayer,
    path: PathBuf,
    text: String,
}

/// Settings that hold for every resolution of `uv pip`, and that the resolver reads itself.
const RESOLUTION: [&str; 5] = [
    "constraint-dependencies",
    "override-dependencies",
    "build-constraint-dependencies",
    "extra-build-dependencies",
    "dependency-metadata",
];

pub(super) fn read(sources: Reading<'_>, out: &mut PythonConfig) {
    out.indexes.strategy = IndexStrategy::First;
    let levels = levels(sources, out);
    let pip = sources.invocation.verb.starts_with("pip");
    if pip {
        let told = levels.iter().filter(|l| RESOLUTION.iter().any(|key| l.table.contains_key(*key)));
        out.options.extend(told.map(|level| ConfiguredOption {
            name: UV_SETTINGS.to_owned(),
            value: level.path.display().to_string(),
            layer: level.layer,
            location: Location::file(&level.path),
        }));
    }
    let cwd = sources.environment.cwd.clone();
    let home = sources.environment.home.clone();
    let value = |name: &str| -> Option<Given> {
        let own = flags(sources, &format!("--{name}"), &variable(name)).last().cloned();
        own.or_else(|| levels.iter().find_map(|l| l.text(name, pip)))
    };
    for host in flags(sources, "--allow-insecure-host", "UV_INSECURE_HOST") {
        out.trusted_host("allow-insecure-host", &host);
    }
    for host in levels.iter().flat_map(|l| l.texts("allow-insecure-host", pip)) {
        out.trusted_host("allow-insecure-host", &host);
    }
    for place in flags(sources, "--find-links", "UV_FIND_LINKS") {
        for one in place.value.split([',', ' ']).filter(|p| !p.is_empty()) {
            out.find_links("find-links", &Given { value: one.to_owned(), ..place.clone() }, &cwd, home.as_deref());
        }
    }
    for level in &levels {
        for place in level.texts("find-links", pip) {
            out.find_links("find-links", &place, level.base(), home.as_deref());
        }
    }
    if let Some("unsafe-best-match" | "unsafe-first-match") = value("index-strategy").map(|g| g.value).as_deref() {
        out.indexes.strategy = IndexStrategy::Pool;
    }
    if let Some(timeout) =
        environment(sources, "UV_HTTP_TIMEOUT").or_else(|| environment(sources, "UV_REQUEST_TIMEOUT"))
    {
        out.timeout(timeout);
    }
    pins(&levels, out);
    if value("no-index").is_some_and(|g| is_true(&g.value)) {
        return;
    }
    // Order: --index, [[index]], extra-index-url, and the default last.
    let mut named_default = None;
    for given in flags(sources, "--index", "UV_INDEX") {
        add_named(sources, out, "index", &given, &cwd);
    }
    for level in &levels {
        for table in level.index_tables() {
            let text = |key: &str| table.get(key).and_then(Value::as_str);
            let flag = |key: &str| table.get(key).and_then(Value::as_bool).unwrap_or(false);
            let Some(url) = text("url") else { continue };
            let given =
                Given { value: url.to_owned(), layer: level.layer, location: line_of(&level.path, &level.text, url) };
            let authenticate = text("authenticate").map(str::to_owned);
            if flag("default") {
                let name = text("name").map(str::to_owned);
                named_default.get_or_insert((given, name, authenticate, level.base().to_owned()));
                continue;
            }
            if text("format") == Some("flat") {
                out.find_links("index", &given, level.base(), home.as_deref());
            } else if let Some(at) = out.index("index", &given, SettingKind::ExtraIndex, level.base()) {
                name_index(sources, out, at, text("name"), flag("explicit"), &given);
                authenticates(out, at, authenticate.as_deref());
            }
        }
    }
    for given in flags(sources, "--extra-index-url", "UV_EXTRA_INDEX_URL") {
        out.index("extra-index-url", &given, SettingKind::ExtraIndex, &cwd);
    }
    for level in &levels {
        for given in level.texts("extra-index-url", pip) {
            out.index("extra-index-url", &given, SettingKind::ExtraIndex, level.base());
        }
    }
    let flagged = flags(sources, "--default-index", "UV_DEFAULT_INDEX").last().cloned();
    let flagged = flagged.or_else(|| flags(sources, "--index-url", "UV_INDEX_URL").last().cloned());
    if let Some(given) = flagged {
        add_default(sources, out, &given, &cwd);
    } else if let Some((given, name, authenticate, base)) = named_default {
        if let Some(at) = out.index("index", &given, SettingKind::Index, &base) {
            name_index(sources, out, at, name.as_deref(), false, &given);
            authenticates(out, at, authenticate.as_deref());
        }
    } else if let Some(given) = levels.iter().find_map(|l| l.text("index-url", pip)) {
        add_default(sources, out, &given, &cwd);
    } else {
        out.default_index();
    }
}

fn add_default(sources: Reading<'_>, out: &mut PythonConfig, given: &Given, base: &Path) {
    if given.value.trim_end_matches('/') == PYPI_DEFAULT.trim_end_matches('/') {
        out.default_index();
        return;
    }
    let (name, url) = split_name(&given.value);
    let own = Given { value: url.to_owned(), ..given.clone() };
    if let Some(at) = out.index("default-index", &own, SettingKind::Index, base) {
        name_index(sources, out, at, name, false, given);
    }
}

fn add_named(sources: Reading<'_>, out: &mut PythonConfig, key: &str, given: &Given, base: &Path) {
    let (name, url) = split_name(&given.value);
    let own = Given { value: url.to_owned(), ..given.clone() };
    if let Some(at) = out.index(key, &own, SettingKind::ExtraIndex, base) {
        name_index(sources, out, at, name, false, given);
    }
}

/// `name=https://…`; a URL alone may have `=` in its query.
fn split_name(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, url))
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) =>
        {
            (Some(name), url)
        }
        _ => (None, text),
    }
}

/// Names an index, and gives it `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD`.
fn name_index(
    sources: Reading<'_>,
    out: &mut PythonConfig,
    at: usize,
    name: Option<&str>,
    explicit: bool,
    given: &Given,
) {
    let Some(spec) = out.indexes.indexes.get_mut(at) else { return };
    spec.explicit |= explicit;
    let Some(name) = name else { return };
    spec.name = Some(name.to_owned());
    let url = spec.url.clone();
    let key: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let user = environment(sources, &format!("UV_INDEX_{key}_USERNAME"));
    let password = environment(sources, &format!("UV_INDEX_{key}_PASSWORD"));
    let any = user.is_some() || password.is_some();
    if any && may_send(sources, out, &url, given.layer, &given.location) {
        let authorization = basic(user.unwrap_or_default(), password.unwrap_or_default());
        out.profile.credentials.add_host(&url, authorization);
    }
}

/// What a table of an index says of credentials.
fn authenticates(out: &mut PythonConfig, at: usize, told: Option<&str>) {
    let told = match told {
        Some("always") => Authenticate::Always,
        Some("never") => Authenticate::Never,
        _ => return,
    };
    if let Some(spec) = out.indexes.indexes.get_mut(at) {
        spec.authenticate = told;
    }
}

/// `[tool.uv.sources] foo = { index = "name" }`.
fn pins(levels: &[Level], out: &mut PythonConfig) {
    for level in levels {
        for (name, source) in level.table.get("sources").and_then(Value::as_table).into_iter().flatten() {
            let entries = source.as_array().map_or_else(|| std::slice::from_ref(source), Vec::as_slice);
            // With markers there may be several; the resolver sees the first.
            let index = entries.iter().find_map(|e| e.get("index").and_then(Value::as_str));
            if let Some(index) = index {
                let name = normalise_name(Ecosystem::PyPI, name);
                out.indexes.pinned.entry(name).or_insert_with(|| index.to_owned());
            }
        }
    }
}

fn variable(name: &str) -> String {
    format!("UV_{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl Level {
    /// `[pip]` settings hold for `uv pip` only, and there come first.
    fn get(&self, key: &str, pip: bool) -> Option<&Value> {
        let own = || self.table.get("pip").and_then(|p| p.get(key));
        if pip { own().or_else(|| self.table.get(key)) } else { self.table.get(key) }
    }

    fn given(&self, value: &str) -> Given {
        Given { value: value.to_owned(), layer: self.layer, location: line_of(&self.path, &self.text, value) }
    }

    fn text(&self, key: &str, pip: bool) -> Option<Given> {
        match self.get(key, pip)? {
            Value::String(text) => Some(self.given(text)),
            Value::Boolean(flag) => Some(self.given(if *flag { "true" } else { "false" })),
            _ => None,
        }
    }

    fn texts(&self, key: &str, pip: bool) -> Vec<Given> {
        let list = self.get(key, pip).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(|text| self.given(text)).collect()
    }

    fn index_tables(&self) -> Vec<&Table> {
        self.table.get("index").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect()
    }

    fn base(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }
}

/// The `[tool.uv]` of the scripts that the command names (PEP 723): uv takes it for the project's, and before that.
fn scripts(sources: Reading<'_>, out: &mut PythonConfig) -> Vec<Level> {
    let mut levels = Vec::new();
    for file in sources.invocation.files.iter().filter(|f| f.role == FileRole::Script) {
        let path = sources.environment.absolute(Path::new(&file.path));
        // One that is not there, or has no metadata, is the resolver's to tell.
        let Ok(text) = sources.files.read_text(&path) else { continue };
        let Some(block) = script::metadata(&text) else { continue };
        let Ok(mut table) = block.parse::<Table>() else {
            let message = "the metadata of the script is not TOML, so its indexes are not known".to_owned();
            out.diagnostics.push(Diagnostic::new(Location::file(&path), message));
            continue;
        };
        let own = table.remove("tool").and_then(|mut t| t.as_table_mut().and_then(|t| t.remove("uv")));
        if let Some(Value::Table(table)) = own {
            levels.push(Level { table, layer: SettingLayer::Project, path, text });
        }
    }
    levels
}

/// The script's own settings, the project's file, the user's, the system's: highest precedence first.
fn levels(sources: Reading<'_>, out: &mut PythonConfig) -> Vec<Level> {
    let mut levels = scripts(sources, out);
    let disabled =
        sources.invocation.flag("--no-config").is_some() || environment(sources, "UV_NO_CONFIG").is_some_and(is_true);
    if disabled {
        return levels;
    }
    let named = flags(sources, "--config-file", "UV_CONFIG_FILE").pop();
    if let Some(given) = named {
        let path = sources.environment.absolute(Path::new(&given.value));
        levels.extend(toml_file(sources, out, &path, given.layer));
        return levels;
    }
    // What installs tools for the user reads nothing of the project.
    let of_tools = sources.invocation.tool == Tool::Uvx || sources.invocation.verb.starts_with("tool ");
    let mut found = false;
    for directory in sources.environment.cwd.ancestors().filter(|_| !of_tools) {
        let (own, project) = (directory.join("uv.toml"), directory.join("pyproject.toml"));
        let own = toml_file(sources, out, &own, SettingLayer::Project);
        let mut project = toml_file(sources, out, &project, SettingLayer::Project);
        if let Some(level) = &mut project {
            let tool = level.table.remove("tool").and_then(|mut t| t.as_table_mut().and_then(|t| t.remove("uv")));
            match tool {
                Some(Value::Table(table)) => level.table = table,
                _ => project = None,
            }
        }
        // Of a directory above the nearest only the workspace's root counts: what it pins holds for its members.
        if found {
            let root = project.filter(|level| level.table.contains_key("workspace"));
            if let Some(root) = root {
                levels.push(root);
                break;
            }
            continue;
        }
        if own.is_none() && project.is_none() {
            continue;
        }
        let root = project.as_ref().is_some_and(|level| level.table.contains_key("workspace"));
        // uv.toml wins; `sources` stand only in pyproject.toml.
        match (own, project) {
            (Some(mut own), Some(mut project)) => {
                if let Some(pins) = project.table.remove("sources") {
                    own.table.insert("sources".to_owned(), pins);
                }
                levels.push(own);
            }
            (own, project) => levels.extend(own.or(project)),
        }
        found = true;
        if root {
            break;
        }
    }
    let (user, system) = match sources.environment.os {
        "windows" => {
            (environment(sources, "APPDATA").map(PathBuf::from), environment(sources, "PROGRAMDATA").map(PathBuf::from))
        }
        _ => {
            let home = sources.environment.home.as_ref().map(|h| h.join(".config"));
            (environment(sources, "XDG_CONFIG_HOME").map(PathBuf::from).or(home), Some(PathBuf::from("/etc")))
        }
    };
    for (directory, layer) in [(user, SettingLayer::User), (system, SettingLayer::System)] {
        if let Some(directory) = directory {
            levels.extend(toml_file(sources, out, &directory.join("uv").join("uv.toml"), layer));
        }
    }
    levels.extend(receipts(sources, out));
    levels
}

/// What tools that are brought up to date were installed with, which uv takes last.
fn receipts(sources: Reading<'_>, out: &mut PythonConfig) -> Vec<Level> {
    let all = tools::receipts(sources.invocation, sources.environment, sources.files);
    let read = all.iter().filter_map(|path| toml_file(sources, out, path, SettingLayer::User));
    let options = read.filter_map(|mut level| {
        let tool = level.table.remove("tool")?;
        level.table = tool.get("options")?.as_table()?.clone();
        Some(level)
    });
    options.collect()
}

/// The line that a value stands on, as near as can be told: the first one that has its text. Each value is looked for
/// from the start, so in a text far larger than any real one the file alone is named.
pub(super) fn line_of(path: &Path, text: &str, value: &str) -> Location {
    const LARGEST: usize = 64 << 10;
    let found = if value.is_empty() || text.len() > LARGEST { None } else { text.find(value) };
    match found.and_then(|at| text.get(..at)) {
        Some(before) => {
            let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
            Location::at(path, u32::try_from(line).unwrap_or(u32::MAX), 0)
        }
        None => Location::file(path),
    }
}

/// A TOML file with its text; `None` when there is none, or none that can be read (which is then said).
pub(super) fn read_toml(sources: Reading<'_>, out: &mut PythonConfig, path: &Path) -> Option<(Table, String)> {
    let mut complain = |message: String| out.diagnostics.push(Diagnostic::new(Location::file(path), message));
    let text = match sources.files.read_text(path) {
        Err(FileError::NotFound) => return None,
        Err(e) => {
            complain(e.to_string());
            return None;
        }
        Ok(text) => text,
    };
    match text.parse::<Table>() {
        Ok(table) => Some((table, text)),
        Err(_) => {
            complain("not TOML, so its indexes are not known".to_owned());
            None
        }
    }
}

fn toml_file(sources: Reading<'_>, out: &mut PythonConfig, path: &Path, layer: SettingLayer) -> Option<Level> {
    let (table, text) = read_toml(sources, out, path)?;
    Some(Level { table, layer, path: path.to_owned(), text })
}
