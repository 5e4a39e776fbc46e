//! Variables that change what a package tool is, rather than which option it gets: programs it runs in the place of its
//! own, code it loads, hosts its connections go through, authorities it trusts.
//!
//! In: a variable's name and value, and the ecosystem of the tool that would see it. Out: what it does there. Pure.

use crate::model::Ecosystem;

/// What a variable does to a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VariableEffect {
    /// Names a program that the tool, or its build, starts: `RUSTC_WRAPPER`, `GIT_SSH_COMMAND`.
    Runs,
    /// Puts code into the tool's own process: `LD_PRELOAD`, `PYTHONPATH`, `NODE_OPTIONS=--require …`.
    Loads,
    /// Sends the tool's connections through another host: `HTTPS_PROXY`.
    Reroutes,
    /// Says whose certificates the tool believes: `SSL_CERT_FILE`, `PIP_CERT`.
    Authorities,
    /// Switches a check off: `COREPACK_INTEGRITY_KEYS=0`.
    Unprotects,
}

use VariableEffect::{Authorities, Loads, Reroutes, Runs, Unprotects};

/// Which values have the effect.
#[derive(Clone, Copy)]
enum When {
    /// Any but the empty one, which is none.
    Set,
    /// Only a path: a bare word names what PATH finds anyway (`CC=clang`).
    Path,
    /// Options of node that load a file.
    NodeLoads,
    /// Compiler flags that name a linker or a plugin.
    RustFlags,
    /// One of these.
    Is(&'static [&'static str]),
}

/// Names separated by blanks; a `*` stands for some characters. `None`: whatever the tool.
type Row = (&'static str, Option<Ecosystem>, When, VariableEffect);

const PY: Option<Ecosystem> = Some(Ecosystem::PyPI);
const JS: Option<Ecosystem> = Some(Ecosystem::Npm);
const RS: Option<Ecosystem> = Some(Ecosystem::CratesIo);

const TABLE: &[Row] = &[
    // The dynamic linker and the shell: ld.so(8), dyld(1), bash(1).
    ("LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH", None, When::Set, Loads),
    ("DYLD_FRAMEWORK_PATH DYLD_FALLBACK_LIBRARY_PATH BASH_ENV", None, When::Set, Loads),
    // git, which every tool starts for a repository: git(1).
    ("GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS SSH_ASKPASS GIT_PROXY_COMMAND GIT_EXEC_PATH", None, When::Set, Runs),
    ("GIT_TEMPLATE_DIR GIT_EXTERNAL_DIFF", None, When::Set, Runs),
    // Its configuration can name programs and rewrite where repositories are.
    ("GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT", None, When::Set, Runs),
    ("GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM", None, When::Path, Runs),
    // Compilers and build tools.
    ("CC CXX CPP LD AR RANLIB STRIP NM LDSHARED LDCXXSHARED MAKE CMAKE NINJA PKG_CONFIG", None, When::Path, Runs),
    ("CC_* CXX_* AR_* RANLIB_* CMAKE_TOOLCHAIN_FILE CMAKE_*_COMPILER_LAUNCHER", None, When::Path, Runs),
    // Python: "Environment variables" of the language's documentation.
    ("PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONEXECUTABLE PYTHONPLATLIBDIR", PY, When::Set, Loads),
    ("PYTHONBREAKPOINT PYTHONINSPECT", PY, When::Set, Loads),
    ("PIP_PYTHON", PY, When::Path, Runs),
    // Node, npm, yarn, corepack, bun.
    ("NODE_OPTIONS BUN_OPTIONS", None, When::NodeLoads, Loads),
    ("NODE_PATH", JS, When::Set, Loads),
    (
        "npm_config_script_shell npm_config_shell npm_config_git npm_config_node_gyp npm_node_execpath",
        JS,
        When::Set,
        Runs,
    ),
    ("npm_execpath YARN_YARN_PATH YARN_PLUGINS YARN_SCRIPT_SHELL COREPACK_HOME", JS, When::Set, Runs),
    ("npm_config_node_options", JS, When::NodeLoads, Loads),
    ("COREPACK_INTEGRITY_KEYS", JS, When::Is(&["", "0", "{}"]), Unprotects),
    ("COREPACK_ENABLE_UNSAFE_CUSTOM_URLS", JS, When::Is(&["1", "true"]), Unprotects),
    // Cargo and rustup: "Environment variables" of the Cargo book.
    ("RUSTC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTDOC RUSTFMT RUSTC_LINKER", RS, When::Set, Runs),
    ("CARGO_BUILD_RUSTC CARGO_BUILD_RUSTC_WRAPPER CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", RS, When::Set, Runs),
    ("CARGO_BUILD_RUSTDOC CARGO_TARGET_*_RUNNER CARGO_TARGET_*_LINKER", RS, When::Set, Runs),
    ("CARGO_REGISTRY_CREDENTIAL_PROVIDER CARGO_REGISTRIES_*_CREDENTIAL_PROVIDER", RS, When::Set, Runs),
    ("CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS", RS, When::Set, Runs),
    ("RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_ENCODED_RUSTDOCFLAGS", RS, When::RustFlags, Runs),
    ("CARGO_BUILD_RUSTFLAGS CARGO_BUILD_RUSTDOCFLAGS CARGO_TARGET_*_RUSTFLAGS", RS, When::RustFlags, Runs),
    ("RUSTUP_TOOLCHAIN", RS, When::Path, Runs),
    ("RUSTUP_HOME", RS, When::Set, Runs),
    // Where rustup takes toolchains from.
    ("RUSTUP_DIST_SERVER RUSTUP_UPDATE_ROOT", RS, When::Set, Reroutes),
    // Connections: curl(1), and what each tool calls its own.
    ("http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY", None, When::Set, Reroutes),
    ("PIP_PROXY", PY, When::Set, Reroutes),
    ("npm_config_proxy npm_config_https_proxy YARN_HTTP_PROXY YARN_HTTPS_PROXY", JS, When::Set, Reroutes),
    ("CARGO_HTTP_PROXY", RS, When::Set, Reroutes),
    ("SSL_CERT_FILE SSL_CERT_DIR GIT_SSL_CAINFO GIT_SSL_CAPATH CURL_CA_BUNDLE", None, When::Set, Authorities),
    ("PIP_CERT REQUESTS_CA_BUNDLE", PY, When::Set, Authorities),
    (
        "NODE_EXTRA_CA_CERTS npm_config_cafile npm_config_ca YARN_HTTPS_CA_FILE_PATH YARN_CAFILE",
        JS,
        When::Set,
        Authorities,
    ),
    ("CARGO_HTTP_CAINFO", RS, When::Set, Authorities),
];

/// What a variable of this value does to a tool of an ecosystem; `None`: nothing of the kind.
pub fn effect_of(name: &str, value: &str, ecosystem: Option<Ecosystem>) -> Option<VariableEffect> {
    TABLE
        .iter()
        .filter(|(_, readers, ..)| readers.is_none() || *readers == ecosystem)
        .find(|(names, _, when, _)| names.split(' ').any(|n| names_it(n, name)) && has_effect(*when, value))
        .map(|(.., effect)| *effect)
}

/// Whether a variable can have an effect on any tool, whatever its value: one that is set to what is not known is a
/// doubt.
pub(super) fn may_change_a_tool(name: &str) -> bool {
    name == "PATH" || TABLE.iter().any(|(names, ..)| names.split(' ').any(|n| names_it(n, name)))
}

/// The names, without those that hold a `*`, that a shell's text mentions as `$NAME` or `${NAME`.
pub(super) fn mentioned(text: &str) -> Vec<&'static str> {
    if !text.contains('$') {
        return Vec::new();
    }
    let names = TABLE.iter().flat_map(|(names, ..)| names.split(' ')).chain(["PATH", "HOME"]);
    names.filter(|n| !n.contains('*')).filter(|n| takes(text, n)).collect()
}

