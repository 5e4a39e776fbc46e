//! What an interpreter would say that cannot be asked, or is asked to install for another platform: markers and tags
//! from `pyvenv.cfg`, from flags, and from this machine.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{may_execute, platform};
use super::locate::default_python;
use super::{Answer, DEFAULT_VERSION, ask, venv_setting};
use crate::ecosystem::python::tags::{self, Implementation, Interpreter, Platform};
use crate::invocation::Invocation;
use crate::model::Environment;

/// Facts without asking the interpreter: the platform from a trusted interpreter or from this machine, the version from
/// the virtual environment.
pub(super) fn assumed_answer(
    venv: Option<&Path>,
    invocation: &Invocation,
    environment: &Environment,
    cache: Option<&Path>,
    assumed: &mut Vec<String>,
) -> Answer {
    let stated = venv.and_then(|root| venv_setting(root, "version").or_else(|| venv_setting(root, "version_info")));
    let version = stated.as_deref().and_then(full_version);
    let trusted = default_python(environment, &mut Vec::new())
        .and_then(|python| python.canonicalize().ok())
        .filter(|real| may_execute(real, environment))
        .and_then(|real| ask(&real, environment, cache));
    let mut answer = trusted.unwrap_or_else(|| machine(environment));
    match &version {
        Some(version) => {
            assumed.push(format!("the project's interpreter was not executed; its pyvenv.cfg says {version}"));
        }
        None if answer.soabi.is_empty() => {
            assumed.push(format!(
                "no interpreter was found for {}; Python {DEFAULT_VERSION} is assumed",
                invocation.tool.name()
            ));
        }
        None => assumed.push("the interpreter was not executed; the one on PATH is assumed".to_owned()),
    }
    if let Some(version) = version {
        set_version(&mut answer, &version);
    }
    answer
}

/// `3.11.7` of `3.11.7` or `3.11.7.final.0`.
pub(super) fn full_version(text: &str) -> Option<String> {
    let numbers: Vec<u32> = text.split('.').map_while(|n| n.parse().ok()).take(3).collect();
    match numbers.as_slice() {
        [major, minor] => Some(format!("{major}.{minor}.0")),
        [major, minor, micro] => Some(format!("{major}.{minor}.{micro}")),
        _ => None,
    }
}

fn short_version(full: &str) -> (u32, u32) {
    let mut numbers = full.split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(3), numbers.next().unwrap_or(0))
}

fn set_version(answer: &mut Answer, full: &str) {
    let (major, minor) = short_version(full);
    if short_version(answer.markers.get("python_full_version").map_or("", String::as_str)) != (major, minor) {
        answer.soabi = String::new();
        answer.abiflags = if (major, minor) < (3, 8) { "m".to_owned() } else { String::new() };
        answer.threaded = false;
    }
    let values = [("python_full_version", full.to_owned()), ("python_version", format!("{major}.{minor}"))];
    for (key, value) in values {
        answer.markers.insert(key.to_owned(), value);
    }
    if answer.markers.get("implementation_name").is_some_and(|n| n == "cpython") {
        answer.markers.insert("implementation_version".to_owned(), full.to_owned());
    }
}

/// A CPython of the default version on this machine.
fn machine(environment: &Environment) -> Answer {
    let (system, os_name, sys_platform) = match environment.os {
        "macos" => ("Darwin", "posix", "darwin"),
        "windows" => ("Windows", "nt", "win32"),
        "linux" => ("Linux", "posix", "linux"),
        other => (other, "posix", other),
    };
    let machine = match (environment.os, environment.arch) {
        ("macos", "aarch64") => "arm64",
        ("windows", "x86_64") => "AMD64",
        ("windows", "aarch64") => "ARM64",
        (_, arch) => arch,
    };
    let libc = match platform::libc(environment.arch).filter(|_| environment.os == "linux") {
        Some(platform::Libc::Glibc(major, minor)) => format!("glibc {major}.{minor}"),
        Some(platform::Libc::Musl(major, minor)) => format!("musl {major}.{minor}"),
        None => String::new(),
    };
    let platform = match environment.os {
        "macos" => format!("macosx-14.0-{machine}"),
        "windows" if environment.arch == "aarch64" => "win-arm64".to_owned(),
        "windows" if environment.arch == "x86" => "win32".to_owned(),
        "windows" => "win-amd64".to_owned(),
        os => format!("{os}-{machine}"),
    };
    let pairs = [
        ("implementation_name", "cpython"),
        ("implementation_version", DEFAULT_VERSION),
        ("os_name", os_name),
        ("platform_machine", machine),
        ("platform_release", ""),
        ("platform_system", system),
        ("platform_version", ""),
        ("python_full_version", DEFAULT_VERSION),
        ("platform_python_implementation", "CPython"),
        ("sys_platform", sys_platform),
    ];
    let (major, minor) = short_version(DEFAULT_VERSION);
    let mut markers: BTreeMap<String, String> = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    markers.insert("python_version".to_owned(), format!("{major}.{minor}"));
    let mac = if environment.os == "macos" { "14.0".to_owned() } else { String::new() };
    let bits = if matches!(environment.arch, "x86" | "arm") { 32 } else { 64 };
    Answer {
        markers,
        platform,
        soabi: String::new(),
        abiflags: String::new(),
        threaded: false,
        libc,
        mac,
        bits,
        site: Vec::new(),
    }
}

