//! `tox` and `nox`: what their environments install.
//!
//! tox says so in data (tox.ini, setup.cfg, pyproject.toml): `deps` are requirements of pip, `commands` are command
//! lines. nox says so in Python, which is not run here: each install in it is known to be there, and not what it brings.

use std::path::Path;
use std::sync::Arc;

use super::{Origin, doubt, text, tool_file, words};
use crate::invocation::Invocation;
use crate::invocation::engine::{Word, shown};
use crate::invocation::reading::Context;

/// A setting of a section, with its lines.
#[derive(Debug, Default, Clone)]
struct Setting {
    section: String,
    key: String,
    lines: Vec<(u32, String)>,
}

/// The words after an option, `-e a,b` and `-e=a` alike.
fn chosen(rest: &[Word], options: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for (at, word) in rest.iter().enumerate().take_while(|(_, w)| w.text != "--") {
        let next = rest.get(at + 1).map(|w| w.text.as_str());
        let attached = options.iter().find_map(|o| word.text.strip_prefix(o)).filter(|v| !v.is_empty());
        let value = match attached {
            _ if options.contains(&word.text.as_str()) => next,
            Some(value) if word.text.starts_with("--") => value.strip_prefix('='),
            Some(value) => Some(value.trim_start_matches('=')),
            None => None,
        };
        out.extend(value.into_iter().flat_map(|v| v.split(',')).map(|v| v.trim().to_owned()));
    }
    out
}

/// `tox`, `tox run -e lint -- -x`.
pub(super) fn tox(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    let verb = rest.iter().find(|w| !w.text.starts_with('-')).map(|w| w.text.as_str());
    let quiet = ["list", "l", "config", "c", "quickstart", "q", "schema", "man", "legacy-list"];
    let before = rest.iter().take_while(|w| w.text != "--");
    let helps = before.clone().any(|w| {
        matches!(
            w.text.as_str(),
            "-h" | "--help" | "--version" | "-l" | "-a" | "--listenvs" | "--listenvs-all" | "--showconfig"
        )
    });
    if context.lost || helps || verb.is_some_and(|v| quiet.contains(&v)) {
        return;
    }
    let own = chosen(rest, &["-c", "--conf"]);
    let names: Vec<&str> = match own.first() {
        Some(name) => vec![name.as_str()],
        None => vec!["tox.ini", "setup.cfg"],
    };
    let Some((path, found)) = tool_file(context, &names) else {
        // Its settings may stand as TOML; what they bring in is not read here.
        if let Some((path, Ok(text))) = tool_file(context, &["tox.toml", "pyproject.toml"])
            && (path.ends_with("tox.toml") || text.contains("[tool.tox"))
        {
            let reason = "what tox installs by this file is not read".to_owned();
            doubt(context, "tox", &Origin::file(path.to_path_buf()), reason, out);
        }
        return;
    };
    let source = match found {
        Ok(source) => source,
        Err(why) => {
            let reason = format!("what tox installs is not known: {why}");
            return doubt(context, "tox", &Origin::file(path.to_path_buf()), reason, out);
        }
    };
    let settings = settings(&source);
    let ini = Ini { settings: &settings, path: &path, context };
    let mut environments = chosen(rest, &["-e"]);
    if environments.is_empty() {
        environments = ini.listed();
    }
    let arguments: Vec<String> = rest.iter().skip_while(|w| w.text != "--").skip(1).map(|w| w.text.clone()).collect();
    for environment in environments.iter().take(32) {
        ini.environment(environment, &arguments, out);
    }
}

/// The settings of an ini file; continued lines are indented.
fn settings(source: &str) -> Vec<Setting> {
    let mut out: Vec<Setting> = Vec::new();
    let mut section = String::new();
    for (at, line) in source.lines().enumerate().take(20_000) {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(last) = out.last_mut().filter(|s| s.section == section) {
                last.lines.push((number, bare.split(" #").next().unwrap_or_default().trim().to_owned()));
            }
        } else if let Some(name) = bare.strip_prefix('[').and_then(|b| b.split(']').next()) {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = bare.split_once('=') {
            let mut setting = Setting { section: section.clone(), key: key.trim().to_owned(), lines: Vec::new() };
            if !value.trim().is_empty() {
                setting.lines.push((number, value.trim().to_owned()));
            }
            out.push(setting);
        }
    }
    out
}

