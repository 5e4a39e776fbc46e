//! Commands of npm, pnpm, yarn and bun → [`Plan`].
//!
//! In: the invocation, the project's files and the registries. Out: every release that the command could bring in.
//! The lockfile where it satisfies the manifests; for the rest, for each edge the version npm itself would pick. See
//! `graph` for why the union over the edges is enough.

mod config;
mod extensions;
mod graph;
pub(super) mod manager;
mod overrides;
mod pick;
mod project;
mod release;
mod runtime;
mod settings;
pub(super) mod verify;

use std::path::Path;
use std::sync::Arc;

use graph::{Edge, From, Graph, Kind};
use pick::Picker;
use project::{Finder, Project};
use settings::Settings;

use crate::ecosystem::npm::spec::{self, Spec};
use crate::invocation::{self, Effect, RequestKind, Tool};
use crate::model::{Location, LockState, Package, Plan, SignalGap, Unresolved, UnresolvedCause};
use crate::registry::NpmRegistry;
use crate::resolve::Request;

/// Resolves a command of the npm family.
pub fn resolve(request: Request<'_>, registry: &dyn NpmRegistry) -> Plan {
    resolve_with(request, registry, true)
}

/// As [`resolve`]; `verify_lock` says whether locked packages are compared with the registry's metadata, which costs
/// a packument for each of them. Without it their publication times are not known either.
pub fn resolve_with(request: Request<'_>, registry: &dyn NpmRegistry, verify_lock: bool) -> Plan {
    let invocation = request.invocation;
    if matches!(invocation.effect, Effect::Nothing) {
        return Plan::default();
    }
    let environment = request.environment;
    let finder = Finder { files: request.files, cwd: &environment.cwd, tool: invocation.tool };
    let mut settings = Settings::new(invocation, environment);
    settings.verify_lock = verify_lock;
    let reads_project =
        matches!(invocation.effect, Effect::Project | Effect::ProjectAdd | Effect::Locked | Effect::Update)
            && !invocation.global;
    let mut project =
        if reads_project { finder.project() } else { Project { root: environment.cwd.clone(), ..Project::default() } };
    let problems = std::mem::take(&mut project.problems);
    let uses_engines = settings.is_npm() || settings.is_pnpm();
    let picker = || Picker {
        freshness: request.freshness,
        before: settings.before,
        default_tag: settings.default_tag.clone(),
        node: if settings.is_npm() { settings::node_version(environment, request.files) } else { None },
        minds_deprecation: uses_engines,
    };
    let mut graph = Graph::new(&settings, &project, registry, picker(), &finder, environment.home.as_deref());
    graph.unresolved.extend(problems);
    if settings.is_pnpm() && invocation.effect != Effect::RunsRemote {
        graph.unresolved.extend(runtime::fetched(&finder, environment));
    }
    if settings.frozen && project.lock.is_none() {
        graph.unresolved.push(no_lockfile(&finder, &project));
    }
    let mut edges = Vec::new();
    if reads_project {
        graph.add_members();
        edges.extend(project_edges(&graph, &project, request));
    }
    edges.extend(request_edges(request, &finder, &project));
    let omitted: Vec<Edge> = edges.iter().filter(|e| !settings.wants(e.kind)).cloned().collect();
    graph.grow(edges);
    // What an extension adds may be extended in its turn; a package never gets the same twice.
    let extensions = extensions::read(&finder, &project);
    loop {
        let (before, more) = (graph.nodes.len(), extensions::edges(&extensions, &graph));
        graph.grow(more);
        if graph.nodes.len() == before {
            break;
        }
    }
    if settings.frozen {
        graph.add_unasked(&omitted);
    }
    if reads_project && settings.use_lock && invocation.effect != Effect::Update {
        if let Some(manifest) = &project.manifest {
            graph.forgotten(manifest, "");
        }
        for member in &project.members {
            graph.forgotten(&member.manifest, &member.relative);
        }
    }
    let packages = graph.finish();
    let mut plan = Plan {
        packages,
        held_back: std::mem::take(&mut graph.held_back),
        unresolved: std::mem::take(&mut graph.unresolved),
        lock_issues: std::mem::take(&mut graph.lock_issues),
        signal_gaps: graph.verifier.gaps(),
    };
    let becomes = reads_project && settings.is_pnpm();
    let becomes = if becomes { manager::edges(&project, environment, request.files) } else { Vec::new() };
    let loads = settings.is_pnpm() && invocation.effect != Effect::RunsRemote;
    let config = loads.then(|| config::Config::of(&finder));
    let mut before: Vec<Edge> = config.iter().flat_map(|c| c.edges(&finder)).collect();
    before.extend(becomes);
    if !before.is_empty() {
        let settings = Settings { use_lock: false, frozen: false, both: false, ..settings.clone() };
        let nothing = Project { root: project.root.clone(), ..Project::default() };
        let mut graph = Graph::new(&settings, &nothing, registry, picker(), &finder, environment.home.as_deref());
        graph.grow(before);
        let mut packages = graph.finish();
        if let Some(config) = &config {
            config.mark(&mut packages);
        }
        let unresolved = std::mem::take(&mut graph.unresolved);
        plan.merge(Plan { packages, unresolved, held_back: std::mem::take(&mut graph.held_back), ..Plan::default() });
    }
    plan.signal_gaps.extend(registry.signal_gaps());
    let inside = bundled(&plan.packages, registry);
    plan.signal_gaps.extend(inside);
    plan.normalise();
    plan
}