// Tags, and the flags that name another target.

/// The tags of the target that flags name, or of the interpreter; the markers are changed where the tool changes them.
pub(super) fn retarget(
    invocation: &Invocation,
    answer: &Answer,
    markers: &mut [(String, String)],
    environment: &Environment,
) -> Vec<String> {
    let mut answer = answer.clone();
    if let Some(version) = invocation.flag("--python-version").and_then(|f| f.value.as_deref()).and_then(python_version)
    {
        set_version(&mut answer, &version);
    }
    let uv_platform = invocation.flag("--python-platform").and_then(|f| f.value.as_deref()).and_then(uv_platform);
    let named: Vec<Platform> = match &uv_platform {
        Some(platform) => vec![platform.clone()],
        None => invocation.values("--platform").flat_map(named_platforms).collect(),
    };
    let platforms = if named.is_empty() { vec![platform_of(&answer, environment)] } else { named };
    let implementation =
        implementation_of(&answer, invocation.flag("--implementation").and_then(|f| f.value.as_deref()));
    let version = short_version(answer.markers.get("python_full_version").map_or("", String::as_str));
    let abis: Vec<&str> = invocation.values("--abi").collect();
    let mut out: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for platform in platforms {
        let interpreter = Interpreter { implementation: implementation.clone(), version, platform };
        for tag in tags::compatible_tags(&interpreter) {
            let abi = tag.split('-').nth(1).unwrap_or_default();
            let asked = abis.is_empty() || matches!(abi, "none" | "abi3") || abis.contains(&abi);
            if asked && seen.insert(tag.clone()) {
                out.push(tag);
            }
        }
    }
    // pip judges markers by the interpreter that runs it, also when another version is the target.
    for (key, value) in markers.iter_mut() {
        let version = matches!(key.as_str(), "python_full_version" | "python_version" | "implementation_version");
        if version && let Some(new) = answer.markers.get(key) {
            value.clone_from(new);
        }
    }
    if let Some(platform) = uv_platform {
        set_platform_markers(&platform, markers);
    }
    out
}

/// `3.9`, `39`, `3.9.1` as a full version.
pub(super) fn python_version(text: &str) -> Option<String> {
    if text.contains('.') {
        return full_version(text);
    }
    match text.len() {
        1 => full_version(&format!("{text}.0")),
        2.. if text.bytes().all(|b| b.is_ascii_digit()) => {
            full_version(&format!("{}.{}", text.get(..1)?, text.get(1..)?))
        }
        _ => None,
    }
}

fn implementation_of(answer: &Answer, named: Option<&str>) -> Implementation {
    let name = answer.markers.get("implementation_name").map_or("cpython", String::as_str);
    let prefix = match named {
        Some(named) => named,
        None if name == "cpython" => "cp",
        None if name == "pypy" => "pp",
        None => name,
    };
    if prefix == "cp" {
        let (major, minor) = short_version(answer.markers.get("python_full_version").map_or("", String::as_str));
        let mut abi_flags = answer.abiflags.clone();
        if answer.threaded && !abi_flags.contains('t') {
            abi_flags.insert(0, 't');
        }
        if (major, minor) < (3, 8) && !abi_flags.contains('m') {
            abi_flags.push('m');
        }
        return Implementation::CPython { abi_flags };
    }
    let abi: Vec<&str> = answer.soabi.split('-').take(2).collect();
    let abi = abi.join("_").replace('.', "_");
    Implementation::Other { prefix: prefix.to_owned(), abi: if abi.is_empty() { "none".to_owned() } else { abi } }
}

