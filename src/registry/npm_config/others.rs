//! What pnpm, yarn and bun read beside `.npmrc`: `pnpm-workspace.yaml`, `.yarnrc`, `.yarnrc.yml`, `bunfig.toml`. Only
//! the keys that say where packages come from, what may be sent there, and what runs.

use std::path::Path;

use saphyr_parser::{Event, Parser};
use toml::Value;

use super::{Given, NpmConfig, Sources, project_roots};
use crate::ecosystem::ini;
use crate::model::{Diagnostic, FileError, Location, Setting, SettingKind, SettingLayer, redact_url};

/// Documents with more values than this are not read further.
const VALUES_MAX: usize = 20_000;
/// Deeper values are not read.
const DEPTH_MAX: usize = 32;

fn text_of(sources: Sources<'_>, out: &mut NpmConfig, path: &Path) -> Option<String> {
    match sources.files.read_text(path) {
        Ok(text) => Some(text),
        Err(FileError::NotFound) => None,
        Err(e) => {
            out.diagnostics.push(Diagnostic::new(Location::file(path), e.to_string()));
            None
        }
    }
}

/// A given value with `${VAR}` replaced (yarn also knows `${VAR-default}` and `${VAR:-default}`).
fn given(sources: Sources<'_>, key: &str, value: &str, layer: SettingLayer, location: Location) -> Given {
    let (text, _) = ini::expand(value, &sources.environment.variables);
    let expanded = text != value;
    Given { key: key.to_owned(), value: text, layer, location, expanded, written: value.to_owned() }
}

/// The scalars of a YAML document by their path of keys (`[]` for an item of a list), with the line of each. Aliases stand for nothing here.
fn scalars(text: &str) -> Result<Vec<(Vec<String>, String, u32)>, String> {
    enum Level {
        Map(Option<String>),
        List,
    }
    let mut out = Vec::new();
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| e.to_string())?;
        let scalar = match &event {
            Event::Scalar(value, ..) => Some(value.to_string()),
            Event::Alias(..) => Some(String::new()),
            _ => None,
        };
        if let Some(value) = scalar {
            match levels.last_mut() {
                Some(Level::Map(key @ None)) => *key = Some(value),
                Some(level) => {
                    let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
                    let last = match level {
                        Level::Map(key) => key.take(),
                        Level::List => Some("[]".to_owned()),
                    };
                    let above = levels.iter().filter_map(|l| match l {
                        Level::Map(key) => key.clone(),
                        Level::List => None,
                    });
                    out.push((above.chain(last).collect(), value, line));
                }
                None => {}
            }
        } else {
            match event {
                Event::MappingStart(..) => levels.push(Level::Map(None)),
                Event::SequenceStart(..) => levels.push(Level::List),
                Event::MappingEnd | Event::SequenceEnd => {
                    levels.pop();
                    // What ended was the value of the key before it.
                    if let Some(Level::Map(key)) = levels.last_mut() {
                        *key = None;
                    }
                }
                _ => {}
            }
        }
        if out.len() > VALUES_MAX || levels.len() > DEPTH_MAX {
            return Err("it is too large or too deep".to_owned());
        }
    }
    Ok(out)
}

fn yaml(sources: Sources<'_>, out: &mut NpmConfig, path: &Path) -> Vec<(Vec<String>, String, Location)> {
    let Some(text) = text_of(sources, out, path) else { return Vec::new() };
    if text.len() > 1 << 20 {
        out.diagnostics
            .push(Diagnostic::new(Location::file(path), "larger than 1 MiB, so its registries are not known"));
        return Vec::new();
    }
    match scalars(&text) {
        Ok(found) => found.into_iter().map(|(keys, value, line)| (keys, value, Location::at(path, line, 0))).collect(),
        Err(_) => {
            out.diagnostics.push(Diagnostic::new(Location::file(path), "not YAML, so its registries are not known"));
            Vec::new()
        }
    }
}

/// pnpm: `pnpm-workspace.yaml` holds settings of the project in camelCase.
pub(super) fn pnpm(sources: Sources<'_>, out: &mut NpmConfig, all: &mut Vec<Given>) {
    for root in project_roots(sources) {
        // A program of the project's that pnpm runs while it resolves, and that may change what it resolves to.
        for name in [".pnpmfile.cjs", ".pnpmfile.mjs"] {
            let path = root.join(name);
            if sources.files.is_file(&path) {
                out.settings.push(Setting {
                    kind: SettingKind::Program,
                    key: "pnpmfile".to_owned(),
                    value: name.to_owned(),
                    layer: SettingLayer::Project,
                    location: Location::file(path),
                });
            }
        }
        for (keys, value, location) in yaml(sources, out, &root.join("pnpm-workspace.yaml")) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let key = match keys.as_slice() {
                ["registry"] | ["registries", "default"] => "registry".to_owned(),
                ["registries", scope] => format!("{scope}:registry"),
                // A list of programs is as many of them (`pnpmfile: [a.cjs]`).
                [key] | [key, "[]"] => kebab(key),
                _ => continue,
            };
            all.push(given(sources, &key, &value, SettingLayer::Project, location));
        }
    }
}

