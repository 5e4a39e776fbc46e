//! pip's requirements files, read as pip reads them: lines, continuations, comments, variables, options, includes.
//!
//! In: a file's path, the command's [`Environment`] and the [`Files`] it may see. Out: [`RequirementsFile`]: every
//! requirement and every option of the file and of those it includes, in pip's order, each with its place; and a
//! diagnostic for every line that pip would refuse or that is not read here. [`argument`] reads one word of a
//! command line by the same rules.

mod lines;
mod options;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::direct::{self, Direct};
use super::requirement::{self, Marker, Requirement};
use crate::model::{Diagnostic, Digest, Ecosystem, Environment, FileError, Files, Location, PackageName, Source};

pub use lines::decode;
pub(super) use lines::without_comment;
use lines::{LogicalLines, expand};
use options::{Kind, ParsedOption, parse_options, split_options, split_words};

/// Largest file that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// Deepest chain of includes.
const MAX_DEPTH: usize = 32;
/// Most files that one command's requirements may name.
const MAX_FILES: usize = 512;
/// Most requirements and options in all.
const MAX_ENTRIES: usize = 100_000;
/// Longest logical line, in bytes (a requirement with hashes for every wheel is some 20 KiB).
const MAX_LINE: usize = 1 << 20;
/// Most diagnostics that are kept.
const MAX_DIAGNOSTICS: usize = 200;

/// A requirements file and everything it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequirementsFile {
    /// Requirements and constraints, in pip's order.
    pub entries: Vec<Entry>,
    /// Options that hold for the whole command.
    pub options: Vec<GlobalOption>,
    /// Named by `-r` or `-c`, and of another format: the caller reads them.
    pub includes: Vec<Include>,
    /// Every file read, in order, as it is shown.
    pub files: Vec<PathBuf>,
}

impl RequirementsFile {
    /// The last value of an option such as `--index-url`; pip lets the last one win.
    pub fn option(&self, name: &str) -> Option<&GlobalOption> {
        self.options.iter().rev().find(|o| o.name == name)
    }

    /// Whether hashes are demanded of every requirement: `--require-hashes`, or one requirement that has one.
    pub fn requires_hashes(&self) -> bool {
        self.option("--require-hashes").is_some() || self.entries.iter().any(|e| !e.constraint && e.hashed)
    }
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As written, without options and comment; variables stay as they are, and credentials in URLs are `****`.
    pub text: String,
    /// What it asks for.
    pub target: Target,
    /// `-e`.
    pub editable: bool,
    /// From a constraints file: it restricts, and asks for nothing.
    pub constraint: bool,
    /// `--hash`, in order.
    pub hashes: Vec<Digest>,
    /// Whether there was any `--hash`, readable or not.
    pub hashed: bool,
    /// Other options of this requirement: `--global-option`, `--config-settings`.
    pub options: Vec<(&'static str, String)>,
    /// The name of the one index it may come from (uv's and Poetry's sources, a Pipfile's `index`).
    pub index: Option<String>,
    /// Where it begins.
    pub location: Location,
}

/// What a requirement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A project from an index.
    Named(Requirement),
    /// Bytes that no index chooses: a URL, VCS link, directory or archive. `name @ URL` is one.
    Direct(Direct),
}

impl Entry {
    /// A requirement without options.
    pub fn new(text: &str, target: Target, location: Location) -> Self {
        Self {
            text: direct::redacted(text.trim()).into_owned(),
            target,
            editable: false,
            constraint: false,
            hashes: Vec::new(),
            hashed: false,
            options: Vec::new(),
            index: None,
            location,
        }
    }

    /// Reads a PEP 508 requirement; a path in its URL is relative to `base`. The error is a lower-case fragment.
    pub fn parse(text: &str, base: &Path, location: Location) -> Result<Self, String> {
        let requirement = requirement::parse(text)?;
        let target = match Direct::from_requirement(&requirement, base) {
            Some(direct) => Target::Direct(direct),
            None => Target::Named(requirement),
        };
        Ok(Self::new(text, target, location))
    }

