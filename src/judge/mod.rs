//! The pipeline in one place: commands, or the manifests and lockfiles of a tree, become a [`Judgement`].
//!
//! In go plain values and four seams (files, registries, advisories, policy); out comes what would come in, what is
//! wrong with it, and the verdict. Nothing here touches the disk, the network or the clock by itself.

pub mod discover;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::advisories::{Advisories, Coverage, Kind};
use crate::ecosystem::python::wheel;
use crate::ecosystem::{self, npm, popular, python};
use crate::gate::operation::{self, Operation};
use crate::invocation::{self, Effect, Flag, FollowedText, Invocation};
use crate::model::{
    Category, Diagnostic, Ecosystem, Environment, FileError, Files, Finding, InterpreterFacts, Location, Opinion,
    PackageId, PackageName, Place, Plan, Setting, SettingLayer, Source, Timestamp, Unresolved, UnresolvedCause,
    Verdict, utf8_text,
};
use crate::policy::Policy;
use crate::registry::{CrateIndex, NpmRegistry, PythonIndex};
use crate::resolve::{self, Freshness};
use crate::rules::{self, Facts};

/// How the command reached this program: `command.via` of the verdict document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `check -- CMD…`
    Argv,
    /// `check --shell 'TEXT'`
    Shell,
    /// A PATH shim.
    Shim,
    /// An agent host's hook.
    Hook,
}

impl Via {
    /// `argv`, `shell`, `shim`, `hook`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Argv => "argv",
            Self::Shell => "shell",
            Self::Shim => "shim",
            Self::Hook => "hook",
        }
    }
}

/// What was judged.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A command.
    Command {
        /// The words.
        argv: Vec<String>,
        /// Where it would run.
        cwd: String,
        /// The tool's name.
        tool: &'static str,
        /// The canonical verb.
        verb: String,
        /// How it got here.
        via: Via,
    },
    /// Manifests and lockfiles, relative to the working directory where they are below it.
    Audit {
        /// The files that were read.
        files: Vec<String>,
    },
}

/// Everything a renderer may show.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What was judged.
    pub subject: Subject,
    /// What would come in.
    pub plan: Plan,
    /// What the rules saw, worst first.
    pub findings: Vec<Finding>,
    /// The answer.
    pub verdict: Verdict,
    /// What the advisories cover.
    pub coverage: Coverage,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The commands behind the plan, as they were understood.
    pub invocations: Vec<Invocation>,
    /// What a classifier beside the rules made of it; `None` when none was consulted.
    pub opinion: Option<Box<Opinion>>,
}

impl Judgement {
    /// The category of the first finding that decides; benign when nothing stands against it.
    pub fn category(&self) -> Category {
        let first = self.deciding().first().and_then(|n| self.findings.get(*n));
        let any = || self.findings.iter().find(|f| f.level.verdict() != Verdict::Allow);
        first.or_else(any).filter(|_| self.verdict != Verdict::Allow).map_or(Category::Benign, |f| f.category)
    }

    /// The findings whose level is the verdict, when that is against the command: their places in [`Judgement::findings`].
    pub fn deciding(&self) -> Vec<usize> {
        let decides = |f: &Finding| self.verdict != Verdict::Allow && f.level.verdict() == self.verdict;
        self.findings.iter().enumerate().filter(|(_, f)| decides(f)).map(|(i, _)| i).collect()
    }

    /// The command as a line to paste, quoted for a POSIX shell; `None` for an audit.
    pub fn command_text(&self) -> Option<String> {
        match &self.subject {
            Subject::Command { argv, .. } => Some(crate::model::shell_line(argv)),
            Subject::Audit { .. } => None,
        }
    }
}

/// One command's registries, as flags, environment and configuration name them.
pub struct Connected<T: ?Sized> {
    /// The registries.
    pub index: Arc<T>,
    /// What configuration files say besides, as the flags they stand for (`pip.conf` `pre = true` is `--pre`).
    /// Flags of the command itself come after them and win.
    pub flags: Vec<Flag>,
    /// What of the configuration could not be understood.
    pub diagnostics: Vec<Diagnostic>,
}

