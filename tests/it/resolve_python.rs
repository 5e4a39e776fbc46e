//! Python resolution over an index in memory: each scenario is a small world, a command, and the versions that pip
//! would install (or what is said instead).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tidewaiter::invocation::{self, Effect, FileRef, FileRole, Flag, FlagEffect, Invocation, RequestKind, Tool};
use tidewaiter::model::{
    Digest, Ecosystem, Environment, Execution, InterpreterFacts, Location, MemoryFiles, PackageId, PackageName,
    Pinning, Plan, SignalGap, Timestamp, UnresolvedCause,
};
use tidewaiter::registry::python::{Advertised, BuildFiles, CoreMetadata, File, Project};
use tidewaiter::registry::{FetchError, PythonIndex};
use tidewaiter::resolve::{self, Freshness, Request};

const INDEX: &str = "https://index.example/simple";

/// An index in memory.
#[derive(Default)]
struct World {
    projects: BTreeMap<String, Vec<File>>,
    metadata: BTreeMap<String, CoreMetadata>,
    /// The pyproject.toml of an sdist, by file name. Without: it needs nothing to be built.
    builds: BTreeMap<String, String>,
    unreachable: Vec<String>,
    also: BTreeMap<String, Vec<String>>,
    asked: Mutex<Vec<String>>,
}

/// Sets what a release is beyond its requirements.
type Edit = fn(&mut File);

impl World {
    fn new() -> Self {
        Self::default()
    }

    /// A release with one wheel for any interpreter.
    fn wheel(self, name: &str, version: &str, requires: &[&str]) -> Self {
        self.file(&format!("{name}-{version}-py3-none-any.whl"), name, version, requires, |_| {})
    }

    fn wheel_with(self, name: &str, version: &str, requires: &[&str], edit: Edit) -> Self {
        self.file(&format!("{name}-{version}-py3-none-any.whl"), name, version, requires, edit)
    }

    /// A release published on this day.
    fn dated(mut self, name: &str, version: &str, day: &str, requires: &[&str]) -> Self {
        self = self.wheel(name, version, requires);
        let file = self.projects.get_mut(name).unwrap().last_mut().unwrap();
        file.upload_time = Some(format!("{day}T00:00:00Z").parse().unwrap());
        self
    }

    fn file(mut self, filename: &str, name: &str, version: &str, requires: &[&str], edit: Edit) -> Self {
        let mut file = File {
            filename: filename.to_owned(),
            url: format!("https://files.example/{filename}"),
            digests: vec![Digest::sha256_of(filename.as_bytes())],
            requires_python: None,
            size: Some(1),
            upload_time: Some("2020-01-01T00:00:00Z".parse().unwrap()),
            yanked: None,
            core_metadata: Advertised::Yes,
            index: Arc::from(INDEX),
        };
        edit(&mut file);
        self.metadata.insert(
            filename.to_owned(),
            CoreMetadata {
                name: name.to_owned(),
                version: version.to_owned(),
                requires_dist: requires.iter().map(ToString::to_string).collect(),
                ..CoreMetadata::default()
            },
        );
        let key = PackageName::new(Ecosystem::PyPI, name).canonical().to_owned();
        self.projects.entry(key).or_default().push(file);
        self
    }

    /// A release with an sdist whose metadata needs a build.
    fn opaque_sdist(mut self, name: &str, version: &str) -> Self {
        let filename = format!("{name}-{version}.tar.gz");
        self = self.file(&filename, name, version, &[], |_| {});
        self.metadata.remove(&filename);
        self
    }

    fn plan(&self, command: Command) -> Plan {
        command.resolve(self)
    }

    /// The versions of a plan that is complete.
    fn versions(&self, command: Command) -> String {
        let plan = self.plan(command);
        assert!(plan.complete(), "{:#?}", plan.unresolved);
        versions(&plan)
    }
}

fn versions(plan: &Plan) -> String {
    let all: Vec<String> = plan.packages.iter().map(|p| format!("{} {}", p.id.name, p.id.version)).collect();
    all.join(", ")
}

impl PythonIndex for World {
    fn project(&self, name: &PackageName) -> Result<Arc<Project>, FetchError> {
        self.asked.lock().unwrap().push(name.canonical().to_owned());
        if self.unreachable.iter().any(|n| n == name.canonical()) {
            return Err(FetchError::Unreachable { registry: INDEX.to_owned(), reason: "no route".to_owned() });
        }
        let files =
            self.projects.get(name.canonical()).ok_or(FetchError::NotFound { registry: INDEX.to_owned() })?.clone();
        let mut indexes = vec![Arc::from(INDEX)];
        indexes.extend(self.also.get(name.canonical()).into_iter().flatten().map(|i| Arc::from(i.as_str())));
        Ok(Arc::new(Project { name: name.clone(), files: files.into(), indexes, status: String::new() }))
    }

    fn metadata(&self, file: &File) -> Result<Arc<CoreMetadata>, FetchError> {
        let known = self.metadata.get(&file.filename).cloned().map(Arc::new);
        known.ok_or(FetchError::NeedsExecution { reason: "no static metadata".to_owned() })
    }

    fn build_files(&self, file: &File) -> Result<Arc<BuildFiles>, FetchError> {
        let text = self
            .builds
            .get(&file.filename)
            .map_or("[build-system]\nrequires = []\nbuild-backend = \"own\"\n", String::as_str);
        let pyproject = (!text.is_empty()).then(|| text.to_owned());
        Ok(Arc::new(BuildFiles { pyproject, setup_cfg: None }))
    }

    fn prefetch(&self, _names: &[PackageName]) {}

    fn prefetch_metadata(&self, _files: &[File]) {}

    fn signal_gaps(&self) -> Vec<SignalGap> {
        Vec::new()
    }
}

/// A command and what surrounds it.
#[derive(Clone)]
struct Command {
    invocation: Invocation,
    files: MemoryFiles,
    interpreter: InterpreterFacts,
    as_of: Option<&'static str>,
    cutoff: Option<&'static str>,
    affected: Vec<PackageId>,
}

/// `pip install WORDS`.
fn pip(words: &[&str]) -> Command {
    let argv: Vec<String> = ["pip", "install"].iter().chain(words).map(ToString::to_string).collect();
    let mut invocation = Invocation::other(&argv);
    invocation.tool = Tool::Pip;
    invocation.verb = "install".to_owned();
    invocation.effect = Effect::Requests;
    invocation.requests = words
        .iter()
        .enumerate()
        .map(|(i, text)| invocation::Request {
            text: text.to_string(),
            kind: RequestKind::Requirement,
            location: Location::argv(i + 2),
        })
        .collect();
    Command {
        invocation,
        files: MemoryFiles::default(),
        interpreter: python311(),
        as_of: None,
        cutoff: None,
        affected: Vec::new(),
    }
}

/// A command line, with `/h` for a home.
fn line_in_home(line: &str) -> Command {
    let environment = Environment {
        variables: BTreeMap::new(),
        cwd: PathBuf::from("/work"),
        home: Some(PathBuf::from("/h")),
        now: "2026-01-10T00:00:00Z".parse().unwrap(),
        os: "linux",
        arch: "x86_64",
    };
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let invocation = invocation::parse(&argv, &environment).remove(0);
    Command { invocation, ..pip(&[]) }
}

