//! Where npm packages come from, as the user configured it: `.npmrc` at every level, `npm_config_*`, flags, and what
//! pnpm, yarn and bun read beside them. In: the command, its environment, the files it would read. Out: [`Scopes`], a
//! [`Profile`], and every setting with who made it and where.

mod others;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use url::Url;

use super::http::{Authorization, ClientIdentity, Profile, ProxySettings, Secret, split_user_info};
use super::npm_registry::{Replaced, Scopes};
use super::python_config::ConfiguredOption;
use super::{FetchError, NPM_DEFAULT};
use crate::ecosystem::ini;
use crate::invocation::{Invocation, Tool};
use crate::model::{
    Diagnostic, Environment, FileError, Files, Location, Place, Setting, SettingKind, SettingLayer, redact_url,
};

/// What is read from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The command: its flags, and the variables that act as flags.
    pub invocation: &'a Invocation,
    /// Variables, directories, platform. `cwd` is the directory the tool works in.
    pub environment: &'a Environment,
    /// The files it may read.
    pub files: &'a dyn Files,
    /// npm's global prefix, when it is known: its `etc/npmrc` is read.
    pub prefix: Option<&'a Path>,
    /// Whether the policy trusts a registry: to others, a project file cannot send what stands in a variable.
    pub trusted: &'a dyn Fn(&Url) -> bool,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub struct NpmConfig {
    /// Which registry serves which scope.
    pub scopes: Scopes,
    /// How connections are made.
    pub profile: Profile,
    /// Every setting that decides where packages come from, names a program, or weakens a protection; lowest
    /// precedence first.
    pub settings: Vec<Setting>,
    /// What else files set (`ignore-scripts`, `before`, `min-release-age`, `omit`, …), lowest precedence first.
    /// Flags and variables are in the invocation.
    pub options: Vec<ConfiguredOption>,
    /// What could not be understood.
    pub diagnostics: Vec<Diagnostic>,
}

/// Registries to which a project file may send a token that a variable holds: the ones such variables are made for.
const KNOWN_HOSTS: [&str; 4] = ["registry.npmjs.org", "npm.pkg.github.com", "gitlab.com", "registry.yarnpkg.com"];

/// One value, lowest precedence first in a list of them.
#[derive(Debug, Clone)]
struct Given {
    key: String,
    value: String,
    layer: SettingLayer,
    location: Location,
    /// The value holds what stood in a variable.
    expanded: bool,
    /// The value before that.
    written: String,
}

/// The value of one of npm's settings, whoever set it: words and variables first, then files (`options`).
pub fn value(options: &[ConfiguredOption], invocation: &Invocation, key: &str) -> Option<String> {
    let flag = format!("--{key}");
    if let Some(given) = invocation.flag(&flag) {
        return Some(given.value.clone().unwrap_or_else(|| "true".to_owned()));
    }
    options.iter().rev().find(|o| o.name == flag).map(|o| o.value.clone())
}

/// npm's cache directory when neither words nor files say another.
pub fn default_cache(environment: &Environment) -> Option<PathBuf> {
    let named = |(key, _): &(&String, &String)| key.eq_ignore_ascii_case("npm_config_cache");
    let named = environment.variables.iter().find(named).filter(|(_, value)| !value.is_empty());
    let home = || match environment.os {
        "windows" => environment.variable("LOCALAPPDATA").map(|local| PathBuf::from(local).join("npm-cache")),
        _ => environment.home.as_ref().map(|home| home.join(".npm")),
    };
    named.map(|(_, value)| environment.absolute(value.as_ref())).or_else(home)
}

/// npm's cache directory.
pub fn cache(options: &[ConfiguredOption], invocation: &Invocation, environment: &Environment) -> Option<PathBuf> {
    let set = value(options, invocation, "cache").map(|cache| environment.absolute(Path::new(&cache)));
    set.or_else(|| default_cache(environment))
}

/// Where npm keeps what it fetched, and looks before it asks; `None` for other tools, and for an npm that is to find only
/// what is there already.
pub fn cacache(options: &[ConfiguredOption], invocation: &Invocation, environment: &Environment) -> Option<PathBuf> {
    let offline = value(options, invocation, "offline").is_some_and(|offline| offline != "false");
    let filled = matches!(invocation.tool, Tool::Npm | Tool::Npx) && !offline;
    filled.then(|| cache(options, invocation, environment))?.map(|cache| cache.join("_cacache"))
}

