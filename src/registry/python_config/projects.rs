//! poetry's, pdm's and Pipenv's own sources: `[[tool.poetry.source]]`, `[[tool.pdm.source]]`, Pipfile's `[[source]]`.

use toml::{Table, Value};

use super::uv::{line_of, read_toml};
use super::{Given, PythonConfig, Reading, basic, disclosable, environment, flags, may_send};
use crate::ecosystem::ini;
use crate::model::{Diagnostic, Ecosystem, Location, SettingKind, SettingLayer, normalise_name};

/// One `source` table.
struct Source {
    name: String,
    given: Given,
    kind: String,
    verify: bool,
    /// Its URL holds what may not be sent there: it is not asked.
    withheld: bool,
}

fn sources_in(
    sources: Reading<'_>,
    out: &mut PythonConfig,
    file: &str,
    path: &[&str],
    kind: &str,
) -> (Table, Vec<Source>) {
    let file = sources.environment.cwd.join(file);
    let (root, whole) = read_toml(sources, out, &file).unwrap_or_default();
    let mut at = Some(&root);
    for key in path {
        at = at.and_then(|t| t.get(*key)).and_then(Value::as_table);
    }
    let list = at.and_then(|t| t.get("source")).and_then(Value::as_array);
    let mut found = Vec::new();
    for table in list.into_iter().flatten().filter_map(Value::as_table) {
        let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        // pdm and Pipenv replace `${VAR}` by the environment's value.
        let (value, missing) = ini::expand(&text("url"), &sources.environment.variables);
        let location = line_of(&file, &whole, &text("url"));
        if let Some(name) = missing.first() {
            let message = format!("the URL of source `{}` needs ${name}, which is not set", text("name"));
            out.diagnostics.push(Diagnostic::new(location.clone(), message));
        }
        let value = disclosable(sources, out, &value, &text("url"), &location);
        let withheld = value.is_none();
        let value = value.unwrap_or_default();
        let verify = table.get("verify_ssl").and_then(Value::as_bool).unwrap_or(true);
        let given = Given { value, layer: SettingLayer::Project, location };
        found.push(Source { name: text("name"), given, kind: text(kind), verify, withheld });
    }
    (root, found)
}

impl PythonConfig {
    /// Adds a source; its index's place in the list.
    fn source(&mut self, source: &Source, sources: Reading<'_>, kind: SettingKind) -> Option<usize> {
        if source.withheld {
            return None;
        }
        if !source.verify
            && let Some(host) = url::Url::parse(&source.given.value).ok().and_then(|u| u.host_str().map(str::to_owned))
        {
            self.trusted_host("verify_ssl", &Given { value: host, ..source.given.clone() });
        }
        let at = self.index("source", &source.given, kind, &sources.environment.cwd)?;
        if let Some(spec) = self.indexes.indexes.get_mut(at) {
            spec.name = Some(source.name.clone());
        }
        Some(at)
    }
}

/// poetry: PyPI is asked only when no primary source is named; explicit ones only for packages that name them.
pub(super) fn poetry(sources: Reading<'_>, out: &mut PythonConfig) {
    let (root, found) = sources_in(sources, out, "pyproject.toml", &["tool", "poetry"], "priority");
    let primary = |s: &Source| matches!(s.kind.to_ascii_lowercase().as_str(), "" | "primary" | "default");
    if !found.iter().any(primary) {
        out.default_index();
    }
    for source in &found {
        // `name = "PyPI"` without a URL is PyPI itself.
        if source.given.value.is_empty() && !source.withheld && source.name.eq_ignore_ascii_case("pypi") {
            out.default_index();
            continue;
        }
        let kind = if primary(source) { SettingKind::Index } else { SettingKind::ExtraIndex };
        let Some(at) = out.source(source, sources, kind) else { continue };
        let Some(spec) = out.indexes.indexes.get_mut(at) else { continue };
        spec.explicit = source.kind.eq_ignore_ascii_case("explicit");
        let url = spec.url.clone();
        let key = source.name.to_ascii_uppercase().replace(['-', '.'], "_");
        let user = environment(sources, &format!("POETRY_HTTP_BASIC_{key}_USERNAME"));
        let password = environment(sources, &format!("POETRY_HTTP_BASIC_{key}_PASSWORD"));
        let any = user.is_some() || password.is_some();
        if any && may_send(sources, out, &url, SettingLayer::Project, &source.given.location) {
            out.profile.credentials.add_host(&url, basic(user.unwrap_or_default(), password.unwrap_or_default()));
        }
    }
    let poetry = root.get("tool").and_then(|t| t.get("poetry"));
    let mut tables: Vec<&Table> =
        poetry.and_then(|p| p.get("dependencies")).and_then(Value::as_table).into_iter().collect();
    let groups = poetry.and_then(|p| p.get("group")).and_then(Value::as_table).into_iter().flatten();
    tables.extend(groups.filter_map(|(_, g)| g.get("dependencies").and_then(Value::as_table)));
    pin(out, &tables, "source");
}

