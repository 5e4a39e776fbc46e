//! Where Python packages come from, as the user configured it: pip's files, variables and flags, uv's, and the
//! sources that poetry, pdm and Pipenv projects name. In: the command, its environment, the files it would read.
//! Out: [`Indexes`], a [`Profile`], and every setting with who made it and where.

mod pip;
mod projects;
mod uv;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::PYPI_DEFAULT;
use super::http::{Authorization, Netrc, Profile, ProxySettings, Secret, split_user_info};
use super::index::{Authenticate, FindLinks, IndexSpec, Indexes};
use crate::ecosystem::ini;
use crate::ecosystem::python::requirements_txt::GlobalOption;
use crate::invocation::{Flag, FlagEffect, Invocation, Tool};
use crate::model::{Diagnostic, Environment, Files, Location, Place, Setting, SettingKind, SettingLayer, redact_url};

/// What is read from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The command: its flags, and the variables that act as flags.
    pub invocation: &'a Invocation,
    /// Variables, directories, platform. `cwd` is the directory the tool works in.
    pub environment: &'a Environment,
    /// The files it may read.
    pub files: &'a dyn Files,
    /// `sys.prefix` of the interpreter, for its `pip.conf`.
    pub prefix: Option<&'a Path>,
    /// Options inside requirements files, in order.
    pub file_options: &'a [GlobalOption],
}

/// Whether the policy trusts an index: to others, a project file cannot send what stands in a variable.
pub type Trusted<'a> = &'a dyn Fn(&Url) -> bool;

/// [`Sources`] with what the policy says of indexes.
#[derive(Clone, Copy)]
struct Reading<'a> {
    sources: Sources<'a>,
    trusted: Trusted<'a>,
}

impl<'a> std::ops::Deref for Reading<'a> {
    type Target = Sources<'a>;

    fn deref(&self) -> &Sources<'a> {
        &self.sources
    }
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The name of the [`ConfiguredOption`] whose value is a file of uv's settings that say more of a resolution than
/// options can: constraints, overrides, stated metadata.
pub const UV_SETTINGS: &str = "[tool.uv]";

/// One option that a configuration file set and that the resolver, not the index, weighs: `--pre`, `--no-binary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredOption {
    /// The flag it stands for.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who set it.
    pub layer: SettingLayer,
    /// Where.
    pub location: Location,
}

impl From<ConfiguredOption> for Flag {
    fn from(option: ConfiguredOption) -> Self {
        Self { name: option.name, value: Some(option.value), effect: FlagEffect::Selects, location: option.location }
    }
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct PythonConfig {
    /// Which indexes are asked, and how their answers are merged.
    pub indexes: Indexes,
    /// How connections are made.
    pub profile: Profile,
    /// Every setting that decides where packages come from or weakens a protection, in order of precedence, lowest first.
    pub settings: Vec<Setting>,
    /// What else configuration files set, lowest precedence first. Flags and variables are in the invocation.
    pub options: Vec<ConfiguredOption>,
    /// What could not be understood.
    pub diagnostics: Vec<Diagnostic>,
}

/// A value with who set it.
#[derive(Debug, Clone)]
struct Given {
    value: String,
    layer: SettingLayer,
    location: Location,
}

/// Reads what the command's tool would read, for a policy that trusts no index.
pub fn read(sources: Sources<'_>) -> PythonConfig {
    read_trusting(sources, &|_| false)
}

/// Reads what the command's tool would read.
pub fn read_trusting(sources: Sources<'_>, trusted: Trusted<'_>) -> PythonConfig {
    let sources = Reading { sources, trusted };
    let mut out = PythonConfig::default();
    out.profile.proxies = ProxySettings::from_environment(sources.environment);
    roots(&mut out, sources.environment);
    match sources.invocation.tool {
        Tool::Uv | Tool::Uvx => uv::read(sources, &mut out),
        Tool::Poetry => projects::poetry(sources, &mut out),
        Tool::Pdm => projects::pdm(sources, &mut out),
        Tool::Pipenv => projects::pipenv(sources, &mut out),
        _ => pip::read(sources, &mut out),
    }
    netrc(&mut out, sources);
    out
}

/// REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE, as requests and uv read them. They replace the system's roots.
fn roots(out: &mut PythonConfig, environment: &Environment) {
    let path = |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(bundle) = path("REQUESTS_CA_BUNDLE").or_else(|| path("CURL_CA_BUNDLE")) {
        out.profile.roots.only = vec![bundle];
    } else if environment.os != "linux" {
        // On Linux the system's roots are these already.
        out.profile.roots.extra.extend(path("SSL_CERT_FILE"));
    }
}

/// `$NETRC`, `~/.netrc`, `~/_netrc`.
fn netrc(out: &mut PythonConfig, sources: Reading<'_>) {
    let named = sources.environment.variable("NETRC").map(PathBuf::from);
    let home = sources.environment.home.iter().flat_map(|h| [h.join(".netrc"), h.join("_netrc")]);
    let path = named.into_iter().chain(home).find(|p| sources.files.is_file(p));
    if let Some(text) = path.and_then(|p| sources.files.read_text(&p).ok()) {
        // Hosts of the user's own choice, and PyPI; not those that a project file alone names.
        let own = out.settings.iter().filter(|s| s.layer != SettingLayer::Project).map(|s| s.value.as_str());
        let hosts = own.chain([PYPI_DEFAULT]).filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned));
        let hosts = hosts.collect();
        out.profile.credentials.set_netrc(Netrc::parse(&text), hosts);
    }
}

