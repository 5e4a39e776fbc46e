//! Requirements as `pep508_rs` reads them, beside this program's reader. Both claim PEP 508; where both accept a text,
//! they must agree on name, extras, specifiers, URL and the verdict of the marker. Where they do not, the reason is
//! here, and the reference (`pypa/packaging`, in [`super::packaging`]) is on this program's side.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::str::FromStr as _;

use pep508_rs::{ExtraName, MarkerEnvironmentBuilder, VerbatimUrl, VersionOrUrl};
use proptest::prelude::*;
use tidewaiter::ecosystem::python::requirement::{self, MarkerEnvironment};

use super::packaging::table;

type Theirs = pep508_rs::Requirement<VerbatimUrl>;

/// Three environments that differ in everything a marker may ask.
const ENVIRONMENTS: [[(&str, &str); 11]; 3] = [
    [
        ("implementation_name", "cpython"),
        ("implementation_version", "3.12.4"),
        ("os_name", "posix"),
        ("platform_machine", "x86_64"),
        ("platform_python_implementation", "CPython"),
        ("platform_release", "6.1.0"),
        ("platform_system", "Linux"),
        ("platform_version", "#1 SMP"),
        ("python_full_version", "3.12.4"),
        ("python_version", "3.12"),
        ("sys_platform", "linux"),
    ],
    [
        ("implementation_name", "cpython"),
        ("implementation_version", "3.9.13"),
        ("os_name", "nt"),
        ("platform_machine", "AMD64"),
        ("platform_python_implementation", "CPython"),
        ("platform_release", "10"),
        ("platform_system", "Windows"),
        ("platform_version", "10.0.19045"),
        ("python_full_version", "3.9.13"),
        ("python_version", "3.9"),
        ("sys_platform", "win32"),
    ],
    [
        ("implementation_name", "pypy"),
        ("implementation_version", "7.3.16"),
        ("os_name", "posix"),
        ("platform_machine", "arm64"),
        ("platform_python_implementation", "PyPy"),
        ("platform_release", "23.1.0"),
        ("platform_system", "Darwin"),
        ("platform_version", "Darwin Kernel"),
        ("python_full_version", "3.10.14"),
        ("python_version", "3.10"),
        ("sys_platform", "darwin"),
    ],
];

/// What of the reference's valid requirements they do not take: `and` without a space before its parenthesis, empty
/// parentheses, versions
/// that are no versions (`===`), and URLs of schemes they do not know or without a host.
const REFUSED_BY_THEM: [&str; 6] = ["and(", "name()", "===", "gopher:", "ssh://user:", "git@github.com:"];

/// Their reading; a panic of theirs is a refusal.
fn theirs(text: &str) -> Option<Theirs> {
    let text = text.to_owned();
    catch_unwind(move || Theirs::from_str(&text).ok()).ok().flatten()
}

fn their_environment(facts: &[(&str, &str); 11]) -> pep508_rs::MarkerEnvironment {
    let [implementation_name, implementation_version, os_name, platform_machine, rest @ ..] = facts.map(|(_, v)| v);
    let [platform_python_implementation, platform_release, platform_system, platform_version, rest @ ..] = rest;
    let [python_full_version, python_version, sys_platform] = rest;
    pep508_rs::MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name,
        implementation_version,
        os_name,
        platform_machine,
        platform_python_implementation,
        platform_release,
        platform_system,
        platform_version,
        python_full_version,
        python_version,
        sys_platform,
    })
    .unwrap()
}

