//! The engine without disk and network: how long it takes to read files, parse versions and commands, and judge.
//! `cargo bench --bench engine`. Inputs are public lockfiles where the shared data is there, else generated ones of
//! the same size.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidewaiter::advisories::{Advisories, Database};
use tidewaiter::ecosystem::npm::{lock, semver};
use tidewaiter::ecosystem::python::{requirements_txt, version};
use tidewaiter::invocation::{self, Invocation};
use tidewaiter::judge::{Connected, Judge, World};
use tidewaiter::model::{Environment, InterpreterFacts, MemoryFiles, Plan, Setting, Timestamp};
use tidewaiter::policy::Policy;
use tidewaiter::registry::{CrateIndex, NpmRegistry, PythonIndex};
use tidewaiter::resolve::locked;

fn main() {
    divan::main();
}

/// A file of the shared data, else what `generate` makes.
fn input(name: &str, generate: impl FnOnce() -> String) -> String {
    let root = std::env::var_os("TIDEWAITER_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    std::fs::read_to_string(root.join("bench").join(name)).unwrap_or_else(|_| generate())
}

fn cargo_lock(packages: usize) -> String {
    let mut out = "version = 4\n".to_owned();
    for n in 0..packages {
        let _ = write!(
            out,
            "\n[[package]]\nname = \"crate-{n:04}\"\nversion = \"1.{n}.0\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{n:064x}\"\n"
        );
        if n + 1 < packages {
            let _ = writeln!(out, "dependencies = [\n \"crate-{:04}\",\n]", n + 1);
        }
    }
    out
}

fn package_lock() -> String {
    let mut out = r#"{"name":"app","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"app"}"#.to_owned();
    for n in 0..1065 {
        let _ = write!(
            out,
            r#","node_modules/package-{n}":{{"version":"1.{n}.0","resolved":"https://registry.npmjs.org/package-{n}/-/package-{n}-1.{n}.0.tgz","integrity":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==","dependencies":{{"package-{}":"^1.0.0"}}}}"#,
            n + 1
        );
    }
    out + "}}"
}

fn hashed_requirements() -> String {
    let mut out = String::new();
    for n in 0..100 {
        let _ =
            write!(out, "project-{n}==1.{n}.0 \\\n    --hash=sha256:{n:064x} \\\n    --hash=sha256:{:064x}\n", n + 1);
    }
    out
}

fn versions() -> Vec<String> {
    (0..100).map(|n| format!("{}.{}.{}", n / 25, n % 25, n % 7)).collect()
}

fn environment() -> Environment {
    Environment {
        variables: BTreeMap::new(),
        cwd: PathBuf::from("/project"),
        home: Some(PathBuf::from("/home/user")),
        now: Timestamp::UNIX_EPOCH,
        os: "linux",
        arch: "x86_64",
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[divan::bench]
fn read_cargo_lock_421(bencher: divan::Bencher<'_, '_>) {
    let text = input("rustsec-421.Cargo.lock", || cargo_lock(421));
    bencher.bench(|| locked::cargo(Path::new("Cargo.lock"), black_box(&text)));
}

#[divan::bench]
fn read_cargo_lock_591(bencher: divan::Bencher<'_, '_>) {
    let text = input("nextest-591.Cargo.lock", || cargo_lock(591));
    bencher.bench(|| locked::cargo(Path::new("Cargo.lock"), black_box(&text)));
}

#[divan::bench]
fn read_package_lock_1065(bencher: divan::Bencher<'_, '_>) {
    let text = input("npm-1065.package-lock.json", package_lock);
    bencher.bench(|| {
        let (lock, diagnostics) = lock::read(Path::new("package-lock.json"), black_box(&text));
        locked::npm(&lock, &diagnostics)
    });
}

#[divan::bench]
fn read_hashed_requirements_100(bencher: divan::Bencher<'_, '_>) {
    let text = input("pip-100-hashed.requirements.txt", hashed_requirements);
    let files = MemoryFiles([(PathBuf::from("/project/requirements.txt"), text.into_bytes())].into());
    let environment = environment();
    bencher.bench(|| {
        let path = Path::new("/project/requirements.txt");
        let (requirements, diagnostics) = requirements_txt::read(path, false, &environment, &files);
        locked::pins(&requirements, &diagnostics)
    });
}

#[divan::bench(args = ["^1.2.3", ">=1.2 <3 || 0.x", "~2.3"])]
fn npm_range_over_100_versions(bencher: divan::Bencher<'_, '_>, range: &str) {
    let versions = versions();
    bencher.bench(|| {
        let range = semver::Range::parse(black_box(range), semver::Options::default()).expect("a range");
        semver::max_satisfying(versions.iter().map(String::as_str), &range).map(str::len)
    });
}

#[divan::bench(args = [">=1.2,<3", "~=2.3", "!=1.*,>=0.5"])]
fn pep440_specifiers_over_100_versions(bencher: divan::Bencher<'_, '_>, text: &str) {
    let versions = versions();
    bencher.bench(|| {
        let specifiers = version::specifiers(black_box(text)).expect("specifiers");
        versions.iter().filter(|v| specifiers.contains_text(v, false)).count()
    });
}

#[divan::bench(args = [
    "git status",
    "pip install requests",
    "python3 -m pip install -U --index-url https://pypi.example/simple -r requirements.txt flask>=2",
    "npm install --save-dev typescript@^5 @types/node eslint",
    "cargo install ripgrep --locked --version 14.1.0",
    "sudo -E env PIP_INDEX_URL=https://pypi.example/simple xargs -n1 uv pip install",
])]
fn understand_command(bencher: divan::Bencher<'_, '_>, line: &str) {
    let (argv, environment) = (words(line), environment());
    bencher.bench(|| invocation::parse(black_box(&argv), &environment));
}

