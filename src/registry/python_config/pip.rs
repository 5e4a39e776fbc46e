//! pip: `pip.conf` at every level, `PIP_*`, flags, and options inside requirements files (pip's `configuration.py`).

use std::path::{Path, PathBuf};

use super::{ConfiguredOption, Given, PythonConfig, Reading, disclosable, environment, flags, is_true, user_path};
use crate::ecosystem::ini;
use crate::model::{Diagnostic, FileError, Location, SettingKind, SettingLayer};
use crate::registry::PYPI_DEFAULT;
use crate::registry::http::ClientIdentity;

/// One configuration file's options, `[global]` first and the command's own section after it.
struct Level {
    layer: SettingLayer,
    items: Vec<(String, Given)>,
}

pub(super) fn read(sources: Reading<'_>, out: &mut PythonConfig) {
    let levels = levels(sources, out);
    let chosen = |name: &str| -> Vec<Given> {
        // The last level that sets a key has it, lists too; `[install]` beats `[global]` of any level.
        let of = |wanted: bool| {
            levels.iter().rev().find_map(|level| {
                let found = level.items.iter().rev().find(|(key, _)| section_key(key, wanted) == Some(name));
                found.map(|(_, given)| given.clone())
            })
        };
        of(true).or_else(|| of(false)).map(|given| words(&given)).unwrap_or_default()
    };
    // Variables replace what files say; flags replace a single value and add to a list.
    let single = |name: &str| {
        let given = flags(sources, &format!("--{name}"), &variable(name));
        given.last().cloned().or_else(|| chosen(name).last().cloned())
    };
    let list = |name: &str| {
        let given = flags(sources, &format!("--{name}"), &variable(name));
        let replaced = given.iter().any(|g| g.layer == SettingLayer::Environment);
        let mut all = if replaced { Vec::new() } else { chosen(name) };
        all.extend(given);
        all
    };
    options(&levels, out);
    connection(sources, out, single);
    for host in list("trusted-host") {
        out.trusted_host("trusted-host", &host);
    }
    let cwd = &sources.environment.cwd;
    let home = sources.environment.home.as_deref();
    for place in list("find-links") {
        out.find_links("find-links", &place, cwd, home);
    }
    let off = single("no-index").is_some_and(|g| is_true(&g.value));
    if !off {
        match single("index-url") {
            Some(given) if given.value.trim_end_matches('/') != PYPI_DEFAULT.trim_end_matches('/') => {
                out.index("index-url", &given, SettingKind::Index, cwd);
            }
            _ => out.default_index(),
        }
        for given in list("extra-index-url") {
            out.index("extra-index-url", &given, SettingKind::ExtraIndex, cwd);
        }
    }
    requirements(sources, out, off);
}

/// Options inside requirements files: `--index-url` replaces everything so far, the others add.
fn requirements(sources: Reading<'_>, out: &mut PythonConfig, mut off: bool) {
    for option in sources.file_options {
        let mut given = Given {
            value: option.value.clone().unwrap_or_default(),
            layer: SettingLayer::Project,
            location: option.location.clone(),
        };
        let usable = match &option.written {
            Some(written) => disclosable(sources, out, &given.value, written, &option.location),
            None => Some(given.value.clone()),
        };
        let withheld = usable.is_none();
        given.value = usable.unwrap_or_default();
        let base = sources.environment.cwd.as_path();
        match option.name {
            "--index-url" if withheld => {
                out.indexes.indexes.clear();
                off = true;
            }
            _ if withheld => {}
            "--index-url" => {
                out.indexes.indexes.clear();
                off = false;
                out.index("index-url", &given, SettingKind::Index, base);
            }
            "--no-index" => {
                out.indexes.indexes.clear();
                off = true;
            }
            "--extra-index-url" if !off => {
                out.index("extra-index-url", &given, SettingKind::ExtraIndex, base);
            }
            "--find-links" => out.find_links("find-links", &given, base, sources.environment.home.as_deref()),
            "--trusted-host" => out.trusted_host("trusted-host", &given),
            _ => {}
        }
    }
}

fn connection(sources: Reading<'_>, out: &mut PythonConfig, single: impl Fn(&str) -> Option<Given>) {
    let cwd = &sources.environment.cwd;
    let home = sources.environment.home.as_deref();
    if let Some(proxy) = single("proxy") {
        out.profile.proxies.set_all(&proxy.value);
    }
    if let Some(cert) = single("cert") {
        out.profile.roots.only = vec![user_path(&cert.value, cwd, home)];
    }
    if let Some(cert) = single("client-cert") {
        out.profile.identity = Some(ClientIdentity::Files(vec![user_path(&cert.value, cwd, home)]));
    }
    // PIP_DEFAULT_TIMEOUT is an old spelling that pip still reads; `default-timeout` in files too.
    if let Some(timeout) = single("timeout").or_else(|| single("default-timeout")) {
        out.timeout(&timeout.value);
    }
    if let Some(retries) = single("retries").and_then(|g| g.value.trim().parse::<u32>().ok()) {
        out.profile.retries = retries.min(10);
    }
}

