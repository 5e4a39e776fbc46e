//! The plan: the closed set of artifacts that a command would bring in, and what stopped it from
//! being complete. The plan is what is judged, approved, recorded and enforced.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Digest, Location, PackageId, PackageName, ReleaseHistory, Source, Timestamp};

/// How tightly a requirement fixes what it gets. Order is loosest first (contract: floating < range < exact < exact+hash).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pinning {
    /// No version at all, `*`, `latest`, a branch.
    Floating,
    /// A range.
    Range,
    /// One version, or a full git commit.
    Exact,
    /// One version and a digest of its bytes.
    ExactHash,
}

/// Whether a lockfile decided the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockState {
    /// No lockfile entry: resolved now.
    Unlocked,
    /// A lockfile entry decided the version; it records no digest.
    Locked,
    /// A lockfile entry decided the version and records a digest.
    LockedWithDigest,
}

/// What asked for a package: the text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The requirement as written: `requests>=2,<3`, `react@^19`, `serde = "1"`.
    pub text: String,
    /// Only its version range, in the ecosystem's own syntax (`>=2,<3`, `^19`, `1`); empty means any.
    /// `None` when the requirement names no registry version (git, URL, path).
    pub range: Option<String>,
    /// File and position, or the word of argv.
    pub location: Location,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactKind {
    /// A Python wheel.
    Wheel,
    /// A Python source distribution.
    Sdist,
    /// An npm package tarball.
    Tgz,
    /// A `.crate` file.
    Crate,
    /// An archive of another kind.
    Archive,
}

/// One file that the installer may fetch for a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// File name without directories.
    pub filename: String,
    /// Where the registry says it is, without credentials.
    pub url: String,
    /// Digests the registry or the lockfile vouches for, strongest first. Empty: unhashed.
    pub digests: Vec<Digest>,
    /// Bytes, when the registry says.
    pub size: Option<u64>,
    /// When this file was uploaded.
    pub published_at: Option<Timestamp>,
}

/// Code of the package that runs while it is installed or built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Execution {
    /// An npm lifecycle script of this name (`preinstall`, `install`, `postinstall`, `prepare`).
    LifecycleScript(Arc<str>),
    /// Hooks that the tool itself loads and runs: `pnpmfile.cjs` of a configuration dependency.
    ToolHook,
    /// npm's implicit `node-gyp rebuild` (a `binding.gyp` and no install script).
    NodeGyp,
    /// npm metadata says that there is an install script, not which one.
    InstallScript,
    /// A Python sdist: its build backend runs.
    PythonBuild,
    /// A Rust build script.
    BuildScript,
    /// A Rust procedural macro.
    ProcMacro,
    /// A wheel's `.pth` line or `sitecustomize` that runs at every interpreter start.
    StartupHook,
    /// The same, where it is byte for byte what this project is known to ship.
    KnownStartupHook,
}

impl Execution {
    /// The word for it in the verdict's `executes`.
    pub fn word(&self) -> &str {
        match self {
            Self::LifecycleScript(name) => name,
            Self::ToolHook => "pnpmfile",
            Self::NodeGyp => "node-gyp",
            Self::InstallScript => "install-script",
            Self::PythonBuild => "build-backend",
            Self::BuildScript => "build.rs",
            Self::ProcMacro => "proc-macro",
            Self::StartupHook | Self::KnownStartupHook => "startup-hook",
        }
    }
}

/// One release that the command would bring in, with everything known about it that a rule may weigh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name and exact version. For a git or URL source whose version is not known statically: `0`.
    pub id: PackageId,
    /// Where its bytes come from.
    pub source: Source,
    /// Whether the command, or a manifest it reads, asks for it by name.
    pub direct: bool,
    /// Steps from the nearest direct requirement; 0 for a direct one.
    pub depth: u32,
    /// The releases that require it; sorted.
    pub required_by: Vec<PackageId>,
    /// The requirement that brought it in first.
    pub origin: Origin,
    /// How tightly `origin` fixes it.
    pub pinning: Pinning,
    /// Whether a lockfile decided it.
    pub lock: LockState,
    /// Only needed for development, tests or builds of the project itself.
    pub development: bool,
    /// When this release was published (the earliest of its files).
    pub published_at: Option<Timestamp>,
    /// When the project's first release was published, when the registry tells.
    pub first_published_at: Option<Timestamp>,
    /// The registry's reason, when the release is yanked or deprecated (may be empty text).
    pub withdrawn: Option<String>,
    /// Every file the installer may choose from.
    pub artifacts: Vec<Artifact>,
    /// What of it runs at install, as far as the registry tells.
    pub executes: Vec<Execution>,
    /// Other configured registries that also have a package of this name, or that the tool would ask for it although
    /// it is private (base URLs): dependency confusion.
    pub also_in: Vec<String>,
    /// The release among the others of its project, when a resolver looked.
    pub history: Option<Box<ReleaseHistory>>,
}

