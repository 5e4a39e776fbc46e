//! What may be chosen for one project: its releases, oldest first, each with the files that this interpreter could
//! install. In: a project page, what is installed, the options. Out: a [`Pool`]. No dependency is looked at here.

use std::cell::RefCell;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use pubgrub::Ranges;
use rustc_hash::FxHashMap;

use super::options::Options;
use super::ranges::Spec;
use crate::ecosystem::python::version::{Version, specifiers};
use crate::ecosystem::python::wheel::{each_tag, sdist_version, wheel_version};
use crate::model::{Digest, Ecosystem, PackageName, Timestamp, normalise_name};
use crate::registry::FetchError;
use crate::registry::file_list::{FileRef, WheelRef};
use crate::registry::python::{File, Project};
use crate::resolve::Freshness;

/// Where a release comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// An index.
    Index,
    /// It is installed already.
    Installed,
    /// The source with this number in the catalog: a URL, a repository, a directory.
    Direct(usize),
}

/// One file of a release that could be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Index into [`Project::files`].
    pub(super) file: usize,
    /// Whether it is a wheel.
    pub(super) wheel: bool,
}

/// One release that could be installed.
#[derive(Debug, Clone)]
pub(super) struct Release {
    /// Its version; `0` when not known (then [`Release::any_version`]).
    pub(super) version: Version,
    /// Where it comes from.
    pub(super) from: From,
    /// Best first; empty unless from an index.
    pub(super) choices: Vec<Choice>,
    /// Whether every file that could be installed is yanked.
    pub(super) yanked: bool,
    /// The earliest upload of any of its files.
    pub(super) published: Option<Timestamp>,
    /// Its version is not known without running code, so it satisfies every specifier.
    pub(super) any_version: bool,
}

impl Release {
    /// Whether a wheel could be installed.
    pub(super) fn has_wheel(&self) -> bool {
        self.choices.first().is_some_and(|c| c.wheel)
    }
}

/// Everything that may be chosen for one project.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The project page; `None` for a pool without an index.
    pub(super) project: Option<Arc<Project>>,
    /// Ascending by version; an installed release stands after the index's release of the same version.
    pub(super) releases: Vec<Release>,
    /// Why the index gave nothing.
    pub(super) error: Option<FetchError>,
    /// Versions that exist but have no file for this interpreter or these options, ascending.
    pub(super) unfit: Vec<Version>,
    /// The earliest upload of the whole project.
    pub(super) first_published: Option<Timestamp>,
    /// Every release of the index and its earliest upload, whether this interpreter could install it or not.
    pub(super) timeline: Vec<(Version, Option<Timestamp>)>,
    sets: RefCell<FxHashMap<usize, Rc<Ranges<u32>>>>,
}

/// What a file must fit.
pub(super) struct Fit<'a> {
    /// Tag → rank, 0 is best.
    pub(super) tags: &'a FxHashMap<&'a str, u32>,
    /// The interpreter's full version.
    pub(super) python: Option<&'a Version>,
    /// The command's options.
    pub(super) options: &'a Options,
    /// `--as-of`.
    pub(super) freshness: &'a Freshness<'a>,
}

