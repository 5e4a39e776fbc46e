//! Code of other languages on a command line: whether it may start a package tool. Nothing here parses a language: text
//! in, a suspicion out.

use super::engine::{Word, opaque, shown};
use super::reading::{Context, unknown};
use super::{Invocation, Tool};
use crate::shell::{Content, Directory, Stream, place};

const TOOLS: &[&str] = &[
    "ensurepip",
    "npm",
    "npx",
    "pnpm",
    "pnpx",
    "yarn",
    "bun",
    "bunx",
    "corepack",
    "cargo",
    "uv",
    "uvx",
    "pipx",
    "poetry",
    "pdm",
    "pipenv",
];

/// Whether code or a word names a package tool as a word of its own.
pub(super) fn names_a_tool(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| {
        TOOLS.contains(&word) || word.strip_prefix("pip").is_some_and(|v| v.chars().all(|c| c.is_ascii_digit()))
    })
}

/// What code calls to start a program, or to run text as code.
const STARTS: &[&str] = &[
    "subprocess",
    "system",
    "popen",
    "Popen",
    "exec",
    "eval",
    "spawn",
    "child_process",
    "import pip",
    "from pip",
    "pip.main",
    "_internal",
    "runpy",
    "run_module",
    "__import__",
    "import_module",
    "getattr",
    "pty",
    "qx",
    "%x",
    "`",
    "Open3",
    "open(\"|",
    "open('|",
    "open(F,",
    "shell_exec",
    "passthru",
    "proc_open",
    "Bun.$",
    "Deno.Command",
    "do shell script",
    "getline",
    "| \"",
    "|\"",
    "ensurepip",
    "Function(",
    "os.fork",
    "ctypes",
];

/// Ways to write a name so that it cannot be read.
const HIDES: &[&str] = &[
    "base64",
    "b64",
    "fromCharCode",
    "chr(",
    "fromhex",
    "codecs",
    "rot13",
    "rot_13",
    "[::-1]",
    "reversed",
    "urlopen",
    "requests.get",
    "fetch(",
    "http://",
    "https://",
    "atob",
    "\\x",
    "\\u00",
    "pack(",
    "unhexlify",
    "zlib",
    "marshal",
    "''.join",
    "\"\".join",
    ".join('')",
    ".join(\"\")",
    "bytes(",
    "sys.argv",
    "sys.stdin",
    "input(",
    "globals(",
    "getattr(",
];

/// Installs without what may stand between their letters.
const SPLIT: &[&str] = &[
    "pipinstall",
    "pip3install",
    "npminstall",
    "npmi",
    "npmci",
    "npx",
    "yarnadd",
    "yarninstall",
    "pnpmadd",
    "pnpmi",
    "bunadd",
    "cargoinstall",
    "uvadd",
    "uvsync",
    "uvpip",
    "uvx",
    "pipxinstall",
    "pipxrun",
    "poetryadd",
    "poetryinstall",
];

/// Whether code may install something: it starts programs, and names a package tool or hides what it starts.
pub(super) fn may_install(code: &str) -> bool {
    if !STARTS.iter().any(|s| code.contains(s)) {
        return false;
    }
    // `'p' + 'ip'` is `pip`.
    let joined: String = code.chars().filter(|c| !matches!(c, '\'' | '"' | '+' | ' ' | '\\' | ',' | '[')).collect();
    names_a_tool(code) || HIDES.iter().any(|h| code.contains(h)) || SPLIT.iter().any(|i| joined.contains(i))
}

fn doubt(context: &Context<'_>, tool: Tool, program: &str, index: usize, reason: String) -> Invocation {
    unknown(context, tool, program, opaque(index, reason))
}

const REASON: &str = "runs code that starts a package tool or hides what it starts";

/// `python -c CODE`, `node -e CODE`.
pub(super) fn given(context: &Context<'_>, tool: Tool, program: &str, code: &Word) -> Option<Invocation> {
    let text = code.template.as_deref().unwrap_or(&code.text);
    if code.expands && code.template.is_none() {
        return Some(doubt(context, tool, program, code.index, format!("runs `{}` as code", shown(&code.text))));
    }
    may_install(text).then(|| doubt(context, tool, program, code.index, REASON.to_owned()))
}

