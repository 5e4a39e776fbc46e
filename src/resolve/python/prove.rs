//! A second opinion where pip's search finds nothing or takes too long: PubGrub, which learns from conflicts, so that it
//! either finds a set or says in a few lines why there is none. In: the catalog and the roots. Out: [`Found`] or lines.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use pubgrub::{
    Dependencies, DependencyConstraints, DependencyProvider, DerivationTree, External, PackageResolutionStatistics,
    PubGrubError, Ranges,
};
use rustc_hash::FxHashMap;

use super::catalog::{Catalog, Name, Need, Node};
use super::pool::Release;
use super::search::{Found, admitted, list};
use crate::model::printable;

/// The command itself.
const ROOT: Node = Node::MAX;
/// Most steps of the solver.
const MAX_STEPS: u32 = 50_000;
/// Most lines of an explanation.
const MAX_LINES: usize = 8;
/// Most nodes of the derivation that are looked at.
const MAX_VISITS: usize = 10_000;

/// Decides whether the roots can be satisfied. The error is the explanation, empty when the solver gave up.
pub(super) fn decide(catalog: &Catalog<'_>, roots: &[Rc<Need>]) -> Result<Found, Vec<String>> {
    if let Some(lines) = contradiction(catalog, roots) {
        return Err(lines);
    }
    let provider =
        Provider { catalog, roots, seen: RefCell::default(), decided: RefCell::default(), steps: Cell::new(0) };
    match pubgrub::resolve(&provider, ROOT, 0u32) {
        Ok(solution) => Ok(Found { pins: solution.into_iter().filter(|(node, _)| *node != ROOT).collect() }),
        Err(PubGrubError::NoSolution(mut error)) => {
            error.collapse_no_versions();
            Err(explain(catalog, roots, &error))
        }
        Err(_) => Err(Vec::new()),
    }
}

/// Two root requirements on one project that no release satisfies together.
fn contradiction(catalog: &Catalog<'_>, roots: &[Rc<Need>]) -> Option<Vec<String>> {
    let mut sets: BTreeMap<Node, Ranges<u32>> = BTreeMap::new();
    for need in roots.iter().filter(|n| !catalog.passes_over(n)) {
        let pool = catalog.pool(catalog.node_name(need.node).0);
        let set = sets.entry(need.node).or_insert_with(Ranges::full);
        *set = set.intersection(&admitted(&pool, need));
        if set.is_empty() {
            let all = roots.iter().filter(|n| n.node == need.node);
            return Some(all.map(|n| format!("the command requires {}", n.text)).collect());
        }
    }
    None
}

#[derive(Debug, thiserror::Error)]
#[error("too many steps")]
struct GaveUp;

struct Provider<'c, 'a> {
    catalog: &'c Catalog<'a>,
    roots: &'c [Rc<Need>],
    /// Every requirement met so far, by project: what pre-releases and withdrawn releases are judged by.
    seen: RefCell<FxHashMap<Name, Vec<Rc<Need>>>>,
    /// The last release decided for each project; its extras follow.
    decided: RefCell<FxHashMap<Name, u32>>,
    steps: Cell<u32>,
}

impl Provider<'_, '_> {
    fn constraints(&self, needs: &[Rc<Need>]) -> Result<DependencyConstraints<Node, Ranges<u32>>, String> {
        let mut sets: BTreeMap<Node, Ranges<u32>> = BTreeMap::new();
        self.catalog.hint(needs.iter().map(|n| self.catalog.node_name(n.node).0));
        for need in needs.iter().filter(|n| !self.catalog.passes_over(n)) {
            let (name, _) = self.catalog.node_name(need.node);
            let pool = self.catalog.pool(name);
            let mut set = admitted(&pool, need);
            for constraint in self.catalog.constraints.get(&name).into_iter().flatten() {
                set = set.intersection(&admitted(&pool, constraint));
            }
            self.seen.borrow_mut().entry(name).or_default().push(Rc::clone(need));
            let entry = sets.entry(need.node).or_insert_with(Ranges::full);
            *entry = entry.intersection(&set);
            if entry.is_empty() {
                return Err(format!("nothing satisfies its requirement {}", need.text));
            }
        }
        Ok(sets.into_iter().collect())
    }

    fn allows_prereleases(&self, name: Name) -> bool {
        let pool = self.catalog.pool(name);
        let seen = self.seen.borrow();
        let needs = seen.get(&name).map(Vec::as_slice).unwrap_or_default();
        let no_final = |need: &Rc<Need>| {
            let set = admitted(&pool, need);
            !pool.releases.iter().zip(0u32..).any(|(r, i)| set.contains(&i) && !r.version.any_prerelease())
        };
        self.catalog.options.pre || needs.iter().any(|n| n.spec.names_prerelease || no_final(n))
    }
}

impl DependencyProvider for Provider<'_, '_> {
    type P = Node;
    type V = u32;
    type VS = Ranges<u32>;
    type Priority = (bool, bool, u32, bool, Reverse<usize>, Reverse<Node>);
    type M = String;
    type Err = GaveUp;