impl Pool {
    /// The pool of a project page.
    pub(super) fn from_index(name: &PackageName, project: Arc<Project>, fit: &Fit<'_>) -> Self {
        let mut builder = Builder::default();
        let wheels = fit.options.wheels_allowed(name.canonical());
        let sdists = fit.options.sdists_allowed(name.canonical());
        let mut first_published: Option<Timestamp> = None;
        let mut at = 0;
        for page in project.files.pages() {
            let mut read = Read::default();
            for file in page {
                let index = at;
                at += 1;
                let uploaded = file.upload_time();
                if !fit.freshness.exists(uploaded) {
                    continue;
                }
                first_published = earliest(first_published, uploaded);
                let wheel = file.wheel();
                let number = match &wheel {
                    Some(wheel) => read.of_wheel(wheel, name, &mut builder),
                    None => file.other_name().and_then(|n| sdist_version(n, name)).map(|v| builder.number(v)),
                };
                let Some(build) = number.and_then(|n| builder.builds.get_mut(n)) else { continue };
                build.published = earliest(build.published, uploaded);
                let rank = match &wheel {
                    Some(wheel) if wheels => read.rank(wheel, fit).map(|rank| (0, rank)),
                    None if sdists => Some((1, 0)),
                    _ => None,
                };
                match rank {
                    Some((kind, rank)) if read.python_fits(&file, fit) => build.files.push(Ranked {
                        key: (file.yanked().is_some(), kind, rank, std::cmp::Reverse(wheel.and_then(|w| w.build))),
                        file: index,
                    }),
                    _ => {}
                }
            }
        }
        let mut unfit = Vec::new();
        let mut releases = Vec::new();
        builder.builds.sort_by(|a, b| a.version.cmp(&b.version));
        let timeline = builder.builds.iter().map(|b| (b.version.clone(), b.published)).collect();
        for mut build in builder.builds {
            let version = build.version;
            if build.files.is_empty() {
                unfit.push(version);
                continue;
            }
            build.files.sort_by(|a, b| {
                let name = |r: &Ranked<'_>| project.files.get(r.file).map(|f| f.to_file()).map(|f| (f.filename, f.url));
                a.key.cmp(&b.key).then_with(|| name(a).cmp(&name(b)))
            });
            let yanked = build.files.iter().all(|f| f.key.0);
            releases.push(Release {
                version,
                from: From::Index,
                choices: build
                    .files
                    .iter()
                    .filter(|f| yanked || !f.key.0)
                    .map(|f| Choice { file: f.file, wheel: f.key.1 == 0 })
                    .collect(),
                yanked,
                published: build.published,
                any_version: false,
            });
        }
        Self {
            project: Some(project),
            releases,
            error: None,
            unfit,
            first_published,
            timeline,
            sets: RefCell::default(),
        }
    }

    /// The pool of a project that no index gives.
    pub(super) fn failed(error: FetchError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// The pool of a source named outright: nothing else may be chosen.
    pub(super) fn direct(number: usize, version: Option<Version>) -> Self {
        let any_version = version.is_none();
        let version = version.unwrap_or_else(|| Version::new([0]));
        let release = Release {
            version,
            from: From::Direct(number),
            choices: Vec::new(),
            yanked: false,
            published: None,
            any_version,
        };
        Self { releases: vec![release], ..Self::default() }
    }

    /// Adds what is installed already.
    pub(super) fn with_installed(mut self, version: Version) -> Self {
        let at = self.releases.partition_point(|r| r.version <= version);
        self.releases.insert(
            at,
            Release {
                version,
                from: From::Installed,
                choices: Vec::new(),
                yanked: false,
                published: None,
                any_version: false,
            },
        );
        self
    }

    /// A release by its index.
    pub(super) fn release(&self, index: u32) -> Option<&Release> {
        self.releases.get(index as usize)
    }

    /// A file of a release.
    pub(super) fn file(&self, choice: Choice) -> Option<File> {
        Some(self.project.as_ref()?.files.get(choice.file)?.to_file())
    }

    /// The releases that a specifier set admits, as intervals of indexes; remembered by the set's number.
    pub(super) fn set(&self, number: usize, spec: &Spec) -> Rc<Ranges<u32>> {
        if let Some(known) = self.sets.borrow().get(&number) {
            return Rc::clone(known);
        }
        let set = Rc::new(self.indexes(spec));
        self.sets.borrow_mut().insert(number, Rc::clone(&set));
        set
    }

    fn indexes(&self, spec: &Spec) -> Ranges<u32> {
        let count = u32::try_from(self.releases.len()).unwrap_or(u32::MAX);
        if self.releases.iter().any(|r| r.any_version) {
            return Ranges::between(0u32, count);
        }
        let mut out = Ranges::empty();
        for (low, high) in spec.range.iter() {
            let from = match low {
                Bound::Included(v) => self.releases.partition_point(|r| r.version < *v),
                Bound::Excluded(v) => self.releases.partition_point(|r| r.version <= *v),
                Bound::Unbounded => 0,
            };
            let to = match high {
                Bound::Included(v) => self.releases.partition_point(|r| r.version <= *v),
                Bound::Excluded(v) => self.releases.partition_point(|r| r.version < *v),
                Bound::Unbounded => self.releases.len(),
            };
            if from < to {
                let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
                out = out.union(&Ranges::between(index(from), index(to)));
            }
        }
        out
    }
}

/// The releases met so far.
#[derive(Default)]
struct Builder<'f> {
    builds: Vec<Build<'f>>,
    by_version: FxHashMap<Version, usize>,
}