fn python311() -> InterpreterFacts {
    let marker = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    InterpreterFacts {
        markers: vec![
            marker("implementation_name", "cpython"),
            marker("implementation_version", "3.11.7"),
            marker("os_name", "posix"),
            marker("platform_machine", "x86_64"),
            marker("platform_python_implementation", "CPython"),
            marker("platform_release", ""),
            marker("platform_system", "Linux"),
            marker("platform_version", ""),
            marker("python_full_version", "3.11.7"),
            marker("python_version", "3.11"),
            marker("sys_platform", "linux"),
        ],
        tags: ["cp311-cp311-manylinux_2_17_x86_64", "cp311-abi3-manylinux_2_17_x86_64", "py3-none-any", "py2-none-any"]
            .map(str::to_owned)
            .to_vec(),
        ..InterpreterFacts::default()
    }
}

impl Command {
    fn flag(mut self, name: &str, value: Option<&str>) -> Self {
        self.invocation.flags.push(Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            effect: FlagEffect::Selects,
            location: Location::argv(0),
        });
        self
    }

    fn with_file(mut self, path: &str, role: FileRole, text: &str) -> Self {
        self.files.0.insert(PathBuf::from("/work").join(path), text.as_bytes().to_vec());
        self.invocation.files.push(FileRef { path: path.to_owned(), role, location: Location::argv(3) });
        self
    }

    fn requirements(self, text: &str) -> Self {
        self.with_file("requirements.txt", FileRole::Requirements, text)
    }

    fn constraints(self, text: &str) -> Self {
        self.with_file("constraints.txt", FileRole::Constraints, text)
    }

    fn installed(mut self, name: &str, version: &str, requires: &[&str]) -> Self {
        self.interpreter.installed.push((name.to_owned(), version.to_owned()));
        self.interpreter.site_packages = vec![PathBuf::from("/venv/site-packages")];
        let requires: String = requires.iter().map(|r| format!("Requires-Dist: {r}\n")).collect();
        let text =
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\nRequires-Dist: not-me\n");
        let path = format!("/venv/site-packages/{name}-{version}.dist-info/METADATA");
        self.files.0.insert(PathBuf::from(path), text.into_bytes());
        self
    }

    fn cutoff(mut self, day: &'static str) -> Self {
        self.cutoff = Some(day);
        self
    }

    fn with_as_of(mut self, day: &'static str) -> Self {
        self.as_of = Some(day);
        self
    }

    fn resolve(&self, index: &dyn PythonIndex) -> Plan {
        let day = |d: &str| -> Timestamp { format!("{d}T00:00:00Z").parse().unwrap() };
        let environment = Environment {
            variables: BTreeMap::new(),
            cwd: PathBuf::from("/work"),
            home: Some(PathBuf::from("/h")),
            now: day("2026-01-10"),
            os: "linux",
            arch: "x86_64",
        };
        let freshness = Freshness {
            as_of: self.as_of.map(day),
            cutoff: self.cutoff.map(day),
            excluded: &|name| name.canonical() == "exempt",
            affected: &|id| self.affected.contains(id),
            now: day("2026-01-10"),
        };
        let request = Request {
            invocation: &self.invocation,
            environment: &environment,
            files: &self.files,
            freshness: &freshness,
        };
        resolve::python(request, index, &self.interpreter)
    }
}

fn only_unresolved(plan: &Plan) -> (UnresolvedCause, &str) {
    assert_eq!(plan.unresolved.len(), 1, "{:#?}", plan.unresolved);
    (plan.unresolved[0].cause, &plan.unresolved[0].reason)
}

fn package<'p>(plan: &'p Plan, name: &str) -> &'p tidewaiter::model::Package {
    plan.packages.iter().find(|p| p.id.name.canonical() == name).unwrap()
}

#[test]
fn the_newest_release_and_all_it_needs() {
    let world = World::new()
        .wheel("app", "1.0", &["lib>=1"])
        .wheel("app", "2.0", &["lib>=2,<3", "tool; python_version < '3'"])
        .wheel("lib", "1.9", &[])
        .wheel("lib", "2.5", &["deep"])
        .wheel("lib", "3.0", &[])
        .wheel("deep", "0.1", &[]);
    let plan = world.plan(pip(&["App"]));
    assert_eq!(versions(&plan), "App 2.0, deep 0.1, lib 2.5");
    let lib = package(&plan, "lib");
    assert_eq!((lib.direct, lib.depth, lib.origin.text.as_str()), (false, 1, "lib>=2,<3"));
    assert_eq!(lib.origin.range.as_deref(), Some(">=2,<3"));
    assert_eq!(lib.required_by[0].purl(), "pkg:pypi/app@2.0");
    assert_eq!(lib.pinning, Pinning::Range);
    assert_eq!(lib.origin.location, Location::argv(2), "it came in by that word");
    assert_eq!(package(&plan, "deep").depth, 2);
    let app = package(&plan, "app");
    assert_eq!((app.direct, app.pinning), (true, Pinning::Floating));
    assert_eq!(app.source.url(), INDEX);
    assert_eq!(app.artifacts.len(), 1);
}

#[test]
fn a_later_upper_bound_moves_the_earlier_pin_and_not_who_set_it() {
    // A learning solver keeps `http 2` and goes back through every `cloud`; pip pins `http` anew.
    let world = World::new()
        .wheel("http", "1.9", &[])
        .wheel("http", "2.0", &[])
        .wheel("cloud", "1.0", &["core==1.0"])
        .wheel("cloud", "2.0", &["core==2.0"])
        .wheel("core", "1.0", &["http"])
        .wheel("core", "2.0", &["http<2"]);
    assert_eq!(world.versions(pip(&["http", "cloud"])), "cloud 2.0, core 2.0, http 1.9");
}

#[test]
fn going_back_over_a_conflict() {
    let world = World::new()
        .wheel("a", "2.0", &["c>=2"])
        .wheel("a", "1.0", &["c<2"])
        .wheel("b", "1.0", &["c<2"])
        .wheel("c", "1.0", &[])
        .wheel("c", "2.0", &[]);
    assert_eq!(world.versions(pip(&["a", "b"])), "a 1.0, b 1.0, c 1.0");
}

#[test]
fn a_contradiction_is_said_with_its_parts() {
    let world = World::new().wheel("a", "1.0", &["c>=2"]).wheel("b", "1.0", &["c<2"]).wheel("c", "1.0", &[]).wheel(
        "c",
        "2.0",
        &[],
    );
    let plan = world.plan(pip(&["a", "b"]));
    let (cause, reason) = only_unresolved(&plan);
    assert_eq!(cause, UnresolvedCause::Conflict);
    assert!(reason.contains("a 1.0 requires c>=2") && reason.contains("b 1.0 requires c<2"), "{reason}");
    assert_eq!(only_unresolved(&world.plan(pip(&["c==1.0", "c==2.0"]))).0, UnresolvedCause::Conflict);
}

#[test]
fn pre_releases_only_where_named_asked_for_or_alone() {
    let world = World::new().wheel("a", "1.0", &[]).wheel("a", "2.0rc1", &[]).wheel("only", "1.0b1", &[]).wheel(
        "wants",
        "1.0",
        &["a>=2.0rc1"],
    );
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    assert_eq!(world.versions(pip(&["a"]).flag("--pre", None)), "a 2.0rc1");
    assert_eq!(world.versions(pip(&["a>=2.0a1"])), "a 2.0rc1");
    assert_eq!(world.versions(pip(&["a>1"])), "a 2.0rc1", "no final release matches");
    assert_eq!(world.versions(pip(&["only"])), "only 1.0b1");
    assert_eq!(world.versions(pip(&["wants"])), "a 2.0rc1, wants 1.0");
}

