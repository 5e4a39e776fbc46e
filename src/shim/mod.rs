//! PATH shims: links named like the package tools that lead to this one program, which looks at its own name.
//!
//! In: the name that this process was started under, PATH, the directory of links. Out: which tool was meant, where the
//! real one is, what stands in front of the links. Starting the real tool is an `exec` ([`exec`]): this program is gone
//! once it has stepped aside.

pub mod exec;
pub mod lines;
pub mod links;
pub mod locate;
pub mod status;

use std::ffi::OsStr;
use std::path::Path;

/// The names that get a link when a program of that name is found. `pip3.11`, `python3.13t` and their like do too.
pub const NAMES: &[&str] = &[
    "pip", "pip3", "python", "python3", "uv", "uvx", "pipx", "poetry", "pdm", "pipenv", "npm", "npx", "pnpm", "pnpx",
    "yarn", "bun", "bunx", "corepack", "cargo",
];

/// Whether a link may have this name.
pub fn is_name(name: &str) -> bool {
    let versioned = |stem: &str| {
        let minor = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix("3."));
        minor.is_some_and(|m| {
            let digits = m.strip_suffix('t').unwrap_or(m);
            !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit())
        })
    };
    NAMES.contains(&name) || versioned("pip") || versioned("python")
}

/// The tool whose name this process was started under; `None` under its own name, or any other.
pub fn tool(argv0: &OsStr) -> Option<String> {
    let name = Path::new(argv0).file_name()?.to_str()?;
    is_name(name).then(|| name.to_owned())
}

/// Whether a name is an interpreter's: most of what it runs installs nothing.
pub fn is_python(name: &str) -> bool {
    name.starts_with("python")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::tool;

    #[test]
    fn the_name_of_a_link_is_the_tool_that_was_meant() {
        for (argv0, name) in [
            ("pip", Some("pip")),
            ("/home/u/.local/share/tidewaiter/shims/npm", Some("npm")),
            ("./pip3.11", Some("pip3.11")),
            ("python3.13t", Some("python3.13t")),
            ("python3.", None),
            ("python2", None),
            ("pip3.11.1", None),
            ("pip-3", None),
            ("tidewaiter", None),
            ("tidewaiter-pip", None),
            ("node", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(tool(OsStr::new(argv0)).as_deref(), name, "{argv0}");
        }
    }
}
