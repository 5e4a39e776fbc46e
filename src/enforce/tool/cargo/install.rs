//! `cargo install`: through the gateway, in a `CARGO_HOME` of its own, into a root of its own; and when all of it is
//! built, programs and records are put where the user has them.
//!
//! Build scripts run meanwhile, and must not reach the directory that is on the user's PATH. Cargo writes the records
//! itself: its own root begins with the user's records and with a mark for each program that is there, so that it says
//! what it would say.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::{Prepared, Then};
use super::{directory, held, private_home, redirected, through_gateway, words};
use crate::ecosystem::cargo::config::cargo_home;
use crate::enforce::gateway::Gateway;
use crate::enforce::{EnforceError, Job, Step};

/// What cargo records, in the root.
const RECORDS: [&str; 2] = [".crates.toml", ".crates2.json"];

pub(super) fn prepare(job: &Job<'_>, gateway: Option<&Gateway>) -> Result<Prepared, EnforceError> {
    let Some(gateway) = gateway else {
        let reason = "no local port can be opened here, and cargo install has no lockfile that could hold it";
        return Err(EnforceError::unsupported(reason));
    };
    if job.invocation.flag("--git").is_some() {
        let reason = "what cargo install --git brings in is known only from a checkout";
        return Err(EnforceError::unsupported(reason));
    }
    let Some(root) = root(job) else {
        return Err(EnforceError::unsupported("there is no directory to install into: HOME is not set"));
    };
    let home = private_home(job)?;
    let apart = Apart::new(root)?;
    let mut step = Step::of(job);
    let arguments = words::without(&words::without_value(job.arguments, "--root"), &["--offline", "--frozen"]);
    let mut more: Vec<OsString> = redirected(job, gateway)?.into_iter().map(OsString::from).collect();
    more.extend(["--root".into(), apart.directory.path().join("root").into()]);
    if job.invocation.flag("--frozen").is_some() {
        more.push("--locked".into());
    }
    let environment = held::environment(job);
    let configured = held::configuration(job).get("build.target-dir").is_some();
    let given = job.invocation.flag("--target-dir").is_some() || environment.variable("CARGO_TARGET_DIR").is_some();
    if given || configured || job.invocation.flag("--path").is_some() {
        step.write.extend(held::target_directories(job, held::project(job).as_ref()));
    } else {
        // Cargo makes one in the temporary directory; here it is ours, and goes with the rest.
        more.extend(["--target-dir".into(), apart.directory.path().join("target").into()]);
    }
    step.arguments = words::trailed(&arguments, &more);
    through_gateway(&mut step, home.path());
    if let Some(path) = apart.path_for_cargo(&environment) {
        step.set("PATH", path);
    }
    step.directory = directory(job);
    step.runs_packages = true;
    step.write.extend([home.path().to_owned(), apart.directory.path().to_owned()]);
    Ok(Prepared {
        steps: vec![step],
        keep: vec![home],
        then: (!job.invocation.dry_run).then(|| Then::new(move |job, _| placed(job, apart))),
        ..Prepared::default()
    })
}

/// The programs are put in their place, and people are told which: cargo has named the root of its own.
fn placed(job: &Job<'_>, apart: Apart) -> Result<Prepared, EnforceError> {
    let bin = apart.root.join("bin");
    let programs = apart.finish()?;
    let path = job.environment.variable("PATH").unwrap_or_default();
    let missing = if std::env::split_paths(path).any(|p| p == bin) { "" } else { ", which is not on your PATH" };
    let verb = if programs.len() == 1 { "is" } else { "are" };
    let sentence = format!("{} {verb} in {}{missing}", programs.join(", "), bin.display());
    Ok(Prepared { said: if programs.is_empty() { Vec::new() } else { vec![sentence] }, ..Prepared::default() })
}

/// Where programs are installed: `--root`, `CARGO_INSTALL_ROOT`, `install.root`, `CARGO_HOME`.
fn root(job: &Job<'_>) -> Option<PathBuf> {
    let environment = held::environment(job);
    if let Some(root) = job.invocation.flag("--root").and_then(|f| f.value.as_deref()) {
        return Some(environment.absolute(Path::new(root)));
    }
    if let Some(root) = environment.variable("CARGO_INSTALL_ROOT").filter(|r| !r.is_empty()) {
        return Some(environment.absolute(Path::new(root)));
    }
    let config = held::configuration(job);
    let configured = config.get("install.root").and_then(|v| {
        let base = v.location.path().and_then(Path::parent).and_then(Path::parent).unwrap_or(&environment.cwd);
        Some(base.join(&v.value)).filter(|_| !v.value.is_empty())
    });
    configured.or_else(|| cargo_home(&environment))
}

