//! What holds cargo to the plan when it asks the registries itself: files that are still as they were judged, a
//! lockfile that names nothing but the plan, and archives in cargo's cache that have the plan's digests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::ecosystem::cargo::config::{Config, cargo_home};
use crate::ecosystem::cargo::lock::{LockedPackage, Lockfile};
use crate::ecosystem::cargo::source::{SourceId, SourceKind, plan_source};
use crate::ecosystem::cargo::workspace::{Workspace, find_manifest, manifest_of};
use crate::enforce::gateway::replace;
use crate::enforce::store::Hasher;
use crate::enforce::{EnforceError, Job, Upstream};
use crate::invocation::FileRole;
use crate::model::{Digest, Environment, LockIssueKind, Package, PackageId, Source, printable};
use crate::registry::crate_index::CrateSource;

/// The environment of the job, in the directory that the command names.
pub(super) fn environment(job: &Job<'_>) -> Environment {
    let mut out = job.environment.clone();
    if let Some(directory) = &job.invocation.directory {
        out.cwd = out.absolute(Path::new(directory));
    }
    out
}

/// Cargo's configuration as it was judged.
pub(super) fn configuration(job: &Job<'_>) -> Config {
    Config::read(&environment(job), job.files, &job.invocation.located_values("--config"))
}

/// The project of the command as it was judged.
pub(super) struct Project {
    pub(super) workspace: Workspace,
    pub(super) lockfile: PathBuf,
}

/// `None` for a command that has none.
pub(super) fn project(job: &Job<'_>) -> Option<Project> {
    let (invocation, environment) = (job.invocation, environment(job));
    let value = |name: &str| invocation.flag(name).and_then(|f| f.value.as_deref());
    let manifest = if invocation.verb == "install" {
        manifest_of(&environment.cwd, value("--path")?)
    } else {
        let named = invocation.files.iter().find(|f| f.role == FileRole::Manifest).map(|f| f.path.as_str());
        match named.or_else(|| value("--manifest-path")) {
            Some(path) => environment.absolute(Path::new(path)),
            None => find_manifest(&environment.cwd, job.files)?,
        }
    };
    let workspace = Workspace::find(&manifest, job.files).0;
    let lockfile = match value("--lockfile-path") {
        Some(path) => environment.absolute(Path::new(path)),
        None => workspace.lockfile(),
    };
    Some(Project { workspace, lockfile })
}