/// What files say that is not about indexes and connections.
fn options(levels: &[Level], out: &mut PythonConfig) {
    const OURS: [&str; 12] = [
        "index-url",
        "extra-index-url",
        "find-links",
        "no-index",
        "trusted-host",
        "proxy",
        "cert",
        "client-cert",
        "timeout",
        "default-timeout",
        "retries",
        "isolated",
    ];
    for level in levels {
        for (key, given) in &level.items {
            let name = key.split_once('.').map_or(key.as_str(), |(_, name)| name);
            if OURS.contains(&name) {
                continue;
            }
            for word in words(given) {
                let (name, location) = (format!("--{name}"), word.location);
                out.options.push(ConfiguredOption { name, value: word.value, layer: level.layer, location });
            }
        }
    }
}

fn variable(name: &str) -> String {
    match name {
        "default-timeout" => "PIP_DEFAULT_TIMEOUT".to_owned(),
        _ => format!("PIP_{}", name.to_ascii_uppercase().replace('-', "_")),
    }
}

/// `global.index-url` for the general section, `verb.index-url` for the command's.
fn section_key(key: &str, verb: bool) -> Option<&str> {
    key.strip_prefix(if verb { "verb." } else { "global." })
}

/// pip splits lists at white space.
fn words(given: &Given) -> Vec<Given> {
    let word = |v: &str| Given { value: v.to_owned(), layer: given.layer, location: given.location.clone() };
    given.value.split_ascii_whitespace().map(word).collect()
}

/// The files pip reads, lowest precedence first.
fn levels(sources: Reading<'_>, out: &mut PythonConfig) -> Vec<Level> {
    let isolated =
        sources.invocation.flag("--isolated").is_some() || environment(sources, "PIP_ISOLATED").is_some_and(is_true);
    let named = if isolated { None } else { environment(sources, "PIP_CONFIG_FILE") };
    if named.is_some_and(|n| n == "/dev/null" || n.eq_ignore_ascii_case("nul")) {
        return Vec::new();
    }
    let mut paths: Vec<(SettingLayer, PathBuf)> = Vec::new();
    let name = if sources.environment.os == "windows" { "pip.ini" } else { "pip.conf" };
    paths.extend(system_files(sources, name).into_iter().map(|p| (SettingLayer::System, p)));
    let named = named.map(|n| user_path(n, &sources.environment.cwd, sources.environment.home.as_deref()));
    // A file that is named and exists takes the place of the user's.
    if !isolated && !named.as_ref().is_some_and(|n| sources.files.is_file(n)) {
        paths.extend(user_files(sources, name).into_iter().map(|p| (SettingLayer::User, p)));
    }
    if let Some(prefix) =
        sources.prefix.map(Path::to_owned).or_else(|| environment(sources, "VIRTUAL_ENV").map(Into::into))
    {
        // An environment inside the project is the project's.
        let inside = prefix.starts_with(&sources.environment.cwd);
        let layer = if inside { SettingLayer::Project } else { SettingLayer::User };
        paths.push((layer, prefix.join(name)));
    }
    paths.extend(named.map(|n| (SettingLayer::Environment, n)));
    let verb = sources.invocation.verb.as_str();
    paths.into_iter().filter_map(|(layer, path)| level(sources, out, layer, &path, verb)).collect()
}

fn level(sources: Reading<'_>, out: &mut PythonConfig, layer: SettingLayer, path: &Path, verb: &str) -> Option<Level> {
    let text = match sources.files.read_text(path) {
        Ok(text) => text,
        Err(FileError::NotFound) => return None,
        Err(e) => {
            out.diagnostics.push(Diagnostic::new(Location::file(path), e.to_string()));
            return None;
        }
    };
    let items = ini::python(&text)
        .into_iter()
        .filter_map(|item| {
            let section = match item.section.as_str() {
                "global" => "global",
                s if s == verb => "verb",
                _ => return None,
            };
            let key = item.key.to_ascii_lowercase().replace('_', "-");
            let key = key.trim_start_matches("--");
            let given = Given { value: item.value, layer, location: Location::at(path, item.line, 1) };
            Some((format!("{section}.{key}"), given))
        })
        .collect();
    Some(Level { layer, items })
}

fn system_files(sources: Reading<'_>, name: &str) -> Vec<PathBuf> {
    match sources.environment.os {
        "windows" => {
            environment(sources, "PROGRAMDATA").map(|d| Path::new(d).join("pip").join(name)).into_iter().collect()
        }
        "macos" => vec![Path::new("/Library/Application Support/pip").join(name)],
        _ => {
            let dirs = environment(sources, "XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
            let xdg = dirs.split(':').filter(|d| !d.is_empty()).map(|d| Path::new(d).join("pip").join(name));
            xdg.chain([Path::new("/etc").join(name)]).collect()
        }
    }
}

fn user_files(sources: Reading<'_>, name: &str) -> Vec<PathBuf> {
    let Some(home) = &sources.environment.home else { return Vec::new() };
    match sources.environment.os {
        "windows" => {
            let roaming =
                environment(sources, "APPDATA").map_or_else(|| home.join("AppData").join("Roaming"), Into::into);
            vec![home.join("pip").join(name), roaming.join("pip").join(name)]
        }
        os => {
            let legacy = home.join(".pip").join(name);
            let config = environment(sources, "XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
            let own = config.join("pip").join(name);
            let library = home.join("Library/Application Support/pip");
            // On macOS the library's directory is used when it exists.
            let modern = if os == "macos" && sources.files.is_dir(&library) { library.join(name) } else { own };
            vec![legacy, modern]
        }
    }
}