impl PythonConfig {
    fn setting(&mut self, kind: SettingKind, key: &str, given: &Given) {
        self.settings.push(Setting {
            kind,
            key: key.to_owned(),
            value: redact_url(&given.value),
            layer: given.layer,
            location: given.location.clone(),
        });
    }

    /// Adds an index; the credentials in its URL go to the credential store. `None` after saying why not.
    fn index(&mut self, key: &str, given: &Given, kind: SettingKind, base: &Path) -> Option<usize> {
        self.setting(kind, key, given);
        let Some(url) = location_url(&given.value, base) else {
            let message = format!("`{}` is no URL of an index", redact_url(&given.value));
            self.diagnostics.push(Diagnostic::new(given.location.clone(), message));
            return None;
        };
        let (url, authorization) = split_user_info(url);
        let mut spec = IndexSpec::new(url.clone());
        if let Some(authorization) = authorization {
            self.profile.credentials.add_host(&url, authorization);
            spec.authenticate = Authenticate::Always;
        }
        if let Some(at) = self.indexes.indexes.iter().position(|i| i.url == spec.url) {
            return Some(at);
        }
        self.indexes.indexes.push(spec);
        Some(self.indexes.indexes.len() - 1)
    }

    /// PyPI itself.
    fn default_index(&mut self) {
        // As every tool writes it.
        if let Ok(url) = Url::parse(PYPI_DEFAULT.trim_end_matches('/')) {
            self.indexes.indexes.push(IndexSpec { assumed: true, ..IndexSpec::new(url) });
        }
    }

    fn find_links(&mut self, key: &str, given: &Given, base: &Path, home: Option<&Path>) {
        self.setting(SettingKind::FindLinks, key, given);
        let text = given.value.trim();
        let place = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                let (url, authorization) = split_user_info(url);
                if let Some(authorization) = authorization {
                    self.profile.credentials.add_host(&url, authorization);
                }
                FindLinks::Page(url)
            }
            Ok(url) if url.scheme() == "file" => match url.to_file_path() {
                Ok(path) => FindLinks::Path(path),
                Err(()) => return,
            },
            _ => FindLinks::Path(user_path(text, base, home)),
        };
        if !self.indexes.find_links.contains(&place) {
            self.indexes.find_links.push(place);
        }
    }

    /// A host whose certificate the user chose not to have checked.
    fn trusted_host(&mut self, key: &str, given: &Given) {
        self.setting(SettingKind::WeakensSafety, key, given);
        self.profile.unchecked_hosts.push(given.value.trim().to_owned());
    }

    fn timeout(&mut self, seconds: &str) {
        if let Some(seconds) = seconds.trim().parse::<f64>().ok().filter(|s| *s > 0.0 && *s < 86_400.0) {
            let timeout = Duration::from_secs_f64(seconds);
            self.profile.connect_timeout = timeout;
            self.profile.read_timeout = timeout;
            self.profile.total_timeout = self.profile.total_timeout.max(timeout * 4);
        }
    }
}

