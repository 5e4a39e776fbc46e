//! What a command's flags and variables decide about resolution. In: the invocation and its environment. Out:
//! [`Settings`], plain facts that the graph asks.

use std::path::Path;

use super::graph::Kind;
use crate::ecosystem::ini;
use crate::invocation::{Effect, Invocation, Tool};
use crate::model::{Environment, Files, Timestamp};
use crate::toolchain::own::MARKER;

/// What a command's flags and variables decide about resolution.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The tool.
    pub tool: Tool,
    /// Development dependencies are left out.
    pub omit_dev: bool,
    /// Optional dependencies are left out.
    pub omit_optional: bool,
    /// Peers are left out.
    pub omit_peer: bool,
    /// The tool installs peers that nothing else brings.
    pub installs_peers: bool,
    /// The lockfile counts.
    pub use_lock: bool,
    /// What the lockfile does not have is not fetched: the tool refuses.
    pub frozen: bool,
    /// The lockfile's packages and what would be picked now are both possible.
    pub both: bool,
    /// Names whose lockfile entries do not count.
    pub update: Vec<String>,
    /// npm's `--before`.
    pub before: Option<Timestamp>,
    /// npm's `--tag`.
    pub default_tag: String,
    /// Locked packages are compared with the registry's metadata.
    pub verify_lock: bool,
}

impl Settings {
    /// Reads them.
    pub(super) fn new(invocation: &Invocation, environment: &Environment) -> Self {
        let tool = invocation.tool;
        let omitted = |what: &str| {
            let listed = |flag: &str| invocation.values(flag).flat_map(|v| v.split(',')).any(|v| v.trim() == what);
            listed("--omit") && !listed("--include")
        };
        let production = switched(invocation, "--production")
            || switched(invocation, "--prod")
            || invocation.values("--only").any(|v| matches!(v, "prod" | "production"))
            || dev_is_off(invocation)
            // npm and yarn 1 leave development dependencies out where NODE_ENV says production.
            || (environment.variable("NODE_ENV") == Some("production")
                && matches!(tool, Tool::Npm | Tool::Npx | Tool::Yarn)
                && !kept(invocation, "dev")
                && invocation.flag("--production").is_none());
        let legacy_peers = switched(invocation, "--legacy-peer-deps");
        let verb = invocation.verb.as_str();
        let refresh_all = invocation.effect == Effect::Update && invocation.requests.is_empty() && verb != "audit fix";
        let locked_off = is_off(invocation, "--package-lock")
            || switched(invocation, "--no-package-lock")
            || switched(invocation, "--no-lockfile")
            || is_off(invocation, "--lockfile");
        Self {
            tool,
            omit_dev: omitted("dev") || production,
            omit_optional: omitted("optional")
                || is_off(invocation, "--optional")
                || switched(invocation, "--no-optional"),
            omit_peer: omitted("peer"),
            installs_peers: !legacy_peers && tool != Tool::Yarn,
            use_lock: !invocation.global && !refresh_all && !locked_off && invocation.effect != Effect::RunsRemote,
            frozen: invocation.effect == Effect::Locked,
            both: matches!(verb, "audit fix" | "dedupe" | "find-dupes"),
            update: if invocation.effect == Effect::Update {
                invocation.requests.iter().map(|r| r.text.clone()).collect()
            } else {
                Vec::new()
            },
            before: invocation.values("--before").last().and_then(moment),
            default_tag: invocation.values("--tag").last().unwrap_or("latest").to_owned(),
            verify_lock: true,
        }
    }

    /// Whether edges of this kind are followed.
    pub(super) fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Production => true,
            Kind::Development => !self.omit_dev,
            Kind::Optional => !self.omit_optional,
            Kind::Peer | Kind::OptionalPeer => !self.omit_peer,
        }
    }

    /// Whether the command re-resolves a name wherever it stands.
    pub(super) fn updates(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| {
            self.update.iter().any(|u| {
                let bare = u.char_indices().skip(1).find(|(_, c)| *c == '@').and_then(|(at, _)| u.get(..at));
                bare.unwrap_or(u) == name
            })
        })
    }

    /// npm or npx.
    pub(super) fn is_npm(&self) -> bool {
        matches!(self.tool, Tool::Npm | Tool::Npx)
    }

    /// pnpm or pnpx.
    pub(super) fn is_pnpm(&self) -> bool {
        matches!(self.tool, Tool::Pnpm | Tool::Pnpx)
    }

    /// yarn.
    pub(super) fn is_yarn(&self) -> bool {
        self.tool == Tool::Yarn
    }
}