/// A release that the cooldown left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldBack {
    /// The package.
    pub name: PackageName,
    /// The version that would have been chosen.
    pub version: String,
    /// The version chosen instead.
    pub instead: Option<String>,
    /// The rule that held it: `cooldown`.
    pub rule: &'static str,
    /// Why, for people: `published 3 days ago`.
    pub reason: String,
}

/// A requirement that could not be turned into packages. One of these makes the plan incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The requirement's text.
    pub requirement: String,
    /// The name in it, when there is one.
    pub name: Option<PackageName>,
    /// Its version range in the ecosystem's own syntax, as in [`Origin::range`]: a requirement that only a release
    /// known to be malicious could satisfy is reported as such, although the registry has removed the release.
    pub range: Option<String>,
    /// Where it stands.
    pub location: Option<Location>,
    /// What kind of failure this is.
    pub cause: UnresolvedCause,
    /// For people: a lower-case fragment.
    pub reason: String,
}

/// Why a requirement could not be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnresolvedCause {
    /// The registry has no package of this name.
    UnknownPackage,
    /// The package exists, no version of it satisfies the requirement.
    NoMatchingVersion,
    /// The requirements contradict each other.
    Conflict,
    /// The metadata exists only by running the package's code (sdist, git dependency).
    NeedsExecution,
    /// The policy calls the name private, and only a public registry could be asked for it: it was not.
    PrivateName,
    /// The registry did not answer, or not in time.
    Unreachable,
    /// The registry or a file answered with something that cannot be read.
    Malformed,
    /// A kind of requirement or file that this tool does not resolve.
    Unsupported,
    /// Past a limit on size, count or time.
    LimitExceeded,
}

/// A signal that a registry does not give: never the same as "clean".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignalGap {
    /// The signal: `published-at`, `first-published-at`, `provenance`, `publisher`, `install-script`, `digest`,
    /// `startup-hook`, `bundled`.
    pub signal: &'static str,
    /// The registry's base URL.
    pub registry: String,
    /// Why, for people.
    pub reason: String,
}

/// A disagreement between a lockfile and its manifest, or between a lockfile and the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockIssue {
    /// What disagrees.
    pub kind: LockIssueKind,
    /// The locked release, when one is concerned.
    pub package: Option<PackageId>,
    /// Where in the lockfile (or manifest, for a requirement that the lockfile lacks).
    pub location: Location,
    /// What the manifest or registry says.
    pub expected: String,
    /// What the lockfile says.
    pub found: String,
}

/// What kind of [`LockIssue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockIssueKind {
    /// Manifest and lockfile disagree: the install will change the lockfile, or refuse.
    Drift,
    /// The locked URL is not one that the registry gives for this release.
    ForeignUrl,
    /// The locked digest is not the registry's.
    DigestMismatch,
    /// The registry has no such release.
    UnknownRelease,
    /// A locked name and the package inside the locked URL differ (lockfile injection).
    NameMismatch,
}

/// What is known of the Python interpreter that would receive the packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterpreterFacts {
    /// The interpreter's path; `None` when the facts were derived, not asked.
    pub executable: Option<PathBuf>,
    /// PEP 508 environment markers: `python_version` → `3.11`, …
    pub markers: Vec<(String, String)>,
    /// Wheel tags (`cp311-cp311-manylinux_2_36_x86_64`), best first.
    pub tags: Vec<String>,
    /// Distributions already installed there (canonical name, version); they satisfy requirements as pip has it.
    pub installed: Vec<(String, String)>,
    /// The directories in which `installed` was found.
    pub site_packages: Vec<PathBuf>,
    /// What was assumed, for people: lower-case fragments. Empty when the interpreter itself was asked.
    pub assumed: Vec<String>,
}

/// The closed set of releases that a command would bring in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Sorted by id, then by source.
    pub packages: Vec<Package>,
    /// What the cooldown left out; sorted.
    pub held_back: Vec<HeldBack>,
    /// What could not be resolved.
    pub unresolved: Vec<Unresolved>,
    /// Where lockfile, manifest and registry disagree.
    pub lock_issues: Vec<LockIssue>,
    /// What the registries do not tell; sorted, without repetition.
    pub signal_gaps: Vec<SignalGap>,
}

impl Package {
    /// Takes in what another plan says of the same release from the same source.
    fn join(&mut self, other: Self) {
        self.required_by.extend(other.required_by);
        for artifact in other.artifacts {
            if !self.artifacts.contains(&artifact) {
                self.artifacts.push(artifact);
            }
        }
        self.executes.extend(other.executes);
        self.also_in.extend(other.also_in);
        self.history = self.history.take().or(other.history);
        if other.depth < self.depth || (other.direct && !self.direct) {
            self.depth = other.depth;
            self.origin = other.origin;
            self.pinning = other.pinning;
        }
        self.direct |= other.direct;
        self.development &= other.development;
    }
}