impl<T: ?Sized> Clone for Connected<T> {
    fn clone(&self) -> Self {
        let Self { index, flags, diagnostics } = self;
        Self { index: Arc::clone(index), flags: flags.clone(), diagnostics: diagnostics.clone() }
    }
}

impl<T: ?Sized> std::fmt::Debug for Connected<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// The registries and the interpreter as one command would use them. Each is connected on the first call, so that a
/// judgement that needs none of them pays for none.
pub trait World: Sync {
    /// The Python indexes.
    fn python(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn PythonIndex>;
    /// The npm registries.
    fn npm(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn NpmRegistry>;
    /// The Cargo registries.
    fn crates(&self, invocation: &Invocation, environment: &Environment) -> Connected<dyn CrateIndex>;
    /// The interpreter that would receive the packages.
    fn interpreter(&self, invocation: &Invocation, environment: &Environment) -> InterpreterFacts;
    /// Every setting that had a say in the calls so far, for the rules.
    fn settings(&self) -> Vec<Setting>;
}

/// The seams through which a judgement sees the world.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// Variables, directories and the clock; with `as_of`, `now` is that moment.
    pub environment: &'a Environment,
    /// The disk.
    pub files: &'a dyn Files,
    /// The advisories.
    pub advisories: &'a dyn Advisories,
    /// The policy.
    pub policy: &'a Policy,
    /// Registries and interpreters.
    pub world: &'a dyn World,
    /// `--as-of`.
    pub as_of: Option<Timestamp>,
    /// What was said in the agent's session, where that is known.
    pub said: Option<rules::Said<'a>>,
}

impl std::fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}

const DAY: i64 = 24 * 60 * 60;