/// A root of its own, and the user's.
struct Apart {
    directory: tempfile::TempDir,
    root: PathBuf,
    /// The records that it began with.
    began: Vec<Option<Vec<u8>>>,
    /// The programs that were there.
    present: BTreeSet<OsString>,
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, EnforceError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EnforceError::io(path)(e)),
    }
}

fn programs(directory: &Path) -> BTreeSet<OsString> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.file_name()).collect()
}

impl Apart {
    fn new(root: PathBuf) -> Result<Self, EnforceError> {
        let made = tempfile::Builder::new().prefix("tidewaiter-install-").tempdir();
        let directory = made.map_err(EnforceError::io(std::env::temp_dir()))?;
        let own = directory.path().join("root");
        std::fs::create_dir_all(own.join("bin")).map_err(EnforceError::io(&own))?;
        let mut began = Vec::new();
        for name in RECORDS {
            let bytes = read(&root.join(name))?;
            if let Some(bytes) = &bytes {
                std::fs::write(own.join(name), bytes).map_err(EnforceError::io(own.join(name)))?;
            }
            began.push(bytes);
        }
        let present = programs(&root.join("bin"));
        for name in &present {
            let path = own.join("bin").join(name);
            std::fs::write(&path, b"").map_err(EnforceError::io(path))?;
        }
        Ok(Self { directory, root, began, present })
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("root").join("bin")
    }

    /// PATH, with the directory of its own: else cargo would say that it is not there.
    fn path_for_cargo(&self, environment: &crate::model::Environment) -> Option<OsString> {
        let path = environment.variable("PATH").unwrap_or_default();
        std::env::join_paths(std::env::split_paths(path).chain([self.bin()])).ok()
    }

    /// Puts what was built where the user has it: the programs, then the records that name them.
    fn finish(self) -> Result<Vec<String>, EnforceError> {
        let own = self.directory.path().join("root");
        let (from, to) = (self.bin(), self.root.join("bin"));
        for (name, began) in RECORDS.iter().zip(&self.began) {
            if read(&self.root.join(name))? != *began {
                let path = self.root.join(name);
                let reason = format!("{} was changed by another installation meanwhile", path.display());
                return Err(EnforceError::unsupported(format!("{reason}; run the command again")));
            }
        }
        std::fs::create_dir_all(&to).map_err(EnforceError::io(&to))?;
        let (built, mut put_there) = (programs(&from), Vec::new());
        for name in &built {
            let (source, target) = (from.join(name), to.join(name));
            let meta = std::fs::symlink_metadata(&source).map_err(EnforceError::io(&source))?;
            // A mark is empty; what was built is not.
            if meta.is_file() && meta.len() > 0 {
                put(&source, &target).map_err(EnforceError::io(&target))?;
                put_there.push(name.to_string_lossy().into_owned());
            }
        }
        // A new version may have fewer programs: cargo took their marks away.
        for name in self.present.difference(&built) {
            let path = to.join(name);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(EnforceError::io(path)(e)),
                _ => {}
            }
        }
        for (name, began) in RECORDS.iter().zip(&self.began) {
            let now = read(&own.join(name))?;
            if now.is_some_and(|now| began.as_ref() != Some(&now)) {
                let path = self.root.join(name);
                put(&own.join(name), &path).map_err(EnforceError::io(path))?;
            }
        }
        Ok(put_there)
    }
}

/// A file in its place, whole or not at all, also when it is running.
fn put(source: &Path, target: &Path) -> std::io::Result<()> {
    let directory = target.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    std::io::copy(&mut std::fs::File::open(source)?, &mut file)?;
    file.as_file().set_permissions(std::fs::metadata(source)?.permissions())?;
    file.as_file().sync_data()?;
    file.persist(target).map_err(|e| e.error)?;
    Ok(())
}
