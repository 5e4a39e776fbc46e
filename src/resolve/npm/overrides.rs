//! Which override of the root manifest applies to an edge: npm's nested rules; yarn's and pnpm's in the same form.
//!
//! In: the rules and where in them a package stands. Out: the spec to ask for instead, and where its dependencies stand.

use std::sync::Arc;

use crate::ecosystem::npm::manifest::{Manifest, Override};
use crate::ecosystem::npm::semver::{Options, Range};
use crate::ecosystem::npm::spec::{self, Spec};

/// Where a package stands below the rules: the indexes of the rules that were entered, outermost first.
pub(super) type Context = Arc<[usize]>;

/// All rules, flattened; each knows its children.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    rules: Vec<Rule>,
    top: Vec<usize>,
    /// `$name` reads the root's own dependencies.
    references: Vec<(String, String)>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    range: String,
    value: Option<String>,
    children: Vec<usize>,
}

impl Overrides {
    /// The rules of the root manifest and of others (pnpm-workspace.yaml).
    pub(super) fn new(manifest: &Manifest, more: &[Override]) -> Self {
        let mut out = Self::default();
        for rule in manifest.overrides.iter().chain(more) {
            let index = out.add(rule);
            out.top.push(index);
        }
        out.references = manifest.dependencies.iter().map(|d| (d.name.clone(), d.spec.clone())).collect();
        out
    }

    fn add(&mut self, rule: &Override) -> usize {
        let children: Vec<usize> = rule.children.iter().map(|c| self.add(c)).collect();
        self.rules.push(Rule {
            name: rule.name.clone(),
            range: rule.range.clone(),
            value: rule.value.clone(),
            children,
        });
        self.rules.len() - 1
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What to ask for instead of `asked` (`None`: the same), and where the package that is found stands.
    pub(super) fn apply(&self, context: &Context, name: &str, asked: &str) -> (Option<String>, Context) {
        if self.is_empty() {
            return (None, Arc::clone(context));
        }
        // The nearest rules count first: children of the innermost rule, that rule itself, then those around it.
        let mut candidates: Vec<(usize, usize)> = Vec::new();
        for (depth, entered) in context.iter().enumerate().rev() {
            if let Some(rule) = self.rules.get(*entered) {
                candidates.extend(rule.children.iter().map(|c| (depth + 1, *c)));
                candidates.push((depth, *entered));
            }
        }
        candidates.extend(self.top.iter().map(|t| (0, *t)));
        for (depth, index) in candidates {
            let Some(rule) = self.rules.get(index) else { continue };
            if rule.name != name || !overlaps(&rule.range, name, asked) {
                continue;
            }
            let mut path: Vec<usize> = context.iter().copied().take(depth).collect();
            path.push(index);
            return (self.value(rule), path.into());
        }
        (None, Arc::clone(context))
    }

    fn value(&self, rule: &Rule) -> Option<String> {
        let value = rule.value.as_deref()?;
        match value.strip_prefix('$') {
            Some(reference) => self.references.iter().find(|(n, _)| n == reference).map(|(_, spec)| spec.clone()),
            None => Some(value.to_owned()),
        }
    }
}

/// Whether a rule for `range` applies to what is asked for.
fn overlaps(range: &str, name: &str, asked: &str) -> bool {
    if range == "*" {
        return true;
    }
    let text = match spec::resolve(Some(name), asked) {
        Spec::Version(text) | Spec::Range(text) => text,
        Spec::Alias { spec, .. } => match *spec {
            Spec::Version(text) | Spec::Range(text) => text,
            _ => return true,
        },
        Spec::Git(git) => match git.range {
            Some(range) => range,
            None => return false,
        },
        _ => return true,
    };
    match (Range::parse(range, Options::NPM), Range::parse(&text, Options::NPM)) {
        (Some(rule), Some(asked)) => rule.intersects(&asked),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::npm::manifest;

    #[test]
    fn the_nearest_rule_counts() {
        let (manifest, _) = manifest::read(
            std::path::Path::new("package.json"),
            r#"{ "dependencies": { "c": "3.0.0" },
                 "overrides": { "a": "1.0.0", "b@^2": { ".": "2.5.0", "a": "1.1.0", "c": "$c" } } }"#,
        );
        let rules = Overrides::new(&manifest, &[]);
        let root: Context = Arc::from([]);
        assert_eq!(rules.apply(&root, "a", "^1").0.as_deref(), Some("1.0.0"));
        assert_eq!(rules.apply(&root, "b", "^1").0, None);
        let (value, below) = rules.apply(&root, "b", "^2.1");
        assert_eq!(value.as_deref(), Some("2.5.0"));
        assert_eq!(rules.apply(&below, "a", "^1").0.as_deref(), Some("1.1.0"));
        assert_eq!(rules.apply(&below, "c", "^1").0.as_deref(), Some("3.0.0"));
        // Below a package without a rule the rules around it still hold.
        let (_, deeper) = rules.apply(&below, "d", "^1");
        assert_eq!(rules.apply(&deeper, "a", "^1").0.as_deref(), Some("1.1.0"));
    }
}
