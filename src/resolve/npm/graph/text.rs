//! Specs and locked sources as text: what is shown of them, and whether two of them mean the same.

use super::*;
use crate::ecosystem::npm::semver;

/// A manifest's dependency as the lockfile looks it up: pnpm's importers say which version was chosen.
pub(super) fn asked(lock: &Lockfile, importer: &str, name: &str, text: &str, kind: Kind) -> LockedDependency {
    let known =
        lock.importers.iter().find(|i| i.path == importer).and_then(|i| i.dependencies.iter().find(|d| d.name == name));
    LockedDependency {
        kind: kind.dependency(),
        optional_peer: kind == Kind::OptionalPeer,
        name: name.to_owned(),
        spec: text.to_owned(),
        chosen: known.and_then(|d| d.chosen.clone()),
        offset: 0,
    }
}

/// yarn keys its entries by what was asked for, overrides included; the others look up by place or chosen version.
pub(super) fn locked_text(dependency: &LockedDependency, text: &str) -> String {
    if dependency.chosen.is_some() { dependency.spec.clone() } else { text.to_owned() }
}

pub(super) fn locked_id(package: &LockedPackage) -> Option<PackageId> {
    Some(PackageId::new(npm_name(&package.name), package.version.as_deref()?))
}

pub(super) fn catalog_name(text: &str) -> &str {
    if text == "default" { "" } else { text }
}

/// The part of a URL or path that names it best.
pub(super) fn last_segment(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or(text).trim_end_matches('/');
    let last = text.rsplit(['/', ':']).next().unwrap_or(text);
    let last = last.strip_suffix(".git").or_else(|| last.strip_suffix(".tgz")).unwrap_or(last);
    last.strip_suffix(".tar.gz").unwrap_or(last).to_owned()
}

/// The release that a URL names in the form of npm's registry and its mirrors: `…/@scope/name/-/name-1.0.0.tgz`.
pub(super) fn registry_release(url: &str) -> Option<PackageId> {
    let parsed = url::Url::parse(url).ok()?;
    let path = percent_encoding::percent_decode_str(parsed.path()).decode_utf8().ok()?;
    let (before, file) = path.rsplit_once("/-/")?;
    let mut parts = before.rsplit('/');
    let base = parts.next().filter(|base| !base.is_empty())?;
    let name = match parts.next().filter(|scope| scope.starts_with('@')) {
        Some(scope) => format!("{scope}/{base}"),
        None => base.to_owned(),
    };
    // Some registries repeat the scope before the file's name.
    let file = file.rsplit('/').next().unwrap_or(file);
    let version = file.strip_prefix(base)?.strip_prefix('-')?.strip_suffix(".tgz")?;
    semver::Version::parse(version, false).map(|_| PackageId::new(npm_name(&name), version))
}

/// Credentials in a spec's URL do not leave this module.
pub(super) fn redact_spec(text: &str) -> String {
    match text.find("://") {
        Some(at) => {
            let start = text.get(..at).and_then(|t| t.rfind('@')).map_or(0, |i| i + 1);
            let (head, url) = text.split_at(start);
            let (url, fragment) = url.split_once('#').map_or((url, None), |(u, f)| (u, Some(f)));
            let fragment = fragment.map_or_else(String::new, |f| format!("#{f}"));
            format!("{head}{}{fragment}", redact_url(url))
        }
        None => text.to_owned(),
    }
}

/// The version range in a spec; empty: any. `None` where it names no version of a registry.
pub(super) fn range_of(spec: &Spec) -> Option<String> {
    match spec {
        Spec::Version(text) | Spec::Range(text) => Some(if text == "*" { String::new() } else { text.clone() }),
        Spec::Tag(_) | Spec::Catalog(_) => Some(String::new()),
        Spec::Alias { spec, .. } | Spec::Jsr { spec, .. } => range_of(spec),
        Spec::Patch(inner) => range_of(&inner.spec),
        _ => None,
    }
}