/// Corepack runs the package manager that `packageManager` of the nearest package.json names. A version comes from the
/// registry, with or without a digest; a URL is a program from anywhere.
pub(super) fn package_manager(sources: Sources<'_>, out: &mut NpmConfig) {
    const LARGEST: usize = 4 << 20;
    let files = sources.environment.cwd.ancestors().map(|d| d.join("package.json"));
    let Some(path) = files.into_iter().find(|p| sources.files.is_file(p)) else { return };
    let Some(text) = text_of(sources, out, &path).filter(|t| t.len() <= LARGEST) else { return };
    // What cannot be read is said by whoever resolves the manifest.
    let Ok(manifest) = serde_json::from_str::<serde_json::Value>(&text) else { return };
    let own = manifest.get("packageManager").and_then(serde_json::Value::as_str);
    let engine = || manifest.pointer("/devEngines/packageManager/version").and_then(serde_json::Value::as_str);
    let Some(named) = own.filter(|n| n.contains("://")).or_else(|| engine().filter(|n| n.contains("://"))) else {
        return;
    };
    let line = text.find("\"packageManager\"").and_then(|at| text.get(..at)).map_or(0, |t| t.matches('\n').count() + 1);
    out.settings.push(Setting {
        kind: SettingKind::Program,
        key: "packageManager".to_owned(),
        value: redact_url(named),
        layer: SettingLayer::Project,
        location: Location::at(&path, u32::try_from(line).unwrap_or(u32::MAX), 0),
    });
}

fn kebab(key: &str) -> String {
    key.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
        out
    })
}

/// yarn: `.yarnrc` (classic) and `.yarnrc.yml` (berry), the user's and then those from the root down to the project.
pub(super) fn yarn(sources: Sources<'_>, out: &mut NpmConfig, all: &mut Vec<Given>) {
    let home = sources.environment.home.iter().map(|h| (SettingLayer::User, h.clone()));
    let above: Vec<_> = sources.environment.cwd.ancestors().collect();
    let project = above.into_iter().rev().map(|d| (SettingLayer::Project, d.to_owned()));
    let places: Vec<_> = home.chain(project).collect();
    // berry's name for its own file, in each of these directories.
    let named = sources.environment.variable("YARN_RC_FILENAME").filter(|v| !v.is_empty());
    let name = named.unwrap_or(".yarnrc.yml");
    for (layer, directory) in places {
        if layer == SettingLayer::Project && Some(&directory) == sources.environment.home.as_ref() {
            continue;
        }
        classic(sources, out, layer, &directory.join(".yarnrc"), all);
        berry(sources, out, layer, &directory.join(name), all);
    }
    for (name, key) in [("YARN_REGISTRY", "registry"), ("YARN_NPM_REGISTRY_SERVER", "registry")] {
        if let Some(value) = sources.environment.variable(name).filter(|v| !v.is_empty()) {
            all.push(given(sources, key, value, SettingLayer::Environment, Location::environment(name)));
        }
    }
}

/// `registry "https://…"`, `"@scope:registry" "https://…"`: a key and a value a line.
fn classic(sources: Sources<'_>, out: &mut NpmConfig, layer: SettingLayer, path: &Path, all: &mut Vec<Given>) {
    let Some(text) = text_of(sources, out, path) else { return };
    for (n, line) in text.lines().enumerate().take(10_000) {
        let line = line.trim();
        let Some((key, value)) = line.split_once(char::is_whitespace).filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let location = Location::at(path, u32::try_from(n + 1).unwrap_or(u32::MAX), 1);
        let plain = |t: &str| t.trim().trim_matches('"').to_owned();
        all.push(given(sources, &plain(key), &plain(value), layer, location));
    }
}

