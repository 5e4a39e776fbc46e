//! The search for a set of releases: resolvelib's algorithm, with pip's order of preference, so that the answer is
//! the one that pip gives. In: a [`Catalog`] and the root requirements. Out: [`Found`], or why there is nothing.
//!
//! The newest release of each project is tried first; a pin that a later requirement contradicts is taken back
//! rather than held against whoever made the requirement, and only a requirement that no release satisfies makes the
//! search go back. A solver that learns from conflicts (see [`super::prove`]) prefers other sets where several are
//! possible, so it only explains and decides what this search gives up on.

use std::cmp::Reverse;
use std::rc::Rc;

use pubgrub::Ranges;
use rustc_hash::{FxHashMap, FxHashSet};

use super::catalog::{Catalog, Deps, Name, Need, Node};
use super::options::Upgrade;
use super::pool::{From, Pool, digest_allowed};
use crate::model::Timestamp;

/// Most rounds before the search gives up; each pins one release or goes back one step.
const MAX_ROUNDS: usize = 20_000;
/// The share of the remaining rounds spent on far jumps back before only safe ones are made.
const OPTIMISTIC_SHARE: usize = 10;
/// Conflicts after which a project not yet pinned is pinned earlier.
const PROMOTE_AFTER: u32 = 5;

/// How releases inside the cooldown are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cooldown {
    /// They do not exist, except for projects of which a root requirement admits nothing else.
    Strict,
    /// They are tried last.
    Last,
}

/// A solution.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each node's release.
    pub(super) pins: FxHashMap<Node, u32>,
}

/// Why there is no solution.
#[derive(Debug)]
pub(super) enum Failure {
    /// No set of releases satisfies everything.
    Impossible,
    /// The search was given up.
    TooLong,
}

/// A requirement and the release that made it; `None` for a root.
#[derive(Debug, Clone)]
struct Info {
    need: Rc<Need>,
    parent: Option<Node>,
}

/// What is known about one node.
#[derive(Debug, Clone)]
struct Criterion {
    infos: Vec<Info>,
    /// What every requirement in `infos` admits.
    set: Ranges<u32>,
    /// In order of preference.
    candidates: Rc<[u32]>,
    /// Releases found impossible.
    banned: Rc<[u32]>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Oldest pin first.
    pins: Vec<(Node, u32)>,
    criteria: Vec<Option<Rc<Criterion>>>,
    causes: Rc<[Info]>,
}

impl State {
    fn pin(&self, node: Node) -> Option<u32> {
        self.pins.iter().find(|(n, _)| *n == node).map(|(_, index)| *index)
    }

    fn criterion(&self, node: Node) -> Option<&Rc<Criterion>> {
        self.criteria.get(node as usize)?.as_ref()
    }

    fn set_criterion(&mut self, node: Node, criterion: Rc<Criterion>) {
        let at = node as usize;
        if self.criteria.len() <= at {
            self.criteria.resize(at + 1, None);
        }
        if let Some(slot) = self.criteria.get_mut(at) {
            *slot = Some(criterion);
        }
    }

    fn unsatisfied(&self) -> Vec<Node> {
        let mut pinned = vec![u32::MAX; self.criteria.len()];
        for (node, index) in &self.pins {
            if let Some(slot) = pinned.get_mut(*node as usize) {
                *slot = *index;
            }
        }
        self.criteria
            .iter()
            .zip(&pinned)
            .enumerate()
            .filter_map(|(node, (criterion, pin))| {
                let criterion = criterion.as_ref()?;
                (*pin == u32::MAX || !criterion.set.contains(pin)).then(|| Node::try_from(node).unwrap_or(Node::MAX))
            })
            .collect()
    }
}

/// The search.
pub(super) struct Search<'s, 'a> {
    catalog: &'s Catalog<'a>,
    cooldown: Cooldown,
    /// Order in which the user named nodes.
    requested: FxHashMap<Node, usize>,
    /// Projects of which a root requirement admits only young releases.
    relaxed: FxHashSet<Name>,
    states: Vec<State>,
    saved: Option<Vec<State>>,
    optimistic: bool,
    conflicts: FxHashMap<Node, u32>,
    promoted: FxHashSet<Node>,
}

