//! The Python interpreter that a command would install for, and what is known of it. In: the invocation, the
//! environment, a cache directory. Out: [`InterpreterFacts`].
//!
//! An interpreter is asked once (`-I -S`: no site, no `.pth`, no user configuration, an empty environment) and the
//! answer is kept by the file's identity. One inside the project's tree is never executed: a virtual environment there
//! is read (`pyvenv.cfg`, names in `site-packages`), and the interpreter that it was made from is asked if that one is
//! outside. What had to be assumed is said in [`InterpreterFacts::assumed`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{find_all, is_outside, platform, process};
use crate::ecosystem::python::tags::{self, Implementation, Interpreter, Platform};
use crate::invocation::{Invocation, Tool};
use crate::model::{Digest, Ecosystem, Environment, InterpreterFacts, normalise_name};

/// The version assumed when nothing tells.
const DEFAULT_VERSION: &str = "3.12.0";
/// Largest configuration or script head that is read, in bytes.
const MAX_SMALL_FILE: u64 = 64 * 1024;
/// Most installed distributions that are listed.
const MAX_INSTALLED: usize = 20_000;

/// What an interpreter says about itself, or what was derived in its stead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    markers: BTreeMap<String, String>,
    /// `sysconfig.get_platform()`.
    platform: String,
    soabi: String,
    abiflags: String,
    threaded: bool,
    /// `glibc 2.36`.
    libc: String,
    mac: String,
    bits: u32,
    site: Vec<PathBuf>,
}

/// Prints an [`Answer`]. Runs on every Python from 3.4.
const SCRIPT: &str = "
import sys,os,platform,json,sysconfig
i=sys.implementation;v=i.version
iv='%d.%d.%d'%(v.major,v.minor,v.micro)
if v.releaselevel!='final':iv+=v.releaselevel[0]+str(v.serial)
try:libc=os.confstr('CS_GNU_LIBC_VERSION')
except Exception:libc=''
p=sysconfig.get_paths()
g=lambda n:sysconfig.get_config_var(n) or ''
s=[p['purelib'],p['platlib']]
b='python%d.%d'%sys.version_info[:2]
s+=['/usr/local/lib/%s/dist-packages'%b,'/usr/lib/python3/dist-packages']
print(json.dumps({'markers':{'implementation_name':i.name,'implementation_version':iv,'os_name':os.name,
'platform_machine':platform.machine(),'platform_release':platform.release(),'platform_system':platform.system(),
'platform_version':platform.version(),'python_full_version':platform.python_version(),
'platform_python_implementation':platform.python_implementation(),
'python_version':'.'.join(platform.python_version_tuple()[:2]),'sys_platform':sys.platform},
'platform':sysconfig.get_platform(),'soabi':str(g('SOABI')),'abiflags':getattr(sys,'abiflags',''),
'threaded':bool(g('Py_GIL_DISABLED')),'libc':libc or '','mac':platform.mac_ver()[0],
'bits':64 if sys.maxsize>2**32 else 32,'site':s}))
";

/// The facts about the interpreter that a command would install for. `cache`: where answers are kept.
pub fn facts(invocation: &Invocation, environment: &Environment, cache: Option<&Path>) -> InterpreterFacts {
    let mut assumed = Vec::new();
    let located = locate(invocation, environment, &mut assumed);
    let empty = makes_own_environment(invocation);
    let venv = located.as_deref().and_then(venv_of);
    let answer = located
        .as_deref()
        .and_then(|path| ask_safely(path, venv.as_deref(), environment, cache))
        .unwrap_or_else(|| derive(venv.as_deref(), invocation, environment, cache, &mut assumed));
    let mut site = match &venv {
        Some(root) => site_of_venv(root, &answer, environment),
        None => answer.site.clone(),
    };
    if venv.is_none() {
        site.extend(user_site(&answer, environment));
    }
    site.retain(|dir| dir.is_dir());
    site.dedup();
    let mut markers: Vec<(String, String)> = answer.markers.clone().into_iter().collect();
    let tags = retarget(invocation, &answer, &mut markers, environment);
    InterpreterFacts {
        executable: located,
        tags,
        markers,
        installed: if empty { Vec::new() } else { installed(&site) },
        site_packages: if empty { Vec::new() } else { site },
        assumed,
    }
}