    /// The project, when the text tells.
    pub fn name(&self) -> Option<&PackageName> {
        match &self.target {
            Target::Named(r) => Some(&r.name),
            Target::Direct(d) => d.name.as_ref(),
        }
    }

    /// Adds a condition to its marker.
    pub fn restrict(&mut self, condition: &Marker) {
        let slot = match &mut self.target {
            Target::Named(r) => &mut r.marker,
            Target::Direct(d) => &mut d.marker,
        };
        *slot = Some(match slot.take() {
            Some(marker) => marker.and(condition),
            None => condition.clone(),
        });
    }

    /// The marker, of either kind.
    pub fn marker(&self) -> Option<&Marker> {
        match &self.target {
            Target::Named(r) => r.marker.as_ref(),
            Target::Direct(d) => d.marker.as_ref(),
        }
    }
}

/// An option that holds for the whole command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalOption {
    /// The canonical long name: `--index-url`.
    pub name: &'static str,
    /// Its value, when it takes one: as the tool would use it, so a URL may hold credentials. A `--find-links` directory that stands beside the file is joined to it, as pip does.
    pub value: Option<String>,
    /// The value as it is written, when variables were replaced in it.
    pub written: Option<String>,
    /// Where.
    pub location: Location,
}

/// A file of another format that `-r` or `-c` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// As shown: relative paths joined to the file that names them. A URL as written.
    pub path: PathBuf,
    /// What it is.
    pub kind: IncludeKind,
    /// Named by `-c`.
    pub constraint: bool,
    /// Where it is named.
    pub location: Location,
}

/// What an included file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeKind {
    /// A requirements file.
    Requirements,
    /// `pylock.toml`, `pylock.NAME.toml` (PEP 751).
    Pylock,
    /// `pyproject.toml` (uv).
    Pyproject,
    /// `setup.cfg` (uv).
    SetupCfg,
    /// `setup.py` (uv): known only by running it.
    SetupPy,
    /// A script with inline metadata (uv).
    Script,
    /// Over http or https: not fetched.
    Remote,
}

impl IncludeKind {
    /// By the name, as pip (pylock) and uv (the others) choose.
    pub fn of(path: &str) -> Self {
        let scheme = path.split_once(':').map(|(s, _)| s.to_ascii_lowercase());
        if matches!(scheme.as_deref(), Some("http" | "https" | "ftp")) {
            return Self::Remote;
        }
        match path.rsplit(['/', '\\']).next().unwrap_or(path) {
            "pyproject.toml" => Self::Pyproject,
            "setup.cfg" => Self::SetupCfg,
            "setup.py" => Self::SetupPy,
            name if is_pylock(name) => Self::Pylock,
            name if name.ends_with(".py") => Self::Script,
            _ => Self::Requirements,
        }
    }
}

