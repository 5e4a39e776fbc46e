//! Cargo's configuration as far as it names programs to run or redirects where packages come from.
//!
//! In: the working directory, variables, `--config` words and [`Files`]. Out: every value set, with the layer and the
//! place that set it, strongest first; patches; diagnostics. Which registry a source is replaced by is read where
//! registries are asked; tokens are never read here. The rules are the Cargo book's "Configuration": files from the
//! directory upwards, then `$CARGO_HOME`; `config` before `config.toml`; variables above files, `--config` above all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::manifest::{Manifest, Patch};
use crate::ecosystem::document::Reader;
use crate::model::{
    Diagnostic, Environment, FileError, Files, Location, Setting, SettingKind, SettingLayer, lexical, redact_url,
};

/// Files included by files, at most so deep and so many.
const MAX_INCLUDES: usize = 64;
/// Values kept.
const MAX_VALUES: usize = 10_000;

/// One value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The dotted key: `build.rustc-wrapper`, `target.cfg(unix).runner`.
    pub key: String,
    /// A string as it is, a list's words joined by a space, `true`, `false`, a number. Credentials removed.
    pub value: String,
    /// Who set it.
    pub layer: SettingLayer,
    /// Where.
    pub location: Location,
}

/// Cargo's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Every value, the strongest of a key first.
    pub values: Vec<ConfigValue>,
    /// `[patch]` of configuration files, strongest first.
    pub patches: Vec<Patch>,
    /// What was not understood.
    pub diagnostics: Vec<Diagnostic>,
}

/// Keys whose value is a program that Cargo runs. `*` stands for one part.
const PROGRAMS: &[&str] = &[
    "build.rustc",
    "build.rustc-wrapper",
    "build.rustc-workspace-wrapper",
    "build.rustdoc",
    "doc.browser",
    "target.*.runner",
    "target.*.linker",
    "credential-alias.*",
    "registry.credential-provider",
    "registries.*.credential-provider",
    "registry.global-credential-providers",
    "toolchain.path",
];

/// Keys whose compiler flags may name a linker or a plugin.
const FLAGS: &[&str] = &["build.rustflags", "build.rustdocflags", "target.*.rustflags", "target.*.rustdocflags"];