impl<'s, 'a> Search<'s, 'a> {
    /// A search over a catalog.
    pub(super) fn new(catalog: &'s Catalog<'a>, cooldown: Cooldown) -> Self {
        Self {
            catalog,
            cooldown,
            requested: FxHashMap::default(),
            relaxed: FxHashSet::default(),
            states: Vec::new(),
            saved: None,
            optimistic: true,
            conflicts: FxHashMap::default(),
            promoted: FxHashSet::default(),
        }
    }

    /// The release that a requirement by itself would get: what to fetch early.
    pub(super) fn likely(catalog: &'s Catalog<'a>, need: &Rc<Need>) -> Option<u32> {
        let search = Self::new(catalog, Cooldown::Last);
        let infos = [Info { need: Rc::clone(need), parent: None }];
        let (set, wider) = search.combined(&State::default(), &FxHashMap::default(), need.node, &infos);
        search.candidates(need.node, &wider, &set, &[]).first().copied()
    }

    /// Finds a release for every node that the roots need.
    pub(super) fn run(mut self, roots: &[Rc<Need>]) -> Result<Found, Failure> {
        for need in roots {
            let order = self.requested.len();
            self.requested.entry(need.node).or_insert(order);
        }
        self.relax(roots);
        let mut first = State::default();
        for need in roots.iter().filter(|need| !self.catalog.passes_over(need)) {
            let criterion = self.extended(&first, &FxHashMap::default(), &Info { need: Rc::clone(need), parent: None });
            match criterion {
                Ok(criterion) => first.set_criterion(need.node, criterion),
                Err(_) => return Err(Failure::Impossible),
            }
        }
        self.states = vec![first.clone(), first];
        let mut optimistic_until: Option<usize> = None;
        for round in 0..MAX_ROUNDS {
            if self.optimistic && self.saved.is_some() {
                let until = *optimistic_until.get_or_insert(round + (MAX_ROUNDS - round) / OPTIMISTIC_SHARE);
                if round >= until {
                    self.roll_back();
                    continue;
                }
            }
            let Some(state) = self.states.last() else { return Err(Failure::Impossible) };
            let unsatisfied = state.unsatisfied();
            if unsatisfied.is_empty() {
                return Ok(Found { pins: state.pins.iter().copied().collect() });
            }
            let node = self.next(&unsatisfied);
            match self.pin(node) {
                Ok(()) => self.forget_the_unsatisfied(&unsatisfied),
                Err(causes) => {
                    if !self.go_back(causes) {
                        return Err(Failure::Impossible);
                    }
                }
            }
        }
        Err(Failure::TooLong)
    }

    /// Young releases of a project are visible when a root requirement admits nothing older.
    fn relax(&mut self, roots: &[Rc<Need>]) {
        if self.cooldown == Cooldown::Last {
            return;
        }
        for need in roots {
            let (name, _) = self.catalog.node_name(need.node);
            let infos = [Info { need: Rc::clone(need), parent: None }];
            let (set, _) = self.combined(&State::default(), &FxHashMap::default(), need.node, &infos);
            if self.candidates(need.node, &infos, &set, &[]).is_empty() {
                self.relaxed.insert(name);
            }
        }
    }

    /// Which node is decided next: pip's order.
    fn next(&mut self, unsatisfied: &[Node]) -> Node {
        let Some(state) = self.states.last() else { return 0 };
        if unsatisfied.len() < 2 {
            return unsatisfied.first().copied().unwrap_or(0);
        }
        let mut causing: FxHashSet<Node> = FxHashSet::default();
        for info in state.causes.iter() {
            for node in std::iter::once(info.need.node).chain(info.parent) {
                causing.insert(node);
                if state.pin(node).is_none() {
                    let count = self.conflicts.entry(node).or_default();
                    *count += 1;
                    if *count >= PROMOTE_AFTER {
                        self.promoted.insert(node);
                    }
                }
            }
        }
        let pick = |wanted: &FxHashSet<Node>| -> Vec<Node> {
            unsatisfied.iter().copied().filter(|n| wanted.contains(n)).collect()
        };
        let mut narrowed = pick(&causing);
        if narrowed.is_empty() {
            narrowed = pick(&self.promoted);
        }
        if narrowed.is_empty() {
            narrowed = unsatisfied.to_vec();
        }
        narrowed.into_iter().min_by_key(|node| self.preference(state, *node)).unwrap_or(0)
    }