/// `pylock.toml` or `pylock.NAME.toml`, where NAME has no dot (PEP 751).
pub fn is_pylock(filename: &str) -> bool {
    let Some(middle) = filename.strip_prefix("pylock.").and_then(|r| r.strip_suffix("toml")) else { return false };
    middle.is_empty() || middle.strip_suffix('.').is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Reads a requirements file and what it includes. `constraint`: it was named by `-c`.
pub fn read(
    path: &Path,
    constraint: bool,
    environment: &Environment,
    files: &dyn Files,
) -> (RequirementsFile, Vec<Diagnostic>) {
    let mut reader = Reader::new(environment, files);
    reader.file(path, constraint, None);
    (reader.out, reader.diagnostics)
}

/// Reads requirements from text that is already at hand (stdin, a test). `path` is what locations show.
pub fn read_text(
    text: &str,
    path: &Path,
    constraint: bool,
    environment: &Environment,
    files: &dyn Files,
) -> (RequirementsFile, Vec<Diagnostic>) {
    let mut reader = Reader::new(environment, files);
    reader.out.files.push(path.to_owned());
    reader.text(text, path, constraint);
    (reader.out, reader.diagnostics)
}

/// A requirements file as a tool may read it that gets everything from one place: the same lines on the same line
/// numbers, without the options that say where packages come from, and with each included file's name replaced by what
/// `include` answers (it is asked with the written name, and whether it is a constraints file; `None` leaves it).
/// Lines that are not understood stay as they are.
pub fn closed(text: &str, environment: &Environment, include: &mut dyn FnMut(&str, bool) -> Option<String>) -> String {
    const PLACES: [&str; 5] = ["--index-url", "--extra-index-url", "--no-index", "--find-links", "--trusted-host"];
    let mut out = String::with_capacity(text.len());
    let mut at = 1;
    for line in LogicalLines::new(text) {
        while at < line.number {
            out.push('\n');
            at += 1;
        }
        let expanded = expand(&line.text, environment);
        let (args, options) = split_options(&expanded);
        let parsed =
            if args.is_empty() { split_words(options).and_then(|w| parse_options(&w)) } else { Ok(Vec::new()) };
        let parsed = parsed.unwrap_or_default();
        let included = parsed
            .iter()
            .find(|o| o.kind == Kind::Include)
            .or_else(|| parsed.iter().find(|o| o.kind == Kind::Constraint));
        let renamed = included.and_then(|o| Some((o, include(&o.value, o.kind == Kind::Constraint)?)));
        if let Some((option, name)) = renamed {
            out.push_str(&format!("{} {}", option.name, quoted(&name)));
        } else if parsed.iter().any(|o| PLACES.contains(&o.name)) && !parsed.iter().any(|o| o.kind == Kind::Editable) {
            let kept = parsed.iter().filter(|o| !PLACES.contains(&o.name));
            let words: Vec<String> =
                kept.map(|o| {
                    if o.kind == Kind::Flag { o.name.to_owned() } else { format!("{}={}", o.name, quoted(&o.value)) }
                })
                .collect();
            out.push_str(&words.join(" "));
        } else {
            out.push_str(&line.text);
        }
        out.push('\n');
        at += 1;
    }
    out
}

/// A word for a POSIX shell's quoting.
fn quoted(word: &str) -> String {
    if word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-=:,+@%".contains(&b)) && !word.is_empty() {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

/// Reads one word of a command line as `pip install WORD` would: a requirement, a path, an archive, a URL.
pub fn argument(
    text: &str,
    editable: bool,
    location: Location,
    environment: &Environment,
    files: &dyn Files,
) -> Result<Entry, Diagnostic> {
    let target =
        if editable { editable_target(text, environment, files) } else { line_target(text, environment, files) };
    let target = target.map_err(|message| Diagnostic::new(location.clone(), message))?;
    Ok(Entry { editable, ..Entry::new(text, target, location) })
}

/// What a requirement line asks for, by pip's order of questions: URL, directory, archive, PEP 508.
fn line_target(text: &str, environment: &Environment, files: &dyn Files) -> Result<Target, String> {
    if !direct::is_url(text) {
        // The common case first: a plain requirement is neither a path nor an archive.
        let parsed = requirement::parse(text.trim());
        let name_part = text.split(';').next().unwrap_or(text).trim();
        if !looks_like_path(name_part) && !direct::is_archive(strip_extras(name_part).0) {
            return parsed.map(|r| named(r, environment)).map_err(|e| format!("invalid requirement: {e}"));
        }
        if let Ok(parsed) = parsed
            && parsed.url.is_some()
        {
            return Ok(named(parsed, environment));
        }
    }
    let (body, marker) = split_marker(text, direct::is_url(text))?;
    let mut direct =
        if direct::is_url(body) { Direct::from_url(body, &environment.cwd) } else { local(body, environment, files)? };
    direct.marker = marker;
    Ok(Target::Direct(direct))
}

/// A line before its variables are replaced: the requirement, and the options.
fn written_line(line: &str) -> Result<(&str, Vec<ParsedOption>), String> {
    let (args, options) = split_options(line);
    Ok((args, parse_options(&split_words(options)?)?))
}

/// Takes the values of variables out of what would be shown or asked for: a place outside this machine is named as it
/// is `written`, and a project whose very name is a variable's value is refused, since an index would see it.
fn conceal(target: &mut Target, written: &str, read: Result<Target, String>) -> Result<(), String> {
    match (target, read) {
        (Target::Direct(direct), Ok(Target::Direct(plain))) => {
            let is_path = |d: &Direct| matches!(d.source, Source::Path { .. });
            if !is_path(direct) && !is_path(&plain) {
                direct.source = plain.source;
            }
            Ok(())
        }
        (Target::Direct(_), _) => Ok(()),
        (Target::Named(requirement), _) => {
            let end = written.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
            let name = PackageName::new(Ecosystem::PyPI, written.get(..end.unwrap_or(written.len())).unwrap_or(""));
            if name == requirement.name { Ok(()) } else { Err("a name with variables in it".to_owned()) }
        }
    }
}

/// A path: to a directory, or to an archive that may not exist yet.
fn local(body: &str, environment: &Environment, files: &dyn Files) -> Result<Direct, String> {
    let (body, fragment) = body.split_once('#').unwrap_or((body, ""));
    let (path, extras) = strip_extras(body);
    let absolute = environment.absolute(Path::new(path));
    // pip refuses a path that is neither there nor an archive; uv takes what begins like a path.
    if !files.is_dir(&absolute) && !direct::is_archive(path) && !path.starts_with(['.', '/']) {
        return Err("invalid requirement: it looks like a path, and there is no such directory".to_owned());
    }
    let mut direct = Direct::from_path(path, &environment.cwd);
    if let Some(extras) = extras {
        direct.extras = parse_extras(extras)?;
    }
    if !fragment.is_empty() {
        let named = Direct::from_url(&format!("file:#{fragment}"), &environment.cwd);
        direct.name = direct.name.or(named.name);
        direct.subdirectory = named.subdirectory;
        direct.digests = named.digests;
    }
    Ok(direct)
}

fn editable_target(text: &str, environment: &Environment, files: &dyn Files) -> Result<Target, String> {
    let text = text.trim();
    if let Ok(parsed) = requirement::parse(text)
        && parsed.url.is_some()
    {
        return Ok(named(parsed, environment));
    }
    let (body, marker) = split_marker(text, direct::is_url(text))?;
    // `git://…` is `git+git://…` for an editable.
    let vcs = ["git", "hg", "svn", "bzr"]
        .iter()
        .find(|v| body.split_once(':').is_some_and(|(s, _)| s.eq_ignore_ascii_case(v)));
    let prefixed = vcs.map(|vcs| format!("{vcs}+{body}"));
    let body = prefixed.as_deref().unwrap_or(body);
    let (path, extras) = strip_extras(body);
    let mut direct = if direct::vcs_of(body).is_some() {
        Direct::from_url(body, &environment.cwd)
    } else if path.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("file:")) {
        Direct::from_url(path, &environment.cwd)
    } else if direct::is_url(body) {
        return Err("an editable is a directory or a VCS link".to_owned());
    } else {
        local(
            if body.starts_with(['.', '/', '~']) { Cow::Borrowed(body) } else { Cow::Owned(format!("./{body}")) }
                .as_ref(),
            environment,
            files,
        )?
    };
    if direct.vcs.is_none()
        && direct.extras.is_empty()
        && let Some(extras) = extras
    {
        direct.extras = parse_extras(extras)?;
    }
    direct.marker = marker;
    Ok(Target::Direct(direct))
}

fn named(requirement: Requirement, environment: &Environment) -> Target {
    match Direct::from_requirement(&requirement, &environment.cwd) {
        Some(direct) => Target::Direct(direct),
        None => Target::Named(requirement),
    }
}

/// A URL may hold a `;`: there the marker needs a blank on either side.
fn split_marker(text: &str, url: bool) -> Result<(&str, Option<Marker>), String> {
    let at = if url { text.find("; ").or_else(|| text.find(" ;")) } else { text.find(';') };
    let Some(at) = at else { return Ok((text.trim(), None)) };
    let (body, marker) = (text[..at].trim(), text[at..].trim_start_matches([' ', ';']).trim());
    let marker = if marker.is_empty() { None } else { Some(Marker::parse(marker)?) };
    Ok((body, marker))
}

fn looks_like_path(name: &str) -> bool {
    name.contains('/') || name.starts_with('.') || (cfg!(windows) && name.contains('\\'))
}

/// `path[a,b]` → the path and `[a,b]`.
fn strip_extras(text: &str) -> (&str, Option<&str>) {
    match text.rfind('[') {
        Some(at) if at > 0 && text.ends_with(']') && text.len() > at + 2 => (&text[..at], Some(&text[at..])),
        _ => (text, None),
    }
}

fn parse_extras(bracketed: &str) -> Result<Vec<String>, String> {
    Ok(requirement::parse(&format!("x{}", bracketed.to_ascii_lowercase()))?.extras)
}

struct Reader<'a> {
    environment: &'a Environment,
    files: &'a dyn Files,
    out: RequirementsFile,
    diagnostics: Vec<Diagnostic>,
    /// The files being read, outermost first: absolute, as a cycle is found by.
    stack: Vec<PathBuf>,
    /// Files read already, and whether as constraints: a second reading would say nothing new.
    done: BTreeMap<(PathBuf, bool), ()>,
}

