//! Cargo's resolution: a depth-first search with backtracking over [`Universe`], most constrained dependency first.
//!
//! In: the root packages with what is asked of them. Out: a [`Solution`], or the dependency that cannot be met. The
//! order of the search is Cargo's, so that the first solution found is the one that Cargo would write; what is
//! remembered of failures only leaves out branches that hold no solution. Work is capped.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::features::{Asked, Enabled, enable};
use super::universe::{Dependency, PackageIx, SourceIx, Universe};
use crate::ecosystem::cargo::version::Track;
use crate::registry::FetchError;

/// More steps than this are not taken. Large public workspaces need a few thousand.
const MAX_STEPS: u32 = 150_000;

/// An edge of the graph.
pub(super) struct Edge {
    pub(super) from: PackageIx,
    pub(super) to: PackageIx,
    pub(super) dependency: Rc<Dependency>,
}

/// A requirement that had to be left out for the rest to be resolved.
pub(super) struct Problem {
    pub(super) from: PackageIx,
    pub(super) dependency: Rc<Dependency>,
    pub(super) kind: ProblemKind,
}

/// Why it was left out.
pub(super) enum ProblemKind {
    /// The registry's answer.
    Fetch(FetchError),
    /// No release fits.
    NoVersion,
}

/// What was chosen.
#[derive(Default)]
pub(super) struct Solution {
    pub(super) edges: Vec<Edge>,
    pub(super) packages: BTreeSet<PackageIx>,
    pub(super) problems: Vec<Problem>,
}

/// Why there is no solution.
pub(super) enum Failure {
    /// No candidate of a dependency fits beside what was chosen.
    Conflict { from: PackageIx, dependency: Rc<Dependency>, with: Vec<PackageIx>, no_candidates: bool },
    /// A root lacks a feature that was asked of it.
    MissingFeature { package: PackageIx, feature: Rc<str> },
    /// Too many steps.
    Limit,
}

/// A dependency, its candidates, and the features asked of it.
#[derive(Clone)]
struct Choice {
    dependency: Rc<Dependency>,
    candidates: Rc<Vec<PackageIx>>,
    features: Rc<BTreeSet<Rc<str>>>,
}

/// What remains to be chosen for one package.
#[derive(Clone)]
struct Siblings {
    parent: PackageIx,
    choices: Rc<Vec<Choice>>,
    next: usize,
}

impl Siblings {
    fn fewest(&self) -> usize {
        self.choices.get(self.next).map_or(0, |c| c.candidates.len())
    }

    fn rest(&self) -> &[Choice] {
        self.choices.get(self.next..).unwrap_or_default()
    }
}

type Slot = (Rc<str>, SourceIx, Track);

/// One change, to be undone.
enum Undo {
    Activation(Slot),
    Link(Rc<str>),
    Features(PackageIx, Option<Rc<BTreeSet<Rc<str>>>>),
    Queued((usize, u32)),
    Taken((usize, u32), Siblings),
    Edge,
}

/// A point to go back to.
struct Mark {
    trail: usize,
    age: u32,
    candidates: Rc<Vec<PackageIx>>,
    next: usize,
    parent: PackageIx,
    choice: Choice,
    conflicts: BTreeSet<PackageIx>,
}

/// A dependency as the memory of failures knows it.
type Remembered = (Rc<str>, SourceIx, Rc<str>, Rc<BTreeSet<Rc<str>>>, bool);

struct Search<'u, 'a> {
    universe: &'u mut Universe<'a>,
    active: FxHashMap<Slot, (PackageIx, u32)>,
    age: u32,
    links: FxHashMap<Rc<str>, PackageIx>,
    features: FxHashMap<PackageIx, Rc<BTreeSet<Rc<str>>>>,
    remaining: BTreeMap<(usize, u32), Siblings>,
    time: u32,
    trail: Vec<Undo>,
    edges: Vec<Edge>,
    roots: FxHashSet<PackageIx>,
    enabled: FxHashMap<(PackageIx, Asked), Result<Rc<Enabled>, Rc<str>>>,
    past: FxHashMap<Remembered, Vec<BTreeSet<PackageIx>>>,
    problems: BTreeMap<(PackageIx, Rc<str>, Rc<str>), Problem>,
}

