//! Core metadata text to the fields a resolver needs, and the rule by which an sdist's PKG-INFO counts as static.

use super::python::CoreMetadata;

/// `METADATA` of a wheel.
pub fn wheel(text: &[u8]) -> Result<CoreMetadata, String> {
    Ok(fields(text)?.core)
}

/// `PKG-INFO` of an sdist: static from metadata 2.2 on, where no requirement field is `Dynamic` (PEP 643).
pub fn sdist(text: &[u8]) -> Result<CoreMetadata, String> {
    let fields = fields(text)?;
    let version: Vec<u32> = fields.metadata_version.split('.').map_while(|n| n.trim().parse().ok()).collect();
    if version < vec![2, 2] {
        return Err(format!("its PKG-INFO is of version {}, before 2.2", fields.metadata_version));
    }
    match fields.dynamic.iter().find(|d| matches!(d.as_str(), "requires-dist" | "provides-extra" | "requires-python")) {
        Some(field) => Err(format!("its PKG-INFO says that {field} is dynamic")),
        None => Ok(fields.core),
    }
}

struct Fields {
    core: CoreMetadata,
    metadata_version: String,
    dynamic: Vec<String>,
}

/// The header fields, up to the empty line before the description.
fn fields(text: &[u8]) -> Result<Fields, String> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut out = Fields { core: CoreMetadata::default(), metadata_version: String::new(), dynamic: Vec::new() };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let mut value = value.trim().to_owned();
        while let Some(next) = lines.next_if(|l| l.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(next.trim());
        }
        match name.to_ascii_lowercase().as_str() {
            "name" if out.core.name.is_empty() => out.core.name = value,
            "version" if out.core.version.is_empty() => out.core.version = value,
            "metadata-version" => out.metadata_version = value,
            "requires-dist" => out.core.requires_dist.push(value),
            "requires-python" => out.core.requires_python = Some(value),
            "provides-extra" => out.core.provides_extra.push(value),
            "dynamic" => out.dynamic.push(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    if out.core.name.is_empty() || out.core.version.is_empty() {
        return Err("it has no name or no version".to_owned());
    }
    Ok(out)
}