/// `~` and relative paths.
fn user_path(text: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(text),
    }
}

/// A URL, or a path made one.
fn location_url(text: &str, base: &Path) -> Option<Url> {
    let text = text.trim();
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
        Ok(url) if url.scheme() == "file" => Some(url),
        // A drive letter is no scheme.
        Ok(url) if url.scheme().len() > 1 => None,
        _ if text.is_empty() => None,
        _ => Url::from_file_path(base.join(text)).ok(),
    }
}

/// Whether a credential that a variable holds may go to an index. What only a project file names gets it when the
/// policy trusts it: reading a strange repository must not send a secret to a host that the repository names.
fn may_send(sources: Reading<'_>, out: &mut PythonConfig, url: &Url, layer: SettingLayer, location: &Location) -> bool {
    if layer != SettingLayer::Project || (sources.trusted)(url) {
        return true;
    }
    let host = url.host_str().unwrap_or_default();
    let message = format!("a credential from a variable is not sent to {host}, which only this file names");
    let hint = "add the index to [trust] registries in your own policy";
    out.diagnostics.push(Diagnostic::new(location.clone(), message).with_hint(hint));
    false
}

/// The URL of a project file in which a variable was replaced, as far as it may be used. `written` is the text before.
/// What a variable holds goes to hosts that the user named or the policy trusts. To others the URL goes without user
/// information, and when a variable stood elsewhere in it, it goes nowhere: `None`. Either is said.
fn disclosable(
    sources: Reading<'_>,
    out: &mut PythonConfig,
    expanded: &str,
    written: &str,
    location: &Location,
) -> Option<String> {
    let host = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    let url = Url::parse(expanded.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
    let Some(url) = url.filter(|_| expanded != written && !ini::is_variable_with_path(written)) else {
        return Some(expanded.to_owned());
    };
    let named = out.settings.iter().filter(|s| s.layer != SettingLayer::Project);
    let mut named = named.filter_map(|s| Url::parse(&s.value).ok());
    if named.any(|n| host(&n) == host(&url)) || may_send(sources, out, &url, SettingLayer::Project, location) {
        return Some(expanded.to_owned());
    }
    let (clean, _) = split_user_info(Url::parse(written.trim()).ok()?);
    let whole = clean.as_str();
    (!whole.contains("$%7B") && !whole.contains("${")).then(|| whole.to_owned())
}

/// Flag or environment, by where the invocation found it.
fn layer_of(location: &Location) -> SettingLayer {
    match location.place {
        Place::Environment(_) => SettingLayer::Environment,
        Place::File(_) => SettingLayer::Project,
        Place::Argv | Place::BuiltIn => SettingLayer::Flag,
    }
}

/// What the command line and the variables give for an option: variables first. `variable` is read here when the
/// invocation's tables do not know it.
fn flags(sources: Reading<'_>, name: &str, variable: &str) -> Vec<Given> {
    let mut out: Vec<Given> = sources
        .invocation
        .flags
        .iter()
        .filter(|f| f.name == name)
        .map(|f| Given {
            value: f.value.clone().unwrap_or_else(|| "true".to_owned()),
            layer: layer_of(&f.location),
            location: f.location.clone(),
        })
        .collect();
    if !out.iter().any(|g| g.layer == SettingLayer::Environment)
        && let Some(value) = environment(sources, variable)
    {
        let location = Location::environment(variable);
        let own = value.split_ascii_whitespace().map(|v| Given {
            value: v.to_owned(),
            layer: SettingLayer::Environment,
            location: location.clone(),
        });
        out.splice(0..0, own);
    }
    out
}

/// A variable that the command sets for itself (`env A=b pip …`), or the process has; empty is not set.
fn environment<'a>(sources: Reading<'a>, name: &str) -> Option<&'a str> {
    let own = sources.invocation.assignments.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    own.or_else(|| sources.environment.variable(name)).filter(|v| !v.trim().is_empty())
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "y" | "t")
}

fn basic(user: &str, password: &str) -> Authorization {
    Authorization::Basic { user: Secret::new(user), password: Secret::new(password) }
}

#[cfg(test)]
mod tests;
