//! Where crates come from, as the user configured it: `.cargo/config.toml` from the directory upwards and in
//! `CARGO_HOME`, `CARGO_*`, `--config`, and credentials. In: the command, its environment, the files it would read.
//! Out: [`CrateRegistries`], a [`Profile`], and every setting of a source with who made it and where. Settings that
//! name programs are the business of Cargo's own formats.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::CRATES_SOURCE_ID;
use super::crate_index::{CrateRegistries, CrateRegistry, CrateSource, is_crates_io};
use super::http::{Profile, ProxySettings, Secret};
use crate::ecosystem::cargo::config;
use crate::ecosystem::document::{Node, Reader, members};
use crate::invocation::Invocation;
use crate::model::{
    Diagnostic, Environment, FileError, Files, Location, Place, Setting, SettingKind, SettingLayer, redact_url,
};

/// Files read, those that files include among them.
const FILES_MAX: usize = 64;
/// Files included by files, at most so deep.
const DEPTH_MAX: usize = 8;
/// Replacements followed for one source.
const CHAIN_MAX: usize = 16;

/// What is read from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The command, for `--config`.
    pub invocation: &'a Invocation,
    /// Variables, directories, platform. `cwd` is the directory cargo works in.
    pub environment: &'a Environment,
    /// The files it may read.
    pub files: &'a dyn Files,
    /// Whether the policy trusts a registry: to others that only a project file names, no token is sent.
    pub trusted: &'a dyn Fn(&Url) -> bool,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct CargoConfig {
    /// crates.io or its replacement, and the alternate registries.
    pub registries: CrateRegistries,
    /// How connections are made.
    pub profile: Profile,
    /// Every setting that decides where crates come from, or weakens a protection.
    pub settings: Vec<Setting>,
    /// What could not be understood.
    pub diagnostics: Vec<Diagnostic>,
}

/// One value, with the directory that relative paths in it are relative to.
#[derive(Debug, Clone)]
struct Given {
    value: String,
    layer: SettingLayer,
    location: Location,
    base: PathBuf,
}

/// Every value by the path of its key; the value of the highest precedence.
type Values = BTreeMap<Vec<String>, Given>;

/// Reads what cargo would read.
pub fn read(sources: Sources<'_>) -> CargoConfig {
    let mut out = CargoConfig::default();
    let values = values(sources, &mut out);
    connection(sources, &values, &mut out);
    let tokens = tokens(sources, &mut out);
    for (keys, given) in &values {
        let parts: Vec<&str> = keys.iter().map(String::as_str).collect();
        let kind = match parts.as_slice() {
            // Vendored crates: the setting that names their directory says where they are.
            ["source", name, "replace-with"]
                if matches!(
                    replaced(&values, name, None).source,
                    CrateSource::Directory(_) | CrateSource::LocalRegistry(_)
                ) =>
            {
                continue;
            }
            ["source", "crates-io", _] | ["registry", "default" | "index"] => SettingKind::Index,
            ["source", _, "registry" | "replace-with" | "git" | "directory" | "local-registry"] => {
                SettingKind::ExtraIndex
            }
            ["registries", _, "index"] => SettingKind::ExtraIndex,
            ["http", "cainfo" | "check-revoke" | "ssl-version"] => SettingKind::WeakensSafety,
            _ => continue,
        };
        out.settings.push(Setting {
            kind,
            key: keys.join("."),
            value: redact_url(&given.value),
            layer: given.layer,
            location: given.location.clone(),
        });
    }
    let default = replaced(&values, "crates-io", None);
    out.registries.default = CrateRegistry {
        source_id: CRATES_SOURCE_ID.to_owned(),
        token: token_for(sources, &mut out, &values, &tokens, "crates-io", &default),
        source: default.source,
    };
    let mut others = BTreeMap::new();
    for (keys, given) in &values {
        let [table, name, key] = keys.as_slice() else { continue };
        if table != "registries" || key != "index" {
            continue;
        }
        let found = replaced(&values, name, Some(given));
        let registry = CrateRegistry {
            source_id: source_id(&given.value),
            token: token_for(sources, &mut out, &values, &tokens, name, &found),
            source: found.source,
        };
        for alias in [name.clone(), given.value.clone(), registry.source_id.clone()] {
            others.insert(alias, registry.clone());
        }
    }
    out.registries.others = others;
    out
}