impl Project {
    /// The workspace's directory.
    pub(super) fn directory(&self) -> &Path {
        self.workspace.root.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the judgement found that the lockfile is all that the manifests ask for.
    pub(super) fn is_locked(&self, job: &Job<'_>) -> bool {
        let drift = |kind| matches!(kind, LockIssueKind::Drift | LockIssueKind::ForeignUrl);
        job.files.is_file(&self.lockfile) && !job.judgement.plan.lock_issues.iter().any(|i| drift(i.kind))
    }
}

/// Where cargo puts what it fetches: the target directory first, then a separate build directory.
pub(super) fn target_directories(job: &Job<'_>, project: Option<&Project>) -> Vec<PathBuf> {
    let (environment, config) = (environment(job), configuration(job));
    let flag = job.invocation.flag("--target-dir").and_then(|f| f.value.as_deref());
    let configured = |key: &str| {
        let value = config.get(key)?;
        // A path in a file is relative to the directory above the one that holds it.
        let base = match value.location.path() {
            Some(file) => file.parent().and_then(Path::parent).map(Path::to_owned)?,
            None => environment.cwd.clone(),
        };
        Some(base.join(&value.value))
    };
    let target = flag.map(|f| environment.absolute(Path::new(f))).or_else(|| configured("build.target-dir"));
    let target = target.or_else(|| Some(project?.directory().join("target")));
    let build = environment.variable("CARGO_BUILD_BUILD_DIR").map(|d| environment.absolute(Path::new(d)));
    let build = build.or_else(|| configured("build.build-dir"));
    // A template of cargo's own.
    target.into_iter().chain(build.filter(|d| !d.to_string_lossy().contains('{'))).collect()
}

/// Compares what decides a build with what was judged; `except` may be otherwise by now.
pub(super) fn unchanged(job: &Job<'_>, except: &[PathBuf]) -> Result<(), EnforceError> {
    let environment = environment(job);
    let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
    if let Some(project) = project(job) {
        paths.extend(project.workspace.manifests.keys().cloned());
        paths.insert(project.lockfile);
    }
    for directory in environment.cwd.ancestors() {
        for name in [".cargo/config", ".cargo/config.toml", "rust-toolchain", "rust-toolchain.toml"] {
            paths.insert(directory.join(name));
        }
    }
    if let Some(home) = cargo_home(&environment) {
        paths.extend(["config", "config.toml"].map(|name| home.join(name)));
    }
    paths.extend(configuration(job).values.iter().filter_map(|v| v.location.path()).map(Path::to_owned));
    paths.iter().filter(|p| !except.contains(p)).try_for_each(|path| job.unchanged(path))
}

/// Why a lockfile names something that was not cleared: `NAME VERSION`, and the reason.
pub(super) fn outside(lockfile: &Lockfile, packages: &[Package]) -> Option<(String, String)> {
    let mut known: BTreeMap<&PackageId, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        known.entry(&package.id).or_default().push(package);
    }
    for locked in &lockfile.packages {
        let Some(source) = &locked.source else { continue };
        let subject = format!("{} {}", locked.name, locked.version);
        let Some(id) = SourceId::parse(source) else {
            return Some((subject, format!("comes from `{source}`, which is no source that is known")));
        };
        let name = crate::model::PackageName::new(crate::model::Ecosystem::CratesIo, &locked.name);
        let all = known.get(&PackageId::new(name, &locked.version)).map(Vec::as_slice).unwrap_or_default();
        if all.is_empty() {
            return Some((subject, "is not in the cleared plan".to_owned()));
        }
        if let Err(reason) = among(locked, &id, all) {
            return Some((subject, reason));
        }
    }
    None
}

/// Whether a locked package is one of these, by its source and its bytes.
fn among(locked: &LockedPackage, id: &SourceId, all: &[&Package]) -> Result<(), String> {
    let same_source = |p: &&&Package| match (&p.source, plan_source(id)) {
        (Source::Registry { url }, _) if id.is_crates_io() => crate::registry::crate_index::is_crates_io(url),
        (Source::Git { url, commit, .. }, Source::Git { url: own, commit: precise, .. }) => {
            *url == own && *commit == precise && commit.is_some()
        }
        (planned, own) => *planned == own,
    };
    let Some(package) = all.iter().find(same_source) else {
        return Err("comes from another source than what was cleared".to_owned());
    };
    if matches!(id.kind, SourceKind::Git(_)) {
        return Ok(());
    }
    let digests: Vec<&Digest> = package.artifacts.iter().flat_map(|a| &a.digests).collect();
    let has = |checksum: &String| digests.iter().any(|d| d.hex().eq_ignore_ascii_case(checksum));
    match &locked.checksum {
        _ if digests.is_empty() => Ok(()),
        Some(checksum) if has(checksum) => Ok(()),
        Some(_) => Err("is locked with another checksum than what was cleared".to_owned()),
        None => Err("is locked without a checksum".to_owned()),
    }
}

/// The lockfile as it is now, held to the plan.
pub(super) fn within_plan(job: &Job<'_>) -> Result<(), EnforceError> {
    let Some(project) = project(job) else { return Ok(()) };
    let text = match std::fs::read_to_string(&project.lockfile) {
        Ok(text) => text,
        // Without one, `--locked` stops cargo.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(EnforceError::io(&project.lockfile)(e)),
    };
    let (lock, diagnostics) = Lockfile::read(&project.lockfile, &text);
    if let Some(diagnostic) = diagnostics.first() {
        return Err(EnforceError::unsupported(format!("{}: {}", project.lockfile.display(), diagnostic.message)));
    }
    match outside(&lock, &job.judgement.plan.packages) {
        None => Ok(()),
        Some((subject, reason)) => Err(EnforceError::unsupported(format!(
            "{}: {} {}",
            project.lockfile.display(),
            printable(&subject, 200),
            printable(&reason, 300)
        ))),
    }
}