    fn preference(&self, state: &State, node: Node) -> impl Ord + use<> {
        let (mut direct, mut pinned, mut upper, mut unfree) = (false, false, false, false);
        if let Some(criterion) = state.criterion(node) {
            for info in &criterion.infos {
                direct |= info.need.exactly.is_some();
                pinned |= info.need.spec.pins;
                upper |= info.need.spec.upper;
                unfree |= !info.need.spec.is_any();
            }
        }
        direct |= self.catalog.direct_for(self.catalog.node_name(node).0).is_some();
        (
            Reverse(self.promoted.contains(&node)),
            Reverse(direct),
            Reverse(pinned),
            Reverse(upper),
            self.requested.get(&node).copied().unwrap_or(usize::MAX),
            Reverse(unfree),
            self.catalog.label(node),
        )
    }

    /// Pins the first candidate whose requirements leave every node a candidate.
    fn pin(&mut self, node: Node) -> Result<(), Vec<Info>> {
        let Some(state) = self.states.last() else { return Err(Vec::new()) };
        let Some(criterion) = state.criterion(node).cloned() else { return Err(Vec::new()) };
        let mut causes: Vec<Info> = Vec::new();
        for &candidate in criterion.candidates.iter() {
            let deps = self.catalog.deps(node, candidate);
            if deps.unusable.is_some() {
                continue;
            }
            match self.with_deps(state, node, &deps) {
                Err(failed) => add_causes(&mut causes, &failed),
                Ok(changed) => {
                    let mut next = state.clone();
                    for (node, criterion) in changed {
                        next.set_criterion(node, criterion);
                    }
                    next.pins.retain(|(n, _)| *n != node);
                    next.pins.push((node, candidate));
                    if let Some(top) = self.states.last_mut() {
                        *top = next;
                    }
                    return Ok(());
                }
            }
        }
        if causes.is_empty() {
            add_causes(&mut causes, &criterion.infos);
        }
        Err(causes)
    }

    /// The criteria that change when a release with these requirements is pinned.
    fn with_deps(&self, state: &State, node: Node, deps: &Deps) -> Result<FxHashMap<Node, Rc<Criterion>>, Vec<Info>> {
        self.catalog.hint(deps.needs.iter().map(|need| self.catalog.node_name(need.node).0));
        let mut changed: FxHashMap<Node, Rc<Criterion>> = FxHashMap::default();
        for need in deps.needs.iter().filter(|need| !self.catalog.passes_over(need)) {
            let info = Info { need: Rc::clone(need), parent: Some(node) };
            let criterion = self.extended(state, &changed, &info)?;
            changed.insert(need.node, criterion);
        }
        Ok(changed)
    }

    /// The node's criterion with one requirement more; an error when nothing would be left to choose.
    fn extended(
        &self,
        state: &State,
        changed: &FxHashMap<Node, Rc<Criterion>>,
        info: &Info,
    ) -> Result<Rc<Criterion>, Vec<Info>> {
        let node = info.need.node;
        let old = changed.get(&node).or_else(|| state.criterion(node));
        let mut infos = old.map(|c| c.infos.clone()).unwrap_or_default();
        infos.push(info.clone());
        let banned = old.map(|c| Rc::clone(&c.banned)).unwrap_or_default();
        let (set, wider) = self.combined(state, changed, node, &infos);
        let candidates = self.candidates(node, &wider, &set, &banned);
        if candidates.is_empty() {
            return Err(infos);
        }
        let own = self.own_set(node, &infos);
        Ok(Rc::new(Criterion { infos, set: own, candidates: Rc::from(candidates), banned }))
    }