/// The line of a program's file that starts an install in so many words: `os.system("pip install x")`,
/// `subprocess.run(["npm", "ci"])`, `pip.main(…)`. A whole file is not suspected of more: nearly every build script
/// starts programs and names URLs.
pub(super) fn starts_an_install(context: &Context<'_>, text: &str) -> Option<u32> {
    const CALLS: &[&str] = &[
        "system(",
        "popen(",
        "Popen(",
        "run(",
        "call(",
        "check_call(",
        "check_output(",
        "getoutput(",
        "exec(",
        "execSync(",
        "spawn(",
        "spawnSync(",
        "execa(",
        "execaCommand(",
        "shell(",
        "sh(",
        "$`",
        "system ",
        "exec ",
        "qx(",
    ];
    const LISTS: &[&str] = &[
        "-m,pip,install",
        "pip,install",
        "pip3,install",
        "npm,install",
        "npm,[install",
        "npm,ci",
        "npm,[ci",
        "npm,i,",
        "npm,[i,",
        "yarn,add",
        "yarn,[add",
        "yarn,[install",
        "pnpm,add",
        "pnpm,[add",
        "pnpm,install",
        "pnpm,[install",
        "uv,sync",
        "uv,add",
        "cargo,install",
        "poetry,install",
        "poetry,add",
        "npx,",
        "pipx,install",
        "bun,add",
    ];
    const INSIDE: &[&str] = &["pip.main(", "pip._internal", "import_module(pip", "run_module(pip", "__import__(pip"];
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if bare.starts_with('#') || bare.starts_with("//") || bare.starts_with('*') || line.len() > 4096 {
            continue;
        }
        let starts = CALLS.iter().any(|c| line.contains(c));
        let joined: String = line.chars().filter(|c| !matches!(c, ' ' | '"' | '\'' | '\t')).collect();
        let listed = (starts
            || joined.starts_with('[')
            || joined.contains("=[")
            || joined.contains("([")
            || joined.contains("execFile"))
            && LISTS.iter().any(|l| joined.contains(l));
        let hidden = (line.contains("exec(") || line.contains("eval("))
            && ["b64decode(", "atob(", "urlopen(", "fromhex("].iter().any(|h| line.contains(h));
        let inside = INSIDE.iter().any(|i| joined.contains(i));
        let spoken = || {
            names_a_tool(line)
                && CALLS.iter().any(|call| {
                    line.match_indices(call).take(8).any(|(at, _)| {
                        let after = line.get(at + call.len()..).unwrap_or_default();
                        let before = if call.ends_with('`') { "`" } else { "" };
                        literal(before, after).is_some_and(|text| super::script::may_install(context, &text))
                    })
                })
        };
        if listed || hidden || inside || (starts && spoken()) {
            return u32::try_from(at + 1).ok();
        }
    }
    None
}

/// The text of the string that comes first, with what a program puts into it as a shell's variable.
fn literal(before: &str, after: &str) -> Option<String> {
    let quoted = format!("{before}{after}");
    let start = quoted.find(['"', '\'', '`']).filter(|at| quoted.get(..*at).is_some_and(|b| b.trim().len() <= 2))?;
    let quote = quoted.get(start..)?.chars().next()?;
    let body = quoted.get(start + 1..)?;
    let end = body.find(quote).unwrap_or(body.len());
    let mut out = String::new();
    let mut rest = body.get(..end)?;
    while let Some(at) = rest.find(['{', '%']) {
        out.push_str(rest.get(..at)?.trim_end_matches('$'));
        out.push_str("${_}");
        let skip = rest.get(at..)?.find(['}', 's', 'd']).map_or(rest.len(), |n| at + n + 1);
        rest = rest.get(skip..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// An interpreter that reads its program.
pub(super) fn read_from_input(context: &Context<'_>, tool: Tool, program: &str, words: &[Word]) -> Option<Invocation> {
    let index = words.first().map_or(0, |w| w.index);
    match &context.input {
        Stream::Text(text) => may_install(text).then(|| doubt(context, tool, program, index, REASON.to_owned())),
        Stream::Unknown(who) => {
            Some(doubt(context, tool, program, index, format!("runs what comes from `{}`", shown(who))))
        }
        Stream::Inherited | Stream::File => None,
    }
}

/// A program's file that an earlier command of the same text writes.
pub(super) fn in_written_file(context: &Context<'_>, tool: Tool, program: &str, file: &Word) -> Option<Invocation> {
    // What a program prints that prints no names: it may be any file.
    if file.text.starts_with("<(") || (file.expands && file.template.is_none()) {
        return Some(doubt(context, tool, program, file.index, format!("runs `{}`", shown(&file.text))));
    }
    let directory = Directory::Known(context.directory.clone().unwrap_or_default());
    let Some(written) = context.written.get(&place(&directory, &file.text)) else {
        return on_disk(context, tool, file);
    };
    match written {
        Content::Text(text) => may_install(text).then(|| doubt(context, tool, program, file.index, REASON.to_owned())),
        Content::Made if program_of_a_tool(&file.text) => None,
        Content::Made => {
            let reason = format!("runs `{}`, which an earlier command writes", shown(&file.text));
            Some(doubt(context, tool, program, file.index, reason))
        }
        Content::Changed | Content::Directory | Content::Replaced => on_disk(context, tool, file),
    }
}

/// `get-pip.py` is judged as what it installs.
fn program_of_a_tool(path: &str) -> bool {
    path.rsplit('/').next() == Some("get-pip.py")
}

/// The same for a file of the disk.
fn on_disk(context: &Context<'_>, tool: Tool, file: &Word) -> Option<Invocation> {
    if program_of_a_tool(&file.text) {
        return None;
    }
    let mut found = Vec::new();
    super::follow::program::file(context, file, &[], super::follow::program::By::Other, &mut found);
    let mut found = found.pop()?;
    found.tool = tool;
    Some(found)
}
