//! Python's resolver: the words and files of a command, an index and an interpreter → the releases that pip would
//! install, each with every file it may choose. In: [`Request`], [`PythonIndex`], [`InterpreterFacts`]. Out: [`Plan`].
//!
//! ```text
//! inputs     the command's words and files → requirements, constraints, options
//! catalog    projects and metadata, each read once; pool: what may be chosen for one project
//! search     pip's own search, so that the versions are pip's
//! outcome    the solution as packages
//! ```

mod catalog;
mod inputs;
mod options;
mod outcome;
mod pool;
mod ranges;
mod search;

use std::rc::Rc;

use rustc_hash::FxHashSet;

use catalog::{Catalog, DirectSource, Name, Need};
use inputs::{Asked, Inputs};
use outcome::Root;
use search::{Cooldown, Failure, Found, Search};

use super::Request;
use crate::ecosystem::python::direct::Direct;
use crate::ecosystem::python::requirement::Requirement;
use crate::ecosystem::python::requirements_txt::Target;
use crate::ecosystem::python::version::{Specifiers, parse_version};
use crate::invocation::Effect;
use crate::model::{InterpreterFacts, Plan, Source, Unresolved, UnresolvedCause};
use crate::registry::{FetchError, PythonIndex};

/// Most releases whose metadata is asked for ahead of the search.
const MAX_AHEAD: usize = 1_500;

/// Resolves a Python command.
pub fn resolve(request: Request<'_>, index: &dyn PythonIndex, interpreter: &InterpreterFacts) -> Plan {
    let mut plan = Plan::default();
    if request.invocation.effect == Effect::Nothing {
        return plan;
    }
    let inputs = inputs::gather(request);
    solve(&mut plan, request, index, interpreter, inputs);
    plan.signal_gaps.extend(index.signal_gaps());
    plan.normalise();
    plan
}

/// Resolves what was asked for in one environment.
fn solve(
    plan: &mut Plan,
    request: Request<'_>,
    index: &dyn PythonIndex,
    interpreter: &InterpreterFacts,
    inputs: Inputs,
) {
    let Inputs { asked, constraints, overrides, options, unresolved, .. } = inputs;
    plan.unresolved.extend(unresolved);
    let require_hashes = options.require_hashes;
    let mut catalog = Catalog::new(index, request.files, request.freshness, interpreter, options);
    let mut roots: Vec<Root> = Vec::new();
    let mut named: Vec<(Asked, Requirement)> = Vec::new();
    for asked in asked {
        match asked.target.clone() {
            Target::Named(requirement) => {
                if requirement.applies(&catalog.markers, &[]) {
                    if require_hashes && !asked.hashed {
                        refuse_unhashed(plan, &asked);
                    }
                    named.push((asked, requirement));
                }
            }
            Target::Direct(direct) => {
                if direct.marker.as_ref().is_none_or(|m| m.evaluate(&catalog.markers, &[])) {
                    match add_direct(plan, &mut catalog, &asked, direct) {
                        Some(requirement) => named.push((asked, requirement)),
                        None => continue,
                    }
                }
            }
        }
    }
    for requirement in overrides {
        let name = catalog.name(&requirement.name);
        catalog.overrides.entry(name).or_default().push(requirement);
    }
    for constraint in constraints {
        match constraint.target {
            Target::Named(requirement) if requirement.applies(&catalog.markers, &[]) => {
                let needs = catalog.needs(&requirement, &constraint.text, &constraint.hashes);
                let name = catalog.name(&requirement.name);
                catalog.constraints.entry(name).or_default().extend(needs.into_iter().take(1));
            }
            Target::Direct(direct) if direct.name.is_some() => {
                // A constraint on a URL says where a project comes from, if something asks for it.
                let asked = Asked { target: Target::Direct(direct.clone()), ..constraint };
                let _ = add_direct(plan, &mut catalog, &asked, direct);
            }
            _ => {}
        }
    }
    for (asked, requirement) in named {
        roots.push(Root {
            needs: catalog.needs(&requirement, &asked.text, &asked.hashes),
            text: asked.text,
            location: asked.location,
            development: asked.development,
        });
    }
    catalog.hint(roots.iter().flat_map(|r| &r.needs).map(|n| catalog.node_name(n.node).0));
    roots.retain(|root| admissible(plan, &catalog, root));
    look_ahead(&catalog, &roots);
    match find(&catalog, &roots) {
        Ok(found) => outcome::fill(plan, &catalog, &roots, &found.pins),
        Err(failure) => plan.unresolved.push(conflict(&catalog, &roots, &failure)),
    }
    report_missing(plan, &catalog);
}