#[test]
fn yanked_releases_only_when_pinned() {
    let world =
        World::new().wheel("a", "1.0", &[]).wheel_with("a", "1.1", &[], |f| f.yanked = Some("broken".to_owned()));
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    let plan = world.plan(pip(&["a==1.1"]));
    assert_eq!(versions(&plan), "a 1.1");
    assert_eq!(package(&plan, "a").withdrawn.as_deref(), Some("broken"));
    assert_eq!(only_unresolved(&world.plan(pip(&["a>=1.1"]))).0, UnresolvedCause::NoMatchingVersion);
}

#[test]
fn requires_python_and_tags_decide_what_exists() {
    let world = World::new()
        .wheel("a", "1.0", &[])
        .wheel_with("a", "2.0", &[], |f| f.requires_python = Some(">=3.12".to_owned()))
        .file("b-1.0-cp311-cp311-win_amd64.whl", "b", "1.0", &[], |_| {})
        .file("c-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "c", "1.0", &[], |_| {})
        .file("c-1.0-py3-none-any.whl", "c", "1.0", &[], |_| {})
        .file("c-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "c", "1.0", &[], |_| {});
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    let plan = world.plan(pip(&["b"]));
    let (cause, reason) = only_unresolved(&plan);
    assert_eq!(cause, UnresolvedCause::NoMatchingVersion);
    assert!(reason.contains("1.0 has no file for this interpreter"), "{reason}");
    let plan = world.plan(pip(&["c"]));
    assert_eq!(package(&plan, "c").artifacts.len(), 2);
}

#[test]
fn local_versions() {
    let world = World::new().wheel("a", "1.0", &[]).wheel("a", "1.0+cpu", &[]).wheel("a", "1.1+cu", &[]);
    assert_eq!(world.versions(pip(&["a==1.0"])), "a 1.0+cpu", "a local build is newer than its release");
    assert_eq!(world.versions(pip(&["a==1.0+cpu"])), "a 1.0+cpu");
    assert_eq!(world.versions(pip(&["a<=1.0"])), "a 1.0+cpu");
    assert_eq!(world.versions(pip(&["a===1.0"])), "a 1.0");
}

#[test]
fn extras_bring_their_requirements_and_bind_to_the_project() {
    let world = World::new()
        .wheel("a", "1.0", &["x; extra == 'fast'", "y; extra == 'all'", "a[fast]; extra == 'all'"])
        .wheel("x", "1.0", &[])
        .wheel("y", "1.0", &[])
        .wheel("b", "1.0", &["a[fast]<1.0"])
        .wheel("a", "0.9", &["x; extra == 'fast'"]);
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    assert_eq!(world.versions(pip(&["a[Fast]"])), "a 1.0, x 1.0");
    assert_eq!(world.versions(pip(&["a[all]"])), "a 1.0, x 1.0, y 1.0");
    assert_eq!(world.versions(pip(&["a[unknown]"])), "a 1.0");
    assert_eq!(world.versions(pip(&["a", "b"])), "a 0.9, b 1.0, x 1.0");
    let plan = world.plan(pip(&["a[fast]==1.0"]));
    assert_eq!((package(&plan, "a").pinning, package(&plan, "x").depth), (Pinning::Exact, 1));
}

#[test]
fn an_sdist_alone_is_named_and_not_built() {
    let world = World::new().wheel("a", "1.0", &[]).opaque_sdist("a", "2.0").wheel("b", "1.0", &["a"]);
    let plan = world.plan(pip(&["b"]));
    let (cause, reason) = only_unresolved(&plan);
    assert_eq!(cause, UnresolvedCause::NeedsExecution);
    assert!(reason.contains("a 2.0") && reason.contains("1.0 is the newest release with a wheel"), "{reason}");
    assert_eq!(versions(&plan), "a 2.0, b 1.0", "what is known is in the plan");
    assert_eq!(package(&plan, "a").executes, [Execution::PythonBuild]);
    assert_eq!(world.versions(pip(&["b"]).flag("--only-binary", Some(":all:"))), "a 1.0, b 1.0");
    assert_eq!(world.versions(pip(&["b"]).flag("--prefer-binary", None)), "a 1.0, b 1.0");
}

/// A pyproject.toml that is built with these.
fn built_with(requires: &[&str], backend: &str) -> String {
    format!("[build-system]\nrequires = {requires:?}\nbuild-backend = {backend:?}\n")
}

#[test]
fn what_an_sdist_is_built_with_is_in_the_plan_once_for_each_environment() {
    let mut world = World::new()
        .file("a-1.0.tar.gz", "a", "1.0", &["b<2"], |_| {})
        .file("s-1.0.tar.gz", "s", "1.0", &[], |_| {})
        .wheel("b", "1.0", &[])
        .wheel("b", "2.0", &["c"])
        .wheel("c", "1.0", &[]);
    world.builds.insert("a-1.0.tar.gz".to_owned(), built_with(&["b>=2", "s; python_version > '3'"], "b"));
    world.builds.insert("s-1.0.tar.gz".to_owned(), built_with(&["c"], "c"));
    let plan = world.plan(pip(&["a"]));
    assert!(plan.complete(), "{:#?}", plan.unresolved);
    assert_eq!(versions(&plan), "a 1.0, b 1.0, b 2.0, c 1.0, s 1.0");
    let by = |name: &str, version: &str| {
        let p = plan.packages.iter().find(|p| p.id.name.canonical() == name && &*p.id.version == version).unwrap();
        let by: Vec<String> = p.required_by.iter().map(|id| format!("{} {}", id.name, id.version)).collect();
        (by.join(", "), p.direct, p.depth)
    };
    assert_eq!(by("b", "1.0"), ("a 1.0".to_owned(), false, 1));
    assert_eq!(by("b", "2.0"), ("a 1.0".to_owned(), false, 1));
    assert_eq!(by("s", "1.0"), ("a 1.0".to_owned(), false, 1));
    assert_eq!(by("c", "1.0"), ("b 2.0, s 1.0".to_owned(), false, 2));
    assert_eq!(versions(&world.plan(pip(&["a"]).flag("--no-build-isolation", None))), "a 1.0, b 1.0");
    // Constraints of builds hold there and nowhere else.
    let constrained = pip(&["a"]).with_file("build.txt", FileRole::BuildConstraints, "c==9\n");
    assert!(only_unresolved(&world.plan(constrained)).1.starts_with("to build a 1.0: "));
}

#[test]
fn builds_without_end_or_without_sense_are_unresolved() {
    let mut world = World::new().file("a-1.0.tar.gz", "a", "1.0", &[], |_| {});
    // It needs itself: nothing new is to be had by going on, and an installer says so.
    world.builds.insert("a-1.0.tar.gz".to_owned(), built_with(&["a"], "a"));
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    for (text, cause) in [
        ("[build-system]\nrequires = [\"x >>> 1\"]\n", UnresolvedCause::Malformed),
        ("[build-system", UnresolvedCause::Malformed),
        ("[build-system]\nrequires = [\"nowhere\"]\nbuild-backend = \"own\"\n", UnresolvedCause::UnknownPackage),
    ] {
        world.builds.insert("a-1.0.tar.gz".to_owned(), text.to_owned());
        assert_eq!(only_unresolved(&world.plan(pip(&["a"]))).0, cause, "{text}");
    }
    let mut world = World::new();
    for n in 0..12 {
        let file = format!("p{n}-1.0.tar.gz");
        world = world.file(&file, &format!("p{n}"), "1.0", &[], |_| {});
        world.builds.insert(file, built_with(&[&format!("p{}", n + 1)], "own"));
    }
    world = world.wheel("p12", "1.0", &[]);
    assert_eq!(only_unresolved(&world.plan(pip(&["p0"]))).0, UnresolvedCause::LimitExceeded);
    assert_eq!(world.versions(pip(&["p6"])).matches(", ").count(), 6);
}

#[test]
fn without_a_build_system_it_is_setuptools_and_wheel() {
    let mut world = World::new().file("a-1.0.tar.gz", "a", "1.0", &[], |_| {}).wheel("setuptools", "80.0", &[]).wheel(
        "wheel",
        "0.45",
        &[],
    );
    world.builds.insert("a-1.0.tar.gz".to_owned(), String::new());
    assert_eq!(world.versions(pip(&["a"])), "a 1.0, setuptools 80.0, wheel 0.45");
    // An index may have neither; then nobody gets them. One that a file asks for has to be there.
    world.projects.remove("wheel");
    assert_eq!(world.versions(pip(&["a"])), "a 1.0, setuptools 80.0");
    world.projects.remove("setuptools");
    assert_eq!(world.versions(pip(&["a"])), "a 1.0");
    world.builds.insert("a-1.0.tar.gz".to_owned(), built_with(&["setuptools"], "setuptools.build_meta"));
    assert_eq!(only_unresolved(&world.plan(pip(&["a"]))).0, UnresolvedCause::UnknownPackage);
}

#[test]
fn a_wheel_comes_before_the_sdist_of_the_same_version() {
    let world = World::new().opaque_sdist("a", "1.0").wheel("a", "1.0", &[]);
    let plan = world.plan(pip(&["a"]));
    assert!(plan.complete());
    let a = package(&plan, "a");
    assert_eq!((a.artifacts.len(), a.executes.len()), (1, 0));
}

#[test]
fn constraints_restrict_and_ask_for_nothing() {
    let world =
        World::new().wheel("a", "1.0", &["b"]).wheel("b", "1.0", &[]).wheel("b", "2.0", &[]).wheel("z", "1", &[]);
    assert_eq!(world.versions(pip(&["a"]).constraints("b==1.0\nz==1\n")), "a 1.0, b 1.0");
    let plan = world.plan(pip(&["a", "b"]).constraints("b==1.0"));
    assert_eq!(package(&plan, "b").pinning, Pinning::Exact);
    assert_eq!(only_unresolved(&world.plan(pip(&["b"]).constraints("b>5"))).0, UnresolvedCause::NoMatchingVersion);
}

#[test]
fn hashes_choose_files_and_are_demanded_of_all_once_one_has_them() {
    let digest = Digest::sha256_of(b"a-1.0-py3-none-any.whl");
    let world = World::new().wheel("a", "1.0", &[]).wheel("a", "2.0", &[]).wheel("b", "1.0", &[]);
    let text = format!("a==1.0 --hash={digest}\n");
    let plan = world.plan(pip(&[]).requirements(&text));
    assert_eq!(versions(&plan), "a 1.0");
    assert_eq!(package(&plan, "a").pinning, Pinning::ExactHash);
    let plan = world.plan(pip(&[]).requirements(&format!("{text}b==1.0\n")));
    assert!(only_unresolved(&plan).1.contains("hashes are required"));
    let plan = world.plan(pip(&[]).requirements(&format!("a==2.0 --hash={digest}\n")));
    assert!(only_unresolved(&plan).1.contains("digest"));
}

#[test]
fn unknown_names_and_silent_registries_are_told_apart() {
    let mut world = World::new().wheel("a", "1.0", &["gone"]).wheel("a", "0.9", &[]).wheel("b", "1.0", &["silent>=1"]);
    world.unreachable.push("silent".to_owned());
    assert_eq!(only_unresolved(&world.plan(pip(&["nope"]))).0, UnresolvedCause::UnknownPackage);
    assert_eq!(world.versions(pip(&["a"])), "a 0.9", "as pip: a release that needs what does not exist is passed over");
    let plan = world.plan(pip(&["a==1.0"]));
    assert_eq!(only_unresolved(&plan).0, UnresolvedCause::UnknownPackage);
    assert_eq!(versions(&plan), "a 1.0");
    let plan = world.plan(pip(&["b", "nope"]));
    let causes: Vec<_> = plan.unresolved.iter().map(|u| u.cause).collect();
    assert_eq!(causes, [UnresolvedCause::UnknownPackage, UnresolvedCause::Unreachable]);
    assert_eq!(versions(&plan), "b 1.0");
}

#[test]
fn the_cooldown_hides_the_young() {
    let world = World::new()
        .dated("a", "1.0", "2025-01-01", &[])
        .dated("a", "1.1", "2026-01-08", &[])
        .dated("new", "0.1", "2026-01-09", &["a"])
        .dated("exempt", "1.0", "2025-01-01", &[])
        .dated("exempt", "2.0", "2026-01-09", &[]);
    let young = |words: &[&str]| pip(words).cutoff("2026-01-03");
    let plan = world.plan(young(&["a"]));
    assert_eq!(versions(&plan), "a 1.0");
    let held = &plan.held_back[0];
    assert_eq!((held.version.as_str(), held.instead.as_deref()), ("1.1", Some("1.0")));
    assert_eq!(held.reason, "published 2 days ago");
    let plan = world.plan(young(&["a==1.1"]));
    assert_eq!((versions(&plan).as_str(), plan.held_back.len()), ("a 1.1", 0), "nothing older satisfies it");
    let plan = world.plan(young(&["new"]));
    assert_eq!(versions(&plan), "a 1.0, new 0.1", "only the project without an older release is young");
    assert_eq!(world.versions(young(&["exempt"])), "exempt 2.0");
    assert_eq!(world.versions(young(&["a"]).with_as_of("2025-06-01")), "a 1.0");
    assert_eq!(world.versions(pip(&["a"])), "a 1.1");
}

#[test]
fn a_young_release_that_mends_an_advisory_is_not_held_back() {
    let world = World::new().dated("a", "1.0", "2025-01-01", &[]).dated("a", "1.1", "2026-01-08", &[]);
    let mut command = pip(&["a"]).cutoff("2026-01-03");
    command.affected = vec![PackageId::new(PackageName::new(Ecosystem::PyPI, "a"), "1.0")];
    assert_eq!(world.versions(command), "a 1.1");
}

#[test]
fn the_cooldown_prefers_an_older_parent_to_a_young_child() {
    let world = World::new()
        .dated("a", "2.0", "2025-12-01", &["b==2.0"])
        .dated("a", "1.0", "2025-01-01", &["b==1.0"])
        .dated("b", "2.0", "2026-01-09", &[])
        .dated("b", "1.0", "2025-01-01", &[]);
    assert_eq!(world.versions(pip(&["a"]).cutoff("2026-01-03")), "a 1.0, b 1.0");
    assert_eq!(world.versions(pip(&["a==2.0"]).cutoff("2026-01-03")), "a 2.0, b 2.0", "asked for outright");
}

#[test]
fn what_did_not_exist_then_does_not_exist() {
    let world = World::new().dated("a", "1.0", "2025-01-01", &[]).dated("a", "2.0", "2025-06-01", &[]);
    assert_eq!(world.versions(pip(&["a"]).with_as_of("2025-03-01")), "a 1.0");
    let plan = world.plan(pip(&["a"]).with_as_of("2024-03-01"));
    assert!(!plan.complete());
}

#[test]
fn what_is_installed_and_satisfies_is_not_brought_in() {
    let world = World::new().wheel("a", "1.0", &["b"]).wheel("a", "2.0", &["b", "c"]).wheel("b", "1.0", &[]).wheel(
        "c",
        "1.0",
        &[],
    );
    let have = |words: &[&str]| pip(words).installed("a", "1.0", &["b"]);
    assert_eq!(world.versions(have(&["a"])), "b 1.0", "the requirement that is missing comes in");
    assert_eq!(world.versions(have(&["a"]).installed("b", "1.0", &[])), "");
    assert_eq!(world.versions(have(&["a>=2"])), "a 2.0, b 1.0, c 1.0");
    assert_eq!(world.versions(have(&["a"]).flag("--upgrade", None)), "a 2.0, b 1.0, c 1.0");
    assert_eq!(world.versions(have(&["a"]).flag("--force-reinstall", None)), "a 2.0, b 1.0, c 1.0");
    assert_eq!(world.versions(have(&["a"]).flag("--target", Some("x"))), "a 2.0, b 1.0, c 1.0");
}

#[test]
fn no_deps_takes_only_what_is_named() {
    let world = World::new().wheel("a", "1.0", &["b"]).wheel("b", "1.0", &[]);
    assert_eq!(world.versions(pip(&["a"]).flag("--no-deps", None)), "a 1.0");
}

#[test]
fn sources_outside_any_index_are_listed_and_incomplete() {
    let world = World::new().wheel("b", "1.0", &["a>=1"]).wheel("a", "1.0", &[]).wheel(
        "c",
        "1",
        &["d @ git+https://g.example/d"],
    );
    let plan = world.plan(pip(&["a @ https://e.example/a-3.0-py3-none-any.whl", "b"]));
    assert_eq!(versions(&plan), "a 3.0, b 1.0", "the URL takes the place of the index");
    assert_eq!(package(&plan, "a").source.kind(), "url");
    assert_eq!(only_unresolved(&plan).0, UnresolvedCause::Unsupported);
    let plan = world.plan(pip(&["git+https://g.example/x@main"]));
    assert!(!plan.complete());
    let plan = world.plan(pip(&["c"]));
    assert_eq!(versions(&plan), "c 1, d 0");
    assert_eq!(package(&plan, "d").source.kind(), "git");
    assert!(!plan.complete());
}

#[test]
fn a_name_in_two_indexes_says_so() {
    let mut world = World::new().wheel("a", "1.0", &[]);
    world.also.insert("a".to_owned(), vec!["https://private.example/simple".to_owned()]);
    let plan = world.plan(pip(&["a"]));
    assert_eq!(package(&plan, "a").also_in, ["https://private.example/simple"]);
}

#[test]
fn hostile_metadata_is_passed_over_or_bounded() {
    let many: Vec<String> = (0..10_000).map(|i| format!("dep{i}; extra == 'none'")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let world = World::new()
        .wheel("bad", "2.0", &["foo- >1"])
        .wheel("bad", "1.0", &[])
        .wheel("many", "1.0", &many)
        .wheel("x", "1.0", &["y", "x[a]", "x[a,b]; extra == 'a'"])
        .wheel("y", "1.0", &["x"])
        .wheel_with("liar", "2.0", &[], |f| f.requires_python = Some("nonsense".to_owned()))
        .file("-.whl", "many", "1", &[], |_| {})
        .file("many-1-1-1-1-1-1-1.whl", "many", "1", &[], |_| {})
        .file("many-é.tar.gz", "many", "1", &[], |_| {});
    assert_eq!(world.versions(pip(&["bad"])), "bad 1.0");
    assert_eq!(world.versions(pip(&["many", "x", "liar"])), "liar 2.0, many 1.0, x 1.0, y 1.0");
    assert!(!world.plan(pip(&["bad==2.0"])).complete());
}

#[test]
fn a_command_that_installs_nothing_asks_nothing() {
    let world = World::new().wheel("a", "1.0", &[]);
    let mut command = pip(&["a"]);
    command.invocation.effect = Effect::Nothing;
    assert_eq!(versions(&world.plan(command)), "");
    assert!(world.asked.lock().unwrap().is_empty());
}

/// `TOOL VERB` on a project.
fn on_project(tool: Tool, verb: &str, effect: Effect, files: &[(&str, &str)]) -> Command {
    let mut command = pip(&[]);
    command.invocation.tool = tool;
    command.invocation.verb = verb.to_owned();
    command.invocation.effect = effect;
    for (path, text) in files {
        command.files.0.insert(PathBuf::from("/work").join(path), text.as_bytes().to_vec());
    }
    command
}

impl Command {
    fn asking(mut self, text: &str) -> Self {
        self.invocation.requests.push(invocation::Request {
            text: text.to_owned(),
            kind: RequestKind::Requirement,
            location: Location::argv(2),
        });
        self
    }
}

const MANIFEST: &str = r#"
[project]
name = "me"
version = "1"
dependencies = ["a>=1", "w; sys_platform == 'win32'"]

[project.optional-dependencies]
fast = ["x"]

[dependency-groups]
dev = ["t"]
"#;

fn uv_lock(url: &str, hash: &str) -> String {
    format!(
        r#"
version = 1
requires-python = ">=3.9"

[[package]]
name = "me"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "a" }}]

[package.dev-dependencies]
dev = [{{ name = "t" }}]

[[package]]
name = "a"
version = "1.0"
source = {{ registry = "{INDEX}" }}
wheels = [{{ url = "{url}", hash = "{hash}", size = 1 }}]

[[package]]
name = "t"
version = "1.0"
source = {{ registry = "{INDEX}" }}
wheels = [{{ url = "https://files.example/t-1.0-py3-none-any.whl", hash = "{}", size = 1 }}]
"#,
        Digest::sha256_of(b"t-1.0-py3-none-any.whl")
    )
}

