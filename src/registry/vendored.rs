//! A vendored crate (`cargo vendor`): its Cargo.toml and `.cargo-checksum.json` as an index line would say them.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::crates::{Dependency, DependencyKind, Version};

/// Name and version of a vendored crate. The error is for people.
pub fn read(manifest: &str, checksum: &str) -> Result<(String, Version), String> {
    let manifest: Table = manifest.parse().map_err(|_| "its Cargo.toml is no TOML".to_owned())?;
    let package = manifest.get("package").and_then(Value::as_table).ok_or("its Cargo.toml has no [package]")?;
    let text = |key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").ok_or("its Cargo.toml has no name")?;
    let version = text("version").ok_or("its Cargo.toml has no version")?;
    let checksum: serde_json::Value = serde_json::from_str(checksum).unwrap_or_default();
    let checksum = checksum.get("package").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let mut dependencies = dependencies_of(&manifest, None);
    for (target, tables) in manifest.get("target").and_then(Value::as_table).into_iter().flatten() {
        if let Some(tables) = tables.as_table() {
            dependencies.extend(dependencies_of(tables, Some(target)));
        }
    }
    let features = manifest.get("features").and_then(Value::as_table).into_iter().flatten();
    let features: BTreeMap<String, Vec<String>> =
        features.map(|(name, implied)| (name.clone(), texts(implied))).collect();
    let links = text("links");
    Ok((
        name,
        Version {
            version,
            dependencies,
            checksum,
            features,
            links,
            rust_version: text("rust-version"),
            format: 2,
            ..Version::default()
        },
    ))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn dependencies_of(tables: &Table, target: Option<&String>) -> Vec<Dependency> {
    const KINDS: [(&str, DependencyKind); 5] = [
        ("dependencies", DependencyKind::Normal),
        ("build-dependencies", DependencyKind::Build),
        ("build_dependencies", DependencyKind::Build),
        ("dev-dependencies", DependencyKind::Dev),
        ("dev_dependencies", DependencyKind::Dev),
    ];
    let mut out = Vec::new();
    for (key, kind) in KINDS {
        for (name, value) in tables.get(key).and_then(Value::as_table).into_iter().flatten() {
            let own = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
            let flag = |keys: [&str; 2]| keys.iter().find_map(|k| value.get(k)).and_then(Value::as_bool);
            out.push(Dependency {
                name: name.clone(),
                package: own("package"),
                req: value.as_str().map(str::to_owned).or_else(|| own("version")).unwrap_or_else(|| "*".to_owned()),
                features: value.get("features").map(texts).unwrap_or_default(),
                optional: flag(["optional", "optional"]).unwrap_or(false),
                default_features: flag(["default-features", "default_features"]).unwrap_or(true),
                target: target.cloned(),
                kind,
                registry: own("registry-index"),
            });
        }
    }
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn a_vendored_crate_reads_like_an_index_line() {
        let manifest = r#"
            [package]
            name = "foo"
            version = "1.2.3"
            links = "z"
            [features]
            default = ["std"]
            [dependencies]
            a = "1"
            b = { version = "2", package = "c", optional = true, default-features = false, features = ["x"] }
            [target."cfg(unix)".build-dependencies]
            d = "3"
        "#;
        let (name, version) = read(manifest, r#"{"files":{},"package":"abcd"}"#).unwrap();
        assert_eq!((name.as_str(), version.version.as_str(), version.checksum.as_str()), ("foo", "1.2.3", "abcd"));
        assert_eq!(version.dependencies.len(), 3);
        let b = version.dependencies.iter().find(|d| d.name == "b").unwrap();
        assert!(b.optional && !b.default_features && b.package.as_deref() == Some("c"));
        let d = version.dependencies.iter().find(|d| d.name == "d").unwrap();
        assert_eq!((d.kind, d.target.as_deref()), (DependencyKind::Build, Some("cfg(unix)")));
        assert!(read("x", "").is_err() && read("[package]", "").is_err());
    }
}