fn refuse_unhashed(plan: &mut Plan, asked: &Asked) {
    plan.unresolved.push(Unresolved {
        requirement: asked.text.to_string(),
        name: None,
        range: None,
        location: Some(asked.location.clone()),
        cause: UnresolvedCause::Unsupported,
        reason: "hashes are required, and it has none".to_owned(),
    });
}

/// Registers a URL, repository, directory or archive. `None` when its project is not known: then it is listed at once.
fn add_direct(plan: &mut Plan, catalog: &mut Catalog<'_>, asked: &Asked, direct: Direct) -> Option<Requirement> {
    let filename = direct.filename();
    let wheel = filename.as_ref().is_some_and(|f| f.ends_with(".whl"));
    let mut digests = direct.digests.clone();
    digests.extend(asked.hashes.iter().cloned());
    let what = match &direct.source {
        Source::Git { .. } => "a repository is not fetched, so its dependencies are not known",
        Source::Path { .. } => "the dependencies of a local file or directory are not known without building it",
        _ => "an archive outside any index is not fetched, so its dependencies are not known",
    };
    let Some(name) = direct.name.clone() else {
        plan.unresolved.push(Unresolved {
            requirement: asked.text.to_string(),
            name: None,
            range: None,
            location: Some(asked.location.clone()),
            cause: UnresolvedCause::Unsupported,
            reason: what.to_owned(),
        });
        return None;
    };
    catalog.add_direct(
        &name,
        DirectSource {
            source: direct.source.clone(),
            version: direct.version.as_deref().and_then(parse_version),
            requires: Err((UnresolvedCause::Unsupported, what.to_owned())),
            digests,
            builds: !wheel,
            filename,
        },
    );
    Some(Requirement { name, extras: direct.extras, specifiers: Specifiers::default(), url: None, marker: None })
}

/// Whether a root requirement can be satisfied at all; reports it when not.
fn admissible(plan: &mut Plan, catalog: &Catalog<'_>, root: &Root) -> bool {
    let Some(need) = root.needs.first() else { return false };
    let (name, _) = catalog.node_name(need.node);
    let pool = catalog.pool(name);
    let package = catalog.package_name(name);
    let (cause, reason) = if let Some(error) = pool.error.as_ref().filter(|_| pool.releases.is_empty()) {
        (cause_of(error), error.to_string())
    } else {
        let constraints = catalog.constraints.get(&name).map(Vec::as_slice).unwrap_or_default();
        let all = std::iter::once(need).chain(constraints).map(|n| &**n);
        let mut set = pubgrub::Ranges::full();
        for need in all.clone() {
            set = set.intersection(&search::admitted(&pool, need));
        }
        let listed = search::list(catalog, &pool, all, &set);
        if listed.installed.is_some() || !listed.from_index.is_empty() {
            return true;
        }
        (UnresolvedCause::NoMatchingVersion, nothing_matches(catalog, name, need, !constraints.is_empty()))
    };
    plan.unresolved.push(Unresolved {
        requirement: root.text.to_string(),
        name: Some(package),
        range: Some(need.spec.text.clone()),
        location: Some(root.location.clone()),
        cause,
        reason,
    });
    false
}

/// Why no release satisfies a requirement: what there is instead.
fn nothing_matches(catalog: &Catalog<'_>, name: Name, need: &Need, constrained: bool) -> String {
    let pool = catalog.pool(name);
    if let Some(version) = pool.unfit.iter().rev().find(|v| need.spec.range.contains(*v)) {
        return format!("{version} has no file for this interpreter and these options");
    }
    let set = search::admitted(&pool, need);
    let matching: Vec<_> = pool.releases.iter().zip(0u32..).filter(|(_, i)| set.contains(i)).map(|(r, _)| r).collect();
    if let Some(newest) = matching.last() {
        if constrained {
            return format!(
                "the constraints admit none of its releases; the newest that matches is {}",
                newest.version
            );
        }
        if !need.digests.is_empty() {
            return format!("no file of {} has a digest that the requirement names", newest.version);
        }
        if newest.yanked {
            return format!("every release that matches is withdrawn; the newest is {}", newest.version);
        }
        return format!("only pre-releases match; the newest is {}", newest.version);
    }
    match pool.releases.last() {
        Some(newest) => format!("no release matches; the newest is {}", newest.version),
        None => "it has no release for this interpreter".to_owned(),
    }
}

