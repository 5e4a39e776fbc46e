//! Which dependencies a package has under a set of features, for the lockfile: Cargo's rules, resolver 1.
//!
//! In: a package's [`Detail`] and what is asked of it. Out: its features switched on and its dependencies with the
//! features asked of each, or the feature that it lacks. A weak feature (`x?/y`) brings its dependency into the
//! lockfile all the same, as Cargo has it.

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::universe::{Dependency, Detail, FeatureValue};

/// What is asked of a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Asked {
    /// Features by name.
    pub(super) features: Rc<BTreeSet<Rc<str>>>,
    /// And `default`.
    pub(super) default: bool,
    /// Every feature: workspace members.
    pub(super) all: bool,
    /// Dev-dependencies too: workspace members.
    pub(super) development: bool,
    /// The features are the user's words.
    pub(super) command_line: bool,
}

/// A dependency and the features asked of it.
pub(super) type Wanted = (Rc<Dependency>, Rc<BTreeSet<Rc<str>>>);

/// Features switched on, and dependencies.
pub(super) type Enabled = (BTreeSet<Rc<str>>, Vec<Wanted>);

/// The features and dependencies that `asked` switches on; the missing feature's name otherwise.
pub(super) fn enable(detail: &Detail, asked: &Asked) -> Result<Enabled, Rc<str>> {
    let mut requirements = Requirements { detail, features: BTreeSet::new(), dependencies: FxHashMap::default() };
    if asked.all {
        for name in detail.features.keys() {
            requirements.feature(name)?;
        }
    } else {
        for name in asked.features.iter() {
            requirements.value(&requested(name, asked))?;
        }
        if asked.default && detail.features.contains_key("default") {
            requirements.feature(&Rc::from("default"))?;
        }
    }
    let Requirements { features, dependencies, .. } = requirements;
    let mut out = Vec::new();
    for dependency in detail.dependencies.iter().filter(|d| !d.development || asked.development) {
        let extra = dependencies.get(&dependency.alias);
        if dependency.optional && extra.is_none() {
            continue;
        }
        let mut wanted = extra.cloned().unwrap_or_default();
        wanted.extend(dependency.features.iter().cloned());
        out.push((Rc::clone(dependency), Rc::new(wanted)));
    }
    // A feature may name a dev-dependency: without dev-dependencies it has no effect there.
    let declared = |name: &&Rc<str>| detail.dependencies.iter().any(|d| d.alias == **name);
    if let Some(missing) = dependencies.keys().find(|name| !declared(name)) {
        return Err(Rc::clone(missing));
    }
    Ok((features, out))
}

/// A feature of the command line may be `dependency/feature`; one of a manifest's dependency table may not.
fn requested(name: &Rc<str>, asked: &Asked) -> FeatureValue {
    match name.split_once('/') {
        Some((dependency, feature)) if asked.command_line => {
            FeatureValue::Of { dependency: dependency.into(), feature: feature.into(), weak: false }
        }
        _ => FeatureValue::Feature(Rc::clone(name)),
    }
}

struct Requirements<'d> {
    detail: &'d Detail,
    features: BTreeSet<Rc<str>>,
    dependencies: FxHashMap<Rc<str>, BTreeSet<Rc<str>>>,
}

impl Requirements<'_> {
    /// Switches a feature on, and what it leads to. Iterative: a hostile index may chain features deeply.
    fn feature(&mut self, name: &Rc<str>) -> Result<(), Rc<str>> {
        self.value(&FeatureValue::Feature(Rc::clone(name)))
    }

    fn value(&mut self, value: &FeatureValue) -> Result<(), Rc<str>> {
        let mut pending = vec![value.clone()];
        while let Some(value) = pending.pop() {
            match value {
                FeatureValue::Feature(name) => {
                    if name.is_empty() || !self.features.insert(Rc::clone(&name)) {
                        continue;
                    }
                    let Some(values) = self.detail.features.get(&name) else { return Err(name) };
                    pending.extend(values.iter().cloned());
                }
                FeatureValue::Dependency(name) => {
                    self.dependencies.entry(name).or_default();
                }
                FeatureValue::Of { dependency, feature, weak } => {
                    let optional = self.detail.dependencies.iter().any(|d| d.optional && d.alias == dependency);
                    if !weak && optional && self.detail.features.contains_key(&dependency) {
                        pending.push(FeatureValue::Feature(Rc::clone(&dependency)));
                    }
                    self.dependencies.entry(dependency).or_default().insert(feature);
                }
            }
        }
        Ok(())
    }
}