/// Whether the tool makes an environment of its own for what it installs.
fn makes_own_environment(invocation: &Invocation) -> bool {
    match invocation.tool {
        Tool::Pipx | Tool::Uvx => true,
        Tool::Uv => invocation.verb.starts_with("tool") || invocation.flag("--target").is_some(),
        _ => false,
    }
}

// Which interpreter.

/// The path of the interpreter, which may be inside the tree.
fn locate(invocation: &Invocation, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    if let Some(named) = invocation.flag("--python").and_then(|f| f.value.as_deref()) {
        return named_python(named, environment, assumed);
    }
    let program = invocation.program.as_str();
    let base = file_name(program);
    if is_python_name(&base) {
        return program_path(program, environment, assumed);
    }
    match invocation.tool {
        Tool::Pip => {
            program_path(program, environment, assumed).and_then(|pip| interpreter_of(&pip, environment, assumed))
        }
        Tool::Pipx | Tool::Uvx => default_python(environment, assumed),
        _ => {
            let system = invocation.flag("--system").is_some() || invocation.verb.starts_with("tool");
            let own = (!system).then(|| project_environment(environment)).flatten();
            own.or_else(|| default_python(environment, assumed))
        }
    }
}

fn file_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

/// `python`, `python3`, `python3.11`, `pypy3`, `py`.
fn is_python_name(name: &str) -> bool {
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    name == "py" || rest.is_some_and(|r| r.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 't' | 'd' | 'w')))
}

/// `--python`: a path, a version, or a name on PATH.
fn named_python(named: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    if named.contains(['/', '\\']) || named == ".venv" {
        let path = environment.absolute(Path::new(named));
        return if path.is_dir() { python_in(&path) } else { Some(path) };
    }
    let version = named.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, '@' | '=' | '>'));
    let short: Vec<&str> = version.split('.').take(2).collect();
    let names = [named.to_owned(), format!("python{version}"), format!("python{}", short.join("."))];
    names.iter().filter(|n| is_python_name(n)).find_map(|n| program_path(n, environment, assumed))
}

/// The virtual environment that uv, Poetry and PDM would use: the active one, the project's, conda's.
fn project_environment(environment: &Environment) -> Option<PathBuf> {
    let variable =
        |name: &str| environment.variable(name).filter(|v| !v.is_empty()).map(|v| environment.absolute(Path::new(v)));
    let own = |name: &str| variable(name).and_then(|dir| python_in(&dir));
    own("UV_PROJECT_ENVIRONMENT")
        .or_else(|| own("VIRTUAL_ENV"))
        .or_else(|| environment.cwd.ancestors().find_map(|dir| python_in(&dir.join(".venv"))))
        .or_else(|| own("CONDA_PREFIX"))
}

/// The interpreter of an environment's directory.
fn python_in(root: &Path) -> Option<PathBuf> {
    ["bin/python", "bin/python3", "Scripts/python.exe", "python.exe"].iter().map(|p| root.join(p)).find(|p| p.exists())
}

fn default_python(environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    ["python3", "python"].iter().find_map(|name| program_path(name, environment, assumed))
}

/// What a word names on PATH, version managers' shims seen through.
fn program_path(program: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    if program.contains(['/', '\\']) {
        return Some(environment.absolute(Path::new(program)));
    }
    for path in find_all(program, environment) {
        match pyenv_root(&path) {
            None => return Some(path),
            Some(root) => {
                if let Some(real) = pyenv_program(&root, program, environment, assumed) {
                    return Some(real);
                }
            }
        }
    }
    None
}

/// pyenv's root, when the path is one of its shims: a script that runs whatever the project's `.python-version` names.
fn pyenv_root(path: &Path) -> Option<PathBuf> {
    let shims = path.parent().filter(|dir| dir.file_name().is_some_and(|n| n == "shims"))?;
    let root = shims.parent()?;
    root.join("versions").is_dir().then(|| root.to_owned())
}

