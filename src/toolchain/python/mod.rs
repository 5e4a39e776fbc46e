//! The Python interpreter that a command would install for, and what is known of it. In: the invocation, the
//! environment, a cache directory. Out: [`InterpreterFacts`].
//!
//! An interpreter is asked once (`-I -S`: no site, no `.pth`, no user configuration, an empty environment) and the
//! answer is kept by the file's identity. One inside the project's tree is never executed: a virtual environment there
//! is read (`pyvenv.cfg`, names in `site-packages`), and the interpreter that it was made from is asked if that one is
//! outside. What had to be assumed is said in [`InterpreterFacts::assumed`].

mod assume;
mod locate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::assume::{assumed_answer, retarget};
use self::locate::{file_name, is_python_name, locate, small_file};
use super::{may_execute, process, tree};
use crate::invocation::{Invocation, Tool};
use crate::model::{Digest, Ecosystem, Environment, InterpreterFacts, normalise_name};

/// The version assumed when nothing tells.
const DEFAULT_VERSION: &str = "3.12.0";
/// Largest configuration or script head that is read, in bytes.
const MAX_SMALL_FILE: u64 = 64 * 1024;
/// Largest interpreter that is compared with the one it was copied from, in bytes.
const MAX_INTERPRETER: u64 = 256 * 1024 * 1024;
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
    let asked = located.as_deref().and_then(|path| ask_safely(path, venv.as_deref(), environment, cache));
    let own_site = asked.is_some();
    let answer = asked.unwrap_or_else(|| assumed_answer(venv.as_deref(), invocation, environment, cache, &mut assumed));
    let mut site = match &venv {
        Some(root) => site_of_venv(root, &answer, environment),
        None if own_site => answer.site.iter().cloned().chain(user_site(&answer, environment)).collect(),
        // What another interpreter has installed, this one may lack.
        None => Vec::new(),
    };
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

/// The interpreter, when it is a program of the project: a file of the tree that is neither a link to an interpreter
/// outside nor a copy of the one that its virtual environment was made from.
pub fn of_the_project<'f>(facts: &'f InterpreterFacts, environment: &Environment) -> Option<&'f Path> {
    let path = facts.executable.as_deref()?;
    let real = path.canonicalize().ok()?;
    let inside = tree(environment).and_then(|tree| tree.canonicalize().ok()).is_some_and(|tree| real.starts_with(tree));
    let home = venv_of(path).and_then(|root| venv_setting(&root, "home")).map(PathBuf::from);
    let copied = |home: &PathBuf| {
        let names = ["python3", "python", "python.exe"];
        may_execute(home, environment) && names.iter().any(|name| same_file_content(&home.join(name), &real))
    };
    // On Windows the file is a launcher that only looks like its original.
    (inside && !cfg!(windows) && !home.as_ref().is_some_and(copied)).then_some(path)
}