impl<'a> Reader<'a> {
    fn new(environment: &'a Environment, files: &'a dyn Files) -> Self {
        Self {
            environment,
            files,
            out: RequirementsFile::default(),
            diagnostics: Vec::new(),
            stack: Vec::new(),
            done: BTreeMap::new(),
        }
    }

    fn complain(&mut self, location: Location, message: impl Into<String>) {
        match self.diagnostics.len() {
            MAX_DIAGNOSTICS.. => {}
            n if n + 1 == MAX_DIAGNOSTICS => {
                self.diagnostics.push(Diagnostic::new(location, "too many problems; the rest is not listed"));
            }
            _ => self.diagnostics.push(Diagnostic::new(location, message)),
        }
    }

    fn file(&mut self, path: &Path, constraint: bool, named_at: Option<&Location>) {
        let at = || named_at.cloned().unwrap_or_else(|| Location::file(path));
        let absolute = self.environment.absolute(path);
        if self.stack.contains(&absolute) {
            return self.complain(at(), format!("{} includes itself", path.display()));
        }
        if self.done.insert((absolute.clone(), constraint), ()).is_some() {
            return;
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.complain(at(), format!("includes nested deeper than {MAX_DEPTH}"));
        }
        if self.done.len() > MAX_FILES {
            return self.complain(at(), format!("more than {MAX_FILES} files included"));
        }
        let bytes = match self.files.read(&absolute) {
            Ok(bytes) if bytes.len() > MAX_BYTES => Err(FileError::TooLarge { limit: MAX_BYTES as u64 }),
            other => other,
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return self.complain(at(), format!("could not read {}: {error}", path.display())),
        };
        let text = match decode(&bytes) {
            Ok(text) => text,
            Err(message) => return self.complain(Location::file(path), message),
        };
        self.stack.push(absolute);
        self.out.files.push(path.to_owned());
        self.text(&text, path, constraint);
        self.stack.pop();
    }