/// The program that pyenv would run: PYENV_VERSION, the nearest `.python-version`, the global version; in order.
fn pyenv_program(root: &Path, program: &str, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    let from_file = |path: &Path| -> Option<Vec<String>> {
        let words: Vec<String> = small_file(path)?
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(words)
    };
    let versions = environment
        .variable("PYENV_VERSION")
        .filter(|v| !v.is_empty())
        .map(|v| v.split(':').map(str::to_owned).collect())
        .or_else(|| environment.cwd.ancestors().find_map(|dir| from_file(&dir.join(".python-version"))))
        .or_else(|| from_file(&root.join("version")))
        .unwrap_or_else(|| vec!["system".to_owned()]);
    for version in &versions {
        let plain = version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'));
        if version == "system" || !plain || version.starts_with('.') {
            continue;
        }
        let directory = pyenv_version(root, version.strip_prefix("python-").unwrap_or(version));
        if let Some(found) = directory.map(|d| d.join("bin").join(program)).filter(|p| p.exists()) {
            return Some(found);
        }
        assumed.push(format!("pyenv has no {program} in version {version}"));
    }
    None
}

/// The directory of a pyenv version; a prefix means its newest match.
fn pyenv_version(root: &Path, version: &str) -> Option<PathBuf> {
    let versions = root.join("versions");
    let exact = versions.join(version);
    if exact.is_dir() {
        return Some(exact);
    }
    let prefix = format!("{version}.");
    let mut matching: Vec<(Vec<u64>, PathBuf)> = std::fs::read_dir(&versions)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let numbers: Option<Vec<u64>> = name.split('.').map(|n| n.parse().ok()).collect();
            name.starts_with(&prefix).then_some((numbers?, path))
        })
        .collect();
    matching.sort();
    matching.pop().map(|(_, path)| path)
}

/// The interpreter behind a `pip` script: its first line, or the interpreter beside it.
fn interpreter_of(pip: &Path, environment: &Environment, assumed: &mut Vec<String>) -> Option<PathBuf> {
    let beside = || {
        let dir = pip.parent()?;
        ["python3", "python", "python.exe", "../python.exe"].iter().map(|n| dir.join(n)).find(|p| p.exists())
    };
    let Some(head) = head(pip) else { return beside() };
    let mut lines = head.lines();
    let Some(first) = lines.next().and_then(|l| l.strip_prefix("#!")).map(str::trim) else { return beside() };
    let mut words = first.split_whitespace();
    let program = words.next()?;
    match file_name(program).as_str() {
        "env" => {
            let name = words.find(|w| !w.starts_with('-'))?;
            program_path(name, environment, assumed)
        }
        // A path too long, or with blanks, for a first line: `'''exec' "/path/python" "$0" "$@"`.
        "sh" | "bash" => {
            let rest = lines.next()?.trim_start().strip_prefix("'''exec'")?.trim_start();
            let path = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next()?,
                None => rest.split_whitespace().next()?,
            };
            Some(PathBuf::from(path))
        }
        // Only a path without blanks can stand here, but pip writes others too on systems that allow them.
        _ if Path::new(first).exists() => Some(PathBuf::from(first)),
        _ => Some(PathBuf::from(program)),
    }
}

/// The first lines of a text file; `None` for a binary.
fn head(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(1024).read_to_end(&mut bytes).ok()?;
    bytes.starts_with(b"#!").then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn small_file(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SMALL_FILE {
        return None;
    }
    std::fs::read(path).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
}

// What it says.

/// The virtual environment that an interpreter's path belongs to.
fn venv_of(python: &Path) -> Option<PathBuf> {
    let bin = python.parent()?;
    [bin.parent()?, bin].into_iter().find(|dir| dir.join("pyvenv.cfg").is_file()).map(Path::to_owned)
}

fn venv_setting(root: &Path, key: &str) -> Option<String> {
    let text = small_file(&root.join("pyvenv.cfg"))?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
    })
}

/// Asks the interpreter, or the one that its virtual environment was made from, if that may be executed.
fn ask_safely(python: &Path, venv: Option<&Path>, environment: &Environment, cache: Option<&Path>) -> Option<Answer> {
    let real = python.canonicalize().ok()?;
    let named_python = |path: &Path| path.file_name().is_some_and(|n| is_python_name(&file_name(&n.to_string_lossy())));
    // In the tree the link itself is the project's: only an interpreter outside is asked, and only by such a name.
    if is_outside(&real, environment) && named_python(&real) {
        return ask(&real, environment, cache);
    }
    // A copied interpreter: `home` is where its original stands.
    let home = PathBuf::from(venv_setting(venv?, "home")?);
    let original = ["python3", "python", "python.exe"].iter().map(|n| home.join(n)).find(|p| p.exists())?;
    let real = original.canonicalize().ok()?;
    (is_outside(&original, environment) && is_outside(&real, environment) && named_python(&real))
        .then(|| ask(&real, environment, cache))?
}