    /// What a node's own requirements admit.
    fn own_set(&self, node: Node, infos: &[Info]) -> Ranges<u32> {
        let (name, _) = self.catalog.node_name(node);
        let pool = self.catalog.pool(name);
        let mut set = Ranges::full();
        for info in infos {
            set = set.intersection(&admitted(&pool, &info.need));
        }
        set
    }

    /// What a node's requirements, those on its project, and the constraints admit together; and all of them.
    fn combined(
        &self,
        state: &State,
        changed: &FxHashMap<Node, Rc<Criterion>>,
        node: Node,
        infos: &[Info],
    ) -> (Ranges<u32>, Vec<Info>) {
        let (name, is_extra) = self.catalog.node_name(node);
        let mut wider = infos.to_vec();
        if is_extra {
            let base = self.catalog.node(name, None);
            if let Some(base) = changed.get(&base).or_else(|| state.criterion(base)) {
                wider.extend(base.infos.iter().cloned());
            }
        }
        for need in self.catalog.constraints.get(&name).into_iter().flatten() {
            wider.push(Info { need: Rc::clone(need), parent: None });
        }
        (self.own_set(node, &wider), wider)
    }

    /// The releases in `set` that may be tried, best first.
    fn candidates(&self, node: Node, infos: &[Info], set: &Ranges<u32>, banned: &[u32]) -> Vec<u32> {
        let (name, _) = self.catalog.node_name(node);
        let pool = self.catalog.pool(name);
        let listed = list(self.catalog, &pool, infos.iter().map(|i| &*i.need), set);
        let mut visible: Vec<u32> = listed.from_index;
        visible.retain(|index| !banned.contains(index));
        let locked = self.catalog.preferred.get(&name).and_then(|versions| {
            let is_locked = |i: &&u32| pool.release(**i).is_some_and(|r| versions.iter().any(|(v, _)| *v == r.version));
            visible.iter().find(is_locked).copied()
        });
        let hidden = hidden(self.catalog, name, &pool, &visible);
        if hidden.iter().any(|h| *h) || self.all_young(name, &pool, &visible) {
            let strict = self.cooldown == Cooldown::Strict && !self.relaxed.contains(&name);
            let young: Vec<u32> = visible.iter().zip(&hidden).filter(|(_, h)| **h).map(|(i, _)| *i).collect();
            if strict && young.is_empty() {
                visible.clear();
            }
            visible = visible.iter().zip(&hidden).filter(|(_, h)| !**h).map(|(i, _)| *i).collect();
            if !strict {
                visible.extend(young);
            }
        }
        if self.catalog.options.prefer_binary {
            visible.sort_by_key(|index| !pool.release(*index).is_some_and(super::pool::Release::has_wheel));
        }
        if let Some(locked) = locked {
            visible.retain(|i| *i != locked);
            visible.insert(0, locked);
        }
        if let Some(installed) = listed.installed.filter(|i| !banned.contains(i)) {
            let eligible = match self.catalog.options.upgrade {
                Upgrade::Never => false,
                Upgrade::Requested => self.requested.contains_key(&node),
                Upgrade::Eager => true,
            };
            let at = if eligible { visible.iter().position(|i| *i < installed).unwrap_or(visible.len()) } else { 0 };
            visible.insert(at, installed);
        }
        visible
    }

    fn all_young(&self, name: Name, pool: &Pool, visible: &[u32]) -> bool {
        let package = self.catalog.package_name(name);
        self.catalog.freshness.cutoff.is_some()
            && !visible.is_empty()
            && visible.iter().all(|i| {
                pool.release(*i)
                    .is_some_and(|r| r.from == From::Index && self.catalog.freshness.is_young(&package, r.published))
            })
    }

