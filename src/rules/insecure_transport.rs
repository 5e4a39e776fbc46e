//! `insecure-transport`: everything that would be fetched, and the settings of how, go in; plain http and checks
//! switched off come out.

use std::collections::BTreeMap;

use super::{Facts, Observation, Rule, fix, places, say};
use crate::invocation::FlagEffect;
use crate::model::{Category, Ecosystem, Level, Location, LockState, Package, Pinning, Setting, SettingKind, Source};

/// The rule.
pub const RULE: Rule = Rule {
    name: "insecure-transport",
    default: Level::Ask,
    category: Category::UntrustedInfrastructure,
    about: "Something is fetched without TLS, or without checking it: whoever is on the way can replace it.",
    options: &[],
    look,
};

/// Variables that switch checks off, with the value that does it (`""`: any but empty, 0 and false) and the tools
/// that read them (`None`: every tool that clones).
const VARIABLES: &[(&str, &str, Option<Ecosystem>)] = &[
    ("NODE_TLS_REJECT_UNAUTHORIZED", "0", Some(Ecosystem::Npm)),
    ("PYTHONHTTPSVERIFY", "0", Some(Ecosystem::PyPI)),
    ("GIT_SSL_NO_VERIFY", "", None),
];

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = Vec::new();
    out.extend(facts.settings.iter().filter_map(|s| from_setting(facts, s)));
    out.extend(from_flags(facts));
    out.extend(from_variables(facts));
    out.extend(facts.plan.packages.iter().filter_map(from_source));
    out.extend(from_artifacts(facts, &out));
    out
}

fn from_setting(facts: &Facts<'_>, setting: &Setting) -> Option<Observation> {
    let observation = if places::names_a_source(setting) {
        let scheme = places::plain_scheme(places::url_in(&setting.value)?)?;
        Observation::new(format!(
            "`{}` is fetched by plain {scheme}: {}",
            say::word(&setting.key),
            say::url(&setting.value)
        ))
        .fix(fix::advice("use https"))
    } else if setting.kind == SettingKind::WeakensSafety && places::concerns_transport(&setting.key) {
        if is_loopback_only(&setting.value) {
            return None;
        }
        let value = say::word(&setting.value);
        let observation =
            Observation::new(format!("`{}` ({value}) switches the check of TLS off", say::word(&setting.key)));
        let flag = facts.flags().find(|f| f.location == setting.location);
        match flag {
            Some(flag) => observation.fix(fix::drop_flag(facts, flag)),
            None => observation.fix(fix::advice(format!(
                "remove `{}` at {}",
                say::word(&setting.key),
                fix::place(&setting.location)
            ))),
        }
    } else {
        return None;
    };
    let observation = observation.at(&setting.location).with("key", say::word(&setting.key));
    // What the user's own configuration says is the user's choice: said, and cleared.
    Some(if places::is_foreign(setting.layer) { observation } else { observation.at_most(Level::Warn) })
}

/// Whether every host of a `--trusted-host` value is this machine.
fn is_loopback_only(value: &str) -> bool {
    let mut hosts = value.split([' ', ',', '\n']).filter(|h| !h.is_empty()).peekable();
    hosts.peek().is_some()
        && hosts.all(|host| {
            let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
            let bare = match bare.strip_prefix('[') {
                Some(rest) => rest.split(']').next().unwrap_or(rest),
                None => bare.split([':', '/']).next().unwrap_or(bare),
            };
            places::is_loopback(bare)
        })
}

fn from_flags(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out = Vec::new();
    for flag in facts.flags() {
        if facts.settings.iter().any(|s| s.location == flag.location) {
            continue;
        }
        let value = flag.value.as_deref().unwrap_or_default();
        let observation = match flag.effect {
            FlagEffect::WeakensSafety if places::concerns_transport(&flag.name) && !is_loopback_only(value) => {
                Observation::new(format!("{} switches the check of TLS off", fix::typed(facts, flag)))
                    .fix(fix::drop_flag(facts, flag))
            }
            FlagEffect::Index | FlagEffect::ExtraIndex | FlagEffect::FindLinks => {
                let Some(url) = places::url_in(value) else { continue };
                let Some(scheme) = places::plain_scheme(url) else { continue };
                let shown = say::url(url);
                Observation::new(format!("{} is fetched by plain {scheme}: {shown}", say::word(&flag.name)))
                    .fix(fix::advice("use https"))
            }
            _ => continue,
        };
        out.push(observation.at(&flag.location).with("key", say::word(&flag.name)));
    }
    out
}