/// Variables that stand for a key.
const VARIABLES: &[(&str, &str)] = &[
    ("RUSTC", "build.rustc"),
    ("CARGO_BUILD_RUSTC", "build.rustc"),
    ("RUSTC_WRAPPER", "build.rustc-wrapper"),
    ("CARGO_BUILD_RUSTC_WRAPPER", "build.rustc-wrapper"),
    ("RUSTC_WORKSPACE_WRAPPER", "build.rustc-workspace-wrapper"),
    ("CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "build.rustc-workspace-wrapper"),
    ("RUSTDOC", "build.rustdoc"),
    ("CARGO_BUILD_RUSTDOC", "build.rustdoc"),
    ("RUSTFLAGS", "build.rustflags"),
    ("CARGO_BUILD_RUSTFLAGS", "build.rustflags"),
    ("CARGO_ENCODED_RUSTFLAGS", "build.rustflags"),
    ("CARGO_BUILD_TARGET", "build.target"),
    ("CARGO_BUILD_TARGET_DIR", "build.target-dir"),
    ("CARGO_TARGET_DIR", "build.target-dir"),
    ("CARGO_NET_OFFLINE", "net.offline"),
    ("CARGO_NET_GIT_FETCH_WITH_CLI", "net.git-fetch-with-cli"),
    ("CARGO_HTTP_PROXY", "http.proxy"),
    ("CARGO_HTTP_CAINFO", "http.cainfo"),
    ("CARGO_HTTP_CHECK_REVOKE", "http.check-revoke"),
    ("CARGO_REGISTRY_DEFAULT", "registry.default"),
    ("CARGO_REGISTRY_CREDENTIAL_PROVIDER", "registry.credential-provider"),
    ("CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS", "registry.global-credential-providers"),
    ("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "resolver.incompatible-rust-versions"),
];

impl Config {
    /// Reads the configuration of a command in `environment.cwd`. `flags` are the values of `--config`, in order.
    pub fn read(environment: &Environment, files: &dyn Files, flags: &[(String, Location)]) -> Self {
        let mut out = Self::default();
        // Later flags are stronger.
        for (text, location) in flags.iter().rev() {
            out.flag(environment, files, text, location);
        }
        out.variables(environment);
        let home = cargo_home(environment);
        let mut seen = BTreeSet::new();
        for directory in environment.cwd.ancestors() {
            let directory = directory.join(".cargo");
            let layer = match &home {
                Some(home) if directory == *home => layer_of_home(home, environment),
                _ => SettingLayer::Project,
            };
            out.directory(&directory, layer, files, &mut seen);
        }
        if let Some(home) = &home {
            out.directory(home, layer_of_home(home, environment), files, &mut seen);
        }
        out.toolchain(environment, files);
        out
    }

    /// The strongest value of a key.
    pub fn get(&self, key: &str) -> Option<&ConfigValue> {
        self.values.iter().find(|v| v.key == key)
    }

    /// The words that an `[alias]` stands for.
    pub fn alias(&self, name: &str) -> Option<Vec<String>> {
        let (key, variable) =
            (format!("alias.{name}"), format!("CARGO_ALIAS_{}", name.to_uppercase().replace('-', "_")));
        let variable = Location::environment(&variable);
        let value = self.values.iter().find(|v| v.key == key || v.location == variable)?;
        Some(value.value.split_whitespace().map(str::to_owned).collect())
    }

    /// What names programs, and what redirects packages by `[patch]` or `paths`, as settings for the rules. An alias
    /// that runs a subcommand of the repository's choice is none: Cargo runs only what is installed.
    pub fn settings(&self) -> Vec<Setting> {
        let setting = |v: &ConfigValue, kind| Setting {
            kind,
            key: v.key.clone(),
            value: v.value.clone(),
            layer: v.layer,
            location: v.location.clone(),
        };
        self.values
            .iter()
            .filter_map(|v| {
                let names = |patterns: &[&str]| patterns.iter().any(|p| matches_key(p, &v.key));
                if (names(PROGRAMS) && !v.value.is_empty()) || (names(FLAGS) && names_program(&v.value)) {
                    Some(setting(v, SettingKind::Program))
                } else if matches!(v.key.as_str(), "build.target-dir" | "build.build-dir") {
                    Some(setting(v, SettingKind::Directory))
                } else if v.key == "paths" || v.key.starts_with("patch.") {
                    Some(setting(v, SettingKind::ExtraIndex))
                } else {
                    None
                }
            })
            .collect()
    }

    fn push(&mut self, key: String, value: String, layer: SettingLayer, location: Location) {
        // A token is nobody's business here.
        if key == "token" || key.ends_with(".token") || key.ends_with(".secret-key") {
            return;
        }
        if self.values.len() >= MAX_VALUES {
            self.incomplete(location, format!("more than {MAX_VALUES} settings: the rest was not read"));
            return;
        }
        let value = if value.contains("://") { redact_url(&value) } else { value };
        self.values.push(ConfigValue { key, value, layer, location });
    }

    /// Says once that something was too much to be read.
    fn incomplete(&mut self, location: Location, message: String) {
        if self.diagnostics.iter().all(|d| d.message != message) {
            self.diagnostics.push(Diagnostic::new(location, message));
        }
    }

    /// `--config KEY=VALUE`, or the path of a file.
    fn flag(&mut self, environment: &Environment, files: &dyn Files, text: &str, location: &Location) {
        let path = environment.absolute(Path::new(text));
        if files.is_file(&path) {
            let mut seen = BTreeSet::new();
            self.file(&path, SettingLayer::Flag, files, &mut seen);
            return;
        }
        let (table, reader) = Reader::parse(Path::new("--config"), text);
        if !reader.diagnostics.is_empty() || table.is_empty() {
            let message = "neither a file nor a value in TOML";
            self.diagnostics.push(Diagnostic::new(location.clone(), message));
            return;
        }
        let mut found = Vec::new();
        flatten(&table, String::new(), 0, &mut found);
        for (key, value, _) in found {
            self.push(key, value, SettingLayer::Flag, location.clone());
        }
    }

    fn variables(&mut self, environment: &Environment) {
        let mut seen = BTreeSet::new();
        for (variable, key) in VARIABLES {
            if let Some(value) = environment.variable(variable)
                && !value.is_empty()
                && seen.insert(*key)
            {
                let location = Location::environment(variable);
                self.push((*key).to_owned(), value.to_owned(), SettingLayer::Environment, location);
            }
        }
        for (variable, value) in &environment.variables {
            if let Some(name) = variable.strip_prefix("CARGO_ALIAS_") {
                let (key, location) = (format!("alias.{}", name.to_lowercase()), Location::environment(variable));
                self.push(key, value.clone(), SettingLayer::Environment, location);
            }
            let Some(rest) = variable.strip_prefix("CARGO_TARGET_") else { continue };
            for (suffix, key) in [("_RUNNER", "runner"), ("_LINKER", "linker"), ("_RUSTFLAGS", "rustflags")] {
                if let Some(triple) = rest.strip_suffix(suffix) {
                    let key = format!("target.{}.{key}", triple.to_lowercase().replace('_', "-"));
                    self.push(key, value.clone(), SettingLayer::Environment, Location::environment(variable));
                }
            }
        }
    }

    /// `config` in a `.cargo` directory, or else `config.toml`.
    fn directory(&mut self, directory: &Path, layer: SettingLayer, files: &dyn Files, seen: &mut BTreeSet<PathBuf>) {
        let legacy = directory.join("config");
        let path = if files.is_file(&legacy) { legacy } else { directory.join("config.toml") };
        if files.is_file(&path) {
            self.file(&path, layer, files, seen);
        }
    }

    fn file(&mut self, path: &Path, layer: SettingLayer, files: &dyn Files, seen: &mut BTreeSet<PathBuf>) {
        if !seen.insert(path.to_owned()) {
            return;
        }
        if seen.len() > MAX_INCLUDES {
            let message = format!("more than {MAX_INCLUDES} configuration files: the rest was not read");
            return self.incomplete(Location::file(path), message);
        }
        let text = match files.read_text(path) {
            Ok(text) => text,
            Err(FileError::NotFound) => {
                self.diagnostics.push(Diagnostic::new(Location::file(path), "there is no such file"));
                return;
            }
            Err(error) => {
                self.diagnostics.push(Diagnostic::new(Location::file(path), error.to_string()));
                return;
            }
        };
        let (table, mut reader) = Reader::parse(path, &text);
        let mut found = Vec::new();
        flatten(&table, String::new(), 0, &mut found);
        for (key, value, offset) in found {
            self.push(key, value, layer, reader.at(offset));
        }
        self.diagnostics.append(&mut reader.diagnostics);
        if table.contains_key("patch") {
            // Paths in a configuration file are relative to the directory that holds `.cargo`.
            let base = path.parent().and_then(Path::parent).unwrap_or(Path::new("")).join("Cargo.toml");
            let (manifest, _) = Manifest::read(&base, &text);
            self.patches.extend(manifest.patches);
        }
        for include in includes(&table) {
            let included = lexical(&path.parent().unwrap_or(Path::new("")).join(include));
            self.file(&included, layer, files, seen);
        }
    }

    /// `rust-toolchain` or `rust-toolchain.toml`, the nearest one: a toolchain by path is a set of programs.
    fn toolchain(&mut self, environment: &Environment, files: &dyn Files) {
        for directory in environment.cwd.ancestors() {
            for name in ["rust-toolchain", "rust-toolchain.toml"] {
                let path = directory.join(name);
                if !files.is_file(&path) {
                    continue;
                }
                let Ok(text) = files.read_text(&path) else { return };
                // The older file is one line: a channel, or an absolute path.
                let first = text.trim();
                if name == "rust-toolchain" && !first.contains(['\n', '=', '[']) {
                    let key = if first.starts_with(['/', '.']) { "toolchain.path" } else { "toolchain.channel" };
                    self.push(key.to_owned(), first.to_owned(), SettingLayer::Project, Location::at(&path, 1, 1));
                    return;
                }
                let (table, mut reader) = Reader::parse(&path, &text);
                let mut found = Vec::new();
                flatten(&table, String::new(), 0, &mut found);
                for (key, value, offset) in found {
                    self.push(key, value, SettingLayer::Project, reader.at(offset));
                }
                self.diagnostics.append(&mut reader.diagnostics);
                return;
            }
        }
    }
}

/// `$CARGO_HOME`, or `.cargo` in the home directory.
pub fn cargo_home(environment: &Environment) -> Option<PathBuf> {
    match environment.variable("CARGO_HOME").filter(|v| !v.is_empty()) {
        Some(home) => Some(environment.absolute(Path::new(home))),
        None => environment.home.as_ref().map(|home| home.join(".cargo")),
    }
}

/// Whose the configuration in `$CARGO_HOME` is. One that a variable puts inside the project is the project's: CI caches
/// are kept there, and a repository can bring one.
pub fn layer_of_home(home: &Path, environment: &Environment) -> SettingLayer {
    let usual = environment.home.as_ref().is_some_and(|h| h.join(".cargo") == *home);
    if !usual && home.starts_with(&environment.cwd) { SettingLayer::Project } else { SettingLayer::User }
}

/// Whether flags of the compiler name a program or code that it loads: a linker, a code generator, what a C compiler that
/// links is told to start or to load, or a file with more of them. `-fuse-ld=lld` chooses among what is installed.
fn names_program(flags: &str) -> bool {
    let marks = [
        "linker",
        "-Zcodegen-backend",
        "-Z codegen-backend",
        "-fplugin",
        "-wrapper",
        "-specs=",
        "--ld-path",
        "-load-pass-plugin",
    ];
    let searched = |word: &str| {
        let word = word.trim_start_matches("-C").trim_start_matches("link-args=").trim_start_matches("link-arg=");
        word.starts_with("-B") || word.starts_with('@')
    };
    let path = |word: &str| word.split_once("-fuse-ld=").is_some_and(|(_, name)| name.contains(['/', '\\']));
    marks.iter().any(|mark| flags.contains(mark)) || flags.split_whitespace().any(|word| searched(word) || path(word))
}

/// Whether a dotted key fits a pattern. A `*` takes one part, which may hold dots of its own, as in `cfg(…)`.
fn matches_key(pattern: &str, key: &str) -> bool {
    match pattern.split_once(".*") {
        None => pattern == key,
        Some((prefix, suffix)) => key
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest.len() > suffix.len() && rest.ends_with(suffix)),
    }
}

/// Leaves of a table: key, value as text, offset.
fn flatten(table: &DeTable<'_>, prefix: String, depth: usize, out: &mut Vec<(String, String, usize)>) {
    if depth > 16 {
        return;
    }
    for (key, node) in table {
        let name = key.get_ref();
        let dotted = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
        match node.get_ref() {
            DeValue::Table(inner) => flatten(inner, dotted, depth + 1, out),
            other => out.push((dotted, text_of(other, 0), key.span().start)),
        }
    }
}

fn text_of(value: &DeValue<'_>, depth: usize) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) if depth < 8 => {
            items.iter().map(|i| text_of(i.get_ref(), depth + 1)).collect::<Vec<_>>().join(" ")
        }
        DeValue::Array(_) | DeValue::Table(_) => String::new(),
    }
}

