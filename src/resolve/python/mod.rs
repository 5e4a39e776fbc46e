//! Python's resolver: the words and files of a command, an index and an interpreter → the releases that pip would
//! install, each with every file it may choose. In: [`Request`], [`PythonIndex`], [`InterpreterFacts`]. Out: [`Plan`].
//!
//! ```text
//! inputs     the command's words and files → requirements, constraints, options; project: manifests and locks
//! locked     a lockfile that holds is the plan
//! catalog    projects and metadata, each read once; pool: what may be chosen for one project
//! search     pip's own search, so that the versions are pip's; prove: a second opinion, and why there is none
//! outcome    the solution as packages
//! builds     what of it is built from source, with what
//! ```

mod builds;
mod catalog;
mod inputs;
mod installed;
mod local;
mod locked;
mod options;
mod outcome;
mod pool;
mod project;
mod prove;
mod ranges;
mod search;
mod startup;

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use builds::{Builder, Environment};
use catalog::{Catalog, DirectSource, Name, Need};
use inputs::{Asked, Inputs};
use outcome::Root;
use project::Project;
use search::{Cooldown, Failure, Found, Search};

use super::Request;
use crate::ecosystem::python::direct::Direct;
use crate::ecosystem::python::lock::{Lockfile, Selection};
use crate::ecosystem::python::requirement::{Marker, Requirement};
use crate::ecosystem::python::requirements_txt::Target;
use crate::ecosystem::python::version::{Specifiers, Version, parse_version};
use crate::invocation::{Effect, Tool};
use crate::model::{
    Execution, InterpreterFacts, Location, Package, PackageName, Plan, SignalGap, Source, Unresolved, UnresolvedCause,
};
use crate::registry::{FetchError, PythonIndex};

/// Most releases whose metadata is asked for ahead of the search.
const MAX_AHEAD: usize = 1_500;

/// Resolves a Python command.
pub fn resolve(request: Request<'_>, index: &dyn PythonIndex, interpreter: &InterpreterFacts) -> Plan {
    let mut plan = Plan::default();
    let effect = request.invocation.effect;
    if effect == Effect::Nothing {
        return plan;
    }
    let mut inputs = inputs::gather(request);
    let mut directories: Vec<Environment> = Vec::new();
    if request.invocation.tool == Tool::Uv && request.invocation.verb.starts_with("pip") {
        project::read_settings(request, &mut inputs);
    }
    let of_project = matches!(effect, Effect::Locked | Effect::Project | Effect::ProjectAdd | Effect::Update)
        && !request.invocation.global
        && request.invocation.tool != Tool::Pip;
    let mut builder = Builder {
        request,
        index,
        interpreter,
        options: inputs.options.clone(),
        constraints: Vec::new(),
        extra: BTreeMap::new(),
        stated: Vec::new(),
    };
    if of_project {
        for (entry, development) in project::read_scripts(request, &mut inputs) {
            inputs.take(entry, false, development);
        }
        let project = project::read(request, &mut inputs);
        builder.take(&mut inputs);
        builder.options.clone_from(&inputs.options);
        resolve_project(&mut plan, request, index, interpreter, inputs, project, &mut directories);
    } else {
        for (entry, development) in project::read_named(request, &mut inputs) {
            inputs.take(entry, false, development);
        }
        for tool in installed::read(request, &mut inputs) {
            let mut one = Plan::default();
            solve(&mut one, request, index, interpreter, tool, &Locks::default(), &mut directories);
            plan.merge(one);
        }
        builder.take(&mut inputs);
        builder.options.clone_from(&inputs.options);
        let locks: Vec<_> = std::mem::take(&mut inputs.pylocks)
            .iter()
            .filter_map(|path| project::read_lock(request, &mut inputs, path))
            .collect();
        for lock in locks {
            let catalog = Catalog::new(index, request.files, request.freshness, interpreter, inputs.options.clone());
            locked::fill(&mut plan, &catalog, &lock, &Selection::default(), &Project::default());
        }
        solve(&mut plan, request, index, interpreter, inputs, &Locks::default(), &mut directories);
    }
    builder.complete(&mut plan, directories);
    startup::mark(&mut plan, index, request.freshness);
    plan.signal_gaps.extend(index.signal_gaps());
    let unsaid = unsaid(&plan);
    plan.signal_gaps.extend(unsaid);
    plan.normalise();
    plan
}