/// Packages that others bring in their own archives. A lockfile names them with their versions, and then they are in the
/// plan; a packument names them alone, so that which release is inside is not known.
fn bundled(packages: &[Package], registry: &dyn NpmRegistry) -> Vec<SignalGap> {
    /// Most names that are written out.
    const SHOWN: usize = 10;
    let fresh = packages.iter().filter(|p| p.lock == LockState::Unlocked && p.source.is_registry());
    fresh
        .filter_map(|package| {
            // Remembered from the resolution.
            let packument = registry.packument(&package.id.name).ok()?;
            let names = packument.versions.version(&package.id.version)?.bundled;
            let more = names.len().checked_sub(SHOWN).filter(|n| *n > 0).map(|n| format!(" and {n} more"));
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            let (id, more) = (&package.id, more.unwrap_or_default());
            (!names.is_empty()).then(|| SignalGap {
                signal: "bundled",
                registry: package.source.url(),
                reason: format!(
                    "{}@{} brings {}{more} in its own archive, in versions that are not known",
                    id.name.written(),
                    id.version,
                    shown.join(", ")
                ),
            })
        })
        .collect()
}

fn no_lockfile(finder: &Finder<'_>, project: &Project) -> Unresolved {
    Unresolved {
        requirement: finder.shown(&project.root).display().to_string(),
        name: None,
        range: None,
        location: Some(Location::file(finder.shown(&project.root.join("package.json")))),
        cause: UnresolvedCause::Unsupported,
        reason: "the command installs exactly what a lockfile says, and there is none that can be read".to_owned(),
    }
}

/// What the manifests ask for. Names that the command line asks for anew are left to it.
fn project_edges(graph: &Graph<'_>, project: &Project, request: Request<'_>) -> Vec<Edge> {
    let named: Vec<String> = match request.invocation.effect {
        Effect::ProjectAdd => request.invocation.requests.iter().filter_map(|r| spec::parse(&r.text).name).collect(),
        _ => Vec::new(),
    };
    let mut edges = Vec::new();
    match (&project.manifest, &project.lock) {
        (Some(manifest), _) => edges.extend(graph.importer_edges(manifest, "", &project.root, &named)),
        // `npm ci` without a manifest refuses; what the lockfile remembers of it is judged all the same.
        (None, Some(lock)) => {
            for importer in lock.importers.iter().filter(|i| i.path.is_empty()) {
                for dependency in &importer.dependencies {
                    edges.push(Edge {
                        by: None,
                        above: None,
                        from: From::Importer(String::new()),
                        name: Some(dependency.name.clone()),
                        text: dependency.spec.clone(),
                        spec: None,
                        kind: Kind::of(dependency.kind, dependency.optional_peer),
                        location: lock.location(dependency.offset),
                        directory: project.root.clone(),
                        context: Arc::from([]),
                        explicit: false,
                        alone: false,
                    });
                }
            }
        }
        (None, None) => {}
    }
    for member in &project.members {
        edges.extend(graph.importer_edges(&member.manifest, &member.relative, &member.directory, &named));
    }
    edges
}