/// What a lockfile calls a registry: sparse ones keep their prefix, git ones have `registry+` before them.
fn source_id(index: &str) -> String {
    let shown = redact_url(index);
    if shown.starts_with("sparse+") { shown } else { format!("registry+{shown}") }
}

/// A source, and where the setting that decided it stands.
struct Found {
    source: CrateSource,
    decided: Option<(SettingLayer, Location)>,
    /// The registry that answers in the end, for its token.
    registry: Option<String>,
}

/// Follows `replace-with` from a source to what answers for it.
fn replaced(values: &Values, name: &str, index: Option<&Given>) -> Found {
    let key = |table: &str, name: &str, key: &str| values.get(&vec![table.to_owned(), name.to_owned(), key.to_owned()]);
    // A registry's own name is no source's; the source with the same URL is.
    let same_url = |url: &str| {
        values.iter().find_map(|(keys, given)| match keys.as_slice() {
            [table, name, key] if table == "source" && key == "registry" && same_index(&given.value, url) => {
                Some(name.clone())
            }
            _ => None,
        })
    };
    let mut current = match index {
        Some(given) => same_url(&given.value).unwrap_or_default(),
        None => name.to_owned(),
    };
    let mut decided = index.map(|g| (g.layer, g.location.clone()));
    let mut registry = Some(name.to_owned());
    let mut definition = index.cloned();
    let mut seen = BTreeSet::new();
    while let Some(next) = key("source", &current, "replace-with") {
        if !seen.insert(current.clone()) || seen.len() > CHAIN_MAX {
            let reason = format!("the replacement of `{name}` comes back to itself");
            return Found { source: CrateSource::Unsupported(reason), decided, registry: None };
        }
        decided = Some((next.layer, next.location.clone()));
        current.clone_from(&next.value);
        definition = None;
        registry = Some(current.clone());
        if current == "crates-io" {
            break;
        }
        if let Some(own) = key("registries", &current, "index") {
            definition = Some(own.clone());
        }
    }
    let of = |field: &str| key("source", &current, field);
    let source = if let Some(path) = of("directory") {
        CrateSource::Directory(path.base.join(&path.value))
    } else if let Some(path) = of("local-registry") {
        CrateSource::LocalRegistry(path.base.join(&path.value))
    } else if let Some(git) = of("git") {
        CrateSource::Unsupported(format!("it is replaced by the git repository {}", redact_url(&git.value)))
    } else if let Some(given) = definition.as_ref().or_else(|| of("registry")) {
        index_source(&given.value)
    } else if current == "crates-io" {
        CrateRegistries::default().default.source
    } else {
        CrateSource::Unsupported(format!("`{current}`, which replaces `{name}`, is not defined"))
    };
    Found { source, decided, registry }
}

fn same_index(a: &str, b: &str) -> bool {
    let plain = |t: &str| t.trim_start_matches("sparse+").trim_end_matches('/').to_owned();
    plain(a) == plain(b)
}

/// What answers for an index URL as a manifest, a lockfile or a configuration writes it.
pub fn index_source(text: &str) -> CrateSource {
    if is_crates_io(text) {
        return CrateRegistries::default().default.source;
    }
    let Some(url) = text.strip_prefix("sparse+") else {
        let shown = redact_url(text.trim_start_matches("registry+"));
        return CrateSource::Unsupported(format!("{shown} is a git index, and only sparse ones are read"));
    };
    match Url::parse(url) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
            CrateSource::Sparse(super::http::split_user_info(url).0)
        }
        _ => CrateSource::Unsupported(format!("`{}` is no URL of an index", redact_url(url))),
    }
}