const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Judge<'_> {
    /// Judges a command, which may hold several package commands (`sh -c 'pip install x && npm ci'`).
    pub fn command(&self, argv: &[String], invocations: &[Invocation], via: Via) -> Judgement {
        self.command_with(argv, invocations, &[], via)
    }

    /// The same, with the shell texts of files that the command runs: what these do beside installing is judged too.
    pub fn command_with(
        &self,
        argv: &[String],
        invocations: &[Invocation],
        texts: &[FollowedText],
        via: Via,
    ) -> Judgement {
        let mut operations = operation::read(&text_of(argv), self.environment);
        operations.extend(operation::read_followed(texts, self.environment));
        self.command_doing(argv, invocations, &operations, via)
    }

    /// The same, with what the command and those texts do beside installing read already: a long line is not read twice.
    pub fn command_doing(
        &self,
        argv: &[String],
        invocations: &[Invocation],
        operations: &[Operation],
        via: Via,
    ) -> Judgement {
        let subject = self.subject(argv, invocations, via);
        if invocations.iter().all(|i| i.effect == Effect::Nothing && i.opaque.is_empty()) {
            // No registry, no advisory; and a policy that cannot be used stops installs alone.
            let findings = rules::beside(operations, self.environment, self.files, self.policy, self.said);
            return Judgement {
                subject,
                plan: Plan::default(),
                verdict: rules::verdict(&findings, true),
                findings,
                coverage: Coverage::default(),
                elapsed_ms: 0,
                invocations: invocations.to_vec(),
                opinion: None,
            };
        }
        let mut plan = Plan::default();
        for (at, invocation) in invocations.iter().enumerate() {
            // What a script installs twice comes in once.
            if !invocations.iter().take(at).any(|before| before == invocation) {
                plan.merge(self.resolve(invocation));
            }
        }
        self.conclude(Matter { subject, invocations, operations, changed: &[], audit: false }, plan)
    }

    /// Judges a command by its words alone, as one who cannot see what it would bring in: nothing is resolved or looked
    /// up. The baseline that a judgement of consequences is measured against.
    pub fn by_text(&self, argv: &[String], invocations: &[Invocation], via: Via) -> Judgement {
        let operations = operation::read(&text_of(argv), self.environment);
        let subject = self.subject(argv, invocations, via);
        let matter = Matter { subject, invocations, operations: &operations, changed: &[], audit: false };
        self.conclude(matter, Plan::default())
    }

    fn subject(&self, argv: &[String], invocations: &[Invocation], via: Via) -> Subject {
        // The first that brings something in speaks for the line; a line that brings nothing in is spoken for by its first.
        let speaker = invocations.iter().find(|i| i.effect != Effect::Nothing).or_else(|| invocations.first());
        Subject::Command {
            argv: argv.to_vec(),
            cwd: self.environment.cwd.display().to_string(),
            tool: speaker.map_or("other", |i| i.tool.name()),
            verb: speaker.map_or_else(String::new, |i| i.verb.clone()),
            via,
        }
    }

    /// Judges manifests and lockfiles. Lockfiles and exact pins speak for themselves; what only a registry can tell
    /// is resolved as the tool would.
    pub fn audit(&self, roots: &[PathBuf]) -> Judgement {
        let (found, diagnostics) = discover::discover(roots, self.files);
        let mut plan = Plan { unresolved: resolve::locked::unread(&diagnostics), ..Plan::default() };
        let mut invocations = Vec::new();
        for file in &found {
            plan.merge(self.audit_file(file, &mut invocations));
        }
        let files = found.iter().map(|f| f.path.display().to_string()).collect();
        let matter = Matter {
            subject: Subject::Audit { files },
            invocations: &invocations,
            operations: &[],
            changed: &[],
            audit: true,
        };
        self.conclude(matter, plan)
    }

    /// Judges files that an edit is about to change, [`Judge::files`] being as they will be: manifests and lockfiles as
    /// an audit does, files of configuration by what they say, the gate's own by `operations`.
    pub fn edited(&self, paths: &[PathBuf], operations: &[Operation]) -> Judgement {
        let mut plan = Plan::default();
        let mut invocations = Vec::new();
        for path in paths.iter().filter(|p| self.files.is_file(p)) {
            if let Some(kind) = discover::Kind::of(path) {
                let found = discover::Found { path: path.clone(), kind };
                plan.merge(self.audit_file(&found, &mut invocations));
            } else if let Some(words) = discover::configures(path) {
                self.configure_as(words, path.parent(), &mut invocations);
            }
        }
        let shown = |p: &PathBuf| p.strip_prefix(&self.environment.cwd).unwrap_or(p).display().to_string();
        let subject = Subject::Audit { files: paths.iter().map(shown).collect() };
        self.conclude(Matter { subject, invocations: &invocations, operations, changed: paths, audit: true }, plan)
    }

    /// Reads the configuration of a command and resolves nothing: what it says is in [`World::settings`] then.
    fn configure_as(&self, words: &[&str], directory: Option<&Path>, invocations: &mut Vec<Invocation>) {
        let argv: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        // Cargo's own file lies in a directory below the one that it is for.
        let directory = directory.map(|d| if d.ends_with(".cargo") { d.parent().unwrap_or(d) } else { d });
        for mut invocation in invocation::parse(&argv, self.environment) {
            invocation.directory = directory.map(|d| d.display().to_string());
            let environment = self.environment_of(&invocation);
            match invocation.tool.ecosystem() {
                Some(Ecosystem::PyPI) => drop(self.world.python(&invocation, &environment)),
                Some(Ecosystem::Npm) => drop(self.world.npm(&invocation, &environment)),
                Some(Ecosystem::CratesIo) => drop(self.world.crates(&invocation, &environment)),
                None => {}
            }
            invocations.push(invocation);
        }
    }

    fn audit_file(&self, file: &discover::Found, invocations: &mut Vec<Invocation>) -> Plan {
        use discover::Kind;
        let path = &file.path;
        // As it lies in memory: the largest lockfiles are megabytes.
        let bytes = self.files.read(path);
        let text = match bytes.as_ref().map_err(Clone::clone).and_then(|bytes| utf8_text(bytes)) {
            Ok(text) => text,
            // pip decodes requirements files in more ways than UTF-8; its reader reads the file itself.
            Err(FileError::Io(_)) if file.kind == Kind::Requirements => "",
            Err(e) => {
                let diagnostic = Diagnostic::new(Location::file(path), e.to_string());
                return Plan { unresolved: resolve::locked::unread(&[diagnostic]), ..Plan::default() };
            }
        };
        match file.kind {
            Kind::CargoLock => resolve::locked::cargo(path, text),
            Kind::PackageLock => npm_plan(npm::lock::read(path, text)),
            Kind::PnpmLock => npm_plan(npm::pnpm_lock::read(path, text)),
            Kind::YarnLock => npm_plan(npm::yarn_lock::read(path, text)),
            Kind::BunLock => npm_plan(npm::bun_lock::read(path, text)),
            Kind::UvLock => python_plan(python::uv_lock::read(path, text)),
            Kind::PoetryLock => python_plan(python::poetry_lock::read(path, text)),
            Kind::PdmLock => python_plan(python::pdm_lock::read(path, text)),
            Kind::PipfileLock => python_plan(python::pipfile::read_lock(path, text)),
            Kind::Pylock => python_plan(python::pylock::read(path, text)),
            Kind::Requirements => {
                let (requirements, diagnostics) =
                    python::requirements_txt::read(path, false, self.environment, self.files);
                match resolve::locked::pins(&requirements, &diagnostics) {
                    Some(plan) => plan,
                    None => self.resolve_as(&["pip", "install", "-r", &path.display().to_string()], None, invocations),
                }
            }
            Kind::Pyproject => self.resolve_as(&["uv", "lock"], path.parent(), invocations),
            Kind::PackageManifest => self.resolve_as(&["npm", "install"], path.parent(), invocations),
            Kind::CargoManifest => self.resolve_as(&["cargo", "generate-lockfile"], path.parent(), invocations),
        }
    }

    /// The plan of the command that would install what a manifest asks for.
    fn resolve_as(&self, words: &[&str], directory: Option<&Path>, invocations: &mut Vec<Invocation>) -> Plan {
        let argv: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let mut plan = Plan::default();
        for mut invocation in invocation::parse(&argv, self.environment) {
            if let Some(directory) = directory.filter(|d| !d.as_os_str().is_empty()) {
                invocation.directory = Some(directory.display().to_string());
            }
            plan.merge(self.resolve(&invocation));
            invocations.push(invocation);
        }
        plan
    }

    /// What one command would bring in.
    fn resolve(&self, invocation: &Invocation) -> Plan {
        let mut plan = match invocation.effect {
            Effect::Nothing | Effect::Unknown => Plan::default(),
            _ => self.resolve_known(invocation),
        };
        plan.unresolved.extend(not_understood(invocation));
        plan
    }

    fn resolve_known(&self, invocation: &Invocation) -> Plan {
        let mut environment = self.environment_of(invocation);
        if let Some(missing) = self.missing_directory(invocation, &environment) {
            return Plan { unresolved: vec![missing], ..Plan::default() };
        }
        let unreadable = self.unreadable_home(invocation, &environment);
        if unreadable.is_some() {
            environment.home = None;
        }
        let excluded = |name: &PackageName| rules::cooldown::is_excluded(self.policy, name);
        let affected =
            |id: &PackageId| self.advisories.find(id, self.as_of).iter().any(|m| m.kind != Kind::Informational);
        let freshness = self.freshness(&excluded, &affected);
        let mut configured = invocation.clone();
        let mut plan = match invocation.tool.ecosystem() {
            Some(Ecosystem::PyPI) => {
                let interpreter = self.world.interpreter(invocation, &self.asking(invocation, &environment));
                let connected = self.world.python(invocation, &environment);
                let request = configure(&mut configured, &connected, &environment, self.files, &freshness);
                unread(resolve::python(request, &*connected.index, &interpreter), &connected)
            }
            Some(Ecosystem::Npm) => {
                let connected = self.world.npm(invocation, &environment);
                let request = configure(&mut configured, &connected, &environment, self.files, &freshness);
                unread(resolve::npm(request, &*connected.index), &connected)
            }
            Some(Ecosystem::CratesIo) => {
                let connected = self.world.crates(invocation, &environment);
                let request = configure(&mut configured, &connected, &environment, self.files, &freshness);
                unread(resolve::cargo(request, &*connected.index), &connected)
            }
            None => Plan::default(),
        };
        plan.unresolved.extend(unreadable);
        plan.normalise();
        plan
    }

    /// The environment in which an interpreter is looked for in order to be asked: with the caller's own PATH, for what
    /// a command puts in front of it is not executed to find out what the command would do.
    fn asking(&self, invocation: &Invocation, environment: &Environment) -> Environment {
        let mut environment = environment.clone();
        if invocation.assignments.iter().any(|(name, _)| name == "PATH") {
            match self.environment.variables.get("PATH") {
                Some(path) => environment.variables.insert("PATH".to_owned(), path.clone()),
                None => environment.variables.remove("PATH"),
            };
        }
        environment
    }

    /// A command that needs what stands in a directory which is not there: it may come from an earlier command of the
    /// same line, and an empty plan would be a guess.
    fn missing_directory(&self, invocation: &Invocation, environment: &Environment) -> Option<Unresolved> {
        let directory = invocation.directory.as_deref()?;
        let reads = matches!(invocation.effect, Effect::Project | Effect::Locked | Effect::Update | Effect::ProjectAdd);
        // npm makes the directory of its `--prefix`.
        let made =
            invocation.new_directory || (invocation.flag("--prefix").is_some() && !invocation.requests.is_empty());
        if !reads || made || invocation.global || self.files.is_dir(&environment.cwd) {
            return None;
        }
        Some(Unresolved {
            requirement: invocation.program.clone(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::Unsupported,
            reason: format!("the directory `{directory}` is not there yet, so what it will hold is not known"),
        })
    }

    /// Under `sudo` the tool reads another account's configuration. Where that may not be read here, it is not known
    /// which registries the tool would ask.
    fn unreadable_home(&self, invocation: &Invocation, environment: &Environment) -> Option<Unresolved> {
        let account = invocation.home_of.as_deref()?;
        let file = match invocation.tool.ecosystem()? {
            Ecosystem::PyPI => ".config/pip/pip.conf",
            Ecosystem::Npm => ".npmrc",
            Ecosystem::CratesIo => ".cargo/config.toml",
        };
        let path = environment.home.as_ref()?.join(file);
        let Err(FileError::Io(reason)) = self.files.read(&path) else { return None };
        Some(Unresolved {
            requirement: invocation.program.clone(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::Unsupported,
            reason: format!("the tool would read the configuration of {account}, which cannot be read here ({reason})"),
        })
    }

    /// The environment with the variables that the command itself sets and without those that it takes away, in the
    /// directory in which its tool works.
    fn environment_of(&self, invocation: &Invocation) -> Environment {
        let mut environment = self.environment.clone();
        if invocation.cleared {
            // Where a program is looked for when nothing says where (POSIX `confstr`).
            environment.variables = [("PATH".to_owned(), "/bin:/usr/bin".to_owned())].into();
        }
        environment.variables.retain(|name, _| !invocation.removed.contains(name));
        environment.variables.extend(invocation.assignments.iter().cloned());
        if invocation.home_of.as_deref() == Some("root") && environment.os != "windows" {
            let home = if environment.os == "macos" { "/var/root" } else { "/root" };
            environment.home = Some(PathBuf::from(home));
            environment.variables.insert("HOME".to_owned(), home.to_owned());
        }
        if invocation.wrappers.iter().any(|w| w == "sudo" || w == "doas") {
            // Where these look for programs (sudoers(5) `secure_path`).
            environment.variables.entry("PATH".to_owned()).or_insert_with(|| SECURE_PATH.to_owned());
        }
        if let Some(directory) = &invocation.directory {
            environment.cwd = environment.absolute(&environment.at_home(directory));
        }
        environment
    }

    fn freshness<'f>(
        &self,
        excluded: &'f (dyn Fn(&PackageName) -> bool + Sync),
        affected: &'f (dyn Fn(&PackageId) -> bool + Sync),
    ) -> Freshness<'f> {
        let now = self.environment.now;
        let cutoff = rules::cooldown::held_back_days(self.policy)
            .and_then(|days| Timestamp::from_second(now.as_second() - i64::from(days) * DAY).ok());
        Freshness { as_of: self.as_of, cutoff, excluded, affected, now }
    }

    /// Rules, policy, verdict.
    fn conclude(&self, matter: Matter<'_>, plan: Plan) -> Judgement {
        let Matter { subject, invocations, operations, changed, audit } = matter;
        let mut settings = self.world.settings();
        for setting in settings.iter_mut().filter(|s| s.location.path().is_some_and(|p| changed.iter().any(|c| c == p)))
        {
            setting.layer = SettingLayer::Project;
        }
        let workspace_names: Vec<PackageName> = plan
            .packages
            .iter()
            .filter(|p| matches!(p.source, Source::Workspace { .. }))
            .map(|p| p.id.name.clone())
            .collect();
        let last_good = |id: &PackageId| self.good_version(invocations, id, true);
        let newest_good = |id: &PackageId| self.good_version(invocations, id, false);
        let next_best = |id: &PackageId| self.next_best(invocations, id);
        let near_names = |name: &PackageName| popular::near(name);
        let facts = Facts {
            invocations,
            plan: &plan,
            settings: &settings,
            workspace_names: &workspace_names,
            last_good: &last_good,
            newest_good: &newest_good,
            next_best: &next_best,
            near_names: &near_names,
            advisories: self.advisories,
            as_of: self.as_of,
            policy: self.policy,
            environment: self.environment,
            operations,
            files: self.files,
            audit,
            said: self.said,
        };
        let findings = rules::judge(&facts);
        let verdict = rules::verdict(&findings, plan.complete());
        Judgement {
            subject,
            plan,
            findings,
            verdict,
            coverage: self.advisories.coverage(),
            elapsed_ms: 0,
            invocations: invocations.to_vec(),
            opinion: None,
        }
    }

    /// The newest release that would be cleared, or the newest one `before` the release in question: it exists, is
    /// not withdrawn, is old enough, and no advisory but a notice affects it. Pre-releases only for a pre-release.
    fn good_version(&self, invocations: &[Invocation], id: &PackageId, before: bool) -> Option<String> {
        self.candidates(invocations, id, before)
            .into_iter()
            // Looking further than this would be a search through history for a package with no good release at all.
            .take(50)
            .find(|version| {
                let candidate = PackageId::new(id.name.clone(), version);
                self.advisories.find(&candidate, self.as_of).iter().all(|m| m.kind == Kind::Informational)
            })
    }

    /// The newest release before this one that a resolver would fall back to, whatever the advisories say of it.
    fn next_best(&self, invocations: &[Invocation], id: &PackageId) -> Option<String> {
        self.candidates(invocations, id, true).into_iter().next()
    }

    /// Releases that exist, are old enough and not withdrawn, newest first.
    fn candidates(&self, invocations: &[Invocation], id: &PackageId, before: bool) -> Vec<String> {
        let ecosystem = id.name.ecosystem();
        let compare = |a: &str, b: &str| ecosystem::compare_versions(ecosystem, a, b);
        let excluded = |name: &PackageName| rules::cooldown::is_excluded(self.policy, name);
        let affected = |_: &PackageId| false;
        let freshness = self.freshness(&excluded, &affected);
        let mut releases = self.releases(invocations, &id.name);
        releases.retain(|r| {
            !r.withdrawn
                && freshness.exists(r.published_at)
                && !freshness.is_young(&id.name, r.published_at)
                && (ecosystem::admits(ecosystem, "", &r.version) != Some(false)
                    || ecosystem::admits(ecosystem, "", &id.version) == Some(false))
                && (!before || compare(&r.version, &id.version) == Some(std::cmp::Ordering::Less))
        });
        releases.sort_by(|a, b| compare(&b.version, &a.version).unwrap_or(std::cmp::Ordering::Equal));
        releases.into_iter().map(|r| r.version).collect()
    }

    /// Every release of a package, as the registries that a command uses tell them; empty when they do not.
    fn releases(&self, invocations: &[Invocation], name: &PackageName) -> Vec<Release> {
        let Some(invocation) = invocations.iter().find(|i| i.tool.ecosystem() == Some(name.ecosystem())) else {
            return Vec::new();
        };
        let environment = self.environment_of(invocation);
        match name.ecosystem() {
            Ecosystem::PyPI => match self.world.python(invocation, &environment).index.project(name) {
                Ok(project) => python_releases(&project),
                Err(_) => Vec::new(),
            },
            Ecosystem::Npm => match self.world.npm(invocation, &environment).index.packument(name) {
                Ok(packument) => packument
                    .versions
                    .iter()
                    .map(|v| Release {
                        version: v.text().to_owned(),
                        published_at: v.published(),
                        withdrawn: v.deprecated().is_some(),
                    })
                    .collect(),
                Err(_) => Vec::new(),
            },
            Ecosystem::CratesIo => match self.world.crates(invocation, &environment).index.krate(name, None) {
                Ok(krate) => krate
                    .versions
                    .iter()
                    .map(|v| Release {
                        version: v.version().to_owned(),
                        published_at: v.published_at(),
                        withdrawn: v.yanked(),
                    })
                    .collect(),
                Err(_) => Vec::new(),
            },
        }
    }
}