/// Reads what the command's tool would read. The error is only for a default registry that is no URL.
pub fn read(sources: Sources<'_>) -> Result<NpmConfig, FetchError> {
    let default = Url::parse(NPM_DEFAULT).map_err(|e| FetchError::Configuration { reason: e.to_string() })?;
    let mut out = NpmConfig {
        scopes: Scopes { default, scoped: std::collections::BTreeMap::new(), replaced: Replaced::None },
        profile: Profile { retries: 2, ..Profile::default() },
        settings: Vec::new(),
        options: Vec::new(),
        diagnostics: Vec::new(),
    };
    out.profile.proxies = ProxySettings::from_environment(sources.environment);
    let extra = sources.environment.variable("NODE_EXTRA_CA_CERTS").filter(|v| !v.is_empty());
    out.profile.roots.extra.extend(extra.map(PathBuf::from));
    let mut given = Vec::new();
    for (layer, path) in npmrc_files(sources) {
        npmrc(sources, &mut out, layer, &path, &mut given);
    }
    match sources.invocation.tool {
        Tool::Yarn => others::yarn(sources, &mut out, &mut given),
        Tool::Pnpm | Tool::Pnpx => others::pnpm(sources, &mut out, &mut given),
        Tool::Bun | Tool::Bunx => others::bun(sources, &mut out, &mut given),
        _ => {}
    }
    withhold(sources, &mut out, &mut given)?;
    if matches!(sources.invocation.tool, Tool::Yarn | Tool::Pnpm | Tool::Pnpx | Tool::Corepack) {
        others::package_manager(sources, &mut out);
    }
    given.extend(sources.invocation.flags.iter().map(|flag| Given {
        key: flag.name.trim_start_matches('-').to_owned(),
        value: flag.value.clone().unwrap_or_else(|| "true".to_owned()),
        layer: match flag.location.place {
            Place::Environment(_) => SettingLayer::Environment,
            _ => SettingLayer::Flag,
        },
        location: flag.location.clone(),
        expanded: false,
        written: String::new(),
    }));
    if matches!(sources.invocation.tool, Tool::Npm | Tool::Npx) {
        let set = given.iter().rev().find(|one| one.key == "replace-registry-host");
        out.scopes.replaced = set.map_or_else(Replaced::of_npm, |one| Replaced::named(&one.value));
    }
    out.apply(sources, &given);
    Ok(out)
}

impl NpmConfig {
    fn apply(&mut self, sources: Sources<'_>, given: &[Given]) {
        let mut scripts_off_by = None;
        for one in given {
            match one.key.as_str() {
                "registry" => {
                    let default = one.value.trim_end_matches('/') == NPM_DEFAULT.trim_end_matches('/');
                    if !default {
                        self.setting(SettingKind::Index, one);
                    }
                    if let Some(url) = self.registry(one) {
                        self.scopes.default = url;
                    }
                }
                key if key.starts_with('@') && key.ends_with(":registry") => {
                    self.setting(SettingKind::ExtraIndex, one);
                    if let (Some(url), Some(scope)) = (self.registry(one), key.strip_suffix(":registry")) {
                        self.scopes.scoped.insert(scope.to_owned(), url);
                    }
                }
                key if key.starts_with("//") => {}
                "proxy" | "https-proxy" | "noproxy" | "cafile" | "ca" | "ca[]" | "cert" | "key" | "fetch-timeout"
                | "fetch-retries" | "maxsockets" | "strict-ssl" => self.connection(sources, one),
                "script-shell" | "node-options" | "git" | "shell" | "node-gyp" | "python" => {
                    self.setting(SettingKind::Program, one)
                }
                // Scripts of packages may write there too.
                "cache" if one.layer == SettingLayer::Project => self.setting(SettingKind::Directory, one),
                "dangerously-allow-all-scripts" if one.value != "false" => {
                    self.setting(SettingKind::WeakensSafety, one)
                }
                // What `npm exec` and npx fetch and run, whatever the command says.
                "package" | "package[]" | "call" if one.layer == SettingLayer::Project => {
                    self.setting(SettingKind::Program, one)
                }
                key if runs_a_file(sources.invocation.tool, key) => self.setting(SettingKind::Program, one),
                "ignore-scripts" => {
                    let on = one.value != "false";
                    if on && scripts_off_by.is_none_or(|layer| layer < one.layer) {
                        scripts_off_by = Some(one.layer);
                    }
                    // Scripts switched on again by something that the user trusts less than what switched them off.
                    if !on && scripts_off_by.is_some_and(|layer| layer > one.layer) {
                        self.setting(SettingKind::WeakensSafety, one);
                    }
                }
                _ => {}
            }
            let from_file = matches!(one.location.place, Place::File(_));
            // Credentials, and what may contain them, stay inside.
            let secret = one.key.starts_with("//")
                || one.key.starts_with('_')
                || matches!(one.key.as_str(), "proxy" | "https-proxy" | "cert" | "key" | "ca" | "ca[]" | "otp");
            if from_file && !secret {
                self.options.push(ConfiguredOption {
                    name: format!("--{}", one.key.trim_end_matches("[]")),
                    value: redact_url(&one.value),
                    layer: one.layer,
                    location: one.location.clone(),
                });
            }
        }
        self.credentials(sources, given);
    }