/// Whether a text takes a variable's value.
pub(super) fn takes(text: &str, name: &str) -> bool {
    let mut from = text;
    while let Some(at) = from.find(name) {
        let (before, after) = (from.get(..at).unwrap_or_default(), from.get(at + name.len()..).unwrap_or_default());
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if ends && (before.ends_with('$') || before.ends_with("${")) {
            return true;
        }
        from = after;
    }
    false
}

/// npm reads its own variables in any case; the others are compared exactly.
fn names_it(pattern: &str, name: &str) -> bool {
    if pattern.starts_with("npm_config_") {
        return pattern.eq_ignore_ascii_case(name);
    }
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name.len() > start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
    }
}

fn has_effect(when: When, value: &str) -> bool {
    match when {
        When::Set => !value.is_empty(),
        When::Path => value.contains(['/', '\\']) && value != "/dev/null",
        When::NodeLoads => {
            let loads = ["--require", "-r", "--import", "--loader", "--experimental-loader", "--preload", "--env-file"];
            value.split_whitespace().any(|word| {
                let option = word.split('=').next().unwrap_or(word);
                loads.contains(&option) || (option.starts_with("-r") && !option.starts_with("--"))
            })
        }
        When::RustFlags => {
            value.contains("linker") || value.contains("codegen-backend") || value.contains("load-plugin")
        }
        When::Is(values) => values.contains(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_the_effects_that_their_tools_give_them() {
        for (name, value, ecosystem, expected) in [
            ("RUSTC_WRAPPER", "x", RS, Some(Runs)),
            ("RUSTC_WRAPPER", "", RS, None),
            ("RUSTC_WRAPPER", "x", PY, None),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "./r", RS, Some(Runs)),
            ("CARGO_TARGET_RUNNER", "x", RS, None),
            ("RUSTFLAGS", "-D warnings", RS, None),
            ("RUSTFLAGS", "-Clinker=/tmp/x", RS, Some(Runs)),
            ("LD_PRELOAD", "/x.so", None, Some(Loads)),
            ("PYTHONPATH", "/tmp", PY, Some(Loads)),
            ("PYTHONPATH", "/tmp", JS, None),
            ("NODE_OPTIONS", "--max-old-space-size=4096", JS, None),
            ("NODE_OPTIONS", "--require ./x.js", JS, Some(Loads)),
            ("NODE_OPTIONS", "--report-on-signal -r./x", JS, Some(Loads)),
            ("NPM_CONFIG_SCRIPT_SHELL", "./sh", JS, Some(Runs)),
            ("https_proxy", "http://h:1", PY, Some(Reroutes)),
            ("SSL_CERT_FILE", "/x.pem", RS, Some(Authorities)),
            ("CC", "clang", PY, None),
            ("CC", "/tmp/cc", PY, Some(Runs)),
            ("CC_x86_64_unknown_linux_gnu", "./cc", RS, Some(Runs)),
            ("COREPACK_INTEGRITY_KEYS", "0", JS, Some(Unprotects)),
            ("GIT_CONFIG_GLOBAL", "/dev/null", PY, None),
            ("PATH", "/tmp", PY, None),
            ("EDITOR", "vi", JS, None),
        ] {
            assert_eq!(effect_of(name, value, ecosystem), expected, "{name}={value}");
        }
        assert!(may_change_a_tool("PATH") && may_change_a_tool("RUSTC") && !may_change_a_tool("FOO"));
    }
}