/// The first thing about which two readers that both accept a text differ.
fn difference(text: &str) -> Option<String> {
    let (Ok(ours), Some(theirs)) = (requirement::parse(text), theirs(text)) else { return None };
    if ours.name.canonical() != theirs.name.as_ref() {
        return Some(format!("name {} / {}", ours.name.canonical(), theirs.name));
    }
    let extra = |text: &String| ExtraName::new(text.clone()).map_or_else(|_| text.clone(), |e| e.to_string());
    let extras: BTreeSet<String> = ours.extras.iter().map(extra).collect();
    let other: BTreeSet<String> = theirs.extras.iter().map(ToString::to_string).collect();
    if extras != other {
        return Some(format!("extras {extras:?} / {other:?}"));
    }
    let (mut specifiers, mut url) = (Vec::new(), None);
    match &theirs.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(set)) => specifiers.extend(set.iter().map(|s| canonical(&s.to_string()))),
        Some(VersionOrUrl::Url(given)) => url = given.given().map(str::to_owned),
        None => {}
    }
    let mut own: Vec<String> =
        ours.specifiers.to_string().split(',').filter(|s| !s.is_empty()).map(canonical).collect();
    own.sort();
    specifiers.sort();
    if own != specifiers {
        return Some(format!("specifiers {own:?} / {specifiers:?}"));
    }
    if url.is_some() && ours.url != url {
        return Some(format!("URL {:?} / {url:?}", ours.url));
    }
    for facts in &ENVIRONMENTS {
        // One extra at most: of several, pip asks the marker once for each and installs where any holds, so that
        // `extra != "a"` holds for `[a,b]`; they ask once whether `a` is among them.
        for extras in [&[][..], &["test".to_owned()], &["oursql".to_owned()]] {
            let asked: Vec<ExtraName> = extras.iter().map(|e| ExtraName::new(e.clone()).unwrap()).collect();
            let here = ours.applies(&MarkerEnvironment::new(facts.iter().copied()), extras);
            let there = theirs.evaluate_markers(&their_environment(facts), &asked);
            if here != there {
                return Some(format!("marker {here} / {there} for {} {extras:?}", facts[10].1));
            }
        }
    }
    None
}

/// One clause with its version in normal form: the two differ in what they keep of the writing.
fn canonical(clause: &str) -> String {
    let clause: String = clause.chars().filter(|c| !c.is_whitespace()).collect();
    let at = clause.find(|c: char| !"=<>!~".contains(c)).unwrap_or(clause.len());
    let (operator, version) = clause.split_at(at);
    let (version, star) = version.strip_suffix(".*").map_or((version, ""), |v| (v, ".*"));
    format!("{operator}{}{star}", tidewaiter::ecosystem::python::version::normalise(version))
}

#[test]
fn agrees_with_pep508_rs_on_the_valid_requirements() {
    let Some(t) = table("pep508/requirements-valid.json") else { return };
    let (mut both, mut found, mut refused) = (0, Vec::new(), Vec::new());
    for case in t.as_array().unwrap() {
        let text = case["input"].as_str().unwrap();
        match theirs(text) {
            Some(_) => both += 1,
            None => refused.push(text),
        }
        if let Some(what) = difference(text) {
            found.push(format!("{text}: {what}"));
        }
    }
    assert!(both > 2500, "{both}");
    let unexplained: Vec<&&str> = refused.iter().filter(|t| !REFUSED_BY_THEM.iter().any(|w| t.contains(w))).collect();
    assert!(unexplained.is_empty(), "refused by pep508_rs alone: {unexplained:?}");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn their_panics_are_refusals_here() {
    for text in ["foo- >1", "foo- ; extra == 'a'", "a_[b]"] {
        assert!(requirement::parse(text).is_err(), "{text}");
        let _ = theirs(text);
    }
}

fn clause() -> impl Strategy<Value = String> {
    ("(>=|<=|==|!=|~=|<|>)", "[0-9]{1,2}(\\.[0-9]{1,2}){1,3}((a|b|rc)[0-9]|\\.post[0-9]|\\.dev[0-9])?")
        .prop_map(|(operator, version)| format!("{operator}{version}"))
}

fn comparison() -> impl Strategy<Value = String> {
    prop_oneof![
        ("(python_version|python_full_version)", "(>=|<=|==|!=|<|>)", "3\\.[0-9]{1,2}")
            .prop_map(|(n, o, v)| format!("{n} {o} '{v}'")),
        ("(os_name|sys_platform|platform_system)", "(==|!=|in|not in)", "(posix|linux|Windows|win32|darwin nt)")
            .prop_map(|(n, o, v)| format!("{n} {o} '{v}'")),
        ("(==|!=)", "(test|oursql|Te_st)").prop_map(|(o, v)| format!("extra {o} '{v}'")),
    ]
}

fn marker() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), "(and|or)", inner).prop_map(|(a, word, b)| format!("({a}) {word} {b}"))
    })
}

proptest! {
    #[test]
    fn agrees_with_pep508_rs_on_generated_requirements(
        name in "[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?",
        extras in proptest::collection::vec("[a-z]([a-z_-]{0,3}[a-z])?", 0..3),
        clauses in proptest::collection::vec(clause(), 0..4),
        marker in proptest::option::of(marker()),
    ) {
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let marker = marker.map_or_else(String::new, |m| format!(" ; {m}"));
        let text = format!("{name}{extras}{}{marker}", clauses.join(","));
        prop_assert_eq!(difference(&text), None, "{}", text);
    }
}
