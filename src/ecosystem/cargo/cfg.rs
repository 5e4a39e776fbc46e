//! `cfg(…)` expressions and target triples: whether a platform's dependencies are meant for a target.
//!
//! In: the key of `[target.KEY]` and a [`Target`]. Out: yes, no, or `None` where it depends on what only a compiler
//! knows (`feature`, `test`, custom names). No compiler is run: the facts of common triples are derived from their parts.

/// Deepest nesting of `all`, `any` and `not`.
const MAX_DEPTH: usize = 64;
/// Longest expression read.
const MAX_TEXT: usize = 16 << 10;

/// What is known of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The triple: `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// `target_arch`.
    pub arch: String,
    /// `target_os`: `linux`, `macos`, `windows`, `none`, …
    pub os: String,
    /// `target_env`: `gnu`, `musl`, `msvc`, or empty.
    pub env: String,
    /// `target_vendor`.
    pub vendor: String,
    /// `target_family`: `unix`, `windows`, `wasm`.
    pub families: Vec<&'static str>,
    /// `target_pointer_width`.
    pub pointer_width: &'static str,
    /// `target_endian`.
    pub endian: &'static str,
}

impl Target {
    /// The facts of a triple, by its parts; `None` when it has too few.
    pub fn of_triple(triple: &str) -> Option<Self> {
        let mut parts = triple.split('-');
        let first = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let (vendor, os, env) = match rest.as_slice() {
            [os] => ("unknown", *os, ""),
            ["wasip1" | "wasip2", ..] => ("unknown", "wasi", ""),
            ["linux", env] => ("unknown", "linux", *env),
            [vendor, os] => (*vendor, *os, ""),
            [vendor, os, env] => (*vendor, *os, *env),
            _ => return None,
        };
        let arch = match first {
            "i386" | "i486" | "i586" | "i686" => "x86",
            a if a.starts_with("arm64") || a.starts_with("aarch64") => "aarch64",
            a if a.starts_with("arm") || a.starts_with("thumb") => "arm",
            a if a.starts_with("riscv64") => "riscv64",
            a if a.starts_with("riscv32") => "riscv32",
            "powerpc64le" => "powerpc64",
            "mipsel" => "mips",
            "mips64el" => "mips64",
            other => other,
        };
        let os = match os {
            "darwin" => "macos",
            "unknown" => "unknown",
            "wasip1" | "wasip2" | "wasi" => "wasi",
            "linux" | "windows" | "freebsd" | "netbsd" | "openbsd" | "android" | "ios" | "none" | "emscripten" => os,
            other => other,
        };
        // `-linux-android` and `-linux-androideabi` name the system in the last part.
        let (os, env) = if env.starts_with("android") { ("android", "") } else { (os, env) };
        let env =
            ["gnu", "musl", "msvc", "sgx", "uclibc", "ohos"].into_iter().find(|e| env.starts_with(e)).unwrap_or("");
        let families: Vec<&'static str> = match (os, arch) {
            ("windows", _) => vec!["windows"],
            ("emscripten", _) => vec!["unix", "wasm"],
            (_, "wasm32" | "wasm64") => vec!["wasm"],
            ("none" | "unknown" | "uefi" | "hermit" | "cuda", _) => Vec::new(),
            _ => vec!["unix"],
        };
        let wide = matches!(
            arch,
            "x86_64" | "aarch64" | "riscv64" | "powerpc64" | "mips64" | "s390x" | "loongarch64" | "sparc64" | "wasm64"
        );
        let big = matches!(first, "powerpc" | "powerpc64" | "mips" | "mips64" | "s390x" | "sparc64")
            || first.ends_with("_be");
        Some(Self {
            triple: triple.to_owned(),
            arch: arch.to_owned(),
            os: os.to_owned(),
            env: env.to_owned(),
            vendor: vendor.to_owned(),
            families,
            pointer_width: if wide && !triple.ends_with("_ilp32") && !triple.ends_with("x32") { "64" } else { "32" },
            endian: if big { "big" } else { "little" },
        })
    }

    /// The usual target of a host, by the words of `std::env::consts`.
    pub fn of_host(os: &str, arch: &str) -> Option<Self> {
        let arch = if arch == "x86" { "i686" } else { arch };
        Self::of_triple(&match os {
            "macos" => format!("{arch}-apple-darwin"),
            "windows" => format!("{arch}-pc-windows-msvc"),
            "linux" => format!("{arch}-unknown-linux-gnu"),
            other => format!("{arch}-unknown-{other}"),
        })
    }

    /// Whether `[target.KEY]` is meant for this target.
    pub fn matches(&self, key: &str) -> Option<bool> {
        match key.trim().strip_prefix("cfg").map(str::trim_start).and_then(|r| r.strip_prefix('(')) {
            Some(rest) => evaluate(rest.trim_end().strip_suffix(')')?, &|name, value| self.fact(name, value)),
            None => Some(key == self.triple),
        }
    }

    fn fact(&self, name: &str, value: Option<&str>) -> Option<bool> {
        match (name, value) {
            ("unix" | "windows", None) => Some(self.families.contains(&name)),
            ("true", None) => Some(true),
            ("false", None) => Some(false),
            ("target_os", Some(v)) => Some(self.os == v),
            ("target_arch", Some(v)) => Some(self.arch == v),
            ("target_env", Some(v)) => Some(self.env == v),
            ("target_vendor", Some(v)) => Some(self.vendor == v),
            ("target_family", Some(v)) => Some(self.families.contains(&v)),
            ("target_pointer_width", Some(v)) => Some(self.pointer_width == v),
            ("target_endian", Some(v)) => Some(self.endian == v),
            _ => None,
        }
    }
}

