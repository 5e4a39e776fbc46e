//! `python -m MODULE …` and `py -3 -m MODULE …`: the package tools that are run through an interpreter.
//!
//! In: the words after the interpreter. Out: the tool's own reading, or an opaque invocation where code is given
//! that names a package tool. Anything else that an interpreter runs is no package command.

use super::FlagEffect::{self, Neutral};
use super::code::{self, names_a_tool};
use super::engine::{Act, Opt, Style, Word, flag, opaque, scan, value};
use super::reading::{Context, Understood, is_python, program_name, unknown};
use super::{Effect, Invocation, Request, RequestKind, Tool};
use super::{pdm, pip, pipenv, pipx, poetry, uv};
use crate::model::Location;

const OPTIONS: &[Opt] = &[
    flag("-h -?, --help, --help-all, --help-env, --help-xoptions, -V --version", Neutral).act(Act::Help),
    flag("-b, -B, -d, -E, -i, -I, -O, -P, -q, -R, -s, -S, -t, -u, -v, -x, -3, -2, -0", Neutral),
    value("-c, -m, -W, -X, --check-hash-based-pycs", Neutral),
];

/// The launcher's own options, before those of the interpreter: `-3`, `-3.11-64`, `-V:TAG`, `--list`.
fn is_launcher_option(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('-') else { return false };
    rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with("V:") || rest.starts_with("-list")
}

/// `python …`, or `py …` when `launcher`.
pub(super) fn read(context: &Context<'_>, program: &str, words: &[Word], launcher: bool) -> Understood {
    let mut words = words;
    if launcher {
        while let Some((_, rest)) = words.split_first().filter(|(first, _)| is_launcher_option(&first.text)) {
            words = rest;
        }
    }
    // `-m` and `-c` end the interpreter's options wherever they stand in a cluster: `-Im pip`.
    let (ends, at) = ending(words);
    let found = scan(words.get(..at).unwrap_or_default(), &[OPTIONS], Style::CLAP);
    let rest = words.get(at..).unwrap_or_default();
    let mut understood = match ends {
        _ if found.help => other(context, program).into(),
        Ends::Module(name) => module(context, program, &name, rest),
        Ends::Code(given) => {
            code::given(context, Tool::Pip, program, &given).unwrap_or_else(|| other(context, program)).into()
        }
        Ends::Nothing => {
            code::read_from_input(context, Tool::Pip, program, words).unwrap_or_else(|| other(context, program)).into()
        }
        Ends::Script(script) if matches!(script.text.as_str(), "-" | "/dev/stdin") => {
            code::read_from_input(context, Tool::Pip, program, words).unwrap_or_else(|| other(context, program)).into()
        }
        Ends::Script(script) if script.expands && names_a_tool(&script.text) => {
            let why = opaque(script.index, format!("runs `{}`", super::engine::shown(&script.text)));
            unknown(context, Tool::Pip, program, why).into()
        }
        Ends::Script(script) => match code::in_written_file(context, Tool::Pip, program, &script) {
            Some(invocation) => invocation.into(),
            None => run_script(context, program, &script, rest),
        },
        Ends::Unknown(word) => {
            let mut invocation = other(context, program);
            // Only worth a question where a package tool's name follows.
            if rest.iter().any(|w| names_a_tool(&w.text)) {
                let why = format!("unknown interpreter option `{}`", super::engine::shown(&word.text));
                invocation = unknown(context, Tool::Pip, program, opaque(word.index, why));
            }
            invocation.into()
        }
    };
    if understood.invocation.tool != Tool::Other {
        program.clone_into(&mut understood.invocation.program);
    }
    understood
}

/// What the interpreter's options end with.
enum Ends {
    Module(String),
    Code(Word),
    Script(Word),
    Unknown(Word),
    Nothing,
}