fn ask(python: &Path, environment: &Environment, cache: Option<&Path>) -> Option<Answer> {
    let kept = cache.and_then(|dir| Some(dir.join("interpreters").join(format!("{}.json", identity(python)?))));
    if let Some(answer) = kept.as_ref().and_then(|p| small_file(p)).and_then(|text| serde_json::from_str(&text).ok()) {
        return Some(answer);
    }
    let printed = process::ask(python, &["-I", "-S", "-c", SCRIPT], environment)?;
    let answer: Answer = serde_json::from_slice(&printed).ok()?;
    if let (Some(path), Ok(text)) = (kept, serde_json::to_vec(&answer)) {
        keep(&path, &text);
    }
    Some(answer)
}

/// Written beside and renamed, so that another process never reads half of it. A cache that cannot be written is none.
fn keep(path: &Path, text: &[u8]) {
    let Some(dir) = path.parent() else { return };
    if std::fs::create_dir_all(dir).is_err() {
        return;
    }
    if let Ok(mut file) = tempfile::NamedTempFile::new_in(dir) {
        use std::io::Write as _;
        if file.write_all(text).is_ok() {
            let _ = file.persist(path);
        }
    }
}

/// What changes when another interpreter is put in this one's place.
fn identity(python: &Path) -> Option<String> {
    let metadata = std::fs::metadata(python).ok()?;
    let modified = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos();
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let file = 0u64;
    let key = format!("1 {} {} {modified} {file}", python.display(), metadata.len());
    Some(Digest::sha256_of(key.as_bytes()).hex())
}

// What is derived.