/// What no simple index tells of a release, once for each index that the plan takes something from.
fn unsaid(plan: &Plan) -> Vec<SignalGap> {
    const UNSAID: [(&str, &str); 3] = [
        ("publisher", "a simple index does not say who published"),
        ("provenance", "attestations are not compared with those of the release before"),
        ("added-dependencies", "the requirements of the release before are not fetched"),
    ];
    let mut registries: Vec<String> =
        plan.packages.iter().filter(|p| p.source.is_registry()).map(|p| p.source.url()).collect();
    registries.sort();
    registries.dedup();
    registries
        .iter()
        .flat_map(|registry| {
            UNSAID.map(|(signal, reason)| SignalGap { signal, registry: registry.clone(), reason: reason.to_owned() })
        })
        .collect()
}

/// Resolves a command on a project: the lockfile where it holds, else the manifest, keeping what is locked.
fn resolve_project(
    plan: &mut Plan,
    request: Request<'_>,
    index: &dyn PythonIndex,
    interpreter: &InterpreterFacts,
    mut inputs: Inputs,
    mut project: Project,
    directories: &mut Vec<Environment>,
) {
    let effect = request.invocation.effect;
    if let Some(plugins) = project.plugins.take() {
        directories.push(Environment::of_directory(plugins, false, Location::argv(0)));
    }
    if let Some(system) = project.build.take() {
        // A project is installed in place.
        directories.push(Environment::of_directory(system, true, Location::argv(0)));
    }
    let lock = project.lock.take();
    let catalog = Catalog::new(index, request.files, request.freshness, interpreter, inputs.options.clone());
    let named: Vec<Asked> = std::mem::take(&mut inputs.asked);
    let update_all = effect == Effect::Update && named.is_empty();
    let drift = lock.as_ref().map(|lock| locked::drift(&catalog, &project, lock)).unwrap_or_default();
    let holds = match effect {
        Effect::Locked => true,
        Effect::Project => drift.is_empty(),
        _ => false,
    };
    if !update_all {
        plan.lock_issues.extend(drift);
    }
    let mut locks = Locks::default();
    if let Some(lock) = lock.as_ref().filter(|_| !update_all) {
        locks = Locks::of(lock, &catalog, named.iter().filter(|_| effect == Effect::Update));
    }
    match &lock {
        Some(lock) if holds => {
            locked::fill(plan, &catalog, lock, &project.selection, &project);
            directories.extend(locked_directories(plan, request));
            inputs.asked = named;
        }
        _ => {
            if effect == Effect::Locked {
                let location = Location::argv(0);
                inputs.refuse(
                    "lockfile",
                    location,
                    UnresolvedCause::Unsupported,
                    "the command installs what is locked, and there is no lockfile",
                );
            }
            for (entry, development) in std::mem::take(&mut project.entries) {
                inputs.take(entry, false, development);
            }
            project::take_held(&mut inputs, project);
            for asked in named {
                // What is only to be brought up to date is in the manifest, or comes in by what is.
                let known = lock.is_some() && effect == Effect::Update && locks.has(&asked);
                if known { inputs.constraints.push(asked) } else { inputs.asked.push(asked) }
            }
        }
    }
    let mut rest = Plan::default();
    solve(&mut rest, request, index, interpreter, inputs, &locks, directories);
    plan.merge(rest);
}

/// What the directories among locked packages are built with. The lockfile has what they need; they are not read for it.
fn locked_directories(plan: &Plan, request: Request<'_>) -> Vec<Environment> {
    let built = plan.packages.iter().filter(|p| p.executes.contains(&Execution::PythonBuild));
    let environment = |package: &Package| {
        let (Source::Path { path } | Source::Workspace { path }) = &package.source else { return None };
        let directory = request.environment.absolute(path);
        let system = local::read(request, &directory).build.filter(|_| request.files.is_dir(&directory))?;
        Some(Environment::of_directory(system, true, package.origin.location.clone()))
    };
    built.filter_map(environment).collect()
}

