//! What every judging subcommand needs, built once: environment, disk, policy, advisories, registries.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use super::intent::Intent;
use super::process::{self, Directories, Disk};
use super::world::RealWorld;
use super::{Failure, Format, Judging, complain, print, status};
use crate::advisories::database::Lazy;
use crate::classifier::{self, Asking};
use crate::context::{Caps, Context, Sources};
use crate::invocation::Invocation;
use crate::judge::{Judge, Judgement, World as _};
use crate::model::{Diagnostic, Digest, Environment, Files, Level, Timestamp, printable};
use crate::policy::{self, Loaded};
use crate::record::lock::{self, Patience};
use crate::record::{self, Log};
use crate::registry::cache::Witness;
use crate::report;
use crate::rules;

/// A judgement with what it was made by, for those who act on it.
pub(super) struct Deliberation {
    pub judgement: Judgement,
    pub loaded: Loaded,
    pub world: RealWorld,
}

/// One run of the program.
pub(super) struct Session {
    pub environment: Environment,
    pub directories: Directories,
    pub disk: Arc<dyn Files>,
    /// What the user said, where that is known.
    pub intent: Intent,
    /// When the caller has to answer at the latest.
    pub deadline: Option<std::time::Instant>,
    /// Told what a judgement takes from the registries' cache.
    pub witness: Option<Arc<Witness>>,
    /// The directories that the variables name, when this gate's are others.
    named: Option<Directories>,
    /// Why the working directory cannot be told.
    lost: Option<std::io::Error>,
}

impl Session {
    /// Reads the process's environment; nothing else is touched yet.
    pub fn new() -> Result<Self, Failure> {
        let session = Self::anywhere();
        session.placed()?;
        Ok(session)
    }

    /// The same without a working directory, if need be: see [`Session::placed`].
    pub fn anywhere() -> Self {
        let (environment, lost) = process::environment();
        let (directories, named) = Directories::settled();
        Self {
            environment,
            directories,
            disk: Arc::new(Disk::default()),
            intent: Intent::default(),
            deadline: None,
            witness: None,
            named,
            lost,
        }
    }

    /// Goes to another directory, as the one in which a command would run. Where that cannot be done, see
    /// [`Session::placed`].
    pub fn move_to(&mut self, directory: &std::path::Path) {
        let directory = crate::model::lexical(directory);
        self.lost = std::env::set_current_dir(&directory).err();
        self.environment.variables.insert("PWD".to_owned(), directory.display().to_string());
        self.environment.cwd = directory;
    }

    /// Fails when the working directory was removed: what a command would do there cannot be judged.
    pub fn placed(&self) -> Result<(), Failure> {
        match &self.lost {
            None => Ok(()),
            Some(error) => Err(Failure::Internal(anyhow::anyhow!(
                "cannot tell the working directory ({error}): it may have been removed. Nothing was judged; go to a \
                 directory that exists and try again"
            ))),
        }
    }

    /// The layered policy. Its errors are printed at once: they explain a refusal that follows from them.
    pub fn policy(&self, extra: Option<&std::path::Path>) -> Result<Loaded, Failure> {
        let elsewhere = self.named.as_ref().map(|named| policy::Elsewhere {
            own: self.directories.config.join("policy.toml"),
            named: named.config.join("policy.toml"),
        });
        let loaded = policy::load_from(&self.environment, &*self.disk, elsewhere.as_ref(), extra, &rules::infos());
        if let Some(path) = extra
            && !path.exists()
        {
            return Err(Failure::Usage(format!("--policy {}: no such file", path.display())));
        }
        Ok(loaded)
    }

    /// Where answers of registries are kept; nowhere without a home.
    pub fn cache(&self) -> Option<std::path::PathBuf> {
        match &self.named {
            Some(_) => Some(self.directories.cache.clone()),
            None => crate::registry::connect::cache_directory(&self.environment),
        }
    }

    /// Where the advisory indexes are.
    pub fn advisories_directory(&self) -> std::path::PathBuf {
        self.directories.data.join("advisories")
    }