fn project_world() -> World {
    World::new()
        .wheel("a", "1.0", &[])
        .wheel("a", "2.0", &[])
        .wheel("x", "1.0", &[])
        .wheel("t", "1.0", &[])
        .wheel("t", "2.0", &[])
        .wheel("n", "1.0", &["a"])
        .wheel("setuptools", "70.0", &[])
        .wheel("wheel", "0.43", &[])
}

#[test]
fn a_manifest_without_a_lockfile_is_resolved() {
    let world = project_world();
    let sync = on_project(Tool::Uv, "sync", Effect::Project, &[("pyproject.toml", MANIFEST)]);
    assert_eq!(world.versions(sync.clone()), "a 2.0, t 2.0");
    let plan = world.plan(sync.clone().flag("--extra", Some("fast")).flag("--no-dev", None));
    assert_eq!(versions(&plan), "a 2.0, x 1.0");
    assert!(package(&plan, "a").direct);
    assert_eq!(package(&plan, "a").origin.location.to_string(), "/work/pyproject.toml:5:17");
    let plan = world.plan(sync);
    assert!(package(&plan, "t").development);
    let nowhere = on_project(Tool::Uv, "sync", Effect::Project, &[]);
    assert!(!world.plan(nowhere).complete());
}

#[test]
fn a_lockfile_that_holds_is_the_plan() {
    let good = uv_lock(
        "https://files.example/a-1.0-py3-none-any.whl",
        &Digest::sha256_of(b"a-1.0-py3-none-any.whl").to_string(),
    );
    let files = [("pyproject.toml", MANIFEST), ("uv.lock", good.as_str())];
    let world = project_world();
    let plan = world.plan(on_project(Tool::Uv, "sync", Effect::Project, &files));
    assert_eq!(versions(&plan), "a 1.0, t 1.0");
    assert!(plan.complete() && plan.lock_issues.is_empty(), "{plan:#?}");
    let a = package(&plan, "a");
    assert_eq!((a.pinning, a.direct, a.artifacts.len()), (Pinning::ExactHash, true, 1));
    assert_eq!(a.lock, tidewaiter::model::LockState::LockedWithDigest);
    let add = on_project(Tool::Uv, "add", Effect::ProjectAdd, &files).asking("n");
    assert_eq!(world.versions(add), "a 1.0, n 1.0, t 1.0", "what is locked stays");
    assert_eq!(world.versions(on_project(Tool::Uv, "lock", Effect::Update, &files)), "a 2.0, t 2.0, x 1.0");
    let one = on_project(Tool::Uv, "sync", Effect::Update, &files).asking("a");
    assert_eq!(world.versions(one), "a 2.0, t 1.0");
}