fn two_numbers(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

fn platform_of(answer: &Answer, environment: &Environment) -> Platform {
    let tag = answer.platform.replace(['-', '.'], "_");
    if let Some(arch) = answer.platform.strip_prefix("linux-") {
        let arch = match (arch, answer.bits) {
            ("x86_64", 32) => "i686",
            ("aarch64", 32) => "armv8l",
            (arch, _) => arch,
        }
        .to_owned();
        let mut words = answer.libc.split_whitespace();
        match (words.next(), words.next().and_then(two_numbers)) {
            (Some("glibc"), Some(version)) => return Platform::Glibc { arch, version },
            (Some("musl"), Some(version)) => return Platform::Musl { arch, version },
            _ => {}
        }
        return match platform::libc(environment.arch) {
            Some(platform::Libc::Musl(major, minor)) => Platform::Musl { arch, version: (major, minor) },
            Some(platform::Libc::Glibc(major, minor)) => Platform::Glibc { arch, version: (major, minor) },
            None => Platform::Other(tag),
        };
    }
    if answer.platform.starts_with("macosx") {
        let arch = answer.markers.get("platform_machine").cloned().unwrap_or_default();
        return Platform::MacOs { arch, version: two_numbers(&answer.mac).unwrap_or((11, 0)) };
    }
    Platform::Other(tag)
}

/// One value of pip's `--platform`.
pub(super) fn named_platforms(value: &str) -> Vec<Platform> {
    let value = value.replace(['-', '.'], "_");
    let older = [("manylinux2014_", (2, 17)), ("manylinux2010_", (2, 12)), ("manylinux1_", (2, 5))];
    for (prefix, version) in older {
        if let Some(arch) = value.strip_prefix(prefix) {
            return vec![Platform::Glibc { arch: arch.to_owned(), version }];
        }
    }
    if let Some(rest) = value.strip_prefix("macosx_") {
        let mut parts = rest.splitn(3, '_');
        let numbers = (parts.next().and_then(|n| n.parse().ok()), parts.next().and_then(|n| n.parse().ok()));
        if let ((Some(major), Some(minor)), Some(arch)) = (numbers, parts.next()) {
            return vec![Platform::MacOs { arch: arch.to_owned(), version: (major, minor) }];
        }
    }
    vec![Platform::Other(value)]
}

/// uv's `--python-platform`: a word, or a target triple, or `ARCH-manylinux_2_28`.
pub(super) fn uv_platform(value: &str) -> Option<Platform> {
    let glibc = |arch: &str, minor| Platform::Glibc { arch: arch.to_owned(), version: (2, minor) };
    let arch = value.split('-').next().unwrap_or_default();
    if let Some((arch, rest)) = value.split_once("-manylinux") {
        let minor = match rest {
            "2014" => 17,
            rest => rest.strip_prefix("_2_")?.parse().ok()?,
        };
        return Some(glibc(arch, minor));
    }
    if let Some((arch, rest)) = value.split_once("-musllinux_1_") {
        return Some(Platform::Musl { arch: arch.to_owned(), version: (1, rest.parse().ok()?) });
    }
    Some(match value {
        "linux" => glibc("x86_64", 28),
        "macos" => Platform::MacOs { arch: "arm64".to_owned(), version: (13, 0) },
        "windows" => Platform::Other("win_amd64".to_owned()),
        _ if value.ends_with("-unknown-linux-gnu") => glibc(arch, 28),
        _ if value.ends_with("-unknown-linux-musl") => Platform::Musl { arch: arch.to_owned(), version: (1, 2) },
        _ if value.ends_with("-apple-darwin") => {
            let arch = if arch == "aarch64" { "arm64" } else { arch };
            Platform::MacOs { arch: arch.to_owned(), version: (13, 0) }
        }
        "x86_64-pc-windows-msvc" => Platform::Other("win_amd64".to_owned()),
        "i686-pc-windows-msvc" => Platform::Other("win32".to_owned()),
        "aarch64-pc-windows-msvc" => Platform::Other("win_arm64".to_owned()),
        _ => return None,
    })
}

fn set_platform_markers(platform: &Platform, markers: &mut [(String, String)]) {
    let (os, system, sys, machine) = match platform {
        Platform::Glibc { arch, .. } | Platform::Musl { arch, .. } => ("posix", "Linux", "linux", arch.as_str()),
        Platform::MacOs { arch, .. } => ("posix", "Darwin", "darwin", arch.as_str()),
        Platform::Other(tag) if tag == "win32" => ("nt", "Windows", "win32", "x86"),
        Platform::Other(tag) if tag == "win_arm64" => ("nt", "Windows", "win32", "ARM64"),
        Platform::Other(_) => ("nt", "Windows", "win32", "AMD64"),
    };
    for (key, value) in markers {
        match key.as_str() {
            "os_name" => os.clone_into(value),
            "platform_system" => system.clone_into(value),
            "sys_platform" => sys.clone_into(value),
            "platform_machine" => machine.clone_into(value),
            "platform_release" | "platform_version" => value.clear(),
            _ => {}
        }
    }
}

// What is installed there.