    /// Drops what was required by nodes whose pin no longer holds.
    fn forget_the_unsatisfied(&mut self, before: &[Node]) {
        let Some(state) = self.states.last() else { return };
        let newly: FxHashSet<Node> =
            state.unsatisfied().into_iter().filter(|n| !before.contains(n) && state.pin(*n).is_some()).collect();
        if !newly.is_empty() {
            let stale: Vec<(Node, Rc<Criterion>)> = state
                .criteria
                .iter()
                .enumerate()
                .filter_map(|(node, c)| Some((Node::try_from(node).ok()?, c.as_ref()?)))
                .filter(|(_, c)| c.infos.iter().any(|i| i.parent.is_some_and(|p| newly.contains(&p))))
                .map(|(node, c)| (node, Rc::clone(c)))
                .collect();
            let renewed: Vec<(Node, Rc<Criterion>)> = stale
                .into_iter()
                .map(|(node, old)| {
                    let mut infos = old.infos.clone();
                    infos.retain(|i| i.parent.is_none_or(|p| !newly.contains(&p)));
                    let set = self.own_set(node, &infos);
                    let (candidates, banned) = (Rc::clone(&old.candidates), Rc::clone(&old.banned));
                    (node, Rc::new(Criterion { infos, set, candidates, banned }))
                })
                .collect();
            if let Some(top) = self.states.last_mut() {
                for (node, criterion) in renewed {
                    top.set_criterion(node, criterion);
                }
            }
        }
        if let Some(top) = self.states.last().cloned() {
            self.states.push(top);
        }
    }

    /// Returns to before a pin that had to do with the conflict, and bans it there.
    fn go_back(&mut self, causes: Vec<Info>) -> bool {
        let failed = !self.jump(&causes);
        if failed {
            if self.optimistic && self.saved.is_some() {
                self.roll_back();
                return true;
            }
            return false;
        }
        if let Some(top) = self.states.last_mut() {
            top.causes = Rc::from(causes);
        }
        true
    }

    fn roll_back(&mut self) {
        self.optimistic = false;
        if let Some(saved) = self.saved.take() {
            self.states = saved;
        }
    }

    fn jump(&mut self, causes: &[Info]) -> bool {
        let involved: FxHashSet<Node> =
            causes.iter().flat_map(|i| std::iter::once(i.need.node).chain(i.parent)).collect();
        while self.states.len() >= 3 {
            self.states.pop();
            let (broken, node, index) = loop {
                let Some(last) = self.states.last() else { return false };
                let Some(&(node, index)) = last.pins.last() else { return false };
                let unrelated = !involved.contains(&node);
                if self.optimistic && unrelated && self.saved.is_none() {
                    self.saved = Some(self.states.clone());
                }
                let Some(mut broken) = self.states.pop() else { return false };
                broken.pins.pop();
                let deps = self.catalog.deps(node, index);
                let stop = (!self.optimistic && unrelated)
                    || deps.needs.iter().any(|n| involved.contains(&n.node))
                    || broken.pins.is_empty();
                if stop {
                    break (broken, node, index);
                }
                if self.states.len() <= 1 {
                    return false;
                }
            };
            let Some(base) = self.states.last().cloned() else { return false };
            self.states.push(base);
            if self.ban(&broken, node, index) {
                return true;
            }
        }
        false
    }

    /// Carries what was found impossible over to the newest state, and bans one release more.
    fn ban(&mut self, broken: &State, node: Node, index: u32) -> bool {
        let mut all: Vec<(Node, Rc<[u32]>)> = broken
            .criteria
            .iter()
            .enumerate()
            .filter_map(|(n, c)| Some((Node::try_from(n).ok()?, Rc::clone(&c.as_ref()?.banned))))
            .filter(|(_, banned)| !banned.is_empty())
            .collect();
        all.push((node, Rc::from([index])));
        for (node, more) in all {
            let Some(state) = self.states.last() else { return false };
            let Some(old) = state.criterion(node) else { continue };
            let mut banned: Vec<u32> = old.banned.iter().chain(more.iter()).copied().collect();
            banned.sort_unstable();
            banned.dedup();
            let (set, wider) = self.combined(state, &FxHashMap::default(), node, &old.infos);
            let candidates = self.candidates(node, &wider, &set, &banned);
            if candidates.is_empty() {
                return false;
            }
            let criterion = Rc::new(Criterion {
                infos: old.infos.clone(),
                set: old.set.clone(),
                candidates: Rc::from(candidates),
                banned: Rc::from(banned),
            });
            if let Some(top) = self.states.last_mut() {
                top.set_criterion(node, criterion);
            }
        }
        true
    }
}