impl Plan {
    /// Whether everything that the command would bring in is known.
    pub fn complete(&self) -> bool {
        self.unresolved.is_empty()
    }

    /// Puts every list into its documented order, and removes repetition. Resolvers call this last.
    pub fn normalise(&mut self) {
        for package in &mut self.packages {
            package.required_by.sort();
            package.required_by.dedup();
            package.executes.sort();
            package.executes.dedup();
            package.also_in.sort();
            package.also_in.dedup();
            package.artifacts.sort_by(|a, b| (&a.filename, &a.url).cmp(&(&b.filename, &b.url)));
        }
        // Without a buffer of its own: most plans are in order already, and packages are large.
        self.packages.sort_unstable_by(|a, b| (&a.id, &a.source, a.depth).cmp(&(&b.id, &b.source, b.depth)));
        self.held_back.sort();
        self.held_back.dedup();
        self.unresolved
            .sort_by(|a, b| (&a.requirement, &a.location, &a.reason).cmp(&(&b.requirement, &b.location, &b.reason)));
        self.unresolved.dedup();
        self.signal_gaps.sort();
        self.signal_gaps.dedup();
    }

    /// Joins another plan into this one: the same release from the same source becomes one entry, at its smallest depth.
    pub fn merge(&mut self, other: Self) {
        // What is the same comes to stand together, this plan's own first.
        if self.packages.is_empty() {
            self.packages = other.packages;
        } else {
            self.packages.extend(other.packages);
        }
        let same = |a: &Package, b: &Package| a.id == b.id && a.source == b.source;
        if !self.packages.is_sorted_by(|a, b| (&a.id, &a.source) <= (&b.id, &b.source)) {
            self.packages.sort_by(|a, b| (&a.id, &a.source).cmp(&(&b.id, &b.source)));
        }
        if self.packages.windows(2).any(|pair| matches!(pair, [a, b] if same(a, b))) {
            self.join_neighbours();
        }
        self.held_back.extend(other.held_back);
        self.unresolved.extend(other.unresolved);
        self.lock_issues.extend(other.lock_issues);
        self.signal_gaps.extend(other.signal_gaps);
        self.normalise();
    }

    /// Makes one package of those that stand together and are the same release from the same source, as one release
    /// at many places of a tree is. The plan is in its order before and after.
    pub fn join_neighbours(&mut self) {
        let mut joined: Vec<Package> = Vec::with_capacity(self.packages.len());
        for package in std::mem::take(&mut self.packages) {
            match joined.last_mut().filter(|last| last.id == package.id && last.source == package.source) {
                Some(same) => same.join(package),
                None => joined.push(package),
            }
        }
        self.packages = joined;
        self.normalise();
    }

    /// The plan's identity: SHA-256 over what would be installed and from where. Depends on ids, sources,
    /// artifact names and digests, and on what is unresolved; not on times, order, or where a requirement stands.
    pub fn digest(&self) -> Digest {
        use std::fmt::Write as _;
        // One text for all lines: a plan of a thousand packages has some thousand of them. Writing to a `String` does
        // not fail.
        let mut text = String::with_capacity(self.packages.len() * 256);
        let mut ends: Vec<usize> = Vec::with_capacity(self.packages.len() * 3);
        for p in &self.packages {
            let purl = p.id.purl();
            for word in ["package ", &purl, " ", p.source.kind(), " ", &p.source.url()] {
                text.push_str(word);
            }
            ends.push(text.len());
            if let Source::Git { commit, reference, .. } = &p.source {
                let _ = write!(text, "git {purl} {reference:?} {commit:?}");
                ends.push(text.len());
            }
            for a in &p.artifacts {
                for word in ["artifact ", &purl, " "] {
                    text.push_str(word);
                }
                let _ = write!(text, "{:?} ", a.filename);
                for (n, digest) in a.digests.iter().enumerate() {
                    for word in [if n == 0 { "" } else { " " }, digest.algorithm().name(), ":", &digest.hex()] {
                        text.push_str(word);
                    }
                }
                ends.push(text.len());
            }
        }
        for u in &self.unresolved {
            let _ = write!(text, "unresolved {:?} {:?}", u.requirement, u.cause);
            ends.push(text.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut lines: Vec<&str> = starts.zip(&ends).filter_map(|(start, end)| text.get(start..*end)).collect();
        lines.sort_unstable();
        lines.dedup();
        Digest::sha256_of(lines.join("\n").as_bytes())
    }
}