struct Build<'f> {
    version: Version,
    published: Option<Timestamp>,
    files: Vec<Ranked<'f>>,
}

impl Builder<'_> {
    /// The number of a version's release.
    fn number(&mut self, version: Version) -> usize {
        *self.by_version.entry(version).or_insert_with_key(|version| {
            self.builds.push(Build { version: version.clone(), published: None, files: Vec::new() });
            self.builds.len() - 1
        })
    }
}

/// What the files of one page repeat (names, versions, tags), each read once, by the text's number.
#[derive(Default)]
struct Read {
    own_name: FxHashMap<u32, bool>,
    releases: FxHashMap<u32, Option<usize>>,
    ranks: FxHashMap<u32, Option<u32>>,
    python_ok: FxHashMap<u32, bool>,
}

impl Read {
    /// The release of a wheel; `None` for one of another project, or of a version that is none.
    fn of_wheel(&mut self, wheel: &WheelRef<'_>, name: &PackageName, builder: &mut Builder<'_>) -> Option<usize> {
        let is_own = || normalise_name(Ecosystem::PyPI, wheel.name.text) == name.canonical();
        if !*self.own_name.entry(wheel.name.number).or_insert_with(is_own) {
            return None;
        }
        let read = || wheel_version(wheel.version.text).map(|version| builder.number(version));
        *self.releases.entry(wheel.version.number).or_insert_with(read)
    }

    fn rank(&mut self, wheel: &WheelRef<'_>, fit: &Fit<'_>) -> Option<u32> {
        *self.ranks.entry(wheel.tags.number).or_insert_with(|| best_tag(wheel.tags.text, fit.tags))
    }

    fn python_fits(&mut self, file: &FileRef<'_>, fit: &Fit<'_>) -> bool {
        file.requires_python().is_none_or(|requires| {
            *self.python_ok.entry(requires.number).or_insert_with(|| python_fits(requires.text, fit.python))
        })
    }
}

type Rank<'f> = (bool, u8, u32, std::cmp::Reverse<Option<(u64, &'f str)>>);

struct Ranked<'f> {
    /// Not yanked first, wheels first, best tag first, highest build number first.
    key: Rank<'f>,
    file: usize,
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether `Requires-Python` admits the interpreter. A text that cannot be read admits it, as pip has it.
pub(super) fn python_fits(requires: &str, python: Option<&Version>) -> bool {
    match (python, specifiers(requires)) {
        (Some(python), Ok(set)) => set.contains(python, true),
        _ => true,
    }
}

/// The rank of the best of a wheel's tags; lower is better.
fn best_tag(tags: &str, known: &FxHashMap<&str, u32>) -> Option<u32> {
    let mut best: Option<u32> = None;
    each_tag(tags, |tag| {
        if let Some(rank) = known.get(tag) {
            best = Some(best.map_or(*rank, |b| b.min(*rank)));
        }
    });
    best
}

/// Whether a file is one that these digests allow: one of them is its, or it has none of their kinds to compare.
pub(super) fn digest_allowed(file: &File, wanted: &[Digest]) -> bool {
    wanted.is_empty() || {
        let comparable = file.digests.iter().any(|d| wanted.iter().any(|w| w.algorithm() == d.algorithm()));
        !comparable || file.digests.iter().any(|d| wanted.contains(d))
    }
}