/// The token for a registry; withheld where only a project file says that this URL is that registry.
fn token_for(
    sources: Sources<'_>,
    out: &mut CargoConfig,
    values: &Values,
    tokens: &BTreeMap<String, Secret>,
    name: &str,
    found: &Found,
) -> Option<Secret> {
    let CrateSource::Sparse(url) = &found.source else { return None };
    let registry = found.registry.as_deref().unwrap_or(name);
    let token = tokens.get(&token_key(registry))?;
    // The registry that answers may be defined elsewhere than the replacement that led to it.
    let index = values.get(&vec!["registries".to_owned(), registry.to_owned(), "index".to_owned()]);
    let definition = index.map(|g| (g.layer, g.location.clone())).or_else(|| found.decided.clone());
    match definition {
        Some((SettingLayer::Project, location)) if !(sources.trusted)(url) => {
            let host = url.host_str().unwrap_or_default();
            let message = format!("the token of `{registry}` is not sent to {host}, which only this file names");
            let hint = "add the registry to [trust] registries in your own policy";
            out.diagnostics.push(Diagnostic::new(location, message).with_hint(hint));
            None
        }
        _ => Some(token.clone()),
    }
}

/// Variables spell a registry's name in upper case with `_`.
fn token_key(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// Tokens by registry, from `credentials.toml` and variables; crates.io's under its own name.
fn tokens(sources: Sources<'_>, out: &mut CargoConfig) -> BTreeMap<String, Secret> {
    let mut tokens = BTreeMap::new();
    let home = cargo_home(sources.environment);
    let files = home.iter().flat_map(|h| [h.join("credentials"), h.join("credentials.toml")]);
    for path in files {
        let Some(text) = text_of(sources, out, &path) else { continue };
        let (table, mut reader) = Reader::parse(&path, &text);
        out.diagnostics.append(&mut reader.diagnostics);
        let token = |t: &Node<'_>| t.get_ref().get("token").and_then(|t| t.get_ref().as_str()).map(Secret::new);
        let registries = table.get("registries").and_then(|r| r.get_ref().as_table());
        for (name, _, entry) in registries.map(members).unwrap_or_default() {
            tokens.extend(token(entry).map(|t| (token_key(name), t)));
        }
        tokens.extend(table.get("registry").and_then(token).map(|t| (token_key("crates-io"), t)));
    }
    for (name, value) in &sources.environment.variables {
        let registry = name.strip_prefix("CARGO_REGISTRIES_").and_then(|n| n.strip_suffix("_TOKEN"));
        let registry = registry.or((name == "CARGO_REGISTRY_TOKEN").then_some("CRATES_IO"));
        if let Some(registry) = registry.filter(|_| !value.is_empty()) {
            tokens.insert(registry.to_owned(), Secret::new(value));
        }
    }
    tokens
}

fn connection(sources: Sources<'_>, values: &Values, out: &mut CargoConfig) {
    let http = |key: &str| values.get(&vec!["http".to_owned(), key.to_owned()]);
    let profile = &mut out.profile;
    profile.proxies = ProxySettings::from_environment(sources.environment);
    if let Some(proxy) = http("proxy").filter(|p| !p.value.is_empty()) {
        // A proxy of http sees every token that goes through it: one that a project file names gets what is encrypted.
        let http = profile.proxies.http.clone();
        profile.proxies.set_all(&proxy.value);
        if proxy.layer == SettingLayer::Project {
            profile.proxies.http = http;
        }
    }
    if let Some(cainfo) = http("cainfo") {
        profile.roots.only = vec![cainfo.base.join(&cainfo.value)];
    }
    let timeout = http("timeout").map(|g| g.value.as_str()).or_else(|| sources.environment.variable("HTTP_TIMEOUT"));
    if let Some(seconds) = timeout.and_then(|t| t.trim().parse::<u64>().ok()).filter(|s| (1..86_400).contains(s)) {
        profile.connect_timeout = Duration::from_secs(seconds);
        profile.read_timeout = Duration::from_secs(seconds);
    }
    if let Some(retry) = values.get(&vec!["net".to_owned(), "retry".to_owned()]) {
        profile.retries = retry.value.parse().unwrap_or(profile.retries).min(10);
    }
}

fn cargo_home(environment: &Environment) -> Option<PathBuf> {
    let own = environment.variable("CARGO_HOME").filter(|v| !v.is_empty()).map(|v| environment.absolute(Path::new(v)));
    own.or_else(|| environment.home.as_ref().map(|h| h.join(".cargo")))
}

/// All configuration, merged.
fn values(sources: Sources<'_>, out: &mut CargoConfig) -> Values {
    let mut values = Values::new();
    let mut read = 0;
    let environment = sources.environment;
    let home = cargo_home(environment);
    let mut directories: Vec<(SettingLayer, PathBuf)> = environment
        .cwd
        .ancestors()
        .map(|d| d.join(".cargo"))
        .filter(|d| Some(d) != home.as_ref())
        .map(|d| (SettingLayer::Project, d))
        .collect();
    directories.extend(home.map(|h| (config::layer_of_home(&h, environment), h)));
    // The nearest wins, so it comes last.
    for (layer, directory) in directories.into_iter().rev() {
        // With both, cargo takes the one without the ending.
        let path =
            [directory.join("config"), directory.join("config.toml")].into_iter().find(|p| sources.files.is_file(p));
        if let Some(path) = path {
            file(sources, out, layer, &path, &mut values, (0, &mut read));
        }
    }
    variables(environment, &mut values);
    for flag in sources.invocation.flags.iter().filter(|f| f.name == "--config") {
        let Some(text) = flag.value.as_deref() else { continue };
        let base = environment.cwd.clone();
        match DeTable::parse(text) {
            Ok(table) => {
                let layer = match flag.location.place {
                    Place::Environment(_) => SettingLayer::Environment,
                    _ => SettingLayer::Flag,
                };
                flatten(table.get_ref(), &mut Vec::new(), &mut |keys, value, _| {
                    let location = flag.location.clone();
                    values.insert(keys.to_vec(), Given { value, layer, location, base: base.clone() });
                });
            }
            Err(_) => {
                let path = environment.absolute(Path::new(text));
                file(sources, out, SettingLayer::Flag, &path, &mut values, (0, &mut read));
            }
        }
    }
    values
}

/// `CARGO_REGISTRIES_<NAME>_INDEX`, `CARGO_HTTP_*`, `CARGO_NET_RETRY`, `CARGO_REGISTRY_DEFAULT`. Sources cannot be
/// set by variables.
fn variables(environment: &Environment, values: &mut Values) {
    for (name, value) in &environment.variables {
        let Some(rest) = name.strip_prefix("CARGO_") else { continue };
        let keys: Vec<String> = match rest {
            "HTTP_PROXY" | "HTTP_CAINFO" | "HTTP_TIMEOUT" => vec!["http".to_owned(), rest[5..].to_ascii_lowercase()],
            "HTTP_CHECK_REVOKE" => vec!["http".to_owned(), "check-revoke".to_owned()],
            "NET_RETRY" => vec!["net".to_owned(), "retry".to_owned()],
            "REGISTRY_DEFAULT" => vec!["registry".to_owned(), "default".to_owned()],
            _ => {
                let Some(registry) = rest.strip_prefix("REGISTRIES_").and_then(|n| n.strip_suffix("_INDEX")) else {
                    continue;
                };
                // The variable folds case and dashes: a file's own spelling of the name is kept.
                let known = values.keys().find_map(|k| match k.as_slice() {
                    [table, name, _] if table == "registries" && token_key(name) == registry => Some(name.clone()),
                    _ => None,
                });
                let name = known.unwrap_or_else(|| registry.to_ascii_lowercase().replace('_', "-"));
                vec!["registries".to_owned(), name, "index".to_owned()]
            }
        };
        let location = Location::environment(name);
        let given =
            Given { value: value.clone(), layer: SettingLayer::Environment, location, base: environment.cwd.clone() };
        values.insert(keys, given);
    }
}

/// One file, and what it includes before it. `read` counts the files.
fn file(
    sources: Sources<'_>,
    out: &mut CargoConfig,
    layer: SettingLayer,
    path: &Path,
    values: &mut Values,
    (depth, read): (usize, &mut usize),
) {
    *read += 1;
    if *read > FILES_MAX || depth > DEPTH_MAX {
        if *read == FILES_MAX + 1 || depth > DEPTH_MAX {
            let message = "configuration files include more files than are read: the rest is not known";
            out.diagnostics.push(Diagnostic::new(Location::file(path), message));
        }
        return;
    }
    let Some(text) = text_of(sources, out, path) else { return };
    let (table, mut reader) = Reader::parse(path, &text);
    out.diagnostics.append(&mut reader.diagnostics);
    let directory = path.parent().unwrap_or(path);
    let include = table.get("include").map(Spanned::get_ref);
    let included: Vec<&DeValue<'_>> = match include {
        Some(DeValue::Array(several)) => several.iter().map(Spanned::get_ref).collect(),
        one => one.into_iter().collect(),
    };
    for entry in included {
        let text = entry.as_str().or_else(|| entry.get("path").and_then(|p| p.get_ref().as_str()));
        if let Some(text) = text {
            file(sources, out, layer, &directory.join(text), values, (depth + 1, read));
        }
    }
    let base = directory.parent().unwrap_or(directory).to_owned();
    flatten(&table, &mut Vec::new(), &mut |keys, value, offset| {
        let location = reader.at(offset);
        values.insert(keys.to_vec(), Given { value, layer, location, base: base.clone() });
    });
}