    fn text(&mut self, text: &str, path: &Path, constraint: bool) {
        for line in LogicalLines::new(text) {
            if self.out.entries.len() + self.out.options.len() + self.out.includes.len() >= MAX_ENTRIES {
                return self.complain(Location::file(path), format!("more than {MAX_ENTRIES} entries"));
            }
            let location = Location::at(path, line.number, line.column);
            if line.text.len() > MAX_LINE {
                self.complain(location, format!("line longer than {MAX_LINE} bytes"));
                continue;
            }
            let expanded = expand(&line.text, self.environment);
            let written = (*expanded != *line.text).then_some(&*line.text);
            if let Err(message) = self.line(&expanded, written, path, constraint, &location) {
                let message = match written {
                    _ if self.is_foreign() => "the line is no requirement".to_owned(),
                    // What is wrong may be the variable's value, which may be a secret.
                    Some(_) => "the line is no requirement once its variables are replaced".to_owned(),
                    None => message,
                };
                self.complain(location, message);
            }
        }
    }

    /// Whether the file being read is one that a project's file reaches outside the project, by name or by link: its
    /// lines may be secrets, and are not quoted.
    fn is_foreign(&self) -> bool {
        let Some(file) = self.stack.last() else { return false };
        let included = self.stack.len() > 1 && !file.starts_with(&self.environment.cwd);
        included || self.files.is_link(file)
    }