/// Resolves the roots.
pub(super) fn solve(universe: &mut Universe<'_>, roots: &[(PackageIx, Asked)]) -> Result<Solution, Failure> {
    let mut search = Search {
        universe,
        active: FxHashMap::default(),
        age: 0,
        links: FxHashMap::default(),
        features: FxHashMap::default(),
        remaining: BTreeMap::new(),
        time: 0,
        trail: Vec::new(),
        edges: Vec::new(),
        roots: roots.iter().map(|(p, _)| *p).collect(),
        enabled: FxHashMap::default(),
        past: FxHashMap::default(),
        problems: BTreeMap::new(),
    };
    for (root, asked) in roots {
        match search.activate(*root, asked) {
            Ok(Some(siblings)) => search.queue(siblings),
            Ok(None) => {}
            Err(feature) => return Err(Failure::MissingFeature { package: *root, feature }),
        }
    }
    search.run()?;
    let packages = search.active.values().map(|(p, _)| *p).collect();
    let problems = search.problems.into_values().collect();
    Ok(Solution { edges: search.edges, packages, problems })
}

impl Search<'_, '_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut marks: Vec<Mark> = Vec::new();
        let mut steps = 0u32;
        while let Some((parent, choice)) = self.take() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(Failure::Limit);
            }
            let (mut parent, mut choice, mut next) = (parent, choice, 0);
            let mut conflicts: BTreeSet<PackageIx> = BTreeSet::new();
            let mut resumed = false;
            loop {
                let Some((candidate, at)) = self.next_candidate(&choice, next, &mut conflicts) else {
                    if !resumed {
                        self.remember(&choice, &conflicts);
                    }
                    let deepest = if resumed { None } else { self.deepest(parent, &conflicts) };
                    let Some(mark) = self.back(&mut marks, deepest) else {
                        let no_candidates = choice.candidates.is_empty();
                        let with = conflicts.into_iter().collect();
                        return Err(Failure::Conflict {
                            from: parent,
                            dependency: choice.dependency,
                            with,
                            no_candidates,
                        });
                    };
                    steps += 1;
                    if steps > MAX_STEPS {
                        return Err(Failure::Limit);
                    }
                    parent = mark.parent;
                    choice = mark.choice;
                    next = mark.next;
                    conflicts = mark.conflicts;
                    resumed = true;
                    continue;
                };
                next = at + 1;
                let before = (self.trail.len(), self.age);
                self.edges.push(Edge { from: parent, to: candidate, dependency: Rc::clone(&choice.dependency) });
                self.trail.push(Undo::Edge);
                let asked = Asked {
                    features: Rc::clone(&choice.features),
                    default: choice.dependency.default_features,
                    ..Asked::default()
                };
                let good = match self.activate(candidate, &asked) {
                    Err(_missing) => {
                        conflicts.insert(parent);
                        false
                    }
                    Ok(None) => true,
                    Ok(Some(siblings)) => match self.doomed(candidate, &siblings) {
                        Some(known) => {
                            conflicts.extend(known);
                            false
                        }
                        None => {
                            self.queue(siblings);
                            true
                        }
                    },
                };
                if good {
                    if next < choice.candidates.len() {
                        marks.push(Mark {
                            trail: before.0,
                            age: before.1,
                            candidates: Rc::clone(&choice.candidates),
                            next,
                            parent,
                            choice,
                            conflicts,
                        });
                    }
                    break;
                }
                self.undo(before.0);
                self.age = before.1;
            }
        }
        Ok(())
    }

    /// The next dependency: of the package whose remaining dependencies have the fewest candidates, the oldest first.
    fn take(&mut self) -> Option<(PackageIx, Choice)> {
        while let Some((key, siblings)) = self.remaining.pop_first() {
            self.trail.push(Undo::Taken(key, siblings.clone()));
            if let Some(choice) = siblings.choices.get(siblings.next).cloned() {
                let rest = Siblings { next: siblings.next + 1, ..siblings };
                let parent = rest.parent;
                self.insert((rest.fewest(), key.1), rest);
                return Some((parent, choice));
            }
        }
        None
    }

    fn queue(&mut self, siblings: Siblings) {
        let key = (siblings.fewest(), self.time);
        self.time += 1;
        self.insert(key, siblings);
    }

    fn insert(&mut self, key: (usize, u32), siblings: Siblings) {
        self.remaining.insert(key, siblings);
        self.trail.push(Undo::Queued(key));
    }

    fn undo(&mut self, length: usize) {
        while self.trail.len() > length {
            match self.trail.pop() {
                Some(Undo::Activation(slot)) => {
                    self.active.remove(&slot);
                }
                Some(Undo::Link(link)) => {
                    self.links.remove(&link);
                }
                Some(Undo::Features(package, Some(old))) => {
                    self.features.insert(package, old);
                }
                Some(Undo::Features(package, None)) => {
                    self.features.remove(&package);
                }
                Some(Undo::Queued(key)) => {
                    self.remaining.remove(&key);
                }
                Some(Undo::Taken(key, siblings)) => {
                    self.remaining.insert(key, siblings);
                }
                Some(Undo::Edge) => {
                    self.edges.pop();
                }
                None => return,
            }
        }
    }

    fn slot(&self, package: PackageIx) -> Option<Slot> {
        self.universe.packages.get(package).map(|p| (Rc::clone(&p.name), p.source, Track::of(&p.version)))
    }

    /// When a package was activated; `None` when it is not active.
    fn activated(&self, package: PackageIx) -> Option<u32> {
        self.active.get(&self.slot(package)?).filter(|(active, _)| *active == package).map(|(_, age)| *age)
    }

    /// The next candidate that fits beside what is active; what stands in the way of the others is added to `conflicts`.
    fn next_candidate(
        &self,
        choice: &Choice,
        from: usize,
        conflicts: &mut BTreeSet<PackageIx>,
    ) -> Option<(PackageIx, usize)> {
        for (at, &candidate) in choice.candidates.iter().enumerate().skip(from) {
            let package = self.universe.packages.get(candidate)?;
            if let Some(link) = &package.links
                && let Some(&other) = self.links.get(link)
                && other != candidate
            {
                conflicts.insert(other);
                continue;
            }
            if let Some(&(other, _)) = self.slot(candidate).and_then(|slot| self.active.get(&slot))
                && other != candidate
            {
                conflicts.insert(other);
                continue;
            }
            return Some((candidate, at));
        }
        None
    }

    /// Activates a package. `None` when there is nothing new to do; the missing feature's name when it cannot be.
    fn activate(&mut self, package: PackageIx, asked: &Asked) -> Result<Option<Siblings>, Rc<str>> {
        let Some(slot) = self.slot(package) else { return Ok(None) };
        let opaque = self.universe.packages.get(package).is_some_and(|p| p.is_opaque());
        if self.active.contains_key(&slot) {
            let detail = self.universe.detail(package);
            let default = asked.default && detail.features.contains_key("default");
            let known = match self.features.get(&package) {
                Some(known) => asked.features.is_subset(known) && (!default || known.contains("default")),
                None => asked.features.is_empty() && !default,
            };
            if !asked.all && !asked.command_line && (known || opaque) {
                return Ok(None);
            }
        } else {
            if let Some(link) = self.universe.packages.get(package).and_then(|p| p.links.clone())
                && !self.links.contains_key(&link)
            {
                self.links.insert(Rc::clone(&link), package);
                self.trail.push(Undo::Link(link));
            }
            self.active.insert(slot.clone(), (package, self.age));
            self.age += 1;
            self.trail.push(Undo::Activation(slot));
        }
        let enabled = if opaque {
            let all = Asked { all: true, ..Asked::default() };
            self.enable(package, &all)?
        } else {
            self.enable(package, asked)?
        };
        let old = self.features.get(&package).cloned();
        let mut merged = old.as_deref().cloned().unwrap_or_default();
        merged.extend(enabled.0.iter().cloned());
        self.features.insert(package, Rc::new(merged));
        self.trail.push(Undo::Features(package, old));
        let choices = self.choices(package, &enabled);
        Ok(Some(Siblings { parent: package, choices: Rc::new(choices), next: 0 }))
    }

    fn enable(&mut self, package: PackageIx, asked: &Asked) -> Result<Rc<Enabled>, Rc<str>> {
        let key = (package, asked.clone());
        if let Some(known) = self.enabled.get(&key) {
            return known.clone();
        }
        let detail = self.universe.detail(package);
        let enabled = enable(&detail, asked).map(Rc::new);
        self.enabled.insert(key, enabled.clone());
        enabled
    }

    /// The candidates of every dependency, fewest first.
    fn choices(&mut self, package: PackageIx, enabled: &Enabled) -> Vec<Choice> {
        self.universe.prefetch(enabled.1.iter().map(|(d, _)| (Rc::clone(&d.name), d.source)).collect::<Vec<_>>());
        let mut out = Vec::with_capacity(enabled.1.len());
        for (dependency, features) in &enabled.1 {
            let kind = match self.universe.query(dependency) {
                Ok(candidates) if candidates.is_empty() && self.roots.contains(&package) => ProblemKind::NoVersion,
                Ok(candidates) => {
                    out.push(Choice { dependency: Rc::clone(dependency), candidates, features: Rc::clone(features) });
                    continue;
                }
                Err(error) => ProblemKind::Fetch(error),
            };
            let key = (package, Rc::clone(&dependency.name), Rc::clone(&dependency.text));
            self.problems.entry(key).or_insert(Problem { from: package, dependency: Rc::clone(dependency), kind });
        }
        out.sort_by_key(|c| c.candidates.len());
        out
    }

    /// The age of the youngest of a dependency's parent and conflicts; `None` when one of them is not active.
    fn deepest(&self, parent: PackageIx, conflicts: &BTreeSet<PackageIx>) -> Option<u32> {
        conflicts.iter().chain([&parent]).map(|p| self.activated(*p)).try_fold(0, |max, age| Some(max.max(age?)))
    }

    /// Goes back to the last point with another candidate. Points where everything that stands in the way was active
    /// already cannot help, and are passed over.
    fn back(&mut self, marks: &mut Vec<Mark>, deepest: Option<u32>) -> Option<Mark> {
        while let Some(mark) = marks.pop() {
            if deepest.is_some_and(|deepest| deepest < mark.age) {
                continue;
            }
            self.undo(mark.trail);
            self.age = mark.age;
            debug_assert_eq!(mark.candidates.len(), mark.choice.candidates.len());
            return Some(mark);
        }
        None
    }

    fn key(choice: &Choice) -> Remembered {
        let d = &choice.dependency;
        (Rc::clone(&d.name), d.source, Rc::clone(&d.text), Rc::clone(&choice.features), d.default_features)
    }

    /// Remembers that a dependency cannot be met while all of `conflicts` are active.
    fn remember(&mut self, choice: &Choice, conflicts: &BTreeSet<PackageIx>) {
        if conflicts.is_empty() {
            return;
        }
        let known = self.past.entry(Self::key(choice)).or_default();
        // A linear scan follows for each: a few hundred are plenty.
        if known.len() < 400 && !known.contains(conflicts) {
            known.push(conflicts.clone());
        }
    }

    /// What is known to be in the way of a dependency, all of it active.
    fn known(&self, choice: &Choice) -> impl Iterator<Item = &BTreeSet<PackageIx>> {
        let sets = self.past.get(&Self::key(choice)).map(Vec::as_slice).unwrap_or_default();
        sets.iter().filter(|set| set.iter().all(|p| self.activated(*p).is_some()))
    }

    /// Whether activating `package` is known to fail: because of a dependency of its own, or because it stands in the
    /// way of one that is still to be chosen. What else is to blame.
    fn doomed(&self, package: PackageIx, siblings: &Siblings) -> Option<BTreeSet<PackageIx>> {
        // A dependency of its own without any candidate.
        if siblings.rest().iter().any(|c| c.candidates.is_empty()) {
            return Some(BTreeSet::new());
        }
        if self.past.is_empty() {
            return None;
        }
        for choice in siblings.rest() {
            if let Some(known) = self.known(choice).next() {
                return Some(known.iter().copied().filter(|p| *p != package).collect());
            }
        }
        for other in self.remaining.values() {
            for choice in other.rest() {
                if let Some(known) = self.known(choice).find(|set| set.contains(&package)) {
                    let mut blame: BTreeSet<PackageIx> = known.iter().copied().filter(|p| *p != package).collect();
                    blame.insert(other.parent);
                    return Some(blame);
                }
            }
        }
        None
    }
}