/// Facts without asking the interpreter: the platform from a trusted interpreter or from this machine, the version from
/// the virtual environment.
fn derive(
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
        .filter(|real| is_outside(real, environment))
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
fn full_version(text: &str) -> Option<String> {
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
fn retarget(
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
fn python_version(text: &str) -> Option<String> {
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
fn named_platforms(value: &str) -> Vec<Platform> {
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
fn uv_platform(value: &str) -> Option<Platform> {
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

fn site_of_venv(root: &Path, answer: &Answer, environment: &Environment) -> Vec<PathBuf> {
    let version = answer.markers.get("python_version").map_or("3", String::as_str);
    let name = answer.markers.get("implementation_name").filter(|n| *n == "pypy").map_or("python", |_| "pypy");
    let mut out = if environment.os == "windows" {
        vec![root.join("Lib/site-packages")]
    } else {
        vec![
            root.join(format!("lib/{name}{version}/site-packages")),
            root.join(format!("lib64/{name}{version}/site-packages")),
        ]
    };
    if venv_setting(root, "include-system-site-packages").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        out.extend(answer.site.iter().cloned());
    }
    out
}

/// The user's own directory, where pip also looks for what is installed.
fn user_site(answer: &Answer, environment: &Environment) -> Option<PathBuf> {
    let version = answer.markers.get("python_version")?;
    if environment.variable("PYTHONNOUSERSITE").is_some_and(|v| !v.is_empty()) || environment.os == "windows" {
        return None;
    }
    let home = environment.home.as_ref()?;
    Some(home.join(format!(".local/lib/python{version}/site-packages")))
}

/// The distributions in these directories, by the names of their `.dist-info` and `.egg-info`; the first one counts.
fn installed(site: &[PathBuf]) -> Vec<(String, String)> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for dir in site {
        let Ok(entries) = std::fs::read_dir(dir) else { continue };
        let mut names: Vec<String> =
            entries.flatten().take(MAX_INSTALLED).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names {
            let Some(stem) = name.strip_suffix(".dist-info") else { continue };
            let Some((project, version)) = stem.rsplit_once('-') else { continue };
            out.entry(normalise_name(Ecosystem::PyPI, project)).or_insert_with(|| version.to_owned());
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    fn environment(root: &Path, path: &str) -> Environment {
        Environment {
            variables: [("PATH".to_owned(), path.to_owned())].into_iter().collect(),
            cwd: root.to_owned(),
            home: None,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            os: "linux",
            arch: "x86_64",
        }
    }

    fn invocation(tool: Tool, program: &str) -> Invocation {
        Invocation { tool, verb: "install".to_owned(), ..Invocation::other(&[program.to_owned()]) }
    }

    #[cfg(unix)]
    fn program(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_program_of_the_project_is_never_executed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("project");
        let bell = root.join("executed");
        let evil = format!("#!/bin/sh\ntouch {}\n", bell.display());
        program(&root.join(".venv/bin/python"), &evil);
        program(&root.join(".venv/bin/pip"), &format!("#!{}/.venv/bin/python\n", root.display()));
        std::fs::write(root.join(".venv/pyvenv.cfg"), "home = bin\nversion = 3.9.4\n").unwrap();
        program(&root.join("bin/python3"), &evil);
        let site = root.join(".venv/lib/python3.9/site-packages/Foo_Bar-1.2.dist-info");
        std::fs::create_dir_all(site).unwrap();
        let environment = environment(&root, &root.join(".venv/bin").to_string_lossy());
        for (tool, word) in [(Tool::Pip, "pip"), (Tool::Pip, ".venv/bin/pip"), (Tool::Uv, "uv"), (Tool::Pip, "python")]
        {
            let facts = facts(&invocation(tool, word), &environment, None);
            assert!(!bell.exists(), "{word}");
            let version = facts.markers.iter().find(|(k, _)| k == "python_version").unwrap();
            assert_eq!(version.1, "3.9", "{word}");
            assert_eq!(facts.installed, [("foo-bar".to_owned(), "1.2".to_owned())]);
            assert!(facts.tags.iter().any(|t| t.starts_with("cp39-cp39-")));
            assert!(!facts.assumed.is_empty());
        }
    }

    #[cfg(unix)]
    #[test]
    fn pyenv_is_resolved_without_running_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let (root, project) = (base.join("pyenv"), base.join("project"));
        std::fs::create_dir_all(&project).unwrap();
        for version in ["3.9.1", "3.11.2", "3.11.10"] {
            program(&root.join(format!("versions/{version}/bin/pip")), "#!/usr/bin/python3\n");
        }
        program(&root.join("shims/pip"), "#!/bin/sh\nexit 1\n");
        std::fs::write(project.join(".python-version"), "3.11\n").unwrap();
        let mut env = environment(&project, &root.join("shims").to_string_lossy());
        let found = |env: &Environment| program_path("pip", env, &mut Vec::new());
        assert_eq!(found(&env), Some(root.join("versions/3.11.10/bin/pip")));
        env.variables.insert("PYENV_VERSION".to_owned(), "3.9.1".to_owned());
        assert_eq!(found(&env), Some(root.join("versions/3.9.1/bin/pip")));
        env.variables.insert("PYENV_VERSION".to_owned(), "../../evil".to_owned());
        assert_eq!(found(&env), None);
    }

    #[test]
    fn words_for_versions_and_platforms() {
        assert_eq!(python_version("311").as_deref(), Some("3.11.0"));
        assert_eq!(python_version("3.9.1").as_deref(), Some("3.9.1"));
        assert_eq!(python_version("x"), None);
        assert_eq!(full_version("3.11.7.final.0").as_deref(), Some("3.11.7"));
        assert!(matches!(uv_platform("aarch64-manylinux_2_31"), Some(Platform::Glibc { version: (2, 31), .. })));
        assert!(matches!(&named_platforms("manylinux2014_x86_64")[..], [Platform::Glibc { version: (2, 17), .. }]));
        assert!(is_python_name("python3.13t") && !is_python_name("perl") && !is_python_name("python-config"));
    }

    #[cfg(unix)]
    #[test]
    fn a_real_interpreter_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().canonicalize().unwrap().join("p");
        std::fs::create_dir_all(&project).unwrap();
        let environment = environment(&project, "/usr/local/bin:/usr/bin:/bin");
        let cache = dir.path().join("cache");
        let facts = facts(&invocation(Tool::Uv, "uv"), &environment, Some(&cache));
        if facts.executable.is_some() && facts.assumed.is_empty() {
            assert_eq!(std::fs::read_dir(cache.join("interpreters")).unwrap().count(), 1);
            assert_eq!(super::facts(&invocation(Tool::Uv, "uv"), &environment, Some(&cache)), facts);
            assert!(facts.tags.iter().any(|t| t == "py3-none-any"));
        }
    }
}