/// Of a project with `[tool.uv]`: what overrides and constraints name outright is where the bytes come from, at any depth
/// and against any lockfile.
#[test]
fn what_overrides_name_outright_is_the_source() {
    let world = World::new().wheel("a", "1.0", &["b>=1"]).wheel("b", "1.0", &[]).wheel("b", "2.0", &[]);
    let manifest = |uv: &str| {
        format!("[project]\nname = \"me\"\nversion = \"1\"\ndependencies = [\"a\", \"b==1.0\"]\n[tool.uv]\n{uv}\n")
    };
    let plan_of = |uv: &str| {
        let manifest = manifest(uv);
        world.plan(on_project(Tool::Uv, "lock", Effect::Project, &[("pyproject.toml", &manifest)]))
    };
    let sources = |plan: &Plan| -> Vec<String> {
        plan.packages.iter().map(|p| format!("{} {} {}", p.id.name, p.id.version, p.source.kind())).collect()
    };
    assert_eq!(sources(&plan_of("")), ["a 1.0 registry", "b 1.0 registry"]);
    for uv in [
        "override-dependencies = [\"b @ https://evil.example/b-9.0-py3-none-any.whl\"]",
        "override-dependencies = [\"b @ https://evil.example/b-9.0-py3-none-any.whl ; python_version > '3'\"]",
    ] {
        let plan = plan_of(uv);
        assert_eq!(sources(&plan), ["a 1.0 registry", "b 9.0 url"], "{uv}");
        assert!(!plan.complete());
    }
    assert_eq!(sources(&plan_of("override-dependencies = [\"b==2.0\"]")), ["a 1.0 registry", "b 2.0 registry"]);
    let elsewhere = "override-dependencies = [\"b @ https://e.example/b-9.0-py3-none-any.whl ; os_name == 'nt'\"]";
    assert_eq!(sources(&plan_of(elsewhere)), ["a 1.0 registry"], "uv requires nothing in its place");
    let git = plan_of("override-dependencies = [\"b @ git+https://evil.example/b\"]");
    assert!(sources(&git).iter().any(|s| s.ends_with("git")), "{:?}", sources(&git));
    // A lockfile that has another source is not what uv installs.
    let good = uv_lock(
        "https://files.example/a-1.0-py3-none-any.whl",
        &Digest::sha256_of(b"a-1.0-py3-none-any.whl").to_string(),
    );
    let project =
        format!("{MANIFEST}[tool.uv]\noverride-dependencies = [\"a @ https://evil.example/a-9.0-py3-none-any.whl\"]\n");
    let plan = project_world().plan(on_project(
        Tool::Uv,
        "sync",
        Effect::Project,
        &[("pyproject.toml", &project), ("uv.lock", &good)],
    ));
    assert_eq!(package(&plan, "a").source.kind(), "url");
    assert!(!plan.lock_issues.is_empty());
}