    /// One logical line. The error is what pip would refuse it for. `written`: the line before variables were replaced,
    /// which is what is shown: their values may be secrets.
    fn line(
        &mut self,
        line: &str,
        written: Option<&str>,
        path: &Path,
        constraint: bool,
        location: &Location,
    ) -> Result<(), String> {
        let (args, options) = split_options(line);
        let options = parse_options(&split_words(options)?)?;
        let written = written.map(written_line).transpose()?;
        let editable = if args.is_empty() { options.iter().find(|o| o.kind == Kind::Editable) } else { None };
        let Some(text) = editable.map(|o| o.value.as_str()).or((!args.is_empty()).then_some(args)) else {
            self.option_line(options, written.map(|(_, options)| options), path, location);
            return Ok(());
        };
        let read = if editable.is_some() { editable_target } else { line_target };
        let mut target = read(text, self.environment, self.files)?;
        let shown = match &written {
            Some((args, _)) if editable.is_none() => args,
            Some((_, options)) => match options.iter().find(|o| o.kind == Kind::Editable) {
                Some(option) => option.value.as_str(),
                None => "an editable with variables in it",
            },
            None => text,
        };
        if written.is_some() {
            conceal(&mut target, shown, read(shown, self.environment, self.files))?;
        }
        let mut entry = Entry::new(shown, target, location.clone());
        entry.editable = editable.is_some();
        entry.constraint = constraint;
        let mut editables = usize::from(editable.is_none());
        for option in &options {
            match (option.kind, option.name) {
                (Kind::PerRequirement, "--hash") => {
                    entry.hashed = true;
                    match Digest::parse_named_hex(&option.value) {
                        Ok(digest) if !digest.algorithm().is_weak() => entry.hashes.push(digest),
                        Ok(_) => self.complain(location.clone(), "pip takes only sha256, sha384 and sha512 for --hash"),
                        Err(error) => self.complain(location.clone(), format!("unreadable --hash: {error}")),
                    }
                }
                (Kind::PerRequirement, name) => entry.options.push((name, option.value.clone())),
                (Kind::Editable, _) if editables == 0 => editables += 1,
                // pip passes over these in silence; what the writer meant by them is then lost.
                (_, name) => self.complain(location.clone(), format!("{name} is not read on a requirement's line")),
            }
        }
        self.out.entries.push(entry);
        Ok(())
    }