/// pdm: a source named `pypi` takes PyPI's place.
pub(super) fn pdm(sources: Reading<'_>, out: &mut PythonConfig) {
    let (_, found) = sources_in(sources, out, "pyproject.toml", &["tool", "pdm"], "type");
    let replaced = found.iter().any(|s| s.name == "pypi");
    if !replaced {
        match environment(sources, "PDM_PYPI_URL") {
            Some(url) => {
                let location = Location::environment("PDM_PYPI_URL");
                let given = Given { value: url.to_owned(), layer: SettingLayer::Environment, location };
                out.index("PDM_PYPI_URL", &given, SettingKind::Index, &sources.environment.cwd);
            }
            None => out.default_index(),
        }
    }
    for source in &found {
        if source.kind == "find_links" && !source.withheld {
            out.find_links("source", &source.given, &sources.environment.cwd, sources.environment.home.as_deref());
        } else {
            let kind = if source.name == "pypi" { SettingKind::Index } else { SettingKind::ExtraIndex };
            out.source(source, sources, kind);
        }
    }
}

/// Pipenv: the first source serves everything, the others what names them.
pub(super) fn pipenv(sources: Reading<'_>, out: &mut PythonConfig) {
    let (root, found) = sources_in(sources, out, "Pipfile", &[], "type");
    let mirror = flags(sources, "--pypi-mirror", "PIPENV_PYPI_MIRROR").pop();
    if found.is_empty() && mirror.is_none() {
        out.default_index();
    }
    if let Some(mirror) = &mirror {
        out.index("pypi-mirror", mirror, SettingKind::Index, &sources.environment.cwd);
    }
    for (n, source) in found.iter().enumerate() {
        let public = url::Url::parse(&source.given.value).is_ok_and(|u| u.host_str() == Some("pypi.org"));
        // A mirror stands in for PyPI.
        if public && mirror.is_some() {
            continue;
        }
        if public && n == 0 {
            out.default_index();
            if let Some(spec) = out.indexes.indexes.last_mut() {
                spec.name = Some(source.name.clone());
            }
            continue;
        }
        let kind = if n == 0 { SettingKind::Index } else { SettingKind::ExtraIndex };
        let at = out.source(source, sources, kind);
        if let Some(spec) = at.and_then(|at| out.indexes.indexes.get_mut(at)) {
            spec.explicit = n > 0;
        }
    }
    let tables: Vec<&Table> = root
        .iter()
        .filter(|(k, _)| !matches!(k.as_str(), "source" | "requires" | "pipenv" | "scripts"))
        .filter_map(|(_, v)| v.as_table())
        .collect();
    pin(out, &tables, "index");
}

/// Requirements that name their source.
fn pin(out: &mut PythonConfig, tables: &[&Table], key: &str) {
    for (name, requirement) in tables.iter().flat_map(|t| t.iter()) {
        if let Some(source) = requirement.get(key).and_then(Value::as_str) {
            out.indexes.pinned.insert(normalise_name(Ecosystem::PyPI, name), source.to_owned());
        }
    }
}