/// What uv reads of `[tool.uv]` besides: what builds are given, and what releases are said to require.
#[test]
fn what_uv_is_told_of_builds_and_of_releases() {
    let world = World::new()
        .opaque_sdist("s", "1.0")
        .wheel("b", "1.0", &[])
        .wheel("b", "2.0", &[])
        .wheel("k", "1.0", &["b"])
        .wheel("x", "1.0", &[]);
    let versions_of = |dependency: &str, uv: &str| {
        let manifest = format!("[project]\nname = \"me\"\nversion = \"1\"\ndependencies = [\"{dependency}\"]\n{uv}\n");
        versions(&world.plan(on_project(Tool::Uv, "lock", Effect::Project, &[("pyproject.toml", &manifest)])))
    };
    assert_eq!(versions_of("s", ""), "s 1.0");
    assert_eq!(versions_of("s", "[tool.uv.extra-build-dependencies]\nS = [\"b\"]\n"), "b 2.0, s 1.0");
    let matching = "[tool.uv]\nbuild-constraint-dependencies = [\"b<2\"]\n[tool.uv.extra-build-dependencies]\ns = [{ requirement = \"b\", match-runtime = true }]\n";
    assert_eq!(versions_of("s", matching), "b 1.0, s 1.0");
    assert_eq!(versions_of("k", ""), "b 2.0, k 1.0");
    assert_eq!(
        versions_of("k", "[[tool.uv.dependency-metadata]]\nname = \"K\"\nrequires-dist = [\"x\"]\n"),
        "k 1.0, x 1.0"
    );
    let other = "[[tool.uv.dependency-metadata]]\nname = \"k\"\nversion = \"9\"\nrequires-dist = [\"x\"]\n";
    assert_eq!(versions_of("k", other), "b 2.0, k 1.0");
}

/// `uv init` asks for the backend of uv's own version, which uv brings: a young one is no question.
#[test]
fn the_backend_that_uv_brings() {
    let world = World::new().file("uv_build-0.13.6-py3-none-any.whl", "uv-build", "0.13.6", &[], |_| {}).file(
        "uv_build-0.13.8-py3-none-any.whl",
        "uv-build",
        "0.13.8",
        &[],
        |file| file.upload_time = Some("2026-01-09T00:00:00Z".parse().unwrap()),
    );
    let of = |tool: Tool, requires: &str| {
        let text = format!("[project]\nname = \"me\"\nversion = \"1\"\n{}", built_with(&[requires], "uv_build"));
        let plan =
            world.plan(on_project(tool, "sync", Effect::Project, &[("pyproject.toml", &text)]).cutoff("2026-01-03"));
        (versions(&plan), plan.complete())
    };
    assert_eq!(of(Tool::Uv, "uv_build>=0.13.9,<0.14.0"), (String::new(), true));
    assert_eq!(of(Tool::Uv, "uv_build>=0.13.8,<0.14.0"), (String::new(), true));
    assert_eq!(of(Tool::Uv, "uv_build>=0.13,<0.14.0"), ("uv_build 0.13.6".to_owned(), true));
    assert!(!of(Tool::Pdm, "uv_build>=0.13.9,<0.14.0").1);
}