/// What is judged, beside its plan.
struct Matter<'a> {
    subject: Subject,
    invocations: &'a [Invocation],
    operations: &'a [Operation],
    /// Files that are changed just now: what they say is nobody's settled choice.
    changed: &'a [PathBuf],
    audit: bool,
}

/// A command as shell text.
fn text_of(argv: &[String]) -> std::borrow::Cow<'_, str> {
    match argv {
        [sh, c, text] if sh == "sh" && c == "-c" => text.into(),
        other => crate::model::shell_line(other).into(),
    }
}

/// The command with its configured flags in front, as a resolver takes it.
fn configure<'a, T: ?Sized>(
    invocation: &'a mut Invocation,
    connected: &Connected<T>,
    environment: &'a Environment,
    files: &'a dyn Files,
    freshness: &'a Freshness<'a>,
) -> resolve::Request<'a> {
    invocation.flags.splice(0..0, connected.flags.iter().cloned());
    resolve::Request { invocation, environment, files, freshness }
}

/// A plan made with configuration that could not be understood is incomplete.
fn unread<T: ?Sized>(mut plan: Plan, connected: &Connected<T>) -> Plan {
    plan.unresolved.extend(resolve::locked::unread(&connected.diagnostics));
    plan
}

/// What of a command was not understood: a plan made from the rest is incomplete.
fn not_understood(invocation: &Invocation) -> Vec<Unresolved> {
    let unresolved = |location: Location, reason: &str| Unresolved {
        requirement: word_at(invocation, &location).unwrap_or(&invocation.program).clone(),
        name: None,
        range: None,
        location: Some(location),
        cause: UnresolvedCause::Unsupported,
        reason: reason.to_owned(),
    };
    if invocation.effect == Effect::Unknown && invocation.opaque.is_empty() {
        return vec![unresolved(Location::argv(0), "what this command would bring in cannot be known before it runs")];
    }
    invocation.opaque.iter().map(|o| unresolved(o.location.clone(), &o.reason)).collect()
}

