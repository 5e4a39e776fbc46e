//! The version npm itself would pick for a name and a spec (npm-pick-manifest), with the cooldown as an input.
//!
//! In: a packument, what is asked for, and what is visible. Out: the version, and the one the cooldown left out.

use std::cmp::Ordering;

use crate::ecosystem::npm::semver::{Options, Range, Version};
use crate::ecosystem::npm::spec::Spec;
use crate::model::{HeldBack, PackageName, Timestamp};
use crate::registry::npm::Packument;
use crate::registry::version_list::VersionRef;
use crate::resolve::Freshness;

/// What decides beside the packument.
pub(super) struct Picker<'a> {
    /// Cooldown and `--as-of`.
    pub freshness: &'a Freshness<'a>,
    /// npm's `--before`.
    pub before: Option<Timestamp>,
    /// npm's `--tag`; `latest`.
    pub default_tag: String,
    /// The version of node that would be used, when it is known: packages that do not run on it are picked last.
    pub node: Option<String>,
    /// Deprecated versions are picked last (npm, pnpm), or as any other (yarn, bun).
    pub minds_deprecation: bool,
}

/// A pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    /// The version, as the packument spells it.
    pub version: String,
    /// The version that would have been picked without the cooldown, when that is another.
    pub held_back: Option<HeldBack>,
}