/// What ends the options, and the index of the first word after it.
fn ending(words: &[Word]) -> (Ends, usize) {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if word.text.len() < 2 || !word.text.starts_with('-') {
            return (Ends::Script(word.clone()), at);
        }
        if word.text == "--" {
            let script = words.get(at).cloned();
            return script.map_or((Ends::Nothing, at), |s| (Ends::Script(s), at + 1));
        }
        if word.text.starts_with("--") {
            match word.text.as_str() {
                "--check-hash-based-pycs" => at += 1,
                "--help" | "--help-all" | "--help-env" | "--help-xoptions" | "--version" => {}
                _ => return (Ends::Unknown(word.clone()), at),
            }
            continue;
        }
        for (i, letter) in word.text.char_indices().skip(1) {
            let attached = word.text.get(i + letter.len_utf8()..).unwrap_or_default();
            match letter {
                'm' | 'c' => {
                    let value = if attached.is_empty() {
                        at += 1;
                        words.get(at - 1).cloned()
                    } else {
                        Some(Word::new(attached, word.index))
                    };
                    let Some(value) = value else { return (Ends::Nothing, at) };
                    return (if letter == 'm' { Ends::Module(value.text) } else { Ends::Code(value) }, at);
                }
                'W' | 'X' => {
                    at += usize::from(attached.is_empty());
                    break;
                }
                'b' | 'B' | 'd' | 'E' | 'h' | '?' | 'i' | 'I' | 'O' | 'P' | 'q' | 'R' | 's' | 'S' | 't' | 'u' | 'v'
                | 'V' | 'x' | '3' => {}
                _ => return (Ends::Unknown(word.clone()), at),
            }
        }
    }
    (Ends::Nothing, at)
}

/// See [`super::python_reads_code`].
pub(super) fn reads_code(words: &[String]) -> bool {
    match ending(&Word::all(words)).0 {
        Ends::Code(_) | Ends::Nothing => true,
        Ends::Script(script) => matches!(script.text.as_str(), "-" | "/dev/stdin"),
        Ends::Module(_) | Ends::Unknown(_) => false,
    }
}

fn other(context: &Context<'_>, program: &str) -> Invocation {
    context.invocation(Tool::Other, program)
}

/// `-m NAME …`.
fn module(context: &Context<'_>, program: &str, name: &str, rest: &[Word]) -> Understood {
    // `pip.__main__`, `pip.__pip-runner__`, `pip._internal.cli.main`: the tool by one of its own modules.
    let inner = name.split_once('.').filter(|(_, inner)| inner.starts_with('_'));
    match inner.map_or(name, |(package, _)| package) {
        "pip" => pip::read(context, program, rest),
        "uv" => uv::uv(context, program, rest),
        "pipx" => pipx::read(context, program, rest),
        "poetry" | "poetry.console.application" => poetry::read(context, program, rest),
        "pdm" => pdm::read(context, program, rest),
        "pipenv" => pipenv::read(context, program, rest),
        "piptools" => match rest.split_first() {
            Some((verb, rest)) if verb.text == "sync" => pip::sync(context, program, rest),
            Some((verb, rest)) if verb.text == "compile" => pip::compile(context, program, rest),
            _ => other(context, program).into(),
        },
        "venv" => venv(context, program, rest),
        "virtualenv" => virtualenv(context, program, rest),
        "build" => build(context, program, rest),
        "pip_audit" => fixes(context, program, rest).unwrap_or_else(|| other(context, program)).into(),
        "easy_install" => {
            unknown(context, Tool::Pip, program, opaque(0, "what easy_install brings in is not read")).into()
        }
        package => through(context, program, package, rest),
    }
}

/// `pip-audit --fix` installs what it finds to be fixed.
pub(super) fn fixes(context: &Context<'_>, program: &str, rest: &[Word]) -> Option<Invocation> {
    let word = rest.iter().find(|w| w.text.len() >= "--fi".len() && "--fix".starts_with(&w.text))?;
    let why = opaque(word.index, "`--fix` installs whatever release pip-audit takes for fixed");
    Some(unknown(context, Tool::Pip, program, why))
}

/// Modules that run another one: `-m cProfile -m pip install x`, `-m runpy pip …`, `-m coverage run -m pip …`.
const RUNNERS: &[&str] =
    &["runpy", "cProfile", "profile", "pdb", "trace", "tracemalloc", "coverage", "debugpy", "viztracer", "scalene"];

fn through(context: &Context<'_>, program: &str, name: &str, rest: &[Word]) -> Understood {
    if RUNNERS.contains(&name)
        && let Some(word) = rest.iter().find(|w| names_a_tool(&w.text))
    {
        let why = opaque(word.index, format!("`-m {name}` runs a package tool"));
        return unknown(context, Tool::Pip, program, why).into();
    }
    other(context, program).into()
}

/// What a new environment is given: before Python 3.12, more than pip.
pub(super) const SEEDS: [&str; 3] =
    ["pip", "setuptools; python_version < \"3.12\"", "wheel; python_version < \"3.12\""];