    fn setting(&mut self, kind: SettingKind, one: &Given) {
        self.settings.push(Setting {
            kind,
            key: one.key.clone(),
            value: redact_url(&one.value),
            layer: one.layer,
            location: one.location.clone(),
        });
    }

    /// A registry's URL; credentials in it go to the store.
    fn registry(&mut self, one: &Given) -> Option<Url> {
        let url = Url::parse(one.value.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        let Some(url) = url else {
            let message = format!("`{}` is no URL of a registry", redact_url(&one.value));
            self.diagnostics.push(Diagnostic::new(one.location.clone(), message));
            return None;
        };
        let (mut url, authorization) = split_user_info(url);
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        if let Some(authorization) = authorization {
            self.profile.credentials.add(&url, authorization);
        }
        Some(url)
    }

    fn connection(&mut self, sources: Sources<'_>, one: &Given) {
        let text = one.value.trim();
        let off = matches!(text, "" | "null" | "false");
        let profile = &mut self.profile;
        match one.key.as_str() {
            "proxy" if off => profile.proxies.http = None,
            "https-proxy" if off => profile.proxies.https = None,
            // npm uses `proxy` for https as well when nothing else is set. A proxy of http sees every token that goes
            // through it, so one that a project file names gets only what is encrypted.
            "proxy" => {
                if one.layer != SettingLayer::Project {
                    profile.proxies.http = Some(Secret::new(text));
                }
                profile.proxies.https.get_or_insert_with(|| Secret::new(text));
            }
            "https-proxy" => profile.proxies.https = Some(Secret::new(text)),
            "noproxy" => profile.proxies.no_proxy = Some(text.to_owned()),
            "cafile" if !off => {
                profile.roots.only = vec![sources.environment.absolute(Path::new(text))];
                self.setting(SettingKind::WeakensSafety, one);
            }
            "ca" | "ca[]" if !off => {
                if one.key == "ca" {
                    profile.roots.only_pem.clear();
                }
                profile.roots.only_pem.push(text.replace("\\n", "\n"));
                let short = Given { value: "(certificates)".to_owned(), ..one.clone() };
                self.setting(SettingKind::WeakensSafety, &short);
            }
            "cert" | "key" if !off => {
                let pem = text.replace("\\n", "\n");
                let known = match &profile.identity {
                    Some(ClientIdentity::Pem(known)) => known.expose().to_owned(),
                    _ => String::new(),
                };
                profile.identity = Some(ClientIdentity::Pem(Secret::new(&format!("{known}\n{pem}"))));
            }
            "fetch-timeout" => {
                if let Some(ms) = text.parse::<u64>().ok().filter(|ms| *ms > 0) {
                    profile.total_timeout = Duration::from_millis(ms.min(3_600_000));
                    profile.read_timeout = profile.read_timeout.min(profile.total_timeout);
                }
            }
            "fetch-retries" => profile.retries = text.parse().unwrap_or(profile.retries).min(10),
            "maxsockets" => profile.parallel = text.parse::<usize>().unwrap_or(profile.parallel).clamp(1, 64),
            "strict-ssl" => {
                profile.unchecked = text == "false";
                if text == "false" {
                    self.setting(SettingKind::WeakensSafety, one);
                }
            }
            _ => {}
        }
    }

    /// `//host/path/:_authToken` and its like. What a project file takes from a variable goes only to registries
    /// that the policy trusts, the user configured, or that such variables are made for: reading a strange
    /// repository must not send a token to a host that the repository names.
    fn credentials(&mut self, sources: Sources<'_>, given: &[Given]) {
        let configured = configured(given);
        let mut users: Vec<(String, Secret)> = Vec::new();
        for one in given.iter().filter(|g| g.key.starts_with("//")) {
            let Some((place, field)) = one.key.rsplit_once(':') else { continue };
            let Ok(url) = Url::parse(&format!("https:{place}")) else { continue };
            let host = url.host_str().unwrap_or_default();
            let known = is_known(sources, &configured, &url);
            if one.layer == SettingLayer::Project && one.expanded && !known {
                let message = format!("a credential from a variable is not sent to {host}, which only this file names");
                let hint = "add the registry to [trust] registries in your own policy";
                self.diagnostics.push(Diagnostic::new(one.location.clone(), message).with_hint(hint));
                continue;
            }
            let authorization = match field {
                "_authToken" => Authorization::Bearer(Secret::new(&one.value)),
                "_auth" => Authorization::Raw(Secret::new(&format!("Basic {}", one.value))),
                "username" => {
                    users.push((place.to_owned(), Secret::new(&one.value)));
                    continue;
                }
                "_password" => {
                    let decoded = base64::engine::general_purpose::STANDARD.decode(one.value.trim());
                    let password = decoded.ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
                    let user = users.iter().rev().find(|u| u.0 == place).map(|u| u.1.clone());
                    let user = user.or_else(|| {
                        let key = format!("{place}:username");
                        let may =
                            |g: &&Given| g.key == key && (known || !g.expanded || g.layer != SettingLayer::Project);
                        given.iter().rev().find(may).map(|g| Secret::new(&g.value))
                    });
                    Authorization::Basic { user: user.unwrap_or_default(), password: Secret::new(&password) }
                }
                "certfile" | "keyfile" => {
                    let path = sources.environment.absolute(Path::new(&one.value));
                    match &mut self.profile.identity {
                        Some(ClientIdentity::Files(paths)) => paths.push(path),
                        identity => *identity = Some(ClientIdentity::Files(vec![path])),
                    }
                    continue;
                }
                _ => continue,
            };
            self.profile.credentials.add_nerf_dart(place, authorization);
        }
    }
}

/// The registries that the user's own configuration and variables name.
fn configured(given: &[Given]) -> Vec<Url> {
    given
        .iter()
        .filter(|g| g.layer >= SettingLayer::Environment && (g.key == "registry" || g.key.ends_with(":registry")))
        .filter_map(|g| Url::parse(&g.value).ok())
        .collect()
}

/// Whether what a variable holds may go to this host although a project file sends it there.
fn is_known(sources: Sources<'_>, configured: &[Url], url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    KNOWN_HOSTS.contains(&host)
        || (sources.trusted)(url)
        || configured.iter().any(|c| c.host_str() == Some(host) && c.port() == url.port())
}

/// Takes variables out of the URLs of project files whose host only such a file names. User information goes, and is
/// missed; where a variable stood elsewhere in a registry's URL the registry cannot be asked, which is the error.
fn withhold(sources: Sources<'_>, out: &mut NpmConfig, given: &mut Vec<Given>) -> Result<(), FetchError> {
    let configured = configured(given);
    let mut refused = None;
    given.retain_mut(|one| {
        let key = one.key.as_str();
        let is_registry = key == "registry" || key.ends_with(":registry");
        let is_url = is_registry || matches!(key, "proxy" | "https-proxy");
        if !is_url || one.layer != SettingLayer::Project || !one.expanded || ini::is_variable_with_path(&one.written) {
            return true;
        }
        let Ok(url) = Url::parse(one.value.trim()) else { return true };
        if is_known(sources, &configured, &url) {
            return true;
        }
        let host = url.host_str().unwrap_or_default();
        let message = format!("what a variable holds is not sent to {host}, which only this file names");
        let hint = "add the registry to [trust] registries in your own policy";
        out.diagnostics.push(Diagnostic::new(one.location.clone(), message.clone()).with_hint(hint));
        match Url::parse(one.written.trim()).ok().map(|url| split_user_info(url).0) {
            Some(clean) if is_registry && !clean.as_str().contains("$%7B") && !clean.as_str().contains("${") => {
                one.value = clean.into();
                true
            }
            _ => {
                if is_registry {
                    refused = Some(format!("{}: {message}", one.location));
                }
                false
            }
        }
    });
    refused.map_or(Ok(()), |reason| Err(FetchError::Configuration { reason }))
}

/// Keys of one tool alone that name code which it runs: yarn's own program and plugins, pnpm's hooks, what bun loads.
fn runs_a_file(tool: Tool, key: &str) -> bool {
    // An item of a list in `.npmrc`.
    let key = key.strip_suffix("[]").unwrap_or(key);
    match tool {
        Tool::Yarn => matches!(key, "yarn-path" | "plugins"),
        Tool::Pnpm | Tool::Pnpx => matches!(key, "pnpmfile" | "global-pnpmfile"),
        Tool::Bun | Tool::Bunx => matches!(key, "preload" | "install.security.scanner"),
        _ => false,
    }
}

/// One `.npmrc`, its variables replaced.
fn npmrc(sources: Sources<'_>, out: &mut NpmConfig, layer: SettingLayer, path: &Path, given: &mut Vec<Given>) {
    let text = match sources.files.read_text(path) {
        Ok(text) => text,
        Err(FileError::NotFound) => return,
        Err(e) => {
            out.diagnostics.push(Diagnostic::new(Location::file(path), e.to_string()));
            return;
        }
    };
    for item in ini::npm(&text) {
        // npm does not look into sections.
        if !item.section.is_empty() {
            continue;
        }
        let location = Location::at(path, item.line, 1);
        let (key, _) = ini::expand(&item.key, &sources.environment.variables);
        let (value, missing) = ini::expand(&item.value, &sources.environment.variables);
        // A credential without its variable is no credential; npm sends the text, which only fails.
        if !missing.is_empty() && key.starts_with("//") {
            continue;
        }
        let expanded = value != item.value;
        given.push(Given { key, value, layer, location, expanded, written: item.value });
    }
}

/// The `.npmrc` files npm reads, lowest precedence first.
fn npmrc_files(sources: Sources<'_>) -> Vec<(SettingLayer, PathBuf)> {
    let environment = sources.environment;
    // A file is as much the user's own choice as what names it.
    let named = |flag: &str| {
        let flag = sources.invocation.flag(flag)?;
        let layer = match flag.location.place {
            Place::Environment(_) => SettingLayer::Environment,
            _ => SettingLayer::Flag,
        };
        Some((layer, environment.absolute(Path::new(flag.value.as_deref()?))))
    };
    let variable = |name: &str| {
        let own = environment.variables.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        own.filter(|v| !v.is_empty()).map(|v| (SettingLayer::Environment, environment.absolute(Path::new(v))))
    };
    let mut out = Vec::new();
    let own = |path: &Path| (SettingLayer::System, path.to_owned());
    let prefix = sources.prefix.map(own).or_else(|| variable("npm_config_prefix"));
    let global = named("--globalconfig")
        .or_else(|| variable("npm_config_globalconfig"))
        .or_else(|| prefix.map(|(layer, p)| (layer, p.join("etc").join("npmrc"))));
    out.extend(global);
    let user = named("--userconfig")
        .or_else(|| variable("npm_config_userconfig"))
        .or_else(|| environment.home.as_ref().map(|h| (SettingLayer::User, h.join(".npmrc"))));
    if !sources.invocation.global {
        let project: Vec<PathBuf> = project_roots(sources).into_iter().map(|r| r.join(".npmrc")).collect();
        // A project's file that is named as the user's own stays the project's.
        let is_user = |p: &PathBuf| user.as_ref().is_some_and(|(layer, u)| u == p && *layer == SettingLayer::User);
        let of_project = project.iter().filter(|p| !is_user(p)).map(|p| (SettingLayer::Project, p.clone()));
        out.extend(user.clone().filter(|(_, u)| is_user(u) || !project.contains(u)));
        out.extend(of_project);
    } else {
        out.extend(user);
    }
    out
}

/// The project's directory, and before it the workspace root above it: where a project's `.npmrc` may stand.
fn project_roots(sources: Sources<'_>) -> Vec<PathBuf> {
    let is_project =
        |d: &&Path| sources.files.is_file(&d.join("package.json")) || sources.files.is_dir(&d.join("node_modules"));
    let cwd = sources.environment.cwd.as_path();
    let own = cwd.ancestors().find(is_project).unwrap_or(cwd);
    let root = own.ancestors().skip(1).find(|d| {
        let manifest = sources.files.read_text(&d.join("package.json")).unwrap_or_default();
        sources.files.is_file(&d.join("pnpm-workspace.yaml")) || manifest.contains("\"workspaces\"")
    });
    root.into_iter().chain([own]).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests;