impl Picker<'_> {
    /// Whether a version is there at all for npm: `--as-of` and `--before`. A version without a time is.
    fn exists(&self, version: &VersionRef<'_>) -> bool {
        let published = version.published();
        let before = match (self.before, published) {
            (Some(before), Some(published)) => published <= before,
            _ => true,
        };
        before && self.freshness.exists(published)
    }

    /// Picks; `None` when no version will do.
    pub(super) fn pick(&self, packument: &Packument, name: &PackageName, spec: &Spec) -> Option<Pick> {
        let ranked = self.ranked(packument, spec)?;
        let wanted = *ranked.first()?;
        let times: Vec<(&str, Option<Timestamp>)> =
            ranked.iter().map(|v| (*v, packument.versions.published(v))).collect();
        let hidden = self.freshness.hidden(name, &times);
        let visible = ranked.iter().zip(&hidden).find(|(_, hidden)| !**hidden).map(|(version, _)| *version);
        let version = visible.unwrap_or(wanted);
        let held_back = (version != wanted).then(|| HeldBack {
            name: name.clone(),
            version: wanted.to_owned(),
            instead: Some(version.to_owned()),
            rule: "cooldown",
            reason: self.freshness.age_text(packument.versions.published(wanted)),
        });
        Some(Pick { version: version.to_owned(), held_back })
    }

    /// Every version the spec permits and that exists, best first. `None`: the spec is not one for a registry.
    fn ranked<'p>(&self, packument: &'p Packument, spec: &Spec) -> Option<Vec<&'p str>> {
        match spec {
            Spec::Version(text) => {
                let wanted = Version::parse(text, true)?;
                // Only that version will do, build metadata and a leading `v` aside.
                let exact = packument.versions.get(text.trim_start_matches(['v', '=', ' ']));
                let same = exact.or_else(|| {
                    packument
                        .versions
                        .iter()
                        .find(|v| Version::parse(v.text(), true).is_some_and(|v| v.precedence(&wanted).is_eq()))
                });
                Some(same.filter(|v| self.exists(v)).map(|v| v.text()).into_iter().collect())
            }
            Spec::Tag(tag) => {
                let Some(tagged) = packument.dist_tags.get(tag) else { return Some(Vec::new()) };
                let mut out: Vec<&str> = Vec::new();
                if let Some(tagged) = packument.versions.get(tagged).filter(|v| self.exists(v)) {
                    out.push(tagged.text());
                }
                // A tagged version that must not be seen: the best one below it, as npm does for `--before`.
                let below = Range::parse(&format!("<={tagged}"), Options::NPM);
                let rest = below.map_or_else(Vec::new, |range| self.best_of(packument, &range, None, false));
                out.extend(rest.into_iter().filter(|v| v != tagged));
                Some(out)
            }
            Spec::Range(text) => {
                let range = Range::parse(text, Options::NPM)?;
                let default = packument.dist_tags.get(&self.default_tag).map(String::as_str);
                let anything = matches!(text.as_str(), "*" | "");
                Some(self.best_of(packument, &range, default, anything))
            }
            _ => None,
        }
    }

    /// The versions in a range, best first: the default tag's where it will do, then by npm's order. When the default
    /// tag's version is in the range, versions above it come last: nobody asked for what is not released yet.
    fn best_of<'p>(
        &self,
        packument: &'p Packument,
        range: &Range,
        default: Option<&str>,
        anything: bool,
    ) -> Vec<&'p str> {
        let mut entries: Vec<(&str, Version<'_>, bool, bool)> = Vec::new();
        for version in packument.versions.iter() {
            let Some(parsed) = Version::parse(version.text(), true) else { continue };
            if self.exists(&version) && range.satisfied_by(&parsed) {
                entries.push((version.text(), parsed, self.in_use(&version), self.runs_here(&version)));
            }
        }
        let default = default.and_then(|d| {
            let version = packument.versions.get(d)?;
            let parsed = Version::parse(d, true)?;
            // The text `*` takes the default tag's version even where that is a pre-release.
            let permitted = anything || range.satisfied_by(&parsed);
            (permitted && self.exists(&version)).then_some((d, parsed, version))
        });
        let above = |v: &Version<'_>| default.is_some_and(|(_, d, _)| v.precedence(&d).is_gt());
        entries.sort_by(|a, b| {
            let rank = |e: &(&str, Version<'_>, bool, bool)| (e.2 && e.3, e.3, e.2);
            above(&a.1)
                .cmp(&above(&b.1))
                .then_with(|| rank(b).cmp(&rank(a)))
                .then_with(|| b.1.precedence(&a.1))
                .then(Ordering::Equal)
        });
        let mut out: Vec<&str> = entries.iter().map(|e| e.0).collect();
        if let Some((d, _, version)) = default {
            let good = self.in_use(&version) && self.runs_here(&version);
            match (good, packument.versions.get(d).map(|v| v.text())) {
                (true, Some(text)) => {
                    out.retain(|v| *v != text);
                    out.insert(0, text);
                }
                // npm passes over a default that is deprecated or does not run here; then the order alone decides.
                _ => {
                    entries.sort_by(|a, b| {
                        let rank = |e: &(&str, Version<'_>, bool, bool)| (e.2 && e.3, e.3, e.2);
                        rank(b).cmp(&rank(a)).then_with(|| b.1.precedence(&a.1))
                    });
                    out = entries.iter().map(|e| e.0).collect();
                }
            }
        }
        out
    }

    fn in_use(&self, version: &VersionRef<'_>) -> bool {
        !self.minds_deprecation || version.deprecated().is_none()
    }

    fn runs_here(&self, version: &VersionRef<'_>) -> bool {
        let (Some(node), Some(engines)) = (&self.node, version.engines_node()) else { return true };
        let options = Options { loose: false, include_prerelease: true };
        match (Version::parse(node, true), Range::parse(engines, options)) {
            (Some(node), Some(range)) => range.satisfied_by(&node),
            // node-semver's `satisfies` is false for what is no range.
            (Some(_), None) => false,
            _ => true,
        }
    }
}

/// Whether a registry spec is satisfied by a version; tags are by any.
pub(super) fn satisfied(spec: &Spec, version: &str) -> bool {
    match spec {
        Spec::Version(text) | Spec::Range(text) => {
            text.is_empty() || text == "*" || crate::ecosystem::npm::semver::admits(text, version) == Some(true)
        }
        Spec::Tag(_) => true,
        Spec::Alias { spec, .. } | Spec::Jsr { spec, .. } => satisfied(spec, version),
        _ => false,
    }
}