/// `-m venv`: an environment's own pip comes from the interpreter, unless a newer one is asked for. The beginning of an
/// option's name is the option.
fn venv(context: &Context<'_>, program: &str, rest: &[Word]) -> Understood {
    let upgrades = |w: &&Word| w.text.len() > "--upgrade".len() && "--upgrade-deps".starts_with(&w.text);
    match rest.iter().find(upgrades) {
        Some(word) => of_pip(context, program, "--ignore-installed", SEEDS.split_at(2).0, word, &[]),
        None => other(context, program).into(),
    }
}

/// `virtualenv`: the same with an option, or a variable, of its own.
pub(super) fn virtualenv(context: &Context<'_>, program: &str, rest: &[Word]) -> Understood {
    let downloads = |w: &&Word| w.text.len() >= "--do".len() && "--download".starts_with(&w.text);
    let on = |value: &str| !matches!(value, "" | "0" | "false" | "no" | "off");
    let told = || context.variables().any(|v| v.name == "VIRTUALENV_DOWNLOAD" && on(v.value));
    match rest.iter().find(downloads).or_else(|| rest.first().filter(|_| told())) {
        Some(word) => of_pip(context, program, "--ignore-installed", &SEEDS, word, &[]),
        None => other(context, program).into(),
    }
}

/// A command that installs `seeds`, whatever is installed already (`anew`), and takes `rest` as pip takes the words of
/// `pip install`.
fn of_pip(context: &Context<'_>, program: &str, anew: &str, seeds: &[&str], at: &Word, rest: &[Word]) -> Understood {
    let mut words = vec![Word::new("install", at.index), Word::new(anew, at.index)];
    words.extend(rest.iter().cloned());
    let mut understood = pip::read(context, program, &words);
    if understood.invocation.effect == Effect::Requests {
        let request = |text: &&str| Request {
            text: (*text).to_owned(),
            kind: RequestKind::Requirement,
            location: Location::argv(at.index),
        };
        understood.invocation.requests.extend(seeds.iter().map(request));
    }
    understood
}

const BUILD: &[Opt] = &[
    flag("-h --help, --version -V", Neutral).act(Act::Help),
    flag("--no-isolation -n", FlagEffect::Selects),
    flag("--sdist -s, --wheel -w, --metadata, --verbose -v, --quiet -q, --skip-dependency-check -x", Neutral),
    value("--outdir -o, --config-setting -C, --config-json, --installer", Neutral),
];

/// `python -m build`, `pyproject-build`: what the project's build needs comes into an environment of its own, as for
/// `pip wheel`.
pub(super) fn build(context: &Context<'_>, program: &str, rest: &[Word]) -> Understood {
    let found = scan(rest, &[BUILD], Style::CLAP);
    if found.help || found.has("--no-isolation") {
        return other(context, program).into();
    }
    let at = rest.first().map_or(0, |w| w.index);
    let project = found.operands.first().cloned().unwrap_or_else(|| Word::new(".", at));
    let words = [Word::new("wheel", at), Word::new("--no-deps", at), project];
    let mut understood = pip::read(context, program, &words);
    understood.invocation.opaque.extend(found.opaque);
    understood
}

/// `python FILE …`: a package tool's own script, or `get-pip.py`, which is pip with a request for itself.
fn run_script(context: &Context<'_>, program: &str, script: &Word, rest: &[Word]) -> Understood {
    let name = program_name(&script.text);
    let folder = script.text.rsplit(['/', '\\']).nth(1).map(str::to_ascii_lowercase);
    let name = match (name.as_str(), folder.as_deref()) {
        ("__main__.py" | "__pip-runner__.py", Some(folder)) => folder.to_owned(),
        ("pip" | "pip.whl", _) => "pip".to_owned(),
        (other, _) if other.starts_with("pip-") && other.ends_with(".whl") => "pip".to_owned(),
        (other, _) => other.trim_end_matches(".py").trim_end_matches(".pyz").to_owned(),
    };
    if name == "get-pip" {
        return of_pip(context, program, "--force-reinstall", &SEEDS, script, rest);
    }
    let verb = rest.iter().find(|w| !w.text.starts_with('-'));
    if name == "setup"
        && let Some(verb) = verb.filter(|v| matches!(v.text.as_str(), "install" | "develop" | "easy_install" | "test"))
    {
        let why = opaque(verb.index, "what setup.py brings in is known only to its code");
        return unknown(context, Tool::Pip, program, why).into();
    }
    if is_python(&name) {
        return other(context, program).into();
    }
    if name.starts_with("pip") && name != "pipx" && name != "pipenv" {
        let version = name.trim_start_matches("pip");
        if version.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return pip::read(context, program, rest);
        }
    }
    module(context, program, &name, rest)
}