fn same_file_content(a: &Path, b: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
    match (length(a), length(b)) {
        (Some(one), Some(other)) if one == other && one <= MAX_INTERPRETER => {
            matches!((std::fs::read(a), std::fs::read(b)), (Ok(one), Ok(other)) if one == other)
        }
        _ => false,
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
    if may_execute(&real, environment) && named_python(&real) {
        return ask(&real, environment, cache);
    }
    // A copied interpreter: `home` is where its original stands.
    let home = PathBuf::from(venv_setting(venv?, "home")?);
    let original = ["python3", "python", "python.exe"].iter().map(|n| home.join(n)).find(|p| p.exists())?;
    let real = original.canonicalize().ok()?;
    (may_execute(&original, environment) && may_execute(&real, environment) && named_python(&real))
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
    Some(user_base(environment)?.join(format!("lib/python{version}/site-packages")))
}

/// Where the user's own packages and their programs are, for every interpreter: `site.USER_BASE`. `None` where they are
/// switched off, and on Windows, where nothing of it has been looked at.
fn user_base(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.variable(name).filter(|v| !v.is_empty());
    if set("PYTHONNOUSERSITE").is_some() || environment.os == "windows" {
        return None;
    }
    let named = set("PYTHONUSERBASE").map(|base| environment.absolute(&environment.at_home(base)));
    named.or_else(|| environment.home.as_ref().map(|home| home.join(".local")))
}

/// The base below which pip installs for the user: where it is told to, and where nobody else's directory can be written
/// to (pip's `decide_user_install`). `told`: what an option, a variable or a configuration file says.
pub fn user_scheme(facts: &InterpreterFacts, environment: &Environment, told: Option<bool>) -> Option<PathBuf> {
    let base = user_base(environment)?;
    let own = || facts.executable.as_deref().and_then(venv_of).is_some();
    let shared = || facts.site_packages.iter().filter(|dir| !dir.starts_with(&base));
    told.unwrap_or_else(|| !own() && !shared().any(|dir| may_write(dir))).then_some(base)
}

fn may_write(directory: &Path) -> bool {
    #[cfg(unix)]
    return rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok();
    #[cfg(not(unix))]
    return std::fs::metadata(directory).is_ok_and(|m| !m.permissions().readonly());
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
    use super::assume::{full_version, named_platforms, python_version, uv_platform};
    use super::locate::program_path;
    use super::*;
    use crate::ecosystem::python::tags::Platform;

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
            let named = root.join(".venv/bin/python");
            assert_eq!(of_the_project(&facts, &environment), Some(named.as_path()), "{word}");
        }
    }

    #[test]
    fn packages_are_the_user_s_where_they_are_told_to_be_or_nothing_else_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let shared = home.join("shared");
        std::fs::create_dir_all(&shared).unwrap();
        std::fs::create_dir_all(home.join("v/bin")).unwrap();
        std::fs::write(home.join("v/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        let mut environment = Environment { home: Some(home.clone()), ..environment(&home, "") };
        let facts = |executable: &str, site: &[&Path]| InterpreterFacts {
            executable: Some(home.join(executable)),
            site_packages: site.iter().map(|p| p.to_path_buf()).collect(),
            ..facts(&invocation(Tool::Pip, "pip"), &environment, None)
        };
        let (own, local) = (home.join(".local/lib/python3/site-packages"), Some(home.join(".local")));
        let nobody = Path::new("/proc/nobody");
        let cases = [
            (facts("bin/python", &[&own]), None, local.clone()),
            (facts("bin/python", &[&own, nobody]), None, local.clone()),
            (facts("bin/python", &[&own, &shared]), None, None),
            (facts("bin/python", &[&own, &shared]), Some(true), local),
            (facts("bin/python", &[&own]), Some(false), None),
            (facts("v/bin/python", &[]), None, None),
        ];
        for (facts, told, base) in &cases {
            assert_eq!(user_scheme(facts, &environment, *told), *base, "{:?} {told:?}", facts.executable);
        }
        environment.variables.insert("PYTHONUSERBASE".to_owned(), "~/b".to_owned());
        assert_eq!(user_scheme(&cases[0].0, &environment, None), Some(home.join("b")));
        environment.variables.insert("PYTHONNOUSERSITE".to_owned(), "1".to_owned());
        assert_eq!(user_scheme(&cases[0].0, &environment, None), None);
    }

    /// `pip --python DIRECTORY`, as the directory of an environment and with any name.
    #[cfg(unix)]
    #[test]
    fn an_environment_is_named_by_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("v/bin")).unwrap();
        std::fs::create_dir_all(root.join("v/lib/python3.9/site-packages/six-1.0.dist-info")).unwrap();
        std::fs::write(root.join("v/pyvenv.cfg"), "home = /nowhere/bin\nversion = 3.9.4\n").unwrap();
        std::os::unix::fs::symlink("/nowhere/bin/python3", root.join("v/bin/python")).unwrap();
        let words = ["pip", "--python", "v", "install", "six"].map(str::to_owned);
        let env = environment(&root, "/usr/bin:/bin");
        let command = crate::invocation::parse(&words, &env);
        let facts = facts(command.first().unwrap(), &env, None);
        assert_eq!(facts.installed, [("six".to_owned(), "1.0".to_owned())]);
    }

    /// `pip --python /tmp/x/python3 install y` is judged without running that file.
    #[cfg(unix)]
    #[test]
    fn a_program_that_only_the_command_names_is_never_executed() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let (project, elsewhere) = (base.join("project"), base.join("elsewhere/bin"));
        std::fs::create_dir_all(&project).unwrap();
        let bell = base.join("rang");
        program(&elsewhere.join("python3"), &format!("#!/bin/sh\ntouch {}\n", bell.display()));
        let env = environment(&project, "/usr/bin:/bin");
        let word = elsewhere.join("python3").to_string_lossy().into_owned();
        let facts = facts(&invocation(Tool::Pip, &word), &env, None);
        assert!(!bell.exists());
        assert!(!facts.assumed.is_empty());
        // What the interpreter on PATH has is not what that one has.
        assert!(facts.installed.is_empty() && facts.site_packages.is_empty());
        assert_eq!(of_the_project(&facts, &env), None);
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
