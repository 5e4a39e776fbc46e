//! The files a command of the npm family reads: the project's root, its manifest and members, its lockfile.
//!
//! In: the files and where the command runs. Out: a [`Project`]; what could not be read is in its `problems`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::ecosystem::npm::lock::{self, Format, Lockfile};
use crate::ecosystem::npm::manifest::{self, Manifest, Override};
use crate::ecosystem::npm::{bun_lock, pnpm_lock, yarn_lock};
use crate::invocation::Tool;
use crate::model::{Diagnostic, FileError, Files, Location, Unresolved, UnresolvedCause};

/// More directories than a workspace's patterns may visit.
const MAX_VISITED: usize = 50_000;
/// More members than any workspace has.
const MAX_MEMBERS: usize = 5_000;

/// A project as the command would find it.
#[derive(Debug, Default)]
pub(super) struct Project {
    /// The directory of the root manifest and the lockfile.
    pub root: PathBuf,
    /// The root's package.json, when there is one.
    pub manifest: Option<Manifest>,
    /// Workspace members.
    pub members: Vec<Member>,
    /// The lockfile of the tool, when there is one.
    pub lock: Option<Lockfile>,
    /// npm alone: yarn.lock, which it reads where it has no lockfile of its own.
    pub hints: Option<Lockfile>,
    /// Overrides that stand outside package.json (pnpm-workspace.yaml).
    pub overrides: Vec<Override>,
    /// Catalogs of pnpm and bun: name (empty: the default) to package to range.
    pub catalogs: BTreeMap<String, BTreeMap<String, String>>,
    /// What could not be read.
    pub problems: Vec<Unresolved>,
}

/// A workspace member.
#[derive(Debug)]
pub(super) struct Member {
    /// Its directory.
    pub directory: PathBuf,
    /// Its directory relative to the root, with `/`.
    pub relative: String,
    /// Its package.json.
    pub manifest: Manifest,
}

impl Member {
    /// Its name: the manifest's, or the directory's.
    pub(super) fn name(&self) -> &str {
        match &self.manifest.name {
            Some(name) => name,
            None => self.relative.rsplit('/').next().unwrap_or(&self.relative),
        }
    }
}

/// Reads files for one command.
pub(super) struct Finder<'a> {
    /// The files.
    pub files: &'a dyn Files,
    /// Where the command works.
    pub cwd: &'a Path,
    /// The tool.
    pub tool: Tool,
}