    fn prioritize(&self, node: &Node, range: &Ranges<u32>, statistics: &PackageResolutionStatistics) -> Self::Priority {
        let single = range.as_singleton().is_some();
        let conflicts = statistics.conflict_count();
        let asked = self.roots.iter().position(|n| n.node == *node).unwrap_or(usize::MAX);
        let (_, extra) = if *node == ROOT { (0, false) } else { self.catalog.node_name(*node) };
        // The project before its extras, which then follow it.
        (*node == ROOT, single, conflicts, !extra, Reverse(asked), Reverse(*node))
    }

    fn choose_version(&self, node: &Node, range: &Ranges<u32>) -> Result<Option<u32>, GaveUp> {
        if *node == ROOT {
            return Ok(Some(0));
        }
        let (name, extra) = self.catalog.node_name(*node);
        if extra && let Some(decided) = self.decided.borrow().get(&name).filter(|i| range.contains(*i)) {
            return Ok(Some(*decided));
        }
        let pool = self.catalog.pool(name);
        let seen = self.seen.borrow().get(&name).cloned().unwrap_or_default();
        let needs = seen.iter().map(|n| &**n).filter(|n| n.exactly.is_none());
        let listed = list(self.catalog, &pool, needs, range);
        let prereleases = self.allows_prereleases(name);
        let fits = |i: &u32| prereleases || pool.release(*i).is_some_and(|r: &Release| !r.version.any_prerelease());
        let chosen = listed.installed.or_else(|| listed.from_index.iter().copied().find(fits));
        if let Some(index) = chosen.filter(|_| !extra) {
            self.decided.borrow_mut().insert(name, index);
        }
        Ok(chosen)
    }

    fn get_dependencies(&self, node: &Node, index: &u32) -> Result<Dependencies<Node, Ranges<u32>, String>, GaveUp> {
        let constraints = if *node == ROOT {
            self.constraints(self.roots)
        } else {
            let deps = self.catalog.deps(*node, *index);
            match &deps.unusable {
                Some(reason) => Err(reason.clone()),
                None => self.constraints(&deps.needs),
            }
        };
        Ok(match constraints {
            Ok(constraints) => Dependencies::Available(constraints),
            Err(reason) => Dependencies::Unavailable(reason),
        })
    }

    fn should_cancel(&self) -> Result<(), GaveUp> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS { Err(GaveUp) } else { Ok(()) }
    }
}

/// The requirements at the leaves of a derivation, those of the command first.
fn explain(catalog: &Catalog<'_>, roots: &[Rc<Need>], tree: &DerivationTree<Node, Ranges<u32>, String>) -> Vec<String> {
    let mut asked: Vec<String> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut stack = vec![tree];
    let mut visits = 0;
    while let Some(at) = stack.pop() {
        visits += 1;
        if visits > MAX_VISITS {
            break;
        }
        let (list, line) = match at {
            DerivationTree::Derived(derived) => {
                stack.push(&derived.cause2);
                stack.push(&derived.cause1);
                continue;
            }
            DerivationTree::External(External::FromDependencyOf(ROOT, _, child, _)) => {
                let text = roots.iter().find(|n| n.node == *child).map(|n| Rc::clone(&n.text));
                (&mut asked, text.map(|t| format!("the command requires {t}")))
            }
            DerivationTree::External(External::FromDependencyOf(parent, set, child, _)) => {
                (&mut others, edge(catalog, *parent, set, *child))
            }
            DerivationTree::External(External::Custom(node, set, reason)) if *node != ROOT => {
                (&mut others, Some(format!("{} cannot be used: {reason}", releases(catalog, *node, set))))
            }
            DerivationTree::External(_) => continue,
        };
        if let Some(line) = line.map(|l| printable(&l, 200))
            && !list.contains(&line)
        {
            list.push(line);
        }
    }
    asked.append(&mut others);
    let more = asked.len().saturating_sub(MAX_LINES);
    asked.truncate(MAX_LINES);
    if more > 0 {
        asked.push(format!("and {more} more"));
    }
    asked
}

/// `app 1.0 to 2.0 requires lib>=2`; nothing for an extra's tie to its own project.
fn edge(catalog: &Catalog<'_>, parent: Node, set: &Ranges<u32>, child: Node) -> Option<String> {
    let pool = catalog.pool(catalog.node_name(parent).0);
    let newest = (0u32..).zip(&pool.releases).filter(|(i, _)| set.contains(i)).last()?.0;
    let deps = catalog.deps(parent, newest);
    let need = deps.needs.iter().find(|n| n.node == child && n.exactly.is_none())?;
    Some(format!("{} requires {}", releases(catalog, parent, set), need.text))
}

fn releases(catalog: &Catalog<'_>, node: Node, set: &Ranges<u32>) -> String {
    let label = catalog.label(node);
    let pool = catalog.pool(catalog.node_name(node).0);
    let mut inside = (0u32..).zip(&pool.releases).filter(|(i, _)| set.contains(i)).map(|(_, r)| &r.version);
    match (inside.next(), inside.last()) {
        (Some(only), None) => format!("{label} {only}"),
        (Some(first), Some(last)) => format!("{label} {first} to {last}"),
        (None, _) => label.to_string(),
    }
}