fn cause_of(error: &FetchError) -> UnresolvedCause {
    match error {
        FetchError::NotFound { .. } => UnresolvedCause::UnknownPackage,
        FetchError::Malformed { .. } => UnresolvedCause::Malformed,
        FetchError::TooLarge { .. } => UnresolvedCause::LimitExceeded,
        FetchError::NeedsExecution { .. } => UnresolvedCause::NeedsExecution,
        FetchError::Unsupported { .. } | FetchError::Configuration { .. } => UnresolvedCause::Unsupported,
        FetchError::Unreachable { .. }
        | FetchError::Unauthorized { .. }
        | FetchError::Offline { .. }
        | FetchError::PrivateName { .. } => UnresolvedCause::Unreachable,
    }
}

/// Asks for everything that the search will most likely want, a whole level of the graph at a time.
fn look_ahead(catalog: &Catalog<'_>, roots: &[Root]) {
    let mut frontier: Vec<Rc<Need>> = roots.iter().flat_map(|r| r.needs.iter().cloned()).collect();
    let mut seen: FxHashSet<(u32, u32)> = FxHashSet::default();
    while !frontier.is_empty() && seen.len() < MAX_AHEAD {
        catalog.hint(frontier.iter().map(|n| catalog.node_name(n.node).0));
        let mut likely: Vec<(u32, Name, u32)> = Vec::new();
        for need in &frontier {
            let (name, _) = catalog.node_name(need.node);
            if let Some(index) = Search::likely(catalog, need)
                && seen.insert((need.node, index))
            {
                likely.push((need.node, name, index));
            }
        }
        let releases: Vec<(Name, u32)> = likely.iter().map(|(_, name, index)| (*name, *index)).collect();
        catalog.hint_metadata(&releases);
        frontier = likely.iter().flat_map(|(node, _, index)| catalog.deps(*node, *index).needs.clone()).collect();
        frontier.retain(|n| n.exactly.is_none());
    }
}

/// Searches with young releases invisible, then with young releases last, then without what does not exist.
fn find(catalog: &Catalog<'_>, roots: &[Root]) -> Result<Found, Failure> {
    let needs: Vec<Rc<Need>> = roots.iter().flat_map(|r| r.needs.iter().cloned()).collect();
    let attempt = |cooldown| Search::new(catalog, cooldown).run(&needs);
    let strict = if catalog.freshness.cutoff.is_some() { Cooldown::Strict } else { Cooldown::Last };
    let mut result = attempt(strict);
    if result.is_err() && strict == Cooldown::Strict {
        result = attempt(Cooldown::Last);
    }
    if result.is_err() && catalog.give_up_on_the_unknown() {
        result = attempt(Cooldown::Last);
    }
    result
}

fn report_missing(plan: &mut Plan, catalog: &Catalog<'_>) {
    for (name, text) in catalog.missing() {
        let pool = catalog.pool(name);
        let Some(error) = &pool.error else { continue };
        let package = catalog.package_name(name);
        if plan.unresolved.iter().any(|u| u.name.as_ref() == Some(&package)) {
            continue;
        }
        plan.unresolved.push(Unresolved {
            requirement: text.to_string(),
            name: Some(package),
            range: None,
            location: None,
            cause: cause_of(error),
            reason: error.to_string(),
        });
    }
    if catalog.limited.get() {
        plan.unresolved.push(Unresolved {
            requirement: String::new(),
            name: None,
            range: None,
            location: None,
            cause: UnresolvedCause::LimitExceeded,
            reason: "the resolution needs more projects or releases than one command may".to_owned(),
        });
    }
}

fn conflict(_catalog: &Catalog<'_>, roots: &[Root], failure: &Failure) -> Unresolved {
    let (cause, reason) = match failure {
        Failure::Impossible => (UnresolvedCause::Conflict, "no set of releases satisfies every requirement".to_owned()),
        Failure::TooLong => {
            (UnresolvedCause::LimitExceeded, "no set of releases was found within the limit".to_owned())
        }
    };
    let text: Vec<&str> = roots.iter().map(|r| &*r.text).collect();
    Unresolved {
        requirement: text.join(" "),
        name: None,
        range: None,
        location: roots.first().map(|r| r.location.clone()),
        cause,
        reason,
    }
}
