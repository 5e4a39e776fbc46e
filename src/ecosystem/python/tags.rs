//! Compatibility tags (PEP 425, 600, 656): which wheels an interpreter takes, best first.
//!
//! In: a description of an interpreter and its platform. Out: the list that `packaging.tags.sys_tags()` would give
//! there. For an interpreter that can be asked, asking is better; this is for one that cannot.

use std::collections::HashMap;
use std::hash::BuildHasher;

use super::wheel::WheelName;

/// An interpreter, as far as its tags depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// What it is.
    pub implementation: Implementation,
    /// Major and minor version.
    pub version: (u32, u32),
    /// Where it runs.
    pub platform: Platform,
}

/// A Python implementation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Implementation {
    /// CPython, with its ABI flags: empty, `t` (free-threaded), `d` (debug), `m` before 3.8.
    CPython {
        /// The flags in the order of `sys.abiflags`.
        abi_flags: String,
    },
    /// Any other: the short name (`pp`) and the ABI tag (`pypy39_pp73`).
    Other {
        /// Interpreter prefix: `pp`, or the implementation's name.
        prefix: String,
        /// The ABI, normalised (`.` and `-` as `_`).
        abi: String,
    },
}

/// An operating system, processor and C library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// Linux with glibc of this version.
    Glibc {
        /// `x86_64`, `aarch64`, …
        arch: String,
        /// Of the C library.
        version: (u32, u32),
    },
    /// Linux with musl of this version.
    Musl {
        /// As above.
        arch: String,
        /// Of the C library.
        version: (u32, u32),
    },
    /// macOS.
    MacOs {
        /// `arm64` or `x86_64`.
        arch: String,
        /// Of the system.
        version: (u32, u32),
    },
    /// Anything else, by its one tag: `win_amd64`, `freebsd_14_0_release_amd64`.
    Other(String),
}

impl Platform {
    /// The platform tags, best first.
    pub fn tags(&self) -> Vec<String> {
        match self {
            Self::Glibc { arch, version } => {
                let mut out: Vec<String> = arches(arch).flat_map(|a| manylinux(a, *version)).collect();
                out.extend(arches(arch).map(|a| format!("linux_{a}")));
                out
            }
            Self::Musl { arch, version: (major, minor) } => {
                let tags = |a: &str| {
                    let a = a.to_owned();
                    (0..=(*minor).min(MAX_MINOR)).rev().map(move |m| format!("musllinux_{major}_{m}_{a}"))
                };
                let mut out: Vec<String> = arches(arch).flat_map(tags).collect();
                out.extend(arches(arch).map(|a| format!("linux_{a}")));
                out
            }
            Self::MacOs { arch, version } => macos(arch, *version),
            Self::Other(tag) => vec![tag.clone()],
        }
    }
}

/// No C library or system counts further than this.
const MAX_MINOR: u32 = 200;

/// The architectures whose wheels run: a 64-bit ARM kernel with a 32-bit interpreter runs two.
fn arches(arch: &str) -> impl Iterator<Item = &str> {
    let second = (arch == "armv8l").then_some("armv7l");
    std::iter::once(arch).chain(second)
}