/// A fact's answer: the name, and the value it is compared with.
type Facts<'f> = &'f dyn Fn(&str, Option<&str>) -> Option<bool>;

/// Evaluates an expression, with Kleene's logic for what is not known.
fn evaluate(text: &str, facts: Facts<'_>) -> Option<bool> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut rest = text;
    let value = expression(&mut rest, facts, 0)?;
    if rest.trim_start().is_empty() { value } else { None }
}

/// The outer `None` is a text that is no expression.
#[expect(clippy::option_option, reason = "unreadable and unknown are different answers")]
fn expression(rest: &mut &str, facts: Facts<'_>, depth: usize) -> Option<Option<bool>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = identifier(rest)?;
    if take(rest, '(') {
        let mut values = Vec::new();
        while !take(rest, ')') {
            values.push(expression(rest, facts, depth + 1)?);
            if !take(rest, ',') {
                if !take(rest, ')') {
                    return None;
                }
                break;
            }
        }
        return match name {
            "all" => Some(join(&values, false)),
            "any" => Some(join(&values, true)),
            "not" => match values.as_slice() {
                [one] => Some(one.map(|v| !v)),
                _ => None,
            },
            _ => None,
        };
    }
    if take(rest, '=') {
        let text = rest.trim_start().strip_prefix('"')?;
        let (value, after) = text.split_once('"')?;
        *rest = after;
        return Some(facts(name, Some(value)));
    }
    Some(facts(name, None))
}

/// `any` for `decisive` true, `all` for false.
fn join(values: &[Option<bool>], decisive: bool) -> Option<bool> {
    if values.contains(&Some(decisive)) {
        Some(decisive)
    } else if values.contains(&None) {
        None
    } else {
        Some(!decisive)
    }
}

fn identifier<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let text = rest.trim_start();
    let text = text.strip_prefix("r#").unwrap_or(text);
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    *rest = after;
    (!name.is_empty()).then_some(name)
}

fn take(rest: &mut &str, wanted: char) -> bool {
    match rest.trim_start().strip_prefix(wanted) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_on_common_targets() {
        for (triple, key, expected) in [
            ("x86_64-unknown-linux-gnu", "cfg(unix)", Some(true)),
            ("x86_64-unknown-linux-gnu", "cfg(windows)", Some(false)),
            ("x86_64-pc-windows-msvc", "cfg(all(windows, target_env = \"msvc\",))", Some(true)),
            ("aarch64-apple-darwin", "cfg(not(any(target_os=\"linux\", target_vendor = \"pc\")))", Some(true)),
            ("aarch64-apple-darwin", "cfg(target_pointer_width = \"64\")", Some(true)),
            ("wasm32-unknown-unknown", "cfg(target_family = \"wasm\")", Some(true)),
            ("wasm32-unknown-unknown", "cfg(unix)", Some(false)),
            ("i686-unknown-linux-musl", "cfg(all(target_arch = \"x86\", target_env = \"musl\"))", Some(true)),
            ("armv7-linux-androideabi", "cfg(target_os = \"android\")", Some(true)),
            ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-gnu", Some(true)),
            ("x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu", Some(false)),
            ("x86_64-unknown-linux-gnu", "cfg(any())", Some(false)),
            ("x86_64-unknown-linux-gnu", "cfg(loom)", None),
            ("x86_64-unknown-linux-gnu", "cfg(any(unix, loom))", Some(true)),
            ("x86_64-unknown-linux-gnu", "cfg(all(unix, loom))", None),
            ("x86_64-unknown-linux-gnu", "cfg(not(a, b))", None),
            ("x86_64-unknown-linux-gnu", "cfg(unix", None),
            ("x86_64-unknown-linux-gnu", "cfg(unix) x", None),
        ] {
            assert_eq!(Target::of_triple(triple).and_then(|t| t.matches(key)), expected, "{triple} {key}");
        }
        assert_eq!(Target::of_host("macos", "aarch64").map(|t| t.triple).as_deref(), Some("aarch64-apple-darwin"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(cfg\\(|all\\(|not\\(|unix|a = \"b\"|\\)|,|=|\\PC){0,20}", triple in "[a-z0-9_-]{0,30}") {
            let _ = Target::of_triple(&triple).map(|t| t.matches(&text));
        }
    }
}