fn add_causes(causes: &mut Vec<Info>, infos: &[Info]) {
    for info in infos {
        if !causes.iter().any(|c| Rc::ptr_eq(&c.need, &info.need) && c.parent == info.parent) {
            causes.push(info.clone());
        }
    }
}

/// The releases of a pool that a requirement admits.
pub(super) fn admitted(pool: &Pool, need: &Need) -> Ranges<u32> {
    match need.exactly {
        Some(index) => Ranges::singleton(index),
        None => Ranges::clone(&pool.set(need.number, &need.spec)),
    }
}

/// What may be chosen by pip's rules on pre-releases, yanked releases and hashes; the cooldown is not applied.
pub(super) struct Listed {
    /// Newest first.
    pub(super) from_index: Vec<u32>,
    /// The installed release, when it satisfies.
    pub(super) installed: Option<u32>,
}

/// Lists the releases in `set` that these requirements together allow.
pub(super) fn list<'n>(
    catalog: &Catalog<'_>,
    pool: &Pool,
    needs: impl Iterator<Item = &'n Need> + Clone,
    set: &Ranges<u32>,
) -> Listed {
    let mut installed = None;
    let mut matching: Vec<u32> = Vec::new();
    let mut any_final = false;
    for (low, high) in set.iter().collect::<Vec<_>>().into_iter().rev() {
        let from = match low {
            std::ops::Bound::Included(i) => *i,
            std::ops::Bound::Excluded(i) => i.saturating_add(1),
            std::ops::Bound::Unbounded => 0,
        };
        let end = u32::try_from(pool.releases.len()).unwrap_or(u32::MAX);
        let to = match high {
            std::ops::Bound::Included(i) => i.saturating_add(1).min(end),
            std::ops::Bound::Excluded(i) => (*i).min(end),
            std::ops::Bound::Unbounded => end,
        };
        for index in (from..to).rev() {
            match pool.release(index) {
                Some(release) if release.from == From::Installed => installed = Some(index),
                Some(release) => {
                    any_final |= !release.version.any_prerelease();
                    matching.push(index);
                }
                None => {}
            }
        }
    }
    let release = |index: &u32| pool.release(*index);
    let direct = |index: &u32| release(index).is_some_and(|r| matches!(r.from, From::Direct(_)));
    let exact = needs.clone().any(|n| n.exactly.is_some());
    if any_final && !exact && !catalog.options.pre && !needs.clone().any(|n| n.spec.names_prerelease) {
        matching.retain(|i| direct(i) || release(i).is_some_and(|r| !r.version.any_prerelease()));
    }
    if needs.clone().any(|n| !n.digests.is_empty()) {
        matching.retain(|index| {
            direct(index)
                || release(index).is_some_and(|r| {
                    r.choices
                        .iter()
                        .filter_map(|c| pool.file(*c))
                        .any(|file| needs.clone().all(|n| digest_allowed(&file, &n.digests)))
                })
        });
    }
    let all_yanked = matching.iter().all(|i| release(i).is_some_and(|r| r.yanked));
    let pinned = needs.clone().any(|n| n.spec.pins);
    if !(exact || all_yanked && pinned) {
        matching.retain(|i| release(i).is_some_and(|r| !r.yanked));
    }
    Listed { from_index: matching, installed }
}

/// Which of `visible` (newest first) the cooldown hides.
pub(super) fn hidden(catalog: &Catalog<'_>, name: Name, pool: &Pool, visible: &[u32]) -> Vec<bool> {
    let package = catalog.package_name(name);
    let published =
        |index: &u32| -> Option<Timestamp> { pool.release(*index).filter(|r| r.from == From::Index)?.published };
    if catalog.freshness.cutoff.is_none() || !visible.iter().any(|i| catalog.freshness.is_young(&package, published(i)))
    {
        return vec![false; visible.len()];
    }
    let texts: Vec<String> =
        visible.iter().map(|i| pool.release(*i).map(|r| r.version.to_string()).unwrap_or_default()).collect();
    let versions: Vec<(&str, Option<Timestamp>)> =
        texts.iter().map(String::as_str).zip(visible.iter().map(published)).collect();
    catalog.freshness.hidden(&package, &versions)
}