struct Ini<'a> {
    settings: &'a [Setting],
    path: &'a Arc<Path>,
    context: &'a Context<'a>,
}

impl Ini<'_> {
    fn get(&self, section: &str, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|s| s.section == section && s.key == key)
    }

    /// The environments that run when none is named.
    fn listed(&self) -> Vec<String> {
        let found =
            ["env_list", "envlist"].iter().find_map(|key| self.get("tox", key).or_else(|| self.get("tox:tox", key)));
        let lines = found.map(|s| s.lines.as_slice()).unwrap_or_default();
        let text: Vec<&str> = lines.iter().map(|(_, l)| l.as_str()).collect();
        let mut all: Vec<String> = Vec::new();
        for name in split_outside_braces(&text.join(",")) {
            all.extend(alternatives(name.trim(), 0));
        }
        all.retain(|n| !n.is_empty());
        if all.is_empty() { vec!["py".to_owned()] } else { all }
    }

    /// A setting of an environment: its own section's, else the common one's.
    fn of(&self, environment: &str, keys: &[&str]) -> Option<&Setting> {
        let own = format!("testenv:{environment}");
        keys.iter().find_map(|key| self.get(&own, key)).or_else(|| keys.iter().find_map(|key| self.get("testenv", key)))
    }

    fn environment(&self, name: &str, arguments: &[String], out: &mut Vec<Invocation>) {
        let wrapper = format!("tox {}", shown(name));
        let mut deps = Vec::new();
        if let Some(setting) = self.of(name, &["deps"]) {
            for (line, value) in &setting.lines {
                self.resolved(value, name, *line, 0, &mut deps);
            }
        }
        for (line, requirement) in deps {
            let origin = Origin::from(self.path, line).at(1);
            if requirement.contains(['{', '}']) {
                let reason = format!("what `{}` of tox stands for is not known", shown(&requirement));
                doubt(self.context, "tox", &origin, reason, out);
                continue;
            }
            let mut all = ["pip", "install"].map(|w| Word::new(w, 0)).to_vec();
            match requirement.strip_prefix("-r").or_else(|| requirement.strip_prefix("-c")) {
                Some(file) => {
                    all.push(Word::new(requirement.get(..2).unwrap_or("-r"), 0));
                    all.push(Word::new(file.trim().trim_start_matches("./"), 0));
                }
                None => match requirement.strip_prefix("-e") {
                    Some(path) => all.extend([Word::new("-e", 0), Word::new(path.trim(), 0)]),
                    None => all.push(Word::new(&requirement, 0)),
                },
            }
            words(self.context, &wrapper, &all, &origin, out);
        }
        if let Some(line) = self.installs_project(name) {
            let all: Vec<Word> = ["pip", "install", "."].iter().map(|w| Word::new(w, 0)).collect();
            words(self.context, &wrapper, &all, &Origin::from(self.path, line).at(1), out);
        }
        for key in ["commands_pre", "commands", "commands_post"] {
            let Some(setting) = self.of(name, &[key]) else { continue };
            let mut whole = String::new();
            let mut start = 0;
            for (line, value) in &setting.lines {
                let Some(value) = applies(value, name) else { continue };
                if whole.is_empty() {
                    start = *line;
                }
                whole.push_str(value.strip_suffix('\\').unwrap_or(value));
                if value.ends_with('\\') {
                    continue;
                }
                let body = self.substituted(&std::mem::take(&mut whole), name, arguments);
                let body = body.trim_start_matches(['-', '!', ' ']);
                text(self.context, &wrapper, body, Some(Vec::new()), Origin::from(self.path, start).at(1), out);
            }
        }
    }

    /// The line by which tox installs the project itself, with what it depends on.
    fn installs_project(&self, name: &str) -> Option<u32> {
        let on = |setting: Option<&Setting>| {
            setting.and_then(|s| s.lines.first()).is_some_and(|(_, v)| v.eq_ignore_ascii_case("true"))
        };
        let skips = on(self.of(name, &["skip_install"]))
            || on(self.get("tox", "skipsdist"))
            || on(self.get("tox", "no_package"))
            || self.of(name, &["package"]).is_some_and(|s| s.lines.iter().any(|(_, v)| v == "skip"));
        (!skips).then_some(1)
    }

    /// A line of `deps` with its conditions and references to other sections followed.
    fn resolved(&self, value: &str, environment: &str, line: u32, depth: usize, out: &mut Vec<(u32, String)>) {
        let Some(value) = applies(value, environment) else { return };
        if let Some((section, key)) = reference(value)
            && depth < 8
        {
            match self.get(section, key) {
                Some(setting) => {
                    for (line, value) in &setting.lines {
                        self.resolved(value, environment, *line, depth + 1, out);
                    }
                }
                None => out.push((line, value.to_owned())),
            }
            return;
        }
        let text = self.substituted(value, environment, &[]);
        if out.len() < 256 && !text.trim().is_empty() {
            out.push((line, text.trim().to_owned()));
        }
    }

    /// What is static in `{…}`.
    fn substituted(&self, value: &str, environment: &str, arguments: &[String]) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some(at) = rest.find('{') {
            out.push_str(rest.get(..at).unwrap_or_default());
            let after = rest.get(at + 1..).unwrap_or_default();
            let Some(end) = after.find('}') else {
                out.push('{');
                rest = after;
                continue;
            };
            let inner = after.get(..end).unwrap_or_default();
            let (name, more) = inner.split_once(':').unwrap_or((inner, ""));
            match name {
                "toxinidir" | "tox_root" => out.push('.'),
                "envname" | "env_name" => out.push_str(environment),
                "envdir" | "env_dir" | "toxworkdir" | "work_dir" | "envtmpdir" | "env_tmp_dir" | "envbindir" => {
                    out.push_str(".tox");
                }
                "envpython" | "env_python" => out.push_str("python"),
                "distdir" | "distshare" | "envsitepackagesdir" | "homedir" | "/" => out.push_str("dist"),
                "posargs" if arguments.is_empty() => out.push_str(more),
                "posargs" => out.push_str(&crate::model::shell_line(arguments)),
                "env" => {
                    let (variable, default) = more.split_once(':').unwrap_or((more, ""));
                    let known = self.context.environment.variable(variable).map(str::to_owned);
                    out.push_str(&known.unwrap_or_else(|| default.to_owned()));
                }
                _ => match reference(&format!("{{{inner}}}")).and_then(|(s, k)| self.get(s, k)) {
                    Some(setting) => {
                        let lines: Vec<&str> = setting.lines.iter().map(|(_, l)| l.as_str()).collect();
                        out.push_str(&lines.join(" "));
                    }
                    None => {
                        out.push('{');
                        out.push_str(inner);
                        out.push('}');
                    }
                },
            }
            rest = after.get(end + 1..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }
}