    /// Judges, with the policy's classifier where `consulted`, prints, and answers with the exit status.
    pub fn judge(
        &mut self,
        options: &Judging,
        consulted: bool,
        judge: impl FnOnce(&Judge<'_>) -> Judgement,
    ) -> Result<ExitCode, Failure> {
        let mut done = self.by_rules(options, judge)?;
        if consulted {
            self.consult(&mut done, options.offline);
        }
        let judgement = done.judgement;
        let out = std::io::stdout();
        print(&self.render(options, &judgement, out.is_terminal()))?;
        let status = status(judgement.verdict);
        // The process ends here: to take a plan of thousands of packages apart piece by piece would be for nothing.
        std::mem::forget(judgement);
        Ok(status)
    }

    /// Judges, consults the classifier that the policy names, and prints nothing.
    pub fn deliberate(
        &mut self,
        options: &Judging,
        judge: impl FnOnce(&Judge<'_>) -> Judgement,
    ) -> Result<Deliberation, Failure> {
        let mut done = self.by_rules(options, judge)?;
        self.consult(&mut done, options.offline);
        Ok(done)
    }

    /// The user's record. A hook, which has a deadline, waits for nobody; others say what they wait for.
    pub fn log(&self) -> Log {
        let said = |what: &str| complain(&format!("tidewaiter: {what}"));
        let patience = match self.deadline {
            Some(_) => lock::SHORT,
            None => Patience { say: Some(said), ..Patience::default() },
        };
        Log::new(&self.directories.data).with_patience(patience)
    }

    /// Takes what the rules made of something to the classifier that the policy names, and records what it said.
    pub fn consult(&self, done: &mut Deliberation, offline: bool) {
        let started = std::time::Instant::now();
        if !classifier::is_worth_asking(&done.judgement, &done.loaded.policy) {
            return;
        }
        let context = self.with_sources(done, |sources| Context::of(sources, Caps::FULL));
        let digest = Digest::sha256_of(policy_text(&done.loaded).as_bytes()).to_string();
        let asking = Asking {
            policy: &done.loaded.policy,
            policy_digest: &digest,
            environment: &self.environment,
            cache: Some(&self.directories.cache),
            deadline: self.deadline,
            offline,
        };
        let patience = process::Patience::new("asking the classifier");
        classifier::consult(&mut done.judgement, asking, |_| context);
        drop(patience);
        done.judgement.elapsed_ms += u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(event) = record::line::consulted(&done.judgement)
            && let Err(error) = self.log().append(event, Timestamp::now())
        {
            // The verdict stands; only the account of what it cost lacks a line.
            complain(&format!("tidewaiter: cannot write the record of the classifier: {error}"));
        }
    }

    /// Judges by the rules alone, and prints nothing.
    pub fn by_rules(
        &mut self,
        options: &Judging,
        judge: impl FnOnce(&Judge<'_>) -> Judgement,
    ) -> Result<Deliberation, Failure> {
        let started = std::time::Instant::now();
        if let Some(as_of) = options.as_of {
            self.environment.now = as_of;
        }
        let loaded = self.policy(options.policy.as_deref())?;
        let advisories = Lazy::new(self.advisories_directory(), self.environment.now);
        let world = RealWorld::new(self, &loaded.policy, options.offline);
        let judge_with = Judge {
            environment: &self.environment,
            files: &*self.disk,
            advisories: &advisories,
            policy: &loaded.policy,
            world: &world,
            as_of: options.as_of,
            said: self.said(&loaded.policy, options.verbose),
        };
        let patience = process::Patience::new("working out what would come in");
        let mut judgement = judge(&judge_with);
        drop(patience);
        // As above: answers are kept for as long as the process lives.
        std::mem::forget(advisories);
        judgement.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Deliberation { judgement, loaded, world })
    }

    /// What was said in the session, where a rule that is shown looks at it: a transcript is long, and read for nothing
    /// otherwise.
    pub(super) fn said(&self, policy: &policy::Policy, verbose: bool) -> Option<rules::Said<'_>> {
        let level = rules::find("named-by-tools").map(|rule| policy.level(&rule.info()).value)?;
        (verbose || level > Level::Note).then(|| self.intent.said())?
    }

    /// Calls `with` with everything that a context of a judgement is made from.
    pub fn with_sources<T>(&self, done: &Deliberation, with: impl FnOnce(&Sources<'_>) -> T) -> T {
        let installed = |invocation: &Invocation| {
            let mut there = self.environment.clone();
            if let Some(directory) = &invocation.directory {
                there.cwd = there.absolute(std::path::Path::new(directory));
            }
            done.world.interpreter(invocation, &there).installed
        };
        with(&Sources {
            judgement: &done.judgement,
            environment: &self.environment,
            files: &*self.disk,
            policy: &done.loaded.policy,
            installed: &installed,
            transcript: self.intent.transcript(),
            changed: &|path| self.intent.changed(path),
        })
    }

    /// A judgement in the form that was asked for; `terminal`: it goes to one.
    pub fn render(&self, options: &Judging, judgement: &Judgement, terminal: bool) -> String {
        match options.format {
            Format::Json => report::json::render(judgement),
            Format::Sarif => report::sarif::render(judgement, &self.environment),
            Format::Github => report::github::render(judgement, &self.environment, options.verbose),
            Format::Cyclonedx => report::cyclonedx::render(judgement, &self.environment),
            Format::Html => report::html::render(judgement, &self.environment),
            Format::Human => report::human::render(
                judgement,
                report::human::Style {
                    colour: process::colour(&self.environment, terminal),
                    width: process::width(&self.environment),
                    verbose: options.verbose,
                },
            ),
        }
    }
}

/// Every effective value of a policy and the place that set it: what its digest is of.
pub(super) fn policy_text(loaded: &Loaded) -> String {
    let shown: Vec<String> = policy::show(&loaded.policy, &rules::infos()).iter().map(ToString::to_string).collect();
    shown.join("\n")
}

/// Diagnostics on stderr, each with its place and its hint.
pub(super) fn complain_of(kind: &str, diagnostics: &[Diagnostic]) {
    for d in diagnostics {
        complain(&format!("{kind}: {}", printable(&d.to_string(), 1000)));
        if let Some(hint) = &d.hint {
            complain(&format!("  help: {}", printable(hint, 1000)));
        }
    }
}