fn plan() -> Plan {
    locked::cargo(Path::new("Cargo.lock"), &input("nextest-591.Cargo.lock", || cargo_lock(591)))
}

#[divan::bench]
fn normalise_and_digest_plan_591(bencher: divan::Bencher<'_, '_>) {
    bencher.with_inputs(plan).bench_values(|mut plan| {
        plan.normalise();
        plan.digest()
    });
}

/// A world that an audit of lockfiles asks nothing.
struct Nowhere;

impl World for Nowhere {
    fn python(&self, _: &Invocation, _: &Environment) -> Connected<dyn PythonIndex> {
        unreachable!("lockfiles are judged from the files alone")
    }
    fn npm(&self, _: &Invocation, _: &Environment) -> Connected<dyn NpmRegistry> {
        unreachable!("lockfiles are judged from the files alone")
    }
    fn crates(&self, _: &Invocation, _: &Environment) -> Connected<dyn CrateIndex> {
        unreachable!("lockfiles are judged from the files alone")
    }
    fn interpreter(&self, _: &Invocation, _: &Environment) -> InterpreterFacts {
        InterpreterFacts::default()
    }
    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }
}

/// Everything but the advisory index on disk, which `--bench advisories` measures.
#[divan::bench(args = ["Cargo.lock", "package-lock.json", "requirements.txt"])]
fn audit(bencher: divan::Bencher<'_, '_>, name: &str) {
    let text = match name {
        "Cargo.lock" => input("rustsec-421.Cargo.lock", || cargo_lock(421)),
        "package-lock.json" => input("npm-1065.package-lock.json", package_lock),
        _ => input("pip-100-hashed.requirements.txt", hashed_requirements),
    };
    let files = MemoryFiles([(PathBuf::from("/project").join(name), text.into_bytes())].into());
    let advisories: Arc<dyn Advisories> = Arc::new(Database::embedded_only(Timestamp::UNIX_EPOCH));
    let (environment, policy) = (environment(), Policy::default());
    let judge = Judge {
        environment: &environment,
        files: &files,
        advisories: &advisories,
        policy: &policy,
        world: &Nowhere,
        as_of: None,
        said: None,
    };
    let paths = [PathBuf::from("/project").join(name)];
    bencher.bench(|| judge.audit(black_box(&paths)).findings.len());
}