/// The plan's archives in cargo's own cache.
#[derive(Debug, Default)]
pub(super) struct Cached {
    /// Where, with the package it is of and the digests it has to have.
    pub(super) files: Vec<(PathBuf, PackageId, Vec<Digest>)>,
    /// Planned, and not there.
    pub(super) missing: Vec<PackageId>,
}

/// Looks them up.
pub(super) fn cached(job: &Job<'_>) -> Cached {
    let mut out = Cached::default();
    let Some(home) = cargo_home(&environment(job)) else { return out };
    let Upstream::Crates { registries, .. } = job.upstream else { return out };
    let list = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    let directories: Vec<PathBuf> = list(home.join("registry").join("cache")).collect();
    for package in &job.judgement.plan.packages {
        let Source::Registry { url } = &package.source else { continue };
        let own = match crate::registry::crate_index::is_crates_io(url) {
            true => Some(&registries.default),
            false => registries.others.get(url.as_str()),
        };
        // Vendored crates and local registries are used where they are.
        let Some(CrateSource::Sparse(index)) = own.map(|r| &r.source) else { continue };
        let prefix = format!("{}-", index.host_str().unwrap_or_default());
        let ours = |d: &&PathBuf| d.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix));
        let mut found = false;
        for artifact in &package.artifacts {
            for directory in directories.iter().filter(ours) {
                let path = directory.join(&artifact.filename);
                if path.is_file() {
                    out.files.push((path, package.id.clone(), artifact.digests.clone()));
                    found = true;
                }
            }
        }
        if !found {
            out.missing.push(package.id.clone());
        }
    }
    out
}

/// A file as a line of the memory: length, time of the last change, path.
fn line(meta: &Metadata, path: &Path) -> String {
    let time = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {} {}", meta.len(), time.as_nanos(), path.display())
}

/// Which archives of one lockfile were fetched and verified, as they were then. It spares a second run the questions.
pub(super) struct Memory {
    path: PathBuf,
    known: BTreeSet<String>,
}

impl Memory {
    /// Of the job's lockfile as it is now, and the platforms that it is fetched for.
    pub(super) fn of(job: &Job<'_>) -> Option<Self> {
        let environment = environment(job);
        let lock = std::fs::read(project(job)?.lockfile).ok()?;
        let mut text = lock;
        for part in [cargo_home(&environment)?.as_os_str(), job.program.as_os_str()] {
            text.extend([0]);
            text.extend(part.as_encoded_bytes());
        }
        for target in targets(job) {
            text.extend([0]);
            text.extend(target.bytes());
        }
        let path = job.cache.join("cargo").join(Digest::sha256_of(&text).hex());
        let known = std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
        Some(Self { path, known })
    }

    /// Whether everything that a fetch brought is still there, unchanged.
    pub(super) fn holds(&self) -> bool {
        let still = |known: &String| {
            let path = known.splitn(3, ' ').nth(2).map(Path::new);
            path.is_some_and(|p| std::fs::metadata(p).is_ok_and(|meta| line(&meta, p) == *known))
        };
        !self.known.is_empty() && self.known.iter().all(still)
    }

    fn keep(&self, known: &BTreeSet<String>) {
        let text = known.iter().fold(String::new(), |text, line| text + line + "\n");
        // Without it the next run only takes longer.
        if let Some(directory) = self.path.parent()
            && std::fs::create_dir_all(directory).is_ok()
        {
            let _ = replace(&self.path, text.as_bytes());
        }
    }
}

/// The targets that are built for beside the host, by flag, variable or configuration.
pub(super) fn targets(job: &Job<'_>) -> Vec<String> {
    let flags: Vec<String> = job.invocation.values("--target").map(str::to_owned).collect();
    if !flags.is_empty() {
        return flags;
    }
    let configured = configuration(job).get("build.target").map(|v| v.value.clone()).unwrap_or_default();
    configured.split_whitespace().map(str::to_owned).collect()
}