/// PEP 600's tags with the names of PEP 513, 571 and 599 after the versions they mean.
fn manylinux(arch: &str, (major, minor): (u32, u32)) -> Vec<String> {
    const ARCHES: [&str; 9] =
        ["x86_64", "i686", "aarch64", "armv7l", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"];
    if !ARCHES.contains(&arch) || major != 2 {
        return Vec::new();
    }
    let oldest = if matches!(arch, "x86_64" | "i686") { 5 } else { 17 };
    let mut out = Vec::new();
    for m in (oldest..=minor.min(MAX_MINOR)).rev() {
        out.push(format!("manylinux_2_{m}_{arch}"));
        match m {
            17 => out.push(format!("manylinux2014_{arch}")),
            12 => out.push(format!("manylinux2010_{arch}")),
            5 => out.push(format!("manylinux1_{arch}")),
            _ => {}
        }
    }
    out
}

fn macos(arch: &str, (major, minor): (u32, u32)) -> Vec<String> {
    let mut out = Vec::new();
    let mut push = |major: u32, minor: u32, formats: &[&str]| {
        out.extend(formats.iter().map(|f| format!("macosx_{major}_{minor}_{f}")));
    };
    let intel: &[&str] = &["x86_64", "intel", "fat64", "fat32", "universal2", "universal"];
    let own: &[&str] = if arch == "x86_64" { intel } else { &[arch, "universal2"] };
    for version in (11..=major.min(MAX_MINOR)).rev() {
        push(version, 0, own);
    }
    // Intel binaries of macOS 10 run on all that followed; on ARM only what is universal does.
    let tens = if major >= 11 { 16 } else { minor.min(MAX_MINOR) };
    for version in (4..=tens).rev() {
        match (arch, major) {
            ("x86_64", _) => push(10, version, intel),
            (_, 11..) => push(10, version, &["universal2"]),
            _ => push(10, version, own),
        }
    }
    out
}

/// Every tag that the interpreter takes, best first: `packaging.tags.sys_tags()`.
pub fn compatible_tags(interpreter: &Interpreter) -> Vec<String> {
    let platforms = interpreter.platform.tags();
    let (major, minor) = (interpreter.version.0, interpreter.version.1.min(MAX_MINOR));
    let mut out = Vec::new();
    let mut each = |python: &str, abi: &str| out.extend(platforms.iter().map(|p| format!("{python}-{abi}-{p}")));
    let own = match &interpreter.implementation {
        Implementation::CPython { abi_flags } => {
            let own = format!("cp{major}{minor}");
            let threaded = abi_flags.contains('t');
            let stable = !threaded && (major, minor) >= (3, 2);
            each(&own, &format!("{own}{abi_flags}"));
            if (major, minor) >= (3, 8) && abi_flags.contains('d') {
                // A debug build also loads what a normal build made.
                each(&own, &format!("{own}{}", if threaded { "t" } else { "" }));
            }
            if stable {
                each(&own, "abi3");
            }
            each(&own, "none");
            if stable {
                for older in (2..minor).rev() {
                    each(&format!("cp{major}{older}"), "abi3");
                }
            }
            Some(own)
        }
        Implementation::Other { prefix, abi } => {
            let own = format!("{prefix}{major}{minor}");
            each(&own, abi);
            each(&own, "none");
            // packaging names PyPy by its major version here.
            (prefix == "pp").then(|| format!("pp{major}"))
        }
    };
    let mut pythons = vec![format!("py{major}{minor}"), format!("py{major}")];
    pythons.extend((0..minor).rev().map(|m| format!("py{major}{m}")));
    for python in &pythons {
        each(python, "none");
    }
    out.extend(own.map(|own| format!("{own}-none-any")));
    out.extend(pythons.iter().map(|python| format!("{python}-none-any")));
    out
}

/// The best place among `ranks` (tag → place in the list) that any of a wheel's tags has; lower is better.
/// `None`: the interpreter does not take it.
pub fn rank<S: BuildHasher>(wheel: &WheelName, ranks: &HashMap<String, usize, S>) -> Option<usize> {
    wheel.tags().iter().filter_map(|tag| ranks.get(tag).copied()).min()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use crate::ecosystem::python::wheel::parse_wheel_filename;

    fn cpython(version: (u32, u32), flags: &str, platform: Platform) -> Vec<String> {
        compatible_tags(&Interpreter {
            implementation: Implementation::CPython { abi_flags: flags.to_owned() },
            version,
            platform,
        })
    }

    #[test]
    fn macs_and_windows() {
        let tags = cpython((3, 13), "", Platform::MacOs { arch: "arm64".to_owned(), version: (14, 5) });
        assert_eq!(
            tags[..3],
            ["cp313-cp313-macosx_14_0_arm64", "cp313-cp313-macosx_14_0_universal2", "cp313-cp313-macosx_13_0_arm64"]
        );
        assert!(tags.contains(&"cp313-cp313-macosx_10_9_universal2".to_owned()));
        assert!(!tags.contains(&"cp313-cp313-macosx_10_9_x86_64".to_owned()));
        let tags = cpython((3, 13), "t", Platform::Other("win_amd64".to_owned()));
        assert_eq!(tags[..2], ["cp313-cp313t-win_amd64", "cp313-none-win_amd64"]);
        assert!(!tags.iter().any(|t| t.contains("abi3")), "the stable ABI is not that of free threading");
    }

    #[test]
    fn pypy_and_musl() {
        let tags = compatible_tags(&Interpreter {
            implementation: Implementation::Other { prefix: "pp".to_owned(), abi: "pypy310_pp73".to_owned() },
            version: (3, 10),
            platform: Platform::Musl { arch: "aarch64".to_owned(), version: (1, 2) },
        });
        assert_eq!(tags[..2], ["pp310-pypy310_pp73-musllinux_1_2_aarch64", "pp310-pypy310_pp73-musllinux_1_1_aarch64"]);
        assert!(tags.contains(&"pp3-none-any".to_owned()));
    }

    #[test]
    fn a_wheel_has_the_rank_of_its_best_tag() {
        let tags = cpython((3, 11), "", Platform::Glibc { arch: "x86_64".to_owned(), version: (2, 36) });
        let ranks: HashMap<String, usize> = tags.into_iter().enumerate().map(|(i, t)| (t, i)).collect();
        let at = |name: &str| rank(&parse_wheel_filename(name).unwrap(), &ranks);
        assert!(at("a-1-cp311-cp311-manylinux2014_x86_64.whl") < at("a-1-py2.py3-none-any.whl"));
        assert_eq!(at("a-1-cp312-cp312-manylinux2014_x86_64.whl"), None);
    }
}