/// What a project gives to the tool itself.
#[test]
fn plugins_that_a_project_asks_for() {
    let world = project_world();
    let poetry = "[tool.poetry]\nname = \"me\"\nversion = \"1\"\n[tool.poetry.dependencies]\na = \"*\"\n[tool.poetry.requires-plugins]\nx = \"*\"\n";
    let install = |verb| on_project(Tool::Poetry, verb, Effect::Project, &[("pyproject.toml", poetry)]);
    assert_eq!(world.versions(install("install")), "a 2.0, x 1.0");
    assert_eq!(world.versions(install("lock")), "a 2.0");
    assert_eq!(world.versions(install("install").flag("--no-plugins", None)), "a 2.0");
    let pdm = "[project]\nname = \"me\"\nversion = \"1\"\ndependencies = [\"a\"]\n[tool.pdm]\ndistribution = false\nplugins = [\"x\"]\n";
    let install = || on_project(Tool::Pdm, "install", Effect::Project, &[("pyproject.toml", pdm)]);
    assert_eq!(world.versions(install()), "a 2.0");
    assert_eq!(world.versions(install().flag("--plugins", None)), "a 2.0, x 1.0");
}

/// What pip's configuration names is read as `-r` and `-c` are.
#[test]
fn files_that_pips_configuration_names() {
    let world = project_world();
    let told = |name: &str, path: &str, text: &str| {
        let mut command = pip(&["a"]);
        command.files.0.insert(PathBuf::from("/work").join(path), text.as_bytes().to_vec());
        command.invocation.flags.push(Flag {
            name: name.to_owned(),
            value: Some(path.to_owned()),
            effect: FlagEffect::Selects,
            location: Location::at("/home/.config/pip/pip.conf", 2, 1),
        });
        command
    };
    assert_eq!(world.versions(told("--constraint", "c.txt", "a<2\n")), "a 1.0");
    assert_eq!(world.versions(told("--requirement", "r.txt", "x\n")), "a 2.0, x 1.0");
    let plan = world.plan(told("--constraint", "c.txt", "a @ https://evil.example/a-9.0-py3-none-any.whl\n"));
    assert_eq!(package(&plan, "a").source.kind(), "url");
}

#[test]
fn a_poisoned_lockfile_is_held_against_the_index() {
    use tidewaiter::model::LockIssueKind;
    let kinds = |lock: &str, manifest: &str| -> Vec<LockIssueKind> {
        let files = [("pyproject.toml", manifest), ("uv.lock", lock)];
        let plan = project_world().plan(on_project(Tool::Uv, "sync", Effect::Locked, &files));
        plan.lock_issues.iter().map(|i| i.kind).collect()
    };
    let (url, digest) =
        ("https://files.example/a-1.0-py3-none-any.whl", Digest::sha256_of(b"a-1.0-py3-none-any.whl").to_string());
    let other = Digest::sha256_of(b"other").to_string();
    assert_eq!(kinds(&uv_lock(url, &digest), MANIFEST), []);
    assert_eq!(kinds(&uv_lock("https://mirror.example/a-1.0-py3-none-any.whl", &digest), MANIFEST), [], "same bytes");
    assert_eq!(kinds(&uv_lock(url, &other), MANIFEST), [LockIssueKind::DigestMismatch]);
    let evil = uv_lock("https://evil.example/a-1.0-py3-none-any.whl", &other);
    assert_eq!(kinds(&evil, MANIFEST), [LockIssueKind::DigestMismatch, LockIssueKind::ForeignUrl]);
    let unknown = uv_lock(url, &digest).replace("version = \"1.0\"\nsource", "version = \"9.9\"\nsource");
    assert!(kinds(&unknown, MANIFEST).contains(&LockIssueKind::UnknownRelease));
    let newer = MANIFEST.replace("a>=1", "a>=2");
    assert_eq!(kinds(&uv_lock(url, &digest), &newer), [LockIssueKind::Drift]);
}

#[test]
fn a_local_directory_is_read_and_not_built() {
    let world = project_world();
    let manifest = format!(
        "{MANIFEST}\n[build-system]\nrequires = [\"setuptools>=60\"]\nbuild-backend = \"setuptools.build_meta\"\n"
    );
    let mut command = pip(&["./lib[fast]"]);
    command.files.0.insert(PathBuf::from("/work/lib/pyproject.toml"), manifest.clone().into_bytes());
    let plan = world.plan(command.clone());
    assert!(plan.complete(), "{:#?}", plan.unresolved);
    // That setuptools needs wheel, and asks for it when it is built with.
    assert_eq!(versions(&plan), "a 2.0, me 1, setuptools 70.0, wheel 0.43, x 1.0");
    assert_eq!(package(&plan, "me").source.kind(), "workspace");
    assert!(package(&plan, "setuptools").development);
    command.files.0.insert(
        PathBuf::from("/work/lib/pyproject.toml"),
        manifest
            .replace("dependencies = [\"a>=1\", \"w; sys_platform == 'win32'\"]", "dynamic = [\"dependencies\"]")
            .into_bytes(),
    );
    assert_eq!(only_unresolved(&world.plan(command)).0, UnresolvedCause::NeedsExecution);
}

#[test]
fn a_project_that_is_installed_is_planned_with_what_it_is_built_with() {
    let world = project_world();
    let own = format!("{MANIFEST}\n{}", built_with(&["setuptools>=60"], "setuptools.build_meta"));
    let versions_of = |tool: Tool, verb: &str, text: &str, flag: Option<&str>| {
        let mut command = on_project(tool, verb, Effect::Project, &[("pyproject.toml", text)]);
        if let Some(flag) = flag {
            command = command.flag(flag, None);
        }
        world.versions(command)
    };
    let (with, without) = ("a 2.0, setuptools 70.0, t 2.0, wheel 0.43", "a 2.0, t 2.0");
    assert_eq!(versions_of(Tool::Uv, "sync", &own, None), with);
    assert_eq!(versions_of(Tool::Uv, "sync", MANIFEST, None), without);
    assert_eq!(versions_of(Tool::Uv, "build", MANIFEST, None), with);
    assert_eq!(versions_of(Tool::Pdm, "install", &own, None), with);
    // Without a `[build-system]` it is setuptools.
    assert_eq!(versions_of(Tool::Pdm, "install", MANIFEST, None), with);
    assert_eq!(versions_of(Tool::Pdm, "install", &own, Some("--no-self")), without);
    for no in ["distribution = false", "package-type = \"app\""] {
        assert_eq!(versions_of(Tool::Pdm, "sync", &format!("{own}[tool.pdm]\n{no}\n"), None), without, "{no}");
    }
    // Poetry puts the project in place by itself, unless a program of the project is to run before.
    assert_eq!(versions_of(Tool::Poetry, "install", &own, None), without);
    for (script, plan) in [
        ("[tool.poetry]\nbuild = \"build.py\"\n", with),
        ("[tool.poetry.build]\nscript = \"build.py\"\n", with),
        ("[tool.poetry.build]\ngenerate-setup-file = false\n", without),
        ("[tool.poetry]\npackage-mode = false\nbuild = \"build.py\"\n", without),
    ] {
        assert_eq!(versions_of(Tool::Poetry, "install", &format!("{own}{script}"), None), plan, "{script}");
    }
    let script = format!("{own}[tool.poetry]\nbuild = \"build.py\"\n");
    assert_eq!(versions_of(Tool::Poetry, "install", &script, Some("--no-root")), without);
    assert_eq!(versions_of(Tool::Poetry, "add", &script, None), without);
    // To pack it, it takes another backend than its own.
    assert_eq!(versions_of(Tool::Poetry, "build", &own, None), with);
    let core = format!("{MANIFEST}\n{}", built_with(&["poetry-core>=1"], "poetry.core.masonry.api"));
    assert_eq!(versions_of(Tool::Poetry, "build", &core, None), without);
    assert_eq!(versions_of(Tool::Poetry, "build", MANIFEST, None), without);
}