    fn option_line(
        &mut self,
        options: Vec<ParsedOption>,
        written: Option<Vec<ParsedOption>>,
        path: &Path,
        location: &Location,
    ) {
        let include = options
            .iter()
            .find(|o| o.kind == Kind::Include)
            .or_else(|| options.iter().find(|o| o.kind == Kind::Constraint))
            .map(|o| (o.value.clone(), o.kind == Kind::Constraint));
        let includes = options.iter().filter(|o| matches!(o.kind, Kind::Include | Kind::Constraint)).count();
        if include.is_some() && (includes > 1 || options.len() > 1) {
            self.complain(location.clone(), "pip reads only one included file on a line, and nothing beside it");
        }
        let written = written.unwrap_or_default();
        if let Some((value, constraint)) = include {
            let shown = written.iter().find(|o| matches!(o.kind, Kind::Include | Kind::Constraint));
            // Of a file that is not fetched anyway, nothing but what is written is told.
            let remote = shown.filter(|_| IncludeKind::of(&value) == IncludeKind::Remote);
            return self.include(remote.map_or(&value, |o| &o.value), path, constraint, location);
        }
        for (n, option) in options.into_iter().enumerate() {
            let before = written.get(n).filter(|w| w.name == option.name && w.value != option.value);
            let before = before.map(|w| w.value.clone());
            let value = match (option.kind, option.name) {
                (Kind::Value, "--find-links") => Some(self.find_links(option.value, path)),
                (Kind::Value, _) => Some(option.value),
                (Kind::Flag, _) => None,
                _ => {
                    self.complain(location.clone(), format!("{} has no requirement to belong to", option.name));
                    continue;
                }
            };
            let location = location.clone();
            self.out.options.push(GlobalOption { name: option.name, value, written: before, location });
        }
    }

    /// Relative to the file that names it, and never a URL's neighbour: a remote file is not read.
    fn include(&mut self, written: &str, path: &Path, constraint: bool, location: &Location) {
        let kind = IncludeKind::of(written);
        if kind == IncludeKind::Remote {
            self.complain(location.clone(), "a requirements file over the network is not read");
        }
        let joined = if kind == IncludeKind::Remote {
            PathBuf::from(written)
        } else if let Some(Direct { source: crate::model::Source::Path { path }, .. }) =
            written.to_ascii_lowercase().starts_with("file:").then(|| Direct::from_url(written, &self.environment.cwd))
        {
            path
        } else {
            path.parent().unwrap_or(Path::new("")).join(written)
        };
        match kind {
            IncludeKind::Requirements => self.file(&joined, constraint, Some(location)),
            _ => self.out.includes.push(Include { path: joined, kind, constraint, location: location.clone() }),
        }
    }