/// `{[section]key}`.
fn reference(value: &str) -> Option<(&str, &str)> {
    value.trim().strip_prefix("{[")?.strip_suffix('}')?.split_once(']').filter(|(_, key)| !key.contains('{'))
}

/// `py39,lint: requirement` holds for environments with one of these factors.
fn applies<'v>(value: &'v str, environment: &str) -> Option<&'v str> {
    let Some((condition, rest)) = value.split_once(':') else { return Some(value) };
    let factor = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '-' | '_' | '!' | ' ' | '.' | '{' | '}');
    if !condition.chars().all(factor)
        || condition.contains(' ') && !condition.contains(',')
        || rest.starts_with(['/', ':'])
    {
        return Some(value);
    }
    let factors: Vec<&str> = environment.split('-').collect();
    let holds = condition.split(',').flat_map(|c| alternatives(c.trim(), 0)).any(|all| {
        all.split('-').all(|f| match f.strip_prefix('!') {
            Some(not) => !factors.contains(&not),
            None => factors.contains(&f),
        })
    });
    holds.then_some(rest.trim())
}

fn split_outside_braces(text: &str) -> Vec<String> {
    let (mut out, mut word, mut depth) = (Vec::new(), String::new(), 0_usize);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' | '\n' if depth == 0 => {
                out.push(std::mem::take(&mut word));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    out.push(word);
    out
}