fn from_variables(facts: &Facts<'_>) -> Vec<Observation> {
    let set = |name: &str| {
        let assigned = places::assigned(facts).filter(|(_, n, ..)| *n == name).last();
        let inherited = || places::inherited(facts).find(|(_, n, _)| *n == name);
        assigned
            .map(|(_, _, value, place)| (value, place))
            .or_else(|| inherited().map(|(_, _, value)| (value, Location::environment(name))))
    };
    let mut out = Vec::new();
    for (name, off, ecosystem) in VARIABLES {
        let read = match ecosystem {
            Some(ecosystem) => facts.installing().any(|i| i.tool.ecosystem() == Some(*ecosystem)),
            None => facts.plan.packages.iter().any(|p| matches!(p.source, Source::Git { .. })),
        };
        // Variables of the caller say nothing about manifests.
        if facts.audit || !read {
            continue;
        }
        let Some((value, location)) = set(name) else { continue };
        let is_off = if off.is_empty() { !matches!(value, "" | "0" | "false") } else { value == *off };
        if is_off && !facts.settings.iter().any(|s| s.location == location) {
            let observation = Observation::new(format!("{name} switches the check of TLS off"))
                .at(&location)
                .fix(fix::advice(format!("unset {name}")))
                .with("key", *name);
            out.push(observation);
        }
    }
    out
}

/// A requirement that is itself a plain URL.
fn from_source(package: &Package) -> Option<Observation> {
    let url = match &package.source {
        Source::Url { url } | Source::Git { url, .. } => url,
        _ => return None,
    };
    let scheme = places::plain_scheme(url)?;
    let message = format!("{} is fetched by plain {scheme}: {}", say::package(package), say::url(url));
    let observation = Observation::new(message).about(package).fix(fix::advice("use https")).with("url", say::url(url));
    Some(if is_fixed(package) { observation.at_most(Level::Warn) } else { observation })
}

/// Whether a digest written down beforehand fixes the bytes, however they travel.
fn is_fixed(package: &Package) -> bool {
    let strong = package.artifacts.iter().all(|a| a.digests.iter().any(|d| !d.algorithm().is_weak()));
    let recorded = package.lock == LockState::LockedWithDigest || package.pinning == Pinning::ExactHash;
    recorded && strong && !package.artifacts.is_empty()
}

/// Artifacts and registries at plain URLs, one observation a host, where no setting was reported for it.
fn from_artifacts(facts: &Facts<'_>, reported: &[Observation]) -> Vec<Observation> {
    let mut by_host: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
    for package in &facts.plan.packages {
        let Source::Registry { url } = &package.source else { continue };
        let urls = std::iter::once(url.as_str()).chain(package.artifacts.iter().map(|a| a.url.as_str()));
        for host in urls.filter(|u| places::plain_scheme(u).is_some()).filter_map(host) {
            let packages = by_host.entry(host).or_default();
            if packages.last().is_none_or(|last| last.id != package.id) {
                packages.push(package);
            }
        }
    }
    by_host.retain(|host, _| !reported.iter().any(|o| o.package.is_none() && o.message.contains(host.as_str())));
    let one = |(host, packages): (String, Vec<&Package>)| {
        let names: Vec<String> = packages.iter().map(|p| say::release(&p.id)).collect();
        let message = format!(
            "{} would come from {host} by plain http: {}",
            say::count(packages.len(), "package", "packages"),
            say::list(&names, 3)
        );
        let mut observation = Observation::new(message)
            .fix(fix::advice("use https"))
            .with("host", host)
            .with("packages", say::texts(names.iter().map(String::as_str)));
        observation.location = packages.first().map(|p| p.origin.location.clone());
        if packages.iter().all(|p| is_fixed(p)) { observation.at_most(Level::Warn) } else { observation }
    };
    by_host.into_iter().map(one).collect()
}

/// The host, with its port, as a message shows it.
fn host(text: &str) -> Option<String> {
    let url = url::Url::parse(text.strip_prefix("sparse+").unwrap_or(text)).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