impl Finder<'_> {
    /// The project around the working directory.
    pub(super) fn project(&self) -> Project {
        let root = self.root();
        let mut project = Project { root: root.clone(), ..Project::default() };
        let mut patterns = Vec::new();
        if let Some(manifest) = self.manifest(&root.join("package.json"), &mut project.problems) {
            patterns.clone_from(&manifest.workspaces);
            project.catalogs.clone_from(&manifest.catalogs);
            project.manifest = Some(manifest);
        }
        if self.tool == Tool::Pnpm || self.tool == Tool::Pnpx {
            let path = root.join("pnpm-workspace.yaml");
            if let Some(text) = self.text(&path, &mut project.problems) {
                let (workspace, problems) = pnpm_lock::read_workspace(&self.shown(&path), &text);
                project.problems.extend(problems.into_iter().map(unread));
                patterns = workspace.packages;
                project.catalogs = workspace.catalogs;
                project.overrides = workspace.overrides;
            }
        }
        self.members(&patterns, &mut project);
        self.lock(&mut project);
        project
    }

    /// The nearest directory upwards with a package.json or node_modules; above it the root of the workspace that it
    /// is a member of. Where there is neither, the working directory.
    fn root(&self) -> PathBuf {
        let marked =
            |d: &&Path| self.files.is_file(&d.join("package.json")) || self.files.is_dir(&d.join("node_modules"));
        let Some(near) = self.cwd.ancestors().find(marked) else { return self.cwd.to_owned() };
        for above in near.ancestors().skip(1) {
            let patterns = self.patterns_at(above);
            if patterns.is_empty() {
                continue;
            }
            let Some(relative) = relative(above, near) else { continue };
            if Patterns::new(&patterns).admits(&relative) {
                return above.to_owned();
            }
        }
        near.to_owned()
    }

    fn patterns_at(&self, directory: &Path) -> Vec<String> {
        let mut ignored = Vec::new();
        if matches!(self.tool, Tool::Pnpm | Tool::Pnpx) {
            let path = directory.join("pnpm-workspace.yaml");
            return self
                .text(&path, &mut ignored)
                .map_or_else(Vec::new, |text| pnpm_lock::read_workspace(&path, &text).0.packages);
        }
        self.manifest(&directory.join("package.json"), &mut ignored).map_or_else(Vec::new, |m| m.workspaces)
    }

    /// A path as the user would type it: relative to the working directory where it is below it.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.cwd).map_or_else(|_| path.to_owned(), Path::to_owned)
    }

    /// A file's text; `None` when there is none, and a problem when it cannot be read.
    pub(super) fn text(&self, path: &Path, problems: &mut Vec<Unresolved>) -> Option<String> {
        match self.files.read_text(path) {
            Ok(text) => Some(text),
            Err(FileError::NotFound) => None,
            Err(error) => {
                let location = Location::file(self.shown(path));
                problems.push(unread(Diagnostic::new(location, error.to_string())));
                None
            }
        }
    }

    /// A package.json.
    pub(super) fn manifest(&self, path: &Path, problems: &mut Vec<Unresolved>) -> Option<Manifest> {
        let text = self.text(path, problems)?;
        let (manifest, diagnostics) = manifest::read(&self.shown(path), &text);
        problems.extend(diagnostics.into_iter().map(unread));
        Some(manifest)
    }

    fn lock(&self, project: &mut Project) {
        type Reader = fn(&Path, &str) -> (Lockfile, Vec<Diagnostic>);
        let candidates: &[(&str, Reader)] = match self.tool {
            Tool::Pnpm | Tool::Pnpx => &[("pnpm-lock.yaml", pnpm_lock::read)],
            Tool::Yarn => &[("yarn.lock", yarn_lock::read)],
            Tool::Bun | Tool::Bunx => &[("bun.lock", bun_lock::read)],
            _ => &[("npm-shrinkwrap.json", lock::read), ("package-lock.json", lock::read)],
        };
        for (name, read) in candidates {
            let path = project.root.join(name);
            let Some(text) = self.text(&path, &mut project.problems) else { continue };
            // An empty file is no lockfile to any of the tools.
            if text.trim().is_empty() {
                continue;
            }
            let (lock, problems) = read(&self.shown(&path), &text);
            project.problems.extend(problems.into_iter().map(unread));
            project.lock = Some(lock);
            return;
        }
        let binary = project.root.join("bun.lockb");
        if matches!(self.tool, Tool::Bun | Tool::Bunx) && self.files.is_file(&binary) {
            let location = Location::file(self.shown(&binary));
            let hint = "run `bun install --save-text-lockfile` to get a bun.lock";
            project
                .problems
                .push(unread(Diagnostic::new(location, "a binary lockfile cannot be read").with_hint(hint)));
        }
        if matches!(self.tool, Tool::Npm | Tool::Npx) {
            let path = project.root.join("yarn.lock");
            let mut ignored = Vec::new();
            if let Some(text) = self.text(&path, &mut ignored) {
                let (hints, _) = yarn_lock::read(&self.shown(&path), &text);
                // npm reads only what yarn 1 writes.
                project.hints = (hints.format == Format::YarnClassic).then_some(hints);
            }
        }
    }

    /// The workspace's members: every directory with a package.json that the patterns name, the later pattern winning.
    fn members(&self, patterns: &[String], project: &mut Project) {
        if patterns.is_empty() {
            return;
        }
        let rules = Patterns::new(patterns);
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut visited = 0;
        for pattern in &rules.positive {
            let components: Vec<&str> = pattern.split('/').filter(|c| !c.is_empty() && *c != ".").collect();
            self.expand(&project.root, &components, &mut visited, &mut |directory| {
                if let Some(relative) = relative(&project.root, directory)
                    && !relative.is_empty()
                    && rules.admits(&relative)
                {
                    found.insert(relative, directory.to_owned());
                }
            });
        }
        if visited >= MAX_VISITED || found.len() > MAX_MEMBERS {
            project.problems.push(Unresolved {
                requirement: "workspaces".to_owned(),
                name: None,
                range: None,
                location: Some(Location::file(self.shown(&project.root.join("package.json")))),
                cause: UnresolvedCause::LimitExceeded,
                reason: "the workspace's patterns reach too many directories".to_owned(),
            });
        }
        for (relative, directory) in found.into_iter().take(MAX_MEMBERS) {
            let path = directory.join("package.json");
            if let Some(manifest) = self.manifest(&path, &mut project.problems) {
                project.members.push(Member { directory, relative, manifest });
            }
        }
    }

    fn expand(&self, directory: &Path, rest: &[&str], visited: &mut usize, found: &mut dyn FnMut(&Path)) {
        *visited += 1;
        if *visited >= MAX_VISITED {
            return;
        }
        let Some((first, rest)) = rest.split_first() else {
            if self.files.is_file(&directory.join("package.json")) {
                found(directory);
            }
            return;
        };
        if *first == ".." {
            if let Some(parent) = directory.parent() {
                self.expand(parent, rest, visited, found);
            }
            return;
        }
        let plain = !first.contains(['*', '?', '[', '{', '(', '!']);
        if plain {
            let below = directory.join(first);
            if self.files.is_dir(&below) {
                self.expand(&below, rest, visited, found);
            }
            return;
        }
        let deep = *first == "**";
        if deep {
            self.expand(directory, rest, visited, found);
        }
        let matcher = matcher(first);
        for below in self.files.list(directory) {
            let Some(name) = below.file_name().and_then(|n| n.to_str()) else { continue };
            let hidden = name.starts_with('.') && !first.starts_with('.');
            if name == "node_modules" || hidden || !self.files.is_dir(&below) {
                continue;
            }
            if deep {
                let mut same = vec!["**"];
                same.extend(rest);
                self.expand(&below, &same, visited, found);
            } else if matcher.as_ref().is_some_and(|m| m.is_match(name)) {
                self.expand(&below, rest, visited, found);
            }
        }
    }
}