/// Every archive of the plan in cargo's cache has the digest that was judged, or nothing is built: cargo itself looks
/// at the checksum only when it downloads.
pub(super) fn verified(job: &Job<'_>) -> Result<(), EnforceError> {
    let memory = Memory::of(job);
    let mut known = BTreeSet::new();
    for (path, _, digests) in cached(job).files {
        let failed = |e| EnforceError::io(&path)(e);
        let meta = std::fs::metadata(&path).map_err(failed)?;
        let line = line(&meta, &path);
        if memory.as_ref().is_none_or(|m| !m.known.contains(&line)) && !has(&path, &digests).map_err(failed)? {
            return Err(EnforceError::unsupported(format!(
                "{} is not what was judged; remove it, and it is fetched again",
                printable(&path.display().to_string(), 400)
            )));
        }
        known.insert(line);
    }
    if let Some(memory) = memory.filter(|m| m.known != known) {
        memory.keep(&known);
    }
    Ok(())
}

fn has(path: &Path, digests: &[Digest]) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Hasher::new(digests);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish().matches(digests)),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::model::{
        Artifact, ArtifactKind, DigestAlgorithm, Ecosystem, Location, LockState, Origin, PackageName, Pinning,
    };

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn planned(name: &str, source: &str, digest: Option<&str>) -> Package {
        Package {
            id: PackageId::new(PackageName::new(Ecosystem::CratesIo, name), "1.0.0"),
            source: plan_source(&SourceId::parse(source).unwrap()),
            direct: false,
            depth: 1,
            required_by: Vec::new(),
            origin: Origin { text: String::new(), range: None, location: Location::built_in() },
            pinning: Pinning::Range,
            lock: LockState::Unlocked,
            development: false,
            published_at: None,
            first_published_at: None,
            withdrawn: None,
            artifacts: vec![Artifact {
                kind: ArtifactKind::Crate,
                filename: format!("{name}-1.0.0.crate"),
                url: String::new(),
                digests: digest.map(|d| Digest::from_hex(DigestAlgorithm::Sha256, d).unwrap()).into_iter().collect(),
                size: None,
                published_at: None,
            }],
            executes: Vec::new(),
            also_in: Vec::new(),
            history: None,
        }
    }

    fn locked(name: &str, source: &str, checksum: &str) -> Lockfile {
        let checksum = if checksum.is_empty() { String::new() } else { format!("checksum = \"{checksum}\"\n") };
        let text = format!(
            "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\n\
             [[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n{checksum}"
        );
        Lockfile::read(Path::new("/p/Cargo.lock"), &text).0
    }

    #[test]
    fn a_lockfile_is_held_to_name_version_source_and_bytes() {
        let (own, git) = ("sparse+https://r.example/index/", "git+https://h.example/a?branch=x#0123");
        let plan = [planned("a", CRATES_IO, Some(A)), planned("b", own, Some(A)), planned("c", git, None)];
        let why = |lock: Lockfile| outside(&lock, &plan).map(|(subject, reason)| format!("{subject} {reason}"));
        assert_eq!(why(locked("a", CRATES_IO, A)), None);
        assert_eq!(why(locked("a", "sparse+https://index.crates.io/", A)), None, "one place by two names");
        assert_eq!(why(locked("b", own, A)), None);
        assert_eq!(why(locked("c", git, "")), None);
        for (lock, expected) in [
            (locked("z", CRATES_IO, A), "z 1.0.0 is not in the cleared plan"),
            (locked("a", CRATES_IO, B), "a 1.0.0 is locked with another checksum than what was cleared"),
            (locked("a", CRATES_IO, ""), "a 1.0.0 is locked without a checksum"),
            (locked("a", own, A), "a 1.0.0 comes from another source than what was cleared"),
            (locked("b", CRATES_IO, A), "b 1.0.0 comes from another source than what was cleared"),
            (locked("a", git, ""), "a 1.0.0 comes from another source than what was cleared"),
            (
                locked("c", "git+https://h.example/a?branch=x#4567", ""),
                "c 1.0.0 comes from another source than what was cleared",
            ),
            (locked("a", "odd", A), "a 1.0.0 comes from `odd`, which is no source that is known"),
        ] {
            assert_eq!(why(lock).as_deref(), Some(expected));
        }
    }
}