/// What a lockfile fixes, for a resolution that keeps it where it can.
#[derive(Debug, Default)]
struct Locks {
    versions: Vec<(PackageName, Version, bool)>,
}

impl Locks {
    fn of<'a>(lock: &Lockfile, catalog: &Catalog<'_>, freed: impl Iterator<Item = &'a Asked> + Clone) -> Self {
        let free = |name: &PackageName| freed.clone().any(|a| a.name() == Some(name));
        let fits = |m: &Option<Marker>| m.as_ref().is_none_or(|m| m.evaluate(&catalog.markers, &[]));
        let versions = lock
            .packages
            .iter()
            .filter(|p| !p.is_workspace() && fits(&p.marker) && !free(&p.name))
            .filter_map(|p| {
                let hashed = p.artifacts.iter().any(|a| !a.digests.is_empty());
                Some((p.name.clone(), parse_version(p.version.as_deref()?)?, hashed))
            })
            .collect();
        Self { versions }
    }

    fn has(&self, asked: &Asked) -> bool {
        asked.name().is_some()
    }
}

/// Resolves what was asked for in one environment. What its directories are built in is added to `builds`.
fn solve(
    plan: &mut Plan,
    request: Request<'_>,
    index: &dyn PythonIndex,
    interpreter: &InterpreterFacts,
    inputs: Inputs,
    locks: &Locks,
    builds: &mut Vec<Environment>,
) {
    let Inputs { asked, constraints, overrides, options, unresolved, stated, .. } = inputs;
    plan.unresolved.extend(unresolved);
    let require_hashes = options.require_hashes;
    let mut catalog = Catalog::new(index, request.files, request.freshness, interpreter, options);
    for said in stated {
        let version = said.version.as_deref().and_then(parse_version);
        catalog.stated.entry(said.name).or_default().push((version, said.requires));
    }
    for (name, version, hashed) in &locks.versions {
        let name = catalog.name(name);
        catalog.preferred.entry(name).or_default().push((version.clone(), *hashed));
    }
    let mut roots: Vec<Root> = Vec::new();
    let mut named: Vec<(Asked, Requirement)> = Vec::new();
    // First, for of two sources that are named for a project the first stays.
    let replaced = replaced(plan, request, index, &mut catalog, overrides, builds);
    let asked = asked.into_iter().flat_map(|asked| {
        let overriding = asked.name().and_then(|name| replaced.get(name.canonical()));
        match overriding.filter(|_| asked.applies(&catalog.markers)) {
            Some(all) => all.iter().map(|o| Asked { development: asked.development, ..o.clone() }).collect(),
            None => vec![asked],
        }
    });
    for asked in asked.collect::<Vec<_>>() {
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
                    match add_direct(plan, request, index, &mut catalog, &asked, direct, builds) {
                        Some(requirement) => named.push((asked, requirement)),
                        None => continue,
                    }
                }
            }
        }
    }
    for constraint in constraints {
        match constraint.target {
            Target::Named(requirement) if requirement.applies(&catalog.markers, &[]) => {
                let needs = catalog.needs(&requirement, &constraint.text, &constraint.hashes);
                let name = catalog.name(&requirement.name);
                catalog.constraints.entry(name).or_default().extend(needs.into_iter().take(1));
            }
            Target::Direct(direct)
                if direct.name.is_some()
                    && direct.marker.as_ref().is_none_or(|m| m.evaluate(&catalog.markers, &[])) =>
            {
                // A constraint on a URL says where a project comes from, if something asks for it.
                let asked = Asked { target: Target::Direct(direct.clone()), ..constraint };
                let _ = add_direct(plan, request, index, &mut catalog, &asked, direct, builds);
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
        Err((failure, lines)) => plan.unresolved.push(conflict(&roots, &failure, &lines)),
    }
    report_missing(plan, &catalog);
}

/// Registers overrides. What they say of each project, which holds for what the command asks for too (uv's
/// `Overrides::apply`): nothing, where none of their markers does.
fn replaced(
    plan: &mut Plan,
    request: Request<'_>,
    index: &dyn PythonIndex,
    catalog: &mut Catalog<'_>,
    overrides: Vec<Asked>,
    builds: &mut Vec<Environment>,
) -> FxHashMap<String, Vec<Asked>> {
    let mut out: FxHashMap<String, Vec<Asked>> = FxHashMap::default();
    for asked in overrides {
        let applies = asked.applies(&catalog.markers);
        let requirement = match asked.target.clone() {
            Target::Named(requirement) => Some(requirement),
            Target::Direct(direct) if applies => add_direct(plan, request, index, catalog, &asked, direct, builds),
            Target::Direct(_) => None,
        };
        let Some(name) = asked.name().cloned().or_else(|| requirement.as_ref().map(|r| r.name.clone())) else {
            continue;
        };
        let number = catalog.name(&name);
        catalog.overrides.entry(number).or_default().extend(requirement);
        let known = out.entry(name.canonical().to_owned()).or_default();
        if applies {
            known.push(asked);
        }
    }
    out
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
/// What a directory is built with goes to `builds`.
fn add_direct(
    plan: &mut Plan,
    request: Request<'_>,
    index: &dyn PythonIndex,
    catalog: &mut Catalog<'_>,
    asked: &Asked,
    mut direct: Direct,
    builds: &mut Vec<Environment>,
) -> Option<Requirement> {
    let filename = direct.filename();
    let wheel = filename.as_ref().is_some_and(|f| f.ends_with(".whl"));
    let mut digests = direct.digests.clone();
    digests.extend(asked.hashes.iter().cloned());
    let what = match &direct.source {
        Source::Git { .. } => "a repository is not fetched, so its dependencies are not known",
        Source::Path { .. } => "the dependencies of a local archive are not known without opening it",
        _ => "an archive outside any index is not fetched, so its dependencies are not known",
    };
    let mut requires = Err((UnresolvedCause::Unsupported, what.to_owned()));
    if let Source::Path { path } | Source::Workspace { path } = &direct.source
        && filename.is_none()
    {
        let dir = match &direct.subdirectory {
            Some(below) => path.join(below),
            None => path.clone(),
        };
        let local = local::read(request, &dir);
        direct.name = direct.name.or(local.name);
        direct.version = direct.version.or(local.version);
        requires = local.requires;
        builds.extend(
            local.build.map(|system| Environment::of_directory(system, asked.editable, asked.location.clone())),
        );
        plan.unresolved.extend(local.unresolved);
        if dir.starts_with(&request.environment.cwd) {
            direct.source = Source::Workspace { path: dir };
        }
    }
    let mut starts_code = None;
    if let (Source::Path { path }, Some(filename), true) = (&direct.source, &filename, wheel)
        && let Some(file) = startup::local_wheel(&request.environment.absolute(path), filename)
    {
        let starts = direct.name.as_ref().and_then(|name| index.starts_code(name, &file, true));
        starts_code = starts.and_then(startup::execution);
        if let Ok(metadata) = index.metadata(&file) {
            requires = Ok(metadata.requires_dist.clone());
        }
    }
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
            requires,
            digests,
            builds: !wheel,
            starts_code,
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
        FetchError::PrivateName { .. } => UnresolvedCause::PrivateName,
        FetchError::Unreachable { .. } | FetchError::Unauthorized { .. } | FetchError::Offline { .. } => {
            UnresolvedCause::Unreachable
        }
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

/// Searches with young releases invisible, then with young releases last, then without what does not exist; then asks
/// a solver that can say why there is no solution.
fn find(catalog: &Catalog<'_>, roots: &[Root]) -> Result<Found, (Failure, Vec<String>)> {
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
    result.or_else(|failure| prove::decide(catalog, &needs).map_err(|lines| (failure, lines)))
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

/// What is said when there is no solution.
fn conflict(roots: &[Root], failure: &Failure, lines: &[String]) -> Unresolved {
    let (cause, reason) = match failure {
        _ if !lines.is_empty() => (UnresolvedCause::Conflict, lines.join("; ")),
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