/// What the command line asks for by name.
fn request_edges(request: Request<'_>, finder: &Finder<'_>, project: &Project) -> Vec<Edge> {
    let invocation = request.invocation;
    // `npm update x` re-resolves x where the project asks for it; it adds nothing.
    if invocation.effect == Effect::Update && !invocation.global {
        return Vec::new();
    }
    // Only the archive itself is fetched.
    let alone = matches!(invocation.verb.as_str(), "pack" | "cache add" | "view") || invocation.tool == Tool::Corepack;
    let runs = invocation.effect == Effect::RunsRemote;
    let mut edges = Vec::new();
    for asked in &invocation.requests {
        if asked.kind == RequestKind::Selector {
            continue;
        }
        let requirement = spec::parse(&asked.text);
        if runs && is_there_already(finder, request, asked, &requirement) {
            continue;
        }
        let text = asked.text.clone();
        edges.push(Edge {
            by: None,
            above: None,
            from: From::Fresh,
            name: requirement.name,
            text,
            spec: Some(requirement.spec),
            kind: Kind::Production,
            location: asked.location.clone(),
            // npm reads paths of the command line from where it was started, not from the project's root.
            directory: if invocation.global { request.environment.cwd.clone() } else { finder.cwd.to_owned() },
            context: Arc::from([]),
            explicit: true,
            alone,
        });
    }
    let _ = project;
    edges
}

/// Whether `npm exec`, `npx` or `bunx` finds the command without fetching: a command of the project itself or in
/// `node_modules/.bin` upwards, an installed package that satisfies what is asked for, or, for npm, a program that is
/// installed globally.
fn is_there_already(
    finder: &Finder<'_>,
    request: Request<'_>,
    asked: &invocation::Request,
    requirement: &spec::Requirement,
) -> bool {
    let invocation = request.invocation;
    let looks =
        matches!(invocation.tool, Tool::Npm | Tool::Npx | Tool::Bun | Tool::Bunx) && !is_download(&invocation.verb);
    let (Some(name), true) = (&requirement.name, looks) else { return false };
    if !spec::is_valid_name(name) {
        return false;
    }
    let mut ignored = Vec::new();
    let bare = asked.text == *name;
    for directory in finder.cwd.ancestors() {
        if bare && asked.kind == RequestKind::Requirement {
            let bin = directory.join("node_modules").join(".bin");
            if finder.files.is_file(&bin.join(name)) || finder.files.is_file(&bin.join(format!("{name}.cmd"))) {
                return true;
            }
            let own = finder.manifest(&directory.join("package.json"), &mut ignored);
            if own.is_some_and(|m| m.bin.iter().any(|b| b == name)) {
                return true;
            }
        }
        if installed_satisfies(finder, directory, name, &requirement.spec) {
            return true;
        }
    }
    let of_npm = matches!(invocation.tool, Tool::Npm | Tool::Npx) && asked.kind == RequestKind::Requirement;
    of_npm && bare && settings::is_global_program(invocation, request.environment, request.files, name)
}

/// `dlx` never looks at what is installed.
fn is_download(verb: &str) -> bool {
    matches!(verb, "dlx" | "init" | "create")
}

fn installed_satisfies(finder: &Finder<'_>, directory: &Path, name: &str, wanted: &Spec) -> bool {
    let path = directory.join("node_modules").join(name).join("package.json");
    let Some(manifest) = finder.manifest(&path, &mut Vec::new()) else { return false };
    let Some(version) = &manifest.version else { return false };
    // A tag must be asked for again; a version or range is satisfied by what is there.
    manifest.name.as_deref() == Some(name)
        && matches!(wanted, Spec::Version(_) | Spec::Range(_))
        && pick::satisfied(wanted, version)
}