/// The word of argv at a place, when it is one there.
fn word_at<'i>(invocation: &'i Invocation, location: &Location) -> Option<&'i String> {
    if location.place != Place::Argv {
        return None;
    }
    invocation.argv.get(location.column as usize)
}

/// A release as far as a fix needs it.
struct Release {
    version: String,
    published_at: Option<Timestamp>,
    withdrawn: bool,
}

/// The releases of a project page: one for each version that a wheel's or sdist's name holds.
fn python_releases(project: &crate::registry::python::Project) -> Vec<Release> {
    let mut releases: std::collections::BTreeMap<String, Release> = std::collections::BTreeMap::new();
    for file in project.files.iter() {
        let of_wheel = file.wheel().and_then(|wheel| wheel::wheel_version(wheel.version.text));
        let version = of_wheel.or_else(|| wheel::sdist_version(&file.filename(), &project.name));
        let Some(version) = version.map(|v| v.to_string()) else { continue };
        let release = releases.entry(version.clone()).or_insert(Release {
            version,
            published_at: file.upload_time(),
            withdrawn: true,
        });
        release.published_at = match (release.published_at, file.upload_time()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        release.withdrawn &= file.yanked().is_some();
    }
    releases.into_values().collect()
}

fn npm_plan((lock, diagnostics): (npm::lock::Lockfile, Vec<Diagnostic>)) -> Plan {
    resolve::locked::npm(&lock, &diagnostics)
}

fn python_plan((lock, diagnostics): (python::lock::Lockfile, Vec<Diagnostic>)) -> Plan {
    resolve::locked::python(&lock, &diagnostics)
}