/// `py3{10,11}-{a,b}` as the names that it stands for.
fn alternatives(name: &str, depth: usize) -> Vec<String> {
    let open = name.find('{');
    let parts = open.and_then(|open| {
        let close = name.get(open..)?.find('}')? + open;
        Some((name.get(..open)?, name.get(open + 1..close)?, name.get(close + 1..)?))
    });
    let (Some((before, inner, after)), true) = (parts, depth < 6) else { return vec![name.to_owned()] };
    let mut out = Vec::new();
    for choice in inner.split(',').take(16) {
        out.extend(alternatives(&format!("{before}{}{after}", choice.trim()), depth + 1));
        out.truncate(64);
    }
    out
}

/// `nox`, `nox -s lint`.
pub(super) fn nox(context: &Context<'_>, rest: &[Word], out: &mut Vec<Invocation>) {
    let quiet = |w: &Word| matches!(w.text.as_str(), "-l" | "--list" | "-h" | "--help" | "--version" | "--json");
    if context.lost || rest.iter().any(quiet) {
        return;
    }
    let own = chosen(rest, &["-f", "--noxfile"]);
    let name = own.first().map_or("noxfile.py", String::as_str);
    let Some((path, found)) = tool_file(context, &[name]) else { return };
    let source = match found {
        Ok(source) => source,
        Err(why) => {
            let reason = format!("what nox installs is not known: {why}");
            return doubt(context, "nox", &Origin::file(path.to_path_buf()), reason, out);
        }
    };
    let mut wanted = chosen(rest, &["-s", "--session", "--sessions", "-e"]);
    let more = rest.iter().skip_while(|w| !matches!(w.text.as_str(), "-s" | "--session" | "--sessions" | "-e"));
    wanted.extend(more.skip(1).take_while(|w| !w.text.starts_with('-')).map(|w| w.text.clone()));
    let mut function = String::new();
    let mut decorated = String::new();
    for (at, line) in source.lines().enumerate().take(20_000) {
        let bare = line.trim();
        if line.starts_with('@') {
            bare.clone_into(&mut decorated);
        } else if let Some(name) = line.strip_prefix("def ") {
            function = name.split('(').next().unwrap_or_default().trim().to_owned();
            function.push(' ');
            function.push_str(&std::mem::take(&mut decorated));
        } else if !line.starts_with([' ', '\t', ')', ']', '#']) && !bare.is_empty() {
            function.clear();
        }
        // A helper without a decorator may be called by any session.
        let session = function.contains("session");
        let named = |w: &String| {
            let w = w.split(['(', '-']).next().unwrap_or(w);
            function.split_whitespace().next() == Some(w) || function.contains(&format!("\"{w}\"")) || w.contains('.')
        };
        if session && !wanted.is_empty() && !wanted.iter().any(named) {
            continue;
        }
        let installs = [".install(", ".run_install(", ".run_always(", ".conda_install(", ".poetry."]
            .iter()
            .any(|c| bare.contains(c));
        let joined: String = bare.chars().filter(|c| !matches!(c, ' ' | '"' | '\'')).collect();
        let runs = [
            ".run(pip,",
            ".run(uv,",
            ".run(npm,",
            ".run(poetry,",
            ".run(python,-m,pip",
            ".run(pdm,",
            ".run(cargo,install",
        ]
        .iter()
        .any(|c| joined.contains(c));
        if (installs || runs) && !bare.starts_with('#') {
            let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let reason = "what this session of nox installs is known only to its code".to_owned();
            doubt(context, "nox", &Origin::from(&path, line).at(1), reason, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_environments_are_written_out() {
        assert_eq!(alternatives("py3{10,11}-x", 0), ["py310-x", "py311-x"]);
        assert_eq!(alternatives("lint", 0), ["lint"]);
        assert_eq!(applies("py310,lint: x", "lint"), Some("x"));
        assert_eq!(applies("py310: x", "lint"), None);
        assert_eq!(applies("git+https://h/x", "lint"), Some("git+https://h/x"));
        assert_eq!(applies("!lint: x", "py"), Some("x"));
    }
}