#[test]
fn pipenv_makes_a_pipfile_of_what_is_named() {
    let world = project_world();
    let install = |files: &[(&str, &str)]| on_project(Tool::Pipenv, "install", Effect::ProjectAdd, files);
    let plan = world.plan(install(&[]).asking("a"));
    assert!(plan.complete(), "{:#?}", plan.unresolved);
    assert_eq!(versions(&plan), "a 2.0");
    assert_eq!(only_unresolved(&world.plan(install(&[]))).0, UnresolvedCause::Unsupported);
    // It puts those into it as well.
    let listed = install(&[("requirements.txt", "t\n")]).asking("a");
    assert_eq!(only_unresolved(&world.plan(listed)).0, UnresolvedCause::Unsupported);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_files_does_not_matter(seed in any::<u64>()) {
        let mut world = World::new();
        for version in ["1.0", "1.1", "2.0", "2.1rc1", "3.0"] {
            world = world.wheel("a", version, &["b>=1", "c<3"]).opaque_sdist("a", version);
            world = world.wheel("b", version, &["c"]).wheel("c", version, &[]);
        }
        let expected = world.plan(pip(&["a", "b"])).digest();
        let mut state = seed | 1;
        for files in world.projects.values_mut() {
            for i in (1..files.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                files.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
        }
        prop_assert_eq!(world.plan(pip(&["a", "b"])).digest(), expected);
    }

    #[test]
    fn no_requirement_text_panics(text in "\\PC{0,60}", requires in "[a-z0-9 .,<>=!~;@\\[\\]()*'\"+-]{0,60}") {
        let world = World::new().wheel("a", "1.0", &[&requires]).wheel("b", "1.0", &[&text]);
        let _ = world.plan(pip(&["a", "b", &text]).requirements(&text));
    }
}

/// Each tool has an environment of its own, and keeps what was asked for when it was installed.
#[test]
fn tools_are_upgraded_to_what_they_were_installed_for() {
    let world = || {
        let world = World::new().wheel("lib", "1.0", &[]).wheel("lib", "2.0", &[]).wheel("beside", "1.0", &[]);
        let world = world.wheel("one", "1.0", &["lib<2"]).wheel("one", "2.0", &["lib<2"]);
        world.wheel("two", "1.0", &["lib"]).wheel("two", "2.0", &["lib"])
    };
    let uv = [
        ("/h/.local/share/uv/tools/one/uv-receipt.toml", "[tool]\nrequirements = [{ name = \"one\" }]\n"),
        (
            "/h/.local/share/uv/tools/two/uv-receipt.toml",
            "[tool]\nrequirements = [{ name = \"two\", specifier = \"<2\" }, { name = \"beside\" }]\n",
        ),
        ("/h/.local/share/uv/tools/.lock", ""),
    ];
    let pipx = [
        (
            "/h/.local/share/pipx/venvs/one/pipx_metadata.json",
            "{\"main_package\": {\"package_or_url\": \"one\"}, \"injected_packages\": {}}",
        ),
        (
            "/h/.local/share/pipx/venvs/two/pipx_metadata.json",
            "{\"main_package\": {\"package_or_url\": \"two<2\"}, \"injected_packages\": {\"b\": {\"package\": \"beside\"}}}",
        ),
    ];
    let both = "beside 1.0, lib 1.0, lib 2.0, one 2.0, two 1.0";
    for (line, expected) in [
        ("uv tool upgrade --all", both),
        ("uv tool upgrade one two", both),
        ("uv tool upgrade two", "beside 1.0, lib 2.0, two 1.0"),
        ("uv tool upgrade one==1.0", "lib 1.0, lib 1.0, one 1.0, one 2.0"),
        ("uv tool upgrade lib", "lib 2.0"),
        ("pipx upgrade-all", both),
        ("pipx reinstall-all", both),
        ("pipx upgrade two", "beside 1.0, lib 2.0, two 1.0"),
        ("pipx reinstall one", "lib 1.0, one 2.0"),
        ("pipx upgrade lib", "lib 2.0"),
    ] {
        let mut command = line_in_home(line);
        command
            .files
            .0
            .extend(uv.iter().chain(&pipx).map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())));
        let plan = command.resolve(&world());
        assert_eq!((versions(&plan).as_str(), plan.complete()), (expected, true), "{line}: {:?}", plan.unresolved);
    }
    let mut broken = line_in_home("uv tool upgrade --all");
    broken.files.0.insert("/h/.local/share/uv/tools/x/uv-receipt.toml".into(), b"[tool]\nrequirements = 1".to_vec());
    assert_eq!(only_unresolved(&broken.resolve(&world())).0, UnresolvedCause::Malformed);
}

/// Against the real index: `cargo test --features real-registries real_index -- --nocapture`.
/// `TIDEWAITER_NAMES` is a list of requirements; without it a few well-known ones.
#[cfg(feature = "real-registries")]
#[test]
fn the_real_index_gives_what_pip_gives() {
    use tidewaiter::registry::connect::{Options, Registries};
    use tidewaiter::registry::python_config;
    let words = std::env::var("TIDEWAITER_NAMES").unwrap_or_else(|_| "requests flask rich".to_owned());
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut command = pip(&words).flag("--only-binary", Some(":all:"));
    let environment = Environment {
        variables: std::env::vars().collect(),
        cwd: std::env::temp_dir(),
        home: std::env::var_os("HOME").map(PathBuf::from),
        now: Timestamp::now(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    };
    command.invocation.program = std::env::var("TIDEWAITER_PIP").unwrap_or_else(|_| "pip".to_owned());
    command.interpreter = tidewaiter::toolchain::python::facts(&command.invocation, &environment, None);
    command.interpreter.installed.clear();
    let cache = std::env::var_os("TIDEWAITER_CACHE").map(PathBuf::from);
    let files: Arc<dyn tidewaiter::model::Files> = Arc::new(MemoryFiles::default());
    let registries =
        Registries::new(Options { cache, offline: false, files: Arc::clone(&files), private: Arc::new(|_| false) });
    let config = python_config::read(python_config::Sources {
        invocation: &command.invocation,
        environment: &environment,
        files: &*files,
        prefix: None,
        file_options: &[],
    });
    let index = registries.python(config.indexes, config.profile);
    for _ in 0..2 {
        let started = std::time::Instant::now();
        let plan = command.resolve(&index);
        eprintln!("{} ms", started.elapsed().as_millis());
        if std::env::var_os("TIDEWAITER_OUT").is_none() {
            eprintln!("{}", versions(&plan));
        }
        for u in &plan.unresolved {
            eprintln!("unresolved {} {:?} {}", u.requirement, u.cause, u.reason);
        }
        if let Some(out) = std::env::var_os("TIDEWAITER_OUT") {
            let lines: Vec<String> =
                plan.packages.iter().map(|p| format!("{}=={}", p.id.name.canonical(), p.id.version)).collect();
            std::fs::write(out, lines.join("\n")).unwrap();
        }
    }
}