/// How tightly a spec fixes what it gets.
pub(super) fn pinning(spec: &Spec) -> Pinning {
    match spec {
        Spec::Version(_) => Pinning::Exact,
        Spec::Range(text) => match Range::parse(text, Options::NPM) {
            Some(range) if range.is_any() => Pinning::Floating,
            Some(range) if range.is_exact() => Pinning::Exact,
            _ => Pinning::Range,
        },
        Spec::Tag(_) | Spec::Invalid(_) => Pinning::Floating,
        Spec::Alias { spec, .. } | Spec::Jsr { spec, .. } => pinning(spec),
        Spec::Patch(inner) => pinning(&inner.spec),
        Spec::Git(git) if git.commit().is_some() => Pinning::Exact,
        Spec::Git(git) if git.range.is_some() => Pinning::Range,
        Spec::Git(_) => Pinning::Floating,
        Spec::Catalog(_) | Spec::Workspace(_) => Pinning::Range,
        Spec::Remote(_) | Spec::File(_) | Spec::Directory(_) | Spec::Link(_) => Pinning::Exact,
    }
}

pub(super) fn same_repository(wanted: &GitSpec, locked: &str) -> bool {
    repository(&wanted.url) == repository(locked)
}

/// Host and path of a git address, however it is written.
pub(super) fn repository(url: &str) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.trim_end_matches('/').trim_end_matches(".git").replacen(':', "/", 1).to_ascii_lowercase()
}

/// An archive of the same project on a known host: `codeload.github.com/u/r/tar.gz/COMMIT`.
pub(super) fn same_project(wanted: &GitSpec, archive: &str) -> bool {
    let path = repository(&wanted.url);
    let project = path.split_once('/').map_or("", |(_, project)| project);
    wanted.host.is_some() && !project.is_empty() && archive.to_ascii_lowercase().contains(project)
}

pub(super) fn same_commit(wanted: &GitSpec, locked: Option<&str>) -> bool {
    match (wanted.commit(), locked) {
        (Some(wanted), Some(locked)) => {
            wanted.eq_ignore_ascii_case(locked) || (locked.len() >= 7 && wanted.starts_with(locked))
        }
        _ => true,
    }
}

/// Whether an error means that the registry could not be asked at all.
pub(in crate::resolve::npm) fn out_of_reach(error: &FetchError) -> bool {
    matches!(error, FetchError::Offline { .. } | FetchError::Unreachable { .. } | FetchError::Unauthorized { .. })
}

#[cfg(test)]
mod tests {
    use super::registry_release;

    #[test]
    fn a_url_of_the_registry_s_form_names_a_release() {
        let named = |url: &str| registry_release(url).map(|id| format!("{} {}", id.name.written(), id.version));
        for (url, expected) in [
            ("https://registry.npmjs.org/axios/-/axios-1.14.1.tgz", Some("axios 1.14.1")),
            ("https://registry.npmjs.org/@s/a/-/a-1.0.0-rc.1.tgz?x=1#y", Some("@s/a 1.0.0-rc.1")),
            ("https://registry.npmjs.org/@s%2fa/-/a-1.0.0.tgz", Some("@s/a 1.0.0")),
            ("https://corp.example/api/npm/a/-/a-1.0.0.tgz", Some("a 1.0.0")),
            ("https://npm.pkg.example/@s/a/-/@s/a-1.0.0.tgz", Some("@s/a 1.0.0")),
            ("https://registry.npmjs.org/a/-/b-1.0.0.tgz", None),
            ("https://registry.npmjs.org/a/-/a-latest.tgz", None),
            ("https://codeload.github.com/a/b/tar.gz/v1.0.0", None),
            ("https://h.example/-/a-1.0.0.tgz", None),
        ] {
            assert_eq!(named(url).as_deref(), expected, "{url}");
        }
    }
}