/// `include = "path"`, a list of paths, or of tables with `path`.
fn includes(table: &DeTable<'_>) -> Vec<String> {
    let path = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Table(inner) => inner.get("path").and_then(|p| p.get_ref().as_str()).map(str::to_owned),
        _ => None,
    };
    match table.get("include").map(|n| n.get_ref()) {
        Some(DeValue::Array(items)) => items.iter().filter_map(|i| path(i.get_ref())).collect(),
        Some(other) => path(other).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;

    fn read(entries: &[(&str, &str)], variables: &[(&str, &str)], flags: &[&str]) -> Config {
        let files: MemoryFiles = entries.iter().map(|(p, t)| (PathBuf::from(p), t.as_bytes().to_vec())).collect();
        let environment = Environment {
            variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            cwd: PathBuf::from("/home/u/w/p"),
            home: Some(PathBuf::from("/home/u")),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            os: "linux",
            arch: "x86_64",
        };
        let flags: Vec<(String, Location)> = flags.iter().map(|f| ((*f).to_owned(), Location::argv(2))).collect();
        Config::read(&environment, &files, &flags)
    }

    fn shown(config: &Config) -> Vec<String> {
        let show = |s: &Setting| format!("{:?} {}={} {}", s.layer, s.key, s.value, s.location);
        config.settings().iter().map(show).collect()
    }

    #[test]
    fn programs_are_found_in_every_layer_strongest_first() {
        let config = read(
            &[
                (
                    "/home/u/w/p/.cargo/config.toml",
                    "[build]\nrustc-wrapper = \"./x.sh\"\njobs = 2\n[registry]\ntoken = \"t0p\"\n",
                ),
                (
                    "/home/u/w/.cargo/config",
                    "include = [\"more.toml\"]\n[target.'cfg(unix)']\nrunner = [\"run\", \"-x\"]\n",
                ),
                ("/home/u/w/.cargo/config.toml", "[build]\nrustc = \"never read: `config` is there\"\n"),
                ("/home/u/w/.cargo/more.toml", "[build]\nrustflags = [\"-C\", \"linker=evil\"]\n"),
                ("/home/u/.cargo/config.toml", "[build]\nrustc-wrapper = \"sccache\"\n"),
                ("/home/u/w/p/rust-toolchain.toml", "[toolchain]\npath = \"tc\"\n"),
            ],
            &[("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "ld2")],
            &["build.rustdoc = \"doc\""],
        );
        assert!(config.diagnostics.is_empty(), "{:?}", config.diagnostics);
        assert_eq!(
            shown(&config),
            [
                "Flag build.rustdoc=doc argument 2",
                "Environment target.x86-64-unknown-linux-gnu.linker=ld2 $CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
                "Project build.rustc-wrapper=./x.sh /home/u/w/p/.cargo/config.toml:2:1",
                "Project target.cfg(unix).runner=run -x /home/u/w/.cargo/config:3:1",
                "Project build.rustflags=-C linker=evil /home/u/w/.cargo/more.toml:2:1",
                "User build.rustc-wrapper=sccache /home/u/.cargo/config.toml:2:1",
                "Project toolchain.path=tc /home/u/w/p/rust-toolchain.toml:2:1",
            ]
        );
        assert_eq!(config.get("build.rustc-wrapper").unwrap().value, "./x.sh");
        assert!(!format!("{config:?}").contains("t0p"), "tokens are not read");
    }

    #[test]
    fn patches_and_paths_redirect() {
        let text = "paths = [\"../x\"]\n[patch.crates-io]\na = { path = \"b\" }\n";
        let config = read(&[("/home/u/w/p/.cargo/config.toml", text)], &[], &["oops", "a.b = 1"]);
        assert_eq!(config.patches.len(), 1);
        assert_eq!(shown(&config).len(), 2, "{:?}", shown(&config));
        assert_eq!(config.diagnostics.len(), 1, "{:?}", config.diagnostics);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(include = .{0,8}\n|\\[[a-z.]{0,8}\\]\n|[a-z]{1,3} = [\\[\\]{}\"a-z ,=]{0,12}\n|.{0,9}){0,8}") {
            let _ = read(&[("/home/u/w/p/.cargo/config.toml", &text), ("/home/u/w/p/rust-toolchain", &text)], &[], &[&text]).settings();
        }
    }
}