/// Every string, number and boolean of a table, with the path of its key and the key's offset.
fn flatten(table: &DeTable<'_>, keys: &mut Vec<String>, each: &mut dyn FnMut(&[String], String, usize)) {
    for (key, offset, value) in members(table) {
        keys.push(key.to_owned());
        match value.get_ref() {
            DeValue::Table(inner) if keys.len() < 8 => flatten(inner, keys, each),
            DeValue::String(text) => each(keys, text.clone().into_owned(), offset),
            DeValue::Integer(n) if n.radix() == 10 => each(keys, n.as_str().replace('_', ""), offset),
            DeValue::Boolean(flag) => each(keys, flag.to_string(), offset),
            _ => {}
        }
        keys.pop();
    }
}

/// A file's text; `None` when it is not there, or cannot be read, which is said.
fn text_of(sources: Sources<'_>, out: &mut CargoConfig, path: &Path) -> Option<String> {
    match sources.files.read_text(path) {
        Ok(text) => Some(text),
        Err(FileError::NotFound) => None,
        Err(e) => {
            out.diagnostics.push(Diagnostic::new(Location::file(path), e.to_string()));
            None
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::invocation::{Flag, FlagEffect, Tool};
    use crate::model::MemoryFiles;

    fn config(flags: &[&str], variables: &[(&str, &str)], files: &[(&str, &str)]) -> CargoConfig {
        let environment = Environment {
            variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            cwd: "/h/w/p".into(),
            home: Some("/h".into()),
            now: crate::model::Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let flags = flags.iter().enumerate().map(|(n, value)| Flag {
            name: "--config".to_owned(),
            value: Some((*value).to_owned()),
            effect: FlagEffect::Configures,
            location: Location::argv(n + 1),
        });
        let invocation = Invocation {
            tool: Tool::Cargo,
            verb: "build".to_owned(),
            flags: flags.collect(),
            ..Invocation::other(&[])
        };
        let files: MemoryFiles = files.iter().map(|(p, t)| (*p, t.as_bytes().to_vec())).collect();
        let trusted = |url: &Url| url.host_str() == Some("trusted.example");
        read(Sources { invocation: &invocation, environment: &environment, files: &files, trusted: &trusted })
    }

    fn sparse(url: &str) -> CrateSource {
        CrateSource::Sparse(Url::parse(url).unwrap())
    }

    #[test]
    fn nothing_configured_is_crates_io() {
        let c = config(&[], &[], &[]);
        assert_eq!(c.registries, CrateRegistries::default());
        assert!(c.settings.is_empty() && c.diagnostics.is_empty());
    }

    #[test]
    fn replacements_are_followed_to_their_end() {
        let chain = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'mine'\nregistry='https://x.example/i.git'\n[registries.mine]\nindex = 'sparse+https://m.example/index'";
        let c = config(&[], &[("CARGO_REGISTRIES_MINE_TOKEN", "t")], &[("/h/.cargo/config.toml", chain)]);
        assert_eq!(c.registries.default.source, sparse("https://m.example/index/"));
        assert_eq!(c.registries.default.source_id, CRATES_SOURCE_ID);
        assert!(c.registries.default.token.is_some());
        assert!(c.settings.iter().any(|s| s.key == "source.crates-io.replace-with"
            && s.layer == SettingLayer::User
            && s.location.line == 2));
        assert_eq!(c.registries.others["mine"].source, sparse("https://m.example/index/"));
        assert_eq!(c.registries.others["sparse+https://m.example/index"].source_id, "sparse+https://m.example/index");
        let vendored = "[source.crates-io]\nreplace-with = 'vendored'\n[source.vendored]\ndirectory = 'vendor'";
        let c = config(&[], &[], &[("/h/w/p/.cargo/config.toml", vendored), ("/h/w/.cargo/config.toml", chain)]);
        assert_eq!(c.registries.default.source, CrateSource::Directory("/h/w/p/vendor".into()));
        for (text, word) in [
            (
                "[source.crates-io]\nreplace-with='a'\n[source.a]\nreplace-with='crates-io2'\n[source.crates-io2]\nreplace-with='a'",
                "itself",
            ),
            ("[source.crates-io]\nreplace-with='gone'", "not defined"),
            ("[source.crates-io]\nreplace-with='g'\n[source.g]\nregistry='https://g.example/i.git'", "git index"),
            ("[source.crates-io]\nreplace-with='g'\n[source.g]\ngit='https://g.example/i.git'", "git repository"),
        ] {
            let c = config(&[], &[], &[("/h/w/p/.cargo/config", text)]);
            assert!(
                matches!(&c.registries.default.source, CrateSource::Unsupported(why) if why.contains(word)),
                "{text}"
            );
        }
    }

    #[test]
    fn flags_beat_variables_and_variables_beat_files() {
        let files = [(
            "/h/.cargo/config.toml",
            "[registries.my-own]\nindex = 'sparse+https://a.example/'\n[http]\ntimeout = 7\nproxy = 'u:p@x.example:1'\ncainfo = 'ca.pem'\n[net]\nretry = 1",
        )];
        let c = config(&[], &[("CARGO_REGISTRIES_MY_OWN_INDEX", "sparse+https://b.example/")], &files);
        assert_eq!(c.registries.others["my-own"].source, sparse("https://b.example/"));
        assert_eq!((c.profile.read_timeout, c.profile.retries), (Duration::from_secs(7), 1));
        assert_eq!(c.profile.roots.only, [PathBuf::from("/h/ca.pem")]);
        assert!(!format!("{c:?}").contains("u:p@"));
        let c = config(
            &["registries.my-own.index='sparse+https://c.example/'"],
            &[("CARGO_REGISTRIES_MY_OWN_INDEX", "sparse+https://b.example/")],
            &files,
        );
        assert_eq!(c.registries.others["my-own"].source, sparse("https://c.example/"));
        let c = config(&["x.toml"], &[], &[("/h/w/p/x.toml", "registries.z.index='sparse+https://z.example'")]);
        assert_eq!(c.registries.others["z"].source, sparse("https://z.example/"));
    }

    #[test]
    fn a_repository_cannot_take_a_token_to_a_host_of_its_own() {
        let project = |host: &str| format!("[registries.mine]\nindex = 'sparse+https://{host}/'");
        let credentials = ("/h/.cargo/credentials.toml", "[registries.mine]\ntoken = 'Bearer t'");
        let with = |host: &str| config(&[], &[], &[("/h/w/p/.cargo/config.toml", project(host).as_str()), credentials]);
        let evil = with("evil.example");
        assert!(evil.registries.others["mine"].token.is_none() && evil.diagnostics.len() == 1);
        assert!(with("trusted.example").registries.others["mine"].token.is_some());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(?s)[\\[\\]=:a-z\n\"'{}/.\\- ]{0,160}", value in "(?s).{0,60}") {
            config(&[&text, &value], &[("CARGO_REGISTRIES__INDEX", &value), ("CARGO_HTTP_PROXY", &value)], &[("/h/.cargo/config", &text), ("/h/.cargo/credentials.toml", &text)]);
        }
    }
}
