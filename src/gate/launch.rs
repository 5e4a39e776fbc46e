//! Agent hosts that a command starts: its words in, how they leave this gate's hook out.

use std::path::Path;

use super::Host;
use super::settings;

/// How a host is started without what calls this gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// For people: a lower-case fragment.
    pub what: &'static str,
    /// Whether it does so wherever this gate is called from.
    pub certain: bool,
}

const PROGRAMS: &[(&str, Host)] = &[
    ("claude", Host::ClaudeCode),
    ("codex", Host::Codex),
    ("gemini", Host::Gemini),
    ("copilot", Host::Copilot),
    ("cursor-agent", Host::Cursor),
    ("opencode", Host::Opencode),
];

/// The same by the names of their packages, for programs that fetch what they run.
const PACKAGES: &[(&str, Host)] = &[
    ("@anthropic-ai/claude-code", Host::ClaudeCode),
    ("@openai/codex", Host::Codex),
    ("@google/gemini-cli", Host::Gemini),
    ("@github/copilot", Host::Copilot),
    ("opencode-ai", Host::Opencode),
];
const FETCHERS: &[&str] = &["npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "bun"];

/// Options that leave hooks out by themselves.
const BARE: &[(Host, &str)] =
    &[(Host::ClaudeCode, "--bare"), (Host::ClaudeCode, "--safe-mode"), (Host::Opencode, "--pure")];

/// Options whose value does, or may, and what the value is.
const VALUED: &[(Host, &str, Value)] = &[
    (Host::ClaudeCode, "--settings", Value::Document),
    (Host::ClaudeCode, "--setting-sources", Value::Sources),
    (Host::Codex, "--config", Value::Key),
    (Host::Codex, "-c", Value::Key),
    (Host::Codex, "--disable", Value::Feature),
];

#[derive(Debug, Clone, Copy)]
enum Value {
    /// A configuration, or the file of one.
    Document,
    /// Which of the configuration's files are read.
    Sources,
    /// `key=value` of a configuration.
    Key,
    /// A feature that is switched off.
    Feature,
}

const WITHOUT: &str = "starts an agent host without its hooks";
const OTHERWISE: &str = "starts an agent host with another configuration";

const fn certain(what: &'static str) -> Option<Launch> {
    Some(Launch { what, certain: true })
}

const fn perhaps(what: &'static str) -> Option<Launch> {
    Some(Launch { what, certain: false })
}

/// The host that these words start, and the words after its name.
fn host<'w>(words: &'w [&'w str]) -> Option<(Host, &'w [&'w str])> {
    let name = super::operation::program(words.first()?);
    let by_name = PROGRAMS.iter().find(|(n, _)| *n == name).map(|(_, host)| (*host, 0));
    let package = |word: &&str| {
        let versions = word.rfind('@').filter(|at| *at > 0);
        let bare = versions.and_then(|at| word.get(..at)).unwrap_or(word);
        PACKAGES.iter().find(|(package, _)| *package == bare).map(|(_, host)| *host)
    };
    let fetched = || words.iter().enumerate().find_map(|(at, word)| Some((package(word)?, at)));
    let (host, at) = by_name.or_else(|| FETCHERS.contains(&name.as_str()).then(fetched)?)?;
    Some((host, words.get(at + 1..).unwrap_or_default()))
}

/// Whether these words start a host.
pub fn starts_host(words: &[&str]) -> bool {
    host(words).is_some()
}

/// How a host is started without this gate, by words that begin with the variables set for it (`NAME=value`). `read`
/// has the text of a file.
pub fn without_hooks(words: &[&str], read: &dyn Fn(&Path) -> Option<String>) -> Option<Launch> {
    let set: Vec<(&str, &str)> = words.iter().map_while(|w| w.split_once('=')).collect();
    let (host, rest) = host(words.get(set.len()..)?)?;
    let by_variable = set.iter().find_map(|(name, value)| variable(name, value));
    let options: Vec<&str> = rest.iter().copied().take_while(|w| *w != "--").collect();
    let found = (0..options.len()).filter_map(|at| option(host, options.get(at..)?, read));
    by_variable.into_iter().chain(found).max_by_key(|launch| launch.certain)
}

/// What a variable does to a host that is started with it.
pub fn variable(name: &str, value: &str) -> Option<Launch> {
    match () {
        () if settings::HOOKLESS.contains(&name) => {
            let off = matches!(value.trim_matches(['"', '\'']), "" | "0" | "false" | "no" | "off");
            certain(WITHOUT).filter(|_| !off)
        }
        () if name == "HOME" || settings::ELSEWHERE.contains(&name) => perhaps(OTHERWISE),
        () => None,
    }
}

fn option(host: Host, words: &[&str], read: &dyn Fn(&Path) -> Option<String>) -> Option<Launch> {
    let (word, next) = (*words.first()?, words.get(1).copied());
    if BARE.iter().any(|(of, name)| *of == host && *name == word) {
        return certain(WITHOUT);
    }
    let (value, kind) = VALUED.iter().filter(|(of, _, _)| *of == host).find_map(|(_, name, kind)| {
        let rest = word.strip_prefix(name)?;
        let attached = if name.starts_with("--") { rest.strip_prefix('=') } else { Some(rest) };
        Some((if rest.is_empty() { next? } else { attached? }, *kind))
    })?;
    match kind {
        Value::Feature => certain(WITHOUT).filter(|_| matches!(value, "hooks" | "codex_hooks")),
        Value::Sources => perhaps(OTHERWISE).filter(|_| !value.split(',').any(|source| source.trim() == "user")),
        Value::Key => {
            let (key, text) = value.split_once('=')?;
            // What is no value of TOML is a text.
            let lost =
                [format!("{key} = {text}"), format!("{key} = {text:?}")].iter().find_map(|t| settings::loses("", t));
            lost.and_then(certain)
        }
        Value::Document if value.trim_start().starts_with('{') => settings::loses("", value).and_then(certain),
        Value::Document => match read(Path::new(value)) {
            Some(text) => settings::loses("", &text).and_then(certain),
            None => perhaps(OTHERWISE),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Launch, without_hooks};

    #[test]
    fn a_host_that_is_started_without_its_hooks_is_seen() {
        let read = |path: &std::path::Path| {
            let text = match path.to_str() {
                Some("off.json") => r#"{"disableAll\u0048ooks": true}"#,
                Some("mine.json") => r#"{"model": "opus"}"#,
                _ => return None,
            };
            Some(text.to_owned())
        };
        for (words, expected) in [
            ("claude --bare -p x", Some(true)),
            ("/usr/bin/claude --safe-mode", Some(true)),
            ("npx -y @anthropic-ai/claude-code@latest --bare", Some(true)),
            ("claude --setting-sources project,local", Some(false)),
            ("claude --setting-sources=user,project", None),
            ("claude --settings {\"disableAllHooks\":true}", Some(true)),
            ("claude --settings={\"env\":{\"CLAUDE_CODE_SHELL_PREFIX\":\"/bin/true\"}}", Some(true)),
            ("claude --settings off.json", Some(true)),
            ("claude --settings mine.json", None),
            ("claude --settings nowhere.json", Some(false)),
            ("CLAUDE_CODE_SIMPLE=1 claude -p x", Some(true)),
            ("CLAUDE_CODE_SIMPLE=0 claude -p x", None),
            ("CLAUDE_CONFIG_DIR=/tmp/x claude", Some(false)),
            ("CLAUDE_CODE_SIMPLE=1 ls", None),
            ("NODE_ENV=test claude -p --bare=x", None),
            ("claude mcp add x -- server --bare", None),
            ("claude -p --model opus --resume", None),
            ("codex -c features.hooks=false exec x", Some(true)),
            ("codex --config=features.codex_hooks=false", Some(true)),
            ("codex -cfeatures={hooks=false}", Some(true)),
            ("codex -c shell_environment_policy.set.PATH=/usr/bin", Some(true)),
            ("codex --disable hooks", Some(true)),
            ("codex --disable web_search", None),
            ("codex -c model=o3 exec x", None),
            ("opencode run --pure x", Some(true)),
            ("gemini -p x", None),
            ("git clone --bare claude", None),
            ("git --bare init", None),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let found = without_hooks(&words, &read);
            assert_eq!(found.map(|Launch { certain, .. }| certain), expected, "{words:?}");
        }
    }
}