fn off(value: &str) -> bool {
    matches!(value, "false" | "no" | "off" | "0" | "null")
}

/// A flag that is there and not switched off.
fn switched(invocation: &Invocation, name: &str) -> bool {
    invocation.flag(name).is_some_and(|f| !f.value.as_deref().is_some_and(off))
}

/// A flag that is there and switched off.
fn is_off(invocation: &Invocation, name: &str) -> bool {
    invocation.flag(name).is_some_and(|f| f.value.as_deref().is_some_and(off))
}

fn dev_is_off(invocation: &Invocation) -> bool {
    is_off(invocation, "--dev") && !kept(invocation, "dev")
}

fn kept(invocation: &Invocation, what: &str) -> bool {
    invocation.values("--include").flat_map(|v| v.split(',')).any(|v| v.trim() == what)
}

/// `2024-01-31`, or RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// The first directory on PATH with a file of one of these names, as far as `files` tell. The gate's links are passed over,
/// as they are by what starts the tool.
pub(super) fn on_path<'e>(environment: &'e Environment, files: &dyn Files, names: &[&str]) -> Option<&'e Path> {
    let directories = environment.variable("PATH")?.split(if environment.os == "windows" { ';' } else { ':' });
    let holds = |d: &&Path| d.is_absolute() && names.iter().any(|name| files.is_file(&d.join(name)));
    directories.map(Path::new).filter(holds).find(|d| !files.is_file(&d.join(MARKER)))
}

/// Whether npm finds a program of this name among those of its global prefix, where it looks last before it fetches. The
/// prefix is the one of node, but where a variable, an option or the user's `.npmrc` names another (`@npmcli/config`).
pub(super) fn is_global_program(
    invocation: &Invocation,
    environment: &Environment,
    files: &dyn Files,
    name: &str,
) -> bool {
    let home = environment.home.as_deref();
    let lines = home.and_then(|home| files.read_text(&home.join(".npmrc")).ok()).map(|text| ini::npm(&text));
    let of_file = || lines.iter().flatten().rev().find(|item| item.key == "prefix").map(|item| item.value.clone());
    let of_option = invocation.flag("--prefix").and_then(|f| f.value.clone());
    let told = of_option.or_else(of_file).or_else(|| environment.variable("PREFIX").map(str::to_owned));
    let prefix = match told {
        Some(text) if text.contains("${") => None,
        Some(text) => match text.strip_prefix("~/") {
            Some(rest) => home.map(|home| home.join(rest)),
            None => Some(environment.absolute(Path::new(&text))),
        },
        None => on_path(environment, files, &["node"]).and_then(|directory| {
            let node = directory.join("node");
            let node = files.real(&node).unwrap_or(node);
            Some(node.parent()?.parent()?.to_owned())
        }),
    };
    environment.os != "windows" && prefix.is_some_and(|prefix| files.is_file(&prefix.join("bin").join(name)))
}

/// The version of the node that would run, as far as files tell: the header beside the first `node` on PATH.
/// Some packages are picked by it; where it is not known, every package is taken to run.
pub(super) fn node_version(environment: &Environment, files: &dyn Files) -> Option<String> {
    let directory = on_path(environment, files, &["node", "node.exe"])?;
    let header = directory.parent()?.join("include/node/node_version.h");
    let text = files.read_text(&header).ok()?;
    let number = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name)?.trim().parse::<u32>().ok())
    };
    let (major, minor) = (number("NODE_MAJOR_VERSION ")?, number("NODE_MINOR_VERSION ")?);
    Some(format!("{major}.{minor}.{}", number("NODE_PATCH_VERSION ")?))
}