fn berry(sources: Sources<'_>, out: &mut NpmConfig, layer: SettingLayer, path: &Path, all: &mut Vec<Given>) {
    let found = yaml(sources, out, path);
    let server = |scope: Option<&str>| {
        let wanted = found.iter().rev().find(|(keys, ..)| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            match scope {
                None => keys == ["npmRegistryServer"],
                Some(scope) => keys == ["npmScopes", scope, "npmRegistryServer"],
            }
        });
        wanted.map(|(_, value, _)| ini::expand(value, &sources.environment.variables).0)
    };
    let nerf = |url: &str| format!("//{}/", url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/'));
    for (keys, value, location) in &found {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let default = || server(None).unwrap_or_else(|| "https://registry.yarnpkg.com".to_owned());
        let field = |name: &str| if name == "npmAuthToken" { "_authToken" } else { "_auth" };
        let key = match keys.as_slice() {
            ["npmRegistryServer"] => "registry".to_owned(),
            ["npmScopes", scope, "npmRegistryServer"] => format!("@{scope}:registry"),
            ["enableStrictSsl"] => "strict-ssl".to_owned(),
            ["httpsCaFilePath" | "caFilePath"] => "cafile".to_owned(),
            ["httpProxy"] => "proxy".to_owned(),
            ["httpsProxy"] => "https-proxy".to_owned(),
            ["enableScripts"] => {
                let off = if value == "false" { "true" } else { "false" };
                all.push(given(sources, "ignore-scripts", off, layer, location.clone()));
                continue;
            }
            // Each is a file of JavaScript that yarn runs in its own process.
            ["plugins", "[]" | "path"] => "plugins".to_owned(),
            ["plugins", ..] => continue,
            [name @ ("npmAuthToken" | "npmAuthIdent")] => format!("{}:{}", nerf(&default()), field(name)),
            ["npmScopes", scope, name @ ("npmAuthToken" | "npmAuthIdent")] => {
                format!("{}:{}", nerf(&server(Some(scope)).unwrap_or_else(default)), field(name))
            }
            ["npmRegistries", url, name @ ("npmAuthToken" | "npmAuthIdent")] => {
                format!("{}:{}", nerf(url), field(name))
            }
            [single] => kebab(single),
            _ => continue,
        };
        let mut one = given(sources, &key, value, layer, location.clone());
        // An ident is `user:password`, plain or in base64 already.
        if key.ends_with(":_auth") && one.value.contains(':') {
            use base64::Engine as _;
            one.value = base64::engine::general_purpose::STANDARD.encode(&one.value);
        }
        all.push(one);
    }
}

/// bun: `[install] registry`, `[install.scopes]`, each a URL or a table with `url` and `token`.
pub(super) fn bun(sources: Sources<'_>, out: &mut NpmConfig, all: &mut Vec<Given>) {
    let home = sources.environment.home.iter().map(|h| (SettingLayer::User, h.join(".bunfig.toml")));
    let project = [(SettingLayer::Project, sources.environment.cwd.join("bunfig.toml"))];
    for (layer, path) in home.chain(project) {
        let Some(text) = text_of(sources, out, &path) else { continue };
        let Ok(root) = text.parse::<toml::Table>() else {
            out.diagnostics.push(Diagnostic::new(Location::file(&path), "not TOML, so its registries are not known"));
            continue;
        };
        let install = root.get("install");
        let mut add = |key: &str, value: &Value| {
            let location = Location::file(&path);
            let url = value.as_str().or_else(|| value.get("url").and_then(Value::as_str));
            let Some(url) = url else { return };
            let own = given(sources, key, &shell_to_braces(url), layer, location.clone());
            if let Some(token) = value.get("token").and_then(Value::as_str) {
                let place = own.value.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
                let auth = format!("//{place}/:_authToken");
                all.push(given(sources, &auth, &shell_to_braces(token), layer, location));
            }
            all.push(own);
        };
        if let Some(registry) = install.and_then(|i| i.get("registry")) {
            add("registry", registry);
        }
        let preload = root.get("preload");
        let each = preload
            .and_then(Value::as_array)
            .map_or_else(|| preload.map_or(&[][..], std::slice::from_ref), Vec::as_slice);
        for file in each.iter().filter(|v| v.is_str()) {
            add("preload", file);
        }
        if let Some(scanner) = install.and_then(|i| i.get("security")).and_then(|s| s.get("scanner")) {
            add("install.security.scanner", scanner);
        }
        for (scope, registry) in install.and_then(|i| i.get("scopes")).and_then(Value::as_table).into_iter().flatten() {
            add(&format!("@{}:registry", scope.trim_start_matches('@')), registry);
        }
    }
}

/// bun writes `$VAR` where npm writes `${VAR}`.
fn shell_to_braces(text: &str) -> String {
    match text.strip_prefix('$') {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            format!("${{{name}}}")
        }
        _ => text.to_owned(),
    }
}