/// A reader's diagnostic as a part of the plan that is missing.
pub(super) fn unread(diagnostic: Diagnostic) -> Unresolved {
    let reason = match &diagnostic.hint {
        Some(hint) => format!("{}; {hint}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let requirement = diagnostic.location.path().map_or_else(String::new, |p| p.display().to_string());
    Unresolved {
        requirement,
        name: None,
        range: None,
        location: Some(diagnostic.location),
        cause: UnresolvedCause::Malformed,
        reason,
    }
}

/// `path` below `root`, with `/`.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Vec<&str> = below.components().filter_map(|c| c.as_os_str().to_str()).collect();
    Some(parts.join("/"))
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build().ok()?;
    Some(glob.compile_matcher())
}

/// Workspace patterns in order; `!` takes away what came before.
struct Patterns {
    rules: Vec<(bool, GlobMatcher)>,
    positive: Vec<String>,
}

impl Patterns {
    fn new(patterns: &[String]) -> Self {
        let mut out = Self { rules: Vec::new(), positive: Vec::new() };
        for pattern in patterns {
            let bangs = pattern.bytes().take_while(|b| *b == b'!').count();
            let body = pattern.get(bangs..).unwrap_or("");
            let body = body.strip_prefix("./").unwrap_or(body).trim_matches('/');
            let positive = bangs % 2 == 0;
            if let Some(matcher) = matcher(body) {
                out.rules.push((positive, matcher));
                if positive {
                    out.positive.push(body.to_owned());
                }
            }
        }
        out
    }

    fn admits(&self, relative: &str) -> bool {
        self.rules.iter().rev().find(|(_, m)| m.is_match(relative)).is_some_and(|(positive, _)| *positive)
    }
}