    fn find_links(&self, value: String, path: &Path) -> String {
        let beside = path.parent().unwrap_or(Path::new("")).join(&value);
        let absolute = self.environment.absolute(&beside);
        if !direct::is_url(&value) && (self.files.is_dir(&absolute) || self.files.is_file(&absolute)) {
            beside.display().to_string()
        } else {
            value
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use crate::model::MemoryFiles;
    use proptest::prelude::*;

    fn environment() -> Environment {
        Environment {
            variables: [("TOKEN".to_owned(), "s3".to_owned())].into(),
            cwd: "/w".into(),
            home: None,
            now: crate::model::Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        }
    }

    fn files(list: &[(&str, &str)]) -> MemoryFiles {
        list.iter().map(|(p, t)| (*p, t.as_bytes().to_vec())).collect()
    }

    fn texts(list: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (file, diagnostics) = read(Path::new("r.txt"), false, &environment(), &files(list));
        let show = |e: &Entry| format!("{}{} {}", if e.constraint { "-c " } else { "" }, e.text, e.location);
        (file.entries.iter().map(show).collect(), diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lines_comments_continuations() {
        let (entries, diagnostics) = texts(&[(
            "/w/r.txt",
            "# c\nfoo==1 # x\nbar#y\n  baz \\\n  >=1 \\\n# comment\nqux==1\x0chidden==2\r\nlast\\",
        )]);
        assert_eq!(
            entries,
            ["foo==1 r.txt:2:1", "baz   >=1 r.txt:4:3", "qux==1 r.txt:7:1", "hidden==2 r.txt:8:1", "last r.txt:9:1"]
        );
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    }

    #[test]
    fn includes_are_relative_cycles_end() {
        let (entries, diagnostics) = texts(&[
            ("/w/r.txt", "-r sub/a.txt\n-csub/c.txt\n--requirement=https://h/x.txt\n-r sub/pylock.toml"),
            ("/w/sub/a.txt", "a\n-r ../r.txt\n-r b.txt"),
            ("/w/sub/b.txt", "b"),
            ("/w/sub/c.txt", "c<2"),
        ]);
        assert_eq!(entries, ["a sub/a.txt:1:1", "b sub/b.txt:1:1", "-c c<2 sub/c.txt:1:1"]);
        assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
    }

    #[test]
    fn options_hashes_variables() {
        let hash = "0".repeat(64);
        let text = format!(
            "-i https://u:${{TOKEN}}@h/${{UNSET}}/${{token}}\n--extra-index https://e\nfoo==1 --hash=sha256:{hash} --hash sha384:00\n\
             --pre=1\n--nosuch\nbar --global-option=\"a b\" -C k=v\n-e ./d[x]\n-e git://h/p#egg=p\n"
        );
        let (file, diagnostics) = read(Path::new("r.txt"), false, &environment(), &files(&[("/w/r.txt", &text)]));
        let options: Vec<_> = file.options.iter().map(|o| (o.name, o.value.as_deref().unwrap_or(""))).collect();
        assert_eq!(options, [("--index-url", "https://u:s3@h/${UNSET}/${token}"), ("--extra-index-url", "https://e")]);
        assert!(file.requires_hashes() && file.entries[0].hashes.len() == 1);
        assert_eq!(
            file.entries[1].options,
            [("--global-option", "a b".to_owned()), ("--config-settings", "k=v".to_owned())]
        );
        assert!(
            file.entries[2].editable && matches!(&file.entries[3].target, Target::Direct(d) if d.vcs == Some("git"))
        );
        assert_eq!(diagnostics.len(), 3, "{diagnostics:?}");
    }

    #[test]
    fn encodings() {
        assert_eq!(decode(b"\xff\xfea\0\n\0").unwrap(), "a\n");
        assert_eq!(decode(b"\xef\xbb\xbfa").unwrap(), "a");
        assert_eq!(decode(b"# -*- coding: latin-1 -*-\n\xe9").unwrap().chars().last(), Some('é'));
        assert_eq!(decode(b"# caf\xe9").unwrap(), "# café");
        assert!(decode(b"# coding: ebcdic\n").is_err());
    }

    #[test]
    fn words_of_a_command_line() {
        let dirs = files(&[("/w/pkg/setup.py", "")]);
        let read = |text: &str| argument(text, false, Location::argv(2), &environment(), &dirs).map(|e| e.target);
        assert!(matches!(read("requests[socks]>=2"), Ok(Target::Named(_))));
        assert!(matches!(read("./pkg[dev]"), Ok(Target::Direct(d)) if d.extras == ["dev"]));
        assert!(
            matches!(read("foo-1.0-py3-none-any.whl"), Ok(Target::Direct(d)) if d.version.as_deref() == Some("1.0"))
        );
        assert!(
            matches!(read("x @ https://h/x.zip ; python_version>'3'"), Ok(Target::Direct(d)) if d.marker.is_some())
        );
        assert!(read("a b").is_err() && read("no/such").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[-a-z0-9 \\\\#\\[\\];:/@=\"'$\\{\\}A-Z\n\r\\PC]{0,120}") {
            let data = MemoryFiles([(PathBuf::from("/w/b.txt"), bytes), (PathBuf::from("/w/t.txt"), text.into_bytes())].into());
            let _ = read(Path::new("b.txt"), false, &environment(), &data);
            let _ = read(Path::new("t.txt"), true, &environment(), &data);
        }
    }
}
